"""The frontier: the least rate of a fault at each latency, a step per detector, with what silence alone does beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bidilab.core.errors import InvalidParameterError
from bidilab.show.plots.lines import MARKERS, interval
from bidilab.show.plots.metrics import Metric, metric
from bidilab.show.plots.save import attach_data
from bidilab.show.plots.slices import check_columns
from bidilab.show.plots.style import COLOURS, CYCLE, new_axes, style

__all__ = ["frontier"]

_DASHED = (0, (4, 2))
_BUDGET = (0, (1, 2))


def frontier(
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    x_budgets: Sequence[float] = (),
    y_budgets: Sequence[float] = (),
    n: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Steps of the least ``y`` at each ``x``, by detector; without a scorer dashed, and grey where there is one such.

    The band is the 95 % interval of the setting of each step. Budgets are lines of dots.

    Parameters
    ----------
    table
        As ``Frontier.table``: ``detector``, ``alone``, and the two columns with the ends of their intervals.
    x, y
        Names of the columns.
    x_budgets, y_budgets
        Budgets to mark, in the units of the columns.
    n
        What the numbers of each detector rest on, in words, for the legend.
    ax
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InvalidParameterError
        If the table is empty or lacks a column.
    """
    across, up = metric(x), metric(y)
    if table.empty:
        raise InvalidParameterError("table", "at least one step", "none")
    check_columns(table, (x, y))
    if absent := {"detector", "alone"} - set(table.columns):
        raise InvalidParameterError("table", "a table with the columns detector and alone", sorted(absent))
    right = 1.06 * max(float(across.shown(table[x]).max()), *(across.scale * b for b in x_budgets), 0.0)
    with style():
        axes = new_axes(ax, 6.4, 4.2)
        _mark(axes, across, up, x_budgets, y_budgets)
        looks = _looks(table)
        handles: list[Line2D | Patch] = []
        for name, look in looks.items():
            rows = table[table["detector"] == name]
            _step(axes, rows, across, up, look, right)
            label = f"{name}\nn = {n[name]}" if n and name in n else name
            handles.append(Line2D([], [], ms=4, label=label, **look))
        if any(np.isfinite(interval(table, up)[0])):
            handles.append(Patch(facecolor="#555555", alpha=0.2, lw=0, label="95 % interval, recordings as the unit"))
        highest = np.nanmax([*up.shown(table[y]), *interval(table, up)[1], *(up.scale * b for b in y_budgets)])
        axes.set_xlim(min(0.0, 1.06 * float(across.shown(table[x]).min())), right)
        axes.set_ylim(0, 1.05 * float(highest))
        axes.set_xlabel(across.axis_label)
        axes.set_ylabel(up.axis_label)
        axes.grid(axis="both")
        axes.set_title(f"{up.label.capitalize()}: the least at each latency, by the best setting of each detector")
        look = {"frameon": True, "facecolor": "white", "edgecolor": "none", "framealpha": 0.9}
        axes.legend(handles=handles, loc="upper right", handlelength=2.6, **look)
    attach_data(axes, table)
    return axes


def _looks(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Colour, dashes and marker of each detector; those without a scorer are dashed, the first of them grey."""
    alone = table.groupby("detector", sort=False)["alone"].first()
    colours = iter(CYCLE)
    looks = {}
    grey = True
    for place, (name, is_alone) in enumerate(alone.items()):
        colour = COLOURS["grey"] if is_alone and grey else next(colours, COLOURS["black"])
        grey = grey and not is_alone
        marker = MARKERS[place % len(MARKERS)]
        looks[str(name)] = {"color": colour, "ls": _DASHED if is_alone else "-", "marker": marker}
    return looks


def _step(ax: Axes, rows: pd.DataFrame, across: Metric, up: Metric, look: Mapping[str, Any], right: float) -> None:
    at, values = across.shown(rows[across.name]), up.shown(rows[up.name])
    low, high = interval(rows, up)
    edge: npt.NDArray[np.float64] = np.append(at, right)
    drawn = {"color": look["color"], "ls": look["ls"], "clip_on": False}  # a step at 0 lies on the axis
    ax.step(
        edge, np.append(values, values[-1]), where="post", zorder=3, gid=f"step-{rows['detector'].iloc[0]}", **drawn
    )
    # Many steps would be a string of beads: the line alone tells them then.
    if len(at) <= 40:
        ax.plot(at, values, ls="", marker=look["marker"], color=look["color"], ms=3, zorder=3, clip_on=False)
    if np.isfinite(low).any():
        low, high = np.append(low, low[-1]), np.append(high, high[-1])
        ax.fill_between(edge, low, high, step="post", color=look["color"], alpha=0.13, lw=0)


def _mark(ax: Axes, across: Metric, up: Metric, x_budgets: Sequence[float], y_budgets: Sequence[float]) -> None:
    look: dict[str, Any] = {"color": "#555555", "lw": 0.9, "ls": _BUDGET, "zorder": 1}
    words: dict[str, Any] = {"fontsize": 7, "color": "#555555", "textcoords": "offset points"}
    for budget in x_budgets:
        ax.axvline(across.scale * budget, gid=f"budget-{budget:g}", **look)
        top = (across.scale * budget, 1.0)
        text = f"{across.scale * budget:g} {across.unit}"
        ax.annotate(text, top, (2, -2), xycoords=("data", "axes fraction"), va="top", **words)
    for budget in y_budgets:
        ax.axhline(up.scale * budget, gid=f"budget-{budget:g}", **look)
        side = (1.0, up.scale * budget)
        text = f"{up.scale * budget:g} {up.unit}"
        ax.annotate(text, side, (-2, 2), xycoords=("axes fraction", "data"), ha="right", **words)
