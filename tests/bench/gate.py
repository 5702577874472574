"""How often a gate changes its mind on an unchanged build, and what it catches: measured with `bidilab.check` itself.

overlap-mini is taken for the population. Calls are drawn from it anew, a setting's counts on them are judged, and it is
counted how often two runs of the same build come to different verdicts (*flip*), how often an unchanged build fails
against its predecessor, and how often a build that is truly worse does.

Run: ``python -m tests.bench.gate --out docs/gate.md`` (about two minutes of one core).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

import bidilab as bl
from bidilab.lab.gate import Evidence, check, evidence_of
from bidilab.lab.sweep import SweepResult
from tests.conftest import ROOT

SIZES = (30, 75, 200)
METRIC = "false_interruption_rate"
BOTH = [METRIC, "missed_rate"]
Draw = np.ndarray


def swept() -> SweepResult:
    grid = bl.Grid(threshold=[0.3, 0.5], prefix_padding_ms=300, silence_duration_ms=500)
    return bl.sweep(ROOT / "datasets" / "overlap-mini", grid, progress=False)


def of(result: SweepResult, threshold: float) -> Evidence:
    """A setting's counts; the times are not judged here, and no recording is known by its audio."""
    found = evidence_of(result, {"threshold": threshold})
    assert isinstance(found, Evidence)
    return replace(found, times={}, audio=None, dataset="", clusters=None, heard_again=None)


def drawn(evidence: Evidence, places: Draw, prefix: str = "") -> Evidence:
    """The recordings at these places, each as one of its own; two draws with one prefix are of the same calls."""
    counts = evidence.counts.iloc[places]
    return replace(evidence, counts=counts.set_axis([f"{prefix}{k}" for k in range(len(places))]))


def flips(rule: Callable[[int], bool], n: int) -> float:
    """How often the verdicts of two runs differ: run 0 beside run 1, 2 beside 3, and so on."""
    passed = np.array([rule(k) for k in range(2 * n)])
    return float(np.mean(passed[::2] != passed[1::2]))


def limits(draws: int, seed: int) -> tuple[str, float]:
    """The table of flips against a limit, and the true rate."""
    evidence = of(swept(), 0.5)
    column = evidence.column(METRIC)
    rate = float(evidence.estimate(column).value)
    rng = np.random.default_rng(seed)
    lines = [
        "| calls | point estimate | fails only if surely above | `--proof` | truly 10 points above: fails | "
        "truly 10 points below: proof passes |",
        "|---|---|---|---|---|---|",
    ]
    for m in SIZES:
        runs = [drawn(evidence, rng.integers(0, len(evidence.counts), m)) for _ in range(2 * draws)]
        rows = [check(run, max={METRIC: rate + 0.03}).rows[0] for run in runs]
        cells = [
            flips(lambda k, rows=rows: rows[k].value <= rate + 0.03, draws),
            flips(lambda k, rows=rows: rows[k].verdict != "fail", draws),
            flips(lambda k, rows=rows: rows[k].verdict == "pass", draws),
            np.mean([check(run, max={METRIC: rate - 0.1}).exit_code == 1 for run in runs[:draws]]),
            np.mean([check(run, max={METRIC: rate + 0.1}, proof=True).exit_code == 0 for run in runs[:draws]]),
        ]
        lines.append(f"| {m} | " + " | ".join(_percent(float(cell)) for cell in cells) + " |")
    return "\n".join(lines), rate


def baselines(draws: int, seed: int) -> str:
    """The table of an unchanged build and of a worse one against their predecessor."""
    result = swept()
    old, worse = of(result, 0.5), of(result, 0.3)
    rng = np.random.default_rng(seed)
    n = len(old.counts)
    names = (
        "both by point estimate, new calls",
        "one-sided 95 % each, new calls",
        "with Holm, new calls",
        "with Holm, the same calls: `--baseline` as it is",
        "the same calls, outcomes of both builds swapped by chance",
    )
    shares: dict[str, list[str]] = {name: [] for name in names}
    for m in SIZES:
        failed: dict[str, list[tuple[bool, bool]]] = {name: [] for name in names}
        for _ in range(draws):
            here, there = rng.integers(0, n, m), rng.integers(0, n, m)
            before = drawn(old, there, "old-")
            for name, baseline, places, prefix in (
                ("new", before, here, "new-"),
                ("same", before, there, "old-"),
            ):
                builds = [drawn(build, places, prefix) for build in (old, worse)]
                reports = [check(build, baseline=baseline, metrics=BOTH) for build in builds]
                if name == "same":
                    failed[names[3]].append(_fails(reports))
                    continue
                failed[names[0]].append(_any(reports, lambda row: row.worsening > 0))
                alone = [[check(build, baseline=baseline, metrics=[metric]) for metric in BOTH] for build in builds]
                failed[names[1]].append(tuple(any(one.exit_code == 1 for one in each) for each in alone))
                failed[names[2]].append(_fails(reports))
            new, last = _swapped(old, worse, there, rng)
            failed[names[4]].append(_fails([check(new, baseline=last, metrics=BOTH)] * 2))
        for name in names[:-1]:
            unchanged, caught = np.mean(failed[name], axis=0)
            shares[name].append(f"{_percent(float(unchanged))} / {_percent(float(caught))}")
        shares[names[4]].append(f"{_percent(float(np.mean(failed[names[4]])))} / –")
    lines = ["| | " + " | ".join(f"{m} calls" for m in SIZES) + " |", "|---" * (len(SIZES) + 1) + "|"]
    return "\n".join([*lines, *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in shares.items())])


def _swapped(old: Evidence, worse: Evidence, places: Draw, rng: np.random.Generator):
    """Two builds that differ in calls and not on the whole: each call's outcomes are either way round by a coin."""
    here = rng.random(len(places)) < 0.5
    tables = [build.counts.iloc[places].set_axis([f"r{k}" for k in range(len(places))]) for build in (old, worse)]
    made = []
    for coin in (here, ~here):
        counts = tables[0].copy()
        counts.loc[~coin] = tables[1].loc[~coin]
        made.append(replace(old, counts=counts))
    return made


def _fails(reports):
    return tuple(report.exit_code == 1 for report in reports)


def _any(reports, worse):
    return tuple(any(worse(row) for row in report.rows) for report in reports)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if 0 < share < 0.1 else f"{100 * share:.0f} %"


def example() -> str:
    """What the command prints, of a sweep that comes with the project."""
    result = swept()
    report = check(
        result,
        setting={"threshold": 0.3},
        max={"false_interruption_rate": 0.5, "latency_detected_ms_p90": 600},
        baseline=result,
        baseline_setting={"threshold": 0.5},
    )
    return str(report)


PAGE = """# A gate for your build

`bidilab check` tells you by its exit code whether a result keeps its limits, and whether it is worse than an older one.

```
bidilab check sweep-calls --max false_interruption_rate=0.40 --max latency_detected_ms_p90=600
bidilab check sweep-new --baseline sweep-old --metric missed_rate --metric false_interruption_rate
```

It takes one of these: the folder of `bidilab sweep` (it judges the recommended setting, or `--setting threshold=0.6`),
the folder of a replay or of `bl.replay_dataset(..., out=...)`, the folder of `bidilab judge`
(`--max false_rate=0.1 --max yield_p90_ms=600`), or the `.json` of `bidilab probe-client`. Metrics are columns:
[columns.md](columns.md) lists those of sweeps, of replays, of judged calls (`JudgedCalls.totals`) and of probes. In a
notebook, call `bl.check(result, max={{...}}, baseline=...)`; its report is shown in the cell, and is available as a
table, JSON and JUnit XML.

## Verdicts

Rates are measured on a limited number of calls, so they move even when nothing has changed. A metric therefore
**fails** only when it is *surely* beyond its limit: its one-sided 95 % bound is beyond it. It **passes** only when the
bound on the other side is within the limit. In between, the data allow both: it is **inconclusive**.

```
 --max 0.40        0.2       0.3       0.4       0.5       0.6
 pass               |    [----·----]    |
 inconclusive       |             [----·----]
 fail               |                   |   [----·----]
```

| exit code | meaning |
|---|---|
| 0 | nothing surely fails; each inconclusive metric is a warning on stderr |
| 1 | something is surely beyond its limit or surely worse than the baseline, or the sweep recommends no setting |
| 2 | a metric cannot be judged: unknown (the message names similar ones), fewer than 10 events, or one recording |
| 3 | with `--proof`: at least one metric is inconclusive |

Use `--proof` for a release that must be shown to be good and the plain form for every commit. Bounds have recordings as
the unit (for a probe, sessions), as everywhere: [estimands.md](estimands.md). `recommend` keeps limits at one-sided
97.5 %, because it looks at many settings; a gate looks at one, at 95 %.

Without `--max` and `--min`, a sweep is held to the limits that it was made with; if no setting is shown to keep them,
the exit code is 1. Replays count what happened in each session, so their n depends on what the session did: use a sweep
to gate a detector, and replays to gate an agent. For a metric per minute of a saved sweep, the recordings must be
available, because their minutes are not stored.

## Against a baseline

`--baseline OLD` compares every metric that you name. A metric fails if it is *surely worse*: the one-sided bound of the
difference is above 0, or above `--margin missed_rate=0.02`. Holm's correction covers the named metrics, so that ten
metrics do not fail ten times as often as one. Recordings that both results have are compared pairwise, and the report
says how they were matched: by the sha256 of their audio if both results know it (replays: by the sound of the user's
channel), otherwise by name. The others count as independent samples. If very few recordings differ, nothing can be
shown: swapping the builds in each of k recordings gives 2^k arrangements, so no probability is taken to be below 1 in
2^k. Rates are compared by each recording's influence, times by 2000 resamples of whole recordings, the same for both.

```
{example}
```

## Gate on a fixed corpus, watch new calls

Measured with `bl.check` by `python -m tests.bench.gate {command} --out docs/gate.md`: calls are drawn at random from
overlap-mini, and the same build (threshold 0.5, silence 500 ms, false rate {rate:.3f}) is judged on them.

Against a limit 3 points above the true rate. The first three columns say how often two runs of the *same* build come
to different verdicts:

{limits}

Against the last build, on the false and the missed rate. Each cell: how often an *unchanged* build fails / how often a
build with threshold 0.3 (false {worse:+.0f} points) does. In the last row the two builds differ in many calls, but not
on the whole:

{baselines}

A gate on point estimates fails at random. With bounds an unchanged build hardly ever fails, and on the same calls it
never does, while a worse build is detected. Keep a fixed corpus for the gate, label it well, and watch new calls in a
report that blocks nobody.

## In CI

```yaml
# .github/workflows/voice.yml
jobs:
  interruptions:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: pip install bidilab
      - run: bidilab sweep calls --threshold 0.3:0.8:0.1 --max-false-rate 0.5 --out sweep-new
      - run: >
          bidilab check sweep-new --baseline gate/sweep-old
          --max false_interruption_rate=0.5 --metric missed_rate --metric latency_detected_ms_p50
          --junit gate.xml
      - if: always()
        uses: actions/upload-artifact@v4
        with: {{name: gate, path: gate.xml}}
```

In the JUnit file each metric is a test case with its value, n, bound and limit. A failing metric is a failure, an
inconclusive one is skipped with the reason, and one that cannot be judged is an error.

Or use it in your own tests. The plugin comes with bidilab; without its option the test is skipped:

```python
def test_interruptions(bidilab_check):
    bidilab_check(max={{"false_interruption_rate": 0.5}}, metrics=["missed_rate"])
```

```
pytest --bidilab-result sweep-new --bidilab-baseline gate/sweep-old
```

`pytest --bidilab-judge calls --bidilab-user-channel 1` judges a folder of recordings when the run starts: the fixture
`judged` is the result of `bl.judge`, with all its tables, and `bidilab_check` gates it.
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    table, rate = limits(given.draws, given.seed)
    worse = of(swept(), 0.3)
    page = PAGE.format(
        command=f"--draws {given.draws} --seed {given.seed}",
        example=example(),
        rate=rate,
        limits=table,
        worse=100 * (float(worse.estimate(worse.column(METRIC)).value) - rate),
        baselines=baselines(given.draws, given.seed),
    )
    if given.out is not None:
        given.out.write_text(page)
    sys.stdout.write(page)


if __name__ == "__main__":
    main()
