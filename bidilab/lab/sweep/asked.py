"""The scorers of a sweep: as they were given, on the recordings swept, and in the facts of a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bidilab.core.errors import BidilabError, DatasetError, InvalidParameterError, ResultError
from bidilab.detect.scorers import (
    ScoreCache,
    Scorer,
    ScorerLike,
    ScorerSpec,
    ScoreTrack,
    scorer_distribution,
    scorer_name,
)
from bidilab.detect.scorers.asking import BuildsScorer, check_scorer_rate
from bidilab.detect.scorers.base import Task
from bidilab.detect.scorers.registry import built_scorer
from bidilab.detect.turns.endofturn import Context
from bidilab.lab.conditions.condition import Condition
from bidilab.lab.datasets import Recording
from bidilab.lab.scores import Scores
from bidilab.lab.sweep.executors import Executor
from bidilab.lab.sweep.grid import EndOfTurnScores, InterruptionScores
from bidilab.lab.sweep.scores import SweepScores
from bidilab.lab.sweep.scoring import ScoreAnswers, ScorerAnswers, TrackAnswers

__all__ = ["answers_of", "check_same_scorer", "scorer_facts", "swept_scorer"]

TRACKS = "score tracks"
_NAMES: Mapping[Task, tuple[str, str]] = {
    "eot": ("eot", "ends of turns"),
    "interruption": ("interrupt", "interruptions"),
}
_WORDS: Mapping[Task, str] = {"eot": "end-of-turn scorer", "interruption": "interruption scorer"}


def _built(given: ScorerLike, task: Task) -> Scorer:
    """The scorer itself, of what may stand for one of a task."""
    scorer = built_scorer(given, task)
    if isinstance(scorer, ScoreTrack):
        raise InvalidParameterError(_NAMES[task][0], "score tracks by recording id, not the track of one", given)
    return scorer


def answers_of(
    eot: EndOfTurnScores | InterruptionScores,
    recordings: Sequence[Recording],
    *,
    task: Task = "eot",
    sample_rate: int,
    lookahead_samples: int,
    context: Context,
    cache: ScoreCache | None,
    executor: Executor,
    condition: Condition | None = None,
    fingerprint: str | None = None,
) -> ScoreAnswers:
    """What answers about some recordings.

    Parameters
    ----------
    eot, task, context
        The scorer of the grid for a task, and what it hears.
    recordings, executor
        As in `sweep`.
    sample_rate, lookahead_samples
        Of the VAD.
    cache
        Where scores are kept; ``None`` for nowhere.
    condition, fingerprint
        What is done to the audio before the scorer hears it, and its identity; ``None`` for nothing.

    Raises
    ------
    InvalidParameterError
        If there is no such scorer, it cannot hear what the VAD hears, or score tracks are not those of ends of turns of
        one detector, or are to be those of changed audio.
    DatasetError
        If score tracks name recordings that the dataset has not, or none that it has.
    """
    if isinstance(eot, Mapping):
        return TrackAnswers(_tracks(eot, recordings, condition, task), sample_rate)
    given = ScorerSpec(name=eot, task=task, sample_rate=sample_rate) if isinstance(eot, str) else eot
    scorer = _built(given, task)
    check_scorer_rate(scorer, sample_rate)
    scores = SweepScores(
        recordings,
        given if isinstance(given, BuildsScorer) else scorer,
        cache=cache,
        executor=executor,
        progress=False,  # how many are asked for is known when all are: the caller has a bar
        condition=condition,
        fingerprint=fingerprint,
        lookahead_samples=lookahead_samples,
    )
    return ScorerAnswers(scores, context)


def _tracks(
    tracks: Mapping[str, ScoreTrack], recordings: Sequence[Recording], condition: Condition | None, task: Task
) -> list[ScoreTrack | None]:
    name, of = _NAMES[task]
    for track in tracks.values():
        if not isinstance(track, ScoreTrack) or track.task != task:
            raise InvalidParameterError(name, f"score tracks of {of} (task {task})", track)
    if len(made := {(track.detector, track.version) for track in tracks.values()}) > 1:
        raise InvalidParameterError(name, "score tracks of one detector and version", sorted(made))
    if condition is not None:
        allowed = "none with score tracks, which were computed from the audio as it was recorded"
        raise InvalidParameterError("conditions", allowed, str(condition))
    ids = [recording.id for recording in recordings]
    # Scores that were read are checked against their dataset, of which this may be a part.
    if not isinstance(tracks, Scores) and (unknown := [name for name in tracks if name not in set(ids)]):
        some = ", ".join(unknown[:3])
        raise DatasetError(
            f"{len(unknown)} of {len(tracks)} score tracks belong to no recording of the dataset: {some}"
        )
    if not any(name in tracks for name in ids):
        raise DatasetError("no recording of the dataset has a score track")
    return [tracks.get(name) for name in ids]


def scorer_facts(
    eot: EndOfTurnScores | InterruptionScores, recordings: Sequence[Recording], sample_rate: int, task: Task = "eot"
) -> dict[str, Any]:
    """What a result says of the scorer: name, version, options, where it is from, and recordings without scores."""
    if isinstance(eot, Mapping):
        first = next(iter(eot.values()))
        return {
            "name": first.detector,
            "detector": f"{first.detector} {first.version}".strip(),
            "version": first.version,
            "latency_ms": 0.0,
            "options": {},
            "distribution": "",
            "given_as": TRACKS,
            "without_scores": [recording.id for recording in recordings if recording.id not in eot],
        }
    given = ScorerSpec(name=eot, task=task, sample_rate=sample_rate) if isinstance(eot, str) else eot
    scorer = _built(given, task)
    by_name = isinstance(given, ScorerSpec)
    return {
        "name": scorer.name,
        "detector": scorer_name(scorer.name, scorer.version),
        "version": scorer.version,
        "latency_ms": float(scorer.latency_ms),
        "options": dict(given.options) if isinstance(given, ScorerSpec) else {},
        "distribution": scorer_distribution(scorer, task),
        **({} if by_name else {"given_as": type(given).__name__}),
    }


def swept_scorer(meta: Mapping[str, Any], task: Task = "eot") -> ScorerSpec | None:
    """The scorer of a sweep for a task as it was asked for; ``None`` where there was none.

    Raises
    ------
    ResultError
        If it cannot be had: it was given as an object or as tracks, which no result can hold, its plug-in is not
        installed, or it is of another version now.
    """
    argument = _NAMES[task][0]
    facts = meta.get(argument)
    if facts is None:
        return None
    name = f"the {_WORDS[task]} of this sweep, {facts['detector']},"
    if given_as := facts.get("given_as"):
        how = "as score tracks" if given_as == TRACKS else f"as an object, a {given_as}"
        raise ResultError(f"{name} was given {how}: give it again with result.attach(dataset, {argument}=...)")
    rate = int(meta["vad"]["sample_rate"])
    try:
        spec = ScorerSpec(name=facts["name"], task=task, sample_rate=rate, options=facts["options"])
        scorer = spec.build()
    except BidilabError as error:
        raise ResultError(f"{name} cannot be loaded: {error}") from error
    check_same_scorer(facts, scorer, task)
    return spec


def check_same_scorer(
    facts: Mapping[str, Any], scorer: EndOfTurnScores | InterruptionScores | Scorer, task: Task = "eot"
) -> None:
    """Raise `ResultError` where a scorer is not the one of a sweep's facts."""
    if isinstance(scorer, Mapping):
        made = {(track.detector, track.version) for track in scorer.values()}
    elif isinstance(scorer, str):
        made = {(scorer, facts["version"])}
    else:
        built = _built(scorer, task)
        made = {(built.name, built.version)}
    if made != {(facts["name"], facts["version"])}:
        now = ", ".join(f"{name} {version}" for name, version in sorted(made))
        raise ResultError(
            f"the {_WORDS[task]} has changed since this sweep: {facts['name']} {facts['version']} then, {now} now"
        )
