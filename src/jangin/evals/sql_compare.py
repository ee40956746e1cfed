"""Whether two query results hold the same values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

_RELATIVE, _ABSOLUTE = 1e-6, 1e-9
_LEFT_OVER = 1000  # rows that are paired one by one where sorting did not pair them

Rows = Sequence[Sequence[Any]]


def same_rows(ours: Rows, theirs: Rows, ordered: bool) -> bool:
    """Values by position, column names ignored; rows as a multiset unless `ordered`.

    Numbers are equal within one in a million, so that 1 is 1.0; NULL equals NULL; a text never equals a number.
    """
    if len(ours) != len(theirs):
        return False
    if ordered:
        return all(map(_same_row, ours, theirs))
    left, right = sorted(ours, key=_key), sorted(theirs, key=_key)
    if all(map(_same_row, left, right)):
        return True
    return _pair(left, right)


def _pair(left: list[Sequence[Any]], right: list[Sequence[Any]]) -> bool:
    """Sorting separates rows whose first cells differ by less than the tolerance; these few are searched for."""
    apart = [(a, b) for a, b in zip(left, right, strict=True) if not _same_row(a, b)]
    if len(apart) > _LEFT_OVER:
        return False
    free = [b for _, b in apart]
    for a, _ in apart:
        found = next((i for i, b in enumerate(free) if _same_row(a, b)), None)
        if found is None:
            return False
        del free[found]
    return True


def _same_row(ours: Sequence[Any], theirs: Sequence[Any]) -> bool:
    return len(ours) == len(theirs) and all(map(_same_cell, ours, theirs))


def _same_cell(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, int | float) and isinstance(theirs, int | float):
        return ours == theirs or math.isclose(ours, theirs, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    return bool(ours == theirs)


def _key(row: Sequence[Any]) -> list[tuple[int, Any]]:
    return [(0, 0) if cell is None else (1, cell) if isinstance(cell, int | float) else (2, str(cell)) for cell in row]
