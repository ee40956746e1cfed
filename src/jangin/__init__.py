"""Jangin: the smallest model that passes your bar, with the proof, served behind the API that you already call."""

from __future__ import annotations

from typing import Any

from jangin.errors import JanginError

__version__ = "0.1.0"
__all__ = ["JanginError", "__version__", "certify", "climb", "load"]

# Verb of the library -> where it lives; loaded when first asked for, so that `import jangin` stays light. The climb is
# not called `train` here, since that is the name of the package that holds it.
_LAZY = {"certify": ("jangin.evals.certify", "certify"), "climb": ("jangin.train.climb", "train")}
_LAZY["load"] = ("jangin.models.specialist", "load")


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'jangin' has no attribute '{name}'")
    from importlib import import_module

    module, attribute = _LAZY[name]
    return getattr(import_module(module), attribute)
