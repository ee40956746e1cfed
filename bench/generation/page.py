"""docs/speed.md, Generation: the text is written there; what stands between its marks is speed-generate.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from generation.summary import Told, median, values
from speed.page import END, PAGE, number, put, versions

BEGIN = "<!-- begin: python bench/generation.py --page -->"

__all__ = ["BEGIN", "END", "PAGE", "made", "write"]


def write(document: Told, page: Path = PAGE) -> None:
    put(page, BEGIN, made(document))


def made(document: Told) -> str:
    about, levels = document["machine"], document["levels"]
    measured = [side for side in document["sides"] if side["rounds"]]
    count = max((len(side["rounds"]) for side in measured), default=0)
    wide = " | ".join(f"{level} under way" for level in levels)
    lines = [
        "",
        f"`{document['base']}` on {about['cores']} core(s) of {about['processor']}, {count} round(s), medians; "
        f"{document['tokens']} tokens asked for.",
        "",
        f"| side | tokens/s, {wide} | start s | memory MB |",
        "|---|" + "---|" * (len(levels) + 2),
        *(rates(side, levels) for side in measured),
        "",
        "In brackets each round.",
        "",
        f"| side | seconds to the first token, median (90 %), {wide} | CPU ms a token, {' / '.join(levels)} |",
        "|---|" + "---|" * (len(levels) + 1),
        *(firsts(side, levels) for side in measured),
        "",
        f"| Jangin's tokens/s over those of | {wide} |",
        "|---|" + "---|" * len(levels),
        *(
            f"| {name} | " + " | ".join(times(found[level]) for level in levels) + " |"
            for name, found in document["compared"].items()
        ),
        "",
        *notes(measured, levels),
        *versions(document["environments"]),
        *(f"- not measured: `{name}`, which {why}" for name, why in document["absent"].items()),
        "",
    ]
    return "\n".join(lines)


def rates(side: Told, levels: list[str]) -> str:
    cells = [
        f"{number(median(side, 'tok_per_s', level))} ({', '.join(map(number, values(side, 'tok_per_s', level)))})"
        for level in levels
    ]
    whole = [number(median(side, name)) for name in ("startup_s", "memory_mb")]
    return f"| {side['name']}: {side['about']} | " + " | ".join([*cells, *whole]) + " |"


def firsts(side: Told, levels: list[str]) -> str:
    cells = [
        f"{number(median(side, 'ttft_p50_s', level))} ({number(median(side, 'ttft_p90_s', level))})" for level in levels
    ]
    used = " / ".join(number(median(side, "cpu_ms_per_token", level)) for level in levels)
    return f"| {side['name']} | " + " | ".join(cells) + f" | {used} |"


def times(found: dict[str, Any] | None) -> str:
    if found is None:
        return "-"
    return f"{found['tok_per_s']:.2f} ({', '.join(f'{each:.2f}' for each in found['of_rounds'])})"


def notes(measured: list[Told], levels: list[str]) -> list[str]:
    """Where the sides did not do the same: fewer tokens than asked, requests left out, prompts of other lengths."""
    found = []
    for side in measured:
        answers, short, asked = (
            sum(int(sum(values(side, name, level))) for level in levels) for name in ("answers", "short", "asked")
        )
        if short:
            found.append(f"- `{side['name']}`: {short} of {answers} answers ended before the tokens asked for")
        if answers < asked:
            found.append(f"- `{side['name']}`: {asked - answers} of {asked} requests did not begin within the time")
    lengths = {
        side["name"]: round(sum(sum(values(side, "prompt_tokens", level)) for level in levels) / answers, 1)
        for side in measured
        if (answers := sum(sum(values(side, "answers", level)) for level in levels))
    }
    told = ", ".join(f"{name} {length:g}" for name, length in lengths.items())
    return [*found, f"- tokens of a prompt, as each side counts them: {told}"]
