"""The report of judged calls: one self-contained HTML file with a clip of each overlap."""

from __future__ import annotations

import base64
import io
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import soundfile

from bidilab.core.audio import Audio
from bidilab.core.audiofile import read_audio
from bidilab.core.files import written_whole
from bidilab.core.timeline import Interval
from bidilab.detect.vad import resample
from bidilab.lab.datasets.importing.sources import shown
from bidilab.lab.judge.said import said_of
from bidilab.lab.metrics.columns import JUDGED_TOTALS, KIND_LABELS
from bidilab.lab.metrics.intervals import too_few_to_say
from bidilab.show.plots.calls import call_timeline, outcome_words
from bidilab.show.plots.style import detached_figures, style
from bidilab.show.report.tables import Table, interval_text

if TYPE_CHECKING:
    from bidilab.lab.judge import JudgedCalls
    from bidilab.lab.judge.exchange import Exchange

__all__ = ["CLIP_AFTER_S", "CLIP_BEFORE_S", "judge_report"]

CLIP_BEFORE_S, CLIP_AFTER_S = 2.0, 4.0
_CLIP_RATE = 16_000
_MIME = {"MP3": "audio/mpeg", "FLAC": "audio/flac"}
_MOST_FIGURES, _MOST_CALLS, _MOST_ROWS = 3, 200, 2000
_NOT_KNOWN = 2
_STRIP_PX = 290.0


class _Strip(NamedTuple):
    """A bar of a clip's strip, in pixels from its left edge."""

    x: float
    width: float
    side: str
    kind: str


def judge_report(judged: JudgedCalls, path: str | os.PathLike[str], *, max_clips: int) -> Path:
    """Write the report; see `JudgedCalls.report`."""
    target = Path(path)
    html = render(judged, max_clips=max_clips)
    target.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(target) as partial:
        partial.write_text(html, "utf-8")
    return target


def render(judged: JudgedCalls, *, max_clips: int) -> str:
    """The report as HTML text."""
    import jinja2

    folder = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,  # names of files are a stranger's text
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    ordered = _worst_first(judged.overlaps)
    return environment.get_template("judged.html.j2").render(
        css=(folder / "style.css").read_text("utf-8"),
        judged=judged,
        name=shown(Path(judged.root.name)),
        said=said_of(judged),
        cards=_cards(judged),
        causes=_causes_table(judged),
        overlaps=list(_rows(judged, ordered.head(_MOST_ROWS), max_clips)),
        n_overlaps=len(ordered),
        n_clips=min(max_clips, len(ordered)),
        before_s=CLIP_BEFORE_S,
        after_s=CLIP_AFTER_S,
        figures=list(_figures(judged)),
        calls=_calls_table(judged),
        n_calls_shown=min(len(judged.calls), _MOST_CALLS),
        definitions=[(column.label, column.definition) for column in JUDGED_TOTALS if column.interval],
        provenance=[(key.replace("_", " "), str(value)) for key, value in judged.provenance().items() if value != []],
    )


def _worst_first(overlaps: pd.DataFrame) -> pd.DataFrame:
    """False stops, interruptions that were spoken on over, what is not known, the rest.

    What is not known comes in the order of how likely it is bad, and all else in that of the calls.
    """
    must_not = overlaps["kind"] != "interruption"
    outcome = overlaps["outcome"].astype(str)
    rank = np.select(
        [must_not & (outcome == "yielded"), ~must_not & (outcome == "not yielded"), outcome == "ambiguous"],
        [0, 1, _NOT_KNOWN],
        3,
    )
    p_cut = overlaps["p_cut"].fillna(0.0).to_numpy(dtype=np.float64)
    likely_bad = np.where(rank == _NOT_KNOWN, np.where(must_not, p_cut, 1 - p_cut), 0.0)
    return overlaps.iloc[np.lexsort((-likely_bad, rank))]


def _rows(judged: JudgedCalls, overlaps: pd.DataFrame, max_clips: int) -> Iterator[dict[str, Any]]:
    """The rows of the list of overlaps; those that have a clip are read call by call, so that each is read once."""
    with_clip = overlaps.head(max_clips)
    clips: dict[Any, str] = {}
    for call, of_call in with_clip.groupby("call", sort=False):
        audio = read_audio(judged.files[str(call)])
        for index, onset_s in zip(of_call.index, of_call["onset_s"].tolist(), strict=True):
            clips[index] = _clip(audio, judged.exchange(str(call)).heard.user_channel, onset_s)
    for index, row in overlaps.iterrows():
        kind = str(row["kind"])
        yield {
            "call": row["call"],
            "at": _clock(row["onset_s"]),
            "kind": "short speech" if kind == "backchannel" else KIND_LABELS[kind],
            "outcome": outcome_words(row),
            "evidence": row["evidence"],
            "good": _is_good(row),
            "together": f"{row['talk_over_ms']:.0f} ms",
            "clip": clips.get(index),
            "onset_px": round(_STRIP_PX * _before_s(row["onset_s"]) / (_before_s(row["onset_s"]) + CLIP_AFTER_S), 1),
            "strip": list(_strip(judged.exchange(row["call"]), row["onset_s"])),
        }


def _is_good(row: pd.Series[Any]) -> str:
    if row["outcome"] not in ("yielded", "not yielded"):
        return "unknown"
    return "good" if (row["outcome"] == "yielded") == (row["kind"] == "interruption") else "bad"


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:06.3f}"


def _clip(audio: Audio, user_channel: int, onset_s: float) -> str:
    """A stretch of a call as a data URI: the user on the left, the agent on the right."""
    rate = audio.sample_rate
    start = max(0, round((onset_s - CLIP_BEFORE_S) * rate))
    cut = audio.samples[start : round((onset_s + CLIP_AFTER_S) * rate)]
    sides = [cut[:, user_channel - 1], cut[:, 2 - user_channel]]
    samples = np.stack([resample(side, rate, _CLIP_RATE) for side in sides], axis=1)
    buffer = io.BytesIO()
    kind = "MP3" if "MP3" in soundfile.available_formats() else "FLAC"  # libsndfile writes MP3 from 1.1 on
    soundfile.write(buffer, samples, _CLIP_RATE, format=kind)
    return f"data:{_MIME[kind]};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _before_s(onset_s: float) -> float:
    """How much of a clip lies before the onset: less where the call has only begun."""
    return min(onset_s, CLIP_BEFORE_S)


def _strip(exchange: Exchange, onset_s: float) -> Iterator[_Strip]:
    """Who speaks when in a clip, as bars."""
    rate, first = exchange.heard.sample_rate, onset_s - _before_s(onset_s)
    length = _before_s(onset_s) + CLIP_AFTER_S
    bars: list[tuple[Interval, str, str]] = [
        (piece, "user", event.kind) for event in exchange.events for piece in event.pieces
    ]
    bars += [(piece, "agent", "response") for response in exchange.responses for piece in response.pieces]
    for piece, side, kind in bars:
        left = max(0.0, (piece.start / rate - first) / length)
        right = min(1.0, (piece.end / rate - first) / length)
        if right > left:
            yield _Strip(round(_STRIP_PX * left, 1), round(_STRIP_PX * (right - left), 1), side, kind)


def _cards(judged: JudgedCalls) -> list[dict[str, str]]:
    cards = []
    for name, row in judged.rates.iterrows():
        column = JUDGED_TOTALS[str(name)]
        value, low, high = float(row["value"]), float(row["value_lo"]), float(row["value_hi"])
        few = column.unit == "%" and bool(too_few_to_say(low, high, row["n_calls"]))
        cards.append(
            {
                "label": column.label,
                "value": column.format(value, unit=True),
                "interval": interval_text(column, low, high),
                "n": f"n = {row['n']:.{0 if row['n'] == round(row['n']) else 1}f} {column.n_label}"
                + (", too few to say" if few and not math.isnan(value) else ""),
            }
        )
    return cards


def _causes_table(judged: JudgedCalls) -> Table:
    t = judged.totals.iloc[0]
    of = judged.overlaps
    rows = []
    for kind in of["kind"].cat.categories[1:]:
        n = int((of["kind"] == kind).sum())
        stops = float(t[f"n_false_stops_{kind}"])
        on = int(((of["kind"] == kind) & (of["outcome"] == "not yielded")).sum())
        rows.append(("short speech" if kind == "backchannel" else KIND_LABELS[kind], str(n), f"{stops:.1f}", str(on)))
    return Table(
        title="What must not stop the agent",
        head=("over the agent", "n", "stopped it (sum of probabilities)", "spoken on"),
        rows=tuple(rows),
    )


def _calls_table(judged: JudgedCalls) -> Table:
    columns = (
        "n_responses",
        "n_interruptions",
        "n_yielded",
        "n_not_yielded",
        "n_must_not_stop",
        "n_false_stops",
        "n_cut_ins",
    )
    worst = judged.calls.assign(bad=judged.calls["n_false_stops"] + judged.calls["n_not_yielded"])
    shown = worst.sort_values("bad", ascending=False, kind="stable").head(_MOST_CALLS)
    rows = [
        (
            str(row["call"]),
            f"{60 * row['call_min']:.0f}",
            *(JUDGED_TOTALS[name].format(float(row[name])) for name in columns),
            "" if math.isnan(row["echo_db"]) else f"{row['echo_db']:.0f} dB",
            str(row["warning"]),
        )
        for _, row in shown.iterrows()
    ]
    head = ("call", "length (s)", *(JUDGED_TOTALS[name].label for name in columns), "echo", "warning")
    return Table(title="Calls, those with the most to listen to first", head=head, rows=tuple(rows))


def _figures(judged: JudgedCalls) -> Iterator[dict[str, str]]:
    worst = judged.calls.assign(bad=judged.calls["n_false_stops"] + judged.calls["n_not_yielded"])
    chosen = worst[worst["n_overlaps"] > 0].sort_values("bad", ascending=False, kind="stable").head(_MOST_FIGURES)
    for call in chosen["call"]:
        with detached_figures(), style():
            buffer = io.BytesIO()
            call_timeline(judged, call).savefig(buffer, format="svg", metadata={"Date": None})
        source = base64.b64encode(buffer.getvalue()).decode("ascii")
        yield {"call": call, "src": f"data:image/svg+xml;base64,{source}"}
