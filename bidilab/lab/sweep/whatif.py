"""What another setting would have changed about the stops of a sweep's recordings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import ms_to_samples, samples_to_ms, samples_to_s
from bidilab.detect.turns import Guards, Turn, acted_at_reference
from bidilab.lab.metrics.counterfactual import TOLERANCE_MS, ActedTurn, SeenOverlap, changes_of
from bidilab.lab.metrics.stops import Stop
from bidilab.lab.metrics.whatif import WhatIf, what_if_of
from bidilab.lab.sweep.tracked import TrackedRecording

if TYPE_CHECKING:
    from bidilab.lab.sweep.result import SweepResult

__all__ = ["what_if"]


def what_if(result: SweepResult, setting: int, other: int) -> WhatIf:
    """Take the stops of one setting as recorded, and say what another setting makes of them.

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
    rows: list[dict[str, Any]] = []
    for recording in source.dataset:
        guards, new_guards = grid.guards(setting), grid.guards(other)
        tracked = source.tracked(recording.id, guards if guards.needs_words else new_guards)
        evaluation = tracked.evaluate(grid.params(setting), guards, grid.end_of_turn(setting))
        turns = tracked.turns(grid.params(other), grid.end_of_turn(other))
        acted = _acted(tracked, turns, new_guards)
        rows += _rows(recording.id, tracked, evaluation.costs.stops, acted)
    return what_if_of(
        rows,
        as_recorded=_named(result, setting),
        changed=_named(result, other),
        reproduced=[True] * len(rows),
        left=[],
    )


def _acted(tracked: TrackedRecording, turns: Sequence[Turn], guards: Guards) -> list[ActedTurn]:
    ends = [] if tracked.word_ends is None else [int(end) for end in tracked.word_ends]
    acted = acted_at_reference(
        turns, guards, word_ends=ends, frame_samples=tracked.frame_samples, sample_rate=tracked.sample_rate
    )
    return [ActedTurn(turn.started_at, at) for turn, at in zip(turns, acted, strict=True) if at is not None]


def _rows(
    name: str, tracked: TrackedRecording, stops: Sequence[Stop], acted: Sequence[ActedTurn]
) -> list[dict[str, Any]]:
    """Rows of the stops that are true or false; what is continued, unsure or unlabelled is neither."""
    labels, rate = tracked.labels, tracked.sample_rate
    seen, kinds, at = [], [], []
    for stop in stops:
        if stop.cause != "true" and not stop.is_false:
            continue
        owner = labels.segments[stop.owner] if stop.owner >= 0 else None
        start, end = (stop.turn.onset, stop.turn.offset) if owner is None else owner.interval
        seen.append(
            SeenOverlap(
                onset=start,
                end=end,
                must_stop=stop.cause == "true",
                response_start=labels.responses[stop.response].start,
                response_end=stop.acted_at,
                stopped=True,
            )
        )
        kinds.append("none" if owner is None else owner.kind)
        at.append(stop.acted_at)
    changes = changes_of(seen, acted, tolerance=ms_to_samples(TOLERANCE_MS, rate))
    return [
        {
            "call": name,
            "onset_s": samples_to_s(one.onset, rate),
            "end_s": samples_to_s(one.end, rate),
            "kind": kind,
            "stopped": True,
            "change": change.kind,
            "decided_s": float("nan") if change.decided_at is None else samples_to_s(change.decided_at, rate),
            "delay_ms": float("nan") if change.decided_at is None else samples_to_ms(change.decided_at - was, rate),
        }
        for one, kind, change, was in zip(seen, kinds, changes, at, strict=True)
    ]


def _named(result: SweepResult, setting: int) -> str:
    row = result.settings.loc[setting]
    return ", ".join(f"{name.removesuffix('_ms').replace('_', ' ')} {row[name]:g}" for name in result.axes)
