"""Twilio Media Streams: the messages of a stream, one per line.

Source: Twilio's documentation of Media Streams messages (2026). There is no standard file: bare messages, or ``{"ts",
"dir": "in"|"out", "msg"}``.

Inbound media have the stream's time, in milliseconds; what goes out has none, and takes that of the last inbound one.
The agent is rebuilt as a queue at 8 kHz: a message begins where the queue ends, or when it came; ``clear`` ends the
queue at once. Trap: a ``mark`` comes back when its audio was played **or cleared**. The queue is early by the round
trip, which is the median of (mark's time less the end of the queue) over marks that no ``clear`` went before.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bidilab.lab.judge.traces.reading import Fields, Problems, json_lines
from bidilab.lab.judge.traces.trace import Trace, TraceError, TraceEvent

__all__ = ["is_twilio_line", "read_twilio_stream"]

_BYTES_PER_S = 8000
_ERROR_S = 0.05
_JOINED_S = 0.02


def is_twilio_line(body: Fields) -> bool:
    """Whether a JSON object is a message of a media stream, bare or wrapped."""
    message = body.get("msg")
    event = message.get("event") if isinstance(message, Mapping) else body.get("event")
    return event in ("connected", "start", "media", "mark", "clear", "stop", "dtmf")


@dataclass(slots=True)
class _Piece:
    """A stretch of the queue without a gap."""

    begins_s: float
    ends_s: float
    cut: bool = False


@dataclass(slots=True)
class _Queue:
    problems: Problems
    now_s: float = 0.0
    pieces: list[_Piece] = field(default_factory=list)
    marks: dict[str, float] = field(default_factory=dict)
    late_s: list[float] = field(default_factory=list)
    cleared_s: list[float] = field(default_factory=list)

    @property
    def ends_s(self) -> float:
        return self.pieces[-1].ends_s if self.pieces else 0.0

    def take(self, message: Fields, outgoing: bool) -> None:
        match message.get("event"):
            case "media" if outgoing:
                self._play(_length_s(message.object("media")))
            case "media":
                media = message.object("media")
                if media.get("track") in (None, "inbound"):  # it came when its last sample had been spoken
                    ends_s = media.number("timestamp") / 1000 + _length_s(media)
                    self.now_s = max(self.now_s, ends_s)
            case "mark" if outgoing:
                self.marks[message.object("mark").text("name")] = self.ends_s
            case "mark":
                ended_s = self.marks.pop(message.object("mark").text("name"), None)
                if ended_s is not None:
                    self.late_s.append(self.now_s - ended_s)
            case "clear":
                self._clear()

    def _play(self, length_s: float) -> None:
        begins_s = max(self.now_s, self.ends_s)
        if self.pieces and not self.pieces[-1].cut and begins_s - self.ends_s <= _JOINED_S:
            self.pieces[-1].ends_s = begins_s + length_s
        else:
            self.pieces.append(_Piece(begins_s, begins_s + length_s))

    def _clear(self) -> None:
        self.cleared_s.append(self.now_s)
        self.marks.clear()  # those come back because they were cleared
        if self.pieces and self.ends_s > self.now_s:
            self.pieces[-1].ends_s = max(self.now_s, self.pieces[-1].begins_s)
            self.pieces[-1].cut = True


def _length_s(media: Fields) -> float:
    payload = media.text("payload")
    return (len(payload) * 3 // 4 - payload[-2:].count("=")) / _BYTES_PER_S


def read_twilio_stream(path: Path) -> Trace:
    """Read a stream's messages: the agent's sound, rebuilt, and the clears. The clock is the stream's."""
    queue = _Queue(problems=Problems())
    for line in json_lines(path, queue.problems):
        try:
            message, outgoing = _message(line)
            queue.take(message, outgoing)
        except TraceError as error:
            queue.problems.add(line.where, str(error))
    trip_s = max(0.0, statistics.median(queue.late_s)) if queue.late_s else 0.0
    events: list[TraceEvent] = []
    for k, piece in enumerate(queue.pieces, 1):
        if piece.ends_s <= piece.begins_s:
            continue  # cleared before any of it was played
        name = f"audio {k}"
        at = (piece.begins_s + trip_s, piece.ends_s + trip_s)
        events.append(TraceEvent(kind="audible", at_s=at[0], means="estimated", error_s=_ERROR_S, response=name))
        events.append(
            TraceEvent(
                kind="silent",
                at_s=at[1],
                means="estimated",
                error_s=_ERROR_S,
                response=name,
                cut=piece.cut,
                detail={"round_trip_s": trip_s},
            )
        )
    events += [TraceEvent(kind="cleared", at_s=at_s, means="arrival", error_s=_ERROR_S) for at_s in queue.cleared_s]
    events += [TraceEvent(kind="event", at_s=at_s, means="arrival", error_s=_ERROR_S) for at_s in queue.cleared_s]
    return Trace(
        format="twilio stream",
        source=path,
        events=tuple(events),
        clock="the stream",
        user_channel=1,
        problems=queue.problems.all(),
    )


def _message(line: Fields) -> tuple[Fields, bool]:
    """Return the message, and whether it goes out to Twilio: media without a time of its own do, and clears."""
    if isinstance(line.get("msg"), Mapping):
        return line.object("msg"), line.get("dir") == "out"
    event = line.get("event")
    if event == "media":
        return line, "timestamp" not in line.object("media").body
    # Twilio's own messages are numbered; ours are not.
    return line, event == "clear" or (event == "mark" and "sequenceNumber" not in line.body)
