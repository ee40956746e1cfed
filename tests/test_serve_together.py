"""Specialists that come together: a base opens once for all of them, and one that is bad does not cost the others."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path

import httpx
import psutil
import pytest

from bundles import encoder_bundle, ngram_bundle
from jangin.errors import BundleError, RequestError
from jangin.models import shared as sharing
from jangin.serve.engine import Engine
from jangin.serve.fleet import Fleet
from jangin.serve.frames import Failed, Load, Loaded, Report, Unload, Unloaded
from jangin.serve.run import start
from test_serve_process import wait_until
from test_serve_writing_faults import SHORT, body
from writers import base, labeller, writer


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    pytest.importorskip("xllamacpp", reason="the extra 'decoder' is not installed")
    pytest.importorskip("gguf", reason="the package gguf is not installed")
    monkeypatch.setenv("JANGIN_HOME", str(tmp_path))
    sha256 = base(tmp_path)
    made = [writer(tmp_path / name, sha256, name, seed=seed) for seed, name in enumerate(("one", "two", "three"), 1)]
    return [*made, labeller(tmp_path / "letter", sha256)]


def answer(url: str, model: str) -> str:
    found = httpx.post(f"{url}/v1/chat/completions", json=body(model, SHORT), timeout=60)
    assert found.status_code == 200
    return found.json()["choices"][0]["message"]["content"]


def test_an_engine_opens_a_base_once_for_all_that_is_asked_of_it_at_once(
    written: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    whole = sharing.Decoder

    def counted(weights: Path, adapters: dict[str, Path], **more: object) -> object:
        opened.append(len(adapters))
        return whole(weights, adapters, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(sharing, "Decoder", counted)
    reports: list[Report] = []
    all_came = threading.Event()

    def send(report: Report) -> None:
        reports.append(report)
        if len(reports) == 6:
            all_came.set()

    (written[1] / "adapter.gguf").write_bytes(b"not what the manifest says")
    engine = Engine(send)
    for number, folder in enumerate(written):
        assert engine.take(Load(number, number, str(folder), None)) is None
    assert engine.take(Load(7, 7, str(written[2]), "0" * 64)) is None  # served before as another one
    engine.begin_changes()
    wait_until(lambda: len(reports) == 5)
    assert engine.take(Unload(8, 0)) is None
    engine.begin_changes()
    assert all_came.wait(30)
    assert {each.id: type(each) for each in reports} == {
        0: Loaded,
        1: Failed,
        2: Loaded,
        3: Loaded,
        7: Failed,
        8: Unloaded,
    }
    assert opened == [2, 1, 1]  # two that write, the one that gives labels, and what is left after the unload


def test_a_server_with_several_adapters_answers_with_each_also_after_its_engine_died(written: list[Path]) -> None:
    with start(written[:3]) as (process, url):
        names = [folder.name for folder in written[:3]]
        assert [each["id"] for each in httpx.get(f"{url}/v1/models").json()["data"]] == names
        before = [answer(url, name) for name in names]
        assert len(set(before)) == 3
        (engine,) = psutil.Process(process.pid).children()
        os.kill(engine.pid, signal.SIGKILL)

        def up() -> bool:
            found = httpx.get(f"{url}/healthz").json()
            return found["status"] == "ok" and all(each["restarts"] for each in found["engines"].values())

        wait_until(up)
        assert [answer(url, name) for name in names] == before


def test_one_bad_bundle_among_several_is_the_failure_and_the_others_stay(tmp_path: Path) -> None:
    desk, tiny = ngram_bundle(tmp_path / "desk"), encoder_bundle(tmp_path / "tiny")
    bad = ngram_bundle(tmp_path / "bad", "bad")
    (bad / "head.safetensors").write_bytes(b"no")

    async def work() -> None:
        fleet = Fleet()
        try:
            with pytest.raises(BundleError, match=r"head\.safetensors"):
                await fleet.load_all([desk, bad, tiny])
            assert list(fleet.entries) == ["desk", "tiny"]
            assert len(fleet.engines) == 2
            with pytest.raises(RequestError, match="already loaded"):
                await fleet.load_all([desk])
            assert (await fleet.answer(fleet.get("desk"), ["where is it"])).confidence
            await fleet.unload("desk")
            assert len(fleet.engines) == 1
            with pytest.raises(BundleError):
                await fleet.load_all([bad])
            assert len(fleet.engines) == 1  # the engine of the bad one alone has nothing to hold
        finally:
            await fleet.stop()

    asyncio.run(work())
