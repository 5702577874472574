"""When a client plays what it was sent, at the earliest. Pure.

The server does not hear the client's loudspeaker. It knows that a client plays no sample before it was sent, plays in
real time, and plays in order: an item begins to sound when what was queued before it has been played. So the earliest
play-out is a queue, first in, first out. No client can have heard more by then.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["PlayoutQueue"]


@dataclass(slots=True)
class _Stretch:
    """Audio of one item that is played without a gap."""

    item_id: str
    start_s: float
    length_s: float
    cut: bool = False

    @property
    def end_s(self) -> float:
        return self.start_s + self.length_s

    def heard_s(self, at_s: float) -> float:
        return min(max(0.0, at_s - self.start_s), self.length_s)


class PlayoutQueue:
    """The earliest play-out of the agent's audio.

    Examples
    --------
    >>> queue = PlayoutQueue()
    >>> queue.audio("a", at_s=0.0, length_s=2.0)
    >>> queue.audio("b", at_s=0.1, length_s=3.0)
    >>> queue.heard_s("b", at_s=2.5), queue.end_s
    (0.5, 5.0)
    """

    def __init__(self) -> None:
        self._stretches: list[_Stretch] = []
        self.end_s = -math.inf
        """Time at which all queued audio has been played."""

    def audio(self, item_id: str, *, at_s: float, length_s: float) -> None:
        """Queue audio of an item that was sent at ``at_s``."""
        start_s = max(at_s, self.end_s)
        last = self._stretches[-1] if self._stretches else None
        if last is not None and last.item_id == item_id and not last.cut and start_s == self.end_s:
            last.length_s += length_s
            self.end_s = last.end_s
        else:
            self._stretches.append(_Stretch(item_id, start_s, length_s))
            self.end_s = start_s + length_s

    def cut(self, at_s: float) -> None:
        """Stop playing: what was not heard by ``at_s`` is not waited for any more.

        `heard_s` goes on counting it. A client that does not stop plays it all the same.
        """
        for stretch in self._stretches:
            stretch.cut = stretch.cut or stretch.end_s > at_s
        self.end_s = min(self.end_s, at_s)

    def heard_s(self, item_id: str, at_s: float) -> float:
        """Seconds of an item that can have been heard by ``at_s``, at most."""
        return sum(stretch.heard_s(at_s) for stretch in self._stretches if stretch.item_id == item_id)

    def waiting(self, at_s: float) -> list[str]:
        """Items with audio that is still to be heard at ``at_s``, the one that sounds first."""
        return list(dict.fromkeys(s.item_id for s in self._stretches if not s.cut and s.end_s > at_s))

    def forget(self, before_s: float) -> None:
        """Drop what was played or cut before a time, so that a long session does not grow."""
        self._stretches = [s for s in self._stretches if not s.cut and s.end_s > before_s]
