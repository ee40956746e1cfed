"""The catalogue: which bases exist under a short id, read from catalogue.yaml."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib.resources import files

import msgspec

from jangin.errors import UnknownBaseError
from jangin.types import BaseModel


@cache
def _bases() -> dict[str, BaseModel]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    raw = yaml.load(files(__package__).joinpath("catalogue.yaml").read_text("utf-8"), loader)
    bases = msgspec.convert(raw["bases"], list[BaseModel])
    return {base.id: base for base in bases}


def all() -> list[BaseModel]:
    """Every base of the catalogue, in its order: encoders first, then decoders, by size."""
    return list(_bases().values())


def get(base_id: str) -> BaseModel:
    """The base of that id.

    Raises: UnknownBaseError that names the ids nearest to it.
    """
    bases = _bases()
    if base_id in bases:
        return bases[base_id]
    near = get_close_matches(base_id.lower(), bases, n=3, cutoff=0.5)
    near += [name for name in bases if base_id.lower() in name and name not in near]
    if near:
        hint = "did you mean " + " or ".join(f"'{name}'" for name in near[:3]) + "?"
    else:
        hint = "one of " + ", ".join(bases) + "; or a local folder, or a hub id such as 'owner/name'"
    raise UnknownBaseError(f"base '{base_id}' is not in the catalogue", hint)
