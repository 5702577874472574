"""Models by name: what a widget or a command line offers, and why one cannot be used here and now.

A provider is added by `register_provider`; nothing else has to know of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bidilab.bidi.models.base import ModelProtocol
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import ServerVad

__all__ = ["ModelProvider", "model_providers", "register_provider"]

LIVE_RATE = 24_000


def _always() -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProvider:
    """A kind of model that is made from a name and three knobs.

    Parameters
    ----------
    name
        What a caller writes: ``"local"``.
    title
        What a reader sees.
    build
        Makes a model that detects turns by what it is given.
    unusable
        Says in words why it cannot be used here and now (a key, an extra), with what mends it; ``None`` when it can.
    """

    name: str
    title: str
    build: Callable[[ServerVad], ModelProtocol]
    unusable: Callable[[], str | None] = _always


_providers: dict[str, ModelProvider] = {}


def register_provider(provider: ModelProvider) -> None:
    """Offer a provider; one of the same name is replaced.

    Raises
    ------
    InvalidParameterError
        If it has no name.
    """
    if not provider.name:
        raise InvalidParameterError("provider.name", "a word", provider.name)
    _providers[provider.name] = provider


def model_providers() -> Mapping[str, ModelProvider]:
    """The providers by name, in the order in which they were registered."""
    return MappingProxyType(_providers)


def _local(turn_detection: ServerVad) -> ModelProtocol:
    from bidilab.bidi.models.local import BidiLocalModel  # numba and onnxruntime: only for those who use it

    # A browser has one audio clock for both directions: what comes in has the rate of what goes out.
    return BidiLocalModel(turn_detection, input_rate=LIVE_RATE, output_rate=LIVE_RATE)


def _openai(turn_detection: ServerVad) -> ModelProtocol:
    from bidilab.bidi.models.openai_realtime import BidiOpenAIRealtimeModel

    return BidiOpenAIRealtimeModel(provider_config={"turn_detection": turn_detection})


def _openai_key() -> str | None:
    from bidilab.bidi.models.openai_client import KEY_VARIABLE

    if os.environ.get(KEY_VARIABLE):
        return None
    return f"needs a key: set the environment variable {KEY_VARIABLE} before the kernel starts"


register_provider(ModelProvider(name="local", title="local (Silero, no network)", build=_local))
register_provider(ModelProvider(name="openai", title="OpenAI Realtime", build=_openai, unusable=_openai_key))
