"""Handlers of ``serverContent`` and ``voiceActivity``: the model's turn, its interruption, and what was said.

Sequences: Live API WebSocket reference, ``BidiGenerateContentServerContent``, and ``LiveServerContent`` of google-genai
3.4 (2026): a turn goes ``generationComplete`` > ``turnComplete``; an interrupted one goes ``interrupted`` >
``turnComplete``, without ``generationComplete``. Transcriptions come in no order with anything else.

The service names no response: one begins with the first content of the model's turn. What follows an interruption, up
to the ``turnComplete``, belongs to the turn that was interrupted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from bidilab.bidi.providers import state
from bidilab.bidi.providers.fields import Fields
from bidilab.bidi.providers.gemini.settings import OUTPUT_RATE, GeminiSettings
from bidilab.bidi.providers.history import Utterance
from bidilab.bidi.providers.state import ModelTurn, Signal, WholeSamples, after
from bidilab.bidi.providers.uplink import AudioUplink
from bidilab.bidi.types.events import BidiTranscriptStreamEvent
from bidilab.bidi.types.inputs import Role
from bidilab.core.errors import EventError
from bidilab.core.units import s_to_samples

__all__ = [
    "Conversation",
    "Response",
    "activity_begins",
    "begun_response",
    "end_of_words",
    "server_content",
    "voice_activity",
]


@dataclass(slots=True, kw_only=True)
class Response(state.SpokenResponse):
    """One response of the model."""

    whole: WholeSamples = field(default_factory=WholeSamples)


@dataclass(slots=True, kw_only=True)
class Conversation(state.SpokenConversation[Response]):
    """One conversation with the Live API."""

    settings: GeminiSettings
    turn: ModelTurn = ModelTurn.CLOSED
    early_words: str = ""
    """Words of a response of which nothing else has come."""
    user_words: Utterance | None = None
    """The user's words that are being recognised."""
    cancelled_calls: set[str] = field(default_factory=set)
    """Calls whose results are not wanted any more."""
    unanswered: list[Utterance] = field(default_factory=list)
    """What the user wrote and what tools answered, until an answer begins."""
    handle: str | None = None
    """Handle by which another connection goes on with the session."""
    going_away: bool = False
    start_samples: int = 0
    """Position in the user's stream at which the server of this connection began to count."""

    def __post_init__(self) -> None:
        self.uplink = AudioUplink(sample_rate=self.settings.input_rate)

    @property
    def output_rate(self) -> int:
        """Hertz of the model's audio."""
        return OUTPUT_RATE

    @property
    def current(self) -> Response | None:
        """The response of the model's turn; ``None`` between turns."""
        return None if self.turn is ModelTurn.CLOSED else self.latest

    def response(self) -> Response:
        """Return the response of the model's turn; begin one when there is none."""
        if (current := self.current) is not None:
            return current
        self.model(Signal.BEGIN)
        self.hear(Signal.ANSWER)
        self.unanswered.clear()
        return self.begin(Response(response_id=self.new_id(), words=self.history.add("assistant")))

    def model(self, signal: Signal) -> None:
        """Change the state of the model's turn."""
        self.turn = after(self.turn, signal)

    def over(self) -> None:
        """Record that the connection is gone; words that wait for an answer are said again on the next one."""
        self.connected = self.going_away = False
        self.early_words = ""
        self.hear(Signal.SILENCE)
        self.model(Signal.END)

    @property
    def settled(self) -> bool:
        """Whether nothing is under way that is known of; the service does not say when it owes nothing."""
        return self.at_rest and self.turn is not ModelTurn.INTERRUPTED


_RATE = re.compile(r";\s*rate=(\d+)")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")


def server_content(c: Conversation, content: Fields) -> None:
    """Handle all that a message says about the model's turn, in the order in which it happened."""
    _model_turn(c, content.object("modelTurn", optional=True))
    _spoken(c, content.object("outputTranscription", optional=True))
    if content.get("generationComplete"):
        _generation_complete(c)
    if content.get("interrupted"):
        _interrupted(c)
    _heard(c, content.object("inputTranscription", optional=True))
    if content.get("turnComplete"):
        _turn_complete(c, content)
    noted = ("groundingMetadata", "urlContextMetadata", "interimInputTranscription", "waitingForInput")
    if found := {key: content.get(key) for key in noted if content.get(key)}:
        c.log("server_content", "model", found)
    if content.get("waitingForInput"):
        c.hear(Signal.ANSWER)  # there is none: the model waits for the user to go on


# The model's turn


def _model_turn(c: Conversation, turn: Fields) -> None:
    for part in turn.objects("parts"):
        if data := _inline_audio(part):
            _take_audio(c, data)
        elif part.get("thought"):
            c.log("thought", "model", {"text": part.get("text")})
        elif text := part.optional_text("text"):
            _take_words(c, text)


def _inline_audio(part: Fields) -> bytes:
    """Return the PCM bytes of a part, none when it has no audio; raise `EventError` for another rate or format."""
    blob = part.object("inlineData", optional=True)
    if not blob.body:
        return b""
    mime = blob.text("mimeType")
    named = _RATE.search(mime)
    if not mime.startswith("audio/pcm") or (named and int(named.group(1)) != OUTPUT_RATE):
        raise EventError(f"{blob.name}: mimeType must be audio/pcm;rate={OUTPUT_RATE}, got {mime}")
    data = blob.get("data")
    return data if isinstance(data, bytes) else blob.base64("data")  # the SDK has decoded it


def begun_response(c: Conversation) -> Response:
    """Return the response of the turn, with the words that came before its first sound."""
    response = c.response()
    if early := c.early_words:
        c.early_words = ""
        _take_words(c, early)
    return response


def _take_audio(c: Conversation, data: bytes) -> None:
    response = begun_response(c)
    c.hand_on(response, response.whole.feed(data), sample_rate=OUTPUT_RATE)


def _spoken(c: Conversation, transcription: Fields) -> None:
    text = transcription.optional_text("text")
    if text and c.current is None:
        # It comes in no order with the audio: alone it begins no response, and waits for the one that does.
        c.early_words += text
    elif text:
        _take_words(c, text)


def _take_words(c: Conversation, text: str) -> None:
    response = begun_response(c)
    if response.cut:
        c.log("transcript_unheard", "model", {"text": text}, response_id=response.response_id)
        return
    response.words.text += text
    c.tell(_said(response.words, text, response.response_id))


def _said(words: Utterance, delta: str, response_id: str | None) -> BidiTranscriptStreamEvent:
    role: Role = "assistant" if words.role == "assistant" else "user"
    so_far = None if words.text == delta else words.text
    return BidiTranscriptStreamEvent({"text": delta}, delta, role, False, so_far, response_id=response_id)


def _said_all(c: Conversation, words: Utterance, response_id: str | None) -> None:
    if not (text := words.text.strip()):
        return
    role: Role = "assistant" if words.role == "assistant" else "user"
    c.tell(BidiTranscriptStreamEvent({"text": text}, text, role, True, text, response_id=response_id))


def _generation_complete(c: Conversation) -> None:
    """End the generation of a response; the turn goes on for as long as the server thinks that it is played."""
    _end_of_user_words(c)
    if c.current is None:  # a turn of a tool call alone, which is over already
        c.log("generation_complete", "model")
        return
    c.log("generation_complete", "model", _counts(c.current), response_id=c.current.response_id)
    if c.current.generating:
        c.complete(c.current, "complete")


def _turn_complete(c: Conversation, content: Fields) -> None:
    """End the model's turn; what comes next belongs to another."""
    response, was_interrupted = c.current, c.turn is ModelTurn.INTERRUPTED
    c.model(Signal.END)
    detail = {"reason": content.get("turnCompleteReason"), "interrupted": was_interrupted}
    if response is None:
        c.log("turn_complete", "model", detail)
        c.hear(Signal.ANSWER)  # there is none
        return
    c.log("turn_complete", "model", {**detail, **_counts(response)}, response_id=response.response_id)
    if not was_interrupted:
        _end_of_user_words(c)
    if response.generating:
        c.complete(response, "complete")
    elif response.owed:
        response.end()
    end_of_words(c, response)


def end_of_words(c: Conversation, response: Response) -> None:
    """Hand on all words of a response at the end of its turn, unless it was cut."""
    if not response.cut:
        _said_all(c, response.words, response.response_id)


def _counts(response: Response) -> dict[str, int]:
    return {
        "generated_samples": response.n_samples,
        "late_samples": response.late_samples,
        "sample_rate": OUTPUT_RATE,
    }


# Interruption


def _interrupted(c: Conversation) -> None:
    """Cut the model's turn, which the user's activity stopped."""
    c.model(Signal.INTERRUPT)
    _end_of_user_words(c)  # the words that interrupt come after this
    active = c.active_responses()
    if not active:
        # The server takes a response to be played for longer than it was: nothing is left to be cut.
        c.log("interrupted_inaudible", "model", input_samples=c.uplink.sent_samples)
    else:
        detail = {"message": "interrupted", "sample_rate": c.settings.input_rate}
        c.log("interrupted", "model", detail, input_samples=c.uplink.sent_samples)
    c.cut("user_speech", "interrupted", *active)


def activity_begins(c: Conversation) -> None:
    """Cut what is audible and no longer generated, if the start of activity is to interrupt.

    What is still generating is left to the server, which tells `interrupted`; a turn that it holds to be over it does
    not interrupt, and no other message will tell that the user wants to be heard.
    """
    if c.settings.turn_detection.interrupts:
        c.cut("user_speech", "interrupted", *(r for r in c.active_responses() if r is not c.current))


# What the user said


def _heard(c: Conversation, transcription: Fields) -> None:
    text = transcription.optional_text("text")
    if text:
        if c.user_words is None:
            c.user_words = c.history.add("user")
        c.user_words.text += text
        c.tell(_said(c.user_words, text, None))
    if transcription.get("finished"):
        _end_of_user_words(c)


def _end_of_user_words(c: Conversation) -> None:
    """Hand on all words of the user. The service does not always say when they are whole: they are when it answers."""
    words, c.user_words = c.user_words, None
    if words is not None:
        _said_all(c, words, None)


def voice_activity(c: Conversation, activity: Fields) -> None:
    """Log what the server's detector decided; ``audioOffset`` counts from the start of the connection.

    Whether the offset is that of the onset or of the decision is not published: it makes no `speech_started` row.
    """
    # On the wire it is `type`; the SDK calls it `voiceActivityType`.
    said = activity.optional_text("type") or activity.optional_text("voiceActivityType")
    detail: dict[str, Any] = {"activity": said, "sample_rate": c.settings.input_rate}
    if (offset_s := _duration_s(activity, "audioOffset")) is not None:
        detail["activity_samples"] = c.start_samples + s_to_samples(offset_s, c.settings.input_rate)
    c.log("voice_activity", "detector", detail, input_samples=c.uplink.sent_samples)
    by_hand = c.settings.turn_detection.manual  # then the client knows better when the user speaks
    if said == "ACTIVITY_START":
        if not by_hand:
            c.hear(Signal.SPEECH)
        activity_begins(c)
    elif said == "ACTIVITY_END" and not by_hand:
        c.hear(Signal.TURN)


def _duration_s(message: Fields, key: str) -> float | None:
    """Return the seconds of a duration such as ``"1.5s"``; ``None`` when it is missing, or raise `EventError`."""
    text = message.optional_text(key)
    if text is None:
        return None
    if (found := _DURATION.fullmatch(text)) is None:
        raise EventError(f"{message.name}: {key} must be a duration such as '1.5s', got {text!r}")
    return float(found.group(1))
