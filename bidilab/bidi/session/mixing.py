"""Several inputs speak at once: one stream of the user's audio out of many, sample by sample. Pure.

A model hears one stream. Two microphones in one room are one sound, the sum of both; chunks of two inputs put one
after the other would be neither. The audio of a single input passes through untouched.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bidilab.bidi.types.events import BidiAudioInputEvent
from bidilab.core.errors import AudioError
from bidilab.core.units import ms_to_samples

__all__ = ["InputMixer"]

MAX_SKEW_MS = 200.0
"""How far inputs may lie apart before the mixer goes on without the one that stalls."""


class InputMixer:
    """Sums the audio of inputs that run at the same time.

    An input begins where the stream stands when its first chunk comes. A chunk is passed on as far as every input has
    audio; an input that falls `MAX_SKEW_MS` behind the first is taken as silent there. Sums beyond 16 bit are clipped.
    """

    def __init__(self) -> None:
        self._positions: dict[int, int] = {}
        self._pending: npt.NDArray[np.int32] = np.zeros(0, np.int32)
        self._passed = 0
        self._shape: tuple[int, int] | None = None

    def push(self, source: int, event: BidiAudioInputEvent) -> BidiAudioInputEvent | None:
        """Take a chunk of one input; return what can be passed on, if anything.

        Parameters
        ----------
        source
            Number of the input.
        event
            Its chunk; PCM, at the same rate and with as many channels as the others.

        Raises
        ------
        AudioError
            If the inputs differ in rate or channels, or the audio is not PCM.
        """
        if self._shape is None:
            self._shape = (event.sample_rate, event.channels)
        if not self._pending.size and self._positions.keys() <= {source}:
            n_values = len(event.data) // 2
            self._positions[source] = self._passed = self._passed + n_values
            return event
        if self._shape != (event.sample_rate, event.channels):
            raise AudioError(f"inputs of one session share rate and channels: {self._shape}, got {event!r}")
        start = self._positions.setdefault(source, self._passed)
        start = max(start, self._passed)
        values = event.pcm.reshape(-1)
        end = start + len(values)
        grown = end - self._passed - len(self._pending)
        if grown > 0:
            self._pending = np.concatenate((self._pending, np.zeros(grown, np.int32)))
        self._pending[start - self._passed : end - self._passed] += values
        self._positions[source] = end
        return self._pass_on()

    def end(self, source: int) -> BidiAudioInputEvent | None:
        """One input is over: the others go on without it. Return what can now be passed on."""
        self._positions.pop(source, None)
        return self._pass_on() if self._positions else self._pass_on(everything=True)

    def _pass_on(self, *, everything: bool = False) -> BidiAudioInputEvent | None:
        if self._shape is None or not self._pending.size:
            return None
        sample_rate, channels = self._shape
        leader = self._passed + len(self._pending)
        ready = leader if everything else min(self._positions.values())
        slack = ms_to_samples(MAX_SKEW_MS, sample_rate) * channels
        n_values = max(ready, leader - slack) - self._passed
        n_values -= n_values % channels
        if n_values <= 0:
            return None
        mixed = np.clip(self._pending[:n_values], -32768, 32767).astype("<i2")
        self._pending = self._pending[n_values:]
        self._passed += n_values
        two = channels == 2
        return BidiAudioInputEvent.from_pcm(mixed.tobytes(), sample_rate=sample_rate, channels=2 if two else 1)
