"""One setting tried on what is played: turns, what they did to the agent, and the numbers of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bidilab.detect.turns import EndOfTurn, Turn, TurnParams
from bidilab.detect.turns.detector import AskedScore
from bidilab.lab.datasets import Segment
from bidilab.lab.metrics.columns import SETTINGS
from bidilab.lab.sweep.onesetting import events_frame
from bidilab.lab.sweep.tracked import TrackedRecording
from bidilab.show.report.tables import headline
from bidilab.show.widgets.base import rows_html

__all__ = ["Trial", "endings_of", "numbers_html", "numbers_of", "numbers_text", "turns_frame", "unlabelled"]

_COUNTS = (
    "n_interruptions",
    "n_detected",
    "n_missed",
    "n_false",
    "n_stops_true",
    "n_stops_continued",
    "n_cancelled_unheard",
    "n_detector_turns",
)
_LABELS = {
    "n_interruptions": "interruptions, without labels neither true nor false",
    "n_false": "false stops, of any cause",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """Turns, events and numbers of a setting on a recording.

    Parameters
    ----------
    params
        The setting.
    turns
        The detector's, in samples at the VAD's rate.
    events
        One row per labelled event and further stop, with the columns of ``SweepResult.events``. Of a recording that
        nobody has labelled, an interruption's ``outcome`` is ``"unlabelled"``.
    responses
        The simulated agent's; ``None`` where the agent is the recorded one.
    row
        Of a labelled recording, its row of ``SweepResult.settings``; of another, ``n_detector_turns`` and
        ``n_interruptions``.
    end_of_turn
        How turns end by a score; ``None``: by silence alone.
    asked
        What the scorer was asked, in order of time.
    unheard
        Seconds from and to of what the agent would have gone on to say, had nothing stopped it.
    """

    params: TurnParams
    turns: tuple[Turn, ...]
    events: pd.DataFrame
    responses: tuple[Segment, ...] | None
    row: pd.Series[Any]
    end_of_turn: EndOfTurn | None = None
    asked: tuple[AskedScore, ...] = ()
    unheard: tuple[tuple[float, float], ...] = ()

    @classmethod
    def of(
        cls,
        recording: TrackedRecording,
        params: TurnParams,
        *,
        name: str,
        labelled: bool,
        end_of_turn: EndOfTurn | None = None,
    ) -> Trial:
        """Try a setting, by the sweep's own evaluation.

        Parameters
        ----------
        recording
            Labels, probabilities and how to evaluate.
        params
            The setting.
        name
            Name of the recording, for the table.
        labelled
            Whether anything is labelled on the user's side.
        end_of_turn
            How turns end by a score; ``None``: by silence alone.
        """
        evaluation = recording.evaluate(params, end_of_turn=end_of_turn)
        turns = recording.turns(params, end_of_turn)
        events = events_frame([(name, evaluation)], recording.sample_rate)
        simulated = recording.protocol["evaluation"] == "simulated"
        if labelled:
            row = recording.setting_row(params, end_of_turn=end_of_turn)
        else:
            events = unlabelled(events)
            row = pd.Series({"n_detector_turns": len(turns), "n_interruptions": len(events)})
        responses = recording.simulated_segments(evaluation) if simulated else None
        asked = recording.asked(params, end_of_turn)
        return cls(
            params=params,
            turns=turns,
            events=events,
            responses=responses,
            row=row,
            end_of_turn=end_of_turn,
            asked=asked,
            unheard=recording.unheard_s(evaluation),
        )

    @property
    def interruptions(self) -> pd.DataFrame:
        """What stopped the agent, and what should have: events that are missed. The others are left out."""
        chosen = self.events["decided_s"].notna() | (self.events["outcome"] == "missed")
        return self.events[chosen].reset_index(drop=True)


def unlabelled(events: pd.DataFrame) -> pd.DataFrame:
    """Outcomes of a recording without labels: interruptions, of which nobody can say whether they are false."""
    judged = {name: None for name in ("cause", "in_session") if name in events}
    return events.assign(outcome="unlabelled", latency_ms=np.nan, **judged)


def turns_frame(turns: Sequence[Turn], events: pd.DataFrame, sample_rate: int) -> pd.DataFrame:
    """One row per turn: ``onset_s``, ``started_s`` (decided), ``audio_start_s``, ``offset_s``, ``stopped_s`` (decided),
    ``audio_end_s``, ``flushed``, ``ended_by`` (silence, score, timeout, flush), and for one that stopped the agent
    what its event is in ``events``: ``outcome`` (judged for itself), ``in_session`` (what it did, where the table has
    it), ``cause``, ``kind`` and ``latency_ms``.
    """
    columns = ["onset_s", "started_s", "audio_start_s", "offset_s", "stopped_s", "audio_end_s"]
    table = pd.DataFrame(
        [[position / sample_rate for position in turn[:6]] for turn in turns], columns=columns, dtype=np.float64
    )
    table["flushed"] = np.array([turn.flushed for turn in turns], dtype=bool)
    table["ended_by"] = pd.array([turn.cause for turn in turns], dtype="string")
    said = events.dropna(subset=["decided_s"]).drop_duplicates("decided_s").set_index("decided_s")
    for name in ("outcome", "in_session", "cause", "kind", "latency_ms"):
        if name not in said:
            continue
        found = said[name].reindex(table["started_s"])
        table[name] = found.to_numpy() if name == "latency_ms" else found.astype("string").to_numpy()
    return table


def numbers_of(row: pd.Series[Any]) -> list[dict[str, str]]:
    """The numbers of a setting as text: ``label``, ``value``, ``interval`` (95 %) and ``n``, counts first."""
    shown = [
        {
            "label": _LABELS.get(name) or SETTINGS[name].label,
            "value": str(int(row[name])),
            "interval": "",
            "n": "",
        }
        for name in _COUNTS
        if name in row.index
    ]
    if "n_interruptions" in row.index:
        return shown
    if row["degenerate"]:
        note = "degenerate setting: silence may never come"
        shown.append({"label": note, "value": "yes", "interval": "", "n": ""})
    told = {number["label"] for number in shown}
    return [*shown, *(number for number in headline(row) if number["label"] not in told)]


def endings_of(trial: Trial) -> list[dict[str, str]]:
    """How many turns ended by what, and how often the scorer was asked, as `numbers_of`."""
    n = len(trial.turns)
    causes = {"score": "turns ended by a score", "timeout": "turns ended by the timeout", "flush": "turns never ended"}
    counts = [(words, sum(turn.cause == cause for turn in trial.turns)) for cause, words in causes.items()]
    shown = [{"label": words, "value": str(count), "interval": "", "n": f"n = {n}"} for words, count in counts]
    return [*shown, {"label": "scores asked for", "value": str(len(trial.asked)), "interval": "", "n": ""}]


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
