"""Specialists that write, through `jangin serve` and in one process: speed, many adapters, memory, cold start.

    python bench/serve_decoders.py [--base smollm2-135m] [--adapters 20] [--rank 16] [--rounds 3] [--seconds 240]
                                   [--only cold,waits,speed,mixed,memory]

The adapters are random and small, each on all linear layers: they cost what trained ones cost. Progress goes to stderr.
No part begins another round that would end after --seconds; a measurement through the server is cut, and says so, after
a sixth of that (in `mixed` a half): it is null and no part of a ratio. One without the server then begins no further
request. One JSON document:

cold    from the start of the command to the first text of the first answer, over HTTP
waits   tokens/s of the engine alone, one request at a time and BUSY, by how long its threads wait before they sleep
        (GOMP_SPINCOUNT; 300,000 is libgomp's own choice; null did not end). What models/host.py has chosen should lose
        nothing here
speed   tokens/s of the same requests, BUSY of one adapter under way at any time: by the engine alone in this process,
        and through the server, streamed; alternating rounds, and the ratio of each pair. Also milliseconds of processor
        time a token takes in the HTTP process and in this client: they are steady where tokens/s are not
mixed   tokens/s through the server of the same requests, all of one adapter and spread evenly over all, with 8 and with
        four an adapter under way at any time, and the ratio of the two; the same ratio by the engine's processor time
        a token, which means something with one thread only (taskset -c 0), and then also beside other work; and
        tokens/s of the engine alone, without turns (serve/turns.py), with as many under way
memory  summed PSS of the server's processes with one adapter, and with all; Linux only (/proc/PID/smaps_rollup)
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import streamed
from jangin import bundle
from jangin.models import host
from jangin.models.decoder import PARALLEL, Decoder
from jangin.models.specialist import Readers
from jangin.models.written import load_writer
from jangin.prompt import chatml
from jangin.serve.run import start
from jangin.train.gguf_base import weights_of
from load_client import children, cpu_s, pss_mb
from random_specialist import specialist

BUSY = 2 * PARALLEL  # as many again wait as are written, so that no place is ever empty
CONTEXT, MAX_TOKENS = 1024, 24
TOPICS = ["parcel", "refund", "tomato soup", "bicycle", "library card", "winter coat", "train ticket", "broken lamp"]
BEGAN = time.perf_counter()


def prompts(count: int) -> list[str]:
    return [
        f"Write a short note to a shop about a {TOPICS[n % len(TOPICS)]}. It is note number {n // len(TOPICS)}."
        for n in range(count)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="smollm2-135m")
    parser.add_argument("--adapters", type=int, default=20)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=240.0, help="that a part may take")
    parser.add_argument("--only", default="cold,waits,speed,mixed,memory")
    args = parser.parse_args()
    found: dict[str, Any] = {"base": args.base, "adapters": args.adapters, "rank": args.rank, "places": PARALLEL}
    limits = {"max_tokens": MAX_TOKENS, "context": CONTEXT}
    found |= limits
    with tempfile.TemporaryDirectory() as folder:
        made = [specialist(Path(folder), args.base, args.rank, number, **limits) for number in range(args.adapters)]
        say(f"{args.adapters} adapters written")
        parts: dict[str, Callable[[Clock], Any]] = {
            "cold": lambda clock: [round(cold(made[:1]), 2) for _ in clock.rounds("cold start")],
            "waits": lambda clock: waits(made[0], clock),
            "speed": lambda clock: speed(made[0], clock),
            "mixed": lambda clock: mixed(made, args.base, clock),
            "memory": lambda clock: memories(made),
        }
        for name in args.only.split(","):
            found[name] = parts[name](Clock(args.rounds, args.seconds))
    print(json.dumps(found, indent=2))


def say(what: str) -> None:
    print(f"{time.perf_counter() - BEGAN:7.1f} s  {what}", file=sys.stderr, flush=True)


class Clock:
    """Rounds until they are done or the time is."""

    def __init__(self, rounds: int, seconds: float):
        self._rounds, self._seconds = rounds, seconds
        self.longest_s = seconds / 6  # of one measurement

    def rounds(self, what: str) -> Any:
        began = time.perf_counter()
        for done in range(self._rounds):
            spent = time.perf_counter() - began
            if done and spent * (done + 1) / done > self._seconds:
                say(f"{what}: no time for round {done + 1}")
                return
            say(f"{what}: round {done + 1} of {self._rounds}")
            yield done


def cold(folders: Sequence[Path]) -> float:
    begun = time.perf_counter()
    with start(folders) as (_, url):
        asyncio.run(ask(url, folders[0].name, "hello", 1))
        return time.perf_counter() - begun


def waits(folder: Path, clock: Clock) -> dict[str, Any]:
    """In processes of their own: libgomp reads its settings once."""
    found: dict[str, list[dict[str, float] | None]] = {}
    context = multiprocessing.get_context("spawn")
    for _ in clock.rounds("waits"):
        for spins in (300_000, host.SPINS // 4, host.SPINS, host.SPINS * 4):
            os.environ["GOMP_SPINCOUNT"] = str(spins)
            ours, theirs = context.Pipe()
            process = context.Process(target=alone_in_process, args=(folder, clock.longest_s / 4, theirs))
            process.start()
            rate = ours.recv() if ours.poll(clock.longest_s) else None  # beside other work it may never end
            process.kill()
            process.join()
            say(f"  {spins} spins: {rate}")
            found.setdefault(str(spins), []).append(rate)
    del os.environ["GOMP_SPINCOUNT"]
    return found


def alone_in_process(folder: Path, longest_s: float, to: Any) -> None:
    writer = load_writer(folder, Readers())
    one = alone(writer, prompts(4), 1, longest_s)
    busy = alone(writer, prompts(BUSY), BUSY, longest_s)
    to.send({"1": one, str(BUSY): busy})


def speed(folder: Path, clock: Clock) -> dict[str, Any]:
    engine, served, http_ms, client_ms = [], [], [], []
    asked = prompts(32)
    with start([folder]) as (process, url):
        writer = load_writer(folder, Readers())
        for turn in clock.rounds("speed"):
            for way in ("engine", "served") if turn % 2 else ("served", "engine"):
                if way == "engine":
                    engine.append(alone(writer, asked, BUSY, clock.longest_s))
                    say(f"  engine alone: {engine[-1]} tokens/s")
                    continue
                before = cpu_s(process.pid), time.process_time()
                rate, tokens = through(url, [folder.name], asked, BUSY, clock.longest_s)
                served.append(rate)
                http_ms.append(round((cpu_s(process.pid) - before[0]) * 1e3 / max(1, tokens), 3))
                client_ms.append(round((time.process_time() - before[1]) * 1e3 / max(1, tokens), 3))
                say(f"  served: {rate} tokens/s; per token {http_ms[-1]} ms of HTTP, {client_ms[-1]} ms of this client")
        writer.close()
    return {
        "engine_tok_per_s": engine,
        "served_tok_per_s": served,
        "http_cpu_ms_per_token": http_ms,
        "client_cpu_ms_per_token": client_ms,
        "ratio": ratio(served, engine),
    }


def mixed(folders: list[Path], base: str, clock: Clock) -> dict[str, Any]:
    """{under way: {way: tokens/s of each round}}, and the ratio of all adapters to one."""
    names = [folder.name for folder in folders]
    crowds = {PARALLEL: prompts(2 * len(names)), 4 * len(names): prompts(12 * len(names))}
    found: dict[str, dict[str, Any]] = {str(clients): {} for clients in crowds}
    with start(folders) as (process, url):
        engine = children(process.pid)
        for _ in clock.rounds("mixed"):
            for clients, asked in crowds.items():
                for way, some in (("one", names[:1]), ("all", names)):
                    before = sum(map(cpu_s, engine))
                    # Three times as long as others: the turns need a while until they are as full as they become.
                    rate, tokens = through(url, some, asked, clients, 3 * clock.longest_s)
                    used = sum(map(cpu_s, engine)) - before
                    cpu_ms = None if rate is None else round(used * 1e3 / max(1, tokens), 2)
                    say(f"  {clients} under way, {way}: {rate} tokens/s, {cpu_ms} ms of the engine per token")
                    found[str(clients)].setdefault(f"{way}_tok_per_s", []).append(rate)
                    found[str(clients)].setdefault(f"{way}_cpu_ms_per_token", []).append(cpu_ms)
    for each in found.values():
        each["ratio"] = ratio(each["all_tok_per_s"], each["one_tok_per_s"])
        each["ratio_by_cpu"] = ratio(each["one_cpu_ms_per_token"], each["all_cpu_ms_per_token"])
    paths = {folder.name: folder / bundle.ADAPTER for folder in folders}
    with Decoder(weights_of(base), paths, context=CONTEXT) as decoder:
        for clients, asked in crowds.items():
            rate = without_turns(decoder, names, asked, clients, clock.longest_s)
            say(f"  {clients} under way, engine without turns, all: {rate} tokens/s")
            found[str(clients)]["engine_without_turns_all"] = rate
    return found


def ratio(some: list[float | None], others: list[float | None]) -> float | None:
    """The median over the rounds in which both were measured."""
    found = [a / b for a, b in zip(some, others) if a is not None and b is not None]
    return round(statistics.median(found), 3) if found else None


def alone(writer: Any, asked: list[str], clients: int, longest_s: float) -> float:
    def one(at: int) -> int:
        return writer.write([asked[at]], max_tokens=MAX_TOKENS, confidence=True)[0].completion_tokens

    return threaded(one, len(asked), clients, longest_s)


def without_turns(decoder: Decoder, names: list[str], asked: list[str], clients: int, longest_s: float) -> float:
    template = chatml("")

    def one(at: int) -> int:
        prompt, name = template.tokens(asked[at], decoder.tokenize), names[at % len(names)]
        return decoder.generate([prompt], MAX_TOKENS, adapter=name, logprobs=True)[0].completion_tokens

    return threaded(one, len(asked), clients, longest_s)


def threaded(one: Callable[[int], int], count: int, clients: int, longest_s: float) -> float:
    """Tokens per second that `clients` threads get, each the next of `count` requests when its last one is answered."""
    begun = time.perf_counter()
    todo = iter(range(count))  # its `next` holds the interpreter's lock

    def work(_: int) -> int:
        tokens = 0
        while time.perf_counter() - begun < longest_s and (at := next(todo, None)) is not None:
            tokens += one(at)
        return tokens

    with ThreadPoolExecutor(clients) as pool:
        tokens = sum(pool.map(work, range(clients)))
    return round(tokens / (time.perf_counter() - begun), 1)


def through(url: str, names: list[str], asked: list[str], clients: int, longest_s: float) -> tuple[float | None, int]:
    """Tokens per second, and tokens, that the server writes for so many clients, streamed; None when it was cut."""
    begun = time.perf_counter()
    todo = iter(range(len(asked)))

    done: list[int] = []

    async def work() -> None:
        while (at := next(todo, None)) is not None:
            done.append(await ask(url, names[at % len(names)], asked[at], MAX_TOKENS))

    async def crowd() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                await asyncio.gather(*(work() for _ in range(clients)))

    asyncio.run(crowd())
    if len(done) < len(asked):
        say(f"  cut after {longest_s:.0f} s with {len(done)} of {len(asked)} requests answered")
        return None, sum(done)
    tokens = sum(done)
    return round(tokens / (time.perf_counter() - begun), 1), tokens


async def ask(url: str, model: str, prompt: str, max_tokens: int) -> int:
    """Tokens of one streamed answer."""
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": max_tokens}
    return (await streamed.ask(url, "/v1/chat/completions", body)).tokens


def memories(folders: list[Path]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for count in (1, len(folders)):
        found[str(count)] = memory(folders[:count])
        say(f"memory: {count} adapters: {found[str(count)]}")
    return {**found, "ratio": round(found[str(len(folders))]["pss_mb"] / found["1"]["pss_mb"], 3)}


def memory(folders: list[Path]) -> dict[str, float]:
    async def each_once(url: str) -> None:
        for folder in folders:
            await ask(url, folder.name, "hello", 4)

    with start(folders) as (process, url):
        asyncio.run(each_once(url))
        pids = [process.pid, *children(process.pid)]
        each = {("http_mb" if pid == process.pid else "engine_mb"): pss_mb([pid]) for pid in pids}
    return {"pss_mb": round(sum(each.values()), 1), **each}


if __name__ == "__main__":
    main()
