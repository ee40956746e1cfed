"""Do the limits of a certificate keep their promise? Exact enumeration and simulation at the edge, d = -margin.

    python bench/simulations.py --clinc150 FOLDER -o docs/simulations.md     # about 20 minutes of one core
    python bench/simulations.py --only tango,looks --draws 1000              # a part, printed

FOLDER holds clinc150's train, validation and test as JSONL.gz with `input` and `output`; without it the threshold's row
is left out. A rejection is a false claim of non-inferiority. Each bound is what chance allows at the nominal level:
binom.ppf(0.999, draws, level); the bootstrap is allowed 1.5 times its level. Rows marked "must fail" are controls: they
show that the test can tell.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import binom, norm

from jangin.evals import planning, stats
from jangin.evals.scorers import measure
from jangin.evals.threshold import freeze_thresholds, learn_then_test

ALPHA = 0.025  # the first look of a 95 % certificate
DRAWS = 10_000


class Row(NamedTuple):
    """One line of the table. `seen` and `bound` are counts of draws, or for exact rows the size and its limit."""

    what: str
    setting: str
    draws: int | None
    seen: float
    bound: float
    must_fail: bool = False

    @property
    def holds(self) -> bool:
        return (self.seen > self.bound) == self.must_fail

    def line(self) -> str:
        draws = "exact" if self.draws is None else f"{self.draws:,}"
        numbers = (f"{self.seen:.4f} | {self.bound:.4f}") if self.draws is None else f"{self.seen:,g} | {self.bound:,g}"
        told = ("passes" if self.seen <= self.bound else "fails") + (", as it must" if self.must_fail else "")
        return f"| {self.what} | {self.setting} | {draws} | {numbers} | {told if self.holds else '**' + told + '**'} |"


def at_most(draws: int, level: float) -> float:
    return float(binom.ppf(0.999, draws, level))


# Tango ----------------------------------------------------------------------------------------------------------------


def tango_size(n: int, margin: float, ratio: float, alpha: float) -> float:
    """The exact chance of claiming non-inferiority at d = -margin when a share ratio·margin of the pairs differs."""
    differing = np.arange(n + 1)
    chance = binom.pmf(differing, n, ratio * margin)
    size = 0.0
    for pairs, weight in zip(differing[chance > 1e-15], chance[chance > 1e-15]):
        ours = np.arange(pairs + 1)
        rejected = stats.tango_score(ours, pairs - ours, n, -margin) > norm.isf(alpha)
        size += weight * binom.pmf(ours, pairs, (ratio - 1) / (2 * ratio))[rejected].sum()
    return float(size)


def tango(draws: int) -> Iterator[Row]:
    for n, margin in ((50, 0.1), (100, 0.05), (300, 0.02), (1000, 0.02)):
        for ratio in (1, 1.05, 1.5, 2, 5):
            for alpha in (ALPHA, ALPHA / 2, ALPHA / 4, ALPHA / 8):
                size = tango_size(n, margin, ratio, alpha)
                setting = f"n = {n}, m = {margin}, psi/m = {ratio}, alpha = {alpha:.4g}"
                yield Row("Tango, paired", setting, None, size, 1.1 * alpha)


# Published scores -----------------------------------------------------------------------------------------------------


def newcombe(draws: int) -> Iterator[Row]:
    for n, published_n, share, margin in (
        (3080, 3080, 0.877, 0.02), (500, 500, 0.752, 0.05), (1000, 164, 0.67, 0.1), (300, 3080, 0.95, 0.03),
    ):  # fmt: skip
        rng = np.random.default_rng(1)
        ours = rng.binomial(n, share - margin, draws)
        published = np.round(rng.binomial(published_n, share, draws) / published_n, 3)
        seen = sum(
            stats.newcombe_limits(int(a), n, float(b), published_n, ALPHA).lower > -margin
            for a, b in zip(ours, published)
        )
        setting = f"n = {n}, published {share} on {published_n} to 3 digits, m = {margin}"
        yield Row("Newcombe, unpaired", setting, draws, seen, at_most(draws, ALPHA))


# The bootstrap --------------------------------------------------------------------------------------------------------


def rejects(statistic: stats.Statistic, groups: int, differing: int, floor: float) -> bool:
    """Whether `resampled_limits` puts the lower limit above `floor`. Its lower limit is the lower of two, so the
    costly BCa is needed only where the jackknife's t has not already settled it."""
    if stats.too_few(groups, differing, None, "differ"):
        return False
    by_t = stats.jackknife_limits(statistic, groups, ALPHA)[0]
    if by_t is None or by_t <= floor:
        return False
    bca = stats.bca_limits(statistic, groups, ALPHA, stats.resamples(ALPHA))
    return bca is None or bca[0] > floor


def tagged(rng: np.random.Generator, groups: int, scores: tuple[float, float]) -> tuple[np.ndarray, ...]:
    """Units of 1 to several rows with four labels; ours and theirs have the given micro-F1 and err together."""
    units = np.repeat(np.arange(groups), 1 + rng.poisson(1.5, groups))
    gold = rng.random((len(units), 4)) < 0.3
    shared = 0.45 * rng.standard_normal((groups, 1))[units] + 0.6 * rng.standard_normal(gold.shape)
    answers = []
    for f1 in scores:
        luck = norm.cdf(shared + np.sqrt(1 - 0.45**2 - 0.6**2) * rng.standard_normal(gold.shape))
        # As many false alarms as misses: precision = recall = F1.
        answers.append(gold ^ (luck < np.where(gold, 1 - f1, 0.3 / 0.7 * (1 - f1))))
    return units, gold, answers[0], answers[1]


def micro_f1(draws: int) -> Iterator[Row]:
    for theirs_f1, margin in ((0.9, 0.03), (0.98, 0.01)):
        for groups in (50, 128, 491):
            rng, seen = np.random.default_rng(2), 0
            for _ in range(draws):
                units, gold, ours, theirs = tagged(rng, groups, (theirs_f1 - margin, theirs_f1))
                one, other = (stats.on_units(measure("micro_f1", gold, a), units) for a in (ours, theirs))
                differing = len(np.unique(units[(ours != theirs).any(axis=1)]))
                seen += rejects(lambda w, f=one, g=other: f(w) - g(w), groups, differing, -margin)
            setting = f"micro-F1, {groups} units of 1 or more rows, F1 = {theirs_f1}, m = {margin}"
            yield Row("bootstrap, paired", setting, draws, seen, at_most(draws, 1.5 * ALPHA))


def absolute_f1(draws: int) -> Iterator[Row]:
    for groups, f1 in ((50, 0.9), (128, 0.9), (491, 0.9), (128, 0.98), (491, 0.98)):
        rng, seen = np.random.default_rng(3), 0
        for _ in range(draws):
            units, gold, ours, _ = tagged(rng, groups, (f1, f1))
            errors = len(np.unique(units[(ours != gold).any(axis=1)]))
            seen += rejects(stats.on_units(measure("micro_f1", gold, ours), units), groups, errors, f1)
        setting = f"micro-F1 against at_least = {f1}, {groups} units of 1 or more rows"
        yield Row("bootstrap, absolute bar", setting, draws, seen, at_most(draws, 1.5 * ALPHA))


def macro_f1(draws: int, sizes: tuple[tuple[int, int], ...] = ((20, 1000), (50, 1000))) -> Iterator[Row]:
    for labels, n in sizes:
        share = 1 / np.arange(1, labels + 1)
        share /= share.sum()
        truth = [_macro_of(share, right) for right in (0.86, 0.9)]
        margin = truth[1] - truth[0]
        rng, seen, units = np.random.default_rng(4), 0, np.arange(n)
        for _ in range(draws):
            gold, shared, answers = rng.choice(labels, n, p=share), rng.standard_normal(n), []
            for right in (0.86, 0.9):
                luck = norm.cdf(0.7 * shared + np.sqrt(1 - 0.7**2) * rng.standard_normal(n))
                answers.append(np.where(luck < right, gold, _another(rng, gold, share)))
            one, other = (stats.on_units(measure("macro_f1", gold, a, labels), units) for a in answers)
            differing = int((answers[0] != answers[1]).sum())
            seen += rejects(lambda w, f=one, g=other: f(w) - g(w), n, differing, -margin)
        setting = f"macro-F1, {n} rows, {labels} labels by Zipf, F1 = {truth[1]:.3f}, m = {margin:.4f}"
        yield Row("bootstrap, paired", setting, draws, seen, at_most(draws, 1.5 * ALPHA))


def _macro_of(share: np.ndarray, right: float) -> float:
    """The population's macro-F1 when wrong answers fall on the other labels in proportion to their share."""
    confusion = share[:, None] * (1 - right) * share[None, :] / (1 - share)[:, None]
    np.fill_diagonal(confusion, share * right)
    return float((2 * confusion.diagonal() / (share + confusion.sum(axis=0))).mean())


def _another(rng: np.random.Generator, gold: np.ndarray, share: np.ndarray) -> np.ndarray:
    drawn = rng.choice(len(share), len(gold), p=share)
    while (same := drawn == gold).any():
        drawn[same] = rng.choice(len(share), int(same.sum()), p=share)
    return drawn


def auprc(draws: int, sizes: tuple[int, ...] = (100, 200), positive: float = 0.3) -> Iterator[Row]:
    """Scores are normal; those of the positives stand higher by a shift, which gives the population's value."""
    shifts = (1.6, 2.0)
    truth = [_average_precision_of(shift, positive) for shift in shifts]
    margin = truth[1] - truth[0]
    for n in sizes:
        rng, paired, alone, units = np.random.default_rng(8), 0, 0, np.arange(n)
        for _ in range(draws):
            gold, shared = rng.random((n, 1)) < positive, rng.standard_normal((n, 1))
            if gold.sum() < stats.MIN_POSITIVES:
                continue
            one, other = (
                stats.on_units(measure("auprc", gold, shift * gold + 0.7 * shared + own), units)
                for shift, own in zip(shifts, np.sqrt(1 - 0.7**2) * rng.standard_normal((2, n, 1)))
            )
            paired += rejects(lambda w, f=one, g=other: f(w) - g(w), n, n, -margin)
            alone += rejects(one, n, n, truth[0])
        setting = f"{n} rows, {positive:.0%} positive, AUPRC = {truth[1]:.3f}, m = {margin:.4f}"
        yield Row("bootstrap, paired", setting, draws, paired, at_most(draws, 1.5 * ALPHA))
        setting = f"AUPRC against at_least = {truth[0]:.3f}, {n} rows, {positive:.0%} positive"
        yield Row("bootstrap, absolute bar", setting, draws, alone, at_most(draws, 1.5 * ALPHA))


def _average_precision_of(shift: float, positive: float) -> float:
    """The population's average precision: precision integrated over recall."""
    cut = np.linspace(9, -9, 40_001)
    recall, alarms = norm.sf(cut - shift), norm.sf(cut)
    precision = positive * recall / (positive * recall + (1 - positive) * alarms)
    return float(np.trapezoid(precision, recall))


# Looks ----------------------------------------------------------------------------------------------------------------


def looks(draws: int, n: int = 1000, margin: float = 0.02, tries: int = 5) -> Iterator[Row]:
    """Five specialists, all exactly as bad as the margin allows, tried on one test against one reference."""
    rng = np.random.default_rng(5)
    scores = np.empty((draws, tries))
    for i in range(draws):
        hard, family = rng.standard_normal((2, n))
        theirs = np.sqrt(0.5) * (hard + rng.standard_normal(n)) < norm.ppf(0.9)
        mixed = np.sqrt(0.5) * hard + np.sqrt(0.2) * family + np.sqrt(0.3) * rng.standard_normal((tries, n))
        ours = mixed < norm.ppf(0.9 - margin)
        scores[i] = stats.tango_score((ours & ~theirs).sum(axis=1), (~ours & theirs).sum(axis=1), n, -margin)
    levels = np.array([planning.alpha_at(0.95, k) for k in range(1, tries + 1)])
    setting = f"{tries} correlated looks, n = {n}, m = {margin}"
    bound = at_most(draws, 0.05)
    yield Row("looks at alpha/2^k", setting, draws, (scores > norm.isf(levels)).any(axis=1).sum(), bound)
    for level in (ALPHA, 2 * ALPHA):
        seen = (scores > norm.isf(level)).any(axis=1).sum()
        yield Row(f"unadjusted looks, each at {level}", setting, draws, seen, bound, must_fail=True)


# Power ----------------------------------------------------------------------------------------------------------------


def power(draws: int) -> Iterator[Row]:
    """`seen`: how many draws the power is away from the formula's 0.8."""
    rng = np.random.default_rng(6)
    for psi, margin in ((0.05, 0.02), (0.1, 0.03), (0.2, 0.05)):
        n = planning.rows_needed(psi, 0.0, margin, ALPHA) or 0
        ours, theirs, _ = rng.multinomial(n, (psi / 2, psi / 2, 1 - psi), draws).T
        shown = (stats.tango_score(ours, theirs, n, -margin) > norm.isf(ALPHA)).sum()
        setting = f"paired, d = 0, psi = {psi}, m = {margin}, n = {n:,}: {shown / draws:.3f} instead of 0.8"
        yield Row("power", setting, draws, abs(shown - 0.8 * draws), 0.03 * draws)
    for share, published_n, margin in ((0.877, 3080, 0.03), (0.8, 1034, 0.06)):
        n = planning.rows_needed_published(share, share * (1 - share), share, published_n, margin, ALPHA) or 0
        ours, published = rng.binomial(n, share, draws), rng.binomial(published_n, share, draws) / published_n
        shown = sum(
            stats.newcombe_limits(int(a), n, b, published_n, ALPHA).lower > -margin for a, b in zip(ours, published)
        )
        setting = f"published, d = 0, {share} on {published_n}, m = {margin}, n = {n:,}: {shown / draws:.3f}"
        yield Row("power", setting, draws, abs(shown - 0.8 * draws), 0.03 * draws)


# The threshold --------------------------------------------------------------------------------------------------------


def threshold(confidence: np.ndarray, right: np.ndarray, setting: str, draws: int = 1000) -> Iterator[Row]:
    """Calibration resampled from the pool, which is the truth; thresholds frozen on another resample of it."""
    for target in (0.95, 0.97):
        rng = np.random.default_rng(7)
        broken = none = 0
        for _ in range(draws):
            validation, calibration = rng.integers(0, len(right), (2, 1000))
            frozen = freeze_thresholds(confidence[validation], 1000, target)
            found = learn_then_test(frozen, confidence[calibration], ~right[calibration], target)
            none += found.threshold is None
            broken += found.threshold is not None and right[confidence >= found.threshold].mean() < target
        told = f"{setting}, target {target}, 1,000 calibration rows; none found in {none}"
        yield Row("threshold (Learn then Test)", told, draws, broken, at_most(draws, 0.05))


def clinc150_pool(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Confidence and rightness of an n-gram model on clinc150's validation and test; out-of-scope is always wrong."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    def rows(split: str) -> tuple[list[str], np.ndarray]:
        with gzip.open(folder / f"{split}.jsonl.gz", "rt", encoding="utf-8") as lines:
            read = [json.loads(line) for line in lines]
        return [row["input"] for row in read], np.array([str(row["output"]) for row in read])

    texts, labels = rows("train")
    inside = labels != "oos"
    words = TfidfVectorizer(sublinear_tf=True)
    model = LogisticRegression(C=10, max_iter=200).fit(words.fit_transform(texts)[inside], labels[inside])
    pool = [rows(split) for split in ("validation", "test")]
    probabilities = model.predict_proba(words.transform([text for part, _ in pool for text in part]))
    gold = np.concatenate([labels for _, labels in pool])
    return probabilities.max(axis=1), model.classes_[probabilities.argmax(axis=1)] == gold


SETS: dict[str, Callable[[int], Iterator[Row]]] = {
    "tango": tango, "newcombe": newcombe, "looks": looks, "power": power, "micro_f1": micro_f1,
    "absolute_f1": absolute_f1, "auprc": auprc, "macro_f1": macro_f1,
}  # fmt: skip


def run(names: list[str], draws: int, clinc150: Path | None) -> Iterator[Row]:
    for name in names:
        yield from SETS[name](draws)
    if clinc150:
        yield from threshold(*clinc150_pool(clinc150), "clinc150 with out-of-scope, n-gram model")


def main() -> int:
    parser = argparse.ArgumentParser(description="Simulations of the certificate's statistics.")
    parser.add_argument("--only", help=f"comma-separated, of: {', '.join(SETS)}")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--clinc150", type=Path, help="folder with clinc150's splits, for the threshold")
    parser.add_argument("-o", "--out", type=Path, help="a Markdown file to write")
    asked = parser.parse_args()
    started, rows = time.perf_counter(), []
    for row in run(asked.only.split(",") if asked.only else list(SETS), asked.draws, asked.clinc150):
        rows.append(row)
        print(f"{time.perf_counter() - started:6.0f} s  {row.line()}", file=sys.stderr, flush=True)
    page = render(rows, time.perf_counter() - started)
    if asked.out:
        asked.out.write_text(page, encoding="utf-8")
    else:
        print(page)
    return 0 if all(row.holds for row in rows) else 1


def render(rows: list[Row], seconds: float) -> str:
    """The page; rows that do not hold stand in bold."""
    good = sum(row.holds for row in rows)
    return "\n".join([
        "# The certificate's statistics, simulated",
        "",
        "Written by `bench/simulations.py`, which says how each setting is drawn; do not edit. Every setting stands at",
        "the edge, d = -m (or the score exactly at the bar), where each claim is false: a *rejection* is a false claim",
        "of non-inferiority at a one-sided level of 0.025 (the first look of a 95 % certificate). The bound is",
        "`binom.ppf(0.999, draws, level)`, for the bootstrap at 1.5 times its level; exact rows give the size and 1.1",
        "times the level. In the power rows the two numbers are the draws between the power and the formula's 0.8, and",
        "0.03 of the draws.",
        "",
        f"{good} of {len(rows)} rows are as they should be ({seconds / 60:.0f} minutes).",
        "",
        "| routine | setting | draws | rejections | bound | verdict |",
        "|---|---|---|---|---|---|",
        *(row.line() for row in rows),
        "",
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
