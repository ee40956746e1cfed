"""The verbs `jangin ledger` and `jangin audit` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audit_keys import keys
from jangin.audit import AuditLog
from jangin.cli import main
from jangin.ledger import Ledger, Texts
from jangin.ledger.row import DAY_US
from ledger_rows import DAY, fill, row


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """(exit status, stdout, stderr) of a command line in this process."""

    def call(*arguments: object) -> tuple[int, str, str]:
        status = main([str(argument) for argument in arguments])
        return (status, *capsys.readouterr())

    return call


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    with Ledger.open(path) as book:
        rows = [
            row(
                "a",
                DAY + 1,
                prompt_tokens=10,
                completion_tokens=2,
                cost_usd=0.5,
                reference_cost_usd=2.0,
                duration_us=1500,
            ),
            row("b", DAY + DAY_US, task="desk", route="failed", status=503, error_code="engine"),
            row("c", DAY + 2 * DAY_US, key_id="other", energy_wh=0.25),
        ]
        fill(book, rows, {"a": Texts("where is it", "delivery_late")})
    return path


def test_query_shows_rows_newest_first(ledger: Path, run: Any) -> None:
    status, out, _ = run("ledger", "query", ledger, "--limit", 2)
    assert status == 0
    assert out.splitlines() == [
        "at (UTC)                 task  key    endpoint  route   status  tokens  ms   id",
        "2024-10-06T00:00:00.000  shop  other  chat      local   200     0+0     0.0  c",
        "2024-10-05T00:00:00.000  desk  team   chat      failed  503     0+0     0.0  b",
        f"more: --after {DAY + DAY_US}:2",
    ]
    status, out, _ = run("ledger", "query", ledger, "--after", f"{DAY + DAY_US}:2", "--texts")
    assert out.splitlines()[1:] == [
        "2024-10-04T00:00:00.000  shop  team  chat      local  200     10+2    1.5  a",
        "a: 'where is it' -> 'delivery_late'",
    ]


def test_query_filters(ledger: Path, run: Any) -> None:
    def ids(*flags: str) -> list[str]:
        status, out, _ = run("ledger", "query", ledger, "--json", *flags)
        assert status == 0 and out.count("\n") == 1
        return [each["id"] for each in json.loads(out)["rows"]]

    assert ids() == ["c", "b", "a"] and ids("--task", "desk") == ids("--errors") == ids("--route", "failed") == ["b"]
    assert ids("--key", "team") == ["b", "a"] and ids("--id", "c") == ["c"]
    assert ids("--since", "2024-10-05", "--until", "2024-10-06") == ["b"]
    assert ids("--since", "2024-10-04T09:00+09:00", "--until", "2024-10-04T23:59") == ["a"]


def test_query_says_everything_in_json_with_times_in_utc(ledger: Path, run: Any) -> None:
    found = json.loads(run("ledger", "query", ledger, "--json", "--texts")[1])
    assert found["next"] is None
    first = found["rows"][2]
    assert (first["at"], first["input"], first["output"]) == (
        "2024-10-04T00:00:00.000001Z",
        "where is it",
        "delivery_late",
    )
    assert first["reference_cost_usd"] == 2.0 and "input" not in found["rows"][0]


def test_totals_add_up_by_what_is_asked(ledger: Path, run: Any) -> None:
    status, out, _ = run("ledger", "totals", ledger, "--by", "task")
    assert status == 0
    assert out.splitlines() == [
        "task  requests  errors  prompt tokens  answer tokens  cost USD  saved USD  Wh     bytes out",
        "shop  2         0       10             2              0.5000    1.5000     0.250  0",
        "desk  1         1       0              0              0.0000                      0",
    ]
    found = json.loads(run("ledger", "totals", ledger, "--json", "--since", "2024-10-05")[1])
    assert found["by"] == ["day"]
    assert [(each["group"], each["requests"]) for each in found["totals"]] == [
        ({"day": "2024-10-05"}, 1),
        ({"day": "2024-10-06"}, 1),
    ]


def test_export_writes_what_is_asked_for(ledger: Path, tmp_path: Path, run: Any) -> None:
    out = tmp_path / "rows.csv"
    assert run("ledger", "export", ledger, "-o", out, "--task", "shop", "--json")[:2] == (
        0,
        json.dumps({"file": str(out), "rows": 2}, separators=(",", ":")) + "\n",
    )
    assert [line.split(",")[0] for line in out.read_text().splitlines()] == ["id", "a", "c"]


def test_prune_removes_by_age_rows_or_texts(ledger: Path, run: Any) -> None:
    assert run("ledger", "prune", ledger, "--before", "2024-10-05", "--texts", "--task", "desk")[1] == (
        "removed 0 requests, 0 stored texts and 0 totals before 2024-10-05T00:00:00.000000Z\n"
    )
    found = json.loads(run("ledger", "prune", ledger, "--before", "2024-10-05", "--texts", "--json")[1])
    assert (found["rows"], found["texts"]) == (0, 1)
    found = json.loads(run("ledger", "prune", ledger, "--older-than", "1d", "--json")[1])
    assert (found["rows"], found["texts"], found["totals"]) == (3, 0, 0)
    assert json.loads(run("ledger", "totals", ledger, "--json")[1])["totals"][0]["requests"] == 1
    assert json.loads(run("ledger", "prune", ledger, "--older-than", "1d", "--totals", "--json")[1])["totals"] == 3
    assert json.loads(run("ledger", "totals", ledger, "--json")[1])["totals"] == []
    status, _, err = run("ledger", "prune", ledger, "--before", "2024-10-05", "--task", "shop")
    assert status == 2 and err.startswith("error: --task goes with --texts: requests are pruned by their age alone")


def test_check_says_whether_a_ledger_is_whole(ledger: Path, run: Any) -> None:
    assert run("ledger", "check", ledger)[:2] == (0, f"{ledger}: nothing is damaged\n")
    assert json.loads(run("ledger", "check", ledger, "--json")[1]) == {"valid": True, "damaged": []}


def test_the_ledger_is_named_by_argument_or_variable(ledger: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JANGIN_LEDGER", raising=False)
    assert "there is no ledger" in run("ledger", "check")[2]  # the server's own, which never ran here
    monkeypatch.setenv("JANGIN_LEDGER", str(ledger))
    assert run("ledger", "check")[0] == 0
    status, _, err = run("ledger", "query", "postgresql://jangin:s3cret@127.0.0.1/ledger")
    assert status == 2 and err.startswith("error: the database's password stands on the command line")
    assert "s3cret" not in err


def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path, run: Any) -> None:
    for action in (["query"], ["prune", "--older-than", "1d"]):
        status, out, err = run("ledger", action[0], tmp_path / "none", *action[1:], "--json")
        assert status == 2 and json.loads(out)["error"]["code"] == "ledger"
        assert err.startswith(f"error: {tmp_path / 'none'}: there is no ledger")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "line",
    [
        ["ledger"],
        ["ledger", "totals", "x", "--by", "hour"],
        ["ledger", "prune", "x"],
        ["ledger", "prune", "x", "--older-than", "90"],
        ["ledger", "query", "x", "--limit", "0"],
        ["audit", "verify"],
    ],
)
def test_a_wrong_line_exits_with_2(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(line)
    assert end.value.code == 2 and capsys.readouterr().err.startswith("usage: jangin")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    with AuditLog.open(tmp_path / "audit") as log:
        log.append("policy.changed", {"task": "shop", "egress": "deny"})
        log.append("egress.sent", {"to": "api.example", "bytes": 812})
    return tmp_path / "audit"


def test_a_head_is_printed_kept_and_verified(log: Path, tmp_path: Path, run: Any) -> None:
    private, public = keys(tmp_path)
    heads = tmp_path / "heads.jsonl"
    status, out, _ = run("audit", "head", log, "--key", private)
    assert status == 0 and json.loads(out)["seq"] == 3 and json.loads(out)["signature"]
    assert json.loads(run("audit", "head", log, "--json")[1]) == {
        name: value for name, value in json.loads(out).items() if name != "signature"
    }
    heads.write_text(out)
    for head in (heads, out.strip()):
        status, told, _ = run("audit", "verify", log, "--head", head, "--public-key", public)
        assert status == 0 and told.startswith(
            "valid: 3 entries, from 1 to 3\ncompared the chain with a head of entry 3"
        )
    path = log / "audit-000001.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    status, told, _ = run("audit", "verify", log, "--head", heads)
    assert status == 1
    assert told.startswith("NOT valid\nthe log ends at entry 2, and a head of entry 3 was kept: its end was cut off\n")


def test_verify_names_the_first_bad_line(log: Path, run: Any) -> None:
    path = log / "audit-000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b"deny", b"open"))
    status, out, _ = run("audit", "verify", path)
    assert status == 1
    assert out.startswith(f"NOT valid\n{path}, line 2: its hash is not that of its content: it was changed\n")
    found = json.loads(run("audit", "verify", path, "--json")[1])
    assert (found["valid"], found["file"], found["line"]) == (False, str(path), 2)


def test_show_lists_entries_by_kind_and_time(log: Path, run: Any) -> None:
    status, out, _ = run("audit", "show", log, "--kind", "egress")
    assert status == 0 and out.splitlines()[1].endswith('  egress.sent  {"bytes":812,"to":"api.example"}')
    kinds = [each["kind"] for each in json.loads(run("audit", "show", log, "--json")[1])["entries"]]
    assert kinds == ["audit.begun", "policy.changed", "egress.sent"]
    assert [each["seq"] for each in json.loads(run("audit", "show", log, "--limit", 1, "--json")[1])["entries"]] == [3]
    assert json.loads(run("audit", "show", log, "--since", "2199-01-01", "--json")[1])["entries"] == []
    with open(log / "audit-000001.jsonl", "ab") as file:
        file.write(b"{\n")
    status, out, _ = run("audit", "show", log)
    assert status == 1 and out.splitlines()[-1].endswith("line 4: it is not an entry of an audit log: see audit verify")
