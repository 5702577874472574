"""Probabilities of recordings at any rate and with any channels, cached and in batches."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Protocol

from bidilab.core.audio import Audio, FloatArray
from bidilab.core.audiofile import audio_info, read_audio
from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import rescale_samples
from bidilab.detect.vad.base import OnDone, OnProgress, VadBackend
from bidilab.detect.vad.cache import ProbabilityCache, audio_sha256
from bidilab.detect.vad.registry import VadSpec
from bidilab.detect.vad.resampling import resample

__all__ = ["AudioChange", "VadItem", "speech_probabilities", "speech_probabilities_of_files"]

VadItem = tuple[str | os.PathLike[str], int | None, str | None]
"""Path, channel (``None``: the mean of all) and the file's SHA-256 where it is known."""


class AudioChange(Protocol):
    """Something done to a recording before a detector hears it: noise, a codec, a room."""

    @property
    def key(self) -> str:
        """Its identity: the same key, file and channel mean the same samples."""

    def __call__(self, audio: Audio, channel: int | None) -> FloatArray:
        """A channel as it is then, ``(n_samples,) float32``, as many samples as there were, at the same rate."""


_GROUP_RECORDINGS = 64  # as many as run in one batch
_GROUP_S = 3_600  # seconds of audio held at once: 230 MB at 16 kHz


def speech_probabilities(audio: Audio, backend: VadBackend | VadSpec, channel: int | None = None) -> FloatArray:
    """Probability of speech in each frame of a recording.

    Parameters
    ----------
    audio
        At any sample rate; it is resampled to the backend's.
    backend
        A backend, or the spec of one.
    channel
        Index from 0; ``None`` takes the only channel, or the mean of several.

    Returns
    -------
    FloatArray
        ``(n_frames,) float32`` in [0, 1]; frame ``k`` covers ``[k n, (k + 1) n)`` of ``backend.frame_samples``
        ``n`` at ``backend.sample_rate``.

    Raises
    ------
    InvalidParameterError
        If there is no such channel.
    """
    backend = _built(backend)
    return backend.probabilities(resample(audio.channel(channel), audio.sample_rate, backend.sample_rate))


def speech_probabilities_of_files(
    items: Sequence[VadItem],
    backend: VadBackend | VadSpec,
    cache: ProbabilityCache | None = None,
    on_progress: OnProgress | None = None,
    *,
    changes: Sequence[AudioChange] | None = None,
) -> list[FloatArray]:
    """Probabilities of many files, each from the cache or computed in a batch with others.

    What is done is in the cache at once, so that the same call goes on where an interrupted one stopped. At most
    an hour of audio (or one recording, if that is longer) is in memory. All arguments but ``on_progress`` can be
    pickled when ``backend`` is a spec; one thread is used.

    Parameters
    ----------
    items
        ``(path, channel, sha256)``. The hash is computed when it is ``None`` and there is a cache.
    backend
        A backend, or the spec of one.
    cache
        Where to look first, and to store.
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
    backend = _built(backend)
    if changes is not None and len(changes) != len(items):
        raise InvalidParameterError("changes", f"one for each of the {len(items)} items", len(changes))
    lengths = [_backend_samples(path, backend.sample_rate) for path, _, _ in items]
    tracks: dict[int, FloatArray] = {}
    hashes: dict[int, str] = {}
    if cache is not None:
        cache.prepare()
        for index, (path, channel, sha256) in enumerate(items):
            hashes[index] = audio_sha256(path) if sha256 is None else sha256
            track = cache.get(hashes[index], channel, backend, change=_change_key(changes, index))
            if track is not None:
                tracks[index] = track
                if on_progress is not None:
                    on_progress(lengths[index])

    def keep(index: int, track: FloatArray) -> None:
        tracks[index] = track
        if cache is not None:
            cache.put(hashes[index], items[index][1], backend, track, change=_change_key(changes, index))

    missing = [index for index in range(len(items)) if index not in tracks]
    for group in _groups(missing, lengths, backend.sample_rate):
        loaded = [
            _load(items[index], backend.sample_rate, None if changes is None else changes[index]) for index in group
        ]
        _compute(loaded, group, backend, keep, on_progress)
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


def _built(backend: VadBackend | VadSpec) -> VadBackend:
    return backend.build() if isinstance(backend, VadSpec) else backend


def _backend_samples(path: str | os.PathLike[str], to_rate: int) -> int:
    info = audio_info(path)
    return rescale_samples(info.frames, info.samplerate, to_rate)


def _load(item: VadItem, to_rate: int, change: AudioChange | None) -> FloatArray:
    path, channel, _ = item
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
