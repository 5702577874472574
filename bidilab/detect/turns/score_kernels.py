"""Turns that end by a score, compiled: `kernels` with an `EndOfTurn`. Arrays in, arrays out; positions in frames.

The scores stand in a `ScoreTable`: one for each start that a scorer may hear from, and each frame that asks. A walk
over a track takes the score of its own turn. Which questions a setting meets hangs on the answers to those before, so
`QuestionWalk` goes as far as they are known, says what is missing, and goes on from there; `ScoreSearch` does so for
several settings until nothing is.

Without an `EndOfTurn` it is `kernels` alone that decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from bidilab.core.compiling import kernel
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns.detector import StopCause
from bidilab.detect.turns.endofturn import EndOfTurnRule
from bidilab.detect.turns.kernels import TURN_COLUMNS, Runs, TurnTable, high_runs

__all__ = [
    "CAUSE_CODES",
    "QUESTION_COLUMNS",
    "QuestionWalk",
    "ScoreSearch",
    "ScoreTable",
    "ScoredSetting",
    "ScoredTurns",
    "turns_by_score",
]

IntArray = npt.NDArray[np.int64]

_ONSET, _STARTED, _OFFSET, _STOPPED, _FLUSHED = range(5)
assert (_ONSET, _STARTED, _OFFSET, _STOPPED, _FLUSHED) == TURN_COLUMNS

_FLUSH, _SCORE, _TIMEOUT, _MISSING, _OPEN = range(5)
CAUSE_CODES: tuple[StopCause, ...] = ("flush", "score", "timeout")
"""What the numbers in `ScoredTurns.cause` stand for."""
QUESTION_COLUMNS = ("recording", "onset", "pause_start", "asked_at")
"""Columns of questions: index of the recording, and frames from its start; ``asked_at`` is how many have ended."""

_NONE = np.zeros((0, 4), np.int64)
Answers = Callable[[IntArray], npt.ArrayLike]
"""Scores of questions ``(n, 4)``, `QUESTION_COLUMNS`; NaN where none is at hand."""


class ScoreTable(NamedTuple):
    """Scores of a track of recordings that lie one behind the other, at one pair of thresholds.

    ``keys`` is ``(n,) int64``, rising: ``first * span + asked_at`` in frames from the start of the track, with the
    turn's onset as ``first`` where ``by_onset``, else the start of the pause. ``scores`` is ``(n,) float64``, NaN where
    none was at hand; ``span`` is more than the frames of the track.
    """

    keys: IntArray
    scores: npt.NDArray[np.float64]
    span: int
    by_onset: bool

    @classmethod
    def empty(cls, bounds: IntArray, *, by_onset: bool = True) -> Self:
        """A table in which nothing is known.

        Parameters
        ----------
        bounds
            ``(n_recordings + 1,) int64`` frames at which the recordings begin and end.
        by_onset
            Whether a score hangs on the onset of the turn. If not, it may hang on the start of the pause.
        """
        return cls(np.zeros(0, np.int64), np.zeros(0), int(bounds[-1]) + 1, by_onset)

    def keys_of(self, questions: IntArray, bounds: IntArray) -> IntArray:
        """Keys of questions ``(n, 4)``."""
        origin = bounds[questions[:, 0]]
        first = questions[:, 1 if self.by_onset else 2] + origin
        keys: IntArray = first * self.span + questions[:, 3] + origin
        return keys

    def with_answers(self, questions: IntArray, scores: npt.ArrayLike, bounds: IntArray) -> Self:
        """The table with further answers.

        Raises
        ------
        InvalidParameterError
            If there is not one score for each question, or one is neither in [0, 1] nor NaN.
        """
        given = np.asarray(scores, dtype=np.float64)
        if given.shape != (len(questions),):
            raise InvalidParameterError("scores", f"one for each of {len(questions)} questions", given.shape)
        wrong = given[~(((given >= 0) & (given <= 1)) | np.isnan(given))]
        if len(wrong):
            raise InvalidParameterError("score", "a number in [0, 1], or NaN if there is none", float(wrong[0]))
        keys = np.concatenate([self.keys, self.keys_of(questions, bounds)])
        keys, first = np.unique(keys, return_index=True)
        return self._replace(keys=keys, scores=np.concatenate([self.scores, given])[first])


class ScoredSetting(NamedTuple):
    """What decides turns that end by a score, beside the two thresholds of the detector."""

    min_speech_frames: int
    silence_frames: int
    ending: EndOfTurnRule

    def in_whole_frames(self, frame_samples: int, *, asks_every_frame: bool = False) -> ScoredSetting:
        """The setting with the same turns that others have as well: decisions fall on ends of frames.

        Delays and intervals are rounded up to frames. A delay that is over before the first answer can be known makes
        no difference, nor does a timeout before the first question, nor an interval where every frame asks.
        """
        rule = self.ending

        def up(samples: int) -> int:
            return -(-samples // frame_samples) * frame_samples

        latency = up(rule.latency_samples)
        return self._replace(
            ending=rule._replace(
                action_delay_samples=max(up(rule.action_delay_samples), self.silence_frames * frame_samples + latency),
                timeout_frames=max(rule.timeout_frames, self.silence_frames),
                interval_samples=0 if asks_every_frame else up(rule.interval_samples),
                latency_samples=latency,
            )
        )


class ScoredTurns(NamedTuple):
    """Turns of every recording for one setting, and ``(n_turns,) int64`` why each ended, an index of `CAUSE_CODES`."""

    table: TurnTable
    cause: IntArray


@kernel()
def _end_in_pause(  # type: ignore[no-untyped-def]  # pragma: no cover
    p, pause, speech, onset, deactivation, silence, rule, frame, every, keys, scores, span, by_onset
):
    """Frames at the end of the turn and why; the pause is ``[pause, speech)``, frames from the start of the track."""
    threshold, delay, timeout, interval, latency = rule
    limit = max(timeout, silence)
    asked = act = -1  # samples from the start of the pause
    k = pause + silence - 1
    while k < speech:
        lasted = (k + 1 - pause) * frame
        if act >= 0 and lasted >= act:
            return k + 1, _SCORE
        if np.float64(p[k]) < deactivation:
            if act < 0 and (asked < 0 or every or (interval > 0 and lasted - asked >= interval)):
                key = (onset if by_onset else pause) * span + k + 1
                i = np.searchsorted(keys, key)
                if i == len(keys) or keys[i] != key:
                    return k + 1, _MISSING
                asked = lasted
                if scores[i] > threshold:
                    act = max(asked + latency, delay)
                    if lasted >= act:
                        return k + 1, _SCORE
            if k + 1 - pause >= limit:
                return k + 1, _TIMEOUT
        # Nothing happens before one of these.
        wake = pause + limit - 1
        if act >= 0:
            wake = min(wake, pause + (act + frame - 1) // frame - 1)
        elif asked < 0 or every:
            wake = k + 1
        elif interval > 0:
            wake = min(wake, pause + (asked + interval + frame - 1) // frame - 1)
        k = max(k + 1, wake)
    return -1, _OPEN


@kernel()
def _walk_runs(  # type: ignore[no-untyped-def]  # pragma: no cover
    p,
    bounds,
    runs,
    deactivation,
    min_speech,
    silence,
    rule,
    frame,
    every,
    table,
    position,
    questions,
    turns,
    causes,
    turn_bounds,
):
    """Go on from run ``position`` of each recording; into ``turns`` where it is not empty."""
    start, end, first_low, run_bounds = runs
    keeps = len(turns) > 0
    n = n_questions = 0
    for r in range(len(bounds) - 1):
        origin = bounds[r]
        last = run_bounds[r + 1]
        i = position[r]
        while i < last:
            if end[i] - start[i] < min_speech:
                i += 1
                continue
            first = i
            onset = start[i]
            pause = k = bounds[r + 1]
            cause = _FLUSH
            while i < last:
                gap_end = start[i + 1] if i + 1 < last else bounds[r + 1]
                low = first_low[i]
                if low >= 0:
                    stop, why = _end_in_pause(p, low, gap_end, onset, deactivation, silence, rule, frame, every, *table)
                    if why != _OPEN:
                        pause, k, cause = low, stop, why
                        i += 1
                        break
                i += 1
            if cause == _MISSING:
                questions[n_questions] = (r, onset - origin, pause - origin, k - origin)
                n_questions += 1
                i = first
                break
            if keeps:
                turns[n] = (
                    onset - origin,
                    onset + min_speech - origin,
                    pause - origin,
                    k - origin,
                    1 if cause == _FLUSH else 0,
                )
                causes[n] = cause
                n += 1
        position[r] = i
        turn_bounds[r + 1] = n
    return n_questions


@kernel()
def _walk_frames(  # type: ignore[no-untyped-def]  # pragma: no cover
    p,
    bounds,
    threshold,
    deactivation,
    min_speech,
    silence,
    rule,
    frame,
    every,
    table,
    position,
    questions,
    turns,
    causes,
    turn_bounds,
):
    """The same from frame ``position`` of each recording, by frames: for high frames that are low as well."""
    keeps = len(turns) > 0
    n = n_questions = 0
    for r in range(len(bounds) - 1):
        origin, length = bounds[r], bounds[r + 1]
        k = position[r]
        run = 0
        while k < length:
            run = run + 1 if np.float64(p[k]) >= threshold else 0
            k += 1
            if run < min_speech:
                continue
            onset, started = k - run, k
            run = 0
            pause, cause = length, _FLUSH
            while k < length:
                if np.float64(p[k]) >= deactivation:
                    k += 1
                    continue
                speech = k + 1
                while speech < length and np.float64(p[speech]) < threshold:
                    speech += 1
                stop, why = _end_in_pause(p, k, speech, onset, deactivation, silence, rule, frame, every, *table)
                if why != _OPEN:
                    pause, k, cause = k, stop, why
                    break
                k = speech
            if cause == _MISSING:
                questions[n_questions] = (r, onset - origin, pause - origin, k - origin)
                n_questions += 1
                k = onset
                break
            if keeps:
                turns[n] = (onset - origin, started - origin, pause - origin, k - origin, 1 if cause == _FLUSH else 0)
                causes[n] = cause
                n += 1
        position[r] = k
        turn_bounds[r + 1] = n
    return n_questions


@kernel()
def _walk_settings(  # type: ignore[no-untyped-def]  # pragma: no cover
    p, bounds, runs, deactivation, rules, thresholds, frame, every, table, going_on, positions, questions, counts
):
    """`_walk_runs` for each setting of ``going_on``, one call for all; ``counts`` takes what each is stopped by."""
    turns, causes = np.empty((0, 5), np.int64), np.empty(0, np.int64)
    turn_bounds = np.empty(len(bounds), np.int64)
    n = 0
    for s in range(len(going_on)):
        k = going_on[s]
        row = rules[k]
        counts[s] = _walk_runs(
            p,
            bounds,
            runs,
            deactivation,
            row[0],
            row[1],
            (thresholds[k], row[2], row[3], row[4], row[5]),
            frame,
            every,
            table,
            positions[k],
            questions[n:],
            turns,
            causes,
            turn_bounds,
        )
        n += counts[s]
    return n


class QuestionWalk:
    """A walk over a track at one setting, from what is not known to what is not known.

    Parameters
    ----------
    probabilities, bounds
        As in `kernels.high_runs`.
    threshold, deactivation_threshold
        As in `TurnParams`.
    setting
        What else decides.
    frame_samples
        Samples per frame.
    asks_every_frame
        As in `TurnDetector`.
    runs
        The runs at the two thresholds; ``None`` where high and low frames overlap.
    """

    def __init__(
        self,
        probabilities: npt.NDArray[np.float32],
        bounds: IntArray,
        *,
        threshold: float,
        deactivation_threshold: float,
        setting: ScoredSetting,
        frame_samples: int,
        asks_every_frame: bool,
        runs: Runs | None,
    ) -> None:
        self._bounds = bounds
        self._runs = runs
        self._walk: Callable[..., int]
        self._given: tuple[Any, ...]
        if runs is None:
            self._walk = _walk_frames
            self._given = (probabilities, bounds, float(threshold), float(deactivation_threshold))
        else:
            self._walk = _walk_runs
            self._given = (probabilities, bounds, tuple(runs), float(deactivation_threshold))
        rule = setting.ending
        self._rule = (
            setting.min_speech_frames,
            setting.silence_frames,
            (float(rule.threshold), *(int(value) for value in rule[1:])),
            int(frame_samples),
            bool(asks_every_frame),
        )
        self._position = np.array(bounds[:-1] if runs is None else runs.bounds[:-1])

    def missing(self, known: ScoreTable) -> IntArray:
        """Go on as far as the scores are known; return what is missing, ``(n, 4)``, at most one per recording."""
        return self._go(known, np.zeros((0, 5), np.int64), np.zeros(0, np.int64))[0]

    def turns(self, known: ScoreTable) -> ScoredTurns:
        """Turns of a walk that has not begun yet.

        Raises
        ------
        InvalidParameterError
            If a score is missing.
        """
        most = len(self._given[0]) if self._runs is None else len(self._runs.start)
        turns, cause = np.empty((max(most, 1), 5), np.int64), np.empty(max(most, 1), np.int64)
        missing, bounds = self._go(known, turns, cause)
        if len(missing):
            raise InvalidParameterError(
                "scores", "known for every question", f"none for {dict(zip(QUESTION_COLUMNS, missing[0], strict=True))}"
            )
        return ScoredTurns(TurnTable(turns[: bounds[-1]].copy(), bounds), cause[: bounds[-1]].copy())

    def _go(self, known: ScoreTable, turns: IntArray, cause: IntArray) -> tuple[IntArray, IntArray]:
        questions = np.empty((len(self._bounds) - 1, 4), np.int64)
        turn_bounds = np.zeros(len(self._bounds), np.int64)
        table = (known.keys, known.scores, known.span, known.by_onset)
        n = self._walk(*self._given, *self._rule, table, self._position, questions, turns, cause, turn_bounds)
        return questions[:n], turn_bounds


class _WalksByFrames:
    """Walks of several settings, one after the other."""

    def __init__(self, walks: Sequence[QuestionWalk]) -> None:
        self._walks = list(walks)

    def missing(self, known: ScoreTable) -> IntArray:
        """What stops the settings, ``(n, 4)``; those that nothing stops are done."""
        wanted = [walk.missing(known) for walk in self._walks]
        self._walks = [walk for walk, questions in zip(self._walks, wanted, strict=True) if len(questions)]
        return np.concatenate([_NONE, *wanted])


class _WalksByRuns:
    """The same by runs, in one call: a grid has a hundred settings a threshold, each of which is stopped a lot."""

    def __init__(
        self,
        probabilities: npt.NDArray[np.float32],
        bounds: IntArray,
        settings: Sequence[ScoredSetting],
        *,
        deactivation_threshold: float,
        frame_samples: int,
        asks_every_frame: bool,
        runs: Runs,
    ) -> None:
        self._track = (probabilities, bounds, tuple(runs), float(deactivation_threshold))
        rows = [(each.min_speech_frames, each.silence_frames, *each.ending[1:]) for each in settings]
        self._rules = np.array(rows, np.int64).reshape(len(settings), -1)
        self._thresholds = np.array([each.ending.threshold for each in settings], np.float64)
        self._how = (int(frame_samples), bool(asks_every_frame))
        self._positions = np.tile(np.asarray(runs.bounds[:-1], np.int64), (len(settings), 1))
        self._going_on = np.arange(len(settings))

    def missing(self, known: ScoreTable) -> IntArray:
        """As of `_WalksByFrames`."""
        n_settings, n_recordings = len(self._going_on), self._positions.shape[1]
        questions, counts = np.empty((n_settings * n_recordings, 4), np.int64), np.zeros(n_settings, np.int64)
        table = (known.keys, known.scores, known.span, known.by_onset)
        progress = (self._going_on, self._positions, questions, counts)
        n = _walk_settings(*self._track, self._rules, self._thresholds, *self._how, table, *progress)
        self._going_on = self._going_on[counts > 0]
        return questions[:n]


class ScoreSearch:
    """The scores that some settings meet on a track, found by walking it: what is missing, answered, what is then.

    Parameters
    ----------
    probabilities, bounds, threshold, deactivation_threshold, runs
        As in `kernels.turns_in_frames`; the two thresholds are those of all settings.
    settings
        What else decides.
    frame_samples, asks_every_frame
        As in `QuestionWalk`.
    by_onset
        As in `ScoreTable.empty`.

    Attributes
    ----------
    known : ScoreTable
        What is known so far.
    """

    def __init__(
        self,
        probabilities: npt.NDArray[np.float32],
        bounds: IntArray,
        settings: Sequence[ScoredSetting],
        *,
        threshold: float,
        deactivation_threshold: float,
        frame_samples: int,
        asks_every_frame: bool = False,
        by_onset: bool = True,
        runs: Runs | None = None,
    ) -> None:
        self.known = ScoreTable.empty(bounds, by_onset=by_onset)
        self._bounds = bounds
        runs = _runs_at(probabilities, bounds, threshold, deactivation_threshold, runs)
        grain: dict[str, Any] = {"frame_samples": frame_samples, "asks_every_frame": asks_every_frame}
        self._walks: _WalksByFrames | _WalksByRuns
        if runs is None:
            both: dict[str, Any] = {"threshold": threshold, "deactivation_threshold": deactivation_threshold}
            self._walks = _WalksByFrames(
                [QuestionWalk(probabilities, bounds, setting=each, runs=None, **both, **grain) for each in settings]
            )
        else:
            self._walks = _WalksByRuns(
                probabilities, bounds, settings, deactivation_threshold=deactivation_threshold, runs=runs, **grain
            )

    def missing(self) -> IntArray:
        """Go on as far as the scores are known; return the questions that stop a setting, ``(n, 4)``, each once."""
        questions = self._walks.missing(self.known)
        _, first = np.unique(self.known.keys_of(questions, self._bounds), return_index=True)
        return questions[np.sort(first)]

    def learn(self, questions: IntArray, scores: npt.ArrayLike) -> None:
        """Take the scores of questions; see `ScoreTable.with_answers`."""
        self.known = self.known.with_answers(questions, scores, self._bounds)

    def ask(self, answers: Answers) -> ScoreTable:
        """Ask for every score that any of the settings meets, and for no other."""
        while len(questions := self.missing()):
            self.learn(questions, answers(questions))
        return self.known


def turns_by_score(
    probabilities: npt.NDArray[np.float32],
    bounds: IntArray,
    setting: ScoredSetting,
    scores: ScoreTable,
    *,
    threshold: float,
    deactivation_threshold: float,
    frame_samples: int,
    asks_every_frame: bool = False,
    runs: Runs | None = None,
) -> ScoredTurns:
    """Turns of every recording for one setting, by scores that are known.

    Parameters
    ----------
    probabilities, bounds, threshold, deactivation_threshold, runs
        As in `kernels.turns_in_frames`.
    setting
        What else decides.
    scores
        What a `ScoreSearch` found for the setting, alone or among others.
    frame_samples, asks_every_frame
        As in `QuestionWalk`.

    Raises
    ------
    InvalidParameterError
        If a score is missing.
    """
    walk = QuestionWalk(
        probabilities,
        bounds,
        threshold=threshold,
        deactivation_threshold=deactivation_threshold,
        setting=setting,
        frame_samples=frame_samples,
        asks_every_frame=asks_every_frame,
        runs=_runs_at(probabilities, bounds, threshold, deactivation_threshold, runs),
    )
    return walk.turns(scores)


def _runs_at(
    probabilities: npt.NDArray[np.float32],
    bounds: IntArray,
    threshold: float,
    deactivation_threshold: float,
    runs: Runs | None,
) -> Runs | None:
    """The runs at two thresholds; ``None`` where high and low frames overlap, so that gaps do not tell the silences."""
    if deactivation_threshold > threshold:  # threshold < 0.01
        return None
    return high_runs(probabilities, bounds, threshold, deactivation_threshold) if runs is None else runs
