"""`BidiOpenAIRealtimeModel`: a session with the OpenAI Realtime API.

The codec (`bidilab.bidi.providers.openai`) decides; this is the shell about it:
connection, reconnection, log, and what is
audible. It has no task of its own: whoever iterates `BidiOpenAIRealtimeModel.receive` drives it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from bidilab.bidi.model import BidiModel, ModelInput, PlaybackReport
from bidilab.bidi.providers.failures import ABNORMAL_CLOSE, Failure
from bidilab.bidi.providers.openai import (
    SAMPLE_RATE,
    OpenAIRealtimeCodec,
    SemanticVad,
    SessionSettings,
    longest_wait_ms,
)
from bidilab.bidi.providers.openai import turn_detection as read_turn_detection
from bidilab.bidi.providers.openai.connection import ClientSettings, RealtimeConnection, connect
from bidilab.bidi.session.audible import AudibleResponses
from bidilab.bidi.types.events import (
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiConnectionStartEvent,
    BidiErrorEvent,
    BidiOutputEvent,
)
from bidilab.core.errors import (
    EventError,
    InvalidParameterError,
    ProviderConnectionError,
    ProviderError,
    SessionError,
)
from bidilab.detect.turns import ServerVad

__all__ = ["BidiOpenAIRealtimeModel"]

_SILENCE_MARGIN_MS = 500


class BidiOpenAIRealtimeModel(BidiModel):
    """A model of the OpenAI Realtime API (GA protocol).

    Parameters
    ----------
    model_id
        Name of the model.
    provider_config
        ``audio`` (``input_rate``, ``voice``, ``speed``, ``transcription``, ``noise_reduction``; fixed by the API and
        accepted as they are: ``output_rate`` 24000, ``channels`` 1, ``format`` ``"pcm"``), ``inference``
        (``output_modalities``, ``max_output_tokens``, ``tool_choice`` and further keys of the session), and
        ``turn_detection``: an object of type ``server_vad`` or ``semantic_vad``, `ServerVad`, `SemanticVad`, or
        ``None`` for turns by hand (`commit`). Every key is honoured; an unknown one is an error.
    client_config
        ``api_key`` (or ``OPENAI_API_KEY`` in the environment), ``organization``, ``project``, ``base_url``,
        ``websocket_base_url``, ``timeout_s``, ``reconnect_attempts``, ``reconnect_delay_s``; see `ClientSettings`.

    Raises
    ------
    InvalidParameterError
        If a key is unknown or a value not allowed.
    CredentialsError
        If there is no key.

    Notes
    -----
    An interruption is acted upon at ``speech_started``, when a response is generating *or still audible* (by what
    outputs report, or else by `PlayoutEstimate`) and ``interrupt_response`` is on.
    """

    def __init__(
        self,
        model_id: str = "gpt-realtime",
        provider_config: Mapping[str, Any] | None = None,
        client_config: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(model_id, str) or not model_id:
            raise InvalidParameterError("model_id", "the name of a model", model_id)
        self.model_id = model_id
        self._settings = SessionSettings.from_config(provider_config)
        self._client = ClientSettings.from_config(client_config)
        self.config = self._config()
        self._codec: OpenAIRealtimeCodec | None = None
        self._connection: RealtimeConnection | None = None
        self._messages: Sequence[Mapping[str, Any]] = ()
        self._early: list[BidiOutputEvent] = []

    def _config(self) -> dict[str, Any]:
        requested = self._settings.to_dict()
        return {
            "audio": self._settings.audio_config(),
            "inference": dict(self._settings.inference),
            "turn_detection": requested["audio"]["input"]["turn_detection"],
        }

    def __repr__(self) -> str:
        return f"BidiOpenAIRealtimeModel({self.model_id!r}, turn_detection={self._settings.turn_detection!r})"

    @property
    def effective_session(self) -> Mapping[str, Any] | None:
        """The session as the server told it last; ``None`` before the start."""
        return None if self._codec is None else self._codec.effective_session

    @property
    def effective_turn_detection(self) -> Mapping[str, Any] | None:
        """The ``turn_detection`` of `effective_session`."""
        session = self.effective_session or {}
        told: Mapping[str, Any] | None = session.get("audio", {}).get("input", {}).get("turn_detection")
        return told

    # Start and stop

    async def start(
        self,
        system_prompt: str | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        messages: Sequence[Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        """Connect, ask for the session, wait until it is in force, and tell the conversation so far.

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
            raise SessionError("the model runs already: stop it before it is started again")
        self._codec = OpenAIRealtimeCodec(
            self._settings, model_id=self.model_id, system_prompt=system_prompt, tools=tools or ()
        )
        self._audible = AudibleResponses(sample_rate=SAMPLE_RATE)
        self._messages = tuple(messages or ())
        self._early = []
        self._sending = asyncio.Lock()
        self._settled = asyncio.Event()
        self._n_messages = 0
        try:
            await self._establish()
        except BaseException:
            self._codec = None
            raise

    async def stop(self) -> None:
        """Close the connection; `receive` then ends. Twice, or before the start, is no error."""
        if self._codec is not None:
            self._settled.set()  # whoever waits for it waits no longer
        connection, self._connection, self._codec = self._connection, None, None
        if connection is not None:
            await connection.close()

    def _running(self) -> OpenAIRealtimeCodec:
        if self._codec is None:
            raise SessionError("the model is not running: start it first")
        return self._codec

    async def _establish(self) -> None:
        """Connect and configure, all within ``timeout_s``."""
        codec = self._running()
        connection = await connect(self._client, self.model_id)
        try:
            async with asyncio.timeout(self._client.timeout_s):
                codec.configure()
                await self._send_all(connection, codec)
                while codec.effective_session is None:
                    await self._take_setup_message(connection, codec)
                codec.resume(self._messages)
                await self._send_all(connection, codec)
        except TimeoutError as error:
            await connection.close()
            raise ProviderConnectionError("OpenAI did not confirm the session in time") from error
        except BaseException:
            await connection.close()
            raise
        finally:
            self._log_rows(codec)
        if self._codec is not codec:  # stopped meanwhile
            await connection.close()
            return
        self._connection = connection
        await self._flush()  # what came while the history was told

    async def _take_setup_message(self, connection: RealtimeConnection, codec: OpenAIRealtimeCodec) -> None:
        for event in codec.feed(await connection.receive()):
            if isinstance(event, BidiErrorEvent):
                raise ProviderError(f"OpenAI refused the session: {event.message} ({event.code})")
            self._early.append(event)

    # Input

    async def send(self, content: ModelInput) -> None:
        """Take text, audio of any rate, an image, or the result of a tool.

        While there is no connection, audio is dropped and logged (``input_dropped``); all else is told later.

        Raises
        ------
        SessionError
            If the model is not running.
        InvalidParameterError
            If it is no input event.
        AudioError
            If the audio is not PCM.
        """
        self._running().encode(content)
        await self._flush()

    async def commit(self) -> None:
        """End the user's turn by hand and ask for a response: for ``turn_detection`` of ``None``."""
        self._running().commit()
        await self._flush()

    async def clear_input(self) -> None:
        """Throw away the user's audio that no turn has taken yet."""
        self._running().clear_input()
        await self._flush()

    async def respond(self) -> None:
        """Ask for a response, now or when the one under way is over: for ``create_response`` of false."""
        self._running().respond()
        await self._flush()

    async def update(self, *, turn_detection: Mapping[str, Any] | ServerVad | SemanticVad | None) -> None:
        """Change the turn detection of the running session.

        Raises
        ------
        SessionError
            If the model is not running.
        InvalidParameterError
            If a key is unknown or a value not allowed.
        """
        codec = self._running()
        self._settings = self._settings.replace(turn_detection=read_turn_detection(turn_detection))
        self.config = self._config()
        codec.update(self._settings)
        await self._flush()

    async def end_of_audio(self) -> None:
        """Let an open turn end: give the server the silence that it waits for, or commit by hand."""
        self._running().end_audio(longest_wait_ms(self._settings.turn_detection) + _SILENCE_MARGIN_MS)
        self._settled.clear()
        await self._flush()

    async def settled(self) -> None:
        """Wait until the server owes nothing more: no turn, no response, no tool result. `receive` must be iterated.

        A server from which nothing has come for ``timeout_s`` is not waited for; the log then has ``settle_timeout``.
        """
        while self._codec is not None and not self._settled.is_set():
            n_before = self._n_messages
            try:
                async with asyncio.timeout(self._client.timeout_s):
                    await self._settled.wait()
            except TimeoutError:
                if self._n_messages == n_before:
                    self.context.log("settle_timeout", source="error", detail={"timeout_s": self._client.timeout_s})
                    return

    # Play-out

    def playback(self, report: PlaybackReport) -> None:
        """Be told what an output has played: from then on that counts, not the estimate."""
        if self._codec is not None:
            self._audible.report(report)

    async def truncate(self, response_id: str, heard_samples: int, sample_rate: int) -> None:
        """Tell the server how much of a cut response was heard.

        As `BidiModel.truncate`.
        """
        if self._codec is None:
            return  # stopped meanwhile: there is no conversation left to mend
        self._codec.truncate(response_id, heard_samples, sample_rate)
        await self._flush()

    # Output

    async def receive(self) -> AsyncIterator[BidiOutputEvent]:
        """What the model tells, until it is stopped or the connection is lost for good.

        Yields
        ------
        BidiOutputEvent
            `BidiConnectionStartEvent` first, `BidiConnectionCloseEvent` last; when the connection was lost,
            `BidiConnectionRestartEvent`, and `BidiConnectionStartEvent` again once it stands with the history.

        Raises
        ------
        SessionError
            If the model is not running.
        ProviderError
            If the connection was lost and could not be made anew.
        """
        codec = self._running()
        connection_id = codec.session_id or "unnamed"
        yield BidiConnectionStartEvent(connection_id, self.model_id)
        early, self._early = self._early, []
        clock = self.context.clock
        for event in early:
            yield self._audible.follow(event, clock.now_s())
        while self._codec is codec and (connection := self._connection) is not None:
            try:
                events = await self._next(connection, codec)
            except ProviderConnectionError as error:
                if self._codec is not codec:
                    break  # it was stopped, and that is why
                for event in self._lost(codec, error):
                    yield event
                try:
                    await self._restart(connection, codec)
                except ProviderError:
                    yield BidiConnectionCloseEvent(connection_id, "error")
                    raise
                if self._codec is codec:
                    connection_id = codec.session_id or "unnamed"
                    yield BidiConnectionStartEvent(connection_id, self.model_id)
            else:
                for event in events:
                    yield event
        yield BidiConnectionCloseEvent(connection_id, "user_request")

    async def _next(self, connection: RealtimeConnection, codec: OpenAIRealtimeCodec) -> list[BidiOutputEvent]:
        """Take one message, answer it, and return its events."""
        try:
            message = await connection.receive()
        except EventError as error:
            self.context.log("malformed_message", source="error", detail={"error": str(error)})
            return []
        self._n_messages += 1
        clock = self.context.clock
        audible = self._audible.active_responses(clock.now_s())
        events = [self._audible.follow(event, clock.now_s()) for event in codec.feed(message, audible=audible)]
        # What the codec has to say comes before anyone hears of the events: a cancel must not wait for a consumer.
        await self._flush()
        if codec.expired:
            await connection.close()
        return events

    # Connection

    def _lost(self, codec: OpenAIRealtimeCodec, error: ProviderConnectionError) -> list[BidiOutputEvent]:
        why = ProviderConnectionError("the session is too old for OpenAI") if codec.expired else error
        self._connection = None
        failure = Failure(service="OpenAI", code=ABNORMAL_CLOSE, reason=str(why), kind="lost")
        clock = self.context.clock
        events = [self._audible.follow(event, clock.now_s()) for event in codec.connection_over(failure)]
        self._log_rows(codec)
        return [*events, BidiConnectionRestartEvent(why)]

    async def _restart(self, lost: RealtimeConnection, codec: OpenAIRealtimeCodec) -> None:
        """Make the connection anew, with the history.

        Raises
        ------
        ProviderError
            If every attempt failed, or the service refuses.
        """
        await lost.close()
        clock, log = self.context.clock, self.context.log
        last: ProviderConnectionError | None = None
        for attempt in range(self._client.reconnect_attempts):
            await clock.sleep_s(self._client.delay_s(attempt))
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
        raise ProviderConnectionError(f"the connection to OpenAI is lost, {attempts} failed") from last

    async def _flush(self) -> None:
        """Send what the codec has to say; without a connection it waits there for the next one."""
        codec, connection = self._codec, self._connection
        if codec is None:
            return
        self._log_rows(codec)
        if connection is None:
            return
        try:
            await self._send_all(connection, codec)
        except ProviderConnectionError as error:
            # Whoever iterates `receive` finds the same loss and deals with it; here it is only noted.
            self.context.log("send_failed", source="error", detail={"error": error})

    async def _send_all(self, connection: RealtimeConnection, codec: OpenAIRealtimeCodec) -> None:
        async with self._sending:  # or two senders could swap an audio chunk and the commit behind it
            for message in codec.take_messages():
                await connection.send(message)

    def _log_rows(self, codec: OpenAIRealtimeCodec) -> None:
        for row in codec.take_rows():
            self.context.log(row.type, source=row.source, detail=row.detail, **row.columns)
        if codec.settled:
            self._settled.set()
        else:
            self._settled.clear()
