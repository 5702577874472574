"""The band of a telephone line."""

from __future__ import annotations

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.dsp.mixing import Samples, bandpass

__all__ = ["BANDS_HZ", "in_band"]

BANDS_HZ: dict[str, tuple[float, float]] = {"telephone": (300.0, 3400.0)}
"""Pass bands by name; the telephone's is that of ITU-T G.712 (2001) and of the handset of P.48 (1988)."""


def in_band(samples: Samples, sample_rate: int, bandwidth: str) -> Samples:
    """What of a sound passes a line, ``(n_samples,)``.

    A linear-phase filter of 32 ms, applied centred: nothing is delayed.

    Raises
    ------
    InvalidParameterError
        If the recording's rate does not hold the band.
    """
    low, high = BANDS_HZ[bandwidth]
    if sample_rate <= 2 * high:
        raise InvalidParameterError("sample_rate", f"above {2 * high:g} Hz for the {bandwidth} band", sample_rate)
    return bandpass(samples, sample_rate, low, high)
