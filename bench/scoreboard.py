"""Writes the page of evidence, docs/results.md, its two charts and docs/energy.md from the JSON under docs/results.

    python bench/scoreboard.py

`quality.py` calls it after each claim. Every number on the pages comes from those files; figures that others published
come from `src/jangin/evals/published.yaml`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from claims import CLAIMS, PROMPTED
from energy import write_page as write_energy
from jangin.evals.references import published
from jangin.files import write_atomic
from results_read import LOST, OPEN, RESULTS, WON, Result, coded, prompted, results
from scoreboard_charts import against_bars, against_cost

DOCS = RESULTS.parent
PAGE, BARS, COST = "results.md", "results-bars.svg", "results-cost.svg"
HOW_TO_READ = """\
## How to read it

- **One row is one look.** The task's test was sealed: its answers were opened once, for the specialist that validation
  had chosen, after the claim was registered. A second look at the same test is held to a stricter level: limits of look
  1 are at 95 %, of look 2 at 97.5 %, and so on.
- **superior**: better than what it is held against, limits included. **non-inferior**: at most the agreed 0.02 worse.
  **inferior**: worse by more than that. **inconclusive**: this test cannot tell. Held against an absolute bar,
  *superior* means that the lower limit reaches the bar.
- **†, exploratory**: the absolute bar was set after a look at this test without a bar had shown a score. The stricter
  level pays for the second look, not for that: such a verdict describes, it does not prove.
- **paired**: the model named answered the same test rows, and its answers are at hand. **unpaired**: only its published
  score is. **figure**: the published score is of another set, comes without its number of rows, or is of a metric that
  has no interval of its own; it is taken as a constant.
- **These tests are public.** Bases and giants may have seen them, and trials on some of them were known before this
  code was written. An absolute bar says what was asked, not who was beaten: some are published figures of another
  split, some a plain baseline's score on this very test in such a trial. Each ladder says which.
- **The frozen English encoder of these rows worked in float32** (`minilm-l6`). Since then the climb takes the same base
  in integers ([decision 0019](decisions/0019-integers.md)): level beside n-grams on validation, twice as fast.
- **Being cheaper than GPT-4 proves little now**, so today's cheap tier stands beside it. Costs here are of a machine
  that is kept busy; the certificate's break-even pays for idle hours too.
- **Seconds and joules** are of the whole climb, all rungs tried, on the machine named below. No joule was measured: all
  are modelled, and [energy](energy.md) says how, and what they leave out.
"""
COSTS = """\
Dollars per 1,000 requests. *Here*: an assumed 0.04 USD a core-hour, batches in one process without HTTP, 256 rows or
more: one digit at best. *Reference*: for Banking77 what its paper states that it cost (2023); else the day's price
times the tokens of a plain prompt, which are fewer than those of the prompt really used. *Cheap tier*: the same tokens;
how well it answers was not measured. Joules are modelled. Latency is of single requests in one process, without HTTP;
results without one were measured before it was kept. *busy*: see [Machines](#machines).
"""
RUN_AGAIN = """\
## Run it again

```text
# not run by the tests: needs DATA, the extras train and decoder, and hours
python bench/quality.py DATA                    # what is kept is skipped; a finished training is used again
python bench/quality.py DATA --only pubmedqa --again
python bench/scoreboard.py                      # these pages from the JSON alone
```

`bench/claims.py` holds every claim with its bar, `bench/tasks_labelled.py` and `bench/tasks_written.py` how each data
set becomes a task. [Reproduce](reproduce.md) says what DATA is.
"""


def write_pages(folder: Path = RESULTS, docs: Path = DOCS) -> None:
    found = results(folder)
    write_atomic(docs / BARS, against_bars(found))
    write_atomic(docs / COST, against_cost(found))
    write_atomic(docs / PAGE, page(found, prompted(folder), coded(folder)))
    write_energy(found, docs)


def page(found: Sequence[Result], bases: Sequence[dict[str, Any]], code: Sequence[dict[str, Any]]) -> str:
    parts = [
        opening(found),
        f"![Scores on the sealed tests, with limits, beside what they were held against]({BARS})",
        HOW_TO_READ.rstrip(),
        "## Verdicts",
        verdicts(found),
        "## What it takes",
        costs(found),
        f"![Score against cost per 1,000 requests]({COST})",
        "## What is won",
        wins(found),
        "## What is not won",
        losses(found),
        "## What was not run",
        not_run(found),
        "## The ladders",
        ladders(found),
        "## Bases prompted as they are",
        as_they_are(bases, code),
        "## Machines",
        machines(found),
        RUN_AGAIN.rstrip(),
    ]
    return "\n\n".join(parts) + "\n"


def opening(found: Sequence[Result]) -> str:
    judged = [each for each in found if each.verdict]
    counts = Counter(_word(each) for each in judged)
    models = [each for each in judged if each.certified["reference"]]
    tests = len({each.claim.test for each in judged})
    unlikely = sum(each.trained["passes"] is False for each in judged)
    explored = sum(each.verdict in WON and each.known_score is not None for each in judged)
    ends = [
        (list(dict.fromkeys(each.claim.test for each in models if each.verdict in verdicts)), word)
        for verdicts, word in ((WON, "won"), (OPEN, "cannot be told"), (LOST, "lost"))
    ]
    small = max((each.trained["params"] for each in models if each.verdict in WON), default=0)
    said = [
        "Can a small model of your own take a narrow job off a giant one? This page is what happened when Jangin "
        "tried, on public data, with the losses beside the wins. It learnt each task from examples, or was shown "
        "some of them, on one or two processor cores, took the first model that was likely to pass, or the best where "
        f"none was ({unlikely} of {len(judged)} claims), and opened the sealed test.",
        f"{len(judged)} claims on {tests} tests have a verdict: **{counts['won']} won, {counts['open']} cannot be "
        f"told, {counts['lost']} lost**; {explored} of those won are exploratory (†). Held against a giant model, "
        f"GPT-4 or GPT-4 Turbo, stand {len({each.claim.test for each in models})} tests: "
        + "; ".join(f"{len(part)} {word} ({_list(part)})" for part, word in ends if part)
        + f". The largest specialist of a win against a giant has {small / 1e6:.0f} million parameters.",
        _templates(judged),
    ]
    return "\n\n".join(["# Results", *(fill(part, 120) for part in said if part)])


def _few(requests: int) -> str:
    """A 99th percentile of fewer is hardly more than the largest."""
    return f" (of {requests})" if requests < 100 else ""


def _templates(judged: Sequence[Result]) -> str:
    made = [each.name for each in judged if each.verdict in WON and each.claim.templates]
    if not made:
        return ""
    return f"Among the wins, {_list(made)} have texts made from templates, held against a round bar: they prove little."


def verdicts(found: Sequence[Result]) -> str:
    rows = []
    for each in found:
        told = each.certified
        rows.append(
            [
                f"[{each.name}](#{each.name})",
                each.claim.field,
                each.claim.language,
                f"**{each.verdict or 'no bar yet'}**{'' if each.known_score is None else ' †'}",
                f"{told['metric']} {told['score']:.3f} {_limits(told['score_lower'], told['score_upper'])}",
                _held_against(each),
                ""
                if each.difference is None
                else f"{each.difference:+.3f} {_limits(told['lower'], told['upper'], '+.3f')}",
                f"{told['n']:,}",
                str(each.found["look"]["number"]),
            ]
        )
    heads = ("task", "field", "language", "verdict", "score, limits", "held against", "difference, limits", "n", "look")
    parts = [_table(heads, rows)]
    scope = [
        [
            each.name,
            part.replace("_", " "),
            f"{value['score']:.3f} {_limits(value['lower'], value['upper'])}",
            f"{value['n']:,}",
        ]
        for each in found
        for part, value in (each.found["scope"] or {}).items()
    ]
    scope += [
        [each.name, str(row["label"]), _of_class(row), f"{row['n']:,}" if "n" in row else ""]
        for each in found
        for row in each.found.get("per_class") or []
    ]
    if scope:
        parts += ["Parts of a test that the one figure hides:", _table(("task", "part", "score", "n"), scope)]
    return "\n\n".join(parts)


def costs(found: Sequence[Result]) -> str:
    rows = []
    for each in found:
        own, reference, cheap = each.costs
        spent, latency = each.training_wh[0], each.latency_ms
        rows.append(
            [
                each.name + (" (busy)" if each.busy else ""),
                f"{each.trained['rung']}, {each.trained['params'] / 1e6:.1f} M",
                f"{each.trained['seconds']:,.0f}",
                f"{spent * 3.6:,.1f}",
                _usd(own),
                _usd(reference),
                _usd(cheap),
                "" if latency is None else f"{_ms(latency['p50'])} / {_ms(latency['p99'])}{_few(each.requests)}",
                each.found["cost"]["own"]["date"],
            ]
        )
    heads = ("task", "specialist, parameters", "training, s", "training, kJ (modelled)", "here, $ per 1,000")
    heads += ("reference", "cheap tier", "latency p50 / p99, ms", "prices of")
    return f"{_table(heads, rows)}\n\n{COSTS.rstrip()}"


def wins(found: Sequence[Result]) -> str:
    return _accounts(found, WON)


def losses(found: Sequence[Result]) -> str:
    return _accounts(found, (*LOST, *OPEN))


def _accounts(found: Sequence[Result], verdicts: Sequence[str]) -> str:
    parts = []
    for each in sorted(found, key=lambda each: each.difference or 0.0):
        if each.verdict not in verdicts:
            continue
        tried = [rung for rung in each.trained["rungs"] if rung["status"] == "tried"]
        best = max(tried, key=lambda rung: rung["score"])
        said = [f"**{each.name}, {each.verdict}.** {each.certified['sentence']}"]
        names = ", ".join(f"{rung['rung']} {rung['score']:.3f}" for rung in tried)
        said.append(f"Tried, on validation: {names}; the best was {best['rung']}.")
        if each.trained["passes"] is False:
            said.append("Validation gave it too small a chance of passing: `train` advised against opening the test.")
        if each.note:
            said.append(each.note)
        parts.append(" ".join(said))
    return "\n\n".join(parts) or "Nothing yet."


def not_run(found: Sequence[Result]) -> str:
    done = {each.name for each in found}
    said = [f"No result: {_list(name for name in CLAIMS if name not in done)}."] if done < CLAIMS.keys() else []
    if older := [each.name for each in found if each.verdict is None]:
        said.append(f"A result from before the claim had a bar, so no verdict: {_list(older)}.")
    return " ".join(said) or "Every claim has its verdict."


def ladders(found: Sequence[Result]) -> str:
    said = (
        "Every rung that was tried or skipped, on validation; the chance is that of passing the bar on the test. The "
        "test played no part in choosing."
    )
    return "\n\n".join([said, *(_ladder(each) for each in found)])


def _ladder(each: Result) -> str:
    rows = []
    for rung in each.trained["rungs"]:
        name = f"**{rung['rung']}**" if rung["rung"] == each.trained["rung"] else rung["rung"]
        if rung["status"] != "tried":
            rows.append([name, f"{rung['status']}: {rung.get('why', '')}", "", "", "", "", ""])
            continue
        chance = rung.get("chance")
        rows.append(
            [
                name,
                f"{rung['score']:.3f} {_limits(rung.get('lower'), rung.get('upper'))}",
                "" if chance is None else f"{chance:.2f}",
                f"{rung['params'] / 1e6:.1f} M",
                f"{rung['seconds']:,.1f}",
                f"{rung['energy_wh'] * 3600:,.0f}",
                _usd(rung["cost_per_1k_usd"]),
            ]
        )
    heads = (
        "rung (chosen in bold)",
        each.certified["metric"],
        "chance",
        "parameters",
        "s",
        "J, modelled",
        "$ per 1,000",
    )
    notes = " ".join(part for part in (_bar_told(each), each.note) if part)
    return "\n\n".join(part for part in (f"### {each.name}", notes, _table(heads, rows)) if part)


def as_they_are(bases: Sequence[dict[str, Any]], code: Sequence[dict[str, Any]]) -> str:
    said = (
        "No training, no verdict: estimates by `jangin eval` and `bench/code_generation.py`, greedy. They read rows "
        "of tests that claims open too (spider_dev, wikisql, mbpp), which the register does not count. A part of "
        "HumanEval or MBPP is its first problems, which are easier than the rest. MBPP has no published figure on "
        "these problems."
    )
    rows = []
    for each in bases:
        told, test = each["evaluated"], PROMPTED[each["claim"]][0]
        rows.append(_base_row(each["base"], test, told["metric"], told["score"], told, each.get("of", told["n"]), ""))
    figures = published()
    for each in code:
        for test, told in each.items():
            if not isinstance(told, dict):
                continue
            beside = [
                f"{found.model} {found.score:.3f} ({found.date}{', second-hand' if found.second_hand else ''})"
                for name, found in figures.items()
                if test == "humaneval"
                and told.get("of", told["n"]) == told["n"]
                and name.split("/")[1].startswith(test)
                and name.split("/")[0] in ("gpt-4", "gpt-4-turbo", each["base"])
            ]
            base = each["base"] + ("" if each["engine"] == "jangin" else f" ({each['engine']})")
            rows.append(
                _base_row(
                    base, test, "pass_at_1", told["pass_at_1"], told, told.get("of", told["n"]), "; ".join(beside)
                )
            )
    if not rows:
        return said
    heads = ("base", "test", "metric", "score, limits", "n", "published")
    return f"{said}\n\n{_table(heads, rows)}"


def _base_row(
    base: str, test: str, metric: str, score: float, told: dict[str, Any], whole: int, beside: str
) -> list[str]:
    asked = f"{told['n']:,}" + (f" of {whole:,}" if whole > told["n"] else "")
    return [base, test, metric, f"{score:.3f} {_limits(told['lower'], told['upper'])}", asked, beside]


def machines(found: Sequence[Result]) -> str:
    seen: dict[str, list[str]] = {}
    for each in found:
        told = each.found.get("machine")
        name = f"{told['processor']}, {told['cores']} core(s), Python {told['python']}" if told else "not kept"
        price = each.found["cost"]["machine"]["method"]
        seen.setdefault(f"{name}; {price}", []).append(each.name)
    lines = [f"- {', '.join(names)}: {told}." for told, names in seen.items()]
    if unknown := [each.name for each in found if each.load is None]:
        lines.append(f"- Whether other work ran beside these was not kept: {_list(unknown)}.")
    if busy := [each for each in found if each.busy]:
        lines.append(
            "- Other work ran beside these, so their seconds, joules, costs and latencies are too high, some many "
            f"times; their scores are not touched by it: {_list(f'{each.name} (load {each.load:g})' for each in busy)}."
        )
    return "\n".join(lines)


def _held_against(each: Result) -> str:
    told, about = each.certified, each.found.get("reference") or {}
    if not told["reference"]:
        return "" if each.at_least is None else f"at least {each.at_least:g}"
    constant = each.found["method"].startswith("compared with the figure")
    how = "paired" if told["paired"] else "figure" if constant else "unpaired"
    name = about.get("model") or ("recorded answers" if told["paired"] else told["reference"])
    absolute = f", and at least {each.at_least:g}" if each.at_least else ""
    return f"{name} {told['reference_score']:.3f}, {how}{absolute}"


def _bar_told(each: Result) -> str:
    return f"Bar {each.at_least:g}: {each.bar_from}." if each.at_least is not None and each.bar_from else ""


def _of_class(row: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {row[name]:.3f}" for name in ("f1", "precision", "recall") if isinstance(row.get(name), float)
    )


def _word(each: Result) -> str:
    return "won" if each.verdict in WON else "open" if each.verdict in OPEN else "lost"


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _limits(lower: float | None, upper: float | None, form: str = ".3f") -> str:
    return "" if lower is None or upper is None else f"({lower:{form}} to {upper:{form}})"


def _usd(value: float | None) -> str:
    if value is None:
        return ""
    if value >= 1:
        return f"{value:,.2f}"
    digits = f"{value:.12f}"
    first = next((at for at, digit in enumerate(digits) if digit not in "0."), 2)
    return f"{value:.{max(2, first)}f}"


def _ms(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    lines += [f"| {' | '.join(cell.strip().replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    write_pages()
