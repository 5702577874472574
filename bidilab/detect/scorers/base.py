"""What a scorer is: a function of a window of audio to one probability, or scores that were computed elsewhere.

A scorer hears a window of the user's audio that ends where it is asked, and nothing else: it keeps no state between
calls. So a sweep and a session that ask with the same samples get the same score.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args, runtime_checkable

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import check_sample_rate

__all__ = ["TASKS", "EndOfTurnScorer", "InterruptionScorer", "ScoreTrack", "Task"]

IntArray = npt.NDArray[np.int64]

Task = Literal["eot", "interruption"]
"""``eot``: is the turn over? ``interruption``: is this speech meant to interrupt the agent?"""
TASKS: tuple[Task, ...] = get_args(Task)


@runtime_checkable
class EndOfTurnScorer(Protocol):
    """Tells how likely it is that the user's turn is over, from a window of the user's audio."""

    @property
    def name(self) -> str:
        """Name in the registry, such as ``smart-turn``."""

    @property
    def version(self) -> str:
        """Changes whenever the scores may change: hash of the weights, front end, runtime and a probe of the scores."""

    @property
    def sample_rate(self) -> int:
        """Hertz of the windows."""

    @property
    def window_samples(self) -> int:
        """The longest window that it hears, in samples."""

    @property
    def preroll_samples(self) -> int:
        """Samples that it hears from before the onset of the turn, ``>= 0``."""

    @property
    def latency_ms(self) -> float:
        """Milliseconds from asking to knowing, charged where the policy does not say; ``>= 0``."""

    def scores(self, windows: Sequence[FloatArray]) -> FloatArray:
        """Score windows.

        Parameters
        ----------
        windows
            Each ``(n,) float32`` in [-1, 1] at ``sample_rate``, ``0 < n <= window_samples``.

        Returns
        -------
        FloatArray
            ``(len(windows),) float32`` in [0, 1]: P(turn complete).
        """


@runtime_checkable
class InterruptionScorer(Protocol):
    """Tells how likely it is that speech over the agent is meant to interrupt it."""

    @property
    def name(self) -> str:
        """Name in the registry."""

    @property
    def version(self) -> str:
        """Changes whenever the scores may change."""

    @property
    def sample_rate(self) -> int:
        """Hertz of the windows."""

    @property
    def window_samples(self) -> int:
        """The longest window that it hears, in samples."""

    @property
    def preroll_samples(self) -> int:
        """Samples that it hears from before the onset of the turn, ``>= 0``."""

    @property
    def latency_ms(self) -> float:
        """Milliseconds from asking to knowing, charged where the policy does not say; ``>= 0``."""

    def scores(self, windows: Sequence[FloatArray], agent: Sequence[FloatArray] | None = None) -> FloatArray:
        """Score windows.

        Parameters
        ----------
        windows
            The user's audio, each ``(n,) float32`` in [-1, 1] at ``sample_rate``, ``0 < n <= window_samples``; a window
            ends at the decision time and begins ``preroll_samples`` before the onset.
        agent
            The agent's audio of the same windows, where it is at hand.

        Returns
        -------
        FloatArray
            ``(len(windows),) float32`` in [0, 1]: P(true interruption).
        """


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoreTrack:
    """Scores of one recording that were computed elsewhere, also by models that stream.

    Parameters
    ----------
    detector, version
        Name and version of what computed the scores.
    task
        Task of the scores: one of `TASKS`.
    sample_rate
        Hertz of the positions.
    heard_at
        ``(n,) int64`` rising samples: all audio that a score used was heard by then.
    known_at
        ``(n,) int64`` samples, ``>= heard_at``: when the score was available, network included.
    score
        ``(n,) float32`` in [0, 1].

    Raises
    ------
    InvalidParameterError
        If the arrays differ in length, times fall or are negative, a score was known before it was heard, or a score
        is not in [0, 1].

    Examples
    --------
    >>> track = ScoreTrack(
    ...     detector="vap", version="1", task="eot", sample_rate=16_000, heard_at=[1600, 3200], known_at=[1700, 3300],
    ...     score=[0.2, 0.8],
    ... )
    >>> track.at(since=0, asked_at=3200), track.at(since=1600, asked_at=3200)
    (0.20000000298023224, None)
    """

    detector: str
    version: str
    task: Task
    sample_rate: int
    heard_at: IntArray
    known_at: IntArray
    score: FloatArray
    _known_first: IntArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise InvalidParameterError("task", f"one of {', '.join(TASKS)}", self.task)
        check_sample_rate(self.sample_rate)
        heard, known = (_times(name, getattr(self, name)) for name in ("heard_at", "known_at"))
        score = np.ascontiguousarray(self.score, dtype=np.float32)
        if not heard.shape == known.shape == score.shape:
            raise InvalidParameterError(
                "score", "as many scores as times heard and known", (heard.shape, known.shape, score.shape)
            )
        if len(heard) and heard[0] < 0:
            raise InvalidParameterError("heard_at", "samples >= 0", int(heard[0]))
        _none("heard_at", "rising samples", heard[1:][np.diff(heard) < 0])
        _none("known_at", "not before the audio was heard: a score from the future", known[known < heard])
        _none("score", "numbers in [0, 1]", score[~((score >= 0) & (score <= 1))])
        object.__setattr__(self, "heard_at", heard)
        object.__setattr__(self, "known_at", known)
        object.__setattr__(self, "score", score)
        # The latest score known by a time is the last row only where answers come in the order of the questions.
        object.__setattr__(self, "_known_first", np.minimum.accumulate(known[::-1])[::-1].astype(np.int64))

    def at(self, *, since: int, asked_at: int) -> float | None:
        """Return the score of the last row that heard more than ``since`` and was known by ``asked_at``, if any.

        Parameters
        ----------
        since, asked_at
            Samples; usually the pause's start, and the end of a frame in it.
        """
        # Rows up to here may be known by then; from here on none is.
        last = bisect_right(self._known_first, asked_at) - 1
        while last >= 0 and self.heard_at[last] > since:
            if self.known_at[last] <= asked_at:
                return float(self.score[last])
            last -= 1
        return None


def _times(name: str, given: npt.ArrayLike) -> IntArray:
    array = np.asarray(given)
    if array.ndim != 1 or (array.size and not np.issubdtype(array.dtype, np.integer)):
        raise InvalidParameterError(name, "whole samples in an array of shape (n,)", f"{array.dtype} {array.shape}")
    return np.ascontiguousarray(array, dtype=np.int64)


def _none(name: str, allowed: str, wrong: npt.NDArray[np.generic]) -> None:
    if len(wrong):
        examples = ", ".join(str(value) for value in wrong[:3].tolist())
        raise InvalidParameterError(name, allowed, f"{len(wrong)} that are not, such as {examples}")
