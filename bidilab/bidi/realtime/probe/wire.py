"""What a probe keeps of a session's messages: times, ids and lengths, no audio."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bidilab.bidi.realtime.protocol.audio import AUDIO_FORMATS
from bidilab.bidi.realtime.session.user.input_audio import TICKS_PER_S
from bidilab.bidi.realtime.session.user.turn_detection import SpeechEdge

__all__ = ["WireRecord", "WireRecorder"]

_FROM_CLIENT = frozenset({"conversation.item.truncate", "response.cancel"})
_FROM_SERVER = frozenset(
    {"response.created", "response.output_audio.delta", "response.done", "error", "input_audio_buffer.speech_started"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRecord:
    """One message.

    Parameters
    ----------
    at_s
        When the server sent it, or took it from the client; the server's clock.
    type
        Its name on the wire.
    response_id, item_id
        What it belongs to; empty when it names none.
    audio_ms
        Audio that it carries, of a delta.
    audio_end_ms
        Milliseconds that were heard, in a truncate.
    onset_ms, decided_ms
        Where in the client's audio speech began and was decided, of ``speech_started``.
    code
        Code of an error.
    """

    at_s: float
    type: str
    response_id: str = ""
    item_id: str = ""
    audio_ms: float = 0.0
    audio_end_ms: int | None = None
    onset_ms: float | None = None
    decided_ms: float | None = None
    code: str = ""


def _id(message: Mapping[str, Any], name: str) -> str:
    value = message.get(name)
    return value if isinstance(value, str) else ""


class WireRecorder:
    """Keeps the records of one session; a `SessionObserver`.

    Parameters
    ----------
    on_end
        Called when the session is over.

    Attributes
    ----------
    records
        In order.
    close_code, close_reason
        How it ended; ``None`` and empty while open or when the connection broke.
    has_ended
        Whether the session is over.
    """

    def __init__(self, on_end: Callable[[], None] | None = None) -> None:
        self._on_end = on_end
        self.records: list[WireRecord] = []
        self.close_code: int | None = None
        self.close_reason = ""
        self.has_ended = False
        self._edge: SpeechEdge | None = None
        self._bytes_per_ms = 48.0

    def client_message(self, message: dict[str, Any] | None, n_bytes: int, at_s: float) -> None:  # noqa: ARG002
        """Keep a truncate or a cancel."""
        if message is None or message.get("type") not in _FROM_CLIENT:
            return
        end = message.get("audio_end_ms")
        self.records.append(
            WireRecord(
                at_s=at_s,
                type=message["type"],
                response_id=_id(message, "response_id"),
                item_id=_id(message, "item_id"),
                audio_end_ms=end if isinstance(end, int) and not isinstance(end, bool) else None,
            )
        )

    def speech_edge(self, edge: SpeechEdge, at_s: float) -> None:  # noqa: ARG002
        """Keep the positions for the message that follows."""
        self._edge = edge

    def server_message(self, message: dict[str, Any], at_s: float) -> None:
        """Keep what tells of responses, speech and errors."""
        kind = message["type"]
        if kind in ("session.created", "session.updated"):
            output = AUDIO_FORMATS[message["session"]["audio"]["output"]["format"]["type"]]
            self._bytes_per_ms = output.sample_rate * output.sample_bytes / 1000
        if kind not in _FROM_SERVER:
            return
        fields: dict[str, Any] = {"item_id": _id(message, "item_id"), "response_id": _id(message, "response_id")}
        match kind:
            case "response.created" | "response.done":
                fields["response_id"] = message["response"]["id"]
            case "response.output_audio.delta":
                delta = message["delta"]
                fields["audio_ms"] = (len(delta) * 3 // 4 - delta[-2:].count("=")) / self._bytes_per_ms
            case "error":
                fields["code"] = str(message["error"].get("code") or "")
            case "input_audio_buffer.speech_started" if self._edge is not None:
                fields["onset_ms"] = self._edge.speech_ticks * 1000 / TICKS_PER_S
                fields["decided_ms"] = self._edge.decided_ticks * 1000 / TICKS_PER_S
        self.records.append(WireRecord(at_s=at_s, type=kind, **fields))

    def ended(self, code: int | None, reason: str, at_s: float) -> None:  # noqa: ARG002
        """Note the end."""
        self.close_code, self.close_reason, self.has_ended = code, reason, True
        if self._on_end is not None:
            self._on_end()
