"""SegLST and its relatives."""

import json

import pytest

from bidilab.core.errors import DatasetError
from bidilab.lab.datasets import from_segjson

SEGLST = [
    {"session_id": "S1", "speaker": "P1", "start_time": "0.5", "end_time": "6.0", "words": "let me read it"},
    {"session_id": "S1", "speaker": "P2", "start_time": 3, "end_time": 5.0, "words": "no not that"},
]
CHIME6 = [
    {
        "session_id": "S1",
        "speaker": "P1",
        "start_time": "0:00:00.50",
        "end_time": "0:00:06.00",
        "words": "let me read it",
    },
    {"session_id": "S1", "speaker": "P2", "start_time": "0:00:03.00", "end_time": "0:00:05.00", "words": "no not that"},
]
DIPCO = [
    {
        "start_time": {"U01": "00:00:00.60", "close-talk": f"00:00:{start}"},
        "end_time": {"U01": "00:00:06.10", "close-talk": f"00:00:{end}"},
        "words": words,
        "speaker_id": speaker,
        "session_id": "S1",
        "gender": "male",
    }
    for speaker, start, end, words in (
        ("P1", "00.50", "06.00", "let me read it"),
        ("P2", "03.00", "05.00", "no not that"),
    )
]
EXPECTED = [
    ("agent", "response", 0.5, 6.0, "let me read it", "P1", "given"),
    ("user", "interruption", 3.0, 5.0, "no not that", "P2", "proposed"),
]


@pytest.mark.parametrize("items", [SEGLST, CHIME6, DIPCO], ids=["seglst", "chime6", "dipco"])
def test_each_dialect_with_a_close_talk_file_for_each_speaker(corpus, items):
    for number, speaker in enumerate(("P1", "P2")):
        corpus.audio(f"audio/S1_{speaker}.wav", seed=number)
    corpus.text("transcriptions/S1.json", json.dumps(items, indent=1))
    dataset = from_segjson(
        corpus.root / "transcriptions", corpus.dest, agent="P1", audio=corpus.root / "audio", progress=False
    ).dataset
    assert corpus.said(dataset["S1"]) == EXPECTED
    assert dataset["S1"].channels == ("user", "agent")


def test_notsofar_names_the_speakers_files_and_is_named_by_its_folder(corpus):
    for number in (0, 1):
        corpus.audio(f"MTG_1/close_talk/CT_2{number}.wav", seed=number)
    items = [
        {"speaker_id": i["speaker"], "ct_wav_file_name": f"close_talk/CT_2{n}.wav", "text": i["words"],
         "start_time": float(i["start_time"]), "end_time": float(i["end_time"]), "word_timing": []}
        for n, i in enumerate(SEGLST)
    ]  # fmt: skip
    corpus.text("MTG_1/gt_transcription.json", json.dumps(items))
    dataset = from_segjson(corpus.root, corpus.dest, agent="P1", progress=False).dataset
    assert corpus.said(dataset["MTG_1"]) == EXPECTED


def test_one_object_a_line_is_read_too(corpus):
    corpus.audio("S1.wav")
    corpus.text("S1.jsonl", "".join(json.dumps(item) + "\n" for item in SEGLST))
    assert (
        len(from_segjson(corpus.root, corpus.dest, progress=False).dataset["S1"].segments) == 1
    )  # 0.5 to 6: P1 and P2


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"start_time": "NaN"}, "S1.json:3: start_time: 'NaN' is not a number of seconds"),
        ({"start_time": -1}, "S1.json:3: start_time: -1 s is not in [0, 1e+06]"),
        ({"start_time": None}, "S1.json:3: start_time: 'None' is not a number of seconds"),
        ({"start_time": True}, "S1.json:3: start_time: 'True' is not a number of seconds"),
        ({"start_time": {"U01": "1"}}, "S1.json:3: start_time has no time by original or close-talk"),
        ({"start_time": 7}, "S1.json:3: ends at 5 s, before it starts (7 s)"),
        ({"speaker": None}, "S1.json:3: names no speaker"),
        ({"speaker": 3}, "S1.json:3: speaker is not a text: 3"),
        ({"words": ["a"]}, "S1.json:3: words is not a text: ['a']"),
        ({"words": "\ud800"}, "S1.json:3: holds half a surrogate pair"),
        ({"session_id": 5}, "S1.json:3: session_id is not a name"),
        ({"ct_wav_file_name": "../../x.wav"}, "S1.json:3: '../../x.wav' leaves the dataset's folder"),
    ],
)
def test_faults_have_lines(corpus, change, complaint):
    corpus.audio("S1.wav")
    items = [SEGLST[0], SEGLST[1] | change]
    corpus.text("S1.json", "[\n" + ",\n".join(json.dumps(item) for item in items) + "\n]")
    with pytest.raises(DatasetError) as caught:
        from_segjson(corpus.root, corpus.dest, progress=False)
    assert str(caught.value.problems[0]).startswith(complaint), caught.value.problems


@pytest.mark.parametrize(
    "content", ["[1, {", "[[[[" * 50_000, "{", '["a"', "[" + "9" * 5000 + "]", "nonsense", b"[\xff]"]
)
def test_what_is_not_json_is_a_fault(corpus, content):
    corpus.audio("S1.wav")
    corpus.text("S1.json", content)
    with pytest.raises(DatasetError, match=r"S1\.json:1: "):
        from_segjson(corpus.root, corpus.dest, progress=False)
