"""Amazon Nova Sonic: `BidiNovaSonicModel`, a session with it, and what it is as a provider."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bidilab.bidi.providers.failures import Failure
from bidilab.bidi.providers.nova import NOVA_SONIC_V2, NovaSettings, NovaSonicCodec
from bidilab.bidi.providers.nova.connection import (
    CONNECTION_LIMIT_S,
    MODULES,
    SERVICE,
    ClientSettings,
    NovaConnection,
    connect,
    require_nova,
)
from bidilab.bidi.providers.provider import InterruptionFacts, Provider, missing_extra
from bidilab.bidi.providers.shell import ProviderModel
from bidilab.detect.turns import EXPORT_TARGETS, NovaTurnDetection, TurnParams

__all__ = ["NOVA", "BidiNovaSonicModel"]

_RENEW_BEFORE_LIMIT_S = 10.0
_LOOK_AGAIN_S = 0.25
_LIMIT = Failure(
    service=SERVICE, code="ConnectionLimit", reason="it nears its limit of 8 minutes", kind="lost", planned=True
)


class BidiNovaSonicModel(ProviderModel[NovaSonicCodec, NovaConnection]):
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
        ``reconnect_delay_s``, ``reconnect_reset_s``, ``restart_after_s``, ``settle_s``; see `ClientSettings`.

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
    is generating *or still audible* then (by what outputs report, or else by an estimate) is cut. It cannot be
    told how much was heard. When it owes nothing more, it does not say either: `settled` waits for ``settle_s`` of
    silence.

    A connection lasts 8 minutes. It is renewed before, with the history, when no response is active, or 10 s before
    the end in any case; audio that comes meanwhile is dropped and logged (``input_dropped``).
    """

    _settings: NovaSettings
    _client: ClientSettings

    def __init__(
        self,
        model_id: str = NOVA_SONIC_V2,
        provider_config: Mapping[str, Any] | None = None,
        client_config: Mapping[str, Any] | None = None,
    ) -> None:
        settings = NovaSettings.from_config(provider_config, model_id=model_id)
        super().__init__(model_id, settings, ClientSettings.from_config(client_config))
        require_nova()

    def _turn_detection_config(self) -> dict[str, Any]:
        return self._settings.turn_detection_configuration or {}

    # Connection

    def _make_codec(self, system_prompt: str | None, tools: Sequence[Mapping[str, Any]]) -> NovaSonicCodec:
        return NovaSonicCodec(self._settings, system_prompt=system_prompt, tools=tools)

    async def _connect(self, codec: NovaSonicCodec) -> NovaConnection | Failure:  # noqa: ARG002
        return await connect(self._client, self.model_id)

    async def _begin(self, connection: NovaConnection, codec: NovaSonicCodec) -> Failure | None:
        """Ask the service for the session. What it refuses after its answer comes out of `receive`."""
        codec.begin(self._messages)
        unsent = await self._send_all(connection, codec)
        if (failure := await connection.refused() or unsent) is None:
            self._begun_s = self.context.clock.now_s()
        return failure

    def _connection_id(self, codec: NovaSonicCodec) -> str:
        return codec.prompt

    async def _receive(self, connection: NovaConnection, codec: NovaSonicCodec) -> Mapping[str, Any] | Failure | None:
        if (wait_s := self._until_renewal_s(codec)) <= 0:
            await self._leave(connection, codec)
            return _LIMIT
        try:
            async with asyncio.timeout(wait_s):
                return await connection.receive()
        except TimeoutError:
            return None

    def _until_renewal_s(self, codec: NovaSonicCodec) -> float:
        now_s = self.context.clock.now_s()
        age_s = now_s - self._begun_s
        if age_s < self._client.restart_after_s:
            return self._client.restart_after_s - age_s
        quiet = codec.settled and not self.ledger.active_responses(now_s)
        return 0.0 if quiet or age_s >= CONNECTION_LIMIT_S - _RENEW_BEFORE_LIMIT_S else _LOOK_AGAIN_S

    async def _leave(self, connection: NovaConnection, codec: NovaSonicCodec) -> None:
        """Say that the session is over, as the service asks, and close."""
        codec.finish()
        await self._send_all(connection, codec)
        self._log_rows(codec)
        await connection.close()

    @property
    def _silence_ms(self) -> int:
        return self._settings.pause_ms


_PYTHON = tuple(sys.version_info[:2])


def _unusable() -> str | None:
    # AWS's tools look for the key in many places, some of them slow; that there is none is said at the start.
    if _PYTHON < (3, 12):
        return f"needs Python 3.12 or newer, and the kernel runs {_PYTHON[0]}.{_PYTHON[1]}"
    return missing_extra("nova", *MODULES)


def _meaning(given: Mapping[str, Any] | NovaTurnDetection) -> TurnParams:
    return (given if isinstance(given, NovaTurnDetection) else NovaTurnDetection.from_dict(given)).canonical()


NOVA: Final = Provider(
    name="nova",
    title="Amazon Nova Sonic",
    model=BidiNovaSonicModel,
    params=NovaTurnDetection,
    meaning=_meaning,
    codec=NovaSonicCodec,
    connection=NovaConnection,
    interruption=InterruptionFacts(
        on_the_wire='`textOutput` with `{ "interrupted" : true }`, and `contentEnd` with the stop reason `INTERRUPTED`',
        comes_first="whichever of the two comes first; the start of speech is not reported",
        to_be_cleared="all audio of the response that has not been played",
        told_of_heard="nothing: there is no event for it",
        messages=("textOutput", "contentEnd"),
        documents=(
            "Amazon Nova 2 user guide, output events and turn-taking (2026)",
            "Amazon Bedrock API reference, `InvokeModelWithBidirectionalStream` (2026)",
        ),
    ),
    export=EXPORT_TARGETS["nova"],
    unusable=_unusable,
)
