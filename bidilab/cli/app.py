"""The `bidilab` command: sub-commands, help that lists what is registered, a caller's errors as one line and exit 2."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Annotated, Any, Final

import typer

from bidilab import __version__
from bidilab.cli import check, datasets, doctor, judge, knobs, notebooks, probe, replay, serve, sweep
from bidilab.cli.helping import HelpfulCommand, HelpfulGroup
from bidilab.cli.stopping import Stopped, told_of_a_stop
from bidilab.core.collecting import collecting_rarely, end_without_collecting
from bidilab.core.errors import BidilabError

__all__ = ["NamingCommand", "app", "main"]


def _models() -> Iterable[str]:
    from bidilab.bidi.providers.registry import PROVIDERS

    return ("local", *PROVIDERS)


def _swept() -> Iterable[str]:
    from bidilab.detect.turns.providers import SWEPT_PROVIDERS

    return SWEPT_PROVIDERS


def _targets() -> Iterable[str]:
    from bidilab.detect.turns import EXPORT_TARGETS

    return EXPORT_TARGETS


def _weights() -> Iterable[str]:
    from bidilab.lab.sweep import Weights

    costs = Weights()
    return [f"{name}={Fraction(getattr(costs, name)).limit_denominator(100)}" for name in Weights.__dataclass_fields__]


def _one_of(names: Iterable[str]) -> str:
    *most, last = (f"[b]{name}[/b]" for name in names)
    return f"{', '.join(most)} or {last}" if most else last


_NAMES: Final[Mapping[str, Callable[[], str]]] = {
    "{models}": lambda: _one_of(_models()),
    "{swept}": lambda: _one_of(_swept()),
    "{targets}": lambda: _one_of(_targets()),
    "{weights}": lambda: f"[b]{', '.join(_weights())}[/b]",
}


class NamingCommand(HelpfulCommand):
    """A command whose help texts may hold ``{models}``, ``{swept}``, ``{targets}`` and ``{weights}``."""

    names = _NAMES


class ReportingCommand(NamingCommand):
    """A command that leaves a report and ends: it imports and draws much, and makes little garbage."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with collecting_rarely():
            return super().invoke(ctx)


_REFUSALS = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG),
)
"""Errors of the file system that the user must mend; they are no faults of the program."""

STOPPED_BY_CTRL_C = 130  # what typer makes of KeyboardInterrupt: 128 + SIGINT

app = typer.Typer(
    name="bidilab",
    cls=HelpfulGroup,
    help="Measure and tune interruptions (barge-in) in voice agents.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command("sweep", cls=ReportingCommand)(sweep.sweep_command)
app.command("replay", cls=NamingCommand)(replay.replay_command)
app.command("notebooks", cls=HelpfulCommand)(notebooks.notebooks_command)
app.command("check", cls=HelpfulCommand)(check.check_command)
app.command("judge", cls=ReportingCommand)(judge.judge_command)
app.command("serve", cls=HelpfulCommand)(serve.serve_command)
app.command("probe-client", cls=HelpfulCommand)(probe.probe_command)
app.command("doctor", cls=HelpfulCommand)(doctor.doctor_command)
app.command("probe-provider", cls=HelpfulCommand)(knobs.probe_provider_command)
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


def _end_bars() -> None:
    """End the line of a progress bar that an error has left open, so that what is said next has a line of its own."""
    if "tqdm" in sys.modules:
        from tqdm import tqdm

        for bar in list(getattr(tqdm, "_instances", ())):
            bar.close()


def main() -> None:
    """Run the command line; a mistake of the caller, or a disk that refuses, is one line on stderr and exit code 2;
    Ctrl-C is 130.
    """
    end_without_collecting()
    try:
        app()
    except Stopped as stop:
        typer.echo(f"\nbidilab: stopped; {stop}", err=True)
        sys.exit(STOPPED_BY_CTRL_C)
    except BidilabError as error:
        _end_bars()
        typer.secho(f"bidilab: {error}", err=True, fg=typer.colors.RED)
        sys.exit(2)
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        _end_bars()
        where = f"{error.filename}: " if error.filename is not None else ""
        typer.secho(f"bidilab: {where}{error.strerror}", err=True, fg=typer.colors.RED)
        sys.exit(2)
    except SystemExit as stop:
        if stop.code == STOPPED_BY_CTRL_C:
            typer.echo(f"\nbidilab: {told_of_a_stop(sys.argv[1:])}", err=True)
        raise
