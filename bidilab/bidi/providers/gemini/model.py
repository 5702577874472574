"""`BidiGeminiLiveModel`: a session with Gemini's Live API.

The codec (`bidilab.bidi.providers.gemini`) decides; this is the shell about it:
connection, reconnection, log, and what is
audible. Whoever iterates `BidiGeminiLiveModel.receive` drives it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from bidilab.bidi.model import BidiModel, ModelInput, PlaybackReport
from bidilab.bidi.providers.failures import Failure
from bidilab.bidi.providers.gemini import OUTPUT_RATE, GeminiLiveCodec, GeminiSettings
from bidilab.bidi.providers.gemini.connection import (
    ClientSettings,
    GeminiConnection,
    check_session,
    connect,
    require_gemini,
)
from bidilab.bidi.providers.gemini.failures import SERVICE
from bidilab.bidi.providers.waking import WakingReceiver
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

__all__ = ["BidiGeminiLiveModel"]

_SILENCE_MARGIN_MS = 500
_GOING_AWAY = Failure(service=SERVICE, code=1001, reason="the server said goAway", kind="lost", planned=True)


class BidiGeminiLiveModel(BidiModel):
    """A model of Gemini's Live API. Needs the extra ``gemini``.

    Parameters
    ----------
    model_id
        Name of the model.
    provider_config
        ``audio`` (``input_rate``, ``voice``; fixed by the API and accepted as they are: ``output_rate`` 24000,
        ``channels`` 1, ``format`` ``"pcm"``), ``inference`` (fields of ``LiveConnectConfig``, such as
        ``response_modalities``, ``temperature``, ``speech_config``, ``input_audio_transcription``), and
        ``turn_detection``: an object with ``start_of_speech_sensitivity``, ``end_of_speech_sensitivity``,
        ``prefix_padding_ms``, ``silence_duration_ms``, ``disabled``, ``activity_handling`` and ``turn_coverage``,
        `GeminiActivityDetection`, `GeminiTurnDetection`, or ``None`` for turns by hand (`activity_start`). Every key is
        honoured; an unknown one is an error.
    client_config
        ``api_key`` (or ``GOOGLE_API_KEY`` or ``GEMINI_API_KEY`` in the environment), ``vertexai``, ``project``,
        ``location``, ``http_options``, ``timeout_s``, ``reconnect_attempts``, ``reconnect_delay_s``, ``settle_s``; see
        `ClientSettings`.

    Raises
    ------
    InvalidParameterError
        If a key is unknown or a value not allowed.
    CredentialsError
        If there is no key.
    MissingExtraError
        If the extra ``gemini`` is not installed.

    Notes
    -----
    The service interrupts by itself and tells it by ``interrupted``; what is generating *or still audible* then (by
    what outputs report, or else by `PlayoutEstimate`) is cut. It cannot be told how much was heard. Of the user's
    speech it tells no more than the words, unless it sends ``voiceActivity``. When it owes nothing more, it does not
    say: `settled` waits for ``settle_s`` of silence.

    A connection lasts about 10 minutes. When the service says ``goAway``, the session moves to another connection at
    the end of the model's turn, by the handle that the service gave, or else with the history.
    """

    def __init__(
        self,
        model_id: str = "gemini-2.5-flash-native-audio-preview-09-2025",
        provider_config: Mapping[str, Any] | None = None,
        client_config: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(model_id, str) or not model_id:
            raise InvalidParameterError("model_id", "the name of a model", model_id)
        self._settings = GeminiSettings.from_config(provider_config)
        self._client = ClientSettings.from_config(client_config)
        require_gemini()
        check_session(self._settings.to_dict())
        self.model_id = model_id
        self.config = {
            "audio": self._settings.audio_config(),
            "inference": dict(self._settings.inference),
            "turn_detection": self._settings.turn_detection.to_dict(),
        }
        self._codec: GeminiLiveCodec | None = None
        self._connection: GeminiConnection | None = None
        self._messages: Sequence[Mapping[str, Any]] = ()

    def __repr__(self) -> str:
        return f"BidiGeminiLiveModel({self.model_id!r}, turn_detection={self._settings.turn_detection!r})"

    @property
    def effective_turn_detection(self) -> dict[str, Any]:
        """What was asked for at the start, in Google's words; the service does not say what it goes by."""
        return dict(self.config["turn_detection"])

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
            raise SessionError("the model runs already: stop it before it is started again")
        self._codec = GeminiLiveCodec(
            self._settings,
            system_prompt=system_prompt,
            tools=tools or (),
            seeds_history=not self._client.vertexai,
        )
        self._audible = AudibleResponses(sample_rate=OUTPUT_RATE)
        self._messages = tuple(messages or ())
        self._early: list[BidiOutputEvent] = []
        self._receiver: WakingReceiver[dict[str, Any] | Failure] | None = None
        self._sending = asyncio.Lock()
        self._stopped = asyncio.Event()
        self._n_failures = 0
        self._active_s = self.context.clock.now_s()
        try:
            failure = await self._establish()
        except BaseException:
            self._codec = None
            raise
        if failure is not None:
            self._codec = None
            raise failure.error()

    async def stop(self) -> None:
        """Close the connection; `receive` then ends. Twice, or before the start, is no error."""
        connection, codec = self._connection, self._codec
        self._connection = self._codec = None
        if codec is not None:
            self._stopped.set()
        if connection is not None:
            await connection.close()

    def _running(self) -> GeminiLiveCodec:
        if self._codec is None:
            raise SessionError("the model is not running: start it first")
        return self._codec

    async def _establish(self) -> Failure | None:
        """Connect, and tell what the session needs to know; return why it could not."""
        codec = self._running()
        session = codec.configure(self._messages)
        self._log_rows(codec)
        connection = await connect(self._client, self.model_id, session)
        if isinstance(connection, Failure):
            return connection
        if self._codec is not codec:  # stopped meanwhile
            await connection.close()
            return None
        codec.resume()
        self._connection = connection
        if self._settings.turn_detection.manual:
            self._receiver = WakingReceiver(connection.receive)
        await self._flush()
        return None

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

    async def activity_start(self) -> None:
        """The user begins, by hand: for detection that is disabled. What is only audible still is cut.

        `receive` tells of the cut at once; what is generating the service cuts itself.

        Raises
        ------
        SessionError
            If the model is not running, the service detects activity itself, or activity is open.
        """
        now_s = self.context.clock.now_s()
        events = self._running().activity_start(audible=self._audible.active_responses(now_s))
        self._early += self._follow(events)
        if self._receiver is not None:
            self._receiver.wake()
        await self._flush()

    async def activity_end(self) -> None:
        """The user is done, by hand: an answer is to follow.

        Raises
        ------
        SessionError
            If the model is not running, the service detects activity itself, or no activity is open.
        """
        self._running().activity_end()
        await self._flush()

    async def end_of_audio(self) -> None:
        """Let an open turn end: give the service the silence that it waits for, or end the activity by hand."""
        self._running().end_audio(self._settings.turn_detection.longest_wait_ms + _SILENCE_MARGIN_MS)
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
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._stopped.wait()

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
            `BidiConnectionStartEvent` first, `BidiConnectionCloseEvent` last; when the connection was lost or the
            service went away, `BidiConnectionRestartEvent`, and `BidiConnectionStartEvent` again once it stands.

        Raises
        ------
        SessionError
            If the model is not running.
        ProviderError
            If the service refused what it was asked, or the connection could not be made anew.
        """
        codec = self._running()
        number = 1  # the service does not always name its sessions: connections are counted
        yield BidiConnectionStartEvent(f"gemini_{number}", self.model_id)
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
                yield BidiConnectionCloseEvent(f"gemini_{number}", "error")
                raise
            number += 1
            if self._codec is codec:
                yield BidiConnectionStartEvent(f"gemini_{number}", self.model_id)
        yield BidiConnectionCloseEvent(f"gemini_{number}", "user_request")

    async def _next(self, connection: GeminiConnection, codec: GeminiLiveCodec) -> list[BidiOutputEvent] | Failure:
        """Take one message and return the events it makes; or the end of the connection."""
        if codec.to_move:
            return _GOING_AWAY
        try:
            # Only where activity is marked by hand has the model something to tell between two messages.
            message = await (connection.receive() if self._receiver is None else self._receiver.next())
        except EventError as error:
            self.context.log("malformed_message", source="error", detail={"error": str(error)})
            return []
        if isinstance(message, Failure):
            return message
        early, self._early = self._early, []
        if message is None:
            return early
        self._n_failures = 0
        now_s = self._active_s = self.context.clock.now_s()
        events = codec.feed(message, audible=self._audible.active_responses(now_s))
        self._log_rows(codec)
        return [*early, *self._follow(events)]

    def _follow(self, events: Iterable[BidiOutputEvent]) -> list[BidiOutputEvent]:
        now_s = self.context.clock.now_s()
        return [self._audible.follow(event, now_s) for event in events]

    # Connection

    def _connection_over(self, codec: GeminiLiveCodec, failure: Failure) -> list[BidiOutputEvent]:
        self._connection = self._receiver = None
        early, self._early = self._early, []
        events = [*early, *self._follow(codec.connection_over(failure))]
        self._log_rows(codec)
        return events

    async def _restart(self, codec: GeminiLiveCodec, why: Failure) -> None:
        """Make the connection anew: by the handle, or else with the history.

        Raises
        ------
        ProviderError
            If every attempt failed, or the service refuses.
        """
        clock, log = self.context.clock, self.context.log
        # Only a message of the service shows that a session stands: one that ends at once counts as a failure too.
        while self._n_failures < self._client.reconnect_attempts:
            attempt, self._n_failures = self._n_failures, self._n_failures + 1
            await clock.sleep_s(0.0 if why is _GOING_AWAY and not attempt else self._client.delay_s(attempt))
            if self._codec is not codec:
                return  # stopped meanwhile
            failure = await self._establish()
            if failure is None:
                log("reconnected", source="model", detail={"attempt": attempt + 1, "resumed": codec.handle is not None})
                return
            log("reconnect_failed", source="error", detail={"attempt": attempt + 1, "error": failure.error()})
            if failure.kind == "refused" and codec.handle is not None:
                codec.forget_handle()  # it may be too old: begin anew, with the history
            elif failure.kind in ("credentials", "refused"):
                raise failure.error()
            why = failure
        attempts = f"{self._client.reconnect_attempts} attempts to reconnect"
        raise ProviderConnectionError(f"the connection to Gemini is lost, {attempts} failed") from why.error()

    async def _flush(self) -> None:
        """Send what the codec has to say; without a connection it waits there for the next one."""
        codec, connection = self._codec, self._connection
        if codec is None:
            return
        self._log_rows(codec)
        if connection is None:
            return
        async with self._sending:  # or two senders could swap the audio and the end of an activity behind it
            for message in codec.take_messages():
                if (failure := await connection.send(message)) is not None:
                    # Whoever iterates `receive` finds the same failure and deals with it; here it is only noted.
                    detail = {"code": failure.code, "reason": failure.reason}
                    self.context.log("send_failed", source="error", detail=detail)
                    return

    def _log_rows(self, codec: GeminiLiveCodec) -> None:
        for row in codec.take_rows():
            self.context.log(row.type, source=row.source, detail=row.detail, **row.columns)
