"""Pipecat: ``SpeakingObserver``'s JSON lines, ``DebugLogObserver``'s lines, and turn spans.

Sources: pipecat-ai 1.14.0 ``observers/speaking_observer.py``, ``observers/loggers/debug_log_observer.py``,
``utils/tracing/turn_trace_observer.py``.

Traps: ``interruption`` is logged at every start of a user turn, also while the bot is silent. The last turn's span is
``was_interrupted: true`` because the pipeline ended. ``user_speech_*`` are dated back by ``start_secs``/``stop_secs``;
``user_turn_*``, ``bot_speech_*`` and ``interruption`` are when they happened. No setting is in any of them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from bidilab.lab.judge.traces.reading import MAX_FILE_BYTES, Fields, Problems, json_lines
from bidilab.lab.judge.traces.spans import read_spans
from bidilab.lab.judge.traces.trace import EventKind, Meaning, Trace, TraceError, TraceEvent

__all__ = ["is_speaking_line", "read_pipecat_debug", "read_pipecat_spans", "read_speaking_observer"]

_STOP_WITHIN_S = 1.0
_BOT_ERROR_S = 0.065
_KINDS: dict[str, tuple[EventKind, Meaning, float]] = {
    "user_speech_started": ("user_onset", "onset", 0.1),
    "user_speech_stopped": ("user_end", "onset", 0.1),
    "user_turn_started": ("decision", "decision", 0.02),
    "bot_speech_started": ("audible", "happened", _BOT_ERROR_S),
    "bot_speech_stopped": ("silent", "happened", _BOT_ERROR_S),
}


def is_speaking_line(body: Fields) -> bool:
    """Whether a JSON object is a line of `SpeakingObserver`."""
    return body.get("kind") in (*_KINDS, "user_turn_stopped", "interruption") and "timestamp" in body.body


def read_speaking_observer(path: Path) -> Trace:
    """Read `SpeakingObserver`'s lines."""
    problems = Problems()
    told: list[tuple[float, str]] = []
    for line in json_lines(path, problems):
        try:
            told.append((line.number("timestamp"), line.text("kind")))
        except TraceError as error:
            problems.add(line.where, str(error))
    return _trace("pipecat speaking observer", path, told, problems)


def _trace(name: str, path: Path, told: list[tuple[float, str]], problems: Problems) -> Trace:
    events: list[TraceEvent] = []
    speaking, told_to_stop = False, None
    for at_s, kind in sorted(told):
        if kind == "interruption":
            # Logged at every start of a user turn; it stops the bot only where the bot speaks.
            if speaking:
                events.append(TraceEvent(kind="event", at_s=at_s, means="happened", error_s=0.02))
                told_to_stop = at_s
            continue
        if kind not in _KINDS:
            continue
        is_kind, means, error_s = _KINDS[kind]
        cut = None
        if is_kind == "audible":
            speaking, told_to_stop = True, None
        elif is_kind == "silent":
            speaking = False
            cut = told_to_stop is not None and at_s - told_to_stop <= _STOP_WITHIN_S
        events.append(TraceEvent(kind=is_kind, at_s=at_s, means=means, error_s=error_s, cut=cut))
    return Trace(format=name, source=path, events=tuple(events), clock="unix", user_channel=1, problems=problems.all())


# ---- the debug log ---------------------------------------------------------------------------------------------------

_LINE = re.compile(
    r"^(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+) \|.*?debug_log_observer.*? [→←] .*?: "
    r"(?P<frame>[A-Za-z]+)Frame id: (?P<id>\d+)(?P<rest>.*)$"
)
_FRAMES = {
    "BotStartedSpeaking": "bot_speech_started",
    "BotStoppedSpeaking": "bot_speech_stopped",
    "VADUserStartedSpeaking": "user_speech_started",
    "VADUserStoppedSpeaking": "user_speech_stopped",
    "UserStartedSpeaking": "user_turn_started",
    "Interruption": "interruption",
    "StartInterruption": "interruption",
}
_TIMESTAMP = re.compile(r"timestamp: (\d+\.\d+)")
_BACK = re.compile(r"(?:start|stop)_secs: (\d+(?:\.\d+)?)")
_MAX_LINE = 1 << 16
_SAME_FRAME_S = 0.05


def read_pipecat_debug(path: Path) -> Trace:
    """Read the lines of ``DebugLogObserver``: each frame is logged at every processor, and counts once.

    The log's times have no zone; they are taken for UTC, and a frame's own timestamp says how far off that is.
    """
    problems = Problems()
    if path.stat().st_size > MAX_FILE_BYTES:
        raise TraceError(f"{path.name}: {path.stat().st_size:,} bytes, at most {MAX_FILE_BYTES:,} are read")
    told: list[tuple[float, str]] = []
    zone_s: float | None = None
    last: dict[str, float] = {}
    with path.open("r", encoding="utf-8", errors="replace") as file:
        while line := file.readline(_MAX_LINE):
            found = _LINE.match(line)
            kind = None if found is None else _FRAMES.get(found["frame"])
            if found is None or kind is None:
                continue
            at_s = datetime.fromisoformat(found["time"]).replace(tzinfo=UTC).timestamp()
            stamp = _TIMESTAMP.search(found["rest"])
            if stamp is not None and zone_s is None:
                zone_s = round((float(stamp[1]) - at_s) / 900) * 900.0
            if at_s - last.get(kind, -1e18) > _SAME_FRAME_S:
                back = _BACK.search(found["rest"]) if kind.startswith("user_speech") else None
                told.append((at_s - (float(back[1]) if back is not None else 0.0), kind))
            last[kind] = at_s
    return _trace("pipecat debug log", path, [(at_s + (zone_s or 0.0), kind) for at_s, kind in told], problems)


# ---- spans -----------------------------------------------------------------------------------------------------------


def read_pipecat_spans(path: Path) -> Trace:
    """Read turn spans: whether a turn was interrupted. The last flag tells the pipeline's end, and is left out."""
    problems = Problems()
    turns = [span for span in read_spans(path, problems) if span.name == "turn"]
    events = []
    for turn in turns[:-1]:
        interrupted = turn.attributes.get("turn.was_interrupted")
        events.append(
            TraceEvent(
                kind="generated",
                at_s=turn.end_s,
                means="happened",
                error_s=0.1,
                response=str(turn.attributes.get("turn.number", "")),
                cut=interrupted if isinstance(interrupted, bool) else None,
                detail=dict(turn.attributes),
            )
        )
    return Trace(
        format="pipecat spans",
        source=path,
        events=tuple(events),
        clock="unix",
        user_channel=1,
        problems=problems.all(),
    )
