"""How near a written text is to an accepted one: equality, chrF and ROUGE-L, each of one answer at a time.

chrF and ROUGE-L of a test are the means of their examples' values, so that whole examples can be resampled.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

CHRF_ORDER, CHRF_BETA = 6, 2.0
_WORD = re.compile(r"\w+")


def same_text(answer: str | None, golds: Sequence[str]) -> bool:
    """Equal to any of them, after NFC and without outer white space."""
    return answer is not None and _clean(answer) in {_clean(gold) for gold in golds}


def chrf(answer: str | None, golds: Sequence[str]) -> float:
    """The best chrF2 against any accepted text, in [0, 1]; white space does not count.

    F-beta (beta 2) of the mean precision and mean recall over character n-grams of order 1 to 6, orders that neither
    text is long enough for left out.
    Source: Popović (2015), WMT 15, "chrF: character n-gram F-score"; beta 2 and the means as in sacrebleu's sentence
    chrF2 (no effective smoothing).
    """
    return max((_chrf("".join((answer or "").split()), "".join(gold.split())) for gold in golds), default=0.0)


def rouge_l(answer: str | None, golds: Sequence[str]) -> float:
    """The best F1 of the longest common subsequence of words against any accepted text, in [0, 1].

    Words are runs of letters and digits of any script, case aside; nothing is stemmed.
    Source: Lin (2004), "ROUGE: A Package for Automatic Evaluation of Summaries", section 3, with beta 1.
    """
    ours = _words(answer or "")
    return max((_rouge(ours, _words(gold)) for gold in golds), default=0.0)


def _chrf(answer: str, gold: str) -> float:
    answer, gold = unicodedata.normalize("NFC", answer), unicodedata.normalize("NFC", gold)
    precisions, recalls = [], []
    for order in range(1, CHRF_ORDER + 1):
        ours, theirs = _grams(answer, order), _grams(gold, order)
        if not ours or not theirs:
            continue
        met = (ours & theirs).total()
        precisions.append(met / ours.total())
        recalls.append(met / theirs.total())
    if not precisions or not any(precisions):
        return 0.0
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    weight = CHRF_BETA**2
    return (1 + weight) * precision * recall / (weight * precision + recall)


def _grams(text: str, order: int) -> Counter[str]:
    return Counter(text[at : at + order] for at in range(len(text) - order + 1))


def _rouge(ours: list[str], theirs: list[str]) -> float:
    return 2 * _longest(ours, theirs) / (len(ours) + len(theirs)) if ours and theirs else 0.0


def _longest(one: list[str], other: list[str]) -> int:
    """Length of the longest common subsequence, by one row of the usual table."""
    row = [0] * (len(other) + 1)
    for word in one:
        diagonal = 0
        for place, against in enumerate(other, 1):
            diagonal, row[place] = row[place], diagonal + 1 if word == against else max(row[place], row[place - 1])
    return row[-1]


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFC", text).casefold())


def _clean(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()
