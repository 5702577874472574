"""A live session where it does not live: a picture of its last half minute or more, and its figures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bidilab.bidi.log.fold import LogFold
from bidilab.detect.turns import EndOfTurn, ServerVad
from bidilab.show.plots.style import COLOURS, detached_figures, new_figure, style
from bidilab.show.widgets.base import StaticForm, png_of, rows_html
from bidilab.show.widgets.live.feed import Tally, latencies_ms

if TYPE_CHECKING:
    from bidilab.show.widgets.live.run import LiveRun

__all__ = ["SHOWN_S", "live_form"]

SHOWN_S = 30.0
LONGEST_S = 115.0
"""Seconds before the end from which an interruption is still shown: the monitor keeps two minutes."""
_BEFORE_S = 4.0
_LISTED = 20
_LANES = {"user": (1.22, COLOURS["blue"]), "agent": (1.09, COLOURS["grey"])}
_LANE_HEIGHT = 0.1
_PARTS = {
    "onset_to_detected_ms": "onset → detected, median",
    "detected_to_event_ms": "detected → event, median",
    "event_to_silent_ms": "event → silent, median",
    "onset_to_silent_ms": "onset → silent, median",
}


def live_form(
    run: LiveRun | None,
    *,
    state: str,
    message: str,
    setting: ServerVad,
    end_of_turn: EndOfTurn | None = None,
    drawn: bool = True,
) -> StaticForm:
    """Static form of a live session.

    Parameters
    ----------
    run
        The session, on or over; ``None`` before the first.
    state, message
        State and message that the widget shows.
    setting, end_of_turn
        Its knobs.
    drawn
        Whether with a picture.
    """
    tally = Tally.of(LogFold()) if run is None else run.feed.tally
    figures = ", ".join(f"{n} {name}" for name, n in tally.counts.items())
    words = f"Live session, {state}{f' ({message})' if message else ''}: {figures}."
    rows = [("state", state), *((name, str(n)) for name, n in tally.counts.items())]
    rows += [("input lost and filled with silence", f"{tally.lost_ms:.0f} ms")]
    rows += [(_PARTS[name], _median(ms, n)) for name, (ms, n) in tally.medians_ms().items()]
    rows += [("threshold", f"{setting.threshold:g}"), ("prefix padding", f"{setting.prefix_padding_ms} ms")]
    rows += [("silence duration", f"{setting.silence_duration_ms} ms")]
    if end_of_turn is not None:
        rows += [("end-of-turn threshold", f"{end_of_turn.threshold:g}")]
        rows += [("end-of-turn delay", f"{end_of_turn.action_delay_ms:g} ms")]
        rows += [("end-of-turn timeout", f"{end_of_turn.timeout_ms:g} ms")]
    if run is not None:
        whose = "the session's detector" if run.monitor.is_its_own else "here; what the provider computes is not told"
        words += f" Speech probability: {run.monitor.detector}, {whose}."
    details = rows_html(rows) + _cuts_html(tally)
    found = None if run is None else run.feed.diagnosis
    if found is not None:
        words += f" The doctor: {', '.join(found.causes) or 'nothing found'}."
        details += found._repr_html_()
    if not drawn:
        words += " The picture is drawn when the session has ended."
    png = _png(run, tally, setting) if drawn else b""
    return StaticForm(title="Live session", text=words, png=png, details_html=details)


def _median(ms: float, n: int) -> str:
    return f"{ms:.1f} ms, n = {n}" if not math.isnan(ms) else "not known, n = 0"


def _cuts_html(tally: Tally) -> str:
    """The last interruptions, one a row."""
    rows = []
    for cut in tally.interruptions[-_LISTED:]:
        silent_ms = latencies_ms(cut)["onset_to_silent_ms"]
        said = "nobody heard what was cut" if cut.unheard else "interruption"
        said += "" if silent_ms is None else f", silent {silent_ms:.0f} ms after the onset"
        rows.append((f"at {cut.t_s:.2f} s", said + (f", labelled {cut.label}" if cut.label else "")))
    return f"<p><b>Interruptions</b></p>{rows_html(rows)}" if rows else ""


def _png(run: LiveRun | None, tally: Tally, setting: ServerVad) -> bytes:
    with style(), detached_figures():
        figure: Figure = new_figure(7.5, 2.4)
        axes = figure.add_subplot()
        end_s = 0.0 if run is None else run.monitor.n_frames * run.monitor.frame_s
        start_s = max(0.0, end_s - SHOWN_S)
        cuts_s = [cut.t_s - _BEFORE_S for cut in tally.interruptions if cut.t_s > end_s - LONGEST_S]
        start_s = max(0.0, min([start_s, *cuts_s]))
        if run is not None:
            _draw_frames(axes, run, start_s)
        _draw_spans(axes, tally, start_s, end_s)
        _draw_thresholds(axes, run, setting, max(end_s, start_s + 1))
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
    for cut in tally.interruptions:
        if cut.t_s < start_s:
            continue
        if cut.unheard:  # no interruption: a mark of its own
            axes.plot([cut.t_s], [1.04], ls="", marker="o", ms=4, mfc="white", mec=COLOURS["grey"], zorder=4)
        else:
            axes.axvline(cut.t_s, color=COLOURS["vermillion"], lw=1.2)


def _draw_thresholds(axes: Axes, run: LiveRun | None, setting: ServerVad, end_s: float) -> None:
    """Each threshold from where it took effect to where the next did."""
    off = setting.canonical().deactivation_threshold
    steps = [{"at_s": 0.0, "on": setting.threshold, "off": off}] if run is None else run.feed.thresholds
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        until = end_s if following is None else following["at_s"]
        for name, dashes in (("on", "-"), ("off", "--")):
            axes.hlines(step[name], step["at_s"], until, color=COLOURS["vermillion"], lw=0.8, ls=dashes)
