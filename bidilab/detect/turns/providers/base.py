"""What every provider's parameter class has, and how its values are checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, Self, TypeVar

from bidilab.core.checks import check_duration_ms
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns.params import TurnParams

__all__ = ["ProviderParams", "SweptParams", "from_known_keys", "whole_ms"]

T = TypeVar("T")


class ProviderParams(Protocol):
    """A provider's turn detection parameters."""

    __slots__ = ()

    provider: ClassVar[str]
    INEXPRESSIBLE: ClassVar[Mapping[str, str]]
    """Names of `TurnParams` that the provider has no knob for, or a coarse one, and what it has instead."""

    def canonical(self) -> TurnParams:
        """The canonical parameters that behave like these."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """The provider's own names and values."""
        ...

    @classmethod
    def nearest(cls, params: TurnParams) -> Self:
        """The provider's parameters nearest to canonical ones."""
        ...


class SweptParams(ProviderParams, Protocol):
    """Parameters of a provider that has the three knobs which a sweep turns; a class may inherit `from_setting`."""

    __slots__ = ()

    @classmethod
    def sweep_params(cls, *, threshold: float, prefix_padding_ms: float, silence_duration_ms: float) -> TurnParams:
        """Canonical parameters of one point of a sweep over the provider's three knobs."""
        ...

    @classmethod
    def from_setting(cls, *, threshold: float, prefix_padding_ms: float, silence_duration_ms: float) -> Self:
        """The provider's parameters nearest to one point of a sweep."""
        knobs = cls.sweep_params(
            threshold=threshold, prefix_padding_ms=prefix_padding_ms, silence_duration_ms=silence_duration_ms
        )
        return cls.nearest(knobs)


def whole_ms(name: str, value: float, *, at_most: float = 600_000) -> int:
    """Return ``value`` as an int when it is whole milliseconds in [0, at_most]; raise `InvalidParameterError`."""
    check_duration_ms(name, value, at_most=at_most)
    if int(value) != value:
        raise InvalidParameterError(name, "a whole number of milliseconds", value)
    return int(value)


def from_known_keys(
    cls: Callable[..., T], values: Mapping[str, Any], name: str, known: Mapping[str, str] | None = None
) -> T:
    """Build ``cls`` from an object of the wire, called ``name`` in the error that an unknown key raises.

    ``known`` maps keys to parameters; without it the keys are the fields of the dataclass ``cls``.
    """
    if known is None:
        known = {field.name: field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise InvalidParameterError(name, f"an object with the keys {', '.join(known)}", key)
    return cls(**{known[key]: value for key, value in values.items()})
