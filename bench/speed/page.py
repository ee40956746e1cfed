"""docs/speed.md: the text is written there; what stands between its marks is docs/results/speed-classify.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from speed.summary import failed, fit, medians, values

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "speed.md"
BEGIN, END = "<!-- begin: python bench/speed.py --page -->", "<!-- end -->"
HEAD = (
    "| server | setting | requests/s, {clients} clients (rounds) | p50, p99 ms | one client: p50, p99 ms "
    "| CPU ms a request | file, texts/s | start s | memory MB | accuracy |"
)
ASKED = {
    "best_at_defaults": "the best peer at its defaults",
    "best_at_fastest": "the best peer at its fastest",
    "best_at_fastest_float32": "the same, of those in float32",
    "llama": "llama.cpp's server on the 135M",
    "llama_float32": "the same, in float32",
}


def write(document: dict[str, Any], page: Path = PAGE) -> None:
    put(page, BEGIN, made(document))


def put(page: Path, begin: str, tables: str) -> None:
    """Between the mark `begin` and the next END; the rest of the page stays."""
    before, mark, rest = page.read_text(encoding="utf-8").partition(begin)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{page}: '{begin}' and '{END}' after it were expected")
    page.write_text(f"{before}{begin}\n{tables}\n{END}{after}", encoding="utf-8")


def made(document: dict[str, Any]) -> str:
    about = document["machine"]
    count = max((len(side["rounds"]) for side in document["sides"]), default=0)
    lines = [
        "",
        f"{about['cores']} cores of {about['processor']}, {count} rounds of {document['seconds']:g} s, medians; "
        f"{document['texts']:,} texts.",
        "",
        HEAD.format(clients=document["clients"]),
        "|---|---|---|---|---|---|---|---|---|---|",
        *(row(side) for side in document["sides"] if side["rounds"]),
        "",
        "| Jangin's | against | which is | requests/s | rounds | asked | |",
        "|---|---|---|---|---|---|---|",
        *(compared(name, found) for name, found in document["compared"].items() if found),
        "",
        *versions(document["environments"]),
        *(f"- not measured: `{name}`, which {why}" for name, why in document["absent"].items()),
        "",
    ]
    return "\n".join(lines)


def row(side: dict[str, Any]) -> str:
    found = medians(side)
    rounds = ", ".join(f"{each:,.0f}" if each >= 100 else f"{each:.1f}" for each in values(side, "per_s"))
    accuracy = f"{found['accuracy']:.3f}" if found["accuracy"] is not None else sampled(side, found)
    notes = "" if fit(side) else f" **({failed(side)} requests failed)**"
    return (
        f"| {side['name']}: {side['about']}{notes} | {side['setting']} | {number(found['per_s'])} ({rounds}) "
        f"| {number(found['p50_ms'])}, {number(found['p99_ms'])} "
        f"| {number(found['alone_p50_ms'])}, {number(found['alone_p99_ms'])} | {number(found['cpu_ms'])} "
        f"| {number(found['bulk_texts_per_s'])} | {number(found['startup_s'])} | {number(found['memory_mb'])} "
        f"| {accuracy} |"
    )


def sampled(side: dict[str, Any], found: dict[str, float | None]) -> str:
    if found["served_accuracy"] is None:
        return "-"
    return f"{found['served_accuracy']:.2f} of a sample" + (f" of {side['sample']}" if side["sample"] else "")


def number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def compared(name: str, found: dict[str, Any]) -> str:
    met = found["requests_per_s"] is not None and found["requests_per_s"] >= found["target"]
    rounds = ", ".join(f"{each:g}" for each in found["of_rounds"])
    always = met and min(found["of_rounds"]) >= found["target"]
    said = "met" if always else "met in the median" if met else "**missed**"
    return (
        f"| {found['ours']} | {ASKED[name]} | {found['theirs']} | {found['requests_per_s']:g} times | {rounds} "
        f"| {found['target']:g} times | {said} |"
    )


def versions(environments: dict[str, dict[str, str]]) -> list[str]:
    return [
        f"- `{name}`: " + ", ".join(f"{package} {version}" for package, version in found.items())
        for name, found in environments.items()
    ]
