"""The decoder's engine against a forward pass in numpy: scores, adapters, schemas, stops, streams and refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import tiny_gguf as tiny
from jangin.errors import BaseModelError, BundleError, EngineError, InputError, MissingExtraError, RequestError
from jangin.models.decoder import Decoder

CONTEXT = 200  # the engine makes it 256
LABELS = tiny.ids("ABCDEFG")
PROMPTS = ["Which one is it? ", "x", "카드를 잃어버렸어요. ", "a somewhat longer prompt, to sit beside short ones: "]
SCHEMA = {
    "type": "object",
    "properties": {"kind": {"enum": ["card", "cash"]}, "paid": {"type": "boolean"}},
    "required": ["kind", "paid"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("xllamacpp", reason="the extra 'decoder' is not installed")
    pytest.importorskip("gguf", reason="the package gguf is not installed")
    made = tmp_path_factory.mktemp("gguf")
    tiny.write(made / "base.gguf", tiny.weights())
    for name, seed in {"one": 1, "two": 2}.items():
        tiny.write_adapter(made / f"{name}.gguf", tiny.adapter(seed))
    return made


@pytest.fixture(scope="module")
def decoder(folder: Path) -> Iterator[Decoder]:
    adapters = {name: folder / f"{name}.gguf" for name in ("one", "two")}
    with Decoder(folder / "base.gguf", adapters, context=CONTEXT, threads=2) as made:
        yield made


def expected(prompt: str, adapter: int | None = None) -> np.ndarray:
    tensors = tiny.weights() if adapter is None else tiny.merged(tiny.weights(), tiny.adapter(adapter))
    logits = tiny.next_logits(tensors, tiny.ids(prompt))[LABELS]
    return logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()


def test_label_scores_are_the_softmax_over_the_labels_of_the_forward_pass(decoder: Decoder) -> None:
    scores = decoder.score_labels(PROMPTS, LABELS)
    assert scores.shape == (4, 7) and scores.dtype == np.float32
    np.testing.assert_allclose(scores, [expected(prompt) for prompt in PROMPTS], atol=0.01)
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1, atol=1e-5)


def test_each_request_is_answered_by_the_adapter_it_names_and_by_no_other(decoder: Decoder) -> None:
    for name, seed in {"one": 1, "two": 2}.items():
        scores = decoder.score_labels(PROMPTS, LABELS, adapter=name)
        np.testing.assert_allclose(scores, [expected(prompt, seed) for prompt in PROMPTS], atol=0.02)
        assert np.abs(scores - [expected(prompt) for prompt in PROMPTS]).max() > 0.3
    again = decoder.score_labels(PROMPTS, LABELS)  # an adapter leaves nothing behind
    np.testing.assert_allclose(again, [expected(prompt) for prompt in PROMPTS], atol=0.01)


def test_scores_do_not_depend_on_the_prompts_asked_beside_them_beyond_rounding(decoder: Decoder) -> None:
    together = decoder.score_labels(PROMPTS * 3, LABELS)
    alone = np.concatenate([decoder.score_labels([prompt], LABELS) for prompt in PROMPTS])
    np.testing.assert_allclose(together, np.tile(alone, (3, 1)), atol=0.01)


def test_no_prompts_give_no_rows(decoder: Decoder) -> None:
    assert decoder.score_labels([], LABELS).shape == (0, 7)
    assert decoder.generate([], 3) == []


def test_the_first_greedy_token_is_the_likeliest_of_the_forward_pass_with_its_probability(decoder: Decoder) -> None:
    answer = decoder.generate([tiny.ids(PROMPTS[0])], 1, logprobs=True)[0]
    logits = tiny.next_logits(tiny.weights(), tiny.ids(PROMPTS[0]))
    assert answer.tokens is not None and answer.logprob is not None
    assert answer.tokens[0].piece == bytes([int(logits.argmax()) - len(tiny.CONTROL)])
    assert answer.logprob == pytest.approx(logits.max() - np.log(np.exp(logits).sum()), abs=0.01)
    assert (answer.finish, answer.prompt_tokens, answer.completion_tokens) == ("length", len(PROMPTS[0]), 1)


def test_a_seed_repeats_its_answer_and_another_seed_does_not(decoder: Decoder) -> None:
    def texts(seed: int) -> list[str]:
        return [each.text for each in decoder.generate(PROMPTS, 12, temperature=1.0, seed=seed)]

    assert texts(1) == texts(1)
    assert texts(1) != texts(2)


def test_an_answer_under_a_schema_is_always_that_json(decoder: Decoder) -> None:
    answers = decoder.generate(PROMPTS * 4, 100, schema=SCHEMA, temperature=1.5, seed=3)
    ended = [json.loads(each.text) for each in answers if each.finish == "stop"]
    assert ended
    assert all(set(found) == {"kind", "paid"} and found["kind"] in ("card", "cash") for found in ended)
    assert all(each.text.lstrip().startswith("{") for each in answers)


def test_the_end_that_a_grammar_forces_is_no_token_of_the_answer(decoder: Decoder) -> None:
    bound = decoder.generate(["x"], 9, grammar='root ::= "yes"', logprobs=True)[0]
    assert bound.tokens is not None and bound.finish == "stop"
    assert b"".join(token.piece for token in bound.tokens) == b"yes"
    assert all(token.piece for token in bound.tokens)
    assert bound.logprob == pytest.approx(sum(token.logprob for token in bound.tokens))


@pytest.mark.parametrize(
    "schema",
    [{"type": "nonsense"}, {"$ref": "#/nowhere"}, {"type": "integer", "minimum": 5, "maximum": 3}, {"enum": []}],
    ids=["type", "reference", "contradiction", "empty"],
)
def test_a_schema_that_nothing_can_meet_is_refused(decoder: Decoder, schema: dict) -> None:
    with pytest.raises(RequestError, match="no JSON value can be written for this schema") as caught:
        decoder.generate(["x"], 5, schema=schema)
    assert caught.value.code == "invalid_schema" and caught.value.status == 400


def test_a_grammar_bounds_the_text_and_a_broken_one_is_refused(decoder: Decoder) -> None:
    assert decoder.generate(["x"], 9, grammar='root ::= "yes" | "no"')[0].text in ("yes", "no")
    with pytest.raises(RequestError, match="the grammar cannot be read; GBNF was expected"):
        decoder.generate(["x"], 9, grammar="root ::= ((")
    with pytest.raises(InputError, match="a schema or a grammar, not both"):
        decoder.generate(["x"], 9, grammar='root ::= "a"', schema=SCHEMA)


def test_a_stop_string_ends_the_text_and_is_not_part_of_it(decoder: Decoder) -> None:
    grammar = 'root ::= "one;two;three"'
    answer = decoder.generate(["x"], 40, grammar=grammar, stop=[";"])[0]
    assert (answer.text, answer.finish) == ("one", "stop")


def test_a_stream_gives_the_text_in_pieces_and_each_prompt_its_own(decoder: Decoder) -> None:
    got: dict[int, str] = {}

    def on_text(at: int, text: str) -> None:
        got[at] = got.get(at, "") + text

    grammar = 'root ::= "0123456789"'
    answers = decoder.generate(PROMPTS, 20, grammar=grammar, on_text=on_text)
    assert got == {at: each.text for at, each in enumerate(answers)} == dict.fromkeys(range(4), "0123456789")
    assert all(each.ttft_s is not None and 0 < each.ttft_s <= each.seconds for each in answers)


def test_a_stream_that_is_told_so_stops_writing(decoder: Decoder) -> None:
    grammar = 'root ::= "a"{100}'
    answer = decoder.generate(["x"], 100, grammar=grammar, on_text=lambda at, text: True)[0]
    assert answer.finish == "cancelled" and answer.completion_tokens < 10


def test_what_a_callback_raises_reaches_the_caller(decoder: Decoder) -> None:
    def on_text(at: int, text: str) -> None:
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        decoder.generate(["x"], 5, grammar='root ::= "abc"', on_text=on_text)


def test_a_prompt_longer_than_the_context_is_refused_with_both_lengths(decoder: Decoder) -> None:
    message = "the prompt is 500 tokens; this decoder's context holds 256"
    with pytest.raises(RequestError, match=message) as caught:
        decoder.generate([[5] * 500], 5)
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(RequestError, match=message):
        decoder.score_labels([[5] * 500], LABELS)


def test_an_adapter_that_is_not_loaded_is_refused_with_those_that_are(decoder: Decoder) -> None:
    with pytest.raises(BundleError, match="adapter 'three' is not loaded; this decoder holds: one, two"):
        decoder.generate(["x"], 5, adapter="three")


def test_control_tokens_in_what_a_user_wrote_stay_text(decoder: Decoder) -> None:
    assert decoder.tokenize("<|turn|>") == tiny.ids("<|turn|>")
    assert decoder.tokenize("<|turn|>", control=True) == [1]


def test_a_label_of_two_tokens_or_named_twice_is_refused(decoder: Decoder) -> None:
    assert decoder.token("A") == LABELS[0]
    with pytest.raises(InputError, match="'AB' is 2 tokens for this base; a label needs one"):
        decoder.token("AB")
    with pytest.raises(InputError, match="each with a token of its own"):
        decoder.score_labels(["x"], [5, 5])


def test_a_gguf_cut_short_and_an_adapter_of_another_width_are_refused(folder: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes((folder / "base.gguf").read_bytes()[:-5000])
    with pytest.raises(BaseModelError, match=r"cut.gguf: not a GGUF that llama.cpp can run"):
        Decoder(cut)
    wide = tiny.write_adapter(tmp_path / "wide.gguf", tiny.adapter(1, width=48))
    with pytest.raises(BaseModelError, match=r"llama\.cpp cannot load it with the adapters wide"):
        Decoder(folder / "base.gguf", {"wide": wide})


def test_a_missing_wheel_names_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(MissingExtraError, match=r"a decoder needs the extra 'decoder'") as caught:
        Decoder(Path("any.gguf"))
    assert caught.value.hint == "pip install 'jangin[decoder]'"


def test_the_port_it_listens_on_answers_nobody_without_its_key(decoder: Decoder, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(decoder, "_key", "wrong")
    with pytest.raises(EngineError):
        decoder.tokenize("x")


def test_a_process_that_hosts_it_prints_nothing_and_ends_when_it_is_killed(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from jangin.models.decoder import Decoder\n"
        "d = Decoder(Path(sys.argv[1])); d.generate(['x'], 3); d.close()\n"
        "d = Decoder(Path(sys.argv[1])); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(folder / "base.gguf")]
    host = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    )
    started = time.monotonic()
    out, err = host.communicate(timeout=60)  # closes its input: it leaves by itself, engine and all
    assert (out, err, host.returncode) == (b"", b"", 0)
    assert time.monotonic() - started < 60


def test_a_decoder_that_was_never_asked_ends_at_once(folder: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from jangin.models.decoder import Decoder\n"
        "for _ in range(20):\n"
        "    Decoder(Path(sys.argv[1]), context=256, threads=1).close()\n"
        "print('ended')\n"
    )
    command = [sys.executable, "-c", script, str(folder / "base.gguf")]
    assert subprocess.run(command, capture_output=True, text=True, timeout=120).stdout == "ended\n"
