"""The model card of an export: what it is, what it may be used for, what was measured, and what was not certified."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jangin.export.ollama import MODELFILE
from jangin.export.prompt_file import PROMPT, SCHEMA, schema_of
from jangin.export.source import Source
from jangin.files import hash_file

CARD, NOTICE = "README.md", "NOTICE"
UNCERTIFIED = "uncertified until certified"


def mark(source: Source) -> str:
    """What a changed weight file says of itself, and the notice file of every export."""
    return (
        f"Changed: the LoRA adapter of the Jangin specialist {source.identity[:12]} was merged into {source.base.id}."
    )


def notice(source: Source, merged: bool) -> str:
    """The file that goes along: the base, its licence, what that obliges to, word for word."""
    lines = [f"Made from {source.base.id} (sha256 {source.spec.sha256}), licence {source.base.license}."]
    lines += [source.base.notice] if source.base.notice else []
    lines += [mark(source)] if merged else []
    return "\n\n".join(lines) + "\n"


def card(source: Source, form: str, folder: Path, parity: dict[str, Any], merged: bool) -> str:
    """The text of README.md, written last: it names the hash of every other file in `folder`."""
    parts = [
        _head(source),
        f"# {source.name}\n\n{_what(source, form, merged)}",
        _use(source, form, merged),
        _limits(source, form, merged),
        _evidence(source, parity),
        _licences(source),
        _lineage(source),
        _files(folder),
    ]
    return "\n\n".join(parts) + "\n"


def _head(source: Source) -> str:
    """The lines that a model hub reads."""
    licence = source.base.license
    named = "other" if licence.startswith("LicenseRef-") or licence == "NOASSERTION" else licence.lower()
    lines = [f"license: {named}", f"base_model: {source.base.original or source.base.id}", "tags: [jangin, lora]"]
    return "\n".join(["---", *lines, "---"])


def _what(source: Source, form: str, merged: bool) -> str:
    manifest = source.manifest
    described = str(manifest.task.get("description") or "").strip()
    whole = "base and adapter in one file" if merged else f"a LoRA adapter of rank {source.adapter.rank}"
    lines = [f"A specialist for one task, exported by Jangin as `{form}`: {whole}."]
    lines += ["", "| | |", "|---|---|", f"| task | {manifest.task.get('name')} ({manifest.kind}) |"]
    lines += [f"| description | {described.replace('|', '/')} |"] if described else []
    lines += [f"| base | {source.base.id}, {source.base.architecture}, sha256 `{source.spec.sha256}` |"]
    lines += [f"| specialist | `{source.identity}` |", f"| status of this export | **{UNCERTIFIED}** |"]
    return "\n".join(lines)


def _use(source: Source, form: str, merged: bool) -> str:
    lines = ["## Use", "", f"`{PROMPT}` says how it is asked: the prompt, what ends an answer, and how long one is."]
    if form == "ollama":
        lines += ["", f"    ollama create {source.name} -f {MODELFILE}", "", "One message a request."]
        if not merged:
            lines += ["", OLD_OLLAMA]
    if form == "vllm":
        lines += ["", "`sh launch.sh` serves it; `request.json` is the request, `{input}` being the input."]
    if form == "hf":
        lines += ["", f"    PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained('{source.original}'), '.')"]
    if form == "gguf" and not merged:
        lines += [
            "",
            "`base.json` names the file that the adapter lies over: llama.cpp's `-m BASE --lora adapter.gguf`.",
        ]
    if schema_of(source) is not None:
        lines += ["", f"Every answer of the bundle satisfies `{SCHEMA}`. {_SCHEMA.get(form, _SCHEMA['gguf'])}"]
    return "\n".join(lines)


OLD_OLLAMA = (
    "Ollama from 0.34.1 on is reported to refuse `ADAPTER` in `ollama create`; an export with `--merged` works with "
    "any version."
)
_SCHEMA = {
    "ollama": "A Modelfile cannot hold it: the caller must send it as `format` with every request.",
    "vllm": "`request.json` holds it as `structured_outputs`.",
    "hf": "Nothing in this folder enforces it: use a library for constrained decoding.",
    "gguf": "Nothing in this file enforces it: give it to llama.cpp as the request's `json_schema`.",
}


def _limits(source: Source, form: str, merged: bool) -> str:
    lines = ["## What this export does not carry", ""]
    if form in ("hf", "vllm"):
        lines.append(
            f"- The bundle answers on the quantised file of {source.base.id} named above, on which the adapter was "
            f"trained; here it lies over `{source.original}`, other bytes. Answers may differ, and none was compared."
        )
    if source.spec.writing is None:
        beside = " and its n-grams" if source.head_ngrams else ""
        lines.append(
            f"- The bundle's head{beside}: probabilities from here are not calibrated, and answers may differ from the "
            "bundle's."
        )
    if form in ("ollama", "vllm"):
        lines.append("- Other servers read control tokens in an input as such; Jangin reads them as plain text.")
    lines.append("- Thresholds, policy and certificate stay with the bundle.")
    return "\n".join(lines)


def _evidence(source: Source, parity: dict[str, Any]) -> str:
    lines = ["## What was measured", "", "| | |", "|---|---|"]
    validation = source.record.get("validation") or {}
    if validation.get("score") is not None:
        told = f"{source.record.get('metric')} {validation['score']:.4f}, n = {validation.get('n')}"
        lines.append(f"| the bundle on validation | {told} |")
    if source.certificate:
        found = source.certificate
        lines.append(f"| the bundle's certificate | `{found['id']}`, {found['verdict']} |")
    lines += [f"| parity: {name.replace('_', ' ')} | {_shown(value)} |" for name, value in parity.items()]
    lines.append("")
    lines.append(
        "The certificate is the bundle's, not this export's: what is served from here was not certified."
        if source.certificate
        else "The bundle had no certificate when this was exported, and this export has none."
    )
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _licences(source: Source) -> str:
    tools = source.manifest.lineage.get("tools") or {}
    lines = ["## Licences", "", f"- Base {source.base.id}: {source.base.license}"]
    lines.append("- Training data: as its owner states; Jangin knows no licence of it")
    lines.append(
        f"- Tools: {', '.join(f'{name} {version}' for name, version in sorted(tools.items())) or 'not recorded'}"
    )
    if source.base.notice:
        lines += [
            "",
            "What the base's licence obliges to:",
            "",
            f"> {source.base.notice}",
            "",
            f"`{NOTICE}` goes along.",
        ]
    return "\n".join(lines)


def _lineage(source: Source) -> str:
    lineage = source.manifest.lineage
    rows, hashes = lineage.get("rows") or {}, lineage.get("data") or {}
    lines = ["## Data", "", "| split | rows | sha256 |", "|---|---|---|"]
    lines += [f"| {name} | {rows.get(name, '')} | `{digest}` |" for name, digest in sorted(hashes.items())]
    lines.append("")
    lines.append(f"Task `{source.manifest.task.get('hash')}`, seed {lineage.get('seed')}.")
    return "\n".join(lines)


def _files(folder: Path) -> str:
    lines = ["## Files", "", "| file | sha256 |", "|---|---|"]
    lines += [f"| {path.name} | `{hash_file(path)}` |" for path in sorted(folder.iterdir())]
    return "\n".join(lines)
