"""A judged call: both sides, what was said over the agent, and what became of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bidilab.core.audio import Audio
from bidilab.core.audiofile import read_audio
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics.columns import KIND_LABELS
from bidilab.show.plots.metrics import KIND_COLOURS
from bidilab.show.plots.save import attach_data
from bidilab.show.plots.style import COLOURS, new_figure, style
from bidilab.show.plots.timeline import envelope
from bidilab.show.window import Window

if TYPE_CHECKING:
    from bidilab.lab.judge import JudgedCalls

__all__ = ["call_timeline", "outcome_words"]

_PANEL_S, _MOST_PANELS = 30.0, 10
_WIDTH_IN, _PANEL_IN = 9.0, 1.45
_WAVE, _RESPONSE = "#8C8C8C", COLOURS["grey"]
_GOOD, _BAD, _UNKNOWN = COLOURS["green"], COLOURS["vermillion"], COLOURS["black"]
_LINES = {"cut": "-", "ambiguous": ":"}
_LOUDEST_HALF = 0.85


def outcome_words(row: pd.Series[Any]) -> str:
    """What became of an overlap, in a few words: a row of ``JudgedCalls.overlaps``."""
    silent = f"{row['silent_ms']:.0f} ms"
    outcome = str(row["outcome"])
    if outcome == "yielded":
        words = f"{'yielded' if row['kind'] == 'interruption' else 'false stop'} after {silent}"
        return words if math.isnan(row["resumed_s"]) else f"{words}, resumed"
    if outcome == "not yielded":
        return f"spoken on, {row['talk_over_ms']:.0f} ms together"
    if outcome == "agent finished by itself":
        return f"agent had finished after {silent}"
    if math.isnan(row["p_cut"]):
        return f"not known ({row['evidence']})"
    return f"silent after {silent}, cut {100 * row['p_cut']:.0f} %"


def _outcome_colour(row: pd.Series[Any]) -> str:
    """Green for what an agent should do, red for what it should not, black for what is not known, or neither."""
    if row["outcome"] not in ("yielded", "not yielded"):
        return _UNKNOWN
    return _GOOD if (row["outcome"] == "yielded") == (row["kind"] == "interruption") else _BAD


def call_timeline(judged: JudgedCalls, call: str, *, xlim: tuple[float, float] | None = None) -> Figure:
    """Draw a call.

    From the top of each panel: the user's waveform with the events found on it, in the colours of their kinds, and
    what became of those that begin over the agent; below, the agent's, with its responses shaded. A line marks where a
    response ended that was cut, or may have been.

    Parameters
    ----------
    judged
        The calls.
    call
        Name of the call.
    xlim
        Seconds to show, in panels of at least 30 s; by default the whole call, of one longer than five minutes the
        first five.

    Raises
    ------
    InvalidParameterError
        If ``xlim`` is no stretch of the call.
    AudioError
        If the recording is gone.
    """
    exchange = judged.exchange(call)
    length_s = exchange.heard.n_samples / exchange.heard.sample_rate
    window = Window.of(xlim, length_s, widest_s=_MOST_PANELS * _PANEL_S)
    start_s, end_s = window.start_s, window.end_s
    if not 0 <= start_s < end_s or start_s >= length_s:
        raise InvalidParameterError("xlim", f"a stretch of the call, inside 0 to {length_s:.1f} s", xlim)
    end_s = min(end_s, length_s)
    audio = read_audio(judged.files[call])
    n_panels = max(1, min(_MOST_PANELS, math.ceil((end_s - start_s) / _PANEL_S)))
    panel_s = max((end_s - start_s) / n_panels, _PANEL_S if n_panels > 1 else 0.0)
    overlaps = judged.overlaps[judged.overlaps["call"] == call]
    with style():
        figure = new_figure(_WIDTH_IN, 0.9 + _PANEL_IN * n_panels)
        axes = figure.subplots(n_panels, 1, squeeze=False)[:, 0]
        for number, ax in enumerate(axes):
            first = start_s + number * panel_s
            _panel(ax, judged, call, audio, overlaps, first, first + panel_s if n_panels > 1 else end_s)
        part = "" if window.is_whole else f" ({window.words} is shown)"
        axes[0].set_title(f"{call}: {len(overlaps)} events over the agent{part}", parse_math=False)
        axes[-1].set_xlabel("time (s)")
        kinds = sorted({event.kind for event in exchange.events})
        figure.legend(
            handles=[
                *(Patch(facecolor=KIND_COLOURS[kind], alpha=0.5, label=_words(kind)) for kind in kinds),
                Patch(facecolor=_RESPONSE, alpha=0.25, label="response of the agent"),
                *(
                    Line2D([], [], color=_UNKNOWN, lw=0.9, ls=line, label=words)
                    for line, words in (("-", "cut"), (":", "cut, or finished"))
                ),
            ],
            loc="outside lower center",
            ncols=8,
        )
    attach_data(figure, overlaps.reset_index(drop=True))
    return figure


def _words(kind: str) -> str:
    return {"interruption": "speech of more than 1 s", "backchannel": "short speech"}.get(kind, KIND_LABELS[kind])


def _panel(
    ax: Axes, judged: JudgedCalls, call: str, audio: Audio, overlaps: pd.DataFrame, start_s: float, end_s: float
) -> None:
    exchange = judged.exchange(call)
    rate, user = exchange.heard.sample_rate, exchange.heard.user_channel - 1
    for channel, middle in ((user, 1.0), (1 - user, -1.0)):
        at, low, high = envelope(audio.channel(channel), rate, start_s=start_s, end_s=end_s)
        loudest = max(float(abs(audio.channel(channel)).max()), 1e-6)
        scale = _LOUDEST_HALF / loudest
        ax.fill_between(at, middle + scale * low, middle + scale * high, color=_WAVE, linewidth=0, rasterized=False)
    for event in exchange.events:
        ax.axvspan(
            event.interval.start / rate,
            event.interval.end / rate,
            0.5,
            0.84,
            color=KIND_COLOURS[event.kind],
            alpha=0.35,
            lw=0,
        )
    for response in exchange.responses:
        ax.axvspan(
            response.interval.start / rate, response.interval.end / rate, 0, 0.5, color=_RESPONSE, alpha=0.2, lw=0
        )
    ends = judged.responses[(judged.responses["call"] == call) & judged.responses["ends"].isin(list(_LINES))]
    for at, how in zip(ends["end_s"].tolist(), ends["ends"].astype(str).tolist(), strict=True):
        ax.plot([at, at], [-2, 0.6], color=_UNKNOWN, lw=0.9, ls=_LINES[how])
    shown = overlaps[(overlaps["onset_s"] >= start_s) & (overlaps["onset_s"] < end_s)]
    for place, (row, align) in zip(_places(len(shown)), _aligned(shown, start_s, end_s), strict=True):
        ax.text(
            row["onset_s"],
            place,
            outcome_words(row),
            color=_outcome_colour(row),
            fontsize=6.8,
            ha=align,
            va="bottom",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.6},
            parse_math=False,
        )
    ax.set_xlim(start_s, end_s)
    ax.set_ylim(-2, 2.75)
    ax.set_yticks([1, -1], ["user", "agent"])
    ax.tick_params(axis="y", length=0)


def _places(n: int) -> Iterator[float]:
    """Heights of the words, on two lines in turn, so that neighbours do not cover each other."""
    for number in range(n):
        yield 2.36 if number % 2 else 1.95


def _aligned(rows: pd.DataFrame, start_s: float, end_s: float) -> Iterator[tuple[pd.Series[Any], str]]:
    """Each row, and on which side of its onset the words stand: inside the panel."""
    for _, row in rows.iterrows():
        yield row, "left" if row["onset_s"] < start_s + 0.8 * (end_s - start_s) else "right"
