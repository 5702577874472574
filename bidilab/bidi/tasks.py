"""Asyncio tasks by name, with one place for their errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ["NamedTasks"]


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
