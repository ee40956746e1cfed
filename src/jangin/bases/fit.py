"""Will a base fit on this machine, and how long will it take: answered before anything is downloaded or trained.

Estimates, meant to be right within a factor of two, and on the cautious side. P is the number of weights that take
part in matrix products (an embedding table is looked up, not multiplied: for an encoder P leaves it out; a decoder
multiplies with it once more to get its logits, so there it counts), T the tokens of a text, h the hidden size, L the
layers. One multiply-add is 2 operations.

Time. A forward pass costs 2 P operations a token, plus 4 L h T for attention; the backward pass costs twice that, or
once if the weights are frozen and only gradients of activations flow (LoRA).

    head      rows x forward                         + fitting the linear model
    finetune  3 epochs x rows x 3 forward
    lora      2 epochs x rows x 2 forward            3 with gradient checkpointing; in 4-bit FOUR_BIT_SLOWER times that

A machine reaches EFFICIENCY of its matrix-product speed. With 158 GFLOP/s measured, the formulas give 49 s for MiniLM
over Banking77's 13,083 texts of 16 tokens (measured: 34 s), 176 tok/s for LoRA on the 135M decoder (measured in bf16:
260). The speed is measured when it is asked for, so a busy machine is expected to be slow, as it will be.

Memory. Weights take 4 bytes each in fp32, 2 in bf16, or the file's size where the file is read as it is. Training all
weights takes 16 bytes each: weight, gradient and Adam's two moments, all fp32 (Rajbhandari et al. 2020, ZeRO, section
3.1, with fp32 gradients and no half copy). Activations kept for the backward pass take L T h (34 + 5 heads T / h) bytes
a text in half precision and twice that in fp32 (Korthikanti et al. 2022, Reducing Activation Recomputation, section 4).
Inference keeps the activations of one layer. What LoRA takes, in which precision, is lora_fit.py's matter.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

import msgspec

from jangin.bases import lora_fit
from jangin.bases.lora_fit import Arrangement, Need, Precision, Shape
from jangin.bases.machine import Machine, this_machine
from jangin.types import BaseModel

Method = Literal["head", "finetune", "lora"]

EFFICIENCY = 0.6
GPU_GFLOPS = 20_000.0  # half precision, sustained: what a small data-centre card of 2018 (T4, A10) gives
EPOCHS = {"head": 1, "finetune": 3, "lora": 2}
PASSES = {"head": 1, "finetune": 3, "lora": 2}  # in units of a forward pass
BATCH = 16
HEAD_S_PER_1000_ROWS = 0.4  # the linear model: 4 s for Banking77's 10,003 rows and 77 classes, search included
RANK = 16  # of the LoRA whose memory is estimated: the larger that training may choose
FOUR_BIT_SLOWER = 1.4  # unpacking before each product; assumed, not measured here
RUNTIME_MB = 350  # Python, the engine, the solver's libraries
SERVER_MB = 150  # one engine process without weights
TORCH_MB = 900  # what torch and its allocator add
QUANTISED_BYTES = 0.62  # a weight in Q4_K_M, scales included
SLOTS = 4  # requests decoded at the same time


class Fit(msgspec.Struct, frozen=True):
    """`memory_mb_serve` is for one server process of this base; `minutes` for one training run on `rows` texts.
    `why` is one sentence for the record, also when it fits. `download_mb` None: sizes not known before the pull.
    `arrangement` is how LoRA's steps would be computed, None for another method; the leanest where nothing fits."""

    fits: bool
    memory_mb_train: int
    memory_mb_serve: int
    minutes: float
    download_mb: int | None
    why: str
    arrangement: Arrangement | None = None


def fit(
    base: BaseModel,
    rows: int,
    tokens: float,
    machine: Machine | None = None,
    method: Method | None = None,
    longest: float | None = None,
    four_bit: bool | None = None,
) -> Fit:
    """Estimates for training `base` on `rows` texts and for serving it.

    Args:
        tokens: the median length of a text, or better the mean.
        machine: None looks at this one.
        method: None takes 'head' for an encoder and 'lora' for a decoder.
        longest: tokens of the longest text, which decides LoRA's memory; None takes `tokens`.
        four_bit: whether LoRA on a GPU may take 4-bit weights; None: if bitsandbytes is installed.
    """
    machine = machine or this_machine()
    method = method or ("head" if base.family == "encoder" else "lora")
    length = min(tokens, base.context)
    on_gpu = method != "head" and machine.gpu_memory_mb is not None
    serve_mb, how = round(_serve_mb(base, length)), None
    if method == "lora":
        precisions = _precisions(machine, on_gpu, four_bit)
        available = machine.gpu_memory_mb if on_gpu else machine.memory_mb
        need, _ = lora_fit.arrange(shape_of(base), min(longest or length, base.context), available, precisions, RANK)
        how, train_mb = need.arrangement, need.memory_mb
    else:
        train_mb = round(_train_mb(base, method, rows, length))
    fits, why = _verdict(base, machine, on_gpu, train_mb, serve_mb)
    if how is not None and fits and (how.checkpointing or how.precision == "4-bit"):
        why += f"; trained in {how}"
    if tokens > base.context:
        why += f"; half of the texts are longer than its {base.context} tokens and will be cut"
    minutes = round(_seconds(base, rows, length, machine, method, on_gpu, how) / 60, 1)
    sizes = [file.bytes for file in base.files]
    download_mb = None if None in sizes else round(sum(size or 0 for size in sizes) / 1e6)
    return Fit(fits, train_mb, serve_mb, minutes, download_mb, why, how)


class LoraNeed(msgspec.Struct, frozen=True):
    """What LoRA takes in one precision: memory of the quickest arrangement and of the leanest, minutes of either."""

    precision: Precision
    quickest: Need
    quickest_minutes: float
    leanest: Need
    leanest_minutes: float


def lora_needs(base: BaseModel, rows: int, tokens: float, machine: Machine) -> list[LoraNeed]:
    """For every precision, whatever is free on that machine; 4-bit only where it has a GPU."""
    on_gpu = machine.gpu_memory_mb is not None
    found = []
    for precision in _precisions(machine, on_gpu, True):
        order = lora_fit.arrangements(precision)
        needs, minutes = [], []
        for how in (order[0], order[-1]):
            needs.append(Need(how, lora_fit.memory_mb(shape_of(base), how, tokens, RANK)))
            minutes.append(round(_seconds(base, rows, tokens, machine, "lora", on_gpu, how) / 60, 1))
        found.append(LoraNeed(precision, needs[0], minutes[0], needs[1], minutes[1]))
    return found


def shape_of(base: BaseModel) -> Shape:
    """What the catalogue says of a decoder's matrices."""
    config = base.config
    return Shape(
        hidden=config.get("hidden_size", 0),
        layers=config.get("layers", 0),
        heads=config.get("heads", 0),
        kv_heads=config.get("kv_heads", 0),
        head_dim=config.get("head_dim", 0),
        intermediate=config.get("intermediate_size", 0),
        vocabulary=config.get("vocab_size", 0),
        norms=4 if str(config.get("model_type", "")).startswith("gemma") else 2,
        params=base.params,
    )


def _precisions(machine: Machine, on_gpu: bool, four_bit: bool | None) -> list[Precision]:
    full: Precision = "bfloat16" if on_gpu or machine.half else "float32"
    if four_bit is None:
        four_bit = find_spec("bitsandbytes") is not None
    return [full, "4-bit"] if on_gpu and four_bit else [full]


def _seconds(
    base: BaseModel, rows: int, length: float, machine: Machine, method: Method, on_gpu: bool, how: Arrangement | None
) -> float:
    speed = (GPU_GFLOPS if on_gpu else machine.gflops * EFFICIENCY) * 1e9
    passes = PASSES[method] + (1 if how is not None and how.checkpointing else 0)
    seconds = EPOCHS[method] * passes * rows * _forward_flops(base, length) / speed
    if method == "head":
        seconds += HEAD_S_PER_1000_ROWS * rows / 1000
    return seconds * (FOUR_BIT_SLOWER if how is not None and how.precision == "4-bit" else 1.0)


def _verdict(base: BaseModel, machine: Machine, on_gpu: bool, train_mb: int, serve_mb: int) -> tuple[bool, str]:
    available = machine.gpu_memory_mb if on_gpu else machine.memory_mb
    where = "GPU memory" if on_gpu else "memory"
    needed, what = (train_mb, "training") if train_mb >= serve_mb or on_gpu else (serve_mb, "serving")
    if available is None:
        return True, f"{what} {base.id} takes about {needed} MB; this system does not say how much memory is free"
    fits = needed <= lora_fit.HEADROOM * available
    return fits, f"{what} {base.id} takes about {needed} MB of {where}, {available} MB are available"


def _matrix_params(base: BaseModel) -> int:
    """Weights that a token is multiplied with."""
    if base.family == "decoder":
        return base.params
    return base.params - base.config.get("vocab_size", 0) * base.config.get("hidden_size", 0)


def _forward_flops(base: BaseModel, length: float) -> float:
    """Operations for one text of `length` tokens."""
    attention = 4 * base.config.get("layers", 0) * base.config.get("hidden_size", 0) * length
    return length * (2 * _matrix_params(base) + attention)


def _train_mb(base: BaseModel, method: Method, rows: int, length: float) -> float:
    if method == "head":
        features = rows * (base.dimensions or 0) * (4 + 8 + 8)  # float32, and the solver's float64 copy and work
        return RUNTIME_MB + (_weights_bytes(base) * 1.3 + _activation_bytes(base, length, 4, layers=1) + features) / 1e6
    return RUNTIME_MB + TORCH_MB + (16 * base.params + _activation_bytes(base, length, 4)) / 1e6


def _serve_mb(base: BaseModel, length: float) -> float:
    config = base.config
    if base.family == "encoder":
        return SERVER_MB + (_weights_bytes(base) * 1.3 + _activation_bytes(base, length, 4, layers=1)) / 1e6
    weights = _weights_bytes(base) if base.files[0].name.endswith(".gguf") else QUANTISED_BYTES * base.params
    cache_per_token = 2 * 2 * config.get("layers", 0) * config.get("kv_heads", 0) * config.get("head_dim", 0)
    window = min(base.context, max(1024.0, 2 * length))
    return SERVER_MB + (weights * 1.1 + SLOTS * window * cache_per_token) / 1e6


def _weights_bytes(base: BaseModel) -> float:
    """What the first file takes when it is loaded as it is; fp32 where its size is not known."""
    return base.files[0].bytes or 4 * base.params


def _activation_bytes(base: BaseModel, length: float, value_bytes: int, layers: int | None = None) -> float:
    """One batch's activations in `layers` layers; None: in all, as the backward pass needs them."""
    config = base.config
    hidden, heads = config.get("hidden_size", 0), config.get("heads", 0)
    per_layer = length * (34 * hidden + 5 * heads * length) * value_bytes / 2
    return BATCH * per_layer * (layers or config.get("layers", 1))
