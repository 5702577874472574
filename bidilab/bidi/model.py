"""What a model must offer to a session, and what it may offer.

The required half is that of ``strands.experimental.bidi.models.BidiModel`` (strands-agents 1.54): ``config``,
``start``, ``stop``, ``send``, ``receive``. The optional half, with defaults, is what measuring interruptions needs: the
session's clock and log (`bind`), which responses are generating or audible (`ledger`), how much of a cut response was
heard (`truncate`), that the user's audio is over (`end_of_audio`, `settled`).

How a response goes, and what is asked of a model::

    model                                   agent
    BidiResponseStartEvent(r)          →    forwarded
    BidiAudioStreamEvent(r) …          →    played; counted as generated
    BidiResponseCompleteEvent(r,       →    forwarded when *generation* is over; the audio may be audible for long yet
      "complete" | "tool_use")
    BidiInterruptionEvent(r, reason)   →    every output's playback is cleared at once, `heard` is read off it and
                                            put into the event, `truncate` is called, hooks and application are told,
                                            then ``BidiResponseCompleteEvent(r, "interrupted" | "error")`` follows

The model decides *that* a response is interrupted, generating or only audible; the agent does the rest, and tells of
the completion itself. A model may send that completion too, now or when its provider confirms it: it is told once.
Whatever audio the model still sends of a cut response is thrown away and logged. A response that was cut in play-out,
after its generation, thus has two completions: ``"complete"``, and later ``"interrupted"``.

Speech without an active response is a turn and no interruption: a model then sends no `BidiInterruptionEvent`. What the
detector decided is logged by the model itself (``context.log("speech_started", source="detector", …)``).
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.session.ledger import LedgerView, ResponseLedger
from bidilab.bidi.types.events import BidiInputEvent, BidiOutputEvent, ToolResultEvent
from bidilab.bidi.types.io import PlaybackKind, PlaybackReport
from bidilab.core.clock import Clock, running_clock

__all__ = [
    "AppendRow",
    "BidiModel",
    "LedgerView",
    "ModelInput",
    "ModelProtocol",
    "PlaybackKind",
    "PlaybackReport",
    "SessionContext",
]

ModelInput = BidiInputEvent | ToolResultEvent
"""What a session sends to its model."""


class AppendRow(Protocol):
    """Adds a row to the session's log: `bidilab.bidi.log.eventlog.EventLog.append`."""

    def __call__(
        self,
        type: str,  # noqa: A002 - the column's name
        *,
        source: str,
        t_s: float | None = None,
        at_s: float | None = None,
        response_id: str | None = None,
        item_id: str | None = None,
        input_samples: int | None = None,
        playback_samples: int | None = None,
        reason: str | None = None,
        stop_reason: str | None = None,
        role: str | None = None,
        text: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> int:
        """Add it; return its ``seq``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionContext:
    """What a model is given of the session that it belongs to.

    Parameters
    ----------
    clock
        The session's; a model waits and reads time only by it.
    log
        Adds a row to the session's log.
    ledger
        What the session knows of the model's responses: which are generating or audible, how much was heard of them.
        ``None`` where there is no session that keeps one.
    """

    clock: Clock
    log: AppendRow
    ledger: LedgerView | None = None


@runtime_checkable
class ModelProtocol(Protocol):
    """The required half: what any model, ours or one written for Strands, must have."""

    config: dict[str, Any]

    async def start(
        self,
        system_prompt: str | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        messages: Sequence[Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Disconnect."""

    async def send(self, content: Any) -> None:
        """Take one event."""

    def receive(self) -> AsyncIterable[Any]:
        """Give events."""


class BidiModel:
    """A model of a session. Subclasses define `start`, `stop`, `send` and `receive`, and extend what else they need.

    Attributes
    ----------
    config
        ``config["audio"]`` has ``input_rate``, ``output_rate`` (hertz), ``channels``, ``format`` (``"pcm"``) and maybe
        ``voice``. Inputs and outputs read it when they start.
    """

    config: dict[str, Any]

    _context: SessionContext | None = None
    _own_ledger: ResponseLedger | None = None  # where no session keeps one

    def bind(self, context: SessionContext) -> None:
        """Take the session's clock, log and ledger; called before `start`."""
        self._context = context
        self._own_ledger = None

    @property
    def context(self) -> SessionContext:
        """The session's clock and log.

        A model that is used on its own, without an agent, gets the running loop's clock and a log in memory.

        Raises
        ------
        RuntimeError
            If it was never bound and no loop is running.
        """
        if self._context is None:
            clock = running_clock()
            self._context = SessionContext(clock=clock, log=EventLog(clock=clock).append)
        return self._context

    @property
    def ledger(self) -> LedgerView:
        """The state of the model's responses: which are generating or audible, and how much of them was heard.

        The session keeps it. A model that is used on its own keeps one of its own, from the start on.
        """
        if (kept := self.context.ledger) is not None:
            return kept
        if self._own_ledger is None:
            self._begin_ledger()
        assert self._own_ledger is not None  # it was just begun
        return self._own_ledger

    def _begin_ledger(self) -> None:
        """Begin a new ledger where no session keeps one: a model calls it when it starts."""
        if self.context.ledger is None:
            self._own_ledger = ResponseLedger(sample_rate=self.config["audio"]["output_rate"])

    def _written(self, event: BidiOutputEvent) -> BidiOutputEvent:
        """Write an event into the model's own ledger, if it keeps one; return it as `ResponseLedger.follow` does.

        In a session, the session writes each event down when it takes it.
        """
        return event if self._own_ledger is None else self._own_ledger.follow(event, self.context.clock.now_s())

    async def start(
        self,
        system_prompt: str | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        messages: Sequence[Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        """Connect, and be ready for `send` and `receive`.

        Parameters
        ----------
        system_prompt
            Instructions for the model.
        tools
            Tools that it may use: ``name``, ``description`` and ``inputSchema`` (``{"json": <JSON schema>}``), the
            ``ToolSpec`` of Strands.
        messages
            The conversation so far, ``{"role": "user" | "assistant", "content": [{"text": …}]}``.
        **kwargs
            What else a model knows of; one that it does not know is an error.
        """
        raise NotImplementedError

    async def stop(self) -> None:
        """Disconnect and release everything; stopping twice, or before a start, is no error."""
        raise NotImplementedError

    async def send(self, content: ModelInput) -> None:
        """Send one event of the user, or a tool's result, to the model."""
        raise NotImplementedError

    def receive(self) -> AsyncIterable[BidiOutputEvent]:
        """Yield the model's events as they arrive, until it is stopped; the first is `BidiConnectionStartEvent`.

        Raises
        ------
        BidilabError
            If the connection is lost for good.
        """
        raise NotImplementedError

    def playback(self, report: PlaybackReport) -> None:
        """Take a report of what an output has played. Called from the session's loop; must not wait.

        In a session, `ledger` knows it already. It is never called in a session none of whose outputs reports play-out;
        the ledger then takes each response as played in real time from the arrival of its first audio.
        """
        if self._own_ledger is not None:
            self._own_ledger.report(report)

    async def truncate(self, response_id: str, heard_samples: int, sample_rate: int) -> None:
        """Note how much was heard of a response that was cut; called right after its playback was cleared.

        Parameters
        ----------
        response_id
            The response that was cut.
        heard_samples
            ``>= 0``, at ``sample_rate`` hertz.
        sample_rate
            Hertz.
        """

    @property
    def effective_turn_detection(self) -> Mapping[str, Any] | None:
        """The turn detection in force, in the provider's words; ``None`` when it is not known."""
        return None

    async def end_of_audio(self) -> None:
        """Note that the user's audio has ended, as at the end of a file. An open turn ends here."""

    async def settled(self) -> None:
        """Wait until the model has nothing more to send, if it gets no more input.

        ``agent.run`` waits for this, and for the end of play-out, when all of its inputs have ended.
        """
