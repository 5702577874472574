"""A call diagnosed: facts first, then causes by name, each with its evidence and what mends it."""

from __future__ import annotations

import dataclasses
import html
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bidilab.bidi.log.eventlog import EventLog
from bidilab.core.audio import Audio
from bidilab.core.audiofile import read_audio
from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.detect.turns import TurnParams, detect_turns
from bidilab.detect.vad import get_vad, resample
from bidilab.lab.datasets.importing.audiofiles import AUDIO_SUFFIXES
from bidilab.lab.doctor.causes import CAUSES, COMPLAINTS, Finding
from bidilab.lab.doctor.rules import LONG_SILENCE_MS, SOUND_RULES, STORY_RULES, PeakOf
from bidilab.lab.doctor.sound import SoundFacts, ducked_db, sound_facts
from bidilab.lab.doctor.story import Story, story_of
from bidilab.lab.judge.exchange import Exchange, exchange_of
from bidilab.lab.judge.hearing import hear
from bidilab.lab.judge.laid import LaidTrace, channel_of, lay
from bidilab.lab.judge.rule import JudgeRule
from bidilab.lab.judge.traces.alignment import AlignmentError
from bidilab.lab.judge.traces.formats import read_trace
from bidilab.lab.judge.traces.ownlog import trace_of_log
from bidilab.lab.judge.traces.trace import Trace

__all__ = ["Diagnosis", "diagnosis_of", "doctor"]

_RATE = 16_000
_BREAKS_ALL = ("mic-dead", "wrong-device")
_MORE = {
    "mic-quiet": ("threshold-high", "ducked"),
    "half-duplex": ("ducked", "loss", "threshold-high"),
    "rate-wrong": ("network",),  # positions in the audio sent drift against the clock
}
"""What a cause explains, so that it is not named beside it."""

_NO_SETTINGS = ("requested.", "vad_", "probabilities_known", "system_prompt", "n_tools")
"""Beginnings of names that a trace keeps among its settings, and that no cause depends on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The findings in a call.

    Parameters
    ----------
    name
        Name of the call.
    findings
        Causes with their evidence, the most serious first; empty if nothing was found.
    facts
        The measurements: names and values in words, in order.
    notes
        What could not be checked, and why.
    """

    name: str
    findings: tuple[Finding, ...]
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()

    @property
    def causes(self) -> list[str]:
        """Names of the causes found."""
        return [finding.cause.name for finding in self.findings]

    def to_dict(self) -> dict[str, Any]:
        """The diagnosis as plain JSON."""
        return {
            "name": self.name,
            "findings": [
                {**dataclasses.asdict(finding.cause), "evidence": finding.evidence} for finding in self.findings
            ],
            "facts": dict(self.facts),
            "notes": list(self.notes),
        }

    def _said(self) -> Iterator[tuple[str, str]]:
        if not self.findings:
            yield "nothing found", "None of the checks shows a cause."
        for complaint in COMPLAINTS:
            for finding in (f for f in self.findings if f.cause.complaint == complaint):
                yield (
                    f"{complaint}: {finding.cause.name}",
                    (f"{finding.cause.says} Evidence: {finding.evidence}. Do: {finding.cause.advice}"),
                )
        for note in self.notes:
            yield "not looked at", note

    def __repr__(self) -> str:
        lines = [f"Diagnosis of {self.name}"]
        lines += [f"  {name:<22} {value}" for name, value in self.facts]
        lines += [f"{heading}\n  {text}" for heading, text in self._said()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        def rows(pairs: Any) -> str:
            return "".join(
                f"<tr><th style='text-align:left;vertical-align:top'>{html.escape(name)}</th>"
                f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
                for name, text in pairs
            )

        return (
            f"<table><caption>Diagnosis of {html.escape(self.name)}</caption>{rows(self._said())}</table>"
            f"<details><summary>facts</summary><table>{rows(self.facts)}</table></details>"
        )


def doctor(
    call: str | os.PathLike[str] | Audio | EventLog,
    *,
    trace: str | os.PathLike[str] | EventLog | None = None,
    user_channel: int | None = None,
) -> Diagnosis:
    """Say why an agent is not interrupted, talks on, or is interrupted falsely.

    It measures facts first, then tests each cause on them and names it with its evidence. "Nothing found" is a possible
    answer.

    Parameters
    ----------
    call
        A recording of two channels; a folder that `replay` wrote; or a log or trace alone (docs/traces.md), which may
        be the log of a session in memory.
    trace
        The stack's own report of the call, beside a recording: a file, or a session's log.
    user_channel
        The user's channel of a recording, counted from 1; not needed if the trace shows it, or for a replay.

    Returns
    -------
    Diagnosis
        Facts and causes.

    Raises
    ------
    AudioError
        If a recording does not have two channels, or cannot be read.
    TraceError
        If a trace cannot be read.
    InvalidParameterError
        If the user's channel is not given and cannot be known.

    Examples
    --------
    >>> found = doctor("replay-early-clean-01")  # doctest: +SKIP
    >>> found.causes  # doctest: +SKIP
    ['interruptions-off']
    """
    audio, told, channel, name = _given(call, trace, user_channel)
    if audio is None:
        assert told is not None
        story = story_of(None, told, None)
        return diagnosis_of(name, None, story, None, ["the sound: there is no recording", *_passed_over(told)])
    if audio.n_channels != 2:
        raise AudioError(
            f"{audio.name}: {audio.n_channels} channel{'s' if audio.n_channels != 1 else ''}; two are needed, "
            "the user's and the agent's"
        )
    notes: list[str] = [] if told is None else _passed_over(told)
    channel = _channel(audio, told, channel)
    user, agent = (
        resample(audio.channel(at), audio.sample_rate, _RATE) if audio.sample_rate > _RATE else audio.channel(at)
        for at in (channel - 1, 2 - channel)
    )
    rate = min(audio.sample_rate, _RATE)
    facts = sound_facts(user, agent, rate)
    exchange, laid = _heard(audio, told, channel, notes)
    story = story_of(exchange, told, laid)
    spoken = [(one.start_s, one.end_s) for one in story.said if one.kind != "noise"]
    down_db, n_overlaps = ducked_db(user, agent, rate, spoken, facts.floor_drop_db)
    story = dataclasses.replace(story, ducked_db=down_db, n_ducked=n_overlaps, floor_drop_db=facts.floor_drop_db)
    if story.settings.get("silence_duration_ms", 0) >= LONG_SILENCE_MS:
        story = dataclasses.replace(story, utterances=tuple(_utterances(user, rate)))
    return diagnosis_of(name, facts, story, None if exchange is None else _peaks(user, rate), notes)


def _given(
    call: str | os.PathLike[str] | Audio | EventLog,
    trace: str | os.PathLike[str] | EventLog | None,
    user_channel: int | None,
) -> tuple[Audio | None, Trace | None, int | None, str]:
    """The recording, the trace, the user's channel where it is known, and a name."""
    told = None if trace is None else _told(trace)
    if isinstance(call, EventLog):
        if told is not None:
            raise InvalidParameterError("call", "a recording, because a trace is given", "a session's log")
        return None, _told(call), user_channel, "the session"
    if isinstance(call, Audio):
        return call, told, user_channel, call.name or "the recording"
    path = Path(call)
    if path.is_dir() and (path / "events.jsonl").is_file() and (path / "session.wav").is_file():
        return read_audio(path / "session.wav"), told or read_trace(path / "events.jsonl"), user_channel or 1, path.name
    if path.suffix.lower() in AUDIO_SUFFIXES:
        return read_audio(path), told, user_channel, path.name
    if told is not None:
        raise InvalidParameterError("call", "a recording, because a trace is given", str(path))
    return None, read_trace(path), user_channel, path.name


def _passed_over(told: Trace) -> list[str]:
    return [f"{len(told.problems)} lines of the trace, the first {told.problems[0]}"] if told.problems else []


def _told(trace: str | os.PathLike[str] | EventLog) -> Trace:
    return trace_of_log(trace, source=Path("the log")) if isinstance(trace, EventLog) else read_trace(trace)


def _channel(audio: Audio, told: Trace | None, user_channel: int | None) -> int:
    if user_channel in (1, 2) and not isinstance(user_channel, bool):
        return int(user_channel)
    if user_channel is None and told is not None:
        return told.user_channel or channel_of(told, hear(audio, 1))
    raise InvalidParameterError("user_channel", "1 or 2, the channel that holds the user", user_channel)


def _heard(
    audio: Audio, told: Trace | None, channel: int, notes: list[str]
) -> tuple[Exchange | None, LaidTrace | None]:
    """What the judge hears, and the trace on it; what cannot be heard or laid is noted."""
    try:
        heard = hear(audio, channel)
    except AudioError as error:
        notes.append(f"who speaks when: {error}")
        return None, None
    laid = None
    if told is not None:
        try:
            laid = lay(told, heard)
        except AlignmentError as error:
            notes.append(f"the trace: {error}")
    ends = () if laid is None else laid.ends(heard.sample_rate)
    return exchange_of(heard, JudgeRule(), told=ends), laid


def _utterances(user: Any, rate: int) -> list[tuple[float, float]]:
    """Where the user speaks, seconds, by our detector at its defaults."""
    vad = get_vad("silero")
    track = vad.probabilities(user if rate == _RATE else resample(user, rate, _RATE))
    turns = detect_turns(track, TurnParams(), frame_samples=vad.frame_samples, sample_rate=vad.sample_rate)
    return [(turn.onset / vad.sample_rate, turn.offset / vad.sample_rate) for turn in turns]


def _peaks(user: Any, rate: int) -> PeakOf:
    vad = get_vad("silero")
    track: Any = None

    def peak(start_s: float, end_s: float) -> float:
        nonlocal track
        if track is None:  # only where a rule asks
            track = vad.probabilities(user if rate == _RATE else resample(user, rate, _RATE))
        per_s = vad.sample_rate / vad.frame_samples
        part = track[max(0, int(start_s * per_s)) : max(1, math.ceil(end_s * per_s))]
        return float(np.max(part)) if len(part) else 0.0

    return peak


def diagnosis_of(
    name: str, sound: SoundFacts | None, story: Story, peak: PeakOf | None, notes: Sequence[str]
) -> Diagnosis:
    """Test every cause on what was measured, and name those that hold."""
    evidence: dict[str, str] = {}
    if sound is not None:
        evidence = {cause: said for cause, rule in SOUND_RULES.items() if (said := rule(sound)) is not None}
    broken = [cause for cause in _BREAKS_ALL if cause in evidence]
    if broken:
        evidence = {broken[0]: evidence[broken[0]]}
    else:
        evidence |= {cause: said for cause, rule in STORY_RULES.items() if (said := rule(story, peak)) is not None}
        for cause, explained in _MORE.items():
            if cause in evidence:
                for other in explained:
                    evidence.pop(other, None)
    findings = [Finding(cause=CAUSES[cause], evidence=evidence[cause]) for cause in CAUSES if cause in evidence]
    return Diagnosis(name=name, findings=tuple(findings), facts=tuple(_facts(sound, story)), notes=tuple(notes))


def _facts(sound: SoundFacts | None, story: Story) -> Iterator[tuple[str, str]]:
    if sound is not None:
        yield "length", f"{sound.duration_s:.1f} s, the agent audible for {sound.agent_s:.1f} s"
        loud = "nobody spoke" if math.isnan(sound.active_dbfs) else f"{sound.active_dbfs:.0f} dBFS loud"
        quiet = "no sound" if math.isnan(sound.quiet_dbfs) else f"{sound.quiet_dbfs:.0f} dBFS quiet"
        yield "user's level", f"{loud}, {quiet}"
        zeros = "no silent agent" if math.isnan(sound.zeros_without_agent) else f"{sound.zeros_without_agent:.0%} else"
        with_agent = (
            "no agent" if math.isnan(sound.zeros_with_agent) else f"{sound.zeros_with_agent:.0%} with the agent"
        )
        yield "digital silence", f"{with_agent}, {zeros}"
        if math.isnan(sound.hum_share):
            yield "clipped", f"{sound.clipped_share:.2%}"
        else:
            yield (
                "clipped, hum, holes",
                f"{sound.clipped_share:.2%}, {sound.hum_share:.0%} of the power, {sound.holes_per_min:.0f} per min",
            )
    if story.has_sound:
        yield "echo", "none heard" if story.echo_db is None else f"{story.echo_db:.0f} dB"
    missed, cut = sum(one.missed for one in story.overlaps), sum(bool(one.answer.cut) for one in story.overlaps)
    yield "overlaps", f"{len(story.overlaps)}; {missed} spoken through, {cut} known to be cut"
    yield "responses", f"{len(story.answers)}, {sum(answer.cut_in for answer in story.answers)} begin in a pause"
    if story.has_trace:
        yield "told", f"{len(story.events_s)} events, {len(story.cleared_s)} clears, {len(story.turns)} turns"
        stated = ", ".join(
            f"{name}={value}"
            for name, value in story.settings.items()
            if not name.startswith(_NO_SETTINGS) and not isinstance(value, (dict, list))
        )
        yield "settings", stated or "not in the trace"
    if "sent_per_s" in story.measures:
        yield "audio sent", f"{story.measures['sent_per_s']:.2f} s of the user's audio per second"
    if "stale_s" in story.measures:
        yield "stale audio", f"{story.measures['stale_s']:.1f} s came for responses that were truncated already"
