"""Pauses that are cut off, compiled: the rule of `metrics.pauses.cut_offs`. No guard moves them.

Counts are records of ``COUNTS_OF["turns"]``. Columns of turns stand here as literals, as numba's cache looks at this
file alone; the assertion fails when what they mirror has moved.
"""

from __future__ import annotations

from bidilab.core.compiling import kernel
from bidilab.detect.turns.kernels import TURN_COLUMNS

__all__ = ["count_cut_offs"]

_ONSET, _STOPPED, _FLUSHED = 0, 3, 4
_START, _END, _SINCE = range(3)

assert (_ONSET, *TURN_COLUMNS[3:5]) == (TURN_COLUMNS[0], _STOPPED, _FLUSHED)


@kernel()
def count_cut_offs(turns, turn_bounds, frame, ahead, pauses, pause_bounds, counts):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Count the pauses of every recording that are cut off; turns and pauses rise."""
    for r in range(len(turn_bounds) - 1):
        row = turn_bounds[r]
        t = row
        last = turn_bounds[r + 1]
        for k in range(pause_bounds[r], pause_bounds[r + 1]):
            start = pauses[k, _START]
            while t < last and turns[t, _STOPPED] * frame + ahead <= start:
                t += 1
            # The first turn that is not over as the pause begins, and the last one that is.
            if t < last and turns[t, _STOPPED] * frame + ahead < pauses[k, _END] and turns[t, _FLUSHED] == 0:
                counts[r].n_cut_offs += 1
            elif t > row and (t == last or turns[t, _ONSET] * frame >= start):
                over = turns[t - 1, _STOPPED] * frame + ahead > pauses[k, _SINCE] and turns[t - 1, _FLUSHED] == 0
                counts[r].n_cut_offs += over
