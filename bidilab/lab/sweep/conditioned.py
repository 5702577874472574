"""A sweep's conditions one behind the other: the same labels, other probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bidilab.lab.conditions.condition import Condition, condition_label
from bidilab.lab.conditions.identity import fingerprint
from bidilab.lab.sweep.engine import SweptGrid
from bidilab.lab.sweep.grid import CONDITION

__all__ = ["fingerprints", "join_swept", "part_of_swept"]


def fingerprints(conditions: Sequence[Condition | None]) -> list[str | None]:
    """Identity of each condition; ``None`` for the audio as it was recorded."""
    return [None if condition is None else fingerprint(condition) for condition in conditions]


def join_swept(conditions: Sequence[Condition | None], swept: Sequence[SweptGrid]) -> SweptGrid:
    """What was swept under each condition as one, in their order; the one there is where there are no conditions."""
    if tuple(conditions) == (None,):
        return swept[0]
    tables = []
    for condition, part in zip(conditions, swept, strict=True):
        table = part.settings.copy()
        table.insert(0, CONDITION, condition_label(condition))
        tables.append(table)
    firsts = np.cumsum([0, *(len(part.counts) for part in swept[:-1])])
    return SweptGrid(
        settings=pd.concat(tables, ignore_index=True).rename_axis("setting"),
        evaluation=np.concatenate([part.evaluation + first for part, first in zip(swept, firsts, strict=True)]),
        counts=np.concatenate([part.counts for part in swept]),
    )


def part_of_swept(swept: SweptGrid, rows: slice, settings: pd.DataFrame) -> SweptGrid:
    """What was swept in some rows; ``settings`` is their table. No counts are copied."""
    return SweptGrid(settings=settings, evaluation=swept.evaluation[rows], counts=swept.counts)
