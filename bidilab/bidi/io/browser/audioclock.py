"""Where the frames of a browser's audio clock lie on the session's clock. Pure: times are given.

An AudioWorklet counts frames (``currentFrame``); the session's clock counts seconds. A message about frame ``n``
arrives some unknown time after it, never before: the earliest arrivals tell most. The two clocks are driven by
different crystals, so what was learnt is not trusted for ever: it is let go at the rate at which they can drift apart.
"""

from __future__ import annotations

from bidilab.core.errors import SessionError
from bidilab.core.units import check_sample_rate

__all__ = ["MAX_DRIFT", "ArrivalClock"]

MAX_DRIFT = 200e-6
"""Seconds a second; sound cards are within 100 parts in a million of true, and so are the machine's clocks."""


class ArrivalClock:
    """The session's time of an audio clock's frames, by the earliest arrivals.

    After a burst of late messages the estimate is as it was before, since it rises by no more than the drift: audio
    that waited for a busy kernel is still dated when it was captured.

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
    >>> clock.observe(1000, arrived_s=11.5)
    >>> clock.observe(2000, arrived_s=12.25)  # on its way for a quarter of a second less
    >>> clock.time_s(2500)
    12.75
    """

    def __init__(self, *, sample_rate: int) -> None:
        self.sample_rate = check_sample_rate(sample_rate)
        self._offset_s: float | None = None
        self._seen_s = 0.0

    @property
    def known(self) -> bool:
        """Whether anything has arrived."""
        return self._offset_s is not None

    def observe(self, frame: int, arrived_s: float) -> None:
        """Learn from a message that was sent when the audio clock stood at ``frame``.

        Parameters
        ----------
        frame
            Of the audio clock, ``>= 0``: the end of the audio in the message.
        arrived_s
            When it came, on the session's clock; not before the message before it.
        """
        offset_s = arrived_s - frame / self.sample_rate
        if self._offset_s is not None:
            offset_s = min(offset_s, self._offset_s + MAX_DRIFT * (arrived_s - self._seen_s))
        self._offset_s, self._seen_s = offset_s, arrived_s

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
