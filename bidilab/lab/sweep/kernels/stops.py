"""Session costs, compiled: `metrics.stops.recorded_costs` and `simulated_costs` of every recording under one setting.

Counts are records addressed by name; counts by kind are arrays, addressed by the kind's place among `FALSE_KINDS`.
Numba's cache looks at this file alone, so what is shared with other modules stands here as literals, which the
assertions below compare.
"""

from __future__ import annotations

import numpy as np

from bidilab.core.compiling import kernel
from bidilab.detect.turns.kernels import TURN_COLUMNS
from bidilab.lab.datasets.labels import FALSE_KINDS, TRUE_KINDS, USER_KINDS

__all__ = ["recorded_stops", "simulated_stops"]

ONSET, STARTED, OFFSET, STOPPED, FLUSHED = range(5)
_START, _END, _KIND, _TURN_INDEX, _REACH, _UNSURE = range(6)
_N_TRUE_KINDS = 2
_ECHO = 5

assert (ONSET, STARTED, OFFSET, STOPPED, FLUSHED) == TURN_COLUMNS
assert len(TRUE_KINDS) == _N_TRUE_KINDS
assert USER_KINDS.index("echo") == _ECHO
assert USER_KINDS == TRUE_KINDS + FALSE_KINDS


@kernel()
def _first_reaching(segments, low, high, position):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The first segment up to which one ends at or after a position: those before it are over."""
    while low < high:
        middle = (low + high) // 2
        if segments[middle, _REACH] < position:
            low = middle + 1
        else:
            high = middle
    return low


@kernel()
def _owner(segments, first, last, onset, tolerance):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The segment that owns an onset, -1 for none; segments are in time order."""
    over = -1
    ended = -1
    coming = -1
    echo = -1
    for s in range(_first_reaching(segments, first, last, onset - tolerance), last):
        start = segments[s, _START]
        end = segments[s, _END]
        if start - tolerance > onset:
            break
        if segments[s, _KIND] == _ECHO:
            if echo < 0 and onset <= end + tolerance:
                echo = s
        elif start <= onset < end:
            is_true = segments[s, _KIND] < _N_TRUE_KINDS
            if over < 0 or is_true or segments[over, _KIND] >= _N_TRUE_KINDS:
                over = s  # the later in order begins later, or at the same sample
        elif end <= onset <= end + tolerance:
            if ended < 0 or end >= segments[ended, _END]:
                ended = s
        elif onset < start and coming < 0:
            coming = s
    if over >= 0:
        return over
    if ended >= 0:
        return ended
    return coming if coming >= 0 else echo


@kernel()
def _count_stop(  # type: ignore[no-untyped-def]  # pragma: no cover
    segments, first, last, onset, decided, resumed, end, active_from, tolerance, is_labelled, out
):
    """Put a stop down to its owner, and count what it cost; whether it is false."""
    if not is_labelled:
        return False
    owner = _owner(segments, first, last, onset, tolerance)
    if owner >= 0 and segments[owner, _UNSURE] != 0:
        return False
    if owner >= 0 and segments[owner, _KIND] < _N_TRUE_KINDS:
        if segments[owner, _START] >= active_from:
            out.n_stops_true += 1
            out.n_resumed_true += resumed >= 0
        else:
            out.n_stops_continued += 1
        return False
    out.n_false += 1
    if owner < 0:
        out.n_false_none += 1
    else:
        out.n_false_by_kind[segments[owner, _KIND] - _N_TRUE_KINDS] += 1
    if resumed >= 0:
        out.n_resumed += 1
        out.pause_samples += resumed - decided
    else:
        out.lost_samples += end - decided
    return True


@kernel()
def _resume(  # type: ignore[no-untyped-def]  # pragma: no cover
    turns, stands, frame, ahead, turn, last, timeout, stream_end
):
    """A response that a turn paused: the turn that decides on it, and where it goes on (-1 for nowhere)."""
    while turns[turn, FLUSHED] == 0 and not stands[turn]:
        deadline = turns[turn, STOPPED] * frame + ahead + timeout
        if turn + 1 >= last or turns[turn + 1, STARTED] * frame + ahead > deadline:
            return turn, deadline if deadline <= stream_end else np.int64(-1)
        turn += 1
    return turn, np.int64(-1)


@kernel()
def recorded_stops(  # type: ignore[no-untyped-def]  # pragma: no cover
    turns,
    turn_bounds,
    acted,
    stands,
    timeout,
    frame,
    ahead,
    frame_bounds,
    responses,
    response_bounds,
    segments,
    segment_bounds,
    tolerance,
    counts,
):
    """`recorded_costs` of every recording; ``timeout`` is -1 where nothing is resumed."""
    for r in range(len(turn_bounds) - 1):
        out = counts[r]
        row = turn_bounds[r]
        last = turn_bounds[r + 1]
        stream_end = (frame_bounds[r + 1] - frame_bounds[r]) * frame
        out.n_responses = response_bounds[r + 1] - response_bounds[r]
        for j in range(response_bounds[r], response_bounds[r + 1]):
            start = responses[j, 0]
            end = responses[j, 1]
            out.planned_samples += end - start
            while row < last and turns[row, STARTED] * frame + ahead < start:
                row += 1
            free_from = start
            if row > turn_bounds[r] and turns[row - 1, STOPPED] * frame + ahead > start:
                free_from = min(turns[row - 1, STOPPED] * frame + ahead, end)
            out.masked_samples += free_from - start
            cut = row
            while cut < last and acted[cut] < 0:
                cut += 1
            if cut >= last or acted[cut] * frame + ahead >= end:
                out.agent_speech_samples += end - free_from
                continue
            decided = acted[cut] * frame + ahead
            resumed = np.int64(-1)
            if timeout >= 0:
                resumed = _resume(turns, stands, frame, ahead, cut, last, timeout, stream_end)[1]
            if decided > free_from:
                out.agent_speech_samples += decided - free_from
            out.n_responses_stopped_falsely += _count_stop(
                segments,
                segment_bounds[r],
                segment_bounds[r + 1],
                turns[cut, ONSET] * frame,
                decided,
                resumed,
                end,
                start,
                tolerance,
                True,  # it has responses
                out,
            )


@kernel()
def _over_unfinished(  # type: ignore[no-untyped-def]  # pragma: no cover
    segments, first, last, created, audible, until
):
    """Samples heard over the true segment inside which a response was created."""
    longest = np.int64(0)
    for s in range(_first_reaching(segments, first, last, created), last):
        if segments[s, _START] >= created:
            break
        is_turn = segments[s, _KIND] < _N_TRUE_KINDS and segments[s, _UNSURE] == 0
        if is_turn and created < segments[s, _END]:
            spoken = min(segments[s, _END], until) - max(segments[s, _START], audible)
            longest = max(longest, spoken)
    return longest


@kernel()
def simulated_stops(  # type: ignore[no-untyped-def]  # pragma: no cover
    turns,
    turn_bounds,
    acted,
    stands,
    timeout,
    frame,
    ahead,
    frame_bounds,
    delay,
    lengths,
    length_bounds,
    segments,
    segment_bounds,
    tolerance,
    labelled,
    counts,
):
    """`simulated_costs` of every recording; ``timeout`` is -1 where nothing is resumed."""
    nowhere = np.int64(-1)
    for r in range(len(turn_bounds) - 1):
        out = counts[r]
        is_labelled = labelled[r]
        last = turn_bounds[r + 1]
        stream_end = (frame_bounds[r + 1] - frame_bounds[r]) * frame
        first = segment_bounds[r]
        after = segment_bounds[r + 1]
        n_lengths = length_bounds[r + 1] - length_bounds[r]
        created = nowhere
        active_from = nowhere  # where it was created, or resumed
        audible = nowhere
        ends = nowhere  # of the response under way; -1 for none
        talked = np.int64(0)
        falsely = False  # stopped, this response
        t = turn_bounds[r]
        while t <= last:
            if t < last and ends >= 0 and acted[t] >= 0 and acted[t] * frame + ahead < ends:
                onset = turns[t, ONSET] * frame
                decided = acted[t] * frame + ahead
                resumed = nowhere
                if timeout >= 0:
                    t, resumed = _resume(turns, stands, frame, ahead, t, last, timeout, stream_end)
                if decided <= audible:
                    out.n_cancelled_unheard += resumed < 0
                elif audible < stream_end:
                    out.agent_speech_samples += decided - audible if is_labelled else 0
                    talked += _over_unfinished(segments, first, after, created, audible, decided)
                    end = min(ends, stream_end)
                    falsely |= _count_stop(
                        segments,
                        first,
                        after,
                        onset,
                        decided,
                        resumed,
                        end,
                        active_from,
                        tolerance,
                        is_labelled,
                        out,
                    )
                if resumed >= 0:
                    active_from = resumed
                    audible = resumed + max(0, audible - decided)
                    ends += resumed - decided
                    t += 1
                    continue
                ends = nowhere
                out.n_cut_ins_heard += talked > 0
                out.cut_in_talk_samples += talked
                out.n_responses_stopped_falsely += falsely
                talked = np.int64(0)
                falsely = False
                if timeout >= 0 and turns[t, FLUSHED] == 0 and not stands[t]:
                    break  # paused beyond the end of the recording
            if ends >= 0 and (t == last or ends <= turns[t, STOPPED] * frame + ahead):
                if audible < stream_end:
                    until = min(ends, stream_end)
                    out.agent_speech_samples += until - audible if is_labelled else 0
                    talked += _over_unfinished(segments, first, after, created, audible, until)
                ends = nowhere
                out.n_cut_ins_heard += talked > 0
                out.cut_in_talk_samples += talked
                out.n_responses_stopped_falsely += falsely
                talked = np.int64(0)
                falsely = False
            if t < last and ends < 0 and turns[t, FLUSHED] == 0:
                created = turns[t, STOPPED] * frame + ahead
                active_from = created
                audible = created + delay
                ends = audible + lengths[length_bounds[r] + out.n_responses % n_lengths]
                if is_labelled:
                    out.planned_samples += min(ends, stream_end) - min(audible, stream_end)
                out.n_responses += 1
            t += 1
