"""What an input and an output of a session must offer, and what they may ask of the agent.

`BidiInput` and `BidiOutput` are those of ``strands.experimental.bidi.types.io`` (strands-agents 1.54).
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol, runtime_checkable

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.types.events import BidiInputEvent, BidiOutputEvent
from bidilab.core.clock import Clock

__all__ = ["BidiInput", "BidiOutput", "SessionAgent", "SessionModel"]


class SessionModel(Protocol):
    """What an input or output asks of the model."""

    @property
    def config(self) -> Mapping[str, Any]:
        """``config["audio"]`` has ``input_rate``, ``output_rate`` (Hz), ``channels`` and ``format``."""


class SessionAgent(Protocol):
    """What an input or output asks of the agent it is started for."""

    @property
    def model(self) -> SessionModel:
        """The model of the session."""

    @property
    def clock(self) -> Clock:
        """The clock that the session runs on."""

    @property
    def log(self) -> EventLog:
        """Where a device tells of over- and underruns."""


@runtime_checkable
class BidiInput(Protocol):
    """A source of input events: microphone, file, keyboard.

    Called again and again; raises `EndOfInput` when it has nothing more, which ends the input, not the session.
    """

    async def start(self, agent: Any) -> None:
        """Get ready; ``agent`` is a `SessionAgent`."""

    async def stop(self) -> None:
        """Let go of everything. Stopping twice, or what never started, is no error."""

    def __call__(self) -> Awaitable[BidiInputEvent]:
        """The next event, when it is there."""


@runtime_checkable
class BidiOutput(Protocol):
    """A taker of output events: loudspeaker, file, terminal. Called with each event, in order."""

    async def start(self, agent: Any) -> None:
        """Get ready; ``agent`` is a `SessionAgent`."""

    async def stop(self) -> None:
        """Let go of everything. Stopping twice, or what never started, is no error."""

    def __call__(self, event: BidiOutputEvent) -> Awaitable[None]:
        """Take one event."""
