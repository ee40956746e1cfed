"""Fine-tuning (extra `train`) on a base of two random layers: our graph answers as torch does."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jangin.errors import BaseModelError
from jangin.models import graph
from jangin.models.base import Floats
from jangin.models.encoder import Encoder, EncoderFiles
from jangin.task import load_task
from jangin.train import encoder as tuning
from jangin.train.encoder import TunedRung
from jangin.train.head import calibrate
from jangin.train.workshop import Workshop
from small_tasks import classify_task, tag_task

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")


@pytest.fixture
def two_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "MOST_EPOCHS", 2)


def workshop(folder: Path, work: Path) -> Workshop:
    return Workshop(load_task(folder), 0, work, True)


def trained(shop: Workshop, folder: Path) -> tuple[dict[str, Floats], dict]:
    import msgspec

    from jangin.bases import pull

    found = pull.ensure("tiny-bert", quiet=True)
    config = msgspec.json.decode(found["config.json"].read_bytes())
    return tuning._train(shop, "tiny-bert", shop.train, found, config, folder), config


@pytest.mark.parametrize("make", [classify_task, tag_task])
def test_our_graph_gives_the_logits_that_torch_gives(make, tmp_path: Path, tiny_base, two_epochs) -> None:
    shop = workshop(make(tmp_path / "task"), tmp_path / "work")
    weights, config = trained(shop, tmp_path / "tuned")
    state = {name if name.startswith("head.") else f"body.{name}": torch.tensor(w) for name, w in weights.items()}
    files = {Path(file.name).name: Path(file.sources[0].path) for file in tiny_base.files}
    model = tuning._module(files["model.safetensors"], config, shop.train, len(shop.labels))
    model.load_state_dict(state)
    data = tuning._Texts(shop.validation, files["tokenizer.json"], "")
    assert len(data) == len(shop.validation)
    batch = tuning._collate([data[row] for row in range(len(data))])
    with torch.no_grad():
        want = model.eval()(**batch)["logits"].numpy()
    head = (weights.pop("head.weight"), weights.pop("head.bias"))
    path = graph.write(tmp_path / "encoder.onnx", weights, config, head=head)
    encoder = Encoder(EncoderFiles("tiny", path, files["tokenizer.json"], ""))
    assert np.abs(encoder.logits(shop.validation.texts) - want).max() < 1e-4


def test_a_tuned_rung_learns_what_its_base_does_not_know(tmp_path: Path, tiny_base, monkeypatch, capsys) -> None:
    monkeypatch.setattr(tuning, "LEARNING_RATE", 5e-3)  # for 24 dimensions that know nothing yet
    monkeypatch.setattr(tuning, "HEAD_LEARNING_RATE", 2e-2)
    shop = workshop(classify_task(tmp_path / "task", hard=0.0), tmp_path / "work")
    rung = TunedRung("tiny-bert", False)
    assert rung.name == "tiny-bert-tuned" and rung.why_not(shop) is None
    attempt = rung.attempt(shop)
    assert attempt.encoded is not None
    assert (attempt.encoded.argmax(1) == shop.validation.gold).mean() > 0.9
    assert capsys.readouterr().out == ""
    assert attempt.spec.output == "logits" and attempt.fitted_on == "train"
    assert len(attempt.calibration_rows) == len(shop.train) // 10
    assert not (shop.work / "tuned-tiny-bert" / "checkpoints").exists()
    shipped = attempt.shipped()
    packed = shipped.head.logits(shop.validation.texts, attempt.encoded)
    assert packed == pytest.approx(shipped.trainer, rel=2**-11, abs=1e-4)  # the packed head is in half precision


def test_beside_the_ngrams_nothing_is_trained_again(tmp_path: Path, tiny_base, two_epochs, monkeypatch) -> None:
    shop = workshop(classify_task(tmp_path / "task"), tmp_path / "work")
    TunedRung("tiny-bert", False).attempt(shop)
    monkeypatch.setattr(tuning, "_train", None)
    both = TunedRung("tiny-bert", True)
    assert both.minutes(shop) == 0.1
    attempt = both.attempt(shop)
    assert [part.solver for part in attempt.parts] == ["ngrams", "encoder"]
    assert all(len(part.calibration) == len(attempt.calibration_rows) for part in attempt.parts)
    assert calibrate([p.calibration for p in attempt.parts], attempt.calibration_rows).scale.min() > 0


def test_a_base_under_a_prefix_is_the_one_that_is_tuned(tmp_path: Path, tiny_base) -> None:
    """A checkpoint saved with a head keeps the encoder under 'bert.': unread, training would start from nothing."""
    from safetensors.torch import load_file, save_file

    shop = workshop(classify_task(tmp_path / "task"), tmp_path / "work")
    plain = Path(tiny_base.files[0].sources[0].path)
    save_file({f"bert.{name}": value for name, value in load_file(plain).items()}, tmp_path / "prefixed")
    config = json.loads(plain.with_name("config.json").read_text())
    bodies = [tuning._module(path, dict(config), shop.train, 3).body for path in (plain, tmp_path / "prefixed")]
    one, other = (body.state_dict() for body in bodies)
    name = "embeddings.word_embeddings.weight"
    assert torch.equal(one[name], other[name]) and torch.equal(one[name], load_file(plain)[name])


def test_a_base_that_lacks_tensors_is_refused(tmp_path: Path, tiny_base) -> None:
    from safetensors.torch import load_file, save_file

    shop = workshop(classify_task(tmp_path / "task"), tmp_path / "work")
    plain = Path(tiny_base.files[0].sources[0].path)
    lacking = "encoder.layer.1.output.dense.weight"
    save_file({name: value for name, value in load_file(plain).items() if name != lacking}, tmp_path / "part")
    config = json.loads(plain.with_name("config.json").read_text())
    with pytest.raises(BaseModelError) as error:
        tuning._module(tmp_path / "part", config, shop.train, 3)
    assert error.value.message == f"{tmp_path / 'part'}: 1 of the encoder's tensors are missing, first '{lacking}'"


DRIVER = """
import sys
sys.path.insert(0, {tests!r})
import tiny_base
from pathlib import Path
from jangin.task import load_task
from jangin.train.encoder import TunedRung
from jangin.train.workshop import Workshop
tiny_base.register(tiny_base.add(Path({base!r})))
TunedRung("tiny-bert", False).attempt(Workshop(load_task({task!r}), 0, Path({work!r}), True))
"""


def tune(task: Path, base: Path, work: Path) -> subprocess.Popen[bytes]:
    tests = str(Path(__file__).parent)
    code = DRIVER.format(tests=tests, base=str(base), task=str(task), work=str(work))
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)


def test_a_resume_after_kill_9_gives_the_same_weights(tmp_path: Path) -> None:
    task, base = classify_task(tmp_path / "task"), tmp_path / "tiny-bert"
    assert tune(task, base, tmp_path / "undisturbed").wait(300) == 0
    folder = tmp_path / "killed" / "tuned-tiny-bert"
    process = tune(task, base, tmp_path / "killed")
    while process.poll() is None and not list(folder.glob("checkpoints/checkpoint-*/trainer_state.json")):
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -9 and not (folder / "encoder.onnx").exists()
    assert tune(task, base, tmp_path / "killed").wait(300) == 0
    found = [(tmp_path / name / "tuned-tiny-bert" / "encoder.onnx").read_bytes() for name in ("undisturbed", "killed")]
    assert found[0] == found[1]
