"""A scorer's pass over a dataset: every distinct window once, kept on disk, in this process or in many."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from tqdm import tqdm

from bidilab.core.audio import FloatArray
from bidilab.detect.scorers import RecordingScores, ScoreCache, Scorer
from bidilab.detect.scorers.asking import BuildsScorer
from bidilab.detect.scorers.cache import Window
from bidilab.detect.turns import ScoreWanted
from bidilab.detect.turns.endofturn import Context
from bidilab.detect.vad import AudioChange, VadItem
from bidilab.lab.conditions.applying import ConditionedChannel
from bidilab.lab.conditions.condition import Condition
from bidilab.lab.datasets import Recording
from bidilab.lab.sweep.executors import Executor, InProcess, ProcessPool

__all__ = ["SweepScores"]

_POOL_WINDOWS = 64  # fewer are scored sooner than new processes are started, each of which loads the model
_TASK_WINDOWS = 128  # some seconds of a large model, for the bar to move and all workers to end together


class SweepScores:
    """Scores of a sweep's recordings, asked for in rounds: a round may need what the one before has answered.

    Parameters
    ----------
    recordings
        What is swept.
    scorer
        A scorer, or the spec of one, which each worker process builds for itself. A scorer that is given itself must
        be picklable for executors that work in other processes.
    cache
        Cache to look in first and to store in; ``None`` for none.
    executor, progress
        As in `sweep`.
    condition, fingerprint
        What is done to the audio before the scorer hears it, and its identity; ``None`` for nothing.
    lookahead_samples
        What the VAD hears beyond a frame's end.

    Raises
    ------
    AudioError
        If a recording's file is absent.
    CacheError
        If the cache folder cannot be read or written.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        scorer: Scorer | BuildsScorer,
        *,
        cache: ScoreCache | None,
        executor: Executor,
        progress: bool,
        condition: Condition | None = None,
        fingerprint: str | None = None,
        lookahead_samples: int = 0,
    ) -> None:
        self._given = scorer
        self.scorer = _built(scorer)
        self._cache = cache
        self._executor = executor
        self._progress = progress
        self._lookahead = lookahead_samples
        self._condition = condition
        self._items: list[VadItem] = [(r.path, r.channel_index("user"), r.sha256) for r in recordings]
        self._changes: list[AudioChange | None] = [
            None if condition is None or fingerprint is None else ConditionedChannel.of(r, condition, fingerprint)
            for r in recordings
        ]
        if cache is not None:
            cache.prepare()
        self._known = [
            RecordingScores.of_file(item, self.scorer, cache, change=change, lookahead_samples=lookahead_samples)
            for item, change in zip(self._items, self._changes, strict=True)
        ]
        self.n_inferences = 0
        """Windows scored so far, what was known not counted."""

    def missing(self, questions: Sequence[Sequence[ScoreWanted]], context: Context = "turn") -> int:
        """How many inferences `answers` would take.

        Parameters
        ----------
        questions
            Of each recording, in the order of the recordings.
        context
            What the scorer hears.
        """
        return sum(known.missing(asked, context) for known, asked in zip(self._known, questions, strict=True))

    def answers(self, questions: Sequence[Sequence[ScoreWanted]], context: Context = "turn") -> list[list[float]]:
        """The score of each question of each recording; what is not known is computed.

        Parameters
        ----------
        questions, context
            As in `missing`.

        Raises
        ------
        ScorerError
            If the scorer gives what are not scores.
        """
        tasks = [
            (place, windows[first : first + _TASK_WINDOWS])
            for place, (known, asked) in enumerate(zip(self._known, questions, strict=True))
            for windows in [known.windows(asked, context)]
            for first in range(0, len(windows), _TASK_WINDOWS)
        ]
        if tasks:
            self._compute(tasks)
        return [known.answers(asked, context) for known, asked in zip(self._known, questions, strict=True)]

    def _compute(self, tasks: Sequence[tuple[int, list[Window]]]) -> None:
        label = f"scorer ({self.scorer.name})"
        if self._condition is not None:
            label = f"{label} {self._condition}"
        n = sum(len(windows) for _, windows in tasks)
        with tqdm(total=n, desc=label, unit="window", disable=not self._progress, dynamic_ncols=True) as bar:
            if isinstance(self._executor, InProcess) or (isinstance(self._executor, ProcessPool) and n < _POOL_WINDOWS):
                for place, windows in tasks:
                    self._known[place].score(windows, bar.update)
            else:
                sent = [(self._items[place], self._changes[place], windows) for place, windows in tasks]
                done = self._executor.map(_score_task, sent, shared=(self._given, self._cache, self._lookahead))
                for index, scores in done:
                    place, windows = tasks[index]
                    self._known[place].take(dict(zip(windows, scores.tolist(), strict=True)))
                    bar.update(len(windows))
        self.n_inferences += n


def _built(scorer: Scorer | BuildsScorer) -> Scorer:
    return _build(scorer) if isinstance(scorer, BuildsScorer) else scorer


@lru_cache(maxsize=4)
def _build(spec: BuildsScorer) -> Scorer:
    scorer: Scorer = spec.build()  # loads a model: once in each process
    return scorer


def _score_task(
    shared: tuple[Scorer | BuildsScorer, ScoreCache | None, int], task: tuple[VadItem, AudioChange | None, list[Window]]
) -> FloatArray:
    given, cache, ahead = shared
    item, change, windows = task
    scores = RecordingScores.of_file(item, _built(given), cache, change=change, lookahead_samples=ahead)
    return scores.score(windows)
