"""TurnBench's scores: which predictions hit, and how many negatives are false.

For each speaker and task::

    positives     t1                    t2
    windows     [-0.25 ... min(t1 + 3.0, t2)]  [t2 - 0.25 ... t2 + 3.0]
    predictions      x   y                   z
                     hit (latency x - t1)    hit; y is free, but inside a window: no negative counts it

Predictions in excluded spans are dropped. Positives in time order take the earliest prediction that is free and in
their window. A negative [s, e] is false when a prediction that no positive took, outside of every window, lies in
[s - 0.25, e]; once at most. All bounds belong to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bidilab.core.checks import is_number
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.benchmarks.turnbench.gold import Gold, Task, TaskGold
from bidilab.lab.benchmarks.turnbench.predictions import Predictions

__all__ = ["LARGEST_FP_RATE", "BenchmarkScore", "MatchRule", "TaskScore", "match", "score"]

LARGEST_FP_RATE = 0.15
"""A row of the leaderboard qualifies with a false-positive rate on test of at most this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchRule:
    """Numbers of the matching.

    Parameters
    ----------
    early_s, late_s
        Seconds before and after a positive, ``>= 0``.
    ends_at_next
        Whether a window ends at the speaker's next positive at the latest. Older scores: ``late_s=2.0`` and ``False``.
    """

    early_s: float = 0.25
    late_s: float = 3.0
    ends_at_next: bool = True

    def __post_init__(self) -> None:
        for name in ("early_s", "late_s"):
            if not (is_number(getattr(self, name)) and 0 <= getattr(self, name) < float("inf")):
                raise InvalidParameterError(name, "seconds >= 0", getattr(self, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScore:
    """Counts of one task, and the rates that follow from them.

    Parameters
    ----------
    hits, positives
        Positives that were predicted, and all of them.
    false, negatives
        Negatives in which an event was predicted, and all of them.
    latencies_s
        Of the hits, where known: prediction - positive, in no order.

    Examples
    --------
    >>> row = TaskScore(hits=1289, positives=1904, false=407, negatives=1063)
    >>> round(row.recall, 4), round(row.fp_rate, 4), row.qualifies
    (0.677, 0.3829, False)
    """

    hits: int
    positives: int
    false: int
    negatives: int
    latencies_s: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for part, whole in (("hits", "positives"), ("false", "negatives")):
            if not 0 <= getattr(self, part) <= getattr(self, whole):
                raise InvalidParameterError(part, f"0 to {whole} ({getattr(self, whole)})", getattr(self, part))

    @property
    def recall(self) -> float:
        """Hits per positive; NaN without positives."""
        return self.hits / self.positives if self.positives else float("nan")

    @property
    def fp_rate(self) -> float:
        """Negatives in which an event was predicted, per negative; NaN without negatives."""
        return self.false / self.negatives if self.negatives else float("nan")

    @property
    def qualifies(self) -> bool:
        """Whether the leaderboard takes it."""
        return self.fp_rate <= LARGEST_FP_RATE

    def latency_ms(self, percentile: float) -> float:
        """A percentile of the hits' latencies, milliseconds; NaN without hits."""
        return float(np.percentile(self.latencies_s, percentile)) * 1_000 if self.latencies_s else float("nan")

    def __add__(self, other: TaskScore) -> TaskScore:
        return TaskScore(
            hits=self.hits + other.hits,
            positives=self.positives + other.positives,
            false=self.false + other.false,
            negatives=self.negatives + other.negatives,
            latencies_s=self.latencies_s + other.latencies_s,
        )

    def __str__(self) -> str:
        latencies = "/".join(f"{self.latency_ms(p):.0f}" for p in (10, 50, 90)) if self.latencies_s else "-"
        return (
            f"recall {self.recall:.4f} ({self.hits} of {self.positives}), false positives {self.fp_rate:.4f} "
            f"({self.false} of {self.negatives}), latency p10/p50/p90 {latencies} ms"
        )


_NOTHING = TaskScore(hits=0, positives=0, false=0, negatives=0)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BenchmarkScore:
    """Scores of a set of conversations.

    Parameters
    ----------
    eot, interruption
        The two tasks, over both speakers of all conversations.
    n_conversations
        How many.
    """

    eot: TaskScore
    interruption: TaskScore
    n_conversations: int

    def __repr__(self) -> str:
        return f"{self.n_conversations} conversations\nEOT: {self.eot}\nINT: {self.interruption}"

    def _repr_html_(self) -> str:
        return repr(self).replace("\n", "<br>")


def match(gold: TaskGold, predicted: Sequence[float], rule: MatchRule | None = None) -> TaskScore:
    """Score the predictions of one speaker in one task.

    Parameters
    ----------
    gold
        What is scored.
    predicted
        Rising times, seconds.
    rule
        Numbers of the matching; ``None`` for today's.
    """
    rule = rule or MatchRule()
    counted = [t for t in predicted if not any(start <= t <= end for start, end in gold.excluded)]
    windows = [
        (
            positive - rule.early_s,
            min([positive + rule.late_s, *gold.positives[k + 1 : k + 2]])
            if rule.ends_at_next
            else positive + rule.late_s,
        )
        for k, positive in enumerate(gold.positives)
    ]
    free = list(counted)
    latencies = []
    for positive, (first, last) in zip(gold.positives, windows, strict=True):
        taken = next((t for t in free if first <= t <= last), None)
        if taken is not None:
            free.remove(taken)
            latencies.append(taken - positive)
    loose = [t for t in free if not any(first <= t <= last for first, last in windows)]
    false = sum(any(start - rule.early_s <= t <= end for t in loose) for start, end in gold.negatives)
    return TaskScore(
        hits=len(latencies),
        positives=len(gold.positives),
        false=false,
        negatives=len(gold.negatives),
        latencies_s=tuple(latencies),
    )


def score(gold: Iterable[Gold], predictions: Predictions, *, rule: MatchRule | None = None) -> BenchmarkScore:
    """Score predictions.

    Parameters
    ----------
    gold
        Of every conversation; see `gold_of`.
    predictions
        Of exactly these conversations.
    rule
        Numbers of the matching; ``None`` for today's.

    Raises
    ------
    DatasetError
        If the predictions are not what TurnBench accepts; it lists every fault.
    """
    conversations = {each.conversation_id: each for each in gold}
    predictions.check({name: each.duration_s for name, each in conversations.items()})
    totals: dict[Task, TaskScore] = {"eot": _NOTHING, "interruption": _NOTHING}
    for name, each in conversations.items():
        for (speaker, task), task_gold in each.tasks.items():
            events = predictions.speakers[name, speaker].of(task)
            totals[task] = replace(totals[task] + match(task_gold, events, rule))
    return BenchmarkScore(**totals, n_conversations=len(conversations))
