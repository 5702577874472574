"""`SweepExplorer`: a sweep in the notebook, to be clicked through and read from the next cell."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd
import traitlets

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.conditions.condition import Condition
from bidilab.lab.datasets import Dataset
from bidilab.lab.sweep import SweepResult
from bidilab.show.plots.metrics import LOSS
from bidilab.show.report.focus import focus_of
from bidilab.show.widgets.base import StaticForm, Widget
from bidilab.show.widgets.explorer.columns import drawable_metrics, settings_description, with_loss
from bidilab.show.widgets.explorer.details import (
    comparison_rows,
    default_title,
    recording_decisions,
    recordings_answer,
    recordings_behind,
    what_if_words,
)
from bidilab.show.widgets.explorer.exports import export_of, exports_of
from bidilab.show.widgets.explorer.picture import explorer_picture
from bidilab.show.widgets.explorer.plane import Plane
from bidilab.show.widgets.timelinefeed import TimelineFeed

__all__ = ["SweepExplorer"]


class SweepExplorer(Widget, module="explorer.js", stylesheets=("explorer.css",), kept=("_plane", "selected", "pinned")):
    """Explore a sweep by clicking: heat map, numbers, recordings, the sound of one of them, two settings compared.

    Parameters
    ----------
    result
        The result of `sweep`, or the folder that ``result.save`` wrote.
    dataset
        Where the recordings are now, for a result whose dataset has moved.
    condition
        For a sweep under several conditions, the one to show; by default the first. ``result`` is then that part.
    metric, x, y, at
        What the heat map shows at first; see `show`. By default the loss; if there is none, false interruptions.

    Attributes
    ----------
    selected : int or None
        The setting selected, a row of ``result.settings``; at first the one recommended, else the default.
    pinned : list
        The two settings compared, ``[a, b]``; ``None`` where none is pinned.
    recording : str or None
        The recording whose timeline is shown.

    Raises
    ------
    InvalidParameterError
        If an argument is not allowed.
    ResultError
        If the folder has no complete result, or the dataset is not the one swept.

    Examples
    --------
    >>> import bidilab as bl
    >>> explorer = bl.SweepExplorer("sweep-overlap-mini")  # doctest: +SKIP
    >>> explorer.selected  # doctest: +SKIP
    """

    selected = traitlets.Int(None, allow_none=True).tag(sync=True)
    pinned = traitlets.List(  # type: ignore[misc]  # its stubs have no list of "int or none"
        traitlets.Int(None, allow_none=True), [None, None], minlen=2, maxlen=2
    ).tag(sync=True)
    recording = traitlets.Unicode(None, allow_none=True).tag(sync=True)
    _plane = traitlets.Dict().tag(sync=True)
    _recording_data = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)
    _decisions = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)

    def __init__(
        self,
        result: SweepResult | str | os.PathLike[str],
        *,
        dataset: Dataset | str | os.PathLike[str] | None = None,
        condition: Condition | str | None = None,
        metric: str | None = None,
        x: str = "threshold",
        y: str = "silence_duration_ms",
        at: Mapping[str, float | str] | None = None,
    ) -> None:
        self._result = result if isinstance(result, SweepResult) else SweepResult.load(result)
        if dataset is not None:
            self._result.attach(dataset)
        if len(self._result.conditions) > 1 or condition is not None:
            self._result = self._result.under(self._result.conditions[0] if condition is None else condition)
        self._focus = focus_of(self._result, self._result.recommend())
        self._table = with_loss(self._result.settings, self._focus.recommendation)
        self._feed: TimelineFeed | None = None
        held = {name: value for name, value in self._focus.at.items() if name not in (x, y)}
        metric = metric or (LOSS.name if LOSS.name in self._table else "false_interruption_rate")
        plane = self._checked(metric=metric, x=x, y=y, at={**held, **(at or {})})
        super().__init__(selected=self._focus.setting, _plane=plane.to_dict())

    # -- from the next cell -----------------------------------------------------------------------------------------

    @property
    def result(self) -> SweepResult:
        """The sweep explored."""
        return self._result

    def show(
        self,
        metric: str | None = None,
        *,
        x: str | None = None,
        y: str | None = None,
        at: Mapping[str, float | str] | None = None,
    ) -> None:
        """Change what the heat map shows; arguments that are not given stay as they are.

        Parameters
        ----------
        metric
            Column of ``result.settings``, or ``"loss"``: what a setting is recommended by.
        x, y
            Two different swept parameters.
        at
            For the others a swept value, or ``"best"`` for the best of that parameter's values in each cell.

        Raises
        ------
        InvalidParameterError
            If a name is unknown or a value was not swept.
        """
        now = self.plane
        x, y = x or now.x, y or now.y
        held = {name: value for name, value in now.at.items() if name not in (x, y)}
        self._plane = self._checked(metric=metric or now.metric, x=x, y=y, at={**held, **(at or {})}).to_dict()

    @property
    def plane(self) -> Plane:
        """What the heat map shows."""
        return Plane.of(self._result.axes, **self._plane)

    def to_frame(self) -> pd.DataFrame:
        """The heat map as a table: rows of ``result.settings`` with their loss, one per cell, by ``y`` and ``x``.

        A column ``mark`` says which are ``selected``, ``pinned a``, ``pinned b``, ``recommended`` and ``default``.
        """
        cells = self.plane.settings(self._table, self._result.axes).ravel()
        table = self._table.loc[cells].copy()
        a, b = self.pinned
        named = [("selected", self.selected), ("pinned a", a), ("pinned b", b), *self._focus.marked.items()]
        marks: dict[int | None, list[str]] = {}
        for mark, setting in named:
            marks.setdefault(setting, []).append(mark)
        table.insert(0, "mark", [", ".join(marks.get(int(setting), [])) for setting in cells])
        return table

    def recordings(self) -> pd.DataFrame:
        """The recordings behind the setting selected; see `recordings_behind` for the columns.

        Raises
        ------
        InvalidParameterError
            If no setting is selected.
        """
        return recordings_behind(self._result, self._chosen())

    def comparison(self) -> pd.DataFrame:
        """The two settings pinned, ``result.compare(a, b)``.

        Raises
        ------
        InvalidParameterError
            If two are not pinned.
        """
        a, b = self.pinned
        if a is None or b is None:
            raise InvalidParameterError("pinned", "two settings", self.pinned)
        return self._result.compare(a, b)

    def export(self, name: str = "python") -> str:
        """Write the selected setting as code or JSON.

        Parameters
        ----------
        name
            ``"python"``; ``"agent"``, of a sweep in OpenAI's words; or one of `bidilab.detect.turns.EXPORT_TARGETS`.

        Raises
        ------
        InvalidParameterError
            If no setting is selected, or there is no such form.
        """
        return export_of(self._result, self._chosen(), name).text

    def _chosen(self) -> int:
        if self.selected is None:
            raise InvalidParameterError("selected", "a setting", None)
        return self.selected

    # -- kept right ---------------------------------------------------------------------------------------------------

    def _checked(self, *, metric: str, x: str, y: str, at: Mapping[str, Any]) -> Plane:
        drawable = [shown.name for shown in drawable_metrics(self._table)]
        if metric not in drawable:
            raise InvalidParameterError("metric", f"one of {', '.join(drawable)}", metric)
        return Plane.of(self._result.axes, metric=metric, x=x, y=y, at=at)

    @traitlets.validate("_plane")
    def _valid_plane(self, proposal: Any) -> dict[str, Any]:
        return self._checked(**proposal["value"]).to_dict()

    @traitlets.validate("selected")
    def _valid_setting(self, proposal: Any) -> int | None:
        value: int | None = proposal["value"]
        if value is not None:
            self._result.params(value)  # raises for a setting that there is not
        return value

    @traitlets.validate("pinned")
    def _valid_pair(self, proposal: Any) -> list[int | None]:
        pair: list[int | None] = list(proposal["value"])
        for setting in pair:
            if setting is not None:
                self._result.params(setting)
        return pair

    @traitlets.validate("recording")
    def _valid_recording(self, proposal: Any) -> str | None:
        value: str | None = proposal["value"]
        if value is not None:
            self._result.source.index_of(value)
        return value

    @traitlets.observe("recording")
    def _show_recording(self, _: Any) -> None:
        if self.recording is None:
            self._feed = None
            self.set_trait("_recording_data", None)
            self.set_trait("_decisions", None)
            return
        data = self._result.plot.timeline_data(self.recording, self._chosen())
        self._feed = TimelineFeed(data, name=self.recording)
        with self.hold_sync():
            self._decisions = self._feed.decide(recording_decisions(self._result, self.recording, self._chosen()))
            self._recording_data = self._feed.recording_data

    @traitlets.observe("selected")
    def _decide_anew(self, _: Any) -> None:
        if self.recording is None:
            return
        if self.selected is None:
            self.recording = None
        elif self._feed is not None:
            self._decisions = self._feed.decide(recording_decisions(self._result, self.recording, self.selected))

    # -- asked by the page ------------------------------------------------------------------------------------------

    def answer(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """Answer the page: the table, a setting's recordings, a comparison, exports, what the timeline asks for."""
        kind = request.get("kind")
        if kind == "table":
            described, buffers = settings_description(self._table, self._result.axes)
            return {**described, **self._facts()}, buffers
        if kind == "recording":
            self.recording = request["id"]
            return {}, []
        if kind == "recordings":
            return recordings_answer(self._result, request["setting"])
        if kind == "comparison":
            a, b = request["a"], request["b"]
            return {"rows": comparison_rows(self._result, a, b), "what_if": what_if_words(self._result, a, b)}, []
        if kind == "exports":
            return {"exports": [asdict(export) for export in exports_of(self._result, request["setting"])]}, []
        if self._feed is not None:
            return self._feed.answer(request)
        return super().answer(request)

    def _facts(self) -> dict[str, Any]:
        result = self._result
        scorer = f", ends of turns scored by {result.end_of_turn_scorer}" if result.end_of_turn_scorer else ""
        scorer += f", interruptions scored by {result.interruption_scorer}" if result.interruption_scorer else ""
        return {
            "title": f"{result.dataset_name}: {len(result.settings):,} settings on {result.n_recordings} recordings",
            "evaluation": f"{result.evaluation} evaluation, VAD {result.detector}{scorer}, "
            f"in the words of {result.provider}",
            "marked": {"setting": self._focus.setting, "role": self._focus.role},
            "default": self._focus.default,
            "default_title": default_title(result, self._focus.default),
            "message": self._focus.recommendation.message,
            "notes": list(self._focus.recommendation.notes),
            "n_varies": "What a conversation costs rests on another n where a setting stops the agent at other times.",
        }

    # -- where it does not live ---------------------------------------------------------------------------------------

    def static_form(self) -> StaticForm:
        """The heat map as a picture, and the numbers of the setting recommended, the default and the one selected."""
        return explorer_picture(self._result, self._table, self.plane, focus=self._focus, selected=self.selected)
