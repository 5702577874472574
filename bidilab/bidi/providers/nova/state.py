"""What a client knows of its conversation with Nova Sonic: blocks, responses, tool calls, what it waits for.

A response, as the client sees it. The service names none: its ``completionId`` lasts for the whole connection, so a
response begins with the first block of the agent after the one before was over::

    contentStart ASSISTANT SPECULATIVE, ASSISTANT AUDIO or TOOL
         │
         ▼
    generating ── contentEnd AUDIO END_TURN, TOOL TOOL_USE, completionEnd ──▶ generated   (audible, or not yet)
         │                                                                       │
         └────────── INTERRUPTED, or an error while it is generating ────────────┴──▶ cut: nothing more is handed on
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bidilab.bidi.providers.history import History, Utterance
from bidilab.bidi.providers.logentry import LogEntry
from bidilab.bidi.providers.nova.settings import NovaSettings
from bidilab.bidi.providers.uplink import AudioUplink
from bidilab.bidi.types.events import BidiOutputEvent, ToolUse

__all__ = ["Block", "Conversation", "Response"]

Stage = Literal["SPECULATIVE", "FINAL"]


def _uuid() -> str:
    return str(uuid.uuid4())


@dataclass(slots=True, kw_only=True)
class Response:
    """One response of the agent."""

    response_id: str
    words: Utterance
    generating: bool = True
    cut: bool = False
    n_samples: int = 0
    late_samples: int = 0


@dataclass(slots=True, kw_only=True)
class Block:
    """One content block of the service, from its ``contentStart`` to its ``contentEnd``."""

    content_id: str
    kind: str
    role: str
    stage: Stage | None = None
    response: Response | None = None
    text: str = ""
    odd_byte: bytes = b""
    interruption_told: bool = False


@dataclass(slots=True, kw_only=True)
class Conversation:
    """All of it, and the three things that handling an event may put out: events, messages, rows of the log."""

    settings: NovaSettings
    new_id: Callable[[], str] = _uuid
    history: History = field(default_factory=History)
    uplink: AudioUplink = field(init=False)
    responses: dict[str, Response] = field(default_factory=dict)
    blocks: dict[str, Block] = field(default_factory=dict)
    open_calls: dict[str, tuple[str, ToolUse]] = field(default_factory=dict)
    """Tool use id → name of the prompt in which it was asked, and the call, until the result was sent."""
    audible: Collection[str] = ()
    """Responses that are audible as the event at hand is handled."""
    prompt: str = ""
    """Name of the prompt of this connection; empty when there is none."""
    audio_content: str | None = None
    """Name of the open block of the user's audio."""
    completion_id: str | None = None
    session_id: str | None = None
    expects_response: bool = False
    """The user has said something that is to be answered."""
    dropped_samples: int = 0
    """Samples of the user's audio that came while there was no connection."""
    total_tokens: tuple[int, int] = (0, 0)
    """Input and output tokens of this connection, as the service last told them."""
    events: list[BidiOutputEvent] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    rows: list[LogEntry] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.uplink = AudioUplink(sample_rate=self.settings.input_rate)

    def begin_response(self) -> Response:
        """A new response, with an id of our own."""
        self.blocks = {key: b for key, b in self.blocks.items() if b.response is None or not b.response.cut}
        response = Response(response_id=f"response_{next(self._numbers)}", words=self.history.add("assistant"))
        self.responses[response.response_id] = response
        self.expects_response = False
        return response

    @property
    def generating(self) -> Response | None:
        """The response that is being generated; the service has one at a time."""
        return next((r for r in reversed(self.responses.values()) if r.generating), None)

    @property
    def latest(self) -> Response | None:
        """The response that began last."""
        return next(reversed(self.responses.values()), None)

    def active_responses(self) -> list[Response]:
        """Responses that are generating or audible and not cut, oldest first."""
        return [r for r in self.responses.values() if not r.cut and (r.generating or r.response_id in self.audible)]

    def log(self, type: str, source: str, detail: Mapping[str, Any] | None = None, **columns: Any) -> None:  # noqa: A002
        """Put out a row."""
        self.rows.append(LogEntry(type=type, source=source, columns=columns, detail=detail or {}))

    @property
    def settled(self) -> bool:
        """Whether nothing is under way that is known of: no response, no block, no tool, no answer awaited."""
        return not (self.generating or self._block_under_way or self.expects_response or self.open_calls)

    @property
    def _block_under_way(self) -> bool:
        # The service need not end a block whose response was interrupted.
        return any(block.response is None or not block.response.cut for block in self.blocks.values())
