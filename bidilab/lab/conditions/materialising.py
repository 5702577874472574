"""A dataset written anew under a condition: other audio, the same labels."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from bidilab.core.audiofile import audio_info, write_audio
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.vad import audio_sha256
from bidilab.lab.conditions.applying import apply_condition, check_channels
from bidilab.lab.conditions.condition import Condition
from bidilab.lab.conditions.identity import fingerprint
from bidilab.lab.datasets.manifest import DATASET_FILE, MANIFEST_FILE, manifest_line
from bidilab.lab.datasets.placing import check_target, put_in_place
from bidilab.lab.datasets.recording import Recording

if TYPE_CHECKING:
    from bidilab.lab.datasets.dataset import Dataset

__all__ = ["condition_dataset"]

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
        What is made harder; it is only read.
    condition
        How.
    dest
        Folder to make. It appears whole or not at all. Audio is FLAC, of 24 bits where that of the source has more
        than 16.
    force
        Replace an earlier dataset in the folder.
    progress
        Whether to show a bar.

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
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    (partial / "audio").mkdir(parents=True)
    try:
        made = (
            _write(recording, condition, partial)
            for recording in tqdm(dataset, desc=str(condition), unit="rec", disable=not progress, dynamic_ncols=True)
        )
        lines = [manifest_line(recording, recording.path.relative_to(partial).as_posix()) for recording in made]
        (partial / MANIFEST_FILE).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        how = f"{dataset.info.how_made} Then bidilab, condition {condition} (identity {identity[:16]})."
        info = replace(dataset.info, name=target.name, how_made=how)
        (partial / DATASET_FILE).write_text(info.to_json(), encoding="utf-8")
        put_in_place(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
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
