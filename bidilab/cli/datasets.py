"""``bidilab datasets``: what there is, what is in one or wrong with it; building, importing and labelling one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bidilab.cli.helping import HelpfulCommand, HelpfulGroup
from bidilab.cli.importing import import_command
from bidilab.core.bundled import bundled_dataset
from bidilab.core.errors import DatasetError, InvalidParameterError

__all__ = ["app"]

app = typer.Typer(
    cls=HelpfulGroup,
    help="List, describe, check, copy, build, import and label datasets.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.command("import", cls=HelpfulCommand)(import_command)
_DatasetArgument = Annotated[
    Path,
    typer.Argument(
        help="Folder of a dataset (dataset.json, manifest.jsonl, audio/), or one that comes with bidilab: overlap-mini."
    ),
]


def _in_a_line(root: Path) -> str:
    """Return one line about a dataset: what is in it, or that it cannot be used."""
    from bidilab.lab.datasets import Dataset

    try:
        dataset = Dataset.load(root)
    except DatasetError as error:
        n = len(error.problems)
        return f"[red]not usable: {n} problem{'s' if n != 1 else ''}[/red]"
    n_segments = sum(len(recording.segments) for recording in dataset)
    return escape(
        f"{dataset.name} {dataset.version}: {len(dataset)} recordings, {dataset.duration_s / 60:.1f} min, "
        f"{n_segments} segments, {dataset.licence}"
    )


@app.command("list", cls=HelpfulCommand)
def list_command(
    folder: Annotated[Path, typer.Argument(help="Folder whose sub-folders are looked at.")] = Path("datasets"),
) -> None:
    """List the datasets in a folder, sound or not.

    [b]Example[/b]

        bidilab datasets list datasets
    """
    from bidilab.lab.datasets.manifest import DATASET_FILE

    if not folder.is_dir():
        raise InvalidParameterError("FOLDER", "a folder that exists", str(folder))
    found = sorted(path.parent for path in folder.glob(f"*/{DATASET_FILE}"))
    console = Console()
    if not found:
        console.print(f"no datasets in {escape(str(folder))}")
        return
    table = Table(box=box.SIMPLE)
    for heading in ("folder", "what is in it"):
        table.add_column(heading, overflow="fold")  # never cut short, on however narrow a terminal
    for root in found:
        table.add_row(escape(str(root)), _in_a_line(root))
    console.print(table)


@app.command("info", cls=HelpfulCommand)
def info_command(dataset: _DatasetArgument) -> None:
    """Say what is in a dataset.

    [b]Example[/b]

        bidilab datasets info overlap-mini
    """
    from bidilab.lab.datasets import Dataset

    typer.echo(repr(Dataset.load(dataset)))


@app.command("validate", cls=HelpfulCommand)
def validate_command(
    dataset: _DatasetArgument,
    shallow: Annotated[
        bool, typer.Option("--shallow", help="Check the manifest and that files exist; open no audio.")
    ] = False,
) -> None:
    """Check a dataset and list every problem with file and line; exit code 1 when there is any.

    [b]Example[/b]

        bidilab datasets validate overlap-mini
    """
    from bidilab.lab.datasets import validate

    if not bundled_dataset(dataset).is_dir():
        raise InvalidParameterError("DATASET", "a folder that exists", str(dataset))
    problems = validate(dataset, deep=not shallow)
    for problem in problems:
        typer.echo(str(problem))
    if problems:
        typer.echo(f"{dataset}: {len(problems)} problem{'s' if len(problems) != 1 else ''}", err=True)
        raise typer.Exit(1)
    depth = "manifest and files (audio not opened)" if shallow else "manifest and audio"
    typer.echo(f"{dataset}: no problems; checked {depth}")


@app.command("copy", cls=HelpfulCommand)
def copy_command(
    dataset: _DatasetArgument,
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="Folder to make. It appears whole or not at all.")],
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier dataset in DEST.")] = False,
) -> None:
    """Copy a dataset to a folder of your own, to listen to it and to change its labels.

    [b]Example[/b]

        bidilab datasets copy overlap-mini my-mini
    """
    from bidilab.lab.datasets import copy

    copied = copy(dataset, dest, force=force)
    typer.echo(f"{dest}: {len(copied)} recordings")


@app.command("build", cls=HelpfulCommand)
def build_command(
    recipe: Annotated[
        Path,
        typer.Argument(
            help="YAML recipe: voices, scenarios, conditions, recordings. overlap-mini.yaml comes with bidilab."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to make. It appears whole or not at all.")],
    clips: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Folder that the recipe's folders are relative to; 'clips' beside it when not given."
        ),
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace an earlier dataset in the folder.")] = False,
) -> None:
    """Build a dataset from a recipe and a folder of clips: your own, or those that come with bidilab.

    The same recipe and clips give the same samples and labels.

    [b]Examples[/b]

        bidilab datasets build overlap-mini.yaml --out my-mini

        bidilab datasets build my.yaml --clips ~/recordings --out my-dataset
    """
    from bidilab.lab.datasets import build

    dataset = build(recipe, out, clips=clips, force=force)
    typer.echo(repr(dataset))


@app.command("apply-condition", cls=HelpfulCommand)
def apply_condition_command(
    dataset: _DatasetArgument,
    condition: Annotated[str, typer.Argument(help="NAME=VALUE with commas between, as 'snr_db=10,noise=babble'.")],
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="Folder to make. It appears whole or not at all.")],
    force: Annotated[bool, typer.Option(help="Replace an earlier dataset in DEST.")] = False,
    progress: Annotated[bool, typer.Option(help="Show a progress bar.")] = True,
) -> None:
    """Write a dataset with its users made harder to hear: noise, echo, telephone, codec, lost packets. Labels hold.

    A sweep under conditions needs no such copy: see 'bidilab sweep --condition'.

    [b]Examples[/b]

        bidilab datasets apply-condition overlap-mini codec=pcmu mini-telephone

        bidilab datasets apply-condition my-calls snr_db=5,noise=street.wav noisy
    """
    from bidilab.lab.datasets import Dataset

    typer.echo(repr(Dataset.load(dataset).with_condition(condition, dest, force=force, progress=progress)))


@app.command("label", cls=HelpfulCommand)
def label_command(
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="Folder of a dataset. Its manifest gets the labels.")],
    progress: Annotated[bool, typer.Option(help="Show a progress bar.")] = True,
) -> None:
    """Propose labels for recordings that have none. Exit code 1 when any could not be labelled;
    it is named with its error, and the others are labelled all the same.

    Labels that were given or confirmed are never changed. What was stopped goes
    on where it was. How it is done, and how exact: docs/labelling.md.

    [b]Example[/b]

        bidilab datasets label my-calls
    """
    from bidilab.lab.datasets import label

    result = label(dest, progress=progress)
    typer.echo(repr(result))
    if result.problems:
        raise typer.Exit(1)
