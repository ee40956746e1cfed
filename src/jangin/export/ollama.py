"""The export `ollama`: a Modelfile beside the GGUF.

Source: the Modelfile and template references of Ollama's documentation (read November 2026).
"""

from __future__ import annotations

import json

from jangin.errors import InputError
from jangin.export.source import Source
from jangin.prompt import PromptTemplate

MODELFILE = "Modelfile"
BASE = "base.gguf"


def modelfile(source: Source, weights: str, adapter: str | None) -> str:
    """The text of the Modelfile; `weights` and `adapter`: file names beside it.

    Raises: InputError for a specialist that names labels, or a licence text that a Modelfile cannot hold.
    """
    refuse_labels(source)
    writing = source.spec.writing
    assert writing is not None
    parameters: list[tuple[str, str]] = [
        ("temperature", "0"),
        ("seed", "0"),
        ("repeat_penalty", "1"),  # earlier versions had a penalty unless told otherwise
        ("num_ctx", str(writing.context)),
        ("num_predict", str(writing.max_tokens)),
        *(("stop", _quoted(text)) for text in source.spec.template.stop),
    ]
    lines = [
        f"# ollama create {source.name} -f {MODELFILE}",
        f"FROM ./{weights}",
        *([f"ADAPTER ./{adapter}"] if adapter else []),
        f"TEMPLATE {_quoted(go_template(source.spec.template))}",
        *(f"PARAMETER {name} {value}" for name, value in parameters),
        f"LICENSE {_quoted(licence(source))}",
    ]
    return "\n".join(lines) + "\n"


def refuse_labels(source: Source) -> None:
    """Raises: InputError: Ollama cannot be told to choose among a few tokens only."""
    if source.spec.writing is None:
        raise InputError(
            f"'{source.manifest.name}' answers by the likeliest of {len(source.manifest.labels)} label tokens, and "
            "Ollama cannot restrict an answer to a set of tokens",
            "serve the bundle with `jangin serve`, or use --to vllm",
        )


def go_template(template: PromptTemplate) -> str:
    """In Go's template syntax. What is fixed stands in string constants, which no parser trims."""
    return f"{_constant(template.start + template.before)}{{{{ .Prompt }}}}{_constant(template.after)}"


def licence(source: Source) -> str:
    """The base's licence and, word for word, what it obliges to."""
    return "\n\n".join(part for part in (source.base.license, source.base.notice) if part)


def _constant(text: str) -> str:
    # JSON's escapes are Go's, as long as other characters stay as they are.
    return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}" if text else ""


def _quoted(text: str) -> str:
    if '"""' in text:
        raise InputError('a Modelfile cannot hold a text with three double quotes (""") in it', "use --to gguf")
    return f'"""{text}"""'
