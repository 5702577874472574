"""The shell of a model on a network: connection, reconnection, log, and what is audible. One for all providers.

A provider brings a codec, which decides (no task, socket or clock inside), a connection, which sends and receives,
and a subclass of `ProviderModel`, which says how the two begin. The shell has no task of its own: whoever iterates
`ProviderModel.receive` drives it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from bidilab.bidi.model import BidiModel, ModelInput
from bidilab.bidi.providers.codec import Codec
from bidilab.bidi.providers.config import ClientSettings
from bidilab.bidi.providers.failures import Failure
from bidilab.bidi.types.events import (
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiConnectionStartEvent,
    BidiErrorEvent,
    BidiOutputEvent,
)
from bidilab.core.clock import VirtualClock
from bidilab.core.errors import (
    EventError,
    InvalidParameterError,
    ProviderConnectionError,
    ProviderError,
    ReportedError,
    SessionError,
)
from bidilab.core.redaction import redact_values

__all__ = ["Connection", "ProviderModel", "SessionSettings"]

_SILENCE_MARGIN_MS = 500
_PLANNED_LASTS_S = 5.0
_RANDOM = random.SystemRandom()


class SessionSettings(Protocol):
    """Settings of a session: a model's ``provider_config``, read."""

    @property
    def turn_detection(self) -> Any:
        """Turn detection, in the provider's words."""

    @property
    def inference(self) -> Mapping[str, Any]:
        """Settings of the model's generation."""

    def audio_config(self) -> dict[str, Any]:
        """``model.config["audio"]``: what inputs and outputs go by."""


class Connection(Protocol):
    """One connection that stands. Sending and receiving may go on at the same time."""

    async def send(self, message: Mapping[str, Any]) -> Failure | None:
        """Send a message; return the failure when the connection is lost or closed."""

    async def receive(self) -> Mapping[str, Any] | Failure:
        """Return the next message as it came, or the end of the connection; `EventError` when it cannot be read."""

    async def close(self) -> None:
        """Close the connection; a `receive` that waits then ends. Closing it twice is no error."""


CodecT = TypeVar("CodecT", bound=Codec[Any])
ConnectionT = TypeVar("ConnectionT", bound=Connection)


class ProviderModel(BidiModel, ABC, Generic[CodecT, ConnectionT]):
    """A model on a network. A provider's subclass defines how a conversation and a connection begin.

    Parameters
    ----------
    model_id
        Name of the model.
    settings
        Settings of its sessions.
    client
        Address, key and time limits of the service.

    Raises
    ------
    InvalidParameterError
        If the name of the model is empty.
    """

    def __init__(self, model_id: str, settings: SessionSettings, client: ClientSettings) -> None:
        if not isinstance(model_id, str) or not model_id:
            raise InvalidParameterError("model_id", "the name of a model", model_id)
        self.model_id = model_id
        self._settings = settings
        self._client = client
        self.config = self._config()
        self._codec: CodecT | None = None
        self._connection: ConnectionT | None = None
        self._newest: ConnectionT | None = None  # made, and maybe not begun yet
        self._messages: Sequence[Mapping[str, Any]] = ()
        self._early: list[BidiOutputEvent] = []

    def _config(self) -> dict[str, Any]:
        return {
            "audio": self._settings.audio_config(),
            "inference": dict(self._settings.inference),
            "turn_detection": self._turn_detection_config(),
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model_id!r}, turn_detection={self._settings.turn_detection!r})"

    @property
    def effective_turn_detection(self) -> Mapping[str, Any] | None:
        """The turn detection in force, in the provider's words; what was asked for, where the service does not say."""
        return dict(self.config["turn_detection"])

    # What a provider defines

    @abstractmethod
    def _turn_detection_config(self) -> Any:
        """``config["turn_detection"]``: what is asked for, in the provider's words."""

    @abstractmethod
    def _make_codec(self, system_prompt: str | None, tools: Sequence[Mapping[str, Any]]) -> CodecT:
        """Begin a conversation."""

    @abstractmethod
    async def _connect(self, codec: CodecT) -> ConnectionT | Failure:
        """Make a connection; return why there is none. Raises `CredentialsError` where there is no key to show."""

    @abstractmethod
    async def _begin(self, connection: ConnectionT, codec: CodecT) -> Failure | None:
        """Ask for the session and tell the conversation so far; return why the service does not take them."""

    @abstractmethod
    def _connection_id(self, codec: CodecT) -> str:
        """Name of the connection that stands."""

    @property
    @abstractmethod
    def _silence_ms(self) -> int:
        """Milliseconds of silence after which the service ends a turn."""

    async def _receive(self, connection: ConnectionT, codec: CodecT) -> Mapping[str, Any] | Failure | None:  # noqa: ARG002
        """Wait for the next message; ``None`` when something else is to be told or looked at first."""
        return await connection.receive()

    async def _leave(self, connection: ConnectionT, codec: CodecT) -> None:  # noqa: ARG002
        """Close a connection that stands."""
        await connection.close()

    def _retries(self, codec: CodecT, failure: Failure) -> bool:  # noqa: ARG002
        """Whether to try again after an attempt to reconnect has failed."""
        return not failure.final

    def _reconnected(self, codec: CodecT) -> Mapping[str, Any]:  # noqa: ARG002
        """Return what the log says about a new connection, beside the number of the attempt."""
        return {}

    # Start and stop

    async def start(
        self,
        system_prompt: str | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        messages: Sequence[Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        """Connect, ask for the session, wait until it stands, and tell the conversation so far.

        Parameters
        ----------
        system_prompt, tools, messages
            As `BidiModel.start`.
        **kwargs
            None is known.

        Raises
        ------
        SessionError
            If it runs already.
        CredentialsError, ProviderError, ProviderConnectionError
            If the service does not take the key, refuses the session, or cannot be reached.
        """
        if kwargs:
            raise InvalidParameterError("start", "called with system_prompt, tools and messages", sorted(kwargs))
        if self._codec is not None:
            raise SessionError("the model is already running: stop it before you start it again")
        self._codec = codec = self._make_codec(system_prompt, tools or ())
        self._begin_ledger()
        self._messages = tuple(messages or ())
        self._early = []
        self._sending = asyncio.Lock()
        self._changed = asyncio.Event()
        self._n_attempts = 0
        self._stands_from_s = self._active_s = self.context.clock.now_s()
        try:
            failure = await self._establish(codec)
        except BaseException:
            self._codec = None
            raise
        if failure is not None:
            self._codec = None
            raise failure.error()

    async def stop(self) -> None:
        """End the session and close the connection; `receive` then ends. Twice, or before the start, is no error."""
        connection, codec = self._connection, self._codec
        self._connection = self._codec = None
        if codec is not None:
            self._changed.set()
        if connection is not None and codec is not None:
            await self._leave(connection, codec)

    def _running(self) -> CodecT:
        if self._codec is None:
            raise SessionError("the model is not running: start it first")
        return self._codec

    async def _establish(self, codec: CodecT) -> Failure | None:
        """Connect and begin the session; return why that failed."""
        try:
            connection = await self._connect(codec)
            if isinstance(connection, Failure):
                return connection
            self._newest = connection
            try:
                failure = await self._begin(connection, codec)
            except BaseException:
                await connection.close()
                raise
        finally:
            self._log_rows(codec)
        if failure is not None or self._codec is not codec:  # refused, or stopped meanwhile
            await connection.close()
            return failure
        self._connection = connection
        self._stands_from_s = self.context.clock.now_s()
        await self._flush()  # what came while the history was told
        return None

    # Input

    async def send(self, content: ModelInput) -> None:
        """Take text, audio of any rate, an image, or the result of a tool, as far as the service takes them.

        While there is no connection, audio is dropped and logged (``input_dropped``); all else is told later.

        Raises
        ------
        SessionError
            If the model is not running.
        InvalidParameterError
            If it is no input event, or one that the service does not take.
        AudioError
            If the audio is not PCM.
        """
        self._running().encode(content)
        await self._flush()

    async def end_of_audio(self) -> None:
        """End an open turn: send the silence that the service waits for, or end the turn by hand."""
        self._running().end_audio(self._silence_ms + _SILENCE_MARGIN_MS)
        self._active_s = self.context.clock.now_s()
        await self._flush()

    async def settled(self) -> None:
        """Wait until nothing is under way. `receive` must be iterated.

        A service that does not say when it owes nothing more has settled when nothing is known to be under way and
        nothing has come for ``settle_s``. A service from which nothing has come for ``timeout_s``, though something is
        under way, is not waited for; the log then has ``settle_timeout``.
        """
        clock = self.context.clock
        begun_s = clock.now_s()
        while (codec := self._codec) is not None:
            if codec.settled:
                until_s = self._active_s + self._client.settle_s
            else:
                until_s = max(self._active_s, begun_s) + self._client.timeout_s
            if (wait_s := until_s - clock.now_s()) <= 0:
                if not codec.settled:
                    detail = {"timeout_s": self._client.timeout_s}
                    self.context.log("settle_timeout", source="error", detail=detail)
                return
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()

    # Play-out

    async def truncate(self, response_id: str, heard_samples: int, sample_rate: int) -> None:
        """Keep how much of a cut response was heard, for the history, and tell the service where it takes that.

        As `BidiModel.truncate`.
        """
        if self._codec is None:
            return  # stopped meanwhile: there is no conversation left to mend
        self._codec.truncate(response_id, heard_samples, sample_rate)
        await self._flush()

    def _follow(self, events: Iterable[BidiOutputEvent]) -> list[BidiOutputEvent]:
        return [self._written(self._without_key(event)) for event in events]

    def _without_key(self, event: BidiOutputEvent) -> BidiOutputEvent:
        """Strike the key out of an error that the service tells; every other event is as it came."""
        if not isinstance(event, BidiErrorEvent):
            return event
        message, details = self._client.without_key(event.message), redact_values(event.details, self._client.secrets)
        if (message, details) == (event.message, event.details):
            return event
        return BidiErrorEvent(ReportedError(message), details, code=event.code)

    # Output

    async def receive(self) -> AsyncIterator[BidiOutputEvent]:
        """Give the model's events, until it is stopped or the connection is lost for good.

        Yields
        ------
        BidiOutputEvent
            `BidiConnectionStartEvent` first, `BidiConnectionCloseEvent` last; when the connection was lost or renewed,
            `BidiConnectionRestartEvent`, and `BidiConnectionStartEvent` again once it stands with the history.

        Raises
        ------
        SessionError
            If the model is not running.
        ProviderError
            If the service refused what it was asked, or reconnecting failed.
        """
        codec = self._running()
        connection_id = self._connection_id(codec)
        yield BidiConnectionStartEvent(connection_id, self.model_id)
        while self._codec is codec and (connection := self._connection) is not None:
            received = await self._next(connection, codec)
            if not isinstance(received, Failure):
                for event in received:
                    yield event
                continue
            if self._codec is not codec:
                break  # it was stopped, and that is why
            for event in self._connection_over(codec, received):
                yield event
            try:
                await connection.close()
                if received.final:
                    raise received.error()
                yield BidiConnectionRestartEvent(received.error())
                await self._restart(codec, received)
            except ProviderError:
                yield BidiConnectionCloseEvent(connection_id, "error")
                raise
            if self._codec is codec:
                connection_id = self._connection_id(codec)
                yield BidiConnectionStartEvent(connection_id, self.model_id)
        yield BidiConnectionCloseEvent(connection_id, "user_request")

    async def _next(self, connection: ConnectionT, codec: CodecT) -> list[BidiOutputEvent] | Failure:
        """Take one message, answer it, and return its events; or the end of the connection."""
        if self._early:
            return self._take_early()
        try:
            message = await self._receive(connection, codec)
        except EventError as error:
            self._log_malformed(error)
            return []
        if isinstance(message, Failure):
            return message
        early = self._take_early()
        if message is None:
            return early
        now_s = self._active_s = self.context.clock.now_s()
        events = self._follow(codec.feed(message, audible=self.ledger.active_responses(now_s)))
        # What the codec has to say comes before anyone hears of the events: a cancel must not wait for a consumer.
        # A sender at work takes it too; how long the service keeps that one waiting must not hold up what it says.
        if self._sending.locked():
            self._log_rows(codec)
        else:
            await self._flush()
        return [*early, *events]

    def _log_malformed(self, error: EventError) -> None:
        detail = {"error": self._client.without_key(str(error))}
        self.context.log("malformed_message", source="error", detail=detail)

    def _take_early(self) -> list[BidiOutputEvent]:
        """Take events that came without a message: from before the session stood, or by hand."""
        early, self._early = self._early, []
        return early

    # Connection

    def _connection_over(self, codec: CodecT, failure: Failure) -> list[BidiOutputEvent]:
        self._connection = self._newest = None
        events = [*self._take_early(), *self._follow(codec.connection_over(failure))]
        self._log_rows(codec)
        return events

    async def _restart(self, codec: CodecT, why: Failure) -> None:
        """Reconnect, and tell the history.

        Raises
        ------
        ProviderError
            If every attempt failed, or the service refuses.
        """
        clock, log = self.context.clock, self.context.log
        # A session that is lost after a moment, again and again, is no success: attempts count until one has lasted.
        # One that we leave has stood for as long as it may.
        lasts_s = _PLANNED_LASTS_S if why.planned else self._client.reconnect_reset_s
        if clock.now_s() - self._stands_from_s >= lasts_s:
            self._n_attempts = 0
        first = self._n_attempts
        while self._n_attempts < self._client.reconnect_attempts:
            attempt, self._n_attempts = self._n_attempts, self._n_attempts + 1
            await clock.sleep_s(0.0 if why.planned and not attempt else self._client.delay_s(attempt, self._jitter()))
            if self._codec is not codec:
                return  # stopped meanwhile
            failure = await self._establish(codec)
            if failure is None:
                log("reconnected", source="model", detail={"attempt": attempt + 1, **self._reconnected(codec)})
                return
            log("reconnect_failed", source="error", detail={"attempt": attempt + 1, "error": failure.error()})
            if not self._retries(codec, failure):
                raise failure.error()
            why = failure
        attempts = f"{self._client.reconnect_attempts} attempts to reconnect"
        ended = "failed" if not first else f"gave no connection that lasted {lasts_s:g} s"
        raise ProviderConnectionError(f"the connection to {why.service} is lost: {attempts} {ended}") from why.error()

    def _jitter(self) -> float:
        """Draw from [0, 1); 0 on a virtual clock, where a run repeats and nobody else comes back."""
        return 0.0 if isinstance(self.context.clock, VirtualClock) else _RANDOM.random()

    async def _flush(self) -> None:
        """Send what the codec has to say; without a connection it waits there for the next one."""
        codec, connection = self._codec, self._connection
        if codec is None:
            return
        self._log_rows(codec)
        # Whoever iterates `receive` finds the same failure and deals with it; here it is only noted.
        if connection is not None and (failure := await self._send_all(connection, codec)) is not None:
            detail = {"code": failure.code, "reason": failure.reason}
            self.context.log("send_failed", source="error", detail=detail)

    async def _send_all(self, connection: ConnectionT, codec: CodecT) -> Failure | None:
        async with self._sending:  # or two senders could swap an audio chunk and the end of the turn behind it
            # What is put out for the next connection must not go to the one before.
            while self._newest is connection and (messages := codec.take_messages()):
                for message in messages:
                    if (failure := await connection.send(message)) is not None:
                        return failure
        return None

    def _log_rows(self, codec: CodecT) -> None:
        for row in codec.take_rows():
            detail = redact_values(row.detail, self._client.secrets) if row.source == "error" else row.detail
            self.context.log(row.type, source=row.source, detail=detail, **row.columns)
        self._changed.set()
