"""``bidilab datasets import``: a corpus on disk becomes a dataset."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from bidilab.cli.stopping import Stopped
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.importoptions import IMPORT_OPTIONS, ImportOption, flags

__all__ = ["import_command"]


def import_command(
    corpus_format: Annotated[str, typer.Argument(metavar="FORMAT", help="One of the formats above.")],
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="Folder of the corpus, or a file of labels. Only read.")
    ],
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="Folder to make. It appears whole or not at all.")],
    label: Annotated[
        bool, typer.Option("--label", help="Then propose labels where there are none, as 'datasets label' does.")
    ] = False,
    force: Annotated[bool, typer.Option(help="Replace an earlier dataset in DEST.")] = False,
    progress: Annotated[bool, typer.Option(help="Show a progress bar.")] = True,
    **given: Any,
) -> None:
    """Import a corpus as a dataset. Exit code 1 when something in it could not be taken.

    [b]Formats[/b]

        [b]calls[/b]      two-channel calls (--user-channel), or pairs of mono files
        [b]rttm[/b]       speaker turns, with a UEM where there is one
        [b]audacity[/b]   label tracks: a speaker or a kind of segment, and a text
        [b]textgrid[/b]   Praat, long and short form: a tier for each speaker or kind
        [b]segjson[/b]    SegLST, CHiME, DiPCo and NOTSOFAR JSON
        [b]stm[/b], [b]ctm[/b]   segments and words of NIST's scoring tools
        [b]turns[/b]      lines 'start end A: text'
        [b]ami[/b]        AMI headsets, words, segments (--agent and --user are letters)
        [b]fdb[/b]        Full-Duplex-Bench v1.0 and v1.5; an output.wav is the agent
        [b]eotbench[/b]   Parquet of eot-bench: a recording is a turn of the user
        [b]turnbench[/b]  Parquet of TurnBench (--user-channel is the speaker)
        [b]clips[/b]      ESC-50 and TEN-VAD sounds, for recipes of 'datasets build'

    Label files name their audio: NAME.rttm, or a line of it, goes with NAME.wav
    (any audio suffix, any depth) or with NAME_SPEAKER.wav for each speaker.

    Kinds that a corpus does not give are proposed by rule and marked so.

    A recording with a fault is left out and told by file and line; the rest goes
    on. An import that was stopped goes on where it was.

    [b]Examples[/b]

        bidilab datasets import calls recordings my-calls --user-channel 1 --label

        bidilab datasets import rttm ami ami-dataset --agent @most
    """
    from bidilab.lab.datasets import label as proposed_labels
    from bidilab.lab.datasets.corpora import FORMATS

    if corpus_format not in FORMATS:
        raise InvalidParameterError("FORMAT", f"one of {', '.join(FORMATS)}", corpus_format)
    options = {key: value for key, value in given.items() if value is not None}
    taken = FORMATS[corpus_format].options
    for key in options:
        if key not in taken:
            raise InvalidParameterError(f"options of {corpus_format}", flags(taken), IMPORT_OPTIONS[key].flag)
    if label and corpus_format == "clips":
        raise InvalidParameterError(
            "options of clips", "given without --label, because clips are not recordings", "--label"
        )
    result = FORMATS[corpus_format].run(source, dest, force=force, progress=progress, **options)
    typer.echo(repr(result))
    try:
        labelled = proposed_labels(dest, progress=progress) if label else None
    except KeyboardInterrupt as stop:
        raise Stopped(f"the import is complete; 'bidilab datasets label {dest}' continues with the labels") from stop
    if labelled is not None:
        typer.echo(repr(labelled))
    if result.problems or (labelled is not None and labelled.problems):
        raise typer.Exit(1)


def _with_options(command: Any) -> Any:
    """The command with every option of `IMPORT_OPTIONS` in the place of ``**given``, as typer reads signatures."""

    def parameter(option: ImportOption) -> inspect.Parameter:
        annotation = Annotated[option.type | None, typer.Option(option.flag, metavar=option.metavar, help=option.help)]  # type: ignore[name-defined]
        return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)

    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "given"]
    arguments = [p for p in own if p.default is inspect.Parameter.empty]
    flagged = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own if p not in arguments]
    declared = [parameter(option) for option in IMPORT_OPTIONS.values() if not option.only_in_python]
    command.__signature__ = inspect.Signature([*arguments, *declared, *flagged])
    return command


_with_options(import_command)
