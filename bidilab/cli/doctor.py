"""``bidilab doctor``: why an agent is not interrupted, talks on, or is interrupted falsely; `--machine` for devices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from bidilab.cli.options import check_parent, read_key
from bidilab.core.errors import InvalidParameterError

__all__ = ["doctor_command"]


_MACHINE = "The machine"
NOTHING_HEARD = 3


def doctor_command(
    call: Annotated[
        Path | None,
        typer.Argument(help="A recording of two channels, a folder of bidilab replay, or a log or trace alone."),
    ] = None,
    trace: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What the stack told of the call: its report, log or telemetry.")
    ] = None,
    user_channel: Annotated[
        int | None, typer.Option(metavar="1|2", help="The user's channel; not needed where the trace tells.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write what was found to this .json file.")] = None,
    machine: Annotated[
        bool,
        typer.Option(
            "--machine",
            rich_help_panel=_MACHINE,
            help="Look at this machine instead: devices, levels, rates, echo path.",
        ),
    ] = False,
    input_device: Annotated[
        int | None,
        typer.Option(
            metavar="INDEX",
            rich_help_panel=_MACHINE,
            help="Microphone; by default all are heard, the default is judged.",
        ),
    ] = None,
    output_device: Annotated[
        int | None, typer.Option(metavar="INDEX", rich_help_panel=_MACHINE, help="Loudspeaker; else the default.")
    ] = None,
    play: Annotated[
        bool, typer.Option(rich_help_panel=_MACHINE, help="Play two sweeps of a second and look for them.")
    ] = True,
    provider: Annotated[
        str | None,
        typer.Option(
            metavar="openai|gemini|URL", rich_help_panel=_MACHINE, help="Ask it which settings it says are in effect."
        ),
    ] = None,
    key_env: Annotated[
        str | None,
        typer.Option(
            metavar="VARIABLE", rich_help_panel=_MACHINE, help="With a URL: environment variable that holds the key."
        ),
    ] = None,
) -> None:
    """Find out why an agent is not interrupted, talks on, or stops for nothing, and what to change.

    Facts are measured first: levels, digital silence, clipping, hum, holes, echo, who spoke over whom, what was told.
    Then 28 causes are tested on them, and each that holds is named with its evidence. It says so when it finds nothing.

    With --machine each microphone is heard for 2.5 s (say something) and two short sweeps are played, which tells of
    permission, digital zeros, level, clipping, hum, the real sample rate, overruns and the echo path.

    Exits with 1 if a cause was found; with --machine, with 3 if there was no microphone to judge.

    [b]Examples[/b]

        bidilab doctor call.wav --user-channel 1

        bidilab doctor audio.ogg --trace session_report.json

        bidilab doctor replay-early-clean-01

        bidilab doctor --machine --input-device 3
    """
    if out is not None:
        if out.suffix != ".json":
            raise InvalidParameterError("--out", "a .json file", str(out))
        check_parent("--out", out)
    given = {
        "--input-device": input_device,
        "--output-device": output_device,
        "--provider": provider,
        "--key-env": key_env,
    }
    if machine:
        for name, value in (("CALL", call), ("--trace", trace), ("--user-channel", user_channel)):
            if value is not None:
                raise InvalidParameterError(name, "left out with --machine", str(value))
        if key_env is not None and not (provider or "").startswith(("ws://", "wss://")):
            raise InvalidParameterError("--key-env", "left out unless --provider is the URL of a server", key_env)
        _machine(input_device, output_device, play=play, provider=provider, key_env=key_env, out=out)
        return
    for name, option in {**given, "--no-play": None if play else "given"}.items():
        if option is not None:
            raise InvalidParameterError(name, "left out without --machine", option)
    if call is None:
        raise InvalidParameterError("CALL", "a recording, folder, log or trace; or give --machine", None)
    from bidilab.lab.doctor import doctor

    found = doctor(call, trace=trace, user_channel=user_channel)
    typer.echo(repr(found))
    _write(found.to_dict(), out)
    if found.findings:
        raise typer.Exit(1)


def _machine(
    input_device: int | None,
    output_device: int | None,
    *,
    play: bool,
    provider: str | None,
    key_env: str | None,
    out: Path | None,
) -> None:
    from bidilab.lab.doctor import check_machine

    report = check_machine(
        input_device_index=input_device,
        output_device_index=output_device,
        play=play,
        provider=provider,
        api_key=read_key(key_env),
        on_step=lambda step: typer.echo(f"{step} …", err=True),
    )
    typer.echo(repr(report))
    _write(report.to_dict(), out)
    if report.findings:
        raise typer.Exit(1)
    if report.judged is None:
        raise typer.Exit(NOTHING_HEARD)


def _write(found: dict[str, Any], out: Path | None) -> None:
    from bidilab.core.files import written_whole

    if out is not None:
        with written_whole(out) as partial:
            partial.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", "utf-8")
        typer.echo(f"written: {out}")
