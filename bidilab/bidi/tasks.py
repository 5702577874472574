"""Asyncio tasks: several by name with one place for their errors; one that waits for a message and can be woken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["NamedTasks", "WakingReceiver", "started_whole", "take_result"]


class NamedTasks:
    """Tasks of one owner, each under a name; an error of one is told, once.

    Parameters
    ----------
    owner
        For the names that asyncio shows.
    on_error
        Told the error of a task that failed.
    """

    def __init__(self, owner: str, on_error: Callable[[Exception], None]) -> None:
        self._owner = owner
        self._on_error = on_error
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        """Begin ``work(*arguments)`` under a name. An older task of that name goes on, but loses the name."""

        async def begin() -> None:
            await work(*arguments)  # a task cancelled before its first step then leaves nothing un-awaited

        task = asyncio.get_running_loop().create_task(begin(), name=f"{self._owner} {name}")
        self._tasks[name] = task
        task.add_done_callback(lambda done: self._forget(name, done))

    def get(self, name: str) -> asyncio.Task[None] | None:
        """The running task of that name, if any."""
        return self._tasks.get(name)

    def cancel(self, name: str) -> None:
        """Cancel the task of that name, if any."""
        if (task := self._tasks.pop(name, None)) is not None:
            task.cancel()

    async def cancel_all(self) -> None:
        """Cancel all, and wait until they have ended."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def settled(self) -> None:
        """Wait until no task is running."""
        while self._tasks:
            await asyncio.wait(set(self._tasks.values()))

    def _forget(self, name: str, done: asyncio.Task[None]) -> None:
        if self._tasks.get(name) is done:
            del self._tasks[name]
        if not done.cancelled() and (error := done.exception()) is not None:
            assert isinstance(error, Exception)
            self._on_error(error)


Received = TypeVar("Received")
Started = TypeVar("Started")


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


async def started_whole(start: Awaitable[Started], undo: Callable[[Started], Awaitable[object]]) -> Started:
    """Wait for something to start; where that is cancelled half-way, undo it, so that nothing of it stays open.

    Parameters
    ----------
    start
        Starts it. asyncio's ``create_server`` listens already in its last step, and loses its sockets when it is
        cancelled there.
    undo
        Ends what was started.
    """

    async def begin() -> Started:
        return await start

    starting = asyncio.get_running_loop().create_task(begin())
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait([starting])
        if not starting.cancelled() and starting.exception() is None:
            await undo(starting.result())
        raise


def take_result(task: asyncio.Future[Any]) -> None:
    """Take a result that nobody waits for, so that asyncio does not report it as lost."""
    if not task.cancelled():
        task.exception()
