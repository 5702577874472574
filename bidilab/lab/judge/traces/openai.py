"""OpenAI Realtime: events of a client, one per line.

Source: openai 3.57.0 ``types/realtime/``. Events carry no time, so whoever logged them put one in: ``{"time", "source":
"client"|"server", "event"}``, or the event with a ``timestamp``.

``audio_start_ms`` and ``audio_end_ms`` are exact positions in the audio sent; the first includes the prefix padding,
the second the silence. A line's time is when the client saw the event. Trap: ``response.done`` ends *generation*;
``completed`` says nothing of an interruption. What was heard is rebuilt: audio is played in the order in which it came,
from when it came, and a truncate says how much of an item was heard.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bidilab.lab.judge.traces.reading import Fields, Problems, json_lines, unix_s
from bidilab.lab.judge.traces.trace import Trace, TraceError, TraceEvent

__all__ = ["is_openai_line", "read_openai_events"]

_RATES = {"audio/pcm": (24_000, 2), "audio/pcmu": (8_000, 1), "audio/pcma": (8_000, 1)}
_REPLACED = re.compile(r"^\[(\d+) bytes\]$")
_ARRIVAL_ERROR_S = 0.05
_QUEUE_ERROR_S = 0.1
_LEAST_SENT_S = 5.0
_BREAK_S = 1.0
_ON_ITS_WAY_S = 0.3


def is_openai_line(body: Fields) -> bool:
    """Whether a JSON object is a logged event."""
    event = body.get("event")
    if isinstance(event, Mapping) and "source" in body.body:
        return isinstance(event.get("type"), str)
    kind = body.get("type")
    known = ("input_audio_buffer.", "response.", "session.", "conversation.item.")
    return isinstance(kind, str) and kind.startswith(known) and "timestamp" in body.body


@dataclass(slots=True)
class _Item:
    """An item of the agent's speech."""

    response: str
    begins_s: float | None = None
    ends_s: float = 0.0
    pieces: list[tuple[float, float]] = field(default_factory=list)
    heard_s: float | None = None
    told_s: float | None = None

    def play(self, at_s: float, length_s: float) -> None:
        if self.begins_s is None:
            self.begins_s = at_s
        self.pieces.append((at_s, length_s))
        self.ends_s = at_s + length_s

    def heard_until(self) -> float:
        """Where its sound ended: after as much of it as a truncate says was heard."""
        if self.heard_s is None:
            return self.ends_s
        left = self.heard_s
        for at_s, length_s in self.pieces:
            if left <= length_s:
                return at_s + left
            left -= length_s
        return self.ends_s


@dataclass(slots=True)
class _Reader:
    problems: Problems
    zero_s: float | None = None  # of the user's audio, on the clock
    sent_s: float = 0.0
    steady: tuple[float, float] = (0.0, 0.0)  # seconds of audio, and of the clock, where it is sent without a break
    last_sent_s: float | None = None
    sessions: set[str] = field(default_factory=set)
    stale_s: float = 0.0
    input_format: tuple[int, int] = _RATES["audio/pcm"]
    output_format: tuple[int, int] = _RATES["audio/pcm"]
    detection: Mapping[str, Any] = field(default_factory=dict)
    queue_s: float = 0.0
    items: dict[str, _Item] = field(default_factory=dict)
    events: list[TraceEvent] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)

    def take(self, at_s: float, event: Fields) -> None:
        match event.get("type"):
            case "session.update" | "session.created" | "session.updated":
                self._session(at_s, event)
            case "input_audio_buffer.append":
                self._append(at_s, event)
            case "input_audio_buffer.speech_started":
                self._speech_started(at_s, event)
            case "input_audio_buffer.speech_stopped":
                end_s = event.number("audio_end_ms") / 1000
                silence = self.detection.get("silence_duration_ms")
                back_s = silence / 1000 if isinstance(silence, int | float) else 0.0
                if self.zero_s is not None:
                    self._add("user_end", self.zero_s + end_s - back_s, "onset", 0.04)
            case "response.output_audio.delta" | "response.audio.delta":
                self._delta(at_s, event)
            case "response.done":
                self._done(at_s, event)
            case "conversation.item.truncate":
                item = self.items.get(event.text("item_id"))
                if item is not None:
                    item.heard_s, item.told_s = event.number("audio_end_ms") / 1000, at_s
                    self.queue_s = min(self.queue_s, at_s)
                    self._add("cleared", at_s, "arrival", _ARRIVAL_ERROR_S, response=item.response)
            case "conversation.item.input_audio_transcription.completed" | "response.output_audio_transcript.done":
                self._transcript(at_s, event)

    def _add(self, kind: Any, at_s: float, means: Any, error_s: float, **more: Any) -> None:
        self.events.append(TraceEvent(kind=kind, at_s=at_s, means=means, error_s=error_s, **more))

    def _session(self, at_s: float, event: Fields) -> None:
        """Keep the settings; those that the server says are in force stand over those that were asked for."""
        named = event.optional_object("session").get("id")
        if isinstance(named, str) and named:
            self.sessions.add(named)
        audio = event.optional_object("session").optional_object("audio")
        heard, said = audio.optional_object("input"), audio.optional_object("output")
        detection = heard.get("turn_detection")
        asked = event.get("type") == "session.update"
        if "turn_detection" in heard.body:
            found: dict[str, Any] = dict(detection) if isinstance(detection, Mapping) else {"type": None}
            self.settings |= {f"requested.{k}": v for k, v in found.items()} if asked else found
            if not asked:
                self.detection = found
                self._add("settings", at_s, "arrival", _ARRIVAL_ERROR_S, detail=found)
        if not asked:
            self.input_format = _RATES.get(heard.optional_object("format").get("type"), self.input_format)
            self.output_format = _RATES.get(said.optional_object("format").get("type"), self.output_format)

    def _append(self, at_s: float, event: Fields) -> None:
        length_s = _length_s(event, "audio", self.input_format)
        self.sent_s += length_s
        if (
            self.last_sent_s is not None and 0 <= at_s - self.last_sent_s <= _BREAK_S
        ):  # else a pause, or a clock that jumps
            self.steady = (self.steady[0] + length_s, self.steady[1] + at_s - self.last_sent_s)
        self.last_sent_s = at_s
        # Audio is sent when its last sample was spoken. The least of all such beginnings is the one without delay.
        begins_s = at_s - self.sent_s
        self.zero_s = begins_s if self.zero_s is None else min(self.zero_s, begins_s)

    def _speech_started(self, at_s: float, event: Fields) -> None:
        padding = self.detection.get("prefix_padding_ms")
        start_ms = event.number("audio_start_ms")
        if self.zero_s is not None and isinstance(padding, int | float):
            onset_s = self.zero_s + (start_ms + padding) / 1000
            self._add("user_onset", onset_s, "onset", 0.04, detail={"audio_start_ms": start_ms})
        self._add("event", at_s, "arrival", _ARRIVAL_ERROR_S, detail={"audio_start_ms": start_ms})

    def _delta(self, at_s: float, event: Fields) -> None:
        item = self.items.setdefault(event.text("item_id"), _Item(str(event.get("response_id") or "")))
        if item.heard_s is not None and item.told_s is not None:  # truncated: what comes now ought to be thrown away
            if at_s > item.told_s + _ON_ITS_WAY_S:  # what was on its way then is nobody's mistake
                self.stale_s += _length_s(event, "delta", self.output_format)
            return
        begins_s = max(at_s, self.queue_s)
        length_s = _length_s(event, "delta", self.output_format)
        item.play(begins_s, length_s)
        self.queue_s = begins_s + length_s

    def _done(self, at_s: float, event: Fields) -> None:
        response = event.optional_object("response")
        status = str(response.get("status") or "")
        name = str(response.get("id") or event.get("response_id") or "")
        self.status[name] = status
        # "completed" is of the generation; whether the sound was cut is told by a truncate alone.
        cut = True if status == "cancelled" else None
        self._add("generated", at_s, "arrival", _ARRIVAL_ERROR_S, response=name, cut=cut, detail={"status": status})

    def _transcript(self, at_s: float, event: Fields) -> None:
        user = str(event.get("type")).startswith("conversation")
        text = event.get("transcript")
        if isinstance(text, str) and text.strip():
            side = "user" if user else "agent"
            response = "" if user else str(event.get("response_id") or "")
            self._add("transcript", at_s, "arrival", _ARRIVAL_ERROR_S, side=side, text=text, response=response)

    def measures(self) -> dict[str, float]:
        """How fast the user's audio was sent, and how much came for what was truncated."""
        found = {"stale_s": self.stale_s}
        sent_s, clock_s = self.steady
        if clock_s >= _LEAST_SENT_S:
            found["sent_per_s"] = sent_s / clock_s
        return found

    def played(self) -> None:
        """Add what was heard of every item."""
        for item in self.items.values():
            if item.begins_s is None:
                continue
            ends_s = item.heard_until()
            cut = True if item.heard_s is not None and item.heard_s < sum(n for _, n in item.pieces) - 0.01 else None
            self._add("audible", item.begins_s, "estimated", _QUEUE_ERROR_S, response=item.response)
            self._add("silent", ends_s, "estimated", _QUEUE_ERROR_S, response=item.response, cut=cut)


def _length_s(event: Fields, name: str, audio_format: tuple[int, int]) -> float:
    """Seconds of base64 audio, or of what stands in its place: ``[4800 bytes]``."""
    text = event.text(name)
    replaced = _REPLACED.match(text)
    n_bytes = int(replaced[1]) if replaced else len(text) * 3 // 4 - text[-2:].count("=")
    rate, width = audio_format
    return n_bytes / (rate * width)


def read_openai_events(path: Path) -> Trace:
    """Read logged events. The clock is that of the lines; the recording begins with the first sample sent.

    Raises
    ------
    TraceError
        If they are of more than one session: positions in the audio would be of different streams.
    """
    reader = _Reader(problems=Problems())
    for line in json_lines(path, reader.problems):
        try:
            at_s, event = _line(line)
            reader.take(at_s, event)
        except TraceError as error:
            reader.problems.add(line.where, str(error))
    if len(reader.sessions) > 1:
        raise TraceError(f"{path.name}: events of {len(reader.sessions)} sessions; write those of each to its own file")
    reader.played()
    return Trace(
        format="openai events",
        source=path,
        events=tuple(reader.events),
        clock="unix",
        settings=reader.settings,
        audio_starts_s=reader.zero_s,
        problems=reader.problems.all(),
        measures=reader.measures(),
    )


def _line(line: Fields) -> tuple[float, Fields]:
    if isinstance(line.get("event"), Mapping):
        return _time(line, "time"), line.object("event")
    return _time(line, "timestamp"), line


def _time(line: Fields, name: str) -> float:
    """Unix seconds of a line: an ISO time, seconds, or milliseconds."""
    value = line.get(name)
    if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
        return unix_s(value, line.where)
    number = line.number(name)
    return number / 1000 if number > 1e11 else number
