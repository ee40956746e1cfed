"""What the model to be replaced said to the inputs of the sealed test, where its answers were recorded.

Only its answers are read here, and the test's inputs; the test's own answers stay sealed.
"""

from __future__ import annotations

from pathlib import Path

from jangin.console.figures import task_of
from jangin.data.load import load_splits
from jangin.errors import JanginError
from jangin.prompt import render


class Said(dict[str, str]):
    """By an input's key: what the reference answered. model: who that is."""

    model = ""


def key_of(text: str) -> str:
    return " ".join(text.split())


def answers_of(folder: Path) -> Said | None:
    """Of the task that a bundle was made for; None where its bar names no recorded answers. Blocks."""
    from jangin.evals.references import load

    task = task_of(folder)
    if task is None or task.bar is None or not task.bar.reference:
        return None
    try:
        reference = load(task.bar.reference, task)
        if not reference.rows:
            return None
        by_id = {row.id: row for row in reference.rows if row.id is not None}
        by_input = {row.input: row for row in reference.rows if row.input is not None}
        said = Said()
        said.model = reference.model
        for example in load_splits(task).test:
            text = render(example.input)
            row = by_id.get(example.id) or by_input.get(text)
            if row is not None and row.output is not None:
                said[key_of(text)] = row.output if isinstance(row.output, str) else str(row.output)
        return said
    except JanginError:
        return None
