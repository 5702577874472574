"""Strands' bidirectional agent: its telemetry, and events that a program logged, of both generations.

Sources: strands-agents 1.62 ``bidi/_telemetry.py`` and ``bidi/types/events.py``, 1.54
``experimental/bidi/types/events.py``.

Trap: a response's span ends when its *generation* ends. ``complete`` says nothing of an interruption: audio may be left
to play. 1.62 has ``bidi_barge_in`` without a reason, and no stop reason.
"""

from __future__ import annotations

from pathlib import Path

from bidilab.lab.judge.traces.reading import Fields, Problems, json_lines
from bidilab.lab.judge.traces.spans import read_spans
from bidilab.lab.judge.traces.trace import Trace, TraceError, TraceEvent

__all__ = ["is_strands_event", "read_strands_events", "read_strands_spans"]

_INTERRUPTIONS = ("bidi_interruption", "bidi_barge_in")
_ENDS = ("bidi_response_complete", "bidi_response_stop")
_TIMES = ("t", "time", "timestamp", "ts")
_WITHIN_S = 1.0


def is_strands_event(body: Fields) -> bool:
    """Whether a JSON object is an event of Strands with a time put in by the program that logged it."""
    return str(body.get("type")).startswith("bidi_") and any(name in body.body for name in _TIMES)


def read_strands_events(path: Path) -> Trace:
    """Read one event per line, its time in ``t``, ``time``, ``timestamp`` or ``ts`` (unix seconds)."""
    problems = Problems()
    events: list[TraceEvent] = []
    told_to_stop: float | None = None
    for line in json_lines(path, problems):
        try:
            kind = line.text("type")
            at_s = line.number(next((name for name in _TIMES if name in line.body), "t"))
        except TraceError as error:
            problems.add(line.where, str(error))
            continue
        if kind in _INTERRUPTIONS:
            told_to_stop = at_s
            reason = line.get("reason")
            detail = {"reason": reason} if reason is not None else {}
            events.append(TraceEvent(kind="event", at_s=at_s, means="arrival", error_s=0.02, detail=detail))
        elif kind in _ENDS:
            stop = line.get("stop_reason")
            interrupted = stop == "interrupted" if isinstance(stop, str) else None
            if interrupted is None and told_to_stop is not None and 0 <= at_s - told_to_stop <= _WITHIN_S:
                interrupted = True
            events.append(
                TraceEvent(
                    kind="generated",
                    at_s=at_s,
                    means="arrival",
                    error_s=0.02,
                    response=str(line.get("response_id") or ""),
                    cut=True if interrupted else None,  # complete: generation did, and the sound may go on
                )
            )
            told_to_stop = None
        elif kind == "bidi_transcript_stream" and line.get("is_final") and isinstance(line.get("text"), str):
            side = "user" if line.get("role") == "user" else "agent"
            events.append(
                TraceEvent(kind="transcript", at_s=at_s, means="arrival", side=side, text=line.text("text"))  # type: ignore[arg-type]
            )
    return Trace(format="strands events", source=path, events=tuple(events), clock="unix", problems=problems.all())


def read_strands_spans(path: Path) -> Trace:
    """Read the spans of a session: responses, and barge-ins as events of the session's span."""
    problems = Problems()
    events: list[TraceEvent] = []
    spans = read_spans(path, problems)
    told = [event for span in spans for event in span.events if event.name in _INTERRUPTIONS]
    for event in told:
        reason = event.attributes.get("interruption.reason")
        detail = {"reason": reason} if reason is not None else {}
        events.append(TraceEvent(kind="event", at_s=event.at_s, means="happened", error_s=0.02, detail=detail))
    for span in spans:
        if span.name != "bidi_response":
            continue
        response = str(span.attributes.get("gen_ai.response.id") or "")
        first_ms = span.attributes.get("gen_ai.server.time_to_first_audio")
        if isinstance(first_ms, int | float) and not isinstance(first_ms, bool):
            at_s = span.start_s + first_ms / 1000
            events.append(TraceEvent(kind="audible", at_s=at_s, means="estimated", error_s=0.2, response=response))
        finish = span.attributes.get("gen_ai.response.finish_reason")
        interrupted = finish == "interrupted" or any(0 <= span.end_s - one.at_s <= _WITHIN_S for one in told)
        events.append(
            TraceEvent(
                kind="generated",
                at_s=span.end_s,
                means="happened",
                error_s=0.02,
                response=response,
                cut=True if interrupted else None,
                detail={} if finish is None else {"finish_reason": finish},
            )
        )
    return Trace(format="strands spans", source=path, events=tuple(events), clock="unix", problems=problems.all())
