"""Others' benchmarks of turn taking: their rules in our own code, as second opinions. A module is loaded when named."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bidilab.lab.benchmarks import eotbench, eva, tauvoice, turnbench
    from bidilab.lab.benchmarks.eotbench import eot_bench

__all__ = ["eot_bench", "eotbench", "eva", "tauvoice", "turnbench"]

_FUNCTIONS = {"eot_bench": "eotbench"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_FUNCTIONS.get(name, name)}")
    return getattr(module, name) if name in _FUNCTIONS else module


def __dir__() -> list[str]:
    return sorted(__all__)
