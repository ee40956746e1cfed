"""The one renderer: training, evaluation and serving all turn an input into model text here, and nowhere else."""

from __future__ import annotations

from jangin.data.text import normalise_text
from jangin.types import Input


def render(value: Input) -> str:
    """The text a model reads for one input, normalised; several chat turns become `role: content` lines.

    System and developer turns are left out: a specialist has its instructions in its weights, and a client that still
    sends the giant model's prompt gets the same answer as one that sends the message alone. So does a bare string.
    """
    if isinstance(value, str):
        return normalise_text(value).strip()
    turns = [turn for turn in value if turn.get("role") not in ("system", "developer")] or value
    if len(turns) == 1:
        return normalise_text(turns[0].get("content") or "").strip()
    return normalise_text("\n".join(f"{turn['role']}: {turn.get('content') or ''}" for turn in turns)).strip()
