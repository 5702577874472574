"""The side of a session that takes events: outputs with a mailbox each, and whoever reads ``agent.receive()``.

Mailboxes have no bound, so nothing is lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from bidilab.bidi.session.ledger import Cut, ResponseLedger
from bidilab.bidi.types.events import BidiOutputEvent
from bidilab.bidi.types.io import BidiOutput, ConfirmsCuts, PlaybackListener, PlaybackReport, ReportsPlayback
from bidilab.core.clock import Clock

__all__ = ["Mailbox", "OutputSide"]


class Mailbox:
    """Events that wait for one taker, first in, first out. The audio of a cut response can be taken back."""

    def __init__(self) -> None:
        self._events: deque[tuple[BidiOutputEvent, str | None]] = deque()
        self._changed = asyncio.Event()
        self._closed = False

    def put(self, event: BidiOutputEvent, audio_of: str | None = None) -> None:
        """Add an event; audio, with the response that it belongs to. After `close`, do nothing."""
        if not self._closed:
            self._events.append((event, audio_of))
            self._changed.set()

    def take_back(self, response_id: str) -> int:
        """Remove the waiting audio of a response; return the number of events removed."""
        before = len(self._events)
        self._events = deque(waiting for waiting in self._events if waiting[1] != response_id)
        return before - len(self._events)

    async def get(self) -> BidiOutputEvent | None:
        """Wait for the next event and return it; ``None`` when the mailbox is closed and empty."""
        while not self._events:
            if self._closed:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._events.popleft()[0]

    def close(self) -> None:
        """Stop taking events. `get` still returns those that wait, and then ``None``."""
        self._closed = True
        self._changed.set()

    def __len__(self) -> int:
        return len(self._events)


class OutputSide:
    """Give the events of a session to all its takers.

    Parameters
    ----------
    outputs
        Started already; ``None`` when the application reads `inbox` itself.
    ledger, clock
        The session's. What outputs play is written to the ledger.
    listener
        Called with each report, after it is written.
    """

    def __init__(
        self,
        outputs: Sequence[BidiOutput] | None,
        *,
        ledger: ResponseLedger,
        clock: Clock,
        listener: PlaybackListener,
    ) -> None:
        self.inbox = Mailbox() if outputs is None else None
        self._ledger = ledger
        self._clock = clock
        self._listener = listener
        self._outputs = tuple(outputs or ())
        self._boxes = [Mailbox() for _ in self._outputs]
        self._takers = [*self._boxes, *([self.inbox] if self.inbox is not None else [])]
        self._players: list[ReportsPlayback] = [o for o in self._outputs if isinstance(o, ReportsPlayback)]
        for player in self._players:
            player.report_playback_to(self._played)

    def _played(self, report: PlaybackReport) -> None:
        self._ledger.report(report)
        self._listener(report)

    @property
    def feeds(self) -> list[Callable[[], Awaitable[None]]]:
        """Return one coroutine function per output; it feeds the output until its mailbox is closed and empty."""
        return [partial(_feed, output, box) for output, box in zip(self._outputs, self._boxes, strict=True)]

    @property
    def n_waiting(self) -> int:
        """Number of events that outputs have not taken yet."""
        return sum(map(len, self._boxes))

    def forward(self, event: BidiOutputEvent, audio_of: str | None = None) -> None:
        """Give an event to every taker; audio, with the response that it belongs to."""
        for box in self._takers:
            box.put(event, audio_of)

    async def cut(self, response_id: str) -> Cut:
        """Silence a response in every output; return how much of it was heard.

        Its waiting audio is removed and every output that can be is silenced before the first ``await``. Then this
        waits for the figure of those outputs that could only estimate it.
        """
        for box in self._takers:
            box.take_back(response_id)
        reports = [player.cut(response_id) for player in self._players]
        cut = self._ledger.cut(response_id, self._clock.now_s(), reports)
        asked = [player for player in self._players if isinstance(player, ConfirmsCuts)]
        certain = [report for player in asked if (report := await player.confirm_cut(response_id)) is not None]
        return self._ledger.cut(response_id, self._clock.now_s(), certain) if certain else cut

    def close(self) -> None:
        """Stop taking events; those that wait are still given."""
        for box in self._takers:
            box.close()


async def _feed(output: BidiOutput, box: Mailbox) -> None:
    while (event := await box.get()) is not None:
        await output(event)
