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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.log.fold import LogFold
from bidilab.bidi.log.records import LoggedInterruption, LoggedResponse
from bidilab.core.timeline import Interval
from bidilab.core.units import ms_to_samples, s_to_samples
from bidilab.detect.turns import Turn
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.metrics.columns import VERDICTS, lists_columns
from bidilab.lab.metrics.interruption import Interrupting, Outcome, evaluate_response
from bidilab.lab.metrics.opportunities import RecordingLabels, label_recording

__all__ = ["verdicts"]

UNTOLD_MS = 1000.0
"""How long after a segment's end an interruption without an onset may be told and still belong to it. Ours."""

_RATE = 48_000  # the grid for matching where no detector gives one
_ENDLESS = 1 << 62


@lists_columns(VERDICTS)
def verdicts(log: EventLog, segments: Sequence[Segment]) -> pd.DataFrame:
    """One row per interruption by speech and per missed one, in time order.

    Parameters
    ----------
    log
        Of the session; its clock is 0 at the recording's first sample.
    segments
        Labels of the recording.

    Returns
    -------
    pandas.DataFrame
        What a provider does not tell is missing.
    """
    fold = log.fold()
    judge = _Judge.of(fold, segments)
    rows: list[dict[str, Any]] = []
    stopped = set()
    for cut in fold.interruptions:
        if cut.reason == "user_speech":
            stopped.add(cut.response_id)
            rows += judge.cut(cut)
    for response in judge.responses.values():
        if response.response_id not in stopped:
            rows += judge.uncut(response)
    rows.sort(key=_begins_s)
    return VERDICTS.frame(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    """A session's responses, and the labels that they are judged by.

    ``user`` are the segments behind ``labels.segments``, ``responses`` is by ``response_id``, and ``end_s`` is where
    the log ends. ``missed`` are the places in ``user`` of those told of already: responses of a provider may be active
    at the same time.
    """

    labels: RecordingLabels
    user: tuple[Segment, ...]
    responses: Mapping[str, LoggedResponse]
    end_s: float
    missed: set[int]

    @classmethod
    def of(cls, fold: LogFold, segments: Sequence[Segment]) -> _Judge:
        rate = fold.detector_rate or _RATE
        user = sorted((s for s in segments if s.channel == "user"), key=lambda s: s.interval(rate))
        return cls(
            labels=label_recording(user, sample_rate=rate),
            user=tuple(user),
            responses={response.response_id: response for response in fold.responses},
            end_s=0.0 if fold.last_s is None else fold.last_s,
            missed=set(),
        )

    def cut(self, cut: LoggedInterruption) -> Iterator[dict[str, Any]]:
        """Rows of a response that speech stopped."""
        if cut.heard_ms == 0:  # not where it is unknown
            yield _row("unheard", cut=cut)
            return
        told = cut.onset_s is not None
        onset = self._at(cut.at_s if cut.onset_s is None else cut.onset_s)
        decided = self._at(cut.at_s if not told or cut.decided_s is None else cut.decided_s)
        turn = Turn(onset, decided, onset, decided, decided, decided, False)
        response = self.responses.get(cut.response_id or "", _UNKNOWN)
        reach = 0 if told else ms_to_samples(UNTOLD_MS, self.labels.sample_rate)
        for outcome, index in self._outcomes(response, _uncut_end_s(response), Interrupting(turn, decided), reach):
            if outcome.turn is not None:
                yield _verdict(cut, outcome, None if index is None else self.user[index])
            elif response.audible_s is not None:
                yield from self._missed(response, outcome, index)

    def uncut(self, response: LoggedResponse) -> Iterator[dict[str, Any]]:
        """Rows of a response that speech did not stop."""
        if response.audible_s is None:
            return
        silent_s, broken_off = response.silent_s, response.silent_s is None  # the log ends while it is heard
        if silent_s is None:
            if response.generated_ms is None:
                return
            silent_s = min(self.end_s, response.audible_s + response.generated_ms / 1000)
        for outcome, index in self._outcomes(response, silent_s, None, 0):
            if not broken_off or (index is not None and self.user[index].end_s <= silent_s):
                yield from self._missed(response, outcome, index)

    def _missed(self, response: LoggedResponse, outcome: Outcome, index: int | None) -> Iterator[dict[str, Any]]:
        if outcome.outcome == "missed" and index is not None and index not in self.missed:
            self.missed.add(index)
            yield _row("missed", segment=self.user[index], response_id=response.response_id)

    def _outcomes(
        self, response: LoggedResponse, end_s: float | None, interruption: Interrupting | None, reach: int
    ) -> Iterator[tuple[Outcome, int | None]]:
        """What the rules say of a response, and the place of the segment; ``end_s`` is ``None`` where it is unknown."""
        audible_s = response.audible_s
        known = (s for s in (response.decided_s, response.created_s, audible_s) if s is not None)
        active_from = self._at(next(known, 0.0))
        audible = active_from if audible_s is None else max(active_from, self._at(audible_s))
        end = _ENDLESS if end_s is None else self._at(end_s)
        under = self.labels.under(Interval(audible, max(audible, end)), active_from=active_from)
        place = {id(segment): index for index, segment in enumerate(under.segments)}
        for outcome in evaluate_response(under, 0, interruption, active_from, reach=reach):
            yield outcome, place.get(id(outcome.segment))

    def _at(self, s: float) -> int:
        return s_to_samples(s, self.labels.sample_rate)


_UNKNOWN = LoggedResponse(session_id="", response_id="")


def _uncut_end_s(response: LoggedResponse) -> float | None:
    """Where a response that was cut would have ended: what was generated and not heard was still to be heard."""
    silent_s, generated_ms, heard_ms = response.silent_s, response.generated_ms, response.heard_ms
    if not response.generated_whole or silent_s is None or generated_ms is None or heard_ms is None:
        return None
    return silent_s + (generated_ms - heard_ms) / 1000


def _verdict(cut: LoggedInterruption, outcome: Outcome, segment: Segment | None) -> dict[str, Any]:
    if outcome.outcome != "detected" or segment is None:
        return _row(outcome.outcome, cause=outcome.cause, segment=segment, cut=cut)
    event_ms = (cut.at_s - segment.start_s) * 1000
    decided_ms = None if cut.decided_s is None else (cut.decided_s - segment.start_s) * 1000
    return _row("detected", segment=segment, cut=cut, latency_ms=decided_ms, event_latency_ms=event_ms)


def _begins_s(row: dict[str, Any]) -> float:
    """Where a row belongs in time: its onset; unknown, its segment's; without one, when it was told."""
    known = (row[name] for name in ("onset_s", "segment_start_s", "event_s"))
    return next(float(s) for s in known if s is not None)


def _row(
    outcome: str,
    *,
    cause: str | None = None,
    segment: Segment | None = None,
    cut: LoggedInterruption | None = None,
    response_id: str | None = None,
    latency_ms: float | None = None,
    event_latency_ms: float | None = None,
) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "cause": cause,
        "kind": None if segment is None else segment.kind,
        "response_id": response_id if cut is None else cut.response_id,
        "segment_start_s": None if segment is None else segment.start_s,
        "segment_end_s": None if segment is None else segment.end_s,
        "onset_s": None if cut is None else cut.onset_s,
        "decided_s": None if cut is None else cut.decided_s,
        "event_s": None if cut is None else cut.at_s,
        "latency_ms": latency_ms,
        "event_latency_ms": event_latency_ms,
        "heard_ms": None if cut is None else cut.heard_ms,
        "text": None if segment is None else segment.text,
    }
