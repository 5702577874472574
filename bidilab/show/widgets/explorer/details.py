"""What lies behind a cell of the heat map: recordings, one recording's decisions, and two settings compared."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from bidilab.core.errors import InvalidParameterError, ResultError
from bidilab.lab.metrics.columns import RECORDINGS_AT, SETTINGS, Count, Rate, telling_axes
from bidilab.lab.sweep.recommendation import default_values
from bidilab.show.plots.metrics import Metric, metric
from bidilab.show.plots.slices import describe
from bidilab.show.widgets.endings import ending_words
from bidilab.show.widgets.explorer.columns import pack_columns
from bidilab.show.widgets.timelinefeed import decisions_data

if TYPE_CHECKING:
    from bidilab.lab.sweep import SweepResult

__all__ = [
    "comparison_rows",
    "default_title",
    "ending_of",
    "recording_decisions",
    "recordings_answer",
    "recordings_behind",
    "what_if_words",
]

_SHOWN_COUNTS = (
    "n_true_opportunities",
    "n_detected",
    "n_missed",
    "n_premature_endpoints",
    "n_turns",
    "n_endpoints_open",
    "n_false",
    "n_stops_continued",
)
"""Counts that are shown of a recording; a result of an earlier rule has not all of them."""
_FALSE_RATE = SETTINGS.column("false_interruption_rate", Rate)
_HITS = "n_false_hits"
_HEADS = (
    ("missed", "n_missed", "n_true_opportunities"),
    ("false", _HITS, "n_false_opportunities"),
    ("cut-ins", "n_premature_endpoints", "n_turns"),
    ("latency (ms)", "latency_detected_ms_p50", None),
    ("false in session", "n_false", None),
    ("user went on", "n_stops_continued", None),
)
"""Heads of the list of recordings, the column of each, and the count that it is a part of."""
_ABSENT = "No latencies, timelines and sound: the recordings of this sweep cannot be evaluated again. {}"
_ATTACH = "Tell the result where they are: result.attach(dataset)."


def recordings_behind(result: SweepResult, setting: int) -> pd.DataFrame:
    """The recordings of a setting as the explorer lists them, indexed by ``recording_id``.

    Columns of `RECORDINGS_AT`, and ``n_false_hits`` of ``n_false_opportunities``: what the false-interruption rate
    counts; ``n_false`` are the false stops of the conversation. Latency and talk-over are there where the recordings
    are at hand.
    """
    at_hand = result.has_recordings
    table = result.recordings_at(setting) if at_hand else result.counts_at(setting)
    shown = table[[name for name in _SHOWN_COUNTS if name in table]].copy()
    shown[_HITS] = table[list(_FALSE_RATE.of)].sum(axis=1)
    shown["n_false_opportunities"] = table[list(_FALSE_RATE.per)].sum(axis=1)
    more = ("latency_detected_ms_p50", "talk_over_s") if at_hand else ()
    return shown.join(table[list(more)])


def recordings_answer(result: SweepResult, setting: int) -> tuple[dict[str, Any], list[bytes]]:
    """`recordings_behind` for the browser: ``ids``, ``columns``, ``heads``, ``note`` (what is absent), and buffers.

    ``ending`` says how turns end in the setting.
    """
    table = recordings_behind(result, setting)
    columns, buffers = pack_columns(table)
    why = result.outdated or result.detector_changed or _ATTACH
    note = "" if "talk_over_s" in table else _ABSENT.format(why)
    heads = [_head(label, name, of) for label, name, of in _HEADS if name in table]
    answered = {"ids": [str(name) for name in table.index], "columns": columns, "heads": heads, "note": note}
    return {**answered, "ending": ending_of(result, setting)}, buffers


def ending_of(result: SweepResult, setting: int) -> str:
    """How turns end in a setting, as a sentence."""
    silence_ms = result.params(setting).silence_duration_ms
    return ending_words(result.end_of_turn(setting), silence_ms=silence_ms, scorer=result.end_of_turn_scorer)


def default_title(result: SweepResult, setting: int) -> str:
    """What the setting is that is marked as the default: the provider's, or only the nearest to it that was swept."""
    wanted = telling_axes(default_values(result.provider))
    row = cast("pd.Series[Any]", result.settings.loc[setting])
    away = [name for name in result.axes if name in wanted and float(row[name]) != wanted[name]]
    if not away:
        return f"the default of {result.provider}"
    shipped = describe({name: wanted[name] for name in away})
    return f"nearest to the default of {result.provider}, which has {shipped}"


def _head(label: str, name: str, of: str | None) -> dict[str, Any]:
    column = _FALSE_RATE if name == _HITS else RECORDINGS_AT[name]
    words = {"unit": column.unit, "scale": column.scale, "decimals": column.decimals, "n_columns": column.n_columns}
    return {
        "label": label,
        "title": column.meaning,
        "name": name,
        "of": of,
        "metric": None if isinstance(column, (Count, Rate)) else words,
    }


def recording_decisions(result: SweepResult, recording_id: str, setting: int) -> dict[str, Any]:
    """What a setting makes of a recording, for ``static/timeline.js``, and which ``setting`` it is."""
    params, guards, end_of_turn = result.params(setting), result.guards(setting), result.end_of_turn(setting)
    responses = None
    if result.evaluation == "simulated":
        responses = result.source_of(setting).simulated_segments(
            recording_id, params, guards, end_of_turn, result.adaptive(setting)
        )
    decided = decisions_data(
        params,
        result.turns(recording_id, setting),
        result.events(setting, recording_id),
        sample_rate=result.vad_sample_rate,
        responses=responses,
        end_of_turn=end_of_turn,
        asked=result.source_of(setting).tracked(recording_id).asked(params, end_of_turn),
    )
    return {**decided, "setting": setting}


def comparison_rows(result: SweepResult, a: int, b: int) -> list[dict[str, Any]]:
    """``result.compare(a, b)`` as text: ``label``, ``a``, ``b`` with their n, ``difference``, ``interval``, ``paired``.

    ``differs`` says whether the interval leaves out 0.
    """
    rows = []
    row_a, row_b = (cast("pd.Series[Any]", result.settings.loc[setting]) for setting in (a, b))
    for name, row in result.compare(a, b).iterrows():
        shown = metric(str(name))
        low, high = float(row["difference_lo"]), float(row["difference_hi"])
        rows.append(
            {
                "label": shown.axis_label,
                "a": _value(shown, row_a),
                "b": _value(shown, row_b),
                "difference": _signed(shown, float(row["difference"])),
                "interval": _ends(shown, low, high),
                "paired": bool(row["paired"]),
                "differs": low > 0 or high < 0,
            }
        )
    return rows


def _value(shown: Metric, row: pd.Series[Any]) -> str:
    n = shown.format_n(row)
    return f"{shown.format(float(row[shown.name]))} ({n})" if n else shown.format(float(row[shown.name]))


def what_if_words(result: SweepResult, a: int, b: int) -> str:
    """What setting ``b`` would have made of the stops of ``a``, as a sentence; empty where that cannot be said."""
    try:
        return result.what_if(a, b).summary
    except (InvalidParameterError, ResultError):  # a simulated agent, other conditions, no recordings at hand
        return ""


def _signed(shown: Metric, difference: float) -> str:
    if math.isnan(difference):
        return "undefined"
    if math.isinf(difference):
        return "+∞" if difference > 0 else "−∞"
    text = shown.format(difference)
    return text.replace("-", "−") if text.startswith("-") else f"+{text}" if float(text) else text


def _ends(shown: Metric, low: float, high: float) -> str:
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"{_signed(shown, low)} to {_signed(shown, high)}"
