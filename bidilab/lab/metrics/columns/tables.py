"""The columns of the tables beside a sweep's own: events, two settings compared, verdicts on sessions, several models.

Positions are seconds of the recording; what there is not is missing, never 0.
"""

from __future__ import annotations

from dataclasses import replace

from bidilab.lab.metrics.columns.column import Column, Count, Flag, PerMinute, Quantile, Rate, Schema, Text, Value
from bidilab.lab.metrics.columns.settings import RECORDINGS_AT
from bidilab.lab.metrics.evaluation import IN_SESSION, OUTCOMES
from bidilab.lab.metrics.stops import CAUSES

__all__ = ["COMPARISON", "EVENTS", "MODELS", "PROBED", "SESSIONS", "VERDICTS"]

_EVALUATION = "bidilab.lab.metrics.evaluation"
_STOPS = "bidilab.lab.metrics.stops"
_VERDICTS = "bidilab.lab.sessions.verdicts"
_COMPARISON = "bidilab.lab.sweep.comparison"
_MODELS = "bidilab.lab.sessions.comparison"
_PROBE = "bidilab.bidi.realtime.probe.measure"


def _seconds(name: str, label: str, meaning: str, source: str = _EVALUATION) -> Value:
    return Value(name=name, label=label, meaning=meaning, unit="s", decimals=3, source=source)


def _ms(name: str, label: str, meaning: str, source: str) -> Value:
    return Value(name=name, label=label, meaning=meaning, unit="ms", better="lower", source=source)


_OUTCOME = Text(
    name="outcome",
    label="outcome",
    meaning=f"What becomes of the event if the agent is speaking, or why it is not judged: {', '.join(OUTCOMES)}.",
    categories=OUTCOMES,
    source=_EVALUATION,
)
_KIND = Text(
    name="kind",
    label="kind",
    meaning="Kind of the labelled segment; missing for a stop with nothing labelled near.",
    source="bidilab.lab.datasets.labels",
)
_CAUSE = Text(
    name="cause",
    label="cause",
    meaning=f"Cause of a false stop of the session: {', '.join(CAUSES)}.",
    categories=CAUSES,
    source=_STOPS,
)
_TEXT = Text(
    name="text",
    label="text",
    meaning="What was said in the labelled segment, if the label has it.",
    source="bidilab.lab.datasets.labels",
)
_SEGMENT: tuple[Column, ...] = (
    _seconds("segment_start_s", "true onset", "Where the labelled segment starts."),
    _seconds("segment_end_s", "true offset", "Where the labelled segment ends."),
)
_ONSET = _seconds(
    "onset_s", "detected onset", "Where the turn that stops the agent of the session starts, as the detector heard it."
)

EVENTS = Schema(
    name="SweepResult.events",
    rows="one row per labelled event of the user, and per stop that is no event's first",
    columns=(
        RECORDINGS_AT["recording_id"],
        Value(
            name="response",
            label="response",
            meaning="Which response of the recording, counted from 0; -1 for none.",
            dtype="int64",
            source=_EVALUATION,
        ),
        _OUTCOME,
        Text(
            name="in_session",
            label="in the session",
            meaning=f"What the agent of the conversation does at it: {', '.join(IN_SESSION)}.",
            categories=IN_SESSION,
            source=_EVALUATION,
        ),
        _KIND,
        _CAUSE,
        *_SEGMENT,
        _ms(
            "latency_ms",
            "latency",
            "Time from the true onset to where a speaking agent stops; infinite for never, missing where the event is "
            "not judged.",
            "bidilab.lab.metrics.members",
        ),
        replace(
            _seconds("talk_over_s", "talk-over", "Seconds of a true event that are spoken before the agent stops."),
            better="lower",
        ),
        _ONSET,
        _seconds("decided_s", "decision", "Where the session stops for it, past the guards.", _STOPS),
        _seconds("lost_s", "agent speech lost", "Seconds of agent speech that a false stop takes away.", _STOPS),
        _seconds("resumed_s", "resumption", "Where the guards took the stop back.", "bidilab.detect.turns.guards"),
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
            interval="paired 95 %, recordings as the unit",
            source="Cochran 1977",
        ),
        Flag(
            name="paired",
            label="paired",
            meaning="Whether the difference was taken recording by recording, so that it has an interval.",
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
            meaning="What the interruption was: detected, false, continued (the user went on with a turn that the "
            "agent had cut into), unheard (the response was cut before its first audible sample), unsure (by a segment "
            "that is marked so), or unlabelled (in a recording without labels); or missed.",
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
        _ms("latency_ms", "latency", "Time from the true onset to the decision, if it was detected.", _VERDICTS),
        _ms(
            "event_latency_ms",
            "latency of the event",
            "Time from the true onset to the event in the application, if it was detected.",
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
            meaning="Detector that heard the user, with its release; missing if it is the provider's own.",
            dtype="string",
            source=_MODELS,
        ),
        _count_of_models("n_responses", "responses", "Responses that the model began."),
        _count_of_models("n_interruptions", "interruptions", "Interruptions of the session."),
        _count_of_models("n_detected", "true interruptions detected", "True interruptions that stopped the agent."),
        _count_of_models("n_false", "false interruptions", "Interruptions that should not have happened."),
        _count_of_models(
            "n_continued", "the user went on", "Interruptions by a user whose turn the agent had cut into."
        ),
        _count_of_models("n_missed", "true interruptions missed", "True interruptions that did not stop the agent."),
        _count_of_models("n_unheard", "cut before they were heard", "Responses cut before their first audible sample."),
        _median_of_models(
            "latency_ms", "latency", "Median latency of the decision; missing if the provider does not tell it."
        ),
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

_BY_RECORDING = "95 %, recordings as the unit"
_BY_SESSION = "95 %, sessions as the unit"
_WOODRUFF = "Woodruff 1952; Francisco & Fuller 1991"


def _percentiles(of: str, label: str, meaning: str, *, n: str, n_label: str, interval: str) -> tuple[Quantile, ...]:
    return tuple(
        Quantile(
            name=f"{of}_p{percent}",
            of=of,
            q=percent / 100,
            label=f"{label}, p{percent}",
            meaning=meaning.format(words),
            n_columns=(n,),
            n_label=n_label,
            interval=interval,
            source=_WOODRUFF,
        )
        for percent, words in ((50, "median"), (90, "90th percentile"))
    )


def _of_sessions(name: str, label: str, meaning: str, better: str | None = None) -> Count:
    return Count(name=name, label=label, meaning=meaning, better=better, source=_VERDICTS)  # type: ignore[arg-type]


SESSIONS = Schema(
    name="bidilab check of replays",
    rows="counts of one recording, and what is judged of all of them",
    columns=(
        _of_sessions("n_met", "true interruptions met", "True interruptions that met a speaking agent in the session."),
        _of_sessions("n_missed", "true interruptions missed", "Those that did not stop it.", "lower"),
        Rate(
            name="missed_rate",
            label="missed interruptions",
            meaning="True interruptions that met a speaking agent and did not stop it, per such interruption. Which "
            "ones meet it depends on what the session did, so n may differ from one build to the next.",
            of=("n_missed",),
            per=("n_met",),
            n_label="true interruptions met",
        ),
        *_percentiles(
            "latency_detected_ms",
            "interruption latency",
            "Time from the true onset to the detector's decision, {} over all true interruptions met; a missed one is "
            "infinite.",
            n="n_met",
            n_label="true interruptions met",
            interval=_BY_RECORDING,
        ),
        *_percentiles(
            "event_latency_ms",
            "latency of the event",
            "Time from the true onset to the event in the application, {} over all true interruptions met; a missed "
            "one is infinite.",
            n="n_met",
            n_label="true interruptions met",
            interval=_BY_RECORDING,
        ),
        _of_sessions("n_responses", "responses heard", "Responses of the agent that were audible and ended."),
        _of_sessions("n_false", "false stops", "Responses stopped by something that ought not to stop them.", "lower"),
        Rate(
            name="false_stop_share",
            label="responses stopped falsely",
            meaning="Responses stopped by something that ought not to stop them, per response heard.",
            of=("n_false",),
            per=("n_responses",),
            n_label="responses heard",
        ),
        Value(
            name="agent_speech_min",
            label="agent speech",
            meaning="Minutes of the agent's responses that were audible.",
            unit="min",
            decimals=1,
            source=_VERDICTS,
        ),
        PerMinute(
            name="false_per_min",
            label="false stops",
            meaning="False stops per minute of agent speech that was heard.",
            of=("n_false",),
            per=("agent_speech_min",),
            n_label="minutes of agent speech",
        ),
    ),
)
"""What `bidilab.check` judges of replays."""

PROBED = Schema(
    name="bidilab check of a client probe",
    rows="counts of one session, and what is judged of all of them",
    columns=(
        Count(
            name="n_interruptions",
            label="interruptions",
            meaning="Times that the user began to speak while the client was being sent audio or still had some.",
            source=_PROBE,
        ),
        *_percentiles(
            "leak_ms",
            "leak",
            "Audio that the client may have played after the decision, at most, {} over all interruptions.",
            n="n_interruptions",
            n_label="interruptions",
            interval=_BY_SESSION,
        ),
        *_percentiles(
            "truncate_after_ms",
            "time to the truncate",
            "Time from the decision to the client's truncate, {} over all interruptions; infinite without one.",
            n="n_interruptions",
            n_label="interruptions",
            interval=_BY_SESSION,
        ),
        Count(
            name="n_not_truncated",
            label="interruptions without a truncate",
            meaning="Interruptions at which the client did not truncate what was sounding.",
            better="lower",
            source=_PROBE,
        ),
        Rate(
            name="not_truncated_rate",
            label="interruptions without a truncate",
            meaning="Interruptions at which the client did not truncate what was sounding, per interruption.",
            of=("n_not_truncated",),
            per=("n_interruptions",),
            n_label="interruptions",
            interval=_BY_SESSION,
        ),
    ),
)
"""What `bidilab.check` judges of the report of `bidilab probe-client`."""
