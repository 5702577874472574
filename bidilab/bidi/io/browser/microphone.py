"""The browser's microphone as an input: numbered frames in, a stream without holes out.

The page numbers every message with the frame of its first sample: on the microphone's own clock where the browser
hands out a track's samples (Chromium), else on that of an AudioContext. Jupyter's comm may swap messages: what comes
early that way waits, up to `REORDER_S`, for what is before it. Frames that have not come by then are replaced by
silence and logged (``input_gap``, ``reason="lost"``), so that a sample's position still gives its time. The time
without a page is silence too (``reason="no_page"``); the session hears it as it passes, so that after hours without a
page there is no backlog. A page whose frames jump, ahead of the time or back, counts as a new one
(``reason="clock_jump"``). Frames that come twice are used once. If the browser's audio device stood still because it
got no processor, the session's time is moved by as much (``audio_clock_slip``).
"""

from __future__ import annotations

import asyncio
import contextlib
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

REORDER_S = 5.0
"""By a way that may swap messages: audio that may have come before a frame that is still to come (0.5 s was seen, and
over 2 s on a machine whose every core had work for several). Where more has, the frame is taken as lost."""

_NO_PAGE_S = 2.0
"""Silence without a page is heard so much later than it passed: a page that is back may still send audio of then."""
_REZERO_EVERY_S = 1.0
_JUMP_S = 10.0
"""Audio that lies so far ahead of the session's time, behind a hole, or so far back, has a clock that jumped."""
_AHEAD_S = 10.0
_FAST = 1.01
"""Audio may be ahead of the time since the start by ten seconds and a percent: more cannot have been captured."""
_STALLED_S = 60.0
"""A page that sends nothing for so long is heard again from where it goes on; what comes later of before is lost."""
_LOOK_S = 1.0
_SILENCE_PACE_S = 0.02
"""Between seconds of silence that wait: what has gathered is given 50 times as fast as it passed, not all at once."""
_MAX_FRAME = 2**53


@dataclass(slots=True, kw_only=True)
class _Capture:
    """One page's capture; each counts its frames from 0."""

    clock: ArrivalClock
    resampler: StreamResampler
    first_frame: int | None = None
    next_frame: int = 0
    early: dict[int, FloatArray] = field(default_factory=dict)
    """By their frame, messages that came before one that is before them."""
    may_swap: bool = False
    starts_at: int = 0
    """Where in the input stream, in samples of the model, the capture begins."""
    arrived_s: float = 0.0
    """When something came last."""
    gap: str = "no_page"
    """Why there is a gap before it."""


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
        """Prepare for audio that pages capture.

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
        self._absent_samples = 0
        self._started_s = self._rezeroed_s = agent.clock.now_s()

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
        """The page is gone, or captures no more; until the next `open` there is silence."""
        capture, self._capture = self._capture, None
        if capture is not None:
            self._end(capture)

    def _end(self, capture: _Capture) -> None:
        """Take what waits; whatever comes next begins anew."""
        if capture.first_frame is None:
            return
        self._take_early(capture, 0)
        self._put(capture.resampler.flush())
        self._ends_s = capture.clock.time_s(capture.next_frame)
        capture.first_frame = None
        capture.resampler = StreamResampler(capture.clock.sample_rate, self._rate)

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
            If it is not a whole number of samples, ``frame`` is negative, or it is more than can have been captured.
        """
        capture = self._capture
        if capture is None:
            raise SessionError("a page sent audio but has not opened the microphone")
        if not 0 <= frame < _MAX_FRAME or len(pcm) % 2:
            raise EventError(
                f"captured audio must have a frame >= 0 and whole samples, got {frame} and {len(pcm)} bytes"
            )
        now_s = self._running().clock.now_s()
        end = frame + len(pcm) // 2
        ahead_s = self._received / self._rate - _FAST * (now_s - self._started_s)
        if ahead_s > _AHEAD_S:
            raise EventError(f"the page sent {ahead_s:.0f} s more audio than it can have captured")
        if self._has_jumped(capture, frame, end, now_s, may_swap=may_swap):
            self._end(capture)
            capture.clock = ArrivalClock(sample_rate=capture.clock.sample_rate)
            capture.gap = "clock_jump"
        capture.arrived_s = now_s
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

    def _has_jumped(self, capture: _Capture, frame: int, end: int, now_s: float, *, may_swap: bool) -> bool:
        if capture.first_frame is None:
            return False
        jump = _JUMP_S * capture.clock.sample_rate
        if frame < capture.next_frame - jump:  # by a way that swaps, it is only very late
            return not (may_swap or capture.may_swap)
        furthest = max((start + len(samples) for start, samples in capture.early.items()), default=capture.next_frame)
        return frame > furthest + jump and capture.clock.time_s(end) > now_s + _JUMP_S

    def _take_early(self, capture: _Capture, waits: int) -> None:
        """Take what has come, in order; wait for what is missing before it, for ``waits`` frames of audio."""
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
        if self._ends_s is not None:
            missing_s = capture.clock.time_s(frame) - self._ends_s
            frame += max(0, s_to_samples(-missing_s, capture.clock.sample_rate))  # there was silence by then
            missing = max(0, s_to_samples(missing_s, self._rate))
            self._silence(missing)
            self._log_absence(missing, capture.gap)
        capture.first_frame = capture.next_frame = frame
        capture.starts_at = self._received

    def _log_absence(self, missing: int, reason: str) -> None:
        n_samples, self._absent_samples = missing + self._absent_samples, 0
        self._log_gap(n_samples, reason, at=self._received - n_samples)

    def _fill_lost(self, capture: _Capture, n_frames: int) -> None:
        rate = capture.clock.sample_rate
        n_samples = s_to_samples(n_frames / rate, self._rate)
        self._log_gap(n_samples, "lost", at=self._received)
        if n_frames <= rate:
            self._put(capture.resampler.feed(np.zeros(n_frames, dtype=np.float32)))
            return
        self._put(capture.resampler.flush())
        capture.resampler = StreamResampler(rate, self._rate)
        self._silence(n_samples)

    def _silence(self, n_samples: int) -> None:
        """Put silence of any length, which takes no memory."""
        if n_samples:
            self._received += n_samples
            self._blocks.append(n_samples)
            self._arrived.set()

    def _keep_time(self, now_s: float) -> None:
        """Put the silence that has passed without a page, in whole seconds, as far as no audio of it can come yet."""
        capture = self._capture
        if capture is not None and capture.first_frame is not None and now_s - capture.arrived_s >= _STALLED_S:
            self._end(capture)
            if not capture.may_swap:  # nothing is that late there: what comes next has just been captured
                capture.clock = ArrivalClock(sample_rate=capture.clock.sample_rate)
        if self._ends_s is None or (capture is not None and capture.first_frame is not None):
            return
        passed_s = int(now_s - _NO_PAGE_S - self._ends_s)
        if passed_s > 0:
            self._ends_s += passed_s
            self._absent_samples += passed_s * self._rate
            self._silence(passed_s * self._rate)

    def _log_gap(self, n_samples: int, reason: str, *, at: int) -> None:
        detail = {"samples": n_samples, "sample_rate": self._rate}
        self._running().log.append("input_gap", source="input", input_samples=at, reason=reason, detail=detail)

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
        """Return the next audio, with the time at which it was captured.

        Raises
        ------
        EndOfInput
            When stopped.
        """
        await self._until_a_block()
        waits = self._blocks[0]
        if isinstance(waits, int) and waits > self._rate and self._agent is not None:
            await self._agent.clock.sleep_s(_SILENCE_PACE_S)
            await self._until_a_block()  # it may have been stopped
        block = self._blocks.popleft()
        if isinstance(block, int):
            n = min(block, self._rate)  # a second at a time: a computer may have slept for an hour
            if block > n:
                self._blocks.appendleft(block - n)
            block = bytes(2 * n)
        captured_s = self._dated(self._read)
        self._read += len(block) // 2
        return BidiAudioInputEvent.from_pcm(block, sample_rate=self._rate, captured_s=captured_s)

    async def _until_a_block(self) -> None:
        while not self._blocks:
            if self._agent is None:
                raise EndOfInput("the browser's microphone was closed")
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._arrived.wait()
            if self._agent is not None:
                self._keep_time(self._agent.clock.now_s())

    def _dated(self, position: int) -> float | None:
        """When a position was captured; silence without a page is seconds old when it is put, and has its date, too."""
        capture = self._capture
        if capture is not None and capture.first_frame is not None:
            return self._time_s(capture, position)
        return None if self._ends_s is None else self._ends_s - (self._received - position) / self._rate

    async def stop(self) -> None:
        """Stop capturing; a pending read raises `EndOfInput`."""
        if self._agent is not None and self._absent_samples:
            self._log_absence(0, "no_page")
        self._agent = self._capture = None
        self._blocks.clear()
        self._arrived.set()
