"""A scorer at one stream: the last samples are kept, so that a question can be answered with what was heard by then."""

from __future__ import annotations

import numpy as np

from bidilab.core.audio import FloatArray
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.scorers.asking import Scorer, check_scorer_rate, score_of_track, score_window, window_of
from bidilab.detect.scorers.base import EndOfTurnScorer, ScoreTrack, Task
from bidilab.detect.turns.detector import ScoreWanted
from bidilab.detect.turns.endofturn import Context

__all__ = ["StreamScorer"]

_TASKS: dict[Task, str] = {"eot": "ends of turns", "interruption": "interruptions"}


class StreamScorer:
    """Answers the questions of one stream.

    Parameters
    ----------
    scorer
        A scorer, or scores of this very stream that were computed elsewhere.
    task
        What it is asked.
    sample_rate
        Hertz of the stream.

    Raises
    ------
    InvalidParameterError
        If the scorer hears another rate, or the scores are of another task.
    """

    def __init__(self, scorer: Scorer | ScoreTrack, *, task: Task = "eot", sample_rate: int) -> None:
        if isinstance(scorer, ScoreTrack):
            if scorer.task != task:
                raise InvalidParameterError("scorer", f"scores of {_TASKS[task]} (task {task})", scorer.task)
        elif isinstance(scorer, EndOfTurnScorer):  # the members are those of an InterruptionScorer
            check_scorer_rate(scorer, sample_rate)
        else:
            raise InvalidParameterError("scorer", f"a scorer of {_TASKS[task]}, or a ScoreTrack", scorer)
        self.scorer = scorer
        self._rate = sample_rate
        self._kept: list[FloatArray] = []
        self._kept_from = 0

    @property
    def latency_ms(self) -> float:
        """From asking to knowing, where the policy does not say; scores computed elsewhere say when they were known."""
        return 0.0 if isinstance(self.scorer, ScoreTrack) else self.scorer.latency_ms

    @property
    def asks_every_frame(self) -> bool:
        """Whether it is to be asked on every frame of a pause: scores computed elsewhere are only looked up."""
        return isinstance(self.scorer, ScoreTrack)

    def hear(self, samples: FloatArray, decided: int) -> None:
        """Keep samples, and forget those that no question can reach any more.

        Parameters
        ----------
        samples
            ``(n,) float32``, what comes next in the stream.
        decided
            Position up to which the detector has decided: questions come from there on.
        """
        if isinstance(self.scorer, ScoreTrack):
            return
        self._kept.append(samples)
        earliest = decided - self.scorer.window_samples
        while self._kept_from + len(self._kept[0]) <= earliest:
            self._kept_from += len(self._kept.pop(0))

    def window(self, question: ScoreWanted, context: Context = "turn") -> FloatArray:
        """What a scorer hears for a question, ``(n,) float32``."""
        assert not isinstance(self.scorer, ScoreTrack)
        start, end = window_of(question.onset, question.asked_at, self.scorer, context)
        joined = np.concatenate(self._kept)
        heard = joined[start - self._kept_from : end - self._kept_from]
        assert start >= self._kept_from  # `hear` forgets nothing that a question can reach
        assert len(heard) == end - start
        unreachable = max(0, end - self.scorer.window_samples - self._kept_from)  # by later questions
        self._kept, self._kept_from = [joined[unreachable:]], self._kept_from + unreachable
        return heard

    def answer(self, question: ScoreWanted, context: Context = "turn") -> float | None:
        """The score for a question; ``None`` where none is at hand.

        Raises
        ------
        ScorerError
            If the scorer gives what is no score.
        """
        if isinstance(self.scorer, ScoreTrack):
            return score_of_track(self.scorer, question, self._rate)
        return score_window(self.scorer, self.window(question, context))
