"""Where the frames of a browser's audio clock lie on the session's clock. Pure: times are given.

A page counts frames, of its microphone and of its loudspeaker (an AudioWorklet's ``currentFrame``); the session's
clock counts seconds. A message about frame ``n`` arrives some unknown time after it, never before: the earliest
arrivals tell most. But the two clocks drift apart, and an audio device that gets no processor stands still while time
goes on. So the relation is measured again every two seconds, from messages that arrive steadily.
"""

from __future__ import annotations

import math

from bidilab.core.errors import SessionError
from bidilab.core.units import check_sample_rate

__all__ = ["SLIP_S", "ArrivalClock"]

SLIP_S = 0.02
"""A step of the audio clock of more than this is no drift: the device stood still. Drift is under 1 ms in a window."""

_WINDOW_S = 2.0
_FLOWING_S = 0.5  # a longer pause between arrivals, and what follows has waited: it tells nothing
_CATCHING_UP = 1.1  # audio that comes faster than it is played has waited too: a clock that stood still goes on at 1


class ArrivalClock:
    """The session's time of an audio clock's frames, by the earliest arrivals.

    An arrival that is earlier than all before it counts at once. That the clock lies later than was thought is believed
    only when a whole window of arrivals that flow says so: a burst of late messages, held up by a busy kernel, changes
    nothing, and its audio is still dated when it was captured.

    Parameters
    ----------
    sample_rate
        Frames a second.

    Raises
    ------
    InvalidParameterError
        If ``sample_rate`` is not a positive whole number.

    Examples
    --------
    >>> clock = ArrivalClock(sample_rate=1000)
    >>> _ = clock.observe(1000, arrived_s=11.5)
    >>> _ = clock.observe(2000, arrived_s=12.25)  # on its way for a quarter of a second less
    >>> clock.time_s(2500)
    12.75
    """

    def __init__(self, *, sample_rate: int) -> None:
        self.sample_rate = check_sample_rate(sample_rate)
        self._offset_s: float | None = None
        self._seen_s = 0.0
        self._window_from_s = 0.0
        self._window_from_frame = 0
        self._least_s = math.inf

    @property
    def known(self) -> bool:
        """Whether anything has arrived."""
        return self._offset_s is not None

    def observe(self, frame: int, arrived_s: float) -> float:
        """Learn from a message that was sent when the audio clock stood at ``frame``.

        Parameters
        ----------
        frame
            Of the audio clock, ``>= 0``: the end of the audio in the message.
        arrived_s
            When it came, on the session's clock; not before the message before it.

        Returns
        -------
        float
            Seconds by which the audio clock is found to have stood still; 0 as a rule.
        """
        offset_s = arrived_s - frame / self.sample_rate
        if self._offset_s is None or offset_s < self._offset_s:
            self._offset_s = offset_s
        if arrived_s - self._seen_s > _FLOWING_S:
            self._begin_window(frame, arrived_s)
        self._seen_s = arrived_s
        self._least_s = min(self._least_s, offset_s)
        if arrived_s - self._window_from_s < _WINDOW_S:
            return 0.0
        told_s = (frame - self._window_from_frame) / self.sample_rate
        step_s = self._least_s - self._offset_s
        if told_s > _CATCHING_UP * (arrived_s - self._window_from_s):
            step_s = 0.0
        self._offset_s += step_s
        self._begin_window(frame, arrived_s)
        return step_s if step_s > SLIP_S else 0.0

    def _begin_window(self, frame: int, arrived_s: float) -> None:
        self._window_from_s, self._window_from_frame, self._least_s = arrived_s, frame, math.inf

    def time_s(self, frame: float) -> float:
        """Seconds on the session's clock of a frame.

        Raises
        ------
        SessionError
            If nothing has arrived yet.
        """
        if self._offset_s is None:
            raise SessionError("the browser's audio clock is not known: nothing has arrived from it")
        return self._offset_s + frame / self.sample_rate

    def late_s(self, frame: int, arrived_s: float) -> float:
        """Seconds that a message about ``frame`` came later than the earliest do, ``>= 0``."""
        return max(0.0, arrived_s - self.time_s(frame))
