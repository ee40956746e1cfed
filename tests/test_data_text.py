"""Normal form, keys that find equal texts, scripts and personal data."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jangin.data import text as module
from jangin.data.pii import KINDS, pii_kinds
from jangin.data.text import bare_key, normalise_text, plain_text, script_of, traps, verbatim_key

texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts)
def test_normalising_twice_changes_nothing_more_and_leaves_no_trap(text):
    once = normalise_text(text)
    assert normalise_text(once) == once
    assert traps(once) == []


@given(texts)
def test_traps_are_named_exactly_when_normalising_changes_a_text(text):
    assert bool(traps(text)) == (normalise_text(text) != text)


@given(st.text(st.characters(max_codepoint=127)))
def test_the_fast_key_for_ascii_equals_the_general_one(text):
    general = module._NOT_A_WORD.sub(" ", text.casefold()).strip()
    assert bare_key(text) == (general or verbatim_key(text))


def test_korean_in_nfd_is_composed():
    assert normalise_text(unicodedata.normalize("NFD", "카드를 잃어버렸어요")) == "카드를 잃어버렸어요"


def test_keys_ignore_case_white_space_and_punctuation_as_they_say():
    assert verbatim_key("  What's\tMY\nbalance? ") == "what's my balance?"
    assert bare_key("What's MY balance?!") == "what s my balance"
    assert bare_key("환불, 해주세요~!") == bare_key("환불 해주세요")


def test_texts_of_punctuation_alone_stay_apart():
    assert bare_key("?") != bare_key("!!!")
    assert bare_key("👍") != bare_key("👎")


def test_the_shared_system_prompt_does_not_tell_inputs_apart():
    chat = [{"role": "system", "content": "S"}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert plain_text(chat) == "a\nb"
    assert plain_text(chat[:1]) == "S"
    assert plain_text("text") == "text"


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("카드를 잃어버렸어요", "ko"),
        ("KakaoPay 카드 refund 해주세요", "ko"),
        ("I lost my card", "en"),
        ("Je veux être remboursé", "en"),
        ("カードをなくしました", "other"),
        ("12345 !!", "other"),
    ],
)
def test_a_script_is_recognised(text, script):
    assert script_of(text) == script


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("write to kim.min-su+x@example.co.kr please", ["e-mail address"]),
        ("see user@host or @name", []),
        ("my card is 4111 1111 1111 1111", ["card number"]),
        ("my card is 4111-1111-1111-1112", []),  # the check digit is wrong
        ("order 113542617735902 is late", []),  # no card begins with 1
        ("주민번호 900101-1234567 입니다", ["resident registration number"]),
        ("외국인등록번호 9001015234567", ["resident registration number"]),
        ("901301-1234567", []),  # no thirteenth month
        ("call 010-1234-5678", ["phone number"]),
        ("call 01012345678", ["phone number"]),
        ("서울 02-123-4567", ["phone number"]),
        ("call +44 20 7946 0958", ["phone number"]),
        ("call (415) 555-2671 or 415-555-2671", ["phone number"]),
        ("it cost 1,234,567,890 won in 2026-11-24", []),
        ("paid 20261124 12345 times", []),
        ("a@b.kr 4111111111111111 900101-1234567 010-1234-5678", list(KINDS)),
    ],
)
def test_personal_data_is_recognised_by_its_shape(text, kinds):
    assert pii_kinds(text) == kinds


def test_a_hostile_text_does_not_make_the_patterns_slow():
    for text in ("a" * 100_000, "a." * 50_000 + "@", "1-" * 50_000, "@" * 100_000, "4" * 100_000, "+1 " * 33_000):
        assert pii_kinds(text) == []
