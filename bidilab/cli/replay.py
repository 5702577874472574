"""``bidilab replay``: a recording through an agent session."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bidilab.cli.options import (
    MIN_INTERRUPTION,
    MIN_WORDS,
    EotActionDelay,
    EotContext,
    EotInterval,
    EotLatency,
    EotName,
    EotOptions,
    EotThreshold,
    EotTimeout,
    FalseInterruptionTimeout,
    InterruptFirst,
    InterruptInterval,
    InterruptLatency,
    InterruptName,
    InterruptOptions,
    InterruptThreshold,
    InterruptWindow,
    VadName,
    VadOptions,
    WordTimes,
    check_folder,
    read_end_of_turn,
    read_interruption,
    read_vad,
)
from bidilab.cli.stopping import Stopped
from bidilab.core.errors import InvalidParameterError
from bidilab.core.files import files_in
from bidilab.core.jsontext import JSONError, parse_json

if TYPE_CHECKING:
    from bidilab.detect.turns import Guards

__all__ = ["replay_command"]


def replay_command(
    file: Annotated[
        str, typer.Argument(help="An audio file, or DATASET#recording-id, as overlap-mini#early-clean-01.")
    ],
    model: Annotated[str, typer.Option(metavar="NAME", help="One of {models}.")] = "local",
    turn_detection: Annotated[
        str,
        typer.Option(
            metavar="KEY=VALUE,...",
            help="The model's settings: threshold, prefix_padding_ms, silence_duration_ms; for gemini "
            "start_of_speech_sensitivity (as LOW) and the two times; for nova endpointingSensitivity (as HIGH).",
        ),
    ] = "",
    user_channel: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Of an audio file: which channel is the user's, from 1; the first if not given."
        ),
    ] = None,
    vad: VadName = "silero",
    vad_option: VadOptions = None,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Run in real time, as a model on a network always does.")
    ] = False,
    min_interruption_ms: Annotated[float, MIN_INTERRUPTION] = 0.0,
    min_words: Annotated[int, MIN_WORDS] = 0,
    false_interruption_timeout_ms: FalseInterruptionTimeout = "never",
    word_times: WordTimes = "labelled",
    eot: EotName = None,
    eot_option: EotOptions = None,
    eot_threshold: EotThreshold = None,
    eot_action_delay_ms: EotActionDelay = None,
    eot_timeout_ms: EotTimeout = None,
    eot_interval_ms: EotInterval = None,
    eot_latency_ms: EotLatency = None,
    eot_context: EotContext = None,
    interrupt: InterruptName = None,
    interrupt_option: InterruptOptions = None,
    interrupt_threshold: InterruptThreshold = None,
    interrupt_first_ms: InterruptFirst = None,
    interrupt_interval_ms: InterruptInterval = None,
    interrupt_window_ms: InterruptWindow = None,
    interrupt_latency_ms: InterruptLatency = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder for the results; replay-NAME when not given.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an earlier replay in --out, or one of a provider's model.")
    ] = False,
) -> None:
    """Play a recording to an agent session, and log everything that happens.

    The folder gets events.jsonl, events.parquet, interruptions.csv, session.wav (user left, agent right) and
    timeline.svg, .pdf and .png. Guards and scores work with the local model only. Words come from the labels
    of a dataset's recording.

    [b]Examples[/b]

        bidilab replay overlap-mini#early-clean-01 --turn-detection threshold=0.6

        bidilab replay overlap-mini#late-clean-01 --min-words 2 --word-times spread

        bidilab replay call.wav --eot smart-turn --eot-timeout-ms 2000
    """
    from bidilab.bidi.providers.registry import PROVIDERS
    from bidilab.detect.turns import Guards
    from bidilab.detect.vad import VadSpec
    from bidilab.lab.datasets.words import check_word_times
    from bidilab.lab.sessions import replay
    from bidilab.lab.sessions.replay import journal_of

    if model not in ("local", *PROVIDERS):
        raise InvalidParameterError("--model", f"one of local, {', '.join(PROVIDERS)}", model)
    detector = read_vad(vad, vad_option)
    if model != "local" and detector != VadSpec():
        raise InvalidParameterError("--vad", "left out with a model other than the local one", vad)
    guards = _guards(min_interruption_ms, min_words, false_interruption_timeout_ms)
    check_word_times(word_times)
    if guards != Guards() and model != "local":
        options = "--min-interruption-ms, --min-words and --false-interruption-timeout-ms"
        raise InvalidParameterError(options, "left out with a model other than the local one", f"--model {model}")
    scoring = read_end_of_turn(
        eot,
        eot_option,
        threshold=eot_threshold,
        action_delay_ms=eot_action_delay_ms,
        timeout_ms=eot_timeout_ms,
        interval_ms=eot_interval_ms,
        latency_ms=eot_latency_ms,
        context=eot_context,
    )
    if scoring is not None and model != "local":
        raise InvalidParameterError("--eot", "left out with a model other than the local one", f"--model {model}")
    interrupting = read_interruption(
        interrupt,
        interrupt_option,
        threshold=interrupt_threshold,
        first_ms=interrupt_first_ms,
        interval_ms=interrupt_interval_ms,
        window_ms=interrupt_window_ms,
        latency_ms=interrupt_latency_ms,
    )
    if interrupting is not None and model != "local":
        raise InvalidParameterError("--interrupt", "left out with a model other than the local one", f"--model {model}")
    folder = out if out is not None else Path(f"replay-{Path(file.rpartition('#')[2]).stem}")
    _check_target(folder, replace=force or (out is None and model == "local"))
    journal = journal_of(folder)
    try:
        made = replay(
            file,
            model,
            clock="real" if realtime or model in PROVIDERS else "virtual",
            turn_detection=_settings(turn_detection) or None,
            guards=guards if guards != Guards() else None,
            vad=detector if model == "local" else None,
            end_of_turn=None if scoring is None else scoring[0],
            scorer=None if scoring is None else scoring[1],
            interruption=None if interrupting is None else interrupting[0],
            interruption_scorer=None if interrupting is None else interrupting[1],
            word_times=word_times,  # type: ignore[arg-type]  # checked above
            user_channel=user_channel,
            out=folder,
            progress=True,
        )
    except KeyboardInterrupt as stop:
        raise Stopped(f"{journal} contains the session up to this point") from stop
    typer.echo(made.summary)
    typer.echo(f"written: {folder}")


def _guards(min_interruption_ms: float, min_words: int, timeout: str) -> Guards:
    from bidilab.detect.turns import Guards
    from bidilab.detect.turns.guards import NEVER

    try:
        timeout_ms = NEVER if timeout == "never" else float(timeout)
    except ValueError as error:
        words = "'never', or a number of milliseconds"
        raise InvalidParameterError("--false-interruption-timeout-ms", words, timeout) from error
    return Guards(
        min_interruption_ms=min_interruption_ms, min_words=min_words, false_interruption_timeout_ms=timeout_ms
    )


def _check_target(folder: Path, *, replace: bool) -> None:
    check_folder("--out", folder)
    if not files_in(folder):
        return
    if not (folder / "events.jsonl").is_file():
        raise InvalidParameterError("--out", "a new or empty folder, or one that holds a replay", str(folder))
    if not replace:
        raise InvalidParameterError("--out", "a folder without an earlier replay (or pass --force)", str(folder))


def _settings(text: str) -> dict[str, Any]:
    """``threshold=0.5,silence_duration_ms=500`` as the dict of the model's turn detection."""
    settings: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals:
            raise InvalidParameterError("--turn-detection", "key=value pairs with commas between", part)
        try:
            settings[key.strip()] = parse_json(value)
        except JSONError:
            settings[key.strip()] = value.strip()
    return settings
