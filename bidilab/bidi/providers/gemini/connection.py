"""The connection to Gemini's Live API by the ``google-genai`` package, and what its failures mean.

Nothing here knows what the messages mean. The key is never in a ``repr`` or an error; messages stay as they came.

The Live API tells failures by closing the WebSocket, with a code and a reason (RFC 6455, 7.4), and by the HTTP status
of the handshake. Its codes are broad, 1007 and 1008 for what the client did, 1011 for the rest, so the reason must be
read. Reasons: Gemini API, "Troubleshooting" and Live API guide (2026), and what users of python-genai report.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from bidilab.bidi.providers import config
from bidilab.bidi.providers.failures import ABNORMAL_CLOSE, LINE_OPTIONS, Failure, FailureKind, close_told, http_kind
from bidilab.core.checks import check_at_least, check_flag
from bidilab.core.errors import CredentialsError, EventError, InvalidParameterError, require_extra
from bidilab.core.redaction import is_secret_name, logger_without_headers, redact_text

if TYPE_CHECKING:
    from google.genai.live import AsyncSession

__all__ = [
    "KEY_VARIABLES",
    "SERVICE",
    "ClientSettings",
    "GeminiConnection",
    "check_session",
    "connect",
    "failure_kind",
    "failure_of",
    "require_gemini",
]

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


KEY_VARIABLES = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
"""Environment variables that may hold the key; the first that is set counts, as in the SDK."""

_HTTP_OPTIONS = ("base_url", "api_version", "headers", "async_client_args")
_NOT_TAKEN = 1007  # RFC 6455, 7.4.1: data that does not fit


def require_gemini() -> None:
    """Check that the SDK is installed.

    Raises
    ------
    MissingExtraError
        If it is not.
    """
    require_extra("google.genai", feature="BidiGeminiLiveModel", extra="gemini")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings(config.ClientSettings):
    """A model's ``client_config``.

    Parameters
    ----------
    api_key
        The key; by default that of the environment variable ``GOOGLE_API_KEY`` or ``GEMINI_API_KEY``.
    vertexai, project, location
        Use the Gemini Enterprise Agent Platform (Vertex AI) instead, with the credentials of Google Cloud and no key.
    http_options
        ``base_url``, ``api_version``, ``headers`` and ``async_client_args`` of ``google.genai.types.HttpOptions``.
    timeout_s
        Seconds within which a session must stand, ``> 0``.
    reconnect_attempts, reconnect_delay_s, reconnect_reset_s
        How often and when it reconnects; see `config.ClientSettings`.
    settle_s
        Once the user's audio is over: seconds without a message after which the session has settled, ``> 0``.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.
    CredentialsError
        If a key is needed and there is none.
    """

    TEXTS: ClassVar[tuple[str, ...]] = ("api_key", "project", "location")

    api_key: str = field(default="", repr=False)
    vertexai: bool = False
    project: str | None = None
    location: str | None = None
    http_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    settle_s: float = 4.0

    def _check(self) -> None:
        check_flag("vertexai", self.vertexai)
        if not self.vertexai and (self.project or self.location):
            raise InvalidParameterError("project", "given with vertexai=True only", self.project or self.location)
        if not self.vertexai and not self.api_key:
            raise CredentialsError(
                f"no key for Gemini: set the environment variable {' or '.join(KEY_VARIABLES)}, "
                "or client_config={'api_key': …}"
            )
        config.check_keys("client_config['http_options']", self.http_options, _HTTP_OPTIONS)
        check_at_least("settle_s", self.settle_s, 0.001)

    @classmethod
    def _completed(cls, given: dict[str, Any]) -> dict[str, Any]:
        if given.get("http_options") is None:
            given.pop("http_options", None)
        if not given.get("api_key") and not given.get("vertexai"):
            given["api_key"] = next(filter(None, map(os.environ.get, KEY_VARIABLES)), "")
        return given

    @property
    def secrets(self) -> tuple[str, ...]:
        """The key, and what a header holds instead of it: they must be in no log, ``repr`` or error."""
        headers = self.http_options.get("headers")
        given = headers.items() if isinstance(headers, Mapping) else ()
        shown = [value.rpartition(" ")[2] for name, value in given if is_secret_name(name)]  # without "Bearer"
        return tuple(filter(None, (self.api_key, *shown)))


def check_session(session: Mapping[str, Any]) -> None:
    """Check the settings of a session against the SDK's own types.

    Raises
    ------
    InvalidParameterError
        If the SDK does not take a field; the message names it.
    """
    from google.genai import types
    from pydantic import ValidationError

    try:
        types.LiveConnectConfig.model_validate(dict(session))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"][:2])
        raise InvalidParameterError(
            f"provider_config: {place}", f"what google-genai accepts ({first['msg']})", first["input"]
        ) from error


class GeminiConnection:
    """One session that stands. Sending and receiving may go on at the same time.

    Parameters
    ----------
    manager
        The SDK's context manager, entered; closing the connection leaves it.
    session
        The session that it gave.
    close_client
        Closes the SDK's client.
    settings
        Holds the key, so that it can be struck out of why the service closes the connection.
    """

    def __init__(
        self,
        manager: AbstractAsyncContextManager[AsyncSession],
        session: AsyncSession,
        close_client: Callable[[], Any],
        settings: ClientSettings,
    ) -> None:
        self._manager = manager
        self._session = session
        self._close_client = close_client
        self._settings = settings
        self._turn: AsyncIterator[Any] | None = None
        self._closed = False

    async def send(self, message: Mapping[str, Any]) -> Failure | None:
        """Send a message; return the failure when the connection is lost or closed."""
        from websockets.exceptions import ConnectionClosed

        ((kind, body),) = message.items()
        try:
            await _SENDERS[kind](self._session, body)
        except ConnectionClosed as error:
            return _closed(error, self._settings)
        return None

    async def receive(self) -> dict[str, Any] | Failure:
        """Return the next message as the JSON of the wire, with audio decoded; or the end of the connection.

        Raises
        ------
        EventError
            If the SDK cannot read the message.
        """
        from google.genai.errors import APIError
        from websockets.exceptions import ConnectionClosed

        try:
            message = await self._next_message()
        except APIError as error:
            closed = error.__context__
            if isinstance(closed, ConnectionClosed) and closed.rcvd is None:  # of this the SDK says "abnormal" only
                return _closed(closed, self._settings)
            return failure_of(int(error.code or ABNORMAL_CLOSE), str(error.details or ""), self._settings.without_key)
        except (ValueError, TypeError) as error:  # no JSON, or not of the SDK's types; the reader of the turn is gone
            self._turn = None
            raise EventError(f"google-genai cannot read a message: {self._said(error)[:200]}") from None
        made: dict[str, Any] = message.model_dump(by_alias=True, exclude_none=True)
        return made

    async def _next_message(self) -> Any:
        while True:
            if self._turn is None:
                self._turn = self._session.receive()
            try:
                return await anext(self._turn)
            except StopAsyncIteration:  # the SDK's iterator ends with each turn of the model
                self._turn = None

    def _said(self, words: object) -> str:
        return self._settings.without_key(str(words or ""))

    async def close(self) -> None:
        """Close the connection; closing it twice is no error."""
        if self._closed:
            return
        self._closed = True
        await self._manager.__aexit__(None, None, None)
        await self._close_client()


async def _send_input(session: AsyncSession, body: Mapping[str, Any]) -> None:
    ((key, value),) = body.items()
    await session.send_realtime_input(**{_INPUTS[key]: value})


async def _send_content(session: AsyncSession, body: Mapping[str, Any]) -> None:
    await session.send_client_content(turns=body["turns"], turn_complete=body["turnComplete"])


async def _send_tool_response(session: AsyncSession, body: Mapping[str, Any]) -> None:
    await session.send_tool_response(function_responses=body["functionResponses"])


_SENDERS: Mapping[str, Callable[[Any, Any], Any]] = {
    "realtimeInput": _send_input,
    "clientContent": _send_content,
    "toolResponse": _send_tool_response,
}
_INPUTS = {
    "audio": "audio",
    "video": "video",
    "text": "text",
    "audioStreamEnd": "audio_stream_end",
    "activityStart": "activity_start",
    "activityEnd": "activity_end",
}


def _closed(error: Any, settings: ClientSettings) -> Failure:
    code, reason = close_told(error)
    return failure_of(code, reason, settings.without_key)


def _unreachable(why: str) -> Failure:
    return Failure(service=SERVICE, code=ABNORMAL_CLOSE, reason=why, kind="unreachable")


async def connect(settings: ClientSettings, model_id: str, session: Mapping[str, Any]) -> GeminiConnection | Failure:
    """Open a session: connect, send the setup, wait until it is confirmed, all within ``timeout_s``.

    Parameters
    ----------
    settings
        Address and key.
    model_id
        Name of the model.
    session
        The session to ask for: JSON of ``LiveConnectConfig``.

    Returns
    -------
    GeminiConnection or Failure
        The session, or why there is none.
    """
    from google.genai import types
    from google.genai.errors import APIError
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

    client = _client(settings)
    config = types.LiveConnectConfig.model_validate(dict(session))
    manager = client.aio.live.connect(model=model_id, config=config)
    failure: Failure
    try:
        async with asyncio.timeout(settings.timeout_s):
            made = await manager.__aenter__()
        return GeminiConnection(manager, made, client.aio.aclose, settings)
    except APIError as error:
        failure = failure_of(int(error.code or ABNORMAL_CLOSE), str(error.details or ""), settings.without_key)
    except InvalidStatus as error:
        # Its body is the service's own words; it may quote the key.
        said = settings.without_key((error.response.body or b"").decode("utf-8", "replace"))[:500]
        failure = failure_of(error.response.status_code, said)
    except ConnectionClosed as error:
        failure = _closed(error, settings)
    except TimeoutError:
        failure = _unreachable(f"timed out: no session within {settings.timeout_s:g} s")
    except (InvalidHandshake, OSError) as error:
        failure = _unreachable(settings.without_key(str(error)) or type(error).__name__)
    except ValueError as error:  # the SDK does not take a field for this service, or a confirmation that is no JSON
        failure = failure_of(_NOT_TAKEN, settings.without_key(str(error))[:500])
    await client.aio.aclose()
    return failure


def _client(settings: ClientSettings) -> Any:
    """Make the SDK's client, with a logger that never logs headers, as they hold the key."""
    from google import genai
    from google.genai import types

    given = dict(settings.http_options)
    # The service sends seconds of audio in one message.
    args = {
        "max_size": None,
        **LINE_OPTIONS,
        **(given.pop("async_client_args", None) or {}),
        "logger": logger_without_headers("gemini"),
    }
    options = types.HttpOptions.model_validate({**given, "async_client_args": args})
    if settings.vertexai:
        return genai.Client(vertexai=True, project=settings.project, location=settings.location, http_options=options)
    return genai.Client(api_key=settings.api_key, http_options=options)
