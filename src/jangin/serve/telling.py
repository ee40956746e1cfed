"""Which tokens belong to which piece of an answer: the engine tells both, white space and stop strings fall away."""

from __future__ import annotations

from jangin.models.generation import Token
from jangin.serve.frames import Told


class Telling:
    """Tokens and texts in the order that `Decoder.generate` reports them: a token before the text that it completes.

    A token whose text is kept back (it may begin a stop string) is told once that text is; one that is cut off with a
    stop string, one that is nothing but white space around the answer, and the end, which has no text, never are.
    """

    def __init__(self) -> None:
        self._raw = bytearray()  # the text so far, white space at its beginning included
        self._skipped = 0
        self._new: list[Token] = []  # not followed by a text yet
        self._placed: list[tuple[int, int, Token]] = []  # (begin, end) in bytes; not told yet
        self._end = 0
        self._counted = self._characters = 0

    def token(self, token: Token) -> None:
        self._new.append(token)

    def text(self, text: str) -> None:
        self._raw += text.encode()
        for token in self._new[:-1]:
            self._place(token, self._end + len(token.piece))
        if self._new:  # it may stand for more than its own bytes: the engine is silent about a token inside a character
            self._place(self._new[-1], len(self._raw))
        self._new.clear()

    def _place(self, token: Token, end: int) -> None:
        if token.piece:
            self._placed.append((self._end, end, token))
        self._end = end

    def skip(self, space: str) -> None:
        """More white space at the very beginning, which is no part of the answer."""
        self._skipped += len(space.encode())

    def told(self, kept: str) -> list[Told]:
        """The tokens that end before `kept`, the tail of the text that is not sent yet."""
        sent = len(self._raw) - len(kept.encode())
        ready = [each for each in self._placed if each[1] <= sent]
        self._placed = self._placed[len(ready) :]
        return [
            Told(token.piece, token.logprob, list(token.top), self._before(begin))
            for begin, end, token in ready
            if end > self._skipped
        ]

    def _before(self, begin: int) -> int:
        """Characters of the answer before a byte of the text; bytes are asked for in order."""
        begin = max(begin, self._skipped)
        self._counted = max(self._counted, self._skipped)
        self._characters += sum(byte & 0xC0 != 0x80 for byte in self._raw[self._counted : begin])
        self._counted = max(self._counted, begin)
        return self._characters
