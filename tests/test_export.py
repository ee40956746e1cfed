"""`jangin export`: what another server reads answers as the trainer's copy and the bundle do, or is not written."""

from __future__ import annotations

import json
import resource
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jangin.bases import catalogue
from jangin.errors import BaseModelError, BundleError, InputError, StorageError

for module in ("torch", "transformers", "peft", "gguf", "xllamacpp"):
    pytest.importorskip(module, reason="the extras 'train' and 'decoder' are not installed")

import exportable  # noqa: E402 - only where the extras are
import tiny_models  # noqa: E402 - only where the extras are
from bundles import ngram_bundle  # noqa: E402 - only where the extras are
from jangin import cli  # noqa: E402 - only where the extras are
from jangin.export import merged_gguf, ollama, parity, peft_folder  # noqa: E402 - only where the extras are
from jangin.export.run import export  # noqa: E402 - only where the extras are
from jangin.files import hash_file  # noqa: E402 - only where the extras are
from jangin.models.decoder import Decoder  # noqa: E402 - only where the extras are
from jangin.prompt import PromptTemplate, chatml  # noqa: E402 - only where the extras are
from jangin.task import load_task  # noqa: E402 - only where the extras are
from jangin.train import adapters  # noqa: E402 - only where the extras are


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> exportable.Made:
    return exportable.make(tmp_path_factory.mktemp("llama"), "llama")


@pytest.fixture
def base(made: exportable.Made, monkeypatch: pytest.MonkeyPatch) -> Any:
    bases = dict(catalogue._bases())
    monkeypatch.setattr(catalogue, "_bases", lambda: bases)
    return exportable.add_base(made, bases)


def scores(logits: np.ndarray) -> np.ndarray:
    picked = logits[:, exportable.LABELS].astype(np.float64)
    return picked - np.log(np.exp(picked).sum(axis=1, keepdims=True))


def peft_scores(made: exportable.Made, tensors: dict[str, np.ndarray], folder: Path) -> np.ndarray:
    """The label scores of the PEFT folder, loaded by PEFT over transformers' copy of the base."""
    import torch
    from peft import PeftModel
    from safetensors.numpy import save_file
    from transformers import AutoModelForCausalLM

    folder.mkdir()
    save_file(tensors, folder / peft_folder.WEIGHTS, {"format": "pt"})
    names = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "target_modules": list(adapters.LAYERS)}
    config = {**names, "r": exportable.RECIPE.rank, "lora_alpha": exportable.RECIPE.alpha}
    (folder / peft_folder.CONFIG).write_text(json.dumps(config))
    whole = AutoModelForCausalLM.from_pretrained(made.hugging, dtype=torch.float32)
    model = PeftModel.from_pretrained(whole, folder).eval()
    with torch.no_grad():
        rows = [model(torch.tensor([prompt])).logits[0, -1].numpy() for prompt in made.asked]
    return scores(np.stack(rows))


@pytest.mark.parametrize("architecture", sorted(tiny_models.OWN))
def test_trainer_engine_merged_file_and_peft_give_the_same_scores(architecture: str, tmp_path: Path) -> None:
    made = exportable.make(tmp_path, architecture, epochs=2.0)
    adapter = adapters.read(made.adapter)
    tensors = peft_folder.tensors_of(adapter, made.base)
    told = merged_gguf.merge(made.base, adapter, tmp_path / "merged.gguf", "f16", "changed")
    assert told["merged"] == len(adapter.tensors) == 14 and told["copied"] > 0
    with Decoder(made.base, {"own": made.adapter}, context=256) as engine:
        ours = engine.score_labels(made.asked, exportable.LABELS, adapter="own")
        untouched = engine.score_labels(made.asked, exportable.LABELS)
    with Decoder(tmp_path / "merged.gguf", context=256) as engine:
        merged = engine.score_labels(made.asked, exportable.LABELS)
    assert made.trained.asked is not None
    trainer, peft = scores(made.trained.asked), peft_scores(made, tensors, tmp_path / "peft")
    far = np.abs(untouched - trainer).mean()
    assert far > 0.5, "the adapter must matter, or nothing is shown"
    assert np.abs(ours - trainer).mean() < 0.1  # the trainer may multiply in bfloat16
    assert np.abs(peft - trainer).mean() < 0.1
    assert np.abs(peft - ours).max() < 0.05
    assert np.abs(merged - ours).max() < 0.05


def test_rows_of_q_and_k_in_the_wrong_order_would_be_noticed(made: exportable.Made, tmp_path: Path) -> None:
    """What the test above measures, with the permutation left out: it must be far outside its bounds."""
    adapter = adapters.read(made.adapter)
    right = peft_folder.tensors_of(adapter, made.base)
    wrong = dict(right)
    for layer in range(2):
        for linear in ("q", "k"):
            name = f"base_model.model.model.layers.{layer}.self_attn.{linear}_proj.lora_B.weight"
            wrong[name] = adapter.tensors[f"blk.{layer}.attn_{linear}.weight"][1]
    gap = np.abs(peft_scores(made, wrong, tmp_path / "wrong") - peft_scores(made, right, tmp_path / "right")).max()
    assert gap > 0.1


def test_a_merged_file_keeps_what_the_adapter_does_not_touch(made: exportable.Made, tmp_path: Path) -> None:
    import gguf

    adapter = adapters.read(made.adapter)
    merged_gguf.merge(made.base, adapter, tmp_path / "m.gguf", "q8_0", "Changed: merged.")
    before, after = gguf.GGUFReader(made.base), gguf.GGUFReader(tmp_path / "m.gguf")
    assert [tensor.name for tensor in after.tensors] == [tensor.name for tensor in before.tensors]
    for one, other in zip(before.tensors, after.tensors):
        if one.name in adapter.tensors:
            assert other.tensor_type == gguf.GGMLQuantizationType.Q8_0
            a, b = adapter.tensors[one.name]
            wanted = one.data + adapter.alpha / adapter.rank * b @ a
            found = gguf.quants.dequantize(other.data, other.tensor_type)
            assert np.abs(found - wanted).max() < np.abs(wanted).max() / 100
        else:
            assert other.data.tobytes() == one.data.tobytes() and other.tensor_type == one.tensor_type
    own = {"general.file_type", "general.description"}
    kept = [name for name in before.fields if not name.startswith("GGUF.") and name not in own]
    assert [before.fields[name].contents() for name in kept] == [after.fields[name].contents() for name in kept]
    assert after.fields["general.description"].contents() == "Changed: merged."
    assert after.fields["general.file_type"].contents() == 7


@pytest.mark.parametrize("quantise", merged_gguf.TYPES)
def test_a_merged_file_answers_as_the_adapter_and_says_so(
    made: exportable.Made, base: Any, tmp_path: Path, quantise: str
) -> None:
    job = exportable.task(tmp_path / "task")
    folder = exportable.specialist(made, base, tmp_path / "letters", job=job)
    found = export(folder, "gguf", merged=True, quantise=quantise)
    out = tmp_path / "letters-gguf"
    assert Path(found.export) == out and found.certified == "uncertified until certified"
    assert {path.name for path in out.iterdir()} == {"README.md", "NOTICE", "jangin_prompt.json", "model.gguf"}
    assert {file.name: file.sha256 for file in found.files} == {p.name: hash_file(p) for p in out.iterdir()}
    assert found.parity["n"] == 32 and found.parity["same_answers"] >= 0.9
    assert found.parity["score_before"] > 0.5
    assert found.parity["score_after"] >= found.parity["score_before"] - 0.02


def test_a_classifier_is_compared_by_its_probabilities(made: exportable.Made, base: Any, tmp_path: Path) -> None:
    job = exportable.task(tmp_path / "task", "classify")
    folder = exportable.specialist(made, base, tmp_path / "letters", "classify", job)
    found = export(folder, "gguf", merged=True, quantise="f16")
    assert found.parity["metric"] == "accuracy" and found.parity["same_answers"] == 1.0
    assert 0 < found.parity["largest_confidence_gap"] < 0.01
    told = json.loads((tmp_path / "letters-gguf" / "jangin_prompt.json").read_text())
    assert told["label_tokens"] == dict(zip(exportable.LETTERS, exportable.LABELS))


def test_a_score_that_falls_refuses_the_export_and_leaves_nothing(
    made: exportable.Made, base: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The adapter laid on upside down: the merged file no longer knows its letters."""
    job = exportable.task(tmp_path / "task")
    folder = exportable.specialist(made, base, tmp_path / "letters", job=job)
    source_of = adapters.read

    def damaged(path: Path) -> adapters.GgufAdapter:
        found = source_of(path)
        return found._replace(alpha=-found.alpha)

    monkeypatch.setattr(adapters, "read", damaged)
    with pytest.raises(BundleError, match=r"exact_match falls from .* on 32 validation rows; 0.02 is allowed"):
        export(folder, "gguf", merged=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["letters", "task"]


def test_a_task_with_a_bar_allows_what_its_margin_says(made: exportable.Made, base: Any, tmp_path: Path) -> None:
    job = exportable.task(tmp_path / "task", margin="bar: {at_least: 0.5, margin: 0.11}\n")
    folder = exportable.specialist(made, base, tmp_path / "letters", job=job)
    assert export(folder, "gguf", merged=True).parity["margin"] == 0.11


def test_a_merged_file_needs_the_task_that_it_is_judged_on(made: exportable.Made, base: Any, tmp_path: Path) -> None:
    folder = exportable.specialist(made, base, tmp_path / "letters")
    with pytest.raises(InputError, match="the record names no task, and a merged file is judged on a task's"):
        export(folder, "gguf", merged=True)
    other = exportable.task(tmp_path / "other", "classify")
    with pytest.raises(BundleError, match="was trained for task"):
        export(folder, "gguf", merged=True, task=other)


def test_an_adapter_goes_out_as_it_is_with_the_name_of_its_base(
    made: exportable.Made, base: Any, tmp_path: Path
) -> None:
    folder = exportable.specialist(made, base, tmp_path / "letters")
    found = export(folder, "gguf", tmp_path / "out")
    assert found.parity["same_bytes"] is True
    assert (tmp_path / "out" / "adapter.gguf").read_bytes() == made.adapter.read_bytes()
    told = json.loads((tmp_path / "out" / "base.json").read_text())
    assert told == {
        "base": "tiny-decoder",
        "file": "model.gguf",
        "sha256": hash_file(made.base),
        "get": "jangin pull tiny-decoder",
    }


def test_the_peft_folder_loads_and_names_the_hub_repository(made: exportable.Made, base: Any, tmp_path: Path) -> None:
    import torch
    from peft import PeftConfig, PeftModel
    from transformers import AutoModelForCausalLM

    folder = exportable.specialist(made, base, tmp_path / "letters")
    found = export(folder, "hf", tmp_path / "out")
    assert found.parity["largest_weight_gap"] == 0 and found.parity["tensors"] == 28
    assert PeftConfig.from_pretrained(tmp_path / "out").base_model_name_or_path == "owner/tiny"
    whole = AutoModelForCausalLM.from_pretrained(made.hugging, dtype=torch.float32)
    model = PeftModel.from_pretrained(whole, tmp_path / "out").eval()
    with torch.no_grad():
        rows = [model(torch.tensor([prompt])).logits[0, -1].numpy() for prompt in made.asked]
    assert made.trained.asked is not None
    assert np.abs(scores(np.stack(rows)) - scores(made.trained.asked)).mean() < 0.1


def test_the_vllm_folder_holds_a_script_and_a_request(made: exportable.Made, base: Any, tmp_path: Path) -> None:
    folder = exportable.specialist(made, base, tmp_path / "letters", "extract")
    export(folder, "vllm", tmp_path / "out")
    script = tmp_path / "out" / "launch.sh"
    subprocess.run(["sh", "-n", str(script)], check=True)
    text = script.read_text()
    assert "vllm serve owner/tiny --enable-lora" in text and "--max-lora-rank 8 " in text
    asked = json.loads((tmp_path / "out" / "request.json").read_text())
    assert asked["structured_outputs"] == {"json": exportable.SCHEMA}
    assert asked["prompt"] == "{input}\n> " and asked["max_tokens"] == 8
    labels = exportable.specialist(made, base, tmp_path / "labels", "classify")
    export(labels, "vllm", tmp_path / "labelled")
    asked = json.loads((tmp_path / "labelled" / "request.json").read_text())
    assert asked["allowed_token_ids"] == exportable.LABELS and asked["max_tokens"] == 1


def test_the_modelfile_asks_as_the_bundle_does(made: exportable.Made, base: Any, tmp_path: Path) -> None:
    job = exportable.task(tmp_path / "task")
    folder = exportable.specialist(made, base, tmp_path / "letters", job=job)
    found = export(folder, "ollama", tmp_path / "out")
    text = (tmp_path / "out" / "Modelfile").read_text()
    assert text.splitlines()[:3] == [
        "# ollama create letters -f Modelfile",
        "FROM ./model.gguf",
        'TEMPLATE """{{ .Prompt }}{{ "\\n> " }}"""',
    ]
    for line in ("PARAMETER temperature 0", "PARAMETER num_ctx 256", "PARAMETER num_predict 8"):
        assert line in text.splitlines()
    assert f'LICENSE """LicenseRef-Tiny\n\n{exportable.NOTICE}"""' in text
    assert found.next == f"ollama create letters -f {tmp_path / 'out' / 'Modelfile'}"


def test_an_ollama_export_with_an_adapter_holds_the_base_and_warns(
    made: exportable.Made, base: Any, tmp_path: Path
) -> None:
    folder = exportable.specialist(made, base, tmp_path / "letters", "extract")
    found = export(folder, "ollama", tmp_path / "out", merged=False)
    text = (tmp_path / "out" / "Modelfile").read_text()
    assert "FROM ./base.gguf\nADAPTER ./adapter.gguf\n" in text
    assert hash_file(tmp_path / "out" / "base.gguf") == hash_file(made.base)
    assert "is reported to refuse `ADAPTER`" in found.next
    assert json.loads((tmp_path / "out" / "schema.json").read_text()) == exportable.SCHEMA
    assert "must send it as `format`" in (tmp_path / "out" / "README.md").read_text()


def test_a_template_is_spelt_in_go_so_that_nothing_of_it_is_trimmed_or_read_as_code() -> None:
    assert ollama.go_template(PromptTemplate()) == '{{ .Prompt }}{{ "\\n\\n" }}'
    spelt = ollama.go_template(chatml('Say "{{ .System }}" \\ 한'))
    assert spelt == (
        '{{ "<|im_start|>system\\nSay \\"{{ .System }}\\" \\\\ 한<|im_end|>\\n<|im_start|>user\\n" }}'
        '{{ .Prompt }}{{ "<|im_end|>\\n<|im_start|>assistant\\n" }}'
    )


def test_the_card_repeats_the_licence_and_says_that_the_certificate_is_not_its_own(
    made: exportable.Made, base: Any, tmp_path: Path
) -> None:
    job = exportable.task(tmp_path / "task")
    folder = exportable.specialist(made, base, tmp_path / "letters", job=job)
    identity = export(folder, "gguf", tmp_path / "plain").specialist
    assert "The bundle had no certificate" in (tmp_path / "plain" / "README.md").read_text()
    certificate = {"id": "ab" * 32, "specialist": {"sha256": identity}, "result": {"verdict": "non-inferior"}}
    (folder / "certificate.json").write_text(json.dumps(certificate))
    found = export(folder, "gguf", tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert exportable.NOTICE in card and exportable.NOTICE in (tmp_path / "out" / "NOTICE").read_text()
    assert f"`{'ab' * 32}`, non-inferior" in card
    assert "The certificate is the bundle's, not this export's" in card
    assert "exact_match 0.9000, n = 32" in card and f"| train | 96 | `{'11' * 32}` |" in card
    for file in found.files:
        assert file.name == "README.md" or f"| {file.name} | `{file.sha256}` |" in card


def test_a_derived_name_begins_as_metas_licence_asks(
    made: exportable.Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bases: dict[str, Any] = {}
    monkeypatch.setattr(catalogue, "_bases", lambda: bases)
    base = exportable.add_base(made, bases, license="LicenseRef-Llama-3.2-Community")
    folder = exportable.specialist(made, base, tmp_path / "letters")
    export(folder, "vllm", tmp_path / "out")
    assert '--lora-modules llama-letters="$here"' in (tmp_path / "out" / "launch.sh").read_text()


def test_what_has_no_decoder_or_no_adapter_is_refused_and_told_what_it_is(
    made: exportable.Made, base: Any, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="'desk' is made of n-grams and a linear head: there is no decoder") as caught:
        export(ngram_bundle(tmp_path / "desk"), "hf")
    assert str(caught.value.hint).startswith("the bundle itself is portable")
    labels = exportable.specialist(made, base, tmp_path / "labels", "classify")
    with pytest.raises(InputError, match="Ollama cannot restrict an answer to a set of tokens"):
        export(labels, "ollama", merged=False)
    assert not (tmp_path / "labels-ollama").exists()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"to": "onnx"}, "no form 'onnx'"),
        ({"to": "hf", "merged": True}, "--merged makes a GGUF, and hf reads a folder of PEFT's"),
        ({"to": "gguf", "quantise": "f16"}, "--quantise is of merged weights; an adapter stays as it is"),
        ({"to": "gguf", "merged": True, "quantise": "q2"}, "no type 'q2'"),
    ],
)
def test_what_does_not_go_together_is_refused(asked: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        export(tmp_path, **asked)
    assert caught.value.message == message


def test_a_folder_that_holds_something_is_never_overwritten(made: exportable.Made, base: Any, tmp_path: Path) -> None:
    folder = exportable.specialist(made, base, tmp_path / "letters")
    (tmp_path / "out").mkdir()
    export(folder, "hf", tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(InputError, match="is there already"):
        export(folder, "gguf", tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_a_base_that_is_not_here_names_the_command_that_fetches_it(
    made: exportable.Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = catalogue.get("smollm2-135m")
    folder = exportable.specialist(made, base, tmp_path / "letters")
    with pytest.raises(BaseModelError, match="base 'smollm2-135m' is not in the store") as caught:
        export(folder, "gguf")
    assert caught.value.hint == "jangin pull smollm2-135m"


def test_an_adapter_of_another_base_is_refused(made: exportable.Made, tmp_path: Path) -> None:
    other = adapters.read(made.adapter)
    a, b = other.tensors["blk.0.attn_q.weight"]
    other = other._replace(tensors={**other.tensors, "blk.9.attn_q.weight": (a, b)})
    with pytest.raises(BundleError, match=r"the adapter's 'blk.9.attn_q.weight' is 64 x 64, the base's is not there"):
        merged_gguf.merge(made.base, other, tmp_path / "m.gguf", "f16", "")
    with pytest.raises(BundleError, match="the adapter is for qwen2, the base is llama"):
        peft_folder.tensors_of(other._replace(architecture="qwen2"), made.base)
    assert not (tmp_path / "m.gguf").exists()


def test_a_full_disk_is_named_and_leaves_nothing(made: exportable.Made, base: Any, tmp_path: Path) -> None:
    job = exportable.task(tmp_path / "task")
    folder = exportable.specialist(made, base, tmp_path / "letters", job=job)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # no file may grow beyond, as on a full disk
    try:
        with pytest.raises(StorageError, match="the disk is full"):
            export(folder, "gguf", tmp_path / "out", merged=True)
        with pytest.raises(StorageError, match="the disk is full"):
            export(folder, "ollama", tmp_path / "out", merged=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["letters", "task"]


def test_the_verb_prints_one_json_document(
    made: exportable.Made, base: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = exportable.specialist(made, base, tmp_path / "letters")
    assert cli.main(["export", str(folder), "--to", "hf", "-o", str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["to"] == "hf" and found["parity"]["largest_weight_gap"] == 0
    assert found["certified"] == "uncertified until certified"
    assert sorted(file["name"] for file in found["files"]) == sorted(p.name for p in (tmp_path / "out").iterdir())
    assert cli.main(["export", str(folder), "--to", "hf", "-o", str(tmp_path / "out")]) == 2


def test_the_compared_rows_are_spread_over_validation(
    made: exportable.Made, base: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jangin.export.source import read_source

    job = exportable.task(tmp_path / "task")
    source = read_source(exportable.specialist(made, base, tmp_path / "letters", job=job))
    monkeypatch.setattr(parity, "ROWS", 4)
    rows = parity.validation_of(source, load_task(job))
    assert [row.id for row in rows] == ["validation-300", "validation-308", "validation-316", "validation-324"]
