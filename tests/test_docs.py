"""The documentation is true: its commands run, its links resolve, and what it names is there.

A page's ```sh blocks are one script, run in an empty folder that holds a copy of `examples/`. A line that ends in
`# exits with N` must do so. A command that cannot run here stands in a ```text block whose first line begins with
`# not run by the tests`; those blocks are counted below, so that their number cannot grow unseen.
"""

from __future__ import annotations

import contextlib
import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jangin.bases.store import default_home
from jangin.task import KINDS, METRICS, load_task

ROOT = Path(__file__).resolve().parent.parent
DOCS, SOURCE = ROOT / "docs", ROOT / "src" / "jangin"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
LINKING = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((DOCS / "decisions").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"^(?:\$ )?(?:jangin|pip|python\d?|make|curl|export|cp) ", re.MULTILINE)
EXITS = re.compile(r"^(.*\S)  # exits with (\d)$", re.MULTILINE)
NOT_RUN = "# not run by the tests"
NOT_RUN_BLOCKS = {
    "README.md": 3,
    "decoders.md": 2,
    "export.md": 1,
    "ledger.md": 1,
    "quickstart.md": 1,
    "bases.md": 3,
    "few-shot.md": 2,
    "reproduce.md": 12,
    "results.md": 1,
    "security.md": 1,
    "speed.md": 2,
}
PORT = "8080"
LIMIT_S = 400


def blocks(page: Path, kind: str) -> list[str]:
    return [text for fence, text in FENCE.findall(page.read_text(encoding="utf-8")) if fence == kind]


NEEDS_A_BASE = ("README.md", "bases.md")
WITH_COMMANDS = [
    pytest.param(page, marks=[pytest.mark.weights] if page.name in NEEDS_A_BASE else [], id=page.name)
    for page in PAGES
    if blocks(page, "sh")
]


@pytest.mark.docs
@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_the_commands_of_a_page_run(page: Path, tmp_path: Path) -> None:
    if shutil.which("bash") is None or shutil.which("curl") is None:
        pytest.skip("bash or curl is not installed")
    folder = tmp_path / "work"
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns(".jangin", "runs"))
    script = EXITS.sub(r"status=0; \1 || status=$?; test $status -eq \2", "\n".join(blocks(page, "sh")))
    script = "set -euo pipefail\n" + script.replace(PORT, str(_free_port()))
    code, output = _run(script, folder, _environment(tmp_path))
    assert code == 0, f"{page.name} ended with {code}:\n{output[-3000:]}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(tmp_path: Path) -> dict[str, str]:
    """The looks of these runs are counted in a home of their own; the weights are those that are here already."""
    home, real = tmp_path / "home", default_home()
    home.mkdir()
    for part in ("blobs", "derived"):
        (real / part).mkdir(parents=True, exist_ok=True)
        (home / part).symlink_to(real / part, target_is_directory=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "JANGIN_HOME": str(home)}


def _run(script: str, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Runs in a process group of its own, so that a server that a page left behind ends with it."""
    log = folder.parent / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
        try:
            code = process.wait(LIMIT_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return code, log.read_text(encoding="utf-8", errors="replace")


def test_every_command_is_run_or_marked_and_counted() -> None:
    found: dict[str, int] = {}
    for page in PAGES:
        for fence, text in FENCE.findall(page.read_text(encoding="utf-8")):
            if fence != "sh" and COMMAND.search(text):
                assert text.startswith(NOT_RUN), f"{page.name}: a command stands outside a sh block:\n{text[:200]}"
            if text.startswith(NOT_RUN):
                found[page.name] = found.get(page.name, 0) + 1
    assert found == NOT_RUN_BLOCKS


@pytest.mark.parametrize("page", LINKING, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_resolves(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target or target.startswith("mailto:"):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        assert path.exists(), f"{page.name}: no {target}"
        assert not anchor or anchor in _anchors(path), f"{page.name}: no heading for {target}"


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_the_generated_pages_are_up_to_date() -> None:
    pages: dict[str, Any] = runpy.run_path(str(DOCS / "generate.py"))["PAGES"]
    for name, write in pages.items():
        assert (DOCS / name).read_text(encoding="utf-8") == write(), f"docs/{name} is out of date: run `make docs`"


def test_the_task_files_of_the_docs_are_accepted(tmp_path: Path) -> None:
    heredoc = re.compile(r"^cat > \S*task\.yaml <<'EOF'\n(.*?)^EOF$", re.MULTILINE | re.DOTALL)
    texts = [text for page in PAGES for text in heredoc.findall(page.read_text(encoding="utf-8"))]
    texts += [text for page in PAGES for text in blocks(page, "yaml") if "\nkind:" in text]
    assert len(texts) >= 10
    for text in texts:
        (tmp_path / "task.yaml").write_text(text, encoding="utf-8")
        load_task(tmp_path)


def test_the_page_of_the_task_file_names_every_key_and_metric() -> None:
    page = (DOCS / "task-file.md").read_text(encoding="utf-8")
    wanted = [metric for kind in KINDS for metric in METRICS[kind]]
    wanted += ["name", "description", "kind", "data", "fields", "labels", "out_of_scope", "metric", "bar", "unit"]
    wanted += ["policy", "seed", "languages", "schema", "egress", "endpoints", "redact", "capture", "budget"]
    assert [word for word in wanted if f"`{word}`" not in page] == []


def test_the_page_of_the_data_names_every_finding() -> None:
    page = (DOCS / "data.md").read_text(encoding="utf-8")
    source = "\n".join(path.read_text(encoding="utf-8") for path in sorted((SOURCE / "data").glob("*.py")))
    codes = set(re.findall(r'(?:Finding|_Unfit|Fault|\.add)\(\s*(?:number, )?"([a-z0-9_]+)"', source))
    assert len(codes) > 25
    assert sorted(code for code in codes if f"`{code}`" not in page) == []


def test_the_architecture_names_files_that_exist_and_every_part() -> None:
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    named_files = set(re.findall(r"[\w/]+\.(?:py|yaml)\b", page)) - {"task.yaml"}
    known = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*") if path.is_file()}
    known |= {Path(name).name for name in known} | {
        path.relative_to(ROOT).as_posix() for path in ROOT.glob("[bd]*/*.py")
    }
    assert sorted(named_files - known) == []
    parts = {path.name for path in SOURCE.glob("*.py")} | {
        f"{path.parent.name}/" for path in SOURCE.glob("*/__init__.py")
    }
    assert sorted(part for part in parts if part not in page) == []


def test_imports_point_one_way_as_the_architecture_says() -> None:
    text = next(text for text in blocks(DOCS / "architecture.md", "text") if text.startswith("1 "))
    layer = {name: int(line.split()[0]) for line in text.splitlines() for name in line.split()[1:]}
    wrong = []
    for path in sorted(SOURCE.rglob("*.py")):
        relative = path.relative_to(SOURCE)
        part = relative.parts[0] if len(relative.parts) > 1 else relative.stem
        if part in ("__init__", "__main__"):
            continue
        code = path.read_text(encoding="utf-8")
        imported = re.findall(r"^from jangin\.(\w+)", code, re.MULTILINE)
        imported += [
            name for line in re.findall(r"^from jangin import (.+)$", code, re.MULTILINE) for name in line.split(", ")
        ]
        wrong += [f"{relative} -> {name}" for name in imported if name in layer and layer[name] > layer[part]]
    assert wrong == []
