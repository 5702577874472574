"""What Python and JavaScript both know, the cells of a plane and how numbers are written, they know alike."""

import base64
import json
import subprocess
from importlib.resources import files
from pathlib import Path
from shutil import which

import numpy as np
import pandas as pd
import pytest

from bidilab.lab.sweep import Grid
from bidilab.show.plots.metrics import METRICS
from bidilab.show.report.tables import interval_text
from bidilab.show.widgets.explorer.columns import _axis, _metric, pack_columns
from bidilab.show.widgets.explorer.plane import BEST, Plane

STATIC = (Path(str(files("bidilab.show.widgets"))) / "static").as_uri()
CELLS = f"""
const {{ planeOf, SettingsTable }} = await import("{STATIC}/settingstable.js");
let text = "";
for await (const part of process.stdin) text += part;
const cases = JSON.parse(text);
const bytes = (each) => new DataView(Uint8Array.from(Buffer.from(each, "base64")).buffer);
console.log(JSON.stringify(cases.map(({{ described, buffers, plane }}) => {{
  const table = new SettingsTable(described, [...buffers.map(bytes), new DataView(new ArrayBuffer(768))]);
  return [...table.cells(planeOf(plane)).settings];
}})));
"""
WORDS = f"""
const {{ intervalText, metricText, nText, plain }} = await import("{STATIC}/numberformat.js");
let text = "";
for await (const part of process.stdin) text += part;
const number = (each) => (each === null ? NaN : each === "inf" ? Infinity : each);
console.log(JSON.stringify(JSON.parse(text).map(({{ metric, value, n, plainly }}) => [
  metricText(metric, number(value), {{ unit: true }}),
  intervalText(metric, [number(value), Infinity]),
  nText(metric, n),
  plain(plainly),
])));
"""

pytestmark = pytest.mark.skipif(which("node") is None, reason="needs Node")


def node(script: str, cases: object) -> object:
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def table_of(grid: Grid, rng: np.random.Generator) -> pd.DataFrame:
    """Few different values, so that there are ties, and undefined and infinite ones among them."""
    values = rng.choice([0.0, 0.1, 0.25, np.nan, np.inf], size=(2, len(grid)))
    frame = pd.DataFrame({"missed_rate": values[0], "n_detected": values[1]})
    return frame.assign(n_missed=1, degenerate=rng.random(len(grid)) < 0.3)


def case(grid: Grid, table: pd.DataFrame, plane: Plane) -> dict[str, object]:
    columns, buffers = pack_columns(table)
    described = {
        "axes": [_axis(name, values) for name, values in grid.axes.items()],
        "metrics": [_metric(METRICS[name], table.columns) for name in ("missed_rate", "n_detected")],
        "headline": [],
        "columns": columns,
        "n_settings": len(grid),
    }
    return {
        "described": described,
        "buffers": [base64.b64encode(b).decode() for b in buffers],
        "plane": plane.to_dict(),
    }


def test_the_cells_of_a_plane():
    rng = np.random.default_rng(5)
    cases, expected = [], []
    for _ in range(60):
        pick = lambda values: sorted(rng.choice(values, size=rng.integers(1, 5), replace=False))  # noqa: E731
        grid = Grid(
            threshold=pick([0.2, 0.35, 0.5, 0.65, 0.8]),
            prefix_padding_ms=pick([0, 200, 300, 400, 500]),
            silence_duration_ms=pick([200, 400, 500, 600, 1000]),
        )
        table = table_of(grid, rng)
        x, y, held = rng.permutation(list(grid.axes))
        at = {str(held): BEST if rng.random() < 0.7 else float(rng.choice(grid.axes[held]))}
        column = "missed_rate" if rng.random() < 0.5 else "n_detected"  # less is better, more is better
        plane = Plane.of(grid.axes, metric=column, x=str(x), y=str(y), at=at)
        cases.append(case(grid, table, plane))
        expected.append(plane.settings(table, grid.axes).ravel().tolist())
    assert node(CELLS, cases) == expected


def test_numbers_are_written_alike():
    rng = np.random.default_rng(6)
    # Any numbers; sixteenths of a millisecond, as positions at 16 kHz are, where ties abound; and decimal fractions.
    values = [*(5000 * rng.random(400)), *(rng.integers(0, 8000, 400) / 16), *(rng.integers(0, 2000, 400) / 1000)]
    rows = [(str(rng.choice(list(METRICS))), float(value), int(rng.integers(0, 500))) for value in values]
    rows += [("missed_rate", float("nan"), 0), ("latency_detected_ms_p90", float("inf"), 3)]
    cases, expected = [], []
    for name, value, n in rows:
        shown = METRICS[name]
        sent = None if np.isnan(value) else "inf" if np.isinf(value) else value
        plainly = round(value, 2) if np.isfinite(value) else 0
        cases.append(
            {
                "metric": _metric(shown, pd.Index([])),
                "value": sent,
                "n": n if shown.n_columns else None,
                "plainly": plainly,
            }
        )
        counted = pd.Series({column: n if k == 0 else 0 for k, column in enumerate(shown.n_columns)}, dtype=float)
        expected.append(
            [
                shown.format(value, unit=True),
                interval_text(shown, value, float("inf")),
                shown.format_n(counted),
                f"{plainly:g}",
            ]
        )
    assert node(WORDS, cases) == expected
