"""A session diagnosed while it goes on, from its log and what is kept of its user's sound. Rows in, causes out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.log.journal import LogRow
from bidilab.detect.turns import TurnParams, detect_turns
from bidilab.lab.doctor.diagnosis import Diagnosis, diagnosis_of
from bidilab.lab.doctor.sessionfacts import DEVICE_ROWS, device_facts
from bidilab.lab.doctor.sound import HeardTracks, track_facts
from bidilab.lab.doctor.story import story_of
from bidilab.lab.judge.traces.ownlog import settings_of, trace_of_log

__all__ = ["RunningDoctor"]

_NOT_LOOKED_AT = "echo, hum and lost packets: they need the recording; give it to bl.doctor"
_RATE = 16_000  # of the turns that are looked for in a track; any rate with whole frames would do


class RunningDoctor:
    """Says what is wrong in a session so far. It may be asked again and again; each row is read once.

    Parameters
    ----------
    log
        The session's log.
    name
        What the diagnosis is of.

    Examples
    --------
    >>> RunningDoctor(EventLog()).look(None).causes
    []
    """

    def __init__(self, log: EventLog, name: str = "the session so far") -> None:
        self._log, self._name = log, name
        self._n_rows = 0
        self._settings: dict[str, object] = {}
        self._devices: list[LogRow] = []

    @property
    def n_rows(self) -> int:
        """Rows that were read."""
        return self._n_rows

    def look(self, heard: HeardTracks | None) -> Diagnosis:
        """Diagnose the session up to now.

        Parameters
        ----------
        heard
            The user's sound, as far as it is kept; ``None`` where nothing is.
        """
        rows = self._log.since(self._n_rows)
        self._n_rows += len(rows)
        self._settings |= settings_of(rows)
        self._devices += [row for row in rows if row.type in DEVICE_ROWS]
        told = trace_of_log(self._log, source=Path(self._name), settings=self._settings)
        if heard is None or not len(heard.level_db):
            return diagnosis_of(self._name, None, story_of(None, told, None), None, [_NOT_LOOKED_AT])
        facts = track_facts(heard, told.spoken("agent"))
        story = story_of(None, told, None, utterances=_utterances(heard))
        found = diagnosis_of(
            self._name,
            facts,
            dataclasses.replace(story, floor_drop_db=facts.floor_drop_db),
            lambda start_s, end_s: _peak(heard, start_s, end_s),
            [_NOT_LOOKED_AT],
        )
        return dataclasses.replace(found, facts=(*found.facts, *device_facts(self._devices)))


def _utterances(heard: HeardTracks) -> Sequence[tuple[float, float]]:
    """Where the user speaks, by our detector at its defaults."""
    frame_samples = round(heard.frame_s * _RATE)
    turns = detect_turns(heard.probability, TurnParams(), frame_samples=frame_samples, sample_rate=_RATE)
    return [
        (heard.first_s + turn.onset / _RATE, heard.first_s + turn.offset / _RATE) for turn in turns if not turn.flushed
    ]


def _peak(heard: HeardTracks, start_s: float, end_s: float) -> float:
    first, last = ((at_s - heard.first_s) / heard.frame_s for at_s in (start_s, end_s))
    part = heard.probability[max(0, int(first)) : max(1, math.ceil(last))]
    return float(np.max(part)) if len(part) else 0.0
