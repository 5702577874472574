"""Options that importers share: one declaration, taken by all that can, refused in words by the others."""

import inspect
import typing

import numpy as np
import pytest
import soundfile

from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.lab.datasets import Dataset, from_ami, from_audacity, from_calls, from_clips, from_fdb, from_rttm, validate
from bidilab.lab.datasets.corpora import FORMATS
from bidilab.lab.datasets.importing.options import Given, Importer
from bidilab.lab.importoptions import IMPORT_OPTIONS
from tests.lab.datasets.corpora.test_ami import NITE, w, words

VALUES = {
    "agent": "B",
    "user": "C",
    "user_channel": 1,
    "kinds": {"laugh": "noise"},
    "audio": ".",
    "regions": __file__,
    "full_scale": 32768,
    "limit": 3,
    "user_files": "{id}-a.wav",
    "agent_files": "{id}-b.wav",
    "name": "x",
    "licence": "CC0-1.0",
    "rule": None,
}


def test_the_protocol_and_the_checked_form_have_the_declared_options():
    declared = [*IMPORT_OPTIONS, "force", "progress"]
    called = inspect.signature(Importer.__call__)
    assert list(called.parameters)[3:] == declared
    assert list(inspect.signature(Given).parameters) == declared
    assert set(typing.get_type_hints(Given)) == set(declared)


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_says_what_it_takes_and_refuses_the_rest(name, tmp_path):
    run, taken = FORMATS[name].run, FORMATS[name].options
    assert run.__name__ == f"from_{name}"
    assert list(inspect.signature(run).parameters) == ["source", "dest", *taken, "force", "progress"]
    assert all(f"    {option}" in run.__doc__ for option in (*taken, "source", "dest"))
    for option in set(IMPORT_OPTIONS) - set(taken) - {"rule"}:
        with pytest.raises(InvalidParameterError, match=rf"options of {name} must be .*, got '{option}'"):
            run(tmp_path, tmp_path / "made", **{option: VALUES[option]})
    with pytest.raises(TypeError, match=f"from_{name}.. got an unexpected keyword argument 'speaker'"):
        run(tmp_path, tmp_path / "made", speaker="A")


def integers_as_floats(path, seconds=4.0, *, channels=2, rate=8000, subtype="FLOAT", scale=1.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(1).integers(-9000, 9000, (round(seconds * rate), channels))
    soundfile.write(path, samples.astype(np.float32) * np.float32(scale), rate, subtype=subtype)
    return samples / 32768


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_full_scale_divides_what_holds_integers_and_leaves_the_rest(corpus, subtype):
    expected = integers_as_floats(corpus.root / "loud.wav", subtype=subtype)
    kept = integers_as_floats(corpus.root / "sound.wav", 3.0, scale=1 / 32768)
    corpus.audio("pcm.wav", 2.0, channels=2)
    refused = from_calls(corpus.root, corpus.dest, user_channel=1, progress=False)
    assert str(refused.problems[0]).startswith("loud.wav: its floats run to")
    assert "--full-scale 32768" in str(refused.problems[0])
    result = from_calls(corpus.root, corpus.dest, user_channel=1, full_scale=32768, progress=False)
    assert result.problems == ()
    assert [str(note) for note in result.notes] == ["loud: the floats of loud.wav are divided by 32768"]
    assert np.array_equal(result.dataset["loud"].audio().samples, expected.astype(np.float32))
    assert np.array_equal(result.dataset["sound"].audio().samples, kept.astype(np.float32))
    assert validate(result.dataset.root) == []


def test_full_scale_of_quiet_whole_numbers(corpus):
    soundfile.write(corpus.root / "a.wav", np.tile(np.float32([3, -7, 0, 5]), 2000), 8000, subtype="FLOAT")
    result = from_calls(corpus.root, corpus.dest, full_scale=32768, progress=False)
    assert np.abs(result.dataset["a"].user()).max() == np.float32(7 / 32768)


def test_full_scale_where_channels_are_put_together(corpus):
    expected = integers_as_floats(corpus.root / "call-user.wav", channels=1)
    corpus.audio("call-bot.wav", 4.0, rate=16000)
    result = from_calls(
        corpus.root,
        corpus.dest,
        user_files="{id}-user.wav",
        agent_files="{id}-bot.wav",
        full_scale=32768,
        progress=False,
    )
    (recording,) = result.dataset
    assert np.array_equal(recording.user(), expected[:, 0].astype(np.float32))
    assert np.abs(recording.agent()).max() < 1


def test_full_scale_of_a_benchmark_and_of_clips(corpus):
    folder = corpus.root / "synthetic_user_interruption/1"
    corpus.sound("synthetic_user_interruption/1/input.wav", (5.0, 7.0))
    corpus.text("synthetic_user_interruption/1/interrupt.json", '[{"timestamp": [5, 7]}]')
    made = corpus.sound("synthetic_user_interruption/1/output.wav", (2.0, 6.0))
    samples, rate = soundfile.read(made, dtype="int16")
    soundfile.write(folder / "output.wav", samples.astype(np.float32), rate, subtype="FLOAT")
    with pytest.raises(DatasetError) as caught:
        from_fdb(corpus.root, corpus.dest, progress=False)
    assert "output.wav: its floats run to" in str(caught.value.problems[0])
    (recording,) = from_fdb(corpus.root, corpus.dest, full_scale=32768, progress=False).dataset
    assert [s.kind for s in recording.segments] == ["response", "interruption"]
    clips = corpus.root / "clips"
    integers_as_floats(clips / "audio/x.wav", 1.0, channels=1)
    (clips / "meta").mkdir()
    (clips / "meta/esc50.csv").write_text("filename,category\nx.wav,dog\n")
    assert from_clips(clips, corpus.dest, full_scale=32768, progress=False).clips == {"dog": 1}


def test_limit_takes_the_first_and_says_so(corpus):
    for k in range(4):
        corpus.audio(f"c{k}.wav", 1.0, channels=2, seed=k)
    result = from_calls(corpus.root, corpus.dest, user_channel=1, limit=2, progress=False)
    assert [r.id for r in result.dataset] == ["c0", "c1"]
    assert [str(note) for note in result.notes] == ["corpus: limit: only the first 2 of 4 recordings were imported"]
    assert from_calls(corpus.root, corpus.dest, user_channel=1, limit=9, progress=False).notes == ()


UEM = "call 1 2.0 5.0\ncall 2 2.0 6.0\ncall 1 7.0 9.0\ncall 2 7.0 9.0\n"


def test_regions_for_any_format(corpus, tmp_path):
    uem = tmp_path / "parts.uem"
    uem.write_text(UEM)
    corpus.audio("call.wav", channels=2)
    result = from_calls(corpus.root, corpus.dest, user_channel=1, regions=uem, progress=False)
    assert [(r.id, r.duration_s) for r in result.dataset] == [("call-1", 3.0), ("call-2", 2.0)]
    corpus.text("call.txt", "2.5\t3.5\tturn\n7.5\t8.0\tbackchannel\n")
    made = from_audacity(corpus.root, corpus.dest, user_channel=1, regions=uem, progress=False).dataset
    assert [[(s.kind, s.start_s, s.end_s) for s in r.segments] for r in made] == [
        [("turn", 0.5, 1.5)],
        [("backchannel", 0.5, 1.0)],
    ]
    uem.write_text("other 1 0 5\n")
    with pytest.raises(DatasetError) as caught:
        from_calls(corpus.root, corpus.dest, user_channel=1, regions=uem, progress=False)
    assert "'call' is not in the UEM" in str(caught.value.problems[0])
    uem.write_text("call 1 x 5\n")
    with pytest.raises(DatasetError) as caught:
        from_calls(corpus.root, corpus.dest, user_channel=1, regions=uem, progress=False)
    assert "parts.uem:1: 'x' is not a number of seconds" in str(caught.value.problems[0])


def test_regions_given_come_before_those_beside_the_labels(corpus, tmp_path):
    corpus.audio("call.wav", channels=2)
    corpus.text("call.rttm", "SPEAKER call 1 3.0 1.0 <NA> <NA> a <NA> <NA>\n")
    corpus.text("call.uem", "call 1 0.0 1.0\n")
    uem = tmp_path / "parts.uem"
    uem.write_text("call 1 2.0 5.0\n")
    (made,) = from_rttm(corpus.root, corpus.dest, user_channel=1, regions=uem, progress=False).dataset
    assert [(s.start_s, s.end_s) for s in made.segments] == [(1.0, 2.0)]


def test_regions_of_a_benchmark_sample(corpus, tmp_path):
    corpus.sound("user_backchannel/1/input.wav", (0.5, 2.0), (6.0, 6.5))
    corpus.text("user_backchannel/1/metadata.json", '{"timestamps": [6.0, 6.5]}')
    (tmp_path / "parts.uem").write_text("user_backchannel-1 1 5.0 8.0\n")
    (made,) = from_fdb(corpus.root, corpus.dest, regions=tmp_path / "parts.uem", progress=False).dataset
    assert [(s.kind, s.start_s, s.end_s) for s in made.segments] == [("backchannel", 1.0, 1.5)]


def test_kinds_that_labels_stand_for(corpus):
    corpus.audio("call.wav", channels=2)
    corpus.text("call.txt", "1.0\t5.0\tbot: hello\n2.0\t2.5\tmhm\n6.0\t7.0\tlaugh\n8.0\t9.0\tturn\n")
    made = from_audacity(
        corpus.root,
        corpus.dest,
        agent="bot",
        user_channel=1,
        kinds={"mhm": "Back-channel", "laugh": "noise"},
        progress=False,
    ).dataset
    assert [s.kind for s in made["call"].segments] == ["response", "backchannel", "noise", "turn"]
    in_words = "mhm=backchannel, laugh=noise"
    again = from_audacity(corpus.root, corpus.dest, agent="bot", user_channel=1, kinds=in_words, progress=False)
    assert again.dataset["call"].segments == made["call"].segments


@pytest.fixture
def meeting(corpus):
    for number in range(2):
        corpus.audio(f"M1.Headset-{number}.wav", seed=number)
    return corpus


def test_ami_words_go_through_the_marks_of_silence_the_kinds_and_the_regions(meeting, tmp_path):
    laugh = '<vocalsound starttime="8.0" endtime="8.5" type="laugh"/>'
    meeting.text("words/M1.A.words.xml", words("A", [w(0, 0.5, 3.0, "so"), w(1, 3.1, 4.0, "&lt;sil&gt;")]))
    meeting.text(
        "words/M1.B.words.xml",
        words("B", [w(0, 5.0, 5.5, "no"), w(1, 5.6, 6.0, "SILENCE"), w(2, 6.1, 6.4, "silence"), laugh]),
    )
    result = from_ami(meeting.root, meeting.dest, kinds={"laugh": "backchannel"}, progress=False)
    (recording,) = result.dataset
    assert [(s.kind, s.start_s, s.end_s, s.text) for s in recording.segments] == [
        ("response", 0.5, 3.0, "so"),
        ("turn", 5.0, 5.5, "no"),
        ("turn", 6.1, 6.4, "silence"),  # the word, and not the mark
        ("backchannel", 8.0, 8.5, "laugh"),
    ]
    assert [note.message for note in result.notes] == ["1 label 'SILENCE' taken as silence"]
    (tmp_path / "m.uem").write_text("M1 1 0.0 4.5\n")
    (part,) = from_ami(meeting.root, meeting.dest, regions=tmp_path / "m.uem", progress=False).dataset
    assert [s.kind for s in part.segments] == ["response"]


def test_ami_what_does_not_count_is_cut_out(meeting):
    meeting.text("words/M1.A.words.xml", words("A", [w(0, 0.5, 2.0, "so"), w(1, 3.0, 4.0, "[redacted]")]))
    meeting.text(
        "segments/M1.B.segments.xml",
        f'<nite:root {NITE}><segment transcriber_start="5" transcriber_end="6"/></nite:root>',
    )
    result = from_ami(meeting.root, meeting.dest, progress=False)
    assert [(r.id, r.duration_s) for r in result.dataset] == [("M1-B-A-1", 3.0), ("M1-B-A-2", 6.0)]
    assert "left out 1.000 s that the labels exclude from scoring" in [note.message for note in result.notes]


def test_ami_audio_elsewhere(meeting, tmp_path):
    meeting.text("words/M1.A.words.xml", words("A", [w(0, 0.5, 2.0, "so")]))
    meeting.text("words/M1.B.words.xml", words("B", [w(0, 5.0, 6.0, "no")]))
    elsewhere = tmp_path / "audio"
    elsewhere.mkdir()
    for path in meeting.root.glob("*.wav"):
        path.rename(elsewhere / path.name)
    assert len(from_ami(meeting.root, meeting.dest, audio=elsewhere, progress=False).dataset) == 1
    with pytest.raises(InvalidParameterError, match="audio must be a folder that exists"):
        from_ami(meeting.root, meeting.dest, audio=tmp_path / "none", progress=False)


def test_fdb_words_go_through_the_marks_of_silence_and_the_regions(corpus):
    corpus.audio("icc_backchannel/0/input.wav")
    items = [("so", 0.5, 1.0), ("<sil>", 1.0, 2.0), ("SILENCE", 2.0, 2.5), ("[redacted]", 4.0, 5.0), ("you", 6.0, 6.5)]
    chunks = ", ".join(f'{{"text": "{word}", "timestamp": [{start}, {end}]}}' for word, start, end in items)
    corpus.text("icc_backchannel/0/transcription.json", f'{{"text": "", "chunks": [{chunks}]}}')
    result = from_fdb(corpus.root, corpus.dest, progress=False)
    assert [[(s.start_s, s.end_s, s.text) for s in r.segments] for r in result.dataset] == [
        [(0.5, 1.0, "so")],
        [(1.0, 1.5, "you")],
    ]
    assert "1 label 'SILENCE' taken as silence" in [note.message for note in result.notes]
    assert Dataset.load(result.dataset.root)[1].duration_s == 5.0
