"""How a client behaved when its user interrupted, from the wire alone. Pure.

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

from collections.abc import Sequence
from dataclasses import dataclass

from bidilab.bidi.realtime.playout import PlayoutQueue
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
    """What the deltas tell of items: whose each is, how long it is, when it can have been heard."""

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
