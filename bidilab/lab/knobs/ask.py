"""Ask a provider with known audio which settings of its detector are in effect."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.model import ModelProtocol
from bidilab.bidi.models import BidiOpenAIRealtimeModel
from bidilab.bidi.providers.registry import PROVIDERS
from bidilab.core.audio import Audio
from bidilab.core.audiofile import read_audio
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import ServerVad
from bidilab.lab.knobs.fit import DetectorFit, fit_detector
from bidilab.lab.knobs.speech import knob_speech
from bidilab.lab.sessions import replay

__all__ = ["ASKED", "probe_model", "probe_provider", "provider_title"]

ASKED = ServerVad(threshold=0.7, prefix_padding_ms=200, silence_duration_ms=700)
"""What a probe asks for by itself: values that no provider has by default, so that an ignored knob shows."""
_NO_KEY = "not needed by a server of one's own"


def probe_provider(
    provider: str,
    turn_detection: ServerVad | Mapping[str, Any] = ASKED,
    *,
    audio: Audio | str | os.PathLike[str] | None = None,
    api_key: str | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> DetectorFit:
    """Send known audio to a provider, read back where it says that speech started and stopped, and fit our detector.

    It takes as long as the audio, and the provider charges for it. No response is asked for.

    Parameters
    ----------
    provider
        ``"openai"``, ``"gemini"``, or the URL of a server that speaks OpenAI's Realtime protocol, such as
        ``ws://127.0.0.1:8765/v1/realtime`` of ``bidilab serve``.
    turn_detection
        What to ask for. Use values other than the provider's defaults: only then can you see that a knob is ignored.
    audio
        What to send; by default 90 s of `knob_speech`.
    api_key
        For a URL, if the server needs one; the named providers take theirs from the environment.
    out
        Folder to save the session in, as `replay` does.
    progress
        Whether to show a bar of seconds.

    Returns
    -------
    DetectorFit
        Which settings are in effect, how sure that is, and which knobs were ignored.

    Raises
    ------
    InvalidParameterError
        If the provider is unknown, or reports no positions of speech, such as Nova Sonic.
    CredentialsError
        If there is no key for it.

    Examples
    --------
    >>> probe_provider("ws://127.0.0.1:8765/v1/realtime", {"threshold": 0.6})  # doctest: +SKIP
    """
    if audio is None:
        sent = knob_speech()
    elif isinstance(audio, Audio):
        sent = audio
    else:
        sent = read_audio(audio)
    asked = turn_detection if isinstance(turn_detection, ServerVad) else ServerVad.from_dict(turn_detection)
    model = probe_model(provider, asked, api_key)
    session = replay(sent, model, clock="real", out=out, progress=progress)
    log: EventLog = session.log
    wanted = {name: getattr(asked, name) for name in ("threshold", "prefix_padding_ms", "silence_duration_ms")}
    return fit_detector(log, sent, asked=wanted if provider != "gemini" else None, provider=provider_title(provider))


def provider_title(provider: str) -> str:
    """Return what a provider is called; a URL stays as it is."""
    return PROVIDERS[provider].title if provider in PROVIDERS else provider


def probe_model(provider: str, asked: ServerVad, api_key: str | None) -> ModelProtocol:
    """Return a model of a provider, or of the server at a URL, that detects turns as asked and makes no response.

    Raises
    ------
    InvalidParameterError
        If the provider is unknown, or reports no positions of speech, such as Nova Sonic.
    """
    if provider == "nova":
        raise InvalidParameterError(
            "provider", "one that tells where speech starts and stops", "nova: Nova Sonic tells no positions of speech"
        )
    silent = ServerVad(
        threshold=asked.threshold,
        prefix_padding_ms=asked.prefix_padding_ms,
        silence_duration_ms=asked.silence_duration_ms,
        create_response=False,
    )
    if provider.startswith(("ws://", "wss://")):
        return BidiOpenAIRealtimeModel(
            provider_config={"turn_detection": silent},
            client_config={
                "api_key": api_key or _NO_KEY,
                "websocket_base_url": provider.rstrip("/").removesuffix("/realtime"),
            },
        )
    if provider not in PROVIDERS:
        names = ", ".join(name for name in PROVIDERS if name != "nova")
        raise InvalidParameterError("provider", f"{names}, or a URL that begins with ws:// or wss://", provider)
    return PROVIDERS[provider].build(silent)
