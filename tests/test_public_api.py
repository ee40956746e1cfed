"""What `import jangin` promises, and what it costs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import jangin
from bundles import LABELS, ngram_bundle


def test_the_public_names_are_these() -> None:
    assert jangin.__all__ == ["JanginError", "__version__", "certify", "climb", "load"]


def test_every_public_name_is_there() -> None:
    from jangin.evals.certify import certify
    from jangin.models.specialist import load
    from jangin.train.climb import train

    assert (jangin.certify, jangin.climb, jangin.load) == (certify, train, load)
    assert issubclass(jangin.JanginError, Exception) and jangin.__version__.count(".") == 2


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'jangin' has no attribute 'trane'$"):
        jangin.trane  # noqa: B018


def test_a_specialist_is_loaded_and_asked_in_two_lines(tmp_path: Path) -> None:
    specialist = jangin.load(ngram_bundle(tmp_path / "desk"))
    assert specialist.labels == tuple(LABELS)
    assert specialist.probabilities(["I lost my card"]).argmax() == LABELS.index("card_lost")


def test_importing_jangin_loads_no_numpy_until_a_verb_is_asked_for() -> None:
    heavy = "('numpy', 'msgspec', 'yaml', 'scipy', 'sklearn', 'onnxruntime', 'torch')"
    code = (
        f"import sys, jangin; heavy = {heavy}; assert not [m for m in heavy if m in sys.modules]; "
        "jangin.load; assert 'numpy' in sys.modules and 'sklearn' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_tree_of_errors_draws_every_class_under_the_one_it_comes_from() -> None:
    from jangin import errors

    assert errors.__doc__ is not None
    drawn: dict[str, str] = {}
    above: list[str] = []
    for found in re.finditer(r"^    ([│├└─ ]*)([A-Z]\w+)", errors.__doc__, re.MULTILINE):
        depth = len(found[1]) // 4
        above[depth:] = [found[2]]
        drawn[found[2]] = above[depth - 1] if depth else "Exception"
    defined = {
        name: kind.__base__.__name__
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, Exception)
    }
    assert drawn == defined
    source = Path(errors.__file__).parent
    elsewhere = [
        f"{path.relative_to(source)}: {found[1]}"
        for path in sorted(source.rglob("*.py"))
        for found in re.finditer(r"^class (\w+)\((\w+)\):", path.read_text("utf-8"), re.MULTILINE)
        if found[2] in defined and path.name != "errors.py"
    ]
    assert elsewhere == []
