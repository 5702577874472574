"""The sweep: every setting of a grid on every recording of a dataset.

The probabilities are at hand (`bidilab.lab.sweep.probabilities`). Settings that give the same turns share their work: a
prefix padding of OpenAI's moves only where the audio starts, and durations count in whole frames. Guards are applied to
turns that are at hand.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm.auto import tqdm

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import Guards, TurnParams
from bidilab.detect.turns.guards import GuardRule
from bidilab.detect.turns.kernels import high_runs, turns_in_frames
from bidilab.detect.turns.params import DEACTIVATION_FLOOR
from bidilab.detect.turns.simulation import SimulatedAgent
from bidilab.lab.datasets import Dataset
from bidilab.lab.datasets.words import WordTimes, check_word_times, word_ends
from bidilab.lab.metrics.columns import setting_columns
from bidilab.lab.metrics.opportunities import MIN_OVERLAP_MS, TOLERANCE_MS, RecordingLabels, label_recording
from bidilab.lab.metrics.simulated import response_plan
from bidilab.lab.sweep.aggregate import CLIPPED_COLUMNS, aggregate, clipped_quantiles
from bidilab.lab.sweep.evaluated import N_SAMPLE_COUNTS, SimulatedLengths
from bidilab.lab.sweep.executors import Executor, InProcess, executor_for
from bidilab.lab.sweep.grid import Grid
from bidilab.lab.sweep.kernels import evaluate
from bidilab.lab.sweep.problem import SweepProblem

__all__ = [
    "DetectorSetting",
    "SweptGrid",
    "executor_of",
    "labels_of",
    "setting_row",
    "simulated_lengths",
    "sweep_grid",
    "word_ends_of",
]

_BLOCK_SETTINGS = 512  # with guards: the bootstrap holds a block's latencies at once


class DetectorSetting(NamedTuple):
    """What decides the turns: settings that agree in this give the same turns."""

    threshold: float
    deactivation_threshold: float
    min_speech_frames: int
    silence_frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """Detector settings with the same two thresholds, each under all guards."""

    settings: tuple[DetectorSetting, ...]
    prefix_samples: tuple[int, ...]
    guards: tuple[GuardRule, ...]
    simulated: SimulatedLengths | None
    n_resamples: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SweptGrid:
    """What a sweep leaves.

    Parameters
    ----------
    settings
        One row per setting of the grid, with all columns.
    evaluation
        ``(n_settings,) int64``: which evaluation each setting has; those that cannot differ share one.
    counts
        ``(n_evaluations, n_recordings, len(COUNTS) - N_SAMPLE_COUNTS)`` integers.
    """

    settings: pd.DataFrame
    evaluation: npt.NDArray[np.int64]
    counts: npt.NDArray[np.integer[Any]]


def labels_of(
    dataset: Dataset, sample_rate: int, *, min_overlap_ms: float = MIN_OVERLAP_MS, tolerance_ms: float = TOLERANCE_MS
) -> list[RecordingLabels]:
    """Labels of every recording in samples at the VAD's rate."""
    limits = {"min_overlap_ms": min_overlap_ms, "tolerance_ms": tolerance_ms}
    return [label_recording(recording.segments, sample_rate=sample_rate, **limits) for recording in dataset]


def word_ends_of(
    dataset: Dataset, grid: Grid, sample_rate: int, word_times: WordTimes
) -> list[npt.NDArray[np.int64]] | None:
    """Ends of the user's words in every recording, samples at the VAD's rate; ``None`` where no guard asks for them.

    Raises
    ------
    DatasetError
        If a guard asks, and the labels do not say.
    """
    check_word_times(word_times)
    if not any(guards.needs_words for guards in grid.guard_settings):
        return None
    return [word_ends(r.segments, sample_rate=sample_rate, word_times=word_times, name=r.id) for r in dataset]


def _evaluate_block(
    problem: SweepProblem, block: _Block
) -> tuple[pd.DataFrame, npt.NDArray[np.float64], npt.NDArray[np.integer[Any]]]:
    first = block.settings[0]
    tracks, bounds = problem.probabilities, problem.frame_bounds
    runs = high_runs(tracks, bounds, first.threshold, first.deactivation_threshold)
    evaluated = [
        under_guard
        for setting in block.settings
        for under_guard in evaluate(
            problem,
            turns_in_frames(tracks, bounds, **setting._asdict(), runs=runs),
            block.simulated,
            guards=block.guards,
        )
    ]
    table = aggregate(problem, evaluated, n_resamples=block.n_resamples, seed=block.seed)
    table["degenerate"] |= first.deactivation_threshold <= DEACTIVATION_FLOOR
    clipped = clipped_quantiles(problem, evaluated, block.prefix_samples)
    return table, clipped, _compact(np.stack([e.counts for e in evaluated]))


def setting_row(
    problem: SweepProblem, params: TurnParams, simulated: SimulatedLengths | None, guards: Guards
) -> pd.Series[Any]:
    """What `sweep_grid` says of one setting: its row, without the axes.

    The intervals of latency are of the fewest resamples there can be: they are worth nothing here.
    """
    grain = {"frame_samples": problem.frame_samples, "sample_rate": problem.sample_rate}
    rule, guard = params.in_frames(**grain), guards.in_frames(**grain)
    block = _Block(
        settings=(DetectorSetting(*rule[:4]),),
        prefix_samples=(rule.prefix_samples,),
        guards=(guard,),
        simulated=simulated,
        n_resamples=2,
        seed=0,
    )
    table, clipped, _ = _evaluate_block(problem, block)
    table[list(CLIPPED_COLUMNS)] = clipped[:, 0]
    columns = setting_columns(simulated=simulated is not None, resumes=guard.timeout_samples >= 0)
    return table[list(columns)].iloc[0]


def _compact(counts: npt.NDArray[np.int32]) -> npt.NDArray[np.integer[Any]]:
    """The counts without the columns of samples, in 16 bits where they fit."""
    counts = counts[:, :, :-N_SAMPLE_COUNTS]
    return counts.astype(np.int16) if not counts.size or counts.max() <= np.iinfo(np.int16).max else counts


def sweep_grid(
    problem: SweepProblem,
    grid: Grid,
    *,
    simulated: SimulatedLengths | None = None,
    executor: Executor | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
    progress: bool = False,
) -> SweptGrid:
    """Evaluate every setting of a grid (DESIGN §8).

    Parameters
    ----------
    problem
        Labels and probabilities.
    grid
        The settings.
    simulated
        The simulated agent of a *simulated* evaluation; not given, the evaluation is *recorded*.
    executor
        Where the work is done; in this process when not given.
    n_resamples, seed
        Of the bootstrap over recordings; ``n_resamples >= 2``.
    progress
        Whether to show a bar.

    Raises
    ------
    InvalidParameterError
        If ``n_resamples`` is too small.
    """
    if n_resamples < 2:
        raise InvalidParameterError("n_resamples", "a whole number >= 2", n_resamples)
    detector, index, prefix = _detector_settings(grid, problem)
    rules = [
        g.in_frames(frame_samples=problem.frame_samples, sample_rate=problem.sample_rate) for g in grid.guard_settings
    ]
    guards = tuple(dict.fromkeys(rules))
    prefixes = tuple(sorted(set(prefix.tolist())))
    blocks = _blocks(detector, guards, prefixes, simulated, n_resamples, seed)
    order: dict[DetectorSetting, int] = {}
    tables: list[pd.DataFrame] = [pd.DataFrame()] * len(blocks)
    clipped: list[npt.NDArray[np.float64]] = [np.empty(0)] * len(blocks)
    counts: list[npt.NDArray[np.integer[Any]]] = [np.empty(0, np.int16)] * len(blocks)
    with tqdm(total=len(grid), desc="Settings", disable=not progress, dynamic_ncols=True) as bar:
        executor = executor or InProcess()
        for k, result in executor.map(_evaluate_block, blocks, shared=problem):
            tables[k], clipped[k], counts[k] = result
            bar.update(round(len(grid) * len(blocks[k].settings) / len(detector)))
        bar.update(len(grid) - bar.n)
    for block in blocks:
        for setting in block.settings:
            order[setting] = len(order)
    of_guard = np.array([guards.index(rule) for rule in rules], dtype=np.int64)
    of_detector = np.array([order[detector[k]] for k in index], dtype=np.int64)
    rows = (of_detector[:, None] * len(guards) + of_guard).ravel()
    settings = pd.concat(tables, ignore_index=True).iloc[rows].reset_index(drop=True)
    clip = np.concatenate(clipped)[rows, np.searchsorted(prefixes, np.repeat(prefix, len(rules)))]
    settings[list(CLIPPED_COLUMNS)] = clip
    settings = pd.concat([grid.to_frame().reset_index(drop=True), settings], axis=1).rename_axis("setting")
    resumes = any(rule.timeout_samples >= 0 for rule in rules)
    settings = settings[[*grid.axes, *setting_columns(simulated=simulated is not None, resumes=resumes)]]
    return SweptGrid(settings=settings, evaluation=rows, counts=np.concatenate(counts))


def _detector_settings(
    grid: Grid, problem: SweepProblem
) -> tuple[list[DetectorSetting], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The different detector settings of a grid; by its points without guards, which each has and its prefix."""
    known: dict[DetectorSetting, int] = {}
    n_points = len(grid) // grid.n_guard_settings
    index = np.empty(n_points, dtype=np.int64)
    prefix = np.empty(n_points, dtype=np.int64)
    for k in range(n_points):
        rule = grid.params(k * grid.n_guard_settings).in_frames(
            frame_samples=problem.frame_samples, sample_rate=problem.sample_rate
        )
        setting = DetectorSetting(*rule[:4])
        index[k] = known.setdefault(setting, len(known))
        prefix[k] = rule.prefix_samples
    return list(known), index, prefix


def _blocks(
    detector: Sequence[DetectorSetting],
    guards: tuple[GuardRule, ...],
    prefixes: tuple[int, ...],
    simulated: SimulatedLengths | None,
    n_resamples: int,
    seed: int,
) -> list[_Block]:
    by_thresholds: dict[tuple[float, float], list[DetectorSetting]] = {}
    for setting in detector:
        by_thresholds.setdefault(setting[:2], []).append(setting)
    at_once = max(1, _BLOCK_SETTINGS // len(guards)) if len(guards) > 1 else len(detector)
    return [
        _Block(
            settings=tuple(settings[first : first + at_once]),
            prefix_samples=prefixes,
            guards=guards,
            simulated=simulated,
            n_resamples=n_resamples,
            seed=seed,
        )
        for settings in by_thresholds.values()
        for first in range(0, len(settings), at_once)
    ]


def simulated_lengths(
    labels: Sequence[RecordingLabels], *, response_delay_ms: float, response_ms: float | Literal["recorded"]
) -> SimulatedLengths:
    """The simulated agent of every recording, as `response_plan` has it, for the compiled evaluation."""
    plans = [response_plan(label, response_delay_ms=response_delay_ms, response_ms=response_ms) for label in labels]
    agents = [SimulatedAgent(plan, sample_rate=label.sample_rate) for plan, label in zip(plans, labels, strict=True)]
    return SimulatedLengths(
        delay=agents[0].delay_samples,
        lengths=np.concatenate([agent.lengths_samples for agent in agents]).astype(np.int64),
        bounds=np.cumsum([0, *(len(agent.lengths_samples) for agent in agents)]).astype(np.int64),
    )


def executor_of(executor: Executor | None, jobs: int | None, duration_s: float) -> Executor:
    """The executor given; else as many processes as ``jobs``, and for ``None`` as many as the audio is worth."""
    if executor is not None:
        return executor
    if jobs is None:  # starting a process costs about as much as the VAD on ten minutes of audio
        jobs = min(os.cpu_count() or 1, 1 + int(duration_s // 3600))
    return executor_for(jobs)
