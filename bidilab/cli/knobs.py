"""``bidilab probe-provider``: which settings of a provider's detector are in effect."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bidilab.cli.options import check_folder, check_parent, read_key
from bidilab.core.errors import InvalidParameterError

__all__ = ["probe_provider_command"]

NOT_OURS, IGNORED = 3, 1


def probe_provider_command(
    provider: Annotated[
        str, typer.Argument(help="openai, gemini, or the ws:// URL of a server that speaks OpenAI's Realtime protocol.")
    ],
    threshold: Annotated[float, typer.Option(metavar="P", help="Threshold to ask for.")] = 0.7,
    prefix_padding_ms: Annotated[int, typer.Option(metavar="MS", help="Prefix padding to ask for.")] = 200,
    silence_duration_ms: Annotated[int, typer.Option(metavar="MS", help="Silence duration to ask for.")] = 700,
    duration_s: Annotated[
        float, typer.Option(metavar="SECONDS", help="Seconds of speech to send: 90 tell a threshold to 0.01.")
    ] = 90,
    audio: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Send this recording instead; of several channels the first.")
    ] = None,
    key_env: Annotated[
        str | None,
        typer.Option(
            metavar="VARIABLE", help="With a URL: environment variable that holds the key, where one is needed."
        ),
    ] = None,
    session: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder to keep the session in: log and audio.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write what was found to this .json file.")] = None,
) -> None:
    """Find out whether a provider obeys the settings that you ask for, before you spend a week on sweeping them.

    Known speech is sent in real time, and the positions at which the provider says that speech started and stopped are
    read back. Settings of our detector are fitted to them. You see the setting that explains them best, how well (1 is
    perfect; below 0.9 the provider has another detector, and no setting is given), all settings that explain them as
    well, and knobs that were ignored. Ask for other values than the defaults: a knob that is ignored shows only then.

    The provider charges for the audio that it hears; no response is asked for. Nova Sonic tells no positions of speech.
    Exits with 1 if a knob was ignored, and with 3 if the detector is not ours.

    [b]Examples[/b]

        bidilab probe-provider openai --silence-duration-ms 900

        bidilab probe-provider ws://127.0.0.1:8765/v1/realtime --duration-s 45
    """
    if out is not None:
        if out.suffix != ".json":
            raise InvalidParameterError("--out", "a .json file", str(out))
        check_parent("--out", out)
    if session is not None:
        check_folder("--session", session)
    from bidilab.detect.turns import ServerVad
    from bidilab.lab.knobs import knob_speech, probe_provider

    asked = ServerVad(threshold=threshold, prefix_padding_ms=prefix_padding_ms, silence_duration_ms=silence_duration_ms)
    found = probe_provider(
        provider,
        asked,
        audio=audio if audio is not None else knob_speech(duration_s),
        api_key=read_key(key_env),
        out=session,
    )
    typer.echo(str(found))
    if out is not None:
        out.write_text(json.dumps(found.to_dict(), indent=2) + "\n", "utf-8")
        typer.echo(f"written: {out}")
    if not found.ours:
        raise typer.Exit(NOT_OURS)
    if found.ignored:
        raise typer.Exit(IGNORED)
