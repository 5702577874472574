"""Figures of a sweep: tables in, axes out. Every figure is one call and remembers the table it was drawn from."""

from bidilab.show.plots.accessor import SweepPlots
from bidilab.show.plots.conditions import conditions
from bidilab.show.plots.curves import by_kind, curve, curves
from bidilab.show.plots.ecdf import ecdf, latency_ecdf
from bidilab.show.plots.endpoints import endpoints
from bidilab.show.plots.frontier import frontier
from bidilab.show.plots.heatmap import heatmap, heatmaps, loss_map, metric_grid
from bidilab.show.plots.metrics import METRICS, PARAMETERS, Metric, Parameter, metric, parameter
from bidilab.show.plots.save import data_behind, save_figure
from bidilab.show.plots.style import detached_figures, style
from bidilab.show.plots.timeline import TimelineData, envelope, timeline
from bidilab.show.plots.tradeoff import tradeoff, tradeoff_table

__all__ = [
    "METRICS",
    "PARAMETERS",
    "Metric",
    "Parameter",
    "SweepPlots",
    "TimelineData",
    "by_kind",
    "conditions",
    "curve",
    "curves",
    "data_behind",
    "detached_figures",
    "ecdf",
    "endpoints",
    "envelope",
    "frontier",
    "heatmap",
    "heatmaps",
    "latency_ecdf",
    "loss_map",
    "metric",
    "metric_grid",
    "parameter",
    "save_figure",
    "style",
    "timeline",
    "tradeoff",
    "tradeoff_table",
]
