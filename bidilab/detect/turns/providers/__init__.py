"""What providers call their turn detection knobs, and what those mean in the canonical set.

Each provider has a frozen dataclass with its own names, bounds and defaults. ``canonical()`` gives the `TurnParams`
that behave like it; what a provider does not publish is an assumption and is named as one in the docstring.
``to_dict()`` gives the provider's own names, ``nearest()`` the parameters nearest to canonical ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeGuard

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns.providers.base import ProviderParams, SweptParams
from bidilab.detect.turns.providers.gemini import GeminiActivityDetection
from bidilab.detect.turns.providers.livekit import LiveKitVad
from bidilab.detect.turns.providers.nova import NovaTurnDetection
from bidilab.detect.turns.providers.openai import ServerVad
from bidilab.detect.turns.providers.pipecat import PipecatVad

__all__ = [
    "PROVIDERS",
    "SWEPT_PROVIDERS",
    "GeminiActivityDetection",
    "LiveKitVad",
    "NovaTurnDetection",
    "PipecatVad",
    "ProviderParams",
    "ServerVad",
    "SweptParams",
    "pads_by_speech",
    "provider_params",
    "register_params",
    "swept_params",
]

_all: dict[str, type[ProviderParams]] = {}
_swept: dict[str, type[SweptParams]] = {}

PROVIDERS: Final[Mapping[str, type[ProviderParams]]] = MappingProxyType(_all)
"""Parameter class of each provider, by its name; `register_params` adds one."""

SWEPT_PROVIDERS: Final[Mapping[str, type[SweptParams]]] = MappingProxyType(_swept)
"""Those that have a threshold, a prefix padding and a silence duration: what a sweep turns."""


def register_params(cls: type[ProviderParams]) -> None:
    """Add the parameter class of a provider; one of the same name is replaced.

    A class that has what `SweptParams` asks for can be swept, too.

    Raises
    ------
    InvalidParameterError
        If its ``provider`` is no name.
    """
    if not isinstance(cls.provider, str) or not cls.provider:
        raise InvalidParameterError("provider", "the name of a provider", cls.provider)
    _all[cls.provider] = cls
    if _is_swept(cls):
        _swept[cls.provider] = cls


def _is_swept(cls: type[ProviderParams]) -> TypeGuard[type[SweptParams]]:
    return all(callable(getattr(cls, name, None)) for name in ("sweep_params", "from_setting"))


for _cls in (ServerVad, GeminiActivityDetection, LiveKitVad, PipecatVad, NovaTurnDetection):
    register_params(_cls)


def provider_params(name: str) -> type[ProviderParams]:
    """The parameter class of a provider.

    Raises
    ------
    InvalidParameterError
        If there is no provider of that name.
    """
    if not isinstance(name, str) or name not in PROVIDERS:
        raise InvalidParameterError("provider", f"one of {', '.join(PROVIDERS)}", name)
    return PROVIDERS[name]


def swept_params(name: str) -> type[SweptParams]:
    """The parameter class of a provider whose knobs a sweep can turn.

    Raises
    ------
    InvalidParameterError
        If there is no such provider.
    """
    if not isinstance(name, str) or name not in SWEPT_PROVIDERS:
        raise InvalidParameterError("provider", f"one of {', '.join(SWEPT_PROVIDERS)}", name)
    return SWEPT_PROVIDERS[name]


def pads_by_speech(params: type[SweptParams]) -> bool:
    """Whether a provider's prefix padding is speech that is required before a turn starts, as Gemini's.

    It then is the canonical ``min_speech_ms``, and there is no other.
    """
    knobs = {"threshold": 0.5, "silence_duration_ms": 500.0}
    few, many = (params.sweep_params(prefix_padding_ms=ms, **knobs) for ms in (0.0, 400.0))
    return few.min_speech_ms != many.min_speech_ms
