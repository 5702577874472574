"""Guards: what a framework asks for, beyond the detector's word, before it lets speech interrupt the agent.

They act between the detector and the agent. Turns stay what they are; a guard says *when* a turn is acted upon, or that
it never is, and what becomes of the playback that it stopped. Turns outside a response are never guarded.

Semantics, in samples of the detector's stream (frames end at whole multiples of ``frame_samples``):

1. **Due.** A turn is *due* at the end of the first frame at which all of these hold: the turn has started
   (``started_at``); it has lasted ``min_interruption_ms`` since its onset; ``min_words`` words that end after its onset
   have ended. It is acted upon there (``acted_at``) when it still lasts (``acted_at <= stopped_at``, the frame that
   ends it included), else never. Without guards ``acted_at == started_at``.
   With an `AdaptiveInterruption` this must hold as well: a score of the turn is above its threshold, and is known; or
   the turn has lasted its window. It is asked for at the end of the first frame ``first_ms`` after the onset at which
   the turn has started, and again every ``interval_ms`` while it lasts, until one is above or the window is over.
2. **Interruption.** A response is interrupted by the first turn that starts in it and is acted upon before its end.
   ``detected`` latency is counted to ``acted_at``.
3. **Resume** (``false_interruption_timeout_ms`` finite). Acting pauses the response instead of ending it. When a turn
   ends (decided, not flushed) while a response is paused, and at least ``max(1, min_words)`` words ended in it, the
   interruption stands: the response is over and the turn is answered. Without them the response is resumed
   ``false_interruption_timeout_ms`` after that decision, from where it was paused; a turn that starts by then (the
   same sample included) keeps it paused until it ends in turn. A wordless turn that ends while paused is not answered.

What frameworks do (read in livekit-agents 1.8.9, ``voice/agent_activity.py`` and ``inference/vad.py``, and pipecat-ai
1.14.0, ``turns/user_start/min_words_user_turn_start_strategy.py``, November 2026):

* LiveKit compares ``min_duration`` (``min_interruption_duration``, default 0.5 s) with the VAD's ``speech_duration``,
  which runs from the onset for as long as the VAD holds the turn: **the silence that ends a turn counts**. So with a
  silence duration above the guard's, a click passes it; that is theirs, kept here, and a sweep shows it.
* LiveKit's ``min_words`` (default 0) is looked at on the same occasions, against the transcript so far; Pipecat asks
  for ``min_words`` only while the bot speaks. ``resume_false_interruption`` with ``false_interruption_timeout``
  (default 2 s) counts from the end of speech, is held back by new speech, and given up when a final transcript comes.

Assumptions, named: a word counts from its end on (a recogniser is later by its own delay), and the final transcript is
there when the end of the turn is decided. LiveKit acts on the frame after the one that starts a turn, here on the same.
A final transcript shorter than ``min_interruption_ms`` interrupts in LiveKit after all; here the guard holds.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bidilab.core.checks import check_duration_ms, is_whole
from bidilab.core.errors import BidilabError, InvalidParameterError
from bidilab.core.units import ms_to_samples
from bidilab.detect.turns.detector import ScoreFunction, ScoreWanted, SpeechStarted, Turn, check_score
from bidilab.detect.turns.interruption import AdaptiveInterruption, AdaptiveRule

__all__ = [
    "GuardRule",
    "Guards",
    "InterruptionDue",
    "ScoredGuard",
    "TurnGuard",
    "acted_at_reference",
    "resumed_at_reference",
    "words_said",
]

NEVER = math.inf


class GuardRule(NamedTuple):
    """`Guards` in frames and samples of one stream; ``timeout_samples`` is -1 for never.

    ``adaptive`` is the `AdaptiveInterruption` beside them, ``None`` for none.
    """

    min_frames: int
    min_words: int
    timeout_samples: int
    adaptive: AdaptiveRule | None = None

    @property
    def sees_ends(self) -> bool:
        """Whether where a turn ends can decide whether it is acted upon."""
        return bool(self.min_frames or self.min_words or self.adaptive is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """Conditions, beyond the detector's decision, for speech to interrupt the agent.

    Parameters
    ----------
    min_interruption_ms
        The turn must have lasted this long since its onset, the silence under way included; rounded up to whole
        frames. In [0, 600,000]; 0 for none. LiveKit: ``min_interruption_duration`` (seconds).
    min_words
        Words that must have ended since the onset, ``>= 0``; 0 for none. LiveKit: ``min_interruption_words``;
        Pipecat: ``MinWordsUserTurnStartStrategy(min_words=…)``.
    false_interruption_timeout_ms
        A response that was stopped is resumed this long after the end of a turn without words, in [0, 600,000];
        infinity: never, an interruption ends the response. LiveKit: ``false_interruption_timeout`` (seconds).

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.

    Examples
    --------
    >>> Guards(min_interruption_ms=500).in_frames(frame_samples=512, sample_rate=16_000)
    GuardRule(min_frames=16, min_words=0, timeout_samples=-1, adaptive=None)
    """

    min_interruption_ms: float = 0
    min_words: int = 0
    false_interruption_timeout_ms: float = NEVER

    def __post_init__(self) -> None:
        check_duration_ms("min_interruption_ms", self.min_interruption_ms)
        words = self.min_words
        if not (is_whole(words) and 0 <= words <= 1000):
            raise InvalidParameterError("min_words", "a whole number of words in [0, 1000]", words)
        object.__setattr__(self, "min_words", int(words))
        if self.false_interruption_timeout_ms != NEVER:
            check_duration_ms("false_interruption_timeout_ms", self.false_interruption_timeout_ms)

    @property
    def resumes(self) -> bool:
        """Whether a false interruption is taken back."""
        return self.false_interruption_timeout_ms != NEVER

    @property
    def needs_words(self) -> bool:
        """Whether the guards need to know when the user's words end."""
        return self.min_words > 0 or self.resumes

    @property
    def words_to_stand(self) -> int:
        """Number of words that a turn needs to confirm the interruption of a paused response."""
        return max(1, self.min_words)

    def in_frames(self, *, frame_samples: int, sample_rate: int, lookahead_samples: int = 0) -> GuardRule:
        """The guards in frames of ``frame_samples`` samples at ``sample_rate`` hertz.

        A detector that hears ``lookahead_samples`` beyond a frame decides that much after its end.
        """
        lasting = ms_to_samples(self.min_interruption_ms, sample_rate) - lookahead_samples
        return GuardRule(
            min_frames=max(0, -(-lasting // frame_samples)),
            min_words=self.min_words,
            timeout_samples=ms_to_samples(self.false_interruption_timeout_ms, sample_rate) if self.resumes else -1,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptionDue:
    """A turn passed the guards: it is acted upon. Positions in samples of the detector's stream.

    Parameters
    ----------
    onset
        Onset of the turn.
    acted_at
        End of the frame at which the last guard was passed.
    """

    onset: int
    acted_at: int


class TurnGuard:
    """The guards of a stream of turns. Sans-I/O: starts, positions and stops in, what is due out.

    Per frame: `start` when the detector starts a turn on it, then `advance` to its end, then `stop` when it ends one.
    Frames may be skipped: what is due does not depend on when it is asked. With an `AdaptiveInterruption` no frame is
    skipped, and `wanted` comes before `advance`; what it wants is given by `answer`.

    Parameters
    ----------
    guards
        Conditions that a turn must meet.
    word_ends
        Where the user's words end, rising, in samples of the detector's stream.
    frame_samples, sample_rate, lookahead_samples
        Samples a frame, hertz, and how long after a frame's end it is decided on.
    adaptive, scorer_latency_ms, asks_every_frame
        How a scorer decides besides, its own latency, and whether every frame asks; ``None`` for no scorer.
    """

    def __init__(
        self,
        guards: Guards,
        *,
        word_ends: Sequence[int] = (),
        frame_samples: int,
        sample_rate: int,
        lookahead_samples: int = 0,
        adaptive: AdaptiveInterruption | None = None,
        scorer_latency_ms: float = 0,
        asks_every_frame: bool = False,
    ) -> None:
        self._word_ends = word_ends
        self._frame = frame_samples
        self._rate = sample_rate
        self._ahead = lookahead_samples
        self._turn: SpeechStarted | None = None
        self._scored = {"scorer_latency_ms": scorer_latency_ms, "asks_every_frame": asks_every_frame}
        self._asked_at: int | None = None
        self._question: ScoreWanted | None = None
        self._allowed_at: int | None = None  # by a score
        self.update(guards)
        self.update_adaptive(adaptive)

    def update(self, guards: Guards) -> None:
        """Guard by others from now on, an open turn that is not yet due too."""
        self._rule = guards.in_frames(frame_samples=self._frame, sample_rate=self._rate, lookahead_samples=self._ahead)

    def update_adaptive(self, adaptive: AdaptiveInterruption | None) -> None:
        """Let a scorer decide by another rule from now on, or none; answers that were given are kept."""
        grain = {"frame_samples": self._frame, "sample_rate": self._rate, "lookahead_samples": self._ahead}
        self._adaptive = None if adaptive is None else adaptive.in_frames(**grain, **self._scored)  # type: ignore[arg-type]

    def start(self, started: SpeechStarted) -> None:
        """A turn starts."""
        self._turn = started
        self._asked_at = self._question = self._allowed_at = None

    def wanted(self, position: int) -> ScoreWanted | None:
        """The stream has come to a position; the score that is wanted there, if any. `answer` it before `advance`."""
        turn, rule = self._turn, self._adaptive
        if turn is None or rule is None or self._allowed_at is not None:
            return None
        lasted = position - turn.onset - self._ahead
        if 0 <= rule.window_frames * self._frame <= lasted:
            return None
        if self._asked_at is None:
            due = position >= max(turn.decided_at, turn.onset + rule.first_frames * self._frame + self._ahead)
        else:
            due = 0 < rule.interval_frames * self._frame <= position - self._asked_at
        if not due:
            return None
        self._asked_at = position
        self._question = ScoreWanted(onset=turn.onset, pause_start=turn.onset, asked_at=position)
        return self._question

    def answer(self, score: float | None) -> None:
        """Give the score that is wanted, in [0, 1]; ``None`` where none is at hand.

        Raises
        ------
        BidilabError
            If none is wanted.
        """
        if self._question is None or self._adaptive is None:
            raise BidilabError("the guard has not asked for a score")
        if score is not None and check_score(score) > self._adaptive.threshold:
            self._allowed_at = self._question.asked_at + self._adaptive.latency_frames * self._frame
        self._question = None

    def advance(self, position: int) -> InterruptionDue | None:
        """The stream has come to a position; what became due by then, once a turn."""
        if self._turn is None:
            return None
        if self._question is not None:
            raise BidilabError(f"the guard's question is not answered yet: {self._question}")
        due = self._due(self._turn)
        if due is None or due > position:
            return None
        onset, self._turn = self._turn.onset, None
        return InterruptionDue(onset=onset, acted_at=due)

    def stop(self) -> None:
        """The turn is over; what was not due is not acted upon."""
        self._turn = self._question = None

    def _due(self, started: SpeechStarted) -> int | None:
        due = max(started.decided_at, started.onset + self._rule.min_frames * self._frame + self._ahead)
        if self._adaptive is not None:
            allowed = [] if self._allowed_at is None else [self._allowed_at]
            if self._adaptive.window_frames >= 0:
                allowed.append(started.onset + self._adaptive.window_frames * self._frame + self._ahead)
            if not allowed:
                return None
            due = max(due, min(allowed))
        if not self._rule.min_words:
            return due
        last = bisect_right(self._word_ends, started.onset) + self._rule.min_words - 1
        if last >= len(self._word_ends):
            return None
        frames = -(-(self._word_ends[last] - self._ahead) // self._frame)
        return max(due, frames * self._frame + self._ahead)


def words_said(word_ends: Sequence[int], start: int, end: int) -> int:
    """Number of words that end in ``(start, end]``; ``word_ends`` is rising."""
    return bisect_right(word_ends, end) - bisect_right(word_ends, start)


class ScoredGuard(NamedTuple):
    """How a scorer decides on the turns of one stream: the policy, what answers, and how it is asked."""

    adaptive: AdaptiveInterruption
    scores: ScoreFunction
    scorer_latency_ms: float = 0
    asks_every_frame: bool = False


def acted_at_reference(
    turns: Sequence[Turn],
    guards: Guards,
    *,
    word_ends: Sequence[int] = (),
    frame_samples: int,
    sample_rate: int,
    scored: ScoredGuard | None = None,
) -> tuple[int | None, ...]:
    """Where each turn is acted upon, written to be read: every frame of it is tried.

    Parameters
    ----------
    turns
        In time order, on whole frames.
    guards, word_ends, frame_samples, sample_rate
        As in `TurnGuard`.
    scored
        How a scorer decides besides; ``None`` for none.

    Returns
    -------
    tuple of int or None
        One for each turn, in samples; ``None`` for a turn that never passes.
    """
    lasting = ms_to_samples(guards.min_interruption_ms, sample_rate)

    def passes(turn: Turn, position: int, allowed_at: float) -> bool:
        said = sum(turn.onset < end <= position for end in word_ends)
        return position - turn.onset >= lasting and said >= guards.min_words and position >= allowed_at

    acted: list[int | None] = []
    for turn in turns:
        frames = range(turn.started_at, turn.stopped_at + 1, frame_samples)
        allowed_at = turn.onset if scored is None else _allowed_at(turn, frames, scored, sample_rate)
        acted.append(next((at for at in frames if passes(turn, at, allowed_at)), None))
    return tuple(acted)


def _allowed_at(turn: Turn, frames: Sequence[int], scored: ScoredGuard, sample_rate: int) -> float:
    """Where a score, or the turn's length, lets it interrupt; infinity for nowhere."""
    policy = scored.adaptive
    latency_ms = scored.scorer_latency_ms if policy.latency_ms is None else policy.latency_ms
    first, interval, latency = (
        ms_to_samples(ms, sample_rate) for ms in (policy.first_ms, policy.interval_ms, latency_ms)
    )
    window = turn.onset + ms_to_samples(policy.window_ms, sample_rate) if policy.window_ms != NEVER else NEVER
    last: int | None = None
    for at in frames:
        again = scored.asks_every_frame or (interval > 0 and at - (last or 0) >= interval)
        if at - turn.onset < first or at >= window or (last is not None and not again):
            continue
        last = at
        score = scored.scores(ScoreWanted(onset=turn.onset, pause_start=turn.onset, asked_at=at))
        if score is not None and check_score(score) > policy.threshold:
            return min(at + latency, window)
    return window


def resumed_at_reference(
    turns: Sequence[Turn], guards: Guards, *, n_words: Sequence[int], n_samples: int, sample_rate: int
) -> tuple[int | None, ...]:
    """Where a response that each turn paused goes on: rule 3, for every turn as if it had paused one.

    Parameters
    ----------
    turns
        In time order.
    guards
        Conditions that a turn must meet.
    n_words
        Words that end in each turn (`words_said`).
    n_samples
        Length of the stream: nothing is resumed after it.
    sample_rate
        Hertz.

    Returns
    -------
    tuple of int or None
        One for each turn, in samples; ``None`` where the interruption stands, or the stream ends before.
    """
    if not guards.resumes:
        return (None,) * len(turns)
    timeout = ms_to_samples(guards.false_interruption_timeout_ms, sample_rate)

    def resumed(k: int) -> int | None:
        if turns[k].flushed or n_words[k] >= guards.words_to_stand:
            return None
        deadline = turns[k].stopped_at + timeout
        if k + 1 < len(turns) and turns[k + 1].started_at <= deadline:
            return resumed_from[k + 1]
        return deadline if deadline <= n_samples else None

    resumed_from: dict[int, int | None] = {}
    for k in reversed(range(len(turns))):
        resumed_from[k] = resumed(k)
    return tuple(resumed_from[k] for k in range(len(turns)))
