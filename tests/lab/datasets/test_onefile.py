"""One recording that nobody labelled: an answer from every entry point, no false verdict, and the next command."""

import re

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import bidilab as bl
from bidilab.bidi.io.wav import WavInput
from bidilab.cli.app import app
from bidilab.core.audio import Audio
from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.lab.datasets.onefile import dataset_of_audio
from bidilab.show.widgets.live.state import build_microphone
from tests.conftest import ROOT

RATE = 16_000
GRID = {"threshold": [0.3, 0.5], "prefix_padding_ms": 300, "silence_duration_ms": 300}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A call of two channels, the same of the user alone, as WAV, FLAC, Ogg and MP3: three bursts of noise."""
    root = tmp_path_factory.mktemp("calls")
    rng = np.random.default_rng(0)
    user, agent = rng.normal(0, 1e-4, (2, 8 * RATE))
    for start in (1, 3, 5):
        user[start * RATE : start * RATE + RATE // 2] += rng.normal(0, 0.1, RATE // 2)
    agent[2 * RATE : 7 * RATE] += rng.normal(0, 0.05, 5 * RATE)
    for suffix in ("wav", "flac", "ogg", "mp3"):
        soundfile.write(root / f"call.{suffix}", np.stack([user, agent], 1), RATE)
        soundfile.write(root / f"mono.{suffix}", user, RATE)
    return root


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("name", ["call", "mono"])
def test_an_answer_and_the_next_command_for_every_container(folder, name, suffix):
    path = folder / f"{name}.{suffix}"
    for evaluation in ("recorded", "simulated"):
        result = bl.sweep(path, bl.Grid(**GRID), vad="energy", evaluation=evaluation, progress=False)
        assert (result.settings["n_detector_turns"] == 3).all()
        nothing = ["n_true_opportunities", "n_false_opportunities", "n_false", "n_false_none", "n_missed"]
        assert not result.settings[nothing].to_numpy().any()
        assert result.settings["false_per_min"].isna().all()
        found = result.recommend()
        assert found.setting is None
        assert "the detector makes 3 to 3 turns" in found.message
        assert "--user-channel 1 --label" in found.notes[0]
    assert bl.speech_probabilities(path, "energy").max() > 0.5
    if suffix not in ("wav", "mp3"):  # a session reads as a sweep does
        return
    replayed = bl.replay(path, turn_detection={"threshold": 0.5, "silence_duration_ms": 300})
    assert set(replayed.interruptions["outcome"]) <= {"unlabelled", "unheard"}


def test_it_is_found_again_after_a_save(folder, tmp_path):
    result = bl.sweep(folder / "call.wav", bl.Grid(**GRID), vad="energy", user_channel=2, progress=False)
    assert result.dataset[0].channels == ("agent", "user")
    assert result.settings["n_detector_turns"].tolist() != [3, 3]  # that is the agent
    loaded = bl.SweepResult.load(result.save(tmp_path / "saved"))
    assert loaded.dataset[0].channels == ("agent", "user")
    assert loaded.recordings_at(0)["n_detector_turns"].tolist() == result.recordings_at(0)["n_detector_turns"].tolist()


def test_the_first_channel_is_the_users_everywhere(folder):
    audio = bl.read_audio(folder / "call.wav")
    first = audio.channel(0)
    assert np.array_equal(audio.user(), first)
    assert np.array_equal(audio.user(2), audio.channel(1))
    heard = bl.speech_probabilities(audio, "energy")
    assert np.array_equal(heard, bl.speech_probabilities(audio, "energy", 0))
    assert not np.array_equal(heard, bl.speech_probabilities(audio, "energy", 1))
    assert np.array_equal(WavInput(audio)._mono, first)
    spoken = {"sample_rate": None, "tail_ms": 0.0}
    assert np.array_equal(build_microphone(folder / "call.wav", **spoken)._mono, first)
    assert np.array_equal(build_microphone(audio, **spoken, user_channel=2)._mono, audio.channel(1))
    array = build_microphone(audio.samples, sample_rate=RATE, tail_ms=0.0, user_channel=2)
    assert np.array_equal(array._mono, audio.channel(1))
    with pytest.raises(InvalidParameterError, match="user_channel must be left out with a microphone"):
        bl.LiveSession(microphone="browser", user_channel=1)
    assert dataset_of_audio(folder / "call.wav")[0].channels == ("user", "agent")
    for wrong in (0, 3, True):
        with pytest.raises(InvalidParameterError, match=r"user_channel must be a channel of call\.wav, 1 to 2"):
            dataset_of_audio(folder / "call.wav", wrong)
    with pytest.raises(InvalidParameterError, match="user_channel must be a channel of memory, 1 to 1"):
        Audio(samples=first, sample_rate=RATE, name="memory").user(2)
    with pytest.raises(InvalidParameterError, match="user_channel must be left out"):
        bl.replay(f"{ROOT / 'datasets' / 'overlap-mini'}#early-clean-01", user_channel=1)


def test_places_that_are_no_dataset_say_what_to_do(folder, tmp_path):
    with pytest.raises(DatasetError, match=r"8 audio files and no dataset.*bidilab datasets import calls"):
        bl.load_dataset(folder)
    with pytest.raises(DatasetError, match="an audio file goes into sweep and replay as it is"):
        bl.load_dataset(folder / "call.wav")
    (tmp_path / "my-calls").mkdir()
    with pytest.raises(DatasetError, match=r"did you mean .*my-calls\?"):
        bl.load_dataset(tmp_path / "my-cals")
    with pytest.raises(DatasetError, match=r"no such folder$"):
        bl.load_dataset(tmp_path / "nothing-like-it")


@pytest.mark.slow
def test_from_the_command_line(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    args = ["sweep", str(folder / "call.wav"), "--vad", "energy", "--threshold", "0.5", "--silence-duration-ms", "300"]
    done = CliRunner().invoke(app, [*args, "--prefix-padding-ms", "300", "--out", "out"])
    assert done.exit_code == 0, done.output
    words = re.sub(r"\s+", " ", done.output)
    assert "nothing can be missed or false" in words
    assert "--label" in words
    assert (tmp_path / "out" / "report.html").is_file()


def test_probabilities_of_a_recording_are_of_its_user(folder):
    """A recording knows which channel is the user's; of a file it is the first unless it is said."""
    (recording,) = dataset_of_audio(folder / "call.wav", 2)
    heard = bl.speech_probabilities(recording, "energy")
    np.testing.assert_array_equal(heard, bl.speech_probabilities(folder / "call.wav", "energy", channel=1))
    assert not np.array_equal(heard, bl.speech_probabilities(folder / "call.wav", "energy"))
    with pytest.raises(InvalidParameterError, match="channel must be left out with a recording"):
        bl.speech_probabilities(recording, "energy", channel=0)
