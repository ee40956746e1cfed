"""What was promised of a specialist's local answers, and whether it still holds.

The threshold was drawn when the specialist was packed, or settled again since (`trust.json`); what somebody says of the
answers that were drawn for it (`/v1/feedback`) feeds a watch, whose alarm makes the promise stale.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from jangin.errors import BundleError, StorageError
from jangin.files import storage_error, write_atomic
from jangin.policy import Policy
from jangin.routing.eprocess import Watch

TRUST = "trust.json"
_DRAWS = 1 << 64


class _Threshold(msgspec.Struct):
    threshold: float | None
    target: float
    delta: float
    coverage: float
    message: str


class _Trust(msgspec.Struct):
    """The part of trust.json that a server needs; `routing/trust.py` writes the file."""

    specialist: str
    threshold: _Threshold


class _Audited(msgspec.Struct):
    """The watch and the requests whose answers it has taken in: none counts twice."""

    watch: Watch
    requests: list[str] = []


class Promise:
    """Of the answers given here at least `target` are right, with `confidence`, as long as it is not stale.

    threshold: None where none could be shown to keep it; then every answer is unsure.
    """

    def __init__(self, policy: Policy, found: _Threshold | None, place: Path | None, secret: bytes):
        assert policy.target is not None
        self.target, self.confidence = policy.target, policy.confidence
        self.threshold = None if found is None else found.threshold
        self.message = "no threshold was drawn for this specialist" if found is None else found.message
        self.unsure = policy.unsure
        self._share = policy.audit
        self._place, self._secret = place, secret
        self._audited = _read_audited(place, self.target, self.confidence)
        self._taking = threading.Lock()

    @property
    def stale(self) -> bool:
        return self._audited.watch.stale

    @property
    def audited(self) -> Watch:
        return self._audited.watch

    def local(self, confidence: float | None) -> bool:
        """May an answer of this confidence be given here?"""
        return self.threshold is not None and confidence is not None and confidence >= self.threshold

    def drawn(self, request_id: str, at: int) -> bool:
        """Whether somebody is to say if the answer to this request was right. Nobody outside can foresee it.

        at: of its row, UTC in microseconds. A client names its requests, and could give all of them the name of one
        that was not drawn.
        """
        if not self._share:
            return False
        digest = hashlib.blake2b(f"{at} {request_id}".encode(), digest_size=8, key=self._secret).digest()
        return int.from_bytes(digest, "big") < self._share * _DRAWS

    def take(self, request_id: str, right: bool) -> bool:
        """What somebody said of a drawn answer; False: it had been counted before. Blocks. Raises: StorageError.

        Safe to call from several threads and, where it is kept in a file, processes: each word counts, and counts once.
        """
        with self._taking, self._alone():
            known = self._audited
            if self._place is not None and self._place.exists():
                known = _read_audited(self._place, self.target, self.confidence)  # another process may have added
            changed = msgspec.json.decode(msgspec.json.encode(known), type=_Audited)
            new = request_id not in changed.requests
            if new:
                changed.watch.audit([right])
                changed.requests.append(request_id)
                if self._place is not None:
                    write_atomic(self._place, msgspec.json.encode(changed))
            self._audited = changed
            return new

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """The only process that changes the file."""
        if self._place is None:
            yield
            return
        from filelock import FileLock, Timeout

        lock = self._place.with_name(f"{self._place.name}.lock")
        try:
            lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with FileLock(lock, timeout=10, mode=0o600):
                yield
        except Timeout:
            raise StorageError(f"{lock}: another process keeps it", "send it again in a moment") from None
        except OSError as error:
            raise storage_error(lock, error) from error

    def evidence(self) -> dict[str, Any]:
        found: dict[str, Any] = {"target": self.target, "confidence": self.confidence, "threshold": self.threshold}
        return {**found, "stale": True} if self.stale else found

    def about(self) -> dict[str, Any]:
        """For /v1/models."""
        watch = self._audited.watch
        state = {"message": self.message, "stale": self.stale, "audited": watch.audited, "wrong": watch.wrong}
        return {"target": self.target, "confidence": self.confidence, "threshold": self.threshold, **state}


def read_promise(folder: Path, specialist: str, policy: Policy, watches: Path | None, secret: bytes) -> Promise | None:
    """None where the task asks for none.

    Args: specialist: its hash. watches: the folder of this server's watches; None: they are not kept.
    Raises: BundleError for a threshold that cannot be read, or was drawn for another promise than the policy's.
    """
    if policy.target is None:
        return None
    place = None if watches is None else watches / f"{specialist[:32]}.json"
    path = folder / TRUST
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Trust)
    except FileNotFoundError:
        return Promise(policy, None, place, secret)
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        raise BundleError(f"{path}: not readable ({error})", "settle it again, or remove it") from error
    if found.specialist != specialist:
        return Promise(policy, None, place, secret)
    drawn = found.threshold
    if abs(drawn.target - policy.target) > 1e-9 or abs(1 - drawn.delta - policy.confidence) > 1e-9:
        raise BundleError(
            f"{path}: its threshold keeps {drawn.target:g} with confidence {1 - drawn.delta:g}; the policy promises "
            f"{policy.target:g} with {policy.confidence:g}",
            f"jangin settle {folder} --target {policy.target:g} --confidence {policy.confidence:g}",
        )
    return Promise(policy, drawn, place, secret)


def _read_audited(place: Path | None, target: float, confidence: float) -> _Audited:
    """Raises: StorageError for a file that is broken: what was said must not be forgotten in silence."""
    fresh = _Audited(Watch(target, round(1 - confidence, 12)))
    if place is None:
        return fresh
    try:
        found = msgspec.json.decode(place.read_bytes(), type=_Audited)
    except FileNotFoundError:
        return fresh
    except (OSError, msgspec.DecodeError, ValueError) as error:
        raise StorageError(f"{place}: not readable ({error})", "remove it to begin the watch anew") from error
    same = found.watch.target == fresh.watch.target and found.watch.delta == fresh.watch.delta
    return found if same else fresh
