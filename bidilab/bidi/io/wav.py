"""Sessions from and to audio files: `WavInput` speaks a recording as if live, `WavOutput` writes down both sides."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bidilab.bidi.io.base import AudioSettings, BidiInput, SessionAgent
from bidilab.bidi.io.playback import PlaybackBuffer, PlaybackChange
from bidilab.bidi.types.events import (
    BidiAudioInputEvent,
    BidiAudioStreamEvent,
    BidiInputEvent,
    BidiInterruptionEvent,
    BidiOutputEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
)
from bidilab.bidi.types.media import mono
from bidilab.bidi.types.playback import PlaybackKind, PlaybackListener, PlaybackReport
from bidilab.core.audio import Audio, float_to_pcm16, pcm16_to_float
from bidilab.core.audiofile import read_audio, write_audio
from bidilab.core.clock import Clock
from bidilab.core.errors import AudioError, EndOfInput, InvalidParameterError, SessionError
from bidilab.core.units import check_sample_rate, ms_to_samples, s_to_samples
from bidilab.detect.vad.resampling import resample

__all__ = ["WavInput", "WavOutput"]

_UNNAMED = "response"
_ROW_TYPES: dict[PlaybackKind, str] = {
    "started": "playback_started",
    "dry": "playback_dry",
    "drained": "playback_silent",
    "cleared": "playback_cleared",
}


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
        """Be silent; the next call raises `EndOfInput`."""
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


class WavOutput:
    """Writes a session down: one file, one timeline, the user on channel 0 and the agent on channel 1.

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
        Whether audio is kept for the file and for `recording`; without, the loudspeaker is imitated and nothing more.

    Raises
    ------
    InvalidParameterError
        If ``sample_rate`` is not a positive whole number, or a file is asked for and no audio is to be kept.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, sample_rate: int | None = None, *, keeps_audio: bool = True
    ) -> None:
        if path is not None and not keeps_audio:
            raise InvalidParameterError("keeps_audio", "true where a file is to be written", keeps_audio)
        self._keeps_audio = keeps_audio
        self.path = Path(path) if path is not None else None
        self._recording: Audio | None = None
        self._file_rate = check_sample_rate(sample_rate) if sample_rate is not None else None
        self._clock: Clock | None = None
        self._listener: PlaybackListener | None = None

    async def start(self, agent: SessionAgent) -> None:
        """Begin the timeline: position 0 is now."""
        settings = AudioSettings.of(agent)
        self._playback = PlaybackBuffer(sample_rate=settings.output_rate)
        self._agent: list[npt.NDArray[np.int16]] = []
        self._user: list[npt.NDArray[np.int16]] = []
        self._user_rate = settings.input_rate
        self._current = _UNNAMED
        self._log = agent.log
        self._clock = agent.clock
        self._zero_s = agent.clock.now_s()

    async def stop(self) -> None:
        """Play to the present moment, and write the file. Without a start before it, nothing."""
        if self._clock is None:
            return
        self._play_until_now()
        self._clock = None
        if not self._keeps_audio:
            return
        rate = self._file_rate or self._playback.sample_rate
        agent = np.concatenate([*self._agent, np.zeros(0, dtype=np.int16)])
        spoken = resample(pcm16_to_float(agent.astype("<i2").tobytes()), self._playback.sample_rate, rate)
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

    async def __call__(self, event: BidiOutputEvent) -> None:
        """Take one event: audio is queued to be played, an interruption cuts it.

        Raises
        ------
        AudioError
            If audio comes at another rate than the model declared, or is not PCM.
        """
        if self._clock is None:
            raise InvalidParameterError("output", "started before it is given events", event)
        self._play_until_now()
        if isinstance(event, BidiResponseStartEvent):
            self._current = event.response_id
        elif isinstance(event, BidiAudioStreamEvent):
            if event.sample_rate != self._playback.sample_rate:
                declared = self._playback.sample_rate
                raise AudioError(f"the model declared {declared} Hz, its audio comes at {event.sample_rate} Hz")
            self._playback.put(event.response_id or self._current, mono(event.pcm))
        elif isinstance(event, BidiInterruptionEvent):
            cut = self._playback.active_responses
            for response_id in cut if event.interrupted_response_id is None else (event.interrupted_response_id,):
                self.cut(response_id)
        elif isinstance(event, BidiResponseCompleteEvent):
            self._tell(self._playback.mark_done(event.response_id))

    def report_playback_to(self, listener: PlaybackListener) -> None:
        """Have ``listener`` told of every change from now on, as it is found out: when the next event comes, or audio
        of the user passes by. The time that it tells is exact.
        """
        self._listener = listener

    def cut(self, response_id: str) -> PlaybackReport:
        """Silence a response now; return what was heard of it. A second cut changes nothing."""
        if self._clock is None:
            raise InvalidParameterError("output", "started before it is cut", response_id)
        self._play_until_now()
        if not self._playback.is_cleared(response_id):
            result = self._playback.clear(response_id)
            dropped = result.responses[0].dropped_samples
            heard = result.responses[0].heard_samples
            self._tell_one("cleared", response_id, result.position_samples, heard, dropped_samples=dropped)
        return PlaybackReport(
            kind="cleared",
            response_id=response_id,
            heard_samples=self._playback.heard_samples(response_id),
            sample_rate=self._playback.sample_rate,
            at_s=self._clock.now_s(),
        )

    def _tell(self, changes: tuple[PlaybackChange, ...]) -> None:
        for change in changes:
            self._tell_one(change.kind, change.response_id, change.position_samples, change.heard_samples)

    def _tell_one(self, kind: PlaybackKind, response_id: str, position: int, heard_samples: int, **detail: int) -> None:
        rate = self._playback.sample_rate
        at_s = self._zero_s + position / rate
        self._log.append(
            _ROW_TYPES[kind],
            source="playback",
            t_s=at_s - self._log.zero_s,
            response_id=response_id,
            playback_samples=position,
            detail={"heard_samples": heard_samples, **detail, "sample_rate": rate},
        )
        if self._listener is not None:
            self._listener(
                PlaybackReport(
                    kind=kind, response_id=response_id, heard_samples=heard_samples, sample_rate=rate, at_s=at_s
                )
            )

    @property
    def playback(self) -> PlaybackBuffer:
        """The loudspeaker that is imitated; as of the last event."""
        return self._playback

    def listen_to(self, source: BidiInput) -> BidiInput:
        """The same input, overheard: what it gives is written down as the user's side."""
        return _Overheard(source, self)

    def record_user(self, event: BidiAudioInputEvent) -> None:
        """Write down a chunk of the user that was captured until now.

        The first lies where its capture began; the others follow it without a gap, as samples of one stream do.

        Raises
        ------
        AudioError
            If the audio is not PCM or its rate changes.
        """
        if self._clock is None:
            raise InvalidParameterError("output", "started before the user speaks", event)
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
            self._play_until_now()

    def _play_until_now(self) -> None:
        assert self._clock is not None  # both callers made sure
        now = s_to_samples(self._clock.now_s() - self._zero_s, self._playback.sample_rate)
        if now > self._playback.position_samples:
            block = self._playback.get(now - self._playback.position_samples)
            if self._keeps_audio:
                self._agent.append(block.samples)
            self._tell(block.changes)


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
