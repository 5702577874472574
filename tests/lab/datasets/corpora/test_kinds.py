"""Kinds of segment as people spell them, alone and beside names, in every format that has room for them."""

import pytest

from bidilab.core.errors import DatasetError
from bidilab.lab.datasets import from_audacity, from_rttm, from_segjson, from_textgrid, from_turns
from bidilab.lab.datasets.importing.marks import kind_like, kind_named

SPELLINGS = ("Back-channel", "back channel", "Back-Channel", "BACKCHANNELS", "back_channel", "back\u2011channel")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_hyphen_blank_case_and_plural_make_no_other_word(corpus, spelling):
    corpus.audio("call1.wav", channels=2)
    tier = '"IntervalTier" "{}" 0 10 1\n{} "{}"\n'
    corpus.text(
        "call1.TextGrid",
        '"ooTextFile"\n"TextGrid"\n0 10\n<exists>\n2\n'
        + tier.format("Responses", "5 9", "of course")
        + tier.format(spelling, "6 6.4", "uh-huh"),
    )
    corpus.text("call1.txt", f"5\t9\tResponses: of course\n6\t6.4\t{spelling}: uh-huh\n")
    for importer in (from_textgrid, from_audacity):
        recording = importer(corpus.root, corpus.dest, user_channel=1, progress=False).dataset["call1"]
        assert corpus.said(recording) == [
            ("agent", "response", 5.0, 9.0, "of course", None, "given"),
            ("user", "backchannel", 6.0, 6.4, "uh-huh", None, "given"),
        ]


def test_kinds_in_the_field_of_the_speaker(corpus):
    corpus.audio("call1.wav", channels=2)
    corpus.text("call1.txt", "5 9 response: of course\n6 6.4 Side speech: who is it\n")
    corpus.text(
        "call1.rttm",
        "SPEAKER call1 1 5 4 <NA> <NA> Response <NA> <NA>\nSPEAKER call1 1 6 0.4 <NA> <NA> side-speech <NA> <NA>\n",
    )
    corpus.text(
        "call1.json",
        '[{"speaker": "response", "start_time": 5, "end_time": 9, "words": ""},'
        ' {"speaker": "SIDE_SPEECH", "start_time": 6, "end_time": 6.4, "words": ""}]',
    )
    for importer in (from_turns, from_rttm, from_segjson):
        recording = importer(corpus.root, corpus.dest, user_channel=2, progress=False).dataset["call1"]
        assert [(s.kind, s.start_s, s.end_s) for s in recording.segments] == [
            ("response", 5.0, 9.0),
            ("side_speech", 6.0, 6.4),
        ]


def test_a_speaker_whom_the_caller_names_is_no_kind(corpus):
    corpus.audio("call1.wav", channels=2)
    corpus.text("call1.txt", "5 9 Echo: of course\n6 6.4 amy: uh-huh\n")
    recording = from_turns(corpus.root, corpus.dest, agent="Echo", user_channel=2, progress=False).dataset["call1"]
    assert [(s.kind, s.speaker) for s in recording.segments] == [("response", "Echo"), ("backchannel", "amy")]


def test_the_rules_see_a_response_that_is_labelled_by_kind(corpus):
    # response       |5.0 =========== 9.0|
    # amy   |1 - 3|     |6.0 6.4|  |8.0 ----- 9.5|
    corpus.audio("call1.wav", channels=2)
    corpus.text("call1.txt", "1\t3\tamy: good morning\n6\t6.4\tamy: uh-huh\n5\t9\tresponse\n8\t9.5\tamy: no wait\n")
    recording = from_audacity(corpus.root, corpus.dest, user_channel=1, progress=False).dataset["call1"]
    assert [(s.kind, s.start_s, s.origin) for s in recording.segments] == [
        ("turn", 1.0, "given"),
        ("response", 5.0, "given"),
        ("backchannel", 6.0, "proposed"),
        ("interruption", 8.0, "proposed"),
    ]


def test_a_response_by_name_ends_where_the_user_speaks_by_kind(corpus):
    # bot |1 == 3|        |4 == 6|: 1 s apart, and one response if nobody spoke at length between them
    # turn    |2.9 -- 3.95|
    corpus.audio("call1.wav", channels=2)
    corpus.text("call1.txt", "1\t3\tbot\n4\t6\tbot\n2.9\t3.95\tturn\n")
    recording = from_audacity(corpus.root, corpus.dest, agent="bot", user_channel=1, progress=False).dataset["call1"]
    assert [(s.start_s, s.end_s) for s in recording.segments_of("agent")] == [(1.0, 3.0), (4.0, 6.0)]


@pytest.mark.parametrize(
    ("labels", "options", "complaint"),
    [
        ("1\t2\tturn\n3\t4\tbakchannel\n", {}, "'bakchannel' in 'call1' is not a kind .*: write 'backchannel'"),
        ("1\t2\tresponse\n3\t4\tinteruption\n", {}, "'interuption' in 'call1' is not a kind .*: write 'interruption'"),
        ("1\t2\tturn\n3\t4\tamy\n5\t6\tbakchannel\n", {"user": "amy"}, "write 'backchannel'"),
        ("1\t2\tturn\n3\t4\tcough\n", {}, "'cough' in 'call1' is not a kind .*beside kinds .turn.*give agent or user"),
    ],
)
def test_an_unknown_label_beside_kinds_is_asked_about(corpus, labels, options, complaint):
    corpus.audio("call1.wav", channels=2)
    corpus.text("call1.txt", labels)
    with pytest.raises(DatasetError, match=complaint):
        from_audacity(corpus.root, corpus.dest, user_channel=1, progress=False, **options)


def test_names_that_are_no_kinds():
    assert [kind_named(name) for name in ("amy", "turner", "", "s", "return")] == [None] * 5
    assert [kind_like(name) for name in ("amy", "bot", "Turner", "", "user", "agent", "caller")] == [None] * 7
    assert (kind_named("Echoes"), kind_named("[noise]"), kind_like("backchanel")) == ("echo", "noise", "backchannel")


@pytest.mark.parametrize("label", ["barge-in", "Barge-ins", "bargein"])
def test_the_fields_own_word_for_an_interruption(corpus, label):
    corpus.audio("c.wav", channels=2)
    corpus.text("c.txt", f"1.0\t5.0\tbot: hello\n3.0\t4.5\t{label}: wait\n6.0\t6.5\tbackchanneling\n")
    result = from_audacity(corpus.root, corpus.dest, agent="bot", user_channel=1, progress=False)
    assert [s.kind for s in result.dataset["c"].segments] == ["response", "interruption", "backchannel"]


@pytest.mark.parametrize("name", ["agent", "Bot", "voice-agent"])
def test_a_speaker_named_for_the_agent_who_is_not_said_to_be_it_is_told(corpus, name):
    corpus.audio("c.wav")
    corpus.text("c.txt", f"1.0 5.0 {name}: hello\n3.0 4.5 amy: wait\n")
    result = from_turns(corpus.root, corpus.dest, progress=False)
    told = f"{name!r} is taken for a user: give agent (--agent {name!r}) if it is the agent"
    assert [note.message for note in result.notes] == [told]
    assert from_turns(corpus.root, corpus.dest, agent=name, progress=False).notes == ()
