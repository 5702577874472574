"""A copy of a dataset in a folder of one's own, to be changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from bidilab.lab.datasets.dataset import Dataset
from bidilab.lab.datasets.safepaths import made_whole

__all__ = ["copy_dataset"]


def copy_dataset(
    dataset: Dataset | str | os.PathLike[str], dest: str | os.PathLike[str], *, force: bool = False
) -> Dataset:
    """Copy the folder of a dataset, whole or not at all.

    Parameters
    ----------
    dataset
        The dataset, its folder, or the name of one that comes with bidilab. For a part of a dataset, the whole folder
        is copied.
    dest
        Folder to make.
    force
        Whether an earlier dataset there may be replaced.

    Raises
    ------
    DatasetError
        If there is no such dataset, or ``dest`` exists and is not to be replaced.
    OSError
        If a part of it cannot be read.

    Examples
    --------
    ::

        mine = bl.datasets.copy("overlap-mini", "my-mini")
        bl.LabelEditor(mine)
    """
    given = Dataset.of(dataset)
    target = Path(dest)
    with made_whole(target, force=force) as partial:
        for folder, _, names in os.walk(given.root, followlinks=True, onerror=_raise):
            copy = partial / Path(folder).relative_to(given.root)
            copy.mkdir(exist_ok=True)
            for name in names:
                shutil.copyfile(Path(folder, name), copy / name)  # without its mode: one's own, even of a read-only one
    return Dataset.load(target)


def _raise(error: OSError) -> None:
    raise error
