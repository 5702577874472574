"""What does not count is cut out: UEMs by channel, excluded stretches, and regions that begin in speech."""

import pytest

import bidilab as bl
from bidilab.core.errors import DatasetError
from bidilab.lab.datasets import from_audacity, from_rttm, from_segjson, from_stm
from bidilab.lab.datasets.importing.marks import is_unscored
from bidilab.lab.datasets.importing.regions import scored_regions

# bot (channel 1)          |5.0 ========== 9.0|
# amy (channel 2) |1 = 3|      |6.0 = 7.5|
CALL = (
    "SPEAKER call1 2 1 2 <NA> <NA> amy <NA> <NA>\nSPEAKER call1 2 6 1.5 <NA> <NA> amy <NA> <NA>\n"
    "SPEAKER call1 1 5 4 <NA> <NA> bot <NA> <NA>\n"
)


def made(corpus, result):
    return [(r.id, r.duration_s, [(s.channel, s.start_s, s.end_s) for s in r.segments]) for r in result.dataset]


def from_uem(corpus, uem):
    corpus.audio("call1.wav", channels=2)
    corpus.text("call1.rttm", CALL)
    corpus.text("call1.uem", uem)
    return from_rttm(corpus.root, corpus.dest, agent="bot", progress=False)


@pytest.mark.parametrize(
    ("uem", "spans"),
    [
        ("call1 1 0.5 9.5\ncall1 2 0.5 9.5\n", [(0.5, 9.5)]),
        ("call1 A 0.5 9.5\ncall1.wav B 0.5 9.5\n", [(0.5, 9.5)]),
        ("call1 1 0.5 4\ncall1 1 3.5 9.5\n", [(0.5, 9.5)]),
        ("call1 1 0 9.5\ncall1 2 0.5 10\n", [(0.5, 9.5)]),
        ("call1 1 0.5 3.5\ncall1 1 4 9.5\ncall1 2 0.5 9.5\n", [(0.5, 3.5), (4.0, 9.5)]),
    ],
)
def test_a_uem_counts_each_second_once(corpus, uem, spans):
    result = from_uem(corpus, uem)
    assert [r.duration_s for r in result.dataset] == [end - start for start, end in spans]
    assert sum(len(r.segments_of("user")) for r in result.dataset) == 2
    lines, regions = uem.count("\n"), len(spans)
    told = f"the UEM's {lines} lines are {regions} region{'s' * (regions > 1)} that count on every channel"
    assert {note.message for note in result.notes} == {told}


def test_channels_of_which_no_second_counts_on_both(corpus):
    with pytest.raises(DatasetError, match="no part of 'call1' counts: the UEM's 2 lines are 0 regions"):
        from_uem(corpus, "call1 1 0 4\ncall1 2 4 9\n")


def test_a_region_that_begins_in_the_users_speech_gives_no_onset(corpus):
    result = from_uem(corpus, "call1 1 6.6 10\n")
    assert made(corpus, result) == [("call1", 2.5, [("agent", 0.0, 1.5)])]
    (note,) = result.notes
    assert note.message.startswith("the region 6.6 to 10 s begins inside the user's speech")
    grid = bl.Grid(threshold=[0.5], silence_duration_ms=[500], prefix_padding_ms=[300])
    row = bl.sweep(result.dataset, grid, vad="energy", cache=False, n_resamples=10, progress=False).settings.iloc[0]
    assert row.n_true_opportunities == 0


def test_regions_that_begin_at_an_onset_and_in_an_utterances_pause(corpus):
    assert made(corpus, from_uem(corpus, "call1 1 6.0 10\n")) == [
        ("call1", 4.0, [("user", 0.0, 1.5), ("agent", 0.0, 3.0)])
    ]
    # amy |1 = 3|(0.5 s)|3.5 = 4|: one turn, and its pause is inside of it
    corpus.text("call1.rttm", CALL + "SPEAKER call1 2 3.5 0.5 <NA> <NA> amy <NA> <NA>\n")
    corpus.text("call1.uem", "call1 1 3.2 10\n")
    result = from_rttm(corpus.root, corpus.dest, agent="bot", progress=False)
    assert made(corpus, result) == [("call1", 6.0, [("agent", 1.0, 5.0), ("user", 2.0, 3.5)])]


def test_a_region_inside_one_utterance_is_left_out(corpus):
    with pytest.raises(DatasetError, match=r"the region 6.6 to 7.2 s of 'call1' lies inside the user's speech"):
        from_uem(corpus, "call1 1 6.6 7.2\n")


CUT = [
    ("call1-1", 3.0, [("user", 1.0, 3.0)]),
    ("call1-2", 4.5, [("agent", 0.5, 4.5), ("user", 1.5, 3.0)]),
]


def test_what_a_corpus_excludes_is_nobodys_speech(corpus):
    corpus.audio("call1.wav", channels=2)
    corpus.text("call1.rttm", CALL + "NOSCORE call1 1 3 1.5 <NA> <NA> <NA> <NA> <NA>\nNOSCORE call1 2 9 1\n")
    corpus.text(
        "call1.stm",
        "call1 2 amy 1 3 hello\ncall1 2 amy 6 7.5 no wait\ncall1 1 bot 5 9 the office opens at nine\n"
        "call1 2 excluded_region 3 4.5 <o,,unknown>\ncall1 2 amy 9 10 <o,,> IGNORE_TIME_SEGMENT_IN_SCORING\n"
        "call1 1 inter_segment_gap 0 5 <o,,> ignore_time_segment_in_scoring\n",
    )
    corpus.text("call1.txt", "1\t3\tamy\n6\t7.5\tamy\n5\t9\tbot\n3\t4.5\tExcluded\n9\t10\t[redacted]\n")
    speech = [("amy", 1, 3, "a"), ("amy", 6, 7.5, "b"), ("bot", 5, 9, "c")]
    items = [f'{{"speaker": "{w}", "start_time": {a}, "end_time": {b}, "words": "{t}"}}' for w, a, b, t in speech]
    items += ['{"start_time": %s, "end_time": %s, "words": "[redacted]"}' % span for span in ((3, 4.5), (9, 10))]  # noqa: UP031
    corpus.text("call1.json", f"[{', '.join(items)}]")
    for importer in (from_rttm, from_stm, from_audacity, from_segjson):
        result = importer(corpus.root, corpus.dest, agent="bot", user_channel=2, progress=False)
        assert made(corpus, result) == CUT, importer.__name__
        assert "left out 2.500 s that the labels exclude from scoring" in {note.message for note in result.notes}


def test_labels_past_the_end_are_a_fault_also_beside_what_is_excluded(corpus):
    corpus.audio("call1.wav", channels=2)
    corpus.text("call1.rttm", CALL.replace("2 6 1.5", "2 16 1.5") + "NOSCORE call1 1 3 1.5\n")
    with pytest.raises(DatasetError, match=r"call1.rttm:2: 16 to 17.5 s is past the end of the audio \(10 s\)"):
        from_rttm(corpus.root, corpus.dest, agent="bot", progress=False)


def test_a_recording_that_is_all_excluded(corpus):
    corpus.audio("call1.wav", channels=2)
    corpus.text("call1.rttm", CALL + "NOSCORE call1 1 0 10\n")
    with pytest.raises(DatasetError, match=r"no part of 'call1' counts: left out 10.000 s that the labels exclude"):
        from_rttm(corpus.root, corpus.dest, agent="bot", progress=False)


def test_regions_by_hand():
    assert scored_regions(None, [(2.0, 3.0), (2.5, 4.0)], 5.0)[0] == [(0.0, 2.0), (4.0, 5.0)]
    assert scored_regions({"1": [(1.0, 9.0)]}, [], 5.0) == ([(1.0, 9.0)], ())
    assert is_unscored("Excluded region", None)
    assert is_unscored(None, "<excluded>")
    assert not any(is_unscored(None, text) for text in ("redacted", "excluded", "", "a [redacted] name"))
