"""`BidiLocalModel`: a model that needs no network. It listens with a real detector and answers what it is told to.

What it decides are pure functions of the user's samples: turns by `Ear`, responses and interruptions by
`SimulatedAgent`, the very object that the sweep's closed-loop evaluation and its predictions use. Only when a response
is *heard* belongs to the clock: at the time of its sample, ``zero + audible_at / rate``.

Positions are samples at the detector's rate, from the first thing that the user did in the session.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from bidilab.bidi.local.decider import OPEN_SAMPLES, Consequence, Decider, TurnEnded
from bidilab.bidi.local.detection import TurnDetection, decided_by, detection_detail, log_detection
from bidilab.bidi.local.listening import Ear, log_decided
from bidilab.bidi.local.responder import Answer, Reply, Responder, ScriptedResponder
from bidilab.bidi.local.resuming import ResponseSounds
from bidilab.bidi.local.speaking import Mouth, Sound
from bidilab.bidi.local.streamtime import StreamTime
from bidilab.bidi.local.tasks import NamedTasks
from bidilab.bidi.local.transcribing import LabelledSpeech, Transcriber, TurnTranscriber
from bidilab.bidi.local.voice.recorded import RecordedVoice, Voice
from bidilab.bidi.model import BidiModel, ModelInput
from bidilab.bidi.types.events import (
    BidiAudioInputEvent,
    BidiConnectionStartEvent,
    BidiErrorEvent,
    BidiImageInputEvent,
    BidiInterruptionEvent,
    BidiOutputEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from bidilab.core.errors import InvalidParameterError, SessionError
from bidilab.core.units import check_sample_rate, s_to_samples
from bidilab.detect.turns import Guards, InterruptionDue
from bidilab.detect.turns.simulation import (
    ResponsePlan,
    SimulatedAgent,
    SimulatedInterruption,
    SimulatedResponse,
    SimulatedResume,
)
from bidilab.detect.vad.known import KnownTrack
from bidilab.detect.vad.registry import VadSpec
from bidilab.detect.vad.resampling import StreamResampler

__all__ = ["BidiLocalModel"]


class BidiLocalModel(BidiModel):
    """Listens, decides and speaks on this machine.

    Parameters
    ----------
    turn_detection
        `ServerVad`, its dict (``{"type": "server_vad", "threshold": 0.5, …}``), or `TurnParams`. ``idle_timeout_ms``
        is refused: this model does not speak unasked.
    vad
        The detector; Silero at 16 kHz by default. A `KnownTrack` hears the one recording that it knows.
    responses
        What is answered, in turn and from the start again: texts, lengths in milliseconds, `Audio`, paths of audio
        files, `Reply`; or a function of transcript and conversation that returns one of these or a `ToolRequest`. By
        default the sentences of the recorded voice.
    voice
        Who says texts; by default the recorded voice, which says its own sentences only.
    transcripts
        What the user says: labels of the recording, or a function of audio and rate. By default nobody transcribes.
    response_delay_ms
        From the decision that a turn is over to the first audible sample, ``>= 0``.
    guards
        What must hold for speech to interrupt (`bidilab.detect.turns.guards`); by default only that it starts.
    word_ends_s
        Where the user's words end, seconds from the first sample, rising: for guards that count words. A session hears
        no more of them than the time has come for.
    generation_pace
        Seconds of audio generated in a second, ``>= 1``; infinity: all at once.
    input_rate, output_rate
        Hertz of the audio that is asked for and given.

    Raises
    ------
    InvalidParameterError
        If a parameter is not allowed.
    """

    def __init__(
        self,
        turn_detection: TurnDetection | None = None,
        *,
        vad: VadSpec | KnownTrack | None = None,
        responses: Responder | Sequence[Answer] | None = None,
        voice: Voice | None = None,
        transcripts: Transcriber | Sequence[LabelledSpeech] | None = None,
        response_delay_ms: float = 300.0,
        guards: Guards | None = None,
        word_ends_s: Sequence[float] | None = None,
        generation_pace: float = 4.0,
        input_rate: int = 16_000,
        output_rate: int = 24_000,
    ) -> None:
        if not generation_pace >= 1:
            raise InvalidParameterError("generation_pace", "a number >= 1, or infinity", generation_pace)
        self._vad: VadSpec | KnownTrack = vad if vad is not None else VadSpec()
        guards = guards or Guards()
        if guards.needs_words and word_ends_s is None:
            raise InvalidParameterError("word_ends_s", "given with guards that count words", word_ends_s)
        self._word_ends = [s_to_samples(end_s, self._vad.sample_rate) for end_s in sorted(word_ends_s or ())]
        plan = ResponsePlan(response_delay_ms=response_delay_ms, guards=guards)
        self._params, self._plan = decided_by(turn_detection, plan)
        recorded = RecordedVoice()
        self._responder: Responder = (
            responses if callable(responses) else ScriptedResponder(responses or recorded.sentences)
        )
        self._transcribe = TurnTranscriber(transcripts)
        self._mouth = Mouth(
            voice=voice if voice is not None else recorded,
            vad_rate=self._vad.sample_rate,
            output_rate=check_sample_rate(output_rate, "output_rate"),
            pace=generation_pace,
        )
        self.config: dict[str, Any] = {
            "audio": {
                "input_rate": check_sample_rate(input_rate, "input_rate"),
                "output_rate": output_rate,
                "channels": 1,
                "format": "pcm",
                "voice": type(voice).__name__ if voice is not None else "recorded",
            }
        }
        self._running = False
        self._tasks = NamedTasks("bidilab-local", lambda error: self._emit(BidiErrorEvent(error)))

    # ---- life ----------------------------------------------------------------------------------------------------

    async def start(
        self,
        system_prompt: str | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        messages: Sequence[Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        """Load detector and voice; be at the start of a stream.

        ``system_prompt`` and ``tools`` are for models that read: a responder knows its own.

        Raises
        ------
        InvalidParameterError
            If ``kwargs`` holds anything.
        SessionError
            If it is started already.
        """
        if kwargs:
            raise InvalidParameterError("start", "given system_prompt, tools and messages only", sorted(kwargs))
        if self._running:
            raise SessionError("the model is started already: stop it first")
        self._ear = Ear(
            self._vad.build(),
            self._params,
            keeps_audio=self._transcribe.hears,
            guards=self._plan.guards,
            word_ends=self._word_ends,
        )
        self._rate = self._ear.sample_rate
        self._sounds = ResponseSounds(input_rate=self._rate, output_rate=self.config["audio"]["output_rate"])
        # Seconds of loading, now and not under the first words and the first answer of a session in real time.
        StreamResampler(self.config["audio"]["input_rate"], self._rate)
        self._mouth.warm_up()
        self._sim = SimulatedAgent(self._plan, sample_rate=self._rate)
        self._history: list[Mapping[str, Any]] = list(messages or ())
        self._time = StreamTime(self.context.clock, sample_rate=self._rate)
        self._decider = Decider(self._ear, self._sim, self._time, self.context.log)
        self._n_calls = 0
        self._tools_due: set[str] = set()
        self._out: deque[BidiOutputEvent] = deque()
        self._arrived = asyncio.Event()
        self._running = True
        log_detection(
            self.context.log,
            "turn_detection",
            self._vad,
            self._params,
            self._plan,
            system_prompt=system_prompt,
            n_tools=len(tools or ()),
        )
        self._emit(BidiConnectionStartEvent("local", f"local:{self._vad.name}"))

    async def stop(self) -> None:
        """Be silent; `receive` ends."""
        if not self._running:
            return
        self._running = False
        await self._tasks.cancel_all()
        self._arrived.set()

    def update(self, turn_detection: TurnDetection) -> None:
        """Detect turns by other parameters from the next frame on; what has been counted so far is kept.

        The row ``turn_detection_updated`` has in ``input_samples`` where, at the detector's rate.

        Raises
        ------
        InvalidParameterError
            If they are not allowed; then nothing changes.
        """
        self._params, self._plan = decided_by(turn_detection, self._plan)
        if self._running:
            self._ear.update(self._params)
            self._sim.update(self._plan)
            log_detection(
                self.context.log,
                "turn_detection_updated",
                self._vad,
                self._params,
                self._plan,
                input_samples=self._ear.decided_samples + self._time.offset,
            )

    @property
    def effective_turn_detection(self) -> dict[str, Any]:
        """What the next frame is decided by."""
        return detection_detail(self._params, self._plan)

    async def receive(self) -> AsyncIterator[BidiOutputEvent]:
        """What the model tells, until it is stopped."""
        while True:
            while self._out:
                yield self._out.popleft()
            if not self._running:
                return
            self._arrived.clear()
            await self._arrived.wait()

    def _emit(self, event: BidiOutputEvent) -> None:
        self._out.append(event)
        self._arrived.set()

    async def settled(self) -> None:
        """Wait until every response under way is generated, and all of it is told."""
        await self._tasks.settled()

    # ---- listening -----------------------------------------------------------------------------------------------

    async def send(self, content: ModelInput) -> None:
        """Take audio, text, or the result of a tool.

        Raises
        ------
        SessionError
            If the model is not started.
        InvalidParameterError
            If it is an image, or anything else.
        """
        if not self._running:
            raise SessionError("the model is not started")
        if isinstance(content, BidiAudioInputEvent):
            if gap := self._time.keep(content, self._ear.received_samples):
                self.context.log("input_gap", source="input", detail={"samples": gap, "sample_rate": self._rate})
            for consequence in self._decider.feed(content):
                self._take(consequence)
        elif isinstance(content, BidiTextInputEvent):
            self._history.append({"role": content.role, "content": [{"text": content.text}]})
            if content.role == "user":
                self._tasks.start(f"text {len(self._history)}", self._answer_unprompted, content.text)
        elif isinstance(content, ToolResultEvent):
            self._take_result(content)
        elif isinstance(content, BidiImageInputEvent):
            raise InvalidParameterError("content", "audio, text or a tool's result: this model sees nothing", content)
        else:
            raise InvalidParameterError("content", "an input event or a tool's result", content)

    async def end_of_audio(self) -> None:
        """No more audio will come: an open turn ends, unanswered (it was cut by the end of the file)."""
        for consequence in self._decider.flush():
            self._take(consequence)

    def _take(self, consequence: Consequence) -> None:
        if isinstance(consequence, SimulatedInterruption):
            self._interrupt(consequence)
        elif isinstance(consequence, SimulatedResume):
            self._resume(consequence)
        else:
            self._turn_ended(consequence)

    def _interrupt(self, interruption: SimulatedInterruption) -> None:
        response_id = self._sounds.id_of(interruption.response)
        due = InterruptionDue(onset=interruption.onset, acted_at=interruption.decided_at)
        log_decided(self.context.log, due, response_id=response_id, sample_rate=self._rate)
        self._tasks.cancel(response_id)
        self._tools_due.clear()  # their results go into the conversation; the user's new turn is answered instead
        self._emit(BidiInterruptionEvent("user_speech", interrupted_response_id=response_id))

    def _resume(self, resume: SimulatedResume) -> None:
        before = self._sounds.id_of(resume.response)
        sound = self._sounds.go_on(resume.interruption)
        if sound is None:  # it was still being thought of: what it would have been is not known
            self._sim.reschedule(resume.response, audible_at=resume.response.audible_at, ends_at=0)
            return
        response_id = self._sounds.id_of(resume.response)
        detail = {
            "resumes": before,
            "paused_at_samples": resume.interruption.decided_at,
            "resumed_at_samples": resume.interruption.resumed_at,
            "sample_rate": self._rate,
        }
        self.context.log("response_resumed", source="model", response_id=response_id, detail=detail)
        self._emit(BidiResponseStartEvent(response_id))
        self._tasks.start(response_id, self._speech, resume.response, sound)

    def _turn_ended(self, turn: TurnEnded) -> None:
        response = turn.response
        heard = self._transcribe(self._ear, turn.started, turn.stopped)
        if inspect.isawaitable(heard):
            key = turn.item_id if response is None else self._sounds.id_of(response)
            if response is not None:
                self._emit(BidiResponseStartEvent(key))
            self._tasks.start(key, self._answer_later, response, turn.item_id, heard)
            return
        self._tell_transcript(heard, turn.item_id)
        if response is not None:
            self._answer(response, heard)

    # ---- what the user said --------------------------------------------------------------------------------------

    def _tell_transcript(self, text: str | None, item_id: str) -> None:
        if not text:
            return
        self._history.append({"role": "user", "content": [{"text": text}]})
        self._emit(BidiTranscriptStreamEvent({"text": text}, text, "user", True, text, item_id=item_id))

    # ---- answering -----------------------------------------------------------------------------------------------

    def _answer(self, response: SimulatedResponse, transcript: str | None) -> None:
        """Answer a turn. A responder that is no coroutine is asked here and now, so that positions are exact."""
        response_id = self._sounds.id_of(response)
        self._emit(BidiResponseStartEvent(response_id))
        try:
            answer = self._responder(transcript, tuple(self._history))
            sound = None if inspect.isawaitable(answer) else self._sound(answer)
        except Exception as error:  # noqa: BLE001 - a user's code: it ends this response, not the session
            self._fail(response, error)
            return
        if inspect.isawaitable(answer):
            self._tasks.start(response_id, self._await_answer, response, answer)
        else:
            self._speak(response, sound)

    async def _answer_later(self, response: SimulatedResponse | None, item_id: str, heard: Any) -> None:
        try:
            transcript = await heard
        except Exception as error:  # noqa: BLE001 - as above
            if response is None:
                self._emit(BidiErrorEvent(error, {"while": "transcribing", "item_id": item_id}))
            else:
                self._fail(response, error)
            return
        self._tell_transcript(transcript, item_id)
        if response is not None:
            await self._await_answer(response, self._responder(transcript, tuple(self._history)))

    async def _await_answer(self, response: SimulatedResponse, answer: Any) -> None:
        try:
            sound = self._sound(await answer if inspect.isawaitable(answer) else answer)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(response, error)
            return
        await self._speech(*self._place(response, sound, not_before=self._time.position_now()))

    async def _answer_unprompted(self, transcript: str | None) -> None:
        """Answer text, or the result of a tool: when what is being said has been said, unless the user speaks."""
        while (active := self._sim.active(self._time.position_now())) is not None:
            if (speaking := self._tasks.get(self._sounds.id_of(active))) is not None and active.ends_at > OPEN_SAMPLES:
                await asyncio.wait([speaking])
            else:
                await self.context.clock.sleep_until_s(self._time.of(active.ends_at))
        if not self._ear.speaking:
            self._answer(self._sim.respond(self._time.position_now(), length_samples=OPEN_SAMPLES), transcript)

    def _sound(self, answer: Answer | None) -> Sound | None:
        return None if answer is None else self._mouth.prepare(Reply.of(answer))

    def _speak(self, response: SimulatedResponse, sound: Sound | None) -> None:
        self._tasks.start(self._sounds.id_of(response), self._speech, *self._place(response, sound))

    def _place(
        self, response: SimulatedResponse, sound: Sound | None, not_before: int = 0
    ) -> tuple[SimulatedResponse, Sound | None]:
        audible_at = max(response.audible_at, not_before)
        length = 0 if sound is None else sound.length_samples
        ends_at = audible_at + length if length else response.created_at
        self._sounds.says(response, sound)
        return self._sim.reschedule(response, audible_at=audible_at, ends_at=ends_at), sound

    async def _speech(self, response: SimulatedResponse, sound: Sound | None) -> None:
        events = self._mouth.events(
            self._sounds.id_of(response),
            sound,
            self.context.clock,
            self._time.of(response.audible_at),
            self._call_ids(sound),
        )
        calls: list[dict[str, Any]] = []
        async for event in events:
            if isinstance(event, ToolUseStreamEvent):
                calls.append({"role": "assistant", "content": [{"toolUse": dict(event.current_tool_use)}]})
            self._emit(event)
        self._sounds.told(response)
        if sound is not None and sound.text:
            self._history.append({"role": "assistant", "content": [{"text": sound.text}]})
        self._history += calls  # before any of their results: the events above came without a pause between them

    def _call_ids(self, sound: Sound | None) -> tuple[str, ...]:
        n_calls = 0 if sound is None else len(sound.tool_calls)
        first, self._n_calls = self._n_calls, self._n_calls + n_calls
        ids = tuple(f"call_{n}" for n in range(first, first + n_calls))
        self._tools_due.update(ids)
        return ids

    def _take_result(self, event: ToolResultEvent) -> None:
        self._history.append({"role": "user", "content": [{"toolResult": event.tool_result}]})
        if event.tool_use_id not in self._tools_due:
            return
        self._tools_due.discard(event.tool_use_id)
        if not self._tools_due:
            self._tasks.start(f"after {event.tool_use_id}", self._answer_unprompted, None)

    def _fail(self, response: SimulatedResponse, error: Exception) -> None:
        self._place(response, None)  # it is over
        self._emit(BidiErrorEvent(error, {"response_id": self._sounds.id_of(response)}))
        self._emit(BidiInterruptionEvent("error", interrupted_response_id=self._sounds.id_of(response)))
