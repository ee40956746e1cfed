"""The content-addressed store: whole files only, found by hash, damage noticed, locks that die with their owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from bases_server import sha
from jangin.bases.store import Store, Trusted, slug, write_whole
from jangin.errors import HashMismatchError, StorageError

CONTENT = b"weights" * 1000


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "home")


def put(store: Store, content: bytes) -> str:
    temporary = store.partial("incoming")
    temporary.write_bytes(content)
    store.adopt(temporary, sha(content))
    return sha(content)


def test_a_file_is_found_under_its_hash(store):
    key = put(store, CONTENT)
    assert store.path(key) == store.home / "blobs" / "sha256" / key[:2] / key
    assert store.path(key, size=len(CONTENT), verify=True).read_bytes() == CONTENT
    assert store.has(key, len(CONTENT))


def test_a_file_that_is_not_there_is_none_and_leaves_no_folder(store):
    assert store.path(sha(b"absent"), verify=True) is None
    assert not store.has(sha(b"absent"))
    assert not store.home.exists()


def test_a_file_of_the_wrong_size_is_refused_without_reading_it(store):
    key = put(store, CONTENT)
    store.blob(key).write_bytes(CONTENT[:-1])
    assert not store.has(key, len(CONTENT))
    with pytest.raises(HashMismatchError) as caught:
        store.path(key, size=len(CONTENT))
    assert caught.value.message == f"{store.blob(key)} is damaged: 6999 bytes where 7000 were expected"


def test_one_changed_byte_is_found_when_asked_to_verify(store):
    key = put(store, CONTENT)
    damaged = b"W" + CONTENT[1:]
    store.blob(key).write_bytes(damaged)
    assert store.path(key, size=len(CONTENT)) is not None
    with pytest.raises(HashMismatchError) as caught:
        store.path(key, verify=True)
    assert caught.value.message == f"{store.blob(key)} is damaged: sha256 {sha(damaged)} where {key} was expected"


def test_a_trusted_hash_is_remembered_and_a_broken_record_is_named(store):
    assert store.trusted("owner/tiny", "config.json") is None
    store.trust("owner/tiny", "config.json", Trusted(sha(CONTENT), 7000, "hub"))
    assert store.trusted("owner/tiny", "config.json") == Trusted(sha(CONTENT), 7000, "hub")
    store.ref("owner/tiny", "config.json").write_text("{")
    with pytest.raises(StorageError, match="not a record of a trusted hash"):
        store.trusted("owner/tiny", "config.json")


def test_a_name_cannot_leave_its_folder():
    assert slug("owner/name@main") == "owner--name--main"
    assert slug("../../etc/passwd") == "--..--etc--passwd"
    assert slug("..") == "--"


def test_writing_below_a_file_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError) as caught:
        write_whole(tmp_path / "file" / "below", b"x")
    assert caught.value.message == (
        f"cannot write {tmp_path / 'file' / 'below'}: a part of that path is a file, not a folder"
    )


def test_a_lock_is_exclusive(store):
    entered = threading.Event()
    order = []

    def second():
        with store.lock("key"):
            order.append("second")
        entered.set()

    with store.lock("key"):
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_the_lock_of_a_killed_process_is_free(store):
    code = (
        "import sys, time; from pathlib import Path; from jangin.bases.store import Store\n"
        "with Store(Path(sys.argv[1])).lock('key'):\n    print('held', flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, str(store.home)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout.readline() == "held\n"
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    with store.lock("key"):
        pass
