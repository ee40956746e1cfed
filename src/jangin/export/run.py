"""The verb `export`: one bundle -> one folder in another server's form, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from jangin.bundle import ADAPTER
from jangin.errors import InputError
from jangin.export import card, merged_gguf, ollama, peft_folder, prompt_file, vllm
from jangin.export.source import Source, read_source
from jangin.files import hash_file, hash_json, storage_error, write_atomic

if TYPE_CHECKING:
    from jangin.evals.predicting import Progress

Form = Literal["gguf", "ollama", "hf", "vllm"]
FORMS: tuple[str, ...] = get_args(Form)
MERGED, BASE_NOTE = "model.gguf", "base.json"


class ExportedFile(msgspec.Struct, frozen=True):
    name: str
    bytes: int
    sha256: str


class Exported(msgspec.Struct, frozen=True):
    """sha256: of the export as a whole, the hash of its files' hashes by name. certified: always that it is not yet."""

    export: str
    to: str
    specialist: str
    sha256: str
    certified: str
    files: list[ExportedFile]
    parity: dict[str, Any]
    next: str


def export(
    specialist: Path | str,
    to: str,
    out: Path | None = None,
    *,
    merged: bool | None = None,
    quantise: str | None = None,
    task: Path | str | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Writes the export's folder and says what is in it.

    Args:
        out: a new or empty folder; default: the bundle's own name with the form behind it, beside it.
        merged: base and adapter in one GGUF; default: for `ollama` only, since newer ones take no adapter.
        quantise: of the merged tensors: q8_0 (default), f16 or bf16.
        task: whose validation inputs the merged file is judged on; default: the record's.
    Raises: InputError, BundleError (also when the merged score falls by more than the task allows), BaseModelError,
        MissingExtraError, StorageError; nothing is left behind then.
    """
    one = _asked(to, merged, quantise)
    source = read_source(specialist)
    out = Path(os.path.abspath(out or f"{os.path.abspath(specialist)}-{to}"))
    _refuse_folder(out)

    def build(folder: Path) -> dict[str, Any]:
        if to in ("hf", "vllm"):
            parity = _peft(source, to, folder)
        else:
            parity = _gguf(source, to, folder, quantise or merged_gguf.TYPES[0] if one else None, task, progress)
        prompt_file.write(source, folder)
        write_atomic(folder / card.NOTICE, card.notice(source, one))
        write_atomic(folder / card.CARD, card.card(source, to, folder, parity, one))
        return parity

    parity = _in_place(out, build)
    files = [ExportedFile(path.name, path.stat().st_size, hash_file(path)) for path in sorted(out.iterdir())]
    return Exported(
        export=str(out),
        to=to,
        specialist=source.identity,
        sha256=hash_json({file.name: file.sha256 for file in files}),
        certified=card.UNCERTIFIED,
        files=files,
        parity=parity,
        next=_next(source, to, out, one),
    )


def _asked(to: str, merged: bool | None, quantise: str | None) -> bool:
    """Whether base and adapter become one file. Raises: InputError for what does not go together."""
    if to not in FORMS:
        raise InputError(f"no form '{to}'", f"one of {', '.join(FORMS)}")
    one = to == "ollama" if merged is None else merged
    if one and to in ("hf", "vllm"):
        raise InputError(f"--merged makes a GGUF, and {to} reads a folder of PEFT's", "leave it out, or use --to gguf")
    if quantise is not None and not one:
        raise InputError("--quantise is of merged weights; an adapter stays as it is", "add --merged")
    if quantise is not None and quantise not in merged_gguf.TYPES:
        raise InputError(f"no type '{quantise}'", f"one of {', '.join(merged_gguf.TYPES)}")
    return one


def _peft(source: Source, to: str, folder: Path) -> dict[str, Any]:
    if to == "vllm":
        write_atomic(folder / vllm.LAUNCH, vllm.launch(source))
        write_atomic(folder / vllm.REQUEST, vllm.request(source))
    return peft_folder.write(source, folder)


def _gguf(
    source: Source,
    to: str,
    folder: Path,
    quantise: str | None,
    task: Path | str | None,
    progress: Progress | None,
) -> dict[str, Any]:
    if to == "ollama":
        text = ollama.modelfile(source, MERGED if quantise else ollama.BASE, None if quantise else ADAPTER)
        write_atomic(folder / ollama.MODELFILE, text)
    if quantise is not None:
        return _merge(source, folder / MERGED, quantise, task, progress)
    shutil.copyfile(source.adapter_path, folder / ADAPTER)
    if to == "ollama":
        shutil.copyfile(source.weights, folder / ollama.BASE)
    base = {"base": source.base.id, "file": _file_name(source), "sha256": source.spec.sha256, "get": _pull(source)}
    write_atomic(folder / BASE_NOTE, json.dumps(base, indent=2) + "\n")
    return {
        "method": "the adapter is the bundle's own file, byte for byte; it lies over the bundle's own base",
        "same_bytes": hash_file(folder / ADAPTER) == hash_file(source.adapter_path),
    }


def _merge(
    source: Source, path: Path, quantise: str, task: Path | str | None, progress: Progress | None
) -> dict[str, Any]:
    from jangin.evals.record import task_of
    from jangin.export.parity import compare, validation_of

    named = source.record.get("task_path") if task is None else task
    if not named:
        raise InputError(
            "the record names no task, and a merged file is judged on a task's validation inputs", "add --task TASK"
        )
    judged_by = task_of(source.folder, named)
    examples = validation_of(source, judged_by)
    tensors = merged_gguf.merge(source.weights, source.adapter, path, quantise, card.mark(source))
    return {**compare(source, path, judged_by, examples, progress), "quantised": quantise, "tensors": tensors}


def _file_name(source: Source) -> str:
    return next(file.name for file in source.base.files if file.name.endswith(".gguf"))


def _pull(source: Source) -> str:
    return f"jangin pull {source.base.id}"


def _next(source: Source, to: str, out: Path, merged: bool) -> str:
    """The line that puts it to use."""
    if to == "ollama":
        line = f"ollama create {source.name} -f {out / ollama.MODELFILE}"
        return line if merged else f"{line}  # {card.OLD_OLLAMA}"
    if to == "vllm":
        return f"sh {out / vllm.LAUNCH}"
    if to == "hf":
        return f"PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained('{source.original}'), '{out}')"
    files = f"-m {out / MERGED}" if merged else f"-m {source.weights} --lora {out / ADAPTER}"
    return f"llama-server {files}"


def _refuse_folder(out: Path) -> None:
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(f"'{out}' is there already", "name a new folder after -o")


def _in_place(out: Path, build: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Builds beside `out` and renames. Raises: what `build` raises, with nothing left behind; StorageError."""
    building = out.with_name(f".{out.name}.building")  # one name: what a killed run left goes away here
    shutil.rmtree(building, ignore_errors=True)
    try:
        building.mkdir(parents=True)
        told = build(building)
        if out.is_dir():
            out.rmdir()  # empty, or someone filled it meanwhile: then this says so
        building.rename(out)
    except OSError as error:
        raise storage_error(out, error) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return told
