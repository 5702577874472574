"""The side of a session that gives events: inputs read to their ends, their audio as one stream, and its rows.

A model hears one stream. Two microphones in one room are one sound, the sum of both; chunks of two inputs put one
after the other would be neither. The audio of a single input passes through untouched.

The log has a row of audio per second, not per chunk: at 50 chunks a second it would hold little else. A row tells how
much audio came since the row before it, in how many chunks, and where the stream stands; of a session that is killed,
what came since the last row is not told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.types.events import BidiAudioInputEvent, BidiInputEvent
from bidilab.bidi.types.io import BidiInput
from bidilab.core.clock import Clock
from bidilab.core.errors import AudioError, EndOfInput
from bidilab.core.units import ms_to_samples

__all__ = ["AudioInputRows", "InputMixer", "InputSide"]

Send = Callable[[BidiInputEvent], Awaitable[None]]
Work = Callable[[], Awaitable[None]]

MAX_SKEW_MS = 200.0
"""Largest lag of an input before the mixer goes on without it."""


class InputSide:
    """Read the inputs of a session.

    Parameters
    ----------
    inputs
        Started already.
    log, clock
        Those of the session.
    """

    def __init__(self, inputs: Sequence[BidiInput], log: EventLog, clock: Clock) -> None:
        self._inputs = tuple(inputs)
        self._log = log
        self._rows = AudioInputRows(log, clock)
        self._mixer = InputMixer()
        self._n_left = len(self._inputs)

    def readers(self, send: Send, at_end: Work) -> list[Work]:
        """Return one coroutine function per input; it reads the input to its end, and the last calls ``at_end``."""
        return [partial(self._read, number, send, at_end) for number in range(len(self._inputs))]

    async def _read(self, number: int, send: Send, at_end: Work) -> None:
        source, alone = self._inputs[number], len(self._inputs) == 1
        while True:
            try:
                event = await source()
            except EndOfInput:
                break
            if alone or not isinstance(event, BidiAudioInputEvent):
                await send(event)
            elif (mixed := self._mixer.push(number, event)) is not None:
                await send(mixed)
        if (rest := self._mixer.end(number)) is not None:
            await send(rest)
        self._n_left -= 1
        if not self._n_left:
            await at_end()

    def log(self, event: BidiInputEvent) -> None:
        """Log an event of the user. Audio is counted, and gets one row per second."""
        if isinstance(event, BidiAudioInputEvent):
            self._rows.take(event)
        else:
            self._log.append_event(event, source="input")

    def flush(self) -> None:
        """Log the audio counted since its last row."""
        self._rows.flush()


class InputMixer:
    """Sum the audio of inputs that run at the same time.

    An input begins at the position of the stream when its first chunk comes. Audio is passed on as far as every input
    has some; an input that falls `MAX_SKEW_MS` behind the first counts as silent there. Sums beyond 16 bit are clipped.
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
        """End one input; the others go on without it. Return what can now be passed on."""
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


class AudioInputRows:
    """Count chunks, log ``bidi_audio_input`` rows, and find the session's zero.

    Parameters
    ----------
    log, clock
        Those of the session.
    """

    def __init__(self, log: EventLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._bytes = 0
        self._chunks = 0
        self._position = 0
        self._rate = 0
        self._channels = 1
        self._width = 2

    def take(self, event: BidiAudioInputEvent) -> None:
        """Count a chunk that was captured until now. The first sample of the first chunk is where ``t_s`` is 0."""
        if event.sample_rate != self._rate or event.channels != self._channels:
            self._begin(event)
        n_bytes = len(event.data)
        self._bytes += n_bytes
        self._chunks += 1
        self._position += n_bytes // self._width
        if self._bytes >= self._rate * self._width:
            self.flush()

    def _begin(self, event: BidiAudioInputEvent) -> None:
        self.flush()
        self._width = 2 * event.channels
        if not self._rate:
            length_s = len(event.data) / self._width / event.sample_rate
            self._log.begin_input(self._clock.now_s() - length_s if event.captured_s is None else event.captured_s)
        self._rate, self._channels, self._position = event.sample_rate, event.channels, 0

    def flush(self) -> None:
        """Log what was counted since the last row, if anything."""
        if not self._chunks:
            return
        detail = {
            "audio_bytes": self._bytes,
            "n_chunks": self._chunks,
            "sample_rate": self._rate,
            "channels": self._channels,
        }
        self._log.append("bidi_audio_input", source="input", input_samples=self._position, detail=detail)
        self._bytes = self._chunks = 0
