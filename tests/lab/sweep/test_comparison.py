"""One setting recording by recording, and two settings compared on the same recordings."""

import numpy as np
import pandas as pd
import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.sweep import Grid, SweepResult, sweep
from bidilab.lab.sweep.comparison import COMPARED, compare_settings
from bidilab.lab.sweep.counts import RECORDING_COUNTS


@pytest.fixture(scope="module", params=["recorded", "simulated"])
def result(request, bursts):
    grid = Grid(threshold="0.1:0.9:0.2", prefix_padding_ms=[0, 300], silence_duration_ms=[200, 500])
    how = {"vad": "energy", "cache": False, "n_resamples": 40, "progress": False, "jobs": 1}
    return sweep(bursts, grid, evaluation=request.param, **how)


def test_the_recordings_at_a_setting_are_those_of_the_sweep(result):
    stored = result.recordings
    for setting in range(len(result.grid)):
        rows = stored[stored["setting"] == setting].drop(columns="setting").astype({"recording_id": str})
        expected = rows.set_index("recording_id")
        closely = result.recordings_at(setting)
        pd.testing.assert_frame_equal(closely[list(RECORDING_COUNTS)], expected, check_dtype=False)
        pd.testing.assert_frame_equal(result.counts_at(setting), expected, check_dtype=False)
        row = result.settings.loc[setting]
        assert closely["n_missed"].sum() == row["n_missed"]
        assert closely["talk_over_s"].sum() == pytest.approx(row["talk_over_s"])
        assert closely["agent_speech_min"].sum() == pytest.approx(row["agent_speech_min"])


def test_the_latency_of_a_recording_is_that_of_its_events(result):
    setting = result.setting(threshold=0.3)
    events = result.events(setting)
    closely = result.recordings_at(setting)["latency_detected_ms_p50"]
    seen = 0
    for recording_id, latency in closely.items():
        own = events[(events["recording_id"] == recording_id) & events["kind"].isin(["interruption", "turn"])]
        if list(own["outcome"]) == ["detected"]:  # one opportunity, detected: its latency is the median
            assert latency == pytest.approx(own["latency_ms"].iloc[0])
            seen += 1
    assert seen


def test_a_setting_differs_by_nothing_from_itself(result):
    setting = result.setting(threshold=0.5)
    table = result.compare(setting, setting)
    assert list(table.index) == list(COMPARED)
    known = table["difference"].dropna()
    assert (known == 0).all()
    assert len(known) > 4
    paired = table[table["paired"]].dropna()
    assert (paired["difference_lo"] == 0).all()
    assert (paired["difference_hi"] == 0).all()


def test_differences_are_those_of_the_settings_table(result):
    a, b = result.setting(threshold=0.1), result.setting(threshold=0.9)
    table = result.compare(a, b)
    for name, row in table.iterrows():
        assert row["a"] == result.settings.loc[a, name] or np.isnan(row["a"])
        assert row["b"] == result.settings.loc[b, name] or np.isnan(row["b"])
        if np.isfinite(row["difference_lo"]):
            assert row["difference_lo"] <= row["difference"] <= row["difference_hi"]
    turned = result.compare(b, a)
    np.testing.assert_allclose(turned["difference_lo"], -table["difference_hi"], atol=1e-12)


def test_without_the_recordings_rates_are_still_paired(result, tmp_path):
    result.save(tmp_path)
    loaded = SweepResult.load(tmp_path)
    loaded.meta["dataset"]["path"] = str(tmp_path / "gone")
    assert not loaded.has_recordings
    here, there = result.compare(0, 9), loaded.compare(0, 9)
    pd.testing.assert_series_equal(there["difference"], here["difference"])
    assert there.loc["missed_rate", "paired"]
    assert not there.loc["latency_detected_ms_p50", "paired"]
    assert not there.loc["false_per_min", "paired"]  # the seconds of agent speech are not stored by recording
    pd.testing.assert_series_equal(there.loc["missed_rate"], here.loc["missed_rate"])


def test_pairing_takes_out_what_the_recordings_share():
    """Each recording has one miss more under b than under a, of ten: the difference is 0.1 in every resample.

    ::

        recording   0   1   2   3
        missed a    0   2   4   6   of 10: the rates of a alone differ widely between resamples
        missed b    1   3   5   7   of 10
    """
    a = pd.DataFrame({"n_missed": [0, 2, 4, 6], "n_true_opportunities": [10] * 4})
    b = a.assign(n_missed=a["n_missed"] + 1)
    settings = pd.DataFrame(0.0, index=[0, 1], columns=list(COMPARED))
    settings["missed_rate"] = [12 / 40, 16 / 40]
    table = compare_settings(settings, (0, 1), (a, b), n_resamples=100, seed=1)
    row = table.loc["missed_rate"]
    assert (row["difference_lo"], row["difference_hi"]) == pytest.approx((0.1, 0.1))
    assert row["difference"] == pytest.approx(0.1)


def test_one_recording_does_not_tell_how_recordings_differ():
    a = pd.DataFrame({"n_missed": [1, 0], "n_true_opportunities": [10, 0]})
    settings = pd.DataFrame(0.0, index=[0, 1], columns=list(COMPARED))
    row = compare_settings(settings, (0, 1), (a, a), n_resamples=100, seed=1).loc["missed_rate"]
    assert np.isnan(row["difference_lo"])
    assert np.isnan(row["difference_hi"])


def test_a_setting_that_is_not_there_is_refused(result):
    with pytest.raises(InvalidParameterError, match="setting"):
        result.compare(0, len(result.grid))
    with pytest.raises(InvalidParameterError, match="setting"):
        result.recordings_at(-1)
