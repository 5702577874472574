"""The side of a session that takes events: outputs with a mailbox each, and whoever reads ``agent.receive()``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from bidilab.bidi.session.mailbox import Mailbox
from bidilab.bidi.types.events import BidiOutputEvent
from bidilab.bidi.types.io import BidiOutput
from bidilab.bidi.types.playback import ConfirmsCuts, PlaybackListener, PlaybackReport, ReportsPlayback

__all__ = ["OutputSide"]


class OutputSide:
    """All takers of a session's events.

    Parameters
    ----------
    outputs
        Started already; ``None`` when the application reads `inbox` itself.
    listener
        Told of what outputs play.
    """

    def __init__(self, outputs: Sequence[BidiOutput] | None, listener: PlaybackListener) -> None:
        self.inbox = Mailbox() if outputs is None else None
        self._outputs = tuple(outputs or ())
        self._boxes = [Mailbox() for _ in self._outputs]
        self._takers = [*self._boxes, *([self.inbox] if self.inbox is not None else [])]
        self._players: list[ReportsPlayback] = [o for o in self._outputs if isinstance(o, ReportsPlayback)]
        for player in self._players:
            player.report_playback_to(listener)

    @property
    def feeds(self) -> list[Callable[[], Awaitable[None]]]:
        """For each output, what gives it its events until its mailbox is closed and empty."""
        return [partial(_feed, output, box) for output, box in zip(self._outputs, self._boxes, strict=True)]

    @property
    def n_waiting(self) -> int:
        """Events that no output has taken yet."""
        return sum(map(len, self._boxes))

    def forward(self, event: BidiOutputEvent) -> None:
        """Give an event to all."""
        for box in self._takers:
            box.put(event)

    def cut(self, response_id: str) -> list[PlaybackReport]:
        """Take back the audio of a response that waits, and silence the outputs that can be; return what they know."""
        for box in self._takers:
            box.take_back(response_id)
        return [player.cut(response_id) for player in self._players]

    async def confirmed(self, response_id: str) -> list[PlaybackReport]:
        """What outputs that only estimated in `cut` know for certain; empty, at once, where there are none."""
        asked = [player for player in self._players if isinstance(player, ConfirmsCuts)]
        reports = [await player.confirm_cut(response_id) for player in asked]
        return [report for report in reports if report is not None]

    def close(self) -> None:
        """No more events come; what waits is still given."""
        for box in self._takers:
            box.close()


async def _feed(output: BidiOutput, box: Mailbox) -> None:
    while (event := await box.get()) is not None:
        await output(event)
