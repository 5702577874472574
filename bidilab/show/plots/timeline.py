"""One recording under one setting: waveforms, labels, speech probability, turns and what they did to the agent."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bidilab.core.audio import FloatArray
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import Turn, TurnParams
from bidilab.lab.datasets.labels import Segment
from bidilab.show.plots.metrics import KIND_COLOURS, KIND_LABELS
from bidilab.show.plots.save import attach_data
from bidilab.show.plots.style import COLOURS, new_figure, style

__all__ = ["EVENT_LOOKS", "DrawnEvent", "TimelineData", "drawn_events", "envelope", "timeline"]

MAX_COLUMNS = 1200
INCH_PER_CHARACTER = 0.062
WAVE_COLOUR = "#8C8C8C"
TURN_COLOUR = "#5B7083"  # none of the kinds of segment
THRESHOLD_COLOUR = "#555555"
EVENT_LOOKS = {
    "detected": ("o", COLOURS["vermillion"], "true interruption"),
    "false": ("X", COLOURS["black"], "false interruption"),
    "missed": ("s", COLOURS["vermillion"], "missed interruption"),
    "masked": ("|", COLOURS["grey"], "masked: agent would not have spoken"),
    "preempted": ("|", COLOURS["grey"], "preempted: agent already stopped"),
    "terminal_overlap": ("d", COLOURS["grey"], "terminal overlap"),
    "unjudged": ("P", COLOURS["black"], "interruption; no labels to judge it by"),
}
"""Marker, colour and words of each outcome that is drawn."""
HOLLOW = ("missed",)
INTERRUPTING = ("detected", "false", "unjudged")
_TEXT_BOX = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.6}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TimelineData:
    """What a timeline shows.

    Parameters
    ----------
    user, agent
        ``(n_samples,) float32`` of either channel at ``sample_rate``; ``None`` without one.
    sample_rate
        Hertz of the audio.
    segments
        Labels of both channels.
    probabilities
        ``(n_frames,) float32`` in [0, 1].
    frame_samples
        Samples per frame at ``vad_sample_rate``.
    vad_sample_rate
        Hertz of the detector's positions.
    params
        The setting; its two thresholds are drawn. ``None`` where it is not known.
    turns
        What the detector decided, in samples at ``vad_sample_rate``.
    events
        Rows of ``SweepResult.events(setting)`` of this recording; ``None`` without evaluation.
    length_s
        Seconds that are shown of a session without audio of the user.

    Raises
    ------
    InvalidParameterError
        If there is neither the user's audio nor a length.
    """

    user: FloatArray | None
    agent: FloatArray | None
    sample_rate: int
    segments: Sequence[Segment]
    probabilities: npt.NDArray[np.float32]
    frame_samples: int
    vad_sample_rate: int
    params: TurnParams | None
    turns: Sequence[Turn]
    events: pd.DataFrame | None = None
    length_s: float | None = None

    def __post_init__(self) -> None:
        if self.user is None and not (self.length_s is not None and self.length_s > 0):
            raise InvalidParameterError("length_s", "a number of seconds > 0 without audio of the user", self.length_s)

    @property
    def duration_s(self) -> float:
        """Length of the user channel, or ``length_s`` without one, in seconds."""
        return len(self.user) / self.sample_rate if self.user is not None else float(self.length_s or 0.0)

    @property
    def frame_s(self) -> float:
        """Length of a frame in seconds."""
        return self.frame_samples / self.vad_sample_rate

    def table(self) -> pd.DataFrame:
        """All that is drawn but the waveforms: ``track``, ``label``, ``start_s``, ``end_s``, ``value``."""
        rows: list[tuple[str, str, float, float, float]] = [
            (f"segment_{s.channel}", s.kind, s.start_s, s.end_s, np.nan) for s in self.segments
        ]
        rate = self.vad_sample_rate
        for turn in self.turns:
            rows.append(("turn_audio", "", turn.audio_start / rate, turn.audio_end / rate, np.nan))
            rows.append(("turn_speech", "", turn.onset / rate, turn.offset / rate, np.nan))
        rows += [("outcome", event.text, event.start_s, event.at_s, np.nan) for event in drawn_events(self.events)]
        rows += [
            ("probability", "", k * self.frame_s, (k + 1) * self.frame_s, float(p))
            for k, p in enumerate(self.probabilities)
        ]
        return pd.DataFrame(rows, columns=["track", "label", "start_s", "end_s", "value"])


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnEvent:
    """One outcome as it is drawn.

    Parameters
    ----------
    outcome
        A key of `EVENT_LOOKS`.
    start_s, at_s
        A line from the one to the other, with the marker at its end, in seconds.
    text
        Short words beside the marker.
    """

    outcome: str
    start_s: float
    at_s: float
    text: str


def envelope(
    samples: FloatArray, sample_rate: int, *, start_s: float, end_s: float, columns: int = MAX_COLUMNS
) -> tuple[npt.NDArray[np.float64], FloatArray, FloatArray]:
    """Least and greatest sample of each of at most ``columns`` equal stretches: a waveform that stays small as SVG.

    Returns
    -------
    tuple
        Times in seconds (centre of the stretch), minima and maxima, each ``(n_columns,)``.

    Examples
    --------
    >>> at, low, high = envelope(np.array([0, 1, -1, 0], np.float32), 2, start_s=0, end_s=2, columns=2)
    >>> at.tolist(), low.tolist(), high.tolist()
    ([0.5, 1.5], [0.0, -1.0], [1.0, 0.0])
    """
    first = max(0, min(len(samples), round(start_s * sample_rate)))
    last = max(first, min(len(samples), round(end_s * sample_rate)))
    if first == last:
        nothing = np.zeros(0, dtype=np.float32)
        return np.zeros(0), nothing, nothing
    edges = np.unique(np.linspace(first, last, min(columns, last - first) + 1).astype(np.int64))
    starts = edges[:-1] - first
    cut = samples[first:last]
    at = (edges[:-1] + edges[1:]) / (2 * sample_rate)
    return at, np.minimum.reduceat(cut, starts), np.maximum.reduceat(cut, starts)


def timeline(
    data: TimelineData,
    *,
    title: str = "",
    xlim: tuple[float, float] | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Draw a recording under a setting on one time axis.

    From the top: the agent's and the user's waveform with their labels, the probability of speech with both
    thresholds, and the detector's turns with what became of each opportunity. A line through all panels marks each
    moment at which the agent was interrupted.

    Parameters
    ----------
    data
        What to show.
    title
        Heading of the figure.
    xlim
        Seconds to show; by default the whole recording.
    figure
        An empty figure to draw in; by default a new one.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    Raises
    ------
    InvalidParameterError
        If ``xlim`` is not a rising pair.
    """
    start_s, end_s = xlim or (0.0, data.duration_s)
    if not start_s < end_s:
        raise InvalidParameterError("xlim", "a pair of seconds, the first smaller", xlim)
    with style():
        figure = figure or new_figure(7.2, 4.9)
        panels = figure.subplots(4, 1, sharex=True, height_ratios=(1.0, 1.15, 1.0, 1.05))
        panels[0].set_xlim(start_s, end_s)
        _draw_channel(panels[0], data, "agent")
        _draw_channel(panels[1], data, "user")
        _draw_probability(panels[2], data)
        events = [e for e in drawn_events(data.events) if start_s <= e.at_s <= end_s]
        _draw_decisions(panels[3], data, events)
        for event in events:
            if event.outcome in INTERRUPTING:
                for panel in panels:
                    panel.axvline(event.at_s, color=EVENT_LOOKS[event.outcome][1], lw=0.8, ls=(0, (3, 2)), zorder=1)
        panels[3].set_xlabel("time (s)")
        figure.align_ylabels(list(panels))
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=9.5)
        figure.legend(handles=_keys(data, events, start_s, end_s), loc="outside lower left", ncols=4)
    attach_data(figure, data.table())
    return figure


def _draw_channel(ax: Axes, data: TimelineData, channel: str) -> None:
    samples = data.agent if channel == "agent" else data.user
    start_s, end_s = ax.get_xlim()
    peak = 0.0
    if samples is not None:
        at, low, high = envelope(samples, data.sample_rate, start_s=start_s, end_s=end_s)
        peak = float(max(np.abs(low).max(initial=0.0), np.abs(high).max(initial=0.0)))
        ax.fill_between(at, low, high, color=WAVE_COLOUR, lw=0.3, zorder=2)
    top = peak * 1.1 or 1.0
    ax.set_ylim(-top, top * 1.75)
    width_in = ax.get_window_extent().width / ax.figure.dpi
    for segment in data.segments:
        if segment.channel != channel or segment.end_s <= start_s or segment.start_s >= end_s:
            continue
        colour = KIND_COLOURS[segment.kind]
        left, right = max(segment.start_s, start_s), min(segment.end_s, end_s)
        ax.axvspan(left, right, color=colour, alpha=0.10, lw=0, zorder=0)
        ax.barh(1.42 * top, right - left, left=left, height=0.44 * top, color=colour, lw=0, zorder=2)
        words = KIND_LABELS[segment.kind]
        if (right - left) / (end_s - start_s) * width_in > INCH_PER_CHARACTER * len(words) + 0.03:
            face = "white" if channel == "agent" or segment.kind in ("turn", "interruption", "backchannel") else "black"
            ax.text((left + right) / 2, 1.41 * top, words, fontsize=6.5, color=face, ha="center", va="center", zorder=3)
    ax.set_ylabel(channel)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    if samples is None:
        ax.text(0.5, 0.3, f"no audio of the {channel}", transform=ax.transAxes, ha="center", color="#777777")


def _draw_probability(ax: Axes, data: TimelineData) -> None:
    edges = np.arange(len(data.probabilities) + 1) * data.frame_s
    ax.stairs(data.probabilities, edges, color="#222222", lw=0.9, baseline=None, zorder=3)
    for turn in data.turns:
        rate = data.vad_sample_rate
        ax.axvspan(turn.started_at / rate, turn.stopped_at / rate, color=TURN_COLOUR, alpha=0.22, lw=0, zorder=0)
    params = data.params
    for value, name, dashes in (
        (
            (params.threshold, "on", "-"),
            (params.deactivation_threshold, "off", (0, (3, 2))),
        )
        if params is not None
        else ()
    ):
        ax.axhline(value, color=THRESHOLD_COLOUR, lw=0.8, ls=dashes, zorder=2)
        label = f"{name} {value:.2f}"
        ax.annotate(label, (1, value), (3, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                    fontsize=6.5, color=THRESHOLD_COLOUR, va="center")  # fmt: skip
    ax.set_ylim(-0.03, 1.05)
    ax.set_yticks([0, 0.5, 1])
    ax.set_ylabel("P(speech)")


def _draw_decisions(ax: Axes, data: TimelineData, events: Sequence[DrawnEvent]) -> None:
    rate = data.vad_sample_rate
    for turn in data.turns:
        start, end = turn.audio_start / rate, turn.audio_end / rate
        ax.barh(0, end - start, left=start, height=0.5, color=TURN_COLOUR, alpha=0.4, lw=0)
        onset, offset = turn.onset / rate, turn.offset / rate
        ax.barh(0, offset - onset, left=onset, height=0.5, color=TURN_COLOUR, lw=0)
        ax.plot([turn.started_at / rate] * 2, [-0.3, 0.3], color="black", lw=1.2, solid_capstyle="butt")
    start_s, end_s = ax.get_xlim()
    per_character = INCH_PER_CHARACTER / (ax.get_window_extent().width / ax.figure.dpi) * (end_s - start_s)
    taken = [-np.inf] * 3
    for event in sorted(events, key=lambda e: e.start_s):
        marker, colour, _ = EVENT_LOOKS[event.outcome]
        width = per_character * (len(event.text) + 2)
        right_of = event.at_s + 1.2 * per_character
        to_left = right_of + width > end_s
        left = event.at_s - width - 1.2 * per_character if to_left else min(event.start_s, event.at_s)
        level = next((i for i, until in enumerate(taken) if until < left), None)
        y = 0.85 + 0.62 * (level if level is not None else 2)
        face = "white" if event.outcome in HOLLOW else colour
        ax.plot([event.start_s, event.at_s], [y, y], color=colour, lw=1.4, zorder=2)
        ax.plot([event.at_s], [y], ls="", marker=marker, ms=6, mfc=face, mec=colour, zorder=3, gid=event.outcome)
        if level is None:
            continue  # no room: the marker and its key say it
        taken[level] = event.at_s + 0.8 * per_character if to_left else right_of + width
        x, ha = (event.at_s - 1.2 * per_character, "right") if to_left else (right_of, "left")
        ax.text(x, y, event.text, fontsize=6.5, color=colour, ha=ha, va="center", zorder=4, bbox=_TEXT_BOX)
    ax.set_ylim(-0.45, 2.5)
    ax.set_yticks([])
    ax.set_ylabel("decisions")
    ax.spines["left"].set_visible(False)


def drawn_events(events: pd.DataFrame | None) -> list[DrawnEvent]:
    """The outcomes that are drawn, of a table like ``SweepResult.events`` or ``Replay.interruptions``."""
    if events is None:
        return []
    drawn = []
    for row in events.to_dict("records"):
        outcome = str(row["outcome"])
        if outcome not in EVENT_LOOKS:
            continue  # an ignored event is as it should be: nothing happened
        # A false interruption is drawn from what the detector took for an onset, the others from the true onset.
        acted = outcome in (*INTERRUPTING, "terminal_overlap")
        # Of a provider that does not tell what it detected, only when the application was told is known.
        told = float(row["event_s"]) if acted and pd.isna(row["decided_s"]) else None
        onset = row["onset_s"] if told is None else told
        start = float(onset if outcome in ("false", "unjudged") else row["segment_start_s"])
        at = told if told is not None else float(row["decided_s"] if acted else row["segment_end_s"])
        drawn.append(DrawnEvent(outcome=outcome, start_s=start, at_s=at, text=_event_text(outcome, row)))
    return drawn


def _event_text(outcome: str, row: Mapping[Hashable, Any]) -> str:
    if outcome == "detected" and pd.isna(row["latency_ms"]):
        return f"event after {float(row['event_latency_ms']):.0f} ms"
    if outcome == "detected":
        return f"{float(row['latency_ms']):.0f} ms"
    if outcome == "false":
        return f"false: {KIND_LABELS[str(row['cause'])]}"
    return "interruption" if outcome == "unjudged" else outcome.replace("_", " ")


def _keys(data: TimelineData, events: Sequence[DrawnEvent], start_s: float, end_s: float) -> list[Patch | Line2D]:
    kinds = {s.kind for s in data.segments if s.end_s > start_s and s.start_s < end_s}
    keys: list[Patch | Line2D] = [
        Patch(color=KIND_COLOURS[kind], lw=0, label=words) for kind, words in KIND_LABELS.items() if kind in kinds
    ]
    keys.append(Patch(color=TURN_COLOUR, lw=0, label="detector's turn (pale: padding)"))
    keys.append(Line2D([], [], color="black", lw=1.2, label="start of turn decided"))
    for outcome, (marker, colour, words) in EVENT_LOOKS.items():
        if any(event.outcome == outcome for event in events):
            face = "white" if outcome in HOLLOW else colour
            keys.append(Line2D([], [], color=colour, marker=marker, ms=6, mfc=face, mec=colour, lw=1.4, label=words))
    return keys
