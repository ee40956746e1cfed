"""HumanEval and MBPP, pass@1, greedy: an instruct base through Jangin's engine, scored in its sandbox.

    python bench/code_generation.py DATA [--base qwen2.5-coder-0.5b] [--sets humaneval,mbpp]
        [--engine jangin|transformers] [--dtype float32|bfloat16] [--limit N] [--keep]

DATA is a folder with `humaneval/test.jsonl.gz` and `mbpp/test.jsonl.gz`. `--engine transformers` answers with the same
weights, dequantised to `--dtype`, through transformers' generate in batches (bfloat16, in which these weights were
published, takes a third of the time on a processor that multiplies in it); `--limit` takes the first N problems. Prints
one JSON document, and with `--keep` leaves it under docs/results beside what is kept there of other sets; answers are
kept under `--out`, and only missing ones are written again.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from jangin.evals.code_scorer import CodeTask, humaneval, mbpp, score_code
from jangin.evals.stats import exact_limits
from jangin.prompt import CHATML
from jangin.train.gguf_base import weights_of

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
MAX_TOKENS = 512
PEER_BATCH = 24
ASK = "Complete this Python function. Answer with the whole function, imports included, in one code block.\n\n"
WRITE = "Answer with one Python code block.\n\n"


def problems(data: Path, name: str) -> list[tuple[str, CodeTask]]:
    """(what is asked, how the answer is tested)."""
    with gzip.open(data / name / "test.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = list(map(json.loads, lines))
    if name == "humaneval":
        return [
            (f"{ASK}```python\n{row['prompt']}```", humaneval(row["prompt"], row["test"], row["entry_point"]))
            for row in rows
        ]
    return [(WRITE + row["input"], mbpp(row["test_list"], row["test_setup_code"])) for row in rows]


def by_jangin(weights: Path, asked: Sequence[str], dtype: str) -> Iterator[str]:
    from jangin.models.decoder import Decoder

    with Decoder(weights, context=2048) as engine:
        for at in range(0, len(asked), 64):
            prompts = [CHATML.tokens(text, engine.tokenize) for text in asked[at : at + 64]]
            yield from (found.text for found in engine.generate(prompts, MAX_TOKENS))


def by_transformers(weights: Path, asked: Sequence[str], dtype: str) -> Iterator[str]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(weights.parent, gguf_file=weights.name, dtype=getattr(torch, dtype))
    tokenizer = AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name, padding_side="left")
    for at in range(0, len(asked), PEER_BATCH):
        texts = [CHATML.before + text + CHATML.after for text in asked[at : at + PEER_BATCH]]
        ids = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        with torch.no_grad():
            out = model.generate(**ids, max_new_tokens=MAX_TOKENS, do_sample=False)
        yield from tokenizer.batch_decode(out[:, ids["input_ids"].shape[1] :], skip_special_tokens=True)


ENGINES: dict[str, Callable[[Path, Sequence[str], str], Iterator[str]]] = {
    "jangin": by_jangin,
    "transformers": by_transformers,
}


def answers(path: Path, weights: Path, engine: str, asked: Sequence[str], dtype: str) -> tuple[list[str], float]:
    """(answers, seconds that writing the missing ones took)."""
    kept: list[str] = []
    if path.is_file():
        kept = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()][: len(asked)]
    start = time.perf_counter()
    path.parent.mkdir(parents=True, exist_ok=True)
    if len(kept) < len(asked):
        with path.open("a", encoding="utf-8") as out:
            for text in ENGINES[engine](weights, asked[len(kept) :], dtype):
                out.write(json.dumps(text) + "\n")
                out.flush()
                kept.append(text)
    return kept, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--base", default="qwen2.5-coder-0.5b")
    parser.add_argument("--sets", default="humaneval,mbpp")
    parser.add_argument("--engine", default="jangin", choices=sorted(ENGINES))
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"], help="of transformers")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--keep", action="store_true", help="into docs/results, for docs/results.md")
    parser.add_argument("--out", type=Path, default=Path("runs/code"))
    arguments = parser.parse_args()
    weights = weights_of(arguments.base)
    found: dict[str, Any] = {"base": arguments.base, "sha256": weights.name, "engine": arguments.engine}
    for name in arguments.sets.split(","):
        whole = problems(arguments.data, name)
        chosen = whole[: arguments.limit]
        path = arguments.out / f"{name}-{arguments.base}-{arguments.engine}.jsonl"
        given, seconds = answers(path, weights, arguments.engine, [asked for asked, _ in chosen], arguments.dtype)
        scores = score_code([(task, text) for (_, task), text in zip(chosen, given)])
        passed = sum(score.passed for score in scores)
        limits = exact_limits(passed, len(chosen), 0.025)
        reasons: dict[str, int] = {}
        for score in scores:
            if score.reason:
                reasons[score.reason] = reasons.get(score.reason, 0) + 1
        found[name] = {
            "pass_at_1": round(passed / len(chosen), 4),
            "passed": passed,
            "n": len(chosen),
            "of": len(whole),
            "lower": limits.lower,
            "upper": limits.upper,
            "seconds": round(seconds, 1),
            "failures": reasons,
            **({"dtype": arguments.dtype} if arguments.engine == "transformers" else {}),
        }
    if arguments.keep:
        path = RESULTS / f"code_generation-{arguments.base}-{arguments.engine}.json"
        earlier = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        path.write_text(json.dumps({**earlier, **found}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
