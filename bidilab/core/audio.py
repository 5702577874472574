"""Audio in memory: checked float arrays, channels, 16-bit PCM and G.711.

Audio is ``float32`` in [-1, 1], mono ``(n_samples,)`` or ``(n_samples, n_channels)``.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Self

import numpy as np
import numpy.typing as npt

from bidilab.core.checks import is_whole
from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.core.units import check_sample_rate

__all__ = [
    "G711_LAWS",
    "G711_RATE",
    "Audio",
    "FloatArray",
    "Pcm16Array",
    "audio_digest",
    "channel_index",
    "decode_g711",
    "encode_g711",
    "float_to_pcm16",
    "pcm16_to_float",
    "to_pcm16",
]

FloatArray = npt.NDArray[np.float32]
Pcm16Array = npt.NDArray[np.int16]

G711_RATE = 8000
G711_LAWS: Mapping[str, str] = MappingProxyType({"pcmu": "ULAW", "pcma": "ALAW"})
"""µ-law and A-law of ITU-T G.711 (1988) by their names in RTP, and what libsndfile calls them; its tables are used."""

_BLOCK_SAMPLES = 1 << 20
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
        for start in range(0, len(samples), _BLOCK_SAMPLES):
            finite = np.isfinite(samples[start : start + _BLOCK_SAMPLES])
            if not finite.all():
                first = start + int(np.argmin(finite.reshape(len(finite), -1).all(axis=1)))
                raise AudioError(f"{self.name}: holds NaN or infinity, first at sample {first}")
        object.__setattr__(self, "samples", samples)

    @classmethod
    def known_finite(cls, samples: FloatArray, *, sample_rate: int, name: str) -> Self:
        """Audio of samples that were made of integers: they are not looked at, which for hours of audio is long.

        Parameters
        ----------
        samples
            ``(n,)`` or ``(n, n_channels) float32``.
        sample_rate, name
            As of the class.
        """
        made = object.__new__(cls)
        for field, value in (("samples", samples), ("sample_rate", sample_rate), ("name", name)):
            object.__setattr__(made, field, value)
        return made

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

    def user(self, number: int | None = None) -> FloatArray:
        """The user's channel, ``(n_samples,) float32``: the rule that all of bidilab goes by.

        Parameters
        ----------
        number
            Which channel is the user's, counted from 1 as people and sound editors do. Not given, it is the first:
            recordings of two channels nearly always have the caller there.

        Raises
        ------
        InvalidParameterError
            If there is no such channel.
        """
        return self.channel(self.user_index(number))

    def user_index(self, number: int | None = None) -> int:
        """Index, from 0, of the user's channel; see `user`."""
        return channel_index(number, self.n_channels, self.name)

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
        if not (is_whole(channel) and 0 <= channel < self.n_channels):
            raise InvalidParameterError("channel", f"a channel of {self.name}, 0 to {self.n_channels - 1}", channel)
        if self.samples.ndim == 1:
            return self.samples
        return np.ascontiguousarray(self.samples[:, int(channel)])

    def __repr__(self) -> str:
        return (
            f"Audio({self.name!r}, {self.duration_s:.2f} s, {self.sample_rate} Hz, "
            f"{self.n_channels} channel{'s' if self.n_channels != 1 else ''})"
        )


def channel_index(number: int | None, n_channels: int, name: str) -> int:
    """Index, from 0, of the user's channel among ``n_channels``; see `Audio.user`."""
    if number is None:
        return 0
    if not (is_whole(number) and 1 <= number <= n_channels):
        raise InvalidParameterError("user_channel", f"a channel of {name}, 1 to {n_channels}", number)
    return int(number) - 1


def to_pcm16(samples: npt.NDArray[np.floating]) -> Pcm16Array:
    """16-bit samples of float samples, ``int16`` of the same shape; values outside [-1, 1) are clipped."""
    given = np.asarray(samples)
    out = np.empty(given.shape, dtype=np.int16)
    flat, of = out.reshape(-1), given.reshape(-1)
    for start in range(0, len(of), _BLOCK_SAMPLES):  # in blocks: the numbers between are four times as large
        scaled = np.rint(np.asarray(of[start : start + _BLOCK_SAMPLES], dtype=np.float64) * _PCM16_SCALE)
        flat[start : start + _BLOCK_SAMPLES] = np.clip(scaled, -32768, 32767)
    return out


def float_to_pcm16(samples: FloatArray) -> bytes:
    """Little-endian 16-bit PCM of float samples; values outside [-1, 1) are clipped."""
    return to_pcm16(samples).astype("<i2", copy=False).tobytes()


def pcm16_to_float(data: bytes | bytearray | memoryview) -> FloatArray:
    """Float samples of little-endian 16-bit PCM, ``(n_samples,) float32`` in [-1, 1).

    Raises
    ------
    AudioError
        If ``data`` ends in half a sample.
    """
    if len(data) % 2:
        raise AudioError(f"16-bit PCM has an even number of bytes, got {len(data)}")
    return (np.frombuffer(data, dtype="<i2") / np.float32(_PCM16_SCALE)).astype(np.float32, copy=False)


def encode_g711(samples: Pcm16Array, law: str) -> bytes:
    """Samples ``(n_samples,) int16`` by a law of `G711_LAWS`, one byte per sample."""
    return _g711_encoder(law)[samples.astype(np.int32) + 32768].tobytes()


def decode_g711(data: bytes, law: str) -> Pcm16Array:
    """Samples ``(n_samples,) int16`` of bytes that `encode_g711` gave."""
    return _g711_decoder(law)[np.frombuffer(data, np.uint8)]


@cache
def _g711_decoder(law: str) -> Pcm16Array:
    import soundfile

    every_code = io.BytesIO(bytes(range(256)))
    options = {"samplerate": G711_RATE, "channels": 1, "format": "RAW", "subtype": G711_LAWS[law], "dtype": "int16"}
    table, _ = soundfile.read(every_code, **options)
    return np.asarray(table, np.int16)


@cache
def _g711_encoder(law: str) -> npt.NDArray[np.uint8]:
    import soundfile

    every_sample = np.arange(-32768, 32768).astype(np.int16)
    file = io.BytesIO()
    soundfile.write(file, every_sample, G711_RATE, format="RAW", subtype=G711_LAWS[law])
    return np.frombuffer(file.getvalue(), np.uint8)


def audio_digest(audio: Audio) -> str:
    """Return a hash of the samples, their shape and their rate, 32 hexadecimal digits."""
    digest = hashlib.sha256(f"{audio.samples.shape} {audio.sample_rate} ".encode())
    digest.update(np.ascontiguousarray(audio.samples, dtype="<f4").tobytes())
    return digest.hexdigest()[:32]
