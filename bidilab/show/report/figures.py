"""The standard figures of a sweep, with their names and captions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bidilab.show.plots.conditions import conditions
from bidilab.show.plots.curves import by_kind, curve, curves
from bidilab.show.plots.ecdf import ecdf
from bidilab.show.plots.heatmap import heatmap
from bidilab.show.plots.metrics import KIND_LABELS, metric
from bidilab.show.plots.save import figure_of, save_figure
from bidilab.show.plots.slices import describe
from bidilab.show.plots.style import detached_figures, new_figure, style
from bidilab.show.plots.timeline import timeline
from bidilab.show.plots.tradeoff import tradeoff
from bidilab.show.report.focus import Focus, focus_of, under_its_condition

if TYPE_CHECKING:
    from bidilab.lab.sweep import SweepResult

__all__ = ["ReportFigure", "condition_figures", "example_figures", "settle", "summary_figures", "write_figures"]

HEATMAPS = (
    "missed_rate",
    "false_interruption_rate",
    "latency_detected_ms_p50",
    "latency_detected_ms_p90",
    "premature_endpoint_rate",
    "endpoint_latency_ms_p50",
)
AROUND_S = 4.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReportFigure:
    """A figure with its caption.

    Parameters
    ----------
    name
        Stem of its files; stable from one sweep to the next.
    section
        Part of the report it belongs to: ``conditions``, ``tradeoff``, ``heatmaps``, ``curves``, ``kinds``, ``turns``
        or ``examples``.
    caption
        What it shows.
    alt
        What it shows, for readers who do not see it.
    drawn
        The figure, or axes of it.
    """

    name: str
    section: str
    caption: str
    alt: str
    drawn: Figure | Axes


def write_figures(
    result: SweepResult,
    directory: str | os.PathLike[str],
    *,
    max_false_interruption_rate: float | None = None,
    max_missed_rate: float | None = None,
) -> list[Path]:
    """Write the standard set of figures, each as SVG, PDF and PNG with its data as CSV.

    Parameters
    ----------
    result
        What a sweep gave.
    directory
        Folder to write to; made when absent.
    max_false_interruption_rate, max_missed_rate
        Limits of the recommendation that the figures mark, as in ``result.recommend``.

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    ResultError
        If the recordings of a loaded result are not where they were (the timelines need them).
    """
    limits = (max_false_interruption_rate, max_missed_rate)
    found = focus_of(result, result.recommend(*limits))
    one, focus = under_its_condition(result, found)
    written: list[Path] = []
    with detached_figures():
        for figures in (condition_figures(result, found), summary_figures(one, focus), example_figures(one, focus)):
            for figure in figures:
                settle(figure)
                written += save_figure(figure.drawn, Path(directory) / figure.name)
    return written


def settle(figure: ReportFigure) -> None:
    """Fix the layout of a figure, so that each format and each run gives the same picture."""
    drawn = figure_of(figure.drawn)
    with style():
        drawn.draw_without_rendering()
    drawn.set_layout_engine("none")


def condition_figures(result: SweepResult, focus: Focus) -> Iterator[ReportFigure]:
    """Yield the figure of the setting under each condition of the audio; nothing where only one was swept."""
    if len(result.conditions) == 1:
        return
    yield ReportFigure(
        name="conditions",
        section="conditions",
        caption=f"{describe(focus.at)} under each condition of the audio. Bars and bands: 95 % intervals.",
        alt="Missed rate, false-interruption rate and false interruptions a minute under each condition.",
        drawn=conditions(result.settings, at=focus.at),
    )


def summary_figures(result: SweepResult, focus: Focus) -> Iterator[ReportFigure]:
    """Yield the figures that need only the tables."""
    settings = result.settings
    yield _tradeoff(settings, focus)
    yield from _heatmaps(settings, focus)
    yield ReportFigure(
        name="curves",
        section="curves",
        caption=f"Each parameter varied around {focus.words}. Bands: 95 % intervals.",
        alt="Nine panels: interruption latency, false-interruption rate and missed rate against threshold, prefix "
        "padding and silence duration, with intervals.",
        drawn=curves(settings, at=focus.at),
    )
    yield ReportFigure(
        name="by-kind",
        section="kinds",
        caption="What interrupts falsely, by kind of event, against the threshold. Bands: 95 % intervals.",
        alt="Lines of false-interruption rate against threshold for backchannels, side speech, noise and echo.",
        drawn=by_kind(settings, at=_others(focus.at, "threshold")),
    )
    yield _turn_ends(settings, focus)


def example_figures(result: SweepResult, focus: Focus) -> Iterator[ReportFigure]:
    """Yield the figures that need the recordings: distribution of latency, a false and a missed interruption.

    Raises
    ------
    ResultError
        If the recordings of a loaded result are not where they were.
    """
    events = result.events(focus.setting)
    yield ReportFigure(
        name="latency-ecdf",
        section="examples",
        caption=f"Distribution of interruption latency at {focus.words}; misses censored where the chance ended.",
        alt="Cumulative distribution of interruption latency; it ends below 100 % where interruptions were missed.",
        drawn=ecdf({focus.words: events}),
    )
    for outcome, words in (("false", "A false interruption"), ("missed", "A missed interruption")):
        row = _typical(events, outcome)
        if row is not None:
            yield _example(result, focus, row, outcome, words)


def _others(at: Mapping[str, float], name: str) -> dict[str, float]:
    return {other: value for other, value in at.items() if other != name}


def _tradeoff(settings: pd.DataFrame, focus: Focus) -> ReportFigure:
    return ReportFigure(
        name="tradeoff",
        section="tradeoff",
        caption="Every setting swept. Left: median latency against false interruptions; right: misses against false "
        f"interruptions. The ring marks the {focus.role} setting: {focus.words}.",
        alt="Two scatter plots of all settings with their Pareto fronts: median interruption latency, and missed rate, "
        f"against the false-interruption rate. The {focus.role} setting is ringed.",
        drawn=tradeoff(
            settings,
            recommended=focus.setting,
            role=focus.role,
            max_false_interruption_rate=focus.max_false_interruption_rate,
        ),
    )


def _heatmaps(settings: pd.DataFrame, focus: Focus) -> Iterator[ReportFigure]:
    at = _others(_others(focus.at, "threshold"), "silence_duration_ms")
    for name in HEATMAPS:
        shown = metric(name)
        yield ReportFigure(
            name=f"heatmap-{name.replace('_', '-')}",
            section="heatmaps",
            caption=shown.definition,
            alt=f"Heat map of {shown.axis_label} over threshold and silence duration at {describe(at)}.",
            drawn=heatmap(settings, name, at=at),
        )


def _turn_ends(settings: pd.DataFrame, focus: Focus) -> ReportFigure:
    with style():
        figure = new_figure(9.2, 5.8)
        panels = figure.subplots(2, 2)
    for panel, names, x in (
        (panels[0, 0], ["premature_endpoint_rate"], "silence_duration_ms"),
        (panels[0, 1], ["endpoint_latency_ms_p50", "endpoint_latency_ms_p90"], "silence_duration_ms"),
        (panels[1, 0], ["onset_clipped_ms_p50", "onset_clipped_ms_p90"], "prefix_padding_ms"),
        (panels[1, 1], ["false_per_min"], "threshold"),
    ):
        curve(settings, names, x=x, at=_others(focus.at, x), ax=panel)
    return ReportFigure(
        name="turns",
        section="turns",
        caption="What the parameters cost: cut-ins and waiting at the end of a turn against the silence duration, "
        "lost onset against the prefix padding, and false interruptions of any cause against the threshold.",
        alt="Four panels: premature endpoints and endpoint latency against silence duration, onset clipping against "
        "prefix padding, false interruptions per minute against threshold.",
        drawn=figure,
    )


def _typical(events: pd.DataFrame, outcome: str) -> dict[str, Any] | None:
    """Pick the middle one of the most frequent sort, so that the example is typical."""
    rows = events[events["outcome"] == outcome]
    if rows.empty:
        return None
    sort = rows["cause"].astype("object") if outcome == "false" else rows["kind"].astype("object")
    of_sort = rows[sort == sort.value_counts(sort=True).index[0]]
    return {str(key): value for key, value in of_sort.iloc[len(of_sort) // 2].items()}


def _example(result: SweepResult, focus: Focus, row: Mapping[str, Any], outcome: str, words: str) -> ReportFigure:
    recording_id = str(row["recording_id"])
    data = result.plot.timeline_data(recording_id, focus.setting)
    moment = float(row["decided_s"] if outcome == "false" else row["segment_start_s"])
    start, end = max(0.0, moment - AROUND_S), min(data.duration_s, moment + AROUND_S)
    cause = KIND_LABELS[str(row["cause"] if outcome == "false" else row["kind"])]
    title = f"{recording_id}, {start:.0f}–{end:.0f} s, at {focus.words}"
    return ReportFigure(
        name=f"timeline-{outcome}",
        section="examples",
        caption=f"{words} ({cause}) at {moment:.1f} s of recording {recording_id}.",
        alt=f"Timeline of recording {recording_id}: agent and user waveform with labels, probability of speech, "
        f"decisions; {words.lower()} at {moment:.1f} seconds.",
        drawn=timeline(data, title=title, xlim=(start, end)),
    )
