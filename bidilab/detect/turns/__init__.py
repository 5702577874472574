"""Speech probabilities to turns: one semantics in three forms (streaming, readable reference, compiled kernel)."""

from bidilab.detect.turns.detect import detect_turns, score_function
from bidilab.detect.turns.detector import (
    STOP_CAUSES,
    ScoreFunction,
    ScoreWanted,
    SpeechStarted,
    SpeechStopped,
    StopCause,
    Turn,
    TurnDetector,
    turns_from_events,
)
from bidilab.detect.turns.endofturn import EndOfTurn
from bidilab.detect.turns.export import EXPORT_TARGETS, Compromise, ExportedSetting, export_setting
from bidilab.detect.turns.guards import (
    Guards,
    InterruptionDue,
    TurnGuard,
    acted_at_reference,
    resumed_at_reference,
    words_said,
)
from bidilab.detect.turns.interruption import AdaptiveInterruption
from bidilab.detect.turns.params import TurnParams, default_deactivation_threshold
from bidilab.detect.turns.providers import (
    GeminiActivityDetection,
    LiveKitVad,
    NovaTurnDetection,
    PipecatVad,
    ProviderParams,
    ServerVad,
)
from bidilab.detect.turns.reference import detect_turns_reference

__all__ = [
    "EXPORT_TARGETS",
    "STOP_CAUSES",
    "AdaptiveInterruption",
    "Compromise",
    "EndOfTurn",
    "ExportedSetting",
    "GeminiActivityDetection",
    "Guards",
    "InterruptionDue",
    "LiveKitVad",
    "NovaTurnDetection",
    "PipecatVad",
    "ProviderParams",
    "ScoreFunction",
    "ScoreWanted",
    "ServerVad",
    "SpeechStarted",
    "SpeechStopped",
    "StopCause",
    "Turn",
    "TurnDetector",
    "TurnGuard",
    "TurnParams",
    "acted_at_reference",
    "default_deactivation_threshold",
    "detect_turns",
    "detect_turns_reference",
    "export_setting",
    "resumed_at_reference",
    "score_function",
    "turns_from_events",
    "words_said",
]
