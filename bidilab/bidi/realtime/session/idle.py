"""When the user has been silent for too long after the agent has spoken (``idle_timeout_ms``).

OpenAI counts from "the ``response.done`` time plus audio playback duration". Over a bare WebSocket the server does not
know when playback began. Here a client plays at once and in order (`bidilab.bidi.realtime.playout`): a response that is
queued behind another begins when that has been played. So play-out ends at ``max(end of the queue, response.done)``.
The queue is cut when speech interrupts, when the client cancels, and when it truncates what is still to be heard.
"""

from __future__ import annotations

import math

__all__ = ["IdleTimer"]


class IdleTimer:
    """One timer, armed by the end of a response and disarmed by speech or another response."""

    def __init__(self) -> None:
        self._playout_end_s = math.inf
        self._playout_end_ticks: int | None = None

    def arm(self, playout_end_s: float) -> None:
        """Wait from the end of play-out on."""
        self._playout_end_s, self._playout_end_ticks = playout_end_s, None

    def playout_cut(self, now_s: float) -> None:
        """The client stopped playing: what is waited for has ended now, if it had not ended before."""
        if now_s < self._playout_end_s < math.inf:
            self._playout_end_s = now_s

    def disarm(self) -> None:
        """Do not wait."""
        self._playout_end_s, self._playout_end_ticks = math.inf, None

    def next_due_s(self, timeout_ms: int | None) -> float:
        """When to call `advance`; ``timeout_ms`` is the session's setting, ``None`` for never."""
        if timeout_ms is None:
            return math.inf
        if self._playout_end_ticks is None:
            return self._playout_end_s
        return self._playout_end_s + timeout_ms / 1000

    def advance(self, now_s: float, end_ticks: int, timeout_ms: int | None) -> int | None:
        """Note the position at which play-out ended; at the timeout return it, and wait no more.

        Parameters
        ----------
        now_s
            Session clock.
        end_ticks
            Audio written so far.
        timeout_ms
            The session's setting.
        """
        if timeout_ms is None or now_s < self._playout_end_s:
            return None
        if self._playout_end_ticks is None:
            self._playout_end_ticks = end_ticks
        if now_s < self._playout_end_s + timeout_ms / 1000:
            return None
        start_ticks = self._playout_end_ticks
        self.disarm()
        return start_ticks
