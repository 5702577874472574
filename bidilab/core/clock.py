"""The one place where time is read: a real clock, a virtual one, and the event loop that lets time jump.

Every session runs on either clock. On the virtual one waiting costs nothing: when no task can go on, time jumps
to the next timer. Time there is a pure function of what the program does, so a run repeats to the sample.

The virtual loop is for sessions that live inside one process. What runs in its executor threads takes no virtual
time; a socket is served whenever the loop turns, but time does not wait for the other end.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol, TypeVar, TypeVarTuple, get_args, runtime_checkable

from bidilab.core.errors import ClockError, DeadlockError, InvalidParameterError

__all__ = [
    "Clock",
    "ClockName",
    "RealClock",
    "VirtualClock",
    "VirtualEventLoop",
    "run",
    "run_virtual",
    "running_clock",
]

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

ClockName = Literal["virtual", "real"]

VIRTUAL_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""What a virtual clock shows as UTC when it starts: fixed, so that logs of two runs are equal."""

_TURNS_EVERY = 256

_MAX_VIRTUAL_S = float(2**20)
# Twelve days. Beyond it a float64 no longer tells apart times within the loop's resolution of 1 ns, and a timer
# could stay a hair in the future for ever.


@runtime_checkable
class Clock(Protocol):
    """What a session knows of time."""

    def now_s(self) -> float:
        """Seconds since the clock's zero; never goes back."""

    def wall_time(self) -> datetime:
        """UTC date and time, aware. Moves in step with `now_s`."""

    async def sleep_s(self, seconds: float) -> None:
        """Wait that many seconds; let the other tasks run once when it is zero or less."""

    async def sleep_until_s(self, when_s: float) -> None:
        """Wait until `now_s` is at least ``when_s``; return at once, after a turn of the loop, when it is."""


class RealClock:
    """Seconds since it was made, by the machine's monotonic clock.

    The wall clock is read once, so that a clock set back during a session does not disorder its log.
    """

    __slots__ = ("_started_at", "_zero")

    def __init__(self) -> None:
        self._zero = time.monotonic()
        self._started_at = datetime.now(UTC)

    def now_s(self) -> float:
        """Seconds since the clock was made."""
        return time.monotonic() - self._zero

    def wall_time(self) -> datetime:
        """UTC date and time: that of the clock's making plus `now_s`."""
        return self._started_at + timedelta(seconds=self.now_s())

    async def sleep_s(self, seconds: float) -> None:
        """Wait that many real seconds."""
        await self.sleep_until_s(self.now_s() + seconds)

    async def sleep_until_s(self, when_s: float) -> None:
        """Wait until `now_s` is at least ``when_s``."""
        # A loop may fire a timer early by its clock's resolution; a promise of "at least" needs the second look.
        await asyncio.sleep(max(0.0, when_s - self.now_s()))
        while (rest := when_s - self.now_s()) > 0:  # noqa: ASYNC110 - time itself is what is waited for
            await asyncio.sleep(rest)

    def __repr__(self) -> str:
        return f"RealClock(now_s={self.now_s():.3f})"


class VirtualClock:
    """Time that only a `VirtualEventLoop` moves.

    Parameters
    ----------
    epoch
        The UTC date and time at ``now_s() == 0``; aware.

    Raises
    ------
    InvalidParameterError
        If ``epoch`` has no time zone.
    """

    __slots__ = ("_epoch", "_now_s")

    def __init__(self, epoch: datetime = VIRTUAL_EPOCH) -> None:
        if epoch.tzinfo is None:
            raise InvalidParameterError("epoch", "a date and time with a time zone", epoch)
        self._epoch = epoch.astimezone(UTC)
        self._now_s = 0.0

    def now_s(self) -> float:
        """Virtual seconds since 0."""
        return self._now_s

    def wall_time(self) -> datetime:
        """``epoch + now_s``, to the microsecond."""
        return self._epoch + timedelta(seconds=self._now_s)

    async def sleep_s(self, seconds: float) -> None:
        """Move the time on by that many virtual seconds."""
        await self.sleep_until_s(self._now_s + max(0.0, seconds))

    async def sleep_until_s(self, when_s: float) -> None:
        """Let time pass until ``when_s``: `now_s` is then exactly that, or what it was when that was earlier.

        Raises
        ------
        ClockError
            If the running loop is not the virtual loop that moves this clock.
        """
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualEventLoop) or loop.clock is not self:
            raise ClockError("a VirtualClock is moved only by its own loop: run the session with run_virtual")
        if when_s <= self._now_s:
            await asyncio.sleep(0)
            return
        if loop.may_jump_to(when_s):
            self._jump_to(when_s)
            return
        reached: asyncio.Future[None] = loop.create_future()
        timer = loop.call_at(when_s, _set_result, reached)
        try:
            await reached
        finally:
            timer.cancel()

    def _jump_to(self, when_s: float) -> None:
        if when_s > _MAX_VIRTUAL_S:
            raise ClockError(f"a virtual clock ends at {_MAX_VIRTUAL_S:.0f} s, it was asked to go to {when_s} s")
        self._now_s = max(self._now_s, when_s)

    def __repr__(self) -> str:
        return f"VirtualClock(now_s={self._now_s!r})"


def _set_result(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class _JumpingSelector(selectors.BaseSelector):
    """A selector that, asked to wait for a timer, moves the clock instead."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.loop: VirtualEventLoop | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert self.loop is not None  # the loop sets it before it first turns
        ready = self._real.select(0)
        if ready or timeout == 0:
            return ready
        if self.loop.must_wait_for_real(timeout):
            return self._real.select(None)
        if timeout is None:
            raise DeadlockError(_waiting_tasks(self.loop))
        self.loop.jump()
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


def _waiting_tasks(loop: asyncio.AbstractEventLoop) -> str:
    places = []
    for task in asyncio.all_tasks(loop):
        frames = task.get_stack(limit=1)
        place = f"{frames[0].f_code.co_qualname}, line {frames[0].f_lineno}" if frames else "its start"
        places.append(f"{task.get_name()} waits in {place}")
    return "; ".join(sorted(places)) or "no task is left"


class VirtualEventLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on a `VirtualClock`: when nothing is ready, time jumps to the next timer.

    Timers, sleeps, timeouts, queues and tasks are asyncio's own. Work in the executor (``asyncio.to_thread``) is
    waited for and takes no virtual time.

    Parameters
    ----------
    clock
        The clock that it moves; a new one by default.

    Raises
    ------
    DeadlockError
        Out of ``run_until_complete``, when nothing is ready, no timer is set and no thread or socket could wake
        the loop; the message names the tasks that wait, and where.
    """

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self.clock = clock if clock is not None else VirtualClock()
        self._n_threads = 0
        self._n_jumps = 0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)
        self._n_own_sockets = len(selector.get_map())  # the pipe by which threads wake the loop
        self._jumping_selector = selector

    def time(self) -> float:
        """Virtual seconds: the clock's `VirtualClock.now_s`."""
        return self.clock._now_s

    def jump(self) -> None:
        """Move the clock to the next timer. The loop's own affair."""
        # asyncio keeps its timers in the private heap ``_scheduled`` (CPython 3.11 to 3.14), its head freed of
        # cancelled ones when it comes to wait. The timeout it passes on is a difference, and now + difference
        # can miss the timer's time by a rounding; from the heap the jump is exact.
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        self.clock._jump_to(timers[0].when())

    def may_jump_to(self, when_s: float) -> bool:
        """Whether who asks to sleep until then is the only one with anything to do before. The loop's own affair.

        It may then go on at once, without two turns of the loop: a recording that is replayed does little else than
        sleep. Now and then it must take the turn all the same, so that the loop sees signals.
        """
        self._n_jumps += 1
        if self._n_jumps % _TURNS_EVERY == 0 or self._n_threads or self._ready:  # type: ignore[attr-defined]
            return False
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        if timers and timers[0].when() <= when_s:
            return False
        if len(self._jumping_selector.get_map()) > self._n_own_sockets:
            return False
        task = asyncio.current_task(self)
        return task is not None and not task.cancelling()

    def must_wait_for_real(self, timeout: float | None) -> bool:
        """Whether a thread is at work, or only a socket can wake the loop."""
        if self._n_threads:
            return True
        return timeout is None and len(self._jumping_selector.get_map()) > self._n_own_sockets

    def run_in_executor(self, executor: Any, func: Callable[[*_Ts], _T], *args: *_Ts) -> asyncio.Future[_T]:
        """Run as asyncio does; time stands still until the work is done."""
        future = super().run_in_executor(executor, func, *args)
        self._n_threads += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _future: asyncio.Future[Any]) -> None:
        self._n_threads -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncio's
        """As asyncio's; the threads are waited for in real time, without limit."""
        del timeout  # of Python 3.12 and later, in the loop's time, which does not pass here
        self._n_threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._n_threads -= 1


def running_clock() -> Clock:
    """The clock of the running loop: its own on a virtual loop, a new `RealClock`, zero now, on any other.

    Raises
    ------
    RuntimeError
        If no loop is running.
    """
    loop = asyncio.get_running_loop()
    return loop.clock if isinstance(loop, VirtualEventLoop) else RealClock()


def run_virtual(main: Coroutine[Any, Any, _T], clock: VirtualClock | None = None) -> _T:
    """Run a coroutine on a virtual loop until it is done, and return its result.

    Parameters
    ----------
    main
        What to run; `running_clock` within gives the clock.
    clock
        The clock to move; a new one by default.

    Raises
    ------
    DeadlockError
        If it waits for something that can never come.
    RuntimeError
        If called from a running loop.

    Examples
    --------
    >>> async def nap() -> float:
    ...     await running_clock().sleep_s(3600.0)
    ...     return running_clock().now_s()
    >>> run_virtual(nap())
    3600.0
    """
    with asyncio.Runner(loop_factory=lambda: VirtualEventLoop(clock)) as runner:
        return runner.run(main)


def run(main: Coroutine[Any, Any, _T], clock: ClockName = "real") -> _T:
    """Run a coroutine until it is done, on a loop of the clock that is asked for.

    Parameters
    ----------
    main
        The coroutine to run.
    clock
        ``"virtual"``: waiting costs nothing; ``"real"``: asyncio's own loop.

    Raises
    ------
    InvalidParameterError
        If ``clock`` is neither.
    """
    if clock not in get_args(ClockName):
        main.close()  # or Python would warn, beside the error, that it was never awaited
        raise InvalidParameterError("clock", '"virtual" or "real"', clock)
    if clock == "virtual":
        return run_virtual(main)
    with asyncio.Runner() as runner:
        return runner.run(main)
