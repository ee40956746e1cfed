"""/metrics as the official parser reads it."""

from __future__ import annotations

from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: str) -> Samples:
    """(name, sorted labels) -> value."""
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(each.name, tuple(sorted(each.labels.items()))): each.value for each in found}


async def scrape(client: httpx.AsyncClient, **options: Any) -> Scraped:
    answered = await client.get("/metrics", **options)
    assert answered.status_code == 200, answered.text
    return Scraped(answered.text)


class Scraped:
    def __init__(self, text: str):
        self.text, self._samples = text, samples(text)

    def __call__(self, name: str, **labels: str) -> float | None:
        """The value of `jangin_NAME` with these labels; None: there is none."""
        return self._samples.get((f"jangin_{name}", tuple(sorted(labels.items()))))

    def all(self, name: str) -> dict[tuple[tuple[str, str], ...], float]:
        return {labels: value for (one, labels), value in self._samples.items() if one == f"jangin_{name}"}
