"""Sessions from and to audio files: `WavInput` speaks a recording as if live, `WavOutput` writes down both sides."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bidilab.bidi.io.base import AudioSettings, BidiInput, SessionAgent
from bidilab.bidi.io.output import BufferedOutput
from bidilab.bidi.io.playback import PlaybackBuffer
from bidilab.bidi.types.events import BidiAudioInputEvent, BidiInputEvent
from bidilab.bidi.types.media import mono
from bidilab.core.audio import Audio, float_to_pcm16, pcm16_to_float
from bidilab.core.audiofile import read_audio, write_audio
from bidilab.core.clock import Clock
from bidilab.core.errors import AudioError, EndOfInput, InvalidParameterError, SessionError
from bidilab.core.units import check_sample_rate, ms_to_samples, s_to_samples
from bidilab.detect.vad.resampling import resample

__all__ = ["WavInput", "WavOutput"]


class WavInput:
    """A recording as the user's microphone: chunk by chunk, each when its last sample would have been spoken.

    Parameters
    ----------
    source
        An audio file, `Audio`, or an array: ``(n,)`` or ``(n, channels)``, floating point in [-1, 1] or ``int16``.
    sample_rate
        Hertz of an array; must be left out for a file or `Audio`, which know their own.
    chunk_ms
        Length of a chunk, ``> 0``.
    channel
        Channel to take of several, from 0; ``None`` takes their mean.
    tail_ms
        Silence after the recording, ``>= 0``: a microphone stays open, and a turn at the very end needs it to end.

    Raises
    ------
    InvalidParameterError
        If a parameter is not allowed.
    AudioError
        If the file or array cannot be used.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | Audio | npt.NDArray[Any],
        sample_rate: int | None = None,
        *,
        chunk_ms: float = 20.0,
        channel: int | None = None,
        tail_ms: float = 0.0,
    ) -> None:
        if not 0 < chunk_ms < float("inf"):
            raise InvalidParameterError("chunk_ms", "a length > 0", chunk_ms)
        if not 0 <= tail_ms < float("inf"):
            raise InvalidParameterError("tail_ms", "a length >= 0", tail_ms)
        audio = _audio(source, sample_rate)
        self._mono = audio.channel(channel)
        self._sample_rate = audio.sample_rate
        self._chunk_ms = chunk_ms
        self._tail_ms = tail_ms
        self._clock: Clock | None = None

    async def start(self, agent: SessionAgent) -> None:
        """Resample to what the model takes; the first sample is spoken now.

        Raises
        ------
        InvalidParameterError
            If the model's audio settings are not usable, or a chunk would hold no sample.
        """
        settings = AudioSettings.of(agent)
        self._rate, self._channels = settings.input_rate, settings.channels
        if ms_to_samples(self._chunk_ms, self._rate) < 1:
            raise InvalidParameterError("chunk_ms", f"at least one sample at {self._rate} Hz", self._chunk_ms)
        spoken = resample(self._mono, self._sample_rate, self._rate)
        tail = np.zeros(ms_to_samples(self._tail_ms, self._rate), dtype=np.float32)
        pcm = np.frombuffer(float_to_pcm16(np.concatenate((spoken, tail))), dtype="<i2")
        self._n_samples = len(pcm)
        self._pcm = np.repeat(pcm, self._channels).tobytes()
        self._chunk = Fraction(self._chunk_ms) * self._rate / 1000
        self._n_chunks = 0
        self._position = 0
        self._clock = agent.clock
        self._zero_s = agent.clock.now_s()

    async def stop(self) -> None:
        """Stop; the next call raises `EndOfInput`."""
        self._clock = None

    @property
    def position_samples(self) -> int:
        """Samples given out since the start, at the model's rate."""
        return self._position

    async def __call__(self) -> BidiAudioInputEvent:
        """Wait until the next chunk has been spoken, and return it.

        Raises
        ------
        EndOfInput
            After the last chunk, or when stopped.
        """
        if self._clock is None:
            raise EndOfInput("the recording is not being played: start it first")
        start = self._position
        if start == self._n_samples:
            raise EndOfInput(f"the recording ended after {start} samples")
        # Ends are rounded from the start of the stream, so that chunks of 22.5 samples do not drift.
        # In integers, since this is done for every chunk of every replay.
        numerator, denominator = self._chunk.numerator, self._chunk.denominator
        end = (2 * (self._n_chunks + 1) * numerator + denominator) // (2 * denominator)
        end = min(self._n_samples, end)
        await self._clock.sleep_until_s(self._zero_s + end / self._rate)
        self._n_chunks, self._position = self._n_chunks + 1, end
        width = 2 * self._channels
        chunk = self._pcm[start * width : end * width]
        return BidiAudioInputEvent.from_pcm(chunk, sample_rate=self._rate, channels=self._channels)


def _audio(source: str | os.PathLike[str] | Audio | npt.NDArray[Any], sample_rate: int | None) -> Audio:
    if isinstance(source, np.ndarray):
        if sample_rate is None:
            raise InvalidParameterError("sample_rate", "given with an array", None)
        if source.dtype == np.int16:
            source = pcm16_to_float(source.astype("<i2").tobytes()).reshape(source.shape)
        return Audio(samples=source, sample_rate=sample_rate)
    if sample_rate is not None:
        raise InvalidParameterError("sample_rate", "left out for a file or Audio, which know their own", sample_rate)
    return source if isinstance(source, Audio) else read_audio(source)


class WavOutput(BufferedOutput):
    """Record a session in one file, on one timeline: the user on channel 0, the agent on channel 1.

    The agent's side is what a loudspeaker would have played, by the session's clock: audio that comes early waits,
    and after an interruption not one old sample is there. The user's side is what goes through `listen_to`::

        recorder = WavOutput("session.wav")
        await agent.run(inputs=[recorder.listen_to(WavInput("user.wav"))], outputs=[recorder])

    The file is written when the output is stopped, whole or not at all; until then the audio is in memory (at
    24 kHz, 350 MB an hour).

    Parameters
    ----------
    path
        ``.wav``, ``.flac`` or ``.ogg``; ``None`` writes no file, and `recording` has the audio.
    sample_rate
        Hertz of the file; by default the rate of the agent's audio.
    keeps_audio
        Whether audio is kept for the file and for `recording`; without, the loudspeaker is only simulated.

    Raises
    ------
    InvalidParameterError
        If ``sample_rate`` is not a positive whole number, or a file is asked for and no audio is to be kept.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, sample_rate: int | None = None, *, keeps_audio: bool = True
    ) -> None:
        super().__init__()
        if path is not None and not keeps_audio:
            raise InvalidParameterError("keeps_audio", "true where a file is to be written", keeps_audio)
        self._keeps_audio = keeps_audio
        self.path = Path(path) if path is not None else None
        self._recording: Audio | None = None
        self._file_rate = check_sample_rate(sample_rate) if sample_rate is not None else None

    async def start(self, agent: SessionAgent) -> None:
        """Begin the timeline: position 0 is now.

        Raises
        ------
        InvalidParameterError
            If the model's audio settings are not usable, or the output is started already.
        """
        self._begin(agent)
        self._spoken: list[npt.NDArray[np.int16]] = []
        self._user: list[npt.NDArray[np.int16]] = []
        self._user_rate = AudioSettings.of(agent).input_rate
        self._zero_s = agent.clock.now_s()

    async def stop(self) -> None:
        """Play to the present moment, and write the file. Without a start before it, nothing."""
        if self._agent is None:
            return
        self._catch_up()
        self._agent = None
        if not self._keeps_audio:
            return
        rate = self._file_rate or self._rate
        agent = np.concatenate([*self._spoken, np.zeros(0, dtype=np.int16)])
        spoken = resample(pcm16_to_float(agent.astype("<i2").tobytes()), self._rate, rate)
        user = np.concatenate([*self._user, np.zeros(0, np.int16)])
        heard = resample(pcm16_to_float(user.astype("<i2").tobytes()), self._user_rate, rate)
        both = np.zeros((max(len(heard), len(spoken)), 2), dtype=np.float32)
        both[: len(heard), 0] = heard
        both[: len(spoken), 1] = spoken
        self._recording = Audio(samples=both, sample_rate=rate, name=str(self.path or "session"))
        if self.path is not None:
            write_audio(self.path, both, rate)

    @property
    def recording(self) -> Audio:
        """Both sides, ``(n, 2)``: the user, and the agent as it was heard.

        Raises
        ------
        SessionError
            If the output was not started and stopped, or keeps no audio.
        """
        if not self._keeps_audio:
            raise SessionError("this output keeps no audio")
        if self._recording is None:
            raise SessionError("the session is not over: its recording is there when the output is stopped")
        return self._recording

    @property
    def playback(self) -> PlaybackBuffer:
        """The simulated loudspeaker, as of the last event."""
        return self._playback

    def listen_to(self, source: BidiInput) -> BidiInput:
        """Return the same input, recorded: its audio becomes the user's side."""
        return _Overheard(source, self)

    def record_user(self, event: BidiAudioInputEvent) -> None:
        """Record a chunk of the user that was captured until now.

        The first lies where its capture began; the others follow it without a gap, as samples of one stream do.

        Raises
        ------
        AudioError
            If the audio is not PCM or its rate changes.
        """
        self._check_started("the user speaks", event)
        samples = mono(event.pcm)
        if self._keeps_audio and not self._user:
            self._user_rate = event.sample_rate
            now = s_to_samples(self._clock.now_s() - self._zero_s, event.sample_rate)
            self._user.append(np.zeros(max(0, now - len(samples)), dtype=np.int16))
        if event.sample_rate != self._user_rate:
            raise AudioError(f"the user's audio changed from {self._user_rate} to {event.sample_rate} Hz")
        if self._keeps_audio:
            self._user.append(samples)
        if self._playback.waiting_samples:  # otherwise nothing can have changed
            self._catch_up()

    def _time_s(self, position: int) -> float:
        return self._zero_s + position / self._rate

    def _catch_up(self) -> None:
        now = s_to_samples(self._clock.now_s() - self._zero_s, self._rate)
        if now > self._playback.position_samples:
            block = self._playback.get(now - self._playback.position_samples)
            if self._keeps_audio:
                self._spoken.append(block.samples)
            self._tell_changes(block.changes)


class _Overheard:
    """An input whose audio a `WavOutput` writes down as it passes."""

    def __init__(self, source: BidiInput, recorder: WavOutput) -> None:
        self._source = source
        self._recorder = recorder

    async def start(self, agent: SessionAgent) -> None:
        await self._source.start(agent)

    async def stop(self) -> None:
        await self._source.stop()

    async def __call__(self) -> BidiInputEvent:
        event = await self._source()
        if isinstance(event, BidiAudioInputEvent):
            self._recorder.record_user(event)
        return event
