"""Korean pages: what other modules compose (errors, a certificate's words, captions of charts) is Korean there too."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from certified import make, rows
from console_parts import Browser, Place, visit
from jangin import charts
from jangin.console import said
from jangin.evals import render
from jangin.evals.certificate import read, read_answers
from jangin.evals.certify import certify

HANGUL = re.compile(r"[가-힣]")
TELL = said.teller("ko")
ERRORS = {"RequestError": 0, "InputError": 0, "DataError": 0, "EngineError": 0, "_refused": 0, "EgressDenied": 1}


def _raised() -> Iterator[tuple[str, str]]:
    """(file, sentence) of every error that the console raises with words of its own, and of its hints; X and 3 stand
    for what is filled in."""
    for path in sorted(said.HERE.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if name in ERRORS:
                for argument in node.args[ERRORS[name] :]:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        yield path.name, argument.value
                    elif isinstance(argument, ast.JoinedStr):
                        yield path.name, "".join(_filled(part) for part in argument.values)


def _filled(part: Any) -> str:
    if isinstance(part, ast.Constant):
        return part.value
    counts = part.format_spec is not None or (isinstance(part.value, ast.Name) and part.value.id.isupper())
    return "3" if counts else "X"


def test_every_error_of_the_console_has_its_korean_sentence() -> None:
    found = list(_raised())
    assert len(found) > 70
    assert [each for each in found if not HANGUL.search(TELL(each[1]))] == []


def test_a_translation_fills_the_same_places() -> None:
    known = json.loads((said.HERE / "words" / "ko-said.json").read_text("utf-8"))
    places = re.compile(r"\{(\w+)\}")
    wrong = [text for text, theirs in known.items() if not set(places.findall(theirs)) <= set(places.findall(text))]
    assert wrong == [] and len(known) > 250


@pytest.mark.parametrize(
    ("text", "korean"),
    [
        ("there is no such page", "그런 페이지가 없습니다"),
        ("'a {b} c' is no label of this task", "'a {b} c': 이 과제의 레이블이 아닙니다"),
        ("0.852 to 0.959", "0.852 ~ 0.959"),
        ("it goes to Busan", "it goes to Busan"),
        ("a sentence that nobody translated", "a sentence that nobody translated"),
        ("", ""),
    ],
)
def test_what_fits_a_sentence_is_told_and_the_rest_stays(text: str, korean: str) -> None:
    assert TELL(text) == korean
    assert said.teller("en")(text) == text


def test_what_was_filled_in_is_never_markup() -> None:
    chart = charts.ladder([charts.Point("<b>{n}</b>", 0.1, 0.5)], "accuracy on validation")
    drawn = said.drawing(chart, TELL)
    assert "검증 데이터의 accuracy" in drawn and "<b>" not in drawn and "&lt;b&gt;{n}" in drawn


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Against recorded answers, against a bar, and without either."""
    monkey = pytest.MonkeyPatch()
    monkey.setenv("JANGIN_HOME", str(tmp_path_factory.mktemp("home")))
    monkey.setenv("JANGIN_STATE", str(tmp_path_factory.mktemp("state")))
    found = []
    for name, bar in (
        ("paired", "{reference: gpt.jsonl, margin: 0.1, at_least: 0.9}"),
        ("bar", "{at_least: 0.99}"),
        ("none", None),
    ):
        place = tmp_path_factory.mktemp(name)
        folder = make(place, bar=bar)
        answers = [{"id": row["id"], "output": row["output"]} for row in rows(120, 2)]
        lines = [json.dumps(each) for each in ({"model": "gpt-4-0613"}, *answers)]
        (place / "gpt.jsonl").write_text("\n".join(lines), "utf-8")
        certify(folder)
        found.append(folder)
    monkey.undo()
    return found


def test_headings_sentences_and_names_of_figures_of_a_certificate_are_korean(certificates: list[Path]) -> None:
    left = []
    for folder in certificates:
        page = render.body(read(folder), read_answers(folder), TELL)
        for part in ("h2", "h3", "th", "li", r"td(?= class=how)", r"tr(?=><td>)"):
            pattern = rf"<{part}[^>]*>(?:<td>)?(.*?)</(?:h2|h3|th|li|td)>"
            for text in re.findall(pattern, page):
                plain = unescape(re.sub("<[^>]+>", "", text))
                if re.search("[A-Za-z]{4}", plain) and not HANGUL.search(plain):
                    left.append(plain)
        for one in re.findall(r'<p class="lead">(.*?)</p>|<span class="verdict[^>]*>(.*?)</span>', page):
            assert HANGUL.search("".join(one)), one
    allowed = {"opening_hours", "refund|<b>", "accuracy, gpt-4-0613"}  # labels, and names alone
    assert sorted(set(left) - allowed) == []


def test_the_english_page_is_the_file_that_certify_wrote(certificates: list[Path]) -> None:
    for folder in certificates:
        certificate, answers = read(folder), read_answers(folder)
        assert render.html(certificate, answers) == (folder / "certificate.html").read_text("utf-8")
        assert render.body(certificate, answers) in render.html(certificate, answers)


def test_errors_on_korean_pages_are_korean(tmp_path: Path) -> None:
    place = Place(tmp_path / "state", keyed=False)

    async def work(browser: Browser, fleet: Any) -> None:
        korean = {"accept-language": "ko"}
        assert "그런 페이지가 없습니다" in (await browser.get("/nothing", headers=korean)).text
        await browser.get("/new", headers=korean)
        answer = await browser.post("/new", {"name": "a b", "rows": "text,label"}, headers=korean)
        assert "과제 이름으로 쓸 수 없습니다" in answer.text
        sent = await browser.client.post(
            "/console/try/file",
            params={"file": "a.csv", "model": "none"},
            headers={**korean, "x-csrf-token": browser.token, "accept": "application/json"},
        )
        assert "전문 모델을 불러오지 않았습니다" in sent.json()["error"]

    visit(place, [], work)
    place.close()
