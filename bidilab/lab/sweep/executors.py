"""Where the work of a sweep is done: in this process, in a pool of processes, or on a Dask cluster. One interface."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, Protocol, TypeVar

from bidilab.core.errors import InvalidParameterError, require_extra

__all__ = ["DaskExecutor", "Executor", "InProcess", "ProcessPool", "executor_for"]

Task = TypeVar("Task")
Result = TypeVar("Result")
Shared = TypeVar("Shared")


class Executor(Protocol):
    """Runs a function over tasks, with one thing shared by all."""

    @property
    def jobs(self) -> int:
        """How many tasks are worked on at once."""
        ...

    def map(
        self, function: Callable[[Shared, Task], Result], tasks: Sequence[Task], *, shared: Shared
    ) -> Iterator[tuple[int, Result]]:
        """Yield ``(index of the task, function(shared, task))`` as each is done, in any order.

        When the caller stops early or is interrupted, tasks not yet begun are dropped.
        """
        ...


class InProcess:
    """Does the work here, one task after the other."""

    jobs = 1

    def map(
        self, function: Callable[[Shared, Task], Result], tasks: Sequence[Task], *, shared: Shared
    ) -> Iterator[tuple[int, Result]]:
        """Yield each task's result in order."""
        for index, task in enumerate(tasks):
            yield index, function(shared, task)

    def __repr__(self) -> str:
        return "InProcess()"


_shared: Any = None


def _take_shared(shared: Any) -> None:
    global _shared
    _shared = shared


def _call(function: Callable[[Any, Any], Any], task: Any) -> Any:
    return function(_shared, task)


class ProcessPool:
    """Does the work in processes of this machine.

    Parameters
    ----------
    jobs
        How many, ``>= 1``; all cores when not given.
    """

    def __init__(self, jobs: int | None = None) -> None:
        jobs = os.cpu_count() or 1 if jobs is None else jobs
        if isinstance(jobs, bool) or int(jobs) != jobs or jobs < 1:
            raise InvalidParameterError("jobs", "a whole number >= 1", jobs)
        self._jobs = int(jobs)

    @property
    def jobs(self) -> int:
        """Number of processes."""
        return self._jobs

    def map(
        self, function: Callable[[Shared, Task], Result], tasks: Sequence[Task], *, shared: Shared
    ) -> Iterator[tuple[int, Result]]:
        """Yield results as they come. ``shared`` is sent to each process once."""
        # Spawned, not forked: onnxruntime and numba hold threads, which a fork would lose with their locks held.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(
            min(self._jobs, max(1, len(tasks))), mp_context=context, initializer=_take_shared, initargs=(shared,)
        )
        try:
            futures = {pool.submit(_call, function, task): index for index, task in enumerate(tasks)}
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def __repr__(self) -> str:
        return f"ProcessPool(jobs={self._jobs})"


class DaskExecutor:
    """Does the work on a Dask cluster (extra ``dask``).

    Parameters
    ----------
    client
        A ``distributed.Client``, or the address of a scheduler.

    Raises
    ------
    MissingExtraError
        If ``distributed`` is not installed.
    """

    def __init__(self, client: Any) -> None:
        self._distributed = require_extra("distributed", feature="DaskExecutor", extra="dask")
        self._client = self._distributed.Client(client) if isinstance(client, str) else client

    @property
    def jobs(self) -> int:
        """Threads of all workers of the cluster."""
        threads: dict[str, int] = self._client.nthreads()
        return max(1, sum(threads.values()))

    def map(
        self, function: Callable[[Shared, Task], Result], tasks: Sequence[Task], *, shared: Shared
    ) -> Iterator[tuple[int, Result]]:
        """Yield results as they come. ``shared`` is scattered to every worker once."""
        scattered = self._client.scatter(shared, broadcast=True, hash=False)
        futures = [self._client.submit(function, scattered, task, pure=False) for task in tasks]
        index = {future.key: k for k, future in enumerate(futures)}
        try:
            for future, result in self._distributed.as_completed(futures, with_results=True):
                yield index[future.key], result
        finally:
            self._client.cancel(futures)

    def __repr__(self) -> str:
        return f"DaskExecutor({self._client!r})"


def executor_for(jobs: int | None) -> Executor:
    """`InProcess` for one job, a `ProcessPool` for more; all cores for ``None``."""
    pool = ProcessPool(jobs)
    return pool if pool.jobs > 1 else InProcess()
