"""The connection to Amazon Bedrock by ``aws-sdk-bedrock-runtime``, and what its failures mean.

Nothing here knows what the events mean. Credentials are never in a ``repr`` or an error; events stay as they came.

A failure is told by the service, by AWS's SDK or by the HTTP client below it; reading it needs no SDK. Sources: Amazon
Bedrock API reference, ``InvokeModelWithBidirectionalStream`` (errors) and its output stream; Amazon Nova user guide,
"Handling errors with Amazon Nova Sonic"; both read 2026-11.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, TypeVar

from bidilab.bidi.providers import config
from bidilab.bidi.providers.failures import Failure, FailureKind
from bidilab.bidi.tasks import take_result
from bidilab.core.checks import check_at_least
from bidilab.core.errors import CredentialsError, EventError, InvalidParameterError, require_extra
from bidilab.core.jsontext import JSONError, parse_json_object
from bidilab.core.redaction import conceal, redact_text

__all__ = [
    "CONNECTION_LIMIT_S",
    "LOST",
    "MODULES",
    "SERVICE",
    "STALLED_S",
    "ClientSettings",
    "NovaConnection",
    "connect",
    "failure_kind",
    "failure_of",
    "lost",
    "require_nova",
]

SERVICE: Final = "Nova Sonic"
LOST: Final = "ConnectionLost"
"""Code of a connection that broke without a word of the service."""

_CREDENTIALS: Final = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "NoCredentials",
        "SignatureDoesNotMatch",
        "SmithyIdentityError",
        "UnrecognizedClientException",
    }
)
_BUSY: Final = frozenset(
    {
        "InternalServerException",
        "ModelErrorException",
        "ModelNotReadyException",
        "ModelStreamErrorException",
        "ServiceQuotaExceededException",
        "ServiceUnavailableException",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_REFUSED: Final = frozenset({"ConflictException", "ResourceNotFoundException", "ValidationException"})
# The service tells these as validation errors, but they are ends of a connection: a stream reset after long silence,
# and a fault of its own (as strands-agents 1.62 and livekit-plugins-aws 1.8 have found).
_LOST_VALIDATIONS: Final = ("InternalErrorCode=531", "System instability detected")


def failure_kind(code: str, message: str = "") -> FailureKind:
    """Return what a failure of that name means; an unknown name is a lost connection.

    Examples
    --------
    >>> failure_kind("ThrottlingException"), failure_kind("ValidationException"), failure_kind("ModelTimeoutException")
    ('busy', 'refused', 'lost')
    """
    if code in _CREDENTIALS:
        return "credentials"
    if code in _BUSY:
        return "busy"
    if code in _REFUSED and not any(part in message for part in _LOST_VALIDATIONS):
        return "refused"
    return "lost"


def lost(why: str) -> Failure:
    """Return the failure of a connection that broke, or that we closed."""
    return Failure(service=SERVICE, code=LOST, reason=why, kind="lost")


def failure_of(error: BaseException) -> Failure:
    """Read an error of the SDK, or of its HTTP client.

    The service's errors come as classes of their names. Errors that the service does not publish, as for an unknown
    key, come as ``CallError`` or ``UnmodeledEventError``, which name them.
    """
    said = str(getattr(error, "message", "") or error) or type(error).__name__
    code = getattr(error, "code", None)
    names = [cls.__name__ for cls in type(error).__mro__]
    if "ModeledError" in names or "SmithyIdentityError" in names:
        code = type(error).__name__
    elif "CallError" in names:
        code = _code_in(said)
    elif "UnmodeledEventError" not in names or not isinstance(code, str):
        return lost(redact_text(said))
    assert isinstance(code, str)
    return Failure(service=SERVICE, code=code, reason=redact_text(said), kind=failure_kind(code, said))


def _code_in(said: str) -> str:
    """Find the code in what the SDK says of an error that it does not know: ``… - status: 403 - id: …#Name``."""
    if (name := re.search(r" - id: \S*?(\w+)(?=\s|$)", said)) is not None:
        return name[1]
    status = re.search(r" - status: (\d+)", said)
    number = int(status[1]) if status is not None else 0
    if number in (401, 403):
        return "AccessDeniedException"
    if number == 429:
        return "ThrottlingException"
    return "ServiceUnavailableException" if number >= 500 else "ValidationException" if number >= 400 else LOST


_T = TypeVar("_T")

CONNECTION_LIMIT_S = 480.0
"""Seconds after which the service ends a connection: 8 minutes (Amazon Bedrock API reference,
``InvokeModelWithBidirectionalStream``, read 2026-11)."""

MODULES = ("aws_sdk_bedrock_runtime", "awscrt", "boto3")
"""Modules that the extra ``nova`` installs."""

_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]+")
_DEFAULT_REGION = "us-east-1"
STALLED_S = 7.0
"""Longest time without room for an event, once the service has answered; then the line counts as half open. Two seconds
of audio fill what there is room for: the window of HTTP/2 (64 KiB unless the service grants more, RFC 9113, 6.5.2) and
the SDK's queue. A ping would notice it sooner, but awscrt 0.32 has none for Python."""
_ANSWER_S = 3.0
_REASON_S = 2.0
_READ_OUT_S = 2.0
_CLOSE_S = 5.0  # of what takes no time but on a machine that is busy
_BROKEN_CLOSE_S = 0.1
# At DEBUG this logger of the SDK writes the signed request, and with it the session token.
_TALKATIVE_LOGGER = "smithy_core.aio.client"


def require_nova() -> None:
    """Check that the SDK is installed.

    Raises
    ------
    MissingExtraError
        If it is not, or Python is older than 3.12, for which there is no SDK.
    """
    feature = "BidiNovaSonicModel"
    if sys.version_info < (3, 12):
        feature += f", for which AWS asks for Python 3.12 or newer (this is {sys.version_info.major}."
        feature += f"{sys.version_info.minor}),"
    for module in MODULES:
        require_extra(module, feature=feature, extra="nova")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings(config.ClientSettings):
    """A model's ``client_config``.

    Parameters
    ----------
    boto_session
        ``boto3.Session`` that gives credentials and region; by default a new one, which looks where AWS's tools look:
        environment, files, instance. Not together with ``region``.
    region
        Such as ``"eu-north-1"``; by default that of the session, or ``us-east-1``.
    endpoint_uri
        Address of the service; by default the region's endpoint.
    http_client
        Makes the SDK's HTTP client of a connection; called without arguments for each one. The client must be able to
        send and receive at once. By default AWS's own (``smithy_http.aio.crt.AWSCRTHTTPClient``).
    timeout_s
        Seconds within which a connection must be made, and must take an event, ``> 0``; once the service has answered,
        7 at the most.
    reconnect_attempts, reconnect_delay_s, reconnect_reset_s
        How often and when it reconnects; see `config.ClientSettings`.
    restart_after_s
        Seconds after which a connection is renewed, with the history, at the first moment without a response; the
        service ends it after 480. In (0, 480); 420, as Strands has it.
    settle_s
        Once the user's audio is over: seconds without an event after which the session has settled, ``> 0``.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.
    """

    TEXTS: ClassVar[tuple[str, ...]] = ("region", "endpoint_uri")

    boto_session: Any = field(default=None, repr=False)
    region: str | None = None
    endpoint_uri: str | None = None
    http_client: Any = field(default=None, repr=False)
    restart_after_s: float = 420.0
    settle_s: float = 4.0

    def _check(self) -> None:
        if self.boto_session is not None and self.region is not None:
            raise InvalidParameterError("client_config", "boto_session or region, not both", "both")
        if self.boto_session is not None and not callable(getattr(self.boto_session, "get_credentials", None)):
            raise InvalidParameterError("boto_session", "a boto3.Session", type(self.boto_session).__name__)
        if self.http_client is not None and not callable(self.http_client):
            raise InvalidParameterError(
                "http_client", "a function that returns an HTTP client", type(self.http_client).__name__
            )
        if self.region is not None and not _REGION.fullmatch(self.region):
            raise InvalidParameterError("region", "a region of AWS such as 'us-east-1'", self.region)
        check_at_least("settle_s", self.settle_s, 0.001)
        check_at_least("restart_after_s", self.restart_after_s, 0.001, below=CONNECTION_LIMIT_S)


class NovaConnection:
    """One bidirectional stream. Sending and receiving may go on at the same time.

    Parameters
    ----------
    client, transport, stream
        The SDK's client, the HTTP client below it, and the stream that they opened.
    timeout_s
        Seconds that an event may wait until the service takes it.
    """

    def __init__(self, client: Any, transport: Any, stream: Any, *, timeout_s: float) -> None:
        self._client = client
        self._transport = transport
        self._stream = stream
        self._timeout_s = timeout_s
        self._output: Any = None
        self._reading: asyncio.Future[Any] | None = None
        self._over: asyncio.Future[Failure] = asyncio.get_running_loop().create_future()
        self._closed = False
        self._answer_due_s = asyncio.get_running_loop().time() + timeout_s
        self._opening = asyncio.ensure_future(stream.await_output())
        self._opening.add_done_callback(self._opened)

    def _opened(self, opening: asyncio.Future[Any]) -> None:
        if not opening.cancelled() and (error := opening.exception()) is not None:
            self._end(failure_of(error))

    def _end(self, failure: Failure) -> Failure:
        if not self._over.done():
            self._over.set_result(failure)
        return self._over.result()

    async def refused(self) -> Failure | None:
        """Wait a little for the service's answer; return the failure when it refuses.

        It is not published whether the service answers before it has heard audio: no answer yet is none, and `receive`
        waits on for it.
        """
        within_s = min(_ANSWER_S, self._timeout_s)
        await asyncio.wait({self._opening, self._over}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        return self._over.result() if self._over.done() else None

    async def _answered(self) -> Failure | None:
        """Wait for the service's answer until ``timeout_s`` is over; return the failure when there is none."""
        if not self._opening.done():
            left_s = self._answer_due_s - asyncio.get_running_loop().time()
            await asyncio.wait(
                {self._opening, self._over}, timeout=max(0.0, left_s), return_when=asyncio.FIRST_COMPLETED
            )
        if self._over.done():
            return self._over.result()
        if not self._opening.done():
            return self._end(lost(f"no answer within {self._timeout_s:g} s"))
        if (error := self._opening.exception()) is not None:
            return self._end(failure_of(error))
        _, self._output = self._opening.result()
        return None

    async def send(self, message: Mapping[str, Any]) -> Failure | None:
        """Send an event; return the failure when the connection does not take it."""
        from aws_sdk_bedrock_runtime.models import (
            BidirectionalInputPayloadPart,
            InvokeModelWithBidirectionalStreamInputChunk,
        )

        if self._over.done():
            return self._over.result()
        part = BidirectionalInputPayloadPart(bytes_=json.dumps(message).encode())
        chunk = InvokeModelWithBidirectionalStreamInputChunk(value=part)
        sending = asyncio.ensure_future(self._stream.input_stream.send(chunk))
        # The SDK's queue holds 16 events and waits for room, for ever when the connection has failed long since.
        stands = self._output is not None  # until the service has answered, it may take its time
        within_s = min(STALLED_S, self._timeout_s) if stands else self._timeout_s
        try:
            await asyncio.wait({sending, self._over}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not sending.done():
                sending.cancel()
        if not sending.done() or sending.cancelled():
            said = f"an event was not taken within {within_s:g} s"
            return self._end(lost(f"the line is half open: {said}" if stands else said))
        if (error := sending.exception()) is None:
            return None
        # Why, the service has often said by then; whoever receives has time to read it.
        failure = failure_of(error)
        asyncio.get_running_loop().call_later(_REASON_S, self._end, failure)
        return failure

    async def receive(self) -> dict[str, Any] | Failure:
        """Return the next event, or how the connection ended. It may be cancelled, and called again.

        Raises
        ------
        EventError
            If what came is not a JSON object.
        """
        if self._output is None and (failure := await self._answered()) is not None:
            return failure
        if self._over.done():
            return self._over.result()
        # A read is never cancelled: the AWS runtime's threads would answer a future that is gone.
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._output.receive())
        reading = self._reading
        await asyncio.wait({reading, self._over}, return_when=asyncio.FIRST_COMPLETED)
        if self._over.done():
            return self._over.result()
        self._reading = None
        if (error := reading.exception()) is not None:
            return self._end(failure_of(error))
        if (chunk := reading.result()) is None:
            return self._end(lost("the service ended it"))
        return _json_object(getattr(chunk.value, "bytes_", None))

    async def close(self) -> None:
        """Close the connection at once; closing it twice is no error."""
        if self._closed:
            return
        self._closed = True
        stands = not self._over.done()
        if stands and self._output is None and self._opening.done():
            _, self._output = self._opening.result()
        self._end(lost("it was closed"))
        # The SDK ends its side when all is taken, which never comes to pass where nobody takes any more.
        ending = asyncio.ensure_future(self._stream.input_stream.close())
        if stands and self._output is not None:
            # What was sent last is on its way until the service has ended its side.
            await _within(_READ_OUT_S, self._read_out())
        await _within(_BROKEN_CLOSE_S, ending)
        await _within(_CLOSE_S, self._client.close())
        await _within(_CLOSE_S, self._transport.close())
        for task in (self._reading, self._opening):
            if task is not None:
                await asyncio.wait({task}, timeout=_CLOSE_S)
                task.cancel()
                task.add_done_callback(take_result)

    async def _read_out(self) -> None:
        while True:
            self._reading = self._reading or asyncio.ensure_future(self._output.receive())
            await asyncio.wait({self._reading})
            if self._reading.exception() is not None or self._reading.result() is None:
                return
            self._reading = None


async def _within(seconds: float, work: Awaitable[_T]) -> None:
    """Await something for a limited time: on a broken connection it may never end, and its errors do not matter."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({task}, timeout=seconds)
    task.cancel()
    task.add_done_callback(take_result)


def _json_object(data: bytes | None) -> dict[str, Any]:
    if data is None:
        raise EventError("the service sent an event without bytes")
    try:
        return parse_json_object(data, unique_keys=False)
    except JSONError as error:
        raise EventError(f"the service sent something that is not a JSON object ({error})") from error


def _session(settings: ClientSettings) -> Any:
    import boto3

    return boto3.Session() if settings.boto_session is None else settings.boto_session


def _identity(session: Any) -> Any:
    """Return the credentials in the SDK's form; each connection looks them up, as they may expire.

    Raises
    ------
    CredentialsError
        If there are none.
    """
    from botocore.exceptions import BotoCoreError
    from smithy_aws_core.identity import AWSCredentialsIdentity

    try:
        credentials = session.get_credentials()
        frozen = None if credentials is None else credentials.get_frozen_credentials()
    except BotoCoreError as error:
        raise CredentialsError(f"cannot get credentials for AWS: {redact_text(str(error))}") from None
    if frozen is None or not frozen.access_key or not frozen.secret_key:
        raise CredentialsError(
            "no credentials for AWS: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, log in with the AWS CLI, "
            "or give client_config={'boto_session': …}"
        )
    # The service may quote the request that it could not verify, and with it the session token.
    conceal(frozen.access_key, frozen.secret_key, frozen.token or "")
    return AWSCredentialsIdentity(
        access_key_id=frozen.access_key, secret_access_key=frozen.secret_key, session_token=frozen.token
    )


async def connect(settings: ClientSettings, model_id: str) -> NovaConnection | Failure:
    """Begin a connection; the service answers it when the first events have come.

    Returns
    -------
    NovaConnection or Failure
        The connection, or why it did not begin within ``timeout_s``.

    Raises
    ------
    CredentialsError
        If there are no credentials.
    """
    try:
        async with asyncio.timeout(settings.timeout_s):
            return await _connect(settings, model_id)
    except TimeoutError:
        reason = f"no connection within {settings.timeout_s:g} s"
        return Failure(service=SERVICE, code=LOST, reason=reason, kind="unreachable")


async def _connect(settings: ClientSettings, model_id: str) -> NovaConnection:
    from aws_sdk_bedrock_runtime.client import AsyncBedrockRuntimeClient
    from aws_sdk_bedrock_runtime.config import AsyncBedrockRuntimeConfig
    from aws_sdk_bedrock_runtime.models import InvokeModelWithBidirectionalStreamOperationInput
    from smithy_aws_core.identity import StaticCredentialsResolver

    from bidilab.bidi.providers.nova.transport import ConnectionClient

    logger = logging.getLogger(_TALKATIVE_LOGGER)
    logger.setLevel(max(logger.level, logging.INFO))
    session = _session(settings)
    # Looking for credentials may ask a server.
    identity = await asyncio.to_thread(_identity, session)
    transport = ConnectionClient() if settings.http_client is None else settings.http_client()
    resolved = await AsyncBedrockRuntimeConfig.resolve(
        region=settings.region or getattr(session, "region_name", None) or _DEFAULT_REGION,
        aws_credentials_identity_resolver=StaticCredentialsResolver(identity),
        transport=transport,
        **({} if settings.endpoint_uri is None else {"endpoint_uri": settings.endpoint_uri}),
    )
    client = AsyncBedrockRuntimeClient(config=resolved)
    stream = await client.invoke_model_with_bidirectional_stream(
        InvokeModelWithBidirectionalStreamOperationInput(model_id=model_id)
    )
    return NovaConnection(client, transport, stream, timeout_s=settings.timeout_s)
