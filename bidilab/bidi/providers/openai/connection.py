"""The connection to the OpenAI Realtime API: key, address, sending and receiving, by the ``openai`` package.

Nothing here knows what the messages mean. The key is never in a ``repr``, an error or a message that is handed on.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

from bidilab.bidi.providers.config import check_keys
from bidilab.core.errors import (
    BidilabError,
    CredentialsError,
    EventError,
    InvalidParameterError,
    ProviderConnectionError,
    ProviderError,
)
from bidilab.core.redaction import REDACTED, redact_text

if TYPE_CHECKING:
    from openai.resources.realtime.realtime import AsyncRealtimeConnection

__all__ = ["KEY_VARIABLE", "ClientSettings", "RealtimeConnection", "connect"]

KEY_VARIABLE = "OPENAI_API_KEY"

_TEXTS = ("api_key", "organization", "project", "base_url", "websocket_base_url")
_NUMBERS = ("timeout_s", "reconnect_attempts", "reconnect_delay_s")
_MAX_RECONNECT_DELAY_S = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """A model's ``client_config``.

    Parameters
    ----------
    api_key
        The key; by default that of the environment variable ``OPENAI_API_KEY``.
    organization, project
        Whom the use is billed to; by default what the ``openai`` package finds in the environment.
    base_url, websocket_base_url
        Where the service is, for HTTP and for WebSocket; the second is made of the first when it is not given.
    timeout_s
        Seconds within which a connection must be made and a session configured, ``> 0``.
    reconnect_attempts
        How often in a row a lost connection is tried again, ``>= 0``.
    reconnect_delay_s
        Seconds before the first try, ``>= 0``; each further one waits twice as long, at most 8 s.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.
    CredentialsError
        If there is no key.
    """

    api_key: str = field(default="", repr=False)
    organization: str | None = None
    project: str | None = None
    base_url: str | None = None
    websocket_base_url: str | None = None
    timeout_s: float = 15.0
    reconnect_attempts: int = 5
    reconnect_delay_s: float = 0.5

    def __post_init__(self) -> None:
        if not self.api_key:
            raise CredentialsError(
                f"no key for OpenAI: set the environment variable {KEY_VARIABLE} or client_config={{'api_key': …}}"
            )
        _check_number("timeout_s", self.timeout_s, at_least=0.001)
        _check_number("reconnect_delay_s", self.reconnect_delay_s, at_least=0)
        _check_number("reconnect_attempts", self.reconnect_attempts, at_least=0)
        if int(self.reconnect_attempts) != self.reconnect_attempts:
            raise InvalidParameterError("reconnect_attempts", "a whole number", self.reconnect_attempts)

    @classmethod
    def from_config(cls, client_config: Mapping[str, Any] | None) -> Self:
        """Read a ``client_config``.

        Raises
        ------
        InvalidParameterError
            If a key is unknown or a value not allowed; nothing is ignored.
        CredentialsError
            If there is no key, here or in the environment.
        """
        config = dict(check_keys("client_config", client_config, (*_TEXTS, *_NUMBERS)))
        for name in _TEXTS:
            if (value := config.get(name)) is not None and not isinstance(value, str):
                shown = type(value).__name__  # not the value: under this name it may be a key
                raise InvalidParameterError(f"client_config[{name!r}]", "a string", shown)
        config["api_key"] = config.get("api_key") or os.environ.get(KEY_VARIABLE, "")
        return cls(**config)

    def delay_s(self, attempt: int) -> float:
        """Seconds to wait before the attempt of that number, from 0."""
        return min(self.reconnect_delay_s * 2.0**attempt, max(self.reconnect_delay_s, _MAX_RECONNECT_DELAY_S))

    def without_key(self, text: str) -> str:
        """The text with the key, and what looks like one, struck out."""
        return redact_text(text.replace(self.api_key, REDACTED))


def _check_number(name: str, value: object, *, at_least: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not at_least <= value < float("inf"):  # type: ignore[operator]
        raise InvalidParameterError(name, f"a number >= {at_least:g}", value)


class RealtimeConnection:
    """One connection that stands. Sending and receiving may go on at the same time.

    Parameters
    ----------
    connection
        The package's.
    settings
        Holds the key, so that it can be struck out of what the service says.
    """

    def __init__(self, connection: AsyncRealtimeConnection, settings: ClientSettings) -> None:
        self._connection = connection
        self._key = settings.api_key.encode()

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send a JSON object.

        Raises
        ------
        ProviderConnectionError
            If the connection is lost or closed.
        """
        from websockets.exceptions import ConnectionClosed

        try:
            await self._connection.send_raw(json.dumps(message))
        except ConnectionClosed as error:
            raise _lost(error) from error

    async def receive(self) -> dict[str, Any]:
        """The next message.

        Raises
        ------
        ProviderConnectionError
            If the connection is lost or closed.
        EventError
            If it is not a JSON object.
        """
        from websockets.exceptions import ConnectionClosed

        try:
            data = await self._connection.recv_bytes()
        except ConnectionClosed as error:
            raise _lost(error) from error
        try:
            message = json.loads(data.replace(self._key, REDACTED.encode()))
        except ValueError as error:
            raise EventError(f"the server sent what is not JSON ({error})") from error
        if not isinstance(message, dict):
            raise EventError(f"the server sent {type(message).__name__} where an object belongs")
        return message

    async def close(self) -> None:
        """Close it; twice is no error."""
        await self._connection.close()


def _lost(error: Any) -> ProviderConnectionError:
    frame = error.rcvd or error.sent
    why = "no close frame" if frame is None else f"code {frame.code} {redact_text(frame.reason)}".strip()
    return ProviderConnectionError(f"the connection to OpenAI was closed: {why}")


async def connect(settings: ClientSettings, model_id: str) -> RealtimeConnection:
    """Open a connection.

    Raises
    ------
    CredentialsError
        If the service does not take the key.
    ProviderError
        If it refuses the connection otherwise, as for an unknown model.
    ProviderConnectionError
        If it cannot be reached within ``timeout_s``, or is too busy.
    """
    from openai import AsyncOpenAI
    from websockets.exceptions import InvalidHandshake, InvalidStatus

    client = AsyncOpenAI(
        api_key=settings.api_key,
        organization=settings.organization,
        project=settings.project,
        base_url=settings.base_url,
        websocket_base_url=settings.websocket_base_url,
        timeout=settings.timeout_s,
        max_retries=0,
    )
    status: int | None = None
    try:
        # The service sends up to 15 MiB in one message; reconnecting is ours, since it must tell the history.
        async with asyncio.timeout(settings.timeout_s):
            manager = client.realtime.connect(model=model_id, websocket_connection_options=_websocket_options())
            connection = await manager.enter()
    except InvalidStatus as error:
        # Raised below, unchained: the answer's body, which the error holds, quotes the key that was not taken.
        status = error.response.status_code
    except (InvalidHandshake, OSError) as error:  # TimeoutError is an OSError
        said = settings.without_key(str(error)) or type(error).__name__
        raise ProviderConnectionError(f"OpenAI cannot be reached: {said}") from error
    finally:
        await client.close()
    if status is not None:
        raise _refused(status, model_id)
    return RealtimeConnection(connection, settings)


def _websocket_options() -> Any:
    """Options of the ``websockets`` client: a logger that never logs headers, in which the key stands.

    At the level DEBUG that package logs every header of the handshake.
    """
    logger = logging.getLogger("bidilab.openai.websocket")
    logger.setLevel(logging.INFO)
    return {"logger": logger}


def _refused(status: int, model_id: str) -> BidilabError:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return CredentialsError(f"OpenAI does not take the key for {model_id!r} (HTTP {status})")
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ProviderConnectionError(f"OpenAI is too busy or down (HTTP {status})")
    return ProviderError(f"OpenAI refused the connection for the model {model_id!r} (HTTP {status})")
