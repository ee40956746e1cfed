"""One function a verb: calls its module, prints a table or one JSON document, returns the exit status."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from jangin import operate
from jangin.errors import InputError


def run(arguments: Namespace) -> int:
    verb = {"eval": evaluate}.get(arguments.verb) or globals()[arguments.verb]
    return verb(arguments)


def init(arguments: Namespace) -> int:
    if (arguments.data is None) == (arguments.from_capture is None):
        raise InputError("init takes DATA or --from-capture PATH, one of the two", "jangin init examples.jsonl -o DIR")
    if arguments.from_capture is not None:
        return _init_from_capture(arguments)
    from jangin.init import write_task

    path = write_task(arguments.data, arguments.out)
    _print(arguments, {"task": str(path)}, [f"wrote {path}", f"next: jangin check {path.parent}"])
    return 0


def _init_from_capture(arguments: Namespace) -> int:
    from jangin.from_capture import REASONS, from_capture

    made = from_capture(arguments.from_capture, arguments.out)
    lines = [
        f"wrote {made.task} and {made.data}: {made.rows:,} of {made.read:,} exchanges, kind {made.kind} ({made.why})"
    ]
    lines += _table(("left out", "why"), [(f"{n:,}", REASONS[each]) for each, n in made.left_out.items()])
    if made.merged:
        lines.append(f"{len(made.merged):,} spellings of labels were taken for others: see {made.report}")
    if made.instructions > 1:
        lines.append(
            f"warning: {made.instructions:,} different system messages, which a specialist does not read; they may be "
            "several tasks"
        )
    lines.append(f"next: jangin check {Path(made.task).parent}")
    _print(arguments, made, lines)
    return 0


def check(arguments: Namespace) -> int:
    from jangin.data.check import check as check_task
    from jangin.data.findings import report_markdown
    from jangin.data.mend import mend
    from jangin.task import load_task

    task, tell = load_task(arguments.task), _stages(arguments)
    report = mend(task, arguments.fix, tell) if arguments.fix else check_task(task, tell)
    _print(arguments, report, [report_markdown(report).rstrip()])
    # A mended copy answers the errors, so `--fix` succeeds where a plain check would not.
    return 0 if arguments.fix else report.exit_code


def pull(arguments: Namespace) -> int:
    from jangin.bases import pull as pulling

    found = [file for base in arguments.base for file in pulling.pull(base, quiet=arguments.json)]
    rows = [(each.base, each.file, f"{each.bytes / 1e6:.1f} MB", each.source, each.sha256[:12]) for each in found]
    _print(arguments, found, _table(("base", "file", "size", "source", "sha256"), rows))
    return 0


def record(arguments: Namespace) -> int:
    from jangin.record.plan import agree
    from jangin.record.run import Settings
    from jangin.record.run import record as freeze

    given = {name: value for name, value in vars(arguments).items() if name in Settings.__struct_fields__}
    settings = Settings(timeout_s=arguments.timeout, **given)
    capped = arguments.max_usd is not None
    found = freeze(
        arguments.task,
        arguments.endpoint,
        arguments.model,
        settings,
        agree=lambda lines: agree(lines, yes=arguments.yes, capped=capped),
        quiet=arguments.json,
    )
    cost = "cost not known" if found.cost_usd is None else f"{found.cost_usd:,.4f} USD"
    lines = [f"{found.answered:,} of {found.n:,} answered by {found.model}, {found.asked:,} asked now, {cost}"]
    if found.unscored:
        lines.append(f"{found.unscored:,} got no answer: ask again with --retry-unscored")
    if found.refused:
        lines.append(f"{found.refused:,} were refused by the model; they count as wrong")
    if found.cut_off:
        lines.append(f"{found.cut_off:,} answers were cut off: give the model more room with --max-tokens")
    if found.reference is None:
        lines.append(f"stopped before --max-usd was passed; the same command with a higher one goes on ({found.part})")
    else:
        lines.append(f"wrote {found.reference}")
    _print(arguments, found, lines)
    return 0 if found.reference is not None and found.answered else 1


def train(arguments: Namespace) -> int:
    from jangin.train.climb import train as climb

    climbed = climb(
        arguments.task,
        arguments.out,
        budget_s=arguments.budget,
        only=None if arguments.rungs is None else [name.strip() for name in arguments.rungs.split(",") if name.strip()],
        seed=arguments.seed,
        best=arguments.best,
        plan=arguments.plan,
        quiet=arguments.json,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    rows = [
        (
            each.rung,
            each.status,
            _score(each),
            _number(each.chance, ".2f"),
            _number(each.seconds, ".1f"),
            each.why or "",
        )
        for each in climbed.rungs
    ]
    lines = _table(("rung", "status", "validation", "chance", "seconds", "why"), rows)
    lines += [
        "",
        f"packed {climbed.rung} ({climbed.params:,} parameters) in {climbed.specialist}, {climbed.seconds:.0f} s",
        *promise_lines(climbed.record["promise"]),
    ]
    if climbed.passes is False:
        chance = climbed.record["chance"]
        lines.append(
            f"no rung is likely enough to pass (best chance {chance:.2f}, 0.80 wanted): the test stays sealed. Give "
            "more examples, a larger budget or a lower bar; `jangin certify` would spend a look"
        )
    document = {
        "specialist": str(climbed.specialist),
        "base": climbed.base,
        "params": climbed.params,
        "rung": climbed.rung,
        "passes": climbed.passes,
        "rungs": climbed.rungs,
        "seconds": climbed.seconds,
        "local_share": climbed.record["promise"]["local_share"],
    }
    _print(arguments, document, lines)
    return 1 if climbed.passes is False else 0


def evaluate(arguments: Namespace) -> int:
    from jangin.evals.run import evaluate as score

    found = score(arguments.specialist, arguments.on, arguments.metric, arguments.task, _counted(arguments))
    limits = "no limits" if found["lower"] is None else f"{found['lower']:.4f} to {found['upper']:.4f}"
    lines = [f"{found['metric']} {found['score']:.4f} ({limits} at {found['confidence']:.0%}), n = {found['n']:,}"]
    for name, part in (found["scope"] or {}).items():
        lines.append(f"{name.replace('_', ' ')} {_number(part['score'], '.4f')}, n = {part['n']:,}")
    _print(arguments, found, lines)
    return 0


def certify(arguments: Namespace) -> int:
    given = [each for each in (arguments.specialist, arguments.verify, arguments.rerun) if each is not None]
    if len(given) != 1:
        raise InputError(
            f"{len(given)} of SPECIALIST, --verify FILE and --rerun FILE were given; 1 was expected",
            "jangin certify SPECIALIST",
        )
    if arguments.specialist is None:
        return _check_certificate(arguments)
    from jangin.evals.certify import certify as judge

    certificate = judge(
        arguments.specialist,
        arguments.task,
        arguments.reference,
        monthly_requests=arguments.monthly_requests,
        usd_per_hour=arguments.usd_per_hour,
        progress=_counted(arguments),
    )
    if certificate.look["copies"] < 2:
        print(
            "warning: this look could be registered in one place only (of the task's .jangin folder and JANGIN_HOME); "
            "deleting one file forgets it",
            file=sys.stderr,
        )
    path = Path(arguments.specialist) / "certificate.html"
    document = {**certificate.summary(), "certificate": str(path.with_suffix(".json"))}
    _print(arguments, document, [certificate.sentence, f"read it: {path}"])
    return 1 if certificate.result["verdict"] in ("inferior", "inconclusive") else 0


def _check_certificate(arguments: Namespace) -> int:
    from jangin.evals import certificate

    if arguments.verify is not None:
        found = certificate.verify(arguments.verify)
    else:
        found = certificate.rerun(arguments.rerun, arguments.task)
    lines = ["valid" if found.valid else "NOT valid", *found.differs, found.did]
    _print(arguments, found, lines)
    return found.exit_code


def settle(arguments: Namespace) -> int:
    from jangin.settle import settle as draw

    found = draw(arguments.specialist, arguments.target, arguments.confidence)
    _print(arguments, found, promise_lines(found))
    return 0 if found["threshold"] is not None else 1


def promise_lines(promise: dict[str, Any]) -> list[str]:
    """One line: what is promised and from which confidence on, or why nothing is."""
    if promise["threshold"] is None:
        return [f"promise: {promise['message']}"]
    return [f"promise: {promise['message']} (confidence from {promise['threshold']:.4f}; rows {promise['rows']})"]


def export(arguments: Namespace) -> int:
    from jangin.export.run import export as write

    found = write(
        arguments.specialist,
        arguments.to,
        arguments.out,
        merged=arguments.merged,
        quantise=arguments.quantise,
        task=arguments.task,
        progress=_counted(arguments),
    )
    lines = _table(("file", "bytes", "sha256"), [(f.name, f"{f.bytes:,}", f.sha256[:12]) for f in found.files])
    lines += ["", *(f"{name.replace('_', ' ')}: {value}" for name, value in found.parity.items())]
    lines += [f"export {found.sha256[:12]}: {found.certified}", f"next: {found.next}"]
    _print(arguments, found, lines)
    return 0


def route(arguments: Namespace) -> int:
    from jangin.train.profiling import add_profiles

    found = {str(folder): add_profiles(folder, quiet=arguments.json) for folder in arguments.specialist}
    rows = [
        (folder, each.base, each.file or each.why or "", f"{each.inputs:,}", f"{each.held_out:,}")
        for folder, profiles in found.items()
        for each in profiles
    ]
    document = [{"specialist": folder, "profiles": msgspec.to_builtins(profiles)} for folder, profiles in found.items()]
    _print(arguments, document, _table(("specialist", "base", "profile", "inputs", "held out"), rows))
    return 0 if all(each.file for profiles in found.values() for each in profiles[:1]) else 1


def predict(arguments: Namespace) -> int:
    from jangin.predict import predict as answer

    if arguments.json and arguments.out is None:
        raise InputError("--json prints its document on stdout, where the answers would go too", "add -o OUT")
    found = answer(
        arguments.specialist,
        arguments.data,
        arguments.out,
        field=arguments.field,
        probabilities=arguments.probabilities,
        quiet=arguments.json,
    )
    if arguments.out is not None:
        faults = f"{found.errors:,} with errors, " if found.errors else ""
        _print(arguments, found, [f"{found.rows:,} rows, {faults}{found.rows_per_s:,.0f} rows/s, in {arguments.out}"])
    return 1 if found.rows and found.errors == found.rows else 0


def serve(arguments: Namespace) -> int:
    from jangin.serve.run import serve as start
    from jangin.state import state_folder

    if (arguments.tls_cert is None) != (arguments.tls_key is None):
        raise InputError("--tls-cert and --tls-key belong together", "name both files")
    if not arguments.specialist and not arguments.task and not arguments.console:
        raise InputError("nothing to serve", "name a specialist's folder, or a --task to pass through")
    return start(
        arguments.specialist,
        arguments.host,
        arguments.port,
        behind_proxy=arguments.behind_proxy,
        engine_timeout_s=arguments.engine_timeout,
        max_waiting=arguments.max_waiting,
        max_wait_s=arguments.max_wait,
        prefix_cache=arguments.prefix_cache,
        json_output=arguments.json,
        state=state_folder(arguments.state),
        open_to_all=arguments.open,
        ledger=operate.named_ledger(arguments.ledger),
        durability=arguments.durability,
        tls=None if arguments.tls_cert is None else (arguments.tls_cert, arguments.tls_key),
        config=arguments.config,
        tasks=arguments.task,
        log=arguments.log,
        otel=arguments.otel,
        console=arguments.console,
        public_certificates=arguments.public_certificates,
    )


def keys(arguments: Namespace) -> int:
    from jangin.access.command import run as act

    _print(arguments, *act(arguments))
    return 0


def report(arguments: Namespace) -> int:
    from jangin.report import report as write

    page = write(arguments.folder)
    _print(arguments, {"page": str(page)}, [f"wrote {page}"])
    return 0


def ledger(arguments: Namespace) -> int:
    return operate.ledger(arguments, _print, _table)


def audit(arguments: Namespace) -> int:
    return operate.audit(arguments, _print, _table)


def _print(arguments: Namespace, document: Any, lines: Sequence[str]) -> None:
    if arguments.json:
        print(msgspec.json.encode(document).decode(), flush=True)
    else:
        print("\n".join(lines), flush=True)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns padded to their widest cell; empty trailing cells leave no spaces behind."""
    table = [tuple(head), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table]


def _score(record: Any) -> str:
    if record.score is None:
        return ""
    limits = "" if record.lower is None else f" [{record.lower:.3f}, {record.upper:.3f}]"
    return f"{record.score:.3f}{limits}"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _stages(arguments: Namespace) -> Any:
    """Tells long work's stages on stderr."""
    if arguments.json or not sys.stderr.isatty():
        return None
    return lambda stage: print(stage, file=sys.stderr, flush=True)


def _counted(arguments: Namespace) -> Any:
    """A progress bar for each stage that certification names."""
    if arguments.json or not sys.stderr.isatty():
        return None
    from tqdm import tqdm

    bars: dict[str, Any] = {}

    def tell(stage: str, done: int, total: int) -> None:
        bar = bars.setdefault(stage, tqdm(total=total, desc=stage, leave=False))
        bar.n = done
        bar.refresh()
        if done >= total:
            bar.close()

    return tell
