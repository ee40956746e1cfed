"""Specialists that write, through `jangin serve` and in one process: speed, many adapters, memory, cold start.

    python bench/serve_decoders.py [--base smollm2-135m] [--adapters 20] [--rounds 3] [--only cold,speed,mixed,memory]

The adapters are random and small, each on all linear layers: they cost what trained ones cost. One JSON document:

cold    from the start of the command to the first text of the first answer, over HTTP
speed   tokens/s of the same requests, all of one adapter: by the engine alone in this process, and through the server;
        alternating rounds, and the ratio of each pair
mixed   tokens/s of the same requests spread over 1, 2 and 8 adapters, in this process: with turns (serve/turns.py), and
        as the engine takes them without; and through the server
memory  summed PSS of the server's processes with one adapter, and with all; Linux only (/proc/PID/smaps_rollup)
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from jangin import bundle
from jangin.bases import catalogue, pull
from jangin.files import hash_file, write_atomic
from jangin.models.base import Rule
from jangin.models.decoder import PARALLEL, Decoder
from jangin.models.specialist import Readers
from jangin.models.written import load_writer
from jangin.prompt import chatml
from jangin.serve.run import start
from jangin.serve.turns import Turns
from jangin.train import adapters
from serve_memory import children, pss_mb

CLIENTS = 8
CONTEXT, MAX_TOKENS, RANK = 1024, 48, 16
TOPICS = ["parcel", "refund", "tomato soup", "bicycle", "library card", "winter coat", "train ticket", "broken lamp"]
PROMPTS = [
    f"Write a short note to a shop about a {topic}. It is note number {n}." for n in range(4) for topic in TOPICS
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="smollm2-135m")
    parser.add_argument("--adapters", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="cold,speed,mixed,memory")
    args = parser.parse_args()
    found: dict[str, Any] = {"base": args.base, "requests": len(PROMPTS), "max_tokens": MAX_TOKENS, "places": PARALLEL}
    with tempfile.TemporaryDirectory() as folder:
        made = [specialist(Path(folder), args.base, number) for number in range(args.adapters)]
        wanted = args.only.split(",")
        if "cold" in wanted:
            found["cold_start_s"] = [round(cold(made[:1]), 2) for _ in range(args.rounds)]
        if "speed" in wanted:
            found["speed"] = speed(made[0], args.rounds)
        if "mixed" in wanted:
            found["mixed_tok_per_s"] = mixed(made, args.base, args.rounds)
        if "memory" in wanted:
            found["memory"] = {str(count): memory(made[:count]) for count in (1, args.adapters)}
            found["memory_ratio"] = round(
                found["memory"][str(args.adapters)]["pss_mb"] / found["memory"]["1"]["pss_mb"], 3
            )
    print(json.dumps(found, indent=2))


def specialist(into: Path, base: str, number: int) -> Path:
    """A bundle of kind `generate` with a random adapter of its own."""
    folder = into / f"writer-{number}"
    folder.mkdir()
    about = catalogue.get(base).config
    adapters.write(
        folder / bundle.ADAPTER,
        lora(about, number),
        architecture=about["model_type"],
        alpha=float(RANK),
        heads=about["heads"],
        kv_heads=about["kv_heads"],
    )
    weights = weights_of(base)
    manifest = bundle.Manifest(
        name=folder.name,
        kind="generate",
        labels=[],
        rung="lora",
        params=catalogue.get(base).params,
        rule=Rule(),
        encoder=None,
        calibration={},
        task={"name": folder.name},
        lineage={},
        files={bundle.ADAPTER: hash_file(folder / bundle.ADAPTER)},
        decoder=bundle.DecoderSpec(
            base,
            weights.name,
            chatml(""),
            adapter=bundle.ADAPTER,
            writing=bundle.WritingSpec(MAX_TOKENS, CONTEXT),
        ),
    )
    write_atomic(folder / bundle.MANIFEST, msgspec.json.encode(manifest))
    return folder


def lora(about: dict[str, Any], seed: int) -> adapters.Lora:
    """So small that the base's answers stay sentences."""
    rng = np.random.default_rng(seed)
    hidden, inner, head = about["hidden_size"], about["intermediate_size"], about["head_dim"]
    queries, keys = about["heads"] * head, about["kv_heads"] * head
    shapes = {"q_proj": (queries, hidden), "k_proj": (keys, hidden), "v_proj": (keys, hidden)}
    shapes |= {"o_proj": (hidden, queries), "gate_proj": (inner, hidden), "up_proj": (inner, hidden)}
    shapes |= {"down_proj": (hidden, inner)}
    return adapters.Lora(
        {
            (layer, name): (
                rng.normal(0, 0.02, (RANK, into)).astype(np.float32),
                rng.normal(0, 0.002, (out, RANK)).astype(np.float32),
            )
            for layer in range(about["layers"])
            for name, (out, into) in shapes.items()
        }
    )


def weights_of(base: str) -> Path:
    return next(path for name, path in pull.ensure(base).items() if name.endswith(".gguf"))


def cold(folders: Sequence[Path]) -> float:
    begun = time.perf_counter()
    with start(folders) as (_, url):
        ask(url, folders[0].name, PROMPTS[0], stream=True, max_tokens=1)
        return time.perf_counter() - begun


def speed(folder: Path, rounds: int) -> dict[str, Any]:
    alone, plain, served = [], [], []
    with start([folder]) as (_, url):
        writer = load_writer(folder, Readers())
        for _ in range(rounds):
            alone.append(tok_per_s(lambda: sum(w.completion_tokens for w in writer.write(PROMPTS, confidence=True))))
            served.append(tok_per_s(lambda: through(url, [folder.name])))
            plain.append(tok_per_s(lambda: sum(w.completion_tokens for w in writer.write(PROMPTS))))
        writer.close()
    ratio = statistics.median(b / a for a, b in zip(alone, served))
    return {
        "engine_tok_per_s": alone,
        "engine_without_confidence_tok_per_s": plain,
        "served_tok_per_s": served,
        "ratio": round(ratio, 3),
    }


def mixed(folders: list[Path], base: str, rounds: int) -> dict[str, Any]:
    """{way: {number of adapters: tokens/s, the median of the rounds}}."""
    counts = [count for count in (1, 2, 8) if count <= len(folders)]
    found: dict[str, dict[str, list[float]]] = {}
    paths = {folder.name: folder / bundle.ADAPTER for folder in folders[: counts[-1]]}
    with start(folders[: counts[-1]]) as (_, url), Decoder(weights_of(base), paths, context=CONTEXT) as decoder:
        for _ in range(rounds):
            for count in counts:
                names = list(paths)[:count]
                ways: dict[str, Callable[[], int]] = {
                    "engine": lambda names=names: inside(decoder, names, False),
                    "engine_with_turns": lambda names=names: inside(decoder, names, True),
                    "served": lambda names=names: through(url, names),
                }
                for way, work in ways.items():
                    found.setdefault(way, {}).setdefault(str(count), []).append(tok_per_s(work))
    return {
        way: {count: {"all": values, "median": statistics.median(values)} for count, values in each.items()}
        for way, each in found.items()
    }


def inside(decoder: Decoder, names: list[str], in_turns: bool) -> int:
    """Tokens that were written. CLIENTS threads ask, one request at a time each."""
    turns = Turns(PARALLEL)
    template = chatml("")

    def one(at: int) -> int:
        name, tokens, done = names[at % len(names)], [0], threading.Event()

        def work(_: object) -> None:
            prompt = template.tokens(PROMPTS[at], decoder.tokenize)
            tokens[0] = decoder.generate([prompt], MAX_TOKENS, adapter=name, logprobs=True)[0].completion_tokens
            done.set()

        turns.submit(name if in_turns else None, work)
        done.wait()
        return tokens[0]

    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(one, range(len(PROMPTS))))


def through(url: str, names: list[str]) -> int:
    """Tokens that the server wrote for CLIENTS clients, streamed."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(lambda at: ask(url, names[at % len(names)], PROMPTS[at]), range(len(PROMPTS))))


def ask(url: str, model: str, prompt: str, stream: bool = True, max_tokens: int = MAX_TOKENS) -> int:
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": max_tokens}
    body |= {"stream": stream, "stream_options": {"include_usage": True}} if stream else {}
    with urllib.request.urlopen(
        urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode()), timeout=600
    ) as answer:
        lines = [line for line in answer if line.startswith(b'data: {"')]
    return json.loads(lines[-1][6:])["usage"]["completion_tokens"]


def tok_per_s(work: Callable[[], int]) -> float:
    begun = time.perf_counter()
    tokens = work()
    return round(tokens / (time.perf_counter() - begun), 1)


def memory(folders: list[Path]) -> dict[str, float]:
    with start(folders) as (process, url):
        for folder in folders:
            ask(url, folder.name, PROMPTS[0])
        pids = [process.pid, *children(process.pid)]
        each = {("http_mb" if pid == process.pid else "engine_mb"): pss_mb(pid) for pid in pids}
    return {"pss_mb": round(sum(each.values()), 1), **{name: round(mb, 1) for name, mb in each.items()}}


if __name__ == "__main__":
    main()
