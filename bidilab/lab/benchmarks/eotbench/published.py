"""eot-bench's published figures beside what follows from them here: the row of silence alone, identities, headlines."""

from __future__ import annotations

import html
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from bidilab.core.errors import DatasetError
from bidilab.core.jsontext import parse_json_object
from bidilab.lab.benchmarks.eotbench.engine import hold_durations_s, silence_through_engine
from bidilab.lab.benchmarks.eotbench.scoring import (
    Headline,
    Policy,
    Span,
    headline_of,
    latency_by_identity,
    score_policy,
)

__all__ = ["EotBench", "eot_bench"]

SILENCE = "vad"
_FRONTIERS, _POINTS, _PUBLISHED = "frontiers_en.json", "operating_points_en.csv", "published_en.csv"
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        SILENCE: "VAD baseline",
        "openai-gpt-realtime-2": "OpenAI GPT Realtime 2",
        "livekit-v1": "LiveKit Turn Detector v1",
        "smart-turn-v3-2": "SmartTurn v3.2",
    }
)
"""Frontiers by their name in the file, and what the headline table calls the model."""
_DIGITS = {"cutoff_at_300ms": 3, "cutoff_at_600ms": 3, "latency_ms_at_5pct": 0, "latency_ms_at_10pct": 0}
"""How many decimals the headline table has."""
_CLOSE_RATE = 0.5e-4 + 1e-9
_CLOSE_S = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EotBench:
    """eot-bench's published figures and what follows from them. `eot_bench` returns one.

    Each table has the published figure, ours, and whether they agree in the digits that are published.

    Parameters
    ----------
    silence
        Silence alone through our engine, by delay: ``published`` and ``found`` cut-off rates, and the mean wait.
    identity
        Each operating point whose model is asked once: ``published`` mean latency and the one ``found`` by the
        identity.
    headlines
        By model and figure: ``published``, and what is ``found`` on its frontier.
    timeouts
        What is cut off where no score fires, by timeout: ``published`` is the end of a model's frontier.
    frontiers
        ``(mean_latency_s, cutoff_rate)`` of each model, as published.
    n_hold, n_eot
        Number of spans behind the figures.
    """

    silence: pd.DataFrame
    identity: pd.DataFrame
    headlines: pd.DataFrame
    timeouts: pd.DataFrame
    frontiers: Mapping[str, tuple[tuple[float, float], ...]]
    n_hold: int
    n_eot: int

    @property
    def agrees(self) -> bool:
        """Whether every figure agrees with the published one."""
        return all(bool(table["agrees"].all()) for table in self._tables().values())

    def _tables(self) -> dict[str, pd.DataFrame]:
        return {
            "silence alone through our engine": self.silence,
            "latency identity": self.identity,
            "headlines from frontiers": self.headlines,
            "cut off where no score fires": self.timeouts,
        }

    def _facts(self) -> list[tuple[str, str]]:
        counts = [
            (name, f"{int(table['agrees'].sum())} of {len(table)} figures agree with those published")
            for name, table in self._tables().items()
        ]
        return [("spans", f"{self.n_hold} hold, {self.n_eot} eot (English)"), *counts]

    def __repr__(self) -> str:
        return "\n".join(["EotBench", *(f"  {name:<34} {text}" for name, text in self._facts())])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>"
            for name, text in self._facts()
        )
        return f"<table><caption>EotBench</caption>{rows}</table>"


def eot_bench(folder: str | os.PathLike[str]) -> EotBench:
    """Read eot-bench's published figures and reproduce those that need neither its scores nor its audio.

    Parameters
    ----------
    folder
        With ``frontiers_en.json`` (a frontier by model, ``vad`` among them), ``operating_points_en.csv`` and
        ``published_en.csv`` (the headline table).

    Returns
    -------
    EotBench

    Raises
    ------
    DatasetError
        If a file is missing or not in this form.

    Examples
    --------
    >>> import bidilab as bl
    >>> bl.benchmarks.eot_bench("eot-bench").silence  # doctest: +SKIP
    """
    root = Path(folder)
    try:
        told = parse_json_object((root / _FRONTIERS).read_bytes())
        frontiers = {name: tuple((float(x), float(y)) for x, y in points) for name, points in told["frontiers"].items()}
        n_hold, n_eot = int(told["n_hold_spans"]), int(told["n_eot_spans"])
        durations = hold_durations_s(frontiers[SILENCE], n_hold)
        points = pd.read_csv(root / _POINTS)
        published = pd.read_csv(root / _PUBLISHED).set_index("model")
        return EotBench(
            silence=_silence(frontiers[SILENCE], durations),
            identity=_identity(points),
            headlines=_headlines(frontiers, published, n_hold),
            timeouts=_timeouts(frontiers, durations),
            frontiers=MappingProxyType(frontiers),
            n_hold=n_hold,
            n_eot=n_eot,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{root}: not eot-bench's published figures ({error})") from error


def _silence(frontier: tuple[tuple[float, float], ...], durations: list[float]) -> pd.DataFrame:
    found = silence_through_engine(durations, [delay for delay, _ in frontier])
    table = pd.DataFrame({"published": [rate for _, rate in frontier], "found": found["cutoff_rate"]})
    table["found_lo"], table["found_hi"] = found["cutoff_rate_lo"], found["cutoff_rate_hi"]
    table["mean_wait_s"] = found["endpoint_latency_ms_mean"] / 1000
    table["agrees"] = ((table["found"] - table["published"]).abs() <= _CLOSE_RATE) & (
        (table["mean_wait_s"] - table.index).abs() <= _CLOSE_S
    )
    return table


def _identity(points: pd.DataFrame) -> pd.DataFrame:
    rows = points[points["score_mode"] == "score_point"].reset_index(drop=True)
    found = [
        latency_by_identity(float(row["detect_rate"]), _policy(row), float(row["score_point_s"]))
        for _, row in rows.iterrows()
    ]
    table = rows[["model", "budget", "threshold", "action_delay_s", "timeout_s", "detect_rate"]].assign(
        published=rows["mean_latency_s"], found=found
    )
    return table.assign(agrees=(table["published"] - table["found"]).abs() <= _CLOSE_S)


def _policy(row: pd.Series[Any]) -> Policy:
    return Policy(
        threshold=float(row["threshold"]),
        action_delay_s=float(row["action_delay_s"]),
        timeout_s=float(row["timeout_s"]),
    )


def _headlines(
    frontiers: Mapping[str, tuple[tuple[float, float], ...]], published: pd.DataFrame, n_hold: int
) -> pd.DataFrame:
    rows = []
    for key, name in _NAMES.items():
        # A rate with four decimals says how many spans it is of; rounded anew, 0.1475 would be 0.147 or 0.148.
        points = [(latency, round(rate * n_hold) / n_hold) for latency, rate in frontiers[key]]
        for (figure, digits), value in zip(_DIGITS.items(), _in_table(headline_of(points)), strict=True):
            told = float(published.loc[name, figure])  # type: ignore[arg-type]  # a number or an empty cell
            found = math.nan if value is None else round(value, digits)
            agrees = told == found or (math.isnan(told) and math.isnan(found))
            rows.append({"model": name, "figure": figure, "published": told, "found": found, "agrees": agrees})
    return pd.DataFrame(rows).set_index(["model", "figure"])


def _in_table(found: Headline) -> list[float | None]:
    """The figures as the headline table has them, latencies in milliseconds."""
    latencies = (found.latency_s_at_5pct, found.latency_s_at_10pct)
    return [
        found.cutoff_at_300ms,
        found.cutoff_at_600ms,
        *(None if latency is None else 1000 * latency for latency in latencies),
    ]


def _timeouts(frontiers: Mapping[str, tuple[tuple[float, float], ...]], durations: list[float]) -> pd.DataFrame:
    """Where a frontier ends at timeouts, nothing fires: what is cut off are the spans that last longer."""
    spans = [Span(kind="hold", duration_s=duration, scores=((0.2, 1.0),)) for duration in durations]
    rows = []
    for latency, rate in frontiers["openai-gpt-realtime-2"]:
        if latency >= 2 and (2 * latency).is_integer():  # the raster of timeouts
            policy = Policy(threshold=1, action_delay_s=0.2, timeout_s=latency)
            rows.append({"timeout_s": latency, "published": rate, "found": score_policy(spans, policy).cutoff_rate})
    table = pd.DataFrame(rows).set_index("timeout_s")
    return table.assign(agrees=(table["published"] - table["found"]).abs() <= _CLOSE_RATE)
