"""What stands in label files where nobody speaks is no speech, in every format."""

import pytest

from bidilab.lab.datasets import from_audacity, from_ctm, from_rttm, from_segjson, from_stm, from_textgrid, from_turns
from bidilab.lab.datasets.importing.marks import is_silent_speaker, is_silent_text, is_sound_text, says_silence

# amy |1 === 3|  (silence 3 to 6)  |6 == 7.5|
RIGHT = [(1.0, 3.0), (6.0, 7.5)]


def tier(name, *intervals):
    lines = [f'{start} {end} "{text}"\n' for start, end, text in intervals]
    return f'"ooTextFile"\n"TextGrid"\n0 10\n<exists>\n1\n"IntervalTier" "{name}" 0 10 {len(lines)}\n' + "".join(lines)


def spans(result):
    return [(s.start_s, s.end_s) for s in result.dataset["call1"].segments]


@pytest.mark.parametrize("mark", ["silent", "SILENCE", "#", "sil", "sp", "<sil>", "[silence]", "<p:>", "(pause)", "##"])
def test_silence_on_a_tier(corpus, mark):
    corpus.audio("call1.wav")
    intervals = [(0, 1, mark), (1, 3, "sounding"), (3, 6, mark), (6, 7.5, "sounding"), (7.5, 10, mark)]
    corpus.text("call1.TextGrid", tier("amy", *intervals))
    result = from_textgrid(corpus.root, corpus.dest, progress=False)
    assert spans(result) == RIGHT
    assert {segment.text for segment in result.dataset["call1"].segments} == {None}
    told = [f"call1: 3 labels {mark!r} taken as silence"] if mark in ("silent", "SILENCE") else []
    assert [str(note) for note in result.notes] == told


@pytest.mark.parametrize("mark", ["SILENCE", "silence", "#", "non-speech", "sil"])
def test_silence_in_place_of_a_speaker(corpus, mark):
    corpus.audio("call1.wav")
    stretches = [(1, 3, "amy"), (3, 6, mark), (6, 7.5, "amy")]
    corpus.text("a/call1.txt", "".join(f"{start}\t{end}\t{who}\n" for start, end, who in stretches))
    corpus.text("b/call1.txt", "".join(f"{start} {end} {who}: \n" for start, end, who in stretches))
    corpus.text("call1.stm", "".join(f"call1 1 {who} {start} {end}\n" for start, end, who in stretches))
    corpus.text(
        "call1.rttm",
        "".join(f"SPEAKER call1 1 {start} {end - start} <NA> <NA> {who} <NA> <NA>\n" for start, end, who in stretches),
    )
    root = corpus.root
    for importer, source in (
        (from_audacity, root / "a" / "call1.txt"),
        (from_turns, root / "b" / "call1.txt"),
        (from_stm, root),
        (from_rttm, root),
    ):
        assert spans(importer(source, corpus.dest, audio=root, progress=False)) == RIGHT, importer.__name__


def test_null_words_and_words_that_only_sound_like_silence(corpus):
    corpus.audio("call1.wav")
    words = ["keep", "silent", "<eps>", "@", "sil", "SILENCE", "#", "pause"]
    corpus.text("call1.ctm", "".join(f"call1 1 {number} 1 {word}\n" for number, word in enumerate(words)))
    result = from_ctm(corpus.root, corpus.dest, progress=False)
    assert [(s.start_s, s.end_s, s.text) for s in result.dataset["call1"].segments] == [
        (0.0, 2.0, "keep silent"),
        (7.0, 8.0, "pause"),
    ]
    assert [str(note) for note in result.notes] == ["call1: 1 label 'SILENCE' taken as silence"]
    corpus.text("call1.TextGrid", tier("amy - words", *((n, n + 1, word) for n, word in enumerate(words))))
    assert spans(from_textgrid(corpus.root, corpus.dest, progress=False)) == [(0.0, 2.0), (7.0, 8.0)]


def test_silence_as_the_words_of_a_segment(corpus):
    corpus.audio("call1.wav")
    stretches = [(1, 3, "hello"), (3, 6, "<silence>"), (6, 7.5, "pause")]
    items = [f'{{"speaker": "amy", "start_time": {a}, "end_time": {b}, "words": "{text}"}}' for a, b, text in stretches]
    corpus.text("call1.json", f"[{', '.join(items)}]")
    assert spans(from_segjson(corpus.root, corpus.dest, progress=False)) == RIGHT


def test_names_and_words_that_are_no_silence():
    assert not any(is_silent_speaker(name) for name in ("amy", "", "h", "Sila", "P", "silvia"))
    assert not any(is_silent_text(text) for text in ("h", "p", "pause", "silent", "silence", "blank", "(yes)", "?"))
    assert not says_silence("silence please", is_word=False)


@pytest.mark.parametrize("mark", ["[noise]", "<laughter>", "(cough)", "[vocalized-noise]", "{BREATH}"])
def test_marks_of_sounds_are_noise_and_no_speech(corpus, mark):
    assert is_sound_text(mark)
    corpus.audio("c.wav", channels=2)
    corpus.text("c.txt", f"1.0\t5.0\tbot: hi\n2.0\t3.0\tamy: {mark}\n4.0\t4.5\tbot: {mark}\n6.0\t7.0\tamy: noise\n")
    made = from_audacity(corpus.root, corpus.dest, agent="bot", user_channel=1, progress=False).dataset["c"]
    said = [(s.kind, s.start_s, s.end_s, s.text) for s in made.segments]
    assert said == [("response", 1.0, 5.0, "hi"), ("noise", 2.0, 3.0, mark), ("turn", 6.0, 7.0, "noise")]


@pytest.mark.parametrize("text", ["noise", "<unk>", "[inaudible]", "laugh", "(um)"])
def test_words_and_speech_that_was_not_understood_are_no_sounds(text):
    assert not is_sound_text(text)


def test_marks_of_sounds_among_words(corpus):
    corpus.audio("c.wav", channels=2)
    corpus.text("c.ctm", "c 1 1.0 3.0 hello\nc 2 2.0 0.3 yes\nc 2 2.4 0.3 [noise]\nc 1 4.1 0.2 [laughter]\n")
    made = from_ctm(corpus.root, corpus.dest, agent="1", progress=False).dataset["c"]
    assert [(s.kind, s.text) for s in made.segments] == [
        ("response", "hello"),
        ("backchannel", "yes"),
        ("noise", "[noise]"),
    ]
