"""What a sweep found: a table of settings, counts of every recording, and what was swept and how."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bidilab.core.checks import check_is
from bidilab.core.errors import InvalidParameterError, ResultError
from bidilab.detect.turns import Turn
from bidilab.detect.vad import VadLike, as_vad
from bidilab.lab.conditions.condition import Condition
from bidilab.lab.datasets import Dataset
from bidilab.lab.metrics.columns import COMPARISON, EVENTS, RECORDINGS, RECORDINGS_AT, SETTINGS, lists_columns
from bidilab.lab.showing import showing
from bidilab.lab.sweep.choice import Weights
from bidilab.lab.sweep.comparison import compare
from bidilab.lab.sweep.counts import RecordingCounts
from bidilab.lab.sweep.facts import SweepFacts
from bidilab.lab.sweep.grid import CONDITION, EndOfTurnScores, Grid, InterruptionScores
from bidilab.lab.sweep.proposed import PROPOSED_BIAS
from bidilab.lab.sweep.recommendation import Recommendation, check_limits, recommend
from bidilab.lab.sweep.run import run_again
from bidilab.lab.sweep.source import SweepSource, find_sources
from bidilab.lab.sweep.storage import read_sweep, write_sweep
from bidilab.lab.sweep.validation import check_comparable, validate_setting
from bidilab.lab.sweep.verdicts import SweptVerdicts

if TYPE_CHECKING:
    from bidilab.lab.metrics.whatif import WhatIf
    from bidilab.show.plots.accessor import SweepPlots

__all__ = ["SweepResult"]


@lists_columns(SETTINGS, RECORDINGS)
class SweepResult(SweepFacts):
    """The result of a sweep. `sweep` returns one, `SweepResult.load` reads one.

    Attributes
    ----------
    settings : DataFrame
        One row per setting. A quantile that is not reached, because of too many misses, is infinite; an undefined value
        is NaN, with its ``n`` 0.
    grid : Grid
        The settings swept.
    meta : dict
        How it was made: dataset and its hash, VAD and its version, ``protocol`` (the options of the evaluation), seed,
        versions of the packages.
    """

    def __init__(
        self,
        *,
        settings: pd.DataFrame,
        grid: Grid,
        meta: Mapping[str, Any],
        counts: RecordingCounts | None = None,
        verdicts: SweptVerdicts | None = None,
        sources: tuple[SweepSource, ...] | None = None,
    ) -> None:
        self.settings = settings
        self.grid = grid
        self.meta = dict(meta)
        self._counts = counts
        self._verdicts = verdicts
        self._sources = sources
        self._recommended: dict[tuple[Any, ...], Recommendation] = {}

    def under(self, condition: Condition | str | None) -> SweepResult:
        """Return the result under one condition of the audio, its settings numbered from 0. Only the table is copied.

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
            counts=None if self._counts is None else self._counts.part(rows),
            verdicts=None if self._verdicts is None else self._verdicts.part(rows),
            sources=None if self._sources is None else (self._sources[index],),
        )

    # -- counts by recording ----------------------------------------------------------------------------------------

    @property
    def _recording_counts(self) -> RecordingCounts:
        if self._counts is None:
            raise ResultError("this result holds no counts by recording")
        return self._counts

    @property
    def verdicts(self) -> SweptVerdicts:
        """Verdicts of every setting on every event and turn.

        Raises
        ------
        ResultError
            If the result has none, because it was made by an earlier rule.
        """
        if self._verdicts is None:
            raise ResultError(self.outdated or "this result holds no verdicts on events")
        return self._verdicts

    @cached_property
    def recordings(self) -> pd.DataFrame:
        """Counts of every setting on every recording: one row per setting and recording.

        Columns: ``setting``, ``recording_id`` and `bidilab.lab.sweep.counts.RECORDING_COUNTS`.
        """
        return pd.concat(self._recording_counts.frames(), ignore_index=True)

    def counts_at(self, setting: int) -> pd.DataFrame:
        """Return the stored counts of each recording under one setting; this does not need the recordings.

        Indexed by ``recording_id``; columns: `bidilab.lab.sweep.counts.RECORDING_COUNTS`.

        Raises
        ------
        InvalidParameterError
            If there is no such setting.
        ResultError
            If the result holds no counts by recording.
        """
        frame = self._recording_counts.at(self._check(setting))
        return frame.drop(columns="setting").astype({"recording_id": str}).set_index("recording_id")

    # -- the recordings swept, evaluated again ----------------------------------------------------------------------

    @property
    def sources(self) -> tuple[SweepSource, ...]:
        """The recordings under each condition of the audio; see `source`."""
        if self._sources is None:
            self._sources = find_sources(self.meta, self.conditions)
        return self._sources

    @property
    def source(self) -> SweepSource:
        """The recordings swept. A loaded result looks for them where they were.

        Raises
        ------
        ResultError
            If they are not there, or have changed.
        """
        return self.sources[0]

    @property
    def has_recordings(self) -> bool:
        """Whether the swept recordings are still in place, unchanged. Without them only the tables can be shown."""
        try:
            return self.source is not None
        except ResultError:
            return False

    def attach(
        self,
        dataset: Dataset | str | os.PathLike[str],
        *,
        vad: VadLike | None = None,
        eot: EndOfTurnScores | None = None,
        interrupt: InterruptionScores | None = None,
    ) -> SweepResult:
        """Use the recordings of this dataset instead of those at their old place; return the result itself.

        ``vad`` is the detector of the sweep if the result does not contain it, because it was given as an object or its
        tracks have moved. ``eot`` and ``interrupt`` are its scorers if they were given as objects or as score tracks.
        """
        loaded = Dataset.of(dataset)
        given = None if vad is None else as_vad(vad)
        self._sources = find_sources(self.meta, self.conditions, loaded, given, eot, interrupt)
        if eot is not None:
            self.grid = replace(self.grid, eot=eot)
        if interrupt is not None:
            self.grid = replace(self.grid, interrupt=interrupt)
        return self

    @property
    def dataset(self) -> Dataset:
        """The dataset swept."""
        return self.source.dataset

    def source_of(self, setting: int) -> SweepSource:
        """The recordings as they were under the condition of a setting."""
        return self.sources[self._check(setting) // self.grid.n_under_one_condition]

    def probabilities(self, recording_id: str, setting: int = 0) -> npt.NDArray[np.float32]:
        """Probability track of a recording under the condition of a setting, ``(n_frames,) float32``."""
        return self.source_of(setting).probabilities(recording_id)

    def turns(self, recording_id: str, setting: int) -> tuple[Turn, ...]:
        """Turns of a recording under a setting; positions in samples at ``vad_sample_rate``."""
        return self.source_of(setting).turns(recording_id, self.params(setting), self.end_of_turn(setting))

    @lists_columns(EVENTS)
    def events(self, setting: int, recording_id: str | None = None) -> pd.DataFrame:
        """One row per opportunity and per interruption under a setting: what, when and why.

        The rows are those of all recordings, or of one.
        """
        return self.source_of(setting).events(
            self.params(setting),
            self.guards(setting),
            recording_id,
            self.end_of_turn(setting),
            self.adaptive(setting),
        )

    @lists_columns(RECORDINGS_AT)
    def recordings_at(self, setting: int) -> pd.DataFrame:
        """Counts of each recording under one setting, by the sweep's own evaluation; indexed by ``recording_id``.

        Raises
        ------
        InvalidParameterError
            If there is no such setting.
        ResultError
            If the recordings of a loaded result are not where they were.
        """
        return self.source_of(setting).recordings(
            self.params(setting), self.guards(setting), self.end_of_turn(setting), self.adaptive(setting)
        )

    @lists_columns(COMPARISON)
    def compare(self, a: int, b: int) -> pd.DataFrame:
        """Differences ``b - a`` of two settings, paired by recording; one row per metric.

        If the recordings of a loaded result are not available, rates are paired by the stored counts, and the rest is
        not paired.

        Raises
        ------
        InvalidParameterError
            If there is no such setting.
        """
        return compare(self, self._check(a), self._check(b))

    def what_if(self, setting: int, other: int) -> WhatIf:
        """Compare the stops of one setting with those of another: avoided, lost, later.

        The detector hears the user's channel again with the other setting. Each response stays as it was heard, up to
        the first moment at which the agent would have acted differently.

        Parameters
        ----------
        setting, other
            Rows of ``settings`` under the same condition.

        Raises
        ------
        InvalidParameterError
            If there is no such setting, they are under different conditions, or the evaluation is simulated.
        ResultError
            If the recordings are not available.
        """
        from bidilab.lab.sweep.whatif import what_if

        return what_if(self, self._check(setting), self._check(other))

    @property
    def pauses(self) -> str:
        """How many pauses the cut-off rate is based on, and where they come from, in words."""
        if "n_pauses" not in self.settings:
            return "not counted by the version that made this sweep; sweep again for the cut-off rate"
        n, by_words = (int(self.settings[name].iloc[0]) for name in ("n_pauses", "n_pauses_by_words"))
        if not n:
            return "none inside the user's turns, so there is no cut-off rate"
        origins = [f"{by_words} by the times of words"] if by_words else []
        if n > by_words:
            origins.append(f"{n - by_words} by {self.meta['pauses']['detector']} at its defaults")
        return f"{n} inside the user's turns: {', '.join(origins)}"

    # -- conclusions ------------------------------------------------------------------------------------------------

    def recommend(
        self,
        max_false_interruption_rate: float | None = None,
        max_missed_rate: float | None = None,
        max_premature_endpoint_rate: float | None = None,
        *,
        weights: Weights | None = None,
        validate_on: Dataset | SweepResult | None = None,
    ) -> Recommendation:
        """Choose a setting: the smallest loss, without moving any knob needlessly; see `bidilab.lab.sweep.choice`.

        Parameters
        ----------
        max_false_interruption_rate, max_missed_rate, max_premature_endpoint_rate
            Limits in [0, 1]; ``None`` for none. A setting keeps a limit when the upper end of the rate's 95 % interval
            is within it, under every condition. If none does, the message says so, and how many opportunities would be
            needed to show it.
        weights
            What each fault costs; by default ``Weights()``.
        validate_on
            Recordings that the setting was not chosen on (``dataset.split(…)[1]``), or a sweep of them. The
            recommendation then says what the setting does on them, and warns where the two sets share recordings or
            speakers.

        Raises
        ------
        InvalidParameterError
            If a limit is outside [0, 1]; or ``validate_on`` is neither of these, or is a sweep made in another way or
            without the setting.
        ResultError
            If a setting is to be validated, and its sweep was evaluated by another rule than today's.
        """
        if validate_on is not None and self.outdated:
            raise ResultError(f"no setting of this sweep can be validated. {self.outdated}")
        limits = {
            "max_false_interruption_rate": max_false_interruption_rate,
            "max_missed_rate": max_missed_rate,
            "max_premature_endpoint_rate": max_premature_endpoint_rate,
        }
        check_limits(limits)
        check_is("weights", weights, Weights | None, "Weights, or None")
        costs = weights or Weights()
        key = (*limits.values(), costs)
        if key not in self._recommended:  # shown in several places, and the same each time
            n_resamples = int(self.meta["n_resamples"])
            self._recommended[key] = recommend(
                self, limits=limits, weights=costs, n_resamples=n_resamples, seed=self.seed
            )
        found = self._recommended[key]
        if found.setting is None or validate_on is None:
            return found
        return replace(found, validation=validate_setting(self, found.setting, self._on(validate_on, found.setting)))

    def _on(self, recordings: Dataset | SweepResult, setting: int) -> SweepResult:
        """Return the sweep given; of a dataset, evaluate the setting on it as this sweep was evaluated."""
        if isinstance(recordings, SweepResult):
            check_comparable(self, recordings)
            return recordings
        if not isinstance(recordings, Dataset):
            raise InvalidParameterError("validate_on", "a Dataset or a SweepResult", recordings)
        vad = None if self._sources is None else self._sources[0].spec
        return SweepResult(**run_again(self.meta, recordings, self.grid.only(setting), vad=vad))

    @property
    def plot(self) -> SweepPlots:
        """Figures: ``result.plot.heatmap("missed_rate")``, ``.loss()``, ``.curves()``, ``.tradeoff()``, …"""
        return showing().plots(self)

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        max_false_interruption_rate: float | None = None,
        max_missed_rate: float | None = None,
        max_premature_endpoint_rate: float | None = None,
        weights: Weights | None = None,
        figures: str | os.PathLike[str] | None = None,
        validate_on: Dataset | SweepResult | None = None,
    ) -> Path:
        """Write a report and return its path: one self-contained HTML file, or Markdown with the figures beside it.

        Parameters
        ----------
        path
            The file, ``.html`` or ``.md``.
        max_false_interruption_rate, max_missed_rate, max_premature_endpoint_rate, weights
            Arguments of the recommendation, as in `recommend`.
        figures
            A folder to write the figures into as well, as SVG, PDF, PNG and CSV; of Markdown, ``NAME-figures`` beside
            the file when not given.
        validate_on
            As in `recommend`; adds a section.
        """
        return showing().report(
            self,
            path,
            max_false_interruption_rate=max_false_interruption_rate,
            max_missed_rate=max_missed_rate,
            max_premature_endpoint_rate=max_premature_endpoint_rate,
            weights=weights,
            figures=figures,
            validate_on=validate_on,
        )

    # -- storage ----------------------------------------------------------------------------------------------------

    def save(self, directory: str | os.PathLike[str]) -> Path:
        """Write ``sweep.json``, ``settings.parquet`` and ``recordings.parquet`` into a folder."""
        directory = Path(directory)
        facts = {"grid": self.grid.to_json(), **self.meta}
        write_sweep(directory, facts, self.settings, self._recording_counts.frames(), self._verdicts)
        return directory

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> SweepResult:
        """Read what `save` wrote, in this version or an earlier one.

        Raises
        ------
        ResultError
            If the folder has no complete result.
        """
        return cls(**read_sweep(Path(directory)))

    # -- text -------------------------------------------------------------------------------------------------------

    @property
    def summary(self) -> str:
        """What was swept and how, one line each, without the recommendation."""
        return "\n".join(f"{name:<12} {text}" for name, text in self._facts()[:-1])

    def _facts(self) -> list[tuple[str, str]]:
        described = self.meta["dataset"]
        proposed, changed, n = self.proposed_labels, self.detector_changed, self.n_recordings
        return [
            (
                "dataset",
                f"{described['name']}, {n} recording{'' if n == 1 else 's'}, {described['duration_s'] / 60:.1f} min",
            ),
            *([("labels", proposed), ("", PROPOSED_BIAS)] if proposed else []),
            ("settings", repr(self.grid)),
            ("VAD", self.detector_in_words),
            *([("twin", self.twin)] if self.twin else []),
            *([("warning", changed)] if changed else []),
            *([("end of turn", scorer)] if (scorer := self.end_of_turn_scorer) else []),
            *([("interruption", scorer)] if (scorer := self.interruption_scorer) else []),
            ("evaluation", f"{self.evaluation}, seed {self.seed}"),
            *([] if self.outdated else [("pauses", self.pauses)]),
            *([("warning", self.outdated)] if self.outdated else []),
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
