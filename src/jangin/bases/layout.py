"""A repository in the Hugging Face layout, described in the words of the catalogue."""

from __future__ import annotations

import re
from typing import Any, Literal

from jangin.bases import catalogue
from jangin.errors import BaseModelError
from jangin.types import BaseFile, BaseModel

ENCODERS = {
    "bert": "BERT",
    "distilbert": "DistilBERT",
    "electra": "ELECTRA",
    "roberta": "RoBERTa",
    "xlm-roberta": "XLM-RoBERTa",
}
DECODERS = {
    "gemma": "Gemma",
    "gemma2": "Gemma2",
    "gemma3_text": "Gemma3",
    "llama": "Llama",
    "mistral": "Mistral",
    "qwen2": "Qwen2",
    "qwen3": "Qwen3",
}

_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
_NEEDED = ("tokenizer.json", "config.json")
_OPTIONAL = ("model.safetensors.index.json", "tokenizer_config.json", "generation_config.json")

_DISTILBERT_NAMES = {
    "hidden_size": "dim",
    "intermediate_size": "hidden_dim",
    "num_attention_heads": "n_heads",
    "num_hidden_layers": "n_layers",
    "hidden_act": "activation",
}

# These number their positions from pad_token_id + 1 on, so two of the positions never hold text.
_OFFSET_POSITIONS = {"roberta", "xlm-roberta"}

_SPDX = {
    "afl-3.0": "AFL-3.0",
    "apache-2.0": "Apache-2.0",
    "bsd-3-clause": "BSD-3-Clause",
    "cc-by-4.0": "CC-BY-4.0",
    "cc-by-nc-4.0": "CC-BY-NC-4.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0",
    "cc0-1.0": "CC0-1.0",
    "gemma": "LicenseRef-Gemma",
    "llama3.1": "LicenseRef-Llama-3.1-Community",
    "llama3.2": "LicenseRef-Llama-3.2-Community",
    "mit": "MIT",
}


def describe(
    name: str,
    config: dict[str, Any],
    pooling: dict[str, Any],
    params: int,
    files: list[BaseFile],
    licence: str | None = None,
    languages: list[str] | None = None,
) -> BaseModel:
    """The BaseModel of a folder or repository.

    Args:
        config, pooling: its config.json, and the pooling file of a sentence encoder ({} where there is none).
        licence, languages: as its model card tags them; None where nobody said.
    Raises: BaseModelError for an architecture that Jangin does not know or a configuration without a needed fact.
    """
    family, architecture = _family(config, name)
    found = _facts(config, pooling, name)
    license_id = _spdx(licence)
    return BaseModel(
        id=name,
        architecture=architecture,
        family=family,
        params=params,
        license=license_id,
        languages=languages or ["und"],
        context=found["max_position"],
        files=files,
        dimensions=found["hidden_size"] if family == "encoder" else None,
        notice=next((base.notice for base in catalogue.all() if base.license == license_id), None),
        config=found,
    )


def weight_files(names: list[str], base: str) -> list[str]:
    """The safetensors files among sorted `names`. Raises: BaseModelError if a needed file is missing."""
    weights = ["model.safetensors"] if "model.safetensors" in names else [n for n in names if _SHARD.fullmatch(n)]
    missing = [] if weights else ["model.safetensors"]
    missing += [name for name in _NEEDED if name not in names]
    if missing:
        raise BaseModelError(
            f"'{base}' holds no {' and no '.join(missing)}",
            "Jangin reads weights as safetensors and tokenizers as tokenizer.json, never pickles or remote code",
        )
    return weights


def small_files(names: list[str]) -> list[str]:
    """The files besides the weights that a base consists of."""
    return [name for name in (*_NEEDED, *_OPTIONAL) if name in names]


def _family(config: dict[str, Any], base: str) -> tuple[Literal["encoder", "decoder"], str]:
    kind = config.get("model_type", "")
    if kind in ENCODERS:
        return "encoder", ENCODERS[kind]
    if kind in DECODERS:
        return "decoder", DECODERS[kind]
    raise BaseModelError(
        f"'{base}' is of architecture '{kind}', which Jangin does not run",
        f"encoders: {', '.join(ENCODERS)}; decoders: {', '.join(DECODERS)}",
    )


def _facts(config: dict[str, Any], pooling: dict[str, Any], base: str) -> dict[str, Any]:
    if config["model_type"] == "distilbert":
        config = {**config, **{ours: config[theirs] for ours, theirs in _DISTILBERT_NAMES.items() if theirs in config}}
    try:
        found = _common_facts(config)
    except KeyError as error:
        raise BaseModelError(
            f"the config.json of '{base}' has no {error}", "take it from where it came from"
        ) from error
    if config["model_type"] in DECODERS:
        found["kv_heads"] = config.get("num_key_value_heads", found["heads"])
        found["head_dim"] = config.get("head_dim") or found["hidden_size"] // found["heads"]
        return found
    found["layer_norm_eps"] = config.get("layer_norm_eps", 1e-12)
    found["activation"] = config.get("hidden_act", "gelu")
    found["pooling"] = "cls" if pooling.get("pooling_mode_cls_token") else "mean"
    found["normalise"] = True
    return found


def _common_facts(config: dict[str, Any]) -> dict[str, Any]:
    kind = config["model_type"]
    return {
        "model_type": kind,
        "hidden_size": config["hidden_size"],
        "layers": config["num_hidden_layers"],
        "heads": config["num_attention_heads"],
        "intermediate_size": config["intermediate_size"],
        "max_position": config["max_position_embeddings"] - (2 if kind in _OFFSET_POSITIONS else 0),
        "vocab_size": config["vocab_size"],
    }


def _spdx(licence: str | None) -> str:
    if not licence:
        return "NOASSERTION"
    return _SPDX.get(licence.lower(), f"LicenseRef-{licence}")
