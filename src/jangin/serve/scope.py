"""Replies of `model: auto` that are not one specialist's own: for texts of several, and for texts that are for none."""

from __future__ import annotations

import time
from typing import Any

from jangin.serve import replies
from jangin.serve.auto import Routed, Sent, answered, said
from jangin.serve.cascade import LOCAL, Cascade, Outcome
from jangin.serve.deliver import EVENTS, JSON, UNCACHED, Reply
from jangin.serve.door import Visit
from jangin.serve.evidence import Pairs
from jangin.serve.fleet import Entry, Fleet
from jangin.serve.frames import Answers
from jangin.serve.replies import Row, encode
from jangin.serve.routed import AUTO

REFUSAL = "out of scope: no specialist here is for this message"
NONE = Outcome("refused", why="out_of_scope")


async def classify(fleet: Fleet, cascade: Cascade, visit: Visit, routed: Routed, top_k: int | None) -> Reply:
    """Each row names its `model`; a row that is for none has the label null. Raises: Overloaded, EngineError."""
    found, used = await _answered(fleet, cascade, visit, routed)
    data: list[dict[str, Any]] = []
    for at, (sent, row, outcome) in enumerate(zip(routed.sent, found, visit.outcomes)):
        if sent.entry is None or row is None:
            nothing: dict[str, Any] = {"label": None, "route": NONE.route, "why": NONE.why, "refusal": REFUSAL}
            nothing |= {"confidence": None, "probabilities": {}}
            data.append({"index": at, "model": None, **nothing, **_near(sent)})
        else:
            answer = replies.labelled(sent.entry, row, top_k, outcome)
            data.append({"index": at, "model": sent.entry.info.name, **answer, "margin": sent.margin})
    body = {"object": "list", "model": AUTO, "data": data, "usage": used, "jangin": _evidence(visit, routed)}
    return Reply(encode(body), [JSON, *_headers(visit)])


async def moderation(fleet: Fleet, cascade: Cascade, visit: Visit, routed: Routed) -> Reply:
    """As OpenAI's, each result with its `model`; what is for none, or for one that is not sure enough, is neither
    flagged nor cleared: `flagged` is null.

    Raises: Overloaded, EngineError.
    """
    found, _ = await _answered(fleet, cascade, visit, routed)
    results: list[dict[str, Any]] = []
    for sent, row, outcome in zip(routed.sent, found, visit.outcomes):
        if sent.entry is None or row is None or outcome.none:
            empty: dict[str, Any] = {"categories": {}, "category_scores": {}, "category_applied_input_types": {}}
            model, refusal = (None, REFUSAL) if sent.entry is None else (sent.entry.info.name, replies.UNSURE)
            results.append({"flagged": None, **empty, "model": model, "refusal": refusal, **_near(sent)})
        else:
            answer = replies.moderated(sent.entry, row, outcome)
            results.append({**answer, "model": sent.entry.info.name, "margin": sent.margin})
    body = {"id": f"modr-{visit.request_id}", "model": AUTO, "results": results}
    return Reply(encode({**body, "jangin": _evidence(visit, routed)}), [JSON, *_headers(visit)])


def chat(visit: Visit, routed: Routed, stream: bool, with_usage: bool) -> Reply:
    """A chat that is for none: no content, OpenAI's `refusal`."""
    message = {"role": "assistant", "content": None, "refusal": REFUSAL}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    used = _refused(visit, routed)
    completion = {
        "id": f"chatcmpl-{visit.request_id}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": AUTO,
        "system_fingerprint": None,
        "choices": [choice],
        "usage": used,
        "jangin": _evidence(visit, routed),
    }
    if stream:
        return Reply(replies.chunks(completion, with_usage), [EVENTS, UNCACHED, *_headers(visit)])
    return Reply(encode(completion), [JSON, *_headers(visit)])


def completion(visit: Visit, routed: Routed, stream: bool, with_usage: bool) -> Reply:
    """A text completion that is for none: an empty text, the refusal in the evidence, where alone there is room."""
    used = _refused(visit, routed)
    body: dict[str, Any] = {
        "id": f"cmpl-{visit.request_id}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": AUTO,
        "system_fingerprint": None,
        "choices": [{"index": 0, "text": "", "logprobs": None, "finish_reason": "stop"}],
        "jangin": {**_evidence(visit, routed), "refusal": REFUSAL},
    }
    if not stream:
        return Reply(encode({**body, "usage": used}), [JSON, *_headers(visit)])
    events = [{**body, "usage": None}, {**body, "choices": [], "usage": used}] if with_usage else [body]
    content = b"".join(b"data: " + encode(event) + b"\n\n" for event in events) + b"data: [DONE]\n\n"
    return Reply(content, [EVENTS, UNCACHED, *_headers(visit)])


async def _answered(
    fleet: Fleet, cascade: Cascade, visit: Visit, routed: Routed
) -> tuple[list[Row | None], dict[str, int]]:
    """A row for each text, None for one that is for none, and the usage; `visit` is told what became of each."""
    parts = await answered(fleet, routed)
    if len(parts) == 1:
        visit.ask(parts[0][0])
    found: list[Row | None] = [None] * len(routed.texts)
    outcomes = [NONE] * len(routed.texts)
    completion_tokens, work_s = 0, routed.text_s * sum(each.entry is None for each in routed.sent)
    for entry, places, answers in parts:
        for at, row in zip(places, replies.rows(entry, answers)):
            found[at], outcomes[at] = row, LOCAL
        completion_tokens += answers.given.count(1)
        work_s += answers.text_s * len(places)
    used = _told(visit, routed, completion_tokens, work_s)
    for entry, places, answers in parts:
        if entry.promise is not None:
            weighed = await _weighed(cascade, entry, visit, routed, places, answers)
            for at, outcome in zip(places, weighed):
                outcomes[at] = outcome
    visit.went(outcomes)
    if len(parts) == 1:  # of several specialists nothing is kept: each task says for itself how long its texts may be
        [(entry, places, answers)] = parts
        visit.answers = len(places)
        texts, given = [routed.texts[at] for at in places], list(replies.rows(entry, answers))
        if entry.terms.policy.texts_days is not None:
            visit.keep(*replies.texts_kept(texts, given, [outcomes[at] for at in places]))
    return found, used


async def _weighed(
    cascade: Cascade, entry: Entry, visit: Visit, routed: Routed, places: list[int], answers: Answers
) -> list[Outcome]:
    confidences = [row.confidence for row in replies.rows(entry, answers)]
    name = f"{visit.request_id}.{entry.info.name}"  # several specialists may escalate parts of one request
    return await cascade.weigh(entry, name, confidences, lambda at: said(routed.texts[places[at]]), payer=visit)


def _refused(visit: Visit, routed: Routed) -> dict[str, int]:
    used = _told(visit, routed, 0, routed.text_s)
    visit.went([NONE])
    return used


def _told(visit: Visit, routed: Routed, completion_tokens: int, work_s: float) -> dict[str, int]:
    prompt = sum(len(text.split()) for text in routed.texts)
    visit.report(prompt_tokens=prompt, completion_tokens=completion_tokens, work_s=work_s)
    total = prompt + completion_tokens
    return {"prompt_tokens": prompt, "completion_tokens": completion_tokens, "total_tokens": total}


def _near(sent: Sent) -> dict[str, Any]:
    """What it came nearest to, for who may see that."""
    return {} if sent.nearest is None else {"nearest": sent.nearest, "margin": sent.margin}


def _evidence(visit: Visit, routed: Routed) -> dict[str, Any]:
    """Of a request without one specialist; called when the visit knows what became of it."""
    about: dict[str, Any] = {"route": visit.route, "routed": True, "specialist": None, "certificate": None}
    about |= {"egress_bytes": visit.egress_bytes, "cost_usd": visit.cost_usd, "energy_wh": visit.energy_wh}
    routes = [each.route for each in visit.outcomes]
    if len(routes) == 1:
        return {**about, "why": NONE.why, **_near(routed.sent[0])}
    specialists = {each.info.name: _of(each) for each, _ in routed.by_entry()}
    return {
        **about,
        "routes": {route: routes.count(route) for route in dict.fromkeys(routes)},
        "specialists": specialists,
    }


def _of(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {"sha256": entry.info.sha256}
    found["certificate"] = entry.certificate.id if entry.certificate else None
    return found if entry.promise is None else {**found, "promise": entry.promise.evidence()}


def _headers(visit: Visit) -> Pairs:
    return [
        (b"x-jangin-route", visit.route.encode()),
        (b"x-jangin-specialist", b"none"),
        (b"x-jangin-egress-bytes", b"%d" % visit.egress_bytes),
        (b"x-jangin-certificate", b"none"),
        (b"x-jangin-cost-usd", b"%.9f" % visit.cost_usd),
    ]
