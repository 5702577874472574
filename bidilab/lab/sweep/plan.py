"""What is evaluated for a grid, before anything is heard: its different settings, in blocks that share work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bidilab.detect.turns.guards import GuardRule
from bidilab.lab.sweep.grid import Grid
from bidilab.lab.sweep.scoring import DetectorSetting, ScoreAnswers, Thresholds, detector_setting, guard_rule

__all__ = ["Block", "SweepPlan"]

_BLOCK_SETTINGS = 512  # settings under guards at once: bounds the arrays of settings by recordings


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Detector settings with the same two thresholds, each under all guards and with all prefix paddings."""

    settings: tuple[DetectorSetting, ...]
    prefix_samples: tuple[int, ...]
    guards: tuple[GuardRule, ...]

    @property
    def thresholds(self) -> Thresholds:
        """The two thresholds of its settings."""
        return self.settings[0][:2]

    @property
    def n_rows(self) -> int:
        """Its evaluations: each setting under each guard."""
        return len(self.settings) * len(self.guards)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SweepPlan:
    """The evaluations that a grid takes, and which of them each of its settings is.

    Parameters
    ----------
    blocks
        Their detector settings and guards.
    turn_of, guard_of, prefix_of
        ``(n_settings,) int64``: detector setting of each setting of the grid, counted through the blocks; its guard;
        and its prefix padding, both counted in each block.
    """

    blocks: tuple[Block, ...]
    turn_of: npt.NDArray[np.int64]
    guard_of: npt.NDArray[np.int64]
    prefix_of: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls,
        grid: Grid,
        grain: Mapping[str, int],
        *,
        answers: ScoreAnswers | None = None,
        interrupting: ScoreAnswers | None = None,
        rows_at_once: int | None = None,
    ) -> SweepPlan:
        """Plan a grid under one condition.

        Parameters
        ----------
        grid
            The settings.
        grain
            Frame, rate and look-ahead, as `SweepProblem.guard_grain`.
        answers, interrupting
            What answers for the settings whose turns end, or interrupt, by a score.
        rows_at_once
            The most evaluations in a block that has more than one setting; not given, blocks are as large as is fast
            for some hours of audio.
        """
        detector, index, prefix = _detector_settings(grid, grain, answers)
        rules = [
            guard_rule(guards, adaptive, **grain, interrupting=interrupting) for guards, adaptive in grid.guard_points
        ]
        guards = tuple(dict.fromkeys(rules))
        prefixes = tuple(sorted(set(prefix.tolist())))
        if rows_at_once is None:
            rows_at_once = _BLOCK_SETTINGS if len(guards) > 1 else len(detector)
        blocks = _blocks(detector, guards, prefixes, max(1, rows_at_once // len(guards)))
        order = {setting: k for k, setting in enumerate(s for block in blocks for s in block.settings)}
        of_guard = np.array([guards.index(rule) for rule in rules], dtype=np.int64)
        of_detector = np.array([order[detector[k]] for k in index], dtype=np.int64)
        return cls(
            blocks=blocks,
            turn_of=np.repeat(of_detector, len(rules)),
            guard_of=np.tile(of_guard, len(of_detector)),
            prefix_of=np.searchsorted(prefixes, np.repeat(prefix, len(rules))).astype(np.int64),
        )

    @property
    def settings(self) -> tuple[DetectorSetting, ...]:
        """The different detector settings, through the blocks."""
        return tuple(setting for block in self.blocks for setting in block.settings)

    @property
    def guards(self) -> tuple[GuardRule, ...]:
        """The different guards, the same in each block."""
        return self.blocks[0].guards

    @property
    def row_of(self) -> npt.NDArray[np.int64]:
        """Evaluation of each setting of the grid, ``(n_settings,)``, counted through the blocks."""
        rows: npt.NDArray[np.int64] = self.turn_of * len(self.guards) + self.guard_of
        return rows

    @property
    def resumes(self) -> bool:
        """Whether a guard resumes the agent after a stop."""
        return any(guard.timeout_samples >= 0 for guard in self.guards)


def _detector_settings(
    grid: Grid, grain: Mapping[str, int], answers: ScoreAnswers | None
) -> tuple[list[DetectorSetting], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The different detector settings of a grid; by its points without guards, which each has and its prefix."""
    known: dict[DetectorSetting, int] = {}
    n_guards = grid.n_guard_settings
    n_points = len(grid) // n_guards
    index = np.empty(n_points, dtype=np.int64)
    prefix = np.empty(n_points, dtype=np.int64)
    for k in range(n_points):
        params, end_of_turn = grid.params(k * n_guards), grid.end_of_turn(k * n_guards)
        rule = params.in_frames(frame_samples=grain["frame_samples"], sample_rate=grain["sample_rate"])
        setting = detector_setting(params, end_of_turn, **grain, answers=answers)
        index[k] = known.setdefault(setting, len(known))
        prefix[k] = rule.prefix_samples
    return list(known), index, prefix


def _blocks(
    detector: Sequence[DetectorSetting], guards: tuple[GuardRule, ...], prefixes: tuple[int, ...], at_once: int
) -> tuple[Block, ...]:
    by_thresholds: dict[Thresholds, list[DetectorSetting]] = {}
    for setting in detector:
        by_thresholds.setdefault(setting[:2], []).append(setting)
    return tuple(
        Block(settings=tuple(settings[first : first + at_once]), prefix_samples=prefixes, guards=guards)
        for settings in by_thresholds.values()
        for first in range(0, len(settings), at_once)
    )
