"""What a session's log says of the user's turns and of the agent's responses, as the values that the lab works with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bidilab.bidi.log.eventlog import EventLog
from bidilab.detect.turns import SpeechStarted, SpeechStopped, Turn, turns_from_events
from bidilab.lab.datasets.labels import Segment

__all__ = ["logged_rate", "logged_responses", "logged_turns"]


def logged_turns(log: EventLog) -> tuple[Turn, ...]:
    """Turns of the session's detector, in samples of its stream; one still open is not among them.

    Nor is one of which a provider does not tell all: OpenAI says where the audio of a turn starts, not when it decided.
    """
    turns: list[Turn] = []
    started: SpeechStarted | None = None
    for row in log:
        said = json.loads(row.detail) if row.detail and row.type.startswith("speech_") else {}
        if row.type == "speech_started":
            started = _started(said)
        elif row.type == "speech_stopped" and started is not None:
            if (stopped := _stopped(said)) is not None:
                turns += turns_from_events((started, stopped))
            started = None
    return tuple(turns)


def _started(said: Mapping[str, Any]) -> SpeechStarted | None:
    onset, decided = said.get("onset_samples"), said.get("decided_at_samples")
    if onset is None or decided is None:
        return None
    return SpeechStarted(onset=onset, decided_at=decided, audio_start=said.get("audio_start_samples", onset))


def _stopped(said: Mapping[str, Any]) -> SpeechStopped | None:
    offset, decided = said.get("offset_samples"), said.get("decided_at_samples")
    if offset is None or decided is None:
        return None
    flushed = bool(said.get("flushed", False))
    return SpeechStopped(offset=offset, decided_at=decided, audio_end=decided, flushed=flushed)


def logged_rate(log: EventLog) -> int | None:
    """Hertz of the detector's positions; ``None`` where the log has no decision of one."""
    for row in log:
        if row.type in ("speech_started", "speech_stopped") and row.detail:
            return int(json.loads(row.detail)["sample_rate"])
    return None


def logged_responses(log: EventLog) -> tuple[Segment, ...]:
    """The agent's responses as they were heard, as segments; what was never audible is not among them."""
    table = log.responses().dropna(subset=["audible_s", "silent_s"])
    return tuple(
        Segment(start_s=start, end_s=end, channel="agent", kind="response")
        for start, end in zip(table["audible_s"], table["silent_s"], strict=True)
        if end > start >= 0
    )
