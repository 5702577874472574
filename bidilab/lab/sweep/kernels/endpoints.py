"""Starts and ends of the user's turns, compiled: the rules of `metrics.endpoint`. No guard moves them.

Counts are records of `COUNTS_RECORD`, addressed by the names of `bidilab.lab.metrics.columns`. Other constants stand
here as literals, as numba's cache looks at this file alone; the assertions fail when what they mirror has moved.
"""

from __future__ import annotations

import numba

from bidilab.detect.turns.kernels import TURN_COLUMNS
from bidilab.lab.datasets.labels import TRUE_KINDS

__all__ = ["evaluate_endpoints_of_all"]

ONSET, STARTED, OFFSET, STOPPED, FLUSHED = range(5)
_START, _END, _KIND, _TRUE_INDEX = range(4)
_N_TRUE_KINDS = 2

assert (ONSET, STARTED, OFFSET, STOPPED, FLUSHED) == TURN_COLUMNS
assert len(TRUE_KINDS) == _N_TRUE_KINDS


@numba.njit(cache=True, nogil=True)
def _of_recording(  # type: ignore[no-untyped-def]  # pragma: no cover
    segments, low, high, turns, first_turn_row, end_turn_row, frame, out, endpoint_latency, first_turn
):
    t0 = first_turn_row
    for s in range(low, high):
        if segments[s, _KIND] >= _N_TRUE_KINDS:
            continue
        start = segments[s, _START]
        end = segments[s, _END]
        out.n_turns += 1
        while t0 < end_turn_row and turns[t0, OFFSET] * frame <= start:
            t0 += 1
        index = segments[s, _TRUE_INDEX]
        cut_in = False
        t = t0
        while t < end_turn_row and turns[t, ONSET] * frame < end:
            if t == t0:
                out.n_onsets += 1
                first_turn[index, 0] = turns[t, ONSET] * frame
                first_turn[index, 1] = turns[t - 1, STOPPED] * frame if t > first_turn_row else 0
            if turns[t, FLUSHED] == 0:
                stopped = turns[t, STOPPED] * frame
                if start < stopped < end:
                    cut_in = True
                if stopped >= end:
                    endpoint_latency[index] = stopped - end
                    out.n_endpoints += 1
                    break
            t += 1
        out.n_premature_endpoints += cut_in


@numba.njit(cache=True, nogil=True)
def evaluate_endpoints_of_all(  # type: ignore[no-untyped-def]  # pragma: no cover
    turns, turn_bounds, frame, segments, segment_bounds, counts, endpoint_latency, first_turn
):
    """`evaluate_endpoints` of every recording, and the count of its turns."""
    for r in range(len(turn_bounds) - 1):
        out = counts[r]
        row = turn_bounds[r]
        last = turn_bounds[r + 1]
        out.n_detector_turns = last - row
        if last > row:
            out.n_flushed = turns[last - 1, FLUSHED]
        _of_recording(
            segments,
            segment_bounds[r],
            segment_bounds[r + 1],
            turns,
            row,
            last,
            frame,
            out,
            endpoint_latency,
            first_turn,
        )
