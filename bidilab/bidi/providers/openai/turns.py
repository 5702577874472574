"""Handlers of ``input_audio_buffer.*`` and ``conversation.item.*``: the user's turns, and what was said in them.

Source: ``openai/types/realtime/input_audio_buffer_*.py``, ``conversation_item_*.py`` of ``openai`` 3.54 (2026).
"""

from __future__ import annotations

from typing import Any

from bidilab.bidi.providers.fields import Fields
from bidilab.bidi.providers.openai.messages import cancel_response
from bidilab.bidi.providers.openai.settings import SAMPLE_RATE
from bidilab.bidi.providers.openai.state import Conversation
from bidilab.bidi.providers.state import Signal
from bidilab.bidi.types.events import BidiErrorEvent, BidiTranscriptStreamEvent
from bidilab.core.errors import ReportedError

__all__ = [
    "committed",
    "item_added",
    "item_deleted",
    "note",
    "speech_started",
    "speech_stopped",
    "timeout_triggered",
    "transcription_completed",
    "transcription_delta",
    "transcription_failed",
]

_MS_SAMPLES = SAMPLE_RATE // 1000


def _position(c: Conversation, message: Fields, key: str) -> int:
    """Return a position in the user's stream; the server counts from the start of its connection."""
    return c.server.start_samples + message.count(key) * _MS_SAMPLES


def speech_started(c: Conversation, message: Fields) -> None:
    """Log that the user speaks, and interrupt what is generating or audible.

    This is the moment to act (REALTIME, "Barge-in"): a server that generates faster than real time has often completed
    the response long ago, cancels nothing, and no other message will tell that the user wants to be heard.
    """
    start = _position(c, message, "audio_start_ms")
    c.hear(Signal.SPEECH)
    detail: dict[str, Any] = {"audio_start_samples": start, "sample_rate": SAMPLE_RATE}
    # The server tells where the audio starts, the padding included; the onset itself is known only where neither
    # the start of the stream nor the turn before clipped the padding. When it decided, it does not tell at all.
    padding = c.server_turn_detection().get("prefix_padding_ms")
    if isinstance(padding, int) and start > max(c.server.start_samples, c.server.audio_end_samples):
        detail["onset_samples"] = start + padding * _MS_SAMPLES
    _log_turn(c, "speech_started", message, detail)
    if c.settings.acts_on_speech:
        _interrupt(c)


def _interrupt(c: Conversation) -> None:
    active = c.active_responses()
    server_cancels = c.server_turn_detection().get("interrupt_response", True)
    for response in active:
        # A server that interrupts has cancelled already; a second cancel is an error on the wire.
        if response.generating and not server_cancels:
            c.send(cancel_response(response.response_id))
    c.cut("user_speech", "interrupted", *active)


def speech_stopped(c: Conversation, message: Fields) -> None:
    """Log that the user's speech is over; ``audio_end_ms`` includes the silence that ended it."""
    end = _position(c, message, "audio_end_ms")
    c.hear(Signal.SILENCE)
    c.server.audio_end_samples = end
    detail: dict[str, Any] = {"decided_at_samples": end, "flushed": False, "sample_rate": SAMPLE_RATE}
    silence = c.server_turn_detection().get("silence_duration_ms")
    if isinstance(silence, int):
        detail["offset_samples"] = max(c.server.start_samples, end - silence * _MS_SAMPLES)
    _log_turn(c, "speech_stopped", message, detail)


def timeout_triggered(c: Conversation, message: Fields) -> None:
    """Log that ``idle_timeout_ms`` passed in silence, which the server commits and responds to."""
    start, end = _position(c, message, "audio_start_ms"), _position(c, message, "audio_end_ms")
    detail = {"audio_start_samples": start, "audio_end_samples": end, "sample_rate": SAMPLE_RATE}
    _log_turn(c, "timeout_triggered", message, detail)


def _log_turn(c: Conversation, type: str, message: Fields, detail: dict[str, Any]) -> None:  # noqa: A002
    item_id = message.optional_text("item_id")
    c.log(type, "detector", detail, item_id=item_id, input_samples=c.uplink.sent_samples)


def committed(c: Conversation, message: Fields) -> None:
    """Keep the place of the user's turn, which is now an item of the conversation."""
    item_id = message.text("item_id")
    if c.server_turn_detection().get("create_response", False):
        c.hear(Signal.TURN)
    else:
        c.hear(Signal.SILENCE, Signal.ANSWER)
    c.history.add_speech(item_id, "user")
    c.log("input_committed", "model", item_id=item_id, input_samples=c.uplink.sent_samples)


def item_added(c: Conversation, message: Fields) -> None:
    """Keep the place of an item; its words may come later."""
    item = message.object("item")
    if item.get("type") == "message" and item.get("role") in ("user", "assistant"):
        c.history.add_speech(item.text("id"), item.body["role"])
    note(c, message)


def item_deleted(c: Conversation, message: Fields) -> None:
    """Forget an item."""
    c.history.forget(message.text("item_id"))
    note(c, message)


def _place(message: Fields) -> tuple[str, int]:
    return message.text("item_id"), message.count("content_index", 0)


def transcription_delta(c: Conversation, message: Fields) -> None:
    """Hand on words of the user as they are recognised."""
    place, delta = _place(message), message.optional_text("delta") or ""
    if not delta:
        return
    before = c.user_transcripts.get(place)
    so_far = c.user_transcripts[place] = (before or "") + delta
    said = None if before is None else so_far
    c.tell(BidiTranscriptStreamEvent({"text": delta}, delta, "user", False, said, item_id=place[0]))


def transcription_completed(c: Conversation, message: Fields) -> None:
    """Hand on all words of the user's turn; they may come at any time after it."""
    place, text = _place(message), message.text("transcript")
    c.user_transcripts.pop(place, None)
    c.history.set_text(place[0], "user", text)
    c.tell(BidiTranscriptStreamEvent({"text": text}, text, "user", True, text, item_id=place[0]))
    if message.get("usage") is not None:
        c.log("transcription_usage", "model", {"usage": message.get("usage")}, item_id=place[0])


def transcription_failed(c: Conversation, message: Fields) -> None:
    """Report that the user's words were not recognised; the model heard the audio all the same."""
    error = message.object("error")
    said = str(error.get("message") or error.get("code") or "transcription failed")
    code = str(error.get("code") or "transcription_failed")
    c.tell(BidiErrorEvent(ReportedError(said), {"item_id": message.get("item_id"), **error.body}, code=code))


def note(c: Conversation, message: Fields) -> None:
    """Log a message that needs nothing else."""
    detail = {key: value for key, value in message.body.items() if key not in ("type", "item_id", "response_id")}
    ids = {key: value for key in ("item_id", "response_id") if isinstance(value := message.get(key), str)}
    c.log(message.text("type"), "model", detail, **ids)
