"""Pipecat's Silero VAD analyzer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from bidilab.core.checks import check_duration_s, check_probability
from bidilab.core.units import frames_for_ms
from bidilab.detect.turns.params import TurnParams
from bidilab.detect.turns.providers.base import from_known_keys

__all__ = ["PipecatVad"]

FRAME_S = 0.032
"""Seconds of one of its frames: 512 samples at 16 kHz, 256 at 8 kHz."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipecatVad:
    """The VAD of Pipecat: ``SileroVADAnalyzer(params=VADParams(…))``.

    Names, defaults and meaning: ``pipecat/audio/vad/vad_analyzer.py`` and ``silero.py`` of pipecat-ai 1.14 (2026).
    Durations are seconds; Pipecat rounds them to the *nearest* number of 32 ms frames, at least one, where the
    canonical set rounds up. It has one threshold for both directions. The analyzer marks turns and cuts no audio.

    Pipecat differs from the canonical detector in ways that `canonical` cannot express:

    - a frame is speech only if the smoothed loudness of the last 400 ms is also at least ``min_volume`` (0 is quiet, 1
      is loud); `canonical` assumes that this condition is always met, which is true with ``min_volume=0``;
    - it resets the model every 2 s of quiet;
    - it counts to ``start_secs`` and ``stop_secs`` frame by frame only if it receives at most one frame at a time.

    Parameters
    ----------
    confidence
        In [0, 1].
    start_secs
        Seconds of speech before a start, ``>= 0``.
    stop_secs
        Seconds of silence before an end, ``>= 0``.
    min_volume
        In [0, 1].

    Raises
    ------
    InvalidParameterError
        If a value is out of bounds.

    Examples
    --------
    >>> PipecatVad().canonical().min_speech_ms  # 0.2 s is 6.25 frames, so 6 of 32 ms
    192
    """

    provider: ClassVar[str] = "pipecat"
    INEXPRESSIBLE: ClassVar[Mapping[str, str]] = {
        "deactivation_threshold": "Pipecat has one threshold: silence is what lies below `confidence`",
        "prefix_padding_ms": "Pipecat's analyzer cuts no audio, and has no prefix padding",
    }

    confidence: float = 0.7
    start_secs: float = 0.2
    stop_secs: float = 0.2
    min_volume: float = 0.6

    def __post_init__(self) -> None:
        check_probability("confidence", self.confidence)
        check_probability("min_volume", self.min_volume)
        check_duration_s("start_secs", self.start_secs)
        check_duration_s("stop_secs", self.stop_secs)

    def canonical(self) -> TurnParams:
        """The canonical parameters that behave like these, except for the differences named above."""
        return TurnParams(
            threshold=self.confidence,
            deactivation_threshold=self.confidence,
            min_speech_ms=_frames_ms(self.start_secs),
            prefix_padding_ms=0,
            silence_duration_ms=_frames_ms(self.stop_secs),
        )

    def to_dict(self) -> dict[str, Any]:
        """Keyword arguments of ``VADParams``."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read keyword arguments of ``VADParams``; an unknown key raises `InvalidParameterError`."""
        return from_known_keys(cls, values, "VADParams")

    @classmethod
    def nearest(cls, params: TurnParams) -> Self:
        """The durations as whole frames, as the canonical set counts them; no condition on the volume."""
        return cls(
            confidence=params.threshold,
            start_secs=_frames_s(params.min_speech_ms),
            stop_secs=_frames_s(params.silence_duration_ms),
            min_volume=0.0,
        )


def _frames_ms(seconds: float) -> int:
    return 32 * max(1, round(seconds / FRAME_S))


def _frames_s(ms: float) -> float:
    return round(frames_for_ms(ms, frame_samples=512, sample_rate=16_000) * FRAME_S, 6)
