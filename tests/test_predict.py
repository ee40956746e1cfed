"""`predict`: every row gets its line, bad rows say why, a killed run goes on where it stopped."""

from __future__ import annotations

import gzip
import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bundles import TEXTS, encoder_bundle, ngram_bundle
from jangin.errors import DataError, InputError, StorageError
from jangin.models.specialist import load
from jangin.predict import predict


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    return ngram_bundle(tmp_path / "desk")


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_row_gets_the_specialist_s_answer_in_order(tmp_path: Path) -> None:
    folder = encoder_bundle(tmp_path / "tiny")
    inputs = TEXTS * 100
    data = write(tmp_path / "in.jsonl", [{"id": f"m{n}", "input": text} for n, text in enumerate(inputs)])
    found = predict(folder, data, tmp_path / "out.jsonl", probabilities=True, quiet=True)
    specialist = load(folder)
    want = specialist.probabilities(inputs)
    rows = lines(tmp_path / "out.jsonl")
    assert [row["id"] for row in rows] == [f"m{n}" for n in range(len(inputs))]
    assert [row["label"] for row in rows] == specialist.rule.decide("classify", specialist.labels, want)
    for row, probabilities in zip(rows, want):
        assert list(row["probabilities"].values()) == pytest.approx(probabilities.tolist(), abs=1e-6)
        assert row["confidence"] == row["probabilities"][row["label"]]
    assert (found.rows, found.errors, found.resumed_at) == (1_200, 0, 0)
    assert found.rows_per_s > 0 and found.output == str(tmp_path / "out.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl", "tiny"]


def test_csv_gzip_and_chat_files_give_the_same_answers(tmp_path: Path, desk: Path) -> None:
    jsonl = write(tmp_path / "a.jsonl", [{"input": text} for text in TEXTS])
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(jsonl.read_bytes()))
    table = tmp_path / "c.csv"
    table.write_text("text,label\n" + "".join(f'"{text}",?\n' for text in TEXTS))
    turns = [[{"role": "user", "content": text}, {"role": "assistant", "content": "refund"}] for text in TEXTS]
    chats = write(tmp_path / "d.jsonl", [{"messages": turn} for turn in turns])
    named = write(tmp_path / "e.jsonl", [{"input": "not this", "body": text} for text in TEXTS])
    answers = []
    for data in (jsonl, packed, table, chats, named):
        out = tmp_path / f"{data.name}.out"
        predict(desk, data, out, quiet=True, field="body" if data == named else None)
        answers.append(lines(out))
    assert answers[1:] == answers[:1] * 4
    assert answers[0][0]["id"] == "row-1"


def test_tag_rows_hold_a_list_of_labels(tmp_path: Path) -> None:
    folder = ngram_bundle(tmp_path / "mod", kind="tag")
    data = write(tmp_path / "in.jsonl", [{"input": "I lost my card"}, {"input": "zzz"}])
    predict(folder, data, tmp_path / "out.jsonl", quiet=True)
    assert [row["labels"] for row in lines(tmp_path / "out.jsonl")] == [["card_lost"], []]


def test_a_bad_row_gets_a_line_that_says_why_and_its_neighbours_their_answers(tmp_path: Path, desk: Path) -> None:
    data = tmp_path / "in.jsonl"
    rows = [
        b'{"input": "I lost my card"}',
        b"not json",
        b'{"id": 7, "input": "  "}',
        b'{"id": "x", "other": "refund"}',
        b'{"input": "\xff"}',
        b'{"input": 5}',
        b'{"input": "' + b"x" * 100_001 + b'"}',
        b'{"input": "refund please"}',
    ]
    data.write_bytes(b"\n".join(rows))
    found = predict(desk, data, tmp_path / "out.jsonl", quiet=True)
    assert (found.rows, found.errors) == (8, 6)
    answers = lines(tmp_path / "out.jsonl")
    assert [answer.get("label") for answer in (answers[0], answers[7])] == ["card_lost", "refund"]
    assert [(answer["id"], answer["error"]) for answer in answers[1:7]] == [
        ("row-2", "row 2: not valid JSON: JSON is malformed: invalid character (byte 4)"),
        ("7", "row 3: the input is empty"),
        ("x", "row 4: no field 'input' or 'text' or 'messages'"),
        ("row-5", "row 5: not valid UTF-8 at byte 11"),
        ("row-6", "row 6: not a text or chat messages: Expected `array`, got `int`"),
        ("row-7", "row 7: 100,001 characters; the limit is 100,000"),
    ]


def test_an_empty_file_gives_an_empty_answer(tmp_path: Path, desk: Path) -> None:
    found = predict(desk, write(tmp_path / "in.jsonl", []), tmp_path / "out.jsonl", quiet=True)
    assert found.rows == 0 and (tmp_path / "out.jsonl").read_bytes() == b""


def test_without_an_output_file_the_answers_go_to_stdout(
    tmp_path: Path, desk: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    found = predict(desk, write(tmp_path / "in.jsonl", [{"input": "refund please"}]), quiet=True)
    assert found.rows == 1 and found.output is None
    assert json.loads(capfdbinary.readouterr().out)["label"] == "refund"


def test_a_killed_run_goes_on_where_it_stopped_and_gives_the_same_file(tmp_path: Path, desk: Path) -> None:
    data = write(tmp_path / "in.jsonl", [{"input": f"{TEXTS[n % len(TEXTS)]} {n}"} for n in range(30_000)])
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    predict(desk, data, whole, quiet=True)
    code = "import sys; from pathlib import Path; from jangin.predict import predict; predict(*map(Path, sys.argv[1:]))"
    process = subprocess.Popen([sys.executable, "-c", code, str(desk), str(data), str(out)], stderr=subprocess.DEVNULL)
    part = tmp_path / "out.jsonl.part"
    end = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size > 100_000):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert part.exists() and not out.exists()
    with part.open("ab") as stream:
        stream.write(b'{"id":"row-99","lab')  # a batch that was cut off in the middle
    found = predict(desk, data, out, quiet=True)
    assert 0 < found.resumed_at < 30_000 and found.rows == 30_000
    assert out.read_bytes() == whole.read_bytes()
    assert not part.exists() and not (tmp_path / "out.jsonl.part.json").exists()


def test_a_part_of_another_run_is_not_continued(tmp_path: Path, desk: Path) -> None:
    data, out = write(tmp_path / "in.jsonl", [{"input": "refund"}]), tmp_path / "out.jsonl"
    (tmp_path / "out.jsonl.part").write_text('{"id":"row-1","label":"card_lost","confidence":0.5}\n')
    (tmp_path / "out.jsonl.part.json").write_text(
        json.dumps({"input_sha256": "0" * 64, "specialist": "0" * 64, "field": None, "probabilities": False})
    )
    with pytest.raises(DataError) as caught:
        predict(desk, data, out, quiet=True)
    assert str(caught.value) == (
        f"'{out}.part' was begun with another input, specialist or option\n"
        "  try: delete it to begin again, or run with what it was begun with (out.jsonl.part.json)"
    )
    (tmp_path / "out.jsonl.part.json").unlink()
    assert predict(desk, data, out, quiet=True).resumed_at == 0


def test_the_input_is_never_overwritten_and_a_missing_one_is_named(tmp_path: Path, desk: Path) -> None:
    data = write(tmp_path / "in.jsonl", [{"input": "refund"}])
    with pytest.raises(DataError) as caught:
        predict(desk, data, data, quiet=True)
    assert caught.value.message == f"the output '{data}' is the input"
    with pytest.raises(DataError) as caught:
        predict(desk, tmp_path / "none.jsonl", tmp_path / "out.jsonl", quiet=True)
    assert caught.value.message == f"no data file '{tmp_path / 'none.jsonl'}'"
    assert not (tmp_path / "out.jsonl.part").exists()


def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_room(tmp_path: Path, desk: Path) -> None:
    data, out = write(tmp_path / "in.jsonl", [{"input": TEXTS[n % 12]} for n in range(2_000)]), tmp_path / "out.jsonl"
    code = (
        "import resource, sys; from pathlib import Path; from jangin.predict import predict\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "try: predict(*map(Path, sys.argv[1:]), quiet=True)\n"
        "except Exception as error: print(type(error).__name__, error, end='')"
    )
    command = [sys.executable, "-c", code, str(desk), str(data), str(out)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said == (
        f"StorageError {out}: the disk is full (File too large)\n  try: free some space and run the command again"
    )
    found = predict(desk, data, out, quiet=True)
    assert found.resumed_at > 500 and found.rows == len(lines(out)) == 2_000


def test_an_output_that_is_there_is_never_overwritten(tmp_path: Path, desk: Path) -> None:
    data, notes = write(tmp_path / "in.jsonl", [{"input": "refund"}]), tmp_path / "mynotes.jsonl"
    notes.write_text("mine")
    with pytest.raises(InputError) as caught:
        predict(desk, data, notes, quiet=True)
    assert str(caught.value) == f"'{notes}' is there already\n  try: name another file, or remove it"
    assert notes.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["desk", "in.jsonl", "mynotes.jsonl"]


def test_an_output_that_cannot_be_written_is_refused_at_once_and_leaves_nothing(tmp_path: Path, desk: Path) -> None:
    data, folder = write(tmp_path / "in.jsonl", [{"input": "refund"}]), tmp_path / "answers"
    folder.mkdir()
    with pytest.raises(InputError) as caught:
        predict(desk, data, folder, quiet=True)
    assert str(caught.value) == f"'{folder}' is a folder\n  try: name a file for the answers"
    with pytest.raises(StorageError) as storage:
        predict(desk, data, data / "out.jsonl", quiet=True)
    assert storage.value.hint == "check the path and its permissions"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers", "desk", "in.jsonl"]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("field", "wanted"), [(None, "'input' or 'text' or 'messages'"), ("body", "'body'")], ids=["default", "named"]
)
def test_a_file_without_the_input_s_column_is_refused_naming_the_columns(
    field: str | None, wanted: str, tmp_path: Path, desk: Path
) -> None:
    data = tmp_path / "in.csv"
    data.write_text("message,intent\nrefund please,refund\n")
    for out in (None, tmp_path / "out.jsonl"):
        with pytest.raises(DataError) as caught:
            predict(desk, data, out, field=field, quiet=True)
        assert str(caught.value) == (
            f"in.csv: no column {wanted}; found: 'message', 'intent'\n  try: name the column: --field NAME"
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["desk", "in.csv"]


def test_a_resumed_run_counts_the_errors_of_the_whole_output(tmp_path: Path, desk: Path) -> None:
    rows = [{"input": "" if n % 3 == 0 else "refund"} for n in range(9)]
    data, out = write(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl"
    predict(desk, data, out, quiet=True)
    whole = out.read_bytes()
    out.unlink()
    job = {
        "input_sha256": hashlib.sha256(data.read_bytes()).hexdigest(),
        "specialist": load(desk).sha256,
        "field": None,
        "probabilities": False,
    }
    (tmp_path / "out.jsonl.part.json").write_text(json.dumps(job))
    for torn in (b'{"id":"row-6","lab', b"\x00\x00\n"):
        (tmp_path / "out.jsonl.part").write_bytes(b"".join(whole.splitlines(keepends=True)[:5]) + torn)
        (tmp_path / "out.jsonl.part.json").write_text(json.dumps(job))
        found = predict(desk, data, out, quiet=True)
        assert (found.rows, found.errors, found.resumed_at) == (9, 3, 5)
        assert out.read_bytes() == whole
        out.unlink()
