"""Recordings with labels: the dataset folder, its checks, building, importing and labelling one."""

from bidilab.lab.datasets.building.builder import build_dataset as build
from bidilab.lab.datasets.building.recipe_yaml import load_recipe
from bidilab.lab.datasets.copying import copy_dataset as copy
from bidilab.lab.datasets.corpora import (
    ClipsResult,
    ImportResult,
    from_ami,
    from_audacity,
    from_calls,
    from_clips,
    from_ctm,
    from_eotbench,
    from_fdb,
    from_rttm,
    from_segjson,
    from_stm,
    from_textgrid,
    from_turnbench,
    from_turns,
)
from bidilab.lab.datasets.dataset import Dataset
from bidilab.lab.datasets.exporting.huggingface import from_hf, to_hf
from bidilab.lab.datasets.exporting.labels import to_rttm, to_seglst
from bidilab.lab.datasets.exporting.lhotse import to_lhotse
from bidilab.lab.datasets.labelling.labeldataset import LabelResult, label
from bidilab.lab.datasets.labelling.rule import LabelRule
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.datasets.manifest import DatasetInfo, Problem
from bidilab.lab.datasets.proposals import ProposalRule
from bidilab.lab.datasets.recording import Recording
from bidilab.lab.datasets.validation import validate

__all__ = [
    "ClipsResult",
    "Dataset",
    "DatasetInfo",
    "ImportResult",
    "LabelResult",
    "LabelRule",
    "Problem",
    "ProposalRule",
    "Recording",
    "Segment",
    "build",
    "copy",
    "from_ami",
    "from_audacity",
    "from_calls",
    "from_clips",
    "from_ctm",
    "from_eotbench",
    "from_fdb",
    "from_hf",
    "from_rttm",
    "from_segjson",
    "from_stm",
    "from_textgrid",
    "from_turnbench",
    "from_turns",
    "label",
    "load_dataset",
    "load_recipe",
    "to_hf",
    "to_lhotse",
    "to_rttm",
    "to_seglst",
    "validate",
]

load_dataset = Dataset.load
