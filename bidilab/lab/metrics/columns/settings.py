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
from typing import Literal

from bidilab.lab.datasets.labels import FALSE_KINDS
from bidilab.lab.metrics.columns.column import (
    Axis,
    Column,
    Count,
    Duration,
    Flag,
    Mean,
    Part,
    PerMinute,
    Quantile,
    Rate,
    Schema,
    Share,
    Text,
    Value,
)
from bidilab.lab.metrics.pauses import LONGEST_PAUSE_MS

__all__ = [
    "CONDITION",
    "COUNTED",
    "EOT_AXES",
    "GUARD_AXES",
    "INTERRUPT_AXES",
    "KIND_LABELS",
    "KNOBS",
    "MIN_SPEECH",
    "RECORDINGS",
    "RECORDINGS_AT",
    "RESUME",
    "SCORED",
    "SETTINGS",
    "SIMULATED",
    "TIMED",
    "counted_in",
    "setting_columns",
    "telling_axes",
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
        "continued": "the user went on",
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
SCORED = "Sweeps with an end-of-turn scorer only"
"""Group of the columns that only a sweep has in which a scorer is asked whether a turn is over."""
UNSUMMED = "Per recording only"
"""Group of the counts that no row of a setting shows: rates and flags are made from them."""

_MEMBERS = "bidilab.lab.metrics.members"
_ENDPOINT = "bidilab.lab.metrics.endpoint"
_PAUSES = "bidilab.lab.metrics.pauses"
_STOPS = "bidilab.lab.metrics.stops"
_GUARDS = "bidilab.detect.turns.guards"
_END_OF_TURN = "bidilab.detect.turns.endofturn"
_INTERRUPTION = "bidilab.detect.turns.interruption"
_WOODRUFF = "Woodruff 1952; Francisco & Fuller 1991"
_RESTRICTED_MEAN = "Kaplan & Meier 1958; Irwin 1949; interval: Williams 1995; Zou & Donner 2008"
_KAPLAN_MEIER = "Kaplan & Meier 1958; interval: Williams 1995, inverted after Woodruff 1952"
_QUANTILE = "Hyndman & Fan 1996, definition 1"
_BY_RECORDING = "95 %, recordings as the unit"

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
MIN_SPEECH = Axis(
    name="min_speech_ms",
    label="min speech",
    short="min speech duration",
    meaning="Speech that must last before a turn starts, in whole frames, rounded up.",
    unit="ms",
    default=0,
    group=AXES,
    source="bidilab.detect.turns.params",
)
"""A parameter that a sweep has where it is swept; else it is the provider's own (OpenAI's 0, LiveKit's 50 ms)."""
EOT_AXES: tuple[Axis, ...] = (
    Axis(
        name="eot_threshold",
        label="end-of-turn threshold",
        meaning="Score of the end-of-turn model above which a turn ends; off: it is not asked, and silence alone "
        "ends a turn.",
        default=math.inf,
        infinite="off",
        group=AXES,
        source=_END_OF_TURN,
    ),
    Axis(
        name="eot_action_delay_ms",
        label="end-of-turn delay",
        meaning="Least silence that ends a turn by a score.",
        unit="ms",
        default=0,
        group=AXES,
        source=_END_OF_TURN,
    ),
    Axis(
        name="eot_timeout_ms",
        label="end-of-turn timeout",
        meaning="Silence that ends a turn whatever the score.",
        unit="ms",
        default=3000,
        group=AXES,
        source=_END_OF_TURN,
    ),
    Axis(
        name="eot_interval_ms",
        label="end-of-turn interval",
        meaning="Time after which the end-of-turn model is asked again while the pause lasts; 0 for once.",
        unit="ms",
        default=0,
        group=AXES,
        source=_END_OF_TURN,
    ),
)
"""How a turn ends by a score; a sweep has them where it has an end-of-turn scorer."""


def telling_axes(values: Mapping[str, float]) -> dict[str, float]:
    """Values of axes without those that make no difference: the further ones of a model that is off."""
    rest = {
        axis.name
        for axes in (EOT_AXES, INTERRUPT_AXES)
        if math.isinf(values.get(axes[0].name, 0.0))
        for axis in axes[1:]
    }
    return {name: value for name, value in values.items() if name not in rest}


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
INTERRUPT_AXES: tuple[Axis, ...] = (
    Axis(
        name="interrupt_threshold",
        label="interruption threshold",
        meaning="Score of the interruption model above which speech interrupts the agent; off: the model is not asked.",
        default=math.inf,
        infinite="off",
        group=AXES,
        source=_INTERRUPTION,
    ),
    Axis(
        name="interrupt_first_ms",
        label="first interruption score",
        meaning="Time after the onset of a turn at which the interruption model is asked first.",
        unit="ms",
        default=200,
        group=AXES,
        source=_INTERRUPTION,
    ),
    Axis(
        name="interrupt_interval_ms",
        label="interruption interval",
        meaning="Time after which the interruption model is asked again while the turn lasts; 0 for once.",
        unit="ms",
        default=96,
        group=AXES,
        source=_INTERRUPTION,
    ),
    Axis(
        name="interrupt_window_ms",
        label="interruption window",
        meaning="Length of a turn from which it interrupts without a score; infinite for never.",
        unit="ms",
        default=math.inf,
        group=AXES,
        source=_INTERRUPTION,
    ),
)
"""How a score lets speech interrupt the agent; a sweep has them where it has an interruption scorer."""
CONDITION = Text(
    name="condition",
    label="condition",
    meaning="What was done to the audio before the detector heard it.",
    group=AXES,
    source="bidilab.lab.conditions",
)
"""The first column where conditions of the audio were swept."""

_TRUE_N: tuple[str, ...] = ("n_true_opportunities",)
_TURNS_N: tuple[str, ...] = ("n_turns",)
_TRUE_WORDS = "true interruptions"


def _by_kind(stem: str) -> tuple[str, ...]:
    return tuple(f"{stem}_{kind}" for kind in FALSE_KINDS)


def _counts_by_kind(
    stem: str,
    label: str,
    meaning: str,
    *,
    counted_in: Part,
    group: str,
    source: str,
    better: Literal["lower"] | None = None,
) -> list[Count]:
    """One count per kind that must not interrupt, an array in the evaluation; ``{}`` is the kind in words."""
    return [
        Count(
            name=f"{stem}_{kind}",
            label=label.format(KIND_LABELS[kind]),
            meaning=meaning.format(KIND_LABELS[kind]),
            family=f"{stem}_by_kind",
            counted_in=counted_in,
            better=better,
            group=group,
            source=source,
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
        meaning="Whether silence may never come under this setting, so that its numbers say nothing about real use.",
        better="lower",
        group=SETTING,
        source="bidilab.detect.turns.params",
    ),
    Count(
        name="n_true_opportunities",
        label=_TRUE_WORDS,
        meaning="Turns and interruptions that begin in the agent's speech and ought to stop it; the labels alone say "
        "which, so the number is the same at every setting.",
        counted_in="labels",
        drawn=False,
        group=EVENTS,
        source=_MEMBERS,
    ),
    Count(
        name="n_detected",
        label="true interruptions detected",
        meaning="True interruptions that stop a speaking agent, each judged for itself.",
        counted_in="events",
        better="higher",
        group=EVENTS,
        source=_MEMBERS,
    ),
    Count(
        name="n_missed",
        label="true interruptions missed",
        meaning="True interruptions that never stop a speaking agent, each judged for itself.",
        counted_in="events",
        better="lower",
        group=EVENTS,
        source=_MEMBERS,
    ),
    Rate(
        name="missed_rate",
        label="missed interruptions",
        meaning="True interruptions that never stop a speaking agent, per true interruption.",
        of=("n_missed",),
        per=_TRUE_N,
        n_label=_TRUE_WORDS,
        group=EVENTS,
    ),
    Rate(
        name="stopped_within_500ms_rate",
        label="stopped within 500 ms",
        meaning="True interruptions at which the agent has stopped 500 ms after their onset, per true interruption.",
        of=("n_stopped_within_500ms",),
        per=_TRUE_N,
        n_label=_TRUE_WORDS,
        better="higher",
        group=EVENTS,
    ),
    *_quantiles(
        "latency_detected_ms",
        "interruption latency",
        "Time from the true onset of the user's speech to the decision that stops the agent (the detector's, past the "
        "guards if there are any), {} over all true interruptions; a missed one is infinite, and “not reached” says "
        "that too many are.",
        n_columns=_TRUE_N,
        n_label=_TRUE_WORDS,
        interval=_BY_RECORDING,
        group=EVENTS,
        source=_WOODRUFF,
    ),
    Duration(
        name="talk_over_s",
        label="talk-over",
        meaning="Seconds of true interruptions that the user speaks before the agent stops, in all.",
        counted="talk_over_samples",
        counted_in="events",
        better="lower",
        n_columns=_TRUE_N,
        n_label=_TRUE_WORDS,
        group=EVENTS,
        source=_MEMBERS,
    ),
)
_FALSE: tuple[Column, ...] = (
    Count(
        name="n_false_opportunities",
        label="chances to interrupt falsely",
        meaning="Backchannels, side speech, noises and echoes in the agent's speech; the same number at every setting.",
        parts=_by_kind("n_false_opportunities"),
        drawn=False,
        group=EVENTS,
        source=_MEMBERS,
    ),
    Rate(
        name="false_interruption_rate",
        label="false interruptions",
        meaning="Backchannels, side speech, noises and echoes that stop a speaking agent, per such event.",
        of=_by_kind("n_false_on_opportunity"),
        per=_by_kind("n_false_opportunities"),
        n_columns=("n_false_opportunities",),
        n_label="chances to interrupt falsely",
        group=EVENTS,
    ),
)
_BY_KIND: tuple[Column, ...] = tuple(
    column
    for kind, chances in zip(
        FALSE_KINDS,
        _counts_by_kind(
            "n_false_opportunities",
            "{} events",
            "Events of this kind in the agent's speech: {}; the same number at every setting.",
            counted_in="labels",
            group=EVENTS,
            source=_MEMBERS,
        ),
        strict=True,
    )
    for column in (
        replace(chances, drawn=False),
        Rate(
            name=f"false_interruption_rate_{kind}",
            label=f"false interruptions by {KIND_LABELS[kind]}",
            meaning=f"{KIND_LABELS[kind].capitalize()} events that stop a speaking agent, per such event.",
            of=(f"n_false_on_opportunity_{kind}",),
            per=(f"n_false_opportunities_{kind}",),
            n_label=f"{KIND_LABELS[kind]} events",
            group=EVENTS,
        ),
    )
)
_LABELLED: tuple[Column, ...] = (
    PerMinute(
        name="unprompted_per_min",
        label="unprompted stops",
        meaning="Stretches of the agent's speech with nothing labelled near in which it would still stop, per "
        "minute of such stretches.",
        of=("n_unprompted",),
        per=("unprompted_min",),
        n_label="minutes of agent speech with nothing labelled",
        group=EVENTS,
        source="Garwood 1936; Cochran 1977",
    ),
    Duration(
        name="unprompted_min",
        label="agent speech with nothing labelled",
        meaning="Minutes of the agent's speech in stretches of at least 200 ms with nothing labelled near.",
        counted="unprompted_samples",
        counted_in="labels",
        unit="min",
        drawn=False,
        group=EVENTS,
        source=_MEMBERS,
    ),
    *(
        Count(
            name=f"n_{name}",
            label=label,
            meaning=meaning,
            counted_in="labels",
            drawn=False,
            group=EVENTS,
            source=_MEMBERS,
        )
        for name, label, meaning in (
            (
                "outlasting",
                "events that outlast the response",
                "Events that last beyond the end of their response; they are judged as if the agent spoke on.",
            ),
            (
                "crowded",
                "events that another event crowds",
                "Events that begin during another one or less than 200 ms after it; they enter no rate.",
            ),
            (
                "unsure",
                "events marked unsure",
                "Events marked as unsure; they enter no rate until a person decides, and a stop that they cause is "
                "neither true nor false.",
            ),
            (
                "terminal",
                "turns that begin as the response ends",
                "Turns that begin with less than 200 ms of the response left: normal turn-taking, counted in no rate.",
            ),
            (
                "cut_in",
                "events under which the agent began",
                "Events that begin before a response and go on into it; they count for the end of turn alone.",
            ),
        )
    ),
)
_UNSUMMED_HITS: tuple[Column, ...] = (
    *_counts_by_kind(
        "n_false_on_opportunity",
        "{} events that stop the agent",
        "Events of this kind that stop a speaking agent, each judged for itself: {}.",
        counted_in="events",
        group=UNSUMMED,
        source=_MEMBERS,
    ),
    Count(
        name="n_stopped_within_500ms",
        label="true interruptions stopped within 500 ms",
        meaning="True interruptions at which the agent has stopped 500 ms after their onset.",
        counted_in="events",
        better="higher",
        group=UNSUMMED,
        source=_MEMBERS,
    ),
    Count(
        name="n_unprompted",
        label="unprompted stops",
        meaning="Stretches of the agent's speech with nothing labelled near in which it would stop.",
        counted_in="events",
        better="lower",
        group=UNSUMMED,
        source=_MEMBERS,
    ),
)
_TURNS: tuple[Column, ...] = (
    Count(
        name="n_turns",
        label="user turns",
        meaning="Labelled turns and interruptions of the user; the same number at every setting.",
        counted_in="labels",
        drawn=False,
        group=TURNS,
        source=_ENDPOINT,
    ),
    Count(
        name="n_premature_endpoints",
        label="premature endpoints",
        meaning="User turns that the detector ended in one of their pauses.",
        counted_in="turns",
        better="lower",
        group=TURNS,
        source=_ENDPOINT,
    ),
    Rate(
        name="premature_endpoint_rate",
        label="premature endpoints",
        meaning="User turns that the detector ended in one of their pauses, per turn.",
        of=("n_premature_endpoints",),
        per=_TURNS_N,
        n_label="user turns",
        group=TURNS,
    ),
    Count(
        name="n_pauses",
        label="pauses",
        meaning="Silences of 200 ms to 5 s inside the user's turns and interruptions; the same number at every "
        "setting.",
        counted_in="labels",
        drawn=False,
        group=TURNS,
        source=_PAUSES,
    ),
    Count(
        name="n_pauses_by_words",
        label="pauses by the times of words",
        meaning="Pauses whose ends are those of labelled words; the others are heard by Silero at its defaults.",
        counted_in="labels",
        drawn=False,
        group=TURNS,
        source=_PAUSES,
    ),
    Count(
        name="n_cut_offs",
        label="pauses cut off",
        meaning="Pauses inside which the detector decides that the turn is over, or has decided so in the phrase "
        "before and heard no new one.",
        counted_in="turns",
        better="lower",
        group=TURNS,
        source=_PAUSES,
    ),
    Rate(
        name="cutoff_rate",
        label="pauses cut off",
        short="cut off",
        meaning="Pauses inside which the detector decides that the turn is over, or has decided so in the phrase "
        "before and heard no new one, per pause.",
        of=("n_cut_offs",),
        per=("n_pauses",),
        n_label="pauses",
        group=TURNS,
    ),
    Count(
        name="n_endpoints",
        label="ends of turn",
        meaning="User turns whose end the detector decided at or after their true end.",
        counted_in="turns",
        group=TURNS,
        source=_ENDPOINT,
    ),
    Count(
        name="n_endpoints_open",
        label="ends of turn that the recording cuts off",
        meaning="User turns whose end was not decided when the recording ended; the wait is at least that long.",
        counted_in="turns",
        group=TURNS,
        source=_ENDPOINT,
    ),
    *_quantiles(
        "endpoint_latency_ms",
        "endpoint latency",
        "Time from the true end of a turn to the decision that it is over, {} over all turns by Kaplan–Meier: one that "
        "is still open when the recording ends is censored there, one that was cut into and not ended again counts as "
        "0, one never heard is infinite.",
        n_columns=_TURNS_N,
        n_label="user turns",
        interval=_BY_RECORDING,
        group=TURNS,
        source=_KAPLAN_MEIER,
    ),
    Mean(
        name="endpoint_latency_ms_mean",
        of="endpoint_latency_ms",
        at_most=LONGEST_PAUSE_MS,
        label="endpoint latency, mean",
        short="mean",
        meaning="Time from the true end of a turn to the decision that it is over, mean over all turns by "
        "Kaplan–Meier, each counted up to 5 s: one that was cut into and not ended again counts as 0, one never heard "
        "counts as 5 s, and so does what lies beyond the longest wait that was seen to its end.",
        n_columns=_TURNS_N,
        n_label="user turns",
        interval=_BY_RECORDING,
        group=TURNS,
        source=_RESTRICTED_MEAN,
    ),
    Count(
        name="n_onsets",
        label="detected onsets",
        meaning="User turns in which the detector heard anything.",
        counted_in="turns",
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
    Count(
        name="n_detector_turns",
        label="turns of the detector",
        meaning="Turns that the detector made of the user's channel, right or wrong.",
        counted_in="turns",
        drawn=False,
        group=TURNS,
        source="bidilab.detect.turns",
    ),
    Count(
        name="n_flushed",
        label="turns that the end of the recording ended",
        meaning="Turns of the detector that were still open where the recording ends.",
        counted_in="turns",
        group=UNSUMMED,
        source="bidilab.detect.turns",
    ),
)
_SESSION: tuple[Column, ...] = (
    Count(
        name="n_false",
        label="false stops",
        meaning="Stops of the agent in the conversation that should not have happened, whatever their cause.",
        better="lower",
        group=SESSION,
        source=_STOPS,
    ),
    PerMinute(
        name="false_per_min",
        label="false stops",
        short="false stops per minute",
        meaning="All false stops, whatever their cause, per minute of agent speech.",
        of=("n_false",),
        per=("agent_speech_min",),
        n_label="minutes of agent speech",
        group=SESSION,
    ),
    Rate(
        name="false_stop_share",
        label="responses stopped falsely",
        meaning="Responses stopped by something that ought not to stop them, per response.",
        of=("n_responses_stopped_falsely",),
        per=("n_responses",),
        n_label="responses",
        group=SESSION,
    ),
    Share(
        name="agent_lost_share",
        label="agent speech lost",
        meaning="Agent speech that false stops took away, per agent speech planned.",
        of=("agent_lost_min",),
        per=("agent_planned_min",),
        n_label="minutes of agent speech planned",
        n_unit="min",
        group=SESSION,
        source=_STOPS,
    ),
    *_counts_by_kind(
        "n_false",
        "false stops, cause: {}",
        "False stops caused by a segment of this kind: {}.",
        counted_in="stops",
        better="lower",
        group=SESSION,
        source=_STOPS,
    ),
    Count(
        name="n_false_none",
        label=f"false stops, cause: {KIND_LABELS['none']}",
        meaning="False stops that no label explains.",
        better="lower",
        group=SESSION,
        source=_STOPS,
    ),
    Count(
        name="n_stops_continued",
        label="stops as the user went on",
        meaning="Stops by a user whose turn the agent had cut into and who went on: neither true nor false, as the "
        "premature endpoint counts already.",
        group=SESSION,
        source=_STOPS,
    ),
    Count(
        name="n_stops_true",
        label="true stops",
        meaning="Stops by somebody who meant to stop the agent.",
        group=SESSION,
        source=_STOPS,
    ),
    Count(
        name="n_responses",
        label="responses",
        meaning="Responses of the agent: recorded, or made by the simulated one.",
        drawn=False,
        group=SESSION,
        source=_STOPS,
    ),
    Count(
        name="n_responses_stopped_falsely",
        label="responses stopped falsely",
        meaning="Responses stopped by something that ought not to stop them.",
        better="lower",
        drawn=False,
        group=SESSION,
        source=_STOPS,
    ),
    *(
        Duration(
            name=f"agent_{name}_min",
            label=label,
            meaning=meaning,
            counted=counted,
            unit="min",
            drawn=False,
            group=SESSION,
            source=_STOPS,
        )
        for name, label, meaning, counted in (
            (
                "speech",
                "agent speech",
                "Minutes of agent speech that could be stopped: to its stop or end, without what is masked.",
                "agent_speech_samples",
            ),
            ("planned", "agent speech planned", "Minutes of agent speech planned, heard or not.", "planned_samples"),
            ("lost", "agent speech lost", "Minutes of agent speech that false stops took away.", "lost_samples"),
        )
    ),
    Duration(
        name="masked_s",
        label="agent speech masked",
        meaning="Seconds of recorded agent speech in which the detector was still in a turn from before, so that an "
        "agent would not have spoken; they do not count as agent speech.",
        counted="masked_samples",
        group=SESSION,
        source=_STOPS,
    ),
)
_SIMULATED_COLUMNS: tuple[Column, ...] = (
    Count(
        name="n_cancelled_unheard",
        label="responses cut before they were heard",
        meaning="Responses that were cut before their first audible sample; a listener hears no interruption.",
        drawn=False,
        group=SIMULATED,
        source=_STOPS,
    ),
    Count(
        name="n_cut_ins_heard",
        label="cut-ins heard",
        meaning="Responses that began inside a turn and were audible before its end.",
        better="lower",
        group=SIMULATED,
        source=_STOPS,
    ),
    Duration(
        name="cut_in_talk_s",
        label="agent over the unfinished turn",
        meaning="Seconds in which a cut-in was audible over the unfinished turn.",
        counted="cut_in_talk_samples",
        better="lower",
        group=SIMULATED,
        source=_STOPS,
    ),
)
_RESUME_COLUMNS: tuple[Column, ...] = (
    Count(
        name="n_resumed",
        label="false stops that were resumed",
        meaning="False stops after which the agent went on; they stay false, as the user heard the agent stop.",
        better="higher",
        group=RESUME,
        source=_GUARDS,
    ),
    Count(
        name="n_resumed_true",
        label="true stops that were resumed",
        meaning="True stops after which the agent wrongly went on.",
        better="lower",
        group=RESUME,
        source=_GUARDS,
    ),
    Duration(
        name="pause_s",
        label="pauses by false stops that were resumed",
        short="pauses",
        meaning="Seconds for which the agent paused for false stops and then went on, in all.",
        counted="pause_samples",
        better="lower",
        n_columns=("n_false",),
        n_label="false stops",
        group=RESUME,
        source=_GUARDS,
    ),
)

_SCORED_COLUMNS: tuple[Column, ...] = (
    Count(
        name="n_timeouts",
        label="ends of turn by the timeout",
        meaning="User turns whose end was decided, at or after their true end, by the timeout and not by a score.",
        counted_in="turns",
        better="lower",
        group=SCORED,
        source=_ENDPOINT,
    ),
    Rate(
        name="timeout_rate",
        label="ends of turn by the timeout",
        short="by the timeout",
        meaning="Ends of turn that were decided by the timeout and not by a score, per end of turn.",
        of=("n_timeouts",),
        per=("n_endpoints",),
        n_label="ends of turn",
        group=SCORED,
    ),
)

_ALL: tuple[Column, ...] = (
    *_TRUE,
    *_FALSE,
    *_BY_KIND,
    *_LABELLED,
    *_UNSUMMED_HITS,
    *_TURNS,
    *_SESSION,
    *_SIMULATED_COLUMNS,
    *_RESUME_COLUMNS,
    *_SCORED_COLUMNS,
)
"""All that is counted and all that is said of a setting, in the order of the tables."""

SETTINGS = Schema(
    name="SweepResult.settings",
    rows="one row per setting",
    columns=(
        CONDITION,
        *KNOBS,
        MIN_SPEECH,
        *EOT_AXES,
        *GUARD_AXES,
        *INTERRUPT_AXES,
        *(column for column in _ALL if column.group != UNSUMMED),
    ),
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
            meaning="Median interruption latency of the recording; a missed one is infinite, so it is infinite where "
            "too many are missed, and missing where the recording has no true interruption.",
            source="Hyndman & Fan 1996, definition 1",
        ),
        SETTINGS["agent_speech_min"],
        SETTINGS["unprompted_min"],
        SETTINGS["talk_over_s"],
    ),
)
"""Columns of ``SweepResult.recordings_at``."""


def counted_in(part: Part) -> tuple[Count | Duration, ...]:
    """What one part of the evaluation counts: counts, then what is counted in samples."""
    columns: tuple[Count | Duration, ...] = (*COUNTED, *TIMED)
    return tuple(column for column in columns if column.counted_in == part)


def setting_columns(*, simulated: bool, resumes: bool, scored: bool = False) -> tuple[str, ...]:
    """Names of the columns behind the axes of a settings table, in order."""
    absent = {AXES, *(() if simulated else (SIMULATED,)), *(() if resumes else (RESUME,))}
    absent |= set() if scored else {SCORED}
    present = SETTINGS.in_groups(group for group in SETTINGS.groups if group not in absent)
    return tuple(name for column in present for name in column.names)
