"""Guards compiled, for the turns of many recordings. Arrays in, arrays out; `acted_at_reference` is the readable form.

What they share with `kernels` is the layout of a `TurnTable`, whose columns stand here as literals: Numba's cache looks
at this file alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bidilab.core.compiling import kernel
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns.guards import GuardRule
from bidilab.detect.turns.interruption import AdaptiveRule
from bidilab.detect.turns.kernels import TURN_COLUMNS, TurnTable
from bidilab.detect.turns.score_kernels import ScoreTable

__all__ = ["acted_in_frames", "interruption_questions", "turns_with_words"]

IntArray = npt.NDArray[np.int64]

_ONSET, _STARTED, _OFFSET, _STOPPED, _FLUSHED = range(5)
assert (_ONSET, _STARTED, _OFFSET, _STOPPED, _FLUSHED) == TURN_COLUMNS


@kernel()
def _acted(  # type: ignore[no-untyped-def]  # pragma: no cover
    turns, turn_bounds, frame, ahead, min_frames, min_words, word_ends, word_bounds
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
                due = max(due, (word_ends[last] - ahead + frame - 1) // frame)
            acted[t] = due if due <= turns[t, _STOPPED] else -1
    return acted


@kernel()
def _with_words(  # type: ignore[no-untyped-def]  # pragma: no cover
    turns, turn_bounds, frame, ahead, wanted, word_ends, word_bounds
):
    enough = np.zeros(len(turns), np.bool_)
    for r in range(len(turn_bounds) - 1):
        word = word_bounds[r]
        for t in range(turn_bounds[r], turn_bounds[r + 1]):
            while word < word_bounds[r + 1] and word_ends[word] <= turns[t, _ONSET] * frame:
                word += 1
            last = word + wanted - 1
            enough[t] = last < word_bounds[r + 1] and word_ends[last] <= turns[t, _STOPPED] * frame + ahead
    return enough


@kernel()
def _allowed(  # type: ignore[no-untyped-def]  # pragma: no cover
    turns, turn_bounds, bounds, rule, keys, scores, span, allowed, questions
):
    """Frame from which a score, or its length, lets each turn interrupt, -1 for none; what is missing to know it."""
    threshold, first, interval, window, latency = rule
    n = 0
    for r in range(len(turn_bounds) - 1):
        origin = bounds[r]
        for t in range(turn_bounds[r], turn_bounds[r + 1]):
            onset = turns[t, _ONSET]
            allowed[t] = onset + window if window >= 0 else -1
            at = max(turns[t, _STARTED], onset + first)
            while at <= turns[t, _STOPPED] and (window < 0 or at < onset + window):
                key = (onset + origin) * span + at + origin
                i = np.searchsorted(keys, key)
                if i == len(keys) or keys[i] != key:
                    questions[n] = (r, onset, onset, at)
                    n += 1
                    break
                if scores[i] > threshold:
                    due = at + latency
                    allowed[t] = due if window < 0 else min(due, onset + window)
                    break
                if interval == 0:
                    break
                at += interval
    return n


def interruption_questions(
    table: TurnTable, bounds: IntArray, rule: AdaptiveRule, known: ScoreTable
) -> tuple[IntArray, IntArray]:
    """Where a scorer lets each turn interrupt, and what it must be asked to know it.

    Parameters
    ----------
    table
        The turns of one setting.
    bounds
        ``(n_recordings + 1,) int64`` frames at which the recordings begin and end in their track.
    rule
        In frames.
    known
        Scores by the turn's onset.

    Returns
    -------
    ndarray
        Frame of each turn, ``(n_turns,) int64``; -1 for none.
    ndarray
        Questions ``(n, 4)`` as in `score_kernels`, at most one for each turn; the frames are right when there are none.
    """
    allowed = np.empty(len(table.turns), np.int64)
    questions = np.empty((len(table.turns), 4), np.int64)
    values = (float(rule.threshold), *(int(value) for value in rule[1:]))
    n = _allowed(table.turns, table.bounds, bounds, values, known.keys, known.scores, known.span, allowed, questions)
    return allowed, questions[:n]


def acted_in_frames(
    table: TurnTable,
    rule: GuardRule,
    *,
    frame_samples: int,
    lookahead_samples: int = 0,
    word_ends: IntArray,
    word_bounds: IntArray,
    allowed: IntArray | None = None,
) -> IntArray:
    """Frame at whose end each turn is acted upon, ``(n_turns,) int64``; -1 for never.

    Parameters
    ----------
    table
        The turns of one setting.
    rule
        The guards in frames.
    frame_samples, lookahead_samples
        Samples a frame, and how long after a frame's end it is decided on; the rule was made with the same.
    word_ends, word_bounds
        ``(n_words,) int64`` samples from the start of each recording, rising in each; ``(n_recordings + 1,) int64``
        into it.
    allowed
        Frame from which a scorer lets each turn interrupt, -1 for none: `interruption_questions`, where ``rule`` has an
        `AdaptiveInterruption`.

    Raises
    ------
    InvalidParameterError
        If ``allowed`` is not given just there.
    """
    if (allowed is None) != (rule.adaptive is None):
        raise InvalidParameterError("allowed", "given if, and only if, the rule has an adaptive interruption", rule)
    acted: IntArray = _by_guards(table, rule, frame_samples, lookahead_samples, word_ends, word_bounds)
    if allowed is None:
        return acted
    due = np.maximum(acted, allowed)
    return np.where((acted >= 0) & (allowed >= 0) & (due <= table.turns[:, _STOPPED]), due, -1)


def _by_guards(
    table: TurnTable,
    rule: GuardRule,
    frame_samples: int,
    lookahead_samples: int,
    word_ends: IntArray,
    word_bounds: IntArray,
) -> IntArray:
    if rule.min_frames == 0 and rule.min_words == 0:
        return np.ascontiguousarray(table.turns[:, _STARTED])
    acted: IntArray = _acted(
        table.turns,
        table.bounds,
        frame_samples,
        lookahead_samples,
        rule.min_frames,
        rule.min_words,
        word_ends,
        word_bounds,
    )
    return acted


def turns_with_words(
    table: TurnTable,
    n_words: int,
    *,
    frame_samples: int,
    lookahead_samples: int = 0,
    word_ends: IntArray,
    word_bounds: IntArray,
) -> npt.NDArray[np.bool_]:
    """Whether at least ``n_words`` (``>= 1``) words end in each turn, ``(n_turns,) bool``; the rest as above."""
    enough: npt.NDArray[np.bool_] = _with_words(
        table.turns, table.bounds, frame_samples, lookahead_samples, n_words, word_ends, word_bounds
    )
    return enough
