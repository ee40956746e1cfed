"""One self-contained HTML page: its frame, its style for light, dark and paper, and tables. No network, no script."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape

# The colour of each verdict.
TONE = {"superior": "good", "non-inferior": "good", "inferior": "bad", "inconclusive": "warn", None: "soft"}
STYLE = """
:root{color-scheme:light dark;--bg:#fff;--card:#f6f7f9;--text:#1b1f24;--soft:#57606a;--line:#d0d7de;--accent:#0b5fb0;
--good:#1a7f37;--bad:#b3261e;--warn:#8a5a00;--fill:#0b5fb022}
@media (prefers-color-scheme:dark){:root{--bg:#14171a;--card:#1d2125;--text:#e6e8eb;--soft:#a0a8b1;--line:#3a4149;
--accent:#6cb0ff;--good:#5fd07f;--bad:#ff8a80;--warn:#e8b559;--fill:#6cb0ff26}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans","Noto Sans KR","Noto Sans CJK KR","Apple SD Gothic Neo","Malgun Gothic",sans-serif;overflow-wrap:anywhere}
main{max-width:66rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.6rem;line-height:1.25;margin:.2rem 0 .6rem}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}
h3{font-size:1rem;margin:1.4rem 0 .4rem}p{margin:.4rem 0}.soft,figcaption,.how{color:var(--soft);font-size:.9rem}
.lead{font-size:1.15rem;line-height:1.5}.verdict{display:inline-block;padding:.15rem .7rem;border-radius:1rem;
border:1.5px solid currentColor;font-weight:600;font-size:.95rem}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
.card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1rem 1.25rem;margin:1rem 0}
.card>:first-child{margin-top:0}ul{padding-left:1.2rem;margin:.4rem 0}li{margin:.25rem 0}
.scroll{overflow-x:auto;margin:.6rem 0}table{border-collapse:collapse;width:100%;font-size:.93rem}
th,td{text-align:left;vertical-align:top;padding:.35rem .7rem .35rem 0;border-bottom:1px solid var(--line)}
th{font-weight:600;color:var(--soft);font-size:.85rem}td.num,th.num{text-align:right;font-variant-numeric:tabular-nums;
white-space:nowrap;padding-left:.7rem}tr.chosen td{font-weight:600}td{word-break:keep-all;overflow-wrap:break-word}
td:first-child{min-width:8rem}td:last-child:not(.num){min-width:9rem}
.facts{table-layout:fixed}.facts td:first-child{width:24%}.facts td:nth-child(2){width:30%}
code{font:.85em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;word-break:break-all}
pre{background:var(--card);border:1px solid var(--line);border-radius:.4rem;padding:.6rem .8rem;white-space:pre-wrap}
figure{margin:1rem 0;overflow-x:auto}svg{display:block;width:100%;height:auto}
svg text{fill:var(--text);font-size:13px;
paint-order:stroke;stroke:var(--bg);stroke-width:3px}
svg .soft{fill:var(--soft);font-size:12px}svg .axis{stroke:var(--line)}
svg .mark{stroke:var(--accent);fill:var(--accent)}
svg .bar{stroke:var(--warn);stroke-dasharray:5 4;fill:none}svg text.warn{fill:var(--warn)}svg .zero{stroke:var(--soft)}
details{margin:.6rem 0}summary{cursor:pointer;color:var(--accent)}a{color:var(--accent)}
nav ul{columns:2 18rem}hr{border:0;border-top:1px solid var(--line);margin:3rem 0}
@media (max-width:40rem){.facts td{display:block;border:0;padding:.1rem 0}.facts tr{display:block;padding:.4rem 0;
border-bottom:1px solid var(--line)}.facts td:first-child{color:var(--soft)}}
@media print{:root{color-scheme:light;--bg:#fff;--card:#fff;--text:#000;--soft:#444;--line:#bbb;--accent:#0b5fb0;
--good:#1a7f37;--bad:#b3261e;--warn:#8a5a00}body{font-size:11pt}main{max-width:none;padding:0}
.card,figure,tr{break-inside:avoid}h2,h3{break-after:avoid}.scroll,figure{overflow:visible}}
"""


def page(title: str, body: str) -> str:
    """A whole document. `title` is plain text; `body` is markup whose texts are already escaped."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[int] = (), chosen: int | None = None
) -> str:
    """Plain texts as a table, escaped here; `numeric` columns stand to the right, row `chosen` is bold."""

    def cell(tag: str, column: int, text: str) -> str:
        return f"<{tag}{' class=num' if column in numeric else ''}>{escape(text)}</{tag}>"

    head = "".join(cell("th", column, text) for column, text in enumerate(headers))
    body = "".join(
        f"<tr{' class=chosen' if number == chosen else ''}>"
        + "".join(cell("td", column, text) for column, text in enumerate(row))
        + "</tr>"
        for number, row in enumerate(rows)
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def folded(
    shown: int,
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    numeric: Sequence[int] = (),
    say: Callable[[str], str] = str,
) -> str:
    """A table of the first rows, the others behind a fold. say: puts its caption into another language."""
    first = table(headers, rows[:shown], numeric)
    if len(rows) <= shown:
        return first
    whole = escape(say(f"all {len(rows):,}"))
    return f"{first}<details><summary>{whole}</summary>{table(headers, rows, numeric)}</details>"


def number(value: float | None, digits: int = 3) -> str:
    """Three decimals for scores; a dash for what is not known."""
    return "–" if value is None else f"{value:.{digits}f}"


def small(value: float | None) -> str:
    """Money and energy: three significant digits, thousands set apart; never in powers of ten."""
    if value is None:
        return "not known"
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.2f}" if value < 1000 else f"{value:,.0f}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
