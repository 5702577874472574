"""Audio and images in events: bytes inside, base64 at the dict edge."""

from __future__ import annotations

import base64
import binascii
from typing import Literal

import numpy as np
import numpy.typing as npt

from bidilab.bidi.types.base import check_one_of
from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.core.units import check_sample_rate, pcm16_bytes_to_samples

__all__ = [
    "AUDIO_FORMATS",
    "AudioChannel",
    "AudioFormat",
    "AudioSampleRate",
    "check_audio",
    "decode_media",
    "mono",
    "pcm16",
]

AudioChannel = Literal[1, 2]
AudioFormat = Literal["pcm", "wav", "opus", "mp3"]
AudioSampleRate = int
"""Hertz. Strands' type names 8000, 16000, 24000 and 48000; any rate is taken here, as a recording may have it."""

AUDIO_FORMATS: tuple[AudioFormat, ...] = ("pcm", "wav", "opus", "mp3")


def decode_media(name: str, media: str | bytes | bytearray | memoryview) -> bytes:
    """Bytes of a base64 string; bytes pass through.

    Raises
    ------
    InvalidParameterError
        If the string is not base64.
    """
    if not isinstance(media, str):
        return bytes(media)
    try:
        return base64.b64decode(media, validate=True)
    except (binascii.Error, ValueError) as error:
        shown = media if len(media) <= 40 else media[:40] + "…"
        raise InvalidParameterError(name, f"bytes or a base64 string ({error})", shown) from error


def check_audio(data: bytes, audio_format: str, sample_rate: int, channels: int) -> None:
    """Check what an audio event says of its bytes.

    Raises
    ------
    InvalidParameterError
        If the format, rate or number of channels is not allowed, or PCM bytes do not make whole samples.
    """
    check_one_of("format", audio_format, AUDIO_FORMATS)
    check_sample_rate(sample_rate)
    check_one_of("channels", channels, (1, 2))
    if audio_format == "pcm" and len(data) % (2 * channels):
        raise InvalidParameterError("audio", f"PCM16 of whole samples, {channels} channel(s)", f"{len(data)} bytes")


def pcm16(data: bytes, audio_format: str, channels: int) -> npt.NDArray[np.int16]:
    """Samples of little-endian 16-bit PCM: ``(n,)`` or ``(n, 2)`` ``int16``, read-only.

    Raises
    ------
    AudioError
        If the format is not ``pcm``.
    """
    if audio_format != "pcm":
        raise AudioError(f"only 16-bit PCM has samples to read, this audio is {audio_format}")
    n_samples = pcm16_bytes_to_samples(len(data), channels)
    samples = np.frombuffer(data, dtype="<i2").astype(np.int16, copy=False)
    return samples if channels == 1 else samples.reshape(n_samples, channels)


def mono(samples: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """``(n,) int16`` of ``(n,)`` or ``(n, 2)`` samples: the mean of the channels, rounded down."""
    if samples.ndim == 1:
        return samples
    mean: npt.NDArray[np.int32] = samples.astype(np.int32).sum(axis=1) // 2
    return mean.astype(np.int16)
