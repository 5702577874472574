"""TurnBench's predictions file: for each conversation and speaker the times of the events.

``{"schema_version": 1, "predictions": [{"conversation_id": "20", "speaker_1": {"eot": [12.84], "interruption": []},
"speaker_2": {…}}]}``: every conversation of the split once, times in seconds, strictly rising and inside the audio, no
other key.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bidilab.core.errors import DatasetError
from bidilab.core.jsontext import JSONError, parse_json
from bidilab.core.units import samples_to_s
from bidilab.detect.turns import Turn
from bidilab.lab.benchmarks.turnbench.conversations import SPEAKERS
from bidilab.lab.benchmarks.turnbench.gold import TASKS, Task

__all__ = [
    "Predictions",
    "SpeakerEvents",
    "check_predictions",
    "predictions_of_turns",
    "read_predictions",
    "write_predictions",
]

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerEvents:
    """The predictions for one speaker.

    Parameters
    ----------
    eot
        When the speaker's turns are over, seconds, strictly rising.
    interruption
        When the speaker interrupts the other.
    """

    eot: tuple[float, ...] = ()
    interruption: tuple[float, ...] = ()

    def of(self, task: Task) -> tuple[float, ...]:
        """The times of a task."""
        return self.eot if task == "eot" else self.interruption


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """Predictions of a set of conversations.

    Parameters
    ----------
    speakers
        By ``(conversation id, speaker)``; both speakers of every conversation.
    """

    speakers: Mapping[tuple[str, int], SpeakerEvents]

    def to_object(self) -> dict[str, Any]:
        """What the file holds."""
        names = dict.fromkeys(name for name, _ in self.speakers)
        return {
            "schema_version": SCHEMA_VERSION,
            "predictions": [
                {"conversation_id": name}
                | {
                    f"speaker_{speaker}": {task: list(self.speakers[name, speaker].of(task)) for task in TASKS}
                    for speaker in SPEAKERS
                    if (name, speaker) in self.speakers
                }
                for name in names
            ],
        }

    def check(self, durations_s: Mapping[str, float]) -> None:
        """Raise a `DatasetError` that lists every reason for which TurnBench would not take them.

        Parameters
        ----------
        durations_s
            Seconds of each conversation of the split.
        """
        if problems := check_predictions(self.to_object(), durations_s):
            raise DatasetError("predictions that TurnBench does not accept", problems)


def check_predictions(data: object, durations_s: Mapping[str, float]) -> list[str]:
    """Return every reason why TurnBench would refuse a predictions file; empty if it would accept the file.

    Parameters
    ----------
    data
        The file's JSON, parsed.
    durations_s
        Seconds of each conversation of the split.
    """
    if not isinstance(data, dict):
        return [f"the file must hold an object, got {type(data).__name__}"]
    problems = _keys("the file", data, ("schema_version", "predictions"))
    version = data.get("schema_version")
    if "schema_version" in data and (version != SCHEMA_VERSION or isinstance(version, bool)):
        problems.append(f"schema_version must be {SCHEMA_VERSION}, got {version!r}")
    entries = data.get("predictions", [])
    if not isinstance(entries, list):
        return [*problems, f"predictions must be a list, got {type(entries).__name__}"]
    seen: set[str] = set()
    for k, entry in enumerate(entries):
        if not isinstance(entry, dict):
            problems.append(f"predictions[{k}] must be an object, got {type(entry).__name__}")
            continue
        name = entry.get("conversation_id")
        where = f"conversation {name!r}" if "conversation_id" in entry else f"predictions[{k}]"
        problems += _keys(where, entry, ("conversation_id", *(f"speaker_{speaker}" for speaker in SPEAKERS)))
        if not isinstance(name, str):
            if "conversation_id" in entry:
                problems.append(f"conversation_id must be a text, got {name!r}")
            continue
        if name in seen:
            problems.append(f"{where} is there twice")
        if name not in durations_s:
            problems.append(f"{where} is not in the split")
        seen.add(name)
        for speaker in SPEAKERS:
            if (key := f"speaker_{speaker}") in entry:
                problems += _speaker_faults(f"{where}, {key}", entry[key], durations_s.get(name))
    return problems + [f"conversation {name!r} is missing" for name in durations_s if name not in seen]


def _keys(where: str, data: Mapping[str, Any], wanted: Sequence[str]) -> list[str]:
    missing = [f"{where} has no {key}" for key in wanted if key not in data]
    return missing + [f"{where} has a key that is not allowed: {key!r}" for key in data if key not in wanted]


def _speaker_faults(where: str, events: object, duration_s: float | None) -> list[str]:
    if not isinstance(events, dict):
        return [f"{where} must be an object, got {type(events).__name__}"]
    problems = _keys(where, events, TASKS)
    for task in TASKS:
        times = events.get(task, [])
        if not isinstance(times, list):
            problems.append(f"{where}, {task} must be a list, got {type(times).__name__}")
            continue
        before = -1.0
        for time in times:
            if isinstance(time, bool) or not isinstance(time, int | float) or time != time:
                problems.append(f"{where}, {task} must hold seconds, got {time!r}")
                break
            if not 0 <= time <= (float("inf") if duration_s is None else duration_s):
                problems.append(f"{where}, {task}: {time!r} s is outside of the audio (0 to {duration_s} s)")
            if time <= before:
                problems.append(f"{where}, {task}: {time!r} s does not come after {before!r} s")
            before = time
    return problems


def write_predictions(path: str | os.PathLike[str], predictions: Predictions, durations_s: Mapping[str, float]) -> Path:
    """Write a predictions file; a file that TurnBench would not accept is refused.

    Parameters
    ----------
    path
        The file.
    predictions
        Of every conversation of the split.
    durations_s
        Seconds of each conversation of the split.

    Raises
    ------
    DatasetError
        If it would not be accepted; it lists every reason.
    """
    predictions.check(durations_s)
    target = Path(path)
    target.write_text(json.dumps(predictions.to_object(), allow_nan=False) + "\n", encoding="utf-8")
    return target


def read_predictions(path: str | os.PathLike[str], durations_s: Mapping[str, float]) -> Predictions:
    """Read a predictions file.

    Raises
    ------
    DatasetError
        If TurnBench would not accept it; it lists every reason.
    """
    try:
        data = parse_json(Path(path).read_bytes(), finite=False)
    except JSONError as error:
        raise DatasetError(f"{path}: {error}") from error
    if problems := check_predictions(data, durations_s):
        raise DatasetError(f"{path}: predictions that TurnBench does not accept", problems)
    return Predictions(
        speakers={
            (entry["conversation_id"], speaker): SpeakerEvents(
                **{task: tuple(map(float, entry[f"speaker_{speaker}"][task])) for task in TASKS}
            )
            for entry in data["predictions"]
            for speaker in SPEAKERS
        }
    )


def predictions_of_turns(turns: Mapping[tuple[str, int], Sequence[Turn]], *, sample_rate: int) -> Predictions:
    """Return the predictions of a turn detector that ran on each speaker's channel.

    A turn is over when the detector decides so (``stopped_at``); a turn that ends with the audio is not predicted. A
    speaker interrupts when the detector decides that a turn has begun (``started_at``) while the other speaker is in a
    turn. At both times, all audio used for the decision has been heard.

    Parameters
    ----------
    turns
        By ``(conversation id, speaker)``, both speakers of every conversation.
    sample_rate
        Hertz of the turns' positions.
    """
    speakers = {}
    for (name, speaker), own in turns.items():
        others = turns[name, 3 - speaker]
        speakers[name, speaker] = SpeakerEvents(
            eot=_seconds([turn.stopped_at for turn in own if not turn.flushed], sample_rate),
            interruption=_seconds(
                [
                    turn.started_at
                    for turn in own
                    if any(each.started_at <= turn.started_at < each.stopped_at for each in others)
                ],
                sample_rate,
            ),
        )
    return Predictions(speakers=speakers)


def _seconds(positions: Sequence[int], sample_rate: int) -> tuple[float, ...]:
    return tuple(samples_to_s(position, sample_rate) for position in positions)
