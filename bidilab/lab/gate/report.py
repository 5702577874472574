"""What a check found: a row per metric and limit or baseline, as text, HTML, a table, JSON and JUnit XML."""

from __future__ import annotations

import html
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pandas as pd

from bidilab.core.files import written_whole
from bidilab.lab.gate.evidence import Judged
from bidilab.lab.gate.junit import Case, write_junit
from bidilab.lab.metrics.columns import Rate

__all__ = ["CheckReport", "CheckRow", "Verdict"]

Verdict: TypeAlias = Literal["pass", "fail", "inconclusive", "not judged"]
Against: TypeAlias = Literal["at most", "at least", "baseline", "recommendation"]

PASSED, FAILED, CANNOT_JUDGE, INCONCLUSIVE = 0, 1, 2, 3
"""Exit codes."""

_SHOUTED: dict[Verdict, str] = {
    "pass": "pass",
    "fail": "FAIL",
    "inconclusive": "inconclusive",
    "not judged": "NOT JUDGED",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One metric against one limit, or against the baseline.

    Parameters
    ----------
    metric
        Name of the column; ``"recommendation"`` where there is no setting to judge.
    against
        ``"at most"``, ``"at least"``: a limit; ``"baseline"``; or ``"recommendation"``.
    verdict
        ``"fail"``: surely beyond the limit, or surely worse; ``"pass"``: surely not; ``"inconclusive"``: the data allow
        both; ``"not judged"``: there is too little to judge by.
    reason
        Why, in words, without a full stop.
    column
        The declaration of the metric, which formats it; ``None`` for the recommendation.
    value
        The metric; NaN where there is none.
    n
        What it rests on: members, or minutes.
    limit
        The limit, or by how much a metric may be worse than the baseline.
    lo, hi
        One-sided bounds of the value; against a baseline, of the worsening. NaN where there are none.
    level
        One-sided level of ``lo`` and, of the baseline, of ``lo`` alone, which Holm's correction moves; ``hi`` has 95 %.
    baseline
        The metric there; NaN without a baseline.
    worsening
        The difference, positive where it is worse; NaN without a baseline.
    """

    metric: str
    against: Against
    verdict: Verdict
    reason: str
    column: Judged | None = None
    value: float = math.nan
    n: float = math.nan
    limit: float = math.nan
    lo: float = math.nan
    hi: float = math.nan
    level: float = 0.95
    baseline: float = math.nan
    worsening: float = math.nan

    @property
    def bound(self) -> float:
        """The bound that decides: the one nearer to the limit where it fails, else the one that is farthest out."""
        near, far = (self.hi, self.lo) if self.against == "at least" else (self.lo, self.hi)
        return near if self.verdict == "fail" else far

    @property
    def asked(self) -> str:
        """What is asked of the metric: ``at most 10.0 %``, ``not worse than 12.0 %``."""
        if self.column is None:
            return "a setting that keeps the sweep's limits"
        if self.against != "baseline":
            return f"{self.against} {self.column.format(self.limit, unit=True)}"
        text = f"not worse than {self.column.format(self.baseline, unit=True)}"
        return f"{text} by {difference_in_words(self.column, self.limit)}" if self.limit else text

    @property
    def shown(self) -> str:
        """The value with its unit and what it rests on: ``30.0 % (n = 253)``."""
        if self.column is None:
            return "none"
        value = self.column.format(self.value, unit=True)
        unit = f" {self.column.n_unit}" if self.column.n_unit else ""
        digits = 1 if self.column.n_unit else 0
        return f"{value} (n = {self.n:.{digits}f}{unit})"

    def to_dict(self) -> dict[str, Any]:
        """The row for JSON; NaN becomes ``None``, an infinite number ``"infinite"``."""
        return {
            "metric": self.metric,
            "against": self.against,
            "verdict": self.verdict,
            "value": _plain(self.value),
            "n": _plain(self.n),
            "bound": _plain(self.bound),
            "lo": _plain(self.lo),
            "hi": _plain(self.hi),
            "level": self.level,
            "limit": _plain(self.limit),
            "baseline": _plain(self.baseline),
            "worsening": _plain(self.worsening),
            "reason": self.reason,
        }


def difference_in_words(column: Judged, difference: float) -> str:
    """A difference with its unit: percentage points for rates."""
    if math.isinf(difference):
        return "without end"
    if isinstance(column, Rate):
        return f"{column.scale * difference:.{column.decimals}f} points"
    return f"{difference:.{column.decimals}f} {column.unit}"


def _plain(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else "infinite"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What `bidilab.check` found.

    Parameters
    ----------
    title
        Name of the result that was judged.
    rows
        A row per metric and limit, then a row per metric against the baseline.
    proof
        Whether a metric passes only when it is shown to be within its limit.
    unit
        The unit of the bounds: ``"recording"`` or ``"session"``.
    baseline
        The result it was compared with; empty if none.
    pairing
        How recordings were paired, in words; empty without a baseline.
    notes
        What else you should know, one sentence each.
    """

    title: str
    rows: tuple[CheckRow, ...]
    proof: bool = False
    unit: str = "recording"
    baseline: str = ""
    pairing: str = ""
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0: passed; 1: a metric fails; 2: a metric cannot be judged; 3: inconclusive, if proof is asked for."""
        verdicts = {row.verdict for row in self.rows}
        if "fail" in verdicts:
            return FAILED
        if "not judged" in verdicts:
            return CANNOT_JUDGE
        return INCONCLUSIVE if self.proof and "inconclusive" in verdicts else PASSED

    @property
    def passed(self) -> bool:
        """Whether the exit code is 0."""
        return self.exit_code == PASSED

    @property
    def warnings(self) -> tuple[str, ...]:
        """Metrics that are inconclusive although the check passes, one sentence each."""
        if self.proof:
            return ()
        return tuple(f"{row.metric} is {row.shown}, {row.asked} is asked: {row.reason}." for row in self._inconclusive)

    @property
    def _inconclusive(self) -> Iterator[CheckRow]:
        return (row for row in self.rows if row.verdict == "inconclusive")

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        counts = {name: sum(row.verdict == name for row in self.rows) for name in _SHOUTED}
        n = len(self.rows)
        if counts["fail"]:
            return f"FAILS: {counts['fail']} of {n} surely not kept."
        if counts["not judged"]:
            return f"Cannot be judged: {counts['not judged']} of {n} have too little to judge by."
        if not counts["inconclusive"]:
            return f"Passes: all {n} shown." if n > 1 else "Passes: shown."
        if self.proof:
            return f"Inconclusive: {counts['inconclusive']} of {n} not shown, and proof is asked for."
        return f"Passes with a warning: {counts['inconclusive']} of {n} neither shown nor excluded."

    def to_frame(self) -> pd.DataFrame:
        """One row per metric and limit or baseline; numbers as the columns store them."""
        names = ("metric", "against", "value", "n", "lo", "hi", "level", "limit", "baseline", "worsening", "verdict")
        rows = [{**{name: getattr(row, name) for name in names}, "reason": row.reason} for row in self.rows]
        return pd.DataFrame(rows, columns=[*names, "reason"])

    def to_dict(self) -> dict[str, Any]:
        """The report for JSON."""
        return {
            "judged": self.title,
            "exit_code": self.exit_code,
            "verdict": self.verdict,
            "proof": self.proof,
            "unit": self.unit,
            "baseline": self.baseline or None,
            "pairing": self.pairing or None,
            "rows": [row.to_dict() for row in self.rows],
            "notes": list(self.notes),
        }

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return `to_dict` as indented text, and write it to a file if one is given."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        if path is not None:
            with written_whole(Path(path)) as partial:
                partial.write_text(text + "\n", "utf-8")
        return text

    def to_junit(self, path: str | os.PathLike[str]) -> Path:
        """Write JUnit XML, which CI systems show: a case per row, with value, n, bound and limit as its properties.

        A failing metric is a failure, an inconclusive one is skipped with the reason, and one that cannot be judged is
        an error.
        """
        return write_junit(Path(path), f"bidilab check: {self.title}", [_case(row) for row in self.rows])

    def _lines(self) -> Iterator[str]:
        """The sentences around the table."""
        if self.baseline:
            yield f"Baseline: {self.baseline}. {self.pairing}"
        yield from self.notes
        unit = f"with {self.unit}s as the unit" + (
            "; of the metrics against the baseline, what is called worse is so by Holm's correction"
            if sum(row.against == "baseline" for row in self.rows) > 1
            else ""
        )
        yield f"Bounds are one-sided 95 %, {unit}."

    def __str__(self) -> str:
        cells = [(row.metric, row.shown, row.asked, _SHOUTED[row.verdict]) for row in self.rows]
        widths = [max(len(cell[k]) for cell in cells) for k in range(4)]
        lines = [f"Check of {self.title}"]
        for row, cell in zip(self.rows, cells, strict=True):
            lines.append("  " + "  ".join(text.ljust(width) for text, width in zip(cell, widths, strict=True)).rstrip())
            lines.append(f"    {row.reason}")
        return "\n".join([*lines, *self._lines(), self.verdict])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        heads = "".join(f"<th>{name}</th>" for name in ("metric", "value", "asked", "verdict", "why"))
        rows = "".join(
            "<tr>"
            + "".join(
                f"<td style='text-align:left'>{html.escape(text)}</td>"
                for text in (row.metric, row.shown, row.asked, _SHOUTED[row.verdict], row.reason)
            )
            + "</tr>"
            for row in self.rows
        )
        said = "".join(f"<p>{html.escape(line)}</p>" for line in (*self._lines(), self.verdict))
        return f"<table><caption>Check of {html.escape(self.title)}</caption><tr>{heads}</tr>{rows}</table>{said}"


def _case(row: CheckRow) -> Case:
    message = f"{row.metric} is {row.shown}, {row.asked} is asked: {row.reason}."
    numbers = {"value": row.value, "n": row.n, "bound": row.bound, "limit": row.limit}
    if row.against == "baseline":
        numbers |= {"baseline": row.baseline, "worsening": row.worsening}
    kinds: dict[Verdict, Literal["", "failure", "error", "skipped"]] = {
        "pass": "",
        "fail": "failure",
        "not judged": "error",
        "inconclusive": "skipped",
    }
    return Case(
        name=f"{row.metric} {row.asked}",
        kind=kinds[row.verdict],
        message=message,
        properties={name: f"{value:.6g}" for name, value in numbers.items() if not math.isnan(value)},
    )
