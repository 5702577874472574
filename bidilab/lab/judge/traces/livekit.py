"""LiveKit Agents: the session report, and the spans of its tracer.

Sources: livekit-agents 1.8.9 ``voice/report.py``, ``voice/events.py``, ``llm/chat_context.py``,
``telemetry/trace_types.py``; the JSON of OpenTelemetry's Python exporter for spans.

Traps: ``metrics.stopped_speaking_at`` of an interrupted message is when its text was committed, seconds after the sound
stopped: ends come from ``agent_state_changed``. A false stop leaves ``interrupted: false`` and is found in
``agent_false_interruption``. Events are not in time order. ``user_state_changed`` is dated back to the onset; where the
detector decided is not in the report.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bidilab.lab.judge.traces.reading import Fields, Problems, json_document
from bidilab.lab.judge.traces.spans import Span, read_spans
from bidilab.lab.judge.traces.trace import Trace, TraceError, TraceEvent

__all__ = ["is_livekit_report", "read_livekit_report", "read_livekit_spans"]

_ONSET_ERROR_S = 0.1
_HEARD_ERROR_S = 0.02
_SAME_S = 0.25


def is_livekit_report(body: Fields) -> bool:
    """Whether a JSON object is a session report."""
    return isinstance(body.get("events"), list) and "chat_history" in body.body


def read_livekit_report(path: Path) -> Trace:
    """Read ``SessionReport.to_dict()``.

    Raises
    ------
    TraceError
        If it is no report.
    """
    report, problems = json_document(path), Problems()
    if not is_livekit_report(report):
        raise TraceError(f"{path.name}: needs 'events' and 'chat_history', as a LiveKit session report has them")
    told = sorted(
        (found for event in report.objects("events") if (found := _timed(event, problems)) is not None),
        key=lambda timed: timed[0],
    )
    messages = [
        item for item in report.optional_object("chat_history").objects("items") if item.get("type") == "message"
    ]
    events: list[TraceEvent] = []
    for at_s, event in told:
        events += _events(at_s, event)
    events = _with_cuts(events, _interrupted_at(messages, problems))
    events += _transcripts(messages, problems)
    started = report.optional_number("audio_recording_started_at")
    recording = report.get("audio_recording_path")
    return Trace(
        format="livekit report",
        source=path,
        events=tuple(events),
        clock="unix",
        settings=report.optional_object("options").body,
        audio_starts_s=started,
        user_channel=1,
        recording=Path(recording).name if isinstance(recording, str) and recording else None,
        problems=problems.all(),
    )


def _timed(event: Fields, problems: Problems) -> tuple[float, Fields] | None:
    try:
        return event.number("created_at"), event
    except TraceError as error:
        problems.add(event.where, str(error))
        return None


def _events(at_s: float, event: Fields) -> list[TraceEvent]:
    old, new = event.get("old_state"), event.get("new_state")
    match event.get("type"):
        case "agent_state_changed" if new == "speaking":
            return [TraceEvent(kind="audible", at_s=at_s, means="happened", error_s=_HEARD_ERROR_S)]
        case "agent_state_changed" if old == "speaking":
            return [TraceEvent(kind="silent", at_s=at_s, means="happened", error_s=_HEARD_ERROR_S)]
        case "user_state_changed" if new == "speaking":
            return [TraceEvent(kind="user_onset", at_s=at_s, means="onset", error_s=_ONSET_ERROR_S)]
        case "user_state_changed" if old == "speaking":
            return [TraceEvent(kind="user_end", at_s=at_s, means="onset", error_s=_ONSET_ERROR_S)]
        case "agent_false_interruption" if event.get("resumed"):
            return [TraceEvent(kind="resumed", at_s=at_s, means="happened", error_s=_HEARD_ERROR_S)]
        case "overlapping_speech":
            return _overlapping(at_s, event)
        case _:
            return []


def _overlapping(at_s: float, event: Fields) -> list[TraceEvent]:
    """The verdict of LiveKit's adaptive interruption; one that is inconclusive decides nothing."""
    if event.get("is_interruption") is not True:
        return []
    started, delay = event.optional_number("overlap_started_at"), event.optional_number("detection_delay")
    decided = at_s if started is None or delay is None else started + delay
    return [TraceEvent(kind="decision", at_s=decided, means="decision", error_s=_HEARD_ERROR_S, detail=event.body)]


def _interrupted_at(messages: list[Fields], problems: Problems) -> list[tuple[float, bool, str]]:
    """Of each message of the agent: when it began to be heard, whether it was interrupted, and its id."""
    found = []
    for message in messages:
        if message.get("role") != "assistant" or not isinstance(message.get("interrupted"), bool):
            continue
        try:
            began = message.optional_object("metrics").optional_number("started_speaking_at")
        except TraceError as error:
            problems.add(message.where, str(error))
            continue
        if began is not None:
            found.append((began, bool(message.get("interrupted")), str(message.get("id") or "")))
    return found


def _with_cuts(events: list[TraceEvent], messages: list[tuple[float, bool, str]]) -> list[TraceEvent]:
    """Say of each end of the agent's sound whether the trace has it for a cut."""
    made: list[TraceEvent] = []
    for k, event in enumerate(events):
        if event.kind not in ("audible", "silent"):
            made.append(event)
            continue
        began = event.at_s if event.kind == "audible" else _before(events, k, "audible")
        message = next((m for m in messages if began is not None and abs(m[0] - began) < _SAME_S), None)
        cut = None
        if event.kind == "silent":
            # The next thing that happens to the agent: a false interruption that is resumed was a stop.
            resumed = next((e for e in events[k + 1 :] if e.kind in ("resumed", "silent")), None)
            was_resumed = resumed is not None and resumed.kind == "resumed"
            cut = True if was_resumed else None if message is None else message[1]
        made.append(
            TraceEvent(
                kind=event.kind,
                at_s=event.at_s,
                means=event.means,
                error_s=event.error_s,
                cut=cut,
                response="" if message is None else message[2],
            )
        )
    return made


def _before(events: list[TraceEvent], k: int, kind: str) -> float | None:
    return next((event.at_s for event in reversed(events[:k]) if event.kind == kind), None)


def _transcripts(messages: list[Fields], problems: Problems) -> list[TraceEvent]:
    found = []
    for message in messages:
        role, content = message.get("role"), message.get("content")
        words = " ".join(part for part in content if isinstance(part, str)) if isinstance(content, list) else ""
        try:
            metrics = message.optional_object("metrics")
            at_s = metrics.optional_number("started_speaking_at")
            at_s = message.number("created_at") if at_s is None else at_s
        except TraceError as error:
            problems.add(message.where, str(error))
            continue
        if words and role in ("user", "assistant"):
            found.append(
                TraceEvent(
                    kind="transcript",
                    at_s=at_s,
                    means="commit",
                    side="user" if role == "user" else "agent",
                    text=words,
                    response=str(message.get("id") or "") if role == "assistant" else "",
                )
            )
    return found


# ---- spans -----------------------------------------------------------------------------------------------------------


def read_livekit_spans(path: Path) -> Trace:
    """Read spans of a LiveKit agent, one JSON object per line."""
    problems = Problems()
    spans = read_spans(path, problems)
    turns = [span for span in spans if span.name == "agent_turn"]
    events: list[TraceEvent] = []
    settings: dict[str, Any] = {}
    for span in spans:
        if span.name == "agent_speaking":
            turn = next((turn for turn in turns if turn.span_id == span.parent_id), None)
            events += _agent_speaking(span, turn, last=_is_last(span, spans))
        elif span.name == "user_speaking":
            events.append(TraceEvent(kind="user_onset", at_s=span.start_s, means="onset", error_s=_ONSET_ERROR_S))
            events.append(TraceEvent(kind="user_end", at_s=span.end_s, means="onset", error_s=_ONSET_ERROR_S))
        settings |= {
            name.removeprefix("session.options."): value
            for name, value in span.attributes.items()
            if name.startswith("session.options.")
        }
    return Trace(
        format="livekit spans",
        source=path,
        events=tuple(events),
        clock="unix",
        settings=settings,
        user_channel=1,
        problems=problems.all(),
    )


def _is_last(span: Span, spans: list[Span]) -> bool:
    """Whether the agent's turn has no later stretch of speech: a false interruption splits a turn in two."""
    return not any(
        other.name == "agent_speaking" and other.parent_id == span.parent_id and other.start_s > span.start_s
        for other in spans
    )


def _agent_speaking(span: Span, turn: Span | None, *, last: bool) -> list[TraceEvent]:
    response = "" if turn is None else str(turn.attributes.get("lk.speech_id") or "")
    interrupted = None if turn is None else turn.attributes.get("lk.interrupted")
    cut = True if not last else interrupted if isinstance(interrupted, bool) else None
    detail = (
        {} if turn is None else {k: v for k, v in turn.attributes.items() if k.startswith(("lk.interr", "lk.play"))}
    )
    return [
        TraceEvent(kind="audible", at_s=span.start_s, means="happened", error_s=_HEARD_ERROR_S, response=response),
        TraceEvent(
            kind="silent",
            at_s=span.end_s,
            means="happened",
            error_s=_HEARD_ERROR_S,
            response=response,
            cut=cut,
            detail=detail,
        ),
    ]
