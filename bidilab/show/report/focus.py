"""The setting that a report describes: the recommended one, else the one that comes closest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from bidilab.lab.sweep.grid import CONDITION
from bidilab.show.plots.metrics import parameters_of
from bidilab.show.plots.slices import describe

if TYPE_CHECKING:
    from bidilab.lab.sweep import Recommendation, SweepResult

__all__ = ["Focus", "focus_of", "under_its_condition"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Focus:
    """One setting and why the report describes it.

    Parameters
    ----------
    setting
        Row of the settings table.
    role
        ``recommended``, ``closest`` (none qualifies) or ``default`` (no setting has both rates).
    row
        The setting's numbers.
    at
        The parameters.
    max_false_interruption_rate
        The limit that was asked for; ``None`` for none.
    """

    setting: int
    role: str
    row: pd.Series[Any]
    at: Mapping[str, float]
    max_false_interruption_rate: float | None

    @property
    def words(self) -> str:
        """The parameters, and the condition of the audio where there is one, in words."""
        words = describe(self.at)
        return f"{words}, {self.row[CONDITION]}" if CONDITION in self.row.index else words


def focus_of(result: SweepResult, recommendation: Recommendation) -> Focus:
    """The setting that a recommendation names, or the closest, or the one nearest to the defaults."""
    if recommendation.setting is not None:
        setting, role = recommendation.setting, "recommended"
    elif len(recommendation.table):
        setting, role = int(recommendation.table.index[0]), "closest"
    else:
        defaults: dict[str, Any] = {name: known.default for name, known in parameters_of(result.axes).items()}
        setting, role = result.setting(**defaults), "default"
    row = cast("pd.Series[Any]", result.settings.loc[setting])
    return Focus(
        setting=setting,
        role=role,
        row=row,
        at={name: float(row[name]) for name in parameters_of(row.index)},
        max_false_interruption_rate=recommendation.limits["max_false_interruption_rate"],
    )


def under_its_condition(result: SweepResult, focus: Focus) -> tuple[SweepResult, Focus]:
    """The result under the condition of the audio that a focus is at, and the focus in it."""
    if len(result.conditions) == 1:
        return result, focus
    one = result.under(result.grid.condition(focus.setting))
    return one, replace(focus, setting=focus.setting % result.grid.n_under_one_condition)
