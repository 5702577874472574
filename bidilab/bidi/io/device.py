"""Microphone and loudspeaker, by sounddevice (extra ``audio``).

`BidiAudioIO` takes the options of Strands' (strands-agents 1.54, ``experimental/bidi/io/audio``; PyAudio there) but for
``processor``, its echo canceller. The callbacks of PortAudio copy samples and hand them off; what went wrong in them is
logged by the session's own thread: ``input_overrun``, ``input_dropped``, ``output_underrun``, ``output_dropped``.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import Any

from bidilab.bidi.io.base import AudioSettings, SessionAgent
from bidilab.bidi.io.playback import PlaybackBuffer, PlaybackChange
from bidilab.bidi.io.portaudio import open_stream
from bidilab.bidi.types.events import (
    BidiAudioInputEvent,
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiOutputEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
)
from bidilab.bidi.types.media import mono
from bidilab.bidi.types.playback import PlaybackKind, PlaybackListener, PlaybackReport
from bidilab.core.clock import VirtualClock
from bidilab.core.errors import AudioError, DeviceError, EndOfInput, InvalidParameterError

__all__ = ["BidiAudioIO", "DeviceInput", "DeviceOutput"]

_UNNAMED = "response"


def _refuse_virtual_clock(agent: SessionAgent) -> None:
    if isinstance(agent.clock, VirtualClock):
        raise InvalidParameterError("clock", "real for a sound device", agent.clock)


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
        _refuse_virtual_clock(agent)
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
        """The next block.

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
        """Close the microphone; who waits for a block gets `EndOfInput`."""
        if self._stream is None:
            return
        self._finish(EndOfInput("the microphone was closed"))  # before the device reports its own end
        stream, self._stream = self._stream, None
        stream.close()
        self._blocks.clear()


class DeviceOutput:
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
        self._device_index = device_index
        self._buffer_size = buffer_size
        self._frames_per_buffer = frames_per_buffer
        self._stream: Any = None
        self._stopping = False
        self._lost: DeviceError | None = None
        self._listener: PlaybackListener | None = None
        self._lock = threading.Lock()  # between PortAudio's thread and the session's; held for a copy

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
        _refuse_virtual_clock(agent)
        if self._stream is not None:
            raise InvalidParameterError("output", "stopped before it is started again", "an open one")
        settings = AudioSettings.of(agent)
        capacity = None if self._buffer_size is None else self._buffer_size * self._frames_per_buffer
        self._playback = PlaybackBuffer(sample_rate=settings.output_rate, capacity_samples=capacity)
        self._current = _UNNAMED
        self._log = agent.log
        self._loop = asyncio.get_running_loop()
        self._clock = agent.clock
        self._stopping, self._lost = False, None
        self._stream = open_stream(
            "output",
            device=self._device_index,
            samplerate=settings.output_rate,
            channels=1,
            blocksize=self._frames_per_buffer,
            callback=self._callback,
            finished_callback=self._finished,
        )

    def _callback(self, out: Any, frames: int, _time: Any, status: Any) -> None:
        with self._lock:
            block = self._playback.get(frames)
            position = self._playback.position_samples
        out[:] = block.samples.astype("<i2", copy=False).tobytes()
        if block.changes or status.output_underflow:
            self._loop.call_soon_threadsafe(self._tell, block.changes, bool(status.output_underflow), position)

    def _finished(self) -> None:
        if not self._stopping:
            self._loop.call_soon_threadsafe(self._lose)

    def _lose(self) -> None:
        self._lost = DeviceError("the loudspeaker stopped by itself: unplugged?")

    def _tell(self, changes: tuple[PlaybackChange, ...], underrun: bool, position: int) -> None:
        if underrun:
            self._log.append("output_underrun", source="playback", playback_samples=position)
        now_s = self._clock.now_s()
        for change in changes:
            self._log.append(
                _ROW_TYPES[change.kind],
                source="playback",
                response_id=change.response_id,
                playback_samples=change.position_samples,
                detail={"heard_samples": change.heard_samples, "sample_rate": self._playback.sample_rate},
            )
            self._report(change.kind, change.response_id, change.heard_samples, now_s)

    def _report(self, kind: PlaybackKind, response_id: str, heard_samples: int, at_s: float) -> PlaybackReport:
        report = PlaybackReport(
            kind=kind,
            response_id=response_id,
            heard_samples=heard_samples,
            sample_rate=self._playback.sample_rate,
            at_s=at_s,
        )
        if self._listener is not None:
            self._listener(report)
        return report

    def report_playback_to(self, listener: PlaybackListener) -> None:
        """Have ``listener`` told of every change from now on."""
        self._listener = listener

    def cut(self, response_id: str) -> PlaybackReport:
        """Silence a response now; return what was heard of it. A second cut changes nothing."""
        with self._lock:
            done_before = self._playback.is_cleared(response_id)
        if not done_before:
            self._cut(response_id)
        return PlaybackReport(
            kind="cleared",
            response_id=response_id,
            heard_samples=self.heard_samples(response_id),
            sample_rate=self._playback.sample_rate,
            at_s=self._clock.now_s(),
        )

    async def __call__(self, event: BidiOutputEvent) -> None:
        """Take one event: audio is queued, an interruption cuts it, a completed response is played to its end.

        Raises
        ------
        AudioError
            If audio comes at another rate than the model declared, or is not PCM.
        DeviceError
            If the device went away.
        """
        if self._lost is not None:
            raise self._lost
        if self._stream is None:
            raise InvalidParameterError("output", "started before it is given events", event)
        if isinstance(event, BidiResponseStartEvent):
            self._current = event.response_id
        elif isinstance(event, BidiAudioStreamEvent):
            self._play(event)
        elif isinstance(event, BidiInterruptionEvent):
            if (response_id := event.interrupted_response_id) is None:
                self._cut(None)
            else:
                self.cut(response_id)
        elif isinstance(event, BidiResponseCompleteEvent):
            with self._lock:
                changes = self._playback.mark_done(event.response_id)
            self._tell(changes, False, self._playback.position_samples)

    def _play(self, event: BidiAudioStreamEvent) -> None:
        if event.sample_rate != self._playback.sample_rate:
            declared = self._playback.sample_rate
            raise AudioError(f"the model declared {declared} Hz, its audio comes at {event.sample_rate} Hz")
        with self._lock:
            result = self._playback.put(event.response_id or self._current, mono(event.pcm))
        self._tell(result.changes, False, self._playback.position_samples)
        if result.overflow_samples:
            detail = {"dropped_samples": result.overflow_samples, "sample_rate": self._playback.sample_rate}
            self._log.append("output_dropped", source="playback", detail=detail)

    def _cut(self, response_id: str | None) -> None:
        with self._lock:
            result = self._playback.clear(response_id)
        for cleared in result.responses:
            detail = {
                "heard_samples": cleared.heard_samples,
                "dropped_samples": cleared.dropped_samples,
                "sample_rate": self._playback.sample_rate,
            }
            self._log.append(
                "playback_cleared",
                source="playback",
                response_id=cleared.response_id,
                playback_samples=result.position_samples,
                detail=detail,
            )
            self._report("cleared", cleared.response_id, cleared.heard_samples, self._clock.now_s())

    def heard_samples(self, response_id: str) -> int:
        """Samples of a response handed to the device so far; its own latency is not in it."""
        with self._lock:
            return self._playback.heard_samples(response_id)

    async def stop(self) -> None:
        """Close the loudspeaker; what still waits is not played."""
        if self._stream is None:
            return
        self._stopping = True
        stream, self._stream = self._stream, None
        stream.close()
        await self._clock.sleep_s(0)  # a turn of the loop, in which what the last block had to tell is logged


_ROW_TYPES = {"started": "playback_started", "dry": "playback_dry", "drained": "playback_silent"}


class BidiAudioIO:
    """Microphone and loudspeaker of this machine.

    Parameters
    ----------
    input_device_index, output_device_index
        As PortAudio counts (``python -m sounddevice`` lists them); ``None`` is the system's default.
    input_buffer_size, output_buffer_size
        Most blocks that may wait to be read, or to be played, ``>= 1``; ``None``: no limit.
    input_frames_per_buffer, output_frames_per_buffer
        Samples of a block, ``>= 1``.

    Raises
    ------
    InvalidParameterError
        If a parameter is not allowed.

    Notes
    -----
    Nothing is opened, and sounddevice not imported, before the session starts.
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
        _check_whole("input_device_index", input_device_index, 0, optional=True)
        _check_whole("output_device_index", output_device_index, 0, optional=True)
        _check_whole("input_buffer_size", input_buffer_size, 1, optional=True)
        _check_whole("output_buffer_size", output_buffer_size, 1, optional=True)
        _check_whole("input_frames_per_buffer", input_frames_per_buffer, 1)
        _check_whole("output_frames_per_buffer", output_frames_per_buffer, 1)
        self._input = (input_device_index, input_buffer_size, input_frames_per_buffer)
        self._output = (output_device_index, output_buffer_size, output_frames_per_buffer)

    def input(self) -> DeviceInput:
        """The microphone."""
        device, size, frames = self._input
        return DeviceInput(device_index=device, buffer_size=size, frames_per_buffer=frames)

    def output(self) -> DeviceOutput:
        """The loudspeaker."""
        device, size, frames = self._output
        return DeviceOutput(device_index=device, buffer_size=size, frames_per_buffer=frames)


def _check_whole(name: str, value: object, least: int, *, optional: bool = False) -> None:
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidParameterError(name, f"a whole number >= {least}" + (", or None" if optional else ""), value)
