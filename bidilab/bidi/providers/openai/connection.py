"""The connection to the OpenAI Realtime API: key, address, sending and receiving, by the ``openai`` package.

Nothing here knows what the messages mean. The key is never in a ``repr`` or an error; messages stay as they came.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from bidilab.bidi.providers import config
from bidilab.bidi.providers.failures import ABNORMAL_CLOSE, LINE_OPTIONS, Failure, close_told, http_kind
from bidilab.core.errors import CredentialsError, EventError
from bidilab.core.jsontext import JSONError, parse_json_object
from bidilab.core.redaction import logger_without_headers

if TYPE_CHECKING:
    from openai.resources.realtime.realtime import AsyncRealtimeConnection

__all__ = ["KEY_VARIABLE", "SERVICE", "ClientSettings", "RealtimeConnection", "connect"]

SERVICE: Final = "OpenAI"
KEY_VARIABLE = "OPENAI_API_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings(config.ClientSettings):
    """A model's ``client_config``.

    Parameters
    ----------
    api_key
        The key; by default that of the environment variable ``OPENAI_API_KEY``.
    organization, project
        Who is billed; by default what the ``openai`` package finds in the environment.
    base_url, websocket_base_url
        Address of the service for HTTP and for WebSocket; the second is derived from the first when it is not given.
    timeout_s
        Seconds within which a connection must be made and a session configured, ``> 0``.
    reconnect_attempts, reconnect_delay_s, reconnect_reset_s
        How often and when it reconnects; see `config.ClientSettings`.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.
    CredentialsError
        If there is no key.
    """

    TEXTS: ClassVar[tuple[str, ...]] = ("api_key", "organization", "project", "base_url", "websocket_base_url")

    api_key: str = field(default="", repr=False)
    organization: str | None = None
    project: str | None = None
    base_url: str | None = None
    websocket_base_url: str | None = None

    def _check(self) -> None:
        if not self.api_key:
            raise CredentialsError(
                f"no key for OpenAI: set the environment variable {KEY_VARIABLE} or client_config={{'api_key': …}}"
            )

    @classmethod
    def _completed(cls, config: dict[str, Any]) -> dict[str, Any]:
        return {**config, "api_key": config.get("api_key") or os.environ.get(KEY_VARIABLE, "")}

    @property
    def secrets(self) -> tuple[str, ...]:
        """The key: it must be in no log, ``repr`` or error."""
        return (self.api_key,)


class RealtimeConnection:
    """One connection that stands. Sending and receiving may go on at the same time.

    Parameters
    ----------
    connection
        The connection of the ``openai`` package.
    settings
        Holds the key, so that it can be struck out of why the service closes the connection.
    """

    def __init__(self, connection: AsyncRealtimeConnection, settings: ClientSettings) -> None:
        self._connection = connection
        self._settings = settings

    async def send(self, message: Mapping[str, Any]) -> Failure | None:
        """Send a JSON object; return the failure when the connection is lost or closed."""
        from websockets.exceptions import ConnectionClosed

        try:
            await self._connection.send_raw(json.dumps(message))
        except ConnectionClosed as error:
            return self._lost(error)
        return None

    async def receive(self) -> dict[str, Any] | Failure:
        """Return the next message as it came, or the end of the connection.

        Raises
        ------
        EventError
            If it is not a JSON object.
        """
        from websockets.exceptions import ConnectionClosed

        try:
            data = await self._connection.recv_bytes()
        except ConnectionClosed as error:
            return self._lost(error)
        try:
            return parse_json_object(data, unique_keys=False)
        except JSONError as error:
            raise EventError(f"the server sent something that is not a JSON object ({error})") from error

    async def close(self) -> None:
        """Close the connection; closing it twice is no error."""
        await self._connection.close()

    def _lost(self, error: Any) -> Failure:
        code, reason = close_told(error)
        return Failure(service=SERVICE, code=code, reason=self._settings.without_key(reason), kind="lost")


async def connect(settings: ClientSettings, model_id: str) -> RealtimeConnection | Failure:
    """Open a connection.

    Returns
    -------
    RealtimeConnection or Failure
        The connection; or why there is none: the service does not take the key, refuses otherwise (as for an unknown
        model), is too busy, or cannot be reached within ``timeout_s``.
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
    options: Any = {"logger": logger_without_headers("openai"), **LINE_OPTIONS}
    try:
        # The service sends up to 15 MiB in one message; reconnecting is ours, since it must tell the history.
        async with asyncio.timeout(settings.timeout_s):
            manager = client.realtime.connect(model=model_id, websocket_connection_options=options)
            return RealtimeConnection(await manager.enter(), settings)
    except InvalidStatus as error:
        # The answer's body is not kept: it quotes the key that was not taken.
        status = error.response.status_code
        reason = f"HTTP {status} for the model {model_id!r}"
        return Failure(service=SERVICE, code=status, reason=reason, kind=http_kind(status))
    except (InvalidHandshake, OSError) as error:  # TimeoutError is an OSError
        reason = settings.without_key(str(error)) or type(error).__name__
        return Failure(service=SERVICE, code=ABNORMAL_CLOSE, reason=reason, kind="unreachable")
    except ValueError as error:  # an address, or a model's name, that is none
        reason = settings.without_key(str(error))[:500]
        return Failure(service=SERVICE, code="invalid_request", reason=reason, kind="refused")
    finally:
        await client.close()
