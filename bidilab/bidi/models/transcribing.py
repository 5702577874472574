"""User transcripts of the local model: from labels, or by the user's own function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

from bidilab.core.audio import FloatArray
from bidilab.core.units import samples_to_s

__all__ = ["LabelTranscriber", "LabelledSpeech", "Transcriber"]

Transcriber: TypeAlias = "Callable[[FloatArray, int], str | Awaitable[str | None] | None]"
"""Takes the turn's audio, ``(n,) float32``, and its rate in hertz; returns what was said, ``None`` for nothing. May be
async; a slow one should be, as the session waits for one that is not."""


class LabelledSpeech(Protocol):
    """A labelled stretch, such as `bidilab.lab.datasets.Segment`: seconds from the first sample, and what is said."""

    @property
    def start_s(self) -> float:
        """Where it starts."""

    @property
    def end_s(self) -> float:
        """Where it ends."""

    @property
    def channel(self) -> str:
        """Whose it is; the user's are read."""

    @property
    def text(self) -> str | None:
        """What is said."""


class LabelTranscriber:
    """Reads what a turn says off the labels of the recording.

    Parameters
    ----------
    segments
        Labels; those of the channel ``"user"`` with a text count.
    """

    def __init__(self, segments: Sequence[LabelledSpeech]) -> None:
        spoken = [s for s in segments if s.channel == "user" and s.text]
        self._segments = sorted(spoken, key=lambda s: s.start_s)

    def between(self, start: int, end: int, sample_rate: int) -> str | None:
        """Texts of the segments that overlap samples ``[start, end)``, joined; ``None`` when there are none."""
        start_s, end_s = samples_to_s(start, sample_rate), samples_to_s(end, sample_rate)
        said = [s.text for s in self._segments if s.start_s < end_s and s.end_s > start_s and s.text]
        return " ".join(said) or None
