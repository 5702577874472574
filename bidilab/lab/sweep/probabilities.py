"""The VAD's pass over a dataset: once per recording, kept on disk, and only of the audio that is described."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from bidilab.core.errors import AudioError, DatasetError, InvalidParameterError
from bidilab.detect.vad import (
    AudioChange,
    ProbabilityCache,
    VadItem,
    VadSource,
    VadTracks,
    audio_sha256,
    speech_probabilities_of_files,
)
from bidilab.detect.vad.given import cannot_be_sent
from bidilab.lab.conditions.applying import ConditionedChannel
from bidilab.lab.conditions.condition import Condition
from bidilab.lab.datasets import Recording
from bidilab.lab.sweep.executors import Executor, InProcess

__all__ = ["probabilities_of"]

_TASK_RECORDINGS = 64  # a batch of the VAD
_TASK_S = 1800.0


def probabilities_of(
    recordings: Sequence[Recording],
    vad: VadSource,
    *,
    cache: ProbabilityCache | None,
    executor: Executor,
    progress: bool,
    condition: Condition | None = None,
    fingerprint: str | None = None,
) -> list[npt.NDArray[np.float32]]:
    """Probabilities of the user channel of each recording, from the cache where it has them.

    Parameters
    ----------
    recordings, vad, cache, executor, progress
        As in `sweep`.
    condition, fingerprint
        What is done to the audio, where the detector runs and never on disk, and its identity; ``None`` for nothing.

    Raises
    ------
    AudioError
        If a recording cannot be read.
    DatasetError
        If a file is not the one that the manifest describes: labels of other audio would be evaluated; or known tracks
        lack a recording, or have another length.
    InvalidParameterError
        If known tracks are to be those of changed audio.

    Warns
    -----
    UserWarning
        If a detector that was given as an object cannot be sent to worker processes: it then runs in this one.
    """
    _check_audio(recordings, executor.jobs)
    if isinstance(vad, VadTracks):
        return _known(recordings, vad, condition)
    if not isinstance(executor, InProcess) and (why := cannot_be_sent(vad)):
        warnings.warn(f"the VAD {vad.name} runs in this process alone: {why}", UserWarning, stacklevel=2)
        executor = InProcess()
    changes: list[AudioChange] | None = None
    label = f"VAD ({vad.name})"
    if condition is not None and fingerprint is not None:
        changes = [ConditionedChannel.of(recording, condition, fingerprint) for recording in recordings]
        label = f"{label} {condition}"
    items: list[VadItem] = [(r.path, r.channel_index("user"), r.sha256) for r in recordings]
    with _SecondsBar(label, sum(r.duration_s for r in recordings), shown=progress) as bar:
        if isinstance(executor, InProcess):
            return speech_probabilities_of_files(
                items, vad, cache, lambda samples: bar.advance(samples / vad.sample_rate), changes=changes
            )
        tracks: dict[int, npt.NDArray[np.float32]] = {}
        groups = _groups([r.duration_s for r in recordings], executor.jobs)
        tasks = [
            ([items[k] for k in group], None if changes is None else [changes[k] for k in group]) for group in groups
        ]
        for index, result in executor.map(_vad_task, tasks, shared=(vad, cache)):
            tracks.update(zip(groups[index], result, strict=True))
            bar.advance(sum(recordings[k].duration_s for k in groups[index]))
    return [tracks[k] for k in range(len(items))]


def _known(
    recordings: Sequence[Recording], tracks: VadTracks, condition: Condition | None
) -> list[npt.NDArray[np.float32]]:
    if condition is not None:
        allowed = "none with VadTracks, which were computed from the audio as it was recorded"
        raise InvalidParameterError("conditions", allowed, str(condition))
    tracks.check([recording.id for recording in recordings])
    return [tracks.track_at(each.id, each.n_samples, each.sample_rate) for each in recordings]


def _check_audio(recordings: Sequence[Recording], jobs: int) -> None:
    with ThreadPoolExecutor(jobs) as threads:  # hashing lets the other threads go on
        paths = list(dict.fromkeys(recording.path for recording in recordings))  # of two users, one file has two
        digests = dict(zip(paths, threads.map(audio_sha256, paths), strict=True))
    problems = [
        f"{recording.id}: {_unreadable(recording) or _another(recording, digest)}"
        for recording in recordings
        if (digest := digests[recording.path]) != recording.sha256
    ]
    if problems:
        n = f"{len(problems)} of {len(recordings)} recordings {'is' if len(problems) == 1 else 'are'}"
        raise DatasetError(f"{n} not the audio that the manifest describes", problems)


def _unreadable(recording: Recording) -> str | None:
    try:
        recording.user()
    except AudioError as error:
        return str(error)
    return None


def _another(recording: Recording, digest: str) -> str:
    return f"sha256 of {recording.path.name} is {digest}, the manifest says {recording.sha256}"


class _SecondsBar:
    """A progress bar that counts whole seconds of audio."""

    def __init__(self, label: str, seconds: float, *, shown: bool) -> None:
        self._total = round(seconds)
        self._seconds = 0.0
        self._bar = tqdm(total=self._total, desc=label, unit="s", disable=not shown, dynamic_ncols=True)

    def advance(self, seconds: float) -> None:
        self._seconds += seconds
        self._bar.update(min(round(self._seconds), self._total) - self._bar.n)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:  # rounding must not leave the bar at 99 %
            self._bar.update(self._total - self._bar.n)
        self._bar.close()


def _vad_task(
    shared: tuple[VadSource, ProbabilityCache | None], task: tuple[list[VadItem], list[AudioChange] | None]
) -> list[npt.NDArray[np.float32]]:
    vad, cache = shared
    items, changes = task
    return speech_probabilities_of_files(items, vad, cache, changes=changes)


def _groups(durations: Sequence[float], jobs: int) -> list[list[int]]:
    """Recordings of about one length together, in tasks that keep a batch full and every job busy."""
    share = max(sum(durations) / (4 * jobs), 60.0)
    groups: list[list[int]] = []
    seconds = 0.0
    for index in sorted(range(len(durations)), key=lambda k: -durations[k]):
        if not groups or len(groups[-1]) >= _TASK_RECORDINGS or seconds + durations[index] > min(share, _TASK_S):
            groups.append([])
            seconds = 0.0
        groups[-1].append(index)
        seconds += durations[index]
    return groups
