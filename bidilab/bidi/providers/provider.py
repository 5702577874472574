"""What a provider is: one descriptor, declared in the provider's own folder and listed in the registry.

To add one, write a folder with its settings, codec (`bidilab.bidi.providers.codec`), connection and model
(`bidilab.bidi.providers.shell`) and its `Provider`, and register that. Whatever lists providers (`replay`, the live
widget, the command line, exports, the document of the providers) asks `bidilab.bidi.providers.registry`.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bidilab.bidi.model import ModelProtocol
from bidilab.bidi.providers.codec import Codec
from bidilab.bidi.providers.shell import Connection, ProviderModel
from bidilab.core.errors import InvalidParameterError, MissingExtraError
from bidilab.detect.turns import ServerVad, TurnParams
from bidilab.detect.turns.export import ExportTarget
from bidilab.detect.turns.providers import ProviderParams

__all__ = ["InterruptionFacts", "ModelProvider", "Provider", "missing_extra", "missing_key"]


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
        Name as readers see it.
    build
        Makes a model that detects turns by what it is given.
    unusable
        Says why the model cannot be used here and now (no key, no extra), and what mends it; ``None`` when it can.
    """

    name: str
    title: str
    build: Callable[[ServerVad], ModelProtocol]
    unusable: Callable[[], str | None] = _always


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptionFacts:
    """An interruption as a provider's wire has it.

    Parameters
    ----------
    on_the_wire
        What the service sends.
    comes_first
        Which message a client can act on first.
    to_be_cleared
        What the client must throw away.
    told_of_heard
        What the service is told about the audio that was heard.
    messages
        The service's messages named here, as its codec knows them.
    documents
        Documents that say so, with their dates.
    """

    on_the_wire: str
    comes_first: str
    to_be_cleared: str
    told_of_heard: str
    messages: tuple[str, ...]
    documents: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A provider of models on a network.

    Parameters
    ----------
    name
        What a caller writes: ``"openai"``. It is also the name of its parameter class in
        `bidilab.detect.turns.providers`.
    title
        Name as readers see it.
    model
        Class of its models, under Strands' name.
    params
        Its turn detection parameters. They are in `bidilab.detect`, as a sweep needs no agent.
    meaning
        Gives the canonical parameters of what its models take as ``turn_detection``; ``None`` where it has none, as
        when a model judges.
    codec, connection
        Classes that a session is made of.
    interruption
        How it tells an interruption, and what it must be told.
    export
        How a setting is written for it; ``None`` when there is no such form.
    also_takes
        Further classes that its models take as ``turn_detection``, beside ``params`` and a dict.
    unusable
        As in `ModelProvider`.
    """

    name: str
    title: str
    model: type[ProviderModel[Any, Any]]
    params: type[ProviderParams]
    meaning: Callable[[Any], TurnParams | None]
    codec: type[Codec[Any]]
    connection: type[Connection]
    interruption: InterruptionFacts
    export: ExportTarget | None = None
    also_takes: tuple[type, ...] = ()
    unusable: Callable[[], str | None] = _always

    def __post_init__(self) -> None:
        if self.name != self.params.provider:
            raise InvalidParameterError(
                "name", f"{self.params.provider!r}, the provider of {self.params.__name__}", self.name
            )

    def build(self, turn_detection: ServerVad) -> ModelProtocol:
        """Make a model that detects turns as nearly as the provider can to what it is given."""
        exact = isinstance(turn_detection, self.params)
        return self.make(turn_detection if exact else self.params.nearest(turn_detection.canonical()))

    def make(self, turn_detection: Any = None) -> ModelProtocol:
        """Make a model, with the key that the environment holds.

        Parameters
        ----------
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
        self._check(turn_detection)
        model: Any = self.model
        made: ModelProtocol = model(
            provider_config={} if turn_detection is None else {"turn_detection": turn_detection}
        )
        return made

    def canonical(self, turn_detection: Any) -> TurnParams | None:
        """Canonical parameters of what is asked for; ``None`` where that is left to the provider, or it has none.

        Raises
        ------
        InvalidParameterError
            If ``turn_detection`` is none of the provider's.
        """
        self._check(turn_detection)
        return None if turn_detection is None else self.meaning(turn_detection)

    def _check(self, turn_detection: object) -> None:
        if turn_detection is not None and not isinstance(turn_detection, (Mapping, self.params, *self.also_takes)):
            allowed = f"{self.params.__name__} or its dict for {self.name}"
            raise InvalidParameterError("turn_detection", allowed, turn_detection)


def missing_key(*variables: str) -> str | None:
    """Say how to give a key when no environment variable holds one; ``None`` when one does."""
    if any(map(os.environ.get, variables)):
        return None
    return f"needs a key: set the environment variable {' or '.join(variables)} before the kernel starts"


def missing_extra(extra: str, *modules: str) -> str | None:
    """Say how to install an extra when a module of it is missing. Nothing is imported, as that may take seconds."""
    for module in modules:
        try:
            found = importlib.util.find_spec(module) is not None
        except ModuleNotFoundError:  # the package that it would be in
            found = False
        if not found:
            return str(MissingExtraError("", extra)).strip()
    return None
