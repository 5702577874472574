"""The settings of a sweep: every combination of three knobs, as a provider understands them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import pandas as pd

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import TurnParams
from bidilab.detect.turns.params import check_duration_ms, check_probability
from bidilab.detect.turns.providers import swept_params

__all__ = ["AXES", "Grid", "Setting", "parse_values"]

AXES: tuple[str, ...] = ("threshold", "prefix_padding_ms", "silence_duration_ms")

DEFAULT_THRESHOLDS = tuple(round(0.05 * k, 2) for k in range(4, 19))
DEFAULT_PREFIX_PADDING_MS = (100.0, 300.0, 500.0)
DEFAULT_SILENCE_DURATION_MS = tuple(float(ms) for ms in range(200, 1001, 100))

Values = float | str | Iterable[float]


class Setting(NamedTuple):
    """One point of a grid, in the provider's own words."""

    threshold: float
    prefix_padding_ms: float
    silence_duration_ms: float


def _range(name: str, text: str) -> tuple[float, ...]:
    allowed = "start:stop:step with start <= stop and step > 0 (both ends included), or values with commas between"
    try:
        start, stop, step = (Decimal(part) for part in text.split(":"))
    except (InvalidOperation, ValueError) as error:
        raise InvalidParameterError(name, allowed, text) from error
    if not (start.is_finite() and stop.is_finite() and step.is_finite()) or step <= 0 or start > stop:
        raise InvalidParameterError(name, allowed, text)
    if (stop - start) / step > 100_000:
        raise InvalidParameterError(name, "a range of at most 100,000 values", text)
    return tuple(float(start + k * step) for k in range(int((stop - start) / step) + 1))


def parse_values(name: str, values: Values) -> tuple[float, ...]:
    """Numbers of an axis: one number, several, ``"0.2:0.9:0.05"`` (ends included) or ``"100,300,500"``.

    Returns
    -------
    tuple of float
        In rising order.

    Raises
    ------
    InvalidParameterError
        If there is none, one twice, one that is no finite number, or a range that runs backwards.

    Examples
    --------
    >>> parse_values("threshold", "0.2:0.4:0.1")
    (0.2, 0.3, 0.4)
    >>> parse_values("prefix_padding_ms", "100,300")
    (100.0, 300.0)
    """
    if isinstance(values, str):
        parts = [part.strip() for part in values.split(",")]
        numbers: list[float] = []
        for part in parts:
            if ":" in part:
                numbers += _range(name, part)
            else:
                try:
                    numbers.append(float(part))
                except ValueError as error:
                    raise InvalidParameterError(name, "numbers, or start:stop:step", values) from error
    elif isinstance(values, Iterable):
        numbers = [float(value) for value in values]
    else:
        numbers = [float(values)]
    if not numbers:
        raise InvalidParameterError(name, "at least one value", values)
    if not all(math.isfinite(number) for number in numbers):
        raise InvalidParameterError(name, "finite numbers", values)
    if len(set(numbers)) < len(numbers):
        raise InvalidParameterError(name, "values that differ from each other", values)
    return tuple(sorted(numbers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Every combination of thresholds, prefix paddings and silence durations.

    Parameters
    ----------
    threshold
        In [0, 1]. A number, several, or text such as ``"0.2:0.9:0.05"`` (start:stop:step, both ends included).
    prefix_padding_ms, silence_duration_ms
        Whole milliseconds ``>= 0``; given in the same ways.
    provider
        Whose words these are: with ``"openai"`` the prefix padding looks back and moves only onset clipping; with
        ``"gemini"`` it is speech required before the start is committed, and moves latency and false interruptions;
        with ``"livekit"`` it looks back, and a turn needs LiveKit's 50 ms of speech.

    Raises
    ------
    InvalidParameterError
        If an axis is empty, out of bounds, runs backwards or holds a value twice, or the provider is unknown.

    Examples
    --------
    >>> Grid(threshold="0.3:0.7:0.2", prefix_padding_ms=300, silence_duration_ms=[300, 500])
    Grid(3 thresholds × 1 prefix padding × 2 silence durations = 6 settings, provider='openai')
    """

    threshold: tuple[float, ...] = field(default=DEFAULT_THRESHOLDS)
    prefix_padding_ms: tuple[float, ...] = field(default=DEFAULT_PREFIX_PADDING_MS)
    silence_duration_ms: tuple[float, ...] = field(default=DEFAULT_SILENCE_DURATION_MS)
    provider: str = "openai"

    def __init__(
        self,
        *,
        threshold: Values = DEFAULT_THRESHOLDS,
        prefix_padding_ms: Values = DEFAULT_PREFIX_PADDING_MS,
        silence_duration_ms: Values = DEFAULT_SILENCE_DURATION_MS,
        provider: str = "openai",
    ) -> None:
        swept_params(provider)
        object.__setattr__(self, "provider", provider)
        given = {
            "threshold": threshold,
            "prefix_padding_ms": prefix_padding_ms,
            "silence_duration_ms": silence_duration_ms,
        }
        for name, values in given.items():
            numbers = parse_values(name, values)
            for number in numbers:
                if name == "threshold":
                    check_probability(name, number)
                elif check_duration_ms(name, number) != int(number):
                    raise InvalidParameterError(name, "whole milliseconds", number)
            object.__setattr__(self, name, numbers)

    @property
    def axes(self) -> dict[str, tuple[float, ...]]:
        """Values of each axis, by its name."""
        return {name: getattr(self, name) for name in AXES}

    def __len__(self) -> int:
        return math.prod(len(values) for values in self.axes.values())

    def __iter__(self) -> Iterator[Setting]:
        return (Setting(*values) for values in itertools.product(*self.axes.values()))

    def __getitem__(self, index: int) -> Setting:
        if not 0 <= index < len(self):
            raise IndexError(f"the grid has settings 0 to {len(self) - 1}, not {index}")
        silence = index % len(self.silence_duration_ms)
        prefix = index // len(self.silence_duration_ms) % len(self.prefix_padding_ms)
        threshold = index // (len(self.silence_duration_ms) * len(self.prefix_padding_ms))
        return Setting(self.threshold[threshold], self.prefix_padding_ms[prefix], self.silence_duration_ms[silence])

    def params(self, index: int) -> TurnParams:
        """Canonical parameters of the setting at ``index``."""
        return swept_params(self.provider).sweep_params(**self[index]._asdict())

    def to_frame(self) -> pd.DataFrame:
        """One row a setting: the three axes; the index is named ``setting``."""
        return pd.DataFrame(list(self), columns=list(AXES)).rename_axis("setting")

    def nearest(self, **values: float) -> int:
        """Index of the setting nearest to the values given, each by its own axis; the middle of axes not named."""
        for name in values:
            if name not in AXES:
                raise InvalidParameterError("axis", f"one of {', '.join(AXES)}", name)
        position = 0
        for name, numbers in self.axes.items():
            target = values.get(name, numbers[len(numbers) // 2])
            position = position * len(numbers) + _nearest(numbers, target)
        return position

    def __repr__(self) -> str:
        counts = [
            f"{len(values)} {words}{'s' if len(values) != 1 else ''}"
            for values, words in zip(
                self.axes.values(), ("threshold", "prefix padding", "silence duration"), strict=True
            )
        ]
        return f"Grid({' × '.join(counts)} = {len(self):,} settings, provider={self.provider!r})"


def _nearest(numbers: tuple[float, ...], target: float) -> int:
    return min(range(len(numbers)), key=lambda k: abs(numbers[k] - target))
