"""The setting that a report looks at: the recommended one, else the one that comes closest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from bidilab.show.plots.metrics import parameters_of
from bidilab.show.plots.slices import describe

if TYPE_CHECKING:
    from bidilab.lab.sweep import Recommendation, SweepResult

__all__ = ["Focus", "focus_of"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Focus:
    """One setting and why it is looked at.

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
        """The parameters in words."""
        return describe(self.at)


def focus_of(result: SweepResult, recommendation: Recommendation) -> Focus:
    """The setting that a recommendation names, or the closest, or the one nearest to the defaults."""
    if recommendation.setting is not None:
        setting, role = recommendation.setting, "recommended"
    elif len(recommendation.table):
        setting, role = int(recommendation.table.index[0]), "closest"
    else:
        setting, role = result.setting(**{n: p.default for n, p in parameters_of(result.axes).items()}), "default"
    row = cast("pd.Series[Any]", result.settings.loc[setting])
    return Focus(
        setting=setting,
        role=role,
        row=row,
        at={name: float(row[name]) for name in parameters_of(row.index)},
        max_false_interruption_rate=recommendation.limits["max_false_interruption_rate"],
    )
