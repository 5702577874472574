"""The audio formats of the OpenAI Realtime API: PCM16 at 24 kHz and G.711 at 8 kHz, mono, in base64.

``audio/pcm`` is little-endian 16-bit PCM; ``audio/pcmu`` and ``audio/pcma`` are the µ-law and A-law of ITU-T G.711
(1988), one byte a sample. The G.711 tables are libsndfile's, asked for once.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from bidilab.bidi.realtime.protocol.errors import RequestError, quoted
from bidilab.core.audio import FloatArray
from bidilab.core.errors import InvalidParameterError

__all__ = ["AUDIO_FORMATS", "MAX_APPEND_BYTES", "AudioFormat", "audio_format", "decode_base64", "to_pcm16"]

MAX_APPEND_BYTES = 15 * 1024 * 1024
"""Audio that one ``input_audio_buffer.append`` may hold (``input_audio_buffer_append_event.py``, ``openai`` 3.54)."""

Pcm16Array = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFormat:
    """One format of the wire.

    Parameters
    ----------
    type
        ``audio/pcm``, ``audio/pcmu`` or ``audio/pcma``.
    sample_rate
        Hertz.
    sample_bytes
        Bytes of one sample.
    """

    type: str
    sample_rate: int
    sample_bytes: int

    def to_dict(self) -> dict[str, str | int]:
        """As the session shows it; G.711 has no ``rate``."""
        return {"type": self.type, "rate": self.sample_rate} if self.type == "audio/pcm" else {"type": self.type}

    def decode(self, data: bytes) -> Pcm16Array:
        """Samples ``(n,) int16`` of whole samples on the wire."""
        if self.type == "audio/pcm":
            return np.frombuffer(data, dtype="<i2").astype(np.int16)
        return _g711_decoder(self.type)[np.frombuffer(data, np.uint8)]

    def encode(self, samples: Pcm16Array) -> bytes:
        """Bytes on the wire of samples ``(n,) int16``."""
        if self.type == "audio/pcm":
            return samples.astype("<i2").tobytes()
        return _g711_encoder(self.type)[samples.astype(np.int32) + 32768].tobytes()


AUDIO_FORMATS: Mapping[str, AudioFormat] = {
    "audio/pcm": AudioFormat(type="audio/pcm", sample_rate=24_000, sample_bytes=2),
    "audio/pcmu": AudioFormat(type="audio/pcmu", sample_rate=8_000, sample_bytes=1),
    "audio/pcma": AudioFormat(type="audio/pcma", sample_rate=8_000, sample_bytes=1),
}


def audio_format(name: str) -> AudioFormat:
    """The format of a name.

    Raises
    ------
    InvalidParameterError
        If there is none.
    """
    if name not in AUDIO_FORMATS:
        raise InvalidParameterError("audio format", f"one of {', '.join(AUDIO_FORMATS)}", name)
    return AUDIO_FORMATS[name]


def _subtype(name: str) -> str:
    return {"audio/pcmu": "ULAW", "audio/pcma": "ALAW"}[name]


@cache
def _g711_decoder(name: str) -> Pcm16Array:
    import soundfile

    every_code = io.BytesIO(bytes(range(256)))
    options = {"samplerate": 8000, "channels": 1, "format": "RAW", "subtype": _subtype(name), "dtype": "int16"}
    table, _ = soundfile.read(every_code, **options)
    return np.asarray(table, np.int16)


@cache
def _g711_encoder(name: str) -> npt.NDArray[np.uint8]:
    import soundfile

    every_sample = np.arange(-32768, 32768).astype(np.int16)
    file = io.BytesIO()
    soundfile.write(file, every_sample, 8000, format="RAW", subtype=_subtype(name))
    return np.frombuffer(file.getvalue(), np.uint8)


def to_pcm16(samples: FloatArray) -> Pcm16Array:
    """``(n,) int16`` of float samples; values outside [-1, 1) are clipped."""
    return np.clip(np.rint(samples.astype(np.float64) * 32768.0), -32768, 32767).astype(np.int16)


def decode_base64(text: str, param: str) -> bytes:
    """The bytes of base64 (RFC 4648 §4, padded), decoded strictly.

    Raises
    ------
    RequestError
        If the text is not base64, or holds more than `MAX_APPEND_BYTES`.
    """
    if len(text) > 4 * -(-MAX_APPEND_BYTES // 3):
        raise RequestError("invalid_value", f"Invalid {quoted(param)}: more than 15 MiB of audio.", param)
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError: characters outside ASCII
        message = f"Invalid {quoted(param)}. Expected base64-encoded audio bytes, but got an invalid value ({error})."
        raise RequestError("invalid_value", message, param) from error
    if len(data) > MAX_APPEND_BYTES:
        raise RequestError("invalid_value", f"Invalid {quoted(param)}: more than 15 MiB of audio.", param)
    return data
