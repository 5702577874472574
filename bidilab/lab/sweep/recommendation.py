"""Recommending a setting: what `bidilab.lab.sweep.choice` chooses by the verdicts of a sweep, put into words."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from bidilab.core.checks import is_number
from bidilab.core.errors import InvalidParameterError, ResultError
from bidilab.detect.turns import AdaptiveInterruption, EndOfTurn, ExportedSetting, Guards, TurnParams, export_setting
from bidilab.detect.turns.providers import pads_by_speech, swept_params
from bidilab.detect.turns.providers.gemini import PrefixMeaning
from bidilab.lab.metrics.columns import EOT_AXES, GUARD_AXES, INTERRUPT_AXES, SETTINGS
from bidilab.lab.sweep.choice import BoolArray, Choice, Knob, Limit, LossTable, Part, Weights, choose
from bidilab.lab.sweep.evaluated import MISSED, PREMATURE
from bidilab.lab.sweep.grid import CONDITION, MIN_SPEECH, Grid
from bidilab.lab.sweep.said import LIMITED, Finding, describe, refuse, unlabelled
from bidilab.lab.sweep.verdicts import Rows, SweptVerdicts

if TYPE_CHECKING:
    from bidilab.lab.sweep.result import SweepResult
    from bidilab.lab.sweep.validation import Validation

__all__ = ["LOSS", "Recommendation", "default_values", "recommend"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

LOSS = "loss"
"""Column of a recommendation's table: points of loss, by the weights."""
CLIPPED_AT_MOST_MS = 32.0
"""Onset that may be lost in one of ten turns before a longer prefix padding is recommended: a frame of Silero's."""
_CELLS_AT_ONCE = 1 << 22
_CELLS_IN_DOUBLE = 1 << 26

_SHOWN = SETTINGS.names_of(
    "missed_rate",
    "n_true_opportunities",
    "false_interruption_rate",
    "n_false_opportunities",
    "premature_endpoint_rate",
    "n_turns",
    "stopped_within_500ms_rate",
    "latency_detected_ms_p50",
    "latency_detected_ms_p90",
    "endpoint_latency_ms_p50",
    "onset_clipped_ms_p90",
    "false_per_min",
    "n_resumed",
    "pause_s",
)
"""Columns of ``settings`` in a recommendation's table, behind the axes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recommendation:
    """The setting that was chosen, or why there is none.

    Arrays have one element per setting under one condition of the audio.

    Parameters
    ----------
    setting
        Row of ``SweepResult.settings``, under the condition in which the setting does worst; ``None`` if none is shown
        to keep the limits.
    default
        Row of the provider's default, or of the swept setting nearest to it.
    losses
        ``float64``: points of loss, each setting under its worst condition; NaN where undefined.
    tied
        Settings that cannot be distinguished from the chosen one, at 95 %, paired by recording.
    admissible
        Settings that may be chosen: not degenerate, and shown to keep every limit under every condition.
    table
        The chosen setting, the default, then the next best, with their `LOSS`; if none is chosen, those nearest to the
        limits, and the default.
    message
        The recommendation in words; print this first.
    notes
        Further remarks, one sentence each.
    weights
        The cost of each fault used for the choice.
    limits
        By name; ``None`` for none.
    choice
        How it was chosen; ``None`` if there was nothing to choose by.
    params, guards, end_of_turn, adaptive
        Parts of the chosen setting; ``None`` if none is chosen, and the last two if no score decides.
    validation
        How the setting does on recordings that it was not chosen on; ``None`` if this was not asked for, or none was
        chosen.
    """

    setting: int | None
    default: int
    losses: FloatArray
    tied: BoolArray
    admissible: BoolArray
    table: pd.DataFrame
    message: str
    notes: tuple[str, ...] = ()
    weights: Weights = field(default_factory=Weights)
    limits: dict[str, float | None] = field(default_factory=dict)
    choice: Choice | None = None
    params: TurnParams | None = None
    guards: Guards | None = None
    end_of_turn: EndOfTurn | None = None
    eot_scorer: str = ""
    adaptive: AdaptiveInterruption | None = None
    validation: Validation | None = None

    @property
    def qualifying(self) -> bool:
        """Whether a setting is chosen."""
        return self.setting is not None

    @property
    def n_qualifying(self) -> int:
        """How many settings may be chosen."""
        return int(self.admissible.sum())

    def export(self, to: str, *, prefix_meaning: PrefixMeaning | None = None) -> ExportedSetting:
        """Write the recommended setting for the framework that it will run on: `bidilab.export_setting`.

        Guards are not written; those that the setting has are named among the compromises, with what the target cannot
        express of an end of turn or an interruption by a score.

        Raises
        ------
        ResultError
            If no setting is recommended.
        InvalidParameterError
            If ``to`` is none of `EXPORT_TARGETS`.
        """
        if self.params is None:
            raise ResultError(f"there is no recommended setting to export: {self.message}")
        return export_setting(
            self.params,
            to,
            guards=self.guards,
            end_of_turn=self.end_of_turn,
            eot_scorer=self.eot_scorer,
            adaptive=self.adaptive,
            prefix_meaning=prefix_meaning,
            reason=self.message,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the recommendation as plain JSON; NaN and infinity become ``None``."""
        rows = [
            {str(key): _plain(value) for key, value in row.items()}
            for row in self.table.rename_axis("setting").reset_index().to_dict("records")
        ]
        stability = None if self.choice is None else self.choice.stability
        return {
            "setting": self.setting,
            "default": self.default,
            "qualifying": self.qualifying,
            "n_qualifying": self.n_qualifying,
            "n_tied": int(self.tied.sum()),
            "message": self.message,
            "notes": list(self.notes),
            "limits": self.limits,
            "weights": {name: getattr(self.weights, name) for name in Weights.__dataclass_fields__},
            "stability": None
            if stability is None
            else {name: getattr(stability, name) for name in ("n", "same", "near", "none")},
            "settings": rows,
            "validation": None if self.validation is None else _validation_dict(self.validation),
        }

    def __str__(self) -> str:
        text = "\n".join([self.message, *self.notes])
        text += f"\n\n{self.table.to_string(float_format='{:.4g}'.format)}"
        return text if self.validation is None else f"{text}\n\n{self.validation}"

    def __repr__(self) -> str:
        return f"Recommendation(setting={self.setting}, {self.message!r})"

    def _repr_html_(self) -> str:
        validated = "" if self.validation is None else self.validation._repr_html_()
        table = self.table.to_html(float_format="{:.4g}".format)
        said = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in (self.message, *self.notes))
        return f"{said}{table}{validated}"


def _validation_dict(validation: Validation) -> dict[str, Any]:
    rows = validation.table.to_dict("index")
    return {
        "message": validation.message,
        "warnings": list(validation.warnings),
        "dataset_sha256": validation.result.dataset_sha256,
        **{
            str(name).replace(" ", "_"): {str(key): _plain(value) for key, value in row.items()}
            for name, row in rows.items()
        },
    }


def _plain(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def default_values(provider: str) -> dict[str, float]:
    """What a provider ships, by axis of a grid; no score ends a turn, and guards hold nothing back."""
    shipped = swept_params(provider)().canonical()
    by_speech = pads_by_speech(swept_params(provider))
    return {
        "threshold": shipped.threshold,
        "prefix_padding_ms": shipped.min_speech_ms if by_speech else shipped.prefix_padding_ms,
        "silence_duration_ms": shipped.silence_duration_ms,
        **({} if by_speech else {MIN_SPEECH: shipped.min_speech_ms}),
        **{axis.name: axis.default for axis in (*EOT_AXES, *GUARD_AXES, *INTERRUPT_AXES)},
    }


class _Layout(NamedTuple):
    """Settings under one condition, of which some differ in nothing that the loss depends on.

    ``chosen_from`` are the settings of one prefix padding, the default; ``of`` is the place among them of each
    setting.
    """

    knobs: tuple[Knob, ...]
    chosen_from: IntArray
    of: IntArray
    n: int
    prefixes: tuple[float, ...]
    home_prefix: int

    def full(self, place: int, prefix: int) -> int:
        """The setting that is the one at a place, with another prefix padding."""
        return int(np.flatnonzero(self.of == place)[prefix])


def layout_of(grid: Grid) -> _Layout:
    axes, defaults = grid.axes, default_values(grid.provider)
    by_speech = pads_by_speech(swept_params(grid.provider))
    shape = tuple(len(values) for values in axes.values())
    n = int(np.prod(shape))
    index = np.arange(n).reshape(shape)
    names = list(axes)
    prefixes = axes["prefix_padding_ms"]
    home = int(np.argmin([abs(ms - defaults["prefix_padding_ms"]) for ms in prefixes]))
    if by_speech:
        chosen_from = of = np.arange(n)
        prefixes, home = prefixes[:1], 0
    else:
        axis = names.index("prefix_padding_ms")
        chosen_from = np.take(index, home, axis=axis).ravel()
        place = np.arange(len(chosen_from)).reshape(np.take(index, home, axis=axis).shape)
        of = np.broadcast_to(np.expand_dims(place, axis), shape).ravel()
    points = np.stack([values.ravel() for values in np.meshgrid(*axes.values(), indexing="ij")])[:, chosen_from]
    knobs = []
    for name, values in zip(names, points, strict=True):
        if name == "threshold":
            knobs.append(Knob.threshold(values, defaults[name]))
        elif name == "silence_duration_ms":
            knobs.append(Knob.silence(values, defaults[name]))
        elif name != "prefix_padding_ms" or by_speech:
            knobs.append(Knob(name=name, values=values, default=defaults.get(name, 0.0)))
    return _Layout(tuple(knobs), chosen_from, of, n, prefixes, home)


def _by_cluster(values: npt.NDArray[Any], owner: IntArray, n_clusters: int) -> FloatArray:
    """Sums over the members of each cluster: ``(n_rows, n_members)`` to ``(n_rows, n_clusters)``."""
    out = np.zeros((len(values), n_clusters))
    if not len(owner):
        return out
    order = np.argsort(owner, kind="stable")
    present, starts = np.unique(owner[order], return_index=True)
    out[:, present] = np.add.reduceat(values[:, order], starts, axis=1, dtype=np.float64)
    return out


class _Tallies(NamedTuple):
    """What the rule works on: sums by cluster, of rows that settings share."""

    parts: tuple[Part, ...]
    limits: dict[str, Part]


def tallies_of(verdicts: SweptVerdicts, weights: Weights, rows: IntArray, limits: Collection[str] = ()) -> _Tallies:
    """Sums by cluster of all that costs something, and of the events that the limits of these names count."""
    clusters, rate = verdicts.clusters, float(verdicts.sample_rate)
    n = int(clusters.max()) + 1
    true_of, turn_of = clusters[verdicts.true_recording], clusters[verdicts.turn_recording]
    n_true = np.bincount(true_of, minlength=n).astype(np.float64)
    n_turns = np.bincount(turn_of, minlength=n).astype(np.float64)
    n_false = np.bincount(clusters, weights=verdicts.false_members, minlength=n).astype(np.float64)
    false = _by_cluster(verdicts.false_hits, clusters, n)

    def late(delays: npt.NDArray[Any]) -> FloatArray:
        return weights.of_true_members(np.where(delays == MISSED, np.inf, delays / rate))

    def waited(waits: npt.NDArray[Any], states: npt.NDArray[Any]) -> FloatArray:
        return weights.of_turns((states & PREMATURE) != 0, np.where(waits == MISSED, np.inf, waits / rate))

    def missed(delays: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        return np.asarray(delays == MISSED)

    def premature(states: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        return np.asarray((states & PREMATURE) != 0)

    events, turns = verdicts.event_of[rows], verdicts.turn_of[rows]
    counted: dict[str, Callable[[], Part]] = {
        "max_missed_rate": lambda: Part(_tally(missed, true_of, n, verdicts.delays), n_true, events),
        "max_false_interruption_rate": lambda: Part(false, n_false, events),
        "max_premature_endpoint_rate": lambda: Part(_tally(premature, turn_of, n, verdicts.states), n_turns, turns),
    }
    return _Tallies(
        parts=(
            Part(_tally(late, true_of, n, verdicts.delays), n_true, events),
            Part(weights.false * false, n_false, events),
            Part(_tally(waited, turn_of, n, verdicts.waits, verdicts.states), n_turns, turns),
        ),
        limits={name: part() for name, part in counted.items() if name in limits},
    )


def _tally(of: Callable[..., npt.NDArray[Any]], owner: IntArray, n: int, *tables: Rows) -> npt.NDArray[np.floating]:
    """Sums by cluster of what some rows of tables come to: half as exact where there are very many."""
    cells = len(tables[0]) * n
    out = np.empty((len(tables[0]), n), dtype=np.float64 if cells <= _CELLS_IN_DOUBLE else np.float32)
    first = 0
    for some in zip(*map(_some, tables), strict=True):
        out[first : first + len(some[0])] = _by_cluster(of(*some), owner, n)
        first += len(some[0])
    return out


def _some(table: Rows) -> Iterator[npt.NDArray[Any]]:
    """Rows of a table in parts of a bounded size."""
    step = max(1, _CELLS_AT_ONCE // max(1, table.shape[1]))  # the same for tables of one width
    return (table[first : first + step] for first in range(0, len(table), step))


def check_limits(limits: dict[str, float | None]) -> None:
    """Raise `InvalidParameterError` for a limit that is no rate."""
    for name, value in limits.items():
        if value is not None and not (is_number(value) and 0 <= value <= 1):
            raise InvalidParameterError(name, "None or a rate in [0, 1]", value)


def recommend(
    result: SweepResult, *, limits: dict[str, float | None], weights: Weights, n_resamples: int, seed: int
) -> Recommendation:
    """Choose a setting of a sweep by the rule of `bidilab.lab.sweep.choice`.

    Parameters
    ----------
    result
        The sweep.
    limits
        ``max_missed_rate``, ``max_false_interruption_rate`` and ``max_premature_endpoint_rate``, each in [0, 1] or
        ``None``: the upper end of the rate's 95 % interval must be within it, under every condition.
    weights
        What each fault costs.
    n_resamples, seed
        Of the resamples of recordings that say how stable the choice is.
    """
    check_limits(limits)
    grid = result.grid
    layout = layout_of(grid)
    nothing = _nothing(layout, weights, limits)
    if result.outdated:
        return replace(nothing, message=f"No setting is recommended. {result.outdated}")
    conditions = len(grid.conditions)
    rows = (np.arange(conditions)[:, None] * layout.n + layout.chosen_from).ravel()
    asked_for = [name for name, at_most in limits.items() if at_most is not None]
    tallies = tallies_of(result.verdicts, weights, rows, asked_for)
    try:
        table = LossTable(tallies.parts)
    except InvalidParameterError:  # no members of any kind
        message, notes = unlabelled(result)
        return replace(nothing, message=message, notes=notes)
    degenerate = result.settings["degenerate"].to_numpy(dtype=np.bool_).reshape(conditions, layout.n)
    usable = np.logical_not(degenerate[:, layout.chosen_from]).all(axis=0)
    asked = [
        Limit(name=name, at_most=at_most, events=part.sums, members=part.members, of=part.of)
        for name, part in tallies.limits.items()
        if (at_most := limits.get(name)) is not None
    ]
    how: dict[str, Any] = {"usable": usable, "n_resamples": n_resamples, "seed": seed}
    choice = choose(table, layout.knobs, limits=asked, **how)
    without = choose(table, layout.knobs, usable=usable, n_resamples=0) if asked else choice

    def row(place: int, prefix: int | None = None) -> int:
        """The row of a setting under the condition in which it does worst."""
        worst = int(choice.rows[place]) // len(layout.chosen_from)
        return worst * layout.n + layout.full(place, layout.home_prefix if prefix is None else prefix)

    prefix = layout.home_prefix if choice.setting is None else _prefix(result, layout, choice.setting)
    finding = Finding(
        result=result,
        knobs=layout.knobs,
        choice=choice,
        without_limits=without,
        setting=None if choice.setting is None else row(choice.setting, prefix),
        default=row(choice.home),
        prefix_moved=prefix != layout.home_prefix,
        limits=tuple(asked),
        row_of=row,
    )
    message, notes = refuse(finding) if choice.setting is None else describe(finding)
    losses = choice.losses[layout.of]
    return Recommendation(
        setting=finding.setting,
        default=finding.default,
        losses=losses,
        tied=choice.tied[layout.of],
        admissible=choice.admissible[layout.of],
        table=_shown(finding, losses, layout),
        message=message,
        notes=notes,
        weights=weights,
        limits=limits,
        choice=choice,
        params=None if finding.setting is None else result.params(finding.setting),
        guards=None if finding.setting is None else result.guards(finding.setting),
        end_of_turn=None if finding.setting is None else result.end_of_turn(finding.setting),
        eot_scorer=result.eot_detector,
        adaptive=None if finding.setting is None else result.adaptive(finding.setting),
    )


def _nothing(layout: _Layout, weights: Weights, limits: dict[str, float | None]) -> Recommendation:
    home = np.stack([knob.values == knob.home for knob in layout.knobs]).all(axis=0)
    no = np.zeros(layout.n, dtype=np.bool_)
    return Recommendation(
        setting=None,
        default=int(layout.chosen_from[int(np.argmax(home))]),
        losses=np.full(layout.n, math.nan),
        tied=no,
        admissible=no,
        table=pd.DataFrame(),
        message="",
        weights=weights,
        limits=limits,
    )


def _prefix(result: SweepResult, layout: _Layout, place: int) -> int:
    """Which prefix padding goes with a setting: the default, or the shortest with which onsets are whole.

    Where one turn in ten loses more than `CLIPPED_AT_MOST_MS` with the default, it is the shortest with which it does
    not, and where there is none, the one with which it loses least.
    """
    settings = [layout.full(place, prefix) for prefix in range(len(layout.prefixes))]
    under = [[c * layout.n + setting for c in range(len(result.conditions))] for setting in settings]
    lost = [float(result.settings["onset_clipped_ms_p90"].iloc[rows].max()) for rows in under]
    if not lost[layout.home_prefix] > CLIPPED_AT_MOST_MS:
        return layout.home_prefix
    whole = [k for k, ms in enumerate(lost) if ms <= CLIPPED_AT_MOST_MS]
    return whole[0] if whole else int(np.argmin(lost))


def _shown(finding: Finding, losses: FloatArray, layout: _Layout, n_best: int = 5) -> pd.DataFrame:
    settings, choice = finding.result.settings, finding.choice
    axes = [*([CONDITION] if CONDITION in settings else []), *finding.result.grid.axes]
    shown = [*axes, *(name for name in _SHOWN if name in settings)]
    order: Sequence[int]
    if finding.setting is None:
        order = [finding.row_of(int(place)) for place in finding.surest(n_best - 1)]
    else:
        by_loss = np.argsort(np.where(choice.admissible, choice.losses, np.inf), kind="stable")
        best = [place for place in by_loss if choice.admissible[place]]
        order = [finding.setting, finding.default, *(finding.row_of(int(place)) for place in best)]
    rows = list(dict.fromkeys([*order, finding.default]))[:n_best]
    if finding.default not in rows:
        rows[-1] = finding.default
    table = settings[shown].iloc[rows].copy()
    table.insert(len(axes), LOSS, losses[np.array(rows) % layout.n])
    return table


assert set(LIMITED) == {"max_missed_rate", "max_false_interruption_rate", "max_premature_endpoint_rate"}
