"""OpenAI Realtime: `BidiOpenAIRealtimeModel`, a session with its API, and what it is as a provider."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bidilab.bidi.providers.failures import ABNORMAL_CLOSE, Failure
from bidilab.bidi.providers.openai import OpenAIRealtimeCodec, SemanticVad, SessionSettings, longest_wait_ms
from bidilab.bidi.providers.openai import turn_detection as read_turn_detection
from bidilab.bidi.providers.openai.connection import KEY_VARIABLE, SERVICE, ClientSettings, RealtimeConnection, connect
from bidilab.bidi.providers.provider import InterruptionFacts, Provider, missing_key
from bidilab.bidi.providers.shell import ProviderModel
from bidilab.bidi.types.events import BidiErrorEvent
from bidilab.core.errors import EventError
from bidilab.detect.turns import EXPORT_TARGETS, ServerVad, TurnParams

__all__ = ["OPENAI", "BidiOpenAIRealtimeModel"]

_EXPIRED = Failure(service=SERVICE, code="session_expired", reason="the session is too old", kind="lost")


class BidiOpenAIRealtimeModel(ProviderModel[OpenAIRealtimeCodec, RealtimeConnection]):
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
        ``websocket_base_url``, ``timeout_s``, ``reconnect_attempts``, ``reconnect_delay_s``,
        ``reconnect_reset_s``; see `ClientSettings`.

    Raises
    ------
    InvalidParameterError
        If a key is unknown or a value not allowed.
    CredentialsError
        If there is no key.

    Notes
    -----
    An interruption is acted upon at ``speech_started``, when a response is generating *or still audible* (by what
    outputs report, or else by an estimate) and ``interrupt_response`` is on.
    """

    _settings: SessionSettings
    _client: ClientSettings

    def __init__(
        self,
        model_id: str = "gpt-realtime",
        provider_config: Mapping[str, Any] | None = None,
        client_config: Mapping[str, Any] | None = None,
    ) -> None:
        settings = SessionSettings.from_config(provider_config)
        super().__init__(model_id, settings, ClientSettings.from_config(client_config))

    def _turn_detection_config(self) -> Any:
        return self._settings.to_dict()["audio"]["input"]["turn_detection"]

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

    # Connection

    def _make_codec(self, system_prompt: str | None, tools: Sequence[Mapping[str, Any]]) -> OpenAIRealtimeCodec:
        return OpenAIRealtimeCodec(self._settings, system_prompt=system_prompt, tools=tools)

    async def _connect(self, codec: OpenAIRealtimeCodec) -> RealtimeConnection | Failure:  # noqa: ARG002
        return await connect(self._client, self.model_id)

    async def _begin(self, connection: RealtimeConnection, codec: OpenAIRealtimeCodec) -> Failure | None:
        try:
            async with asyncio.timeout(self._client.timeout_s):
                return await self._configure(connection, codec)
        except TimeoutError:
            why = f"it did not confirm the session within {self._client.timeout_s:g} s"
            return Failure(service=SERVICE, code=ABNORMAL_CLOSE, reason=why, kind="unreachable")

    async def _configure(self, connection: RealtimeConnection, codec: OpenAIRealtimeCodec) -> Failure | None:
        codec.configure()
        if (failure := await self._send_all(connection, codec)) is not None:
            return failure
        while codec.effective_session is None:
            if (failure := await self._take_setup_message(connection, codec)) is not None:
                return failure
        codec.resume(self._messages)
        return await self._send_all(connection, codec)

    async def _take_setup_message(self, connection: RealtimeConnection, codec: OpenAIRealtimeCodec) -> Failure | None:
        try:
            message = await connection.receive()
        except EventError as error:
            self._log_malformed(error)
            return None
        if isinstance(message, Failure):
            return message
        for event in self._follow(codec.feed(message)):
            if isinstance(event, BidiErrorEvent):
                return Failure(service=SERVICE, code=event.code, reason=event.message, kind="refused")
            self._early.append(event)
        return None

    def _connection_id(self, codec: OpenAIRealtimeCodec) -> str:
        return codec.session_id or "unnamed"

    async def _receive(
        self, connection: RealtimeConnection, codec: OpenAIRealtimeCodec
    ) -> Mapping[str, Any] | Failure | None:
        return _EXPIRED if codec.expired else await connection.receive()

    # Turns by hand, and other settings

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

    @property
    def _silence_ms(self) -> int:
        return longest_wait_ms(self._settings.turn_detection)


def _meaning(given: Mapping[str, Any] | ServerVad | SemanticVad) -> TurnParams | None:
    if isinstance(given, SemanticVad) or (
        isinstance(given, Mapping) and given.get("type", "server_vad") != "server_vad"
    ):
        return None  # a model judges: there are no parameters to go by
    return (given if isinstance(given, ServerVad) else ServerVad.from_dict(given)).canonical()


OPENAI: Final = Provider(
    name="openai",
    title="OpenAI Realtime",
    model=BidiOpenAIRealtimeModel,
    params=ServerVad,
    meaning=_meaning,
    codec=OpenAIRealtimeCodec,
    connection=RealtimeConnection,
    interruption=InterruptionFacts(
        on_the_wire="`input_audio_buffer.speech_started`; if the response is still being generated, also "
        "`response.done` with status `cancelled`",
        comes_first="`input_audio_buffer.speech_started`, whether or not a response is being generated",
        to_be_cleared="all audio of the response that has not been played, and any of it that still arrives",
        told_of_heard="`conversation.item.truncate` with `audio_end_ms`: the conversation keeps what was heard",
        messages=("input_audio_buffer.speech_started", "response.done"),
        documents=(
            "Realtime API reference and guide, GA protocol (2026)",
            "types of the `openai` package 3.54 (2026)",
        ),
    ),
    export=EXPORT_TARGETS["openai"],
    also_takes=(SemanticVad,),
    unusable=lambda: missing_key(KEY_VARIABLE),
)
