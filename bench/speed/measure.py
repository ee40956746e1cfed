"""One side in one round: started, asked, weighed, stopped."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from load_client import Asked, Load, LoadClient, children, cpu_s, figures, pss_mb, write_bodies
from process_group import process_group
from rounds import Refused
from speed.sides import Side

START_S = 300
SERVED = 200  # texts asked over HTTP one by one, whose labels must be those of the whole file


class Job(NamedTuple):
    """What all sides are asked: texts and labels, seconds of each load, clients. whole: all texts at once too."""

    texts: Sequence[str]
    labels: Sequence[str]
    seconds: float
    clients: int
    scratch: Path
    whole: bool = True


def measure(side: Side, port: int, client: LoadClient, job: Job) -> dict[str, Any]:
    """Requests/s and milliseconds of both loads, start-up, memory, texts/s of the file, accuracy. side: filled in.

    Raises: Refused.
    """
    found: dict[str, Any] = {"load_average_before": round(os.getloadavg()[0], 2)}
    began = time.perf_counter()
    log = job.scratch / f"{side.name}.log"
    with process(side.command, log, ours=side.environment is None) as server:
        ask = Asking(side, port)
        first_answer(ask, job.texts[0], server)
        found["startup_s"] = round(time.perf_counter() - began, 2)
        bodies = write_bodies(job.scratch / "bodies", [side.body(text) for text in job.texts])
        load = Load(f"http://127.0.0.1:{port}", side.path, bodies, job.clients, grace_s=120.0)
        client.run(load, max(1.0, job.seconds / 5))
        found["busy"] = under(load, client, server.pid, job.seconds)
        found["memory_mb"] = pss_mb([server.pid, *children(server.pid)])
        found["alone"] = under(load._replace(connections=1), client, server.pid, job.seconds / 2)
        chosen = random.Random(0).sample(range(len(job.texts)), min(len(job.texts), side.sample or SERVED))
        given = asked_over_http(ask, [job.texts[at] for at in chosen])
        found["served_accuracy"] = share(given, [job.labels[at] for at in chosen])
        if side.bulk == "/bulk" and job.whole:
            answer = Asking(side._replace(path="/bulk", body=lambda _: {"texts": list(job.texts)}), port).json("")
            found |= bulk(answer["labels"], answer["seconds"], job, chosen, given)
    if side.bulk and side.bulk != "/bulk" and job.whole:
        found |= predicted(Path(side.bulk), job, chosen, given)
    return found


def under(load: Load, client: LoadClient, pid: int, seconds: float) -> dict[str, Any]:
    pids = [pid, *children(pid)]
    before = sum(map(cpu_s, pids))
    asked: list[Asked] = client.run(load, seconds)
    found = figures(asked)
    used = sum(map(cpu_s, pids)) - before
    return found | {"cpu_ms_per_request": round(used * 1e3 / max(1, len(asked)), 3)}


def bulk(
    labels: Sequence[str], seconds: float, job: Job, chosen: Sequence[int], given: Sequence[str]
) -> dict[str, Any]:
    return {
        "bulk_texts_per_s": round(len(job.texts) / seconds, 1),
        "accuracy": share(labels, job.labels),
        "served_as_bulk": share(given, [labels[at] for at in chosen]),
    }


def predicted(specialist: Path, job: Job, chosen: Sequence[int], given: Sequence[str]) -> dict[str, Any]:
    """`jangin predict` of the same texts: rows/s as it says, its start not counted, as the peers' is not."""
    data, out = job.scratch / "texts.jsonl", job.scratch / "answers.jsonl"
    write_bodies(data, [{"input": text} for text in job.texts])
    out.unlink(missing_ok=True)
    command = [sys.executable, "-m", "jangin", "predict", specialist, data, "-o", out, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    return bulk([row["label"] for row in rows], json.loads(done.stdout)["seconds"], job, chosen, given)


def share(given: Sequence[str], right: Sequence[str]) -> float:
    return round(sum(a == b for a, b in zip(given, right, strict=True)) / len(right), 4)


class Asking:
    """One request on a connection of its own."""

    def __init__(self, side: Side, port: int):
        self.side, self.port = side, port

    def json(self, text: str, timeout_s: float = 300) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        with contextlib.closing(connection):
            body = json.dumps(self.side.body(text))
            connection.request("POST", self.side.path, body, {"content-type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
        if answer.status != 200:
            raise Refused(f"answers {answer.status}: {content[:300]!r}")
        return json.loads(content)

    def label(self, text: str) -> str:
        return self.side.label(self.json(text))


def asked_over_http(ask: Asking, texts: Sequence[str]) -> list[str]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(ask.label, texts))


def first_answer(ask: Asking, text: str, server: subprocess.Popen[bytes]) -> None:
    """Returns with the first answer, looked for every 50 ms: a port may be open while a model still loads."""
    end = time.monotonic() + START_S
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException, Refused):
            ask.label(text)
            return
        time.sleep(0.05)
    ended = server.poll()
    what = f"did not answer within {START_S} s" if ended is None else f"ended with {ended} before its first answer"
    raise Refused(f"{what}; its log lies beside the rounds")


@contextlib.contextmanager
def process(
    command: Sequence[str], log: Path, *, ours: bool, variables: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """In a group of its own, which ends with the block; what it says goes to `log`. Nobody's threads are set for it.

    ours: Jangin's, which may lie on PYTHONPATH. variables: more of the environment.
    """
    dropped = {"OMP_NUM_THREADS"} if ours else {"OMP_NUM_THREADS", "PYTHONPATH"}
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    environment |= {"HF_HUB_OFFLINE": "1", **(variables or {})}
    with (
        log.open("wb") as out,
        process_group(command, out, environment, errors=subprocess.STDOUT, patience_s=15) as found,
    ):
        yield found
