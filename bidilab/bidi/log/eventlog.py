"""The log of a session: one row per event, in order, append-only (DESIGN §7).

Rows are written to a JSONL journal as they happen, and become pandas tables when asked for. The columns:

====================================  ================================================================================
``session_id`` (str), ``seq`` (int)   the session, and the row's number in it: 0, 1, 2, …
``t_s`` (float)                       when the row was written, in seconds on the session's clock; never goes back
``at_s`` (float)                      when the event happened, on the same clock (see below)
``wall_time`` (datetime, UTC)         when the row was written, by the calendar
``source``, ``type`` (category)       who tells it, and the event's name on the wire
``response_id``, ``item_id`` (str)    what it belongs to
``input_samples`` (int)               position in the user's stream
``playback_samples`` (int)            position in the loudspeaker's stream
``reason``, ``stop_reason``           as the event has them
``role``, ``text`` (str)              as the event has them
``detail`` (JSON str)                 everything else; audio is a count of bytes, secrets are struck out
====================================  ================================================================================

The session's clock is 0 at the first sample of the user's audio; what comes before it has negative times. It is the
clock of the user's samples: where a sound card is a little fast or slow, or stands still, it follows the sound card.

Events come in chunks of audio, so many rows are written in one instant, after what they tell. ``at_s`` is the time of
the event's own sample: of ``speech_started`` the onset, of ``speech_stopped`` the offset, of ``interruption_due`` and
``interruption_decided`` the decision (`bidilab.bidi.log.fold.happened_s` has all of them), of a row about play-out the
instant in which the sample was heard, where the output knows it. Of every other row it is when it was written. So
``at_s`` of ``bidi_interruption`` minus ``at_s`` of the ``speech_started`` before it is the latency. Older logs have
no ``at_s``; it is then ``t_s``.

What the rows come to (responses, turns, interruptions) is read by `bidilab.bidi.log.fold`, row by row.
"""

from __future__ import annotations

import html
import json
import math
import os
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from bidilab.bidi.log.fold import LogFold, happened_s
from bidilab.bidi.log.journal import INPUT_STARTED, SOURCES, DroppedLine, JournalWriter, LogRow, read_journal
from bidilab.core.clock import Clock, RealClock
from bidilab.core.errors import InvalidParameterError
from bidilab.core.files import written_whole
from bidilab.core.redaction import loggable, redact_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EventLog", "LogEntry"]

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_LIFTED = ("response_id", "item_id", "input_samples", "playback_samples", "reason", "stop_reason", "role", "text")
_MAX_TYPES_SHOWN = 12


class EventLog:
    """Every event of a session, in order.

    Parameters
    ----------
    path
        Journal to write, JSONL; an existing one is continued. ``None`` keeps the rows in memory only.
    session_id
        Name of the session in each row; random by default.
    clock
        Clock that `append` reads; by default a new `RealClock`. Once a session that has this log starts, the session's
        clock is used.
    zero_s
        Where on that clock ``t_s`` is 0. By default, at the first sample of the user's audio: `begin_input` says when
        that came, and until then times count from now.

    Raises
    ------
    OSError
        If the journal cannot be opened.

    Examples
    --------
    >>> log = EventLog(session_id="s1")
    >>> log.append("bidi_response_start", source="model", response_id="r1")
    0
    >>> log.to_frame().loc[0, "response_id"]
    'r1'
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        session_id: str | None = None,
        clock: Clock | None = None,
        *,
        zero_s: float | None = None,
    ) -> None:
        self.session_id = session_id if session_id is not None else uuid.uuid4().hex
        self._clock: Clock = clock if clock is not None else RealClock()
        self._zero_s = self._clock.now_s() if zero_s is None else zero_s
        self._has_zero = zero_s is not None
        self._stream_s = 0.0  # where, in t_s, sample 0 of the user's stream lies
        self._last_s = -math.inf
        self._rows: list[LogRow] = []
        self._dropped: tuple[DroppedLine, ...] = ()
        self._lock = threading.Lock()  # a sound card's thread may log too
        self._fold = LogFold()
        self._fold_lock = threading.Lock()
        self._journal = JournalWriter(path) if path is not None else None
        self.path = Path(path) if path is not None else None
        self._closed = False

    def append(
        self,
        type: str,  # noqa: A002 - the column's name
        *,
        source: str,
        t_s: float | None = None,
        at_s: float | None = None,
        response_id: str | None = None,
        item_id: str | None = None,
        input_samples: int | None = None,
        playback_samples: int | None = None,
        reason: str | None = None,
        stop_reason: str | None = None,
        role: str | None = None,
        text: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> int:
        """Add a row; when it returns, the journal has it.

        Parameters
        ----------
        type
            Wire name of the event, such as ``"bidi_interruption"`` or ``"speech_started"``.
        source
            ``"input"``, ``"detector"``, ``"model"``, ``"agent"``, ``"playback"``, ``"hook"``, ``"user"`` or
            ``"error"``.
        t_s
            When the row is written, in seconds on the session's clock; by default, now. Not before the last row.
        at_s
            When the event happened, on the same clock, if the caller knows it better than the event's own position. By
            default by that position (`bidilab.bidi.log.fold.happened_s`); if there is none, the time of writing.
        response_id, item_id
            The response and the item that the row is about.
        input_samples, playback_samples
            Positions in the user's and in the agent's stream, ``>= 0``.
        reason, stop_reason, role, text
            Values that the event has under these names.
        detail
            Everything else. Secrets are removed, audio becomes byte counts (`bidilab.core.redaction`).

        Returns
        -------
        int
            ``seq``: 0, 1, 2, …

        Raises
        ------
        InvalidParameterError
            If ``source`` is unknown, ``t_s`` is before the last row's, or the log is closed or was read from a file.
        OSError
            If the journal cannot be written.
        """
        if source not in SOURCES:
            raise InvalidParameterError("source", f"one of {', '.join(SOURCES)}", source)
        encoded = _encode(loggable(detail)) if detail else None
        shown = redact_text(text) if text is not None else None
        stream_s = happened_s(type, detail or {}, input_samples)
        with self._lock:
            if self._closed:
                raise InvalidParameterError("log", "open for appending", repr(self))
            now_s = self._clock.now_s() - self._zero_s if t_s is None else float(t_s)
            if t_s is not None and now_s < self._last_s:
                raise InvalidParameterError("t_s", f"at least that of the last row, {self._last_s}", t_s)
            if at_s is None:
                at_s = now_s if stream_s is None else self._stream_s + stream_s
            row = LogRow(
                self.session_id,
                len(self._rows),
                max(now_s, self._last_s),
                float(at_s),
                self._clock.wall_time(),
                source,
                type,
                response_id,
                item_id,
                None if input_samples is None else int(input_samples),
                None if playback_samples is None else int(playback_samples),
                redact_text(reason) if reason is not None else None,
                stop_reason,
                role,
                shown,
                encoded,
            )
            return self._add(row)

    def _add(self, row: LogRow) -> int:
        if self._journal is not None:
            self._journal.append(row, from_start=not self._has_zero)
        self._rows.append(row)
        self._last_s = row.t_s
        return row.seq

    def append_event(self, event: Mapping[str, Any], *, source: str, **columns: Any) -> int:
        """Add a session event: values that have a column go there, the rest to ``detail``.

        Parameters
        ----------
        event
            A ``BidiEvent`` or its dict.
        source
            As in `append`.
        **columns
            Columns that the event itself lacks.
        """
        rest = dict(event)
        kind = rest.pop("type")
        if "interrupted_response_id" in rest:
            rest["response_id"] = rest.pop("interrupted_response_id")
        lifted = {name: rest.pop(name) for name in _LIFTED if name in rest}
        return self.append(kind, source=source, detail=rest, **{**lifted, **columns})

    def follow(self, clock: Clock) -> None:
        """Take the time from another clock from now on; ``t_s`` continues from its current value.

        A session calls it with the clock that times its samples; with two clocks, latencies would be wrong.
        """
        with self._lock:
            if clock is not self._clock:
                self._zero_s += clock.now_s() - self._clock.now_s()
                self._clock = clock

    @property
    def zero_s(self) -> float:
        """Time on the clock at which ``t_s`` is 0."""
        return self._zero_s

    def begin_input(self, first_s: float) -> None:
        """Say when the first sample of the user's audio came: ``t_s`` is 0 there.

        Earlier rows are moved to their place on that clock, and a row ``input_started`` records the moment. A log whose
        zero is known already, because it was given one or has heard a session before, keeps it: then positions of the
        new stream count from ``at_s`` of that row.

        Parameters
        ----------
        first_s
            Time of the first sample, on the clock given to the log.
        """
        with self._lock:
            if self._closed:
                raise InvalidParameterError("log", "open for appending", repr(self))
            detail = None
            if not self._has_zero:
                from_start_s = first_s - self._zero_s
                detail = _encode({"from_start_s": from_start_s})
                self._rows[:] = [row.counted_from(from_start_s) for row in self._rows]
                self._last_s -= from_start_s
                self._fold = LogFold()  # what it has taken is no longer so
                self._zero_s, self._has_zero = first_s, True
            self._stream_s = first_s - self._zero_s
            now_s = max(self._clock.now_s() - self._zero_s, self._last_s)
            moment = (now_s, self._stream_s, self._clock.wall_time())
            self._add(LogRow(self.session_id, len(self._rows), *moment, "input", INPUT_STARTED, detail=detail))

    def rezero(self, first_s: float) -> None:
        """Count ``t_s`` so that the first sample of the user's audio came at another time, for the rows that follow.

        This is how the session's clock follows a sound card that leaves the machine's. ``t_s`` never goes back: if the
        clock does, ``t_s`` stands still until the clock has caught up; ``at_s`` stays right. Before `begin_input` it is
        the same as that. ``wall_time`` is in step throughout.
        """
        if not self._has_zero:
            self.begin_input(first_s)
        with self._lock:
            self._zero_s = first_s - self._stream_s

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a journal with all complete rows; `dropped` lists incomplete lines. The log accepts no more rows.

        Raises
        ------
        OSError
            If the file cannot be read.
        """
        rows, dropped = read_journal(path)
        log = cls(session_id=rows[-1].session_id if rows else None)
        log.path = Path(path)
        log._rows = rows
        log._dropped = tuple(dropped)
        log._closed = True
        return log

    @property
    def rows(self) -> Sequence[LogRow]:
        """All rows, in order."""
        return tuple(self._rows)

    def since(self, seq: int) -> tuple[LogRow, ...]:
        """Rows from ``seq`` on, for a reader that follows the log while it grows.

        Rows from before ``input_started`` change their times when it comes (`begin_input`).
        """
        return tuple(self._rows[seq:])

    def fold(self) -> LogFold:
        """The responses, turns and interruptions of all rows; each row is read once."""
        with self._fold_lock:
            with self._lock:
                fold, rows = self._fold, self._rows[self._fold.n_rows :]
            fold.take_all(rows)
            return fold

    @property
    def dropped(self) -> tuple[DroppedLine, ...]:
        """Lines of the journal it was read from that are not whole rows: number and reason."""
        return self._dropped

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the rows. In the other process the log is read-only, like one that was read."""
        return {"session_id": self.session_id, "rows": list(self._rows), "dropped": self._dropped, "path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a read-only log of the rows."""
        self.__init__(session_id=state["session_id"])  # type: ignore[misc]
        self._rows, self._dropped, self.path = state["rows"], state["dropped"], state["path"]
        self._closed = True

    def __getitem__(self, index: int) -> LogRow:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[LogRow]:
        return iter(self.rows)

    def close(self) -> None:
        """Refuse further rows, and close the journal; closing it twice is not an error."""
        with self._lock:
            self._closed = True
            if self._journal is not None:
                self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def to_frame(self) -> pd.DataFrame:
        """All rows as a table, with the columns and types of DESIGN §7."""
        from bidilab.bidi.log.tables import rows_frame

        return rows_frame(self.rows)  # as they are now: a session that runs adds to them

    def to_parquet(self, path: str | os.PathLike[str]) -> Path:
        """Write `to_frame` as Parquet, whole or not at all; return the path."""
        path = Path(path)
        with written_whole(path) as partial:
            self.to_frame().to_parquet(partial, index=False)
        return path

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write all rows as a new journal, replacing an existing one in one step; return the path."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as partial:
            partial.unlink(missing_ok=True)
            writer = JournalWriter(partial)
            try:
                for row in self.rows:
                    writer.append(row)
            finally:
                writer.close()
        return path

    def interruptions(self) -> pd.DataFrame:
        """One row per interruption; see `bidilab.bidi.log.tables.interruptions_frame`."""
        from bidilab.bidi.log.tables import interruptions_frame

        return interruptions_frame(self.fold())

    def responses(self) -> pd.DataFrame:
        """One row per response; see `bidilab.bidi.log.tables.responses_frame`."""
        from bidilab.bidi.log.tables import responses_frame

        return responses_frame(self.fold())

    def turns(self) -> pd.DataFrame:
        """One row per turn of the user; see `bidilab.bidi.log.tables.turns_frame`."""
        from bidilab.bidi.log.tables import turns_frame

        return turns_frame(self.fold())

    def _summary(self) -> list[tuple[str, str]]:
        rows = self.rows
        types = Counter(row.type for row in rows)
        shown = [f"{name} {n}" for name, n in types.most_common(_MAX_TYPES_SHOWN)]
        if len(types) > _MAX_TYPES_SHOWN:
            shown.append(f"and {len(types) - _MAX_TYPES_SHOWN} more")
        lines = [
            ("session", ", ".join(dict.fromkeys(row.session_id for row in rows)) or self.session_id),
            ("rows", str(len(rows))),
            ("time", f"{rows[0].t_s:.3f} to {rows[-1].t_s:.3f} s" if rows else "none"),
            ("types", ", ".join(shown) or "none"),
        ]
        if self.path is not None:
            lines.append(("journal", str(self.path)))
        if self._dropped:
            lines.append(("dropped", "; ".join(map(str, self._dropped))))
        return lines

    def __repr__(self) -> str:
        return "\n".join(["EventLog", *(f"  {name:<8} {value}" for name, value in self._summary())])

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in self._summary()
        )
        return f"<table><caption>EventLog</caption><tbody>{cells}</tbody></table>"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """A row for the event log.

    Parameters
    ----------
    type, source
        As in `EventLog.append`.
    columns
        Further columns: ``item_id``, ``response_id``, ``input_samples``, ``reason``.
    detail
        Everything else.
    """

    type: str
    source: str
    columns: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)
