"""What is heard of recordings before they are evaluated: probabilities, speech for pauses, who answers for scores."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bidilab.detect.scorers import ScoreCache
from bidilab.detect.turns.endofturn import Context
from bidilab.detect.vad import ProbabilityCache, VadSource
from bidilab.detect.vad.base import lookahead_of
from bidilab.lab.conditions.condition import Condition
from bidilab.lab.conditions.identity import fingerprint
from bidilab.lab.datasets import Dataset, Recording
from bidilab.lab.sweep.asked import answers_of
from bidilab.lab.sweep.executors import Executor, InProcess
from bidilab.lab.sweep.grid import EndOfTurnScores, Grid, InterruptionScores
from bidilab.lab.sweep.probabilities import probabilities_of
from bidilab.lab.sweep.scoring import ScoreAnswers, TrackAnswers
from bidilab.lab.sweep.source import SweepSource
from bidilab.lab.sweep.speech import speech_for_pauses
from bidilab.lab.sweep.tracked import SweepProtocol

__all__ = ["Means", "hear", "hear_later", "who_answers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a sweep hears and evaluates with.

    Parameters
    ----------
    spec
        Where the detector comes from.
    executor, progress
        As in `sweep`.
    cache, scores
        Where probabilities and scores are kept; ``None`` for nowhere.
    protocol
        How it evaluates.
    """

    spec: VadSource
    executor: Executor
    cache: ProbabilityCache | None
    scores: ScoreCache | None
    protocol: SweepProtocol
    progress: bool


def hear(dataset: Dataset, grid: Grid, means: Means, *, is_part: bool = False) -> tuple[SweepSource, ...]:
    """Hear a dataset under each condition of a grid.

    Parameters
    ----------
    dataset, grid
        As in `sweep`.
    means
        What it is heard with.
    is_part
        Whether these are some of the recordings, the whole having been checked: score tracks may know none of them.
    """
    recordings, spec = list(dataset), means.spec
    identities = [None if condition is None else fingerprint(condition) for condition in grid.conditions]
    how: dict[str, Any] = {"cache": means.cache, "executor": means.executor, "progress": means.progress}
    tracks = [
        probabilities_of(recordings, spec, condition=condition, fingerprint=identity, **how)
        for condition, identity in zip(grid.conditions, identities, strict=True)
    ]
    as_recorded = grid.conditions.index(None) if None in grid.conditions else 0
    speech = speech_for_pauses(recordings, spec, tracks[as_recorded], condition=grid.conditions[as_recorded], **how)
    answers = [
        who_answers(
            grid,
            recordings,
            sample_rate=spec.sample_rate,
            lookahead_samples=lookahead_of(spec.build()),
            is_part=is_part,
            cache=means.scores,
            executor=means.executor,
            condition=condition,
            fingerprint=identity,
        )
        for condition, identity in zip(grid.conditions, identities, strict=True)
    ]
    return tuple(
        SweepSource(
            dataset=dataset,
            spec=spec,
            tracks=heard,
            protocol=means.protocol,
            speech=speech,
            condition=condition,
            answers=answering,
            interrupting=guarding,
        )
        for condition, heard, (answering, guarding) in zip(grid.conditions, tracks, answers, strict=True)
    )


def who_answers(
    grid: Grid, recordings: Sequence[Recording], *, sample_rate: int, is_part: bool, **how: Any
) -> tuple[ScoreAnswers | None, ScoreAnswers | None]:
    """What answers for ends of turns and for interruptions by a score; ``None`` where the grid has none."""

    def of(given: EndOfTurnScores | InterruptionScores | None, **task: Any) -> ScoreAnswers | None:
        if given is None:
            return None
        if is_part and isinstance(given, Mapping):
            return TrackAnswers([given.get(recording.id) for recording in recordings], sample_rate)
        return answers_of(given, recordings, sample_rate=sample_rate, **task, **how)

    turn: Context = "turn"
    return of(grid.eot, context=grid.eot_context), of(grid.interrupt, task="interruption", context=turn)


class _Later(Sequence[Any]):
    """One thing of each recording, found when it is asked for."""

    def __init__(self, n: int, find: Callable[[int], Any]) -> None:
        self._n = n
        self._find = find

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: Any) -> Any:
        numbers = range(self._n)[index]
        return [self._find(k) for k in numbers] if isinstance(numbers, range) else self._find(numbers)


def hear_later(dataset: Dataset, grid: Grid, means: Means, *, at_hand: bool) -> tuple[SweepSource, ...] | None:
    """The recordings under each condition, each heard when it is looked at.

    ``None`` where scorers are to be asked, or the audio is not here. ``at_hand`` says whether they are few enough to
    be evaluated together.
    """
    recordings = list(dataset)
    if grid.eot is not None or grid.interrupt is not None or not all(each.path.is_file() for each in recordings):
        return None
    spec = means.spec
    how: dict[str, Any] = {"cache": means.cache, "executor": InProcess(), "progress": False}

    def track(k: int, condition: Condition | None) -> Any:
        identity = None if condition is None else fingerprint(condition)
        return probabilities_of([recordings[k]], spec, condition=condition, fingerprint=identity, **how)[0]

    as_recorded = None if None in grid.conditions else grid.conditions[0]

    def speech(k: int) -> Any:
        heard = _Later(1, lambda _: track(k, as_recorded))
        return speech_for_pauses([recordings[k]], spec, heard, condition=as_recorded, **how)[0]

    n = len(recordings)
    return tuple(
        SweepSource(
            dataset=dataset,
            spec=spec,
            tracks=_Later(n, functools.partial(track, condition=condition)),
            protocol=means.protocol,
            speech=_Later(n, speech),
            condition=condition,
            at_hand=at_hand,
        )
        for condition in grid.conditions
    )
