"""Feed many live streams of one backend at the same time.

A recurrent network costs much less a frame in a batch than alone. Recordings are batched by `lockstep`; a server has
streams instead, each in the middle of its own, whose frames happen to be complete at about the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from bidilab.core.audio import FloatArray
from bidilab.detect.vad.base import VadBackend, VadStream

__all__ = ["FeedsStreams", "VadWork", "feed_together"]


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
        Whose streams they are.
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
