"""A setting that ends turns by a score, in the words of what it will run on.

A threshold means something for the scores of one model. A target that asks another model is given no threshold, and the
compromise says so; delay and timeout still go. LiveKit counts both from the last speech, Pipecat its timeout from the
VAD's stop.

Sources: livekit-agents 1.8 (``voice/turn.py``, ``voice/audio_recognition.py``, ``inference/eot``,
``inference/interruption.py``), pipecat-ai 1.14 (``audio/turn/smart_turn``), ``openai`` 3.54 (`SemanticVad`), 2026.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from bidilab.core.units import frames_for_ms
from bidilab.detect.turns.compromises import Compromise, compromises, same_frames
from bidilab.detect.turns.endofturn import EndOfTurn
from bidilab.detect.turns.interruption import AdaptiveInterruption
from bidilab.detect.turns.params import TurnParams
from bidilab.detect.turns.providers import LiveKitVad, PipecatVad
from bidilab.detect.turns.providers.base import ProviderParams
from bidilab.detect.turns.providers.openai import SemanticVad

__all__ = [
    "LIVEKIT_MODELS",
    "PIPECAT_MODEL",
    "Ended",
    "LiveKitTurns",
    "PipecatTurns",
    "WrittenSetting",
    "interruption_compromises",
    "livekit_ends",
    "livekit_interrupts",
    "openai_ends",
    "pipecat_ends",
    "silence_compromises",
    "silence_ends",
]

LIVEKIT_MODELS: Final = {"turn-detector-v1": "v1", "turn-detector-v1-mini": "v1-mini", "livekit-v1": "v1"}
"""LiveKit's models as scores name them, its own names and eot-bench's, and the ``version`` of its `TurnDetector`."""

LIVEKIT_MIN_SILENCE_S: Final = 0.25
"""Least ``min_silence_duration`` with a `TurnDetector`: ``AudioRecognition._check_vad_silence_requirement``."""

LIVEKIT_INTERVAL_MS: Final = 100
"""How often the adaptive mode asks: ``DETECTION_INTERVAL`` of ``inference/interruption.py``."""

PIPECAT_MODEL: Final = "smart-turn 3.2"
"""The model of Pipecat's `LocalSmartTurnAnalyzerV3`, as a sweep names it with its release."""

PIPECAT_THRESHOLD: Final = 0.5
"""``LocalSmartTurnAnalyzerV3._predict_endpoint``: complete if ``probability > 0.5``."""

_NONE: Final = math.inf


class WrittenSetting(Protocol):
    """What a target is given."""

    def to_dict(self) -> dict[str, Any]:
        """The target's own names and values."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A setting that ends turns by a score, as a target can have it.

    Parameters
    ----------
    setting
        What the target is given.
    compromises
        What it cannot express.
    remarks
        What else must be known.
    """

    setting: WrittenSetting
    compromises: tuple[Compromise, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveKitTurns:
    """What an ``AgentSession`` of LiveKit is given beside models.

    Parameters
    ----------
    vad
        Its VAD.
    asks
        Whether a `TurnDetector` is asked at a pause, or the VAD alone ends turns.
    version
        Which model the detector asks; ``None`` leaves it to LiveKit.
    unlikely_threshold
        A turn goes on when the score is below it; ``None`` for that of LiveKit's server.
    min_delay, max_delay
        Seconds since the last speech at which a turn ends: where its end is likely, and where it is not. ``None`` for
        LiveKit's own, which the VAD alone does not use.
    mode
        What decides on interruptions.
    """

    vad: LiveKitVad
    asks: bool = False
    version: str | None = None
    unlikely_threshold: float | None = None
    min_delay: float = 0.0
    max_delay: float | None = None
    mode: Literal["vad", "adaptive"] = "vad"

    def detector(self) -> dict[str, Any]:
        """Keyword arguments of ``TurnDetector``."""
        values = {"version": self.version, "unlikely_threshold": self.unlikely_threshold}
        return {key: value for key, value in values.items() if value is not None}

    def endpointing(self) -> dict[str, Any]:
        """The ``endpointing`` of the session's ``turn_handling``."""
        values = {"mode": "fixed", "min_delay": self.min_delay, "max_delay": self.max_delay}
        return {key: value for key, value in values.items() if value is not None}

    def to_dict(self) -> dict[str, Any]:
        """The arguments, by what takes them."""
        return {
            "vad": self.vad.to_dict(),
            "turn_detection": self.detector() if self.asks else "vad",
            "endpointing": self.endpointing(),
            "interruption": {"mode": self.mode},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PipecatTurns:
    """Pipecat's VAD, and Smart Turn asked at its stop.

    Parameters
    ----------
    vad
        The VAD.
    stop_secs
        Seconds of silence after the VAD's stop that end the turn whatever Smart Turn said.
    """

    vad: PipecatVad
    stop_secs: float

    def to_dict(self) -> dict[str, Any]:
        """The arguments, by what takes them."""
        return {"VADParams": self.vad.to_dict(), "SmartTurnParams": {"stop_secs": self.stop_secs}}


def livekit_ends(params: TurnParams, end_of_turn: EndOfTurn, scorer: str) -> Ended:
    """LiveKit's VAD finds the pause, its own `TurnDetector` is asked, its delays are those of the setting."""
    vad = LiveKitVad.nearest(params)
    vad = dataclasses.replace(vad, min_silence_duration=max(vad.min_silence_duration, LIVEKIT_MIN_SILENCE_S))
    silence_ms = round(1000 * vad.min_silence_duration, 6)
    too_short = f"LiveKit refuses a VAD that needs less than {1000 * LIVEKIT_MIN_SILENCE_S:g} ms beside its model"
    lost = list(compromises(params, vad, {"silence_duration_ms": too_short}))
    version = LIVEKIT_MODELS.get(scorer.partition(" ")[0])
    if version is None:
        lost.append(_no_threshold(end_of_turn, scorer, "LiveKit asks its own model, by a threshold of its own"))
    delays = {}
    for name in ("action_delay_ms", "timeout_ms"):
        wanted = getattr(end_of_turn, name)
        delays[name] = max(wanted, silence_ms)
        if params.silence_duration_ms < wanted < silence_ms:
            why = f"LiveKit's VAD needs {silence_ms:g} ms of silence before its model is asked"
            lost.append(Compromise(parameter=f"eot_{name}", wanted=wanted, got=silence_ms, why=why))
    lost += _asked_once(end_of_turn, "LiveKit")
    remarks = [
        "`TurnDetector` runs LiveKit's models: v1 in its cloud, with a key; v1-mini on the machine. When no score "
        "comes within a second, the turn ends as if its end were likely.",
    ]
    if version is not None:
        remarks.append(
            "LiveKit asks once in a pause, where a sweep looks at every score that it was given, and it ends a turn on "
            "a score that equals the threshold, where a sweep does not."
        )
    return Ended(
        setting=LiveKitTurns(
            vad=vad,
            asks=True,
            version=version,
            unlikely_threshold=None if version is None else end_of_turn.threshold,
            min_delay=delays["action_delay_ms"] / 1000,
            max_delay=delays["timeout_ms"] / 1000,
        ),
        compromises=tuple(lost),
        remarks=tuple(remarks),
    )


def pipecat_ends(params: TurnParams, end_of_turn: EndOfTurn, scorer: str) -> Ended:
    """Pipecat's VAD finds the pause, Smart Turn is asked at once, and so much more silence ends the turn anyway."""
    vad = PipecatVad.nearest(params)
    silence_ms = vad.canonical().silence_duration_ms
    lost = list(compromises(params, vad))
    if scorer != PIPECAT_MODEL:
        asks = f"Pipecat asks Smart Turn 3.2, by a threshold of {PIPECAT_THRESHOLD:g} that is fixed"
        lost.append(_no_threshold(end_of_turn, scorer, asks))
    elif end_of_turn.threshold != PIPECAT_THRESHOLD:
        why = "Pipecat's threshold for Smart Turn is fixed"
        lost.append(Compromise(parameter="eot_threshold", wanted=end_of_turn.threshold, got=PIPECAT_THRESHOLD, why=why))
    if end_of_turn.action_delay_ms > silence_ms:
        why = "Pipecat has no such delay: Smart Turn is asked, and acted upon, when the VAD's silence is over"
        lost.append(
            Compromise(parameter="eot_action_delay_ms", wanted=end_of_turn.action_delay_ms, got=silence_ms, why=why)
        )
    lost += _asked_once(end_of_turn, "Pipecat")
    remarks = [
        "Smart Turn's `stop_secs` counts from the VAD's stop: it is the timeout less the VAD's silence, both in frames."
    ]
    if end_of_turn.context != "turn":
        remarks.append("Pipecat's Smart Turn hears the turn alone; the sweep's heard what came before it, too.")
    return Ended(
        setting=PipecatTurns(vad=vad, stop_secs=max(0, _frames_ms(end_of_turn.timeout_ms) - silence_ms) / 1000),
        compromises=tuple(lost),
        remarks=tuple(remarks),
    )


def openai_ends(params: TurnParams, end_of_turn: EndOfTurn, scorer: str) -> Ended:
    """``semantic_vad``: OpenAI's own model, of which only the longest wait can be set, to one of three."""
    setting = SemanticVad.nearest(end_of_turn.timeout_ms)
    knobs = {name: getattr(params, name) for name in TurnParams.__dataclass_fields__}
    knobs |= {f"eot_{name}": getattr(end_of_turn, name) for name in ("action_delay_ms", "interval_ms")}
    lost = [
        Compromise(parameter=name, wanted=wanted, got=_NONE, why="semantic_vad has no such knob")
        for name, wanted in knobs.items()
        if wanted
    ]
    lost.append(_no_threshold(end_of_turn, scorer, "semantic_vad asks a model of OpenAI, by no threshold"))
    if end_of_turn.timeout_ms != setting.longest_wait_ms:
        why = "semantic_vad waits for at most 2, 4 or 8 s, by its eagerness"
        lost.append(
            Compromise(parameter="eot_timeout_ms", wanted=end_of_turn.timeout_ms, got=setting.longest_wait_ms, why=why)
        )
    return Ended(
        setting=setting,
        compromises=tuple(lost),
        remarks=("OpenAI publishes no scores of semantic_vad: what it does is not what the sweep measured.",),
    )


def silence_ends(wanted: TurnParams, end_of_turn: EndOfTurn) -> TurnParams:
    """The setting in which the timeout alone ends turns, as a threshold of 1 does."""
    silence_ms = max(end_of_turn.timeout_ms, wanted.silence_duration_ms)
    return dataclasses.replace(wanted, silence_duration_ms=silence_ms)


def silence_compromises(
    wanted: TurnParams, end_of_turn: EndOfTurn, setting: ProviderParams, title: str
) -> tuple[Compromise, ...]:
    """What is lost where a target asks no model, and is given the timeout as its silence: see `silence_ends`."""
    waits = silence_ends(wanted, end_of_turn)
    got_ms = setting.canonical().silence_duration_ms
    lost = [each for each in compromises(waits, setting) if each.parameter != "silence_duration_ms"]
    stands = "The silence that ends a turn is the timeout, or what is nearest to it"
    if not same_frames(wanted.silence_duration_ms, got_ms):
        lost.append(
            Compromise(parameter="silence_duration_ms", wanted=wanted.silence_duration_ms, got=got_ms, why=stands)
        )
    why = f"{title} has no knob for an end-of-turn model, so silence alone ends a turn"
    lost.append(Compromise(parameter="eot_threshold", wanted=end_of_turn.threshold, got=_NONE, why=why))
    if end_of_turn.action_delay_ms:
        lost.append(
            Compromise(parameter="eot_action_delay_ms", wanted=end_of_turn.action_delay_ms, got=got_ms, why=why)
        )
    if not same_frames(waits.silence_duration_ms, got_ms):
        why = setting.INEXPRESSIBLE["silence_duration_ms"]
        lost.append(Compromise(parameter="eot_timeout_ms", wanted=end_of_turn.timeout_ms, got=got_ms, why=why))
    return tuple(lost)


def livekit_interrupts(setting: LiveKitVad | LiveKitTurns) -> LiveKitTurns:
    """The same with LiveKit's own model of interruptions."""
    turns = setting if isinstance(setting, LiveKitTurns) else LiveKitTurns(vad=setting)
    return dataclasses.replace(turns, mode="adaptive")


def interruption_compromises(adaptive: AdaptiveInterruption, why: str, *, asks: bool) -> tuple[Compromise, ...]:
    """What is lost of an interruption by a score; ``asks``: whether the target asks LiveKit's model instead."""
    lost = [Compromise(parameter="interrupt_threshold", wanted=adaptive.threshold, got=_NONE, why=why)]
    if asks and adaptive.interval_ms != LIVEKIT_INTERVAL_MS:
        often = f"LiveKit asks every {LIVEKIT_INTERVAL_MS} ms, from the onset on"
        lost.append(
            Compromise(
                parameter="interrupt_interval_ms", wanted=adaptive.interval_ms, got=LIVEKIT_INTERVAL_MS, why=often
            )
        )
    if asks and math.isfinite(adaptive.window_ms):
        never = "In LiveKit's adaptive mode no speech interrupts without a score"
        lost.append(Compromise(parameter="interrupt_window_ms", wanted=adaptive.window_ms, got=_NONE, why=never))
    return tuple(lost)


def _no_threshold(end_of_turn: EndOfTurn, scorer: str, asks: str) -> Compromise:
    whose = f"the scores of {scorer}" if scorer else "the scores of one model"
    why = f"This threshold is for {whose}, and left out: {asks}. The two are not the same; measure the target's own"
    return Compromise(parameter="eot_threshold", wanted=end_of_turn.threshold, got=_NONE, why=why)


def _asked_once(end_of_turn: EndOfTurn, title: str) -> tuple[Compromise, ...]:
    if not end_of_turn.interval_ms:
        return ()
    why = f"{title} asks once in a pause"
    return (Compromise(parameter="eot_interval_ms", wanted=end_of_turn.interval_ms, got=0, why=why),)


def _frames_ms(ms: float) -> int:
    return 32 * frames_for_ms(ms, frame_samples=512, sample_rate=16_000)
