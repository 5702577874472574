"""Messages of an OpenAI Realtime client, built. Nothing is remembered here.

Source: ``openai/types/realtime/*_event_param.py`` of the ``openai`` package 3.54 (2026).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bidilab.bidi.providers.history import arguments_json, block_text, call_in_words, result_text
from bidilab.bidi.types.events import ToolResult

__all__ = [
    "append_audio",
    "cancel_response",
    "clear_input",
    "commit_input",
    "create_item",
    "create_response",
    "function_call",
    "history_items",
    "image_message",
    "text_message",
    "tool_output",
    "truncate_item",
    "update_session",
]

_APPEND_BYTES = 256 * 1024  # of PCM; a message of 15 MiB would be allowed, but would hold up a cancel behind it


def append_audio(pcm: bytes) -> Iterator[dict[str, Any]]:
    """``input_audio_buffer.append`` of 24 kHz mono PCM16 bytes, in as many messages as it needs."""
    for start in range(0, len(pcm), _APPEND_BYTES):
        audio = base64.b64encode(pcm[start : start + _APPEND_BYTES]).decode("ascii")
        yield {"type": "input_audio_buffer.append", "audio": audio}


def commit_input() -> dict[str, Any]:
    """End the user's turn by hand."""
    return {"type": "input_audio_buffer.commit"}


def clear_input() -> dict[str, Any]:
    """Throw away what was appended and not committed."""
    return {"type": "input_audio_buffer.clear"}


def create_response() -> dict[str, Any]:
    """Ask for a response to the conversation as it is."""
    return {"type": "response.create"}


def cancel_response(response_id: str) -> dict[str, Any]:
    """Stop the generation of a response."""
    return {"type": "response.cancel", "response_id": response_id}


def truncate_item(item_id: str, content_index: int, audio_end_ms: int) -> dict[str, Any]:
    """Report that no more than ``audio_end_ms`` of an item was heard."""
    return {
        "type": "conversation.item.truncate",
        "item_id": item_id,
        "content_index": content_index,
        "audio_end_ms": audio_end_ms,
    }


def update_session(session: Mapping[str, Any]) -> dict[str, Any]:
    """Change what is in ``session``; the server leaves the rest as it is."""
    return {"type": "session.update", "session": dict(session)}


def create_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Add an item at the end of the conversation."""
    return {"type": "conversation.item.create", "item": dict(item)}


def text_message(item_id: str, role: str, text: str) -> dict[str, Any]:
    """Item: words of ``"user"`` or ``"assistant"``."""
    content = {"type": "output_text" if role == "assistant" else "input_text", "text": text}
    return {"id": item_id, "type": "message", "role": role, "content": [content]}


def image_message(item_id: str, data: bytes, mime_type: str) -> dict[str, Any]:
    """Item: an image of the user."""
    url = f"data:{mime_type};base64,{base64.b64encode(data).decode('ascii')}"
    return {"id": item_id, "type": "message", "role": "user", "content": [{"type": "input_image", "image_url": url}]}


def function_call(item_id: str, call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """Item: a call that the model made, told again to a new connection."""
    return {"id": item_id, "type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def tool_output(item_id: str, result: ToolResult) -> dict[str, Any]:
    """Item: what a tool answered. Text blocks are joined; a failure is an object with the key ``error``."""
    text = result_text(result)
    output = text if result["status"] == "success" else json.dumps({"error": text}, ensure_ascii=False)
    return {"id": item_id, "type": "function_call_output", "call_id": result["toolUseId"], "output": output}


def history_items(messages: Sequence[Mapping[str, Any]], new_id: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Items of a conversation in Strands' form: ``{"role": …, "content": [{"text": …}, {"toolUse": …}, …]}``.

    Blocks that a Realtime conversation cannot hold as text or as a tool call become their JSON. A result whose call is
    not among the messages before it would be refused: it is told in words.
    """
    called = set()
    for message in messages:
        for block in message["content"]:
            if (use := block.get("toolUse")) is not None:
                called.add(use["toolUseId"])
                yield function_call(next(new_id), use["toolUseId"], use["name"], arguments_json(use))
            elif (result := block.get("toolResult")) is None:
                yield text_message(next(new_id), message["role"], block_text(block))
            elif result["toolUseId"] in called:
                yield tool_output(next(new_id), result)
            else:
                yield text_message(next(new_id), "user", call_in_words(None, result))
