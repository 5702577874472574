"""Audio in memory: checked float arrays, 16-bit PCM and channels.

Audio is ``float32`` in [-1, 1], mono ``(n_samples,)`` or ``(n_samples, n_channels)``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.core.units import check_sample_rate

__all__ = ["Audio", "FloatArray", "audio_digest", "float_to_pcm16", "pcm16_to_float"]

FloatArray = npt.NDArray[np.float32]

_PCM16_SCALE = 32768.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Audio:
    """Samples and the rate they were taken at.

    Parameters
    ----------
    samples
        ``(n_samples,)`` or ``(n_samples, n_channels)`` ``float32``; finite.
    sample_rate
        Hertz, ``> 0``.
    name
        Where it came from; used in error messages.

    Raises
    ------
    AudioError
        If the array has the wrong shape or holds NaN or infinity.
    """

    samples: FloatArray
    sample_rate: int
    name: str = "audio"

    def __post_init__(self) -> None:
        check_sample_rate(self.sample_rate)
        samples = np.asarray(self.samples)
        if samples.ndim not in (1, 2):
            raise AudioError(f"{self.name}: expected a (samples,) or (samples, channels) array, got {samples.shape}")
        if not np.issubdtype(samples.dtype, np.floating):
            raise AudioError(f"{self.name}: expected floating-point samples in [-1, 1], got {samples.dtype}")
        samples = np.ascontiguousarray(samples, dtype=np.float32)
        finite = np.isfinite(samples)
        if not finite.all():
            first = int(np.argmin(finite.reshape(len(samples), -1).all(axis=1)))
            raise AudioError(f"{self.name}: holds NaN or infinity, first at sample {first}")
        object.__setattr__(self, "samples", samples)

    @property
    def n_samples(self) -> int:
        """Samples in each channel."""
        return int(self.samples.shape[0])

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return 1 if self.samples.ndim == 1 else int(self.samples.shape[1])

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sample_rate

    def channel(self, channel: int | None = None) -> FloatArray:
        """One channel as ``(n_samples,) float32``.

        Parameters
        ----------
        channel
            Index from 0; ``None`` takes the only channel of mono audio and the mean of several.

        Raises
        ------
        InvalidParameterError
            If there is no such channel.
        """
        if channel is None:
            if self.samples.ndim == 1:
                return self.samples
            return np.asarray(self.samples.mean(axis=1), dtype=np.float32)
        if not 0 <= channel < self.n_channels:
            raise InvalidParameterError("channel", f"a channel of {self.name}, 0 to {self.n_channels - 1}", channel)
        if self.samples.ndim == 1:
            return self.samples
        return np.ascontiguousarray(self.samples[:, channel])

    def __repr__(self) -> str:
        return (
            f"Audio({self.name!r}, {self.duration_s:.2f} s, {self.sample_rate} Hz, "
            f"{self.n_channels} channel{'s' if self.n_channels != 1 else ''})"
        )


def float_to_pcm16(samples: FloatArray) -> bytes:
    """Little-endian 16-bit PCM of float samples; values outside [-1, 1) are clipped."""
    scaled = np.rint(np.asarray(samples, dtype=np.float64) * _PCM16_SCALE)
    return np.clip(scaled, -32768, 32767).astype("<i2").tobytes()


def pcm16_to_float(data: bytes) -> FloatArray:
    """Float samples of little-endian 16-bit PCM, ``(n_samples,) float32`` in [-1, 1).

    Raises
    ------
    AudioError
        If ``data`` ends in half a sample.
    """
    if len(data) % 2:
        raise AudioError(f"16-bit PCM has an even number of bytes, got {len(data)}")
    return (np.frombuffer(data, dtype="<i2") / np.float32(_PCM16_SCALE)).astype(np.float32)


def audio_digest(audio: Audio) -> str:
    """Return a hash of the samples, their shape and their rate, 32 hexadecimal digits."""
    digest = hashlib.sha256(f"{audio.samples.shape} {audio.sample_rate} ".encode())
    digest.update(np.ascontiguousarray(audio.samples, dtype="<f4").tobytes())
    return digest.hexdigest()[:32]
