"""A backend that hands out the known probabilities of one recording, so that no model runs again.

Every backend gives the same bits for the same samples in any chunking, so a track that a sweep has computed is what a
stream would compute. It is handed out only for the very samples it was computed from.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.core.audioroom import let_go
from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.detect.vad.base import BackendInTurn, VadBackend, check_samples, lookahead_of

__all__ = ["KnownTrack"]


class KnownTrack(BackendInTurn):
    """A backend that knows one recording.

    Parameters
    ----------
    backend
        The detector that computed the track.
    samples
        ``(n,) float32`` at the backend's rate.
    probabilities
        ``(n // frame_samples,) float32``: ``backend.probabilities(samples)``.

    Raises
    ------
    InvalidParameterError
        If the track has another length.
    """

    def __init__(self, backend: VadBackend, samples: npt.ArrayLike, probabilities: npt.ArrayLike) -> None:
        self.backend = backend
        self.name = backend.name
        self.version = backend.version
        self.sample_rate = backend.sample_rate
        self.frame_samples = backend.frame_samples
        self.lookahead_samples = lookahead_of(backend)
        self._samples = check_samples(samples)
        self._track = np.asarray(probabilities, dtype=np.float32)
        n_frames = len(self._samples) // self.frame_samples
        if self._track.shape != (n_frames,):
            raise InvalidParameterError("probabilities", f"an array of shape ({n_frames},)", self._track.shape)

    def build(self) -> KnownTrack:
        """The backend itself: it stands where a `VadSpec` does."""
        return self

    def stream(self) -> _KnownStream:
        """A new stream, at its start."""
        return _KnownStream(self._samples, self._track, self.frame_samples, self.lookahead_samples)


_KEPT_SAMPLES = 1 << 22


class _KnownStream:
    """Hands out the frames that the samples complete, once it has seen that they are the same samples."""

    def __init__(self, samples: FloatArray, track: FloatArray, frame_samples: int, lookahead_samples: int) -> None:
        # At the end of a stream as many zeros follow as the detector hears ahead.
        self._samples = (
            np.concatenate([samples, np.zeros(lookahead_samples, np.float32)]) if lookahead_samples else samples
        )
        self._lookahead = lookahead_samples
        self._track = track
        self._frame_samples = frame_samples
        self._position = 0

    def feed(self, samples: npt.ArrayLike) -> FloatArray:
        chunk = check_samples(samples)
        start, end = self._position, self._position + len(chunk)
        if not np.array_equal(chunk, self._samples[start:end]):
            raise AudioError(f"the probabilities belong to other samples, which differ from these after sample {start}")
        self._position = end
        if start // _KEPT_SAMPLES != end // _KEPT_SAMPLES:
            let_go(self._samples)
        first, last = (max(0, at - self._lookahead) // self._frame_samples for at in (start, end))
        return self._track[first:last]

    def reset(self) -> None:
        self._position = 0
