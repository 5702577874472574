"""What the pages of a live session are told, and what a late one must be told to catch up. Pure."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from typing import Any

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.log.journal import LogRow
from bidilab.show.widgets.live.monitor import SpeechMonitor
from bidilab.show.widgets.live.tally import Tally

__all__ = ["LiveFeed"]

Message = tuple[dict[str, Any], bytes]

_SHOWN = 12
_MUTE = {"bidi_audio_input", "bidi_audio_stream", "bidi_usage", "late_audio"}  # many, and nothing to read in them


class LiveFeed:
    """Follows a log and a monitor.

    Parameters
    ----------
    log, monitor
        The session's.
    """

    def __init__(self, log: EventLog, monitor: SpeechMonitor) -> None:
        self._log, self._monitor = log, monitor
        self.tally = Tally()
        self._shown: deque[dict[str, Any]] = deque(maxlen=_SHOWN)
        self._n_rows = self._n_frames = 0

    def news(self) -> Iterator[Message]:
        """Messages about what happened since the last call: new frames, and the tally when a row changed it."""
        if self._take_rows():
            yield self._tally_message()
        first, message = self._frames_message(self._n_frames)
        if message is not None:
            self._n_frames = first
            yield message

    def everything(self) -> Iterator[Message]:
        """Messages that bring a page that knows nothing up to date."""
        self._take_rows()
        yield {"kind": "reset", "frame_s": self._monitor.frame_s}, b""
        yield self._tally_message()
        message = self._frames_message(0)[1]
        if message is not None:
            yield message

    def catch_up(self) -> Tally:
        """The tally, with every row of the log in it."""
        self._take_rows()
        return self.tally

    def _take_rows(self) -> bool:
        rows = self._log.since(self._n_rows)
        self._n_rows += len(rows)
        for row in rows:
            self.tally.take(row)
            if row.type not in _MUTE:
                self._shown.append(_shown(row))
        return bool(rows)

    def _tally_message(self) -> Message:
        return {"kind": "tally", **self.tally.to_dict(), "rows": list(self._shown)}, b""

    def _frames_message(self, first: int) -> tuple[int, Message | None]:
        start, columns = self._monitor.since(first)
        n = columns.shape[1]
        if not n:
            return first, None
        return start + n, ({"kind": "frames", "first": start, "n": n}, columns.astype("<f4").tobytes())


def _shown(row: LogRow) -> dict[str, Any]:
    detail = json.loads(row.detail) if row.detail else {}
    said = [row.response_id, row.reason, row.stop_reason, row.text, detail.get("label")]
    return {"seq": row.seq, "t_s": row.t_s, "type": row.type, "text": " · ".join(str(s) for s in said if s)}
