"""`BidiLocalModel`: a model that needs no network. It listens with a real detector and answers as its responder says.

What it decides is a pure function of the user's samples: turns by `Ear`, responses and interruptions by
`SimulatedAgent`, the very object that the sweep's closed-loop evaluation and its predictions use. Only the moment at
which a response is *heard* belongs to the clock: the time of its sample, ``zero + audible_at / rate``.

Positions are samples at the detector's rate, from the first thing that the user did in the session.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from bidilab.bidi.local.decider import (
    OPEN_SAMPLES,
    Consequence,
    Decider,
    Scoring,
    StreamTime,
    TurnDetection,
    TurnEnded,
    decided_by,
    detection_detail,
    log_decided,
    log_detection,
    log_scorer_late,
)
from bidilab.bidi.local.speaking import Mouth, ResponseSounds, Sound
from bidilab.bidi.local.transcribing import LabelledSpeech, TurnTranscriber
from bidilab.bidi.local.voice import DefaultResponder, RecordedVoice
from bidilab.bidi.model import BidiModel, ModelInput
from bidilab.bidi.reply import (
    ReplyLike,
    Responder,
    ResponseRequest,
    ScriptedResponder,
    TextToSpeech,
    Transcriber,
    Utterance,
    Voice,
    as_reply,
)
from bidilab.bidi.tasks import NamedTasks
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
from bidilab.core.audio import FloatArray
from bidilab.core.checks import check_is, check_several, is_number
from bidilab.core.clock import VirtualClock
from bidilab.core.errors import InvalidParameterError, SessionError
from bidilab.core.units import check_sample_rate, ms_to_samples, s_to_samples
from bidilab.detect.scorers.asking import score_window
from bidilab.detect.scorers.base import ScoreTrack, Task
from bidilab.detect.scorers.registry import ScorerLike, built_scorer, check_scorer
from bidilab.detect.turns import AdaptiveInterruption, EndOfTurn, Guards, InterruptionDue
from bidilab.detect.turns.hearing import Ear
from bidilab.detect.turns.simulation import (
    ResponsePlan,
    SimulatedAgent,
    SimulatedInterruption,
    SimulatedResponse,
    SimulatedResume,
)
from bidilab.detect.vad.given import VadLike, VadSource, as_live_vad
from bidilab.detect.vad.resampling import StreamResampler

__all__ = ["AnswerFunction", "BidiLocalModel"]

_SCORING = "scoring"
"""Name of the task that answers the ear's questions; responses have other names."""

AnswerFunction: TypeAlias = (
    "Callable[[str | None, Sequence[Mapping[str, Any]]], ReplyLike | Awaitable[ReplyLike | None] | None]"
)
"""A responder as a plain function. It takes what the user said (``None`` when that is not known, or when the result of
a tool is answered) and the conversation so far, as messages; it returns what `as_reply` takes, ``None`` for nothing. A
bare number is a length in milliseconds. It may be a coroutine."""


class BidiLocalModel(BidiModel):
    """A model that listens, decides and speaks on this machine.

    Parameters
    ----------
    turn_detection
        `ServerVad`, its dict (``{"type": "server_vad", "threshold": 0.5, …}``), or `TurnParams`. ``idle_timeout_ms``
        is refused: this model does not speak unasked.
    vad
        The detector: a name, a `VadSpec` or a `VadBackend`; Silero at 16 kHz by default. A `KnownTrack` works for its
        one recording only.
    responses
        The answers: a sequence, used in turn and repeated, of `Reply` or what stands for one (`as_reply`),
        where a bare number is a length in milliseconds, at least 20; a `Responder`; or a function of transcript and
        conversation (`AnswerFunction`). By default `DefaultResponder`: a story of about 20 seconds when the user's
        words contain "story", and to every turn without a transcript; else a short sentence.
    voice
        Speaks texts: a `Voice`, or a function of text and voice name. By default the recorded voice, which has only its
        own sentences and its story.
    transcripts
        Source of the user's words: labels of the recording, a function of samples and rate, or one of `UserSpeech`. By
        default there are no transcripts.
    response_delay_ms
        Time from the decision that a turn is over to the first audible sample, ``>= 0``; a reply's own
        ``delivery.first_output_delay_ms`` takes its place.
    guards
        Conditions for speech to interrupt (`bidilab.detect.turns.guards`); by default its start is enough.
    word_ends_s
        Ends of the user's words, seconds from the first sample, rising, for guards that count words. A session takes
        each of them when its time has come.
    end_of_turn
        How turns end by a score, beside ``turn_detection``; the defaults of `EndOfTurn` with a ``scorer``.
    scorer
        What scores the ends of turns: a scorer, its spec or name, or scores of the recording that were computed
        elsewhere (`ScoreTrack`), which a session in real time refuses.
    interruption, interruption_scorer
        How a score decides that speech interrupts, beside the guards, and what scores it; as above.
    generation_pace
        Seconds of audio generated per second, ``>= 1``; infinity for all at once. A reply's own ``delivery`` takes its
        place.
    input_rate, output_rate
        Hertz of the audio taken and given.

    Raises
    ------
    InvalidParameterError
        If a parameter is not allowed.
    """

    def __init__(
        self,
        turn_detection: TurnDetection | None = None,
        *,
        vad: VadLike | None = None,
        responses: Responder | AnswerFunction | Sequence[ReplyLike] | None = None,
        voice: Voice | TextToSpeech | None = None,
        transcripts: Transcriber | Callable[[FloatArray, int], Any] | Sequence[LabelledSpeech] | None = None,
        response_delay_ms: float = 300.0,
        guards: Guards | None = None,
        word_ends_s: Sequence[float] | None = None,
        end_of_turn: EndOfTurn | None = None,
        scorer: ScorerLike | None = None,
        interruption: AdaptiveInterruption | None = None,
        interruption_scorer: ScorerLike | None = None,
        generation_pace: float = 4.0,
        input_rate: int = 16_000,
        output_rate: int = 24_000,
    ) -> None:
        if not (is_number(generation_pace) and generation_pace >= 1):
            raise InvalidParameterError("generation_pace", "a number >= 1, or infinity", generation_pace)
        self._vad = as_live_vad(vad)
        check_is("guards", guards, Guards | None, "Guards, or None")
        guards = guards or Guards()
        if word_ends_s is not None:
            check_several("word_ends_s", word_ends_s, "several numbers of seconds, or None")
        if guards.needs_words and word_ends_s is None:
            raise InvalidParameterError("word_ends_s", "given with guards that count words", word_ends_s)
        self._scorers: dict[Task, ScorerLike | None] = {"eot": scorer, "interruption": interruption_scorer}
        self._check_rules(end_of_turn, interruption)
        for task, given in self._scorers.items():
            if given is not None:
                check_scorer(given, task)
        self._end_of_turn = end_of_turn or EndOfTurn()
        self._interruption = interruption or AdaptiveInterruption()
        self._scorings: dict[Task, Scoring] = {}
        self._scoring_failed: Exception | None = None
        self._word_ends = [s_to_samples(end_s, self._vad.sample_rate) for end_s in sorted(word_ends_s or ())]
        plan = ResponsePlan(response_delay_ms=response_delay_ms, guards=guards)
        self._params, self._plan = decided_by(turn_detection, plan)
        self._answers: AnswerFunction | None = None
        self._responder: Responder = DefaultResponder()
        if isinstance(responses, Responder):
            self._responder = responses
        elif callable(responses):
            self._answers = responses
        elif responses:
            self._responder = ScriptedResponder(responses, number_unit="ms")
        self._transcribe = TurnTranscriber(transcripts)
        self._mouth = Mouth(
            voice=voice if voice is not None else RecordedVoice(),
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
        """Load the detector and the voice, and begin a stream.

        ``system_prompt`` and ``tools`` are told to the responder.

        Raises
        ------
        InvalidParameterError
            If ``kwargs`` holds anything.
        SessionError
            If it is started already.
        """
        if kwargs:
            raise InvalidParameterError("start", "called with only system_prompt, tools and messages", sorted(kwargs))
        if self._running:
            raise SessionError("the model is already started: stop it first")
        in_real_time = not isinstance(self.context.clock, VirtualClock)
        self._scorings = self._built_scorings(in_real_time=in_real_time)
        self._scoring_failed = None
        self._detector = self._vad.build()
        self._ear = Ear(
            self._detector,
            self._params,
            keeps_audio=self._transcribe.hears,
            guards=self._plan.guards,
            word_ends=self._word_ends,
            **self._scores_of_ear(),
            answers_later=in_real_time,
        )
        self._rate = self._ear.sample_rate
        self._sounds = ResponseSounds(input_rate=self._rate, output_rate=self.config["audio"]["output_rate"])
        # Seconds of loading, now and not under the first words and the first answer of a session in real time.
        StreamResampler(self.config["audio"]["input_rate"], self._rate)
        self._mouth.warm_up()
        self._sim = SimulatedAgent(self._plan, sample_rate=self._rate)
        self._history: list[Mapping[str, Any]] = list(messages or ())
        self._asked = ResponseRequest(index=0, instructions=system_prompt or "", tools=tuple(tools or ()))
        self._time = StreamTime(self.context.clock, sample_rate=self._rate)
        self._decider = Decider(self._ear, self._sim, self._time, self.context.log)
        self._n_calls = 0
        self._tools_due: set[str] = set()
        self._texts_due: set[int] = set()
        self._out: deque[BidiOutputEvent] = deque()
        self._arrived = asyncio.Event()
        self._running = True
        log_detection(
            self.context.log,
            "turn_detection",
            self._detector,
            self._params,
            self._plan,
            tuple(self._scorings.values()),
            system_prompt=system_prompt,
            n_tools=len(tools or ()),
        )
        self._emit(BidiConnectionStartEvent("local", f"local:{self._vad.name}"))

    def _check_rules(self, end_of_turn: EndOfTurn | None, interruption: AdaptiveInterruption | None) -> None:
        rules: dict[Task, Any] = {"eot": end_of_turn, "interruption": interruption}
        for task, rule in rules.items():
            if rule is not None and self._scorers[task] is None:
                name, scorer = ("end_of_turn", "scorer") if task == "eot" else ("interruption", "interruption_scorer")
                raise InvalidParameterError(scorer, f"given with {name}, because something must score the turns", None)

    def _built_scorings(self, *, in_real_time: bool) -> dict[Task, Scoring]:
        rules: dict[Task, Any] = {"eot": self._end_of_turn, "interruption": self._interruption}
        built: dict[Task, Scoring] = {}
        for task, given in self._scorers.items():
            if given is None:
                continue
            scorer = built_scorer(given, task)
            if in_real_time and isinstance(scorer, ScoreTrack):
                allowed = "a scorer in a session in real time: scores computed elsewhere are not of what is heard"
                raise InvalidParameterError("scorer", allowed, f"the ScoreTrack of {scorer.detector!r}")
            built[task] = Scoring(policy=rules[task], scorer=scorer)
        return built

    def _scores_of_ear(self) -> dict[str, Any]:
        eot, interruption = self._scorings.get("eot"), self._scorings.get("interruption")
        return {
            **({} if eot is None else {"end_of_turn": eot.policy, "scorer": eot.scorer}),
            **(
                {}
                if interruption is None
                else {"interruption": interruption.policy, "interruption_scorer": interruption.scorer}
            ),
        }

    async def stop(self) -> None:
        """Stop listening and speaking; `receive` ends."""
        if not self._running:
            return
        self._running = False
        await self._tasks.cancel_all()
        self._arrived.set()

    def update(
        self,
        turn_detection: TurnDetection | None = None,
        *,
        end_of_turn: EndOfTurn | None = None,
        interruption: AdaptiveInterruption | None = None,
    ) -> None:
        """Detect turns by other parameters from the next frame on; counts so far are kept.

        The row ``turn_detection_updated`` has in ``input_samples`` where, at the detector's rate.

        Parameters
        ----------
        turn_detection, end_of_turn, interruption
            What is to change; the others stay as they are.

        Raises
        ------
        InvalidParameterError
            If they are not allowed, or a rule is given to a model without its scorer; then nothing changes.
        """
        self._check_rules(end_of_turn, interruption)
        if turn_detection is not None:
            self._params, self._plan = decided_by(turn_detection, self._plan)
        self._end_of_turn = end_of_turn or self._end_of_turn
        self._interruption = interruption or self._interruption
        if self._running:
            rules: dict[Task, Any] = {"eot": self._end_of_turn, "interruption": self._interruption}
            self._scorings = {task: replace(one, policy=rules[task]) for task, one in self._scorings.items()}
            self._ear.update(self._params, end_of_turn, interruption)
            self._sim.update(self._plan)
            log_detection(
                self.context.log,
                "turn_detection_updated",
                self._detector,
                self._params,
                self._plan,
                tuple(self._scorings.values()),
                input_samples=self._ear.decided_samples + self._time.offset - self._time.begins_at,
            )

    @property
    def vad(self) -> VadSource:
        """The detector that it hears by: ``model.vad.build()`` gives one that hears the same."""
        return self._vad

    @property
    def scorer(self) -> ScorerLike | None:
        """What scores the ends of turns, as it was given; ``None`` where silence alone ends them."""
        return self._scorers["eot"]

    @property
    def end_of_turn(self) -> EndOfTurn | None:
        """How turns end by a score from the next frame on; ``None`` where silence alone ends them."""
        return None if self.scorer is None else self._end_of_turn

    @property
    def effective_turn_detection(self) -> dict[str, Any]:
        """The turn detection in force for the next frame."""
        return detection_detail(self._params, self._plan, tuple(self._scorings.values()))

    async def receive(self) -> AsyncIterator[BidiOutputEvent]:
        """Give the model's events, until it is stopped."""
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
        """Wait until every response under way is generated and all its events are out."""
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
            if self._time.jumps_at(content, self._ear.received_samples):
                await self._scored()  # what was heard before the gap is decided on at the positions that it has
            self._check_scoring()
            if gap := self._time.keep(content, self._ear.received_samples):
                self.context.log("input_gap", source="input", detail={"samples": gap, "sample_rate": self._rate})
            for consequence in self._decider.feed(content):
                self._take(consequence)
            self._score_question()
        elif isinstance(content, BidiTextInputEvent):
            self._history.append({"role": content.role, "content": [{"text": content.text}]})
            if content.role == "user":
                index = len(self._history) - 1
                self._texts_due.add(index)
                self._tasks.start(f"text {index}", self._answer_unprompted, content.text, index)
        elif isinstance(content, ToolResultEvent):
            self._take_result(content)
        elif isinstance(content, BidiImageInputEvent):
            raise InvalidParameterError(
                "content", "audio, text or a tool's result: this model cannot see images", content
            )
        else:
            raise InvalidParameterError("content", "an input event or a tool's result", content)

    async def end_of_audio(self) -> None:
        """End the audio. A turn that is open ends and gets no answer, as the end of the file cut it."""
        for consequence in self._decider.flush():
            self._take(consequence)
        self._score_question()
        await self._scored()
        self._check_scoring()

    # ---- scores, in real time ------------------------------------------------------------------------------------

    def _score_question(self) -> None:
        """Where the ear has stopped at a question, have it answered beside the session."""
        if self._tasks.get(_SCORING) is None and self._scoring_failed is None and self._ear.question is not None:
            self._tasks.start(_SCORING, self._answer_questions)

    async def _answer_questions(self) -> None:
        clock = self.context.clock
        while (question := self._ear.question) is not None:
            asked_s = clock.now_s()
            try:
                score = await asyncio.to_thread(score_window, question.scorer, question.heard)
            except Exception as error:  # noqa: BLE001 - a plug-in's; whoever sends audio is told, as on the virtual clock
                self._scoring_failed = error
                return
            took_ms = (clock.now_s() - asked_s) * 1000
            if took_ms > question.latency_ms:
                log_scorer_late(
                    self.context.log,
                    task=question.task,
                    asked_at=question.asked_at + self._time.offset - self._time.begins_at,
                    took_ms=took_ms,
                    latency_ms=question.latency_ms,
                    sample_rate=self._rate,
                    scorer=question.scorer.name,
                )
            for consequence in self._decider.answer(score):
                self._take(consequence)

    async def _scored(self) -> None:
        while (scoring := self._tasks.get(_SCORING)) is not None:
            await asyncio.wait([scoring])

    def _check_scoring(self) -> None:
        if self._scoring_failed is not None:
            raise self._scoring_failed

    def _take(self, consequence: Consequence) -> None:
        if isinstance(consequence, SimulatedInterruption):
            self._interrupt(consequence)
        elif isinstance(consequence, SimulatedResume):
            self._resume(consequence)
        else:
            self._turn_ended(consequence)

    def _interrupt(self, interruption: SimulatedInterruption) -> None:
        response_id = self._sounds.id_of(interruption.response)
        first = self._time.begins_at
        due = InterruptionDue(onset=interruption.onset - first, acted_at=interruption.decided_at - first)
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
        resumed_at = resume.interruption.resumed_at
        assert resumed_at is not None  # it is what made it go on
        detail = {
            "resumes": before,
            "paused_at_samples": resume.interruption.decided_at - self._time.begins_at,
            "resumed_at_samples": resumed_at - self._time.begins_at,
            "sample_rate": self._rate,
        }
        self.context.log("response_resumed", source="model", response_id=response_id, detail=detail)
        self._emit(BidiResponseStartEvent(response_id))
        self._tasks.start(response_id, self._speech, resume.response, sound)

    def _turn_ended(self, turn: TurnEnded) -> None:
        response = turn.response
        heard = self._transcribe(self._ear, turn.started, turn.stopped, item_id=turn.item_id)
        if inspect.isawaitable(heard):
            key = turn.item_id if response is None else self._sounds.id_of(response)
            if response is not None:
                self._emit(BidiResponseStartEvent(key))
            self._tasks.start(key, self._answer_later, response, turn.item_id, heard)
            return
        self._tell_transcript(heard, turn.item_id)
        if response is not None:
            self._answer(response, heard, turn_id=turn.item_id)

    # ---- what the user said --------------------------------------------------------------------------------------

    def _tell_transcript(self, text: str | None, item_id: str) -> None:
        if not text:
            return
        self._history.append({"role": "user", "content": [{"text": text}]})
        self._emit(BidiTranscriptStreamEvent({"text": text}, text, "user", True, text, item_id=item_id))

    # ---- answering -----------------------------------------------------------------------------------------------

    def _ask(self, transcript: str | None, turn_id: str | None) -> Any:
        """Ask the responder; return its answer for `_sound`, or something to await for it."""
        if self._answers is not None:
            return self._answers(transcript, tuple(self._history))
        # A text that waits for its own answer has not been heard yet.
        messages = [m for index, m in enumerate(self._history) if index not in self._texts_due]
        heard = list(_utterances(messages))
        if turn_id is not None and not transcript:
            heard.append(Utterance(role="user", text="", item_id=turn_id))
        request = replace(self._asked, history=tuple(heard))
        self._asked = replace(self._asked, index=self._asked.index + 1)
        return self._responder.respond(request)

    def _answer(self, response: SimulatedResponse, transcript: str | None, turn_id: str | None = None) -> None:
        """Answer. A responder that is no coroutine is asked at once, so that positions are exact."""
        response_id = self._sounds.id_of(response)
        self._emit(BidiResponseStartEvent(response_id))
        try:
            answer = self._ask(transcript, turn_id)
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
        if response is None:
            return
        try:
            answer = self._ask(transcript, item_id)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(response, error)
            return
        await self._await_answer(response, answer)

    async def _await_answer(self, response: SimulatedResponse, answer: Any) -> None:
        try:
            sound = self._sound(await answer if inspect.isawaitable(answer) else answer)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(response, error)
            return
        await self._speech(*self._place(response, sound, not_before=self._time.position_now()))

    async def _answer_unprompted(self, transcript: str | None, index: int | None = None) -> None:
        """Answer text or the result of a tool after the response under way, unless the user speaks then."""
        while (active := self._sim.active(self._time.position_now())) is not None:
            if (speaking := self._tasks.get(self._sounds.id_of(active))) is not None and active.ends_at > OPEN_SAMPLES:
                await asyncio.wait([speaking])
            else:
                await self.context.clock.sleep_until_s(self._time.of(active.ends_at))
        if index is not None:
            self._texts_due.discard(index)
        if not self._ear.speaking:
            self._answer(self._sim.respond(self._time.position_now(), length_samples=OPEN_SAMPLES), transcript)

    def _sound(self, answer: ReplyLike | None) -> Sound | None:
        reply = None if answer is None else as_reply(answer, number_unit="ms")
        return None if reply is None or not reply.outputs else self._mouth.prepare(reply)

    def _speak(self, response: SimulatedResponse, sound: Sound | None) -> None:
        self._tasks.start(self._sounds.id_of(response), self._speech, *self._place(response, sound))

    def _place(
        self, response: SimulatedResponse, sound: Sound | None, not_before: int = 0
    ) -> tuple[SimulatedResponse, Sound | None]:
        audible_at = response.audible_at
        if sound is not None and sound.delivery is not None:
            audible_at = response.created_at + ms_to_samples(sound.delivery.first_output_delay_ms, self._rate)
        audible_at = max(audible_at, not_before)
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


def _utterances(messages: Sequence[Mapping[str, Any]]) -> Iterator[Utterance]:
    """The conversation as a responder sees it, of messages as a session keeps them."""
    for number, message in enumerate(messages):
        for part in message["content"]:
            if "text" in part:
                yield Utterance(role=message["role"], text=part["text"], item_id=f"message_{number}")
            elif "toolUse" in part:
                use = part["toolUse"]
                arguments = json.dumps(use["input"])
                yield Utterance(role="function_call", text=arguments, item_id=use["toolUseId"], name=use["name"])
            elif "toolResult" in part:
                result = part["toolResult"]
                text = " ".join(map(_shown, result["content"]))
                yield Utterance(role="function_call_output", text=text, item_id=result["toolUseId"])


def _shown(content: Mapping[str, Any]) -> str:
    """Text or JSON of a tool's result; for anything else, its kind."""
    if "text" in content:
        return str(content["text"])
    return json.dumps(content["json"]) if "json" in content else f"[{', '.join(content)}]"
