"""Everything that is wrong with a dataset folder, found in one pass."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from bidilab.core.audiofile import audio_info, scan_audio
from bidilab.core.bundled import BUNDLED_DATASETS, bundled_dataset
from bidilab.core.errors import AudioError
from bidilab.lab.datasets.importing.audiofiles import AUDIO_SUFFIXES
from bidilab.lab.datasets.labelfaults import ChannelLevels, label_faults, level_faults
from bidilab.lab.datasets.manifest import DATASET_FILE, MANIFEST_FILE, DatasetInfo, Problem, read_info, read_manifest
from bidilab.lab.datasets.recording import Recording
from bidilab.lab.datasets.sameaudio import AudioTie, equal_files, tied_audio

__all__ = ["file_sha256", "read_folder", "validate"]

_CHUNK_BYTES = 1 << 20


def read_folder(
    root: Path, *, has_audio: bool = True
) -> tuple[DatasetInfo | None, list[tuple[int, Recording]], list[Problem]]:
    """Read both files of a dataset folder, with every problem found; no audio is opened."""
    if message := _no_dataset(root):
        return None, [], [Problem(file=str(root), line=None, message=message)]
    info, info_problems = read_info(root)
    recordings, problems = read_manifest(root, has_audio=has_audio)
    return info, recordings, info_problems + problems


def _no_dataset(root: Path) -> str:
    """Why there can be no dataset in a place, and what to do; empty where there may be one."""
    if root.is_file():
        return "a file, not a dataset's folder; an audio file goes into sweep and replay as it is"
    if not root.is_dir():
        beside = sorted(p.name for p in root.parent.iterdir() if p.is_dir()) if root.parent.is_dir() else []
        near = [str(root.parent / name) for name in get_close_matches(root.name, beside, n=3)]
        near += [name for name in get_close_matches(str(root), BUNDLED_DATASETS) if name not in near]
        return f"no such folder; did you mean {' or '.join(near)}?" if near else "no such folder"
    if (root / DATASET_FILE).exists() or (root / MANIFEST_FILE).exists():
        return ""
    audio = sum(p.suffix.lower() in AUDIO_SUFFIXES for p in root.iterdir())
    if not audio:
        return ""
    return (
        f"{audio} audio file{'' if audio == 1 else 's'} and no dataset; this makes one of them: "
        f"bidilab datasets import calls {root} NEW-FOLDER --user-channel 1 --label"
    )


def validate(path: str | os.PathLike[str], *, deep: bool = True) -> list[Problem]:
    """Find every problem of a dataset: files, manifest, labels that were read wrongly, duplicate audio.

    Parameters
    ----------
    path
        The folder, or the name of a dataset that comes with bidilab.
    deep
        Also decode each audio file to its end, in bounded memory. It must contain no NaN, and its rate, channels,
        length (within one sample) and SHA-256 must match the manifest. Files of equal length are compared: the same
        samples in another container, a mono mix or a single channel beside the whole file. Labels are compared with the
        levels of the channels. Takes about a second per hour of audio.

    Returns
    -------
    list of Problem
        Empty if nothing is wrong.
    """
    info, recordings, problems = read_folder(bundled_dataset(path))
    source, cut_through = ("", False) if info is None else (info.source, info.parts_may_overlap)
    for line, recording in recordings:
        found = label_faults(recording, cut_through=cut_through)
        problems += [Problem(file=MANIFEST_FILE, line=line, message=fault) for fault in found]
    problems += _repeated_audio(recordings, equal_files([recording for _, recording in recordings]))
    if deep:
        sound = []
        for line, recording in recordings:
            faults = _audio_faults(recording, source=source)
            problems += [Problem(file=MANIFEST_FILE, line=line, message=fault) for fault in faults]
            if not faults:
                sound.append((line, recording))
        ties = tied_audio([recording for _, recording in sound], parts=cut_through)
        problems += _repeated_audio(sound, [tie for tie in ties if tie.how != "file"])
    return problems


def _repeated_audio(recordings: Sequence[tuple[int, Recording]], ties: Iterable[AudioTie]) -> list[Problem]:
    return [
        Problem(file=MANIFEST_FILE, line=recordings[tie.second][0], message=tie.message) for tie in ties if tie.message
    ]


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _audio_faults(recording: Recording, *, source: str) -> list[str]:
    name = recording.path.name
    faults = []
    if (digest := file_sha256(recording.path)) != recording.sha256:
        faults.append(f"{name}: sha256 is {digest}, the manifest says {recording.sha256}")
    try:
        header = audio_info(recording.path)
        if header.samplerate != recording.sample_rate:
            faults.append(f"{name}: {header.samplerate} Hz, the manifest says {recording.sample_rate} Hz")
        if header.channels != len(recording.channels):
            faults.append(f"{name}: {header.channels} channels, the manifest names {len(recording.channels)}")
        if abs(header.frames - recording.n_samples) > 1:
            faults.append(f"{name}: {header.frames} samples, the manifest says {recording.n_samples}")
        levels = ChannelLevels(recording)
        scan_audio(recording.path, watch=levels.feed)  # decodes to the end, and refuses truncation and NaN
        faults += level_faults(recording, levels, source=source)
    except AudioError as error:
        faults.append(str(error))
    return faults
