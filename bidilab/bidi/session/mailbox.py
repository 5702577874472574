"""Events on their way to one taker: an output, or whoever reads ``agent.receive()``. No bound, so nothing is lost."""

from __future__ import annotations

import asyncio
from collections import deque

from bidilab.bidi.types.events import BidiAudioStreamEvent, BidiOutputEvent

__all__ = ["Mailbox"]


class Mailbox:
    """First in, first out; audio of a cut response can be taken back."""

    def __init__(self) -> None:
        self._events: deque[BidiOutputEvent] = deque()
        self._changed = asyncio.Event()
        self._closed = False

    def put(self, event: BidiOutputEvent) -> None:
        """Add an event; after `close`, nothing."""
        if not self._closed:
            self._events.append(event)
            self._changed.set()

    def take_back(self, response_id: str) -> int:
        """Remove the audio of a response that waits here; return how many events that were."""
        before = len(self._events)
        self._events = deque(
            e for e in self._events if not (isinstance(e, BidiAudioStreamEvent) and e.response_id == response_id)
        )
        return before - len(self._events)

    async def get(self) -> BidiOutputEvent | None:
        """The next event, when there is one; ``None`` when the box is closed and empty."""
        while not self._events:
            if self._closed:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._events.popleft()

    def close(self) -> None:
        """Take no more; who waits gets what is left, and then ``None``."""
        self._closed = True
        self._changed.set()

    def __len__(self) -> int:
        return len(self._events)
