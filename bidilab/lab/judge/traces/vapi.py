"""Vapi: the end-of-call report, or the call object, and server messages, one per line.

Sources: vapi-server-sdk 3.0.0 ``types/{artifact,user_message,bot_message,stop_speaking_plan,start_speaking_plan}.py``.

``time`` and ``endTime`` are unix milliseconds; ``secondsFromStart`` counts from the conversation's start, not the
recording's; the unit of ``duration`` is ambiguous and is not used. Which side is on which channel is published nowhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bidilab.lab.judge.traces.reading import Fields, Problems, json_document, json_lines
from bidilab.lab.judge.traces.trace import Trace, TraceError, TraceEvent

__all__ = ["is_vapi_message", "is_vapi_report", "read_vapi_messages", "read_vapi_report"]

_USER_LAG_S, _BOT_LAG_S = 0.2, 0.1
_PLANS = ("stopSpeakingPlan", "startSpeakingPlan")


def is_vapi_report(body: Fields) -> bool:
    """Whether a JSON object is an end-of-call report or a call."""
    report = _report(body)
    return isinstance(report.get("artifact"), dict) and isinstance(report.object("artifact").get("messages"), list)


def is_vapi_message(body: Fields) -> bool:
    """Whether a JSON object is a server message that tells of speech."""
    return body.optional_object("message").get("type") in ("speech-update", "user-interrupted", "status-update")


def _report(body: Fields) -> Fields:
    return body.object("message") if isinstance(body.get("message"), dict) else body


def read_vapi_report(path: Path) -> Trace:
    """Read an end-of-call report or a call."""
    body, problems = json_document(path), Problems()
    if not is_vapi_report(body):
        raise TraceError(f"{path.name}: needs 'artifact' with 'messages', as Vapi's reports have them")
    report = _report(body)
    artifact = report.object("artifact")
    events: list[TraceEvent] = []
    for message in artifact.objects("messages"):
        try:
            events += _spoken(message)
        except TraceError as error:
            problems.add(message.where, str(error))
    settings: dict[str, Any] = {}
    for plan in _PLANS:
        settings |= {
            f"{plan}.{k}": v for k, v in report.optional_object("assistant").optional_object(plan).body.items()
        }
    url = artifact.optional_object("recording").get("stereoUrl") or artifact.get("stereoRecordingUrl")
    return Trace(
        format="vapi report",
        source=path,
        events=tuple(events),
        clock="unix",
        settings=settings,
        recording=url.rsplit("/", 1)[-1] if isinstance(url, str) else None,
        problems=problems.all(),
    )


def _spoken(message: Fields) -> list[TraceEvent]:
    role = message.get("role")
    if role not in ("user", "bot", "assistant"):
        return []
    began, ended = message.number("time") / 1000, message.number("endTime") / 1000
    user = role == "user"
    error_s = _USER_LAG_S if user else _BOT_LAG_S
    text = message.get("message")
    kinds: tuple[Any, Any] = ("user_onset", "user_end") if user else ("audible", "silent")
    return [
        TraceEvent(kind=kinds[0], at_s=began, means="arrival", error_s=error_s),
        TraceEvent(kind=kinds[1], at_s=ended, means="arrival", error_s=error_s),
        TraceEvent(
            kind="transcript",
            at_s=began,
            means="arrival",
            error_s=error_s,
            side="user" if user else "agent",
            text=text if isinstance(text, str) else "",
        ),
    ]


def read_vapi_messages(path: Path) -> Trace:
    """Read server messages: when speech began and ended, and when the user interrupted."""
    problems = Problems()
    events: list[TraceEvent] = []
    interrupted_s: float | None = None
    for line in json_lines(path, problems):
        try:
            message = line.object("message")
            at_s = message.number("timestamp") / 1000
            kind, role, status = message.text("type"), message.get("role"), message.get("status")
        except TraceError as error:
            problems.add(line.where, str(error))
            continue
        if kind == "user-interrupted":
            interrupted_s = at_s
            events.append(TraceEvent(kind="event", at_s=at_s, means="arrival", error_s=_BOT_LAG_S))
        elif kind == "speech-update" and role == "assistant" and status == "stopped":
            cut = interrupted_s is not None and 0 <= at_s - interrupted_s <= 1
            events.append(TraceEvent(kind="silent", at_s=at_s, means="arrival", error_s=_BOT_LAG_S, cut=cut))
        elif kind == "speech-update" and role == "assistant" and status == "started":
            events.append(TraceEvent(kind="audible", at_s=at_s, means="arrival", error_s=_BOT_LAG_S))
        elif kind == "speech-update" and role == "user" and status == "started":
            events.append(TraceEvent(kind="decision", at_s=at_s, means="arrival", error_s=_USER_LAG_S))
    return Trace(format="vapi messages", source=path, events=tuple(events), clock="unix", problems=problems.all())
