"""What a client knows of its conversation with a server of the Realtime API, beyond what every codec knows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bidilab.bidi.providers import state
from bidilab.bidi.providers.history import Utterance
from bidilab.bidi.providers.openai.messages import text_message
from bidilab.bidi.providers.openai.settings import SAMPLE_RATE, SessionSettings
from bidilab.bidi.providers.state import Request, Signal, WholeSamples, after
from bidilab.bidi.providers.uplink import AudioUplink

__all__ = ["AudioPart", "Conversation", "History", "Response", "ServerSession", "ToolCall"]

_REMEMBERED_MESSAGES = 256
_REMEMBERED_EVENTS = 1024


@dataclass(slots=True, kw_only=True)
class AudioPart:
    """Audio of one content part of a response; ``start_samples`` is where it begins in the response's audio."""

    item_id: str
    content_index: int
    start_samples: int
    n_samples: int = 0
    whole: WholeSamples = field(default_factory=WholeSamples)


@dataclass(slots=True, kw_only=True)
class ToolCall:
    """A function call on its way; ``arguments`` is the JSON so far."""

    call_id: str
    name: str
    item_id: str
    arguments: str = ""
    handed_on: bool = False


@dataclass(slots=True, kw_only=True)
class Response(state.Response):
    """One response."""

    heard_samples: int | None = None
    """Samples of it that were heard; ``None`` until it is truncated. Then the history keeps what was heard."""
    parts: list[AudioPart] = field(default_factory=list)
    transcripts: dict[tuple[str, int], str] = field(default_factory=dict)
    calls: dict[str, ToolCall] = field(default_factory=dict)

    @property
    def received_samples(self) -> int:
        """Samples of audio received, including those after the cut."""
        return sum(part.n_samples for part in self.parts)

    def part(self, item_id: str, content_index: int) -> AudioPart:
        """Return the audio of a content part; begin it when it is new."""
        for part in self.parts:
            if (part.item_id, part.content_index) == (item_id, content_index):
                return part
        new = AudioPart(item_id=item_id, content_index=content_index, start_samples=self.received_samples)
        self.parts.append(new)
        return new


@dataclass(slots=True, kw_only=True)
class ServerSession:
    """What the server of one connection has said about its session. A new connection has a new one."""

    session_id: str | None = None
    effective: Mapping[str, Any] | None = None
    """The session in force, as the server told it last."""
    expired: bool = False
    start_samples: int = 0
    """Position in the user's stream at which the server began to count."""
    audio_end_samples: int = 0
    """Position in the user's stream at which the last turn ended."""
    unconfirmed: int = 0
    """Updates asked for only for their answer, which shows that all before them was handled."""
    _seen: dict[str, None] = field(default_factory=dict)

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


@dataclass(slots=True)
class History:
    """Items of one conversation, in their order, each under its id: to be told again to a new connection.

    An item that the client sent, or a call that the model made, is kept whole, and told again as it was. What was
    spoken is told again as text, as soon as there is a transcript of it.
    """

    _entries: dict[str, Utterance | dict[str, Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._entries)

    def add_item(self, item: dict[str, Any]) -> None:
        """Keep a whole item."""
        self._entries.setdefault(item["id"], item)

    def has_call(self, call_id: str) -> bool:
        """Whether a tool call of that id is among the items."""
        items = (entry for entry in self._entries.values() if not isinstance(entry, Utterance))
        return any(item["type"] == "function_call" and item["call_id"] == call_id for item in items)

    def add_speech(self, item_id: str, role: str) -> Utterance | None:
        """Keep the place of an utterance and return it; one that is known stays where it is."""
        entry = self._entries.setdefault(item_id, Utterance(role=role))
        return entry if isinstance(entry, Utterance) else None

    def set_text(self, item_id: str, role: str, text: str) -> None:
        """The transcript of an utterance."""
        if (utterance := self.add_speech(item_id, role)) is not None:
            utterance.text = text

    def shorten(self, item_id: str, heard: float) -> None:
        """Keep the share ``heard``, in [0, 1], of an utterance."""
        entry = self._entries.get(item_id)
        if isinstance(entry, Utterance):
            entry.heard *= heard

    def forget(self, item_id: str) -> None:
        """The item was deleted."""
        self._entries.pop(item_id, None)

    def items(self) -> Iterator[dict[str, Any]]:
        """Items for ``conversation.item.create``; what has no words, or was not heard, is left out."""
        for item_id, entry in self._entries.items():
            if not isinstance(entry, Utterance):
                yield entry
            elif entry.heard_text:
                yield text_message(item_id, entry.role, entry.heard_text)

    @property
    def wordless(self) -> int:
        """Utterances without a transcript, which cannot be told again."""
        return sum(1 for entry in self._entries.values() if isinstance(entry, Utterance) and not entry.text)


@dataclass(slots=True, kw_only=True)
class Conversation(state.Conversation[Response]):
    """One conversation with a server of the Realtime API."""

    settings: SessionSettings
    requested: Mapping[str, Any] = field(default_factory=dict)
    """The session that was asked for."""
    history: History = field(default_factory=History)
    server: ServerSession = field(default_factory=ServerSession)
    request: Request = Request.NONE
    user_transcripts: dict[tuple[str, int], str] = field(default_factory=dict)
    committed_samples: int = 0
    """Position in the user's stream of the last commit by hand."""
    _sent: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_MESSAGES))

    def __post_init__(self) -> None:
        self.uplink = AudioUplink(sample_rate=SAMPLE_RATE)

    def new_id(self, kind: str) -> str:
        """Return a new identifier, unique in the session, with at most 32 characters as the API asks."""
        return f"{kind}_bidilab_{next(self.numbers)}"

    def send(self, message: dict[str, Any]) -> None:
        """Send a message with an ``event_id``, by which an error can name it."""
        event_id = self.new_id("event")
        self._sent.append((event_id, message["type"]))
        self.messages.append({"event_id": event_id, **message})

    def sent_type(self, event_id: str | None) -> str | None:
        """Return the type of a message that was sent, by its ``event_id``."""
        return next((kind for known, kind in reversed(self._sent) if known == event_id), None)

    def ask(self, signal: Signal) -> None:
        """Change the state of the request for a response."""
        self.request = after(self.request, signal)

    def over(self) -> None:
        """Record that the connection is gone; what was sent into it gets no answer."""
        self.connected = False
        self.hear(Signal.SILENCE, Signal.ANSWER)

    @property
    def settled(self) -> bool:
        """Whether the server owes nothing: no turn, no response, no answer."""
        return self.at_rest and self.request is Request.NONE and not self.server.unconfirmed

    def server_turn_detection(self) -> Mapping[str, Any]:
        """``turn_detection`` in force: the server's word where it gave one, otherwise what was asked for."""
        session = self.server.effective if self.server.effective is not None else self.requested
        for key in ("audio", "input", "turn_detection"):
            value = session.get(key)
            session = value if isinstance(value, Mapping) else {}
        return session
