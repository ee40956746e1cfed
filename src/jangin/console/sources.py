"""Where the rows of a review come from: the ledger's texts, captured exchanges, validation. All of it blocks."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

from jangin.console import decisions, evidence
from jangin.egress.captured import Torn, read
from jangin.errors import InputError
from jangin.ledger.row import Filter
from jangin.prompt import render

if TYPE_CHECKING:
    from jangin.console.desk import Ask
    from jangin.report import Found
    from jangin.serve.fleet import Entry

MOST_ROWS = 2_000  # looked at; the least sure of them are shown
Rows = list[tuple[str, Any]]  # (input, what somebody else said of it)


def of_ledger(ask: Ask, task: str) -> Rows:
    """Raises: InputError where there is nothing."""
    ledger = ask.server.door.ledger
    if ledger is None:
        raise InputError("this server keeps no ledger", "start it with --state DIR")
    page = ledger.query(Filter(task=task), limit=MOST_ROWS, texts=True)
    found: dict[str, None] = {}
    for text in page.texts.values():
        given = _list(text.input) if text.input.startswith("[") else [text.input]
        found |= dict.fromkeys(each for each in given if each.strip())
    if not found:
        raise InputError(
            f"the ledger keeps no texts of '{task}'", "write 'policy: {texts: {keep_days: N}}' into its task"
        )
    return [(text, None) for text in found]


def _list(text: str) -> list[str]:
    """The texts of a row of several; one text that begins with a bracket is itself."""
    try:
        found = json.loads(text)
    except ValueError:
        return [text]
    return found if isinstance(found, list) and all(isinstance(each, str) for each in found) else [text]


def captured(ask: Ask, entry: Entry) -> Rows:
    """Raises: InputError where there is nothing."""
    outlet = ask.server.outlet
    folder = outlet.capture.folder / entry.info.name if outlet is not None and outlet.capture is not None else None
    if folder is None or not folder.is_dir():
        raise InputError(f"nothing of '{entry.info.name}' was captured on this server", "see docs/egress.md")
    found: dict[str, Any] = {}
    exchanges = (each for each in read(folder) if not isinstance(each, Torn))
    for each in islice(exchanges, MOST_ROWS):
        turns = [turn for turn in each.messages if turn["role"] == "user"]
        text = turns[0]["content"] if len(turns) == 1 else render(each.messages)
        if text.strip():
            found[text] = decisions.as_answer(entry.info.kind, entry.info.labels, each.answer or "")
    return list(found.items())


def validation(found: Found) -> Rows:
    """Rows of validation with their truth. Raises: InputError where the task is not here as it was learnt."""
    rows = evidence.validation_examples(found)
    if not rows:
        raise InputError("the rows of validation are not here", "the task must lie where it was trained, unchanged")
    tags = found.manifest is not None and found.manifest.kind == "tag"  # {label: True or False}
    return [
        (render(row.input), [label for label, given in row.output.items() if given] if tags else row.output)
        for row in rows
    ]
