"""transformers' `generate`, a batch a call: POST /batch {"prompts": [...], "tokens": n}, one after the other.

The prompts of a batch are padded to the longest, at their left. Decoding is greedy and goes on past an answer's end
(`min_new_tokens`). What comes back, a number for each prompt: seconds from the request to its first text that is not
empty, as a streamer is told of it; tokens written; tokens of the prompt. It is no server: who asks waits for who is
ahead, and a batch waits for nobody.
"""

from __future__ import annotations

import argparse
import json
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.generation.streamers import BaseStreamer


class Steps(BaseStreamer):
    """When each step's tokens came; the first that `generate` tells are the prompts."""

    def __init__(self) -> None:
        self.ended_s: list[float] = []

    def put(self, value: torch.Tensor) -> None:
        self.ended_s.append(time.perf_counter())

    def end(self) -> None:
        pass


class Generate:
    def __init__(self, model: str):
        self._tokenizer = AutoTokenizer.from_pretrained(model, padding_side="left")
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._model = AutoModelForCausalLM.from_pretrained(model, dtype="auto").eval()

    def answer(self, prompts: list[str], tokens: int) -> dict[str, Any]:
        begun, steps = time.perf_counter(), Steps()
        batch = self._tokenizer(prompts, padding=True, return_tensors="pt")
        with torch.inference_mode():
            found = self._model.generate(
                **batch,
                max_new_tokens=tokens,
                min_new_tokens=tokens,
                do_sample=False,
                streamer=steps,
                pad_token_id=self._tokenizer.pad_token_id,
            )
        width = batch["input_ids"].shape[1]
        written = [row[width:].tolist() for row in found]
        firsts = [self._first(row) for row in written]
        return {
            "first_s": [None if at is None else steps.ended_s[1 + at] - begun for at in firsts],
            "tokens": [len(row) for row in written],
            "prompt_tokens": batch["attention_mask"].sum(dim=1).tolist(),
            "texts": self._tokenizer.batch_decode(written),
        }

    def _first(self, row: list[int]) -> int | None:
        """The step after which there is text."""
        for at in range(len(row)):
            if self._tokenizer.decode(row[: at + 1], skip_special_tokens=True):
                return at
        return None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", help="the folder that decoder_folder.py made")
    parser.add_argument("--port", type=int, required=True)
    args = parser.parse_args()
    generate = Generate(args.model)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            told = json.dumps(generate.answer(asked["prompts"], asked["tokens"])).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: object) -> None:
            pass

    HTTPServer(("127.0.0.1", args.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
