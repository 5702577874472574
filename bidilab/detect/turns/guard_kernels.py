"""Guards compiled, for the turns of many recordings. Arrays in, arrays out; `acted_at_reference` is the readable form.

What they share with `kernels` is the layout of a `TurnTable`, whose columns stand here as literals: Numba's cache looks
at this file alone.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from bidilab.detect.turns.guards import GuardRule
from bidilab.detect.turns.kernels import TURN_COLUMNS, TurnTable

__all__ = ["acted_in_frames", "turns_with_words"]

IntArray = npt.NDArray[np.int64]

_ONSET, _STARTED, _OFFSET, _STOPPED, _FLUSHED = range(5)
assert (_ONSET, _STARTED, _OFFSET, _STOPPED, _FLUSHED) == TURN_COLUMNS


@numba.njit(cache=True, nogil=True)
def _acted(  # type: ignore[no-untyped-def]  # pragma: no cover
    turns, turn_bounds, frame, min_frames, min_words, word_ends, word_bounds
):
    acted = np.empty(len(turns), np.int64)
    for r in range(len(turn_bounds) - 1):
        word = word_bounds[r]
        for t in range(turn_bounds[r], turn_bounds[r + 1]):
            due = max(turns[t, _STARTED], turns[t, _ONSET] + min_frames)
            if min_words > 0:
                while word < word_bounds[r + 1] and word_ends[word] <= turns[t, _ONSET] * frame:
                    word += 1
                last = word + min_words - 1
                if last >= word_bounds[r + 1]:
                    acted[t] = -1
                    continue
                due = max(due, (word_ends[last] + frame - 1) // frame)
            acted[t] = due if due <= turns[t, _STOPPED] else -1
    return acted


@numba.njit(cache=True, nogil=True)
def _with_words(  # type: ignore[no-untyped-def]  # pragma: no cover
    turns, turn_bounds, frame, wanted, word_ends, word_bounds
):
    enough = np.zeros(len(turns), np.bool_)
    for r in range(len(turn_bounds) - 1):
        word = word_bounds[r]
        for t in range(turn_bounds[r], turn_bounds[r + 1]):
            while word < word_bounds[r + 1] and word_ends[word] <= turns[t, _ONSET] * frame:
                word += 1
            last = word + wanted - 1
            enough[t] = last < word_bounds[r + 1] and word_ends[last] <= turns[t, _STOPPED] * frame
    return enough


def acted_in_frames(
    table: TurnTable, rule: GuardRule, *, frame_samples: int, word_ends: IntArray, word_bounds: IntArray
) -> IntArray:
    """Frame at whose end each turn is acted upon, ``(n_turns,) int64``; -1 for never.

    Parameters
    ----------
    table
        The turns of one setting.
    rule
        The guards in frames.
    frame_samples
        Samples a frame.
    word_ends, word_bounds
        ``(n_words,) int64`` samples from the start of each recording, rising in each; ``(n_recordings + 1,) int64``
        into it.
    """
    if rule.min_frames == 0 and rule.min_words == 0:
        return np.ascontiguousarray(table.turns[:, _STARTED])
    acted: IntArray = _acted(
        table.turns, table.bounds, frame_samples, rule.min_frames, rule.min_words, word_ends, word_bounds
    )
    return acted


def turns_with_words(
    table: TurnTable, n_words: int, *, frame_samples: int, word_ends: IntArray, word_bounds: IntArray
) -> npt.NDArray[np.bool_]:
    """Whether at least ``n_words`` (``>= 1``) words end in each turn, ``(n_turns,) bool``; the rest as above."""
    enough: npt.NDArray[np.bool_] = _with_words(
        table.turns, table.bounds, frame_samples, n_words, word_ends, word_bounds
    )
    return enough
