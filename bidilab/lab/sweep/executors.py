"""Where the work of a sweep is done: in this process, in a pool of processes, or on a Dask cluster. One interface."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from importlib.metadata import version
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from bidilab.core.checks import is_whole
from bidilab.core.errors import ClusterError, InvalidParameterError, require_extra
from bidilab.core.processes import worker_processes

__all__ = ["DaskExecutor", "Executor", "InProcess", "ProcessPool", "executor_for"]

Task = TypeVar("Task")
Result = TypeVar("Result")
Shared = TypeVar("Shared")


class Executor(Protocol):
    """Runs a function over tasks, with one thing shared by all.

    An executor whose work is done on other machines may say so by an attribute ``elsewhere = True``: the recordings are
    then heard and evaluated there, part by part.
    """

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
    """Run a sweep in processes of this machine.

    Parameters
    ----------
    jobs
        How many, ``>= 1``; all cores when not given.
    """

    def __init__(self, jobs: int | None = None) -> None:
        jobs = os.cpu_count() or 1 if jobs is None else jobs
        if not (is_whole(jobs) and jobs >= 1):
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
        n = min(self._jobs, max(1, len(tasks)))
        with worker_processes(n, initializer=_take_shared, initargs=(shared,)) as pool:
            futures = {pool.submit(_call, function, task): index for index, task in enumerate(tasks)}
            for future in as_completed(list(futures)):
                yield futures.pop(future), future.result()  # not kept: a result may be large

    def __repr__(self) -> str:
        return f"ProcessPool(jobs={self._jobs})"


class DaskExecutor:
    """Run a sweep on a Dask cluster (extra ``dask``), one part of the recordings at a time.

    A worker runs the VAD over some hours of recordings, evaluates all settings on them and sends counts back. Nothing
    is broadcast to all workers; the scheduler holds a few tasks for each thread and no more. If a worker is lost,
    another one does its part again.

    A client that is made here, from an address, is closed by `close`, or at the end of a ``with`` block.

    Parameters
    ----------
    client
        A ``distributed.Client``, or the address of a scheduler.
    tasks_per_thread
        How many parts are sent for each thread of the cluster before the first comes back, ``>= 1``.

    Raises
    ------
    ClusterError
        If no scheduler answers at the address.
    MissingExtraError
        If ``distributed`` is not installed.
    """

    elsewhere = True

    def __init__(self, client: Any, *, tasks_per_thread: int = 2) -> None:
        self._distributed = require_extra("distributed", feature="a sweep on a Dask cluster", extra="dask")
        if isinstance(tasks_per_thread, bool) or not isinstance(tasks_per_thread, int) or tasks_per_thread < 1:
            raise InvalidParameterError("tasks_per_thread", "a whole number >= 1", tasks_per_thread)
        self._owns_client = isinstance(client, str)
        self._client = self._connected(client) if isinstance(client, str) else client
        self._tasks_per_thread = tasks_per_thread

    def _connected(self, address: str) -> Any:
        try:
            return self._distributed.Client(address)
        except (OSError, ValueError, ImportError) as error:  # no answer, no address, or a protocol not installed
            raise ClusterError(f"{address}: no Dask scheduler answers: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the client, if it was made here."""
        if self._owns_client:
            self._client.close()

    @property
    def n_workers(self) -> int:
        """Workers that the cluster has now."""
        return len(self._client.nthreads())

    @property
    def jobs(self) -> int:
        """Threads of all workers of the cluster."""
        threads: dict[str, int] = self._client.nthreads()
        return max(1, sum(threads.values()))

    def map(
        self, function: Callable[[Shared, Task], Result], tasks: Sequence[Task], *, shared: Shared
    ) -> Iterator[tuple[int, Result]]:
        """Yield results as they come. ``shared`` goes with each task: scattered data are lost with their workers.

        Raises
        ------
        ClusterError
            If a worker has no bidilab, or another version of it, or the workers of one task die again and again.
        """
        waiting = iter(enumerate(tasks))
        futures: dict[Any, int] = {}
        self._check_workers()
        done = self._distributed.as_completed(with_results=True)

        def send(n: int) -> None:
            for index, task in itertools.islice(waiting, n):
                future = self._client.submit(function, shared, task, pure=False)
                futures[future] = index
                done.add(future)

        try:
            send(self._tasks_per_thread * self.jobs)
            for future, result in done:
                index = futures.pop(future)
                future.release()  # else its result stays on the worker
                send(max(1, self._tasks_per_thread * self.jobs - len(futures)))
                yield index, result
        except self._distributed.KilledWorker as error:
            raise ClusterError(f"part of the work cannot be done: {error}") from error
        finally:
            self._client.cancel(list(futures))

    def _check_workers(self) -> None:
        """Refuse workers of another version of bidilab before anything is sent; later ones fail with their task."""
        ours = version("bidilab")
        for worker, found in self._client.run(version, "bidilab", on_error="return").items():
            if found != ours:
                theirs = "none" if isinstance(found, Exception) else found
                raise ClusterError(f"the worker {worker} has bidilab {theirs}, and this machine {ours}")

    def __repr__(self) -> str:
        return f"DaskExecutor({self._client!r})"


def executor_for(jobs: int | None) -> Executor:
    """`InProcess` for one job, a `ProcessPool` for more; all cores for ``None``."""
    pool = ProcessPool(jobs)
    return pool if pool.jobs > 1 else InProcess()
