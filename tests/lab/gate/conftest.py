"""Results by hand: counts and times of recordings that are named, without any audio."""

import numpy as np
import pandas as pd
import pytest

from bidilab.lab.gate.evidence import Evidence, Times
from bidilab.lab.metrics.columns import SESSIONS


@pytest.fixture
def made():
    """Make `Evidence` of missed interruptions and, where given, of times, one list per recording."""

    def make(missed, met=None, *, delays=None, seen=None, names=None, **further):
        met = [1] * len(missed) if met is None else met
        names = [f"r{k}" for k in range(len(missed))] if names is None else names
        counts = pd.DataFrame({"n_missed": missed, "n_met": met}, index=pd.Index(names, name="recording_id"))
        delays = (
            [[np.inf] * y + [100.0] * (n - y) for y, n in zip(missed, met, strict=True)] if delays is None else delays
        )
        owner = np.repeat(np.arange(len(delays)), [len(own) for own in delays])
        values = np.array([delay for own in delays for delay in own])
        observed = np.ones(len(values), bool) if seen is None else np.array([s for own in seen for s in own])
        times = {"latency_detected_ms": Times(values=values, observed=observed, owner=owner)}
        facts = {"title": "by hand", "kind": "replay", "schema": SESSIONS, "times": times, "absent": {}} | further
        return Evidence(counts=counts, **facts)

    return make
