"""The command line: parse, call, print. Every verb is one arrow of the path; what it does lives in its own module."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from jangin import __version__
from jangin.errors import InputError, JanginError

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smh]?)")


def duration(text: str) -> float:
    """'90', '90s', '30m' or '2h' in seconds."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise argparse.ArgumentTypeError(f"'{text}' is not a duration: write 90s, 30m or 2h")
    return float(found[1]) * _UNITS[found[2]]


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jangin",
        description="Replace calls to a giant model with a small specialist that you own, and prove it first.",
        epilog="The path: init, check, train, certify, serve, report. TASK is a task folder or its task.yaml; "
        "SPECIALIST is a folder that train wrote. Exit status: 0 done, 1 the comparison said no, 2 bad input.",
    )
    parser.add_argument("--version", action="version", version=f"jangin {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, about: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
        added.add_argument("--json", action="store_true", help="print one JSON document on stdout")
        return added

    init = verb("init", "write a commented task file from a data file")
    init.add_argument("data", metavar="DATA", type=Path, help="JSONL, CSV, Parquet or OpenAI chat JSONL")
    init.add_argument("-o", "--out", metavar="DIR", type=Path, default=Path(), help="folder for task.yaml (default: .)")

    check = verb("check", "check a task's data; exit 2 when training on it would be dishonest")
    check.add_argument("task", metavar="TASK", type=Path)
    check.add_argument("--fix", metavar="DIR", type=Path, help="write a mended copy and a report into DIR")

    pull = verb("pull", "fetch bases into the store")
    pull.add_argument("base", metavar="BASE", nargs="+", help="an id of the catalogue, a local folder, or owner/name")

    train = verb("train", "climb the ladder to the smallest model that passes, and pack it")
    train.add_argument("task", metavar="TASK", type=Path)
    train.add_argument("-o", "--out", metavar="DIR", type=Path, help="the specialist (default: TASK/runs/NAME)")
    train.add_argument("--budget", type=duration, default="30m", help="no rung starts that would end later (30m)")
    train.add_argument("--rungs", metavar="A,B", help="try these rungs only")
    train.add_argument("--seed", type=int, help="default: the task's")
    train.add_argument("--best", action="store_true", help="climb on to the best within the budget")
    train.add_argument("--plan", metavar="RECORD", type=Path, help="replay the rungs of an earlier record.json")

    evaluate = verb("eval", "score a specialist, or a base as it is, on open data; no seal, no verdict")
    evaluate.add_argument("specialist", metavar="SPECIALIST", type=Path, help="a bundle; with --task also a base's id")
    evaluate.add_argument("--on", metavar="DATA", type=Path, required=True)
    evaluate.add_argument("--metric", help="default: the task's")
    evaluate.add_argument("--task", type=Path, help="names columns, schema, and what answers are run on")

    certify = verb("certify", "open the sealed test and write the certificate")
    certify.add_argument("specialist", metavar="SPECIALIST", type=Path, nargs="?")
    certify.add_argument("--task", metavar="TASK", type=Path, help="default: the one that the record names")
    certify.add_argument("--reference", metavar="ID or FILE", help="instead of the bar's own")
    certify.add_argument("--monthly-requests", metavar="N", type=int, help="say whether replacing is worth it at N")
    certify.add_argument("--usd-per-hour", type=float, help="price of this machine (or JANGIN_USD_PER_HOUR)")
    certify.add_argument("--verify", metavar="FILE", type=Path, help="recompute a certificate's arithmetic and hashes")
    certify.add_argument("--rerun", metavar="FILE", type=Path, help="predict the sealed test again and compare")

    predict = verb("predict", "answer a file, streaming and resumable")
    predict.add_argument("specialist", metavar="SPECIALIST", type=Path)
    predict.add_argument("data", metavar="FILE", type=Path)
    predict.add_argument("-o", "--out", metavar="OUT", type=Path, help="JSONL; default: stdout")
    predict.add_argument("--field", metavar="NAME", help="the column to read (default: input, text or messages)")
    predict.add_argument("--probabilities", action="store_true", help="every label's probability in each row")

    serve = verb("serve", "serve specialists behind OpenAI's API")
    serve.add_argument("specialist", metavar="SPECIALIST", type=Path, nargs="+")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8080, help="0 takes a free one (default: 8080)")
    serve.add_argument("--behind-proxy", action="store_true", help="listen beyond this machine; the proxy checks keys")
    serve.add_argument("--engine-timeout", type=duration, default="30s", help="restart an engine that hangs this long")
    serve.add_argument("--max-waiting", metavar="N", type=int, default=4096, help="texts that may wait (default: 4096)")

    report = verb("report", "one page of everything tried and proven")
    report.add_argument("folder", metavar="DIR", type=Path, nargs="?", default=Path())
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb and returns its exit status; user mistakes are told without a traceback."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    from jangin import commands

    try:
        return commands.run(arguments)
    except JanginError as error:
        return _tell(error, arguments.json)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a path that is not there, a disk that is full, where no verb said it better
        where = f"{error.filename}: " if error.filename else ""
        return _tell(
            InputError(f"{where}{error.strerror or error}", "check the path, its permissions and free space"),
            arguments.json,
        )


def _tell(error: JanginError, as_json: bool) -> int:
    if as_json:
        import json

        told = {
            "error": {"code": error.code, "message": error.message, "hint": error.hint, "retryable": error.retryable}
        }
        print(json.dumps(told, ensure_ascii=False))
    print(f"error: {error}", file=sys.stderr)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
