"""What the climb left beside a specialist: record.json, and the task that it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from jangin.errors import BundleError
from jangin.task import Task, load_task

RECORD = "record.json"


def read_record(folder: Path) -> dict[str, Any]:
    """The climb's record; empty when the bundle has none. Raises: BundleError."""
    path = Path(folder) / RECORD
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise BundleError(f"{path}: cannot be read: {error}", "copy the bundle again, or train again") from error


def task_of(folder: Path, task_path: Path | str | None) -> Task:
    """The task given, or the one that the record names. Raises: BundleError, TaskError."""
    if task_path is None:
        task_path = read_record(folder).get("task_path")
    if not task_path:
        raise BundleError(f"{folder}: {RECORD} names no task", "name it: jangin certify SPECIALIST --task TASK")
    return load_task(task_path)
