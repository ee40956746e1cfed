"""Which of the engine's places reads a prompt, and whether it may read on from what that place has read before.

The engine keeps the keys and values of a place's last prompt and of the answer after it; a prompt that begins alike
need not be read from its beginning. Left to itself the engine does so wherever it can, and then an answer depends on
what was asked before: one row at a time is summed in another order than several, so a token that was *written* has
other last bits than the same token *read*, and a prompt of which one token is left ends otherwise than one read whole.
So a prompt reads on only from what was read, and at least two tokens of it are left to read. Where the engine computes
a row alike whatever is read beside it, the answer is then bit for bit that of a prompt read whole; where it does not
(it rearranges some formats' weights, to multiply four rows at once), the cache changes no more than a neighbour does.
Decision 0014 has the figures.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence

import msgspec

LEFT = 2  # tokens of a prompt that are always read


class _Held(msgspec.Struct):
    """What a place has read: `tokens` are a prompt's, of which the first `sound` were read, not written before."""

    adapter: str | None = None
    tokens: Sequence[int] = ()
    sound: int = 0
    known: bool = False
    used: int = 0


class Places:
    """Safe to call from several threads. `count`: how many places the engine has."""

    def __init__(self, count: int):
        self._held = [_Held() for _ in range(count)]
        self._free = set(range(count))
        self._change = threading.Condition()
        self._clock = 0

    @contextlib.contextmanager
    def take(self, tokens: Sequence[int], adapter: str | None, loose: bool = False) -> Iterator[tuple[int, bool]]:
        """(a place, whether what it holds may be used), as long as the context lasts; waits for a free one.

        loose: also what was written, as a conversation that goes on needs; its answers are not bit for bit the same.
        """
        with self._change:
            self._change.wait_for(lambda: self._free)
            place = max(self._free, key=lambda at: (self._shared(at, tokens, adapter, loose), -self._held[at].used))
            reuse = self._shared(place, tokens, adapter, loose) > 0
            held = self._held[place]
            common = _common(held.tokens, tokens) if reuse else 0
            plain = not reuse or (common < len(held.tokens) and common <= min(held.sound, len(tokens) - LEFT))
            self._free.remove(place)
            held.known = False  # until it has been read
        try:
            yield place, reuse
            with self._change:
                self._clock += 1
                sound = len(tokens) if plain else min(common, held.sound, len(tokens) - 1)
                self._held[place] = _Held(adapter, tokens, sound, True, self._clock)
        finally:
            with self._change:
                self._free.add(place)
                self._change.notify()

    def _shared(self, place: int, tokens: Sequence[int], adapter: str | None, loose: bool) -> int:
        """How many tokens of a prompt a place may save at least."""
        held = self._held[place]
        if not held.known or held.adapter != adapter:
            return 0
        common = _common(held.tokens, tokens)
        if loose:
            return common
        # Where the prompt begins with all that was read, the engine would go on into what was written after it.
        ends_before = common < len(held.tokens) and common <= held.sound
        return common if ends_before and common <= len(tokens) - LEFT else 0


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Length of the longest beginning of both."""
    size = min(len(one), len(other))
    if one[:size] == other[:size]:
        return size
    return next(at for at in range(size) if one[at] != other[at])
