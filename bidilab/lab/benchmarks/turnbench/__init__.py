"""TurnBench (Sesame AI Labs, github.com/SesameAILabs/turnbench, 2026): gold, predictions and scores by its rules.

Task
    Two people talk, each on a channel: when is a speaker's turn over (EOT), when does one interrupt the other (INT)?
Unit
    Seconds on the conversation's clock. The time of a prediction is that at which all audio it used has been heard.
Index
    `Conversation`, `read_conversations`, `gold_of`; `Predictions`, `check_predictions`, `write_predictions`,
    `read_predictions`, `predictions_of_turns`, `detect_conversations`; `score`, `TaskScore`, `MatchRule`;
    `read_probabilities`, `events_of_probabilities`, `sweep`

The rules are written from their description (scorer a87ffac, November 2026), without the benchmark's code: a second
opinion on a score that is to be published. Its audio and labels are gated, and none of them are here: a published row
cannot be made again without them.
"""

from bidilab.lab.benchmarks.turnbench.conversations import Annotation, Conversation, read_conversations
from bidilab.lab.benchmarks.turnbench.detection import Detected, detect_conversations
from bidilab.lab.benchmarks.turnbench.gold import Gold, TaskGold, consensus, gold_of
from bidilab.lab.benchmarks.turnbench.predictions import (
    Predictions,
    SpeakerEvents,
    check_predictions,
    predictions_of_turns,
    read_predictions,
    write_predictions,
)
from bidilab.lab.benchmarks.turnbench.probabilities import (
    Probabilities,
    events_of_probabilities,
    read_probabilities,
    sweep,
)
from bidilab.lab.benchmarks.turnbench.scoring import BenchmarkScore, MatchRule, TaskScore, score

__all__ = [
    "Annotation",
    "BenchmarkScore",
    "Conversation",
    "Detected",
    "Gold",
    "MatchRule",
    "Predictions",
    "Probabilities",
    "SpeakerEvents",
    "TaskGold",
    "TaskScore",
    "check_predictions",
    "consensus",
    "detect_conversations",
    "events_of_probabilities",
    "gold_of",
    "predictions_of_turns",
    "read_conversations",
    "read_predictions",
    "read_probabilities",
    "score",
    "sweep",
    "write_predictions",
]
