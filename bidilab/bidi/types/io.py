"""What an input and an output of a session must offer, what they may ask of the agent, and what play-out is told.

`BidiInput` and `BidiOutput` are those of ``strands.experimental.bidi.types.io`` (strands-agents 1.54).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.types.events import BidiInputEvent, BidiOutputEvent
from bidilab.core.checks import check_one_of, check_text, check_whole
from bidilab.core.clock import Clock
from bidilab.core.units import check_sample_rate

__all__ = [
    "BidiInput",
    "BidiOutput",
    "ConfirmsCuts",
    "PlaybackKind",
    "PlaybackListener",
    "PlaybackReport",
    "ReportsPlayback",
    "SessionAgent",
    "SessionModel",
]


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
        """The log that a device writes over- and underruns to."""


@runtime_checkable
class BidiInput(Protocol):
    """A source of input events: microphone, file, keyboard.

    Called again and again; raises `EndOfInput` when it has nothing more, which ends the input, not the session.
    """

    async def start(self, agent: Any) -> None:
        """Get ready; ``agent`` is a `SessionAgent`."""

    async def stop(self) -> None:
        """Release everything. Stopping twice, or before a start, is no error."""

    def __call__(self) -> Awaitable[BidiInputEvent]:
        """The next event, when it is there."""


@runtime_checkable
class BidiOutput(Protocol):
    """A taker of output events: loudspeaker, file, terminal. Called with each event, in order."""

    async def start(self, agent: Any) -> None:
        """Get ready; ``agent`` is a `SessionAgent`."""

    async def stop(self) -> None:
        """Release everything. Stopping twice, or before a start, is no error."""

    def __call__(self, event: BidiOutputEvent) -> Awaitable[None]:
        """Take one event."""


PlaybackKind = Literal["started", "dry", "drained", "cleared"]
_KINDS: tuple[PlaybackKind, ...] = ("started", "dry", "drained", "cleared")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackReport:
    """A report of an output about the playing of a response.

    Parameters
    ----------
    kind
        ``"started"``: audible from now on, first or again; ``"dry"``: nothing there to play, more is to come;
        ``"drained"``: its last sample has been played; ``"cleared"``: its rest was thrown away.
    response_id
        The response that the report is about.
    heard_samples
        Samples of it that had been audible then, ``>= 0``, at ``sample_rate``.
    sample_rate
        Hertz.
    at_s
        Time of the report, on the session's clock.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.
    """

    kind: PlaybackKind
    response_id: str
    heard_samples: int
    sample_rate: int
    at_s: float

    def __post_init__(self) -> None:
        check_one_of("kind", self.kind, _KINDS)
        check_text("response_id", self.response_id)
        check_whole("heard_samples", self.heard_samples)
        check_sample_rate(self.sample_rate)


PlaybackListener = Callable[[PlaybackReport], None]
"""Takes a report, in the session's loop; must not wait."""


@runtime_checkable
class ReportsPlayback(Protocol):
    """An output that knows what has been heard, and can be silenced between two events."""

    def report_playback_to(self, listener: PlaybackListener) -> None:
        """Call ``listener`` with every change from now on; called after `start`."""

    def cut(self, response_id: str) -> PlaybackReport:
        """Silence a response for good; return what had been heard of it (``kind="cleared"``).

        Cutting twice returns the same. The `BidiInterruptionEvent` that follows finds it done.
        """


@runtime_checkable
class ConfirmsCuts(Protocol):
    """An output whose player is elsewhere: what `ReportsPlayback.cut` returns is an estimate, the truth comes after."""

    async def confirm_cut(self, response_id: str) -> PlaybackReport | None:
        """What had been heard of a response that was cut, when the player has said it; ``None`` if it does not."""
