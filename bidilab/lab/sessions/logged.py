"""What a session's log says of the user's turns and of the agent's responses, as the values that the lab works with."""

from __future__ import annotations

from typing import cast

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.log.records import LoggedTurn
from bidilab.detect.turns import StopCause, Turn
from bidilab.lab.datasets.labels import Segment

__all__ = ["logged_rate", "logged_responses", "logged_turns"]


def logged_turns(log: EventLog) -> tuple[Turn, ...]:
    """Turns of the session's detector, in samples of its stream; one still open is not among them.

    Nor is one of which a provider does not tell all: OpenAI says where the audio of a turn starts, not when it decided.
    """
    return tuple(turn for told in log.fold().turns if (turn := _turn(told)) is not None)


def _turn(told: LoggedTurn) -> Turn | None:
    onset, started_at = told.onset_samples, told.started_at_samples
    offset, stopped_at = told.offset_samples, told.stopped_at_samples
    if onset is None or started_at is None or offset is None or stopped_at is None:
        return None
    return Turn(
        onset=onset,
        started_at=started_at,
        audio_start=onset if told.audio_start_samples is None else told.audio_start_samples,
        offset=offset,
        stopped_at=stopped_at,
        audio_end=stopped_at,
        flushed=bool(told.flushed),
        cause=_cause(told),
    )


def _cause(told: LoggedTurn) -> StopCause:
    """Why a turn ended. Logs from before there were scorers do not say; then silence did, or the end of the stream."""
    if told.cause is None:
        return "flush" if told.flushed else "silence"
    return cast(StopCause, told.cause)


def logged_rate(log: EventLog) -> int | None:
    """Hertz of the detector's positions; ``None`` where the log has no decision of one."""
    return log.fold().detector_rate


def logged_responses(log: EventLog) -> tuple[Segment, ...]:
    """The agent's responses as they were heard, as segments; what was never audible is not among them."""
    heard = ((told.audible_s, told.silent_s) for told in log.fold().responses)
    return tuple(
        Segment(start_s=start, end_s=end, channel="agent", kind="response")
        for start, end in heard
        if start is not None and end is not None and end > start >= 0
    )
