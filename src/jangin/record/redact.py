"""The redaction hook: a function from text to text that every text passes before it leaves."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from jangin.data.pii import mask_pii
from jangin.errors import InputError
from jangin.types import Example, Input

BUILT_IN: dict[str, Callable[[str], str]] = {"pii": mask_pii}


class Redaction:
    """A named hook. It fails closed: where it cannot do its work, nothing leaves."""

    def __init__(self, name: str, hook: Callable[[str], str]):
        self.name, self.hook = name, hook

    def example(self, example: Example, outputs: bool = False) -> tuple[Example, bool]:
        """(the example without what the hook takes out, whether that changed it); `outputs`: its answer's texts too.

        Raises: InputError when the hook raises or gives no text, naming the example, not its text.
        """
        try:
            given = self._input(example.input)
            answer = self._value(example.output) if outputs else example.output
        except Exception as error:  # noqa: BLE001  # a stranger's function: whatever it raises, nothing is sent
            raise InputError(
                f"the redaction '{self.name}' failed on example '{example.id}' ({type(error).__name__}); nothing was "
                "sent",
                "mend the function: it takes a text and gives a text back",
            ) from None
        changed = given != example.input or answer != example.output
        return msgspec.structs.replace(example, input=given, output=answer), changed

    def _input(self, value: Input) -> Input:
        if isinstance(value, str):
            return self._text(value)
        return [{**turn, "content": self._text(turn["content"])} for turn in value]

    def _value(self, value: Any) -> Any:
        """Every text in a JSON value; keys stay, they are the schema's."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self._value(each) for each in value]
        return {key: self._value(each) for key, each in value.items()} if isinstance(value, dict) else value

    def _text(self, text: str) -> str:
        redacted = self.hook(text)
        if not isinstance(redacted, str):
            raise TypeError
        return redacted


def redaction(name: str | None) -> Redaction | None:
    """`pii`, or MODULE:FUNCTION, looked for in the current folder too. Raises: InputError."""
    if name is None:
        return None
    if name in BUILT_IN:
        return Redaction(name, BUILT_IN[name])
    module, colon, function = name.partition(":")
    if not (module and colon and function):
        raise InputError(f"--redact {name}: neither built in nor MODULE:FUNCTION", f"built in: {', '.join(BUILT_IN)}")
    return Redaction(name, _imported(name, module, function))


def _imported(name: str, module: str, function: str) -> Callable[[str], str]:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        hook = getattr(import_module(module), function)
    except Exception as error:  # noqa: BLE001  # the user's module may raise anything while it is loaded
        raise InputError(
            f"--redact {name} cannot be loaded: {type(error).__name__}: {error}", "name it as MODULE:FUNCTION"
        ) from None
    finally:
        sys.path.remove(here)
    if not callable(hook):
        raise InputError(f"--redact {name} is no function", "name a function that takes a text and gives a text back")
    return hook
