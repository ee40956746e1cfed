"""Capture: what is kept, for how long, what a kill -9 can take, and the dataset that is made of it."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import resource
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api_server import Reply, completion, serving, streamed
from data_files import refused
from egress_parts import AuditFile, Redactor, breaking, policy, server
from jangin.cli import main
from jangin.data.load import load_splits
from jangin.egress import passing
from jangin.egress.capture import Capture
from jangin.egress.captured import Exchange, Torn, read
from jangin.egress.escalate import Egress
from jangin.egress.passing import PassThrough
from jangin.errors import DataError, StorageError
from jangin.from_capture import from_capture, guess_kind
from jangin.task import load_task

MAIL, OTHER = "kim@example.com", "lee@example.com"
CHAT = [{"role": "system", "content": "You are terse."}, {"role": "user", "content": f"write to {MAIL}"}]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_KEY", "sk-up-c0ffee1234567890")


def exchange(answer: str | None, text: str = "a question", task: str = "shop", **more: Any) -> Exchange:
    return Exchange(
        task, "r", "2026-11-03T00:00:00+00:00", "gpt-4o", [{"role": "user", "content": text}], answer, **more
    )


def write(folder: Path, *exchanges: Exchange, keep_days: int = 30, capture: Capture | None = None) -> Capture:
    kept = capture or Capture(folder, Redactor)

    async def run() -> None:
        for each in exchanges:
            assert await kept.record(keep_days, each, None), kept.last_error

    asyncio.run(run())
    return kept


def captured(tmp_path: Path, body: dict[str, Any], reply: Any, rules: Any = None, **of_server: Any) -> tuple[Any, Any]:
    """(what pass-through said of capturing, the exchanges on disk)."""
    folder = tmp_path / "captured"

    async def run(url: str) -> Any:
        allowed = server(url, {"keep_days": 9}, folder)
        capture = Capture(folder, of_server.get("redaction", Redactor))
        async with Egress(allowed, AuditFile(tmp_path / "audit.jsonl"), Redactor) as egress:
            through = PassThrough(egress, capture)
            asked = passing.read(json.dumps(body).encode(), "shop", "req-1")
            task = policy(url, **{"capture": {"keep_days": 30}, **(rules or {})})
            if not asked.stream:
                found = (await through.whole(task, asked)).captured
            else:
                async with through.streamed(task, asked) as events:
                    async for event in events:
                        if event == b"data: [DONE]\n\n":
                            assert list(folder.rglob("*.gz"))  # before the client has the last byte
                found = events.captured
        capture.close()
        return found

    with serving(reply) as api:
        found = asyncio.run(run(api.url))
    return found, list(read(folder / "shop")) if (folder / "shop").exists() else []


@pytest.mark.parametrize("stream", [False, True])
def test_an_exchange_is_kept_redacted_and_with_what_it_cost(tmp_path: Path, stream: bool) -> None:
    said = f"sent to [#0], copy to {OTHER}"  # the model knows a second address of its own
    reply = streamed(said[:9], said[9:]) if stream else completion(said)
    found, (kept,) = captured(tmp_path, {"model": "gpt-4o", "messages": CHAT, "stream": stream}, reply)
    assert found is True
    assert kept.messages == [{"role": "user", "content": "write to [#0]"}]
    assert kept.answer == "sent to [#0], copy to [#1]"
    assert (kept.task, kept.id, kept.model, kept.answered_by) == ("shop", "req-1", "gpt-4o", "gpt-4o-2024-08-06")
    assert (kept.prompt_tokens, kept.completion_tokens, kept.finish_reason) == (40, 5, "stop")
    assert kept.cost_usd and kept.latency_s is not None
    raw = b"".join(gzip.decompress(path.read_bytes()) for path in tmp_path.rglob("*.gz"))
    assert MAIL.encode() not in raw and OTHER.encode() not in raw and b"terse" not in raw


def test_what_leaves_as_it_is_is_still_kept_redacted(tmp_path: Path) -> None:
    body = {"model": "gpt-4o", "messages": CHAT}
    found, (kept,) = captured(tmp_path, body, completion(f"to {MAIL}"), {"redact": "none"})
    assert found is True and (kept.messages[0]["content"], kept.answer) == ("write to [#0]", "to [#0]")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("redact", ["pii", "none"])
def test_a_refusal_is_kept_redacted_too(tmp_path: Path, stream: bool, redact: str) -> None:
    asked = "write to [#0]" if redact == "pii" else f"write to {MAIL}"
    said = f"I will not {asked}, nor to {OTHER}"
    reply = completion(None, message={"refusal": said}, model=f"gpt for {OTHER}")
    if stream:
        chunk = {"object": "chat.completion.chunk", "model": f"gpt for {OTHER}"}
        deltas = [({"refusal": said[:13]}, None), ({"refusal": said[13:]}, None), ({}, "stop")]
        events = [{**chunk, "choices": [{"index": 0, "delta": d, "finish_reason": why}]} for d, why in deltas]
        reply = Reply(body=b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in events))
    body = {"model": "gpt-4o", "messages": CHAT, "stream": stream}
    _, (kept,) = captured(tmp_path, body, reply, {"redact": redact})
    assert (kept.answer, kept.refusal) == (None, "I will not write to [#0], nor to [#1]")
    assert kept.answered_by == "gpt for [#1]"
    raw = b"".join(gzip.decompress(path.read_bytes()) for path in tmp_path.rglob("*.gz"))
    assert MAIL.encode() not in raw and OTHER.encode() not in raw


def test_nothing_is_kept_unless_task_and_server_say_so(tmp_path: Path) -> None:
    body = {"model": "gpt-4o", "messages": CHAT}
    assert captured(tmp_path, body, completion("x"), {"capture": "off"}) == (None, [])


def test_the_shorter_time_of_task_and_server_stands_in_the_file(tmp_path: Path) -> None:
    captured(tmp_path, {"model": "gpt-4o", "messages": CHAT}, completion("x"))
    (path,) = tmp_path.rglob("*.gz")
    head = json.loads(gzip.decompress(path.read_bytes()).splitlines()[0])
    assert (head["jangin_capture"], head["task"], head["keep_days"]) == (1, "shop", 9)
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700


def test_a_redactor_that_fails_keeps_nothing_and_the_client_has_its_answer(tmp_path: Path) -> None:
    broken = breaking(ValueError(MAIL))
    body = {"model": "gpt-4o", "messages": CHAT}
    assert captured(tmp_path, body, completion("x"), redaction=broken) == (False, [])


def test_files_are_of_one_day_and_removed_when_their_time_is_over(tmp_path: Path) -> None:
    moment = datetime(2026, 11, 3, 23, 50, tzinfo=UTC)
    capture = Capture(tmp_path, Redactor, lambda: moment)
    write(tmp_path, exchange("a"), exchange("b"), keep_days=2, capture=capture)
    moment += timedelta(minutes=20)
    write(tmp_path, exchange("c"), keep_days=2, capture=capture)
    write(tmp_path, exchange("d", task="desk"), keep_days=30, capture=capture)
    names = ["2026-11-03.0000.jsonl.gz", "2026-11-04.0000.jsonl.gz"]
    assert sorted(path.name for path in (tmp_path / "shop").iterdir()) == names
    assert [each.answer for each in read(tmp_path / "shop") if isinstance(each, Exchange)] == ["a", "b", "c"]
    capture.close()
    moment += timedelta(days=1)
    later = Capture(tmp_path, Redactor, lambda: moment)  # whoever starts next, with the task's capture switched off
    assert later.prune() == 1 and later.prune() == 0
    assert [path.name for path in (tmp_path / "shop").iterdir()] == names[1:]
    assert len(list((tmp_path / "desk").iterdir())) == 1


def test_a_file_that_cannot_be_removed_keeps_no_other_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jangin.serve.door import Door
    from jangin.serve.fleet import Fleet
    from jangin.serve.housekeeping import housekeeping

    moment = datetime(2026, 11, 3, 12, tzinfo=UTC)
    for task in ("held", "shop"):
        write(tmp_path, exchange("a", task=task), keep_days=2, capture=Capture(tmp_path, Redactor, lambda: moment))
    (tmp_path / "shop" / "2026-99-99.0000.jsonl.gz").write_bytes(b"no day")
    moment += timedelta(days=5)
    unlink, tries = Path.unlink, 0

    def held(path: Path, missing_ok: bool = False) -> None:
        nonlocal tries
        if path.parent.name == "held" and tries < 2:
            tries += 1
            raise PermissionError(1, "Operation not permitted")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", held)
    capture = Capture(tmp_path, Redactor, lambda: moment)
    with pytest.raises(StorageError, match="Operation not permitted"):
        capture.prune()
    assert [path.name for path in (tmp_path / "shop").iterdir()] == ["2026-99-99.0000.jsonl.gz"]

    class Out:
        def __init__(self) -> None:
            self.capture = capture

    async def run() -> None:
        keeping = asyncio.create_task(housekeeping(Fleet(), Door(), Out(), 0.01))  # type: ignore[arg-type]
        async with asyncio.timeout(10):
            while list((tmp_path / "held").iterdir()):
                await asyncio.sleep(0.01)
        keeping.cancel()

    asyncio.run(run())
    assert tries == 2


def test_two_processes_write_files_of_their_own(tmp_path: Path) -> None:
    write(tmp_path, exchange("a"))
    write(tmp_path, exchange("b"))
    assert len(list((tmp_path / "shop").iterdir())) == 2
    assert {each.answer for each in read(tmp_path) if isinstance(each, Exchange)} == {"a", "b"}


def test_a_torn_end_costs_only_itself_wherever_it_is_torn(tmp_path: Path) -> None:
    write(tmp_path, *[exchange(f"answer {number}", "q" * number) for number in range(4)])
    (path,) = (tmp_path / "shop").iterdir()
    whole, last = path.read_bytes(), len(gzip.compress(b"x"))
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        found = list(read(tmp_path / "shop"))
        good = [each.answer for each in found if isinstance(each, Exchange)]
        assert good == [f"answer {number}" for number in range(len(good))]
        assert sum(isinstance(each, Torn) for each in found) <= 1
        assert length < last or len(good) >= len(gzip.decompress(whole).splitlines()) - 5
    path.write_bytes(whole[:-1])
    assert [type(each) for each in read(tmp_path)] == [Exchange] * 3 + [Torn]


_WRITES = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from egress_parts import Redactor
from jangin.egress.capture import Capture
from jangin.egress.captured import Exchange

async def run():
    capture, number = Capture(Path(sys.argv[1]), Redactor), 0
    while True:
        chat = [{"role": "user", "content": f"question {number} " + "word " * 400}]
        assert await capture.record(30, Exchange("shop", str(number), "now", "m", chat, f"answer {number}"), None)
        print(number, flush=True)
        number += 1

asyncio.run(run())
"""


def test_kill_9_while_capturing_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged = []
    for run in range(3):
        command = [sys.executable, "-c", _WRITES, str(tmp_path), str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(20 + 7 * run):
                last = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            last = max([last, *map(int, process.stdout.read().split("\n")[:-1])])
        acknowledged.append(last + 1)
    found = list(read(tmp_path / "shop"))
    kept = [each for each in found if isinstance(each, Exchange)]
    assert sum(acknowledged) <= len(kept) <= sum(acknowledged) + 3
    assert len(found) - len(kept) <= 3
    for each in kept:
        assert each.answer == f"answer {each.id}" and each.messages[0]["content"].startswith(f"question {each.id} ")


def test_a_full_disk_leaves_whole_records_and_says_so(tmp_path: Path) -> None:
    noise = [os.urandom(1500).hex() for _ in range(3)]
    capture = write(tmp_path, exchange("first", noise[0]))
    (path,) = (tmp_path / "shop").iterdir()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 500, hard))
    try:
        assert not asyncio.run(capture.record(30, exchange("second", noise[1]), None))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert capture.failed == 1 and "the disk is full" in (capture.last_error or "")
    write(tmp_path, exchange("third", noise[2]), capture=capture)
    assert [each.answer for each in read(tmp_path) if isinstance(each, Exchange)] == ["first", "third"]
    assert not [each for each in read(tmp_path) if isinstance(each, Torn)]


# jangin init --from-capture


def test_labels_are_made_into_a_task_that_loads_with_a_report_of_what_was_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = ["refund", "delivery", "account"]
    rows = [exchange(labels[number % 3], f"question number {number} {number * 7919}") for number in range(60)]
    rows += [exchange("Refund.", "question number 0 0"), exchange('"delivery"', "another one entirely")]
    rows += [
        exchange("account", "contradicted"),
        exchange("refund", "contradicted"),
        exchange("account", "contradicted"),
    ]
    rows += [exchange("refund", "question number 3 23757")]
    rows += [exchange("I would rather not say which of these it is.", "an odd one")]
    rows += [
        exchange(None, "bad", refusal="no"),
        exchange("refu", "long", finish_reason="length"),
        exchange("", "nothing"),
    ]
    write(tmp_path / "captured", *rows)
    (path,) = (tmp_path / "captured" / "shop").iterdir()
    path.write_bytes(path.read_bytes()[:-3])  # the last row, without an answer, is torn
    assert main(["init", "--from-capture", str(tmp_path / "captured"), "-o", str(tmp_path / "task"), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["kind"], made["read"], made["rows"]) == ("classify", 70, 62)
    assert made["left_out"] == {
        "torn": 1,
        "refused": 1,
        "cut_off": 1,
        "other_form": 1,
        "contradicts": 1,
        "duplicate": 3,
    }
    assert made["merged"] == {"Refund.": "refund", '"delivery"': "delivery"}
    assert json.loads((tmp_path / "task" / "capture-report.json").read_text()) == made
    task = load_task(tmp_path / "task")
    assert (task.name, task.kind, task.policy.egress) == ("shop", "classify", "deny")
    splits = load_splits(task)
    assert {each.output for each in splits.train} == set(labels)
    lines = [json.loads(line) for line in (tmp_path / "task" / "data.jsonl").read_text().splitlines()]
    assert {"input": "contradicted", "output": "account"} in lines
    with pytest.raises(DataError) as error:
        from_capture(tmp_path / "captured", tmp_path / "task")
    assert refused(error)[0] == f"'{tmp_path / 'task' / 'task.yaml'}' is there already"
    assert main(["init", "--from-capture", str(tmp_path / "captured"), "-o", str(tmp_path / "again")]) == 0
    table = capsys.readouterr().out
    assert "62 of 70 exchanges, kind classify" in table and "the same question with the same answer" in table


def test_json_answers_become_an_extraction_task(tmp_path: Path) -> None:
    rows = [exchange(json.dumps({"brand": f"B{n}", "size": n}), f"listing {n} of {n * 7919}") for n in range(30)]
    rows += [exchange('```json\n{"brand": "X", "size": 1}\n```', "fenced"), exchange("I see no brand.", "none")]
    write(tmp_path / "captured", *rows)
    made = from_capture(tmp_path / "captured" / "shop", tmp_path / "task")
    assert (made.kind, made.rows, made.left_out) == ("extract", 31, {"other_form": 1})
    splits = load_splits(load_task(tmp_path / "task"))
    outputs = [each.output for part in (splits.train, splits.validation, splits.calibration) for each in part]
    assert all(set(output) == {"brand", "size"} for output in outputs)


def test_free_text_becomes_a_generation_task_and_chats_stay_chats(tmp_path: Path) -> None:
    rows = [exchange(f"A long answer, number {n}, about {n * 7919}.", f"question {n}") for n in range(20)]
    turns = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hi"},
        {"role": "user", "content": "and then?"},
    ]
    rows.append(msgspec.structs.replace(rows[0], messages=turns))
    rows.append(msgspec.structs.replace(rows[0], messages=[turns[0], {"role": "user", "content": "question 1"}]))
    write(tmp_path / "captured", *rows)
    made = from_capture(tmp_path / "captured" / "shop", tmp_path / "task")
    assert (made.kind, made.rows, made.instructions) == ("generate", 21, 2)
    assert made.left_out == {"contradicts": 1}  # the same question, since a specialist reads no system message
    lines = [json.loads(line) for line in (tmp_path / "task" / "data.jsonl").read_text().splitlines()]
    assert [line["input"] for line in lines if isinstance(line["input"], list)] == [turns[1:]]
    load_splits(load_task(tmp_path / "task"))


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        (["a", "b"] * 10, "classify"),
        (["yes", "no"], "generate"),
        (["a"] * 20, "generate"),
        ([str(n) for n in range(20)], "generate"),
        (["a", "b"] * 9 + ["a long story"], "classify"),
        (['["a"]', '["a", "b"]', "[]"] * 5, "tag"),
        (['{"a": 1}'] * 9 + ["none"], "extract"),
        (['{"a": 1}'] * 8 + ["none", "of these"], "generate"),
    ],
)
def test_the_kind_is_what_nine_in_ten_answers_are(answers: list[str], kind: str) -> None:
    assert guess_kind(answers)[0] == kind


def test_what_is_no_capture_is_refused_by_name(tmp_path: Path) -> None:
    def message(path: Path) -> str:
        with pytest.raises(DataError) as error:
            from_capture(path, tmp_path / "task")
        return error.value.message

    assert message(tmp_path / "no") == f"no capture '{tmp_path / 'no'}'"
    assert message(tmp_path) == f"'{tmp_path}' holds no captured exchanges (*.jsonl.gz)"
    other = tmp_path / "a.jsonl.gz"
    other.write_bytes(gzip.compress(b'{"input": "a"}\n'))
    assert message(other) == f"'{other}' is no file of captured exchanges"
    newer = tmp_path / "b.jsonl.gz"
    newer.write_bytes(gzip.compress(b'{"jangin_capture": 2, "keep_days": 1}\n'))
    assert message(newer) == f"'{newer}' has format 2; this version reads 1"
    write(tmp_path / "two", exchange("a"), exchange("b", task="desk"))
    assert message(tmp_path / "two") == f"'{tmp_path / 'two'}' holds captures of 2 tasks: desk, shop"
    write(tmp_path / "refused", exchange(None, refusal="no"))
    assert message(tmp_path / "refused").endswith("none of 1 captured exchanges can be learnt from")
    assert not (tmp_path / "task").exists()


def test_init_wants_one_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "-o", str(tmp_path)]) == 2
    assert "init takes DATA or --from-capture PATH, one of the two" in capsys.readouterr().err
