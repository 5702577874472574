"""A session in a thread of its own, with its own event loop: it goes on while a notebook's cell runs.

Whoever waits, waits for an event that the thread sets as its last act, never for the thread itself: an interrupted
``Thread.join`` of CPython 3.11 and 3.12 takes a live thread for one that has ended (python/cpython#90882), and on no
version does it end the work.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple

from bidilab.core.clock import ClockName, RealClock, run
from bidilab.core.errors import SessionError

__all__ = ["BackgroundSession", "run_anywhere"]

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

STOP_LIMIT_S = 15.0
"""Longest wait of `BackgroundSession.stop` for a session to end in order."""

_LOOK_S = 0.5  # Windows sees an interrupt only between two waits
_running: weakref.WeakSet[BackgroundSession] = weakref.WeakSet()


class BackgroundSession:
    """Runs one coroutine, once, in a thread of its own.

    Parameters
    ----------
    main
        Makes the coroutine; called in the thread.
    name
        Name of the thread.
    clock
        ``"real"``, or ``"virtual"``: waiting costs nothing (`bidilab.core.clock.run`).

    Notes
    -----
    The interpreter ends every session that still runs before it goes (``atexit``).

    Examples
    --------
    >>> seen = []
    >>> async def main():
    ...     seen.append(threading.current_thread().name)
    >>> session = BackgroundSession(main, name="talk")
    >>> session.start()
    >>> session.wait(), session.failure, seen
    (True, None, ['talk'])
    """

    def __init__(
        self, main: Callable[[], Coroutine[Any, Any, None]], *, name: str = "bidilab-session", clock: ClockName = "real"
    ) -> None:
        self._main = main
        self._name = name
        self._clock: ClockName = clock
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._stopping = False
        self._failure: BaseException | None = None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended yet."""
        return self._thread is not None and not self._ended.is_set()

    @property
    def failure(self) -> BaseException | None:
        """The coroutine's exception; ``None`` while it runs, and when it ended in order or was stopped."""
        return self._failure

    def start(self) -> None:
        """Start the coroutine. A second start does nothing."""
        with self._lock:
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            _running.add(self)
            self._thread.start()

    def _run(self) -> None:
        try:
            run(self._live(), self._clock)
        except asyncio.CancelledError:
            pass  # it was stopped, as asked
        except BaseException as error:  # noqa: BLE001 - kept for whoever looks: there is no caller in this thread
            self._failure = error
        finally:
            self._ended.set()

    async def _live(self) -> None:
        with self._lock:
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
            stopped_before = self._stopping
        try:
            if not stopped_before:
                await self._main()
        finally:
            with self._lock:
                self._loop = self._task = None

    def post(self, call: Callable[[*_Ts], object], *arguments: *_Ts) -> bool:
        """Schedule a call in the session's loop; return whether there is a loop to call it in."""
        with self._lock:
            if self._loop is None:
                return False
            self._loop.call_soon_threadsafe(call, *arguments)
            return True

    def stop(self, limit_s: float = STOP_LIMIT_S) -> None:
        """End it in order, and wait for the end; from the session's own thread, only ask for the end.

        Stopping twice, or before a start, is no error. The session ends even if the caller is interrupted.

        Raises
        ------
        SessionError
            If it has not ended after ``limit_s`` seconds.
        """
        self._ask_for_the_end()
        if self._thread is None or self._thread is threading.current_thread():
            return
        if not self._has_ended(limit_s):
            raise SessionError(f"the session did not end within {limit_s} s after it was told to stop")

    def _ask_for_the_end(self) -> None:
        with self._lock:
            self._stopping = True
            if self._loop is not None and self._task is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it has ended by itself; return whether it has.

        If the caller is interrupted while waiting (``KeyboardInterrupt``), the session is stopped too, as by `stop`:
        nobody waits for it any more.

        Parameters
        ----------
        timeout_s
            Longest wait in seconds; ``None``: as long as it takes.

        Raises
        ------
        SessionError
            If it was never started, or is waited for in its own thread.
        """
        if self._thread is None or self._thread is threading.current_thread():
            raise SessionError("cannot wait: the session was never started, or it runs in this thread")
        try:
            return self._has_ended(timeout_s)
        except BaseException:
            self._ask_for_the_end()
            self._has_ended(STOP_LIMIT_S)  # interrupted once more, or too late: asked it is
            raise

    def _has_ended(self, limit_s: float | None) -> bool:
        clock = RealClock()
        while not self._ended.is_set():
            left_s = _LOOK_S if limit_s is None else min(_LOOK_S, limit_s - clock.now_s())
            if left_s <= 0.0:
                return False
            self._ended.wait(left_s)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_LOOK_S)  # it has nothing left to do; nothing hangs on how this ends
        return True


def run_anywhere(main: Callable[[], Coroutine[Any, Any, _T]], clock: ClockName = "real") -> _T:
    """Run a coroutine to its end and return its result: here, or in a thread where a loop runs already (a notebook).

    ``KeyboardInterrupt`` cancels the coroutine in either place, and is raised when the coroutine has ended.

    Parameters
    ----------
    main
        Makes the coroutine.
    clock
        As in `bidilab.core.clock.run`.

    Raises
    ------
    InvalidParameterError
        If ``clock`` is unknown.
    Exception
        What the coroutine raises.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run(main(), clock)
    made: list[_T] = []

    async def keep() -> None:
        made.append(await main())

    session = BackgroundSession(keep, name="bidilab-run", clock=clock)
    session.start()
    session.wait()
    if session.failure is not None:
        raise session.failure
    if not made:
        raise asyncio.CancelledError
    return made[0]


def _stop_all() -> None:
    still = [session for session in list(_running) if session.running]
    for session in still:
        session._ask_for_the_end()
    late = [session for session in still if not session._has_ended(STOP_LIMIT_S)]
    if late:
        raise SessionError(f"{len(late)} sessions did not end within {STOP_LIMIT_S} s after they were told to stop")


atexit.register(_stop_all)
