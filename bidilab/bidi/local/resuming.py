"""What of the local model's responses is yet to be said, so that a paused one can go on. Pure.

A response that goes on is a response of its own to the application (``resp_3`` goes on as ``resp_3_resumed_1``): the
one before it was interrupted, with what was heard of it. It begins at the sample, by the positions of the decisions, at
which the interruption was acted upon; a session that acts a chunk later repeats that chunk.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bidilab.bidi.local.speaking import Sound
from bidilab.core.units import rescale_samples
from bidilab.detect.turns.simulation import SimulatedInterruption, SimulatedResponse

__all__ = ["ResponseSounds", "rest_of"]


def rest_of(sound: Sound, heard_samples: int, *, input_rate: int, output_rate: int) -> Sound:
    """The sound without its first ``heard_samples`` samples (at the rate of the input stream)."""
    cut = rescale_samples(heard_samples, input_rate, output_rate)
    return replace(sound, pcm=sound.pcm[2 * cut :], length_samples=max(0, sound.length_samples - heard_samples))


@dataclass(slots=True, kw_only=True)
class _Held:
    sound: Sound
    told: bool = False


class ResponseSounds:
    """The sound of the response under way, and the ids by which the application knows responses.

    Parameters
    ----------
    input_rate, output_rate
        Hertz of positions, and of the sounds.
    """

    def __init__(self, *, input_rate: int, output_rate: int) -> None:
        self._input_rate = input_rate
        self._output_rate = output_rate
        self._index = -1
        self._resumed = 0
        self._held: _Held | None = None

    def id_of(self, response: SimulatedResponse) -> str:
        """Id of a response, as it is said now."""
        resumed = f"_resumed_{self._resumed}" if response.index == self._index and self._resumed else ""
        return f"resp_{response.index}{resumed}"

    def says(self, response: SimulatedResponse, sound: Sound | None) -> None:
        """A response is about to be said; of the one before it nothing will be."""
        if response.index != self._index:
            self._index, self._resumed = response.index, 0
        self._held = None if sound is None else _Held(sound=sound)

    def told(self, response: SimulatedResponse) -> None:
        """All that a response has to tell beside its sound has been told: text and tool calls."""
        if self._held is not None and response.index == self._index:
            self._held.told = True

    def go_on(self, interruption: SimulatedInterruption) -> Sound | None:
        """What is left of a response to be said under a new id; ``None`` when it had not come to a sound yet."""
        held = self._held
        if held is None or interruption.response.index != self._index:
            return None
        self._resumed += 1
        left = rest_of(
            held.sound, interruption.heard_samples, input_rate=self._input_rate, output_rate=self._output_rate
        )
        held.sound = left
        return replace(left, text=None, tool_calls=()) if held.told else left
