"""What is said to a Strands agent: ``agent.send`` of strands-agents 1.54, and that of 1.57 and later. Pure.

Up to 1.56 it takes the dicts of events (``{"type": "bidi_audio_input", "audio": <base64>, …}``), from 1.57 on dicts of
content (``{"audio_delta": {"format": "pcm", "source": {"bytes": …}}}``). Text is a string in both. Dicts are a public
form of either, so nothing of Strands has to be imported. A model says its audio in ``config["audio"]`` up to 1.55, by
``get_audio_config()`` from 1.56 on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from bidilab.bidi.types.base import check_one_of
from bidilab.bidi.types.events import BidiAudioInputEvent, BidiImageInputEvent, BidiTextInputEvent, ToolResultEvent
from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.core.units import check_sample_rate

__all__ = ["StrandsAudio", "strands_input"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StrandsAudio:
    """The audio of a Strands model, and how its agent is spoken to.

    Parameters
    ----------
    input_rate, output_rate
        Hertz.
    channels
        1 or 2, of both directions.
    takes_content
        Whether ``agent.send`` takes content (1.57 and later) or events.
    """

    input_rate: int
    output_rate: int
    channels: int
    takes_content: bool

    @classmethod
    def of(cls, model: object, *, takes_content: bool) -> Self:
        """Read it off a Strands model.

        Raises
        ------
        InvalidParameterError
            If it has neither, has no PCM, or different channels in its two directions.
        """
        resolve = getattr(model, "get_audio_config", None)
        config = getattr(model, "config", None)
        if callable(resolve):
            streams = resolve()
            given = [streams["input"], streams["output"]]
        elif isinstance(config, Mapping) and isinstance(audio := config.get("audio"), Mapping):
            shared = {"channels": audio.get("channels", 1), "format": audio.get("format", "pcm")}
            given = [{"sample_rate": audio.get(name), **shared} for name in ("input_rate", "output_rate")]
        else:
            raise InvalidParameterError("agent.model", "a Strands model that says what audio it has", model)
        for stream in given:
            check_sample_rate(stream["sample_rate"], "agent.model sample_rate")
            check_one_of("agent.model audio format", stream["format"], ("pcm",))
        channels = {stream["channels"] for stream in given}
        if len(channels) != 1:
            raise InvalidParameterError("agent.model channels", "the same in both directions", channels)
        return cls(
            input_rate=given[0]["sample_rate"],
            output_rate=given[1]["sample_rate"],
            channels=channels.pop(),
            takes_content=takes_content,
        )

    @property
    def config(self) -> dict[str, Any]:
        """As ``model.config["audio"]`` of our models."""
        rates = {"input_rate": self.input_rate, "output_rate": self.output_rate}
        return {**rates, "channels": self.channels, "format": "pcm"}


def strands_input(event: object, audio: StrandsAudio) -> str | dict[str, Any]:
    """The argument of ``agent.send`` that says the same as an event of ours.

    Raises
    ------
    AudioError
        If audio is not PCM of the model's rate and channels: Strands sends on what it is given.
    InvalidParameterError
        If it is no input, is text of another role than ``"user"``, or the result of a tool: Strands runs its own.
    """
    match event:
        case BidiTextInputEvent():
            check_one_of("role", event.role, ("user",))
            return event.text
        case BidiAudioInputEvent():
            if (event.format, event.sample_rate, event.channels) != ("pcm", audio.input_rate, audio.channels):
                wanted = f"pcm, {audio.input_rate} Hz, {audio.channels} channel(s)"
                raise AudioError(f"the Strands model takes {wanted}, got {event!r}")
            if audio.takes_content:
                return {"audio_delta": {"format": "pcm", "source": {"bytes": event.data}}}
            return event.as_dict()
        case BidiImageInputEvent():
            if audio.takes_content:
                kind = event.mime_type.removeprefix("image/")
                return {"image": {"format": kind, "source": {"bytes": event.data}}}
            return event.as_dict()
        case ToolResultEvent():
            raise InvalidParameterError("content", "input of the user: a Strands agent runs its own tools", event)
        case _:
            raise InvalidParameterError("content", "an input event", event)
