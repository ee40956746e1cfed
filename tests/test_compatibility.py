"""Other people's programs, unmodified, against a real server: on demand, `pytest tests/test_compatibility.py --peers
DIR`.

DIR keeps what they need (npm and pip install it there once), so that nothing of it is among Jangin's dependencies. The
programs are given an address and a key, and nothing else that they would not be given for OpenAI's API.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bundles import ngram_bundle
from jangin.access.keys import Keys
from jangin.serve.run import start
from writers import SCHEMA, base, writer

pytest.importorskip("xllamacpp", reason="the extra 'decoder' is not installed")
pytestmark = pytest.mark.peers
JAVASCRIPT = {"openai": "6.49.0", "promptfoo": "0.121.20"}
PYTHON = {"langchain-openai": "1.7.4"}


class Served(NamedTuple):
    url: str
    key: str

    @property
    def environment(self) -> dict[str, str]:
        """Of a peer: nobody's settings, and no telemetry that would take minutes to give up."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        quiet = {"PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1", "LANGSMITH_TRACING": "false"}
        return kept | quiet | {"OPENAI_API_KEY": self.key, "OPENAI_BASE_URL": f"{self.url}/v1"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Labels (desk), free text (free) and JSON of a schema (orders), with keys and a ledger."""
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JANGIN_HOME", str(folder / "home"))
        (folder / "home").mkdir()
        sha256 = base(folder / "home")
        made = [
            ngram_bundle(folder / "desk"),
            writer(folder / "free", sha256, "free", max_tokens=24),
            writer(folder / "orders", sha256, "orders", schema=SCHEMA, max_tokens=200),
        ]
        key = Keys(folder / "state" / "keys.json").add("peer")[1]
        with start(made, state=str(folder / "state"), open_to_all=False) as (_, url):
            yield Served(url, key)


@pytest.fixture(scope="module")
def peers(request: pytest.FixtureRequest) -> Path:
    folder = Path(request.config.getoption("--peers")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def node(peers: Path, package: str) -> Path:
    """The folder of an installed package of JavaScript; its install scripts do not run."""
    if shutil.which("npm") is None:
        pytest.skip("no npm here")
    folder = peers / package
    if not (folder / "node_modules" / package).is_dir():
        folder.mkdir(exist_ok=True)
        wanted = f"{package}@{JAVASCRIPT[package]}"
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
        subprocess.run(["npm", "install", *options, wanted], check=True, cwd=folder)
    return folder


def python(peers: Path, package: str) -> str:
    """The interpreter of an environment that holds a package of Python."""
    folder = peers / package
    found = folder / "bin" / "python"
    if not found.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(found), "-m", "pip", "install", "-q", f"{package}=={PYTHON[package]}"], check=True)
    return str(found)


def run(served: Served, folder: Path, *command: object, good: tuple[int, ...] = (0,), **more: str) -> str:
    done = subprocess.run(
        [*map(str, command)],
        cwd=folder,
        env={**served.environment, **more},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode in good, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


OPENAI_JS = """
import OpenAI from "openai";
import assert from "node:assert";
const client = new OpenAI();  // address and key from the environment
const messages = [{ role: "user", content: "I lost my card" }];
const names = [];
for await (const model of client.models.list()) names.push(model.id);
assert.deepStrictEqual(names.sort(), ["desk", "free", "orders"]);
const whole = await client.chat.completions.create({ model: "desk", messages, logprobs: true, top_logprobs: 2 });
assert.strictEqual(whole.choices[0].message.content, "card_lost");
assert.strictEqual(whole.choices[0].logprobs.content[0].top_logprobs.length, 2);
assert.strictEqual(whole.jangin.route, "local");
const { response } = await client.chat.completions.create({ model: "desk", messages }).withResponse();
assert.strictEqual(response.headers.get("x-jangin-egress-bytes"), "0");
let text = "", usage = null;
const options = { include_usage: true };
for await (const chunk of await client.chat.completions.create({ model: "desk", messages, stream: true,
    stream_options: options })) { text += chunk.choices[0]?.delta?.content ?? ""; usage = chunk.usage ?? usage; }
assert.strictEqual(text, "card_lost");
assert.strictEqual(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
const helper = client.chat.completions.stream({ model: "free", messages, max_tokens: 8 });
assert.strictEqual(typeof (await helper.finalContent()), "string");
const written = await client.completions.create({ model: "free", prompt: "Hello", max_tokens: 4, stop: ["zzz"] });
assert.strictEqual(typeof written.choices[0].text, "string");
const ordered = await client.chat.completions.create({ model: "orders", messages });
const order = JSON.parse(ordered.choices[0].message.content);
assert.deepStrictEqual(Object.keys(order), ["kind", "paid"]);
const fails = async (kind, options, asked) => {
  const mine = new OpenAI({ maxRetries: 0, ...options });
  await assert.rejects(mine.chat.completions.create(asked), (e) => e instanceof kind && !!e.requestID && !!e.code);
};
await fails(OpenAI.AuthenticationError, { apiKey: "jk-wrong" }, { model: "desk", messages });
await fails(OpenAI.NotFoundError, {}, { model: "nobody", messages });
await fails(OpenAI.BadRequestError, {}, { model: "desk", messages, n: 2 });
await fails(OpenAI.BadRequestError, {}, { model: "desk", messages: [] });
console.log("all good");
"""


def test_openai_s_javascript_client(served: Served, peers: Path) -> None:
    folder = node(peers, "openai")
    (folder / "ask.mjs").write_text(OPENAI_JS, "utf-8")
    assert run(served, folder, "node", "ask.mjs").strip() == "all good"


LANGCHAIN = """
import openai
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

desk = ChatOpenAI(model="desk", temperature=0)  # address and key from the environment
said = desk.invoke([SystemMessage("You route messages."), HumanMessage("I lost my card")])
assert said.content == "card_lost", said
assert said.response_metadata["model_name"] == "desk" and said.usage_metadata["total_tokens"] > 0
assert desk.bind(logprobs=True).invoke("I lost my card").response_metadata["logprobs"]["content"]
assert [each.content for each in desk.batch(["I lost my card", "please refund this order"])] == ["card_lost", "refund"]
assert "".join(piece.content for piece in desk.stream("I lost my card")) == "card_lost"
chain = ChatPromptTemplate.from_messages([("user", "{text}")]) | desk
assert chain.invoke({"text": "when do you open"}).content == "opening_hours"
free = ChatOpenAI(model="free", max_tokens=8, stop=["zzz"])
assert isinstance(free.invoke("Hello").content, str)
assert isinstance("".join(piece.content for piece in free.stream("Hello")), str)
shape = {"title": "pet", "type": "object", "properties": {"kind": {"enum": ["cat", "dog"]}}, "required": ["kind"],
         "additionalProperties": False}
pet = ChatOpenAI(model="free").with_structured_output(shape, method="json_schema").invoke("which pet?")
assert pet["kind"] in ("cat", "dog"), pet
for options, kind in (
    ({"model": "desk", "api_key": "jk-wrong"}, openai.AuthenticationError),
    ({"model": "nobody"}, openai.NotFoundError),
    ({"model": "desk", "n": 2}, openai.BadRequestError),
):
    try:
        ChatOpenAI(max_retries=0, **options).invoke("hello")
    except kind:
        continue
    raise AssertionError(options)
print("all good")
"""


def test_langchain_s_chatopenai(served: Served, peers: Path) -> None:
    assert run(served, peers, python(peers, "langchain-openai"), "-c", LANGCHAIN).strip() == "all good"


def test_promptfoo(served: Served, peers: Path) -> None:
    """Its evaluation of a classifier, with one expectation that is wrong: it would notice a wrong answer."""
    folder = node(peers, "promptfoo")
    asked = {"I lost my card": "card_lost", "please refund this order": "refund", "when do you open": "refund"}
    config = {
        "prompts": ["{{text}}"],
        "providers": [{"id": "openai:chat:desk", "config": {"temperature": 0}}],
        "tests": [
            {"vars": {"text": text}, "assert": [{"type": "equals", "value": label}]} for text, label in asked.items()
        ],
    }
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    command = [folder / "node_modules" / ".bin" / "promptfoo", "eval", "-c", "config.json", "-o", "out.json"]
    own = str(folder / "own")  # where it keeps its results
    run(served, folder, *command, "--no-cache", "--no-share", good=(0, 100), PROMPTFOO_CONFIG_DIR=own)
    results: dict[str, Any] = json.loads((folder / "out.json").read_text("utf-8"))["results"]
    assert results["stats"]["successes"] == 2 and results["stats"]["failures"] == 1
    assert results["stats"]["errors"] == 0
