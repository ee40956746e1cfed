"""What egress asks of other parts, as protocols: redaction, the audit log, what was spent. Whoever opens it passes
them.

All three may block and may be called from threads of a pool; calls of `Audit.append_all` come one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from jangin.egress.answers import Left


class Restorer(Protocol):
    """Puts originals back into a text that comes in pieces."""

    def feed(self, piece: str) -> str:
        """What may be shown by now; a placeholder that is not whole yet is kept back."""

    def flush(self) -> str:
        """The rest."""


class Vault(Protocol):
    """The originals behind the placeholders of one request. `len` is how many placeholders there are."""

    def __len__(self) -> int: ...

    def restore(self, text: str) -> str: ...

    def restorer(self) -> Restorer: ...


class Redacted(Protocol):
    @property
    def text(self) -> str: ...


class Redactor(Protocol):
    """Replaces personal data by placeholders, in the texts of one request. Whatever it raises, nothing is sent."""

    @property
    def vault(self) -> Any: ...

    def redact(self, text: str) -> Redacted: ...


# A redactor for one request; with a vault, one that goes on with its placeholders: one original, one placeholder.
Redaction = Callable[[Any], Redactor]


class Payer(Protocol):
    """Whoever asks, for one request. bounded: has a budget of its own, so that what is asked for must have an end.

    Called in the event loop.
    """

    @property
    def bounded(self) -> bool: ...

    def hold(self, most_usd: float | None) -> float:
        """Sets aside what a question can cost at most, and returns it, for `settle`. None: no price is known.

        Raises: EgressDenied, RequestError; then nothing is sent.
        """

    def settle(self, held: float, cost_usd: float) -> None: ...

    def gave_up(self, left: Left, prompt_tokens: int, completion_tokens: int) -> None:
        """What had left when nobody waited for the answer any more, and about how many tokens that was."""


class Audit(Protocol):
    def append_all(self, entries: Sequence[tuple[str, dict[str, Any]]]) -> Any:
        """(kind, fields) of each. All are durable when it returns; whatever it raises, nothing is sent of any of them.
        Fields hold no texts and no keys."""


Spent = Callable[[str, datetime], float]  # (task, since in UTC) -> US dollars that the ledger knows of
