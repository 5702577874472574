"""Events of a response and of its interruption: what a session tells of the agent's speech (``agent.receive``).

Constructors take their arguments by position too, in Strands' order (strands-agents 1.54); what Strands has not
is keyword-only and ``None`` by default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

from bidilab.bidi.types.base import (
    AudioChannel,
    AudioEvent,
    AudioFormat,
    BidiEvent,
    wire_table,
)
from bidilab.bidi.types.inputs import ROLES, Role
from bidilab.core.checks import check_one_of, check_text, check_whole
from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import check_sample_rate, samples_to_ms

__all__ = [
    "BidiAudioStreamEvent",
    "BidiInterruptionEvent",
    "BidiResponseCompleteEvent",
    "BidiResponseStartEvent",
    "BidiTranscriptStreamEvent",
    "CutAudio",
    "InterruptionReason",
    "StopReason",
    "check_heard",
]

StopReason = Literal["complete", "error", "interrupted", "tool_use"]
STOP_REASONS: tuple[StopReason, ...] = ("complete", "error", "interrupted", "tool_use")
InterruptionReason = Literal["user_speech", "error"]
INTERRUPTION_REASONS: tuple[InterruptionReason, ...] = ("user_speech", "error")


def check_heard(heard_samples: int | None, generated_samples: int | None, sample_rate: int | None) -> None:
    """Check what an interruption says was heard and generated; all three are known, or none.

    Raises
    ------
    InvalidParameterError
        If only some are given, a count is negative, or more was heard than generated.
    """
    given = [value is not None for value in (heard_samples, generated_samples, sample_rate)]
    if not any(given):
        return
    if heard_samples is None or generated_samples is None or sample_rate is None:
        got = (heard_samples, generated_samples, sample_rate)
        raise InvalidParameterError(
            "heard_samples, generated_samples, sample_rate", "given together or not at all", got
        )
    check_sample_rate(sample_rate)
    check_whole("heard_samples", heard_samples)
    check_whole("generated_samples", generated_samples)
    if heard_samples > generated_samples:
        raise InvalidParameterError("heard_samples", f"at most the {generated_samples} generated", heard_samples)


class CutAudio:
    """How much of a response that was cut was audible and how much was generated, in time."""

    __slots__ = ()

    heard_samples: int | None
    generated_samples: int | None
    sample_rate: int | None

    @property
    def heard_ms(self) -> float | None:
        """Milliseconds of the response that were audible; ``None`` when unknown."""
        if self.heard_samples is None or self.sample_rate is None:
            return None
        return samples_to_ms(self.heard_samples, self.sample_rate)

    @property
    def generated_ms(self) -> float | None:
        """Milliseconds of the response that were generated; ``None`` when unknown."""
        if self.generated_samples is None or self.sample_rate is None:
            return None
        return samples_to_ms(self.generated_samples, self.sample_rate)


@dataclass(frozen=True, slots=True)
class BidiResponseStartEvent(BidiEvent):
    """The model starts to generate a response.

    Parameters
    ----------
    response_id
        Names the response until its `BidiResponseCompleteEvent`.
    """

    type: ClassVar[str] = "bidi_response_start"
    wire = wire_table("response_id")

    response_id: str

    def __post_init__(self) -> None:
        check_text("response_id", self.response_id)


@dataclass(frozen=True, slots=True)
class BidiResponseCompleteEvent(BidiEvent):
    """A response ended.

    Parameters
    ----------
    response_id
        As in `BidiResponseStartEvent`.
    stop_reason
        ``"complete"``, ``"interrupted"``, ``"error"`` or ``"tool_use"``.
    """

    type: ClassVar[str] = "bidi_response_complete"
    wire = wire_table("response_id", "stop_reason")

    response_id: str
    stop_reason: StopReason

    def __post_init__(self) -> None:
        check_text("response_id", self.response_id)
        check_one_of("stop_reason", self.stop_reason, STOP_REASONS)


@dataclass(frozen=True, slots=True)
class BidiInterruptionEvent(CutAudio, BidiEvent):
    """The agent was interrupted: generation cancelled, playback cleared.

    Parameters
    ----------
    reason
        ``"user_speech"`` or ``"error"``.
    interrupted_response_id
        The response that was cut.
    heard_samples, generated_samples, sample_rate
        How much of it was audible and how much was there, at ``sample_rate`` Hz; together or not at all.
    """

    type: ClassVar[str] = "bidi_interruption"
    wire = wire_table("reason", "interrupted_response_id", "heard_samples", "generated_samples", "sample_rate")
    wire_optional = frozenset({"interrupted_response_id", "heard_samples", "generated_samples", "sample_rate"})

    reason: InterruptionReason
    interrupted_response_id: str | None = field(default=None, kw_only=True)
    heard_samples: int | None = field(default=None, kw_only=True)
    generated_samples: int | None = field(default=None, kw_only=True)
    sample_rate: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_one_of("reason", self.reason, INTERRUPTION_REASONS)
        check_heard(self.heard_samples, self.generated_samples, self.sample_rate)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class BidiAudioStreamEvent(AudioEvent):
    """Audio of the agent.

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
    response_id, item_id
        The response and item that it belongs to.

    Attributes
    ----------
    data
        The bytes.
    """

    type: ClassVar[str] = "bidi_audio_stream"
    wire = wire_table("audio", "format", "sample_rate", "channels", "response_id", "item_id")
    wire_optional = frozenset({"response_id", "item_id"})

    data: bytes
    format: AudioFormat
    sample_rate: int
    channels: AudioChannel
    response_id: str | None
    item_id: str | None

    def __init__(
        self,
        audio: str | bytes,
        format: AudioFormat,  # noqa: A002 - Strands' name
        sample_rate: int,
        channels: AudioChannel,
        *,
        response_id: str | None = None,
        item_id: str | None = None,
    ) -> None:
        self._set(audio, format, sample_rate, channels, response_id=response_id, item_id=item_id)

    @classmethod
    def from_pcm(
        cls,
        pcm: bytes,
        *,
        sample_rate: int,
        channels: AudioChannel = 1,
        response_id: str | None = None,
        item_id: str | None = None,
    ) -> Self:
        """Event of little-endian 16-bit PCM bytes."""
        return cls(pcm, "pcm", sample_rate, channels, response_id=response_id, item_id=item_id)

    def __repr__(self) -> str:
        of = f", response {self.response_id!r})" if self.response_id is not None else ")"
        return AudioEvent.__repr__(self)[:-1] + of


@dataclass(frozen=True, slots=True)
class BidiTranscriptStreamEvent(BidiEvent):
    """What was said, as text.

    Parameters
    ----------
    delta
        The change as a content block, ``{"text": …}``.
    text
        The change as text.
    role
        Who spoke: ``"user"`` or ``"assistant"``.
    is_final
        Whether the text is the whole and last of its utterance.
    current_transcript
        The whole so far; ``None`` at the first change.
    response_id, item_id
        The response and item that it belongs to.
    """

    type: ClassVar[str] = "bidi_transcript_stream"
    wire = wire_table("delta", "text", "role", "is_final", "current_transcript", "response_id", "item_id")
    wire_optional = frozenset({"response_id", "item_id"})

    delta: Mapping[str, Any]
    text: str
    role: Role
    is_final: bool
    current_transcript: str | None = None
    response_id: str | None = field(default=None, kw_only=True)
    item_id: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_text("text", self.text)
        check_one_of("role", self.role, ROLES)
        check_one_of("is_final", self.is_final, (True, False))
