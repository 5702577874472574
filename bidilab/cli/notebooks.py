"""``bidilab notebooks``: the notebooks that come with bidilab, ready to run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from bidilab.cli.options import check_folder

__all__ = ["notebooks_command"]


def notebooks_command(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to copy them; it is made.")] = Path(
        "notebooks"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace notebooks of the same names.")] = False,
) -> None:
    """Copy the notebooks that come with bidilab to a folder, ready to run.

    They use recordings that come with bidilab too, and need nothing else.
    Start with 01-sweep.ipynb; each says at its top what it shows.

    [b]Examples[/b]

        bidilab notebooks

        bidilab notebooks my-notebooks
    """
    from bidilab.lab.notebooks import copy_notebooks

    check_folder("FOLDER", folder)
    for path in copy_notebooks(folder, force=force):
        typer.echo(path)
    typer.echo(f"open them: jupyter lab {shlex.quote(str(folder))}")
