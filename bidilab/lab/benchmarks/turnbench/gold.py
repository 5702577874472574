"""TurnBench's gold: what two of three annotators agree on, and the events and spans that are scored.

Consensus, for each speaker and view. In the *turn view* an interruption that takes the floor is a turn; in the *label
view* it is not. Two annotators agree on an event when they gave one label and starts and ends each lie within 0.2 s; of
each annotator the event with that label whose start is nearest is looked at, at most 0.5 s away. Its times are the
median of those that agree. What was annotated and overlaps no agreed event of the view is *excluded*::

    a      |■■■ turn ■■■■|                       |■ turn ■|
    b      |■■■ turn ■■■■■■■|                                    agreed: the median of a and c; b overlaps it: settled
    c       |■■■ turn ■■■|                                       a's second turn: nobody else has it, excluded

Where the description leaves something open, it is read so: a pause is cut at excluded spans of both views; an
interruption by the other speaker cuts it whether it takes the floor or not; own laughter is a sound that cuts it, an
awkward silence is none; a turn that the speaker's own next turn overlaps is followed by no pause.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, NamedTuple

from bidilab.lab.benchmarks.turnbench.conversations import ANNOTATORS, FINE_LABELS, SPEAKERS, Conversation, Label

__all__ = ["TASKS", "Event", "Gold", "Span", "Task", "TaskGold", "View", "consensus", "gold_of"]

View = Literal["turn", "label"]
Task = Literal["eot", "interruption"]
TASKS: tuple[Task, ...] = ("eot", "interruption")

AGREE_S = 0.2
NEAREST_S = 0.5
_ROUNDING_S = 1e-9  # 1.2 - 1.0 is more than 0.2 in floats
_OWN_SOUNDS: tuple[Label, ...] = ("attempt", "backchannel", "non_content", "laughter")
_NEGATIVE_INTERRUPTIONS: tuple[Label, ...] = ("backchannel", "non_content")


class Span(NamedTuple):
    """Seconds."""

    start_s: float
    end_s: float


class Event(NamedTuple):
    """What the annotators agree on. Seconds."""

    start_s: float
    end_s: float
    label: Label


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskGold:
    """The reference for scoring one speaker in one task.

    Parameters
    ----------
    positives
        Rising times at which an event should be predicted, seconds.
    negatives
        Spans in which none should.
    excluded
        Spans in which predictions do not count.
    """

    positives: tuple[float, ...] = ()
    negatives: tuple[Span, ...] = ()
    excluded: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gold:
    """The reference for scoring a conversation.

    Parameters
    ----------
    conversation_id, duration_s
        Of the conversation.
    tasks
        By ``(speaker, task)``.
    unknown_labels
        How often each label occurs that is not in `FINE_LABELS`; these labels are ignored.
    """

    conversation_id: str
    duration_s: float
    tasks: Mapping[tuple[int, Task], TaskGold]
    unknown_labels: Mapping[str, int]


class _Mark(NamedTuple):
    start_s: float
    end_s: float
    annotator: str
    label: Label


def consensus(conversation: Conversation, speaker: int, view: View) -> tuple[list[Event], list[Span]]:
    """Return the events of a speaker on which the annotators agree, and the spans on which they do not.

    Parameters
    ----------
    conversation
        The conversation.
    speaker
        1 or 2.
    view
        ``turn`` or ``label``.

    Returns
    -------
    events, excluded
        Both in time order; excluded spans that touch are one.
    """
    marks = sorted(
        _Mark(mark.start_s, mark.end_s, annotator, _folded(FINE_LABELS[mark.label], view))
        for annotator in ANNOTATORS
        for mark in conversation.tracks.get((speaker, annotator), ())
        if mark.label in FINE_LABELS
    )
    free = dict.fromkeys(range(len(marks)))
    events = []
    for k, mark in enumerate(marks):
        if k not in free:
            continue
        agreeing = [k, *_agreeing(mark, marks, free)]
        if len(agreeing) == 1:
            continue
        for member in agreeing:
            del free[member]
        members = [marks[member] for member in agreeing]
        start_s, end_s = median(each.start_s for each in members), median(each.end_s for each in members)
        events.append(Event(start_s, end_s, mark.label))
    events.sort()
    disputed = [Span(marks[k].start_s, marks[k].end_s) for k in free if not _overlaps_any(marks[k], events)]
    return events, _joined(disputed)


def _folded(label: Label, view: View) -> Label:
    return "turn" if view == "turn" and label == "interruption" else label


def _agreeing(mark: _Mark, marks: Sequence[_Mark], free: Iterable[int]) -> list[int]:
    """Of each other annotator the nearest event with this label, where it agrees."""
    found = []
    for annotator in ANNOTATORS:
        if annotator == mark.annotator:
            continue
        near = [
            (abs(marks[k].start_s - mark.start_s), k)
            for k in free
            if marks[k].annotator == annotator and marks[k].label == mark.label
        ]
        distance, nearest = min(near, default=(NEAREST_S + 1, -1))
        if distance > NEAREST_S + _ROUNDING_S:
            continue
        if max(distance, abs(marks[nearest].end_s - mark.end_s)) <= AGREE_S + _ROUNDING_S:
            found.append(nearest)
    return found


def _overlaps_any(mark: _Mark, events: Iterable[Event]) -> bool:
    return any(event.start_s < mark.end_s and mark.start_s < event.end_s for event in events)


def _joined(spans: Iterable[Span]) -> list[Span]:
    made: list[Span] = []
    for span in sorted(spans):
        if made and span.start_s <= made[-1].end_s:
            made[-1] = Span(made[-1].start_s, max(made[-1].end_s, span.end_s))
        else:
            made.append(span)
    return made


def gold_of(conversation: Conversation) -> Gold:
    """Return the reference that TurnBench scores a conversation against.

    Parameters
    ----------
    conversation
        As it was annotated.
    """
    turn_view = {speaker: consensus(conversation, speaker, "turn") for speaker in SPEAKERS}
    label_view = {speaker: consensus(conversation, speaker, "label") for speaker in SPEAKERS}
    turns = {
        speaker: _outermost([event for event in events if event.label == "turn"])
        for speaker, (events, _) in turn_view.items()
    }
    unclear = [span for view in (turn_view, label_view) for _, excluded in view.values() for span in excluded]
    tasks: dict[tuple[int, Task], TaskGold] = {}
    for speaker in SPEAKERS:
        other = 3 - speaker
        cutting = [
            *unclear,
            *(Span(e.start_s, e.end_s) for e in label_view[speaker][0] if e.label in _OWN_SOUNDS),
            *(Span(e.start_s, e.end_s) for e in label_view[other][0] if e.label in ("interruption", "attempt")),
        ]
        tasks[speaker, "eot"] = _ends_of_turns(turns[speaker], turns[other], cutting, turn_view[speaker][1])
        tasks[speaker, "interruption"] = _interruptions(*label_view[speaker])
    unknown = Counter(
        mark.label for track in conversation.tracks.values() for mark in track if mark.label not in FINE_LABELS
    )
    return Gold(
        conversation_id=conversation.id,
        duration_s=conversation.duration_s,
        tasks=tasks,
        unknown_labels=dict(unknown),
    )


def _outermost(turns: Sequence[Event]) -> list[Event]:
    """Those that lie inside no other of the same speaker."""
    kept: list[Event] = []
    for turn in sorted(turns, key=lambda each: (each.start_s, -each.end_s)):
        if not kept or turn.end_s > kept[-1].end_s:
            kept.append(turn)
    return kept


def _ends_of_turns(
    own: Sequence[Event], others: Sequence[Event], cutting: Iterable[Span], excluded: Sequence[Span]
) -> TaskGold:
    cutting = sorted(cutting)
    positives, negatives = [], []
    for turn in own:
        end = turn.end_s
        resumes = min((max(each.start_s, end) for each in own if each.end_s > end), default=None)
        takes = min((max(each.start_s, end) for each in others if each.end_s > end), default=None)
        is_in_one = any(each.start_s < end < each.end_s for each in others)
        if is_in_one or resumes is None or (takes is not None and takes < resumes):
            positives.append(end)
            continue
        until = min((max(span.start_s, end) for span in cutting if span.end_s > end), default=resumes)
        if (last := min(until, resumes)) > end:
            negatives.append(Span(end, last))
    return TaskGold(
        positives=tuple(sorted(set(positives))), negatives=tuple(sorted(negatives)), excluded=tuple(excluded)
    )


def _interruptions(events: Sequence[Event], excluded: Sequence[Span]) -> TaskGold:
    return TaskGold(
        positives=tuple(sorted({event.start_s for event in events if event.label == "interruption"})),
        negatives=tuple(Span(e.start_s, e.end_s) for e in events if e.label in _NEGATIVE_INTERRUPTIONS),
        excluded=tuple(_joined([*excluded, *(Span(e.start_s, e.end_s) for e in events if e.label == "attempt")])),
    )
