"""A session's rows as they come: counts, spans of speech, and each interruption's latency in its parts. Pure.

The figures are those of `bidilab.bidi.log.tables`, which reads whole logs; this reads each row once, so that a session
of hours costs no more at its end than at its start. A test holds the two equal.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bidilab.bidi.log.journal import LogRow

__all__ = ["LABEL_ROW", "Interruption", "Span", "Tally"]

LABEL_ROW = "interruption_label"
"""Type of the row by which a listener calls an interruption true or false (``source="user"``)."""

_KEPT = 200


@dataclass(slots=True, kw_only=True)
class Span:
    """A stretch of speech: ``who`` is ``"user"`` or ``"agent"``; seconds, ``end_s`` missing while it lasts."""

    who: str
    start_s: float
    end_s: float | None = None
    response_id: str | None = None


@dataclass(slots=True, kw_only=True)
class Interruption:
    """One interruption; milliseconds are missing while they are not known."""

    seq: int
    t_s: float
    response_id: str | None
    reason: str | None
    onset_s: float | None = None
    onset_to_detected_ms: float | None = None
    detected_to_event_ms: float | None = None
    event_to_silent_ms: float | None = None
    onset_to_silent_ms: float | None = None
    heard_ms: float | None = None
    label: str | None = None


@dataclass(slots=True)
class Tally:
    """What a session has come to. `take` every row, in order."""

    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("turns", "responses", "interruptions", "labelled true", "labelled false", "input gaps", "errors"), 0
        )
    )
    spans: deque[Span] = field(default_factory=lambda: deque(maxlen=_KEPT))
    interruptions: deque[Interruption] = field(default_factory=lambda: deque(maxlen=_KEPT))
    lost_ms: float = 0.0
    _speech: Mapping[str, Any] = field(default_factory=dict)
    _decided: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _silent_s: dict[str, float] = field(default_factory=dict)
    _heard_ms: dict[str, float] = field(default_factory=dict)

    def take(self, row: LogRow) -> None:
        """Take the next row of the log."""
        detail: dict[str, Any] = json.loads(row.detail) if row.detail else {}
        match row.type:
            case "speech_started":
                self._start_turn(detail)
            case "interruption_due":
                self._speech = detail
            case "interruption_decided" if row.response_id is not None:
                self._decided[row.response_id] = detail
                _shorten(self._decided)
            case "speech_stopped":
                self._end_span("user", None, _seconds(detail, "offset_samples"))
            case "bidi_response_start":
                self.counts["responses"] += 1
            case "playback_started":
                self.spans.append(Span(who="agent", start_s=row.t_s, response_id=row.response_id))
            case "playback_dry":
                self._end_span("agent", row.response_id, row.t_s)
            case "playback_cleared" | "playback_silent":
                self._silence(row, detail)
            case "bidi_interruption":
                self._interrupt(row, detail)
            case "interruption_label":
                self._label(detail)
            case "input_gap":
                self.counts["input gaps"] += 1
                self.lost_ms += detail.get("samples", 0) * 1000 / detail.get("sample_rate", 1)
            case "bidi_error":
                self.counts["errors"] += 1

    def _start_turn(self, detail: Mapping[str, Any]) -> None:
        self.counts["turns"] += 1
        self._speech = detail
        if (onset_s := _seconds(detail, "onset_samples")) is not None:
            self.spans.append(Span(who="user", start_s=onset_s))

    def _end_span(self, who: str, response_id: str | None, end_s: float | None) -> None:
        for span in reversed(self.spans):
            if span.who == who and (response_id is None or span.response_id == response_id):
                if span.end_s is None:
                    span.end_s = end_s
                return

    def _silence(self, row: LogRow, detail: Mapping[str, Any]) -> None:
        if row.response_id is None:
            return
        self._end_span("agent", row.response_id, row.t_s)
        heard = _seconds(detail, "heard_samples")
        self._silent_s[row.response_id] = row.t_s
        if heard is not None:
            self._heard_ms.setdefault(row.response_id, heard * 1000)
        _shorten(self._silent_s)
        _shorten(self._heard_ms)
        for interruption in self.interruptions:
            if interruption.response_id == row.response_id:
                self._complete(interruption)

    def _interrupt(self, row: LogRow, detail: Mapping[str, Any]) -> None:
        self.counts["interruptions"] += 1
        heard = _seconds(detail, "heard_samples")
        if row.response_id is not None and heard is not None:
            self._heard_ms.setdefault(row.response_id, heard * 1000)
        interruption = Interruption(seq=row.seq, t_s=row.t_s, response_id=row.response_id, reason=row.reason)
        if row.reason == "user_speech":
            speech = self._decided.get(row.response_id or "", self._speech)
            onset_s, decided_s = (_seconds(speech, key) for key in ("onset_samples", "decided_at_samples"))
            interruption.onset_s = onset_s
            if onset_s is not None and decided_s is not None:
                interruption.onset_to_detected_ms = (decided_s - onset_s) * 1000
                interruption.detected_to_event_ms = (row.t_s - decided_s) * 1000
        self.interruptions.append(interruption)
        self._complete(interruption)

    def _complete(self, interruption: Interruption) -> None:
        if interruption.response_id is None:
            return
        interruption.heard_ms = self._heard_ms.get(interruption.response_id)
        silent_s = self._silent_s.get(interruption.response_id)
        if silent_s is not None:
            interruption.event_to_silent_ms = (silent_s - interruption.t_s) * 1000
            if interruption.onset_s is not None:
                interruption.onset_to_silent_ms = (silent_s - interruption.onset_s) * 1000

    def _label(self, detail: Mapping[str, Any]) -> None:
        for interruption in self.interruptions:
            if interruption.seq == detail.get("interruption_seq"):
                if interruption.label is not None:
                    self.counts[f"labelled {interruption.label}"] -= 1
                interruption.label = str(detail["label"])
                self.counts[f"labelled {interruption.label}"] += 1

    def medians_ms(self) -> dict[str, tuple[float, int]]:
        """Median of each part of the latency over the interruptions kept (the last 200), and of how many."""
        found = {}
        for name in ("onset_to_detected_ms", "detected_to_event_ms", "event_to_silent_ms", "onset_to_silent_ms"):
            values = sorted(v for i in self.interruptions if (v := getattr(i, name)) is not None)
            half = len(values) // 2
            median = math.nan if not values else (values[half] + values[~half]) / 2
            found[name] = (median, len(values))
        return found

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values for a page; NaN is ``None``."""
        return {
            "counts": dict(self.counts),
            "lost_ms": self.lost_ms,
            "spans": [asdict(span) for span in self.spans],
            "interruptions": [asdict(interruption) for interruption in self.interruptions],
            "medians": {
                name: {"ms": None if math.isnan(ms) else ms, "n": n} for name, (ms, n) in self.medians_ms().items()
            },
        }


def _shorten(kept: dict[str, Any]) -> None:
    while len(kept) > _KEPT:
        del kept[next(iter(kept))]


def _seconds(detail: Mapping[str, Any], key: str) -> float | None:
    if detail.get(key) is None or not detail.get("sample_rate"):
        return None
    return float(detail[key] / detail["sample_rate"])
