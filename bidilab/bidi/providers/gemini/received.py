"""Reading the fields of a server's message: of the type they must have, or an `EventError` that names them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bidilab.core.errors import EventError

__all__ = ["Message", "audio_offset_s", "inline_audio", "object_field", "objects_field", "optional_text", "text_field"]

Message = Mapping[str, Any]

_RATE = re.compile(r";\s*rate=(\d+)")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")


def _wrong(message: Message, key: str, expected: str) -> EventError:
    return EventError(f"{key} must be {expected}, got {type(message.get(key)).__name__}")


def object_field(message: Message, key: str) -> Message:
    """An object; `EventError` when it is something else, empty when it is missing or null."""
    value = message.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _wrong(message, key, "an object")
    return value


def objects_field(message: Message, key: str) -> Iterator[Message]:
    """The objects of a list; `EventError` when it is something else, none when it is missing or null."""
    value = message.get(key)
    if value is not None and (not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value)):
        raise _wrong(message, key, "a list of objects")
    yield from value or ()


def text_field(message: Message, key: str) -> str:
    """A string; `EventError` when it is missing or something else."""
    if not isinstance(value := message.get(key), str):
        raise _wrong(message, key, "a string")
    return value


def optional_text(message: Message, key: str) -> str | None:
    """A string, or ``None`` when it is missing or null; `EventError` for anything else."""
    return None if message.get(key) is None else text_field(message, key)


def inline_audio(part: Message, sample_rate: int) -> bytes:
    """PCM bytes of a part's ``inlineData``; none when it has no audio.

    Parameters
    ----------
    part
        ``inlineData.data`` is base64, or the bytes themselves, as the SDK has decoded them.
    sample_rate
        What ``mimeType`` must say, where it names a rate.

    Raises
    ------
    EventError
        If the data cannot be read, or is audio of another rate or format.
    """
    blob = object_field(part, "inlineData")
    if not blob:
        return b""
    mime = text_field(blob, "mimeType")
    named = _RATE.search(mime)
    if not mime.startswith("audio/pcm") or (named and int(named.group(1)) != sample_rate):
        raise EventError(f"inlineData.mimeType must be audio/pcm;rate={sample_rate}, got {mime}")
    data = blob.get("data")
    if isinstance(data, bytes):
        return data
    try:
        return base64.b64decode(text_field(blob, "data"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise EventError(f"inlineData.data is not base64 ({error})") from error


def audio_offset_s(message: Message, key: str) -> float | None:
    """Seconds of a protobuf duration such as ``"1.5s"``; ``None`` when it is missing, `EventError` for another form."""
    text = optional_text(message, key)
    if text is None:
        return None
    if (found := _DURATION.fullmatch(text)) is None:
        raise EventError(f"{key} must be a duration such as '1.5s', got {text!r}")
    return float(found.group(1))
