"""The audit log: what was changed shows, what was acknowledged stays, and a torn line is never dropped in silence."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit_keys import keys
from jangin.audit import AuditLog, Head, verify
from jangin.audit.chain import GENESIS, hash_of, read_head, read_heads
from jangin.audit.verify import read
from jangin.errors import AuditError, InputError
from jangin.files import canonical_json

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
FILE = "audit-000001.jsonl"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


def written(folder: Path, entries: int = 6, **given: Any) -> Head:
    with AuditLog.open(folder, **given) as log:
        for number in range(entries):
            head = log.append("policy.changed", {"task": "상점", "n": number})
    return head


def test_an_entry_is_one_line_of_canonical_json(folder: Path) -> None:
    with AuditLog.open(folder) as log:
        head = log.append("egress.sent", {"to": "api.example", "bytes": 812, "fields": ["input"]})
    first, second = (folder / FILE).read_bytes().splitlines()
    entry = json.loads(second)
    assert canonical_json(entry) == second and set(entry) == {"at", "fields", "hash", "kind", "previous", "seq"}
    assert (entry["seq"], entry["kind"], entry["previous"]) == (2, "egress.sent", json.loads(first)["hash"])
    assert json.loads(first)["previous"] == GENESIS and json.loads(first)["kind"] == "audit.begun"
    assert head == Head(seq=2, hash=entry["hash"], at=entry["at"])
    assert hash_of({name: value for name, value in entry.items() if name != "hash"}) == head.hash


def test_entries_of_a_group_are_a_chain_with_one_fsync(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    sync = os.fsync
    with AuditLog.open(folder) as log:
        monkeypatch.setattr(os, "fsync", lambda handle: (synced.append(handle), sync(handle)))
        head = log.append_all([("egress", {"n": number}) for number in range(5)])
        assert head.seq == 6 and len(synced) == 1
        with pytest.raises(InputError, match="is not a name"):
            log.append_all([("egress", {"n": 6}), ("no name", {})])
        assert log.append("egress", {"n": 7}).seq == 7  # nothing of the group that was refused is in the log
    found = verify(folder, head)
    assert found.valid and found.entries == 7


def test_a_whole_log_is_valid_and_says_what_that_means(folder: Path) -> None:
    head = written(folder)
    found = verify(folder, head)
    assert (found.valid, found.entries, found.begins_at, found.ends_at, found.why) == (True, 7, 1, 7, None)
    assert found.did.startswith("compared the chain with a head of entry 7 that was kept elsewhere;")
    assert verify(folder).did.startswith("checked the chain only: without a head that was kept elsewhere,")


def tampered(folder: Path, change: Any) -> Any:
    """Verifies after `change(lines)`; each line keeps its line end."""
    path = folder / FILE
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    return verify(folder)


@pytest.mark.parametrize(
    ("change", "line", "why"),
    [
        (
            lambda lines: [*lines[:2], lines[2].replace(b'"n":1', b'"n":9'), *lines[3:]],
            3,
            "its hash is not that of its content: it was changed",
        ),
        (
            lambda lines: [*lines[:2], *lines[3:]],
            3,
            "it is entry 4, and 3 was expected: lines were removed, added or moved",
        ),
        (
            lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]],
            3,
            "it is entry 4, and 3 was expected: lines were removed, added or moved",
        ),
        (
            lambda lines: [*lines[:3], lines[2], *lines[3:]],
            4,
            "it is entry 3, and 4 was expected: lines were removed, added or moved",
        ),
        (lambda lines: [*lines[:6], lines[6][:-10]], 7, "it has no end: a crash cut it off, or somebody did"),
        (lambda lines: [*lines[:2], b"\n", *lines[2:]], 3, "it is not an entry of an audit log"),
        (
            lambda lines: [*lines[:2], lines[2].replace(b'"n":1', b'"n": 1'), *lines[3:]],
            3,
            "it is not spelt as an audit log spells its entries",
        ),
        (lambda lines: lines[1:], 1, "it is entry 2: the files with the entries before it are not there"),
        (lambda lines: [*lines, b"[" * 60_000 + b"\n"], 8, "it is not an entry of an audit log"),
        (lambda lines: [*lines, b"x" * 70_000 + b"\n"], 8, "it is longer than 65,536 bytes"),
        (lambda lines: [], None, "there is no entry in it"),
    ],
    ids=["edit", "removal", "order", "copy", "cut", "empty line", "spelling", "first line", "deep", "long", "emptied"],
)
def test_the_first_bad_line_is_named(folder: Path, change: Any, line: int | None, why: str) -> None:
    written(folder)
    found = tampered(folder, change)
    assert (found.valid, found.line, found.why) == (False, line, why)
    assert found.file == (None if line is None else str(folder / FILE))


def forged(lines: list[bytes], position: int) -> list[bytes]:
    """One entry changed, and all hashes from there on computed anew, as somebody with the code can do."""
    entries = [json.loads(line) for line in lines]
    entries[position]["fields"] = {"forged": True}
    for number in range(position, len(entries)):
        body = {name: value for name, value in entries[number].items() if name != "hash"}
        body["previous"] = entries[number - 1]["hash"] if number else GENESIS
        entries[number] = {**body, "hash": hash_of(body)}
    return [canonical_json(entry) + b"\n" for entry in entries]


def test_a_log_that_was_cut_or_written_anew_shows_only_next_to_a_head_kept_elsewhere(folder: Path) -> None:
    head = written(folder)
    whole = (folder / FILE).read_bytes()
    assert tampered(folder, lambda lines: lines[:4]).valid
    assert verify(folder, head).why == "the log ends at entry 4, and a head of entry 7 was kept: its end was cut off"
    (folder / FILE).write_bytes(whole)
    assert tampered(folder, lambda lines: forged(lines, 2)).valid
    assert verify(folder, head).why == "entry 7 is not the one whose head was kept: the log was written anew"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, Head]:
    folder = tmp_path_factory.mktemp("sample") / "audit"
    head = written(folder)
    return folder / FILE, (folder / FILE).read_bytes(), head


@st.composite
def changes(draw: st.DrawFn, whole: bytes) -> bytes:
    """The log's bytes after one or several changes."""
    content = whole
    for _ in range(draw(st.integers(1, 3))):
        lines = content.splitlines(keepends=True) or [b""]
        a, b = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
        kind = draw(st.sampled_from(["byte", "insert", "delete", "cut", "drop", "swap", "copy", "forge", "head"]))
        at = draw(st.integers(0, max(0, len(content) - 1)))
        if kind == "byte":
            content = content[:at] + bytes([draw(st.integers(0, 255))]) + content[at + 1 :]
        elif kind == "insert":
            content = content[:at] + draw(st.binary(min_size=1, max_size=4)) + content[at:]
        elif kind == "delete":
            content = content[:at] + content[at + draw(st.integers(1, 300)) :]
        elif kind == "cut":
            content = content[:at]
        elif kind == "drop":
            content = b"".join([*lines[:a], *lines[a + 1 :]])
        elif kind == "swap":
            lines[a], lines[b] = lines[b], lines[a]
            content = b"".join(lines)
        elif kind == "copy":
            content = b"".join([*lines[:b], lines[a], *lines[b:]])
        elif kind == "head":
            content = b"".join(lines[a:])
        else:
            try:
                content = b"".join(forged(lines, a))
            except (ValueError, KeyError, TypeError):
                continue
    return content


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_change_of_the_bytes_goes_unseen_next_to_a_head(
    sample: tuple[Path, bytes, Head], data: st.DataObject
) -> None:
    path, whole, head = sample
    content = data.draw(changes(whole))
    path.write_bytes(content)
    found = verify(path, head)
    assert found.valid == (content == whole)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_without_a_head_only_a_shorter_log_or_one_written_anew_is_valid(
    sample: tuple[Path, bytes, Head], data: st.DataObject
) -> None:
    path, whole, _ = sample
    content = data.draw(changes(whole))
    path.write_bytes(content)
    if verify(path.parent).valid:
        entries = [json.loads(line) for line in content.splitlines()]
        assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
        ours = [json.loads(line) for line in whole.splitlines()]
        assert whole.startswith(content) or any(
            entry != our for entry, our in zip(entries, ours)
        )  # a whole part of it, or other entries, whose hashes were computed anew


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fields=st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=6,
        ),
        max_size=4,
    )
)
def test_whatever_json_is_logged_is_valid_and_comes_back(fields: dict[str, Any], log: AuditLog) -> None:
    try:
        head = log.append("x", fields)
    except InputError:
        assert any("\ud800" <= letter <= "\udfff" for letter in json.dumps(fields, ensure_ascii=False))
        return
    entries, bad = read(log.folder)
    assert bad is None and entries[-1].fields == fields and verify(log.folder, head).valid


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditLog]:
    with AuditLog.open(tmp_path_factory.mktemp("log") / "audit") as log:
        yield log


def test_heads_are_signed_and_a_signature_of_another_key_or_head_is_refused(folder: Path, tmp_path: Path) -> None:
    private, public = keys(tmp_path)
    _, other = keys(tmp_path)
    head = written(folder, key=private)
    later = written(folder, key=private)
    assert head.signature and verify(folder, [head, later], public).valid
    assert verify(folder, head, other).why == "the head of entry 7 is not signed by this key"
    borrowed = Head(seq=later.seq, hash=later.hash, at=later.at, signature=head.signature)
    unsigned = Head(seq=head.seq, hash=head.hash, at=head.at)
    for wrong in (borrowed, unsigned, Head(seq=7, hash=head.hash, at=head.at, signature="??")):
        assert verify(folder, wrong, public).why == f"the head of entry {wrong.seq} is not signed by this key"
    assert verify(folder, head, public).did.startswith(
        "compared the chain with a head of entry 7 that was kept elsewhere, signed by this key;"
    )
    with pytest.raises(InputError, match="a public key was given, but no head"):
        verify(folder, None, public)


def test_a_head_is_one_line_that_can_be_read_back(folder: Path, tmp_path: Path) -> None:
    private, _ = keys(tmp_path)
    heads = [written(folder), written(folder, key=private)]
    kept = tmp_path / "heads.jsonl"
    kept.write_text("".join(head.text() + "\n" for head in heads))
    assert read_heads(str(kept)) == heads and read_head(heads[1].text()) == heads[1]
    assert read_heads(heads[0].text()) == heads[:1]
    for wrong in ('{"seq": 1}', "{", str(tmp_path / "none")):
        with pytest.raises(InputError):
            read_heads(wrong)


def test_a_key_that_is_none_is_refused(folder: Path, tmp_path: Path) -> None:
    private, public = keys(tmp_path)
    for path in (public, tmp_path / "none.key"):
        with pytest.raises(InputError, match="expected an Ed25519 private key in PEM, without a password"):
            AuditLog.open(folder, path)
    head = written(folder, key=private)
    with pytest.raises(InputError, match="expected an Ed25519 public key in PEM"):
        verify(folder, head, private)


def test_files_follow_one_another_in_one_chain(folder: Path) -> None:
    head = written(folder, 40, file_bytes=1_500)
    files = sorted(folder.glob("audit-*.jsonl"))
    assert len(files) > 4 and all(file.stat().st_size < 1_500 + 400 for file in files)
    found = verify(folder, head)
    assert (found.valid, found.entries) == (True, 41)
    alone = verify(files[2])
    assert alone.valid and alone.begins_at and alone.begins_at > 1
    assert alone.did.endswith(f"; the entries before {alone.begins_at} were not read")
    lines = files[2].read_bytes().splitlines(keepends=True)
    files[2].write_bytes(b"".join(lines[1:]))
    assert (verify(files[2]).valid, verify(files[2]).line) == (False, 1)
    files[2].write_bytes(b"".join(lines))
    moved = files[1].read_bytes()
    files[1].unlink()
    assert verify(folder).file == str(files[2]) and verify(folder).line == 1
    files[1].write_bytes(moved)
    files[0].unlink()
    assert (verify(folder).why or "").endswith("the files with the entries before it are not there")


def test_a_torn_line_is_set_aside_and_recorded(folder: Path) -> None:
    head = written(folder)
    with open(folder / FILE, "ab") as file:
        file.write(b'{"at":"2026-11-2')
    assert verify(folder).line == 8
    with AuditLog.open(folder) as log:
        new = log.append("policy.changed", {})
    entries, _ = read(folder)
    (recovered,) = [entry for entry in entries if entry.kind == "audit.recovered"]
    assert recovered.seq == 8 and new.seq == 9 and recovered.fields["bytes"] == 16
    kept = folder / recovered.fields["kept_as"]
    assert kept.read_bytes() == b'{"at":"2026-11-2' and verify(folder, [head, new]).valid


def test_a_torn_line_found_while_the_log_is_open_is_set_aside_too(folder: Path) -> None:
    with AuditLog.open(folder) as log:
        with open(folder / FILE, "ab") as file:
            file.write(b"{")
        assert log.append("policy.changed", {}).seq == 3
    assert verify(folder).valid


def test_a_recovery_that_was_itself_killed_is_finished(folder: Path) -> None:
    written(folder)
    (folder / "torn-audit-000001-900-abcdefab.bin.pending").write_bytes(b"{half")  # set aside, not recorded yet
    with AuditLog.open(folder) as log:
        head = log.head()
    entries, _ = read(folder)
    assert entries[-1].kind == "audit.recovered" and entries[-1].fields["bytes"] == 5 and head.seq == 8
    assert [path.name for path in folder.glob("torn-*")] == ["torn-audit-000001-900-abcdefab.bin"]


def test_a_first_line_that_was_torn_leaves_a_log_that_begins(folder: Path) -> None:
    folder.mkdir()
    (folder / FILE).write_bytes(b'{"at":')
    with AuditLog.open(folder) as log:
        log.append("policy.changed", {})
    assert [entry.kind for entry in read(folder)[0]] == ["audit.begun", "audit.recovered", "policy.changed"]
    assert verify(folder).valid


def test_a_log_whose_last_line_was_changed_is_not_continued(folder: Path) -> None:
    written(folder)
    (folder / FILE).write_bytes((folder / FILE).read_bytes().replace(b'"n":5', b'"n":6'))
    with pytest.raises(AuditError) as caught:
        AuditLog.open(folder)
    assert caught.value.message == (
        f"{folder / FILE}: the log cannot be continued after its last line: its hash is not that of its content: it "
        "was changed"
    )


def test_a_log_that_was_cut_while_open_takes_no_entries(folder: Path) -> None:
    with AuditLog.open(folder) as log:
        for number in range(5):
            log.append("policy.changed", {"n": number})
        lines = (folder / FILE).read_bytes().splitlines(keepends=True)
        (folder / FILE).write_bytes(b"".join(lines[:3]))
        with pytest.raises(AuditError, match="the log ends before entry 6, which was there: it was cut or replaced"):
            log.append("policy.changed", {})
        shutil.rmtree(folder)
        with pytest.raises(AuditError):
            log.append("policy.changed", {})


def test_two_processes_and_four_threads_make_one_chain(folder: Path) -> None:
    code = """
import sys
from jangin.audit import AuditLog
with AuditLog.open(sys.argv[1], file_bytes=4000) as log:
    for number in range(15):
        log.append("key.created", {"by": sys.argv[2], "n": number})
"""
    others = [
        subprocess.Popen([sys.executable, "-c", code, str(folder), str(number)], env=ENVIRONMENT) for number in range(2)
    ]
    with AuditLog.open(folder, file_bytes=4000) as log:
        threads = [
            threading.Thread(target=lambda: [log.append("egress.sent", {"n": number}) for number in range(15)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [other.wait(60) for other in others] == [0, 0]
        head = log.head()
    found = verify(folder, head)
    assert (found.valid, found.entries) == (True, 1 + 4 * 15 + 2 * 15)


def test_a_log_that_cannot_be_written_says_so_and_keeps_what_it_has(folder: Path) -> None:
    code = """
import resource, sys
from jangin.audit import AuditLog
from jangin.errors import AuditError
with AuditLog.open(sys.argv[1]) as log:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
    for number in range(100):
        try:
            head = log.append("egress.sent", {"n": number})
        except AuditError as error:
            print(number, error.message, head.text(), sep="|")
            break
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(log.append("egress.sent", {"n": "after"}).text())
"""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    failed, after = done.stdout.splitlines()
    number, message, last = failed.split("|")
    assert message == f"the audit log cannot be written: {folder}: the disk is full (File too large)"
    found = verify(folder, [read_head(last), read_head(after)])
    assert found.valid and found.entries == 1 + int(number) + 1


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("Policy changed", {}, "audit kind 'Policy changed' is not a name; expected words like policy.changed"),
        ("x", {"n": float("nan")}, "the fields of an audit entry 'x' are not JSON"),
        ("x", {"n": {1}}, "the fields of an audit entry 'x' are not JSON"),
        ("x", {"n": "\ud800"}, "the fields of an audit entry 'x' are not JSON"),
        ("x", {"n": "y" * 70_000}, "the fields of an audit entry 'x' take 70,"),
    ],
)
def test_what_does_not_fit_into_a_line_is_refused(folder: Path, kind: str, fields: Any, message: str) -> None:
    with AuditLog.open(folder) as log:
        with pytest.raises(InputError) as caught:
            log.append(kind, fields)
        assert caught.value.message.startswith(message)
        assert log.append("y", {}).seq == 2


def test_a_folder_without_a_log_cannot_be_verified(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no audit log"):
        verify(tmp_path)


def test_after_a_failed_fsync_nothing_is_accepted_until_the_log_is_opened_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with AuditLog.open(folder) as log:
        log.append("egress.sent", {"n": 1})
        with monkeypatch.context() as broken:
            broken.setattr("jangin.audit.log.os.fsync", failing)
            with pytest.raises(AuditError, match=r"cannot be written \(Input/output error\)"):
                log.append("egress.sent", {"n": 2})
        with pytest.raises(AuditError, match="the disk failed to keep an entry of the audit log"):
            log.append("egress.sent", {"n": 3})
    with AuditLog.open(folder) as log:
        assert verify(folder, log.append("egress.sent", {"n": 4})).valid
