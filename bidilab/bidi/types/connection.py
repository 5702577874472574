"""Events of the connection to the model: start, restart, close, usage and errors.

Constructors take their arguments by position too, in Strands' order (strands-agents 1.54).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self, TypedDict

from bidilab.bidi.types.base import BidiEvent, wire_table
from bidilab.core.checks import check_one_of, check_text, check_whole
from bidilab.core.errors import EventError, ReportedError

__all__ = [
    "BidiConnectionCloseEvent",
    "BidiConnectionRestartEvent",
    "BidiConnectionStartEvent",
    "BidiErrorEvent",
    "BidiUsageEvent",
    "CloseReason",
    "ModalityUsage",
]

CloseReason = Literal["client_disconnect", "timeout", "error", "complete", "user_request"]
CLOSE_REASONS: tuple[CloseReason, ...] = ("client_disconnect", "timeout", "error", "complete", "user_request")


@dataclass(frozen=True, slots=True)
class BidiConnectionStartEvent(BidiEvent):
    """The connection stands and the session can begin.

    Parameters
    ----------
    connection_id
        Names the connection.
    model
        Identifier of the model, such as ``"gpt-realtime"``.
    """

    type: ClassVar[str] = "bidi_connection_start"
    wire = wire_table("connection_id", "model")

    connection_id: str
    model: str

    def __post_init__(self) -> None:
        check_text("connection_id", self.connection_id)
        check_text("model", self.model)


@dataclass(frozen=True, slots=True, init=False)
class BidiConnectionRestartEvent(BidiEvent):
    """The connection was lost; the session reconnects and tells the history of the conversation.

    Parameters
    ----------
    timeout_error
        Why: the exception, or its message as a dict has it. In the dict it is always the message.
    """

    type: ClassVar[str] = "bidi_connection_restart"
    wire = wire_table(timeout_error="message")

    timeout_error: Exception = field(compare=False)
    message: str

    def __init__(self, timeout_error: Exception | str) -> None:
        if isinstance(timeout_error, str):
            timeout_error = ReportedError(timeout_error)
        object.__setattr__(self, "timeout_error", timeout_error)
        object.__setattr__(self, "message", str(timeout_error))

    @classmethod
    def _arguments(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        if data.keys() - {"type"} != {"timeout_error"}:
            raise EventError(f"{cls.type}: takes the key timeout_error, got {sorted(data)}")
        return {"timeout_error": data["timeout_error"]}


@dataclass(frozen=True, slots=True)
class BidiConnectionCloseEvent(BidiEvent):
    """The connection was closed.

    Parameters
    ----------
    connection_id
        As in `BidiConnectionStartEvent`.
    reason
        ``"client_disconnect"``, ``"timeout"``, ``"error"``, ``"complete"`` or ``"user_request"``.
    """

    type: ClassVar[str] = "bidi_connection_close"
    wire = wire_table("connection_id", "reason")

    connection_id: str
    reason: CloseReason

    def __post_init__(self) -> None:
        check_text("connection_id", self.connection_id)
        check_one_of("reason", self.reason, CLOSE_REASONS)


class ModalityUsage(TypedDict, total=False):
    """Tokens of one modality: ``"text"``, ``"audio"``, ``"image"`` or ``"cached"``."""

    modality: Literal["text", "audio", "image", "cached"]
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class BidiUsageEvent(BidiEvent):
    """Tokens used.

    Parameters
    ----------
    input_tokens, output_tokens, total_tokens
        Counts, ``>= 0``.
    modality_details
        Counts by modality.
    cache_read_input_tokens, cache_write_input_tokens
        Counts, ``>= 0``; ``None`` when the provider does not say.
    """

    type: ClassVar[str] = "bidi_usage"
    wire = wire_table(
        inputTokens="input_tokens",
        outputTokens="output_tokens",
        totalTokens="total_tokens",
        modality_details="modality_details",
        cacheReadInputTokens="cache_read_input_tokens",
        cacheWriteInputTokens="cache_write_input_tokens",
    )
    wire_optional = frozenset({"modality_details", "cacheReadInputTokens", "cacheWriteInputTokens"})

    input_tokens: int
    output_tokens: int
    total_tokens: int
    modality_details: Sequence[ModalityUsage] | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None

    def __post_init__(self) -> None:
        for name in ("input_tokens", "output_tokens", "total_tokens"):
            check_whole(name, getattr(self, name))
        for name in ("cache_read_input_tokens", "cache_write_input_tokens"):
            if (value := getattr(self, name)) is not None:
                check_whole(name, value)


@dataclass(frozen=True, slots=True, init=False)
class BidiErrorEvent(BidiEvent):
    """Something went wrong in the session.

    Parameters
    ----------
    error
        The exception. It is not in the dict, which has its message and the name of its class.
    details
        Further facts about the error.

    Attributes
    ----------
    message
        ``str(error)``.
    code
        Name of the exception's class; of an event read from a dict, the code that was there.
    """

    type: ClassVar[str] = "bidi_error"
    wire = wire_table("message", "code", "details")

    error: Exception = field(compare=False)
    message: str
    code: str
    details: Mapping[str, Any] | None

    def __init__(self, error: Exception, details: Mapping[str, Any] | None = None, *, code: str | None = None) -> None:
        object.__setattr__(self, "error", error)
        object.__setattr__(self, "message", str(error))
        object.__setattr__(self, "code", type(error).__name__ if code is None else code)
        object.__setattr__(self, "details", details)

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Build the event from its dict; `error` is then a `ReportedError` with the message.

        Raises
        ------
        EventError
            If ``message`` or ``code`` is missing, or a key is unknown.
        """
        arguments = cls._arguments(data)
        if not isinstance(arguments.get("message"), str) or not isinstance(arguments.get("code"), str):
            raise EventError(f"{cls.type}: needs the strings message and code, got {dict(data)!r}")
        return cls(ReportedError(arguments["message"]), arguments.get("details"), code=arguments["code"])
