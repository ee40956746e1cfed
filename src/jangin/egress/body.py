"""A request -> the body that leaves: only what the policy names, redacted, and a list of what that was.

The body is built up from nothing. What no rule names is either withheld (messages, their properties, keys of a JSON
object) or refused (parameters that would change the answer).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from jangin.egress.answers import Outgoing, Question
from jangin.egress.seams import Redaction, Vault
from jangin.errors import EgressDenied, RequestError
from jangin.policy import ROLES, TEXT_PARAMETERS, Policy
from jangin.prices import estimated_tokens

PLAIN_PARAMETERS = (  # numbers and switches: they hold nobody's text
    *("temperature", "top_p", "n", "seed", "max_tokens", "max_completion_tokens", "presence_penalty"),
    *("frequency_penalty", "logprobs", "top_logprobs"),
)
UNSENT_PARAMETERS = ("user", "metadata", "safety_identifier", "prompt_cache_key")  # they cannot change the answer
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_MOST = 2**53  # beyond it JSON's numbers are no longer exact everywhere
_WHOLE = {
    **dict.fromkeys(("max_tokens", "max_completion_tokens"), (1, 10_000_000)),
    "n": (1, 128),
    "top_logprobs": (0, 20),
}
LONGEST_S = 20.0  # of redacting all texts of a request
_MESSAGE_TOKENS = 6  # what a chat format adds to a message, about


def build(policy: Policy, question: Question, redaction: Redaction | None) -> Outgoing:
    """Blocks while the redactor works.

    Raises: RequestError for what is no chat request; EgressDenied for what may not leave, or could not be redacted.
    """
    names, withheld = dict[str, None](), dict[str, None]()
    kept = list(_messages(policy, question.messages, names, withheld))
    if not any(text.strip() for _, text in kept):
        roles = ", ".join(policy.fields.roles)
        raise EgressDenied(
            "nothing_left", f"the policy of task '{question.task}' leaves nothing to send (roles: {roles})"
        )
    parameters = _parameters(policy, question.parameters, names, withheld)
    vault: Vault | None = None
    if policy.redact == "none":
        messages = [{"role": role, "content": text} for role, text in kept]
    else:
        messages, parameters, vault = _redacted(question.task, kept, parameters, redaction)
    if question.instruction:
        messages.insert(0, {"role": "system", "content": question.instruction})
        names["instruction"] = None
    form = parameters.get("response_format")
    return Outgoing(
        body={"messages": messages, **parameters},
        fields=tuple(names),
        withheld=tuple(withheld),
        tokens=sum(estimated_tokens([each["content"]]) + _MESSAGE_TOKENS for each in messages),
        json_answer=isinstance(form, dict) and form.get("type") in ("json_object", "json_schema"),
        vault=vault,
    )


def _redacted(
    task: str, kept: list[tuple[str, str]], parameters: dict[str, Any], redaction: Redaction | None
) -> tuple[list[dict[str, str]], dict[str, Any], Vault]:
    """One vault for all texts of a request."""
    if redaction is None:
        message = f"the policy of task '{task}' asks for redaction, and this server has none; nothing was sent"
        raise EgressDenied("no_redactor", message, status=503)
    try:
        redactor, ends_at = redaction(None), time.monotonic() + LONGEST_S

        def clean(text: str) -> str:
            if time.monotonic() > ends_at:
                raise TimeoutError
            redacted = redactor.redact(text).text
            if not isinstance(redacted, str):
                raise TypeError
            return redacted

        messages = [{"role": role, "content": clean(text)} for role, text in kept]
        texts = {name: _every_text(parameters[name], clean) for name in TEXT_PARAMETERS if name in parameters}
        return messages, {**parameters, **texts}, redactor.vault
    except Exception as error:  # noqa: BLE001  # whatever the redactor raises, nothing is sent
        message = f"redaction failed ({type(error).__name__}); nothing was sent"
        raise EgressDenied("redaction", message, status=503) from None


def _messages(policy: Policy, messages: Any, names: dict[str, None], withheld: dict[str, None]) -> Any:
    """(role, text) of what may leave."""
    if not isinstance(messages, list) or not messages:
        raise RequestError("'messages' is no list of messages, or empty", param="messages")
    for position, message in enumerate(messages):
        where = f"messages[{position}]"
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise RequestError(f"'{where}' is no message with a role", param=where)
        role = message["role"]
        if role not in policy.fields.roles:
            withheld[f"role:{role if role in ROLES else 'other'}"] = None  # a name that nobody knows may be a text
            continue
        if message.get("tool_calls") or message.get("function_call"):
            raise _unsupported(f"{where}.tool_calls", "calls of tools")
        if len(message) > 2:
            withheld["message properties"] = None
        text = _text(message.get("content"), f"{where}.content")
        if role == "user" and policy.fields.keys is not None:
            text = _keys(text, policy.fields.keys, names, withheld)
        names[f"role:{role}"] = None
        yield role, text


def _text(content: Any, where: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise RequestError(f"'{where}' is no text", param=where)
    for part in content:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise _unsupported(where, "parts that are no text, which cannot be redacted")
    return "".join(part["text"] for part in content)


def _keys(text: str, keys: tuple[str, ...], names: dict[str, None], withheld: dict[str, None]) -> str:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise EgressDenied(
            "not_json", "policy.fields.keys names keys, but the message is no JSON object; nothing was sent", status=400
        )
    kept = {key: value for key, value in found.items() if key in keys}
    if len(kept) < len(found):
        withheld["other keys"] = None  # their names are the client's words
    names.update(dict.fromkeys(f"key:{key}" for key in kept))
    return msgspec.json.encode(kept).decode() if kept else ""


def _parameters(
    policy: Policy, given: dict[str, Any], names: dict[str, None], withheld: dict[str, None]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in given.items():
        if value is None:
            continue
        if name in UNSENT_PARAMETERS or (name == "store" and value is False):
            withheld[name] = None
        elif name in PLAIN_PARAMETERS:
            found[name] = _number(name, value)
        elif name == "reasoning_effort" and value in _EFFORTS:
            found[name] = value
        elif name == "response_format" and value == {"type": "text"}:
            continue
        elif name == "response_format" and value == {"type": "json_object"}:
            found[name] = value
        elif name in TEXT_PARAMETERS:
            if name not in policy.fields.parameters:
                raise EgressDenied(
                    "parameter",
                    f"parameter '{name}' may not leave: policy.fields.parameters does not name it",
                    "leave it out, or have it named there",
                    status=400,
                    param=name,
                )
            found[name] = value
        else:
            raise _unsupported(name if name.isidentifier() and len(name) < 40 else "(another)", None)
    names.update(dict.fromkeys(f"parameter:{name}" for name in found))
    return found


def _number(name: str, value: Any) -> int | float:
    """What an answer may cost is reckoned from the limits: a negative one, say, would be credit."""
    if name in _WHOLE:
        least, most = _WHOLE[name]
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise RequestError(f"'{name}' is no whole number from {least:,} to {most:,}", param=name)
        return value
    if not isinstance(value, int | float) or not -_MOST <= value <= _MOST:
        raise RequestError(f"'{name}' is no number from {-_MOST:,} to {_MOST:,}", param=name)
    return value


def _unsupported(name: str, what: str | None) -> RequestError:
    message = f"parameter '{name}' is not passed on" + (f": {what}" if what else "")
    return RequestError(message, param=name, code="unsupported_parameter")


def _every_text(value: Any, clean: Callable[[str], str]) -> Any:
    """Keys too: a schema names its fields with them."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_every_text(each, clean) for each in value]
    if isinstance(value, dict):
        return {clean(key): _every_text(each, clean) for key, each in value.items()}
    return value
