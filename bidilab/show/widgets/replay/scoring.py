"""What answers for turns that end by a score in what a player plays: with the samples that a sweep asks with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.scorers import RecordingScores, ScoreCache, ScorerLike, ScoreTrack, scorer_name
from bidilab.detect.scorers.asking import check_scorer_rate
from bidilab.detect.scorers.registry import built_scorer
from bidilab.detect.turns import ScoreWanted
from bidilab.detect.turns.endofturn import Context
from bidilab.detect.vad import resample
from bidilab.lab.sweep.scoring import ScoreAnswers, TrackAnswers
from bidilab.show.widgets.replay.subject import Subject

__all__ = ["HeardAnswers", "PlayedScorer", "scorer_for"]

PlayedScorer = ScorerLike | Mapping[str, ScoreTrack]
"""A scorer, its spec or name, the scores of the recording, or those of many recordings by their ids."""


class HeardAnswers:
    """A scorer's answers about one recording.

    Parameters
    ----------
    scores
        Of the recording.
    context
        What the scorer hears.
    """

    every_frame = False

    def __init__(self, scores: RecordingScores, context: Context) -> None:
        self._scores = scores
        self._context = context
        self.latency_ms = float(scores.scorer.latency_ms)
        self.by_onset = context == "turn"

    @property
    def n_inferences(self) -> int:
        """Windows that the scorer heard so far."""
        return self._scores.n_inferences

    def answers(self, questions: Sequence[Sequence[ScoreWanted]]) -> Sequence[Sequence[float | None]]:
        """The score of each question about the one recording; what is not known is computed."""
        (asked,) = questions
        return [self._scores.answers(asked, self._context)]


def scorer_for(
    subject: Subject, given: PlayedScorer, *, context: Context, sample_rate: int, lookahead_samples: int
) -> tuple[str, ScoreAnswers]:
    """A scorer's name with its version, and its answers about what is played.

    Parameters
    ----------
    subject
        What is played.
    given
        The scorer.
    context
        What it hears.
    sample_rate, lookahead_samples
        Of the VAD.

    Raises
    ------
    InvalidParameterError
        If there is no such scorer, it cannot hear what the VAD hears, its scores are of another recording or not of
        ends of turns, or there is no audio.
    """
    if not subject.evaluations or subject.user is None:
        raise InvalidParameterError("scorer", "left out for a log without audio: nothing can be tried", given)
    if isinstance(given, Mapping):
        if subject.name not in given:
            raise InvalidParameterError("scorer", f"scores of {subject.name!r}", f"those of {len(given)} others")
        given = given[subject.name]
    scorer = built_scorer(given)
    if isinstance(scorer, ScoreTrack):
        if scorer.task != "eot":
            raise InvalidParameterError("scorer", "scores of ends of turns (task eot)", scorer.task)
        return scorer_name(scorer.detector, scorer.version), TrackAnswers([scorer], sample_rate)
    check_scorer_rate(scorer, sample_rate)
    if subject.file is not None:
        scores = RecordingScores.of_file(subject.file, scorer, ScoreCache(), lookahead_samples=lookahead_samples)
    else:
        heard = resample(subject.user, subject.sample_rate, sample_rate)
        scores = RecordingScores(scorer, heard, lookahead_samples=lookahead_samples)
    return scorer_name(scorer.name, scorer.version), HeardAnswers(scores, context)
