"""How near the machine's limit the engines work: the encoder beside a bare matrix product, the decoder beside reading.

    python bench/limits.py [--texts 3000] [--rounds 3] [--json FILE] [--page]

Each round measures in turn, with all cores that the process may use:

product   float32 matrix products of 1024 x 1024 by numpy's BLAS, one a core side by side, in GFLOP/s
encoder   `minilm-l6` over made-up texts of 6 to 15 words, in bulk, as `train` and `predict` read a file: texts/s, times
          the arithmetic of a text (its tokens' products with the weights, and attention), as a share of `product`
integers  the same by `minilm-l6-q8`; its share is of the float32 product too, so it may be above one
memory    an array much larger than the caches summed, a part to each core: GB/s of reading
decoder   `smollm2-135m`, one request at a time: tokens/s of decoding (first token to last), times the bytes of weights
          that a token reads, as a share of `memory`

Bounds, not promises: a matrix product alone needs no tokenizer, softmax or norms, and a sum no arithmetic to speak of.
Shares are formed within a round; medians are told, and each round. Writes docs/results/limits.json and the table of
docs/speed.md (`--page` does only that).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from check_million import SEED, sentences, vocabulary
from jangin.bases import pull
from jangin.bases.machine import available_cores
from jangin.models.decoder import Decoder
from jangin.models.encoder import Encoder, base_files
from load_client import machine
from serve_decoders import weights_of

ROOT = Path(__file__).resolve().parent.parent
KEPT, PAGE = ROOT / "docs" / "results" / "limits.json", ROOT / "docs" / "speed.md"
START, END = "<!-- begin: python bench/limits.py --page -->", "<!-- limits: end -->"
SIDE, ARRAY_BYTES, NEW_TOKENS = 1024, 1 << 30, 128
DECODER = "smollm2-135m"
Round = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=KEPT)
    parser.add_argument("--page", action="store_true", help="only write the page from the kept figures")
    given = parser.parse_args()
    if not given.page:
        found = measure(given.texts, given.rounds)
        given.json.write_text(json.dumps(found, indent=1) + "\n")
        print(json.dumps(found, indent=1))
    if given.json == KEPT:
        write_page(json.loads(KEPT.read_text()))


def measure(count: int, rounds: int) -> dict[str, Any]:
    random = np.random.default_rng(SEED)
    texts = sentences(random, vocabulary(random), count)
    about = machine()
    each = []
    for number in range(rounds):
        each.append(one_round(texts))
        print(f"round {number + 1} of {rounds}: {each[-1]}", flush=True)
    middle = {name: round(statistics.median(one[name] for one in each), 3) for name in each[0]}
    return {"machine": about, "cores_used": available_cores(), "texts": count, "median": middle, "rounds": each}


def one_round(texts: list[str]) -> Round:
    found: Round = {"product_gflops": product()}
    for key, base in (("encoder", "minilm-l6"), ("integers", "minilm-l6-q8")):
        per_s, gflop = encoder(base, texts)
        found |= {f"{key}_texts_per_s": per_s, f"{key}_gflops": per_s * gflop}
        found[f"{key}_share"] = found[f"{key}_gflops"] / found["product_gflops"]
    found["memory_gb_per_s"] = memory()
    per_s, gigabytes = decoder()
    found |= {"decoder_tok_per_s": per_s, "decoder_gb_per_s": per_s * gigabytes}
    found["decoder_share"] = found["decoder_gb_per_s"] / found["memory_gb_per_s"]
    return {name: round(value, 3) for name, value in found.items()}


def side_by_side(work: Callable[[int], None]) -> float:
    """Seconds of `work`, one a core at a time."""
    cores = available_cores()
    with ThreadPoolExecutor(cores) as pool:
        begin = time.perf_counter()
        list(pool.map(work, range(cores)))
        return time.perf_counter() - begin


def product(times: int = 60) -> float:
    from threadpoolctl import threadpool_limits

    cores = available_cores()
    left, right = np.random.default_rng(0).standard_normal((2, SIDE, SIDE), np.float32)
    outs = [np.empty((SIDE, SIDE), np.float32) for _ in range(cores)]

    def multiply(core: int) -> None:
        for _ in range(times):
            np.matmul(left, right, out=outs[core])

    with threadpool_limits(1):
        multiply(0)
        return cores * times * 2 * SIDE**3 / side_by_side(multiply) / 1e9


def memory(times: int = 3) -> float:
    parts = np.array_split(np.ones(ARRAY_BYTES // 8), available_cores())

    def read(core: int) -> None:
        for _ in range(times):
            parts[core].sum()

    read(0)
    return times * ARRAY_BYTES / side_by_side(read) / 1e9


def encoder(base: str, texts: list[str]) -> tuple[float, float]:
    """(texts/s, GFLOP of the mean text without padding)."""
    files = base_files(base)
    reader = Encoder(files, bulk=True)
    reader.embed(texts[:256])
    begin = time.perf_counter()
    reader.embed(texts)
    per_s = len(texts) / (time.perf_counter() - begin)
    tokenizer = Tokenizer.from_file(str(files.tokenizer))
    tokenizer.no_padding()
    return per_s, gflop_of(base, [len(text.ids) for text in tokenizer.encode_batch(texts)])


def gflop_of(base: str, lengths: list[int]) -> float:
    """Of the mean text: two operations a weight and token in each layer's products, and attention's two products."""
    config = json.loads(pull.ensure(base)["config.json"].read_text())
    hidden, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    weights = 4 * hidden**2 + 2 * hidden * inner
    operations = sum(2 * weights * tokens + 4 * hidden * tokens**2 for tokens in lengths)
    return layers * operations / len(lengths) / 1e9


def decoder() -> tuple[float, float]:
    """(tokens/s after the first, GB of weights that a token reads: the file, whose embeddings are the output layer)."""
    weights = weights_of(DECODER)
    times: list[float] = []
    with Decoder(weights, context=512) as engine:
        engine.generate(["The"], 8)
        engine.generate(
            ["Once upon a time there was a shop that"],
            NEW_TOKENS,
            on_text=lambda at, text: times.append(time.perf_counter()),
        )
    return (len(times) - 1) / (times[-1] - times[0]), weights.stat().st_size / 1e9


def write_page(found: dict[str, Any]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, after = text[: text.index(START) + len(START)], text[text.index(END) :]
    middle, rounds = found["median"], found["rounds"]

    def each(name: str) -> str:
        return ", ".join(f"{one[name]:.2f}" for one in rounds)

    rows = [
        f"{found['cores_used']} core(s) of {found['machine']['processor']}, {len(rounds)} rounds, medians.",
        "",
        "| what | works at | limit | share of it (rounds) |",
        "|---|---|---|---|",
    ]
    for key, name in (("encoder", "`minilm-l6`, float32"), ("integers", "`minilm-l6-q8`, integers")):
        works = f"{middle[f'{key}_texts_per_s']:,.0f} texts/s = {middle[f'{key}_gflops']:.0f} GFLOP/s"
        limit = f"float32 matrix product, {middle['product_gflops']:.0f} GFLOP/s"
        rows.append(f"| {name}, a file | {works} | {limit} | {middle[f'{key}_share']:.2f} ({each(f'{key}_share')}) |")
    works = f"{middle['decoder_tok_per_s']:.0f} tokens/s = {middle['decoder_gb_per_s']:.1f} GB/s of weights"
    limit = f"reading memory, {middle['memory_gb_per_s']:.1f} GB/s"
    rows.append(
        f"| `{DECODER}`, one request | {works} | {limit} | {middle['decoder_share']:.2f} ({each('decoder_share')}) |"
    )
    PAGE.write_text(before + "\n\n" + "\n".join(rows) + "\n\n" + after, encoding="utf-8")


if __name__ == "__main__":
    main()
