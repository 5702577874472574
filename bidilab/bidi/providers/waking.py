"""Tasks that wait for a connection: its next message, or something of our own to tell; and what nobody awaits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["WakingReceiver", "take_result"]

Received = TypeVar("Received")


class WakingReceiver(Generic[Received]):
    """Awaits one message at a time; `wake` ends the waiting, and the message is not lost.

    Parameters
    ----------
    receive
        Gives the next message of a connection.
    """

    def __init__(self, receive: Callable[[], Coroutine[Any, Any, Received]]) -> None:
        self._receive = receive
        self._woken = asyncio.Event()
        self._pending: asyncio.Task[Received] | None = None

    def wake(self) -> None:
        """End the waiting that is under way, or the next."""
        self._woken.set()

    async def next(self) -> Received | None:
        """The next message; ``None`` when woken before it came."""
        if self._pending is None:
            self._pending = asyncio.create_task(self._receive())
        woken = asyncio.create_task(self._woken.wait())
        try:
            await asyncio.wait({self._pending, woken}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._pending.cancel()
            raise
        finally:
            woken.cancel()
        self._woken.clear()
        if not self._pending.done():
            return None
        pending, self._pending = self._pending, None
        return pending.result()


def take_result(task: asyncio.Future[Any]) -> None:
    """Take a result that nobody waits for, so that asyncio does not report it as lost."""
    if not task.cancelled():
        task.exception()
