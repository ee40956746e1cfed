"""Jangin: the smallest model that passes your bar, with the proof, served behind the API that you already call."""

from __future__ import annotations

import os
from typing import Any

from jangin.errors import JanginError

# ONNX Runtime's wheels from 1.29 on report each process, session and model to their maker unless they are told not to
# before they begin, and so do others. Nothing leaves unless a rule says so: they are told here, whatever else is set.
os.environ |= dict.fromkeys(
    ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK"), "1"
)

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
