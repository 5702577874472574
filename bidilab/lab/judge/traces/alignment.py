"""Where a trace's clock lies on the recording: an offset, its spread, and steps where the recorder lost time.

Who speaks when is known twice, from the trace and from the sound. Tracks of 20 ms are correlated for the offset; then
the edges are matched in time order, one to one. What remains of each role and edge is kept as a bias (a trace that
tells onsets late does so always), and what moves with time is a step: parts of constant residual, found by least
absolute deviation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from bidilab.core.errors import BidilabError
from bidilab.lab.judge.traces.trace import Trace

__all__ = ["Alignment", "AlignmentError", "Step", "Stretches", "align", "user_channel_by"]

FloatArray = npt.NDArray[np.float64]
Stretches = Sequence[tuple[float, float]]
"""Stretches of speech ``(start, end)`` in seconds, rising."""
Role = Literal["user", "agent"]
ROLES: tuple[Role, ...] = ("user", "agent")

TICK_S = 0.02
FEWEST_EDGES = 4
LEAST_STEP_S = 0.12
LEAST_CORRELATION = 0.55
"""Right ones were measured at 0.74 to 0.96, wrong ones at 0.22 to 0.46."""
RUNNER_UP = 0.8
"""A second-best offset that correlates this well beside the best leaves the offset open."""
LEAD = 0.3
"""By how much one assignment of the channels must correlate better than the other."""
BELIEVED_S = 0.15
"""A beginning of the recording that a trace states is believed when the sound puts it no further away."""
_GAP_S = 0.75  # leaving an edge without a partner costs as much as a residual of this size, each
_NOISE_S = 0.03
_ASSUMED_S = 1.0


class AlignmentError(BidilabError, ValueError):
    """A trace cannot be laid on a recording, or not surely."""


class Step(NamedTuple):
    """From ``at_s`` of the recording on, the recording is later than the trace by so much more."""

    at_s: float
    by_s: float


class _Edge(NamedTuple):
    at_s: float
    role: Role
    begins: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """How a trace lies on a recording.

    Parameters
    ----------
    offset_s
        Seconds to add to the trace's times to have the recording's.
    spread_s
        1.48 times the median absolute deviation of the residuals: the error of a time that is moved over.
    steps
        Where the recording went on later.
    biases_s
        How much later each role's starts and ends are in the recording: ``(role, begins)`` to seconds.
    n_edges
        Edges that were matched.
    correlation, runner_up
        Of the tracks at the offset, and at the second-best offset.
    """

    offset_s: float
    spread_s: float
    steps: tuple[Step, ...]
    biases_s: Mapping[tuple[Role, bool], float]
    n_edges: int
    correlation: float
    runner_up: float

    def on_recording(self, at_s: float) -> float:
        """A time of the trace as a time of the recording, seconds."""
        there_s = at_s + self.offset_s
        for step in self.steps:
            if there_s >= step.at_s:
                there_s += step.by_s
        return there_s

    def told(self, audio_starts_s: float | None) -> Alignment:
        """The same with the offset that the trace itself states, where the sound bears it out."""
        if audio_starts_s is None or abs(self.offset_s + audio_starts_s) > BELIEVED_S:
            return self
        by_s = self.offset_s + audio_starts_s
        biases = {kind: bias_s + by_s for kind, bias_s in self.biases_s.items()}
        return replace(self, offset_s=-audio_starts_s, biases_s=biases)

    def __str__(self) -> str:
        steps = "".join(f", a step of {1000 * step.by_s:+.0f} ms at {step.at_s:.1f} s" for step in self.steps)
        return (
            f"offset {self.offset_s:.3f} s, spread {1000 * self.spread_s:.0f} ms, {self.n_edges} edges matched, "
            f"correlation {self.correlation:.2f} (next best {self.runner_up:.2f}){steps}"
        )


def align(trace: Trace, user: Stretches, agent: Stretches, *, duration_s: float) -> Alignment:
    """Lay a trace on a recording.

    Parameters
    ----------
    trace
        What was told; at least one side must have stretches of speech in it.
    user, agent
        Who speaks when in the recording.
    duration_s
        Length of the recording, seconds.

    Raises
    ------
    AlignmentError
        If fewer than four edges match, or another offset correlates nearly as well.
    """
    told = {role: _told(trace, role) for role in ROLES}
    ends_told = {role: bool(trace.spoken(role)) for role in ROLES}
    both: dict[Role, Stretches] = {"user": user, "agent": agent}
    heard = {role: spoken if ends_told[role] else _begun(spoken) for role, spoken in both.items()}
    roles = [role for role in ROLES if told[role] and heard[role]]
    if not roles:
        raise AlignmentError(f"{trace.source.name}: contains no speech of this recording; it cannot be aligned")
    zero_s = min(start for role in roles for start, _ in told[role])
    length_s = max(end for role in roles for _, end in told[role]) - zero_s
    curve = _curve([(told[role], heard[role]) for role in roles], zero_s, length_s, duration_s)
    best = int(np.argmax(curve))
    runner_up = _runner_up(curve, best)
    lag_s = (best - math.ceil(length_s / TICK_S)) * TICK_S
    offset_s = lag_s - zero_s
    pairs = _matched(
        [
            _Edge(edge.at_s + offset_s, edge.role, edge.begins)
            for edge in _edges(told, roles)
            if edge.begins or ends_told[edge.role]
        ],
        _edges(heard, roles),
    )
    if len(pairs) < FEWEST_EDGES:
        raise AlignmentError(
            f"{trace.source.name}: {len(pairs)} starts and ends of speech match the recording, at least {FEWEST_EDGES} "
            "are needed; does it belong to this recording?"
        )
    if curve[best] < LEAST_CORRELATION:
        raise AlignmentError(
            f"{trace.source.name}: who speaks when is not as in the recording (correlation {curve[best]:.2f}, at least "
            f"{LEAST_CORRELATION:g} is needed); does it belong to this recording?"
        )
    if runner_up > RUNNER_UP * curve[best]:
        raise AlignmentError(
            f"{trace.source.name}: two places of the recording fit about equally well (correlation {curve[best]:.2f} "
            f"and {runner_up:.2f})"
        )
    return _refined(pairs, offset_s, float(curve[best]), runner_up)


def _runner_up(curve: FloatArray, best: int) -> float:
    """The best correlation outside of the hill on which the best one stands: down to half of it on either side."""
    low = np.flatnonzero(curve <= curve[best] / 2)
    left, right = low[low < best], low[low > best]
    outside = np.concatenate([curve[: left[-1] + 1] if len(left) else [], curve[right[0] :] if len(right) else []])
    return float(outside.max()) if len(outside) else 0.0


def _track(stretches: Stretches, length_s: float) -> FloatArray:
    """Whether it is spoken, on ticks: mean 0, length 1."""
    track = np.zeros(math.ceil(length_s / TICK_S) + 1)
    for start, end in stretches:
        track[max(0, round(start / TICK_S)) : max(0, round(end / TICK_S))] = 1
    track -= track.mean()
    norm = float(np.linalg.norm(track))
    return track / norm if norm else track


def _told(trace: Trace, role: Role) -> list[tuple[float, float]]:
    """Stretches of speech of a side; where only beginnings are told, as of generation, what begins there."""
    spoken = trace.spoken(role)
    return spoken if spoken or role == "user" else _begun([(event.at_s, 0.0) for event in trace.of("audible")])


def _begun(stretches: Stretches) -> list[tuple[float, float]]:
    """Each stretch by its beginning alone, for comparing with what has no ends."""
    return [(start, start + _ASSUMED_S) for start, _ in stretches]


def _curve(
    pairs: Sequence[tuple[Stretches, Stretches]], zero_s: float, length_s: float, duration_s: float
) -> FloatArray:
    """Mean correlation of told and heard speech at every lag; index ``ceil(length_s / TICK_S)`` is lag 0."""
    from scipy.signal import correlate

    curves = []
    for told, heard in pairs:
        moved = _track([(start - zero_s, end - zero_s) for start, end in told], length_s)
        curves.append(correlate(_track(heard, duration_s), moved, mode="full", method="fft"))
    mean: FloatArray = np.mean(curves, axis=0)
    return mean


def _edges(spoken: Mapping[Role, Stretches] | Mapping[str, Stretches], roles: Sequence[Role]) -> list[_Edge]:
    return sorted(
        edge
        for role in roles
        for start, end in spoken[role]
        for edge in (_Edge(start, role, True), _Edge(end, role, False))
    )


def _matched(told: Sequence[_Edge], heard: Sequence[_Edge]) -> list[tuple[_Edge, _Edge]]:
    """Pairs of edges of one role and kind, in time order, that cost least; each edge is in one pair at most."""
    pairs: list[tuple[_Edge, _Edge]] = []
    for role in ROLES:
        for begins in (True, False):
            ours = [edge for edge in told if (edge.role, edge.begins) == (role, begins)]
            theirs = [edge for edge in heard if (edge.role, edge.begins) == (role, begins)]
            pairs += _cheapest(ours, theirs)
    return sorted(pairs, key=lambda pair: pair[1].at_s)


def _cheapest(told: Sequence[_Edge], heard: Sequence[_Edge]) -> list[tuple[_Edge, _Edge]]:
    n, m = len(told), len(heard)
    cost = np.zeros((n + 1, m + 1))
    cost[:, 0] = _GAP_S * np.arange(n + 1)
    cost[0, :] = _GAP_S * np.arange(m + 1)
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            cost[i, j] = min(
                cost[i - 1, j - 1] + abs(told[i - 1].at_s - heard[j - 1].at_s),
                cost[i - 1, j] + _GAP_S,
                cost[i, j - 1] + _GAP_S,
            )
    pairs = []
    i, j = n, m
    while i and j:
        if cost[i, j] == cost[i - 1, j] + _GAP_S:
            i -= 1
        elif cost[i, j] == cost[i, j - 1] + _GAP_S:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((told[i], heard[j]))
    return pairs


def _refined(pairs: Sequence[tuple[_Edge, _Edge]], offset_s: float, correlation: float, runner_up: float) -> Alignment:
    """The residuals of matched edges taken apart: biases of roles and edges, steps in time, and what is left."""
    at = np.array([heard.at_s for _, heard in pairs])
    residual = np.array([heard.at_s - told.at_s for told, heard in pairs])
    kinds = [(heard.role, heard.begins) for _, heard in pairs]
    biases: dict[tuple[Role, bool], float] = dict.fromkeys(kinds, 0.0)
    for _ in range(3):  # biases need the steps, and steps the biases
        levels = _levels(residual - np.array([biases[kind] for kind in kinds]))
        for kind in biases:
            own = np.array([k == kind for k in kinds])
            biases[kind] = float(np.median((residual - levels)[own]))
    levels = _levels(residual - np.array([biases[kind] for kind in kinds]))
    changes = np.flatnonzero(np.diff(levels)) + 1
    steps = tuple(Step(float((at[k - 1] + at[k]) / 2), float(levels[k] - levels[k - 1])) for k in changes)
    rest = residual - levels - np.array([biases[kind] for kind in kinds])
    return Alignment(
        offset_s=offset_s + float(levels[0]),
        spread_s=1.48 * float(np.median(np.abs(rest - np.median(rest)))),
        steps=steps,
        biases_s=biases,
        n_edges=len(pairs),
        correlation=correlation,
        runner_up=runner_up,
    )


def _levels(values: FloatArray) -> FloatArray:
    """Piecewise constant levels: medians of parts of at least `FEWEST_EDGES`, split where that explains enough.

    The best split of a part in two is the one that lowers the sum of absolute deviations most. It is kept when the
    levels differ by `LEAST_STEP_S` or more, and by more than the noise of both parts; then each part is tried again.
    """
    levels = np.full(len(values), float(np.median(values)) if len(values) else 0.0)
    parts = [(0, len(values))]
    while parts:
        first, last = parts.pop()
        part = values[first:last]
        levels[first:last] = np.median(part)
        best: tuple[float, int] | None = None
        for cut in range(FEWEST_EDGES, len(part) - FEWEST_EDGES + 1):
            cost = _deviation(part[:cut]) + _deviation(part[cut:])
            if best is None or cost < best[0]:
                best = cost, cut
        if best is None:
            continue
        cost, cut = best
        step = abs(float(np.median(part[cut:]) - np.median(part[:cut])))
        noise = max(_NOISE_S, 1.48 * cost / len(part))
        if step >= max(LEAST_STEP_S, 3 * noise):
            parts += [(first, first + cut), (first + cut, last)]
    return levels


def _deviation(values: FloatArray) -> float:
    return float(np.abs(values - np.median(values)).sum())


def user_channel_by(trace: Trace, first: Stretches, second: Stretches, *, duration_s: float) -> int:
    """Find the user's channel, 1 or 2, by the assignment under which trace and sound go together, if one is clear.

    Parameters
    ----------
    trace
        What was told.
    first, second
        Who speaks when on the two channels.
    duration_s
        Length of the recording, seconds.

    Raises
    ------
    AlignmentError
        If neither assignment correlates better by `LEAD`.
    """
    found = []
    for user, agent in ((first, second), (second, first)):
        told = [(_told(trace, "user"), user), (_told(trace, "agent"), agent)]
        told = [(stretches, heard) for stretches, heard in told if stretches]
        if not told:
            raise AlignmentError(f"{trace.source.name}: contains no speech; say which channel is the user's")
        zero_s = min(start for stretches, _ in told for start, _ in stretches)
        length_s = max(end for stretches, _ in told for _, end in stretches) - zero_s
        found.append(float(_curve(told, zero_s, length_s, duration_s).max()))
    if abs(found[0] - found[1]) < LEAD:
        raise AlignmentError(
            f"{trace.source.name}: the trace does not tell the channels apart (correlation {found[0]:.2f} with the "
            f"user on channel 1, {found[1]:.2f} on channel 2); say which is the user's"
        )
    return 1 if found[0] > found[1] else 2
