"""``bidilab datasets import``: a corpus on disk becomes a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bidilab.cli.stopping import Stopped
from bidilab.core.errors import InvalidParameterError

__all__ = ["import_command"]


def import_command(
    corpus_format: Annotated[str, typer.Argument(metavar="FORMAT", help="One of the formats above.")],
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="Folder of the corpus, or a file of labels. Only read.")
    ],
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="Folder to make. It appears whole or not at all.")],
    agent: Annotated[
        str | None,
        typer.Option(help="Speaker who plays the agent; '@most': whoever speaks most in each recording."),
    ] = None,
    user: Annotated[str | None, typer.Option(help="Speaker who is the user; all but the agent when not given.")] = None,
    user_channel: Annotated[int | None, typer.Option(help="Channel of the user in files of several, from 1.")] = None,
    user_files: Annotated[
        str | None, typer.Option(help="calls: name of the user's mono file, as '{id}-customer.wav'.")
    ] = None,
    agent_files: Annotated[
        str | None, typer.Option(help="calls: name of the agent's mono file, as '{id}-bot.wav'.")
    ] = None,
    audio: Annotated[Path | None, typer.Option(help="Folder of the audio, where it is not SRC.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the dataset; that of DEST when not given.")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence to note, as an SPDX expression or in words.")] = None,
    label: Annotated[
        bool, typer.Option("--label", help="Then propose labels where there are none, as 'datasets label' does.")
    ] = False,
    force: Annotated[bool, typer.Option(help="Replace an earlier dataset in DEST.")] = False,
    progress: Annotated[bool, typer.Option(help="Show a progress bar.")] = True,
) -> None:
    """Import a corpus as a dataset. Exit code 1 when something in it could not be taken.

    [b]Formats[/b]

    [b]calls[/b]  two-channel calls (--user-channel) or pairs of mono files; no labels

    [b]rttm[/b]  speaker turns, with a UEM where there is one

    [b]audacity[/b]  label tracks: a speaker or a kind of segment, and a text

    [b]textgrid[/b]  Praat, long and short form: a tier for each speaker or kind

    [b]segjson[/b]  SegLST, CHiME, DiPCo and NOTSOFAR JSON

    [b]stm[/b], [b]ctm[/b]  segments and words of NIST's scoring tools

    [b]turns[/b]  lines 'start end A: text'

    [b]ami[/b]  AMI headsets, words and segments (--agent and --user are letters)

    [b]fdb[/b]  Full-Duplex-Bench v1.0 and v1.5; an output.wav is the agent

    [b]clips[/b]  ESC-50 and TEN-VAD sounds, for the recipes of 'datasets build'

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
    given: dict[str, Any] = {
        "agent": agent,
        "user": user,
        "user_channel": user_channel,
        "user_files": user_files,
        "agent_files": agent_files,
        "audio": audio,
        "name": name,
    }
    options = {key: value for key, value in given.items() if value is not None}
    taken = FORMATS[corpus_format].options
    for key in options:
        if key not in taken:
            words = ", ".join(f"--{option.replace('_', '-')}" for option in taken) or "none of them"
            raise InvalidParameterError(f"options of {corpus_format}", words, f"--{key.replace('_', '-')}")
    if label and corpus_format == "clips":
        raise InvalidParameterError("options of clips", "without --label: clips are no recordings", "--label")
    if licence is not None:
        options["licence"] = licence
    result = FORMATS[corpus_format].run(source, dest, force=force, progress=progress, **options)
    typer.echo(repr(result))
    try:
        labelled = proposed_labels(dest, progress=progress) if label else None
    except KeyboardInterrupt as stop:
        raise Stopped(f"the import is whole, and 'bidilab datasets label {dest}' goes on with the labels") from stop
    if labelled is not None:
        typer.echo(repr(labelled))
    if result.problems or (labelled is not None and labelled.problems):
        raise typer.Exit(1)
