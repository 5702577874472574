"""When a turn ends by a score: the VAD finds a pause, a scorer says whether the turn is over, a longer silence ends it.

What is asked, and when an answer is acted upon, is the state machine of `bidilab.detect.turns.detector`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from bidilab.core.checks import check_duration_ms, check_probability
from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import frames_for_ms, ms_to_samples

__all__ = ["CONTEXTS", "Context", "EndOfTurn", "EndOfTurnRule"]

Context = Literal["turn", "window"]
CONTEXTS: tuple[Context, ...] = ("turn", "window")


class EndOfTurnRule(NamedTuple):
    """`EndOfTurn` in frames and samples of one stream; what the three forms of the detector compute with.

    ``action_delay_samples`` counts to the end of a frame: for a detector that decides later it is less by that.
    """

    threshold: float
    action_delay_samples: int
    timeout_frames: int
    interval_samples: int
    latency_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOfTurn:
    """How a turn ends by a score. It adds to `TurnParams`, whose ``silence_duration_ms`` says when the scorer is asked.

    Parameters
    ----------
    threshold
        The turn ends on a score ``> threshold``, strictly, as in eot-bench, TurnBench and Pipecat. In [0, 1]; 1: never.
    action_delay_ms
        The least silence that ends a turn on a score. ``>= 0``.
    timeout_ms
        Silence that ends the turn whatever the score, rounded up to whole frames. ``>= action_delay_ms``.
    interval_ms
        How often to ask again while the pause lasts; 0: once. Scores computed elsewhere are looked at on every frame.
    latency_ms
        Time from question to answer, in stream time; ``None``: the scorer's own, and 0 for scores computed elsewhere,
        which say when they were known.
    context
        What the scorer hears. ``turn``: from its preroll before the onset of the turn, at most its window; ``window``:
        always its whole window, what came before the turn too.

    Raises
    ------
    InvalidParameterError
        If a value is out of bounds, or the timeout is shorter than the action delay.

    Examples
    --------
    >>> EndOfTurn(timeout_ms=1000, action_delay_ms=400, latency_ms=0).in_frames(
    ...     frame_samples=512, sample_rate=16_000, scorer_latency_ms=32
    ... )
    EndOfTurnRule(threshold=0.5, action_delay_samples=6400, timeout_frames=32, interval_samples=0, latency_samples=0)
    """

    threshold: float = 0.5
    action_delay_ms: float = 0
    timeout_ms: float = 3000
    interval_ms: float = 0
    latency_ms: float | None = None
    context: Context = "turn"

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", check_probability("eot_threshold", self.threshold))
        for name in ("action_delay_ms", "timeout_ms", "interval_ms"):
            check_duration_ms(f"eot_{name}", getattr(self, name))
        if self.latency_ms is not None:
            check_duration_ms("eot_latency_ms", self.latency_ms)
        if self.timeout_ms < self.action_delay_ms:
            raise InvalidParameterError(
                "eot_timeout_ms", f"not below eot_action_delay_ms ({self.action_delay_ms:g})", self.timeout_ms
            )
        if self.context not in CONTEXTS:
            raise InvalidParameterError("eot_context", f"one of {', '.join(CONTEXTS)}", self.context)

    def in_frames(
        self, *, frame_samples: int, sample_rate: int, lookahead_samples: int = 0, scorer_latency_ms: float = 0
    ) -> EndOfTurnRule:
        """The rule in frames of ``frame_samples`` samples at ``sample_rate`` hertz.

        Parameters
        ----------
        frame_samples, sample_rate, lookahead_samples
            Samples per frame, hertz, and how long after a frame's end it is decided on.
        scorer_latency_ms
            The scorer's own latency, for a policy that does not say.
        """
        latency_ms = scorer_latency_ms if self.latency_ms is None else self.latency_ms
        return EndOfTurnRule(
            threshold=self.threshold,
            action_delay_samples=ms_to_samples(self.action_delay_ms, sample_rate) - lookahead_samples,
            timeout_frames=frames_for_ms(self.timeout_ms, frame_samples=frame_samples, sample_rate=sample_rate),
            interval_samples=ms_to_samples(self.interval_ms, sample_rate),
            latency_samples=ms_to_samples(latency_ms, sample_rate),
        )
