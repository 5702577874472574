"""How many examples a property test draws: a bounded sample by default, more under ``make attack``."""

from __future__ import annotations

import os

__all__ = ["ATTACK", "SAMPLE", "examples"]

ATTACK = int(os.environ.get("BIDILAB_ATTACK", "1"))
"""Times as many examples, from the environment; 1 in a plain test run and in CI."""
SAMPLE = 0.25
"""Share of the examples of a plain test run, which has to stay short; an attack draws them all."""


def examples(n: int) -> int:
    """``n`` times `ATTACK`; of a plain run `SAMPLE` of them, one at least."""
    return n * ATTACK if ATTACK > 1 else max(1, round(SAMPLE * n))
