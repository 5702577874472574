"""The models that `replay`, a widget or a command line offers by name; `register_provider` adds one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from bidilab.bidi.model import ModelProtocol
from bidilab.bidi.providers.gemini.model import GEMINI
from bidilab.bidi.providers.nova.model import NOVA
from bidilab.bidi.providers.openai.model import OPENAI
from bidilab.bidi.providers.provider import ModelProvider, Provider
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.scorers import ScorerLike
from bidilab.detect.turns import AdaptiveInterruption, EndOfTurn, ServerVad
from bidilab.detect.turns.export import register_target
from bidilab.detect.turns.providers import register_params

__all__ = ["PROVIDERS", "ModelProvider", "Provider", "live_local_model", "model_providers", "register_provider"]

LIVE_RATE = 24_000

_providers: dict[str, ModelProvider | Provider] = {}
_on_network: dict[str, Provider] = {}

PROVIDERS: Final[Mapping[str, Provider]] = MappingProxyType(_on_network)
"""The providers of models on a network, by name, in the order in which they were registered."""


def register_provider(provider: ModelProvider | Provider) -> None:
    """Offer a provider; one of the same name is replaced.

    Registering a `Provider` also registers its parameters and its form of export.

    Raises
    ------
    InvalidParameterError
        If it has no name.
    """
    if not provider.name:
        raise InvalidParameterError("provider.name", "a word", provider.name)
    _providers[provider.name] = provider
    if not isinstance(provider, Provider):
        return
    _on_network[provider.name] = provider
    register_params(provider.params)
    if provider.export is not None:
        register_target(provider.name, provider.export)


def model_providers() -> Mapping[str, ModelProvider | Provider]:
    """The providers by name, with the local model, in the order in which they were registered."""
    return MappingProxyType(_providers)


def live_local_model(
    turn_detection: ServerVad,
    *,
    end_of_turn: EndOfTurn | None = None,
    scorer: ScorerLike | None = None,
    interruption: AdaptiveInterruption | None = None,
    interruption_scorer: ScorerLike | None = None,
) -> ModelProtocol:
    """The local model for a live session.

    Parameters
    ----------
    turn_detection, end_of_turn, scorer, interruption, interruption_scorer
        As in `bidilab.bidi.local.model.BidiLocalModel`.
    """
    from bidilab.bidi.local.model import BidiLocalModel  # numba and onnxruntime: only for those who use it

    # A browser has one audio clock for both directions: what comes in has the rate of what goes out.
    return BidiLocalModel(
        turn_detection,
        input_rate=LIVE_RATE,
        output_rate=LIVE_RATE,
        end_of_turn=end_of_turn,
        scorer=scorer,
        interruption=interruption,
        interruption_scorer=interruption_scorer,
    )


register_provider(ModelProvider(name="local", title="local (Silero, no network)", build=live_local_model))
register_provider(OPENAI)
register_provider(GEMINI)
register_provider(NOVA)
