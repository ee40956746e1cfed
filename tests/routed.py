"""Small real specialists with routing profiles: an encoder of two random layers in a store, and a topic for each."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

import tiny_base
from bundles import ngram_bundle
from jangin import bundle
from jangin.bases.store import Store
from jangin.files import hash_file, write_atomic
from jangin.models import linear
from jangin.models.base import Rule
from jangin.models.encoder import Encoder, EncoderFiles, base_files
from jangin.routing.heads import file_name
from jangin.routing.profile import fit_profile, write_profile
from jangin.types import BaseModel
from small_tasks import FIRST, SECOND, WAYS

BASE = "tests/tiny-bert"
TOPICS = {"cards": "card_lost", "refunds": "refund", "hours": "opening_hours"}
NONSENSE = "gold gold north joint joint travel travel monday noon"


def encoder_base(home: Path, name: str = BASE, seed: int = 0) -> EncoderFiles:
    """Puts the encoder into the store at JANGIN_HOME, as one that was looked up on the hub and pulled before."""
    store = Store(home)
    made: BaseModel = tiny_base.add(home / f"made-{seed}", seed)
    files = []
    for each in made.files:
        source = home / f"made-{seed}" / each.name
        sha256, content = hash_file(source), source.read_bytes()
        store.blob(sha256).parent.mkdir(parents=True, exist_ok=True)
        store.blob(sha256).write_bytes(content)
        files.append(msgspec.structs.replace(each, sha256=sha256, bytes=len(content), sources=[]))
    record = store.ref(name, "resolved")
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_bytes(msgspec.json.encode(msgspec.structs.replace(made, id=name, files=files)))
    return base_files(name)


def messages(topic: str, count: int, seed: int) -> list[str]:
    """What customers write about a topic."""
    rng, ways = np.random.default_rng(seed), WAYS[TOPICS[topic]]
    return [ways[rng.integers(len(ways))].format(a=rng.choice(FIRST), b=rng.choice(SECOND)) for _ in range(count)]


def profiled(folder: Path, topic: str, files: EncoderFiles, base: str = BASE) -> Path:
    """Adds the profile of a topic to a bundle."""
    texts = sorted(set(messages(topic, 400, 1)))
    np.random.default_rng(0).shuffle(texts)
    read = Encoder(files, threads=1).embed(texts)
    fifth = len(texts) // 5
    profile = fit_profile(files.sha256, read[fifth:], read[:fifth], seed=0)
    specialist = bundle.identity(bundle.read_manifest(folder))
    write_profile(folder / file_name(base), profile, base, specialist)
    return folder


def with_ngrams(
    folder: Path, topic: str, files: EncoderFiles, *, name: str | None = None, kind: str = "classify"
) -> Path:
    return profiled(ngram_bundle(folder, name or topic, kind=kind), topic, files)


def with_encoder(folder: Path, topic: str, files: EncoderFiles, *, kind: str = "classify", seed: int = 3) -> Path:
    """A specialist on the store's encoder, whose labels name it; its head is random."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = [f"{topic}-{number}" for number in range(3)]
    weight = np.random.default_rng(seed).normal(0, 8, (2 * tiny_base.HIDDEN, 3)).astype(np.float32)
    none = np.zeros((0, 3), np.int8), np.zeros(0, np.float32)
    linear.save(folder / bundle.HEAD, linear.LinearHead([], *none, weight, np.zeros(3, np.float32)))
    manifest = bundle.Manifest(
        name=topic,
        kind=kind,  # type: ignore[arg-type]
        labels=labels,
        rung="tiny",
        params=20_000,
        rule=Rule(tag_thresholds=[0.5] * 3 if kind == "tag" else []),
        encoder=bundle.EncoderSpec(BASE, files.sha256),
        calibration={},
        task={"name": topic},
        lineage={"seed": seed},
        files={bundle.HEAD: hash_file(folder / bundle.HEAD)},
    )
    write_atomic(folder / bundle.MANIFEST, msgspec.json.encode(manifest))
    return profiled(folder, topic, files)
