"""Turn detection compiled, for many recordings and many settings. Arrays in, arrays out; positions in frames.

A track is first cut, once per threshold, into its runs of high frames (``p >= threshold``). Everything that can end
a turn happens in the gap after a run, and depends on the first low frame there (``p < deactivation``); so a setting
costs time in the number of runs, not of frames. Recordings lie one behind the other in one track, with
``bounds[r]:bounds[r + 1]`` the frames of recording ``r``; no run and no turn crosses a bound.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bidilab.core.compiling import kernel

__all__ = ["TURN_COLUMNS", "Runs", "TurnTable", "high_runs", "turns_in_frames"]

IntArray = npt.NDArray[np.int64]

ONSET, STARTED, OFFSET, STOPPED, FLUSHED = range(5)
N_COLUMNS = 5
TURN_COLUMNS = (ONSET, STARTED, OFFSET, STOPPED, FLUSHED)
"""Columns of `TurnTable.turns`: onset, started, offset, stopped, flushed."""


class Runs(NamedTuple):
    """Runs of high frames, recording by recording.

    ``start``, ``end`` and ``first_low`` are ``(n_runs,) int64`` frames from the start of the *track*; ``first_low`` is
    the first low frame in the gap that follows, -1 when there is none. ``bounds`` is ``(n_recordings + 1,) int64``
    into them.
    """

    start: IntArray
    end: IntArray
    first_low: IntArray
    bounds: IntArray


class TurnTable(NamedTuple):
    """Turns of every recording, for one setting.

    ``turns`` is ``(n_turns, 5) int64``: onset, started, offset, stopped (frames from the start of the *recording*) and
    flushed (0 or 1). ``bounds`` is ``(n_recordings + 1,) int64`` into it.
    """

    turns: IntArray
    bounds: IntArray


@kernel()
def _find_runs(p, bounds, threshold, deactivation):  # type: ignore[no-untyped-def]  # pragma: no cover
    n_recordings = len(bounds) - 1
    n_runs = 0
    for r in range(n_recordings):
        before = False
        for k in range(bounds[r], bounds[r + 1]):
            high = np.float64(p[k]) >= threshold
            if high and not before:
                n_runs += 1
            before = high
    start = np.empty(n_runs, np.int64)
    end = np.empty(n_runs, np.int64)
    first_low = np.full(n_runs, -1, np.int64)
    run_bounds = np.zeros(n_recordings + 1, np.int64)
    i = -1
    for r in range(n_recordings):
        before = False
        first_of_recording = i + 1
        for k in range(bounds[r], bounds[r + 1]):
            value = np.float64(p[k])
            if value >= threshold:
                if not before:
                    i += 1
                    start[i] = k
                end[i] = k + 1
                before = True
            else:
                before = False
                if i >= first_of_recording and first_low[i] < 0 and value < deactivation:
                    first_low[i] = k
        run_bounds[r + 1] = i + 1
    return start, end, first_low, run_bounds


@kernel()
def _turns_from_runs(  # type: ignore[no-untyped-def]  # pragma: no cover
    p, bounds, start, end, first_low, run_bounds, deactivation, min_speech, silence
):
    n_recordings = len(bounds) - 1
    turns = np.empty((len(start), N_COLUMNS), np.int64)
    turn_bounds = np.zeros(n_recordings + 1, np.int64)
    n = 0
    for r in range(n_recordings):
        origin = bounds[r]
        last = run_bounds[r + 1]
        i = run_bounds[r]
        while i < last:
            if end[i] - start[i] < min_speech:
                i += 1
                continue
            turns[n, ONSET] = start[i] - origin
            turns[n, STARTED] = start[i] + min_speech - origin
            turns[n, OFFSET] = bounds[r + 1] - origin
            turns[n, STOPPED] = bounds[r + 1] - origin
            turns[n, FLUSHED] = 1
            while i < last:
                gap_end = start[i + 1] if i + 1 < last else bounds[r + 1]
                k = gap_end
                if first_low[i] >= 0:
                    k = first_low[i] + silence - 1
                    while k < gap_end and np.float64(p[k]) >= deactivation:
                        k += 1
                i += 1
                if k < gap_end:
                    turns[n, OFFSET] = first_low[i - 1] - origin
                    turns[n, STOPPED] = k + 1 - origin
                    turns[n, FLUSHED] = 0
                    break
            n += 1
        turn_bounds[r + 1] = n
    return turns[:n].copy(), turn_bounds


@kernel()
def _turns_frame_by_frame(  # type: ignore[no-untyped-def]  # pragma: no cover
    p, bounds, threshold, deactivation, min_speech, silence
):
    n_recordings = len(bounds) - 1
    turns = np.empty((len(p), N_COLUMNS), np.int64)
    turn_bounds = np.zeros(n_recordings + 1, np.int64)
    n = 0
    for r in range(n_recordings):
        origin = bounds[r]
        length = bounds[r + 1] - origin
        run = 0
        speaking = False
        silence_start = -1
        for k in range(length):
            value = np.float64(p[origin + k])
            if not speaking:
                run = run + 1 if value >= threshold else 0
                if run >= min_speech:
                    turns[n, ONSET] = k + 1 - run
                    turns[n, STARTED] = k + 1
                    speaking = True
                    silence_start = -1
                    run = 0
                continue
            if value >= threshold:
                silence_start = -1
            if value < deactivation:
                if silence_start < 0:
                    silence_start = k
                if k + 1 - silence_start >= silence:
                    turns[n, OFFSET] = silence_start
                    turns[n, STOPPED] = k + 1
                    turns[n, FLUSHED] = 0
                    n += 1
                    speaking = False
        if speaking:
            turns[n, OFFSET] = length
            turns[n, STOPPED] = length
            turns[n, FLUSHED] = 1
            n += 1
        turn_bounds[r + 1] = n
    return turns[:n].copy(), turn_bounds


def high_runs(
    probabilities: npt.NDArray[np.float32], bounds: IntArray, threshold: float, deactivation_threshold: float
) -> Runs:
    """Cut a track into its runs of high frames.

    Parameters
    ----------
    probabilities
        ``(n_frames,) float32``, all recordings one behind the other.
    bounds
        ``(n_recordings + 1,) int64`` frames at which the recordings begin and end.
    threshold, deactivation_threshold
        As in `TurnParams`.
    """
    return Runs(*_find_runs(probabilities, bounds, float(threshold), float(deactivation_threshold)))


def turns_in_frames(
    probabilities: npt.NDArray[np.float32],
    bounds: IntArray,
    *,
    threshold: float,
    deactivation_threshold: float,
    min_speech_frames: int,
    silence_frames: int,
    runs: Runs | None = None,
) -> TurnTable:
    """Turns of every recording for one setting.

    Parameters
    ----------
    probabilities, bounds
        As in `high_runs`.
    threshold, deactivation_threshold, min_speech_frames, silence_frames
        As in `FrameParams`.
    runs
        The runs at the same two thresholds, when they are at hand.
    """
    deactivation = float(deactivation_threshold)
    if deactivation > threshold:  # threshold < 0.01: high and low frames overlap, so gaps do not tell the silences
        return TurnTable(
            *_turns_frame_by_frame(
                probabilities, bounds, float(threshold), deactivation, min_speech_frames, silence_frames
            )
        )
    if runs is None:
        runs = high_runs(probabilities, bounds, threshold, deactivation)
    return TurnTable(*_turns_from_runs(probabilities, bounds, *runs, deactivation, min_speech_frames, silence_frames))
