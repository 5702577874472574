"""What the pages of a live session are told, and what a late one must be told to catch up."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.log.fold import LABEL_ROW, LogFold
from bidilab.bidi.log.journal import LogRow
from bidilab.bidi.log.records import LoggedInterruption, LoggedSpan
from bidilab.show.widgets.live.monitor import SpeechMonitor

__all__ = ["LiveFeed", "Tally"]

Message = tuple[dict[str, Any], bytes]

_SHOWN = 12
_KEPT = 200
_MUTE = {"bidi_audio_input", "bidi_audio_stream", "bidi_usage", "late_audio"}  # many, and nothing to read in them
_PARTS = ("onset_to_detected_ms", "detected_to_event_ms", "event_to_silent_ms", "onset_to_silent_ms")
_INTERRUPTION = ("seq", "t_s", "response_id", "reason", "onset_s", *_PARTS, "heard_ms", "label")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a session has come to: counts, and the last 200 spans of speech and interruptions."""

    counts: dict[str, int]
    lost_ms: float
    spans: tuple[LoggedSpan, ...]
    interruptions: tuple[LoggedInterruption, ...]

    @classmethod
    def of(cls, fold: LogFold) -> Tally:
        """The tally of the rows that ``fold`` has taken."""
        counts = fold.counts
        return cls(
            counts={
                "turns": counts.turns,
                "responses": counts.responses,
                "interruptions": counts.interruptions,
                "labelled true": counts.labelled_true,
                "labelled false": counts.labelled_false,
                "input gaps": counts.input_gaps,
                "errors": counts.errors,
            },
            lost_ms=counts.lost_ms,
            spans=fold.last_spans(_KEPT),
            interruptions=fold.last_interruptions(_KEPT),
        )

    def medians_ms(self) -> dict[str, tuple[float, int]]:
        """Median of each part of the latency over the interruptions kept (the last 200), and of how many."""
        found = {}
        for name in _PARTS:
            values = sorted(v for i in self.interruptions if (v := getattr(i, name)) is not None)
            half = len(values) // 2
            median = math.nan if not values else (values[half] + values[~half]) / 2
            found[name] = (median, len(values))
        return found

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values for a page; NaN is ``None``."""
        return {
            "counts": self.counts,
            "lost_ms": self.lost_ms,
            "spans": [asdict(span) for span in self.spans],
            "interruptions": [{name: getattr(one, name) for name in _INTERRUPTION} for one in self.interruptions],
            "medians": {
                name: {"ms": None if math.isnan(ms) else ms, "n": n} for name, (ms, n) in self.medians_ms().items()
            },
        }


class LiveFeed:
    """Follows a log and a monitor.

    Parameters
    ----------
    log, monitor
        The session's.
    """

    def __init__(self, log: EventLog, monitor: SpeechMonitor) -> None:
        self._log, self._monitor = log, monitor
        self._shown: deque[int] = deque(maxlen=_SHOWN)
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

    @property
    def tally(self) -> Tally:
        """The tally, with every row of the log in it."""
        return Tally.of(self._log.fold())

    def _take_rows(self) -> bool:
        rows = self._log.since(self._n_rows)
        self._shown.extend(self._n_rows + place for place, row in enumerate(rows) if row.type not in _MUTE)
        self._n_rows += len(rows)
        return bool(rows)

    def _tally_message(self) -> Message:
        # Rows are looked up anew: those from before the first sample of the user's audio change their times.
        rows = [_shown(self._log[place]) for place in self._shown]
        return {"kind": "tally", **self.tally.to_dict(), "rows": rows}, b""

    def _frames_message(self, first: int) -> tuple[int, Message | None]:
        start, columns = self._monitor.since(first)
        n = columns.shape[1]
        if not n:
            return first, None
        return start + n, ({"kind": "frames", "first": start, "n": n}, columns.astype("<f4").tobytes())


def _shown(row: LogRow) -> dict[str, Any]:
    label = row.said().get("label") if row.type == LABEL_ROW else None
    said = [row.response_id, row.reason, row.stop_reason, row.text, label]
    return {"seq": row.seq, "t_s": row.t_s, "type": row.type, "text": " · ".join(str(s) for s in said if s)}
