"""Planted faults in whole calls, and clients of our own server; in an attack, in calls that are drawn anew."""

import numpy as np
import pytest

import bidilab as bl
from bidilab.core.errors import AudioError
from bidilab.lab.doctor import doctor
from tests.lab.doctor.drawn import DATASETS, FAULTS, DrawnCalls, FaultyClient
from tests.sizes import ATTACK

SAMPLE = ("half-duplex", "never-cleared", "two-detectors")
SEEDS = range(min(ATTACK, 10)) if ATTACK > 1 else (0,)


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    """Calls by their seed; those of 0 are overlap-mini's own."""
    drawn = {seed: DrawnCalls(seed, tmp_path_factory.mktemp("drawn")) for seed in SEEDS}
    return {**drawn, 0: bl.load_dataset(DATASETS / "overlap-mini")}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fault", [f for f in FAULTS if ATTACK > 1 or f.cause in SAMPLE], ids=lambda fault: fault.cause)
def test_a_fault_of_a_whole_call_is_named_first(fault, seed, calls, tmp_path):
    try:
        found = fault.make(calls[seed], np.random.default_rng(seed), tmp_path)
    except AudioError:
        pytest.skip("this call cannot be drawn")
    if found is not None:  # else it did no harm in this call
        assert found.causes[:1] == [fault.cause], found


@pytest.mark.parametrize("seed", SEEDS)
def test_the_log_of_a_sound_client_gives_nothing(seed, calls, tmp_path):
    try:
        client = FaultyClient(calls[seed]["early-clean-01"])
    except AudioError:
        pytest.skip("this call cannot be drawn")
    assert doctor(client.write(tmp_path / "events.jsonl")).causes == []
