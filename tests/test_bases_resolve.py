"""Bases by local folder and by hub id."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import save

from bases_server import REVISION, hub_path, serving, sha
from jangin.bases import download, pull
from jangin.bases.resolve import resolve
from jangin.bases.store import Store
from jangin.errors import BaseModelError, SourceError, StorageError, UnknownBaseError

CONFIG = {
    "model_type": "xlm-roberta",
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 514,
    "vocab_size": 100,
}
LLAMA = {**CONFIG, "model_type": "llama", "max_position_embeddings": 2048}
WEIGHTS = save({"embeddings": np.zeros((100, 8), np.float32), "bias": np.zeros(8, np.float32)})


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "home")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    return folder


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "BACKOFF_S", 0.001)
    for name in ("JANGIN_MIRROR", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with serving() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def publish(server, config=CONFIG, files=("model.safetensors", "tokenizer.json", "config.json"), **info):
    contents = {"model.safetensors": WEIGHTS, "tokenizer.json": b"{}", "config.json": json.dumps(config).encode()}
    siblings = []
    for name in files:
        content = contents.get(name, b"")
        server.files[hub_path(name, "owner/tiny")] = content
        sibling = {"rfilename": name, "size": len(content)}
        if name.endswith(".safetensors"):
            sibling["lfs"] = {"sha256": sha(content), "size": len(content)}
        siblings.append(sibling)
    answer = {"sha": REVISION, "siblings": siblings, **info}
    server.files["/api/models/owner/tiny/revision/main"] = json.dumps(answer).encode()


def test_a_local_folder_is_a_base_pinned_by_what_is_in_it(folder, store):
    base = resolve(str(folder), store)
    assert (base.id, base.architecture, base.family) == (str(folder), "XLM-RoBERTa", "encoder")
    assert (base.params, base.dimensions, base.context) == (808, 8, 512)
    assert (base.license, base.languages) == ("NOASSERTION", ["und"])
    assert [(file.name, file.sha256) for file in base.files] == [
        ("model.safetensors", sha(WEIGHTS)),
        ("tokenizer.json", sha(b"{}")),
        ("config.json", sha(json.dumps(CONFIG).encode())),
    ]
    assert base.config["pooling"] == "mean"


def test_the_files_of_a_local_folder_are_used_where_they_lie(folder, store):
    assert pull.ensure(str(folder), store=store)["model.safetensors"] == folder / "model.safetensors"
    assert [record.source for record in pull.pull(str(folder), store=store)] == ["folder"] * 3
    assert not (store.home / "blobs").exists()


def test_a_changed_file_changes_the_identity_of_a_folder(folder, store):
    before = resolve(str(folder), store).files[0].sha256
    (folder / "model.safetensors").write_bytes(save({"bias": np.ones(9, np.float32)}))
    assert resolve(str(folder), store).files[0].sha256 != before


def test_the_pooling_of_a_sentence_encoder_is_read_from_its_folder(folder, store):
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    assert resolve(str(folder), store).config["pooling"] == "cls"


def test_a_folder_with_pickled_weights_only_is_refused(folder, store):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BaseModelError) as caught:
        resolve(str(folder), store)
    assert caught.value.message == f"'{folder}' holds no model.safetensors"
    assert caught.value.hint == (
        "Jangin reads weights as safetensors and tokenizers as tokenizer.json, never pickles or remote code"
    )


def test_an_unknown_architecture_is_refused_with_the_known_ones(folder, store):
    (folder / "config.json").write_text(json.dumps({**CONFIG, "model_type": "mamba"}))
    with pytest.raises(BaseModelError) as caught:
        resolve(str(folder), store)
    assert caught.value.message == f"'{folder}' is of architecture 'mamba', which Jangin does not run"
    assert caught.value.hint == (
        "encoders: bert, distilbert, electra, roberta, xlm-roberta; "
        "decoders: gemma, gemma2, gemma3_text, llama, mistral, qwen2, qwen3"
    )


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 100, (2).to_bytes(8, "little") + b"[]"])
def test_a_file_that_only_claims_to_be_safetensors_is_refused(folder, store, content):
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(BaseModelError) as caught:
        resolve(str(folder), store)
    assert caught.value.message == f"{folder / 'model.safetensors'}: not a safetensors file"


def test_a_configuration_without_a_needed_fact_is_refused(folder, store):
    (folder / "config.json").write_text(json.dumps({k: v for k, v in CONFIG.items() if k != "vocab_size"}))
    with pytest.raises(BaseModelError, match=f"the config.json of '{folder}' has no 'vocab_size'"):
        resolve(str(folder), store)


def test_a_hub_id_is_looked_up_once_and_then_stays_what_it_was(server, store):
    publish(server, safetensors={"total": 808}, cardData={"license": "apache-2.0", "language": "ko"})
    assert pull.local("owner/tiny", store) is None
    base = resolve("owner/tiny", store)
    assert (base.params, base.license, base.languages) == (808, "Apache-2.0", ["ko"])
    assert [file.sha256 for file in base.files] == [sha(WEIGHTS), None, None]
    pull.ensure("owner/tiny", quiet=True, store=store)
    server.files.clear()
    assert resolve("owner/tiny", store) == base
    assert pull.local("owner/tiny", store)["model.safetensors"].read_bytes() == WEIGHTS


def test_a_decoder_brings_its_licence_notice_and_its_attention_facts(server, store):
    publish(server, config=LLAMA, cardData={"license": "llama3.2", "language": ["en", "de"]})
    base = resolve("owner/tiny", store)
    assert (base.architecture, base.family, base.dimensions) == ("Llama", "decoder", None)
    assert base.params == len(WEIGHTS) // 4
    assert base.license == "LicenseRef-Llama-3.2-Community"
    assert base.notice.startswith("Llama 3.2 Community License.")
    assert (base.config["kv_heads"], base.config["head_dim"]) == (2, 4)


def test_the_shards_of_a_large_model_are_all_taken(server, store):
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    publish(server, files=(*shards, "model.safetensors.index.json", "tokenizer.json", "config.json"))
    assert [file.name for file in resolve("owner/tiny", store).files] == [
        *shards,
        "tokenizer.json",
        "config.json",
        "model.safetensors.index.json",
    ]


def test_a_hub_id_that_the_hub_does_not_show_says_what_to_do(server, store):
    server.faults["/api/models/owner/tiny/revision/main"] = [("status", 401)]
    with pytest.raises(SourceError) as caught:
        resolve("owner/tiny", store)
    assert caught.value.message == (
        f"the hub does not show 'owner/tiny': {server.url}/api/models/owner/tiny/revision/main: HTTP 401"
    )
    assert caught.value.hint == "check the spelling; if its licence must be accepted, do so on the hub and set HF_TOKEN"


def test_an_answer_that_is_not_a_hubs_is_refused(server, store):
    server.files["/api/models/owner/tiny/revision/main"] = b"<html>"
    with pytest.raises(SourceError, match="the hub could not be asked about 'owner/tiny': Expecting value"):
        resolve("owner/tiny", store)
    server.files["/api/models/owner/tiny/revision/main"] = b"{}"
    with pytest.raises(SourceError, match="the hub's answer about 'owner/tiny' lacks 'sha'"):
        resolve("owner/tiny", store)


def test_a_broken_record_of_a_hub_id_is_named(server, store):
    publish(server)
    resolve("owner/tiny", store)
    store.ref("owner/tiny", "resolved").write_text("{}")
    with pytest.raises(StorageError, match="not the record of a base"):
        resolve("owner/tiny", store)


def test_a_folder_that_does_not_exist_is_an_unknown_base(store):
    with pytest.raises(UnknownBaseError, match=r"base '\./mine' is not in the catalogue"):
        resolve("./mine", store)
