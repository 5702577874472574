"""What travels with the package: a dataset, the clips of ``noise="babble"``, and notebooks.

A wheel holds them in ``bidilab/bundled``. A source checkout has them in the project's own folders, from which the wheel
is built (``pyproject.toml``, ``tool.hatch.build.targets.wheel.sources``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal

from bidilab.core.errors import DatasetError

__all__ = [
    "BUNDLED_DATASETS",
    "bundled_clips",
    "bundled_dataset",
    "bundled_name",
    "bundled_notebooks",
    "bundled_recipe",
]

BUNDLED_DATASETS: Final = ("overlap-mini",)
"""Names that stand for a dataset where no path has them; with ``.yaml`` they are those of the recipes."""

_PACKAGE: Final = Path(__file__).resolve().parents[1]


def _folder(name: Literal["datasets", "notebooks"]) -> Path:
    """Where the project's folder of this name lies now.

    Raises
    ------
    DatasetError
        If it is nowhere: the package was copied or packed without it.
    """
    in_wheel, checkout = _PACKAGE / "bundled" / name, _PACKAGE.parent
    if in_wheel.is_dir():
        return in_wheel
    if (checkout / "pyproject.toml").is_file() and (checkout / name).is_dir():
        return checkout / name
    raise DatasetError(f"the {name} that come with bidilab are missing ({in_wheel}); install bidilab again")


def bundled_dataset(given: str | os.PathLike[str]) -> Path:
    """The folder of a dataset: the path that was given if it exists, else that of the bundled one of this name.

    A name that is neither is given back as it is.

    Raises
    ------
    DatasetError
        If the name is of a dataset that ought to be bundled, and is not.
    """
    path = Path(given)
    if path.exists() or str(path) not in BUNDLED_DATASETS:
        return path
    return _folder("datasets") / path.name


def bundled_name(root: Path) -> str | None:
    """The name of the bundled dataset that a folder is, if it was opened by that name; else ``None``."""
    if root.name not in BUNDLED_DATASETS:
        return None
    try:
        return root.name if root == _folder("datasets") / root.name else None
    except DatasetError:
        return None


def bundled_recipe(given: str | os.PathLike[str]) -> Path:
    """The file of a recipe: the path that was given if it exists, else that of the bundled one of this name.

    Raises
    ------
    DatasetError
        As `bundled_dataset`.
    """
    path = Path(given)
    if path.exists() or str(path) not in [f"{name}.yaml" for name in BUNDLED_DATASETS]:
        return path
    return _folder("datasets") / path.name


def bundled_clips() -> Path:
    """The folder of speech clips: one folder per voice.

    Raises
    ------
    DatasetError
        If they are not installed.
    """
    return _folder("datasets") / "clips"


def bundled_notebooks() -> list[Path]:
    """The notebooks, by name.

    Raises
    ------
    DatasetError
        If they are not installed.
    """
    return sorted(_folder("notebooks").glob("*.ipynb"))
