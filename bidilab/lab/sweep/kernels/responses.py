"""Responses and what interrupts them, compiled: the rules of `metrics.interruption` and `metrics.simulated`.

Counts are records of `COUNTS_RECORD`, whose fields are the columns declared in `bidilab.lab.metrics.columns`; counts by
kind of event are arrays, addressed by the kind's place among `FALSE_KINDS`.

Numba's cache looks at the file of a function and the types of its arguments, so all that these functions call stands in
this file, and other constants as literals; the assertions fail when what they mirror has moved.
"""

from __future__ import annotations

import numba
import numpy as np

from bidilab.detect.turns.kernels import TURN_COLUMNS
from bidilab.lab.datasets.labels import TRUE_KINDS
from bidilab.lab.sweep.evaluated import CENSORED, EVENT

__all__ = ["evaluate_recorded", "simulate_and_evaluate"]

_EVENT = 1
_CENSORED = 2
ONSET, STARTED, OFFSET, STOPPED, FLUSHED = range(5)
_START, _END, _KIND, _TRUE_INDEX = range(4)
_N_TRUE_KINDS = 2

assert (_EVENT, _CENSORED) == (EVENT, CENSORED)
assert (ONSET, STARTED, OFFSET, STOPPED, FLUSHED) == TURN_COLUMNS
assert len(TRUE_KINDS) == _N_TRUE_KINDS


@numba.njit(cache=True, nogil=True)
def _is_opportunity(segments, s, audible, end, min_overlap):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Of a segment that starts in an active response: whether it is heard under enough of the response."""
    start = segments[s, _START]
    return end - max(start, audible) >= min_overlap and (start >= audible or segments[s, _END] > audible)


@numba.njit(cache=True, nogil=True)
def _hit(  # type: ignore[no-untyped-def]  # pragma: no cover
    segments, first_of_recording, low, high, audible, end, onset, masked_until, tolerance, min_overlap
):
    """Rule 3: the segment that an interruption belongs to, -1 for none."""
    for s in range(low, high):  # an opportunity that ought to interrupt, the earliest
        if (
            segments[s, _KIND] < _N_TRUE_KINDS
            and _is_opportunity(segments, s, audible, end, min_overlap)
            and segments[s, _START] >= masked_until
            and segments[s, _START] - tolerance <= onset <= segments[s, _END]
        ):
            return s
    for s in range(low, high):  # masked, terminal or over before the response was heard: no rate
        if segments[s, _KIND] < _N_TRUE_KINDS and segments[s, _START] - tolerance <= onset <= segments[s, _END]:
            return s
    nearest = -1
    distance = np.int64(0)
    for s in range(first_of_recording, high):
        if segments[s, _START] - tolerance <= onset <= segments[s, _END]:
            if segments[s, _KIND] < _N_TRUE_KINDS:  # from before the response: the agent had cut in
                return s
            d = abs(onset - segments[s, _START])
            if nearest < 0 or d <= distance:
                nearest = s
                distance = d
    return nearest


@numba.njit(cache=True, nogil=True)
def _evaluate_response(  # type: ignore[no-untyped-def]  # pragma: no cover
    segments,
    first_of_recording,
    low,
    high,
    audible,
    end,
    onset,
    decided,
    resumed,
    masked_until,
    tolerance,
    min_overlap,
    out,
    latency,
    state,
):
    """Rules 2 to 4; the segments ``[low, high)`` start in the response while it is active."""
    n_false = out.n_false
    evaluation_end = decided if decided >= 0 else end
    open_from = max(masked_until, audible)
    if evaluation_end > open_from:
        out.agent_speech_samples += evaluation_end - open_from
    hit = -1
    if decided >= 0:
        hit = _hit(segments, first_of_recording, low, high, audible, end, onset, masked_until, tolerance, min_overlap)
        if hit < 0:
            out.n_false += 1
            out.n_false_none += 1
        elif hit < low:
            out.n_false += 1
            kind = segments[hit, _KIND]
            if kind < _N_TRUE_KINDS:
                out.n_false_premature_endpoint += 1
            else:
                out.n_false_by_kind[kind - _N_TRUE_KINDS] += 1
    for s in range(low, high):
        kind = segments[s, _KIND]
        is_true = kind < _N_TRUE_KINDS
        opportunity = _is_opportunity(segments, s, audible, end, min_overlap)
        if opportunity and segments[s, _START] < masked_until:
            out.n_masked += 1
            continue
        if s != hit and not (opportunity and segments[s, _START] < evaluation_end):
            continue
        if not is_true:
            if opportunity:
                out.n_false_opportunities_by_kind[kind - _N_TRUE_KINDS] += 1
            if s == hit:
                out.n_false += 1
                out.n_false_by_kind[kind - _N_TRUE_KINDS] += 1
                if opportunity:
                    out.n_false_on_opportunity_by_kind[kind - _N_TRUE_KINDS] += 1
            continue
        if not opportunity:
            out.n_terminal_overlap += 1
            continue
        k = segments[s, _TRUE_INDEX]
        chance_end = min(segments[s, _END], end)
        if s == hit:
            out.n_true_opportunities += 1
            out.n_detected += 1
            out.n_resumed_true += resumed >= 0
            state[k] = _EVENT
            latency[k] = decided - segments[s, _START]
        else:
            state[k] = _CENSORED
            latency[k] = min(chance_end, evaluation_end) - segments[s, _START]
            if decided >= 0 and chance_end > evaluation_end:
                out.n_preempted += 1
            else:
                out.n_true_opportunities += 1
                out.n_missed += 1
        spoken = min(segments[s, _END], evaluation_end) - max(segments[s, _START], audible)
        if spoken > 0:
            out.talk_over_samples += spoken
    if resumed >= 0 and out.n_false > n_false:
        out.n_resumed += 1
        out.pause_samples += resumed - decided


@numba.njit(cache=True, nogil=True)
def _resume(  # type: ignore[no-untyped-def]  # pragma: no cover
    turns, stands, frame, turn, last, timeout, stream_end
):
    """A response that a turn paused: the turn that decides on it, and where it goes on (-1 for nowhere)."""
    while turns[turn, FLUSHED] == 0 and not stands[turn]:
        deadline = turns[turn, STOPPED] * frame + timeout
        if turn + 1 >= last or turns[turn + 1, STARTED] * frame > deadline:
            return turn, deadline if deadline <= stream_end else np.int64(-1)
        turn += 1
    return turn, np.int64(-1)


@numba.njit(cache=True, nogil=True)
def evaluate_recorded(  # type: ignore[no-untyped-def]  # pragma: no cover
    turns,
    turn_bounds,
    acted,
    stands,
    timeout,
    frame,
    frame_bounds,
    responses,
    response_bounds,
    segments,
    segment_bounds,
    response_segments,
    tolerance,
    min_overlap,
    counts,
    latency,
    state,
):
    """`evaluate_interruptions` of every recording; ``timeout`` is -1 where nothing is resumed."""
    for r in range(len(turn_bounds) - 1):
        out = counts[r]
        row = turn_bounds[r]
        last = turn_bounds[r + 1]
        stream_end = (frame_bounds[r + 1] - frame_bounds[r]) * frame
        out.n_responses = response_bounds[r + 1] - response_bounds[r]
        for j in range(response_bounds[r], response_bounds[r + 1]):
            start = responses[j, 0]
            end = responses[j, 1]
            while row < last and turns[row, STARTED] * frame < start:
                row += 1
            masked_until = start
            if row > turn_bounds[r] and turns[row - 1, STOPPED] * frame > start:
                masked_until = turns[row - 1, STOPPED] * frame
            onset = np.int64(-1)
            decided = np.int64(-1)
            resumed = np.int64(-1)
            cut = row
            while cut < last and acted[cut] < 0:
                cut += 1
            if cut < last and acted[cut] * frame < end:
                onset = turns[cut, ONSET] * frame
                decided = acted[cut] * frame
                if timeout >= 0:
                    resumed = _resume(turns, stands, frame, cut, last, timeout, stream_end)[1]
            _evaluate_response(
                segments,
                segment_bounds[r],
                response_segments[j, 0],
                response_segments[j, 1],
                start,
                end,
                onset,
                decided,
                resumed,
                masked_until,
                tolerance,
                min_overlap,
                out,
                latency,
                state,
            )


@numba.njit(cache=True, nogil=True)
def _first_from(segments, low, high, position):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The first segment in ``[low, high)`` that starts at or after a position; they are in time order."""
    while low < high:
        middle = (low + high) // 2
        if segments[middle, _START] < position:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(cache=True, nogil=True)
def _evaluate_stretch(  # type: ignore[no-untyped-def]  # pragma: no cover
    segments,
    first,
    after,
    active_from,
    audible,
    end,
    onset,
    decided,
    resumed,
    tolerance,
    min_overlap,
    out,
    latency,
    state,
):
    low = _first_from(segments, first, after, active_from)
    high = _first_from(segments, low, after, end)
    _evaluate_response(
        segments,
        first,
        low,
        high,
        audible,
        end,
        onset,
        decided,
        resumed,
        active_from,
        tolerance,
        min_overlap,
        out,
        latency,
        state,
    )


@numba.njit(cache=True, nogil=True)
def simulate_and_evaluate(  # type: ignore[no-untyped-def]  # pragma: no cover
    turns,
    turn_bounds,
    acted,
    stands,
    timeout,
    frame,
    frame_bounds,
    delay,
    lengths,
    length_bounds,
    segments,
    segment_bounds,
    tolerance,
    min_overlap,
    counts,
    latency,
    state,
):
    """`evaluate_simulated` of every recording; ``timeout`` is -1 where nothing is resumed."""
    nowhere = np.int64(-1)
    for r in range(len(turn_bounds) - 1):
        out = counts[r]
        last = turn_bounds[r + 1]
        stream_end = (frame_bounds[r + 1] - frame_bounds[r]) * frame
        first = segment_bounds[r]
        after = segment_bounds[r + 1]
        n_lengths = length_bounds[r + 1] - length_bounds[r]
        active_from = nowhere  # where it was created, or resumed
        audible = nowhere
        ends = nowhere  # of the response that is still to be evaluated; -1 for none
        t = turn_bounds[r]
        while t < last:
            if ends >= 0 and acted[t] >= 0 and acted[t] * frame < ends:
                onset = turns[t, ONSET] * frame
                decided = acted[t] * frame
                resumed = nowhere
                if timeout >= 0:
                    t, resumed = _resume(turns, stands, frame, t, last, timeout, stream_end)
                if decided <= audible:
                    out.n_cancelled_unheard += resumed < 0
                elif audible < stream_end:
                    _evaluate_stretch(
                        segments,
                        first,
                        after,
                        active_from,
                        audible,
                        min(ends, stream_end),
                        onset,
                        decided,
                        resumed,
                        tolerance,
                        min_overlap,
                        out,
                        latency,
                        state,
                    )
                if resumed >= 0:
                    active_from = resumed
                    audible = resumed + max(0, audible - decided)
                    ends += resumed - decided
                    t += 1
                    continue
                ends = nowhere
                if timeout >= 0 and turns[t, FLUSHED] == 0 and not stands[t]:
                    break  # paused beyond the end of the recording
            if ends >= 0 and ends <= turns[t, STOPPED] * frame:
                if audible < stream_end:
                    _evaluate_stretch(
                        segments,
                        first,
                        after,
                        active_from,
                        audible,
                        min(ends, stream_end),
                        nowhere,
                        nowhere,
                        nowhere,
                        tolerance,
                        min_overlap,
                        out,
                        latency,
                        state,
                    )
                ends = nowhere
            if ends < 0 and turns[t, FLUSHED] == 0:
                active_from = turns[t, STOPPED] * frame
                audible = active_from + delay
                ends = audible + lengths[length_bounds[r] + out.n_responses % n_lengths]
                out.n_responses += 1
            t += 1
        if ends >= 0 and audible < stream_end:
            _evaluate_stretch(
                segments,
                first,
                after,
                active_from,
                audible,
                min(ends, stream_end),
                nowhere,
                nowhere,
                nowhere,
                tolerance,
                min_overlap,
                out,
                latency,
                state,
            )
