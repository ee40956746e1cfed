"""Every claim of the scoreboard: a task, its bar and where the bar comes from, fixed before its test is looked at.

A bar is GPT-4's published or recorded figure where there is one (`reference` in the task), else an absolute
`at_least`: a published figure of a small model, or the figure of a plain baseline. Where a test had been looked at
before its claim had a bar (clinc150, ko_nsmc_raw, beep_korean_hate, sentfin, snips_nlu, wikisql, ko_sae4k_argument),
that look is counted in the register. The stricter level pays for the second look, not for a bar that was set with a
score known: the page marks such a verdict as exploratory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tasks_labelled as labelled
import tasks_written as written
from tasks_labelled import Make

RAG20 = "gpt-4/banking77-rag20"
TRIAL = "plain n-grams in a trial before this code was written; it saw this public test"
TRIED = "and at least 0.92, set before this code was written, when trials on this test had 0.93 and 0.94"
# Claimed while the climb's frozen encoder was in float32: the same rungs make the same artefact again.
FLOAT32 = "ngrams,minilm-l6,ngrams+minilm-l6"
OTHER_SPLIT = "The split is not the published one: no comparison with the literature."


@dataclass(frozen=True)
class Claim:
    """make: (data sets' folder, task's folder) -> task file's content. test: which sealed test is looked at; claims
    that share one pay for each other's looks. templates: was the text made by machine. bar: in words, where an
    absolute bar comes from. options: of `train`."""

    make: Make
    field: str
    language: str
    test: str
    bar: str = ""
    note: str = ""
    templates: bool = False
    options: Sequence[str] = ()


def recorded(make: Make) -> Make:
    """Recorded answers lie beside the data sets."""
    return lambda data, folder: make(data.parent / "recorded", folder)


def prompted(task: Make, sizes: dict[str, int] | None = None) -> Make:
    return lambda data, folder: task(data, folder, sizes or {})  # type: ignore[call-arg]


CLAIMS: dict[str, Claim] = {
    "banking77-gpt4": Claim(labelled.banking({"reference": RAG20}), "customer service", "English", "banking77"),
    "banking77-at-least": Claim(
        labelled.banking({"reference": RAG20, "at_least": 0.92}),
        *("customer service", "English", "banking77"),
        bar=TRIED,
        options=("--rungs", FLOAT32),
    ),
    "banking77-best": Claim(
        labelled.banking({"reference": RAG20, "at_least": 0.92}),
        *("customer service", "English", "banking77"),
        bar=TRIED,
        note="Climbs on to the best within two hours, fine-tuning included.",
        options=("--best", "--budget", "2h", "--rungs", f"{FLOAT32},minilm-l6-tuned,ngrams+minilm-l6-tuned"),
    ),
    "clinc150": Claim(
        labelled.clinc,
        *("customer service", "English", "clinc150"),
        # Larson et al., EMNLP 2019, table 2, full data, thresholds: 0.962 of 4,500 in scope, 0.523 of 1,000 out of it
        bar="BERT, fine-tuned: the paper's in-scope accuracy of 0.962 and out-of-scope recall of 0.523, weighed by "
        "rows (second-hand)",
    ),
    "clinc150-best": Claim(
        labelled.clinc,
        *("customer service", "English", "clinc150"),
        bar="as clinc150",
        note="The best of the torch-free ladder, claimed after the cheapest rung had lost: validation is 3 % out of "
        "scope and the test 18 %, so the chance that it gave that rung was too good.",
        options=("--best", "--rungs", "ngrams,minilm-l6,ngrams+minilm-l6"),
    ),
    "bitext_customer_support_intent": Claim(
        labelled.plain("bitext_customer_support_intent", {"at_least": 0.95}),
        *("customer service", "English", "bitext_customer_support_intent"),
        bar="a round figure, set before the test was read; nothing is published on this split",
        note="Half made by machine from templates: 26 test inputs stand in train word for word and were dropped there. "
        "A pass says that the templates are learnt.",
        templates=True,
    ),
    "snips_nlu": Claim(
        written.snips,
        *("customer service", "English", "snips_nlu"),
        # Zhang et al., ACL 2019; joint BERT (Chen et al. 2019) 0.970: slots alone, 700 other rows held out of train
        bar="Capsule-NLU, slot F1, on another split; a joint BERT of 110 M has 0.970 there",
        note="The intent counts as a field here.",
        options=("--rungs", "spans-ngrams"),
    ),
    "openai_moderation": Claim(
        labelled.moderation,
        *("content moderation", "English", "openai_moderation"),
        note="No train split: trained on tweets, whose categories are others.",
    ),
    "davidson_hate_offensive": Claim(
        labelled.plain("davidson_hate_offensive", {"at_least": 0.90}),
        *("content moderation", "English", "davidson_hate_offensive"),
        # Davidson et al., ICWSM 2017: overall precision 0.91, recall 0.90 (which is accuracy), F1 0.90, cross-validated
        bar="the data's own paper, logistic regression with many features, cross-validated (another split)",
        note="Four fifths of the tweets are `offensive_language` and 6 % `hate_speech`, so accuracy says little of "
        "hate: see its own row.",
        options=("--rungs", FLOAT32),
    ),
    "beep_korean_hate": Claim(
        labelled.beep,
        *("content moderation", "Korean", "beep_korean_hate"),
        bar=TRIAL,
        note="The test is the official dev set, of 471 rows.",
    ),
    "wikisql": Claim(
        written.wikisql,
        *("data analysis", "English", "wikisql_tabfact_exec"),
        # Xu, Liu and Song, SQLNet, arXiv 1711.04436: execution accuracy on the official test
        bar="SQLNet (2017) on WikiSQL's official test (second-hand), which is another test",
        note="A seeded 800 of the 2,009 test rows, 1,200 of the 12,000 for training.",
        options=("--rungs", "smollm2-135m-lora", "--budget", "2h"),
    ),
    "spider_dev": Claim(
        recorded(written.spider),
        *("data analysis", "English", "spider_dev"),
        note="Exact set match under-rates right queries in another form, GPT-4's too. A seeded 52 of the test's "
        "gold queries, one of its 1,034 rows for each.",
        options=("--rungs", "qwen2.5-coder-0.5b-shots"),
    ),
    "mbpp": Claim(
        written.mbpp,
        *("code generation", "English", "mbpp"),
        note="The published figure is of EvalPlus's set, made from the same sanitized problems. A seeded 40 of those.",
        options=("--rungs", "qwen2.5-coder-0.5b-shots"),
    ),
    "sentfin": Claim(
        labelled.sentfin,
        *("finance", "English", "sentfin"),
        bar=TRIAL,
        note=OTHER_SPLIT,
        options=("--rungs", FLOAT32),
    ),
    "sentfin_json": Claim(
        written.sentfin_json,
        *("finance", "English", "sentfin"),
        bar="the other view's, where the company is given: here it has to be found as well",
        note=f"{OTHER_SPLIT} The headlines are those of sentfin, whose answers had been opened twice: this look, "
        "registered as the first, is the third.",
        options=("--rungs", "spans-ngrams"),
    ),
    "pubmedqa": Claim(
        labelled.pubmedqa,
        *("healthcare", "English", "pubmedqa"),
        note="450 abstracts to learn from; the answer has to be reasoned.",
        options=("--rungs", FLOAT32),
    ),
    "medquad": Claim(
        labelled.medquad,
        *("healthcare", "English", "medquad"),
        bar="a round figure, set before the test was read; nothing is published on this split",
        note="The questions are made from templates, one for each kind: a pass says that the templates are learnt.",
        templates=True,
    ),
    "ko_nsmc_raw": Claim(
        labelled.plain("ko_nsmc_raw", {"at_least": 0.853}),
        *("customer feedback", "Korean", "ko_nsmc_raw"),
        bar=TRIAL,
        note=OTHER_SPLIT,
    ),
    "ko_sae4k_argument": Claim(
        written.sae4k,
        *("customer service", "Korean", "ko_sae4k_argument"),
        bar="the utterance copied as it stands, measured on validation",
        note="1,500 of 26,202 rows for training.",
        options=("--rungs", "gemma-3-270m-lora", "--budget", "2h"),
    ),
    "oa_mine": Claim(
        recorded(written.oa_mine),
        *("retail", "English", "oa_mine"),
        options=("--rungs", "spans-ngrams,spans-minilm-l6", "--budget", "2h"),
    ),
    "gsm8k": Claim(
        recorded(written.gsm8k),
        *("school arithmetic", "English", "gsm8k"),
        note="A task that a small model should lose, kept for honesty. GPT-4 wrote its way to the number; the "
        "specialist says the number alone. 500 of 6,669 rows for training.",
        options=("--rungs", "smollm2-135m-lora", "--budget", "2h"),
    ),
}

BASES = {"0.5b": "qwen2.5-coder-0.5b", "1.5b": "qwen2.5-coder-1.5b"}
TESTS: dict[str, Make] = {  # whole ones
    "spider_dev": recorded(prompted(written.spider)),
    "defog_sql_eval": written.defog,
    "wikisql": prompted(written.wikisql),
}
PROMPTED = {f"{test}-{size}": (test, base) for test in ("spider_dev", "defog_sql_eval") for size, base in BASES.items()}
PROMPTED["wikisql-base"] = ("wikisql", "smollm2-135m")  # of the specialist


def meaning(document: dict[str, Any]) -> dict[str, Any]:
    """What a claim says of its task, without the paths of one machine."""
    data = document["data"]
    named = {split: Path(path).name for split, path in data.items()} if isinstance(data, dict) else Path(data).name
    kept = {key: value for key, value in document.items() if key not in ("data", "execution", "description")}
    return {**kept, "data": named}
