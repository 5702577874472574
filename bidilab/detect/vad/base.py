"""The protocol of a voice activity detector: samples in, one probability of speech per frame out.

A stream of samples is cut into whole frames, the same for any chunking. Frame ``k`` covers samples ``[k n, (k + 1)
n)``; a partial frame at the end is never made up with zeros, it yields nothing (DESIGN §4).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.core.audioroom import blocks
from bidilab.core.errors import AudioError, InvalidParameterError

__all__ = [
    "FRAMING_VERSION",
    "VAD_SAMPLE_RATES",
    "BackendInTurn",
    "Framer",
    "OnDone",
    "OnProgress",
    "VadBackend",
    "VadStream",
    "check_samples",
    "check_vad_rate",
    "lookahead_of",
]

FRAMING_VERSION = 1
"""Raise it when the same samples would be cut into other frames: it is part of every cache key."""


def check_samples(samples: npt.ArrayLike, name: str = "samples") -> FloatArray:
    """Mono audio as a contiguous ``(n,) float32`` array.

    Parameters
    ----------
    samples
        ``(n,)`` floating point in [-1, 1], ``n >= 0``.
    name
        Name of the samples in errors.

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
    start = 0
    for block in blocks(array) if len(array) > _LONG_SAMPLES else (array,):
        finite = np.isfinite(block)
        if not finite.all():
            raise AudioError(f"{name}: holds NaN or infinity, first at sample {start + int(np.argmin(finite))}")
        start += len(block)
    return array


_LONG_SAMPLES = 1 << 18
"""Longer audio is looked at in blocks; a chunk of a stream is not, as it comes fifty times a second."""


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


OnDone = Callable[[int, FloatArray], None]
"""Called with the index of a recording and its probabilities, as soon as that recording is done."""
OnProgress = Callable[[int], None]
"""Called with the number of samples done *since the last call*; the calls add up to all samples given."""

VAD_SAMPLE_RATES = (8_000, 16_000)
"""Rates in hertz that the backends work at; any other audio is resampled to one of them."""


@runtime_checkable
class VadStream(Protocol):
    """A detector in the middle of one stream; all of its state is its own."""

    def feed(self, samples: npt.ArrayLike) -> FloatArray:
        """Take samples, ``(n,)`` at the backend's rate, ``n >= 0``, cut anywhere.

        Returns
        -------
        FloatArray
            ``(k,) float32`` in [0, 1]: the frames that these samples complete.
        """

    def reset(self) -> None:
        """Go back to the start of a stream: state, context and carried samples."""


@runtime_checkable
class VadBackend(Protocol):
    """A voice activity detector.

    For every backend ``probabilities``, ``probabilities_batch`` and ``stream`` give the same bits for the same
    samples: whatever the chunking, and whatever else is in the batch. A partial frame at the end yields nothing.

    A detector that hears more than a frame's own samples before it gives its probability says so in
    ``lookahead_samples``, a whole number of samples beyond the frame's end; without that member it hears none
    (`lookahead_of`). Its stream gives a frame when all of those have come, so every decision is later by them, and who
    ends a stream feeds that many zeros. `probabilities` and `probabilities_batch` do so themselves.
    """

    @property
    def name(self) -> str:
        """Name in the registry, such as ``silero``."""

    @property
    def version(self) -> str:
        """Changes whenever the numbers may change: weights, library, parameters, framing and resampler.

        Parts are joined by ``;``. The first names the release; see `bidilab.detect.vad.registry`.
        """

    @property
    def sample_rate(self) -> int:
        """Hertz of the samples it takes, 8000 or 16000."""

    @property
    def frame_samples(self) -> int:
        """Samples in a frame, ``n``; frame ``k`` covers ``[k n, (k + 1) n)``."""

    def probabilities(self, samples: npt.ArrayLike) -> FloatArray:
        """Probabilities of one whole recording.

        Parameters
        ----------
        samples
            ``(n,)`` floating point in [-1, 1], at ``sample_rate``.

        Returns
        -------
        FloatArray
            ``(n // frame_samples,) float32`` in [0, 1].
        """

    def probabilities_batch(
        self,
        recordings: Sequence[npt.ArrayLike],
        on_done: OnDone | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[FloatArray]:
        """Probabilities of many recordings, in the order given; see `probabilities`."""

    def stream(self) -> VadStream:
        """A new stream, at its start."""


def lookahead_of(vad: VadBackend) -> int:
    """Samples beyond a frame's end that a backend hears before it gives the frame's probability; 0 if it does not say.

    Raises
    ------
    InvalidParameterError
        If it says something that is no whole number >= 0.
    """
    ahead = getattr(vad, "lookahead_samples", 0)
    if isinstance(ahead, bool) or not isinstance(ahead, int | np.integer) or ahead < 0:
        raise InvalidParameterError(f"lookahead_samples of the VAD {vad.name}", "a whole number >= 0", ahead)
    return int(ahead)


def check_vad_rate(sample_rate: int) -> int:
    """Return ``sample_rate`` when the backends can work at it.

    Raises
    ------
    InvalidParameterError
        If it is neither 8000 nor 16000.
    """
    if isinstance(sample_rate, bool) or sample_rate not in VAD_SAMPLE_RATES:
        raise InvalidParameterError("sample_rate", "8000 or 16000 (resample the audio first)", sample_rate)
    return int(sample_rate)


class BackendInTurn(ABC):
    """Base of a backend that gains nothing from a batch: recordings go through its `stream`, one after the other."""

    __slots__ = ()

    lookahead_samples: int = 0

    @abstractmethod
    def stream(self) -> VadStream:
        """A new stream, at its start."""

    def probabilities(self, samples: npt.ArrayLike) -> FloatArray:
        """``(n // frame_samples,) float32`` of a whole recording, ``(n,)`` at ``sample_rate``."""
        checked = check_samples(samples)
        if self.lookahead_samples:
            checked = np.concatenate([checked, np.zeros(self.lookahead_samples, np.float32)])
        return self.stream().feed(checked)

    def probabilities_batch(
        self,
        recordings: Sequence[npt.ArrayLike],
        on_done: OnDone | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[FloatArray]:
        """Probabilities of each recording, one after the other; all are checked before the first is run."""
        tracks: list[FloatArray] = []
        for index, samples in enumerate([check_samples(recording) for recording in recordings]):
            tracks.append(self.probabilities(samples))
            if on_done is not None:
                on_done(index, tracks[-1])
            if on_progress is not None:
                on_progress(len(samples))
        return tracks
