"""Choosing a setting: limits first, then what is left to be gained, in a stated order."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bidilab.core.errors import InvalidParameterError, ResultError
from bidilab.detect.turns import ExportedSetting, Guards, TurnParams, export_setting
from bidilab.detect.turns.providers.gemini import PrefixMeaning
from bidilab.lab.sweep.grid import AXES, CONDITION, GUARD_AXES

if TYPE_CHECKING:
    from bidilab.lab.sweep.result import SweepResult
    from bidilab.lab.sweep.validation import Validation

__all__ = ["Recommendation", "recommend", "recommend_setting"]

_LATENCY_STEP_MS = 32.0  # a Silero frame: less than that is no difference
_CUT_IN_S = 3.0
_WEAKER = {"min_interruption_ms": 1, "min_words": 1, "false_interruption_timeout_ms": -1}
_BEHIND = {
    "max_false_interruption_rate": ("false", "n_false_opportunities"),
    "max_missed_rate": ("missed", "n_true_opportunities"),
}
_RATES = {"max_false_interruption_rate": "false_interruption_rate", "max_missed_rate": "missed_rate"}

_DECIMALS = 12
"""Of sums of rates that are compared: 0.1 + 0.2 is 0.3 + 0. Rates of up to a million opportunities differ by more."""
_RATE_WORDS = {"false_interruption_rate": "false rate", "missed_rate": "missed rate"}

SHOWN = (
    CONDITION,
    "threshold",
    "prefix_padding_ms",
    "silence_duration_ms",
    *GUARD_AXES,
    "false_interruption_rate",
    "false_interruption_rate_lo",
    "false_interruption_rate_hi",
    "n_false_opportunities",
    "missed_rate",
    "missed_rate_lo",
    "missed_rate_hi",
    "n_true_opportunities",
    "latency_detected_ms_p50",
    "latency_detected_ms_p50_lo",
    "latency_detected_ms_p50_hi",
    "latency_detected_ms_p90",
    "premature_endpoint_rate",
    "endpoint_latency_ms_p50",
    "onset_clipped_ms_p50",
    "n_resumed",
    "pause_s",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The setting that was chosen under two limits, or why there is none.

    Parameters
    ----------
    setting
        Row of ``SweepResult.settings``; ``None`` when no setting qualifies.
    qualifying
        Whether one does.
    n_qualifying
        How many do.
    table
        Columns of ``settings`` for the best qualifying settings, best first. When none qualifies, those that come
        closest, with the column ``excess``: by how much they exceed the limits, as a sum of rates.
    message
        The same in words.
    limits
        The two limits; ``None`` for none.
    params
        The setting's canonical parameters; ``None`` when no setting qualifies, or the grid was not given.
    guards
        The setting's guards; ``None`` as above.
    validation
        What the setting does on recordings it was not chosen on; ``None`` where that was not asked, or none was chosen.
    """

    setting: int | None
    qualifying: bool
    n_qualifying: int
    table: pd.DataFrame
    message: str
    limits: dict[str, float | None]
    params: TurnParams | None = None
    guards: Guards | None = None
    validation: Validation | None = None

    def export(self, to: str, *, prefix_meaning: PrefixMeaning | None = None) -> ExportedSetting:
        """The recommended setting in the words of what it will run on: `bidilab.export_setting`.

        Guards are not written; those that the setting has are named among the compromises.

        Raises
        ------
        ResultError
            If no setting is recommended.
        InvalidParameterError
            If ``to`` is none of `EXPORT_TARGETS`.
        """
        if self.params is None:
            raise ResultError(f"there is no recommended setting to export: {self.message}")
        return export_setting(self.params, to, guards=self.guards, prefix_meaning=prefix_meaning)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON; NaN and infinity become ``None``."""
        rows = [
            {str(key): _plain(value) for key, value in row.items()}
            for row in self.table.rename_axis("setting").reset_index().to_dict("records")
        ]
        return {
            "setting": self.setting,
            "qualifying": self.qualifying,
            "n_qualifying": self.n_qualifying,
            "message": self.message,
            "limits": self.limits,
            "settings": rows,
            "validation": None if self.validation is None else _validation_dict(self.validation),
        }

    def __str__(self) -> str:
        text = f"{self.message}\n\n{self.table.to_string(float_format='{:.4g}'.format)}"
        return text if self.validation is None else f"{text}\n\n{self.validation}"

    def __repr__(self) -> str:
        return f"Recommendation(setting={self.setting}, {self.message!r})"

    def _repr_html_(self) -> str:
        validated = "" if self.validation is None else self.validation._repr_html_()
        table = self.table.to_html(float_format="{:.4g}".format)
        return f"<p>{html.escape(self.message)}</p>{table}{validated}"


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


def _check_limit(name: str, value: float | None) -> None:
    if value is not None and not 0 <= value <= 1:
        raise InvalidParameterError(name, "None or a rate in [0, 1]", value)


def recommend(
    result: SweepResult, *, max_false_interruption_rate: float | None, max_missed_rate: float | None
) -> Recommendation:
    """Choose a setting of a sweep by `recommend_setting`, with its parameters, and say what its n rests on."""
    found = recommend_setting(
        result.settings, max_false_interruption_rate=max_false_interruption_rate, max_missed_rate=max_missed_rate
    )
    if result.proposed_labels:
        found = replace(found, message=f"{found.message} Its n rests on labels of which {result.proposed_labels}.")
    if found.setting is None:
        return found
    return replace(found, params=result.params(found.setting), guards=result.guards(found.setting))


def recommend_setting(
    settings: pd.DataFrame,
    *,
    max_false_interruption_rate: float | None = None,
    max_missed_rate: float | None = None,
    n_best: int = 5,
) -> Recommendation:
    """Choose a setting.

    A setting qualifies when it is not degenerate and both rates are defined and within their limits, where given.
    Among those the best has, each where the ones before are equal:

    1. the lowest rate that has no limit: of misses where only false interruptions are limited, and the other way round;
       the lowest sum of the two rates where neither or both are;
    2. the lowest p90 latency, in steps of 32 ms;
    3. the lowest sum of three times the premature-endpoint rate and the median endpoint latency in seconds (a cut-in
       weighs as much as three seconds of waiting);
    4. the least onset clipped (p90); the shortest prefix padding; the shortest silence; the threshold nearest to 0.5;
       the weakest guards, never resuming the weakest of its kind.

    A false interruption that guards resumed is one all the same. Where several conditions of the audio were swept, a
    setting is what it is under the condition in which it does worst (exceeds the limits most, then has the highest
    rates that have no limit): it qualifies when it does under all of them, and its row is the one of that condition.

    Parameters
    ----------
    settings
        ``SweepResult.settings``.
    max_false_interruption_rate, max_missed_rate
        Limits in [0, 1]; ``None`` for none.
    n_best
        How many rows the table shows.

    Raises
    ------
    InvalidParameterError
        If a limit lies outside [0, 1].
    """
    limits = {
        "max_false_interruption_rate": max_false_interruption_rate,
        "max_missed_rate": max_missed_rate,
    }
    for name, value in limits.items():
        _check_limit(name, value)
    limited = {_RATES[name]: limit for name, limit in limits.items() if limit is not None}
    free = [rate for rate in _RATES.values() if rate not in limited] or list(_RATES.values())
    over = {rate: (settings[rate] - limit).clip(lower=0) for rate, limit in limited.items()}
    excess = pd.DataFrame(over, index=settings.index).sum(axis=1)
    usable = ~settings["degenerate"] & settings[list(_RATES.values())].notna().all(axis=1)
    every = settings
    if _several_conditions(settings):
        rows = _worst_rows(settings, usable, excess, free)
        settings, usable, excess = settings.loc[rows], usable.loc[rows], excess.loc[rows]
    qualifying = settings[usable & (excess == 0)]
    shown = [column for column in SHOWN if column in settings]
    if len(qualifying):
        ranked = _rank(qualifying, free)
        best = ranked.iloc[0]
        message = _describe(best, every, limits, len(qualifying), len(settings))
        return Recommendation(
            setting=int(ranked.index[0]),
            qualifying=True,
            n_qualifying=len(qualifying),
            table=ranked[shown].head(n_best),
            message=message,
            limits=limits,
        )
    closest = _rank(settings[usable].assign(excess=excess[usable].round(_DECIMALS)), list(_RATES.values()))
    closest = closest.sort_values("excess", kind="stable")[[*shown, "excess"]].head(n_best)
    return Recommendation(
        setting=None,
        qualifying=False,
        n_qualifying=0,
        table=closest,
        message=_refuse(closest, every, limits, len(settings)),
        limits=limits,
    )


def _rank(settings: pd.DataFrame, rates: list[str]) -> pd.DataFrame:
    waiting = _CUT_IN_S * settings["premature_endpoint_rate"] + settings["endpoint_latency_ms_p50"] / 1000
    keys = pd.DataFrame(
        {
            "rates": settings[rates].sum(axis=1).round(_DECIMALS),
            "latency": np.ceil(settings["latency_detected_ms_p90"] / _LATENCY_STEP_MS),
            "endpoint": waiting.round(_DECIMALS),
            "clipped": settings["onset_clipped_ms_p90"],
            "prefix": settings["prefix_padding_ms"],
            "silence": settings["silence_duration_ms"],
            "threshold": (settings["threshold"] - 0.5).abs(),
            **{name: settings[name] * _WEAKER[name] for name in GUARD_AXES if name in settings},
        }
    )
    return settings.loc[keys.sort_values(list(keys.columns), kind="stable", na_position="last").index]


def _limits_in_words(limits: dict[str, float | None]) -> str:
    words = {"max_false_interruption_rate": "false interruptions", "max_missed_rate": "missed interruptions"}
    parts = [f"{words[name]} ≤ {limit:.1%}" for name, limit in limits.items() if limit is not None]
    return " and ".join(parts)


def _name(row: pd.Series) -> str:
    parts = [
        f"threshold {row['threshold']:g}",
        f"prefix padding {row['prefix_padding_ms']:g} ms",
        f"silence {row['silence_duration_ms']:g} ms",
    ]
    if "min_interruption_ms" in row:
        parts.append(f"min interruption {row['min_interruption_ms']:g} ms")
    if "min_words" in row:
        parts.append(f"min words {row['min_words']:g}")
    if (timeout := row.get("false_interruption_timeout_ms")) is not None:
        parts.append("never resumed" if math.isinf(timeout) else f"resumed after {timeout:g} ms")
    return ", ".join(parts)


def _rates_in_words(row: pd.Series, every: pd.DataFrame) -> str:
    if _several_conditions(every):
        return _worst_in_words(_same_setting(every, row))
    under = f" under {row[CONDITION]}" if CONDITION in row else ""
    return f"false rate {row['false_interruption_rate']:.1%}, missed rate {row['missed_rate']:.1%}{under}"


def _describe(best: pd.Series, every: pd.DataFrame, limits: dict[str, float | None], n_qualifying: int, n: int) -> str:
    caution = "".join(_caution(_same_setting(every, best), name, limit) for name, limit in limits.items())
    if any(value is not None for value in limits.values()):
        start = f"{_name(best)} is the best of {n_qualifying:,} out of {n:,} settings with {_limits_in_words(limits)}"
    else:
        start = f"{_name(best)} has the lowest sum of false and missed rate of {n_qualifying:,} settings"
    return f"{start}: {_rates_in_words(best, every)}.{caution}"


def _caution(rows: pd.DataFrame, name: str, limit: float | None) -> str:
    """How far the interval of a limited rate reaches, where that is beyond the limit."""
    rate = _RATES[name]
    if limit is None or (highest := float(rows[f"{rate}_hi"].max())) <= limit:
        return ""
    words, opportunities = _BEHIND[name]
    n_behind = int(rows.loc[rows[f"{rate}_hi"] == highest, opportunities].iloc[0])
    return f" The data cannot rule out a {words} rate up to {highest:.1%} (95 % interval, n = {n_behind})."


def _refuse(closest: pd.DataFrame, every: pd.DataFrame, limits: dict[str, float | None], n: int) -> str:
    if not len(closest):
        defined = every[list(_RATES.values())].notna().all(axis=1)
        if not defined.any():
            return f"None of the {n:,} settings has both rates defined: the dataset holds too few opportunities."
        return f"None of the {n:,} settings can be judged: each is degenerate (silence may never come), or has no rate."
    best = closest.iloc[0]
    return (
        f"None of the {n:,} settings keeps {_limits_in_words(limits)}. The closest is {_name(best)}: "
        f"{_rates_in_words(best, every)}."
    )


# Settings under several conditions of the audio: each is what it is where it does worst.


def _several_conditions(settings: pd.DataFrame) -> bool:
    """Whether a settings table holds more than one condition."""
    return CONDITION in settings and settings[CONDITION].nunique() > 1


def _knobs(settings: pd.DataFrame) -> list[str]:
    return [name for name in (*AXES, *GUARD_AXES) if name in settings]


def _worst_rows(settings: pd.DataFrame, usable: pd.Series, excess: pd.Series, free: list[str]) -> pd.Index:
    """The row of each setting under the condition in which it does worst, in the table's order.

    Parameters
    ----------
    settings
        One row per setting and condition.
    usable
        Whether the row can be judged at all; one that cannot is worse than any rate.
    excess
        By how much the row exceeds the limits: then the greatest is the worst.
    free
        Rates without a limit: then the greatest sum is.
    """
    rates = settings[free].sum(axis=1)
    keys = pd.DataFrame({"unusable": ~usable, "excess": excess.round(_DECIMALS), "rates": rates.round(_DECIMALS)})
    order = settings.loc[keys.sort_values(list(keys.columns), ascending=False, kind="stable").index]
    return order.drop_duplicates(_knobs(settings)).index.sort_values()


def _same_setting(settings: pd.DataFrame, row: pd.Series[Any]) -> pd.DataFrame:
    """A setting's rows under all conditions."""
    knobs = _knobs(settings)
    return settings[(settings[knobs] == row[knobs]).all(axis=1)]


def _worst_in_words(rows: pd.DataFrame) -> str:
    """The greatest of each rate over the rows of one setting, and where: each may be under another condition."""
    parts = []
    for name, words in _RATE_WORDS.items():
        worst = rows.sort_values(name, ascending=False, kind="stable").iloc[0]
        parts.append(f"{words} up to {worst[name]:.1%} (under {worst[CONDITION]})")
    return ", ".join(parts)
