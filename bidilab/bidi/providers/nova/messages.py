"""Events that a client of Nova Sonic sends, built. Nothing is remembered here.

Source: Amazon Nova 2 user guide, "Handling input events with the bidirectional API" (read 2026-11).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bidilab.bidi.providers.config import input_schema
from bidilab.bidi.types.events import ToolResult
from bidilab.core.errors import InvalidParameterError

__all__ = [
    "Told",
    "audio_input",
    "audio_start",
    "content_end",
    "pieces",
    "prompt_end",
    "prompt_start",
    "session_end",
    "session_start",
    "text_block",
    "tool_result_block",
    "tool_result_value",
    "tool_spec",
    "within_limits",
]

# Nova 2 user guide, "Managing chat history" (read 2026-11): the history is told once, after the system prompt and
# before any audio; at most 40 KB in all and 1 KB in one ``textInput``; roles in turn. "Handling errors with Amazon Nova
# Sonic": the first message is the user's. KB is taken for 1000 bytes, the smaller of its two senses.
MAX_TEXT_BYTES = 1000
MAX_HISTORY_BYTES = 40_000

_AUDIO_SAMPLES = 1024
_TEXT_CONFIGURATION = {"mediaType": "text/plain"}


def _event(name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return {"event": {name: dict(body)}}


def session_start(inference: Mapping[str, Any], turn_detection: Mapping[str, Any] | None) -> dict[str, Any]:
    """``sessionStart``: the first event of a connection.

    Parameters
    ----------
    inference
        ``maxTokens``, ``topP`` and ``temperature``, those that are set.
    turn_detection
        ``turnDetectionConfiguration``; ``None`` leaves it to the service, and to v1, which has none.
    """
    body: dict[str, Any] = {"inferenceConfiguration": dict(inference)}
    if turn_detection is not None:
        body["turnDetectionConfiguration"] = dict(turn_detection)
    return _event("sessionStart", body)


def _pcm(sample_rate: int) -> dict[str, Any]:
    return {
        "mediaType": "audio/lpcm",
        "sampleRateHertz": sample_rate,
        "sampleSizeBits": 16,
        "channelCount": 1,
        "audioType": "SPEECH",
        "encoding": "base64",
    }


def prompt_start(
    prompt: str, *, output_rate: int, voice: str, tools: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """``promptStart``: how the service is to answer, and with which tools.

    Parameters
    ----------
    prompt
        The prompt's name, which every event after it bears.
    output_rate
        Hertz of the agent's audio.
    voice
        ``voiceId``.
    tools
        Tool specifications, see `tool_spec`.
    """
    body: dict[str, Any] = {
        "promptName": prompt,
        "textOutputConfiguration": dict(_TEXT_CONFIGURATION),
        "audioOutputConfiguration": {**_pcm(output_rate), "voiceId": voice},
    }
    if tools:
        body["toolUseOutputConfiguration"] = {"mediaType": "application/json"}
        body["toolConfiguration"] = {"tools": [tool_spec(tool) for tool in tools]}
    return _event("promptStart", body)


def tool_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A tool specification as Nova Sonic takes it: the JSON schema (see `input_schema`) written into a string."""
    schema = json.dumps(input_schema(spec))
    described = {"name": spec["name"], "description": spec.get("description", "")}
    return {"toolSpec": {**described, "inputSchema": {"json": schema}}}


def text_block(prompt: str, content: str, role: str, pieces: Sequence[str], *, interactive: bool) -> list[Any]:
    """A block of text: ``contentStart``, a ``textInput`` for each piece, ``contentEnd``.

    Parameters
    ----------
    prompt, content
        Names of the prompt and of the block.
    role
        ``SYSTEM``, ``USER`` or ``ASSISTANT``.
    pieces
        The text, in parts.
    interactive
        Whether it is said now, and to be answered. System prompt and history are not: sent as interactive, history
        makes the service say again what it has said (strands-agents, pull request 2188).
    """
    start = {
        "promptName": prompt,
        "contentName": content,
        "type": "TEXT",
        "interactive": interactive,
        "role": role,
        "textInputConfiguration": dict(_TEXT_CONFIGURATION),
    }
    inputs = [_event("textInput", {"promptName": prompt, "contentName": content, "content": piece}) for piece in pieces]
    return [_event("contentStart", start), *inputs, content_end(prompt, content)]


def audio_start(prompt: str, content: str, *, input_rate: int) -> dict[str, Any]:
    """``contentStart`` of the user's audio: one block for the whole connection."""
    body = {
        "promptName": prompt,
        "contentName": content,
        "type": "AUDIO",
        "interactive": True,
        "role": "USER",
        "audioInputConfiguration": _pcm(input_rate),
    }
    return _event("contentStart", body)


def audio_input(prompt: str, content: str, pcm: bytes) -> Iterator[dict[str, Any]]:
    """``audioInput`` of mono PCM16 bytes, in as many events as it needs: the guide speaks of some 32 ms in each."""
    step = 2 * _AUDIO_SAMPLES
    for start in range(0, len(pcm), step):
        audio = base64.b64encode(pcm[start : start + step]).decode("ascii")
        yield _event("audioInput", {"promptName": prompt, "contentName": content, "content": audio})


def tool_result_block(prompt: str, content: str, tool_use_id: str, value: Mapping[str, Any]) -> list[Any]:
    """A tool's result: ``contentStart``, ``toolResult``, ``contentEnd``."""
    start = {
        "promptName": prompt,
        "contentName": content,
        "interactive": False,
        "type": "TOOL",
        "role": "TOOL",
        "toolResultInputConfiguration": {
            "toolUseId": tool_use_id,
            "type": "TEXT",
            "textInputConfiguration": dict(_TEXT_CONFIGURATION),
        },
    }
    result = {"promptName": prompt, "contentName": content, "content": json.dumps(value)}
    return [_event("contentStart", start), _event("toolResult", result), content_end(prompt, content)]


def tool_result_value(result: ToolResult) -> dict[str, Any]:
    """The JSON object that tells a result: the one block it has, or all of them; of a failure, under ``error``.

    Raises
    ------
    InvalidParameterError
        If a block is neither text nor JSON: Nova Sonic takes nothing else.
    """
    blocks = list(result["content"])
    for block in blocks:
        if "text" not in block and "json" not in block:
            raise InvalidParameterError("tool_result.content", "blocks of text or JSON", sorted(block))
    value: dict[str, Any] = dict(blocks[0]) if len(blocks) == 1 else {"content": blocks}
    return {"error": value} if result["status"] == "error" else value


def content_end(prompt: str, content: str) -> dict[str, Any]:
    """``contentEnd``: a block is whole."""
    return _event("contentEnd", {"promptName": prompt, "contentName": content})


def prompt_end(prompt: str) -> dict[str, Any]:
    """``promptEnd``: nothing more will be asked under this name."""
    return _event("promptEnd", {"promptName": prompt})


def session_end() -> dict[str, Any]:
    """``sessionEnd``: the last event of a connection."""
    return _event("sessionEnd", {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A history as it is told.

    Parameters
    ----------
    messages
        Role (``USER``, ``ASSISTANT``) and text, in turn, the user's first.
    dropped_bytes
        UTF-8 bytes of older words that did not fit, or that stood before the user's first.
    """

    messages: tuple[tuple[str, str], ...]
    dropped_bytes: int


def within_limits(said: Iterable[tuple[str, str]]) -> Told:
    """The newest of what was said (``"user"`` or ``"assistant"``, and the words) that fits, the roles in turn."""
    joined: list[tuple[str, str]] = []
    for speaker, text in said:
        role = speaker.upper()
        if joined and joined[-1][0] == role:
            joined[-1] = (role, f"{joined[-1][1]}\n{text}")
        else:
            joined.append((role, text))
    total = sum(len(text.encode()) for _, text in joined)
    kept: list[tuple[str, str]] = []
    room = MAX_HISTORY_BYTES
    for role, text in reversed(joined):
        if not (fits := _tail(text, room)):
            break
        kept.append((role, fits))
        room -= len(fits.encode())
        if fits != text:
            break
    kept.reverse()
    while kept and kept[0][0] != "USER":
        kept.pop(0)
    return Told(messages=tuple(kept), dropped_bytes=total - sum(len(text.encode()) for _, text in kept))


def _tail(text: str, room: int) -> str:
    """The last of a text that fits into so many bytes, from the beginning of a word on."""
    data = text.encode()
    if len(data) <= room:
        return text
    end = data[len(data) - room :].decode(errors="ignore") if room > 0 else ""
    whole_word = not end or end[0].isspace() or text[len(text) - len(end) - 1].isspace()
    return end.strip() if whole_word else end.partition(" ")[2].strip()


def pieces(text: str, limit: int = MAX_TEXT_BYTES) -> Iterator[str]:
    """The text in parts of at most ``limit`` UTF-8 bytes, broken behind a space if there is one; joined, the same text.

    Examples
    --------
    >>> list(pieces("one two three", 8))
    ['one two ', 'three']
    """
    while text:
        part = text.encode()[:limit].decode(errors="ignore")
        if len(part) < len(text) and (space := part.rfind(" ")) > 0:
            part = part[: space + 1]
        yield part
        text = text[len(part) :]
