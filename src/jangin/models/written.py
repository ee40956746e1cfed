"""Many answers of one specialist that writes, and a specialist of whichever kind a folder holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jangin import bundle
from jangin.errors import RequestError
from jangin.models.specialist import Readers, Specialist
from jangin.models.writer import Writer, Written
from jangin.task import WRITTEN
from jangin.types import Input

BATCH_ROWS = 32


def open_specialist(folder: Path | str, readers: Readers) -> Specialist | Writer:
    """Either kind of specialist, ready to answer. Raises: BundleError, BaseModelError, MissingExtraError."""
    writes = bundle.read_manifest(Path(folder)).kind in WRITTEN
    return load_writer(folder, readers) if writes else Specialist(Path(folder), readers)


def load_writer(folder: Path | str, readers: Readers | None = None) -> Writer:
    """A specialist that writes, or copies. Raises: BundleError, BaseModelError, MissingExtraError."""
    if bundle.read_manifest(Path(folder)).spans is not None:
        from jangin.models.copier import Copier

        return Copier(Path(folder), readers or Readers())
    return Writer(Path(folder), readers or Readers())


def write_all(writer: Writer, inputs: Sequence[Input]) -> list[Written | RequestError]:
    """One answer per input, in order; where a prompt is longer than the context, the refusal, for that row alone.

    Raises: RequestError for what would befall every row, EngineError.
    """
    try:
        return list(writer.write(inputs, confidence=True))
    except RequestError as error:
        if error.code != "context_length_exceeded":
            raise
        if len(inputs) == 1:
            return [error]
    return [answer for one in inputs for answer in write_all(writer, [one])]


def answers_to(folder: Path, inputs: Sequence[Input], quiet: bool) -> list[Written | RequestError]:
    """What a bundle writes for all of these, with a bar that shows how far it is."""
    from contextlib import closing

    from tqdm import tqdm

    found: list[Written | RequestError] = []
    bar = tqdm(total=len(inputs), desc=f"{folder.name} writes", unit=" rows", disable=quiet, leave=False)
    with closing(load_writer(folder)) as writer, bar:
        for at in range(0, len(inputs), BATCH_ROWS):
            part = inputs[at : at + BATCH_ROWS]
            found += write_all(writer, part)
            bar.update(len(part))
    return found


def answer_of(written: Written | RequestError, kind: str) -> Any:
    """What is scored: the object, None where it was cut or refused; or the text as it came, indentation and all."""
    if isinstance(written, RequestError):
        return None
    return written.output if kind == "extract" else written.text
