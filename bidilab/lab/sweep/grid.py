"""The settings of a sweep: every combination of three knobs, as a provider understands them, and of further axes.

A condition of the audio is an axis too, the slowest: settings of one condition lie together, in the order they would
have without.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import pandas as pd

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import Guards, TurnParams
from bidilab.detect.turns.params import check_duration_ms, check_probability
from bidilab.detect.turns.providers import swept_params
from bidilab.lab.conditions.condition import Condition, condition_label, parse_condition
from bidilab.lab.metrics import columns

__all__ = ["AXES", "CONDITION", "GUARD_AXES", "Grid", "Setting", "parse_values"]

CONDITION = columns.CONDITION.name
"""Column of a settings table in which the audio's condition stands, where there is an axis of them."""
AXES: tuple[str, ...] = tuple(axis.name for axis in columns.KNOBS)
GUARD_AXES: tuple[str, ...] = tuple(axis.name for axis in columns.GUARD_AXES)
"""Axes of `Guards`; those at which nothing is guarded are left out of a grid's axes."""
NO_GUARDS = Guards()
_WORDS = {axis.name: axis.short for axis in (*columns.KNOBS, *columns.GUARD_AXES)}

DEFAULT_THRESHOLDS = tuple(round(0.05 * k, 2) for k in range(4, 19))
DEFAULT_PREFIX_PADDING_MS = (100.0, 300.0, 500.0)
DEFAULT_SILENCE_DURATION_MS = tuple(float(ms) for ms in range(200, 1001, 100))

Values = float | str | Iterable[float]
Timeouts = float | str | None | Iterable[float | None]
Conditions = Condition | str | None | Iterable[Condition | str | None]


class Setting(NamedTuple):
    """One point of a grid, in the provider's own words."""

    threshold: float
    prefix_padding_ms: float
    silence_duration_ms: float


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
    conditions
        What is done to the audio before the detector hears it: a `Condition`, its text, or several; ``None`` (in text
        ``as recorded``) stands for nothing. The settings are evaluated under each of them.
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
    conditions: tuple[Condition | None, ...] = field(default=(None,))
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
        conditions: Conditions = None,
        provider: str = "openai",
    ) -> None:
        swept_params(provider)
        object.__setattr__(self, "conditions", _conditions(conditions))
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
        timeouts = _parse_timeouts(name, false_interruption_timeout_ms)
        object.__setattr__(self, name, tuple(t if t == math.inf else _checked(name, t) for t in timeouts))

    @property
    def axes(self) -> dict[str, tuple[float, ...]]:
        """Values of each axis of numbers, by its name: the three knobs, then the guards that are not left out."""
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

    @property
    def has_conditions(self) -> bool:
        """Whether anything is done to the audio."""
        return self.conditions != (None,)

    @property
    def n_under_one_condition(self) -> int:
        """How many settings there are under each condition."""
        knobs = len(self.threshold) * len(self.prefix_padding_ms) * len(self.silence_duration_ms)
        return knobs * self.n_guard_settings

    def __len__(self) -> int:
        return len(self.conditions) * self.n_under_one_condition

    def __iter__(self) -> Iterator[Setting]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Setting:
        if not 0 <= index < len(self):
            raise IndexError(f"the grid has settings 0 to {len(self) - 1}, not {index}")
        index = index % self.n_under_one_condition // self.n_guard_settings
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

    def condition(self, index: int) -> Condition | None:
        """Condition of the audio of the setting at ``index``; ``None`` for the audio as it was recorded."""
        self[index]  # raises where there is no such setting
        return self.conditions[index // self.n_under_one_condition]

    def condition_index(self, condition: Condition | str | None) -> int:
        """Place of a condition, or of its text, among the conditions.

        Raises
        ------
        InvalidParameterError
            If it is not one of them.
        """
        labels = [condition_label(each) for each in self.conditions]
        label = condition if isinstance(condition, str) and condition in labels else condition_label(_one(condition))
        if label not in labels:
            raise InvalidParameterError("condition", f"one of {'; '.join(labels)}", label)
        return labels.index(label)

    def under(self, condition: Condition | str | None) -> Grid:
        """The settings under one of the conditions."""
        return replace(self, conditions=(self.conditions[self.condition_index(condition)],))

    def only(self, index: int) -> Grid:
        """The grid of one setting of this one."""
        guards = {name: getattr(self.guards(index), name) for name in GUARD_AXES}
        return Grid(**self[index]._asdict(), **guards, conditions=self.condition(index), provider=self.provider)

    def to_frame(self) -> pd.DataFrame:
        """One row per setting: the condition, where there are any, and the axes; the index is named ``setting``."""
        rows = list(itertools.product(*self.axes.values()))
        frame = pd.DataFrame(rows * len(self.conditions), columns=list(self.axes)).rename_axis("setting")
        if self.has_conditions:
            labels = [condition_label(condition) for condition in self.conditions for _ in rows]
            frame.insert(0, CONDITION, labels)
        return frame

    def to_json(self) -> dict[str, Any]:
        """What `from_json` takes to make it anew, as plain JSON: a timeout of never is ``None``."""
        axes = {name: [None if v == math.inf else v for v in values] for name, values in self.axes.items()}
        conditions = [None if condition is None else condition.to_dict() for condition in self.conditions]
        return {**axes, **({"conditions": conditions} if self.has_conditions else {}), "provider": self.provider}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Grid:
        """What `to_json` gave, as a grid again."""
        texts = data.get("conditions", [None])
        conditions = [None if text is None else Condition.from_dict(text) for text in texts]
        return cls(**{**data, "conditions": conditions})

    def nearest(self, *, condition: Condition | str | None = None, **values: float) -> int:
        """Index of the setting nearest to the values given, each by its own axis; the middle of axes not named.

        Under the condition given; the first where none is.
        """
        axes = self.axes
        for name in values:
            if name not in axes:
                raise InvalidParameterError("axis", f"one of {', '.join(axes)}", name)
        position = 0 if condition is None else self.condition_index(condition)
        for name, numbers in axes.items():
            target = values.get(name, numbers[len(numbers) // 2])
            position = position * len(numbers) + _nearest(numbers, target)
        return position

    def __repr__(self) -> str:
        counts = [
            f"{len(values)} {_WORDS[name]}{'s' if len(values) != 1 and not _WORDS[name].endswith('s') else ''}"
            for name, values in self.axes.items()
        ]
        if self.has_conditions:
            counts.insert(0, f"{len(self.conditions)} condition{'s' if len(self.conditions) != 1 else ''}")
        return f"Grid({' × '.join(counts)} = {len(self):,} settings, provider={self.provider!r})"


def _one(condition: Condition | str | None) -> Condition | None:
    if isinstance(condition, str):
        return parse_condition(condition)
    if condition is not None and not isinstance(condition, Condition):
        raise InvalidParameterError("conditions", "a Condition, its text or None, or several", condition)
    return condition


def _conditions(given: Conditions) -> tuple[Condition | None, ...]:
    several = [given] if given is None or isinstance(given, str | Condition) else list(given)
    conditions = tuple(_one(condition) for condition in several)
    labels = [condition_label(condition) for condition in conditions]
    if not labels or len(set(labels)) < len(labels):
        raise InvalidParameterError("conditions", "at least one, and none twice", labels)
    return conditions


# Numbers of an axis as people write them: one, several, ``start:stop:step``, or with commas between.


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


def _parse_timeouts(name: str, values: Timeouts) -> tuple[float, ...]:
    """Numbers of an axis on which ``None``, infinity or the word ``"never"`` stand for never.

    Examples
    --------
    >>> _parse_timeouts("false_interruption_timeout_ms", "1000,2000,never")
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


def _checked(name: str, number: float) -> float:
    """The number, when the axis of that name may hold it.

    Raises
    ------
    InvalidParameterError
        If it may not.
    """
    if name == "threshold":
        return check_probability(name, number)
    if name == "min_words":
        return float(Guards(min_words=number).min_words)  # type: ignore[arg-type]  # checked there
    if check_duration_ms(name, number) != int(number):
        raise InvalidParameterError(name, "whole milliseconds", number)
    return number


def _nearest(numbers: tuple[float, ...], target: float) -> int:
    """Index of the number nearest to a target, the first of several."""
    if target in numbers:  # infinities have no distance
        return numbers.index(target)
    return min(range(len(numbers)), key=lambda k: abs(numbers[k] - target))
