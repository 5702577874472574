"""What a failure of the Live API means.

The Live API tells failures by closing the WebSocket, with a code and a reason (RFC 6455, 7.4), and by the HTTP status
of the handshake. Its codes are broad, 1007 and 1008 for what the client did, 1011 for the rest, so the reason must be
read. Reasons: Gemini API, "Troubleshooting" and Live API guide (2026), and what users of python-genai report.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bidilab.bidi.providers.failures import Failure, FailureKind, http_kind
from bidilab.core.redaction import redact_text

__all__ = ["SERVICE", "failure_kind", "failure_of"]

SERVICE: Final = "Gemini"

_CREDENTIALS: Final = (
    "api key",
    "api_key",
    "unauthenticated",
    "permission_denied",
    "permission denied",
    "unregistered",
)
_BUSY: Final = ("quota", "resource_exhausted", "resource has been exhausted", "rate limit", "unavailable", "overloaded")
_LOST: Final = ("goaway", "go away", "deadline", "timed out", "timeout", "aborted", "cancelled", "session duration")
_CLIENT_CODES: Final = frozenset({1002, 1003, 1007, 1008, 1009})


def failure_kind(code: int, reason: str) -> FailureKind:
    """Return what a close code or HTTP status with its reason means.

    Examples
    --------
    >>> failure_kind(1007, "API key not valid. Please pass a valid API key.")
    'credentials'
    >>> failure_kind(1011, "You exceeded your current quota")
    'busy'
    >>> failure_kind(1007, "Request contains an invalid argument.")
    'refused'
    >>> failure_kind(1011, "Deadline expired before operation could complete.")
    'lost'
    """
    said = reason.lower()
    if any(words in said for words in _CREDENTIALS):
        return "credentials"
    if any(words in said for words in _BUSY):
        return "busy"
    if code < 600:
        return http_kind(code)
    if any(words in said for words in _LOST):
        return "lost"
    return "refused" if code in _CLIENT_CODES else "lost"


def failure_of(code: int, said: str, shown: Callable[[str], str] = redact_text) -> Failure:
    """Read a failure.

    Parameters
    ----------
    code
        Close code of the WebSocket (1000 to 4999), or HTTP status (100 to 599).
    said
        The service's words as they came. They are read before anything is struck out of them.
    shown
        Strikes secrets out of what is kept of them.
    """
    return Failure(service=SERVICE, code=code, reason=shown(said), kind=failure_kind(code, said))
