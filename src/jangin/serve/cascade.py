"""After the specialist has answered: its answer, another model's, or none, as the promise and the task's policy say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from jangin.data.schema import fault
from jangin.egress.answers import Answer, Left, Question
from jangin.errors import EgressDenied, EgressFailed, OverLimit, RequestError
from jangin.ledger.row import Route
from jangin.serve.fleet import Entry

if TYPE_CHECKING:
    from jangin.egress.escalate import Egress
    from jangin.egress.seams import Payer

AT_ONCE = 8  # escalated questions of one request
Messages = list[dict[str, Any]]


class Outcome(NamedTuple):
    """What became of one answer.

    output: another model's label, list of labels, object or text; None: the local one (route "local"), or none at all.
    left: what left this machine, also in vain. why: a short name of what stood in the way.
    """

    route: Route
    output: Any = None
    left: Left | None = None
    why: str | None = None

    @property
    def none(self) -> bool:
        return self.output is None and self.route != "local"


LOCAL = Outcome("local")


class Cascade:
    """egress: the server's way out; None: there is none."""

    def __init__(self, egress: Egress | None = None):
        self.egress = egress

    async def weigh(
        self,
        entry: Entry,
        request_id: str,
        confidences: Sequence[float | None],
        question: Callable[[int], Messages],
        parameters: dict[str, Any] | None = None,
        payer: Payer | None = None,
    ) -> list[Outcome]:
        """One outcome for each answer of a specialist of which something is promised.

        question: the number of an answer -> the chat that it answers. parameters: of the request, for another model.
        payer: whoever asks.
        """
        promise = entry.promise
        assert promise is not None
        found = [LOCAL if promise.local(each) else None for each in confidences]
        if promise.unsure != "escalate" or self.egress is None:
            else_ = Outcome("refused" if promise.unsure == "refuse" else "abstained", why="unsure")
            return [each or else_ for each in found]
        gate = asyncio.Semaphore(AT_ONCE)

        async def ask(at: int) -> Outcome:
            name = request_id if len(found) == 1 else f"{request_id}.{at}"
            async with gate:
                return await self._escalated(entry, name, question(at), parameters or {}, payer)

        asked = [at for at, each in enumerate(found) if each is None]
        for at, outcome in zip(asked, await asyncio.gather(*map(ask, asked))):
            found[at] = outcome
        return [each for each in found if each is not None]

    async def _escalated(
        self, entry: Entry, request_id: str, messages: Messages, parameters: dict[str, Any], payer: Payer | None
    ) -> Outcome:
        """An escalation that fails, for whatever reason, leaves the question without an answer."""
        assert self.egress is not None
        terms = entry.terms
        asked = Question(entry.info.name, request_id, messages, None, parameters, terms.instruction or None)
        try:
            answer = await self.egress.ask(terms.policy, asked, payer)
        except (EgressDenied, EgressFailed) as error:
            return Outcome("abstained", left=error.left, why=error.reason)
        except OverLimit:
            return Outcome("abstained", why="budget")
        except RequestError:
            return Outcome("abstained", why="not_askable")
        output = usable(entry, answer)
        if output is None:
            return Outcome("abstained", left=answer.left, why="refused_there" if answer.refusal else "unusable_answer")
        return Outcome("escalated", output, answer.left)


def usable(entry: Entry, answer: Answer) -> Any:
    """What another model said as an answer of this task; None: it is none."""
    from jangin.record.answers import output_of  # with an API's client, which a server that lets nothing out needs not

    info = entry.info
    found = output_of(info.kind, answer.text)
    if found is None:
        return None
    if info.kind == "classify":
        return _label(info.labels, found)
    if info.kind == "tag":
        given = [name for name, state in found.items() if state] if isinstance(found, dict) else found
        labels = [_label(info.labels, each) for each in given] if isinstance(given, list) else [None]
        return None if None in labels else labels
    if info.kind == "extract":
        schema = info.writing.schema if info.writing else None
        return found if isinstance(found, dict) and (schema is None or fault(found, schema) is None) else None
    return found if isinstance(found, str) and found.strip() else None


def _label(labels: Sequence[str], given: Any) -> str | None:
    """Models add quotes, full stops and capitals to a label."""
    if not isinstance(given, str):
        return None
    if given in labels:
        return given
    bare = given.strip().strip("\"'`.").strip().casefold()
    near = [label for label in labels if label.casefold() == bare]
    return near[0] if len(near) == 1 else None
