"""A copy of a dataset in a folder of one's own, to be changed."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from bidilab.core.files import telling_of_a_full_disk
from bidilab.core.places import held
from bidilab.lab.datasets.dataset import Dataset
from bidilab.lab.datasets.safepaths import check_target, put_in_place

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

    Examples
    --------
    ::

        mine = bl.datasets.copy("overlap-mini", "my-mini")
        bl.LabelEditor(mine)
    """
    given = dataset if isinstance(dataset, Dataset) else Dataset.load(dataset)
    target = Path(dest)
    check_target(target, force=force)
    with held(target), telling_of_a_full_disk(target):
        check_target(target, force=force)  # another may have made it meanwhile
        partial = target.parent / f".{target.name}.{os.getpid()}.part"
        shutil.rmtree(partial, ignore_errors=True)
        try:
            shutil.copytree(given.root, partial, copy_function=shutil.copyfile)
            for folder in (partial, *(path for path in partial.rglob("*") if path.is_dir())):
                folder.chmod(folder.stat().st_mode | stat.S_IRWXU)  # one's own, even of a read-only one
            put_in_place(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return Dataset.load(target)
