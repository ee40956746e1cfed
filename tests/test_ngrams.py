"""N-grams: the vectorised hashing against a plain one, the weights against scikit-learn's, and texts meant to hurt."""

from __future__ import annotations

import itertools
import random
import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jangin.models import ngrams
from jangin.models.ngrams import HANGUL, LATIN, Analyzer, Block, Gathered, count_block, fit_block, hash_ngrams, weigh

CHAR, WORD = LATIN
CROSS, JAMO, _ = HANGUL
ANALYZERS = [*LATIN, *HANGUL, Analyzer("char", 1, 3), Analyzer("char", 3, 4, cross=True), Analyzer("word", 2, 3)]
TEXTS = st.lists(st.text(max_size=30) | st.text("ab .,가각", max_size=30), max_size=6)
MASK = 2**64 - 1


def plain(text: str, analyzer: Analyzer) -> list[tuple[str, ...] | str]:
    """The n-grams of one text, spelt out, by the words of `Analyzer`'s documentation."""
    text = unicodedata.normalize("NFKC", text).lower()
    if analyzer.jamo:
        text = unicodedata.normalize("NFD", text)
    if analyzer.unit == "word":
        text = "".join(c if c.isalnum() or c == "_" or c.isspace() else f" {c} " for c in text)
    words = text.split()
    lengths = range(analyzer.lo, analyzer.hi + 1)
    if analyzer.unit == "word":
        words = [word for piece in words for word in piece.split("\0") if word]
        return [tuple(words[i : i + n]) for n in lengths for i in range(len(words) - n + 1)]
    found = []
    pieces = [f" {' '.join(words)} "] if analyzer.cross else [f" {word} " for word in words]
    for piece in [part for each in pieces for part in each.split("\0")]:  # as between words: nothing runs over it
        for n in lengths:
            grams = [piece[i : i + n] for i in range(len(piece) - n + 1)]
            found += [gram for gram in grams if not gram[0] == gram[-1] == " "]
    return found  # type: ignore[return-value]


def mix(h: int) -> int:
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    h = (h ^ (h >> 27)) * 0x94D049BB133111EB & MASK
    return h ^ (h >> 31)


def plain_hash(gram: tuple[str, ...] | str) -> int:
    """The same hash in Python's own whole numbers; its upper 32 bits are what is kept."""
    a, c = 0x9E3779B97F4A7C15, 0x94D049BB133111EB
    if isinstance(gram, str):
        current = mix(ord(gram[0]) + a & MASK)
        for n, char in enumerate(gram[1:], 2):
            current = mix((current * 31 & MASK) ^ (ord(char) * a + n & MASK))
        return current >> 32
    words = [mix(sum(mix(ord(char) * a + at * c & MASK) for at, char in enumerate(word)) & MASK) for word in gram]
    current = words[0]
    for n, word in enumerate(words[1:], 2):
        current = mix((current * 31 & MASK) ^ (word + n & MASK))
    return current >> 32


@pytest.mark.parametrize("analyzer", ANALYZERS, ids=str)
@given(texts=TEXTS)
@settings(max_examples=60, deadline=None)
def test_hashing_equals_the_plain_implementation(analyzer: Analyzer, texts: list[str]) -> None:
    rows, hashes = hash_ngrams(texts, analyzer)
    found = Counter(zip(rows.tolist(), hashes.tolist()))
    assert found == Counter((row, plain_hash(gram)) for row, text in enumerate(texts) for gram in plain(text, analyzer))


def test_different_ngrams_of_a_large_vocabulary_have_different_hashes() -> None:
    grams = ["".join(letters) for letters in itertools.product("abcdefghijklmnop", repeat=4)]
    assert len(np.unique(hash_ngrams(grams, Analyzer("word", 1, 1))[1])) == len(grams) == 65_536


def test_a_word_and_its_anagram_differ() -> None:
    assert hash_ngrams(["listen"], WORD)[1].tolist() != hash_ngrams(["silent"], WORD)[1].tolist()


def test_ngrams_never_run_from_one_text_into_the_next() -> None:
    for analyzer in ANALYZERS:
        together = Counter(hash_ngrams(["ab cd", "ef"], analyzer)[1].tolist())
        alone = Counter(hash_ngrams(["ab cd"], analyzer)[1].tolist() + hash_ngrams(["ef"], analyzer)[1].tolist())
        assert together == alone


def test_ngrams_found_once_for_several_vocabularies_weigh_as_those_found_for_each() -> None:
    small, large = (fit_block(sentences(count), CHAR, 500) for count in (20, 300))
    asked = [(small, ["lost my card", "", "refund"]), (large, ["refund", "zzz", "refund", "lost my card"])]
    shared = Gathered()
    for block, texts in asked:
        shared.want(block.analyzer, texts)
    for block, texts in asked:
        for part in (texts, texts[:1], texts[1:2]):
            found, alone = weigh(shared.get(block.analyzer, part), block), count_block(part, block)
            assert found.start.tolist() == alone.start.tolist()
            assert found.columns.tolist() == alone.columns.tolist()
            assert found.values.tobytes() == alone.values.tobytes()


@given(texts=TEXTS)
@settings(max_examples=40, deadline=None)
def test_a_text_alone_weighs_what_it_weighs_among_others_bit_for_bit(texts: list[str]) -> None:
    block = fit_block([*texts, *sentences(60)], CHAR, 400)
    together = count_block(texts, block)
    for row, text in enumerate(texts):
        part, alone = slice(together.start[row], together.start[row + 1]), count_block([text], block)
        assert alone.columns.tolist() == together.columns[part].tolist()
        assert alone.values.tobytes() == together.values[part].tobytes()


def sentences(count: int) -> list[str]:
    rng = random.Random(7)
    words = ["card", "lost", "refund", "open", "the", "my", "please", "when", "shop", "order", "is", "where", "back"]
    return [" ".join(rng.choices(words, k=rng.randint(1, 9))) for _ in range(count)]


def dense(texts: list[str], block: Block) -> np.ndarray:
    counts = count_block(texts, block)
    out = np.zeros((len(texts), len(block.hashes)))
    for row in range(len(texts)):
        part = slice(counts.start[row], counts.start[row + 1])
        out[row, counts.columns[part]] = counts.values[part]
    return out


def sorted_columns(matrix: np.ndarray) -> np.ndarray:
    return matrix[:, np.lexsort(np.round(matrix, 5))]


def test_word_weights_equal_scikit_learn_s() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = sentences(200)
    theirs = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), sublinear_tf=True, min_df=2).fit_transform(texts)
    ours = dense(texts, fit_block(texts, WORD, 10_000))
    assert sorted_columns(ours) == pytest.approx(sorted_columns(theirs.toarray()), abs=1e-3)


@pytest.mark.parametrize("analyzer", [CHAR, CROSS], ids=["inside words", "over spaces"])
def test_character_weights_equal_scikit_learn_s_on_the_same_ngrams(analyzer: Analyzer) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = sentences(120)
    vectoriser = TfidfVectorizer(analyzer=lambda text: plain(text, analyzer), sublinear_tf=True, min_df=2)
    theirs = vectoriser.fit_transform(texts).toarray()
    assert sorted_columns(dense(texts, fit_block(texts, analyzer, 100_000))) == pytest.approx(
        sorted_columns(theirs),
        abs=1e-3,  # inverse document frequencies are kept in 16 bits
    )


def test_the_ngrams_inside_words_are_scikit_learn_s_without_whole_padded_words() -> None:
    from sklearn.feature_extraction.text import CountVectorizer

    spelt = CountVectorizer(analyzer="char_wb", ngram_range=(2, 5)).build_analyzer()
    for text in sentences(20):
        theirs = Counter(gram for gram in spelt(text) if not (gram[0] == gram[-1] == " "))
        assert Counter(plain(text, CHAR)) == theirs


def test_the_vocabulary_does_not_depend_on_the_order_of_rows() -> None:
    texts = sentences(300)
    shuffled = random.Random(1).sample(texts, len(texts))
    for analyzer in LATIN:
        one, other = fit_block(texts, analyzer, 50), fit_block(shuffled, analyzer, 50)
        assert len(one.hashes) == 50
        assert one.hashes.tolist() == other.hashes.tolist() and one.idf.tolist() == other.idf.tolist()


def test_a_vocabulary_fitted_in_chunks_is_the_one_fitted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = sentences(100)
    whole = fit_block(texts, CHAR, 10_000)
    monkeypatch.setattr(ngrams, "CHUNK_ROWS", 7)
    parts = fit_block(texts, CHAR, 10_000)
    assert whole.hashes.tolist() == parts.hashes.tolist() and whole.idf.tolist() == parts.idf.tolist()


def test_the_ngrams_found_in_most_texts_are_the_ones_kept() -> None:
    block = fit_block(["often"] * 60 + ["twice rare"] * 2 + ["once"], Analyzer("word", 1, 1), 2)
    want = {plain_hash(("often",)), *sorted(plain_hash((word,)) for word in ("twice", "rare"))[:1]}
    assert set(block.hashes.tolist()) == want


def test_a_text_s_features_do_not_depend_on_its_batch() -> None:
    texts = sentences(80)
    for analyzer in ANALYZERS:
        block = fit_block(texts, analyzer, 5_000)
        together = dense(texts, block)
        assert all(np.array_equal(dense([text], block)[0], row) for text, row in zip(texts, together))


def test_every_row_has_length_one_or_is_empty() -> None:
    block = fit_block(sentences(80), CHAR, 5_000)
    lengths = np.linalg.norm(dense([*sentences(20), "", "가나다"], block), axis=1)
    assert lengths[:20] == pytest.approx(np.ones(20), abs=1e-6) and lengths[20:].tolist() == [0, 0]


@pytest.mark.parametrize("analyzer", ANALYZERS, ids=str)
@pytest.mark.parametrize("text", ["", " ", "\0", "\0\0a\0", "a", "가", "\ud800", "a\udfffb", "\U0001f600", "\u0301"])
def test_odd_texts_are_counted_without_an_error_and_leave_their_neighbours_alone(text: str, analyzer: Analyzer) -> None:
    block = fit_block([text, "lost card", "분실 카드"], analyzer, 1_000)
    found = dense(["lost card", text, "lost card"], block)
    assert np.array_equal(found[0], found[2]) and np.isfinite(found).all()
    assert Counter(hash_ngrams([text], analyzer)[1].tolist()) == Counter(map(plain_hash, plain(text, analyzer)))


def test_no_texts_and_no_features_give_empty_counts() -> None:
    empty = fit_block([], CHAR, 10)
    assert len(empty.hashes) == 0 and count_block([], empty).start.tolist() == [0]
    assert count_block(["a", "b"], empty).start.tolist() == [0, 0, 0]


def test_a_text_of_a_million_characters_is_counted() -> None:
    text = " ".join(f"w{number}" for number in range(150_000))
    assert len(text) > 1_000_000
    block = fit_block(sentences(60), CHAR, 1_000)
    counts = count_block([text, "lost card"], block)
    assert 0 < counts.start[1] <= 1_000 and np.isfinite(counts.values).all()
    assert hash_ngrams([text], WORD)[1].shape == (150_000 + 149_999,)


def test_jamo_of_a_misspelt_syllable_stay_close() -> None:
    def shared(analyzer: Analyzer) -> float:
        one, other = (set(hash_ngrams([text], analyzer)[1].tolist()) for text in ("환불해주세요", "환블해주세요"))
        return len(one & other) / len(one | other)

    assert shared(JAMO) > shared(Analyzer("char", 2, 7))


def test_the_share_of_hangul_counts_letters_only() -> None:
    assert ngrams.hangul_share(["카드 12!", "ab ㄱ"]) == pytest.approx(3 / 5)
    assert ngrams.hangul_share([]) == ngrams.hangul_share(["12 ?"]) == 0
