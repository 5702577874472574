"""For authors of plug-ins: checks of the contract that detectors and scorers keep; and a pytest plugin that judges.

Names are loaded when they are first used: pytest imports this package in every run, for the plugin.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bidilab.testing.contract import check_scorer, check_vad

__all__ = ["check_scorer", "check_vad"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'bidilab.testing' has no attribute {name!r}")
    return getattr(importlib.import_module("bidilab.testing.contract"), name)
