"""Settings found again from what a server with hidden ones tells; another detector refused; ignored knobs named."""

import dataclasses
import json

import numpy as np
import pytest

import bidilab as bl
from bidilab.core.audio import Audio
from bidilab.core.errors import InvalidParameterError, ResultError
from bidilab.detect.turns import TurnParams
from bidilab.lab.knobs import ToldEdges, fit_detector, knob_speech
from bidilab.lab.knobs.kernels import matched_edges
from tests.conftest import ROOT
from tests.lab.knobs.heard import RATE, told_by_kernel, told_by_server


@pytest.fixture(scope="module")
def speech():
    return knob_speech(60)


@pytest.fixture(scope="module")
def fitted(speech):
    hidden = {"threshold": 0.63, "prefix_padding_ms": 240, "silence_duration_ms": 410}
    return fit_detector(told_by_server(speech, hidden), speech, asked=hidden, provider="a server")


def test_hidden_settings_are_found(fitted):
    assert fitted.ours
    assert fitted.agreement > 0.97
    assert fitted.best.threshold == pytest.approx(0.63, abs=0.03)
    assert fitted.best.silence_duration_ms == pytest.approx(416, abs=32)  # 410 rounds up to 13 frames
    assert fitted.best.prefix_padding_ms == pytest.approx(240, abs=1)
    assert fitted.ignored == ()
    assert fitted.params == fitted.best
    low, high = fitted.ranges["threshold"]
    assert low <= 0.63 <= high
    low, high = fitted.ranges["silence_duration_ms"]
    assert low <= 410 <= high


def test_what_is_found_is_said(fitted):
    assert "agreement" in str(fitted)
    assert "410 ms was asked for: obeyed" in str(fitted)
    for line in str(fitted).splitlines():
        assert line in repr(fitted)
        assert line in fitted._repr_html_()
    told = json.loads(json.dumps(fitted.to_dict()))
    assert told["params"] == dataclasses.asdict(fitted.best)
    assert told["ignored"] == []


def test_the_twin_sweeps_replays_and_is_exported_under_its_name(fitted, shared_cache, monkeypatch, tmp_path):
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(shared_cache))
    dataset = bl.load_dataset(ROOT / "datasets" / "overlap-mini")[:3]
    assert "silero 6.2 as the twin of a server's detector (agreement" in fitted.twin
    swept = fitted.sweep(dataset, bl.Grid(threshold=[0.5, 0.6], silence_duration_ms=[400]), progress=False)
    assert fitted.twin in swept.summary
    assert bl.SweepResult.load(swept.save(tmp_path / "sweep")).twin == fitted.twin
    replayed = fitted.replay(dataset[0])
    assert fitted.twin in replayed.summary
    assert replayed.params == fitted.params
    alone = bl.replay(dataset[0], turn_detection=fitted.params)
    assert replayed.turns == alone.turns
    assert (alone.twin, bl.sweep(dataset, swept.grid, progress=False).twin) == ("", "")
    exported = fitted.export("livekit")
    assert exported.text == bl.export_setting(fitted.params, "livekit").text
    assert fitted.twin in exported.notes[-len(exported.remarks)]


def test_a_min_speech_is_found(speech):
    hidden = TurnParams(threshold=0.5, min_speech_ms=96, silence_duration_ms=320)
    fit = fit_detector(told_by_kernel(speech, hidden), speech)
    assert fit.agreement == 1.0
    low, high = fit.ranges["min_speech_ms"]
    assert 0 < low < 96 <= high
    assert fit.best.silence_duration_ms == 320


@pytest.mark.parametrize(
    ("in_force", "asked", "ignored"),
    [
        ({"silence_duration_ms": 512}, {"silence_duration_ms": 900}, ("silence_duration_ms",)),
        ({"threshold": 0.5}, {"threshold": 0.8}, ("threshold",)),
        ({"prefix_padding_ms": 300}, {"prefix_padding_ms": 100}, ("prefix_padding_ms",)),
    ],
)
def test_an_ignored_knob_is_named(speech, in_force, asked, ignored):
    fit = fit_detector(told_by_kernel(speech, **in_force), speech, asked=asked)
    assert fit.ignored == ignored
    assert "IGNORED" in str(fit)


@pytest.mark.parametrize("vad", ["energy", "webrtc"])
def test_another_detector_is_refused(speech, vad):
    fit = fit_detector(told_by_kernel(speech, vad=vad), speech)
    assert not fit.ours
    for what in (lambda: fit.twin, lambda: fit.sweep("overlap-mini"), lambda: fit.export("openai")):
        with pytest.raises(ResultError, match="no setting of"):
            what()
    assert "not our detector" in str(fit)
    assert fit.to_dict()["params"] is None
    with pytest.raises(ResultError, match="describes"):
        _ = fit.params


def test_too_few_edges_and_audio_that_is_too_short_are_refused(speech):
    told = told_by_kernel(speech)
    few = dataclasses.replace(told, starts=told.starts[:3], ends=told.ends[:2])
    with pytest.raises(InvalidParameterError, match="at least 10"):
        fit_detector(few, speech)
    short = Audio(samples=speech.samples[: 20 * RATE], sample_rate=RATE)
    with pytest.raises(InvalidParameterError, match="the length of the session"):
        fit_detector(dataclasses.replace(told, n_samples=0), short)


def test_edges_are_matched_one_to_one():
    """Two turns, frames of 10 samples; told starts 30 before the onsets, one end told twice.

    ::

        turns    [10 ───── 50)        [100 ──── 140)     decided at 60, 150
        told    7 ·········· 59   70 ··········· 150 152
    """
    turns = np.array([[1, 2, 5, 6, 0], [10, 11, 14, 15, 0]], np.int64)
    shift, matched, found = matched_edges(
        turns,
        np.array([7, 70]),
        np.array([59, 150, 152]),
        frame_samples=10,
        at_offset=False,
        tolerance_samples=2,
        stretch_samples=100,
        n_stretches=2,
    )
    assert shift == 16  # the median of 3 and 30, halves to even
    assert matched.tolist() == [1, 1]  # the ends; no start lies 16 before its onset
    assert found.tolist() == [2, 2]


def test_edges_that_fall_are_refused():
    with pytest.raises(InvalidParameterError, match="rising"):
        ToldEdges(starts=[5, 3], ends=[8], sample_rate=RATE, ends_mean="decided", n_samples=10)


def test_a_replay_of_our_own_is_fitted_from_its_log(tmp_path):
    """A session log with its recording: our local model obeys."""
    speech = knob_speech(45, seed=3)
    made = bl.replay(speech, turn_detection=bl.ServerVad(threshold=0.6, silence_duration_ms=352), out=tmp_path)
    fit = bl.fit_detector(tmp_path / "events.jsonl", speech)
    assert fit.agreement == 1.0
    assert fit.asked["threshold"] == 0.6
    assert fit.ignored == ()
    assert fit.best.silence_duration_ms == pytest.approx(352, abs=32)
    assert fit.audio_s < 46
    assert made.params.threshold == 0.6
