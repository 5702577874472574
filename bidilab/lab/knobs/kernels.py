"""Edges that a provider told against those of one setting: matched one to one, counted by stretch of the audio."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bidilab.core.compiling import kernel
from bidilab.detect.turns.kernels import TURN_COLUMNS

__all__ = ["matched_edges"]

IntArray = npt.NDArray[np.int64]

_ONSET, _STARTED, _OFFSET, _STOPPED, _FLUSHED = range(5)
assert (_ONSET, _STARTED, _OFFSET, _STOPPED, _FLUSHED) == TURN_COLUMNS


@kernel()
def _matched(  # type: ignore[no-untyped-def]  # pragma: no cover
    turns, frame, starts, ends, at_offset, tolerance, stretch, n_stretches
):
    n = len(turns)
    own_ends = np.empty(n, np.int64)
    n_ends = 0
    for k in range(n):
        if turns[k, _FLUSHED] == 0:
            own_ends[n_ends] = (turns[k, _OFFSET] if at_offset else turns[k, _STOPPED]) * frame
            n_ends += 1
    hits = np.zeros(n_stretches, np.int64)
    found = np.zeros(n_stretches, np.int64)

    # Ends, and the shift of the start of each turn whose end is matched.
    shifts = np.empty(n, np.int64)
    n_shifts = clipped = 0
    i = j = 0
    while i < n_ends and j < len(ends):
        apart = own_ends[i] - ends[j]
        if -tolerance <= apart <= tolerance:
            hits[min(ends[j] // stretch, n_stretches - 1)] += 1
            # The start told last before this end, not the next turn's. At 0, or at the end before it, it is clipped.
            s = np.searchsorted(starts, ends[j] - tolerance, side="left") - 1
            before = ends[j - 1] if j > 0 else 0
            if s >= 0:
                apart = turns[i, _ONSET] * frame - starts[s]
                if starts[s] > before + tolerance:
                    shifts[n_shifts] = apart
                    n_shifts += 1
                else:
                    clipped = max(clipped, apart)
            i += 1
            j += 1
        elif apart < 0:
            i += 1
        else:
            j += 1
    # Where every start was clipped, the padding is at least as long as the longest that is seen.
    shift = np.int64(np.round(np.median(shifts[:n_shifts]))) if n_shifts > 0 else np.int64(clipped)

    i = j = 0
    while i < n and j < len(starts):
        audio_start = turns[i, _ONSET] * frame - shift
        if shift > 0:
            audio_start = max(audio_start, turns[i - 1, _STOPPED] * frame if i > 0 else 0)
        apart = audio_start - starts[j]
        if -tolerance <= apart <= tolerance:
            hits[min(starts[j] // stretch, n_stretches - 1)] += 1
            i += 1
            j += 1
        elif apart < 0:
            i += 1
        else:
            j += 1
    for k in range(n):
        found[min(turns[k, _ONSET] * frame // stretch, n_stretches - 1)] += 1
    for k in range(n_ends):
        found[min(own_ends[k] // stretch, n_stretches - 1)] += 1
    return shift, hits, found


def matched_edges(
    turns: IntArray,
    starts: IntArray,
    ends: IntArray,
    *,
    frame_samples: int,
    at_offset: bool,
    tolerance_samples: int,
    stretch_samples: int,
    n_stretches: int,
) -> tuple[int, IntArray, IntArray]:
    """Match the edges of a setting's turns with those that were told.

    Parameters
    ----------
    turns
        ``(n, 5) int64`` of one recording, as `TurnTable.turns` has them.
    starts, ends
        ``(n,) int64`` rising samples that were told.
    frame_samples
        Samples per frame.
    at_offset
        Whether a told end is where the speech ended, instead of where that was decided.
    tolerance_samples
        How far apart two edges may lie that are matched.
    stretch_samples, n_stretches
        Length of the stretches by which is counted; what lies beyond the last counts as in it.

    Returns
    -------
    shift_samples : int
        How far the told starts lie before the onsets: the prefix padding. The median over turns whose ends match.
    n_matched, n_found : numpy.ndarray
        ``(n_stretches,) int64``: told edges that are matched, and edges of the setting.
    """
    shift, hits, found = _matched(
        turns, frame_samples, starts, ends, at_offset, tolerance_samples, stretch_samples, n_stretches
    )
    return int(shift), hits, found
