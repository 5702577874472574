"""Events that go into a session: text, audio and images (``agent.send``).

Constructors take their arguments by position too, in Strands' order (strands-agents 1.54).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Self

from bidilab.bidi.types.base import (
    AudioChannel,
    AudioEvent,
    AudioFormat,
    BidiEvent,
    decode_media,
    wire_table,
)
from bidilab.core.checks import check_one_of, check_text

__all__ = ["ROLES", "BidiAudioInputEvent", "BidiImageInputEvent", "BidiTextInputEvent", "Role"]

Role = Literal["user", "assistant"]
ROLES: tuple[Role, ...] = ("user", "assistant")


@dataclass(frozen=True, slots=True)
class BidiTextInputEvent(BidiEvent):
    """Text for the model.

    Parameters
    ----------
    text
        The words.
    role
        Who says it: ``"user"`` or ``"assistant"``.
    """

    type: ClassVar[str] = "bidi_text_input"
    wire = wire_table("text", "role")

    text: str
    role: Role = "user"

    def __post_init__(self) -> None:
        check_text("text", self.text)
        check_one_of("role", self.role, ROLES)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class BidiAudioInputEvent(AudioEvent):
    """Audio of the user for the model.

    Parameters
    ----------
    audio
        Base64 string, or the bytes themselves.
    format
        ``"pcm"`` (little-endian, 16 bit), ``"wav"``, ``"opus"`` or ``"mp3"``.
    sample_rate
        Hertz.
    channels
        1 or 2; two are interleaved.
    captured_s
        When its first sample was captured, in seconds on the session's clock, where the microphone knows; ``None``: it
        came as it was captured. Of this process alone, so it is not in the dict.

    Attributes
    ----------
    data
        The bytes.
    """

    type: ClassVar[str] = "bidi_audio_input"
    wire = wire_table("audio", "format", "sample_rate", "channels")

    data: bytes
    format: AudioFormat
    sample_rate: int
    channels: AudioChannel
    captured_s: float | None = field(compare=False)

    def __init__(
        self,
        audio: str | bytes,
        format: AudioFormat,  # noqa: A002 - Strands' name
        sample_rate: int,
        channels: AudioChannel,
        *,
        captured_s: float | None = None,
    ) -> None:
        self._set(audio, format, sample_rate, channels, captured_s=captured_s)

    @classmethod
    def from_pcm(
        cls, pcm: bytes, *, sample_rate: int, channels: AudioChannel = 1, captured_s: float | None = None
    ) -> Self:
        """Event of little-endian 16-bit PCM bytes."""
        return cls(pcm, "pcm", sample_rate, channels, captured_s=captured_s)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class BidiImageInputEvent(BidiEvent):
    """An image for the model.

    Parameters
    ----------
    image
        Base64 string, or the bytes themselves.
    mime_type
        ``"image/jpeg"``, ``"image/png"``, …

    Attributes
    ----------
    data
        The bytes.
    """

    type: ClassVar[str] = "bidi_image_input"
    wire = wire_table("image", "mime_type")

    data: bytes
    mime_type: str

    def __init__(self, image: str | bytes, mime_type: str) -> None:
        check_text("mime_type", mime_type)
        object.__setattr__(self, "data", decode_media("image", image))
        object.__setattr__(self, "mime_type", mime_type)

    @property
    def image(self) -> str:
        """The bytes as base64."""
        return base64.b64encode(self.data).decode("ascii")

    def __repr__(self) -> str:
        return f"BidiImageInputEvent({len(self.data)} bytes {self.mime_type})"
