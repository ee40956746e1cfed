"""Presidio's recognisers as the base: the same results as its engine, no network, a time-out is an error."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from jangin.errors import MissingExtraError, PiiError
from jangin.pii import Detector
from jangin.pii import presidio as module
from jangin.pii.labels import Labels

TEXT = (
    "주민번호 900101-1234568, 사업자번호 124-81-00998, 여권 M123A4567, 운전면허 11-12-345678-90, "
    "카드 4111 1111 1111 1111, "
    "IBAN DE89370400440532013000, SSN 536-90-4399, NHS 9434765919, mail hong@naver.com, IP 203.0.113.45"
)


def test_without_presidio_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "installed", lambda: False)
    with pytest.raises(MissingExtraError) as caught:
        Detector()
    expected = (
        "the detector of personal data needs the extra 'pii', which is not installed\n  try: pip install 'jangin[pii]'"
    )
    assert str(caught.value) == expected


def test_importing_the_room_loads_neither_presidio_nor_spacy() -> None:
    code = (
        "import sys, jangin.pii, jangin.data.pii; assert not {'presidio_analyzer', 'spacy', 'regex'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_server_that_redacts_loads_neither_pytorch_nor_transformers_and_may_do_so_later() -> None:
    pytest.importorskip("presidio_analyzer", reason="the extra 'pii' is not installed")
    code = (
        "import sys; from jangin.serve.outlet import redaction; made = redaction();"
        "assert made(None).redact('kim@example.com').text == '<EMAIL_ADDRESS_1>';"
        "assert 'spacy' in sys.modules and not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture(scope="module")
def base() -> module.Base:
    pytest.importorskip("presidio_analyzer", reason="the extra 'pii' is not installed")
    return module.Base()


def test_the_base_finds_what_presidio_s_own_engine_finds(base: module.Base) -> None:
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NoOpNlpEngine

    registry = RecognizerRegistry(recognizers=list(module.recognisers().values()), supported_languages=["en"])
    engine = AnalyzerEngine(
        registry=registry,
        nlp_engine=NoOpNlpEngine(models=[{"lang_code": "en", "model_name": "none"}]),
        supported_languages=["en"],
    )
    names = {"KR_BRN": "KR_BUSINESS_NUMBER"}
    theirs = {
        (each.start, each.end, names.get(each.entity_type, each.entity_type)) for each in engine.analyze(TEXT, "en")
    }
    ours = {(span.start, span.end, span.entity) for span in base.find(TEXT, Labels(TEXT))}
    assert len(ours) == 10 and ours <= theirs


def test_nothing_is_fetched_even_for_a_mail_address(base: module.Base, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = []

    def refuse(*arguments: object, **_: object) -> None:
        attempts.append(arguments)
        raise OSError("no network here")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(OSError, match="no network here"):
        socket.create_connection(("127.0.0.1", 9))
    assert len(attempts) == 1
    detector = Detector()
    assert [span.entity for span in detector.find("mail hong@naver.com and a@b.co.uk")] == ["EMAIL_ADDRESS"] * 2
    found = {TEXT[span.start : span.end] for span in module.Base().find(TEXT, Labels(TEXT))}
    assert "hong@naver.com" in found
    assert len(attempts) == 1


def test_a_pattern_that_times_out_releases_nothing(base: module.Base, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = Detector()
    monkeypatch.setattr(module, "PATTERN_TIMEOUT_S", 1e-9)
    with pytest.raises(PiiError) as caught:
        detector.find("mail " + "a.b" * 4_000 + "@x")
    assert caught.value.message == "the detector of personal data failed (TimeoutError); nothing was released"


def test_with_the_base_nothing_is_lost(base: module.Base) -> None:
    alone, both = Detector(presidio=False), Detector()
    assert {span[:3] for span in alone.find(TEXT)} <= {span[:3] for span in both.find(TEXT)}


def test_the_base_keeps_to_what_the_rules_refuse(base: module.Base) -> None:
    assert Detector().find("clone git@github.com:foo/bar.git and logo@2x.png") == []
