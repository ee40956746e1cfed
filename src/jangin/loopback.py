"""JSON to a server that this process has started on this machine, past any proxy that the environment names."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from typing import Any

import msgspec


def ask(url: str, asked: Mapping[str, Any], timeout_s: float, headers: Mapping[str, str] | None = None) -> Any:
    """What a POST of `asked` is answered with.

    `urlopen` would send it to `HTTP_PROXY`, and what it says off this machine.

    Raises: OSError, also for every status that is not a success.
    """
    sent = {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, msgspec.json.encode(asked), sent)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=timeout_s) as answer:
        return msgspec.json.decode(answer.read())
