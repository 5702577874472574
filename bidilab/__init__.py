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
    from bidilab.bidi.io.portaudio import devices
    from bidilab.bidi.log.eventlog import EventLog
    from bidilab.bidi.realtime.probe import ProbeReport, probe_client
    from bidilab.core.audiofile import read_audio
    from bidilab.core.errors import BidilabError
    from bidilab.detect.scorers import ScorerSpec, ScoreTrack, get_scorer
    from bidilab.detect.turns import (
        AdaptiveInterruption,
        EndOfTurn,
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
    from bidilab.detect.vad import ProbabilityCache, VadSpec, VadTracks, get_vad, speech_probabilities, vad_names
    from bidilab.lab import benchmarks, datasets
    from bidilab.lab.conditions import Condition, Room
    from bidilab.lab.datasets import Dataset, Recording, Segment, load_dataset
    from bidilab.lab.doctor import Diagnosis, MachineReport, check_machine, doctor, machine_facts
    from bidilab.lab.gate import CheckReport, check
    from bidilab.lab.judge import JudgedCalls, judge
    from bidilab.lab.knobs import DetectorFit, fit_detector, probe_provider
    from bidilab.lab.scores import Scores, read_scores
    from bidilab.lab.sessions import (
        DatasetReplay,
        ModelComparison,
        Replay,
        compare_models,
        record_strands,
        replay,
        replay_dataset,
    )
    from bidilab.lab.sweep import (
        DaskExecutor,
        Frontier,
        Grid,
        ProcessPool,
        Recommendation,
        SweepResult,
        Weights,
        frontier,
        sweep,
    )
    from bidilab.show.plots import save_figure
    from bidilab.show.widgets.explorer import SweepExplorer
    from bidilab.show.widgets.labelling import LabelEditor
    from bidilab.show.widgets.live import LiveSession
    from bidilab.show.widgets.replay import ReplayPlayer

__version__ = _version("bidilab")

_HOMES = {
    "AdaptiveInterruption": "detect.turns",
    "BidilabError": "core.errors",
    "CheckReport": "lab.gate",
    "Condition": "lab.conditions",
    "DaskExecutor": "lab.sweep",
    "Dataset": "lab.datasets",
    "DatasetReplay": "lab.sessions",
    "DetectorFit": "lab.knobs",
    "Diagnosis": "lab.doctor",
    "EndOfTurn": "detect.turns",
    "EventLog": "bidi.log.eventlog",
    "ExportedSetting": "detect.turns",
    "Frontier": "lab.sweep",
    "GeminiActivityDetection": "detect.turns",
    "Grid": "lab.sweep",
    "Guards": "detect.turns",
    "JudgedCalls": "lab.judge",
    "LabelEditor": "show.widgets.labelling",
    "LiveKitVad": "detect.turns",
    "LiveSession": "show.widgets.live",
    "MachineReport": "lab.doctor",
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
    "ScoreTrack": "detect.scorers",
    "ScorerSpec": "detect.scorers",
    "Scores": "lab.scores",
    "Segment": "lab.datasets",
    "ServerVad": "detect.turns",
    "SweepExplorer": "show.widgets.explorer",
    "SweepResult": "lab.sweep",
    "Turn": "detect.turns",
    "TurnDetector": "detect.turns",
    "TurnParams": "detect.turns",
    "VadSpec": "detect.vad",
    "VadTracks": "detect.vad",
    "Weights": "lab.sweep",
    "check": "lab.gate",
    "check_machine": "lab.doctor",
    "compare_models": "lab.sessions",
    "detect_turns": "detect.turns",
    "devices": "bidi.io.portaudio",
    "doctor": "lab.doctor",
    "export_setting": "detect.turns",
    "fit_detector": "lab.knobs",
    "frontier": "lab.sweep",
    "get_scorer": "detect.scorers",
    "get_vad": "detect.vad",
    "judge": "lab.judge",
    "load_dataset": "lab.datasets",
    "machine_facts": "lab.doctor",
    "probe_client": "bidi.realtime.probe",
    "probe_provider": "lab.knobs",
    "read_audio": "core.audiofile",
    "read_scores": "lab.scores",
    "record_strands": "lab.sessions",
    "replay": "lab.sessions",
    "replay_dataset": "lab.sessions",
    "save_figure": "show.plots",
    "speech_probabilities": "detect.vad",
    "sweep": "lab.sweep",
    "vad_names": "detect.vad",
}
_ROOMS = {"benchmarks": "lab.benchmarks", "datasets": "lab.datasets"}

__all__ = [
    "AdaptiveInterruption",
    "BidilabError",
    "CheckReport",
    "Condition",
    "DaskExecutor",
    "Dataset",
    "DatasetReplay",
    "DetectorFit",
    "Diagnosis",
    "EndOfTurn",
    "EventLog",
    "ExportedSetting",
    "Frontier",
    "GeminiActivityDetection",
    "Grid",
    "Guards",
    "JudgedCalls",
    "LabelEditor",
    "LiveKitVad",
    "LiveSession",
    "MachineReport",
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
    "ScoreTrack",
    "ScorerSpec",
    "Scores",
    "Segment",
    "ServerVad",
    "SweepExplorer",
    "SweepResult",
    "Turn",
    "TurnDetector",
    "TurnParams",
    "VadSpec",
    "VadTracks",
    "Weights",
    "__version__",
    "benchmarks",
    "check",
    "check_machine",
    "compare_models",
    "datasets",
    "detect_turns",
    "devices",
    "doctor",
    "export_setting",
    "fit_detector",
    "frontier",
    "get_scorer",
    "get_vad",
    "judge",
    "load_dataset",
    "machine_facts",
    "probe_client",
    "probe_provider",
    "read_audio",
    "read_scores",
    "record_strands",
    "replay",
    "replay_dataset",
    "save_figure",
    "speech_probabilities",
    "sweep",
    "vad_names",
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
