"""An event log as tables: all rows, and one row for each interruption, response and turn.

The tables are read off these rows (``detail`` in parentheses; positions in samples, ``sample_rate`` in hertz):

====================  ==========  =============================================================================
type                  source      what it tells
====================  ==========  =============================================================================
speech_started        detector    user speech (``onset_samples, decided_at_samples, audio_start_samples,
                                  sample_rate``)
interruption_due      detector    the speech passed the guards that interruptions have (``onset_samples,
                                  decided_at_samples, sample_rate``); no row where there are no guards
interruption_decided  detector    what interrupted ``response_id``, where the model says so (``onset_samples,
                                  decided_at_samples, sample_rate``)
speech_stopped        detector    its end (``offset_samples, decided_at_samples, flushed, sample_rate``)
bidi_response_start   model       generation of ``response_id`` begins
bidi_audio_stream     model       audio arrived (``audio_bytes, sample_rate, channels``)
playback_started      playback    first sample of ``response_id`` audible
playback_cleared      playback    its rest was thrown away (``heard_samples, dropped_samples, sample_rate``)
playback_silent       playback    its last sample left the loudspeaker (``heard_samples, sample_rate``)
bidi_interruption     agent       the application was told (``heard_samples, generated_samples, sample_rate``)
bidi_response_complete agent      the response ended, with its ``stop_reason``
====================  ==========  =============================================================================

``t_s`` is 0 at the first input sample, so a position ``n`` of the user's stream lies at ``n / sample_rate`` on the same
clock, and the parts of a latency add up to the whole. What is not known is missing, never 0.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from bidilab.bidi.log.journal import SOURCES, LogRow
from bidilab.core.units import samples_to_ms, samples_to_s

__all__ = ["interruptions_frame", "responses_frame", "rows_frame", "turns_frame"]

_IN_BETWEEN = ("playback_started", "playback_dry")
_STRINGS = ("session_id", "response_id", "item_id", "reason", "stop_reason", "role", "text", "detail")


def rows_frame(rows: Sequence[LogRow]) -> pd.DataFrame:
    """All rows, with the columns and types of DESIGN §7."""
    frame = pd.DataFrame(rows, columns=list(LogRow._fields), dtype=object)
    frame["seq"] = frame["seq"].astype("int64")
    frame["t_s"] = frame["t_s"].astype("float64")
    frame["wall_time"] = pd.to_datetime(frame["wall_time"], utc=True).astype("datetime64[ns, UTC]")
    frame["source"] = pd.Categorical(frame["source"], categories=list(SOURCES))
    frame["type"] = pd.Categorical(frame["type"], categories=sorted(set(frame["type"])))
    for name in _STRINGS:
        frame[name] = frame[name].astype("string")
    for name in ("input_samples", "playback_samples"):
        frame[name] = frame[name].astype("Int64")
    return frame


def _detail(row: LogRow) -> dict[str, Any]:
    detail: dict[str, Any] = json.loads(row.detail) if row.detail is not None else {}
    return detail


def _ms(detail: Mapping[str, Any], key: str) -> float:
    if detail.get(key) is None or not detail.get("sample_rate"):
        return np.nan
    return samples_to_ms(detail[key], detail["sample_rate"])


def _s(detail: Mapping[str, Any], key: str) -> float:
    if detail.get(key) is None or not detail.get("sample_rate"):
        return np.nan
    return samples_to_s(detail[key], detail["sample_rate"])


@dataclass(slots=True, kw_only=True)
class _Response:
    """What the rows told of one response so far; times on the session's clock, NaN while unknown."""

    created_s: float = np.nan
    audible_s: float = np.nan
    completed_s: float = np.nan
    silent_s: float = np.nan
    stop_reason: str | None = None
    interrupted: bool = False
    received_ms: float = 0.0
    first: dict[str, float] = field(default_factory=dict)

    def take(self, row: LogRow) -> None:
        detail = _detail(row)
        match row.type:
            case "bidi_response_start":
                self.created_s = row.t_s
            case "bidi_audio_stream" if detail.get("audio_bytes") and detail.get("format", "pcm") == "pcm":
                n_samples = detail["audio_bytes"] / (2 * detail.get("channels", 1))
                self.received_ms += n_samples * 1000 / detail["sample_rate"]
            case "playback_started" if np.isnan(self.audible_s):  # again after it ran dry: not its first sample
                self.audible_s = row.t_s
            case "playback_cleared" | "playback_silent":
                self.silent_s = row.t_s
            case "bidi_interruption":
                self.interrupted = True
            case "bidi_response_complete":
                self.completed_s = row.t_s
                self.stop_reason = row.stop_reason
        # A loudspeaker's "started" and "dry" rows tell what had been heard by then, not in the end.
        for key in ("heard_samples", "generated_samples") if row.type not in _IN_BETWEEN else ():
            if not np.isnan(value := _ms(detail, key)):
                self.first.setdefault(key, value)

    @property
    def heard_ms(self) -> float:
        return self.first.get("heard_samples", np.nan)

    @property
    def generated_ms(self) -> float:
        # What an interruption says was generated is exact; without one, what arrived is all there was.
        return self.first.get("generated_samples", self.received_ms if self.received_ms else np.nan)


def _responses(rows: Iterable[LogRow]) -> dict[tuple[str, str], _Response]:
    found: dict[tuple[str, str], _Response] = defaultdict(lambda: _Response())
    for row in rows:
        if row.response_id is not None and row.type.startswith(("bidi_", "playback_")):
            found[row.session_id, row.response_id].take(row)
    return found


def responses_frame(rows: Sequence[LogRow]) -> pd.DataFrame:
    """One row a response, in order of their first row.

    Columns: ``session_id``, ``response_id``; ``created_s``, ``audible_s`` (first sample), ``completed_s``, ``silent_s``
    (last sample left the loudspeaker) on the session's clock; ``stop_reason``, ``interrupted``; ``heard_ms``,
    ``generated_ms``. A time that never came is NaN.
    """
    records = [
        {
            "session_id": session_id,
            "response_id": response_id,
            "created_s": response.created_s,
            "audible_s": response.audible_s,
            "completed_s": response.completed_s,
            "silent_s": response.silent_s,
            "stop_reason": response.stop_reason,
            "interrupted": response.interrupted,
            "heard_ms": response.heard_ms,
            "generated_ms": response.generated_ms,
        }
        for (session_id, response_id), response in _responses(rows).items()
    ]
    return _frame(records, _RESPONSE_COLUMNS)


def interruptions_frame(rows: Sequence[LogRow]) -> pd.DataFrame:
    """One row an interruption, in order.

    Columns: ``session_id``, ``seq``, ``t_s`` (of the event), ``reason``, ``response_id``; ``onset_samples`` (where the
    detector, not a label, has the speech begin), ``decided_at_samples``, ``onset_s``; the latency in parts,
    ``onset_to_detected_ms`` (to the end of the frame that decided), ``detected_to_event_ms`` (to the event in the
    application), ``event_to_silent_ms`` (to the last sample that left the loudspeaker; negative when playback was
    cut before the application was told), and their sum ``onset_to_silent_ms``; ``heard_ms``, ``generated_ms``.

    An interruption by speech belongs to the ``interruption_decided`` of its response; where there is none, to the last
    ``speech_started`` or ``interruption_due`` before it, so that with guards "detected" is where it was acted upon. One
    by an error belongs to none.
    """
    responses = _responses(rows)
    decided = _decided(rows)
    last_speech: dict[str, LogRow] = {}
    records = []
    for row in rows:
        if row.type in ("speech_started", "interruption_due"):
            last_speech[row.session_id] = row
        elif row.type == "bidi_interruption":
            last = decided.get((row.session_id, row.response_id), last_speech.get(row.session_id))
            speech = last if row.reason == "user_speech" else None
            response = responses.get((row.session_id, row.response_id)) if row.response_id is not None else None
            records.append(_interruption(row, speech, response or _Response()))
    return _frame(records, _INTERRUPTION_COLUMNS)


def _decided(rows: Sequence[LogRow]) -> dict[tuple[str, str | None], LogRow]:
    """What interrupted each response, where that is told: one chunk of audio may hold the next turn's start as well."""
    return {(row.session_id, row.response_id): row for row in rows if row.type == "interruption_decided"}


def _interruption(row: LogRow, speech: LogRow | None, response: _Response) -> dict[str, Any]:
    said = _detail(speech) if speech is not None else {}
    onset_s, decided_s = _s(said, "onset_samples"), _s(said, "decided_at_samples")
    return {
        "session_id": row.session_id,
        "seq": row.seq,
        "t_s": row.t_s,
        "reason": row.reason,
        "response_id": row.response_id,
        "onset_samples": said.get("onset_samples"),
        "decided_at_samples": said.get("decided_at_samples"),
        "onset_s": onset_s,
        "onset_to_detected_ms": (decided_s - onset_s) * 1000,
        "detected_to_event_ms": (row.t_s - decided_s) * 1000,
        "event_to_silent_ms": (response.silent_s - row.t_s) * 1000,
        "onset_to_silent_ms": (response.silent_s - onset_s) * 1000,
        "heard_ms": response.heard_ms,
        "generated_ms": response.generated_ms,
    }


def turns_frame(rows: Sequence[LogRow]) -> pd.DataFrame:
    """One row a turn of the user, in order.

    Columns: ``session_id``; ``onset_samples``, ``started_at_samples`` (decided), ``audio_start_samples``,
    ``offset_samples``, ``stopped_at_samples`` (decided), missing while the turn is open; ``onset_s``, ``offset_s``,
    ``duration_ms``; ``flushed`` (ended by the end of the stream); ``interrupted_response_id``, the response it cut,
    and ``text``, the final transcript that came for it: by ``item_id`` where rows have one, otherwise the first user
    transcript between its end and the next turn's.
    """
    turns: dict[str, list[dict[str, Any]]] = defaultdict(list)
    decided = _decided(rows)
    for row in rows:
        of_session = turns[row.session_id]
        if row.type == "speech_started":
            of_session.append(_opened_turn(row))
        elif not of_session:
            continue
        elif row.type == "speech_stopped":
            _close_turn(of_session[-1], row)
        elif row.type == "bidi_interruption" and row.reason == "user_speech":
            speech = decided.get((row.session_id, row.response_id))
            _interrupting(of_session, speech)["interrupted_response_id"] = row.response_id
        elif row.type == "bidi_transcript_stream" and row.role == "user" and _detail(row).get("is_final"):
            _transcribe(of_session, row)
    return _frame([turn for of_session in turns.values() for turn in of_session], _TURN_COLUMNS)


def _opened_turn(row: LogRow) -> dict[str, Any]:
    said = _detail(row)
    return {
        "session_id": row.session_id,
        "item_id": row.item_id,
        "onset_samples": said.get("onset_samples"),
        "started_at_samples": said.get("decided_at_samples"),
        "audio_start_samples": said.get("audio_start_samples"),
        "onset_s": _s(said, "onset_samples"),
    }


def _interrupting(turns: Sequence[dict[str, Any]], speech: LogRow | None) -> dict[str, Any]:
    """The turn that interrupted: that of the onset told, else the last."""
    onset = None if speech is None else _detail(speech)["onset_samples"]
    return next((turn for turn in reversed(turns) if turn["onset_samples"] == onset), turns[-1])


def _close_turn(turn: dict[str, Any], row: LogRow) -> None:
    said = _detail(row)
    turn["offset_samples"] = said.get("offset_samples")
    turn["stopped_at_samples"] = said.get("decided_at_samples")
    turn["offset_s"] = _s(said, "offset_samples")
    turn["duration_ms"] = (turn["offset_s"] - turn["onset_s"]) * 1000
    turn["flushed"] = bool(said.get("flushed", False))


def _transcribe(turns: list[dict[str, Any]], row: LogRow) -> None:
    for turn in reversed(turns):
        same_item = turn["item_id"] is not None and turn["item_id"] == row.item_id
        any_item = turn["item_id"] is None or row.item_id is None
        if same_item or (any_item and "offset_s" in turn and "text" not in turn):
            turn["text"] = row.text
            return


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
    "interrupted_response_id": "string",
    "text": "string",
}


def _frame(records: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    # By way of objects: a column of counts with gaps must not pass through float64.
    cells = [[record.get(name) for name in columns] for record in records]
    frame = pd.DataFrame(cells, columns=list(columns), dtype=object)
    return frame.astype(dict(columns))
