"""How a number or a parameter is written on paper: the two types that `metrics` fills in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["Metric", "Parameter"]

SMALL_N = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """How a column of numbers is shown.

    Parameters
    ----------
    name
        Column of the settings table.
    label
        Words for an axis, without unit.
    short
        Words for a legend or a table head.
    unit
        Unit of the shown number; empty for a count.
    scale
        Shown number = column × scale (rates are stored as fractions and shown in percent).
    decimals
        Digits after the point.
    lower_is_better
        Direction; ``None`` where neither is good nor bad (a count of chances).
    n_columns
        Columns whose sum is the n that the number rests on; empty when the number is itself a count.
    n_label
        What is counted.
    small_n
        Below this n the number is drawn as uncertain.
    definition
        One sentence for the report.
    """

    name: str
    label: str
    short: str
    unit: str
    definition: str
    scale: float = 1.0
    decimals: int = 0
    lower_is_better: bool | None = True
    n_columns: tuple[str, ...] = ()
    n_label: str = ""
    small_n: float = SMALL_N

    @property
    def axis_label(self) -> str:
        """Label with its unit, for an axis."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def interval_columns(self) -> tuple[str, str]:
        """Names of the columns of the 95 % interval."""
        return f"{self.name}_lo", f"{self.name}_hi"

    def shown(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Column values in the unit they are shown in, ``float64`` of the same shape."""
        return np.asarray(values, dtype=np.float64) * self.scale

    def n(self, table: pd.DataFrame) -> npt.NDArray[np.float64]:
        """What each row's number rests on, ``(n_rows,) float64``; ``inf`` where the number is itself a count."""
        if not self.n_columns:
            return np.full(len(table), np.inf)
        return table[list(self.n_columns)].sum(axis=1).to_numpy(dtype=np.float64)

    def format(self, value: float, *, unit: bool = False) -> str:
        """One column value as text: ``no data`` for ``NaN``, ``not reached`` for infinity.

        Examples
        --------
        >>> rate = Metric(name="r", label="r", short="r", unit="%", scale=100, decimals=1, definition="")
        >>> rate.format(0.125, unit=True), rate.format(float("inf"))
        ('12.5 %', 'not reached')
        """
        if math.isnan(value):
            return "no data"
        if math.isinf(value):
            return "not reached"
        text = f"{value * self.scale:.{self.decimals}f}"
        text = text.lstrip("-") if float(text) == 0 else text
        return f"{text} {self.unit}" if unit and self.unit else text

    def n_range(self, table: pd.DataFrame) -> str:
        """What the numbers of a table rest on, ``n = 86–115 true interruptions``; empty for a count."""
        if not self.n_columns or table.empty:
            return ""
        digits = 1 if self.n_label.startswith("minutes") else 0
        n = self.n(table)
        low, high = f"{n.min():.{digits}f}", f"{n.max():.{digits}f}"
        return f"n = {low if low == high else f'{low}–{high}'} {self.n_label}"

    def format_n(self, row: pd.Series) -> str:
        """``n = …`` of one row of the settings table, empty for a count."""
        if not self.n_columns:
            return ""
        n = sum(float(row[name]) for name in self.n_columns)
        if not self.n_label.startswith("minutes"):
            return f"n = {n:.0f}"
        return f"n = {n:.1f} min" if n >= 1 else f"n = {60 * n:.1f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """How a swept parameter is shown: column, label, unit and the value it has when nothing is said."""

    name: str
    label: str
    unit: str
    default: float

    @property
    def axis_label(self) -> str:
        """Label with its unit, for an axis."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def format(self, value: float) -> str:
        """A value with its unit.

        Examples
        --------
        >>> Parameter(name="prefix_padding_ms", label="prefix padding", unit="ms", default=300).format(100.0)
        '100 ms'
        """
        return f"{value:g} {self.unit}" if self.unit and math.isfinite(value) else self.tick(value)

    def tick(self, value: float) -> str:
        """A value without its unit, for an axis; a timeout that never comes is ``never``."""
        return "never" if math.isinf(value) else f"{value:g}"
