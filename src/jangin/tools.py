"""Tool calls as a base writes and reads them: what its prompt shows, the grammar that bounds it, its text read back.

One convention so far, "hermes": Qwen2.5, Qwen2.5-Coder and Qwen3 were trained on it. The functions stand in the system
turn as JSON, a call is `{"name": ..., "arguments": {...}}` between <tool_call> and </tool_call>, a result stands in a
user turn between <tool_response> and </tool_response>. Source: the chat template in the GGUF of
Qwen2.5-Coder-0.5B-Instruct, which a test renders beside this. That model itself mostly leaves the tags out: an answer
that begins as a call does is one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

Convention = Literal["hermes"]
OPEN, CLOSE = "<tool_call>", "</tool_call>"
BARE = '{"name": "'
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEAD = re.compile(r"\s*" + re.escape(BARE) + r'([A-Za-z0-9_-]{1,64})", "arguments": ')
_COMPACT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


class Call(msgspec.Struct, frozen=True, array_like=True):
    """`arguments`: a JSON object, as text."""

    name: str
    arguments: str


class Turn(msgspec.Struct, frozen=True, array_like=True):
    """`calls`: of an assistant. A turn of role "tool" holds what one call gave."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    calls: list[Call] = []


class Tool(msgspec.Struct, frozen=True, array_like=True):
    """A function that may be called; `parameters` is the JSON schema of its arguments, an object's."""

    name: str
    description: str | None
    parameters: dict[str, Any]


class Talk(msgspec.Struct, frozen=True, array_like=True):
    """A conversation in which functions may be called.

    must: the next turn has to be a call; else it may be text, or text and then calls. many: it may hold several.
    """

    turns: list[Turn]
    tools: list[Tool] = []
    must: bool = False
    many: bool = True


def system_text(instructions: str, tools: Sequence[Tool]) -> str:
    """What the system turn says: the instructions, and the functions, if there are any."""
    if not tools:
        return instructions
    shown = "\n".join(json.dumps(_shown(tool), ensure_ascii=False) for tool in tools)
    return (
        f"{instructions}\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
        f"You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n{shown}\n</tools>\n\n"
        "For each function call, return a json object with function name and arguments within "
        f"{OPEN}{CLOSE} XML tags:\n{OPEN}\n"
        f'{{"name": <function-name>, "arguments": <args-json-object>}}\n{CLOSE}'
    )


def _shown(tool: Tool) -> dict[str, Any]:
    about = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": {key: value for key, value in about.items() if value is not None}}


def spoken(turns: Sequence[Turn]) -> Iterator[tuple[str, str]]:
    """(role, text after the role) of each turn but the system's; results that follow each other share one turn."""
    results = ""
    for turn in turns:
        if turn.role == "tool":
            results += f"\n<tool_response>\n{turn.content}\n</tool_response>"
            continue
        if results:
            yield "user", results
            results = ""
        if turn.role == "assistant" and turn.calls:
            calls = "".join(f"\n{OPEN}\n{_written(call)}\n{CLOSE}" for call in turn.calls)
            yield "assistant", (f"\n{turn.content}" if turn.content else "") + calls
        elif turn.role != "system":
            yield turn.role, f"\n{turn.content}"
    if results:
        yield "user", results


def _written(call: Call) -> str:
    arguments = json.dumps(json.loads(call.arguments), ensure_ascii=False)
    return f'{{"name": {json.dumps(call.name)}, "arguments": {arguments}}}'


def bound(tool: Tool) -> dict[str, Any]:
    """The schema of a function's arguments as the grammar holds it: without white space to get lost in."""
    return {**tool.parameters, "x-guidance": _COMPACT}


def grammar(talk: Talk) -> str:
    """The next turn in llguidance's syntax, which the engine reads: calls are those of the tools, arguments of their
    schemas; what stands before a call is free."""
    again, bare_again = (f'("\\n{OPEN}" body)*', f"({_quoted(chr(10) + BARE)} call)*") if talk.many else ("", "")
    rules = [f'start: "{OPEN}" body {again}']
    if not talk.must:
        rules = [
            f"start: TEXT | opened body {again} | bare call {bare_again}",
            # Lazy: they end with what opens a call, which plain text would otherwise swallow.
            f"opened[lazy]: /(\\n|.)*{OPEN}/",
            "bare[lazy]: /" + BARE.replace("{", "\\{") + "/",
            "TEXT: /(\\n|.)*/",
        ]
    rules.append(f'body: {_quoted(chr(10) + BARE)} call "\\n{CLOSE}"')
    rules.append(f'call: ({" | ".join(f"f{at}" for at in range(len(talk.tools)))}) "}}"')
    for at, tool in enumerate(talk.tools):
        head = _quoted(f'{tool.name}", "arguments": ')
        rules += [f"f{at}: {head} a{at}", f"a{at}: %json {json.dumps(bound(tool))}"]
    return "\n".join(['%llguidance {"no_forcing": true}', *rules, ""])


def _quoted(text: str) -> str:
    """A literal of the grammar."""
    return json.dumps(text)


class Opened(msgspec.Struct, frozen=True):
    """A call has begun."""

    index: int
    name: str


class Argument(msgspec.Struct, frozen=True):
    """More of a call's arguments."""

    index: int
    text: str


Event = str | Opened | Argument


class Reading:
    """A turn that `grammar` bounds, as it is written: text, and the calls in it."""

    def __init__(self) -> None:
        self.calls = 0
        self._kept = ""
        self._state = self._begin
        self._close = CLOSE
        self._depth = 0
        self._quoted = self._escaped = False

    def feed(self, text: str) -> list[Event]:
        """What can be said now; white space and what may be a tag wait for what follows them."""
        self._kept += text
        found: list[Event] = []
        while self._state(found):
            pass
        return found

    def end(self) -> list[Event]:
        """What waited, when nothing follows; of a call that was cut before its arguments nothing is left."""
        rest = self._kept.rstrip() if self._state in (self._text, self._begin) else ""
        self._kept = ""
        return [rest] if rest else []

    def _begin(self, found: list[Event]) -> bool:
        """Before the first character, or after a call without tags."""
        start = self._kept.lstrip()
        if len(start) < len(BARE) and BARE.startswith(start):
            return False
        is_call = start.startswith(BARE)
        self._close = "}" if is_call else CLOSE
        self._state = self._head if is_call else self._text
        return True

    def _text(self, found: list[Event]) -> bool:
        before, tag, after = self._kept.partition(OPEN)
        if tag:
            if before.rstrip():
                found.append(before.rstrip())
            self._kept, self._state = after, self._head
            return True
        sure = self._kept[: len(self._kept) - _begun(self._kept)].rstrip()
        if sure:
            found.append(sure)
            self._kept = self._kept[len(sure) :]
        return False

    def _head(self, found: list[Event]) -> bool:
        head = _HEAD.match(self._kept)
        if head is None:
            return False
        found.append(Opened(self.calls, head[1]))
        self.calls += 1
        self._kept, self._state = self._kept[head.end() :], self._arguments
        return True

    def _arguments(self, found: list[Event]) -> bool:
        for at, char in enumerate(self._kept):
            if self._quoted:
                self._quoted = self._escaped or char != '"'
                self._escaped = char == "\\" and not self._escaped
                continue
            self._quoted = char == '"'
            self._depth += (char in "{[") - (char in "}]")
            if not self._depth:
                found.append(Argument(self.calls - 1, self._kept[: at + 1]))
                self._kept, self._state = self._kept[at + 1 :], self._tail
                return True
        if self._kept:
            found.append(Argument(self.calls - 1, self._kept))
            self._kept = ""
        return False

    def _tail(self, found: list[Event]) -> bool:
        _, tag, after = self._kept.partition(self._close)
        if tag:
            self._kept, self._state = after, self._text if self._close == CLOSE else self._begin
        return bool(tag)


def _begun(text: str) -> int:
    """How many characters at the end of a text may be the beginning of an opening tag."""
    return next((size for size in range(min(len(OPEN) - 1, len(text)), 0, -1) if OPEN.startswith(text[-size:])), 0)
