"""What a client knows of its conversation with the server: responses, tool calls, what it sent and waits for.

A response, as the client sees it::

    response.created ──▶ generating ──── response.done ──▶ generated     (either may be audible, or not yet)
                             │                                │
                             └──── cut by speech or error ────┴──▶ cut: nothing of it is handed on any more
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from bidilab.bidi.providers.logentry import LogEntry
from bidilab.bidi.providers.openai.history import History
from bidilab.bidi.providers.openai.settings import SAMPLE_RATE, SessionSettings
from bidilab.bidi.providers.uplink import AudioUplink
from bidilab.bidi.types.events import BidiOutputEvent

__all__ = ["AudioPart", "Conversation", "LogEntry", "Response", "ToolCall"]

_REMEMBERED_MESSAGES = 256
_REMEMBERED_EVENTS = 1024


@dataclass(slots=True, kw_only=True)
class AudioPart:
    """Audio of one content part of a response; ``start_samples`` is where it begins in the response's audio."""

    item_id: str
    content_index: int
    start_samples: int
    n_samples: int = 0


@dataclass(slots=True, kw_only=True)
class ToolCall:
    """A function call on its way; ``arguments`` is the JSON so far."""

    call_id: str
    name: str
    item_id: str
    arguments: str = ""
    handed_on: bool = False


@dataclass(slots=True, kw_only=True)
class Response:
    """One response."""

    response_id: str
    generating: bool = True
    cut: bool = False
    cut_while_generating: bool = False
    truncated: bool = False
    parts: list[AudioPart] = field(default_factory=list)
    odd_byte: bytes = b""
    transcripts: dict[tuple[str, int], str] = field(default_factory=dict)
    calls: dict[str, ToolCall] = field(default_factory=dict)
    late_samples: int = 0

    @property
    def n_samples(self) -> int:
        """Samples of audio that came, those after the cut included."""
        return sum(part.n_samples for part in self.parts)

    def part(self, item_id: str, content_index: int) -> AudioPart:
        """The audio of a content part, begun when it is new."""
        for part in self.parts:
            if (part.item_id, part.content_index) == (item_id, content_index):
                return part
        new = AudioPart(item_id=item_id, content_index=content_index, start_samples=self.n_samples)
        self.parts.append(new)
        return new


@dataclass(slots=True, kw_only=True)
class Conversation:
    """All of it, and the three things that handling a message may put out: events, messages, rows of the log."""

    settings: SessionSettings
    model_id: str
    history: History = field(default_factory=History)
    uplink: AudioUplink = field(default_factory=lambda: AudioUplink(sample_rate=SAMPLE_RATE))
    responses: dict[str, Response] = field(default_factory=dict)
    user_transcripts: dict[tuple[str, int], str] = field(default_factory=dict)
    open_calls: dict[str, str] = field(default_factory=dict)
    """Call id → id of its response, until the result was sent."""
    audible: Collection[str] = ()
    """Responses that are audible as the message at hand is handled."""
    connection_start_samples: int = 0
    """Position in the user's stream at which the server of this connection began to count."""
    committed_samples: int = 0
    """Position in the user's stream of the last commit by hand."""
    session: Mapping[str, Any] | None = None
    """The effective session, as the server told it last."""
    session_id: str | None = None
    requested: Mapping[str, Any] = field(default_factory=dict)
    expired: bool = False
    user_speaking: bool = False
    last_audio_end_samples: int = 0
    creating: bool = False
    """A ``response.create`` was sent and not yet answered."""
    expects_response: bool = False
    """The server took a turn and is to respond to it by itself."""
    barriers: int = 0
    """Questions asked only for their answer, which shows that all before them was handled."""
    wants_response: bool = False
    """A response is to be asked for as soon as none is being generated."""
    events: list[BidiOutputEvent] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    rows: list[LogEntry] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _sent: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_MESSAGES))
    _seen: dict[str, None] = field(default_factory=dict)

    def new_id(self, kind: str) -> str:
        """An identifier of our own, unique in the session, at most 32 characters as the API asks."""
        return f"{kind}_bidilab_{next(self._numbers)}"

    def send(self, message: dict[str, Any]) -> None:
        """Put out a message, with an ``event_id`` by which its error will be known."""
        event_id = self.new_id("event")
        self._sent.append((event_id, message["type"]))
        self.messages.append({"event_id": event_id, **message})

    def sent_type(self, event_id: str | None) -> str | None:
        """The type of a message that was sent, by its ``event_id``."""
        return next((kind for known, kind in reversed(self._sent) if known == event_id), None)

    def is_repeated(self, event_id: object) -> bool:
        """Whether an event of that id came before; one without an id is always new."""
        if not isinstance(event_id, str):
            return False
        if event_id in self._seen:
            return True
        self._seen[event_id] = None
        if len(self._seen) > _REMEMBERED_EVENTS:
            del self._seen[next(iter(self._seen))]
        return False

    def log(self, type: str, source: str, detail: Mapping[str, Any] | None = None, **columns: Any) -> None:  # noqa: A002
        """Put out a row."""
        self.rows.append(LogEntry(type=type, source=source, columns=columns, detail=detail or {}))

    @property
    def generating(self) -> bool:
        """Whether a response is being generated, or has been asked for."""
        return self.creating or any(response.generating for response in self.responses.values())

    def active_responses(self) -> list[Response]:
        """Responses that are generating or audible and not cut, oldest first."""
        return [r for r in self.responses.values() if not r.cut and (r.generating or r.response_id in self.audible)]

    def forget_event_ids(self) -> None:
        """A new connection may count its events anew."""
        self._seen.clear()

    @property
    def settled(self) -> bool:
        """Whether the server owes nothing: no turn, no response, no answer."""
        waits = self.generating or self.wants_response or self.expects_response or self.user_speaking
        return not (waits or self.barriers or self.open_calls)

    def server_turn_detection(self) -> Mapping[str, Any]:
        """``turn_detection`` in force: the server's word where it gave one, otherwise what was asked for."""
        session = self.session if self.session is not None else self.requested
        for key in ("audio", "input", "turn_detection"):
            value = session.get(key)
            session = value if isinstance(value, Mapping) else {}
        return session
