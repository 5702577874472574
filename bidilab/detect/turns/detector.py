"""The streaming turn detector: one probability in, at most one event out. Sans-I/O.

State machine (DESIGN §4). Of a frame with probability ``p``, *high* is ``p >= threshold`` and *low* is
``p < deactivation_threshold``:

=========  ==========================================================  =========  ================
state      frame                                                       next       event
=========  ==========================================================  =========  ================
SILENCE    high, and the run of high frames reaches ``min_speech``     SPEECH     `SpeechStarted`
SILENCE    high, run still too short                                   SILENCE
SILENCE    not high: the run starts anew                               SILENCE
SPEECH     high: a silence under way is cancelled                      SPEECH
SPEECH     low, and the silence has lasted ``silence_duration``        SILENCE    `SpeechStopped`
SPEECH     low: a silence starts or goes on                            SPEECH
SPEECH     neither: the silence under way, if any, goes on             SPEECH
SPEECH     end of stream                                               SILENCE    `SpeechStopped`
=========  ==========================================================  =========  ================
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns.params import TurnParams

__all__ = ["SpeechStarted", "SpeechStopped", "Turn", "TurnDetector", "turns_from_events"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """The detector decided that the user speaks. All positions are samples of the detector's stream.

    Parameters
    ----------
    onset
        Start of the first frame of the run that made the decision.
    decided_at
        End of the frame on which it was made.
    audio_start
        Where the turn's audio starts: ``max(onset - prefix, previous audio_end, 0)``.
    """

    onset: int
    decided_at: int
    audio_start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStopped:
    """The detector decided that the turn is over. All positions are samples of the detector's stream.

    Parameters
    ----------
    offset
        Start of the silence that ended the turn; the end of the stream when it was flushed.
    decided_at
        End of the frame on which the decision was made.
    audio_end
        Where the turn's audio ends; equals ``decided_at``.
    flushed
        Whether the stream ended before the turn did.
    """

    offset: int
    decided_at: int
    audio_end: int
    flushed: bool = False


class Turn(NamedTuple):
    """One detected turn; all positions in samples of the detector's stream.

    ``onset`` and ``started_at`` are `SpeechStarted`'s onset and decision, ``offset`` and ``stopped_at``
    `SpeechStopped`'s; the turn's audio is ``[audio_start, audio_end)``.
    """

    onset: int
    started_at: int
    audio_start: int
    offset: int
    stopped_at: int
    audio_end: int
    flushed: bool


class TurnDetector:
    """Turn detection over a stream of speech probabilities.

    Parameters
    ----------
    params
        What to decide by.
    frame_samples
        Samples that one probability stands for.
    sample_rate
        Hertz.

    Examples
    --------
    >>> detector = TurnDetector(TurnParams(silence_duration_ms=64), frame_samples=512, sample_rate=16_000)
    >>> [type(e).__name__ for p in (0.1, 0.9, 0.1, 0.1) if (e := detector.feed(p))]
    ['SpeechStarted', 'SpeechStopped']
    """

    def __init__(self, params: TurnParams, *, frame_samples: int, sample_rate: int) -> None:
        self._frame_samples = frame_samples
        self._sample_rate = sample_rate
        self._frames = 0
        self._run = 0
        self._speaking = False
        self._silence_start: int | None = None
        self._audio_end = 0
        self.update(params)

    @property
    def params(self) -> TurnParams:
        """The parameters in force for the next frame."""
        return self._params

    @property
    def speaking(self) -> bool:
        """Whether the detector is inside a turn."""
        return self._speaking

    @property
    def position_samples(self) -> int:
        """Samples that the frames fed so far stand for."""
        return self._frames * self._frame_samples

    def update(self, params: TurnParams) -> None:
        """Decide by other parameters from the next frame on; what has been counted so far is kept."""
        self._in_frames = params.in_frames(frame_samples=self._frame_samples, sample_rate=self._sample_rate)
        self._params = params

    def feed(self, probability: float) -> SpeechStarted | SpeechStopped | None:
        """Take the next frame's probability and return the event it causes, if any.

        Raises
        ------
        InvalidParameterError
            If ``probability`` is not a number in [0, 1].
        """
        # The comparisons are made in double precision, as in the kernel and in Silero's own loop: 0.7 as a
        # float32 is less than 0.7.
        p = float(probability)
        if not 0.0 <= p <= 1.0:
            raise InvalidParameterError("probability", "a number in [0, 1]", probability)
        frame = self._frames
        self._frames += 1
        return self._in_speech(frame, p) if self._speaking else self._in_silence(frame, p)

    def _in_silence(self, frame: int, p: float) -> SpeechStarted | None:
        self._run = self._run + 1 if p >= self._in_frames.threshold else 0
        if self._run < self._in_frames.min_speech_frames:
            return None
        onset = (frame + 1 - self._run) * self._frame_samples
        self._run = 0
        self._speaking = True
        self._silence_start = None
        return SpeechStarted(
            onset=onset,
            decided_at=self.position_samples,
            audio_start=max(onset - self._in_frames.prefix_samples, self._audio_end, 0),
        )

    def _in_speech(self, frame: int, p: float) -> SpeechStopped | None:
        if p >= self._in_frames.threshold:
            self._silence_start = None
        if p >= self._in_frames.deactivation_threshold:
            return None
        if self._silence_start is None:
            self._silence_start = frame
        if frame + 1 - self._silence_start < self._in_frames.silence_frames:
            return None
        return self._stop(self._silence_start * self._frame_samples, flushed=False)

    def flush(self) -> SpeechStopped | None:
        """End the stream: an open turn is stopped, and the event returned."""
        self._run = 0
        return self._stop(self.position_samples, flushed=True) if self._speaking else None

    def _stop(self, offset: int, *, flushed: bool) -> SpeechStopped:
        self._speaking = False
        self._silence_start = None
        self._audio_end = self.position_samples
        return SpeechStopped(offset=offset, decided_at=self._audio_end, audio_end=self._audio_end, flushed=flushed)


def turns_from_events(events: Iterable[SpeechStarted | SpeechStopped]) -> tuple[Turn, ...]:
    """Pair each start with its stop; a start without a stop makes no turn yet."""
    turns = []
    started: SpeechStarted | None = None
    for event in events:
        if isinstance(event, SpeechStarted):
            started = event
        elif started is not None:
            turns.append(
                Turn(
                    onset=started.onset,
                    started_at=started.decided_at,
                    audio_start=started.audio_start,
                    offset=event.offset,
                    stopped_at=event.decided_at,
                    audio_end=event.audio_end,
                    flushed=event.flushed,
                )
            )
            started = None
    return tuple(turns)
