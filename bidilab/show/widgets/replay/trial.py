"""One setting tried on what is played: turns, what they did to the agent, and the numbers of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bidilab.detect.turns import Turn, TurnParams
from bidilab.lab.datasets import Segment
from bidilab.lab.metrics.columns import SETTINGS
from bidilab.lab.sweep.onesetting import events_frame
from bidilab.lab.sweep.tracked import TrackedRecording
from bidilab.show.report.tables import headline
from bidilab.show.widgets.base import rows_html

__all__ = ["INTERRUPTION_OUTCOMES", "Trial", "numbers_html", "numbers_of", "numbers_text", "turns_frame", "unjudged"]

_COUNTS = (
    "n_interruptions",
    "n_detected",
    "n_missed",
    "n_false",
    "n_masked",
    "n_preempted",
    "n_cancelled_unheard",
    "n_detector_turns",
)
_LABELS = {
    "n_interruptions": "interruptions, without labels neither true nor false",
    "n_false": "false interruptions, of any cause",
}
INTERRUPTION_OUTCOMES = ("detected", "false", "missed", "unjudged")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """What a setting makes of a recording.

    Parameters
    ----------
    params
        The setting.
    turns
        The detector's, in samples at the VAD's rate.
    events
        One row an outcome, with the columns of ``SweepResult.events``. Of a recording that nobody has labelled, an
        interruption's ``outcome`` is ``"unjudged"``.
    responses
        The simulated agent's; ``None`` where the agent is the recorded one.
    row
        Of a labelled recording, its row of ``SweepResult.settings``; of another, ``n_detector_turns`` and
        ``n_interruptions``.
    """

    params: TurnParams
    turns: tuple[Turn, ...]
    events: pd.DataFrame
    responses: tuple[Segment, ...] | None
    row: pd.Series[Any]

    @classmethod
    def of(cls, recording: TrackedRecording, params: TurnParams, *, name: str, labelled: bool) -> Trial:
        """Try a setting, by the sweep's own evaluation.

        Parameters
        ----------
        recording
            Labels, probabilities and how to evaluate.
        params
            The setting.
        name
            Of the recording, for the table.
        labelled
            Whether anything is labelled on the user's side.
        """
        evaluation = recording.evaluate(params)
        turns = recording.turns(params)
        events = events_frame([(name, evaluation)], recording.sample_rate)
        simulated = recording.protocol["evaluation"] == "simulated"
        if labelled:
            row = recording.setting_row(params)
        else:
            events = unjudged(events)
            row = pd.Series({"n_detector_turns": len(turns), "n_interruptions": len(events)})
        responses = recording.simulated_segments(evaluation) if simulated else None
        return cls(params=params, turns=turns, events=events, responses=responses, row=row)

    @property
    def interruptions(self) -> pd.DataFrame:
        """Interruptions and missed ones; the other opportunities (masked, ignored, …) are left out."""
        chosen = self.events["outcome"].isin(INTERRUPTION_OUTCOMES)
        return self.events[chosen].reset_index(drop=True)


def unjudged(events: pd.DataFrame) -> pd.DataFrame:
    """Outcomes of a recording without labels: interruptions, of which nobody can say whether they are false."""
    return events.assign(outcome="unjudged", cause=None, latency_ms=np.nan)


def turns_frame(turns: Sequence[Turn], events: pd.DataFrame, sample_rate: int) -> pd.DataFrame:
    """One row per turn: ``onset_s``, ``started_s`` (decided), ``audio_start_s``, ``offset_s``, ``stopped_s`` (decided),
    ``audio_end_s``, ``flushed``, and for one that interrupted the agent ``outcome``, ``cause``, ``kind`` of the segment
    that it hit, and ``latency_ms``.
    """
    columns = ["onset_s", "started_s", "audio_start_s", "offset_s", "stopped_s", "audio_end_s"]
    table = pd.DataFrame(
        [[position / sample_rate for position in turn[:6]] for turn in turns], columns=columns, dtype=np.float64
    )
    table["flushed"] = np.array([turn.flushed for turn in turns], dtype=bool)
    said = events.dropna(subset=["decided_s"]).drop_duplicates("decided_s").set_index("decided_s")
    for name in ("outcome", "cause", "kind", "latency_ms"):
        found = said[name].reindex(table["started_s"])
        table[name] = found.to_numpy() if name == "latency_ms" else found.astype("string").to_numpy()
    return table


def numbers_of(row: pd.Series[Any]) -> list[dict[str, str]]:
    """The numbers of a setting as text: ``label``, ``value``, ``interval`` (95 %) and ``n``, counts first."""
    shown = [
        {"label": _LABELS.get(name) or SETTINGS[name].label, "value": str(int(row[name])), "interval": "", "n": ""}
        for name in _COUNTS
        if name in row.index
    ]
    if "n_interruptions" in row.index:
        return shown
    if row["degenerate"]:
        note = "degenerate setting: silence may never come"
        shown.append({"label": note, "value": "yes", "interval": "", "n": ""})
    return [*shown, *headline(row)]


def numbers_text(numbers: Sequence[Mapping[str, str]]) -> str:
    """`numbers_of` as lines of text."""
    return "\n".join(f"{number['label']}: {_value(number)}" for number in numbers)


def numbers_html(numbers: Sequence[Mapping[str, str]]) -> str:
    """`numbers_of` as a table."""
    return rows_html([(number["label"], _value(number)) for number in numbers])


def _value(number: Mapping[str, str]) -> str:
    interval = f" (95 %: {number['interval']})" if number["interval"] else ""
    n = f", {number['n']}" if number["n"] else ""
    return f"{number['value']}{interval}{n}"
