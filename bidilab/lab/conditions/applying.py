"""A condition applied: stage after stage, each on the recording's own clock."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bidilab.core.audio import Audio, FloatArray
from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.detect.dsp.mixing import Samples, db_to_gain
from bidilab.lab.conditions.bandwidth import in_band
from bidilab.lab.conditions.codec import through_codec
from bidilab.lab.conditions.condition import ARRAY_PREFIX, Condition
from bidilab.lab.conditions.echo import with_echo
from bidilab.lab.conditions.noise import noise_of, with_noise
from bidilab.lab.conditions.packets import with_lost_packets
from bidilab.lab.conditions.room import Room, in_room
from bidilab.lab.datasets.recording import Recording

__all__ = ["ConditionedChannel", "apply_condition", "check_channels"]


def apply_condition(
    audio: Audio, condition: Condition, *, user: int = 0, agent: int | None = None, key: str = ""
) -> FloatArray:
    """The user's channel of a recording under a condition.

    Parameters
    ----------
    audio
        The recording.
    condition
        What is done to it; the order of the stages is told there.
    user, agent
        Index of the user's and of the agent's channel; ``None`` where there is no agent.
    key
        Tells recordings apart: the same seed and key give the same noise and the same lost packets.

    Returns
    -------
    FloatArray
        ``(n_samples,) float32`` at the recording's rate, whole steps of 16-bit PCM.

    Raises
    ------
    InvalidParameterError
        If there is no such channel, the agent's is needed and not given, or the noise is not there.
    AudioError
        If the user's channel holds nothing that has an SNR.
    MissingExtraError
        If a library for a stage is not installed.
    """
    rate = audio.sample_rate
    samples: Samples = audio.channel(user).astype(np.float64)
    room = condition.room
    if isinstance(room, Room):
        samples = in_room(samples, rate, room)
    if condition.gain_db is not None:
        samples = samples * db_to_gain(condition.gain_db)
    samples = _disturbed(samples, audio, condition, agent, key)
    if condition.bandwidth is not None:
        samples = in_band(samples, rate, condition.bandwidth)
    if condition.codec is not None:
        samples = through_codec(samples, rate, condition.codec, bitrate_kbps=condition.effective_bitrate_kbps)
    if condition.packet_loss is not None:
        samples = with_lost_packets(
            samples,
            rate,
            loss=condition.packet_loss,
            burst_packets=condition.loss_burst_packets,
            concealment=condition.concealment or "repetition",
            rng=_rng(condition, key, "packets"),
        )
    steps = np.clip(np.rint(samples * 32768.0), -32768, 32767)
    return (steps / 32768.0).astype(np.float32)


def _disturbed(samples: Samples, audio: Audio, condition: Condition, agent: int | None, key: str) -> Samples:
    """With echo and noise, the noise at a ratio to the speech without the echo."""
    rate, speech = audio.sample_rate, samples
    if condition.echo_db is not None:
        if agent is None:
            raise InvalidParameterError("agent", f"a channel of {audio.name}, as an echo is asked for", None)
        played = audio.channel(agent).astype(np.float64)
        delay_ms = condition.effective_echo_delay_ms
        room = condition.room if isinstance(condition.room, Room) else None
        samples = with_echo(samples, played, rate, echo_db=condition.echo_db, delay_ms=delay_ms, room=room)
    if condition.snr_db is not None and condition.noise is not None:
        if isinstance(condition.noise, str) and condition.noise.startswith(ARRAY_PREFIX):
            raise InvalidParameterError("noise", "the Audio itself: a saved condition keeps its hash only", condition)
        noise = noise_of(condition.noise, len(samples), rate, _rng(condition, key, "noise"))
        samples = with_noise(samples, rate, noise, condition.snr_db, name=audio.name, level_of=speech)
    return samples


def _rng(condition: Condition, key: str, stage: str) -> np.random.Generator:
    words = hashlib.sha256(f"{stage}\n{key}".encode()).digest()
    return np.random.default_rng([condition.seed, *np.frombuffer(words, "<u4").tolist()])


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionedChannel:
    """The user's channel of one recording under a condition, as the VAD asks for it (`AudioChange`).

    Parameters
    ----------
    condition
        What is done.
    fingerprint
        Its identity, as `bidilab.lab.conditions.fingerprint` gives it.
    agent
        Index of the agent's channel; ``None`` without.
    seed_key
        What tells the recording apart: the digest of its file.
    """

    condition: Condition
    fingerprint: str
    agent: int | None
    seed_key: str

    @classmethod
    def of(cls, recording: Recording, condition: Condition, fingerprint: str) -> ConditionedChannel:
        """That of a recording of a dataset."""
        agent = recording.channel_index("agent")
        return cls(condition=condition, fingerprint=fingerprint, agent=agent, seed_key=recording.sha256)

    @property
    def key(self) -> str:
        """All that decides the samples besides the file and the channel."""
        return f"{self.fingerprint} agent={self.agent} seed={self.seed_key}"

    def __call__(self, audio: Audio, channel: int | None) -> FloatArray:
        """The channel under the condition, ``(n_samples,) float32`` at the recording's rate.

        Raises
        ------
        InvalidParameterError, AudioError, MissingExtraError
            As `apply_condition`.
        """
        user = 0 if channel is None else channel
        return apply_condition(audio, self.condition, user=user, agent=self.agent, key=self.seed_key)


def check_channels(recordings: Iterable[Recording], condition: Condition) -> None:
    """Refuse, before any work is done, recordings that a condition cannot be applied to.

    Raises
    ------
    DatasetError
        If an echo is asked for and a recording has no agent channel.
    """
    if condition.echo_db is None:
        return
    without = [recording.id for recording in recordings if recording.channel_index("agent") is None]
    if without:
        more = f" and {len(without) - 5} more" if len(without) > 5 else ""
        raise DatasetError(
            f"condition {condition}: an echo needs the agent's channel, which {', '.join(without[:5])}{more} "
            f"{'lacks' if len(without) == 1 else 'lack'}; leave them out or leave the echo out"
        )
