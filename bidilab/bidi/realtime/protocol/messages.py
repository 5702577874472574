"""What a client may send to the OpenAI Realtime API (GA): parsing and checking of its messages.

Fields and bounds: ``openai/types/realtime/*_event.py`` of the ``openai`` package 3.54 (2026). `parse_client_message`
gives a dict of known fields with values of the right types, or raises `RequestError`. What depends on the session
(items that must exist, a response that must be active) is checked where that is known.
"""

from __future__ import annotations

import json
from typing import Any

from bidilab.bidi.realtime.protocol.audio import AUDIO_FORMATS, MAX_APPEND_BYTES
from bidilab.bidi.realtime.protocol.errors import RequestError
from bidilab.bidi.realtime.protocol.schema import (
    Check,
    any_object,
    array,
    boolean,
    choice,
    integer,
    nullable,
    number,
    one_of,
    record,
    string,
    tagged,
)
from bidilab.core.jsontext import parse_json as core_parse_json

__all__ = [
    "AUDIO_FORMAT",
    "CLIENT_MESSAGE_TYPES",
    "FUNCTION_TOOLS",
    "MAX_OUTPUT_TOKENS",
    "MAX_TEXT_CHARACTERS",
    "MODALITIES",
    "NOISE_REDUCTION",
    "TOOL_CHOICE",
    "TRANSCRIPTION",
    "VOICE",
    "client_event_id",
    "parse_client_message",
    "parse_json",
]

MAX_EVENT_ID = 512
MAX_ITEM_ID = 32
MAX_TEXT_CHARACTERS = 256 * 1024
_MAX_MESSAGE_CHARACTERS = 4 * -(-MAX_APPEND_BYTES // 3) + 64 * 1024

# A type may be written with its alternatives only where the session knows more; these are shared by session.update
# and response.create.
AUDIO_FORMAT: Check = tagged(
    "type",
    {
        name: record({"type": string(), "rate": integer(24000, 24000)} if name == "audio/pcm" else {"type": string()})
        for name in AUDIO_FORMATS
    },
)
VOICE: Check = one_of(
    (str, string(64, min_length=1)), (dict, record({"id": string(128, min_length=1)}, required=["id"]))
)
MODALITIES: Check = array(choice("text", "audio"), min_length=1, max_length=2)
MAX_OUTPUT_TOKENS: Check = one_of((int, integer(1, 4096)), (str, choice("inf")))
TOOL_CHOICE: Check = one_of(
    (str, choice("none", "auto", "required")),
    (dict, tagged("type", {"function": record({"type": string(), "name": string(64)}, required=["name"])})),
)
# A remote MCP server is not called from here, so a tool of type "mcp" is refused rather than never used.
FUNCTION_TOOLS: Check = array(
    tagged(
        "type",
        {
            "function": record(
                {
                    "type": string(),
                    "name": string(64, min_length=1),
                    "description": nullable(string(MAX_TEXT_CHARACTERS)),
                    "parameters": nullable(any_object),
                },
                required=["name"],
            )
        },
    ),
    max_length=128,
)


def _metadata(value: Any, path: str) -> Any:
    any_object(value, path)
    if len(value) > 16:
        raise RequestError("object_above_max_properties", f"Invalid '{path}': at most 16 keys are allowed.", path)
    for key in value:
        string(64)(key, path)
    return {key: string(512)(item, f"{path}.{key}") for key, item in value.items()}


_TEXT = string(MAX_TEXT_CHARACTERS)
_ITEM_ID = string(MAX_ITEM_ID, min_length=1)
_STATUS = nullable(choice("completed", "incomplete", "in_progress"))
_ITEM_FIELDS: dict[str, Check] = {
    "type": string(),
    "id": nullable(_ITEM_ID),
    "object": nullable(choice("realtime.item")),
    "status": _STATUS,
}
_INPUT_TEXT = record({"type": string(), "text": _TEXT}, required=["text"])
_INPUT_AUDIO = record(
    {"type": string(), "audio": string(), "transcript": nullable(_TEXT)},
    required=["audio"],
)
_INPUT_IMAGE = record(
    {"type": string(), "image_url": string(), "detail": nullable(choice("auto", "low", "high"))},
    required=["image_url"],
)
_CONTENT_BY_ROLE = {
    "system": tagged("type", {"input_text": _INPUT_TEXT}),
    "user": tagged("type", {"input_text": _INPUT_TEXT, "input_audio": _INPUT_AUDIO, "input_image": _INPUT_IMAGE}),
    # "the current limitation that it cannot populate assistant audio messages" (conversation_item_create_event.py)
    "assistant": tagged("type", {"output_text": _INPUT_TEXT}),
}
_MESSAGE = tagged(
    "role",
    {
        role: record(
            {**_ITEM_FIELDS, "role": string(), "content": array(content, min_length=1, max_length=64)},
            required=["content"],
        )
        for role, content in _CONTENT_BY_ROLE.items()
    },
)
_CALL_ID = string(MAX_ITEM_ID, min_length=1)
_ITEM_VARIANTS: dict[str, Check] = {
    "message": _MESSAGE,
    "function_call": record(
        {**_ITEM_FIELDS, "name": string(64, min_length=1), "call_id": nullable(_CALL_ID), "arguments": _TEXT},
        required=["name", "arguments"],
    ),
    "function_call_output": record(
        {**_ITEM_FIELDS, "call_id": _CALL_ID, "output": _TEXT}, required=["call_id", "output"]
    ),
}
_ITEM = tagged("type", _ITEM_VARIANTS)
_INPUT_ITEM = tagged(
    "type", {**_ITEM_VARIANTS, "item_reference": record({"type": string(), "id": _ITEM_ID}, required=["id"])}
)
_RESPONSE = record(
    {
        "conversation": nullable(choice("auto", "none")),
        "instructions": nullable(_TEXT),
        "metadata": nullable(_metadata),
        "input": nullable(array(_INPUT_ITEM, max_length=256)),
        "output_modalities": nullable(MODALITIES),
        "max_output_tokens": nullable(MAX_OUTPUT_TOKENS),
        "tools": nullable(FUNCTION_TOOLS),
        "tool_choice": nullable(TOOL_CHOICE),
        "parallel_tool_calls": nullable(boolean),
        "audio": nullable(
            record({"output": record({"format": AUDIO_FORMAT, "voice": VOICE})}),
        ),
    }
)


def _message(required: tuple[str, ...] = (), **fields: Check) -> Check:
    envelope = {"type": string(), "event_id": nullable(string(MAX_EVENT_ID))}
    return record({**envelope, **fields}, required=required)


_CLIENT_MESSAGES: dict[str, Check] = {
    # The session is checked after merging: only the whole says whether a part fits.
    "session.update": _message(("session",), session=any_object),
    "input_audio_buffer.append": _message(("audio",), audio=string()),
    "input_audio_buffer.commit": _message(),
    "input_audio_buffer.clear": _message(),
    "conversation.item.create": _message(("item",), item=_ITEM, previous_item_id=nullable(string(MAX_ITEM_ID))),
    "conversation.item.retrieve": _message(("item_id",), item_id=string(MAX_ITEM_ID)),
    "conversation.item.delete": _message(("item_id",), item_id=string(MAX_ITEM_ID)),
    "conversation.item.truncate": _message(
        ("item_id", "content_index", "audio_end_ms"),
        item_id=string(MAX_ITEM_ID),
        content_index=integer(0, 2**31),
        audio_end_ms=integer(0, 2**31),
    ),
    "response.create": _message(response=nullable(_RESPONSE)),
    "response.cancel": _message(response_id=nullable(string(MAX_ITEM_ID * 2))),
}
CLIENT_MESSAGE_TYPES: tuple[str, ...] = tuple(_CLIENT_MESSAGES)
"""Types of client messages over a WebSocket. ``output_audio_buffer.clear`` exists on WebRTC and SIP only."""


def client_event_id(message: Any) -> str | None:
    """The ``event_id`` to echo in an error about a message, if it has a usable one."""
    event_id = message.get("event_id") if isinstance(message, dict) else None
    return event_id if isinstance(event_id, str) and len(event_id) <= MAX_EVENT_ID else None


def parse_json(data: str | bytes) -> Any:
    """The JSON value of one WebSocket message.

    Raises
    ------
    RequestError
        ``invalid_json`` if it is binary, not JSON (RFC 8259: no NaN, no lone surrogates), nested too deeply or
        larger than any message may be.
    """
    if not isinstance(data, str):
        raise RequestError("invalid_json", "Expected a text message with JSON, but got a binary message.")
    if len(data) > _MAX_MESSAGE_CHARACTERS:
        raise RequestError("invalid_value", "The message is larger than an append of 15 MiB of audio.")
    try:
        value = core_parse_json(data, unique_keys=False)
        if "\\u" in data:
            json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate cannot be sent back to anyone
    except ValueError as error:
        raise RequestError("invalid_json", f"Could not parse the message as JSON: {str(error)[:80]}.") from error
    return value


def parse_client_message(message: Any) -> dict[str, Any]:
    """The checked message.

    Parameters
    ----------
    message
        The JSON value, from `parse_json`.

    Returns
    -------
    dict
        Its fields, all known and of the right types; ``session`` is as it came.

    Raises
    ------
    RequestError
        If it is not a message that a client may send.
    """
    checked: dict[str, Any] = _PARSE(message, "")
    return checked


_PARSE = tagged("type", _CLIENT_MESSAGES)

TRANSCRIPTION: Check = record(
    {
        "model": string(128),
        "language": nullable(string(64)),
        "prompt": nullable(_TEXT),
        "languages": nullable(array(string(64), max_length=64)),
        "keywords": nullable(array(string(512), max_length=512)),
        "delay": nullable(choice("minimal", "low", "medium", "high", "xhigh")),
    }
)
NOISE_REDUCTION: Check = record({"type": choice("near_field", "far_field"), "strength": nullable(number(0, 1))})
