"""From the wire alone: how a client behaved when its user interrupted. Pure.

An *interruption* here is a ``speech_started`` sent while a response was being generated, or while its audio, played
from the first delta on without a break, would still have been audible. (A server faster than real time has finished
long before: then nothing is cancelled, and only the client can stop the sound.)

The server does not hear the client's loudspeaker. What it knows are bounds. At a time ``t`` the client can have
played of an item at most

    max_heard(t) = min(audio sent until t, t - time of the first delta)

A client that truncated had stopped by then, so that of the audio not heard at the decision it played at most

    max_leak = min(time from the decision to the truncate, audio sent - max_heard(decision))

and of one that never truncated nothing bounds it but the audio it was given: ``audio sent - max_heard(decision)``.
That is the most, for a client that plays at once; one that stops in silence looks on the wire as one that goes on.
Times are the server's, and so include the network's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from bidilab.bidi.realtime.probe.wire import WireRecord

__all__ = ["Interrupted", "measure_interruptions"]


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
        The response that was interrupted.
    item_id
        The item that was sounding; empty when the response had no audio yet.
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
        Audio that it can have played after the decision, at most.
    n_truncates, n_cancels
        Truncates of the item, and ``response.cancel``, until the next interruption. More than one is a duplicate.
    n_stale
        Truncates of earlier items and cancels of earlier responses until then.
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


@dataclass(slots=True)
class _Item:
    """An item of the agent's as the deltas tell of it."""

    id: str
    response_id: str
    first_s: float
    plays_from_s: float
    deltas: list[tuple[float, float]] = field(default_factory=list)
    cut_s: float = math.inf

    def sent_ms(self, at_s: float = math.inf) -> float:
        return sum(ms for sent_s, ms in self.deltas if sent_s <= at_s)

    def max_heard_ms(self, at_s: float) -> float:
        return max(0.0, min(self.sent_ms(at_s), 1000 * (at_s - self.first_s)))

    @property
    def plays_until_s(self) -> float:
        return min(self.cut_s, self.plays_from_s + self.sent_ms() / 1000)


@dataclass(slots=True)
class _Found:
    index: int
    record: WireRecord
    response_id: str
    item: _Item | None
    generating: bool


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
    found, items = _find(records)
    ends = [*(later.index for later in found[1:]), len(records)]
    return tuple(
        _measured(entry, records[entry.index : end], items)
        for entry, end in zip(found, ends[: len(found)], strict=True)
    )


def _find(records: Sequence[WireRecord]) -> tuple[list[_Found], list[_Item]]:
    items: list[_Item] = []
    generating: dict[str, None] = {}
    found = []
    for index, record in enumerate(records):
        match record.type:
            case "response.created":
                generating[record.response_id] = None
            case "response.done":
                generating.pop(record.response_id, None)
            case "response.output_audio.delta":
                _add_delta(items, record)
            case "input_audio_buffer.speech_started":
                entry = _interrupted(index, record, items, generating)
                if entry is not None:
                    found.append(entry)
                    for item in items:
                        item.cut_s = min(item.cut_s, record.at_s)
    return found, items


def _add_delta(items: list[_Item], record: WireRecord) -> None:
    if not items or items[-1].id != record.item_id:
        plays_from_s = max(record.at_s, items[-1].plays_until_s if items else record.at_s)
        items.append(_Item(record.item_id, record.response_id, record.at_s, plays_from_s))
    items[-1].deltas.append((record.at_s, record.audio_ms))


def _interrupted(index: int, record: WireRecord, items: list[_Item], generating: dict[str, None]) -> _Found | None:
    sounding = [item for item in items if item.plays_until_s > record.at_s]
    if generating:
        response_id = next(reversed(generating))
        item = next((i for i in sounding if i.response_id == response_id), sounding[0] if sounding else None)
        return _Found(index, record, response_id, item, generating=True)
    if sounding:
        return _Found(index, record, sounding[0].response_id, sounding[0], generating=False)
    return None


def _measured(entry: _Found, window: Sequence[WireRecord], items: Sequence[_Item]) -> Interrupted:
    at_s, item = entry.record.at_s, entry.item
    truncates = [r for r in window if r.type == "conversation.item.truncate"]
    cancels = [r for r in window if r.type == "response.cancel"]
    own = [r for r in truncates if item is not None and r.item_id == item.id]
    first = own[0] if own else None
    sent_ms = item.sent_ms(at_s) if item is not None else 0.0
    max_heard_ms = item.max_heard_ms(at_s) if item is not None else 0.0
    left_ms = item.sent_ms() - max_heard_ms if item is not None else 0.0
    after_ms = None if first is None else 1000 * (first.at_s - at_s)
    overclaim_ms = None
    if first is not None and item is not None and first.audio_end_ms is not None:
        overclaim_ms = max(0.0, first.audio_end_ms - item.max_heard_ms(first.at_s))
    earlier = [i for i in items if i.first_s < at_s and i is not item]
    stale = [r for r in truncates if r.item_id in {i.id for i in earlier}]
    stale += [r for r in cancels if r.response_id in {i.response_id for i in earlier} - {entry.response_id}]
    return Interrupted(
        at_s=at_s,
        onset_ms=entry.record.onset_ms,
        decided_ms=entry.record.decided_ms,
        response_id=entry.response_id,
        item_id=item.id if item is not None else "",
        generating=entry.generating,
        sent_ms=sent_ms,
        max_heard_ms=max_heard_ms,
        truncate_after_ms=after_ms,
        audio_end_ms=None if first is None else first.audio_end_ms,
        overclaim_ms=overclaim_ms,
        max_leak_ms=left_ms if after_ms is None else min(after_ms, left_ms),
        n_truncates=len(own),
        n_cancels=len(cancels),
        n_stale=len(stale),
        errors=tuple(r.code for r in window if r.type == "error"),
    )
