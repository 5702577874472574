"""bidilab: measure and tune interruptions (barge-in) in bidirectional voice agents.

>>> import bidilab as bl
>>> result = bl.sweep("datasets/overlap-mini")  # doctest: +SKIP
>>> result.plot.heatmap("missed_rate")  # doctest: +SKIP

Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bidilab.core.errors import BidilabError
    from bidilab.detect.turns import (
        GeminiActivityDetection,
        ServerVad,
        Turn,
        TurnDetector,
        TurnParams,
        detect_turns,
    )
    from bidilab.detect.vad import ProbabilityCache, VadSpec, get_vad, speech_probabilities
    from bidilab.lab import datasets
    from bidilab.lab.datasets import Dataset, Recording, Segment, load_dataset
    from bidilab.lab.sessions import DatasetReplay, Replay, replay, replay_dataset
    from bidilab.lab.sweep import DaskExecutor, Grid, ProcessPool, Recommendation, SweepResult, sweep
    from bidilab.show.plots import save_figure
    from bidilab.show.widgets.explorer import SweepExplorer
    from bidilab.show.widgets.labelling import LabelEditor
    from bidilab.show.widgets.replay import ReplayPlayer

__version__ = _version("bidilab")

_HOMES = {
    "BidilabError": "core.errors",
    "DaskExecutor": "lab.sweep",
    "Dataset": "lab.datasets",
    "DatasetReplay": "lab.sessions",
    "GeminiActivityDetection": "detect.turns",
    "Grid": "lab.sweep",
    "LabelEditor": "show.widgets.labelling",
    "ProbabilityCache": "detect.vad",
    "ProcessPool": "lab.sweep",
    "Recommendation": "lab.sweep",
    "Recording": "lab.datasets",
    "Replay": "lab.sessions",
    "ReplayPlayer": "show.widgets.replay",
    "Segment": "lab.datasets",
    "ServerVad": "detect.turns",
    "SweepExplorer": "show.widgets.explorer",
    "SweepResult": "lab.sweep",
    "Turn": "detect.turns",
    "TurnDetector": "detect.turns",
    "TurnParams": "detect.turns",
    "VadSpec": "detect.vad",
    "detect_turns": "detect.turns",
    "get_vad": "detect.vad",
    "load_dataset": "lab.datasets",
    "replay": "lab.sessions",
    "replay_dataset": "lab.sessions",
    "save_figure": "show.plots",
    "speech_probabilities": "detect.vad",
    "sweep": "lab.sweep",
}
_ROOMS = {"datasets": "lab.datasets"}

__all__ = [
    "BidilabError",
    "DaskExecutor",
    "Dataset",
    "DatasetReplay",
    "GeminiActivityDetection",
    "Grid",
    "LabelEditor",
    "ProbabilityCache",
    "ProcessPool",
    "Recommendation",
    "Recording",
    "Replay",
    "ReplayPlayer",
    "Segment",
    "ServerVad",
    "SweepExplorer",
    "SweepResult",
    "Turn",
    "TurnDetector",
    "TurnParams",
    "VadSpec",
    "__version__",
    "datasets",
    "detect_turns",
    "get_vad",
    "load_dataset",
    "replay",
    "replay_dataset",
    "save_figure",
    "speech_probabilities",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        value: Any = importlib.import_module(f"bidilab.{_ROOMS[name]}")
    elif name in _HOMES:
        value = getattr(importlib.import_module(f"bidilab.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module 'bidilab' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
