"""Everything that is wrong with a dataset folder, found in one pass."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from bidilab.core.audiofile import audio_info, scan_audio
from bidilab.core.errors import AudioError
from bidilab.lab.datasets.manifest import MANIFEST_FILE, DatasetInfo, Problem, read_info, read_manifest
from bidilab.lab.datasets.recording import Recording

__all__ = ["file_sha256", "read_folder", "same_audio", "validate"]

_CHUNK_BYTES = 1 << 20


def read_folder(root: Path) -> tuple[DatasetInfo | None, list[tuple[int, Recording]], list[Problem]]:
    """Read both files of a dataset folder, with every problem found; no audio is opened."""
    if not root.is_dir():
        return None, [], [Problem(file=str(root), line=None, message="no such folder")]
    info, info_problems = read_info(root)
    recordings, problems = read_manifest(root)
    return info, recordings, info_problems + problems


def validate(path: str | os.PathLike[str], *, deep: bool = True) -> list[Problem]:
    """Find every problem of a dataset folder, also equal audio under several ids.

    Parameters
    ----------
    path
        The folder.
    deep
        Also decode each audio file to its end, in bounded memory: it must hold no NaN, its rate, channels and
        length (within one sample) must be those of the manifest, and its SHA-256 too. Takes about a second an
        hour of audio.

    Returns
    -------
    list of Problem
        Empty when the dataset is sound.
    """
    _, recordings, problems = read_folder(Path(path))
    problems += _repeated_audio(recordings)
    if deep:
        for line, recording in recordings:
            faults = _audio_faults(recording)
            problems += [Problem(file=MANIFEST_FILE, line=line, message=fault) for fault in faults]
    return problems


def _repeated_audio(recordings: list[tuple[int, Recording]]) -> list[Problem]:
    """A problem for each recording whose file has the digest of one before it."""
    first: dict[str, str] = {}
    return [
        Problem(file=MANIFEST_FILE, line=line, message=same_audio(recording.id, other))
        for line, recording in recordings
        if (other := first.setdefault(recording.sha256, recording.id)) != recording.id
    ]


def same_audio(name: str, other: str) -> str:
    """What to say of two recordings whose files are equal, byte by byte."""
    return f"{name!r} has the same audio as {other!r} (equal sha256): what happens in it counts twice"


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _audio_faults(recording: Recording) -> list[str]:
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
        scan_audio(recording.path)  # decodes to the end, and refuses truncation and NaN
    except AudioError as error:
        faults.append(str(error))
    return faults
