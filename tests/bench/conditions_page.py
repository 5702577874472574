"""The tables and figures of docs/conditions.md: one setting of overlap-mini under each condition.

Run: ``python -m tests.bench.conditions_page OUT`` prints the tables and writes the figures into ``OUT`` (five minutes
of processor time where the probabilities are not cached). The text between the tables is written by hand.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import bidilab as bl
from bidilab.lab.conditions import condition_label
from bidilab.lab.metrics.columns import SETTINGS
from tests.conftest import ROOT

GROUPS = {
    "telephone": ("bandwidth=telephone", "codec=pcmu", "codec=pcma", "bandwidth=telephone,codec=pcmu", "codec=opus",
                  "codec=opus,bitrate_kbps=8"),
    "echo": tuple(f"echo_db={db}" for db in (-60, -50, -40, -30, -20, -10)),
    "noise": (*(f"snr_db={db},noise=pink" for db in (20, 10, 0, -5)),
              *(f"snr_db={db},noise=babble" for db in (20, 10, 5))),
    "packets": ("room=car", "room=office", "room=hall", *(f"packet_loss={p}" for p in (0.05, 0.1, 0.2, 0.3)),
                *(f"packet_loss={p},loss_burst_packets=5" for p in (0.05, 0.1, 0.2, 0.3)),
                "gain_db=-10", "gain_db=-30"),
}  # fmt: skip
COLUMNS = ("missed_rate", "false_interruption_rate", "latency_detected_ms_p50", "premature_endpoint_rate",
           "false_per_min", "masked_s")  # fmt: skip


def cell(row, name: str) -> str:
    column = SETTINGS[name]
    value, *ends = (column.scale * float(row[each]) for each in column.names)
    if math.isinf(value):
        return "not reached"
    if not ends:
        return f"{value:.0f}"
    low, high = ends
    return f"{value:.0f} ({low:.0f}–{'' if math.isinf(high) else f'{high:.0f}'})"


def main() -> None:
    out = Path(sys.argv[1])
    for name, texts in GROUPS.items():
        grid = bl.Grid(
            threshold="0.1:0.9:0.1", prefix_padding_ms=300, silence_duration_ms=500, conditions=[None, *texts]
        )
        result = bl.sweep(ROOT / "datasets" / "overlap-mini", grid, progress=False)
        print(f"\n### {name}\n\n| condition | {' | '.join(SETTINGS[c].short for c in COLUMNS)} |")
        print("|---" * (len(COLUMNS) + 1) + "|")
        for condition in result.conditions:
            row = result.settings.loc[result.setting(condition=condition, threshold=0.5)]
            label = condition_label(condition)
            print(f"| {label if condition is None else f'`{label}`'} | {' | '.join(cell(row, c) for c in COLUMNS)} |")
        print()
        for condition in result.conditions:
            found = result.under(condition).recommend()
            print(f"{condition_label(condition)}: {found.message}\n")
        bl.save_figure(result.plot.conditions(), out / f"conditions-{name}")


if __name__ == "__main__":
    main()
