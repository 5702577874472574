"""What can be replayed: a file, audio in memory, a recording with labels, or ``DATASET#recording-id``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bidilab.core.audio import Audio
from bidilab.core.audiofile import read_audio
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.datasets.recording import Recording

__all__ = ["Source", "SourceLike"]

SourceLike = str | os.PathLike[str] | Audio | Recording


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """The user's side of a session.

    Parameters
    ----------
    name
        For titles.
    user
        Mono audio of the user.
    segments
        Labels; empty when there are none.
    """

    name: str
    user: Audio
    segments: tuple[Segment, ...] = ()

    @classmethod
    def of(cls, given: SourceLike) -> Source:
        """What was given; of a file with several channels without labels, the first is the user.

        Raises
        ------
        InvalidParameterError
            If it is none of these, or the dataset has no such recording.
        AudioError, DatasetError
            If it cannot be read.
        """
        if isinstance(given, Recording):
            user = Audio(samples=given.user(), sample_rate=given.sample_rate, name=given.id)
            return cls(name=given.id, user=user, segments=given.segments)
        if isinstance(given, Audio):
            return cls(name=given.name, user=Audio(samples=given.channel(0), sample_rate=given.sample_rate))
        if not isinstance(given, str | os.PathLike):
            raise InvalidParameterError("recording", "a path, DATASET#recording-id, Audio or a Recording", given)
        path = Path(given)
        if not path.exists() and "#" in str(given):
            folder, _, recording_id = str(given).rpartition("#")
            return cls.of(_recording(folder, recording_id))
        audio = read_audio(path)
        return cls(name=path.stem, user=Audio(samples=audio.channel(0), sample_rate=audio.sample_rate, name=path.name))

    @property
    def response_lengths_ms(self) -> tuple[float, ...]:
        """Lengths of the agent's labelled responses, in order."""
        return tuple((s.end_s - s.start_s) * 1000 for s in self.segments if s.channel == "agent")


def _recording(folder: str, recording_id: str) -> Recording:
    from bidilab.lab.datasets import Dataset

    dataset = Dataset.load(folder)
    for recording in dataset:
        if recording.id == recording_id:
            return recording
    raise InvalidParameterError("recording", f"one of the {len(dataset)} of {dataset.name}", recording_id)
