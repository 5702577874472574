"""On the dataset that comes with the project the curves say something."""

import pytest

import bidilab as bl
from tests.conftest import ROOT

KINDS = ("backchannel", "noise", "side_speech", "echo")


@pytest.fixture(scope="module")
def dataset():
    return bl.load_dataset(ROOT / "datasets" / "overlap-mini")


@pytest.fixture(scope="module")
def result(dataset, tmp_path_factory):
    cache = bl.ProbabilityCache(tmp_path_factory.mktemp("cache"))
    grid = bl.Grid(
        threshold=[0.2, 0.4, 0.6, 0.8, 0.9], prefix_padding_ms=[0, 300], silence_duration_ms=[200, 500, 1000]
    )
    return bl.sweep(dataset, grid, cache=cache, progress=False, n_resamples=100), cache


def column(result, name, **fixed):
    settings = result.settings
    for axis, value in {"prefix_padding_ms": 300, "silence_duration_ms": 500, **fixed}.items():
        settings = settings[settings[axis] == value]
    return settings[name]


def test_it_is_as_large_as_it_should_be(dataset):
    assert len(dataset) >= 60
    assert dataset.duration_s >= 20 * 60
    assert len(dataset.tag_values("user_voice")) >= 6
    assert sum(path.stat().st_size for path in (ROOT / "datasets" / "overlap-mini").rglob("*")) <= 25e6


def test_false_interruptions_fall_and_misses_rise_with_the_threshold(result):
    result, _ = result
    false = column(result, "false_interruption_rate")
    missed = column(result, "missed_rate")
    assert false.is_monotonic_decreasing
    assert false.iloc[0] - false.iloc[-1] > 0.2
    assert missed.iloc[-1] - missed.iloc[0] > 0.15
    assert (column(result, "latency_detected_ms_p50").diff().dropna() >= 0).all()


def test_rates_differ_by_kind(result):
    result, _ = result
    at_half = {kind: column(result, f"false_interruption_rate_{kind}").iloc[2] for kind in KINDS}
    assert max(at_half.values()) - min(at_half.values()) > 0.2


def test_rates_differ_by_condition(result, dataset):
    result, _ = result
    tags = {recording.id: recording.tags["condition"] for recording in dataset}
    rows = result.recordings[result.recordings["setting"] == result.setting(threshold=0.6, silence_duration_ms=500)]
    summed = rows.groupby(rows["recording_id"].map(tags).astype(str))[["n_missed", "n_true_opportunities"]].sum()
    rates = summed["n_missed"] / summed["n_true_opportunities"]
    assert rates.max() - rates.min() > 0.1


def test_silence_duration_trades_cut_ins_for_waiting(result):
    result, _ = result
    at = {"silence_duration_ms": 200}, {"silence_duration_ms": 1000}
    short, long = (column(result, "premature_endpoint_rate", **fixed).iloc[2] for fixed in at)
    assert short > 2 * long
    short, long = (column(result, "endpoint_latency_ms_p50", **fixed).iloc[2] for fixed in at)
    assert long - short > 700


def test_a_short_silence_makes_the_simulated_agent_cut_in(result, dataset):
    _, cache = result
    grid = bl.Grid(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=[200, 1000])
    settings = bl.sweep(dataset, grid, cache=cache, evaluation="simulated", progress=False, n_resamples=50).settings
    assert settings["n_false_premature_endpoint"][0] > 3 * settings["n_false_premature_endpoint"][1]
    assert (settings["n_cancelled_unheard"] > 0).all()


def test_gemini_words_move_latency_and_false_interruptions(result, dataset):
    _, cache = result
    grid = bl.Grid(threshold=0.5, prefix_padding_ms=[0, 200, 400], silence_duration_ms=500, provider="gemini")
    settings = bl.sweep(dataset, grid, cache=cache, progress=False, n_resamples=50).settings
    assert settings["latency_detected_ms_p50"].diff().dropna().gt(100).all()
    assert settings["false_interruption_rate"].diff().dropna().lt(-0.03).all()
