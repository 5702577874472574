"""Handlers of ``response.*``: the model's speech, its text, its tool calls, its end, and its interruption.

Sequences: REALTIME, GA protocol; ``openai/types/realtime/response_*_event.py`` of the ``openai`` package 3.54 (2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bidilab.bidi.providers.fields import Fields
from bidilab.bidi.providers.openai.messages import create_response, function_call
from bidilab.bidi.providers.openai.settings import SAMPLE_RATE
from bidilab.bidi.providers.openai.state import Conversation, Response, ToolCall
from bidilab.bidi.providers.state import Request, Signal
from bidilab.bidi.types.events import (
    BidiErrorEvent,
    BidiTranscriptStreamEvent,
    BidiUsageEvent,
    ModalityUsage,
    ToolUse,
)
from bidilab.core.errors import EventError, ReportedError

__all__ = [
    "audio_delta",
    "call_arguments_delta",
    "call_arguments_done",
    "output_item",
    "respond_when_possible",
    "response_created",
    "response_done",
    "transcript_delta",
    "transcript_done",
]

_MODALITIES = ("text", "audio", "image")


def _begin(c: Conversation, response_id: str) -> Response:
    """Return the response, known or new: a delta may come without the ``response.created`` that should precede it."""
    response = c.responses.get(response_id)
    return c.begin(Response(response_id=response_id)) if response is None else response


def response_created(c: Conversation, message: Fields) -> None:
    """Begin a response, which we or the server's turn detection asked for."""
    response_id = message.object("response").text("id")
    c.ask(Signal.ANSWER)
    c.hear(Signal.ANSWER)
    _begin(c, response_id)


def output_item(c: Conversation, message: Fields) -> None:
    """``response.output_item.added`` and ``.done``: an utterance, or a call whose name comes nowhere earlier."""
    item = message.object("item")
    _take_item(c, _begin(c, message.text("response_id")), item)


def _take_item(c: Conversation, response: Response, item: Fields) -> None:
    item_id, kind = item.text("id"), item.get("type")
    if kind == "message":
        c.history.add_speech(item_id, "assistant")
    elif kind == "function_call":
        call_id, name = item.text("call_id"), item.text("name")
        call = response.calls.setdefault(item_id, ToolCall(call_id=call_id, name=name, item_id=item_id))
        if item.get("status") == "completed" and not call.handed_on:
            _hand_on(c, response, call, item.text("arguments"))


def audio_delta(c: Conversation, message: Fields) -> None:
    """Hand on audio; of a cut or finished response it is only counted."""
    data, item_id = message.base64("delta"), message.text("item_id")
    response = _begin(c, message.text("response_id"))
    part = response.part(item_id, message.count("content_index", 0))
    pcm = part.whole.feed(data)
    part.n_samples += len(pcm) // 2
    c.hand_on(response, pcm, sample_rate=SAMPLE_RATE, item_id=item_id)


def _transcript_place(c: Conversation, message: Fields) -> tuple[Response, tuple[str, int]]:
    response = _begin(c, message.text("response_id"))
    return response, (message.text("item_id"), message.count("content_index", 0))


def transcript_delta(c: Conversation, message: Fields) -> None:
    """Hand on words of speech or of text as they are generated."""
    delta = message.text("delta")
    response, place = _transcript_place(c, message)
    before = response.transcripts.get(place)
    response.transcripts[place] = (before or "") + delta
    if response.heard_samples is None:  # after a truncation the history holds what was heard, and stays so
        c.history.set_text(place[0], "assistant", response.transcripts[place])
    if response.generating:
        so_far = None if before is None else response.transcripts[place]
        c.tell(_said(delta, response, place[0], is_final=False, so_far=so_far))


def transcript_done(c: Conversation, message: Fields) -> None:
    """Hand on all words of a part. Of a cut response they are kept for the history only."""
    text = message.text("text" if "text" in message.body else "transcript")
    response, place = _transcript_place(c, message)
    response.transcripts[place] = text
    if response.heard_samples is None:
        c.history.set_text(place[0], "assistant", text)
    if response.cut:
        c.log("transcript_unheard", "model", {"text": text}, response_id=response.response_id, item_id=place[0])
    else:
        c.tell(_said(text, response, place[0], is_final=True, so_far=text))


def _said(text: str, response: Response, item_id: str, *, is_final: bool, so_far: str | None) -> Any:
    return BidiTranscriptStreamEvent(
        {"text": text}, text, "assistant", is_final, so_far, response_id=response.response_id, item_id=item_id
    )


def call_arguments_delta(c: Conversation, message: Fields) -> None:
    """Add a piece to a call's arguments."""
    response = _begin(c, message.text("response_id"))
    item_id, delta = message.text("item_id"), message.text("delta")
    call = response.calls.get(item_id)
    if call is None:  # the item that names the call has not come: its ``done`` will have everything
        c.log("tool_arguments_early", "model", {"call_id": message.get("call_id")}, item_id=item_id)
    elif not call.handed_on:
        call.arguments += delta


def call_arguments_done(c: Conversation, message: Fields) -> None:
    """Hand on a whole call, once, unless its response was cut."""
    response = _begin(c, message.text("response_id"))
    item_id = message.text("item_id")
    call = response.calls.get(item_id)
    if call is None:
        call_id, name = message.text("call_id"), message.text("name")
        call = response.calls[item_id] = ToolCall(call_id=call_id, name=name, item_id=item_id)
    arguments = message.optional_text("arguments")
    _hand_on(c, response, call, call.arguments if arguments is None else arguments)


def _hand_on(c: Conversation, response: Response, call: ToolCall, arguments: str) -> None:
    call.arguments = arguments
    if call.handed_on or response.cut:
        return
    call.handed_on = True
    c.history.add_item(function_call(call.item_id, call.call_id, call.name, arguments))
    value = c.read_arguments(arguments, item_id=call.item_id)
    c.call(ToolUse(toolUseId=call.call_id, name=call.name, input=value), response.response_id)


def response_done(c: Conversation, message: Fields) -> None:
    """End a response: completed, incomplete, cancelled or failed."""
    body = message.object("response")
    response = _begin(c, body.text("id"))
    if not response.owed:
        c.log("response_done_repeated", "model", response_id=response.response_id)
        return
    _take_rest(c, response, body)
    _log_end(c, response, body)
    _ENDS.get(str(body.get("status")), _completed)(c, response, body)
    if response.owed:
        response.end()
    respond_when_possible(c)


def _take_rest(c: Conversation, response: Response, body: Fields) -> None:
    """Take calls that had no message of their own, and the usage; a fault in them must not keep the response open."""
    try:
        output = body.get("output")
        for item in output if isinstance(output, list) else ():
            if isinstance(item, Mapping):
                _take_item(c, response, Fields(f"{body.name}.output", item))
        if body.get("usage") is not None:  # none for a response that is cancelled at once
            c.tell(_usage(body.object("usage")))
    except EventError as error:
        c.log("malformed_message", "error", {"error": str(error), "message": dict(body.body)})


def _usage(usage: Fields) -> BidiUsageEvent:
    n_in, n_out = usage.count("input_tokens", 0), usage.count("output_tokens", 0)
    spent = usage.object("input_token_details", optional=True)
    made = usage.object("output_token_details", optional=True)
    details: list[ModalityUsage] = []
    for modality in _MODALITIES:
        key = f"{modality}_tokens"
        if spent.get(key) is not None or made.get(key) is not None:
            n_of_in, n_of_out = spent.count(key, 0), made.count(key, 0)
            details.append(ModalityUsage(modality=modality, input_tokens=n_of_in, output_tokens=n_of_out))  # type: ignore[typeddict-item]
    cached = None if spent.get("cached_tokens") is None else spent.count("cached_tokens")
    return BidiUsageEvent(n_in, n_out, usage.count("total_tokens", n_in + n_out), details or None, cached)


def _log_end(c: Conversation, response: Response, body: Fields) -> None:
    detail = {
        "status": body.get("status"),
        "status_details": body.get("status_details"),
        "generated_samples": response.received_samples,
        "late_samples": response.late_samples,
        "sample_rate": SAMPLE_RATE,
    }
    c.log("response_done", "model", detail, response_id=response.response_id)


def _completed(c: Conversation, response: Response, _body: Fields) -> None:
    if not response.cut:
        calls = any(call.handed_on for call in response.calls.values())
        c.complete(response, "tool_use" if calls else "complete")


def _cancelled(c: Conversation, response: Response, _body: Fields) -> None:
    """Interrupt a response that the server cancelled by itself; usually `speech_started` has done that already."""
    if not response.cut:
        response.end()
        c.cut("user_speech", "interrupted", response)


def _failed(c: Conversation, response: Response, body: Fields) -> None:
    details = body.get("status_details")
    error = details.get("error") if isinstance(details, Mapping) else None
    error = error if isinstance(error, Mapping) else {}
    said = str(error.get("message") or error.get("code") or "the response failed, the server does not say why")
    code = str(error.get("code") or error.get("type") or "response_failed")
    c.tell(BidiErrorEvent(ReportedError(said), {"response_id": response.response_id, **error}, code=code))
    if not response.cut:
        response.end()
        c.cut("error", "error", response)


_ENDS = {"completed": _completed, "incomplete": _completed, "cancelled": _cancelled, "failed": _failed}


def respond_when_possible(c: Conversation) -> None:
    """Ask for the response that is wanted when none is being generated: the API has one at a time."""
    if c.request is not Request.WANTED or c.owed:
        return
    if c.user_speaking and c.server_turn_detection().get("create_response", True):
        c.ask(Signal.SKIP)  # the server will answer the turn under way by itself, with all that was sent meanwhile
    else:
        c.ask(Signal.ASK)
        c.send(create_response())
