"""Probabilities of recordings at any rate and with any channels, cached and in batches."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Protocol, runtime_checkable

import numpy as np

from bidilab.core.audio import Audio, FloatArray
from bidilab.core.audiofile import audio_info, read_audio, read_channel
from bidilab.core.audioroom import blocks
from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import rescale_samples
from bidilab.detect.vad.base import OnDone, OnProgress, VadBackend, lookahead_of
from bidilab.detect.vad.cache import ProbabilityCache, audio_sha256
from bidilab.detect.vad.given import VadLike, as_live_vad
from bidilab.detect.vad.resampling import resample, resampled_blocks

__all__ = [
    "AudioChange",
    "VadItem",
    "probabilities_until",
    "samples_heard",
    "speech_probabilities",
    "speech_probabilities_of_files",
]

VadItem = tuple[str | os.PathLike[str], int | None, str | None]
"""Path, channel (``None``: the mean of all) and the file's SHA-256 where it is known."""


class AudioChange(Protocol):
    """Something done to a recording before a detector hears it: noise, a codec, a room."""

    @property
    def key(self) -> str:
        """Identity of the change: the same key, file and channel mean the same samples."""

    def __call__(self, audio: Audio, channel: int | None) -> FloatArray:
        """A channel as it is then, ``(n_samples,) float32``, as many samples as there were, at the same rate."""


@runtime_checkable
class HasUser(Protocol):
    """Sound of which one channel is the user's: `Audio`, or a recording of a dataset."""

    @property
    def sample_rate(self) -> int:
        """Hertz."""

    def user(self) -> FloatArray:
        """The user's channel, ``(n_samples,) float32``."""


_GROUP_RECORDINGS = 64  # as many as run in one batch
_GROUP_S = 3_600  # seconds of audio held at once: 230 MB at 16 kHz


def speech_probabilities(
    audio: HasUser | str | os.PathLike[str],
    backend: VadLike = "silero",
    channel: int | None = None,
) -> FloatArray:
    """Probability of speech in each frame of a recording.

    Parameters
    ----------
    audio
        A file, `Audio`, or a recording of a dataset, at any sample rate; it is resampled to the backend's.
    backend
        A backend, the spec of one, or its name.
    channel
        Index from 0; ``None`` takes the user's: that of a recording of a dataset, else the first (`Audio.user`).

    Returns
    -------
    FloatArray
        ``(n_frames,) float32`` in [0, 1]; frame ``k`` covers ``[k n, (k + 1) n)`` of ``backend.frame_samples``
        ``n`` at ``backend.sample_rate``.

    Raises
    ------
    InvalidParameterError
        If there is no such channel, or one is given with a recording of a dataset, which names its user's channel; or
        ``audio`` is none of these.
    AudioError
        If the file cannot be read.

    Examples
    --------
    >>> speech_probabilities("call.wav").max()  # doctest: +SKIP
    """
    vad = as_live_vad(backend).build()
    heard = read_audio(audio) if isinstance(audio, str | os.PathLike) else audio
    if not isinstance(heard, HasUser):
        raise InvalidParameterError("audio", "a file, Audio, or a recording of a dataset", heard)
    if channel is None:
        samples = heard.user()
    elif isinstance(heard, Audio):
        samples = heard.channel(channel)
    else:
        raise InvalidParameterError("channel", "left out with a recording, which names its user's channel", channel)
    return vad.probabilities(resample(samples, heard.sample_rate, vad.sample_rate))


def probabilities_until(backend: VadBackend, samples: FloatArray, sample_rate: int, end_s: float) -> FloatArray:
    """Probability of speech in the frames up to a time, as the detector has them of the whole recording.

    Only a block of the audio is looked at a time, so that hours of it need not be in memory.

    Parameters
    ----------
    backend
        The detector.
    samples
        ``(n,) float32``, the recording from its start, in memory or in a `bidilab.core.audioroom.Room`.
    sample_rate
        Hertz of ``samples``.
    end_s
        Where the last frame may begin, in seconds.

    Returns
    -------
    FloatArray
        ``(n_frames,) float32`` in [0, 1].
    """
    n_samples = rescale_samples(len(samples), sample_rate, backend.sample_rate)
    n_frames = min(n_samples // backend.frame_samples, int(end_s * backend.sample_rate) // backend.frame_samples + 1)
    stream, found, n_found = backend.stream(), [np.zeros(0, np.float32)], 0
    silence = np.zeros(lookahead_of(backend), np.float32)
    for block in chain(resampled_blocks(blocks(samples), sample_rate, backend.sample_rate), (silence,)):
        found.append(stream.feed(block))
        n_found += len(found[-1])
        if n_found >= n_frames:
            break
    return np.concatenate(found)[:n_frames]


def speech_probabilities_of_files(
    items: Sequence[VadItem],
    backend: VadLike,
    cache: ProbabilityCache | None = None,
    on_progress: OnProgress | None = None,
    *,
    changes: Sequence[AudioChange] | None = None,
) -> list[FloatArray]:
    """Probabilities of many files, each from the cache or computed in a batch with others.

    What is done is in the cache at once, so that the same call goes on where an interrupted one stopped. At most
    an hour of audio (or one recording, if that is longer) is in memory. All arguments but ``on_progress`` can be
    pickled when ``backend`` is a spec, or an object that can be; one thread is used.

    Parameters
    ----------
    items
        ``(path, channel, sha256)``. The hash is computed when it is ``None`` and there is a cache.
    backend
        A backend, or the spec of one.
    cache
        Cache to look in first and to store in.
    on_progress
        Called with the number of samples, at the backend's rate, done since the last call; recordings found in
        the cache count at once. In all it is given the sum of ``round(frames * backend.sample_rate / rate)``.
    changes
        What is done to each recording before the detector hears it; nothing when not given.

    Returns
    -------
    list of FloatArray
        ``(n_frames,) float32`` each, in the order of ``items``.

    Raises
    ------
    AudioError
        If a file is absent or cannot be used. All headers are read before the first file is.
    CacheError
        If the cache folder cannot be read or written.
    InvalidParameterError
        If a file has no such channel, or the changes are not one for each item.
    """
    vad = as_live_vad(backend).build()
    if changes is not None and len(changes) != len(items):
        raise InvalidParameterError("changes", f"one for each of the {len(items)} items", len(changes))
    lengths = [_backend_samples(path, vad.sample_rate) for path, _, _ in items]
    tracks: dict[int, FloatArray] = {}
    hashes: dict[int, str] = {}
    if cache is not None:
        cache.prepare()
        for index, (path, channel, sha256) in enumerate(items):
            hashes[index] = audio_sha256(path) if sha256 is None else sha256
            track = cache.get(hashes[index], channel, vad, change=_change_key(changes, index))
            if track is not None:
                tracks[index] = track
                if on_progress is not None:
                    on_progress(lengths[index])

    def keep(index: int, track: FloatArray) -> None:
        tracks[index] = track
        if cache is not None:
            cache.put(hashes[index], items[index][1], vad, track, change=_change_key(changes, index))

    missing = [index for index in range(len(items)) if index not in tracks]
    for group in _groups(missing, lengths, vad.sample_rate):
        loaded = [
            samples_heard(items[index], vad.sample_rate, None if changes is None else changes[index]) for index in group
        ]
        _compute(loaded, group, vad, keep, on_progress)
        del loaded  # before the next group is read
    return [tracks[index] for index in range(len(items))]


def _change_key(changes: Sequence[AudioChange] | None, index: int) -> str | None:
    return None if changes is None else changes[index].key


def _compute(
    loaded: Sequence[FloatArray],
    indices: Sequence[int],
    backend: VadBackend,
    keep: OnDone,
    on_progress: OnProgress | None,
) -> None:
    """Run some recordings together; ``keep`` is called with the index and track of each."""
    backend.probabilities_batch(loaded, lambda row, track: keep(indices[row], track), on_progress)


def _backend_samples(path: str | os.PathLike[str], to_rate: int) -> int:
    info = audio_info(path)
    return rescale_samples(info.frames, info.samplerate, to_rate)


def samples_heard(item: VadItem, to_rate: int, change: AudioChange | None = None) -> FloatArray:
    """What a detector hears of a recording, ``(n_samples,) float32`` at ``to_rate`` hertz.

    Parameters
    ----------
    item
        The file and its channel.
    to_rate
        Hertz.
    change
        What is done to it first.
    """
    path, channel, _ = item
    if change is None and channel is not None:
        heard = read_channel(path, channel)
        return resample(heard.samples, heard.sample_rate, to_rate)
    audio = read_audio(path)
    samples = audio.channel(channel) if change is None else change(audio, channel)
    return resample(samples, audio.sample_rate, to_rate)


def _groups(indices: Sequence[int], lengths: Sequence[int], sample_rate: int) -> Iterator[list[int]]:
    """Recordings to hold at once, longest first, so that those of a batch end together."""
    group: list[int] = []
    n_samples = 0
    for index in sorted(indices, key=lambda index: -lengths[index]):
        if group and (len(group) == _GROUP_RECORDINGS or n_samples + lengths[index] > _GROUP_S * sample_rate):
            yield group
            group, n_samples = [], 0
        group.append(index)
        n_samples += lengths[index]
    if group:
        yield group
