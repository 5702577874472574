"""The tables of a report, as rows of text: numbers with their interval and n."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from bidilab.lab.datasets.labels import FALSE_KINDS
from bidilab.lab.datasets.recording import TagValue
from bidilab.lab.metrics.columns import KIND_LABELS, RESUME, SETTINGS, SIMULATED, Rate
from bidilab.lab.metrics.evaluation import IN_SESSION, OUTCOMES
from bidilab.lab.metrics.intervals import clustered_rate
from bidilab.lab.metrics.stops import CAUSES
from bidilab.lab.sweep.grid import CONDITION
from bidilab.show.plots.metrics import LOSS, Metric, metric, parameters_of
from bidilab.show.report.focus import Focus

if TYPE_CHECKING:
    from bidilab.lab.sweep import SweepResult
    from bidilab.lab.sweep.validation import Validation

__all__ = [
    "Table",
    "causes_table",
    "conditions_table",
    "default_table",
    "definitions",
    "headline",
    "kinds_table",
    "settings_table",
    "tag_tables",
    "validation_table",
    "verdicts_table",
]

HEADLINE = (
    "missed_rate",
    "false_interruption_rate",
    "premature_endpoint_rate",
    "cutoff_rate",
    "latency_detected_ms_p50",
    "latency_detected_ms_p90",
    "stopped_within_500ms_rate",
    "endpoint_latency_ms_p50",
    "endpoint_latency_ms_mean",
    "unprompted_per_min",
    "false_per_min",
    "false_stop_share",
    "agent_lost_share",
    "onset_clipped_ms_p90",
    "talk_over_s",
    "n_endpoints_open",
    *SETTINGS.names_in(SIMULATED),
    *SETTINGS.names_in(RESUME),
    "timeout_rate",
)
"""What is shown of a setting, where its table has it: event rates, turns, then what a conversation costs."""
COMPARED = (
    "missed_rate",
    "false_interruption_rate",
    "premature_endpoint_rate",
    "stopped_within_500ms_rate",
    "latency_detected_ms_p50",
    "endpoint_latency_ms_p50",
)
"""What settings are compared by."""
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
    """``3.1–6.4``; ``at least 3.1`` where there is no upper end; empty where there is no interval."""
    if math.isnan(low) or math.isnan(high):
        return ""
    if math.isinf(low):
        return shown.format(low)
    return f"at least {shown.format(low)}" if math.isinf(high) else f"{shown.format(low)}–{shown.format(high)}"


def _interval(shown: Metric, row: pd.Series[Any]) -> str:
    low, high = shown.interval_columns
    return interval_text(shown, float(row[low]), float(row[high])) if low in row.index and high in row.index else ""


def headline(row: pd.Series[Any]) -> list[dict[str, str]]:
    """The focused setting's numbers: ``label``, ``value``, ``interval``, ``n``."""
    return [
        {
            "label": shown.label,
            "value": shown.format(float(row[shown.name]), unit=True),
            "interval": _interval(shown, row),
            "n": shown.format_n(row),
        }
        for shown in (SETTINGS[name] for name in HEADLINE if name in row.index)
    ]


def default_table(settings: pd.DataFrame, focus: Focus) -> Table:
    """The recommended setting with the provider's default beside it; the default alone where none is recommended."""
    roles = dict.fromkeys((focus.setting, focus.default))
    rows = {index: cast("pd.Series[Any]", settings.loc[index]) for index in roles}
    losses, n = focus.recommendation.losses, len(focus.recommendation.losses)
    body = [
        (
            shown.axis_label,
            *(cell for row in rows.values() for cell in (shown.format(float(row[shown.name])), _interval(shown, row))),
            f"{focus.row[list(shown.n_columns)].sum():.0f}",
        )
        for shown in (metric(name) for name in COMPARED if name in settings)
    ]
    if not math.isnan(losses[focus.setting % n]):
        costs = (cell for index in roles for cell in (LOSS.format(float(losses[index % n])), ""))
        body.append((LOSS.axis_label, *costs, ""))
    names = [focus.role, *(["default"] if len(roles) > 1 else [])]
    if focus.role == "recommended" and len(roles) == 1:
        names = ["recommended, default"]
    head = ("", *(cell for name in names for cell in (name, "95 %")), "n")
    title = "Beside the provider's default" if len(roles) > 1 else f"The {' and '.join(names[0].split(', '))} setting"
    return Table(title=title, head=head, rows=tuple(body))


def settings_table(settings: pd.DataFrame, focus: Focus) -> Table:
    """The recommended setting, the default, and the next best, or what comes nearest to the limits: one per column."""
    table = focus.recommendation.table
    roles = {focus.default: "default"}
    if focus.role == "recommended":
        roles[focus.setting] = "recommended, default" if focus.setting == focus.default else "recommended"
    shown = {int(index): row for index, row in settings.loc[table.index].iterrows()}  # type: ignore[call-overload]
    rows: list[tuple[str, ...]] = []
    if CONDITION in settings and settings[CONDITION].nunique() > 1:
        rows.append(("at its worst under", *(str(row[CONDITION]) for row in shown.values())))
    for name, axis in parameters_of(settings.columns).items():
        rows.append((axis.axis_label, *(axis.tick(float(row[name])) for row in shown.values())))
    rows.append((LOSS.axis_label, *(LOSS.format(float(table[LOSS.name][setting])) for setting in shown)))
    compared = [metric(name) for name in COMPARED if name in settings]
    rows += [(one.axis_label, *(_with_interval(one, row) for row in shown.values())) for one in compared]
    title = "Recommended, default, and the settings with the least loss"
    if focus.role != "recommended":
        title = "Nearest to the limits, and the default"
    head = ("", *(f"{setting}: {roles[setting]}" if setting in roles else str(setting) for setting in shown))
    return Table(title=f"{title} (95 % intervals)", head=head, rows=tuple(rows))


def conditions_table(result: SweepResult, focus: Focus) -> Table:
    """The setting looked at under each condition of the audio that was swept."""
    per_condition = result.grid.n_under_one_condition
    chosen = result.settings.iloc[focus.setting % per_condition :: per_condition]
    shown = [metric(name) for name in (*COMPARED, "false_per_min") if name in result.settings]
    counts = [SETTINGS[name] for name in ("n_true_opportunities", "n_false_opportunities", "n_turns")]
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
        head=(CONDITION, *(f"n {m.label}" for m in counts), *(m.axis_label for m in shown)),
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
    """What stopped the agent of the conversation at one setting: false stops by cause, and the others."""
    total = int(row["n_false"])
    rows = [(KIND_LABELS[cause], str(int(row[f"n_false_{cause}"]))) for cause in CAUSES]
    if other := total - sum(int(n) for _, n in rows):
        rows.append(("other, by an earlier rule", str(other)))
    rows.append(("false stops in all", str(total)))
    if "n_stops_continued" in row.index:  # not in a result of an earlier rule
        rows.append((f"{KIND_LABELS['continued']}: not false", str(int(row["n_stops_continued"]))))
        rows.append((SETTINGS["n_stops_true"].label, str(int(row["n_stops_true"]))))
    return Table(title="What stopped the agent in the conversation", head=("cause", "count"), rows=tuple(rows))


def verdicts_table(events: pd.DataFrame) -> Table:
    """What becomes of each event judged for itself, and what the agent of the conversation did at it."""
    counts = Counter(zip(events["outcome"].astype(str), events["in_session"].astype(str), strict=True))
    outcomes = [name for name in OUTCOMES if any(each == name for each, _ in counts)]
    in_session = [name for name in IN_SESSION if any(each == name for _, each in counts)]
    rows = []
    for outcome in outcomes:
        row = [counts[outcome, name] for name in in_session]
        rows.append((_words(outcome), *map(str, row), str(sum(row))))
    head = ("judged for itself", *(f"session: {_words(name)}" for name in in_session), "in all")
    return Table(title="Events, judged for themselves and in the conversation", head=head, rows=tuple(rows))


def _words(name: str) -> str:
    return name.replace("_", " ")


def tag_tables(result: SweepResult, setting: int) -> list[Table]:
    """Rates by each tag that groups the recordings, with intervals by recording: condition, voice, style, …

    Tags with one value, with more than 12, or with another value for each recording group nothing and are left out.

    Raises
    ------
    ResultError
        If the recordings of a loaded result are not where they were (the tags are theirs).
    """
    counts = result.counts_at(setting)
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
    rates = [SETTINGS.column(rate, Rate) for rate in COMPARED[:3]]
    rows = []
    for value, ids in groups.items():
        of_group = counts.loc[list(ids)]
        numbers = []
        for shown in rates:
            events, members = (of_group[list(names)].sum(axis=1).to_numpy() for names in (shown.of, shown.per))
            found = clustered_rate(events, members)
            ends = interval_text(shown, float(found.lo), float(found.hi))
            text = shown.format(float(found.value))
            numbers += [str(int(members.sum())), f"{text} ({ends})" if ends else text]
        rows.append((value, str(len(ids)), *numbers))
    head = (name, "recordings", *(cell for shown in rates for cell in (f"n {shown.n_label}", shown.axis_label)))
    return Table(title=f"By {name}", head=head, rows=tuple(rows))


def validation_table(validation: Validation) -> Table:
    """A setting on the recordings it was chosen on, and on those it was validated on."""
    rows = []
    counts = ("n_true_opportunities", "n_false_opportunities", "n_turns")
    shown = [metric(name) for name in COMPARED if name in validation.table]
    for name, row in validation.table.iterrows():
        counted = (f"{row[n]:.0f}" for n in ("n_recordings", *counts))
        rows.append((str(name), *counted, *(_with_interval(m, row) for m in shown)))
    return Table(
        title="Chosen on some recordings, validated on others (95 % intervals)",
        head=("", "recordings", *(f"n {SETTINGS[m].label}" for m in counts), *(m.axis_label for m in shown)),
        rows=tuple(rows),
        marked=1,
    )


def definitions(settings: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Label, unit and definition of each metric that the report of such a table shows."""
    shown = (*HEADLINE, "endpoint_latency_ms_p90", "onset_clipped_ms_p50")
    columns = [SETTINGS[name] for name in dict.fromkeys(shown) if name in settings.columns]
    return [(column.label, column.unit, column.definition) for column in (LOSS, *columns)]
