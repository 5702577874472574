"""The audio formats of the OpenAI Realtime API: PCM16 at 24 kHz and G.711 at 8 kHz, mono, in base64.

``audio/pcm`` is little-endian 16-bit PCM; ``audio/pcmu`` and ``audio/pcma`` are the µ-law and A-law of ITU-T G.711
(1988), one byte per sample.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bidilab.bidi.realtime.protocol.errors import RequestError, quoted
from bidilab.core.audio import G711_RATE, Pcm16Array, decode_g711, encode_g711
from bidilab.core.errors import InvalidParameterError

__all__ = ["AUDIO_FORMATS", "MAX_APPEND_BYTES", "AudioFormat", "audio_format", "decode_base64"]

MAX_APPEND_BYTES = 15 * 1024 * 1024
"""Audio that one ``input_audio_buffer.append`` may hold (``input_audio_buffer_append_event.py``, ``openai`` 3.54)."""


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

    @property
    def _law(self) -> str:
        return self.type.removeprefix("audio/")

    def to_dict(self) -> dict[str, str | int]:
        """The format as the session shows it; G.711 has no ``rate``."""
        return {"type": self.type, "rate": self.sample_rate} if self.type == "audio/pcm" else {"type": self.type}

    def decode(self, data: bytes) -> Pcm16Array:
        """Samples ``(n,) int16`` of whole samples on the wire."""
        if self.type == "audio/pcm":
            return np.frombuffer(data, dtype="<i2").astype(np.int16)
        return decode_g711(data, self._law)

    def encode(self, samples: Pcm16Array) -> bytes:
        """Bytes on the wire of samples ``(n,) int16``."""
        if self.type == "audio/pcm":
            return samples.astype("<i2").tobytes()
        return encode_g711(samples, self._law)


AUDIO_FORMATS: Mapping[str, AudioFormat] = {
    "audio/pcm": AudioFormat(type="audio/pcm", sample_rate=24_000, sample_bytes=2),
    "audio/pcmu": AudioFormat(type="audio/pcmu", sample_rate=G711_RATE, sample_bytes=1),
    "audio/pcma": AudioFormat(type="audio/pcma", sample_rate=G711_RATE, sample_bytes=1),
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
