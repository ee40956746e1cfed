"""The command line: parse, call, print. Every verb is one arrow of the path; what it does lives in its own module."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from jangin import __version__, operate
from jangin.errors import InputError, JanginError

_UNITS = {"": 1, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd]?)")


def duration(text: str) -> float:
    """'90', '90s', '50ms', '30m', '2h' or '90d' in seconds."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise argparse.ArgumentTypeError(f"'{text}' is not a duration: write 90s, 30m or 2h")
    return float(found[1]) * _UNITS[found[2]]


def whole(text: str) -> int:
    """A whole number from 0 on."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 0 on")
    return int(text)


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if (number := whole(text)) == 0:
        raise argparse.ArgumentTypeError("0 is too small: write a whole number from 1 on")
    return number


def dollars(text: str) -> float:
    """A sum of money from 0 on."""
    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    if not 0 <= amount < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not an amount: write 2.50, say")
    return amount


def share(text: str) -> float:
    """A share above 0.5 and below 1, as the task file's policy has it."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.5 < number < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a share above 0.5 and below 1: write 0.97, say")
    return number


def prices(text: str) -> tuple[float, float]:
    """'2.5,10': US dollars per million prompt and answer tokens."""
    given, comma, answered = text.partition(",")
    if not comma:
        raise argparse.ArgumentTypeError(f"'{text}' is not two prices: write 2.5,10, say")
    return dollars(given), dollars(answered)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jangin",
        description="Replace calls to a giant model with a small specialist that you own, and prove it first.",
        epilog="The path: init, check, record, train, certify, serve, report. TASK is a task folder or its task.yaml; "
        "SPECIALIST is a folder that train wrote. Exit status: 0 done, 1 the comparison said no, 2 bad input.",
    )
    parser.add_argument("--version", action="version", version=f"jangin {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, about: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
        added.add_argument("--json", action="store_true", help="print one JSON document on stdout")
        return added

    init = verb("init", "write a commented task file from a data file")
    init.add_argument("data", metavar="DATA", type=Path, nargs="?", help="JSONL, CSV, Parquet or OpenAI chat JSONL")
    init.add_argument(
        "--from-capture", metavar="PATH", type=Path, help="a file or folder of captured exchanges instead"
    )
    init.add_argument("-o", "--out", metavar="DIR", type=Path, default=Path(), help="folder for task.yaml (default: .)")

    check = verb("check", "check a task's data; exit 2 when training on it would be dishonest")
    check.add_argument("task", metavar="TASK", type=Path)
    check.add_argument("--fix", metavar="DIR", type=Path, help="write a mended copy and a report into DIR")

    pull = verb("pull", "fetch bases into the store")
    pull.add_argument("base", metavar="BASE", nargs="+", help="an id of the catalogue, a local folder, or owner/name")

    record = verb("record", "freeze a live model's answers to the sealed test's inputs as a reference")
    record.add_argument("task", metavar="TASK", type=Path)
    record.add_argument("--endpoint", metavar="URL", required=True, help="base URL of an OpenAI-compatible API")
    record.add_argument("--model", metavar="NAME", required=True, help="the model as the API calls it")
    record.add_argument("--key-env", metavar="NAME", help="environment variable with the key (OPENAI_API_KEY)")
    record.add_argument(
        "--prompt", metavar="FILE", type=Path, help="your instruction; {input}, {labels} and {schema} are filled in"
    )
    record.add_argument("--shots", metavar="N", type=whole, default=0, help="show N examples of train (default: 0)")
    record.add_argument("--json-schema", action="store_true", help="have the API enforce the task's schema")
    record.add_argument("--max-tokens", metavar="N", type=positive, help="of an answer (256; extract, generate: 1024)")
    record.add_argument("--split", choices=("test", "validation"), default="test")
    record.add_argument("-o", "--out", metavar="FILE", type=Path, help="default: TASK/reference.MODEL.jsonl")
    record.add_argument("--parallel", metavar="N", type=positive, default=8, help="requests at a time (default: 8)")
    record.add_argument("--rpm", metavar="N", type=positive, help="requests a minute at most")
    record.add_argument("--tpm", metavar="N", type=positive, help="tokens a minute at most")
    record.add_argument("--timeout", type=duration, default="60s", help="of one try (default: 60s)")
    record.add_argument("--max-usd", metavar="X", type=dollars, help="stop before more is spent on this file")
    record.add_argument("--price", metavar="IN,OUT", type=prices, help="USD per million prompt and answer tokens")
    record.add_argument("--redact", metavar="NAME", help="pii, or MODULE:FUNCTION from text to text, before sending")
    record.add_argument("--yes", action="store_true", help="do not ask before texts leave")
    record.add_argument("--insecure-http", action="store_true", help="allow plain http to another machine")
    record.add_argument("--retry-unscored", action="store_true", help="ask again for what got no answer")

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

    settle = verb("settle", "draw the threshold for another promise about local answers; nothing is trained")
    settle.add_argument("specialist", metavar="SPECIALIST", type=Path)
    settle.add_argument(
        "--target", metavar="SHARE", type=share, help="of local answers that are right (default: the policy's)"
    )
    settle.add_argument("--confidence", metavar="SHARE", type=share, help="of the promise (default: the policy's)")

    export = verb("export", "write a decoder specialist in the form that another server reads")
    export.add_argument("specialist", metavar="SPECIALIST", type=Path)
    export.add_argument("--to", choices=("gguf", "ollama", "hf", "vllm"), required=True, help="the form")
    export.add_argument("-o", "--out", metavar="DIR", type=Path, help="a new folder (default: SPECIALIST-FORM)")
    export.add_argument(
        "--merged", action=argparse.BooleanOptionalAction, help="base and adapter in one GGUF (ollama: the default)"
    )
    export.add_argument("--quantise", choices=("q8_0", "f16", "bf16"), help="of the merged tensors (default: q8_0)")
    export.add_argument("--task", metavar="TASK", type=Path, help="judges a merged file (default: the record's)")

    route = verb("route", "make the routing profiles of specialists that were packed without, for `model: auto`")
    route.add_argument("specialist", metavar="SPECIALIST", type=Path, nargs="+")

    predict = verb("predict", "answer a file, streaming and resumable")
    predict.add_argument("specialist", metavar="SPECIALIST", type=Path)
    predict.add_argument("data", metavar="FILE", type=Path)
    predict.add_argument("-o", "--out", metavar="OUT", type=Path, help="JSONL; default: stdout")
    predict.add_argument("--field", metavar="NAME", help="the column to read (default: input, text or messages)")
    predict.add_argument("--probabilities", action="store_true", help="every label's probability in each row")

    serve = verb("serve", "serve specialists behind OpenAI's API")
    serve.add_argument("specialist", metavar="SPECIALIST", type=Path, nargs="*")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8080, help="0 takes a free one (default: 8080)")
    serve.add_argument("--state", metavar="DIR", type=Path, help="keys, ledger, audit log (default: JANGIN_STATE)")
    serve.add_argument("--open", action="store_true", help="answer without keys, on this machine only")
    serve.add_argument("--ledger", metavar="URL", help="a file, or postgresql://... without a password")
    serve.add_argument("--durability", choices=("process", "power"), default="process", help="power: fsync each group")
    serve.add_argument("--config", metavar="FILE", type=Path, help="what may leave: docs/egress.md (default: nothing)")
    serve.add_argument("--task", metavar="TASK", type=Path, action="append", default=[], help="passes through; repeat")
    serve.add_argument("--tls-cert", metavar="FILE", type=Path, help="certificate chain, PEM")
    serve.add_argument("--tls-key", metavar="FILE", type=Path, help="its private key, PEM")
    serve.add_argument("--behind-proxy", action="store_true", help="a proxy in front of it speaks TLS")
    serve.add_argument("--engine-timeout", type=duration, default="30s", help="restart an engine that hangs this long")
    serve.add_argument("--max-waiting", metavar="N", type=int, default=4096, help="texts that may wait (default: 4096)")
    serve.add_argument(
        "--max-wait", metavar="TIME", type=duration, help="429 beyond so much work (default: 20s; written answers 60s)"
    )
    serve.add_argument(
        "--prefix-cache",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="decoders do not read again what a prompt shares with an earlier one (default: on)",
    )
    serve.add_argument(
        "--log",
        choices=("off", "errors", "text", "json"),
        default="errors",
        help="requests on stderr (default: errors)",
    )
    serve.add_argument(
        "--otel",
        action=argparse.BooleanOptionalAction,
        help="export figures of requests by OTLP (default: if OTEL_EXPORTER_OTLP_ENDPOINT is set)",
    )
    serve.add_argument(
        "--console", action=argparse.BooleanOptionalAction, default=True, help="pages at /console (default: on)"
    )
    serve.add_argument(
        "--public-certificates", action="store_true", help="certificates at /certificates, for everybody, without a key"
    )

    keys = verb("keys", "add, list, rotate and revoke a server's API keys, also while it runs")
    keys.add_argument("act", choices=("add", "list", "rotate", "revoke"))
    keys.add_argument("name", metavar="NAME", nargs="?", help="of the key (rotate, revoke: or its id)")
    keys.add_argument("--state", metavar="DIR", type=Path, help="the server's folder (default: JANGIN_STATE)")
    keys.add_argument(
        "--role", action="append", choices=("ask", "admin", "metrics"), help="may be repeated (default: ask)"
    )
    keys.add_argument("--task", metavar="NAME", action="append", help="a specialist it may ask; default: all")
    keys.add_argument("--lasts", metavar="TIME", type=duration, help="ends by itself: 90d, say")
    keys.add_argument("--requests-per-minute", metavar="N", type=positive)
    keys.add_argument("--tokens-per-minute", metavar="N", type=positive)
    keys.add_argument("--concurrent", metavar="N", type=positive, help="requests at a time")
    keys.add_argument("--usd-per-day", metavar="X", type=dollars, help="budget, by UTC day")
    keys.add_argument("--usd-per-month", metavar="X", type=dollars)
    keys.add_argument("--grace", metavar="TIME", type=duration, default="24h", help="rotate: the old one's rest (24h)")

    report = verb("report", "one page of everything tried and proven")
    report.add_argument("folder", metavar="DIR", type=Path, nargs="?", default=Path())

    operate.add(verb)
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
