"""A certificate as a page for people: Markdown, and one self-contained HTML file that a risk officer can read."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from typing import Any, NamedTuple

from jangin import charts
from jangin.evals.arithmetic import Answer
from jangin.evals.certificate import Certificate
from jangin.evals.wording import METRIC_NAMES, parity_words
from jangin.meter import Figure
from jangin.page import TONE, folded, number, page, small, table

CHECK = (
    "jangin certify --verify certificate.json   # recomputes the comparison, checks the hashes\n"
    "jangin certify --rerun certificate.json    # also opens the test and predicts it again"
)
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|])")


class Section(NamedTuple):
    """A heading and its facts: (name, value, how it was obtained)."""

    title: str
    facts: list[tuple[str, str, str]]


def sections(c: Certificate) -> list[Section]:
    """Every figure that both forms show, in their order."""
    return [
        Section("The comparison", _comparison(c)),
        Section("Speed, cost and energy", _resources(c)),
        *([Section("Are its confidences true?", _calibration(c))] if c.calibration else []),
        Section("What it was built from", _origins(c)),
        Section("Safeguards", _safeguards(c)),
        Section("Hashes", _hashes(c)),
    ]


def markdown(c: Certificate) -> str:
    """The certificate as Markdown; texts of users are escaped."""
    parts = [f"# Certificate: {_md(c.specialist['name'])}", "", f"**{_md(c.sentence)}**", "", "## What it does not say"]
    parts += ["", *(f"- {_md(said)}" for said in c.not_said), "", "## Is replacing worth it?", ""]
    parts += [f"- {_md(each.says)}" for each in c.cost.break_even]
    for section in sections(c):
        parts += ["", f"## {section.title}", "", "| | | how |", "|---|---|---|"]
        parts += [f"| {_md(name)} | {_md(value)} | {_md(how)} |" for name, value, how in section.facts]
    headers, rows = _classes(c)
    if rows:
        parts += ["", f"## {_by(c)}", "", f"| {' | '.join(headers)} |", "|---" * len(headers) + "|"]
        parts += [f"| {' | '.join(map(_md, row))} |" for row in rows]
    parts += ["", "## Check it yourself", "", "```", CHECK, "```", ""]
    return "\n".join(parts)


def html(c: Certificate, answers: Sequence[Answer]) -> str:
    """One file without network or script. `answers` give the confusion pairs."""
    return page(f"Certificate: {c.specialist['name']}", body(c, answers))


def body(c: Certificate, answers: Sequence[Answer], say: Callable[[str], str] = str) -> str:
    """What stands on that page. say: puts each sentence of ours into another language."""

    def said(text: str) -> str:
        return escape(say(text))

    verdict = c.result["verdict"]
    parts = [
        f'<p class="soft">{said(f"Certificate · issued {c.date} · renew by {c.renew_by}")}</p>',
        f"<h1>{escape(c.specialist['name'])}</h1>",
        f"<p>{escape(c.task['description'])}</p>" if c.task["description"] else "",
        f'<p><span class="verdict {TONE[verdict]}">{said(verdict or "no bar: an estimate")}</span></p>',
        f'<p class="lead">{said(c.sentence)}</p>',
        _difference(c, said),
        f'<div class="card"><h2>{said("What it does not say")}</h2><ul>',
        *(f"<li>{said(each)}</li>" for each in c.not_said),
        "</ul></div>",
        f"<h2>{said('Is replacing worth it?')}</h2><ul>",
        *(f"<li>{said(each.says)}</li>" for each in c.cost.break_even),
        "</ul>",
    ]
    for section in sections(c):
        parts.append(f"<h2>{said(section.title)}</h2>")
        if section.title.startswith("Are its"):
            parts.append(f"<figure>{charts.calibration(c.calibration['bins'])}</figure>")
        parts.append(_facts(section.facts, say))
        if section.title == "The comparison":
            parts += [_per_class(c, say), _confusions(c, answers, say)]
    check = f"<pre>{escape(CHECK)}</pre><p class='soft'>id <code>{c.id}</code></p>"
    parts.append(f"<h2>{said('Check it yourself')}</h2>{check}")
    return "\n".join(parts)


def _difference(c: Certificate, said: Callable[[str], str]) -> str:
    result = c.result
    if result["reference_score"] is None or result["difference"] is None:
        return ""
    chart = charts.difference(result["difference"], result["lower"], result["upper"], c.claim.margin)
    caption = f"{METRIC_NAMES.get(c.claim.metric, c.claim.metric)}: ours minus the reference's, with its limits"
    return f"<figure>{chart}<figcaption>{said(caption)}</figcaption></figure>"


def _comparison(c: Certificate) -> list[tuple[str, str, str]]:
    r, metric = c.result, METRIC_NAMES.get(c.claim.metric, c.claim.metric)
    facts = [(f"{metric}, this specialist", number(r["score"]), ""), _limits("its limits", r, "score_", "score_method")]
    if c.reference:
        ref = c.reference
        how = ", ".join(part for part in (ref["source"], ref["date"] or "date not stated") if part)
        facts += [
            (f"{metric}, {ref['model']}", number(r["reference_score"]), how),
            ("difference", f"{r['difference']:+.3f}", "paired" if r["paired"] else "unpaired"),
            _limits("its limits", r, "", "method", "+"),
            ("margin", f"{c.claim.margin:g}", "agreed in the task file before the test was opened"),
        ]
        if ref["kind"] == "recorded":
            facts.append(("unparsed or refused answers of the reference", f"{ref['unparsed']:,}", "counted as wrong"))
            facts.append(
                ("unscored answers of the reference", f"{r['unscored']:,}", "transport failures; see the notes")
            )
    if c.claim.at_least is not None:
        verdict = next((bar["verdict"] for bar in r["bars"] if bar["kind"] == "at_least"), "–")
        facts.append(("absolute bar", f"{c.claim.at_least:g}", f"its own verdict: {verdict}"))
    for name, part in (c.scope or {}).items():
        how = f"{part['n']:,} examples; limits {number(part['lower'])} to {number(part['upper'])}; {part['method']}"
        facts.append((name.replace("_", " "), number(part["score"]), how))
    units = "" if r["units"] == r["n"] else f"{r['units']:,} sampling units"
    facts += [
        ("trivial baseline", number(r["baseline"]), "an answer that never reads its input"),
        ("sealed test examples", f"{r['n']:,}", units),
        ("looks at this test so far", f"{c.looks:,}", c.look["spent"]),
    ]
    return facts + [("note", note, "") for note in r["notes"]]


def _limits(name: str, r: dict[str, Any], which: str, method: str, sign: str = "") -> tuple[str, str, str]:
    lower, upper = r[f"{which}lower"], r[f"{which}upper"]
    shown = "none" if lower is None or upper is None else f"{lower:{sign}.3f} to {upper:{sign}.3f}"
    return name, shown, f"two-sided, {r['confidence']:.4g}; {r[method]}"


def _resources(c: Certificate) -> list[tuple[str, str, str]]:
    ms = c.speed.latency_ms
    first = c.speed.ttft_ms
    single = f"measured: {c.speed.requests} single requests in one process, without HTTP"
    facts = [
        ("latency p50 / p95 / p99", _milliseconds(ms), single),
        *([("time to first text", _milliseconds(first), single)] if first else []),
        *([_fact("tokens written", c.speed.tok_per_s)] if c.speed.tok_per_s else []),
        _fact("throughput", c.speed.throughput),
        _fact("this machine", c.cost.machine),
        _fact("training, once", c.cost.training),
        _fact("cost, this specialist", c.cost.own),
    ]
    if c.cost.reference:
        assert c.reference is not None
        facts.append(_fact(f"cost, {c.reference['model']}", c.cost.reference))
    facts += [
        _fact("cost, today's cheap tier", c.cost.cheap_tier),
        _fact("energy", c.energy.per_1k),
        _fact("energy of training", c.energy.training),
    ]
    for each in c.energy.published:
        facts.append(
            (f"energy, {each['model']}", f"{each['wh_per_query']:g} Wh per query", f"published: {each['source']}")
        )
    facts.append(("boundaries", "differ", c.energy.note))
    facts.append(_fact("bytes that left this machine", c.egress_bytes))
    return facts


def _milliseconds(ms: dict[str, float]) -> str:
    return " / ".join(f"{ms[key]:.2f}" for key in ("p50", "p95", "p99")) + " ms"


def _fact(name: str, figure: Figure) -> tuple[str, str, str]:
    value = small(figure.value) if figure.value is None else f"{small(figure.value)} {figure.unit}"
    return name, value, figure.method + (f" ({figure.date})" if figure.date else "")


def _calibration(c: Certificate) -> list[tuple[str, str, str]]:
    found, root = c.calibration, "root mean square gap between confidence and share right, debiased; 0 is perfect"
    facts = []
    if found["top_label_error"] is not None:
        facts.append(("calibration error of the answer", number(found["top_label_error"]), root))
    kind = c.specialist["kind"]
    of = {"extract": f"over {found['n']:,} fields that it gave", "generate": "of the answer"}.get(
        kind, "over all labels"
    )
    return [
        *facts,
        (f"calibration error {of}", number(found["marginal_error"]), root),
        ("Brier score", number(found["brier"]), "mean squared error of the probabilities; smaller is better"),
        ("log-loss", number(found["log_loss"]), "smaller is better"),
    ]


def _origins(c: Certificate) -> list[tuple[str, str, str]]:
    base, reference = c.lineage["base"], c.lineage["reference"]
    facts = [
        ("rung", c.specialist["rung"], f"{c.specialist['params']:,} weights{_labels(c)}"),
        ("base", base.get("id") or "none", f"licence: {base.get('license')}"),
    ]
    if reference:
        facts.append(("reference", f"{reference['model']} ({reference['id']})", reference["terms"]))
    tools = {**c.lineage["tools"], **c.versions}
    facts.append(("packages", ", ".join(f"{name} {version}" for name, version in tools.items()), ""))
    return facts


def _labels(c: Certificate) -> str:
    return f", {len(c.specialist['labels']):,} labels" if c.specialist["labels"] else ""


def _safeguards(c: Certificate) -> list[tuple[str, str, str]]:
    leaks, exposure = c.leaks, c.exposure
    dropped = f"{leaks['train_rows']:,} rows of train also stand in the test and were left out of training"
    seen = f"base {exposure.base}" + (f", reference {exposure.reference}" if exposure.reference else "")
    copies = "one copy only" if c.look["copies"] == 1 else f"{c.look['copies']} copies"
    registered = f"registered {c.look['registered']}, before the test was opened; {copies} of the register"
    return [
        ("leaks", f"{leaks['test_rows']:,} test examples", dropped),
        ("exposure", seen, exposure.why),
        (
            "parity of trainer, packed file and server",
            parity_words(c.parity),
            "on validation, by the climb's last step",
        ),
        ("look", f"number {c.look['number']}", registered),
    ]


def _hashes(c: Certificate) -> list[tuple[str, str, str]]:
    facts = []
    for name, value in c.hashes.items():
        if isinstance(value, dict):
            facts += [(f"{name.replace('_', ' ')}: {file}", sha256, "") for file, sha256 in value.items()]
        elif value:
            facts.append((name, value, ""))
    return facts


def _classes(c: Certificate) -> tuple[list[str], list[list[str]]]:
    """Headers and one row a class, the weakest first."""
    paired = any("finding" in each for each in c.per_class)
    fields = c.specialist["kind"] == "extract"
    headers = ["field" if fields else "class", "values" if fields else "examples", "precision", "recall", "F1"]
    headers += ["only ours right", "only the reference's right", "finding"] if paired else []
    rows = []
    for each in sorted(c.per_class, key=lambda each: (each["f1"], each["label"])):
        row = [each["label"], f"{each['n']:,}", *(number(each[name]) for name in ("precision", "recall", "f1"))]
        if paired:
            row += [f"{each['ours_only']:,}", f"{each['theirs_only']:,}", each["finding"]]
        rows.append(row)
    return headers, rows


def _by(c: Certificate) -> str:
    return "Field by field" if c.specialist["kind"] == "extract" else "Class by class"


def _per_class(c: Certificate, say: Callable[[str], str]) -> str:
    headers, rows = _classes(c)
    if not rows:
        return ""
    numeric = [column for column, name in enumerate(headers) if name not in ("class", "field", "finding")]
    note = "Weakest first."
    if "finding" in headers:
        note = (
            "Weakest first. Findings: exact McNemar tests, corrected for their number (Holm). "
            "“No difference shown” is not “equal”."
        )
        rows = [[*row[:-1], say(row[-1])] for row in rows]
    shown = folded(12, [say(each) for each in headers], rows, numeric, say)
    return f"<h3>{escape(say(_by(c)))}</h3><p class='soft'>{escape(say(note))}</p>{shown}"


def _confusions(c: Certificate, answers: Sequence[Answer], say: Callable[[str], str]) -> str:
    if c.specialist["kind"] != "classify":
        return ""
    pairs = charts.confusions([row.gold for row in answers], [row.answer for row in answers])
    title = f"<h3>{escape(say('Commonest mistakes'))}</h3>"
    if not pairs:
        return f"{title}<p>{escape(say('None: every answer is right.'))}</p>"
    rows = [[truth, answer, f"{count:,}", f"{share:.0%}"] for truth, answer, count, share in pairs]
    headers = [say(each) for each in ("truth", "answered", "times", "of that class")]
    return title + table(headers, rows, numeric=(2, 3))


def _facts(facts: Sequence[tuple[str, str, str]], say: Callable[[str], str]) -> str:
    rows = "".join(
        f"<tr><td>{escape(say(name))}</td>"
        + (
            f"<td>{_value(say(value))}</td><td class=how>{escape(say(how))}</td>"
            if how
            else f"<td colspan=2>{_value(say(value))}</td>"
        )
        + "</tr>"
        for name, value, how in facts
    )
    return f'<div class="scroll"><table class="facts"><tbody>{rows}</tbody></table></div>'


def _value(value: str) -> str:
    return f"<code>{value}</code>" if re.fullmatch(r"[0-9a-f]{64}", value) else escape(value)


def _md(text: str) -> str:
    """Plain text for Markdown: its special characters escaped, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))
