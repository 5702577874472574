"""From what a corpus says of a recording to the segments of its manifest.

Times are put on the sample clock of the user's channel. Where the corpus names no kinds, those of the users' speech
are proposed by the rules of `proposals`, and marked as proposed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bidilab.core.timeline import Interval, normalize
from bidilab.core.units import s_to_samples, samples_to_s
from bidilab.lab.datasets.importing.sources import ImportFaultError, SourceRecording, Utterance
from bidilab.lab.datasets.labels import TRUE_KINDS, Channel, Kind, Origin, Segment, Word
from bidilab.lab.datasets.proposals import ProposalRule, Speech, interpausal_units, propose_kinds, propose_responses

__all__ = ["END_SLACK_S", "check_end", "segments_of", "whole_from"]

END_SLACK_S = 0.5
"""How far past the end of the audio a label may end, as rounding and padding leave it; what goes further is a fault."""
_TIME_DECIMALS = 7
_SAMPLE_SLACK_S = 1e-3  # how far a word may stick out of a segment whose ends were put on samples
_SPEECH_OF_USERS: tuple[Kind, ...] = (*TRUE_KINDS, "backchannel")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Label:
    """A segment to be: ``given`` is false for what a rule or a recogniser has set."""

    interval: Interval
    channel: Channel
    kind: Kind
    text: str | None
    speaker: str | None
    given: bool
    words: tuple[Word, ...] = ()


def segments_of(
    source: SourceRecording, *, sample_rate: int, start: int, n_samples: int, rule: ProposalRule
) -> tuple[Segment, ...]:
    """Segments of a recording.

    Parameters
    ----------
    source
        The recording, its utterances with roles.
    sample_rate
        Hertz of the recording to be made.
    start, n_samples
        Which part of the source audio it holds, samples.
    rule
        How kinds are proposed.

    Returns
    -------
    tuple of Segment
        No two of one channel and kind overlap.

    Raises
    ------
    ImportFaultError
        If an utterance lies past the end of the audio.
    """
    # Cut last: a long utterance of which the region holds a short piece is no backchannel.
    part = Interval(start, start + n_samples)
    labels = _labels(source, sample_rate, n_samples, rule)
    return tuple(_segment(label, part, sample_rate, rule) for label in labels if label.interval.overlap(part))


def whole_from(source: SourceRecording, *, sample_rate: int, start: int, n_samples: int, rule: ProposalRule) -> int:
    """First sample from ``start`` on that lies inside no segment of the user; parameters as in `segments_of`.

    A segment that is cut at its start has no onset: a latency would count from the cut.
    """
    for label in _labels(source, sample_rate, n_samples, rule):
        if label.channel == "user" and label.kind != "echo" and label.interval.start < start < label.interval.end:
            start = label.interval.end
    return start


def _labels(source: SourceRecording, sample_rate: int, n_samples: int, rule: ProposalRule) -> list[_Label]:
    """All labels on the source's clock, in order."""
    placed = [
        (utterance, interval)
        for utterance in source.utterances
        if (interval := _place(utterance, source, sample_rate, n_samples)).duration > 0
    ]
    labels = [_given_label(utterance, interval) for utterance, interval in placed if utterance.kind is not None]
    labels += _proposed_labels([item for item in placed if item[0].kind is None], labels, sample_rate, rule)
    if source.mixed:
        labels += _echo_of_the_agent(labels)
    return _merged(labels)


def check_end(source: SourceRecording, utterance: Utterance, duration_s: float) -> None:
    """Refuse an utterance that lies past the end of audio of ``duration_s``.

    Raises
    ------
    ImportFaultError
        If it does.
    """
    if utterance.start_s > duration_s or utterance.end_s > duration_s + END_SLACK_S:
        seconds = f"{utterance.start_s:g} to {utterance.end_s:g} s"
        message = f"{seconds} is past the end of the audio ({duration_s:g} s)"
        raise ImportFaultError(source.label_file, utterance.line, message)


def _place(utterance: Utterance, source: SourceRecording, rate: int, n_samples: int) -> Interval:
    """An utterance on the source's clock; one past the end of audio that is taken whole is a fault."""
    if source.region_s is None:
        check_end(source, utterance, samples_to_s(n_samples, rate))
    return Interval(s_to_samples(utterance.start_s, rate), s_to_samples(utterance.end_s, rate))


def _given_label(utterance: Utterance, interval: Interval) -> _Label:
    assert utterance.kind is not None
    return _Label(
        interval=interval,
        channel="agent" if utterance.kind == "response" else "user",
        kind=utterance.kind,
        text=utterance.text,
        speaker=utterance.speaker,
        given=utterance.given,
        words=utterance.words,
    )


def _speech(placed: Iterable[tuple[Utterance, Interval]], role: str) -> list[Speech]:
    return [Speech(interval=i, text=u.text, speaker=u.speaker) for u, i in placed if u.role == role]


def _proposed_labels(
    placed: Sequence[tuple[Utterance, Interval]], by_kind: Sequence[_Label], sample_rate: int, rule: ProposalRule
) -> list[_Label]:
    """Labels of what came without a kind; the rules see also what came with one (``by_kind``)."""
    given = all(utterance.given for utterance, _ in placed)
    user = _speech(placed, "user")
    said = [Speech(interval=label.interval, text=label.text) for label in by_kind if label.kind in _SPEECH_OF_USERS]
    responses = propose_responses(_speech(placed, "agent"), [*user, *said], sample_rate=sample_rate, rule=rule)
    labels = [_label(speech, "agent", "response", given=given and not speech.joined) for speech in responses]
    spoken = normalize(label.interval for label in (*by_kind, *labels) if label.kind == "response")
    for found in propose_kinds(user, spoken, sample_rate=sample_rate, rule=rule):
        # That someone speaks there is the corpus's word; that it interrupts, or goes on after a pause, is the rule's.
        is_given = given and found.kind == "turn" and not found.speech.joined
        labels.append(_label(found.speech, "user", found.kind, given=is_given))
    others = interpausal_units(_speech(placed, "other"), sample_rate=sample_rate, rule=rule)
    return labels + [_label(speech, "user", "side_speech", given=given) for speech in others]


def _label(speech: Speech, channel: Channel, kind: Kind, *, given: bool) -> _Label:
    return _Label(
        interval=speech.interval, channel=channel, kind=kind, text=speech.text, speaker=speech.speaker, given=given
    )


def _echo_of_the_agent(labels: Iterable[_Label]) -> list[_Label]:
    """Where the agent is heard on the user's channel: the whole of each response."""
    responses = [label for label in labels if label.kind == "response"]
    return [replace(label, channel="user", kind="echo", text=None) for label in responses]


def _merged(labels: Iterable[_Label]) -> list[_Label]:
    """Labels of one channel and kind that overlap become one: two users who speak at once are one event to a VAD."""
    groups: dict[tuple[Channel, Kind], list[_Label]] = {}
    for label in sorted(labels, key=lambda item: item.interval):
        group = groups.setdefault((label.channel, label.kind), [])
        if group and label.interval.start < group[-1].interval.end:
            group[-1] = _one(group[-1], label)
        else:
            group.append(label)
    return sorted((label for group in groups.values() for label in group), key=lambda item: item.interval)


def _one(first: _Label, second: _Label) -> _Label:
    same = first.speaker == second.speaker
    texts = [text for text in (first.text, second.text) if text]
    return replace(
        first,
        interval=normalize([first.interval, second.interval])[0],
        text=(" " if same else " / ").join(texts) or None,
        speaker=first.speaker if same else None,
        given=first.given and second.given,
        words=tuple(sorted((*first.words, *second.words))),
    )


def _segment(label: _Label, part: Interval, sample_rate: int, rule: ProposalRule) -> Segment:
    first, last = max(label.interval.start, part.start) - part.start, min(label.interval.end, part.end) - part.start
    origin: Origin = "given" if label.given else "proposed"
    start_s, end_s = (round(samples_to_s(sample, sample_rate), _TIME_DECIMALS) for sample in (first, last))
    return Segment(
        start_s=start_s,
        end_s=end_s,
        channel=label.channel,
        kind=label.kind,
        text=label.text,
        speaker=label.speaker,
        origin=origin,
        by=None if label.given else rule.name,
        words=_words(label.words, samples_to_s(part.start, sample_rate), start_s, end_s),
    )


def _words(words: Iterable[Word], origin_s: float, start_s: float, end_s: float) -> tuple[Word, ...]:
    """Words on the clock of the recording, those that begin and end in the segment; its ends are whole samples."""
    made = []
    for word in words:
        first, last = (round(time - origin_s, _TIME_DECIMALS) for time in (word.start_s, word.end_s))
        if start_s - _SAMPLE_SLACK_S <= first < end_s and start_s < last <= end_s + _SAMPLE_SLACK_S:
            made.append(Word(max(first, start_s), min(last, end_s), word.text))
    return tuple(made)
