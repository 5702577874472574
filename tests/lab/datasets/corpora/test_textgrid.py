"""Praat TextGrids: both forms say the same, and faults have lines."""

import pytest

from bidilab.core.errors import DatasetError
from bidilab.lab.datasets import from_textgrid

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 10
tiers? <exists>
size = 4
item []:
    item [1]:
        class = "IntervalTier"
        name = "bot"
        xmin = 0
        xmax = 10
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = ""
        intervals [2]:
            xmin = 0.5
            xmax = 6
            text = "he said ""go"" ! twice"
        intervals [3]:
            xmin = 6
            xmax = 10
            text = "sil"
    item [2]:
        class = "IntervalTier"
        name = "amy"
        xmin = 0
        xmax = 10
        intervals: size = 1
        intervals [1]:
            xmin = 3
            xmax = 5
            text = "no
not that"
    item [3]:
        class = "TextTier"
        name = "bell"
        xmin = 0
        xmax = 10
        points: size = 1
        points [1]:
            number = 2.5
            mark = "ding"
    item [4]:
        class = "IntervalTier"
        name = "noise"
        xmin = 0
        xmax = 10
        intervals: size = 1
        intervals [1]:
            xmin = 7
            xmax = 8
            text = "door"
"""
SHORT = """"ooTextFile"
"TextGrid"
0 10 ! seconds
<exists>
4
"IntervalTier" "bot" 0 10 3
0 0.5 ""
0.5 6 "he said ""go"" ! twice"
6 10 "sil"
"IntervalTier" "amy" 0 10 1
3 5 "no
not that"
"TextTier" "bell" 0 10 1
2.5 "ding"
"IntervalTier" "noise" 0 10 1
7 8 "door"
"""
EXPECTED = [
    ("agent", "response", 0.5, 6.0, 'he said "go" ! twice', "bot", "given"),
    ("user", "interruption", 3.0, 5.0, "no\nnot that", "amy", "proposed"),
    ("user", "noise", 7.0, 8.0, "door", None, "given"),
]


OLD = 'File type = "ooTextFile short"\n' + SHORT.partition("\n")[2]
CLASSIC_MAC = OLD.replace("no\nnot that", "no not that").replace("\n", "\r").replace("no not that", "no\nnot that")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("content", [LONG, SHORT, OLD, CLASSIC_MAC], ids=["long", "short", "old short", "cr"])
def test_both_forms_say_the_same(corpus, content, encoding):
    corpus.audio("call1.flac", channels=2)
    corpus.text("call1.TextGrid", content.encode(encoding))
    recording = from_textgrid(corpus.root, corpus.dest, agent="bot", user_channel=1, progress=False).dataset["call1"]
    assert corpus.said(recording) == EXPECTED


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"TextGrid"', '"PitchTier"', ":2: not a TextGrid in text form: the class is 'PitchTier'"),
        ('"ooTextFile"', '"ooBinaryFile"', ":1: not a TextGrid in text form: the file type is 'ooBinaryFile'"),
        ("4\n", "5\n", ":16: the file ends where the class of a tier should stand"),
        ("4\n", "1e9\n", ":5: the number of tiers should be a count, not 1e9"),
        ("0.5 6 ", "6 0.5 ", ":8: an interval ends at 0.5 s, before it starts (6 s)"),
        ("0.5 6 ", "-1 6 ", ":8: a time: -1 s is not in [0, 1e+06]"),
        ("0.5 6 ", "0.5 ", ":8: the end of an interval should stand here, not 'he said \"go\" ! twice'"),
        ('"door"', '"door', ":16: a text that is opened with a quote is never closed"),
        ('"TextTier"', '"PointTier"', ":13: a tier is an IntervalTier or a TextTier, not 'PointTier'"),
    ],
)
def test_faults_have_lines(corpus, old, new, complaint):
    corpus.audio("call1.wav")
    corpus.text("call1.TextGrid", SHORT.replace(old, new, 1))
    with pytest.raises(DatasetError) as caught:
        from_textgrid(corpus.root, corpus.dest, progress=False)
    assert str(caught.value.problems[0]).startswith("call1.TextGrid" + complaint), caught.value.problems


def test_tiers_of_an_aligner(corpus):
    corpus.audio("call1.wav")
    tier = '"IntervalTier" "{}" 0 10 1\n1 2 "{}"\n'
    content = (
        '"ooTextFile"\n"TextGrid"\n0 10\n<exists>\n2\n'
        + tier.format("amy - words", "go")
        + tier.format("amy - phones", "G")
    )
    corpus.text("call1.TextGrid", content)
    recording = from_textgrid(corpus.root, corpus.dest, progress=False).dataset["call1"]
    assert corpus.said(recording) == [("user", "turn", 1.0, 2.0, "go", "amy", "given")]


@pytest.mark.parametrize(
    ("tier", "complaint"),
    [
        ('"TextTier" "amy" 0 10 1\n1 "go"\n', "no label of 'call1' says who speaks when: 1 points"),
        ('"IntervalTier" "amy - phones" 0 10 1\n1 2 "G"\n', "says who speaks when: 1 intervals of phones"),
    ],
)
def test_tiers_that_are_all_passed_over_are_a_problem(corpus, tier, complaint):
    corpus.audio("call1.wav")
    corpus.text("call1.TextGrid", '"ooTextFile"\n"TextGrid"\n0 10\n<exists>\n1\n' + tier)
    with pytest.raises(DatasetError, match=complaint):
        from_textgrid(corpus.root, corpus.dest, progress=False)
