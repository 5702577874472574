"""The `bidilab` command: mounts the sub-commands, and turns errors of the caller into one line and exit code 2."""

from __future__ import annotations

import errno
import sys
from typing import Annotated

import typer

from bidilab import __version__
from bidilab.cli import datasets, probe, replay, serve, sweep
from bidilab.cli.naming import NamingCommand
from bidilab.cli.stopping import Stopped, told_of_a_stop
from bidilab.core.errors import BidilabError

__all__ = ["app", "main"]

_REFUSALS = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG),
)
"""What a file system says no with: the user's to mend, and not a fault of the program."""

STOPPED_BY_CTRL_C = 130  # what typer makes of KeyboardInterrupt: 128 + SIGINT

app = typer.Typer(
    name="bidilab",
    help="Measure and tune interruptions (barge-in) in voice agents.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command("sweep", cls=NamingCommand)(sweep.sweep_command)
app.command("replay", cls=NamingCommand)(replay.replay_command)
app.command("serve")(serve.serve_command)
app.command("probe-client")(probe.probe_command)
app.add_typer(datasets.app, name="datasets")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bidilab {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; a mistake of the caller, or a disk that refuses, is one line on stderr and exit code 2;
    Ctrl-C is 130.
    """
    try:
        app()
    except Stopped as stop:
        typer.echo(f"\nbidilab: stopped; {stop}", err=True)
        sys.exit(STOPPED_BY_CTRL_C)
    except BidilabError as error:
        typer.secho(f"bidilab: {error}", err=True, fg=typer.colors.RED)
        sys.exit(2)
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        where = f"{error.filename}: " if error.filename is not None else ""
        typer.secho(f"bidilab: {where}{error.strerror}", err=True, fg=typer.colors.RED)
        sys.exit(2)
    except SystemExit as stop:
        if stop.code == STOPPED_BY_CTRL_C:
            typer.echo(f"\nbidilab: {told_of_a_stop(sys.argv[1:])}", err=True)
        raise
