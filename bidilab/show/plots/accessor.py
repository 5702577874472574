"""Figures of results, each one call: ``result.plot`` of a sweep, ``replay.timeline()`` of a session.

The one module of plots that knows results: it takes their tables out, and the other modules draw tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.vad import VadSpec, resample
from bidilab.lab.metrics.columns import CONDITION
from bidilab.show.plots.conditions import DEFAULT_METRICS, conditions
from bidilab.show.plots.curves import by_kind, curve, curves
from bidilab.show.plots.ecdf import ecdf
from bidilab.show.plots.heatmap import heatmap, heatmaps
from bidilab.show.plots.metrics import parameters_of
from bidilab.show.plots.slices import describe
from bidilab.show.plots.timeline import TimelineData, timeline
from bidilab.show.plots.tradeoff import tradeoff

if TYPE_CHECKING:
    from bidilab.lab.sessions import Replay
    from bidilab.lab.sweep import Recommendation, SweepResult

__all__ = ["SweepPlots", "session_timeline"]


class SweepPlots:
    """The figures of one sweep result.

    Calling it draws the overview: all settings with their Pareto fronts.

    Parameters
    ----------
    result
        The sweep.
    """

    def __init__(self, result: SweepResult) -> None:
        self._result = result

    def __call__(self) -> Figure:
        """The overview: `tradeoff`."""
        return self.tradeoff()

    def heatmap(
        self,
        metric: str,
        *,
        x: str = "threshold",
        y: str = "silence_duration_ms",
        at: Mapping[str, float] | None = None,
        ax: Axes | None = None,
        annotate: bool | None = None,
        min_n: float | None = None,
    ) -> Axes:
        """Heat map of a metric over two parameters; see `bidilab.show.plots.heatmap.heatmap`."""
        return heatmap(self._result.settings, metric, x=x, y=y, at=at, ax=ax, annotate=annotate, min_n=min_n)

    def heatmaps(
        self,
        metric: str,
        *,
        x: str = "threshold",
        y: str = "silence_duration_ms",
        over: str | None = None,
        annotate: bool | None = None,
        min_n: float | None = None,
    ) -> Figure:
        """One heat map for each value of the third parameter; see `bidilab.show.plots.heatmap.heatmaps`."""
        return heatmaps(self._result.settings, metric, x=x, y=y, over=over, annotate=annotate, min_n=min_n)

    def curve(
        self,
        metrics: str | Sequence[str],
        *,
        x: str = "threshold",
        at: Mapping[str, float] | int | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Metrics against a parameter; ``at`` may be a setting. See `bidilab.show.plots.curves.curve`."""
        held = {name: value for name, value in (self._at(at) or {}).items() if name != x}
        return curve(self._result.settings, metrics, x=x, at=held, ax=ax)

    def curves(self, *, at: Mapping[str, float] | int | None = None) -> Figure:
        """Latency, false interruptions and misses against each parameter; ``at`` may be a setting."""
        return curves(self._result.settings, at=self._at(at))

    def by_kind(
        self,
        *,
        x: str = "threshold",
        at: Mapping[str, float] | int | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """False-interruption rate by kind of event; ``at`` may be a setting."""
        held = {name: value for name, value in (self._at(at) or {}).items() if name != x}
        return by_kind(self._result.settings, x=x, at=held, ax=ax)

    def conditions(
        self,
        metrics: str | Sequence[str] = DEFAULT_METRICS,
        *,
        at: Mapping[str, float] | int | None = None,
    ) -> Figure:
        """One setting under each condition of the audio; see `bidilab.show.plots.conditions.conditions`."""
        return conditions(self._result.settings, metrics, at=self._at(at))

    def tradeoff(
        self,
        recommendation: Recommendation | int | None = None,
        *,
        max_false_interruption_rate: float | None = None,
        axes: Sequence[Axes] | None = None,
    ) -> Figure:
        """False interruptions against latency and misses; rings the recommended setting.

        Parameters
        ----------
        recommendation
            What ``result.recommend(…)`` gave, or a setting's index.
        max_false_interruption_rate
            A limit, in [0, 1], to draw.
        axes
            Two axes to draw on; by default those of a new figure.
        """
        chosen = recommendation if isinstance(recommendation, int) or recommendation is None else recommendation.setting
        return tradeoff(
            self._result.settings,
            recommended=chosen,
            max_false_interruption_rate=max_false_interruption_rate,
            axes=axes,
        )

    def ecdf(self, *settings: int, ax: Axes | None = None) -> Axes:
        """Distribution of interruption latency of one or several settings.

        Raises
        ------
        InvalidParameterError
            If no setting, or one that does not exist, is named.
        """
        if not settings:
            raise InvalidParameterError("settings", "at least one setting", settings)
        return ecdf({self._describe(setting): self._result.events(setting) for setting in settings}, ax=ax)

    def timeline(self, recording_id: str, setting: int, *, xlim: tuple[float, float] | None = None) -> Figure:
        """One recording under one setting; see `bidilab.show.plots.timeline.timeline`.

        Parameters
        ----------
        recording_id
            As in ``result.recordings``.
        setting
            Index in ``result.settings``.
        xlim
            Seconds to show; by default the whole recording.

        Raises
        ------
        InvalidParameterError
            If there is no such recording or setting.
        ResultError
            If the recordings of a loaded result are not where they were.
        """
        return timeline(
            self.timeline_data(recording_id, setting),
            title=f"{recording_id} at {self._describe(setting)}",
            xlim=xlim,
        )

    def timeline_data(self, recording_id: str, setting: int) -> TimelineData:
        """Return what `timeline` draws."""
        result = self._result
        self._setting(setting)
        recording = result.dataset[result.source.index_of(recording_id)]
        agent = recording.agent() if "agent" in recording.channels else None
        segments = recording.segments
        if result.evaluation == "simulated":  # the agent heard there is not the recorded one
            agent = None
            segments = (
                *recording.segments_of("user"),
                *result.source_of(setting).simulated_segments(
                    recording_id, result.params(setting), result.guards(setting)
                ),
            )
        return TimelineData(
            user=result.source_of(setting).user_audio(recording_id),
            agent=agent,
            sample_rate=recording.sample_rate,
            segments=segments,
            probabilities=result.probabilities(recording_id, setting),
            frame_samples=result.frame_samples,
            vad_sample_rate=result.vad_sample_rate,
            params=result.params(setting),
            turns=result.turns(recording_id, setting),
            events=result.events(setting, recording_id),
        )

    def _setting(self, setting: int) -> pd.Series[Any]:
        table = self._result.settings
        if setting not in table.index:
            raise InvalidParameterError("setting", f"a setting from 0 to {len(table) - 1}", setting)
        return table.loc[setting]  # type: ignore[return-value]

    def _describe(self, setting: int) -> str:
        row = self._setting(setting)
        words = describe({name: float(row[name]) for name in parameters_of(row.index)})
        return f"{words}, {row[CONDITION.name]}" if CONDITION.name in row.index else words

    def _at(self, at: Mapping[str, float] | int | None) -> Mapping[str, float] | None:
        if not isinstance(at, int):
            return at
        row = self._setting(at)
        return {name: float(row[name]) for name in parameters_of(row.index)}

    def __repr__(self) -> str:
        names = "heatmap, heatmaps, curve, curves, by_kind, conditions, tradeoff, ecdf, timeline"
        return f"SweepPlots of {len(self._result.settings)} settings: .{names.replace(', ', ', .')}"


def session_timeline(replay: Replay, *, xlim: tuple[float, float] | None = None) -> Figure:
    """Draw a session; see `bidilab.show.plots.timeline.timeline`.

    Parameters
    ----------
    replay
        The session: its labels of the user, and the agent's responses as they were heard, are drawn.
    xlim
        Seconds to show; by default the whole session.
    """
    backend = VadSpec().build()
    rate = replay.audio.sample_rate
    user, agent = replay.audio.channel(0), replay.audio.channel(1)
    data = TimelineData(
        user=user,
        agent=agent,
        sample_rate=rate,
        segments=[*(s for s in replay.segments if s.channel == "user"), *replay.spoken],
        probabilities=backend.probabilities(resample(user, rate, backend.sample_rate)),
        frame_samples=backend.frame_samples,
        vad_sample_rate=backend.sample_rate,
        params=replay.params,  # where they are not known, no thresholds are drawn
        turns=replay.turns_at(backend.sample_rate),
        events=replay.interruptions,
    )
    return timeline(data, title=f"session: {replay.name}", xlim=xlim)
