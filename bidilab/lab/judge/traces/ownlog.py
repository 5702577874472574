"""A session log of bidilab: one more format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.log.journal import LogRow
from bidilab.lab.judge.traces.reading import Fields
from bidilab.lab.judge.traces.trace import Trace, TraceError, TraceEvent

__all__ = ["is_own_row", "read_own_log", "settings_of", "trace_of_log"]

_NAMES = {"session_id", "seq", "t_s", "at_s", "source", "type"}

_ANEW_S = 0.5
"""Two sessions of one log share its time; a time that goes back by more is another log's, in the same journal."""


def is_own_row(body: Fields) -> bool:
    """Whether a JSON object is a row of our log."""
    return body.body.keys() >= _NAMES


def read_own_log(path: Path) -> Trace:
    """Read a session's log. Its clock is that of the user's audio, whose first sample lies at 0."""
    try:
        log = EventLog.read(path)
    except (ValueError, KeyError, TypeError) as error:
        raise TraceError(f"{path.name}: not a session log ({error})") from error
    sessions = {row.session_id for row in log.rows}
    if any(after.t_s < before.t_s - _ANEW_S for before, after in pairwise(log.rows)) and len(sessions) > 1:
        said = f"rows of {len(sessions)} sessions in one file, each with a clock of its own"
        raise TraceError(f"{path.name}: {said}; write those of each to a file of its own")
    return trace_of_log(log, source=path)


def trace_of_log(log: EventLog, *, source: Path, settings: Mapping[str, object] | None = None) -> Trace:
    """What a session's log tells, also of one that goes on.

    Parameters
    ----------
    log, source
        The log, and where it is from.
    settings
        Settings in force, where they were read off its rows already (`settings_of`).
    """
    fold = log.fold()
    events: list[TraceEvent] = []
    for response in fold.responses:
        name = response.response_id
        if response.audible_s is not None:
            events.append(_event("audible", response.audible_s, response=name))
            if response.silent_s is not None:
                events.append(_event("silent", response.silent_s, response=name, cut=bool(response.interrupted)))
    for turn in fold.turns:
        if turn.onset_s is not None:
            events.append(_event("user_onset", turn.onset_s))
        if turn.offset_s is not None:
            events.append(_event("user_end", turn.offset_s))
    for interruption in fold.interruptions:
        cut = interruption.response_id
        events.append(_event("event", interruption.t_s, response=cut))
        if interruption.onset_to_detected_ms is not None and interruption.onset_s is not None:
            decided_s = interruption.onset_s + interruption.onset_to_detected_ms / 1000
            events.append(_event("decision", decided_s, response=cut))
    return Trace(
        format="bidilab log",
        source=source,
        events=tuple(events),
        clock="the recording",
        settings=settings_of(log.rows) if settings is None else settings,
        audio_starts_s=0.0,
        user_channel=1,
        problems=tuple(str(dropped) for dropped in log.dropped),
    )


def settings_of(rows: Iterable[LogRow]) -> dict[str, object]:
    """Settings in force after these rows."""
    settings: dict[str, object] = {}
    for row in rows:
        if row.type in ("turn_detection", "turn_detection_updated", "session_effective"):
            settings |= {name: value for name, value in row.said().items() if not isinstance(value, dict | list)}
    return settings


def _event(kind: str, at_s: float, *, response: str | None = "", cut: bool | None = None) -> TraceEvent:
    return TraceEvent(
        kind=kind,  # type: ignore[arg-type]  # checked when built
        at_s=at_s,
        means="happened",
        error_s=0.005,
        response=response or "",
        cut=cut,
    )
