"""An event log as tables: all rows, and one row for each interruption, response and turn, as `LogFold` has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from bidilab.bidi.log.fold import LogFold
from bidilab.bidi.log.journal import SOURCES, LogRow

__all__ = ["interruptions_frame", "responses_frame", "rows_frame", "turns_frame"]

_STRINGS = ("session_id", "response_id", "item_id", "reason", "stop_reason", "role", "text", "detail")


def rows_frame(rows: Sequence[LogRow]) -> pd.DataFrame:
    """All rows, with the columns and types of `bidilab.bidi.log.eventlog`."""
    frame = pd.DataFrame(rows, columns=list(LogRow._fields), dtype=object)
    frame["seq"] = frame["seq"].astype("int64")
    for name in ("t_s", "at_s"):
        frame[name] = frame[name].astype("float64")
    frame["wall_time"] = pd.to_datetime(frame["wall_time"], utc=True).astype("datetime64[ns, UTC]")
    frame["source"] = pd.Categorical(frame["source"], categories=list(SOURCES))
    frame["type"] = pd.Categorical(frame["type"], categories=sorted(set(frame["type"])))
    for name in _STRINGS:
        frame[name] = frame[name].astype("string")
    for name in ("input_samples", "playback_samples"):
        frame[name] = frame[name].astype("Int64")
    return frame


def responses_frame(fold: LogFold) -> pd.DataFrame:
    """One row per response, in order of their first row.

    Columns: ``session_id``, ``response_id``; ``created_s``, ``audible_s`` (first sample), ``completed_s``, ``silent_s``
    (last sample left the loudspeaker) on the session's clock; ``stop_reason``, ``interrupted``; ``heard_ms``,
    ``generated_ms``. A time that never came is NaN.
    """
    return _frame(fold.responses, _RESPONSE_COLUMNS)


def interruptions_frame(fold: LogFold) -> pd.DataFrame:
    """One row per interruption, in order.

    Columns: ``session_id``, ``seq``, ``t_s`` (of the event), ``reason``, ``response_id``; ``onset_samples`` (where the
    detector, not a label, has the speech begin), ``decided_at_samples``, ``onset_s``; the latency in parts,
    ``onset_to_detected_ms`` (to the end of the frame that decided), ``detected_to_event_ms`` (to the event in the
    application), ``event_to_silent_ms`` (to the last sample that left the loudspeaker; negative when playback was
    cut before the application was told), and their sum ``onset_to_silent_ms``; ``heard_ms``, ``generated_ms``.

    An interruption by speech belongs to the ``interruption_decided`` of its response; where there is none, to the last
    ``speech_started`` or ``interruption_due`` before it, so that with guards "detected" is where it was acted upon. One
    by an error belongs to none.
    """
    return _frame(fold.interruptions, _INTERRUPTION_COLUMNS)


def turns_frame(fold: LogFold) -> pd.DataFrame:
    """One row per turn of the user, in order.

    Columns: ``session_id``; ``onset_samples``, ``started_at_samples`` (decided), ``audio_start_samples``,
    ``offset_samples``, ``stopped_at_samples`` (decided), missing while the turn is open; ``onset_s``, ``offset_s``,
    ``duration_ms``; ``flushed`` (ended by the end of the stream); ``cause``, why it ended (``silence``, ``score``,
    ``timeout``, ``flush``; missing in old logs and where a provider does not say), and ``score``, where a score ended
    it; ``interrupted_response_id``, the response it cut, and ``text``, the final transcript that came for it: by
    ``item_id`` where rows have one, otherwise the first user transcript between its end and the next turn's.
    """
    return _frame(fold.turns, _TURN_COLUMNS)


_RESPONSE_COLUMNS = {
    "session_id": "string",
    "response_id": "string",
    "created_s": "float64",
    "audible_s": "float64",
    "completed_s": "float64",
    "silent_s": "float64",
    "stop_reason": "string",
    "interrupted": "bool",
    "heard_ms": "float64",
    "generated_ms": "float64",
}
_INTERRUPTION_COLUMNS = {
    "session_id": "string",
    "seq": "int64",
    "t_s": "float64",
    "reason": "string",
    "response_id": "string",
    "onset_samples": "Int64",
    "decided_at_samples": "Int64",
    "onset_s": "float64",
    "onset_to_detected_ms": "float64",
    "detected_to_event_ms": "float64",
    "event_to_silent_ms": "float64",
    "onset_to_silent_ms": "float64",
    "heard_ms": "float64",
    "generated_ms": "float64",
}
_TURN_COLUMNS = {
    "session_id": "string",
    "onset_samples": "Int64",
    "started_at_samples": "Int64",
    "audio_start_samples": "Int64",
    "offset_samples": "Int64",
    "stopped_at_samples": "Int64",
    "onset_s": "float64",
    "offset_s": "float64",
    "duration_ms": "float64",
    "flushed": "boolean",
    "cause": "string",
    "score": "float64",
    "interrupted_response_id": "string",
    "text": "string",
}


def _frame(records: Iterable[Any], columns: Mapping[str, str]) -> pd.DataFrame:
    # By way of objects: a column of counts with gaps must not pass through float64.
    cells = [[getattr(record, name) for name in columns] for record in records]
    frame = pd.DataFrame(cells, columns=list(columns), dtype=object)
    return frame.astype(dict(columns))
