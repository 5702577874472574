"""`detect_turns`: the turns of one probability track."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns.detector import Turn
from bidilab.detect.turns.params import TurnParams

__all__ = ["check_probabilities", "detect_turns"]


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
    probabilities: npt.ArrayLike, params: TurnParams | None = None, *, frame_samples: int, sample_rate: int
) -> tuple[Turn, ...]:
    """Turns of a probability track, by the compiled kernel.

    Parameters
    ----------
    probabilities
        ``(n_frames,)`` in [0, 1]; converted to ``float32``, which the backends give.
    params
        What to decide by; the defaults of `TurnParams` when not given.
    frame_samples, sample_rate
        Samples a frame, and hertz.

    Returns
    -------
    tuple of Turn
        In time order; integer samples.

    Raises
    ------
    InvalidParameterError
        If a probability lies outside [0, 1].

    Examples
    --------
    >>> detect_turns([0.0, 0.9, 0.9, 0.0], TurnParams(silence_duration_ms=32), frame_samples=512, sample_rate=16_000)
    (Turn(onset=512, started_at=1024, audio_start=0, offset=1536, stopped_at=2048, audio_end=2048, flushed=False),)
    """
    from bidilab.detect.turns.kernels import turns_in_frames  # numba takes a while to load

    track = check_probabilities(probabilities)
    rule = (params or TurnParams()).in_frames(frame_samples=frame_samples, sample_rate=sample_rate)
    table = turns_in_frames(
        track,
        np.array([0, len(track)], dtype=np.int64),
        threshold=rule.threshold,
        deactivation_threshold=rule.deactivation_threshold,
        min_speech_frames=rule.min_speech_frames,
        silence_frames=rule.silence_frames,
    )
    turns: list[Turn] = []
    audio_end = 0
    for (onset, started, offset, stopped), flushed in zip(
        (table.turns[:, :4] * frame_samples).tolist(), table.turns[:, 4].tolist(), strict=True
    ):
        audio_start = max(onset - rule.prefix_samples, audio_end, 0)
        audio_end = stopped
        turns.append(Turn(onset, started, audio_start, offset, stopped, audio_end, bool(flushed)))
    return tuple(turns)
