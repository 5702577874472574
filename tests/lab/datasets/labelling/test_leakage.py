"""How loud one channel is heard in the other."""

import numpy as np
import pytest

from bidilab.core.audio import Audio
from bidilab.detect.dsp.mixing import db_to_gain
from bidilab.lab.datasets import load_dataset
from bidilab.lab.datasets.labelling.labeller import find_speech
from tests.conftest import ROOT


@pytest.mark.slow
@pytest.mark.parametrize("gain_db", [-6, -14])
def test_the_gain_of_a_leak_is_that_of_its_power_though_the_user_talks_over_it(gain_db):
    recording = load_dataset(ROOT / "datasets" / "overlap-mini")["early-clean-02"]
    audio = recording.audio()
    later = int(0.09 * audio.sample_rate)
    samples = audio.samples.copy()
    samples[later:, 0] += db_to_gain(gain_db) * audio.samples[:-later, 1]
    samples[:, 0] += np.random.default_rng(0).normal(0, db_to_gain(-65), len(samples)).astype(np.float32)
    leak = find_speech(Audio(samples=samples, sample_rate=audio.sample_rate), {"user": 0, "agent": 1})["user"].leak
    assert leak is not None
    assert leak.gain_db == pytest.approx(gain_db, abs=2)
