"""The setting that a report describes: the recommended one, else the provider's default."""

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

__all__ = ["Focus", "focus_of", "interval_unit", "under_its_condition"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Focus:
    """One setting and why the report describes it.

    Parameters
    ----------
    setting
        Row of the settings table.
    role
        ``recommended``, or ``default`` where no setting is.
    default
        Row of the provider's default, or of the swept setting nearest to it.
    row
        The setting's numbers.
    at
        The parameters.
    recommendation
        What was asked for and found.
    """

    setting: int
    role: str
    default: int
    row: pd.Series[Any]
    at: Mapping[str, float]
    recommendation: Recommendation

    @property
    def words(self) -> str:
        """The parameters, and the condition of the audio where there is one, in words."""
        words = describe(self.at)
        return f"{words}, {self.row[CONDITION]}" if CONDITION in self.row.index else words

    @property
    def marked(self) -> dict[str, int]:
        """The settings that figures mark, by role."""
        return {self.role: self.setting, "default": self.default}


def focus_of(result: SweepResult, recommendation: Recommendation) -> Focus:
    """The setting that a recommendation names; the provider's default where it names none."""
    chosen, default = recommendation.setting, recommendation.default
    setting = default if chosen is None else chosen
    row = cast("pd.Series[Any]", result.settings.loc[setting])
    return Focus(
        setting=setting,
        role="default" if chosen is None else "recommended",
        default=default,
        row=row,
        at={name: float(row[name]) for name in parameters_of(row.index)},
        recommendation=recommendation,
    )


def under_its_condition(result: SweepResult, focus: Focus) -> tuple[SweepResult, Focus]:
    """The result under the condition of the audio that a focus is at, and the focus in it."""
    if len(result.conditions) == 1:
        return result, focus
    one, n = result.under(result.grid.condition(focus.setting)), result.grid.n_under_one_condition
    return one, replace(focus, setting=focus.setting % n, default=focus.default % n)


def interval_unit(result: SweepResult) -> str:
    """What the intervals of a result take as the unit, as a sentence."""
    if result.outdated:
        return "Intervals: 95 %, by an earlier rule."
    units = {"recording": "recordings", "speaker": "speakers"}
    return f"Intervals: 95 %, {units[result.meta['protocol']['cluster']]} as the unit."
