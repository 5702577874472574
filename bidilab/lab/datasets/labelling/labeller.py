"""Proposed labels for one recording: units of speech on each channel, leaks taken off, sounds, kinds by rule.

Units of speech on a channel are where probability and energy agree, with edges from the energy.

1. A *region* is where either direction's probability is at ``edge_probability`` or above, with ``search_ms`` on
   either side.
2. The *evidence* of a step is the mean, over the loudest third of the bands, of the level over the floor in spreads.
   A step is *active* when it lies in a region and its evidence reaches ``over_floor``.
3. Active steps less than ``ipu_pause_ms`` apart are a unit, if at least ``min_speech_ms`` of them are sure speech: the
   mean probability is at ``speech_probability``, or that of either direction is and the evidence is twice what it must
   be (a short word is over before the network has made up its mind); the
   latter not where the other channel leaks in.
4. Each edge is put where the sum of (evidence − ``over_floor``), from there to the nearest sure step, is greatest: a
   weak consonant before a vowel is taken in, a click or a lull of noise is not. Steps more than ``below_peak_db``
   below the unit's loudest count as silence; before the forward and after the
   backward probability have risen, less 48 ms, twice the evidence is needed: there the other one only hangs over.
   Where it is as loud there as a louder noise nearby and the mean probability is below ``speech_probability``, the
   evidence is over that noise, and a run of such steps which goes on from where nobody speaks is that noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import Audio, FloatArray
from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.core.timeline import Interval
from bidilab.core.units import ms_to_samples, rescale_samples, samples_to_ms, samples_to_s
from bidilab.detect.vad import detector_facts, resample
from bidilab.detect.vad.base import OnProgress
from bidilab.detect.vad.silero import SileroVad
from bidilab.lab.datasets.labelling.leakage import Leak, find_leak, over_leak
from bidilab.lab.datasets.labelling.noise import Floor, noise_floor, quiet_by_level, widened
from bidilab.lab.datasets.labelling.rule import LabelRule
from bidilab.lab.datasets.labelling.sounds import Sound, second_detector, second_track, sounds_beside
from bidilab.lab.datasets.labelling.tracks import (
    RATE,
    STEP_SAMPLES,
    ChannelTracks,
    band_levels_db,
    two_way_probabilities,
)
from bidilab.lab.datasets.labels import Channel, Kind, Segment
from bidilab.lab.datasets.proposals import ProposalRule, ProposedSpeech, Speech, propose_kinds, propose_responses
from bidilab.lab.datasets.recording import Recording

__all__ = [
    "ChannelFindings",
    "author_of",
    "evidence_of",
    "find_speech",
    "in_pieces",
    "label_one",
    "length_decides",
    "speech_found_by",
    "speech_units",
]

_SMOOTHED_STEPS = 3
_LATE_MS = 48.0  # three of Silero's frames, which begin every 16 ms here
_MOST_A_STEP = 3.0  # evidence for or against that one step can give: a click is loud but short


def _steps(ms: float) -> int:
    return ms_to_samples(ms, RATE) // STEP_SAMPLES


def evidence_of(levels_db: FloatArray, level_db: FloatArray, spread_db: FloatArray) -> FloatArray:
    """Evidence of each step, ``(n_steps,)``: spreads over the floor. Arrays are ``(n_bands, n_steps)``."""
    over = (levels_db - level_db) / spread_db
    n_loudest = max(2, round(len(over) / 3))
    loudest = np.sort(over, axis=0)[-n_loudest:].mean(axis=0)
    kernel = np.full(_SMOOTHED_STEPS, 1 / _SMOOTHED_STEPS, np.float32)
    return np.asarray(np.convolve(loudest, kernel, mode="same"), dtype=np.float32)


def speech_units(tracks: ChannelTracks, floor: Floor, rule: LabelRule) -> tuple[Interval, ...]:
    """Units of speech, in samples at `RATE`: sorted, disjoint, at least ``ipu_pause_ms`` apart."""
    bracketed = _bracketed(tracks, rule)
    doubtful = floor.loud & ~bracketed & (tracks.mean < rule.speech_probability)
    evidence = np.where(
        doubtful,
        evidence_of(tracks.levels_db, floor.loud_level_db, floor.loud_spread_db),
        evidence_of(tracks.levels_db, floor.level_db, floor.spread_db),
    )
    agreed = (tracks.mean >= rule.speech_probability) & (evidence >= rule.over_floor)
    one_sided = (tracks.either >= rule.speech_probability) & (evidence >= 2 * rule.over_floor) & ~floor.leaks
    sure = agreed | one_sided
    search = _steps(rule.search_ms)
    region = widened(tracks.either >= rule.edge_probability, search, search)
    needed = np.where(bracketed, rule.over_floor, 2 * rule.over_floor)
    noise = _runs_that_meet(doubtful, floor.quiet)
    active = region & (evidence >= needed) & ~noise
    pause = max(1, _steps(rule.ipu_pause_ms))
    worth = np.where(noise, -_MOST_A_STEP, np.clip(evidence - needed, -_MOST_A_STEP, _MOST_A_STEP))
    refined = [
        _refined(start, end, sure, worth, tracks.total_db, rule)
        for start, end in _joined(_runs(active), pause)
        if sure[start:end].sum() >= _steps(rule.min_speech_ms)
    ]
    return tuple(Interval(start * STEP_SAMPLES, end * STEP_SAMPLES) for start, end in _joined(refined, pause))


def _bracketed(tracks: ChannelTracks, rule: LabelRule) -> npt.NDArray[np.bool_]:
    """Return where both directions allow speech: each is late by so much, and hangs over at its other end."""
    late = _steps(_LATE_MS)
    begun = widened(tracks.forward >= rule.edge_probability, late, 0)
    not_over = widened(tracks.backward >= rule.edge_probability, 0, late)
    return np.asarray(begun & not_over, dtype=np.bool_)


def _runs(mask: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _runs_that_meet(mask: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The runs of a mask that have a step in common with another."""
    out = np.zeros(len(mask), np.bool_)
    for start, end in _runs(mask):
        out[start:end] = bool(other[start:end].any())
    return out


def _joined(runs: list[tuple[int, int]], pause: int) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for start, end in runs:
        if out and start - out[-1][1] < pause:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


def _refined(
    start: int, end: int, sure: npt.NDArray[np.bool_], worth: FloatArray, total_db: FloatArray, rule: LabelRule
) -> tuple[int, int]:
    """The edges of a unit, steps, by rule 4; ``worth`` is the evidence less what is needed."""
    inside = np.flatnonzero(sure[start:end]) + start
    first, last = int(inside[0]), int(inside[-1])
    quietest = float(total_db[start:end].max()) - rule.below_peak_db
    reach = _steps(rule.search_ms)
    low, high = max(0, start - reach), min(len(worth), end + reach)
    heard = np.where(total_db[low:high] >= quietest, worth[low:high], -_MOST_A_STEP)
    backwards = np.cumsum(heard[: first - low + 1][::-1])
    forwards = np.cumsum(heard[last - low :])
    return first - int(np.argmax(backwards)), last + int(np.argmax(forwards)) + 1


_DOUBTFUL = 0.25
_QUIET_PROBABILITY = 0.2
_QUIET_SHARE = 0.15  # of a call in which nobody speaks on a channel; less, and the detector hears voices in the noise
_QUIET_AROUND_STEPS = 20  # 100 ms: what is beside speech may be its first or last sound
_TIME_DECIMALS = 7


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChannelFindings:
    """Speech found on a channel.

    Parameters
    ----------
    units
        Speech, in samples of the audio: sorted, disjoint, at least ``ipu_pause_ms`` apart.
    leak
        The other channel's leak into this one, ``None`` without.
    sounds
        Sounds beside the speech, in samples of the audio: sorted, disjoint.
    doubtful
        Those of the units that may be no speech: the second detector does not hear them.
    """

    units: tuple[Interval, ...]
    leak: Leak | None
    sounds: tuple[Sound, ...] = ()
    doubtful: frozenset[Interval] = frozenset()


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
    *,
    short_ms: float = 750.0,
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
    short_ms
        Speech of up to this length is surely short enough for a backchannel.

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
        units = speech_units(tracks[name], floor, rule)
        second = second_track(samples[list(channels).index(name)])
        found[name] = ChannelFindings(
            units=tuple(placed for unit in units if (placed := _in_audio(unit, audio)).duration),
            leak=leak,
            sounds=tuple(
                Sound(placed, sound.unsure)
                for sound in sounds_beside(units, tracks[name], second, floor, rule, short_ms=short_ms)
                if (placed := _in_audio(sound.interval, audio)).duration
            ),
            doubtful=frozenset(_in_audio(unit, audio) for unit in units if _is_doubtful(unit, second)),
        )
    return found


def _in_audio(interval: Interval, audio: Audio) -> Interval:
    """An interval at `RATE` in samples of the audio; what reaches beyond its end is cut off."""
    start, end = (rescale_samples(position, RATE, audio.sample_rate) for position in interval)
    return Interval(min(start, audio.n_samples), min(end, audio.n_samples))


def _is_doubtful(unit: Interval, second: FloatArray) -> bool:
    """Whether the second detector does not take a unit for speech."""
    return float(second[unit.start // STEP_SAMPLES : -(-unit.end // STEP_SAMPLES)].mean()) < _DOUBTFUL


def _check_samples(name: str, channels: Sequence[FloatArray]) -> None:
    if not len(channels[0]):
        raise AudioError(f"{name}: it has no samples")
    if len(channels) > 1 and channels[0].any() and np.array_equal(channels[0], channels[1]):
        raise AudioError(f"{name}: both channels hold the same samples, so nobody can tell who spoke")


def _floor(tracks: Mapping[Channel, ChannelTracks], name: Channel, rule: LabelRule) -> tuple[Floor, Leak | None]:
    """Return what speech on a channel must exceed: its noise, and the other channel where it leaks in."""
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
    """Author of a proposed label: both methods with all of their numbers, and the second detector."""
    return f"{rule.name}+{second_detector().name}+{proposals.name}"


def label_one(
    recording: Recording,
    *,
    rule: LabelRule | None = None,
    proposals: ProposalRule | None = None,
    at: str | None = None,
    on_progress: OnProgress | None = None,
) -> Recording:
    """Return a recording with proposed labels on every channel that has no given or confirmed ones.

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
    short_ms = proposals.backchannel_max_ms - rule.unsure_length_ms
    found = find_speech(audio, channels, rule, on_progress, short_ms=short_ms)
    rate = recording.sample_rate
    user = _speech(found, "user", kept["user"], rate)
    agent = _speech(found, "agent", kept["agent"], rate)
    responses = agent if kept["agent"] else propose_responses(agent, user, sample_rate=rate, rule=proposals)
    intervals = [response.interval for response in responses]
    labels: list[tuple[Interval, Channel, Kind, bool]] = []
    if not kept["agent"]:
        labels += [(interval, "agent", "response", False) for interval in intervals]
    if not kept["user"]:
        utterances = propose_kinds(user, intervals, sample_rate=rate, rule=proposals)
        pieces = in_pieces(utterances, rate, proposals)
        for index, utterance in enumerate(utterances):
            spoken = utterance.speech.interval
            heard = [unit for unit in found["user"].units if unit.overlap(spoken)]
            doubtful = found["user"].doubtful.issuperset(heard) and utterance.kind != "backchannel"
            unsure = doubtful or index in pieces or length_decides(utterance, intervals, rate, rule, proposals)
            labels.append((spoken, "user", utterance.kind, unsure))
        labels += [(sound.interval, "user", "noise", sound.unsure) for sound in found["user"].sounds]
        labels += [(echo, "user", "echo", False) for echo in _echoes(found["user"].leak, intervals, recording)]
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
            unsure=unsure,
        )
        for interval, channel, kind, unsure in labels
    ]
    return replace(recording, segments=(*kept["user"], *kept["agent"], *proposed))


def length_decides(
    utterance: ProposedSpeech, responses: Sequence[Interval], rate: int, rule: LabelRule, proposals: ProposalRule
) -> bool:
    """Whether the kind of an utterance over the agent hangs on a length near the limit, or length and end disagree.

    A short one that outlasts the response is proposed as a backchannel: it may be one at which the agent stopped, or a
    short answer that came as the agent had said all.
    """
    start, end = utterance.speech.interval
    over = next((response for response in responses if response.holds(start)), None)
    if over is None or utterance.kind == "turn":
        return False
    length_ms = samples_to_ms(end - start, rate)
    if end > over.end:
        return length_ms <= proposals.backchannel_max_ms
    return abs(length_ms - proposals.backchannel_max_ms) <= rule.unsure_length_ms


def in_pieces(utterances: Sequence[ProposedSpeech], rate: int, proposals: ProposalRule) -> frozenset[int]:
    """Indices of backchannels that follow each other so closely that together they are too long for one.

    They are a series of backchannels, or one interruption of which noise hides parts.
    """
    pause, longest = (ms_to_samples(ms, rate) for ms in (proposals.turn_pause_ms, proposals.backchannel_max_ms))
    found = set[int]()
    for index, (first, second) in enumerate(pairwise(utterances)):
        (start, before), (after, end) = first.speech.interval, second.speech.interval
        if first.kind == second.kind == "backchannel" and after - before <= pause and end - start > longest:
            found |= {index, index + 1}
    return frozenset(found)


def _s(position: int, sample_rate: int) -> float:
    return round(samples_to_s(position, sample_rate), _TIME_DECIMALS)


def _kept(recording: Recording, channel: str) -> tuple[Segment, ...]:
    """Return the labels of a channel that stay: all, when a person or a corpus has set or confirmed any."""
    there = tuple(segment for segment in recording.segments if segment.channel == channel)
    return there if any(segment.origin != "proposed" for segment in there) else ()


def _speech(
    found: Mapping[Channel, ChannelFindings], channel: Channel, kept: Sequence[Segment], rate: int
) -> tuple[Speech, ...]:
    if kept:
        return tuple(Speech(interval=segment.interval(rate), text=segment.text) for segment in kept)
    return tuple(Speech(interval=unit) for unit in found[channel].units) if channel in found else ()


def _echoes(leak: Leak | None, responses: Sequence[Interval], recording: Recording) -> list[Interval]:
    """Return where a leak of the agent is heard on the user's channel: each response, later by the lag."""
    if leak is None:
        return []
    lag = rescale_samples(leak.lag_samples, RATE, recording.sample_rate)
    late = [Interval(r.start + lag, min(r.end + lag, recording.n_samples)) for r in responses]
    return [echo for echo in late if echo.duration]
