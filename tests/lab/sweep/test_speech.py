"""Pauses do not hang on what is swept: the same under every detector, setting and condition, and kept with a result."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bidilab.core.files import GENERATION_FILE
from bidilab.detect.vad import VadSpec, speech_probabilities_of_files
from bidilab.lab.datasets import Dataset
from bidilab.lab.datasets.labels import Word
from bidilab.lab.metrics.columns import SETTINGS
from bidilab.lab.metrics.intervals import clustered_km_mean, clustered_rate
from bidilab.lab.sweep import Grid, SweepResult, sweep
from bidilab.lab.sweep.speech import PAUSES_SPEC, speech_of_track
from tests.conftest import ROOT

GRID = {"threshold": [0.5, 0.7], "prefix_padding_ms": 300, "silence_duration_ms": [200, 600, 1000]}
HOW = {"jobs": 1, "n_resamples": 2, "progress": False}
NEW = [*SETTINGS.names_of("n_pauses", "n_pauses_by_words", "n_cut_offs", "cutoff_rate", "endpoint_latency_ms_mean")]


@pytest.fixture(scope="module")
def few():
    """Recordings of overlap-mini with the most speech of the user's in turns: eight."""
    dataset = Dataset.load(ROOT / "datasets" / "overlap-mini")
    spoken = sorted(dataset, key=lambda r: -sum(s.end_s - s.start_s for s in r.segments_of("user", "turn")))
    return replace(dataset, recordings=tuple(spoken[:8]))


@pytest.fixture(scope="module")
def swept(few):
    return sweep(few, Grid(**GRID), **HOW)


def test_every_row_has_the_rates_of_its_pauses(swept):
    table = swept.settings
    assert table["n_pauses"].nunique() == 1
    assert table["n_pauses"][0] > 5
    by_recording = swept.recordings
    for setting, row in table.iterrows():
        rows = by_recording[by_recording["setting"] == setting]
        found = clustered_rate(rows["n_cut_offs"], rows["n_pauses"])
        assert list(row[[*SETTINGS["cutoff_rate"].names]]) == pytest.approx([found.value, found.lo, found.hi])
    for threshold in (0.5, 0.7):
        rates = table.loc[table["threshold"] == threshold, "cutoff_rate"].tolist()
        assert rates == sorted(rates, reverse=True)  # a longer silence cuts off fewer
        assert rates[0] > rates[-1]
        means = table.loc[table["threshold"] == threshold, "endpoint_latency_ms_mean"].tolist()
        assert means == sorted(means)


def test_the_mean_wait_is_that_of_the_verdicts_kept(swept):
    verdicts = swept.verdicts
    for setting, row in swept.settings.iterrows():
        waits, states = (each[verdicts.turn_of[setting]] for each in (verdicts.waits, verdicts.states))
        seen = ((states & 2) != 0) | ((waits == 0) & (states == 1))
        ms = np.where(waits == np.iinfo(np.int32).max, np.inf, waits / 16)
        found = clustered_km_mean(ms, seen, verdicts.clusters[verdicts.turn_recording], 5000)
        assert list(row[[*SETTINGS["endpoint_latency_ms_mean"].names]]) == pytest.approx([*found[:3]])


def test_another_detector_and_another_condition_meet_the_same_pauses(few, swept):
    loud = sweep(few, Grid(**GRID, conditions=["gain_db=-6", None]), vad="energy", **HOW)
    assert loud.settings["n_pauses"].unique().tolist() == [swept.settings["n_pauses"][0]]
    counts = swept.counts_at(0)["n_pauses"]
    for setting in (0, len(loud.grid) - 1):
        pd.testing.assert_series_equal(loud.counts_at(setting)["n_pauses"], counts, check_dtype=False)
    mine = sweep(few, Grid(**{**GRID, "conditions": ["gain_db=-6"]}), **HOW)
    pd.testing.assert_series_equal(mine.counts_at(0)["n_pauses"], counts, check_dtype=False)


def test_words_are_asked_first(few):
    def told(segment):
        if segment.kind not in ("turn", "interruption"):
            return segment
        third = (segment.end_s - segment.start_s) / 3
        words = (Word(segment.start_s, segment.start_s + third, "so"), Word(segment.end_s - third, segment.end_s, "on"))
        return replace(segment, words=words)

    recordings = tuple(replace(r, segments=tuple(map(told, r.segments))) for r in few)
    result = sweep(replace(few, recordings=recordings), Grid(**GRID), **HOW)
    assert result.settings["n_pauses"][0] == result.settings["n_pauses_by_words"][0] > 0
    assert "by the times of words" in result.pauses
    assert "silero" not in result.pauses


def test_the_origin_of_the_pauses_is_shown(few, swept):
    n = swept.settings["n_pauses"][0]
    assert swept.pauses == f"{n} inside the user's turns: {n} by silero 6.2 at its defaults"
    assert swept.pauses in repr(swept)
    assert swept.pauses in swept.summary
    none = tuple(replace(r, segments=r.segments_of("agent")) for r in few)
    quiet = sweep(replace(few, recordings=none[:2]), Grid(threshold=0.5), vad="energy", **HOW)
    assert "no cut-off rate" in quiet.pauses


def test_a_loaded_result_evaluates_its_recordings_again_with_the_same_pauses(few, swept, tmp_path):
    loaded = SweepResult.load(swept.save(tmp_path / "saved")).attach(few)
    for setting in (0, 5):
        names = ["n_pauses", "n_pauses_by_words", "n_cut_offs"]
        pd.testing.assert_frame_equal(
            loaded.recordings_at(setting)[names], swept.counts_at(setting)[names], check_dtype=False
        )
    assert loaded.pauses == swept.pauses


def test_a_result_from_before_pauses_were_counted_says_so(swept, tmp_path):
    folder = swept.save(tmp_path / "before")
    (folder / GENERATION_FILE).unlink()  # such a version listed no digests
    for name in ("settings", "recordings"):
        table = pd.read_parquet(folder / f"{name}.parquet")
        table.drop(columns=[c for c in NEW if c in table]).to_parquet(folder / f"{name}.parquet")
    loaded = SweepResult.load(folder)
    assert "sweep again for the cut-off rate" in repr(loaded)
    assert "sweep again for the cut-off rate" in loaded._repr_html_()
    assert "n_pauses" not in loaded.counts_at(0)
    assert "cutoff_rate" not in loaded.compare(0, 1).index


def test_speech_is_given_at_the_rate_of_the_detector_under_test(few):
    recording = few[0]
    (track,) = speech_probabilities_of_files([(recording.path, 0, None)], PAUSES_SPEC, None)
    at_16, at_8 = (speech_of_track(track, rate) for rate in (16_000, 8_000))
    assert [(a // 2, b // 2) for a, b in at_16] == list(at_8)
    assert VadSpec.of("silero") == PAUSES_SPEC
