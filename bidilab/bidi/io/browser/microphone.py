"""The browser's microphone as an input: numbered frames in, a stream without holes out.

The page numbers every message with the frame of its first sample: on the microphone's own clock where the browser
hands out a track's samples (Chromium), else on that of an AudioContext. Jupyter's comm may swap messages: what comes
early that way waits, up to `REORDER_S`, for what is before it. A frame that has not come by then is filled with
silence and logged (``input_gap``, ``reason="lost"``), so that a position stays a time; so is the stretch in which
there was no page (``reason="no_page"``). What comes twice is taken once. When the browser's audio device stood still,
for want of a processor, the session's time is moved by as much (``audio_clock_slip``).
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from bidilab.bidi.io.base import AudioSettings, SessionAgent, require_real_clock
from bidilab.bidi.io.browser.audioclock import ArrivalClock
from bidilab.bidi.types.events import BidiAudioInputEvent
from bidilab.core.audio import FloatArray, float_to_pcm16, pcm16_to_float
from bidilab.core.errors import EndOfInput, EventError, InvalidParameterError, SessionError
from bidilab.core.units import s_to_samples
from bidilab.detect.vad.resampling import StreamResampler

__all__ = ["REORDER_S", "BrowserMicrophone"]

REORDER_S = 2.0
"""By a way that may swap messages: audio that may have come before a frame that is still to come (0.5 s was seen).
Where more has, the frame is taken as lost."""

_REZERO_EVERY_S = 1.0


@dataclass(slots=True, kw_only=True)
class _Capture:
    """One page's capture, from its opening on: frames count anew in each."""

    clock: ArrivalClock
    resampler: StreamResampler
    first_frame: int | None = None
    next_frame: int = 0
    early: dict[int, FloatArray] = field(default_factory=dict)
    """By their frame, messages that came before one that is before them."""
    may_swap: bool = False
    starts_at: int = 0
    """Where in the input stream, in samples of the model, the capture begins."""


class BrowserMicrophone:
    """An input that a page feeds.

    All methods are called in the session's loop. `open` and `take` may be called before the session starts to read.
    """

    def __init__(self) -> None:
        self._agent: SessionAgent | None = None
        self._capture: _Capture | None = None
        self._blocks: deque[bytes | int] = deque()
        self._arrived = asyncio.Event()
        self._late_s = 0.0

    async def start(self, agent: SessionAgent) -> None:
        """Be ready for what pages capture.

        Raises
        ------
        InvalidParameterError
            If the session runs on the virtual clock, the model wants two channels, or the input is started already.
        """
        require_real_clock(agent, "a browser's microphone")
        if self._agent is not None:
            raise InvalidParameterError("input", "stopped before it is started again", "a started one")
        settings = AudioSettings.of(agent)
        if settings.channels != 1:
            raise InvalidParameterError('model.config["audio"]["channels"]', "1 for a browser", settings.channels)
        self._agent = agent
        self._rate = settings.input_rate
        self._capture = None
        self._blocks.clear()
        self._arrived = asyncio.Event()
        self._received = self._read = 0
        self._late_s = 0.0
        self._ends_s: float | None = None
        self._rezeroed_s = agent.clock.now_s()

    # ---- the page --------------------------------------------------------------------------------------------------

    def open(self, *, sample_rate: int) -> None:
        """A page begins to capture; its frames have their own count.

        Parameters
        ----------
        sample_rate
            Hertz of what it will send.

        Raises
        ------
        SessionError
            If the session is not started.
        InvalidParameterError
            If ``sample_rate`` is not a positive whole number.
        """
        self._running()
        self.close()
        resampler = StreamResampler(sample_rate, self._rate)
        self._capture = _Capture(clock=ArrivalClock(sample_rate=sample_rate), resampler=resampler)

    def close(self) -> None:
        """The page is gone, or captures no more; the next `open` fills what is missing until then."""
        capture, self._capture = self._capture, None
        if capture is None or capture.first_frame is None:
            return
        self._take_early(capture, 0)
        self._put(capture.resampler.flush())
        self._ends_s = capture.clock.time_s(capture.next_frame)

    def take(self, frame: int, pcm: bytes, *, may_swap: bool = False) -> None:
        """Take captured audio.

        Parameters
        ----------
        frame
            The audio clock's frame of its first sample, ``>= 0``.
        pcm
            16 bit, little-endian, mono.
        may_swap
            Whether it came by a way that may swap messages. From the first such on, what is missing is waited for.

        Raises
        ------
        SessionError
            If no page has opened the microphone.
        EventError
            If it is not a whole number of samples, or ``frame`` is negative.
        """
        capture = self._capture
        if capture is None:
            raise SessionError("audio of a page that has not opened the microphone")
        if frame < 0 or len(pcm) % 2:
            raise EventError(f"captured audio has a frame >= 0 and whole samples, got {frame} and {len(pcm)} bytes")
        now_s = self._running().clock.now_s()
        end = frame + len(pcm) // 2
        slipped_s = capture.clock.observe(end, now_s)
        if slipped_s and capture.first_frame is not None:
            self._log_slip(slipped_s)
        self._late_s = capture.clock.late_s(end, now_s)
        if capture.first_frame is None:
            self._begin(capture, frame)
        samples = pcm16_to_float(pcm)
        if len(samples) > len(capture.early.get(frame, ())):
            capture.early[frame] = samples
        capture.may_swap |= may_swap
        self._take_early(capture, int(REORDER_S * capture.clock.sample_rate) if capture.may_swap else 0)
        self._follow_drift(capture, now_s)

    def _take_early(self, capture: _Capture, waits: int) -> None:
        """Take what has come, in order; what is missing before it is waited for, for ``waits`` frames of audio."""
        while capture.early:
            frame = min(capture.early)
            if frame > capture.next_frame:
                if max(start + len(samples) for start, samples in capture.early.items()) - capture.next_frame <= waits:
                    return
                self._fill_lost(capture, frame - capture.next_frame)
                capture.next_frame = frame
            samples = capture.early.pop(frame)[capture.next_frame - frame :]  # a part may have come another way
            capture.next_frame += len(samples)
            self._put(capture.resampler.feed(samples))

    def _begin(self, capture: _Capture, frame: int) -> None:
        capture.first_frame = capture.next_frame = frame
        if self._ends_s is not None:
            missing = max(0, s_to_samples(capture.clock.time_s(frame) - self._ends_s, self._rate))
            self._log_gap(missing, "no_page")
            self._received += missing
            self._blocks.append(missing)
            self._arrived.set()
        capture.starts_at = self._received

    def _fill_lost(self, capture: _Capture, n_frames: int) -> None:
        self._log_gap(s_to_samples(n_frames / capture.clock.sample_rate, self._rate), "lost")
        while n_frames > 0:
            n = min(n_frames, capture.clock.sample_rate)
            self._put(capture.resampler.feed(np.zeros(n, dtype=np.float32)))
            n_frames -= n

    def _log_gap(self, n_samples: int, reason: str) -> None:
        detail = {"samples": n_samples, "sample_rate": self._rate}
        self._running().log.append(
            "input_gap", source="input", input_samples=self._received, reason=reason, detail=detail
        )

    def _log_slip(self, slipped_s: float) -> None:
        # The device stood still while time went on: samples stay in step with themselves, and from here on with t_s.
        detail = {"slipped_ms": slipped_s * 1000, "sample_rate": self._rate}
        self._running().log.append("audio_clock_slip", source="input", input_samples=self._received, detail=detail)
        self._rezeroed_s = -math.inf

    def _put(self, samples: FloatArray) -> None:
        if len(samples):
            self._received += len(samples)
            self._blocks.append(float_to_pcm16(samples))
            self._arrived.set()

    def _follow_drift(self, capture: _Capture, now_s: float) -> None:
        """Keep sample ``n`` of the input at ``t_s = n / rate`` while the sound card's clock leaves the machine's."""
        if now_s - self._rezeroed_s < _REZERO_EVERY_S or not self._read:
            return
        self._rezeroed_s = now_s
        self._running().log.rezero(self._time_s(capture, 0))

    def _time_s(self, capture: _Capture, position: int) -> float:
        assert capture.first_frame is not None  # only asked of a capture that has begun
        return capture.clock.time_s(capture.first_frame) + (position - capture.starts_at) / self._rate

    # ---- the session -----------------------------------------------------------------------------------------------

    def _running(self) -> SessionAgent:
        if self._agent is None:
            raise SessionError("the browser's microphone is not started")
        return self._agent

    @property
    def late_s(self) -> float:
        """Seconds that the last audio came later than it can: how far the session is behind the microphone."""
        return self._late_s

    @property
    def next_frame(self) -> int:
        """The page's frame that is due next; 0 without a page."""
        return 0 if self._capture is None else self._capture.next_frame

    @property
    def received_samples(self) -> int:
        """Samples taken, silence that fills gaps included, at the model's rate."""
        return self._received

    async def __call__(self) -> BidiAudioInputEvent:
        """What was captured next, dated when it was captured.

        Raises
        ------
        EndOfInput
            When stopped.
        """
        while not self._blocks:
            if self._agent is None:
                raise EndOfInput("the browser's microphone was closed")
            self._arrived.clear()
            await self._arrived.wait()
        block = self._blocks.popleft()
        if isinstance(block, int):
            n = min(block, self._rate)  # a second at a time: the page may have been away for an hour
            if block > n:
                self._blocks.appendleft(block - n)
            block = bytes(2 * n)
        captured_s = None if self._capture is None else self._dated(self._capture, self._read)
        self._read += len(block) // 2
        return BidiAudioInputEvent.from_pcm(block, sample_rate=self._rate, captured_s=captured_s)

    def _dated(self, capture: _Capture, position: int) -> float | None:
        return None if capture.first_frame is None else self._time_s(capture, position)

    async def stop(self) -> None:
        """Take no more; who waits for audio gets `EndOfInput`."""
        self._agent = self._capture = None
        self._blocks.clear()
        self._arrived.set()
