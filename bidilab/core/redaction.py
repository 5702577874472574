"""What may stand in a log or an error: plain JSON, no secrets, and of audio only how long it is.

Only what is logged or raised goes through here. What a service sends reaches the application as it came.

What is promised of a secret that `conceal` was given: it stands in no row of a log and in no error, wherever the text
came from and however it is written there (escaped, in an address, in base64, cut off by the end of a close reason),
when it has at least `SHORTEST_SECRET` characters. A shorter one, a placeholder such as ``"any"``, is a part of
ordinary words, and nobody can tell it from them. It is struck out where it stands by itself in what tells of a
failure: an error, an error event, a row with source ``error``. The words of a conversation keep it.
"""

from __future__ import annotations

import base64
import json
import logging
import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import PurePath
from typing import Any
from urllib.parse import quote, quote_plus

import numpy as np

__all__ = [
    "REDACTED",
    "SHORTEST_SECRET",
    "conceal",
    "is_secret_name",
    "loggable",
    "logger_without_headers",
    "redact_text",
    "redact_values",
]

REDACTED = "[redacted]"
SHORTEST_SECRET = 8
"""Characters of the shortest secret that is struck out wherever it stands."""

_SECRET_KEY = re.compile(r"api[-_]?key|authorization|token|secret|password|credential|cookie", re.IGNORECASE)
# "token" also names what a model counts: input_tokens, totalTokens, input_token_details, max_output_tokens.
_COUNT_KEY = re.compile(r"(tokens|tokens?[-_]?details)$", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"""\b(?:sk|rk|pk|ek)[-_][A-Za-z0-9_-]{8,}       # OpenAI and its like
    |\bA[KS]IA[0-9A-Z]{12,}                          # AWS
    |\bAIza[A-Za-z0-9_-]{20,}                        # Google
    |(?<=[Bb]earer\ )[A-Za-z0-9._~+/=-]{16,}         # RFC 6750, section 2.1
    |(?<=api_key=)[^\s&,)]+|(?<=api-key=)[^\s&,)]+|(?<=[?&]key=)[^\s&,)]+
    """,
    re.VERBOSE,
)
_MEDIA_KEYS = frozenset({"audio", "image", "pcm"})
_LONG_REPR = 200
_CUT_MARKS = 8

_concealed: tuple[str, ...] = ()


def conceal(*secrets: str) -> None:
    """Strike secrets out of all that this process logs or raises from now on.

    Secrets of fewer than `SHORTEST_SECRET` characters are not taken; give them to `redact_text` where a text tells of
    a failure.
    """
    global _concealed  # one list for the process: no log must need to know who has which key
    shapes = (shape for secret in secrets for shape in _shapes(secret))
    known = {*_concealed, *(shape for shape in shapes if len(shape) >= SHORTEST_SECRET)}
    _concealed = tuple(sorted(known, key=len, reverse=True))  # one that holds another goes first


@lru_cache(maxsize=64)
def _shapes(secret: str) -> tuple[str, ...]:
    """A secret as others write it: as it is, without white space around it, escaped, in an address, in base64."""
    core = secret.strip()
    raw = secret.encode("utf-8", "backslashreplace")
    shapes = {secret, core, repr(secret)[1:-1], ascii(secret)[1:-1], repr(raw)[2:-1]}
    shapes |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    shapes |= {quote(part, safe=safe) for part in (raw, core.encode("utf-8", "backslashreplace")) for safe in ("", "/")}
    shapes |= {quote_plus(raw)}
    if len(secret) >= SHORTEST_SECRET:
        shapes |= {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
        shapes |= {shape.rstrip("=") for shape in shapes}
    return tuple(sorted(filter(None, shapes), key=len, reverse=True))


def logger_without_headers(name: str) -> logging.Logger:
    """A logger for a connection of the ``websockets`` package, which at the level DEBUG logs headers and messages.

    They hold keys, tokens and tickets, and parts of them: this one takes nothing below INFO, whatever the application
    has set.
    """
    logger = logging.getLogger(f"bidilab.{name}.websocket")
    logger.setLevel(logging.INFO)
    return logger


def is_secret_name(name: str) -> bool:
    """Whether what stands under that name is a secret: ``"api_key"``, ``"Authorization"``."""
    return _SECRET_KEY.search(name) is not None


def redact_text(text: str, secrets: Iterable[str] = ()) -> str:
    """Strike out what looks like a key (``sk-…``, ``AKIA…``, a bearer token, ``api_key=…``) and what is concealed.

    Half a surrogate pair, which no file can hold, becomes its escape.

    Parameters
    ----------
    text
        To be logged or raised.
    secrets
        Further ones, struck out wherever they stand; one of fewer than `SHORTEST_SECRET` characters only where it is
        no part of a word.

    Examples
    --------
    >>> redact_text("401 for sk-abcdefgh12345678")
    '401 for [redacted]'
    >>> redact_text("the company has no key 'any'", ["any"])
    "the company has no key '[redacted]'"
    """
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    for secret in _concealed:
        if secret in text:
            text = text.replace(secret, REDACTED)
        text = _without_beginning(text, secret)
    for given in secrets:
        for secret in _shapes(given) if given else ():
            if len(secret) >= SHORTEST_SECRET:
                text = _without_beginning(text.replace(secret, REDACTED), secret)
            elif secret in text:
                text = re.sub(rf"(?<![\w-]){re.escape(secret)}(?![\w-])", lambda _: REDACTED, text)
    return _SECRET_TEXT.sub(REDACTED, text)


def _without_beginning(text: str, secret: str) -> str:
    """The text without the beginning of a secret that its end has cut off, as that of a close reason of 123 bytes."""
    if secret[:SHORTEST_SECRET] not in text[-len(secret) - _CUT_MARKS :]:
        return text
    kept = text.rstrip(".…'\"")
    for n in range(len(secret) - 1, SHORTEST_SECRET - 1, -1):
        if kept.endswith(secret[:n]):
            return kept[:-n] + REDACTED + text[len(kept) :]
    return text


def redact_values(value: Any, secrets: Iterable[str]) -> Any:
    """Strike secrets out of every string of a JSON value, as `redact_text` does."""
    secrets = tuple(secrets)
    if isinstance(value, str):
        return redact_text(value, secrets)
    if isinstance(value, Mapping):
        return {key: redact_values(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        redacted = [redact_values(item, secrets) for item in value]
        return tuple(redacted) if isinstance(value, tuple) else redacted
    if isinstance(value, BaseException):
        return redact_text(f"{type(value).__name__}: {value}", secrets)
    return value


def loggable(value: Any) -> Any:
    """``value`` as what ``json.dumps`` takes, strictly: no secrets, audio as byte counts, no NaN.

    Under a key that names a secret the whole value is replaced. ``bytes`` become ``{"bytes": n}``; base64 under
    ``audio``, ``image`` or ``pcm`` (and under ``delta`` of a message that carries audio) becomes ``"audio_bytes": n``.
    Numbers that JSON has not become their names (``"nan"``), exceptions ``"Class: message"``, other objects their
    ``repr``.
    """
    # The order is by frequency: this runs for every event of a session.
    if isinstance(value, str):
        return redact_text(value)
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(float(value))
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [loggable(item) for item in value]
    return _other(value)


def _mapping(mapping: Mapping[Any, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    carries_audio = "audio" in str(mapping.get("type", "")) and "transcript" not in str(mapping.get("type", ""))
    for raw_key, value in mapping.items():
        key = redact_text(str(raw_key)) if _concealed else str(raw_key)
        if isinstance(value, str) and (key in _MEDIA_KEYS or (key == "delta" and carries_audio)):
            out[f"{key}_bytes"] = len(value) * 3 // 4 - value[-2:].count("=")
        elif isinstance(value, bytes | bytearray | memoryview):
            out[f"{key}_bytes"] = len(bytes(value))
        elif is_secret_name(key) and not _is_count(key, value):
            out[key] = REDACTED
        else:
            out[key] = loggable(value)
    return out


def _is_count(key: str, value: object) -> bool:
    if value is None:
        return True
    return _COUNT_KEY.search(key) is not None and (isinstance(value, int | Mapping) or value == "inf")


def _other(value: object) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return {"bytes": len(bytes(value))}
    if isinstance(value, np.generic):
        return loggable(value.item())
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "dtype": str(value.dtype)}
    if isinstance(value, BaseException):
        return redact_text(f"{type(value).__name__}: {value}")
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    text = redact_text(repr(value))
    return text if len(text) <= _LONG_REPR else text[: _LONG_REPR - 1] + "…"
