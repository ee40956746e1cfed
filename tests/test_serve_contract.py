"""Every endpoint's contract, asked through the official client of a real server; refusals word for word."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest

from bundles import LABELS, TEXTS, encoder_bundle, ngram_bundle
from jangin.models.base import Rule
from jangin.models.specialist import load
from jangin.serve.run import background


class Served:
    def __init__(self, folder: Path, url: str):
        self.folder = folder
        self.http = httpx.Client(base_url=url, timeout=60)
        self.openai = openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)

    def classify(self, model: str, given: object, **more: object) -> httpx.Response:
        return self.http.post("/v1/classify", json={"model": model, "input": given, **more})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("specialists")
    none = Rule(out_of_scope="refund", threshold=0.6)
    folders = [
        ngram_bundle(root / "desk"),
        encoder_bundle(root / "tiny"),
        ngram_bundle(root / "mod", "mod", kind="tag"),
        ngram_bundle(root / "shy", "shy", rule=none),
    ]
    sha256 = load(root / "mod").sha256
    certificate = {"id": "c" * 64, "specialist": {"sha256": sha256}, "result": {"verdict": "non-inferior"}, "more": 1}
    (root / "mod" / "certificate.json").write_text(json.dumps(certificate))
    (root / "desk" / "certificate.json").write_text(json.dumps(certificate))  # another specialist's
    with background(folders) as url:
        yield Served(root, url)


def refusal(answer: httpx.Response) -> tuple[int, str, str | None, str]:
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return answer.status_code, error["message"], error["param"], error["code"]


@pytest.mark.parametrize("name", ["desk", "tiny", "mod"])
def test_http_gives_the_probabilities_that_the_specialist_gives(served: Served, name: str) -> None:
    inputs = [*TEXTS, "카드 분실", "\u0007 odd \u2028 text", [{"role": "user", "content": "refund"}]] * 9
    want = load(served.folder / name).probabilities(inputs)
    data = served.classify(name, inputs).json()["data"]
    found = np.array([[row["probabilities"][label] for label in LABELS] for row in data], np.float32)
    np.testing.assert_allclose(found, want, rtol=0, atol=1e-6)


def test_a_single_answer_carries_its_evidence_in_body_and_headers(served: Served) -> None:
    answer = served.classify("desk", "I lost my card")
    body, sha256 = answer.json(), load(served.folder / "desk").sha256
    row = body["data"][0]
    assert (body["object"], body["model"], row["index"], row["label"]) == ("list", "desk", 0, "card_lost")
    assert list(row["probabilities"].values()) == sorted(row["probabilities"].values(), reverse=True)
    assert row["confidence"] == row["probabilities"]["card_lost"]
    assert body["usage"] == {"prompt_tokens": 4, "completion_tokens": 1, "total_tokens": 5}
    spent = {name: body["jangin"].pop(name) for name in ("cost_usd", "energy_wh")}
    assert spent["cost_usd"] > 0 and spent["energy_wh"] > 0
    assert body["jangin"] == {
        "route": "local",
        "specialist": sha256,
        "certificate": None,
        "egress_bytes": 0,
        "confidence": row["confidence"],
    }
    found = {name: value for name, value in answer.headers.items() if name.startswith("x-")}
    assert len(found.pop("x-request-id")) == 24
    assert float(found.pop("x-jangin-cost-usd")) == pytest.approx(spent["cost_usd"], abs=1e-9)
    assert float(found.pop("x-jangin-energy-wh")) == pytest.approx(spent["energy_wh"], abs=1e-9)
    assert found == {
        "x-jangin-route": "local",
        "x-jangin-specialist": sha256[:12],
        "x-jangin-egress-bytes": "0",
        "x-jangin-certificate": "none",
        "x-jangin-confidence": f"{row['confidence']:.6f}",
    }


def test_a_batch_of_1024_is_answered_in_order_and_top_k_shortens_it(served: Served) -> None:
    inputs = [TEXTS[n % len(TEXTS)] for n in range(1_024)]
    body = served.classify("tiny", inputs, top_k=1).json()
    one_by_one = [served.classify("tiny", text).json()["data"][0]["label"] for text in TEXTS]
    assert [row["label"] for row in body["data"]] == [one_by_one[n % len(TEXTS)] for n in range(1_024)]
    assert {len(row["probabilities"]) for row in body["data"]} == {1}
    assert "confidence" not in body["jangin"]


def test_the_rule_of_the_manifest_decides_and_not_the_highest_probability(served: Served) -> None:
    row = served.classify("shy", "zzz qqq").json()["data"][0]
    assert row["label"] == "refund"
    assert row["confidence"] == row["probabilities"]["refund"] < 0.6


def test_a_tag_specialist_gives_labels_and_its_least_certain_answer_as_confidence(served: Served) -> None:
    row = served.classify("mod", "I lost my card").json()["data"][0]
    sure = [p if label in row["labels"] else 1 - p for label, p in row["probabilities"].items()]
    assert row["labels"] == ["card_lost"]
    assert row["confidence"] == pytest.approx(min(sure), abs=1e-6)


def test_models_are_listed_with_what_they_are_and_their_verdict(served: Served) -> None:
    found = {model.id: model.model_dump() for model in served.openai.models.list()}
    assert list(found) == ["desk", "tiny", "mod", "shy"]
    assert found["mod"]["object"] == "model" and found["mod"]["owned_by"] == "jangin"
    about = found["mod"]["jangin"]
    assert about["kind"] == "tag" and about["labels"] == LABELS and about["rung"] == "ngrams" and about["params"] > 0
    assert about["certificate"] == {"id": "c" * 64, "verdict": "non-inferior"}
    assert found["desk"]["jangin"]["certificate"] is None
    assert served.openai.models.retrieve("mod").model_dump() == found["mod"]
    assert served.classify("mod", "hello").headers["x-jangin-certificate"] == "c" * 64


def test_a_chat_completion_is_the_label_with_the_logarithm_of_its_probability(served: Served) -> None:
    want = served.classify("desk", "I lost my card").json()["data"][0]
    found = served.openai.chat.completions.create(
        model="desk",
        messages=[{"role": "user", "content": [{"type": "text", "text": "I lost my card"}]}],
        logprobs=True,
        top_logprobs=2,
        temperature=0,
        max_tokens=5,
        n=1,
    )
    choice = found.choices[0]
    assert choice.message.content == "card_lost" and choice.finish_reason == "stop"
    token = choice.logprobs.content[0]
    assert token.token == "card_lost" and token.logprob == pytest.approx(math.log(want["confidence"]), abs=1e-6)
    assert [one.token for one in token.top_logprobs] == list(want["probabilities"])[:2]
    assert found.usage.prompt_tokens == 4 and found.usage.completion_tokens == 1
    assert found.model_dump()["jangin"]["confidence"] == want["confidence"]


def test_a_streamed_completion_is_the_same_answer_in_pieces_and_ends(served: Served) -> None:
    messages = [{"role": "system", "content": "Sort this."}, {"role": "user", "content": "refund please"}]
    whole = served.openai.chat.completions.create(model="desk", messages=messages, logprobs=True)
    pieces = list(
        served.openai.chat.completions.create(
            model="desk", messages=messages, logprobs=True, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert text == whole.choices[0].message.content
    assert [piece.choices[0].finish_reason for piece in pieces if piece.choices] == [None, None, "stop"]
    assert pieces[1].choices[0].logprobs.content[0].logprob == whole.choices[0].logprobs.content[0].logprob
    assert pieces[-1].usage == whole.usage
    raw = served.http.post("/v1/chat/completions", json={"model": "desk", "messages": messages, "stream": True})
    assert raw.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert raw.text.endswith("data: [DONE]\n\n")


def test_a_moderation_has_openai_s_shape_with_the_specialist_s_labels(served: Served) -> None:
    found = served.openai.moderations.create(model="mod", input=["I lost my card", "zzz"])
    first, second = (result.model_dump() for result in found.results)
    assert first["flagged"] and {k: v for k, v in first["categories"].items() if v} == {"card_lost": True}
    assert not second["flagged"]
    want = served.classify("mod", "I lost my card").json()["data"][0]["probabilities"]
    assert first["category_scores"] | want == first["category_scores"]


def test_an_unknown_model_is_refused_naming_the_ones_there_are(served: Served) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        served.openai.chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": "x"}])
    message = "no specialist named 'gpt-4' is loaded; loaded: 'desk', 'tiny', 'mod', 'shy'"
    assert caught.value.body == {
        "message": message,
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }
    assert refusal(served.http.get("/v1/models/gpt-4")) == (404, message, "model", "model_not_found")


@pytest.mark.parametrize(
    ("given", "message", "param"),
    [
        ("", "'input' is empty", "input"),
        (" \u0000\n", "'input' is empty", "input"),
        ([], "'input' is empty", "input"),
        (["fine", ""], "'input[1]' is empty", "input[1]"),
        (["fine", 3], "'input[1]' must be a text or a non-empty list of chat messages", "input[1]"),
        ([{"role": "user", "content": " "}], "the content of 'input' is empty", "input"),
        (
            [[{"role": "robot", "content": "x"}]],
            "'input[0]': Invalid enum value 'robot' ('[0].role')",
            "input[0]",
        ),
        (7, "Expected `str | array`, got `int` ('input')", "input"),
        (
            ["x" * 100_001],
            "'input[0]' has 100,001 characters; the limit is 100,000",
            "input[0]",
        ),
        (
            ["x"] * 10_000,
            "'input' holds 10,000 inputs; the limit of one request is 1,024: send several, or use `jangin predict`",
            "input",
        ),
    ],
)
def test_an_input_that_cannot_be_answered_is_refused(served: Served, given: object, message: str, param: str) -> None:
    status, found, where, _ = refusal(served.classify("desk", given))
    assert (status, found, where) == (400, message, param)


@pytest.mark.parametrize(
    ("more", "message", "param"),
    [
        ({"n": 2}, "parameter 'n' is implemented for 1 only", "n"),
        (
            {"tools": []},
            "parameter 'tools' is not implemented for a specialist that answers with labels",
            "tools",
        ),
        ({"store": True}, "parameter 'store' is implemented for false only", "store"),
        ({"presence_penalty": 0.5}, "parameter 'presence_penalty' is implemented for 0 only", "presence_penalty"),
        (
            {"response_format": {"type": "json_object"}},
            'parameter \'response_format\' is implemented for {"type":"text"} only',
            "response_format",
        ),
        ({"max_tokens": 0}, "Expected `int` >= 1 ('max_tokens')", "max_tokens"),
        ({"top_logprobs": 2}, "'top_logprobs' needs 'logprobs': true", "top_logprobs"),
        ({"stream_options": {}}, "'stream_options' needs 'stream': true", "stream_options"),
        (
            {"messages": [{"role": "user", "content": "x", "name": "Kim"}]},
            "parameter 'messages[0].name' is not implemented",
            "messages[0].name",
        ),
        ({"messages": []}, "'messages' is empty", "messages"),
        ({"messages": [{"role": "user", "content": ""}]}, "the content of 'messages' is empty", "messages"),
        ({"temperature": 2.5}, "Expected `float` <= 2.0 ('temperature')", "temperature"),
        ({"temperature": -1}, "Expected `float` >= 0.0 ('temperature')", "temperature"),
        ({"top_p": 1.5}, "Expected `float` <= 1.0 ('top_p')", "top_p"),
        ({"top_p": -0.1}, "Expected `float` >= 0.0 ('top_p')", "top_p"),
    ],
)
def test_what_is_not_implemented_is_refused_and_never_ignored(
    served: Served, more: dict[str, object], message: str, param: str
) -> None:
    body = {"model": "desk", "messages": [{"role": "user", "content": "x"}], **more}
    status, found, where, _ = refusal(served.http.post("/v1/chat/completions", json=body))
    assert (status, found, where) == (400, message, param)


@pytest.mark.parametrize("path", ["/v1/classify", "/v1/chat/completions", "/v1/moderations"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"model":"desk","input":' + b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"model":"desk","input":"\\ud800","messages":[]}',
        b'{"model":"desk","input":1e999}',
        b"null",
    ],
)
def test_a_body_that_is_not_what_it_should_be_gets_a_400(served: Served, path: str, body: bytes) -> None:
    status, message, _, _ = refusal(served.http.post(path, content=body))
    assert status == 400 and len(message) < 400
    assert served.classify("desk", "refund").status_code == 200


def test_deep_json_is_called_deep(served: Served) -> None:
    body = b'{"model":"desk","input":' + b"[" * 100_000
    assert refusal(served.http.post("/v1/classify", content=body))[1] == "the body's JSON is nested too deep"


def test_a_huge_body_is_refused_with_and_without_its_length_announced(served: Served) -> None:
    message = "the body is larger than 8,000,000 bytes"
    body = b'{"model":"desk","input":"' + b"x" * 9_000_000
    assert refusal(served.http.post("/v1/classify", content=body)) == (413, message, None, "body_too_large")
    pieces = (body[at : at + 100_000] for at in range(0, len(body), 100_000))
    try:
        answer = served.http.post("/v1/classify", content=pieces)
    except httpx.WriteError:  # the server has answered and closed while the client still sent
        return
    assert refusal(answer) == (413, message, None, "body_too_large")


def test_a_missing_model_is_named_and_a_wrong_kind_too(served: Served) -> None:
    answer = served.http.post("/v1/classify", json={"input": "x"})
    assert refusal(answer) == (400, "parameter 'model' is required", "model", "missing_parameter")
    answer = served.http.post("/v1/moderations", json={"model": "desk", "input": "x"})
    message = "'desk' is a classify specialist; moderation needs a 'tag' specialist"
    assert refusal(answer) == (400, message, "model", "wrong_kind")


def test_an_unknown_address_and_a_wrong_method_have_openai_s_shape(served: Served) -> None:
    assert refusal(served.http.get("/v2/x")) == (404, "GET /v2/x: Not Found", None, "unknown_url")
    answer = served.http.get("/v1/classify")
    assert refusal(answer)[:2] == (405, "GET /v1/classify: Method Not Allowed")


def test_a_client_s_request_id_comes_back_unless_it_is_not_one(served: Served) -> None:
    given = {"model": "desk", "input": "x"}
    answer = served.http.post("/v1/classify", json=given, headers={"x-request-id": "order-17"})
    assert answer.headers["x-request-id"] == "order-17"
    answer = served.http.post("/v1/classify", json=given, headers={"x-request-id": "a b" * 9})
    assert len(answer.headers["x-request-id"]) == 24


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/models", 200),
        ("/v1/models/desk", 200),
        ("/v1/models/nobody", 404),
        ("/v1/models/auto", 409),
        ("/tasks/desk/v1/models", 403),
        ("/v1/admin/keys", 409),
        ("/metrics", 200),
        ("/openapi.json", 200),
        ("/healthz", 200),
        ("/v2/x", 404),
        ("/v1/classify", 405),
    ],
)
def test_what_is_read_says_which_request_it_answers(served: Served, path: str, status: int) -> None:
    answer = served.http.get(path, headers={"x-request-id": "look-1"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (status, "look-1")
    drawn = [served.http.get(path).headers["x-request-id"] for _ in range(2)]
    assert {len(each) for each in drawn} == {24}
    assert drawn[0][:12] <= drawn[1][:12] and drawn[0] != drawn[1]  # by time: the ledger's index grows at its end


def test_health_names_the_engines(served: Served) -> None:
    found = served.http.get("/healthz").json()
    assert found["status"] == "ok" and len(found["engines"]) == 2
    assert found["engines"]["ngrams"] == {"up": True, "restarts": 0, "writing": 0}
