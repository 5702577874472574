"""Delays of members, compiled: `metrics.members.delay_reference` for all members of a dataset under one setting.

Without guards a member is acted upon at the end of the first run of ``min_speech`` high frames in its window, so one
pass serves every silence duration. With guards the turn is followed to its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from bidilab.core.compiling import kernel
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns.guards import GuardRule
from bidilab.detect.turns.params import FrameParams
from bidilab.lab.datasets.labels import TRUE_KINDS, USER_KINDS
from bidilab.lab.metrics.members import Member, Stretch

__all__ = ["JudgedEvents", "MemberWindows", "count_events", "member_delays"]

IntArray = npt.NDArray[np.int64]
_N_TRUE_KINDS = 2
_UNPROMPTED = 6
_MISSED = 2**31 - 1

assert len(TRUE_KINDS) == _N_TRUE_KINDS
assert len(USER_KINDS) == _UNPROMPTED


class MemberWindows(NamedTuple):
    """The windows of all members of a dataset, laid out flat.

    ``windows`` is ``(n_windows, 5) int64``: index of the member, first frame and end frame of what is heard, the last
    frame at which an onset counts, and the frame at which the recording begins; frames count from the start of the
    track of all recordings. ``onsets`` is ``(n_members,) int64`` samples from the start of the member's recording.
    ``word_ends`` are samples from there too, rising in each member, with ``word_bounds`` ``(n_members + 1,) int64``.
    """

    windows: IntArray
    onsets: IntArray
    word_ends: IntArray
    word_bounds: IntArray
    frame_samples: int
    lookahead_samples: int = 0

    @classmethod
    def build(
        cls,
        members: Sequence[Sequence[Member | Stretch]],
        frame_bounds: IntArray,
        *,
        frame_samples: int,
        lookahead_samples: int = 0,
    ) -> Self:
        """Lay the members of every recording out flat.

        Raises
        ------
        InvalidParameterError
            If there is not one list of members for each recording.
        """
        if len(members) != len(frame_bounds) - 1:
            raise InvalidParameterError("members", f"one list for each of {len(frame_bounds) - 1} recordings", members)
        rows: list[tuple[int, int, int, int, int]] = []
        flat = [(int(origin), m) for origin, listed in zip(frame_bounds, members, strict=False) for m in listed]
        ends = [int(end) for end, listed in zip(frame_bounds[1:], members, strict=True) for _ in listed]
        for index, ((origin, member), track_end) in enumerate(zip(flat, ends, strict=True)):
            for window in member.windows:
                first = origin - (-max(window.start, 0) // frame_samples)
                end = min(origin + window.end // frame_samples, track_end)
                if end > first:
                    rows.append((index, first, end, origin + window.last_onset // frame_samples, origin))
        words = [m.word_ends for _, m in flat]
        return cls(
            windows=np.array(rows, dtype=np.int64).reshape(-1, 5),
            onsets=np.array([m.interval.start for _, m in flat], dtype=np.int64),
            word_ends=np.array([end for said in words for end in said], dtype=np.int64),
            word_bounds=np.concatenate([[0], np.cumsum([len(said) for said in words])]).astype(np.int64),
            frame_samples=frame_samples,
            lookahead_samples=lookahead_samples,
        )


class JudgedEvents(NamedTuple):
    """All that is judged for itself in a dataset: members, and stretches with nothing labelled near.

    ``recording`` and ``kind`` are ``(n_judged,) int32``: the recording of each, and the code of its kind, 6 for such a
    stretch; ``length`` is ``(n_judged,) int64`` samples.
    """

    windows: MemberWindows
    recording: npt.NDArray[np.int32]
    kind: npt.NDArray[np.int32]
    length: IntArray

    @property
    def is_true(self) -> npt.NDArray[np.bool_]:
        """Which ought to stop the agent, ``(n_judged,)``."""
        return self.kind < _N_TRUE_KINDS


@kernel()
def count_events(delays, recording, kind, length, within, counts):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Count hits and misses by recording; ``within`` is 500 ms in samples."""
    for i in range(len(delays)):
        out = counts[recording[i]]
        hit = delays[i] != _MISSED
        if kind[i] == _UNPROMPTED:
            out.n_unprompted += hit
        elif kind[i] >= _N_TRUE_KINDS:
            out.n_false_on_opportunity_by_kind[kind[i] - _N_TRUE_KINDS] += hit
        else:
            out.n_detected += hit
            out.n_missed += not hit
            out.n_stopped_within_500ms += delays[i] <= within
            out.talk_over_samples += min(max(delays[i], 0), length[i])


@kernel()
def _started(p, windows, threshold, min_speech):  # type: ignore[no-untyped-def]  # pragma: no cover
    """End of the frame at which the first turn of each window starts; -1 for none whose onset counts."""
    started = np.full(len(windows), -1, np.int64)
    for i in range(len(windows)):
        run = 0
        k = windows[i, 1]
        last = windows[i, 3] + min_speech  # a turn that starts after this has an onset that is too late
        while k < last:
            value = np.float64(p[k]) if k < windows[i, 2] else 0.0
            if k >= windows[i, 2] and threshold > 0:
                break
            run = run + 1 if value >= threshold else 0
            if run >= min_speech:
                started[i] = k + 1
                break
            k += 1
    return started


@kernel()
def _stopped(p, k, end, threshold, deactivation, silence):  # type: ignore[no-untyped-def]  # pragma: no cover
    """End of the frame that ends a turn which is open at frame ``k``, with silence after ``end``; -1 for never."""
    silence_start = -1
    while True:
        value = np.float64(p[k]) if k < end else 0.0
        if value >= threshold:
            silence_start = -1
        if value < deactivation:
            if silence_start < 0:
                silence_start = k
            if k + 1 - silence_start >= silence:
                return k + 1
        elif k >= end:
            return -1
        if k >= end and threshold <= 0:
            return -1
        k += 1


@kernel()
def _acted(  # type: ignore[no-untyped-def]  # pragma: no cover
    p,
    windows,
    started,
    frame,
    ahead,
    threshold,
    deactivation,
    min_speech,
    silence,
    min_frames,
    min_words,
    word_ends,
    word_bounds,
):
    """End of the frame at which the guards let a turn of each window act; -1 for none."""
    acted = np.full(len(windows), -1, np.int64)
    for i in range(len(windows)):
        start = started[i]
        end = windows[i, 2]
        while start >= 0:
            onset = start - min_speech
            due = max(start, onset + min_frames)
            if min_words > 0:
                member = windows[i, 0]
                word = word_bounds[member]
                while word < word_bounds[member + 1] and word_ends[word] <= (onset - windows[i, 4]) * frame:
                    word += 1
                last = word + min_words - 1
                if last >= word_bounds[member + 1]:
                    break  # later turns have no more words than this one
                due = max(due, windows[i, 4] + (word_ends[last] - ahead + frame - 1) // frame)
            stopped = _stopped(p, start, end, threshold, deactivation, silence)
            if stopped < 0 or due <= stopped:
                acted[i] = due
                break
            run = 0
            k = stopped
            start = -1
            while k < windows[i, 3] + min_speech and (k < end or threshold <= 0):
                value = np.float64(p[k]) if k < end else 0.0
                run = run + 1 if value >= threshold else 0
                if run >= min_speech:
                    start = k + 1
                    break
                k += 1
    return acted


@kernel()
def _earliest(windows, acted, frame, ahead, onsets):  # type: ignore[no-untyped-def]  # pragma: no cover
    delays = np.full(len(onsets), _MISSED, np.int32)
    for i in range(len(windows)):
        member = windows[i, 0]
        if acted[i] >= 0:
            delays[member] = min(delays[member], (acted[i] - windows[i, 4]) * frame + ahead - onsets[member])
    return delays


def member_delays(
    table: MemberWindows,
    probabilities: npt.NDArray[np.float32],
    rule: FrameParams,
    guards: Sequence[GuardRule],
) -> list[npt.NDArray[np.int32]]:
    """Delay of every member under one setting of the detector and each of several guards.

    Parameters
    ----------
    table
        The members.
    probabilities
        ``(n_frames,) float32``: the tracks of all recordings, one behind the other.
    rule
        The setting in frames.
    guards
        In frames.

    Returns
    -------
    list of ndarray
        ``(n_members,) int32`` samples from each member's onset, for each guard; the greatest there is where it is never
        acted upon.
    """
    started = _started(probabilities, table.windows, float(rule.threshold), rule.min_speech_frames)
    found: list[npt.NDArray[np.int32]] = []
    for guard in guards:
        acted = started
        if guard.sees_ends:
            acted = _acted(
                probabilities,
                table.windows,
                started,
                table.frame_samples,
                table.lookahead_samples,
                float(rule.threshold),
                float(rule.deactivation_threshold),
                rule.min_speech_frames,
                rule.silence_frames,
                guard.min_frames,
                guard.min_words,
                table.word_ends,
                table.word_bounds,
            )
        found.append(_earliest(table.windows, acted, table.frame_samples, table.lookahead_samples, table.onsets))
    return found
