"""One recording that nobody labelled: the commonest thing that people have, as a dataset of its own."""

from __future__ import annotations

import os
from pathlib import Path

from bidilab.core.audiofile import audio_info
from bidilab.core.checks import is_whole
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.vad import audio_sha256
from bidilab.lab.datasets.dataset import Dataset
from bidilab.lab.datasets.manifest import DatasetInfo
from bidilab.lab.datasets.recording import Recording

__all__ = ["dataset_of_audio", "is_one_file", "labelling_command"]


def dataset_of_audio(path: str | os.PathLike[str], user_channel: int | None = None) -> Dataset:
    """A dataset of one audio file without labels.

    Parameters
    ----------
    path
        The file.
    user_channel
        Which channel is the user's, counted from 1; the first when not given. Of two channels the other is the agent's.

    Raises
    ------
    AudioError
        If it cannot be read.
    InvalidParameterError
        If it has no such channel.
    """
    file = Path(path)
    info = audio_info(file)
    number = 1 if user_channel is None else user_channel
    if not (is_whole(number) and 1 <= number <= info.channels):
        raise InvalidParameterError("user_channel", f"a channel of {file.name}, 1 to {info.channels}", user_channel)
    number = int(number)
    others = ["agent"] if info.channels == 2 else [f"channel {k}" for k in range(1, info.channels + 1) if k != number]
    names = iter(others)
    channels = tuple("user" if k == number else next(names) for k in range(1, info.channels + 1))
    recording = Recording(
        id=file.stem,
        path=file,
        sample_rate=info.samplerate,
        channels=channels,
        duration_s=info.frames / info.samplerate,
        sha256=audio_sha256(file),
    )
    facts = DatasetInfo(
        name=file.stem,
        version="0",
        licence="not stated",
        source=file.name,
        how_made=f"one recording without labels; channel {number} is the user's",
    )
    return Dataset(info=facts, root=file.parent, recordings=(recording,), part=_UNLABELLED)


_UNLABELLED = "one recording without labels"


def is_one_file(dataset: Dataset) -> bool:
    """Whether a dataset is one audio file that `dataset_of_audio` opened."""
    return dataset.part == _UNLABELLED


def labelling_command(path: Path, user_channel: int) -> str:
    """The command that makes a dataset with proposed labels of a folder of recordings."""
    return f"bidilab datasets import calls {path} MY-CALLS --user-channel {user_channel} --label"
