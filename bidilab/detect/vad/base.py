"""The protocol of a voice activity detector: samples in, one probability of speech per frame out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.vad.framing import check_samples

__all__ = ["VAD_SAMPLE_RATES", "BackendInTurn", "OnDone", "OnProgress", "VadBackend", "VadStream", "check_vad_rate"]

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

    @abstractmethod
    def stream(self) -> VadStream:
        """A new stream, at its start."""

    def probabilities(self, samples: npt.ArrayLike) -> FloatArray:
        """``(n // frame_samples,) float32`` of a whole recording, ``(n,)`` at ``sample_rate``."""
        return self.stream().feed(samples)

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
