"""An error of a worker reaches who waits for the worker, whole."""

import errno
import pickle
from pathlib import Path

import pytest

from bidilab.core import errors
from bidilab.core.errors import (
    AudioError,
    BidilabError,
    ClusterError,
    DatasetError,
    DeadlockError,
    DiskFullError,
    InvalidParameterError,
    MissingExtraError,
    PlaceHeldError,
)

MADE = [
    AudioError("a.wav: no sound"),
    ClusterError("tcp://nowhere:8786: no answer"),
    DatasetError("mini: two problems", ["line 1: no id", "line 2: no audio"]),
    DeadlockError("a task waits"),
    DiskFullError(Path("a/b.wav"), Path("/"), 1_000, errno_=errno.EDQUOT),
    InvalidParameterError("jobs", "at least 1", 0),
    MissingExtraError("a cluster", "dask"),
    PlaceHeldError(Path("found"), {"pid": 3, "host": "here", "command": "bidilab sweep", "since": "now"}),
]


@pytest.mark.parametrize("made", MADE, ids=lambda made: type(made).__name__)
def test_it_comes_through_a_pickle_as_it_was(made):
    again = pickle.loads(pickle.dumps(made))
    assert type(again) is type(made)
    assert str(again) == str(made)
    assert vars(again) == vars(made)
    assert getattr(again, "errno", None) == getattr(made, "errno", None)


def test_every_error_comes_through():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BidilabError)]
    assert len(kinds) > 15
    for kind in kinds:
        made = kind.__new__(kind)  # however it is made
        made.args, made.said = ("said",), "more"
        again = pickle.loads(pickle.dumps(made))
        assert (type(again), again.args, again.said) == (kind, ("said",), "more")
