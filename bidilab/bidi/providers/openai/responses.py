"""Handlers of ``response.*``: the model's speech, its text, its tool calls, its end, and its interruption.

Sequences: REALTIME, GA protocol; ``openai/types/realtime/response_*_event.py`` of the ``openai`` package 3.54 (2026).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from bidilab.bidi.providers.openai.fields import Message, count_field, object_field, optional_text, text_field
from bidilab.bidi.providers.openai.messages import create_response, function_call
from bidilab.bidi.providers.openai.settings import SAMPLE_RATE
from bidilab.bidi.providers.openai.state import Conversation, Response, ToolCall
from bidilab.bidi.providers.openai.usage import response_usage
from bidilab.bidi.types.events import (
    BidiAudioStreamEvent,
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTranscriptStreamEvent,
    ToolUseStreamEvent,
)
from bidilab.bidi.types.outputs import InterruptionReason, StopReason
from bidilab.core.errors import EventError, ReportedError

__all__ = [
    "audio_delta",
    "call_arguments_delta",
    "call_arguments_done",
    "cut",
    "output_item",
    "respond_when_possible",
    "response_created",
    "response_done",
    "transcript_delta",
    "transcript_done",
]

_KEPT_RESPONSES = 32


def _begin(c: Conversation, response_id: str) -> Response:
    """The response, known or new; a delta may come without the ``response.created`` that should precede it."""
    response = c.responses.get(response_id)
    if response is None:
        response = c.responses[response_id] = Response(response_id=response_id)
        c.events.append(BidiResponseStartEvent(response_id))
    return response


def response_created(c: Conversation, message: Message) -> None:
    """A response begins, asked for by us or by the server's turn detection."""
    c.creating = c.expects_response = False
    _begin(c, text_field(object_field(message, "response"), "id"))


def output_item(c: Conversation, message: Message) -> None:
    """``response.output_item.added`` and ``.done``: an utterance, or a call whose name comes nowhere earlier."""
    item = object_field(message, "item")
    _take_item(c, _begin(c, text_field(message, "response_id")), item)


def _take_item(c: Conversation, response: Response, item: Message) -> None:
    item_id, kind = text_field(item, "id"), item.get("type")
    if kind == "message":
        c.history.add_speech(item_id, "assistant")
    elif kind == "function_call":
        call_id, name = text_field(item, "call_id"), text_field(item, "name")
        call = response.calls.setdefault(item_id, ToolCall(call_id=call_id, name=name, item_id=item_id))
        if item.get("status") == "completed" and not call.handed_on:
            _hand_on(c, response, call, text_field(item, "arguments"))


def audio_delta(c: Conversation, message: Message) -> None:
    """Audio; of a cut or finished response it is counted and dropped."""
    try:
        data = base64.b64decode(text_field(message, "delta"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise EventError(f"{message.get('type')}: delta is not base64 ({error})") from error
    item_id = text_field(message, "item_id")
    response = _begin(c, text_field(message, "response_id"))
    # A sample may be split between two messages: the odd byte waits for its other half.
    data = response.odd_byte + data
    whole = len(data) // 2 * 2
    response.odd_byte = data[whole:]
    response.part(item_id, count_field(message, "content_index", 0)).n_samples += whole // 2
    if response.cut or not response.generating:
        response.late_samples += whole // 2
    elif whole:
        event = BidiAudioStreamEvent.from_pcm(
            data[:whole], sample_rate=SAMPLE_RATE, response_id=response.response_id, item_id=item_id
        )
        c.events.append(event)


def _transcript_place(c: Conversation, message: Message) -> tuple[Response, tuple[str, int]]:
    response = _begin(c, text_field(message, "response_id"))
    return response, (text_field(message, "item_id"), count_field(message, "content_index", 0))


def transcript_delta(c: Conversation, message: Message) -> None:
    """Words as they are generated: ``response.output_audio_transcript.delta``, ``response.output_text.delta``."""
    delta = text_field(message, "delta")
    response, place = _transcript_place(c, message)
    before = response.transcripts.get(place)
    response.transcripts[place] = (before or "") + delta
    if not response.truncated:  # after a truncation the history holds what was heard, and stays so
        c.history.set_text(place[0], "assistant", response.transcripts[place])
    if response.generating and not response.cut:
        so_far = None if before is None else response.transcripts[place]
        c.events.append(_said(delta, response, place[0], is_final=False, so_far=so_far))


def transcript_done(c: Conversation, message: Message) -> None:
    """The words of a part, whole. Of a cut response they are kept for the history, not handed on."""
    text = text_field(message, "text" if "text" in message else "transcript")
    response, place = _transcript_place(c, message)
    response.transcripts[place] = text
    if not response.truncated:
        c.history.set_text(place[0], "assistant", text)
    if response.cut:
        c.log("transcript_unheard", "model", {"text": text}, response_id=response.response_id, item_id=place[0])
    else:
        c.events.append(_said(text, response, place[0], is_final=True, so_far=text))


def _said(text: str, response: Response, item_id: str, *, is_final: bool, so_far: str | None) -> Any:
    return BidiTranscriptStreamEvent(
        {"text": text}, text, "assistant", is_final, so_far, response_id=response.response_id, item_id=item_id
    )


def call_arguments_delta(c: Conversation, message: Message) -> None:
    """A piece of a call's arguments."""
    response = _begin(c, text_field(message, "response_id"))
    item_id, delta = text_field(message, "item_id"), text_field(message, "delta")
    call = response.calls.get(item_id)
    if call is None:  # the item that names the call has not come: its ``done`` will have everything
        c.log("tool_arguments_early", "model", {"call_id": message.get("call_id")}, item_id=item_id)
    elif not call.handed_on:
        call.arguments += delta


def call_arguments_done(c: Conversation, message: Message) -> None:
    """A call is whole: it is handed on once, unless its response was cut."""
    response = _begin(c, text_field(message, "response_id"))
    item_id = text_field(message, "item_id")
    call = response.calls.get(item_id)
    if call is None:
        call_id, name = text_field(message, "call_id"), text_field(message, "name")
        call = response.calls[item_id] = ToolCall(call_id=call_id, name=name, item_id=item_id)
    arguments = optional_text(message, "arguments")
    _hand_on(c, response, call, call.arguments if arguments is None else arguments)


def _hand_on(c: Conversation, response: Response, call: ToolCall, arguments: str) -> None:
    call.arguments = arguments
    if call.handed_on or response.cut:
        return
    call.handed_on = True
    c.open_calls[call.call_id] = response.response_id
    c.history.add_item(function_call(call.item_id, call.call_id, call.name, arguments))
    try:
        value = json.loads(arguments) if arguments.strip() else {}
    except json.JSONDecodeError as error:
        # The model wrote it, not the peer: the tool that cannot read it answers with an error, and it tries again.
        c.log("tool_arguments_invalid", "error", {"error": str(error), "arguments": arguments}, item_id=call.item_id)
        value = arguments
    use = {"toolUseId": call.call_id, "name": call.name, "input": value}
    c.events.append(ToolUseStreamEvent({"toolUse": use}, use))


def response_done(c: Conversation, message: Message) -> None:
    """A response is over: completed, incomplete, cancelled or failed."""
    body = object_field(message, "response")
    response = _begin(c, text_field(body, "id"))
    if not response.generating:
        c.log("response_done_repeated", "model", response_id=response.response_id)
        return
    _take_rest(c, response, body)
    response.generating = False
    _log_end(c, response, body)
    _ENDS.get(str(body.get("status")), _completed)(c, response, body)
    _forget_old(c)
    respond_when_possible(c)


def _take_rest(c: Conversation, response: Response, body: Message) -> None:
    """Calls that came in no message of their own, and the usage; a fault in them must not keep the response open."""
    try:
        output = body.get("output")
        for item in output if isinstance(output, list) else ():
            if isinstance(item, Mapping):
                _take_item(c, response, item)
        if (usage := response_usage(body.get("usage"))) is not None:
            c.events.append(usage)
    except EventError as error:
        c.log("malformed_message", "error", {"error": str(error), "message": dict(body)})


def _log_end(c: Conversation, response: Response, body: Message) -> None:
    detail = {
        "status": body.get("status"),
        "status_details": body.get("status_details"),
        "generated_samples": response.n_samples,
        "late_samples": response.late_samples,
        "sample_rate": SAMPLE_RATE,
    }
    c.log("response_done", "model", detail, response_id=response.response_id)


def _completed(c: Conversation, response: Response, _body: Message) -> None:
    if not response.cut:
        calls = any(call.handed_on for call in response.calls.values())
        c.events.append(BidiResponseCompleteEvent(response.response_id, "tool_use" if calls else "complete"))


def _cancelled(c: Conversation, response: Response, _body: Message) -> None:
    """Usually we had acted at ``speech_started``. If not, the server did so of its own accord: tell it now."""
    if not response.cut:
        _cut_one(c, response, "user_speech", "interrupted")


def _failed(c: Conversation, response: Response, body: Message) -> None:
    details = body.get("status_details")
    error = details.get("error") if isinstance(details, Mapping) else None
    error = error if isinstance(error, Mapping) else {}
    said = str(error.get("message") or error.get("code") or "the response failed, the server does not say why")
    code = str(error.get("code") or error.get("type") or "response_failed")
    c.events.append(BidiErrorEvent(ReportedError(said), {"response_id": response.response_id, **error}, code=code))
    if not response.cut:
        _cut_one(c, response, "error", "error")


_ENDS = {"completed": _completed, "incomplete": _completed, "cancelled": _cancelled, "failed": _failed}


def _cut_one(c: Conversation, response: Response, reason: InterruptionReason, stop_reason: StopReason) -> None:
    response.cut = True
    response.cut_while_generating = response.generating
    c.events.append(BidiInterruptionEvent(reason, interrupted_response_id=response.response_id))
    c.events.append(BidiResponseCompleteEvent(response.response_id, stop_reason))


def cut(c: Conversation, reason: InterruptionReason, stop_reason: StopReason, chosen: list[Response]) -> None:
    """Interrupt responses: from here on nothing of them is handed on."""
    for response in chosen:
        _cut_one(c, response, reason, stop_reason)


def respond_when_possible(c: Conversation) -> None:
    """Ask for the response that is wanted, once none is being generated; the API has one at a time."""
    if not c.wants_response or c.generating:
        return
    c.wants_response = False
    # A turn under way will be answered by the server itself, with all that was sent meanwhile.
    if not (c.user_speaking and c.server_turn_detection().get("create_response", True)):
        c.creating = True
        c.send(create_response())


def _forget_old(c: Conversation) -> None:
    over = [key for key, r in c.responses.items() if not r.generating and key not in c.audible]
    for key in over[:-_KEPT_RESPONSES]:
        del c.responses[key]
