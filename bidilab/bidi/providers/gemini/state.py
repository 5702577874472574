"""What a client knows of its conversation with the Live API: responses, tool calls, what it waits for.

A response, as the client sees it. The service names none, so that one begins with the first content of the model after
the one before was over::

    modelTurn, outputTranscription ──▶ generating ── generationComplete, turnComplete, toolCall ──▶ generated
                                           │                          (audible, or not yet)            │
                                           └──── interrupted, or the connection lost ────┬─────────────┘
                                                                                         ▼
                                               cut: nothing of it is handed on, up to the turnComplete that follows
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from bidilab.bidi.providers.gemini.settings import GeminiSettings
from bidilab.bidi.providers.history import History, Utterance
from bidilab.bidi.providers.logentry import LogEntry
from bidilab.bidi.providers.uplink import AudioUplink
from bidilab.bidi.types.events import BidiOutputEvent, BidiResponseStartEvent, ToolUse

__all__ = ["Conversation", "Response"]

_KEPT_RESPONSES = 32


@dataclass(slots=True, kw_only=True)
class Response:
    """One response of the model."""

    response_id: str
    words: Utterance
    generating: bool = True
    cut: bool = False
    transcript_told: bool = False
    n_samples: int = 0
    late_samples: int = 0
    odd_byte: bytes = b""


@dataclass(slots=True, kw_only=True)
class Conversation:
    """All of it, and the three things that handling a message may put out: events, messages, rows of the log."""

    settings: GeminiSettings
    history: History = field(default_factory=History)
    uplink: AudioUplink = field(init=False)
    responses: dict[str, Response] = field(default_factory=dict)
    current: Response | None = None
    """The response of the model's turn; ``None`` between turns."""
    discarding: bool = False
    """The turn was interrupted: up to its ``turnComplete``, what comes belongs to the cut response."""
    early_words: str = ""
    """Words of a response of which nothing else has come."""
    user_words: Utterance | None = None
    """What the user is being heard to say."""
    open_calls: dict[str, ToolUse] = field(default_factory=dict)
    """By call id, until the result was sent."""
    cancelled_calls: set[str] = field(default_factory=set)
    lost_calls: dict[str, ToolUse] = field(default_factory=dict)
    """As `open_calls`, of a connection that is gone: their results are told in words."""
    audible: Collection[str] = ()
    """Responses that are audible as the message at hand is handled."""
    handle: str | None = None
    """Of the session, to go on with on another connection."""
    going_away: bool = False
    connected: bool = False
    activity_open: bool = False
    """Whether the user's activity was begun by hand, and not ended."""
    user_speaking: bool = False
    expects_response: bool = False
    """The user has said something that is to be answered."""
    unanswered: list[Utterance] = field(default_factory=list)
    """What the user wrote and what tools answered, until an answer begins."""
    connection_start_samples: int = 0
    """Position in the user's stream at which the server of this connection began to count."""
    dropped_samples: int = 0
    """Samples of the user's audio that came while there was no connection."""
    events: list[BidiOutputEvent] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    rows: list[LogEntry] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.uplink = AudioUplink(sample_rate=self.settings.input_rate)

    def response(self) -> Response:
        """The response of the model's turn, begun when there is none; its id is ours."""
        if self.current is None:
            response = Response(response_id=f"response_{next(self._numbers)}", words=self.history.add("assistant"))
            self.responses[response.response_id] = self.current = response
            self.expects_response = False
            self.unanswered.clear()
            self.events.append(BidiResponseStartEvent(response.response_id))
            self._forget_old()
        return self.current

    def active_responses(self) -> list[Response]:
        """Responses that are generating or audible and not cut, oldest first."""
        return [r for r in self.responses.values() if not r.cut and (r.generating or r.response_id in self.audible)]

    @property
    def generating(self) -> bool:
        """Whether a response is being generated."""
        return self.current is not None and self.current.generating

    @property
    def settled(self) -> bool:
        """Whether nothing is under way that is known of: no response, no activity, no tool, no answer awaited."""
        waits = self.generating or self.discarding or self.user_speaking or self.activity_open
        return not (waits or self.expects_response or self.open_calls)

    def log(self, type: str, source: str, detail: Mapping[str, Any] | None = None, **columns: Any) -> None:  # noqa: A002
        """Put out a row."""
        self.rows.append(LogEntry(type=type, source=source, columns=columns, detail=detail or {}))

    def _forget_old(self) -> None:
        over = [key for key, r in self.responses.items() if not r.generating and key not in self.audible]
        for key in over[:-_KEPT_RESPONSES]:
            del self.responses[key]
