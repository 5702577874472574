"""What became of each interruption of a session, by the labels of the recording that it heard.

The user's side is the recording's; the agent's is the session's own. A stop by speech is put down to the owner of its
onset (`bidilab.lab.metrics.stops`), as the stops of a simulated sweep are, so that both say the same of the same
session:

* ``detected``: a segment that ought to stop the agent and began when the response was created, or later;
* ``continued``: one that began before. The agent cut in, and the user only went on; that is no false interruption;
* ``false``: a segment that must not stop the agent (the cause is its kind), or none (``none``);
* ``unsure``: a segment that is marked so; nobody can say yet;
* ``unlabelled``: nothing of the recording is labelled, so that nobody can say;
* ``unheard``: the response was cut before its first audible sample. Nobody heard it stop, so it is none of the others.

A segment is ``missed`` when it is a member of a response that was heard (`bidilab.lab.metrics.members`: it begins in
it, not crowded by another and not as its end is taken over), ought to stop the agent, and no speech that began before
the segment's end stopped the response. There is no row where the agent itself ended before the segment did and the
detector heard the segment: nothing was left to stop.

Positions are the detector's where the log has them: a response that starts in the very instant at which the end of a
turn is told was created where that was decided, up to a chunk of audio before. Of a response that was cut, the end that
it would have had is known where all of it had been generated; else enough of it is taken to be left.

A provider that detects by itself and does not tell the onset (Nova Sonic, Gemini Live) has its interruptions put down
by when the application was told: to a segment that began at most 200 ms later and ended at most `UNTOLD_MS` before; an
onset lies before that by an unknown time. Of several, one that ought to stop the agent comes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.log.fold import LogFold
from bidilab.bidi.log.records import LoggedInterruption, LoggedResponse
from bidilab.core.units import ms_to_samples, s_to_samples
from bidilab.lab.datasets.labels import TRUE_KINDS, Segment
from bidilab.lab.metrics.columns import VERDICTS, lists_columns
from bidilab.lab.metrics.members import TOLERANCE_MS, Member, members_of
from bidilab.lab.metrics.stops import Owners, cause_of

__all__ = ["verdicts"]

UNTOLD_MS = 1000.0
"""How long after a segment's end an interruption without an onset may be told and still belong to it. Ours."""

_RATE = 48_000  # the grid for matching where no detector gives one
_AMPLE_S = 1.0  # of a response whose end is not known: what is taken to be left of it after all that is labelled


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
    judge = _Judge(log.fold(), segments)
    rows = [*judge.stops(), *judge.missed()]
    rows.sort(key=_begins_s)
    return VERDICTS.frame(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """A response that was heard, seconds: until when, and until when it would have been, ``None`` for not known.

    ``cut`` is the speech that stopped it. ``broken_off`` says that the log ends while it is heard.
    """

    response: LoggedResponse
    audible_s: float
    ends_s: float | None
    cut: LoggedInterruption | None
    broken_off: bool


class _Judge:
    """A session, and the labels that it is judged by."""

    def __init__(self, fold: LogFold, segments: Sequence[Segment]) -> None:
        self._rate = rate = fold.detector_rate or _RATE
        self._fold = fold
        self._user = sorted((s for s in segments if s.channel == "user"), key=lambda s: s.interval(rate))
        tolerance = ms_to_samples(TOLERANCE_MS, rate)
        self._tolerance = tolerance
        users = ((s.interval(rate), s.kind) for s in self._user)
        unsure = (index for index, s in enumerate(self._user) if s.unsure)
        self._owners = Owners(users, tolerance=tolerance, is_labelled=bool(segments), unsure=unsure)
        self._responses = {response.response_id: response for response in fold.responses}
        self._cuts = {cut.response_id: cut for cut in fold.interruptions if cut.reason == "user_speech"}
        self._told = set[int]()  # places in `_user` of what has its row: responses may be active at the same time

    def stops(self) -> Iterator[dict[str, Any]]:
        """A row per interruption by speech."""
        for cut in self._fold.interruptions:
            if cut.reason == "user_speech":
                yield self._stop(cut)

    def _stop(self, cut: LoggedInterruption) -> dict[str, Any]:
        if cut.heard_ms == 0:  # not where it is unknown
            return _row("unheard", cut=cut)
        response = self._responses.get(cut.response_id or "", _UNKNOWN)
        known = (s for s in (response.decided_s, response.created_s, response.audible_s) if s is not None)
        active_from = self._at(next(known, 0.0))
        if cut.onset_s is None:
            owner = self._owner_of_untold(self._at(cut.at_s), active_from)
        else:
            owner = self._owners.of(self._at(cut.onset_s))
        segment = None if owner < 0 else self._user[owner]
        cause = cause_of(self._owners, owner, active_from)
        if segment is None or cause != "true":
            if cause in ("continued", "unsure", "unlabelled"):
                return _row(cause, segment=segment, cut=cut)
            return _row("false", cause=cause, segment=segment, cut=cut)
        self._told.add(owner)
        event_ms = (cut.at_s - segment.start_s) * 1000
        decided_ms = None if cut.decided_s is None else (cut.decided_s - segment.start_s) * 1000
        return _row("detected", segment=segment, cut=cut, latency_ms=decided_ms, event_latency_ms=event_ms)

    def _owner_of_untold(self, told_at: int, active_from: int) -> int:
        """Whose an interruption is of which only the time is known at which it was told."""
        reach = ms_to_samples(UNTOLD_MS, self._rate)
        near = [
            (
                kind not in TRUE_KINDS,
                kind in TRUE_KINDS and interval.start < active_from,
                interval.start if kind in TRUE_KINDS else abs(told_at - interval.start),
                index,
            )
            for index, (interval, kind) in enumerate(self._owners.segments)
            if interval.start - self._tolerance <= told_at <= interval.end + reach
        ]
        return min(near)[-1] if near else -1

    def missed(self) -> Iterator[dict[str, Any]]:
        """A row per segment that ought to have stopped the agent; after `stops`."""
        for heard in self._heard():
            for index, member in self._members(heard):
                if index not in self._told and member.is_true and self._is_missed(member, heard):
                    self._told.add(index)
                    yield _row("missed", segment=self._user[index], response_id=heard.response.response_id)

    def _heard(self) -> Iterator[_Heard]:
        for response in self._responses.values():
            silent_s, audible_s = response.silent_s, response.audible_s
            cut = self._cuts.get(response.response_id)
            if audible_s is None:
                continue
            ends_s = silent_s if cut is None else _uncut_end_s(response)
            broken_off = cut is None and silent_s is None
            if broken_off:
                if response.generated_ms is None:
                    continue
                ends_s = min(self._fold.last_s or 0.0, audible_s + response.generated_ms / 1000)
            yield _Heard(response=response, audible_s=audible_s, ends_s=ends_s, cut=cut, broken_off=broken_off)

    def _members(self, heard: _Heard) -> Iterator[tuple[int, Member]]:
        """The members of a response, with their places in ``_user``."""
        last_s = max([heard.audible_s, *(segment.end_s for segment in self._user)])
        end_s = last_s + _AMPLE_S if heard.ends_s is None else heard.ends_s
        if end_s <= heard.audible_s:
            return
        response = Segment(start_s=heard.audible_s, end_s=end_s, channel="agent", kind="response")
        placed = members_of([*self._user, response], sample_rate=self._rate, duration_samples=self._at(last_s))
        for index, member in enumerate(placed.segments):
            if member.is_member and member.response == 0:
                yield index, member

    def _is_missed(self, member: Member, heard: _Heard) -> bool:
        """Whether a segment that ought to stop the agent had its chance and did not."""
        end = member.interval.end
        if heard.cut is not None:
            stopped_by_s = heard.cut.at_s if heard.cut.onset_s is None else heard.cut.onset_s
            return self._at(stopped_by_s) > end
        assert heard.ends_s is not None
        if heard.broken_off:
            return end <= self._at(heard.ends_s)
        if not member.outlasting:
            return True
        onsets = (self._at(turn.onset_s) for turn in self._fold.turns if turn.onset_s is not None)
        return not any(member.windows[0].start <= onset <= end for onset in onsets)

    def _at(self, s: float) -> int:
        return s_to_samples(s, self._rate)


_UNKNOWN = LoggedResponse(session_id="", response_id="")


def _uncut_end_s(response: LoggedResponse) -> float | None:
    """Where a response that was cut would have ended: what was generated and not heard was still to be heard."""
    silent_s, generated_ms, heard_ms = response.silent_s, response.generated_ms, response.heard_ms
    if not response.generated_whole or silent_s is None or generated_ms is None or heard_ms is None:
        return None
    return silent_s + (generated_ms - heard_ms) / 1000


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
