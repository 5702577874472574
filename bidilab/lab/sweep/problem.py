"""All labels and probability tracks of a dataset as flat arrays: what the compiled evaluation works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.datasets.labels import USER_KINDS
from bidilab.lab.metrics.opportunities import RecordingLabels

__all__ = ["KIND_CODES", "SweepProblem"]

KIND_CODES = {kind: code for code, kind in enumerate(USER_KINDS)}
"""Code of each user kind: those that ought to interrupt come first."""


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
    responses
        ``(n_responses, 2) int64``: start and end; ``response_bounds`` is ``(n_recordings + 1,) int64`` into it.
    segments
        ``(n_segments, 4) int64``: start, end, kind code, index of the true segment (-1 for others); ``segment_bounds``
        as above.
    response_segments
        ``(n_responses, 2) int64``: the segments that start in each response are ``[first, last)``.
    true_recording
        ``(n_true_segments,) int32``: the recording of each segment that ought to interrupt, wherever it lies.
    tolerance
        Samples before a segment's onset at which an interruption that belongs to it may begin.
    min_overlap
        Samples that must be left of a response for a segment to be an opportunity.
    word_ends
        ``(n_words,) int64``: where the user's words end, rising in each recording; ``word_bounds`` as above. Empty
        where no guard asks for words.
    """

    probabilities: npt.NDArray[np.float32]
    frame_bounds: npt.NDArray[np.int64]
    frame_samples: int
    sample_rate: int
    responses: npt.NDArray[np.int64]
    response_bounds: npt.NDArray[np.int64]
    segments: npt.NDArray[np.int64]
    segment_bounds: npt.NDArray[np.int64]
    response_segments: npt.NDArray[np.int64]
    true_recording: npt.NDArray[np.int32]
    tolerance: int
    min_overlap: int
    word_ends: npt.NDArray[np.int64]
    word_bounds: npt.NDArray[np.int64]

    @property
    def n_recordings(self) -> int:
        """Number of recordings."""
        return len(self.frame_bounds) - 1

    @classmethod
    def build(
        cls,
        labels: Sequence[RecordingLabels],
        tracks: Sequence[npt.NDArray[np.float32]],
        *,
        frame_samples: int,
        sample_rate: int,
        word_ends: Sequence[npt.NDArray[np.int64]] | None = None,
    ) -> SweepProblem:
        """Lay labels, tracks and ends of words, in the same order, out flat.

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
        responses = [list(r) for label in labels for r in label.responses]
        rows: list[tuple[int, ...]] = []
        spans: list[tuple[int, int]] = []
        owners: list[int] = []
        for recording, label in enumerate(labels):
            first = len(rows)
            for segment in label.segments:
                index = len(owners) if segment.is_true else -1
                rows.append((*segment.interval, KIND_CODES[segment.kind], index))
                if segment.is_true:
                    owners.append(recording)
            starts = np.array([segment.interval.start for segment in label.segments], dtype=np.int64)
            for response in label.responses:
                low, high = np.searchsorted(starts, [response.start, response.end])
                spans.append((first + int(low), first + int(high)))
        return cls(
            probabilities=np.ascontiguousarray(np.concatenate(tracks), dtype=np.float32),
            frame_bounds=_bounds([len(track) for track in tracks]),
            frame_samples=frame_samples,
            sample_rate=sample_rate,
            responses=np.array(responses, dtype=np.int64).reshape(-1, 2),
            response_bounds=_bounds([len(label.responses) for label in labels]),
            segments=np.array(rows, dtype=np.int64).reshape(-1, 4),
            segment_bounds=_bounds([len(label.segments) for label in labels]),
            response_segments=np.array(spans, dtype=np.int64).reshape(-1, 2),
            true_recording=np.array(owners, dtype=np.int32),
            tolerance=labels[0].tolerance_samples,
            min_overlap=labels[0].min_overlap_samples,
            word_ends=np.concatenate(words).astype(np.int64),
            word_bounds=_bounds([len(ends) for ends in words]),
        )


def _bounds(lengths: Sequence[int]) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
