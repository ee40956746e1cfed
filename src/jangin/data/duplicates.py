"""Near-duplicate texts among millions: MinHash with locality-sensitive hashing in numpy, each pair then verified.

A text is the set of its three-character pieces; two texts are near-duplicates when the sets' Jaccard similarity
reaches `THRESHOLD`. Work and memory grow linearly with the number of characters and texts, also when very many texts
are alike: inside one bucket a text meets a fixed number of neighbours only.

Sources: Broder (1997), "On the resemblance and containment of documents" (MinHash); Leskovec, Rajaraman and Ullman,
"Mining of Massive Datasets", chapter 3 (bands and rows).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.85
BANDS, ROWS = 16, 8  # a pair at the threshold is met with probability 1 - (1 - 0.85^8)^16 = 0.994
WINDOW = 8  # neighbours that a text meets in one bucket; buckets of up to nine texts are compared in full
LARGE, NARROW = 64, 2  # in buckets of more than LARGE texts it meets NARROW
SKETCH = 64  # minima kept to discard unlikely pairs before they are verified
SKETCH_FLOOR = 0.70  # 3.4 standard errors below the threshold
CHUNK_CHARS = 1 << 18  # fits a core's cache
PAIR_CHARS = 1 << 22
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio

Int = NDArray[np.int64]


class NearPairs(msgspec.Struct, frozen=True):
    """Verified pairs `a[i]`, `b[i]` (positions of texts) and `cluster`, the number of each text's connected group.

    In a bucket of many texts only enough pairs are kept to connect the group and to mark each text that has a
    near-duplicate on the other side.
    """

    a: Int
    b: Int
    cluster: Int


def near_pairs(texts: Sequence[str], held_out: NDArray[np.bool_], threshold: float = THRESHOLD) -> NearPairs:
    """Pairs of texts whose three-character pieces have Jaccard similarity of at least `threshold`.

    Args:
        texts: n different texts, normalised and case-folded, none empty.
        held_out: shape (n,); False for train. A text that has a near-duplicate on the other side is in a pair that
            says so, save the 0.6 % that the bands miss at the threshold itself (fewer above).
    """
    count = len(texts)
    keys, sketches = _signatures(texts)
    cluster = np.arange(count)
    crossed = np.zeros(count, bool)  # already seen in a pair with the other side
    kept_a, kept_b = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for band in range(BANDS):
        a, b = _candidates(keys[band], keys[(band + 1) % BANDS], held_out)
        cross = held_out[a] != held_out[b]
        news = np.where(cross, ~(crossed[a] & crossed[b]), cluster[a] != cluster[b])
        a, b = a[news], b[news]
        likely = _agreement(sketches, a, b) >= SKETCH_FLOOR
        a, b = a[likely], b[likely]
        near = jaccard(texts, a, b) >= threshold
        a, b = a[near], b[near]
        cross = held_out[a] != held_out[b]
        crossed[a[cross]] = crossed[b[cross]] = True
        cluster = _connect(cluster, a, b)
        kept_a.append(a)
        kept_b.append(b)
    pairs = np.unique(np.stack([np.concatenate(kept_a), np.concatenate(kept_b)], axis=1), axis=0)
    return NearPairs(pairs[:, 0], pairs[:, 1], cluster)


def _pieces(texts: Sequence[str]) -> tuple[NDArray[np.uint64], Int]:
    """(64-bit hash of each three-character piece of the padded texts, where each text starts).

    The last two positions of each text would reach into the next; they repeat the text's first piece.
    """
    points = np.frombuffer("".join([f" {text} " for text in texts]).encode("utf-32-le"), np.uint32)
    lengths = np.fromiter((len(text) + 2 for text in texts), np.int64, len(texts))
    ends = np.cumsum(lengths)
    starts = ends - lengths
    wide = points.astype(np.uint64)
    pieces = np.zeros(len(wide), np.uint64)
    pieces[:-2] = (wide[:-2] << np.uint64(42)) | (wide[1:-1] << np.uint64(21)) | wide[2:]  # exact: 3 x 21 bits
    pieces[ends - 1] = pieces[ends - 2] = pieces[starts]
    pieces *= _MIX
    pieces ^= pieces >> np.uint64(29)
    pieces *= _MIX
    return pieces, starts


def _blocks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Ranges of texts with about CHUNK_CHARS characters each."""
    start = size = 0
    for position, text in enumerate(texts):
        size += len(text) + 2
        if size >= CHUNK_CHARS:
            yield start, position + 1
            start, size = position + 1, 0
    if start < len(texts):
        yield start, len(texts)


def _signatures(texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.uint16]]:
    """(band keys, shape (BANDS, n); the low halves of the first SKETCH minima, shape (n, SKETCH))."""
    random = np.random.default_rng(20_230_817)  # any constant: the same file gives the same report
    factors = random.integers(0, 2**31, BANDS * ROWS).astype(np.uint32) * np.uint32(2) + np.uint32(1)
    shifts = random.integers(0, 2**32, BANDS * ROWS, dtype=np.uint64).astype(np.uint32)
    keys = np.zeros((BANDS, len(texts)), np.uint64)
    sketches = np.empty((len(texts), SKETCH), np.uint16)
    for start, stop in _blocks(texts):
        pieces, starts = _pieces(texts[start:stop])
        short = (pieces >> np.uint64(32)).astype(np.uint32)
        hashed = np.empty_like(short)
        for number, (factor, shift) in enumerate(zip(factors, shifts)):
            np.multiply(short, factor, out=hashed)
            np.add(hashed, shift, out=hashed)
            minimum = np.minimum.reduceat(hashed, starts)
            row = keys[number // ROWS, start:stop]
            row *= _MIX
            row ^= (row >> np.uint64(31)) + minimum
            if number < SKETCH:
                sketches[start:stop, number] = (minimum * factor) >> np.uint32(16)
    keys *= _MIX
    return keys, sketches


def _candidates(key: NDArray[np.uint64], other: NDArray[np.uint64], held_out: NDArray[np.bool_]) -> tuple[Int, Int]:
    """Pairs of texts that share a bucket of this band, at most WINDOW + 2 for each text.

    Inside a bucket texts are ordered by the next band's key, so that the most alike stand together.
    """
    low = np.uint64(24)
    order = np.argsort((key & ~((np.uint64(1) << low) - np.uint64(1))) | (other >> np.uint64(40)), kind="stable")
    bucket = key[order] >> low
    shared = np.flatnonzero(bucket[1:] == bucket[:-1])
    inside = np.zeros(len(bucket), bool)
    inside[shared] = inside[shared + 1] = True
    order, bucket = order[inside], bucket[inside]
    run = np.cumsum(np.diff(bucket, prepend=bucket[:1]) != 0)
    small = np.bincount(run)[run] <= LARGE if len(run) else inside[:0]
    found = []
    for step in range(1, WINDOW + 1):
        meet = (bucket[:-step] == bucket[step:]) & (small[step:] | (step <= NARROW))
        found.append(np.stack([order[:-step], order[step:]])[:, meet])
    found += [_nearest_across(order, bucket, held_out), _nearest_across(order[::-1], bucket[::-1], held_out)]
    pairs = np.sort(np.concatenate(found, axis=1), axis=0)
    return pairs[0], pairs[1]


def _nearest_across(order: Int, bucket: NDArray[np.uint64], held_out: NDArray[np.bool_]) -> Int:
    """Each text with the nearest one before it in its bucket that is on the other side, shape (2, m)."""
    place = np.arange(len(order))
    side = held_out[order]
    last_train = np.maximum.accumulate(np.where(~side, place, -1)) if len(place) else place
    last_held_out = np.maximum.accumulate(np.where(side, place, -1)) if len(place) else place
    partner = np.where(side, last_train, last_held_out)
    good = partner >= 0
    place, partner = place[good], partner[good]
    same = bucket[place] == bucket[partner]
    return np.stack([order[place[same]], order[partner[same]]])


def _agreement(sketches: NDArray[np.uint16], a: Int, b: Int) -> NDArray[np.float64]:
    """Share of minima that agree: estimates the Jaccard similarity."""
    agreement = np.empty(len(a))
    for start in range(0, len(a), 1 << 16):
        part = slice(start, start + (1 << 16))
        agreement[part] = (sketches[a[part]] == sketches[b[part]]).mean(axis=1)
    return agreement


def jaccard(texts: Sequence[str], a: Int, b: Int) -> NDArray[np.float64]:
    """Exact Jaccard similarity of the three-character pieces of texts[a[i]] and texts[b[i]], shape (len(a),)."""
    result = np.empty(len(a))
    start = size = 0
    for position, (left, right) in enumerate(zip(a.tolist(), b.tolist())):
        size += len(texts[left]) + len(texts[right])
        if size >= PAIR_CHARS or position == len(a) - 1:
            part = slice(start, position + 1)
            result[part] = _jaccard_block([texts[i] for i in a[part]], [texts[i] for i in b[part]])
            start, size = position + 1, 0
    return result


def _jaccard_block(left: list[str], right: list[str]) -> NDArray[np.float64]:
    sets_left, sets_right = _piece_sets(left), _piece_sets(right)
    union = _sorted_set(np.concatenate([sets_left, sets_right]))
    sizes = [np.bincount(pieces >> np.uint64(40), minlength=len(left)) for pieces in (sets_left, sets_right, union)]
    return (sizes[0] + sizes[1] - sizes[2]) / sizes[2]


def _piece_sets(texts: list[str]) -> NDArray[np.uint64]:
    """Unique (text's number << 40 | 40 bits of a piece's hash)."""
    pieces, starts = _pieces(texts)
    numbers = np.repeat(np.arange(len(texts), dtype=np.uint64), np.diff(starts, append=len(pieces)))
    return _sorted_set((numbers << np.uint64(40)) | (pieces >> np.uint64(24)))


def _sorted_set(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """np.unique's hash table of numpy 2.3 takes thirty times as long on such keys."""
    values = np.sort(values)
    return values[np.append(True, values[1:] != values[:-1])] if len(values) else values


def _connect(cluster: Int, a: Int, b: Int) -> Int:
    """Clusters joined by further pairs."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(a):
        return cluster
    size = len(cluster)
    graph = coo_array((np.ones(len(a), bool), (cluster[a], cluster[b])), shape=(size, size))
    return connected_components(graph, directed=False)[1].astype(np.int64)[cluster]
