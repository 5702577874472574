"""The streaming turn detector: one probability in, at most one event out. Sans-I/O.

State machine (DESIGN §4, DETECTORS §3). Of a frame with probability ``p``, *high* is ``p >= threshold`` and *low* is
``p < deactivation_threshold``. The turn detector is in SILENCE, in SPEECH, or in a PAUSE of the speech, which begins
with the first low frame of a silence. A pause has lasted from its start to the frame's end; a frame is decided on at
its end, and later by the lookahead. Rows are tried from the top, and several may hold for one frame.

=======  ====================================================================  =======  ================
state    frame                                                                 next     event
=======  ====================================================================  =======  ================
SILENCE  high, and the run of high frames reaches ``min_speech``               SPEECH   `SpeechStarted`
SILENCE  high, run still too short                                             SILENCE
SILENCE  not high: the run starts anew                                         SILENCE
SPEECH   low                                                                   PAUSE
PAUSE    high: the pause and all its answers are forgotten                     SPEECH
any      end of stream, a turn under way                                       SILENCE  `SpeechStopped`, flush
=======  ====================================================================  =======  ================

Without an `EndOfTurn`, further:

=======  ====================================================================  =======  ================
state    frame                                                                 next     event
=======  ====================================================================  =======  ================
PAUSE    low, and it has lasted ``silence_duration``                           SILENCE  `SpeechStopped`, silence
=======  ====================================================================  =======  ================

With an `EndOfTurn`, further. *Fired*: the last answer is ``> threshold``. It is acted upon at the later of the two:
asked + latency, and pause's start + action delay.

=======  ====================================================================  =======  ================
state    frame                                                                 next     event
=======  ====================================================================  =======  ================
PAUSE    fired, and decided on not before where that is acted upon             SILENCE  `SpeechStopped`, score
PAUSE    low, lasted ``silence_duration``, not fired; not asked yet, or the    PAUSE    `ScoreWanted`
         last time ``interval`` ago, or every frame is asked for
PAUSE    low, lasted ``max(timeout, silence_duration)``                        SILENCE  `SpeechStopped`, timeout
=======  ====================================================================  =======  ================

The caller gives the answer to a `ScoreWanted` (`TurnDetector.answer`) before it feeds the next frame, and all that the
frame can still cause comes from there: the answer may fire and be acted upon on the frame that asks, or the frame may
be the one that times out. So a frame gives at most one event by `TurnDetector.feed` and, after a question, at most one
more by `TurnDetector.answer`. An answer of ``None`` says that no score is at hand; it does not fire.

Three cases that are easily misread:

* A frame between the thresholds neither asks nor times out, and a pause goes on over it; what has fired is acted upon
  on it.
* With ``threshold < 0.01`` a frame may be high and low: it ends the pause before it and begins one of its own, which
  has lasted one frame at its end.
* An answer forgotten with its pause stays forgotten, though its time had come in the same frame: speech is back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast, get_args

from bidilab.core.errors import BidilabError, InvalidParameterError
from bidilab.detect.turns.endofturn import EndOfTurn, EndOfTurnRule
from bidilab.detect.turns.params import TurnParams

__all__ = [
    "STOP_CAUSES",
    "AskedScore",
    "ScoreFunction",
    "ScoreWanted",
    "SpeechStarted",
    "SpeechStopped",
    "StopCause",
    "Turn",
    "TurnDetector",
    "check_score",
    "turns_from_events",
]

StopCause = Literal["silence", "score", "timeout", "flush"]
"""Why a turn ended: the VAD's silence, without a scorer; a score; silence whatever the score; the end of the stream."""
STOP_CAUSES: tuple[StopCause, ...] = get_args(StopCause)


def check_score(score: float) -> float:
    """Return a score as a float when it is a number in [0, 1].

    Raises
    ------
    InvalidParameterError
        If it is not.
    """
    value = float(score)
    if not 0.0 <= value <= 1.0:
        raise InvalidParameterError("score", "a number in [0, 1], or None if there is none", score)
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """The detector decided that the user speaks. All positions are samples of the detector's stream.

    Parameters
    ----------
    onset
        Start of the first frame of the run that made the decision.
    decided_at
        End of the frame on which it was made.
    audio_start
        Where the turn's audio starts: ``max(onset - prefix, previous audio_end, 0)``.
    """

    onset: int
    decided_at: int
    audio_start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStopped:
    """The detector decided that the turn is over. All positions are samples of the detector's stream.

    Parameters
    ----------
    offset
        Start of the silence that ended the turn; the end of the stream when it was flushed.
    decided_at
        End of the frame on which the decision was made.
    audio_end
        Where the turn's audio ends; equals ``decided_at``.
    flushed
        Whether the stream ended before the turn did.
    cause
        One of `STOP_CAUSES`; not given: ``flush`` for one that is flushed, else ``silence``.
    score
        The score that the turn ended by; ``None`` for every other cause.

    Raises
    ------
    InvalidParameterError
        If cause, score and ``flushed`` do not go together.
    """

    offset: int
    decided_at: int
    audio_end: int
    flushed: bool = False
    cause: StopCause = None  # type: ignore[assignment]  # one of them once constructed
    score: float | None = None

    def __post_init__(self) -> None:
        cause = cast("StopCause | None", self.cause)
        if cause is None:
            object.__setattr__(self, "cause", "flush" if self.flushed else "silence")
        elif cause not in STOP_CAUSES or (cause == "flush") != self.flushed:
            allowed = "flush" if self.flushed else ", ".join(STOP_CAUSES[:-1])
            raise InvalidParameterError("cause", f"{allowed} if flushed is {self.flushed}", cause)
        if (self.score is not None) != (self.cause == "score"):
            raise InvalidParameterError("score", "given if, and only if, the cause is score", self.score)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreWanted:
    """The detector asks whether the turn is over. All positions are samples of the detector's stream.

    Parameters
    ----------
    onset
        Onset of the turn.
    pause_start
        Start of the pause's first low frame.
    asked_at
        Where the frame that asks was decided on: its end, and the lookahead. The scorer hears nothing beyond it.
    """

    onset: int
    pause_start: int
    asked_at: int


class AskedScore(NamedTuple):
    """A question of the detector, and the answer; ``None`` where no score was at hand."""

    question: ScoreWanted
    score: float | None


ScoreFunction = Callable[[ScoreWanted], "float | None"]
"""Answers a question of the detector with a score in [0, 1]; ``None`` where none is at hand."""


class Turn(NamedTuple):
    """One detected turn; all positions in samples of the detector's stream.

    ``onset`` and ``started_at`` are `SpeechStarted`'s onset and decision, ``offset`` and ``stopped_at``
    `SpeechStopped`'s; the turn's audio is ``[audio_start, audio_end)``. ``cause`` is one of `STOP_CAUSES`.
    """

    onset: int
    started_at: int
    audio_start: int
    offset: int
    stopped_at: int
    audio_end: int
    flushed: bool
    cause: StopCause = "silence"


@dataclass(slots=True)
class _Pause:
    """The pause under way: where it began, where was asked last, the answer and the position from which it is known."""

    start: int
    asked_at: int | None = None
    score: float | None = None
    known_at: int = 0

    def fired(self, rule: EndOfTurnRule) -> bool:
        return self.score is not None and self.score > rule.threshold


class TurnDetector:
    """Turn detection over a stream of speech probabilities.

    Parameters
    ----------
    params
        Parameters of the detection.
    frame_samples
        Samples per probability.
    sample_rate
        Hertz.
    lookahead_samples
        How much the voice activity detector hears beyond a frame's end: every decision comes later by as much.
    end_of_turn
        How turns end by a score; ``None``: by silence alone, and nothing is asked.
    scorer_latency_ms
        The scorer's own latency, for an ``end_of_turn`` that does not say.
    asks_every_frame
        Whether to ask again on every frame of a pause, whatever the interval: for scores computed elsewhere.

    Examples
    --------
    >>> detector = TurnDetector(TurnParams(silence_duration_ms=64), frame_samples=512, sample_rate=16_000)
    >>> [type(e).__name__ for p in (0.1, 0.9, 0.1, 0.1) if (e := detector.feed(p))]
    ['SpeechStarted', 'SpeechStopped']

    >>> detector = TurnDetector(
    ...     TurnParams(silence_duration_ms=64), frame_samples=512, sample_rate=16_000, end_of_turn=EndOfTurn()
    ... )
    >>> [e for p in (0.1, 0.9, 0.1, 0.1) if (e := detector.feed(p))][-1]
    ScoreWanted(onset=512, pause_start=1024, asked_at=2048)
    >>> detector.answer(0.8)
    SpeechStopped(offset=1024, decided_at=2048, audio_end=2048, flushed=False, cause='score', score=0.8)
    """

    def __init__(
        self,
        params: TurnParams,
        *,
        frame_samples: int,
        sample_rate: int,
        lookahead_samples: int = 0,
        end_of_turn: EndOfTurn | None = None,
        scorer_latency_ms: float = 0,
        asks_every_frame: bool = False,
    ) -> None:
        self._frame_samples = frame_samples
        self._lookahead = lookahead_samples
        self._sample_rate = sample_rate
        self._scorer_latency_ms = scorer_latency_ms
        self._asks_every_frame = asks_every_frame
        self._frames = 0
        self._run = 0
        self._onset: int | None = None  # of the turn under way
        self._pause: _Pause | None = None
        self._question: ScoreWanted | None = None
        self._audio_end = 0
        self.update(params)
        self.update_end_of_turn(end_of_turn)

    @property
    def params(self) -> TurnParams:
        """The parameters in force for the next frame."""
        return self._params

    @property
    def end_of_turn(self) -> EndOfTurn | None:
        """How turns end by a score from the next frame on, if they do."""
        return self._end_of_turn

    @property
    def speaking(self) -> bool:
        """Whether the detector is inside a turn."""
        return self._onset is not None

    @property
    def question(self) -> ScoreWanted | None:
        """The question that must be answered before the next frame, if any."""
        return self._question

    @property
    def position_samples(self) -> int:
        """Number of samples in the frames fed so far."""
        return self._frames * self._frame_samples

    @property
    def decided_at(self) -> int:
        """Position at which the last frame fed was decided on: its end and the lookahead."""
        return self.position_samples + self._lookahead

    def update(self, params: TurnParams) -> None:
        """Use other parameters from the next frame on; speech and silence counted so far are kept."""
        self._in_frames = params.in_frames(frame_samples=self._frame_samples, sample_rate=self._sample_rate)
        self._params = params

    def update_end_of_turn(self, end_of_turn: EndOfTurn | None) -> None:
        """End turns by another rule from now on.

        The answers of a pause under way are kept and judged by the new threshold and delay; a question that is open is
        answered under the new rule. With ``None`` they are ignored.
        """
        self._end_of_turn = end_of_turn
        self._rule: EndOfTurnRule | None = None
        if end_of_turn is not None:
            self._rule = end_of_turn.in_frames(
                frame_samples=self._frame_samples,
                sample_rate=self._sample_rate,
                lookahead_samples=self._lookahead,
                scorer_latency_ms=self._scorer_latency_ms,
            )

    def feed(self, probability: float) -> SpeechStarted | SpeechStopped | ScoreWanted | None:
        """Take the next frame's probability and return the event it causes, if any.

        Raises
        ------
        InvalidParameterError
            If ``probability`` is not a number in [0, 1].
        BidilabError
            If a question is open: `answer` comes first.
        """
        # The comparisons are made in double precision, as in the kernel and in Silero's own loop: 0.7 as a
        # float32 is less than 0.7.
        p = float(probability)
        if not 0.0 <= p <= 1.0:
            raise InvalidParameterError("probability", "a number in [0, 1]", probability)
        self._check_answered()
        self._frames += 1
        return self._in_silence(p) if self._onset is None else self._in_speech(p, self._onset)

    def _check_answered(self) -> None:
        if self._question is not None:
            raise BidilabError(f"the detector's question is not answered yet: {self._question}")

    def _in_silence(self, p: float) -> SpeechStarted | None:
        self._run = self._run + 1 if p >= self._in_frames.threshold else 0
        if self._run < self._in_frames.min_speech_frames:
            return None
        self._onset = (self._frames - self._run) * self._frame_samples
        self._run = 0
        return SpeechStarted(
            onset=self._onset,
            decided_at=self.decided_at,
            audio_start=max(self._onset - self._in_frames.prefix_samples, self._audio_end, 0),
        )

    def _in_speech(self, p: float, onset: int) -> SpeechStopped | ScoreWanted | None:
        if p >= self._in_frames.threshold:
            self._pause = None
        low = p < self._in_frames.deactivation_threshold
        if low and self._pause is None:
            self._pause = _Pause(self.position_samples - self._frame_samples)
        pause, rule = self._pause, self._rule
        if pause is None:
            return None
        if rule is None:
            return self._stop("silence") if low and self._lasts(pause, self._in_frames.silence_frames) else None
        if (stopped := self._acted_upon(pause, rule)) is not None or not low:
            return stopped
        if self._wants_score(pause, rule):
            pause.asked_at = self.position_samples
            self._question = ScoreWanted(onset=onset, pause_start=pause.start, asked_at=self.decided_at)
            return self._question
        return self._timed_out(pause, rule)

    def _lasts(self, pause: _Pause, n_frames: int) -> bool:
        return self.position_samples - pause.start >= n_frames * self._frame_samples

    def _acted_upon(self, pause: _Pause, rule: EndOfTurnRule) -> SpeechStopped | None:
        if not pause.fired(rule):
            return None
        act_at = max(pause.known_at, pause.start + rule.action_delay_samples)
        return self._stop("score", pause.score) if self.position_samples >= act_at else None

    def _wants_score(self, pause: _Pause, rule: EndOfTurnRule) -> bool:
        if not self._lasts(pause, self._in_frames.silence_frames) or pause.fired(rule):
            return False
        if pause.asked_at is None or self._asks_every_frame:
            return True
        return 0 < rule.interval_samples <= self.position_samples - pause.asked_at

    def _timed_out(self, pause: _Pause, rule: EndOfTurnRule) -> SpeechStopped | None:
        n_frames = max(rule.timeout_frames, self._in_frames.silence_frames)
        return self._stop("timeout") if self._lasts(pause, n_frames) else None

    def answer(self, score: float | None) -> SpeechStopped | None:
        """Answer the open question; return the end of the turn if the frame that asked ends it.

        Parameters
        ----------
        score
            In [0, 1]; ``None`` if there is no score.

        Raises
        ------
        InvalidParameterError
            If ``score`` is anything else.
        BidilabError
            If no question is open.
        """
        if self._question is None:
            raise BidilabError("the detector has no open question")
        given = None if score is None else check_score(score)
        pause, rule, self._question = self._pause, self._rule, None
        if pause is None or rule is None:  # the rule was taken away meanwhile
            return None
        pause.score, pause.known_at = given, self.position_samples + rule.latency_samples
        return self._acted_upon(pause, rule) or self._timed_out(pause, rule)

    def flush(self) -> SpeechStopped | None:
        """End the stream: an open turn is stopped, and the event returned.

        Raises
        ------
        BidilabError
            If a question is open: `answer` comes first.
        """
        self._check_answered()
        self._run = 0
        return self._stop("flush") if self.speaking else None

    def _stop(self, cause: StopCause, score: float | None = None) -> SpeechStopped:
        flushed = cause == "flush"
        offset = self.position_samples if flushed or self._pause is None else self._pause.start
        self._onset = self._pause = None
        self._audio_end = self.decided_at
        return SpeechStopped(
            offset=offset,
            decided_at=self._audio_end,
            audio_end=self._audio_end,
            flushed=flushed,
            cause=cause,
            score=score,
        )


def turns_from_events(events: Iterable[SpeechStarted | SpeechStopped | ScoreWanted]) -> tuple[Turn, ...]:
    """Pair each start with its stop; a start without a stop makes no turn yet, and a question none."""
    turns = []
    started: SpeechStarted | None = None
    for event in events:
        if isinstance(event, SpeechStarted):
            started = event
        elif isinstance(event, SpeechStopped) and started is not None:
            turns.append(
                Turn(
                    onset=started.onset,
                    started_at=started.decided_at,
                    audio_start=started.audio_start,
                    offset=event.offset,
                    stopped_at=event.decided_at,
                    audio_end=event.audio_end,
                    flushed=event.flushed,
                    cause=event.cause,
                )
            )
            started = None
    return tuple(turns)
