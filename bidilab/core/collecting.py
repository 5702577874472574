"""Rare garbage collection, for work that makes many objects and little garbage, and none at the end of a process."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collecting_rarely", "end_without_collecting"]


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Look for cycles of garbage rarely while the block runs.

    Importing and drawing make hundreds of thousands of objects that stay. To look through them every 700 new ones, as
    Python does, takes a seventh of the time.
    """
    before = gc.get_threshold()
    gc.set_threshold(100_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def end_without_collecting() -> None:
    """When this process ends, do not look for garbage among what it holds.

    Python does so as it ends, which takes a second where numba, pandas and matplotlib are loaded; the system takes all
    back anyway. What is to be called at the end of the process still is.
    """
    atexit.register(gc.freeze)
