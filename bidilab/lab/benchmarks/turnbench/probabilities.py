"""TurnBench's probabilities file, for sweeps over a threshold on its dev split.

``{"schema_version": 1, "task": "eot" | "int", "frame_rate_hz": 12.5, "probs": [{"conversation_id": "20", "speaker_1":
{"prob": […]}, "speaker_2": {"prob": […]}}]}``, floor(duration x rate) frames each.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.core.checks import is_number
from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.core.jsontext import JSONError, parse_json
from bidilab.lab.benchmarks.turnbench.conversations import SPEAKERS
from bidilab.lab.benchmarks.turnbench.gold import Gold, Task
from bidilab.lab.benchmarks.turnbench.scoring import MatchRule, TaskScore, match

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Probabilities", "events_of_probabilities", "read_probabilities", "sweep"]

REST_S = 2.0
LARGEST_DEV_FP_RATE = 0.1
_TASKS: dict[str, Task] = {"eot": "eot", "int": "interruption"}
_ROUNDING_S = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Probabilities:
    """Probabilities of one task.

    Parameters
    ----------
    task
        ``eot`` or ``interruption``.
    frame_rate_hz
        Frames in a second.
    speakers
        ``(n_frames,) float32`` in [0, 1] by ``(conversation id, speaker)``; frame ``k`` has heard ``(k + 1) / rate``
        seconds.
    """

    task: Task
    frame_rate_hz: float
    speakers: Mapping[tuple[str, int], FloatArray]


def events_of_probabilities(
    probabilities: npt.ArrayLike, *, frame_rate_hz: float, threshold: float, rest_s: float = REST_S
) -> tuple[float, ...]:
    """Return the times of the events that a threshold makes of probabilities.

    An event comes at the end of each frame at which the probability rises above the threshold (strictly), unless one
    came less than ``rest_s`` before.

    Parameters
    ----------
    probabilities
        ``(n,)`` in [0, 1].
    frame_rate_hz
        Frames in a second, ``> 0``.
    threshold
        In [0, 1].
    rest_s
        Seconds, ``>= 0``.

    Examples
    --------
    >>> events_of_probabilities([0.1, 0.6, 0.7, 0.2, 0.9], frame_rate_hz=1, threshold=0.5)
    (2.0, 5.0)
    >>> events_of_probabilities([0.6, 0.1, 0.6, 0.1, 0.6], frame_rate_hz=2, threshold=0.5)
    (0.5, 2.5)
    """
    if not (is_number(frame_rate_hz) and 0 < frame_rate_hz < float("inf")):
        raise InvalidParameterError("frame_rate_hz", "frames per second > 0", frame_rate_hz)
    if not (is_number(threshold) and 0 <= threshold <= 1):
        raise InvalidParameterError("threshold", "a number in [0, 1]", threshold)
    if not (is_number(rest_s) and 0 <= rest_s < float("inf")):
        raise InvalidParameterError("rest_s", "seconds >= 0", rest_s)
    above = np.asarray(probabilities) > threshold
    rising = np.flatnonzero(above & ~np.concatenate(([False], above[:-1])))
    events: list[float] = []
    for frame in rising.tolist():
        at = (frame + 1) / frame_rate_hz
        if not events or at - events[-1] >= rest_s - _ROUNDING_S:
            events.append(at)
    return tuple(events)


def read_probabilities(
    path: str | os.PathLike[str], durations_s: Mapping[str, float], *, complete: bool = True
) -> Probabilities:
    """Read a probabilities file.

    Parameters
    ----------
    path
        The file.
    durations_s
        Seconds of each conversation of the split.
    complete
        Whether every conversation must be there, as the rules say.

    Raises
    ------
    DatasetError
        If it is not what the benchmark's rules say; it lists every reason.
    """
    try:
        data = parse_json(Path(path).read_bytes(), finite=False)
    except JSONError as error:
        raise DatasetError(f"{path}: {error}") from error
    problems: list[str] = []
    if not isinstance(data, dict) or set(data) != {"schema_version", "task", "frame_rate_hz", "probs"}:
        raise DatasetError(f"{path}: must hold schema_version, task, frame_rate_hz and probs, and nothing else")
    rate = data["frame_rate_hz"]
    if data["schema_version"] != 1:
        problems.append(f"schema_version must be 1, got {data['schema_version']!r}")
    if data["task"] not in _TASKS:
        problems.append(f"task must be one of {', '.join(_TASKS)}, got {data['task']!r}")
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < float("inf"):
        problems.append(f"frame_rate_hz must be a number > 0, got {rate!r}")
    if problems:
        raise DatasetError(f"{path}: not TurnBench's probabilities", problems)
    speakers: dict[tuple[str, int], FloatArray] = {}
    for entry in data["probs"]:
        _take(entry, float(rate), durations_s, speakers, problems)
    if complete:
        problems += [f"conversation {name!r} is missing" for name in durations_s if (name, SPEAKERS[0]) not in speakers]
    if problems:
        raise DatasetError(f"{path}: not TurnBench's probabilities", problems)
    return Probabilities(task=_TASKS[data["task"]], frame_rate_hz=float(rate), speakers=speakers)


def _take(
    entry: Any,
    rate: float,
    durations_s: Mapping[str, float],
    speakers: dict[tuple[str, int], FloatArray],
    problems: list[str],
) -> None:
    if not isinstance(entry, dict) or set(entry) != {"conversation_id", *(f"speaker_{each}" for each in SPEAKERS)}:
        problems.append("each of probs must hold conversation_id, speaker_1 and speaker_2, and nothing else")
        return
    name = entry["conversation_id"]
    if name not in durations_s:
        problems.append(f"conversation {name!r} is not in the split")
        return
    if (name, SPEAKERS[0]) in speakers:
        problems.append(f"conversation {name!r} is there twice")
        return
    n_frames = math.floor(durations_s[name] * rate + _ROUNDING_S)
    for speaker in SPEAKERS:
        where = f"conversation {name!r}, speaker_{speaker}"
        made = np.zeros(0, np.float32)
        try:
            made = np.asarray(entry[f"speaker_{speaker}"]["prob"], dtype=np.float32)
        except (KeyError, TypeError, ValueError):
            problems.append(f"{where} must hold numbers under prob")
        else:
            if made.shape != (n_frames,):
                problems.append(f"{where} must hold {n_frames} frames, got {made.shape}")
            elif not ((made >= 0) & (made <= 1)).all():
                problems.append(f"{where} must hold numbers in [0, 1]")
        speakers[name, speaker] = made


def sweep(
    gold: Iterable[Gold],
    probabilities: Probabilities,
    thresholds: Iterable[float],
    *,
    rule: MatchRule | None = None,
) -> pd.DataFrame:
    """Score one threshold after another.

    Parameters
    ----------
    gold
        Of the conversations.
    probabilities
        Of exactly these conversations.
    thresholds
        In [0, 1].
    rule
        Numbers of the matching; ``None`` for today's.

    Returns
    -------
    pandas.DataFrame
        One row per threshold: ``task``, ``threshold``, ``tp``, ``fn``, ``fp``, ``negatives``, ``recall``, ``fp_rate``,
        ``chosen``. ``chosen`` marks the operating point by the benchmark's rule: the highest recall with a
        false-positive rate of at most 0.1.
    """
    import pandas as pd

    conversations = list(gold)
    names = {each.conversation_id for each in conversations}
    if names != (known := {name for name, _ in probabilities.speakers}):
        raise InvalidParameterError(
            "probabilities", "of exactly the conversations of the gold", sorted(names ^ known)[:3]
        )
    rows = []
    for threshold in thresholds:
        total = TaskScore(hits=0, positives=0, false=0, negatives=0)
        for each in conversations:
            for speaker in SPEAKERS:
                events = events_of_probabilities(
                    probabilities.speakers[each.conversation_id, speaker],
                    frame_rate_hz=probabilities.frame_rate_hz,
                    threshold=threshold,
                )
                total = total + match(each.tasks[speaker, probabilities.task], events, rule)
        rows.append(
            {
                "task": probabilities.task,
                "threshold": threshold,
                "tp": total.hits,
                "fn": total.positives - total.hits,
                "fp": total.false,
                "negatives": total.negatives,
                "recall": total.recall,
                "fp_rate": total.fp_rate,
            }
        )
    table = pd.DataFrame(rows)
    allowed = table["recall"].where(table["fp_rate"] <= LARGEST_DEV_FP_RATE)
    table["chosen"] = table.index == (allowed.idxmax() if allowed.notna().any() else -1)
    return table
