"""What another setting would have changed about the stops of a sweep's recordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from bidilab.core.errors import InvalidParameterError
from bidilab.core.timeline import Interval
from bidilab.core.units import ms_to_samples, samples_to_ms, samples_to_s
from bidilab.detect.turns import Turn
from bidilab.lab.metrics.counterfactual import TOLERANCE_MS, ActedTurn, ChangeKind, SeenOverlap, changes_of
from bidilab.lab.metrics.members import MemberSet
from bidilab.lab.metrics.stops import Stop
from bidilab.lab.metrics.whatif import WhatIf, what_if_of
from bidilab.lab.sweep.tracked import TrackedRecording

if TYPE_CHECKING:
    from bidilab.lab.sweep.result import SweepResult

__all__ = ["what_if"]

_Decision: TypeAlias = tuple[Turn, int]
"""A turn that is acted upon, and where."""


def what_if(result: SweepResult, setting: int, other: int) -> WhatIf:
    """Take what stopped the agent under one setting, and what did not, as recorded; say what another makes of both.

    The rows are the true and false stops, the labelled events that began while the agent was heard and did not stop it,
    and what the other setting would stop for where nothing is labelled (kind ``"none"``).

    Parameters
    ----------
    result
        A sweep of a recorded evaluation whose recordings are at hand.
    setting, other
        Rows of ``result.settings`` under the same condition.

    Raises
    ------
    InvalidParameterError
        If there is no such setting, they are under different conditions, or the evaluation is simulated.
    ResultError
        If the recordings are not at hand.
    """
    if result.evaluation != "recorded":
        allowed = "recorded, because a simulated agent reacts to the setting"
        raise InvalidParameterError("evaluation", allowed, result.evaluation)
    grid = result.grid
    if grid.condition(setting) != grid.condition(other):
        raise InvalidParameterError("other", "a setting under the same condition", other)
    source = result.source_of(setting)
    guards, new_guards = grid.guards(setting), grid.guards(other)
    same = (grid.params(setting), guards, grid.end_of_turn(setting), grid.adaptive(setting))
    new = (grid.params(other), new_guards, grid.end_of_turn(other), grid.adaptive(other))
    rows: list[dict[str, Any]] = []
    for recording in source.dataset:
        tracked = source.tracked(recording.id, guards if guards.needs_words else new_guards)
        stops = tracked.evaluate(*same).costs.stops
        rows += _rows(recording.id, tracked, stops, tracked.acted(*same), tracked.acted(*new))
    stopped = sum(bool(row["stopped"]) for row in rows)
    return what_if_of(
        rows,
        as_recorded=_named(result, setting),
        changed=_named(result, other),
        reproduced=[True] * stopped,  # what stopped the agent, and what did not, is this setting's own doing
        left=[True] * (len(rows) - stopped),
    )


def _rows(
    name: str, tracked: TrackedRecording, stops: Sequence[Stop], same: Sequence[_Decision], new: Sequence[_Decision]
) -> list[dict[str, Any]]:
    """Rows of what stopped the agent and of what did not, in time order.

    What is unsure, and what the user goes on to say, is neither. A decision before an event that both settings make
    alike, such as one that was taken back, leaves the response as it was heard: it is no reason to know nothing more.
    """
    tolerance = ms_to_samples(TOLERANCE_MS, tracked.sample_rate)
    judged = [*_stopped(tracked.labels, stops), *_spoken_over(tracked.labels, stops)]
    before, after = _turns(same), _turns(new)
    both = set(before) & set(after)
    rows = []
    for one, kind, at in judged:
        alike = {turn for turn in both if turn.acted_at < one.onset - tolerance}
        (was,), (change,) = (
            changes_of([one], [turn for turn in turns if turn not in alike], tolerance=tolerance)
            for turns in (before, after)
        )
        # Where the setting in force decides too and the agent spoke on, as for another event near, it is not why.
        kept = not one.stopped and was.kind in ("added", "gained")
        rows.append(_row(name, tracked, one, kind, "unchanged" if kept else change.kind, change.decided_at, at))
    rows += [
        _row(name, tracked, one, "none", "added", decided_at, None)
        for one, decided_at in _unlabelled(tracked.labels, stops, same, new, tolerance)
    ]
    return sorted(rows, key=lambda row: float(row["onset_s"]))


def _row(
    name: str,
    tracked: TrackedRecording,
    seen: SeenOverlap,
    kind: str,
    change: ChangeKind,
    decided_at: int | None,
    was_at: int | None,
) -> dict[str, Any]:
    rate = tracked.sample_rate
    later = decided_at is not None and was_at is not None
    return {
        "call": name,
        "onset_s": samples_to_s(seen.onset, rate),
        "end_s": samples_to_s(seen.end, rate),
        "kind": kind,
        "stopped": seen.stopped,
        "change": change,
        "decided_s": float("nan") if decided_at is None else samples_to_s(decided_at, rate),
        "delay_ms": samples_to_ms(decided_at - was_at, rate) if later else float("nan"),  # type: ignore[operator]
    }


def _turns(decided: Sequence[_Decision]) -> list[ActedTurn]:
    return [ActedTurn(turn.started_at, at) for turn, at in decided]


def _stopped(labels: MemberSet, stops: Sequence[Stop]) -> Iterator[tuple[SeenOverlap, str, int]]:
    """The stops that are true or false, each with its kind and where it came."""
    for stop in stops:
        if stop.cause != "true" and not stop.is_false:
            continue
        owner = labels.segments[stop.owner] if stop.owner >= 0 else None
        start, end = (stop.turn.onset, stop.turn.offset) if owner is None else owner.interval
        seen = SeenOverlap(
            onset=start,
            end=end,
            must_stop=stop.cause == "true",
            response_start=labels.responses[stop.response].start,
            response_end=stop.acted_at,
            stopped=True,
        )
        yield seen, "none" if owner is None else owner.kind, stop.acted_at


def _heard_until(labels: MemberSet, stops: Sequence[Stop]) -> list[int]:
    """Where each response falls silent for good."""
    ends = [response.end for response in labels.responses]
    for stop in stops:
        if stop.resumed_at is None:
            ends[stop.response] = min(ends[stop.response], stop.acted_at)
    return ends


def _spoken_over(labels: MemberSet, stops: Sequence[Stop]) -> Iterator[tuple[SeenOverlap, str, None]]:
    """The events that began while a response was audible, and for which the agent did not stop."""
    until, owners = _heard_until(labels, stops), {stop.owner for stop in stops}
    for index, segment in enumerate(labels.segments):
        heard = segment.is_member and segment.response >= 0 and segment.interval.start < until[segment.response]
        if heard and index not in owners:
            seen = SeenOverlap(
                onset=segment.interval.start,
                end=segment.interval.end,
                must_stop=segment.is_true,
                response_start=labels.responses[segment.response].start,
                response_end=until[segment.response],
                stopped=False,
            )
            yield seen, segment.kind, None


def _unlabelled(
    labels: MemberSet, stops: Sequence[Stop], same: Sequence[_Decision], new: Sequence[_Decision], tolerance: int
) -> Iterator[tuple[SeenOverlap, int]]:
    """The first new decision in each response, where nothing is labelled near it and nothing stopped the agent."""
    before = set(_turns(same))
    near = [segment.interval for segment in labels.segments]
    near += [Interval(stop.turn.onset, stop.turn.offset) for stop in stops if stop.owner < 0]
    for response, until in zip(labels.responses, _heard_until(labels, stops), strict=True):
        within = [
            (turn, at)
            for turn, at in new
            if response.start <= turn.started_at and at < until and ActedTurn(turn.started_at, at) not in before
        ]
        if not within:
            continue
        turn, at = min(within, key=lambda one: one[1])
        acted = ActedTurn(turn.started_at, at)
        if not any(acted.belongs_to(start, end, tolerance=tolerance) for start, end in near):
            seen = SeenOverlap(
                onset=turn.onset,
                end=turn.offset,
                must_stop=False,
                response_start=response.start,
                response_end=until,
                stopped=False,
            )
            yield seen, at


def _named(result: SweepResult, setting: int) -> str:
    row = result.settings.loc[setting]
    return ", ".join(f"{name.removesuffix('_ms').replace('_', ' ')} {row[name]:g}" for name in result.axes)
