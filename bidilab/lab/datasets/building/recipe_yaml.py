"""Reading a recipe from YAML: every fault names its key in full, and no key is ignored."""

from __future__ import annotations

import math
import os
from collections.abc import Hashable, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TypeGuard, TypeVar, overload

import yaml

from bidilab.core.audio import G711_RATE
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.dsp.truth import TruthRule
from bidilab.lab.datasets.building.recipe import (
    Background,
    Batch,
    Echo,
    Event,
    Exchange,
    LineCondition,
    Recipe,
    Scenario,
    Span,
)
from bidilab.lab.datasets.building.synth import SOUNDS
from bidilab.lab.datasets.labels import FALSE_KINDS, Kind
from bidilab.lab.datasets.manifest import DatasetInfo
from bidilab.lab.datasets.recording import TagValue

__all__ = ["Settings", "load_recipe"]

Word = TypeVar("Word", bound=str)


class Settings:
    """One mapping of a YAML document. Ask for every key there may be, then :meth:`finish`.

    Parameters
    ----------
    given
        The value that the document holds there.
    where
        Path of keys that leads to it, ``""`` at the top.

    Raises
    ------
    InvalidParameterError
        If ``given`` is not a mapping with string keys.
    """

    def __init__(self, given: object, where: str) -> None:
        if not isinstance(given, dict) or not all(isinstance(key, str) for key in given):
            raise InvalidParameterError(where or "recipe", "a mapping of keys to values", given)
        self.given: dict[str, object] = given
        self.where = where
        self._asked: list[str] = []

    def _key(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        if key not in self._asked:
            self._asked.append(key)
        return key in self.given

    def _get(self, key: str, allowed: str) -> object:
        if not self.has(key):
            raise InvalidParameterError(self._key(key), f"given: {allowed}", None)
        return self.given[key]

    def finish(self) -> None:
        """Refuse keys that were not read."""
        for key in self.given:
            if key not in self._asked:
                raise InvalidParameterError(self._key(key), f"a key that exists ({', '.join(self._asked)})", key)

    def mapping(self, key: str) -> dict[str, object]:
        """A mapping that is not empty, of any values."""
        value = self._get(key, "a mapping that is not empty")
        if not isinstance(value, dict) or not value or not all(isinstance(name, str) for name in value):
            raise InvalidParameterError(self._key(key), "a mapping of names that is not empty", value)
        return value

    def section(self, key: str, *, required: bool = True) -> Settings:
        """Settings below a key; none at all when it is absent and not required."""
        if not required and not self.has(key):
            return Settings({}, self._key(key))
        return Settings(self._get(key, "a mapping"), self._key(key))

    def sections(self, key: str) -> dict[str, Settings]:
        """Named settings below a key, at least one; an empty value stands for no settings."""
        return {
            name: Settings({} if value is None else value, f"{self._key(key)}.{name}")
            for name, value in self.mapping(key).items()
        }

    def items(self, key: str, *, required: bool = True) -> list[Settings]:
        """A list of settings, at least one when required."""
        if not required and not self.has(key):
            return []
        value = self._get(key, "a list that is not empty")
        if not isinstance(value, list) or (required and not value):
            raise InvalidParameterError(self._key(key), "a list that is not empty", value)
        return [Settings(item, f"{self._key(key)}[{index}]") for index, item in enumerate(value)]

    def scalars(self, key: str) -> dict[str, TagValue]:
        """An optional mapping of names to strings, numbers, truth values or null."""
        out: dict[str, TagValue] = {}
        if not self.has(key):
            return out
        for name, value in self.mapping(key).items():
            if value is not None and not isinstance(value, str | int | float | bool):
                raise InvalidParameterError(f"{self._key(key)}.{name}", "a string, number, truth value or null", value)
            out[name] = value
        return out

    @overload
    def text(self, key: str) -> str: ...
    @overload
    def text(self, key: str, *, default: str) -> str: ...
    @overload
    def text(self, key: str, *, default: None) -> str | None: ...
    def text(self, key: str, *, default: str | None = "") -> str | None:
        """A string that is not empty; with ``default`` it may be absent."""
        if default != "" and not self.has(key):
            return default
        value = self._get(key, "a string")
        if not isinstance(value, str) or not value.strip():
            raise InvalidParameterError(self._key(key), "a string that is not empty (quote numbers)", value)
        return value

    def choice(self, key: str, allowed: tuple[Word, ...]) -> Word:
        """One of some words."""
        words = f"one of {', '.join(allowed)}"
        value = self._get(key, words)
        for word in allowed:
            if word == value:
                return word
        raise InvalidParameterError(self._key(key), words, value)

    def choices(self, key: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
        """Some of some words; none when the key is absent."""
        if not self.has(key):
            return ()
        value = self.given[key]
        if not isinstance(value, list) or not value or any(item not in allowed for item in value):
            raise InvalidParameterError(self._key(key), f"a list out of {', '.join(allowed)}", value)
        return tuple(value)

    def flag(self, key: str) -> bool:
        """``true`` or ``false``; false when absent."""
        value = self.given[key] if self.has(key) else False
        if not isinstance(value, bool):
            raise InvalidParameterError(self._key(key), "true or false", value)
        return value

    def integer(self, key: str, *, low: int, high: int | None = None, default: int | None = None) -> int:
        """A whole number in ``[low, high]``."""
        words = f"a whole number >= {low}" if high is None else f"a whole number in [{low}, {high}]"
        if default is not None and not self.has(key):
            return default
        value = self._get(key, words)
        if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
            raise InvalidParameterError(self._key(key), words, value)
        return value

    def number(self, key: str, *, low: float, high: float, default: float | None = None) -> float:
        """A number in ``[low, high]``."""
        words = f"a number in [{low:g}, {high:g}]"
        if default is not None and not self.has(key):
            return default
        value = self._get(key, words)
        if not _is_number(value) or not low <= float(value) <= high:
            raise InvalidParameterError(self._key(key), words, value)
        return float(value)

    def span(self, key: str, *, low: float, high: float, default: Span | None = None) -> Span:
        """A number, or two in order, in ``[low, high]``."""
        words = f"a number in [{low:g}, {high:g}], or [lowest, highest] of them"
        if default is not None and not self.has(key):
            return default
        value = self._get(key, words)
        ends = value if isinstance(value, list) else [value, value]
        numbers = [float(end) for end in ends if _is_number(end)]
        if len(ends) != 2 or len(numbers) != 2 or not low <= numbers[0] <= numbers[1] <= high:
            raise InvalidParameterError(self._key(key), words, value)
        return numbers[0], numbers[1]

    def optional_span(self, key: str, *, low: float, high: float) -> Span | None:
        """A span, or ``None`` when the key is absent."""
        return self.span(key, low=low, high=high) if self.has(key) else None

    def whole_span(self, key: str, *, low: float, high: float, default: Span) -> Span:
        """A span whose ends are whole numbers."""
        ends = self.span(key, low=low, high=high, default=default)
        if any(end != int(end) for end in ends):
            raise InvalidParameterError(self._key(key), "whole numbers", list(ends))
        return ends


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


SCRIPTED_KINDS: tuple[Kind, ...] = ("interruption", *(kind for kind in FALSE_KINDS if kind != "echo"))
AUTOMATIC_TAGS = (
    "scenario",
    "condition",
    "user_voice",
    "agent_voice",
    "snr_db",
    "echo_db",
    "telephone",
    "scaled_db",
)


_MAX_BYTES = 1 << 20
_MAX_NODES = 100_000


def _count_nodes(node: yaml.Node, counted: dict[int, int], within: set[int]) -> int:
    """How many nodes a text has with its aliases written out."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    line = node.start_mark.line + 1
    if id(node) in within:
        raise yaml.YAMLError(f"line {line}: an alias refers to the value that contains it")
    if id(node) not in counted:
        within.add(id(node))
        parts = chain.from_iterable(node.value) if isinstance(node, yaml.MappingNode) else node.value
        counted[id(node)] = 1 + sum(_count_nodes(part, counted, within) for part in parts)
        within.remove(id(node))
        if counted[id(node)] > _MAX_NODES:
            raise yaml.YAMLError(f"line {line}: more than {_MAX_NODES} values with its aliases written out")
    return counted[id(node)]


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe loader, with limits, which also refuses a key given twice (YAML 1.2, 3.2.1.1: keys are unique).

    Aliases are taken, as long as the text would not be large without them: a few lines of aliases of aliases stand for
    more than any memory holds, and an alias within what it names for a text without an end.
    """

    def get_single_node(self) -> yaml.Node | None:
        """Compose the text, and refuse one that is too large when its aliases are written out."""
        node: yaml.Node | None = super().get_single_node()
        if node is not None:
            _count_nodes(node, {}, set())
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                line = node.value[index][0].start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: the key {key!r} is given twice")
        return super().construct_mapping(node, deep=deep)


def load_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Read a recipe.

    Raises
    ------
    InvalidParameterError
        If anything in it is missing, unknown or not allowed; the message gives the key's full path.
    """
    file = Path(path)
    if not file.is_file():
        raise InvalidParameterError("recipe", "a YAML file that exists", str(file))
    try:
        data = yaml.load(_text_of(file), Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # also what is no UTF-8, number or date
        raise InvalidParameterError("recipe", f"YAML ({' '.join(str(error).split())})", str(file)) from error
    except RecursionError as error:
        raise InvalidParameterError("recipe", "YAML that is nested less deeply", str(file)) from error
    return _recipe(Settings(data, ""))


def _text_of(file: Path) -> str:
    if (size := file.stat().st_size) > _MAX_BYTES:
        raise ValueError(f"{size} bytes, at most {_MAX_BYTES} are read")
    return file.read_text(encoding="utf-8")


def _recipe(top: Settings) -> Recipe:
    voices = top.section("voices")
    timing = top.section("timing", required=False)
    scenarios = {name: _scenario(name, one) for name, one in top.sections("scenarios").items()}
    conditions = {name: _condition(name, one) for name, one in top.sections("conditions").items()}
    batches = tuple(_batch(item, scenarios, conditions) for item in top.items("recordings"))
    for index, batch in enumerate(batches):
        if any((batch.scenario, batch.condition) == (b.scenario, b.condition) for b in batches[:index]):
            pair = f"{batch.scenario}, {batch.condition}"
            raise InvalidParameterError(f"recordings[{index}]", "a pair of scenario and condition not yet given", pair)
    recipe = Recipe(
        info=_info(top.section("dataset")),
        seed=top.integer("seed", low=0),
        sample_rate=top.integer("sample_rate", low=G711_RATE, high=192_000, default=16_000),
        speech_dbfs=top.number("speech_dbfs", low=-60, high=-6, default=-26.0),
        agent_dbfs=top.number("agent_dbfs", low=-60, high=-6, default=-26.0),
        truth=_truth(top.section("truth", required=False)),
        user_voices=_voices(voices, "user"),
        agent_voices=_voices(voices, "agent"),
        scenarios=scenarios,
        conditions=conditions,
        batches=batches,
        lead_s=timing.span("lead_s", low=0, high=60, default=(0.4, 0.8)),
        response_delay_s=timing.span("response_delay_s", low=0, high=60, default=(0.3, 0.8)),
        gap_s=timing.span("gap_s", low=0, high=60, default=(0.6, 1.2)),
        tail_s=timing.span("tail_s", low=0, high=60, default=(0.8, 1.2)),
    )
    voices.finish()
    timing.finish()
    top.finish()
    return recipe


def _info(settings: Settings) -> DatasetInfo:
    info = DatasetInfo(**{key: settings.text(key) for key in DatasetInfo.__dataclass_fields__})
    settings.finish()
    return info


def _truth(settings: Settings) -> TruthRule:
    rule = TruthRule()
    rule = TruthRule(
        below_peak_db=settings.number("below_peak_db", low=1, high=90, default=rule.below_peak_db),
        floor_dbfs=settings.number("floor_dbfs", low=-120, high=-1, default=rule.floor_dbfs),
        pause_ms=settings.number("pause_ms", low=0, high=60_000, default=rule.pause_ms),
        min_ms=settings.number("min_ms", low=0, high=60_000, default=rule.min_ms),
    )
    settings.finish()
    return rule


def _voices(voices: Settings, side: str) -> dict[str, dict[str, str]]:
    out: dict[str, dict[str, str]] = {}
    for name, value in voices.mapping(side).items():
        where = f"voices.{side}.{name}"
        if isinstance(value, str):
            out[name] = {"": value}
        elif isinstance(value, dict) and value and all(isinstance(v, str) for v in value.values()):
            out[name] = {str(role): folder for role, folder in value.items()}
        else:
            raise InvalidParameterError(where, "a folder, or a folder for each role", value)
    return out


def _scenario(name: str, settings: Settings) -> Scenario:
    exchanges = tuple(_exchange(item) for item in settings.items("exchanges"))
    tags = settings.scalars("tags")
    for tag in tags:
        if tag in AUTOMATIC_TAGS:
            raise InvalidParameterError(f"{settings.where}.tags", "a tag the build does not set itself", tag)
    settings.finish()
    return Scenario(name=name, exchanges=exchanges, tags=tags)


def _exchange(settings: Settings) -> Exchange:
    exchange = Exchange(
        turn=_event(settings.section("turn"), "turn") if settings.has("turn") else None,
        response_s=settings.span("response_s", low=0.3, high=600),
        events=tuple(_event(item) for item in settings.items("events", required=False)),
    )
    settings.finish()
    return exchange


def _event(settings: Settings, kind: Kind | None = None) -> Event:
    at: Span = (0.0, 0.0)
    if kind is None:
        kind = settings.choice("kind", SCRIPTED_KINDS)
        at = settings.span("at", low=0, high=1)
    event = Event(
        kind=kind,
        at=at,
        gain_db=settings.span("gain_db", low=-60, high=20, default=(0.0, 0.0)),
        over_noise_db=settings.optional_span("over_noise_db", low=-40, high=60),
        lowpass_hz=settings.optional_span("lowpass_hz", low=100, high=90_000),
        rt60_ms=settings.optional_span("rt60_ms", low=10, high=5000),
        direct_db=settings.number("direct_db", low=-20, high=40, default=0.0),
    )
    event = _noise_source(settings, event) if kind == "noise" else _speech_source(settings, event)
    settings.finish()
    return event


def _noise_source(settings: Settings, event: Event) -> Event:
    sounds = settings.choices("sounds", tuple(SOUNDS))
    folder = settings.text("folder", default=None)
    if bool(sounds) == bool(folder):
        raise InvalidParameterError(settings.where, "noise from either 'sounds' or a 'folder'", settings.given)
    longest_s = settings.number("longest_s", low=0.05, high=600, default=4.0)
    return replace(event, sounds=sounds, folder=folder, longest_s=longest_s)


def _speech_source(settings: Settings, event: Event) -> Event:
    # Side speech is a turn of somebody else's; every other kind has clips of its own name.
    usual_role = "turn" if event.kind == "side_speech" else event.kind
    return replace(
        event,
        role=settings.text("role", default=usual_role),
        parts=settings.whole_span("parts", low=1, high=20, default=(1.0, 1.0)),
        pause_ms=settings.span("pause_ms", low=0, high=10_000, default=(200.0, 800.0)),
        whisper=settings.flag("whisper"),
    )


def _condition(name: str, settings: Settings) -> LineCondition:
    condition = LineCondition(
        name=name,
        floor_dbfs=settings.number("floor_dbfs", low=-120, high=-20) if settings.has("floor_dbfs") else None,
        background=_background(settings.section("background")) if settings.has("background") else None,
        echo=_echo(settings.section("echo")) if settings.has("echo") else None,
        telephone=settings.flag("telephone"),
    )
    settings.finish()
    return condition


def _background(settings: Settings) -> Background:
    folder = settings.text("folder", default=None)
    if folder is not None and settings.has("talkers"):
        raise InvalidParameterError(settings.where, "either 'folder' or 'talkers'", settings.given)
    background = Background(
        snr_db=settings.number("snr_db", low=-40, high=60),
        talkers=settings.integer("talkers", low=1, high=50, default=5),
        role=settings.text("role", default="turn"),
        folder=folder,
        rt60_ms=settings.number("rt60_ms", low=10, high=5000) if settings.has("rt60_ms") else None,
        direct_db=settings.number("direct_db", low=-20, high=40, default=0.0),
        lowpass_hz=settings.number("lowpass_hz", low=100, high=90_000) if settings.has("lowpass_hz") else None,
    )
    settings.finish()
    return background


def _echo(settings: Settings) -> Echo:
    echo = Echo(
        gain_db=settings.span("gain_db", low=-90, high=6),
        delay_ms=settings.span("delay_ms", low=0, high=2000, default=(40.0, 120.0)),
        rt60_ms=settings.span("rt60_ms", low=10, high=5000, default=(150.0, 350.0)),
        direct_db=settings.number("direct_db", low=-20, high=40, default=3.0),
        lowpass_hz=settings.optional_span("lowpass_hz", low=100, high=90_000),
    )
    settings.finish()
    return echo


def _batch(settings: Settings, scenarios: Mapping[str, object], conditions: Mapping[str, object]) -> Batch:
    batch = Batch(
        scenario=settings.choice("scenario", tuple(scenarios)),
        condition=settings.choice("condition", tuple(conditions)),
        count=settings.integer("count", low=1, high=1_000_000),
    )
    settings.finish()
    return batch
