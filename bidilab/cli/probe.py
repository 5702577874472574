"""``bidilab probe-client``: how a client behaves when its user interrupts."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from bidilab.cli.options import VadName, VadOptions, check_folder, check_parent, read_vad
from bidilab.cli.realtime import connection_snippets, read_pace, read_token, read_turn_detection
from bidilab.cli.serve import listening_on, stop_on_signals
from bidilab.core.csvtext import write_csv
from bidilab.core.errors import InvalidParameterError

if TYPE_CHECKING:
    from bidilab.bidi.realtime import RealtimeSettings
    from bidilab.bidi.realtime.probe import ProbeReport
    from bidilab.bidi.realtime.server import ServerSettings
    from bidilab.detect.vad import VadSpec

__all__ = ["probe_command"]

_COLUMNS = (
    ("session", "session"),
    ("pace", "pace"),
    ("at_s", "at\ns"),
    ("generating", "gene-\nrating"),
    ("sent_ms", "sent\nms"),
    ("max_heard_ms", "heard\n≤ ms"),
    ("truncate_after_ms", "truncated\nafter ms"),
    ("audio_end_ms", "says\nheard ms"),
    ("overclaim_ms", "too\nmuch ms"),
    ("max_leak_ms", "leak\n≤ ms"),
    ("n_truncates", "trunc-\nates"),
    ("n_cancels", "can-\ncels"),
    ("n_stale", "stale"),
    ("errors", "errors"),
)

_TABLE_CHARACTERS = 120
"""No number is cut into two lines, which would be read as two numbers."""


def probe_command(
    pace: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPEED",
            help="Speed of generation; give one for each session to measure. 1, then 8, when not given.",
        ),
    ] = None,
    max_leak_ms: Annotated[
        float | None,
        typer.Option(metavar="MS", help="Exit with 1 if an interruption may have leaked more, or if there was none."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report to this file, .json or .csv.")
    ] = None,
    write_wav: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="First write the audio of a user who interrupts to this WAV; feed it to the client."
        ),
    ] = None,
    interruptions: Annotated[int, typer.Option(metavar="N", help="Number of interruptions in that WAV.")] = 3,
    timeout_s: Annotated[float | None, typer.Option(metavar="SECONDS", help="Seconds to wait for the client.")] = None,
    port: Annotated[int, typer.Option(metavar="N", help="Port to listen on; 0 takes a free one.")] = 8765,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    vad: VadName = "silero",
    vad_option: VadOptions = None,
    turn_detection: Annotated[
        str, typer.Option(metavar="KEY=VALUE,...", help="As for [b]bidilab serve[/b].")
    ] = "threshold=0.5,prefix_padding_ms=300,silence_duration_ms=500",
    log: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder for the event logs, one JSONL file per session.")
    ] = None,
    token_env: Annotated[
        str | None, typer.Option(metavar="VARIABLE", help="Environment variable with the token that clients must show.")
    ] = None,
) -> None:
    """Measure from outside how any client behaves when its user interrupts.

    Start this, then run the client once for each pace, with a microphone in which the user interrupts. For each
    interruption you see when the client truncated and what it says was heard, against what it can have heard; what it
    may have gone on playing (leak); duplicates, stale messages and errors. At pace 1 the server is still generating
    when the user interrupts; at 8 it has long finished, and only the client can stop the sound.

    Ends when all sessions have ended; Ctrl-C ends it early and shows what has been measured.

    [b]Examples[/b]

        bidilab probe-client --write-wav user.wav --max-leak-ms 300

        bidilab probe-client --pace 1 --out report.json
    """
    if out is not None and out.suffix not in (".json", ".csv"):
        raise InvalidParameterError("--out", "a .json or .csv file", str(out))
    if max_leak_ms is not None and not max_leak_ms >= 0:
        raise InvalidParameterError("--max-leak-ms", "a number >= 0", max_leak_ms)
    if write_wav is not None and write_wav.suffix != ".wav":
        raise InvalidParameterError("--write-wav", "a .wav file", str(write_wav))
    for option, file in (("--out", out), ("--write-wav", write_wav)):
        if file is not None:
            check_parent(option, file)
    if log is not None:
        check_folder("--log", log)
    from bidilab.bidi.realtime import RealtimeSettings
    from bidilab.bidi.realtime.server import ServerSettings

    paces = [read_pace(text) for text in pace or ("1", "8")]
    settings = ServerSettings(host=host, port=port, token=read_token(token_env), log_dir=log)
    session = RealtimeSettings(turn_detection=read_turn_detection(turn_detection))
    if write_wav is not None:
        _write_microphone(write_wav, interruptions)
    report = asyncio.run(_probe(paces, settings, session, read_vad(vad, vad_option), timeout_s, token_env))
    _show(report)
    if out is not None:
        _write(report, out)
    if max_leak_ms is not None and not report.passes(max_leak_ms):
        raise typer.Exit(1)


def _write_microphone(path: Path, n_interruptions: int) -> None:
    from bidilab.bidi.realtime.probe import probe_microphone
    from bidilab.core.audiofile import write_audio

    audio = probe_microphone(n_interruptions)
    write_audio(path, audio.samples, audio.sample_rate)


async def _probe(
    paces: list[float],
    settings: ServerSettings,
    session: RealtimeSettings,
    vad: VadSpec,
    timeout_s: float | None,
    token_env: str | None,
) -> ProbeReport:
    from bidilab.bidi.realtime.probe import probe_client

    console = Console(stderr=True)

    def say_where(url: str) -> None:
        console.print(connection_snippets(url, token_env), highlight=False, markup=False, soft_wrap=True)
        shown = ", ".join(f"{value:g}" for value in paces)
        console.print(f"\nListening on {url}. Run the client once for each pace ({shown}).", markup=False)

    with listening_on(settings.host, settings.port):
        return await probe_client(
            paces=paces,
            settings=settings,
            session=session,
            vad=vad,
            timeout_s=timeout_s,
            stop=stop_on_signals(),
            on_ready=say_where,
        )


def _show(report: ProbeReport) -> None:
    console = Console()
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for _, heading in _COLUMNS:
        table.add_column(heading, justify="right", overflow="fold")
    for _, row in report.to_frame().iterrows():
        table.add_row(*(_cell(row[name]) for name, _ in _COLUMNS))
    if report.n_interruptions:
        Console(width=max(console.width, _TABLE_CHARACTERS)).print(table)
    console.print(f"user's speech detected by {report.detector}", highlight=False)
    for index, session in enumerate(report.sessions):
        console.print(
            f"session {index} at pace {session.pace:g}: {session.n_responses} responses, speech started "
            f"{session.n_speech_started} times, {len(session.interruptions)} interruptions, "
            f"{len(session.errors)} errors",
            highlight=False,
        )
    if not report.n_interruptions:
        console.print("No interruption was seen: did the client send speech while the agent was speaking?")


def _cell(value: object) -> str:
    if isinstance(value, float):
        if math.isnan(value):
            return "–"
        return f"{value:.1f}"
    return str(value)


def _write(report: ProbeReport, path: Path) -> None:
    if path.suffix == ".json":
        path.write_text(report.to_json() + "\n", "utf-8")
    else:
        write_csv(report.to_frame(), path)
