"""The verbs that look after a running gateway, `ledger` and `audit`, each with verbs of its own: parse, call, print."""

from __future__ import annotations

import argparse
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jangin.errors import InputError

Show = Callable[[Namespace, Any, Sequence[str]], None]
Table = Callable[[Sequence[str], Sequence[Sequence[str]]], list[str]]
ROUTES = ("local", "escalated", "refused", "abstained", "failed")
BY = ("day", "task", "key_id", "specialist", "route")
LEDGER = "the file, or postgresql://... without a password (default: JANGIN_LEDGER, else the server's own)"
_DAY_US = 86_400_000_000


def age(text: str) -> int:
    """'90d' in microseconds."""
    number = text.removesuffix("d")
    if not (number.isascii() and number.isdigit()) or not text.endswith("d") or len(number) > 5:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of days: write 90d")
    return int(number) * _DAY_US


def count(text: str) -> int:
    """A whole number from 1 on."""
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1 on")
    return int(text)


def dimensions(text: str) -> list[str]:
    """'task,day': what to total by."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in BY]:
        raise argparse.ArgumentTypeError(f"'{unknown[0]}' cannot be totalled by; expected some of {', '.join(BY)}")
    return names


def add(verb: Callable[[str, str], ArgumentParser]) -> None:
    """Adds both verbs to the command line."""
    ledger = _verbs(verb("ledger", "ask, export and prune the record of requests"))

    def on_ledger(name: str, about: str) -> ArgumentParser:
        added = ledger(name, about)
        added.add_argument("ledger", metavar="LEDGER", nargs="?", help=LEDGER)
        return added

    query = on_ledger("query", "show single requests, newest first")
    _filter(query)
    query.add_argument("--errors", action="store_true", help="only those that failed (status 400 and above)")
    query.add_argument("--id", help="a request id; give --since as well, ids have no index")
    query.add_argument("--limit", metavar="N", type=count, default=50, help="at most so many (default: 50)")
    query.add_argument("--after", metavar="PLACE", help="go on where the last page's `next` says")
    query.add_argument("--texts", action="store_true", help="with the texts that are stored")

    totals = on_ledger("totals", "add up requests, tokens, money and energy")
    totals.add_argument(
        "--by", metavar="A,B", type=dimensions, default="day", help=f"of {', '.join(BY)} (default: day)"
    )
    _filter(totals)

    export = on_ledger("export", "write requests to a CSV or Parquet file, oldest first")
    export.add_argument("-o", "--out", metavar="FILE", type=Path, required=True, help="ends in .csv or .parquet")
    _filter(export)
    export.add_argument("--texts", action="store_true", help="with the texts that are stored")

    prune = on_ledger("prune", "remove old requests or stored texts")
    when = prune.add_mutually_exclusive_group(required=True)
    when.add_argument("--before", metavar="TIME", help="what arrived before, UTC")
    when.add_argument("--older-than", metavar="DAYS", type=age, help="what is older: 90d")
    what = prune.add_mutually_exclusive_group()
    what.add_argument("--texts", action="store_true", help="only stored texts; the requests stay")
    what.add_argument("--totals", action="store_true", help="also the totals of the days, which else stay")
    prune.add_argument("--task", help="with --texts: of this task only")

    on_ledger("check", "read all of a ledger and say what is damaged")

    audit = _verbs(verb("audit", "verify and show the audit log"))

    def on_audit(name: str, about: str) -> ArgumentParser:
        added = audit(name, about)
        added.add_argument("log", metavar="LOG", type=Path, help="the folder of the log, or one file of it")
        return added

    verify = on_audit("verify", "find the first line that was changed, removed, added or moved")
    verify.add_argument("--head", metavar="HEAD", help="a head kept elsewhere, or a file with one on each line")
    verify.add_argument("--public-key", metavar="FILE", type=Path, help="PEM; the heads must be signed by its owner")
    head = on_audit("head", "print the newest head, one line to keep elsewhere")
    head.add_argument("--key", metavar="FILE", type=Path, help="PEM of the private key that signs it")
    show = on_audit("show", "show entries, oldest first")
    show.add_argument("--kind", help="only of this kind, or below it: egress, policy.changed")
    show.add_argument("--since", metavar="TIME", help="a date or time of ISO 8601, UTC")
    show.add_argument("--limit", metavar="N", type=count, help="only the last N")


def _verbs(parser: ArgumentParser) -> Callable[[str, str], ArgumentParser]:
    below = parser.add_subparsers(dest="action", metavar="VERB", required=True)

    def add_one(name: str, about: str) -> ArgumentParser:
        added = below.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
        added.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON document on stdout"
        )
        return added

    return add_one


def _filter(parser: ArgumentParser) -> None:
    parser.add_argument("--since", metavar="TIME", help="a date or time of ISO 8601, UTC")
    parser.add_argument("--until", metavar="TIME", help="before this time, UTC")
    parser.add_argument("--task", help="of this task")
    parser.add_argument("--key", metavar="ID", help="of this key, by its id")
    parser.add_argument("--route", choices=ROUTES, help="that went this way")


def ledger(arguments: Namespace, show: Show, table: Table) -> int:
    from jangin.ledger import Ledger

    with Ledger.open(_which(arguments.ledger), create=False, read_only=arguments.action != "prune") as book:
        return _ON_LEDGER[arguments.action](book, arguments, show, table)


def _which(named: str | None) -> str:
    from jangin.state import LEDGER, state_folder

    return named_ledger(named) or str(state_folder() / LEDGER)


def named_ledger(named: str | None) -> str | None:
    """The one that a flag or JANGIN_LEDGER names. Raises: InputError for a password in the process list."""
    from jangin.ledger.postgres import has_password

    if named is not None and "://" in named and has_password(named):
        raise InputError(
            "the database's password stands on the command line, where other users of this machine can read it",
            "set JANGIN_LEDGER to the whole URL, or put the password into ~/.pgpass",
        )
    return named or os.environ.get("JANGIN_LEDGER") or None


def _wanted(arguments: Namespace) -> Any:
    from jangin.ledger import Filter
    from jangin.ledger.row import moment

    return Filter(
        since=None if arguments.since is None else moment(arguments.since),
        until=None if arguments.until is None else moment(arguments.until),
        task=arguments.task,
        key_id=arguments.key,
        route=arguments.route,
        errors=getattr(arguments, "errors", False),
        id=getattr(arguments, "id", None),
    )


def _query(book: Any, arguments: Namespace, show: Show, table: Table) -> int:
    from msgspec import to_builtins

    from jangin.ledger.row import spell

    page = book.query(_wanted(arguments), limit=arguments.limit, after=arguments.after, texts=arguments.texts)
    lines, rows = [], []
    for number, row in enumerate(page.rows):
        texts = page.texts.get(number)
        rows.append({**to_builtins(row), "at": spell(row.at), **({} if texts is None else to_builtins(texts))})
        tokens = f"{row.prompt_tokens}+{row.completion_tokens}"
        names = (row.task, row.key_id, row.endpoint, row.route, str(row.status))
        lines.append((spell(row.at)[:23], *names, tokens, f"{row.duration_us / 1000:.1f}", row.id))
    head = ("at (UTC)", "task", "key", "endpoint", "route", "status", "tokens", "ms", "id")
    text = table(head, lines)
    if arguments.texts:
        text += [f"{each['id']}: {each['input']!r} -> {each['output']!r}" for each in rows if "input" in each]
    if page.next:
        text.append(f"more: --after {page.next}")
    show(arguments, {"rows": rows, "next": page.next}, text)
    return 0


def _totals(book: Any, arguments: Namespace, show: Show, table: Table) -> int:
    from msgspec import to_builtins
    from msgspec.structs import asdict

    by = dimensions(arguments.by) if isinstance(arguments.by, str) else arguments.by
    found = book.totals_by(by, _wanted(arguments))
    rows = [
        (
            *(each.group[name] for name in by),
            f"{each.requests:,}",
            f"{each.errors:,}",
            f"{each.prompt_tokens:,}",
            f"{each.completion_tokens:,}",
            f"{each.cost_usd:,.4f}",
            f"{each.reference_cost_usd - each.compared_cost_usd:,.4f}" if each.compared else "",
            f"{each.energy_wh:,.3f}" if each.energy_known else "",
            f"{each.egress_bytes:,}",
        )
        for each in found
    ]
    head = (*by, "requests", "errors", "prompt tokens", "answer tokens", "cost USD", "saved USD", "Wh", "bytes out")
    show(arguments, {"by": by, "totals": [to_builtins(asdict(each)) for each in found]}, table(head, rows))
    return 0


def _export(book: Any, arguments: Namespace, show: Show, table: Table) -> int:
    rows = book.export(arguments.out, _wanted(arguments), texts=arguments.texts)
    show(arguments, {"file": str(arguments.out), "rows": rows}, [f"wrote {rows:,} rows to {arguments.out}"])
    return 0


def _prune(book: Any, arguments: Namespace, show: Show, table: Table) -> int:
    from jangin.ledger.row import moment, now_us, spell

    if arguments.task is not None and not arguments.texts:
        raise InputError("--task goes with --texts: requests are pruned by their age alone", "add --texts")
    before = moment(arguments.before) if arguments.before is not None else now_us() - arguments.older_than
    if arguments.texts:
        gone = book.prune_texts(before, arguments.task)
    else:
        gone = book.prune_totals(before) if arguments.totals else book.prune(before)
    lines = [
        f"removed {gone.rows:,} requests, {gone.texts:,} stored texts and {gone.totals:,} totals before {spell(before)}"
    ]
    document = {"before": spell(before), "rows": gone.rows, "texts": gone.texts, "totals": gone.totals}
    show(arguments, document, lines)
    return 0


def _check(book: Any, arguments: Namespace, show: Show, table: Table) -> int:
    found = book.check()
    show(arguments, {"valid": not found, "damaged": found}, found or [f"{book.where}: nothing is damaged"])
    return 1 if found else 0


def audit(arguments: Namespace, show: Show, table: Table) -> int:
    return _ON_AUDIT[arguments.action](arguments, show, table)


def _verify(arguments: Namespace, show: Show, table: Table) -> int:
    from jangin.audit import verify
    from jangin.audit.chain import read_heads

    heads = None if arguments.head is None else read_heads(arguments.head)
    found = verify(arguments.log, heads, arguments.public_key)
    lines = [
        f"valid: {found.entries:,} entries, from {found.begins_at} to {found.ends_at}" if found.valid else "NOT valid"
    ]
    if found.why is not None:
        lines.append(found.why if found.line is None else f"{found.file}, line {found.line}: {found.why}")
    show(arguments, found, [*lines, found.did])
    return 0 if found.valid else 1


def _head(arguments: Namespace, show: Show, table: Table) -> int:
    from jangin.audit.verify import newest

    found = newest(arguments.log, arguments.key)
    show(arguments, found, [found.text()])
    return 0


def _show(arguments: Namespace, show: Show, table: Table) -> int:
    from jangin.audit.verify import read
    from jangin.files import canonical_json
    from jangin.ledger.row import moment, spell

    entries, bad = read(arguments.log)
    if arguments.kind is not None:
        entries = [each for each in entries if f"{each.kind}.".startswith(f"{arguments.kind}.")]
    if arguments.since is not None:
        since = spell(moment(arguments.since))
        entries = [each for each in entries if each.at >= since]
    entries = entries[-arguments.limit :] if arguments.limit else entries
    rows = [(str(each.seq), each.at[:23], each.kind, canonical_json(each.fields).decode()) for each in entries]
    lines = table(("entry", "at (UTC)", "kind", "fields"), rows)
    show(
        arguments,
        {"entries": entries, "unreadable": bad},
        lines + ([] if bad is None else [f"{bad}: see audit verify"]),
    )
    return 0 if bad is None else 1


_ON_LEDGER = {"query": _query, "totals": _totals, "export": _export, "prune": _prune, "check": _check}
_ON_AUDIT = {"verify": _verify, "head": _head, "show": _show}
