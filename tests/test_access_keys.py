"""API keys: what the file holds, who finds a key, rotation without a gap, two writers, broken files."""

from __future__ import annotations

import json
import stat
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from jangin.access.keys import Keys, Limits
from jangin.cli import main
from jangin.errors import InputError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "keys.json"


def test_a_key_is_found_by_its_secret_and_the_file_does_not_hold_the_secret(path: Path) -> None:
    keys = Keys(path)
    key, secret = keys.add("desk", tasks=["bank-intents"], limits=Limits(requests_per_minute=60))
    assert keys.find(secret.encode()) == key
    assert keys.find(secret.encode() + b"x") is None and keys.find(b"") is None
    assert secret.startswith("jk-") and len(secret) == 46
    assert secret not in path.read_text() and secret[3:] not in path.read_text()
    assert key.may("bank-intents") and not key.may("other")


@pytest.mark.skipif(sys.platform == "win32", reason="no file modes there")
def test_only_the_owner_reads_the_file(path: Path) -> None:
    Keys(path).add("desk")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_ends_at_its_time_and_at_once_when_revoked(path: Path) -> None:
    keys = Keys(path)
    key, secret = keys.add("short", lasts_s=60)
    assert keys.find(secret.encode(), now=key.created + 59) is not None
    assert keys.find(secret.encode(), now=key.created + 60) is None
    other, secret = keys.add("gone")
    keys.revoke("gone")
    assert keys.find(secret.encode()) is None
    again, _ = keys.add("gone")  # the name is free again, the identity is another
    assert again.id != other.id


def test_rotation_leaves_no_moment_without_a_working_secret(path: Path) -> None:
    keys = Keys(path)
    key, old = keys.add("desk")
    rotated, new = keys.rotate("desk", grace_s=100)
    now = time.time()
    assert rotated.id == key.id and old != new
    assert keys.find(old.encode(), now + 98) and keys.find(new.encode(), now + 98)
    assert keys.find(old.encode(), now + 101) is None and keys.find(new.encode(), now + 1e9)
    _, newest = keys.rotate(key.id, grace_s=0)
    assert keys.find(new.encode()) is None and keys.find(newest.encode())


def test_a_running_server_sees_what_another_process_changed(path: Path) -> None:
    served, admin = Keys(path), Keys(path)
    _, secret = admin.add("desk")
    assert served.find(secret.encode()) is None
    served.refresh(time.monotonic() + 1)
    assert served.find(secret.encode())
    admin.revoke("desk")
    served.refresh(time.monotonic() + 2)
    assert served.find(secret.encode()) is None


def test_two_writers_lose_nothing(path: Path) -> None:
    def add(name: str) -> None:
        for number in range(5):
            Keys(path).add(f"{name}{number}")

    threads = [threading.Thread(target=add, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key.name for key in Keys(path)} == {f"{name}{number}" for name in "abc" for number in range(5)}


def test_a_folder_that_cannot_be_read_any_more_changes_nothing_while_serving(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Keys(path)
    _, secret = keys.add("desk")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", denied)
    assert keys.refresh(time.monotonic() + 1) is False and keys.find(secret.encode())
    with pytest.raises(InputError, match="cannot be read"):
        Keys(path)


def test_a_broken_file_is_named_at_the_start_and_changes_nothing_while_serving(path: Path) -> None:
    keys = Keys(path)
    _, secret = keys.add("desk")
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    keys.refresh(time.monotonic() + 1)
    assert keys.find(secret.encode())
    with pytest.raises(InputError, match="not a key file"):
        Keys(path)
    with pytest.raises(InputError, match="not a key file"):
        keys.add("other")
    assert path.read_text() == whole[: len(whole) // 2]
    path.write_text(json.dumps({"format": 9, "keys": []}))
    with pytest.raises(InputError, match="format 9"):
        Keys(path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": ""}, "cannot name a key"),
        ({"name": "a\nb"}, "cannot name a key"),
        ({"name": "a" * 65}, "cannot name a key"),
        ({"name": "desk", "roles": ("root",)}, "roles are root"),
        ({"name": "desk", "roles": ()}, "roles are none"),
    ],
)
def test_what_cannot_be_a_key_is_refused_and_nothing_is_written(path: Path, arguments: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Keys(path).add(**arguments)
    assert not path.exists()


def test_names_are_unique_among_keys_in_force_and_unknown_ones_are_answered_with_those_that_exist(path: Path) -> None:
    keys = Keys(path)
    keys.add("desk")
    with pytest.raises(InputError, match="a key named 'desk' already"):
        keys.add("desk")
    with pytest.raises(InputError, match="the keys in force: 'desk'"):
        keys.rotate("dusk")
    key = keys.revoke("desk")
    with pytest.raises(InputError, match="revoked"):
        keys.rotate(key.id)


@pytest.mark.parametrize("name", Limits.__struct_fields__)
def test_limits_are_positive(name: str) -> None:
    for value in (0, -1):
        with pytest.raises(ValueError, match=f"{name} is {value}"):
            Limits(**{name: value})


def test_the_verb_adds_lists_rotates_and_revokes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def jangin(*arguments: str) -> Any:
        code = main(["keys", *arguments, "--state", str(tmp_path), "--json"])
        return code, json.loads(capsys.readouterr().out)

    code, made = jangin("add", "desk", "--task", "cards", "--lasts", "90d", "--usd-per-day", "2.5")
    assert code == 0 and made["tasks"] == ["cards"] and made["limits"] == {"usd_per_day": 2.5}
    found = Keys(tmp_path / "keys.json").find(made["secret"].encode())
    assert found is not None and found.expires == pytest.approx(found.created + 90 * 86_400)
    _, rotated = jangin("rotate", "desk", "--grace", "1h")
    assert rotated["id"] == made["id"] and len(rotated["secrets"]) == 2
    _, listed = jangin("list")
    assert [key["name"] for key in listed] == ["desk"] and "secret" not in listed[0]
    assert "sha256" not in json.dumps(listed)
    _, revoked = jangin("revoke", made["id"])
    assert revoked["revoked"] and not revoked["secrets"]
    assert jangin("revoke")[0] == 2
