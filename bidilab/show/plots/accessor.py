"""Figures of results, each one call: ``result.plot`` of a sweep, ``replay.timeline()`` of a session.

The one module of plots that knows results: it takes their tables out, and the other modules draw tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bidilab.core.checks import is_whole
from bidilab.core.errors import InvalidParameterError, ResultError
from bidilab.detect.vad import VadSpec, VadTracks, detector_facts
from bidilab.detect.vad.probabilities import probabilities_until
from bidilab.lab.metrics.columns import CONDITION
from bidilab.show.plots.conditions import DEFAULT_METRICS, conditions
from bidilab.show.plots.curves import by_kind, curve, curves
from bidilab.show.plots.ecdf import ecdf
from bidilab.show.plots.endpoints import endpoints
from bidilab.show.plots.heatmap import heatmap, heatmaps, loss_map
from bidilab.show.plots.metrics import parameters_of
from bidilab.show.plots.slices import describe
from bidilab.show.plots.timeline import TimelineData, timeline
from bidilab.show.plots.tradeoff import tradeoff
from bidilab.show.window import Window

if TYPE_CHECKING:
    from bidilab.lab.sessions import Replay
    from bidilab.lab.sweep import Recommendation, SweepResult

__all__ = ["SweepPlots", "loss_figure", "session_timeline"]


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

    def loss(
        self,
        recommendation: Recommendation | None = None,
        *,
        x: str = "threshold",
        y: str = "silence_duration_ms",
        at: Mapping[str, float] | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Heat map of the loss by which a setting is recommended: the choice, its ties and the default are marked.

        Parameters
        ----------
        recommendation
            What ``result.recommend(…)`` gave; by default, without limits.
        x, y, at, ax
            As for `heatmap`; the other parameters are held at the values of the choice.

        Raises
        ------
        ResultError
            If the result has no losses: one of an earlier rule.
        """
        _check_choice(recommendation, or_setting=False)
        found = self._result.recommend() if recommendation is None else recommendation
        if not np.isfinite(found.losses).any():
            raise ResultError(found.message)
        n = self._result.grid.n_under_one_condition
        one = self._result.under(self._result.conditions[0]) if len(self._result.conditions) > 1 else self._result
        setting = found.default if found.setting is None else found.setting
        return loss_figure(one.settings, found, setting=setting % n, default=found.default % n, x=x, y=y, at=at, ax=ax)

    def endpoints(
        self,
        recommendation: Recommendation | int | None = None,
        *,
        max_premature_endpoint_rate: float | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Premature endpoints against waiting, a line per threshold; marks the recommended setting and the default.

        Parameters
        ----------
        recommendation
            What ``result.recommend(…)`` gave, or a setting's index, whose line stands out.
        max_premature_endpoint_rate
            A limit, in [0, 1], to draw; by default that of the recommendation.
        ax
            As for `curve`.
        """
        _check_choice(recommendation)
        marked: dict[str, int] = {}
        limit = max_premature_endpoint_rate
        if isinstance(recommendation, int):
            marked["recommended"] = recommendation
        elif recommendation is not None:
            marked["default"] = recommendation.default
            if recommendation.setting is not None:
                marked["recommended"] = recommendation.setting
            limit = recommendation.limits.get("max_premature_endpoint_rate") if limit is None else limit
        at = self._at(marked.get("recommended", marked.get("default")))
        return endpoints(self._result.settings, at=at, marked=marked, max_premature_endpoint_rate=limit, ax=ax)

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
        _check_choice(recommendation)
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
            Seconds to show; by default the whole recording, of one longer than two minutes the first two.

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
        rule = result.end_of_turn(setting)
        params, guards, adaptive = result.params(setting), result.guards(setting), result.adaptive(setting)
        source = result.source_of(setting)
        if result.evaluation == "simulated":  # the agent heard there is not the recorded one
            agent = None
            spoken = source.simulated_segments(recording_id, params, guards, rule, adaptive)
            segments = (*recording.segments_of("user"), *spoken)
        return TimelineData(
            user=source.user_audio(recording_id),
            agent=agent,
            sample_rate=recording.sample_rate,
            segments=segments,
            probabilities=result.probabilities(recording_id, setting),
            frame_samples=result.frame_samples,
            vad_sample_rate=result.vad_sample_rate,
            params=params,
            turns=result.turns(recording_id, setting),
            events=result.events(setting, recording_id),
            asked=source.tracked(recording_id).asked(params, rule),
            end_of_turn=rule,
            unheard=source.unheard_s(recording_id, params, guards, rule, adaptive),
        )

    def _setting(self, setting: int) -> pd.Series[Any]:
        table = self._result.settings
        if not is_whole(setting) or setting not in table.index:
            raise InvalidParameterError("setting", f"a setting from 0 to {len(table) - 1}", setting)
        return table.loc[setting]  # type: ignore[return-value]

    def _describe(self, setting: int) -> str:
        row = self._setting(setting)
        words = describe({name: float(row[name]) for name in parameters_of(row.index)})
        return f"{words}, {row[CONDITION.name]}" if CONDITION.name in row.index else words

    def _at(self, at: Mapping[str, float] | int | None) -> Mapping[str, float] | None:
        if at is None or isinstance(at, Mapping):
            return at
        if not is_whole(at):
            raise InvalidParameterError("at", "values by parameter, such as {'threshold': 0.5}, or a setting", at)
        row = self._setting(at)
        return {name: float(row[name]) for name in parameters_of(row.index)}

    def __repr__(self) -> str:
        names = "heatmap, heatmaps, loss, curve, curves, by_kind, endpoints, conditions, tradeoff, ecdf, timeline"
        return f"SweepPlots of {len(self._result.settings)} settings: .{names.replace(', ', ', .')}"


def _check_choice(given: object, *, or_setting: bool = True) -> None:
    """Raise unless it is what ``recommend`` gave, a setting or nothing. By what it has: plots do not import sweeps."""
    setting = or_setting and isinstance(given, int) and not isinstance(given, bool)
    if given is not None and not setting and not hasattr(given, "losses"):
        allowed = "what result.recommend() gave" + (", or a setting" if or_setting else "")
        raise InvalidParameterError("recommendation", allowed, given)


def loss_figure(
    settings: pd.DataFrame, recommendation: Recommendation, *, setting: int, default: int, **options: Any
) -> Axes:
    """The `loss_map` of a recommendation.

    Parameters
    ----------
    settings
        One row per setting, all under one condition of the audio.
    recommendation
        What to draw.
    setting, default
        The rows looked at and of the default, in ``settings``; ``setting`` is marked where it is the one recommended.
    **options
        As for `loss_map`: ``x``, ``y``, ``at``, ``ax``.
    """
    weights = recommendation.weights
    words = ", ".join(
        f"{label} {getattr(weights, name):.3g}{per}"
        for name, label, per in (
            ("missed", "missed", ""),
            ("false", "false", ""),
            ("cut_in", "cut-in", ""),
            ("late_per_s", "late", "/s"),
            ("wait_per_s", "waiting", "/s"),
        )
    )
    return loss_map(
        settings,
        recommendation.losses,
        tied=recommendation.tied,
        admissible=recommendation.admissible,
        chosen=None if recommendation.setting is None else setting,
        default=default,
        weights=f"weights: {words}",
        **options,
    )


def session_timeline(replay: Replay, *, xlim: tuple[float, float] | None = None) -> Figure:
    """Draw a session; see `bidilab.show.plots.timeline.timeline`.

    Parameters
    ----------
    replay
        The session: its labels of the user, and the agent's responses as they were heard, are drawn; and the
        probability of its own detector where that is at hand, else Silero's, which the title then says.
    xlim
        Seconds to show; by default the whole session, of one longer than two minutes the first two.
    """
    source = replay.vad or VadSpec()
    backend = source.build()
    rate = replay.audio.sample_rate
    user, agent = replay.audio.samples[:, 0], replay.audio.samples[:, 1]
    until_s = Window.of(xlim, replay.audio.duration_s).end_s
    data = TimelineData(
        user=user,
        agent=agent,
        sample_rate=rate,
        segments=[*(s for s in replay.segments if s.channel == "user"), *replay.spoken],
        probabilities=source.track_at(replay.name, len(user), rate)
        if isinstance(source, VadTracks)
        else probabilities_until(backend, user, rate, until_s),
        frame_samples=backend.frame_samples,
        vad_sample_rate=backend.sample_rate,
        params=replay.params,  # where they are not known, no thresholds are drawn
        turns=replay.turns_at(backend.sample_rate),
        events=replay.interruptions,
    )
    heard = detector_facts(backend)["detector"]
    elsewhere = "" if replay.detector == heard else f" (speech probability: {heard}, not the session's detector)"
    return timeline(data, title=f"session: {replay.name}{elsewhere}", xlim=xlim)
