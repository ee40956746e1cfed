"""The engines that decoder_engines.py compares, one class each, and the process that measures one of them.

Run by that script, with the Python of the engine: only the standard library is imported before an engine is opened.
Each class has `run(prompts, new, adapters)`: greedy continuations of `new` tokens, all requests handed over at once,
the adapter of each by number or None; it returns (prompt tokens, generated tokens).
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

WORDS = [
    "river",
    "stone",
    "market",
    "window",
    "garden",
    "letter",
    "winter",
    "bridge",
    "paper",
    "engine",
    "music",
    "doctor",
    "village",
    "morning",
    "silver",
    "road",
    "teacher",
    "island",
    "kitchen",
    "captain",
    "forest",
    "summer",
    "machine",
    "picture",
    "horse",
    "city",
    "number",
    "story",
    "water",
    "evening",
]
Adapters = Sequence[int | None]


class Embedded:
    """jangin's own Decoder, as the product uses it."""

    def __init__(self, model: str, adapters: list[str], parallel: int, threads: int, settings: dict[str, Any]):
        from jangin.models.decoder import Decoder

        named = {str(at): Path(path) for at, path in enumerate(adapters)}
        self.decoder = Decoder(Path(model), named, parallel=parallel, threads=threads, **settings)

    def run(self, prompts: list[str], new: int, adapters: Adapters) -> tuple[int, int]:
        if len(set(adapters)) == 1:
            name = None if adapters[0] is None else str(adapters[0])
            found = self.decoder.generate(prompts, new, adapter=name)
        else:  # requests of one call share an adapter, so mixed traffic is as many calls

            def one(prompt: str, at: int | None) -> Any:
                return self.decoder.generate([prompt], new, adapter=None if at is None else str(at))[0]

            with ThreadPoolExecutor(len(prompts)) as pool:
                found = list(pool.map(one, prompts, adapters))
        return sum(each.prompt_tokens for each in found), sum(each.completion_tokens for each in found)


class Wheel:
    """xllamacpp without jangin around it; `settings` are attributes of its CommonParams."""

    def __init__(self, model: str, adapters: list[str], parallel: int, threads: int, settings: dict[str, Any]):
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = model
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, 1.0) for path in adapters]
        params.n_ctx, params.n_parallel = 2048 * parallel, parallel
        params.kv_unified = params.fit_params = params.warmup = params.ui = False
        params.cache_ram_mib, params.verbosity = 0, -1
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        kinds = {"flash_attn_type": xllamacpp.llama_flash_attn_type}
        kinds |= {f"cache_type_{one}": xllamacpp.ggml_type for one in "kv"}
        for name, value in settings.items():
            setattr(params, name, getattr(kinds[name], value) if name in kinds else value)
        self.held, self.server = len(adapters), xllamacpp.Server(params)

    def run(self, prompts: list[str], new: int, adapters: Adapters) -> tuple[int, int]:
        def one(prompt: str, adapter: int | None) -> dict[str, Any]:
            body = {"prompt": prompt, "max_tokens": new, "temperature": 0, "cache_prompt": False, "ignore_eos": True}
            body["lora"] = [{"id": at, "scale": float(at == adapter)} for at in range(self.held)]
            found: dict[str, Any] = self.server.handle_completions(body)["usage"]
            return found

        with ThreadPoolExecutor(len(prompts)) as pool:
            used = list(pool.map(one, prompts, adapters))
        return sum(each["prompt_tokens"] for each in used), sum(each["completion_tokens"] for each in used)


class OpenVino:
    """OpenVINO GenAI with its continuous batching, on the GGUF, or on a model folder when there are adapters."""

    def __init__(self, model: str, adapters: list[str], parallel: int, threads: int, settings: dict[str, Any]):
        import openvino_genai

        self.library = openvino_genai
        plan = openvino_genai.SchedulerConfig()
        plan.cache_size, plan.max_num_seqs, plan.enable_prefix_caching = 1, parallel, False
        options: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads, "scheduler_config": plan, **settings}
        if adapters:
            model = renamed(model)
            self.adapters = [openvino_genai.Adapter(path) for path in adapters]
            chosen = openvino_genai.AdapterConfig()
            for each in self.adapters:
                chosen.add(each, 1.0)
            options["adapters"] = chosen
        self.pipe = openvino_genai.LLMPipeline(model, "CPU", **options)

    def run(self, prompts: list[str], new: int, adapters: Adapters) -> tuple[int, int]:
        read = written = 0
        for adapter in dict.fromkeys(adapters):  # it refuses a batch with several adapters
            asked = self.library.GenerationConfig()
            asked.max_new_tokens, asked.ignore_eos, asked.apply_chat_template = new, True, False
            if adapter is not None:
                asked.adapters = self.library.AdapterConfig(self.adapters[adapter])
            group = [prompt for prompt, its in zip(prompts, adapters, strict=True) if its == adapter]
            written += self.pipe.generate(group, asked).perf_metrics.get_num_generated_tokens()
            read += sum(self.pipe.get_tokenizer().encode(prompt).input_ids.shape[1] for prompt in group)
        return read, written


def renamed(gguf: str) -> str:
    """A model folder made of the GGUF, with the layer names that its reader drops and adapters are found by."""
    import openvino
    import openvino_genai

    folder = Path(gguf).parent
    openvino_genai.LLMPipeline(gguf, "CPU", enable_save_ov_model=True)
    model = openvino.Core().read_model(folder / "openvino_model.xml")
    found = [
        op
        for op in model.get_ops()
        if op.get_type_name() == "MatMul" and op.input_value(1).get_partial_shape().is_static
        if len(op.input_value(1).get_shape()) == 2
    ]
    found.sort(key=lambda op: int(op.get_friendly_name().split("_")[1]))
    parts = [f"self_attn.{one}_proj" for one in "qkvo"] + [f"mlp.{one}_proj" for one in ("gate", "up", "down")]
    for at, op in enumerate(found[:-1]):  # the last one is the head over the vocabulary
        layer, part = divmod(at, len(parts))
        op.set_friendly_name(f"__module.model.layers.{layer}.{parts[part]}/ov_ext::linear/MatMul")
    out = folder / "named"
    out.mkdir()
    openvino.save_model(model, out / "openvino_model.xml", compress_to_fp16=False)
    for each in folder.glob("openvino_*tokenizer.*"):
        each.rename(out / each.name)
    (out / "config.json").write_text('{"model_type": "llama"}')
    return str(out)


def texts(count: int, words: int, seed: int) -> list[str]:
    """Different from the first word on, so that nothing is shared."""
    draw = random.Random(seed)
    return [" ".join(draw.choice(WORDS) for _ in range(words)) for _ in range(count)]


def timed(run: Callable[..., tuple[int, int]], *args: Any) -> tuple[float, int, int]:
    start = time.perf_counter()
    read, written = run(*args)
    return time.perf_counter() - start, read, written


def pss_mb() -> float:
    """Of this process and its children."""
    pids = [os.getpid()]
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(status.read_text().rpartition(")")[2].split()[1]) == pids[0]:
                pids.append(int(status.parent.name))
        except OSError:
            continue  # it ended meanwhile
    kept = [re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M) for pid in pids]
    return sum(int(each[1]) for each in kept if each) / 1024


def measure(run: Callable[..., tuple[int, int]], count: int, order: dict[str, Any], adapters: Adapters) -> Any:
    """Tokens a second of the prompts, and of what follows (the time of a run, less that of one that writes nothing)."""
    prefill, decode = [], []
    for again in range(order["rounds"]):
        seed = 1000 * again + count
        short_s, read, few = timed(run, texts(count, order["words"], seed), 1, adapters)
        long_s, _, many = timed(run, texts(count, order["words"], seed + 500), order["new"], adapters)
        prefill.append(read / short_s)
        decode.append((many - few) / (long_s - short_s))
    return {"prefill_tok_per_s": median(prefill), "decode_tok_per_s": median(decode), "generated": many}


def main() -> None:
    order: dict[str, Any] = json.loads(sys.argv[1])
    kinds: dict[str, Any] = {"jangin": Embedded, "xllamacpp": Wheel, "openvino": OpenVino}
    engine = kinds[order["engine"]](*(order[key] for key in ("model", "adapters", "parallel", "threads", "settings")))
    engine.run(texts(1, 8, 0), 1, [None])
    found: dict[str, Any] = {"first_token_s": time.time() - order["started"]}
    for label, count, mix in order["runs"]:
        picked = [mix[at % len(mix)] for at in range(count)]
        engine.run(texts(1, 8, 1), 1, picked[:1])
        found[label] = measure(engine.run, count, order, picked)
        found["pss_mb"] = pss_mb()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
