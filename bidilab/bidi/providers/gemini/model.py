"""Gemini Live: `BidiGeminiLiveModel`, a session with its Live API, and what it is as a provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bidilab.bidi.providers.failures import Failure
from bidilab.bidi.providers.gemini import GeminiLiveCodec, GeminiSettings, GeminiTurnDetection, turn_detection
from bidilab.bidi.providers.gemini.connection import (
    KEY_VARIABLES,
    SERVICE,
    ClientSettings,
    GeminiConnection,
    check_session,
    connect,
    require_gemini,
)
from bidilab.bidi.providers.provider import InterruptionFacts, Provider, missing_extra, missing_key
from bidilab.bidi.providers.shell import ProviderModel
from bidilab.bidi.tasks import WakingReceiver
from bidilab.detect.turns import EXPORT_TARGETS, GeminiActivityDetection, TurnParams

__all__ = ["GEMINI", "BidiGeminiLiveModel"]

_GOING_AWAY = Failure(service=SERVICE, code=1001, reason="the server said goAway", kind="lost", planned=True)


class BidiGeminiLiveModel(ProviderModel[GeminiLiveCodec, GeminiConnection]):
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
        ``location``, ``http_options``, ``timeout_s``, ``reconnect_attempts``, ``reconnect_delay_s``,
        ``reconnect_reset_s``, ``settle_s``; see
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
    what outputs report, or else by an estimate) is cut. It cannot be told how much was heard. Of the user's
    speech it tells no more than the words, unless it sends ``voiceActivity``. When it owes nothing more, it does not
    say: `settled` waits for ``settle_s`` of silence.

    A connection lasts about 10 minutes. When the service says ``goAway``, the session moves to another connection at
    the end of the model's turn, by the handle that the service gave, or else with the history.
    """

    _settings: GeminiSettings
    _client: ClientSettings

    def __init__(
        self,
        model_id: str = "gemini-2.5-flash-native-audio-preview-09-2025",
        provider_config: Mapping[str, Any] | None = None,
        client_config: Mapping[str, Any] | None = None,
    ) -> None:
        settings = GeminiSettings.from_config(provider_config)
        super().__init__(model_id, settings, ClientSettings.from_config(client_config))
        require_gemini()
        check_session(settings.to_dict())
        self._receiver: WakingReceiver[dict[str, Any] | Failure] | None = None
        self._n_connections = 0

    def _turn_detection_config(self) -> dict[str, Any]:
        return self._settings.turn_detection.to_dict()

    # Connection

    def _make_codec(self, system_prompt: str | None, tools: Sequence[Mapping[str, Any]]) -> GeminiLiveCodec:
        self._n_connections = 0
        seeds = not self._client.vertexai
        return GeminiLiveCodec(self._settings, system_prompt=system_prompt, tools=tools, seeds_history=seeds)

    async def _connect(self, codec: GeminiLiveCodec) -> GeminiConnection | Failure:
        session = codec.configure(self._messages)
        self._log_rows(codec)
        return await connect(self._client, self.model_id, session)

    async def _begin(self, connection: GeminiConnection, codec: GeminiLiveCodec) -> Failure | None:
        codec.resume()
        self._n_connections += 1
        # Only where activity is marked by hand has the model something to tell between two messages.
        manual = self._settings.turn_detection.manual
        self._receiver = WakingReceiver(connection.receive) if manual else None
        return None

    def _connection_id(self, codec: GeminiLiveCodec) -> str:  # noqa: ARG002
        return f"gemini_{self._n_connections}"  # the service does not always name its sessions: they are counted

    async def _receive(
        self, connection: GeminiConnection, codec: GeminiLiveCodec
    ) -> Mapping[str, Any] | Failure | None:
        if codec.to_move:
            return _GOING_AWAY
        return await (connection.receive() if self._receiver is None else self._receiver.next())

    def _retries(self, codec: GeminiLiveCodec, failure: Failure) -> bool:
        if failure.kind == "refused" and codec.handle is not None:
            codec.forget_handle()  # it may be too old: begin anew, with the history
            return True
        return not failure.final

    def _reconnected(self, codec: GeminiLiveCodec) -> dict[str, Any]:
        return {"resumed": codec.handle is not None}

    # Activity by hand

    async def activity_start(self) -> None:
        """The user begins, by hand: for detection that is disabled. What is only audible still is cut.

        `receive` tells of the cut at once; what is generating the service cuts itself.

        Raises
        ------
        SessionError
            If the model is not running, the service detects activity itself, or activity is open.
        """
        now_s = self.context.clock.now_s()
        self._early += self._follow(self._running().activity_start(audible=self.ledger.active_responses(now_s)))
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

    @property
    def _silence_ms(self) -> int:
        return self._settings.turn_detection.longest_wait_ms


def _meaning(given: Any) -> TurnParams | None:
    read = turn_detection(given)
    return None if read.manual else read.detection.canonical()


GEMINI: Final = Provider(
    name="gemini",
    title="Gemini Live",
    model=BidiGeminiLiveModel,
    params=GeminiActivityDetection,
    meaning=_meaning,
    codec=GeminiLiveCodec,
    connection=GeminiConnection,
    interruption=InterruptionFacts(
        on_the_wire="`serverContent` with `interrupted`, then one with `turnComplete`, and no "
        "`generationComplete`; `toolCallCancellation` for calls whose results are no longer wanted",
        comes_first="`interrupted`. The start of speech is reported only if the service sends `voiceActivity`; "
        "nothing is reported if the model's turn is over but its audio still plays",
        to_be_cleared="all audio of the turn that has not been played; what arrives before `turnComplete` belongs "
        "to it",
        told_of_heard="nothing: there is no message for it",
        messages=("serverContent", "toolCallCancellation", "voiceActivity"),
        documents=(
            "Live API WebSocket reference and capabilities guide (2026)",
            "types of the `google-genai` package 3.4 (2026)",
        ),
    ),
    export=EXPORT_TARGETS["gemini"],
    also_takes=(GeminiTurnDetection,),
    unusable=lambda: missing_extra("gemini", "google.genai") or missing_key(*KEY_VARIABLES),
)
