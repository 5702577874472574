"""Which channel is whose: what is refused, and what looks wrong, before anything is judged.

A mix of both sides cannot be judged: where both speak, nobody can tell who stopped. So one channel is refused, and so
are two that hold the same (correlation of the samples above 0.98), and a user's channel in which the agent is as loud
as in its own. The messages name the switch by which the usual platforms record both sides apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bidilab.core.audio import Audio, FloatArray
from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.core.timeline import Interval
from bidilab.lab.datasets.labelling.tracks import RATE

__all__ = ["TWO_CHANNEL_SWITCHES", "agent_index", "check_mixed", "check_silent", "check_two_sides", "swapped_look"]

TWO_CHANNEL_SWITCHES = (
    "Pipecat: AudioBufferProcessor(num_channels=2); Twilio: recordingChannels=dual; Vapi: recording.stereoUrl; "
    "Retell: recording_multi_channel_url; LiveKit: audio.ogg of the session report"
)
"""How the usual platforms are told to record both sides apart."""

_SAME = 0.98
_SHORTEST_S = 1.0
_EQUAL_SHARE = 0.999  # of samples with one value: a dead line, though it may click once
_CLICKS_S = 0.2  # what else there may be; more may be a word in an hour
_BLOCK_SAMPLES = 1 << 20
_MIXED_CORRELATION, _MIXED_DB = 0.7, -6.0
_LONGEST_LAG_S = 0.5
_MOST_COMPARED_S = 120.0
_DIGITAL_DBFS, _ROOM_DBFS = -72.0, -60.0


def check_two_sides(audio: Audio) -> None:
    """Make sure that a recording has two sides that can be told apart.

    Raises
    ------
    AudioError
        If it has one channel, more than two, or two that hold the same, or lasts less than a second.
    """
    if audio.n_channels == 1:
        raise AudioError(
            f"{audio.name}: one channel holds both sides, so where both speak nobody can tell who stopped. Record them "
            f"apart ({TWO_CHANNEL_SWITCHES})"
        )
    if audio.n_channels != 2:
        raise AudioError(f"{audio.name}: {audio.n_channels} channels; two are judged, the user's and the agent's")
    if audio.n_samples < _SHORTEST_S * audio.sample_rate:
        raise AudioError(f"{audio.name}: it lasts {audio.duration_s:.2f} s; a call lasts at least {_SHORTEST_S:g} s")
    correlation = _correlation(audio.channel(0), audio.channel(1))
    if abs(correlation) > _SAME:
        raise AudioError(
            f"{audio.name}: both channels hold the same mix (correlation {correlation:.3f}), so nobody can tell who "
            f"stopped. Record the sides apart ({TWO_CHANNEL_SWITCHES})"
        )


def _correlation(a: FloatArray, b: FloatArray) -> float:
    """Correlation of two channels, block by block: a call may last for hours."""
    sums = np.zeros(5)
    for start in range(0, len(a), _BLOCK_SAMPLES):
        x, y = (part[start : start + _BLOCK_SAMPLES].astype(np.float64) for part in (a, b))
        sums += [x.sum(), y.sum(), x @ x, y @ y, x @ y]
    x_mean, y_mean, xx, yy, xy = sums / len(a)
    scale = np.sqrt(max(xx - x_mean**2, 0.0) * max(yy - y_mean**2, 0.0))
    return float((xy - x_mean * y_mean) / scale) if scale else 0.0


def agent_index(audio: Audio, user_channel: int | None) -> int:
    """Which channel, from 0, is the agent's when ``user_channel``, counted from 1, is the user's.

    Raises
    ------
    InvalidParameterError
        If it was not said which is the user's, or it is neither 1 nor 2.
    """
    if user_channel is None:
        raise InvalidParameterError(
            "user_channel",
            f"1 or 2, the channel of {audio.name} that holds the user: the sound does not say whose is whose. LiveKit, "
            "Pipecat and Twilio write the user first; of Vapi and Retell nothing is published, so listen",
            user_channel,
        )
    if isinstance(user_channel, bool) or user_channel not in (1, 2):
        raise InvalidParameterError("user_channel", "1 or 2, counted from 1", user_channel)
    return 2 - user_channel


def check_silent(name: str, sides: Sequence[tuple[str, FloatArray]]) -> None:
    """Make sure that neither side is silent: over 99.9 % of its samples, and all but 0.2 s, are one value.

    Raises
    ------
    AudioError
        If one is, or both are.
    """
    dead = [side for side, samples in sides if _is_dead(samples)]
    if len(dead) == len(sides):
        raise AudioError(f"{name}: both channels are silent")
    if dead:
        raise AudioError(
            f"{name}: the {dead[0]}'s channel is silent. Was that side recorded, and is --user-channel right?"
        )


def _is_dead(samples: FloatArray) -> bool:
    others = int(np.count_nonzero(samples != np.median(samples)))
    return others < min((1 - _EQUAL_SHARE) * len(samples), _CLICKS_S * RATE) or not others


def check_mixed(name: str, user: FloatArray, agent: FloatArray, agent_speaks: Sequence[Interval]) -> None:
    """Make sure that the user's channel does not hold the agent as loudly as the agent's own.

    Parameters
    ----------
    name
        Of the recording.
    user, agent
        ``(n_samples,)`` at 16 kHz.
    agent_speaks
        Where the agent speaks.

    Raises
    ------
    AudioError
        If it does: some lag up to 0.5 s makes the two the same while the agent speaks.
    """
    left = int(_MOST_COMPARED_S * RATE)
    reach = int(_LONGEST_LAG_S * RATE)
    correlated = np.zeros(reach)
    sent_power = heard_power = 0.0
    for interval in agent_speaks:
        start, end = interval.start, min(interval.end, interval.start + left, len(agent))
        sent, heard = agent[start:end].astype(np.float64), user[start : end + reach].astype(np.float64)
        if len(heard) < reach or end <= start:
            continue
        size = 1 << int(np.ceil(np.log2(len(sent) + len(heard))))
        product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sent, size)), size)
        correlated += product[:reach]
        sent_power += float((sent**2).sum())
        heard_power += float((user[start:end].astype(np.float64) ** 2).sum())
        left -= end - start
        if left <= 0:
            break
    if not sent_power or not heard_power:
        return
    best = float(np.abs(correlated).max())
    gain_db = 20 * np.log10(max(best / sent_power, 1e-9))
    if best / np.sqrt(sent_power * heard_power) > _MIXED_CORRELATION and gain_db > _MIXED_DB:
        raise AudioError(
            f"{name}: the user's channel holds the agent too, {gain_db:+.0f} dB against its own channel: it is a mix "
            f"of both sides, or the wrong device was recorded. Record the sides apart ({TWO_CHANNEL_SWITCHES})"
        )


def swapped_look(
    *, user_noise_dbfs: float, agent_noise_dbfs: float, agent_in_user_db: float | None, user_in_agent_db: float | None
) -> str | None:
    """Why the channels look swapped, ``None`` where they do not.

    An agent's channel is made by a machine: it is digitally silent between responses, and holds no echo. Where the
    channel said to be the agent's is the noisier one and has a room in it, or the other side's echo, and the other has
    neither, they are probably swapped.

    Parameters
    ----------
    user_noise_dbfs, agent_noise_dbfs
        Level of each channel where nobody speaks.
    agent_in_user_db, user_in_agent_db
        How loud each side is in the other's channel; ``None`` for not at all.

    Examples
    --------
    >>> look = dict(agent_in_user_db=None, user_in_agent_db=None)
    >>> swapped_look(user_noise_dbfs=-55, agent_noise_dbfs=-90, **look)
    >>> swapped_look(user_noise_dbfs=-90, agent_noise_dbfs=-55, **look)
    "the agent's channel has a room's noise (-55 dBFS) and the user's is digitally silent"
    """
    if user_in_agent_db is not None and agent_in_user_db is None and agent_noise_dbfs > user_noise_dbfs:
        return f"the agent's channel holds an echo of the user ({user_in_agent_db:.0f} dB)"
    if user_noise_dbfs <= _DIGITAL_DBFS and agent_noise_dbfs >= _ROOM_DBFS:
        return (
            f"the agent's channel has a room's noise ({agent_noise_dbfs:.0f} dBFS) and the user's is digitally silent"
        )
    return None
