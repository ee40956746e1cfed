"""Redact, restore, restore a stream: the identity, the tolerance, and nothing released when something fails."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jangin.errors import PiiError
from jangin.pii import Detector, Redactor, Span
from jangin.pii.placeholders import PLACEHOLDER

DETECTOR = Detector(presidio=False)
PIECES = [
    "<PERSON_1>", "<person_1", "PERSON_", "1", ">", "<", "&lt;", "&gt;", "PERSON\\_1", "[PERSON 1]", "010-1234-5678",
    "홍길동", "님", "a@b.co", "<LITERAL_3>", "literal_1", " ", "\\", "PHONE_NUMBER_", "(", "[", "{KR_RRN-2}", "\n",
    "PERSO", "N_2", "John Smith", "\u200b", "０１０", "900101-1234568", "＜PERSON_1＞", "Hi Mirabel, ", "면허번호 ",
    "Reto Aebischer and Ursina Caflisch", "account 4478120093", "15882922\n6439", "PO Box 442, Reno, NV 89501",
    "MRN 00482917", "최서현 엄마, 서현이",
]  # fmt: skip
EXAMPLES = int(os.environ.get("JANGIN_EXAMPLES", "200"))  # more on demand
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=8).map("".join)


def test_values_become_placeholders_and_come_back() -> None:
    redactor = Redactor(DETECTOR)
    first = redactor.redact("홍길동님, 010-1234-5678로 연락 주세요. 홍길동")
    second = redactor.redact("010-9999-8888 말고 010-1234-5678")
    assert first.text == "<PERSON_1>님, <PHONE_NUMBER_1>로 연락 주세요. <PERSON_1>"
    assert second.text == "<PHONE_NUMBER_2> 말고 <PHONE_NUMBER_1>"
    assert second.vault.counts() == {"PERSON": 1, "PHONE_NUMBER": 2}
    assert "홍" not in repr(second.vault) and "5678" not in repr(second.vault)


@settings(deadline=None, max_examples=EXAMPLES)
@given(texts, texts)
def test_redact_then_restore_is_the_identity(first: str, second: str) -> None:
    redactor = Redactor(DETECTOR)
    for text in (first, second, first):
        redacted = redactor.redact(text)
        assert redacted.vault.restore(redacted.text) == text


@settings(deadline=None)
@given(texts)
def test_no_value_that_was_found_stays_in_the_redacted_text(text: str) -> None:
    value = "010-1234-5678"
    text = f"전화 {value} {text}"
    redacted = Redactor(DETECTOR).redact(text)
    times = sum(text[span.start : span.end] == value for span in redacted.spans)
    # At most: what reads like a placeholder is escaped, and may take the beginning of such a number with it.
    assert times >= 1 and redacted.text.count(value) <= text.count(value) - times


def test_text_that_reads_like_a_placeholder_is_escaped() -> None:
    redacted = Redactor(DETECTOR).redact("write <PHONE_NUMBER_1> literally, not 010-1234-5678")
    assert redacted.text == "write <LITERAL_1> literally, not <PHONE_NUMBER_1>"
    assert redacted.vault.counts() == {"PHONE_NUMBER": 1}


def test_prose_that_names_an_entity_is_not_touched() -> None:
    text = "person 1 lives at location 2"
    assert Redactor(DETECTOR).redact(text).text == text


@pytest.mark.parametrize(
    ("answer", "restored"),
    [
        ("<phone_number_1>", "010-1234-5678"),
        ("**<PHONE_NUMBER_1>**.", "**010-1234-5678**."),
        ('"<PHONE_NUMBER_1>"로', '"010-1234-5678"로'),
        ("[PHONE_NUMBER_1]에서", "010-1234-5678에서"),
        ("< PHONE NUMBER 1 >", "010-1234-5678"),
        ("<PHONE-NUMBER-1>", "010-1234-5678"),
        ("PHONE_NUMBER_1은", "010-1234-5678은"),
        ("PHONE\\_NUMBER\\_1", "010-1234-5678"),
        ("&lt;PHONE_NUMBER_1&gt;", "010-1234-5678"),
        ("＜PHONE_NUMBER_1＞", "010-1234-5678"),
        ("<PHONE_NUMBER_1", "010-1234-5678"),
        ("<PHONE_NUMBER_2> <PERSON_1> PHONE_NUMBER_11", "<PHONE_NUMBER_2> <PERSON_1> PHONE_NUMBER_11"),
        ("phone number 1", "phone number 1"),
    ],
)
def test_what_models_do_to_placeholders_is_understood(answer: str, restored: str) -> None:
    vault = Redactor(DETECTOR).redact("010-1234-5678").vault
    assert vault.restore(answer) == restored
    stream = vault.restorer()
    assert "".join([stream.feed(character) for character in answer]) + stream.flush() == restored


@settings(deadline=None, max_examples=EXAMPLES)
@given(texts, texts, st.lists(st.integers(1, 9), min_size=1))
def test_a_stream_in_any_pieces_restores_as_the_whole_does(text: str, noise: str, sizes: list[int]) -> None:
    redacted = Redactor(DETECTOR).redact("홍길동 010-1234-5678 " + text)
    answer = redacted.text + noise + redacted.text.lower() + noise
    stream, sent, place, turn = redacted.vault.restorer(), [], 0, 0
    while place < len(answer):
        size = sizes[turn % len(sizes)]
        sent.append(stream.feed(answer[place : place + size]))
        place, turn = place + size, turn + 1
    assert "".join(sent) + stream.flush() == redacted.vault.restore(answer)


def test_a_stream_holds_back_only_what_may_still_be_a_placeholder() -> None:
    stream = Redactor(DETECTOR).redact("010-1234-5678").vault.restorer()
    assert stream.feed("Call <PHO") == "Call "
    assert stream.feed("NE_NUMBER_1") == ""
    assert stream.feed("> now, a < b") == "010-1234-5678 now, a < b"
    assert stream.feed(" <") == " "
    assert stream.feed("b>") == "<b>"
    assert stream.feed(" it is so!") == " it is so!"
    assert stream.flush() == ""


def test_the_escape_and_the_restorer_read_the_same_pattern() -> None:
    assert PLACEHOLDER.fullmatch("<PHONE_NUMBER_12>") and not PLACEHOLDER.search("<PHONE_NUMBER>")


class Broken:
    def __init__(self, outcome: object):
        self.outcome = outcome

    def find(self, text: str) -> list[Span]:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (TimeoutError("of my secret"), "the detector of personal data failed (TimeoutError); nothing was released"),
        (None, "the detector of personal data failed (TypeError); nothing was released"),
        ([Span(0, 2, "SECRET", 0.9)], "the detector named an entity that has no placeholder; nothing was released"),
        (PiiError("slow"), "slow"),
    ],
)
def test_a_detector_that_fails_releases_nothing(outcome: object, message: str) -> None:
    with pytest.raises(PiiError) as caught:
        Redactor(Broken(outcome)).redact("my secret")
    assert caught.value.message == message
