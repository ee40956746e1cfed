"""The peers of few_shot.py and seconds_to.py, run in their own environment on the job of standard input: SetFit, or a
plain fine-tune with transformers' Trainer, of the weights in a folder.

A job: method ("setfit" or "finetune"), folder (config.json, model.safetensors, tokenizer.json), rows and judged (texts
and labels as numbers), seed, settings (of the method's TrainingArguments), check_every_s (None: judge at the end only),
stop_at (an accuracy, or None) and limit_s. The clock runs while the method trains; it stands still while a model is
judged. SetFit's head is fitted anew for each judgement: its seconds count once, for the model that is judged.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainerCallback, set_seed

PACKAGES = ("setfit", "sentence-transformers", "transformers", "accelerate", "torch", "scikit-learn")
MAX_TOKENS = 128
# judge: () -> (accuracy on the judged rows, seconds of fitting what only the judged model needs)
Judge = Callable[[], tuple[float, float]]


class Watch(TrainerCallback):
    """Stops the clock, judges, and ends the training at the wanted accuracy or at the limit of seconds."""

    def __init__(self, job: dict[str, Any], judge: Judge):
        self.every, self.stop_at, self.limit = job["check_every_s"], job["stop_at"], job["limit_s"]
        self.judge, self.started, self.paused = judge, time.perf_counter(), 0.0
        self.checks: list[dict[str, float]] = []
        self.steps, self.of = 0, 0
        self.cut = self.reached = False

    def seconds(self) -> float:
        return time.perf_counter() - self.started - self.paused

    def check(self) -> None:
        begin, at = time.perf_counter(), self.seconds()
        accuracy, head_s = self.judge()
        self.paused += time.perf_counter() - begin
        self.checks.append({"seconds": at + head_s, "head_s": head_s, "steps": self.steps, "accuracy": accuracy})
        self.reached = self.stop_at is not None and accuracy >= self.stop_at
        print(json.dumps(self.checks[-1]), file=sys.stderr, flush=True)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.of = state.max_steps
        if self.every is not None:
            self.check()  # SetFit's head alone may do
            control.should_training_stop = self.reached

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.steps = state.global_step
        last = self.checks[-1]["seconds"] - self.checks[-1]["head_s"] if self.checks else 0.0
        if self.every is not None and self.seconds() - last >= self.every:
            self.check()
        self.cut = self.seconds() >= self.limit
        if self.cut or self.reached:
            control.should_training_stop = True


def setfit(job: dict[str, Any], out: str) -> Watch:
    """SetFit's own trainer and its default head, logistic regression."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Normalize, Pooling, Transformer
    from setfit import SetFitModel, Trainer, TrainingArguments
    from sklearn.linear_model import LogisticRegression

    body = Transformer(job["folder"], max_seq_length=MAX_TOKENS)
    pooling = Pooling(body.get_word_embedding_dimension(), "mean")
    model = SetFitModel(
        SentenceTransformer(modules=[body, pooling, Normalize()], device=device()), LogisticRegression()
    )
    texts, gold = job["rows"]["texts"], job["rows"]["labels"]
    arguments = TrainingArguments(
        output_dir=out,
        seed=job["seed"],
        report_to="none",
        save_strategy="no",
        show_progress_bar=False,
        **job["settings"],
    )

    def judge() -> tuple[float, float]:
        begin = time.perf_counter()
        training = model.model_body.training
        model.model_body.eval()
        model.fit(texts, gold, num_epochs=1)
        head_s = time.perf_counter() - begin
        answers = model.predict(job["judged"]["texts"], batch_size=32, use_labels=False)
        model.model_body.train(training)
        return accuracy_of(answers, job), head_s

    watch = Watch(job, judge)
    trainer = Trainer(
        model, arguments, train_dataset=Dataset.from_dict({"text": texts, "label": gold}), callbacks=[watch]
    )
    watch.started = time.perf_counter()
    # `train` is these two; the second is in every check. Making the pairs is part of the first, and counted.
    trainer.train_embeddings(texts, gold, args=arguments)
    if not watch.checks or watch.checks[-1]["steps"] != watch.steps:
        watch.check()
    return watch


def finetune(job: dict[str, Any], out: str) -> Watch:
    """AutoModelForSequenceClassification and Trainer, as the guides show them."""
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )

    tokenizer = AutoTokenizer.from_pretrained(job["folder"])
    labels = max(job["rows"]["labels"]) + 1
    model = AutoModelForSequenceClassification.from_pretrained(job["folder"], num_labels=labels).to(device())
    judged = tokenizer(job["judged"]["texts"], truncation=True, max_length=MAX_TOKENS)
    collate = DataCollatorWithPadding(tokenizer)

    @torch.no_grad()
    def judge() -> tuple[float, float]:
        model.eval()
        answers: list[int] = []
        for at in range(0, len(judged["input_ids"]), 32):
            batch = collate([{"input_ids": ids} for ids in judged["input_ids"][at : at + 32]])
            answers += model(**batch.to(model.device)).logits.argmax(-1).tolist()
        model.train()
        return accuracy_of(answers, job), 0.0

    watch = Watch(job, judge)
    read = tokenizer(job["rows"]["texts"], truncation=True, max_length=MAX_TOKENS)
    rows = Dataset.from_dict({"input_ids": read["input_ids"], "labels": job["rows"]["labels"]})
    arguments = TrainingArguments(
        output_dir=out, seed=job["seed"], report_to=[], save_strategy="no", disable_tqdm=True, **job["settings"]
    )
    Trainer(model, arguments, train_dataset=rows, data_collator=collate, callbacks=[watch]).train()
    if not watch.checks or watch.checks[-1]["steps"] != watch.steps:
        watch.check()
    return watch


def accuracy_of(answers: Any, job: dict[str, Any]) -> float:
    gold = job["judged"]["labels"]
    return sum(int(answer) == label for answer, label in zip(answers, gold)) / len(gold)


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def whole_folder(folder: Path) -> None:
    """What transformers wants to find beside a tokenizer.json."""
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "cls", "sep", "unk", "mask")}
    about = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": MAX_TOKENS, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))


def main() -> None:
    job = json.load(sys.stdin)
    set_seed(job["seed"])
    out = sys.stdout
    sys.stdout = sys.stderr  # the trainers print
    whole_folder(Path(job["folder"]))
    with tempfile.TemporaryDirectory() as folder:
        watch = {"setfit": setfit, "finetune": finetune}[job["method"]](job, folder)
    found: dict[str, Any] = {"checks": watch.checks, "steps": watch.steps, "of_steps": watch.of, "cut": watch.cut}
    found |= {"accuracy": watch.checks[-1]["accuracy"], "seconds": watch.checks[-1]["seconds"]}
    found |= {"threads": torch.get_num_threads(), "device": device(), "versions": versions()}
    print(json.dumps(found), file=out)


def versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}


if __name__ == "__main__":
    main()
