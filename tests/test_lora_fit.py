"""What LoRA takes of memory: the arithmetic against the architectures' own numbers, and how a step is arranged."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jangin.bases import catalogue, lora_fit
from jangin.bases.fit import fit, lora_needs, shape_of
from jangin.bases.lora_fit import Arrangement, arrange, arrangements, memory_mb, weights_bytes
from jangin.bases.machine import Machine

MISTRAL, LLAMA = (shape_of(catalogue.get(name)) for name in ("mistral-7b-v0.3", "llama-3.1-8b"))
GPU = Machine(cores=8, memory_mb=64_000, gflops=500.0, gpu_memory_mb=80_000)
DOCS = Path(__file__).parents[1] / "docs" / "bases.md"


@pytest.mark.parametrize(("name", "tables"), [("mistral-7b-v0.3", 2), ("llama-3.1-8b", 2), ("smollm2-135m", 1)])
def test_the_matrices_the_tables_and_the_norms_add_up_to_the_published_number_of_weights(
    name: str, tables: int
) -> None:
    shape = shape_of(catalogue.get(name))
    norms = (2 * shape.layers + 1) * shape.hidden
    assert shape.linear_params + tables * shape.vocabulary * shape.hidden + norms == catalogue.get(name).params


def test_a_lora_of_rank_16_has_as_many_weights_as_peft_prints_for_both() -> None:
    assert MISTRAL.adapter_params(16) == LLAMA.adapter_params(16) == 41_943_040
    assert shape_of(catalogue.get("smollm2-135m")).adapter_params(16) == 4_884_480
    assert MISTRAL.adapter_params(8) == MISTRAL.adapter_params(16) / 2


def test_weights_in_each_precision() -> None:
    assert weights_bytes(MISTRAL, "bfloat16") == 2 * 7_248_023_552
    assert weights_bytes(LLAMA, "float32") == 4 * 8_030_261_248
    # 6,979,321,856 weights in the layers at 4.127 bits, two tables of 32,768 x 4,096 and the norms in half precision.
    assert MISTRAL.linear_params == 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336) == 6_979_321_856
    assert weights_bytes(MISTRAL, "4-bit") == pytest.approx(3.600e9 + 2 * 268_701_696, rel=1e-3)
    assert weights_bytes(LLAMA, "4-bit") == pytest.approx(3.600e9 + 2 * 1_050_939_392, rel=1e-3)


def test_activations_are_what_stays_of_a_layer_or_with_checkpointing_its_input() -> None:
    plain, lean = Arrangement("bfloat16"), Arrangement("bfloat16", True)
    a_token_and_layer = 2 * (4 * 14336 + 4 * 1024 + 9 * 4096)

    def slope(how: Arrangement) -> float:
        return (memory_mb(MISTRAL, how, 1500, 16) - memory_mb(MISTRAL, how, 500, 16)) * 1e6 / (16 * 1000)

    assert slope(plain) == pytest.approx(32 * a_token_and_layer, rel=1e-3)
    assert slope(lean) == pytest.approx(2 * 4096 * 32 + a_token_and_layer, rel=1e-2)


def test_checkpointing_comes_before_fewer_rows_and_4_bit_last() -> None:
    order = arrangements("bfloat16")
    assert [(each.checkpointing, each.rows) for each in order] == [
        (False, 16), (True, 16), (True, 8), (True, 4), (True, 2), (True, 1)
    ]  # fmt: skip
    needs = [memory_mb(MISTRAL, how, 1000, 16) for how in order]
    assert needs == sorted(needs, reverse=True)

    def on(gpu_mb: int, precisions: list[lora_fit.Precision]) -> str:
        (need, fits) = arrange(MISTRAL, 1000, gpu_mb, precisions, 16)
        return f"{need.arrangement}" if fits else f"no: {need.memory_mb}"

    assert on(200_000, ["bfloat16", "4-bit"]) == "bfloat16"
    assert on(48_000, ["bfloat16", "4-bit"]) == "bfloat16, gradient checkpointing"
    assert on(20_000, ["bfloat16", "4-bit"]) == "bfloat16, gradient checkpointing, 2 of 16 rows at a time"
    assert on(12_000, ["bfloat16", "4-bit"]) == "4-bit, gradient checkpointing, 8 of 16 rows at a time"
    assert on(12_000, ["bfloat16"]) == f"no: {needs[-1]}"
    assert on(4_000, ["bfloat16", "4-bit"]).startswith("no: ")


def test_the_longest_rows_that_fit_do_and_one_token_more_does_not() -> None:
    longest = lora_fit.longest_that_fits(MISTRAL, 20_000, ["bfloat16"], 16)
    assert arrange(MISTRAL, longest, 20_000, ["bfloat16"], 16)[1]
    assert not arrange(MISTRAL, longest + 1, 20_000, ["bfloat16"], 16)[1]
    assert lora_fit.longest_that_fits(MISTRAL, 10_000, ["bfloat16"], 16) == 0


def test_fit_says_how_a_large_base_would_be_trained_and_counts_the_second_forward_pass() -> None:
    base = catalogue.get("mistral-7b-v0.3")
    large = fit(base, 1000, 300, GPU, longest=300)
    small = fit(base, 1000, 300, Machine(8, 64_000, 500.0, 24_000), longest=300)
    tiny = fit(base, 1000, 300, Machine(8, 64_000, 500.0, 12_000), longest=300, four_bit=True)
    assert large.why.endswith("of GPU memory, 80000 MB are available")
    assert small.why.endswith("24000 MB are available; trained in bfloat16, gradient checkpointing")
    assert tiny.why.endswith("12000 MB are available; trained in 4-bit, gradient checkpointing")
    assert small.minutes == pytest.approx(large.minutes * 3 / 2, rel=0.01)
    assert tiny.minutes == pytest.approx(small.minutes * 1.4, rel=0.01)
    assert not fit(base, 1000, 300, Machine(8, 64_000, 500.0, 12_000), longest=300, four_bit=False).fits


def test_a_processor_without_bfloat16_takes_twice_the_weights() -> None:
    base = catalogue.get("qwen2.5-coder-1.5b")
    half, full = (fit(base, 100, 50, Machine(2, 64_000, 100.0, half=each)) for each in (True, False))
    assert (half.arrangement, full.arrangement) == (Arrangement("bfloat16"), Arrangement("float32"))
    assert full.memory_mb_train - half.memory_mb_train > 2 * base.params / 1e6
    assert not fit(base, 100, 50, Machine(2, 7_000, 100.0), longest=50).fits


def test_the_page_of_bases_prints_what_is_computed() -> None:
    text = DOCS.read_text("utf-8")
    found = re.findall(r"^\| `(mistral-7b-v0.3|llama-3.1-8b)` \| (bfloat16|4-bit) \| (.*?) \|$", text, re.M)
    assert len(found) == 4
    for name, precision, rest in found:
        need = next(each for each in lora_needs(catalogue.get(name), 1000, 500, GPU) if each.precision == precision)
        expected = (
            f"{need.quickest.memory_mb / 1000:.1f} GB | {need.quickest_minutes:.0f} | "
            f"{need.leanest.memory_mb / 1000:.1f} GB | {need.leanest_minutes:.0f}"
        )
        assert rest == expected, (name, precision)
