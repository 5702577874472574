"""The local model's ear: samples of the user in, turns out. Pure: the same audio, in any chunks, the same turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from bidilab.bidi.model import AppendRow
from bidilab.bidi.types.events import BidiAudioInputEvent
from bidilab.bidi.types.media import mono
from bidilab.core.audio import FloatArray
from bidilab.core.errors import AudioError
from bidilab.core.units import ms_to_samples
from bidilab.detect.turns import (
    Guards,
    InterruptionDue,
    SpeechStarted,
    SpeechStopped,
    TurnDetector,
    TurnGuard,
    TurnParams,
    words_said,
)
from bidilab.detect.vad.base import VadBackend
from bidilab.detect.vad.resampling import StreamResampler

__all__ = ["Ear", "EarDecision", "log_decided", "log_decision", "log_due", "moved"]

EarDecision = SpeechStarted | InterruptionDue | SpeechStopped
NO_GUARDS = Guards()


class Ear:
    """Resampler, voice activity detector, turn detector and guards of one stream.

    Parameters
    ----------
    vad
        The backend; positions are samples at its rate.
    params
        Of the turn detector.
    keeps_audio
        Whether `turn_audio` is wanted.
    guards
        Of the interruptions; by default a turn is due where it starts.
    word_ends
        Where the user's words end, rising, samples of the stream; for guards that count words.
    """

    def __init__(
        self,
        vad: VadBackend,
        params: TurnParams,
        *,
        keeps_audio: bool,
        guards: Guards = NO_GUARDS,
        word_ends: Sequence[int] = (),
    ) -> None:
        self.sample_rate = vad.sample_rate
        self._stream = vad.stream()
        self._detector = TurnDetector(params, frame_samples=vad.frame_samples, sample_rate=vad.sample_rate)
        self._guard = TurnGuard(
            guards, word_ends=word_ends, frame_samples=vad.frame_samples, sample_rate=vad.sample_rate
        )
        self._word_ends = word_ends
        self._input_rate = 0
        self._resampler: StreamResampler | None = None
        self._keeps_audio = keeps_audio
        self._kept: list[FloatArray] = []
        self._kept_from = 0
        self._received = 0

    @property
    def speaking(self) -> bool:
        """Whether the user is in a turn."""
        return self._detector.speaking

    @property
    def decided_samples(self) -> int:
        """Samples decided on, whole frames; what changes the detector now counts from here."""
        return self._detector.position_samples

    @property
    def received_samples(self) -> int:
        """Samples taken, at `sample_rate`."""
        return self._received

    def words_said(self, start: int, end: int) -> int:
        """Words that end in ``(start, end]``, samples of the stream."""
        return words_said(self._word_ends, start, end)

    def update(self, params: TurnParams) -> None:
        """Decide by other parameters from the next frame on."""
        self._detector.update(params)

    def feed(self, event: BidiAudioInputEvent) -> list[EarDecision]:
        """Take a chunk; return what it decides.

        Raises
        ------
        AudioError
            If it is not PCM, or comes at another rate than the chunk before it.
        """
        if event.sample_rate != self._input_rate:
            self._begin(event)
        pcm = event.pcm if event.channels == 1 else mono(event.pcm)
        samples = pcm.astype(np.float32)
        samples *= np.float32(1 / 32768)
        if self._resampler is not None:
            samples = self._resampler.feed(samples)
        return self._decide(samples)

    def _begin(self, event: BidiAudioInputEvent) -> None:
        if self._input_rate:
            raise AudioError(f"the user's audio changed from {self._input_rate} to {event.sample_rate} Hz")
        self._input_rate = event.sample_rate
        if event.sample_rate != self.sample_rate:
            self._resampler = StreamResampler(event.sample_rate, self.sample_rate)

    def _decide(self, samples: FloatArray) -> list[EarDecision]:
        self._received += len(samples)
        if self._keeps_audio:
            self._kept.append(samples)
            self._forget_silence()
        probabilities = self._stream.feed(samples)
        found: list[EarDecision] = []
        for probability in probabilities:
            decision = self._detector.feed(probability)
            if isinstance(decision, SpeechStarted):
                found.append(decision)
                self._guard.start(decision)
            if (due := self._guard.advance(self._detector.position_samples)) is not None:
                found.append(due)
            if isinstance(decision, SpeechStopped):
                found.append(decision)
                self._guard.stop()
        return found

    def _forget_silence(self) -> None:
        # A turn that starts later can reach back by its prefix and the speech it took to be one, and a frame or two.
        params = self._detector.params
        reach_ms = params.prefix_padding_ms + params.min_speech_ms + 1000
        reach = ms_to_samples(reach_ms, self.sample_rate)
        while not self._detector.speaking and self._received - self._kept_from - len(self._kept[0]) > reach:
            self._kept_from += len(self._kept.pop(0))

    def flush(self) -> list[EarDecision]:
        """End the stream: what the resampler held back is decided, an open turn is stopped."""
        found: list[EarDecision] = []
        if self._resampler is not None:
            found += self._decide(self._resampler.flush())
        if (last := self._detector.flush()) is not None:
            found.append(last)
        return found

    def turn_audio(self, start: int, end: int) -> FloatArray:
        """Samples ``[start, end)`` of the user, ``float32``; what lies before ``start`` is then forgotten.

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


def log_decision(log: AppendRow, decision: SpeechStarted | SpeechStopped, *, item_id: str, sample_rate: int) -> None:
    """Add the row of a decision, as `bidilab.bidi.log.fold` reads it."""
    detail: dict[str, Any]
    if isinstance(decision, SpeechStarted):
        kind, detail = "speech_started", {"onset_samples": decision.onset}
    else:
        kind, detail = "speech_stopped", {"offset_samples": decision.offset}
    detail["decided_at_samples"] = decision.decided_at
    if isinstance(decision, SpeechStarted):
        detail["audio_start_samples"] = decision.audio_start
    else:
        detail["flushed"] = decision.flushed
    detail["sample_rate"] = sample_rate
    log(kind, source="detector", item_id=item_id, input_samples=decision.decided_at, detail=detail)


def log_due(log: AppendRow, due: InterruptionDue, *, item_id: str, sample_rate: int) -> None:
    """Add the row of a turn that passed the guards: the decision that an interruption after it belongs to."""
    detail = {"onset_samples": due.onset, "decided_at_samples": due.acted_at, "sample_rate": sample_rate}
    log("interruption_due", source="detector", item_id=item_id, input_samples=due.acted_at, detail=detail)


def log_decided(log: AppendRow, due: InterruptionDue, *, response_id: str, sample_rate: int) -> None:
    """Add the row of what interrupts a response: the application may be told after the next turn has begun."""
    detail = {"onset_samples": due.onset, "decided_at_samples": due.acted_at, "sample_rate": sample_rate}
    log(
        "interruption_decided",
        source="detector",
        response_id=response_id,
        input_samples=due.acted_at,
        detail=detail,
    )
