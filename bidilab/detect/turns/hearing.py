"""The ear: samples of one stream in, turns out. Sans-I/O.

Resampler, voice activity detector, turn detector and guards as one, for whoever hears somebody live: the local model,
the Realtime server, a stand-in for a provider. The same audio gives the same decisions at the same positions however it
is cut into chunks. Positions are samples at the rate of the detector, from the first sample heard.

`Ear.feed` does it all. A caller that runs the detectors of many streams together takes it in two steps: `Ear.hear` says
what the detector is to be fed with, and `Ear.decide` takes its answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.core.errors import AudioError
from bidilab.core.units import ms_to_samples
from bidilab.detect.turns.detector import SpeechStarted, SpeechStopped, TurnDetector
from bidilab.detect.turns.guards import Guards, InterruptionDue, TurnGuard, words_said
from bidilab.detect.turns.params import TurnParams
from bidilab.detect.vad.base import VadBackend
from bidilab.detect.vad.resampling import StreamResampler
from bidilab.detect.vad.together import VadWork

__all__ = ["Ear", "EarDecision", "moved"]

EarDecision = SpeechStarted | InterruptionDue | SpeechStopped
NO_GUARDS = Guards()

_SCALE = np.float32(1 / 32768)


class Ear:
    """Hears one stream.

    Parameters
    ----------
    vad
        The backend; positions are samples at its rate.
    params
        What turns are detected by.
    guards
        What must hold for a turn to be acted upon; by default it is due where it starts.
    word_ends
        Where the user's words end, rising, samples of the stream; for guards that count words.
    keeps_audio
        Whether `turn_audio` is wanted.

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
    ) -> None:
        self.sample_rate = vad.sample_rate
        self._frame_samples = vad.frame_samples
        self._stream = vad.stream()
        self._detector = self._new_detector(params)
        self._origin = 0
        self._guard = TurnGuard(
            guards, word_ends=word_ends, frame_samples=vad.frame_samples, sample_rate=vad.sample_rate
        )
        self._word_ends = word_ends
        self._input_rate: int | None = None
        self._resampler: StreamResampler | None = None
        self._keeps_audio = keeps_audio
        self._kept: list[FloatArray] = []
        self._kept_from = 0
        self._received = 0

    def _new_detector(self, params: TurnParams) -> TurnDetector:
        return TurnDetector(params, frame_samples=self._frame_samples, sample_rate=self.sample_rate)

    @property
    def params(self) -> TurnParams:
        """What the next frame is decided by."""
        return self._detector.params

    @property
    def speaking(self) -> bool:
        """Whether the user is in a turn."""
        return self._detector.speaking

    @property
    def decided_samples(self) -> int:
        """Samples decided on, whole frames; what changes the detector now counts from here."""
        return self._origin + self._detector.position_samples

    @property
    def received_samples(self) -> int:
        """Samples taken, at `sample_rate`."""
        return self._received

    def words_said(self, start: int, end: int) -> int:
        """Words that end in ``(start, end]``, samples of the stream."""
        return words_said(self._word_ends, start, end)

    def update(self, params: TurnParams) -> None:
        """Decide by other parameters from the next frame on; what has been counted so far is kept."""
        self._detector.update(params)

    def start_turn_anew(self) -> None:
        """Let the next turn's audio start at `decided_samples` at the earliest; a turn under way is forgotten.

        The voice activity detector goes on listening. Its frames and all positions lie where they did.
        """
        self._origin = self.decided_samples
        self._detector = self._new_detector(self._detector.params)
        self._guard.stop()

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
        n_frames = self._received // self._frame_samples
        self._received += len(samples)
        if self._keeps_audio:
            self._kept.append(samples)
            self._forget_silence()
        if self._received // self._frame_samples == n_frames:
            self._stream.feed(samples)  # it keeps them; there is nothing to compute
            return None
        return VadWork(self._stream, samples)

    def decide(self, probabilities: FloatArray) -> list[EarDecision]:
        """What frames decide, given their probabilities ``(k,) float32``."""
        found: list[EarDecision] = []
        for probability in probabilities:
            decision = self._detector.feed(probability)
            if isinstance(decision, SpeechStarted):
                started = moved(decision, self._origin)
                found.append(started)
                self._guard.start(started)
            if (due := self._guard.advance(self.decided_samples)) is not None:
                found.append(due)
            if isinstance(decision, SpeechStopped):
                found.append(moved(decision, self._origin))
                self._guard.stop()
        return found

    def change_rate(self, sample_rate: int) -> list[EarDecision]:
        """Take audio of another rate from now on; what the resampler held back is decided on and returned."""
        found = self._decide_rest()
        self._begin(sample_rate)
        return found

    def flush(self) -> list[EarDecision]:
        """End the stream: what the resampler held back is decided on, an open turn is stopped."""
        found = self._decide_rest()
        if (last := self._detector.flush()) is not None:
            found.append(moved(last, self._origin))
        return found

    def _decide_rest(self) -> list[EarDecision]:
        if self._resampler is None:
            return []
        work = self._take(self._resampler.flush())
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
            raise AudioError(f"audio before sample {self._kept_from} is forgotten, asked for {start}")
        joined = np.concatenate([*self._kept, np.zeros(0, np.float32)])
        wanted = joined[start - self._kept_from : end - self._kept_from]
        self._kept, self._kept_from = [joined[end - self._kept_from :]], end
        return wanted


Decision = TypeVar("Decision", SpeechStarted, InterruptionDue, SpeechStopped)


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
    if isinstance(decision, InterruptionDue):
        return InterruptionDue(onset=decision.onset + offset, acted_at=decision.acted_at + offset)
    return SpeechStopped(
        offset=decision.offset + offset,
        decided_at=decision.decided_at + offset,
        audio_end=decision.audio_end + offset,
        flushed=decision.flushed,
    )
