"""A live session where it does not live: a picture of its last half minute, and its figures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bidilab.bidi.log.fold import LogFold
from bidilab.detect.turns import ServerVad
from bidilab.show.plots.style import COLOURS, detached_figures, new_figure, style
from bidilab.show.widgets.base import StaticForm, png_of, rows_html
from bidilab.show.widgets.live.feed import Tally

if TYPE_CHECKING:
    from bidilab.show.widgets.live.run import LiveRun

__all__ = ["SHOWN_S", "live_form"]

SHOWN_S = 30.0
_LANES = {"user": (1.22, COLOURS["blue"]), "agent": (1.09, COLOURS["grey"])}
_LANE_HEIGHT = 0.1
_PARTS = {
    "onset_to_detected_ms": "onset → detected, median",
    "detected_to_event_ms": "detected → event, median",
    "event_to_silent_ms": "event → silent, median",
    "onset_to_silent_ms": "onset → silent, median",
}


def live_form(run: LiveRun | None, *, state: str, message: str, setting: ServerVad) -> StaticForm:
    """Static form of a live session.

    Parameters
    ----------
    run
        The session, on or over; ``None`` before the first.
    state, message
        What the widget shows.
    setting
        Its knobs.
    """
    tally = Tally.of(LogFold()) if run is None else run.feed.tally
    figures = ", ".join(f"{n} {name}" for name, n in tally.counts.items())
    words = f"Live session, {state}{f' ({message})' if message else ''}: {figures}."
    rows = [("state", state), *((name, str(n)) for name, n in tally.counts.items())]
    rows += [("input lost and filled with silence", f"{tally.lost_ms:.0f} ms")]
    rows += [(_PARTS[name], _median(ms, n)) for name, (ms, n) in tally.medians_ms().items()]
    rows += [("threshold", f"{setting.threshold:g}"), ("prefix padding", f"{setting.prefix_padding_ms} ms")]
    rows += [("silence duration", f"{setting.silence_duration_ms} ms")]
    return StaticForm(title="Live session", text=words, png=_png(run, tally, setting), details_html=rows_html(rows))


def _median(ms: float, n: int) -> str:
    return f"{ms:.1f} ms, n = {n}" if not math.isnan(ms) else "not known, n = 0"


def _png(run: LiveRun | None, tally: Tally, setting: ServerVad) -> bytes:
    with style(), detached_figures():
        figure: Figure = new_figure(7.5, 2.4)
        axes = figure.add_subplot()
        end_s = 0.0 if run is None else run.monitor.n_frames * run.monitor.frame_s
        start_s = max(0.0, end_s - SHOWN_S)
        if run is not None:
            _draw_frames(axes, run, start_s)
        _draw_spans(axes, tally, start_s, end_s)
        off = setting.canonical().deactivation_threshold
        axes.axhline(setting.threshold, color=COLOURS["vermillion"], lw=0.8)
        axes.axhline(off, color=COLOURS["vermillion"], lw=0.8, ls="--")
        axes.set(xlim=(start_s, max(end_s, start_s + 1)), ylim=(0, 1.36), xlabel="session time (s)")
        axes.set_yticks([0, 0.5, 1, 1.14, 1.27], ["0", "0.5", "1", "agent", "user"])
        axes.set_ylabel("speech probability")
        return png_of(figure)


def _draw_frames(axes: Axes, run: LiveRun, start_s: float) -> None:
    first, columns = run.monitor.since(int(start_s / run.monitor.frame_s))
    times = [(first + k) * run.monitor.frame_s for k in range(columns.shape[1])]
    axes.fill_between(times, 0, (columns[0] + 90) / 90, color="#D9D9D9", lw=0, step="post", label="level")
    axes.plot(times, columns[1], color=COLOURS["black"], lw=0.8)


def _draw_spans(axes: Axes, tally: Tally, start_s: float, end_s: float) -> None:
    for span in tally.spans:
        low, colour = _LANES[span.who]
        until = end_s if span.end_s is None else span.end_s
        if until > start_s:
            axes.broken_barh([(span.start_s, until - span.start_s)], (low, _LANE_HEIGHT), color=colour, lw=0)
    for interruption in tally.interruptions:
        if interruption.t_s >= start_s:
            axes.axvline(interruption.t_s, color=COLOURS["vermillion"], lw=1.2)
