"""``bidilab check``: the gate of a build, by exit code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bidilab.cli.options import check_parent, read_scalar
from bidilab.core.errors import InvalidParameterError

if TYPE_CHECKING:
    from bidilab.lab.gate import CheckReport

__all__ = ["check_command"]

_LIMITS = "Limits"
_BASELINE = "Against an older result"
_OUTPUT = "Output"


def check_command(
    result: Annotated[
        Path,
        typer.Argument(
            help="Folder of [b]bidilab sweep[/b], of [b]bidilab judge[/b], of a replay or with one folder per replay; "
            "or the .json of [b]bidilab probe-client[/b]."
        ),
    ],
    max_: Annotated[
        list[str] | None,
        typer.Option(
            "--max",
            metavar="NAME=VALUE",
            rich_help_panel=_LIMITS,
            help="The most that a metric may be; may be given several times. Rates are in [0, 1], times in "
            "milliseconds. A wrong name lists the right ones.",
        ),
    ] = None,
    min_: Annotated[
        list[str] | None,
        typer.Option("--min", metavar="NAME=VALUE", rich_help_panel=_LIMITS, help="The least that a metric may be."),
    ] = None,
    proof: Annotated[
        bool,
        typer.Option(
            "--proof",
            rich_help_panel=_LIMITS,
            help="Pass only what is shown to be within its limit. Without it, what the data allow passes.",
        ),
    ] = False,
    setting: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            rich_help_panel=_LIMITS,
            help="Of a sweep: a row, or knobs such as [b]threshold=0.6,silence_duration_ms=500[/b], at values that "
            "were swept. The recommended setting when not given.",
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="OLD",
            rich_help_panel=_BASELINE,
            help="An older result of the same kind; no metric that is named may be worse than there.",
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", rich_help_panel=_BASELINE, help="A metric that is only compared with the baseline."
        ),
    ] = None,
    margin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", rich_help_panel=_BASELINE, help="By how much a metric may be worse; 0 if not given."
        ),
    ] = None,
    baseline_setting: Annotated[
        str | None,
        typer.Option(metavar="SPEC", rich_help_panel=_BASELINE, help="As --setting, of the baseline."),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option(metavar="FILE", rich_help_panel=_OUTPUT, help="Write JUnit XML, which CI systems show."),
    ] = None,
    json_: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", rich_help_panel=_OUTPUT, help="Write the report as JSON.")
    ] = None,
) -> None:
    """Check a result against limits, and against an older result; made for CI.

    A metric fails only when it is surely beyond its limit: its one-sided 95 %
    bound is. It passes only when the bound on the other side is within. In
    between it is inconclusive, which is a warning; with --proof it is exit
    code 3. So an unchanged build hardly ever fails by chance.

    Of a sweep the recommended setting is judged; without --max and --min it
    is held to the limits that the sweep was made with. Against a baseline,
    recordings that both have are compared pairwise. Gate on a fixed set of
    recordings: there an unchanged build does not differ at all.

    [b]Examples[/b]

        bidilab check sweep-calls --max false_interruption_rate=0.40

        bidilab check sweep-calls --max missed_rate=0.15 --junit gate.xml

        bidilab check sweep-calls --min stopped_within_500ms_rate=0.75 --proof

        bidilab check sweep-new --baseline sweep-old --metric missed_rate

        bidilab check sweep-calls --setting threshold=0.6 --max missed_rate=0.2

        bidilab check judged-calls --max false_rate=0.1 --max yield_p90_ms=600

        bidilab check probe.json --max leak_ms_p90=300

    Exit code: 0 passed, perhaps with warnings; 1 something surely fails, or
    the sweep recommends no setting; 2 an unknown metric, fewer than 10 events
    or other input that cannot be judged; 3 inconclusive, with --proof.
    """
    from bidilab.lab.gate import check

    for option, file in (("--junit", junit), ("--json", json_)):
        if file is not None:
            check_parent(option, file)
    report = check(
        result,
        max=_limits("--max", max_),
        min=_limits("--min", min_),
        baseline=baseline,
        metrics=metric or (),
        margin=_limits("--margin", margin),
        setting=_setting("--setting", setting),
        baseline_setting=_setting("--baseline-setting", baseline_setting),
        proof=proof,
    )
    _show(report)
    if junit is not None:
        report.to_junit(junit)
    if json_ is not None:
        report.to_json(json_)
    raise typer.Exit(report.exit_code)


def _show(report: CheckReport) -> None:
    typer.echo(str(report))
    for warning in report.warnings:
        typer.secho(f"warning: {warning}", err=True, fg=typer.colors.YELLOW)


def _limits(option: str, given: Sequence[str] | None) -> dict[str, float] | None:
    """``NAME=VALUE`` of each; ``None`` where none is given."""
    if not given:
        return None
    limits: dict[str, float] = {}
    for text in given:
        name, equals, value = (part.strip() for part in text.partition("="))
        number = read_scalar(value)
        if not equals or not name or name in limits or isinstance(number, str):
            raise InvalidParameterError(option, "NAME=NUMBER, each name once", text)
        limits[name] = number
    return limits


def _setting(option: str, text: str | None) -> int | dict[str, Any] | None:
    """A row, or knobs as ``name=value`` with commas between; a condition may hold commas itself, and stands last."""
    if text is None:
        return None
    if re.fullmatch(r"\s*\d+\s*", text):
        return int(text)
    before, found, condition = text.partition("condition=")
    knobs: dict[str, Any] = {"condition": condition.strip()} if found else {}
    for part in filter(None, (part.strip() for part in before.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        number = read_scalar(value)
        if not equals or name in knobs or isinstance(number, str):
            raise InvalidParameterError(option, "a row, or NAME=NUMBER with commas between, each name once", text)
        knobs[name] = number
    return knobs
