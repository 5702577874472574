"""The baseline: the level of a frame above the noise floor, as a probability.

It does not detect speech: a door slams as loudly as a word. A sweep with it shows what a model adds.

For each frame ``k`` of 32 ms, with level ``L_k = 10 log10(mean(x^2))`` dB re full scale, at least ``quietest_dbfs``::

    floor_k = min over j <= k of (L_j + rise r (k - j))         falls at once, rises r dB a frame
    p_k     = 1 / (1 + exp(-(L_k - floor_k - offset_db) / slope_db))

The floor is a leaky minimum, the causal form of minimum statistics (Martin, "Noise power spectral density
estimation based on optimal smoothing and minimum statistics", IEEE TSAP 2001) on the broadband level. It starts at
``initial_floor_dbfs``, so that a recording which begins with speech is not taken for noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.core.checks import check_bounds
from bidilab.detect.vad.base import FRAMING_VERSION, BackendInTurn, Framer, check_vad_rate
from bidilab.detect.vad.resampling import RESAMPLER_VERSION

__all__ = ["EnergyStream", "EnergyVad"]

_FRAME_SAMPLES = {8_000: 256, 16_000: 512}  # 32 ms, Silero's, so that the two compare frame by frame
_BLOCK_FRAMES = 1_024  # bounds the float64 copy
_BOUNDS = {
    "offset_db": (0.0, 60.0),
    "slope_db": (0.1, 20.0),
    "rise_db_per_s": (0.0, 60.0),
    "quietest_dbfs": (-120.0, 0.0),
    "initial_floor_dbfs": (-120.0, 0.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyVad(BackendInTurn):
    """Level above a tracked noise floor, as a probability; see the module for the formula.

    Parameters
    ----------
    sample_rate
        8000 or 16000 hertz.
    offset_db
        Level above the floor at which the probability is 0.5, in [0, 60].
    slope_db
        Decibels from there to 0.73, in [0.1, 20].
    rise_db_per_s
        How fast the floor follows a louder background, in [0, 60].
    quietest_dbfs
        Levels below this count as this, so that digital silence does not make a whisper loud; in [-120, 0].
    initial_floor_dbfs
        Floor before the first frame, in [-120, 0].

    Raises
    ------
    InvalidParameterError
        If a value is out of bounds.
    """

    sample_rate: int = 16_000
    offset_db: float = 12.0
    slope_db: float = 3.0
    rise_db_per_s: float = 2.0
    quietest_dbfs: float = -70.0
    initial_floor_dbfs: float = -50.0

    def __post_init__(self) -> None:
        check_vad_rate(self.sample_rate)
        check_bounds(self, _BOUNDS)

    @property
    def name(self) -> str:
        """``energy``."""
        return "energy"

    @property
    def version(self) -> str:
        """Version of the formula, its parameters, the framing and the resampler."""
        parameters = ",".join(f"{name}={float(getattr(self, name))!r}" for name in _BOUNDS)
        return f"1;{parameters};frames{FRAMING_VERSION};resampler{RESAMPLER_VERSION}"

    @property
    def frame_samples(self) -> int:
        """Samples in a frame: 32 ms."""
        return _FRAME_SAMPLES[self.sample_rate]

    def stream(self) -> EnergyStream:
        """A new stream, at its start."""
        return EnergyStream(self)


class EnergyStream:
    """`EnergyVad` in the middle of a stream; made by `EnergyVad.stream`."""

    def __init__(self, backend: EnergyVad) -> None:
        self._backend = backend
        self._rise_db = backend.rise_db_per_s * backend.frame_samples / backend.sample_rate
        self._framer = Framer(backend.frame_samples)
        self.reset()

    def reset(self) -> None:
        """Go back to the start of a stream."""
        self._framer.reset()
        self._n_frames = 0
        # min over j of (L_j - rise j): the floor with its rise taken out, so that it is a plain running minimum
        # and no rounding error depends on the chunking.
        self._lowest = self._backend.initial_floor_dbfs + self._rise_db

    def feed(self, samples: npt.ArrayLike) -> FloatArray:
        """Probabilities of the frames that ``samples``, ``(n,)``, complete: ``(k,) float32``."""
        backend = self._backend
        levels = _levels_dbfs(self._framer.push(samples), backend.quietest_dbfs)
        rises = self._rise_db * np.arange(self._n_frames, self._n_frames + len(levels))
        lowest = np.minimum(np.minimum.accumulate(levels - rises), self._lowest)
        snr_db = levels - (lowest + rises)
        if len(levels):
            self._lowest = float(lowest[-1])
            self._n_frames += len(levels)
        odds = np.exp((backend.offset_db - snr_db) / backend.slope_db)  # against speech
        probabilities: FloatArray = (1 / (1 + odds)).astype(np.float32)
        return probabilities


def _levels_dbfs(frames: FloatArray, quietest_dbfs: float) -> npt.NDArray[np.float64]:
    powers = np.empty(len(frames))
    for start in range(0, len(frames), _BLOCK_FRAMES):
        block = frames[start : start + _BLOCK_FRAMES].astype(np.float64)
        # A sum along contiguous rows adds each row in an order of its own, whatever rows are beside it.
        powers[start : start + _BLOCK_FRAMES] = np.square(block).sum(axis=1) / block.shape[1]
    levels: npt.NDArray[np.float64] = 10 * np.log10(np.maximum(powers, 10 ** (quietest_dbfs / 10)))
    return levels
