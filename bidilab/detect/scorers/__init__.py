"""Second opinions on what the VAD finds: is the turn over, and is this speech meant to interrupt?"""

from bidilab.detect.scorers.asking import RecordingScores, Scorer, score_of_track
from bidilab.detect.scorers.base import EndOfTurnScorer, InterruptionScorer, ScoreTrack
from bidilab.detect.scorers.cache import ScoreCache
from bidilab.detect.scorers.registry import (
    ScorerLike,
    ScorerSpec,
    get_scorer,
    scorer_distribution,
    scorer_name,
    scorer_names,
)

__all__ = [
    "EndOfTurnScorer",
    "InterruptionScorer",
    "RecordingScores",
    "ScoreCache",
    "ScoreTrack",
    "Scorer",
    "ScorerLike",
    "ScorerSpec",
    "get_scorer",
    "score_of_track",
    "scorer_distribution",
    "scorer_name",
    "scorer_names",
]
