"""The same audio under several ids is found, whatever it lies in; what only sounds alike is left alone."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from bidilab.core.audiofile import audio_info
from bidilab.core.errors import AudioError
from bidilab.lab.datasets import Dataset, from_calls, validate
from bidilab.lab.datasets.recording import Recording
from bidilab.lab.datasets.sameaudio import tied_audio
from bidilab.lab.datasets.validation import file_sha256

RATE = 8000


def call(seed: int, seconds: float = 6.0) -> np.ndarray:
    """Two channels of 16-bit noise that comes and goes, ``(n, 2) int16``."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    loud = np.repeat(rng.integers(0, 2, (-(-n // 1000), 2)), 1000, axis=0)[:n]
    return (loud * rng.integers(-9000, 9000, (n, 2))).astype(np.int16)


def mixed(samples: np.ndarray, gain: float = 0.5, *, dither: float = 0.0) -> np.ndarray:
    noise = np.random.default_rng(9).uniform(-dither, dither, len(samples))
    return np.clip(np.rint(samples.astype(np.float64).sum(axis=1) * gain + noise), -32768, 32767).astype(np.int16)


def recording(path: Path, samples: np.ndarray, *channels: str, **how) -> Recording:
    soundfile.write(path, samples, RATE, **how)
    info = audio_info(path)
    return Recording(
        id=path.stem,
        path=path,
        sample_rate=RATE,
        channels=channels or (("user", "agent") if info.channels == 2 else ("user",)),
        duration_s=info.frames / RATE,
        sha256=file_sha256(path),
    )


def told(*recordings: Recording) -> list[tuple[str, str]]:
    return [(tie.how, tie.message) for tie in tied_audio(recordings)]


def test_another_container(tmp_path):
    samples = call(1)
    first = recording(tmp_path / "a.wav", samples)
    for name, how in (
        ("b.flac", {}),
        ("c.wav", {"subtype": "PCM_24"}),
        ("d.aiff", {}),
        ("e.wav", {"subtype": "FLOAT"}),
    ):
        as_float = samples.astype(np.float32) / np.float32(32768)
        other = recording(tmp_path / name, as_float if "FLOAT" in how.values() else samples, **how)
        what = f"'{other.id}' has the same audio as 'a' (equal samples): what happens in it counts twice"
        assert told(first, other) == [("samples", what)]
    altered = samples.copy()
    altered[-1, 0] += 1
    assert told(first, recording(tmp_path / "f.flac", altered, "user", "agent")) == []
    assert told(first, recording(tmp_path / "g.flac", altered[:, [1, 0]])) == []
    swapped = recording(tmp_path / "h.flac", samples[:, [1, 0]])
    assert "(equal samples, channels in another order)" in told(first, swapped)[0][1]


@pytest.mark.parametrize("gain", [0.5, 1.0, 2**-0.5, 0.25])
def test_a_mono_mix(tmp_path, gain):
    samples = call(2)
    whole = recording(tmp_path / "a.wav", samples)
    for name, mix in (("b.wav", mixed(samples, gain)), ("c.flac", mixed(samples, gain, dither=1.0))):
        mono = recording(tmp_path / name, mix)
        what = ("mix", f"{mono.id!r} is a mono mix of 'a': what happens in it counts twice")
        assert told(whole, mono) == [what]
        assert told(mono, whole) == [what]
    longer = np.concatenate([samples, call(3)])
    assert told(recording(tmp_path / "d.wav", longer), recording(tmp_path / "e.wav", mixed(longer, gain))) != []
    longer[-1000:] = 9000
    assert told(recording(tmp_path / "d.wav", longer), mono) == []  # of another length


def test_a_channel_alone(tmp_path):
    samples = call(4)
    whole = recording(tmp_path / "a.wav", samples)
    assert told(whole, recording(tmp_path / "b.wav", samples[:, 1])) == [
        ("channel", "'b' is the channel 'agent' of 'a': what happens in it counts twice")
    ]


def test_what_differs_late_is_no_mix(tmp_path):
    samples = call(5, 20.0)
    other = samples.copy()
    other[-RATE:] = call(6, 1.0)
    assert told(recording(tmp_path / "a.wav", samples), recording(tmp_path / "b.wav", mixed(other))) == []


def test_silence_at_the_start_and_all_through(tmp_path):
    quiet = np.zeros((10 * RATE, 2), np.int16)
    samples = np.concatenate([quiet, call(7)])
    assert len(told(recording(tmp_path / "a.wav", samples), recording(tmp_path / "b.flac", mixed(samples)))) == 1
    assert told(recording(tmp_path / "c.wav", quiet), recording(tmp_path / "d.flac", quiet[:, 0])) == []


def test_one_user_before_two_agents_stays_on_one_side_and_is_no_fault(tmp_path):
    samples, other = call(8), call(9)
    two = np.column_stack([samples[:, 0], other[:, 1]])
    assert told(recording(tmp_path / "a.wav", samples), recording(tmp_path / "b.wav", two)) == [("user", "")]
    agents = np.column_stack([other[:, 0], samples[:, 1]])
    assert told(recording(tmp_path / "a.wav", samples), recording(tmp_path / "c.wav", agents)) == []


def test_noise_that_sounds_alike_is_told_apart(tmp_path):
    made = [recording(tmp_path / f"{k}.wav", call(20 + k, 2.0)[:, 0]) for k in range(12)]
    made += [recording(tmp_path / f"{k}.wav", call(k, 2.0)) for k in range(40, 52)]
    assert told(*made) == []


def test_a_file_that_is_not_what_the_manifest_says(tmp_path):
    first = recording(tmp_path / "a.wav", call(1), "user")
    with pytest.raises(AudioError, match="2 channels, the manifest names 1"):
        tied_audio([first, recording(tmp_path / "b.wav", call(2))])


def test_import_tells_it_validate_finds_it_and_a_split_keeps_it_together(tmp_path):
    source = tmp_path / "calls"
    source.mkdir()
    for k in range(4):
        soundfile.write(source / f"call{k}.wav", call(k), RATE)
    soundfile.write(source / "mix.wav", mixed(call(2)), RATE)
    soundfile.write(source / "copy.flac", call(1), RATE)
    result = from_calls(source, tmp_path / "made", user_channel=1, progress=False)
    same = "what happens in it counts twice"
    assert result.problems == ()
    copy = f"copy: 'copy' has the same audio as 'call1' (equal samples): {same}"
    assert [str(one) for one in result.copies] == [copy]
    assert f"1 copy:\n  {copy}" in repr(result)
    assert [str(note) for note in result.notes] == [f"mix: 'mix' is a mono mix of 'call2': {same}"]
    assert [str(problem) for problem in validate(tmp_path / "made")] == [
        f"manifest.jsonl:5: 'copy' has the same audio as 'call1' (equal samples): {same}",
        f"manifest.jsonl:6: 'mix' is a mono mix of 'call2': {same}",
    ]
    assert validate(tmp_path / "made", deep=False) == []
    dataset = Dataset.load(tmp_path / "made")
    for seed in range(12):
        for part in dataset.split(fraction=0.5, seed=seed):
            ids = {r.id for r in part}
            assert len(ids & {"mix", "call2"}) in (0, 2)
            assert len(ids & {"copy", "call1"}) in (0, 2)
