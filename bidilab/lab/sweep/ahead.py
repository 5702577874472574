"""Kernels are compiled, or loaded, while the detector listens: both take seconds, and one leaves the other a core.

What the bar of the settings then counts is settings alone, so that the time it foretells is right.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import numpy as np
from tqdm import tqdm

from bidilab.core.units import s_to_samples
from bidilab.detect.vad import VadBackend
from bidilab.detect.vad.base import lookahead_of
from bidilab.lab.datasets import Dataset
from bidilab.lab.sweep.engine import labels_of, simulated_lengths, sweep_grid, word_ends_of
from bidilab.lab.sweep.grid import Grid
from bidilab.lab.sweep.problem import SweepProblem
from bidilab.lab.sweep.tracked import SweepProtocol

__all__ = ["compiling_ahead"]

_log = logging.getLogger(__name__)

_WORTHWHILE_S: Final = 300.0  # of audio: the detector takes a second on them
_SPEECH_FRAMES: Final = 20
_LOADED_S: Final = 3.0
"""Kernels that were compiled before are loaded in less."""
_begun: set[tuple[str, bool]] = set()


@contextmanager
def compiling_ahead(
    dataset: Dataset, grid: Grid, backend: VadBackend, protocol: SweepProtocol, *, progress: bool
) -> Iterator[None]:
    """Compile the kernels of a sweep in another thread while the block runs; at its end they are there.

    Once in a process for each sort of sweep. Sweeps with scores compile theirs when they come to them.

    Parameters
    ----------
    dataset, grid, backend, protocol
        Of the sweep.
    progress
        Whether to say what is waited for.
    """
    sort = (protocol["evaluation"], any(guards.needs_words for guards in grid.guard_settings))
    if grid.eot is not None or grid.interrupt is not None or dataset.duration_s < _WORTHWHILE_S or sort in _begun:
        yield
        return
    _begun.add(sort)
    with ThreadPoolExecutor(1, "bidilab-compile") as thread:
        compiled = thread.submit(_compile, dataset[:1], grid, backend, protocol)
        yield
        if progress and wait([compiled], timeout=_LOADED_S).not_done:
            tqdm.write("Compiling, once for each version of bidilab", file=sys.stderr)
        if (error := compiled.exception()) is not None:  # whatever it is, the sweep meets it and tells it
            _log.debug("the kernels could not be compiled ahead", exc_info=error)


def _compile(first: Dataset, grid: Grid, backend: VadBackend, protocol: SweepProtocol) -> None:
    """Sweep the labels of one recording with made-up speech."""
    rate = backend.sample_rate
    labels = labels_of(
        first,
        rate,
        min_overlap_ms=protocol["min_overlap_ms"],
        tolerance_ms=protocol["tolerance_ms"],
        word_times=protocol["word_times"],
    )
    frames = np.arange(-(-s_to_samples(first.duration_s, rate) // backend.frame_samples))
    problem = SweepProblem.build(
        labels,
        [(frames // _SPEECH_FRAMES % 2).astype(np.float32)],
        frame_samples=backend.frame_samples,
        sample_rate=rate,
        lookahead_samples=lookahead_of(backend),
        word_ends=word_ends_of(first, grid, rate, protocol["word_times"]),
    )
    as_recorded = replace(grid, conditions=(None,))
    sweep_grid(problem, as_recorded.only(len(as_recorded) - 1), simulated=simulated_lengths(labels, protocol))
