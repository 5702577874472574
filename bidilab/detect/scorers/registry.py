"""Scorers by name: bidilab's own, and those of installed distributions.

A scorer of bidilab's own is one class and one line in `SCORERS`; others come by an entry point of the group
``bidilab.eot`` or ``bidilab.interruption`` (`bidilab.detect.plugins`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, overload

from bidilab.core.checks import check_one_of
from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import check_sample_rate
from bidilab.detect.plugins import Registry, check_options, named_release, option_pairs
from bidilab.detect.scorers.asking import BuildsScorer, Scorer
from bidilab.detect.scorers.base import TASKS, EndOfTurnScorer, InterruptionScorer, ScoreTrack, Task
from bidilab.detect.scorers.smartturn import SmartTurn

__all__ = [
    "SCORERS",
    "ScorerLike",
    "ScorerSpec",
    "built_scorer",
    "check_scorer",
    "get_scorer",
    "scorer_distribution",
    "scorer_name",
    "scorer_names",
]

ScorerLike: TypeAlias = Scorer | ScoreTrack | BuildsScorer | str
"""A scorer, its name, what builds one (`ScorerSpec`), or scores that were computed elsewhere."""

SCORERS: dict[Task, dict[str, Callable[..., Scorer]]] = {"eot": {"smart-turn": SmartTurn}, "interruption": {}}
"""What builds each of bidilab's own scorers, by task: called with ``sample_rate`` and the options of a `ScorerSpec`."""
_REGISTRIES = {
    task: Registry(f"bidilab.{task}", what=f"{task} scorer", parameter="scorer", own=SCORERS[task]) for task in TASKS
}
_ASKED: dict[Task, str] = {"eot": "ends of turns", "interruption": "interruptions"}
_PROTOCOLS: dict[Task, type] = {"eot": EndOfTurnScorer, "interruption": InterruptionScorer}


def scorer_names(task: Task = "eot") -> tuple[str, ...]:
    """Names that `get_scorer` knows for a task: bidilab's own, then those of installed plug-ins."""
    check_one_of("task", task, TASKS)
    return _REGISTRIES[task].names()


def scorer_name(name: str, version: str) -> str:
    """A scorer with its release, as summaries and reports name it.

    Examples
    --------
    >>> scorer_name("vap", "1.3;probe=0123")
    'vap 1.3'
    """
    return named_release(next((own[name] for own in SCORERS.values() if name in own), None), name, version)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerSpec:
    """Name and options of a scorer: small, hashable and picklable, so that a worker process can build it.

    Parameters
    ----------
    name
        One of `scorer_names`.
    task
        ``eot`` (is the turn over?) or ``interruption`` (is this speech meant to interrupt?).
    sample_rate
        Hertz of the audio it hears: the VAD's.
    options
        Parameters of the scorer: a mapping, or pairs of name and value. A path becomes text.

    Raises
    ------
    InvalidParameterError
        If the task, the name, the rate or an option is unknown. An option's value is checked by `build`.
    PluginError
        If the plug-in of that name cannot be loaded, or two distributions have it.
    """

    name: str
    task: Task = "eot"
    sample_rate: int = 16_000
    options: Mapping[str, Any] | tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        check_one_of("task", self.task, TASKS)
        maker = _REGISTRIES[self.task].find(self.name)
        check_sample_rate(self.sample_rate)
        check_options(f"the scorer {self.name}", maker.load(), dict(self.options))
        object.__setattr__(self, "options", option_pairs(self.options))

    @property
    def distribution(self) -> str:
        """The installed distribution that it comes from, with its version."""
        return _REGISTRIES[self.task].find(self.name).origin

    def build(self) -> Scorer:
        """The scorer.

        Raises
        ------
        InvalidParameterError
            If an option has a value that is not allowed.
        PluginError
            If it is a plug-in that cannot be built, or is no scorer of the task.
        """
        maker, protocol = _REGISTRIES[self.task].find(self.name), _PROTOCOLS[self.task]
        options = dict(self.options)
        made: Scorer = maker.make(f"{self.task} scorer", protocol, sample_rate=self.sample_rate, options=options)
        return made


def get_scorer(name: str, task: Task = "eot", sample_rate: int = 16_000, **options: Any) -> Scorer:
    """A scorer by its name.

    Parameters
    ----------
    name
        One of `scorer_names`.
    task
        ``eot`` or ``interruption``.
    sample_rate
        Hertz of the audio it hears: the VAD's.
    **options
        Parameters of the scorer.

    Raises
    ------
    InvalidParameterError
        If the task, the name, the rate, an option or its value is not allowed.
    PluginError
        If it is a plug-in that cannot be used.
    """
    return ScorerSpec(name=name, task=task, sample_rate=sample_rate, options=options).build()


def scorer_distribution(scorer: Scorer, task: Task = "eot") -> str:
    """The installed distribution that a scorer comes from, ``toy-eot 1.2``; empty for one given as an object."""
    check_one_of("task", task, TASKS)
    return _REGISTRIES[task].origin_of(scorer)


def check_scorer(given: object, task: Task = "eot") -> None:
    """Refuse early, and without loading a model, what can be no scorer of a task.

    Raises
    ------
    InvalidParameterError
        If a name is unknown, a spec or scores are of another task, or it is nothing of the kind.
    PluginError
        If the plug-in of that name cannot be loaded.
    """
    of_task = f"a scorer of {_ASKED[task]}"
    if isinstance(given, str):
        ScorerSpec(name=given, task=task)
    elif isinstance(given, ScorerSpec | ScoreTrack):
        if given.task != task:
            raise InvalidParameterError("scorer", f"{of_task} (task {task})", given)
    elif isinstance(given, type) or not isinstance(given, _PROTOCOLS[task] | BuildsScorer):
        names = ", ".join(scorer_names(task)) or "none is installed"
        raise InvalidParameterError("scorer", f"{of_task}, its spec or name ({names}), or a ScoreTrack", given)


@overload
def built_scorer(given: ScorerLike, task: Literal["eot"] = "eot") -> EndOfTurnScorer | ScoreTrack: ...
@overload
def built_scorer(given: ScorerLike, task: Task) -> Scorer | ScoreTrack: ...
def built_scorer(given: ScorerLike, task: Task = "eot") -> Scorer | ScoreTrack:
    """The scorer itself, or the `ScoreTrack`, of what may stand for one.

    Raises
    ------
    InvalidParameterError, PluginError
        As `check_scorer`, or what it builds is no scorer.
    """
    check_scorer(given, task)
    named = ScorerSpec(name=given, task=task) if isinstance(given, str) else given
    scorer: Any = named.build() if isinstance(named, BuildsScorer) else named
    if not isinstance(scorer, ScoreTrack | _PROTOCOLS[task]):
        raise InvalidParameterError("scorer", f"the spec of a scorer of {_ASKED[task]}", given)
    built: Scorer | ScoreTrack = scorer  # type: ignore[assignment]  # it has the members of the task's protocol
    return built
