"""The life of a conversation with a service: its states, what happens to them, and what handling a message puts out.

All states and all transitions stand in `TABLE`, as in h11's ``_state.py``; a transition that is not there raises. Where
a service can make one happen, its codec logs the message as malformed and goes on.

A response (`Phase`). What is cut is handed on no more, whatever still comes of it::

    GENERATING ──END──▶ GENERATED ──CUT──▶ CUT        (cut while it was only audible)
         │
         └──CUT──▶ STOPPING ──END──▶ STOPPED          (cut while it was generated; the service has yet to end it)

The user's turn, and the answer to it (`UserTurn`)::

    QUIET ──SPEECH──▶ SPEAKING ──TURN──▶ AWAITING ──ANSWER──▶ QUIET
      └────────────── WORDS ────────────────▲ └──SPEECH──▶ SPEAKING_ON

A response that the client asks for, of a service that has to be asked (`Request`)::

    NONE ──WANT──▶ WANTED ──ASK──▶ ASKED ──ANSWER──▶ NONE
                     └──SKIP──▶ NONE  └──WANT──▶ ASKED_AGAIN ──ANSWER──▶ WANTED

The model's turn, of a service that ends it after the response (`ModelTurn`)::

    CLOSED ──BEGIN──▶ OPEN ──INTERRUPT──▶ INTERRUPTED ──END──▶ CLOSED
                        └──END──▶ CLOSED
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar, cast

from bidilab.bidi.log.eventlog import LogEntry
from bidilab.bidi.providers.history import History, Utterance
from bidilab.bidi.providers.uplink import AudioUplink
from bidilab.bidi.types.events import (
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiOutputEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    ToolUse,
    ToolUseStreamEvent,
)
from bidilab.bidi.types.outputs import InterruptionReason, StopReason
from bidilab.core.errors import EventError
from bidilab.core.jsontext import JSONError, parse_json

__all__ = [
    "TABLE",
    "Call",
    "Conversation",
    "ModelTurn",
    "Phase",
    "Request",
    "Response",
    "Signal",
    "SpokenConversation",
    "SpokenResponse",
    "State",
    "UserTurn",
    "WholeSamples",
    "after",
]

_KEPT_RESPONSES = 32


class Phase(Enum):
    """The life of one response."""

    GENERATING = auto()
    GENERATED = auto()
    STOPPING = auto()
    STOPPED = auto()
    CUT = auto()


class UserTurn(Enum):
    """Whether the user speaks, and whether an answer is awaited; ``SPEAKING_ON`` means both."""

    QUIET = auto()
    SPEAKING = auto()
    AWAITING = auto()
    SPEAKING_ON = auto()


class Request(Enum):
    """Whether a response is wanted, or was asked for; ``ASKED_AGAIN`` means that another is wanted after that one."""

    NONE = auto()
    WANTED = auto()
    ASKED = auto()
    ASKED_AGAIN = auto()


class ModelTurn(Enum):
    """The model's turn. What comes of an interrupted turn before its end does not count."""

    CLOSED = auto()
    OPEN = auto()
    INTERRUPTED = auto()


State = Phase | UserTurn | Request | ModelTurn


class Signal(Enum):
    """An event that changes a state."""

    BEGIN = auto()
    """The model begins its turn."""
    END = auto()
    """The service is done with a response, or with the model's turn."""
    CUT = auto()
    """A response is interrupted."""
    INTERRUPT = auto()
    """The service says that the user interrupted the model's turn."""
    SPEECH = auto()
    """The user begins to speak."""
    SILENCE = auto()
    """The user's speech stops, or its connection is gone."""
    TURN = auto()
    """The user's speech is a whole turn, which the service is to answer."""
    WORDS = auto()
    """The user asked in words, or a tool answered: the service is to answer that."""
    ANSWER = auto()
    """The response has begun, or the service says that none follows."""
    WANT = auto()
    """A response is to be asked for as soon as the service takes a request."""
    ASK = auto()
    """The request is sent."""
    SKIP = auto()
    """The service responds by itself: no request is needed."""
    LOSS = auto()
    """The connection is gone, and the request with it."""


def _table() -> Mapping[State, Mapping[Signal, State]]:
    s = Signal
    return {
        Phase.GENERATING: {s.END: Phase.GENERATED, s.CUT: Phase.STOPPING},
        Phase.GENERATED: {s.CUT: Phase.CUT},
        Phase.STOPPING: {s.END: Phase.STOPPED},
        Phase.STOPPED: {},
        Phase.CUT: {},
        UserTurn.QUIET: {
            s.SPEECH: UserTurn.SPEAKING,
            s.SILENCE: UserTurn.QUIET,
            s.TURN: UserTurn.AWAITING,
            s.WORDS: UserTurn.AWAITING,
            s.ANSWER: UserTurn.QUIET,
        },
        UserTurn.SPEAKING: {
            s.SPEECH: UserTurn.SPEAKING,
            s.SILENCE: UserTurn.QUIET,
            s.TURN: UserTurn.AWAITING,
            s.WORDS: UserTurn.SPEAKING_ON,
            s.ANSWER: UserTurn.SPEAKING,
        },
        UserTurn.AWAITING: {
            s.SPEECH: UserTurn.SPEAKING_ON,
            s.SILENCE: UserTurn.AWAITING,
            s.TURN: UserTurn.AWAITING,
            s.WORDS: UserTurn.AWAITING,
            s.ANSWER: UserTurn.QUIET,
        },
        UserTurn.SPEAKING_ON: {
            s.SPEECH: UserTurn.SPEAKING_ON,
            s.SILENCE: UserTurn.AWAITING,
            s.TURN: UserTurn.AWAITING,
            s.WORDS: UserTurn.SPEAKING_ON,
            s.ANSWER: UserTurn.SPEAKING,
        },
        Request.NONE: {s.WANT: Request.WANTED, s.ANSWER: Request.NONE, s.LOSS: Request.NONE},
        Request.WANTED: {
            s.WANT: Request.WANTED,
            s.ASK: Request.ASKED,
            s.SKIP: Request.NONE,
            s.ANSWER: Request.WANTED,  # the service began a response by itself: ours is wanted after it
            s.LOSS: Request.WANTED,
        },
        Request.ASKED: {s.WANT: Request.ASKED_AGAIN, s.ANSWER: Request.NONE, s.LOSS: Request.WANTED},
        Request.ASKED_AGAIN: {s.WANT: Request.ASKED_AGAIN, s.ANSWER: Request.WANTED, s.LOSS: Request.WANTED},
        ModelTurn.CLOSED: {s.BEGIN: ModelTurn.OPEN, s.INTERRUPT: ModelTurn.CLOSED, s.END: ModelTurn.CLOSED},
        ModelTurn.OPEN: {s.INTERRUPT: ModelTurn.INTERRUPTED, s.END: ModelTurn.CLOSED},
        ModelTurn.INTERRUPTED: {s.INTERRUPT: ModelTurn.INTERRUPTED, s.END: ModelTurn.CLOSED},
    }


TABLE: Final[Mapping[State, Mapping[Signal, State]]] = MappingProxyType(_table())
"""State → what may happen to it → the next state."""

StateT = TypeVar("StateT", Phase, UserTurn, Request, ModelTurn)


def after(state: StateT, signal: Signal) -> StateT:
    """Return the state that follows.

    Raises
    ------
    EventError
        If the table has no such transition.

    Examples
    --------
    >>> after(Phase.GENERATING, Signal.CUT)
    <Phase.STOPPING: 3>
    >>> after(Phase.CUT, Signal.CUT)
    Traceback (most recent call last):
    bidilab.core.errors.EventError: CUT cannot happen to a Phase that is CUT
    """
    try:
        return cast(StateT, TABLE[state][signal])
    except KeyError:
        raise EventError(f"{signal.name} cannot happen to a {type(state).__name__} that is {state.name}") from None


@dataclass(slots=True)
class WholeSamples:
    """Join PCM16 whose samples are split between two messages: an odd byte waits for its other half."""

    _odd: bytes = b""

    def feed(self, data: bytes) -> bytes:
        """Return the bytes of all samples that are whole."""
        data = self._odd + data
        whole = len(data) // 2 * 2
        self._odd = data[whole:]
        return data[:whole]


@dataclass(slots=True, kw_only=True)
class Response:
    """One response: ``n_samples`` were handed on, ``late_samples`` came after the cut or the end."""

    response_id: str
    phase: Phase = Phase.GENERATING
    n_samples: int = 0
    late_samples: int = 0

    @property
    def generating(self) -> bool:
        """Whether it is being generated; what comes of it is handed on."""
        return self.phase is Phase.GENERATING

    @property
    def owed(self) -> bool:
        """Whether the service has yet to end it."""
        return self.phase in (Phase.GENERATING, Phase.STOPPING)

    @property
    def cut(self) -> bool:
        """Whether it was interrupted: nothing more of it is handed on."""
        return self.phase in (Phase.STOPPING, Phase.STOPPED, Phase.CUT)

    def end(self) -> None:
        """Record that the service is done with it."""
        self.phase = after(self.phase, Signal.END)


@dataclass(slots=True, kw_only=True)
class SpokenResponse(Response):
    """A response of a service whose history is told in words."""

    words: Utterance


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A tool call that has no result yet, with the response and the connection that asked for it."""

    use: ToolUse
    response_id: str
    connection: int


ResponseT = TypeVar("ResponseT", bound=Response)


@dataclass(slots=True, kw_only=True)
class Conversation(Generic[ResponseT]):
    """The state that all codecs have, and their three outputs: events, messages and rows of the log."""

    uplink: AudioUplink = field(init=False)
    responses: dict[str, ResponseT] = field(default_factory=dict)
    user: UserTurn = UserTurn.QUIET
    calls: dict[str, Call] = field(default_factory=dict)
    """Open tool calls by id, until their results are sent."""
    audible: Collection[str] = ()
    """Responses that are audible as the message at hand is handled."""
    connection: int = 0
    """Number of the connection."""
    connected: bool = False
    dropped_samples: int = 0
    """Samples of the user's audio that came while there was no connection."""
    events: list[BidiOutputEvent] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    rows: list[LogEntry] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    """For ids of our own."""

    # The drains

    def tell(self, *events: BidiOutputEvent) -> None:
        """Add events to the output."""
        self.events += events

    def log(self, type: str, source: str, detail: Mapping[str, Any] | None = None, **columns: Any) -> None:  # noqa: A002
        """Add a row of the log to the output."""
        self.rows.append(LogEntry(type=type, source=source, columns=columns, detail=detail or {}))

    def drop_unsent(self, samples_of: Callable[[Mapping[str, Any]], int]) -> None:
        """Drop unsent messages. The history tells words again; audio is lost, and its length is logged.

        Parameters
        ----------
        samples_of
            Gives how many samples of the user's audio a message holds.
        """
        if dropped := self.dropped_samples + sum(map(samples_of, self.messages)):
            detail = {"dropped_samples": dropped, "sample_rate": self.uplink.sample_rate}
            self.log("input_dropped", "error", detail, input_samples=self.uplink.sent_samples)
        self.dropped_samples = 0
        self.messages.clear()

    # States

    def hear(self, *signals: Signal) -> None:
        """Change the state of the user's turn."""
        for signal in signals:
            self.user = after(self.user, signal)

    @property
    def user_speaking(self) -> bool:
        """Whether the user speaks."""
        return self.user in (UserTurn.SPEAKING, UserTurn.SPEAKING_ON)

    @property
    def awaits_answer(self) -> bool:
        """Whether the user has said something that has no answer yet."""
        return self.user in (UserTurn.AWAITING, UserTurn.SPEAKING_ON)

    @property
    def owed(self) -> bool:
        """Whether the service has yet to end a response."""
        return any(response.owed for response in self.responses.values())

    @property
    def at_rest(self) -> bool:
        """Whether no turn, no response, no tool and no answer is under way."""
        return not (self.owed or self.calls) and self.user is UserTurn.QUIET

    @property
    def settled(self) -> bool:
        """Whether nothing is known to be under way."""
        return self.at_rest

    def over(self) -> None:
        """Record that the connection is gone."""
        self.connected = False

    def opened(self) -> None:
        """Record that there is a new connection."""
        self.connection += 1
        self.connected = True

    # Responses

    @property
    def latest(self) -> ResponseT | None:
        """Return the response that began last."""
        return next(reversed(self.responses.values()), None)

    def active_responses(self) -> list[ResponseT]:
        """Return the responses that are generating or audible, and not cut; oldest first."""
        audible = self.audible
        return [r for r in self.responses.values() if r.generating or (not r.cut and r.response_id in audible)]

    def begin(self, response: ResponseT) -> ResponseT:
        """Announce a new response, and forget those that ended long ago."""
        self.responses[response.response_id] = response
        self.tell(BidiResponseStartEvent(response.response_id))
        over = [key for key, r in self.responses.items() if not r.owed and key not in self.audible]
        for key in over[:-_KEPT_RESPONSES]:
            del self.responses[key]
        return response

    def hand_on(self, response: Response, pcm: bytes, *, sample_rate: int, item_id: str | None = None) -> None:
        """Hand on whole samples of a response; count them as late when it is cut or over."""
        if not response.generating:
            response.late_samples += len(pcm) // 2
        elif pcm:
            response.n_samples += len(pcm) // 2
            self.tell(
                BidiAudioStreamEvent.from_pcm(
                    pcm, sample_rate=sample_rate, response_id=response.response_id, item_id=item_id
                )
            )

    def complete(self, response: Response, stop_reason: StopReason) -> None:
        """Announce that a response is generated."""
        response.end()
        self.tell(BidiResponseCompleteEvent(response.response_id, stop_reason))

    def cut(self, reason: InterruptionReason, stop_reason: StopReason, *chosen: Response) -> None:
        """Interrupt responses. Nothing more of them is handed on."""
        for response in chosen:
            response.phase = after(response.phase, Signal.CUT)
            self.tell(
                BidiInterruptionEvent(reason, interrupted_response_id=response.response_id),
                BidiResponseCompleteEvent(response.response_id, stop_reason),
            )

    # Tools

    def call(self, use: ToolUse, response_id: str) -> None:
        """Ask the application to call a tool."""
        self.calls[use["toolUseId"]] = Call(use=use, response_id=response_id, connection=self.connection)
        self.tell(ToolUseStreamEvent({"toolUse": use}, use))

    def read_arguments(self, arguments: str, **columns: Any) -> Any:
        """Return the value of a call's arguments. Text that is not JSON is logged and returned as it is.

        The model wrote it, not the peer: the tool that cannot read it answers with an error, and the model tries again.
        """
        try:
            return parse_json(arguments, unique_keys=False) if arguments.strip() else {}
        except JSONError as error:
            self.log("tool_arguments_invalid", "error", {"error": str(error), "arguments": arguments}, **columns)
            return arguments

    def knows(self, call: Call) -> bool:
        """Whether the present connection asked for a call; any other would refuse its result."""
        return self.connected and call.connection == self.connection


SpokenT = TypeVar("SpokenT", bound=SpokenResponse)


@dataclass(slots=True, kw_only=True)
class SpokenConversation(Conversation[SpokenT], ABC):
    """A conversation with a service that takes its history in words and does not name its responses."""

    history: History = field(default_factory=History)

    @property
    @abstractmethod
    def output_rate(self) -> int:
        """Hertz of the model's audio."""

    def new_id(self) -> str:
        """Return a new name for a response."""
        return f"response_{next(self.numbers)}"

    def truncate(self, response_id: str, heard_samples: int, sample_rate: int) -> None:
        """Record how much of a response was heard; an unknown response is ignored."""
        response = self.responses.get(response_id)
        if response is not None and response.n_samples:
            heard = heard_samples * self.output_rate / sample_rate
            response.words.heard = min(1.0, heard / response.n_samples)
