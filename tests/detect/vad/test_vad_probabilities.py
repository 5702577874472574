"""Files in, tracks out: resampling, channels, the cache, and going on after a stop."""

import multiprocessing

import numpy as np
import pytest

from bidilab.core.audio import Audio
from bidilab.core.audiofile import read_audio, write_audio
from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.detect.vad import (
    EnergyVad,
    ProbabilityCache,
    VadSpec,
    audio_sha256,
    probabilities,
    resample,
    speech_probabilities,
    speech_probabilities_of_files,
)
from bidilab.detect.vad.probabilities import probabilities_until

SPEC = VadSpec.of("energy")


@pytest.fixture
def files(tmp_path):
    """Five two-channel recordings at as many rates, 1 to 3 s."""
    rng = np.random.default_rng(0)
    paths = []
    for i, rate in enumerate((8_000, 16_000, 24_000, 44_100, 48_000)):
        gain = np.repeat(rng.random(10), rate * (i % 3 + 1) // 10)[:, None] * [0.5, 0.05]
        samples = gain * rng.standard_normal(gain.shape) * 0.3
        paths.append(write_audio(tmp_path / f"{i}.flac", np.clip(samples, -1, 1), rate))
    return paths


class Counting(EnergyVad):
    """Energy, and a note of each recording computed; may stop as Ctrl-C does."""

    def __init__(self, stop_after=None):
        super().__init__()
        object.__setattr__(self, "computed", [])
        object.__setattr__(self, "stop_after", stop_after)

    def probabilities_batch(self, recordings, on_done=None, on_progress=None):
        def note(index, track):
            on_done(index, track)
            self.computed.append(len(track))
            if len(self.computed) == self.stop_after:
                raise KeyboardInterrupt

        return super().probabilities_batch(recordings, note, on_progress)


def test_one_recording_is_resampled_and_a_channel_chosen(files):
    audio = read_audio(files[3])
    backend = SPEC.build()
    for channel, samples in ((None, audio.samples[:, 0]), (1, audio.samples[:, 1])):
        expected = backend.probabilities(resample(samples, 44_100, 16_000))
        np.testing.assert_array_equal(speech_probabilities(audio, backend, channel), expected)
        np.testing.assert_array_equal(speech_probabilities(audio, SPEC, channel), expected)
    with pytest.raises(InvalidParameterError, match="channel"):
        speech_probabilities(audio, SPEC, 2)
    for none in (17, audio.samples, None):
        with pytest.raises(InvalidParameterError, match="audio must be a file, Audio, or a recording of a dataset"):
            speech_probabilities(none, SPEC)
    silence = Audio(samples=np.zeros(24_000, np.float32), sample_rate=24_000)
    assert speech_probabilities(silence, SPEC).shape == (16_000 // 512,)


def test_files_give_the_tracks_of_each_in_order_with_or_without_cache(files, tmp_path):
    items = [(path, channel, None) for path in files for channel in (0, 1, None)]
    expected = []
    for path, channel, _ in items:
        audio = read_audio(path)
        mono = Audio(samples=audio.channel(channel), sample_rate=audio.sample_rate)
        expected.append(speech_probabilities(mono, SPEC))
    cache = ProbabilityCache(tmp_path / "cache")
    for use in (None, cache, cache):
        progress = []
        tracks = speech_probabilities_of_files(items, SPEC, use, progress.append)
        for track, want in zip(tracks, expected, strict=True):
            np.testing.assert_array_equal(track, want)
        assert sum(progress) == 3 * 16_000 * (1 + 2 + 3 + 1 + 2)
    assert len(cache) == len(items)


def test_the_second_time_nothing_is_computed_and_a_given_hash_is_believed(files, tmp_path):
    cache = ProbabilityCache(tmp_path / "cache")
    items = [(path, 0, audio_sha256(path)) for path in files]
    first = Counting()
    speech_probabilities_of_files(items, first, cache)
    assert len(first.computed) == 5
    second = Counting()
    speech_probabilities_of_files([(path, 0, None) for path in files], second, cache)
    assert second.computed == []
    next(cache.root.glob("*/*.vad")).write_bytes(b"damaged")
    third = Counting()
    speech_probabilities_of_files(items, third, cache)
    assert len(third.computed) == 1


def test_after_ctrl_c_it_goes_on_from_there(files, tmp_path):
    cache = ProbabilityCache(tmp_path / "cache")
    items = [(path, 0, None) for path in files]
    with pytest.raises(KeyboardInterrupt):
        speech_probabilities_of_files(items, Counting(stop_after=3), cache)
    assert len(cache) == 3
    rest = Counting()
    tracks = speech_probabilities_of_files(items, rest, cache)
    assert len(rest.computed) == 2
    for (path, _, _), track in zip(items, tracks, strict=True):
        np.testing.assert_array_equal(track, speech_probabilities(read_audio(path), SPEC, 0))


def test_groups_hold_at_most_an_hour_or_one_long_recording(monkeypatch):
    # seconds     5000 | 2000 1600 | 1500 ... as long as they add up to 3600, 64 at most
    lengths = [1_500, 5_000, 2_000, 1_600] + [10] * 100
    groups = list(probabilities._groups(range(len(lengths)), lengths, 1))
    assert groups[:2] == [[1], [2, 3]]
    assert [len(group) for group in groups[2:]] == [64, 37]
    assert groups[2][0] == 0
    assert sorted(i for group in groups for i in group) == list(range(104))


def test_headers_are_checked_before_the_work_begins(files, tmp_path):
    backend = Counting()
    with pytest.raises(AudioError, match="absent"):
        speech_probabilities_of_files([(files[0], 0, None), (tmp_path / "absent.wav", 0, None)], backend)
    assert backend.computed == []


def test_it_runs_in_a_worker_process(files, tmp_path):
    cache = ProbabilityCache(tmp_path / "cache")
    items = [(path, 0, None) for path in files[:2]]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        tracks = pool.apply(speech_probabilities_of_files, (items, VadSpec.of("silero"), cache))
    for track, here in zip(tracks, speech_probabilities_of_files(items, VadSpec.of("silero")), strict=True):
        np.testing.assert_array_equal(track, here)
    assert len(cache) == 2


class Louder:
    """A change of audio: twice as loud."""

    key = "twice"

    def __call__(self, audio, channel):
        return audio.channel(channel) * np.float32(2)


def test_a_change_is_heard_and_kept_apart(files, tmp_path):
    cache = ProbabilityCache(tmp_path / "cache")
    items = [(path, 0, None) for path in files]
    plain = speech_probabilities_of_files(items, SPEC, cache)
    louder = speech_probabilities_of_files(items, SPEC, cache, changes=[Louder()] * len(items))
    assert len(cache) == 2 * len(items)
    for path, track, before in zip(files, louder, plain, strict=True):
        audio = read_audio(path)
        made = Audio(samples=audio.channel(0) * np.float32(2), sample_rate=audio.sample_rate)
        np.testing.assert_array_equal(track, speech_probabilities(made, SPEC))
        assert not np.array_equal(track, before)
    again = speech_probabilities_of_files(items, SPEC, cache)
    np.testing.assert_array_equal(np.concatenate(again), np.concatenate(plain))


def test_changes_are_one_for_each_item(files):
    with pytest.raises(InvalidParameterError, match="changes"):
        speech_probabilities_of_files([(files[0], 0, None)], SPEC, changes=[])


@pytest.mark.parametrize("name", ["energy", "silero"])
def test_probabilities_up_to_a_time_are_those_of_the_whole(name, monkeypatch):
    monkeypatch.setattr("bidilab.detect.vad.probabilities.blocks", lambda samples: np.array_split(samples, 7))
    samples = np.random.default_rng(4).uniform(-0.4, 0.4, 24_000 * 2).astype(np.float32)
    backend = VadSpec(name=name).build()
    whole = backend.probabilities(resample(samples, 24_000, 16_000))
    for end_s, n_frames in ((0.0, 1), (0.5, 16), (1.9, 60), (99.0, 62)):
        found = probabilities_until(backend, samples, 24_000, end_s)
        np.testing.assert_array_equal(found, whole[:n_frames])
