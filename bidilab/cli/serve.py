"""``bidilab serve``: a local OpenAI Realtime server with a real VAD."""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bidilab.cli.options import VadName, VadOptions, check_folder, read_vad
from bidilab.cli.realtime import connection_snippets, read_pace, read_token, read_turn_detection, responder_of
from bidilab.core.errors import InvalidParameterError

if TYPE_CHECKING:
    from bidilab.bidi.realtime.server import RealtimeServer

__all__ = ["listening_on", "serve_command", "stop_on_signals"]

_NETWORK = "A bad network"
_ACCESS = "Who may connect"
_LIMITS = "What clients may take"


def serve_command(
    port: Annotated[int, typer.Option(metavar="N", help="Port to listen on; 0 takes a free one.")] = 8765,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on. Beyond this machine, --token-env is required.")
    ] = "127.0.0.1",
    vad: VadName = "silero",
    vad_option: VadOptions = None,
    turn_detection: Annotated[
        str,
        typer.Option(
            metavar="KEY=VALUE,...",
            help="Every session's turn detection until its client asks for another: [b]threshold, prefix_padding_ms, "
            "silence_duration_ms, idle_timeout_ms, create_response, interrupt_response[/b] as KEY=VALUE,…; "
            "[b]eagerness=low|medium|high|auto[/b] is semantic_vad; [b]none[/b] turns it off.",
        ),
    ] = "threshold=0.5,prefix_padding_ms=300,silence_duration_ms=500",
    pace: Annotated[
        str,
        typer.Option(
            metavar="SPEED", help="Speed of generation: 1 is real time, 8 is more like the real server, or max."
        ),
    ] = "8",
    response_delay_ms: Annotated[
        float, typer.Option(metavar="MS", help="Milliseconds from a response's start to its first audio.")
    ] = 300.0,
    chunk_ms: Annotated[float, typer.Option(metavar="MS", help="Milliseconds of audio per message.")] = 100.0,
    say: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="A line for the agent to say; give one for each line.")
    ] = None,
    voice: Annotated[
        str,
        typer.Option(
            metavar="VOICE",
            help="[b]babble[/b] (any text, no words), [b]recorded[/b] (four sentences) or audio FILES with commas, "
            "played in turn.",
        ),
    ] = "babble",
    log: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder for the event logs, one JSONL file per session.")
    ] = None,
    token_env: Annotated[
        str | None,
        typer.Option(
            metavar="VARIABLE",
            help="Environment variable with the token that clients must show.",
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="Origin of a web page that may connect; may be given several times.",
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    max_sessions: Annotated[
        int, typer.Option(metavar="N", help="Most sessions at one time.", rich_help_panel=_LIMITS)
    ] = 256,
    max_load: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Share of a free core that hearing all sessions may take; a client that would bring it above is "
            "refused (503), so that the others are heard in time. 100 refuses nobody.",
            rich_help_panel=_LIMITS,
        ),
    ] = 0.7,
    max_held: Annotated[
        int,
        typer.Option(
            metavar="MIB",
            help="MiB of audio and messages held for all clients together; beyond it, who takes the most loses its "
            "oldest audio, or is closed (1013).",
            rich_help_panel=_LIMITS,
        ),
    ] = 1024,
    max_waiting: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Most messages of one client that wait to be handled; more stay in its socket.",
            rich_help_panel=_LIMITS,
        ),
    ] = 32,
    latency_ms: Annotated[
        float, typer.Option(metavar="MS", help="Milliseconds of delay in each direction.", rich_help_panel=_NETWORK)
    ] = 0.0,
    jitter_ms: Annotated[
        float, typer.Option(metavar="MS", help="Most milliseconds added to it at random.", rich_help_panel=_NETWORK)
    ] = 0.0,
    up_bytes_per_s: Annotated[
        float | None, typer.Option(metavar="N", help="Bandwidth from the client.", rich_help_panel=_NETWORK)
    ] = None,
    down_bytes_per_s: Annotated[
        float | None, typer.Option(metavar="N", help="Bandwidth to the client.", rich_help_panel=_NETWORK)
    ] = None,
    drop_after_s: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Seconds after which the connection breaks.", rich_help_panel=_NETWORK),
    ] = None,
    drop_in_response: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Break the connection in the response with this number, from 1.", rich_help_panel=_NETWORK
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the jitter.", rich_help_panel=_NETWORK)] = 0,
) -> None:
    """Serve the OpenAI Realtime protocol (GA, WebSocket) on this machine, with a real VAD and a scripted agent.

    Any client of the protocol connects unchanged, needs no key, and is interrupted by what its microphone hears. The
    decisions are those of the VAD on the audio sent, to the sample. Ctrl-C ends it.

    [b]Examples[/b]

        bidilab serve

        bidilab serve --pace 1 --turn-detection threshold=0.7 --log logs

        bidilab serve --voice recorded --latency-ms 80 --jitter-ms 40
    """
    from bidilab.bidi.realtime import Delivery, RealtimeSettings
    from bidilab.bidi.realtime.server import NetworkFaults, RealtimeServer, ServerSettings

    server = RealtimeServer(
        responder_of(say or (), voice),
        settings=ServerSettings(
            host=host,
            port=port,
            token=read_token(token_env),
            allowed_origins=tuple(allow_origin or ()),
            max_sessions=max_sessions,
            max_load=max_load,
            max_held_bytes=max_held * 2**20,
            max_incoming_messages=max_waiting,
            log_dir=log,
            faults=NetworkFaults(
                latency_ms=latency_ms,
                jitter_ms=jitter_ms,
                seed=seed,
                up_bytes_per_s=up_bytes_per_s,
                down_bytes_per_s=down_bytes_per_s,
                drop_after_s=drop_after_s,
                drop_in_response=drop_in_response,
            ),
        ),
        session=RealtimeSettings(
            turn_detection=read_turn_detection(turn_detection),
            delivery=Delivery(first_output_delay_ms=response_delay_ms, chunk_ms=chunk_ms, pace=read_pace(pace)),
        ),
        vad=read_vad(vad, vad_option),
    )
    if log is not None:
        check_folder("--log", log)
    asyncio.run(_serve(server, token_env, log))


async def _serve(server: RealtimeServer, token_env: str | None, log: Path | None) -> None:
    console = Console()
    stop = stop_on_signals()
    with listening_on(server.settings.host, server.settings.port):
        await server.start()
    # What is loaded by now stays: a full collection would look at all of it, for tens of milliseconds, again and again.
    gc.collect()
    gc.freeze()
    try:
        where = f"; logs in {log}" if log is not None else ""
        console.print(connection_snippets(server.url, token_env), highlight=False, markup=False, soft_wrap=True)
        console.print(
            f"\nListening on {server.url}{where}, with {server.detector}. Ctrl-C ends it.", markup=False, soft_wrap=True
        )
        await stop.wait()
        refused = f" {server.n_refused} clients were refused: there was no place." if server.n_refused else ""
        console.print(f"\nClosing {server.n_open} open of {server.n_sessions} sessions.{refused}", markup=False)
    finally:
        await server.stop()


@contextmanager
def listening_on(host: str, port: int) -> Iterator[None]:
    """Report an address or a port that is not available as a wrong option."""
    try:
        yield
    except socket.gaierror as error:
        raise InvalidParameterError("--host", f"an address of this machine ({error.strerror})", host) from error
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
            raise
        raise InvalidParameterError("--port", f"free to listen on ({error.strerror})", port) from error


def stop_on_signals() -> asyncio.Event:
    """An event of the running loop that Ctrl-C, or SIGTERM, sets."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows has no such handlers; there Ctrl-C is KeyboardInterrupt
            break
    return stop
