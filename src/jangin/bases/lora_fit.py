"""What LoRA on a decoder takes of memory, and how it is arranged so that it fits.

In order: all rows of a step at once, then gradient checkpointing (a third more arithmetic: each layer's forward pass
is done once more on the way back), then fewer rows at a time, summed up to the same step. The loss is the same in all.
Where the weights themselves do not fit, 4-bit, which needs a GPU.

Bytes. h hidden, I intermediate, q and k the widths of queries and of keys, v bytes of a value that is kept (2 in half
precision, 4 in float32).

    weights         v each; in 4-bit 4.127 bits each in the layers (Dettmers et al. 2023, QLoRA, section 3: 4 for the
                    value and 0.127 for its scales, quantised once more), 2 bytes each in the vocabulary's tables
    LoRA            16 each: value, gradient and Adam's two moments in float32; rank x (in + out) for every linear layer
    activations     v (4 I + 4 k + 9 h) a token and layer, with Gemma's two more norms v (4 I + 4 k + 14 h): what
                    autograd keeps for the way back, counted in Llama, Qwen2, Mistral and Gemma 3 with its own hooks
                    (tests/test_lora_memory.py counts again); attention keeps no scores, its kernel being fused
                    with checkpointing v h a token and layer, and one layer's whole
    logits          16 x vocabulary for each of at most 512 answer tokens at once
"""

from __future__ import annotations

from typing import Literal

import msgspec

Precision = Literal["bfloat16", "float32", "4-bit"]

STEP_ROWS = 16
LOGIT_ROWS = 512  # positions whose logits over a whole vocabulary are held at once
FOUR_BITS_BYTES = 4.127 / 8
VALUE_BYTES = {"bfloat16": 2, "float32": 4, "4-bit": 2}
LORA_BYTES = 16
HEADROOM = 0.9  # of the memory that is free
FIXED_MB = 1250  # Python, its libraries, torch and what its allocator adds


class Shape(msgspec.Struct, frozen=True):
    """norms: in a layer. params: all weights of the base, its tables of the vocabulary included."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    norms: int = 2
    params: int = 0

    def with_params(self, params: int) -> Shape:
        return msgspec.structs.replace(self, params=params)

    @property
    def _linear(self) -> list[tuple[int, int]]:
        """(in, out) of one layer's matrices."""
        query, key = self.heads * self.head_dim, self.kv_heads * self.head_dim
        h, inner = self.hidden, self.intermediate
        return [(h, query), (h, key), (h, key), (query, h), (h, inner), (h, inner), (inner, h)]

    @property
    def linear_params(self) -> int:
        return self.layers * sum(into * out for into, out in self._linear)

    def adapter_params(self, rank: int) -> int:
        """Weights of a LoRA on all linear layers."""
        return self.layers * rank * sum(into + out for into, out in self._linear)

    def layer_values(self) -> int:
        """Values a token that one layer keeps for the backward pass."""
        return 4 * self.intermediate + 4 * self.kv_heads * self.head_dim + (9 if self.norms < 4 else 14) * self.hidden


class Arrangement(msgspec.Struct, frozen=True):
    """How a step is computed. rows: at a time, of the step's `STEP_ROWS`."""

    precision: Precision
    checkpointing: bool = False
    rows: int = STEP_ROWS

    def __str__(self) -> str:
        more = ["gradient checkpointing"] if self.checkpointing else []
        more += [f"{self.rows} of {STEP_ROWS} rows at a time"] if self.rows < STEP_ROWS else []
        return ", ".join([self.precision, *more])


class Need(msgspec.Struct, frozen=True):
    """An arrangement and the memory that it takes, in MB."""

    arrangement: Arrangement
    memory_mb: int


def arrangements(precision: Precision, rows: int = STEP_ROWS) -> list[Arrangement]:
    """From the quickest to the leanest."""
    found, fewer = [Arrangement(precision, False, rows)], rows
    while fewer >= 1:
        found.append(Arrangement(precision, True, fewer))
        fewer //= 2
    return found


def weights_bytes(shape: Shape, precision: Precision) -> float:
    if precision != "4-bit":
        return VALUE_BYTES[precision] * shape.params
    return FOUR_BITS_BYTES * shape.linear_params + 2 * (shape.params - shape.linear_params)


def memory_mb(shape: Shape, how: Arrangement, tokens: float, rank: int) -> int:
    """Args: tokens: of the longest rows; rows of like length stand in one step."""
    value = VALUE_BYTES[how.precision]
    layer = value * shape.layer_values()
    kept = value * shape.hidden * shape.layers + layer if how.checkpointing else layer * shape.layers
    logits = 16 * shape.vocabulary * min(LOGIT_ROWS, how.rows * tokens)
    total = weights_bytes(shape, how.precision) + LORA_BYTES * shape.adapter_params(rank)
    return round(FIXED_MB + (total + how.rows * tokens * kept + logits) / 1e6)


def arrange(
    shape: Shape, tokens: float, available_mb: int | None, precisions: list[Precision], rank: int
) -> tuple[Need, bool]:
    """(the first arrangement that fits, True), or (the leanest, False). available_mb None: not known, so the first."""
    needs = [Need(how, memory_mb(shape, how, tokens, rank)) for each in precisions for how in arrangements(each)]
    if available_mb is None:
        return needs[0], True
    fitting = next((need for need in needs if need.memory_mb <= HEADROOM * available_mb), None)
    return (fitting, True) if fitting is not None else (min(needs, key=lambda need: need.memory_mb), False)


def longest_that_fits(shape: Shape, available_mb: int, precisions: list[Precision], rank: int) -> int:
    """Tokens of the longest rows that the leanest arrangement holds; 0: not even the weights fit."""
    low, high = 0, 1 << 20
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if arrange(shape, middle, available_mb, precisions, rank)[1] else (low, middle - 1)
    return low
