"""One side in one round: started, asked with 1, 8 and 32 requests under way, weighed, stopped."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from generation.sides import Side
from load_client import children, cpu_s, pss_mb, quantile
from rounds import Refused
from speed.measure import START_S, process
from streamed import Answer, NotAnswered, ask

LEVELS = (1, 8, 32)
FEWEST = 4  # requests of a level
TIMEOUT_S = 600
THINGS = ["parcel", "bicycle", "winter coat", "train ticket", "broken lamp", "library card", "garden chair", "kettle"]
TROUBLES = [
    "it came without its bill",
    "one part of it was missing",
    "the colour was another one",
    "nobody had ordered it",
]


class Job(NamedTuple):
    """tokens: of each answer. each: requests of each client. limit_s: after it no request of a level begins."""

    tokens: int
    each: int
    limit_s: float
    scratch: Path


class Way:
    """How a side is asked; `many` may raise Refused."""

    def __init__(self, side: Side, port: int):
        self._side, self._url = side, f"http://127.0.0.1:{port}"

    def many(self, prompts: Sequence[str], clients: int, tokens: int, limit_s: float) -> list[Answer]:
        """All prompts, `clients` of them under way at any time: each client asks when its last one is answered."""
        if self._side.path is None:
            return self._batches(prompts, clients, tokens, limit_s)
        try:
            return asyncio.run(self._crowd(prompts, clients, tokens, limit_s))
        except (OSError, NotAnswered) as error:
            raise Refused(str(error)) from error

    async def _crowd(self, prompts: Sequence[str], clients: int, tokens: int, limit_s: float) -> list[Answer]:
        assert self._side.path is not None
        path, todo, found = self._side.path, iter(prompts), []
        end = time.perf_counter() + limit_s

        async def work() -> None:
            while time.perf_counter() < end and (prompt := next(todo, None)) is not None:
                found.append(await ask(self._url, path, self._side.body(prompt, tokens)))

        async with asyncio.timeout(limit_s + TIMEOUT_S):
            await asyncio.gather(*(work() for _ in range(clients)))
        return found

    def _batches(self, prompts: Sequence[str], size: int, tokens: int, limit_s: float) -> list[Answer]:
        """One batch after the other: what is under way at a time begins and ends together."""
        found: list[Answer] = []
        end = time.perf_counter() + limit_s
        for at in range(0, len(prompts), size):
            if time.perf_counter() >= end:
                break
            asked = [self._side.body(prompt, tokens)["prompt"] for prompt in prompts[at : at + size]]
            begun = time.perf_counter()
            told = self._posted({"prompts": asked, "tokens": tokens})
            ended = time.perf_counter()
            for first_s, written, read in zip(told["first_s"], told["tokens"], told["prompt_tokens"], strict=True):
                found.append(Answer(begun, None if first_s is None else begun + first_s, ended, written, read))
        return found

    def _posted(self, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(f"{self._url}/batch", json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Refused(f"answers {error.code}: {error.read()[-300:]!r}") from error
        except OSError as error:
            raise Refused(str(error)) from error


def prompts(count: int, start: int) -> list[str]:
    """Some 60 tokens each, no two alike, and asking for more than is let to be written."""
    return [
        f"Case {n}: on day {n % 28 + 1} a customer received a {THINGS[n % len(THINGS)]} and says that "
        f"{TROUBLES[n // len(THINGS) % len(TROUBLES)]}. It is the customer's letter number {n % 5 + 2} to us. "
        "Write a long and friendly answer of at least five paragraphs that tells what we will do, step by step."
        for n in range(start, start + count)
    ]


def measure(side: Side, port: int, job: Job) -> dict[str, Any]:
    """Seconds to the first answer, figures of each level, memory after them. side: filled in. Raises: Refused."""
    found: dict[str, Any] = {"load_average_before": round(os.getloadavg()[0], 2)}
    began = time.perf_counter()
    log = job.scratch / f"{side.name}.log"
    with process(side.command, log, ours=side.environment is None, variables=side.variables) as server:
        way = Way(side, port)
        first_answer(way, server)
        found["startup_s"] = round(time.perf_counter() - began, 2)
        way.many(prompts(8, 9_000), 8, 8, job.limit_s)
        found["levels"] = {str(level): one_level(way, server.pid, level, job) for level in LEVELS}
        found["memory_mb"] = pss_mb([server.pid, *children(server.pid)])
    return found


def one_level(way: Way, pid: int, clients: int, job: Job) -> dict[str, Any]:
    asked = prompts(max(FEWEST, job.each * clients), 1_000 * LEVELS.index(clients))
    pids = [pid, *children(pid)]
    before = sum(map(cpu_s, pids))
    answers = way.many(asked, clients, job.tokens, job.limit_s)
    used = sum(map(cpu_s, pids)) - before
    found = figures(answers, job.tokens)
    return found | {"asked": len(asked), "cpu_ms_per_token": round(used * 1e3 / max(1, found["tokens"]), 2)}


def figures(answers: Sequence[Answer], asked: int) -> dict[str, Any]:
    """tokens: as the side counts what it wrote. short: answers of fewer tokens than asked. ttft: of those with text."""
    seconds = max(each.ended_s for each in answers) - min(each.begun_s for each in answers)
    tokens = sum(each.tokens for each in answers)
    firsts = sorted(each.first_s - each.begun_s for each in answers if each.first_s is not None)
    return {
        "answers": len(answers),
        "short": sum(each.tokens < asked for each in answers),
        "without_text": len(answers) - len(firsts),
        "tokens": tokens,
        "prompt_tokens": sum(each.prompt_tokens for each in answers),
        "seconds": round(seconds, 3),
        "tok_per_s": round(tokens / seconds, 2),
        "ttft_p50_s": round(quantile(firsts, 0.5), 4) if firsts else None,
        "ttft_p90_s": round(quantile(firsts, 0.9), 4) if firsts else None,
    }


def first_answer(way: Way, server: subprocess.Popen[bytes]) -> None:
    """Returns with the first answer, looked for every 50 ms: a port may be open while a model still loads."""
    end, why = time.monotonic() + START_S, ""
    while time.monotonic() < end and server.poll() is None:
        try:
            way.many(prompts(1, 9_999), 1, 1, START_S)
            return
        except Refused as error:
            why = str(error)
        time.sleep(0.05)
    ended = server.poll()
    what = f"did not answer within {START_S} s ({why})" if ended is None else f"ended with {ended} before an answer"
    raise Refused(f"{what}; its log lies beside the rounds")
