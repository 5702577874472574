"""Calls with known truth, put together from the clips: who speaks when is exact to a few milliseconds."""

from functools import cache

import numpy as np

from bidilab.core.audio import Audio
from bidilab.core.audiofile import read_audio
from bidilab.detect.dsp.mixing import db_to_gain, to_active_level
from bidilab.detect.dsp.truth import speech_extent
from bidilab.detect.vad import resample
from bidilab.lab.judge.hearing import AgentUnit, Heard, UserUnit
from tests.conftest import ROOT

RATE = 16_000


@cache
def clip(voice, kind, number):
    """The speech of a clip, from its first to its last sound, at one level."""
    audio = read_audio(ROOT / "datasets" / "clips" / voice / kind / f"{number:02}.flac")
    samples = resample(audio.channel(0), audio.sample_rate, RATE).astype(np.float64)
    extent = speech_extent(samples, RATE)
    return to_active_level(samples[extent.start : extent.end], RATE, -24)


def responses(*numbers, pause_s=0.25):
    """Several sentences of the agent, one after the other."""
    parts = []
    for number in numbers:
        parts += [clip("nova", "response", number), np.zeros(int(pause_s * RATE))]
    return np.concatenate(parts[:-1])


def cough(seconds=0.22, seed=0):
    """A burst of noise that fades: no pitch, as loud as speech."""
    rng = np.random.default_rng(seed)
    n = int(seconds * RATE)
    return rng.normal(0, 0.12, n) * np.linspace(1, 0.15, n)


class Call:
    """A call in the making. Noise of a room is on the user's channel, none on the agent's."""

    def __init__(self, seconds, *, noise_db=-70, seed=0):
        rng = np.random.default_rng(seed)
        self.user = (
            rng.normal(0, db_to_gain(noise_db), int(seconds * RATE)) if noise_db else np.zeros(int(seconds * RATE))
        )
        self.agent = np.zeros(int(seconds * RATE))

    def _put(self, channel, samples, at_s, until_s=None):
        start = int(at_s * RATE)
        end = start + len(samples) if until_s is None else min(int(until_s * RATE), start + len(samples))
        channel[start:end] += samples[: end - start]
        return end / RATE

    def says(self, samples, at_s):
        """The user; returns where it ends."""
        return self._put(self.user, samples, at_s)

    def answers(self, samples, at_s, until_s=None):
        """The agent, cut at a time where one is given; returns where it ends."""
        return self._put(self.agent, samples, at_s, until_s)

    def audio(self, *, swapped=False):
        """Both channels: the user's first unless they are swapped."""
        sides = (self.agent, self.user) if swapped else (self.user, self.agent)
        return Audio(samples=np.stack(sides, axis=1).astype(np.float32), sample_rate=RATE, name="call")


def a_call():
    """A call of each sort, and where everything is, seconds.

    ::

        agent  ███ greeting     ███████| cut          ██████████████████   ██████| cut   ██████████ goes on
        user              ▓▓▓▓▓       ▓▓▓▓▓▓▓▓▓▓            ▓▓ uh huh          ▓ cough
    """
    call, at = Call(40), {}
    call.answers(responses(1), 0.5)
    at["turn_end"] = call.says(clip("bram", "turn", 1), 4.5)
    at["r1"] = at["turn_end"] + 0.8
    at["interruption"] = at["r1"] + 2.2
    at["cut"] = call.answers(responses(2, 3, 4), at["r1"], at["interruption"] + 0.45)
    at["interruption_end"] = call.says(clip("bram", "interruption", 1), at["interruption"])
    at["r2"] = at["interruption_end"] + 1.0
    at["r2_end"] = call.answers(responses(5, 6), at["r2"])
    at["backchannel"] = at["r2"] + 1.5
    at["backchannel_end"] = call.says(clip("bram", "backchannel", 1), at["backchannel"])
    turn = call.says(clip("bram", "turn", 2), at["r2_end"] + 0.8)
    at["r3"] = turn + 0.9
    at["cough"] = at["r3"] + 1.6
    at["false_stop"] = call.answers(responses(7, 8), at["r3"], at["cough"] + 0.4)
    at["cough_end"] = call.says(cough(), at["cough"])
    at["resumed"] = at["false_stop"] + 1.8
    at["resumed_end"] = call.answers(responses(7), at["resumed"])
    return call, at


def heard(user, agent, *, length=60_000, rate=1000, **facts):
    """What a call would sound like: at 1000 Hz a sample is a millisecond.

    ``user`` holds ``(start, end)``, or these with what differs from clear speech; ``agent`` holds ``(start, end)``, or
    with what the sound of the end says.
    """
    units = []
    for start, end, *more in user:
        given = {"level_dbfs": -24.0, "voiced_ms": 0.8 * (end - start), **(more[0] if more else {})}
        units.append(UserUnit(start=start, end=end, **given))
    spoken = tuple(AgentUnit(start=a, end=b, end_sound=more[0] if more else 0.0) for a, b, *more in agent)
    return Heard(sample_rate=rate, n_samples=length, user_channel=1, user=tuple(units), agent=spoken, **facts)
