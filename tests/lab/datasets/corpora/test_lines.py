"""STM, CTM, plain turns and Audacity: each line format in its own layout."""

import pytest

from bidilab.core.errors import DatasetError
from bidilab.lab.datasets import from_audacity, from_ctm, from_stm, from_turns

# bot |0.5 ==================== 6.0|
# amy       |1.0 1.4| yeah   |3.0 --- 5.0| no not that      |7.0 8.0| right
EXPECTED = [
    ("agent", "response", 0.5, 6.0, "let me read it", "bot", "given"),
    ("user", "backchannel", 1.0, 1.4, "yeah", "amy", "proposed"),
    ("user", "interruption", 3.0, 5.0, "no not that", "amy", "proposed"),
    ("user", "turn", 7.0, 8.0, "right", "amy", "given"),
]

STM = """\
;; CATEGORY "0" "" ""
call1 A bot 0.50 6.00 <O,F0,M> let me read it
call1 A inter_segment_gap 6.00 10.00 <O,,>
call1 B amy 1.00 1.40 <O,F0,F> yeah
call1 B amy 3.00 5.00 no not that
call1 B amy 7.00 8.00 <o,f0,female> right
"""
TURNS = """\
# call1.sph
# Transcribed by hand

0.50 6.00 bot: let me read it
1.00 1.40 amy: yeah
0:03.00 0:00:05.00 amy: no not that
7.00 8.00 amy: right
"""
AUDACITY = (
    "0.500000\t6.000000\tbot: let me read it\n\\\t0.000000\t4000.000000\n2.150000\t2.150000\ta point\n"
    "1,000000\t1,400000\tamy: yeah\n3.000000\t5.000000\tamy: no not that\n7.000000\t8.000000\tamy: right\n"
)


@pytest.mark.parametrize(
    ("importer", "suffix", "content", "channel"),
    [(from_stm, "stm", STM, None), (from_turns, "txt", TURNS, 2), (from_audacity, "txt", AUDACITY, 2)],
)
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_the_same_call_in_each_format(corpus, importer, suffix, content, channel, ends):
    corpus.audio("call1.wav", channels=2)
    corpus.text(f"call1.{suffix}", "\ufeff" + content.replace("\n", ends))
    result = importer(corpus.root, corpus.dest, agent="bot", user_channel=channel, progress=False)
    assert result.problems == ()
    assert corpus.said(result.dataset["call1"]) == EXPECTED
    assert result.dataset["call1"].channels == ("agent", "user")


@pytest.mark.parametrize("suffix", ["wav", "WAV", "sph", "wav.flac"])
def test_a_recording_is_named_with_or_without_the_suffix_of_its_audio(corpus, suffix):
    corpus.audio("deep/call1.wav", channels=2)
    corpus.text("call1.stm", STM.replace("call1 B", f"call1.{suffix} B"))
    result = from_stm(corpus.root, corpus.dest, agent="bot", progress=False)
    assert corpus.said(result.dataset["call1"]) == EXPECTED
    corpus.text(f"call2.{suffix}.txt", "1 2 amy: x\n")
    corpus.audio("call2.wav")
    assert [r.id for r in from_turns(corpus.root, corpus.dest, progress=False).dataset] == ["call2"]


def test_a_fault_spoils_the_recording_under_both_names(corpus):
    corpus.audio("call1.wav", channels=2)
    corpus.text("call1.stm", STM + "call1.wav B amy 9.0 8.5 wait\n")
    with pytest.raises(DatasetError, match=r"call1.stm:7: ends at 8.5 s, before it starts"):
        from_stm(corpus.root, corpus.dest, agent="bot", progress=False)


def test_words_become_units_and_all_that_follows_is_proposed(corpus):
    # B: yes |1.0 1.3| |1.4 1.6| indeed: a gap of 0.1 s, one unit of two words
    # A: hm |2.0 2.2|; the first of two alternatives counts; a laugh and a null word do not
    corpus.audio("call1.wav", channels=2)
    corpus.text(
        "call1.ctm",
        ";; comment\ncall1 B 1.0 0.3 yes 0.9\ncall1 B 1.4 0.2 indeed 0.9\ncall1 A * * <ALT_BEGIN>\n"
        "call1 A 2.0 0.2 hm 0.5 lex\ncall1 A * * <ALT>\ncall1 A 2.0 0.4 hum 0.5 lex\ncall1 A * * <ALT_END>\n"
        "call1 A 3.0 0.4 @ 0.5\ncall1 A 4.0 0.4 %laugh 0.5 non-lex\n",
    )
    recording = from_ctm(corpus.root, corpus.dest, agent="A", progress=False).dataset["call1"]
    assert corpus.said(recording) == [
        ("user", "turn", 1.0, 1.6, "yes indeed", "B", "proposed"),
        ("agent", "response", 2.0, 2.2, "hm", "A", "proposed"),
    ]
    assert recording.channels == ("agent", "user")


def test_kinds_that_people_wrote_are_given_and_not_asked_again(corpus):
    corpus.audio("call1.wav", channels=2)
    corpus.text("call1.txt", "0.5\t6.0\tresponse\n1.0\t1.4\tInterruption: stop\n3.0\t3.5\tside speech\n")
    recording = from_audacity(corpus.root, corpus.dest, user_channel=1, progress=False).dataset["call1"]
    assert corpus.said(recording) == [
        ("agent", "response", 0.5, 6.0, None, None, "given"),
        ("user", "interruption", 1.0, 1.4, "stop", None, "given"),
        ("user", "side_speech", 3.0, 3.5, None, None, "given"),
    ]
    assert recording.channels == ("user", "agent")


def test_people_who_speak_at_once_are_one_event(corpus):
    corpus.audio("call1.wav")
    corpus.text("call1.txt", "1 3 amy: one two three\n2 4 ben: four five six\n4.5 5 ben: seven\n6 6 ben: nothing\n")
    recording = from_turns(corpus.root, corpus.dest, progress=False).dataset["call1"]
    # ben's 2-4 and 4.5-5 are one turn (a pause of 0.5 s), and amy's 1-3 overlaps it
    assert corpus.said(recording) == [
        ("user", "turn", 1.0, 5.0, "one two three / four five six seven", None, "proposed")
    ]


@pytest.mark.parametrize(
    ("importer", "name", "content", "complaint"),
    [
        (from_stm, "a.stm", "call1 1 amy 5.0\n", "a.stm:1: an STM line has at least 5 fields, this has 4"),
        (from_stm, "a.stm", "call1 1 amy 5.0 4.0 x\n", "a.stm:1: ends at 4 s, before it starts (5 s)"),
        (from_ctm, "a.ctm", "call1 1 5.0 0.1\n", "a.ctm:1: a CTM line has 5 to 8 fields, this has 4"),
        (from_ctm, "a.ctm", "call1 1 5.0 inf yes\n", "a.ctm:1: 'inf' is not a number of seconds"),
        (from_turns, "call1.txt", "1 2 amy: x\n1 amy\n", "call1.txt:2: a line is 'start end SPEAKER: text'"),
        (from_turns, "call1.txt", "1:2:99999999999.5 2 amy: x\n", "call1.txt:1: '1:2:99999999999.5' is not a number"),
        (
            from_audacity,
            "call1.txt",
            "1.0 2.0 amy\n",
            "call1.txt:1: a label line is start, end and text, separated by tabs",
        ),
        (from_audacity, "call1.txt", b"1.0\t2.0\tam\xe9lie\n", "call1.txt:1: not UTF-8: byte 10 of the line"),
        (from_audacity, "call1.txt", "1.0\t2.0\tamy\n".encode("utf-16"), "call1.txt: is in UTF-16; save it as UTF-8"),
        (from_turns, "call1.txt", "11.0 11.2 amy: late\n", "call1.txt:1: 11 to 11.2 s is past the end of the audio"),
        (
            from_turns,
            "other.txt",
            "1.0 1.2 amy: x\n",
            "other.txt: there must be exactly one audio file named other or other_amy",
        ),
    ],
)
def test_every_fault_has_a_file_and_a_line(corpus, importer, name, content, complaint):
    corpus.audio("call1.wav")
    corpus.text(name, content)
    with pytest.raises(DatasetError) as caught:
        importer(corpus.root, corpus.dest, progress=False)
    assert any(str(problem).startswith(complaint) for problem in caught.value.problems), caught.value.problems


def test_a_label_a_little_past_the_end_is_cut_there(corpus):
    corpus.audio("call1.wav", 10.0)
    corpus.text("call1.txt", "9.0 10.5 amy: bye\n")
    recording = from_turns(corpus.root, corpus.dest, progress=False).dataset["call1"]
    assert [(s.start_s, s.end_s) for s in recording.segments] == [(9.0, 10.0)]
