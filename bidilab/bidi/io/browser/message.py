"""One message between a page and a session: a JSON head and a payload of bytes.

On the socket: the head's length (four bytes, little-endian), the head in UTF-8, the payload. Over Jupyter's comm the
head is the message's content and the payload its one binary buffer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bidilab.core.errors import EventError

__all__ = ["decode_message", "encode_message"]

_LENGTH_BYTES = 4


def encode_message(head: Mapping[str, Any], payload: bytes = b"") -> bytes:
    """A message as the socket carries it.

    Examples
    --------
    >>> decode_message(encode_message({"kind": "clear"}, b"abc"))
    ({'kind': 'clear'}, b'abc')
    """
    encoded = json.dumps(head, separators=(",", ":"), allow_nan=False).encode()
    return len(encoded).to_bytes(_LENGTH_BYTES, "little") + encoded + payload


def decode_message(data: bytes | str) -> tuple[dict[str, Any], bytes]:
    """Head and payload of a message.

    Raises
    ------
    EventError
        If it is not one.
    """
    if isinstance(data, str) or len(data) < _LENGTH_BYTES:
        raise EventError(f"a message of the page is binary with a head, got {type(data).__name__} of {len(data)}")
    end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
    try:
        head = json.loads(data[_LENGTH_BYTES:end])
    except ValueError as error:
        raise EventError("the head of a page's message is not JSON") from error
    if end > len(data) or not isinstance(head, dict) or not isinstance(head.get("kind"), str):
        raise EventError("the head of a page's message is an object with a kind")
    return head, data[end:]
