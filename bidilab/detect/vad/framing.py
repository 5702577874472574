"""Cut a stream of samples into whole frames; the frames are the same for any chunking.

Frame ``k`` covers samples ``[k n, (k + 1) n)``; a partial frame at the end is never made up with zeros, it yields
nothing (DESIGN §4).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.core.errors import AudioError, InvalidParameterError

__all__ = ["FRAMING_VERSION", "Framer", "check_samples"]

FRAMING_VERSION = 1
"""Raise it when the same samples would be cut into other frames: it is part of every cache key."""


def check_samples(samples: npt.ArrayLike, name: str = "samples") -> FloatArray:
    """Mono audio as a contiguous ``(n,) float32`` array.

    Parameters
    ----------
    samples
        ``(n,)`` floating point in [-1, 1], ``n >= 0``.
    name
        What to call it in the error.

    Raises
    ------
    AudioError
        If the array is not one-dimensional, not floating point, or holds NaN or infinity.
    """
    array = np.asarray(samples)
    if array.ndim != 1:
        raise AudioError(f"{name}: expected mono audio of shape (n,), got {array.shape}")
    if not np.issubdtype(array.dtype, np.floating):
        raise AudioError(f"{name}: expected floating-point samples in [-1, 1], got {array.dtype}")
    array = np.ascontiguousarray(array, dtype=np.float32)
    finite = np.isfinite(array)
    if not finite.all():
        raise AudioError(f"{name}: holds NaN or infinity, first at sample {int(np.argmin(finite))}")
    return array


class Framer:
    """Collects samples until they make whole frames.

    Parameters
    ----------
    frame_samples
        Samples in a frame, ``>= 1``.

    Raises
    ------
    InvalidParameterError
        If ``frame_samples`` is not positive.

    Examples
    --------
    >>> framer = Framer(2)
    >>> framer.push(np.array([1, 2, 3], np.float32))
    array([[1., 2.]], dtype=float32)
    >>> framer.push(np.array([4], np.float32))
    array([[3., 4.]], dtype=float32)
    """

    def __init__(self, frame_samples: int) -> None:
        if frame_samples < 1:
            raise InvalidParameterError("frame_samples", "a whole number >= 1", frame_samples)
        self.frame_samples = frame_samples
        self.reset()

    def reset(self) -> None:
        """Forget the samples carried over."""
        self._carry: FloatArray = np.zeros(0, np.float32)

    @property
    def carried_samples(self) -> int:
        """Samples that wait for their frame to fill, in ``[0, frame_samples)``."""
        return len(self._carry)

    def push(self, samples: npt.ArrayLike) -> FloatArray:
        """Add samples, ``(n,)``; return the frames they complete, ``(k, frame_samples) float32``.

        Raises
        ------
        AudioError
            As `check_samples`; the samples are then not taken.
        """
        return self.push_checked(check_samples(samples))

    def push_checked(self, checked: FloatArray) -> FloatArray:
        """`push` of what `check_samples` has returned."""
        joined = np.concatenate((self._carry, checked)) if len(self._carry) else checked
        n_frames = len(joined) // self.frame_samples
        frames = joined[: n_frames * self.frame_samples].reshape(n_frames, self.frame_samples)
        # A copy, so that neither a caller's buffer nor a long array is held on to for a few samples.
        self._carry = joined[frames.size :].copy()
        return frames
