"""What became of each interruption of a session, by the labels of the recording that it heard.

The user's side is the recording's; the agent's is the session's own. An interruption is matched to a segment of the
user as everywhere (`bidilab.lab.metrics.matching`): one to one, true ones first, its onset in [segment onset - 200 ms,
segment offset]. It is false when the segment must not interrupt; when there is none; and, with the cause
``premature_endpoint``, when the segment began before the response was created: the agent cut in, and the user only went
on. A segment that ought to interrupt, began in the audible part of a response with `MIN_OVERLAP_MS` of it left or more,
and met no interruption, is missed; one that begins later is terminal overlap, ordinary turn-taking (DESIGN §8).

A response that was cut before its first audible sample is *unheard*: nobody heard it stop. It is counted, takes no
segment, and is neither true nor false (DESIGN §5), as in a sweep.

A provider that detects by itself and does not tell the onset (Nova Sonic, Gemini Live) has its interruptions matched by
when the application was told, up to `UNTOLD_MS` after the segment's end: an onset lies before that by an unknown time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bidilab.core.eventlog import EventLog
from bidilab.core.timeline import Interval
from bidilab.core.units import ms_to_samples, s_to_samples
from bidilab.lab.datasets.labels import TRUE_KINDS, Segment
from bidilab.lab.metrics.matching import match
from bidilab.lab.metrics.opportunities import MIN_OVERLAP_MS, TOLERANCE_MS

__all__ = ["verdicts"]

UNTOLD_MS = 1000.0
"""How long after a segment's end an interruption without an onset may be told and still belong to it. Ours."""

_RATE = 48_000  # the grid for matching; labels are finer than no detector's frame
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
        ``outcome`` (``"detected"``, ``"false"``, ``"missed"``, ``"unheard"``), ``cause`` (of a false one), ``kind`` of
        the segment, ``response_id``, ``segment_start_s``, ``segment_end_s``, ``onset_s`` and ``decided_s`` of the
        detector, ``event_s`` (when the application was told), ``latency_ms`` (decision - true onset) and
        ``event_latency_ms`` (event in the application - true onset) of those detected, ``heard_ms``, ``text``. What a
        provider does not tell is missing.
    """
    user = [s for s in segments if s.channel == "user"]
    cuts = log.interruptions()
    cuts = cuts[cuts["reason"] == "user_speech"]
    unheard = cuts["heard_ms"] == 0  # not where it is unknown
    rows = [_row("unheard", cut=_with_decision(cut)) for cut in cuts[unheard].to_dict("records")]
    cuts = cuts[~unheard]
    responses = log.responses().set_index("response_id")
    told = cuts["onset_s"].notna()
    reach_s = 0.0 if told.all() else UNTOLD_MS / 1000
    segment_of = match(
        [s_to_samples(at, _RATE) for at in cuts["onset_s"].where(told, cuts["t_s"])],
        [Interval(s_to_samples(s.start_s, _RATE), s_to_samples(s.end_s + reach_s, _RATE)) for s in user],
        [s.kind in TRUE_KINDS for s in user],
        tolerance_samples=ms_to_samples(TOLERANCE_MS, _RATE),
    )
    for cut, index in zip(cuts.to_dict("records"), segment_of, strict=True):
        segment = None if index is None else user[index]
        created_s = float(responses.loc[cut["response_id"], "created_s"])
        rows.append(_verdict(cut, segment, created_s))
    met = {index for index in segment_of if index is not None}
    for index, segment in enumerate(user):
        if index not in met and segment.kind in TRUE_KINDS and (heard := _heard_at(responses, segment.start_s)):
            rows.append(_row("missed", segment=segment, response_id=heard))
    rows.sort(key=_begins_s)
    return pd.DataFrame(rows, columns=list(_COLUMNS), dtype=object).astype(_COLUMNS)


def _verdict(cut: dict[Any, Any], segment: Segment | None, created_s: float) -> dict[Any, Any]:
    seen = _with_decision(cut)
    if segment is None:
        return _row("false", cause="none", cut=seen)
    if segment.kind not in TRUE_KINDS:
        return _row("false", cause=segment.kind, segment=segment, cut=seen)
    if segment.start_s < created_s:
        return _row("false", cause="premature_endpoint", segment=segment, cut=seen)
    event_ms = (float(cut["t_s"]) - segment.start_s) * 1000
    decided_ms = (seen["decided_s"] - segment.start_s) * 1000
    return _row("detected", segment=segment, cut=seen, latency_ms=decided_ms, event_latency_ms=event_ms)


def _with_decision(cut: dict[Any, Any]) -> dict[Any, Any]:
    return {**cut, "decided_s": float(cut["onset_s"]) + float(cut["onset_to_detected_ms"]) / 1000}


def _begins_s(row: dict[Any, Any]) -> float:
    """Where a row belongs in time: its onset; unknown, its segment's; without one, when it was told."""
    known = (float(row[name]) for name in ("onset_s", "segment_start_s", "event_s"))
    return next(s for s in known if not np.isnan(s))


def _heard_at(responses: pd.DataFrame, at_s: float) -> str | None:
    """The response that was audible then, and went on for long enough to be interrupted."""
    least = ms_to_samples(MIN_OVERLAP_MS, _RATE)
    audible = responses[(responses["audible_s"] <= at_s) & (responses["silent_s"] > at_s)]
    left = [s_to_samples(silent_s, _RATE) - s_to_samples(at_s, _RATE) for silent_s in audible["silent_s"]]
    return next((str(key) for key, samples in zip(audible.index, left, strict=True) if samples >= least), None)


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
