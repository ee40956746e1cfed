"""Keys are driven through errors of every kind; then everything that was said, written or can be seen is searched."""

from __future__ import annotations

import importlib.util
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from api_server import Api, Reply, Seen, completion, fault, serving, streamed
from bundles import ngram_bundle
from jangin import cli
from jangin.access.keys import Keys
from jangin.serve import client
from jangin.serve.run import start
from test_serve_process import wait_until

CAPTURES = importlib.util.find_spec("presidio_analyzer") is not None  # the extra pii: what is kept is redacted
UPSTREAM = "sk-up-5ecre7c0ffee0123456789"
OTHERS = {"HF_TOKEN": "hf_5ecre7abcdef", "PGPASSWORD": "5ecre7-postgres", "MY_VENDOR_KEY": "5ecre7-vendor"}
ODD = {"UPSTREAM_WORD": UPSTREAM}  # no name that gives it away: only the configuration says what it holds


def upstream_faults() -> Iterator[Reply]:
    """What an API may say, with the key that it was asked with in it."""
    says = f"Incorrect API key provided: {UPSTREAM}"
    yield fault(401, message=says, code="invalid_api_key")
    yield fault(400, message=says, param=UPSTREAM, code="bad")
    yield fault(403, message=says)
    yield fault(404, message=says)
    yield Reply(302, {"error": says}, {"Location": f"http://127.0.0.1:1/?key={UPSTREAM}"})
    yield Reply(500, says.encode(), {"X-Echo": UPSTREAM})
    yield Reply(200, says.encode())
    yield Reply(200, b"data: " + says.encode() + b"\n\n", {"Content-Type": "text/event-stream"})
    yield Reply(200, {"choices": [], "echo": UPSTREAM})
    yield Reply(drop=True)
    yield fault(429, after="0", message=says, code="insufficient_quota")
    yield completion("fine")
    yield completion(None, message={"refusal": "no"})
    yield streamed("fi", "ne")
    yield streamed("fi", done=False, finish_reason=None)


class House:
    """A server with keys and a way out, all that it says, and all that it leaves behind."""

    def __init__(self, folder: Path, api: Api):
        self.folder, self.state, self.answers = folder, folder / "state", list[bytes]()
        keys = Keys(self.state / "keys.json")
        self.app = keys.add("app")[1]
        self.admin = keys.add("root", roles=("admin",))[1]
        self.gone = keys.add("gone")[1]
        keys.revoke("gone")
        self.desk = ngram_bundle(folder / "desk")
        upstream = {"url": api.url, "key_env": "UPSTREAM_WORD", "tries": 1, "timeout_s": 5}
        more = {"capture": {"keep_days": 3}, "capture_folder": str(folder / "captured")} if CAPTURES else {}
        rules = {"egress": "allow", "endpoints": [{"url": api.url, "models": ["gpt-4o"]}], "redact": "none"}
        about = {
            "name": "shop",
            "kind": "generate",
            "data": "data.jsonl",
            "policy": {**rules, "capture": {"keep_days": 3}},
        }
        (folder / "shop").mkdir()
        (folder / "shop" / "task.yaml").write_text(json.dumps(about), "utf-8")
        (folder / "server.yaml").write_text(
            json.dumps({"egress": {"egress": "allow", "upstreams": [upstream], **more}}), "utf-8"
        )
        self.options = {
            "state": str(self.state),
            "config": str(folder / "server.yaml"),
            "tasks": [str(folder / "shop")],
        }

    @property
    def secrets(self) -> list[bytes]:
        own = [self.app, self.admin, self.gone]
        return [each.encode() for each in (*own, UPSTREAM, *OTHERS.values())]

    def ask(self, web: httpx.Client, path: str, body: Any, key: str | None, **headers: str) -> int:
        about = {"content-type": "application/json", **headers}
        if key is not None:
            about["authorization"] = f"Bearer {key}"
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = web.post(path, content=content, headers=about)
        self.answers.append(answer.content + repr(answer.headers).encode())
        return answer.status_code

    def found(self, data: bytes) -> list[bytes]:
        return [secret for secret in self.secrets if secret in data]


def restarted(web: httpx.Client) -> bool:
    (engine,) = web.get("/healthz").json()["engines"].values()
    return bool(engine["up"]) and engine["restarts"] == 1


def faults(house: House, web: httpx.Client) -> None:
    """Every refusal that this side knows."""
    chat = {"model": "desk", "messages": [{"role": "user", "content": "lost my card"}]}
    load = {"path": str(house.folder / "nothing")}
    expected = [
        (401, "/v1/classify", {}, None, {}),
        (401, "/v1/classify", {}, house.gone, {}),
        (401, "/v1/classify", {}, house.app + "x", {}),
        (401, f"/v1/classify?key={house.app}", {}, None, {"x-api-key": house.app}),
        (400, "/v1/classify", b"{", house.app, {}),
        (400, "/v1/classify", {"model": 1}, house.app, {}),
        (400, "/v1/chat/completions", {**chat, "tools": []}, house.app, {}),
        (404, "/v1/chat/completions", {**chat, "model": "x"}, house.app, {}),
        (403, "/v1/chat/completions", chat, house.admin, {}),
        (403, "/v1/admin/load", load, house.app, {}),
        (400, "/v1/admin/load", load, house.admin, {}),
        (404, "/v1/admin/unload", {"model": "x"}, house.admin, {}),
        (404, "/v1/feedback", {"id": "x", "right": True}, house.admin, {}),
        (404, "/tasks/x/v1/chat/completions", chat, house.app, {}),
        (404, "/v1/x", chat, house.app, {}),
        (200, "/v1/chat/completions", chat, house.app, {}),
        (200, "/v1/chat/completions", {**chat, "stream": True}, house.app, {}),
        (200, "/v1/classify", {"model": "desk", "input": "lost my card"}, house.app, {"x-request-id": house.app}),
        (200, "/v1/admin/reload", {"model": "desk"}, house.admin, {"x-request-id": house.admin}),
    ]
    for status, path, body, key, headers in expected:
        assert house.ask(web, path, body, key, **headers) == status, path


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads /proc")
def test_no_key_is_said_written_or_seen_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**OTHERS, **ODD}.items():
        monkeypatch.setenv(name, value)
    # A good answer after each keeps the breaker closed.
    replies = [reply for each in upstream_faults() for reply in (each, completion("fine"))]

    def answer(number: int, seen: Seen) -> Reply:
        assert seen.headers["authorization"] == f"Bearer {UPSTREAM}"  # it is used, so it could be told
        return replies[number]

    with serving(answer) as api:
        house = House(tmp_path, api)
        with (
            start([house.desk], open_to_all=False, **house.options) as (process, url),
            httpx.Client(base_url=url, timeout=30) as web,
        ):
            faults(house, web)
            for number in range(len(replies)):
                stream = number % 4 == 2
                body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hm"}], "stream": stream}
                house.ask(web, "/tasks/shop/v1/chat/completions", body, house.app)
            for engine in psutil.Process(process.pid).children(recursive=True):
                engine.kill()  # what a death says, and the next engine's environment
            house.ask(web, "/v1/classify", {"model": "desk", "input": "lost my card"}, house.app)
            wait_until(lambda: restarted(web))
            family = psutil.Process(process.pid).children(recursive=True)
            for each in [psutil.Process(process.pid), *family]:
                assert not house.found(Path(f"/proc/{each.pid}/cmdline").read_bytes())
            for engine in family:
                assert not house.found(Path(f"/proc/{engine.pid}/environ").read_bytes())
        assert len(api.seen) == len(replies)
    said = capfd.readouterr()
    assert "gone; starting it again" in said.err
    assert not house.found((said.out + said.err).encode())
    assert len(house.answers) > 30 and not house.found(b"\n".join(house.answers))
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"ledger.sqlite", "keys.json"} <= {path.name for path in left} and len(left) > 8
    for path in left:
        assert not house.found(path.read_bytes()), path
    captured = [house.folder / "captured" / "shop"] if CAPTURES else []
    for path in (house.state, house.state / "keys.json", *captured):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, f"{path} can be read by others"


def test_an_engine_gets_no_variable_that_may_hold_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {
        "PATH",
        "HOME",
        "PYTHONPATH",
        "OMP_NUM_THREADS",
        "TOKENIZERS_PARALLELISM",
        "JANGIN_HOME",
        "KEYBOARD",
        "MONKEY",
    }
    gone = {
        *("OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "DB_PASSWORD", "APIKEY", "my_token"),
        *("AZURE_OPENAI_KEYS", "JANGIN_LEDGER", "HTTPS_PROXY", "SENTRY_DSN", "GOOGLE_APPLICATION_CREDENTIALS"),
        *("DATABASE_URL", "SSH_AUTH_SOCK", "OTEL_EXPORTER_OTLP_HEADERS", "PLAIN_NAME"),
    }
    for name in kept | gone:
        monkeypatch.setenv(name, os.environ.get(name, "x"))
    found = client._environment({"PLAIN_NAME"})
    assert kept <= set(found) and not gone & set(found)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("url", {"url": "https://user:5ecre7@api.example.com/v1"}),
        ("key_env", {"url": "https://api.example.com/v1", "key_env": "sk-5ecre7"}),
        ("key", {"url": "https://api.example.com/v1", "key": "sk-5ecre7"}),
    ],
)
def test_a_key_in_the_wrong_place_is_not_repeated(
    tmp_path: Path, name: str, text: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "server.yaml"
    config.write_text(json.dumps({"egress": {"egress": "allow", "upstreams": [text]}}), "utf-8")
    desk = ngram_bundle(tmp_path / "desk")
    state = ["--state", str(tmp_path / "state")]
    assert cli.main(["serve", "--open", str(desk), "--port", "0", "--config", str(config), *state]) == 2
    said = capfd.readouterr()
    assert said.err.startswith("error: ") and "5ecre7" not in said.out + said.err


def test_a_database_s_password_does_not_stand_in_the_process_list(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve", "--open", "x", "--ledger", "postgresql://u:5ecre7@127.0.0.1/l"]) == 2
    said = capfd.readouterr().err
    assert "other users of this machine can read it" in said and "5ecre7" not in said
