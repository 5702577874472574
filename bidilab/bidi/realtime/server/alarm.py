"""What one task waits on: to be told, or that a time has come."""

from __future__ import annotations

import asyncio
import math

from bidilab.core.clock import Clock

__all__ = ["Alarm"]


class Alarm:
    """An event that is also set by a timer. For one waiting task.

    A session waits anew after each message, fifty times a second, and nearly always until the same time: the timer is
    left running until another time is asked for.

    Parameters
    ----------
    clock
        Whose times are given.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._event = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = math.inf

    def set(self) -> None:
        """Wake the task."""
        self._event.set()

    async def wait(self, *, until_s: float = math.inf) -> None:
        """Wait until `set` is called from now on, or until a time; it may wake early, so look again what is to do."""
        self._event.clear()
        if until_s != self._timer_s:
            self._set_timer(until_s)
        await self._event.wait()

    def _set_timer(self, until_s: float) -> None:
        self.cancel()
        if until_s != math.inf:
            delay_s = max(0.0, until_s - self._clock.now_s())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._ring)
            self._timer_s = until_s

    def _ring(self) -> None:
        self._timer, self._timer_s = None, math.inf
        self._event.set()

    def cancel(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_s = None, math.inf
