"""Which setting to ship: the loss of each, limits that must be shown to hold, and what the recordings do not decide.

A setting costs points of loss, a sum of three means over members that are the same at every setting:

    ``L = mean over true members of [missed ? missed : min(late_per_s · max(T, 0), missed)]
    + false · false rate + mean over turns of [cut_in · premature + min(wait_per_s · wait, cut_in)]``

Task
    Choose one row of a settings table, say how far the others are from it, and how often other recordings would have
    made the same choice.
Unit
    Losses are points: by default a missed interruption is 1. Sums come by recording, so that differences are paired.
Index
    `Weights`, `Limit`, `LossTable`, `Knob`, `choose`, `Choice`

The rule, in order:

1. A limit holds where the upper end of the rate's 95 % interval is within it, under every condition.
2. The loss is averaged over settings that are near in threshold and silence duration, with the same other knobs, so
   that no lucky spike is picked. The best setting has the least average among those that keep the limits.
3. Each knob that differs from the provider's default is tried there, the others as good as can be. The knob with the
   least gap per standard error goes back where that costs at most 1 point in a hundred, or at most 3 and is not shown
   to cost anything. This is repeated until no knob goes back.

Arrays hold one row per setting and condition: the settings under the first condition, then under the next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from bidilab.core.checks import is_number
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics.intervals import clustered_rate, members_to_show, paired_difference

__all__ = ["Choice", "Knob", "Limit", "LossTable", "Part", "Stability", "Weights", "check_resampling", "choose"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

ALWAYS_WORTH = 0.01
"""Loss that a knob may cost at its default and still go back there."""
WORTH_UNLESS_SHOWN = 0.03
"""Loss that a knob may cost at its default if the recordings do not show that it costs anything."""
_SHOWN_Z = 1.645  # one-sided 95 %
_THRESHOLD_REACH = 0.1
_SILENCE_REACH_MS = 200.0
NEIGHBOUR_THRESHOLD = 0.05
"""A setting whose threshold is this near, and whose silence is, counts as the same choice in a resample."""
NEIGHBOUR_SILENCE_MS = 100.0
_SLACK = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What each fault costs, in points of loss.

    Parameters
    ----------
    missed
        An interruption that the agent never reacts to.
    false
        A stop by an event that must not stop the agent.
    cut_in
        An end of turn that is decided inside a turn.
    late_per_s
        A second between the onset of an interruption and the stop; a late stop never costs more than a miss.
    wait_per_s
        A second between the end of a turn and the decision. A wait never costs more than a cut-in (if ``cut_in`` is 0:
        never more than one second of waiting).

    Raises
    ------
    InvalidParameterError
        If a weight is negative or not finite, or all are 0.
    """

    missed: float = 1.0
    false: float = 1.0
    cut_in: float = 1.0
    late_per_s: float = 0.5
    wait_per_s: float = 1 / 3

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if not (is_number(value) and 0 <= value < math.inf):
                raise InvalidParameterError(f"weights.{one.name}", "a finite number >= 0", value)
            plain: object = value
            if not isinstance(plain, int | float):  # NumPy's, which JSON does not take
                object.__setattr__(self, one.name, float(value))
        if not any(getattr(self, one.name) for one in fields(self)):
            raise InvalidParameterError("weights", "not all zero", self)

    @property
    def longest_wait_cost(self) -> float:
        """The most that one wait can cost."""
        return self.cut_in or self.wait_per_s

    def of_true_members(self, delay_s: npt.ArrayLike) -> FloatArray:
        """Loss of true members by their delay in seconds; infinite where the agent never stopped."""
        delay = np.asarray(delay_s, dtype=np.float64)
        late = self.late_per_s * np.where(np.isfinite(delay), np.maximum(delay, 0), 0)
        return np.where(np.isfinite(delay), np.minimum(late, self.missed), self.missed)

    def of_turns(self, premature: npt.ArrayLike, wait_s: npt.ArrayLike) -> FloatArray:
        """Loss of turns, by whether one was cut into and how long the wait for its end was; infinite if never heard."""
        wait = np.asarray(wait_s, dtype=np.float64)
        waited = self.wait_per_s * np.where(np.isfinite(wait), np.maximum(wait, 0), 0)
        cost = np.where(np.isfinite(wait), np.minimum(waited, self.longest_wait_cost), self.longest_wait_cost)
        return self.cut_in * np.asarray(premature, dtype=np.float64) + cost


def check_resampling(n_resamples: int, seed: int) -> None:
    """Raise `InvalidParameterError` for a number of resamples below 1 or a seed below 0, or one that is not whole."""
    for name, value, least, most in (("n_resamples", n_resamples, 1, 2**31 - 1), ("seed", seed, 0, 2**63 - 1)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
            raise InvalidParameterError(name, f"a whole number in [{least}, {most}]", value)


class Part(NamedTuple):
    """One of the three means: sums by recording, and the members they are over.

    Rows that agree in what the mean hangs on share their sums: ``of`` is ``(n_rows,)`` into the first axis, by default
    each row has its own.
    """

    sums: npt.NDArray[np.floating]  # (n_sums, n_recordings)
    members: FloatArray  # (n_recordings,)
    of: IntArray | None = None


class _Mean(NamedTuple):
    sums: npt.NDArray[np.floating]
    members: FloatArray
    of: IntArray


class LossTable:
    """Losses of all rows, by recording.

    Parameters
    ----------
    parts
        The means that the loss is the sum of: true members, members that must not stop the agent, turns. One without
        members adds nothing.

    Raises
    ------
    InvalidParameterError
        If no part has members.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        held = [p for p in parts if np.any(p.members)]
        if not held:
            raise InvalidParameterError("parts", "members of some kind", "none")
        self._parts = [
            _Mean(
                sums=np.asarray(part.sums),
                members=np.asarray(part.members, np.float64),
                of=np.arange(len(part.sums)) if part.of is None else np.asarray(part.of),
            )
            for part in held
        ]
        self.n_rows, self.n_recordings = len(self._parts[0].of), self._parts[0].sums.shape[1]
        self._held = np.any([p.members > 0 for p in self._parts], axis=0)

    def losses(self, weights: FloatArray | None = None) -> FloatArray:
        """Loss of each row: ``(n_rows,)``, or ``(n_rows, n_samples)`` with weights ``(n_recordings, n_samples)``."""
        total: FloatArray = np.zeros(()) if weights is None else np.zeros((1, weights.shape[1]))
        for part in self._parts:
            with np.errstate(invalid="ignore", divide="ignore"):
                if weights is None:
                    mean = part.sums.sum(axis=1, dtype=np.float64) / part.members.sum()
                else:
                    mean = _weighted(part.sums, weights) / (part.members @ weights)
            total = total + mean[part.of]
        return total

    def influences(self, row: int, weights: FloatArray | None = None) -> FloatArray:
        """Influence of each recording on a row's loss, ``(n_recordings,)``."""
        w = np.ones(self.n_recordings) if weights is None else weights
        total = np.zeros(self.n_recordings)
        for part in self._parts:
            y, n = np.asarray(part.sums[part.of[row]], np.float64), part.members
            size = float(n @ w)
            if size > 0:
                total += (y - float(y @ w) / size * n) / size
        return total

    def standard_error(self, first: int, second: int, weights: FloatArray | None = None) -> float:
        """Standard error of the difference of two rows' losses, paired by recording; NaN with one recording."""
        w = np.ones(self.n_recordings) if weights is None else weights
        m = float(w[self._held].sum())
        if m < 2:
            return math.nan
        z = self.influences(first, weights) - self.influences(second, weights)
        return math.sqrt(m / (m - 1) * float(w @ (z * z)))

    def differences(self, row: int, rows: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Losses of ``rows`` less that of ``row``, with the ends of their paired 95 % intervals; each ``(n,)``."""
        held, losses = self._held, self.losses()
        own = self.influences(row)[held]
        lo, hi = np.empty(len(rows)), np.empty(len(rows))
        gaps = losses[rows] - losses[row]
        at_once = min(512, max(1, (1 << 24) // max(1, self.n_recordings)))  # else a table of its own
        for start in range(0, len(rows), at_once):
            some = slice(start, start + at_once)
            theirs = np.stack([self.influences(int(r))[held] for r in rows[some]])
            found = paired_difference(theirs, own, gaps[some])
            lo[some], hi[some] = found.lo, found.hi
        return gaps, lo, hi


def _weighted(sums: npt.NDArray[np.floating], weights: FloatArray) -> FloatArray:
    """``sums @ weights``; where the sums are single numbers, some rows at a time, for a copy in double is larger."""
    if sums.dtype == weights.dtype:
        return np.asarray(sums @ weights)
    return np.concatenate([sums[k : k + 32].astype(np.float64) @ weights for k in range(0, len(sums), 32)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The most that a rate may be.

    Parameters
    ----------
    name
        Of the limit, such as ``"max_missed_rate"``.
    at_most
        In [0, 1].
    events
        ``(n_counts, n_recordings)``: events in each recording.
    members
        ``(n_recordings,)``: members of each.
    of
        ``(n_rows,)``: the counts of each row; by default each row has its own.
    """

    name: str
    at_most: float
    events: npt.NDArray[np.number]
    members: npt.NDArray[np.number]
    of: IntArray | None = None

    def __post_init__(self) -> None:
        if not (is_number(self.at_most) and 0 <= self.at_most <= 1):
            raise InvalidParameterError(self.name, "a number in [0, 1]", self.at_most)

    def kept(self) -> BoolArray:
        """Whether each row is shown to keep it: the upper end of its 95 % interval is within the limit."""
        hi = clustered_rate(self.events, self.members).hi
        return self._by_row(np.asarray(hi <= self.at_most + _SLACK))

    def _by_row(self, kept: BoolArray) -> BoolArray:
        return kept if self.of is None else kept[self.of]

    def kept_by(self, weights: FloatArray) -> BoolArray:
        """The same with recordings drawn as often as ``weights`` says, ``(n_rows, n_samples)``."""
        y = np.asarray(self.events, np.float64)
        n = np.broadcast_to(np.asarray(self.members, np.float64), y.shape)
        held = (n > 0).astype(np.float64)
        m, total, events = held @ weights, n @ weights, y @ weights
        with np.errstate(invalid="ignore", divide="ignore"):
            r = events / total
            squares = (y * y) @ weights - 2 * r * ((y * n) @ weights) + r * r * ((n * n) @ weights)
            variance = m / (m - 1) * np.maximum(squares, 0) / total**2
            effect = np.where((r <= 0) | (r >= 1), 1.0, variance / (r * (1 - r) / total))
            assumed = 1 + 0.3 * (((n * n) @ weights) / total - 1)
            few = np.minimum((y > 0).astype(float) @ weights, (y < n).astype(float) @ weights) < 8
            size = total / np.where(few, np.maximum(effect, assumed), effect)
            t = special.stdtrit(np.maximum(m - 1, 1), 0.975)
            hi = (r + t * t / (2 * size) + t * np.sqrt(r * (1 - r) / size + t * t / (4 * size * size))) / (
                1 + t * t / size
            )
        return self._by_row(np.asarray((np.where(r >= 1, 1.0, hi) <= self.at_most + _SLACK) & (m >= 2)))

    def opportunities_needed(self, row: int) -> float:
        """Members like these that would show the limit kept at a row's rate; infinite where that is not below it."""
        found = clustered_rate(self.events[row if self.of is None else int(self.of[row])], self.members)
        if not float(found.value) < self.at_most:
            return math.inf
        return members_to_show(
            float(found.value), float(found.design_effect), int(found.n_clusters), limit=self.at_most
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """One axis of the settings.

    Parameters
    ----------
    name
        Such as ``"threshold"``.
    values
        ``(n_settings,)``: its value in each setting, without conditions.
    default
        The provider's default; the swept value nearest to it stands for it.
    smoothed_over
        Reach of the average over neighbours, in the knob's unit; ``None``: settings with another value are not near.
    """

    name: str
    values: FloatArray
    default: float
    smoothed_over: float | None = None

    @property
    def home(self) -> float:
        """The swept value nearest to the default; of two as near, the lower."""
        swept = np.unique(self.values)
        if math.isinf(self.default):
            return float(swept[-1])
        finite = swept[np.isfinite(swept)]
        return float(finite[np.argmin(np.abs(finite - self.default))]) if len(finite) else float(swept[0])

    @classmethod
    def threshold(cls, values: npt.ArrayLike, default: float = 0.5) -> Knob:
        """The threshold, smoothed over 0.1."""
        array = np.asarray(values, np.float64)
        return cls(name="threshold", values=array, default=default, smoothed_over=_THRESHOLD_REACH)

    @classmethod
    def silence(cls, values: npt.ArrayLike, default: float = 500.0) -> Knob:
        """The silence duration in milliseconds, smoothed over 200 ms."""
        array = np.asarray(values, np.float64)
        return cls(name="silence_duration_ms", values=array, default=default, smoothed_over=_SILENCE_REACH_MS)


class _Smoother:
    """Averages over settings that are near in the smoothed knobs and the same in all others."""

    def __init__(self, knobs: Sequence[Knob], usable: BoolArray) -> None:
        self._usable = usable
        smooth = [k for k in knobs if k.smoothed_over is not None]
        rest = [k.values for k in knobs if k.smoothed_over is None]
        n = len(usable)
        same = np.unique(np.stack(rest, 1), axis=0, return_inverse=True)[1].reshape(n) if rest else np.zeros(n, int)
        self._cells: list[npt.NDArray[np.intp]] = [same.astype(np.intp)]
        self._kernels: list[FloatArray] = []
        for knob in smooth:
            swept, of = np.unique(knob.values, return_inverse=True)
            assert knob.smoothed_over is not None
            self._cells.append(of.reshape(n).astype(np.intp))
            self._kernels.append(np.maximum(0, 1 - np.abs(swept[:, None] - swept[None, :]) / knob.smoothed_over))
        self._shape = (int(same.max(initial=0)) + 1, *(len(k) for k in self._kernels))

    def _spread(self, values: FloatArray) -> FloatArray:
        """Sum of the neighbours' values by their nearness, at each setting; ``(n_settings, n_samples)``."""
        table = np.zeros((*self._shape, values.shape[1]))
        table[tuple(self._cells)] = values
        for axis, kernel in enumerate(self._kernels, start=1):
            table = np.moveaxis(np.tensordot(kernel, table, axes=(1, axis)), 0, axis)
        return np.asarray(table[tuple(self._cells)])

    def __call__(self, losses: FloatArray) -> FloatArray:
        """Smoothed losses ``(n_settings, n_samples)``; infinite where a setting may not be chosen."""
        counted = np.isfinite(losses) & self._usable[:, None]
        total = self._spread(np.where(counted, losses, 0.0))
        weight = self._spread(counted.astype(np.float64))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(counted, total / weight, np.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stability:
    """What the rule chose when recordings were drawn anew.

    Parameters
    ----------
    n
        How many times.
    same, near, none
        Shares of them in which it chose this setting; this one or one within 0.05 of threshold and 100 ms of silence;
        and no setting at all.
    """

    n: int
    same: float
    near: float
    none: float

    @property
    def stable(self) -> bool:
        """Whether at least 80 % chose this setting or a neighbour."""
        return self.near >= 0.8 - _SLACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What `choose` found.

    Parameters
    ----------
    setting
        Index among the settings under one condition; ``None`` where none is shown to keep the limits.
    row
        The row that decides it: the setting under its worst condition. ``None`` as above.
    moved
        Knobs that differ from the default.
    home
        The setting that is the default in every knob, or the one nearest to it.
    losses
        ``(n_settings,)``: each at its worst condition.
    rows
        ``(n_settings,)``: the row of each at its worst condition.
    admissible
        ``(n_settings,)``: whether a setting is shown to keep the limits and may be chosen.
    gap, gap_lo, gap_hi
        What the default costs more than the choice, with its paired 95 % interval; NaN without a choice.
    tied
        ``(n_settings,)``: settings that cannot be told from the choice, paired, at 95 %.
    stability
        Of the choice; ``None`` where none was asked for.
    """

    setting: int | None
    row: int | None
    moved: tuple[str, ...]
    home: int
    losses: FloatArray
    rows: IntArray
    admissible: BoolArray
    gap: float
    gap_lo: float
    gap_hi: float
    tied: BoolArray
    stability: Stability | None


def choose(
    table: LossTable,
    knobs: Sequence[Knob],
    *,
    usable: BoolArray | None = None,
    limits: Sequence[Limit] = (),
    n_resamples: int = 200,
    seed: int = 0,
) -> Choice:
    """Choose a setting by the rule of this module.

    Parameters
    ----------
    table
        Losses of every row: all settings under the first condition, then under the next.
    knobs
        The axes that the loss depends on; prefix padding is none of them.
    usable
        ``(n_settings,)``: whether a setting may be chosen at all (degenerate ones may not); all by default.
    limits
        What must be shown to hold under every condition.
    n_resamples, seed
        Resamples of the recordings through the whole rule, ``>= 0``, and the seed of their draws.

    Raises
    ------
    InvalidParameterError
        If shapes do not fit.
    """
    n = len(knobs[0].values) if knobs else table.n_rows
    if not n or table.n_rows % n:
        raise InvalidParameterError("table", f"rows of {n} settings under each condition", table.n_rows)
    may = np.ones(n, dtype=np.bool_) if usable is None else np.asarray(usable, dtype=np.bool_)
    smoother = _Smoother(knobs, may)
    distance = [np.abs(_finite(k.values) - _finite(np.array([k.home]))) for k in knobs]
    homes = np.all([k.values == k.home for k in knobs], axis=0) if knobs else np.ones(n, dtype=np.bool_)
    home = int(np.argmax(homes)) if homes.any() else int(np.argmin(np.sum(distance, axis=0)))

    kept = _under_every_condition([limit.kept()[:, None] for limit in limits], table.n_rows, n)[:, 0]
    losses, rows = _worst(table.losses()[:, None], n)
    admissible = may & kept & np.isfinite(losses[:, 0])
    picked = _pick(smoother(losses)[:, 0], rows[:, 0], admissible, knobs, table, None)
    gap = lo = hi = math.nan
    tied = np.zeros(n, dtype=np.bool_)
    if picked is not None:
        gaps, los, his = table.differences(int(rows[picked, 0]), rows[:, 0])
        gap, lo, hi = (float(a[home]) for a in (gaps, los, his))
        tied = may & (los <= 0) & (his >= 0)
        tied[picked] = True
    stability = None
    if n_resamples:
        stability = _stability(table, knobs, smoother, may, limits, picked, n_resamples, seed)
    moved = () if picked is None else tuple(k.name for k in knobs if k.values[picked] != k.home)
    return Choice(
        setting=picked,
        row=None if picked is None else int(rows[picked, 0]),
        moved=moved,
        home=home,
        losses=losses[:, 0],
        rows=rows[:, 0],
        admissible=admissible,
        gap=gap,
        gap_lo=lo,
        gap_hi=hi,
        tied=tied,
        stability=stability,
    )


def _finite(values: FloatArray) -> FloatArray:
    return np.where(np.isinf(values), 1e9, values)


def _worst(losses: FloatArray, n: int) -> tuple[FloatArray, IntArray]:
    """Each setting at the condition where it loses most: losses and rows, ``(n_settings, n_samples)``."""
    by_condition = losses.reshape(-1, n, losses.shape[1])
    undefined = np.isnan(by_condition).any(axis=0)
    at = np.argmax(np.where(np.isnan(by_condition), -np.inf, by_condition), axis=0)
    worst = np.take_along_axis(by_condition, at[None], axis=0)[0]
    rows: IntArray = at * n + np.arange(n)[:, None]
    return np.where(undefined, np.nan, worst), rows


def _under_every_condition(kept: Sequence[BoolArray], n_rows: int, n: int) -> BoolArray:
    if not kept:
        return np.ones((n, 1), dtype=np.bool_)
    together = np.all(kept, axis=0)
    return np.asarray(together.reshape(n_rows // n, n, -1).all(axis=0))


def _pick(
    smoothed: FloatArray,
    rows: IntArray,
    admissible: BoolArray,
    knobs: Sequence[Knob],
    table: LossTable,
    weights: FloatArray | None,
) -> int | None:
    """The best admissible setting, with every knob back at its default that need not be moved."""
    if not admissible.any():
        return None
    at = _least(smoothed, admissible)
    returned: list[Knob] = []
    while True:
        fixed = admissible.copy()
        for knob in returned:
            fixed &= knob.values == knob.home
        tries: list[tuple[float, int, Knob]] = []
        for knob in knobs:
            if knob in returned or knob.values[at] == knob.home:
                continue
            there = fixed & (knob.values == knob.home)
            if not there.any():
                continue
            other = _least(smoothed, there)
            gap = float(smoothed[other] - smoothed[at])
            se = table.standard_error(int(rows[other]), int(rows[at]), weights)
            if gap <= ALWAYS_WORTH + _SLACK or (gap <= WORTH_UNLESS_SHOWN + _SLACK and gap <= _SHOWN_Z * se):
                tries.append((gap / se if se > 0 else math.copysign(math.inf, gap) if gap else 0.0, other, knob))
        if not tries:
            return at
        _, at, knob = min(tries, key=lambda one: one[0])
        returned.append(knob)


def _least(smoothed: FloatArray, among: BoolArray) -> int:
    """The least; of settings equal but for rounding, the first."""
    values = np.where(among, smoothed, np.inf)
    return int(np.flatnonzero(values <= values.min() + _SLACK)[0])


def _stability(
    table: LossTable,
    knobs: Sequence[Knob],
    smoother: _Smoother,
    may: BoolArray,
    limits: Sequence[Limit],
    picked: int | None,
    n_resamples: int,
    seed: int,
) -> Stability:
    n, m = len(may), table.n_recordings
    draws = np.random.default_rng(seed).multinomial(m, np.full(m, 1 / m), size=n_resamples)
    counts = {"same": 0, "near": 0, "none": 0}
    near = np.zeros(n, dtype=np.bool_) if picked is None else _neighbours(knobs, picked)
    for start in range(0, n_resamples, 50):
        weights = draws[start : start + 50].T.astype(np.float64)
        losses, rows = _worst(table.losses(weights), n)
        smoothed = smoother(losses)
        kept = _under_every_condition([limit.kept_by(weights) for limit in limits], table.n_rows, n)
        for b in range(weights.shape[1]):
            admissible = may & kept[:, min(b, kept.shape[1] - 1)] & np.isfinite(losses[:, b])
            found = _pick(smoothed[:, b], rows[:, b], admissible, knobs, table, weights[:, b])
            counts["none"] += found is None
            counts["same"] += found is not None and found == picked
            counts["near"] += found is not None and bool(near[found])
    return Stability(n=n_resamples, **{name: count / n_resamples for name, count in counts.items()})


def _neighbours(knobs: Sequence[Knob], at: int) -> BoolArray:
    """Settings that count as the same choice."""
    within: Mapping[str, float] = {"threshold": NEIGHBOUR_THRESHOLD, "silence_duration_ms": NEIGHBOUR_SILENCE_MS}
    near = np.ones(len(knobs[0].values), dtype=np.bool_)
    for knob in knobs:
        reach = within.get(knob.name, 0.0)
        near &= np.abs(_finite(knob.values) - _finite(knob.values)[at]) <= reach + _SLACK
    return near
