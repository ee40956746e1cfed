"""What every test shares: `--slow` asks for the long ones, and JANGIN_HOME is a folder of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import tiny_base as tiny_base_files
import written_tasks
from jangin.bases import catalogue
from jangin.types import BaseModel
from postgres_server import PostgresServer


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests that take minutes")
    parser.addoption("--browser", action="store_true", help="also drive the console in Chromium: `make browser`")
    parser.addoption("--axe", metavar="FILE", help="axe-core's axe.min.js, for --browser")
    parser.addoption("--peers", metavar="DIR", help="also run other people's programs; npm and pip install them in DIR")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="takes minutes: run with --slow"))
    if not config.getoption("--browser"):
        for item in items:
            if "browser" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="drives Chromium: run with --browser"))
    if not config.getoption("--peers"):
        for item in items:
            if "peers" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="installs other programs: run with --peers DIR"))


@pytest.fixture(autouse=True)
def _own_home(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Looks and locks of a test stay out of the user's store; only `weights` tests read the bases that lie there."""
    if request.node.get_closest_marker("weights") is None:
        monkeypatch.setenv("JANGIN_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("JANGIN_STATE", str(tmp_path_factory.mktemp("state")))


@pytest.fixture
def tiny_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BaseModel:
    """The random base, in the catalogue for one test."""
    base = tiny_base_files.add(tmp_path / "tiny-bert")
    monkeypatch.setitem(catalogue._bases(), base.id, base)
    return base


@pytest.fixture
def tiny_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BaseModel:
    """A random base that writes, in the catalogue for one test; one thread, which suits two layers."""
    pytest.importorskip("xllamacpp", reason="the extra 'decoder' is not installed")
    pytest.importorskip("gguf", reason="the package gguf is not installed")
    monkeypatch.setattr("jangin.models.decoder.available_cores", lambda: 1)
    base = written_tasks.decoder_base(tmp_path / "tiny-llama")
    monkeypatch.setitem(catalogue._bases(), base.id, base)
    return base


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of the tests' own."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()
