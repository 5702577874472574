"""The user's speech as Silero hears it at its defaults, for the pauses of turns whose words have no times.

It is no part of what is swept: whatever detector, setting or condition is under test, the pauses are the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from bidilab.core.timeline import Interval
from bidilab.core.units import rescale_samples
from bidilab.detect.vad import ProbabilityCache, VadSource, VadSpec
from bidilab.lab.conditions.condition import Condition
from bidilab.lab.datasets import Recording
from bidilab.lab.metrics.pauses import needs_speech, speech_heard
from bidilab.lab.sweep.executors import Executor
from bidilab.lab.sweep.probabilities import probabilities_of

__all__ = ["PAUSES_SPEC", "speech_for_pauses", "speech_of_track"]

PAUSES_SPEC = VadSpec.of("silero")
"""What hears pauses."""


@lru_cache(maxsize=1)
def _frame_samples() -> int:
    return PAUSES_SPEC.build().frame_samples


def speech_of_track(track: npt.NDArray[np.float32], sample_rate: int) -> tuple[Interval, ...]:
    """Speech by the probabilities of `PAUSES_SPEC`, in samples at another rate."""
    rate = PAUSES_SPEC.sample_rate
    heard = speech_heard(track, frame_samples=_frame_samples(), sample_rate=rate)
    return tuple(Interval(*(rescale_samples(at, rate, sample_rate) for at in stretch)) for stretch in heard)


def speech_for_pauses(
    recordings: Sequence[Recording],
    spec: VadSource,
    tracks: Sequence[npt.NDArray[np.float32]],
    *,
    cache: ProbabilityCache | None,
    executor: Executor,
    progress: bool,
    condition: Condition | None = None,
) -> list[tuple[Interval, ...]]:
    """The user's speech in each recording that has a turn without times of words; nothing in the others.

    Parameters
    ----------
    recordings
        Of a dataset.
    spec, tracks, condition
        The detector under test, its probabilities and what was done to the audio before it heard it: where that is
        Silero on the audio as recorded, nothing is computed again.
    cache, executor, progress
        As in `sweep`.

    Returns
    -------
    list of tuple of Interval
        In samples at the rate of ``spec``.
    """
    wanted = [k for k, recording in enumerate(recordings) if needs_speech(recording.segments)]
    if spec == PAUSES_SPEC and condition is None:
        heard = {k: tracks[k] for k in wanted}
    else:
        found = probabilities_of(
            [recordings[k] for k in wanted], PAUSES_SPEC, cache=cache, executor=executor, progress=progress
        )
        heard = dict(zip(wanted, found, strict=True))
    return [speech_of_track(heard[k], spec.sample_rate) if k in heard else () for k in range(len(recordings))]
