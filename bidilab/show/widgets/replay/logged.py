"""What really happened: a session's log beside the setting that is tried."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.log.journal import LogRow
from bidilab.detect.turns import Turn
from bidilab.lab.datasets import Segment
from bidilab.lab.sessions.logged import logged_rate, logged_responses, logged_turns
from bidilab.lab.sessions.verdicts import verdicts
from bidilab.show.widgets.replay.trial import unjudged
from bidilab.show.widgets.timelinefeed import session_data, turns_data

__all__ = ["Logged"]

_STREAMED = frozenset({"bidi_audio_stream", "bidi_audio_input"})
"""Rows that come many times a second, and tell of nothing that happened."""
_NO_DETECTOR_RATE = 16_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Logged:
    """A log as the timeline shows it.

    Parameters
    ----------
    turns
        Of the session's detector, in samples at ``sample_rate``.
    sample_rate
        Hertz of the turns.
    responses
        The agent's, as they were heard.
    events
        Interruptions and missed ones, with the columns of ``Replay.interruptions``; where nothing is labelled, the
        interruptions alone, ``"unjudged"``.
    rows
        The log's rows but those of streamed audio.
    """

    turns: tuple[Turn, ...]
    sample_rate: int
    responses: tuple[Segment, ...]
    events: pd.DataFrame
    rows: tuple[LogRow, ...]

    @classmethod
    def of(cls, log: EventLog, segments: Sequence[Segment]) -> Logged:
        """Read a log by the labels of what it heard."""
        events = verdicts(log, segments)
        if not any(segment.channel == "user" for segment in segments):
            events = unjudged(events)
        return cls(
            turns=logged_turns(log),
            sample_rate=logged_rate(log) or _NO_DETECTOR_RATE,
            responses=logged_responses(log),
            events=events,
            rows=tuple(row for row in log if row.type not in _STREAMED and math.isfinite(row.at_s)),
        )

    @property
    def data(self) -> dict[str, Any]:
        """What the browser is sent: `timelinefeed.session_data`."""
        rows = [{"at_s": row.at_s, "source": row.source, "type": row.type, "text": row.text} for row in self.rows]
        return session_data(turns_data(self.turns, self.sample_rate), self.responses, self.events, rows)

    @property
    def summary(self) -> str:
        """Counts in words."""
        outcomes = self.events["outcome"].value_counts()
        if "unjudged" in outcomes.index or not len(outcomes):
            return f"{len(self.events)} interruptions, {len(self.turns)} turns"
        counts = (f"{int(outcomes.get(name, 0))} {words}" for name, words in _WORDS.items())
        return f"{', '.join(counts)}; {len(self.turns)} turns"


_WORDS = {"detected": "true", "false": "false", "missed": "missed"}
