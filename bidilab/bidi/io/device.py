"""Microphone and loudspeaker, by sounddevice (extra ``audio``).

`BidiAudioIO` takes the options of Strands' (strands-agents 1.54, ``experimental/bidi/io/audio``; PyAudio there) but for
``processor``, its echo canceller. The callbacks of PortAudio copy samples and hand them off; what went wrong in them is
logged by the session's own thread: ``input_overrun``, ``input_dropped``, ``output_underrun``, ``output_dropped``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from bidilab.bidi.io.base import AudioSettings, SessionAgent, require_real_clock
from bidilab.bidi.io.output import BufferedOutput
from bidilab.bidi.io.playback import PlaybackChange
from bidilab.bidi.io.portaudio import open_stream
from bidilab.bidi.types.events import BidiAudioInputEvent
from bidilab.core.checks import check_whole
from bidilab.core.errors import DeviceError, EndOfInput, InvalidParameterError

__all__ = ["BidiAudioIO", "DeviceInput", "DeviceOutput"]


class DeviceInput:
    """The microphone.

    Parameters
    ----------
    device_index
        As PortAudio counts; ``None`` is the system's default.
    buffer_size
        Most blocks that may wait to be read; when more come, the oldest is thrown away and logged as
        ``input_dropped``. ``None``: no limit.
    frames_per_buffer
        Samples of a block.
    """

    def __init__(self, *, device_index: int | None, buffer_size: int | None, frames_per_buffer: int) -> None:
        self._device_index = device_index
        self._buffer_size = buffer_size
        self._frames_per_buffer = frames_per_buffer
        self._stream: Any = None
        self._blocks: deque[bytes] = deque()
        self._end: Exception = EndOfInput("the microphone is not open")
        self._ended = asyncio.Event()
        self._arrived = asyncio.Event()

    async def start(self, agent: SessionAgent) -> None:
        """Open the microphone at the rate and channels that the model takes.

        Raises
        ------
        MissingExtraError
            If sounddevice is not installed.
        DeviceError
            If there is no such device, or it refuses the settings.
        InvalidParameterError
            If the session runs on the virtual clock, or the input is open already.
        """
        require_real_clock(agent, "a sound device")
        if self._stream is not None:
            raise InvalidParameterError("input", "stopped before it is started again", "an open one")
        self._settings = AudioSettings.of(agent)
        self._log = agent.log
        self._loop = asyncio.get_running_loop()
        self._blocks.clear()
        self._ended, self._arrived = asyncio.Event(), asyncio.Event()
        self._position = 0
        self._stream = open_stream(
            "input",
            device=self._device_index,
            samplerate=self._settings.input_rate,
            channels=self._settings.channels,
            blocksize=self._frames_per_buffer,
            callback=self._callback,
            finished_callback=self._finished,
        )

    def _callback(self, data: Any, _frames: int, _time: Any, status: Any) -> None:
        self._loop.call_soon_threadsafe(self._take, bytes(data), bool(status.input_overflow))

    def _finished(self) -> None:
        self._loop.call_soon_threadsafe(self._finish, DeviceError("the microphone stopped by itself: unplugged?"))

    def _take(self, block: bytes, overrun: bool) -> None:
        if self._ended.is_set():
            return
        if overrun:
            self._log.append("input_overrun", source="input", input_samples=self._position)
        self._position += len(block) // (2 * self._settings.channels)
        if self._buffer_size is not None and len(self._blocks) >= self._buffer_size:
            dropped = self._blocks.popleft()
            n_samples = len(dropped) // (2 * self._settings.channels)
            detail = {"dropped_samples": n_samples}
            self._log.append("input_dropped", source="input", input_samples=self._position, detail=detail)
        self._blocks.append(block)
        self._arrived.set()

    def _finish(self, why: Exception) -> None:
        if not self._ended.is_set():
            self._end = why
            self._ended.set()
            self._arrived.set()

    async def __call__(self) -> BidiAudioInputEvent:
        """Wait for the next block and return it.

        Raises
        ------
        EndOfInput
            When stopped.
        DeviceError
            When the device went away.
        """
        while not self._blocks:
            if self._stream is None or self._ended.is_set():
                raise self._end
            self._arrived.clear()
            await self._arrived.wait()
        return BidiAudioInputEvent.from_pcm(
            self._blocks.popleft(), sample_rate=self._settings.input_rate, channels=self._settings.channels
        )

    async def stop(self) -> None:
        """Close the microphone; pending reads raise `EndOfInput`."""
        if self._stream is None:
            return
        self._finish(EndOfInput("the microphone was closed"))  # before the device reports its own end
        stream, self._stream = self._stream, None
        stream.close()
        self._blocks.clear()


class DeviceOutput(BufferedOutput):
    """The loudspeaker. An interruption silences it at once.

    Parameters
    ----------
    device_index
        As PortAudio counts; ``None`` is the system's default.
    buffer_size
        Most blocks of audio that may wait to be played; when more come, the oldest are thrown away and logged as
        ``output_dropped``. ``None``: no limit.
    frames_per_buffer
        Samples of a block.
    """

    def __init__(self, *, device_index: int | None, buffer_size: int | None, frames_per_buffer: int) -> None:
        super().__init__()
        self._device_index = device_index
        self._capacity = None if buffer_size is None else buffer_size * frames_per_buffer
        self._frames_per_buffer = frames_per_buffer
        self._stream: Any = None
        self._lost: DeviceError | None = None

    async def start(self, agent: SessionAgent) -> None:
        """Open the loudspeaker, mono, at the rate that the model gives.

        Raises
        ------
        MissingExtraError
            If sounddevice is not installed.
        DeviceError
            If there is no such device, or it refuses the settings.
        InvalidParameterError
            If the session runs on the virtual clock, or the output is open already.
        """
        require_real_clock(agent, "a sound device")
        self._begin(agent, capacity_samples=self._capacity)
        self._loop = asyncio.get_running_loop()
        self._lost = None
        try:
            self._stream = open_stream(
                "output",
                device=self._device_index,
                samplerate=self._rate,
                channels=1,
                blocksize=self._frames_per_buffer,
                callback=self._callback,
                finished_callback=self._finished,
            )
        except BaseException:
            self._agent = None
            raise

    def _callback(self, out: Any, frames: int, _time: Any, status: Any) -> None:
        with self._lock:
            block = self._playback.get(frames)
            position = self._playback.position_samples
        out[:] = block.samples.astype("<i2", copy=False).tobytes()
        if block.changes or status.output_underflow:
            self._loop.call_soon_threadsafe(self._tell_block, block.changes, bool(status.output_underflow), position)

    def _tell_block(self, changes: tuple[PlaybackChange, ...], underrun: bool, position: int) -> None:
        if underrun:
            self._log.append("output_underrun", source="playback", playback_samples=position)
        self._tell_changes(changes)

    def _time_s(self, position: int) -> float:  # noqa: ARG002 - its block is being played: now, to the block
        return self._clock.now_s()

    def _finished(self) -> None:
        if self._agent is not None:
            self._loop.call_soon_threadsafe(self._lose)

    def _lose(self) -> None:
        self._lost = DeviceError("the loudspeaker stopped by itself: unplugged?")

    def _check_usable(self) -> None:
        if self._lost is not None:
            raise self._lost

    async def stop(self) -> None:
        """Close the loudspeaker; audio that still waits is not played."""
        if self._agent is None:
            return
        self._agent = None  # before the device reports its own end
        stream, self._stream = self._stream, None
        stream.close()
        await self._clock.sleep_s(0)  # a turn of the loop, in which what the last block had to tell is logged


class BidiAudioIO:
    """Microphone and loudspeaker of this machine.

    Parameters
    ----------
    input_device_index, output_device_index
        Numbers of PortAudio's devices (``bl.devices()`` lists them); ``None`` is the system's default.
    input_buffer_size, output_buffer_size
        Most blocks that may wait to be read or played, ``>= 1``; ``None`` sets no limit.
    input_frames_per_buffer, output_frames_per_buffer
        Samples of a block, ``>= 1``.

    Raises
    ------
    InvalidParameterError
        If a parameter is not allowed.

    Notes
    -----
    Devices are opened, and sounddevice is imported, only when the session starts.
    """

    def __init__(
        self,
        *,
        input_device_index: int | None = None,
        output_device_index: int | None = None,
        input_buffer_size: int | None = None,
        output_buffer_size: int | None = None,
        input_frames_per_buffer: int = 512,
        output_frames_per_buffer: int = 512,
    ) -> None:
        check_whole("input_device_index", input_device_index, 0, optional=True)
        check_whole("output_device_index", output_device_index, 0, optional=True)
        check_whole("input_buffer_size", input_buffer_size, 1, optional=True)
        check_whole("output_buffer_size", output_buffer_size, 1, optional=True)
        check_whole("input_frames_per_buffer", input_frames_per_buffer, 1)
        check_whole("output_frames_per_buffer", output_frames_per_buffer, 1)
        self._input = (input_device_index, input_buffer_size, input_frames_per_buffer)
        self._output = (output_device_index, output_buffer_size, output_frames_per_buffer)

    def input(self) -> DeviceInput:
        """Return the microphone."""
        device, size, frames = self._input
        return DeviceInput(device_index=device, buffer_size=size, frames_per_buffer=frames)

    def output(self) -> DeviceOutput:
        """Return the loudspeaker."""
        device, size, frames = self._output
        return DeviceOutput(device_index=device, buffer_size=size, frames_per_buffer=frames)
