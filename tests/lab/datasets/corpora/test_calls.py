"""Call recordings: what is copied, what is put together, and that not one sample changes."""

import numpy as np
import pytest
import soundfile

from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.lab.datasets import from_calls, validate


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("call.wav", {}),
        ("call.flac", {}),
        ("call.mp3", {"format": "MP3"}),
        ("call.sph", {"format": "NIST", "subtype": "ULAW"}),
        ("call.ogg", {"format": "OGG", "subtype": "VORBIS"}),
    ],
)
def test_a_file_of_two_channels_is_copied_byte_for_byte(corpus, name, how):
    source = corpus.audio(name, 2.0, channels=2, **how)
    result = from_calls(corpus.root, corpus.dest, user_channel=2, progress=False)
    recording = result.dataset["call"]
    assert recording.path.read_bytes() == source.read_bytes()
    assert (recording.channels, recording.segments) == (("agent", "user"), ())
    samples, _ = soundfile.read(source, dtype="float32")
    # mpg123 decodes to the last bit but one: the same file read twice differs by as much
    assert np.abs(recording.user() - samples[:, 1]).max() <= (1e-7 if name == "call.mp3" else 0)
    assert validate(result.dataset.root) == []
    assert "1 recording without labels" in repr(result)


@pytest.mark.parametrize(
    ("how", "suffix", "dtype"),
    [
        ({}, ".flac", "int16"),
        ({"subtype": "PCM_24"}, ".flac", "int32"),
        ({"subtype": "FLOAT"}, ".wav", "float32"),
        ({"subtype": "ULAW"}, ".flac", "int16"),
    ],
)
def test_a_pair_keeps_every_sample_and_silence_follows_the_shorter(corpus, how, suffix, dtype):
    user = corpus.audio("7-customer.wav", 2.0, seed=1, **how)
    agent = corpus.audio("7-bot.wav", 1.5, seed=2, **how)
    corpus.audio("music.wav")  # of another name: no call
    result = from_calls(
        corpus.root, corpus.dest, user_files="{id}-customer.wav", agent_files="{id}-bot.wav", progress=False
    )
    recording = result.dataset["7"]
    made, _ = soundfile.read(recording.path, dtype=dtype)
    given_user, given_agent = soundfile.read(user, dtype=dtype)[0], soundfile.read(agent, dtype=dtype)[0]
    assert recording.path.suffix == suffix
    assert np.array_equal(made[:, 0], given_user)
    assert np.array_equal(made[:, 1], np.concatenate([given_agent, np.zeros(4000, dtype)]))
    assert [note.message for note in result.notes] == [
        "the agent's channel is 0.500 s shorter and is followed by digital silence"
    ]
    assert [r.id for r in result.dataset] == ["7"]


def test_an_agent_of_another_rate_is_resampled_to_the_users(corpus):
    corpus.audio("7-user.wav", 1.0, seed=1, rate=8000)
    t = np.arange(48_000) / 48_000
    soundfile.write(corpus.root / "7-agent.wav", 0.5 * np.sin(2 * np.pi * 440 * t), 48_000)
    result = from_calls(
        corpus.root, corpus.dest, user_files="{id}-user.wav", agent_files="{id}-agent.wav", progress=False
    )
    recording = result.dataset["7"]
    assert (recording.sample_rate, recording.n_samples) == (8000, 8000)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)  # the same tone, at the same time
    assert np.abs(recording.agent() - expected)[200:-200].max() < 1e-3
    assert [note.message for note in result.notes] == ["the agent's channel was resampled from 48000 to 8000 Hz"]


def test_equal_names_in_two_folders_stay_apart_and_clashes_are_told(corpus):
    corpus.audio("mon/call.wav", 1.0)
    corpus.audio("tue/call.wav", 1.0, seed=2)
    corpus.audio("tue-call.wav", 1.0, seed=3)
    result = from_calls(corpus.root, corpus.dest, progress=False)
    assert [r.id for r in result.dataset] == ["mon-call", "tue-call"]
    assert len(result.problems) == 1
    assert "the id 'tue-call' is already that of" in str(result.problems[0])


def test_a_broken_file_is_named_and_the_rest_goes_on(corpus):
    corpus.audio("good.wav", 1.0)
    cut = corpus.audio("cut.wav", 1.0)
    cut.write_bytes(cut.read_bytes()[:-2000])
    corpus.audio("nan.wav", 1.0)
    soundfile.write(corpus.root / "nan.wav", np.full(100, np.nan, np.float32), 8000, subtype="FLOAT")
    corpus.text("empty.wav", "")
    corpus.text("text.wav", "hello")
    corpus.audio("three.wav", 1.0, channels=3)
    result = from_calls(corpus.root, corpus.dest, progress=False)
    assert [r.id for r in result.dataset] == ["good"]
    faults = {problem.file: problem.message for problem in result.problems}
    assert faults["cut.wav"] == "truncated: the data chunk promises 16000 bytes, but the file holds 14000"
    assert faults["nan.wav"] == "holds NaN or infinity, first at sample 0"
    assert faults["empty.wav"] == "the file is empty (0 bytes)"
    assert faults["three.wav"] == "has 3 channels; a call has one or two"
    assert faults["text.wav"].startswith("not an audio file")
    assert sorted(p.name for p in (result.dataset.root / "audio").iterdir()) == ["good.wav"]


def test_a_link_out_of_the_corpus_is_not_followed(corpus, tmp_path):
    corpus.audio("good.wav", 1.0)
    (tmp_path / "secret.wav").write_bytes(corpus.audio("x.wav", 1.0, seed=9).read_bytes())
    (corpus.root / "x.wav").unlink()
    (corpus.root / "x.wav").symlink_to(tmp_path / "secret.wav")
    result = from_calls(corpus.root, corpus.dest, progress=False)
    assert [r.id for r in result.dataset] == ["good"]
    assert corpus.complaints(result) == ["x.wav: 'x.wav' is a link that leaves the dataset's folder"]


def test_what_the_caller_must_say(corpus):
    corpus.audio("call.wav", 1.0, channels=2)
    with pytest.raises(InvalidParameterError, match=r"user_channel must be 1 or 2, as call\.wav has two channels"):
        from_calls(corpus.root, corpus.dest, progress=False)
    for wrong in ({"user_channel": 3}, {"user_files": "{id}.wav"}, {"user_files": "a.wav", "agent_files": "{id}b.wav"}):
        with pytest.raises(InvalidParameterError):
            from_calls(corpus.root, corpus.dest, progress=False, **wrong)
    with pytest.raises(InvalidParameterError, match="SRC must be a file or folder that exists"):
        from_calls(corpus.root / "no", corpus.dest, progress=False)
    with pytest.raises(InvalidParameterError, match="DEST must be a folder outside the source"):
        from_calls(corpus.root, corpus.root / "made", user_channel=1, progress=False)


def test_a_pair_without_its_other_half(corpus):
    corpus.audio("7-user.wav", 1.0)
    with pytest.raises(DatasetError, match=r"7-user\.wav: its pair 7-agent\.wav is not there"):
        from_calls(corpus.root, corpus.dest, user_files="{id}-user.wav", agent_files="{id}-agent.wav", progress=False)


def test_equal_audio_under_several_names_is_told(corpus):
    corpus.audio("a.wav")
    corpus.audio("b.wav", seed=2)
    corpus.audio("copy of a.wav")
    result = from_calls(corpus.root, corpus.dest, progress=False)
    assert [str(note) for note in result.notes] == [
        "copy of a: 'copy of a' has the same audio as 'a' (equal sha256): what happens in it counts twice"
    ]


def test_one_sound_on_both_channels_is_refused(corpus):
    path = corpus.audio("a.wav")
    samples, rate = soundfile.read(path, dtype="int16")
    soundfile.write(path, np.column_stack([samples, samples]), rate)
    corpus.audio("b.wav", channels=2, seed=2)
    result = from_calls(corpus.root, corpus.dest, user_channel=1, progress=False)
    assert [r.id for r in result.dataset] == ["b"]
    assert "a.wav: the channels of user and agent hold the same samples" in str(result.problems[0])
    soundfile.write(path, np.zeros((8000, 2), np.int16), rate)  # silence tells nothing of who spoke, and is no fault
    assert len(from_calls(corpus.root, corpus.dest, user_channel=1, progress=False).dataset) == 2


def test_every_suffix_of_audio_is_read_or_named(corpus):
    read = {"wave": "WAV", "bwf": "WAV", "oga": "OGG", "caf": "CAF", "snd": "AU", "aifc": "AIFF", "rf64": "RF64"}
    for seed, (suffix, form) in enumerate(read.items()):
        corpus.audio(f"{suffix}.{suffix}", 1.0, channels=2, seed=seed, format=form)
    for suffix in ("raw", "vox", "ULAW", "spx"):
        corpus.text(f"x.{suffix}", b"x" * 8000)
    result = from_calls(corpus.root, corpus.dest, user_channel=1, progress=False)
    assert sorted(r.id for r in result.dataset) == sorted(read)
    assert [str(problem) for problem in result.problems] == [
        f"x.{suffix}: .{suffix.lower()} files are not read; convert it to WAV (ffmpeg or sox) first"
        for suffix in ("ULAW", "raw", "spx", "vox")
    ]
