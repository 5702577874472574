"""Kinds proposed for speech whose times are known and whose kinds are not: the rules, stated once.

All positions are integer samples of one clock; one user, or several who are never joined with each other.

1. *Interpausal unit*: speech of one speaker with no pause of ``ipu_pause_ms`` (200 ms) in it. Shorter gaps belong to
   speaking itself: stop closures last up to about 150 ms (the same limit as the builder's `TruthRule`), and 180 to
   200 ms is the usual limit in work on turn-taking (Heldner & Edlund 2010, "Pauses, gaps and overlaps in
   conversations", J. Phonetics 38; Skantze 2021, "Turn-taking in conversational systems and human-robot
   interaction", Computer Speech & Language 67).
2. *Response*: units of the agent with pauses of up to ``response_pause_ms`` between them, unless the user speaks at
   length in the pause.
3. *Short*: at most ``backchannel_max_ms`` (1 s) and, where the words are known, at most ``backchannel_max_words`` (2):
   the limits by which Full-Duplex-Bench (Lin et al. 2025, arXiv 2503.04721, ``eval_backchannel.py``) tells a
   backchannel from taking the turn. Voice activity projection (Ekstedt & Skantze 2022, Interspeech) allows 1 s too.
4. *Utterance*: units of one user with pauses of up to ``turn_pause_ms`` between them, unless a response begins after
   the onset of the first and before the onset of the second, or both are short (a series of backchannels stays a
   series). A response that begins 15 ms before a phrase ends, or 15 ms after, parts the same two phrases.
5. An utterance that starts in a response with at least ``min_overlap_ms`` of it left is a *backchannel* when it is
   short, and an *interruption* otherwise. Where the response ends says nothing of it: an agent that stops fast is
   outlasted by the backchannel that stopped it. Every other utterance is a *turn*; one that starts later in the
   response is terminal overlap, which is ordinary turn-taking. That rests on the response ending by itself: of one
   that is known to have been cut, any rest will do, as a stop after 180 ms is a stop.

What the rules cannot know is what the words meant. Their kinds are proposals, for a person to confirm.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from bidilab.core.checks import is_number, is_whole
from bidilab.core.errors import InvalidParameterError
from bidilab.core.timeline import Interval, normalize
from bidilab.core.units import check_sample_rate, ms_to_samples

__all__ = ["ProposalRule", "ProposedSpeech", "Speech", "interpausal_units", "propose_kinds", "propose_responses"]

_LONGEST_MS = 60_000
ProposedKind = Literal["turn", "interruption", "backchannel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalRule:
    """Numbers of the rules; the defaults and their sources are at the head of this module.

    Parameters
    ----------
    ipu_pause_ms
        A pause of at least this ends an interpausal unit, [0, 60000].
    turn_pause_ms, response_pause_ms
        Longest pause inside an utterance of the user and inside a response, [0, 60000]. The second of each is a
        convention: most pauses within a turn are shorter (Skantze 2021).
    backchannel_max_ms
        Longest backchannel, [0, 60000].
    backchannel_max_words
        Most words in one, ``>= 0``; not asked where the words are unknown.
    min_overlap_ms
        How much of a response must be left for speech to be more than terminal overlap, [0, 60000].

    Raises
    ------
    InvalidParameterError
        If a number is outside its range.
    """

    ipu_pause_ms: float = 200.0
    turn_pause_ms: float = 1000.0
    response_pause_ms: float = 1000.0
    backchannel_max_ms: float = 1000.0
    backchannel_max_words: int = 2
    min_overlap_ms: float = 200.0

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self) if field.name.endswith("_ms")):
            if not (is_number(getattr(self, name)) and 0 <= getattr(self, name) <= _LONGEST_MS):
                raise InvalidParameterError(name, f"milliseconds in [0, {_LONGEST_MS}]", getattr(self, name))
        if not (is_whole(self.backchannel_max_words) and self.backchannel_max_words >= 0):
            raise InvalidParameterError("backchannel_max_words", "a whole number >= 0", self.backchannel_max_words)

    @property
    def name(self) -> str:
        """What proposed labels name as their author: the version of the rules and every number of them."""
        numbers = ",".join(f"{getattr(self, field.name):g}" for field in fields(self))
        return f"bidilab-overlap-rule-3({numbers})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """A stretch of one speaker's speech.

    ``interval`` is in samples and not empty; ``text`` and ``speaker`` are ``None`` where unknown. ``joined`` says that
    a pause of the length of a unit's or more is inside it.
    """

    interval: Interval
    text: str | None = None
    speaker: str | None = None
    joined: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedSpeech:
    """An utterance of a user and the kind proposed for it."""

    speech: Speech
    kind: ProposedKind


def _joined(first: Speech, second: Speech, *, over_pause: bool) -> Speech:
    words = [speech.text for speech in (first, second) if speech.text]
    return Speech(
        interval=Interval(first.interval.start, max(first.interval.end, second.interval.end)),
        text=" ".join(words) or None,
        speaker=first.speaker,
        joined=first.joined or second.joined or over_pause,
    )


def _by_speaker(speech: Iterable[Speech]) -> dict[str | None, list[Speech]]:
    groups: dict[str | None, list[Speech]] = {}
    for item in sorted(speech, key=lambda s: s.interval):
        groups.setdefault(item.speaker, []).append(item)
    return groups


def _in_order(speech: Iterable[Speech]) -> tuple[Speech, ...]:
    return tuple(sorted(speech, key=lambda s: (s.interval, s.speaker or "")))


def interpausal_units(
    speech: Iterable[Speech], *, sample_rate: int, rule: ProposalRule | None = None
) -> tuple[Speech, ...]:
    """Join what one speaker says without a pause of ``ipu_pause_ms`` (rule 1).

    Parameters
    ----------
    speech
        Words, or any stretches, of any speakers, in any order; they may overlap.
    sample_rate
        Hertz of their positions.
    rule
        Its numbers; the defaults when ``None``.

    Returns
    -------
    tuple of Speech
        In time order; those of one speaker are disjoint.
    """
    check_sample_rate(sample_rate)
    pause = ms_to_samples((rule or ProposalRule()).ipu_pause_ms, sample_rate)
    units: list[Speech] = []
    for items in _by_speaker(speech).values():
        latest: Speech | None = None
        for item in items:
            gap = None if latest is None else item.interval.start - latest.interval.end
            if latest is not None and gap is not None and (gap <= 0 or gap < pause):
                latest = _joined(latest, item, over_pause=False)
                continue
            if latest is not None:
                units.append(latest)
            latest = item
        if latest is not None:
            units.append(latest)
    return _in_order(units)


def _is_short(speech: Speech, rule: ProposalRule, sample_rate: int) -> bool:
    few_words = speech.text is None or len(speech.text.split()) <= rule.backchannel_max_words
    return few_words and speech.interval.duration <= ms_to_samples(rule.backchannel_max_ms, sample_rate)


def propose_responses(
    agent: Iterable[Speech], user: Iterable[Speech], *, sample_rate: int, rule: ProposalRule | None = None
) -> tuple[Speech, ...]:
    """Responses of an agent from its speech (rules 1 to 3).

    Parameters
    ----------
    agent, user
        Speech of either, in any order.
    sample_rate
        Hertz of their positions.
    rule
        Its numbers; the defaults when ``None``.

    Returns
    -------
    tuple of Speech
        In time order, disjoint; ``joined`` where units were put together.
    """
    rule = rule or ProposalRule()
    units = interpausal_units(agent, sample_rate=sample_rate, rule=rule)
    spoken = interpausal_units(user, sample_rate=sample_rate, rule=rule)
    at_length = normalize(unit.interval for unit in spoken if not _is_short(unit, rule, sample_rate))
    longest = ms_to_samples(rule.response_pause_ms, sample_rate)
    responses: list[Speech] = []
    for unit in units:
        if responses:
            pause = Interval(responses[-1].interval.end, unit.interval.start)
            before_end = bisect_left(at_length, pause.end, key=lambda interval: interval.start)
            taken = before_end > 0 and at_length[before_end - 1].end > pause.start
            if pause.start >= pause.end or (pause.duration <= longest and not taken):
                responses[-1] = _joined(responses[-1], unit, over_pause=pause.start < pause.end)
                continue
        responses.append(unit)
    return tuple(responses)


def propose_kinds(
    user: Iterable[Speech],
    responses: Sequence[Interval],
    *,
    sample_rate: int,
    rule: ProposalRule | None = None,
    cut: Collection[Interval] = (),
) -> tuple[ProposedSpeech, ...]:
    """Utterances of the users and their kinds (rules 1 and 3 to 5).

    Parameters
    ----------
    user
        Speech of the users, in any order.
    responses
        When the agent speaks: sorted, disjoint.
    sample_rate
        Hertz of all positions.
    rule
        Its numbers; the defaults when ``None``.
    cut
        Those of the responses that are known to have been cut.

    Returns
    -------
    tuple of ProposedSpeech
        In time order.
    """
    rule = rule or ProposalRule()
    units = interpausal_units(user, sample_rate=sample_rate, rule=rule)
    utterances = _utterances(units, [response.start for response in responses], rule, sample_rate)
    return tuple(
        ProposedSpeech(
            speech=utterance,
            kind=_kind(utterance, responses, cut, rule, sample_rate),
        )
        for utterance in utterances
    )


def _utterances(
    units: Sequence[Speech], response_starts: list[int], rule: ProposalRule, sample_rate: int
) -> tuple[Speech, ...]:
    longest = ms_to_samples(rule.turn_pause_ms, sample_rate)
    utterances: list[Speech] = []
    for items in _by_speaker(units).values():
        mine: list[Speech] = []
        onset_before = 0  # of the unit before, joined or not
        for unit in items:
            onset = unit.interval.start
            if mine:
                pause = Interval(mine[-1].interval.end, onset)
                begun = bisect_left(response_starts, onset) > bisect_right(response_starts, onset_before)
                both_short = _is_short(mine[-1], rule, sample_rate) and _is_short(unit, rule, sample_rate)
                if pause.duration <= longest and not begun and not both_short:
                    mine[-1] = _joined(mine[-1], unit, over_pause=True)
                    onset_before = onset
                    continue
            mine.append(unit)
            onset_before = onset
        utterances += mine
    return _in_order(utterances)


def _kind(
    utterance: Speech, responses: Sequence[Interval], cut: Collection[Interval], rule: ProposalRule, sample_rate: int
) -> ProposedKind:
    start = utterance.interval.start
    index = bisect_right(responses, start, key=lambda response: response.start) - 1
    if index < 0:
        return "turn"
    least = 1 if responses[index] in cut else max(ms_to_samples(rule.min_overlap_ms, sample_rate), 1)
    if responses[index].end - start < least:
        return "turn"
    return "backchannel" if _is_short(utterance, rule, sample_rate) else "interruption"
