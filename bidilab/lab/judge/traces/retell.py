"""Retell: the call object, and the agent's settings.

Source: retell-sdk 6.2.13 ``types/phone_call_response.py``, ``types/agent_response.py``. Times of words are "relative
audio time", "more like an approximation". The order of the channels is not published.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from bidilab.lab.judge.traces.reading import Fields, Problems, json_document
from bidilab.lab.judge.traces.trace import Trace, TraceError, TraceEvent

__all__ = ["is_retell_agent", "is_retell_call", "read_retell_agent", "read_retell_call"]

_WORD_ERROR_S = 0.1
_PAUSE_S = 0.6
_SETTINGS = ("interruption_sensitivity", "responsiveness", "enable_backchannel", "begin_message_delay_ms")


def is_retell_call(body: Fields) -> bool:
    """Whether a JSON object is a call with words."""
    return isinstance(body.get("transcript_object"), list) and "call_id" in body.body


def is_retell_agent(body: Fields) -> bool:
    """Whether a JSON object is an agent's settings."""
    return "agent_id" in body.body and "interruption_sensitivity" in body.body and "call_id" not in body.body


def read_retell_call(path: Path) -> Trace:
    """Read a call: each side's words, joined to stretches of speech over pauses of up to 0.6 s."""
    call, problems = json_document(path), Problems()
    if not is_retell_call(call):
        raise TraceError(f"{path.name}: needs 'call_id' and 'transcript_object', as Retell's calls have them")
    events: list[TraceEvent] = []
    for utterance in call.objects("transcript_object"):
        try:
            events += _utterance(utterance)
        except TraceError as error:
            problems.add(utterance.where, str(error))
    url = call.get("recording_multi_channel_url") or call.get("scrubbed_recording_multi_channel_url")
    return Trace(
        format="retell call",
        source=path,
        events=tuple(events),
        clock="the recording",
        audio_starts_s=0.0,
        recording=url.rsplit("/", 1)[-1] if isinstance(url, str) else None,
        problems=problems.all(),
    )


def _utterance(utterance: Fields) -> list[TraceEvent]:
    role = utterance.get("role")
    words = [(word.number("start"), word.number("end")) for word in utterance.objects("words")]
    if role not in ("user", "agent") or not words:
        return []
    words.sort()
    metadata = utterance.optional_object("metadata").body
    response = str(metadata.get("response_id") or "") if role == "agent" else ""
    begins, ends = ("user_onset", "user_end") if role == "user" else ("audible", "silent")
    text = utterance.get("content")
    events = [
        TraceEvent(
            kind="transcript",
            at_s=words[0][0],
            means="estimated",
            error_s=_WORD_ERROR_S,
            side=role,
            text=text if isinstance(text, str) else "",
            response=response,
            detail=metadata,
        )
    ]
    stretches: list[list[float]] = [list(words[0])]
    for (_, before), (start, end) in pairwise(words):
        if start - max(before, stretches[-1][1]) > _PAUSE_S:
            stretches.append([start, end])
        stretches[-1][1] = max(stretches[-1][1], end)
    for start, end in stretches:
        more: dict[str, Any] = {"means": "estimated", "error_s": _WORD_ERROR_S, "response": response}
        events.append(TraceEvent(kind=begins, at_s=start, **more))  # type: ignore[arg-type]  # one of two kinds
        events.append(TraceEvent(kind=ends, at_s=end, **more))  # type: ignore[arg-type]
    return events


def read_retell_agent(path: Path) -> Trace:
    """Read an agent's settings; it has no events."""
    agent = json_document(path)
    if not is_retell_agent(agent):
        raise TraceError(f"{path.name}: needs 'agent_id' and 'interruption_sensitivity', as Retell's agents have them")
    settings = {name: agent.get(name) for name in _SETTINGS if name in agent.body}
    return Trace(format="retell agent", source=path, events=(), clock="the recording", settings=settings)
