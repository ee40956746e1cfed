"""llama.cpp's server loop in this process, through the wheel `xllamacpp`: opening it, and its refusals as ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jangin.errors import BaseModelError, EngineError, MissingExtraError, RequestError
from jangin.models import host


def open_server(
    weights: Path, adapters: Mapping[str, Path], context: int, parallel: int, threads: int, key: str
) -> Any:
    try:
        with host.short_waits():
            import xllamacpp
    except ImportError as error:
        raise MissingExtraError("a decoder", "decoder") from error
    settings = xllamacpp.CommonParams()
    settings.model.path = str(weights)
    settings.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(path), 1.0) for path in adapters.values()]
    settings.n_ctx, settings.n_parallel = context * parallel, parallel
    settings.kv_unified = settings.fit_params = False  # each place has its own `context`, whatever the machine holds
    settings.cache_ram_mib = 0
    # It sums a row in another order when more rows are read at once: a token would depend on how much of its prompt
    # was in the cache, and more on what is read beside it (decision 0014).
    settings.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
    settings.warmup = settings.ui = False
    settings.verbosity = -1
    # The library also listens on a loopback port of its own choosing; nobody but this object knows the key.
    settings.api_keys = [key]
    try:
        return xllamacpp.Server(settings)
    except RuntimeError as error:
        if not adapters:
            raise BaseModelError(
                f"{weights}: not a GGUF that llama.cpp can run", "jangin pull the base again"
            ) from error
        names = ", ".join(adapters)
        raise BaseModelError(
            f"{weights}: llama.cpp cannot load it with the adapters {names}",
            "check that each was trained on this base, and pull the base again",
        ) from error


def raise_refusal(answer: dict[str, Any]) -> None:
    """The engine's refusal as one of ours; its own words may hold the prompt, so they are not repeated."""
    error = answer.get("error")
    if error is None:
        return
    if error.get("type") == "exceed_context_size_error":
        raise too_long(error["n_prompt_tokens"], error["n_ctx"])
    if "grammar" in error.get("message", ""):
        raise RequestError("the grammar cannot be read; GBNF was expected", param="grammar", code="invalid_grammar")
    if error.get("type") == "invalid_request_error":
        raise RequestError("the decoder refused this request", param=None)
    raise EngineError(f"the decoder gave no answer: {error.get('type', 'unknown error')}", "try again")


def too_long(tokens: int, context: int) -> RequestError:
    message = f"the prompt is {tokens} tokens; this decoder's context holds {context}"
    return RequestError(message, param="prompt", code="context_length_exceeded")
