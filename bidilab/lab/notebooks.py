"""The notebooks that come with bidilab, copied to a folder to be run and changed."""

from __future__ import annotations

import os
from pathlib import Path

from bidilab.core.bundled import bundled_notebooks
from bidilab.core.errors import InvalidParameterError
from bidilab.core.files import written_whole

__all__ = ["copy_notebooks"]


def copy_notebooks(folder: str | os.PathLike[str], *, force: bool = False) -> list[Path]:
    """Copy the notebooks to a folder, which is made where it is not there.

    Parameters
    ----------
    folder
        Where to. Other files in it stay as they are.
    force
        Notebooks of the same names may be replaced.

    Returns
    -------
    list of Path
        The copies, by name.

    Raises
    ------
    InvalidParameterError
        If ``folder`` is a file, or holds one of them already and ``force`` is not given.
    DatasetError
        If they are not installed.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise InvalidParameterError("folder", "a folder", str(target))
    notebooks = bundled_notebooks()
    there = [path.name for path in notebooks if (target / path.name).exists()]
    if there and not force:
        allowed = f"a folder without {', '.join(there)} (--force, force=True, replaces them)"
        raise InvalidParameterError("folder", allowed, str(target))
    target.mkdir(parents=True, exist_ok=True)
    for path in notebooks:
        with written_whole(target / path.name) as partial:
            partial.write_bytes(path.read_bytes())
    return [target / path.name for path in notebooks]
