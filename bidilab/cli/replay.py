"""``bidilab replay``: a recording through an agent session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bidilab.cli.stopping import Stopped
from bidilab.cli.writing import check_folder
from bidilab.core.errors import InvalidParameterError

if TYPE_CHECKING:
    from bidilab.detect.turns import Guards

__all__ = ["replay_command"]


def replay_command(
    file: Annotated[str, typer.Argument(help="WAV or FLAC (its first channel is the user), or DATASET#recording-id.")],
    model: Annotated[str, typer.Option(help="One of {models}.")] = "local",
    turn_detection: Annotated[
        str,
        typer.Option(
            help="The model's settings: threshold=0.5,prefix_padding_ms=300,silence_duration_ms=500; for nova "
            "endpointingSensitivity=HIGH; for gemini "
            "start_of_speech_sensitivity=LOW,prefix_padding_ms=100,silence_duration_ms=500"
        ),
    ] = "",
    realtime: Annotated[
        bool, typer.Option("--realtime", help="On the real clock; a model on a network always is.")
    ] = False,
    min_interruption_ms: Annotated[
        float, typer.Option(help="Guard: how long speech must have lasted to interrupt; 0 for none.")
    ] = 0.0,
    min_words: Annotated[
        int, typer.Option(help="Guard: words that must have been said to interrupt (needs words in the labels).")
    ] = 0,
    false_interruption_timeout_ms: Annotated[
        str,
        typer.Option(
            help="Guard: when the agent goes on after an interruption without words; 'never', or milliseconds "
            "(needs words in the labels)."
        ),
    ] = "never",
    word_times: Annotated[
        str,
        typer.Option(
            help="For guards that count words: [b]labelled[/b], or [b]spread[/b]: texts without word times are "
            "assumed to be spoken evenly."
        ),
    ] = "labelled",
    out: Annotated[Path | None, typer.Option(help="Folder for the results; replay-NAME when not given.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an earlier replay in --out, or one of a provider's model.")
    ] = False,
) -> None:
    """Let an agent session hear a recording, and write down everything that happened.

    The folder gets events.jsonl, events.parquet, interruptions.csv, session.wav (user left, agent right) and
    timeline.svg, .pdf and .png. The guards are those of the local model; words are read off the labels of a
    dataset's recording.

    [b]Examples[/b]

        bidilab replay datasets/overlap-mini#early-clean-01 --turn-detection threshold=0.6,silence_duration_ms=400

        bidilab replay datasets/overlap-mini#listening-clean-01 --min-words 2 --word-times spread
    """
    from bidilab.bidi.providers.registry import PROVIDERS
    from bidilab.detect.turns import Guards
    from bidilab.lab.datasets.words import check_word_times
    from bidilab.lab.sessions import replay

    if model not in ("local", *PROVIDERS):
        raise InvalidParameterError("--model", f"one of local, {', '.join(PROVIDERS)}", model)
    guards = _guards(min_interruption_ms, min_words, false_interruption_timeout_ms)
    check_word_times(word_times)
    if guards != Guards() and model != "local":
        options = "--min-interruption-ms, --min-words and --false-interruption-timeout-ms"
        raise InvalidParameterError(options, "left out with a model other than the local one", f"--model {model}")
    folder = out if out is not None else Path(f"replay-{Path(file.rpartition('#')[2]).stem}")
    _check_target(folder, replace=force or (out is None and model == "local"))
    try:
        made = replay(
            file,
            model,
            clock="real" if realtime or model in PROVIDERS else "virtual",
            turn_detection=_settings(turn_detection) or None,
            guards=guards if guards != Guards() else None,
            word_times=word_times,  # type: ignore[arg-type]  # checked above
            out=folder,
            progress=True,
        )
    except KeyboardInterrupt as stop:
        raise Stopped(f"{folder / 'events.jsonl'} holds the session as far as it came") from stop
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
    if not folder.is_dir() or not any(folder.iterdir()):
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
            settings[key.strip()] = json.loads(value)
        except json.JSONDecodeError:
            settings[key.strip()] = value.strip()
    return settings
