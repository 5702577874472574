"""The columns of a sweep: what is counted on each recording, and what a setting's row says.

`SETTINGS` and `RECORDINGS` are made from one list. A count that is added to it is counted per recording, summed per
setting, drawn, listed and documented; what is left to write is the line of the kernel that counts it, and that of the
readable evaluation in the tests which the kernel must equal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from bidilab.lab.datasets.labels import FALSE_KINDS
from bidilab.lab.metrics.columns.column import (
    Axis,
    Column,
    Count,
    Duration,
    Flag,
    PerMinute,
    Quantile,
    Rate,
    Schema,
    Text,
    Value,
)

__all__ = [
    "CONDITION",
    "COUNTED",
    "GUARD_AXES",
    "KIND_LABELS",
    "KNOBS",
    "RECORDINGS",
    "RECORDINGS_AT",
    "RESUME",
    "SETTINGS",
    "SIMULATED",
    "TIMED",
    "counted_names",
    "setting_columns",
]

KIND_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "turn": "turn",
        "interruption": "interruption",
        "backchannel": "backchannel",
        "side_speech": "side speech",
        "noise": "noise",
        "echo": "echo",
        "response": "agent response",
        "premature_endpoint": "premature endpoint",
        "none": "no label",
    }
)
"""Kinds of segment and causes of false interruptions, in words."""

AXES = "Axes of the grid"
SETTING = "The setting"
EVENTS = "Event rates"
TURNS = "Turns"
SESSION = "Session costs"
SIMULATED = "Simulated evaluation only"
"""Group of the columns that only a simulated evaluation has."""
RESUME = "Guards that resume only"
"""Group of the columns that only a sweep has in which some guard resumes."""
UNSUMMED = "Per recording only"
"""Group of the counts that no row of a setting shows: rates and flags are made from them."""

_INTERRUPTION = "bidilab.lab.metrics.interruption"
_ENDPOINT = "bidilab.lab.metrics.endpoint"
_SIMULATED = "bidilab.lab.metrics.simulated"
_GUARDS = "bidilab.detect.turns.guards"
_KAPLAN_MEIER = "Kaplan & Meier 1958; interval: Davison & Hinkley 1997, §3.8"
_QUANTILE = "Hyndman & Fan 1996, definition 1"
_BOOTSTRAP = "bootstrap over recordings"

KNOBS: tuple[Axis, ...] = (
    Axis(
        name="threshold",
        label="threshold",
        meaning="Probability from which a frame counts as speech.",
        default=0.5,
        group=AXES,
        source="bidilab.detect.turns.params",
    ),
    Axis(
        name="prefix_padding_ms",
        label="prefix padding",
        meaning="Audio kept from before the onset of speech.",
        unit="ms",
        default=300,
        group=AXES,
        source="bidilab.detect.turns.params",
    ),
    Axis(
        name="silence_duration_ms",
        label="silence duration",
        meaning="Silence that ends a turn.",
        unit="ms",
        default=500,
        group=AXES,
        source="bidilab.detect.turns.params",
    ),
)
"""The parameters that every sweep has."""
GUARD_AXES: tuple[Axis, ...] = (
    Axis(
        name="min_interruption_ms",
        label="min interruption",
        meaning="Speech that a turn must hold before it interrupts the agent.",
        unit="ms",
        default=0,
        group=AXES,
        source=_GUARDS,
    ),
    Axis(
        name="min_words",
        label="min words",
        meaning="Words that a turn must hold before it interrupts the agent.",
        default=0,
        group=AXES,
        source=_GUARDS,
    ),
    Axis(
        name="false_interruption_timeout_ms",
        label="resume timeout",
        short="false-interruption timeout",
        meaning="Time after a turn without words at which the agent goes on speaking; infinite for never.",
        unit="ms",
        default=math.inf,
        group=AXES,
        source=_GUARDS,
    ),
)
"""The guards, which hold nothing back by default; a sweep has those that it sweeps."""
CONDITION = Text(
    name="condition",
    label="condition",
    meaning="What was done to the audio before the detector heard it.",
    group=AXES,
    source="bidilab.lab.conditions",
)
"""The first column where conditions of the audio were swept."""

_TRUE_N: tuple[str, ...] = ("n_detected", "n_missed")
_BY_TRUE = {"n_columns": _TRUE_N, "n_label": "true interruptions"}


def _by_kind(stem: str) -> tuple[str, ...]:
    return tuple(f"{stem}_{kind}" for kind in FALSE_KINDS)


def _counts_by_kind(stem: str, label: str, meaning: str, *, lower_is_better: bool = False, group: str) -> list[Count]:
    """One count per kind that must not interrupt, an array in the evaluation; ``{}`` is the kind in words."""
    return [
        Count(
            name=f"{stem}_{kind}",
            label=label.format(KIND_LABELS[kind]),
            meaning=meaning.format(KIND_LABELS[kind]),
            family=f"{stem}_by_kind",
            better="lower" if lower_is_better else None,
            group=group,
            source=_INTERRUPTION,
        )
        for kind in FALSE_KINDS
    ]


def _quantiles(
    of: str,
    label: str,
    meaning: str,
    *,
    group: str,
    source: str,
    n_columns: tuple[str, ...],
    n_label: str,
    interval: str = "",
) -> list[Quantile]:
    """The median and the 90th percentile of a time; ``{}`` is which of them, in words."""
    return [
        Quantile(
            name=f"{of}_p{percent}",
            of=of,
            q=percent / 100,
            label=f"{label}, p{percent}",
            short=f"p{percent}",
            meaning=meaning.format(words),
            n_columns=n_columns,
            n_label=n_label,
            interval=interval,
            group=group,
            source=source,
        )
        for percent, words in ((50, "median"), (90, "90th percentile"))
    ]


_TRUE: tuple[Column, ...] = (
    Flag(
        name="degenerate",
        label="degenerate",
        meaning="Whether silence may never come under this setting, so that its numbers are not those of a use.",
        better="lower",
        group=SETTING,
        source="bidilab.detect.turns.params",
    ),
    Count(
        name="n_true_opportunities",
        label="true interruptions",
        meaning="Turns and interruptions in the agent's speech that were put to the test: detected or missed.",
        group=EVENTS,
        source=_INTERRUPTION,
    ),
    Count(
        name="n_masked",
        label="opportunities masked by an open turn",
        meaning="Opportunities that began while the detector was still in a turn from before the response; they enter "
        "no rate.",
        group=EVENTS,
        source=_INTERRUPTION,
    ),
    Count(
        name="n_preempted",
        label="opportunities after the agent had stopped",
        meaning="True opportunities whose response another interruption had stopped before they were over; they enter "
        "no rate.",
        group=EVENTS,
        source=_INTERRUPTION,
    ),
    Count(
        name="n_detected",
        label="true interruptions detected",
        meaning="True interruptions that stopped the agent.",
        better="higher",
        group=EVENTS,
        source=_INTERRUPTION,
    ),
    Count(
        name="n_missed",
        label="true interruptions missed",
        meaning="True interruptions at which the agent did not stop in time.",
        better="lower",
        group=EVENTS,
        source=_INTERRUPTION,
    ),
    Rate(
        name="missed_rate",
        label="missed interruptions",
        meaning="True interruptions at which the agent did not stop in time, per true interruption.",
        of=("n_missed",),
        per=("n_true_opportunities",),
        n_columns=_TRUE_N,
        n_label="true interruptions",
        group=EVENTS,
    ),
    *_quantiles(
        "latency_detected_ms",
        "interruption latency",
        "Time from the true onset of the user's speech to the decision that stops the agent (the detector's, past the "
        "guards if there are any), {} by Kaplan–Meier; misses are censored, and “not reached” says that too many were "
        "missed.",
        n_columns=_TRUE_N,
        n_label="true interruptions",
        interval=_BOOTSTRAP,
        group=EVENTS,
        source=_KAPLAN_MEIER,
    ),
)
_FALSE: tuple[Column, ...] = (
    Duration(
        name="agent_speech_min",
        label="agent speech",
        meaning="Minutes of the agent's speech that were evaluated: up to its interruption, without what is masked.",
        counted="agent_speech_samples",
        unit="min",
        drawn=False,
        group=SESSION,
        source=_INTERRUPTION,
    ),
    Count(
        name="n_false_opportunities",
        label="chances to interrupt falsely",
        meaning="Backchannels, side speech, noises and echoes that fell into the agent's speech.",
        parts=_by_kind("n_false_opportunities"),
        group=EVENTS,
        source=_INTERRUPTION,
    ),
    Count(
        name="n_false",
        label="false interruptions",
        meaning="Interruptions that should not have happened, of any cause.",
        better="lower",
        group=SESSION,
        source=_INTERRUPTION,
    ),
    Rate(
        name="false_interruption_rate",
        label="false interruptions",
        meaning="Backchannels, side speech, noises and echoes that interrupted the agent, per such event that fell "
        "into its speech.",
        of=_by_kind("n_false_on_opportunity"),
        per=_by_kind("n_false_opportunities"),
        n_columns=("n_false_opportunities",),
        n_label="chances to interrupt falsely",
        group=EVENTS,
    ),
    PerMinute(
        name="false_per_min",
        label="false interruptions of any cause",
        short="false per minute",
        meaning="All false interruptions, whatever their cause, per minute of agent speech.",
        of=("n_false",),
        per=("agent_speech_min",),
        n_label="minutes of agent speech",
        group=SESSION,
    ),
    *_counts_by_kind(
        "n_false",
        "false interruptions, cause: {}",
        "False interruptions that a segment of this kind caused: {}.",
        lower_is_better=True,
        group=SESSION,
    ),
    Count(
        name="n_false_premature_endpoint",
        label=f"false interruptions, cause: {KIND_LABELS['premature_endpoint']}",
        meaning="False interruptions by a user whose turn the agent had cut into and who only went on.",
        better="lower",
        group=SESSION,
        source=_INTERRUPTION,
    ),
    Count(
        name="n_false_none",
        label=f"false interruptions, cause: {KIND_LABELS['none']}",
        meaning="False interruptions where no label says that anything was to be heard.",
        better="lower",
        group=SESSION,
        source=_INTERRUPTION,
    ),
)
_BY_KIND: tuple[Column, ...] = tuple(
    column
    for kind, chances in zip(
        FALSE_KINDS,
        _counts_by_kind(
            "n_false_opportunities",
            "{} events",
            "Events of this kind that fell into the agent's speech: {}.",
            group=EVENTS,
        ),
        strict=True,
    )
    for column in (
        chances,
        Rate(
            name=f"false_interruption_rate_{kind}",
            label=f"false interruptions by {KIND_LABELS[kind]}",
            meaning=f"False interruptions by {KIND_LABELS[kind]}, per {KIND_LABELS[kind]} event in the agent's speech.",
            of=(f"n_false_on_opportunity_{kind}",),
            per=(f"n_false_opportunities_{kind}",),
            n_label=f"{KIND_LABELS[kind]} events",
            group=EVENTS,
        ),
    )
)
_UNSUMMED_HITS = _counts_by_kind(
    "n_false_on_opportunity",
    "false interruptions by {} on an opportunity",
    "False interruptions that hit an event of this kind in the agent's speech, so that the rate counts them: {}.",
    group=UNSUMMED,
)
_TURNS: tuple[Column, ...] = (
    Count(
        name="n_terminal_overlap",
        label="interruptions by ordinary turn-taking",
        meaning="Interruptions by a turn that began as the response ended or was over before it was heard; they enter "
        "no rate.",
        drawn=False,
        group=SESSION,
        source=_INTERRUPTION,
    ),
    Count(
        name="n_turns",
        label="user turns",
        meaning="Labelled turns and interruptions of the user.",
        group=TURNS,
        source=_ENDPOINT,
    ),
    Count(
        name="n_premature_endpoints",
        label="premature endpoints",
        meaning="User turns taken to be over in one of their pauses.",
        better="lower",
        group=TURNS,
        source=_ENDPOINT,
    ),
    Rate(
        name="premature_endpoint_rate",
        label="premature endpoints",
        meaning="User turns taken to be over in one of their pauses, per turn.",
        of=("n_premature_endpoints",),
        per=("n_turns",),
        n_label="user turns",
        group=TURNS,
    ),
    Count(
        name="n_endpoints",
        label="ends of turn",
        meaning="User turns whose end the detector decided at or after their true end.",
        group=TURNS,
        source=_ENDPOINT,
    ),
    *_quantiles(
        "endpoint_latency_ms",
        "endpoint latency",
        "Time from the true end of a turn to the decision that it is over, {}.",
        n_columns=("n_endpoints",),
        n_label="ends of turn",
        group=TURNS,
        source=_QUANTILE,
    ),
    Count(
        name="n_onsets",
        label="detected onsets",
        meaning="User turns of which the detector heard anything.",
        group=TURNS,
        source=_ENDPOINT,
    ),
    *_quantiles(
        "onset_clipped_ms",
        "onset clipping",
        "Speech before the first audio that the detector kept, {} over detected segments.",
        n_columns=("n_onsets",),
        n_label="detected onsets",
        group=TURNS,
        source=_QUANTILE,
    ),
    Duration(
        name="talk_over_s",
        label="talk-over",
        meaning="Seconds of true interruptions that the user spoke while the agent went on, in all.",
        counted="talk_over_samples",
        better="lower",
        n_columns=_TRUE_N,
        n_label="true interruptions",
        group=EVENTS,
        source=_INTERRUPTION,
    ),
    Count(
        name="n_detector_turns",
        label="turns of the detector",
        meaning="Turns that the detector made of the user's channel, right or wrong.",
        drawn=False,
        group=TURNS,
        source="bidilab.detect.turns",
    ),
    Count(
        name="n_flushed",
        label="turns that the end of the recording ended",
        meaning="Turns of the detector that were still open where the recording ends.",
        group=UNSUMMED,
        source="bidilab.detect.turns",
    ),
)
_SIMULATED_COLUMNS: tuple[Column, ...] = (
    Count(
        name="n_responses",
        label="responses",
        meaning="Responses that the simulated agent made.",
        drawn=False,
        group=SIMULATED,
        source=_SIMULATED,
    ),
    Count(
        name="n_cancelled_unheard",
        label="responses cut before they were heard",
        meaning="Responses that were cut before their first audible sample; to the ear they are no interruption.",
        drawn=False,
        group=SIMULATED,
        source=_SIMULATED,
    ),
)
_RESUME_COLUMNS: tuple[Column, ...] = (
    Count(
        name="n_resumed",
        label="false interruptions that were resumed",
        meaning="False interruptions after which the agent went on; they stay false, as the user heard the agent stop.",
        better="higher",
        group=RESUME,
        source=_GUARDS,
    ),
    Count(
        name="n_resumed_true",
        label="true interruptions that were resumed",
        meaning="True interruptions after which the agent wrongly went on.",
        better="lower",
        group=RESUME,
        source=_GUARDS,
    ),
    Duration(
        name="pause_s",
        label="pauses by false interruptions that were resumed",
        short="pauses",
        meaning="Seconds for which the agent paused for false interruptions and then went on, in all.",
        counted="pause_samples",
        better="lower",
        n_columns=("n_false",),
        n_label="false interruptions",
        group=RESUME,
        source=_GUARDS,
    ),
)

_ALL: tuple[Column, ...] = (
    *_TRUE,
    *_FALSE,
    *_BY_KIND,
    *_UNSUMMED_HITS,
    *_TURNS,
    *_SIMULATED_COLUMNS,
    *_RESUME_COLUMNS,
)
"""All that is counted and all that is said of a setting, in the order of the tables."""

SETTINGS = Schema(
    name="SweepResult.settings",
    rows="one row per setting",
    columns=(CONDITION, *KNOBS, *GUARD_AXES, *(column for column in _ALL if column.group != UNSUMMED)),
)
"""Columns of ``SweepResult.settings``. Which guards and groups there are depends on the sweep: `setting_columns`."""

COUNTED: tuple[Count, ...] = tuple(column for column in _ALL if isinstance(column, Count) and not column.parts)
"""What the evaluation counts on each recording."""
TIMED: tuple[Duration, ...] = tuple(column for column in _ALL if isinstance(column, Duration))
"""What it counts in samples."""

_RECORDING_ID = Text(
    name="recording_id",
    label="recording",
    meaning="Name of the recording in its dataset.",
    source="bidilab.lab.datasets",
)
RECORDINGS = Schema(
    name="SweepResult.recordings",
    rows="one row per setting and recording",
    columns=(
        Value(
            name="setting",
            label="setting",
            meaning="Row of SweepResult.settings.",
            dtype="int32",
            source="bidilab.lab.sweep.grid",
        ),
        replace(_RECORDING_ID, dtype="category"),
        *COUNTED,
    ),
)
"""Columns of ``SweepResult.recordings``; the counts of one setting (``counts_at``) are the same but the first."""
RECORDINGS_AT = Schema(
    name="SweepResult.recordings_at",
    rows="one row per recording",
    columns=(
        _RECORDING_ID,
        *COUNTED,
        replace(
            SETTINGS["latency_detected_ms_p50"],
            interval="",
            meaning="Median interruption latency of the recording by Kaplan–Meier; misses are censored, so it is "
            "infinite where too many were missed and missing where the recording has no true interruption.",
            source="Kaplan & Meier 1958",
        ),
        SETTINGS["agent_speech_min"],
        SETTINGS["talk_over_s"],
    ),
)
"""Columns of ``SweepResult.recordings_at``."""


def counted_names() -> tuple[str, ...]:
    """Columns of the array of counts: the counts, then what is counted in samples."""
    return (*(column.name for column in COUNTED), *(column.counted for column in TIMED))


def setting_columns(*, simulated: bool, resumes: bool) -> tuple[str, ...]:
    """Names of the columns behind the axes of a settings table, in order."""
    absent = {AXES, *(() if simulated else (SIMULATED,)), *(() if resumes else (RESUME,))}
    present = SETTINGS.in_groups(group for group in SETTINGS.groups if group not in absent)
    return tuple(name for column in present for name in column.names)
