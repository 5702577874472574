"""Settings whose turns end, or interrupt, by a score: which scores a grid meets, and the turns that they give.

Which questions a setting asks hangs on the answers that it got. So all settings walk the recordings at once, as far as
the scores are known, what they miss is asked for, and they go on, until nothing is missing. No other score is asked
for. Settings that cannot differ are one (`detector_setting`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.scorers.asking import score_of_track
from bidilab.detect.scorers.base import ScoreTrack
from bidilab.detect.turns import AdaptiveInterruption, EndOfTurn, Guards, ScoreWanted, TurnParams
from bidilab.detect.turns.detect import ScoredEnding
from bidilab.detect.turns.endofturn import Context, EndOfTurnRule
from bidilab.detect.turns.guard_kernels import interruption_questions
from bidilab.detect.turns.guards import GuardRule, ScoredGuard
from bidilab.detect.turns.interruption import AdaptiveRule
from bidilab.detect.turns.kernels import Runs, TurnTable, turns_in_frames
from bidilab.detect.turns.params import FrameParams
from bidilab.detect.turns.score_kernels import (
    CAUSE_CODES,
    ScoredSetting,
    ScoredTurns,
    ScoreSearch,
    ScoreTable,
    turns_by_score,
)
from bidilab.lab.sweep.evaluated import EventVerdicts
from bidilab.lab.sweep.kernels.evaluation import NO_CAUSES, judge_events
from bidilab.lab.sweep.kernels.windows import WindowTrack
from bidilab.lab.sweep.problem import SweepProblem
from bidilab.lab.sweep.scores import SweepScores

__all__ = [
    "DetectorSetting",
    "MetScores",
    "OneRecording",
    "ScoreAnswers",
    "ScorerAnswers",
    "TrackAnswers",
    "detector_setting",
    "find_scores",
    "guard_rule",
    "scored_ending",
    "scored_guard",
    "turns_of",
]

IntArray = npt.NDArray[np.int64]
Thresholds = tuple[float, float]
_NONE = np.zeros((0, 4), np.int64)
_NEVER_FRAMES = 1 << 40


class DetectorSetting(NamedTuple):
    """What decides the turns: settings that agree in this give the same turns.

    ``ending`` is how they end by a score, in whole frames; ``None``: by silence alone.
    """

    threshold: float
    deactivation_threshold: float
    min_speech_frames: int
    silence_frames: int
    ending: EndOfTurnRule | None = None

    @property
    def asks(self) -> bool:
        """Whether a score can make a difference: no score is above a threshold of 1."""
        return self.ending is not None and self.ending.threshold < 1

    @property
    def frames_to_end(self) -> int:
        """Frames of silence that end a turn whatever the score."""
        return self.silence_frames if self.ending is None else self.ending.timeout_frames

    @property
    def scored(self) -> ScoredSetting:
        """The part of the setting that the scores' kernels decide by."""
        assert self.ending is not None
        return ScoredSetting(self.min_speech_frames, self.silence_frames, self.ending)

    @property
    def rule(self) -> FrameParams:
        """The setting without what ends a turn by a score: turns end by silence, or time out."""
        return FrameParams(*self[:3], silence_frames=self.frames_to_end, prefix_samples=0)


class ScoreAnswers(Protocol):
    """Answers what is asked about the recordings of a sweep."""

    @property
    def latency_ms(self) -> float:
        """From asking to knowing, where the policy does not say."""

    @property
    def every_frame(self) -> bool:
        """Whether every frame of a pause asks, as of scores computed elsewhere."""

    @property
    def by_onset(self) -> bool:
        """Whether an answer hangs on the onset of the turn."""

    @property
    def n_inferences(self) -> int:
        """Scores computed so far."""

    def answers(self, questions: Sequence[Sequence[ScoreWanted]]) -> Sequence[Sequence[float | None]]:
        """The answer to each question, of each recording in the order of the recordings."""


class ScorerAnswers:
    """A scorer's answers.

    Parameters
    ----------
    scores
        Of the recordings.
    context
        What the scorer hears.
    """

    every_frame = False

    def __init__(self, scores: SweepScores, context: Context) -> None:
        self._scores = scores
        self._context = context
        self.latency_ms = float(scores.scorer.latency_ms)
        self.by_onset = context == "turn"

    @property
    def n_inferences(self) -> int:
        """Windows that the scorer heard so far."""
        return self._scores.n_inferences

    def missing(self, questions: Sequence[Sequence[ScoreWanted]]) -> int:
        """How many inferences the answers would take."""
        return self._scores.missing(questions, self._context)

    def answers(self, questions: Sequence[Sequence[ScoreWanted]]) -> Sequence[Sequence[float | None]]:
        """The score of each question; what is not known is computed."""
        return self._scores.answers(questions, self._context)


class TrackAnswers:
    """Scores computed elsewhere.

    Parameters
    ----------
    tracks
        Of each recording; ``None`` where it has none: nothing is ever at hand.
    sample_rate
        Hertz of the VAD.
    """

    every_frame = True
    by_onset = False
    latency_ms = 0.0
    n_inferences = 0

    def __init__(self, tracks: Sequence[ScoreTrack | None], sample_rate: int) -> None:
        self._tracks = tracks
        self._sample_rate = sample_rate

    def answers(self, questions: Sequence[Sequence[ScoreWanted]]) -> Sequence[Sequence[float | None]]:
        """What each recording's track has to say."""
        return [
            [None if track is None else score_of_track(track, question, self._sample_rate) for question in asked]
            for track, asked in zip(self._tracks, questions, strict=True)
        ]


class OneRecording:
    """The answers of one recording of several, as those of a sweep of it alone.

    Parameters
    ----------
    answers
        Of all recordings.
    index, n_recordings
        Which it is, of how many.
    """

    def __init__(self, answers: ScoreAnswers, index: int, n_recordings: int) -> None:
        self._answers = answers
        self._index = index
        self._n = n_recordings
        self.latency_ms = answers.latency_ms
        self.every_frame = answers.every_frame
        self.by_onset = answers.by_onset

    @property
    def n_inferences(self) -> int:
        """Scores computed so far, of all recordings."""
        return self._answers.n_inferences

    def answers(self, questions: Sequence[Sequence[ScoreWanted]]) -> Sequence[Sequence[float | None]]:
        """The answers about the one recording."""
        (asked,) = questions
        every = [list(asked) if k == self._index else [] for k in range(self._n)]
        return [self._answers.answers(every)[self._index]]


def scored_guard(adaptive: AdaptiveInterruption, answers: ScoreAnswers) -> ScoredGuard:
    """How speech interrupts by a score, for the readable evaluation of the one recording of the answers."""

    def score(question: ScoreWanted) -> float | None:
        ((answer,),) = answers.answers([[question]])
        return answer

    return ScoredGuard(adaptive, score, answers.latency_ms, answers.every_frame)


def scored_ending(end_of_turn: EndOfTurn, answers: ScoreAnswers) -> ScoredEnding:
    """How turns end by a score, for the readable evaluation of the one recording that the answers are about."""

    def score(question: ScoreWanted) -> float | None:
        ((answer,),) = answers.answers([[question]])
        return answer

    return ScoredEnding(end_of_turn, score, answers.latency_ms, answers.every_frame)


class MetScores(NamedTuple):
    """The scores that some settings meet.

    ``of_tracks`` and ``of_windows`` are of ends of turns, by the two thresholds of the settings: on whole recordings,
    and on ``windows``, in which events are judged for themselves where a guard sees the end of a turn or asks a scorer.
    ``interrupting`` and ``interrupting_windows`` are of interruptions there.
    """

    of_tracks: Mapping[Thresholds, ScoreTable] = MappingProxyType({})
    of_windows: Mapping[Thresholds, ScoreTable] = MappingProxyType({})
    every_frame: bool = False
    windows: WindowTrack | None = None
    interrupting: ScoreTable | None = None
    interrupting_windows: ScoreTable | None = None

    def of(self, thresholds: Thresholds) -> MetScores:
        """What settings with two thresholds meet of it: less to send to a worker."""
        return self._replace(
            of_tracks={key: table for key, table in self.of_tracks.items() if key == thresholds},
            of_windows={key: table for key, table in self.of_windows.items() if key == thresholds},
        )

    def turns(self, problem: SweepProblem, setting: DetectorSetting, runs: Runs | None = None) -> ScoredTurns:
        """Turns of a setting in every recording, and why they ended."""
        known = self.of_tracks.get(setting[:2])
        track = (problem.probabilities, problem.frame_bounds, problem.frame_samples)
        return turns_of(setting, *track, known, every_frame=self.every_frame, runs=runs)

    def judge(
        self, problem: SweepProblem, setting: DetectorSetting, guards: Sequence[GuardRule]
    ) -> list[EventVerdicts]:
        """Judge every labelled event for itself under a setting and each of several guards."""
        adaptive = any(guard.adaptive is not None for guard in guards)
        windows = None
        if self.windows is not None and (setting.asks or adaptive):
            known = self.of_windows.get(setting[:2])
            track = (self.windows.probabilities, self.windows.bounds, problem.frame_samples)
            windows = (self.windows, turns_of(setting, *track, known, every_frame=self.every_frame).table)
        return judge_events(problem, setting.rule, guards, windows, self.interrupting_windows)


def detector_setting(
    params: TurnParams,
    end_of_turn: EndOfTurn | None,
    *,
    frame_samples: int,
    sample_rate: int,
    lookahead_samples: int,
    answers: ScoreAnswers | None,
) -> DetectorSetting:
    """What decides the turns of a setting, the same for settings that cannot differ.

    Of a score that never fires only the timeout counts.
    """
    rule = params.in_frames(frame_samples=frame_samples, sample_rate=sample_rate)
    if end_of_turn is None:
        return DetectorSetting(*rule[:4])
    if answers is None:
        raise InvalidParameterError("answers", "what answers for turns that end by a score", None)
    ending = end_of_turn.in_frames(
        frame_samples=frame_samples,
        sample_rate=sample_rate,
        lookahead_samples=lookahead_samples,
        scorer_latency_ms=answers.latency_ms,
    )
    setting = ScoredSetting(rule.min_speech_frames, rule.silence_frames, ending)
    ending = setting.in_whole_frames(frame_samples, asks_every_frame=answers.every_frame).ending
    if ending.threshold >= 1:
        ending = EndOfTurnRule(1.0, 0, ending.timeout_frames, 0, 0)
    return DetectorSetting(*rule[:4], ending)


def guard_rule(
    guards: Guards,
    adaptive: AdaptiveInterruption | None,
    *,
    frame_samples: int,
    sample_rate: int,
    lookahead_samples: int,
    interrupting: ScoreAnswers | None,
) -> GuardRule:
    """What guards a setting, the same for settings that cannot differ."""
    grain = {"frame_samples": frame_samples, "sample_rate": sample_rate, "lookahead_samples": lookahead_samples}
    rule = guards.in_frames(**grain)
    if adaptive is None:
        return rule
    if interrupting is None:
        raise InvalidParameterError("interrupting", "what answers for speech that interrupts by a score", None)
    found = adaptive.in_frames(
        **grain, scorer_latency_ms=interrupting.latency_ms, asks_every_frame=interrupting.every_frame
    )
    if found.threshold >= 1:  # no score is above: only the window counts
        found = AdaptiveRule(1.0, _NEVER_FRAMES, 0, found.window_frames, 0)
    return rule._replace(adaptive=found)


def turns_of(
    setting: DetectorSetting,
    probabilities: npt.NDArray[np.float32],
    bounds: IntArray,
    frame_samples: int,
    scores: ScoreTable | None,
    *,
    every_frame: bool = False,
    runs: Runs | None = None,
) -> ScoredTurns:
    """Turns of a setting on a track of recordings, by the scores that it meets; `NO_CAUSES` where silence ends them."""
    if not setting.asks:
        rule = setting.rule
        table = turns_in_frames(
            probabilities,
            bounds,
            threshold=rule.threshold,
            deactivation_threshold=rule.deactivation_threshold,
            min_speech_frames=rule.min_speech_frames,
            silence_frames=rule.silence_frames,
            runs=runs,
        )
        if setting.ending is None:
            return ScoredTurns(table, NO_CAUSES)
        flush, timeout = CAUSE_CODES.index("flush"), CAUSE_CODES.index("timeout")
        return ScoredTurns(table, np.where(table.turns[:, -1] != 0, flush, timeout))
    assert scores is not None
    return turns_by_score(
        probabilities,
        bounds,
        setting.scored,
        scores,
        threshold=setting.threshold,
        deactivation_threshold=setting.deactivation_threshold,
        frame_samples=frame_samples,
        asks_every_frame=every_frame,
        runs=runs,
    )


class _Questions:
    """Questions of one track, as questions about recordings."""

    def __init__(self, problem: SweepProblem, windows: WindowTrack | None) -> None:
        self._problem = problem
        self._windows = windows
        self._recording = None if windows is None else problem.judged.recording[windows.table.windows[:, 0]]
        self._missing = _NONE

    def missing(self) -> IntArray:
        """What is missing, ``(n, 4)``."""
        raise NotImplementedError

    def take(self, questions: IntArray, scores: npt.ArrayLike) -> None:
        """Take the scores of questions."""
        raise NotImplementedError

    def questions(self) -> list[tuple[int, ScoreWanted]]:
        """What is missing, with the recording that it is of; nothing when all is known."""
        while len(missing := self.missing()):
            owner: npt.NDArray[np.integer] = missing[:, 0]
            first = np.zeros((len(missing), 1), np.int64)
            if self._windows is not None and self._recording is not None:
                beyond = missing[:, 3] > self._windows.heard[owner]
                if beyond.any():  # behind a window nothing is heard, so nothing is asked
                    self.take(missing[beyond], np.full(int(beyond.sum()), np.nan))
                    missing, owner = missing[~beyond], owner[~beyond]
                first, owner = self._windows.first[owner][:, None], self._recording[owner]
            if len(missing):
                self._missing = missing
                frame, ahead = self._problem.frame_samples, self._problem.lookahead_samples
                asked = (missing[:, 1:] + first) * frame + np.array([0, 0, ahead])
                return [
                    (int(k), ScoreWanted(onset=onset, pause_start=pause, asked_at=at))
                    for k, (onset, pause, at) in zip(owner, asked.tolist(), strict=True)
                ]
        return []

    def learn(self, scores: Iterable[float | None]) -> None:
        """Take the answers to the last questions."""
        self.take(self._missing, [np.nan if score is None else score for score in scores])


class _Asking(_Questions):
    """The questions that some settings with the same thresholds ask about ends of turns."""

    def __init__(
        self,
        problem: SweepProblem,
        settings: Sequence[DetectorSetting],
        answers: ScoreAnswers,
        windows: WindowTrack | None = None,
    ) -> None:
        super().__init__(problem, windows)
        track = (
            (problem.probabilities, problem.frame_bounds)
            if windows is None
            else (windows.probabilities, windows.bounds)
        )
        self.search = ScoreSearch(
            *track,
            [setting.scored for setting in settings],
            threshold=settings[0].threshold,
            deactivation_threshold=settings[0].deactivation_threshold,
            frame_samples=problem.frame_samples,
            asks_every_frame=answers.every_frame,
            by_onset=answers.by_onset,
        )

    def missing(self) -> IntArray:
        return self.search.missing()

    def take(self, questions: IntArray, scores: npt.ArrayLike) -> None:
        self.search.learn(questions, scores)


class _Interrupting(_Questions):
    """The questions that adaptive interruptions ask about some turns."""

    def __init__(
        self,
        problem: SweepProblem,
        turns: TurnTable,
        rules: Sequence[AdaptiveRule],
        windows: WindowTrack | None = None,
    ) -> None:
        super().__init__(problem, windows)
        self._turns = turns
        self._rules = list(rules)
        self._bounds = problem.frame_bounds if windows is None else windows.bounds
        self.known = ScoreTable.empty(self._bounds)

    def missing(self) -> IntArray:
        wanted = [interruption_questions(self._turns, self._bounds, rule, self.known)[1] for rule in self._rules]
        self._rules = [rule for rule, questions in zip(self._rules, wanted, strict=True) if len(questions)]
        questions = np.concatenate([_NONE, *wanted])
        _, first = np.unique(self.known.keys_of(questions, self._bounds), return_index=True)
        return questions[np.sort(first)]

    def take(self, questions: IntArray, scores: npt.ArrayLike) -> None:
        self.known = self.known.with_answers(questions, scores, self._bounds)


def find_scores(
    problem: SweepProblem,
    settings: Sequence[DetectorSetting],
    guards: Sequence[GuardRule],
    answers: ScoreAnswers | None,
    interrupting: ScoreAnswers | None = None,
    *,
    simulated: bool = False,
    progress: bool = False,
) -> MetScores:
    """Ask for every score that some settings meet.

    Parameters
    ----------
    problem
        Labels and tracks.
    settings, guards
        Each setting is evaluated under all guards.
    answers, interrupting
        What answers for ends of turns and for interruptions; not needed where no setting, no guard asks.
    simulated
        Whether a simulated agent may speak at any time; if not, speech can interrupt the recorded responses alone.
    progress
        Whether to show a bar: how many scores were computed.
    """
    blocks: dict[Thresholds, list[DetectorSetting]] = {}
    for setting in settings:
        if setting.asks:
            blocks.setdefault(setting[:2], []).append(setting)
    asking = [guard for guard in guards if guard.adaptive is not None]
    windows = None
    if seeing := [guard for guard in guards if guard.sees_ends and (blocks or guard.adaptive is not None)]:
        windows = WindowTrack.build(problem.judged.windows, problem.probabilities, _silence(settings, seeing))
    met = MetScores(windows=windows)
    if blocks and answers is not None:
        ends = answers

        def begun() -> dict[Thresholds, tuple[_Asking, _Asking | None]]:
            return {
                thresholds: (
                    _Asking(problem, block, ends),
                    None if windows is None else _Asking(problem, block, ends, windows),
                )
                for thresholds, block in blocks.items()
            }

        found = begun()
        _ask(_listed(found), lambda: _listed(begun()), problem, ends, "End-of-turn scores", progress=progress)
        met = met._replace(
            of_tracks={key: whole.search.known for key, (whole, _) in found.items()},
            of_windows={key: judged.search.known for key, (_, judged) in found.items() if judged is not None},
            every_frame=answers.every_frame,
        )
    if asking and interrupting is not None and windows is not None:
        rules = list(dict.fromkeys(guard.adaptive for guard in asking if guard.adaptive is not None))
        in_track = _in_responses(problem, _of_settings(problem, settings, met), simulated=simulated)
        in_windows = _of_windows(problem, settings, met, windows)

        def interrupters() -> tuple[_Interrupting, _Interrupting]:
            return _Interrupting(problem, in_track, rules), _Interrupting(problem, in_windows, rules, windows)

        track, judged = interrupters()
        _ask([track, judged], interrupters, problem, interrupting, "Interruption scores", progress=progress)
        met = met._replace(interrupting=track.known, interrupting_windows=judged.known)
    return met


def _of_settings(problem: SweepProblem, settings: Sequence[DetectorSetting], met: MetScores) -> TurnTable:
    """The turns of all settings in every recording."""
    return _together([met.turns(problem, setting).table for setting in settings])


def _of_windows(
    problem: SweepProblem, settings: Sequence[DetectorSetting], met: MetScores, windows: WindowTrack
) -> TurnTable:
    """The turns of all settings in the windows, those with an onset that counts."""
    found = []
    for setting in settings:
        track = (windows.probabilities, windows.bounds, problem.frame_samples, met.of_windows.get(setting[:2]))
        found.append(turns_of(setting, *track, every_frame=met.every_frame).table)
    table = _together(found)
    last = windows.table.windows[:, 3] - windows.table.windows[:, 1]
    return _only(table, table.turns[:, 0] <= np.repeat(last, np.diff(table.bounds)))


def _together(tables: Sequence[TurnTable]) -> TurnTable:
    """Turns of several settings as one table: each start once, with its latest end."""
    rows = np.concatenate(
        [np.column_stack([np.repeat(np.arange(len(t.bounds) - 1), np.diff(t.bounds)), t.turns]) for t in tables]
    )
    rows = rows[np.lexsort((-rows[:, 4], rows[:, 2], rows[:, 1], rows[:, 0]))]
    first = np.ones(len(rows), dtype=np.bool_)
    first[1:] = (rows[1:, :3] != rows[:-1, :3]).any(axis=1)
    rows = rows[first]
    bounds = np.searchsorted(rows[:, 0], np.arange(len(tables[0].bounds)))
    return TurnTable(np.ascontiguousarray(rows[:, 1:]), bounds.astype(np.int64))


def _only(table: TurnTable, kept: npt.NDArray[np.bool_]) -> TurnTable:
    return TurnTable(table.turns[kept], np.concatenate([[0], np.cumsum(kept)])[table.bounds].astype(np.int64))


def _in_responses(problem: SweepProblem, table: TurnTable, *, simulated: bool) -> TurnTable:
    """The turns that start where an agent may speak: no other is guarded."""
    if simulated:
        return table
    kept = np.zeros(len(table.turns), dtype=np.bool_)
    for r in range(problem.n_recordings):
        rows = slice(table.bounds[r], table.bounds[r + 1])
        started = table.turns[rows, 1] * problem.frame_samples + problem.lookahead_samples
        responses = problem.responses[problem.response_bounds[r] : problem.response_bounds[r + 1]]
        for start, end in responses.tolist():
            kept[rows] |= (started >= start) & (started < end)
    return _only(table, kept)


def _silence(settings: Sequence[DetectorSetting], guards: Sequence[GuardRule]) -> int:
    """Frames of silence behind a window in which every turn ends and every guard is passed."""
    ends = max(setting.frames_to_end + setting.min_speech_frames for setting in settings)
    return ends + max(guard.min_frames + _longest(guard.adaptive) for guard in guards) + 1


def _longest(rule: AdaptiveRule | None) -> int:
    """Frames after which nothing more can let a turn interrupt, but a score."""
    return 0 if rule is None else max(rule.window_frames, 0) + rule.latency_frames


def _listed(made: Mapping[Thresholds, tuple[_Asking, _Asking | None]]) -> list[_Questions]:
    return [one for pair in made.values() for one in pair if one is not None]


def _ask(
    asking: Sequence[_Questions],
    begin: Callable[[], Sequence[_Questions]],
    problem: SweepProblem,
    answers: ScoreAnswers,
    label: str,
    *,
    progress: bool,
) -> None:
    """Ask until nothing is missing; ``begin`` makes the questions anew, to tell how many scores it may take."""
    with tqdm(desc=label, unit="score", disable=not progress or answers.every_frame, dynamic_ncols=True) as bar:
        said = bar.disable or not isinstance(answers, ScorerAnswers)
        before = answers.n_inferences
        for asked in _rounds(asking, problem):
            if not said and isinstance(answers, ScorerAnswers) and answers.missing(asked.questions):
                bar.total, said = _expected(begin, problem, answers), True
                bar.refresh()
            asked.learn(answers.answers(asked.questions))
            bar.update(answers.n_inferences - before)
            before = answers.n_inferences
        if bar.total is not None:
            bar.total = bar.n  # it was an estimate
            bar.refresh()


class _Round:
    """What some `_Questions` miss at a time: questions of each recording."""

    def __init__(self, asking: Sequence[_Questions], wanted: Sequence[list[tuple[int, ScoreWanted]]], n: int) -> None:
        self._asking = asking
        self._wanted = wanted
        self.questions: list[list[ScoreWanted]] = [[] for _ in range(n)]
        for asked in wanted:
            for recording, question in asked:
                self.questions[recording].append(question)

    def learn(self, answers: Sequence[Sequence[float | None]]) -> None:
        """Take the answers to `questions`."""
        given = [iter(scores) for scores in answers]
        for one, asked in zip(self._asking, self._wanted, strict=True):
            one.learn([next(given[recording]) for recording, _ in asked])


def _rounds(asking: Sequence[_Questions], problem: SweepProblem) -> Iterator[_Round]:
    """Rounds of questions, each to be answered before the next, until nothing is missing."""
    while True:
        wanted = [one.questions() for one in asking]
        asking = [one for one, questions in zip(asking, wanted, strict=True) if questions]
        if not asking:
            return
        yield _Round(asking, [questions for questions in wanted if questions], problem.n_recordings)


def _expected(begin: Callable[[], Sequence[_Questions]], problem: SweepProblem, answers: ScorerAnswers) -> int:
    """How many inferences it will take, about.

    Counted are the windows that are heard if no score fires and if every score does: what is met by real scores lies
    mostly in these, and not all of these are met.
    """
    met: list[set[ScoreWanted]] = [set() for _ in range(problem.n_recordings)]
    for score in (0.0, 1.0):
        for asked in _rounds(begin(), problem):
            for recording, questions in zip(met, asked.questions, strict=True):
                recording.update(questions)
            asked.learn([[score] * len(questions) for questions in asked.questions])
    return answers.missing([list(questions) for questions in met])
