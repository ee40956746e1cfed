"""The bundle: what its identity holds, what a changed byte does, what may not take its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from bundles import encoder_bundle, ngram_bundle
from jangin import bundle, pack
from jangin.errors import BundleError, EngineError, StorageError
from jangin.files import write_atomic
from jangin.models.specialist import Specialist, load
from jangin.train.climb import train
from small_tasks import classify_task

AGAIN = "copy the bundle again, or train again"


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    return ngram_bundle(tmp_path / "desk")


def refusal(folder: Path) -> tuple[str, str | None]:
    with pytest.raises(BundleError) as error:
        load(folder)
    return error.value.message, error.value.hint


def edit(folder: Path, **changes: Any) -> Path:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return path


def test_the_identity_holds_what_answers_and_nothing_of_when_or_how_well(desk: Path) -> None:
    before = bundle.identity(bundle.verify(desk))
    (desk / "record.json").write_text("{}")
    (desk / "certificate.json").write_text("{}")
    manifest = desk / "manifest.json"
    manifest.write_bytes(msgspec.json.format(manifest.read_bytes(), indent=8))
    assert bundle.identity(bundle.verify(desk)) == before
    edit(desk, labels=["card_lost", "opening_hours", "refunds"])
    assert bundle.identity(bundle.verify(desk)) != before


def test_a_bundle_packed_later_is_the_same_to_the_byte(tmp_path: Path) -> None:
    folder = classify_task(tmp_path / "task")
    for name in ("one", "two"):
        train(folder, tmp_path / name, quiet=True, only=["ngrams"])
    for name in ("manifest.json", "head.safetensors", "trust.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert (tmp_path / "one" / "record.json").read_bytes() != (tmp_path / "two" / "record.json").read_bytes()


@pytest.mark.parametrize("at", [0, 100, -1])
def test_one_byte_changed_in_the_head_is_refused(desk: Path, at: int) -> None:
    path = desk / "head.safetensors"
    told = json.loads((desk / "manifest.json").read_text())["files"]["head.safetensors"]
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    found = bundle.hash_file(path)
    message = f"bundle 'desk': head.safetensors has sha256 {found[:12]}, the manifest says {told[:12]}"
    assert refusal(desk) == (message, AGAIN)


def test_one_byte_changed_in_the_encoder_is_refused(tmp_path: Path) -> None:
    folder = encoder_bundle(tmp_path / "tiny")
    path = folder / "encoder.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    assert refusal(folder)[0].startswith("bundle 'tiny': encoder.onnx has sha256 ")


def test_one_byte_changed_in_the_manifest_is_refused_or_is_another_specialist(desk: Path) -> None:
    path = desk / "manifest.json"
    whole, before = path.read_bytes(), load(desk).sha256
    refused = 0
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            assert load(desk).sha256 != before
        except BundleError:
            refused += 1
    assert refused > 20


def test_a_manifest_that_is_not_json_or_not_a_manifest_is_refused(desk: Path) -> None:
    path = desk / "manifest.json"
    path.write_bytes(path.read_bytes()[:-1])
    assert refusal(desk) == (f"{path}: Input data was truncated", AGAIN)
    path.write_text("{}")
    assert refusal(desk) == (f"{path}: Object missing required field `name`", AGAIN)


def test_an_unknown_key_of_the_manifest_is_refused(desk: Path) -> None:
    path = edit(desk, trained_at="2026-11-23")
    assert refusal(desk) == (f"{path}: Object contains unknown field `trained_at`", AGAIN)


def test_another_format_names_the_way_out(desk: Path) -> None:
    path = edit(desk, format=3)
    assert refusal(desk) == (f"{path}: format 3; this version reads 2", "pip install -U jangin")
    edit(desk, format=1)
    message = f"{path}: format 1; this version reads 2"
    assert refusal(desk) == (message, "train again: an earlier version wrote it")


def test_a_missing_file_or_folder_is_named(desk: Path, tmp_path: Path) -> None:
    (desk / "head.safetensors").unlink()
    assert refusal(desk) == ("bundle 'desk': head.safetensors is missing", AGAIN)
    expected = f"{tmp_path / 'none'}: not a specialist (no readable manifest.json)"
    assert refusal(tmp_path / "none") == (expected, "name a folder that `jangin train` wrote")


def test_a_file_name_that_leaves_the_bundle_is_refused(desk: Path) -> None:
    files = json.loads((desk / "manifest.json").read_text())["files"]
    path = edit(desk, files={**files, "../desk/head.safetensors": "0" * 64})
    expected = f"{path}: file name '../desk/head.safetensors' leaves the bundle"
    assert refusal(desk) == (expected, "do not use this bundle")


def test_a_head_that_the_manifest_does_not_bind_is_refused(desk: Path) -> None:
    path = edit(desk, files={})
    assert refusal(desk) == (f"{path}: 'files' has no hash of 'head.safetensors'", AGAIN)


def test_an_encoder_under_another_s_hash_is_refused(tmp_path: Path) -> None:
    """Readers are shared by that hash: a bundle that lies about it would answer with another one's encoder."""
    folder = encoder_bundle(tmp_path / "tiny")
    manifest = json.loads((folder / "manifest.json").read_text())
    told = manifest["files"]["encoder.onnx"]
    path = edit(folder, encoder={**manifest["encoder"], "sha256": "0" * 64})
    message = f"{path}: 'encoder' says that encoder.onnx is 000000000000, 'files' says {told[:12]}"
    assert refusal(folder) == (message, AGAIN)
    path = edit(folder, encoder={**manifest["encoder"], "tokenizer": "../x.json"})
    assert refusal(folder) == (f"{path}: 'files' has no hash of '../x.json'", AGAIN)


def test_a_new_bundle_takes_the_place_of_the_old_one_whole(tmp_path: Path) -> None:
    folder = classify_task(tmp_path / "task")
    out = ngram_bundle(tmp_path / "out")
    (out / "certificate.json").write_text("{}")
    train(folder, out, quiet=True, only=["ngrams"])
    assert sorted(path.name for path in out.iterdir()) == [
        *("head.safetensors", "manifest.json", "record.json", "terms.json", "trust.json")
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "task"]


def disagree(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that gives every label the next one's probability."""
    monkeypatch.setattr(pack, "_ask", lambda url, specialist, inputs: np.roll(specialist.probabilities(inputs), 1, 1))


def test_a_bundle_that_answers_otherwise_over_http_is_not_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = classify_task(tmp_path / "task"), ngram_bundle(tmp_path / "out")
    before = load(out).sha256
    disagree(monkeypatch)
    with pytest.raises(BundleError) as error:
        train(folder, out, quiet=True, only=["ngrams"])
    message = "packed and http disagree on 100.0% of 18 validation rows; 0.5% is allowed"
    assert error.value.message == message
    assert error.value.hint == "report this with the record: the bundle was not released"
    assert load(out).sha256 == before
    assert not (tmp_path / ".out.building").exists()


def test_a_packed_head_that_differs_from_the_trainer_s_is_not_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pack.linear.save

    def damaged(path: Path, head: Any) -> None:
        real(path, msgspec.structs.replace(head, bias=head.bias[::-1] * 50 + np.float32([0, 90, 0])))

    monkeypatch.setattr(pack.linear, "save", damaged)
    with pytest.raises(BundleError, match=r"^trainer and packed disagree on \d+\.\d% of 18 validation rows; 0.5% is "):
        train(classify_task(tmp_path / "task"), tmp_path / "out", quiet=True, only=["ngrams"])
    assert not (tmp_path / "out").exists()


def test_the_parity_check_passes_a_proxy_by(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    from jangin.serve.run import background

    specialist = load(desk)
    with socket.create_server(("127.0.0.1", 0)) as proxy, background([desk]) as url:
        proxy.settimeout(0.1)
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        assert pack._ask(url, specialist, ["hello"]).sum() > 0.5
        with pytest.raises(TimeoutError):
            proxy.accept()  # nobody asked it


def test_a_server_that_does_not_answer_is_named_as_such(desk: Path) -> None:
    specialist = load(desk)
    with pytest.raises(EngineError) as error:
        pack._ask("http://127.0.0.1:9", specialist, ["hello"])
    assert error.value.message.startswith("the parity check got no answer from the server: ")


def test_long_inputs_are_asked_in_bodies_that_the_server_takes() -> None:
    long = "가" * 100_000
    batches = pack._requests([long] * 30 + ["short"] * 250)
    assert [row for batch in batches for row in batch] == list(range(280))
    assert max(map(len, batches)) == 100
    assert max(sum(len(long.encode()) for row in batch if row < 30) for batch in batches) <= pack.REQUEST_BYTES


def test_a_folder_that_may_not_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        write_atomic(tmp_path / "file" / "manifest.json", b"{}")
    assert isinstance(load(ngram_bundle(tmp_path / "desk")), Specialist)
