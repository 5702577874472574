"""The settings of a sweep: every combination of three knobs, as a provider understands them, and of further axes.

A condition of the audio is an axis too, the slowest: settings of one condition lie together, in the order they would
have without.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

import pandas as pd

from bidilab.core.checks import check_duration_ms, check_probability, is_number
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.scorers.asking import BuildsScorer
from bidilab.detect.scorers.base import EndOfTurnScorer, InterruptionScorer, ScoreTrack
from bidilab.detect.turns import AdaptiveInterruption, EndOfTurn, Guards, TurnParams
from bidilab.detect.turns.endofturn import Context
from bidilab.detect.turns.providers import SweptParams, pads_by_speech, swept_params
from bidilab.lab.conditions.condition import Condition, condition_label, parse_condition
from bidilab.lab.metrics import columns
from bidilab.lab.sweep.axisvalues import OpenValues, Values, parse_open_values, parse_values

__all__ = [
    "AXES",
    "CONDITION",
    "EOT_AXES",
    "GUARD_AXES",
    "INTERRUPT_AXES",
    "MIN_SPEECH",
    "EndOfTurnScores",
    "Grid",
    "InterruptionScores",
    "Setting",
]

CONDITION = columns.CONDITION.name
"""Column of a settings table in which the audio's condition stands, where there is an axis of them."""
AXES: tuple[str, ...] = tuple(axis.name for axis in columns.KNOBS)
MIN_SPEECH = columns.MIN_SPEECH.name
"""Axis of the speech that a turn needs to start; left out of a grid's axes where it is the provider's own."""
EOT_AXES: tuple[str, ...] = tuple(axis.name for axis in columns.EOT_AXES)
"""Axes of `EndOfTurn`: a grid has them where it has an end-of-turn scorer."""
INTERRUPT_AXES: tuple[str, ...] = tuple(axis.name for axis in columns.INTERRUPT_AXES)
"""Axes of `AdaptiveInterruption`: a grid has them where it has an interruption scorer."""
_INTERVAL = "eot_interval_ms"
_NO_EOT = {axis.name: (0.5 if axis.name == "eot_threshold" else float(axis.default),) for axis in columns.EOT_AXES}
_NO_INTERRUPT = {
    axis.name: (0.5 if axis.name == "interrupt_threshold" else float(axis.default),) for axis in columns.INTERRUPT_AXES
}
GUARD_AXES: tuple[str, ...] = tuple(axis.name for axis in columns.GUARD_AXES)
"""Axes of `Guards`; those at which nothing is guarded are left out of a grid's axes."""
NO_GUARDS = Guards()
_WORDS = {axis.name: axis.short for axis in columns.SETTINGS.of(columns.Axis)}

DEFAULT_THRESHOLDS = tuple(round(0.05 * k, 2) for k in range(4, 19))
DEFAULT_PREFIX_PADDING_MS = (100.0, 300.0, 500.0)
DEFAULT_SILENCE_DURATION_MS = tuple(float(ms) for ms in range(200, 1001, 100))

EndOfTurnScores = str | BuildsScorer | EndOfTurnScorer | Mapping[str, ScoreTrack]
"""An end-of-turn scorer by its name, as a spec or as an object, or scores computed elsewhere by recording id."""
InterruptionScores = str | BuildsScorer | InterruptionScorer | Mapping[str, ScoreTrack]
"""The same of a scorer of interruptions."""
Conditions = Condition | str | None | Iterable[Condition | str | None]


class Setting(NamedTuple):
    """The three knobs that every provider has, at one point of a grid, in the provider's own words."""

    threshold: float
    prefix_padding_ms: float
    silence_duration_ms: float


class _Counts(NamedTuple):
    """How many values there are together: of the axes of each sort, and of all under one condition."""

    interrupt: int
    eot: int
    guards: int
    min_speech: int
    under_one_condition: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Every combination of thresholds, prefix paddings and silence durations, and of any further axes.

    Parameters
    ----------
    threshold
        In [0, 1]. A number, several, or text such as ``"0.2:0.9:0.05"`` (start:stop:step, both ends included).
    prefix_padding_ms, silence_duration_ms
        Whole milliseconds ``>= 0``; given in the same ways.
    min_speech_ms
        How long speech must last before a turn starts, rounded up to whole frames: `TurnParams.min_speech_ms`. Whole
        milliseconds ``>= 0``, given in the same ways; ``None``: the provider's own (OpenAI's 0, LiveKit's 50 ms). A
        grid with only the provider's own value contains ``None`` and has no such axis. Where the provider has no such
        knob, as OpenAI, an export names what it cannot express.
    eot
        A scorer of ends of turns: its name, a `ScorerSpec`, an object, or a `ScoreTrack` of each recording by its id.
        Turns then end by a score (`EndOfTurn`), and the axes below are swept; ``None``: by silence alone.
    eot_threshold
        A turn ends on a score above it; in [0, 1]. ``None`` (in text ``off``): no scorer, silence ends the turn.
    eot_action_delay_ms, eot_timeout_ms, eot_interval_ms
        As in `EndOfTurn`; whole milliseconds ``>= 0``, given in the same ways. No timeout may be below a delay.
    eot_latency_ms, eot_context
        As in `EndOfTurn`; one value each.
    min_interruption_ms
        Guard: how long a turn must have lasted to interrupt; whole milliseconds ``>= 0``, given in the same ways.
    min_words
        Guard: words that must have been said; whole numbers ``>= 0``, given in the same ways.
    false_interruption_timeout_ms
        Guard: when a response is resumed after an interruption without words; whole milliseconds ``>= 0``, given in
        the same ways, and ``None`` (in text ``never``) for never. The guards' exact meaning:
        `bidilab.detect.turns.guards`.
    interrupt
        A scorer of interruptions, given like ``eot``: a turn then interrupts by a score (`AdaptiveInterruption`) if the
        guards allow it too, and the axes below are swept.
    interrupt_threshold
        A turn interrupts on a score above it; in [0, 1]. ``None`` (in text ``off``): no scorer.
    interrupt_first_ms, interrupt_interval_ms, interrupt_window_ms
        As in `AdaptiveInterruption`; whole milliseconds ``>= 0``, given in the same ways, and ``None`` (in text
        ``never``) for no window. No window may be below a ``interrupt_first_ms``.
    interrupt_latency_ms
        As in `AdaptiveInterruption`; one value.
    conditions
        What is done to the audio before the detector hears it: a `Condition`, its text, or several; ``None`` (in text
        ``as recorded``) means no change. The settings are evaluated under each of them.
    provider
        Whose meaning the names have: with ``"openai"`` the prefix padding looks back and moves only onset clipping;
        with ``"gemini"`` it is speech required before the start is committed, and moves latency and false
        interruptions; with ``"livekit"`` it looks back, and a turn needs LiveKit's 50 ms of speech unless
        ``min_speech_ms`` is given.

    Raises
    ------
    InvalidParameterError
        If an axis is empty, out of bounds, runs backwards or contains a value twice; the provider is unknown;
        ``min_speech_ms`` is given for a provider whose prefix padding already means that, such as Gemini; or an axis of
        the end of turn is given without a scorer.

    Examples
    --------
    >>> Grid(threshold="0.3:0.7:0.2", prefix_padding_ms=300, silence_duration_ms=[300, 500])
    Grid(3 thresholds × 1 prefix padding × 2 silence durations = 6 settings, provider='openai')
    >>> Grid(threshold=0.5, min_interruption_ms="0:500:250").axes["min_interruption_ms"]
    (0.0, 250.0, 500.0)
    >>> Grid(threshold=0.5, min_speech_ms="0,100", provider="openai").axes["min_speech_ms"]
    (0.0, 100.0)
    """

    threshold: tuple[float, ...] = field(default=DEFAULT_THRESHOLDS)
    prefix_padding_ms: tuple[float, ...] = field(default=DEFAULT_PREFIX_PADDING_MS)
    silence_duration_ms: tuple[float, ...] = field(default=DEFAULT_SILENCE_DURATION_MS)
    min_speech_ms: tuple[float, ...] | None = field(default=None)
    eot: EndOfTurnScores | None = field(default=None)
    eot_threshold: tuple[float, ...] = field(default=_NO_EOT["eot_threshold"])
    eot_action_delay_ms: tuple[float, ...] = field(default=_NO_EOT["eot_action_delay_ms"])
    eot_timeout_ms: tuple[float, ...] = field(default=_NO_EOT["eot_timeout_ms"])
    eot_interval_ms: tuple[float, ...] = field(default=_NO_EOT["eot_interval_ms"])
    eot_latency_ms: float | None = field(default=None)
    eot_context: Context = field(default="turn")
    min_interruption_ms: tuple[float, ...] = field(default=(0.0,))
    min_words: tuple[float, ...] = field(default=(0.0,))
    false_interruption_timeout_ms: tuple[float, ...] = field(default=(math.inf,))
    interrupt: InterruptionScores | None = field(default=None)
    interrupt_threshold: tuple[float, ...] = field(default=_NO_INTERRUPT["interrupt_threshold"])
    interrupt_first_ms: tuple[float, ...] = field(default=_NO_INTERRUPT["interrupt_first_ms"])
    interrupt_interval_ms: tuple[float, ...] = field(default=_NO_INTERRUPT["interrupt_interval_ms"])
    interrupt_window_ms: tuple[float, ...] = field(default=_NO_INTERRUPT["interrupt_window_ms"])
    interrupt_latency_ms: float | None = field(default=None)
    conditions: tuple[Condition | None, ...] = field(default=(None,))
    provider: str = "openai"
    _counts: _Counts = field(init=False, repr=False, compare=False)

    def __init__(
        self,
        *,
        threshold: Values = DEFAULT_THRESHOLDS,
        prefix_padding_ms: Values = DEFAULT_PREFIX_PADDING_MS,
        silence_duration_ms: Values = DEFAULT_SILENCE_DURATION_MS,
        min_speech_ms: Values | None = None,
        eot: EndOfTurnScores | None = None,
        eot_threshold: OpenValues = 0.5,
        eot_action_delay_ms: Values = 0,
        eot_timeout_ms: Values = 3000,
        eot_interval_ms: Values = 0,
        eot_latency_ms: float | None = None,
        eot_context: Context = "turn",
        min_interruption_ms: Values = 0,
        min_words: Values = 0,
        false_interruption_timeout_ms: OpenValues = None,
        interrupt: InterruptionScores | None = None,
        interrupt_threshold: OpenValues = 0.5,
        interrupt_first_ms: Values = 200,
        interrupt_interval_ms: Values = 96,
        interrupt_window_ms: OpenValues = None,
        interrupt_latency_ms: float | None = None,
        conditions: Conditions = None,
        provider: str = "openai",
    ) -> None:
        own = swept_params(provider)
        object.__setattr__(self, "conditions", _conditions(conditions))
        object.__setattr__(self, "provider", provider)
        given = {
            "threshold": threshold,
            "prefix_padding_ms": prefix_padding_ms,
            "silence_duration_ms": silence_duration_ms,
            "eot_action_delay_ms": eot_action_delay_ms,
            "eot_timeout_ms": eot_timeout_ms,
            "eot_interval_ms": eot_interval_ms,
            "min_interruption_ms": min_interruption_ms,
            "min_words": min_words,
            "interrupt_first_ms": interrupt_first_ms,
            "interrupt_interval_ms": interrupt_interval_ms,
        }
        for name, values in given.items():
            object.__setattr__(self, name, tuple(_checked(name, number) for number in parse_values(name, values)))
        object.__setattr__(self, MIN_SPEECH, None if min_speech_ms is None else _min_speech(own, min_speech_ms))
        name = "false_interruption_timeout_ms"
        timeouts = parse_open_values(name, false_interruption_timeout_ms)
        object.__setattr__(self, name, tuple(t if t == math.inf else _checked(name, t) for t in timeouts))
        windows = parse_open_values("interrupt_window_ms", interrupt_window_ms)
        windows = tuple(t if t == math.inf else _checked("interrupt_window_ms", t) for t in windows)
        object.__setattr__(self, "interrupt_window_ms", windows)
        for name, given_thresholds in (("eot_threshold", eot_threshold), ("interrupt_threshold", interrupt_threshold)):
            above = parse_open_values(name, given_thresholds, "off")
            above = tuple(t if t == math.inf else check_probability(name, t) for t in above)
            object.__setattr__(self, name, above)
        object.__setattr__(self, "interrupt", interrupt)
        object.__setattr__(self, "interrupt_latency_ms", interrupt_latency_ms)
        object.__setattr__(self, "eot", eot)
        object.__setattr__(self, "eot_latency_ms", eot_latency_ms)
        object.__setattr__(self, "eot_context", eot_context)
        self._check_end_of_turn()
        self._check_interruption()
        object.__setattr__(self, "_counts", self._counted())

    def _counted(self) -> _Counts:
        def product(axes: Iterable[str]) -> int:
            return math.prod(len(getattr(self, name)) for name in axes)

        interrupt, eot = product(INTERRUPT_AXES), product(EOT_AXES)
        guards = product(GUARD_AXES) * interrupt
        min_speech = 1 if self.min_speech_ms is None else len(self.min_speech_ms)
        knobs = product(("threshold", "prefix_padding_ms", "silence_duration_ms"))
        return _Counts(
            interrupt=interrupt,
            eot=eot,
            guards=guards,
            min_speech=min_speech,
            under_one_condition=knobs * min_speech * eot * guards,
        )

    def _check_interruption(self) -> None:
        AdaptiveInterruption(latency_ms=self.interrupt_latency_ms)  # raises where it is not allowed
        latest = max(self.interrupt_first_ms)
        for window in self.interrupt_window_ms:
            if window < latest:
                allowed = f"not below any interrupt_first_ms (the longest is {latest:g})"
                raise InvalidParameterError("interrupt_window_ms", allowed, window)
        if self.interrupt is None:
            for name, values in _NO_INTERRUPT.items():
                if getattr(self, name) != values:
                    allowed = "left out without interrupt, a scorer"
                    raise InvalidParameterError(name, allowed, getattr(self, name))
        elif not isinstance(cast(object, self.interrupt), str | BuildsScorer | InterruptionScorer | Mapping):
            allowed = "a scorer, its name or spec, or score tracks by recording id"
            raise InvalidParameterError("interrupt", allowed, self.interrupt)

    def _check_end_of_turn(self) -> None:
        EndOfTurn(latency_ms=self.eot_latency_ms, context=self.eot_context)  # raises where one is not allowed
        longest = max(self.eot_action_delay_ms)
        for timeout in self.eot_timeout_ms:
            if timeout < longest:
                raise InvalidParameterError(
                    "eot_timeout_ms", f"not below any eot_action_delay_ms (the longest is {longest:g})", timeout
                )
        if self.eot is None:
            for name, values in _NO_EOT.items():
                if getattr(self, name) != values:
                    raise InvalidParameterError(name, "left out without eot, a scorer", getattr(self, name))
        elif not isinstance(self.eot, str | BuildsScorer | EndOfTurnScorer | Mapping):
            raise InvalidParameterError("eot", "a scorer, its name or spec, or score tracks by recording id", self.eot)

    @property
    def axes(self) -> dict[str, tuple[float, ...]]:
        """Values of each numeric axis by name: the three knobs, and the other axes that are given."""
        guards = {name: getattr(self, name) for name in GUARD_AXES}
        used = {name: values for name, values in guards.items() if values != (getattr(NO_GUARDS, name),)}
        speech = {} if self.min_speech_ms is None else {MIN_SPEECH: self.min_speech_ms}
        return {
            **{name: getattr(self, name) for name in AXES},
            **speech,
            **self._eot_axes,
            **used,
            **self._interrupt_axes,
        }

    @property
    def _interrupt_axes(self) -> dict[str, tuple[float, ...]]:
        return {name: getattr(self, name) for name in INTERRUPT_AXES} if self.interrupt is not None else {}

    @property
    def _eot_axes(self) -> dict[str, tuple[float, ...]]:
        names = EOT_AXES if self.eot is not None else ()
        return {name: getattr(self, name) for name in names if name != _INTERVAL or self.eot_interval_ms != (0.0,)}

    @property
    def eot_name(self) -> str | None:
        """Name of the end-of-turn scorer; for scores computed elsewhere, the name of what computed them."""
        return _name_of(self.eot)

    @property
    def interrupt_name(self) -> str | None:
        """Name of the interruption scorer; for scores computed elsewhere, the name of what computed them."""
        return _name_of(self.interrupt)

    @property
    def guard_settings(self) -> tuple[Guards, ...]:
        """Every combination of the guards, in their order within one setting of the detector."""
        combinations = itertools.product(*(getattr(self, name) for name in GUARD_AXES))
        return tuple(Guards(**dict(zip(GUARD_AXES, values, strict=True))) for values in combinations)

    @property
    def n_guard_settings(self) -> int:
        """Number of combinations of guards, which are adjacent settings of one detector."""
        return self._counts.guards

    @property
    def guard_points(self) -> tuple[tuple[Guards, AdaptiveInterruption | None], ...]:
        """The guards of the adjacent settings of one detector, in order."""
        return tuple((self.guards(k), self.adaptive(k)) for k in range(self.n_guard_settings))

    @property
    def has_conditions(self) -> bool:
        """Whether any condition changes the audio."""
        return self.conditions != (None,)

    @property
    def n_under_one_condition(self) -> int:
        """How many settings there are under each condition."""
        return self._counts.under_one_condition

    def __len__(self) -> int:
        return len(self.conditions) * self.n_under_one_condition

    def __iter__(self) -> Iterator[Setting]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Setting:
        index = self._detector_point(index) // (self._counts.min_speech * self._counts.eot)
        silence = index % len(self.silence_duration_ms)
        prefix = index // len(self.silence_duration_ms) % len(self.prefix_padding_ms)
        threshold = index // (len(self.silence_duration_ms) * len(self.prefix_padding_ms))
        return Setting(self.threshold[threshold], self.prefix_padding_ms[prefix], self.silence_duration_ms[silence])

    def _detector_point(self, index: int) -> int:
        """Place of a setting among those that differ in more than condition and guards.

        The end of turn runs fastest, then the min speech.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"the grid has settings 0 to {len(self) - 1}, not {index}")
        return index % self.n_under_one_condition // self.n_guard_settings

    def params(self, index: int) -> TurnParams:
        """Canonical parameters of the setting at ``index``."""
        params = swept_params(self.provider).sweep_params(**self[index]._asdict())
        if self.min_speech_ms is None:
            return params
        place = self._detector_point(index) // self._counts.eot % self._counts.min_speech
        return params.replace(min_speech_ms=self.min_speech_ms[place])

    def end_of_turn(self, index: int) -> EndOfTurn | None:
        """How turns end by a score in the setting at ``index``; ``None`` if silence alone ends them."""
        values = self._eot_values(index)
        threshold = values["eot_threshold"]
        if self.eot is None or threshold == math.inf:
            return None
        return EndOfTurn(
            threshold=threshold,
            action_delay_ms=values["eot_action_delay_ms"],
            timeout_ms=values["eot_timeout_ms"],
            interval_ms=values["eot_interval_ms"],
            latency_ms=self.eot_latency_ms,
            context=self.eot_context,
        )

    def _eot_values(self, index: int) -> dict[str, float]:
        return self._values_at(EOT_AXES, self._detector_point(index) % self._counts.eot)

    def _values_at(self, axes: tuple[str, ...], position: int) -> dict[str, float]:
        """Values at a place in the product of some axes."""
        values = {}
        for name in reversed(axes):
            numbers = getattr(self, name)
            values[name] = numbers[position % len(numbers)]
            position //= len(numbers)
        return values

    def guards(self, index: int) -> Guards:
        """Guards of the setting at ``index``; without effect if no guard is swept."""
        self[index]  # raises where there is no such setting
        values = self._values_at(GUARD_AXES, index % self.n_guard_settings // self._counts.interrupt)
        return Guards(**values)  # type: ignore[arg-type]  # whole numbers of words

    def adaptive(self, index: int) -> AdaptiveInterruption | None:
        """How a score lets speech interrupt in the setting at ``index``; ``None`` if no scorer is asked."""
        self[index]  # raises where there is no such setting
        values = self._values_at(INTERRUPT_AXES, index % self._counts.interrupt)
        threshold = values["interrupt_threshold"]
        if self.interrupt is None or threshold == math.inf:
            return None
        return AdaptiveInterruption(
            threshold=threshold,
            first_ms=values["interrupt_first_ms"],
            interval_ms=values["interrupt_interval_ms"],
            window_ms=values["interrupt_window_ms"],
            latency_ms=self.interrupt_latency_ms,
        )

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
        """Return a grid with one setting of this grid."""
        guards = {name: getattr(self.guards(index), name) for name in GUARD_AXES}
        return Grid(
            **self[index]._asdict(),
            **guards,
            **({} if self.eot is None else self._eot_values(index)),
            **({} if self.interrupt is None else self._values_at(INTERRUPT_AXES, index % self._counts.interrupt)),
            interrupt=self.interrupt,
            interrupt_latency_ms=self.interrupt_latency_ms,
            eot=self.eot,
            eot_latency_ms=self.eot_latency_ms,
            eot_context=self.eot_context,
            min_speech_ms=None if self.min_speech_ms is None else self.params(index).min_speech_ms,
            conditions=self.condition(index),
            provider=self.provider,
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per setting: the condition, where there are any, and the axes; the index is named ``setting``."""
        rows = list(itertools.product(*self.axes.values()))
        frame = pd.DataFrame(rows * len(self.conditions), columns=list(self.axes)).rename_axis("setting")
        if self.has_conditions:
            labels = [condition_label(condition) for condition in self.conditions for _ in rows]
            frame.insert(0, CONDITION, labels)
        return frame

    def to_json(self) -> dict[str, Any]:
        """Return the grid as plain JSON, for `from_json`: never and off are ``None``, a scorer is its name."""
        axes = {name: [None if v == math.inf else v for v in values] for name, values in self.axes.items()}
        conditions = [None if condition is None else condition.to_dict() for condition in self.conditions]
        return {
            **axes,
            **self._scorer_facts,
            **({"conditions": conditions} if self.has_conditions else {}),
            "provider": self.provider,
        }

    @property
    def _scorer_facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        if self.eot is not None:
            facts |= {"eot": self.eot_name, "eot_latency_ms": self.eot_latency_ms, "eot_context": self.eot_context}
        if self.interrupt is not None:
            facts |= {"interrupt": self.interrupt_name, "interrupt_latency_ms": self.interrupt_latency_ms}
        return facts

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Grid:
        """Read the grid that `to_json` returned."""
        texts = data.get("conditions", [None])
        conditions = [None if text is None else Condition.from_dict(text) for text in texts]
        return cls(**{**data, "conditions": conditions})

    def nearest(self, *, condition: Condition | str | None = None, **values: float | None) -> int:
        """Index of the setting nearest to the given values, axis by axis; for axes not named, the middle value.

        The setting is under the given condition, or the first one. ``None`` is never or off, as in the grid.

        Raises
        ------
        InvalidParameterError
            If an axis was not swept, or a value is no number.
        """
        axes = self.axes
        for name, value in values.items():
            if name not in axes:
                raise InvalidParameterError("axis", f"one of {', '.join(axes)}", name)
            if value is not None and not is_number(value):
                raise InvalidParameterError(name, "a number, or None for never and off", value)
        position = 0 if condition is None else self.condition_index(condition)
        for name, numbers in axes.items():
            given = values.get(name, numbers[len(numbers) // 2])
            target = math.inf if given is None else given
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


def _name_of(scorer: EndOfTurnScores | InterruptionScores | None) -> str | None:
    if scorer is None or isinstance(scorer, str):
        return scorer
    if isinstance(scorer, Mapping):
        return ", ".join(sorted({track.detector for track in scorer.values()}))
    return str((scorer if hasattr(scorer, "name") else scorer.build()).name)


def _one(condition: Condition | str | None) -> Condition | None:
    if isinstance(condition, str):
        return parse_condition(condition)
    if condition is not None and not isinstance(condition, Condition):
        raise InvalidParameterError("conditions", "a Condition, its text or None, or several", condition)
    return condition


def _conditions(given: Conditions) -> tuple[Condition | None, ...]:
    several = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    conditions = tuple(_one(condition) for condition in several)
    labels = [condition_label(condition) for condition in conditions]
    if not labels or len(set(labels)) < len(labels):
        raise InvalidParameterError("conditions", "at least one, and none twice", labels)
    return conditions


def _min_speech(provider: type[SweptParams], values: Values) -> tuple[float, ...] | None:
    """The values given; ``None`` where there is no other than the provider's own."""
    if pads_by_speech(provider):
        allowed = (
            f"left out with provider={provider.provider!r}, whose prefix padding is the speech that a turn needs to "
            "start: sweep prefix_padding_ms"
        )
        raise InvalidParameterError(MIN_SPEECH, allowed, values)
    numbers = tuple(_checked(MIN_SPEECH, number) for number in parse_values(MIN_SPEECH, values))
    return None if numbers == (provider().canonical().min_speech_ms,) else numbers


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
