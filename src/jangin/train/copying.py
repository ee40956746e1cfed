"""Can the answers be copied? Which fields of a schema stand in their inputs, where, and what share of all values that
covers; and the tags that a chain learns from it.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from jangin.data.schema import fault
from jangin.evals.fields import NOTHING, values_of
from jangin.models.chain import begins
from jangin.models.copier import ABSENT, LONGEST_VALUE, context_of
from jangin.models.cues import Key, key_of
from jangin.models.form import Leaf, leaves, smallest, value_of
from jangin.models.pieces import Piece, pieces
from jangin.prompt import render
from jangin.types import Example

COPIED_SHARE = 0.5  # a field whose values stand in their inputs this often is copied
MOST_VALUES = 50  # of a field that is chosen
ROWS_A_VALUE = 5
LONGEST_CONTEXT, MOST_CONTEXTS, CONTEXT_SHARE = 40, 200, 0.95


class Aligned(NamedTuple):
    """One row of train. tags: the chain's label of each piece; own: its values, as `cues` wants them (field: the place
    among the copied ones); expected and covered: values of the row, and those that the tags and choices can give."""

    text: str
    pieces: list[Piece]
    tags: list[int]
    own: list[tuple[Key, int]]
    expected: int
    covered: int


class Plan(NamedTuple):
    """The form with every field decided, and what train says about it.

    share: of train's values, those that can be given at all: the ceiling. by_field: the same of each field.
    """

    form: list[Leaf]
    rows: list[Aligned]
    share: float
    by_field: dict[str, float]
    longest: int
    contexts: list[str]


def plan_of(examples: Sequence[Example], schema: Mapping[str, Any]) -> Plan:
    """Decides each field of a schema without `why_no_form`, and aligns train with it."""
    texts = [unicodedata.normalize("NFC", render(example.input)) for example in examples]
    parts = [pieces(text) for text in texts]
    form = [_decided(leaf, examples, texts, parts) for leaf in leaves(schema)]
    expected: Counter[str] = Counter()
    covered: Counter[str] = Counter()
    rows = [_aligned(form, *row, expected, covered) for row in zip(examples, texts, parts)]
    total = expected.total()
    longest = max((_longest_run(row.tags) for row in rows), default=1)
    return Plan(
        form=form,
        rows=rows,
        share=covered.total() / total if total else 0.0,
        by_field={name: covered[name] / count for name, count in sorted(expected.items()) if count},
        longest=max(1, min(LONGEST_VALUE, round(1.5 * longest))),
        contexts=contexts_of(texts),
    )


def truths(example: Example, leaf: Leaf) -> list[list[str]]:
    """The values of a field, in the form that they are compared in: each a list of accepted texts, the best first."""
    if isinstance(example.gold, dict):
        accepted = [text for value in example.gold.get(leaf.name, ()) for text in values_of(value).get("", ())]
        return [accepted] if accepted else []
    found = raw_value(example.output, leaf.path)
    listed = found if leaf.many and isinstance(found, list) else [found]
    return [[text] for value in listed for text in values_of(value).get("", ())]


def raw_value(output: Any, path: Sequence[str]) -> Any:
    """What stands at a path; ABSENT where nothing does."""
    for name in path:
        if not isinstance(output, dict) or name not in output:
            return ABSENT
        output = output[name]
    return output


def contexts_of(texts: Sequence[str]) -> list[str]:
    """The heads before a colon, if nearly every text has one of a small set."""
    heads = Counter(
        head.strip().casefold()
        for head, colon, _ in (text[: 2 * LONGEST_CONTEXT].partition(":") for text in texts)
        if colon and 0 < len(head.strip()) <= LONGEST_CONTEXT
    )
    kept = sorted(head for head, count in heads.items() if count > 1)
    if not 2 <= len(kept) <= min(MOST_CONTEXTS, max(2, len(texts) // 10)):
        return []
    if sum(context_of(text, kept) is not None for text in texts) < CONTEXT_SHARE * len(texts):
        return []
    return kept


def _decided(leaf: Leaf, examples: Sequence[Example], texts: list[str], parts: list[list[Piece]]) -> Leaf:
    fallback = _fallback(leaf, examples)
    wanted = copied = 0
    for example, text, own in zip(examples, texts, parts):
        for accepted in truths(example, leaf):
            wanted += 1
            copied += any(_places(text, own, each) and _fits(each, leaf) for each in accepted)
    values = [] if leaf.many else _values(leaf, examples)
    few = 0 < len(values) <= min(MOST_VALUES, max(2, len(examples) // ROWS_A_VALUE))
    if few and copied < COPIED_SHARE * max(wanted, 1):
        return msgspec.structs.replace(leaf, copied=False, values=values, fallback=fallback)
    return msgspec.structs.replace(leaf, fallback=fallback)


def _fits(text: str, leaf: Leaf) -> bool:
    return value_of(text, leaf) is not None


def _values(leaf: Leaf, examples: Sequence[Example]) -> list[Any]:
    """Every value of a field that holds one, ABSENT among them where it may be absent; commonest first."""
    seen: Counter[bytes] = Counter()
    for example in examples:
        value = raw_value(example.output, leaf.path)
        if value != ABSENT and fault(value, leaf.schema):
            continue
        seen[msgspec.json.encode(value)] += 1
    return [msgspec.json.decode(text) for text, _ in sorted(seen.items(), key=lambda each: (-each[1], each[0]))]


def _fallback(leaf: Leaf, examples: Sequence[Example]) -> Any:
    """What says "nothing" in train, where something does; else what the schema lets be smallest."""
    if leaf.many:
        return None
    seen = Counter(
        msgspec.json.encode(value)
        for example in examples
        if (value := raw_value(example.output, leaf.path)) is None
        or (isinstance(value, str) and value.strip().casefold() in NOTHING)
    )
    for text, _ in sorted(seen.items(), key=lambda each: (-each[1], each[0])):
        value = msgspec.json.decode(text)
        if fault(value, leaf.schema) is None:
            return value
    return smallest(leaf)


def _aligned(
    form: Sequence[Leaf],
    example: Example,
    text: str,
    parts: list[Piece],
    expected: Counter[str],
    covered: Counter[str],
) -> Aligned:
    """Longer values first: a short one stands in more places. Values that overlap earlier ones are not covered."""
    tags = [0] * len(parts)
    own: list[tuple[Key, int]] = []
    wanted: list[tuple[int, int, Leaf, list[str]]] = []
    total = right = place = 0
    for leaf in form:
        values = truths(example, leaf)
        total += len(values)
        expected[leaf.name] += len(values)
        if leaf.copied:
            wanted += [(-max(map(len, each)), place, leaf, each) for each in values]
            place += 1
        else:
            known = {text for value in leaf.values for text in values_of(value).get("", ())}
            given = sum(any(text in known for text in each) for each in values)
            right += given
            covered[leaf.name] += given
    for _, field, leaf, accepted in sorted(wanted, key=lambda each: each[:2]):
        free = [
            (start, end)
            for each in accepted
            if _fits(each, leaf)
            for start, end in _places(text, parts, each)
            if end - start <= LONGEST_VALUE and not any(tags[start:end])
        ]
        if free:
            start, end = free[0]
            tags[start:end] = [begins(field), *[begins(field) + 1] * (end - start - 1)]
            own.append((key_of(parts[start:end]), field))
            right += 1
            covered[leaf.name] += 1
    return Aligned(text, parts, tags, own, total, right)


def _places(text: str, parts: Sequence[Piece], value: str) -> list[tuple[int, int]]:
    """Where a value stands, as pieces; nowhere when it begins or ends inside one."""
    if not value:
        return []
    starts = {part.start: at for at, part in enumerate(parts)}
    ends = {part.end: at + 1 for at, part in enumerate(parts)}
    found: list[tuple[int, int]] = []
    at = text.find(value)
    while at >= 0 and len(found) < 20:
        if at in starts and at + len(value) in ends:
            found.append((starts[at], ends[at + len(value)]))
        at = text.find(value, at + 1)
    return found


def _longest_run(tags: Sequence[int]) -> int:
    best = size = 0
    for tag in tags:
        size = 0 if tag == 0 else size + 1 if tag % 2 == 0 else 1
        best = max(best, size)
    return best
