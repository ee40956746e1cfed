"""A turn that may call functions, in OpenAI's shapes: whole, and as the deltas of a stream."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from typing import Any

from jangin.tools import Argument, Event, Opened, Reading


class CalledTurn:
    """One turn, read once: either by `whole`, or piece by piece."""

    def __init__(self) -> None:
        self._reading = Reading()

    def finish(self, reason: str) -> str:
        return "tool_calls" if reason == "stop" and self._reading.calls else reason

    def whole(self, text: str) -> dict[str, Any]:
        """The message. Without text its content is null, as OpenAI's is."""
        content = ""
        calls: list[dict[str, Any]] = []
        for event in [*self._reading.feed(text), *self._reading.end()]:
            if isinstance(event, Opened):
                calls.append(_call(event))
            elif isinstance(event, Argument):
                calls[event.index]["function"]["arguments"] += event.text
            else:
                content += event
        message: dict[str, Any] = {"role": "assistant", "content": content or None, "refusal": None}
        if calls:
            message["tool_calls"] = calls
        else:
            message["content"] = content
        return message

    def deltas(self, text: str) -> Iterator[dict[str, Any]]:
        return _deltas(self._reading.feed(text))

    def last_deltas(self) -> Iterator[dict[str, Any]]:
        return _deltas(self._reading.end())


def _deltas(events: Iterable[Event]) -> Iterator[dict[str, Any]]:
    for event in events:
        if isinstance(event, Opened):
            yield {"tool_calls": [{"index": event.index, **_call(event)}]}
        elif isinstance(event, Argument):
            yield {"tool_calls": [{"index": event.index, "function": {"arguments": event.text}}]}
        else:
            yield {"content": event}


def _call(opened: Opened) -> dict[str, Any]:
    about = {"name": opened.name, "arguments": ""}
    return {"id": f"call_{secrets.token_hex(12)}", "type": "function", "function": about}
