"""Recordings through agent sessions: one (`replay`), a whole dataset, several models; a Strands agent's too."""

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
