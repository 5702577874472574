"""Where speech begins and ends in a clean source clip: the rule that segment truth comes from.

The rule looks at energy alone, and only at clips *before* anything is mixed in, so that truth never depends on
the voice activity detector under test:

1. ``peak`` is the RMS of the loudest 20 ms window (windows every 10 ms, the last one cut at the end of the clip).
2. A window is active when its RMS is at least ``peak - below_peak_db`` (35 dB) and at least ``floor_dbfs`` (-60).
3. Windows that overlap, touch or lie less than ``pause_ms`` (200 ms) apart form one stretch: a shorter gap is
   part of speaking (a stop closure lasts 50 to 150 ms), a longer one is a pause.
4. Both ends are refined to 2 ms: the first and the last 2 ms block, in the stretch's first and last active
   window, that is itself at or above the level of step 2.
5. Stretches shorter than ``min_ms`` (20 ms) are clicks and are dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bidilab.core.checks import is_number
from bidilab.core.errors import InvalidParameterError
from bidilab.core.timeline import Interval
from bidilab.core.units import check_sample_rate, ms_to_samples

__all__ = ["TruthRule", "active_stretches", "speech_extent"]

_WINDOW_MS = 20
_HOP_MS = 10
_BLOCK_MS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthRule:
    """Numbers of the energy rule.

    Parameters
    ----------
    below_peak_db
        How far below the loudest window speech may be, dB, in (0, 90].
    floor_dbfs
        Below this nothing is speech, dB re full scale, in [-120, 0). Full scale is an RMS of 1.
    pause_ms
        Gaps of at least this length are pauses, ``>= 0``.
    min_ms
        Shorter stretches are dropped, ``>= 0``.
    """

    below_peak_db: float = 35.0
    floor_dbfs: float = -60.0
    pause_ms: float = 200.0
    min_ms: float = 20.0

    def __post_init__(self) -> None:
        if not (is_number(self.below_peak_db) and 0 < self.below_peak_db <= 90):
            raise InvalidParameterError("below_peak_db", "a level difference in (0, 90] dB", self.below_peak_db)
        if not (is_number(self.floor_dbfs) and -120 <= self.floor_dbfs < 0):
            raise InvalidParameterError("floor_dbfs", "a level in [-120, 0) dBFS", self.floor_dbfs)
        for name in ("pause_ms", "min_ms"):
            if not (is_number(getattr(self, name)) and 0 <= getattr(self, name) <= 60_000):
                raise InvalidParameterError(name, "milliseconds in [0, 60000]", getattr(self, name))


def _block_rms(samples: npt.NDArray[np.float64], starts: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.float64]:
    """RMS of ``[start, start + length)``, cut at the end of the samples, from one running sum."""
    energy = np.concatenate([[0.0], np.cumsum(samples**2)])
    ends = np.minimum(starts + length, len(samples))
    mean = (energy[ends] - energy[starts]) / np.maximum(ends - starts, 1)
    out: npt.NDArray[np.float64] = np.sqrt(np.maximum(mean, 0.0))
    return out


def active_stretches(
    samples: npt.NDArray[np.floating], sample_rate: int, rule: TruthRule | None = None
) -> tuple[Interval, ...]:
    """Stretches of speech in a clean clip, by the rule stated at the head of this module.

    Parameters
    ----------
    samples
        ``(n_samples,)`` in [-1, 1], one source, nothing mixed in.
    sample_rate
        Hertz.
    rule
        Its numbers; the defaults when ``None``.

    Returns
    -------
    tuple of Interval
        In samples, sorted, disjoint, each at least ``pause_ms`` from the next; empty for silence.
    """
    check_sample_rate(sample_rate)
    rule = rule or TruthRule()
    clip = np.asarray(samples, dtype=np.float64)
    if clip.ndim != 1:
        raise InvalidParameterError("samples", "a (n_samples,) array", clip.shape)
    hop, window = ms_to_samples(_HOP_MS, sample_rate), ms_to_samples(_WINDOW_MS, sample_rate)
    starts = np.arange(0, len(clip), max(1, hop), dtype=np.int64)
    levels = _block_rms(clip, starts, max(1, window))
    if not len(levels) or levels.max() == 0:
        return ()
    level = max(levels.max() * 10 ** (-rule.below_peak_db / 20), 10 ** (rule.floor_dbfs / 20))
    active = starts[levels >= level]
    if not len(active):
        return ()
    windows = [Interval(int(start), min(int(start) + window, len(clip))) for start in active]
    refined = [_refine(clip, group, level, sample_rate) for group in _grouped(windows, rule, sample_rate)]
    min_samples = ms_to_samples(rule.min_ms, sample_rate)
    return tuple(stretch for stretch in refined if stretch.duration >= min_samples)


def _grouped(windows: list[Interval], rule: TruthRule, sample_rate: int) -> list[tuple[Interval, Interval]]:
    pause = max(1, ms_to_samples(rule.pause_ms, sample_rate))
    groups: list[tuple[Interval, Interval]] = []
    for window in windows:
        if groups and window.start - groups[-1][1].end < pause:
            groups[-1] = (groups[-1][0], window)
        else:
            groups.append((window, window))
    return groups


def _refine(clip: npt.NDArray[np.float64], ends: tuple[Interval, Interval], level: float, sample_rate: int) -> Interval:
    # A window at the level holds a block at the level, unless rounding of the running sum says
    # otherwise for a window exactly on it: then the window's own edge is kept.
    block = max(1, ms_to_samples(_BLOCK_MS, sample_rate))
    first, last = ends
    onsets = np.arange(first.start, first.end, block, dtype=np.int64)
    offsets = np.arange(last.start, last.end, block, dtype=np.int64)
    loud_first = onsets[_block_rms(clip, onsets, block) >= level]
    loud_last = offsets[_block_rms(clip, offsets, block) >= level]
    start = int(loud_first[0]) if len(loud_first) else first.start
    end = int(loud_last[-1]) + block if len(loud_last) else last.end
    return Interval(start, min(end, len(clip)))


def speech_extent(
    samples: npt.NDArray[np.floating], sample_rate: int, rule: TruthRule | None = None
) -> Interval | None:
    """From the onset of the first stretch to the offset of the last; ``None`` for silence."""
    stretches = active_stretches(samples, sample_rate, rule)
    return Interval(stretches[0].start, stretches[-1].end) if stretches else None
