"""How long `check` and loading take on a million short texts, and how many planted duplicates and leaks are found.

The texts come from a seeded word model; some repeat others exactly, some but for one letter, some stand in the test as
well, and a large cluster fills one template. Run: python bench/check_million.py [--rows N] [--json]
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

SEED = 20_261_124
LABELS = 100
EXACT, NEAR, LEAKS, NEAR_LEAKS, TEMPLATE = 0.02, 0.02, 0.002, 0.002, 0.05  # shares of all rows


def vocabulary(random: np.random.Generator, size: int = 30_000) -> np.ndarray:
    """Pronounceable words of one to four syllables."""
    syllables = np.array([a + b for a in "bcdfghjklmnprstvwz" for b in "aeiou"])
    lengths = random.choice([1, 2, 3, 4], size, p=[0.05, 0.45, 0.35, 0.15])
    return np.array(["".join(random.choice(syllables, length)) for length in lengths])


def sentences(random: np.random.Generator, words: np.ndarray, count: int) -> list[str]:
    """Texts of 6 to 15 words with Zipf-distributed frequencies."""
    weights = 1 / np.arange(10, len(words) + 10)
    lengths = random.integers(6, 16, count)
    drawn = random.choice(words, int(lengths.sum()), p=weights / weights.sum()).tolist()
    ends = np.cumsum(lengths).tolist()
    return [" ".join(drawn[end - length : end]) for end, length in zip(ends, lengths.tolist())]


def with_a_typo(random: np.random.Generator, text: str) -> str:
    place = int(random.integers(1, len(text) - 1))
    return text[:place] + "x" + text[place + 1 :]


def plant(rows: int) -> tuple[list[str], list[str], dict[str, int]]:
    """(train texts, test texts, how many rows of each kind were planted)."""
    random = np.random.default_rng(SEED)
    planted = {"exact": EXACT, "near": NEAR, "leaks": LEAKS, "near_leaks": NEAR_LEAKS, "template": TEMPLATE}
    counts = {name: int(rows * share) for name, share in planted.items()}
    test_rows = min(20_000, rows // 10)
    base = sentences(random, vocabulary(random), rows - test_rows - sum(counts.values()))
    test = sentences(random, vocabulary(random), test_rows)
    long = [text for text in base if len(text) >= 60]  # one changed letter leaves their similarity at 0.9 or more
    train = base + [text.upper() for text in base[: counts["exact"]]]
    train += [with_a_typo(random, text) for text in long[-counts["near"] :]]
    train += [text + " !" for text in test[: counts["leaks"]]]
    long_test = [text for text in test[counts["leaks"] :] if len(text) >= 60][: counts["near_leaks"]]
    train += [with_a_typo(random, text) for text in long_test]
    numbers = random.choice(900_000, counts["template"], replace=False) + 100_000
    ending = "has left our house in the north and will be with you within the next two days"
    train += [f"your order {number} {ending}" for number in numbers]
    return train, test, {**counts, "near_leaks": len(long_test)}


def write(folder: Path, rows: int) -> dict[str, int]:
    train, test, planted = plant(rows)
    random = np.random.default_rng(SEED)
    for name, texts in (("train", train), ("test", test)):
        with (folder / f"{name}.jsonl").open("w") as stream:
            for text, label in zip(texts, random.integers(0, LABELS, len(texts)).tolist()):
                stream.write(json.dumps({"input": text, "output": f"label-{label}"}) + "\n")
    data = "data: {train: train.jsonl, test: test.jsonl}"
    (folder / "task.yaml").write_text(f"name: million\nkind: classify\n{data}\n")
    return planted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    from jangin.data.check import check
    from jangin.data.load import load_splits
    from jangin.task import load_task

    with tempfile.TemporaryDirectory() as folder:
        with ProcessPoolExecutor(1) as writer:  # so that the peak below is that of `check` alone
            planted = writer.submit(write, Path(folder), arguments.rows).result()
        task = load_task(folder)
        start = time.perf_counter()
        report = check(task)
        checked = time.perf_counter()
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        load_splits(task)
        loaded = time.perf_counter()
    near_planted = planted["near"] + planted["template"] - 1
    found = {
        "rows": sum(report.rows.values()),
        "check_s": round(checked - start, 1),
        "check_peak_mib": peak_kib // 1024,
        "load_s": round(loaded - checked, 1),
        "recall_exact": report.duplicates.exact["train"] / planted["exact"],
        "recall_near": report.duplicates.near["train"] / near_planted,
        "recall_leaks": report.leaks.test_rows / planted["leaks"],
        "recall_near_leaks": report.leaks.near_test_rows / planted["near_leaks"],
        "planted": planted,
    }
    print(json.dumps(found) if arguments.json else "\n".join(f"{key}: {value}" for key, value in found.items()))


if __name__ == "__main__":
    main()
