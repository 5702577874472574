"""Sessions from and to audio files: `WavInput` speaks a recording as if live, `WavOutput` writes down both sides."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from bidilab.bidi.io.base import AudioSettings, BidiInput, Overheard, SessionAgent
from bidilab.bidi.io.output import BufferedOutput
from bidilab.bidi.io.playback import PlaybackBuffer
from bidilab.bidi.types.base import mono
from bidilab.bidi.types.events import BidiAudioInputEvent
from bidilab.core.audio import Audio, FloatArray, pcm16_to_float, to_pcm16
from bidilab.core.audiofile import read_channel, write_audio
from bidilab.core.audioroom import Room, blocks
from bidilab.core.checks import is_number
from bidilab.core.clock import Clock
from bidilab.core.errors import AudioError, EndOfInput, InvalidParameterError, SessionError
from bidilab.core.units import check_sample_rate, ms_to_samples, rescale_samples, s_to_samples
from bidilab.detect.vad.resampling import resampled_blocks

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
        Channel to take of several, from 0; ``None`` takes the user's, which is the first (`Audio.user`).
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
        if not (is_number(chunk_ms) and 0 < chunk_ms < float("inf")):
            raise InvalidParameterError("chunk_ms", "a length > 0", chunk_ms)
        if not (is_number(tail_ms) and 0 <= tail_ms < float("inf")):
            raise InvalidParameterError("tail_ms", "a length >= 0", tail_ms)
        if isinstance(source, str | os.PathLike) and sample_rate is None:
            audio = read_channel(source, channel or 0)
            self._mono = audio.samples
        else:
            audio = _audio(source, sample_rate)
            self._mono = audio.user() if channel is None else audio.channel(channel)
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
        n_tail = ms_to_samples(self._tail_ms, self._rate)
        self._n_samples = rescale_samples(len(self._mono), self._sample_rate, self._rate) + n_tail
        self._blocks = self._spoken_blocks(n_tail)
        self._waiting, self._taken = b"", 0
        self._chunk = Fraction(self._chunk_ms) * self._rate / 1000
        self._n_chunks = 0
        self._position = 0
        self._clock = agent.clock
        self._zero_s = agent.clock.now_s()

    async def stop(self) -> None:
        """Stop the input; the next call raises `EndOfInput`."""
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
        chunk = self._take(2 * self._channels * (end - start))
        # The session counts time from the first sample: from when it was to be spoken, though a busy machine is late.
        began_s = self._zero_s if start == 0 else None
        return BidiAudioInputEvent.from_pcm(chunk, sample_rate=self._rate, channels=self._channels, captured_s=began_s)

    def _take(self, n_bytes: int) -> bytes:
        """The next bytes of what is spoken, which is converted as it is needed: a call of hours is in memory once."""
        while len(self._waiting) - self._taken < n_bytes:
            self._waiting, self._taken = self._waiting[self._taken :] + next(self._blocks), 0
        start, self._taken = self._taken, self._taken + n_bytes
        return self._waiting[start : self._taken]

    def _spoken_blocks(self, n_tail: int) -> Iterator[bytes]:
        for block in resampled_blocks(blocks(self._mono, _BLOCK_SAMPLES), self._sample_rate, self._rate):
            yield self._as_pcm(block)
        yield bytes(2 * self._channels * n_tail)

    def _as_pcm(self, samples: FloatArray) -> bytes:
        return np.repeat(to_pcm16(samples).astype("<i2", copy=False), self._channels).tobytes()


_BLOCK_SAMPLES = 1 << 15
_BLOCK_BYTES = 2 << 20
_IN_MEMORY_BYTES = 16 << 20


def _audio(source: str | os.PathLike[str] | Audio | npt.NDArray[Any], sample_rate: int | None) -> Audio:
    if isinstance(source, np.ndarray):
        if sample_rate is None:
            raise InvalidParameterError("sample_rate", "given with an array", None)
        if source.dtype == np.int16:
            source = pcm16_to_float(source.astype("<i2").tobytes()).reshape(source.shape)
        return Audio(samples=source, sample_rate=sample_rate)
    if sample_rate is not None:
        raise InvalidParameterError("sample_rate", "left out for a file or Audio, which know their own", sample_rate)
    return source if isinstance(source, Audio) else read_channel(source)


class WavOutput(BufferedOutput):
    """Record a session in one file, on one timeline: the user on channel 0, the agent on channel 1.

    The agent's side is what a loudspeaker would have played, by the session's clock: audio that comes early waits,
    and after an interruption no old sample is played. The user's side is what goes through `listen_to`::

        recorder = WavOutput("session.wav")
        await agent.run(inputs=[recorder.listen_to(WavInput("user.wav"))], outputs=[recorder])

    The file is written when the output is stopped, whole or not at all; until then the audio of some minutes is in
    memory, and that of a longer session in a temporary file.

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
        If ``sample_rate`` is not a positive whole number, or a path is given and ``keeps_audio`` is false.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, sample_rate: int | None = None, *, keeps_audio: bool = True
    ) -> None:
        super().__init__()
        if path is not None and not keeps_audio:
            raise InvalidParameterError("keeps_audio", "True if a file is to be written", keeps_audio)
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
        self._spoken, self._user = _Tape(), _Tape()
        self._user_began = False
        self._user_rate = AudioSettings.of(agent).input_rate
        self._zero_s = agent.clock.now_s()

    async def stop(self) -> None:
        """Play up to now, and write the file. Before a start it does nothing."""
        if self._agent is None:
            return
        self._catch_up()
        self._agent = None
        if not self._keeps_audio:
            return
        rate = self._file_rate or self._rate
        sides = ((self._user, self._user_rate), (self._spoken, self._rate))
        n_samples = max(rescale_samples(tape.n_samples, own, rate) for tape, own in sides)
        both = Room(n_samples, 2)
        for place, (tape, own) in enumerate(sides):
            _put(tape, own, both, place, rate)
            tape.close()
        name = str(self.path or "session")
        self._recording = Audio.known_finite(both.samples, sample_rate=rate, name=name)
        if self.path is not None:
            write_audio(self.path, both.samples, rate)

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
            raise SessionError("the session is not over: its recording is ready once the output is stopped")
        return self._recording

    @property
    def playback(self) -> PlaybackBuffer:
        """The simulated loudspeaker at the time of the last event."""
        return self._playback

    def listen_to(self, source: BidiInput) -> BidiInput:
        """Return the same input, recorded: its audio becomes the user's side."""
        return Overheard(source, self.record_user)

    def record_user(self, event: BidiAudioInputEvent) -> None:
        """Record a chunk of the user, captured until now unless it is dated.

        The first lies where its capture began; the others follow it without a gap, as samples of one stream do.

        Raises
        ------
        AudioError
            If the audio is not PCM or its rate changes.
        """
        self._check_started("the user speaks", event)
        samples = mono(event.pcm)
        if self._keeps_audio and not self._user_began:
            self._user_rate, self._user_began = event.sample_rate, True
            if event.captured_s is None:
                began = s_to_samples(self._clock.now_s() - self._zero_s, event.sample_rate) - len(samples)
            else:
                began = s_to_samples(event.captured_s - self._zero_s, event.sample_rate)
            self._user.add(bytes(2 * max(0, began)))
        if event.sample_rate != self._user_rate:
            raise AudioError(f"the user's audio changed from {self._user_rate} to {event.sample_rate} Hz")
        if self._keeps_audio:
            self._user.add(samples.astype("<i2", copy=False).tobytes())
        if self._playback.waiting_samples:  # otherwise nothing can have changed
            self._catch_up()

    def _time_s(self, position: int) -> float:
        return self._zero_s + position / self._rate

    def _catch_up(self) -> None:
        now = s_to_samples(self._clock.now_s() - self._zero_s, self._rate)
        if now > self._playback.position_samples:
            block = self._playback.get(now - self._playback.position_samples)
            if self._keeps_audio:
                self._spoken.add(block.samples.astype("<i2", copy=False).tobytes())
            self._tell_changes(block.changes)


class _Tape:
    """Samples of 16 bits, little-endian, one behind the other: in memory, and from some minutes on in a file."""

    def __init__(self) -> None:
        self._latest = bytearray()
        self._file: IO[bytes] | None = None
        self.n_samples = 0

    def add(self, pcm: bytes) -> None:
        self._latest += pcm
        self.n_samples += len(pcm) // 2
        if len(self._latest) >= _IN_MEMORY_BYTES:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
            self._file.write(self._latest)
            self._latest = bytearray()

    def blocks(self) -> Iterator[FloatArray]:
        """All of it, ``(n,) float32`` each."""
        if self._file is not None:
            self._file.seek(0)
            while block := self._file.read(_BLOCK_BYTES):
                yield pcm16_to_float(block)
        for start in range(0, len(self._latest), _BLOCK_BYTES):
            yield pcm16_to_float(memoryview(self._latest)[start : start + _BLOCK_BYTES])

    def close(self) -> None:
        """Let go of it."""
        self._latest = bytearray()
        if self._file is not None:
            self._file.close()

    def __del__(self) -> None:
        self.close()


def _put(tape: _Tape, own_rate: int, both: Room, place: int, rate: int) -> None:
    """Put one side of a session where it belongs, block by block."""
    at = 0
    for block in resampled_blocks(tape.blocks(), own_rate, rate):
        both.put(at, place, block)
        at += len(block)
