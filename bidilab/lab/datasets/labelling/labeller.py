"""Proposed labels for one recording: units of speech on each channel, leaks taken off, kinds by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from bidilab.core.audio import Audio, FloatArray
from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.core.timeline import Interval
from bidilab.core.units import rescale_samples, samples_to_s
from bidilab.detect.vad import detector_facts, resample
from bidilab.detect.vad.base import OnProgress
from bidilab.detect.vad.silero import SileroVad
from bidilab.lab.datasets.labelling.leakage import Leak, find_leak, over_leak
from bidilab.lab.datasets.labelling.noise import Floor, noise_floor, quiet_by_level, widened
from bidilab.lab.datasets.labelling.rule import LabelRule
from bidilab.lab.datasets.labelling.tracks import (
    RATE,
    STEP_SAMPLES,
    ChannelTracks,
    band_levels_db,
    two_way_probabilities,
)
from bidilab.lab.datasets.labelling.units import speech_units
from bidilab.lab.datasets.labels import Channel, Kind, Segment
from bidilab.lab.datasets.proposals import ProposalRule, Speech, propose_kinds, propose_responses
from bidilab.lab.datasets.recording import Recording

__all__ = ["ChannelFindings", "author_of", "find_speech", "label_one", "speech_found_by"]

_QUIET_PROBABILITY = 0.2
_QUIET_SHARE = 0.15  # of a call in which nobody speaks on a channel; less, and the detector hears voices in the noise
_QUIET_AROUND_STEPS = 20  # 100 ms: what is beside speech may be its first or last sound
_TIME_DECIMALS = 7


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChannelFindings:
    """What was found on a channel.

    Parameters
    ----------
    units
        Speech, in samples of the audio: sorted, disjoint, at least ``ipu_pause_ms`` apart.
    leak
        The other channel's leak into this one, ``None`` without.
    """

    units: tuple[Interval, ...]
    leak: Leak | None


@cache
def _vad() -> SileroVad:
    return SileroVad(sample_rate=RATE)


def speech_found_by() -> str:
    """The detector that labels rest on, with its release."""
    return detector_facts(_vad())["detector"]


def find_speech(
    audio: Audio,
    channels: Mapping[Channel, int],
    rule: LabelRule | None = None,
    on_progress: OnProgress | None = None,
) -> dict[Channel, ChannelFindings]:
    """Units of speech on the channels of a recording.

    Parameters
    ----------
    audio
        At any rate.
    channels
        The channel of the audio that holds each side, from 0.
    rule
        Numbers of the method; the defaults when ``None``.
    on_progress
        Called with samples (at 16 kHz, of all channels together) done since the last call.

    Returns
    -------
    dict
        For each channel given, what was found on it.

    Raises
    ------
    InvalidParameterError
        If no channel is given, or the audio has no such channel.
    AudioError
        If the audio has no samples, or both channels hold the same: then nobody can tell who spoke.
    """
    rule = rule or LabelRule()
    if not channels:
        raise InvalidParameterError("channels", "one or two of user, agent", dict(channels))
    _check_samples(audio.name, [audio.channel(index) for index in channels.values()])
    samples = [resample(audio.channel(index), audio.sample_rate, RATE) for index in channels.values()]
    probabilities = two_way_probabilities(samples, _vad(), on_progress)
    bandwidth_hz = 0.475 * min(audio.sample_rate, RATE)  # what a resampler's filter leaves whole
    tracks = {}
    for name, channel, (forward, backward) in zip(channels, samples, probabilities, strict=True):
        levels, total = band_levels_db(channel, bandwidth_hz=bandwidth_hz, silence_dbfs=rule.silence_dbfs)
        tracks[name] = ChannelTracks(forward=forward, backward=backward, levels_db=levels, total_db=total)
    found: dict[Channel, ChannelFindings] = {}
    for name in tracks:
        floor, leak = _floor(tracks, name, rule)
        units = [
            Interval(rescale_samples(u.start, RATE, audio.sample_rate), rescale_samples(u.end, RATE, audio.sample_rate))
            for u in speech_units(tracks[name], floor, rule)
        ]
        inside = [Interval(u.start, min(u.end, audio.n_samples)) for u in units]
        found[name] = ChannelFindings(units=tuple(u for u in inside if u.duration), leak=leak)
    return found


def _check_samples(name: str, channels: Sequence[FloatArray]) -> None:
    if not len(channels[0]):
        raise AudioError(f"{name}: it has no samples")
    if len(channels) > 1 and channels[0].any() and np.array_equal(channels[0], channels[1]):
        raise AudioError(f"{name}: both channels hold the same samples, so nobody can tell who spoke")


def _floor(tracks: Mapping[Channel, ChannelTracks], name: Channel, rule: LabelRule) -> tuple[Floor, Leak | None]:
    """What speech on a channel must exceed: its noise, and the other channel where it leaks in."""
    mine = tracks[name]
    around = _QUIET_AROUND_STEPS
    quiet = ~widened(mine.either >= _QUIET_PROBABILITY, around, around)
    if quiet.mean() < _QUIET_SHARE:
        quiet = quiet_by_level(mine.total_db)
    others = [track for other, track in tracks.items() if other != name]
    for other in others:  # a faint leak that is no speech to Silero is no noise either
        both = quiet & ~widened(other.either >= rule.edge_probability, around, around * 5)
        quiet = both if both.sum() * STEP_SAMPLES >= RATE else quiet
    floor = noise_floor(mine.levels_db, quiet)
    for other in others:
        speaks = np.asarray(other.mean >= rule.speech_probability, dtype=np.bool_)
        leak = find_leak(mine.levels_db, other.levels_db, speaks, floor, rule)
        if leak is not None:
            return over_leak(floor, leak), leak
    return floor, None


def author_of(rule: LabelRule, proposals: ProposalRule) -> str:
    """Who proposed such a label: both methods with all of their numbers."""
    return f"{rule.name}+{proposals.name}"


def label_one(
    recording: Recording,
    *,
    rule: LabelRule | None = None,
    proposals: ProposalRule | None = None,
    at: str | None = None,
    on_progress: OnProgress | None = None,
) -> Recording:
    """A recording with proposed labels on every channel whose labels nobody has given or confirmed.

    Parameters
    ----------
    recording
        It must have the user's channel; labels of the agent come from the agent's, where there is one.
    rule, proposals
        How speech is found, and how its kinds are proposed; the defaults when ``None``.
    at
        When, ISO 8601 with an offset, for the labels.
    on_progress
        As in `find_speech`.

    Returns
    -------
    Recording
        With the labels; of a channel that has a given or confirmed label, the labels are those it had.

    Raises
    ------
    AudioError
        If the audio cannot be used.
    """
    rule, proposals = rule or LabelRule(), proposals or ProposalRule()
    kept = {name: _kept(recording, name) for name in ("user", "agent")}
    channels: dict[Channel, int] = {
        name: index for name in ("user", "agent") if (index := recording.channel_index(name)) is not None
    }
    if all(kept[name] for name in channels):
        return recording
    audio = recording.audio()
    found = find_speech(audio, channels, rule, on_progress)
    rate = recording.sample_rate
    user = _speech(found, "user", kept["user"], rate)
    agent = _speech(found, "agent", kept["agent"], rate)
    responses = agent if kept["agent"] else propose_responses(agent, user, sample_rate=rate, rule=proposals)
    intervals = [response.interval for response in responses]
    labels: list[tuple[Interval, Channel, Kind]] = []
    if not kept["agent"]:
        labels += [(interval, "agent", "response") for interval in intervals]
    if not kept["user"]:
        kinds = propose_kinds(user, intervals, sample_rate=rate, rule=proposals)
        labels += [(utterance.speech.interval, "user", utterance.kind) for utterance in kinds]
        labels += [(echo, "user", "echo") for echo in _echoes(found["user"].leak, intervals, recording)]
    by = author_of(rule, proposals)
    proposed = [
        Segment(
            start_s=_s(interval.start, rate),
            end_s=_s(interval.end, rate),
            channel=channel,
            kind=kind,
            origin="proposed",
            by=by,
            at=at,
        )
        for interval, channel, kind in labels
    ]
    return replace(recording, segments=(*kept["user"], *kept["agent"], *proposed))


def _s(position: int, sample_rate: int) -> float:
    return round(samples_to_s(position, sample_rate), _TIME_DECIMALS)


def _kept(recording: Recording, channel: str) -> tuple[Segment, ...]:
    """The labels of a channel that stay: all of them, when a person or a corpus has had a word in any."""
    there = tuple(segment for segment in recording.segments if segment.channel == channel)
    return there if any(segment.origin != "proposed" for segment in there) else ()


def _speech(
    found: Mapping[Channel, ChannelFindings], channel: Channel, kept: Sequence[Segment], rate: int
) -> tuple[Speech, ...]:
    if kept:
        return tuple(Speech(interval=segment.interval(rate), text=segment.text) for segment in kept)
    return tuple(Speech(interval=unit) for unit in found[channel].units) if channel in found else ()


def _echoes(leak: Leak | None, responses: Sequence[Interval], recording: Recording) -> list[Interval]:
    """Where a leak of the agent is to be heard on the user's channel: each response, later by the lag."""
    if leak is None:
        return []
    lag = rescale_samples(leak.lag_samples, RATE, recording.sample_rate)
    late = [Interval(r.start + lag, min(r.end + lag, recording.n_samples)) for r in responses]
    return [echo for echo in late if echo.duration]
