"""What is to be replaced: a published score by its id, or a file of recorded answers, one per test example."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import msgspec

from jangin.data.text import normalise_text
from jangin.errors import DataError, InputError
from jangin.files import hash_file
from jangin.prompt import render
from jangin.task import RECORDED_SUFFIXES, Task
from jangin.types import Example, Kind

_WORD = re.compile(r"[\W_]+")


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """One recorded answer as it came. `unscored`: why there is none; `output` None: a refusal."""

    number: int
    output: Any
    id: str | None = None
    input: str | None = None
    unscored: str | None = None


class Reference(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the specialist is compared with.

    score, n: published ones. Of recorded answers the score is computed; one that their header states serves the climb,
    which may not open the test. usd_per_query, prompt_tokens,
    completion_tokens: means where they were stated or recorded. price: {provider, model} in genai-prices.
    test_published, cutoff: dates, as much of them as is known. sha256: of the recorded file.
    """

    id: str
    kind: Literal["published", "recorded"]
    model: str
    setting: str = ""
    metric: str | None = None
    score: float | None = None
    n: int | None = None
    source: str = ""
    date: str | None = None
    second_hand: bool = False
    usd_per_query: float | None = None
    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    latency_s: float | None = None
    price: dict[str, str] | None = None
    test: str | None = None
    test_published: str | None = None
    cutoff: str | None = None
    terms: str = "terms of the provider apply; not checked"
    sha256: str | None = None
    rows: list[Row] = []

    def claimed(self) -> dict[str, Any]:
        """What a look registers of it."""
        return {"id": self.id, "kind": self.kind, "score": self.score, "n": self.n, "sha256": self.sha256}


class Matched(msgspec.Struct, frozen=True):
    """The reference's answer to one test example; both None: it could not be parsed, or was refused, and is wrong."""

    answer: str | list[str] | dict[str, Any] | None
    unscored: str | None = None


def load(reference: str, task: Task) -> Reference:
    """The reference of that id, or of that file (looked for beside the task first).

    Raises: InputError for an unknown id, naming near ones, or another metric than the task's; DataError for a file.
    """
    if reference.endswith(RECORDED_SUFFIXES):
        beside = task.folder / reference
        return _recorded(beside if beside.is_file() else Path(reference), reference)
    known = published()
    if reference not in known:
        near = get_close_matches(reference, known, n=3, cutoff=0.5)
        near += [name for name in known if reference.rsplit("/", 1)[-1] in name and name not in near]
        usable = [name for name, each in known.items() if each.metric == task.metric]
        hint = " or ".join(f"'{name}'" for name in near[:3])
        raise InputError(
            f"no published reference '{reference}'",
            f"did you mean {hint}?" if near else f"those for {task.metric} are: {', '.join(usable) or 'none'}",
        )
    found = known[reference]
    if found.metric != task.metric and not _same_figure(found.metric, task):
        raise InputError(
            f"reference '{reference}' is published as {found.metric}; the task's metric is {task.metric}",
            f"write 'metric: {found.metric}' in the task file, or name another reference",
        )
    return found


def _same_figure(metric: str | None, task: Task) -> bool:
    """Two names for one number: micro-F1 of single labels is accuracy; of one tag, every F1 is that of 'flagged'."""
    if task.kind == "classify":
        return {metric, task.metric} == {"accuracy", "micro_f1"}
    one_tag = task.labels is not None and len(task.labels) == 1
    return one_tag and metric == "flagged_f1" and task.metric in ("micro_f1", "macro_f1")


@cache
def published() -> dict[str, Reference]:
    """Every published figure by id."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    raw = yaml.load(files(__package__).joinpath("published.yaml").read_text("utf-8"), loader)
    return {
        each["id"]: _published(each, raw["models"][each["model"]], raw["tests"][each["test"]])
        for each in raw["figures"]
    }


def _published(figure: dict[str, Any], model: dict[str, Any], test: dict[str, Any]) -> Reference:
    usd, n = figure.get("usd"), figure.get("n")
    return Reference(
        id=figure["id"],
        kind="published",
        model=model["name"],
        setting=figure["setting"],
        metric=figure["metric"],
        score=figure["score"],
        n=n,
        source=figure["source"],
        date=figure.get("date"),
        second_hand=figure.get("second_hand", False),
        usd_per_query=usd / n if usd else None,
        price=model.get("price"),
        test=test["name"],
        test_published=test["published"],
        cutoff=model.get("cutoff"),
        terms="a published figure; no answers of the model are held",
    )


def match(reference: Reference, examples: Sequence[Example], kind: Kind, labels: Sequence[str]) -> list[Matched]:
    """One answer for each example, by id where the rows have ids, else by rendered input.

    Raises: DataError when an answer is missing, superfluous or stands twice.
    """
    by_id = all(row.id is not None for row in reference.rows)
    name = Path(reference.id).name
    found: dict[str, list[Row]] = {}
    for row in reference.rows:
        key = row.id if by_id else row.input
        if key is None:
            raise DataError(f"{name}, row {row.number}: neither 'id' nor 'input'", "give every row the test's id")
        found.setdefault(key, []).append(row)
    keys = [example.id if by_id else render(example.input) for example in examples]
    times: dict[str, int] = {}
    for key in keys:
        times[key] = times.get(key, 0) + 1
    for key, rows in found.items():
        if len(rows) > 1 and len(rows) != times.get(key):
            raise DataError(
                f"{name}: rows {rows[0].number} and {rows[1].number} answer the same example", "keep one of them"
            )
    missing = [example.id for example, key in zip(examples, keys) if key not in found]
    if missing:
        what = "by id" if by_id else "by input"
        raise DataError(
            f"{name}: {len(missing):,} of {len(examples):,} test examples have no answer (matched {what}; first: "
            f"'{missing[0]}')",
            "record the missing rows, each with the id of its test example",
        )
    beyond = [rows[0].number for key, rows in found.items() if key not in times]
    if beyond:
        raise DataError(
            f"{name}: {len(beyond):,} rows answer no test example (first: row {beyond[0]})",
            "is this the reference of another test?",
        )
    if all(row.unscored is not None for row in reference.rows):
        raise DataError(f"{name}: all of its answers are unscored; expected at least one answer", "record it again")
    parse = _Parser(kind, labels)
    return [parse.matched(rows.pop(0) if len(rows := found[key]) > 1 else rows[0]) for key in keys]


class _Parser:
    """Reads an answer leniently, which favours the reference: case, spaces, quotes and a full stop do not matter."""

    def __init__(self, kind: Kind, labels: Sequence[str]):
        self.kind, self.exact = kind, set(labels)
        loose: dict[str, list[str]] = {}
        for label in labels:
            loose.setdefault(_loose(label), []).append(label)
        self.loose = {key: same[0] for key, same in loose.items() if len(same) == 1}

    def matched(self, row: Row) -> Matched:
        if row.unscored is not None:
            return Matched(None, row.unscored)
        read = {"classify": self.label, "tag": self.tags, "extract": self.object, "generate": self.text}
        return Matched(read[self.kind](row.output))

    def label(self, value: Any) -> str | None:
        if isinstance(value, bool):
            value = "true" if value else "false"
        if not isinstance(value, str | int):
            return None
        text = normalise_text(str(value)).strip()
        return text if text in self.exact else self.loose.get(_loose(text))

    def tags(self, value: Any) -> list[str] | None:
        if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
            try:
                value = msgspec.json.decode(value)
            except (msgspec.DecodeError, RecursionError):
                return None
        if isinstance(value, dict):
            value = [label for label, state in value.items() if state]
        if isinstance(value, str):
            value = [part for part in value.split(",") if part.strip()]
        if not isinstance(value, list):
            return None
        return sorted({label for part in value if (label := self.label(part)) is not None})

    def object(self, value: Any) -> dict[str, Any] | None:
        """The JSON object, also out of a text that says more before and after it."""
        for text in (value, value[value.find("{") : value.rfind("}") + 1]) if isinstance(value, str) else ():
            try:
                value = msgspec.json.decode(text)
                break
            except (msgspec.DecodeError, RecursionError):
                continue
        return value if isinstance(value, dict) else None

    def text(self, value: Any) -> str | None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        return value if isinstance(value, str) else None


def _loose(text: str) -> str:
    return _WORD.sub(" ", text.casefold()).strip()


def _recorded(path: Path, name: str) -> Reference:
    about: dict[str, Any] = {}
    rows: list[Row] = []
    totals: dict[str, list[float]] = {}
    for number, fields in _lines(path):
        if number == 1 and not fields.keys() & {"id", "input", "output", "unscored"}:
            about = fields
            continue
        rows.append(_row(path, number, fields))
        if not about.get("model") and isinstance(fields.get("model"), str):
            about["model"] = fields["model"]
        for key in ("cost_usd", "prompt_tokens", "completion_tokens", "latency_s"):
            if (
                rows[-1].unscored is None
                and isinstance(value := fields.get(key), int | float)
                and not isinstance(value, bool)
            ):
                totals.setdefault(key, []).append(float(value))
    if not rows:
        raise DataError(f"{path.name}: no answers", "record at least one answer for each test example")
    answered = sum(row.unscored is None for row in rows)  # a request that failed has neither tokens nor a price
    mean = {key: sum(values) / answered for key, values in totals.items() if len(values) == answered}
    model = str(about.get("model") or "unknown model")
    return Reference(
        id=name,
        kind="recorded",
        model=model,
        setting=str(about.get("setting") or about.get("prompt") or ""),
        score=_stated_score(path, about),
        source=str(about.get("source") or path.name),
        date=about.get("date"),
        usd_per_query=mean.get("cost_usd"),
        prompt_tokens=mean.get("prompt_tokens"),
        completion_tokens=mean.get("completion_tokens"),
        latency_s=mean.get("latency_s"),
        price=about.get("price") or {"model": model},
        test=about.get("test"),
        test_published=about.get("test_published"),
        cutoff=about.get("cutoff"),
        terms=str(about.get("terms") or "terms of the provider apply; not checked"),
        sha256=hash_file(path),
        rows=rows,
    )


def _stated_score(path: Path, about: dict[str, Any]) -> float | None:
    score = about.get("score")
    if score is None:
        return None
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        raise DataError(f"{path.name}, row 1: 'score' is not a number from 0 to 1", "mend it, or leave it out")
    return float(score)


def _row(path: Path, number: int, fields: dict[str, Any]) -> Row:
    if "output" not in fields and not fields.get("unscored"):
        raise DataError(
            f"{path.name}, row {number}: neither 'output' nor 'unscored'",
            "write 'output': null for a refusal, 'unscored': \"timeout\" for a transport failure",
        )
    given, unscored = fields.get("input"), fields.get("unscored")
    return Row(
        number=number,
        output=fields.get("output"),
        id=None if fields.get("id") is None else normalise_text(str(fields["id"])).strip(),
        input=render(given) if isinstance(given, str | list) and given else None,
        unscored=("transport failure" if unscored is True else str(unscored)) if unscored else None,
    )


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of a JSONL file, plain or gzipped."""
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                try:
                    yield number, msgspec.json.decode(line, type=dict[str, Any])
                except (msgspec.DecodeError, RecursionError):
                    raise DataError(
                        f"{path.name}, row {number}: not a JSON object", "write one object a line"
                    ) from None
    except FileNotFoundError:
        raise DataError(
            f"no recorded reference '{path}'", "check the path; it is looked for beside the task file first"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise DataError(
            f"'{path}' cannot be read: {why}", "check the path, its permissions and that it is whole"
        ) from None
