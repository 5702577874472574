"""Guards: what a framework asks for, beyond the detector's word, before it lets speech interrupt the agent.

They act between the detector and the agent. Turns stay what they are; a guard says *when* a turn is acted upon, or that
it never is, and what becomes of the playback that it stopped. Turns outside a response are never guarded.

Semantics, in samples of the detector's stream (frames end at whole multiples of ``frame_samples``):

1. **Due.** A turn is *due* at the end of the first frame at which all of these hold: the turn has started
   (``started_at``); it has lasted ``min_interruption_ms`` since its onset; ``min_words`` words that end after its onset
   have ended. It is acted upon there (``acted_at``) when it still lasts (``acted_at <= stopped_at``, the frame that
   ends it included), else never. Without guards ``acted_at == started_at``.
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

from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import ms_to_samples
from bidilab.detect.turns.detector import SpeechStarted, Turn
from bidilab.detect.turns.params import check_duration_ms

__all__ = [
    "GuardRule",
    "Guards",
    "InterruptionDue",
    "TurnGuard",
    "acted_at_reference",
    "resumed_at_reference",
    "words_said",
]

NEVER = math.inf


class GuardRule(NamedTuple):
    """`Guards` in frames and samples of one stream; ``timeout_samples`` is -1 for never."""

    min_frames: int
    min_words: int
    timeout_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What must hold, beyond the detector's decision, for speech to interrupt the agent.

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
    GuardRule(min_frames=16, min_words=0, timeout_samples=-1)
    """

    min_interruption_ms: float = 0
    min_words: int = 0
    false_interruption_timeout_ms: float = NEVER

    def __post_init__(self) -> None:
        check_duration_ms("min_interruption_ms", self.min_interruption_ms)
        words = self.min_words
        if isinstance(words, bool | str) or not 0 <= words <= 1000 or int(words) != words:
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
        """Whether it must be known when the user's words end."""
        return self.min_words > 0 or self.resumes

    @property
    def words_to_stand(self) -> int:
        """Words that a turn must have for the interruption of a paused response to stand."""
        return max(1, self.min_words)

    def in_frames(self, *, frame_samples: int, sample_rate: int) -> GuardRule:
        """The guards in frames of ``frame_samples`` samples at ``sample_rate`` hertz."""
        return GuardRule(
            min_frames=-(-ms_to_samples(self.min_interruption_ms, sample_rate) // frame_samples),
            min_words=self.min_words,
            timeout_samples=ms_to_samples(self.false_interruption_timeout_ms, sample_rate) if self.resumes else -1,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptionDue:
    """A turn passed the guards: it is acted upon. Positions in samples of the detector's stream.

    Parameters
    ----------
    onset
        Of the turn.
    acted_at
        End of the frame at which the last guard was passed.
    """

    onset: int
    acted_at: int


class TurnGuard:
    """The guards of a stream of turns. Sans-I/O: starts, positions and stops in, what is due out.

    Per frame: `start` when the detector starts a turn on it, then `advance` to its end, then `stop` when it ends one.
    Frames may be skipped: what is due does not depend on when it is asked.

    Parameters
    ----------
    guards
        What must hold.
    word_ends
        Where the user's words end, rising, in samples of the detector's stream.
    frame_samples, sample_rate
        Samples a frame, and hertz.
    """

    def __init__(self, guards: Guards, *, word_ends: Sequence[int] = (), frame_samples: int, sample_rate: int) -> None:
        self._word_ends = word_ends
        self._frame = frame_samples
        self._rate = sample_rate
        self._turn: SpeechStarted | None = None
        self.update(guards)

    def update(self, guards: Guards) -> None:
        """Guard by others from now on, an open turn that is not yet due too."""
        self._rule = guards.in_frames(frame_samples=self._frame, sample_rate=self._rate)

    def start(self, started: SpeechStarted) -> None:
        """A turn starts."""
        self._turn = started

    def advance(self, position: int) -> InterruptionDue | None:
        """The stream has come to a position; what became due by then, once a turn."""
        if self._turn is None:
            return None
        due = self._due(self._turn)
        if due is None or due > position:
            return None
        onset, self._turn = self._turn.onset, None
        return InterruptionDue(onset=onset, acted_at=due)

    def stop(self) -> None:
        """The turn is over; what was not due is not acted upon."""
        self._turn = None

    def _due(self, started: SpeechStarted) -> int | None:
        due = max(started.decided_at, started.onset + self._rule.min_frames * self._frame)
        if not self._rule.min_words:
            return due
        last = bisect_right(self._word_ends, started.onset) + self._rule.min_words - 1
        if last >= len(self._word_ends):
            return None
        return max(due, -(-self._word_ends[last] // self._frame) * self._frame)


def words_said(word_ends: Sequence[int], start: int, end: int) -> int:
    """How many words end in ``(start, end]``; ``word_ends`` is rising."""
    return bisect_right(word_ends, end) - bisect_right(word_ends, start)


def acted_at_reference(
    turns: Sequence[Turn], guards: Guards, *, word_ends: Sequence[int] = (), frame_samples: int, sample_rate: int
) -> tuple[int | None, ...]:
    """Where each turn is acted upon, written to be read: every frame of it is tried.

    Parameters
    ----------
    turns
        In time order, on whole frames.
    guards, word_ends, frame_samples, sample_rate
        As in `TurnGuard`.

    Returns
    -------
    tuple of int or None
        One for each turn, in samples; ``None`` for a turn that never passes.
    """
    lasting = ms_to_samples(guards.min_interruption_ms, sample_rate)

    def passes(turn: Turn, position: int) -> bool:
        said = sum(turn.onset < end <= position for end in word_ends)
        return position - turn.onset >= lasting and said >= guards.min_words

    return tuple(
        next((at for at in range(t.started_at, t.stopped_at + 1, frame_samples) if passes(t, at)), None) for t in turns
    )


def resumed_at_reference(
    turns: Sequence[Turn], guards: Guards, *, n_words: Sequence[int], n_samples: int, sample_rate: int
) -> tuple[int | None, ...]:
    """Where a response that each turn paused goes on: rule 3, for every turn as if it had paused one.

    Parameters
    ----------
    turns
        In time order.
    guards
        What must hold.
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
