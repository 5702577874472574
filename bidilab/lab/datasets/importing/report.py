"""What an import did, said the same in text and in HTML."""

from __future__ import annotations

import html
from dataclasses import dataclass

from bidilab.lab.datasets.dataset import Dataset
from bidilab.lab.datasets.manifest import Problem

__all__ = ["ImportResult"]

_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ImportResult:
    """A corpus as a dataset, and all that could not be taken.

    Parameters
    ----------
    dataset
        What was imported.
    problems
        One for each fault found in the corpus, with file and line. A recording with a fault is left out.
    notes
        What was changed in recordings that were taken: silence added, an agent resampled.
    n_taken_over
        Recordings that an earlier attempt, which was stopped, had finished.
    """

    dataset: Dataset
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]
    n_taken_over: int

    def lines(self) -> list[str]:
        """The result in words, a line each."""
        n = len(self.dataset)
        lines = [f"imported {n} recording{'s' if n != 1 else ''} ({self.dataset.duration_s / 60:.1f} min)"]
        if self.n_taken_over:
            lines[0] += f", {self.n_taken_over} of them finished before"
        segments = [segment for recording in self.dataset for segment in recording.segments]
        n_proposed = sum(segment.origin == "proposed" for segment in segments)
        lines.append(f"{len(segments)} labels, {n_proposed} of them proposed by rule and confirmed by nobody")
        without = sum(not recording.segments for recording in self.dataset)
        if without:
            lines.append(f"{without} recording{'s' if without != 1 else ''} without labels")
        for title, items in (("problem", self.problems), ("note", self.notes)):
            if items:
                lines.append(f"{len(items)} {title}{'s' if len(items) != 1 else ''}:")
                lines += [f"  {item}" for item in items[:_SHOWN]]
                if len(items) > _SHOWN:
                    lines.append(f"  and {len(items) - _SHOWN} more, in import.json")
        return lines

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        return "<br>".join(html.escape(line).replace("  ", "&emsp;", 1) for line in self.lines())
