"""`sweep`: evaluate a grid of settings on a dataset, in one call."""

from __future__ import annotations

import os
from typing import Literal

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns.simulation import ResponsePlan
from bidilab.detect.vad import ProbabilityCache, VadSpec
from bidilab.lab.datasets import Dataset
from bidilab.lab.datasets.words import WordTimes
from bidilab.lab.metrics.latency import check_resampling
from bidilab.lab.metrics.opportunities import MIN_OVERLAP_MS, TOLERANCE_MS
from bidilab.lab.metrics.simulated import DEFAULT_RESPONSE_MS
from bidilab.lab.sweep.engine import executor_of
from bidilab.lab.sweep.executors import Executor
from bidilab.lab.sweep.grid import Grid
from bidilab.lab.sweep.result import SweepResult
from bidilab.lab.sweep.run import run_sweep
from bidilab.lab.sweep.tracked import EVALUATIONS

__all__ = ["sweep"]


def sweep(
    dataset: Dataset | str | os.PathLike[str],
    grid: Grid | None = None,
    *,
    vad: str | VadSpec = "silero",
    jobs: int | None = None,
    executor: Executor | None = None,
    cache: ProbabilityCache | bool = True,
    min_overlap_ms: float = MIN_OVERLAP_MS,
    tolerance_ms: float = TOLERANCE_MS,
    evaluation: Literal["recorded", "simulated"] = "recorded",
    response_delay_ms: float = 300.0,
    response_ms: float | Literal["recorded"] = "recorded",
    word_times: WordTimes = "labelled",
    n_resamples: int = 1000,
    seed: int = 0,
    progress: bool = True,
) -> SweepResult:
    """Evaluate a grid of turn-detection settings on recordings of people talking over an agent.

    The VAD runs once per recording. Its probabilities are cached on disk: the next sweep of the same recordings, or
    this one when it is started again, takes them from there. Where the grid has conditions, the VAD runs once per
    recording and condition; audio under a condition is made in memory and not kept.

    Parameters
    ----------
    dataset
        A `Dataset`, or the path of one.
    grid
        The settings; ``Grid()`` when not given.
    vad
        Backend: ``"silero"`` (Silero 6.2), ``"webrtc"`` (extra), ``"energy"``, or a `VadSpec` with options:
        ``VadSpec.of("silero", weights="silero_vad.onnx")`` for other weights.
    jobs
        Processes, ``>= 1``; by default as many as pay off for this amount of audio.
    executor
        Where the work is done, e.g. a `DaskExecutor`; ``jobs`` is then not used.
    cache
        ``True`` for the user's cache folder, ``False`` for none, or a `ProbabilityCache`.
    min_overlap_ms
        How much of a response must be left when a segment starts for it to be an opportunity.
    tolerance_ms
        How long before a segment's labelled onset an interruption that belongs to it may begin.
    evaluation
        ``"recorded"``: the agent is what it was. ``"simulated"``: closed loop, the agent answers each end of turn and
        stops when interrupted. A short silence duration then cuts in, and interruptions follow from that.
    response_delay_ms, response_ms
        The simulated agent: from the end of a turn to its first audible sample, and how long it speaks;
        ``"recorded"`` takes the lengths of each recording's own responses in turn. Not used in a recorded evaluation.
    word_times
        For guards that count words (``min_words``, ``false_interruption_timeout_ms``): ``"labelled"`` takes the times
        in the labels and refuses labels without; ``"spread"`` assumes that the words of a text take equal parts of its
        segment where the labels give no times.
    n_resamples, seed
        Of the bootstrap over recordings that gives the latency intervals.
    progress
        Whether to show progress bars.

    Returns
    -------
    SweepResult

    Raises
    ------
    DatasetError
        If the dataset is not one, or holds no recording or other audio than its manifest describes, or lacks the words
        that a guard needs or the agent's channel that an echo needs.
    AudioError
        If a recording cannot be read.
    InvalidParameterError
        If an argument is not allowed.
    MissingExtraError
        If a condition needs a library that is not installed.

    Examples
    --------
    >>> import bidilab as bl
    >>> result = bl.sweep("datasets/overlap-mini", bl.Grid(threshold="0.3:0.9:0.1"))  # doctest: +SKIP
    >>> result.recommend(max_false_interruption_rate=0.05)  # doctest: +SKIP
    """
    if evaluation not in EVALUATIONS:
        raise InvalidParameterError("evaluation", f"one of {', '.join(EVALUATIONS)}", evaluation)
    check_resampling(n_resamples, seed)
    length = DEFAULT_RESPONSE_MS if response_ms == "recorded" else response_ms
    ResponsePlan(response_delay_ms=response_delay_ms, response_ms=length)  # raises where one is not allowed
    grid = Grid() if grid is None else grid
    if not isinstance(grid, Grid):
        raise InvalidParameterError("grid", "a Grid", grid)
    dataset = dataset if isinstance(dataset, Dataset) else Dataset.load(dataset)
    swept = run_sweep(
        dataset,
        grid,
        spec=vad if isinstance(vad, VadSpec) else VadSpec.of(vad),
        executor=executor_of(executor, jobs, dataset.duration_s * len(grid.conditions)),
        cache=ProbabilityCache() if cache is True else None if cache is False else cache,
        protocol={
            "min_overlap_ms": min_overlap_ms,
            "tolerance_ms": tolerance_ms,
            "evaluation": evaluation,
            "response_delay_ms": response_delay_ms,
            "response_ms": response_ms,
            "word_times": word_times,
        },
        n_resamples=n_resamples,
        seed=seed,
        progress=progress,
    )
    return SweepResult(**swept)
