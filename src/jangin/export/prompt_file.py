"""How the exported weights are asked, as a small JSON beside them: template, limits, labels, schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jangin.export.source import Source
from jangin.files import write_atomic

PROMPT, SCHEMA = "jangin_prompt.json", "schema.json"


def prompt_of(source: Source) -> dict[str, Any]:
    """jangin_prompt.json: the prompt is start + before + the input + after, and then the answer."""
    template, writing = source.spec.template, source.spec.writing
    told: dict[str, Any] = {
        "prompt": f"{template.start}{template.before}{{input}}{template.after}",
        "template": {"start": template.start, "before": template.before, "after": template.after},
        "input": "Unicode NFC, white space around it removed; system turns left out; read as plain text, so that "
        "control tokens in it mean nothing",
        "stop": template.stop,
        "kind": source.manifest.kind,
        "temperature": 0,
    }
    if writing is not None:
        return {**told, "max_tokens": writing.max_tokens, "context": writing.context}
    labels = dict(zip(source.manifest.labels, source.spec.label_tokens))
    told |= {"max_tokens": 1, "label_tokens": labels}
    offset = source.spec.offset_token
    return {**told, "answer": ANSWER} if offset is None else {**told, "offset_token": offset, "answer": ANY}


ANSWER = "the label whose token is likeliest next, among these tokens only; the bundle's head then calibrates that"
ANY = "every label whose token is enough likelier next than the offset's; how much, the bundle's head and rule say"


def write(source: Source, folder: Path) -> None:
    """jangin_prompt.json, and schema.json of `extract`. Raises: StorageError."""
    write_atomic(folder / PROMPT, _json(prompt_of(source)))
    if (schema := schema_of(source)) is not None:
        write_atomic(folder / SCHEMA, _json(schema))


def schema_of(source: Source) -> dict[str, Any] | None:
    return source.spec.writing.schema if source.spec.writing else None


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
