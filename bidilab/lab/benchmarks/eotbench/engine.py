"""Silence alone on eot-bench's pauses, through the turn detection, the labels and the sweep of bidilab.

How long the pauses are follows from the published row itself: between two delays of its frontier, the cut-off rate
falls by the pauses that last longer than the first and not longer than the second. So this checks the rule and the
engine, not the data.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import s_to_samples
from bidilab.lab.benchmarks.eotbench.scoring import SHORTEST_HOLD_S
from bidilab.lab.datasets.labels import Segment, Word
from bidilab.lab.metrics.columns import SETTINGS
from bidilab.lab.metrics.members import MemberSet, members_of
from bidilab.lab.sweep.engine import sweep_grid
from bidilab.lab.sweep.grid import Grid
from bidilab.lab.sweep.problem import SweepProblem

__all__ = ["hold_durations_s", "silence_through_engine"]

RATE, FRAME = 16_000, 160
"""Frames of 10 ms: every delay and every duration is whole frames."""
STEP_S = 0.1
"""The raster of the frontier's delays."""
_PHRASE_S = 1.0
_SPEECH, _SILENCE = 0.9, 0.02


def hold_durations_s(frontier: Sequence[tuple[float, float]], n_spans: int) -> list[float]:
    """Durations of the hold spans that a published row of silence alone tells of.

    Parameters
    ----------
    frontier
        ``(delay_s, cutoff_rate)`` by rising delay, in steps of 0.1 s from the shortest span on; a delay that cuts off
        as many as the one before is left out of a frontier. The last cuts off none.
    n_spans
        How many hold spans there are.

    Returns
    -------
    list of float
        Rising: in the middle of the step in which each lasts; the shortest span where none is shorter.

    Raises
    ------
    InvalidParameterError
        If the rates are not those of a whole number of spans, do not fall, or do not end at 0.

    Examples
    --------
    >>> hold_durations_s([(0.2, 0.75), (0.3, 0.5), (0.6, 0)], 4)
    [0.2, 0.25, 0.55, 0.55]
    """
    counts = [rate * n_spans for _, rate in frontier]
    longer = [round(count) for count in counts]
    # Rates are published with four decimals: half a unit of the last one is this many spans.
    if any(abs(count - whole) > 0.5e-4 * n_spans + 1e-6 for count, whole in zip(counts, longer, strict=True)):
        raise InvalidParameterError("frontier", f"rates that are whole numbers of {n_spans} spans", list(frontier))
    if not frontier or longer[-1] != 0 or any(b >= a for a, b in itertools.pairwise(longer)):
        raise InvalidParameterError("frontier", "rates that fall to 0", list(frontier))
    durations = [SHORTEST_HOLD_S] * (n_spans - longer[0])
    for (delay, _), before, after in zip(frontier[1:], longer, longer[1:], strict=False):
        durations += [round(delay - STEP_S / 2, 3)] * (before - after)
    return durations


def silence_through_engine(durations_s: Sequence[float], delays_s: Sequence[float]) -> pd.DataFrame:
    """Cut-off rate and wait of silence alone, as a sweep of bidilab finds them.

    Each pause is a recording of its own: a turn of two phrases with the pause between, labelled by the times of its
    words, and a probability track of the same speech. The sweep runs turn detection with each delay as its silence.

    Parameters
    ----------
    durations_s
        Of the pauses, 0.2 to 5 s, whole multiples of 10 ms.
    delays_s
        Silences that end a turn, rising, whole multiples of 10 ms.

    Returns
    -------
    DataFrame
        Indexed by ``delay_s``: the columns of ``cutoff_rate`` and ``endpoint_latency_ms_mean`` of
        ``SweepResult.settings``, and their n.
    """
    for name, values in (("durations_s", durations_s), ("delays_s", delays_s)):
        if not len(values) or any(s_to_samples(value, RATE) % FRAME for value in values):
            raise InvalidParameterError(name, "at least one, whole multiples of 10 ms", list(values))
    longest = max(delays_s)
    labels, tracks = zip(*(_recording(duration, longest) for duration in durations_s), strict=True)
    problem = SweepProblem.build(labels, tracks, frame_samples=FRAME, sample_rate=RATE)
    grid = Grid(
        threshold=0.5, prefix_padding_ms=0, silence_duration_ms=[round(1000 * delay) for delay in sorted(delays_s)]
    )
    columns = SETTINGS.names_of("n_pauses", "n_cut_offs", "cutoff_rate", "n_turns", "endpoint_latency_ms_mean")
    found = sweep_grid(problem, grid).settings[list(columns)]
    return found.set_index(pd.Index(sorted(delays_s), name="delay_s"))


def _recording(duration_s: float, longest_delay_s: float) -> tuple[MemberSet, np.typing.NDArray[np.float32]]:
    """A turn with one pause, and silence after it in which every delay can pass."""
    again = _PHRASE_S + duration_s
    end = again + _PHRASE_S
    words = (Word(0.0, _PHRASE_S, "so"), Word(again, end, "yes"))
    turn = Segment(start_s=0.0, end_s=end, channel="user", kind="turn", words=words)
    n_frames = s_to_samples(end + longest_delay_s + STEP_S, RATE) // FRAME
    track = np.full(n_frames, _SILENCE, np.float32)
    for word in words:
        track[s_to_samples(word.start_s, RATE) // FRAME : s_to_samples(word.end_s, RATE) // FRAME] = _SPEECH
    return members_of([turn], sample_rate=RATE, duration_samples=n_frames * FRAME), track
