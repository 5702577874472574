"""``bidilab replay``: a recording through an agent session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from bidilab.core.errors import InvalidParameterError

__all__ = ["replay_command"]


def replay_command(
    file: Annotated[str, typer.Argument(help="WAV or FLAC (its first channel is the user), or DATASET#recording-id.")],
    model: Annotated[str, typer.Option(help="[b]local[/b], [b]openai[/b], [b]nova[/b] or [b]gemini[/b].")] = "local",
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
    out: Annotated[Path | None, typer.Option(help="Folder for the results; replay-NAME when not given.")] = None,
) -> None:
    """Let an agent session hear a recording, and write down everything that happened.

    The folder gets events.jsonl, events.parquet, interruptions.csv, session.wav (user left, agent right) and
    timeline.svg, .pdf and .png.

    [b]Example[/b]

        bidilab replay datasets/overlap-mini#early-clean-01 --turn-detection threshold=0.6,silence_duration_ms=400
    """
    from bidilab.lab.sessions import replay
    from bidilab.lab.sessions.providers import PROVIDER_MODELS

    if model not in ("local", *PROVIDER_MODELS):
        raise InvalidParameterError("--model", f"one of local, {', '.join(PROVIDER_MODELS)}", model)
    folder = out if out is not None else Path(f"replay-{Path(file.rpartition('#')[2]).stem}")
    made = replay(
        file,
        model,  # type: ignore[arg-type]  # checked above
        clock="real" if realtime or model in PROVIDER_MODELS else "virtual",
        turn_detection=_settings(turn_detection, model) or None,
        out=folder,
        progress=True,
    )
    typer.echo(made.summary)
    typer.echo(f"written: {folder}")


def _settings(text: str, model: str) -> dict[str, Any]:
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
    if not settings or model in ("gemini", "nova"):
        return settings
    return {"type": "server_vad", **settings}
