"""The log of a session: one row an event, in order, append-only (DESIGN §7).

Rows are written to a JSONL journal as they happen, and become pandas tables when asked for. Rows that
`interruptions`, `responses` and `turns` read are described in `bidilab.bidi.log.tables`.
"""

from __future__ import annotations

import html
import json
import os
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from bidilab.bidi.log.journal import SOURCES, DroppedLine, JournalWriter, LogRow, read_journal
from bidilab.core.clock import Clock, RealClock
from bidilab.core.errors import InvalidParameterError
from bidilab.core.redaction import loggable, redact_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EventLog"]

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
        Names the session in each row; by default random.
    clock
        What `append` takes the time from; by default a `RealClock` made now.
    zero_s
        Where on that clock ``t_s`` is 0: the time of the first input sample. By default, now.

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
        self._rows: list[LogRow] = []
        self._dropped: tuple[DroppedLine, ...] = ()
        self._lock = threading.Lock()  # a sound card's thread may log too
        self._journal = JournalWriter(path) if path is not None else None
        self.path = Path(path) if path is not None else None
        self._closed = False

    def append(
        self,
        type: str,  # noqa: A002 - the column's name
        *,
        source: str,
        t_s: float | None = None,
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
            Seconds on the session's clock; by default, now.
        response_id, item_id
            What it belongs to.
        input_samples, playback_samples
            Positions in the user's and in the agent's stream, ``>= 0``.
        reason, stop_reason, role, text
            As the event has them.
        detail
            Everything else. Secrets are struck out, audio becomes byte counts (`bidilab.core.redaction`).

        Returns
        -------
        int
            ``seq``: 0, 1, 2, …

        Raises
        ------
        InvalidParameterError
            If ``source`` is unknown, or the log is closed or was read from a file.
        OSError
            If the journal cannot be written.
        """
        if source not in SOURCES:
            raise InvalidParameterError("source", f"one of {', '.join(SOURCES)}", source)
        encoded = _encode(loggable(detail)) if detail else None
        shown = redact_text(text) if text is not None else None
        with self._lock:
            if self._closed:
                raise InvalidParameterError("log", "open for appending", repr(self))
            row = LogRow(
                self.session_id,
                len(self._rows),
                self._clock.now_s() - self._zero_s if t_s is None else float(t_s),
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
            if self._journal is not None:
                self._journal.append(row)
            self._rows.append(row)
            return row.seq

    def append_event(self, event: Mapping[str, Any], *, source: str, **columns: Any) -> int:
        """Add a session event: what has a column goes there, the rest to ``detail``.

        Parameters
        ----------
        event
            A ``BidiEvent`` or its dict.
        source
            As in `append`.
        **columns
            Columns that the event itself has not.
        """
        rest = dict(event)
        kind = rest.pop("type")
        if "interrupted_response_id" in rest:
            rest["response_id"] = rest.pop("interrupted_response_id")
        lifted = {name: rest.pop(name) for name in _LIFTED if name in rest}
        return self.append(kind, source=source, detail=rest, **{**lifted, **columns})

    @property
    def zero_s(self) -> float:
        """Where on the clock ``t_s`` is 0."""
        return self._zero_s

    def rezero(self, zero_s: float) -> None:
        """Count ``t_s`` from another time on the clock, for the rows that follow.

        A session's zero is its first input sample, which comes after the session's start: rows from before it keep
        the ``t_s`` that they were written with, counted from the start. ``wall_time`` is in step throughout.
        """
        self._zero_s = zero_s

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a journal: all whole rows; `dropped` says what was not whole. The log takes no more rows.

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
        """Rows from ``seq`` on, for one that follows the log as it grows."""
        return tuple(self._rows[seq:])

    @property
    def dropped(self) -> tuple[DroppedLine, ...]:
        """Lines of the journal it was read from that are not whole rows: number and reason."""
        return self._dropped

    def __getstate__(self) -> dict[str, Any]:
        """What goes to another process: the rows. There the log takes no more, as one that was read."""
        return {"session_id": self.session_id, "rows": self._rows, "dropped": self._dropped, "path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Be the read-only log of those rows."""
        self.__init__(session_id=state["session_id"])  # type: ignore[misc]
        self._rows, self._dropped, self.path = state["rows"], state["dropped"], state["path"]
        self._closed = True

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[LogRow]:
        return iter(self.rows)

    def close(self) -> None:
        """Take no more rows, and close the journal; twice is no error."""
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

        return rows_frame(self._rows)

    def to_parquet(self, path: str | os.PathLike[str]) -> Path:
        """Write `to_frame` as Parquet, whole or not at all; return the path."""
        path = Path(path)
        partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            self.to_frame().to_parquet(partial, index=False)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return path

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write all rows as a journal of their own, in the place of one that is there; return the path."""
        path = Path(path)
        path.unlink(missing_ok=True)
        writer = JournalWriter(path)
        try:
            for row in self.rows:
                writer.append(row)
        finally:
            writer.close()
        return path

    def interruptions(self) -> pd.DataFrame:
        """One row an interruption; see `bidilab.bidi.log.tables.interruptions_frame`."""
        from bidilab.bidi.log.tables import interruptions_frame

        return interruptions_frame(self._rows)

    def responses(self) -> pd.DataFrame:
        """One row a response; see `bidilab.bidi.log.tables.responses_frame`."""
        from bidilab.bidi.log.tables import responses_frame

        return responses_frame(self._rows)

    def turns(self) -> pd.DataFrame:
        """One row a turn of the user; see `bidilab.bidi.log.tables.turns_frame`."""
        from bidilab.bidi.log.tables import turns_frame

        return turns_frame(self._rows)

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
