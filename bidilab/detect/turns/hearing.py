"""The ear: samples of one stream in, turns out. Sans-I/O.

Resampler, voice activity detector, turn detector and guards as one, for every live listener: the local model,
the Realtime server, a stand-in for a provider. The same audio gives the same decisions at the same positions however it
is cut into chunks. Positions are samples at the rate of the detector, from the first sample heard.

`Ear.feed` does it all. A caller that runs the detectors of many streams together takes it in two steps: `Ear.hear` says
what the detector is to be fed with, and `Ear.decide` takes its answer.

With a scorer the turn may end by a score (`bidilab.detect.turns.detector`). The ear keeps the last of its samples and
asks it itself; or, where that would take time that others need, it stops at the question (`Ear.question`), goes on
hearing, and decides on what it has heard since when it is told the answer (`Ear.answer`). Both give the same decisions
at the same positions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.core.units import ms_to_samples
from bidilab.detect.scorers.asking import Scorer
from bidilab.detect.scorers.base import EndOfTurnScorer, InterruptionScorer, ScoreTrack, Task
from bidilab.detect.scorers.stream import StreamScorer
from bidilab.detect.turns.detector import ScoreWanted, SpeechStarted, SpeechStopped, TurnDetector
from bidilab.detect.turns.endofturn import EndOfTurn
from bidilab.detect.turns.guards import Guards, InterruptionDue, TurnGuard, words_said
from bidilab.detect.turns.interruption import AdaptiveInterruption
from bidilab.detect.turns.params import TurnParams
from bidilab.detect.vad.base import VadBackend, lookahead_of
from bidilab.detect.vad.lockstep import VadWork
from bidilab.detect.vad.resampling import StreamResampler

__all__ = ["Ear", "EarDecision", "ScoreRequest", "moved"]

EarDecision = SpeechStarted | InterruptionDue | SpeechStopped
DetectorEvent = SpeechStarted | SpeechStopped | ScoreWanted | None
NO_GUARDS = Guards()

_SCALE = np.float32(1 / 32768)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoreRequest:
    """A question that waits for its answer.

    Parameters
    ----------
    task
        What is asked: is the turn over, or is it meant to interrupt?
    scorer
        Who is asked.
    asked_at
        Position at which it is asked: all that was heard by then is in the window.
    latency_ms
        What is charged from asking to knowing: the answer is acted upon that much later at the earliest.
    heard
        What the scorer hears, ``(n,) float32``.
    """

    task: Task
    scorer: Scorer
    asked_at: int
    latency_ms: float
    heard: FloatArray


class Ear:
    """Hears one stream.

    Parameters
    ----------
    vad
        The backend; positions are samples at its rate.
    params
        Parameters of the turn detection.
    guards
        What must hold for a turn to be acted upon; by default it is due where it starts.
    word_ends
        Where the user's words end, rising, samples of the stream; for guards that count words.
    keeps_audio
        Whether `turn_audio` is wanted.
    end_of_turn, scorer
        How turns end by a score, and what scores: both or neither. Of a `ScoreTrack` the positions are those of this
        very stream.
    interruption, interruption_scorer
        How a score decides that a turn interrupts, beside the guards, and what scores: both or neither.
    answers_later
        Whether the ear stops at a question until `answer` is called, rather than ask the scorer itself. Not for a
        `ScoreTrack`, which needs no time.

    Raises
    ------
    InvalidParameterError
        If a rule is without its scorer, a scorer without its rule, or a scorer hears another rate than the detector's.

    Examples
    --------
    >>> from bidilab.detect.vad import VadSpec
    >>> ear = Ear(VadSpec(name="energy").build(), TurnParams(silence_duration_ms=96))
    >>> heard = np.concatenate([np.zeros(4096), 0.5 * np.sin(np.arange(16_000) / 5), np.zeros(8000)])
    >>> [type(decision).__name__ for decision in ear.feed(heard.astype(np.float32), 16_000)]
    ['SpeechStarted', 'InterruptionDue', 'SpeechStopped']
    """

    def __init__(
        self,
        vad: VadBackend,
        params: TurnParams,
        *,
        guards: Guards = NO_GUARDS,
        word_ends: Sequence[int] = (),
        keeps_audio: bool = False,
        end_of_turn: EndOfTurn | None = None,
        scorer: EndOfTurnScorer | ScoreTrack | None = None,
        interruption: AdaptiveInterruption | None = None,
        interruption_scorer: InterruptionScorer | ScoreTrack | None = None,
        answers_later: bool = False,
    ) -> None:
        self.sample_rate = vad.sample_rate
        if (end_of_turn is None) != (scorer is None):
            raise InvalidParameterError("scorer", "given with end_of_turn, and only then", scorer)
        if (interruption is None) != (interruption_scorer is None):
            allowed = "given with interruption, and only then"
            raise InvalidParameterError("interruption_scorer", allowed, interruption_scorer)
        self._scorer = None if scorer is None else StreamScorer(scorer, sample_rate=vad.sample_rate)
        self._end_of_turn = end_of_turn
        self._interruption = interruption
        self._interruption_scorer = (
            None
            if interruption_scorer is None
            else StreamScorer(interruption_scorer, task="interruption", sample_rate=vad.sample_rate)
        )
        self._answers_later = answers_later
        self._asked: tuple[ScoreWanted, DetectorEvent] | None = None
        """The guard's question that waits for its answer, and what the detector said of the frame that asks."""
        self._undecided: deque[float] = deque()
        self._ended = False
        self._frame_samples = vad.frame_samples
        self._lookahead = lookahead_of(vad)
        self._stream = vad.stream()
        self._detector = self._new_detector(params)
        self._origin = 0
        self._guard = TurnGuard(
            guards,
            word_ends=word_ends,
            frame_samples=vad.frame_samples,
            sample_rate=vad.sample_rate,
            lookahead_samples=self._lookahead,
            adaptive=interruption,
            scorer_latency_ms=_latency_ms(self._interruption_scorer),
            asks_every_frame=_asks_every_frame(self._interruption_scorer),
        )
        self._word_ends = word_ends
        self._input_rate: int | None = None
        self._resampler: StreamResampler | None = None
        self._keeps_audio = keeps_audio
        self._kept: list[FloatArray] = []
        self._kept_from = 0
        self._received = 0

    def _new_detector(self, params: TurnParams) -> TurnDetector:
        return TurnDetector(
            params,
            frame_samples=self._frame_samples,
            sample_rate=self.sample_rate,
            lookahead_samples=self._lookahead,
            end_of_turn=self._end_of_turn,
            scorer_latency_ms=_latency_ms(self._scorer),
            asks_every_frame=_asks_every_frame(self._scorer),
        )

    @property
    def params(self) -> TurnParams:
        """The parameters that decide on the next frame."""
        return self._detector.params

    @property
    def interruption(self) -> AdaptiveInterruption | None:
        """How a score decides that a turn interrupts, if one does."""
        return self._interruption

    @property
    def speaking(self) -> bool:
        """Whether the user is in a turn."""
        return self._detector.speaking

    @property
    def decided_samples(self) -> int:
        """Position decided up to: whole frames and the lookahead; what changes the detector now counts from here."""
        return self._origin + self._detector.decided_at

    @property
    def received_samples(self) -> int:
        """Samples taken, at `sample_rate`."""
        return self._received

    def words_said(self, start: int, end: int) -> int:
        """Words that end in ``(start, end]``, samples of the stream."""
        return words_said(self._word_ends, start, end)

    def update(
        self,
        params: TurnParams,
        end_of_turn: EndOfTurn | None = None,
        interruption: AdaptiveInterruption | None = None,
    ) -> None:
        """Decide by other parameters from the next frame on; what has been counted so far is kept.

        Parameters
        ----------
        params
            Parameters of the turn detection.
        end_of_turn, interruption
            Other rules by which a score decides; as they are when not given.

        Raises
        ------
        InvalidParameterError
            If a rule is given to an ear without its scorer.
        """
        if interruption is not None and self._interruption_scorer is None:
            raise InvalidParameterError("interruption", "given to an ear that has its scorer", interruption)
        if end_of_turn is not None:
            if self._scorer is None:
                raise InvalidParameterError("end_of_turn", "given to an ear that has a scorer", end_of_turn)
            self._end_of_turn = end_of_turn
            self._detector.update_end_of_turn(end_of_turn)
        if interruption is not None:
            self._interruption = interruption
            self._guard.update_adaptive(interruption)
        self._detector.update(params)

    def start_turn_anew(self) -> None:
        """Let the next turn's audio start at `decided_samples` at the earliest; a turn under way is forgotten.

        A question about it is forgotten too: it needs no answer any more.

        The voice activity detector goes on listening. Its frames and all positions lie where they did.
        """
        self._origin += self._detector.position_samples
        self._detector = self._new_detector(self._detector.params)
        self._guard.stop()
        self._asked = None

    def feed(self, samples: npt.NDArray[np.float32] | npt.NDArray[np.int16], sample_rate: int) -> list[EarDecision]:
        """Take a chunk; return what it decides, in the order of positions.

        Parameters
        ----------
        samples
            ``(n,)``: ``float32`` in [-1, 1], or ``int16``.
        sample_rate
            Hertz.

        Raises
        ------
        AudioError
            If the chunk has another rate than the one before it (`change_rate`).
        """
        work = self.hear(samples, sample_rate)
        return [] if work is None else self.decide(work.run())

    def hear(self, samples: npt.NDArray[np.float32] | npt.NDArray[np.int16], sample_rate: int) -> VadWork | None:
        """Take a chunk; return what the detector is to be fed with before `decide`, ``None`` if no frame is complete.

        Parameters and errors are those of `feed`.
        """
        if sample_rate != self._input_rate:
            if self._input_rate is not None:
                raise AudioError(f"the user's audio changed from {self._input_rate} to {sample_rate} Hz")
            self._begin(sample_rate)
        heard: FloatArray = np.asarray(samples * _SCALE if samples.dtype == np.int16 else samples, np.float32)
        return self._take(heard if self._resampler is None else self._resampler.feed(heard))

    def _begin(self, sample_rate: int) -> None:
        self._resampler = StreamResampler(sample_rate, self.sample_rate) if sample_rate != self.sample_rate else None
        self._input_rate = sample_rate

    def _take(self, samples: FloatArray) -> VadWork | None:
        n_frames = (self._received - self._lookahead) // self._frame_samples
        self._received += len(samples)
        for scorer in (self._scorer, self._interruption_scorer):
            if scorer is not None:
                scorer.hear(samples, self.decided_samples)
        if self._keeps_audio:
            self._kept.append(samples)
            self._forget_silence()
        if (self._received - self._lookahead) // self._frame_samples == n_frames:
            self._stream.feed(samples)  # it keeps them; there is nothing to compute
            return None
        return VadWork(self._stream, samples)

    def decide(self, probabilities: FloatArray) -> list[EarDecision]:
        """Return the decisions of frames, given their probabilities ``(k,) float32``; up to a question that is open."""
        self._undecided.extend(probabilities)
        return self._go_on()

    def _go_on(self) -> list[EarDecision]:
        found: list[EarDecision] = []
        detector, guard, interruption_scorer = self._detector, self._guard, self._interruption_scorer
        waits = self._asked is not None or detector.question is not None
        while self._undecided and not waits:
            event = detector.feed(self._undecided.popleft())
            if isinstance(event, SpeechStarted):
                started = moved(event, self._origin)
                found.append(started)
                guard.start(started)
            if interruption_scorer is not None and (wanted := guard.wanted(self.decided_samples)) is not None:
                if self._later(interruption_scorer):
                    self._asked, waits = (wanted, event), True
                    continue
                guard.answer(interruption_scorer.answer(wanted))
            waits = self._end_frame(event, found)
        if self._ended and not waits:
            self._ended = False
            if (last := detector.flush()) is not None:
                found.append(self._stopped(last))
        return found

    def _end_frame(self, event: DetectorEvent, found: list[EarDecision]) -> bool:
        """The guard has all it wants; take what the detector said of the frame. Return whether it waits for a score."""
        if (due := self._guard.advance(self.decided_samples)) is not None:
            found.append(due)
        if event is None:
            return False
        if isinstance(event, ScoreWanted):
            if self._later(self._scorer):
                return True
            event = self._detector.answer(self._ask(event))
        if isinstance(event, SpeechStopped):
            found.append(self._stopped(event))
        return False

    def _later(self, scorer: StreamScorer | None) -> bool:
        return self._answers_later and scorer is not None and not isinstance(scorer.scorer, ScoreTrack)

    def _stopped(self, stopped: SpeechStopped) -> SpeechStopped:
        self._guard.stop()
        return moved(stopped, self._origin)

    # ---- scores ------------------------------------------------------------------------------------------------------

    def _ask(self, wanted: ScoreWanted) -> float | None:
        assert self._scorer is not None  # the detector asks where there is one
        assert self._end_of_turn is not None
        return self._scorer.answer(moved(wanted, self._origin), self._end_of_turn.context)

    @property
    def question(self) -> ScoreRequest | None:
        """The question at which the ear has stopped, if it has: `answer` it."""
        if self._asked is not None:
            assert self._interruption is not None
            return self._request("interruption", self._interruption_scorer, self._interruption, self._asked[0])
        if (wanted := self._detector.question) is None:
            return None
        assert self._end_of_turn is not None
        return self._request("eot", self._scorer, self._end_of_turn, moved(wanted, self._origin))

    def _request(
        self, task: Task, scorer: StreamScorer | None, rule: EndOfTurn | AdaptiveInterruption, question: ScoreWanted
    ) -> ScoreRequest:
        assert scorer is not None
        assert not isinstance(scorer.scorer, ScoreTrack)  # it is asked at once
        return ScoreRequest(
            task=task,
            scorer=scorer.scorer,
            asked_at=question.asked_at,
            latency_ms=scorer.latency_ms if rule.latency_ms is None else rule.latency_ms,
            heard=scorer.window(question, rule.context if isinstance(rule, EndOfTurn) else "turn"),
        )

    def answer(self, score: float | None) -> list[EarDecision]:
        """Answer the question; return what it decides, and what was heard since, up to the next question.

        Raises
        ------
        InvalidParameterError
            If ``score`` is neither a number in [0, 1] nor ``None``.
        BidilabError
            If no question is open.
        """
        found: list[EarDecision] = []
        if self._asked is not None:
            self._guard.answer(score)
            (_, event), self._asked = self._asked, None
            self._end_frame(event, found)
        elif (stopped := self._detector.answer(score)) is not None:
            found.append(self._stopped(stopped))
        return [*found, *self._go_on()]

    def change_rate(self, sample_rate: int) -> list[EarDecision]:
        """Take audio of another rate from now on; what the resampler held back is decided on and returned."""
        found = self._decide_rest(ended=False)
        self._begin(sample_rate)
        return found

    def flush(self) -> list[EarDecision]:
        """End the stream: what the resampler held back is decided on, an open turn is stopped.

        Where a question is open, that comes with its answer.
        """
        self._ended = True
        found = self._decide_rest(ended=True)
        return [*found, *self._go_on()]

    def _decide_rest(self, *, ended: bool) -> list[EarDecision]:
        rest = np.zeros(0, np.float32) if self._resampler is None else self._resampler.flush()
        if ended:  # silence follows, so that the last frames are decided on too
            rest = np.concatenate([rest, np.zeros(self._lookahead, np.float32)])
        if not len(rest):
            return []
        work = self._take(rest)
        return [] if work is None else self.decide(work.run())

    # ---- audio of turns ----------------------------------------------------------------------------------------------

    def _forget_silence(self) -> None:
        # A turn that starts later can reach back by its prefix and the speech it took to be one, and a frame or two.
        params = self._detector.params
        reach_ms = params.prefix_padding_ms + params.min_speech_ms + 1000
        reach = ms_to_samples(reach_ms, self.sample_rate)
        while not self._detector.speaking and self._received - self._kept_from - len(self._kept[0]) > reach:
            self._kept_from += len(self._kept.pop(0))

    def turn_audio(self, start: int, end: int) -> FloatArray:
        """Samples ``[start, end)`` of the user, ``float32``; what lies before ``end`` is then forgotten.

        Raises
        ------
        AudioError
            If they were forgotten already.
        """
        if start < self._kept_from:
            raise AudioError(f"audio before sample {self._kept_from} is no longer kept, asked for {start}")
        joined = np.concatenate([*self._kept, np.zeros(0, np.float32)])
        wanted = joined[start - self._kept_from : end - self._kept_from]
        self._kept, self._kept_from = [joined[end - self._kept_from :]], end
        return wanted


def _latency_ms(scorer: StreamScorer | None) -> float:
    return 0.0 if scorer is None else scorer.latency_ms


def _asks_every_frame(scorer: StreamScorer | None) -> bool:
    return scorer is not None and scorer.asks_every_frame


Decision = TypeVar("Decision", SpeechStarted, InterruptionDue, SpeechStopped, ScoreWanted)


def moved(decision: Decision, offset: int) -> Decision:
    """The same decision in a stream in which the ear's sample 0 lies at ``offset``."""
    if not offset:
        return decision
    if isinstance(decision, SpeechStarted):
        return SpeechStarted(
            onset=decision.onset + offset,
            decided_at=decision.decided_at + offset,
            audio_start=decision.audio_start + offset,
        )
    if isinstance(decision, ScoreWanted):
        return ScoreWanted(
            onset=decision.onset + offset,
            pause_start=decision.pause_start + offset,
            asked_at=decision.asked_at + offset,
        )
    if isinstance(decision, InterruptionDue):
        return InterruptionDue(onset=decision.onset + offset, acted_at=decision.acted_at + offset)
    return replace(
        decision,
        offset=decision.offset + offset,
        decided_at=decision.decided_at + offset,
        audio_end=decision.audio_end + offset,
    )
