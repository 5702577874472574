"""The sweep: every setting of a grid on every recording of a dataset.

The probabilities are at hand (`bidilab.lab.sweep.probabilities`). Settings that give the same turns share their work: a
prefix padding of OpenAI's moves only where the audio starts, and durations count in whole frames. Guards are applied to
turns that are at hand.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm import tqdm

from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.core.timeline import Interval
from bidilab.core.units import s_to_samples
from bidilab.detect.turns import AdaptiveInterruption, EndOfTurn, Guards, TurnParams
from bidilab.detect.turns.guards import GuardRule
from bidilab.detect.turns.kernels import Runs, high_runs
from bidilab.detect.turns.params import DEACTIVATION_FLOOR
from bidilab.detect.turns.simulation import SimulatedAgent
from bidilab.lab.datasets import Dataset
from bidilab.lab.datasets.splitting import speaker_groups
from bidilab.lab.datasets.words import WordTimes, check_word_times, word_ends
from bidilab.lab.metrics.columns import Part, counted_in, setting_columns
from bidilab.lab.metrics.members import MIN_OVERLAP_MS, TOLERANCE_MS, MemberSet, members_of
from bidilab.lab.metrics.stops import response_plan
from bidilab.lab.sweep.aggregate import (
    CLIPPED_COLUMNS,
    as_frame,
    clipped_quantiles,
    event_columns,
    label_columns,
    stop_columns,
    turn_columns,
)
from bidilab.lab.sweep.counts import RECORDING_COUNTS, CountsPart
from bidilab.lab.sweep.evaluated import EventVerdicts, SimulatedLengths, TurnVerdicts, recorded_counts
from bidilab.lab.sweep.executors import Executor, InProcess, executor_for
from bidilab.lab.sweep.grid import Grid
from bidilab.lab.sweep.kernels.evaluation import count_stops, judge_turns
from bidilab.lab.sweep.plan import Block, SweepPlan
from bidilab.lab.sweep.problem import HasLabels, SweepProblem
from bidilab.lab.sweep.scoring import (
    DetectorSetting,
    MetScores,
    ScoreAnswers,
    Thresholds,
    detector_setting,
    find_scores,
    guard_rule,
)
from bidilab.lab.sweep.verdicts import SweptVerdicts

__all__ = [
    "CLUSTERS",
    "BlockJudge",
    "BlockVerdicts",
    "Cluster",
    "SweptGrid",
    "clusters_of",
    "executor_of",
    "labels_of",
    "setting_row",
    "settings_table",
    "simulated_lengths",
    "sweep_grid",
    "tabulate",
    "word_ends_of",
]

Cluster = Literal["recording", "speaker"]
CLUSTERS: tuple[Cluster, ...] = ("recording", "speaker")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A block, and the scores that its settings meet."""

    block: Block
    simulated: SimulatedLengths | None
    scores: MetScores


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockVerdicts:
    """What is found of a block.

    Parameters
    ----------
    events
        Delays are those of true members alone.
    event_of
        ``(n_settings, n_guards) int64`` into the rows of ``events``.
    turns
        Of each detector setting.
    stops
        ``(n_settings * n_guards, n_recordings, n_columns)`` integers: each setting under all guards.
    """

    events: EventVerdicts
    event_of: npt.NDArray[np.int64]
    turns: TurnVerdicts
    stops: npt.NDArray[np.integer[Any]]


class _BlockFound(NamedTuple):
    table: pd.DataFrame
    clipped: npt.NDArray[np.float64]
    verdicts: BlockVerdicts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SweptGrid:
    """What a sweep leaves.

    Parameters
    ----------
    settings
        One row per setting of the grid, with all columns.
    counts
        By recording; together they have every column of `RECORDING_COUNTS`.
    verdicts
        On every event and turn.
    """

    settings: pd.DataFrame
    counts: tuple[CountsPart, ...]
    verdicts: SweptVerdicts


def labels_of(
    dataset: Dataset,
    sample_rate: int,
    *,
    min_overlap_ms: float = MIN_OVERLAP_MS,
    tolerance_ms: float = TOLERANCE_MS,
    word_times: WordTimes = "labelled",
    speech: Sequence[Sequence[Interval]] | None = None,
) -> list[MemberSet]:
    """Labels of every recording in samples at the VAD's rate; ``speech`` of each is for its pauses (`find_pauses`)."""
    heard = [()] * len(dataset) if speech is None else speech
    return [
        members_of(
            recording.segments,
            sample_rate=sample_rate,
            duration_samples=s_to_samples(recording.duration_s, sample_rate),
            min_overlap_ms=min_overlap_ms,
            tolerance_ms=tolerance_ms,
            word_times=word_times,
            speech=spoken,
        )
        for recording, spoken in zip(dataset, heard, strict=True)
    ]


def clusters_of(dataset: Dataset, cluster: Cluster) -> npt.NDArray[np.int64]:
    """Which recordings go together where intervals are made, ``(n_recordings,) int64``.

    Raises
    ------
    InvalidParameterError
        If ``cluster`` is not one of `CLUSTERS`.
    DatasetError
        If speakers are asked for, and a recording names none on the user's side.
    """
    if cluster not in CLUSTERS:
        raise InvalidParameterError("cluster", f"one of {', '.join(CLUSTERS)}", cluster)
    if cluster == "recording":
        return np.arange(len(dataset), dtype=np.int64)
    groups, unnamed = speaker_groups(list(dataset))
    if unnamed:
        raise DatasetError(
            f"cluster='speaker' needs the speaker of every recording; the labels of {unnamed[0]} name none on the "
            f"user's side ({len(unnamed)} of {len(dataset)} recordings)"
        )
    return np.array(groups, dtype=np.int64)


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


def _evaluate_block(problem: SweepProblem, task: _Task) -> _BlockFound:
    verdicts = BlockJudge(problem, task.simulated).judge(task.block, task.scores)
    table, clipped = tabulate(problem, task.block, verdicts, simulated=task.simulated is not None)
    turns = verdicts.turns._replace(first_turn=verdicts.turns.first_turn[:0])  # what is clipped is known
    return _BlockFound(table, clipped, replace(verdicts, turns=turns, stops=recorded_counts("stops", verdicts.stops)))


class BlockJudge:
    """Judges blocks one after the other; those with the same thresholds that follow each other share work.

    Parameters
    ----------
    problem
        Labels and tracks.
    simulated
        The simulated agent; ``None`` for the recorded one.
    """

    def __init__(self, problem: SweepProblem, simulated: SimulatedLengths | None) -> None:
        self._problem = problem
        self._simulated = simulated
        self._thresholds: Thresholds | None = None
        self._runs: Runs | None = None
        self._known: dict[tuple[object, ...], EventVerdicts] = {}

    def judge(self, block: Block, scores: MetScores) -> BlockVerdicts:
        """What becomes of every event, turn and response under the settings of a block."""
        problem = self._problem
        if block.thresholds != self._thresholds:
            self._thresholds, self._known = block.thresholds, {}
            self._runs = high_runs(problem.probabilities, problem.frame_bounds, *block.thresholds)
        is_true = problem.judged.is_true
        events: list[EventVerdicts] = []
        turns = TurnVerdicts.empty(len(block.settings), len(problem.turn_recording), problem.n_recordings)
        stops: list[npt.NDArray[np.int32]] = []
        place: dict[tuple[object, ...], int] = {}
        event_of = np.empty((len(block.settings), len(block.guards)), dtype=np.int64)
        for k, setting in enumerate(block.settings):
            table, causes = scores.turns(problem, setting, self._runs)
            judge_turns(problem, table, causes, out=turns.at(k))
            stops += [
                count_stops(problem, table, self._simulated, guard, scores.interrupting) for guard in block.guards
            ]
            keys = [_of_events(setting, guard) for guard in block.guards]
            new = {key: guard for key, guard in zip(keys, block.guards, strict=True) if key not in self._known}
            if new:
                judged = scores.judge(problem, setting, tuple(new.values()))
                self._known |= {
                    key: one._replace(delays=one.delays[is_true]) for key, one in zip(new, judged, strict=True)
                }
            for key in keys:
                if key not in place:
                    place[key] = len(events)
                    events.append(self._known[key])
            event_of[k] = [place[key] for key in keys]
        together = EventVerdicts(*(np.stack(parts) for parts in zip(*events, strict=True)))
        return BlockVerdicts(events=together, event_of=event_of, turns=turns, stops=np.stack(stops))


def _of_events(setting: DetectorSetting, guard: GuardRule) -> tuple[object, ...]:
    """What the verdicts on events hang on beside the thresholds: its end only where a guard sees a turn's end."""
    end = (setting.silence_frames, setting.ending) if guard.sees_ends else None
    return setting.min_speech_frames, guard.min_frames, guard.min_words, guard.adaptive, end


def tabulate(
    labels: HasLabels, block: Block, found: BlockVerdicts, *, simulated: bool
) -> tuple[pd.DataFrame, npt.NDArray[np.float64]]:
    """A row per setting and guard of a block, and the onset clipping of each setting by prefix padding."""
    turn_of = np.repeat(np.arange(len(block.settings)), len(block.guards))
    columns = {name: np.repeat(values, block.n_rows) for name, values in label_columns(labels).items()}
    columns |= {name: values[found.event_of.ravel()] for name, values in event_columns(labels, found.events).items()}
    columns |= {name: values[turn_of] for name, values in turn_columns(labels, found.turns).items()}
    columns |= stop_columns(labels, found.stops)
    columns["degenerate"] = columns["degenerate"] | (block.settings[0].deactivation_threshold <= DEACTIVATION_FLOOR)
    resumes = any(guard.timeout_samples >= 0 for guard in block.guards)
    table = as_frame(columns, simulated=simulated, resumes=resumes, scored=True)
    return table, clipped_quantiles(labels, found.turns, block.prefix_samples)


def setting_row(
    problem: SweepProblem,
    params: TurnParams,
    simulated: SimulatedLengths | None,
    guards: Guards,
    end_of_turn: EndOfTurn | None = None,
    answers: ScoreAnswers | None = None,
    adaptive: AdaptiveInterruption | None = None,
    interrupting: ScoreAnswers | None = None,
) -> pd.Series[Any]:
    """What `sweep_grid` says of one setting: its row, without the axes."""
    rule = params.in_frames(frame_samples=problem.frame_samples, sample_rate=problem.sample_rate)
    guard = guard_rule(guards, adaptive, **problem.guard_grain, interrupting=interrupting)
    setting = detector_setting(params, end_of_turn, **problem.guard_grain, answers=answers)
    block = Block(settings=(setting,), prefix_samples=(rule.prefix_samples,), guards=(guard,))
    scores = find_scores(problem, [setting], [guard], answers, interrupting, simulated=simulated is not None)
    found = _evaluate_block(problem, _Task(block=block, simulated=simulated, scores=scores))
    table = found.table.assign(**dict(zip(CLIPPED_COLUMNS, found.clipped[:, 0].T, strict=True)))
    columns = setting_columns(
        simulated=simulated is not None, resumes=guard.timeout_samples >= 0, scored=end_of_turn is not None
    )
    return table[list(columns)].iloc[0]


def sweep_grid(
    problem: SweepProblem,
    grid: Grid,
    *,
    simulated: SimulatedLengths | None = None,
    answers: ScoreAnswers | None = None,
    interrupting: ScoreAnswers | None = None,
    executor: Executor | None = None,
    progress: bool = False,
) -> SweptGrid:
    """Evaluate every setting of a grid.

    Parameters
    ----------
    problem
        Labels and probabilities.
    grid
        The settings.
    simulated
        The simulated agent of a *simulated* evaluation; not given, the evaluation is *recorded*.
    answers, interrupting
        Answers for the settings whose turns end, or interrupt, by a score.
    executor
        Where the work is done; in this process when not given.
    progress
        Whether to show a bar.
    """
    plan = SweepPlan.of(grid, problem.guard_grain, answers=answers, interrupting=interrupting)
    scores = find_scores(
        problem,
        plan.settings,
        plan.guards,
        answers,
        interrupting,
        simulated=simulated is not None,
        progress=progress,
    )
    tasks = [_Task(block=b, simulated=simulated, scores=scores.of(b.thresholds)) for b in plan.blocks]
    found: list[_BlockFound | None] = [None] * len(tasks)
    with tqdm(total=len(grid), desc="Settings", disable=not progress, dynamic_ncols=True) as bar:
        executor = executor or InProcess()
        for k, result in executor.map(_evaluate_block, tasks, shared=problem):
            found[k] = result
            bar.update(round(len(grid) * len(plan.blocks[k].settings) / len(plan.settings)))
        bar.update(len(grid) - bar.n)
    swept = [block for block in found if block is not None]
    settings = settings_table(
        plan, grid, [one.table for one in swept], [one.clipped for one in swept], simulated=simulated is not None
    )
    counts, verdicts = _kept(problem, [one.verdicts for one in swept], plan)
    return SweptGrid(settings=settings, counts=counts, verdicts=verdicts)


def settings_table(
    plan: SweepPlan,
    grid: Grid,
    tables: Sequence[pd.DataFrame],
    clipped: Sequence[npt.NDArray[np.float64]],
    *,
    simulated: bool,
) -> pd.DataFrame:
    """The table of a grid's settings from those of its blocks."""
    settings = pd.concat(tables, ignore_index=True).iloc[plan.row_of].reset_index(drop=True)
    settings[list(CLIPPED_COLUMNS)] = np.concatenate(clipped)[plan.turn_of, plan.prefix_of]
    settings = pd.concat([grid.to_frame().reset_index(drop=True), settings], axis=1).rename_axis("setting")
    columns = setting_columns(simulated=simulated, resumes=plan.resumes, scored=grid.eot is not None)
    return settings[[*grid.axes, *columns]]


def _kept(
    problem: SweepProblem, swept: Sequence[BlockVerdicts], plan: SweepPlan
) -> tuple[tuple[CountsPart, ...], SweptVerdicts]:
    """Counts by recording and verdicts of all settings."""
    rows, turn_of = plan.row_of, plan.turn_of
    firsts = np.cumsum([0, *(len(block.events.delays) for block in swept[:-1])])
    event_of = np.concatenate([(b.event_of + first).ravel() for b, first in zip(swept, firsts, strict=True)])[rows]
    event_counts, turn_counts = (
        np.concatenate([recorded_counts(part, getattr(block, part).counts) for block in swept])
        for part in ("events", "turns")
    )
    by_part: dict[Part, tuple[npt.NDArray[np.integer[Any]], npt.NDArray[np.int64]]] = {
        "labels": (recorded_counts("labels", problem.label_counts[None]), np.zeros(len(rows), dtype=np.int64)),
        "events": (event_counts, event_of),
        "turns": (turn_counts, turn_of),
        "stops": (np.concatenate([block.stops for block in swept]), rows),
    }
    columns = {part: tuple(c.name for c in counted_in(part) if c.name in RECORDING_COUNTS) for part in by_part}
    false = [k for k, name in enumerate(columns["events"]) if name.startswith("n_false_on_opportunity")]
    possible = [k for k, name in enumerate(columns["labels"]) if name.startswith("n_false_opportunities")]
    verdicts = SweptVerdicts(
        event_of=event_of,
        turn_of=turn_of,
        delays=np.concatenate([block.events.delays for block in swept]),
        false_hits=by_part["events"][0][:, :, false].sum(axis=2),
        waits=np.concatenate([block.turns.waits for block in swept]),
        states=np.concatenate([block.turns.states for block in swept]),
        true_recording=problem.true_recording,
        turn_recording=problem.turn_recording,
        false_members=by_part["labels"][0][0][:, possible].sum(axis=1).astype(np.int64),
        clusters=problem.clusters,
        sample_rate=np.array(problem.sample_rate),
    )
    return tuple(CountsPart(columns=columns[part], counts=c, of=of) for part, (c, of) in by_part.items()), verdicts


def simulated_lengths(labels: Sequence[MemberSet], protocol: Mapping[str, Any]) -> SimulatedLengths | None:
    """The simulated agent of every recording, for the compiled evaluation; ``None`` where a protocol has none."""
    if protocol["evaluation"] != "simulated":
        return None
    how = {name: protocol[name] for name in ("response_delay_ms", "response_ms")}
    plans = [response_plan(label, **how) for label in labels]
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
