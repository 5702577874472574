"""``bidilab judge``: how the agent of recorded calls behaved when somebody spoke over it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bidilab.cli.options import check_folder
from bidilab.core.errors import InvalidParameterError

if TYPE_CHECKING:
    from bidilab.lab.judge import JudgedCalls

__all__ = ["judge_command"]


def judge_command(
    calls: Annotated[Path, typer.Argument(help="A recording of two channels, or a folder of them.")],
    trace: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="What the stack told of the calls: a trace, or a folder of them by the names of the calls. LiveKit's "
            "report and spans, Vapi, Retell, OpenAI's events, Twilio's streams, Pipecat, Strands, our own logs.",
        ),
    ] = None,
    user_channel: Annotated[
        int | None,
        typer.Option(
            metavar="1|2",
            help="Which channel is the user's, counted from 1. LiveKit, Pipecat and Twilio write the user first.",
        ),
    ] = None,
    max_yield_ms: Annotated[
        float,
        typer.Option(
            metavar="MS",
            help="An agent that speaks on for so long past the user's onset, and past the user's end, has not yielded.",
        ),
    ] = 2000.0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Folder for the report and the tables; [b]judged-NAME[/b] beside you when not given."
        ),
    ] = None,
    max_clips: Annotated[int, typer.Option(metavar="N", help="Most clips in the report, of about 40 kB each.")] = 200,
    what_if: Annotated[
        str | None,
        typer.Option(
            metavar="KEY=VALUE,…",
            help="Say what another setting would have done: threshold=0.6,min_interruption_ms=250. Also "
            "silence_duration_ms and min_speech_ms; what is not named stays as it was.",
        ),
    ] = None,
    as_recorded: Annotated[
        str | None,
        typer.Option(
            metavar="KEY=VALUE,…", help="For --what-if: the setting in force, where no trace states it; written alike."
        ),
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Also make a dataset of the calls in this folder, with proposed labels, to mend and sweep.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier dataset.")] = False,
    progress: Annotated[bool, typer.Option(help="Show a progress bar.")] = True,
) -> None:
    """Judge recorded calls of any agent: how fast it yields, how often it stops for nothing, how fast it answers.

    All it needs is a recording with the two sides on channels of their own; a mix of both is refused. What was heard
    in each call is kept, so that a run that was stopped goes on, and the same calls are judged anew in no time. A
    recording that cannot be judged is named, and the others go on.

    From the sound alone it is seldom sure whether a response was cut or had ended. Then the probability is counted, and
    said. Times are those of the last audible sample.

    [b]Examples[/b]

        bidilab judge calls/ --user-channel 1

        bidilab judge audio.ogg --trace report.json --what-if threshold=0.6

        bidilab judge call.wav --user-channel 2 --out judged --dataset my-calls
    """
    folder = out or Path(f"judged-{calls.resolve().stem}")
    check_folder("--out", folder)
    if dataset is not None:
        from bidilab.lab.datasets.safepaths import check_target

        check_target(dataset, force=force)
    from bidilab.core.places import held

    other = None if what_if is None else _read_setting("--what-if", what_if)
    was = None if as_recorded is None else _read_setting("--as-recorded", as_recorded)
    from bidilab.lab.judge import judge

    console = Console()
    with held(folder):  # before the work, so that nobody works for an hour to be told then
        judged = judge(calls, trace=trace, user_channel=user_channel, max_yield_ms=max_yield_ms, progress=progress)
        _show(judged, console)  # the answer first, whatever becomes of the files
        with console.status("writing tables and the report"):
            judged.to_csv(folder)
            judged.report(folder / "report.html", max_clips=max_clips)
    if other is not None:
        _answer(judged, other, was, folder, console, progress=progress)
    if dataset is not None:
        judged.to_dataset(dataset, force=force)
        console.print(f"\nDataset: {escape(str(dataset))}. Mend its labels, then", highlight=False)
        console.print(f"  bidilab sweep {shlex.quote(str(dataset))}", highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"\nReport: {folder / 'report.html'} (tables beside it)", markup=False, highlight=False, soft_wrap=True
    )


_KNOBS = ("threshold", "silence_duration_ms", "min_speech_ms", "min_interruption_ms")


def _read_setting(option: str, text: str) -> dict[str, float]:
    """``threshold=0.6,min_interruption_ms=250`` by name."""
    setting = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if name not in _KNOBS or not equals:
            raise InvalidParameterError(option, f"key=value with commas between, keys {', '.join(_KNOBS)}", part)
        try:
            setting[name] = float(value)
        except ValueError as error:
            raise InvalidParameterError(option, f"a number for {name}", value) from error
    return setting


def _answer(
    judged: JudgedCalls,
    other: dict[str, float],
    was: dict[str, float] | None,
    folder: Path,
    console: Console,
    *,
    progress: bool,
) -> None:
    """Say what another setting would have done, and write its table."""
    from bidilab.core.csvtext import write_csv
    from bidilab.core.files import written_whole
    from bidilab.detect.turns import Guards
    from bidilab.lab.judge.whatif import in_force

    def split(setting: dict[str, float]) -> tuple[dict[str, float], Guards]:
        knobs = {name: value for name, value in setting.items() if name != "min_interruption_ms"}
        return knobs, Guards(min_interruption_ms=setting.get("min_interruption_ms", 0))

    knobs_before, guards_before = split(was or {})
    before = in_force(judged).replace(**knobs_before)
    knobs, guards = split({**(was or {}), **other})
    answer = judged.what_if(
        before.replace(**knobs),
        guards=guards,
        as_recorded=before,
        guards_as_recorded=guards_before,
        progress=progress,
    )
    with written_whole(folder / "what-if.csv") as partial:
        write_csv(answer.table, partial, index=False)
    console.print(f"\n{answer}", markup=False, highlight=False, soft_wrap=True)


def _show(judged: JudgedCalls, console: Console) -> None:
    from bidilab.lab.judge.said import said_of

    table = Table(box=box.SIMPLE, show_header=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    for heading, text in said_of(judged):
        table.add_row(escape(heading), escape(text))
    console.print(table, highlight=False)
