"""The tables, the same on SQLite and PostgreSQL, as numbered migrations.

A migration runs once, under a lock, in a transaction of its own, and its number is written down in it. What was
released is never edited: a change is a further migration. The rules on the columns keep a text or a secret from ending
up where only names belong, whoever wrote the row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from jangin.errors import LedgerError


class Migration(NamedTuple):
    number: int
    about: str
    statements: Sequence[str]


def _name(column: str, limit: int, least: int = 0) -> str:
    """A rule: a name of at most so many characters, without spaces."""
    return (
        f"CONSTRAINT {column}_is_a_name CHECK (length({column}) BETWEEN {least} AND {limit} "
        f"AND {column} NOT LIKE '% %')"
    )


# {big}, {real}, {bytes}, {row_number}, {strict}: how each database spells them.
REQUESTS = f"""CREATE TABLE ledger_requests (
    seq {{row_number}},
    id TEXT NOT NULL {_name("id", 200, 1)},
    at {{big}} NOT NULL CONSTRAINT at_is_a_time CHECK (at BETWEEN 0 AND 250000000000000000),
    task TEXT NOT NULL {_name("task", 64)},
    endpoint TEXT NOT NULL {_name("endpoint", 32, 1)},
    route TEXT NOT NULL CONSTRAINT route_is_known
        CHECK (route IN ('local', 'escalated', 'refused', 'abstained', 'failed')),
    status {{big}} NOT NULL CONSTRAINT status_is_of_http CHECK (status BETWEEN 100 AND 599),
    key_id TEXT NOT NULL {_name("key_id", 64)},
    specialist TEXT NOT NULL {_name("specialist", 64)},
    prompt_tokens {{big}} NOT NULL CONSTRAINT prompt_tokens_from_0 CHECK (prompt_tokens >= 0),
    completion_tokens {{big}} NOT NULL CONSTRAINT completion_tokens_from_0 CHECK (completion_tokens >= 0),
    duration_us {{big}} NOT NULL CONSTRAINT duration_us_from_0 CHECK (duration_us >= 0),
    ttft_us {{big}} CONSTRAINT ttft_us_from_0 CHECK (ttft_us >= 0),
    confidence {{real}} CONSTRAINT confidence_from_0_to_1 CHECK (confidence BETWEEN 0 AND 1),
    cost_usd {{real}} NOT NULL CONSTRAINT cost_usd_from_0 CHECK (cost_usd >= 0 AND cost_usd < 1e12),
    energy_wh {{real}} CONSTRAINT energy_wh_from_0 CHECK (energy_wh >= 0 AND energy_wh < 1e12),
    energy_method TEXT CONSTRAINT energy_method_is_short CHECK (length(energy_method) <= 200),
    egress_bytes {{big}} NOT NULL CONSTRAINT egress_bytes_from_0 CHECK (egress_bytes >= 0),
    egress_to TEXT {_name("egress_to", 255)},
    reference_cost_usd {{real}} CONSTRAINT reference_cost_usd_from_0
        CHECK (reference_cost_usd >= 0 AND reference_cost_usd < 1e12),
    certificate TEXT {_name("certificate", 64)},
    error_code TEXT {_name("error_code", 64)}
){{strict}}"""

# `part`: which of the writers added this up, so that the servers of a fleet do not wait for one another's commits.
DAILY = """CREATE TABLE ledger_daily (
    day {big} NOT NULL,
    task TEXT NOT NULL,
    key_id TEXT NOT NULL,
    specialist TEXT NOT NULL,
    route TEXT NOT NULL,
    part {big} NOT NULL,
    requests {big} NOT NULL,
    errors {big} NOT NULL,
    prompt_tokens {big} NOT NULL,
    completion_tokens {big} NOT NULL,
    duration_us {big} NOT NULL,
    cost_usd {real} NOT NULL,
    energy_wh {real} NOT NULL,
    energy_known {big} NOT NULL,
    egress_bytes {big} NOT NULL,
    compared {big} NOT NULL,
    reference_cost_usd {real} NOT NULL,
    compared_cost_usd {real} NOT NULL,
    PRIMARY KEY (day, task, key_id, specialist, route, part)
){strict}"""

# Bytes (UTF-8), because PostgreSQL's text cannot hold every character that JSON can.
TEXTS = """CREATE TABLE ledger_texts (
    seq {row_number},
    id TEXT NOT NULL,
    at {big} NOT NULL,
    task TEXT NOT NULL,
    input {bytes} NOT NULL,
    output {bytes} NOT NULL
){strict}"""

# The one row of `ledger_pruned`: rows older than `before` may be gone, so parts of those days cannot be added up.
MIGRATIONS = (
    Migration(
        1,
        "requests, totals of each day, stored texts",
        (
            REQUESTS,
            "CREATE INDEX ledger_requests_at ON ledger_requests (at)",
            "CREATE INDEX ledger_requests_task ON ledger_requests (task, at)",
            "CREATE INDEX ledger_requests_key ON ledger_requests (key_id, at)",
            "CREATE INDEX ledger_requests_route ON ledger_requests (route, at) WHERE route <> 'local'",
            "CREATE INDEX ledger_requests_errors ON ledger_requests (at) WHERE status >= 400",
            DAILY,
            TEXTS,
            "CREATE INDEX ledger_texts_at ON ledger_texts (at)",
            "CREATE TABLE ledger_pruned (before {big} NOT NULL){strict}",
            "INSERT INTO ledger_pruned VALUES (0)",
        ),
    ),
    Migration(2, "requests by their id", ("CREATE INDEX ledger_requests_id ON ledger_requests (id)",)),
)

VERSIONS = """CREATE TABLE IF NOT EXISTS ledger_schema (
    number {big} PRIMARY KEY,
    about TEXT NOT NULL,
    at {big} NOT NULL
){strict}"""


def migrate(
    ask: Callable[..., list[tuple[Any, ...]]],
    transaction: Callable[[], Any],
    spelling: dict[str, str],
    where: str,
    at: int,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> int:
    """Brings the tables up to the last migration and returns its number. Several processes may do so at once.

    ask: runs one statement. transaction: a context that holds the database's migration lock and commits at its end.
    Raises: LedgerError when the tables are newer than this program, or lack a migration in the middle.
    """
    while True:
        with transaction():
            ask(VERSIONS.format(**spelling))
            done = {number for (number,) in ask("SELECT number FROM ledger_schema")}
            refuse_newer(done, where, migrations)
            todo = next((each for each in migrations if each.number not in done), None)
            if todo is None:
                return max(done, default=0)
            for statement in todo.statements:
                ask(statement.format(**spelling))
            ask("INSERT INTO ledger_schema VALUES (?, ?, ?)", (todo.number, todo.about, at))


def refuse_newer(done: set[int], where: str, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Raises: LedgerError when a later program has changed the tables."""
    known = max(each.number for each in migrations)
    if max(done, default=0) > known:
        raise LedgerError(
            f"{where}: the ledger has schema {max(done)}; this version of jangin knows schemas up to {known}",
            "use the version of jangin that wrote it, or a later one",
        )
