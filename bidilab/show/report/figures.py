"""The standard figures of a sweep, with their names and captions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bidilab.show.plots.accessor import loss_figure
from bidilab.show.plots.conditions import conditions
from bidilab.show.plots.curves import by_kind, curve, curves
from bidilab.show.plots.ecdf import ecdf
from bidilab.show.plots.endpoints import endpoints
from bidilab.show.plots.heatmap import heatmap
from bidilab.show.plots.metrics import KIND_LABELS, metric
from bidilab.show.plots.save import figure_of, save_figure
from bidilab.show.plots.slices import describe, moves
from bidilab.show.plots.style import detached_figures, new_figure, style
from bidilab.show.plots.timeline import timeline
from bidilab.show.plots.tradeoff import tradeoff
from bidilab.show.report.focus import Focus, focus_of, interval_unit, under_its_condition

if TYPE_CHECKING:
    from bidilab.lab.sweep import SweepResult, Weights

__all__ = [
    "SECTIONS",
    "ReportFigure",
    "condition_figures",
    "example_figures",
    "mapped",
    "settle",
    "summary_figures",
    "write_figures",
]

HEATMAPS = (
    "missed_rate",
    "false_interruption_rate",
    "latency_detected_ms_p50",
    "latency_detected_ms_p90",
    "premature_endpoint_rate",
    "endpoint_latency_ms_p50",
    "false_per_min",
    "cut_in_talk_s",
)
"""What is mapped over threshold and silence duration, where both move it."""
EVENT_RATES = ("missed_rate", "false_interruption_rate")
ENDPOINT = ("premature_endpoint_rate",)
CONDITIONS = (*EVENT_RATES, *ENDPOINT)
AROUND_S = 4.0


SECTIONS = ("conditions", "choice", "tradeoff", "heatmaps", "curves", "kinds", "turns", "examples")
"""Parts of the report that hold figures."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReportFigure:
    """A figure with its caption.

    Parameters
    ----------
    name
        Stem of its files; stable from one sweep to the next.
    section
        Part of the report it belongs to: one of `SECTIONS`.
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
    max_premature_endpoint_rate: float | None = None,
    weights: Weights | None = None,
) -> list[Path]:
    """Write the standard set of figures, each as SVG, PDF and PNG with its data as CSV.

    Parameters
    ----------
    result
        What a sweep gave.
    directory
        Folder to write to; made when absent.
    max_false_interruption_rate, max_missed_rate, max_premature_endpoint_rate, weights
        Of the recommendation that the figures mark, as in ``result.recommend``.

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    ResultError
        If the recordings of a loaded result are not where they were (the timelines need them).
    """
    limits = (max_false_interruption_rate, max_missed_rate, max_premature_endpoint_rate)
    found = focus_of(result, result.recommend(*limits, weights=weights))
    one, focus = under_its_condition(result, found)
    written: list[Path] = []
    with detached_figures():
        for figures in (condition_figures(result, found), summary_figures(one, focus), example_figures(one, focus)):
            for figure in figures:
                settle(figure)
                written += save_figure(figure.drawn, Path(directory) / figure.name)
    return written


def settle(figure: ReportFigure) -> None:
    """Fix the layout of a figure, so that each format and each run gives the same picture.

    No engine is left, not even matplotlib's placeholder: with one, each file of the figure is drawn twice.
    """
    drawn = figure_of(figure.drawn)
    engine = drawn.get_layout_engine()
    with style():
        if engine is not None:
            engine.execute(drawn)
        drawn.set_layout_engine(None)


def condition_figures(result: SweepResult, focus: Focus) -> Iterator[ReportFigure]:
    """Yield the figure of the setting under each condition of the audio; nothing where only one was swept."""
    if len(result.conditions) == 1:
        return
    yield ReportFigure(
        name="conditions",
        section="conditions",
        caption=f"At {describe(focus.at)}, under each condition of the audio; {_rests_on(result, *CONDITIONS)}",
        alt="Missed rate, false-interruption rate, premature endpoints, false stops per minute under each condition.",
        drawn=conditions(result.settings, at=focus.at),
    )


def summary_figures(result: SweepResult, focus: Focus) -> Iterator[ReportFigure]:
    """Yield the figures that need only the tables."""
    settings = result.settings
    if np.isfinite(focus.recommendation.losses).any():
        yield _loss(result, focus)
    yield _endpoints(result, focus)
    yield _tradeoff(result, focus)
    yield from _heatmaps(result, focus)
    yield ReportFigure(
        name="curves",
        section="curves",
        caption=f"Each parameter varied around {focus.words}; {_rests_on(result, *EVENT_RATES)} Where a parameter "
        "moves no event rate, its panel says so and shows what it does move.",
        alt="Panels: interruption latency, share stopped within 500 ms, false-interruption and missed rate against "
        "each parameter that moves them; for the other parameters, a note that they do not, and what they move.",
        drawn=curves(settings, at=focus.at),
    )
    yield ReportFigure(
        name="by-kind",
        section="kinds",
        caption="False-interruption rate by kind of event, against the threshold; "
        f"{_rests_on(result, 'false_interruption_rate')}",
        alt="Lines of false-interruption rate against threshold for backchannels, side speech, noise and echo.",
        drawn=by_kind(settings, at=_others(focus.at, "threshold")),
    )
    yield _turn_ends(result, focus)


def _n_words(result: SweepResult, *names: str) -> str:
    """What the numbers of a figure rest on."""
    n = [metric(name).n_range(result.settings) for name in names if name in result.settings]
    return "; ".join(filter(None, dict.fromkeys(n)))


def _rests_on(result: SweepResult, *names: str) -> str:
    """What the numbers of a figure rest on, and what an interval takes as the unit, as the end of a caption."""
    return f"{_n_words(result, *names)}. {interval_unit(result)}"


def example_figures(result: SweepResult, focus: Focus) -> Iterator[ReportFigure]:
    """Yield the figures that need the recordings: distribution of latency, a false and a missed interruption.

    Raises
    ------
    ResultError
        If the recordings of a loaded result are not where they were.
    """
    events = result.events(focus.setting)
    n = metric("latency_detected_ms_p50").n_range(result.settings)
    yield ReportFigure(
        name="latency-ecdf",
        section="examples",
        caption=f"Distribution of interruption latency at {focus.words}; {n}, including missed ones.",
        alt="Cumulative distribution of interruption latency; it ends below 100 % where interruptions were missed.",
        drawn=ecdf({focus.words: events}),
    )
    for outcome, words in (("false", "A false interruption"), ("missed", "A missed interruption")):
        row = _typical(events, outcome)
        if row is not None:
            yield _example(result, focus, row, outcome, words)


def _others(at: Mapping[str, float], name: str) -> dict[str, float]:
    return {other: value for other, value in at.items() if other != name}


def _loss(result: SweepResult, focus: Focus) -> ReportFigure:
    caption = (
        "The loss that decides the recommendation, for each setting under its worst condition. The choice has the "
        "least average over its neighbours; a knob leaves the default only where that pays. A dot marks a setting that "
        "the recordings cannot tell from the choice (95 %, paired by recording)."
    )
    return ReportFigure(
        name="loss",
        section="choice",
        caption=caption,
        alt="Heat map of the loss over threshold and silence duration, with the recommended setting framed, those that "
        "cannot be told from it dotted, and the default marked.",
        drawn=loss_figure(result.settings, focus.recommendation, setting=focus.setting, default=focus.default),
    )


def _endpoints(result: SweepResult, focus: Focus) -> ReportFigure:
    return ReportFigure(
        name="endpoints",
        section="choice",
        caption=f"Premature endpoints against waiting, a line per threshold; {_rests_on(result, *ENDPOINT)} Lower left "
        "is better; along a line, a longer silence means fewer cut-ins and a longer wait.",
        alt="Lines of the premature-endpoint rate against the median endpoint latency, one per threshold, each through "
        "the silence durations swept, with the recommended setting and the default marked.",
        drawn=endpoints(
            result.settings,
            at=focus.at,
            marked=focus.marked,
            max_premature_endpoint_rate=focus.recommendation.limits.get("max_premature_endpoint_rate"),
        ),
    )


def _tradeoff(result: SweepResult, focus: Focus) -> ReportFigure:
    return ReportFigure(
        name="tradeoff",
        section="tradeoff",
        caption="Every setting swept. Left: median latency against false interruptions; right: misses against false "
        f"interruptions. The ring marks the {focus.role} setting: {focus.words}; {_n_words(result, *EVENT_RATES)}.",
        alt="Two scatter plots of all settings with their Pareto fronts: median interruption latency, and missed rate, "
        f"against the false-interruption rate. The {focus.role} setting is ringed.",
        drawn=tradeoff(
            result.settings,
            recommended=focus.setting,
            role=focus.role,
            max_false_interruption_rate=focus.recommendation.limits.get("max_false_interruption_rate"),
        ),
    )


def mapped(result: SweepResult, focus: Focus) -> tuple[list[str], list[str]]:
    """Metrics that both threshold and silence duration move, and those that one of the two does not."""
    there = [name for name in HEATMAPS if name in result.settings]
    both = [
        name
        for name in there
        if all(moves(result.settings, axis, [name], focus.at) for axis in ("threshold", "silence_duration_ms"))
    ]
    return both, [name for name in there if name not in both]


def _heatmaps(result: SweepResult, focus: Focus) -> Iterator[ReportFigure]:
    at = _others(_others(focus.at, "threshold"), "silence_duration_ms")
    for name in mapped(result, focus)[0]:
        shown = metric(name)
        n = shown.n_range(result.settings)
        yield ReportFigure(
            name=f"heatmap-{name.replace('_', '-')}",
            section="heatmaps",
            caption=f"{shown.meaning[:-1]}; {n}." if n else shown.meaning,
            alt=f"Heat map of {shown.axis_label} over threshold and silence duration at {describe(at)}.",
            drawn=heatmap(result.settings, name, at=at),
        )


TURN_PANELS = (
    (("premature_endpoint_rate",), "silence_duration_ms"),
    (("endpoint_latency_ms_p50", "endpoint_latency_ms_p90"), "silence_duration_ms"),
    (("onset_clipped_ms_p50", "onset_clipped_ms_p90"), "prefix_padding_ms"),
    (("false_per_min",), "threshold"),
    (("false_stop_share", "agent_lost_share"), "threshold"),
    (("unprompted_per_min",), "threshold"),
    (("n_cut_ins_heard",), "silence_duration_ms"),
    (("cut_in_talk_s",), "silence_duration_ms"),
)
"""What turns and a whole conversation cost, and the parameter that it is drawn against."""


def _turn_ends(result: SweepResult, focus: Focus) -> ReportFigure:
    settings = result.settings
    drawn = [(list(names), x) for names, x in TURN_PANELS if set(names) <= set(settings)]
    with style():
        figure = new_figure(9.2, 2.9 * -(-len(drawn) // 2))
        panels = figure.subplots(-(-len(drawn) // 2), 2, squeeze=False).ravel()
    for panel, (names, x) in zip(panels, drawn, strict=False):
        curve(settings, names, x=x, at=_others(focus.at, x), ax=panel)
    for unused in panels[len(drawn) :]:
        unused.set_visible(False)
    still_open = int(focus.row.get("n_endpoints_open", 0))
    censored = f" {still_open} of the turns were still open when their recording ended." if still_open else ""
    agent = "the simulated agent" if result.evaluation == "simulated" else "the recorded agent"
    return ReportFigure(
        name="turns",
        section="turns",
        caption="Cut-ins and waiting at the end of a turn against the silence duration, lost onset against the prefix "
        f"padding, and what a conversation with {agent} costs. {interval_unit(result)}{censored}",
        alt="Panels: premature endpoints and endpoint latency against silence duration, onset clipping against prefix "
        "padding, false stops per minute, responses stopped falsely and agent speech lost against threshold.",
        drawn=figure,
    )


def _typical(events: pd.DataFrame, outcome: str) -> dict[str, Any] | None:
    """Pick the middle one of the most frequent sort, so that the example is typical."""
    rows = events[events["outcome"] == outcome]
    if rows.empty:
        return None
    sort = rows["kind"].astype("object")
    of_sort = rows[sort == sort.value_counts(sort=True).index[0]]
    return {str(key): value for key, value in of_sort.iloc[len(of_sort) // 2].items()}


def _example(result: SweepResult, focus: Focus, row: Mapping[str, Any], outcome: str, words: str) -> ReportFigure:
    recording_id = str(row["recording_id"])
    data = result.plot.timeline_data(recording_id, focus.setting)
    moment = float(row["segment_start_s"])
    start, end = max(0.0, moment - AROUND_S), min(data.duration_s, moment + AROUND_S)
    kind = KIND_LABELS[str(row["kind"])]
    in_session = f"in the conversation: {str(row['in_session']).replace('_', ' ')}"
    title = f"{recording_id}, {start:.0f}–{end:.0f} s, at {focus.words}"
    return ReportFigure(
        name=f"timeline-{outcome}",
        section="examples",
        caption=f"{words} ({kind}; {in_session}) at {moment:.1f} s of recording {recording_id}."
        + (" The pale part in a dashed frame is what the agent would have gone on to say." if data.unheard else ""),
        alt=f"Timeline of recording {recording_id}: agent and user waveform with labels, probability of speech, "
        f"decisions; {words.lower()} at {moment:.1f} seconds.",
        drawn=timeline(data, title=title, xlim=(start, end)),
    )
