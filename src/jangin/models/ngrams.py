"""Character and word n-grams as TF-IDF features, hashed with numpy so that neither training nor serving needs a dict.

scikit-learn's vectoriser builds a Python dict of strings: tens of megabytes a specialist and an import of 100 MB in the
serving process. Here a vocabulary is a sorted array of 32-bit hashes, mapped from disk and searched by bisection, so
twenty specialists share a server without twenty dictionaries (docs/decisions/0003-ngram-features.md has the figures).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint32]
_Wide = NDArray[np.uint64]
CHUNK_ROWS = 20_000

# Odd 64-bit constants of splitmix64 (Steele, Lea, Flood 2014).
_A, _B, _C = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_WORD = re.compile(r"\w+|[^\w\s]")


class Analyzer(msgspec.Struct, frozen=True):
    """One block of features. `lo`..`hi` is the n-gram length in characters (or words).

    cross: n-grams may run over white space (otherwise words are padded with one space, and n-grams stay inside them).
    jamo: Hangul syllables are taken apart into their letters first, so that inflection and typos change little.
    """

    unit: Literal["char", "word"]
    lo: int
    hi: int
    cross: bool = False
    jamo: bool = False


LATIN = (Analyzer("char", 2, 5), Analyzer("word", 1, 2))
HANGUL = (Analyzer("char", 1, 4, cross=True), Analyzer("char", 2, 7, jamo=True), Analyzer("word", 1, 2))


class Counts(msgspec.Struct, frozen=True):
    """Sparse rows: row i owns `columns[start[i]:start[i+1]]` and the same slice of `values`."""

    start: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float32]


class Block(msgspec.Struct, frozen=True):
    """A fitted analyzer: sorted hashes and their inverse document frequencies, both shape (features,)."""

    analyzer: Analyzer
    hashes: Hashes
    idf: NDArray[np.float16]


_S27, _S30, _S31, _S32 = (np.uint64(bits) for bits in (27, 30, 31, 32))
_31 = np.uint64(31)
_SPACE, _END = 32, 0  # code points: between words, and after each text


def _mix(h: _Wide) -> _Wide:
    """splitmix64's finaliser, in place: an array of one text is so short that every call counts."""
    h ^= h >> _S30
    h *= _B
    h ^= h >> _S27
    h *= _C
    h ^= h >> _S31
    return h


def _normal(text: str, analyzer: Analyzer) -> str:
    text = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).lower()
    if analyzer.jamo:
        text = unicodedata.normalize("NFD", text)
    words = _WORD.findall(text) if analyzer.unit == "word" else text.split()
    return f" {' '.join(words)} "


def hash_ngrams(texts: Sequence[str], analyzer: Analyzer) -> tuple[NDArray[np.int64], Hashes]:
    """Every n-gram of every text: (row of the text, 32-bit hash), in text order; repeats are kept.

    Of a million distinct n-grams, about a hundred share their hash with another: they count as one feature.
    """
    if not texts:
        return np.empty(0, np.int64), np.empty(0, np.uint32)
    padded = [_normal(text, analyzer) for text in texts]
    points = np.frombuffer(("\0".join(padded) + "\0").encode("utf-32-le", "surrogatepass"), np.uint32)
    codes = points.astype(np.uint64)
    row = np.repeat(np.arange(len(padded)), [len(text) + 1 for text in padded])
    return (_char_ngrams if analyzer.unit == "char" else _word_ngrams)(codes, row, analyzer)


def _char_ngrams(codes: _Wide, row: NDArray[np.int64], analyzer: Analyzer) -> tuple[NDArray[np.int64], Hashes]:
    n = len(codes)
    space = codes == _SPACE
    reach = _reach(codes, space, analyzer.cross)
    spread = codes * _A
    rows, hashes = [], []
    current = _mix(codes + _A)
    for length in range(1, min(analyzer.hi, n) + 1):
        span = n - length + 1
        if length > 1:
            added = spread[length - 1 :] + np.uint64(length)
            added ^= current[:span] * _31
            current = _mix(added)
        if length < analyzer.lo:
            continue
        keep = reach[:span] >= length
        if analyzer.cross or length == 1:
            keep &= ~(space[:span] & space[length - 1 :])
        rows.append(row[:span][keep])
        hashes.append(current[keep])
    return _joined(rows, hashes)


def _reach(codes: _Wide, space: NDArray[np.bool_], cross: bool) -> NDArray[np.int64]:
    """The length of the longest n-gram that may begin at each place.

    One stays in its text. Unless `cross`, it also stays in its word, whose spaces on both sides count as part of it;
    but a space alone is no word, so that from a space it goes up to the next one, and from a letter through it.
    """
    end = codes == _END
    stops = np.flatnonzero(end if cross else end | space)
    places = np.arange(len(codes))
    following = stops[np.minimum(stops.searchsorted(places, "right"), len(stops) - 1)]
    reach = following - places
    if not cross:
        reach += space[following] & ~space
    reach[end] = 0
    return reach


def _word_ngrams(codes: _Wide, row: NDArray[np.int64], analyzer: Analyzer) -> tuple[NDArray[np.int64], Hashes]:
    letter = (codes != _SPACE) & (codes != _END)
    first = letter.copy()  # of its word
    first[1:] &= ~letter[:-1]
    begin = np.flatnonzero(first)
    if not len(begin):
        return np.empty(0, np.int64), np.empty(0, np.uint32)
    offset = np.arange(len(codes)) - begin[np.maximum(first.cumsum() - 1, 0)]
    parts = _mix(codes * _A + offset.astype(np.uint64) * _C)
    parts *= letter
    current = _mix(np.add.reduceat(parts, begin))
    words, owner = current, row[begin]
    rows, hashes = [], []
    for length in range(1, analyzer.hi + 1):
        span = len(words) - length + 1
        if span <= 0:
            break
        if length > 1:
            current = _mix(current[:span] * _31 ^ (words[length - 1 :] + np.uint64(length)))
        if length >= analyzer.lo:
            keep = owner[:span] == owner[length - 1 :]
            rows.append(owner[:span][keep])
            hashes.append(current[keep])
    return _joined(rows, hashes)


def _joined(rows: list[NDArray[np.int64]], hashes: list[_Wide]) -> tuple[NDArray[np.int64], Hashes]:
    """All lengths together, hashes cut to 32 bits; empty when every text is shorter than the shortest n-gram."""
    if not rows:
        return np.empty(0, np.int64), np.empty(0, np.uint32)
    return np.concatenate(rows), (np.concatenate(hashes) >> _S32).astype(np.uint32)


def _chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(texts), CHUNK_ROWS):
        yield texts[at : at + CHUNK_ROWS]


def fit_block(texts: Sequence[str], analyzer: Analyzer, max_features: int, min_df: int = 2) -> Block:
    """The vocabulary of one analyzer: the `max_features` hashes found in most texts, at least `min_df` of them.

    Memory is bounded by the distinct n-grams, not by the texts; ties are broken by hash, so the order of equal
    n-grams never depends on the order of rows.
    """
    hashes, df = np.empty(0, np.uint32), np.empty(0, np.int64)
    for chunk in _chunks(texts):
        row, found = hash_ngrams(chunk, analyzer)
        order = np.lexsort((row, found))
        row, found = row[order], found[order]
        fresh = np.ones(len(found), bool)
        fresh[1:] = (found[1:] != found[:-1]) | (row[1:] != row[:-1])
        new, new_df = np.unique(found[fresh], return_counts=True)
        both, inverse = np.unique(np.concatenate((hashes, new)), return_inverse=True)
        df = np.bincount(inverse, np.concatenate((df, new_df)), len(both)).astype(np.int64)
        hashes = both
    keep = np.flatnonzero(df >= (min_df if len(texts) > 50 else 1))
    if len(keep) > max_features:
        keep = np.sort(keep[np.lexsort((hashes[keep], -df[keep]))[:max_features]])
    idf = np.log((1 + len(texts)) / (1 + df[keep])) + 1
    return Block(analyzer, hashes[keep], idf.astype(np.float16))


class Grams(msgspec.Struct, frozen=True):
    """The distinct n-grams of some texts: row i owns `hashes[start[i]:start[i+1]]`, ascending, and the same slice of
    `weight`, which is 1 + log(how often)."""

    start: NDArray[np.int64]
    hashes: Hashes
    weight: NDArray[np.float64]

    def take(self, rows: Sequence[int]) -> Grams:
        """Those rows, in that order."""
        if len(rows) == 1:
            part = slice(self.start[rows[0]], self.start[rows[0] + 1])
            return Grams(np.array([0, part.stop - part.start]), self.hashes[part], self.weight[part])
        parts = [slice(self.start[row], self.start[row + 1]) for row in rows]
        start = np.cumsum([0, *(part.stop - part.start for part in parts)])
        none = [slice(0, 0)]
        hashes = np.concatenate([self.hashes[part] for part in parts or none])
        return Grams(start, hashes, np.concatenate([self.weight[part] for part in parts or none]))


def find_grams(texts: Sequence[str], analyzer: Analyzer) -> Grams:
    """What `weigh` needs of texts, whatever the vocabulary."""
    row, found = hash_ngrams(texts, analyzer)
    key = row.astype(np.uint64)
    key <<= _S32
    key |= found
    key.sort()
    fresh = np.ones(len(key), bool)
    np.not_equal(key[1:], key[:-1], out=fresh[1:])
    places = np.flatnonzero(fresh)
    count = np.empty(len(places), np.int64)
    np.subtract(places[1:], places[:-1], out=count[:-1])
    count[-1:] = len(key) - places[-1:]
    key = key[places]
    if len(texts) == 1:
        start = np.array([0, len(key)])
    else:
        start = key.searchsorted(np.arange(len(texts) + 1, dtype=np.uint64) << _S32)
    return Grams(start, key.astype(np.uint32), 1 + np.log(count))


def weigh(grams: Grams, block: Block) -> Counts:
    """TF-IDF of one block: 1 + log(count), times idf, each row of length 1 (or empty)."""
    n, size = len(grams.start) - 1, len(block.hashes)
    if size == 0:
        return Counts(np.zeros(n + 1, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    at = block.hashes.searchsorted(grams.hashes)
    np.minimum(at, size - 1, out=at)
    known = block.hashes[at] == grams.hashes
    column = at[known]
    value = grams.weight[known] * block.idf[column]
    if n == 1:  # half the work, and the same bits: both sum one after the other
        if len(value):
            value /= np.sqrt(np.cumsum(value * value)[-1])
        return Counts(np.array([0, len(value)]), column, value.astype(np.float32))
    row = np.repeat(np.arange(n), np.diff(grams.start))[known]
    norm = np.sqrt(np.bincount(row, value * value, n))
    value = (value / norm[row]).astype(np.float32)
    start = np.concatenate(([0], np.cumsum(np.bincount(row, minlength=n))))
    return Counts(start, column, value)


def count_block(texts: Sequence[str], block: Block) -> Counts:
    """As `weigh`, of texts that nobody else asks for."""
    return weigh(find_grams(texts, block.analyzer), block)


class Gathered:
    """The n-grams of a batch's texts, found once for all the heads that read them with the same analyzer.

    What one call of `find_grams` costs is that of ten short texts: heads that answer one text each would pay it each
    time. First everything is named with `want`, then it is there.
    """

    def __init__(self) -> None:
        self._places: dict[Analyzer, dict[str, int]] = {}
        self._grams: dict[Analyzer, Grams] = {}

    def want(self, analyzer: Analyzer, texts: Sequence[str]) -> None:
        places = self._places.setdefault(analyzer, {})
        for text in texts:
            places.setdefault(text, len(places))

    def get(self, analyzer: Analyzer, texts: Sequence[str]) -> Grams:
        """Of texts that were wanted before the first `get` of this analyzer."""
        places = self._places[analyzer]
        if analyzer not in self._grams:
            self._grams[analyzer] = find_grams(list(places), analyzer)
        return self._grams[analyzer].take([places[text] for text in texts])


def hangul_share(texts: Sequence[str]) -> float:
    """Share of Hangul among the letters of at most 2,000 evenly spaced texts."""
    step = max(1, len(texts) // 2000)
    letters = [c for text in texts[::step] for c in text if c.isalpha()]
    return sum("가" <= c <= "힣" or "ㄱ" <= c <= "ㆎ" for c in letters) / max(1, len(letters))
