"""How much of a recording is shown at once: the whole of a short one, a window of a long one.

The one place that decides it. Figures, the timelines in the browser and the static forms of widgets ask here, so that
none of them draws, keeps or sends hours of anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from bidilab.core.checks import is_number
from bidilab.core.errors import InvalidParameterError

__all__ = ["MOST_S", "WIDEST_S", "Window", "clock_words", "rows_within"]

WIDEST_S = 120.0
"""Seconds that are shown at once unless more is asked for: a recording up to this is shown whole."""

MOST_S = 600.0
"""Seconds that a timeline in the browser shows at most: it is sent what it shows, and half as much on either side."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of a recording.

    Parameters
    ----------
    start_s, end_s
        The stretch in seconds, the start below the end.
    duration_s
        Length of the recording in seconds.

    Raises
    ------
    InvalidParameterError
        If the stretch does not rise.

    Examples
    --------
    >>> Window.of(None, 7200.0).words
    '0:00 to 2:00 of 2:00:00'
    >>> Window.of((65, 95), 240.0).words
    '1:05 to 1:35 of 4:00'
    """

    start_s: float
    end_s: float
    duration_s: float

    def __post_init__(self) -> None:
        if not self.start_s < self.end_s:
            raise InvalidParameterError("xlim", "a pair of seconds, the first smaller", (self.start_s, self.end_s))

    @classmethod
    def of(cls, asked: tuple[float, float] | None, duration_s: float, *, widest_s: float = WIDEST_S) -> Window:
        """What is asked for; by default the whole of a recording up to ``widest_s``, and the start of a longer one."""
        given = (0.0, min(duration_s, widest_s)) if asked is None else asked
        pair = tuple(given) if isinstance(given, Iterable) else ()
        if len(pair) != 2 or not all(is_number(edge) for edge in pair):
            raise InvalidParameterError("xlim", "a pair of seconds, the first smaller", asked)
        start_s, end_s = pair
        return cls(start_s=start_s, end_s=end_s, duration_s=duration_s)

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the recording is left out."""
        return self.start_s <= 0 and self.end_s >= self.duration_s

    @property
    def words(self) -> str:
        """The stretch and the length, as a player tells time."""
        start, end, length = (clock_words(s) for s in (self.start_s, self.end_s, self.duration_s))
        return f"{start} to {end} of {length}"

    def holds(self, start_s: float, end_s: float) -> bool:
        """Whether any of ``[start_s, end_s]`` is in the window."""
        return end_s >= self.start_s and start_s <= self.end_s

    def select(self, items: Iterable[Item], span_s: Callable[[Item], tuple[float, float]]) -> list[Item]:
        """Those of some items that are in the window, by the seconds from which to which each lasts."""
        return [item for item in items if self.holds(*span_s(item))]

    def steps(self, step_s: float, n: int) -> slice:
        """Which of ``n`` steps of ``step_s`` seconds, from the start of the recording on, are in the window."""
        first = min(n, max(0, int(self.start_s / step_s)))
        return slice(first, max(first, min(n, -int(-self.end_s // step_s))))


def rows_within(rows: Iterable[Mapping[str, Any]], window: Window) -> list[Mapping[str, Any]]:
    """Those of some rows, as a page is sent them, that are in a window: what ends in ``_s`` is a time in seconds."""

    def span_s(row: Mapping[str, Any]) -> tuple[float, float]:
        times = [value for name, value in row.items() if name.endswith("_s") and value is not None]
        return min(times), max(times)

    return window.select(rows, span_s)


def clock_words(at_s: float) -> str:
    """A time as ``m:ss`` or ``h:mm:ss``.

    Examples
    --------
    >>> clock_words(65.4), clock_words(3600)
    ('1:05', '1:00:00')
    """
    minutes, seconds = divmod(round(at_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
