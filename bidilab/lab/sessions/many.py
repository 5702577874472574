"""All recordings of a dataset, each played to a session."""

from __future__ import annotations

import html
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bidilab.bidi.local.decider import TurnDetection
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.datasets.dataset import Dataset
from bidilab.lab.datasets.recording import Recording
from bidilab.lab.sessions.replay import Replay, replay

__all__ = ["DatasetReplay", "replay_dataset"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DatasetReplay:
    """Replays of a dataset, in its order.

    Parameters
    ----------
    name
        Of the dataset.
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
        """`Replay.interruptions` of all, with a column ``recording_id``."""
        tables = [made.interruptions.assign(recording_id=made.name) for made in self.replays]
        table = pd.concat(tables, ignore_index=True)
        return table[["recording_id", *table.columns.drop("recording_id")]]

    @property
    def recordings(self) -> pd.DataFrame:
        """One row per recording: counts of turns, responses, interruptions and outcomes."""
        rows = []
        for made in self.replays:
            outcomes = made.interruptions["outcome"].value_counts()
            counts = {f"n_{name}": int(outcomes.get(name, 0)) for name in ("detected", "false", "missed", "unheard")}
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
    out: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    progress: bool = True,
) -> DatasetReplay:
    """Replay every recording with the local model on the virtual clock, in processes side by side.

    Parameters
    ----------
    dataset
        A dataset or its folder.
    turn_detection
        As in `replay`.
    out
        Folder to write to, a folder in it for each recording.
    jobs
        Processes; by default one a core.
    progress
        Whether to show a bar of recordings.

    Raises
    ------
    InvalidParameterError
        If a parameter is not allowed.
    """
    from tqdm.auto import tqdm

    given = dataset if isinstance(dataset, Dataset) else Dataset.load(dataset)
    if jobs is not None and jobs < 1:
        raise InvalidParameterError("jobs", "at least 1, or None", jobs)
    recordings = list(given)
    folders = [None if out is None else Path(out) / recording.id for recording in recordings]
    made: dict[int, Replay] = {}
    with tqdm(total=len(recordings), unit="recording", desc=given.name, disable=not progress) as bar:
        if jobs == 1:
            for index, (recording, folder) in enumerate(zip(recordings, folders, strict=True)):
                made[index] = _one(recording, turn_detection, folder)
                bar.update()
        else:
            # Spawned, not forked, as the sweep's: onnxruntime and numba hold threads.
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(jobs or os.cpu_count(), mp_context=context) as pool:
                started = {
                    pool.submit(_one, recording, turn_detection, folder): index
                    for index, (recording, folder) in enumerate(zip(recordings, folders, strict=True))
                }
                for future in as_completed(started):
                    made[started[future]] = future.result()
                    bar.update()
    return DatasetReplay(name=given.name, replays=tuple(made[index] for index in range(len(recordings))))


def _one(recording: Recording, turn_detection: TurnDetection | None, folder: Path | None) -> Replay:
    return replay(recording, turn_detection=turn_detection, out=folder)
