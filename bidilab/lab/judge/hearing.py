"""One call as it is heard: who speaks when on each channel, how it sounds, and what is wrong with the channels.

This is the slow part, which reads the audio; it knows nothing of what is judged. What it finds is small, is kept on
disk (`bidilab.lab.judge.store`), and is all that the judging needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from bidilab.core.audio import Audio, FloatArray
from bidilab.core.timeline import Interval
from bidilab.core.units import rescale_samples
from bidilab.detect.vad import resample
from bidilab.lab.datasets.labelling.labeller import find_speech, speech_found_by
from bidilab.lab.datasets.labelling.rule import LabelRule
from bidilab.lab.datasets.labelling.sounds import second_detector
from bidilab.lab.datasets.labelling.tracks import RATE, STEP_SAMPLES, band_levels_db
from bidilab.lab.judge.channels import agent_index, check_mixed, check_silent, check_two_sides, swapped_look
from bidilab.lab.judge.echo import Echo, find_echo
from bidilab.lab.judge.ends import end_evidence
from bidilab.lab.judge.voicing import voiced_ms

__all__ = ["AgentUnit", "Heard", "UserUnit", "hear", "heard_by"]

_VERSION = 1  # of what is found here; a higher one is heard anew
_SHORT_MS = 750.0  # of what the labeller surely takes for a backchannel


@dataclass(frozen=True, slots=True, kw_only=True)
class UserUnit:
    """A stretch of speech, or a sound, on the user's channel.

    Parameters
    ----------
    start, end
        Samples of the recording.
    level_dbfs
        Level of its loud half.
    voiced_ms
        How much of it has a pitch.
    sound
        Whether it was found by its level alone, and not as speech.
    over_echo_db
        How far it lies over what the agent's echo explains; ``None`` without an echo.
    """

    start: int
    end: int
    level_dbfs: float
    voiced_ms: float
    sound: bool = False
    over_echo_db: float | None = None

    @property
    def interval(self) -> Interval:
        """Its extent."""
        return Interval(self.start, self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentUnit:
    """A stretch of the agent's speech, without a pause of 200 ms.

    Parameters
    ----------
    start, end
        Samples of the recording; the end is the last audible one.
    end_sound
        What the sound of its end says of a cut; see `bidilab.lab.judge.ends`.
    """

    start: int
    end: int
    end_sound: float

    @property
    def interval(self) -> Interval:
        """Its extent."""
        return Interval(self.start, self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What was heard in one call.

    Parameters
    ----------
    sample_rate
        Hertz.
    n_samples
        Length.
    user_channel
        Which channel, counted from 1, is the user's.
    user, agent
        Their stretches, in time order.
    echo_db, echo_lag_ms
        The agent in the user's channel: its level against its own channel where only it speaks, and how much later it
        comes; ``None`` where it is not heard.
    warning
        What looks wrong with the channels, in words; empty for nothing.
    """

    sample_rate: int
    n_samples: int
    user_channel: int
    user: tuple[UserUnit, ...]
    agent: tuple[AgentUnit, ...]
    echo_db: float | None = None
    echo_lag_ms: float | None = None
    warning: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Heard:
        """Return what `to_dict` gave, as a value again."""
        user = tuple(UserUnit(**unit) for unit in data["user"])
        agent = tuple(AgentUnit(**unit) for unit in data["agent"])
        return cls(**{**data, "user": user, "agent": agent})


@lru_cache(maxsize=1)
def heard_by() -> str:
    """What heard it, with every number: the key of what is kept, and what a report names."""
    return f"bidilab-judge-{_VERSION} {LabelRule().name} {speech_found_by()} {second_detector().name}"


def hear(audio: Audio, user_channel: int | None) -> Heard:
    """Hear a call.

    Parameters
    ----------
    audio
        Two channels.
    user_channel
        Which of them is the user's, counted from 1.

    Raises
    ------
    AudioError
        If the sides cannot be told apart, or one is silent; see `bidilab.lab.judge.channels`.
    InvalidParameterError
        If it was not said which is the user's.
    """
    check_two_sides(audio)
    agent_at = agent_index(audio, user_channel)
    user_at = 1 - agent_at
    rule = LabelRule()
    at_rate = {at: resample(audio.channel(at), audio.sample_rate, RATE) for at in (user_at, agent_at)}
    check_silent(audio.name, [("user", at_rate[user_at]), ("agent", at_rate[agent_at])])
    found = find_speech(audio, {"user": user_at, "agent": agent_at}, rule, short_ms=_SHORT_MS)
    bandwidth_hz = 0.475 * min(audio.sample_rate, RATE)
    levels = {
        at: band_levels_db(at_rate[at], bandwidth_hz=bandwidth_hz, silence_dbfs=rule.silence_dbfs) for at in at_rate
    }
    (user_db, user_total), (agent_db, agent_total) = levels[user_at], levels[agent_at]
    spoken = [_at_rate(unit, audio) for unit in found["agent"].units]
    check_mixed(audio.name, at_rate[user_at], at_rate[agent_at], spoken)
    echo, back = find_echo(user_db, agent_db, rule), find_echo(agent_db, user_db, rule)
    look = swapped_look(
        user_noise_dbfs=_noise_dbfs(user_total),
        agent_noise_dbfs=_noise_dbfs(agent_total),
        agent_in_user_db=None if echo is None else echo.gain_db,
        user_in_agent_db=None if back is None else back.gain_db,
    )
    stretches = [(unit, False) for unit in found["user"].units]
    stretches += [(sound.interval, True) for sound in found["user"].sounds]
    return Heard(
        sample_rate=audio.sample_rate,
        n_samples=audio.n_samples,
        user_channel=user_at + 1,
        user=tuple(
            _user_unit(unit, is_sound, audio, at_rate[user_at], user_db, user_total, echo)
            for unit, is_sound in sorted(stretches)
        ),
        agent=tuple(
            AgentUnit(
                start=unit.start,
                end=unit.end,
                end_sound=round(end_evidence(at_rate[agent_at], agent_total, at.end), 3),
            )
            for unit, at in zip(found["agent"].units, spoken, strict=True)
        ),
        echo_db=None if echo is None else round(echo.gain_db, 1),
        echo_lag_ms=None if echo is None else echo.lag_ms,
        warning=f"the channels look swapped: {look}" if look else "",
    )


def _at_rate(interval: Interval, audio: Audio) -> Interval:
    return Interval(*(rescale_samples(position, audio.sample_rate, RATE) for position in interval))


def _noise_dbfs(total_db: FloatArray) -> float:
    """Level of the quietest tenth of a channel."""
    return float(np.quantile(total_db, 0.1))


def _user_unit(
    interval: Interval,
    is_sound: bool,
    audio: Audio,
    samples: FloatArray,
    levels_db: FloatArray,
    total_db: FloatArray,
    echo: Echo | None,
) -> UserUnit:
    at = _at_rate(interval, audio)
    steps = np.sort(total_db[at.start // STEP_SAMPLES : max(at.start // STEP_SAMPLES + 1, at.end // STEP_SAMPLES)])
    loud = 10 ** (steps[len(steps) // 2 :].astype(np.float64) / 10)
    return UserUnit(
        start=interval.start,
        end=interval.end,
        level_dbfs=round(float(10 * np.log10(loud.mean())), 1),
        voiced_ms=voiced_ms(samples, at),
        sound=is_sound,
        over_echo_db=None if echo is None else round(echo.over_db(levels_db, at), 1),
    )
