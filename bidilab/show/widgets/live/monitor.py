"""What the user's side looks like: level and probability of speech, frame by frame. Pure but for the input it wraps."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from bidilab.bidi.types.events import BidiAudioInputEvent, BidiInputEvent
from bidilab.bidi.types.io import BidiInput
from bidilab.bidi.types.media import mono
from bidilab.core.audio import FloatArray, pcm16_to_float
from bidilab.detect.vad import VadSpec
from bidilab.detect.vad.resampling import StreamResampler

__all__ = ["FLOOR_DB", "SpeechMonitor"]

FLOOR_DB = -90.0
"""Level of digital silence, as shown: below one step of 16 bits."""


class SpeechMonitor:
    """Level and speech probability of the user's audio, for the eye.

    The probability is that of Silero on this machine, the one that the local model decides by; what a provider's
    server computes is not published.

    Parameters
    ----------
    kept_s
        Seconds of frames that are kept for who looks later.

    Attributes
    ----------
    frame_s : float
        Seconds of a frame; frame ``k`` begins at ``k * frame_s`` of the input.
    n_frames : int
        Frames seen.
    input_rate, input_samples : int
        Hertz of the input, 0 before it begins, and samples of it seen.
    """

    def __init__(self, *, kept_s: float = 120.0) -> None:
        self._backend = VadSpec().build()
        self._n = self._backend.frame_samples
        self.frame_s = self._n / self._backend.sample_rate
        self._stream = self._backend.stream()
        self._resampler: StreamResampler | None = None
        self._rest: FloatArray = np.zeros(0, np.float32)
        kept = max(1, round(kept_s / self.frame_s))
        self._levels: deque[float] = deque(maxlen=kept)
        self._probabilities: deque[float] = deque(maxlen=kept)
        self.n_frames = 0
        self.input_rate = 0
        self.input_samples = 0

    def take(self, event: BidiAudioInputEvent) -> None:
        """Take a chunk of the user's audio.

        Raises
        ------
        AudioError
            If it is not PCM.
        """
        samples = pcm16_to_float(mono(event.pcm).astype("<i2", copy=False).tobytes())
        if self._resampler is None:
            self.input_rate = event.sample_rate
            self._resampler = StreamResampler(event.sample_rate, self._backend.sample_rate)
        self.input_samples += len(samples)
        samples = np.concatenate((self._rest, self._resampler.feed(samples)))
        whole = len(samples) // self._n
        used, self._rest = samples[: whole * self._n], samples[whole * self._n :]
        self._levels.extend(_levels_db(used.reshape(whole, self._n)))
        self._probabilities.extend(float(p) for p in self._stream.feed(used))
        self.n_frames += whole

    def since(self, frame: int) -> tuple[int, FloatArray]:
        """Frames from ``frame`` on, as far as they are kept.

        Returns
        -------
        int
            Number of the first frame returned.
        FloatArray
            ``(2, k) float32``: level in dB below full scale (RMS), and probability of speech.
        """
        first = max(frame, self.n_frames - len(self._levels))
        k = max(0, self.n_frames - first)
        columns = [list(column)[len(column) - k :] for column in (self._levels, self._probabilities)]
        return first, np.asarray(columns, dtype=np.float32).reshape(2, k)

    def listen_to(self, source: BidiInput) -> BidiInput:
        """The same input, watched as it passes."""
        return _Watched(source, self)


def _levels_db(frames: FloatArray) -> list[float]:
    power = np.mean(np.square(frames, dtype=np.float64), axis=1)
    floor = 10 ** (FLOOR_DB / 10)
    return [float(level) for level in 10 * np.log10(np.maximum(power, floor))]


class _Watched:
    """An input whose audio a monitor sees."""

    def __init__(self, source: BidiInput, monitor: SpeechMonitor) -> None:
        self._source = source
        self._monitor = monitor

    async def start(self, agent: Any) -> None:
        await self._source.start(agent)

    async def stop(self) -> None:
        await self._source.stop()

    async def __call__(self) -> BidiInputEvent:
        event = await self._source()
        if isinstance(event, BidiAudioInputEvent):
            self._monitor.take(event)
        return event
