"""Templates and words: pages are rendered here, with every text escaped, in the reader's language.

English is written in the templates; another language is one file in words/, from each English text to its own.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from jangin.console import said
from jangin.page import small

HERE = Path(__file__).parent
LANGUAGES = {"en": "English", "ko": "한국어"}
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


class Static(msgspec.Struct, frozen=True):
    """One file of static/: its bytes, media type, and a mark of its content."""

    body: bytes
    media_type: str
    mark: str


@functools.cache
def static() -> dict[str, Static]:
    found = {}
    for path in sorted((HERE / "static").iterdir()):
        if path.suffix in TYPES:
            body = path.read_bytes()
            found[path.name] = Static(body, TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:16])
    return found


@functools.cache
def words(language: str) -> Mapping[str, str]:
    """English -> this language; empty for English itself."""
    path = HERE / "words" / f"{language}.json"
    return msgspec.json.decode(path.read_bytes(), type=dict[str, str]) if path.is_file() else {}


def translator(language: str) -> Callable[..., str]:
    """`_(text, **values)`: the text in this language, its {values} filled in; what has no translation is English."""
    known = words(language)

    def translate(text: str, **values: Any) -> str:
        found = known.get(text, text)
        return found.format(**values) if values else found

    return translate


def preferred(header: str) -> str:
    """The first known language of an Accept-Language header; English without one."""
    for part in header.split(","):
        code = part.partition(";")[0].strip().lower()[:2]
        if code in LANGUAGES:
            return code
    return "en"


def render(template: str, language: str, **context: Any) -> str:
    return _environment().get_template(template).render(_=translator(language), language=language, **context)


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"static": lambda name: f"/console/static/{name}?v={static()[name].mark}"}
    environment.globals["languages"] = LANGUAGES
    filters: dict[str, Callable[..., str]] = {
        "count": lambda value: "–" if value is None else f"{value:,}",
        "share": lambda value: "–" if value is None else f"{value:.1%}",
        "score": lambda value: "–" if value is None else f"{value:.3f}",
        "small": lambda value: "–" if value is None else small(value),
        "usd": usd,
        "ms": lambda value: "–" if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}",
        "bytes": readable_bytes,
        "millions": millions,
        "when": when,
        "short": _short,
        "said": _said,
    }
    environment.filters |= filters
    return environment


@pass_context
def _said(context: Context, text: str) -> str:
    """A sentence that another module composed, in the page's language."""
    return said.teller(context["language"])(text)


def _short(value: object, most: int = 12) -> str:
    return str(value)[:most]


def usd(value: float | None) -> str:
    """'$0.0042', '–' where it is not known."""
    return "–" if value is None else f"-${small(-value)}" if value < 0 else f"${small(value)}"


def readable_bytes(value: float | None) -> str:
    if value is None:
        return "–"
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:,.0f} {unit}" if unit == "B" else f"{value:,.1f} {unit}"
        value /= 1000
    raise AssertionError("the last unit returns")


def millions(value: int | None) -> str:
    """Weights: 22.7 M, 310 k."""
    if value is None:
        return "–"
    return f"{value / 1e6:,.1f} M" if value >= 1e6 else f"{value / 1e3:,.0f} k" if value >= 1e4 else f"{value:,}"


def when(at: float | int | None) -> str:
    """Seconds since 1970, or microseconds of the ledger, as UTC to the second."""
    if at is None:
        return "–"
    return datetime.fromtimestamp(at / 1e6 if at > 1e12 else at, UTC).strftime("%Y-%m-%d %H:%M:%S")
