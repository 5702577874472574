"""When speech over the agent interrupts it by a score: a second opinion on the turn while it lasts.

How it acts with the other guards is the rule of `bidilab.detect.turns.guards`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from bidilab.core.checks import check_duration_ms, check_probability
from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import ms_to_samples

__all__ = ["AdaptiveInterruption", "AdaptiveRule"]

NEVER = math.inf


class AdaptiveRule(NamedTuple):
    """`AdaptiveInterruption` in frames of one stream, from the onset of a turn; ``window_frames`` is -1 for never.

    Frames are counted to their ends; where decisions are later by a lookahead, the counts are less by it.
    ``interval_frames`` is 0 for once, ``latency_frames`` from asking to acting.
    """

    threshold: float
    first_frames: int
    interval_frames: int
    window_frames: int
    latency_frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveInterruption:
    """How a scorer decides whether speech over the agent interrupts it. It works in addition to `Guards`.

    Parameters
    ----------
    threshold
        The turn interrupts on a score ``> threshold``, strictly. In [0, 1]; 1: never.
    first_ms
        Asked first at the end of the first frame this long after the onset. ``>= 0``. LiveKit asks every 100 ms from
        the onset on.
    interval_ms
        How often to ask again while the turn lasts; 0: once. Scores computed elsewhere are looked at on every frame.
    window_ms
        A turn that has lasted this long interrupts without a score; infinity: never.
    latency_ms
        Time from question to answer, in stream time; ``None``: the scorer's own, and 0 for scores computed elsewhere.

    Raises
    ------
    InvalidParameterError
        If a value is out of bounds, or the window is shorter than ``first_ms``.

    Examples
    --------
    >>> AdaptiveInterruption(window_ms=800).in_frames(frame_samples=512, sample_rate=16_000)
    AdaptiveRule(threshold=0.5, first_frames=7, interval_frames=3, window_frames=25, latency_frames=0)
    """

    threshold: float = 0.5
    first_ms: float = 200
    interval_ms: float = 96
    window_ms: float = NEVER
    latency_ms: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", check_probability("interrupt_threshold", self.threshold))
        for name in ("first_ms", "interval_ms"):
            check_duration_ms(f"interrupt_{name}", getattr(self, name))
        if self.window_ms != NEVER:
            check_duration_ms("interrupt_window_ms", self.window_ms)
        if self.window_ms < self.first_ms:
            allowed = f"not below interrupt_first_ms ({self.first_ms:g})"
            raise InvalidParameterError("interrupt_window_ms", allowed, self.window_ms)
        if self.latency_ms is not None:
            check_duration_ms("interrupt_latency_ms", self.latency_ms)

    def in_frames(
        self,
        *,
        frame_samples: int,
        sample_rate: int,
        lookahead_samples: int = 0,
        scorer_latency_ms: float = 0,
        asks_every_frame: bool = False,
    ) -> AdaptiveRule:
        """The rule in frames of ``frame_samples`` samples at ``sample_rate`` hertz.

        Parameters
        ----------
        frame_samples, sample_rate, lookahead_samples
            Samples per frame, hertz, and how long after a frame's end it is decided on.
        scorer_latency_ms
            The scorer's own latency, for a policy that does not say.
        asks_every_frame
            Whether every frame asks, whatever the interval: for scores computed elsewhere.
        """

        def frames(ms: float, less: int = 0) -> int:
            return max(0, -(-(ms_to_samples(ms, sample_rate) - less) // frame_samples))

        return AdaptiveRule(
            threshold=self.threshold,
            first_frames=frames(self.first_ms, lookahead_samples),
            interval_frames=1 if asks_every_frame else frames(self.interval_ms),
            window_frames=-1 if self.window_ms == NEVER else frames(self.window_ms, lookahead_samples),
            latency_frames=frames(scorer_latency_ms if self.latency_ms is None else self.latency_ms),
        )
