"""Each cause's test, on facts and on a story: evidence where it holds, ``None`` where it does not."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping

from bidilab.lab.doctor.sound import SoundFacts
from bidilab.lab.doctor.story import Overlapping, Story

__all__ = ["LONG_SILENCE_MS", "SOUND_RULES", "STORY_RULES", "PeakOf"]

PeakOf = Callable[[float, float], float]
"""Highest probability of speech on the user's channel between two times, seconds."""

_DEAD_SHARE = 0.999
QUIET_DBFS = -50.0
_SAME_CORRELATION, _SAME_DB = 0.9, -6.0
_ZEROS_WITH, _ZEROS_WITHOUT = 0.8, 0.3
_CLIPPED = 0.001
_HUM = 0.3
_HOLES = 30.0
ECHO_DB = -40.0
RATE_OFF = 0.02
_DUCKED_DB, _FEWEST_DUCKED = 8.0, 2
_LATE_S = (0.1, 1.5)
_LEFT_S = 0.7
_NETWORK_S = 0.3
_STALE_S = 0.2
_SOON_S = 0.4
_TWICE_S, _FEWEST_TWICE = 0.3, 2
_SURELY_BEFORE_S, _BEFORE_S = 0.05, 0.5
LONG_SILENCE_MS = 1500.0
_LOW_THRESHOLD = 0.15
_SHORT_SILENCE_MS, _GOES_ON_S = 300.0, 1.0


def _mic_dead(f: SoundFacts) -> str | None:
    return f"{f.equal_share:.1%} of the samples have the same value" if f.equal_share > _DEAD_SHARE else None


def _wrong_device(f: SoundFacts) -> str | None:
    if not (f.agent_correlation > _SAME_CORRELATION and f.agent_gain_db > _SAME_DB):
        return None
    return f"its level follows the agent's (correlation {f.agent_correlation:.2f}) at {f.agent_gain_db:+.0f} dB"


def _half_duplex(f: SoundFacts) -> str | None:
    if not (f.zeros_with_agent >= _ZEROS_WITH and f.zeros_without_agent <= _ZEROS_WITHOUT):
        return None
    return (
        f"digitally silent for {f.zeros_with_agent:.0%} of the time while the agent is audible, and for "
        f"{f.zeros_without_agent:.0%} of the rest"
    )


def _mic_quiet(f: SoundFacts) -> str | None:
    return f"its loudest 5 % is at {f.active_dbfs:.0f} dBFS" if f.active_dbfs < QUIET_DBFS else None


def _clipping(f: SoundFacts) -> str | None:
    return f"{f.clipped_share:.2%} of the samples are at full scale" if f.clipped_share > _CLIPPED else None


def _hum(f: SoundFacts) -> str | None:
    return f"{f.hum_share:.0%} of the power is at 50, 60, 100 or 120 Hz" if f.hum_share > _HUM else None


def _loss(f: SoundFacts) -> str | None:
    return f"{f.holes_per_min:.0f} holes of 8 to 70 ms per minute of sound" if f.holes_per_min > _HOLES else None


SOUND_RULES: Mapping[str, Callable[[SoundFacts], str | None]] = {
    "mic-dead": _mic_dead,
    "wrong-device": _wrong_device,
    "half-duplex": _half_duplex,
    "mic-quiet": _mic_quiet,
    "clipping": _clipping,
    "hum": _hum,
    "loss": _loss,
}
"""Tests of the sound alone."""


# ---- what happened ---------------------------------------------------------------------------------------------------


def _missed(s: Story) -> list[Overlapping]:
    """Speech at length over the agent that did not stop it."""
    return [one for one in s.overlaps if one.missed and one.said.kind == "interruption"]


def _number(s: Story, *names: str) -> float | None:
    for name in names:
        value = s.settings.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None


def _guard_ms(s: Story) -> float:
    ms = _number(s, "min_interruption_ms")
    if ms is None:
        seconds = _number(s, "min_interruption_duration", "stopSpeakingPlan.voiceSeconds")
        ms = None if seconds is None else 1000 * seconds
    return ms or 0.0


def _turned_off(s: Story) -> bool:
    off = (s.settings.get(name) is False for name in ("interrupt_response", "allow_interruptions"))
    return any(off) or s.settings.get("interruption_sensitivity") == 0


def _rate_wrong(s: Story, _: PeakOf | None) -> str | None:
    sent = s.measures.get("sent_per_s")
    if sent is None or abs(sent - 1) <= RATE_OFF:
        return None
    return f"{sent:.2f} s of audio are sent per second"


def _detection_off(s: Story, _: PeakOf | None) -> str | None:
    if "type" in s.settings and s.settings["type"] is None and not s.turns:
        return "turn_detection is null, and no speech is reported"
    return None


def _interruptions_off(s: Story, _: PeakOf | None) -> str | None:
    missed = _missed(s)
    through = [one for one in s.overlaps if one.outlived and one.said.kind == "interruption"]
    if _turned_off(s) and through:
        return f"the settings turn them off; the agent spoke on in {len(through)} of {len(s.overlaps)} overlaps"
    guard_s = _guard_ms(s) / 1000
    ignored = [one for one in missed if one.detected and one.said.end_s - one.said.start_s > guard_s + 0.5]
    stopped = [one for one in s.overlaps if one.answer.cut]
    if ignored and stopped:
        return f"speech was detected in {len(ignored)} responses that did not stop; {len(stopped)} others stopped"
    return None


def _threshold_high(s: Story, peak: PeakOf | None) -> str | None:
    threshold = _number(s, "threshold")
    if peak is None or threshold is None:
        return None
    peaks = [peak(one.said.start_s, one.said.end_s) for one in s.overlaps if one.outlived and one.detected is not True]
    heard = [value for value in peaks if 0.5 <= value < threshold]
    if not heard:
        return None
    return (
        f"{len(heard)} of {len(peaks)} missed sounds reach a probability of {min(heard):.2f} to {max(heard):.2f}; "
        f"the threshold is {threshold:g}"
    )


def _guard(s: Story, _: PeakOf | None) -> str | None:
    guard_ms, words = _guard_ms(s), _number(s, "min_words", "min_interruption_words", "stopSpeakingPlan.numWords") or 0
    held = [
        one
        for one in s.overlaps
        if one.outlived
        and one.said.kind != "noise"
        and one.detected is not False
        and 1000 * (one.said.end_s - one.said.start_s) < guard_ms
    ]
    if held and guard_ms:
        longest = max(1000 * (one.said.end_s - one.said.start_s) for one in held)
        return f"the agent spoke on over {len(held)} sounds of up to {longest:.0f} ms; {guard_ms:g} ms are required"
    if words > 0 and (short := [one for one in _missed(s) if one.detected]):
        return f"the agent spoke on over {len(short)} detected interruptions; {words:g} words are required"
    return None


def _still_in_turn(s: Story, _: PeakOf | None) -> str | None:
    silence_ms = _number(s, "silence_duration_ms")
    if silence_ms is None or silence_ms < LONG_SILENCE_MS:
        return None
    spoken = s.utterances or tuple((one.start_s, one.end_s) for one in s.said)
    inside = [
        start for start, _ in spoken if any(begin + 0.5 < start < end + silence_ms / 1000 for begin, end in s.turns)
    ]
    if not inside:
        return None
    return f"{len(inside)} utterances began while a turn was open; it takes {silence_ms:g} ms of silence to end one"


def _ducked(s: Story, _: PeakOf | None) -> str | None:
    if s.n_ducked >= _FEWEST_DUCKED and s.ducked_db >= _DUCKED_DB:
        return f"{s.ducked_db:.0f} dB softer over the agent than alone, in {s.n_ducked} overlaps"
    if s.floor_drop_db >= _DUCKED_DB:
        return f"the channel's own noise is {s.floor_drop_db:.0f} dB lower while the agent is audible"
    return None


def _events_in_speech(s: Story) -> list[tuple[float, Overlapping]]:
    return [
        (one.event_s, one) for one in s.overlaps if one.event_s is not None and one.event_s < one.answer.end_s + 0.05
    ]


def _never_cleared(s: Story, _: PeakOf | None) -> str | None:
    told = _events_in_speech(s)
    if not told or s.cleared_s or any(one.answer.cut for _, one in told):
        return None
    left = [one.answer.end_s - at_s for at_s, one in told]
    if statistics.median(left) < _LEFT_S:
        return None
    return (
        f"the agent speaks on for {statistics.median(left):.1f} s after the event (median, n = {len(left)}); playback "
        "is never cleared"
    )


def _cleared_late(s: Story, _: PeakOf | None) -> str | None:
    late = [one.cleared_s - at_s for at_s, one in _events_in_speech(s) if one.cleared_s is not None]
    late = [seconds for seconds in late if seconds >= -0.05]
    if not late or not _LATE_S[0] <= statistics.median(late) <= _LATE_S[1]:
        return None
    spread = statistics.median(abs(seconds - statistics.median(late)) for seconds in late)
    return (
        f"{1000 * statistics.median(late):.0f} ms from the event to the clear (median, n = {len(late)}, deviation "
        f"{1000 * spread:.0f} ms)"
    )


def _stale_audio(s: Story, _: PeakOf | None) -> str | None:
    stale = s.measures.get("stale_s", 0.0)
    if stale < _STALE_S or not s.cleared_s:
        return None
    went_on = [
        cleared
        for cleared in s.cleared_s
        if s.has_sound and any(cleared - 0.1 < answer.start_s < cleared + 0.5 for answer in s.answers)
    ]
    heard = (
        f", and sound begins again within 0.5 s after {len(went_on)} of {len(s.cleared_s)} clears" if went_on else ""
    )
    return f"{stale:.1f} s of audio arrived for responses that were already truncated{heard}"


def _not_cancelled(s: Story, _: PeakOf | None) -> str | None:
    if s.settings.get("interrupt_response") is not False or s.cleared_s:
        return None
    told = _events_in_speech(s)
    return f"interrupt_response is false, and {len(told)} events were not followed by a cancel" if told else None


def _network(s: Story, _: PeakOf | None) -> str | None:
    lags = []
    for at_s, one in _events_in_speech(s):
        starts = [start for start, _ in s.turns if one.said.start_s - 0.3 <= start <= at_s]
        if one.decided_s is not None:
            lags.append(at_s - one.decided_s)
        elif starts:
            lags.append(at_s - max(starts))
    if not lags or statistics.median(lags) < _NETWORK_S:
        return None
    return f"{1000 * statistics.median(lags):.0f} ms from the detector to the event (median, n = {len(lags)})"


def _next_response(s: Story, _: PeakOf | None) -> str | None:
    soon = [
        after.start_s - before.end_s
        for before, after in zip(s.answers, s.answers[1:], strict=False)
        if before.cut and 0 < after.start_s - before.end_s < _SOON_S
    ]
    return f"{len(soon)} responses begin within {1000 * max(soon):.0f} ms of a stop" if soon else None


def _recorder(s: Story, _: PeakOf | None) -> str | None:
    if not s.steps_s:
        return None
    return f"{len(s.steps_s)} jumps in time against the trace, the largest {1000 * max(s.steps_s, key=abs):+.0f} ms"


def _echo(s: Story, _: PeakOf | None) -> str | None:
    if s.echo_db is None or s.echo_db < ECHO_DB:
        return None
    stops = sum(one.said.kind == "echo" for one in s.overlaps)
    more = f"; {stops} sounds over the agent are its echo" if stops else ""
    return f"its level there is {s.echo_db:.0f} dB relative to its own channel{more}"


def _threshold_low(s: Story, _: PeakOf | None) -> str | None:
    threshold = _number(s, "threshold")
    if threshold is None or threshold > _LOW_THRESHOLD:
        return None
    longest = max((end - start for start, end in s.turns), default=0.0)
    return f"the threshold is {threshold:g}; the longest of {len(s.turns)} turns lasts {longest:.1f} s"


def _two_detectors(s: Story, _: PeakOf | None) -> str | None:
    twice = sum(0 <= after - before < _TWICE_S for before, after in zip(s.events_s, s.events_s[1:], strict=False))
    if twice >= _FEWEST_TWICE:
        return f"{twice} of {len(s.events_s)} events follow another within {1000 * _TWICE_S:.0f} ms"
    leads = [lead for event in s.events_s if (lead := _cleared_before(s, event)) is not None]
    if len(leads) < _FEWEST_TWICE:
        return None
    return (
        f"playback was already cleared before {len(leads)} of {len(s.events_s)} events, "
        f"{1000 * statistics.median(leads):.0f} ms earlier (median)"
    )


def _cleared_before(s: Story, event_s: float) -> float | None:
    """How long before an event playback was cleared, where no earlier event was the reason."""
    for cleared_s in s.cleared_s:
        if _SURELY_BEFORE_S < event_s - cleared_s < _BEFORE_S:
            told = any(cleared_s - _LATE_S[1] <= other <= cleared_s for other in s.events_s)
            return None if told else event_s - cleared_s
    return None


def _cut_in(s: Story, _: PeakOf | None) -> str | None:
    cut_ins = sum(answer.cut_in for answer in s.answers)
    silence_ms = _number(s, "silence_duration_ms")
    short = silence_ms is not None and silence_ms <= _SHORT_SILENCE_MS
    went_on = sum(
        0 < after - before < _GOES_ON_S for (_, before), (after, _) in zip(s.turns, s.turns[1:], strict=False)
    )
    asked = f"; {silence_ms:g} ms of silence ends a turn" if silence_ms is not None else ""
    if cut_ins >= 2 or (cut_ins and short):
        return f"{cut_ins} of {len(s.answers)} responses begin in a pause of the user{asked}"
    if short and went_on:
        return f"the user goes on within {_GOES_ON_S:g} s after {went_on} of {len(s.turns)} turn ends{asked}"
    return None


def _stops_by(kind: str) -> Callable[[Story, PeakOf | None], str | None]:
    def rule(s: Story, _: PeakOf | None) -> str | None:
        cut = sum(one.answer.cut is True and one.said.kind == kind for one in s.overlaps)
        of = sum(one.answer.cut is True for one in s.overlaps)
        return f"{cut} of {of} stops" if cut else None

    return rule


STORY_RULES: Mapping[str, Callable[[Story, PeakOf | None], str | None]] = {
    "rate-wrong": _rate_wrong,
    "detection-off": _detection_off,
    "guard": _guard,
    "interruptions-off": _interruptions_off,
    "threshold-high": _threshold_high,
    "still-in-turn": _still_in_turn,
    "ducked": _ducked,
    "never-cleared": _never_cleared,
    "stale-audio": _stale_audio,
    "not-cancelled": _not_cancelled,
    "cleared-late": _cleared_late,
    "network": _network,
    "next-response": _next_response,
    "recorder": _recorder,
    "echo": _echo,
    "threshold-low": _threshold_low,
    "two-detectors": _two_detectors,
    "cut-in": _cut_in,
    "noise": _stops_by("noise"),
    "backchannel": _stops_by("backchannel"),
    "side-speech": _stops_by("side_speech"),
}
"""Tests of what happened; each may be given the detector's probabilities."""
