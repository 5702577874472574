"""The one canonical parameter set of turn detection, with its bounds."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from bidilab.core.checks import check_duration_ms, check_probability, is_whole
from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import check_sample_rate, frames_for_ms, ms_to_samples

__all__ = [
    "FrameParams",
    "TurnParams",
    "default_deactivation_threshold",
]

DEACTIVATION_FLOOR = 0.01
DEACTIVATION_MARGIN = 0.15


def default_deactivation_threshold(threshold: float) -> float:
    """``max(threshold - 0.15, 0.01)``, the rule of Silero's own ``get_speech_timestamps`` (silero-vad 6.2).

    Examples
    --------
    >>> default_deactivation_threshold(0.5)
    0.35
    >>> default_deactivation_threshold(0.1)
    0.01
    """
    return max(threshold - DEACTIVATION_MARGIN, DEACTIVATION_FLOOR)


class FrameParams(NamedTuple):
    """`TurnParams` in frames and samples of one stream; what the three forms of the detector compute with."""

    threshold: float
    deactivation_threshold: float
    min_speech_frames: int
    silence_frames: int
    prefix_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnParams:
    """Parameters of turn detection.

    Parameters
    ----------
    threshold
        Activation: speech when the probability is ``>= threshold``. In [0, 1].
    deactivation_threshold
        Silence when the probability is ``< deactivation_threshold``; between the two the state keeps. In [0, 1] and
        not above ``threshold``. Not given: `default_deactivation_threshold`.
    min_speech_ms
        Speech must last this long before it counts; rounded up to whole frames, at least one. ``>= 0``.
    prefix_padding_ms
        Audio kept from before the onset. ``>= 0``.
    silence_duration_ms
        Silence that ends a turn; rounded up to whole frames, at least one. ``>= 0``.

    Raises
    ------
    InvalidParameterError
        If a value is out of bounds.

    Notes ----- Use `replace` rather than `dataclasses.replace`: it derives a ``deactivation_threshold`` again if none
    was given.

    Examples
    --------
    >>> TurnParams(threshold=0.1).deactivation_threshold
    0.01
    """

    threshold: float = 0.5
    deactivation_threshold: float = cast(float, None)  # a number once constructed
    min_speech_ms: float = 0
    prefix_padding_ms: float = 300
    silence_duration_ms: float = 500

    def __post_init__(self) -> None:
        threshold = check_probability("threshold", self.threshold)
        derived = default_deactivation_threshold(threshold)
        object.__setattr__(self, "threshold", threshold)
        given = cast("float | None", self.deactivation_threshold)
        if given is None:
            given = derived
        elif check_probability("deactivation_threshold", given) > threshold and given != derived:
            raise InvalidParameterError("deactivation_threshold", f"not above threshold ({threshold})", given)
        object.__setattr__(self, "deactivation_threshold", float(given))
        for name in ("min_speech_ms", "prefix_padding_ms", "silence_duration_ms"):
            check_duration_ms(name, getattr(self, name))

    @property
    def degenerate(self) -> bool:
        """Whether the deactivation threshold is at its floor, so that silence may never be detected."""
        return self.deactivation_threshold <= DEACTIVATION_FLOOR

    def replace(self, **changes: Any) -> TurnParams:
        """A copy with some values changed; a derived ``deactivation_threshold`` follows the threshold."""
        derived = self.deactivation_threshold == default_deactivation_threshold(self.threshold)
        if derived and "deactivation_threshold" not in changes:
            changes["deactivation_threshold"] = None
        return dataclasses.replace(self, **changes)

    def in_frames(self, *, frame_samples: int, sample_rate: int) -> FrameParams:
        """The parameters in frames of ``frame_samples`` samples at ``sample_rate`` hertz.

        Raises
        ------
        InvalidParameterError
            If ``frame_samples`` or ``sample_rate`` is not a positive whole number.
        """
        check_sample_rate(sample_rate)
        if not (is_whole(frame_samples) and frame_samples >= 1):
            raise InvalidParameterError("frame_samples", "a positive whole number", frame_samples)
        return FrameParams(
            threshold=self.threshold,
            deactivation_threshold=self.deactivation_threshold,
            min_speech_frames=frames_for_ms(self.min_speech_ms, frame_samples=frame_samples, sample_rate=sample_rate),
            silence_frames=frames_for_ms(
                self.silence_duration_ms, frame_samples=frame_samples, sample_rate=sample_rate
            ),
            prefix_samples=ms_to_samples(self.prefix_padding_ms, sample_rate),
        )
