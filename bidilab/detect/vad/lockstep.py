"""Run many recordings, or many live streams, through one recurrent model in a batch.

Each recording is a row, and all rows go on by one frame at a time. A batch of 64 costs less than half as much per
frame as one recording alone, but recordings differ in length. So the
longest start first, a row that ends is given the next recording at once (from zero state; rows do not touch each
other), and when none is left the last row moves into the gap, so that the running rows stay a contiguous prefix.

A server has live streams instead, each in the middle of its own audio, whose frames happen to be complete at about the
same time: `feed_together` feeds them in one batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from bidilab.core.audio import FloatArray
from bidilab.detect.vad.base import OnDone, OnProgress, VadBackend, VadStream

__all__ = ["MAX_ROWS", "FeedsStreams", "FrameModel", "VadWork", "feed_together", "run_in_lockstep"]

MAX_ROWS = 64
_STAGED_FRAMES = 16  # samples of all rows are copied together this many frames at a time


class FrameModel(Protocol):
    """A recurrent model of one frame a row; each input row begins with the end of the frame before."""

    frame_samples: int
    context_samples: int

    def initial_state(self, n_rows: int) -> FloatArray:
        """State before the first frame, ``(layers, n_rows, width)``."""

    def step(self, inputs: FloatArray, state: FloatArray) -> tuple[FloatArray, FloatArray]:
        """``(rows, context + frame)`` and the state → probabilities ``(rows,)`` and the next state."""


@dataclass(slots=True)
class _Row:
    index: int
    samples: FloatArray
    track: FloatArray
    done: int = field(default=0)

    @property
    def remaining(self) -> int:
        return len(self.track) - self.done


def run_in_lockstep(
    model: FrameModel,
    recordings: Sequence[FloatArray],
    on_done: OnDone | None,
    on_progress: OnProgress | None,
) -> list[FloatArray]:
    """Probabilities of every recording.

    Parameters
    ----------
    model
        The model to run.
    recordings
        ``(n,) float32`` each.
    on_done, on_progress
        As in `VadBackend.probabilities_batch`.

    Returns
    -------
    list of FloatArray
        ``(n // frame_samples,) float32`` each, in the order given.
    """
    tracks = [np.empty(len(samples) // model.frame_samples, np.float32) for samples in recordings]
    batch = _Batch(model, recordings, tracks)
    for index in batch.too_short:
        _report(index, tracks[index], len(recordings[index]), on_done, on_progress)
    while batch.rows:
        n_steps = batch.advance()
        if on_progress is not None:
            on_progress(n_steps * len(batch.rows) * model.frame_samples)
        for row in batch.retire():
            _report(row.index, row.track, len(row.samples) % model.frame_samples, on_done, on_progress)
    return tracks


def _report(
    index: int, track: FloatArray, n_samples: int, on_done: OnDone | None, on_progress: OnProgress | None
) -> None:
    if on_done is not None:
        on_done(index, track)
    if on_progress is not None and n_samples:
        on_progress(n_samples)


class _Batch:
    """The running rows, their state, and the queue of recordings that wait."""

    def __init__(self, model: FrameModel, recordings: Sequence[FloatArray], tracks: Sequence[FloatArray]) -> None:
        self._model = model
        order = sorted(range(len(recordings)), key=lambda index: -len(tracks[index]))
        self.too_short = [index for index in order if not len(tracks[index])]
        self._queue = iter([_Row(i, recordings[i], tracks[i]) for i in order if len(tracks[i])])
        self.rows = [row for _, row in zip(range(MAX_ROWS), self._queue, strict=False)]
        width = model.context_samples + model.frame_samples
        self._staged = np.zeros(
            (len(self.rows), model.context_samples + _STAGED_FRAMES * model.frame_samples), np.float32
        )
        self._inputs = np.empty((len(self.rows), width), np.float32)
        self._state = model.initial_state(len(self.rows))

    def advance(self) -> int:
        """Run all rows for as many frames as every one of them has, and return that number."""
        n_steps = min(_STAGED_FRAMES, min(row.remaining for row in self.rows))
        self._stage(n_steps)
        n_rows, frame = len(self.rows), self._model.frame_samples
        inputs = self._inputs[:n_rows]
        probabilities = np.empty((n_rows, n_steps), np.float32)
        for step in range(n_steps):
            start = step * frame
            np.copyto(inputs, self._staged[:n_rows, start : start + inputs.shape[1]])
            probabilities[:, step], self._state = self._model.step(inputs, self._state)
        for row, values in zip(self.rows, probabilities, strict=True):
            row.track[row.done : row.done + n_steps] = values
            row.done += n_steps
        return n_steps

    def _stage(self, n_steps: int) -> None:
        context, frame = self._model.context_samples, self._model.frame_samples
        for staged, row in zip(self._staged, self.rows, strict=False):
            start, end = row.done * frame, (row.done + n_steps) * frame
            if start == 0:  # silence comes before the first sample
                staged[:context] = 0
                staged[context : context + end] = row.samples[:end]
            else:
                staged[: context + end - start] = row.samples[start - context : end]

    def retire(self) -> Iterator[_Row]:
        """Yield the rows that have ended, and fill their places."""
        ended = [position for position, row in enumerate(self.rows) if not row.remaining]
        retired = [self.rows[position] for position in ended]
        for position in reversed(ended):
            following = next(self._queue, None)
            if following is not None:
                self.rows[position] = following
                self._state[:, position] = 0
                continue
            last = len(self.rows) - 1
            self.rows[position] = self.rows[last]
            self._state[:, position] = self._state[:, last]
            del self.rows[last]
            self._state = self._state[:, :last]
        self._state = np.ascontiguousarray(self._state)
        yield from retired


@dataclass(frozen=True, slots=True)
class VadWork:
    """Samples that a stream is to be fed with; whoever runs the stream decides when, and with which others.

    Parameters
    ----------
    stream
        In the middle of its audio.
    samples
        ``(n,) float32``, what comes next.
    """

    stream: VadStream
    samples: FloatArray

    def run(self) -> FloatArray:
        """Feed it now: ``(k,) float32``, as `VadStream.feed`."""
        return self.stream.feed(self.samples)


@runtime_checkable
class FeedsStreams(Protocol):
    """A backend that gains from feeding several of its streams at once; it may have it beside `VadBackend`."""

    def feed_streams(self, works: Sequence[VadWork]) -> list[FloatArray]:
        """What each work's own `VadWork.run` would give, with the same bits."""


def feed_together(vad: VadBackend, works: Sequence[VadWork]) -> list[FloatArray]:
    """Feed streams of one backend.

    Parameters
    ----------
    vad
        The backend that the streams belong to.
    works
        At most one a stream.

    Returns
    -------
    list of FloatArray
        ``(k,) float32`` each, in the order given: the bits that each stream alone would give.

    Raises
    ------
    AudioError
        If the samples of one are not mono floating point, or not finite; nothing is then fed.
    """
    if len(works) > 1 and isinstance(vad, FeedsStreams):
        return vad.feed_streams(works)
    return [work.run() for work in works]
