"""User transcripts of the local model: from labels, or by the user's own function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from bidilab.bidi.reply import Transcriber, UserSpeech, as_transcriber
from bidilab.core.checks import check_several
from bidilab.core.units import samples_to_s
from bidilab.detect.turns import SpeechStarted, SpeechStopped
from bidilab.detect.turns.hearing import Ear

__all__ = ["LabelTranscriber", "LabelledSpeech", "TurnTranscriber"]


class LabelledSpeech(Protocol):
    """A labelled stretch, such as `bidilab.lab.datasets.Segment`: seconds from the first sample, and what is said."""

    @property
    def start_s(self) -> float:
        """Start of the speech."""

    @property
    def end_s(self) -> float:
        """End of the speech."""

    @property
    def channel(self) -> str:
        """The channel; those of the user are read."""

    @property
    def text(self) -> str | None:
        """The words."""


class LabelTranscriber:
    """Reads the words of a turn from the labels of the recording.

    Parameters
    ----------
    segments
        Labels; those of the channel ``"user"`` with a text count.
    """

    def __init__(self, segments: Sequence[LabelledSpeech]) -> None:
        check_several("transcripts", segments, "labels, such as a recording's segments, a Transcriber or a function")
        spoken = [s for s in segments if s.channel == "user" and s.text]
        self._segments = sorted(spoken, key=lambda s: s.start_s)

    def between(self, start: int, end: int, sample_rate: int) -> str | None:
        """Texts of the segments that overlap samples ``[start, end)``, joined; ``None`` when there are none."""
        start_s, end_s = samples_to_s(start, sample_rate), samples_to_s(end, sample_rate)
        said = [s.text for s in self._segments if s.start_s < end_s and s.end_s > start_s and s.text]
        return " ".join(said) or None


class TurnTranscriber:
    """Words of a turn of the user, from labels or from a function.

    Parameters
    ----------
    transcripts
        Labels, a `Transcriber`, a function of samples and rate, or ``None``: nobody transcribes.

    Raises
    ------
    InvalidParameterError
        If a function takes neither.
    """

    def __init__(self, transcripts: Callable[..., Any] | Sequence[LabelledSpeech] | None) -> None:
        self._labels = None if callable(transcripts) or transcripts is None else LabelTranscriber(transcripts)
        self._function: Transcriber | None = None
        if callable(transcripts):
            self._function = as_transcriber(transcripts, first="samples")

    @property
    def hears(self) -> bool:
        """Whether it needs the audio."""
        return self._function is not None

    def __call__(
        self, ear: Ear, started: SpeechStarted, stopped: SpeechStopped, *, item_id: str
    ) -> str | Awaitable[str | None] | None:
        """Return the words of a turn that the ear has heard."""
        if self._labels is not None:
            return self._labels.between(started.onset, stopped.offset, ear.sample_rate)
        if self._function is None:
            return None
        samples = ear.turn_audio(started.audio_start, stopped.audio_end)
        return self._function(UserSpeech(samples=samples, sample_rate=ear.sample_rate, item_id=item_id))
