"""Writes the pages that are made from other files: docs/cli.md from the parser, the list of decisions from the notes.

Run by `make docs`; a test says when a page is out of date. The reference is built from argparse's own help texts, but
laid out as tables, because argparse lays them out differently from one Python version to the next.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from pathlib import Path

from jangin.cli import build_parser

DOCS = Path(__file__).resolve().parent
# What the parser need not say, because its epilog does.
KNOWN = {
    "TASK": "a task folder or its task.yaml",
    "SPECIALIST": "a folder that train wrote",
    "FILE": "JSONL, CSV or Parquet",
    "DIR": "the folder that holds the specialists (default: .)",
    "--on": "labelled data, of any format that a task reads",
    "--host": "the address to listen on",
}
HEAD = "<!-- Written by docs/generate.py from the code; do not edit. -->\n"


def cli() -> str:
    """The page of the command line."""
    parser = build_parser()
    verbs = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    about = {choice.dest: choice.help or "" for choice in verbs._choices_actions}
    lines = [f"{HEAD}# The command line", "", parser.description or "", "", wrapped(parser.epilog or ""), ""]
    lines += ["| verb | does |", "|---|---|"]
    lines += [f"| [`{name}`](#jangin-{name}) | {cell(text)} |" for name, text in about.items()]
    lines += ["", "`jangin --version` prints the version. Every verb takes `--help` and `--json`.", ""]
    for name, verb in verbs.choices.items():
        lines += section(name, verb)
    return "\n".join(lines)


def section(name: str, verb: argparse.ArgumentParser) -> list[str]:
    """A verb's heading, usage and arguments; of a verb that has verbs of its own, what each does, then each of them."""
    below = next((action for action in verb._actions if isinstance(action, argparse._SubParsersAction)), None)
    if below is None:
        return arguments(name, verb)
    lines = [f"## jangin {name}", "", wrapped(verb.description or ""), "", "| verb | does |", "|---|---|"]
    lines += [f"| `{name} {choice.dest}` | {cell(choice.help or '')} |" for choice in below._choices_actions]
    lines.append("")
    for each, parser in below.choices.items():
        lines += arguments(f"{name} {each}", parser)
    return lines


def arguments(name: str, verb: argparse.ArgumentParser) -> list[str]:
    formatter = verb._get_formatter()
    positional = [action for action in verb._actions if not action.option_strings]
    options = [action for action in verb._actions if action.option_strings and action.dest != "help"]
    usage = " ".join(["jangin", name, *(formatter._format_args(each, each.dest.upper()) for each in positional)])
    lines = [f"## jangin {name}", "", wrapped(verb.description or ""), "", f"Usage: `{usage} [options]`", ""]
    lines += ["| argument | meaning |", "|---|---|"]
    for action in [*positional, *options]:
        known = KNOWN.get(action.option_strings[0] if action.option_strings else str(action.metavar), "")
        meaning = formatter._expand_help(action) if action.help else known
        required = " (required)" if action.option_strings and action.required else ""
        lines.append(f"| `{spelling(action)}` | {cell(meaning)}{required} |")
    return [*lines, ""]


def spelling(action: argparse.Action) -> str:
    if not action.option_strings:
        return str(action.metavar)
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    return ", ".join(action.option_strings) + value


def decisions() -> str:
    """The list of decision notes, by their first lines."""
    lines = [f"{HEAD}# Decisions", ""]
    lines += ["Each note is dated, carries the figures that decided, and keeps what failed.", ""]
    lines += ["| note | date | decision |", "|---|---|---|"]
    for path in sorted((DOCS / "decisions").glob("[0-9]*.md")):
        text = path.read_text(encoding="utf-8")
        title = re.sub(r"^# \d+:? *", "", text.splitlines()[0])
        date = re.search(r"\d{4}-\d\d-\d\d", text)
        lines.append(f"| [{path.stem[:4]}]({path.name}) | {date[0] if date else ''} | {cell(title)} |")
    return "\n".join(lines) + "\n"


def wrapped(text: str) -> str:
    return textwrap.fill(text, 118)


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PAGES = {"cli.md": cli, "decisions/README.md": decisions}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
