"""What a sweep found: tables first, figures and a report from them."""

from __future__ import annotations

import html
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bidilab.core.errors import ResultError
from bidilab.detect.turns import Turn
from bidilab.lab.conditions.condition import Condition
from bidilab.lab.datasets import Dataset
from bidilab.lab.showing import showing
from bidilab.lab.sweep.comparison import compare_settings
from bidilab.lab.sweep.conditioned import part_of_swept
from bidilab.lab.sweep.events import events_frame
from bidilab.lab.sweep.facts import SweepFacts
from bidilab.lab.sweep.grid import CONDITION, Grid
from bidilab.lab.sweep.onesetting import recordings_table
from bidilab.lab.sweep.recommendation import Recommendation, recommend_setting
from bidilab.lab.sweep.source import SweepSource
from bidilab.lab.sweep.storage import read_sweep, recordings_frames, write_sweep
from bidilab.lab.sweep.validation import validate

if TYPE_CHECKING:
    from bidilab.lab.sweep.engine import SweptGrid
    from bidilab.show.plots.accessor import SweepPlots

__all__ = ["SweepResult"]


class SweepResult(SweepFacts):
    """A sweep's findings. Made by `sweep`, or read back by `SweepResult.load`.

    Attributes
    ----------
    settings : DataFrame
        One row a setting; the condition of the audio where there is an axis of them, the three axes, then counts, rates
        with Wilson intervals (``_lo``, ``_hi``), latencies with bootstrap intervals. A quantile that too many misses
        keep from being reached is infinite; what is undefined is NaN, with its ``n`` 0.
    grid : Grid
        The settings swept.
    meta : dict
        Dataset and its hash, VAD and its version, seed, versions of the packages.
    """

    def __init__(
        self,
        *,
        settings: pd.DataFrame,
        grid: Grid,
        meta: Mapping[str, Any],
        swept: SweptGrid | None = None,
        sources: Sequence[SweepSource] | None = None,
        directory: Path | None = None,
        part_of: tuple[SweepResult, int] | None = None,
    ) -> None:
        self.settings = settings
        self.grid = grid
        self.meta = dict(meta)
        self._swept = swept
        self._sources = None if sources is None else tuple(sources)
        self._directory = directory
        self._part_of = part_of

    # -- what was swept ---------------------------------------------------------------------------------------------

    def under(self, condition: Condition | str | None) -> SweepResult:
        """The result under one of its conditions, with settings counted from 0; nothing is copied but its table.

        Raises
        ------
        InvalidParameterError
            If the condition is not one that was swept.
        """
        index = self.grid.condition_index(condition)
        grid, first = self.grid.under(condition), index * self.grid.n_under_one_condition
        rows = slice(first, first + len(grid))
        settings = self.settings.iloc[rows].reset_index(drop=True).rename_axis("setting")
        if not grid.has_conditions:
            settings = settings.drop(columns=CONDITION, errors="ignore")
        meta = dict(self.meta)
        identities = meta.pop("condition_fingerprints", None)
        if grid.has_conditions and identities is not None:
            meta["condition_fingerprints"] = [identities[index]]
        return SweepResult(
            settings=settings,
            grid=grid,
            meta=meta,
            swept=None if self._swept is None else part_of_swept(self._swept, rows, settings),
            sources=None if self._sources is None else (self._sources[index],),
            part_of=(self, first),
        )

    # -- a closer look ----------------------------------------------------------------------------------------------

    @property
    def source(self) -> SweepSource:
        """The recordings behind the sweep; those of a loaded result are looked for where they were.

        Raises
        ------
        ResultError
            If they are not there, or have changed.
        """
        return self.sources[0]

    @property
    def sources(self) -> tuple[SweepSource, ...]:
        """The recordings under each condition, as `source`."""
        if self._sources is None:
            self._sources = self._find_sources(None)
        return self._sources

    def _find_sources(self, dataset: Dataset | None) -> tuple[SweepSource, ...]:
        identities = self.meta.get("condition_fingerprints", [None] * len(self.conditions))
        return tuple(
            SweepSource.from_meta(self.meta, dataset, condition=condition, identity=identity)
            for condition, identity in zip(self.conditions, identities, strict=True)
        )

    def source_of(self, setting: int) -> SweepSource:
        """The recordings as they were under the condition of a setting."""
        return self.sources[self._check(setting) // self.grid.n_under_one_condition]

    @property
    def dataset(self) -> Dataset:
        """The dataset swept."""
        return self.source.dataset

    def attach(self, dataset: Dataset | str | os.PathLike[str]) -> SweepResult:
        """Tell a loaded result where its dataset is now; returns the result itself."""
        loaded = dataset if isinstance(dataset, Dataset) else Dataset.load(dataset)
        self._sources = self._find_sources(loaded)
        return self

    def probabilities(self, recording_id: str, setting: int = 0) -> npt.NDArray[np.float32]:
        """Probability track of a recording under the condition of a setting, ``(n_frames,) float32``."""
        return self.source_of(setting).probabilities(recording_id)

    def turns(self, recording_id: str, setting: int) -> tuple[Turn, ...]:
        """Turns of a recording under a setting; positions in samples at ``vad_sample_rate``."""
        return self.source_of(setting).turns(recording_id, self.params(setting))

    def events(self, setting: int, recording_id: str | None = None) -> pd.DataFrame:
        """One row for each opportunity and each interruption under a setting: what, when and why.

        Of all recordings, or of one. Columns: `bidilab.lab.sweep.events.EVENT_COLUMNS`.
        """
        params, guards = self.params(setting), self.guards(setting)
        source = self.source_of(setting)
        ids = [r.id for r in source.dataset] if recording_id is None else [recording_id]
        evaluated = ((each, source.evaluate(each, params, guards)) for each in ids)
        return events_frame(evaluated, self.vad_sample_rate)

    def recordings_at(self, setting: int) -> pd.DataFrame:
        """What became of each recording under one setting; indexed by ``recording_id``.

        Columns: `bidilab.lab.sweep.onesetting.RECORDING_COLUMNS`, by the sweep's own evaluation.

        Raises
        ------
        InvalidParameterError
            If there is no such setting.
        ResultError
            If the recordings of a loaded result are not where they were.
        """
        source = self.source_of(setting)
        evaluated = source.evaluate_all(self.params(setting), self.guards(setting))
        return recordings_table(source.problem, evaluated, [recording.id for recording in source.dataset])

    def counts_at(self, setting: int) -> pd.DataFrame:
        """Counts of each recording under one setting as the sweep stored them: the recordings need not be there.

        Indexed by ``recording_id``; columns: `bidilab.lab.sweep.storage.RECORDING_COUNTS`.

        Raises
        ------
        InvalidParameterError
            If there is no such setting.
        ResultError
            If the result holds no counts by recording.
        """
        setting = self._check(setting)
        if self._swept is None and self._part_of is not None:
            whole, first = self._part_of
            return whole.counts_at(first + setting)
        if self._swept is not None:
            ids = [recording.id for recording in self.source.dataset]
            rows = self._swept.evaluation[setting : setting + 1]
            frame = next(recordings_frames(self._swept.counts, rows, ids))
        else:
            frame = pd.read_parquet(self._stored_recordings, filters=[("setting", "==", setting)])
        return frame.drop(columns="setting").astype({"recording_id": str}).set_index("recording_id")

    def compare(self, a: int, b: int) -> pd.DataFrame:
        """Differences ``b - a`` of two settings, paired by recording; one row a metric.

        See `bidilab.lab.sweep.comparison.compare_settings` for the columns. Where the recordings of a loaded result
        are not at hand, rates are paired by the stored counts, and the rest is not paired.

        Raises
        ------
        InvalidParameterError
            If there is no such setting.
        """
        pair = self._check(a), self._check(b)
        n_resamples = int(self.meta["n_resamples"])
        if not self.has_recordings:
            counts = self.counts_at(a), self.counts_at(b)
            return compare_settings(self.settings, pair, counts, n_resamples=n_resamples, seed=self.seed)
        sources = self.source_of(a), self.source_of(b)
        evaluated = (
            sources[0].evaluate_all(self.params(a), self.guards(a)),
            sources[1].evaluate_all(self.params(b), self.guards(b)),
        )
        ids = [recording.id for recording in self.dataset]
        first, second = (
            recordings_table(source.problem, each, ids) for source, each in zip(sources, evaluated, strict=True)
        )
        return compare_settings(
            self.settings,
            pair,
            (first, second),
            problem=sources[0].problem,  # the labels, which no condition moves
            evaluated=evaluated,
            n_resamples=n_resamples,
            seed=self.seed,
        )

    @property
    def has_recordings(self) -> bool:
        """Whether the recordings swept are where they were, unchanged: without them only the tables can be shown."""
        try:
            return self.source is not None
        except ResultError:
            return False

    @cached_property
    def recordings(self) -> pd.DataFrame:
        """Counts of every setting on every recording; one row each."""
        if self._swept is not None:
            return pd.concat(self._recordings_frames(self._swept), ignore_index=True)
        if self._part_of is not None:
            whole, first = self._part_of
            rows = whole.recordings[whole.recordings["setting"].between(first, first + len(self.grid) - 1)]
            return rows.assign(setting=rows["setting"] - first).reset_index(drop=True)
        return pd.read_parquet(self._stored_recordings)

    @property
    def _stored_recordings(self) -> Path:
        if self._directory is None:
            raise ResultError("this result holds no counts by recording")
        return self._directory / "recordings.parquet"

    def _recordings_frames(self, swept: SweptGrid) -> Iterator[pd.DataFrame]:
        ids = [recording.id for recording in self.source.dataset]
        return recordings_frames(swept.counts, swept.evaluation, ids)

    # -- conclusions ------------------------------------------------------------------------------------------------

    def recommend(
        self,
        max_false_interruption_rate: float | None = None,
        max_missed_rate: float | None = None,
        *,
        validate_on: Dataset | SweepResult | None = None,
    ) -> Recommendation:
        """The best setting within the limits given, or a plain word that there is none and which come close.

        See `recommend_setting` for the order of preference.

        Parameters
        ----------
        max_false_interruption_rate, max_missed_rate
            Limits in [0, 1]; ``None`` for none.
        validate_on
            Recordings that had no say in the choice (``dataset.split(…)[1]``), or a sweep of them: the recommendation
            then says what the setting does on these, and warns where they are not apart from those it was chosen on.
        """
        found = recommend_setting(
            self.settings,
            max_false_interruption_rate=max_false_interruption_rate,
            max_missed_rate=max_missed_rate,
        )
        if self.proposed_labels:
            found = replace(found, message=f"{found.message} Its n rests on labels of which {self.proposed_labels}.")
        if found.setting is None:
            return found
        validation = None if validate_on is None else validate(self, found.setting, validate_on)
        params, guards = self.params(found.setting), self.guards(found.setting)
        return replace(found, params=params, guards=guards, validation=validation)

    @property
    def plot(self) -> SweepPlots:
        """Figures: ``result.plot.heatmap("missed_rate")``, ``.curves()``, ``.tradeoff()``, ``.timeline(…)``."""
        return showing().plots(self)

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        max_false_interruption_rate: float | None = None,
        max_missed_rate: float | None = None,
        figures: str | os.PathLike[str] | None = None,
        validate_on: Dataset | SweepResult | None = None,
    ) -> Path:
        """Write one self-contained HTML file.

        Parameters
        ----------
        path
            The file.
        max_false_interruption_rate, max_missed_rate
            Limits of the recommendation, as in `recommend`.
        figures
            A folder to write the figures into as well, as SVG, PDF, PNG and CSV.
        validate_on
            As in `recommend`; adds a section.
        """
        return showing().report(
            self,
            path,
            max_false_interruption_rate=max_false_interruption_rate,
            max_missed_rate=max_missed_rate,
            figures=figures,
            validate_on=validate_on,
        )

    # -- storage ----------------------------------------------------------------------------------------------------

    def save(self, directory: str | os.PathLike[str]) -> Path:
        """Write ``sweep.json``, ``settings.parquet`` and ``recordings.parquet`` into a folder."""
        directory = Path(directory)
        frames = self._recordings_frames(self._swept) if self._swept is not None else iter([self.recordings])
        facts = {"grid": self.grid.to_json(), **self.meta}
        write_sweep(directory, facts, self.settings, frames)
        return directory

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> SweepResult:
        """Read what `save` wrote.

        Raises
        ------
        ResultError
            If the folder holds no whole result.
        """
        directory = Path(directory)
        facts, settings = read_sweep(directory)
        grid = Grid.from_json(facts.pop("grid"))
        facts.pop("format")
        if len(settings) != len(grid):
            raise ResultError(f"{directory}: {len(settings)} settings, but the grid has {len(grid)}")
        return cls(settings=settings, grid=grid, meta=facts, directory=directory)

    # -- text -------------------------------------------------------------------------------------------------------

    def _facts(self) -> list[tuple[str, str]]:
        described, vad = self.meta["dataset"], self.meta["vad"]
        proposed = self.proposed_labels
        return [
            ("dataset", f"{described['name']}, {self.n_recordings} recordings, {described['duration_s'] / 60:.1f} min"),
            *([("labels", proposed)] if proposed else []),
            ("settings", repr(self.grid)),
            ("VAD", f"{vad['name']}, {self.vad_sample_rate} Hz, {self.frame_samples} samples a frame"),
            ("evaluation", f"{self.evaluation}, bootstrap seed {self.seed}"),
            ("recommended", self.recommend().message),
        ]

    def __repr__(self) -> str:
        return "\n".join(["SweepResult", *(f"  {name:<12} {text}" for name, text in self._facts())])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th><td style='text-align:left'>"
            f"{html.escape(text)}</td></tr>"
            for name, text in self._facts()
        )
        return f"<table><caption>SweepResult</caption>{rows}</table>"
