"""Recordings through agent sessions: one (`replay`) or a whole dataset (`replay_dataset`), on either clock."""

from bidilab.lab.sessions.many import DatasetReplay, replay_dataset
from bidilab.lab.sessions.replay import Replay, replay
from bidilab.lab.sessions.strands import record_strands

__all__ = ["DatasetReplay", "Replay", "record_strands", "replay", "replay_dataset"]
