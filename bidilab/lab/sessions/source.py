"""What can be replayed: a file, audio in memory, a recording with labels, or ``DATASET#recording-id``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from bidilab.core.audio import Audio, FloatArray, channel_index, float_to_pcm16, pcm16_to_float
from bidilab.core.audiofile import audio_info, read_channel
from bidilab.core.audioroom import Room, blocks
from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.core.units import rescale_samples, samples_to_ms
from bidilab.detect.vad import KnownTrack, ProbabilityCache, VadSource, VadTracks, audio_sha256, resample
from bidilab.detect.vad.resampling import resampled_blocks
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.datasets.recording import Recording
from bidilab.lab.datasets.words import WordTimes, word_ends_s

__all__ = ["Source", "SourceLike", "recording_of"]

SourceLike = str | os.PathLike[str] | Audio | Recording


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """What a session hears of the user.

    Parameters
    ----------
    name
        For titles.
    user
        Mono audio of the user.
    segments
        Labels; empty when there are none.
    file
        Where the user's audio is from: path and channel; ``None`` when it is in memory only.
    """

    name: str
    user: Audio
    segments: tuple[Segment, ...] = ()
    file: tuple[Path, int | None] | None = None

    @classmethod
    def of(cls, given: SourceLike, user_channel: int | None = None) -> Source:
        """What was given.

        Parameters
        ----------
        given
            As `SourceLike`.
        user_channel
            Of a file or of `Audio`: which channel is the user's, counted from 1; the first when not given
            (`bidilab.core.audio.Audio.user`). A recording of a dataset says so itself.

        Raises
        ------
        InvalidParameterError
            If it is none of these, a folder, or the dataset has no such recording.
        AudioError, DatasetError
            If it cannot be read.
        """
        if isinstance(given, Recording):
            if user_channel is not None:
                allowed = "left out with a recording of a dataset, which says so itself"
                raise InvalidParameterError("user_channel", allowed, user_channel)
            user = Audio.known_finite(given.user(), sample_rate=given.sample_rate, name=given.id)
            file = (given.path, given.channel_index("user"))
            return cls(name=given.id, user=user, segments=given.segments, file=file)
        if isinstance(given, Audio):
            return cls(name=given.name, user=Audio(samples=given.user(user_channel), sample_rate=given.sample_rate))
        if not isinstance(given, str | os.PathLike):
            raise InvalidParameterError("recording", "a path, DATASET#recording-id, Audio or a Recording", given)
        path = Path(given)
        if not path.exists() and "#" in str(given):
            folder, _, recording_id = str(given).rpartition("#")
            return cls.of(recording_of(folder, recording_id), user_channel)
        if path.is_dir():
            raise InvalidParameterError("recording", "a file, or DATASET#recording-id for one of a dataset", str(given))
        info = audio_info(path)
        index = channel_index(user_channel, info.channels, str(path))
        heard = read_channel(path, index, info=info)
        user = Audio.known_finite(heard.samples, sample_rate=heard.sample_rate, name=path.name)
        return cls(name=path.stem, user=user, file=(path, index))

    def known_track(self, vad: VadSource) -> KnownTrack | None:
        """The probabilities that a sweep has left in the cache, for a session that hears this source in 16 bits.

        ``None`` when there are none, or when 16 bits are not all there is to the samples: then the detector runs.
        `VadTracks` are by the recording's id, and one that they lack raises `DatasetError`.
        """
        samples = self.user.channel()
        if isinstance(vad, VadTracks):
            heard = pcm16_to_float(float_to_pcm16(samples))
            return vad.known(self.name, resample(heard, self.user.sample_rate, vad.sample_rate))
        if self.file is None:
            return None
        path, channel = self.file
        backend = vad.build()
        track = ProbabilityCache().get(audio_sha256(path), channel, backend)
        if track is None or not _is_pcm16(samples):
            return None
        room, at = Room(rescale_samples(len(samples), self.user.sample_rate, backend.sample_rate), 1), 0
        for block in resampled_blocks(blocks(samples), self.user.sample_rate, backend.sample_rate):
            room.put(at, 0, block)
            at += len(block)
        return KnownTrack(backend, room.samples[:, 0], track)

    def response_lengths_ms(self, rate: int) -> tuple[float, ...]:
        """Lengths of the agent's labelled responses: whole samples at the VAD's rate, as in a simulated sweep."""
        spoken = [segment.interval(rate) for segment in self.segments if segment.channel == "agent"]
        return tuple(samples_to_ms(interval.duration, rate) for interval in spoken)

    def word_ends_s(self, word_times: WordTimes) -> tuple[float, ...]:
        """Where the user's words end, seconds, rising; see `bidilab.lab.datasets.words.word_ends_s`.

        Raises
        ------
        DatasetError
            If the labels do not say, or there are none at all.
        """
        if not self.segments:
            raise DatasetError(
                f"{self.name}: has no labels, and so no words, which min_words and false_interruption_timeout_ms need; "
                "replay a recording of a dataset that has them (DATASET#recording-id)"
            )
        return word_ends_s(self.segments, word_times=word_times, name=self.name)


def _is_pcm16(samples: FloatArray) -> bool:
    """Whether 16 bits are all there is to the samples."""
    return all(np.array_equal(pcm16_to_float(float_to_pcm16(block)), block) for block in blocks(samples))


def recording_of(folder: str | os.PathLike[str], recording_id: str) -> Recording:
    """A recording of a dataset by its id; one that it has not raises `InvalidParameterError`."""
    from bidilab.lab.datasets import Dataset

    dataset = Dataset.load(folder)
    for recording in dataset:
        if recording.id == recording_id:
            return recording
    ids = [recording.id for recording in dataset]
    few = ", ".join(get_close_matches(recording_id, ids, n=3, cutoff=0.0))
    raise InvalidParameterError("recording", f"one of the {len(ids)} of {dataset.name} (as {few})", recording_id)
