"""What became of each interruption of a session, by the labels of the recording that it heard.

The user's side is the recording's; the agent's is the session's own. Each response that was heard is judged by the
rules of a simulated sweep (`bidilab.lab.metrics.interruption`, `bidilab.lab.metrics.opportunities`), so that both say
the same of the same session. An interruption is true when its onset lies in [segment onset - 200 ms, segment offset] of
speech that ought to interrupt and began when the response was created, or later. It is false when the segment must not
interrupt; when there is none; and, with the cause ``premature_endpoint``, when the segment began before the response
was created: the agent cut in, and the user only went on. A segment that ought to interrupt, began while the response
was active, lasted into its audible part with 200 ms of that left or more, and neither met an interruption nor
was forestalled by one, is missed. One that begins later, or was over before the response was heard, is ordinary
turn-taking: ``terminal_overlap`` where it interrupts, and no row where it does not (DESIGN §8).

A response that was cut before its first audible sample is *unheard*: nobody heard it stop. It is counted, takes no
segment, and is neither true nor false (DESIGN §5), as in a sweep.

Positions are the detector's where the log has them: a response that starts in the very instant at which the end of a
turn is told was created where that was decided, up to a chunk of audio before. Of a response that was cut, the end that
it would have had is known where all of it had been generated; else there was enough of it left for an opportunity.

A provider that detects by itself and does not tell the onset (Nova Sonic, Gemini Live) has its interruptions matched by
when the application was told, up to `UNTOLD_MS` after the segment's end: an onset lies before that by an unknown time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bidilab.bidi.log.eventlog import EventLog
from bidilab.core.timeline import Interval
from bidilab.core.units import ms_to_samples, s_to_samples
from bidilab.detect.turns import Turn
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.metrics.interruption import Interrupting, Outcome, evaluate_response
from bidilab.lab.metrics.opportunities import RecordingLabels, label_recording
from bidilab.lab.sessions.logged import logged_rate

__all__ = ["verdicts"]

UNTOLD_MS = 1000.0
"""How long after a segment's end an interruption without an onset may be told and still belong to it. Ours."""

_RATE = 48_000  # the grid for matching where no detector gives one
_ENDLESS = 1 << 62
_COLUMNS = {
    "outcome": "string",
    "cause": "string",
    "kind": "string",
    "response_id": "string",
    "segment_start_s": "float64",
    "segment_end_s": "float64",
    "onset_s": "float64",
    "decided_s": "float64",
    "event_s": "float64",
    "latency_ms": "float64",
    "event_latency_ms": "float64",
    "heard_ms": "float64",
    "text": "string",
}


def verdicts(log: EventLog, segments: Sequence[Segment]) -> pd.DataFrame:
    """One row an interruption by speech or a missed one, in time order.

    Parameters
    ----------
    log
        Of the session; ``t_s`` 0 is the recording's first sample.
    segments
        Labels of the recording.

    Returns
    -------
    pandas.DataFrame
        ``outcome`` (``"detected"``, ``"false"``, ``"missed"``, ``"terminal_overlap"``, ``"unheard"``), ``cause`` (of a
        false one), ``kind`` of the segment, ``response_id``, ``segment_start_s``, ``segment_end_s``, ``onset_s`` and
        ``decided_s`` of the detector, ``event_s`` (when the application was told), ``latency_ms`` (decision - true
        onset) and ``event_latency_ms`` (event in the application - true onset) of those detected, ``heard_ms``,
        ``text``. What a provider does not tell is missing.
    """
    judge = _Judge.of(log, segments)
    cuts = log.interruptions()
    rows: list[dict[Any, Any]] = []
    stopped = set()
    for cut in cuts[cuts["reason"] == "user_speech"].to_dict("records"):
        stopped.add(cut["response_id"])
        rows += judge.cut(_with_decision(cut))
    for response_id in judge.responses.index:
        if response_id not in stopped:
            rows += judge.uncut(response_id)
    rows.sort(key=_begins_s)
    return pd.DataFrame(rows, columns=list(_COLUMNS), dtype=object).astype(_COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    """A session's responses, and the labels that they are judged by.

    ``user`` are the segments behind ``labels.segments``, ``responses`` is `EventLog.responses` by ``response_id``,
    ``created_s`` is where each was decided on, where that is told, ``generated`` are those generated to their end
    before anything stopped them, and ``end_s`` is where the log ends. ``missed`` are the places in ``user`` of those
    told of already: responses of a provider may be active at the same time.
    """

    labels: RecordingLabels
    user: tuple[Segment, ...]
    responses: pd.DataFrame
    created_s: Mapping[str, float]
    generated: frozenset[str]
    end_s: float
    missed: set[int]

    @classmethod
    def of(cls, log: EventLog, segments: Sequence[Segment]) -> _Judge:
        rate = logged_rate(log) or _RATE
        user = sorted((s for s in segments if s.channel == "user"), key=lambda s: s.interval(rate))
        return cls(
            labels=label_recording(user, sample_rate=rate),
            user=tuple(user),
            responses=log.responses().set_index("response_id"),
            created_s=_decided_on(log),
            generated=_generated(log),
            end_s=max((row.t_s for row in log), default=np.nan),
            missed=set(),
        )

    def cut(self, cut: dict[Any, Any]) -> Iterator[dict[Any, Any]]:
        """Rows of a response that speech stopped."""
        if cut["heard_ms"] == 0:  # not where it is unknown
            yield _row("unheard", cut=cut)
            return
        response_id, told = cut["response_id"], not np.isnan(cut["onset_s"])
        onset = self._at(cut["onset_s"] if told else cut["t_s"])
        decided = self._at(cut["decided_s"] if told else cut["t_s"])
        turn = Turn(onset, decided, onset, decided, decided, decided, False)
        end_s = np.nan
        if response_id in self.generated:  # all that was generated and not heard was still to be heard
            left_ms = self._of(response_id, "generated_ms") - self._of(response_id, "heard_ms")
            end_s = self._of(response_id, "silent_s") + left_ms / 1000
        reach = 0 if told else ms_to_samples(UNTOLD_MS, self.labels.sample_rate)
        for outcome, index in self._outcomes(response_id, end_s, Interrupting(turn, decided), reach):
            if outcome.turn is not None:
                yield _verdict(cut, outcome, None if index is None else self.user[index])
            elif not np.isnan(self._of(response_id, "audible_s")):
                yield from self._missed(response_id, outcome, index)

    def uncut(self, response_id: str) -> Iterator[dict[Any, Any]]:
        """Rows of a response that speech did not stop."""
        audible_s, silent_s = self._of(response_id, "audible_s"), self._of(response_id, "silent_s")
        broken_off = np.isnan(silent_s)  # the log ends while it is heard
        if broken_off:
            silent_s = float(np.minimum(self.end_s, audible_s + self._of(response_id, "generated_ms") / 1000))
        if np.isnan(audible_s) or np.isnan(silent_s):
            return
        for outcome, index in self._outcomes(response_id, silent_s, None, 0):
            if not broken_off or (index is not None and self.user[index].end_s <= silent_s):
                yield from self._missed(response_id, outcome, index)

    def _missed(self, response_id: str, outcome: Outcome, index: int | None) -> Iterator[dict[Any, Any]]:
        if outcome.outcome == "missed" and index is not None and index not in self.missed:
            self.missed.add(index)
            yield _row("missed", segment=self.user[index], response_id=response_id)

    def _outcomes(
        self, response_id: str, end_s: float, interruption: Interrupting | None, reach: int
    ) -> Iterator[tuple[Outcome, int | None]]:
        """What the rules say of a response, and the place of the segment; ``end_s`` is NaN where it is not known."""
        audible_s = self._of(response_id, "audible_s")
        known = (self.created_s.get(response_id, np.nan), self._of(response_id, "created_s"), audible_s)
        active_from = self._at(next((s for s in known if not np.isnan(s)), 0.0))
        audible = active_from if np.isnan(audible_s) else max(active_from, self._at(audible_s))
        end = _ENDLESS if np.isnan(end_s) else self._at(end_s)
        under = self.labels.under(Interval(audible, max(audible, end)), active_from=active_from)
        place = {id(segment): index for index, segment in enumerate(under.segments)}
        for outcome in evaluate_response(under, 0, interruption, active_from, reach=reach):
            yield outcome, place.get(id(outcome.segment))

    def _of(self, response_id: str, name: str) -> float:
        return float(self.responses[name].loc[response_id])

    def _at(self, s: float) -> int:
        return s_to_samples(float(s), self.labels.sample_rate)


def _decided_on(log: EventLog) -> dict[str, float]:
    """Where a response was decided on, seconds: at the end of a turn that is told in that very instant, or a resume."""
    found: dict[str, float] = {}
    stop_s = decided_s = np.nan
    for row in log:
        if row.type not in ("speech_stopped", "response_resumed", "bidi_response_start"):
            continue
        said = json.loads(row.detail) if row.detail else {}
        if row.type == "speech_stopped":
            stop_s, decided = row.t_s, said.get("decided_at_samples")
            decided_s = np.nan if decided is None else decided / said["sample_rate"]
        elif row.response_id is None or row.response_id in found:
            continue
        elif row.type == "response_resumed":
            found[row.response_id] = said["resumed_at_samples"] / said["sample_rate"]
        elif row.t_s == stop_s:
            found[row.response_id] = decided_s
    return found


def _generated(log: EventLog) -> frozenset[str]:
    """Responses that were generated to their end before they were cut, if they were."""
    found, cut = set(), set()
    for row in log:
        if row.type == "bidi_interruption":
            cut.add(row.response_id)
        elif row.type == "bidi_response_complete" and row.response_id is not None and row.response_id not in cut:
            found.add(row.response_id)
    return frozenset(found)


def _verdict(cut: dict[Any, Any], outcome: Outcome, segment: Segment | None) -> dict[Any, Any]:
    if outcome.outcome != "detected" or segment is None:
        return _row(outcome.outcome, cause=outcome.cause, segment=segment, cut=cut)
    event_ms = (float(cut["t_s"]) - segment.start_s) * 1000
    decided_ms = (cut["decided_s"] - segment.start_s) * 1000
    return _row("detected", segment=segment, cut=cut, latency_ms=decided_ms, event_latency_ms=event_ms)


def _with_decision(cut: dict[Any, Any]) -> dict[Any, Any]:
    return {**cut, "decided_s": float(cut["onset_s"]) + float(cut["onset_to_detected_ms"]) / 1000}


def _begins_s(row: dict[Any, Any]) -> float:
    """Where a row belongs in time: its onset; unknown, its segment's; without one, when it was told."""
    known = (float(row[name]) for name in ("onset_s", "segment_start_s", "event_s"))
    return next(s for s in known if not np.isnan(s))


def _row(
    outcome: str,
    *,
    cause: str | None = None,
    segment: Segment | None = None,
    cut: dict[Any, Any] | None = None,
    response_id: str | None = None,
    latency_ms: float = np.nan,
    event_latency_ms: float = np.nan,
) -> dict[Any, Any]:
    cut = cut or {}
    return {
        "outcome": outcome,
        "cause": cause,
        "kind": None if segment is None else segment.kind,
        "response_id": cut.get("response_id", response_id),
        "segment_start_s": np.nan if segment is None else segment.start_s,
        "segment_end_s": np.nan if segment is None else segment.end_s,
        "onset_s": cut.get("onset_s", np.nan),
        "decided_s": cut.get("decided_s", np.nan),
        "event_s": cut.get("t_s", np.nan),
        "latency_ms": latency_ms,
        "event_latency_ms": event_latency_ms,
        "heard_ms": cut.get("heard_ms", np.nan),
        "text": None if segment is None else segment.text,
    }
