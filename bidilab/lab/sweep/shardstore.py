"""What a sweep by parts has found, in files that are read a block of settings at a time, so that memory is bounded."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from bidilab.lab.metrics.columns import Part, counted_in
from bidilab.lab.sweep.counts import RECORDING_COUNTS, CountsPart, SweptCounts
from bidilab.lab.sweep.engine import BlockVerdicts
from bidilab.lab.sweep.evaluated import recorded_counts
from bidilab.lab.sweep.plan import SweepPlan
from bidilab.lab.sweep.problem import SweptLabels
from bidilab.lab.sweep.shardfile import KINDS, Integers, Kind, Label, ShardFile, block_of
from bidilab.lab.sweep.verdicts import SweptVerdicts

__all__ = ["KeptCounts", "KeptRows", "ShardStore"]

IntArray = npt.NDArray[np.int64]
_COUNTED: tuple[tuple[Part, Kind], ...] = (("events", "events"), ("turns", "turns"), ("stops", "stops"))


class ShardStore:
    """The files of all parts of a dataset, in the order of its recordings.

    Parameters
    ----------
    paths
        Of the files.
    plan
        Of the settings under one condition; conditions follow each other.
    n_conditions
        How many there are.
    clusters
        ``(n_recordings,) int64``: which recordings go together where intervals are made, numbered from 0.
    sample_rate
        Hertz of the VAD.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        plan: SweepPlan,
        *,
        n_conditions: int,
        clusters: IntArray,
        sample_rate: int,
    ) -> None:
        self._files = [ShardFile(path) for path in paths]
        self._lock = threading.Lock()
        self._last: dict[Kind, tuple[int, Integers]] = {}
        self.plan = plan
        self.n_conditions = n_conditions
        firsts = np.cumsum([0, *(len(file.label("label_counts")) for file in self._files)])
        self.labels = SweptLabels(
            label_counts=self._labels("label_counts").astype(np.int32),
            clusters=clusters,
            true_recording=self._labels("true_recording", firsts).astype(np.int32),
            turn_recording=self._labels("turn_recording", firsts).astype(np.int32),
            turn_starts=self._labels("turn_starts").astype(np.int64),
            sample_rate=sample_rate,
        )

    @property
    def n_blocks(self) -> int:
        """Blocks under all conditions."""
        return len(self.plan.blocks) * self.n_conditions

    @property
    def n_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.path.stat().st_size for file in self._files)

    def block(self, place: int) -> BlockVerdicts:
        """What is found of a block, on all recordings."""
        return block_of({kind: self.read(place, kind) for kind in KINDS})

    def read(self, place: int, kind: Kind) -> Integers:
        """One array of a block, on all recordings; the last of each kind is at hand."""
        with self._lock:
            known = self._last.get(kind)
            if known is None or known[0] != place:
                self._last.pop(kind, None)
                known = place, self._joined(place, kind)
                if kind != "first_turn":
                    self._last[kind] = known
            return known[1]

    def forget(self) -> None:
        """Let go of what is at hand."""
        with self._lock:
            self._last.clear()

    def _joined(self, place: int, kind: Kind) -> Integers:
        if kind == "event_of":
            return self._files[0].block(place, kind)
        parts = [file.block(place, kind) for file in self._files]
        return np.concatenate(parts, axis=1)

    def _labels(self, name: Label, firsts: IntArray | None = None) -> Integers:
        parts = [file.label(name) for file in self._files]
        if firsts is not None:
            parts = [part + first for part, first in zip(parts, firsts[:-1], strict=True)]
        return np.concatenate(parts)

    def counts(self, recording_ids: tuple[str, ...]) -> KeptCounts:
        """Counts of all settings by recording."""
        n = len(self.plan.turn_of) * self.n_conditions
        return KeptCounts(store=self, recording_ids=recording_ids, settings=np.arange(n))

    def verdicts(self) -> SweptVerdicts:
        """Verdicts of all settings on every event and turn; the large arrays stay in the files."""
        blocks = self.plan.blocks
        of_blocks = [self._files[0].block(place, "event_of") for place in range(self.n_blocks)]
        n_events = np.array([int(of.max()) + 1 for of in of_blocks])
        n_turns = np.array([len(block.settings) for block in blocks] * self.n_conditions)
        firsts = np.cumsum([0, *n_events[:-1]])
        per_condition = len(blocks)
        event_of, turn_of = [], []
        for condition in range(self.n_conditions):
            own = slice(condition * per_condition, (condition + 1) * per_condition)
            rows = [(of + first).ravel() for of, first in zip(of_blocks[own], firsts[own], strict=True)]
            event_of.append(np.concatenate(rows)[self.plan.row_of])
            turn_of.append(self.plan.turn_of + condition * int(n_turns[:per_condition].sum()))
        false = [k for k, c in enumerate(counted_in("events")) if c.name.startswith("n_false_on_opportunity")]
        possible = [k for k, c in enumerate(counted_in("labels")) if c.name.startswith("n_false_opportunities")]
        hits = [
            _least(self.read(place, "events")[:, :, false].sum(axis=2, dtype=np.int32))
            for place in range(self.n_blocks)
        ]
        return SweptVerdicts(
            event_of=np.concatenate(event_of),
            turn_of=np.concatenate(turn_of),
            false_hits=np.concatenate(hits),
            true_recording=self.labels.true_recording,
            turn_recording=self.labels.turn_recording,
            false_members=self.labels.label_counts[:, possible].sum(axis=1).astype(np.int64),
            clusters=self.labels.clusters,
            sample_rate=np.array(self.labels.sample_rate),
            delays=KeptRows(self, "delays", n_events),
            waits=KeptRows(self, "waits", n_turns),
            states=KeptRows(self, "states", n_turns),
        )


def _least(counts: Integers) -> Integers:
    return counts.astype(np.int16) if not counts.size or counts.max() <= np.iinfo(np.int16).max else counts


class KeptRows:
    """A table of verdicts in files, that gives its rows as an array does.

    Parameters
    ----------
    store
        The files.
    kind
        ``"delays"``, ``"waits"`` or ``"states"``.
    rows
        ``(n_blocks,)``: rows of each block.
    """

    def __init__(self, store: ShardStore, kind: Kind, rows: IntArray) -> None:
        self._store = store
        self._kind = kind
        self._ends = np.cumsum(rows)
        labels = store.labels
        width = len(labels.true_recording if kind == "delays" else labels.turn_recording)
        self.shape = (int(self._ends[-1]), width)
        self.dtype = np.dtype(np.uint8 if kind == "states" else np.int32)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        """A row by its number, or rows by a slice or an array of numbers."""
        if isinstance(key, int | np.integer):
            return self._row(range(len(self))[int(key)])
        numbers = np.arange(len(self))[key]
        found = np.empty((len(numbers), self.shape[1]), dtype=self.dtype)
        for place, row in enumerate(numbers.tolist()):
            found[place] = self._row(row)
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """All rows, in memory."""
        del copy  # there is no other way
        return self[:].astype(dtype or self.dtype, copy=False)

    def _row(self, row: int) -> npt.NDArray[Any]:
        place = int(np.searchsorted(self._ends, row, side="right"))
        first = int(self._ends[place - 1]) if place else 0
        found: npt.NDArray[Any] = self._store.read(place, self._kind)[row - first]
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeptCounts:
    """Counts in files, as `RecordingCounts`.

    Parameters
    ----------
    store
        The files.
    recording_ids
        ``n_recordings`` ids.
    settings
        ``(n,) int64``: which settings of the sweep are meant.
    """

    store: ShardStore
    recording_ids: tuple[str, ...]
    settings: IntArray

    def frames(self) -> Iterator[pd.DataFrame]:
        """Yield the table, a setting at a time."""
        for number in range(len(self.settings)):
            yield self.at(number).assign(setting=np.int32(number))

    def at(self, setting: int) -> pd.DataFrame:
        """Return the rows of one setting."""
        (frame,) = self._of(int(self.settings[setting])).frames()
        return frame.assign(setting=np.int32(setting))

    def part(self, rows: slice) -> Self:
        """Return the counts of some settings."""
        return replace(self, settings=self.settings[rows])

    def _of(self, setting: int) -> SweptCounts:
        store, plan = self.store, self.store.plan
        condition, within = divmod(setting, len(plan.turn_of))
        sizes = np.cumsum([len(block.settings) for block in plan.blocks])
        block = int(np.searchsorted(sizes, plan.turn_of[within], side="right"))
        turn = int(plan.turn_of[within] - (sizes[block - 1] if block else 0))
        place, guard = condition * len(plan.blocks) + block, int(plan.guard_of[within])
        rows = {
            "events": int(store.read(place, "event_of")[turn, guard]),
            "turns": turn,
            "stops": turn * len(plan.guards) + guard,
        }
        found: list[tuple[Part, Integers]] = [("labels", store.labels.label_counts)]
        found += [(part, store.read(place, kind)[rows[part]]) for part, kind in _COUNTED]
        one = np.zeros(1, dtype=np.int64)
        parts = tuple(
            CountsPart(
                columns=tuple(c.name for c in counted_in(part) if c.name in RECORDING_COUNTS),
                counts=recorded_counts(part, counts[None]),
                of=one,
            )
            for part, counts in found
        )
        return SweptCounts(parts=parts, recording_ids=self.recording_ids)
