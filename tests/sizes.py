"""How many examples a property test draws: a bounded sample by default, more under ``make attack``."""

from __future__ import annotations

import os

__all__ = ["ATTACK", "examples"]

ATTACK = int(os.environ.get("BIDILAB_ATTACK", "1"))
"""Times as many examples, from the environment; 1 in a plain test run and in CI."""


def examples(n: int) -> int:
    """``n`` times `ATTACK`."""
    return n * ATTACK
