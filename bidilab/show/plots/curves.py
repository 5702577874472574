"""Curves of metrics against one swept parameter, the others held."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D
from matplotlib.ticker import StrMethodFormatter

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.datasets.labels import FALSE_KINDS
from bidilab.show.plots.lines import MARKERS, draw_line, interval, line_keys, mark_values, shown_at, value_limits
from bidilab.show.plots.metrics import KIND_COLOURS, PARAMETERS, Metric, metric, metrics_of, parameters_of
from bidilab.show.plots.save import attach_data
from bidilab.show.plots.slices import check_columns, describe, hold, moves
from bidilab.show.plots.style import CYCLE, new_axes, new_figure, style

__all__ = ["by_kind", "curve", "curves"]

ROWS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "interruption latency (ms)": ("latency_detected_ms_p50", "latency_detected_ms_p90"),
        "stopped within 500 ms (%)": ("stopped_within_500ms_rate",),
        "false interruptions (%)": ("false_interruption_rate",),
        "missed interruptions (%)": ("missed_rate",),
    }
)
COSTS: tuple[tuple[str, ...], ...] = (
    ("false_per_min",),
    ("premature_endpoint_rate",),
    ("endpoint_latency_ms_p50", "endpoint_latency_ms_p90"),
    ("onset_clipped_ms_p50", "onset_clipped_ms_p90"),
    ("pause_s",),
)
"""What is drawn against a parameter that moves no event rate, where it moves that."""
_NEEDED = ("latency_detected_ms_p50", "false_interruption_rate", "missed_rate")
"""Rows without which there is no figure; one that an earlier version did not count is left out."""
_FLATTENS = 6
"""How many times the median a 90th percentile must be to make the axis logarithmic above the median."""
_HELD_LINE: dict[str, Any] = {"color": "#555555", "lw": 0.8, "ls": (0, (2, 2))}


def curve(
    settings: pd.DataFrame,
    metrics: str | Sequence[str],
    *,
    x: str = "threshold",
    at: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """One or several metrics of one unit against a parameter, with the bands of their 95 % intervals.

    A point whose n is small is hollow; a quantile that is not reached, because too many were missed, is a triangle
    at the upper edge and breaks the line.

    Parameters
    ----------
    settings
        One row per setting, as ``SweepResult.settings``.
    metrics
        Column, or columns that share a unit.
    x
        The parameter that runs.
    at
        Values of the others; by default the swept values nearest to their defaults. The title says which.
    ax
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InvalidParameterError
        If a name or value is not one that was swept, or the metrics differ in unit.
    """
    shown = metrics_of(metrics)
    if len({m.unit for m in shown}) != 1:
        raise InvalidParameterError("metrics", "one metric or several of one unit", [m.name for m in shown])
    rows, held = _rows(settings, shown, x, at)
    with style():
        axes = new_axes(ax, 5.4, 3.1)
        _panel(axes, rows, x, shown)
        _finish(axes, rows, x, shown)
        title = _common_label(shown)
        below = [f"at {describe(held)}", *dict.fromkeys(m.n_range(rows) for m in shown)]
        below += _unmoved_note(settings, x, shown, held)
        axes.set_title("\n".join((title[:1].upper() + title[1:], *filter(None, below))))
        several = len({_stem(m) for m in shown}) > 1  # then the legend says what each line is
        unit = shown[0].unit or "count"
        axes.set_ylabel(shown[0].axis_label if len(shown) == 1 else unit if several else f"{title} ({unit})")
        _legend(axes, rows, shown, lines=len(shown) > 1, beside=ax is None)
    attach_data(axes, _behind(rows, shown))
    return axes


def curves(settings: pd.DataFrame, *, at: Mapping[str, float] | None = None) -> Figure:
    """Latency, what is stopped within 500 ms, false interruptions and misses against each parameter.

    A parameter that moves none of them at any value swept (silence duration without a guard, OpenAI's prefix padding)
    is not drawn as a flat line: its column says so, with the numbers, and shows what the parameter does move instead:
    false stops of a conversation, premature endpoints, endpoint latency, clipped onsets.

    Parameters
    ----------
    settings
        One row per setting, as ``SweepResult.settings``.
    at
        The setting at which the others are held while one runs, such as the recommended one; by default the swept
        values nearest to the defaults. A thin line marks it in every panel.

    Returns
    -------
    matplotlib.figure.Figure
        A column per parameter. Rows: latency p50 and p90, share stopped within 500 ms, false-interruption rate,
        missed rate, each on one scale; or what the parameter moves.
    """
    centre = _centre(settings, at)
    event_rates = {label: names for label, names in ROWS.items() if set(names) <= set(settings) or names[0] in _NEEDED}
    columns = [_column(settings, x, centre, event_rates) for x in parameters_of(settings.columns)]
    with style():
        figure = new_figure(2.6 * len(columns), 1.2 + 1.9 * len(event_rates))
        grid = figure.add_gridspec(len(event_rates) + 1, len(columns), height_ratios=[0.42, *[1] * len(event_rates)])
        drawn: list[tuple[pd.DataFrame, list[Metric]]] = []
        for place, column in enumerate(columns):
            head = figure.add_subplot(grid[0, place])
            head.set_axis_off()
            head.text(0, 0, column.words, fontsize=7.5, va="bottom", ha="left", linespacing=1.25)
            drawn += [(column.rows, shown) for shown in column.panels]
        for row, label in enumerate(event_rates):
            _row_of_panels(figure, grid, (row, label), columns, settings, centre)
        # Only where lines share a panel; else the panel says what it shows.
        lines = [ax.get_legend_handles_labels()[0] for ax in figure.axes]
        named = [key for handles in lines if len(handles) > 1 for key in handles]
        keys = [*named, Line2D([], [], **_HELD_LINE, label="value held in the other columns")]
        keys += [key for rows, shown in drawn for key in line_keys([rows], shown)]
        once = {str(key.get_label()): key for key in keys}
        # Below, where no point can lie under it.
        figure.legend(handles=list(once.values()), loc="outside lower left", ncols=min(len(once), 4))
    tables = [_long(column.rows, shown, column.x) for column in columns for shown in column.behind]
    attach_data(figure, pd.concat(tables, ignore_index=True))
    return figure


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """A parameter in the figure of `curves`: its line through the grid, and what is drawn against it."""

    x: str
    rows: pd.DataFrame
    words: str
    panels: tuple[list[Metric], ...]
    behind: tuple[list[Metric], ...]
    event_rates: bool


def _column(
    settings: pd.DataFrame, x: str, centre: Mapping[str, float], event_rates: Mapping[str, tuple[str, ...]]
) -> _Column:
    rates = tuple([metric(name) for name in names] for names in event_rates.values())
    rows, held = _rows(settings, [each for shown in rates for each in shown], x, _without(centre, x))
    if moves(settings, x, [each.name for shown in rates for each in shown], held):
        words = "at " + describe(held).replace(", ", ",\n")
        return _Column(x=x, rows=rows, words=words, panels=rates, behind=rates, event_rates=True)
    there = [names for names in COSTS if {n for name in names for n in (name, *metric(name).n_columns)} <= set(rows)]
    moved = [[metric(name) for name in names] for names in there if (rows[list(names)].nunique() > 1).any()]
    moved = moved[: len(rates)]
    return _Column(
        x=x,
        rows=rows,
        words="\n".join(textwrap.wrap(_unmoved_words(rows, x, rates, bool(moved)), 42)),
        panels=tuple(moved),
        behind=(*rates, *moved),
        event_rates=False,
    )


def _unmoved_words(rows: pd.DataFrame, x: str, rates: Sequence[Sequence[Metric]], moved: bool) -> str:
    """Which event rates a parameter leaves as they are, and what they are."""
    row = rows.iloc[0]
    numbers = [", ".join(f"{m.short} {m.format(float(row[m.name]), unit=True)}" for m in shown) for shown in rates]
    numbers[0] = f"latency {numbers[0]}"
    label = PARAMETERS[x].label
    said = f"{label.capitalize()} moves no event rate. At all {len(rows)} values: {'; '.join(numbers)}."
    said = f"{said} {'It moves:' if moved else 'It moves nothing else that is drawn here.'}"
    return re.sub(r"(\d) (%|ms)", "\\1\u00a0\\2", said)  # no line ends between a number and its unit


def _row_of_panels(
    figure: Figure,
    grid: GridSpec,
    at: tuple[int, str],
    columns: Sequence[_Column],
    settings: pd.DataFrame,
    centre: Mapping[str, float],
) -> None:
    """Draw the panels of one row: event rates on one scale, what other parameters move on scales of their own."""
    row, label = at
    rates = [column for column in columns if column.event_rates]
    first: Axes | None = None
    for place, column in enumerate(columns):
        if row >= len(column.panels):
            continue
        shown = column.panels[row]
        panel = figure.add_subplot(grid[row + 1, place], sharey=first if column.event_rates else None)
        _panel(panel, column.rows, column.x, shown, first_colour=row + (row > 0) if column.event_rates else 0)
        panel.axvline(shown_at(column.rows, column.x, centre[column.x]), zorder=0, **_HELD_LINE)
        mark_values(panel, settings, column.x)
        if row == len(column.panels) - 1:
            panel.set_xlabel(PARAMETERS[column.x].axis_label)
        if not column.event_rates:
            panel.set_ylim(value_limits([column.rows], shown))
            title = f"{_common_label(shown)} ({shown[0].unit})"
            panel.set_title("\n".join((title[:1].upper() + title[1:], shown[0].n_range(column.rows))), fontsize=7.5)
        elif first is None:
            first = panel
            limits = value_limits([other.rows for other in rates], shown)
            panel.set_ylim(limits)
            if len(shown) > 1:
                _stretch(panel, pd.concat([other.rows for other in rates]), shown, limits)
            n = shown[0].n_range(pd.concat([other.rows for other in rates])).removesuffix(f" {shown[0].n_label}")
            panel.set_ylabel(f"{label}\n{n}")
        else:
            panel.tick_params(labelleft=False)


def by_kind(
    settings: pd.DataFrame,
    *,
    x: str = "threshold",
    at: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """False-interruption rate against a parameter, one line a kind of event: backchannel, side speech, noise, echo.

    Parameters
    ----------
    settings, x, at, ax
        As for `curve`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.
    """
    shown = [metric(f"false_interruption_rate_{kind}") for kind in FALSE_KINDS]
    rows, held = _rows(settings, shown, x, at)
    with style():
        axes = new_axes(ax, 5.2, 3.1)
        for index, (kind, each) in enumerate(zip(FALSE_KINDS, shown, strict=True)):
            n = each.n_range(rows).split(" ")[2]
            label = f"{each.n_label.removesuffix(' events')} (n = {n})"
            draw_line(axes, rows, x, each, colour=KIND_COLOURS[kind], marker=MARKERS[index], label=label)
        _finish(axes, rows, x, shown)
        axes.set_ylabel("false interruptions (%)")
        below = [f"at {describe(held)}", *_unmoved_note(settings, x, shown, held)]
        axes.set_title("\n".join(("False interruptions by kind of event", *below)))
        _legend(axes, rows, shown, lines=True, beside=ax is None)
    attach_data(axes, _behind(rows, shown))
    return axes


def _stretch(ax: Axes, rows: pd.DataFrame, shown: Sequence[Metric], limits: tuple[float, float]) -> None:
    """Make the axis logarithmic above the lesser of two quantiles where the greater would flatten it."""
    least = shown[0].shown(rows[shown[0].name])
    least = least[np.isfinite(least) & (least > 0)]
    if not least.size or limits[1] < _FLATTENS * least.max():
        return
    steps = [step * 10.0**decade for decade in range(7) for step in (1, 2, 5)]
    linear = next((step for step in steps if step >= least.max()), limits[1])
    ax.set_yscale("symlog", linthresh=linear, linscale=1.0)
    ax.set_yticks([0, linear / 2, *(step for step in steps if linear <= step <= limits[1])], minor=False)
    ax.set_yticks([], minor=True)
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.set_ylim(limits)


def _unmoved_note(settings: pd.DataFrame, x: str, shown: Sequence[Metric], held: Mapping[str, float]) -> list[str]:
    """That a line is flat because its parameter cannot move it, where that is so."""
    if moves(settings, x, [m.name for m in shown], held):
        return []
    return [f"{PARAMETERS[x].label} does not move {'it' if len(shown) == 1 else 'them'}, at any value swept"]


def _centre(settings: pd.DataFrame, at: Mapping[str, float] | None) -> dict[str, float]:
    centre: dict[str, float] = {}
    for name in parameters_of(settings.columns):
        chosen = {n: v for n, v in (at or {}).items() if n != name}
        centre |= hold(settings, (name,), chosen)[1]
    return centre


def _rows(
    settings: pd.DataFrame, shown: Sequence[Metric], x: str, at: Mapping[str, float] | None
) -> tuple[pd.DataFrame, dict[str, float]]:
    check_columns(settings, [column for m in shown for column in (m.name, *m.n_columns)])
    return hold(settings, (x,), at)


def _behind(rows: pd.DataFrame, shown: Sequence[Metric]) -> pd.DataFrame:
    wanted = [*parameters_of(rows.columns), *(c for m in shown for c in (m.name, *m.interval_columns, *m.n_columns))]
    return rows[[column for column in dict.fromkeys(wanted) if column in rows.columns]]


def _long(rows: pd.DataFrame, shown: Sequence[Metric], x: str) -> pd.DataFrame:
    """One row a point drawn: against which parameter, which metric, value, interval, n."""
    parts = []
    for each in shown:
        low, high = interval(rows, each)
        part = rows[list(parameters_of(rows.columns))].reset_index()
        part["against"], part["metric"], part["value"] = x, each.name, rows[each.name].to_numpy()
        parts.append(part.assign(lo=low / each.scale, hi=high / each.scale, n=each.n(rows)))
    return pd.concat(parts, ignore_index=True)


def _without(values: Mapping[str, float], name: str) -> dict[str, float]:
    return {other: value for other, value in values.items() if other != name}


def _stem(each: Metric) -> str:
    """``interruption latency`` of ``interruption latency, p50``."""
    return each.label.rsplit(", p", 1)[0]


def _common_label(shown: Sequence[Metric]) -> str:
    """``interruption latency`` of ``interruption latency, p50`` and ``…, p90``; else the labels joined."""
    stems = dict.fromkeys(map(_stem, shown))
    return shown[0].label if len(shown) == 1 else ", ".join(stems)


def _panel(ax: Axes, rows: pd.DataFrame, x: str, shown: Sequence[Metric], first_colour: int = 0) -> None:
    one_subject = len({_stem(m) for m in shown}) == 1
    for index, each in enumerate(shown, start=first_colour):
        colour, marker = CYCLE[index % len(CYCLE)], MARKERS[index % len(MARKERS)]
        draw_line(ax, rows, x, each, colour=colour, marker=marker, label=each.short if one_subject else each.label)
    ax.grid(axis="y")


def _finish(ax: Axes, rows: pd.DataFrame, x: str, shown: Sequence[Metric]) -> None:
    ax.set_ylim(value_limits([rows], shown))
    ax.set_xlabel(PARAMETERS[x].axis_label)
    mark_values(ax, rows, x)
    ax.grid(axis="y")


def _legend(ax: Axes, rows: pd.DataFrame, shown: Sequence[Metric], *, lines: bool, beside: bool) -> None:
    handles = ax.get_legend_handles_labels()[0] if lines else []
    handles = [*handles, *line_keys([rows], shown)]
    if not handles:
        return
    if beside:  # where it hides no point; in a figure of the caller's there may be no room
        ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
    else:
        ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, -0.24), borderaxespad=0, ncols=3)
