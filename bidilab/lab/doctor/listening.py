"""What two seconds of a microphone say: its sound, its real sample rate, blocks that were lost. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bidilab.core.audio import FloatArray
from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import check_sample_rate
from bidilab.lab.doctor.sound import SoundFacts, sound_facts

__all__ = ["Capture", "MicrophoneFacts", "RealRate", "microphone_facts", "real_rate"]

_SETTLES_S = 0.25
"""What was gathered while a stream was opened comes at once, so arrivals in this time tell nothing of the rate."""
_LEAST_S = 0.5
_LEAST_BLOCKS = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Capture:
    """Blocks of a microphone, in order.

    Parameters
    ----------
    samples
        ``(n,) float32`` in [-1, 1], of all blocks.
    sample_rate
        Hertz that were asked for.
    ends, arrived_s
        Of each block: the count of samples up to its end, and when it arrived, seconds on one clock.
    overruns
        Blocks before which the system says that samples were lost.
    """

    samples: FloatArray
    sample_rate: int
    ends: tuple[int, ...]
    arrived_s: tuple[float, ...]
    overruns: int = 0

    def starts_s(self) -> float:
        """Return when sample 0 came, by the earliest block: no block arrives before its samples."""
        return min(at - end / self.sample_rate for end, at in zip(self.ends, self.arrived_s, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class RealRate:
    """Samples per second by the clock.

    Parameters
    ----------
    hertz
        The rate.
    within
        How far it may be off, as a share of itself: blocks arrive unevenly.
    """

    hertz: float
    within: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MicrophoneFacts:
    """What was measured on a microphone.

    Parameters
    ----------
    sample_rate
        Hertz that were asked for.
    rate
        What came by the clock; ``None`` where too little came to tell.
    overruns
        Blocks before which samples were lost.
    sound
        Level, zeros, clipping, hum.
    """

    sample_rate: int
    rate: RealRate | None
    overruns: int
    sound: SoundFacts


def microphone_facts(capture: Capture) -> MicrophoneFacts:
    """Measure a capture of a second or more.

    Raises
    ------
    InvalidParameterError
        If it is shorter than a second.
    """
    return MicrophoneFacts(
        sample_rate=capture.sample_rate,
        rate=real_rate(capture.ends, capture.arrived_s),
        overruns=capture.overruns,
        sound=sound_facts(capture.samples, np.zeros_like(capture.samples), check_sample_rate(capture.sample_rate)),
    )


def real_rate(ends: Sequence[int], arrived_s: Sequence[float]) -> RealRate | None:
    """Fit a line to counts of samples and times; ``None`` for fewer than 5 blocks, or half a second.

    Arrivals in the first quarter of a second are left out.

    Parameters
    ----------
    ends
        Count of samples up to the end of each block, rising.
    arrived_s
        When each block arrived, seconds.

    Raises
    ------
    InvalidParameterError
        If the two differ in length, or either falls.

    Examples
    --------
    >>> real_rate(range(480, 96_001, 480), [k / 100 for k in range(200)])
    RealRate(hertz=48000.0, within=0.0)
    """
    counts, times = np.asarray(ends, dtype=np.float64), np.asarray(arrived_s, dtype=np.float64)
    if counts.shape != times.shape or np.any(np.diff(counts) < 0) or np.any(np.diff(times) < 0):
        raise InvalidParameterError("ends, arrived_s", "of equal length, and rising", (len(ends), len(arrived_s)))
    settled = times >= (times[0] + _SETTLES_S if len(times) else math.inf)
    counts, times = counts[settled], times[settled]
    if len(times) < _LEAST_BLOCKS or times[-1] - times[0] < _LEAST_S:
        return None
    counts, times = counts - counts[0], times - times[0]
    slope, start = np.polyfit(times, counts, 1)
    if not slope > 0:
        return None
    off_s = times - (counts - start) / slope
    within = float(np.ptp(off_s)) / float(times[-1])
    return RealRate(hertz=round(float(slope), 1), within=round(within, 4))
