"""The engine's side of routing: a router over the specialists of the whole server, asked from one encoder's output."""

from __future__ import annotations

from pathlib import Path

from jangin.errors import BaseModelError, BundleError
from jangin.models.base import Floats
from jangin.models.encoder import base_files
from jangin.models.specialist import Readers
from jangin.routing.profile import Profile, read_profile
from jangin.routing.router import Router
from jangin.serve.frames import Fit, Fitted


class Director:
    """`reading`: as a `Specialist` has it; texts that both read take one forward pass."""

    def __init__(self, order: Fit, readers: Readers, profiles: dict[int, Profile]):
        files = base_files(order.base)
        if files.sha256 != order.encoder:
            raise BaseModelError(
                f"the routing profiles were made on {order.base}@{order.encoder[:6]}; this machine holds "
                f"{order.base}@{files.sha256[:6]}",
                f"jangin pull {order.base}, or make them again: jangin route SPECIALIST",
            )
        self.reading = files.sha256
        self._encoder = readers.get(files)
        self._router = Router({str(handle): profile for handle, profile in profiles.items()})

    def encode(self, texts: list[str]) -> Floats:
        return self._encoder.embed(texts)

    def direct(self, encoded: Floats) -> tuple[list[int], list[float]]:
        """(handle of the nearest specialist, margin) of each row."""
        found = self._router.route(encoded)
        return [int(each.nearest) for each in found], [each.margin for each in found]


def fit(order: Fit, readers: Readers) -> tuple[Director | None, Fitted]:
    """Raises: BaseModelError."""
    profiles: dict[int, Profile] = {}
    broken: dict[int, str] = {}
    for handle, path in order.profiles:
        try:
            profiles[handle] = _profile(path, order.encoder)
        except BundleError as error:
            broken[handle] = error.message
    director = None if broken else Director(order, readers, profiles)
    return director, Fitted(order.id, broken)


def _profile(path: str, encoder: str) -> Profile:
    found = read_profile(Path(path))
    if found.encoder != encoder:
        raise BundleError(f"{path}: made on another encoder", "make it again: jangin route SPECIALIST")
    return found
