"""Asking a scorer: which samples it hears for a question, and its answers for a recording.

The window of a question is cut in one place, `window_of`, for a sweep and a session alike: they get the same score
because they ask with the same samples. So a scorer hears what the detector hears, at the detector's rate. Where a
scorer needs another rate it is refused (`check_scorer_rate`). A second resampler would hold back other samples than
the detector's does, and the window would not be whole when the question is asked; and 16 kHz made of the 8 kHz that a
detector hears is not what a scorer hears of the recording itself. Every VAD of bidilab works at 16 kHz, also on 8 kHz
audio: give it that rate.

Scores that were computed elsewhere (`ScoreTrack`) may have any rate: their positions are compared as times. A missing
answer is ``None``, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from bidilab.core.audio import FloatArray
from bidilab.core.errors import InvalidParameterError, ScorerError
from bidilab.detect.scorers.base import EndOfTurnScorer, InterruptionScorer, ScoreTrack
from bidilab.detect.scorers.cache import ScoreCache, ScoredWindows, Window
from bidilab.detect.scorers.heard import heard_before
from bidilab.detect.turns.detector import ScoreWanted
from bidilab.detect.turns.endofturn import Context
from bidilab.detect.vad.base import check_samples
from bidilab.detect.vad.cache import audio_sha256
from bidilab.detect.vad.probabilities import AudioChange, VadItem

__all__ = [
    "BuildsScorer",
    "RecordingScores",
    "Scorer",
    "check_scorer_rate",
    "check_scores",
    "score_of_track",
    "score_window",
    "window_of",
]

Scorer: TypeAlias = EndOfTurnScorer | InterruptionScorer


@runtime_checkable
class BuildsScorer(Hashable, Protocol):
    """What stands for a scorer until it is needed, as a `VadSpec` for a VAD: small, for a worker process to build."""

    def build(self) -> Any:
        """The scorer."""


BATCH_WINDOWS = 16
"""Windows that a scorer is given at once: 8 MB of audio, and less than a second of Smart Turn."""


def window_of(onset: int, asked_at: int, scorer: Scorer, context: Context = "turn") -> Window:
    """Start and end of what a scorer hears for a question, samples of the detector's stream.

    Parameters
    ----------
    onset, asked_at
        Of the question.
    scorer
        For how much it hears.
    context
        ``turn``: from its preroll before the onset, at most its window; ``window``: its whole window. Neither reaches
        back before the stream's start: a scorer fills up as it needs to.

    Raises
    ------
    InvalidParameterError
        If nothing lies between the onset and where it is asked.
    """
    if not 0 <= onset < asked_at:
        raise InvalidParameterError("asked_at", f"after the onset ({onset}), which is >= 0", asked_at)
    earliest = asked_at - scorer.window_samples
    return max(earliest, onset - scorer.preroll_samples if context == "turn" else earliest, 0), asked_at


def check_scorer_rate(scorer: Scorer, sample_rate: int) -> None:
    """Refuse a scorer that cannot hear what a detector at ``sample_rate`` hertz hears.

    Raises
    ------
    InvalidParameterError
        If its rate is another.
    """
    if scorer.sample_rate != sample_rate:
        raise InvalidParameterError(
            "sample_rate of the VAD",
            f"{scorer.sample_rate} with the scorer {scorer.name!r}, which hears what the VAD hears",
            sample_rate,
        )


def check_scores(scorer: Scorer, given: object, n: int) -> FloatArray:
    """What a scorer returned for ``n`` windows, ``(n,) float32`` in [0, 1].

    Raises
    ------
    ScorerError
        If it is anything else.
    """
    scores = np.asarray(given)
    if scores.shape != (n,) or not np.issubdtype(scores.dtype, np.floating):
        raise ScorerError(
            f"the scorer {scorer.name!r} must return ({n},) floating-point scores for {n} windows, "
            f"got {scores.dtype} {scores.shape}"
        )
    scores = scores.astype(np.float32)
    wrong = scores[~((scores >= 0) & (scores <= 1))]  # NaN too
    if len(wrong):
        raise ScorerError(f"the scorer {scorer.name!r} must return scores in [0, 1], got {wrong[:3].tolist()}")
    return scores


def score_window(scorer: Scorer, heard: FloatArray) -> float:
    """The score of one window, checked."""
    return float(check_scores(scorer, scorer.scores([heard]), 1)[0])


def score_of_track(track: ScoreTrack, question: ScoreWanted, sample_rate: int) -> float | None:
    """What a track has to say when it is asked: its last score that heard some of the pause and is known by then.

    Parameters
    ----------
    track
        Scores computed elsewhere.
    question
        Positions at ``sample_rate`` hertz, which need not be the track's rate.
    sample_rate
        Hertz of the question.
    """
    since, asked_at = (at * track.sample_rate // sample_rate for at in (question.pause_start, question.asked_at))
    return track.at(since=since, asked_at=asked_at)


class RecordingScores:
    """A scorer's answers for one recording: each distinct window is scored once, in batches.

    Parameters
    ----------
    scorer
        The scorer.
    samples
        ``(n,) float32`` at the scorer's rate, what the detector heard; or a function that returns them, called only
        where something is missing, and whose audio is not kept.
    known
        Windows scored already, and where more are kept; in memory by default.
    lookahead_samples
        What the detector hears beyond a frame's end (`bidilab.detect.vad.base.lookahead_of`): silence follows the
        recording for so long, as in a stream.

    Examples
    --------
    >>> class Loudness:
    ...     name, version, sample_rate = "loudness", "1", 16_000
    ...     window_samples, preroll_samples, latency_ms = 16_000, 0, 0.0
    ...     def scores(self, windows):
    ...         return np.array([np.abs(window).max() for window in windows])
    >>> scores = RecordingScores(Loudness(), np.linspace(0, 1, 16_001, dtype=np.float32))
    >>> asked = [ScoreWanted(onset=0, pause_start=4000, asked_at=at) for at in (8001, 8001, 16_001)]
    >>> scores.missing(asked), scores.answers(asked), scores.missing(asked)
    (2, [0.5, 0.5, 1.0], 0)
    """

    def __init__(
        self,
        scorer: Scorer,
        samples: FloatArray | Callable[[], FloatArray],
        *,
        known: ScoredWindows | None = None,
        lookahead_samples: int = 0,
    ) -> None:
        self.scorer = scorer
        self._lookahead = lookahead_samples
        self._samples = samples
        self._known = ScoredWindows() if known is None else known
        self.n_inferences = 0
        """Windows scored so far, what was known not counted."""

    @classmethod
    def of_file(
        cls,
        item: VadItem,
        scorer: Scorer,
        cache: ScoreCache | None = None,
        *,
        change: AudioChange | None = None,
        lookahead_samples: int = 0,
    ) -> RecordingScores:
        """The scores of a file; it is read when something is missing.

        Parameters
        ----------
        item
            ``(path, channel, sha256)``. The hash is computed when it is ``None`` and there is a cache.
        scorer
            The scorer.
        cache
            Cache to look in first and to store in.
        change
            What is done to the recording before the scorer hears it.
        lookahead_samples
            As above.

        Raises
        ------
        AudioError
            If the file is absent.
        CacheError
            If the cache folder cannot be read.
        """
        known = None
        if cache is not None:
            path, channel, sha256 = item
            digest = audio_sha256(path) if sha256 is None else sha256
            known = cache.recording(digest, channel, scorer, change=None if change is None else change.key)
        return cls(
            scorer,
            lambda: heard_before(item, scorer.sample_rate, change),
            known=known,
            lookahead_samples=lookahead_samples,
        )

    def windows(self, questions: Iterable[ScoreWanted], context: Context = "turn") -> list[Window]:
        """The distinct windows of questions that are not scored yet, in order of time."""
        asked = {window_of(question.onset, question.asked_at, self.scorer, context) for question in questions}
        return sorted(window for window in asked if self._known.get(window) is None)

    def missing(self, questions: Iterable[ScoreWanted], context: Context = "turn") -> int:
        """How many inferences `answers` would take."""
        return len(self.windows(questions, context))

    def answers(
        self,
        questions: Sequence[ScoreWanted],
        context: Context = "turn",
        on_progress: Callable[[int], object] | None = None,
    ) -> list[float]:
        """The score of each question.

        Parameters
        ----------
        questions
            In any order; the same one may come again.
        context
            What the scorer hears.
        on_progress
            Called with the number of windows scored since the last call; `missing` in all.

        Raises
        ------
        ScorerError
            If the scorer gives what are not scores.
        InvalidParameterError
            If a question is asked after the end of the recording.
        """
        self.score(self.windows(questions, context), on_progress)
        return [self._answer(question, context) for question in questions]

    def _answer(self, question: ScoreWanted, context: Context) -> float:
        score = self._known.get(window_of(question.onset, question.asked_at, self.scorer, context))
        assert score is not None  # all windows of the questions are scored
        return score

    def take(self, scores: Mapping[Window, float]) -> None:
        """Take scores that another process computed and has stored, where there is a cache."""
        self._known.learn(scores)

    def score(self, windows: Sequence[Window], on_progress: Callable[[int], object] | None = None) -> FloatArray:
        """Score windows that are not known yet; return the scores of all, ``(n,) float32``.

        What is done is kept after each batch, so that the same call goes on where an interrupted one stopped.

        Parameters
        ----------
        windows
            Start and end, samples at the scorer's rate.
        on_progress
            As in `answers`.

        Raises
        ------
        ScorerError
            If the scorer gives what are not scores.
        InvalidParameterError
            If a window reaches beyond the recording.
        """
        new = [window for window in dict.fromkeys(windows) if self._known.get(window) is None]
        if new:
            samples = check_samples(self._samples() if callable(self._samples) else self._samples)
            if self._lookahead:
                samples = np.concatenate([samples, np.zeros(self._lookahead, np.float32)])
            if (last := max(end for _, end in new)) > len(samples):
                raise InvalidParameterError("asked_at", f"in the recording, of {len(samples)} samples", last)
        for first in range(0, len(new), BATCH_WINDOWS):
            batch = new[first : first + BATCH_WINDOWS]
            given = self.scorer.scores([samples[start:end] for start, end in batch])
            scores = check_scores(self.scorer, given, len(batch))
            self.n_inferences += len(batch)
            self._known.add(dict(zip(batch, scores.tolist(), strict=True)))
            if on_progress is not None:
                on_progress(len(batch))
        return np.array([self._known.get(window) for window in windows], np.float32)
