"""Recordings with labels: the dataset folder, its checks, and building one from clips."""

from bidilab.lab.datasets.building.builder import build_dataset as build
from bidilab.lab.datasets.building.recipe_yaml import load_recipe
from bidilab.lab.datasets.dataset import Dataset
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.datasets.manifest import DatasetInfo, Problem
from bidilab.lab.datasets.recording import Recording
from bidilab.lab.datasets.validation import validate

__all__ = [
    "Dataset",
    "DatasetInfo",
    "Problem",
    "Recording",
    "Segment",
    "build",
    "load_dataset",
    "load_recipe",
    "validate",
]

load_dataset = Dataset.load
