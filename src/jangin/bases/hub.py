"""What the model hub says about a repository: its files, their hashes where it knows them, licence and languages."""

from __future__ import annotations

import json
import os
from typing import Any

from jangin.bases.download import Denied, Unavailable, read_text
from jangin.bases.layout import describe, small_files, weight_files
from jangin.errors import SourceError
from jangin.types import BaseFile, BaseModel, HubSource

POOLING = "1_Pooling/config.json"


def look_up(name: str) -> BaseModel:
    """The base that `owner/name` or `owner/name@revision` is now, pinned to the commit that it is now.

    The hub knows the sha256 of large files; small ones come without and are trusted on first use.
    Raises: SourceError if the hub does not answer; BaseModelError if Jangin cannot use the repository.
    """
    from huggingface_hub import constants, get_token, hf_hub_url

    if constants.HF_HUB_OFFLINE:
        raise SourceError(
            f"'{name}' was never looked up on the hub, and HF_HUB_OFFLINE is set", "unset it, or name a local folder"
        )
    repo, _, revision = name.partition("@")
    endpoint = os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
    token = get_token() or None
    info = _read(f"{endpoint}/api/models/{repo}/revision/{revision or 'main'}?blobs=true", name, token)
    try:
        commit = info["sha"]
        siblings = {sibling["rfilename"]: sibling for sibling in info["siblings"]}
    except (KeyError, TypeError) as error:
        raise SourceError(f"the hub's answer about '{name}' lacks {error}", "is HF_ENDPOINT a model hub?") from error

    def content(path: str) -> Any:
        return _read(hf_hub_url(repo, path, revision=commit, endpoint=endpoint), name, token)

    names = sorted(siblings)
    files = [_file(siblings[file], repo, commit) for file in [*weight_files(names, name), *small_files(names)]]
    config = content("config.json")
    pooling = content(POOLING) if POOLING in siblings else {}
    params = (info.get("safetensors") or {}).get("total") or _guess_params(files, config)
    card = info.get("cardData") or {}
    languages = card.get("language") or []
    languages = [languages] if isinstance(languages, str) else [str(language) for language in languages]
    return describe(name, config, pooling, params, files, card.get("license"), languages)


def _file(sibling: dict[str, Any], repo: str, commit: str) -> BaseFile:
    lfs = sibling.get("lfs") or {}
    source = HubSource(repo, sibling["rfilename"], commit)
    return BaseFile(sibling["rfilename"], lfs.get("sha256"), lfs.get("size") or sibling.get("size"), [source])


def _read(url: str, name: str, token: str | None) -> Any:
    try:
        return json.loads(read_text(url, "application/json", token)[0])
    except Denied as error:
        raise SourceError(
            f"the hub does not show '{name}': {error}",
            "check the spelling; if its licence must be accepted, do so on the hub and set HF_TOKEN",
        ) from error
    except (Unavailable, ValueError) as error:
        raise SourceError(
            f"the hub could not be asked about '{name}': {error}",
            "check the spelling and the network, or name a local folder that holds the base",
        ) from error


def _guess_params(files: list[BaseFile], config: dict[str, Any]) -> int:
    """From the size of the weights, for a repository whose number of parameters the hub has not counted."""
    half = config.get("torch_dtype", config.get("dtype")) in ("bfloat16", "float16")
    stored = sum(file.bytes or 0 for file in files if file.name.endswith(".safetensors"))
    return stored // (2 if half else 4)
