"""Turn detection over a whole track, written to be read: what `TurnDetector` and the kernel must agree with.

It follows DESIGN §4 sentence by sentence and searches the track for what each sentence names; nothing is carried
from frame to frame but the position reached.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bidilab.detect.turns.detector import Turn
from bidilab.detect.turns.params import TurnParams

__all__ = ["detect_turns_reference"]


def detect_turns_reference(
    probabilities: npt.NDArray[np.float32], params: TurnParams, *, frame_samples: int, sample_rate: int
) -> tuple[Turn, ...]:
    """Turns of a probability track.

    Parameters
    ----------
    probabilities
        ``(n_frames,)`` in [0, 1].
    params
        What to decide by.
    frame_samples, sample_rate
        Samples a frame, and hertz.

    Returns
    -------
    tuple of Turn
        In time order; positions in samples.
    """
    p = [float(value) for value in probabilities]
    rule = params.in_frames(frame_samples=frame_samples, sample_rate=sample_rate)
    turns: list[Turn] = []
    position = 0
    while (decision := _start_of_speech(p, position, rule.threshold, rule.min_speech_frames)) is not None:
        onset = (decision + 1 - rule.min_speech_frames) * frame_samples
        end = _end_of_speech(p, decision + 1, rule.threshold, rule.deactivation_threshold, rule.silence_frames)
        silence_start, position = end if end is not None else (len(p), len(p))
        previous_end = turns[-1].audio_end if turns else 0
        turns.append(
            Turn(
                onset=onset,
                started_at=(decision + 1) * frame_samples,
                audio_start=max(onset - rule.prefix_samples, previous_end, 0),
                offset=silence_start * frame_samples,
                stopped_at=position * frame_samples,
                audio_end=position * frame_samples,
                flushed=end is None,
            )
        )
    return tuple(turns)


def _start_of_speech(p: list[float], first: int, threshold: float, min_frames: int) -> int | None:
    """First frame at which ``min_frames`` consecutive frames from ``first`` on have been at the threshold or above."""
    for frame in range(first + min_frames - 1, len(p)):
        if all(value >= threshold for value in p[frame + 1 - min_frames : frame + 1]):
            return frame
    return None


def _end_of_speech(
    p: list[float], first: int, threshold: float, deactivation: float, silence_frames: int
) -> tuple[int, int] | None:
    """Frame at which the silence starts and frame count at the decision, or ``None`` when the stream ends before."""
    for frame in range(first, len(p)):
        if p[frame] >= deactivation:
            continue
        # The silence that this frame belongs to: back to the last frame at the threshold or above; a frame that is
        # both (deactivation above threshold) cancels what was before it and starts the silence itself.
        last_high = max((k for k in range(first, frame + 1) if p[k] >= threshold), default=first - 1)
        candidates = range(max(last_high, first), frame + 1)
        silence_start = next(k for k in candidates if p[k] < deactivation)
        if frame + 1 - silence_start >= silence_frames:
            return silence_start, frame + 1
    return None
