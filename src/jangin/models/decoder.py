"""The embedded decoder: one GGUF base with its LoRA adapters in llama.cpp, prompts in, text or label scores out.

The engine is llama.cpp's own server loop inside this process, through the wheel `xllamacpp` (extra `decoder`;
docs/decisions/0007-decoder-engine.md has the candidates and their figures). Three of its habits are mended here: it
ignores an adapter number that it does not hold, it drops a JSON schema that it cannot compile and then writes freely,
and an exception in a stream's callback vanishes. Adapters are fixed when it starts: another set is another Decoder.
"""

from __future__ import annotations

import contextlib
import math
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from jangin import loopback
from jangin.bases.machine import available_cores
from jangin.errors import (
    BundleError,
    EngineError,
    InputError,
    JanginError,
    RequestError,
    ShapeError,
)
from jangin.models import host
from jangin.models.base import Floats
from jangin.models.generation import Generation, OnText, OnToken, Reading
from jangin.models.llama import open_server, raise_refusal
from jangin.models.places import Places

Prompt = str | list[int]
CONTEXT = 2048  # tokens of one request, prompt and answer together
UNIT = 256  # the engine sets its memory aside in pieces of so many tokens
PARALLEL = 8  # requests that share a forward pass; more gain little (decision 0007)
LIFT = 200.0  # more than logits differ by, and small enough that float32 still tells them apart to 2e-5
FLOOR = -104.0  # what the engine leaves out has less than the smallest positive float's probability
_TOKENIZE_S = 60


class Decoder:
    """One base and its adapters. Safe to call from several threads; `close` it, or use it as a context manager."""

    def __init__(
        self,
        weights: Path,
        adapters: Mapping[str, Path] | None = None,
        *,
        context: int = CONTEXT,
        parallel: int = PARALLEL,
        threads: int | None = None,
        prefix_cache: bool = False,
    ):
        """Loads the weights (mapped, so a second Decoder on the same file shares them).

        Args:
            adapters: GGUF LoRA files by the name that a request chooses them with.
            context: tokens of one request, rounded up to the engine's unit; `parallel` times that many are set aside.
            prefix_cache: keep what each place read last, and skip what a new prompt shares with it; an answer stays
                the same (see places.py). Requests that name another adapter never share.
        Raises: MissingExtraError; BaseModelError for weights or an adapter that llama.cpp refuses.
        """
        self.adapters = tuple(adapters or {})
        self.context = context = math.ceil(context / UNIT) * UNIT
        self._places = Places(parallel) if prefix_cache else None
        self._key = secrets.token_urlsafe(32)
        self._checked: set[bytes] = set()
        self._lock = threading.Lock()
        self._server = open_server(weights, adapters or {}, context, parallel, threads or available_cores(), self._key)
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix="decoder")
        self._answered = False

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the engine and gives its memory back, after the requests that run."""
        self._pool.shutdown(cancel_futures=True)
        if not self._answered and self._server is not None:
            # An engine that is told to end before its loop has begun never ends; an answer shows that it has.
            with contextlib.suppress(JanginError):
                self._ask({"prompt": [0], "max_tokens": 1})
        self._server = None
        host.give_memory_back()

    def generate(
        self,
        prompts: Sequence[Prompt],
        max_tokens: int | Sequence[int],
        *,
        stop: Sequence[str] = (),
        schema: Mapping[str, Any] | None = None,
        grammar: str | None = None,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
        adapter: str | None = None,
        logprobs: bool = False,
        top: int = 0,
        loose: bool = False,
        on_text: OnText | None = None,
        on_token: OnToken | None = None,
    ) -> list[Generation]:
        """One answer per prompt, in order; `parallel` of them at a time.

        Args:
            prompts: text, in which the model's control tokens are read as such, or token numbers (see `tokenize`).
            max_tokens: of each answer; one number for all, or one a prompt.
            schema: the text is a JSON value of this JSON Schema, unless `max_tokens` cut it ("length").
            grammar: GBNF or llguidance's syntax instead of a schema; see `check_schema` for the schemas in it.
            temperature: 0 takes the likeliest token each time; above it, one `seed` gives one answer.
            logprobs: also what the model thought of each token; costs a sort of the vocabulary a token.
            top: with `logprobs`, how many of the likeliest tokens are told beside each.
            loose: with `prefix_cache`, also read on from answers, so that what was asked before shows in the last bits.
            on_text: called with (prompt's position, new text) as it comes, from other threads; True cancels that one.
            on_token: with `logprobs`, called with each token, before the text that it completes.
        Raises: RequestError (prompt longer than the context, schema or grammar that cannot be met), EngineError, and
            whatever `on_text` raises.
        """
        if schema is not None and grammar is not None:
            raise InputError("an answer can follow a schema or a grammar, not both", "give one of them")
        asked: dict[str, Any] = {
            "stop": list(stop),
            "temperature": temperature,
            "top_p": top_p,
            "samplers": ["top_p", "temperature"],
            "seed": seed,
            "n_probs": max(1, top) if logprobs else 0,
            "lora": self._lora(adapter),
        }
        if schema is not None:
            self.check_schema(schema, adapter)
            asked["json_schema"] = dict(schema)
        if grammar is not None:
            asked["grammar"] = grammar
        most = [max_tokens] * len(prompts) if isinstance(max_tokens, int) else max_tokens
        if len(most) != len(prompts):
            raise ShapeError(f"{len(most)} limits for {len(prompts)} prompts", "give one number, or one a prompt")
        asked_s = time.perf_counter()

        def answer(at: int) -> Generation:
            request = {**asked, "prompt": prompts[at], "max_tokens": most[at]}
            with self._place(prompts[at], adapter, loose) as place:
                reading = Reading(at, top, on_text, on_token, asked_s)
                self._server.handle_completions({**request, **place, "stream": True}, reading.take)
                self._answered = True
                return reading.whole(bound=schema is not None or grammar is not None, told=logprobs)

        return list(self._pool.map(answer, range(len(prompts))))

    def score_labels(self, prompts: Sequence[Prompt], labels: Sequence[int], *, adapter: str | None = None) -> Floats:
        """ln of each label's probability as the next token, shape (len(prompts), len(labels)).

        One forward pass a prompt, nothing is decoded. Probabilities are among the labels: each row's sum to 1. What
        is left below exp(FLOOR) is FLOOR.

        Args: labels: one token number each, all different (see `token`).
        Raises: InputError for labels that are not; RequestError, EngineError.
        """
        if len(labels) < 2 or len(set(labels)) != len(labels):
            raise InputError("labels must be at least two, each with a token of its own", "map labels to letters")
        place = {token: at for at, token in enumerate(labels)}
        asked: dict[str, Any] = {
            "max_tokens": 1,
            "temperature": 1.0,
            "samplers": ["top_k", "temperature"],
            "top_k": len(labels),
            "n_probs": len(labels),
            "post_sampling_probs": True,
            # Lifted above the whole vocabulary alike, they alone survive top_k and their own softmax is what is told.
            "logit_bias": [[token, LIFT] for token in labels],
            "seed": 0,
            "lora": self._lora(adapter),
        }

        def score(prompt: Prompt) -> Floats:
            row = np.full(len(labels), FLOOR, np.float32)
            answer = self._ask({**asked, "prompt": prompt}, adapter)
            for found in answer["choices"][0]["logprobs"]["content"][0]["top_probs"]:
                if found["id"] in place and found["prob"] > 0:
                    row[place[found["id"]]] = max(FLOOR, math.log(found["prob"]))
            return row

        rows = list(self._pool.map(score, prompts))
        return np.stack(rows) if rows else np.zeros((0, len(labels)), np.float32)

    def tokenize(self, text: str, *, control: bool = False, start: bool = False) -> list[int]:
        """Token numbers of a text.

        Args:
            control: read control tokens ("<|im_end|>") as such; leave it off for what a user wrote.
            start: put the token in front that this base begins every prompt with, if it has one.
        """
        body = {"content": text, "parse_special": control, "add_special": start}
        url, key = self._server.listening_address + "/tokenize", {"Authorization": f"Bearer {self._key}"}
        try:
            found: list[int] = loopback.ask(url, body, _TOKENIZE_S, key)["tokens"]
        except OSError as error:
            raise EngineError("the decoder did not tokenize", "try again") from error
        return found

    def token(self, text: str) -> int:
        """The one token of a text. Raises: InputError when it takes more than one, or none."""
        found = self.tokenize(text)
        if len(found) != 1:
            raise InputError(
                f"'{text}' is {len(found)} tokens for this base; a label needs one", "use letters or codes"
            )
        return found[0]

    def _lora(self, adapter: str | None) -> list[dict[str, float]]:
        """Every adapter is named with its scale: one that a request leaves out would keep the scale of the start."""
        if adapter is not None and adapter not in self.adapters:
            held = ", ".join(self.adapters) or "none"
            raise BundleError(f"adapter '{adapter}' is not loaded; this decoder holds: {held}", "load it first")
        return [{"id": at, "scale": float(name == adapter)} for at, name in enumerate(self.adapters)]

    def check_schema(self, schema: Mapping[str, Any], adapter: str | None = None) -> None:
        """The engine writes freely when it cannot compile a schema, so a token that begins no JSON is pushed at it.

        adapter: of the request; with another one it would wait until the answers in work are written.
        Raises: RequestError for a schema that no JSON value meets.
        """
        key = msgspec.json.encode(schema)
        with self._lock:
            if key in self._checked:
                return
        wrong = self.token("~")
        asked: dict[str, Any] = {"prompt": [wrong], "max_tokens": 1, "temperature": 0, "logit_bias": [[wrong, 1000.0]]}
        asked["lora"] = self._lora(adapter)
        try:
            free = self._ask({**asked, "json_schema": dict(schema)}, adapter)["choices"][0]["text"].startswith("~")
        except RequestError:
            free = True
        if free:
            raise RequestError(
                "no JSON value can be written for this schema: it contradicts itself, or has an unknown type, "
                "a reference that leads nowhere or a pattern with look-around",
                param="response_format",
                code="invalid_schema",
            )
        with self._lock:
            self._checked.add(key)

    @contextlib.contextmanager
    def _place(self, prompt: Prompt, adapter: str | None, loose: bool = False) -> Iterator[dict[str, Any]]:
        """What a request says of the cache. One whose tokens are not known here uses nothing, and leaves nothing."""
        if self._places is None:
            yield {"cache_prompt": False}
            return
        with self._places.take(prompt if isinstance(prompt, list) else [], adapter, loose) as (place, reuse):
            yield {"id_slot": place, "cache_prompt": reuse}

    def _ask(self, asked: dict[str, Any], adapter: str | None = None) -> dict[str, Any]:
        with self._place(asked["prompt"], adapter) as place:
            answer: dict[str, Any] = self._server.handle_completions(asked | place)
        self._answered = True
        raise_refusal(answer)
        return answer
