"""Rates on proposed labels beside those on true ones: docs/labelling.md has the whole tables."""

import pytest

from bidilab.lab.datasets import Dataset

from .proposedrates import ROOT, Tally, mixed_real, proposed_for, track_of


def tallied(recordings, *, before):
    tally = Tally()
    for recording in recordings:
        tally.add(recording, proposed_for(recording, before=before), track_of(recording))
    return tally


@pytest.mark.slow
def test_the_false_rate_on_proposed_labels_is_near_the_true_one():
    """Ten recordings of overlap-mini: by Silero alone nearly every event that has a label stops the agent."""
    recordings = list(Dataset.load(ROOT / "datasets" / "overlap-mini"))[::8]
    silero_alone, now = (tallied(recordings, before=before) for before in (True, False))
    truth = now.rate("true", is_true=False)[0]
    assert silero_alone.rate("proposed", is_true=False)[0] - truth > 0.3
    assert abs(now.rate("proposed", is_true=False)[0] - truth) < 0.15
    assert now.n_missed < silero_alone.n_missed / 2


@pytest.mark.slow
@pytest.mark.real_audio
def test_real_noises_that_silero_ignores_get_a_label(real_audio, tmp_path):
    recordings = mixed_real(real_audio, tmp_path, 3, None)
    silero_alone, now = (tallied(recordings, before=before) for before in (True, False))
    assert now.n_missed == now.n_invented == 0
    assert silero_alone.n_missed >= 3
    truth = now.rate("true", is_true=False)[0]
    errors = [abs(each.rate("proposed", is_true=False)[0] - truth) for each in (silero_alone, now)]
    assert errors[1] < errors[0] / 2
