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

import bidilab.show  # noqa: F401  # registers figures and reports on the results; loads neither

if TYPE_CHECKING:
    from bidilab.bidi.log.eventlog import EventLog
    from bidilab.bidi.realtime.probe import ProbeReport, probe_client
    from bidilab.core.errors import BidilabError
    from bidilab.detect.turns import (
        ExportedSetting,
        GeminiActivityDetection,
        Guards,
        LiveKitVad,
        NovaTurnDetection,
        PipecatVad,
        ServerVad,
        Turn,
        TurnDetector,
        TurnParams,
        detect_turns,
        export_setting,
    )
    from bidilab.detect.vad import ProbabilityCache, VadSpec, get_vad, speech_probabilities
    from bidilab.lab import datasets
    from bidilab.lab.conditions import Condition, Room
    from bidilab.lab.datasets import Dataset, Recording, Segment, load_dataset
    from bidilab.lab.sessions import (
        DatasetReplay,
        ModelComparison,
        Replay,
        compare_models,
        record_strands,
        replay,
        replay_dataset,
    )
    from bidilab.lab.sweep import DaskExecutor, Grid, ProcessPool, Recommendation, SweepResult, sweep
    from bidilab.show.plots import save_figure
    from bidilab.show.widgets.explorer import SweepExplorer
    from bidilab.show.widgets.labelling import LabelEditor
    from bidilab.show.widgets.live import LiveSession
    from bidilab.show.widgets.replay import ReplayPlayer

__version__ = _version("bidilab")

_HOMES = {
    "BidilabError": "core.errors",
    "Condition": "lab.conditions",
    "DaskExecutor": "lab.sweep",
    "Dataset": "lab.datasets",
    "DatasetReplay": "lab.sessions",
    "EventLog": "bidi.log.eventlog",
    "ExportedSetting": "detect.turns",
    "GeminiActivityDetection": "detect.turns",
    "Grid": "lab.sweep",
    "Guards": "detect.turns",
    "LabelEditor": "show.widgets.labelling",
    "LiveKitVad": "detect.turns",
    "LiveSession": "show.widgets.live",
    "ModelComparison": "lab.sessions",
    "NovaTurnDetection": "detect.turns",
    "PipecatVad": "detect.turns",
    "ProbabilityCache": "detect.vad",
    "ProbeReport": "bidi.realtime.probe",
    "ProcessPool": "lab.sweep",
    "Recommendation": "lab.sweep",
    "Recording": "lab.datasets",
    "Replay": "lab.sessions",
    "ReplayPlayer": "show.widgets.replay",
    "Room": "lab.conditions",
    "Segment": "lab.datasets",
    "ServerVad": "detect.turns",
    "SweepExplorer": "show.widgets.explorer",
    "SweepResult": "lab.sweep",
    "Turn": "detect.turns",
    "TurnDetector": "detect.turns",
    "TurnParams": "detect.turns",
    "VadSpec": "detect.vad",
    "compare_models": "lab.sessions",
    "detect_turns": "detect.turns",
    "export_setting": "detect.turns",
    "get_vad": "detect.vad",
    "load_dataset": "lab.datasets",
    "probe_client": "bidi.realtime.probe",
    "record_strands": "lab.sessions",
    "replay": "lab.sessions",
    "replay_dataset": "lab.sessions",
    "save_figure": "show.plots",
    "speech_probabilities": "detect.vad",
    "sweep": "lab.sweep",
}
_ROOMS = {"datasets": "lab.datasets"}

__all__ = [
    "BidilabError",
    "Condition",
    "DaskExecutor",
    "Dataset",
    "DatasetReplay",
    "EventLog",
    "ExportedSetting",
    "GeminiActivityDetection",
    "Grid",
    "Guards",
    "LabelEditor",
    "LiveKitVad",
    "LiveSession",
    "ModelComparison",
    "NovaTurnDetection",
    "PipecatVad",
    "ProbabilityCache",
    "ProbeReport",
    "ProcessPool",
    "Recommendation",
    "Recording",
    "Replay",
    "ReplayPlayer",
    "Room",
    "Segment",
    "ServerVad",
    "SweepExplorer",
    "SweepResult",
    "Turn",
    "TurnDetector",
    "TurnParams",
    "VadSpec",
    "__version__",
    "compare_models",
    "datasets",
    "detect_turns",
    "export_setting",
    "get_vad",
    "load_dataset",
    "probe_client",
    "record_strands",
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
