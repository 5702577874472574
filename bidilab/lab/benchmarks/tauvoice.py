"""The interaction panel of τ-voice: does the agent answer, yield, keep out of the user's turns, and ignore the rest?

Task: score conversations on ticks of 0.2 s in which the user and the agent each speak or not.
Source: sierra-research/tau2-bench, commit a2c0247, ``docs/interaction-metrics.md``, and what its authors' own figures
show beyond that text (comments say where). Kept apart from bidilab's own measures on purpose: here an agent that ends
by itself within 2 s of an interruption has yielded, so an agent that never yields scores well (43 % on overlap-mini).
"""

from __future__ import annotations

import html
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.core.jsontext import parse_json_object

__all__ = ["TICK_S", "TauPanel", "VoiceTicks", "read_tau_voice", "tau_voice"]

TICK_S = 0.2
YIELD_TICKS = 10
IGNORE_TICKS = 5
ANSWER_TICKS = 10

BoolArray = npt.NDArray[np.bool_]

_METRICS = (
    "response_latency_mean",
    "yield_latency_mean",
    "response_rate",
    "yield_rate",
    "agent_interruption_rate",
    "selectivity_backchannel",
    "selectivity_vocal_tic",
    "selectivity_non_directed",
)
_IGNORED = ("backchannel", "vocal_tic", "non_directed")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VoiceTicks:
    """One conversation on ticks of `TICK_S` seconds.

    Parameters
    ----------
    user, agent
        ``(n,) bool``: who speaks in each tick.
    backchannel
        ``(n,) bool``: the user's speech there is a backchannel.
    vocal_tic, non_directed
        ``(n,) bool``: a cough or the like, or speech to somebody else, is on the user's side, in its speech or outside.

    Raises
    ------
    InvalidParameterError
        If the arrays differ in length.
    """

    user: BoolArray
    agent: BoolArray
    backchannel: BoolArray
    vocal_tic: BoolArray
    non_directed: BoolArray

    def __post_init__(self) -> None:
        for name in ("user", "agent", *_IGNORED):
            array = np.asarray(getattr(self, name), dtype=bool)
            if array.shape != (len(self.user),):
                raise InvalidParameterError(name, f"shape ({len(self.user)},), as the user's", array.shape)
            object.__setattr__(self, name, array)


@dataclass(frozen=True, slots=True, kw_only=True)
class TauPanel:
    """The panel. What rests on nothing is NaN.

    Parameters
    ----------
    response_latency_mean, yield_latency_mean
        Seconds: from the end of a user's turn to the agent's next segment; from the user's first tick over the agent to
        the agent's first silent tick.
    response_rate, yield_rate
        Of user turns that are answered; of interruptions to which the agent falls silent within 2.0 s.
    agent_interruption_rate
        Agent segments that start in the user's speech, per user turn.
    selectivity_backchannel, selectivity_vocal_tic, selectivity_non_directed
        Share that was ignored of what ought to be.
    counts
        What each rests on.
    """

    response_latency_mean: float
    yield_latency_mean: float
    response_rate: float
    yield_rate: float
    agent_interruption_rate: float
    selectivity_backchannel: float
    selectivity_vocal_tic: float
    selectivity_non_directed: float
    counts: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """The panel under the names that τ-voice gives its figures."""
        return {**{name: getattr(self, name) for name in _METRICS}, "counts": dict(self.counts)}

    def _lines(self) -> Iterator[tuple[str, str]]:
        n = self.counts
        both = (n["response_total"], n["yield_total"])
        ns = (*both, *both, n["response_total"], *(n[f"{kind}_total"] for kind in _IGNORED))
        for name, count in zip(_METRICS, ns, strict=True):
            unit = " s" if "latency" in name else ""
            yield name.replace("_", " "), f"{getattr(self, name):.2f}{unit} (n = {count})" if count else "none"

    def __repr__(self) -> str:
        return "\n".join(["τ-voice panel", *(f"  {name:<25} {value}" for name, value in self._lines())])

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{html.escape(name)}</th><td>{value}</td></tr>" for name, value in self._lines())
        return f"<table><caption>τ-voice panel</caption><tbody>{rows}</tbody></table>"


class _Segment(NamedTuple):
    """Ticks ``[start, end)`` in which one of the two speaks."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    """Of one conversation: ticks to each answer and yield, ``None`` where there was none; whether each was ignored."""

    responses: list[int | None]
    yields: list[int | None]
    agent_interruptions: int
    ignored: Mapping[str, list[bool]]


def tau_voice(conversations: Iterable[VoiceTicks]) -> TauPanel:
    """Score conversations together: means and rates are over events, not over conversations.

    Parameters
    ----------
    conversations
        One or more.

    Examples
    --------
    The user interrupts at tick 2, and the agent is silent from tick 4 on. It answers 2 ticks after the user's end::

        user    ··▓▓▓▓▓····
        agent   ████·····██

    >>> no = [False] * 11
    >>> ticks = VoiceTicks(
    ...     user=[c == "u" for c in "..uuuuu...."], agent=[c == "a" for c in "aaaa.....aa"],
    ...     backchannel=no, vocal_tic=no, non_directed=no,
    ... )
    >>> panel = tau_voice([ticks])
    >>> panel.yield_rate, panel.yield_latency_mean, panel.response_latency_mean
    (1.0, 0.4, 0.4)
    """
    scored = [_score(ticks) for ticks in conversations]
    responses = [ticks for each in scored for ticks in each.responses]
    yields = [ticks for each in scored for ticks in each.yields]
    interruptions = sum(each.agent_interruptions for each in scored)
    ignored = {kind: [one for each in scored for one in each.ignored[kind]] for kind in _IGNORED}
    return TauPanel(
        response_latency_mean=_mean([TICK_S * ticks for ticks in responses if ticks is not None]),
        yield_latency_mean=_mean([TICK_S * ticks for ticks in yields if ticks is not None]),
        response_rate=_mean([ticks is not None for ticks in responses]),
        yield_rate=_mean([ticks is not None for ticks in yields]),
        agent_interruption_rate=interruptions / len(responses) if responses else math.nan,
        selectivity_backchannel=_mean(ignored["backchannel"]),
        selectivity_vocal_tic=_mean(ignored["vocal_tic"]),
        selectivity_non_directed=_mean(ignored["non_directed"]),
        counts={
            "n_simulations": len(scored),
            "response_total": len(responses),
            "yield_total": len(yields),
            **{f"{kind}_total": len(ignored[kind]) for kind in _IGNORED},
            "agent_interrupts_count": interruptions,
        },
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _score(ticks: VoiceTicks) -> _Scored:
    n = len(ticks.user)
    # A user who begins to speak in the very last tick is left out: nothing follows (their figures, not their text).
    if n and ticks.user[-1] and not (n > 1 and ticks.user[-2]):
        n -= 1
    user, agent = ticks.user[:n], ticks.agent[:n]
    spoken, segments = _segments(user), _segments(agent)
    backchannels = [one for one in spoken if ticks.backchannel[one.start : one.end].any()]
    begins = {segment.start for segment in segments}
    turns = [
        one
        for one in spoken
        if one not in backchannels
        # An agent that speaks on over its end was not given the turn; one that begins there has answered.
        and not (one.end < n and agent[one.end] and one.end not in begins)
    ]
    over_agent = [one for one in spoken if agent[one.start]]
    return _Scored(
        responses=list(_responses(turns, segments)),
        yields=[
            _silent_within(agent, one.start, YIELD_TICKS)
            for one in over_agent
            if not (one in backchannels or ticks.vocal_tic[one.start] or ticks.non_directed[one.start])
        ],
        agent_interruptions=sum(bool(user[segment.start]) for segment in segments),
        ignored={
            "backchannel": [
                _silent_within(agent, one.start, IGNORE_TICKS) is None for one in over_agent if one in backchannels
            ],
            "vocal_tic": list(_inserts_ignored(ticks.vocal_tic[:n], agent, segments)),
            "non_directed": list(_inserts_ignored(ticks.non_directed[:n], agent, segments)),
        },
    )


def _segments(speaks: BoolArray) -> list[_Segment]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], speaks, [False])).astype(np.int8)))
    return [_Segment(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _responses(turns: Sequence[_Segment], segments: Sequence[_Segment]) -> Iterator[int | None]:
    """Ticks from the end of each turn to the next agent segment, ``None`` where the next turn comes first."""
    for k, turn in enumerate(turns):
        answer = next((one.start for one in segments if one.start >= turn.end), None)
        following = turns[k + 1].start if k + 1 < len(turns) else None
        if answer is not None and (following is None or answer < following):
            yield answer - turn.end
        elif following is not None:
            yield None
        # Else the conversation ends, and nobody knows.


def _silent_within(agent: BoolArray, start: int, n_ticks: int) -> int | None:
    """Ticks to the agent's first silent one among so many from ``start`` on."""
    silent = np.flatnonzero(~agent[start : start + n_ticks])
    return int(silent[0]) if len(silent) else None


def _inserts_ignored(inserts: BoolArray, agent: BoolArray, segments: Sequence[_Segment]) -> Iterator[bool]:
    """Whether each insert was ignored. Over the agent only errors count, as in their figures: it ended within 1.0 s."""
    for insert in _segments(inserts):
        if agent[insert.start]:
            end = next(one.end for one in segments if one.start <= insert.start < one.end)
            if end - insert.start <= IGNORE_TICKS:
                yield False
        else:
            last = insert.end - 1 + ANSWER_TICKS
            yield not any(insert.start <= one.start <= last for one in segments)


def read_tau_voice(path: str | os.PathLike[str]) -> VoiceTicks:
    """Read a simulation of τ-voice: JSON with ``ticks`` that hold ``user_chunk`` and ``agent_chunk``.

    Raises
    ------
    DatasetError
        If it is no such file.
    """
    try:
        ticks = parse_json_object(Path(path).read_bytes())["ticks"]
        chunks = [(tick.get("user_chunk") or {}, tick.get("agent_chunk") or {}) for tick in ticks]
        actions = [(user.get("turn_taking_action") or {}).get("action") for user, _ in chunks]
        inserts = [_inserted(user) for user, _ in chunks]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{path}: not a simulation of τ-voice ({error!r})") from error
    return VoiceTicks(
        user=np.array([bool(user.get("contains_speech")) for user, _ in chunks]),
        agent=np.array([bool(agent.get("contains_speech")) for _, agent in chunks]),
        backchannel=np.array([action == "backchannel" for action in actions]),
        vocal_tic=np.array(["vocal_tic" in kinds for kinds in inserts]),
        non_directed=np.array([bool(kinds - {"vocal_tic"}) for kinds in inserts]),
    )


def _inserted(user: Mapping[str, Any]) -> set[str]:
    """Types of what was inserted into a tick of the user's."""
    found = ((user.get(effects) or {}).get("speech_insert") for effects in ("speech_effects", "source_effects"))
    return {str(insert.get("type")) for insert in found if insert}
