"""The parts of a curve: a line with its band, hollow points for a small n, triangles for what is not reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bidilab.show.plots.metrics import PARAMETERS, Metric

__all__ = ["MARKERS", "draw_line", "interval", "line_keys", "mark_values", "shown_at", "value_limits"]

MARKERS = ("o", "s", "^", "D", "v", "P")
"""Shapes of points in the order in which lines take them, so that lines differ without colour."""

NOT_REACHED_MARKER: Literal[10] = 10  # matplotlib's CARETUPBASE: a caret that stands on its position
NO_UPPER_END = "band to the upper edge: at least"


def interval(rows: pd.DataFrame, each: Metric) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Lower and upper ends in the shown unit, two ``(n_rows,) float64``; ``NaN`` where the table has none."""
    if not set(each.interval_columns) <= set(rows.columns):
        nothing = np.full(len(rows), np.nan)
        return nothing, nothing
    low, high = (each.shown(rows[column]) for column in each.interval_columns)
    return low, high


def shown_at(rows: pd.DataFrame, x: str, value: float) -> float:
    """Where a value of the parameter ``x`` stands on its axis: never (infinity) to the right of the finite ones."""
    if np.isfinite(value):
        return float(value)
    column = rows[x].to_numpy(dtype=np.float64)
    finite = column[np.isfinite(column)]
    return 1.0 if not finite.size else float(finite.max() + 0.25 * max(np.ptp(finite), finite.max(), 1.0))


def mark_values(ax: Axes, rows: pd.DataFrame, x: str) -> None:
    """Where never was swept, and for counts of words, put ticks at the values swept and no others."""
    values = np.unique(rows[x].to_numpy(dtype=np.float64))
    if np.isinf(values).any() or x == "min_words":
        ax.set_xticks([shown_at(rows, x, value) for value in values], [PARAMETERS[x].tick(value) for value in values])


def draw_line(
    ax: Axes,
    rows: pd.DataFrame,
    x: str,
    each: Metric,
    *,
    colour: str,
    marker: str,
    label: str | None = None,
) -> None:
    """Draw one metric of the rows against column ``x``; the axis limits are the caller's to set."""
    at = np.array([shown_at(rows, x, value) for value in rows[x]], dtype=np.float64)
    values = each.shown(rows[each.name])
    low, high = interval(rows, each)
    reached = np.isfinite(values)
    ax.plot(at, np.where(reached, values, np.nan), color=colour, label=label or each.short, marker=marker, ms=0)
    few = each.n(rows) < each.small_n
    for hollow in (False, True):
        chosen = reached & (few == hollow)
        look: dict[str, Any] = {"mfc": "white" if hollow else colour, "mec": colour, "mew": 1.0}
        ax.plot(at[chosen], values[chosen], ls="", marker=marker, gid=f"{each.name}-{hollow}", **look)
    if np.isfinite(low).any():
        # Without an upper end the band goes on beyond the axis: drawn far up and cut off by its limits.
        beyond = np.max(np.abs([*values[reached], *low[np.isfinite(low)], *high[np.isfinite(high)], 1.0])) * 50
        top = np.where(np.isinf(high), beyond, high)
        ax.fill_between(at, low, top, where=np.isfinite(low), color=colour, alpha=0.13, lw=0)
    missing = np.isinf(values)
    if missing.any():
        edge = np.full(int(missing.sum()), 0.96)
        caret: dict[str, Any] = {"mfc": colour, "mec": colour, "ms": 5}
        where = ax.get_xaxis_transform()
        gid = f"{each.name}-not-reached"
        ax.plot(at[missing], edge, transform=where, ls="", marker=NOT_REACHED_MARKER, gid=gid, **caret)


def value_limits(tables: Sequence[pd.DataFrame], shown: Sequence[Metric]) -> tuple[float, float]:
    """Axis limits that hold every finite value and interval end; from 0 where nothing is negative."""
    numbers = [
        each.shown(rows[column])
        for rows in tables
        for each in shown
        for column in (each.name, *each.interval_columns)
        if column in rows.columns
    ]
    finite = np.concatenate(numbers)
    finite = finite[np.isfinite(finite)]
    low = min(float(finite.min(initial=0.0)), 0.0)
    high = float(finite.max(initial=0.0))
    high = high if high > 0 else 1.0
    return low - 0.02 * (high - low), high + 0.08 * (high - low)


def line_keys(tables: Sequence[pd.DataFrame], shown: Sequence[Metric]) -> list[Line2D | Patch]:
    """Legend entries that explain the signs which occur: hollow points, triangles at the upper edge, open bands."""
    keys: list[Line2D | Patch] = []
    values = [(each.shown(rows[each.name]), each.n(rows) < each.small_n) for rows in tables for each in shown]
    if any((few & np.isfinite(v)).any() for v, few in values):
        small = f"n < {shown[0].small_n:g}"
        keys.append(Line2D([], [], ls="", marker="o", mfc="white", mec="#555555", label=small))
    if any(np.isinf(v).any() for v, _ in values):
        words = "not reached (too many missed)"
        mark: Literal[10] = NOT_REACHED_MARKER
        keys.append(Line2D([], [], ls="", marker=mark, mfc="#555555", mec="#555555", ms=5, label=words))
    ends = [interval(rows, each) for rows in tables for each in shown]
    if any((np.isfinite(low) & np.isinf(high)).any() for low, high in ends):
        keys.append(Patch(facecolor="#555555", alpha=0.2, lw=0, label=NO_UPPER_END))
    return keys
