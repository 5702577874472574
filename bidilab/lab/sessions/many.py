"""All recordings of a dataset, each played to a session."""

from __future__ import annotations

import html
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from bidilab.bidi.local.decider import TurnDetection
from bidilab.core.checks import is_whole
from bidilab.core.errors import InvalidParameterError
from bidilab.core.places import held
from bidilab.core.processes import worker_processes
from bidilab.detect.scorers import ScorerLike, ScoreTrack
from bidilab.detect.turns import AdaptiveInterruption, EndOfTurn
from bidilab.detect.vad import VadLike, as_vad
from bidilab.detect.vad.given import cannot_be_sent
from bidilab.lab.datasets.dataset import Dataset
from bidilab.lab.datasets.recording import Recording
from bidilab.lab.sessions.replay import Replay, replay

__all__ = ["DatasetReplay", "replay_dataset"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DatasetReplay:
    """Replays of a dataset's recordings, in order.

    Parameters
    ----------
    name
        Name of the dataset.
    replays
        One replay per recording.
    """

    name: str
    replays: tuple[Replay, ...]

    def __len__(self) -> int:
        return len(self.replays)

    def __iter__(self) -> Iterator[Replay]:
        return iter(self.replays)

    def __getitem__(self, name: str) -> Replay:
        """The replay of a recording.

        Raises
        ------
        KeyError
            If there is none of that name.
        """
        for made in self.replays:
            if made.name == name:
                return made
        raise KeyError(name)

    @property
    def interruptions(self) -> pd.DataFrame:
        """`Replay.interruptions` of all replays, with a column ``recording_id``."""
        tables = [made.interruptions.assign(recording_id=made.name) for made in self.replays]
        table = pd.concat(tables, ignore_index=True)
        return table[["recording_id", *table.columns.drop("recording_id")]]

    @property
    def recordings(self) -> pd.DataFrame:
        """One row per recording: counts of turns, responses, interruptions and outcomes."""
        rows = []
        for made in self.replays:
            outcomes = made.interruptions["outcome"].value_counts()
            names = ("detected", "false", "continued", "missed", "unheard")
            counts = {f"n_{name}": int(outcomes.get(name, 0)) for name in names}
            rows.append(
                {
                    "recording_id": made.name,
                    "n_turns": len(made.log.turns()),
                    "n_responses": len(made.log.responses()),
                    "n_interruptions": len(made.log.interruptions()),
                    **counts,
                }
            )
        return pd.DataFrame(rows)

    @property
    def summary(self) -> str:
        """One line: sums, and detector."""
        detectors = dict.fromkeys(made.detector for made in self.replays if made.detector is not None)
        heard_by = f"; detector {', '.join(detectors)}" if detectors else ""
        sums = self.recordings.drop(columns="recording_id").sum()
        said = ", ".join(f"{int(n)} {str(name).removeprefix('n_')}" for name, n in sums.items())
        return f"{self.name}: {len(self)} recordings, {said}{heard_by}"

    def __repr__(self) -> str:
        return f"DatasetReplay {self.summary}"

    def _repr_html_(self) -> str:
        return f"<b>DatasetReplay</b> {html.escape(self.summary)}{self.recordings.to_html(index=False)}"


def replay_dataset(
    dataset: Dataset | str | os.PathLike[str],
    *,
    turn_detection: TurnDetection | None = None,
    end_of_turn: EndOfTurn | None = None,
    scorer: ScorerLike | Mapping[str, ScoreTrack] | None = None,
    interruption: AdaptiveInterruption | None = None,
    interruption_scorer: ScorerLike | Mapping[str, ScoreTrack] | None = None,
    vad: VadLike | None = None,
    out: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    progress: bool = True,
) -> DatasetReplay:
    """Replay every recording with the local model on the virtual clock, in parallel processes.

    Parameters
    ----------
    dataset
        A dataset or its folder.
    turn_detection, end_of_turn, interruption
        As in `replay`.
    scorer, interruption_scorer
        As in `replay`, or a `ScoreTrack` for each recording, by its id. With more than one process, a scorer object
        must be picklable; a name or spec always works.
    vad
        The detector, as in `replay`; a detector object must be picklable, too.
    out
        Folder to write to, a folder in it for each recording.
    jobs
        Processes; by default one per core.
    progress
        Whether to show a bar of recordings.

    Raises
    ------
    InvalidParameterError
        If a parameter is not allowed, or recordings have no scores.
    """
    from tqdm import tqdm

    given = Dataset.of(dataset)
    if jobs is not None and not (is_whole(jobs) and jobs >= 1):
        raise InvalidParameterError("jobs", "a whole number >= 1, or None", jobs)
    detector = as_vad(vad)
    if jobs != 1 and (why := cannot_be_sent(detector)):
        warnings.warn(f"the sessions with {detector.name} are held in this process: {why}", UserWarning, stacklevel=2)
        jobs = 1
    recordings = list(given)
    ids = [recording.id for recording in recordings]
    eot, second = _scorers("scorer", scorer, ids), _scorers("interruption_scorer", interruption_scorer, ids)
    scorers = [
        dict(zip(("scorer", "interruption_scorer"), pair, strict=True)) for pair in zip(eot, second, strict=True)
    ]
    settings = {"turn_detection": turn_detection, "end_of_turn": end_of_turn, "interruption": interruption}
    how = partial(_one, settings={**settings, "vad": detector})
    folders = [None if out is None else Path(out) / recording.id for recording in recordings]
    made: dict[int, Replay] = {}
    holding = nullcontext() if out is None else held(Path(out))
    with holding, tqdm(total=len(recordings), unit="recording", desc=given.name, disable=not progress) as bar:
        if jobs == 1:
            for index, one in enumerate(zip(recordings, folders, scorers, strict=True)):
                made[index] = how(*one)
                bar.update()
        else:
            with worker_processes(int(jobs or os.cpu_count() or 1)) as pool:
                started = {
                    pool.submit(how, *one): index
                    for index, one in enumerate(zip(recordings, folders, scorers, strict=True))
                }
                for future in as_completed(started):
                    made[started[future]] = future.result()
                    bar.update()
    return DatasetReplay(name=given.name, replays=tuple(made[index] for index in range(len(recordings))))


def _scorers(name: str, given: Any, ids: Sequence[str]) -> list[Any]:
    """The scorer of each recording."""
    if not isinstance(given, Mapping):
        return [given] * len(ids)
    lacking = [each for each in ids if each not in given]
    unknown = [each for each in given if each not in set(ids)]
    if lacking or unknown:
        raise InvalidParameterError(
            name,
            "a ScoreTrack for each recording, by its id",
            f"{len(lacking)} recordings without ({', '.join(lacking[:3])}), "
            f"{len(unknown)} ids that are not recordings ({', '.join(map(str, unknown[:3]))})",
        )
    return [given[each] for each in ids]


def _one(
    recording: Recording, folder: Path | None, scorers: Mapping[str, Any], *, settings: Mapping[str, Any]
) -> Replay:
    return replay(recording, out=folder, **settings, **scorers)
