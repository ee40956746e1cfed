"""Redactor: personal data out of a text, placeholders in; Vault and Restorer: the way back.

    redactor = Redactor(Detector())                 # one for each conversation
    redacted = redactor.redact("010-1234-5678로 연락 주세요")
    redacted.text                                   # "<PHONE_NUMBER_1>로 연락 주세요"
    redacted.vault.restore("Call <phone_number_1>") # "Call 010-1234-5678"

The same value gets the same placeholder in the whole conversation, letter by letter: another spelling of a number is
another placeholder, so that what comes back is what went in. Values live in memory only.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from jangin.errors import JanginError, PiiError
from jangin.pii.placeholders import LITERAL, PLACEHOLDER, key_of, unfinished_from
from jangin.pii.spans import ENTITIES, Span, resolve

_KNOWN = frozenset(ENTITIES)


class Finder(Protocol):
    def find(self, text: str) -> list[Span]: ...


class Vault:
    """The values behind the placeholders of one conversation. It never shows them by itself."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, int], str] = {}
        self._keys: dict[tuple[str, str], int] = {}
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<Vault of {len(self)} values>"

    def placeholder(self, entity: str, value: str) -> str:
        number = self._keys.get((entity, value))
        if number is None:
            number = self._counts[entity] = self._counts.get(entity, 0) + 1
            self._keys[entity, value] = number
            self._values[entity, number] = value
        return f"<{entity}_{number}>"

    def restore(self, text: str) -> str:
        """The text with every placeholder of this conversation replaced by its value; others stay."""
        return PLACEHOLDER.sub(self._value, text)

    def restorer(self) -> Restorer:
        """For an answer that comes in pieces."""
        return Restorer(self)

    def counts(self) -> dict[str, int]:
        """Entity -> how many values of it are held; for a record that must not hold them."""
        return {entity: count for entity, count in self._counts.items() if entity != LITERAL}

    def _value(self, match) -> str:
        return self._values.get(key_of(match), match.group())


class Restorer:
    """`feed` gives what is safe to send on; only what may still become a placeholder waits. `flush` ends the text."""

    def __init__(self, vault: Vault):
        self._vault, self._held = vault, ""

    def feed(self, chunk: str) -> str:
        text = self._held + chunk
        sent: list[str] = []
        place = 0
        for match in PLACEHOLDER.finditer(text):
            if unfinished_from(text, match.start()) == match.start():
                break  # it may go on: <PERSON_1 of <PERSON_12>
            sent += [text[place : match.start()], self._vault._value(match)]
            place = match.end()
        wait = unfinished_from(text, place)
        sent.append(text[place:wait])
        self._held = text[wait:]
        return "".join(sent)

    def flush(self) -> str:
        text, self._held = self._held, ""
        return self._vault.restore(text)


class Redacted(NamedTuple):
    """`spans` are places in the text as it was, with entity and score."""

    text: str
    vault: Vault
    spans: list[Span]


class Redactor:
    """Takes out what a detector finds. One for each conversation: its vault is shared by all its texts."""

    def __init__(self, detector: Finder, vault: Vault | None = None):
        self._detector = detector
        self.vault = vault if vault is not None else Vault()

    def redact(self, text: str) -> Redacted:
        """`vault.restore` of the result is the text again, for every text.

        Raises: PiiError whenever the detector fails, whatever it raises; then nothing may be released.
        """
        try:
            found = self._detector.find(text)
            literals = [Span(*match.span(), LITERAL, 2.0) for match in PLACEHOLDER.finditer(text)]
            pieces, place = [], 0
            for start, end, entity, _ in resolve(text, [*found, *literals]):
                if entity != LITERAL and entity not in _KNOWN:
                    raise PiiError("the detector named an entity that has no placeholder; nothing was released")
                pieces += [text[place:start], self.vault.placeholder(entity, text[start:end])]
                place = end
            pieces.append(text[place:])
            redacted = "".join(pieces)
            whole = self.vault.restore(redacted) == text
        except JanginError:
            raise
        except Exception as error:  # noqa: BLE001  # fail closed, and without the text in the message
            raise PiiError(
                f"the detector of personal data failed ({type(error).__name__}); nothing was released"
            ) from None
        if not whole:
            raise PiiError("a redacted text could not be restored; nothing was released", "report this: it is a defect")
        return Redacted(redacted, self.vault, found)
