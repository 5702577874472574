"""How a client behaved when its user interrupted: measured from the wire alone, and reported. Pure.

An *interruption* here is a ``speech_started`` sent while a response was being generated, or while its audio, played
at once and in order, would still have been audible. (A server faster than real time has finished long before: then
nothing is cancelled, and only the client can stop the sound.)

The server does not hear the client's loudspeaker. What it knows are bounds. `PlayoutQueue` has the earliest play-out
of what was sent: an item begins when what was queued before it has been played. At a time ``t`` the client can have
heard of an item at most

    max_heard(t) = what that play-out has played of it by t

which is ``min(audio sent until t, t - time of the first delta)`` for an item with nothing in front of it and no gap in
its sending. A client that truncated had stopped by then, so that of the audio not heard at the decision it played at
most

    max_leak = min(time from the decision to the truncate, audio left)

where the audio left is all that was queued and not heard at the decision. Of a client that never truncated nothing
bounds it but the audio left. That is the most, for a client that plays at once; one that stops in silence looks on
the wire as one that goes on. Times are the server's, and so include the network's.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bidilab.bidi.realtime.playout import PlayoutQueue
from bidilab.bidi.realtime.probe.wire import WireRecord, WireRecorder
from bidilab.core.errors import ResultError
from bidilab.core.jsontext import parse_json_object

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Interrupted", "ProbeReport", "ProbedSession", "measure_interruptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """One interruption, and what the client did.

    Parameters
    ----------
    at_s
        When ``speech_started`` was sent; the server's clock.
    onset_ms, decided_ms
        Where in the client's audio the speech began, and was decided.
    response_id
        The response that was interrupted: the one being generated, else that of the item.
    item_id
        The item that was sounding, also when it is of an earlier response that was still being played; empty when
        there was no audio yet.
    generating
        Whether it was still being generated. If not, it was only being played.
    sent_ms
        Audio of the item sent until then.
    max_heard_ms
        What of it can have been heard until then, at most.
    truncate_after_ms
        From ``speech_started`` to the first ``conversation.item.truncate`` of the item; ``None`` if there was none.
    audio_end_ms
        What the client says was heard; ``None`` as above.
    overclaim_ms
        How much more that is than it can have heard by then; ``None`` as above. More than a few milliseconds is a
        client that counts wrongly.
    max_leak_ms
        Audio that it can have played after the decision, at most: of the item and of what was queued behind it.
    n_truncates, n_cancels
        Truncates of the item, and ``response.cancel``, until the next interruption. More than one is a duplicate.
    n_stale
        Truncates of items, and cancels of responses, that were over before the interruption.
    errors
        Codes of the errors that the client was sent until then.
    """

    at_s: float
    onset_ms: float | None
    decided_ms: float | None
    response_id: str
    item_id: str
    generating: bool
    sent_ms: float
    max_heard_ms: float
    truncate_after_ms: float | None
    audio_end_ms: int | None
    overclaim_ms: float | None
    max_leak_ms: float
    n_truncates: int
    n_cancels: int
    n_stale: int
    errors: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class _Found:
    """A ``speech_started`` that interrupted, and what the wire says of its moment.

    ``queued`` are the items still to be heard, the sounding one first; ``over`` are the other items known by then.
    """

    index: int
    record: WireRecord
    response_id: str
    generating: bool
    queued: tuple[str, ...]
    over: frozenset[str]


class _Wire:
    """What the deltas say about items: whose each is, how long it is, when it can have been heard."""

    def __init__(self) -> None:
        self.playout = PlayoutQueue()
        self.response_of: dict[str, str] = {}
        self._deltas: dict[str, list[tuple[float, float]]] = {}

    def delta(self, record: WireRecord) -> None:
        self.response_of.setdefault(record.item_id, record.response_id)
        self._deltas.setdefault(record.item_id, []).append((record.at_s, record.audio_ms))
        self.playout.audio(record.item_id, at_s=record.at_s, length_s=record.audio_ms / 1000)

    def sent_ms(self, item_id: str, until_s: float | None = None) -> float:
        return sum(ms for at_s, ms in self._deltas[item_id] if until_s is None or at_s <= until_s)

    def max_heard_ms(self, item_id: str, at_s: float) -> float:
        return 1000 * self.playout.heard_s(item_id, at_s)

    def left_ms(self, item_id: str, at_s: float) -> float:
        return self.sent_ms(item_id) - self.max_heard_ms(item_id, at_s)


def measure_interruptions(records: Sequence[WireRecord]) -> tuple[Interrupted, ...]:
    """Measure one session.

    Parameters
    ----------
    records
        In order.

    Returns
    -------
    tuple of Interrupted
        In order.
    """
    wire = _Wire()
    found = _find(records, wire)
    ends = [*(later.index for later in found[1:]), len(records)]
    return tuple(
        _measured(entry, records[entry.index : end], wire) for entry, end in zip(found, ends[: len(found)], strict=True)
    )


def _find(records: Sequence[WireRecord], wire: _Wire) -> list[_Found]:
    generating: dict[str, None] = {}
    stopped: set[str] = set()
    found = []
    for index, record in enumerate(records):
        match record.type:
            case "response.created":
                generating[record.response_id] = None
            case "response.done":
                generating.pop(record.response_id, None)
            case "response.output_audio.delta":
                wire.delta(record)
            case "input_audio_buffer.speech_started":
                response_id = next(reversed(generating), None)
                queued = wire.playout.waiting(record.at_s)
                if response_id is not None and not queued:
                    # All that was sent of it has been played: the newest item is the one that was sounding.
                    own = [i for i, r in wire.response_of.items() if r == response_id and i not in stopped]
                    queued = own[-1:]
                if response_id is None and not queued:
                    continue
                found.append(
                    _Found(
                        index=index,
                        record=record,
                        response_id=wire.response_of[queued[0]] if response_id is None else response_id,
                        generating=response_id is not None,
                        queued=tuple(queued),
                        over=frozenset(wire.response_of) - set(queued),
                    )
                )
                wire.playout.cut(record.at_s)
                stopped.update(wire.response_of)
    return found


def _measured(entry: _Found, window: Sequence[WireRecord], wire: _Wire) -> Interrupted:
    at_s = entry.record.at_s
    item = entry.queued[0] if entry.queued else None
    truncates = [r for r in window if r.type == "conversation.item.truncate"]
    cancels = [r for r in window if r.type == "response.cancel"]
    own = [r for r in truncates if item is not None and r.item_id == item]
    first = own[0] if own else None
    left_ms = sum(wire.left_ms(queued, at_s) for queued in entry.queued)
    after_ms = None if first is None else 1000 * (first.at_s - at_s)
    overclaim_ms = None
    if first is not None and item is not None and first.audio_end_ms is not None:
        overclaim_ms = max(0.0, first.audio_end_ms - wire.max_heard_ms(item, first.at_s))
    still = {entry.response_id, *(wire.response_of[queued] for queued in entry.queued)}
    stale = [r for r in truncates if r.item_id in entry.over]
    stale += [r for r in cancels if r.response_id in {wire.response_of[i] for i in entry.over} - still]
    return Interrupted(
        at_s=at_s,
        onset_ms=entry.record.onset_ms,
        decided_ms=entry.record.decided_ms,
        response_id=entry.response_id,
        item_id=item or "",
        generating=entry.generating,
        sent_ms=0.0 if item is None else wire.sent_ms(item, at_s),
        max_heard_ms=0.0 if item is None else wire.max_heard_ms(item, at_s),
        truncate_after_ms=after_ms,
        audio_end_ms=None if first is None else first.audio_end_ms,
        overclaim_ms=overclaim_ms,
        max_leak_ms=left_ms if after_ms is None else min(after_ms, left_ms),
        n_truncates=len(own),
        n_cancels=len(cancels),
        n_stale=len(stale),
        errors=tuple(r.code for r in window if r.type == "error"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedSession:
    """One session of the client.

    Parameters
    ----------
    pace
        Speed of generation; 1 is real time.
    n_responses
        Responses begun.
    n_speech_started
        Times that the user began to speak, interrupting or not.
    interruptions
        In order.
    errors
        Codes of all errors that the client was sent.
    close_code
        As `WireRecorder.close_code`.
    """

    pace: float
    n_responses: int
    n_speech_started: int
    interruptions: tuple[Interrupted, ...]
    errors: tuple[str, ...]
    close_code: int | None

    @classmethod
    def of(cls, recorder: WireRecorder, pace: float) -> ProbedSession:
        """Measure what was recorded."""
        types = [record.type for record in recorder.records]
        return cls(
            pace=pace,
            n_responses=types.count("response.created"),
            n_speech_started=types.count("input_audio_buffer.speech_started"),
            interruptions=measure_interruptions(recorder.records),
            errors=tuple(record.code for record in recorder.records if record.type == "error"),
            close_code=recorder.close_code,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """All sessions of a probe.

    Parameters
    ----------
    sessions
        In order.
    detector
        Detector of the user's speech, with its release: ``silero 6.2``. ``None`` if unknown.
    """

    sessions: tuple[ProbedSession, ...]
    detector: str | None = None

    @property
    def n_interruptions(self) -> int:
        """Number of interruptions in all sessions."""
        return sum(len(session.interruptions) for session in self.sessions)

    @property
    def max_leak_ms(self) -> float:
        """The largest leak of all interruptions; NaN if there was none."""
        return max((i.max_leak_ms for s in self.sessions for i in s.interruptions), default=float("nan"))

    def passes(self, max_leak_ms: float) -> bool:
        """Whether there were interruptions, and none may have leaked more than the limit."""
        return self.n_interruptions > 0 and self.max_leak_ms <= max_leak_ms

    def to_frame(self) -> pd.DataFrame:
        """One row per interruption: ``session`` (from 0), ``pace``, and the fields of `Interrupted`."""
        import pandas as pd

        fields = [field.name for field in dataclasses.fields(Interrupted)]
        rows = [
            {"session": index, "pace": session.pace, **dataclasses.asdict(interruption)}
            for index, session in enumerate(self.sessions)
            for interruption in session.interruptions
        ]
        frame = pd.DataFrame(rows, columns=["session", "pace", *fields])
        frame["errors"] = [", ".join(codes) for codes in frame["errors"]]
        numbers = ("onset_ms", "decided_ms", "truncate_after_ms", "audio_end_ms", "overclaim_ms")
        return frame.astype(dict.fromkeys(numbers, "float64"))

    def to_dict(self) -> dict[str, Any]:
        """The report for JSON; an infinite pace is ``"max"``."""
        shown = dataclasses.asdict(self)
        for session in shown["sessions"]:
            session["pace"] = "max" if session["pace"] == float("inf") else session["pace"]
        return {**shown, "max_leak_ms": self.max_leak_ms if self.n_interruptions else None}

    def to_json(self) -> str:
        """`to_dict`, indented."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    @classmethod
    def from_dict(cls, shown: Mapping[str, Any]) -> ProbeReport:
        """Read the report that `to_dict` returned.

        Raises
        ------
        ResultError
            If it is not one.
        """
        try:
            sessions = []
            for session in shown["sessions"]:
                found = [Interrupted(**{**one, "errors": tuple(one["errors"])}) for one in session["interruptions"]]
                pace = float("inf") if session["pace"] == "max" else float(session["pace"])
                facts = {**session, "pace": pace, "interruptions": tuple(found), "errors": tuple(session["errors"])}
                sessions.append(ProbedSession(**facts))
            return cls(sessions=tuple(sessions), detector=shown["detector"])
        except (KeyError, TypeError, ValueError) as error:
            raise ResultError(f"this is not the report of a client probe ({error!r})") from error

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> ProbeReport:
        """Read the ``.json`` of ``bidilab probe-client --out``.

        Raises
        ------
        ResultError
            If it cannot be read, or is something else.
        """
        try:
            return cls.from_dict(parse_json_object(Path(path).read_bytes()))
        except (OSError, ValueError) as error:
            raise ResultError(f"{path}: {error}") from error

    def __repr__(self) -> str:
        leak = f", at most {self.max_leak_ms:.0f} ms leaked" if self.n_interruptions else ""
        heard_by = "" if self.detector is None else f", detected by {self.detector}"
        head = f"ProbeReport: {len(self.sessions)} sessions, {self.n_interruptions} interruptions{leak}{heard_by}"
        if not self.n_interruptions:
            return head
        shown = ("session", "pace", "generating", "max_heard_ms", "truncate_after_ms", "audio_end_ms", "overclaim_ms")
        table = self.to_frame()[[*shown, "max_leak_ms", "n_truncates", "n_cancels", "n_stale", "errors"]]
        return f"{head}\n{table.round(1).to_string(index=False)}"

    def _repr_html_(self) -> str:
        return str(self.to_frame().round(1).to_html(index=False))
