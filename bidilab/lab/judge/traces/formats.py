"""The formats, by name, and which of them a file is in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.judge.traces import livekit, openai, ownlog, pipecat, retell, strands, twilio, vapi
from bidilab.lab.judge.traces.reading import Fields, Problems, json_document, json_lines
from bidilab.lab.judge.traces.spans import is_span
from bidilab.lab.judge.traces.trace import Trace, TraceError, merged

__all__ = ["FORMATS", "TraceFormat", "format_of", "read_trace", "read_traces"]

_HEAD_LINES = 200
_UNKNOWN = "not in a known format"
_SUFFIXES = (".json", ".jsonl", ".ndjson", ".log")


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFormat:
    """One format.

    Parameters
    ----------
    name
        What a caller writes, and a trace says.
    read
        Reads a file of it.
    document, line
        Whether a JSON file, or a line of one, is in this format; one of the two.
    spans
        Names of spans that are its own.
    """

    name: str
    read: Callable[[Path], Trace]
    document: Callable[[Fields], bool] | None = None
    line: Callable[[Fields], bool] | None = None
    spans: tuple[str, ...] = ()


_ALL = (
    TraceFormat(name="livekit report", read=livekit.read_livekit_report, document=livekit.is_livekit_report),
    TraceFormat(
        name="livekit spans",
        read=livekit.read_livekit_spans,
        spans=("agent_speaking", "user_speaking", "agent_turn", "eou_wait", "agent_session"),
    ),
    TraceFormat(name="vapi report", read=vapi.read_vapi_report, document=vapi.is_vapi_report),
    TraceFormat(name="vapi messages", read=vapi.read_vapi_messages, line=vapi.is_vapi_message),
    TraceFormat(name="retell call", read=retell.read_retell_call, document=retell.is_retell_call),
    TraceFormat(name="retell agent", read=retell.read_retell_agent, document=retell.is_retell_agent),
    TraceFormat(name="bidilab log", read=ownlog.read_own_log, line=ownlog.is_own_row),
    TraceFormat(name="openai events", read=openai.read_openai_events, line=openai.is_openai_line),
    TraceFormat(name="twilio stream", read=twilio.read_twilio_stream, line=twilio.is_twilio_line),
    TraceFormat(name="pipecat speaking observer", read=pipecat.read_speaking_observer, line=pipecat.is_speaking_line),
    TraceFormat(name="pipecat spans", read=pipecat.read_pipecat_spans, spans=("turn", "conversation")),
    TraceFormat(name="pipecat debug log", read=pipecat.read_pipecat_debug),
    TraceFormat(name="strands events", read=strands.read_strands_events, line=strands.is_strands_event),
    TraceFormat(name="strands spans", read=strands.read_strands_spans, spans=("bidi_response", "bidi_session")),
)
FORMATS: Mapping[str, TraceFormat] = {one.name: one for one in _ALL}
"""Every format by its name."""


def format_of(path: Path) -> TraceFormat:
    """Find the format of a file by what is in it.

    Raises
    ------
    TraceError
        If it is in none that is known.
    """
    lines = list(islice(_heads(path), _HEAD_LINES))
    spans = [str(line.get("name")) for line in lines if is_span(line)]
    for one in _ALL:
        if one.line is not None and any(one.line(line) for line in lines if not is_span(line)):
            return one
        if any(name in one.spans or name.startswith(tuple(f"{n} " for n in one.spans)) for name in spans if one.spans):
            return one
    if _has_debug_lines(path):
        return FORMATS["pipecat debug log"]
    try:
        body = json_document(path)
    except TraceError:
        body = None
    for one in _ALL:
        if body is not None and one.document is not None and one.document(body):
            return one
    raise TraceError(f"{path.name}: {_UNKNOWN} ({', '.join(FORMATS)})")


def _heads(path: Path) -> Iterator[Fields]:
    yield from json_lines(path, Problems())


def _has_debug_lines(path: Path) -> bool:
    with path.open("rb") as file:
        return b"debug_log_observer" in file.read(1 << 20)


def read_trace(path: str | os.PathLike[str], format: str | None = None) -> Trace:  # noqa: A002
    """Read what another stack told of a call.

    Parameters
    ----------
    path
        A file, or a folder whose files are of one call.
    format
        One of `FORMATS`; found from what is in the file when not given.

    Raises
    ------
    TraceError
        If the file is in no format that is known, or lacks what its format needs.
    InvalidParameterError
        If there is no such format.
    """
    if format is not None and format not in FORMATS:
        raise InvalidParameterError("format", f"one of {', '.join(FORMATS)}", format)
    found = Path(path)
    if found.is_dir():
        return merged(read_traces(found))
    if not found.is_file():
        raise TraceError(f"{found}: there is no such file")
    return (FORMATS[format] if format is not None else format_of(found)).read(found)


def read_traces(folder: Path) -> list[Trace]:
    """Read every trace of a folder; files in no known format are passed over."""
    traces = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix.lower() in _SUFFIXES:
            try:
                traces.append(read_trace(path))
            except TraceError as error:
                if _UNKNOWN not in str(error):
                    raise
    if not traces:
        raise TraceError(f"{folder}: holds no trace in a known format ({', '.join(FORMATS)})")
    return traces
