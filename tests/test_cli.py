"""The command line as a user meets it: one JSON document a verb, exit statuses, mistakes without a traceback."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tiny_base as tiny_base_files
from bundles import TEXTS, ngram_bundle
from jangin import __version__
from jangin.cli import duration, main
from small_tasks import classify_task, messages, write

COMMAND = [sys.executable, "-m", "jangin"]
VERBS = ["init", "check", "pull", "record", "train", "eval", "certify", "predict", "serve", "report", "ledger", "audit"]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """(exit status, stdout, stderr) of a command line in this process."""

    def call(*arguments: object) -> tuple[int, str, str]:
        status = main([str(argument) for argument in arguments])
        return (status, *capsys.readouterr())

    return call


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = ngram_bundle(tmp_path_factory.mktemp("bundles") / "desk")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["task"]["metric"] = "accuracy"  # `eval` asks for it; a bundle that `train` wrote has it
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_help_imports_nothing_heavy() -> None:
    heavy = ("torch", "onnxruntime", "sklearn", "scipy", "numpy", "msgspec", "yaml", "tqdm", "starlette", "tokenizers")
    code = f"""
import sys
from jangin.cli import main
try:
    main(['--help'])
except SystemExit as end:
    assert end.code == 0
print([name for name in {heavy} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert all(f"    {verb} " in done.stdout for verb in VERBS)


def test_every_verb_has_help_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in VERBS:
        with pytest.raises(SystemExit) as end:
            main([verb, "--help"])
        assert end.value.code == 0 and "--json" in capsys.readouterr().out


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"jangin {__version__}\n"


@pytest.mark.parametrize("line", [[], ["trian"], ["train"], ["train", "x", "--budget", "soon"]])
def test_a_wrong_command_line_exits_with_2(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(line)
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("usage: jangin")


def test_durations_are_seconds() -> None:
    assert [duration(text) for text in ("90", "90s", "30m", "2h", "0", "1.5m")] == [90, 90, 1800, 7200, 0, 90]


def test_the_whole_path_prints_one_json_document_a_verb(tmp_path: Path, run: Any) -> None:
    folder, made = classify_task(tmp_path / "task"), tmp_path / "made"

    def document(*arguments: object, status: int = 0) -> Any:
        found, out, _ = run(*arguments, "--json")
        assert found == status, out
        assert out.count("\n") == 1
        return json.loads(out)

    assert document("init", folder / "train.jsonl", "-o", made) == {"task": str(made / "task.yaml")}
    checked = document("check", folder)
    assert {"rows", "errors", "warnings", "leaks", "duplicates"} <= set(checked)
    assert checked["rows"] == {"train": 180, "test": 90} and checked["errors"] == 0
    mended = document("check", folder, "--fix", tmp_path / "fixed")
    assert mended["mended_task"] == str(tmp_path / "fixed" / "task.yaml")
    trained = document("train", folder, "--rungs", " ngrams ", "--seed", 3)
    assert set(trained) == {"specialist", "base", "params", "rung", "passes", "rungs", "seconds", "local_share"}
    assert {"base", "score", "seconds", "energy_wh", "cost_per_1k_usd"} <= set(trained["rungs"][0])
    specialist = trained["specialist"]
    scored = document("eval", specialist, "--on", folder / "test.jsonl")
    assert {"metric", "score", "lower", "upper", "n"} <= set(scored) and scored["n"] == 90
    judged = document("certify", specialist)
    assert {"verdict", "metric", "score", "reference", "reference_score", "difference"} <= set(judged)
    assert {"lower", "upper", "n", "paired", "looks", "certificate"} <= set(judged)
    assert judged["looks"] == 1 and judged["verdict"] == "superior"
    for flag in ("--verify", "--rerun"):
        assert {"valid": True, "differs": []}.items() <= document("certify", flag, judged["certificate"]).items()
    answered = document("predict", specialist, folder / "test.jsonl", "-o", tmp_path / "answers.jsonl")
    assert {"rows", "rows_per_s"} <= set(answered) and answered["rows"] == 90
    assert Path(document("report", folder)["page"]).is_file()


def test_pull_says_what_came_from_where(tmp_path: Path, run: Any) -> None:
    base = tiny_base_files.add(tmp_path / "tiny-bert")
    status, out, _ = run("pull", tmp_path / "tiny-bert", "--json")
    found = json.loads(out)
    assert status == 0 and [each["sha256"] for each in found] == [file.sha256 for file in base.files]
    assert all({"base", "sha256", "bytes", "source"} <= set(each) and each["source"] == "folder" for each in found)


def test_serve_announces_itself_in_one_json_document(desk: Path) -> None:
    command = [*COMMAND, "serve", str(desk), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0 and process.stdout.read() == b""
    assert line["address"].startswith("http://127.0.0.1:") and line["specialists"][0]["name"] == "desk"


def test_tables_go_to_stdout_and_progress_to_stderr(tmp_path: Path, run: Any) -> None:
    folder = classify_task(tmp_path / "task")
    status, out, err = run("train", folder, "--rungs", "ngrams")
    assert status == 0 and err.startswith("ngrams: accuracy ")
    assert out.startswith("rung") and "packed ngrams (" in out
    status, out, _ = run("certify", folder / "runs" / "desk")
    assert status == 0 and out.endswith(f"read it: {folder / 'runs' / 'desk' / 'certificate.html'}\n")


def test_a_comparison_that_says_no_exits_with_1(tmp_path: Path, run: Any) -> None:
    folder = classify_task(tmp_path / "task", bar="{at_least: 0.99}", hard=0.3)
    status, out, _ = run("train", folder, "--rungs", "ngrams")
    assert status == 1 and "no rung is likely enough to pass (best chance 0." in out
    assert run("certify", folder / "runs" / "desk")[0] == 1


def test_data_that_would_make_training_dishonest_exits_with_2(tmp_path: Path, run: Any) -> None:
    folder = classify_task(tmp_path / "task")
    write(folder / "train.jsonl", [*messages(100, 1), {"id": "m1-0000", "input": "again", "output": "refund"}])
    assert run("check", folder)[0] == 2
    assert run("check", folder, "--fix", tmp_path / "fixed")[0] == 0


def told(code: str, message: str, hint: str | None, retryable: bool = False) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "hint": hint, "retryable": retryable}}


def test_a_misspelt_key_names_the_near_one(tmp_path: Path, run: Any) -> None:
    folder = classify_task(tmp_path / "task", bar="{at_lest: 0.9}")
    status, out, err = run("train", folder, "--json")
    assert status == 2
    assert json.loads(out) == told("bad_task", "task.yaml: unknown key 'bar.at_lest'", "did you mean 'at_least'?")
    assert err == "error: task.yaml: unknown key 'bar.at_lest'\n  try: did you mean 'at_least'?\n"


def test_without_json_a_mistake_leaves_stdout_empty(tmp_path: Path, run: Any) -> None:
    status, out, err = run("check", tmp_path / "none")
    assert (status, out) == (2, "")
    expected = f"error: no task file '{tmp_path / 'none'}'\n  try: jangin init DATA writes one from a data file\n"
    assert err == expected


def test_an_unknown_base_names_the_nearest(run: Any) -> None:
    status, out, _ = run("pull", "minilm-l7", "--json")
    found = json.loads(out)["error"]
    assert (status, found["code"]) == (2, "unknown_base")
    assert found["message"] == "base 'minilm-l7' is not in the catalogue"
    assert found["hint"].startswith("did you mean 'minilm-l6'")


@pytest.mark.parametrize(
    "line",
    [
        ["init", "{0}/none.csv"],
        ["check", "{0}/none"],
        ["train", "{0}/none"],
        ["eval", "{1}", "--on", "{0}/none.jsonl"],
        ["eval", "{0}/none", "--on", "{0}/none.jsonl"],
        ["certify", "{0}/none"],
        ["certify", "--verify", "{0}/none.json"],
        ["certify", "--rerun", "{0}/none.json"],
        ["predict", "{1}", "{0}/none.jsonl", "-o", "{0}/out.jsonl"],
        ["predict", "{0}/none", "{0}/none.jsonl", "-o", "{0}/out.jsonl"],
        ["serve", "{0}/none", "--port", "0"],
        ["report", "{0}/none"],
    ],
    ids=" ".join,
)
def test_a_path_that_is_not_there_is_told_in_one_document(
    line: list[str], tmp_path: Path, desk: Path, run: Any
) -> None:
    status, out, err = run(*(part.format(tmp_path, desk) for part in line), "--json")
    found = json.loads(out)["error"]
    assert status == 2 and set(found) == {"code", "message", "hint", "retryable"}
    assert "none" in found["message"] and found["hint"] and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_certify_wants_exactly_one_thing_to_do(run: Any, tmp_path: Path) -> None:
    message = "{} of SPECIALIST, --verify FILE and --rerun FILE were given; 1 was expected"
    for line, count in ((["certify"], 0), (["certify", "a", "--verify", "b"], 2)):
        assert json.loads(run(*line, "--json")[1]) == told(
            "bad_input", message.format(count), "jangin certify SPECIALIST"
        )


def test_predict_does_not_mix_answers_and_the_document(desk: Path, tmp_path: Path, run: Any) -> None:
    data = write(tmp_path / "in.jsonl", [{"input": text} for text in TEXTS])
    status, out, _ = run("predict", desk, data, "--json")
    message = "--json prints its document on stdout, where the answers would go too"
    assert (status, json.loads(out)) == (2, told("bad_input", message, "add -o OUT"))


def test_a_reader_that_stops_early_ends_the_command_quietly(desk: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "in.jsonl", [{"input": text} for text in TEXTS * 2_000])
    command = [*COMMAND, "predict", str(desk), str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith(b'{"id":"row-1"')
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(60) == 0
    assert b"Error" not in err and b"Traceback" not in err


def test_predict_tells_how_many_rows_had_errors_and_exits_with_1_when_all_had(
    desk: Path, tmp_path: Path, run: Any
) -> None:
    data = write(tmp_path / "some.jsonl", [{"body": text} for text in ("refund", "", "")])
    status, out, _ = run("predict", desk, data, "--field", "body", "-o", tmp_path / "some.out")
    assert status == 0 and out.startswith("3 rows, 2 with errors, ") and out.endswith(f" in {tmp_path / 'some.out'}\n")
    data = write(tmp_path / "none.jsonl", [{"input": ""}, {"input": " "}])
    status, out, _ = run("predict", desk, data, "-o", tmp_path / "none.out", "--json")
    assert status == 1 and (json.loads(out)["rows"], json.loads(out)["errors"]) == (2, 2)
    assert run("predict", desk, data)[0] == 1


def test_an_empty_list_of_rungs_is_refused_with_the_names_there_are(tmp_path: Path, run: Any) -> None:
    status, out, err = run("train", classify_task(tmp_path / "task"), "--rungs", "")
    assert (status, out) == (2, "")
    assert err.startswith("error: no rung named\n  try: the rungs are: ngrams, ")
