"""The local model's mouth: replies to sound, and sound to events at the pace of a generator."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from dataclasses import dataclass

from bidilab.bidi.local.responder import Reply, ToolRequest
from bidilab.bidi.local.voice.recorded import RecordedVoice, Voice
from bidilab.bidi.types.events import (
    BidiAudioStreamEvent,
    BidiOutputEvent,
    BidiResponseCompleteEvent,
    BidiTranscriptStreamEvent,
    ToolUseStreamEvent,
)
from bidilab.core.audio import Audio, float_to_pcm16
from bidilab.core.clock import Clock
from bidilab.core.units import ms_to_samples, rescale_samples
from bidilab.detect.vad.resampling import resample

__all__ = ["Mouth", "Sound"]

CHUNK_MS = 200.0
"""Length of the audio of one event, when generation takes time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """A reply as it will be heard.

    Parameters
    ----------
    pcm
        Little-endian 16-bit mono PCM at the output rate.
    length_samples
        Its length at the rate of the input stream, in which positions are counted.
    text
        What is said in it, where known.
    tool_calls
        As in `Reply`.
    """

    pcm: bytes
    length_samples: int
    text: str | None
    tool_calls: tuple[ToolRequest, ...]


class Mouth:
    """Prepares replies and speaks them.

    Parameters
    ----------
    voice
        Says texts.
    vad_rate, output_rate
        Hertz of positions, and of the audio given.
    pace
        Seconds of audio generated in a second, ``>= 1``.
    """

    def __init__(self, *, voice: Voice, vad_rate: int, output_rate: int, pace: float) -> None:
        self._voice = voice
        self._vad_rate = vad_rate
        self._output_rate = output_rate
        self._pace = pace
        self._recorded = RecordedVoice()

    def prepare(self, reply: Reply) -> Sound:
        """The sound of a reply.

        Raises
        ------
        BidilabError
            If the voice cannot say the text.
        """
        if reply.length_ms is not None:
            length = max(1, ms_to_samples(reply.length_ms, self._vad_rate))
            n_samples = max(1, rescale_samples(length, self._vad_rate, self._output_rate))
            pcm = float_to_pcm16(self._recorded.speech(n_samples, self._output_rate))
        else:
            audio = reply.audio if reply.audio is not None else self._voice.say(reply.text) if reply.text else None
            pcm = b"" if audio is None else self._at_output_rate(audio)
            length = rescale_samples(len(pcm) // 2, self._output_rate, self._vad_rate)
        return Sound(pcm=pcm, length_samples=length, text=reply.text, tool_calls=reply.tool_calls)

    def warm_up(self) -> None:
        """Load what a first reply needs (sound library, compiled resampler), so that no session stops to load it."""
        self.prepare(Reply(length_ms=1.0))

    def _at_output_rate(self, audio: Audio) -> bytes:
        return float_to_pcm16(resample(audio.channel(), audio.sample_rate, self._output_rate))

    async def events(
        self, response_id: str, sound: Sound | None, clock: Clock, audible_s: float, call_ids: tuple[str, ...]
    ) -> AsyncIterator[BidiOutputEvent]:
        """Events of a response, each when it is due: the first audio at ``audible_s`` on the clock, the rest at the
        pace of generation; then its text, tool calls and completion.
        """
        if sound is None:
            yield BidiResponseCompleteEvent(response_id, "complete")
            return
        await clock.sleep_until_s(audible_s)
        if sound.text:
            yield self._transcript(response_id, sound.text, is_final=False)
        started_s = max(audible_s, clock.now_s())
        done = 0
        for chunk in self._chunks(sound.pcm):
            yield BidiAudioStreamEvent.from_pcm(chunk, sample_rate=self._output_rate, response_id=response_id)
            done += len(chunk) // 2
            if not math.isinf(self._pace):
                await clock.sleep_until_s(started_s + done / self._output_rate / self._pace)
        if sound.text:
            yield self._transcript(response_id, sound.text, is_final=True)
        for call_id, request in zip(call_ids, sound.tool_calls, strict=True):
            use = {"toolUseId": call_id, "name": request.name, "input": dict(request.input)}
            yield ToolUseStreamEvent({"toolUse": {"input": dict(request.input)}}, use)
        yield BidiResponseCompleteEvent(response_id, "tool_use" if sound.tool_calls else "complete")

    def _chunks(self, pcm: bytes) -> list[bytes]:
        if math.isinf(self._pace):
            return [pcm] if pcm else []
        n_bytes = 2 * ms_to_samples(CHUNK_MS, self._output_rate)
        return [pcm[i : i + n_bytes] for i in range(0, len(pcm), n_bytes)]

    @staticmethod
    def _transcript(response_id: str, text: str, *, is_final: bool) -> BidiTranscriptStreamEvent:
        so_far = text if is_final else None
        return BidiTranscriptStreamEvent({"text": text}, text, "assistant", is_final, so_far, response_id=response_id)
