"""Starts and ends of the user's turns, compiled: the rules of `metrics.endpoint`. No guard moves them.

Counts are records of ``COUNTS_OF["turns"]``, addressed by the names of `bidilab.lab.metrics.columns`. Other constants
stand here as literals, as numba's cache looks at this file alone; the assertions fail when what they mirror has moved.
"""

from __future__ import annotations

from bidilab.core.compiling import kernel
from bidilab.detect.turns.kernels import TURN_COLUMNS
from bidilab.detect.turns.score_kernels import CAUSE_CODES
from bidilab.lab.sweep.evaluated import DECIDED, OPEN, PREMATURE

__all__ = ["evaluate_endpoints_of_all"]

ONSET, STARTED, OFFSET, STOPPED, FLUSHED = range(5)
_START, _END, _KIND, _TURN_INDEX = range(4)
_PREMATURE, _DECIDED, _OPEN = 1, 2, 4
_TIMEOUT = 2

assert (ONSET, STARTED, OFFSET, STOPPED, FLUSHED) == TURN_COLUMNS
assert CAUSE_CODES[_TIMEOUT] == "timeout"
assert (_PREMATURE, _DECIDED, _OPEN) == (PREMATURE, DECIDED, OPEN)


@kernel()
def _of_recording(  # type: ignore[no-untyped-def]  # pragma: no cover
    segments, low, high, turns, causes, first_turn_row, end_turn_row, frame, ahead, out, waits, states, first_turn
):
    t0 = first_turn_row
    for s in range(low, high):
        index = segments[s, _TURN_INDEX]
        if index < 0:
            continue
        start = segments[s, _START]
        end = segments[s, _END]
        while t0 < end_turn_row and turns[t0, OFFSET] * frame <= start:
            t0 += 1
        state = 0
        t = t0
        while t < end_turn_row and turns[t, ONSET] * frame < end:
            stopped = turns[t, STOPPED] * frame + ahead
            if t == t0:
                out.n_onsets += 1
                waits[index] = 0
                first_turn[index, 0] = turns[t, ONSET] * frame
                first_turn[index, 1] = turns[t - 1, STOPPED] * frame + ahead if t > first_turn_row else 0
            if turns[t, FLUSHED] != 0:
                state |= _OPEN
                waits[index] = max(0, stopped - end)
                break
            if start < stopped < end:
                state |= _PREMATURE
            if stopped >= end:
                state |= _DECIDED
                out.n_timeouts += len(causes) > 0 and causes[t] == _TIMEOUT
                waits[index] = stopped - end
                break
            t += 1
        states[index] = state
        out.n_premature_endpoints += state & _PREMATURE
        out.n_endpoints += (state & _DECIDED) != 0
        out.n_endpoints_open += (state & _OPEN) != 0


@kernel()
def evaluate_endpoints_of_all(  # type: ignore[no-untyped-def]  # pragma: no cover
    turns, turn_bounds, frame, ahead, causes, segments, segment_bounds, counts, waits, states, first_turn
):
    """`evaluate_endpoints` of every recording, and the count of its turns; no ``causes`` where silence ends them."""
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
            causes,
            row,
            last,
            frame,
            ahead,
            out,
            waits,
            states,
            first_turn,
        )
