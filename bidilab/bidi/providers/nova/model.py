"""`BidiNovaSonicModel`: a session with Amazon Nova Sonic.

The codec (`bidilab.bidi.providers.nova`) decides; this is the shell about it:
connection, renewal, log, and what is
audible. It has no task of its own: whoever iterates `BidiNovaSonicModel.receive` drives it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from bidilab.bidi.model import BidiModel, ModelInput, PlaybackReport
from bidilab.bidi.providers.failures import Failure
from bidilab.bidi.providers.nova import NOVA_SONIC_V2, NovaSettings, NovaSonicCodec
from bidilab.bidi.providers.nova.connection import (
    CONNECTION_LIMIT_S,
    ClientSettings,
    NovaConnection,
    connect,
    require_nova,
)
from bidilab.bidi.providers.nova.failures import SERVICE
from bidilab.bidi.session.audible import AudibleResponses
from bidilab.bidi.types.events import (
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiConnectionStartEvent,
    BidiOutputEvent,
)
from bidilab.core.errors import (
    EventError,
    InvalidParameterError,
    ProviderConnectionError,
    ProviderError,
    SessionError,
)

__all__ = ["BidiNovaSonicModel"]

_SILENCE_MARGIN_MS = 500
_RENEW_BEFORE_LIMIT_S = 10.0
_LOOK_AGAIN_S = 0.25
_LIMIT = Failure(
    service=SERVICE,
    code="ConnectionLimit",
    reason="it nears its limit of 8 minutes",
    kind="lost",
    planned=True,
)


class BidiNovaSonicModel(BidiModel):
    """A model of Amazon Nova Sonic, over Amazon Bedrock's bidirectional stream. Needs the extra ``nova``.

    Parameters
    ----------
    model_id
        Name of the model: ``"amazon.nova-2-sonic-v1:0"`` or ``"amazon.nova-sonic-v1:0"``.
    provider_config
        ``audio`` (``input_rate`` and ``output_rate``: 8000, 16000 or 24000; ``voice``; fixed by the service and
        accepted as they are: ``channels`` 1, ``format`` ``"pcm"``), ``inference`` (``max_tokens``, ``temperature``,
        ``top_p``), and ``turn_detection``: `NovaTurnDetection` or ``{"endpointingSensitivity": "HIGH" | "MEDIUM" |
        "LOW"}``, left to the service when it is not given, and refused for v1, which has none. Every key is honoured;
        an unknown one is an error.
    client_config
        ``boto_session`` or ``region``, ``endpoint_uri``, ``http_client``, ``timeout_s``, ``reconnect_attempts``,
        ``reconnect_delay_s``, ``restart_after_s``, ``settle_s``; see `ClientSettings`.

    Raises
    ------
    InvalidParameterError
        If a key is unknown or a value not allowed.
    MissingExtraError
        If the extra ``nova`` is not installed, or Python is older than 3.12.

    Notes
    -----
    The service decides on turns and says nothing of them but their words: no start and no end of speech. It interrupts
    by itself, and tells it once, by the marker ``{ "interrupted" : true }`` or the stop reason ``INTERRUPTED``; what
    is generating *or still audible* then (by what outputs report, or else by `PlayoutEstimate`) is cut. It cannot be
    told how much was heard. When it owes nothing more, it does not say either: `settled` waits for ``settle_s`` of
    silence.

    A connection lasts 8 minutes. It is renewed before, with the history, when no response is active, or 10 s before
    the end in any case; audio that comes meanwhile is dropped and logged (``input_dropped``).
    """

    def __init__(
        self,
        model_id: str = NOVA_SONIC_V2,
        provider_config: Mapping[str, Any] | None = None,
        client_config: Mapping[str, Any] | None = None,
    ) -> None:
        self._settings = NovaSettings.from_config(model_id, provider_config)
        self._client = ClientSettings.from_config(client_config)
        require_nova()
        self.model_id = model_id
        self.config = {
            "audio": self._settings.audio_config(),
            "inference": dict(self._settings.inference),
            "turn_detection": self._settings.turn_detection_configuration or {},
        }
        self._codec: NovaSonicCodec | None = None
        self._connection: NovaConnection | None = None
        self._messages: Sequence[Mapping[str, Any]] = ()

    def __repr__(self) -> str:
        return f"BidiNovaSonicModel({self.model_id!r}, turn_detection={self._settings.turn_detection!r})"

    @property
    def effective_turn_detection(self) -> dict[str, Any]:
        """What was asked for at the start, empty where that was left to the service, which does not say."""
        return dict(self.config["turn_detection"])

    # Start and stop

    async def start(
        self,
        system_prompt: str | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        messages: Sequence[Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        """Connect, and tell the service what the session is to be and the conversation so far.

        The service does not confirm what it was asked for: what it refuses is told by `receive`.

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
            If there are no credentials, the service does not take them or refuses, or cannot be reached.
        """
        if kwargs:
            raise InvalidParameterError("start", "called with system_prompt, tools and messages", sorted(kwargs))
        if self._codec is not None:
            raise SessionError("the model runs already: stop it before it is started again")
        self._codec = NovaSonicCodec(self._settings, system_prompt=system_prompt, tools=tools or ())
        self._audible = AudibleResponses(sample_rate=self._settings.output_rate)
        self._messages = tuple(messages or ())
        self._sending = asyncio.Lock()
        self._changed = asyncio.Event()
        self._n_failures = 0
        self._active_s = self._connected_s = self.context.clock.now_s()
        try:
            await self._establish()
        except BaseException:
            self._codec = None
            raise

    async def stop(self) -> None:
        """End the session and close the connection; `receive` then ends. Twice, or before the start, is no error."""
        connection, codec = self._connection, self._codec
        self._connection = self._codec = None
        if codec is not None:
            self._changed.set()
        if connection is not None and codec is not None:
            await self._leave(connection, codec)

    def _running(self) -> NovaSonicCodec:
        if self._codec is None:
            raise SessionError("the model is not running: start it first")
        return self._codec

    async def _establish(self) -> None:
        codec = self._running()
        try:
            async with asyncio.timeout(self._client.timeout_s):
                connection = await connect(self._client, self.model_id)
        except TimeoutError as error:
            raise ProviderConnectionError("Nova Sonic cannot be reached in time") from error
        try:
            codec.begin(self._messages)
            unsent = await self._send_all(connection, codec)
            failure = await connection.refused() or unsent
        except BaseException:
            await connection.close()
            raise
        finally:
            self._log_rows(codec)
        if failure is not None or self._codec is not codec:  # refused, or stopped meanwhile
            await connection.close()
            if failure is not None:
                raise failure.error()
            return
        self._connection = connection
        self._connected_s = self.context.clock.now_s()
        await self._flush()  # what came while the history was told

    async def _leave(self, connection: NovaConnection, codec: NovaSonicCodec) -> None:
        """Say that the session is over, as the service asks, and close."""
        codec.finish()
        await self._send_all(connection, codec)
        self._log_rows(codec)
        await connection.close()

    # Input

    async def send(self, content: ModelInput) -> None:
        """Take text of the user, audio of any rate, or the result of a tool.

        While there is no connection, audio is dropped and logged (``input_dropped``); all else is told later.

        Raises
        ------
        SessionError
            If the model is not running.
        InvalidParameterError
            If it is no input event, or one that Nova Sonic does not take.
        AudioError
            If the audio is not PCM.
        """
        self._running().encode(content)
        await self._flush()

    async def end_of_audio(self) -> None:
        """Let an open turn end: give the service the silence that it waits for."""
        self._running().end_audio(self._settings.pause_ms + _SILENCE_MARGIN_MS)
        self._active_s = self.context.clock.now_s()
        await self._flush()

    async def settled(self) -> None:
        """Wait until nothing is under way, and nothing has come for ``settle_s``. `receive` must be iterated.

        A service from which nothing has come for ``timeout_s``, though something is under way, is not waited for; the
        log then has ``settle_timeout``.
        """
        clock = self.context.clock
        while (codec := self._codec) is not None:
            patience_s = self._client.settle_s if codec.settled else self._client.timeout_s
            wait_s = self._active_s + patience_s - clock.now_s()
            if wait_s <= 0:
                if not codec.settled:
                    self.context.log("settle_timeout", source="error", detail={"timeout_s": patience_s})
                return
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()

    # Play-out

    def playback(self, report: PlaybackReport) -> None:
        """Be told what an output has played: from then on that counts, not the estimate."""
        if self._codec is not None:
            self._audible.report(report)

    async def truncate(self, response_id: str, heard_samples: int, sample_rate: int) -> None:
        """Keep how much of a cut response was heard, for the history. The service cannot be told.

        As `BidiModel.truncate`.
        """
        if self._codec is not None:
            self._codec.truncate(response_id, heard_samples, sample_rate)

    # Output

    async def receive(self) -> AsyncIterator[BidiOutputEvent]:
        """What the model tells, until it is stopped or the connection is lost for good.

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
            If the service refused what it was asked, or the connection could not be made anew.
        """
        codec = self._running()
        connection_id = codec.prompt
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
                if received.kind in ("credentials", "refused"):
                    raise received.error()
                yield BidiConnectionRestartEvent(received.error())
                await self._restart(codec, received)
            except ProviderError:
                yield BidiConnectionCloseEvent(connection_id, "error")
                raise
            if self._codec is codec:
                connection_id = codec.prompt
                yield BidiConnectionStartEvent(connection_id, self.model_id)
        yield BidiConnectionCloseEvent(connection_id, "user_request")

    async def _next(self, connection: NovaConnection, codec: NovaSonicCodec) -> list[BidiOutputEvent] | Failure:
        """Take one event of the service and return those it makes; or the end of the connection."""
        clock = self.context.clock
        if (wait_s := self._until_renewal_s(codec)) <= 0:
            await self._leave(connection, codec)
            return _LIMIT
        try:
            async with asyncio.timeout(wait_s):
                message = await connection.receive()
        except TimeoutError:
            return []
        except EventError as error:
            self.context.log("malformed_message", source="error", detail={"error": str(error)})
            return []
        if isinstance(message, Failure):
            return message
        self._n_failures = 0
        now_s = self._active_s = clock.now_s()
        audible = self._audible.active_responses(now_s)
        events = [self._audible.follow(event, now_s) for event in codec.feed(message, audible=audible)]
        self._log_rows(codec)
        return events

    # Connection

    def _until_renewal_s(self, codec: NovaSonicCodec) -> float:
        now_s = self.context.clock.now_s()
        age_s = now_s - self._connected_s
        if age_s < self._client.restart_after_s:
            return self._client.restart_after_s - age_s
        quiet = codec.settled and not self._audible.active_responses(now_s)
        return 0.0 if quiet or age_s >= CONNECTION_LIMIT_S - _RENEW_BEFORE_LIMIT_S else _LOOK_AGAIN_S

    def _connection_over(self, codec: NovaSonicCodec, failure: Failure) -> list[BidiOutputEvent]:
        self._connection = None
        now_s = self.context.clock.now_s()
        events = [self._audible.follow(event, now_s) for event in codec.connection_over(failure)]
        self._log_rows(codec)
        return events

    async def _restart(self, codec: NovaSonicCodec, why: Failure) -> None:
        """Make the connection anew, with the history.

        Raises
        ------
        ProviderError
            If every attempt failed, or the service refuses.
        """
        clock, log = self.context.clock, self.context.log
        last: ProviderError = why.error()
        # Only an event of the service shows that a connection stands: one that fails at once counts as a failure too.
        while self._n_failures < self._client.reconnect_attempts:
            attempt, self._n_failures = self._n_failures, self._n_failures + 1
            await clock.sleep_s(0.0 if why is _LIMIT and not attempt else self._client.delay_s(attempt))
            if self._codec is not codec:
                return  # stopped meanwhile
            try:
                await self._establish()
            except ProviderConnectionError as error:
                log("reconnect_failed", source="error", detail={"attempt": attempt + 1, "error": error})
                last = error
            else:
                log("reconnected", source="model", detail={"attempt": attempt + 1})
                return
        attempts = f"{self._client.reconnect_attempts} attempts to reconnect"
        raise ProviderConnectionError(f"the connection to Nova Sonic is lost, {attempts} failed") from last

    async def _flush(self) -> None:
        """Send what the codec has to say; without a connection it waits there for the next one."""
        codec, connection = self._codec, self._connection
        if codec is None:
            return
        self._log_rows(codec)
        # Whoever iterates `receive` finds the same failure and deals with it; here it is only noted.
        if connection is not None and (failure := await self._send_all(connection, codec)) is not None:
            self.context.log("send_failed", source="error", detail={"code": failure.code, "error": failure.reason})

    async def _send_all(self, connection: NovaConnection, codec: NovaSonicCodec) -> Failure | None:
        async with self._sending:  # or two senders could swap the pieces of a block
            for message in codec.take_messages():
                if (failure := await connection.send(message)) is not None:
                    return failure
        return None

    def _log_rows(self, codec: NovaSonicCodec) -> None:
        for row in codec.take_rows():
            self.context.log(row.type, source=row.source, detail=row.detail, **row.columns)
        self._changed.set()
