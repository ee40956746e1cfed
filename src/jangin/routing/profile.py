"""What a router must know of one specialist: where its training inputs lie in an encoder's space. No text is kept.

A profile is some centroids, the scatter around them, and the embeddings of a few held-out inputs that say how far from
the centroids an input of this specialist may lie. All of it is statistics of embeddings: it may tell what a task is
about, so it is treated like the head of a specialist, not like public data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from jangin.errors import BundleError, ShapeError
from jangin.models.base import Floats
from jangin.routing.heads import ABOUT, Head

CENTROIDS = 32
MOST_INPUTS = 2_000
MOST_HELD_OUT = 256
SHRINKAGE = 0.1
AGAIN = "make it again: jangin route SPECIALIST"


class Profile(msgspec.Struct, frozen=True, eq=False):
    """centroids: (k, d); counts: (k,), inputs near each; scatter: (d, d), the sum of squares around the centroids;
    held_out: (m, d). encoder: sha256 of the graph that gave the embeddings."""

    encoder: str
    centroids: Floats
    counts: Floats
    scatter: Floats
    held_out: Floats


def fit_profile(encoder: str, embeddings: Floats, held_out: Floats, seed: int) -> Profile:
    """Args: embeddings, held_out: of training inputs, (n, d) and (m, d), no input in both. Raises: ShapeError."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    if embeddings.ndim != 2 or not len(embeddings) or held_out.shape[1:] != embeddings.shape[1:]:
        raise ShapeError(f"embeddings {embeddings.shape} and held out {held_out.shape}; expected (n, d) and (m, d)")
    given = np.asarray(embeddings[:MOST_INPUTS], np.float64)
    k = max(1, min(CENTROIDS, len(given) // 4))
    with threadpool_limits(1):  # the last digits must not depend on how many cores add them up
        found = KMeans(k, n_init=1, random_state=seed).fit(given)
    around = given - found.cluster_centers_[found.labels_]
    return Profile(
        encoder=encoder,
        centroids=found.cluster_centers_.astype(np.float32),
        counts=np.bincount(found.labels_, minlength=k).astype(np.float32),
        scatter=(around.T @ around).astype(np.float32),
        held_out=np.asarray(held_out[:MOST_HELD_OUT], np.float32),
    )


def write_profile(path: Path, profile: Profile, base: str = "", specialist: str = "") -> None:
    """As safetensors. The scatter is symmetric, so half of it is kept, in half precision.

    Args: base: the encoder's name. specialist: the hash of the bundle beside which it lies.
    Raises: StorageError.
    """
    from safetensors.numpy import save

    from jangin.files import write_atomic

    upper = profile.scatter[np.triu_indices(len(profile.scatter))]
    scale = float(np.abs(upper).max()) or 1.0
    tensors: dict[str, np.ndarray] = {
        "centroids": profile.centroids.astype(np.float16),
        "counts": profile.counts,
        "scatter": (upper / scale).astype(np.float16),
        "scale": np.array([scale], np.float32),
        "held_out": profile.held_out.astype(np.float16),
    }
    head = Head(base, profile.encoder, specialist, _digest(tensors))
    write_atomic(path, save(tensors, {ABOUT: msgspec.json.encode(head).decode()}))


def _digest(tensors: Mapping[str, np.ndarray]) -> str:
    """A damaged number would send messages astray without a word: safetensors checks no contents."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].shape}".encode() + tensors[name].tobytes())
    return digest.hexdigest()


def read_profile(path: Path) -> Profile:
    """Raises: BundleError for a file that is no profile, or not as it was written."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            head = msgspec.json.decode((file.metadata() or {})[ABOUT], type=Head)
            raw = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        found = {name: tensor.astype(np.float32) for name, tensor in raw.items()}
        centroids, half = found["centroids"], found["scatter"] * found["scale"]
        scatter = np.zeros((centroids.shape[1],) * 2, np.float32)
        scatter[np.triu_indices(len(scatter))] = half
        scatter += np.triu(scatter, 1).T
        profile = Profile(head.encoder, centroids, found["counts"], scatter, found["held_out"])
        right = found["counts"].shape == centroids.shape[:1] and profile.held_out.shape[1:] == centroids.shape[1:]
    except (OSError, SafetensorError, KeyError, ValueError, IndexError, msgspec.DecodeError) as error:
        raise BundleError(f"{path}: not a routing profile ({error})", AGAIN) from error
    if not right or not all(np.isfinite(array).all() for array in found.values()):
        raise BundleError(f"{path}: the routing profile's parts do not fit", AGAIN)
    if _digest(raw) != head.sha256:
        raise BundleError(f"{path}: the routing profile was changed after it was written", AGAIN)
    return profile
