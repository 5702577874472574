"""Evaluation compiled: the rules of `metrics.interruption`, `metrics.simulated` and `metrics.endpoint` on flat arrays.

Arrays in, arrays out. The readable forms are `evaluate_interruptions`, `evaluate_simulated` and `evaluate_endpoints`;
property tests hold them equal. What they leave is described in `evaluated`.
"""

from __future__ import annotations

import numba
import numpy as np

from bidilab.detect.turns.kernels import TURN_COLUMNS, TurnTable
from bidilab.lab.datasets.labels import FALSE_KINDS, TRUE_KINDS
from bidilab.lab.sweep.evaluated import CENSORED, COUNTS, EVENT, Evaluated, SimulatedLengths
from bidilab.lab.sweep.problem import SweepProblem

__all__ = ["evaluate"]

# Compiled code keeps the constants it was compiled with, and Numba's cache looks at this file alone: so all of them
# stand here as literals, and the assertions below fail when what they mirror has moved.
_N_TRUE = 0
_MASKED = 1
_PREEMPTED = 2
_DETECTED = 3
_MISSED = 4
_FALSE = 5
_CAUSE = 6
_PREMATURE = 10
_NONE = 11
_OPPORTUNITIES = 12
_ON_OPPORTUNITY = 16
_TERMINAL = 20
_TURNS = 21
_CUT_IN = 22
_ENDPOINTS = 23
_ONSETS = 24
_DETECTOR_TURNS = 25
_FLUSHED_TURNS = 26
_RESPONSES = 27
_UNHEARD = 28
_AGENT_SPEECH = 29
_TALK_OVER = 30
ONSET, STARTED, OFFSET, STOPPED, FLUSHED = range(5)
_START, _END, _KIND, _TRUE_INDEX = range(4)
_N_TRUE_KINDS = 2

assert (ONSET, STARTED, OFFSET, STOPPED, FLUSHED) == TURN_COLUMNS
assert len(TRUE_KINDS) == _N_TRUE_KINDS
assert COUNTS[_CAUSE : _CAUSE + len(FALSE_KINDS)] == tuple(f"n_false_{kind}" for kind in FALSE_KINDS)
assert [
    COUNTS[_N_TRUE],
    COUNTS[_MASKED],
    COUNTS[_PREEMPTED],
    COUNTS[_DETECTED],
    COUNTS[_MISSED],
    COUNTS[_FALSE],
    COUNTS[_CAUSE],
    COUNTS[_PREMATURE],
    COUNTS[_NONE],
    COUNTS[_OPPORTUNITIES],
    COUNTS[_ON_OPPORTUNITY],
    COUNTS[_TERMINAL],
    COUNTS[_TURNS],
    COUNTS[_CUT_IN],
    COUNTS[_ENDPOINTS],
    COUNTS[_ONSETS],
    COUNTS[_DETECTOR_TURNS],
    COUNTS[_FLUSHED_TURNS],
    COUNTS[_RESPONSES],
    COUNTS[_UNHEARD],
    COUNTS[_AGENT_SPEECH],
    COUNTS[_TALK_OVER],
] == [
    "n_true_opportunities",
    "n_masked",
    "n_preempted",
    "n_detected",
    "n_missed",
    "n_false",
    "n_false_backchannel",
    "n_false_premature_endpoint",
    "n_false_none",
    "n_false_opportunities_backchannel",
    "n_false_on_opportunity_backchannel",
    "n_terminal_overlap",
    "n_turns",
    "n_premature_endpoints",
    "n_endpoints",
    "n_onsets",
    "n_detector_turns",
    "n_flushed",
    "n_responses",
    "n_cancelled_unheard",
    "agent_speech_samples",
    "talk_over_samples",
]


@numba.njit(cache=True, nogil=True)
def _hit(  # type: ignore[no-untyped-def]  # pragma: no cover
    segments, first_of_recording, low, high, end, onset, masked_until, tolerance, min_overlap
):
    """Rule 3: the segment that an interruption belongs to, -1 for none."""
    for s in range(low, high):  # an opportunity that ought to interrupt, the earliest
        if (
            segments[s, _KIND] < _N_TRUE_KINDS
            and end - segments[s, _START] >= min_overlap
            and segments[s, _START] >= masked_until
            and segments[s, _START] - tolerance <= onset <= segments[s, _END]
        ):
            return s
    for s in range(low, high):  # masked or terminal: no rate
        if (
            segments[s, _KIND] < _N_TRUE_KINDS
            and (end - segments[s, _START] < min_overlap or segments[s, _START] < masked_until)
            and segments[s, _START] - tolerance <= onset <= segments[s, _END]
        ):
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
    end,
    onset,
    decided,
    masked_until,
    tolerance,
    min_overlap,
    out,
    latency,
    state,
):
    evaluation_end = decided if decided >= 0 else end
    if evaluation_end > masked_until:
        out[_AGENT_SPEECH] += evaluation_end - masked_until
    hit = -1
    if decided >= 0:
        hit = _hit(segments, first_of_recording, low, high, end, onset, masked_until, tolerance, min_overlap)
        if hit < 0:
            out[_FALSE] += 1
            out[_NONE] += 1
        elif hit < low:
            out[_FALSE] += 1
            kind = segments[hit, _KIND]
            out[_PREMATURE if kind < _N_TRUE_KINDS else _CAUSE + kind - _N_TRUE_KINDS] += 1
    for s in range(low, high):
        kind = segments[s, _KIND]
        is_true = kind < _N_TRUE_KINDS
        opportunity = end - segments[s, _START] >= min_overlap
        if opportunity and segments[s, _START] < masked_until:
            out[_MASKED] += 1
            continue
        if s != hit and not (opportunity and segments[s, _START] < evaluation_end):
            continue
        if not is_true:
            if opportunity:
                out[_OPPORTUNITIES + kind - _N_TRUE_KINDS] += 1
            if s == hit:
                out[_FALSE] += 1
                out[_CAUSE + kind - _N_TRUE_KINDS] += 1
                if opportunity:
                    out[_ON_OPPORTUNITY + kind - _N_TRUE_KINDS] += 1
            continue
        if not opportunity:
            out[_TERMINAL] += 1
            continue
        k = segments[s, _TRUE_INDEX]
        chance_end = min(segments[s, _END], end)
        if s == hit:
            out[_N_TRUE] += 1
            out[_DETECTED] += 1
            state[k] = EVENT
            latency[k] = decided - segments[s, _START]
        else:
            state[k] = CENSORED
            latency[k] = min(chance_end, evaluation_end) - segments[s, _START]
            if decided >= 0 and chance_end > evaluation_end:
                out[_PREEMPTED] += 1
            else:
                out[_N_TRUE] += 1
                out[_MISSED] += 1
        spoken = min(segments[s, _END], evaluation_end) - segments[s, _START]
        if spoken > 0:
            out[_TALK_OVER] += spoken


@numba.njit(cache=True, nogil=True)
def _evaluate_endpoints(  # type: ignore[no-untyped-def]  # pragma: no cover
    segments, low, high, turns, first_turn_row, end_turn_row, frame, out, endpoint_latency, first_turn
):
    t0 = first_turn_row
    for s in range(low, high):
        if segments[s, _KIND] >= _N_TRUE_KINDS:
            continue
        start = segments[s, _START]
        end = segments[s, _END]
        out[_TURNS] += 1
        while t0 < end_turn_row and turns[t0, OFFSET] * frame <= start:
            t0 += 1
        index = segments[s, _TRUE_INDEX]
        cut_in = False
        t = t0
        while t < end_turn_row and turns[t, ONSET] * frame < end:
            if t == t0:
                out[_ONSETS] += 1
                first_turn[index, 0] = turns[t, ONSET] * frame
                first_turn[index, 1] = turns[t - 1, STOPPED] * frame if t > first_turn_row else 0
            if turns[t, FLUSHED] == 0:
                stopped = turns[t, STOPPED] * frame
                if start < stopped < end:
                    cut_in = True
                if stopped >= end:
                    endpoint_latency[index] = stopped - end
                    out[_ENDPOINTS] += 1
                    break
            t += 1
        out[_CUT_IN] += cut_in


@numba.njit(cache=True, nogil=True)
def _evaluate(  # type: ignore[no-untyped-def]  # pragma: no cover
    turns,
    turn_bounds,
    frame,
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
    endpoint_latency,
    first_turn,
):
    for r in range(len(turn_bounds) - 1):
        out = counts[r]
        row = turn_bounds[r]
        last = turn_bounds[r + 1]
        out[_DETECTOR_TURNS] = last - row
        if last > row:
            out[_FLUSHED_TURNS] = turns[last - 1, FLUSHED]
        out[_RESPONSES] = response_bounds[r + 1] - response_bounds[r]
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
            if row < last and turns[row, STARTED] * frame < end:
                onset = turns[row, ONSET] * frame
                decided = turns[row, STARTED] * frame
            _evaluate_response(
                segments,
                segment_bounds[r],
                response_segments[j, 0],
                response_segments[j, 1],
                end,
                onset,
                decided,
                masked_until,
                tolerance,
                min_overlap,
                out,
                latency,
                state,
            )
        _evaluate_endpoints(
            segments,
            segment_bounds[r],
            segment_bounds[r + 1],
            turns,
            turn_bounds[r],
            last,
            frame,
            out,
            endpoint_latency,
            first_turn,
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
def _simulate_and_evaluate(  # type: ignore[no-untyped-def]  # pragma: no cover
    turns,
    turn_bounds,
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
    endpoint_latency,
    first_turn,
):
    for r in range(len(turn_bounds) - 1):
        out = counts[r]
        row = turn_bounds[r]
        last = turn_bounds[r + 1]
        stream_end = (frame_bounds[r + 1] - frame_bounds[r]) * frame
        first = segment_bounds[r]
        after = segment_bounds[r + 1]
        n_lengths = length_bounds[r + 1] - length_bounds[r]
        out[_DETECTOR_TURNS] = last - row
        if last > row:
            out[_FLUSHED_TURNS] = turns[last - 1, FLUSHED]
        audible = np.int64(-1)
        ends = np.int64(-1)  # of the response that is still to be evaluated; -1 for none
        for t in range(row, last + 1):
            onset = np.int64(-1)
            decided = np.int64(-1)
            if t < last:
                onset = turns[t, ONSET] * frame
                decided = turns[t, STARTED] * frame
            if ends >= 0:
                interrupts = t < last and decided < ends
                if interrupts and decided <= audible:
                    out[_UNHEARD] += 1
                elif audible < stream_end:
                    end = min(ends, stream_end)
                    low = _first_from(segments, first, after, audible)
                    _evaluate_response(
                        segments,
                        first,
                        low,
                        _first_from(segments, low, after, end),
                        end,
                        onset if interrupts else np.int64(-1),
                        decided if interrupts else np.int64(-1),
                        audible,
                        tolerance,
                        min_overlap,
                        out,
                        latency,
                        state,
                    )
                ends = np.int64(-1)
            if t < last and turns[t, FLUSHED] == 0:
                audible = turns[t, STOPPED] * frame + delay
                ends = audible + lengths[length_bounds[r] + out[_RESPONSES] % n_lengths]
                out[_RESPONSES] += 1
        _evaluate_endpoints(
            segments, first, after, turns, turn_bounds[r], last, frame, out, endpoint_latency, first_turn
        )


def evaluate(problem: SweepProblem, table: TurnTable, simulated: SimulatedLengths | None = None) -> Evaluated:
    """Evaluate the turns of one setting on every recording of a problem.

    Parameters
    ----------
    problem
        Labels and tracks.
    table
        The turns of the setting.
    simulated
        The simulated agent for closed-loop evaluation; the recorded agent when not given.
    """
    result = Evaluated.empty(problem)
    if simulated is not None:
        _simulate_and_evaluate(
            table.turns,
            table.bounds,
            problem.frame_samples,
            problem.frame_bounds,
            *simulated,
            problem.segments,
            problem.segment_bounds,
            problem.tolerance,
            problem.min_overlap,
            *result,
        )
        return result
    _evaluate(
        table.turns,
        table.bounds,
        problem.frame_samples,
        problem.responses,
        problem.response_bounds,
        problem.segments,
        problem.segment_bounds,
        problem.response_segments,
        problem.tolerance,
        problem.min_overlap,
        *result,
    )
    return result
