"""EVA's turn-taking score: one number per turn of the user, from how the agent's speech lies beside it.

Task: score the timing of the agent's answers, of its interruptions, and of its yielding to the user.
Unit: a score in [0, 1] per turn; a conversation's is their mean.
Source: ServiceNow/eva, ``src/eva/metrics/experience/turn_taking.py`` at 997ae97 (2026); the bounds are those of that
version. Times there are a platform's own; here they may come from judged audio.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bidilab.core.errors import InvalidParameterError

__all__ = ["EvaTurn", "eva_latency_score", "eva_overlap_score", "eva_turn_taking", "eva_yield_score"]

TOO_EARLY_MS, EARLIEST_MS = -500.0, 500.0
LATEST_MS, TOO_LATE_MS = 2000.0, 3500.0
LATEST_WITH_TOOL_MS, TOO_LATE_WITH_TOOL_MS = 3000.0, 5000.0
LONGEST_OVERLAP_MS = LONGEST_YIELD_MS = 2000.0
BEST_OF_AN_INTERRUPTION = 0.5


def eva_latency_score(latency_ms: float, *, tool_call: bool = False) -> float:
    """Score how long the agent took to answer: 1 from 500 to 2000 ms, falling in a line to 0 at -500 and 3500 ms.

    Parameters
    ----------
    latency_ms
        From the user's end to the agent's start; negative where the agent was earlier.
    tool_call
        Whether the agent called a tool in the turn: then 1 up to 3000 ms, and 0 from 5000 ms on.

    Examples
    --------
    >>> [eva_latency_score(ms) for ms in (-500, 0, 500, 2000, 2750, 3500)]
    [0.0, 0.5, 1.0, 1.0, 0.5, 0.0]
    >>> eva_latency_score(4000, tool_call=True)
    0.5
    """
    latest, too_late = (LATEST_WITH_TOOL_MS, TOO_LATE_WITH_TOOL_MS) if tool_call else (LATEST_MS, TOO_LATE_MS)
    rising = (latency_ms - TOO_EARLY_MS) / (EARLIEST_MS - TOO_EARLY_MS)
    falling = (too_late - latency_ms) / (too_late - latest)
    return min(1.0, max(0.0, min(rising, falling)))


def eva_overlap_score(overlap_ms: float) -> float:
    """Score an agent that spoke into the user's turn, by the time that both spoke: at most 0.5, and 0 from 2000 ms on.

    Examples
    --------
    >>> eva_overlap_score(0), eva_overlap_score(1000), eva_overlap_score(3000)
    (0.5, 0.25, 0.0)
    """
    return BEST_OF_AN_INTERRUPTION * max(0.0, 1 - overlap_ms / LONGEST_OVERLAP_MS)


def eva_yield_score(yield_ms: float) -> float:
    """Score an agent that was interrupted, by how long it went on: 1 at 0 ms, 0 from 2000 ms on.

    Examples
    --------
    >>> eva_yield_score(500)
    0.75
    """
    return max(0.0, 1 - max(0.0, yield_ms) / LONGEST_YIELD_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaTurn:
    """What is measured of one turn of the user; what did not happen is ``None``.

    Parameters
    ----------
    latency_ms
        From the user's end to the agent's answer: of a turn without interruptions, and of one into which the agent
        spoke, where silence came between.
    overlap_ms
        Time that both spoke, where the agent began to speak in the user's turn.
    yield_ms
        How long the agent went on, where the user began the turn over it.
    tool_call
        Whether the agent called a tool in the turn.

    Raises
    ------
    InvalidParameterError
        If nothing was measured.
    """

    latency_ms: float | None = None
    overlap_ms: float | None = None
    yield_ms: float | None = None
    tool_call: bool = False

    def __post_init__(self) -> None:
        if self.latency_ms is None and self.overlap_ms is None and self.yield_ms is None:
            raise InvalidParameterError("EvaTurn", "a latency, an overlap or a yield", None)

    @property
    def score(self) -> float:
        """The turn's score: of interruptions, the worst that happened; else that of the latency.

        Examples
        --------
        >>> EvaTurn(overlap_ms=200, latency_ms=3400).score == eva_latency_score(3400)
        True
        >>> EvaTurn(yield_ms=300, latency_ms=9000).score
        0.85
        """
        scores = []
        if self.overlap_ms is not None:
            scores.append(eva_overlap_score(self.overlap_ms))
            if self.latency_ms is not None:
                scores.append(eva_latency_score(self.latency_ms, tool_call=self.tool_call))
        if self.yield_ms is not None:
            scores.append(eva_yield_score(self.yield_ms))
        if not scores:
            assert self.latency_ms is not None  # checked when built
            scores.append(eva_latency_score(self.latency_ms, tool_call=self.tool_call))
        return min(scores)


def eva_turn_taking(turns: Iterable[EvaTurn]) -> float:
    """Mean score of the turns; NaN without any.

    Examples
    --------
    >>> eva_turn_taking([EvaTurn(latency_ms=800), EvaTurn(yield_ms=1000)])
    0.75
    """
    scores = [turn.score for turn in turns]
    return sum(scores) / len(scores) if scores else float("nan")
