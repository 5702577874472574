"""One setting recording by recording, and two settings compared on the same recordings."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.sweep import Grid, SweepResult, sweep
from bidilab.lab.sweep.comparison import COMPARED
from bidilab.lab.sweep.counts import RECORDING_COUNTS


@pytest.fixture(scope="module", params=["recorded", "simulated"])
def result(request, bursts):
    grid = Grid(threshold="0.1:0.9:0.2", prefix_padding_ms=[0, 300], silence_duration_ms=[200, 500])
    how = {"vad": "energy", "cache": False, "n_resamples": 40, "progress": False, "jobs": 1}
    return sweep(bursts, grid, evaluation=request.param, **how)


@pytest.mark.slow
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
        own = events[(events["recording_id"] == recording_id) & events["outcome"].isin(["detected", "missed"])]
        if list(own["outcome"]) == ["detected"]:  # one true interruption, detected: its latency is the median
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


def test_without_the_recordings_what_was_stored_is_still_paired(result, tmp_path):
    result.save(tmp_path)
    loaded = SweepResult.load(tmp_path)
    loaded.meta["dataset"]["path"] = str(tmp_path / "gone")
    assert not loaded.has_recordings
    here, there = result.compare(0, 9), loaded.compare(0, 9)
    pd.testing.assert_series_equal(there["difference"], here["difference"])
    assert here.loc["false_per_min", "paired"]
    assert not there.loc["false_per_min", "paired"]  # the seconds of agent speech are not stored by recording
    for name in ("missed_rate", "latency_detected_ms_p50", "premature_endpoint_rate"):
        assert there.loc[name, "paired"]
        pd.testing.assert_series_equal(there.loc[name], here.loc[name])


def counted_by(result, setting, name):
    return result.counts_at(setting)[name].to_numpy()


def test_a_rate_is_paired_by_the_influences_of_recordings(result):
    """Written down a second time: influences subtracted recording by recording, and t of one degree less."""
    a, b = result.setting(threshold=0.3), result.setting(threshold=0.9)
    row = result.compare(a, b).loc["false_interruption_rate"]
    kinds = ("backchannel", "side_speech", "noise", "echo")
    n = sum(counted_by(result, a, f"n_false_opportunities_{kind}") for kind in kinds)
    y, z = (sum(counted_by(result, s, f"n_false_on_opportunity_{kind}") for kind in kinds) for s in (a, b))
    held = n > 0
    y, z, n = y[held], z[held], n[held]
    m = len(n)
    influences = [(k - k.sum() / n.sum() * n) / n.sum() for k in (y, z)]
    se = math.sqrt(m / (m - 1) * ((influences[1] - influences[0]) ** 2).sum())
    half = stats.t.ppf(0.975, m - 1) * se
    assert row["difference"] == pytest.approx((z.sum() - y.sum()) / n.sum())
    assert row["difference_lo"] == pytest.approx(row["difference"] - half)
    assert row["difference_hi"] == pytest.approx(row["difference"] + half)


def test_pairing_takes_out_what_the_recordings_share(bursts):
    """No event hangs on the silence: by itself the rate of misses is hardly known, the difference is 0 for certain."""
    grid = Grid(threshold=0.5, prefix_padding_ms=0, silence_duration_ms=[200, 500])
    found = sweep(bursts, grid, vad="energy", cache=False, n_resamples=40, progress=False)
    table = found.compare(0, 1)
    assert table.loc["missed_rate", ["difference", "difference_lo", "difference_hi"]].tolist() == [0, 0, 0]
    alone = found.settings.loc[0, "missed_rate_hi"] - found.settings.loc[0, "missed_rate_lo"]
    assert alone > 0.3
    later = table.loc["endpoint_latency_ms_p50"]
    assert (later["difference"], later["paired"]) == (pytest.approx(288), False)  # in whole frames


def test_one_recording_does_not_tell_how_recordings_differ(bursts):
    grid = Grid(threshold=[0.3, 0.9], prefix_padding_ms=0, silence_duration_ms=200)
    table = sweep(bursts[:1], grid, vad="energy", cache=False, n_resamples=40, progress=False).compare(0, 1)
    assert table[["difference_lo", "difference_hi"]].isna().all(axis=None)
    assert table.loc["missed_rate", "paired"]


def test_a_setting_that_is_not_there_is_refused(result):
    with pytest.raises(InvalidParameterError, match="setting"):
        result.compare(0, len(result.grid))
    with pytest.raises(InvalidParameterError, match="setting"):
        result.recordings_at(-1)
