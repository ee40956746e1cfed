"""One GGUF of base and adapter together: W + alpha / rank * B A where the adapter touches, all else byte for byte."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np

from jangin.errors import BundleError
from jangin.models.base import Floats
from jangin.train.adapters import GgufAdapter

TYPES = ("q8_0", "f16", "bf16")
_FILE_TYPES = {"q8_0": 7, "f16": 1, "bf16": 32}  # llama.cpp's numbers of "mostly this type"
_DESCRIPTION = "general.description"


def merge(base: Path, adapter: GgufAdapter, out: Path, quantise: str, mark: str) -> dict[str, int]:
    """Writes `out` and returns {"merged": n, "copied": n}: how many tensors.

    Metadata is copied; the file type becomes the new one and the description says `mark`, for a licence may ask that
    changed files say so. A row whose length the block type cannot divide is written in float16.

    Args: quantise: one of TYPES, of the touched tensors.
    Raises: BundleError for an adapter of another base; OSError.
    """
    import gguf

    reader = gguf.GGUFReader(base)
    architecture = str(reader.fields[gguf.Keys.General.ARCHITECTURE].contents())
    _check(reader, adapter, architecture)
    writer = gguf.GGUFWriter(out, architecture, endianess=reader.endianess)
    _metadata(reader, writer, quantise, mark)
    wanted = gguf.GGMLQuantizationType[quantise.upper()]
    kinds = {}
    for tensor in reader.tensors:
        if tensor.name not in adapter.tensors:
            shape = tensor.data.shape
            writer.add_tensor_info(tensor.name, shape, tensor.data.dtype, tensor.data.nbytes, tensor.tensor_type)
            continue
        width, height = (int(size) for size in tensor.shape)  # GGUF names the innermost first
        kind = wanted if width % gguf.GGML_QUANT_SIZES[wanted][0] == 0 else gguf.GGMLQuantizationType.F16
        kinds[tensor.name] = kind
        block, size = gguf.GGML_QUANT_SIZES[kind]
        # A shape of numbers, not of bytes: the dtype that the writer would divide by is left out of it.
        writer.add_tensor_info(tensor.name, (height, width), np.dtype(np.float32), height * width // block * size, kind)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in reader.tensors:
            data = tensor.data
            if tensor.name in kinds:
                data = np.ascontiguousarray(gguf.quants.quantize(_merged(tensor, adapter), kinds[tensor.name]))
            writer.write_tensor_data(data, tensor_endianess=reader.endianess)
    except OSError as error:
        if error.errno is None:  # what numpy says when a disk is full
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(out)) from error
        raise
    finally:
        writer.close()
    return {"merged": len(kinds), "copied": len(reader.tensors) - len(kinds)}


def _merged(tensor: Any, adapter: GgufAdapter) -> Floats:
    from gguf import quants

    a, b = adapter.tensors[tensor.name]
    weight = quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32, copy=False)
    return np.asarray(weight + np.float32(adapter.alpha / b.shape[1]) * (b @ a), np.float32)


def _check(reader: Any, adapter: GgufAdapter, architecture: str) -> None:
    if architecture != adapter.architecture:
        raise BundleError(
            f"the adapter is for {adapter.architecture}, the base is {architecture}", "copy the bundle again"
        )
    shapes = {tensor.name: tuple(int(size) for size in tensor.shape) for tensor in reader.tensors}
    for name, (a, b) in adapter.tensors.items():
        expected = (a.shape[1], b.shape[0])
        if shapes.get(name) != expected:
            raise BundleError(
                f"the adapter's '{name}' is {expected[1]} x {expected[0]}, the base's is "
                f"{' x '.join(map(str, reversed(shapes[name]))) if name in shapes else 'not there'}",
                "it was trained on another base: copy the bundle again",
            )


def _metadata(reader: Any, writer: Any, quantise: str, mark: str) -> None:
    import gguf

    general = gguf.Keys.General
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in (general.ARCHITECTURE, general.FILE_TYPE, _DESCRIPTION):
            continue  # the first are the header's own, the writer says the second
        if field.name == general.ALIGNMENT:
            writer.add_custom_alignment(int(field.contents()))
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=inner)
    writer.add_file_type(_FILE_TYPES[quantise])
    writer.add_description(mark)
