"""The root of the session's events, the dict that each is on the wire, and the checks of values, audio and images.

Strands' events (``strands.experimental.bidi.types.events``, strands-agents 1.54) are dicts with properties. Ours are
frozen dataclasses that can be *read* as such a dict, so that both styles of program run: ``event.reason`` and
``event["reason"]``, ``event.get("type")``, ``dict(event)``. They cannot be written to.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from bidilab.core.checks import check_one_of
from bidilab.core.errors import AudioError, EventError, InvalidParameterError
from bidilab.core.units import check_sample_rate, pcm16_bytes_to_samples

__all__ = [
    "AUDIO_FORMATS",
    "AudioChannel",
    "AudioEvent",
    "AudioFormat",
    "AudioSampleRate",
    "BidiEvent",
    "check_audio",
    "decode_media",
    "mono",
    "pcm16",
    "wire_table",
]


def wire_table(*same: str, **renamed: str) -> Mapping[str, str]:
    """Wire key → attribute: ``same`` where both have one name, ``key="attribute"`` where they differ."""
    return MappingProxyType({**{name: name for name in same}, **renamed})


class BidiEvent(Mapping[str, Any]):
    """Something that happened in a session. Every event of a session is one of these.

    A read-only mapping of its wire form: ``event["type"]`` is the wire name, the other keys are those of Strands'
    dicts, and ours that Strands has not, left out when they are ``None``.
    """

    __slots__ = ()

    type: ClassVar[str]
    """Wire name, ``"bidi_…"``."""

    wire: ClassVar[Mapping[str, str]]
    """Wire key → attribute, in the order of the wire."""

    wire_optional: ClassVar[frozenset[str]] = frozenset()
    """Wire keys that are left out when their value is ``None``."""

    def __getitem__(self, key: str) -> Any:
        if key == "type":
            return self.type
        if (attribute := self.wire.get(key)) is None:
            raise KeyError(key)
        value = getattr(self, attribute)
        if value is None and key in self.wire_optional:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[str]:
        yield "type"
        for key, attribute in self.wire.items():
            if key not in self.wire_optional or getattr(self, attribute) is not None:
                yield key

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def as_dict(self) -> dict[str, Any]:
        """The event as a dict that ``json.dumps`` takes: audio and images as base64, errors as messages."""
        return dict(self)

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Build the event from its dict; ``data["type"]`` is not looked at.

        Raises
        ------
        EventError
            If a key is missing or unknown, or a value is not allowed.
        """
        arguments = cls._arguments(data)
        try:
            return cls(**arguments)
        except (TypeError, InvalidParameterError) as error:
            raise EventError(f"{cls.type}: {error}") from error

    @classmethod
    def _arguments(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        if unknown := data.keys() - cls.wire.keys() - {"type"}:
            known = ", ".join(cls.wire)
            raise EventError(f"{cls.type}: unknown keys {sorted(unknown)}; known are {known}")
        return {attribute: data[key] for key, attribute in cls.wire.items() if key in data}


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
        raise AudioError(f"samples can be read only from 16-bit PCM, this audio is {audio_format}")
    n_samples = pcm16_bytes_to_samples(len(data), channels)
    samples = np.frombuffer(data, dtype="<i2").astype(np.int16, copy=False)
    return samples if channels == 1 else samples.reshape(n_samples, channels)


def mono(samples: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """``(n,) int16`` of ``(n,)`` or ``(n, 2)`` samples: the mean of the channels, rounded down."""
    if samples.ndim == 1:
        return samples
    mean: npt.NDArray[np.int32] = samples.astype(np.int32).sum(axis=1) // 2
    return mean.astype(np.int16)


class AudioEvent(BidiEvent):
    """An event that holds audio; a subclass declares the fields and what else it has."""

    __slots__ = ()

    data: bytes
    format: AudioFormat
    sample_rate: int
    channels: AudioChannel

    def _set(
        self, audio: str | bytes, audio_format: AudioFormat, sample_rate: int, channels: AudioChannel, **others: Any
    ) -> None:
        data = decode_media("audio", audio)
        check_audio(data, audio_format, sample_rate, channels)
        fields = {"data": data, "format": audio_format, "sample_rate": sample_rate, "channels": channels, **others}
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @property
    def audio(self) -> str:
        """The bytes as base64."""
        return base64.b64encode(self.data).decode("ascii")

    @property
    def pcm(self) -> npt.NDArray[np.int16]:
        """Samples, ``(n,)`` or ``(n, 2)`` ``int16``; `AudioError` for another format."""
        return pcm16(self.data, self.format, self.channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.data)} bytes {self.format}, {self.sample_rate} Hz, {self.channels} ch)"
