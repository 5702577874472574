"""Handlers of ``serverContent`` and ``voiceActivity``: the model's turn, its interruption, and what was said.

Sequences: Live API WebSocket reference, ``BidiGenerateContentServerContent``, and ``LiveServerContent`` of google-genai
3.4 (2026): a turn goes ``generationComplete`` > ``turnComplete``; an interrupted one goes ``interrupted`` >
``turnComplete``, without ``generationComplete``. Transcriptions come in no order with anything else.
"""

from __future__ import annotations

from typing import Any

from bidilab.bidi.providers.gemini.received import (
    Message,
    audio_offset_s,
    inline_audio,
    object_field,
    objects_field,
    optional_text,
)
from bidilab.bidi.providers.gemini.settings import OUTPUT_RATE
from bidilab.bidi.providers.gemini.state import Conversation, Response
from bidilab.bidi.providers.history import Utterance
from bidilab.bidi.types.events import (
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiTranscriptStreamEvent,
)
from bidilab.bidi.types.inputs import Role
from bidilab.bidi.types.outputs import InterruptionReason, StopReason
from bidilab.core.units import s_to_samples

__all__ = ["activity_begins", "complete", "cut", "end_of_words", "server_content", "voice_activity"]


def server_content(c: Conversation, content: Message) -> None:
    """All that one message says of the model's turn, in the order in which it happened."""
    _model_turn(c, object_field(content, "modelTurn"))
    _spoken(c, object_field(content, "outputTranscription"))
    if content.get("generationComplete"):
        _generation_complete(c)
    if content.get("interrupted"):
        _interrupted(c)
    _heard(c, object_field(content, "inputTranscription"))
    if content.get("turnComplete"):
        _turn_complete(c, content)
    noted = ("groundingMetadata", "urlContextMetadata", "interimInputTranscription", "waitingForInput")
    if found := {key: content[key] for key in noted if content.get(key)}:
        c.log("server_content", "model", found)
    if content.get("waitingForInput"):
        c.expects_response = False  # the model waits for the user to go on


# The model's turn


def _model_turn(c: Conversation, turn: Message) -> None:
    for part in objects_field(turn, "parts"):
        if data := inline_audio(part, OUTPUT_RATE):
            _take_audio(c, data)
        elif part.get("thought"):
            c.log("thought", "model", {"text": part.get("text")})
        elif text := optional_text(part, "text"):
            _take_words(c, text)


def _response(c: Conversation) -> Response:
    """The response of the turn, with the words of it that came before its first sound."""
    response = c.response()
    if early := c.early_words:
        c.early_words = ""
        _take_words(c, early)
    return response


def _take_audio(c: Conversation, data: bytes) -> None:
    response = _response(c)
    # A sample may be split between two messages: the odd byte waits for its other half.
    data = response.odd_byte + data
    whole = len(data) // 2 * 2
    response.odd_byte = data[whole:]
    if c.discarding or response.cut or not response.generating:
        response.late_samples += whole // 2
    elif whole:
        response.n_samples += whole // 2
        event = BidiAudioStreamEvent.from_pcm(data[:whole], sample_rate=OUTPUT_RATE, response_id=response.response_id)
        c.events.append(event)


def _spoken(c: Conversation, transcription: Message) -> None:
    text = optional_text(transcription, "text")
    if text and c.current is None:
        # It comes in no order with the audio: alone it begins no response, and waits for the one that does.
        c.early_words += text
    elif text:
        _take_words(c, text)


def _take_words(c: Conversation, text: str) -> None:
    response = _response(c)
    if response.cut:
        c.log("transcript_unheard", "model", {"text": text}, response_id=response.response_id)
        return
    response.words.text += text
    c.events.append(_said(response.words, text, response.response_id))


def _said(words: Utterance, delta: str, response_id: str | None) -> BidiTranscriptStreamEvent:
    role: Role = "assistant" if words.role == "assistant" else "user"
    so_far = None if words.text == delta else words.text
    return BidiTranscriptStreamEvent({"text": delta}, delta, role, False, so_far, response_id=response_id)


def _said_all(c: Conversation, words: Utterance, response_id: str | None) -> None:
    if not (text := words.text.strip()):
        return
    role: Role = "assistant" if words.role == "assistant" else "user"
    c.events.append(BidiTranscriptStreamEvent({"text": text}, text, role, True, text, response_id=response_id))


def _generation_complete(c: Conversation) -> None:
    """All has been generated; the turn goes on while the server takes it to be played."""
    _end_of_user_words(c)
    if c.current is None:  # a turn of a tool call alone, which is over already
        c.log("generation_complete", "model")
        return
    c.log("generation_complete", "model", _counts(c.current), response_id=c.current.response_id)
    complete(c, c.current, "complete")


def complete(c: Conversation, response: Response, stop_reason: StopReason) -> None:
    """Tell that the generation of a response is over, unless that was told."""
    if response.generating and not response.cut:
        c.events.append(BidiResponseCompleteEvent(response.response_id, stop_reason))
    response.generating = False


def _turn_complete(c: Conversation, content: Message) -> None:
    """The model's turn is over: what comes next is another."""
    response, c.current = c.current, None
    was_interrupted, c.discarding = c.discarding, False
    detail = {"reason": content.get("turnCompleteReason"), "interrupted": was_interrupted}
    if response is None:
        c.log("turn_complete", "model", detail)
        c.expects_response = False
        return
    c.log("turn_complete", "model", {**detail, **_counts(response)}, response_id=response.response_id)
    if not was_interrupted:
        _end_of_user_words(c)
        complete(c, response, "complete")
    end_of_words(c, response)


def end_of_words(c: Conversation, response: Response) -> None:
    """Tell the words of a response as a whole, unless it was cut."""
    if not response.cut and not response.transcript_told:
        response.transcript_told = True
        _said_all(c, response.words, response.response_id)


def _counts(response: Response) -> dict[str, int]:
    return {
        "generated_samples": response.n_samples,
        "late_samples": response.late_samples,
        "sample_rate": OUTPUT_RATE,
    }


# Interruption


def _interrupted(c: Conversation) -> None:
    """The user's activity stopped the model: nothing of its turn is to be heard any more."""
    c.discarding = c.current is not None
    _end_of_user_words(c)  # the words that interrupt come after this
    active = c.active_responses()
    if not active:
        # The server takes a response to be played for longer than it was: nothing is left to be cut.
        c.log("interrupted_inaudible", "model", input_samples=c.uplink.sent_samples)
    else:
        detail = {"message": "interrupted", "sample_rate": c.settings.input_rate}
        c.log("interrupted", "model", detail, input_samples=c.uplink.sent_samples)
    cut(c, "user_speech", "interrupted", active)


def cut(c: Conversation, reason: InterruptionReason, stop_reason: StopReason, chosen: list[Response]) -> None:
    """Interrupt responses: from here on nothing of them is handed on."""
    for response in chosen:
        response.cut = True
        response.generating = False
        c.events.append(BidiInterruptionEvent(reason, interrupted_response_id=response.response_id))
        c.events.append(BidiResponseCompleteEvent(response.response_id, stop_reason))


def activity_begins(c: Conversation) -> None:
    """The user's activity begins: what is audible and no longer generating is cut, if activity is to interrupt.

    What is still generating is left to the server, which tells `interrupted`; a turn that it holds to be over it does
    not interrupt, and no other message will tell that the user wants to be heard.
    """
    if c.settings.turn_detection.interrupts:
        cut(c, "user_speech", "interrupted", [r for r in c.active_responses() if r is not c.current])


# What the user said


def _heard(c: Conversation, transcription: Message) -> None:
    text = optional_text(transcription, "text")
    if text:
        if c.user_words is None:
            c.user_words = c.history.add("user")
        c.user_words.text += text
        c.events.append(_said(c.user_words, text, None))
    if transcription.get("finished"):
        _end_of_user_words(c)


def _end_of_user_words(c: Conversation) -> None:
    """The service does not say reliably when a transcript is whole: it is by the end of the answer to it."""
    words, c.user_words = c.user_words, None
    if words is not None:
        _said_all(c, words, None)


def voice_activity(c: Conversation, activity: Message) -> None:
    """What the server's detector decided, where it tells; ``audioOffset`` counts from the start of the connection.

    Whether the offset is that of the onset or of the decision is not published: it makes no `speech_started` row.
    """
    # On the wire it is `type`; the SDK calls it `voiceActivityType`.
    said = optional_text(activity, "type") or optional_text(activity, "voiceActivityType")
    detail: dict[str, Any] = {"activity": said, "sample_rate": c.settings.input_rate}
    if (offset_s := audio_offset_s(activity, "audioOffset")) is not None:
        detail["activity_samples"] = c.connection_start_samples + s_to_samples(offset_s, c.settings.input_rate)
    c.log("voice_activity", "detector", detail, input_samples=c.uplink.sent_samples)
    if said == "ACTIVITY_START":
        c.user_speaking = True
        activity_begins(c)
    elif said == "ACTIVITY_END":
        c.user_speaking, c.expects_response = False, True
