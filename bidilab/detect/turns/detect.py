"""`detect_turns`: the turns of one probability track."""

from __future__ import annotations

from typing import NamedTuple, Self, TypedDict

import numpy as np
import numpy.typing as npt

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.scorers.base import ScoreTrack
from bidilab.detect.turns.detector import ScoreFunction, ScoreWanted, StopCause, Turn
from bidilab.detect.turns.endofturn import EndOfTurn
from bidilab.detect.turns.params import FrameParams, TurnParams

__all__ = ["ScoredEnding", "check_probabilities", "detect_turns", "score_function"]


def check_probabilities(probabilities: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return a probability track as contiguous ``(n_frames,) float32``.

    Raises
    ------
    InvalidParameterError
        If it has another shape, or holds a value that is not in [0, 1].
    """
    track = np.ascontiguousarray(probabilities, dtype=np.float32)
    if track.ndim != 1:
        raise InvalidParameterError("probabilities", "an array of shape (n_frames,)", track.shape)
    allowed = (track >= 0) & (track <= 1)
    if not allowed.all():
        first = int(np.argmin(allowed))
        raise InvalidParameterError("probabilities", f"numbers in [0, 1] (frame {first} is not)", float(track[first]))
    return track


def detect_turns(
    probabilities: npt.ArrayLike,
    params: TurnParams | None = None,
    *,
    frame_samples: int,
    sample_rate: int,
    lookahead_samples: int = 0,
    end_of_turn: EndOfTurn | None = None,
    scores: ScoreFunction | ScoreTrack | None = None,
    scorer_latency_ms: float = 0,
    asks_every_frame: bool = False,
) -> tuple[Turn, ...]:
    """Find the turns of a probability track, with the compiled kernel.

    Parameters
    ----------
    probabilities
        ``(n_frames,)`` in [0, 1]; converted to ``float32``, which the backends give.
    params
        What to decide by; the defaults of `TurnParams` when not given.
    frame_samples, sample_rate, lookahead_samples
        Samples per frame, hertz, and how much the detector hears beyond a frame's end (`VadBackend`): it decides later
        by as much.
    end_of_turn
        How turns end by a score; ``None``: by silence alone.
    scores
        The scores of ``end_of_turn``: a function of `ScoreWanted`, called once for each question that is met, or a
        `ScoreTrack`, which is looked at on every frame.
    scorer_latency_ms
        The scorer's own latency, for an ``end_of_turn`` that does not say; not used with a `ScoreTrack`.
    asks_every_frame
        As in `TurnDetector`; always true with a `ScoreTrack`.

    Returns
    -------
    tuple of Turn
        In time order; integer samples.

    Raises
    ------
    InvalidParameterError
        If a probability or a score is outside [0, 1], one of ``end_of_turn`` and ``scores`` is given without the other,
        or the scores are of interruptions.

    Examples
    --------
    >>> kwargs = {"params": TurnParams(silence_duration_ms=32), "frame_samples": 512, "sample_rate": 16_000}
    >>> [turn] = detect_turns([0.0, 0.9, 0.9, 0.0, 0.0], **kwargs)
    >>> turn.onset, turn.started_at, turn.offset, turn.stopped_at, turn.cause
    (512, 1024, 1536, 2048, 'silence')
    >>> policy = EndOfTurn(action_delay_ms=64)
    >>> [turn] = detect_turns([0.0, 0.9, 0.9, 0.0, 0.0], **kwargs, end_of_turn=policy, scores=lambda question: 0.8)
    >>> turn.offset, turn.stopped_at, turn.cause
    (1536, 2560, 'score')
    """
    track = check_probabilities(probabilities)
    rule = (params or TurnParams()).in_frames(frame_samples=frame_samples, sample_rate=sample_rate)
    if end_of_turn is None and scores is None:
        rows, causes = _by_silence(track, rule)
    elif end_of_turn is None or scores is None:
        missing, name = (end_of_turn, "end_of_turn") if end_of_turn is None else (scores, "scores")
        raise InvalidParameterError(name, "given, because end_of_turn and scores belong together", missing)
    else:
        grain = {"frame_samples": frame_samples, "sample_rate": sample_rate, "lookahead_samples": lookahead_samples}
        ending = ScoredEnding.of(end_of_turn, scores, scorer_latency_ms, asks_every_frame, sample_rate)
        rows, causes = _by_score(track, rule, ending, **grain)
    turns: list[Turn] = []
    audio_end = 0
    later = np.array([0, lookahead_samples, 0, lookahead_samples])
    for (onset, started, offset, stopped), flushed, cause in zip(
        (rows[:, :4] * frame_samples + later).tolist(), rows[:, 4].tolist(), causes, strict=True
    ):
        audio_start = max(onset - rule.prefix_samples, audio_end, 0)
        audio_end = stopped
        turns.append(Turn(onset, started, audio_start, offset, stopped, audio_end, bool(flushed), cause))
    return tuple(turns)


def _by_silence(track: npt.NDArray[np.float32], rule: FrameParams) -> tuple[npt.NDArray[np.int64], list[StopCause]]:
    from bidilab.detect.turns.kernels import turns_in_frames  # numba takes a while to load

    rows = turns_in_frames(
        track,
        np.array([0, len(track)], dtype=np.int64),
        threshold=rule.threshold,
        deactivation_threshold=rule.deactivation_threshold,
        min_speech_frames=rule.min_speech_frames,
        silence_frames=rule.silence_frames,
    ).turns
    return rows, ["flush" if flushed else "silence" for flushed in rows[:, 4].tolist()]


class ScoredEnding(NamedTuple):
    """How the turns of one stream end by a score: the arguments of `detect_turns`, and of its other forms."""

    end_of_turn: EndOfTurn
    scores: ScoreFunction
    scorer_latency_ms: float = 0
    asks_every_frame: bool = False

    @classmethod
    def of(
        cls,
        end_of_turn: EndOfTurn,
        scores: ScoreFunction | ScoreTrack,
        scorer_latency_ms: float,
        asks_every_frame: bool,
        sample_rate: int,
    ) -> Self:
        """A track of scores says itself when each was known, and is looked at on every frame."""
        if isinstance(scores, ScoreTrack):
            return cls(end_of_turn, score_function(scores, sample_rate=sample_rate), 0, True)
        return cls(end_of_turn, scores, scorer_latency_ms, asks_every_frame)


def _by_score(
    track: npt.NDArray[np.float32],
    rule: FrameParams,
    ending: ScoredEnding,
    *,
    frame_samples: int,
    sample_rate: int,
    lookahead_samples: int,
) -> tuple[npt.NDArray[np.int64], list[StopCause]]:
    from bidilab.detect.turns.score_kernels import CAUSE_CODES, ScoredSetting, ScoreSearch, turns_by_score

    def answers(questions: npt.NDArray[np.int64]) -> list[float]:
        asked = (questions[:, 1:] * frame_samples + [0, 0, lookahead_samples]).tolist()
        found = [ending.scores(ScoreWanted(onset=o, pause_start=p, asked_at=a)) for o, p, a in asked]
        return [np.nan if score is None else score for score in found]

    bounds = np.array([0, len(track)], dtype=np.int64)
    in_frames = ending.end_of_turn.in_frames(
        frame_samples=frame_samples,
        sample_rate=sample_rate,
        lookahead_samples=lookahead_samples,
        scorer_latency_ms=ending.scorer_latency_ms,
    )
    setting = ScoredSetting(rule.min_speech_frames, rule.silence_frames, in_frames)
    given: _Given = {
        "threshold": rule.threshold,
        "deactivation_threshold": rule.deactivation_threshold,
        "frame_samples": frame_samples,
        "asks_every_frame": ending.asks_every_frame,
    }
    known = ScoreSearch(track, bounds, [setting], **given).ask(answers)
    found = turns_by_score(track, bounds, setting, known, **given)
    return found.table.turns, [CAUSE_CODES[code] for code in found.cause]


class _Given(TypedDict):
    threshold: float
    deactivation_threshold: float
    frame_samples: int
    asks_every_frame: bool


def score_function(track: ScoreTrack, *, sample_rate: int) -> ScoreFunction:
    """Answer a detector's questions from scores that were computed elsewhere.

    Parameters
    ----------
    track
        Scores of ends of turns.
    sample_rate
        Hertz of the detector's stream.

    Raises
    ------
    InvalidParameterError
        If the scores are of interruptions.
    """
    if track.task != "eot":
        raise InvalidParameterError("scores", "scores of ends of turns (task eot)", track.task)
    from bidilab.detect.scorers.asking import score_of_track  # it asks for what stands beside this module

    return lambda wanted: score_of_track(track, wanted, sample_rate)
