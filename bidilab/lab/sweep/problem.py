"""All labels and probability tracks of a dataset as flat arrays: what the compiled evaluation works on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.datasets.labels import FALSE_KINDS, USER_KINDS
from bidilab.lab.metrics.members import MemberSet
from bidilab.lab.sweep.evaluated import empty_counts
from bidilab.lab.sweep.kernels.members import JudgedEvents, MemberWindows

__all__ = ["KIND_CODES", "HasLabels", "SweepProblem", "SweptLabels"]

KIND_CODES = {kind: code for code, kind in enumerate(USER_KINDS)}
"""Code of each user kind: those that ought to interrupt come first."""
UNPROMPTED = len(USER_KINDS)
"""Code of a stretch of agent speech with nothing labelled near."""


class HasLabels(Protocol):
    """What the numbers of a setting are made with beside its verdicts: see `SweptLabels`."""

    @property
    def label_counts(self) -> npt.NDArray[np.int32]:
        """What the labels alone count."""
        ...

    @property
    def clusters(self) -> npt.NDArray[np.int64]:
        """Recordings that go together."""
        ...

    @property
    def true_recording(self) -> npt.NDArray[np.int32]:
        """Recording of each true member."""
        ...

    @property
    def turn_recording(self) -> npt.NDArray[np.int32]:
        """Recording of each turn."""
        ...

    @property
    def turn_starts(self) -> npt.NDArray[np.int64]:
        """Start of each turn."""
        ...

    @property
    def sample_rate(self) -> int:
        """Hertz of the VAD."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SweptLabels:
    """A dataset's labels where its tracks are elsewhere; as in `SweepProblem`, and:

    Parameters
    ----------
    true_recording
        ``(n_true,) int32``: the recording of each true member.
    turn_starts
        ``(n_turns,) int64``: where each turn starts, in samples.
    """

    label_counts: npt.NDArray[np.int32]
    clusters: npt.NDArray[np.int64]
    true_recording: npt.NDArray[np.int32]
    turn_recording: npt.NDArray[np.int32]
    turn_starts: npt.NDArray[np.int64]
    sample_rate: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SweepProblem:
    """What a grid is evaluated on. Positions are samples from the start of each recording, at the VAD's rate.

    Parameters
    ----------
    probabilities
        ``(n_frames,) float32``, the tracks of all recordings one behind the other.
    frame_bounds
        ``(n_recordings + 1,) int64`` into it.
    frame_samples, sample_rate
        Samples per frame, and hertz.
    lookahead_samples
        What the VAD hears beyond a frame's end: decisions are later by it.
    responses
        ``(n_responses, 2) int64``: start and end; ``response_bounds`` is ``(n_recordings + 1,) int64`` into it.
    segments
        ``(n_segments, 6) int64``: start, end, kind code, index of the turn (-1 for what is none), the latest end of
        the recording's segments up to this one, and 1 for an unsure one; ``segment_bounds`` as above.
    turn_recording
        ``(n_turns,) int32``: the recording of each ``turn`` and ``interruption``.
    pauses
        ``(n_pauses, 3) int64``: start, end, and where the phrase before begins, rising and disjoint in each
        recording; ``pause_bounds`` as above.
    judged
        Members and unprompted stretches, recording by recording.
    tolerance
        The tolerance in samples.
    label_counts
        ``(n_recordings, n_columns) int32``: what the labels alone count, ``COUNTS_OF["labels"]``.
    word_ends
        ``(n_words,) int64``: where the user's words end, rising in each recording; ``word_bounds`` as above. Empty
        where no guard asks for words.
    labelled
        ``(n_recordings,)``: whether anything of it is labelled; without, no stop is true or false.
    clusters
        ``(n_recordings,) int64``: which recordings go together where intervals are made, numbered from 0.
    """

    probabilities: npt.NDArray[np.float32]
    frame_bounds: npt.NDArray[np.int64]
    frame_samples: int
    sample_rate: int
    lookahead_samples: int = 0
    responses: npt.NDArray[np.int64]
    response_bounds: npt.NDArray[np.int64]
    segments: npt.NDArray[np.int64]
    segment_bounds: npt.NDArray[np.int64]
    turn_recording: npt.NDArray[np.int32]
    pauses: npt.NDArray[np.int64]
    pause_bounds: npt.NDArray[np.int64]
    judged: JudgedEvents
    tolerance: int
    label_counts: npt.NDArray[np.int32]
    word_ends: npt.NDArray[np.int64]
    word_bounds: npt.NDArray[np.int64]
    labelled: npt.NDArray[np.bool_]
    clusters: npt.NDArray[np.int64]

    @property
    def guard_grain(self) -> dict[str, int]:
        """What `Guards.in_frames` is told."""
        return {
            "frame_samples": self.frame_samples,
            "sample_rate": self.sample_rate,
            "lookahead_samples": self.lookahead_samples,
        }

    @property
    def n_recordings(self) -> int:
        """Number of recordings."""
        return len(self.frame_bounds) - 1

    @property
    def turn_starts(self) -> npt.NDArray[np.int64]:
        """Start of each turn, ``(n_turns,)``."""
        starts: npt.NDArray[np.int64] = self.segments[self.segments[:, 3] >= 0, 0]
        return starts

    @property
    def true_recording(self) -> npt.NDArray[np.int32]:
        """Recording of each true member, ``(n_true,)``."""
        recordings: npt.NDArray[np.int32] = self.judged.recording[self.judged.is_true]
        return recordings

    @classmethod
    def build(
        cls,
        labels: Sequence[MemberSet],
        tracks: Sequence[npt.NDArray[np.float32]],
        *,
        frame_samples: int,
        sample_rate: int,
        lookahead_samples: int = 0,
        word_ends: Sequence[npt.NDArray[np.int64]] | None = None,
        clusters: npt.ArrayLike | None = None,
    ) -> SweepProblem:
        """Lay labels, tracks and ends of words, in the same order, out flat.

        Parameters
        ----------
        labels, tracks
            Of every recording.
        frame_samples, sample_rate, lookahead_samples
            As above.
        word_ends
            Of every recording, for guards that count words.
        clusters
            As above; each recording for itself when not given.

        Raises
        ------
        InvalidParameterError
            If they are not of one number, or the labels of another rate.
        """
        if len(labels) != len(tracks) or not labels:
            raise InvalidParameterError("tracks", f"one for each of the {len(labels)} recordings (> 0)", len(tracks))
        for label in labels:
            if label.sample_rate != sample_rate:
                raise InvalidParameterError("labels", f"labels at {sample_rate} Hz", label.sample_rate)
        words = [np.zeros(0, np.int64)] * len(labels) if word_ends is None else word_ends
        if len(words) != len(labels):
            raise InvalidParameterError("word_ends", f"one array for each of the {len(labels)} recordings", len(words))
        of = np.arange(len(labels)) if clusters is None else np.asarray(clusters)
        if of.shape != (len(labels),):
            raise InvalidParameterError("clusters", f"one for each of the {len(labels)} recordings", of.shape)
        responses = [list(r) for label in labels for r in label.responses]
        rows: list[tuple[int, ...]] = []
        owners: list[int] = []
        for recording, label in enumerate(labels):
            reaches = itertools.accumulate((s.interval.end for s in label.segments), max)
            for segment, reach in zip(label.segments, reaches, strict=True):
                turn = len(owners) if segment.is_turn else -1
                rows.append((*segment.interval, KIND_CODES[segment.kind], turn, reach, segment.is_unsure))
                if segment.is_turn:
                    owners.append(recording)
        frame_bounds = _bounds([len(track) for track in tracks])
        return cls(
            probabilities=np.ascontiguousarray(np.concatenate(tracks), dtype=np.float32),
            frame_bounds=frame_bounds,
            frame_samples=frame_samples,
            sample_rate=sample_rate,
            lookahead_samples=lookahead_samples,
            responses=np.array(responses, dtype=np.int64).reshape(-1, 2),
            response_bounds=_bounds([len(label.responses) for label in labels]),
            segments=np.array(rows, dtype=np.int64).reshape(-1, 6),
            segment_bounds=_bounds([len(label.segments) for label in labels]),
            turn_recording=np.array(owners, dtype=np.int32),
            pauses=np.array(
                [(*pause.interval, pause.since) for label in labels for pause in label.pauses], dtype=np.int64
            ).reshape(-1, 3),
            pause_bounds=_bounds([len(label.pauses) for label in labels]),
            judged=_judged(labels, frame_bounds, frame_samples, lookahead_samples),
            tolerance=labels[0].tolerance_samples,
            label_counts=_counted(labels),
            word_ends=np.concatenate(words).astype(np.int64),
            word_bounds=_bounds([len(ends) for ends in words]),
            labelled=np.array([label.is_labelled for label in labels], dtype=np.bool_),
            clusters=np.unique(of, return_inverse=True)[1].reshape(-1).astype(np.int64),
        )


def _judged(
    labels: Sequence[MemberSet], frame_bounds: npt.NDArray[np.int64], frame_samples: int, lookahead_samples: int
) -> JudgedEvents:
    """Members and unprompted stretches, recording by recording, with what the counts ask of them."""
    facts = [
        (recording, kind, length)
        for recording, label in enumerate(labels)
        for kind, length in (
            *((KIND_CODES[m.kind], m.interval.duration) for m in label.members),
            *((UNPROMPTED, s.interval.duration) for s in label.unprompted),
        )
    ]
    recording, kind, length = np.array(facts, dtype=np.int64).reshape(-1, 3).T
    listed = [label.judged for label in labels]
    return JudgedEvents(
        windows=MemberWindows.build(
            listed, frame_bounds, frame_samples=frame_samples, lookahead_samples=lookahead_samples
        ),
        recording=recording.astype(np.int32),
        kind=kind.astype(np.int32),
        length=length,
    )


def _counted(labels: Sequence[MemberSet]) -> npt.NDArray[np.int32]:
    """What the labels alone count."""
    counts, records = empty_counts("labels", len(labels))
    for record, label in zip(records, labels, strict=True):
        members = label.members
        record["n_true_opportunities"] = sum(m.is_true for m in members)
        record["n_false_opportunities_by_kind"] = [sum(m.kind == kind for m in members) for kind in FALSE_KINDS]
        record["n_outlasting"] = sum(m.outlasting for m in members)
        for place in ("crowded", "unsure", "terminal", "cut_in"):
            record[f"n_{place}"] = label.count(place)
        record["n_turns"] = len(label.turns)
        record["n_pauses"] = len(label.pauses)
        record["n_pauses_by_words"] = sum(pause.origin == "words" for pause in label.pauses)
        record["unprompted_samples"] = sum(s.interval.duration for s in label.unprompted)
    return counts


def _bounds(lengths: Sequence[int]) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
