"""Messages of a Live API client, built. Nothing is remembered here.

Source: Live API WebSocket reference, "Messages" (2026); ``google.genai.live.AsyncSession`` of google-genai 3.4.
Audio and images are left as bytes: whoever sends them encodes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bidilab.bidi.providers.history import block_text
from bidilab.bidi.types.events import ToolResult

__all__ = [
    "activity_end",
    "activity_start",
    "audio_chunk",
    "audio_stream_end",
    "client_content",
    "content",
    "image_frame",
    "text_input",
    "tool_response",
]


def audio_chunk(pcm: bytes, sample_rate: int) -> dict[str, Any]:
    """Audio of the user: mono PCM16 bytes at ``sample_rate`` hertz."""
    return {"realtimeInput": {"audio": {"data": pcm, "mimeType": f"audio/pcm;rate={sample_rate}"}}}


def audio_stream_end() -> dict[str, Any]:
    """No more audio for now: what the server holds back is to be taken."""
    return {"realtimeInput": {"audioStreamEnd": True}}


def activity_start() -> dict[str, Any]:
    """The user begins, by hand."""
    return {"realtimeInput": {"activityStart": {}}}


def activity_end() -> dict[str, Any]:
    """The user is done, by hand."""
    return {"realtimeInput": {"activityEnd": {}}}


def text_input(text: str) -> dict[str, Any]:
    """Words of the user, to be answered."""
    return {"realtimeInput": {"text": text}}


def image_frame(data: bytes, mime_type: str) -> dict[str, Any]:
    """An image of the user."""
    return {"realtimeInput": {"video": {"data": data, "mimeType": mime_type}}}


def content(role: str, text: str) -> dict[str, Any]:
    """Words of ``"user"`` or ``"assistant"``; the API calls the second ``model``."""
    return {"role": "model" if role == "assistant" else "user", "parts": [{"text": text}]}


def client_content(turns: Sequence[Mapping[str, Any]], *, complete: bool) -> dict[str, Any]:
    """A conversation, or a piece of one; ``complete`` ends it."""
    return {"clientContent": {"turns": [dict(turn) for turn in turns], "turnComplete": complete}}


def tool_response(call_id: str, name: str, result: ToolResult) -> dict[str, Any]:
    """Answer of a tool: under ``output`` as the API asks, a failure under ``error``."""
    blocks = [block["json"] if "json" in block else block_text(block) for block in result["content"]]
    answer = blocks[0] if len(blocks) == 1 else blocks
    response = {"output" if result["status"] == "success" else "error": answer}
    return {"toolResponse": {"functionResponses": [{"id": call_id, "name": name, "response": response}]}}
