"""Models of providers by name: what each takes as turn detection, and what that means."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from bidilab.bidi.model import ModelProtocol
from bidilab.bidi.providers.gemini import GeminiTurnDetection
from bidilab.bidi.providers.gemini import turn_detection as read_gemini
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import GeminiActivityDetection, NovaTurnDetection, ServerVad, TurnParams

__all__ = ["PROVIDER_MODELS", "provider_model", "provider_params"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Provider:
    model: str
    takes: tuple[type, ...]
    in_words: str
    canonical: Callable[[Any], TurnParams | None]


def _openai_params(given: Mapping[str, Any] | ServerVad) -> TurnParams | None:
    if isinstance(given, Mapping) and given.get("type", "server_vad") != "server_vad":
        return None  # a model judges: there are no parameters to go by
    return (given if isinstance(given, ServerVad) else ServerVad.from_dict(given)).canonical()


def _gemini_params(given: Any) -> TurnParams | None:
    read = read_gemini(given)
    return None if read.manual else read.detection.canonical()


def _nova_params(given: Mapping[str, Any] | NovaTurnDetection) -> TurnParams | None:
    return (given if isinstance(given, NovaTurnDetection) else NovaTurnDetection.from_dict(given)).canonical()


PROVIDER_MODELS: Final[Mapping[str, _Provider]] = MappingProxyType(
    {
        "openai": _Provider(
            model="BidiOpenAIRealtimeModel",
            takes=(Mapping, ServerVad),
            in_words="ServerVad or its dict",
            canonical=_openai_params,
        ),
        "nova": _Provider(
            model="BidiNovaSonicModel",
            takes=(Mapping, NovaTurnDetection),
            in_words="NovaTurnDetection or its dict",
            canonical=_nova_params,
        ),
        "gemini": _Provider(
            model="BidiGeminiLiveModel",
            takes=(Mapping, GeminiActivityDetection, GeminiTurnDetection),
            in_words="GeminiActivityDetection or its dict",
            canonical=_gemini_params,
        ),
    }
)
"""Names by which a session asks for a model on a network."""


def _check(name: str, turn_detection: object) -> _Provider:
    provider = PROVIDER_MODELS[name]
    if turn_detection is not None and not isinstance(turn_detection, provider.takes):
        raise InvalidParameterError("turn_detection", f"{provider.in_words} for {name}", turn_detection)
    return provider


def provider_model(name: str, turn_detection: Any = None) -> ModelProtocol:
    """The model of a provider, with the key that the environment holds.

    Parameters
    ----------
    name
        One of `PROVIDER_MODELS`.
    turn_detection
        The provider's own parameters or their dict; ``None`` leaves them to the model.

    Raises
    ------
    InvalidParameterError
        If ``turn_detection`` is none of the provider's.
    CredentialsError
        If there is no key; for Nova Sonic that comes out at the start, as AWS's tools may have to ask for one.
    MissingExtraError
        If the provider's extra is not installed.
    """
    provider = _check(name, turn_detection)
    given = turn_detection.to_dict() if isinstance(turn_detection, ServerVad) else turn_detection
    made: ModelProtocol = getattr(importlib.import_module("bidilab.bidi.models"), provider.model)(
        provider_config={} if given is None else {"turn_detection": given}
    )
    return made


def provider_params(name: str, turn_detection: Any) -> TurnParams | None:
    """Canonical parameters of what a provider was asked for; ``None`` where it was left to it, or has none."""
    provider = _check(name, turn_detection)
    return None if turn_detection is None else provider.canonical(turn_detection)
