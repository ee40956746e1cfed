"""The catalogue: complete, pinned, honest about licences, and free of registry hosts."""

from __future__ import annotations

import re
from importlib.resources import files

import msgspec
import pytest
import yaml

from jangin.bases import catalogue
from jangin.errors import UnknownBaseError
from jangin.types import BaseFile, BaseModel, HubSource, IndexSource

IDS = """minilm-l6 minilm-l6-q8 minilm-l6-int8 minilm-l6-gguf use-multilingual-3 multilingual-e5-small smollm2-135m
gemma-3-270m qwen2.5-coder-0.5b llama-3.2-1b qwen2.5-coder-1.5b mistral-7b-v0.3 llama-3.1-8b""".split()  # noqa: SIM905


def test_the_catalogue_holds_the_bases_encoders_first_then_by_size():
    bases = catalogue.all()
    assert [base.id for base in bases] == IDS
    assert [base.family for base in bases] == ["encoder"] * 6 + ["decoder"] * 7
    decoders = [base.params for base in bases if base.family == "decoder"]
    assert decoders == sorted(decoders)


def test_an_unknown_base_names_the_ones_near_it():
    with pytest.raises(UnknownBaseError) as caught:
        catalogue.get("minilm-l8")
    assert caught.value.message == "base 'minilm-l8' is not in the catalogue"
    assert caught.value.hint == "did you mean 'minilm-l6' or 'minilm-l6-q8' or 'minilm-l6-int8'?"


def test_an_unknown_base_near_to_nothing_lists_all():
    with pytest.raises(UnknownBaseError) as caught:
        catalogue.get("zzz")
    assert caught.value.hint == "one of " + ", ".join(IDS) + "; or a local folder, or a hub id such as 'owner/name'"


@pytest.mark.parametrize("base", catalogue.all(), ids=lambda base: base.id)
def test_every_hash_is_a_sha256_and_every_hub_revision_a_commit(base: BaseModel):
    for file in base.files:
        assert file.sources, file.name
        for source in file.sources:
            if isinstance(source, HubSource):
                assert re.fullmatch("[0-9a-f]{40}", source.revision)
            assert file.sha256 is not None or isinstance(source, HubSource)
        if file.sha256 is not None:
            assert re.fullmatch("[0-9a-f]{64}", file.sha256)
            assert file.bytes


@pytest.mark.parametrize("base", catalogue.all(), ids=lambda base: base.id)
def test_the_parts_of_a_file_stand_in_numeric_order(base: BaseModel):
    for wheels in _wheel_lists(base):
        assert all(re.fullmatch("[0-9a-f]{64}", wheel.sha256) for wheel in wheels)
        if len(wheels) > 1:
            assert [int(wheel.package.rpartition("part")[2]) for wheel in wheels] == list(range(1, len(wheels) + 1))
            assert len({wheel.sha256 for wheel in wheels}) == len(wheels)


def test_a_licence_that_is_not_a_standard_one_says_what_it_obliges_to():
    special = {base.id for base in catalogue.all() if base.license.startswith("LicenseRef-")}
    assert special == {"gemma-3-270m", "llama-3.2-1b", "llama-3.1-8b"}
    assert special == {base.id for base in catalogue.all() if base.notice}
    assert {base.license for base in catalogue.all() if base.id not in special} == {"Apache-2.0", "MIT"}


def test_a_misspelt_key_in_the_catalogue_would_be_noticed():
    raw = yaml.safe_load(files("jangin.bases").joinpath("catalogue.yaml").read_text("utf-8"))["bases"]
    for base in raw:
        assert set(base) <= {field.name for field in msgspec.structs.fields(BaseModel)}
        for file in base["files"]:
            assert set(file) <= {field.name for field in msgspec.structs.fields(BaseFile)}


def test_the_int8_encoder_shares_its_tokenizer_with_the_fp32_one():
    tokenizers = {
        file.sha256
        for base in ("minilm-l6", "minilm-l6-int8", "minilm-l6-q8")
        for file in catalogue.get(base).files
        if file.name == "tokenizer.json"
    }
    assert tokenizers == {"be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"}


def test_the_base_in_integers_needs_no_other_download_and_names_four_ranges_a_layer():
    exact, whole = catalogue.get("minilm-l6"), catalogue.get("minilm-l6-q8")
    assert whole.files == exact.files
    assert [len(of) for of in whole.config["ranges"]] == [4] * exact.config["layers"]
    assert all(low < 0 < high for of in whole.config["ranges"] for low, high in of)


def test_no_host_of_a_hub_or_an_index_stands_in_the_code_of_the_bases():
    for entry in files("jangin.bases").iterdir():
        if entry.name.endswith((".py", ".yaml")):
            hosts = re.findall(r"https?://(?!127\.0\.0\.1)[\w.-]+\.\w+", entry.read_text("utf-8"))
            assert hosts == [], entry.name


def _wheel_lists(base: BaseModel):
    return [source.wheels for file in base.files for source in file.sources if isinstance(source, IndexSource)]
