"""eot-bench's score of a policy on spans of silence.

A score fires when it is strictly greater than the threshold. A model with a *score point* is asked once, at that time;
any other fires at its first score that is greater (*first crossing*), and stays fired. It acts at::

    fire time = max(action delay, time of the score that fires)

* A hold span is cut off when it fired and lasts longer than the fire time, or lasts longer than the timeout (both
  strictly). ``cutoff_rate`` is the share of hold spans cut off. Hold spans count that last from 0.2 to 5 s.
* The latency of an eot span is the fire time where it fired and that is at most the timeout, and else the timeout.
  ``mean_latency_s`` is their mean, ``detect_rate`` the share that fired in time.

Each span is judged by itself: after one that is cut off, the next pause counts all the same. The time that a model
takes to answer is not charged. Times are compared in whole microseconds, so that three times 0.1 s is not longer than
0.3 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from bidilab.core.checks import check_probability, is_number
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics.pareto import least_within, pareto_front

__all__ = [
    "LONGEST_HOLD_S",
    "SHORTEST_HOLD_S",
    "Headline",
    "Policy",
    "Score",
    "Span",
    "fired_at_s",
    "headline_of",
    "latency_by_identity",
    "pareto_scores",
    "policies",
    "score_policy",
    "score_silence",
]

SHORTEST_HOLD_S, LONGEST_HOLD_S = 0.2, 5.0
LATENCY_BUDGETS_S = (0.3, 0.6)
CUTOFF_BUDGETS = (0.05, 0.1)


def _us(seconds: float) -> int:
    return round(seconds * 1e6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A silence of the user.

    Parameters
    ----------
    kind
        ``"hold"``: the user goes on after it; ``"eot"``: the turn is over.
    duration_s
        How long it lasts, > 0; of an eot span, as far as it was scored.
    scores
        ``(time_s, score)``, rising in time from the start of the silence: what a model says there, in [0, 1], by audio
        up to then.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.
    """

    kind: Literal["hold", "eot"]
    duration_s: float
    scores: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in ("hold", "eot"):
            raise InvalidParameterError("kind", "hold or eot", self.kind)
        if not (is_number(self.duration_s) and 0 < self.duration_s < float("inf")):
            raise InvalidParameterError("duration_s", "a finite number of seconds > 0", self.duration_s)
        times = [_us(time) for time, _ in self.scores]
        if times != sorted(set(times)) or (times and not 0 <= times[0] <= times[-1] <= _us(self.duration_s)):
            raise InvalidParameterError("scores", "at rising times in the span", self.scores)
        for _, score in self.scores:
            check_probability("score", score)

    @property
    def counts(self) -> bool:
        """Whether it enters a rate: hold spans of 0.2 to 5 s, and every eot span."""
        return self.kind == "eot" or _us(SHORTEST_HOLD_S) <= _us(self.duration_s) <= _us(LONGEST_HOLD_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When a turn is ended on scores.

    Parameters
    ----------
    threshold
        A score fires when it is strictly greater, in [0, 1].
    action_delay_s
        Least silence that ends a turn, ``>= 0``.
    timeout_s
        Silence that ends it whatever the scores, ``>= action_delay_s``.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.
    """

    threshold: float
    action_delay_s: float
    timeout_s: float

    def __post_init__(self) -> None:
        check_probability("threshold", self.threshold)
        if not (is_number(self.action_delay_s) and 0 <= self.action_delay_s < float("inf")):
            raise InvalidParameterError("action_delay_s", "a finite number of seconds >= 0", self.action_delay_s)
        if not self.action_delay_s <= self.timeout_s < float("inf"):
            allowed = f"a finite number of seconds, at least the action delay ({self.action_delay_s:g})"
            raise InvalidParameterError("timeout_s", allowed, self.timeout_s)


class Score(NamedTuple):
    """What a policy costs; NaN if there is no span to measure it."""

    mean_latency_s: float
    cutoff_rate: float
    detect_rate: float


def fired_at_s(span: Span, policy: Policy, *, score_point_s: float | None = None) -> float | None:
    """When a policy acts on the scores of a span, from its start; ``None`` where no score fires.

    Parameters
    ----------
    span, policy
        The two.
    score_point_s
        Where the model is asked once; ``None`` for the first crossing.

    Raises
    ------
    InvalidParameterError
        If the span has no score at the score point.

    Examples
    --------
    >>> span = Span(kind="eot", duration_s=1, scores=((0.1, 0.2), (0.2, 0.6), (0.5, 0.9)))
    >>> policy = Policy(threshold=0.5, action_delay_s=0.3, timeout_s=1)
    >>> fired_at_s(span, policy)
    0.3
    >>> fired_at_s(span, Policy(threshold=0.6, action_delay_s=0.3, timeout_s=1))
    0.5
    >>> fired_at_s(span, Policy(threshold=0.6, action_delay_s=0.3, timeout_s=1), score_point_s=0.2) is None
    True
    """
    asked = span.scores
    if score_point_s is not None:
        asked = tuple(each for each in span.scores if _us(each[0]) == _us(score_point_s))
        if not asked:
            raise InvalidParameterError("span", f"one with a score at {score_point_s:g} s", span)
    for time, score in asked:
        if score > policy.threshold:
            return max(policy.action_delay_s, time)
    return None


def score_policy(spans: Iterable[Span], policy: Policy, *, score_point_s: float | None = None) -> Score:
    """Score a policy on spans.

    Parameters
    ----------
    spans
        Of both kinds; hold spans that do not count are left out.
    policy, score_point_s
        As `fired_at_s`.

    Examples
    --------
    >>> spans = [
    ...     Span(kind="hold", duration_s=0.4, scores=((0.2, 0.7),)),
    ...     Span(kind="hold", duration_s=0.3, scores=((0.2, 0.7),)),  # over as the policy would act
    ...     Span(kind="eot", duration_s=2, scores=((0.2, 0.9),)),
    ...     Span(kind="eot", duration_s=2, scores=((0.2, 0.1),)),  # left to the timeout
    ... ]
    >>> score_policy(spans, Policy(threshold=0.5, action_delay_s=0.3, timeout_s=1.5))
    Score(mean_latency_s=0.9, cutoff_rate=0.5, detect_rate=0.5)
    """
    cut: list[bool] = []
    latencies: list[float] = []
    in_time: list[bool] = []
    for span in spans:
        if not span.counts:
            continue
        fired = fired_at_s(span, policy, score_point_s=score_point_s)
        if span.kind == "hold":
            ends = policy.timeout_s if fired is None else min(fired, policy.timeout_s)
            cut.append(_us(span.duration_s) > _us(ends))
        else:
            detected = fired is not None and _us(fired) <= _us(policy.timeout_s)
            in_time.append(detected)
            latencies.append(fired if detected and fired is not None else policy.timeout_s)
    return Score(_mean(latencies), _mean(cut), _mean(in_time))


def score_silence(spans: Iterable[Span], delay_s: float) -> Score:
    """Score silence alone: every span that lasts longer than one delay is over; every end is found after it.

    Examples
    --------
    >>> score_silence([Span(kind="hold", duration_s=d) for d in (0.2, 0.3, 0.4)], 0.3)
    Score(mean_latency_s=0.3, cutoff_rate=0.3333333333333333, detect_rate=1.0)
    """
    cut = [_us(span.duration_s) > _us(delay_s) for span in spans if span.kind == "hold" and span.counts]
    return Score(delay_s, _mean(cut), 1.0)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def policies() -> Iterator[Policy]:
    """Every policy that the benchmark tries: 101 thresholds, delays of 0.2 to 1 s, timeouts of 1 to 3.5 s.

    Examples
    --------
    >>> len(list(policies()))
    5454
    """
    for threshold in range(101):
        for delay in range(2, 11):
            for timeout in range(2, 8):
                yield Policy(threshold=threshold / 100, action_delay_s=delay / 10, timeout_s=timeout / 2)


def pareto_scores(scores: Sequence[Score]) -> list[Score]:
    """The scores that no other score beats in both latency and cut-offs, by rising latency."""
    latencies, cutoffs = [s.mean_latency_s for s in scores], [s.cutoff_rate for s in scores]
    return [scores[k] for k in pareto_front(latencies, cutoffs)]


def latency_by_identity(detect_rate: float, policy: Policy, score_point_s: float) -> float:
    """What the mean latency must be for a model that is asked once.

    ``detect_rate · max(action delay, score point) + (1 - detect_rate) · timeout``: each turn end has the one or the
    other latency, where the first is at most the timeout. It does not hold for the first crossing, whose fire times
    differ.

    Examples
    --------
    >>> policy = Policy(threshold=0.72, action_delay_s=0.3, timeout_s=3)
    >>> round(latency_by_identity(0.91, policy, 0.2), 6)
    0.543
    """
    fire = max(policy.action_delay_s, score_point_s)
    return detect_rate * fire + (1 - detect_rate) * policy.timeout_s


class Headline(NamedTuple):
    """Lowest cut-off rate within a mean latency, shortest mean latency within a cut-off rate; ``None``: not reached."""

    cutoff_at_300ms: float | None
    cutoff_at_600ms: float | None
    latency_s_at_5pct: float | None
    latency_s_at_10pct: float | None


def headline_of(points: Sequence[tuple[float, float]]) -> Headline:
    """The four headline figures of a model.

    Parameters
    ----------
    points
        ``(mean_latency_s, cutoff_rate)`` of its policies, or of its frontier alone.

    Examples
    --------
    >>> headline_of([(0.25, 0.2), (0.5, 0.12), (0.9, 0.08)])
    Headline(cutoff_at_300ms=0.2, cutoff_at_600ms=0.12, latency_s_at_5pct=None, latency_s_at_10pct=0.9)
    """
    latencies, cutoffs = [point[0] for point in points], [point[1] for point in points]
    at_latency = [least_within(cutoffs, latencies, budget) for budget in LATENCY_BUDGETS_S]
    at_cutoff = [least_within(latencies, cutoffs, budget) for budget in CUTOFF_BUDGETS]
    return Headline(
        *(None if place is None else float(cutoffs[place]) for place in at_latency),
        *(None if place is None else float(latencies[place]) for place in at_cutoff),
    )
