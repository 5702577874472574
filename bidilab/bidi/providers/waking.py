"""Wait for the next message of a connection, until something else must be told; take results that nobody awaits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["WakingReceiver", "take_result"]

Received = TypeVar("Received")


class WakingReceiver(Generic[Received]):
    """Waits for one message at a time. `wake` ends the wait, and no message is lost.

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
        """End the wait that is under way, or the next one."""
        self._woken.set()

    async def next(self) -> Received | None:
        """Return the next message; ``None`` when `wake` was called before it came."""
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
