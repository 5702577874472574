"""What a failure of the service means: to be mended by the caller, tried again, or taken up on a new connection.

The Live API tells failures by closing the WebSocket, with a code and a reason (RFC 6455, 7.4), and by the HTTP status
of the handshake. Its codes are broad, 1007 and 1008 for what the client did, 1011 for the rest, so that the reason must
be read. Reasons: Gemini API, "Troubleshooting" and Live API guide (2026), and what users of python-genai report.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal

from bidilab.core.errors import CredentialsError, ProviderConnectionError, ProviderError

__all__ = ["Failure", "FailureKind"]

FailureKind = Literal["credentials", "refused", "busy", "lost"]
"""``credentials``: no key, or one that is not taken. ``refused``: asking again would not help. ``busy``: it may help to
ask again later. ``lost``: the connection is over, and the conversation goes on in a new one."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The end of a connection, or why there was none.

    Parameters
    ----------
    code
        Close code of the WebSocket (1000 to 4999), or HTTP status (100 to 599).
    reason
        The service's words, without keys.
    """

    code: int
    reason: str

    @property
    def kind(self) -> FailureKind:
        """What it means.

        Examples
        --------
        >>> Failure(code=1007, reason="API key not valid. Please pass a valid API key.").kind
        'credentials'
        >>> Failure(code=1011, reason="You exceeded your current quota").kind
        'busy'
        >>> Failure(code=1007, reason="Request contains an invalid argument.").kind
        'refused'
        >>> Failure(code=1011, reason="Deadline expired before operation could complete.").kind
        'lost'
        """
        said = self.reason.lower()
        if any(words in said for words in _CREDENTIALS):
            return "credentials"
        if any(words in said for words in _BUSY):
            return "busy"
        if self.code < 600:
            return _http_kind(self.code)
        if any(words in said for words in _LOST):
            return "lost"
        return "refused" if self.code in _CLIENT_CODES else "lost"

    @property
    def name(self) -> str:
        """For the code of an error event."""
        return f"http_{self.code}" if self.code < 600 else f"close_{self.code}"

    def error(self) -> ProviderError:
        """The exception that tells it."""
        said = f"{self.reason or 'no reason given'} ({self.name})"
        match self.kind:
            case "credentials":
                return CredentialsError(f"Gemini does not take the key: {said}")
            case "refused":
                return ProviderError(f"Gemini refused the session: {said}")
            case "busy":
                return ProviderConnectionError(f"Gemini is too busy, or the quota is used up: {said}")
            case "lost":
                return ProviderConnectionError(f"the connection to Gemini was closed: {said}")


def _http_kind(status: int) -> FailureKind:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return "credentials"
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "busy"
    return "refused"
