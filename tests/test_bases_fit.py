"""Will it fit and how long: against what was measured, and against what memory forbids."""

from __future__ import annotations

import pytest

from jangin.bases import catalogue
from jangin.bases.fit import fit
from jangin.bases.machine import Machine, this_machine

SERVER = Machine(cores=2, memory_mb=22_000, gflops=158.0)


def test_embedding_banking77_is_estimated_near_the_measured_34_seconds_and_above():
    found = fit(catalogue.get("minilm-l6"), 13_083, 16, SERVER)
    assert 34 / 60 <= found.minutes <= 2 * 34 / 60


def test_lora_on_the_small_decoder_is_estimated_near_the_measured_18_minutes():
    # 1.2 epochs of 10,003 rows took 18 minutes; the estimate is for 2 epochs.
    found = fit(catalogue.get("smollm2-135m"), 10_003, 23, SERVER)
    assert 18 / 1.2 * 2 <= found.minutes <= 2 * 18 / 1.2 * 2


def test_a_model_that_is_too_large_is_refused_with_both_figures():
    found = fit(catalogue.get("mistral-7b-v0.3"), 1000, 100, Machine(cores=8, memory_mb=8_000, gflops=500.0))
    assert not found.fits
    assert found.why == (
        f"training mistral-7b-v0.3 takes about {found.memory_mb_train} MB of memory, 8000 MB are available"
    )
    assert found.memory_mb_train > 2 * 7_248  # the weights alone, in bf16
    assert found.download_mb is None


def test_the_same_model_fits_a_large_gpu_and_trains_faster_there():
    base = catalogue.get("mistral-7b-v0.3")
    cpu = fit(base, 1000, 100, Machine(cores=8, memory_mb=64_000, gflops=500.0))
    gpu = fit(base, 1000, 100, Machine(cores=8, memory_mb=64_000, gflops=500.0, gpu_memory_mb=40_000))
    assert gpu.fits and "of GPU memory, 40000 MB are available" in gpu.why
    assert gpu.minutes < cpu.minutes / 10


def test_a_frozen_encoder_is_never_sent_to_the_gpu():
    machine = Machine(cores=2, memory_mb=22_000, gflops=158.0, gpu_memory_mb=100)
    assert fit(catalogue.get("minilm-l6"), 10_000, 16, machine) == fit(catalogue.get("minilm-l6"), 10_000, 16, SERVER)


def test_fine_tuning_costs_nine_passes_and_sixteen_bytes_a_weight():
    base = catalogue.get("multilingual-e5-small")
    head, tuned = fit(base, 100_000, 16, SERVER), fit(base, 100_000, 16, SERVER, method="finetune")
    linear_model_minutes = 0.4 * 100 / 60
    assert tuned.minutes == pytest.approx(9 * (head.minutes - linear_model_minutes), rel=0.02)
    assert tuned.memory_mb_train > 16 * base.params / 1e6


def test_more_rows_and_longer_texts_take_longer():
    base = catalogue.get("minilm-l6")
    few, many = fit(base, 10_000, 16, SERVER), fit(base, 100_000, 16, SERVER)
    assert many.minutes == pytest.approx(10 * few.minutes, rel=0.1)
    assert fit(base, 10_000, 200, SERVER).minutes > 10 * few.minutes


def test_texts_beyond_the_context_are_cut_and_that_is_said():
    base = catalogue.get("minilm-l6")
    found = fit(base, 1000, 2000, SERVER)
    assert found.why.endswith("; half of the texts are longer than its 512 tokens and will be cut")
    assert found.minutes == fit(base, 1000, 512, SERVER).minutes


def test_a_system_that_hides_its_memory_gets_the_figure_and_no_refusal():
    found = fit(catalogue.get("minilm-l6"), 1000, 16, Machine(cores=2, memory_mb=None, gflops=100.0))
    assert found.fits
    assert found.why == (
        f"training minilm-l6 takes about {found.memory_mb_train} MB; this system does not say how much memory is free"
    )


def test_the_download_is_the_sum_of_the_files():
    assert fit(catalogue.get("minilm-l6"), 1000, 16, SERVER).download_mb == 91


def test_this_machine_has_cores_memory_and_speed():
    machine = this_machine()
    assert machine.cores >= 1
    assert machine.gflops > 0.1
    assert machine.memory_mb is None or machine.memory_mb > 100
