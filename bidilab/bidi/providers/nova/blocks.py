"""Handlers of the service's events: what was said, spoken, asked of tools, and interrupted.

Source: Amazon Nova 2 user guide, "Handling output events with the bidirectional API" (read 2026-11). The interruption
has two forms, of which either may come alone: a ``textOutput`` whose content is ``{ "interrupted" : true }`` (AWS's own
samples go by it), and a ``contentEnd`` with the stop reason ``INTERRUPTED`` (the guide).
"""

from __future__ import annotations

import base64
import binascii
import json

from bidilab.bidi.providers.nova.received import NovaEvent
from bidilab.bidi.providers.nova.state import Block, Conversation, Response
from bidilab.bidi.types.events import (
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTranscriptStreamEvent,
    ToolUse,
    ToolUseStreamEvent,
)
from bidilab.bidi.types.outputs import InterruptionReason, StopReason
from bidilab.core.errors import EventError

__all__ = [
    "audio_output",
    "completion_end",
    "completion_start",
    "content_end",
    "content_start",
    "cut",
    "text_output",
    "tool_use",
]

_KEPT_RESPONSES = 32
_KINDS = ("TEXT", "AUDIO", "TOOL")
_ROLES = ("USER", "ASSISTANT", "TOOL", "SYSTEM")
_STAGES = ("SPECULATIVE", "FINAL")


def completion_start(c: Conversation, event: NovaEvent) -> None:
    """The service begins to answer this connection's prompt; its id lasts to the connection's end."""
    c.completion_id, c.session_id = event.optional_text("completionId"), event.optional_text("sessionId")
    c.log("completion_start", "model", dict(event.body))


def _one_of(event: NovaEvent, key: str, allowed: tuple[str, ...]) -> str:
    value = event.text(key).strip().upper()
    if value not in allowed:
        raise EventError(f"{event.name}: {key} must be one of {', '.join(allowed)}, got {value}")
    return value


def content_start(c: Conversation, event: NovaEvent) -> None:
    """A block begins; with the agent's first one begins a response."""
    kind, role = _one_of(event, "type", _KINDS), _one_of(event, "role", _ROLES)
    block = Block(content_id=event.text("contentId"), kind=kind, role=role)
    if kind == "TEXT":
        stage = event.json_object("additionalModelFields").get("generationStage")
        if stage is not None and stage not in _STAGES:
            raise EventError(f"{event.name}: generationStage must be one of {', '.join(_STAGES)}, got {stage!r}")
        block.stage = stage
    elif kind == "AUDIO":
        _check_rate(c, event)
    if role != "USER":
        # What was spoken is told sentence by sentence, often when the response's audio is over long since.
        block.response = c.latest if block.stage == "FINAL" else _response(c, event)
    c.blocks[block.content_id] = block


def _check_rate(c: Conversation, event: NovaEvent) -> None:
    if event.body.get("audioOutputConfiguration") is not None:
        rate = event.inner("audioOutputConfiguration").count("sampleRateHertz", c.settings.output_rate)
        if rate != c.settings.output_rate:
            raise EventError(f"{event.name}: audio at {rate} Hz, asked for {c.settings.output_rate} Hz")


def _response(c: Conversation, event: NovaEvent) -> Response:
    if (response := c.generating) is not None:
        return response
    response = c.begin_response()
    c.events.append(BidiResponseStartEvent(response.response_id))
    detail = {"completion_id": c.completion_id, "content_id": event.body.get("contentId")}
    c.log("response_started", "model", detail, response_id=response.response_id, input_samples=c.uplink.sent_samples)
    return response


def _block(c: Conversation, event: NovaEvent) -> Block:
    content_id = event.text("contentId")
    if (block := c.blocks.get(content_id)) is None:
        raise EventError(f"{event.name}: no contentStart came for the block {content_id!r}")
    return block


def text_output(c: Conversation, event: NovaEvent) -> None:
    """Words: planned ones are told as they come, those that were said when their block is whole."""
    block, text = _block(c, event), event.text("content")
    if _is_interruption(text):
        _interrupted(c, block)
        return
    before, block.text = block.text, block.text + text
    response = block.response
    if block.stage == "FINAL" or block.role == "USER" or response is None:
        return
    response.words.text = f"{response.words.text} {text}".strip()
    if not response.cut:
        so_far = block.text if before else None
        c.events.append(
            BidiTranscriptStreamEvent(
                {"text": text},
                text,
                "assistant",
                False,
                so_far,
                response_id=response.response_id,
                item_id=block.content_id,
            )
        )


def _is_interruption(text: str) -> bool:
    """Whether it is the marker; its spacing is not published, so that the JSON is read."""
    if "interrupted" not in text or not text.strip().startswith("{"):
        return False
    try:
        return bool(json.loads(text) == {"interrupted": True})
    except json.JSONDecodeError:
        return False


def audio_output(c: Conversation, event: NovaEvent) -> None:
    """Audio of the agent; of a response that was cut it is counted and dropped."""
    block = _block(c, event)
    if block.kind != "AUDIO" or (response := block.response) is None:
        raise EventError(f"{event.name}: the block {block.content_id!r} is {block.role} {block.kind}")
    try:
        data = base64.b64decode(event.text("content"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise EventError(f"{event.name}: content is not base64 ({error})") from error
    # A sample may be split between two events: the odd byte waits for its other half.
    data = block.odd_byte + data
    whole = len(data) // 2 * 2
    block.odd_byte = data[whole:]
    if response.cut or not response.generating:
        response.late_samples += whole // 2
    elif whole:
        response.n_samples += whole // 2
        c.events.append(
            BidiAudioStreamEvent.from_pcm(
                data[:whole],
                sample_rate=c.settings.output_rate,
                response_id=response.response_id,
                item_id=block.content_id,
            )
        )


def tool_use(c: Conversation, event: NovaEvent) -> None:
    """The agent asks for a tool; of a response that was cut it is not handed on."""
    block = _block(c, event)
    call_id, name, arguments = event.text("toolUseId"), event.text("toolName"), event.text("content")
    if block.response is not None and block.response.cut:
        c.log("tool_use_dropped", "model", {"tool_use_id": call_id, "name": name})
        return
    try:
        value = json.loads(arguments) if arguments.strip() else {}
    except json.JSONDecodeError as error:
        # The model wrote it, not the peer: the tool that cannot read it answers with an error, and it tries again.
        c.log("tool_arguments_invalid", "error", {"error": str(error), "arguments": arguments})
        value = arguments
    use = ToolUse(toolUseId=call_id, name=name, input=value)
    c.open_calls[call_id] = c.prompt, use
    c.events.append(ToolUseStreamEvent({"toolUse": use}, use))


def content_end(c: Conversation, event: NovaEvent) -> None:
    """A block is whole; the stop reason says what that means for its response."""
    block = _block(c, event)
    del c.blocks[block.content_id]
    reason = event.optional_text("stopReason") or ""
    _finish_text(c, block)
    if reason == "INTERRUPTED":
        _interrupted(c, block)
    elif block.response is not None and block.response.generating:
        if block.kind == "AUDIO" and reason == "END_TURN":
            _complete(c, block.response, "complete")
        elif block.kind == "TOOL":
            _complete(c, block.response, "tool_use")


def _finish_text(c: Conversation, block: Block) -> None:
    """The words of a block that were really said: the user's, and the agent's when the stage is ``FINAL``."""
    if block.kind != "TEXT" or not block.text or not (block.role == "USER" or block.stage == "FINAL"):
        return
    is_user = block.role == "USER"
    response_id = None
    if is_user:
        c.history.add("user", block.text)
        c.expects_response = c.expects_response or c.generating is None
    elif block.response is not None:
        block.response.words.spoken = f"{block.response.words.spoken} {block.text}".strip()
        response_id = block.response.response_id
    c.events.append(
        BidiTranscriptStreamEvent(
            {"text": block.text},
            block.text,
            "user" if is_user else "assistant",
            True,
            block.text,
            response_id=response_id,
            item_id=block.content_id,
        )
    )


def _interrupted(c: Conversation, block: Block) -> None:
    """The user speaks over the agent, says the service: cut what is generating or audible.

    The service generates faster than it is played, and is often done long before; what is only audible is cut too. It
    is told of nothing: Nova Sonic has no message for how much was heard.
    """
    if block.interruption_told:
        return  # the marker, and then the end of the block that held it
    block.interruption_told = True
    active = c.active_responses()
    detail = {"content_id": block.content_id, "responses": [r.response_id for r in active]}
    c.log("interruption_reported", "model", detail, input_samples=c.uplink.sent_samples)
    cut(c, "user_speech", "interrupted", active)


def cut(c: Conversation, reason: InterruptionReason, stop_reason: StopReason, chosen: list[Response]) -> None:
    """Interrupt responses: from here on nothing of them is handed on."""
    for response in chosen:
        response.cut = True
        c.events.append(BidiInterruptionEvent(reason, interrupted_response_id=response.response_id))
        c.events.append(BidiResponseCompleteEvent(response.response_id, stop_reason))
        _done(c, response, stop_reason)


def _complete(c: Conversation, response: Response, stop_reason: StopReason) -> None:
    c.events.append(BidiResponseCompleteEvent(response.response_id, stop_reason))
    _done(c, response, stop_reason)


def _done(c: Conversation, response: Response, stop_reason: StopReason) -> None:
    if response.generating:
        response.generating = False
        detail = {"generated_samples": response.n_samples, "sample_rate": c.settings.output_rate}
        c.log("response_done", "model", detail, response_id=response.response_id, stop_reason=stop_reason)
    over = [key for key, r in c.responses.items() if not r.generating and key not in c.audible]
    for key in over[:-_KEPT_RESPONSES]:
        del c.responses[key]


def completion_end(c: Conversation, event: NovaEvent) -> None:
    """The prompt is over; the service closes the connection next."""
    if (response := c.generating) is not None:
        if event.optional_text("stopReason") == "INTERRUPTED":
            cut(c, "user_speech", "interrupted", [response])
        else:
            _complete(c, response, "complete")
    c.log("completion_end", "model", dict(event.body))
