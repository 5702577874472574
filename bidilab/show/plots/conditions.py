"""One setting under each condition of the audio: what noise, echo, lines and lost packets do to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.conditions.condition import AS_RECORDED, NUMERIC_FIELDS, parse_condition
from bidilab.lab.metrics.columns import CONDITION
from bidilab.show.plots.lines import MARKERS, draw_line, interval, line_keys, value_limits
from bidilab.show.plots.metrics import Metric, metrics_of
from bidilab.show.plots.save import attach_data
from bidilab.show.plots.slices import check_columns, describe, hold
from bidilab.show.plots.style import COLOURS, CYCLE, new_figure, style

__all__ = ["DEFAULT_METRICS", "conditions", "level_of"]

DEFAULT_METRICS: tuple[str, ...] = (
    "missed_rate",
    "false_interruption_rate",
    "premature_endpoint_rate",
    "false_per_min",
)
"""Rates on the same events and turns under every condition, and what a conversation costs."""
LEVEL_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "snr_db": "signal-to-noise ratio (dB)",
        "echo_db": "echo over the agent's channel (dB)",
        "echo_delay_ms": "delay of the echo (ms)",
        "bitrate_kbps": "bit rate (kbit/s)",
        "packet_loss": "packets lost (share)",
        "loss_burst_packets": "mean run of lost packets",
        "gain_db": "gain of the user's voice (dB)",
    }
)
_FALLING = ("snr_db", "gain_db", "bitrate_kbps")
"""Levels of which less is harder: their axis runs from right to left, so that harder is to the right."""
_LEVEL = "level"
_SERIES = "series"
_ROW_LABEL_CHARACTERS = 30


def conditions(
    settings: pd.DataFrame,
    metrics: str | Sequence[str] = DEFAULT_METRICS,
    *,
    at: Mapping[str, float] | None = None,
) -> Figure:
    """Metrics of one setting under each condition that was swept, with 95 % intervals.

    Where all conditions share a level that varies (an SNR, an echo), the metrics are drawn against it, a line for each
    combination of the rest, harder to the right; the audio as it was recorded is a grey line with its band. Else each
    condition is a row. A point whose n is small is hollow.

    Parameters
    ----------
    settings
        One row per setting and condition, as ``SweepResult.settings``.
    metrics
        Columns, a panel each.
    at
        The setting; by default the swept values nearest to the defaults. The title says which.

    Returns
    -------
    matplotlib.figure.Figure
        The panels, side by side.

    Raises
    ------
    InvalidParameterError
        If no conditions were swept, or a name or value was not.
    """
    shown = metrics_of(metrics)
    if not shown:
        raise InvalidParameterError("metrics", "at least one metric", metrics)
    check_columns(settings, [CONDITION.name, *(column for m in shown for column in (m.name, *m.n_columns))])
    labels = list(dict.fromkeys(settings[CONDITION.name]))
    held: dict[str, float] = {}
    parts = []
    for label in labels:
        part, held = hold(settings[settings[CONDITION.name] == label], (), at)
        parts.append(part)
    rows = pd.concat(parts)
    level = level_of(labels)
    with style():
        figure = _as_rows(rows, shown) if level is None else _as_curves(rows, shown, level)
        figure.suptitle(f"At {describe(held)}", x=0.01, ha="left", fontsize=9)
    columns = [CONDITION.name, *held, *(c for m in shown for c in (m.name, *m.interval_columns, *m.n_columns))]
    attach_data(figure, rows[[column for column in dict.fromkeys(columns) if column in rows.columns]])
    return figure


def level_of(labels: Sequence[str]) -> str | None:
    """The level that all conditions but the audio as recorded have and that varies most; ``None`` without one.

    Examples
    --------
    >>> level_of(["as recorded", "snr_db=20,noise=pink", "snr_db=10,noise=pink"])
    'snr_db'
    """
    parsed = [condition.to_dict() for label in labels if (condition := parse_condition(label)) is not None]
    n_values = {
        name: len({texts[name] for texts in parsed})
        for name in NUMERIC_FIELDS
        if parsed and all(name in texts for texts in parsed)
    }
    varying = {name: n for name, n in n_values.items() if n > 1}
    return max(varying, key=lambda name: varying[name]) if varying else None


def _as_curves(rows: pd.DataFrame, shown: Sequence[Metric], level: str) -> Figure:
    recorded = rows[rows[CONDITION.name] == AS_RECORDED]
    levelled = rows[rows[CONDITION.name] != AS_RECORDED].copy()
    texts = [
        condition.to_dict() for label in levelled[CONDITION.name] if (condition := parse_condition(label)) is not None
    ]
    levelled[_LEVEL] = [float(text[level]) for text in texts]
    levelled[_SERIES] = [", ".join(f"{k} {v}" for k, v in text.items() if k != level) for text in texts]
    names = list(dict.fromkeys(levelled[_SERIES]))
    words = {name: name or f"{level} alone" for name in names}
    columns = min(len(shown), 2)
    n_rows = -(-len(shown) // columns)
    figure = new_figure(3.7 * columns, 0.8 + 2.4 * n_rows)
    panels = figure.subplots(n_rows, columns, squeeze=False).ravel()
    for unused in panels[len(shown) :]:
        unused.set_visible(False)
    for panel, each in zip(panels, shown, strict=False):
        for index, name in enumerate(names):
            line = levelled[levelled[_SERIES] == name].sort_values(_LEVEL)
            look = {"colour": CYCLE[index % len(CYCLE)], "marker": MARKERS[index % len(MARKERS)]}
            draw_line(panel, line, _LEVEL, each, label=words[name], **look)
        _draw_recorded(panel, recorded, each)
        panel.set_ylim(value_limits([rows], [each]))
        panel.set_xlabel(LEVEL_LABELS[level])
        panel.set_ylabel(each.unit or "count")
        panel.set_title(_heading(each, rows))
        panel.grid(axis="y")
        if level in _FALLING:
            panel.invert_xaxis()
    keys: list[Line2D | Patch] = [
        Line2D([], [], color=CYCLE[k % len(CYCLE)], marker=MARKERS[k % len(MARKERS)], label=words[name])
        for k, name in enumerate(names)
        if len(names) > 1 or name
    ]
    if len(recorded):
        keys.append(Line2D([], [], **_RECORDED_LINE, label=AS_RECORDED))
    keys += _signs(rows, shown)
    if keys:
        figure.legend(handles=keys, loc="outside lower left", ncols=4)
    return figure


_RECORDED_LINE: dict[str, Any] = {"color": COLOURS["grey"], "lw": 1.2, "ls": (0, (4, 2))}


def _draw_recorded(ax: Axes, recorded: pd.DataFrame, each: Metric) -> None:
    for value, low, high in zip(each.shown(recorded[each.name]), *interval(recorded, each), strict=True):
        if np.isfinite(value):
            ax.axhline(float(value), zorder=0, **_RECORDED_LINE)
        if np.isfinite(low) and np.isfinite(high):
            ax.axhspan(float(low), float(high), color=COLOURS["grey"], alpha=0.12, lw=0, zorder=0)


def _as_rows(rows: pd.DataFrame, shown: Sequence[Metric]) -> Figure:
    words = [wrap(label.replace(",", ", "), _ROW_LABEL_CHARACTERS) for label in rows[CONDITION.name]]
    row_in = 0.12 + 0.14 * max(len(lines) for lines in words)
    figure = new_figure(1.9 + 2.3 * len(shown), 1.2 + row_in * len(rows))
    if (engine := figure.get_layout_engine()) is not None:
        engine.set(w_pad=0.1)  # type: ignore[call-arg]  # text is a little wider at the resolution of print
    panels = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
    places = np.arange(len(rows))
    for panel, each in zip(panels, shown, strict=True):
        values = each.shown(rows[each.name])
        low, high = interval(rows, each)
        few = each.n(rows) < each.small_n
        for place, value, start, end, hollow in zip(places, values, low, high, few, strict=True):
            if not np.isfinite(value):
                least = f", at least {each.format(start / each.scale)}" if np.isfinite(start) else ""
                text = f"{each.format(float(value))}{least}"
                panel.annotate(text, (0.02, place), xycoords=("axes fraction", "data"), va="center")
                continue
            if np.isfinite(start):
                # Without an upper end the bar goes on beyond the axis.
                panel.plot([start, end if np.isfinite(end) else value * 50], [place, place], color=CYCLE[0], lw=1.2)
            panel.plot(value, place, "o", mfc="white" if hollow else CYCLE[0], mec=CYCLE[0])
        panel.set_xlim(value_limits([rows], [each]))
        panel.set_xlabel(each.unit or "count")
        panel.set_title(_heading(each, rows), fontsize=8)
        panel.grid(axis="x")
    panels[0].set_yticks(places, ["\n".join(lines) for lines in words])
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    keys = _signs(rows, shown)
    if keys:
        figure.legend(handles=keys, loc="outside lower left", ncols=len(keys))
    return figure


def _heading(each: Metric, rows: pd.DataFrame) -> str:
    label = each.label[:1].upper() + each.label[1:]
    return "\n".join(filter(None, (label, each.n_range(rows))))


def _signs(rows: pd.DataFrame, shown: Sequence[Metric]) -> list[Line2D | Patch]:
    """Explanations of hollow points, triangles and open bands, each once."""
    keys: dict[str, Line2D | Patch] = {}
    for each in shown:
        for key in line_keys([rows], [each]):
            counted = "minutes" if each.n_unit else "n"
            label = str(key.get_label()).replace("n <", f"{counted} <")
            keys[label] = key
            key.set_label(label)
    return list(keys.values())
