"""What outputs tell of the playing of a response, and how they are told to cut it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from bidilab.bidi.types.base import check_count, check_one_of, check_text
from bidilab.core.units import check_sample_rate

__all__ = ["ConfirmsCuts", "PlaybackKind", "PlaybackListener", "PlaybackReport", "ReportsPlayback"]

PlaybackKind = Literal["started", "dry", "drained", "cleared"]
_KINDS: tuple[PlaybackKind, ...] = ("started", "dry", "drained", "cleared")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackReport:
    """What an output told of the playing of a response.

    Parameters
    ----------
    kind
        ``"started"``: audible from now on, first or again; ``"dry"``: nothing there to play, more is to come;
        ``"drained"``: its last sample has been played; ``"cleared"``: its rest was thrown away.
    response_id
        Which.
    heard_samples
        Samples of it that had been audible then, ``>= 0``, at ``sample_rate``.
    sample_rate
        Hertz.
    at_s
        When, by the session's clock.

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
        check_count("heard_samples", self.heard_samples)
        check_sample_rate(self.sample_rate)


PlaybackListener = Callable[[PlaybackReport], None]
"""Takes a report, in the session's loop; must not wait."""


@runtime_checkable
class ReportsPlayback(Protocol):
    """An output that knows what has been heard, and can be silenced between two events."""

    def report_playback_to(self, listener: PlaybackListener) -> None:
        """Have ``listener`` told of every change from now on; called after `start`."""

    def cut(self, response_id: str) -> PlaybackReport:
        """Silence a response now, for ever; return what had been heard of it (``kind="cleared"``).

        Cutting twice returns the same. The `BidiInterruptionEvent` that follows finds it done.
        """


@runtime_checkable
class ConfirmsCuts(Protocol):
    """An output whose player is elsewhere: what `ReportsPlayback.cut` returns is an estimate, the truth comes after."""

    async def confirm_cut(self, response_id: str) -> PlaybackReport | None:
        """What had been heard of a response that was cut, when the player has said it; ``None`` if it does not."""
