"""Speech probabilities to turns: one semantics in three forms (streaming, readable reference, compiled kernel)."""

from bidilab.detect.turns.detect import detect_turns
from bidilab.detect.turns.detector import SpeechStarted, SpeechStopped, Turn, TurnDetector, turns_from_events
from bidilab.detect.turns.export import EXPORT_TARGETS, Compromise, ExportedSetting, export_setting
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
    "Compromise",
    "ExportedSetting",
    "GeminiActivityDetection",
    "LiveKitVad",
    "NovaTurnDetection",
    "PipecatVad",
    "ProviderParams",
    "ServerVad",
    "SpeechStarted",
    "SpeechStopped",
    "Turn",
    "TurnDetector",
    "TurnParams",
    "default_deactivation_threshold",
    "detect_turns",
    "detect_turns_reference",
    "export_setting",
    "turns_from_events",
]
