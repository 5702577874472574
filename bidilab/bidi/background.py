"""A session in a thread of its own, with its own event loop: it goes on while a notebook's cell runs."""

from __future__ import annotations

import asyncio
import atexit
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, TypeVarTuple

from bidilab.core.errors import SessionError

__all__ = ["BackgroundSession"]

_Ts = TypeVarTuple("_Ts")

STOP_LIMIT_S = 15.0
"""How long `BackgroundSession.stop` waits for a session to end in order."""

_running: weakref.WeakSet[BackgroundSession] = weakref.WeakSet()


class BackgroundSession:
    """Runs one coroutine, once, in a thread of its own.

    Parameters
    ----------
    main
        Makes the coroutine; called in the thread.
    name
        Of the thread.

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

    def __init__(self, main: Callable[[], Coroutine[Any, Any, None]], *, name: str = "bidilab-session") -> None:
        self._main = main
        self._name = name
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._lock = threading.Lock()
        self._stopping = False
        self._failure: BaseException | None = None

    @property
    def running(self) -> bool:
        """Whether the thread lives."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def failure(self) -> BaseException | None:
        """What the coroutine raised; ``None`` while it runs, and when it ended in order or was stopped."""
        return self._failure

    def start(self) -> None:
        """Run it. A second start is no error, and starts nothing."""
        with self._lock:
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            _running.add(self)
            self._thread.start()

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                runner.run(self._live())
        except asyncio.CancelledError:
            pass  # it was stopped, as asked
        except BaseException as error:  # noqa: BLE001 - kept for whoever looks: there is no caller in this thread
            self._failure = error

    async def _live(self) -> None:
        with self._lock:
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
            if self._stopping:
                return
        try:
            await self._main()
        finally:
            with self._lock:
                self._loop = self._task = None

    def post(self, call: Callable[[*_Ts], object], *arguments: *_Ts) -> bool:
        """Have something called in the session's loop, soon; return whether there was a loop to call it in."""
        with self._lock:
            if self._loop is None:
                return False
            self._loop.call_soon_threadsafe(call, *arguments)
            return True

    def stop(self, limit_s: float = STOP_LIMIT_S) -> None:
        """End it in order, and wait for the thread; from the session's own thread, only ask for the end.

        Stopping twice, or what never started, is no error.

        Raises
        ------
        SessionError
            If it has not ended after ``limit_s`` seconds.
        """
        with self._lock:
            self._stopping = True
            thread = self._thread
            if self._loop is not None and self._task is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)
        if thread is None or thread is threading.current_thread():
            return
        thread.join(limit_s)
        if thread.is_alive():
            raise SessionError(f"the session has not ended within {limit_s} s of being told to")

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it has ended by itself; return whether it has.

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
            raise SessionError("only a session that was started, and in another thread, can be waited for")
        self._thread.join(timeout_s)
        return not self._thread.is_alive()


def _stop_all() -> None:
    for session in list(_running):
        if session.running:
            session.stop()


atexit.register(_stop_all)
