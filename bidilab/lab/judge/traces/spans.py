"""Spans of OpenTelemetry as its Python SDK writes them: one JSON object per line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bidilab.lab.judge.traces.reading import Fields, Problems, json_lines, unix_s
from bidilab.lab.judge.traces.trace import TraceError

__all__ = ["Span", "SpanEvent", "is_span", "read_spans"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanEvent:
    """An event inside a span; seconds since 1970."""

    name: str
    at_s: float
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A span; seconds since 1970, ``parent_id`` empty at the root."""

    name: str
    span_id: str
    parent_id: str
    start_s: float
    end_s: float
    attributes: Mapping[str, Any]
    events: tuple[SpanEvent, ...]


def is_span(body: Fields) -> bool:
    """Whether a JSON object is a span."""
    return isinstance(body.get("name"), str) and "start_time" in body.body and isinstance(body.get("context"), Mapping)


def read_spans(path: Path, problems: Problems) -> list[Span]:
    """Read the spans of a file, by their start; a span without an end, as of a process that died, is noted."""
    spans = []
    for line in json_lines(path, problems):
        if not is_span(line):
            problems.add(line.where, "not a span: needs name, context and start_time")
            continue
        try:
            spans.append(_span(line))
        except TraceError as error:
            problems.add(line.where, str(error))
    return sorted(spans, key=lambda span: span.start_s)


def _span(line: Fields) -> Span:
    return Span(
        name=line.text("name"),
        span_id=line.object("context").text("span_id"),
        parent_id=str(line.get("parent_id") or ""),
        start_s=unix_s(line.text("start_time"), line.where),
        end_s=unix_s(line.text("end_time"), line.where),
        attributes=line.optional_object("attributes").body,
        events=tuple(
            SpanEvent(
                name=event.text("name"),
                at_s=unix_s(event.text("timestamp"), event.where),
                attributes=event.optional_object("attributes").body,
            )
            for event in line.objects("events")
        ),
    )
