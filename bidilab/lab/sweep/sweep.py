"""`sweep`: evaluate a grid of settings on a dataset, in one call."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from bidilab.core.checks import check_is
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.scorers import ScoreCache
from bidilab.detect.turns.simulation import ResponsePlan
from bidilab.detect.vad import ProbabilityCache, VadLike, as_vad
from bidilab.lab.datasets import Dataset
from bidilab.lab.datasets.onefile import dataset_of_audio
from bidilab.lab.datasets.words import WordTimes
from bidilab.lab.metrics.members import MIN_OVERLAP_MS, TOLERANCE_MS
from bidilab.lab.metrics.stops import DEFAULT_RESPONSE_MS
from bidilab.lab.sweep.choice import check_resampling
from bidilab.lab.sweep.engine import CLUSTERS, Cluster, executor_of
from bidilab.lab.sweep.executors import Executor
from bidilab.lab.sweep.grid import Grid
from bidilab.lab.sweep.heard import Means
from bidilab.lab.sweep.result import SweepResult
from bidilab.lab.sweep.run import run_sweep
from bidilab.lab.sweep.tracked import EVALUATIONS

__all__ = ["sweep"]


def sweep(
    dataset: Dataset | str | os.PathLike[str],
    grid: Grid | None = None,
    *,
    vad: VadLike = "silero",
    jobs: int | None = None,
    executor: Executor | None = None,
    cache: ProbabilityCache | bool = True,
    min_overlap_ms: float = MIN_OVERLAP_MS,
    tolerance_ms: float = TOLERANCE_MS,
    evaluation: Literal["recorded", "simulated"] = "recorded",
    response_delay_ms: float = 300.0,
    response_ms: float | Literal["recorded"] = "recorded",
    word_times: WordTimes = "labelled",
    cluster: Cluster = "recording",
    checkpoint: str | os.PathLike[str] | None = None,
    user_channel: int | None = None,
    n_resamples: int = 200,
    seed: int = 0,
    progress: bool = True,
) -> SweepResult:
    """Evaluate a grid of turn-detection settings on recordings of people talking over an agent.

    The VAD runs once per recording. Its probabilities are cached on disk for the next sweep of the same recordings, or
    for this one if it is started again. If the grid has conditions, the VAD runs once per recording and condition;
    audio under a condition is made in memory and not stored. In turns whose words have no times, Silero finds the
    pauses on the audio as it was recorded: if that is not swept, it runs once more.

    Parameters
    ----------
    dataset
        A `Dataset`, the path of one, or of a single audio file. Without labels nothing can be called missed or false;
        then the table says how many turns the detector makes, and the result says which command labels recordings.
    grid
        The settings; ``Grid()`` when not given.
    vad
        Backend: ``"silero"`` (Silero 6.2), ``"webrtc"`` (extra), ``"energy"``, the name of an installed plug-in, or a
        `VadSpec` with options: ``VadSpec.of("silero", weights="silero_vad.onnx")`` for other weights. Or a detector
        itself, any `VadBackend`; or `VadTracks` that were computed elsewhere.
    jobs
        Processes, ``>= 1``; by default as many as are worthwhile for this amount of audio.
    executor
        Where the work is done, e.g. a `DaskExecutor`; ``jobs`` is then not used.
    cache
        ``True`` for the user's cache folder, ``False`` for none, or a `ProbabilityCache`, in whose folder the scores of
        an end-of-turn scorer are kept too.
    min_overlap_ms
        How much of a response must be left when a turn begins in it. With less, it is normal turn-taking and enters no
        rate.
    tolerance_ms
        How long before a segment's labelled onset, and after its end, detected speech is still attributed to it.
    evaluation
        How the costs of a whole conversation are computed. With ``"recorded"`` the agent speaks as recorded; with
        ``"simulated"`` (closed loop) it answers each end of turn and stops when interrupted. The event rates are the
        same in both.
    response_delay_ms, response_ms
        The simulated agent: from the end of a turn to its first audible sample, and how long it speaks;
        ``"recorded"`` takes the lengths of each recording's own responses in turn. Not used in a recorded evaluation.
    word_times
        For guards that count words (``min_words``, ``false_interruption_timeout_ms``): ``"labelled"`` takes the times
        in the labels and refuses labels without; ``"spread"`` assumes that the words of a text take equal parts of its
        segment where the labels give no times.
    cluster
        The unit of the intervals: ``"recording"``, or ``"speaker"`` if several recordings share a speaker on the user's
        side and the labels name the speakers. With fewer than 20 speakers intervals are wide.
    checkpoint
        A folder for the findings of each part of the recordings. If the sweep is stopped and called again with the same
        arguments, it continues with the missing parts. The result reads from it, so keep it until the result is saved.
        A sweep too large for memory goes by parts in any case, in a temporary folder.
    user_channel
        For an audio file: the user's channel, counted from 1; by default the first.
    n_resamples, seed
        Number and seed of the resamples of recordings by which `SweepResult.recommend` measures how stable its choice
        is.
    progress
        Whether to show progress bars.

    Returns
    -------
    SweepResult

    Raises
    ------
    DatasetError
        If it is not a dataset, has no recording, has audio that its manifest does not describe, or lacks the words that
        a guard needs or the agent's channel that an echo needs.
    AudioError
        If a recording cannot be read.
    InvalidParameterError
        If an argument is not allowed.
    MissingExtraError
        If a condition needs a library that is not installed.
    PluginError
        If the VAD is a plug-in that cannot be used.

    Examples
    --------
    >>> import bidilab as bl
    >>> result = bl.sweep("datasets/overlap-mini", bl.Grid(threshold="0.3:0.9:0.1"))  # doctest: +SKIP
    >>> result.recommend(max_false_interruption_rate=0.05)  # doctest: +SKIP
    """
    if evaluation not in EVALUATIONS:
        raise InvalidParameterError("evaluation", f"one of {', '.join(EVALUATIONS)}", evaluation)
    if cluster not in CLUSTERS:
        raise InvalidParameterError("cluster", f"one of {', '.join(CLUSTERS)}", cluster)
    check_resampling(n_resamples, seed)
    length = DEFAULT_RESPONSE_MS if response_ms == "recorded" else response_ms
    ResponsePlan(response_delay_ms=response_delay_ms, response_ms=length)  # raises where one is not allowed
    grid = Grid() if grid is None else grid
    if not isinstance(grid, Grid):
        raise InvalidParameterError("grid", "a Grid", grid)
    check_is("cache", cache, bool | ProbabilityCache, "True, False or a bl.ProbabilityCache, such as of a folder")
    dataset = _opened(dataset, user_channel)
    kept = None if cache is False else ProbabilityCache() if cache is True else cache
    swept = run_sweep(
        dataset,
        grid,
        Means(
            spec=as_vad(vad),
            executor=executor_of(executor, jobs, dataset.duration_s * len(grid.conditions)),
            cache=kept,
            scores=None if kept is None else ScoreCache(None if cache is True else kept.root / "scores"),
            protocol={
                "min_overlap_ms": min_overlap_ms,
                "tolerance_ms": tolerance_ms,
                "evaluation": evaluation,
                "response_delay_ms": response_delay_ms,
                "response_ms": response_ms,
                "word_times": word_times,
                "cluster": cluster,
            },
            progress=progress,
        ),
        n_resamples=n_resamples,
        seed=seed,
        checkpoint=None if checkpoint is None else Path(checkpoint).absolute(),
    )
    return SweepResult(**swept)


def _opened(given: Dataset | str | os.PathLike[str], user_channel: int | None) -> Dataset:
    check_is("dataset", given, Dataset | str | os.PathLike, "a Dataset, the folder of one, or a recording")
    if not isinstance(given, Dataset) and Path(given).is_file():
        return dataset_of_audio(given, user_channel)
    if user_channel is not None:
        raise InvalidParameterError("user_channel", "left out with a dataset, which says so itself", user_channel)
    dataset = Dataset.of(given)
    if not dataset.recordings:
        raise InvalidParameterError("dataset", "one with at least one recording", f"{dataset.info.name} with none")
    return dataset
