"""`jangin record`: answers frozen into a reference that certify takes; killed, resumed, limited, redacted."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import certified
from api_server import KEY, Api, Reply, Seen, completion, fault, serving
from jangin.cli import main
from jangin.data.pii import mask_pii
from jangin.errors import DataError, EndpointError, InputError, JanginError
from jangin.record.answers import output_of
from jangin.record.plan import agree
from jangin.record.prompt import Prompt, build, default, spread
from jangin.record.redact import redaction
from jangin.record.run import Recorded, Settings, record
from jangin.serve.run import background
from jangin.task import Task, load_task
from jangin.types import Example
from small_tasks import classify_task, messages, tag_task, write

COMMAND = [sys.executable, "-m", "jangin", "record"]
ROWS = 90


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return classify_task(tmp_path / "task")


def freeze(folder: Path, api: Api, model: str = "gpt-4o", **settings: Any) -> Recorded:
    return record(folder, api.url, model, Settings(**{"first_wait_s": 0.01, "tries": 2, **settings}), quiet=True)


def cli(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any, str]:
    """(exit status, JSON document, stderr)."""
    status = main([*map(str, arguments), "--json"])
    out, err = capsys.readouterr()
    return status, json.loads(out), err


def lines(path: Path | str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


def refused(folder: Path, api: Api, kind: type[JanginError] = InputError, **settings: Any) -> str:
    """The message of a run that sends nothing."""
    before = len(api.seen)
    with pytest.raises(kind) as caught:
        freeze(folder, api, **settings)
    assert len(api.seen) == before
    return caught.value.message


# --- the way from a live model to a certificate ---------------------------------------------------------------------


def test_a_live_model_is_recorded_and_a_specialist_certified_against_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    specialist = certified.make(tmp_path / "task")
    with background([specialist]) as address:
        status, found, err = cli(
            capsys, "record", tmp_path / "task", "--endpoint", address, "--model", "desk", "--yes", "--price", "2.5,10"
        )
    reference = tmp_path / "task" / "reference.desk.jsonl"
    assert status == 0 and found["reference"] == str(reference)
    assert (found["n"], found["unscored"], found["asked"]) == (120, 0, 120)
    head, *rows = lines(reference)
    assert [row["id"] for row in rows] == [f"r2-{number}" for number in range(120)]
    tokens = [(row["prompt_tokens"], row["completion_tokens"]) for row in rows]
    assert found["cost_usd"] == pytest.approx(sum(p * 2.5 + c * 10 for p, c in tokens) / 1e6)
    assert head["model"] == "desk" and head["setting"].startswith("default prompt ")
    assert "120 inputs of the test split will go to a server on this machine: 127.0.0.1:" in err
    status, judged, _ = cli(capsys, "certify", specialist, "--reference", "reference.desk.jsonl")
    assert status in (0, 1) and judged["paired"] is True
    assert judged["difference"] == 0.0  # the same specialist stood behind the API
    certificate = json.loads(Path(judged["certificate"]).read_text())
    assert certificate["cost"]["reference"]["value"] == pytest.approx(found["cost_usd"] / 120 * 1000)


def test_only_inputs_leave_and_each_is_asked_once(folder: Path) -> None:
    rows = messages(ROWS, 2)
    for row in rows:
        row["output"] = "the-sealed-answer"
    write(folder / "test.jsonl", rows)
    with serving(completion("refund")) as api:
        found = freeze(folder, api, shots=3)
    assert Counter(seen.asked for seen in api.seen) == Counter(row["input"] for row in rows)
    assert not [seen for seen in api.seen if "the-sealed-answer" in json.dumps(seen.body)]
    assert "the-sealed-answer" not in Path(found.reference or "").read_text()


def test_rows_say_who_answered_what_at_which_cost(folder: Path) -> None:
    def answer(number: int, seen: Seen) -> Reply:
        if number == 3:
            return completion(None, message={"refusal": "I will not say."})
        if number == 4:
            return completion("card", finish_reason="length")
        return fault(500) if seen.asked == messages(ROWS, 2)[7]["input"] else completion(' "Refund". ')

    with serving(answer) as api:
        found = freeze(folder, api, parallel=1)
    assert (found.answered, found.unscored, found.refused, found.cut_off) == (89, 1, 1, 1)
    assert (found.prompt_tokens, found.completion_tokens) == (89 * 40, 89 * 5)
    assert found.cost_usd == pytest.approx(89 * (40 * 2.5 + 5 * 10) / 1e6)
    head, *rows = lines(found.reference or "")
    assert head["model"] == "gpt-4o-2024-08-06" and head["job"]["model"] == "gpt-4o"
    assert head["price"] == {"model": "gpt-4o"} and head["usd_per_million_tokens"]["input"] == 2.5
    assert head["rows"] == {"n": 90, "without_answer": 1} and "id" not in head
    latency = rows[0].pop("latency_s")
    assert 0 < latency < 60
    assert rows[0] == {
        "id": "m2-0000",
        "output": '"Refund".',
        "raw": ' "Refund". ',
        "model": "gpt-4o-2024-08-06",
        "system_fingerprint": "fp_1",
        "finish_reason": "stop",
        "prompt_tokens": 40,
        "completion_tokens": 5,
        "cost_usd": 0.00015,
    }
    assert (rows[3]["output"], rows[3]["raw"]) == (None, "I will not say.")
    assert rows[7] == {"id": "m2-0007", "unscored": "HTTP 500", "tries": 2}


def test_means_of_a_reference_are_those_of_its_answers(folder: Path) -> None:
    from jangin.evals.references import load

    with serving(lambda n, _: fault(500) if n in (4, 5) else completion("refund")) as api:
        found = freeze(folder, api, parallel=1)
    assert found.unscored == 1
    reference = load("reference.gpt-4o.jsonl", load_task(folder))
    assert (reference.prompt_tokens, reference.completion_tokens) == (40, 5)
    assert reference.usd_per_query == pytest.approx(0.00015)


# --- stopped and taken up again -------------------------------------------------------------------------------------


def test_a_killed_run_goes_on_without_asking_anything_again(folder: Path) -> None:
    out = folder / "frozen.jsonl"
    part = folder / "frozen.jsonl.part"

    def slowly(number: int, seen: Seen) -> Reply:
        reply = completion(f"answer to {seen.asked}")
        reply.after_s = 0.05
        return reply

    with serving(slowly) as api:
        command = [*COMMAND, str(folder), "--endpoint", api.url, "--model", "gpt-4o", "--parallel", "4", "--yes"]
        process = subprocess.Popen([*command, "-o", str(out)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 90
        while len(api.seen) < 30:
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert part.exists() and not out.exists()
        kept = {row["id"] for row in lines(part)[1:]}
        time.sleep(0.5)  # a request that left before the kill may reach the server after it
        asked_before = len(api.seen)
        assert 20 <= len(kept) < ROWS and asked_before - len(kept) <= 4  # but for those under way
        with part.open("ab") as stream:
            stream.write(b'{"id":"m2-0089","outp')  # a row that was cut off in the middle
        found = freeze(folder, api, out=out, parallel=4)
    assert found.asked == ROWS - len(kept) == len(api.seen) - asked_before
    texts = {row["id"]: row["input"] for row in messages(ROWS, 2)}
    again = {seen.asked for seen in api.seen[asked_before:]}
    assert again.isdisjoint(texts[each] for each in kept)
    rows = lines(out)[1:]
    assert [(row["id"], row["output"]) for row in rows] == [(each, f"answer to {texts[each]}") for each in texts]
    assert sorted(path.name for path in folder.iterdir()) == ["frozen.jsonl", "task.yaml", "test.jsonl", "train.jsonl"]


def test_an_interrupted_run_keeps_its_answers(folder: Path) -> None:
    with serving(Reply(body=completion("refund").body, after_s=0.05)) as api:
        command = [*COMMAND, str(folder), "--endpoint", api.url, "--model", "gpt-4o", "--parallel", "2", "--yes"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        end = time.monotonic() + 90
        while len(api.seen) < 10:
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err.endswith(b"stopped\n") and b"Traceback" not in err
    assert 8 <= len(lines(folder / "reference.gpt-4o.jsonl.part")[1:]) < ROWS


def stopped(folder: Path, api: Api, **settings: Any) -> None:
    """A run that is stopped by its limit after some answers."""
    assert freeze(folder, api, parallel=1, max_tokens=10, price=(1.0, 1.0), max_usd=0.001, **settings).reference is None


def test_a_run_is_not_taken_up_with_another_model_prompt_or_redaction(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.jsonl"
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("Which of these is it?\n{labels}")
    with serving(completion("refund")) as api:
        stopped(folder, api, out=out)
        for other, what in (
            ({"model": "gpt-4"}, "model"),
            ({"prompt": prompt}, "prompt"),
            ({"shots": 2}, "prompt"),
            ({"redact": "pii"}, "redaction"),
            ({"max_tokens": 11}, "max tokens"),
        ):
            message = refused(folder, api, DataError, **{"out": out, "max_tokens": 10, **other})
            assert message == f"'{out}.part' holds answers of another run: not the same {what}"
        write(folder / "test.jsonl", messages(ROWS, 9))
        message = refused(folder, api, DataError, out=out, max_tokens=10)
        assert message.endswith("not the same inputs")


def test_what_is_no_recording_is_left_alone(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.jsonl"
    mine.write_text('{"id": "m2-0000", "output": "refund"}\n')
    with serving(completion("refund")) as api:
        assert refused(folder, api, out=mine) == f"'{mine}' is there already"
        message = refused(folder, api, DataError, out=mine, retry_unscored=True)
        assert message == f"'{mine}' was not written by `jangin record`"
        part = tmp_path / "other.jsonl.part"
        part.write_text("my notes\n")
        assert refused(folder, api, DataError, out=tmp_path / "other.jsonl") == f"'{part}' is no recording"
        assert refused(folder, api, out=tmp_path / "x.txt").endswith("a recorded reference ends in .jsonl")
    assert part.read_text() == "my notes\n" and mine.read_text().startswith('{"id": "m2-0000"')


def test_two_runs_do_not_write_one_file(folder: Path) -> None:
    with serving(lambda n, _: Reply(body=completion("refund").body, after_s=0.02)) as api:
        first = threading.Thread(target=freeze, args=(folder, api), kwargs={"parallel": 1})
        first.start()
        while not api.seen:
            assert first.is_alive()
            time.sleep(0.005)
        with pytest.raises(InputError, match="another run is recording into"):
            freeze(folder, api)
        first.join()
    assert len(api.seen) == ROWS


def test_only_what_has_no_answer_is_asked_again(folder: Path) -> None:
    bad = {row["input"] for row in messages(ROWS, 2)[10:15]}
    with serving(lambda n, seen: fault(503) if seen.asked in bad else completion("refund")) as api:
        found = freeze(folder, api)
        assert (found.answered, found.unscored) == (85, 5) and found.reference is not None
        before = Path(found.reference).read_bytes()
        api.answer = lambda n, seen: fault(503) if seen.asked == min(bad) else completion("refund")
        start = len(api.seen)
        found = freeze(folder, api, retry_unscored=True)
    assert (found.asked, found.answered, found.unscored) == (5, 89, 1)
    assert {seen.asked for seen in api.seen[start:]} == bad
    assert found.reference is not None and Path(found.reference).read_bytes() != before
    assert [row["id"] for row in lines(found.reference)[1:]] == [row["id"] for row in messages(ROWS, 2)]


def test_an_api_that_is_down_is_not_asked_a_thousand_times(folder: Path) -> None:
    with serving(lambda n, _: completion("refund") if n < 20 else fault(503)) as api:
        with pytest.raises(EndpointError) as caught:
            freeze(folder, api, parallel=2)
        assert caught.value.message.startswith("10 questions in a row got no answer from 127.0.0.1:")
        assert caught.value.message.endswith("(last: HTTP 503)") and len(api.seen) <= 20 + 2 * 12
        api.answer = lambda n, _: completion("refund")
        found = freeze(folder, api, retry_unscored=True)
    assert (found.answered, found.unscored, found.asked) == (90, 0, 70)


# --- money, pace, consent -------------------------------------------------------------------------------------------


def test_the_limit_on_the_cost_is_not_passed_and_a_higher_one_goes_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(completion("refund")) as api:
        arguments = ["record", folder, "--endpoint", api.url, "--model", "gpt-4o", "--max-tokens", 20]
        status, found, err = cli(capsys, *arguments, "--max-usd", "0.005")
        assert status == 1 and found["reference"] is None and found["part"].endswith("reference.gpt-4o.jsonl.part")
        assert found["cost_usd"] == pytest.approx(0.00015 * found["asked"]) and 10 < found["asked"] < 34
        assert "it stops before 0.0050 USD are passed" in err
        spent = found["asked"]
        status, found, err = cli(capsys, *arguments, "--max-usd", "1")
    assert (status, found["asked"], found["answered"], len(api.seen)) == (0, ROWS - spent, ROWS, ROWS)
    assert found["cost_usd"] == pytest.approx(0.00015 * ROWS) and "are spent" in err


def test_a_limit_that_cannot_be_kept_is_refused(folder: Path) -> None:
    with serving(completion("refund")) as api:
        message = refused(folder, api, model="my-own", max_usd=1.0)
        assert message == "--max-usd cannot be kept: no price is known for model 'my-own'"
        found = freeze(folder, api, model="my-own", max_usd=1.0, price=(1.0, 2.0))
        assert found.cost_usd == pytest.approx(ROWS * (40 * 1 + 5 * 2) / 1e6)


def test_no_more_requests_a_minute_leave_than_were_allowed(folder: Path) -> None:
    with serving(completion("refund")) as api:
        freeze(folder, api, rpm=1_800)  # thirty a second, and thirty at the start
    times = sorted(seen.at for seen in api.seen)
    assert times[-1] - times[0] >= 1.7
    assert times[75] - times[0] >= 1.3


def test_nothing_leaves_unasked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(completion("refund")) as api:
        arguments = [folder, "--endpoint", api.url, "--model", "gpt-4o"]
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    assert done.returncode == 2 and api.seen == []
    assert done.stderr.endswith(
        "error: there is no terminal to agree on; nothing was sent\n  try: add --yes, or a limit: --max-usd X\n"
    )
    for answer in ("", "n\n", "never\n"):
        with pytest.raises(InputError, match="nothing was sent"):
            agree(["90 inputs will leave"], yes=False, capped=True, read=lambda answer=answer: answer, tty=True)
    agree(["90 inputs will leave"], yes=False, capped=False, read=lambda: "Y\n", tty=True)
    assert capsys.readouterr().err.count("90 inputs will leave\nsend them? [y/N] ") == 4


def test_on_a_terminal_it_asks_and_shows_the_cost_while_it_runs(folder: Path) -> None:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (40, 150))
    with serving(Reply(body=completion("refund").body, after_s=0.01)) as api:
        process = subprocess.Popen(
            [*COMMAND, str(folder), "--endpoint", api.url, "--model", "gpt-4o"],
            stdin=slave,
            stderr=slave,
            stdout=subprocess.PIPE,
            env={**os.environ, "COLUMNS": "150"},
        )
        os.close(slave)
        shown = b""
        while b"[y/N]" not in shown:
            shown += os.read(master, 4096)
        assert api.seen == []
        os.write(master, b"y\n")
        while True:
            try:
                shown += os.read(master, 4096)
            except OSError:  # the other end is closed
                break
        assert process.wait(60) == 0 and process.stdout is not None
        assert process.stdout.read().startswith(b"90 of 90 answered by gpt-4o, 90 asked now, 0.0135 USD\n")
        process.stdout.close()
    os.close(master)
    assert b"cost: about 0.0" in shown and b"cost=0.0135 USD" in shown and b"answer/s" in shown


def test_what_leaves_for_another_machine_is_said_so(folder: Path) -> None:
    told: list[str] = []

    def no(said: list[str]) -> None:
        told.extend(said)
        raise InputError("nothing was sent")

    with pytest.raises(InputError):
        record(folder, "https://api.openai.com/v1", "gpt-4o", Settings(shots=4, redact="pii"), agree=no)
    assert told[0] == (
        "90 inputs of the test split, each with the 4 examples of train and their answers, will LEAVE this machine: "
        "api.openai.com, model 'gpt-4o'"
    )
    assert told[1] == "redaction: pii changed 0 of the texts"
    assert told[2].startswith("cost: about 0.0") and "2.5 and 10 USD a million (genai-prices" in told[2]
    with pytest.raises(InputError, match=r"plain http to api\.example\.com"):
        record(folder, "http://api.example.com/v1", "gpt-4o")
    told.clear()
    with pytest.raises(InputError):
        record(folder, "http://api.example.com/v1", "gpt-4o", Settings(insecure_http=True), agree=no)
    assert told[1].startswith("unencrypted: ")
    assert not [path for path in folder.iterdir() if path.suffix in (".part", ".lock")]


def test_a_wrong_key_costs_one_request_and_shows_nowhere(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with serving(fault(401, message=f"Incorrect API key provided: {KEY}")) as api:
        status = main(["record", str(folder), "--endpoint", api.url, "--model", "gpt-4o", "--yes"])
        assert status == 2 and len(api.seen) == 1
        api.answer = lambda n, _: completion("refund")
        assert main(["record", str(folder), "--endpoint", api.url, "--model", "gpt-4o", "--yes", "--json"]) == 0
    out, err = capfd.readouterr()
    assert "refuses the key in OPENAI_API_KEY (HTTP 401)" in err and KEY not in out + err
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert folder / "reference.gpt-4o.jsonl" in files
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


# --- redaction ------------------------------------------------------------------------------------------------------


@pytest.fixture
def personal(tmp_path: Path) -> Path:
    """Every third row names a mail address and a card number that passes its check digit."""
    folder = classify_task(tmp_path / "personal")
    for name, seed in (("train", 1), ("test", 2)):
        rows = messages(90, seed)
        for row in rows[::3]:
            row["input"] += ", write to kim@example.com, card 4111 1111 1111 1111"
        write(folder / f"{name}.jsonl", rows)
    return folder


def test_what_is_redacted_does_not_leave(personal: Path) -> None:
    with serving(completion("refund")) as api:
        found = freeze(personal, api, redact="pii", shots=6)
    sent = json.dumps([seen.body for seen in api.seen])
    assert "kim@example.com" not in sent and "4111" not in sent
    assert sum("[e-mail address], card [card number]" in seen.asked for seen in api.seen) == 30
    assert lines(found.reference or "")[0]["redaction"] == {"name": "pii", "inputs_changed": 30}


def test_identifiers_are_masked_by_their_shape() -> None:
    text = "call 010-1234-5678, number 901231-1234567, card 4111 1111 1111 1112, order 12345678"
    masked = "call [phone number], number [resident registration number], card 4111 1111 1111 1112, order 12345678"
    assert mask_pii(text) == masked


def test_a_function_of_the_user_s_own_redacts(personal: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    code = [
        "def hide(text):",
        "    return text.replace('kim', 'K.')",
        "def broken(text):",
        "    return None",
        "WORD = 'x'",
    ]
    (tmp_path / "my_redaction.py").write_text("\n".join(code))
    with serving(completion("refund")) as api:
        message = refused(personal, api, redact="my_redaction:broken")
        assert (
            message == "the redaction 'my_redaction:broken' failed on example 'm2-0000' (TypeError); nothing was sent"
        )
        for name, begin in (
            ("my_redaction:WORD", "--redact my_redaction:WORD is no function"),
            ("my_redaction:gone", "--redact my_redaction:gone cannot be loaded: AttributeError"),
            ("no_such_module:f", "--redact no_such_module:f cannot be loaded: ModuleNotFoundError"),
            ("presidio", "--redact presidio: neither built in nor MODULE:FUNCTION"),
        ):
            assert refused(personal, api, redact=name).startswith(begin)
        freeze(personal, api, redact="my_redaction:hide")
    assert sum("K.@example.com" in seen.asked for seen in api.seen) == 30
    assert not [seen for seen in api.seen if "kim@" in json.dumps(seen.body)]


def test_answers_of_examples_are_redacted_too_where_they_are_texts() -> None:
    hook = redaction("pii")
    assert hook is not None
    given = Example("a", [{"role": "user", "content": "kim@example.com"}], {"role": "kim@example.com", "n": [3, None]})
    assert hook.example(given) == (
        Example("a", [{"role": "user", "content": "[e-mail address]"}], given.output),
        True,
    )
    assert hook.example(given, outputs=True)[0].output == {"role": "[e-mail address]", "n": [3, None]}
    assert hook.example(Example("b", "plain", "x")) == (Example("b", "plain", "x"), False)


# --- prompts and answers of the kinds -------------------------------------------------------------------------------


def task_of(folder: Path, kind: str, more: str = "") -> Task:
    folder.mkdir(exist_ok=True)
    (folder / "task.yaml").write_text(f"name: desk\nkind: {kind}\ndata: all.jsonl\n{more}")
    return load_task(folder)


TRAIN = [Example(f"e{n}", f"text {n}", "ab"[n % 20 == 0]) for n in range(60)]


def test_the_default_prompt_lists_labels_and_says_what_is_wanted(tmp_path: Path) -> None:
    task = task_of(tmp_path, "classify", "description: Route it.\nlabels: [a, b]\nout_of_scope: b\n")
    prompt = build(task, ["a", "b"], TRAIN)
    assert prompt.messages("hello") == [
        {
            "role": "system",
            "content": "Route it.\n\nAnswer with exactly one label of this list, spelt as it stands here, and nothing "
            "else:\n- a\n- b\n\nIf none of the others fits, answer: b",
        },
        {"role": "user", "content": "hello"},
    ]
    assert prompt.setting == f"default prompt {prompt.sha256[:12]}, no examples"


def test_examples_take_turns_among_the_labels_and_stay_the_same(tmp_path: Path) -> None:
    task = task_of(tmp_path, "classify")
    chosen = spread(task, TRAIN, 6)
    assert Counter(example.output for example in chosen) == {"a": 3, "b": 3}
    assert chosen == spread(task, TRAIN, 6) and len({example.id for example in spread(task, TRAIN, 60)}) == 60
    prompt = build(task, ["a", "b"], TRAIN, shots=2)
    roles = [turn["role"] for turn in prompt.messages("hello")]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    with pytest.raises(InputError, match="--shots 61: train has 60 examples"):
        spread(task, TRAIN, 61)


def test_a_prompt_of_the_user_s_own_takes_the_input_in(tmp_path: Path) -> None:
    task = task_of(tmp_path, "classify")
    file = tmp_path / "p.txt"
    file.write_text("Labels:\n{labels}\nMessage: {input}\nLabel:")
    prompt = build(task, ["a", "b"], TRAIN, file=file, shots=1)
    *shots, last = prompt.messages("is {labels} open?")
    assert last == {"role": "user", "content": "Labels:\n- a\n- b\nMessage: is {labels} open?\nLabel:"}
    assert [turn["role"] for turn in shots] == ["user", "assistant"]
    file.write_text(" ")
    with pytest.raises(InputError, match="is empty"):
        build(task, [], [], file=file)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        build(task, [], [], file=tmp_path / "none")


def test_a_chat_that_brings_its_own_instruction_is_sent_as_it_was_called() -> None:
    chat = [{"role": "system", "content": "You route."}, {"role": "user", "content": "hello"}]
    assert Prompt("default").messages(chat) == chat
    assert Prompt("mine", own=True).messages(chat) == [{"role": "system", "content": "mine"}, chat[1]]


def test_tags_are_asked_for_and_read_as_a_list(tmp_path: Path) -> None:
    folder = tag_task(tmp_path / "task")
    with serving(completion('```json\n["refund", "card_lost"]\n```')) as api:
        found = freeze(folder, api, shots=2, parallel=4)
    body = api.seen[0].body["messages"]
    assert "Answer with a JSON list of all labels" in body[0]["content"] and body[2]["content"].startswith("[")
    rows = lines(found.reference or "")[1:]
    assert len(rows) == 60 and all(row["output"] == ["refund", "card_lost"] for row in rows)
    assert rows[0]["raw"].startswith("```json")


def test_extraction_is_asked_for_by_its_schema_and_read_as_an_object(tmp_path: Path) -> None:
    task = task_of(tmp_path, "extract", "schema: {type: object, properties: {brand: {type: string}}}\n")
    shots = [Example("a", "a shoe", {"brand": "어떤"})]
    system, _, answer, _ = build(task, [], shots, shots=1).messages("x")
    assert '{"type": "object", "properties": {"brand": {"type": "string"}}}' in system["content"]
    assert answer["content"] == '{"brand": "어떤"}'
    with pytest.raises(DataError, match="an extract task without a schema"):
        default(task_of(tmp_path, "extract"), [])
    read = [
        ('{"a": 1}', {"a": 1}),
        ('Sure:\n```json\n{"a": 1}\n```', {"a": 1}),
        ('<think>{"a": 2}?</think>\n{"a": 1}', {"a": 1}),
        ('{"a": 1', '{"a": 1'),
        ("[1]", "[1]"),
        (None, None),
    ]
    assert [output_of("extract", text) for text, _ in read] == [wanted for _, wanted in read]


def test_free_text_is_asked_for_with_the_description_alone(tmp_path: Path) -> None:
    task = task_of(tmp_path, "generate", "description: Write the SQL query.\n")
    assert build(task, [], []).messages("x")[0] == {"role": "system", "content": "Write the SQL query."}
    assert build(task_of(tmp_path, "generate"), [], []).messages("x") == [{"role": "user", "content": "x"}]
    assert output_of("generate", "SELECT 1\n") == "SELECT 1"


def test_a_schema_is_enforced_only_where_there_is_one(folder: Path) -> None:
    with serving(completion("refund")) as api:
        assert refused(folder, api, json_schema=True) == "--json-schema: the task has no schema"


def test_the_validation_split_can_be_recorded_too(folder: Path) -> None:
    with serving(completion("refund")) as api:
        found = freeze(folder, api, split="validation")
    assert found.reference == str(folder / "reference.gpt-4o.validation.jsonl")
    trained = {row["input"] for row in messages(180, 1)}
    assert 0 < found.n == len(api.seen) and {seen.asked for seen in api.seen} < trained


@pytest.mark.parametrize(
    "line",
    [
        ["--shots", "-1"],
        ["--parallel", "0"],
        ["--max-usd", "-1"],
        ["--max-usd", "nan"],
        ["--price", "3"],
        ["--rpm", "x"],
    ],
)
def test_numbers_that_make_no_sense_are_refused(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["record", "task", "--endpoint", "https://api.openai.com/v1", "--model", "m", *line])
    assert end.value.code == 2 and f"argument {line[0]}" in capsys.readouterr().err
