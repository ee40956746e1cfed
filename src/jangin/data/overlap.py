"""The checks that compare texts: leaks between splits, repetitions, contradicting labels, near-duplicates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from jangin.data.duplicates import THRESHOLD, near_pairs
from jangin.data.examined import Examined, first_ids
from jangin.data.findings import Duplicates, Leaks, plural
from jangin.data.leaks import PRECEDENCE, Keys, Leak, find_leaks
from jangin.data.text import bare_key, plain_text
from jangin.types import Example

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]


def look_for_leaks(examined: Examined, keys: dict[str, Keys]) -> None:
    """Rows that also stand in a split which judges them."""
    other = 0
    for leak in find_leaks(keys):
        if not leak.dropped.any():
            continue
        examined.drop(leak.split, "leaks", leak.dropped)
        _tell_leak(examined, leak)
        if (leak.split, leak.kept_in) == ("train", "test"):
            examined.leaks = Leaks(
                test_rows=int(leak.met_bare.sum()),
                test_rows_verbatim=int(leak.met_verbatim.sum()),
                test_units=int((leak.met_units & ~leak.met_bare).sum()),
                train_rows=int(leak.dropped.sum()),
            )
        else:
            other += int(leak.dropped.sum())
    examined.leaks = msgspec.structs.replace(examined.leaks, other_rows=other)


def _tell_leak(examined: Examined, leak: Leak) -> None:
    kept = examined.splits[leak.kept_in]
    bare, verbatim = int(leak.met_bare.sum()), int(leak.met_verbatim.sum())
    units, dropped = int((leak.met_units & ~leak.met_bare).sum()), int(leak.dropped.sum())
    parts = [f"{verbatim:,} word for word, {bare - verbatim:,} but for punctuation"] if bare else []
    parts += [f"{units:,} by a shared unit only"] if units else []
    first = first_ids(kept, leak.met_bare | leak.met_units)
    stands, is_left = "stands" if bare + units == 1 else "stand", "is" if dropped == 1 else "are"
    examined.add(
        "leak",
        f"{bare + units:,} of {len(kept):,} {leak.kept_in} examples also {stands} in {leak.split} "
        f"(first: '{first[0]}'): {', '.join(parts)}; "
        f"{plural(dropped, 'row')} of {leak.split} {is_left} left out, or scores would be inflated",
        "jangin check TASK --fix DIR writes a copy without them",
        bare + units,
        first,
    )


def look_for_repetitions(examined: Examined, keys: dict[str, Keys], kind: str) -> None:
    """Texts of train with contradicting answers, then repetitions within each split.

    Of `generate`, where many answers can be right, contradicting rows are told and kept.
    """
    train, bare = examined.splits["train"], keys["train"].bare
    examined.conflicts, contradicting = contradictions(train, bare, examined.instead)
    if kind == "generate":
        contradicting = np.zeros(len(train), bool)
    if kind == "generate" and examined.conflicts:
        examined.add(
            "different_answers",
            f"{plural(examined.conflicts, 'text')} of train {'has' if examined.conflicts == 1 else 'have'} "
            "different answers in different rows",
            "fine where several are right; otherwise keep the better one",
            examined.conflicts,
        )
    elif examined.conflicts:
        examined.drop("train", "contradictions", contradicting)
        examined.add(
            "conflicting_labels",
            f"{plural(examined.conflicts, 'text')} of train {'has' if examined.conflicts == 1 else 'have'} "
            "different labels in different rows",
            "jangin check TASK --fix DIR keeps the majority's label, and drops the text when tied",
            examined.conflicts,
            first_ids(train, contradicting),
        )
    repeated = np.zeros(len(train), bool)
    for rows in equal_groups(bare):
        kept = [row for row in rows if not contradicting[row]]
        answers = [_answer(train[row].output, {}) if kind == "generate" else None for row in kept]
        repeated[[row for place, row in enumerate(kept) if answers[place] in answers[:place]]] = True
    examined.drop("train", "duplicates", repeated)
    examined.duplicates = Duplicates(exact={name: _repeats(keys[name].bare) for name in keys})
    for name, count in examined.duplicates.exact.items():
        if count:
            repeat = "repeats" if count == 1 else "repeat"
            examined.add(
                "duplicates",
                f"{plural(count, 'row')} of {name} {repeat} another but for case, white space and punctuation",
                "jangin check TASK --fix DIR drops repetitions from train; other splits keep their rows",
                count,
            )


def contradictions(examples: Sequence[Example], bare: Int, instead: dict[str, str]) -> tuple[int, Bool]:
    """(texts with several answers, mask of the rows to drop: all but the majority's; all of them when tied)."""
    drop = np.zeros(len(examples), bool)
    texts = 0
    for rows in equal_groups(bare):
        answers = Counter(_answer(examples[row].output, instead) for row in rows)
        if len(answers) > 1 and _contradict(list(answers)):
            texts += 1
            (best, most), (_, second) = answers.most_common(2)
            tied = most == second
            drop[[row for row in rows if tied or _answer(examples[row].output, instead) != best]] = True
    return texts, drop


def equal_groups(keys: Int) -> Iterator[list[int]]:
    """Positions with equal keys, in their order, for each key that stands more than once."""
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1])) if len(keys) else np.empty(0, np.int64)
    ends = np.append(starts[1:], len(keys))
    for number in np.flatnonzero(ends - starts > 1):
        yield order[starts[number] : ends[number]].tolist()


def _repeats(keys: Int) -> int:
    """How many keys are not the first of their kind."""
    ranked = np.sort(keys)
    return int((ranked[1:] == ranked[:-1]).sum())


def _answer(output: Any, instead: dict[str, str]) -> Any:
    """An output in a form that can be compared and counted."""
    if isinstance(output, dict) and all(isinstance(state, bool) for state in output.values()):
        return tuple(sorted((instead.get(label, label), true) for label, true in output.items()))
    if isinstance(output, dict):  # of `extract`
        return msgspec.json.encode(output, order="sorted")
    if isinstance(output, tuple):
        return tuple(sorted(instead.get(label, label) for label in output))
    return instead.get(output, output)


def _contradict(answers: list[Any]) -> bool:
    """Two answers cannot both hold; a label that is unknown in one of them contradicts nothing."""
    if not all(isinstance(answer, tuple) and answer and isinstance(answer[0], tuple) for answer in answers):
        return True
    seen: dict[str, bool] = {}
    return any(seen.setdefault(label, true) != true for answer in answers for label, true in answer)


def look_for_near_duplicates(examined: Examined, keys: dict[str, Keys]) -> None:
    """Among the texts that are left after leaks, each once."""
    names = [name for name in PRECEDENCE if name in keys]
    rows = []
    for name in names:
        left = np.flatnonzero(examined.left(name, "leaks"))
        rows.append(left[np.sort(np.unique(keys[name].bare[left], return_index=True)[1])])
    owner = np.repeat(np.arange(len(names)), [len(part) for part in rows])
    texts = [
        bare_key(plain_text(examined.splits[name][row].input))
        for name, part in zip(names, rows)
        for row in part.tolist()
    ]
    train = names.index("train")
    pairs = near_pairs(texts, owner != train)
    near = {}
    for number, name in enumerate(names):
        clusters = pairs.cluster[owner == number]
        near[name] = len(clusters) - len(np.unique(clusters))
    examined.duplicates = msgspec.structs.replace(examined.duplicates, near=near)
    if near["train"]:
        examined.add(
            "near_duplicates",
            f"{plural(near['train'], 'text')} of train nearly {'repeats' if near['train'] == 1 else 'repeat'} another",
            "worth a look when they are many: they teach little, and make validation look better than it is",
            near["train"],
        )
    row = np.concatenate(rows)
    a, b = np.append(pairs.a, pairs.b), np.append(pairs.b, pairs.a)
    for number, name in enumerate(names):
        if number != train:
            across = (owner[a] == train) & (owner[b] == number)
            ours = np.isin(keys["train"].bare, keys["train"].bare[row[a[across]]])
            theirs = np.isin(keys[name].bare, keys[name].bare[row[b[across]]])
            _tell_near_leak(examined, name, ours, theirs)


def _tell_near_leak(examined: Examined, name: str, ours: Bool, theirs: Bool) -> None:
    """Texts of train (mask `ours`) that nearly stand in a split that judges it (mask `theirs`)."""
    count, dropped = int(theirs.sum()), int(ours.sum())
    if name == "test":
        examined.leaks = msgspec.structs.replace(examined.leaks, near_test_rows=count, near_train_rows=dropped)
    if not count:
        return
    examined.drop("train", "near_leaks", ours)
    examples = examined.splits[name]
    first = first_ids(examples, theirs)
    examined.add(
        "near_leak",
        f"{count:,} of {len(examples):,} {name} examples nearly {'stands' if count == 1 else 'stand'} in train "
        f"(first: '{first[0]}'), sharing {THRESHOLD:.0%} or more of their three-character pieces with a row there; "
        "scores may be a little high",
        f"jangin check TASK --fix DIR leaves out the {plural(dropped, 'row')} of train",
        count,
        first,
    )
