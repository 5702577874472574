"""AMI: headsets by meetings.xml, words into units, coughs as noise, a recording for each user."""

import pytest

from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.lab.datasets import from_ami

NITE = 'xmlns:nite="http://nite.sourceforge.net/"'


def words(who, items):
    inside = "".join(f"   {item}\n" for item in items)
    head = '<?xml version="1.0" encoding="ISO-8859-1" standalone="yes"?>\n'
    return f'{head}<nite:root nite:id="ES2002a.{who}.words" {NITE}>\n{inside}</nite:root>\n'.encode("iso-8859-1")


def w(number, start, end, text, more=""):
    return f'<w nite:id="ES2002a.A.words{number}" starttime="{start}" endtime="{end}"{more}>{text}</w>'


@pytest.fixture
def meeting(corpus):
    # A |0.5 ========= 6.0|       B |3.0 - 4.5|, cough |7.0 7.5|       C |8.0 9.0|, in segments only
    for number in range(3):
        corpus.audio(f"ES2002a/audio/ES2002a.Headset-{number}.wav", seed=number)
    corpus.text(
        "words/ES2002a.A.words.xml",
        words("A", [w(0, 0.5, 3.0, "caf\xe9"), w(1, 3.1, 6.0, "now"), w(2, "6.0", "6.0", ".", ' punc="true"')]),
    )
    corpus.text(
        "words/ES2002a.B.words.xml",
        words(
            "B",
            [
                w(0, 3.0, 3.5, "no"),
                '<disfmarker nite:id="x"/>',
                '<w nite:id="y">unplaced</w>',
                w(3, 3.6, 4.5, "wait"),
                '<vocalsound nite:id="z" starttime="7.0" endtime="7.5" type="cough"/>',
            ],
        ),
    )
    corpus.text(
        "segments/ES2002a.C.segments.xml",
        f'<nite:root nite:id="ES2002a.C.segs" {NITE}>\n<segment nite:id="s" channel="0" transcriber_start="8.0" '
        'transcriber_end="9.0"><nite:child href="ES2002a.C.words.xml#id(ES2002a.C.words0)"/></segment>\n</nite:root>',
    )
    corpus.text(
        "corpusResources/meetings.xml",
        f'<nite:root nite:id="m" {NITE}><meeting observation="ES2002a"><speaker nxt_agent="A" channel="1"/>'
        '<speaker nxt_agent="B" channel="0"/><speaker nxt_agent="C" channel="2"/></meeting></nite:root>',
    )
    return corpus


def test_each_other_participant_is_a_user_in_turn(meeting):
    result = from_ami(meeting.root, meeting.dest, progress=False)
    assert result.problems == ()
    assert [r.id for r in result.dataset] == ["ES2002a-B-A", "ES2002a-C-A"]
    response = ("agent", "response", 0.5, 6.0, "caf\xe9 now", "A", "given")
    assert meeting.said(result.dataset["ES2002a-B-A"]) == [
        response,
        ("user", "interruption", 3.0, 4.5, "no wait", "B", "proposed"),
        ("user", "noise", 7.0, 7.5, "cough", "B", "given"),
    ]
    assert meeting.said(result.dataset["ES2002a-C-A"]) == [
        response,
        ("user", "turn", 8.0, 9.0, None, "C", "given"),
    ]


def test_headsets_are_those_of_meetings_xml(meeting):
    import numpy as np
    import soundfile

    recording = from_ami(meeting.root, meeting.dest, user="B", progress=False).dataset[0]
    made, _ = soundfile.read(recording.path, dtype="int16")
    for channel, number in enumerate((0, 1)):  # user B has headset 0, agent A headset 1
        given, _ = soundfile.read(meeting.root / f"ES2002a/audio/ES2002a.Headset-{number}.wav", dtype="int16")
        assert np.array_equal(made[:, channel], given)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"<a><b></a>", "words/ES2002a.B.words.xml:1: not XML: mismatched tag"),
        (words("B", [w(0, 3.0, 2.5, "no")]), "words/ES2002a.B.words.xml:3: element 1: ends at 2.5 s, before it starts"),
        (words("B", ["<x/>", w(0, "nan", 2.5, "no")]), "words/ES2002a.B.words.xml:4: element 2: 'nan' is not a number"),
        (
            words("B", ['<w starttime="1.0">no</w>']),
            "words/ES2002a.B.words.xml:3: element 1: no starttime or no endtime",
        ),
        (
            b'<!DOCTYPE a [<!ENTITY l "lol"><!ENTITY m "&l;&l;">]><a><w starttime="1" endtime="2">&m;</w></a>',
            "words/ES2002a.B.words.xml: XML we do not read: EntitiesForbidden",
        ),
        (
            b'<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]><a><w starttime="1" endtime="2">&f;</w></a>',
            "words/ES2002a.B.words.xml: XML we do not read: EntitiesForbidden",
        ),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "words/ES2002a.B.words.xml"),
    ],
)
def test_a_fault_leaves_out_whom_it_concerns(meeting, content, complaint):
    meeting.text("words/ES2002a.B.words.xml", content)
    result = from_ami(meeting.root, meeting.dest, progress=False)
    assert [r.id for r in result.dataset] == ["ES2002a-C-A"]
    assert meeting.complaints(result)[0].startswith(complaint), meeting.complaints(result)


def test_what_is_missing(meeting):
    with pytest.raises(InvalidParameterError, match="a participant's letter"):
        from_ami(meeting.root, meeting.dest, agent="MEO069", progress=False)
    with pytest.raises(DatasetError, match="no usable annotation of the agent D in ES2002a"):
        from_ami(meeting.root, meeting.dest, agent="D", progress=False)
    (meeting.root / "ES2002a/audio/ES2002a.Headset-0.wav").unlink()
    with pytest.raises(DatasetError, match=r"exactly one audio file ES2002a\.Headset-0 \(of B\)"):
        from_ami(meeting.root, meeting.dest, user="B", progress=False)
