"""Traces laid on the calls that they tell of: which goes with which recording, and what it adds to the judging."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bidilab.core.errors import BidilabError
from bidilab.core.units import s_to_samples
from bidilab.lab.datasets.importing.audiofiles import without_audio_suffix
from bidilab.lab.judge.exchange import Exchange, Overlap, ToldEnd
from bidilab.lab.judge.hearing import Heard
from bidilab.lab.judge.traces.alignment import Alignment, Stretches, align, user_channel_by
from bidilab.lab.judge.traces.formats import read_trace, read_traces
from bidilab.lab.judge.traces.trace import Trace, TraceError, TraceEvent, merged

__all__ = ["LaidTrace", "channel_of", "lay", "trace_rows", "traces_by_call"]

_BEFORE_S = 0.3
"""How long before the sound's onset what a trace dates may lie, and still belong to it."""
_AFTER_S = 1.0
_WORDS_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LaidTrace:
    """A trace with its place on a recording.

    Parameters
    ----------
    trace
        What was told.
    alignment
        Where it lies.
    """

    trace: Trace
    alignment: Alignment

    def at_s(self, event: TraceEvent) -> float:
        """Where an event lies on the recording, seconds; what its side is always late by is taken off."""
        bias = self.alignment.biases_s.get(_ROLES[event.kind], 0.0) if event.kind in _ROLES else 0.0
        return self.alignment.on_recording(event.at_s) + bias

    def ends(self, sample_rate: int) -> tuple[ToldEnd, ...]:
        """What the trace says of the ends of the agent's sound, where it says whether they are cuts.

        Where it tells of no sound, a response whose generation was interrupted was cut there.
        """
        told = [event for event in self.trace.of("silent") if event.cut is not None]
        if not self.trace.of("silent"):
            told = [event for event in self.trace.of("generated") if event.cut]
        return tuple(
            ToldEnd(
                position=s_to_samples(max(0.0, self.at_s(event)), sample_rate),
                how="cut" if event.cut else "natural",
                by=self.trace.format,
            )
            for event in told
        )


_ROLES: Mapping[str, tuple[Literal["user", "agent"], bool]] = {
    "user_onset": ("user", True),
    "user_end": ("user", False),
    "audible": ("agent", True),
    "silent": ("agent", False),
}


def traces_by_call(trace: Path, files: Mapping[str, Path]) -> tuple[dict[str, Trace], list[str]]:
    """Find the trace of each call: by its name, or by the recording that a trace names; one file is for one call.

    Parameters
    ----------
    trace
        A trace, a folder of the traces of one call, or a folder of traces by call.
    files
        The recordings by the names of their calls.

    Returns
    -------
    traces : dict
        By the name of the call; calls without one are absent.
    problems : list of str
        Traces that could not be read or belong to no call.

    Raises
    ------
    TraceError
        If nothing could be read.
    """
    if len(files) == 1:
        return {next(iter(files)): read_trace(trace)}, []
    if not trace.is_dir():
        raise TraceError(f"{trace.name}: is one trace, but there are {len(files)} calls; give a folder of traces")
    stems = {without_audio_suffix(file.name): call for call, file in files.items()}
    names = {file.name: call for call, file in files.items()}
    found: dict[str, list[Trace]] = {}
    problems: list[str] = []
    for path in sorted(trace.iterdir()):
        if path.is_dir():
            call = stems.get(path.name)
            if call is not None:
                found.setdefault(call, []).extend(_read(path, problems))
            continue
        if path.name in names or path.suffix.lower() not in (".json", ".jsonl", ".ndjson", ".log"):
            continue
        for one in _read(path, problems):
            call = stems.get(path.name.split(".")[0]) or stems.get(path.stem) or names.get(one.recording or "")
            if call is None:
                problems.append(f"{path.name}: belongs to none of the calls")
            else:
                found.setdefault(call, []).append(one)
    if not found:
        listed = "; ".join(problems[:3])
        raise TraceError(
            f"{trace}: no trace belongs to a call, by its name or by the recording that it names ({listed})"
        )
    return {call: merged(traces) for call, traces in found.items()}, problems


def _read(path: Path, problems: list[str]) -> list[Trace]:
    try:
        return read_traces(path) if path.is_dir() else [read_trace(path)]
    except (BidilabError, OSError) as error:
        problems.append(str(error))
        return []


def channel_of(trace: Trace, as_first: Heard) -> int:
    """The user's channel, 1 or 2, of a recording that was heard with the user on channel 1.

    Raises
    ------
    AlignmentError
        If neither its format nor who speaks when tells.
    """
    if trace.user_channel is not None:
        return trace.user_channel
    first, second = _stretches(as_first)
    return user_channel_by(trace, first, second, duration_s=as_first.n_samples / as_first.sample_rate)


def lay(trace: Trace, heard: Heard) -> LaidTrace:
    """Lay a trace on a recording.

    Raises
    ------
    AlignmentError
        If it cannot be laid on it surely.
    """
    user, agent = _stretches(heard)
    duration_s = heard.n_samples / heard.sample_rate
    return LaidTrace(trace=trace, alignment=align(trace, user, agent, duration_s=duration_s).told(trace.audio_starts_s))


def _stretches(heard: Heard) -> tuple[Stretches, Stretches]:
    """Speech on the two channels, seconds: pauses of a few hundred milliseconds are part of it, as in a trace."""
    rate = heard.sample_rate
    user = [(unit.start / rate, unit.end / rate) for unit in heard.user if not unit.sound]
    agent = [(unit.start / rate, unit.end / rate) for unit in heard.agent]
    return _closed(user), _closed(agent)


def _closed(stretches: list[tuple[float, float]], pause_s: float = 0.5) -> list[tuple[float, float]]:
    closed: list[tuple[float, float]] = []
    for start, end in sorted(stretches):
        if closed and start - closed[-1][1] <= pause_s:
            closed[-1] = closed[-1][0], max(closed[-1][1], end)
        else:
            closed.append((start, end))
    return closed


def trace_rows(laid: LaidTrace, exchange: Exchange) -> list[dict[str, Any]]:
    """What a trace adds to each overlap: ``detected_ms``, ``event_ms``, ``leak_ms``, ``text``, ``settings``.

    A decision or an event belongs to the overlap that begins last before it, from 300 ms before the onset on.
    """
    rate = exchange.heard.sample_rate
    decisions = [laid.at_s(event) for event in laid.trace.of("decision")]
    events = [laid.at_s(event) for event in laid.trace.of("event")]
    words = [(laid.at_s(event), event.text) for event in laid.trace.of("transcript") if event.side == "user"]
    settings = ", ".join(f"{name}={value}" for name, value in laid.trace.settings.items()) or None
    onsets = [exchange.events[overlap.event].interval.start / rate for overlap in exchange.overlaps]
    rows = []
    for k, overlap in enumerate(exchange.overlaps):
        onset_s, silent_s = onsets[k], exchange.responses[overlap.response].interval.end / rate
        next_s = min((later for later in onsets[k + 1 :] if later > onset_s), default=float("inf"))
        until_s = min(silent_s + _AFTER_S, next_s - _BEFORE_S)
        decided_s = _first(decisions, onset_s - _BEFORE_S, until_s)
        told_s = _first(events, onset_s - _BEFORE_S, until_s)
        rows.append(
            {
                "detected_ms": _after_ms(decided_s, onset_s),
                "event_ms": _after_ms(told_s, onset_s),
                "leak_ms": None if told_s is None else round(1000 * (silent_s - told_s), 3),
                "text": _said(words, exchange, overlap),
                "settings": settings,
            }
        )
    return rows


def _first(times: list[float], since: float, until: float) -> float | None:
    return min((at for at in times if since <= at <= until), default=None)


def _after_ms(at_s: float | None, onset_s: float) -> float | None:
    return None if at_s is None else round(1000 * (at_s - onset_s), 3)


def _said(words: list[tuple[float, str]], exchange: Exchange, overlap: Overlap) -> str | None:
    rate, interval = exchange.heard.sample_rate, exchange.events[overlap.event].interval
    near = [
        text
        for at_s, text in words
        if text and interval.start / rate - _WORDS_S / 2 <= at_s <= interval.end / rate + _WORDS_S
    ]
    return near[0] if len(near) == 1 else None
