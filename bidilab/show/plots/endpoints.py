"""The end of turn: how often the user is cut into, against how long the user waits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bidilab.core.checks import check_number
from bidilab.core.errors import InvalidParameterError
from bidilab.show.plots.lines import interval, value_limits
from bidilab.show.plots.metrics import PARAMETERS, metric, parameters_of
from bidilab.show.plots.save import attach_data, figure_of
from bidilab.show.plots.slices import check_columns, describe, hold
from bidilab.show.plots.style import COLOURS, SEQUENTIAL, new_axes, style

__all__ = ["endpoints"]

FloatArray = npt.NDArray[np.float64]
PREMATURE = "premature_endpoint_rate"
WAIT = "endpoint_latency_ms_p50"
MARKS: Mapping[str, Mapping[str, Any]] = {
    "recommended": {"marker": "o", "ms": 11, "mfc": "none", "mec": "black", "mew": 1.4},
    "default": {"marker": "D", "ms": 9, "mfc": "none", "mec": COLOURS["vermillion"], "mew": 1.4},
}
"""How settings are marked, by their role."""


def endpoints(
    settings: pd.DataFrame,
    *,
    at: Mapping[str, float] | None = None,
    marked: Mapping[str, int] | None = None,
    max_premature_endpoint_rate: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Premature endpoints against the median wait, a line per threshold through the silence durations.

    The line of the threshold held is black, with 95 % intervals both ways and its silence durations written at it. A
    budget is read off by going across from a rate to the line, and down to the wait.

    Parameters
    ----------
    settings
        One row per setting, as ``SweepResult.settings``.
    at
        The setting whose line stands out; by default the swept values nearest to the defaults.
    marked
        Settings to mark, by role: ``recommended``, ``default``.
    max_premature_endpoint_rate
        A limit, in [0, 1], to draw.
    ax
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InvalidParameterError
        If a name or value is not one that was swept, or there is no such setting or role.
    """
    rate, wait = metric(PREMATURE), metric(WAIT)
    check_columns(settings, (PREMATURE, WAIT, *rate.n_columns))
    for role, setting in (marked or {}).items():
        if role not in MARKS or setting not in settings.index:
            raise InvalidParameterError("marked", f"settings of the table by role ({', '.join(MARKS)})", marked)
    given = {name: value for name, value in (at or {}).items() if name not in ("threshold", "silence_duration_ms")}
    rows, held = hold(settings, ("threshold", "silence_duration_ms"), given)
    threshold = {"threshold": at["threshold"]} if at and "threshold" in at else {}
    chosen = hold(settings, ("silence_duration_ms",), {**held, **threshold})[1]["threshold"]
    with style():
        axes = new_axes(ax, 6.4, 4.0)
        _lines(axes, rows, chosen)
        _chosen_line(axes, rows[rows["threshold"] == chosen])
        for role, setting in (marked or {}).items():
            row = cast("pd.Series[Any]", settings.loc[setting])
            axes.plot(
                wait.shown([float(row[WAIT])]), rate.shown([float(row[PREMATURE])]), ls="", zorder=6, **MARKS[role]
            )
        if max_premature_endpoint_rate is not None:
            check_number("max_premature_endpoint_rate", max_premature_endpoint_rate, 0, 1)
            axes.axhline(rate.scale * max_premature_endpoint_rate, color=COLOURS["grey"], lw=0.9, ls=(0, (2, 2)))
        finite = np.isfinite(rows[WAIT].to_numpy(dtype=np.float64))
        axes.set_xlim(value_limits([rows], [wait]))
        axes.set_ylim(value_limits([rows], [rate]))
        axes.set_xlabel(f"wait: {wait.axis_label}")
        axes.set_ylabel(rate.axis_label)
        axes.grid(axis="both")
        hidden = f"left out, as their wait is not reached: {int((~finite).sum())}" if not finite.all() else ""
        lines = ["Premature endpoints against waiting", f"at {describe(held)}; {rate.n_range(rows)}", hidden]
        axes.set_title("\n".join(filter(None, lines)))
        keys = _keys(chosen, marked or {}, max_premature_endpoint_rate)
        if ax is None:
            figure_of(axes).legend(handles=keys, loc="outside lower left", ncols=len(keys))
        else:
            axes.legend(handles=keys, loc="upper left", bbox_to_anchor=(0, -0.16), ncols=2)
    columns = [*parameters_of(rows.columns), *(c for m in (rate, wait) for c in (*m.names, *m.n_columns))]
    attach_data(axes, rows[[column for column in dict.fromkeys(columns) if column in rows.columns]])
    return axes


def _lines(ax: Axes, rows: pd.DataFrame, chosen: float) -> None:
    """A thin line per threshold, pale for low ones."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    rate, wait = metric(PREMATURE), metric(WAIT)
    thresholds = np.unique(rows["threshold"].to_numpy(dtype=np.float64))
    norm = Normalize(thresholds.min() - 0.05, thresholds.max() + 1e-9)
    for threshold in thresholds[thresholds != chosen]:
        line = rows[rows["threshold"] == threshold]
        x = wait.shown(line[WAIT])
        at = np.where(np.isfinite(x), x, np.nan)
        colour = colormaps[SEQUENTIAL](norm(threshold))
        ax.plot(at, rate.shown(line[PREMATURE]), color=colour, lw=1.0, marker=".", ms=3, gid=f"threshold-{threshold:g}")
    if len(thresholds) > 1:
        bar = figure_of(ax).colorbar(ScalarMappable(norm=norm, cmap=SEQUENTIAL), ax=ax, pad=0.02, aspect=30)
        bar.set_label(PARAMETERS["threshold"].axis_label)
        bar.outline.set_visible(False)


def _chosen_line(ax: Axes, line: pd.DataFrame) -> None:
    rate, wait = metric(PREMATURE), metric(WAIT)
    line = line[np.isfinite(line[WAIT].to_numpy(dtype=np.float64))]
    x, y = wait.shown(line[WAIT]), rate.shown(line[PREMATURE])
    across, up = _arms(line, x, WAIT), _arms(line, y, PREMATURE)
    ax.errorbar(
        x, y, xerr=across, yerr=up, color="black", lw=1.6, marker="o", ms=4, elinewidth=0.8, capsize=2, zorder=4
    )
    last = None
    for place, (left, top) in enumerate(zip(x, y, strict=True)):
        if last is not None and left - last < 0.045 * max(x.max(), 1.0) and place < len(x) - 1:
            continue  # no room for the words
        last = left
        words = f"{line['silence_duration_ms'].iloc[place]:g}"
        look: dict[str, Any] = {"fontsize": 6.5, "ha": "left", "va": "bottom", "zorder": 5}
        ax.annotate(words, (left, top), (4, 4), textcoords="offset points", **look)


def _arms(line: pd.DataFrame, values: FloatArray, name: str) -> FloatArray | None:
    """Lengths of the arms of an interval, ``(2, n)``; an arm without an end goes on beyond the axis."""
    low, high = interval(line, metric(name))
    if not np.isfinite(low).any():
        return None
    top = np.where(np.isinf(high), 50 * values.max(initial=1.0), high)
    arms: FloatArray = np.nan_to_num(np.stack([values - low, top - values]), nan=0.0)
    return arms


def _keys(chosen: float, marked: Mapping[str, int], limit: float | None) -> list[Line2D]:
    words = f"threshold {PARAMETERS['threshold'].tick(chosen)}, 95 % intervals; numbers: silence duration in ms"
    keys = [Line2D([], [], color="black", lw=1.6, marker="o", ms=4, label=words)]
    keys += [Line2D([], [], ls="", label=role, **{**MARKS[role], "ms": 7}) for role in marked]
    if limit is not None:
        words = f"limit: {metric(PREMATURE).format(limit, unit=True)}"
        keys.append(Line2D([], [], color=COLOURS["grey"], lw=0.9, ls=(0, (2, 2)), label=words))
    return keys
