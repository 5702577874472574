"""Where the user's turns start and end in the audio written: `bidilab.detect.turns.hearing.Ear`, on the wire's clock.

``server_vad`` is `bidilab.detect.turns.ServerVad`, canonical. ``semantic_vad`` needs a model of whether what was said
is complete, and none is here. What stands in for it: the same detector at its default threshold and prefix padding,
with a silence that is a fixed fraction (a setting of the server, 0.25) of the longest wait that OpenAI states for the
``eagerness``: 8 s for low, 4 s for medium and auto, 2 s for high. The silence is counted in audio, as everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bidilab.bidi.realtime.session.user.input_audio import TICKS_PER_S
from bidilab.core.audio import FloatArray, Pcm16Array
from bidilab.detect.turns import InterruptionDue, ServerVad, SpeechStarted, SpeechStopped, TurnParams
from bidilab.detect.turns.hearing import Ear, EarDecision
from bidilab.detect.turns.providers.openai import SemanticVad
from bidilab.detect.vad import VadBackend, VadWork

__all__ = ["SpeechEdge", "TurnTaking", "turn_params"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechEdge:
    """The user started or stopped speaking.

    Parameters
    ----------
    started
        True at the start of speech, false at its end.
    audio_ticks
        Where the turn's audio starts (prefix padding included) or ends (silence included), in 48 kHz samples.
    speech_ticks
        Where the speech itself starts or ends (onset or offset of DESIGN §4).
    decided_ticks
        End of the frame on which it was decided.
    """

    started: bool
    audio_ticks: int
    speech_ticks: int
    decided_ticks: int


def turn_params(turn_detection: dict[str, Any], semantic_wait_fraction: float) -> TurnParams:
    """Canonical parameters of a session's ``turn_detection``."""
    if turn_detection["type"] == "server_vad":
        return ServerVad(**{key: value for key, value in turn_detection.items() if key != "type"}).canonical()
    wait_ms = SemanticVad.MAX_WAITS_MS[turn_detection["eagerness"]] * semantic_wait_fraction
    return TurnParams(silence_duration_ms=wait_ms)


class TurnTaking:
    """Turn detection over the audio of one session; off until `configure` gives it parameters.

    Parameters
    ----------
    vad
        The voice activity detector.
    input_rate
        Hertz of the audio to come.
    """

    def __init__(self, vad: VadBackend, *, input_rate: int) -> None:
        self._vad = vad
        self._input_rate = input_rate
        self._ticks_per_sample = TICKS_PER_S // vad.sample_rate
        self._ear: Ear | None = None
        self._origin_ticks = 0

    @property
    def speaking(self) -> bool:
        """Whether the user is in a turn."""
        return self._ear is not None and self._ear.speaking

    def configure(self, params: TurnParams | None, *, at_ticks: int) -> None:
        """Decide by ``params`` from the next frame on; ``None`` is off. Turned on, frames start at ``at_ticks``."""
        if params is None:
            self._ear = None
        elif self._ear is not None:
            self._ear.update(params)
        else:
            self._ear, self._origin_ticks = Ear(self._vad, params), at_ticks

    def change_input_rate(self, input_rate: int) -> list[SpeechEdge]:
        """Take audio of another rate from now on; what the resampler held back is decided on first."""
        if input_rate == self._input_rate:
            return []
        self._input_rate = input_rate
        return [] if self._ear is None else self._edges(self._ear.change_rate(input_rate))

    def start_over(self, *, at_ticks: int) -> None:
        """Forget all that was heard (its audio was committed or cleared by hand); frames start at ``at_ticks``."""
        if self._ear is not None:
            self._ear, self._origin_ticks = Ear(self._vad, self._ear.params), at_ticks

    def start_turn_anew(self) -> None:
        """Let the next turn's audio start here at the earliest (what came before was committed as silence).

        The VAD goes on listening, its frames lie where they did.
        """
        if self._ear is not None:
            self._ear.start_turn_anew()

    def hear(self, samples: Pcm16Array) -> VadWork | None:
        """Take samples ``(n,) int16``; return what the VAD is to be fed with before `decide`, or ``None``."""
        return None if self._ear is None else self._ear.hear(samples, self._input_rate)

    def decide(self, probabilities: FloatArray) -> list[SpeechEdge]:
        """The edges that frames cause, given their probabilities ``(k,) float32``."""
        return [] if self._ear is None else self._edges(self._ear.decide(probabilities))

    def _edges(self, decisions: Iterable[EarDecision]) -> list[SpeechEdge]:
        return [self._edge(decision) for decision in decisions if not isinstance(decision, InterruptionDue)]

    def _edge(self, event: SpeechStarted | SpeechStopped) -> SpeechEdge:
        if isinstance(event, SpeechStarted):
            audio, speech = event.audio_start, event.onset
        else:
            audio, speech = event.audio_end, event.offset
        return SpeechEdge(
            started=isinstance(event, SpeechStarted),
            audio_ticks=self._ticks(audio),
            speech_ticks=self._ticks(speech),
            decided_ticks=self._ticks(event.decided_at),
        )

    def _ticks(self, position: int) -> int:
        return self._origin_ticks + position * self._ticks_per_sample
