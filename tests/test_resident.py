"""Heads that are let go of: memory stays within the limit, and no answer changes by it."""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import bundles
from jangin.errors import InputError
from jangin.models import linear, ngrams
from jangin.models.base import Floats
from jangin.models.resident import Resident, let_go, limit
from jangin.models.specialist import load
from jangin.serve.engine import Engine
from jangin.serve.frames import Answers, Ask, Load, Loaded, Unload
from jangin.serve.run import serve

TEXTS = [f"{text} number {number}" for number in range(8) for text in bundles.TEXTS]
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/smaps")


def large(path: Path, seed: int = 0, labels: int = 1_200) -> linear.LinearHead:
    """A head of some 600 kB."""
    blocks = [ngrams.fit_block(TEXTS, analyzer, 2_000) for analyzer in ngrams.LATIN]
    drawn = np.random.default_rng(seed)
    weight = drawn.normal(0, 1, (sum(len(block.hashes) for block in blocks), labels)).astype(np.float32)
    none = np.zeros((0, labels), np.float16)
    linear.save(path, linear.LinearHead(blocks, *linear.quantise(weight), none, np.zeros(labels, np.float32)))
    return linear.load(path)


def resident(*paths: Path) -> int:
    """Bytes of these files that count as this process' memory."""
    names, found, inside = {str(path) for path in paths}, 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = line[line.find("/") :] in names
        elif inside and line.startswith("Rss:"):
            found += int(line.split()[1]) * 1024
    return found


def ask(head: linear.LinearHead) -> Floats:
    return head.logits(TEXTS, None)


@linux
def test_heads_stay_within_the_limit_and_answer_bit_for_bit_after_they_were_let_go(tmp_path: Path) -> None:
    paths = [tmp_path / f"head-{number}" for number in range(6)]
    heads = [large(path, number) for number, path in enumerate(paths)]
    assert resident(*paths) == 0  # loading read the header, and let it go
    size = paths[0].stat().st_size
    assert size > 500_000
    kept = Resident(2 * size + size // 2)
    first = [ask(head) for head in heads]
    assert resident(*paths) > 5 * size  # nothing was told of them yet
    for _ in range(3):
        for head, before in zip(heads, first):
            assert np.array_equal(ask(head), before)
            assert head.file is not None
            kept.touch(head.file)
        assert kept.bytes == 2 * size
        assert resident(*paths) <= kept.most_bytes
    assert resident(*paths[-2:]) > size  # those asked last are the ones that stayed


@linux
def test_what_was_asked_again_is_not_the_coldest(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "abc"]
    a, b, c = (large(path) for path in paths)
    kept = Resident(2 * paths[0].stat().st_size)
    for head in (a, b, a, c):
        ask(head)
        assert head.file is not None
        kept.touch(head.file)
    assert resident(paths[1]) == 0 < resident(paths[0])


@linux
def test_a_head_larger_than_the_limit_stays_until_another_one_is_asked(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "ab"]
    a, b = (large(path) for path in paths)
    kept = Resident(0)
    for head, path in ((a, paths[0]), (b, paths[1])):
        ask(head)
        assert head.file is not None
        kept.touch(head.file)
        assert resident(path) > 0 and kept.bytes == path.stat().st_size
    assert resident(paths[0]) == 0


def test_a_head_that_is_forgotten_counts_no_longer(tmp_path: Path) -> None:
    a, b = large(tmp_path / "a").file, large(tmp_path / "b").file
    assert a is not None and b is not None
    kept = Resident(10**9)
    kept.touch(a)
    kept.touch(b)
    kept.forget(a)
    kept.forget(a)
    assert kept.bytes == len(b)


def test_a_head_may_be_let_go_while_other_threads_read_it(tmp_path: Path) -> None:
    head = large(tmp_path / "head")
    before, wrong, over = ask(head), [], threading.Event()

    def read() -> None:
        while not over.is_set():
            if not np.array_equal(ask(head), before):
                wrong.append(1)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    assert head.file is not None
    for _ in range(2_000):
        let_go(head.file)
    over.set()
    for reader in readers:
        reader.join()
    assert not wrong


def test_counts_stay_right_when_threads_touch_and_forget_at_once(tmp_path: Path) -> None:
    files = [file for number in range(8) if (file := large(tmp_path / f"{number}", labels=8).file) is not None]
    size = len(files[0])
    kept = Resident(3 * size)

    def work(seed: int) -> None:
        for number in np.random.default_rng(seed).integers(0, len(files), 2_000):
            kept.touch(files[number])
            if number == 0:
                kept.forget(files[0])

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for file in files[1:]:
        kept.touch(file)
    assert kept.bytes == 3 * size


@linux
def test_an_engine_keeps_its_heads_within_the_limit_and_answers_as_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"desk-{number}" for number in range(5)]
    folders = [bundles.ngram_bundle(tmp_path / name, name, scale=5.0 + at) for at, name in enumerate(names)]
    heads = [folder / "head.safetensors" for folder in folders]
    most = heads[0].stat().st_size * 2.2
    monkeypatch.setenv("JANGIN_HEADS_MB", str(most / 1e6))
    engine = Engine(lambda report: None)
    for handle, folder in enumerate(folders):
        assert isinstance(engine.take(Load(handle, handle, str(folder), None)), Loaded)
    for at in range(20):
        handle, texts = at % 5, [TEXTS[at], TEXTS[at + 1]]
        [answer] = engine.answer([Ask(at, handle, texts)])
        assert isinstance(answer, Answers)
        assert answer.probabilities == load(folders[handle]).probabilities(texts).tobytes()
        assert resident(*heads) <= most + 3 * 4096  # the last page of each file is not full
    assert engine.take(Unload(99, 4)) is not None
    assert resident(heads[4]) == 0


def test_many_specialists_asked_in_one_batch_answer_bit_for_bit_as_alone(tmp_path: Path) -> None:
    korean = (*ngrams.LATIN, ngrams.HANGUL[1])
    engine = Engine(lambda report: None)
    folders = [bundles.ngram_bundle(tmp_path / f"{n}", f"desk-{n}", scale=3.0 + n) for n in range(3)]
    folders.append(
        bundles.ngram_bundle(tmp_path / "other", "other", analyzers=korean)
    )  # shares two analyzers with the others
    for handle, folder in enumerate(folders):
        engine.take(Load(handle, handle, str(folder), None))
    asks = [Ask(at, at % 4, [TEXTS[at], TEXTS[-at], TEXTS[at]]) for at in range(12)]
    for order, answer in zip(asks, engine.answer(asks)):
        assert isinstance(answer, Answers) and answer.id == order.id
        assert answer.probabilities == load(folders[order.handle]).probabilities(order.texts).tobytes()


@pytest.mark.parametrize("given", ["much", "-1", "nan", "inf"])
def test_a_limit_that_is_no_number_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JANGIN_HEADS_MB", given)
    with pytest.raises(InputError) as refused:
        serve([])
    assert refused.value.message == f"JANGIN_HEADS_MB is '{given}'; expected megabytes, 0 or more"
    assert refused.value.hint == "leave it out for 32"


@pytest.mark.parametrize(("given", "bytes_"), [(None, 32_000_000), ("", 32_000_000), ("0", 0), ("1.5", 1_500_000)])
def test_the_limit_is_in_megabytes(given: str | None, bytes_: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JANGIN_HEADS_MB", raising=False)
    if given is not None:
        monkeypatch.setenv("JANGIN_HEADS_MB", given)
    assert limit() == bytes_
