"""The export `vllm`: the PEFT folder with the line that serves it and the request that asks it.

Source: vLLM's documentation of LoRA adapters, engine arguments and structured outputs (read November 2026).
"""

from __future__ import annotations

import json
import shlex
from typing import Any

from jangin.errors import InputError
from jangin.export.prompt_file import prompt_of, schema_of
from jangin.export.source import Source
from jangin.models.specialist import CONTEXT

LAUNCH, REQUEST = "launch.sh", "request.json"
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # what --max-lora-rank takes
MOST_LOGPROBS = 20  # what a server gives unless it was started with more


def launch(source: Source) -> str:
    """A shell script: vLLM serves the base with this folder as its adapter. Raises: InputError for too high a rank."""
    rank = next((size for size in RANKS if size >= source.adapter.rank), None)
    if rank is None:
        raise InputError(
            f"the adapter's rank is {source.adapter.rank}; vLLM takes up to {RANKS[-1]}", "use --to gguf --merged"
        )
    context = source.spec.writing.context if source.spec.writing else CONTEXT
    # The base's own generation_config.json would set penalties that the bundle was not judged with.
    return f"""#!/bin/sh
# {source.name}: needs vLLM and, from the hub, {source.original}
here=$(cd "$(dirname "$0")" && pwd)
exec vllm serve {shlex.quote(source.original)} --enable-lora \\
  --lora-modules {shlex.quote(source.name)}="$here" --max-lora-rank {rank} \\
  --max-model-len {context} --generation-config vllm "$@"
"""


def request(source: Source) -> str:
    """The body of a POST to /v1/completions, with {input} where the input goes. Chat would add the base's template."""
    told = prompt_of(source)
    body: dict[str, Any] = {
        "model": source.name,
        "prompt": told["prompt"],
        "max_tokens": told["max_tokens"],
        "temperature": 0,
    }
    if told["stop"]:
        body["stop"] = told["stop"]
    if (schema := schema_of(source)) is not None:
        body["structured_outputs"] = {"json": schema}
    if source.spec.writing is None:
        offset = source.spec.offset_token
        allowed = source.spec.label_tokens + ([] if offset is None else [offset])
        body["allowed_token_ids"] = allowed
        body["logprobs"] = min(len(allowed), MOST_LOGPROBS)
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"
