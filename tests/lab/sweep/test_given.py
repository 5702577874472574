"""A detector that is given as an object, or as known tracks, does all that one by name does."""

import json
import warnings

import numpy as np
import pytest

import bidilab as bl
from bidilab.bidi.local.model import BidiLocalModel
from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.detect.turns import detect_turns_reference
from bidilab.detect.vad import VadTracks, resample
from bidilab.detect.vad.given import GivenVad, cannot_be_sent
from bidilab.lab.sweep.executors import ProcessPool
from tests.detect.vad.toys import AheadVad, LoudVad
from tests.lab.sweep.conftest import write_dataset

GRID = bl.Grid(threshold=[0.3, 0.6], silence_duration_ms=[200, 500])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return bl.load_dataset(write_dataset(tmp_path_factory.mktemp("given") / "bursts"))


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(tmp_path / "cache"))


def swept(dataset, vad, **options):
    return bl.sweep(dataset, options.pop("grid", GRID), vad=vad, progress=False, n_resamples=10, **options)


def heard(recording, vad):
    return resample(recording.user(), recording.sample_rate, vad.sample_rate)


@pytest.fixture(scope="module")
def ahead(dataset, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIDILAB_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        return swept(dataset, AheadVad(ahead=240))


@pytest.mark.slow
def test_sweep_session_and_reference_are_one_with_a_lookahead(dataset, ahead):
    vad, grain = AheadVad(ahead=240), {"frame_samples": 160, "sample_rate": 16_000}
    for recording in dataset:
        track = vad.probabilities(heard(recording, vad))
        np.testing.assert_array_equal(ahead.probabilities(recording.id), track)
        for setting in (0, 3):
            params = ahead.params(setting)
            turns = ahead.turns(recording.id, setting)
            assert turns == detect_turns_reference(track, params, lookahead_samples=240, **grain)
            session = bl.replay(recording, turn_detection=params, vad=vad)
            assert session.turns == turns
            model = BidiLocalModel(params, vad=vad, input_rate=recording.sample_rate)
            assert bl.replay(recording, model).turns == turns
    assert any(turn.started_at % 160 == 80 for turn in turns)  # 240 is one and a half of its frames
    assert ahead.meta["vad"]["lookahead_samples"] == 240
    assert "ahead 1, 16000 Hz, 160 samples per frame, 240 heard ahead" in repr(ahead)


def test_what_a_lookahead_costs_is_in_the_latency(dataset, ahead):
    """The same detector that hears the same and says so at once would act 15 ms earlier."""

    class AtOnce(AheadVad):
        pass

    vad = AtOnce(ahead=240)
    tracks = {each.id: vad.probabilities(heard(each, vad)) for each in dataset}
    first = dataset[0].id
    params = ahead.params(0)
    at_once = detect_turns_reference(tracks[first], params, frame_samples=160, sample_rate=16_000)
    assert [turn.started_at - 240 for turn in ahead.turns(first, 0)] == [turn.started_at for turn in at_once]
    assert [turn.onset for turn in ahead.turns(first, 0)] == [turn.onset for turn in at_once]


def test_a_saved_result_says_that_it_was_an_object_and_takes_it_again(dataset, ahead, tmp_path):
    saved = ahead.save(tmp_path / "saved")
    assert json.loads((saved / "sweep.json").read_text())["vad"]["given_as"] == "tests.detect.vad.toys.AheadVad"
    again = bl.SweepResult.load(saved)
    assert not again.has_recordings
    assert "given as an object, a tests.detect.vad.toys.AheadVad: give it again with result.attach" in repr(again)
    assert again.detector == "ahead 1"
    attached = again.attach(dataset, vad=AheadVad(ahead=240))
    assert attached.turns(dataset[0].id, 1) == ahead.turns(dataset[0].id, 1)
    with pytest.raises(bl.BidilabError, match="the detector has changed"):
        bl.SweepResult.load(saved).attach(dataset, vad=AheadVad(ahead=239))
    with pytest.raises(bl.BidilabError, match="the detector of this sweep is ahead, not energy"):
        bl.SweepResult.load(saved).attach(dataset, vad="energy")


def test_a_recommendation_is_checked_with_the_same_object(dataset):
    made = swept(dataset, LoudVad(gain=200.0))
    chosen = made.recommend(validate_on=dataset)
    assert chosen.validation is not None


@pytest.mark.slow
def test_workers_take_what_can_be_pickled(dataset):
    alone = swept(dataset, LoudVad(gain=200.0), cache=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        many = swept(dataset, LoudVad(gain=200.0), cache=False, executor=ProcessPool(2))
    assert many.settings.equals(alone.settings)


@pytest.mark.slow
def test_what_cannot_be_pickled_runs_here_and_says_so(dataset):
    vad = LoudVad(gain=200.0)
    vad.lock = lambda: None
    with pytest.warns(UserWarning, match="the VAD loud runs in this process alone: it cannot be pickled"):
        made = swept(dataset, vad, cache=False, executor=ProcessPool(2))
    assert made.settings.equals(swept(dataset, LoudVad(gain=200.0), cache=False).settings)


def test_a_class_of_a_notebook_stays_here(monkeypatch):
    monkeypatch.setattr(LoudVad, "__module__", "__main__")
    monkeypatch.setattr("__main__.LoudVad", LoudVad, raising=False)
    assert "its class is defined in __main__" in cannot_be_sent(GivenVad(backend=LoudVad()))


@pytest.mark.parametrize(
    ("vad", "message"),
    [
        (LoudVad, "vad must be a detector, not its class: call LoudVad"),
        (3, "vad must be a detector with frame_samples, name, "),
        ("sillero", "vad must be one of silero, webrtc, energy"),
        (LoudVad(sample_rate=16_000), None),
    ],
)
def test_what_is_no_detector_is_refused_by_name(dataset, vad, message):
    if message is None:
        assert swept(dataset, vad).vad == "loud"
        return
    with pytest.raises(InvalidParameterError, match=message):
        swept(dataset, vad)


def test_the_players_take_one(dataset):
    made = swept(dataset, AheadVad(ahead=240))
    player = bl.ReplayPlayer(dataset[0], vad=AheadVad(ahead=240), params=made.params(0))
    expected = made.turns(dataset[0].id, 1)
    player.silence_duration_ms = 500
    assert player.turns == expected
    assert "ahead 1" in repr(player)


# ---- known tracks ----------------------------------------------------------------------------------------------------


@pytest.fixture
def tracks(dataset, tmp_path):
    vad = AheadVad(ahead=240)
    facts = {"name": "bought", "version": "7", "sample_rate": 16_000, "frame_samples": 160, "lookahead_samples": 240}
    folder = tmp_path / "tracks"
    folder.mkdir()
    (folder / "tracks.json").write_text(json.dumps(facts))
    for recording in dataset:
        np.save(folder / f"{recording.id}.npy", vad.probabilities(heard(recording, vad)))
    return VadTracks(folder)


def test_known_tracks_sweep_and_hold_sessions_as_their_detector_does(dataset, ahead, tracks, tmp_path):
    made = swept(dataset, tracks)
    assert made.settings.equals(ahead.settings)
    assert (made.detector, made.meta["vad"]["distribution"]) == ("bought 7", "")
    assert (made.meta["vad"]["known_tracks"], made.meta["vad"]["options"]) == (str(tracks.folder), {})
    for recording in dataset:
        session = bl.replay(recording, turn_detection=made.params(2), vad=tracks)
        assert session.turns == ahead.turns(recording.id, 2)
        assert session.summary.endswith("detector bought 7")
    assert bl.ReplayPlayer(dataset[0], vad=tracks, params=made.params(2)).turns == ahead.turns(dataset[0].id, 2)
    again = bl.SweepResult.load(made.save(tmp_path / "saved"))
    assert again.turns(dataset[0].id, 2) == ahead.turns(dataset[0].id, 2)
    np.save(tracks.folder / f"{dataset[0].id}.npy", np.zeros(3, np.float32))
    assert "another detector" in repr(bl.SweepResult.load(tmp_path / "saved"))


def test_known_tracks_of_other_recordings_or_audio_are_refused(dataset, tracks):
    with pytest.raises(InvalidParameterError, match="conditions must be none with VadTracks"):
        swept(dataset, tracks, grid=bl.Grid(conditions=[None, bl.Condition(gain_db=-6)]))
    with pytest.raises(InvalidParameterError, match="computes nothing"):
        bl.replay(dataset[0], vad=tracks, clock="real")
    with pytest.raises(InvalidParameterError, match="tail_ms must be 0 with VadTracks"):
        bl.replay(dataset[0], vad=tracks, tail_ms=500)
    with pytest.raises(InvalidParameterError, match="vad must be left out with a model other than the local one"):
        bl.replay(dataset[0], "openai", clock="real", vad=tracks)
    (tracks.folder / f"{dataset[1].id}.npy").unlink()
    with pytest.raises(DatasetError, match=f"the tracks of 1 of {len(dataset)} recordings, such as {dataset[1].id}"):
        swept(dataset, VadTracks(tracks.folder))
