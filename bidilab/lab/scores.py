"""Scores of a dataset that were computed elsewhere: read from files, checked against the recordings.

Three kinds of file are known:

* Parquet or CSV with one row a score: ``recording_id``, ``heard_s`` (all audio that the score used was heard by then)
  and ``score``. Further columns may be there: ``known_s`` (it was at hand then, network included; ``heard_s`` where the
  column is absent), ``channel`` (``user`` or ``agent``; all are of the user where it is absent), ``task`` (``eot`` or
  ``interruption``), ``detector`` and ``version``; where one of these three is absent, the argument says it. The events
  of an API are rows with score 1. Rows of the agent's channel are left out: scores are of the user.
* TurnBench's probabilities (JSON): row ``k`` is heard at ``(k + 1) / rate``. The speaker is the one that the
  recording's tag ``user`` names, else that of the user's channel: ``speaker_1`` is the first.
* eot-bench's predictions (Parquet): ``id``, ``timestamp``, ``p_eot``.
"""

from __future__ import annotations

import hashlib
import html
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.detect.scorers.base import TASKS, ScoreTrack, Task
from bidilab.lab.benchmarks.turnbench.probabilities import read_probabilities
from bidilab.lab.datasets import Dataset, Recording

__all__ = ["Scores", "read_scores"]

_NEEDED = ("recording_id", "heard_s", "score")
_SAID = ("task", "detector", "version")
_EOT_BENCH = ("id", "timestamp", "p_eot")
_EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores(Mapping[str, ScoreTrack]):
    """Scores of one detector for the recordings of a dataset, by their ids, to give to a session or a sweep.

    Parameters
    ----------
    detector, version
        Name and version of what computed the scores.
    task
        Task of the scores.
    tracks
        By recording id.
    without
        Ids of recordings without scores. They do not count as 0.

    Examples
    --------
    >>> scores = bl.read_scores("scores.parquet", dataset)  # doctest: +SKIP
    >>> bl.replay(dataset["call-1"], scorer=scores["call-1"])  # doctest: +SKIP
    """

    detector: str
    version: str
    task: Task
    tracks: Mapping[str, ScoreTrack]
    without: tuple[str, ...] = ()

    def __getitem__(self, recording_id: str) -> ScoreTrack:
        if recording_id not in self.tracks:
            why = "it has no scores" if recording_id in self.without else "it is not a recording of the dataset"
            raise KeyError(f"{recording_id}: {why}")
        return self.tracks[recording_id]

    def __contains__(self, recording_id: object) -> bool:
        return recording_id in self.tracks

    def __iter__(self) -> Iterator[str]:
        return iter(self.tracks)

    def __len__(self) -> int:
        return len(self.tracks)

    @property
    def n_scores(self) -> int:
        """Scores of all recordings."""
        return sum(len(track.score) for track in self.tracks.values())

    def __repr__(self) -> str:
        made_by = f"{self.detector} {self.version}".strip()
        text = f"Scores ({self.task}) by {made_by}: {self.n_scores} in {len(self)} recordings"
        if not self.without:
            return text
        return f"{text}\n  without scores: {_some(self.without)}"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def read_scores(
    source: str | os.PathLike[str] | pd.DataFrame,
    dataset: Dataset,
    *,
    task: Task | None = None,
    detector: str | None = None,
    version: str | None = None,
) -> Scores:
    """Read scores that were computed elsewhere, and check them against a dataset.

    Parameters
    ----------
    source
        A file of one of the kinds that the module lists, recognised by its content; or a table of the first kind.
    dataset
        The recordings.
    task
        Which task to read, if a file of rows has scores of several; or the task of the scores, if the file does not
        say.
    detector, version
        Which detector to read, if the file has scores of several. If the file does not say, these are used; by default
        the file's name, and the start of its hash. A table that does not say needs a ``detector``.

    Raises
    ------
    DatasetError
        If the file is of no such kind; or an id is not a recording, a time is outside the audio, or a score is outside
        [0, 1] or was known before its audio was heard. The error says how many and shows three.
    InvalidParameterError
        If the file has scores of several tasks or detectors and you do not say which, or none of those you ask for; or
        if the task of the scores, or the detector of a table, is unknown.

    Examples
    --------
    >>> table = pd.DataFrame({"recording_id": "call-1", "heard_s": [1.6, 2.4], "score": [0.2, 0.9]})
    >>> bl.read_scores(table, dataset, task="eot", detector="my model")  # doctest: +SKIP
    """
    if task is not None and task not in TASKS:
        raise InvalidParameterError("task", f"one of {', '.join(TASKS)}", task)
    if isinstance(source, pd.DataFrame):
        own = version if version or "version" in source else _version_of(source)
        return _of_rows(_said(source, task, detector, own), "the table", dataset, task, detector, version)
    path = Path(source)
    if not path.is_file():
        raise DatasetError(f"{path}: no such file")
    named = (detector or path.stem, version or f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:8]}")
    if path.suffix == ".json":
        return _of_turnbench(path, dataset, task, *named)
    table = _table(path)
    if set(_EOT_BENCH) <= set(table.columns):
        rows = table.rename(columns={"id": "recording_id", "timestamp": "heard_s", "p_eot": "score"})
        rows = rows.assign(channel="user", task="eot", detector=named[0], version=named[1])
        return _of_rows(rows, str(path), dataset, task, *named)
    return _of_rows(_said(table, task, *named), str(path), dataset, task, detector, version)


def _said(rows: pd.DataFrame, task: Task | None, detector: str | None, version: str | None) -> pd.DataFrame:
    """The rows with the columns that are absent, as the arguments say them."""
    said = {name: given for name, given in zip(_SAID, (task, detector, version), strict=True) if name not in rows}
    for name, given in said.items():
        if given is None:
            allowed = f"one of {', '.join(TASKS)}" if name == "task" else "a name"
            raise InvalidParameterError(name, f"{allowed}, because the scores have no column {name}", given)
    return rows.assign(**said) if "channel" in rows else rows.assign(channel="user", **said)


def _version_of(rows: pd.DataFrame) -> str:
    """The start of the hash of a table's content, as of a file's."""
    hashes = pd.util.hash_pandas_object(rows, index=False).to_numpy()
    return f"sha256 {hashlib.sha256(hashes.tobytes()).hexdigest()[:8]}"


def _table(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        if path.suffix == ".csv":
            return pd.read_csv(path, dtype=dict.fromkeys(("recording_id", "id", "detector", "version"), str))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error
    raise DatasetError(f"{path}: must be .parquet, .csv or .json")


def _of_turnbench(path: Path, dataset: Dataset, task: Task | None, detector: str, version: str) -> Scores:
    names = {_tag(recording, "conversation") or recording.id: recording for recording in dataset}
    durations = {name: recording.duration_s for name, recording in names.items()}
    found = read_probabilities(path, durations, complete=False)
    if task is not None and found.task != task:
        raise InvalidParameterError("task", f"{found.task}, the one of {path.name}", task)
    tables = []
    for name, recording in names.items():
        speaker = int((_tag(recording, "user") or "").removeprefix("speaker_") or recording.channels.index("user") + 1)
        score = found.speakers.get((name, speaker))
        if score is not None:
            heard_s = (np.arange(len(score)) + 1) / found.frame_rate_hz
            tables.append(pd.DataFrame({"recording_id": recording.id, "heard_s": heard_s, "score": score}))
    if not tables:
        raise DatasetError(f"{path}: holds no scores of the dataset {dataset.name}")
    rows = pd.concat(tables).assign(channel="user", task=found.task, detector=detector, version=version)
    return _of_rows(rows, str(path), dataset, found.task, detector, version)


def _tag(recording: Recording, name: str) -> str:
    value = recording.tags.get(name)
    return "" if value is None else str(value)


def _of_rows(
    rows: pd.DataFrame, where: str, dataset: Dataset, task: Task | None, detector: str | None, version: str | None
) -> Scores:
    if missing := [name for name in _NEEDED if name not in rows.columns]:
        raise DatasetError(f"{where}: has no column {', '.join(missing)} (needed are {', '.join(_NEEDED)})")
    if not len(rows):
        raise DatasetError(f"{where}: holds no scores")
    rows = rows.assign(recording_id=rows["recording_id"].astype(str))
    _refuse(where, "channel is neither user nor agent", rows, ~rows["channel"].isin(("user", "agent")), "channel")
    _refuse(where, f"task is not one of {', '.join(TASKS)}", rows, ~rows["task"].isin(TASKS), "task")
    rows = rows[rows["channel"] == "user"]
    chosen = {}
    for name, wanted in (("task", task), ("detector", detector), ("version", version)):
        chosen[name], rows = _only(where, rows, name, wanted)
    by_id = {recording.id: recording for recording in dataset}
    _refuse(where, f"recording_id is not a recording of {dataset.name}", rows, ~rows["recording_id"].isin(by_id))
    heard = _numbers(where, rows, "heard_s")
    known = _numbers(where, rows, "known_s") if "known_s" in rows else heard
    score = _numbers(where, rows, "score")
    lengths = rows["recording_id"].map({name: each.n_samples / each.sample_rate for name, each in by_id.items()})
    beyond = 1 / rows["recording_id"].map({name: each.sample_rate for name, each in by_id.items()})
    _refuse(where, "heard_s lies outside the audio", rows, ~((heard >= 0) & (heard <= lengths + beyond)), "heard_s")
    _refuse(where, "known_s is before heard_s: a score from the future", rows, ~(known >= heard), "known_s", "heard_s")
    _refuse(where, "score is not in [0, 1]", rows, ~((score >= 0) & (score <= 1)), "score")
    rows = rows.assign(heard_s=heard, known_s=known, score=score)
    tracks = {
        str(recording_id): _track(group, by_id[str(recording_id)], chosen)
        for recording_id, group in rows.groupby("recording_id", sort=False)
    }
    return Scores(
        detector=chosen["detector"],
        version=chosen["version"],
        task=cast(Task, chosen["task"]),
        tracks={name: tracks[name] for name in by_id if name in tracks},
        without=tuple(name for name in by_id if name not in tracks),
    )


def _track(rows: pd.DataFrame, recording: Recording, made_by: Mapping[str, str]) -> ScoreTrack:
    ordered = rows.sort_values(["heard_s", "known_s"], kind="stable")
    heard, known = (
        np.rint(ordered[name].to_numpy(np.float64) * recording.sample_rate).astype(np.int64)
        for name in ("heard_s", "known_s")
    )
    return ScoreTrack(
        detector=made_by["detector"],
        version=made_by["version"],
        task=cast(Task, made_by["task"]),
        sample_rate=recording.sample_rate,
        heard_at=heard,
        known_at=known,
        score=ordered["score"].to_numpy(np.float32),
    )


def _only(where: str, rows: pd.DataFrame, name: str, wanted: str | None) -> tuple[str, pd.DataFrame]:
    """Keep the rows of one task, detector or version; the only one there is when it is not said."""
    there = sorted(rows[name].astype(str).unique())
    if wanted is None:
        if len(there) != 1:
            raise InvalidParameterError(name, f"one of {', '.join(there) or '(none)'}, which {where} holds", wanted)
        wanted = there[0]
    if wanted not in there:
        raise InvalidParameterError(name, f"one of {', '.join(there) or '(none)'}, which {where} holds", wanted)
    return wanted, rows[rows[name].astype(str) == wanted]


def _numbers(where: str, rows: pd.DataFrame, name: str) -> pd.Series[float]:
    numbers = pd.to_numeric(rows[name], errors="coerce").astype(np.float64)
    _refuse(where, f"{name} is no number", rows, ~numbers.abs().lt(np.inf), name)
    return numbers


def _refuse(where: str, what: str, rows: pd.DataFrame, wrong: pd.Series[bool], *columns: str) -> None:
    if not wrong.any():
        return
    found = rows[wrong]
    if columns:
        some = [
            f"{row['recording_id']}: {', '.join(f'{name} {row[name]}' for name in columns)}"
            for _, row in found.head(_EXAMPLES).iterrows()
        ]
    else:
        some = list(dict.fromkeys(found["recording_id"]))[:_EXAMPLES]
    raise DatasetError(f"{where}: in {len(found)} of {len(rows)} rows {what}, such as", some)


def _some(names: Sequence[str]) -> str:
    more = f", and {len(names) - _EXAMPLES} more" if len(names) > _EXAMPLES else ""
    return f"{len(names)} ({', '.join(names[:_EXAMPLES])}{more})"
