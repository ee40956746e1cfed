"""The register of looks: what is about to be claimed on a sealed test is written down before the test is opened.

A look stands in two places, `.jangin/register.json` beside the task and `registers/<hash of the test's rows>.json` in
JANGIN_HOME, and the larger count holds. It is a seal, not a lock: who deletes both files has broken it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from jangin.bases.store import default_home
from jangin.errors import CertificateError, StorageError
from jangin.files import hash_json, write_atomic


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """All that a look tests. reference: {id, kind, score, n, sha256} or None; without any bar it is an estimate."""

    specialist: str
    metric: str
    reference: dict[str, Any] | None
    margin: float
    at_least: float | None
    confidence: float

    @property
    def hash(self) -> str:
        return hash_json(msgspec.to_builtins(self))


class Look(msgspec.Struct, frozen=True):
    """The k-th claim on one test. `outcome` is None until the verdict is known: a crash leaves the look spent, and the
    same claim takes the same look up again."""

    k: int
    claim: Claim
    date: str
    outcome: dict[str, Any] | None = None


class _Book(msgspec.Struct):
    """Test hash -> its looks."""

    looks: dict[str, list[Look]] = {}


class Register:
    """The looks at one test. `test`: hash of its rows; `folder`: the task's."""

    def __init__(self, folder: Path, test: str, home: Path | None = None):
        self.test = test
        self.home = home or default_home()
        self.paths = [Path(folder) / ".jangin" / "register.json", self.home / "registers" / f"{test}.json"]

    def looks(self) -> list[Look]:
        """All looks so far, first to last; of two numbers for one claim the larger."""
        found: dict[str, Look] = {}
        for path in self.paths:
            for look in _read(path).looks.get(self.test, []):
                other = found.get(look.claim.hash)
                if other is None or (look.k, look.outcome is not None) > (other.k, other.outcome is not None):
                    found[look.claim.hash] = look
        return sorted(found.values(), key=lambda look: look.k)

    def open(self, claim: Claim, date: str) -> Look:
        """Registers the claim and gives its look back; a claim that stands there already keeps its number.

        Raises: StorageError when it can be written nowhere: the test stays sealed then. CertificateError.
        """
        with self._locked():
            looks = self.looks()
            for look in looks:
                if look.claim == claim:
                    return look
            look = Look(max([len(looks), *(look.k for look in looks)]) + 1, claim, date)
            self._write([*looks, look])
            return look

    def copies(self, claim: Claim) -> int:
        """In how many of its two places the claim stands."""
        return sum(any(look.claim == claim for look in _read(path).looks.get(self.test, [])) for path in self.paths)

    def close(self, look: Look, outcome: dict[str, Any]) -> None:
        """Stores the verdict of a look, so that repeating the claim replays it."""
        with self._locked():
            done = msgspec.structs.replace(look, outcome=outcome)
            self._write([done if each.claim == look.claim else each for each in self.looks()])

    def _write(self, looks: list[Look]) -> None:
        """One copy is enough: a task may lie on a read-only disk. Raises: StorageError when there would be none."""
        kept, last = 0, None
        for path in self.paths:
            book = _read(path)
            book.looks[self.test] = looks
            try:
                write_atomic(path, msgspec.json.format(msgspec.json.encode(book)) + b"\n")
                kept += 1
            except StorageError as error:
                last = error
        if last is not None and not kept:
            raise StorageError(
                f"the look cannot be registered, so the test stays sealed: {last.message}", last.hint
            ) from last

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time; the system drops the lock of a process that dies."""
        import filelock

        path = self.home / "locks" / f"register-{self.test[:16]}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(path)
            lock.acquire()
        except OSError:  # a read-only home: the copy beside the task is still written whole
            yield
            return
        try:
            yield
        finally:
            lock.release()


def _read(path: Path) -> _Book:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Book)
    except (FileNotFoundError, NotADirectoryError):
        return _Book()
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror})", "check its permissions") from error
    except msgspec.DecodeError as error:
        raise CertificateError(
            f"{path}: not a register of looks: {error}", "restore it from a backup; deleting it forgets looks"
        ) from error
