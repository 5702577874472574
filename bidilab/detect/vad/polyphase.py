"""Compiled inner loop of the resampler: arrays in, arrays out. Call `bidilab.detect.vad.resampling`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bidilab.core.compiling import kernel

__all__ = ["polyphase"]


# Reassociation lets the compiler use vector lanes. The order of the sum is then fixed at compile time and depends
# on the number of taps alone, so equal windows give equal bits wherever they lie in the buffer. The signature
# compiles it on import (from disk the second time), so that no live stream waits for the compiler.
@kernel(
    "void(float32[::1], float32[:, ::1], int64, int64, int64, float32[::1])",
    nogil=False,
    fastmath={"reassoc", "contract", "nsz"},
)
def polyphase(
    samples: npt.NDArray[Any], table: npt.NDArray[Any], up: int, down: int, start: int, out: npt.NDArray[Any]
) -> None:
    """Fill ``out`` with ``out[k] = sum_j table[t % up, j] samples[t // up + j]``, ``t = start + k down``.

    Parameters
    ----------
    samples
        ``(n,) float32``; every window it is asked for must lie inside.
    table
        ``(up, taps) float32``, one filter a phase.
    up, down
        Output and input rate over their greatest common divisor.
    start
        Position of ``out[0]``, in 1/``up`` of an input sample.
    out
        ``(k,) float32``, written.
    """
    taps = table.shape[1]
    for k in range(out.shape[0]):
        t = start + k * down
        first = t // up
        window = samples[first : first + taps]
        phase = table[t - first * up]
        total = np.float32(0)
        for j in range(taps):
            total += window[j] * phase[j]
        out[k] = total
