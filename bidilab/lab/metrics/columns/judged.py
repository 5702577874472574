"""The columns of judged calls: overlaps, stops, responses, calls, and the counts and rates of all calls together.

Positions are seconds of the recording; what there is not is missing, never 0. Counts of what was cut are sums of
probabilities, so they need not be whole.
"""

from __future__ import annotations

from typing import Literal

from bidilab.lab.metrics.columns.column import Column, Count, Flag, PerMinute, Quantile, Rate, Schema, Text, Value
from bidilab.lab.metrics.yields import BEGINNINGS, ENDINGS, EVENT_KINDS, MUST_NOT_STOP, OUTCOMES

__all__ = ["JUDGED_CALLS", "JUDGED_TOTALS", "OVERLAPS", "RATES", "RESPONSES", "STOPS"]

_EXCHANGE, _CHANCE, _RATES, _RUN, _TABLES = (
    f"bidilab.lab.judge.{name}" for name in ("exchange", "chance", "rates", "run", "tables")
)
_TRACE = "From a trace; missing without one."
_Better = Literal["lower", "higher"] | None


def _s(name: str, label: str, meaning: str, source: str = _EXCHANGE) -> Value:
    return Value(name=name, label=label, meaning=meaning, unit="s", decimals=3, source=source)


def _ms(name: str, label: str, meaning: str, source: str = _EXCHANGE, better: _Better = None) -> Value:
    return Value(name=name, label=label, meaning=meaning, unit="ms", better=better, source=source)


_CALL = Text(
    name="call", label="call", meaning="Name of the recording: its path in the folder, without suffix.", source=_RUN
)
_RESPONSE = Value(
    name="response",
    label="response",
    meaning="Which response of the call, counted from 0.",
    dtype="int64",
    source=_EXCHANGE,
)
_EVIDENCE = Text(
    name="evidence",
    label="evidence",
    meaning="What decided: who reported the end, resume, sound, chance, time (the agent spoke on), another event (the "
    "end belongs to another one), or recording ends.",
    source=_CHANCE,
)
_P_CUT = Value(
    name="p_cut",
    label="probability of a cut",
    meaning="Probability that the response was cut, and did not end by itself; 0 or 1 where that is known.",
    decimals=2,
    source=_CHANCE,
)
_RESUMED = _s("resumed_s", "resumed", "Where the agent goes on after a false stop, with no turn of the user's between.")
_CAUSE = Text(
    name="cause",
    label="cause",
    meaning="Cause of the stop: the kind of the event, or nothing.",
    categories=(*EVENT_KINDS, "nothing"),
    source=_EXCHANGE,
)
_FALSE_STOP = Flag(
    name="false_stop",
    label="false stop",
    meaning="Whether the agent yielded to something that must not stop it; missing where the outcome is ambiguous.",
    dtype="boolean",
    source=_CHANCE,
)

OVERLAPS = Schema(
    name="JudgedCalls.overlaps",
    rows="one row per event of the user that begins while the agent is audible",
    columns=(
        _CALL,
        Value(
            name="channel",
            label="channel",
            meaning="The user's channel, counted from 1.",
            dtype="int64",
            source=_EXCHANGE,
        ),
        _s("onset_s", "onset", "Where the event begins."),
        _s("end_s", "end", "Where the event ends."),
        Text(
            name="kind",
            label="kind",
            meaning="Kind of the event, from its own length and sound: interruption (speech of more than 1 s), "
            "backchannel (shorter), side_speech (12 dB under the user), noise (no pitch, or found by level) or echo.",
            categories=EVENT_KINDS,
            source=_EXCHANGE,
        ),
        Text(name="text", label="text", meaning=f"What was said. {_TRACE}", source=_TABLES),
        Value(
            name="over_response",
            label="response",
            meaning="Which response of the call it begins in, counted from 0.",
            dtype="int64",
            source=_EXCHANGE,
        ),
        _s("response_start_s", "start of the response", "Where that response begins."),
        _s("agent_silent_s", "agent silent", "Where that response ends: the agent's last audible sample."),
        Text(
            name="agent_end",
            label="end",
            meaning="How that response ends.",
            categories=ENDINGS,
            source=_CHANCE,
        ),
        _EVIDENCE,
        _P_CUT,
        Value(
            name="chance",
            label="chance of an end",
            meaning="Chance that a response of that age ends by itself while it is watched.",
            decimals=2,
            source=_CHANCE,
        ),
        Text(name="outcome", label="outcome", meaning="How the overlap ended.", categories=OUTCOMES, source=_CHANCE),
        _FALSE_STOP,
        _ms("detected_ms", "detected", f"Onset to the detector's decision. {_TRACE}", better="lower"),
        _ms("event_ms", "event", f"Onset to the event of an interruption. {_TRACE}", better="lower"),
        _ms("silent_ms", "silent", "Onset to the agent's last audible sample, whatever ended it.", better="lower"),
        _ms("leak_ms", "leak", f"Event to the agent's last audible sample. {_TRACE}", better="lower"),
        _ms("talk_over_ms", "talk-over", "How long both are audible together.", better="lower"),
        _ms("overrun_ms", "overrun", "How much the agent says after the onset.", better="lower"),
        _CAUSE,
        _RESUMED,
        Text(name="settings", label="settings", meaning=f"Settings in force. {_TRACE}", source=_TABLES),
    ),
)
"""Columns of ``JudgedCalls.overlaps``."""

STOPS = Schema(
    name="JudgedCalls.stops",
    rows="one row per response that was cut, or may have been",
    columns=(
        _CALL,
        _RESPONSE,
        _s("response_start_s", "start of the response", "Where the response begins."),
        _s("stopped_s", "stopped", "The agent's last audible sample."),
        _s("onset_s", "onset", "Start of the event that caused the stop; missing if there is none."),
        _CAUSE,
        _FALSE_STOP,
        _P_CUT,
        _EVIDENCE,
        _ms("silent_ms", "silent", "Onset to the agent's last audible sample.", better="lower"),
        _RESUMED,
        _ms("resume_ms", "resume delay", "From the stop to where the agent goes on.", better="lower"),
    ),
)
"""Columns of ``JudgedCalls.stops``."""

RESPONSES = Schema(
    name="JudgedCalls.responses",
    rows="one row per response of the agent",
    columns=(
        _CALL,
        _RESPONSE,
        _s("start_s", "start", "Its first audible sample."),
        _s("end_s", "end", "Its last audible sample."),
        Text(
            name="begins",
            label="begins",
            meaning="How it begins: after the user, as a cut-in in a pause of the user's, over the user, or by itself.",
            categories=BEGINNINGS,
            source=_EXCHANGE,
        ),
        _ms(
            "latency_ms",
            "response latency",
            "From the user's end to its start, with no response between; of a cut-in, from the pause.",
            better="lower",
        ),
        Text(name="ends", label="ends", meaning="How it ends.", categories=ENDINGS, source=_CHANCE),
        _P_CUT,
    ),
)
"""Columns of ``JudgedCalls.responses``."""


def _count(name: str, label: str, meaning: str, better: _Better = None) -> Count:
    return Count(name=name, label=label, meaning=meaning, better=better, source=_RATES)


def _likely(name: str, label: str, meaning: str, better: _Better = None) -> Count:
    return Count(name=name, label=label, meaning=meaning, better=better, decimals=1, dtype="float64", source=_RATES)


def _minutes(name: str, label: str, meaning: str) -> Value:
    return Value(name=name, label=label, meaning=meaning, unit="min", decimals=1, source=_RATES)


_COUNTS: tuple[Column, ...] = (
    _minutes("call_min", "length", "Length of the recordings."),
    _minutes("agent_min", "agent's speech", "How long the agent was audible."),
    _count("n_responses", "responses", "Responses of the agent."),
    _count("n_overlaps", "overlaps", "Events that begin while the agent is audible."),
    _count("n_interruptions", "interruptions", "Overlaps by longer speech: the agent ought to yield."),
    _likely("n_yielded", "yielded", "Interruptions that the agent yielded to, as a sum of probabilities.", "higher"),
    _count("n_not_yielded", "not yielded", "Interruptions that the agent spoke on over.", "lower"),
    _likely(
        "n_finished", "finished by itself", "Interruptions in which the agent finished by itself: neither of the two."
    ),
    _count("n_undecided", "undecided", "Interruptions whose end belongs to another event, or was not recorded."),
    _count("n_ended_soon", "ended soon", "Interruptions after which the agent fell silent in time, however it ended."),
    _likely(
        "n_expected_soon", "expected by chance", "How many of those to expect by chance alone: every response ends."
    ),
    _likely("n_terminal", "terminal overlaps", "Interruptions in the last 200 ms of a response that ended by itself."),
    _count("n_must_not_stop", "must not stop", "Overlaps by sound or speech that must not stop the agent."),
    _likely("n_false_stops", "false stops", "Those that the agent yielded to, as a sum of probabilities.", "lower"),
    *(
        _likely(f"n_false_stops_{kind}", f"false stops, {kind.replace('_', ' ')}", f"False stops by {kind}.", "lower")
        for kind in MUST_NOT_STOP
    ),
    _count("n_stops_by_nothing", "stops by nothing", "Responses known to be cut with no event before.", "lower"),
    _count("n_spoken_on", "spoken on", "Overlaps that must not stop the agent, and did not.", "higher"),
    _likely("n_resumed", "resumed", "False stops after which the agent went on."),
    _count("n_answers", "answers", "Responses that begin after, over, or in a pause of the user."),
    _count(
        "n_latencies", "timed answers", "Those of them that begin after the user, or in a pause: they have a latency."
    ),
    _count("n_cut_ins", "cut-ins", "Responses that begin in a pause of less than 1 s in the user's speech.", "lower"),
    _count("n_over_user", "over the user", "Responses that begin while the user speaks.", "lower"),
    Value(
        name="talk_over_s",
        label="talk-over",
        meaning="How long interruptions and the agent are audible together.",
        unit="s",
        decimals=1,
        better="lower",
        source=_RATES,
    ),
)

JUDGED_CALLS = Schema(
    name="JudgedCalls.calls",
    rows="one row per call that could be judged",
    columns=(
        _CALL,
        Text(name="file", label="file", meaning="The recording's path in the folder.", source=_RUN),
        Value(
            name="user_channel",
            label="user's channel",
            meaning="The user's channel, counted from 1.",
            dtype="int64",
            source=_EXCHANGE,
        ),
        *_COUNTS,
        Value(
            name="echo_db",
            label="echo",
            meaning="The agent's level in the user's channel, against its own; missing where it is not heard.",
            unit="dB",
            decimals=1,
            source="bidilab.lab.judge.echo",
        ),
        Text(
            name="warning",
            label="warning",
            meaning="What looks wrong with the channels; empty for nothing.",
            source="bidilab.lab.judge.channels",
        ),
        Text(name="sha256", label="SHA-256", meaning="Digest of the file.", source=_RUN),
    ),
)
"""Columns of ``JudgedCalls.calls``."""

_YIELD = "From the interruption's onset to the agent's last audible sample"
_KM = "Kaplan & Meier 1958; Williams 1995"


def _quantile(of: str, q: float, label: str, meaning: str, n: str, n_label: str, source: str) -> Quantile:
    return Quantile(
        name=f"{of}_p{100 * q:.0f}_ms",
        label=f"{label}, p{100 * q:.0f}",
        meaning=meaning,
        of=of,
        q=q,
        n_columns=(n,),
        n_label=n_label,
        interval="95 %, recordings as the unit",
        source=source,
    )


JUDGED_TOTALS = Schema(
    name="JudgedCalls.totals",
    rows="one row: all calls together",
    columns=(
        _count("n_calls", "calls", "Calls that could be judged."),
        *_COUNTS,
        Rate(
            name="not_yielded_rate",
            label="interruptions not yielded to",
            meaning="Share that the agent spoke on over, of the interruptions that it yielded to or spoke on over.",
            of=("n_not_yielded",),
            per=("n_yielded", "n_not_yielded"),
            n_label="interruptions",
        ),
        *(
            _quantile(
                "yield",
                q,
                "yield latency",
                f"{_YIELD}; one that was not yielded to, or that met a natural end, is only known to be longer.",
                "n_interruptions",
                "interruptions",
                _KM,
            )
            for q in (0.5, 0.9)
        ),
        Rate(
            name="false_rate",
            label="stops by what must not stop it",
            meaning="Share that stopped the agent, of the overlaps that must not stop it and either did or did not.",
            of=("n_false_stops",),
            per=("n_false_stops", "n_spoken_on"),
            n_label="overlaps",
        ),
        PerMinute(
            name="false_stops_per_min",
            label="false stops per minute",
            meaning="False stops per minute of the agent's speech, those by nothing included.",
            of=("n_false_stops", "n_stops_by_nothing"),
            per=("agent_min",),
            n_label="minutes of the agent's speech",
        ),
        Rate(
            name="cut_in_rate",
            label="cut-ins",
            meaning="Share of the answers that begin in a pause of the user's.",
            of=("n_cut_ins",),
            per=("n_answers",),
            n_label="answers",
        ),
        Rate(
            name="over_user_rate",
            label="answers over the user",
            meaning="Share of the answers that begin while the user speaks.",
            of=("n_over_user",),
            per=("n_answers",),
            n_label="answers",
        ),
        *(
            _quantile(
                "response",
                q,
                "response latency",
                "From the user's end to the agent's first audible sample, with no response between.",
                "n_latencies",
                "answers",
                "Woodruff 1952; Francisco & Fuller 1991",
            )
            for q in (0.5, 0.9)
        ),
        _quantile(
            "talk_over",
            0.5,
            "talk-over of an interruption",
            "How long an interruption and the agent are audible together.",
            "n_interruptions",
            "interruptions",
            "Woodruff 1952; Francisco & Fuller 1991",
        ),
        _quantile(
            "resume",
            0.5,
            "resume delay",
            "From a false stop to where the agent goes on.",
            "n_resumed",
            "resumed stops",
            "Woodruff 1952; Francisco & Fuller 1991",
        ),
    ),
)
"""Columns of ``JudgedCalls.totals``: counts, then the rates that rest on them."""

RATES = Schema(
    name="JudgedCalls.rates",
    rows="one row per rate; its name, a column of JudgedCalls.totals, is the index",
    columns=(
        Text(name="label", label="rate", meaning="Name of the rate, in words.", source=_RATES),
        Value(
            name="value",
            label="value",
            meaning="The rate; missing where nothing was counted, infinite where a quantile is not reached.",
            interval="95 %, recordings as the unit",
            source=_RATES,
        ),
        Text(name="unit", label="unit", meaning="Unit of the value; a rate of counts is a fraction.", source=_RATES),
        Value(name="n", label="n", meaning="Number of cases behind the rate.", decimals=1, source=_RATES),
        Value(
            name="n_calls",
            label="calls",
            meaning="Calls that have any of these cases.",
            dtype="int64",
            source=_RATES,
        ),
        Text(name="meaning", label="meaning", meaning="What the rate means.", source=_RATES),
    ),
)
"""Columns of ``JudgedCalls.rates``."""
