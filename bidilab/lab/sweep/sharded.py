"""A sweep by parts of the recordings: each is heard and evaluated where its audio is, and only counts come back.

What is found of a part (a shard) is a file of counts by recording and verdicts on events, without tracks. The file is
written when the part is done: a worker that is lost costs its part, and a sweep that was stopped goes on with the parts
that are missing. Parts are some hours of consecutive recordings, the same ones whoever works on them.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from bidilab.core.errors import CacheError
from bidilab.core.files import written_whole
from bidilab.detect.scorers.base import Task
from bidilab.detect.vad import VadSource, VadTracks
from bidilab.detect.vad.base import lookahead_of
from bidilab.detect.vad.given import cannot_be_sent
from bidilab.lab.datasets import Dataset
from bidilab.lab.sweep.asked import answers_of
from bidilab.lab.sweep.engine import BlockJudge, clusters_of, settings_table, simulated_lengths, tabulate, word_ends_of
from bidilab.lab.sweep.evaluated import COUNTS_OF
from bidilab.lab.sweep.executors import InProcess
from bidilab.lab.sweep.grid import Grid
from bidilab.lab.sweep.heard import Means, hear, who_answers
from bidilab.lab.sweep.plan import SweepPlan
from bidilab.lab.sweep.scoring import find_scores
from bidilab.lab.sweep.shardfile import close_shard, is_whole, pack_block, pack_labels
from bidilab.lab.sweep.shardstore import ShardStore
from bidilab.lab.sweep.tracked import SweepProtocol

__all__ = [
    "MOST_IN_MEMORY_BYTES",
    "ShardedSweep",
    "check_tracks",
    "evaluate_shard",
    "memory_of",
    "shards_of",
    "sweep_by_shards",
]

MOST_IN_MEMORY_BYTES = 1 << 29
"""A sweep that takes more goes by parts, whoever does the work."""
LARGEST_SHARD_S = 5 * 3600.0
SMALLEST_SHARD_S = 900.0
_SHARDS = 64  # as many as keep some machines busy, and make the loss of one a small one
_BLOCK_BYTES = 1 << 27
_FRAME_BYTES = 8  # of a track: as it is heard, and laid out flat
_RECORDING_BYTES = sum(COUNTS_OF[part].itemsize for part in ("turns", "stops"))
_TURN_BYTES = 4 + 1 + 8  # wait, state, first turn


def shards_of(durations_s: Sequence[float]) -> list[slice]:
    """Consecutive recordings together: 64 parts of about the same length, but of 15 minutes to 5 hours each."""
    at_most = min(max(sum(durations_s) / _SHARDS, SMALLEST_SHARD_S), LARGEST_SHARD_S)
    firsts, seconds = [0], 0.0
    for index, duration in enumerate(durations_s):
        if index > firsts[-1] and seconds + duration > at_most * (1 + 1e-9):
            firsts.append(index)
            seconds = 0.0
        seconds += duration
    return [slice(a, b) for a, b in zip(firsts, [*firsts[1:], len(durations_s)], strict=True)]


def _row_bytes(dataset: Dataset) -> int:
    """Memory that one evaluation of all recordings takes."""
    turns = sum(s.kind in ("turn", "interruption") for recording in dataset for s in recording.segments)
    return len(dataset) * _RECORDING_BYTES + turns * _TURN_BYTES


def memory_of(dataset: Dataset, grid: Grid, vad_frame_s: float) -> int:
    """Bytes that a sweep takes about, if it keeps all it hears and finds in memory."""
    n_guards = grid.n_guard_settings
    rows = {
        (params.threshold, params.min_speech_ms, params.silence_duration_ms)
        for params in map(grid.params, range(0, grid.n_under_one_condition, n_guards))
    }
    n_rows = len(rows) * n_guards * len(grid.conditions)
    frames = round(dataset.duration_s / vad_frame_s) * len(grid.conditions)
    return frames * _FRAME_BYTES + n_rows * _row_bytes(dataset) // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setup:
    """What all parts have in common; it does not grow with the recordings."""

    grid: Grid
    means: Means
    plan: SweepPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shard:
    """A part of the recordings, and what is known of them beforehand."""

    key: str
    dataset: Dataset
    known: Mapping[str, Any]


def evaluate_shard(setup: _Setup, shard: _Shard) -> bytes:
    """Hear a part of the recordings and evaluate all settings on it; returns the content of a `ShardFile`."""
    with shard.dataset.fetched() as dataset:
        return _evaluate(setup, shard, dataset)


def _evaluate(setup: _Setup, shard: _Shard, dataset: Dataset) -> bytes:
    known = dict(shard.known)
    means = replace(setup.means, spec=known.pop("spec", setup.means.spec))
    grid = replace(setup.grid, **known) if known else setup.grid
    sources = hear(dataset, grid, means, is_part=True)
    labels = sources[0].all_labels
    simulated = simulated_lengths(labels, means.protocol)
    words = word_ends_of(dataset, grid, means.spec.sample_rate, means.protocol["word_times"])
    packed: list[bytes] = []
    for source in sources:
        problem = source.laid_out(words, labels=labels)
        if not packed:
            packed += pack_labels(
                {
                    "label_counts": problem.label_counts,
                    "true_recording": problem.true_recording,
                    "turn_recording": problem.turn_recording,
                    "turn_starts": problem.turn_starts,
                }
            )
        plan, answers, interrupting = setup.plan, source.answers, source.interrupting
        scores = find_scores(
            problem, plan.settings, plan.guards, answers, interrupting, simulated=simulated is not None
        )
        judge = BlockJudge(problem, simulated)
        for block in plan.blocks:
            packed += pack_block(judge.judge(block, scores.of(block.thresholds)))
    return close_shard(shard.key, packed)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShardedSweep:
    """What a sweep by parts leaves.

    Parameters
    ----------
    store
        Counts and verdicts.
    tables
        The settings under each condition, without their condition.
    """

    store: ShardStore
    tables: tuple[pd.DataFrame, ...]


def sweep_by_shards(
    dataset: Dataset, grid: Grid, means: Means, *, facts: Mapping[str, Any], checkpoint: Path | None
) -> ShardedSweep:
    """Evaluate a grid part by part.

    Parameters
    ----------
    dataset, grid, means
        As in `run_sweep`.
    facts
        What the result will say of detector, scorers and conditions: what was found with others is not taken.
    checkpoint
        Folder for what is found; a temporary one when not given.

    Raises
    ------
    CacheError
        If the folder cannot be written.
    """
    spec, executor, protocol, progress = means.spec, means.executor, means.protocol, means.progress
    if not isinstance(executor, InProcess) and (why := cannot_be_sent(spec)):
        warnings.warn(f"the VAD {spec.name} runs in this process alone: {why}", UserWarning, stacklevel=2)
        executor = InProcess()
    backend = spec.build()
    grain = {
        "frame_samples": backend.frame_samples,
        "sample_rate": spec.sample_rate,
        "lookahead_samples": lookahead_of(backend),
    }
    rows_at_once = max(1, _BLOCK_BYTES // max(1, _row_bytes(dataset)))
    asked = {"cache": means.scores, "executor": InProcess(), "lookahead_samples": grain["lookahead_samples"]}
    answers, interrupting = who_answers(grid, [], sample_rate=spec.sample_rate, is_part=True, **asked)
    under_one = replace(grid, conditions=(None,))
    plan = SweepPlan.of(under_one, grain, answers=answers, interrupting=interrupting, rows_at_once=rows_at_once)
    root = Path(tempfile.mkdtemp(prefix="bidilab-sweep-")) if checkpoint is None else checkpoint
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CacheError(f"{root}: cannot create the folder for the parts of a sweep ({error})") from error
    setup = _Setup(
        grid=_without_tracks(grid),
        means=replace(
            means,
            spec=spec.part(()) if isinstance(spec, VadTracks) else spec,
            executor=InProcess(),
            progress=False,
        ),
        plan=plan,
    )
    parts = shards_of([recording.duration_s for recording in dataset])
    same = json.dumps(
        [grid.to_json(), dict(protocol), dict(facts), rows_at_once, version("bidilab")], sort_keys=True, default=str
    )
    shards = [_shard(dataset[part], grid, spec, same) for part in parts]
    paths = [root / f"shard-{index:05d}-{shard.key[:16]}.bin" for index, shard in enumerate(shards)]
    missing = [k for k in range(len(shards)) if not is_whole(paths[k], shards[k].key)]
    lengths = [shard.dataset.duration_s for shard in shards]
    try:
        with tqdm(total=round(sum(lengths)), desc="Shards", unit="s", disable=not progress, dynamic_ncols=True) as bar:
            bar.update(round(sum(lengths)) - round(sum(lengths[k] for k in missing)))
            for index, content in executor.map(evaluate_shard, [shards[k] for k in missing], shared=setup):
                with written_whole(paths[missing[index]]) as partial:
                    partial.write_bytes(content)
                bar.update(round(lengths[missing[index]]))
        clusters = clusters_of(dataset, protocol["cluster"])
        store = ShardStore(
            paths,
            plan,
            n_conditions=len(grid.conditions),
            clusters=np.unique(clusters, return_inverse=True)[1].reshape(-1).astype(np.int64),
            sample_rate=spec.sample_rate,
        )
        tables = _tables(store, under_one, protocol, progress=progress)
    except BaseException:
        if checkpoint is None:
            shutil.rmtree(root, ignore_errors=True)
        raise
    if checkpoint is None:  # the files go with the last result that reads them
        weakref.finalize(store, shutil.rmtree, root, ignore_errors=True)
    return ShardedSweep(store=store, tables=tables)


def _tables(store: ShardStore, grid: Grid, protocol: SweepProtocol, *, progress: bool) -> tuple[pd.DataFrame, ...]:
    simulated = protocol["evaluation"] == "simulated"
    n_blocks = len(store.plan.blocks)
    tables = []
    with tqdm(total=store.n_blocks, desc="Intervals", disable=not progress, dynamic_ncols=True) as bar:
        for condition in range(store.n_conditions):
            rows, clipped = [], []
            for index, block in enumerate(store.plan.blocks):
                found = store.block(condition * n_blocks + index)
                table, lost = tabulate(store.labels, block, found, simulated=simulated)
                rows.append(table)
                clipped.append(lost)
                bar.update()
            tables.append(settings_table(store.plan, grid, rows, clipped, simulated=simulated))
    store.forget()
    return tuple(tables)


def check_tracks(dataset: Dataset, grid: Grid, spec: VadSource) -> None:
    """Refuse known tracks that are not those of the dataset, before any part is begun."""
    recordings = list(dataset)
    if isinstance(spec, VadTracks):
        spec.check([recording.id for recording in recordings])
    tasks: dict[str, Task] = {"eot": "eot", "interrupt": "interruption"}
    for name, tracks in _tracked(grid).items():
        for condition in grid.conditions:
            answers_of(
                tracks,
                recordings,
                task=tasks[name],
                sample_rate=spec.sample_rate,
                lookahead_samples=0,
                context="turn",
                cache=None,
                executor=InProcess(),
                condition=condition,
            )


def _tracked(grid: Grid) -> dict[str, Mapping[str, Any]]:
    """The scorers of a grid that are known tracks."""
    given = {"eot": grid.eot, "interrupt": grid.interrupt}
    return {name: scorer for name, scorer in given.items() if isinstance(scorer, Mapping)}


def _without_tracks(grid: Grid) -> Grid:
    """A grid whose score tracks are those of one recording: each part brings its own."""
    one: dict[str, Any] = {name: _first(tracks) for name, tracks in _tracked(grid).items()}
    return replace(grid, **one)


def _first(tracks: Mapping[str, Any]) -> dict[str, Any]:
    """One of some tracks: a grid without any would be another grid."""
    return dict([next(iter(tracks.items()))])


def _shard(part: Dataset, grid: Grid, spec: VadSource, same: str) -> _Shard:
    ids = [recording.id for recording in part]
    known: dict[str, Any] = {}
    for name, tracks in _tracked(grid).items():
        own = {each: tracks[each] for each in ids if each in tracks}
        known[name] = own or _first(tracks)
    digest = hashlib.sha256(json.dumps([same, part.sha256]).encode())
    digest.update(pickle.dumps(known))
    if isinstance(spec, VadTracks):
        known["spec"] = spec.part(ids)
    return _Shard(key=digest.hexdigest(), dataset=part, known=known)
