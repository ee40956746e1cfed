"""What a task tells the server of its specialist: the policy, and the words under which another model may be asked.

`terms.json` lies beside a bundle like its certificate and is no part of its identity: where a question may go, and for
how much, may change without another specialist.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from jangin.errors import BundleError
from jangin.files import write_atomic
from jangin.policy import Policy, read_policy

if TYPE_CHECKING:
    from jangin.task import Task

TERMS = "terms.json"


class Terms(msgspec.Struct, frozen=True):
    """policy: as the task file says it. instruction: what stands in front of an escalated question: the task's
    description, its labels or its schema."""

    policy: Policy = Policy()
    instruction: str = ""


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    policy: dict[str, Any]
    instruction: str = ""


def terms_of(task: Task, labels: Sequence[str] = (), schema: dict[str, Any] | None = None) -> Terms:
    """labels, schema: of the specialist, where the task file leaves them to the data."""
    from jangin.record.prompt import build

    whole = task if schema is None else msgspec.structs.replace(task, schema=schema)
    return Terms(task.policy, build(whole, labels, []).instruction)


def write_terms(folder: Path, terms: Terms) -> None:
    """Raises: StorageError."""
    document = {"policy": terms.policy.document(), "instruction": terms.instruction}
    write_atomic(folder / TERMS, msgspec.json.format(msgspec.json.encode(document)))


def read_terms(folder: Path) -> Terms:
    """Without the file: nothing may leave, nothing is promised. Raises: BundleError, TaskError for a broken one."""
    path = folder / TERMS
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Document)
    except FileNotFoundError:
        return Terms()
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        raise BundleError(f"{path}: not readable ({error})", "copy the bundle again, or train again") from error
    return Terms(read_policy(found.policy, str(path)), found.instruction)
