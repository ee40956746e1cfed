"""What `check` says: findings with a code, a severity and a mend, and the report that gathers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

Severity = Literal["error", "warning"]
SHOWN = 5  # how many rows a finding names


class Finding(msgspec.Struct, frozen=True):
    """One thing to know. An error means that training would fail or be dishonest.

    `rows` are ids (for rows that could not be read: 'train.jsonl, row 7'), the first few of `count`.
    """

    code: str
    severity: Severity
    message: str
    hint: str
    count: int = 1
    rows: list[str] = []


class Leaks(msgspec.Struct, frozen=True):
    """Test examples that also stand in train, and the rows of train that go for it.

    `test_rows` counts equality but for case, white space and punctuation; `test_rows_verbatim`, contained in it,
    equality but for case and white space; `test_units` those that only share their unit. `train_rows` are left out
    whenever the task is loaded, `near_train_rows` only by a mended copy. `other_rows` are left out for the other pairs
    of splits.
    """

    test_rows: int = 0
    test_rows_verbatim: int = 0
    test_units: int = 0
    train_rows: int = 0
    other_rows: int = 0
    near_test_rows: int = 0
    near_train_rows: int = 0


class Duplicates(msgspec.Struct, frozen=True):
    """Rows per split beyond the first of their kind: equal but for case, white space and punctuation; nearly equal."""

    exact: dict[str, int] = {}
    near: dict[str, int] = {}


class CheckReport(msgspec.Struct, frozen=True):
    """The whole of `check`. `rows`: readable rows per split as found; `classes`: label -> rows of leak-free train.

    `languages`: share of train's rows by script. `smallest_margin`: what the test can prove at its first look when
    the models never differ, by its rows or units; None without them.
    """

    task: str
    task_hash: str
    kind: str
    rows: dict[str, int]
    classes: dict[str, int]
    errors: int
    warnings: int
    leaks: Leaks
    duplicates: Duplicates
    conflicts: int
    languages: dict[str, float]
    smallest_margin: float | None
    findings: list[Finding]
    seconds: float
    mended: dict[str, dict[str, int]] | None = None
    mended_task: str | None = None

    @property
    def exit_code(self) -> int:
        return 2 if self.errors else 0


def plural(count: int, one: str, many: str | None = None) -> str:
    """'1 row', '2,000 rows'."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def report_markdown(report: CheckReport) -> str:
    """The report as a page; it holds ids, labels and counts, never a text."""
    lines = [
        f"# Data check of '{report.task}'",
        "",
        f"{plural(report.errors, 'error')}, {plural(report.warnings, 'warning')}.",
        "",
        *_table(("split", "readable rows", "exact duplicates", "near-duplicates"), _split_rows(report)),
        "",
        f"{plural(len(report.classes), 'label')} in train. {_margin(report)}",
        "",
        "## Findings",
        "",
    ]
    for finding in report.findings:
        lines.append(f"- **{finding.severity}** `{finding.code}`: {finding.message}")
        lines.append(f"  - mend: {finding.hint}")
        if finding.rows:
            more = f" and {finding.count - len(finding.rows):,} more" if finding.count > len(finding.rows) else ""
            lines.append(f"  - where: {', '.join(finding.rows)}{more}")
    if not report.findings:
        lines.append("None.")
    if report.mended is not None:
        changes = [(split, *change) for split, counts in report.mended.items() for change in counts.items()]
        done = [(split, what.replace("_", " "), f"{count:,}") for split, what, count in changes]
        lines += ["", "## What the mended copy changed", "", *_table(("split", "change", "rows"), done)]
    return "\n".join(lines) + "\n"


def _split_rows(report: CheckReport) -> list[tuple[str, str, str, str]]:
    exact, near = report.duplicates.exact, report.duplicates.near
    return [(name, f"{n:,}", f"{exact.get(name, 0):,}", f"{near.get(name, 0):,}") for name, n in report.rows.items()]


def _margin(report: CheckReport) -> str:
    if report.smallest_margin is None:
        return "There is no test."
    return f"The smallest margin that this test can prove is {report.smallest_margin:.4f}."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
