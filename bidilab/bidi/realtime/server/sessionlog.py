"""A session's event log (DESIGN §7), as the server sees it.

What `bidilab.bidi.log.fold` reads is logged in its words; every other message under its own name on the wire:

=================================  ==============================  ========  ====================================
on the wire                        row                             source    tells
=================================  ==============================  ========  ====================================
``input_audio_buffer.append``      ``bidi_audio_input``, a second  input     bytes, chunks, position
``…speech_started``                ``speech_started``              detector  positions at 48 kHz, ``item_id``
``…speech_stopped``                ``speech_stopped``              detector  positions at 48 kHz, ``item_id``
``response.created``               ``bidi_response_start``         model     ``response_id``
``response.output_audio.delta``    ``bidi_audio_stream``           model     bytes, rate
``response.done``                  ``bidi_response_complete``      model     ``stop_reason``, reason
``error``                          ``error``                       error     code, message
other, from the client             its name                        agent     everything
other, from the server             its name                        model     everything
=================================  ==============================  ========  ====================================

What the client heard is not known here and is not logged; ``conversation.item.truncate`` is what it says it was.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.realtime.protocol.audio import AUDIO_FORMATS, AudioFormat
from bidilab.bidi.realtime.session.user.input_audio import TICKS_PER_S
from bidilab.bidi.realtime.session.user.turn_detection import SpeechEdge

__all__ = ["SessionLog"]

_STOP_REASONS = {"completed": "complete", "cancelled": "interrupted", "failed": "error", "incomplete": "complete"}
_PCM = AUDIO_FORMATS["audio/pcm"]


def _base64_bytes(text: object) -> int:
    return len(text) * 3 // 4 - text[-2:].count("=") if isinstance(text, str) else 0


def _format(session: dict[str, Any], direction: str) -> AudioFormat:
    return AUDIO_FORMATS[session["audio"][direction]["format"]["type"]]


class SessionLog:
    """Writes one session's rows; a `SessionObserver`.

    Parameters
    ----------
    log
        Where to, its clock the server's; ``t_s`` is 0 at the first sample of the client's first append.
    facts
        What is known of the client and the detector, for the first row: no secrets.
    """

    def __init__(self, log: EventLog, facts: dict[str, Any]) -> None:
        self._log = log
        self._edges: deque[SpeechEdge] = deque()
        self._input_format = self._output_format = _PCM
        self._begun = False
        self._bytes = self._chunks = self._position = 0
        log.append("session_start", source="agent", detail=facts)

    def client_message(self, message: dict[str, Any] | None, n_bytes: int, at_s: float) -> None:
        """Log what the client sent; audio is counted, and logged by the second."""
        if message is None:
            self._log.append("invalid_message", source="error", detail={"bytes": n_bytes})
        elif message.get("type") == "input_audio_buffer.append":
            self._count_audio(_base64_bytes(message.get("audio")), at_s)
        else:
            self._put(str(message.get("type", "")), message, source="agent")

    def _count_audio(self, n_bytes: int, at_s: float) -> None:
        if not self._begun:
            self._begun = True
            duration_s = n_bytes / self._input_format.sample_bytes / self._input_format.sample_rate
            self._log.begin_input(at_s - duration_s)
        self._bytes += n_bytes
        self._chunks += 1
        if self._bytes >= self._input_format.sample_rate * self._input_format.sample_bytes:
            self._flush()

    def _flush(self) -> None:
        if not self._chunks:
            return
        self._position += self._bytes // self._input_format.sample_bytes
        detail = {"audio_bytes": self._bytes, "n_chunks": self._chunks, "sample_rate": self._input_format.sample_rate}
        self._log.append("bidi_audio_input", source="input", input_samples=self._position, detail=detail)
        self._bytes = self._chunks = 0

    def speech_edge(self, edge: SpeechEdge, at_s: float) -> None:  # noqa: ARG002
        """Keep the positions for the row of the message that follows."""
        self._edges.append(edge)

    def server_message(self, message: dict[str, Any], at_s: float) -> None:  # noqa: ARG002
        """Log what the server sends."""
        kind = message["type"]
        match kind:
            case "input_audio_buffer.speech_started" | "input_audio_buffer.speech_stopped":
                self._speech(kind.removeprefix("input_audio_buffer."), message)
            case "response.created":
                response = message["response"]
                self._log.append("bidi_response_start", source="model", response_id=response["id"])
            case "response.output_audio.delta":
                self._audio(message)
            case "response.done":
                self._done(message["response"])
            case "error":
                self._put(kind, message, source="error")
            case _:
                if kind in ("session.created", "session.updated"):
                    self._follow_formats(message["session"])
                self._put(kind, message, source="model")

    def _follow_formats(self, session: dict[str, Any]) -> None:
        input_format = _format(session, "input")
        if input_format != self._input_format:
            self._flush()
            self._position = self._position * input_format.sample_rate // self._input_format.sample_rate
        self._input_format, self._output_format = input_format, _format(session, "output")

    def _speech(self, kind: str, message: dict[str, Any]) -> None:
        edge = self._edges.popleft()
        where = "onset_samples" if edge.started else "offset_samples"
        audio = "audio_start_samples" if edge.started else "audio_end_samples"
        detail: dict[str, Any] = {
            where: edge.speech_ticks,
            "decided_at_samples": edge.decided_ticks,
            audio: edge.audio_ticks,
            "sample_rate": TICKS_PER_S,
        }
        if not edge.started:
            detail["flushed"] = False
        self._log.append(kind, source="detector", item_id=message["item_id"], detail=detail)

    def _audio(self, message: dict[str, Any]) -> None:
        detail = {
            "audio_bytes": _base64_bytes(message["delta"]),
            "sample_rate": self._output_format.sample_rate,
            "channels": 1,
            "format": self._output_format.type.removeprefix("audio/"),
        }
        place = {"response_id": message["response_id"], "item_id": message["item_id"]}
        self._log.append("bidi_audio_stream", source="model", detail=detail, **place)

    def _done(self, response: dict[str, Any]) -> None:
        details = response.get("status_details") or {}
        self._log.append(
            "bidi_response_complete",
            source="model",
            response_id=response["id"],
            stop_reason=_STOP_REASONS[response["status"]],
            reason=details.get("reason"),
            detail={"status": response["status"], "status_details": details, "usage": response.get("usage")},
        )

    def _put(self, kind: str, message: dict[str, Any], *, source: str) -> None:
        place = {name: message[name] for name in ("response_id", "item_id") if isinstance(message.get(name), str)}
        detail = {key: value for key, value in message.items() if key not in ("type", *place)}
        self._log.append(kind, source=source, detail=detail, **place)

    def ended(self, code: int | None, reason: str, at_s: float) -> None:  # noqa: ARG002
        """Log the end. The log stays open; who made it closes it."""
        self._flush()
        self._log.append("session_end", source="agent", reason=reason, detail={"close_code": code})
