"""The local model's mouth: replies become sound, sound becomes events at the pace of a generator.

A response that goes on after a false interruption is a response of its own to the application (``resp_3`` goes on as
``resp_3_resumed_1``): the one before it was interrupted, with what was heard of it. It begins at the sample, by the
positions of the decisions, at which the interruption was acted upon; a session that acts a chunk later repeats that
chunk.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from bidilab.bidi.local.voice import RecordedVoice
from bidilab.bidi.reply import Delivery, Reply, Speech, TextToSpeech, ToolRequest, Voice, as_text_to_speech
from bidilab.bidi.types.events import (
    BidiAudioStreamEvent,
    BidiOutputEvent,
    BidiResponseCompleteEvent,
    BidiTranscriptStreamEvent,
    ToolUseStreamEvent,
)
from bidilab.core.audio import Audio, float_to_pcm16
from bidilab.core.clock import Clock
from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import ms_to_samples, rescale_samples
from bidilab.detect.turns.simulation import SimulatedInterruption, SimulatedResponse
from bidilab.detect.vad.resampling import resample

__all__ = ["Mouth", "ResponseSounds", "Sound"]

CHUNK_MS = 200.0
"""Length of the audio of one event, when generation takes time."""

VOICE_NAME = "local"
"""The name of the voice, for a function that knows several."""


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
        The words that are said, where known.
    tool_calls, delivery
        As in `Reply`.
    """

    pcm: bytes
    length_samples: int
    text: str | None
    tool_calls: tuple[ToolRequest, ...]
    delivery: Delivery | None = None

    def rest(self, heard_samples: int, *, input_rate: int, output_rate: int) -> Sound:
        """The sound without its first ``heard_samples`` samples (at the rate of the input stream)."""
        cut = rescale_samples(heard_samples, input_rate, output_rate)
        return replace(self, pcm=self.pcm[2 * cut :], length_samples=max(0, self.length_samples - heard_samples))


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

    def __init__(self, *, voice: Voice | TextToSpeech, vad_rate: int, output_rate: int, pace: float) -> None:
        self._say = as_text_to_speech(voice)
        self._vad_rate = vad_rate
        self._output_rate = output_rate
        self._pace = pace
        self._recorded = RecordedVoice()

    def prepare(self, reply: Reply) -> Sound:
        """The sound of a reply.

        Raises
        ------
        InvalidParameterError
            If a text is empty, a tool's arguments are no JSON object, or generation is slower than real time:
            positions say that a response sounds without a gap.
        BidilabError
            If the voice cannot say a text.
        """
        if reply.delivery is not None and reply.delivery.pace < 1:
            raise InvalidParameterError("delivery.pace", "a number >= 1 in the local model", reply.delivery.pace)
        for call in reply.tool_calls:
            call.arguments_by_name()
        parts = [self._sound(speech) for speech in reply.speeches]
        return Sound(
            pcm=b"".join(pcm for pcm, _ in parts),
            length_samples=sum(length for _, length in parts),
            text=reply.text,
            tool_calls=reply.tool_calls,
            delivery=reply.delivery,
        )

    def _sound(self, speech: Speech) -> tuple[bytes, int]:
        if speech.length_ms is not None:
            length = max(1, ms_to_samples(speech.length_ms, self._vad_rate))
            n_samples = max(1, rescale_samples(length, self._vad_rate, self._output_rate))
            return float_to_pcm16(self._recorded.speech(n_samples, self._output_rate)), length
        if speech.audio is None and not speech.text:
            raise InvalidParameterError("reply", "text, audio, a length or tool calls; None says nothing", speech.text)
        pcm = self._at_output_rate(speech.audio or self._say(speech.text or "", VOICE_NAME))
        return pcm, rescale_samples(len(pcm) // 2, self._output_rate, self._vad_rate)

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
        pace = self._pace if sound.delivery is None else sound.delivery.pace
        done = 0
        for chunk in self._chunks(sound, pace):
            yield BidiAudioStreamEvent.from_pcm(chunk, sample_rate=self._output_rate, response_id=response_id)
            done += len(chunk) // 2
            if not math.isinf(pace):
                await clock.sleep_until_s(started_s + done / self._output_rate / pace)
        if sound.text:
            yield self._transcript(response_id, sound.text, is_final=True)
        for call_id, request in zip(call_ids, sound.tool_calls, strict=True):
            arguments = request.arguments_by_name()
            use = {"toolUseId": call_id, "name": request.name, "input": arguments}
            yield ToolUseStreamEvent({"toolUse": {"input": arguments}}, use)
        yield BidiResponseCompleteEvent(response_id, "tool_use" if sound.tool_calls else "complete")

    def _chunks(self, sound: Sound, pace: float) -> list[bytes]:
        pcm = sound.pcm
        if sound.delivery is None and math.isinf(pace):
            return [pcm] if pcm else []
        n_bytes = 2 * ms_to_samples(CHUNK_MS if sound.delivery is None else sound.delivery.chunk_ms, self._output_rate)
        return [pcm[i : i + n_bytes] for i in range(0, len(pcm), n_bytes)]

    @staticmethod
    def _transcript(response_id: str, text: str, *, is_final: bool) -> BidiTranscriptStreamEvent:
        so_far = text if is_final else None
        return BidiTranscriptStreamEvent({"text": text}, text, "assistant", is_final, so_far, response_id=response_id)


@dataclass(slots=True, kw_only=True)
class _Held:
    sound: Sound
    told: bool = False


class ResponseSounds:
    """The part of the response under way that is not said yet, and the ids that the application knows responses by.

    Parameters
    ----------
    input_rate, output_rate
        Hertz of positions, and of the sounds.
    """

    def __init__(self, *, input_rate: int, output_rate: int) -> None:
        self._input_rate = input_rate
        self._output_rate = output_rate
        self._index = -1
        self._resumed = 0
        self._held: _Held | None = None

    def id_of(self, response: SimulatedResponse) -> str:
        """Current id of a response."""
        resumed = f"_resumed_{self._resumed}" if response.index == self._index and self._resumed else ""
        return f"resp_{response.index}{resumed}"

    def says(self, response: SimulatedResponse, sound: Sound | None) -> None:
        """Note that a response is about to be said; nothing more of the one before it will be."""
        if response.index != self._index:
            self._index, self._resumed = response.index, 0
        self._held = None if sound is None else _Held(sound=sound)

    def told(self, response: SimulatedResponse) -> None:
        """Note that the text and the tool calls of a response have been told."""
        if self._held is not None and response.index == self._index:
            self._held.told = True

    def go_on(self, interruption: SimulatedInterruption) -> Sound | None:
        """The part of a response that is left, to be said under a new id; ``None`` when it had no sound yet."""
        held = self._held
        if held is None or interruption.response.index != self._index:
            return None
        self._resumed += 1
        left = held.sound.rest(interruption.heard_samples, input_rate=self._input_rate, output_rate=self._output_rate)
        held.sound = left
        return replace(left, text=None, tool_calls=()) if held.told else left
