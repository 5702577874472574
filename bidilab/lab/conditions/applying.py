"""Applying a condition: to one channel, stage after stage, and to a whole dataset, which is written to a new folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from bidilab.core.audio import Audio, FloatArray
from bidilab.core.audiofile import audio_info, write_audio
from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.detect.dsp.line import in_band, through_codec, with_lost_packets
from bidilab.detect.dsp.mixing import Samples, db_to_gain
from bidilab.detect.dsp.noise import with_noise
from bidilab.detect.dsp.room import Room, echo_of, in_room, room_response
from bidilab.detect.vad import audio_sha256
from bidilab.lab.conditions.condition import ARRAY_PREFIX, Condition
from bidilab.lab.conditions.identity import fingerprint
from bidilab.lab.conditions.noise import noise_of
from bidilab.lab.datasets.manifest import DATASET_FILE, MANIFEST_FILE, manifest_line
from bidilab.lab.datasets.recording import Recording
from bidilab.lab.datasets.safepaths import check_target, made_whole

if TYPE_CHECKING:
    from bidilab.lab.datasets.dataset import Dataset

__all__ = ["ConditionedChannel", "apply_condition", "check_channels", "condition_dataset"]


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
        samples = in_room(samples, room_response(room, rate))
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
    """Add echo and noise; the SNR is of the speech without the echo."""
    rate, speech = audio.sample_rate, samples
    if condition.echo_db is not None:
        if agent is None:
            raise InvalidParameterError("agent", f"a channel of {audio.name}, because an echo was asked for", None)
        played = audio.channel(agent).astype(np.float64)
        delay_ms = condition.effective_echo_delay_ms
        response = room_response(condition.room, rate) if isinstance(condition.room, Room) else np.ones(1)
        samples = samples + echo_of(
            played, rate, gain_db=condition.echo_db, delay_ms=delay_ms, impulse_response=response
        )
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
        The condition to apply.
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
        """The user's channel of a recording of a dataset."""
        agent = recording.channel_index("agent")
        return cls(condition=condition, fingerprint=fingerprint, agent=agent, seed_key=recording.sha256)

    @property
    def key(self) -> str:
        """Everything but the file and the channel that decides the samples."""
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


_SIXTEEN_BITS = ("PCM_16", "PCM_S8", "PCM_U8", "ULAW", "ALAW")
TAG = "audio_condition"
"""Tag of each recording that says what was done to it."""


def condition_dataset(
    dataset: Dataset, condition: Condition, dest: str | os.PathLike[str], *, force: bool = False, progress: bool = True
) -> Dataset:
    """Write a dataset whose user channels are under a condition.

    Labels, ids and the other channels stay what they were; each recording gets the tag ``audio_condition``. Sweeping it
    gives what sweeping the first dataset under the condition gives.

    Parameters
    ----------
    dataset
        The dataset to apply the condition to; it is only read.
    condition
        The condition.
    dest
        Folder to make. It appears whole or not at all. Audio is FLAC, of 24 bits where that of the source has more
        than 16.
    force
        Replace an earlier dataset in the folder.
    progress
        Whether to show a progress bar.

    Returns
    -------
    Dataset
        The new one.

    Raises
    ------
    InvalidParameterError
        If ``dest`` is the dataset itself, or the noise is not there.
    DatasetError
        If ``dest`` exists and may not be replaced, or an echo is asked for and a recording has no agent channel.
    AudioError, MissingExtraError
        As `apply_condition`.
    """
    target = Path(dest)
    check_target(target, force=force)
    if target.resolve() == dataset.root.resolve():
        raise InvalidParameterError("dest", "another folder than the dataset's own", str(target))
    check_channels(dataset, condition)
    identity = fingerprint(condition)
    with made_whole(target, force=force) as partial:
        (partial / "audio").mkdir()
        made = (
            _write(recording, condition, partial)
            for recording in tqdm(dataset, desc=str(condition), unit="rec", disable=not progress, dynamic_ncols=True)
        )
        lines = [manifest_line(recording, recording.path.relative_to(partial).as_posix()) for recording in made]
        (partial / MANIFEST_FILE).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        how = f"{dataset.info.how_made} Then bidilab, condition {condition} (identity {identity[:16]})."
        info = replace(dataset.info, name=target.name, how_made=how)
        (partial / DATASET_FILE).write_text(info.to_json(), encoding="utf-8")
    return type(dataset).load(target)


def _write(recording: Recording, condition: Condition, root: Path) -> Recording:
    audio = recording.audio()
    user, agent = recording.channels.index("user"), recording.channel_index("agent")
    samples = np.array(audio.samples.reshape(audio.n_samples, -1))
    samples[:, user] = apply_condition(audio, condition, user=user, agent=agent, key=recording.sha256)
    path = root / "audio" / f"{recording.id}.flac"
    path.parent.mkdir(parents=True, exist_ok=True)
    depth = "PCM_16" if audio_info(recording.path).subtype in _SIXTEEN_BITS else "PCM_24"
    write_audio(path, samples, audio.sample_rate, subtype=depth)
    tags = {**recording.tags, TAG: str(condition)}
    return replace(recording, path=path, sha256=audio_sha256(path), tags=tags)
