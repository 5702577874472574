"""What is said of a recommendation: the one place that puts it into words.

Command line, report, notebooks, explorer and the head of an exported setting show these sentences; none makes its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from bidilab.core.errors import ResultError
from bidilab.detect.turns.providers import swept_params
from bidilab.lab.datasets.onefile import labelling_command
from bidilab.lab.datasets.splitting import user_speakers
from bidilab.lab.metrics.columns import SETTINGS, Axis, telling_axes
from bidilab.lab.metrics.intervals import too_few_to_say
from bidilab.lab.sweep.choice import Choice, Knob, Limit
from bidilab.lab.sweep.evaluated import MISSED
from bidilab.lab.sweep.grid import CONDITION, MIN_SPEECH
from bidilab.lab.sweep.proposed import PROPOSED_BIAS

if TYPE_CHECKING:
    from bidilab.lab.sweep.result import SweepResult

__all__ = [
    "LIMITED",
    "PROVIDER_TITLES",
    "Finding",
    "describe",
    "rates_in_words",
    "refuse",
    "setting_in_words",
    "unlabelled",
]


class Limited(NamedTuple):
    """A rate that can be limited: its column, the column of its n, and words for it."""

    rate: str
    n: str
    words: str
    opportunities: str


LIMITED: Mapping[str, Limited] = MappingProxyType(
    {
        "max_missed_rate": Limited("missed_rate", "n_true_opportunities", "missed", "true interruptions"),
        "max_false_interruption_rate": Limited(
            "false_interruption_rate", "n_false_opportunities", "false", "chances to interrupt falsely"
        ),
        "max_premature_endpoint_rate": Limited("premature_endpoint_rate", "n_turns", "cut-ins", "turns"),
    }
)
"""What each limit of a recommendation limits."""
PROVIDER_TITLES: Mapping[str, str] = MappingProxyType({"openai": "OpenAI", "gemini": "Gemini", "livekit": "LiveKit"})
FEWEST_TAGGED = 10
"""Events that a tag's recordings must hold for the tag to be named as the worst condition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What there is to be said.

    Parameters
    ----------
    result
        The sweep.
    knobs
        The axes that the loss depends on.
    choice, without_limits
        What was chosen, and what would be without limits.
    setting, default
        Rows of ``result.settings``; ``setting`` is ``None`` where none keeps the limits.
    prefix_moved
        Whether another prefix padding than the default is recommended.
    limits
        Those that were asked for.
    row_of
        The row of ``result.settings`` of a setting that was chosen from, under its worst condition.
    """

    result: SweepResult
    knobs: Sequence[Knob]
    choice: Choice
    without_limits: Choice
    setting: int | None
    default: int
    prefix_moved: bool
    limits: Sequence[Limit]
    row_of: Callable[[int], int]

    def surest(self, n: int) -> list[int]:
        """Settings that come nearest to keeping the limits: the least that their intervals reach beyond them."""
        settings = self.result.settings
        rows = np.array([self.row_of(place) for place in range(len(self.choice.losses))])
        over = np.zeros(len(rows))
        for limit in self.limits:
            upper = settings[f"{LIMITED[limit.name].rate}_hi"].to_numpy()[rows]
            over += np.maximum(np.where(np.isnan(upper), 1.0, upper) - limit.at_most, 0)
        return [int(place) for place in np.lexsort((self.choice.losses, over))[:n]]


def describe(finding: Finding) -> tuple[str, tuple[str, ...]]:
    """The recommendation in words: what comes first, and further sentences."""
    assert finding.setting is not None
    settings = finding.result.settings
    chosen, default = settings.iloc[finding.setting], settings.iloc[finding.default]
    first = f"{_capital(setting_in_words(chosen, finding.result.grid.axes))}. {_against_default(finding)}"
    message = " ".join([first, _rates(chosen, default, finding), *_ties(finding), *_stability(finding)])
    notes = (
        *_inexpressible(finding, finding.setting),
        *_unshown(finding),
        *_worst(finding),
        *_price(finding),
        *_less(finding),
        *_edges(finding, chosen),
        *_undecided(finding),
        *_about_labels(finding),
    )
    return message, notes


def refuse(finding: Finding) -> tuple[str, tuple[str, ...]]:
    """Why no setting is recommended."""
    settings, choice = finding.result.settings, finding.choice
    n = len(choice.losses)
    if not np.isfinite(choice.losses).any():  # of a result that a caller made
        missing = [one.opportunities for one in LIMITED.values() if not settings[one.n].any()]
        return f"No setting can be recommended: the labels hold no {' and no '.join(missing)}.", ()
    if finding.without_limits.setting is None:
        return f"None of the {n:,} settings can be judged: each is degenerate, as silence may never come.", ()
    limits = " and ".join(f"{LIMITED[limit.name].words} ≤ {_percent(limit.at_most)}" for limit in finding.limits)
    place = finding.surest(1)[0]
    row = settings.iloc[finding.row_of(place)]
    parts = []
    for limit in finding.limits:
        rate, n_name, words, opportunities = LIMITED[limit.name]
        if not row[n_name]:
            parts.append(f"no {opportunities} are labelled, so nothing shows the rate of {words}")
            continue
        said = f"{words} {_percent(row[rate])}, but up to {_percent(row[f'{rate}_hi'])} fits the data"
        parts.append(f"{said} (n = {row[n_name]:.0f})")
    named = setting_in_words(row, finding.result.grid.axes)
    message = f"None of {n:,} settings can be shown to keep {limits}. The surest, {named}: {'; '.join(parts)}."
    needed = [(limit, limit.opportunities_needed(int(choice.rows[place]))) for limit in finding.limits]
    finite = [
        f"about {_round(count):,} {LIMITED[limit.name].opportunities} like these would show "
        f"{LIMITED[limit.name].words} ≤ {_percent(limit.at_most)}"
        for limit, count in needed
        if math.isfinite(count) and not limit.kept()[int(choice.rows[place])]
    ]
    notes = [f"{_capital(' and '.join(finite))}."] if finite else []
    return message, (*notes, *_about_labels(finding))


def unlabelled(result: SweepResult) -> tuple[str, tuple[str, ...]]:
    """What is said of recordings in which nothing is labelled: what there is to see, and the next command."""
    described = result.meta["dataset"]
    turns = result.settings["n_detector_turns"]
    one = described.get("user_channel")
    where = Path(described["path"])
    message = (
        f"No turn, and no event in the agent's speech, is labelled in {described['name']}: nothing can be missed or "
        "false, and no setting is recommended. "
        f"What there is: the detector makes {turns.min():,} to {turns.max():,} turns, by the setting "
        "(n_detector_turns)."
    )
    channel = f" Channel {one} is taken for the user's; user_channel says another." if one else ""
    folder = where.parent if one else where
    proposed = labelling_command(folder, one or 1) if one else f"bidilab datasets label {folder}"
    return f"{message}{channel}", (f"Next: propose labels, and mend them: {proposed}",)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _percent(rate: float) -> str:
    percent = 100 * rate
    digits = 1 if 0 < percent < 10 and abs(percent - round(percent)) > 0.05 else 0
    return f"{percent:.{digits}f} %"


def _round(count: float) -> int:
    """A number of opportunities as one would say it: two digits, rounded up."""
    step: int = 10 ** max(0, len(str(int(count))) - 2)
    return math.ceil(count / step) * step


def setting_in_words(row: pd.Series[Any], axes: Mapping[str, Sequence[float]]) -> str:
    """A setting by its knobs: ``threshold 0.75, prefix padding 300 ms, silence 500 ms``."""
    return ", ".join(_knob(name, value) for name, value in telling_axes({a: float(row[a]) for a in axes}).items())


def _knob(name: str, value: float) -> str:
    if name == "false_interruption_timeout_ms":
        return "never resumed" if math.isinf(value) else f"resumed after {value:g} ms"
    if name == "eot_threshold" and math.isinf(value):
        return "no end-of-turn model"
    if name == "interrupt_threshold" and math.isinf(value):
        return "no interruption model"
    if name == "interrupt_window_ms" and math.isinf(value):
        return "no interruption window"
    return f"{_word(name)} {value:g}{_unit(name)}"


def _word(name: str) -> str:
    return "silence" if name == "silence_duration_ms" else SETTINGS[name].label


def _unit(name: str) -> str:
    unit = SETTINGS[name].unit
    return f" {unit}" if unit else ""


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _against_default(finding: Finding) -> str:
    """What was moved, and what not moving it would cost."""
    result, choice = finding.result, finding.choice
    title = PROVIDER_TITLES.get(result.provider, result.provider)
    default = result.settings.iloc[finding.default]
    name = f"{title}'s default"
    shipped = swept_params(result.provider)().canonical()
    axes = [axis for axis in ("threshold", "silence_duration_ms", MIN_SPEECH) if axis in result.axes]
    if any(not math.isclose(float(default[axis]), getattr(shipped, axis)) for axis in axes):
        near = ", ".join(_knob(axis, float(default[axis])) for axis in axes)
        name = f"the swept setting nearest to {title}'s default ({near})"
    moved = [*choice.moved, *(["prefix_padding_ms"] if finding.prefix_moved else [])]
    if not moved:
        return f"It is {name}: nothing swept is shown to be better."
    only = "Only the" if len(moved) == 1 else "The"
    verb = "differs" if len(moved) == 1 else "differ"
    said = f"{only} {_listed([_word(m) for m in moved])} {verb} from {name}"
    if not choice.moved:
        return f"{said}, with which more than one turn in ten loses its onset."
    gap, lo, hi = (100 * points for points in (choice.gap, choice.gap_lo, choice.gap_hi))
    more = "more"
    if gap < 0:  # a limit decides
        gap, lo, hi, more = -gap, -hi, -lo, "less"
    between = "" if math.isnan(lo) else f" ({lo:.1f} to {hi:.1f})"
    return f"{said}, which costs {gap:.1f} points {more}{between}."


def _rates(chosen: pd.Series[Any], default: pd.Series[Any], finding: Finding) -> str:
    m = finding.result.n_recordings
    said = _capital(rates_in_words(chosen, default, m, beside="default"))
    if not chosen["n_true_opportunities"]:
        return f"{said}."
    p50 = float(chosen["latency_detected_ms_p50"])
    after = "more than half never stop" if math.isinf(p50) else f"stops after {p50:.0f} ms (p50)"
    return f"{said}; {after}, {_percent(chosen['stopped_within_500ms_rate'])} within 500 ms."


def rates_in_words(row: pd.Series[Any], other: pd.Series[Any], m: int, *, beside: str) -> str:
    """The rates of a row, each with its interval over ``m`` recordings and n, and that of another row beside it."""
    return ", ".join(part for name in LIMITED if (part := _rate(name, row, other, m, beside)))


def _rate(limit: str, chosen: pd.Series[Any], other: pd.Series[Any], m: int, beside: str) -> str:
    rate, n_name, words, _ = LIMITED[limit]
    n = float(chosen[n_name])
    if not n:
        return ""
    value, lo, hi = (float(chosen[name]) for name in SETTINGS[rate].names)
    what, of = ("cut in on", " of turns") if words == "cut-ins" else (words, "")
    if bool(too_few_to_say([lo], [hi], [m])[0]):
        return f"{words}: too few to say (n = {n:.0f})"
    ends = f"{_digits(lo)}–{_digits(hi)}"
    return f"{what} {_percent(value)}{of} ({ends}, n = {n:.0f}; {beside} {_percent(float(other[rate]))})"


def _digits(rate: float) -> str:
    return _percent(rate).removesuffix(" %")


def _ties(finding: Finding) -> Iterator[str]:
    tied = finding.choice.tied
    n = int(tied.sum()) - 1
    if n < 1:
        return
    ranges = [text for knob in finding.knobs if (text := _range(knob, knob.values[tied]))]
    settings = "1 setting" if n == 1 else f"{n:,} settings"
    yield f"{settings} cannot be told from it{': ' if ranges else ''}{', '.join(ranges)}."


def _range(knob: Knob, tied: np.typing.NDArray[np.float64]) -> str:
    """The values of one knob among the settings that cannot be told apart; empty where only one was swept."""
    swept, kept = np.unique(knob.values), set(np.unique(tied).tolist())
    if len(swept) < 2:
        return ""
    word, unit = _word(knob.name), _unit(knob.name)
    axis = SETTINGS[knob.name]
    tick = axis.tick if isinstance(axis, Axis) else "{:g}".format
    if len(kept) == len(swept):
        return f"any {word} from {tick(swept[0])} to {tick(swept[-1])}{unit}"
    runs: list[list[float]] = []
    before = -2
    for index, value in enumerate(swept.tolist()):
        if value in kept:
            if index == before + 1:
                runs[-1].append(value)
            else:
                runs.append([value])
            before = index
    spans = [tick(run[0]) if len(run) == 1 else f"{tick(run[0])}–{tick(run[-1])}" for run in runs]
    return f"{word} {', '.join(spans)}{unit}"


def _stability(finding: Finding) -> Iterator[str]:
    stability = finding.choice.stability
    if stability is None or finding.result.n_recordings < 2:
        return
    said = f"Resamples of the recordings choose it or a neighbour in {_percent(stability.near)}"
    yield f"{said}." if stability.stable else f"{said}: it may change with more recordings."


def _inexpressible(finding: Finding, setting: int) -> Iterator[str]:
    """That the provider has no knob for the min speech, where one is recommended."""
    result = finding.result
    for lost in result.provider_compromises(setting):
        if lost.parameter == MIN_SPEECH:
            title = PROVIDER_TITLES.get(result.provider, result.provider)
            knob = _knob(MIN_SPEECH, lost.wanted)
            yield f"{title} cannot be set to {knob} ({lost.why}). A VAD on your side can, as LiveKit's or Pipecat's."


def _unshown(finding: Finding) -> Iterator[str]:
    """That a knob was moved for a difference that the recordings do not show; a limit that decides needs none."""
    choice = finding.choice
    if not choice.moved or choice.gap < 0:
        return
    if math.isnan(choice.gap_lo):
        yield "One recording cannot show that this is better than the default: add more before you ship it."
    elif choice.gap_lo <= 0:
        yield "This is not shown to be better than the default: the interval of the difference includes 0."


def _worst(finding: Finding) -> Iterator[str]:
    """Where the setting does worst: among the conditions swept, else among the tags of the recordings."""
    assert finding.setting is not None
    settings = finding.result.settings
    row = settings.iloc[finding.setting]
    if CONDITION in settings and len(finding.result.conditions) > 1:
        yield f"These are its figures where it does worst: {row[CONDITION]}."
        return
    yield from _worst_tag(finding, finding.setting)


def _worst_tag(finding: Finding, setting: int) -> Iterator[str]:
    result = finding.result
    try:
        recordings = list(result.dataset)
    except ResultError:
        return
    verdicts = result.verdicts
    tags = np.array([str(recording.tags.get(CONDITION, "")) for recording in recordings])
    named = [tag for tag in dict.fromkeys(tags.tolist()) if tag]
    if len(named) < 2:
        return
    delays, hits = verdicts.delays[verdicts.event_of[setting]], verdicts.false_hits[verdicts.event_of[setting]]
    found: list[tuple[float, str]] = []
    for tag in named:
        own = tags == tag
        judged = delays[own[verdicts.true_recording]]
        n_false = int(verdicts.false_members[own].sum())
        rates = [("missed", float(np.sum(judged == MISSED)), len(judged)), ("false", float(hits[own].sum()), n_false)]
        said = [f"{words} {_percent(k / n)} (n = {n})" for words, k, n in rates if n >= FEWEST_TAGGED]
        if said:
            loss = sum(k / n for _, k, n in rates if n >= FEWEST_TAGGED)
            found.append((loss, f"It does worst under {tag}: {', '.join(said)}."))
    if len(found) > 1:
        yield max(found)[1]


def _price(finding: Finding) -> Iterator[str]:
    """What a limit costs that decides the choice."""
    choice, free = finding.choice, finding.without_limits
    if not finding.limits or choice.setting is None or free.setting in (None, choice.setting):
        return
    limits = " and ".join(f"{LIMITED[limit.name].words} ≤ {_percent(limit.at_most)}" for limit in finding.limits)
    points = 100 * float(choice.losses[choice.setting] - free.losses[free.setting])
    row = finding.result.settings.iloc[finding.row_of(free.setting)]
    cost = f"costs {points:.1f} points" if points > 0.05 else "decides, at no more loss"
    said = f"{_capital(limits)} {cost}: without it, {setting_in_words(row, finding.result.grid.axes)} would be chosen"
    if choice.stability is not None and choice.stability.none > 0:
        said += f"; in {_percent(choice.stability.none)} of the resamples no setting keeps it"
    yield f"{said}."


def _less(finding: Finding) -> Iterator[str]:
    """The setting that loses least, where it is another one."""
    choice = finding.choice
    assert choice.setting is not None
    least = int(np.argmin(np.where(choice.admissible, choice.losses, np.inf)))
    points = 100 * float(choice.losses[choice.setting] - choice.losses[least])
    if points > 0.05:
        named = setting_in_words(finding.result.settings.iloc[finding.row_of(least)], finding.result.grid.axes)
        yield f"{_capital(named)} loses {points:.1f} points less: too little, or too unsure, to prefer it."


def _edges(finding: Finding, chosen: pd.Series[Any]) -> Iterator[str]:
    for knob in finding.knobs:
        swept = np.unique(knob.values)
        value = float(chosen[knob.name])
        if value == 0 or math.isinf(value):
            continue  # nothing lies beyond it
        if knob.name in finding.choice.moved and len(swept) > 1 and value in (swept[0], swept[-1]):
            which = "least" if value == swept[0] else "greatest"
            yield f"{_capital(_knob(knob.name, value))} is the {which} that was swept: the best may lie beyond it."


def _undecided(finding: Finding) -> Iterator[str]:
    choice = finding.choice
    undecided = [
        knob.name
        for knob in finding.knobs
        if 1 < len(np.unique(knob.values)) == len(np.unique(knob.values[choice.tied]))
    ]
    if "silence_duration_ms" in undecided:
        yield (
            "The recordings do not decide the silence duration: what a cut-in costs you beside a second of waiting "
            "does. Say it with the weights."
        )
    others = [_word(name) for name in undecided if name != "silence_duration_ms" and name not in choice.moved]
    if others:
        yield f"The recordings do not decide the {_listed(others)}."


def _about_labels(finding: Finding) -> Iterator[str]:
    result = finding.result
    row = result.settings.iloc[finding.default]
    absent = [one.opportunities for one in LIMITED.values() if not row[one.n]]
    if absent:
        yield f"No {' and no '.join(absent)} are labelled, so they have no part in the choice."
    if result.proposed_labels:
        yield f"Its n rests on labels of which {result.proposed_labels}. {PROPOSED_BIAS}."
    settings = result.settings
    if n_unsure := int(settings["n_unsure"].iloc[0]) if "n_unsure" in settings else 0:  # old results have none
        events = "1 event is" if n_unsure == 1 else f"{n_unsure:,} events are"
        yield f"{events} marked unsure and in no rate: decide on them in the label editor."
    speakers = _n_speakers(result)
    by = "speakers" if result.meta["protocol"].get("cluster") == "speaker" else "recordings"
    recordings = f"{result.n_recordings} recording{'' if result.n_recordings == 1 else 's'}"
    voices = f" of {speakers} speaker{'' if speakers == 1 else 's'}" if speakers else ""
    yield f"From {recordings}{voices}; intervals are 95 %, with {by} as the unit."


def _n_speakers(result: SweepResult) -> int:
    try:
        return len(frozenset().union(*map(user_speakers, result.dataset)))
    except ResultError:
        return 0
