"""What a session's log says of the user's turns and of the agent's responses, as the values that the lab works with."""

from __future__ import annotations

import json

from bidilab.core.eventlog import EventLog
from bidilab.detect.turns import SpeechStarted, SpeechStopped, Turn, turns_from_events
from bidilab.lab.datasets.labels import Segment

__all__ = ["logged_rate", "logged_responses", "logged_turns"]


def logged_turns(log: EventLog) -> tuple[Turn, ...]:
    """Turns of the session's detector, in samples of its stream; one still open is not among them."""
    found: list[SpeechStarted | SpeechStopped] = []
    for row in log:
        said = json.loads(row.detail) if row.detail and row.type.startswith("speech_") else {}
        if row.type == "speech_started":
            onset, decided = said["onset_samples"], said["decided_at_samples"]
            start = said.get("audio_start_samples", onset)
            found.append(SpeechStarted(onset=onset, decided_at=decided, audio_start=start))
        elif row.type == "speech_stopped":
            decided, flushed = said["decided_at_samples"], bool(said.get("flushed", False))
            found.append(
                SpeechStopped(offset=said["offset_samples"], decided_at=decided, audio_end=decided, flushed=flushed)
            )
    return turns_from_events(found)


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
