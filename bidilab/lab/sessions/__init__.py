"""Recordings played to agent sessions: one recording, a dataset, several models, a Strands agent."""

from bidilab.lab.sessions.comparison import ModelComparison, compare_models
from bidilab.lab.sessions.many import DatasetReplay, replay_dataset
from bidilab.lab.sessions.replay import Replay, record_strands, replay

__all__ = [
    "DatasetReplay",
    "ModelComparison",
    "Replay",
    "compare_models",
    "record_strands",
    "replay",
    "replay_dataset",
]
