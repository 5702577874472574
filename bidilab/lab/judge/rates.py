"""The rates of judged calls, from the counts of each call and the delays; calls are the unit that was sampled.

What each rate is made of stands in `bidilab.lab.metrics.columns.judged`; here are only the delays behind the quantiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bidilab.core.units import samples_to_ms
from bidilab.lab.judge.chance import Decision
from bidilab.lab.judge.exchange import Exchange
from bidilab.lab.metrics.columns import JUDGED_TOTALS, RATES, PerMinute, Quantile, Rate, Ratio
from bidilab.lab.metrics.columns.column import Count, Value
from bidilab.lab.metrics.intervals import (
    Estimate,
    clustered_km_quantile,
    clustered_rate,
    clustered_rate_per_exposure,
)
from bidilab.lab.metrics.yields import MUST_NOT_STOP

__all__ = ["Delay", "delays_of", "delays_table", "rates_of", "totals_of"]


class Delay(NamedTuple):
    """A delay in milliseconds, whether it was seen to end, how much of one it is, and its call."""

    ms: float
    seen: bool
    weight: float
    call: int


def delays_of(exchanges: Sequence[Exchange], decisions: Sequence[Sequence[Decision]]) -> dict[str, list[Delay]]:
    """The delays behind each quantile, by the name of the time."""
    delays: dict[str, list[Delay]] = {"yield": [], "response": [], "talk_over": [], "resume": []}
    for call, (exchange, decided) in enumerate(zip(exchanges, decisions, strict=True)):
        rate = exchange.heard.sample_rate
        for response in exchange.responses:
            if response.latency is not None:
                delays["response"].append(Delay(samples_to_ms(response.latency, rate), True, 1.0, call))
        for overlap, decision in zip(exchange.overlaps, decided, strict=True):
            kind = exchange.events[overlap.event].kind
            silent_ms = samples_to_ms(overlap.to_silence, rate)
            if kind == "interruption":
                delays["talk_over"].append(Delay(samples_to_ms(overlap.talk_over, rate), True, 1.0, call))
                if overlap.owner:
                    delays["yield"].append(Delay(silent_ms, True, decision.p_cut, call))
                    delays["yield"].append(Delay(silent_ms, False, 1 - decision.p_cut, call))
                elif decision.outcome == "not yielded":
                    delays["yield"].append(Delay(samples_to_ms(overlap.censored, rate), False, 1.0, call))
            elif kind in MUST_NOT_STOP and overlap.owner and overlap.resumed is not None and decision.p_cut >= 0.5:
                end = exchange.responses[overlap.response].interval.end
                delays["resume"].append(Delay(samples_to_ms(overlap.resumed - end, rate), True, decision.p_cut, call))
    return delays


def delays_table(delays: Mapping[str, Sequence[Delay]], calls: Iterable[str]) -> pd.DataFrame:
    """The delays as rows: ``time``, ``call`` (its name), ``ms``, ``seen``, ``weight``."""
    names = list(calls)
    rows = [(time, names[one.call], one.ms, one.seen, one.weight) for time, found in delays.items() for one in found]
    table = pd.DataFrame(rows, columns=["time", "call", "ms", "seen", "weight"])
    return table.astype({"ms": "float64", "seen": "bool", "weight": "float64"})


def totals_of(calls: pd.DataFrame, delays: dict[str, list[Delay]]) -> pd.DataFrame:
    """The table ``JudgedCalls.totals``, one row."""
    row: dict[str, Any] = {"n_calls": len(calls)}
    for column in JUDGED_TOTALS:
        if column.name in calls and isinstance(column, Count | Value):
            summed = calls[column.name].sum()
            row[column.name] = int(summed) if column.dtype == "int64" else float(summed)
    for column in JUDGED_TOTALS:
        estimate = _estimate(column, calls, delays)
        if estimate is not None:
            low, high = column.interval_columns
            row |= {column.name: float(estimate.value), low: float(estimate.lo), high: float(estimate.hi)}
    return JUDGED_TOTALS.frame([row])


def _summed(calls: pd.DataFrame, names: tuple[str, ...]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(calls[list(names)].to_numpy(dtype=np.float64).sum(axis=1), dtype=np.float64)


def _estimate(column: object, calls: pd.DataFrame, delays: dict[str, list[Delay]]) -> Estimate | None:
    if isinstance(column, PerMinute):
        return clustered_rate_per_exposure(_summed(calls, column.of), _summed(calls, column.per))
    if isinstance(column, Rate):
        members = _summed(calls, column.per)
        return clustered_rate(np.minimum(_summed(calls, column.of), members), members)
    if isinstance(column, Quantile):
        found = delays[column.of]
        return clustered_km_quantile(
            [delay.ms for delay in found],
            [delay.seen for delay in found],
            [delay.call for delay in found],
            column.q,
            weights=[delay.weight for delay in found],
        )
    return None


def rates_of(totals: pd.DataFrame, calls: pd.DataFrame) -> pd.DataFrame:
    """The table ``JudgedCalls.rates``, one row per rate, from the totals."""
    row = totals.iloc[0]
    rows = []
    names = []
    for column in JUDGED_TOTALS:
        if not isinstance(column, Ratio | Quantile):
            continue
        low, high = column.interval_columns
        names.append(column.name)
        rows.append(
            {
                "label": column.label,
                "value": row[column.name],
                "value_lo": row[low],
                "value_hi": row[high],
                "unit": column.unit,
                "n": float(column.n(totals)[0]),
                "n_calls": int((_summed(calls, column.n_columns) > 0).sum()),
                "meaning": column.meaning,
            }
        )
    frame = RATES.frame(rows)
    frame.index = pd.Index(names, name="rate")
    return frame
