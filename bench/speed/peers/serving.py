"""What every Python peer shares: a FastAPI application under uvicorn, in the peer's own environment, without Jangin.

`POST /classify` {"text": ...} gives {"label": ..., "score": ...}: what a client of `/v1/classify` with `top_k: 1` gets.
`POST /bulk` {"texts": [...]} gives the labels of a whole file and the seconds that they took inside the process.

Ways to answer a request, by --route: `def`, a plain route whose calls FastAPI spreads over a pool of threads, as its
pages write it; `async`, which calls the model in the event loop, one text after the other; `batched`, one thread that
answers whatever waits, at most --batch texts a call, as Jangin's engine does and transformers' page on servers says.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from waiting import Classify, Waiting

OPTIONS = "SPEED_PEER"  # the environment variable through which uvicorn's workers learn what to load


class Asked(BaseModel):
    text: str


class Many(BaseModel):
    texts: list[str]


def application(classify: Classify, route: str, batch: int) -> FastAPI:
    app = FastAPI()
    waiting = Waiting(classify, batch)

    def plain(asked: Asked) -> dict[str, Any]:
        [(label, score)] = classify([asked.text])
        return {"label": label, "score": score}

    async def serial(asked: Asked) -> dict[str, Any]:
        return plain(asked)

    async def batched(asked: Asked) -> dict[str, Any]:
        label, score = await waiting.ask(asked.text)
        return {"label": label, "score": score}

    app.post("/classify")({"def": plain, "async": serial, "batched": batched}[route])

    @app.post("/bulk")
    def many(asked: Many) -> dict[str, Any]:
        started = time.perf_counter()
        labels = [label for label, _ in classify(asked.texts)]
        return {"seconds": time.perf_counter() - started, "labels": labels}

    return app


def made() -> FastAPI:
    """What each of uvicorn's workers calls."""
    options = argparse.Namespace(**json.loads(os.environ[OPTIONS]))
    classify = importlib.import_module(options.module).load(options)
    return application(classify, options.route, options.batch or 32)


def main(load: Callable[[argparse.Namespace], Classify], backends: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", help="the folder that prepare.py made")
    parser.add_argument("--backend", choices=backends, default=backends[0])
    parser.add_argument("--route", choices=("def", "async", "batched"), default="def")
    parser.add_argument("--batch", type=int, default=0, help="texts a call of the library; 0: its own default")
    parser.add_argument("--threads", type=int, default=0, help="of the arithmetic; 0: the library's own choice")
    parser.add_argument("--workers", type=int, default=1, help="processes, each with the whole model")
    parser.add_argument("--port", type=int, required=True)
    args = parser.parse_args()
    args.module = Path(sys.argv[0]).stem
    os.environ[OPTIONS] = json.dumps(vars(args))
    uvicorn.run(
        "serving:made",
        factory=True,
        host="127.0.0.1",
        port=args.port,
        workers=args.workers,
        timeout_worker_healthcheck=300,  # a worker loads torch before it can answer its supervisor
        access_log=False,
        log_level="warning",
    )
