"""LoRA on tiny random decoders: what the trainer learnt is what the engine serves, for every architecture."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import tiny_gguf
from jangin.errors import BaseModelError, DataError, StorageError

for module in ("torch", "transformers", "peft", "gguf", "xllamacpp"):
    pytest.importorskip(module, reason="the extras 'train' and 'decoder' are not installed")

import tiny_models  # noqa: E402 - only where the extras are
from jangin.models.decoder import Decoder  # noqa: E402 - only where the extras are
from jangin.models.labelling import against_last  # noqa: E402 - only where the extras are
from jangin.train import adapters, answer_model, lora, recipes  # noqa: E402 - only where the extras are
from jangin.train.recipes import Search  # noqa: E402 - only where the extras are

WORDS = ["card lost", "card found", "refund please", "refund done", "open today", "closed today", "yes", "no"]
LABELS = tiny_gguf.ids("abcdefgh")


def pairs(rows: int) -> lora.Sequences:
    """Each word asks for a letter of its own and an exclamation mark."""
    chosen = [row % len(WORDS) for row in range(rows)]
    prompts = [tiny_gguf.ids(f"{WORDS[row]} {at}: ") for at, row in enumerate(chosen)]
    return lora.Sequences(prompts, [[LABELS[row], *tiny_gguf.ids("!"), 0] for row in chosen])


RECIPE = lora.Recipe(rank=8, alpha=16, rows=8, epochs=3.0, learning_rate=5e-3, patience=9)


@pytest.mark.parametrize("architecture", sorted(tiny_models.OWN))
def test_the_engine_answers_with_an_adapter_as_the_trainer_does(architecture: str, tmp_path: Path) -> None:
    _, base = tiny_models.make(tmp_path, architecture)
    asked = pairs(8).prompts
    trained = lora.train(base, pairs(96), pairs(16), RECIPE, tmp_path / "run", seed=0, ask=asked, quiet=True)
    assert trained.asked is not None
    assert trained.loss[-1][1] < trained.loss[0][1]
    with Decoder(base, {"own": tmp_path / "run" / "adapter.gguf"}, context=256) as engine:
        ours = engine.score_labels(asked, LABELS, adapter="own")
        untouched = engine.score_labels(asked, LABELS)
    theirs = trained.asked[:, LABELS]
    theirs = theirs - np.log(np.exp(theirs).sum(axis=1, keepdims=True))
    assert np.abs(ours - theirs).mean() < 0.1  # the trainer may multiply in bfloat16
    assert np.abs(ours - theirs).mean() < np.abs(untouched - theirs).mean() / 5
    assert (ours.argmax(1) == theirs.argmax(1)).mean() >= 7 / 8


def test_the_trainer_agrees_with_what_the_engine_writes(tmp_path: Path) -> None:
    weights, base = tiny_models.make(tmp_path, "llama")
    asked = pairs(8).prompts

    def probe(adapter: Path) -> lora.Sequences:
        with Decoder(base, {"own": adapter}, context=256) as engine:
            found = engine.generate(asked, 4, adapter="own")
            return lora.Sequences(asked, [engine.tokenize(each.text) for each in found])

    trained = lora.train(weights, pairs(96), pairs(16), RECIPE, tmp_path / "run", seed=0, probe=probe, quiet=True)
    assert trained.agreement is not None and trained.agreement > 0.9


def test_one_seed_gives_one_adapter_and_another_seed_another(tmp_path: Path) -> None:
    weights, _ = tiny_models.make(tmp_path, "qwen2")

    def bytes_of(name: str, seed: int) -> bytes:
        lora.train(weights, pairs(32), pairs(8), RECIPE, tmp_path / name, seed=seed, quiet=True)
        return (tmp_path / name / "adapter.gguf").read_bytes()

    assert bytes_of("one", 1) == bytes_of("again", 1)
    assert bytes_of("other", 2) != bytes_of("one", 1)


def test_a_few_labels_are_learnt_through_their_own_rows_of_the_output_layer(tmp_path: Path) -> None:
    weights, base = tiny_models.make(tmp_path, "llama")
    asked = pairs(8).prompts
    data, kept = (
        lora.Sequences(part.prompts, [[LABELS.index(answer[0])] for answer in part.answers])
        for part in (pairs(96), pairs(16))
    )
    run = tmp_path / "run"
    trained = lora.train(weights, data, kept, RECIPE, run, seed=0, vocabulary=LABELS, ask=asked, quiet=True)
    assert trained.asked is not None and trained.asked.shape == (8, len(LABELS))
    with Decoder(base, {"own": run / "adapter.gguf"}, context=256) as engine:
        ours = engine.score_labels(asked, LABELS, adapter="own")
    assert (ours.argmax(1) == trained.asked.argmax(1)).all()


SUBSETS = [[1, 0, 0], [1, 0, 1], [0, 1, 0], [0, 1, 1], [0, 0, 0], [0, 0, 1], [1, 1, 0], [1, 1, 1]]


def subsets(rows: int) -> lora.Sequences:
    """Each word asks for a subset of three letters; every fourth row does not know about the last of them."""
    words = pairs(rows).prompts
    marks = [list(SUBSETS[row % len(WORDS)]) for row in range(rows)]
    for row in range(0, rows, 4):
        marks[row][2] = lora.UNKNOWN
    return lora.Sequences(words, [[0]] * rows, marks)


def test_any_subset_of_labels_is_learnt_against_one_further_token(tmp_path: Path) -> None:
    weights, base = tiny_models.make(tmp_path, "llama")
    data, run, vocabulary = subsets(96), tmp_path / "run", LABELS[:4]
    recipe = lora.Recipe(rank=8, alpha=16, rows=8, epochs=5.0, learning_rate=5e-3, patience=9)
    trained = lora.train(
        weights, data, subsets(32), recipe, run, seed=0, vocabulary=vocabulary, ask=data.prompts[:8], quiet=True
    )
    assert trained.asked is not None and trained.asked.shape == (8, 4)
    assert trained.loss[-1][1] < trained.loss[0][1]
    theirs = against_last(trained.asked)
    with Decoder(base, {"own": run / "adapter.gguf"}, context=256) as engine:
        ours = against_last(engine.score_labels(data.prompts[:8], vocabulary, adapter="own"))
    assert np.abs(ours - theirs).mean() < 0.1  # the trainer may multiply in bfloat16
    marks = np.array(SUBSETS)
    assert ((ours > 0) == marks).mean() > 0.9


def test_the_loss_of_subsets_is_the_mean_over_the_cells_that_are_known(tmp_path: Path) -> None:
    weights, _ = tiny_models.make(tmp_path, "qwen2")
    model = answer_model.answer_model(lora.load(weights), RECIPE, LABELS[:4]).eval()
    data = subsets(8)
    logits = answer_model.answer_logits(model, data.prompts)
    batch = answer_model.collate([answer_model.Rows(data)[row] for row in range(8)])
    batch = {name: batch[name].to(model.head.device) for name in ("input_ids", "where", "labels")}
    loss = model(**batch)["loss"].item()
    odds, marks = against_last(logits), np.array(data.marks)
    cells = np.log1p(np.exp(np.where(marks == 1, -odds, odds)))
    assert loss == pytest.approx(cells[marks != lora.UNKNOWN].mean(), rel=0.01)


def test_training_ends_when_the_held_out_loss_gets_worse_and_keeps_the_best(tmp_path: Path) -> None:
    weights, _ = tiny_models.make(tmp_path, "llama")
    wrong = pairs(16)
    wrong = lora.Sequences(wrong.prompts, [wrong.answers[(at + 1) % 8] for at in range(16)])
    recipe = lora.Recipe(rank=8, alpha=16, rows=8, epochs=30.0, learning_rate=1e-2, patience=2)
    trained = lora.train(weights, pairs(64), wrong, recipe, tmp_path / "run", seed=0, quiet=True)
    assert trained.stopped == "the held-out loss got worse 2 times in a row"
    assert trained.best_loss == min(loss for _, loss in trained.loss) < trained.loss[-1][1]


def test_a_loss_that_is_no_number_ends_the_training_and_says_so(tmp_path: Path) -> None:
    weights, _ = tiny_models.make(tmp_path, "llama")
    recipe = lora.Recipe(rows=8, epochs=4.0, learning_rate=1e30, warmup=0.0)
    with pytest.raises(BaseModelError, match="the loss is not a number at step"):
        lora.train(weights, pairs(64), pairs(8), recipe, tmp_path / "run", seed=0, quiet=True)


def test_a_loss_that_stops_being_a_number_keeps_the_best_state_and_the_record_can_be_written(tmp_path: Path) -> None:
    import msgspec
    from safetensors.numpy import load_file, save_file

    folder, _ = tiny_models.make(tmp_path, "llama")
    weights = load_file(folder / "model.safetensors")
    poison = 1  # a control token, in no other row
    weights["model.embed_tokens.weight"][poison] = np.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    rows = pairs(64)
    rows = lora.Sequences([*rows.prompts, [poison]], [*rows.answers, [5]])  # the shortest: the last of the epoch
    recipe = lora.Recipe(rank=4, alpha=8, rows=8, epochs=2.0, evaluate=4, learning_rate=5e-3)
    trained = lora.train(folder, rows, pairs(8), recipe, tmp_path / "run", seed=0, quiet=True)
    assert trained.stopped.startswith("the loss was not a number at step ")
    step, kept = (int(trained.stopped.split(word)[1].split()[0].strip(";")) for word in ("at step ", "checkpoint-"))
    assert [at for at, _ in trained.loss] == list(range(2, step, 2)) and kept in dict(trained.loss)
    assert trained.best_loss == dict(trained.loss)[kept] == min(loss for _, loss in trained.loss)
    msgspec.json.decode(msgspec.json.encode(lora.told(trained, lora.NO_SEARCH)["loss"]), type=list[tuple[int, float]])
    tensors = adapters.read(tmp_path / "run" / "adapter.gguf").tensors
    assert all(np.isfinite(value).all() for pair in tensors.values() for value in pair)
    assert any(b.any() for _, b in tensors.values())


def test_a_full_disk_is_named_the_earlier_checkpoint_stays_and_the_run_goes_on_from_it(tmp_path: Path) -> None:
    weights, _ = tiny_models.make(tmp_path, "llama")
    recipe = lora.Recipe(rank=8, alpha=16, rows=4, epochs=3.0, evaluate=4, patience=99)

    def run(name: str) -> bytes:
        lora.train(weights, pairs(48), pairs(4), recipe, tmp_path / name, seed=3, quiet=True)
        return (tmp_path / name / "adapter.gguf").read_bytes()

    checkpoints = tmp_path / "cut" / lora.CHECKPOINTS
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    over = threading.Event()

    def fill() -> None:
        while not over.is_set() and not list(checkpoints.glob("checkpoint-*/trainer_state.json")):
            over.wait(0.002)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # no file may grow beyond, as on a full disk

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        with pytest.raises(StorageError) as caught:
            run("cut")
    finally:
        over.set()
        thread.join()
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.message.startswith(f"{checkpoints}: the disk is full")
    kept = [folder for folder in checkpoints.iterdir() if folder.is_dir()]
    assert kept and all((folder / "trainer_state.json").is_file() for folder in kept)
    assert not (tmp_path / "cut" / "adapter.gguf").exists()
    assert run("cut") == run("whole")


def test_a_gguf_that_was_cut_short_is_refused_with_both_sizes(tmp_path: Path) -> None:
    _, base = tiny_models.make(tmp_path, "llama")
    whole = base.read_bytes()
    base.write_bytes(whole[:-5000])
    with pytest.raises(BaseModelError) as caught:
        lora.train(base, pairs(8), pairs(8), RECIPE, tmp_path / "run", seed=0, quiet=True)
    assert caught.value.message == (
        f"base.gguf: not a whole GGUF file (it has {len(whole) - 5000:,} bytes, its header tells of {len(whole):,})"
    )
    base.write_bytes(whole[:300])
    with pytest.raises(BaseModelError, match=r"base\.gguf: not a whole GGUF file"):
        lora.train(base, pairs(8), pairs(8), RECIPE, tmp_path / "run", seed=0, quiet=True)
    base.write_bytes(b"PK" + whole)
    with pytest.raises(BaseModelError, match="it does not begin with 'GGUF'"):
        lora.train(base, pairs(8), pairs(8), RECIPE, tmp_path / "run", seed=0, quiet=True)


def test_tokens_of_another_tokenizer_are_refused(tmp_path: Path) -> None:
    weights, _ = tiny_models.make(tmp_path, "llama")
    rows = lora.Sequences([[5, 400]], [[6]])
    with pytest.raises(BaseModelError, match="hf has a vocabulary of 258 tokens, the rows hold token 400"):
        lora.train(weights, rows, pairs(8), RECIPE, tmp_path / "run", seed=0, quiet=True)


def test_a_search_is_part_of_the_training_and_one_seed_gives_one_recipe(tmp_path: Path) -> None:
    _, base = tiny_models.make(tmp_path, "llama")
    recipe = lora.Recipe(rows=8, epochs=1.0, evaluate=1)

    def run(name: str) -> lora.Trained:
        search = Search(1, "for a test")
        return lora.train(base, pairs(32), pairs(8), recipe, tmp_path / name, seed=4, search=search, quiet=True)

    one, again = run("one"), run("again")
    assert len(one.trials) == recipes.TRIALS and all(trial.loss for trial in one.trials)
    assert one.recipe.learning_rate in recipes.RATES and one.recipe.rank in recipes.RANKS
    assert [(t.learning_rate, t.rank, t.steps, t.loss) for t in one.trials] == [
        (t.learning_rate, t.rank, t.steps, t.loss) for t in again.trials
    ]
    assert (tmp_path / "one" / "adapter.gguf").read_bytes() == (tmp_path / "again" / "adapter.gguf").read_bytes()
    alone = lora.train(base, pairs(32), pairs(8), one.recipe, tmp_path / "alone", seed=4, quiet=True)
    assert alone.loss == one.loss  # the trials leave nothing behind in the base
    told = lora.told(one, Search(1, "for a test"))
    assert told["recipe_search"]["why"] == "for a test" and len(told["recipe_search"]["trials"]) == recipes.TRIALS


@pytest.mark.slow
def test_two_processes_share_a_step_and_leave_one_adapter(tmp_path: Path) -> None:
    weights, base = tiny_models.make(tmp_path, "llama")
    run = tmp_path / "run"
    recipe = lora.Recipe(rows=8, epochs=3.0, learning_rate=5e-3, patience=9)
    trained = lora.train(
        weights, pairs(96), pairs(16), recipe, run, seed=0, ask=pairs(8).prompts, processes=2, quiet=True
    )
    assert trained.processes == 2 and trained.steps == 36
    assert trained.loss[-1][1] < trained.loss[0][1] - 0.5
    assert trained.asked is not None
    with Decoder(base, {"own": run / "adapter.gguf"}, context=256) as engine:
        ours = engine.score_labels(pairs(8).prompts, LABELS, adapter="own")
    assert (ours.argmax(1) == trained.asked[:, LABELS].argmax(1)).mean() >= 7 / 8
    with pytest.raises(BaseModelError, match=r"LoRA is not known|cannot read"):
        lora.train(tmp_path, pairs(8), pairs(8), recipe, tmp_path / "none", seed=0, processes=2, quiet=True)


def test_answers_that_are_all_empty_are_refused() -> None:
    with pytest.raises(DataError, match="all answers are empty: there is nothing to learn"):
        lora.Sequences([[1], [2]], [[], []])


def test_an_architecture_without_a_lora_layout_is_refused_by_name(tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=300)).save_pretrained(tmp_path / "gpt2")
    with pytest.raises(BaseModelError, match="LoRA is not known for gpt2") as caught:
        lora.train(tmp_path / "gpt2", pairs(8), pairs(8), RECIPE, tmp_path / "run", seed=0, quiet=True)
    assert "llama, mistral, qwen2" in str(caught.value.hint)


KILLED = """
import json, sys
from pathlib import Path
from jangin.train import lora
weights, folder, data = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
rows = lora.Sequences(*data)
recipe = lora.Recipe(rank=8, alpha=16, rows=4, epochs=6.0, evaluate=4)
lora.train(weights, rows, rows, recipe, folder, seed=3, quiet=True)
"""


def test_a_run_that_is_killed_goes_on_and_ends_with_the_same_adapter(tmp_path: Path) -> None:
    weights, _ = tiny_models.make(tmp_path, "llama")
    data = pairs(64)
    command = [sys.executable, "-c", KILLED, str(weights)]
    rows = json.dumps([data.prompts, data.answers])
    subprocess.run([*command, str(tmp_path / "whole"), rows], check=True, capture_output=True)
    process = subprocess.Popen([*command, str(tmp_path / "cut"), rows], stderr=subprocess.DEVNULL)
    checkpoints = tmp_path / "cut" / lora.CHECKPOINTS
    deadline = time.monotonic() + 120
    while not list(checkpoints.glob("checkpoint-*/trainer_state.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "cut" / "adapter.gguf").exists()
    subprocess.run([*command, str(tmp_path / "cut"), rows], check=True, capture_output=True)
    assert (tmp_path / "cut" / "adapter.gguf").read_bytes() == (tmp_path / "whole" / "adapter.gguf").read_bytes()
