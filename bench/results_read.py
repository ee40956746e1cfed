"""The results under docs/results as one noun, whatever their age: what the page, the charts and the energy table show.

A result of before this noun lacks latencies, energy per request and its task; what it lacks is None, never a guess.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claims import CLAIMS, PROMPTED, Claim

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
Found = dict[str, Any]
BUSY = 2.0  # load for each core
WON, OPEN, LOST = ("superior", "non-inferior"), ("inconclusive",), ("inferior",)


@dataclass(frozen=True)
class Result:
    """One claim and what came of it. found: the whole JSON."""

    name: str
    claim: Claim
    found: Found

    @property
    def certified(self) -> Found:
        return self.found["certified"]

    @property
    def trained(self) -> Found:
        return self.found["trained"]

    @property
    def verdict(self) -> str | None:
        return self.certified["verdict"]

    @property
    def note(self) -> str:
        """What the claim warns of; a result of before the claim had a bar was of another claim."""
        if self.known_score is None:
            return self.claim.note if self.verdict else ""
        known = f"The bar was set after a look at this test without one, which had shown {self.known_score:.3f}."
        return f"{known} {self.claim.note}".strip()

    @property
    def bar_from(self) -> str:
        """Where an absolute bar comes from, in words."""
        return self.claim.bar if self.verdict else ""

    @property
    def at_least(self) -> float | None:
        if "task" not in self.found:  # an older result: its look says what was registered
            return self.found["look"].get("at_least")
        return self.found["task"].get("bar", {}).get("at_least")

    @property
    def bar(self) -> float | None:
        """What the score stands next to: the reference's score, else the absolute bar."""
        reference = self.certified["reference_score"]
        return self.at_least if reference is None else reference

    @property
    def difference(self) -> float | None:
        told = self.certified["difference"]
        return told if told is not None or self.bar is None else self.certified["score"] - self.bar

    @property
    def training_wh(self) -> tuple[float, str]:
        """(watt-hours of the whole climb, how obtained); of an older result those of its rungs together."""
        spent = self.trained.get("energy_wh")
        if spent is not None:
            return spent, self.trained["energy_method"]
        return sum(rung.get("energy_wh", 0.0) for rung in self.trained["rungs"]), "the rungs alone; method not kept"

    @property
    def per_1k_wh(self) -> Found | None:
        """The figure of answering 1,000 requests: value, unit, method; None of an older result."""
        return self.found["energy"]["per_1k"] if "energy" in self.found else None

    @property
    def latency_ms(self) -> Found | None:
        return self.found["speed"]["latency_ms"] if "speed" in self.found else None

    @property
    def requests(self) -> int:
        """Single requests that the latency is of."""
        return int(self.found["speed"]["requests"]) if "speed" in self.found else 0

    @property
    def load(self) -> float | None:
        """Load average when the result was kept; None of an older result."""
        return (self.found.get("machine") or {}).get("load")

    @property
    def busy(self) -> bool:
        """Is it known that other work ran beside it, so that its timings tell little?"""
        return self.load is not None and self.load > BUSY * self.found["machine"]["cores"]

    @property
    def known_score(self) -> float | None:
        """What an earlier look at this test, registered without any bar, had shown before this absolute bar was set."""
        if self.at_least is None or self.certified["reference"]:
            return None
        earlier = self.found.get("looks", [])[:-1]
        bare = [look["score"] for look in earlier if look["reference"] is None and look["at_least"] is None]
        return bare[0] if bare else None

    @property
    def costs(self) -> tuple[float | None, float | None, float | None]:
        """US dollars per 1,000 requests: here, the reference, today's cheap tier."""
        cost = self.found["cost"]
        reference = cost["reference"]["value"] if cost["reference"] else None
        return cost["own"]["value"], reference, cost["cheap_tier"]["value"]


def results(folder: Path = RESULTS) -> list[Result]:
    """Those that are there, in the order of the claims."""
    found = ((name, claim, _read(folder / f"{name}.json")) for name, claim in CLAIMS.items())
    return [Result(name, claim, each) for name, claim, each in found if each is not None]


def prompted(folder: Path = RESULTS) -> list[Found]:
    """Bases as they are on the tests of claims: {claim, base, of, evaluated, seconds}."""
    return [found for name in PROMPTED if (found := _read(folder / f"{name}.json")) is not None]


def coded(folder: Path = RESULTS) -> list[Found]:
    """What `code_generation.py --keep` left: {base, engine, humaneval: {...}, mbpp: {...}}."""
    return [found for path in sorted(folder.glob("code_generation-*.json")) if (found := _read(path)) is not None]


def _read(path: Path) -> Found | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
