"""How far the intervals and the choice of a setting can be trusted: simulated on overlap-mini, written as a page.

*Coverage*: overlap-mini is taken for the population. Recordings are drawn from it anew, an interval is made of them,
and it is counted how often that holds the figure of all. *Choice*: a setting is chosen on half of the recordings and
looked at on the other half, 200 times.

Run: ``python -m tests.bench.estimands --out docs/estimands.md`` (about four minutes).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bidilab.lab.metrics.columns import counted_in
from bidilab.lab.metrics.intervals import (
    clustered_km_quantile,
    clustered_quantile,
    clustered_rate,
    clustered_rate_per_exposure,
)
from bidilab.lab.sweep import Grid, SweepResult, Weights, sweep
from bidilab.lab.sweep.choice import Knob, Limit, LossTable, Part, choose
from bidilab.lab.sweep.evaluated import DECIDED, MISSED
from bidilab.lab.sweep.recommendation import layout_of, tallies_of
from tests.conftest import ROOT

SETTINGS = ((0.3, 300), (0.3, 700), (0.5, 300), (0.5, 500), (0.5, 900), (0.7, 500), (0.8, 500), (0.9, 700))
SIZES = (20, 40, 75)


def counts(result: SweepResult, setting: int, *names: str) -> np.ndarray:
    table = result.recordings_at(setting)
    return table[list(names)].sum(axis=1).to_numpy(dtype=float)


def coverage(draws: int, seed: int) -> str:
    """The table of coverage: least and mean over settings, of each figure and number of recordings."""
    result = sweep(
        ROOT / "datasets" / "overlap-mini",
        Grid(threshold=sorted({t for t, _ in SETTINGS}), prefix_padding_ms=300, silence_duration_ms="300:900:200"),
        progress=False,
    )
    rows = [result.setting(threshold=t, silence_duration_ms=s) for t, s in SETTINGS]
    rng = np.random.default_rng(seed)
    drawn = {m: rng.integers(0, result.n_recordings, (draws, m)) for m in SIZES}
    kinds = [c.name for c in counted_in("events") if c.name.startswith("n_false_on_opportunity")]
    figures: dict[str, Callable[[int, np.ndarray], np.ndarray]] = {
        "missed": _ratio(result, rows, ("n_missed",), ("n_true_opportunities",)),
        "false, all": _ratio(
            result, rows, tuple(kinds), tuple(k.replace("on_opportunity", "opportunities") for k in kinds)
        ),
        "false, backchannels": _ratio(
            result, rows, ("n_false_on_opportunity_backchannel",), ("n_false_opportunities_backchannel",)
        ),
        "premature endpoint": _ratio(result, rows, ("n_premature_endpoints",), ("n_turns",)),
        "false stops a minute": _ratio(result, rows, ("n_false",), ("agent_speech_min",), per_minute=True),
        **{f"stop latency p{round(100 * q)}": _stop_quantile(result, rows, q) for q in (0.5, 0.9)},
        **{f"endpoint latency p{round(100 * q)}": _wait_quantile(result, rows, q) for q in (0.5, 0.9)},
    }
    lines = ["| | " + " | ".join(f"{m} recordings" for m in SIZES) + " |", "|---" * (len(SIZES) + 1) + "|"]
    for name, covered in figures.items():
        cells = []
        for m in SIZES:
            shares = [float(np.mean(covered(k, drawn[m]))) for k in range(len(rows))]
            cells.append(f"{min(shares):.2f} / {np.mean(shares):.3f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _ratio(result, rows, over, under, *, per_minute=False):
    make = clustered_rate_per_exposure if per_minute else clustered_rate
    tables = [(counts(result, row, *over), counts(result, row, *under)) for row in rows]

    def covered(k, drawn):
        y, n = tables[k]
        truth = y.sum() / n.sum()
        found = make(y[drawn], n[drawn])
        known = ~np.isnan(found.lo)
        return (found.lo <= truth)[known] & (truth <= found.hi)[known]

    return covered


def _stop_quantile(result, rows, q):
    verdicts = result.verdicts

    def covered(k, drawn):
        delays = verdicts.delays[verdicts.event_of[rows[k]]]
        values = np.where(delays == MISSED, np.inf, delays)
        own = [np.flatnonzero(verdicts.true_recording == r) for r in range(result.n_recordings)]
        truth = clustered_quantile(values, verdicts.true_recording, q).value
        inside = []
        for draw in drawn:
            members = np.concatenate([own[r] for r in draw])
            clusters = np.repeat(np.arange(len(draw)), [len(own[r]) for r in draw])
            found = clustered_quantile(values[members], clusters, q)
            inside.append(bool(found.lo <= truth <= found.hi))
        return np.array(inside)

    return covered


def _wait_quantile(result, rows, q):
    verdicts = result.verdicts

    def covered(k, drawn):
        row = verdicts.turn_of[rows[k]]
        waits, states = verdicts.waits[row].astype(float), verdicts.states[row]
        seen = ((states & DECIDED) != 0) | ((waits == 0) & (states == 1))
        waits[waits == MISSED] = np.inf
        own = [np.flatnonzero(verdicts.turn_recording == r) for r in range(result.n_recordings)]
        truth = clustered_km_quantile(waits, seen, verdicts.turn_recording, q).value
        inside = []
        for draw in drawn:
            members = np.concatenate([own[r] for r in draw])
            clusters = np.repeat(np.arange(len(draw)), [len(own[r]) for r in draw])
            found = clustered_km_quantile(waits[members], seen[members], clusters, q)
            inside.append(bool(found.lo <= truth <= found.hi))
        return np.array(inside)

    return covered


def halves(splits: int, seed: int) -> str:
    """The table of choices: chosen on half of the recordings, looked at on the other half."""
    result = sweep(ROOT / "datasets" / "overlap-mini", Grid(prefix_padding_ms=300), progress=False)
    layout = layout_of(result.grid)
    limited = ("max_missed_rate", "max_false_interruption_rate", "max_premature_endpoint_rate")
    tallies = tallies_of(result.verdicts, Weights(), np.arange(layout.n), limited)
    rates = tallies.limits
    at = {name: result.setting(threshold=t, silence_duration_ms=s) for name, (t, s) in
          {"default 0.5/500": (0.5, 500), "constant 0.8/500": (0.8, 500)}.items()}  # fmt: skip
    rng = np.random.default_rng(seed)
    picks: dict[str, list[tuple[int, np.ndarray]]] = {}
    limits = [("max_missed_rate", 0.1), ("max_missed_rate", 0.2), ("max_false_interruption_rate", 0.4),
              ("max_premature_endpoint_rate", 0.2)]  # fmt: skip
    kept: dict[tuple[str, float], list[bool | None]] = {limit: [] for limit in limits}
    for _ in range(splits):
        order = rng.permutation(result.n_recordings)
        here, there = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
        table = _part_table(tallies.parts, here)
        chosen = {
            "this rule": choose(table, layout.knobs, n_resamples=0).setting,
            "the rule of before": _before(result, rates, here),
            **at,
        }
        for name, setting in chosen.items():
            assert setting is not None
            picks.setdefault(name, []).append((setting, there))
        for name, at_most in limits:
            part = rates[name]
            limit = Limit(name=name, at_most=at_most, events=part.sums[:, here], members=part.members[here], of=part.of)
            setting = choose(table, layout.knobs, limits=[limit], n_resamples=0).setting
            kept[name, at_most].append(None if setting is None else _rate(part, setting, there) <= at_most)
    lines = [
        "| | loss on the other half | missed + false | cut in on | end of turn, p50 | silence chosen |",
        "|---|---|---|---|---|---|",
    ]
    for name, chosen_on in picks.items():
        lines.append(_line(name, chosen_on, result, tallies, layout.knobs))
    limited = ["", "| limit | kept on the other half, or none chosen | none chosen |", "|---|---|---|"]
    words = {
        "max_missed_rate": "missed",
        "max_false_interruption_rate": "false",
        "max_premature_endpoint_rate": "cut-ins",
    }
    for (name, at_most), found in kept.items():
        none = sum(one is None for one in found)
        good = sum(one is None or one for one in found)
        limited.append(f"| {words[name]} ≤ {at_most:g} | {100 * good / splits:.0f} % | {100 * none / splits:.0f} % |")
    return "\n".join(lines + limited)


def _part_table(parts, recordings) -> LossTable:
    return LossTable([Part(p.sums[:, recordings], p.members[recordings], p.of) for p in parts])


def _rate(part, setting, recordings) -> float:
    return float(part.sums[part.of[setting]][recordings].sum() / part.members[recordings].sum())


def _before(result, rates, here) -> int:
    """The least sum of missed and false; then the rest in its order, on today's figures."""
    sums = [
        round(sum(_rate(rates[name], k, here) for name in ("max_missed_rate", "max_false_interruption_rate")), 12)
        for k in range(len(result.settings))
    ]
    cut_ins = [_rate(rates["max_premature_endpoint_rate"], k, here) for k in range(len(result.settings))]
    waiting = 3 * np.array(cut_ins) + result.settings["endpoint_latency_ms_p50"] / 1000
    return int(np.lexsort((waiting, sums))[0])


def _line(name: str, chosen_on, result, tallies, knobs: tuple[Knob, ...]) -> str:
    losses = [float(_part_table(tallies.parts, there).losses()[setting]) for setting, there in chosen_on]
    rates = {
        limit: float(np.mean([_rate(tallies.limits[limit], setting, there) for setting, there in chosen_on]))
        for limit in tallies.limits
    }
    waits = np.mean([result.settings["endpoint_latency_ms_p50"][setting] for setting, _ in chosen_on])
    silences = next(k.values for k in knobs if k.name == "silence_duration_ms")[[s for s, _ in chosen_on]]
    median = float(np.median(silences))
    near = float(np.mean(np.abs(silences - median) <= 100))
    said = f"{silences.min():g} to {silences.max():g} ({near:.0%} within 100 of {median:g})"
    both = rates["max_missed_rate"] + rates["max_false_interruption_rate"]
    cut_in = rates["max_premature_endpoint_rate"]
    return f"| {name} | {np.mean(losses):.3f} | {both:.3f} | {cut_in:.3f} | {waits:.0f} ms | {said} |"


def monotony() -> str:
    """How many steps of the threshold, upwards, lower the missed rate or raise the false rate."""
    result = sweep(ROOT / "datasets" / "overlap-mini", Grid(prefix_padding_ms=300), progress=False)
    steps = len(result.grid.threshold) - 1
    tables = {
        name: result.settings[name].to_numpy().reshape(steps + 1, -1)
        for name in ("missed_rate", "false_interruption_rate")
    }
    fall = int((np.diff(tables["missed_rate"], axis=0) < 0).sum())
    rise = int((np.diff(tables["false_interruption_rate"], axis=0) > 0).sum())
    n = steps * tables["missed_rate"].shape[1]
    return f"missed falls in {fall}, and false rises in {rise} of {n} steps of the threshold"


PAGE = """# How far the numbers can be trusted

Made by `python -m tests.bench.estimands {command} --out docs/estimands.md`.

**Event rates.** Each labelled event is judged on its own: if the agent is speaking when it happens, does the agent
stop, and when? The labels alone decide which events count, so n is the same at every setting and rates can be compared.
On `overlap-mini`, {monotony}.

**Session costs** say what a whole conversation costs. There the first interruption ends a response, so later events do
not meet it. Session costs depend on how many events a response contains: use them to compare settings, never datasets.

## Coverage of the 95 % intervals

`overlap-mini` stands for the population: 20, 40 and 75 of its recordings are drawn with replacement, {draws} times. The
table shows how often the interval contains the figure of all recordings: smallest / mean over {n_settings} settings.
Recordings are the unit, because events of one recording share a voice, a line and a noise.

{coverage}

With 20 or 40 recordings the 90th percentile of stops mostly has no upper end: the recordings are too few, and the
result says so.

## A setting chosen on half of the recordings and tested on the other half

{splits} splits of the 75 recordings, 135 settings. *Loss*: points as `recommend` counts them, on recordings that were
not used for the choice. *The rule of before* took the smallest sum of missed and false, then the shortest wait.

{halves}

A limit is kept if the upper end of the 95 % interval is within it. With 37 recordings little can be shown; `recommend`
then says so and chooses no setting.
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    page = PAGE.format(
        command=f"--draws {given.draws} --splits {given.splits} --seed {given.seed}",
        draws=given.draws,
        n_settings=len(SETTINGS),
        splits=given.splits,
        monotony=monotony(),
        coverage=coverage(given.draws, given.seed),
        halves=halves(given.splits, given.seed),
    )
    if given.out is not None:
        given.out.write_text(page)
    sys.stdout.write(page)


if __name__ == "__main__":
    main()
