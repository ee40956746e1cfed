"""Any OpenAI-compatible server, through the official client: one question, one answer, or why there is none."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from jangin.errors import EndpointError, MissingExtraError
from jangin.models.endpoint import DEFAULT_KEY, Endpoint, key_for
from jangin.models.pace import Pace
from jangin.models.refusals import LIMITS, UNPAID, asked_wait_s, code_of, is_filtered, refused_parameter
from jangin.types import Message

TRIES = 6
TIMEOUT_S = 60.0
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0  # of our own; a server may ask for up to LONGEST_PAUSE_S
LONGEST_PAUSE_S = 300.0


class ApiAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer. `unscored`: why there is none (a transport failure); all but `tries` is empty then.

    refusal: the model's or its filter's, in its words; such an answer counts, as a wrong one. latency_s: of the try
    that was answered, from sending to the last byte. model, system_fingerprint: as the server reported them.
    """

    text: str | None = None
    finish_reason: str | None = None
    refusal: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    latency_s: float | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    tries: int = 1
    unscored: str | None = None

    @property
    def refused(self) -> bool:
        return self.refusal is not None or self.finish_reason == "content_filter"


class _Message(msgspec.Struct):
    content: str | list[Any] | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None
    model: str | None = None
    system_fingerprint: str | None = None


class _Failed(Exception):
    """A try that brought no answer. `again`: another one may; `wait_s`: what the server asked for."""

    def __init__(self, reason: str, *, again: bool = True, wait_s: float | None = None):
        super().__init__(reason)
        self.reason, self.again, self.wait_s = reason, again, wait_s


class ApiModel:
    """One model behind one OpenAI-compatible address. Use it as an async context manager, in one event loop.

    Args:
        key_env: the environment variable that holds the key; None: OPENAI_API_KEY, and on this machine none is needed.
        temperature, seed: sent until the server says that it does not take them; `sent` tells what is left.
        timeout_s: of one try. tries: how often one question is asked at most. first_wait_s: doubled after each try.
    Raises: InputError for a key that is not there; MissingExtraError without the client.
    """

    def __init__(
        self,
        where: Endpoint,
        model: str,
        *,
        key_env: str | None = None,
        temperature: float = 0.0,
        seed: int | None = 0,
        max_tokens: int = 256,
        timeout_s: float = TIMEOUT_S,
        tries: int = TRIES,
        first_wait_s: float = FIRST_WAIT_S,
        pace: Pace | None = None,
    ):
        self.where, self.model, self.key_env = where, model, key_env or DEFAULT_KEY
        self.tries, self.first_wait_s, self.pace = tries, first_wait_s, pace or Pace()
        self.sent: dict[str, Any] = {"temperature": temperature, "seed": seed, "max_tokens": max_tokens}
        if seed is None:
            del self.sent["seed"]
        self.answered = 0
        self._client = _client(where, key_for(where, key_env), timeout_s)

    async def __aenter__(self) -> ApiModel:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._client.close()

    async def ask(
        self, messages: Sequence[Message], *, tokens: float = 0.0, response_format: dict[str, Any] | None = None
    ) -> ApiAnswer:
        """One answer to one chat; after time-outs, lost connections, 408, 429 and 5xx the question is asked again.

        Args:
            tokens: what the exchange will take, about; counts where the pace limits tokens.
        Raises: EndpointError for what no further try can mend: a wrong key, an unknown model or address, no quota.
        """
        reason, number = "", 0
        for number in range(1, self.tries + 1):
            try:
                return await self._adapting(messages, tokens, response_format, number)
            except _Failed as failed:
                reason = failed.reason
                if not failed.again or (failed.wait_s or 0) > LONGEST_PAUSE_S or number == self.tries:
                    break
                await self._rest(number, failed.wait_s)
        return ApiAnswer(tries=number, unscored=reason)

    async def _rest(self, number: int, asked_s: float | None) -> None:
        """Exponential, with jitter so that those who failed together do not come back together."""
        own = min(self.first_wait_s * 2 ** (number - 1), LONGEST_WAIT_S) * random.uniform(0.5, 1.0)
        if asked_s is not None:
            self.pace.pause(asked_s)
        await asyncio.sleep(max(own, asked_s or 0.0))

    async def _adapting(
        self, messages: Sequence[Message], tokens: float, response_format: dict[str, Any] | None, number: int
    ) -> ApiAnswer:
        """One try; a parameter that the server does not take is renamed or left out, which does not count as one."""
        import openai

        while True:
            await self.pace.wait(tokens)
            options: dict[str, Any] = dict(self.sent)
            if response_format is not None:
                options["response_format"] = response_format
            started = time.perf_counter()
            try:
                raw = await self._client.chat.completions.with_raw_response.create(
                    model=self.model, messages=list(messages), **options
                )
                answer = _read(raw.content, time.perf_counter() - started, number)
            except openai.APITimeoutError:
                raise _Failed("timed out") from None
            except openai.APIConnectionError as error:
                raise _Failed(f"connection failed ({type(error.__cause__ or error).__name__})") from None
            except openai.APIStatusError as error:
                if is_filtered(error):
                    return ApiAnswer(finish_reason="content_filter", refusal="content filter", tries=number)
                if not self._without(refused_parameter(error, options), options):
                    raise self._told(error) from None
                continue
            used = (answer.prompt_tokens or 0) + (answer.completion_tokens or 0)
            self.pace.settle(tokens, used or tokens)
            self.answered += 1
            return answer

    def _without(self, name: str | None, options: dict[str, Any]) -> bool:
        """Stops sending a refused parameter; whether there is something else to try. Others may have been quicker."""
        if name == "response_format":
            raise EndpointError(
                f"{self.where.host} takes no response_format with a JSON schema for model '{self.model}'",
                "leave --json-schema out: the prompt asks for JSON",
            )
        if name is None or name not in options:
            return False
        if name == LIMITS[0]:
            if name in self.sent:
                self.sent[LIMITS[1]] = self.sent.pop(name)
            return True
        if name == LIMITS[1]:
            return False
        self.sent.pop(name, None)
        return True

    def _told(self, error: Any) -> Exception:
        """What a status means; the server's own words stay out, since they may repeat the key or the question."""
        status, code, host = error.status_code, code_of(error), self.where.host
        said = f"HTTP {status}{f' {code}' if code else ''}"
        if code in UNPAID:
            return EndpointError(f"{host} wants to be paid first ({said})", "see to the account's quota or billing")
        if status == 401 or (status == 403 and not self.answered):  # later, a 403 is about one text: a firewall's, say
            return EndpointError(
                f"{host} refuses the key in {self.key_env} ({said})",
                f"export a key of this API that may use model '{self.model}', or name its variable with --key-env",
            )
        if status == 404:
            return EndpointError(
                f"{host} knows no model '{self.model}', or nothing answers at this address ({said})",
                "check --model, and --endpoint: the base URL mostly ends in /v1",
            )
        if 300 <= status < 400:
            return EndpointError(f"{host} sends the request on to another address ({said})", "name the final address")
        if status in (408, 409, 425, 429) or status >= 500:
            return _Failed(said, wait_s=asked_wait_s(error.response.headers))
        return _Failed(said, again=False)


def _client(where: Endpoint, key: str, timeout_s: float) -> Any:
    try:
        import openai
    except ImportError:
        raise MissingExtraError("asking a model API", "api") from None
    http = openai.DefaultAsyncHttpxClient(
        timeout=timeout_s,
        follow_redirects=False,  # texts go to the host that was named, and to no other
        trust_env=not where.local,  # a proxy has no part in what stays on this machine
    )
    client = openai.AsyncOpenAI(
        api_key=key,
        base_url=where.url,
        default_query=where.query,
        default_headers={"api-key": key} if where.azure else None,
        max_retries=0,  # `ask` keeps to the pace and counts its tries
        timeout=timeout_s,
        http_client=http,
    )
    if not where.openai:
        client.organization = client.project = None  # OpenAI's, from the environment: no business of another host
    return client


def _read(body: bytes, seconds: float, number: int) -> ApiAnswer:
    """Raises: _Failed for a body that is no chat completion, or one without choices."""
    try:
        found = msgspec.json.decode(body, type=_Completion)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _Failed("the answer is no chat completion") from None
    if not found.choices:
        raise _Failed("the answer holds no choices")
    choice, usage = found.choices[0], found.usage or _Usage()
    content = choice.message.content
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return ApiAnswer(
        text=content,
        finish_reason=choice.finish_reason,
        refusal=choice.message.refusal or None,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        latency_s=round(seconds, 4),
        model=found.model,
        system_fingerprint=found.system_fingerprint,
        tries=number,
    )
