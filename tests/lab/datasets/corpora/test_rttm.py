"""RTTM and UEM: fields, roles, channels and regions."""

import pytest
import soundfile

from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.lab.datasets import Dataset, ProposalRule, from_rttm, validate

# call1, channel 1 (bot)  |0.5 ======================== 6.0|
#        channel 2 (amy)        |1.0 1.4|   |3.0 --- 5.0|     |7.0 - 8.0|
#                               short       over 1 s          outside
CALL = """\
;; a comment
SPKR-INFO call1 1 <NA> <NA> <NA> adult_male bot <NA> <NA>
SPEAKER call1 1 0.500 5.500 <NA> <NA> bot <NA> <NA>
SPEAKER call1 2 7.000 1.000 <NA> <NA> amy <NA> <NA>
SPEAKER call1 2 1.000 0.400 <NA> <NA> amy <NA>
SPEAKER call1 2 3.000 2.000 <NA> <NA> amy <NA> <NA>
"""
EXPECTED = [
    ("agent", "response", 0.5, 6.0, None, "bot", "given"),
    ("user", "backchannel", 1.0, 1.4, None, "amy", "proposed"),
    ("user", "interruption", 3.0, 5.0, None, "amy", "proposed"),
    ("user", "turn", 7.0, 8.0, None, "amy", "given"),
]


def test_two_channels_that_the_labels_tell_apart(corpus):
    corpus.audio("deep/call1.wav", channels=2)
    corpus.text("call1.rttm", CALL)
    result = from_rttm(corpus.root, corpus.dest, agent="bot", progress=False)
    recording = result.dataset["call1"]
    assert result.problems == ()
    assert corpus.said(recording) == EXPECTED
    assert recording.channels == ("agent", "user")  # as they lie in the file, which is copied byte for byte
    assert recording.path.read_bytes() == (corpus.root / "deep" / "call1.wav").read_bytes()
    assert recording.tags == {"agent_speaker": "bot", "user_speaker": "amy"}
    assert recording.segments[1].by == ProposalRule().name
    assert validate(result.dataset.root) == []


def test_lines_that_end_in_cr_alone_and_a_uem_with_suffixes(corpus):
    corpus.audio("call1.wav", channels=2)
    corpus.text("labels.rttm", CALL.replace(" call1 ", " call1.wav ").replace("\n", "\r"))
    corpus.text("labels.uem", "call1.wav NA 0 10\r")
    result = from_rttm(corpus.root, corpus.dest, agent="bot", progress=False)
    assert corpus.said(result.dataset["call1"]) == EXPECTED


def test_one_channel_holds_both_and_the_agent_is_heard_as_echo(corpus):
    corpus.audio("call1.wav")
    corpus.text("call1.rttm", CALL)
    recording = from_rttm(corpus.root, corpus.dest, agent="bot", progress=False).dataset["call1"]
    assert corpus.said(recording) == sorted(
        [*EXPECTED, ("user", "echo", 0.5, 6.0, None, "bot", "given")], key=lambda s: (s[2], s[3], s[0])
    )
    assert (recording.channels, recording.tags["mixed"]) == (("user",), True)


def test_a_file_for_each_speaker_gives_a_recording_for_each_user(corpus):
    for speaker in ("bot", "amy", "ben"):
        corpus.audio(f"call1_{speaker}.wav", seed=ord(speaker[1]))
    corpus.text("all.rttm", CALL + "SPEAKER call1 1 9.0 0.5 <NA> <NA> ben <NA> <NA>\n")
    dataset = from_rttm(corpus.root, corpus.dest, agent="bot", progress=False).dataset
    assert [r.id for r in dataset] == ["call1-amy", "call1-ben"]
    assert corpus.said(dataset["call1-amy"]) == EXPECTED
    assert corpus.said(dataset["call1-ben"]) == [EXPECTED[0], ("user", "turn", 9.0, 9.5, None, "ben", "given")]
    assert dataset["call1-ben"].channels == ("user", "agent")


def test_a_user_by_name_makes_the_others_side_speech(corpus):
    corpus.audio("call1.wav")
    corpus.text("call1.rttm", CALL + "SPEAKER call1 1 9.0 0.5 <NA> <NA> ben <NA> <NA>\n")
    recording = from_rttm(corpus.root, corpus.dest, agent="bot", user="ben", progress=False).dataset["call1"]
    assert [(s.kind, s.start_s) for s in recording.segments_of("user", "side_speech", "turn")] == [
        ("side_speech", 1.0),
        ("side_speech", 3.0),
        ("side_speech", 7.0),
        ("turn", 9.0),
    ]


def test_most_is_whoever_speaks_most_and_nobody_leaves_turns(corpus):
    corpus.audio("call1.wav", channels=2)
    corpus.text("call1.rttm", CALL)  # bot 5.5 s, amy 3.4 s
    assert corpus.said(from_rttm(corpus.root, corpus.dest, agent="@most", progress=False).dataset["call1"]) == EXPECTED
    nobody = from_rttm(corpus.root, corpus.dest, user_channel=2, progress=False).dataset["call1"]
    assert [(s.kind, s.start_s, s.end_s) for s in nobody.segments] == [  # bot is on channel 1 and not heard on 2
        ("turn", 1.0, 1.4),
        ("turn", 3.0, 5.0),
        ("turn", 7.0, 8.0),
    ]


def test_a_speaker_on_no_known_channel_is_not_put_on_the_users(corpus):
    corpus.audio("call1.wav", channels=2)
    corpus.text("call1.rttm", CALL.replace(" 1 0.500", " <NA> 0.500"))
    with pytest.raises(DatasetError, match=r"do not say on which channels bot are; give agent \(--agent\)"):
        from_rttm(corpus.root, corpus.dest, user_channel=2, progress=False)
    assert corpus.said(from_rttm(corpus.root, corpus.dest, agent="bot", progress=False).dataset["call1"]) == EXPECTED


def test_uem_regions_are_cut_out_with_their_labels(corpus):
    # |2.0 ==== 4.0| and |6.5 ==== 9.0| of 10 s: bot 2.0-4.0; amy 3.0-5.0 cut at 4.0; amy 7.0-8.0
    corpus.audio("call1.wav", channels=2)
    corpus.text("call1.rttm", CALL)
    corpus.text("call1.uem", "call1 1 2.0 4.0\ncall1 1 6.5 9.0\n")
    dataset = from_rttm(corpus.root / "call1.rttm", corpus.dest, agent="bot", progress=False).dataset
    assert [(r.id, r.duration_s) for r in dataset] == [("call1-1", 2.0), ("call1-2", 2.5)]
    assert corpus.said(dataset["call1-1"]) == [
        ("agent", "response", 0.0, 2.0, None, "bot", "given"),
        ("user", "interruption", 1.0, 2.0, None, "amy", "proposed"),
    ]
    assert corpus.said(dataset["call1-2"]) == [("user", "turn", 0.5, 1.5, None, "amy", "given")]
    source, _ = soundfile.read(corpus.root / "call1.wav", dtype="int16")
    made, _ = soundfile.read(dataset["call1-1"].path, dtype="int16")
    assert (made == source[16_000:32_000, ::-1]).all()  # user (channel 2) first, sample by sample


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("SPEAKER call1 1 3.0 <NA> <NA> <NA> amy <NA>", "a.rttm:1: '<NA>' is not a number of seconds"),
        ("SPEAKER call1 1 3.0 1.0 <NA> <NA> amy", "a.rttm:1: a SPEAKER line has 9 or 10 fields, this has 8"),
        ("SPEAKER call1 1 -3.0 1.0 <NA> <NA> amy <NA> <NA>", "a.rttm:1: -3.0 s is not in [0, 1e+06]"),
        ("SPEAKER call1 1 3.0 -1.0 <NA> <NA> amy <NA> <NA>", "a.rttm:1: -1.0 s is not in [0, 1e+06]"),
        ("SPEAKER call1 1 nan 1.0 <NA> <NA> amy <NA> <NA>", "a.rttm:1: 'nan' is not a number of seconds"),
        ("SPEAKER call1 1 1e400 1.0 <NA> <NA> amy <NA> <NA>", "a.rttm:1: 1e400 s is not in [0, 1e+06]"),
        ("SPEAKER call1 1 3.0 90.0 <NA> <NA> amy <NA> <NA>", "a.rttm:1: 3 to 93 s is past the end of the audio (10 s)"),
        ("SPEAKER call1 1 3.0 1.0 <NA> <NA> <NA> <NA> <NA>", "a.rttm:1: the line names no speaker"),
        ("SPEKAER call1 1 3.0 1.0 <NA> <NA> amy <NA> <NA>", "a.rttm:1: 'SPEKAER' is not a type of RTTM line"),
        (
            "SPEAKER ../call1 1 3.0 1.0 <NA> <NA> amy <NA> <NA>",
            "a.rttm: there must be exactly one audio file named ../call1",
        ),
    ],
)
def test_a_fault_leaves_its_recording_out_and_the_rest_goes_on(corpus, line, complaint):
    corpus.audio("call1.wav")
    corpus.audio("call2.wav")
    corpus.text("a.rttm", line + "\nSPEAKER call1 1 5.0 1.0 <NA> <NA> amy <NA> <NA>\n")
    corpus.text("b.rttm", "SPEAKER call2 1 3.0 1.0 <NA> <NA> amy <NA> <NA>\n")
    result = from_rttm(corpus.root, corpus.dest, progress=False)
    kept = ["call1", "call2"] if "../" in line else ["call2"]
    assert sorted(r.id for r in result.dataset) == kept
    assert any(c.startswith(complaint) for c in corpus.complaints(result)), corpus.complaints(result)


def test_who_is_on_which_channel_is_never_guessed(corpus):
    corpus.audio("call1.wav", channels=2)
    corpus.text("call1.rttm", CALL.replace(" 2 ", " 1 "))
    with pytest.raises(DatasetError, match=r"2 channels, and the labels do not say which is the user's; give"):
        from_rttm(corpus.root, corpus.dest, agent="bot", progress=False)
    dataset = from_rttm(corpus.root, corpus.dest, agent="bot", user_channel=2, progress=False).dataset
    assert dataset["call1"].channels == ("agent", "user")


@pytest.mark.parametrize("number", ["1", "2", "<NA>", "0"])
def test_one_channel_number_on_every_line_counts_for_nothing(corpus, number):
    corpus.audio("call1.wav", channels=2)
    corpus.text("call1.rttm", CALL.replace("call1 1 ", f"call1 {number} ").replace("call1 2 ", f"call1 {number} "))
    result = from_rttm(corpus.root, corpus.dest, agent="bot", user_channel=2, progress=False)
    assert (corpus.said(result.dataset["call1"]), result.dataset["call1"].channels) == (EXPECTED, ("agent", "user"))
    assert [note.message for note in result.notes] == (
        ["channel 1 on every label does not separate the speakers: the user is on 2, as given"] if number == "1" else []
    )


def test_one_speaker_on_channel_one_does_not_say_where_the_user_is(corpus):
    corpus.audio("call1.wav", channels=2)
    corpus.text("call1.rttm", "SPEAKER call1 1 3.0 2.0 <NA> <NA> amy <NA> <NA>\n")
    with pytest.raises(DatasetError, match="the labels do not say which is the user's"):
        from_rttm(corpus.root, corpus.dest, progress=False)
    recording = from_rttm(corpus.root, corpus.dest, user_channel=2, progress=False).dataset["call1"]
    assert [(s.channel, s.start_s) for s in recording.segments] == [("user", 3.0)]


@pytest.mark.parametrize(
    ("channels", "options", "complaint"),
    [
        (("2", "1"), {"agent": "bot"}, "'call1' put the agent on channel 2, which was given as the user's"),
        (("1", "1"), {"user": "amy"}, "'call1' put the user on channel 1, not on 2"),
        (("3", "1"), {"agent": "bot"}, "'call1' put the user on channel 1, not on 2"),
    ],
)
def test_labels_that_contradict_the_callers_channel_are_refused(corpus, channels, options, complaint):
    corpus.audio("call1.wav", channels=3)
    content = CALL.replace("call1 2 ", "call1 AMY ").replace("call1 1 ", f"call1 {channels[0]} ")
    content += "SPEAKER call1 2 9.0 0.5 <NA> <NA> ben <NA> <NA>\n" if "user" in options else ""
    corpus.text("call1.rttm", content.replace("call1 AMY ", f"call1 {channels[1]} "))
    with pytest.raises(DatasetError, match=complaint):
        from_rttm(corpus.root, corpus.dest, user_channel=2, progress=False, **options)


def test_labels_on_another_channel_are_left_out_and_told(corpus):
    corpus.audio("call1.wav", channels=2)
    corpus.text("call1.rttm", CALL + "SPEAKER call1 1 9.0 0.5 <NA> <NA> ben <NA> <NA>\n")
    result = from_rttm(corpus.root, corpus.dest, agent="bot", user_channel=2, progress=False)
    assert corpus.said(result.dataset["call1"]) == EXPECTED
    assert [str(note) for note in result.notes] == [
        "call1: left out 1 label of ben: on channel 1, and the user is on 2"
    ]


def test_lines_that_say_nothing_of_who_speaks_when_are_a_problem(corpus):
    corpus.audio("call1.wav")
    corpus.text("call1.rttm", "LEXEME call1 1 3.0 1.0 yes lex amy 0.9 <NA>\nSPKR-INFO call1 1 a a a adult amy <NA>\n")
    with pytest.raises(DatasetError, match="no label of 'call1' says who speaks when: 1 LEXEME lines, 1 SPKR-INFO"):
        from_rttm(corpus.root, corpus.dest, progress=False)
    corpus.text("call1.rttm", "NO_RT_METADATA call1 1 <NA> <NA> <NA> <NA> <NA> <NA> <NA>\n")
    assert from_rttm(corpus.root, corpus.dest, progress=False).dataset["call1"].segments == ()


@pytest.mark.parametrize("files", [("hyp.rttm", "ref.rttm"), ("call1.rttm", "old/call1.RTTM")])
def test_a_recording_that_is_labelled_twice_is_not_guessed(corpus, files):
    corpus.audio("call1.wav", channels=2)
    corpus.audio("call2.wav", channels=2)
    corpus.text(files[0], CALL.replace("call1", "call1.wav"))
    corpus.text(files[1], CALL + CALL.replace("call1", "call2"))
    result = from_rttm(corpus.root, corpus.dest, agent="bot", progress=False)
    assert [r.id for r in result.dataset] == ["call2"]
    (complaint,) = corpus.complaints(result)
    assert complaint == f"{files[0]}: 'call1' is labelled in 2 files: {', '.join(files)}; import the one that you mean"


def test_an_agent_who_is_not_there_and_one_who_is_the_user(corpus):
    corpus.audio("call1.wav")
    corpus.text("call1.rttm", CALL)
    with pytest.raises(DatasetError, match=r"no speaker 'bob' \(the agent\) in 'call1'; there: amy, bot"):
        from_rttm(corpus.root, corpus.dest, agent="bob", progress=False)
    with pytest.raises(InvalidParameterError, match="another speaker than the agent"):
        from_rttm(corpus.root, corpus.dest, agent="bot", user="bot", progress=False)


@pytest.mark.real_audio
def test_ami_excerpts_import_with_names_beyond_ascii(real_audio, tmp_path):
    result = from_rttm(real_audio / "ami", tmp_path / "ami", agent="@most", progress=False)
    assert result.problems == ()
    assert [r.id for r in Dataset.load(tmp_path / "ami")] == [f"trn{n:02d}" for n in range(6)]
    # trn00 lasts 30 s. Its first line is `SPEAKER trn00 1 3.168 0.800 … MÉO069`; MEE068 speaks most.
    first = result.dataset["trn00"].segments[0]
    assert (first.kind, first.start_s, first.end_s, first.speaker) == ("turn", 3.168, 3.968, "MÉO069")
    assert result.dataset["trn00"].tags["agent_speaker"] == "MEE068"
    assert validate(tmp_path / "ami") == []


def lines(*items):
    return "".join(
        f"SPEAKER call {channel} {start} {length} <NA> <NA> {who} <NA> <NA>\n" for channel, start, length, who in items
    )


def test_channels_counted_from_zero(corpus):
    """The agent on 0 and the user on 1 are the first and the second channel."""
    corpus.audio("call.wav", channels=2)
    corpus.text("call.rttm", lines((0, 1, 4, "bot"), (1, 2, 2.5, "amy")))
    result = from_rttm(corpus.root, corpus.dest, agent="bot", progress=False)
    assert result.dataset["call"].channels == ("agent", "user")
    corpus.text("call.rttm", lines((0, 1, 4, "amy"), (1, 2, 2.5, "bot")))
    assert from_rttm(corpus.root, corpus.dest, agent="bot", progress=False).dataset["call"].channels == (
        "user",
        "agent",
    )
    corpus.text("call.rttm", lines((0, 1, 4, "bot"), (0, 2, 2.5, "amy")))
    result = from_rttm(corpus.root, corpus.dest, agent="bot", user_channel=2, progress=False)
    assert [s.kind for s in result.dataset["call"].segments] == ["response", "interruption"]


def test_labels_of_no_length_are_told(corpus):
    corpus.audio("call.wav", channels=2)
    corpus.text("call.rttm", lines((1, 1, 4, "bot"), (2, 2, 0, "amy"), (2, 6, 1, "amy")))
    result = from_rttm(corpus.root, corpus.dest, agent="bot", progress=False)
    assert [s.start_s for s in result.dataset["call"].segments] == [1.0, 6.0]
    assert [note.message for note in result.notes] == ["1 label of no length left out"]


def test_a_channel_that_a_mono_file_does_not_have(corpus):
    corpus.audio("call.wav")
    corpus.text("call.rttm", lines((1, 1, 4, "bot"), (1, 2, 1, "amy")))
    with pytest.raises(DatasetError, match="has no channel 2, only 1"):
        from_rttm(corpus.root, corpus.dest, agent="bot", user_channel=2, progress=False)
    assert from_rttm(corpus.root, corpus.dest, agent="bot", user_channel=1, progress=False).dataset[0].tags["mixed"]
