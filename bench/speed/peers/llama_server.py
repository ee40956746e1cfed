"""llama.cpp's own HTTP server, as the wheel `xllamacpp` carries it, opened with the settings of a command line.

python llama_server.py MODEL.gguf --port 8080 --parallel 16 --context 256
python llama_server.py MODEL.gguf --codes 77     prints so many strings that are one token each, as JSON
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import string
import threading
import urllib.request
from typing import Any

import xllamacpp


def opened(args: argparse.Namespace) -> Any:
    settings = xllamacpp.CommonParams()
    settings.model.path = args.model
    if args.adapter:
        settings.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(args.adapter, 1.0)]
    settings.hostnames, settings.port = ["127.0.0.1"], args.port
    settings.n_ctx, settings.n_parallel = args.context * args.parallel, args.parallel
    settings.kv_unified = settings.fit_params = False
    settings.ui = False
    settings.cache_ram_mib = 0
    settings.verbosity = -1
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = args.threads
    return xllamacpp.Server(settings)


def asked(server: Any, path: str, body: dict[str, Any]) -> Any:
    data = json.dumps(body).encode()
    request = urllib.request.Request(server.listening_address + path, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def codes(server: Any, count: int) -> list[str]:
    """Two letters after a blank that the base reads as one token."""
    tried = "".join(f" {a}{b}" for a, b in itertools.product(string.ascii_lowercase, repeat=2))
    tokens = asked(server, "/tokenize", {"content": tried, "with_pieces": True})["tokens"]
    pieces = [token["piece"] for token in tokens]
    found = [piece for piece in pieces if isinstance(piece, str) and len(piece) == 3 and piece[0] == " "]
    if len(found) < count:
        raise SystemExit(f"{count} codes of one token each were wanted; this base has {len(found)}")
    return found[:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--adapter", help="a LoRA in GGUF, laid over the weights for every request")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--parallel", type=int, default=16)
    parser.add_argument("--context", type=int, default=256, help="tokens of each place")
    parser.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: the cores it may use"
    )
    parser.add_argument("--codes", type=int, default=0)
    parser.add_argument("--pieces", type=json.loads, help="token numbers, as JSON: prints their texts")
    args = parser.parse_args()
    server = opened(args)
    if args.codes:
        print(json.dumps(codes(server, args.codes)))
        return
    if args.pieces:
        print(json.dumps([asked(server, "/detokenize", {"tokens": [token]})["content"] for token in args.pieces]))
        return
    print(server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
