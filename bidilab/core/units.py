"""Exact conversion between samples, milliseconds, seconds and bytes.

A position in a stream is an integer count of samples; milliseconds and seconds exist only at the edges.
Conversions to samples round to the nearest sample, halves up, so that they do not depend on the platform.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

from bidilab.core.checks import is_whole
from bidilab.core.errors import InvalidParameterError

__all__ = [
    "check_sample_rate",
    "frames_for_ms",
    "ms_to_samples",
    "pcm16_bytes_to_samples",
    "rescale_samples",
    "s_to_samples",
    "samples_to_ms",
    "samples_to_s",
]

BYTES_PER_PCM16_SAMPLE = 2


def check_sample_rate(sample_rate: int, name: str = "sample_rate") -> int:
    """Return ``sample_rate`` when it is a positive integer number of hertz.

    Raises
    ------
    InvalidParameterError
        If it is not.
    """
    if not (is_whole(sample_rate) and sample_rate > 0):
        raise InvalidParameterError(name, "a positive whole number of hertz", sample_rate)
    return int(sample_rate)


def _nearest(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


def s_to_samples(seconds: float, sample_rate: int) -> int:
    """Nearest sample to a time in seconds.

    Examples
    --------
    >>> s_to_samples(0.5, 16_000)
    8000
    """
    return _nearest(Fraction(seconds) * sample_rate)


@lru_cache(maxsize=4096)  # a grid asks for the same few durations again and again
def ms_to_samples(ms: float, sample_rate: int) -> int:
    """Nearest sample to a time in milliseconds.

    Examples
    --------
    >>> ms_to_samples(300, 16_000)
    4800
    """
    return _nearest(Fraction(ms) * sample_rate / 1000)


def samples_to_s(samples: int, sample_rate: int) -> float:
    """Seconds of a count of samples."""
    return samples / sample_rate


def samples_to_ms(samples: int, sample_rate: int) -> float:
    """Milliseconds of a count of samples.

    Examples
    --------
    >>> samples_to_ms(512, 16_000)
    32.0
    """
    return samples * 1000 / sample_rate


def frames_for_ms(ms: float, *, frame_samples: int, sample_rate: int) -> int:
    """Whole frames that cover a duration, at least one.

    Parameters
    ----------
    ms
        Duration in milliseconds, ``>= 0``.
    frame_samples
        Samples in a frame, ``>= 1``.
    sample_rate
        Hertz.

    Examples
    --------
    >>> frames_for_ms(500, frame_samples=512, sample_rate=16_000)
    16
    >>> frames_for_ms(0, frame_samples=512, sample_rate=16_000)
    1
    """
    return max(1, -(-ms_to_samples(ms, sample_rate) // frame_samples))


def rescale_samples(samples: int, from_rate: int, to_rate: int) -> int:
    """Nearest position, in samples at ``to_rate``, of a position at ``from_rate``.

    Examples
    --------
    >>> rescale_samples(24_000, 24_000, 16_000)
    16000
    """
    return _nearest(Fraction(samples * to_rate, from_rate))


def pcm16_bytes_to_samples(n_bytes: int, channels: int = 1) -> int:
    """Samples in a number of bytes of 16-bit PCM.

    Raises
    ------
    InvalidParameterError
        If the bytes do not make whole samples.
    """
    width = channels * BYTES_PER_PCM16_SAMPLE
    if n_bytes < 0 or n_bytes % width:
        raise InvalidParameterError("n_bytes", f"a non-negative multiple of {width}", n_bytes)
    return n_bytes // width
