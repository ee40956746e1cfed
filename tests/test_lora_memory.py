"""How a training step is arranged so that it fits, on tiny random decoders: what is kept, that the loss stays the same,
and what is said when nothing fits. The gradients of every arrangement are those of all rows at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tiny_gguf
from jangin.bases.lora_fit import Arrangement, Shape
from jangin.errors import BaseModelError

for module in ("torch", "transformers", "peft", "gguf", "xllamacpp"):
    pytest.importorskip(module, reason="the extras 'train' and 'decoder' are not installed")

import tiny_models  # noqa: E402 - only where the extras are
from jangin.train import adapters, answer_model, lora, weights  # noqa: E402 - only where the extras are

WORDS = ["card lost", "card found again", "refund", "a refund that was done already", "open", "closed today"]
RECIPE = lora.Recipe(rank=4, alpha=8, rows=8, epochs=2.0, learning_rate=5e-3, patience=9)


def pairs(rows: int) -> lora.Sequences:
    """Rows and answers of unlike length, so that a mean of means is another loss than the mean."""
    words = [WORDS[row % len(WORDS)] for row in range(rows)]
    prompts = [tiny_gguf.ids(f"{word} {at}: ") for at, word in enumerate(words)]
    return lora.Sequences(prompts, [[*tiny_gguf.ids(word[: 1 + at % 9]), 0] for at, word in enumerate(words)])


def test_a_gguf_and_a_folder_give_the_same_weights_and_logits_in_every_architecture(tmp_path: Path) -> None:
    import torch

    ids = torch.tensor([tiny_gguf.ids("the same text")])
    for architecture in tiny_models.OWN:
        folder, base = tiny_models.make(tmp_path / architecture, architecture)
        ours, theirs = (weights.load(each, "float32") for each in (base, folder))
        mine, other = ours.state_dict(), theirs.state_dict()
        assert mine.keys() == other.keys()
        # Gemma's norms are stored as what is added to one, which costs the last bit.
        assert all(torch.allclose(mine[name], other[name], rtol=0, atol=1e-6) for name in mine), architecture
        with torch.no_grad():
            assert torch.allclose(ours(ids).logits, theirs(ids).logits, atol=1e-4), architecture
        assert weights.shape_of(ours.config) == weights.shape_of(theirs.config)


def test_every_arrangement_of_a_step_learns_the_same(tmp_path: Path) -> None:
    folder, _ = tiny_models.make(tmp_path, "llama")

    def learnt(name: str, *how: object) -> tuple[list[float], dict]:  # type: ignore[type-arg]
        trained = lora.train(
            folder, pairs(36), pairs(12), RECIPE, tmp_path / name, seed=1, how=Arrangement("float32", *how), quiet=True
        )
        return [loss for _, loss in trained.loss], adapters.read(tmp_path / name / "adapter.gguf").tensors

    losses, tensors = learnt("whole")
    assert losses[-1] < losses[0] - 0.1
    for name, how in {"again": (True, 16), "parts": (True, 2)}.items():
        other, theirs = learnt(name, *how)
        assert other == pytest.approx(losses, rel=1e-5), name
        for key, (a, b) in tensors.items():
            np.testing.assert_allclose(theirs[key][0], a, atol=2e-3, err_msg=f"{name} {key}")
            np.testing.assert_allclose(theirs[key][1], b, atol=2e-3, err_msg=f"{name} {key}")


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gemma3_text"])
@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_what_is_kept_for_the_way_back_is_what_the_estimate_says(
    architecture: str, half: bool, checkpointing: bool
) -> None:
    more, fewer = (_kept_bytes(architecture, half, checkpointing, layers) for layers in (3, 1))
    shape = Shape(hidden=128, layers=1, heads=4, kv_heads=2, head_dim=32, intermediate=384, vocabulary=512)
    shape = Shape(**{**_fields(shape), "norms": 4 if architecture == "gemma3_text" else 2})
    value = 2 if half else 4
    expected = value * (shape.hidden if checkpointing else shape.layer_values())
    assert expected * 0.8 <= (more - fewer) / (2 * 4 * 96) <= expected * 1.1


def _fields(shape: Shape) -> dict[str, int]:
    import msgspec

    return msgspec.structs.asdict(shape)


def _kept_bytes(architecture: str, half: bool, checkpointing: bool, layers: int) -> int:
    """What autograd keeps of one step of 4 rows of 96 tokens, weights left out."""
    import torch
    from peft.helpers import disable_input_dtype_casting
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {"vocab_size": 512, "hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": layers}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32}
    config = AutoConfig.for_model(architecture, **tiny_models.COMMON | tiny_models.OWN[architecture] | sizes | heads)
    whole = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16 if half else torch.float32)
    model = answer_model.answer_model(whole, lora.Recipe(rank=2, alpha=4), None, checkpointing).train()
    own = {value.untyped_storage().data_ptr() for value in [*model.parameters(), model.head]}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    batch = answer_model.collate([{"input_ids": list(range(96)), "answer": [5, 6]}] * 4)
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16, enabled=half), disable_input_dtype_casting(model.body):
        loss = model(**batch)["loss"]
    assert loss.isfinite()
    return sum(kept.values())


SHORT_OF_MEMORY = """
import resource, sys
from pathlib import Path
from jangin.bases.lora_fit import Arrangement
from jangin.errors import BaseModelError
from jangin.train import lora
weights, folder = Path(sys.argv[1]), Path(sys.argv[2])
recipe = lora.Recipe(rank=4, alpha=8, epochs=1.0, evaluate=1)
row = [2 + at % 250 for at in range(2000)]
short, long = (lora.Sequences([row[:size]] * 16, [[5, 6]] * 16) for size in (10, 1500))
how = Arrangement("float32")
lora.train(weights, short, short, recipe, folder / "warm", seed=0, how=how, quiet=True)  # what it opens, is open now

def limit(more_mb):
    used = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize")) * 1024
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (used + (more_mb << 20), hard))

limit(40)
row *= 10
longer = lora.Sequences([row] * 16, [[5, 6]] * 16)
try:
    lora.train(weights, longer, short, recipe, folder / "none", seed=0, how=how, quiet=True)
except BaseModelError as error:
    print(error.message)
limit(150)
trained = lora.train(weights, long, short, recipe, folder / "lean", seed=0, how=how, quiet=True)
print(trained.arrangement, trained.steps, sep="; ")
"""


@pytest.mark.slow
def test_where_memory_runs_out_training_goes_on_leaner_and_at_the_end_says_what_would_fit(tmp_path: Path) -> None:
    folder, _ = tiny_models.make(tmp_path, "llama")
    done = subprocess.run(
        [sys.executable, "-c", SHORT_OF_MEMORY, str(folder), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said, leaner = done.stdout.strip().splitlines()
    assert leaner.startswith("float32, gradient checkpointing") and leaner.endswith("; 1")
    assert said.startswith("memory ran out at float32, gradient checkpointing, 1 of 16 rows at a time, rows of 20002 ")
    assert "tokens would fit" in said


def test_a_base_that_is_too_large_is_named_before_it_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = tiny_models.make(tmp_path, "llama")
    monkeypatch.setattr(lora, "free_memory_mb", lambda: 1300)
    with pytest.raises(BaseModelError) as caught:
        lora.train(folder, pairs(8), pairs(8), RECIPE, tmp_path / "run", seed=0, quiet=True)
    assert caught.value.message == (
        f"rows of {pairs(8).longest} tokens take about 1251 MB to train on, 1300 MB are free, a tenth of it kept back; "
        "not even its weights fit"
    )
    assert "4-bit needs CUDA and bitsandbytes; missing here: " in str(caught.value.hint)


def test_4_bit_is_refused_where_it_cannot_run(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available() and weights.four_bit_refusal() is None:
        pytest.skip("4-bit runs here")
    folder, _ = tiny_models.make(tmp_path, "llama")
    with pytest.raises(BaseModelError, match="4-bit needs CUDA and bitsandbytes; missing here: ") as caught:
        lora.train(folder, pairs(8), pairs(8), RECIPE, tmp_path / "run", seed=0, how=Arrangement("4-bit"), quiet=True)
    assert caught.value.hint == "pip install 'jangin[cuda]' where there is a GPU, or take a smaller base"
