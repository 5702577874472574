"""Models by name: what a widget or a command line offers, and why one cannot be used here and now.

A provider is added by `register_provider`; nothing else has to know of it.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bidilab.bidi.model import ModelProtocol
from bidilab.core.errors import InvalidParameterError, MissingExtraError
from bidilab.detect.turns import ServerVad

__all__ = ["ModelProvider", "model_providers", "register_provider"]

LIVE_RATE = 24_000
_PYTHON = tuple(sys.version_info[:2])


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
    from bidilab.bidi.local.model import BidiLocalModel  # numba and onnxruntime: only for those who use it

    # A browser has one audio clock for both directions: what comes in has the rate of what goes out.
    return BidiLocalModel(turn_detection, input_rate=LIVE_RATE, output_rate=LIVE_RATE)


def _openai(turn_detection: ServerVad) -> ModelProtocol:
    from bidilab.bidi.providers.openai.model import BidiOpenAIRealtimeModel

    return BidiOpenAIRealtimeModel(provider_config={"turn_detection": turn_detection})


def _openai_key() -> str | None:
    from bidilab.bidi.providers.openai.connection import KEY_VARIABLE

    if os.environ.get(KEY_VARIABLE):
        return None
    return f"needs a key: set the environment variable {KEY_VARIABLE} before the kernel starts"


def _gemini(turn_detection: ServerVad) -> ModelProtocol:
    from bidilab.bidi.providers.gemini.model import BidiGeminiLiveModel
    from bidilab.detect.turns import GeminiActivityDetection

    nearest = GeminiActivityDetection.nearest(turn_detection.canonical())
    return BidiGeminiLiveModel(provider_config={"turn_detection": nearest})


def _gemini_unusable() -> str | None:
    from bidilab.bidi.providers.gemini.connection import KEY_VARIABLES

    if (missing := _missing("google.genai", "gemini")) is not None:
        return missing
    if any(map(os.environ.get, KEY_VARIABLES)):
        return None
    return f"needs a key: set the environment variable {' or '.join(KEY_VARIABLES)} before the kernel starts"


def _nova(turn_detection: ServerVad) -> ModelProtocol:
    from bidilab.bidi.providers.nova.model import BidiNovaSonicModel
    from bidilab.detect.turns import NovaTurnDetection

    nearest = NovaTurnDetection.nearest(turn_detection.canonical())
    return BidiNovaSonicModel(provider_config={"turn_detection": nearest})


def _nova_unusable() -> str | None:
    # AWS's tools look for the key in many places, some of them slow; that there is none is said at the start.
    if _PYTHON < (3, 12):
        return f"needs Python 3.12 or newer, and the kernel runs {_PYTHON[0]}.{_PYTHON[1]}"
    missing = (_missing(module, "nova") for module in ("aws_sdk_bedrock_runtime", "awscrt", "boto3"))
    return next(filter(None, missing), None)


def _missing(module: str, extra: str) -> str | None:
    """What mends it that a module is not installed; it is not imported, as that may take seconds."""
    try:
        found = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it would be in
        found = False
    return None if found else str(MissingExtraError("", extra)).strip()


register_provider(ModelProvider(name="local", title="local (Silero, no network)", build=_local))
register_provider(ModelProvider(name="openai", title="OpenAI Realtime", build=_openai, unusable=_openai_key))
register_provider(ModelProvider(name="gemini", title="Gemini Live", build=_gemini, unusable=_gemini_unusable))
register_provider(ModelProvider(name="nova", title="Amazon Nova Sonic", build=_nova, unusable=_nova_unusable))
