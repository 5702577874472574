"""What another setting would have changed, as a table with a summary; what is counted is `counterfactual`'s."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from bidilab.core.errors import InvalidParameterError, ResultError

if TYPE_CHECKING:
    from bidilab.core.audio import Audio

__all__ = ["LEAST_REPRODUCED", "WhatIf", "what_if_of"]

LEAST_REPRODUCED = 0.8
"""Share of the recorded stops that the setting in force must reproduce for an answer to be given."""

COLUMNS: Mapping[str, str] = {
    "call": "string",
    "onset_s": "float64",
    "end_s": "float64",
    "kind": "string",
    "stopped": "bool",
    "change": "string",
    "decided_s": "float64",
    "delay_ms": "float64",
}
"""``kind``, what began while the agent spoke; ``stopped``, whether it stopped the agent; ``change``, what the other
setting makes of it (`bidilab.lab.metrics.counterfactual.CHANGES`); ``decided_s``, where that acts; ``delay_ms``, how
much later than the setting in force."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WhatIf:
    """What another setting would have changed.

    Parameters
    ----------
    as_recorded, changed
        The two settings, in words.
    table
        One row per overlap; its columns are in `COLUMNS`.
    n_stops, n_reproduced
        Stops that were recorded, and those of them that the setting in force makes too.
    n_spoken_on, n_left
        Overlaps that did not stop the agent, and those of them in which the setting in force decides nothing either.
    clip
        Gives the audio of a row; ``None`` where there is none.
    """

    as_recorded: str
    changed: str
    table: pd.DataFrame
    n_stops: int
    n_reproduced: int
    n_spoken_on: int
    n_left: int
    clip: Callable[[pd.Series[Any]], Audio] | None = field(default=None, repr=False)

    def of(self, *changes: str) -> pd.DataFrame:
        """The rows of some changes."""
        return self.table[self.table["change"].isin(changes)]

    @property
    def avoided(self) -> pd.DataFrame:
        """False stops that would not have been."""
        return self.of("avoided")

    @property
    def lost(self) -> pd.DataFrame:
        """Interruptions that would not have stopped the agent any more."""
        return self.of("lost")

    @property
    def added(self) -> pd.DataFrame:
        """False stops that would have come in addition."""
        return self.of("added")

    @property
    def delayed(self) -> pd.DataFrame:
        """Interruptions that would still have stopped the agent, with how much later."""
        kept = self.of("kept")
        return kept[kept["kind"].isin(_TRUE)]

    def play(self, row: int) -> Audio:
        """The sound of a row of the table, from 2 s before the onset to 4 s after; a notebook shows a player.

        Raises
        ------
        InvalidParameterError
            If there is no such row.
        ResultError
            If the audio is not at hand.
        """
        if row not in self.table.index:
            raise InvalidParameterError("row", f"an index of the table, 0 to {len(self.table) - 1}", row)
        if self.clip is None:
            raise ResultError("the recordings of this answer are not available")
        return self.clip(cast("pd.Series[Any]", self.table.loc[row]))

    def _said(self) -> Iterator[str]:
        table = self.table
        true, stops = table["kind"].isin(_TRUE), table["stopped"]
        n_false, n_true = int((stops & ~true).sum()), int((stops & true).sum())
        yield f"{self.changed} instead of {self.as_recorded}"
        yield f"false stops avoided: {len(self.avoided)} of {n_false}"
        yield f"interruptions lost: {len(self.lost)} of {n_true}"
        delay_ms = self.delayed["delay_ms"].dropna()
        if len(delay_ms):
            by_ms = float(delay_ms.median())
            moved = f"{abs(by_ms):.0f} ms {'later' if by_ms > 0 else 'earlier'}"
            yield f"the others {moved if abs(by_ms) >= 0.5 else 'at the same time'} (median, n = {len(delay_ms)})"
        if n := len(self.added):
            yield f"false stops added: {n}"
        if n := len(self.of("gained")):
            yield f"interruptions gained: {n}"
        if n := len(self.of("diverged")):
            yield f"not known: {n}, as the agent would have stopped earlier in the response"
        yield (
            f"the setting in force reproduces {self.n_reproduced} of {self.n_stops} recorded stops, and leaves "
            f"{self.n_left} of {self.n_spoken_on} other overlaps alone"
        )

    @property
    def summary(self) -> str:
        """One sentence: what would have been avoided, lost and later."""
        first, *rest = self._said()
        return f"{first}: {'; '.join(rest[:-1])}."

    def __repr__(self) -> str:
        first, *rest = self._said()
        return "\n".join([f"What if: {first}", *(f"  {line}" for line in rest)])

    def _repr_html_(self) -> str:
        first, *rest = self._said()
        items = "".join(f"<li>{html.escape(line)}</li>" for line in rest)
        return f"<div><b>What if: {html.escape(first)}</b><ul>{items}</ul></div>"


_TRUE = ("interruption", "turn")


def what_if_of(
    rows: Sequence[Mapping[str, Any]],
    *,
    as_recorded: str,
    changed: str,
    reproduced: Sequence[bool],
    left: Sequence[bool],
    clip: Callable[[pd.Series[Any]], Audio] | None = None,
) -> WhatIf:
    """Make an answer of rows, if the setting in force explains what was recorded.

    Parameters
    ----------
    rows
        With the columns of `COLUMNS`.
    as_recorded, changed, clip
        As they are kept.
    reproduced
        Of each recorded stop, whether the setting in force makes it too.
    left
        Of each other overlap, whether it decides nothing there either.

    Raises
    ------
    ResultError
        If it reproduces less than `LEAST_REPRODUCED` of the stops: the stack does not decide like this.
    """
    if reproduced and sum(reproduced) < LEAST_REPRODUCED * len(reproduced):
        raise ResultError(
            f"{as_recorded} reproduces {sum(reproduced)} of {len(reproduced)} recorded stops, at least "
            f"{LEAST_REPRODUCED:.0%} are needed: the stack does not decide like our detector, so there is no answer "
            f"for {changed}. Give the setting that was in force, with its guards, as as_recorded."
        )
    table = pd.DataFrame([{name: row[name] for name in COLUMNS} for row in rows], columns=list(COLUMNS))
    return WhatIf(
        as_recorded=as_recorded,
        changed=changed,
        table=table.astype(dict(COLUMNS)),
        n_stops=len(reproduced),
        n_reproduced=sum(reproduced),
        n_spoken_on=len(left),
        n_left=sum(left),
        clip=clip,
    )
