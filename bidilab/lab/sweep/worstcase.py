"""Settings under several conditions of the audio: each is what it is where it does worst."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bidilab.lab.sweep.grid import AXES, CONDITION, GUARD_AXES

__all__ = ["DECIMALS", "same_setting", "several_conditions", "worst_in_words", "worst_rows"]

DECIMALS = 12
"""Of sums of rates that are compared: 0.1 + 0.2 is 0.3 + 0. Rates of up to a million opportunities differ by more."""
_WORDS = {"false_interruption_rate": "false rate", "missed_rate": "missed rate"}


def several_conditions(settings: pd.DataFrame) -> bool:
    """Whether a settings table holds more than one condition."""
    return CONDITION in settings and settings[CONDITION].nunique() > 1


def _knobs(settings: pd.DataFrame) -> list[str]:
    return [name for name in (*AXES, *GUARD_AXES) if name in settings]


def worst_rows(settings: pd.DataFrame, usable: pd.Series, excess: pd.Series, free: list[str]) -> pd.Index:
    """The row of each setting under the condition in which it does worst, in the table's order.

    Parameters
    ----------
    settings
        One row a setting and condition.
    usable
        Whether the row can be judged at all; one that cannot is worse than any rate.
    excess
        By how much the row exceeds the limits: then the greatest is the worst.
    free
        Rates without a limit: then the greatest sum is.
    """
    rates = settings[free].sum(axis=1)
    keys = pd.DataFrame({"unusable": ~usable, "excess": excess.round(DECIMALS), "rates": rates.round(DECIMALS)})
    order = settings.loc[keys.sort_values(list(keys.columns), ascending=False, kind="stable").index]
    return order.drop_duplicates(_knobs(settings)).index.sort_values()


def same_setting(settings: pd.DataFrame, row: pd.Series[Any]) -> pd.DataFrame:
    """A setting's rows under all conditions."""
    knobs = _knobs(settings)
    return settings[(settings[knobs] == row[knobs]).all(axis=1)]


def worst_in_words(rows: pd.DataFrame) -> str:
    """The greatest of each rate over the rows of one setting, and where: each may be under another condition."""
    parts = []
    for name, words in _WORDS.items():
        worst = rows.sort_values(name, ascending=False, kind="stable").iloc[0]
        parts.append(f"{words} up to {worst[name]:.1%} (under {worst[CONDITION]})")
    return ", ".join(parts)
