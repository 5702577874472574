"""The predictions file: what is written is what the rules accept, and every fault is told."""

import json

import pytest

from bidilab.core.errors import DatasetError
from bidilab.detect.turns import Turn
from bidilab.lab.benchmarks.turnbench import (
    Predictions,
    SpeakerEvents,
    check_predictions,
    predictions_of_turns,
    read_predictions,
    write_predictions,
)

DURATIONS = {"20": 130.0, "21": 60.0}
# The example of the benchmark's own page, with a second conversation
EXAMPLE = {
    "schema_version": 1,
    "predictions": [
        {
            "conversation_id": "20",
            "speaker_1": {"eot": [12.84, 58.43, 104.71], "interruption": [31.20]},
            "speaker_2": {"eot": [27.10, 71.92], "interruption": []},
        },
        {
            "conversation_id": "21",
            "speaker_1": {"eot": [], "interruption": []},
            "speaker_2": {"eot": [60], "interruption": [0]},
        },
    ],
}


def changed(*path, to):
    data = json.loads(json.dumps(EXAMPLE))
    place = data
    for step in path[:-1]:
        place = place[step]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return data


def test_the_example_is_accepted_and_comes_back_as_it_was(tmp_path):
    assert check_predictions(EXAMPLE, DURATIONS) == []
    path = tmp_path / "predictions-dev.json"
    path.write_text(json.dumps(EXAMPLE))
    read = read_predictions(path, DURATIONS)
    assert read.speakers["20", 1] == SpeakerEvents(eot=(12.84, 58.43, 104.71), interruption=(31.2,))
    written = write_predictions(tmp_path / "again.json", read, DURATIONS)
    assert json.loads(written.read_text()) == EXAMPLE


FIRST = ("predictions", 0)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ([], "the file must hold an object, got list"),
        (changed("schema_version", to=2), "schema_version must be 1, got 2"),
        (changed("schema_version", to=True), "schema_version must be 1, got True"),
        (changed("schema_version", to=None), "the file has no schema_version"),
        (changed("model", to="x"), "the file has a key that is not allowed: 'model'"),
        (changed("predictions", to={}), "predictions must be a list, got dict"),
        (changed("predictions", 1, to=None), "conversation '21' is missing"),
        (changed("predictions", 1, to=3), "predictions[1] must be an object, got int"),
        (changed("predictions", 1, "conversation_id", to="20"), "conversation '20' is there twice"),
        (changed(*FIRST, "conversation_id", to="99"), "conversation '99' is not in the split"),
        (changed(*FIRST, "conversation_id", to=20), "conversation_id must be a text, got 20"),
        (changed(*FIRST, "conversation_id", to=None), "predictions[0] has no conversation_id"),
        (changed(*FIRST, "speaker_2", to=None), "conversation '20' has no speaker_2"),
        (changed(*FIRST, "speaker_3", to={}), "conversation '20' has a key that is not allowed: 'speaker_3'"),
        (changed(*FIRST, "speaker_1", to=[]), "conversation '20', speaker_1 must be an object, got list"),
        (changed(*FIRST, "speaker_1", "eot", to=None), "conversation '20', speaker_1 has no eot"),
        (
            changed(*FIRST, "speaker_1", "int", to=[]),
            "conversation '20', speaker_1 has a key that is not allowed: 'int'",
        ),
        (changed(*FIRST, "speaker_1", "eot", to=3.0), "conversation '20', speaker_1, eot must be a list, got float"),
        (changed(*FIRST, "speaker_1", "eot", to=["3"]), "conversation '20', speaker_1, eot must hold seconds, got '3'"),
        (
            changed(*FIRST, "speaker_1", "eot", to=[True]),
            "conversation '20', speaker_1, eot must hold seconds, got True",
        ),
        (
            changed(*FIRST, "speaker_1", "eot", to=[float("nan")]),
            "conversation '20', speaker_1, eot must hold seconds, got nan",
        ),
        (
            changed(*FIRST, "speaker_1", "eot", to=[3.0, 3.0]),
            "conversation '20', speaker_1, eot: 3.0 s does not come after 3.0 s",
        ),
        (
            changed(*FIRST, "speaker_1", "eot", to=[130.1]),
            "conversation '20', speaker_1, eot: 130.1 s is outside of the audio (0 to 130.0 s)",
        ),
    ],
)
def test_what_is_not_accepted_is_told(data, fault):
    assert fault in check_predictions(data, DURATIONS)


def test_nothing_is_written_that_would_not_be_accepted(tmp_path):
    one = Predictions(speakers={("20", 1): SpeakerEvents(eot=(3.0, 2.0)), ("20", 2): SpeakerEvents()})
    with pytest.raises(DatasetError, match=r"(?s)2.0 s does not come after 3.0 s.*'21' is missing"):
        write_predictions(tmp_path / "x.json", one, DURATIONS)
    assert not (tmp_path / "x.json").exists()
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(DatasetError, match="not JSON"):
        read_predictions(tmp_path / "broken.json", DURATIONS)


def turn(started_at, stopped_at, *, flushed=False):
    return Turn(
        onset=started_at - 512,
        started_at=started_at,
        audio_start=0,
        offset=stopped_at - 3_200,
        stopped_at=stopped_at,
        audio_end=stopped_at,
        flushed=flushed,
    )


def test_a_detectors_turns_are_predicted_when_they_are_decided():
    #   one   |started 1 s ............ stopped 5 s|
    #   two                |started 3 s .................. end of the audio 8 s|
    turns = {("7", 1): [turn(16_000, 80_000)], ("7", 2): [turn(48_000, 128_000, flushed=True)]}
    made = predictions_of_turns(turns, sample_rate=16_000)
    assert made.speakers["7", 1] == SpeakerEvents(eot=(5.0,))
    assert made.speakers["7", 2] == SpeakerEvents(interruption=(3.0,))
    made.check({"7": 8.0})
