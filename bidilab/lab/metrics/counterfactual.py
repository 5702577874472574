"""What another setting would have changed, about stops that were recorded.

Task
    Replay a detector with another setting on the user's channel as it was recorded, each response as it was heard, and
    say of each stop, and of each event that did not stop the agent, what would have become of it.
Unit
    Integer samples of one recording.
Index
    `SeenOverlap`, `ActedTurn`, `Change`, `changes_of`

A response is as it was heard only up to the first moment at which the agent would have acted otherwise: what comes
later in it is ``diverged``, for nobody knows what would have been said. A decision belongs to an event when it falls
between 200 ms before its onset and 200 ms after its end: an agent that stops 50 ms after a short word stops for it. One
that falls later does too when its turn started before the event's end: a guard may let a short word act long after it.

::

    agent   ───a0██████████████████████a1────
    user    ─────────▓▓▓ cough ▓▓▓───────────
                  |-- a decision in here stops the agent for the cough --|
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

__all__ = ["CHANGES", "TOLERANCE_MS", "ActedTurn", "Change", "ChangeKind", "SeenOverlap", "changes_of"]

TOLERANCE_MS = 200.0

ChangeKind = Literal["kept", "avoided", "lost", "added", "gained", "unchanged", "diverged"]
"""Of a stop: ``kept``; ``avoided``, where it was false; ``lost``, where it was true. Of an event that did not stop the
agent: ``unchanged``; ``added``, where it must not; ``gained``, where it ought to."""
CHANGES: tuple[ChangeKind, ...] = get_args(ChangeKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenOverlap:
    """Something of the user's that began while a response was audible, and what the agent did.

    Parameters
    ----------
    onset, end
        Of the sound.
    must_stop
        Whether the agent ought to stop for it.
    response_start, response_end
        The response as it was heard.
    stopped
        Whether the agent stopped for it.
    """

    onset: int
    end: int
    must_stop: bool
    response_start: int
    response_end: int
    stopped: bool


class ActedTurn(NamedTuple):
    """A turn that a detector acted upon."""

    started_at: int
    acted_at: int

    def belongs_to(self, onset: int, end: int, *, tolerance: int) -> bool:
        """Whether its decision is one for an event; see the head of this module."""
        return self.acted_at >= onset - tolerance and (self.acted_at <= end + tolerance or self.started_at <= end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What would have become of an overlap.

    Parameters
    ----------
    kind
        One of `CHANGES`.
    decided_at
        Where the other setting would have acted upon it; ``None`` where it would not.
    """

    kind: ChangeKind
    decided_at: int | None


def changes_of(overlaps: Sequence[SeenOverlap], turns: Sequence[ActedTurn], *, tolerance: int) -> list[Change]:
    """What another setting would have changed in one recording.

    Parameters
    ----------
    overlaps
        Of one recording, in any order.
    turns
        The turns that the other setting acts upon, in any order.
    tolerance
        `TOLERANCE_MS` in samples.

    Examples
    --------
    A cough at 1000 stops a response that began at 0; the other setting decides nothing there:

    >>> seen = SeenOverlap(
    ...     onset=1000, end=1200, must_stop=False, response_start=0, response_end=1400, stopped=True
    ... )
    >>> changes_of([seen], [], tolerance=200)
    [Change(kind='avoided', decided_at=None)]
    >>> changes_of([seen], [ActedTurn(started_at=1064, acted_at=1128)], tolerance=200)
    [Change(kind='kept', decided_at=1128)]
    >>> changes_of([seen], [ActedTurn(started_at=500, acted_at=564)], tolerance=200)
    [Change(kind='diverged', decided_at=None)]
    """
    in_order = sorted(turns, key=lambda turn: turn.acted_at)
    acted = [turn.acted_at for turn in in_order]
    return [_change(seen, in_order, acted, tolerance) for seen in overlaps]


def _change(seen: SeenOverlap, turns: Sequence[ActedTurn], acted: Sequence[int], tolerance: int) -> Change:
    """The first decision in the response tells: it lies before the event, in it, or after it."""
    for k in range(bisect_left(acted, seen.response_start), len(turns)):
        turn = turns[k]
        if turn.started_at < seen.response_start:
            continue  # the user was speaking already when the agent began: nothing new to stop for
        if turn.acted_at < seen.onset - tolerance:
            return Change(kind="diverged", decided_at=None)
        if not turn.belongs_to(seen.onset, seen.end, tolerance=tolerance):
            break
        if seen.stopped:
            return Change(kind="kept", decided_at=turn.acted_at)
        return Change(kind="gained" if seen.must_stop else "added", decided_at=turn.acted_at)
    if seen.stopped:
        return Change(kind="lost" if seen.must_stop else "avoided", decided_at=None)
    return Change(kind="unchanged", decided_at=None)
