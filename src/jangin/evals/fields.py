"""The fields of JSON answers, right or wrong one by one, as tables of cells whose micro-F1 is the field micro-F1.

An object is its values by dotted path: nested objects are walked into, a list is a multiset of values, each one a unit.
null, "" and "n/a" are no value. Two values are equal when their texts are, after NFC and without outer white space;
case counts, and 5 equals "5".

Counting, as the literature on attribute values does: a right value counts as right, expected and given; a wrong one
against the truth as expected and given; an unwanted one as given; a missing one as expected. F1 = 2 right / (expected +
given). Source: the rule of Brinkmann, Shraga and Bizer, "ExtractGPT", arXiv 2310.12537 (cases VC, VW, NV, VN, NN).
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jangin.evals.scorers import Array

Object = Mapping[str, Any]
OTHER = "(other fields)"
NOTHING = ("", "n/a")


class Count(NamedTuple):
    """Of one field in one answer: values expected, right ones, and wrong or unwanted ones."""

    expected: int
    right: int
    wrong: int


class Truth(NamedTuple):
    """What is right: the object; or, by path, accepted values, of which one is given whole. Then no other field counts.
    An empty list, or nothing but absent values, says that the field is to stay empty."""

    gold: Object
    accepted: Mapping[str, Sequence[Any]] | None = None


class FieldTable(NamedTuple):
    """Cells of n answers, each table (n, width), booleans.

    Of each field as many columns for values to be right about as a row expects at most, then as many for wrong ones as
    a row gives at most; `field` is each column's place in `names`. A cell that cannot be wrong is not `known`.
    """

    names: list[str]
    field: Array
    gold: Array
    known: Array
    ours: Array
    theirs: Array | None


def values_of(value: Any, path: str = "") -> dict[str, Counter[str]]:
    """Dotted path -> the values there, in the form that they are compared in."""
    found: dict[str, Counter[str]] = {}
    if isinstance(value, Mapping):
        for name, part in value.items():
            _join(found, values_of(part, f"{path}.{name}" if path else str(name)))
    elif isinstance(value, list | tuple):
        for part in value:
            _join(found, values_of(part, path))
    elif (text := _plain(value)) is not None:
        found[path] = Counter([text])
    return found


def count_fields(given: Object | None, truth: Truth) -> dict[str, Count]:
    """Every scored field of one answer; `given` None: nothing was, or nothing that could be read."""
    ours = values_of(given or {})
    if truth.accepted is not None:
        return {path: _accepted(ours.get(path, Counter()), values) for path, values in truth.accepted.items()}
    expected = values_of(truth.gold)
    counts = {}
    for path in dict.fromkeys((*expected, *ours)):
        want, have = expected.get(path, Counter()), ours.get(path, Counter())
        right = (want & have).total()
        counts[path] = Count(want.total(), right, have.total() - right)
    return counts


def all_right(given: Object | None, truth: Truth) -> bool:
    """Exact match of the whole object: every expected value, and no other."""
    if given is None:
        return False
    counts = count_fields(given, truth).values()
    return all(count.right == count.expected and not count.wrong for count in counts)


def wrong_share(given: Object | None, truth: Truth) -> float:
    """Of the fields that the truth or the answer fills, the share that is not wholly right; 1 for no answer, 0 where
    both fill none."""
    if given is None:
        return 1.0
    filled = [count for count in count_fields(given, truth).values() if count.expected or count.wrong]
    wrong = sum(count.right != count.expected or count.wrong > 0 for count in filled)
    return wrong / max(1, len(filled))


def field_right(given: Object, truth: Truth) -> dict[str, bool]:
    """Of the scored fields that the answer fills, by the name of the outermost object's field: is all of it right?"""
    counts = count_fields(given, truth)
    found: dict[str, bool] = {}
    for path in values_of(given):
        if path in counts:
            name = path if path in given else path.split(".", 1)[0]
            found[name] = found.get(name, True) and not counts[path].wrong
    return found


def field_table(
    truths: Sequence[Truth], ours: Sequence[Object | None], theirs: Sequence[Object | None] | None
) -> FieldTable:
    """The tables of all answers. Fields that no truth names share the name OTHER."""
    sides = [
        [count_fields(given, truth) for given, truth in zip(side, truths)]
        for side in (ours, theirs)
        if side is not None
    ]
    paths = (values_of(truth.gold) if truth.accepted is None else truth.accepted for truth in truths)
    named = sorted({path for each in paths for path in each})  # whatever order the fields stood in
    known_names = frozenset(named)
    rows = [[_by_name(counts, known_names) for counts in side] for side in sides]
    names = [*named, *([OTHER] if any(OTHER in counts for side in rows for counts in side) else [])]
    most = {name: Count(0, 0, 0) for name in names}
    for side in rows:
        for counts in side:
            for name, count in counts.items():
                most[name] = Count(*map(max, most[name], count))
    wide = {name: max(most[name].wrong, most[name].expected, 1) for name in names}
    field = np.repeat(np.arange(len(names)), [most[name].expected + wide[name] for name in names])
    start = dict(zip(names, np.searchsorted(field, np.arange(len(names))).tolist()))
    shape = (len(truths), len(field))
    gold, known, *given = (np.zeros(shape, bool) for _ in range(2 + len(rows)))
    for i, truth in enumerate(truths):
        for name in names:
            at, split = start[name], start[name] + most[name].expected
            expected = rows[0][i][name].expected if name in rows[0][i] else 0
            gold[i, at : at + expected] = known[i, at : at + expected] = True
            known[i, split : split + wide[name]] = truth.accepted is None or name in truth.accepted
            for cells, side in zip(given, rows):
                if name in side[i]:
                    cells[i, at : at + side[i][name].right] = True
                    cells[i, split : split + side[i][name].wrong] = True
    return FieldTable(names, field, gold, known, given[0], given[1] if len(given) > 1 else None)


def commonest(truths: Sequence[Truth]) -> dict[str, str]:
    """Field -> its commonest value among these truths: the answer that never reads its input."""
    seen: dict[str, Counter[str]] = {}
    for truth in truths:
        if truth.accepted is None:
            _join(seen, values_of(truth.gold))
        else:
            for path, values in truth.accepted.items():
                _join(seen, {path: Counter({text for value in values if (text := _plain(value)) is not None})})
    return {path: max(counts, key=lambda text: (counts[text], text)) for path, counts in seen.items() if counts}


def trivial_score(truths: Sequence[Truth]) -> float:
    """Field micro-F1 of the commonest value of each field, given everywhere."""
    guess = {path: Counter([text]) for path, text in commonest(truths).items()}
    right = size = 0
    for truth in truths:
        for count in _guessed(guess, truth):
            right += count.right
            size += count.expected + count.right + count.wrong
    return 2 * right / size if size else 0.0


def _guessed(guess: dict[str, Counter[str]], truth: Truth) -> list[Count]:
    if truth.accepted is not None:
        return [_accepted(guess.get(path, Counter()), values) for path, values in truth.accepted.items()]
    expected, counts = values_of(truth.gold), []
    for path, have in guess.items():
        want = expected.get(path, Counter())
        right = (want & have).total()
        counts.append(Count(want.total(), right, have.total() - right))
    return counts


def _accepted(have: Counter[str], values: Sequence[Any]) -> Count:
    """A field with alternatives is one unit: all of what is given must be one of them."""
    choices = [choice for value in values if (choice := values_of(value).get("", Counter()))]
    if not have:
        return Count(int(bool(choices)), 0, 0)
    right = have in choices
    return Count(int(bool(choices)), int(right), int(not right))


def _by_name(counts: dict[str, Count], named: frozenset[str]) -> dict[str, Count]:
    found: dict[str, Count] = {}
    for path, count in counts.items():
        name = path if path in named else OTHER
        found[name] = Count(*map(sum, zip(found[name], count))) if name in found else count
    return found


def _plain(value: Any) -> str | None:
    """A single value as the text that is compared; None for no value."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = unicodedata.normalize("NFC", str(value)).strip()
    return None if text.casefold() in NOTHING else text


def _join(into: dict[str, Counter[str]], more: dict[str, Counter[str]]) -> None:
    for path, counts in more.items():
        into.setdefault(path, Counter()).update(counts)
