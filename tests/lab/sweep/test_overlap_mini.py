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
    return bl.sweep(dataset, grid, cache=cache, progress=False), cache


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


@pytest.mark.slow
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
    settings = bl.sweep(dataset, grid, cache=cache, evaluation="simulated", progress=False).settings
    assert settings["n_cut_ins_heard"][0] > 3 * settings["n_cut_ins_heard"][1]
    assert settings["n_stops_continued"][0] > settings["n_stops_continued"][1]
    assert (settings["n_cancelled_unheard"] > 0).all()
    recorded = bl.sweep(dataset, grid, cache=cache, progress=False).settings
    events = ["missed_rate", "false_interruption_rate", "latency_detected_ms_p50", "n_true_opportunities"]
    assert settings[events].equals(recorded[events])  # what becomes of an event does not hang on who answers


def test_no_step_of_the_threshold_lowers_misses_or_raises_false_interruptions(dataset, result):
    _, cache = result
    settings = bl.sweep(dataset, bl.Grid(prefix_padding_ms=300), cache=cache, progress=False).settings
    by_silence = settings.groupby("silence_duration_ms")
    for _, rows in by_silence:
        assert rows["missed_rate"].is_monotonic_increasing
        assert rows["false_interruption_rate"].is_monotonic_decreasing
        assert rows["n_true_opportunities"].nunique() == rows["n_false_opportunities"].nunique() == 1
    assert settings.groupby("threshold")["missed_rate"].nunique().eq(1).all()  # no silence moves an event


def test_gemini_words_move_latency_and_false_interruptions(result, dataset):
    _, cache = result
    grid = bl.Grid(threshold=0.5, prefix_padding_ms=[0, 200, 400], silence_duration_ms=500, provider="gemini")
    settings = bl.sweep(dataset, grid, cache=cache, progress=False).settings
    assert settings["latency_detected_ms_p50"].diff().dropna().gt(100).all()
    assert settings["false_interruption_rate"].diff().dropna().lt(-0.03).all()


def test_speakers_as_the_unit_of_intervals(dataset, result):
    by_recording, cache = result
    by_speaker = bl.sweep(dataset, by_recording.grid, cache=cache, cluster="speaker", progress=False)
    same = ["missed_rate", "n_true_opportunities", "false_interruption_rate", "latency_detected_ms_p50"]
    assert by_speaker.settings[same].equals(by_recording.settings[same])
    width = {
        name: (found.settings["false_interruption_rate_hi"] - found.settings["false_interruption_rate_lo"]).mean()
        for name, found in (("recording", by_recording), ("speaker", by_speaker))
    }
    assert width["speaker"] > width["recording"]  # eight speakers tell less than 75 recordings seem to
    assert any("with speakers as the unit" in note for note in by_speaker.recommend().notes)
    assert by_speaker.recommend().setting is not None


def test_a_speaker_must_be_named_to_be_the_unit(bursts):
    with pytest.raises(bl.BidilabError, match="cluster='speaker' needs the speaker of every recording"):
        bl.sweep(bursts, vad="energy", cluster="speaker", progress=False)


def test_a_min_speech_lets_short_sounds_pass(result, dataset):
    _, cache = result
    grid = bl.Grid(threshold=[0.5, 0.8], prefix_padding_ms=300, silence_duration_ms=500, min_speech_ms="0:200:50")
    settings = bl.sweep(dataset, grid, cache=cache, progress=False, n_resamples=50).settings
    for _, rows in settings.groupby("threshold"):
        assert rows["false_interruption_rate"].is_monotonic_decreasing
        assert rows["missed_rate"].is_monotonic_increasing
        assert rows["latency_detected_ms_p50"].is_monotonic_increasing
        false = rows.set_index("min_speech_ms")["false_interruption_rate"]
        assert false[0] - false[100] > 0.03
