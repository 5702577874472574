"""How a connection to a provider ends, or why there is none: one vocabulary for all providers.

A provider reads the words and codes of its own service (its ``failures.py``, or its connection) and gives a `Failure`;
the shell (`bidilab.bidi.providers.shell`) decides by its kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, Literal

from bidilab.core.errors import CredentialsError, ProviderConnectionError, ProviderError

__all__ = ["ABNORMAL_CLOSE", "LINE_OPTIONS", "Failure", "FailureKind", "close_told", "http_kind"]

FailureKind = Literal["credentials", "refused", "busy", "unreachable", "lost"]
"""``credentials``: there is no key, or the service does not take it. ``refused``: the service refuses, and asking again
does not help. ``busy``: asking again later may help. ``unreachable``: no connection could be made; it may help to try
again. ``lost``: the connection is over, and the conversation goes on in a new one."""

ABNORMAL_CLOSE: Final = 1006
"""RFC 6455, 7.4.1: the connection closed without a close frame."""

LINE_OPTIONS: Final[Mapping[str, float]] = MappingProxyType(
    {"ping_interval": 4.0, "ping_timeout": 4.0, "close_timeout": 1.0}
)
"""Options of a WebSocket's connection, by which a half-open line is noticed within 9 s: the service is silent, and TCP
goes on for many minutes before it gives up. A service must answer a ping at once (RFC 6455, 5.5.2)."""

_NO_PONG: Final = "keepalive ping timeout"  # what websockets closes with

_ERRORS: Final[Mapping[FailureKind, tuple[type[ProviderError], str]]] = MappingProxyType(
    {
        "credentials": (CredentialsError, "{} does not take the key"),
        "refused": (ProviderError, "{} refused the session"),
        "busy": (ProviderConnectionError, "{} is too busy, or the quota is used up"),
        "unreachable": (ProviderConnectionError, "{} cannot be reached"),
        "lost": (ProviderConnectionError, "the connection to {} was closed"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The end of a connection, or why there is none.

    Parameters
    ----------
    service
        Name of the service, as an error message has it.
    code
        Close code of a WebSocket (1000 to 4999), HTTP status (100 to 599), or the service's name for the failure.
    reason
        What the service says, without secrets.
    kind
        What the failure means for the session.
    planned
        Whether the client moves to another connection by itself: the first attempt then needs no delay.
    """

    service: str
    code: int | str
    reason: str
    kind: FailureKind
    planned: bool = False

    @property
    def name(self) -> str:
        """The code as a word, for an error event.

        Examples
        --------
        >>> Failure(service="Gemini", code=1011, reason="", kind="lost").name
        'close_1011'
        """
        if isinstance(self.code, str):
            return self.code
        return f"http_{self.code}" if self.code < 600 else f"close_{self.code}"

    @property
    def final(self) -> bool:
        """Whether a new connection would fail in the same way."""
        return self.kind in ("credentials", "refused")

    def error(self) -> ProviderError:
        """Return the exception that says it.

        Examples
        --------
        >>> Failure(service="OpenAI", code=401, reason="unknown key", kind="credentials").error()
        CredentialsError('OpenAI does not take the key: unknown key (http_401)')
        """
        cls, words = _ERRORS[self.kind]
        return cls(f"{words.format(self.service)}: {self.reason or 'no reason given'} ({self.name})")


def close_told(error: Any) -> tuple[int, str]:
    """Return the code and the reason with which a WebSocket ended, from the ``ConnectionClosed`` of websockets."""
    if error.rcvd is None and error.sent is not None and error.sent.reason == _NO_PONG:
        silent_s = LINE_OPTIONS["ping_interval"] + LINE_OPTIONS["ping_timeout"]
        return ABNORMAL_CLOSE, f"the line is half open: nothing came for {silent_s:g} s, not even an answer to a ping"
    if (frame := error.rcvd or error.sent) is None:
        return ABNORMAL_CLOSE, "no close frame"
    return int(frame.code), frame.reason


def http_kind(status: int) -> FailureKind:
    """Return what the HTTP status of a refused request means."""
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return "credentials"
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "busy"
    return "refused"
