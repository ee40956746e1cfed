"""Speed, memory and start of the engines that a decoder could run on; the table of decision 0007.

    python bench/decoder_engines.py MODEL.gguf [--openvino-python PATH] [--adapters]
    python bench/decoder_engines.py MODEL.gguf --engine xllamacpp --parallel 8 --set n_ubatch=128

Each engine runs in a process of its own: `jangin` (the Decoder of this package), `xllamacpp` (the same wheel, bare)
and `openvino` (OpenVINO GenAI in another environment; skipped, and said so, where that is not given). The wheel's
build of llama.cpp against one for this machine: llama_speed.cpp, linked with either library.

Prefill is timed by requests that generate one token, decode by the time that `--new` tokens take on top. With
`--adapters`, random LoRA adapters of full size (rank 16 on every projection, float16) are written, and 16 requests use
none, one, two or eight of them. Linux only (/proc/PID/smaps_rollup).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from jangin.bases.machine import available_cores

WORKER = Path(__file__).parent / "decoder_workers.py"
RANK = 16
PARTS = {f"attn_{one}": f"self_attn.{one}_proj" for one in "qkv"} | {"attn_output": "self_attn.o_proj"}
PARTS |= {f"ffn_{one}": f"mlp.{one}_proj" for one in ("gate", "up", "down")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--engine", action="append", choices=["jangin", "xllamacpp", "openvino"])
    parser.add_argument("--openvino-python", type=Path, help="a Python that has openvino-genai")
    parser.add_argument("--adapters", action="store_true", help="measure mixed adapters instead of 1 and 16 requests")
    parser.add_argument("--held", type=int, default=8, help="adapters that are loaded")
    parser.add_argument("--requests", type=int, nargs="*", default=[1, 16])
    parser.add_argument("--parallel", type=int, default=16, help="requests that share a forward pass")
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--words", type=int, default=400, help="of a prompt; a word is about a token")
    parser.add_argument("--new", type=int, default=65)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the engine, unchanged")
    args = parser.parse_args()
    settings = {key: value(text) for key, _, text in (one.partition("=") for one in args.set)}
    runs: list[tuple[str, int, list[int | None]]]
    if args.adapters:
        runs = [(f"{n} adapters", 16, [*range(n)] or [None]) for n in (0, 1, 2, 8) if n <= args.held]
    else:
        runs = [(f"{n} requests", n, [None]) for n in args.requests]
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.gguf"  # OpenVINO goes by the suffix
        model.symlink_to(args.model.resolve())
        kinds = ("gguf", "safetensors")
        written = {kind: [Path(folder) / f"{at}.{kind}" for at in range(args.held)] for kind in kinds}
        if args.adapters:
            for at in range(args.held):
                write_adapter(args.model, at, *(written[kind][at] for kind in kinds))
        for engine in args.engine or ["jangin", "xllamacpp", "openvino"]:
            if engine == "openvino" and args.openvino_python is None:
                print(json.dumps({"engine": engine, "skipped": "--openvino-python was not given"}))
                continue
            order = {
                "engine": engine,
                "model": str(model),
                "adapters": [
                    str(path) for path in written["safetensors" if engine == "openvino" else "gguf"] if path.exists()
                ],
                "settings": settings,
                "runs": runs,
                **{key: getattr(args, key) for key in ("parallel", "threads", "words", "new", "rounds")},
            }
            print(json.dumps(run(str(args.openvino_python) if engine == "openvino" else sys.executable, order)))


def value(text: str) -> Any:
    """A number or truth value where it is one; else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def run(python: str, order: dict[str, Any]) -> dict[str, Any]:
    load = round(os.getloadavg()[0], 2)
    told = json.dumps({**order, "started": time.time()})
    answer = subprocess.run([python, str(WORKER), told], capture_output=True, text=True)
    kept = {"engine": order["engine"], "parallel": order["parallel"], "threads": order["threads"], "load_before": load}
    if answer.returncode:
        return {**kept, "failed": answer.stderr[-600:]}
    return {**kept, **rounded(json.loads(answer.stdout.splitlines()[-1]))}


def rounded(found: Any) -> Any:
    if isinstance(found, dict):
        return {key: rounded(each) for key, each in found.items()}
    return round(found, 1 if found > 10 else 2) if isinstance(found, float) else found


def write_adapter(model: Path, seed: int, as_gguf: Path, as_safetensors: Path) -> None:
    """Random and small, so that it costs what a trained one costs and the answers stay as they were."""
    import gguf

    draw = np.random.default_rng(seed)
    reader = gguf.GGUFReader(model)
    writer = gguf.GGUFWriter(as_gguf, reader.fields["general.architecture"].contents())
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(RANK))
    tensors: dict[str, np.ndarray] = {}
    for tensor in reader.tensors:
        layer, _, part = tensor.name.removeprefix("blk.").removesuffix(".weight").partition(".")
        if part not in PARTS:
            continue
        into, out = (int(size) for size in tensor.shape)
        pair = {"A": draw.normal(0, 0.02, (RANK, into)), "B": draw.normal(0, 0.02, (out, RANK))}
        for side, values in pair.items():
            half = values.astype(np.float16)
            writer.add_tensor(f"{tensor.name}.lora_{side.lower()}", half)
            tensors[f"base_model.model.model.layers.{layer}.{PARTS[part]}.lora_{side}.weight"] = half
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    from safetensors.numpy import save_file

    save_file(tensors, as_safetensors)


if __name__ == "__main__":
    main()
