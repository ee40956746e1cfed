"""Messages to specialists, or to none: relative Mahalanobis distance to the centroids of each one's training inputs.

The distance of a message to a specialist is that to its nearest centroid, in the metric of the scatter that all share;
from it the distance to everything that the fleet knows, taken as one Gaussian, is subtracted, so that a message that is
odd in a way that says nothing of the task is not held against it. Source: Ren et al. (2021), "A Simple Fix to
Mahalanobis Distance for Improving Near-OOD Detection", arXiv 2106.09022.

A message is out of scope when it lies farther from the nearest specialist than all but a stated share of held-out
inputs lie from theirs. Fitting is linear algebra of some hundred dimensions: well under a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from jangin.errors import ShapeError
from jangin.models.base import Floats
from jangin.routing.profile import SHRINKAGE, Profile

REFUSED = 0.02  # share of a specialist's own inputs that may be called out of scope


class Route(NamedTuple):
    """name: of the specialist, None when out of scope. nearest: which one it would be. margin: how much nearer than the
    limit the message lies, in squared distance; below 0 out of scope."""

    name: str | None
    nearest: str
    margin: float


class Router:
    """Fitted on the profiles of a fleet over one encoder. Immutable: a change of the fleet makes another."""

    def __init__(self, profiles: Mapping[str, Profile], refused: float = REFUSED):
        """Raises: ShapeError without profiles, or with profiles of two encoders."""
        found = list(profiles.values())
        if not found or len({(each.encoder, each.centroids.shape[1]) for each in found}) != 1:
            raise ShapeError(f"{len(found)} profiles; expected one or more, all of one encoder")
        self.names = list(profiles)
        self.encoder = found[0].encoder
        owner = np.repeat(np.arange(len(found)), [len(each.centroids) for each in found])
        centroids = np.concatenate([each.centroids for each in found]).astype(np.float64)
        weights = np.concatenate([each.counts / each.counts.sum() for each in found]) / len(found)
        within = np.mean([each.scatter / max(each.counts.sum(), 1.0) for each in found], axis=0, dtype=np.float64)
        mean = weights @ centroids
        apart = centroids - mean
        self._mean = mean
        self._near = _whitening(within)
        self._all = _whitening(within + (apart * weights[:, None]).T @ apart)
        self._centroids = (centroids @ self._near).astype(np.float32)
        self._sizes = (self._centroids**2).sum(1)
        self._starts = np.searchsorted(owner, np.arange(len(found)))
        self._near, self._all = self._near.astype(np.float32), self._all.astype(np.float32)
        self._limits = self._limits_of(found, refused)

    def route(self, embeddings: Floats) -> list[Route]:
        """Args: embeddings: (n, d). Raises: ShapeError."""
        if embeddings.ndim != 2 or embeddings.shape[1] != len(self._near):
            raise ShapeError(f"embeddings {embeddings.shape}; expected (n, {len(self._near)})")
        distances = self._distances(embeddings)
        nearest = distances.argmin(1)
        margins = self._limits[nearest] - distances[np.arange(len(nearest)), nearest]
        return [
            Route(self.names[at] if margin >= 0 else None, self.names[at], float(margin))
            for at, margin in zip(nearest.tolist(), margins.tolist())
        ]

    def _distances(self, embeddings: Floats) -> Floats:
        """(n, specialists): relative squared distance to the nearest centroid of each."""
        given = np.asarray(embeddings, np.float32)
        white = given @ self._near
        squared = (white**2).sum(1)[:, None] - 2 * white @ self._centroids.T + self._sizes
        nearest = np.minimum.reduceat(squared, self._starts, axis=1)
        background = (((given - self._mean.astype(np.float32)) @ self._all) ** 2).sum(1)
        return nearest - background[:, None]

    def _limits_of(self, profiles: list[Profile], refused: float) -> Floats:
        """The distance at which each specialist's scope ends: halfway between its own quantile, which follows what it
        is sent, and that of all together, which a few hundred held-out inputs know better."""
        own = [self._distances(each.held_out)[:, at] for at, each in enumerate(profiles)]
        every = np.concatenate(own)
        if not len(every):
            return np.full(len(profiles), np.inf)
        pooled = np.quantile(every, 1 - refused)
        return np.array([(np.quantile(each, 1 - refused) + pooled) / 2 if len(each) else pooled for each in own])


def _whitening(covariance: Any) -> Any:
    """W with W Wᵀ the inverse of the covariance, shrunk towards its mean variance (Ledoit and Wolf 2004)."""
    d = len(covariance)
    level = max(float(np.trace(covariance)) / d, 1e-12)
    return np.asarray(np.linalg.cholesky(np.linalg.inv((1 - SHRINKAGE) * covariance + SHRINKAGE * level * np.eye(d))))
