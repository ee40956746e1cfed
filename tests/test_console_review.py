"""Review of tags, objects and texts: what a form decides, what is refused, what is exported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import writers
from bundles import ngram_bundle
from console_parts import Browser, Place, visit
from jangin.console import decisions
from jangin.console.decisions import Item, Review
from jangin.errors import RequestError

SCHEMA = {
    "type": "object",
    "properties": {
        "brand": {"type": "string", "enum": ["Acme", "Birch"]},
        "note": {"type": "string"},
        "pieces": {"type": "integer"},
    },
    "required": ["brand", "pieces"],
    "additionalProperties": False,
}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path / "state", keyed=False)
    yield found
    found.close()


async def begun(browser: Browser, name: str, texts: list[str]) -> str:
    await browser.get("/review")
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()
    sent = await browser.send("/review/upload", lines, file="rows.jsonl", model=name)
    assert sent.status_code == 200, sent.text
    return sent.json()["to"].removeprefix("/console")


def kept(place: Place) -> Review:
    [file] = (place.folder / "console" / "reviews").glob("*.json")
    return msgspec.json.decode(file.read_bytes(), type=Review)


async def exported(browser: Browser, path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (await browser.get(f"{path}/reviewed.jsonl")).text.splitlines()]


def test_tags_are_set_and_cleared_and_none_of_them_is_a_decision(place: Place, tmp_path: Path) -> None:
    made = ngram_bundle(tmp_path / "desk", kind="tag")

    async def work(browser: Browser, fleet: Any) -> None:
        path = await begun(browser, "desk", ["I lost my card", "please refund this order", "hello"])
        review = kept(place)
        page = (await browser.get(path)).text
        assert page.count('type="checkbox"') == 3 and page.count(" checked>") == len(review.items[0].answer)
        await browser.post(f"{path}/label", {"at": "0", "labels": ["refund", "card_lost"]})
        await browser.post(f"{path}/label", {"at": "1"})
        refused = await browser.post(f"{path}/label", {"at": "2", "labels": ["refund", "nonsense"]})
        assert refused.status_code == 400 and "is no label of this task" in refused.text and "Row 3 of" in refused.text
        assert [row["output"] for row in await exported(browser, path)] == [["card_lost", "refund"], []]
        assert "2 of 3 decided" in (await browser.get(path)).text

    visit(place, [made], work)
    assert place.ledger.totals().requests == 0


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The sha256 of a tiny base in a store of its own."""
    pytest.importorskip("xllamacpp", reason="the extra 'decoder' is not installed")
    pytest.importorskip("gguf", reason="the package gguf is not installed")
    monkeypatch.setenv("JANGIN_HOME", str(tmp_path))
    return writers.base(tmp_path)


def test_an_object_is_mended_field_by_field_under_its_schema(place: Place, tmp_path: Path, store: str) -> None:
    made = writers.writer(tmp_path / "made", store, "made", seed=3, schema=writers.SCHEMA, max_tokens=600)

    async def work(browser: Browser, fleet: Any) -> None:
        path = await begun(browser, "made", ["paid by card", "x" * 6_000])  # the second is longer than its context
        review = kept(place)
        answered = next(at for at, item in enumerate(review.items) if item.answer is not None)
        assert set(review.items[answered].answer) == {"kind", "paid"} and review.items[1 - answered].answer is None
        page = (await browser.get(f"{path}?at={answered}")).text
        assert page.count("<select") == 1 and ">cash<" in page and 'placeholder="JSON"' in page
        assert "gave no answer" in (await browser.get(f"{path}?at={1 - answered}")).text
        await browser.post(f"{path}/label", {"at": str(answered), "field0": "cash", "field1": "true"})
        refused = await browser.post(f"{path}/label", {"at": str(1 - answered), "field0": "gold", "field1": "true"})
        assert refused.status_code == 400 and "does not fit the task&#39;s schema" in refused.text
        [row] = await exported(browser, path)
        assert row["output"] == {"kind": "cash", "paid": True}

    visit(place, [made], work)
    assert place.ledger.totals().requests == 0


def test_a_text_is_edited_as_it_stands(place: Place, tmp_path: Path, store: str) -> None:
    made = writers.writer(tmp_path / "made", store, "made", max_tokens=8, context=256)

    async def work(browser: Browser, fleet: Any) -> None:
        path = await begun(browser, "made", ["say 900"])
        assert "<textarea" in (await browser.get(path)).text
        assert (await browser.post(f"{path}/label", {"at": "0", "text": "  "})).status_code == 400
        await browser.post(f"{path}/label", {"at": "0", "text": "first line\r\n  second"})
        assert await exported(browser, path) == [{"input": "say 900", "output": "first line\n  second"}]
        assert "All rows are decided" in (await browser.get(path)).text

    visit(place, [made], work)


@pytest.mark.parametrize(
    ("form", "found"),
    [
        ({"field0": "Acme", "field1": "", "field2": "12"}, {"brand": "Acme", "pieces": 12}),
        ({"field0": "Birch", "field1": "a\r\nb", "field2": "0"}, {"brand": "Birch", "note": "a\nb", "pieces": 0}),
        ({"field0": "Acme", "field1": "", "field2": ""}, "the field 'pieces' is empty"),
        ({"field0": "Acme", "field2": "many"}, "the field 'pieces' is no JSON"),
        ({"field0": "Acme", "field2": '"12"'}, "this does not fit the task's schema"),
        ({"field0": "Coral", "field2": "1"}, "this does not fit the task's schema"),
    ],
)
def test_a_form_becomes_an_object_or_says_what_is_wrong(form: dict[str, str], found: Any) -> None:
    review = Review("m", "0", "file", [], 0.0, [], "extract", SCHEMA)
    if isinstance(found, dict):
        assert decisions.decided(review, form) == found
    else:
        with pytest.raises(RequestError, match="^" + found):
            decisions.decided(review, form)


@pytest.mark.parametrize(
    ("kind", "text", "answer"),
    [
        ("classify", ' "Refund". ', "refund"),
        ("classify", "something else", None),
        ("tag", '["refund", "card_lost"]', ["card_lost", "refund"]),
        ("tag", "refund, card_lost", ["card_lost", "refund"]),
        ("tag", "rubbish", None),
        ("extract", '{"brand": "Acme"}', {"brand": "Acme"}),
        ("extract", "[1]", None),
        ("generate", " as it came \n", " as it came \n"),
    ],
)
def test_what_another_model_wrote_is_an_answer_of_the_task_or_none(kind: Any, text: str, answer: Any) -> None:
    assert decisions.as_answer(kind, ["card_lost", "refund"], text) == answer


def test_the_same_tags_in_another_order_are_not_contested() -> None:
    assert not Item("a", ["x", "y"], 0.5, [], ["y", "x"]).contested
    assert Item("a", ["x"], 0.5, [], []).contested and Item("a", {"b": 1}, 0.5, [], {"b": 2}).contested


def test_a_review_that_was_begun_before_is_still_read() -> None:
    kept = b'{"model":"m","sha256":"0","source":"file","labels":["a","b"],"made":1.0,"items":[{"input":"i","answer":"a","confidence":0.5,"chances":[["a",0.5]],"other":null,"decided":"b","skipped":false}]}'  # noqa: E501
    review = msgspec.json.decode(kept, type=Review)
    assert (review.kind, review.items[0].shown, review.done) == ("classify", "b", 1)
