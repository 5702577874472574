"""Mending the labels of one recording: each change is checked, signed, kept, and can be taken back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import s_to_samples, samples_to_s
from bidilab.lab.datasets.labelling.store import LabelStore, now_text
from bidilab.lab.datasets.labels import KINDS_BY_CHANNEL, Channel, Kind, Segment

__all__ = ["LabelEditing", "is_unconfirmed"]

_TIME_DECIMALS = 7


class LabelEditing:
    """The labels of one recording, by the hand of one person.

    Labels are named by their position in ``segments``, which is in order of time. A label that was touched is
    ``confirmed`` by this person, now, and no longer ``unsure``; but see `move`.

    Parameters
    ----------
    store
        Where they are kept: each change is there before its method returns.
    recording_id
        Id of the recording.
    by
        Name of the person who edits; not empty.

    Raises
    ------
    InvalidParameterError
        If ``by`` is empty, or there is no such recording.
    """

    def __init__(self, store: LabelStore, recording_id: str, *, by: str) -> None:
        if not by.strip():
            raise InvalidParameterError("by", "the name of the person who edits, not empty", by)
        dataset = store.dataset
        known = {recording.id: recording for recording in dataset}
        if recording_id not in known:
            raise InvalidParameterError("recording_id", f"a recording of {dataset.name}", recording_id)
        self.recording = known[recording_id]
        self.by = by
        self.touched: Segment | None = None
        """What the last `undo` or `redo` brought back, the first of several; ``None`` where it only took away."""
        self._store = store
        self._undone: list[_Step] = []
        self._done: list[_Step] = []

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The labels now."""
        return self.recording.segments

    @property
    def unconfirmed(self) -> tuple[int, ...]:
        """Labels that were proposed and not confirmed, or are unsure."""
        return tuple(index for index, segment in enumerate(self.segments) if is_unconfirmed(segment))

    def accept(self, index: int) -> int:
        """Confirm a label as it is; one that was given or confirmed stays as it was. Returns where it is."""
        segment = self._at(index)
        if not is_unconfirmed(segment):
            return index
        return self._put(segment, self._signed(segment), f"accepted {_words(segment)}")

    def accept_all(self) -> int:
        """Confirm every proposed or unsure label. Returns how many there were."""
        n = len(self.unconfirmed)
        if n:
            after = [self._signed(s) if is_unconfirmed(s) else s for s in self.segments]
            self._change(after, f"accepted all {n}")
        return n

    def set_kind(self, index: int, kind: Kind) -> int:
        """Say what a label is. Returns where it is then."""
        segment = self._at(index)
        allowed = KINDS_BY_CHANNEL[segment.channel]
        if kind not in allowed:
            raise InvalidParameterError("kind", f"one of {', '.join(allowed)} on the {segment.channel} channel", kind)
        if kind == segment.kind:
            return self.accept(index)
        return self._put(segment, self._signed(replace(segment, kind=kind)), f"{_words(segment)} is {kind}")

    def move(
        self, index: int, start_s: float | None = None, end_s: float | None = None, *, confirms: bool = True
    ) -> int:
        """Move one or both edges, to whole samples inside the recording. Returns where the label is then.

        With ``confirms=False`` a label that nobody has confirmed stays so: its edges are right, its kind may not be.
        """
        segment = self._at(index)
        start = segment.start_s if start_s is None else self._on_sample(start_s)
        end = segment.end_s if end_s is None else self._on_sample(end_s)
        if (start, end) == (segment.start_s, segment.end_s):
            return index
        moved = replace(segment, start_s=start, end_s=end)
        if confirms or not is_unconfirmed(segment):
            moved = self._signed(moved)
        return self._put(segment, moved, f"moved {_words(segment)} to {_span(start, end)}")

    def add(self, channel: Channel, kind: Kind, start_s: float, end_s: float) -> int:
        """Put in a label that was missing. Returns where it is."""
        if channel not in KINDS_BY_CHANNEL:
            raise InvalidParameterError("channel", f"one of {', '.join(KINDS_BY_CHANNEL)}", channel)
        start, end = self._on_sample(start_s), self._on_sample(end_s)
        made = self._signed(Segment(start_s=start, end_s=end, channel=channel, kind=kind))
        return self._put(None, made, f"added {_words(made)}")

    def delete(self, index: int) -> None:
        """Take a label away; the journal keeps it."""
        segment = self._at(index)
        self._change([s for s in self.segments if s != segment], f"deleted {_words(segment)}")

    @property
    def can_undo(self) -> bool:
        """Whether there is a change of this session to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a change to make again."""
        return bool(self._undone)

    def undo(self) -> str:
        """Take the last change of this session back, and say which it was."""
        return self._back(self._done, self._undone, "undo")

    def redo(self) -> str:
        """Make the change again that was taken back last, and say which it was."""
        return self._back(self._undone, self._done, "redo")

    def _back(self, source: list[_Step], target: list[_Step], word: str) -> str:
        if not source:
            raise InvalidParameterError(word, "called after a change", "nothing to take back")
        step = source[-1]
        kept = [segment for segment in self.segments if segment not in step.added]
        # Only what this step changed: what others have changed since stays.
        segments = (*kept, *(segment for segment in step.removed if segment not in kept))
        self.recording = self._store.change(self.recording, segments, by=self.by, what=f"{word}: {step.what}")
        source.pop()
        self.touched = next(iter(step.removed), None)
        target.append(_Step(what=step.what, removed=step.added, added=step.removed))
        return step.what

    def _at(self, index: int) -> Segment:
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(self.segments):
            raise InvalidParameterError("index", f"a label, 0 to {len(self.segments) - 1}", index)
        return self.segments[index]

    def _on_sample(self, seconds: float) -> float:
        rate = self.recording.sample_rate
        position = min(max(s_to_samples(seconds, rate), 0), self.recording.n_samples)
        return round(samples_to_s(position, rate), _TIME_DECIMALS)

    def _signed(self, segment: Segment) -> Segment:
        return replace(segment, origin="confirmed", by=self.by, at=now_text(), unsure=False)

    def _put(self, old: Segment | None, new: Segment, what: str) -> int:
        """Put a label in another's place; raise where it would lie over one of its own kind."""
        others = list(self.segments)
        if old is not None:
            others.remove(old)
        for other in others:
            same = (other.channel, other.kind) == (new.channel, new.kind)
            if same and other.start_s < new.end_s and new.start_s < other.end_s:
                raise InvalidParameterError(
                    "label", f"apart from the {_words(other)}; join them by moving an edge", _words(new)
                )
        self._change([*others, new], what)
        return self.segments.index(new)

    def _change(self, segments: Iterable[Segment], what: str) -> None:
        before = self.segments
        after = tuple(segments)
        self.recording = self._store.change(self.recording, after, by=self.by, what=what)
        removed = tuple(segment for segment in before if segment not in after)
        added = tuple(segment for segment in after if segment not in before)
        self._done.append(_Step(what=what, removed=removed, added=added))
        self._undone.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A change that can be taken back: in words, and the labels that it took away and put in."""

    what: str
    removed: tuple[Segment, ...]
    added: tuple[Segment, ...]


def is_unconfirmed(segment: Segment) -> bool:
    """Whether a label waits for a person: nobody has confirmed it, or it is unsure."""
    return segment.origin == "proposed" or segment.unsure


def _words(segment: Segment) -> str:
    return (
        f"{'unsure ' if segment.unsure else ''}{segment.channel} {segment.kind} {_span(segment.start_s, segment.end_s)}"
    )


def _span(start_s: float, end_s: float) -> str:
    return f"{round(start_s, 3):g}-{round(end_s, 3):g} s"
