"""Worker processes that do not outlive the process they work for."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from bidilab.core.collecting import end_without_collecting

__all__ = ["worker_processes"]


@contextmanager
def worker_processes(
    n: int, *, initializer: Callable[..., object] | None = None, initargs: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """Give a pool of processes; when the block ends, work not yet begun is dropped, and what is begun is waited for.

    They are spawned, not forked: onnxruntime and numba hold threads, which a fork would lose with their locks held.
    Each of them ends at once when this process is gone, however that came about (``kill -9``, a lost terminal).

    Parameters
    ----------
    n
        How many, ``>= 1``.
    initializer, initargs
        Called in each process before its first task.
    """
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(n, mp_context=context, initializer=_begin, initargs=(initializer, initargs))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> None:
    end_without_collecting()
    threading.Thread(target=_end_with_parent, name="bidilab-parent-watch", daemon=True).start()
    if initializer is not None:
        initializer(*initargs)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return  # nobody started it
    # The sentinel is a pipe that only the parent holds open, or a process handle on Windows: no signal is needed.
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)
