"""What is compared: each side is a command that serves, how it is asked, and how its answer is read.

Settings: `defaults` is what a library's first page leads to; `fastest` what its pages on speed lead to. All that was
tried of a peer stands here, so that the run finds its best setting, not we.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from speed import grammar

PEERS = Path(__file__).with_name("peers")
JANGIN, LLAMA = "Jangin", "llama.cpp"
DEFAULTS, FASTEST = "defaults", "fastest"


class Side(NamedTuple):
    """command: {work}, {environment}, {port}, {gguf} and {python} (Jangin's) are filled in.

    bulk: the route that answers a whole file, or the folder of a specialist for `jangin predict`. sample: so many texts
    are asked over HTTP for its accuracy; None: as many as measure.py asks everybody.
    """

    name: str
    peer: str
    setting: str
    environment: str | None
    command: tuple[str, ...]
    path: str
    body: Callable[[str], dict[str, Any]]
    label: Callable[[Any], str]
    about: str
    bulk: str | None = None
    sample: int | None = None

    def filled(self, **values: object) -> Side:
        command = tuple(part.format(**values) for part in self.command)
        return self._replace(command=command, bulk=self.bulk and self.bulk.format(**values))


def specialist_name(rung: str) -> str:
    return rung.replace("+", "-")


def jangin(rung: str, setting: str = DEFAULTS) -> Side:
    name = specialist_name(rung)
    folder = "{work}/tasks/" + f"{name}/runs/{name}"
    command = ("{python}", "-m", "jangin", "serve", "--open", folder, "--port", "{port}", "--state", "{work}/state")
    return Side(
        f"jangin-{name}",
        JANGIN,
        setting,
        None,
        command,
        "/v1/classify",
        lambda text: {"model": name, "input": text, "top_k": 1},
        lambda answer: answer["data"][0]["label"],
        f"`jangin serve`, rung `{rung}`",
        bulk=folder,
    )


def python(name: str, peer: str, setting: str, environment: str, program: str, about: str, *options: str) -> Side:
    command = ("{environment}/bin/python", str(PEERS / f"{program}.py"), "{work}/model", "--port", "{port}", *options)
    return Side(
        name,
        peer,
        setting,
        environment,
        command,
        "/classify",
        lambda text: {"text": text},
        lambda answer: answer["label"],
        about,
        bulk=None if "--workers" in options else "/bulk",  # one of them would answer it all
    )


def llama(name: str, weights: str, body: grammar.Body, read: Callable[[Any], str], about: str, *options: str) -> Side:
    command = ("{environment}/bin/python", str(PEERS / "llama_server.py"), weights, "--port", "{port}", *options)
    return Side(name, LLAMA, FASTEST, "llama", command, "/completion", body, read, about, sample=150)


def sides(labels: Sequence[str], codes: Sequence[str], adapter: tuple[str, Sequence[str]] | None = None) -> list[Side]:
    """adapter: weights that a specialist on SmolLM2-135M was merged into, and the strings of its labels' tokens."""
    st, hf, sf = "sentence-transformers", "transformers", "setfit"
    head, pipe, model = "sentence_transformers_head", "transformers_pipeline", "setfit_model"
    learn = f"{st} + scikit-learn"
    batched, by_four = ("--route", "batched", "--batch", "16"), ("--route", "batched", "--batch", "4")
    fp32, int8 = ("--backend", "onnx-O3"), ("--backend", "onnx-int8")
    ov, ov_own, ov_int8 = "openvino", ("--backend", "openvino"), ("--backend", "openvino-int8")
    two = ("--workers", "2", "--threads", "1")
    names = [f" {grammar.spoken(label)}" for label in labels]
    places = ("--parallel", "16", "--context")
    found = [
        jangin("minilm-l6"),
        jangin("ngrams+minilm-l6"),
        jangin("ngrams"),
        jangin("minilm-l6-q8", FASTEST),
        python("transformers", "transformers", DEFAULTS, hf, pipe, "pipeline; `def` route"),
        python(
            "transformers-async", "transformers", DEFAULTS, hf, pipe, "the same, `async def` route", "--route", "async"
        ),
        python("transformers-batched", "transformers", FASTEST, hf, pipe, "waiting texts in batches of 16", *batched),
        python("st", learn, DEFAULTS, st, head, "encode, predict_proba; `def` route"),
        python("st-async", learn, DEFAULTS, st, head, "the same, `async def` route", "--route", "async"),
        python("st-batched", learn, FASTEST, st, head, "torch; waiting texts in batches of 16", *batched),
        python("st-onnx-O3", learn, FASTEST, sf, head, "ONNX O3, float32; batches of 16", *fp32, *batched),
        python("st-onnx-int8", learn, FASTEST, sf, head, "ONNX int8 (AVX-512 VNNI); batches of 16", *int8, *batched),
        python("st-onnx-int8-b4", learn, FASTEST, sf, head, "the same, batches of 4: less padding", *int8, *by_four),
        python(
            "st-onnx-int8-x2", learn, FASTEST, sf, head, "the same, two workers of one thread", *int8, *batched, *two
        ),
        python(
            "st-openvino",
            learn,
            FASTEST,
            ov,
            head,
            "OpenVINO, bfloat16 by its own choice; batches of 16",
            *ov_own,
            *batched,
        ),
        python(
            "st-openvino-int8", learn, FASTEST, ov, head, "OpenVINO int8, calibrated; batches of 16", *ov_int8, *batched
        ),
        python("setfit", "SetFit", DEFAULTS, sf, model, "predict; `def` route"),
        python("setfit-async", "SetFit", DEFAULTS, sf, model, "the same, `async def` route", "--route", "async"),
        python("setfit-onnx-O3", "SetFit", FASTEST, sf, model, "ONNX O3, float32; batches of 16", *fp32, *batched),
        python(
            "setfit-onnx-int8", "SetFit", FASTEST, sf, model, "ONNX int8 (AVX-512 VNNI); batches of 16", *int8, *batched
        ),
        llama(
            "llama-bare",
            "{gguf}",
            grammar.bare(codes),
            grammar.read(codes, labels),
            "SmolLM2-135M in Q8_0; the text alone, one token under a grammar (untrained, so its answers are guesses)",
            *places,
            "256",
        ),
        llama(
            "llama-listed",
            "{gguf}",
            grammar.listed(labels),
            grammar.read(names, labels),
            "SmolLM2-135M in Q8_0; all labels in a cached prefix, a label's name under a grammar",
            *places,
            "768",
        ),
    ]
    if adapter is not None:
        path, tokens = adapter
        body, read = grammar.bare(tokens), grammar.read(tokens, labels)
        about = "the same, the adapter of our rung `smollm2-135m-lora` merged into the weights"
        found.append(llama("llama-tuned", path, body, read, about, *places, "256"))
    return found
