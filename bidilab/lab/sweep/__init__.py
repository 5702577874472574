"""Every setting of a grid on every recording of a dataset."""

from bidilab.lab.sweep.choice import Weights
from bidilab.lab.sweep.executors import DaskExecutor, Executor, InProcess, ProcessPool
from bidilab.lab.sweep.frontier import Frontier, frontier
from bidilab.lab.sweep.grid import Grid, Setting
from bidilab.lab.sweep.recommendation import Recommendation
from bidilab.lab.sweep.result import SweepResult
from bidilab.lab.sweep.sweep import sweep

__all__ = [
    "DaskExecutor",
    "Executor",
    "Frontier",
    "Grid",
    "InProcess",
    "ProcessPool",
    "Recommendation",
    "Setting",
    "SweepResult",
    "Weights",
    "frontier",
    "sweep",
]
