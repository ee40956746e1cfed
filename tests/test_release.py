"""requirements/release.txt: what a release is built from, every file pinned by hash."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("audit", "decoder", "oidc", "otel", "pii", "postgres")  # the gateway and what it serves; as in the Makefile


def pinned() -> dict[str, tuple[str, int]]:
    """Name -> (version, how many files have a hash)."""
    found = {}
    for block in re.split(r"\n(?=\S)", (ROOT / "requirements" / "release.txt").read_text("utf-8")):
        if block.startswith("#"):  # pip-tools' opinion of setuptools
            continue
        head = re.match(r"([\w.-]+)==([^\s;]+)", block)
        assert head, block[:80]
        found[canonicalize_name(head[1])] = head[2], len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", block))
    return found


def test_every_requirement_of_a_release_has_one_version_and_its_hashes() -> None:
    assert all(hashes >= 1 for _, hashes in pinned().values())
    text = (ROOT / "requirements" / "release.txt").read_text("utf-8")
    assert not re.search(r"://|^-", text, re.MULTILINE)  # it works with whatever index a site has


def test_a_release_holds_what_the_project_asks_for_and_what_was_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"]] + [each for extra in EXTRAS for each in project["optional-dependencies"][extra]]
    found = pinned()
    for each in map(Requirement, wanted):
        assert each.specifier.contains(found[canonicalize_name(each.name)][0]), each
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        name, _, version = line.partition("==")
        if version and (name := canonicalize_name(name)) in found:
            assert found[name][0] == version, line


def test_the_makefile_builds_it_of_the_same_extras() -> None:
    assert f"RELEASE = {' '.join(EXTRAS)}\n" in (ROOT / "Makefile").read_text("utf-8")
