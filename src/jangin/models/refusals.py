"""What an HTTP error of a model API means. Its sentences stay in here: they may repeat the question."""

from __future__ import annotations

import email.utils
import re
import time
from typing import Any

_CODE = re.compile(r"[A-Za-z_.\-]{1,48}")  # no digits: a key has some
UNPAID = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_TOO_LONG = ("context_length_exceeded", "string_above_max_length")
_FILTERED = ("content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation")
LONGEST_WAIT_S = 3600.0
LIMITS = ("max_tokens", "max_completion_tokens")  # newer models of OpenAI take the second name only
_REFUSABLE = ("temperature", "seed", *LIMITS, "response_format")
_UNSUPPORTED = re.compile(
    r"unsupported|not support|unknown|unrecogni[sz]ed|unexpected|not permitted|not allowed|not implemented|extra", re.I
)


def _body(error: Any) -> dict[str, Any]:
    return error.body if isinstance(error.body, dict) else {}


def code_of(error: Any) -> str | None:
    """The error's short name where it is one, safe to show."""
    for value in (_body(error).get("code"), _body(error).get("type")):
        if isinstance(value, str) and _CODE.fullmatch(value):
            return value
    return None


def is_filtered(error: Any) -> bool:
    """A refusal by a filter in front of the model. Azure says so within, OpenRouter gives reasons."""
    body = _body(error)
    inner, metadata = body.get("innererror"), body.get("metadata")
    codes = [body.get("code"), inner.get("code") if isinstance(inner, dict) else None]
    flagged = error.status_code == 403 and isinstance(metadata, dict) and bool(metadata.get("reasons"))
    return error.status_code in (400, 403, 422) and (any(code in _FILTERED for code in codes) or flagged)


def refused_parameter(error: Any, options: dict[str, Any]) -> str | None:
    """Which of the parameters that were sent the server does not take; None: it complains of something else."""
    if error.status_code not in (400, 422) or code_of(error) in _TOO_LONG:
        return None
    body = _body(error)
    named = body.get("param")
    if isinstance(named, str):
        return next((name for name in _REFUSABLE if name in options and named.split(".")[0] == name), None)
    told = body.get("message")
    detail = told.get("detail") if isinstance(told, dict) else body.get("detail")
    for each in detail if isinstance(detail, list) else []:
        location = each.get("loc") if isinstance(each, dict) else None
        for name in _REFUSABLE:
            if name in options and isinstance(location, list) and name in location:
                return name
    message = str(told or "")
    if _UNSUPPORTED.search(message):
        return next((name for name in _REFUSABLE if name in options and re.search(rf"\b{name}\b", message)), None)
    return None


def asked_wait_s(headers: Any) -> float | None:
    """Retry-After in seconds, also where it is a date; an hour at most, whatever is asked: a slip there must not shut
    an API out for good."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return min(LONGEST_WAIT_S, max(0.0, float(headers.get(name, "")) * unit))
        except ValueError:
            continue
    try:
        until = email.utils.parsedate_to_datetime(headers.get("retry-after", "")).timestamp()
        return min(LONGEST_WAIT_S, max(0.0, until - time.time()))
    except (TypeError, ValueError, OverflowError):
        return None
