"""The tables of a report, as rows of text: numbers with their interval and n."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from bidilab.lab.datasets.labels import FALSE_KINDS
from bidilab.lab.datasets.recording import TagValue
from bidilab.lab.metrics.columns import KIND_LABELS, SETTINGS, Rate
from bidilab.lab.metrics.interruption import CAUSES
from bidilab.lab.metrics.statistics import rate, wilson_interval
from bidilab.lab.sweep.grid import CONDITION
from bidilab.show.plots.metrics import Metric, metric, parameters_of
from bidilab.show.report.focus import Focus

if TYPE_CHECKING:
    from bidilab.lab.sweep import Recommendation, SweepResult
    from bidilab.lab.sweep.validation import Validation

__all__ = [
    "Table",
    "causes_table",
    "conditions_table",
    "definitions",
    "headline",
    "kinds_table",
    "settings_table",
    "tag_tables",
    "validation_table",
]

HEADLINE = (
    "missed_rate",
    "false_interruption_rate",
    "latency_detected_ms_p50",
    "latency_detected_ms_p90",
    "false_per_min",
    "premature_endpoint_rate",
    "endpoint_latency_ms_p50",
    "onset_clipped_ms_p90",
    "talk_over_s",
)
RESUMED = ("n_resumed", "pause_s", "n_resumed_true")
COMPARED = (*HEADLINE[:4], "premature_endpoint_rate", "endpoint_latency_ms_p50")
MAX_TAG_VALUES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of text.

    Parameters
    ----------
    title
        What it holds.
    head
        Column heads; the first column heads the rows.
    rows
        Cells, as many as heads in each row.
    marked
        Index of a row to stress; ``None`` for none.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: int | None = None


def interval_text(shown: Metric, low: float, high: float) -> str:
    """``3.1–6.4``, with ``∞`` for an end that is not reached; empty where there is no interval."""
    if math.isnan(low) or math.isnan(high):
        return ""
    ends = ("∞" if value == float("inf") else shown.format(value) for value in (low, high))
    return "–".join(ends)


def _interval(shown: Metric, row: pd.Series[Any]) -> str:
    low, high = shown.interval_columns
    return interval_text(shown, float(row[low]), float(row[high])) if low in row.index and high in row.index else ""


def headline(row: pd.Series[Any]) -> list[dict[str, str]]:
    """The focused setting's numbers: ``label``, ``value``, ``interval``, ``n``."""
    cards = []
    for name in (*HEADLINE, *(name for name in RESUMED if name in row.index)):
        shown = metric(name)
        cards.append(
            {
                "label": shown.label,
                "value": shown.format(float(row[name]), unit=True),
                "interval": _interval(shown, row),
                "n": shown.format_n(row),
            }
        )
    return cards


def settings_table(settings: pd.DataFrame, recommendation: Recommendation, focus: Focus) -> Table:
    """The best settings, or the closest when none qualifies."""
    chosen = settings.loc[recommendation.table.index]
    shown = [metric(name) for name in COMPARED]
    present = parameters_of(settings.columns)
    worst = ["at its worst under"] if CONDITION in settings and settings[CONDITION].nunique() > 1 else []
    head = ("setting", *worst, *(p.axis_label for p in present.values()), *(m.axis_label for m in shown))
    rows = []
    for index, row in chosen.iterrows():
        numbers = (_with_interval(m, row) for m in shown)
        rows.append(
            (
                str(index),
                *(str(row[CONDITION]) for _ in worst),
                *(p.tick(float(row[name])) for name, p in present.items()),
                *numbers,
            )
        )
    labels = [row[0] for row in rows]
    marked = labels.index(str(focus.setting)) if str(focus.setting) in labels else None
    title = "The best settings" if recommendation.qualifying else "The settings that come closest"
    return Table(title=title, head=head, rows=tuple(rows), marked=marked)


def conditions_table(result: SweepResult, focus: Focus) -> Table:
    """The setting looked at under each condition of the audio that was swept."""
    per_condition = result.grid.n_under_one_condition
    chosen = result.settings.iloc[focus.setting % per_condition :: per_condition]
    shown = [metric(name) for name in (*COMPARED, "false_per_min")]
    counts = [metric(name) for name in ("n_true_opportunities", "n_masked", "n_false_opportunities")]
    rows = [
        (
            str(row[CONDITION]),
            *(n.format(float(row[n.name])) for n in counts),
            *(_with_interval(m, row) for m in shown),
        )
        for _, row in chosen.iterrows()
    ]
    return Table(
        title="Under each condition of the audio (95 % intervals)",
        head=(CONDITION, *(m.axis_label for m in (*counts, *shown))),
        rows=tuple(rows),
        marked=focus.setting // per_condition,
    )


def _with_interval(shown: Metric, row: pd.Series[Any]) -> str:
    value, ends = shown.format(float(row[shown.name])), _interval(shown, row)
    return f"{value} ({ends})" if ends else value


def kinds_table(row: pd.Series[Any]) -> Table:
    """False-interruption rate by kind of event at one setting."""
    rows = []
    for kind in FALSE_KINDS:
        shown = metric(f"false_interruption_rate_{kind}")
        n = sum(int(row[name]) for name in shown.n_columns)
        rows.append((KIND_LABELS[kind], str(n), shown.format(float(row[shown.name])), _interval(shown, row)))
    head = ("kind of event", "n", "false interruptions (%)", "95 % interval")
    return Table(title="False interruptions by kind of event", head=head, rows=tuple(rows))


def causes_table(row: pd.Series[Any]) -> Table:
    """What all false interruptions at one setting were put down to."""
    total = int(row["n_false"])
    rows = [(KIND_LABELS[cause], str(int(row[f"n_false_{cause}"]))) for cause in CAUSES]
    return Table(
        title="Causes of all false interruptions", head=("cause", "count"), rows=(*rows, ("in all", str(total)))
    )


def tag_tables(result: SweepResult, setting: int) -> list[Table]:
    """Rates by each tag that groups the recordings: condition, voice, style, …

    Tags with one value, with more than 12, or with another value for each recording group nothing and are left out.

    Raises
    ------
    ResultError
        If the recordings of a loaded result are not where they were (the tags are theirs).
    """
    counts = result.recordings
    counts = counts[counts["setting"] == setting].set_index("recording_id")
    tags = {recording.id: recording.tags for recording in result.dataset}
    names = dict.fromkeys(name for of_recording in tags.values() for name in of_recording)
    ordered = sorted(names, key=lambda name: (name != "condition", name))
    tables = []
    for name in ordered:
        groups: dict[str, list[str]] = {}
        for recording_id in sorted(tags, key=lambda each: _tag_order(tags[each].get(name))):
            groups.setdefault(_tag_text(tags[recording_id].get(name)), []).append(recording_id)
        if 2 <= len(groups) <= min(MAX_TAG_VALUES, len(tags) - 1):
            tables.append(_tag_table(name, groups, counts))
    return tables


def _tag_order(value: TagValue) -> tuple[int, float, str]:
    """Numbers by size, then words by letter, then the absent."""
    if value is None:
        return 2, 0.0, ""
    return (1, 0.0, value) if isinstance(value, str) else (0, float(value), "")


def _tag_text(value: TagValue) -> str:
    if value is None:
        return "(absent)"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _tag_table(name: str, groups: Mapping[str, Sequence[str]], counts: pd.DataFrame) -> Table:
    missed, false = (SETTINGS.column(rate, Rate) for rate in ("missed_rate", "false_interruption_rate"))
    rows = []
    for value in groups:
        total = counts.loc[list(groups[value])].sum(numeric_only=True)
        numbers = []
        for shown in (missed, false):
            k, n = int(total[list(shown.of)].sum()), int(total[list(shown.per)].sum())
            numbers += [str(n), _proportion(shown, k, n)]
        rows.append((value, str(len(groups[value])), *numbers))
    head = (name, "recordings", "n true", f"{missed.axis_label}", "n false", f"{false.axis_label}")
    return Table(title=f"By {name}", head=head, rows=tuple(rows))


def _proportion(shown: Metric, successes: int, n: int) -> str:
    low, high = wilson_interval(successes, n)
    value = shown.format(float(rate(successes, n)))
    ends = interval_text(shown, float(low), float(high))
    return f"{value} ({ends})" if ends else value


def validation_table(validation: Validation) -> Table:
    """A setting on the recordings it was chosen on, and on those it was validated on."""
    rows = []
    counts = ("n_true_opportunities", "n_false_opportunities")
    for name, row in validation.table.iterrows():
        counted = (f"{row[n]:.0f}" for n in ("n_recordings", *counts))
        rows.append((str(name), *counted, *(_with_interval(metric(m), row) for m in COMPARED)))
    return Table(
        title="Chosen on some recordings, validated on others (95 % intervals)",
        head=("", "recordings", *(metric(m).axis_label for m in (*counts, *COMPARED))),
        rows=tuple(rows),
        marked=1,
    )


def definitions(settings: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Label, unit and definition of each metric that the report of such a table shows."""
    shown = (*HEADLINE, "endpoint_latency_ms_p90", "onset_clipped_ms_p50", *RESUMED)
    names = dict.fromkeys(name for name in shown if name in settings.columns)
    return [(metric(name).label, metric(name).unit, metric(name).definition) for name in names]
