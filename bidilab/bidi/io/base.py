"""What inputs and outputs have in common: protocols, the audio settings of the model, an input that is overheard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self, get_args

from bidilab.bidi.types.base import AUDIO_FORMATS, AudioChannel, AudioFormat
from bidilab.bidi.types.events import BidiAudioInputEvent, BidiInputEvent
from bidilab.bidi.types.io import BidiInput, BidiOutput, SessionAgent, SessionModel
from bidilab.core.checks import check_one_of
from bidilab.core.clock import VirtualClock
from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import check_sample_rate

__all__ = [
    "AudioSettings",
    "BidiInput",
    "BidiOutput",
    "Overheard",
    "SessionAgent",
    "SessionModel",
    "require_real_clock",
]


def require_real_clock(agent: SessionAgent, what: str) -> None:
    """Refuse a session on the virtual clock to what lives in real time (``"a sound device"``).

    Raises
    ------
    InvalidParameterError
        If the session runs on the virtual clock.
    """
    if isinstance(agent.clock, VirtualClock):
        raise InvalidParameterError("clock", f"real for {what}", agent.clock)


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioSettings:
    """The audio that a model takes and gives: ``model.config["audio"]``.

    Parameters
    ----------
    input_rate, output_rate
        Hertz.
    channels
        1 or 2, of the input and of the output.
    format
        Encoding; the inputs and outputs here speak ``"pcm"``.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.
    """

    input_rate: int
    output_rate: int
    channels: AudioChannel = 1
    format: AudioFormat = "pcm"

    def __post_init__(self) -> None:
        check_sample_rate(self.input_rate, "input_rate")
        check_sample_rate(self.output_rate, "output_rate")
        check_one_of("channels", self.channels, get_args(AudioChannel))
        check_one_of("format", self.format, AUDIO_FORMATS)

    @classmethod
    def of(cls, agent: SessionAgent) -> Self:
        """Settings of the agent's model.

        Raises
        ------
        InvalidParameterError
            If the model does not say its rates, or wants another encoding than PCM.
        """
        audio = agent.model.config.get("audio")
        if not isinstance(audio, Mapping) or not {"input_rate", "output_rate"} <= audio.keys():
            raise InvalidParameterError('model.config["audio"]', "a dict with input_rate and output_rate", audio)
        settings = cls(
            input_rate=audio["input_rate"],
            output_rate=audio["output_rate"],
            channels=audio.get("channels", 1),
            format=audio.get("format", "pcm"),
        )
        check_one_of('model.config["audio"]["format"]', settings.format, ("pcm",))
        return settings


class Overheard:
    """An input whose audio a listener is given as it passes.

    Parameters
    ----------
    source
        The input.
    listener
        Takes each event of audio; must not wait.
    """

    def __init__(self, source: BidiInput, listener: Callable[[BidiAudioInputEvent], None]) -> None:
        self._source = source
        self._listener = listener

    async def start(self, agent: SessionAgent) -> None:
        """Start the input."""
        await self._source.start(agent)

    async def stop(self) -> None:
        """Stop the input."""
        await self._source.stop()

    async def __call__(self) -> BidiInputEvent:
        """The input's next event."""
        event = await self._source()
        if isinstance(event, BidiAudioInputEvent):
            self._listener(event)
        return event
