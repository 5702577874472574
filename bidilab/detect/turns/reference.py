"""Turn detection over a whole track, written to be read: what `TurnDetector` and the kernel must agree with.

It follows DESIGN §4 and DETECTORS §3 sentence by sentence and searches the track for what each sentence names; nothing
is carried from frame to frame but the position reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns.detector import ScoreFunction, ScoreWanted, StopCause, Turn, check_score
from bidilab.detect.turns.endofturn import EndOfTurn, EndOfTurnRule
from bidilab.detect.turns.params import FrameParams, TurnParams

__all__ = ["detect_turns_reference"]


class _End(NamedTuple):
    """Frame at which the pause starts, frame count at the decision, and why."""

    pause: int
    frames: int
    cause: StopCause


def detect_turns_reference(
    probabilities: npt.NDArray[np.float32],
    params: TurnParams,
    *,
    frame_samples: int,
    sample_rate: int,
    lookahead_samples: int = 0,
    end_of_turn: EndOfTurn | None = None,
    scores: ScoreFunction | None = None,
    scorer_latency_ms: float = 0,
    asks_every_frame: bool = False,
) -> tuple[Turn, ...]:
    """Turns of a probability track.

    Parameters
    ----------
    probabilities
        ``(n_frames,)`` in [0, 1].
    params
        Parameters of the detection.
    frame_samples, sample_rate, lookahead_samples
        Samples a frame, hertz, and what the voice activity detector hears beyond a frame's end.
    end_of_turn, scorer_latency_ms, asks_every_frame
        As in `TurnDetector`.
    scores
        Answers what the detector asks; needed with ``end_of_turn``.

    Returns
    -------
    tuple of Turn
        In time order; positions in samples.
    """
    p = [float(value) for value in probabilities]
    grain = {"frame_samples": frame_samples, "sample_rate": sample_rate}
    rule = params.in_frames(**grain)
    ending = None
    if end_of_turn is not None:
        if scores is None:
            raise InvalidParameterError("scores", "given with end_of_turn, to answer the detector", None)
        ending = _Ending(
            rule=end_of_turn.in_frames(**grain, scorer_latency_ms=scorer_latency_ms),
            scores=scores,
            every_frame=asks_every_frame,
            frame_samples=frame_samples,
            ahead=lookahead_samples,
        )
    turns: list[Turn] = []
    position = 0
    while (decision := _start_of_speech(p, position, rule.threshold, rule.min_speech_frames)) is not None:
        first = decision + 1
        onset = first - rule.min_speech_frames
        ends = (_end_in_pause(p, pause, rule, onset, ending) for pause in _pauses(p, first, rule))
        end = next((found for found in ends if found is not None), _End(len(p), len(p), "flush"))
        position = end.frames
        previous_end = turns[-1].audio_end if turns else 0
        turns.append(
            Turn(
                onset=onset * frame_samples,
                started_at=first * frame_samples + lookahead_samples,
                audio_start=max(onset * frame_samples - rule.prefix_samples, previous_end, 0),
                offset=end.pause * frame_samples,
                stopped_at=end.frames * frame_samples + lookahead_samples,
                audio_end=end.frames * frame_samples + lookahead_samples,
                flushed=end.cause == "flush",
                cause=end.cause,
            )
        )
    return tuple(turns)


def _start_of_speech(p: list[float], first: int, threshold: float, min_frames: int) -> int | None:
    """First frame at which ``min_frames`` consecutive frames from ``first`` on have been at the threshold or above."""
    for frame in range(first + min_frames - 1, len(p)):
        if all(value >= threshold for value in p[frame + 1 - min_frames : frame + 1]):
            return frame
    return None


def _pauses(p: list[float], first: int, rule: FrameParams) -> Iterator[range]:
    """Pauses of a turn that was decided before frame ``first``, if it went on for ever.

    Each begins with the first low frame behind speech and lasts until the next high frame; a frame that is both
    (deactivation above threshold) ends one and begins another.
    """
    highs = [k for k in range(first, len(p)) if p[k] >= rule.threshold]
    for begin, end in zip([first, *highs], [*highs, len(p)], strict=True):
        lows = [k for k in range(begin, end) if p[k] < rule.deactivation_threshold]
        if lows:
            yield range(lows[0], end)


class _Ending(NamedTuple):
    """How turns end by a score."""

    rule: EndOfTurnRule
    scores: ScoreFunction
    every_frame: bool
    frame_samples: int
    ahead: int

    def decided_at(self, frame: int) -> int:
        return (frame + 1) * self.frame_samples + self.ahead


def _end_in_pause(p: list[float], pause: range, rule: FrameParams, onset: int, ending: _Ending | None) -> _End | None:
    """End of the turn in a pause of it; ``None`` where the pause is over before."""
    start = pause[0]
    lows = [k for k in pause if p[k] < rule.deactivation_threshold and k + 1 - start >= rule.silence_frames]
    if ending is None:
        return _End(start, lows[0] + 1, "silence") if lows else None
    timeout = next((k for k in lows if k + 1 - start >= ending.rule.timeout_frames), len(p))
    act_at = _act_at([k for k in lows if k <= timeout], start, onset, ending)
    if act_at is not None:
        acted = next((k for k in pause if ending.decided_at(k) >= act_at), len(p))
        if acted < len(p) and acted <= timeout:
            return _End(start, acted + 1, "score")
    return _End(start, timeout + 1, "timeout") if timeout < len(p) else None


def _act_at(may_ask: list[int], start: int, onset: int, ending: _Ending) -> int | None:
    """Sample at which the first score that fires is acted upon, of those asked for on some of these frames."""
    n, rule = ending.frame_samples, ending.rule
    last: int | None = None
    for frame in may_ask:
        asked_at = ending.decided_at(frame)
        again = ending.every_frame or (rule.interval_samples > 0 and asked_at - (last or 0) >= rule.interval_samples)
        if last is not None and not again:
            continue
        last = asked_at
        score = ending.scores(ScoreWanted(onset=onset * n, pause_start=start * n, asked_at=asked_at))
        if score is not None and check_score(score) > rule.threshold:
            return max(asked_at + rule.latency_samples, start * n + rule.action_delay_samples)
    return None
