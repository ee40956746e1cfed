"""Answers in OpenAI's shapes, each with its evidence in a `jangin` object and in headers.

`usage` counts words (white space separates them), not a tokenizer's tokens, and one completion token per label.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from jangin.serve.cascade import Outcome
from jangin.serve.door import Visit
from jangin.serve.evidence import evidence
from jangin.serve.fleet import Entry
from jangin.serve.frames import Answers

encode = msgspec.json.encode
_LN_ZERO = -9999.0  # what OpenAI's API gives for a probability of zero: JSON has no infinity


class Row(msgspec.Struct, frozen=True, gc=False):
    """One answer: the labels given, and every label's probability in label order."""

    given: list[str]
    probabilities: list[float]
    confidence: float


def rows(entry: Entry, answers: Answers) -> Iterator[Row]:
    labels = entry.info.labels
    k = len(labels)
    floats = memoryview(answers.probabilities).cast("f")
    given = answers.given
    for index, confidence in enumerate(memoryview(answers.confidence).cast("f")):
        begin, end, at = index * k, index * k + k, index * k - 1
        names = []
        while (at := given.find(1, at + 1, end)) >= 0:
            names.append(labels[at - begin])
        yield Row(names, floats[begin:end].tolist(), confidence)  # type: ignore[arg-type]  # floats, says the cast


def ranked(entry: Entry, probabilities: list[float], top_k: int | None) -> dict[str, float]:
    """label -> probability, highest first; ties in label order."""
    order = sorted(range(len(probabilities)), key=probabilities.__getitem__, reverse=True)
    labels = entry.info.labels
    return {labels[j]: probabilities[j] for j in order[:top_k]}


def usage(texts: list[str], answers: Answers) -> dict[str, int]:
    prompt, completion = sum(len(text.split()) for text in texts), answers.given.count(1)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def classify(entry: Entry, used: dict[str, int], found: Sequence[Row], top_k: int | None, visit: Visit) -> bytes:
    """An answer that was not given here says what became of it; the probabilities are the specialist's own."""
    outcomes: Sequence[Outcome | None] = visit.outcomes or (None,) * len(found)
    data = [
        {"index": index, **labelled(entry, row, top_k, outcome)}
        for index, (row, outcome) in enumerate(zip(found, outcomes))
    ]
    body = {
        "object": "list",
        "model": entry.info.name,
        "data": data,
        "usage": used,
        "jangin": evidence(entry, visit, alone(found)),
    }
    return encode(body)


def alone(found: Sequence[Row]) -> float | None:
    """The confidence of a single answer."""
    return found[0].confidence if len(found) == 1 else None


def texts_kept(texts: Sequence[str], found: Sequence[Row], outcomes: Sequence[Outcome]) -> tuple[str, str]:
    """What the ledger keeps of a request where the task asks for it: texts and answers, of several as JSON lists."""
    given: list[Any] = [row.given for row in found]
    for at, outcome in enumerate(outcomes):
        if outcome.route != "local":
            given[at] = outcome.output
    asked = texts[0] if len(texts) == 1 else encode(texts).decode()
    return asked, encode(given[0] if len(given) == 1 else given).decode()


def labelled(entry: Entry, row: Row, top_k: int | None, outcome: Outcome | None) -> dict[str, Any]:
    """One row of a classification."""
    probabilities = ranked(entry, row.probabilities, top_k)
    return {**_given(entry, row, outcome), "confidence": row.confidence, "probabilities": probabilities}


def _given(entry: Entry, row: Row, outcome: Outcome | None) -> dict[str, Any]:
    name = "labels" if entry.info.kind == "tag" else "label"
    if outcome is None or outcome.route == "local":
        given: Any = row.given if name == "labels" else row.given[0]
        return {name: given} if outcome is None else {name: given, "route": "local"}
    about: dict[str, Any] = {name: outcome.output, "route": outcome.route}
    return about if outcome.why is None else {**about, "why": outcome.why}


UNSURE = "not sure enough to answer"


def chat(entry: Entry, used: dict[str, int], row: Row, visit: Visit, top_logprobs: int | None) -> dict[str, Any]:
    """A chat completion whose message is the label (labels of a `tag` task: separated by commas).

    top_logprobs: None without `logprobs`. A label counts as one token, with the logarithm of its probability.
    """
    content: str | None = ", ".join(row.given)
    outcome = visit.outcomes[0] if visit.outcomes else None
    if outcome is not None and outcome.route != "local":
        top_logprobs = None
        given = outcome.output
        content = ", ".join(given) if isinstance(given, list) else given
    message = {"role": "assistant", "content": content, "refusal": UNSURE if content is None else None}
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None if top_logprobs is None else logprobs(entry, row, top_logprobs),
        "finish_reason": "stop",
    }
    return {
        "id": f"chatcmpl-{visit.request_id}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": entry.info.name,
        "system_fingerprint": entry.info.sha256[:12],
        "choices": [choice],
        "usage": used,
        "jangin": evidence(entry, visit, row.confidence),
    }


def logprobs(entry: Entry, row: Row, top: int) -> dict[str, Any]:
    """One token per given label; each names the `top` most probable labels beside it."""
    best = [_token(label, p) for label, p in ranked(entry, row.probabilities, top).items()] if top else []
    place = entry.info.labels.index
    tokens = [{**_token(label, row.probabilities[place(label)]), "top_logprobs": best} for label in row.given]
    return {"content": tokens, "refusal": None}


def _token(label: str, probability: float) -> dict[str, Any]:
    logprob = math.log(probability) if probability > 0 else _LN_ZERO
    return {"token": label, "logprob": logprob, "bytes": list(label.encode())}


def chunks(completion: dict[str, Any], with_usage: bool) -> bytes:
    """The same completion as server-sent events: role, answer, end, usage where asked for, [DONE]."""
    choice = completion["choices"][0]
    message = choice["message"]
    answer = {"content": message["content"]} if message["refusal"] is None else {"refusal": message["refusal"]}
    head = {name: completion[name] for name in ("id", "created", "model", "system_fingerprint", "jangin")}
    head["object"] = "chat.completion.chunk"
    if with_usage:
        head["usage"] = None
    steps: tuple[tuple[dict[str, Any], Any, str | None], ...] = (
        ({"role": "assistant", "content": "", "refusal": None}, None, None),
        (answer, choice["logprobs"], None),
        ({}, None, "stop"),
    )
    events: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": delta, "logprobs": found, "finish_reason": reason}]}
        for delta, found, reason in steps
    ]
    if with_usage:
        events.append({**head, "choices": [], "usage": completion["usage"]})
    return b"".join(b"data: " + encode(event) + b"\n\n" for event in events) + b"data: [DONE]\n\n"


def moderation(entry: Entry, found: Sequence[Row], visit: Visit) -> bytes:
    """OpenAI's moderation object; categories are the specialist's own labels. None of its answers is missing."""
    outcomes: Sequence[Outcome | None] = visit.outcomes or (None,) * len(found)
    results = [moderated(entry, row, outcome) for row, outcome in zip(found, outcomes)]
    body = {
        "id": f"modr-{visit.request_id}",
        "model": entry.info.name,
        "results": results,
        "jangin": evidence(entry, visit, alone(found)),
    }
    return encode(body)


def moderated(entry: Entry, row: Row, outcome: Outcome | None) -> dict[str, Any]:
    """One result of a moderation."""
    labels = entry.info.labels
    given = set(row.given if outcome is None or outcome.route == "local" else outcome.output)
    return {
        "flagged": bool(given),
        "categories": {label: label in given for label in labels},
        "category_scores": dict(zip(labels, row.probabilities)),
        "category_applied_input_types": {label: ["text"] for label in labels},
    }


def model(entry: Entry, created: int) -> dict[str, Any]:
    """One row of /v1/models."""
    info = entry.info
    certificate = entry.certificate
    about = {
        "kind": info.kind,
        "labels": info.labels,
        "description": info.task,
        "sha256": info.sha256,
        "rung": info.rung,
        "base": info.base,
        "params": info.params,
        "certificate": {"id": certificate.id, "verdict": certificate.verdict} if certificate else None,
        "policy": {"egress": entry.terms.policy.egress, "unsure": entry.terms.policy.unsure},
    }
    if entry.promise is not None:
        about["promise"] = entry.promise.about()
    if (writing := info.writing) is not None:
        about |= {"schema": writing.schema, "max_tokens": writing.max_tokens, "context": writing.context}
        about["tools"] = writing.tools is not None
    return {"id": info.name, "object": "model", "created": created, "owned_by": "jangin", "jangin": about}
