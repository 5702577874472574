"""Cut or finished: what is known, what is likely, and what chance alone would make.

Evidence, in this order; the row says which decided:

1. what was told of the end (a trace, a person);
2. *resume*: after a sound that is no speech of the user's the agent fell silent and soon went on, with no turn of the
   user's between, in a folder whose agent seldom does that by itself;
3. *sound* and *chance*: no verdict, a probability. Let ``y`` be the share of such events that the agent yields to, and
   ``c`` the chance that a response of that age ends by itself while it is watched. Of an agent that fell silent, the
   odds of a cut are ``y : (1 - y) c``, times what the sound of the end says (`bidilab.lab.judge.ends`).

``c = [S(age) - S(age + watched)] / S(age)`` with ``S`` the Kaplan–Meier estimate of the lengths of responses, those
that were cut being censored. Where fewer than ten responses got to that age, the hazard is taken as constant: natural
ends per second of speech, and one more end than was seen. ``y`` is one number for speech at length and one for all that
must not stop the agent, estimated from the folder itself with a beta(1, 1) prior, in turns with the probabilities
(expectation maximisation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bidilab.lab.judge.exchange import Exchange, Overlap
from bidilab.lab.metrics.survival import kaplan_meier

__all__ = ["SURE", "Decision", "chance_of_end", "decide"]

SURE = 0.95
"""A probability from which, or of the opposite from which, the outcome has a name."""
_FEWEST_AT_RISK = 10
_ROUNDS = 50
_OWN_GAPS_MOST = 0.25
_RESUMES = ("noise", "side_speech")  # an echo goes with all that the agent says, also with its own ends
_SETTLED, _LEAST = 1e-6, 1e-12
_SOUND_SAYS = 0.7  # natural logarithm: twice as likely
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What became of an overlap.

    Parameters
    ----------
    outcome
        One of `bidilab.lab.metrics.yields.OUTCOMES`.
    evidence
        What decided: who told, ``resume``, ``sound``, ``chance``, ``time`` (it went on for too long), ``another event``
        (the end is put down to another), ``recording ends``.
    p_cut
        Probability that the response was cut; 0 or 1 where it is known, NaN where the end says nothing of this event.
    chance
        Probability that a response of that age ends by itself while it is watched.
    """

    outcome: str
    evidence: str
    p_cut: float
    chance: float


def chance_of_end(
    ages_s: FloatArray, watched_s: FloatArray, lengths_s: FloatArray, natural: FloatArray, cut: FloatArray
) -> FloatArray:
    """The chance that responses end by themselves while they are watched.

    Parameters
    ----------
    ages_s, watched_s
        ``(n,)``: how long each had lasted, and for how long it is watched from then on.
    lengths_s, natural, cut
        ``(n_responses,)``: lengths, and how much of each counts as a natural end and as one that was cut (censored).

    Returns
    -------
    ndarray
        ``(n,)`` in [0, 1]; NaN where there are no responses.

    Examples
    --------
    Twenty responses of 1 to 20 s. Of the 15 that last longer than 5 s, two end within 2 s:

    >>> lengths = np.arange(1.0, 21.0)
    >>> chance_of_end(np.array([5.0]), np.array([2.0]), lengths, np.ones(20), np.zeros(20)).round(3)
    array([0.133])
    """
    if not len(lengths_s) or not lengths_s.sum():
        return np.full(len(ages_s), np.nan)
    times = np.concatenate([lengths_s, lengths_s])
    seen = np.repeat([True, False], len(lengths_s))
    at, survival = kaplan_meier(times, seen, np.concatenate([natural, cut]))
    survival = np.concatenate([[1.0], survival])

    def surviving(until: FloatArray) -> FloatArray:
        return np.asarray(survival[np.searchsorted(at, until, side="right")], dtype=np.float64)

    here = surviving(ages_s)
    from_lengths = np.where(here > 0, (here - surviving(ages_s + watched_s)) / np.where(here > 0, here, 1), 1.0)
    hazard = (natural.sum() + 1) / lengths_s.sum()  # one more than seen: of a few responses little is known
    at_risk = len(lengths_s) - np.searchsorted(np.sort(lengths_s), ages_s, side="right")
    return np.where(at_risk >= _FEWEST_AT_RISK, from_lengths, 1 - np.exp(-hazard * watched_s))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Rows:
    """Every overlap of a folder, in arrays of one length; see `Overlap` and `Decision`."""

    response: npt.NDArray[np.intp]
    true: npt.NDArray[np.bool_]
    owner: npt.NDArray[np.bool_]
    counted: npt.NDArray[np.bool_]
    age_s: FloatArray
    window_s: FloatArray
    sound: FloatArray
    known: FloatArray


def decide(exchanges: Sequence[Exchange]) -> list[list[Decision]]:
    """What became of every overlap of a folder, call by call."""
    ends, gaps = sum(e.own_ends for e in exchanges), sum(e.own_gaps for e in exchanges)
    seldom_resumes = (gaps + 1) / (ends + 2) <= _OWN_GAPS_MOST
    known = [[_known(exchange, overlap, seldom_resumes) for overlap in exchange.overlaps] for exchange in exchanges]
    rows = _rows(exchanges, known)
    responses = [(response, exchange.heard.sample_rate) for exchange in exchanges for response in exchange.responses]
    lengths = np.array([response.interval.duration / rate for response, rate in responses], dtype=np.float64)
    whole = np.array([response.whole for response, _ in responses], dtype=np.bool_)
    told = np.array([r.told is not None and r.told.how == "cut" for r, _ in responses], dtype=np.float64)
    p = np.where(rows.owner, np.where(np.isnan(rows.known), 0.5, rows.known), 0.0)
    chance = np.full(len(p), np.nan)
    for _ in range(_ROUNDS):
        cut = told.copy()
        np.maximum.at(cut, rows.response[rows.owner], p[rows.owner])
        natural, censored = np.where(whole, 1 - cut, 0.0), np.where(whole, cut, 1.0)
        chance = chance_of_end(rows.age_s, rows.window_s, lengths, natural, censored)
        before, p = p, _probabilities(p, rows, chance, rows.sound)
        if np.abs(p - before).max(initial=0.0) < _SETTLED:
            break
    unheard = _probabilities(p, rows, chance, np.zeros(len(p)))
    numbers = iter(zip(p.tolist(), unheard.tolist(), chance.tolist(), rows.sound.tolist(), strict=True))
    return [
        [_decision(overlap, how, exchange, *next(numbers)) for overlap, how in zip(exchange.overlaps, of, strict=True)]
        for exchange, of in zip(exchanges, known, strict=True)
    ]


def _rows(exchanges: Sequence[Exchange], known: Sequence[Sequence[tuple[float, str] | None]]) -> _Rows:
    first = np.cumsum([0, *(len(exchange.responses) for exchange in exchanges)]).tolist()
    pairs = [(number, exchange, overlap) for number, exchange in enumerate(exchanges) for overlap in exchange.overlaps]
    owner = np.array([overlap.owner for _, _, overlap in pairs], dtype=np.bool_)
    settled = np.array(
        [overlap.ended or overlap.to_silence > overlap.window for _, _, overlap in pairs], dtype=np.bool_
    )
    ended = np.array([overlap.ended for _, _, overlap in pairs], dtype=np.bool_)
    return _Rows(
        response=np.array([first[number] + overlap.response for number, _, overlap in pairs], dtype=np.intp),
        true=np.array([e.events[overlap.event].kind == "interruption" for _, e, overlap in pairs], dtype=np.bool_),
        owner=owner,
        counted=settled & (owner | ~ended),  # those of which it can be said whether the agent yielded
        age_s=np.array([overlap.age / e.heard.sample_rate for _, e, overlap in pairs], dtype=np.float64),
        window_s=np.array([overlap.window / e.heard.sample_rate for _, e, overlap in pairs], dtype=np.float64),
        sound=np.array([e.responses[overlap.response].end_sound for _, e, overlap in pairs], dtype=np.float64),
        known=np.array([np.nan if how is None else how[0] for of in known for how in of], dtype=np.float64),
    )


def _known(exchange: Exchange, overlap: Overlap, seldom_resumes: bool) -> tuple[float, str] | None:
    """Whether it was a cut, 1 or 0, and who or what says so; ``None`` where nothing does."""
    if not overlap.owner:
        return None
    told = exchange.responses[overlap.response].told
    if told is not None:
        return float(told.how == "cut"), told.by
    resumes = exchange.events[overlap.event].kind in _RESUMES and overlap.resumed is not None
    return (1.0, "resume") if resumes and seldom_resumes else None


def _probabilities(p: FloatArray, rows: _Rows, chance: FloatArray, sound: FloatArray) -> FloatArray:
    """One round: for each group the share that the agent yields to, and from it the probability of each."""
    made = p.copy()
    for group in (rows.true, ~rows.true):
        these = group & rows.owner
        share = (float(p[these].sum()) + 1) / (int((group & rows.counted).sum()) + 2)
        odds = share / np.maximum((1 - share) * chance[these], _LEAST) * np.exp(sound[these])
        made[these] = odds / (1 + odds)
    return np.where(rows.owner & ~np.isnan(rows.known), rows.known, made)


def _decision(
    overlap: Overlap,
    known: tuple[float, str] | None,
    exchange: Exchange,
    p: float,
    unheard: float,
    chance: float,
    sound: float,
) -> Decision:
    """Name what is known or all but sure; ``unheard`` is the probability without the sound, which gives no verdict."""
    if not overlap.owner:
        if overlap.to_silence > overlap.window:
            return Decision(outcome="not yielded", evidence="time", p_cut=0.0, chance=chance)
        whole = exchange.responses[overlap.response].whole
        why = "another event" if whole else "recording ends"
        return Decision(outcome="ambiguous", evidence=why, p_cut=float("nan"), chance=chance)
    least, most = min(p, unheard), max(p, unheard)
    outcome = "yielded" if least >= SURE else "agent finished by itself" if most <= 1 - SURE else "ambiguous"
    evidence = known[1] if known else "sound" if abs(sound) >= _SOUND_SAYS else "chance"
    return Decision(outcome=outcome, evidence=evidence, p_cut=p, chance=chance)
