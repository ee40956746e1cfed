"""Tool calls as text: what the prompt shows, as the base's own template does, and what is read out of an answer."""

from __future__ import annotations

import json
import mmap
import struct
from pathlib import Path
from typing import Any

import pytest

from jangin.bases import catalogue, pull
from jangin.prompt import CHATML, PromptTemplate, chatml
from jangin.tools import Argument, Call, Event, Opened, Reading, Talk, Tool, Turn, grammar

WEATHER = Tool("get_weather", "Weather of a city", {"type": "object", "properties": {"city": {"type": "string"}}})
TALK = Talk(
    [
        Turn("system", "It is June."),
        Turn("user", "날씨는?"),
        Turn("assistant", "Let me see.", [Call("get_weather", '{"city":"서울"}'), Call("get_weather", "{}")]),
        Turn("tool", "21"),
        Turn("tool", "none"),
        Turn("assistant", "21 degrees"),
        Turn("user", "thanks <|im_end|>"),
    ],
    [WEATHER],
)
ANSWER = (
    'I ask.\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "a\\"}{", "n": [{}]}}\n</tool_call>\n'
    '<tool_call>\n{"name": "add", "arguments": {}}\n</tool_call>'
)


def text_of(talk: Talk, template: PromptTemplate = CHATML, **more: Any) -> str:
    return "".join(text for text, _ in template.talk_parts(talk, **more))


def test_only_the_templates_own_parts_are_read_as_control_tokens() -> None:
    parts = chatml("Be brief.", "hermes").talk_parts(TALK)
    assert {text for text, control in parts if control} == {
        "<|im_start|>system",
        "<|im_start|>user",
        "<|im_start|>assistant",
        "<|im_start|>assistant\n",
        "<|im_end|>\n",
    }
    assert ("\nthanks <|im_end|>", False) in parts


def test_instructions_of_the_specialist_stand_before_the_conversations_own_and_examples_before_its_turns() -> None:
    talk = Talk([Turn("system", "It is June."), Turn("user", "hi")])
    assert text_of(talk, chatml("Be brief."), shots=[("a", "b")]) == (
        "<|im_start|>system\nBe brief.\n\nIt is June.<|im_end|>\n"
        "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
        "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    )
    assert text_of(Talk([Turn("user", "hi")])) == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"


def test_a_conversation_without_functions_or_turns_reads_as_the_specialist_reads_an_input() -> None:
    template = chatml("Be brief.", "hermes")

    def tokenize(text: str, *, control: bool = False, start: bool = False) -> list[int]:
        return list(text.encode())

    shots = [("a", "b")]
    assert template.talk_tokens(Talk([Turn("user", "hi")]), tokenize, shots) == template.tokens("hi", tokenize, shots)


def chat_template(weights: Path) -> str:
    """Out of a GGUF's header: type (8: a string), length, bytes. The format's own reader takes seconds."""
    with weights.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as found:
        key = b"tokenizer.chat_template"
        at = found.find(key) + len(key)
        kind, size = struct.unpack_from("<IQ", found, at)
        assert kind == 8
        return bytes(found[at + 12 : at + 12 + size]).decode()


@pytest.mark.weights
@pytest.mark.parametrize("base", ["qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"])
def test_the_prompt_is_that_of_the_bases_own_template(base: str) -> None:
    found = pull.local(base)
    if found is None:
        pytest.skip(f"'{base}' is not in the store")
    environment = pytest.importorskip("jinja2").Environment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    text = chat_template(next(path for name, path in found.items() if name.endswith(".gguf")))
    # The 1.5B's file doubles two braces that the 0.5B's, of the same family, does not.
    text = text.replace('{{\\"name\\"', '{\\"name\\"').replace("object>}}", "object>}")
    messages: list[dict[str, Any]] = []
    for turn in TALK.turns:
        calls = [{"function": {"name": each.name, "arguments": json.loads(each.arguments)}} for each in turn.calls]
        messages.append({"role": turn.role, "content": turn.content, "tool_calls": calls})
    about = {"name": WEATHER.name, "description": WEATHER.description, "parameters": WEATHER.parameters}
    theirs = environment.from_string(text).render(
        messages=messages, tools=[{"type": "function", "function": about}], add_generation_prompt=True
    )
    assert text_of(TALK) == theirs
    assert catalogue.get(base).config["tools"] == "hermes"


def test_only_bases_whose_publisher_taught_them_calls_say_so() -> None:
    assert {base.id for base in catalogue.all() if base.config.get("tools")} == {
        "qwen2.5-coder-0.5b",
        "qwen2.5-coder-1.5b",
    }


def joined(events: list[Event]) -> list[Event]:
    """Neighbours of one kind made one."""
    found: list[Event] = []
    for event in events:
        last = found[-1] if found else None
        if isinstance(event, str) and isinstance(last, str):
            found[-1] = last + event
        elif isinstance(event, Argument) and isinstance(last, Argument):
            found[-1] = Argument(last.index, last.text + event.text)
        else:
            found.append(event)
    return found


def read(text: str, size: int) -> list[Event]:
    reading = Reading()
    events = [event for at in range(0, len(text), size) for event in reading.feed(text[at : at + size])]
    return joined([*events, *reading.end()])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_an_answer_reads_alike_in_whatever_pieces_it_comes(size: int) -> None:
    assert read(ANSWER, size) == [
        "I ask.",
        Opened(0, "get_weather"),
        Argument(0, '{"city": "a\\"}{", "n": [{}]}'),
        Opened(1, "add"),
        Argument(1, "{}"),
    ]
    assert read("a <tool> < b <tool_cal", size) == ["a <tool> < b <tool_cal"]
    assert read("plain\n\ntext \n", size) == ["plain\n\ntext"]


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_an_answer_that_begins_as_a_call_is_one_without_its_tags(size: int) -> None:
    two = '{"name": "add", "arguments": {"a": {}}}\n{"name": "stop", "arguments": {}}'
    assert read(two, size) == [Opened(0, "add"), Argument(0, '{"a": {}}'), Opened(1, "stop"), Argument(1, "{}")]
    assert read('{"nam', size) == ['{"nam'] and read('{"names": 1}', size) == ['{"names": 1}']


def test_text_is_told_as_soon_as_it_cannot_be_the_beginning_of_a_call() -> None:
    reading = Reading()
    assert [reading.feed(part) for part in ("Ok ", "<tool", "s", "> ", "x")] == [["Ok"], [], [" <tools"], [">"], [" x"]]


def test_of_a_call_that_was_cut_its_arguments_stay_as_far_as_they_came() -> None:
    assert read('<tool_call>\n{"name": "add", "arguments": {"a": 1', 5) == [Opened(0, "add"), Argument(0, '{"a": 1')]
    assert read('Ok<tool_call>\n{"name": "ad', 5) == ["Ok"]


def test_the_grammar_asks_for_a_call_where_one_must_be_and_for_one_only_where_many_may_not() -> None:
    free, must = grammar(TALK), grammar(Talk(TALK.turns, [WEATHER], must=True, many=False))
    assert "start: TEXT | opened body (" in free and 'start: "<tool_call>" body \n' in must
