"""The columns of the tables beside a sweep's own: events, two settings compared, a session's verdicts, several models.

Positions are seconds of the recording; what there is not is missing, never 0.
"""

from __future__ import annotations

from dataclasses import replace

from bidilab.lab.metrics.columns.column import Column, Count, Flag, Schema, Text, Value
from bidilab.lab.metrics.columns.settings import RECORDINGS_AT
from bidilab.lab.metrics.interruption import CAUSES, OUTCOMES

__all__ = ["COMPARISON", "EVENTS", "MODELS", "VERDICTS"]

_INTERRUPTION = "bidilab.lab.metrics.interruption"
_VERDICTS = "bidilab.lab.sessions.verdicts"
_COMPARISON = "bidilab.lab.sweep.comparison"
_MODELS = "bidilab.lab.sessions.comparison"


def _seconds(name: str, label: str, meaning: str, source: str = _INTERRUPTION) -> Value:
    return Value(name=name, label=label, meaning=meaning, unit="s", decimals=3, source=source)


def _ms(name: str, label: str, meaning: str, source: str) -> Value:
    return Value(name=name, label=label, meaning=meaning, unit="ms", better="lower", source=source)


_OUTCOME = Text(
    name="outcome",
    label="outcome",
    meaning=f"What became of the opportunity, or what the interruption was: {', '.join(OUTCOMES)}.",
    categories=OUTCOMES,
    source=_INTERRUPTION,
)
_KIND = Text(
    name="kind",
    label="kind",
    meaning="Kind of the labelled segment; missing for an interruption that hit none.",
    source="bidilab.lab.datasets.labels",
)
_CAUSE = Text(
    name="cause",
    label="cause",
    meaning=f"What a false interruption is put down to: {', '.join(CAUSES)}.",
    categories=CAUSES,
    source=_INTERRUPTION,
)
_TEXT = Text(
    name="text",
    label="text",
    meaning="What was said in the labelled segment, where the label tells.",
    source="bidilab.lab.datasets.labels",
)
_SEGMENT: tuple[Column, ...] = (
    _seconds("segment_start_s", "true onset", "Where the labelled segment starts."),
    _seconds("segment_end_s", "true offset", "Where the labelled segment ends."),
)
_ONSET = _seconds("onset_s", "detected onset", "Where the turn that interrupted starts, as the detector heard it.")

EVENTS = Schema(
    name="SweepResult.events",
    rows="one row per opportunity and per interruption",
    columns=(
        RECORDINGS_AT["recording_id"],
        Value(
            name="response",
            label="response",
            meaning="Which response of the recording, counted from 0.",
            dtype="int64",
            source=_INTERRUPTION,
        ),
        _OUTCOME,
        _KIND,
        _CAUSE,
        *_SEGMENT,
        _ONSET,
        _seconds("decided_s", "decision", "Where the interruption was acted upon, past the guards."),
        _seconds(
            "chance_end_s", "end of the chance", "Where the opportunity's chance to be detected ended, censored there."
        ),
        _ms("latency_ms", "latency", "Time from the true onset to the decision, of a detected one.", _INTERRUPTION),
        replace(
            _seconds(
                "talk_over_s",
                "talk-over",
                "Seconds of a true opportunity that were spoken while the agent was audible.",
            ),
            better="lower",
        ),
        _seconds(
            "resumed_s", "resumption", "Where the guards took the interruption back.", "bidilab.detect.turns.guards"
        ),
        _TEXT,
    ),
)
"""Columns of ``SweepResult.events``."""

COMPARISON = Schema(
    name="SweepResult.compare",
    rows="one row per metric; its name, a column of SweepResult.settings, is the index",
    columns=(
        Value(name="a", label="a", meaning="The metric under the first setting.", source=_COMPARISON),
        Value(name="b", label="b", meaning="The metric under the second setting.", source=_COMPARISON),
        Value(
            name="difference",
            label="difference",
            meaning="The second less the first; missing where either is undefined or both are infinite.",
            interval="paired bootstrap over recordings 95 %",
            source="Davison & Hinkley 1997, §3.8",
        ),
        Flag(
            name="paired",
            label="paired",
            meaning="Whether the difference was resampled recording by recording, so that it has an interval.",
            source=_COMPARISON,
        ),
    ),
)
"""Columns of ``SweepResult.compare``."""

VERDICTS = Schema(
    name="Replay.interruptions",
    rows="one row per interruption by speech and per missed one",
    columns=(
        replace(
            _OUTCOME,
            meaning="What the interruption was: detected, false, terminal_overlap, or unheard (the response was cut "
            "before its first audible sample); or missed.",
            categories=(),
            dtype="string",
            source=_VERDICTS,
        ),
        replace(_CAUSE, categories=(), dtype="string"),
        replace(_KIND, dtype="string"),
        Text(
            name="response_id",
            label="response",
            meaning="The response that was interrupted, or should have been.",
            dtype="string",
            source="bidilab.bidi.log.tables",
        ),
        *_SEGMENT,
        _ONSET,
        _seconds("decided_s", "decision", "Where the detector decided that speech had started.", _VERDICTS),
        _seconds("event_s", "event", "When the application was told of the interruption.", _VERDICTS),
        _ms("latency_ms", "latency", "Time from the true onset to the decision, of a detected one.", _VERDICTS),
        _ms(
            "event_latency_ms",
            "latency of the event",
            "Time from the true onset to the event in the application, of a detected one.",
            _VERDICTS,
        ),
        Value(
            name="heard_ms",
            label="heard",
            meaning="How much of the response was audible before it was cut.",
            unit="ms",
            source="bidilab.bidi.log.tables",
        ),
        replace(_TEXT, dtype="string"),
    ),
)
"""Columns of the verdicts on a session, ``Replay.interruptions``."""


def _count_of_models(name: str, label: str, meaning: str) -> Count:
    better = {"n_detected": "higher", "n_false": "lower", "n_missed": "lower"}.get(name)
    return Count(name=name, label=label, meaning=meaning, better=better, dtype="Int64", source=_MODELS)  # type: ignore[arg-type]


def _median_of_models(name: str, label: str, meaning: str) -> Value:
    return Value(name=name, label=label, meaning=meaning, unit="ms", dtype="Float64", source=_MODELS)


MODELS = Schema(
    name="ModelComparison.table",
    rows="one row per model",
    columns=(
        Text(name="model", label="model", meaning="Name of the model.", dtype="string", source=_MODELS),
        Text(
            name="detector",
            label="detector",
            meaning="What heard the user, with its release; missing where it is the provider's own.",
            dtype="string",
            source=_MODELS,
        ),
        _count_of_models("n_responses", "responses", "Responses that the model began."),
        _count_of_models("n_interruptions", "interruptions", "Interruptions of the session."),
        _count_of_models("n_detected", "true interruptions detected", "True interruptions that stopped the agent."),
        _count_of_models("n_false", "false interruptions", "Interruptions that should not have happened."),
        _count_of_models("n_missed", "true interruptions missed", "True interruptions that did not stop the agent."),
        _count_of_models("n_unheard", "cut before they were heard", "Responses cut before their first audible sample."),
        _median_of_models("latency_ms", "latency", "Median latency of the decision; missing where it is not told."),
        _median_of_models(
            "event_latency_ms", "latency of the event", "Median latency of the event in the application."
        ),
        _median_of_models("heard_ms", "heard", "Median of what was audible of the responses that were interrupted."),
        Text(
            name="problem",
            label="problem",
            meaning="Why there was no session, in words; missing where there was one.",
            dtype="string",
            source=_MODELS,
        ),
    ),
)
"""Columns of ``ModelComparison.table``. Counts by labels are missing where the recording has none."""
