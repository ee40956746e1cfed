"""Extraction by copying: pieces, the chain, the form of a schema, the climb, and all that a specialist goes through."""

from __future__ import annotations

import itertools
import json
import unicodedata
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest

import orders
from jangin import bundle
from jangin.data.schema import fault, infer_schema
from jangin.errors import BundleError, InputError, RequestError
from jangin.evals.wording import parity_words
from jangin.models.chain import allowed, chain, first_allowed, spans
from jangin.models.copier import ABSENT, Copier
from jangin.models.cues import cues, key_of, know, matches
from jangin.models.form import Leaf, assemble, leaves, value_of, why_no_form
from jangin.models.pieces import pieces
from jangin.models.specialist import Readers
from jangin.models.written import load_writer, open_specialist
from jangin.train.climb import train
from jangin.train.copying import contexts_of, plan_of
from jangin.types import Example


def test_pieces_end_where_scripts_digits_and_marks_do_and_hangul_is_cut_by_syllable():
    text = "Coffee: 50mg 서울에서 ABC가 naïve_9"
    assert [part.text for part in pieces(text)] == [
        *("Coffee", ":", "50", "mg", "서", "울", "에", "서", "ABC", "가", "naïve", "_", "9")
    ]
    assert all(text[part.start : part.end] == part.text for part in pieces(text))
    assert [part.word for part in pieces("a b-c")] == [0, 1, 1, 1]


def brute(scores, moves):
    """Every labelling with its share, for a text of few pieces."""
    size, labels = scores.shape
    may, first = moves > 0, first_allowed((labels - 1) // 2)
    shares = {}
    for path in itertools.product(range(labels), repeat=size):
        if first[path[0]] and all(may[a, b] for a, b in itertools.pairwise(path)):
            weight = np.exp(sum(scores[at, label] for at, label in enumerate(path)))
            shares[path] = weight * np.prod([moves[a, b] for a, b in itertools.pairwise(path)])
    total = sum(shares.values())
    return {path: share / total for path, share in shares.items()}, np.log(total)


def values_in(path):
    """(field, start, end) of each value of a labelling."""
    found = []
    for at, label in enumerate(path):
        if label % 2:
            end = at + 1
            while end < len(path) and path[end] == label + 1:
                end += 1
            found.append(((label - 1) // 2, at, end))
    return found


def test_the_chain_gives_the_probabilities_that_counting_every_labelling_gives():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(2, 4, 5)) * 2
    moves = np.where(allowed(2), np.exp(rng.normal(size=(5, 5))), 0.0)
    passed = chain(scores, np.array([4, 3]), moves)
    for row, size in enumerate((4, 3)):
        shares, log_total = brute(scores[row, :size], moves)
        assert passed.log_z[row] == pytest.approx(log_total)
        for at, label in itertools.product(range(size), range(5)):
            marginal = sum(share for path, share in shares.items() if path[at] == label)
            assert passed.forward[at, row, label] * passed.backward[at, row, label] == pytest.approx(marginal)
        expected = {}
        for path, share in shares.items():
            for value in values_in(path):
                expected[value] = expected.get(value, 0.0) + share
        found = {span[:3]: span.probability for span in spans(scores[row, :size], moves, 4, floor=0.0)}
        assert found.keys() == expected.keys()
        assert all(found[value] == pytest.approx(chance) for value, chance in expected.items())


def test_a_value_that_only_its_own_row_has_is_not_known_to_that_row():
    rows = [pieces("Acme shoe"), pieces("Acme hat"), pieces("Dune hat")]
    own = [[(key_of(row[:1]), 0)] for row in rows]
    known = know(list(zip(rows, own)))
    low = [["acme", "shoe"], ["dune", "hat"]]
    assert matches(low[0], known, own[0])[0] == ["k0U+", "k0U+f"]
    assert matches(low[1], known, own[2]) == [[], []]
    assert matches(low[1], known, ())[0] == ["k0U+", "k0U+f"]


def test_cues_stand_beside_the_context_too():
    known = know([])
    assert "tea^w=mint" in cues(pieces("mint"), known, "tea")[0]
    assert not [cue for cue in cues(pieces("mint"), known)[0] if "^" in cue]


SCHEMA = {
    "type": "object",
    "properties": {
        "brand": {"type": "string", "enum": ["Acme", "n/a"]},
        "item": {
            "type": "object",
            "properties": {"count": {"type": "integer"}, "note": {"type": "string"}},
            "required": ["count"],
        },
        "tags": {"type": "array", "items": {"type": "string"}},
        "more": {"type": "object", "properties": {"x": {"type": ["string", "null"]}}, "required": ["x"]},
    },
    "required": ["brand", "item", "tags"],
}


def test_what_is_required_is_there_and_satisfies_the_schema_whatever_was_found():
    form = [
        msgspec.structs.replace(leaf, fallback=each) for leaf, each in zip(leaves(SCHEMA), ("n/a", 0, None, None, None))
    ]
    assert [(leaf.name, leaf.must, leaf.many) for leaf in form] == [
        *(("brand", True, False), ("item.count", True, False), ("item.note", False, False)),
        *(("tags", True, True), ("more.x", True, False)),
    ]
    for size in range(6):
        for chosen in itertools.combinations(range(5), size):
            every = {0: "Acme", 1: 3, 2: "hi", 3: ["a"], 4: "y"}
            answer = assemble(form, {number: every[number] for number in chosen}, SCHEMA)
            assert fault(answer, SCHEMA) is None
            assert ("more" in answer) == (4 in chosen)
    assert assemble(form, {}, SCHEMA) == {"brand": "n/a", "item": {"count": 0}, "tags": []}


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "integer"}, "12", 12),
        ({"type": "integer"}, "012", None),
        ({"type": "integer"}, "1.5", None),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": ["null", "string"]}, "12", "12"),
        ({"type": "string", "enum": ["a"]}, "b", None),
        ({"type": "integer"}, "9" * 400, None),
        ({"type": "integer"}, "true", None),
    ],
)
def test_a_copied_text_becomes_a_value_of_the_schemas_type_or_none(schema, text, value):
    assert value_of(text, Leaf(["x"], schema)) == value


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ({"type": "string", "pattern": "a+"}, "field 'x' says 'pattern', which copying cannot promise"),
        (
            {"type": "array", "items": {"type": "array", "items": {}}},
            "field 'x', an item holds lists or objects in a list",
        ),
        ({"type": "object"}, "field 'x' holds no plain value"),
        ({"anyOf": [{"type": "string"}]}, "field 'x' says 'anyOf', which copying cannot promise"),
    ],
)
def test_a_schema_that_copying_cannot_promise_has_no_form_and_says_why(part, why):
    assert why_no_form({"type": "object", "properties": {"x": part}}) == why


def plan(rows):
    examples = [Example(row["id"], row["input"], row["output"], gold=row.get("gold")) for row in rows]
    return plan_of(examples, infer_schema(row["output"] for row in rows))


def test_each_field_is_copied_or_chosen_and_the_ceiling_is_what_both_can_give():
    found = plan(orders.english(120, 1))
    kinds = {leaf.name: (leaf.copied, leaf.many, leaf.fallback) for leaf in found.form}
    assert kinds["intent"][:2] == (False, False) and kinds["item.brand"][:2] == (True, False)
    assert kinds["colours"][:2] == (True, True) and kinds["size"] == (True, False, "n/a")
    assert found.share == 1.0
    rows = orders.english(120, 1)
    for row in rows[:60]:
        row["output"]["item"]["brand"] = row["output"]["item"]["brand"].upper()
    assert plan(rows).by_field["item.brand"] == pytest.approx(0.5, abs=0.03)


def test_accepted_values_decide_which_text_is_copied():
    rows = [
        {
            "id": str(n),
            "input": f"Acme, Co. hat {n}",
            "output": {"b": "Acme Co"},
            "gold": {"b": ["Acme Co", "Acme, Co."]},
        }
        for n in range(12)
    ]
    found = plan(rows)
    assert found.share == 1.0 and found.rows[0].tags[:4] == [1, 2, 2, 2]


def test_a_head_before_a_colon_is_a_context_when_nearly_all_rows_have_one_of_few():
    texts = [f"{('Tea', 'Shoes')[n % 2]}: thing {n}" for n in range(60)]
    assert contexts_of(texts) == ["shoes", "tea"]
    assert contexts_of([*texts, *["no head"] * 20]) == []
    assert contexts_of([f"head {n}: thing" for n in range(60)]) == []


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A specialist of English orders, by the climb that a user runs: the first rung passes, so no other is tried."""
    folder = orders.task(tmp_path_factory.mktemp("orders"), more="bar: {at_least: 0.7}\n")
    found = train(folder, quiet=True)
    assert (found.rung, found.base, found.passes) == ("spans-ngrams", None, True)
    assert [each.rung for each in found.rungs] == ["spans-ngrams"]
    details = found.rungs[0].details
    assert details["ceiling"] == 1.0 and list(details["chosen"]) == ["intent"]
    assert found.rungs[0].score is not None and found.rungs[0].score > 0.9
    assert found.record["parity"]["packed_http"]["same_answers"] == 1.0
    return found.specialist


def test_every_answer_satisfies_the_schema_and_tells_its_confidence(made):
    copier = open_specialist(made, Readers())
    assert isinstance(copier, Copier)
    rows = orders.english(40, 9)
    hostile = [
        "",
        " ",
        "\u0000\u2028",
        "x" * 3_000,
        "{" * 500,
        "١٢٣ 서울\ud7ff",
        '"}],' * 50,
        unicodedata.normalize("NFD", "각 é"),
    ]
    found = copier.write([*(row["input"] for row in rows), *hostile])
    assert all(fault(each.output, copier.spec.schema) is None for each in found)
    assert all(json.loads(each.text) == each.output and each.finish == "stop" for each in found)
    assert all(0 <= each.confidence <= 1 and set(each.fields) <= set(each.output) for each in found)
    right = [each for each, row in zip(found, rows) if each.output == row["output"]]
    assert len(right) > 30
    first = copier.write([rows[0]["input"]])[0]
    assert (first.output, first.confidence, first.fields) == (found[0].output, found[0].confidence, found[0].fields)


def test_a_batch_that_writes_otherwise_is_told_and_a_server_that_does_is_refused(made, monkeypatch):
    from types import SimpleNamespace

    from jangin import pack_written

    class BesideOthers(Copier):
        def write(self, inputs, **more):
            found = super().write(inputs, **more)
            return [msgspec.structs.replace(found[0], text="moved"), *found[1:]] if len(inputs) > 1 else found

    inputs = [row["input"] for row in orders.english(10, 9)]
    shop = SimpleNamespace(validation_inputs=inputs, task=SimpleNamespace(name=bundle.read_manifest(made).name))
    candidate = SimpleNamespace(agreement=None, spec=None)
    monkeypatch.setattr(pack_written, "load_writer", lambda folder: BesideOthers(folder, Readers()))
    found = pack_written._parity(shop, candidate, made)
    assert (found["packed_http"]["same_answers"], found["batched_single"]["same_answers"]) == (1.0, 0.9)
    words = parity_words(found)
    assert (
        "packed and http: 100.00% of answers are the same" in words and "batched and single: 90.00% of answers" in words
    )
    right, asked = pack_written._ask, []

    def wrong(rows):
        def ask(url, name, value):
            asked.append(value)
            return right(url, name, value) if len(asked) > rows else "another answer"

        asked.clear()
        return ask

    monkeypatch.setattr(pack_written, "_ask", wrong(1))
    with pytest.raises(BundleError, match=r"same answer to 90\.0% of 10 validation rows; 100% is asked"):
        pack_written._parity(shop, candidate, made)  # what is copied is the same arithmetic
    candidate.spec = bundle.DecoderSpec("base", "0" * 64, None)
    monkeypatch.setattr(pack_written, "_ask", wrong(1))
    assert pack_written._parity(shop, candidate, made)["packed_http"] == {"same_answers": 0.9, "asked": 0.9}
    monkeypatch.setattr(pack_written, "_ask", wrong(2))
    with pytest.raises(BundleError, match=r"same answer to 80\.0% of 10 validation rows; 90% is asked"):
        pack_written._parity(shop, candidate, made)


def test_a_row_that_is_too_long_is_left_out_of_the_parity(made):
    from jangin.pack_written import _from_the_file

    inputs = ["please send 1 x Acme soap", "soap " * 100_000, "I return 2 x Dune soap"]
    fitting, batched, alone = _from_the_file(inputs, made)
    assert fitting == [inputs[0], inputs[2]] and batched == alone and len(alone) == 2


def test_a_text_longer_than_its_reading_is_refused_and_max_tokens_cut(made):
    copier = load_writer(made)
    with pytest.raises(RequestError, match=r"the input has 5,000 tokens; this specialist reads 4,096") as caught:
        copier.write(["a " * 5_000])
    assert caught.value.code == "context_length_exceeded"
    cut = copier.write(["please send 3 x Acme soap"], max_tokens=3)[0]
    assert (cut.output, cut.text, cut.finish, cut.completion_tokens) == (None, '{"intent', "length", 3)


def test_it_is_served_as_a_chat_whole_and_as_a_stream(made):
    from jangin.serve.run import background

    body = {"model": "orders", "messages": [{"role": "user", "content": "please send 3 x Acme soap, 1 kg"}]}
    with background([made]) as url:
        whole = httpx.post(f"{url}/v1/chat/completions", json={**body, "temperature": 0.7}).json()
        message = json.loads(whole["choices"][0]["message"]["content"])
        assert message["item"] == {"brand": "Acme", "thing": "soap"} and message["pieces"] == 3
        assert whole["usage"]["prompt_tokens"] == 9 and whole["usage"]["completion_tokens"] > 20
        assert whole["jangin"]["fields"]["pieces"] > 0.5 and 0 < whole["jangin"]["confidence"] <= 1
        events = httpx.post(f"{url}/v1/chat/completions", json={**body, "stream": True}).text.split("\n\n")
        parts = [json.loads(event[6:]) for event in events if event.startswith("data: {")]
        text = "".join(part["choices"][0]["delta"].get("content") or "" for part in parts)
        assert json.loads(text) == message and events[-2] == "data: [DONE]"
        refused = httpx.post(f"{url}/v1/chat/completions", json={**body, "logprobs": True})
        assert refused.status_code == 400 and refused.json()["error"]["param"] == "logprobs"
        long = {**body, "messages": [{"role": "user", "content": "a " * 5_000}]}
        assert httpx.post(f"{url}/v1/chat/completions", json=long).json()["error"]["code"] == "context_length_exceeded"
        about = httpx.get(f"{url}/v1/models/orders").json()["jangin"]
        assert about["rung"] == "spans-ngrams" and about["schema"]["properties"]["pieces"] == {"type": "integer"}


def test_it_is_certified_rerun_evaluated_and_answers_a_file(made, tmp_path):
    from jangin.evals.certificate import rerun, verify
    from jangin.evals.certify import certify
    from jangin.evals.run import evaluate
    from jangin.predict import predict

    certificate = certify(made)
    assert certificate.result["score"] > 0.85
    assert certificate.specialist["rung"] == "spans-ngrams" and certificate.calibration["n"] > 0
    assert rerun(made / "certificate.json").valid and verify(made / "certificate.json").valid
    rows = orders.english(25, 7)
    data = tmp_path / "more.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    assert evaluate(made, data)["score"] > 0.85
    told = predict(made, data, tmp_path / "out.jsonl", quiet=True)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert (told.rows, told.errors) == (25, 0)
    assert sum(line["output"] == row["output"] for line, row in zip(lines, rows)) > 18


def test_there_is_nothing_to_export(made, tmp_path):
    from jangin.export.source import read_source

    with pytest.raises(InputError, match=r"'orders' is made to copy \(spans-ngrams\): there is no decoder in it"):
        read_source(made)


def changed(made: Path, folder: Path, change) -> Path:
    """The same bundle with another manifest."""
    folder.mkdir()
    for path in made.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    manifest = json.loads((folder / bundle.MANIFEST).read_text("utf-8"))
    change(manifest)
    (folder / bundle.MANIFEST).write_text(json.dumps(manifest), "utf-8")
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["files"].pop("cues.json"), "'files' has no hash of 'cues.json'"),
        (lambda m: m["files"].pop("choice-0.safetensors"), "'files' has no hash of 'choice-0.safetensors'"),
        (lambda m: m["spans"]["form"].pop(), "its form has other fields than its schema"),
        (lambda m: m["spans"]["thresholds"].pop(), "its form has no threshold for each field"),
        (lambda m: m["spans"].update(longest=10**9), "values of 1000000000 pieces"),
        (lambda m: m["spans"]["form"][0].update(values=[{"a": 1}, "x"]), "field 'intent' may hold values"),
        (lambda m: m["spans"]["form"][0].update(copied=True), "its tagger is not one of 6 fields"),
    ],
)
def test_a_changed_manifest_is_refused(made, tmp_path, change, message):
    with pytest.raises(BundleError, match=message.replace("(", r"\(")):
        load_writer(changed(made, tmp_path / "changed", change))


def test_korean_values_end_inside_a_word(tmp_path):
    folder = orders.task(tmp_path / "주문", orders.korean)
    found = train(folder, only=["spans-ngrams"], quiet=True)
    copier = load_writer(found.specialist)
    assert copier.write(["인천으로 고구마를 17상자 보내 주세요"])[0].output == {
        "도시": "인천",
        "물건": "고구마",
        "상자": 17,
    }


def test_a_task_whose_values_do_not_stand_in_its_inputs_skips_the_rung_and_says_why(tmp_path):
    def rewritten(count, seed):
        return [
            {**row, "output": {"a": f"{row['id']} said", "b": row["output"]["size"]}}
            for row in orders.english(count, seed)
        ]

    from jangin.task import load_task
    from jangin.train.spans import SpansRung
    from jangin.train.written import WritingShop

    shop = WritingShop(load_task(orders.task(tmp_path / "t", rewritten)), 0, tmp_path / "work", True)
    why = SpansRung().why_not(shop)
    assert why is not None and why.endswith("80% are asked (least: a 0%, b 100%)")


def test_absent_is_no_value_of_any_schema():
    assert all(fault(ABSENT, {"type": name}) for name in ("string", "integer", "number", "boolean", "null", "array"))
