"""Pulling from a hub and a mirror over loopback: resumed, verified, safe against what carriers and processes do."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading

import msgspec
import pytest

from bases_server import a_base, hub_file, hub_path, serving, sha
from jangin.bases import download, pull
from jangin.bases.store import Store
from jangin.errors import HashMismatchError, SourceError, StorageError, UnknownBaseError

CONTENT = os.urandom(300_000)
PATH = hub_path()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "BACKOFF_S", 0.001)
    for name in ("JANGIN_MIRROR", "JANGIN_INDEX_URL", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with serving() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        server.files[PATH] = CONTENT
        yield server


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "home")


def leftovers(store: Store) -> list[str]:
    return sorted(path.name for path in (store.home / "partial").glob("*"))


def part(store: Store, content: bytes = CONTENT):
    return store.partial(f"{sha(content)}.part")


def test_a_pulled_file_lies_in_the_store_and_is_not_fetched_twice(server, store):
    base = a_base(hub_file(CONTENT))
    assert pull.local(base, store) is None
    [record] = pull.pull(base, quiet=True, store=store)
    assert (record.base, record.file, record.source, record.pinned) == ("tiny", "model.safetensors", "hub", True)
    assert (record.sha256, record.bytes) == (sha(CONTENT), len(CONTENT))
    assert pull.pull(base, quiet=True, store=store)[0].source == "store"
    assert pull.ensure(base, quiet=True, store=store) == {"model.safetensors": store.blob(sha(CONTENT))}
    assert pull.local(base, store)["model.safetensors"].read_bytes() == CONTENT
    assert len(server.asked(PATH)) == 1
    assert leftovers(store) == []


def test_a_broken_connection_goes_on_where_it_ended(server, store):
    server.faults[PATH] = [("cut", 100_000), ("cut", 50_000)]
    pull.pull(a_base(hub_file(CONTENT)), quiet=True, store=store)
    requests = server.asked(PATH)
    assert [request.get("range") for request in requests] == [None, "bytes=100000-", "bytes=150000-"]
    assert [request.get("if-range") for request in requests] == [None, *2 * [f'"{sha(CONTENT)[:8]}"']]


def test_a_server_that_ignores_ranges_is_read_from_the_start(server, store):
    server.faults[PATH] = [("cut", 100_000), ("no range",)]
    pull.pull(a_base(hub_file(CONTENT)), quiet=True, store=store)
    assert store.path(sha(CONTENT), verify=True) is not None


def test_a_server_that_is_busy_is_asked_again(server, store):
    server.faults[PATH] = [("status", 503), ("status", 429)]
    pull.pull(a_base(hub_file(CONTENT)), quiet=True, store=store)
    assert len(server.asked(PATH)) == 3


def test_a_server_that_stays_busy_is_a_source_error_that_keeps_what_came(server, store):
    server.faults[PATH] = [("cut", 100_000)] + [("status", 503)] * 10
    with pytest.raises(SourceError) as caught:
        pull.pull(a_base(hub_file(CONTENT)), quiet=True, store=store)
    assert caught.value.message == (
        "tiny/model.safetensors could not be fetched: "
        f"hub: {server.url}{PATH}: HTTP 503, {download.RETRIES + 1} times in a row"
    )
    assert caught.value.hint == (
        f"check the network, or set JANGIN_MIRROR to a folder or URL that holds {sha(CONTENT)}"
    )
    assert part(store).read_bytes() == CONTENT[:100_000]
    server.faults[PATH] = []
    pull.pull(a_base(hub_file(CONTENT)), quiet=True, store=store)
    assert server.asked(PATH)[-1]["range"] == "bytes=100000-"


def test_other_bytes_than_the_pinned_ones_are_deleted_and_named(server, store, capsys):
    wrong = bytes(len(CONTENT))
    server.files[PATH] = wrong
    with pytest.raises(HashMismatchError) as caught:
        pull.pull(a_base(hub_file(CONTENT)), quiet=True, store=store)
    reason = f"hub: sha256 {sha(wrong)} where {sha(CONTENT)} was pinned"
    assert caught.value.message == f"tiny/model.safetensors is not the pinned file and was deleted: {reason}"
    assert capsys.readouterr().err == f"tiny/model.safetensors: refused, {reason}\n"
    assert pull.local(a_base(hub_file(CONTENT)), store) is None
    assert leftovers(store) == []


def test_a_truncated_file_is_refused_before_it_is_downloaded(server, store):
    server.files[PATH] = CONTENT[:-1]
    with pytest.raises(HashMismatchError) as caught:
        pull.pull(a_base(hub_file(CONTENT)), quiet=True, store=store)
    assert f"{server.url}{PATH} offers 299999 bytes where 300000 were pinned" in caught.value.message
    assert leftovers(store) == []


def test_a_beginning_left_from_another_file_is_dropped_and_the_file_fetched_anew(server, store):
    part(store).write_bytes(b"from another file")
    pull.pull(a_base(hub_file(CONTENT)), quiet=True, store=store)
    assert store.path(sha(CONTENT), verify=True) is not None
    assert [request.get("range") for request in server.asked(PATH)] == ["bytes=17-", None]


def test_a_complete_beginning_is_not_fetched_again(server, store):
    part(store).write_bytes(CONTENT)
    pull.pull(a_base(hub_file(CONTENT)), quiet=True, store=store)
    assert server.asked(PATH) == []


def test_a_file_of_unknown_size_that_is_complete_is_recognised(server, store):
    base = a_base(hub_file(CONTENT, pinned=False))
    store.partial("tiny.model.safetensors.part").write_bytes(CONTENT)
    pull.pull(base, quiet=True, store=store)
    assert server.asked(PATH)[0]["range"] == "bytes=300000-"
    assert store.path(sha(CONTENT), verify=True) is not None


def test_a_file_that_changed_on_the_server_is_not_mixed_from_two_versions(server, store):
    base = a_base(hub_file(CONTENT, pinned=False))
    server.faults[PATH] = [("cut", 100_000)] + [("status", 503)] * 6
    with pytest.raises(SourceError):
        pull.pull(base, quiet=True, store=store)
    changed = os.urandom(len(CONTENT))
    server.files[PATH] = changed
    [record] = pull.pull(base, quiet=True, store=store)
    assert record.sha256 == sha(changed)


def test_a_damaged_file_is_found_by_pull_and_fetched_again(server, store, capsys):
    base = a_base(hub_file(CONTENT))
    pull.pull(base, quiet=True, store=store)
    store.blob(sha(CONTENT)).write_bytes(bytes(len(CONTENT)))
    assert pull.pull(base, quiet=True, store=store)[0].source == "hub"
    assert store.path(sha(CONTENT), verify=True) is not None
    assert "is damaged" in capsys.readouterr().err


def test_a_shortened_file_counts_as_missing_and_ensure_fetches_it_again(server, store):
    base = a_base(hub_file(CONTENT))
    pull.ensure(base, quiet=True, store=store)
    store.blob(sha(CONTENT)).write_bytes(CONTENT[:5])
    assert pull.local(base, store) is None
    assert pull.ensure(base, quiet=True, store=store)["model.safetensors"].read_bytes() == CONTENT


def test_an_unpinned_file_is_trusted_on_first_use_and_a_later_different_one_refused(server, store, capsys):
    base = a_base(hub_file(CONTENT, pinned=False))
    assert pull.pinned(base, store).files[0].sha256 is None
    [record] = pull.pull(base, quiet=True, store=store)
    ref = store.ref("tiny", "model.safetensors")
    assert capsys.readouterr().err == (
        f"tiny/model.safetensors is unpinned: trusting sha256 {sha(CONTENT)} from now on ({ref})\n"
    )
    assert (record.sha256, record.pinned) == (sha(CONTENT), False)
    assert pull.pinned(base, store).files[0].sha256 == sha(CONTENT)
    assert pull.local(base, store) == {"model.safetensors": store.blob(sha(CONTENT))}
    store.blob(sha(CONTENT)).unlink()
    server.files[PATH] = bytes(len(CONTENT))
    with pytest.raises(HashMismatchError):
        pull.pull(base, quiet=True, store=store)


def test_the_hub_token_goes_to_the_hub_and_not_to_where_it_redirects(server, store, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    storage = server.url.replace("127.0.0.1", "localhost")
    server.redirects[PATH] = f"{storage}/storage"
    server.files["/storage"] = CONTENT
    pull.pull(a_base(hub_file(CONTENT)), quiet=True, store=store)
    assert server.asked(PATH)[0]["authorization"] == "Bearer hf_secret"
    assert "authorization" not in server.asked("/storage")[0]


def test_a_gated_repository_says_what_to_do(server, store):
    server.faults[PATH] = [("status", 403)]
    with pytest.raises(SourceError) as caught:
        pull.pull(a_base(hub_file(CONTENT)), quiet=True, store=store)
    assert caught.value.message == (
        f"tiny/model.safetensors could not be fetched: hub: {server.url}{PATH}: HTTP 403; "
        "accept the licence of owner/tiny on the hub and set HF_TOKEN"
    )


def test_a_mirror_folder_comes_before_the_other_sources(server, store, tmp_path, monkeypatch):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / sha(CONTENT)).write_bytes(CONTENT)
    monkeypatch.setenv("JANGIN_MIRROR", str(tmp_path / "mirror"))
    [record] = pull.pull(a_base(hub_file(CONTENT)), quiet=True, store=store)
    assert record.source == "mirror"
    assert server.requests == []


def test_a_mirror_url_serves_files_by_hash_with_its_credentials_kept_out_of_messages(server, store, monkeypatch):
    del server.files[PATH]
    monkeypatch.setenv("JANGIN_MIRROR", server.url.replace("//", "//user:secret@") + "/mirror/")
    with pytest.raises(SourceError) as caught:
        pull.pull(a_base(hub_file(CONTENT)), quiet=True, store=store)
    assert "secret" not in str(caught.value)
    assert f"mirror: {server.url}/mirror/{sha(CONTENT)}: HTTP 404; hub: " in caught.value.message
    server.files[f"/mirror/{sha(CONTENT)}"] = CONTENT
    assert pull.pull(a_base(hub_file(CONTENT)), quiet=True, store=store)[0].source == "mirror"
    assert server.asked(f"/mirror/{sha(CONTENT)}")[-1]["authorization"] == "Basic dXNlcjpzZWNyZXQ="


def test_a_corrupt_mirror_is_named_and_the_next_source_used(server, store, tmp_path, monkeypatch, capsys):
    (tmp_path / sha(CONTENT)).write_bytes(b"corrupt")
    monkeypatch.setenv("JANGIN_MIRROR", str(tmp_path))
    assert pull.pull(a_base(hub_file(CONTENT)), quiet=True, store=store)[0].source == "hub"
    assert capsys.readouterr().err == (
        f"tiny/model.safetensors: refused, mirror: {tmp_path / sha(CONTENT)} has sha256 {sha(b'corrupt')}, "
        f"pinned is {sha(CONTENT)}\n"
    )


def test_a_source_that_cannot_be_reached_is_asked_once_for_all_files(server, store, monkeypatch):
    with serving() as gone:
        pass
    monkeypatch.setenv("JANGIN_MIRROR", gone.url)
    tried = []
    monkeypatch.setattr(download.time, "sleep", tried.append)
    server.files[hub_path("b")] = b"second"
    pull.pull(a_base(hub_file(CONTENT), hub_file(b"second", "b")), quiet=True, store=store)
    assert len(tried) == 1


def test_a_base_larger_than_the_disk_is_refused_before_the_first_byte(server, store):
    huge = msgspec.structs.replace(hub_file(CONTENT), bytes=10**18)
    with pytest.raises(StorageError) as caught:
        pull.pull(a_base(huge), quiet=True, store=store)
    assert caught.value.message.startswith(f"tiny needs 1000000000000 MB in {store.home}, ")
    assert server.requests == []


def test_an_unknown_base_is_refused(store):
    for call in (pull.local, pull.ensure, pull.pull):
        with pytest.raises(UnknownBaseError, match="base 'minilm-l8' is not in the catalogue"):
            call("minilm-l8", store=store)


# Below: what happens to processes. Each pulls in one of its own, from the server of this one.

PULLER = """
import sys
from pathlib import Path
import msgspec
from jangin.bases import pull
from jangin.bases.store import Store
from jangin.errors import JanginError
from jangin.types import BaseModel
base = msgspec.json.decode(sys.argv[1], type=BaseModel)
try:
    print(pull.pull(base, quiet=True, store=Store(Path(sys.argv[2])))[0].source)
except JanginError as error:
    print(type(error).__name__, error.message)
"""


def puller(store: Store, **options) -> subprocess.Popen:
    base = msgspec.json.encode(a_base(hub_file(CONTENT))).decode()
    return subprocess.Popen(
        [sys.executable, "-c", PULLER, base, str(store.home)], stdout=subprocess.PIPE, text=True, **options
    )


def test_after_kill_9_in_the_middle_the_next_pull_goes_on(server, store):
    release = threading.Event()
    server.faults[PATH] = [("hold", 200_000, release)]
    killed = puller(store)
    while not part(store).exists() or part(store).stat().st_size < 200_000:
        assert killed.poll() is None
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    release.set()
    assert pull.local(a_base(hub_file(CONTENT)), store) is None
    pull.pull(a_base(hub_file(CONTENT)), quiet=True, store=store)
    assert server.asked(PATH)[-1]["range"] == "bytes=200000-"
    assert store.path(sha(CONTENT), verify=True) is not None
    assert leftovers(store) == []


def test_two_processes_that_pull_the_same_file_fetch_it_once(server, store):
    release = threading.Event()
    server.faults[PATH] = [("hold", len(CONTENT), release)]
    both = [puller(store), puller(store)]
    while not server.asked(PATH):
        assert all(process.poll() is None for process in both)
    release.set()
    assert sorted(process.communicate()[0].strip() for process in both) == ["hub", "store"]
    assert len(server.asked(PATH)) == 1


def test_a_disk_that_takes_no_more_is_a_storage_error_and_the_rest_is_fetched_later(server, store):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    full = puller(store, preexec_fn=limit)
    assert full.communicate()[0] == (
        f"StorageError cannot write {part(store)}: the file would be larger than this system or its limits allow\n"
    )
    kept = part(store).stat().st_size
    assert 0 < kept <= 100_000
    pull.pull(a_base(hub_file(CONTENT)), quiet=True, store=store)
    assert server.asked(PATH)[-1]["range"] == f"bytes={kept}-"


@pytest.mark.weights
def test_the_small_english_encoder_can_be_pulled_for_real():
    records = pull.pull("minilm-l6", quiet=True)
    assert [(record.file, record.bytes) for record in records] == [
        ("model.safetensors", 90_868_376),
        ("tokenizer.json", 466_247),
        ("config.json", 612),
    ]
    assert set(pull.local("minilm-l6")) == {"model.safetensors", "tokenizer.json", "config.json"}
