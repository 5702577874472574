"""The settings of a sweep: every combination of three knobs, as a provider understands them, and of further axes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import pandas as pd

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import Guards, TurnParams
from bidilab.detect.turns.params import check_duration_ms, check_probability
from bidilab.detect.turns.providers import swept_params

__all__ = ["AXES", "GUARD_AXES", "Grid", "Setting", "parse_values"]

AXES: tuple[str, ...] = ("threshold", "prefix_padding_ms", "silence_duration_ms")
GUARD_AXES: tuple[str, ...] = ("min_interruption_ms", "min_words", "false_interruption_timeout_ms")
"""Axes of `Guards`; those at which nothing is guarded are left out of a grid's axes."""
NO_GUARDS = Guards()
_WORDS = {
    "threshold": "threshold",
    "prefix_padding_ms": "prefix padding",
    "silence_duration_ms": "silence duration",
    "min_interruption_ms": "min interruption",
    "min_words": "min words",
    "false_interruption_timeout_ms": "false-interruption timeout",
}

DEFAULT_THRESHOLDS = tuple(round(0.05 * k, 2) for k in range(4, 19))
DEFAULT_PREFIX_PADDING_MS = (100.0, 300.0, 500.0)
DEFAULT_SILENCE_DURATION_MS = tuple(float(ms) for ms in range(200, 1001, 100))

Values = float | str | Iterable[float]
Timeouts = float | str | None | Iterable[float | None]


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


def parse_timeouts(name: str, values: Timeouts) -> tuple[float, ...]:
    """Numbers of an axis on which ``None``, infinity or the word ``"never"`` stand for never.

    Examples
    --------
    >>> parse_timeouts("false_interruption_timeout_ms", "1000,2000,never")
    (1000.0, 2000.0, inf)
    """
    given: list[object] = []
    if isinstance(values, str):
        given += values.split(",")
    else:
        given += values if isinstance(values, Iterable) else [values]
    never = [value for value in given if value is None or value == math.inf or str(value).strip() == "never"]
    rest = [value for value in given if value not in never]
    if len(never) > 1:
        raise InvalidParameterError(name, "values that differ from each other", values)
    finite = parse_values(name, ",".join(map(str, rest))) if rest or not never else ()
    return (*finite, *(math.inf for _ in never))


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Every combination of thresholds, prefix paddings and silence durations, and of guards where they are given.

    Parameters
    ----------
    threshold
        In [0, 1]. A number, several, or text such as ``"0.2:0.9:0.05"`` (start:stop:step, both ends included).
    prefix_padding_ms, silence_duration_ms
        Whole milliseconds ``>= 0``; given in the same ways.
    min_interruption_ms
        Guard: how long a turn must have lasted to interrupt; whole milliseconds ``>= 0``, given in the same ways.
    min_words
        Guard: words that must have been said; whole numbers ``>= 0``, given in the same ways.
    false_interruption_timeout_ms
        Guard: when a response is resumed after an interruption without words; whole milliseconds ``>= 0``, given in
        the same ways, and ``None`` (in text ``never``) for never. The guards' exact meaning:
        `bidilab.detect.turns.guards`.
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
    >>> Grid(threshold=0.5, min_interruption_ms="0:500:250").axes["min_interruption_ms"]
    (0.0, 250.0, 500.0)
    """

    threshold: tuple[float, ...] = field(default=DEFAULT_THRESHOLDS)
    prefix_padding_ms: tuple[float, ...] = field(default=DEFAULT_PREFIX_PADDING_MS)
    silence_duration_ms: tuple[float, ...] = field(default=DEFAULT_SILENCE_DURATION_MS)
    min_interruption_ms: tuple[float, ...] = field(default=(0.0,))
    min_words: tuple[float, ...] = field(default=(0.0,))
    false_interruption_timeout_ms: tuple[float, ...] = field(default=(math.inf,))
    provider: str = "openai"

    def __init__(
        self,
        *,
        threshold: Values = DEFAULT_THRESHOLDS,
        prefix_padding_ms: Values = DEFAULT_PREFIX_PADDING_MS,
        silence_duration_ms: Values = DEFAULT_SILENCE_DURATION_MS,
        min_interruption_ms: Values = 0,
        min_words: Values = 0,
        false_interruption_timeout_ms: Timeouts = None,
        provider: str = "openai",
    ) -> None:
        swept_params(provider)
        object.__setattr__(self, "provider", provider)
        given = {
            "threshold": threshold,
            "prefix_padding_ms": prefix_padding_ms,
            "silence_duration_ms": silence_duration_ms,
            "min_interruption_ms": min_interruption_ms,
            "min_words": min_words,
        }
        for name, values in given.items():
            object.__setattr__(self, name, tuple(_checked(name, number) for number in parse_values(name, values)))
        name = "false_interruption_timeout_ms"
        timeouts = parse_timeouts(name, false_interruption_timeout_ms)
        object.__setattr__(self, name, tuple(t if t == math.inf else _checked(name, t) for t in timeouts))

    @property
    def axes(self) -> dict[str, tuple[float, ...]]:
        """Values of each axis, by its name: the three knobs, then the guards that are not left out."""
        guards = {name: getattr(self, name) for name in GUARD_AXES}
        used = {name: values for name, values in guards.items() if values != (getattr(NO_GUARDS, name),)}
        return {**{name: getattr(self, name) for name in AXES}, **used}

    @property
    def guard_settings(self) -> tuple[Guards, ...]:
        """Every combination of the guards, in the order in which they run within a setting of the three knobs."""
        combinations = itertools.product(*(getattr(self, name) for name in GUARD_AXES))
        return tuple(Guards(**dict(zip(GUARD_AXES, values, strict=True))) for values in combinations)

    @property
    def n_guard_settings(self) -> int:
        """How many combinations of guards there are: settings of one detector that lie side by side."""
        return len(self.min_interruption_ms) * len(self.min_words) * len(self.false_interruption_timeout_ms)

    def __len__(self) -> int:
        knobs = len(self.threshold) * len(self.prefix_padding_ms) * len(self.silence_duration_ms)
        return knobs * self.n_guard_settings

    def __iter__(self) -> Iterator[Setting]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Setting:
        if not 0 <= index < len(self):
            raise IndexError(f"the grid has settings 0 to {len(self) - 1}, not {index}")
        index //= self.n_guard_settings
        silence = index % len(self.silence_duration_ms)
        prefix = index // len(self.silence_duration_ms) % len(self.prefix_padding_ms)
        threshold = index // (len(self.silence_duration_ms) * len(self.prefix_padding_ms))
        return Setting(self.threshold[threshold], self.prefix_padding_ms[prefix], self.silence_duration_ms[silence])

    def params(self, index: int) -> TurnParams:
        """Canonical parameters of the setting at ``index``."""
        return swept_params(self.provider).sweep_params(**self[index]._asdict())

    def guards(self, index: int) -> Guards:
        """Guards of the setting at ``index``; those that hold nothing back where no guard is swept."""
        self[index]  # raises where there is no such setting
        position = index % self.n_guard_settings
        values = {}
        for name in reversed(GUARD_AXES):
            numbers = getattr(self, name)
            values[name] = numbers[position % len(numbers)]
            position //= len(numbers)
        return Guards(**values)

    def only(self, index: int) -> Grid:
        """The grid of one setting of this one."""
        guards = {name: getattr(self.guards(index), name) for name in GUARD_AXES}
        return Grid(**self[index]._asdict(), **guards, provider=self.provider)

    def to_frame(self) -> pd.DataFrame:
        """One row a setting: the axes; the index is named ``setting``."""
        rows = list(itertools.product(*self.axes.values()))
        return pd.DataFrame(rows, columns=list(self.axes)).rename_axis("setting")

    def to_json(self) -> dict[str, list[float | None] | str]:
        """What `Grid` takes to be made anew, as plain JSON: a timeout of never is ``None``."""
        axes = {name: [None if v == math.inf else v for v in values] for name, values in self.axes.items()}
        return {**axes, "provider": self.provider}

    def nearest(self, **values: float) -> int:
        """Index of the setting nearest to the values given, each by its own axis; the middle of axes not named."""
        axes = self.axes
        for name in values:
            if name not in axes:
                raise InvalidParameterError("axis", f"one of {', '.join(axes)}", name)
        position = 0
        for name, numbers in axes.items():
            target = values.get(name, numbers[len(numbers) // 2])
            position = position * len(numbers) + _nearest(numbers, target)
        return position

    def __repr__(self) -> str:
        counts = [
            f"{len(values)} {_WORDS[name]}{'s' if len(values) != 1 and not _WORDS[name].endswith('s') else ''}"
            for name, values in self.axes.items()
        ]
        return f"Grid({' × '.join(counts)} = {len(self):,} settings, provider={self.provider!r})"


def _checked(name: str, number: float) -> float:
    if name == "threshold":
        return check_probability(name, number)
    if name == "min_words":
        return float(Guards(min_words=number).min_words)  # type: ignore[arg-type]  # checked there
    if check_duration_ms(name, number) != int(number):
        raise InvalidParameterError(name, "whole milliseconds", number)
    return number


def _nearest(numbers: tuple[float, ...], target: float) -> int:
    if target in numbers:  # infinities have no distance
        return numbers.index(target)
    return min(range(len(numbers)), key=lambda k: abs(numbers[k] - target))
