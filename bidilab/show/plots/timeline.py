"""One recording under one setting: waveforms, labels, speech probability, turns and what they did to the agent."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bidilab.core.audio import FloatArray
from bidilab.core.audioroom import let_go
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import EndOfTurn, Turn, TurnParams
from bidilab.detect.turns.detector import AskedScore
from bidilab.lab.datasets.labels import Segment
from bidilab.show.plots.metrics import KIND_COLOURS, KIND_LABELS
from bidilab.show.plots.save import attach_data
from bidilab.show.plots.style import COLOURS, new_figure, style
from bidilab.show.window import Window

__all__ = ["EVENT_LOOKS", "DrawnEvent", "TimelineData", "drawn_events", "envelope", "timeline", "turn_span_s"]

MAX_COLUMNS = 1200
_BLOCK_SAMPLES = 1 << 22
INCH_PER_CHARACTER = 0.062
WAVE_COLOUR = "#8C8C8C"
TURN_COLOUR = "#5B7083"  # none of the kinds of segment
THRESHOLD_COLOUR = "#555555"
EVENT_LOOKS = {
    "detected": ("o", COLOURS["vermillion"], "true interruption"),
    "false": ("X", COLOURS["black"], "false interruption"),
    "missed": ("s", COLOURS["vermillion"], "missed interruption"),
    "continued": ("d", COLOURS["grey"], "stop as the user went on"),
    "stopped": ("|", COLOURS["grey"], "stop by an event that is in no rate"),
    "unjudged": ("P", COLOURS["black"], "interruption, unlabelled"),
}
"""Marker, colour and words of each outcome that is drawn."""
SCORE_COLOUR = COLOURS["purple"]
END_LOOKS = {
    "score": ("D", SCORE_COLOUR, "turn ended by a score"),
    "timeout": ("D", "white", "turn ended by the timeout"),
}
"""Marker, face and words of a turn's end by its cause; an end by silence alone has none."""
HOLLOW = ("missed",)
UNHEARD_OPACITY = 0.3
_UNHEARD: dict[str, Any] = {"facecolor": "white", "edgecolor": KIND_COLOURS["response"], "lw": 0.9, "ls": (0, (2, 1.5))}
_JUDGED = ("detected", "false", "missed", "ignored")
_NOT_MET = {"masked": "masked", "silent": "agent silent", "unheard": "unheard"}
"""Where the agent of the session was not speaking, in words: the event is judged for itself all the same."""
_STOPPED = {
    "stopped": "stopped",
    "stopped_falsely": "false",
    "stopped_unlabelled": "unjudged",
    "stopped_unsure": "unjudged",
    "continued": "continued",
}
"""How a stop is drawn that is not an event judged for itself."""
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
    first_frame
        Number of the first of these frames in the recording.
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
    asked, end_of_turn
        What a scorer of ends of turns was asked, and the rule; nothing and ``None`` where silence alone ends turns.
    unheard
        Seconds from and to of what the agent would have gone on to say, had nothing stopped it; drawn pale.

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
    asked: Sequence[AskedScore] = ()
    end_of_turn: EndOfTurn | None = None
    first_frame: int = 0
    unheard: Sequence[tuple[float, float]] = ()

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

    def within(self, window: Window) -> TimelineData:
        """The same recording with only those labels, frames, turns and scores that are in a window.

        The audio stays whole, so that times stay what they are; events are chosen when they are drawn.
        """
        rate, n = self.vad_sample_rate, len(self.probabilities)
        frames = window.steps(self.frame_s, self.first_frame + n)
        first = max(self.first_frame, frames.start)
        return replace(
            self,
            segments=window.select(self.segments, lambda s: (s.start_s, s.end_s)),
            probabilities=self.probabilities[first - self.first_frame : max(0, frames.stop - self.first_frame)],
            first_frame=first,
            turns=window.select(self.turns, lambda turn: turn_span_s(turn, rate)),
            asked=window.select(self.asked, lambda asked: (asked.question.asked_at / rate,) * 2),
            unheard=window.select(self.unheard, lambda span: span),
            length_s=self.duration_s,
        )

    def table(self, drawn: Sequence[DrawnEvent] | None = None) -> pd.DataFrame:
        """All that is drawn but the waveforms: ``track``, ``label``, ``start_s``, ``end_s``, ``value``.

        ``drawn`` are the outcomes; all of them when not given.
        """
        outcomes = drawn_events(self.events) if drawn is None else drawn
        rows: list[tuple[str, str, float, float, float]] = [
            (f"segment_{s.channel}", s.kind, s.start_s, s.end_s, np.nan) for s in self.segments
        ]
        rows += [("agent_unheard", "", start_s, end_s, np.nan) for start_s, end_s in self.unheard]
        rate = self.vad_sample_rate
        for turn in self.turns:
            rows.append(("turn_audio", "", turn.audio_start / rate, turn.audio_end / rate, np.nan))
            rows.append(("turn_speech", "", turn.onset / rate, turn.offset / rate, np.nan))
            rows.append(("turn_end", turn.cause, turn.stopped_at / rate, turn.stopped_at / rate, np.nan))
        rows += [
            ("score", "", q.asked_at / rate, q.asked_at / rate, np.nan if score is None else score)
            for q, score in self.asked
        ]
        rows += [("outcome", event.text, event.start_s, event.at_s, np.nan) for event in outcomes]
        rows += [
            ("probability", "", k * self.frame_s, (k + 1) * self.frame_s, float(p))
            for k, p in enumerate(self.probabilities, self.first_frame)
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
    cut_s
        Where the agent of the session stopped for it; ``None`` where it did not.
    """

    outcome: str
    start_s: float
    at_s: float
    text: str
    cut_s: float | None = None

    def span_s(self) -> tuple[float, float]:
        """From where to where it is drawn, in seconds."""
        at = [self.start_s, self.at_s] if self.cut_s is None else [self.start_s, self.at_s, self.cut_s]
        return min(at), max(at)


def turn_span_s(turn: Turn, sample_rate: int) -> tuple[float, float]:
    """From where to where a turn is drawn, with its padding and both decisions, in seconds."""
    return min(turn.audio_start, turn.onset) / sample_rate, max(turn.audio_end, turn.stopped_at) / sample_rate


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
    at = (edges[:-1] + edges[1:]) / (2 * sample_rate)
    low, high = np.empty((2, len(at)), dtype=np.float32)
    n_at_once = max(1, _BLOCK_SAMPLES * len(at) // (last - first))
    for k in range(0, len(at), n_at_once):  # what lies in a file is not to be in memory all at once
        within = edges[k : k + n_at_once + 1]
        cut, starts = samples[within[0] : within[-1]], within[:-1] - within[0]
        np.minimum.reduceat(cut, starts, out=low[k : k + n_at_once])
        np.maximum.reduceat(cut, starts, out=high[k : k + n_at_once])
        if last - first > _BLOCK_SAMPLES:
            let_go(samples)
    return at, low, high


def timeline(
    data: TimelineData,
    *,
    title: str = "",
    xlim: tuple[float, float] | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Draw a recording under a setting on one time axis.

    From the top: the agent's and the user's waveform with their labels, the probability of speech with both
    thresholds, and the detector's turns with what becomes of each event, judged for itself. A line through all panels
    marks each moment at which the agent of the session stopped.

    Parameters
    ----------
    data
        What to show.
    title
        Heading of the figure.
    xlim
        Seconds to show; by default the whole recording, of one longer than two minutes the first two.
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
    window = Window.of(xlim, data.duration_s)
    start_s, end_s = window.start_s, window.end_s
    data = data.within(window)
    if xlim is None and not window.is_whole:
        title = f"{title} ({window.words})".lstrip()
    with style():
        figure = figure or new_figure(7.2, 4.9)
        panels = figure.subplots(4, 1, sharex=True, height_ratios=(1.0, 1.15, 1.0, 1.05))
        panels[0].set_xlim(start_s, end_s)
        _draw_channel(panels[0], data, "agent")
        _draw_channel(panels[1], data, "user")
        _draw_probability(panels[2], data)
        drawn = window.select(drawn_events(data.events), DrawnEvent.span_s)
        events = [e for e in drawn if start_s <= e.at_s <= end_s]
        _draw_decisions(panels[3], data, events)
        for event in drawn:
            if event.cut_s is not None and start_s <= event.cut_s <= end_s:
                for panel in panels:
                    panel.axvline(event.cut_s, color=EVENT_LOOKS[event.outcome][1], lw=0.8, ls=(0, (3, 2)), zorder=1)
        panels[3].set_xlabel("time (s)")
        figure.align_ylabels(list(panels))
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=9.5)
        figure.legend(handles=_keys(data, events, start_s, end_s), loc="outside lower left", ncols=4)
    attach_data(figure, data.table(drawn))
    return figure


def _draw_channel(ax: Axes, data: TimelineData, channel: str) -> None:
    samples = data.agent if channel == "agent" else data.user
    start_s, end_s = ax.get_xlim()
    peak = 0.0
    if samples is not None:
        at, low, high = envelope(samples, data.sample_rate, start_s=start_s, end_s=end_s)
        peak = float(max(np.abs(low).max(initial=0.0), np.abs(high).max(initial=0.0)))
        pale = np.zeros(len(at), dtype=bool)
        for begins_s, stops_s in data.unheard if channel == "agent" else ():
            pale |= (at >= begins_s) & (at < stops_s)
        for there, opacity in ((~pale, 1.0), (pale, UNHEARD_OPACITY)):
            ax.fill_between(at, low, high, where=there.tolist(), color=WAVE_COLOUR, lw=0.3, alpha=opacity, zorder=2)
    top = peak * 1.1 or 1.0
    ax.set_ylim(-top, top * 1.75)
    width_in = ax.get_window_extent().width / ax.figure.dpi
    if channel == "agent":
        for begins_s, stops_s in data.unheard:
            left, right = max(begins_s, start_s), min(stops_s, end_s)
            ax.barh(1.42 * top, right - left, left=left, height=0.44 * top, zorder=2.5, **_UNHEARD)
    for segment in data.segments:
        if segment.channel != channel or segment.end_s <= start_s or segment.start_s >= end_s:
            continue
        colour = KIND_COLOURS[segment.kind]
        left, right = max(segment.start_s, start_s), min(segment.end_s, end_s)
        if channel == "agent":
            right = min([right, *(at_s for at_s, _ in data.unheard if left <= at_s < segment.end_s)])
        ax.axvspan(left, right, color=colour, alpha=0.10, lw=0, zorder=0)
        bar: dict[str, Any] = {"color": colour, "lw": 0.0}
        if segment.unsure:
            bar = {"facecolor": "white", "edgecolor": colour, "lw": 1.0, "hatch": "////"}
        ax.barh(1.42 * top, right - left, left=left, height=0.44 * top, zorder=2, **bar)
        words = f"{KIND_LABELS[segment.kind]}: unsure" if segment.unsure else KIND_LABELS[segment.kind]
        if (right - left) / (end_s - start_s) * width_in > INCH_PER_CHARACTER * len(words) + 0.03:
            face = "white" if channel == "agent" or segment.kind in ("turn", "interruption", "backchannel") else "black"
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5} if segment.unsure else None
            face = "black" if segment.unsure else face
            ax.text((left + right) / 2, 1.41 * top, words, fontsize=6.5, color=face, ha="center", va="center", zorder=3,
                    bbox=box)  # fmt: skip
    ax.set_ylabel(channel)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    if samples is None:
        ax.text(0.5, 0.3, f"no audio of the {channel}", transform=ax.transAxes, ha="center", color="#777777")


def _draw_probability(ax: Axes, data: TimelineData) -> None:
    edges = (data.first_frame + np.arange(len(data.probabilities) + 1)) * data.frame_s
    ax.stairs(data.probabilities, edges, color="#222222", lw=0.9, baseline=None, zorder=3)
    for turn in data.turns:
        rate = data.vad_sample_rate
        ax.axvspan(turn.started_at / rate, turn.stopped_at / rate, color=TURN_COLOUR, alpha=0.22, lw=0, zorder=0)
    if data.end_of_turn is not None:
        _draw_scores(ax, data, data.end_of_turn.threshold)
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


def _draw_scores(ax: Axes, data: TimelineData, threshold: float) -> None:
    """Scores where they were asked; one that fires is full."""
    for fires in (False, True):
        shown = [
            (question.asked_at / data.vad_sample_rate, score)
            for question, score in data.asked
            if score is not None and (score > threshold) == fires
        ]
        face = SCORE_COLOUR if fires else "white"
        at, scores = [each[0] for each in shown], [each[1] for each in shown]
        ax.plot(at, scores, ls="", marker="D", ms=4.5, mfc=face, mec=SCORE_COLOUR, zorder=4, clip_on=False)
    ax.axhline(threshold, color=SCORE_COLOUR, lw=0.9, ls=(0, (1, 2)), zorder=2)


def _draw_decisions(ax: Axes, data: TimelineData, events: Sequence[DrawnEvent]) -> None:
    rate = data.vad_sample_rate
    for turn in data.turns:
        start, end = turn.audio_start / rate, turn.audio_end / rate
        ax.barh(0, end - start, left=start, height=0.5, color=TURN_COLOUR, alpha=0.4, lw=0)
        onset, offset = turn.onset / rate, turn.offset / rate
        ax.barh(0, offset - onset, left=onset, height=0.5, color=TURN_COLOUR, lw=0)
        ax.plot([turn.started_at / rate] * 2, [-0.3, 0.3], color="black", lw=1.2, solid_capstyle="butt")
        if turn.cause in END_LOOKS:
            marker, face, _ = END_LOOKS[turn.cause]
            ax.plot([turn.stopped_at / rate], [0], ls="", marker=marker, ms=5, mfc=face, mec=SCORE_COLOUR, zorder=3)
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
    """The outcomes that are drawn, of a table like ``SweepResult.events`` or ``Replay.interruptions``.

    An event that is judged for itself is drawn from its onset to where a speaking agent stops; a missed one to its end.
    What is in no rate, or was not judged, is drawn where the session stopped.
    """
    if events is None:
        return []
    drawn = (_drawn(row) for row in events.to_dict("records"))
    return [event for event in drawn if event is not None]


def _drawn(row: Mapping[Hashable, Any]) -> DrawnEvent | None:
    cut_s = None if pd.isna(row["decided_s"]) else float(row["decided_s"])
    outcome, in_session = str(row["outcome"]), row.get("in_session")
    if outcome == "missed":
        text = "missed" + _not_met(in_session)
        return DrawnEvent(
            outcome=outcome,
            start_s=float(row["segment_start_s"]),
            at_s=float(row["segment_end_s"]),
            text=text,
            cut_s=cut_s,
        )
    if in_session is not None and outcome in _JUDGED and np.isfinite(row["latency_ms"]):
        start_s, latency_ms = float(row["segment_start_s"]), float(row["latency_ms"])
        words = f"{latency_ms:.0f} ms" if outcome == "detected" else f"false: {KIND_LABELS[str(row['kind'])]}"
        at_s = start_s + latency_ms / 1000
        return DrawnEvent(outcome=outcome, start_s=start_s, at_s=at_s, text=words + _not_met(in_session), cut_s=cut_s)
    if outcome in ("unlabelled", "unsure") and in_session is None:
        outcome = "unjudged"
    elif in_session is not None and outcome != "unjudged":
        outcome = _STOPPED.get(str(in_session), "")
    if outcome not in EVENT_LOOKS:
        return None  # nothing happened, as it should be; or nobody heard the response that was cut
    # Of a provider that does not tell what it detected, only when the application was told is known.
    at_s = float(row["event_s"]) if cut_s is None else cut_s
    # What should not have stopped the agent is drawn from what the detector took for an onset.
    untrue = outcome in ("false", "unjudged")
    start_s = at_s if cut_s is None and untrue else float(row["onset_s" if untrue else "segment_start_s"])
    return DrawnEvent(outcome=outcome, start_s=start_s, at_s=at_s, text=_stop_text(outcome, row), cut_s=at_s)


def _not_met(in_session: Any) -> str:
    words = _NOT_MET.get(str(in_session))
    return f" ({words})" if words else ""


def _stop_text(outcome: str, row: Mapping[Hashable, Any]) -> str:
    if outcome == "detected" and pd.isna(row["latency_ms"]):
        return f"event after {float(row['event_latency_ms']):.0f} ms"
    if outcome == "detected":
        return f"{float(row['latency_ms']):.0f} ms"
    if outcome == "false":
        return f"false: {KIND_LABELS[str(row['cause'])]}"
    return {"continued": "the user went on", "stopped": f"stop: {row['kind']}"}.get(outcome, "interruption")


def _keys(data: TimelineData, events: Sequence[DrawnEvent], start_s: float, end_s: float) -> list[Patch | Line2D]:
    kinds = {s.kind for s in data.segments if s.end_s > start_s and s.start_s < end_s}
    keys: list[Patch | Line2D] = [
        Patch(color=KIND_COLOURS[kind], lw=0, label=words) for kind, words in KIND_LABELS.items() if kind in kinds
    ]
    if any(s.unsure for s in data.segments if s.end_s > start_s and s.start_s < end_s):
        keys.append(Patch(facecolor="white", edgecolor="black", hatch="////", label="unsure: in no rate"))
    if any(begins < end_s and stops > start_s for begins, stops in data.unheard):
        keys.append(Patch(label="response cut: not heard", **_UNHEARD))
    keys.append(Patch(color=TURN_COLOUR, lw=0, label="detector's turn (pale: padding)"))
    keys.append(Line2D([], [], color="black", lw=1.2, label="start of turn decided"))
    if data.end_of_turn is not None:
        look: dict[str, Any] = {"color": SCORE_COLOUR, "marker": "D", "ms": 4.5, "ls": "", "mec": SCORE_COLOUR}
        keys.append(
            Line2D([], [], mfc="white", label="score asked for, end of turn (full: above the threshold)", **look)
        )
        for cause, (_, face, words) in END_LOOKS.items():
            if any(turn.cause == cause for turn in data.turns):
                keys.append(Line2D([], [], mfc=face, label=words, **look))
    for outcome, (marker, colour, words) in EVENT_LOOKS.items():
        if any(event.outcome == outcome for event in events):
            face = "white" if outcome in HOLLOW else colour
            keys.append(Line2D([], [], color=colour, marker=marker, ms=6, mfc=face, mec=colour, lw=1.4, label=words))
    return keys
