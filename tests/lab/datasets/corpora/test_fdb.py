"""Full-Duplex-Bench: each task's folder, with and without a model's output."""

import json

import pytest

from bidilab.core.errors import DatasetError
from bidilab.lab.datasets import from_fdb


def chunks(*words):
    items = [{"text": word, "timestamp": [start, end]} for word, start, end in words]
    return json.dumps({"text": " ".join(word for word, _, _ in words), "chunks": items})


def imported(corpus):
    result = from_fdb(corpus.root, corpus.dest, progress=False)
    assert result.problems == ()
    return result.dataset


def test_interruption_of_v1_0_without_and_with_an_output(corpus):
    # words: "how is it" |0.5 - 1.5|; interruption |5.0 - 7.0|; output: "it is" |2.0 2.9|, "rain" |3.5 - 6.0|
    corpus.audio("synthetic_user_interruption/1/input.wav")
    corpus.text(
        "synthetic_user_interruption/1/interrupt.json",
        json.dumps([{"context": "How is it?", "interrupt": "And in Rome?", "timestamp": [5.0, 7.0]}]),
    )
    dataset = imported(corpus)
    recording = dataset["synthetic_user_interruption-1"]
    event = ("user", "interruption", 5.0, 7.0, "And in Rome?", None, "given")
    assert corpus.said(recording) == [event]
    assert recording.channels == ("user",)
    assert recording.tags["task"] == "user_interruption"
    corpus.text(
        "synthetic_user_interruption/1/input.json", chunks(("how", 0.5, 0.9), ("is it", 1.0, 1.5), ("And", 5.1, 5.3))
    )
    corpus.audio("synthetic_user_interruption/1/output.wav", seed=2)
    corpus.text(
        "synthetic_user_interruption/1/output.json", chunks(("it", 2.0, 2.4), ("is", 2.5, 2.9), ("rain", 3.5, 6.0))
    )
    recording = imported(corpus)["synthetic_user_interruption-1"]
    assert recording.channels == ("user", "agent")
    assert corpus.said(recording) == [
        ("user", "turn", 0.5, 1.5, "how is it", "user", "proposed"),
        ("agent", "response", 2.0, 6.0, "it is rain", "agent", "proposed"),
        event,
    ]


def test_pauses_and_turn_taking_are_one_turn(corpus):
    corpus.audio("candor_pause_handling/1/input.wav")
    corpus.text("candor_pause_handling/1/pause.json", json.dumps([{"text": "[PAUSE]", "timestamp": [1.0, 4.0]}]))
    words = chunks(("so", 0.5, 1.0), ("you see", 4.0, 5.0), ("uh", None, None))
    corpus.text("candor_pause_handling/1/transcription.json", words)
    corpus.audio("candor_turn_taking/1/input.wav")
    corpus.text(
        "candor_turn_taking/1/turn_taking.json", json.dumps([{"text": "[TURN-TAKING]", "timestamp": [5.2, 5.9]}])
    )
    corpus.text("candor_turn_taking/1/transcription.json", words)
    dataset = imported(corpus)
    assert corpus.said(dataset["candor_pause_handling-1"]) == [
        ("user", "turn", 0.5, 5.0, "so you see", None, "proposed")
    ]
    assert corpus.said(dataset["candor_turn_taking-1"]) == [("user", "turn", 0.5, 5.2, "so you see", None, "proposed")]


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        ("user_interruption", "interruption"),
        ("user_backchannel", "backchannel"),
        ("talking_to_other", "side_speech"),
        ("background_speech", "side_speech"),
    ],
)
def test_events_of_v1_5_and_their_clean_pair(corpus, task, kind):
    folder = f"v1.5/{task}/7"
    for prefix in ("", "clean_"):
        corpus.audio(f"{folder}/{prefix}input.wav")
        corpus.audio(f"{folder}/{prefix}output.wav", seed=2)
        corpus.text(f"{folder}/{prefix}output.json", chunks(("well", 2.0, 6.0)))
    metadata = {"context_text": "How is it?", "current_turn_text": "hm", "timestamps": [3.0, 3.5]}
    corpus.text(f"{folder}/metadata.json", json.dumps(metadata))
    dataset = imported(corpus)
    response = ("agent", "response", 2.0, 6.0, "well", "agent", "proposed")
    pair, clean = dataset[f"v1.5-{task}-7"], dataset[f"v1.5-{task}-7-clean"]
    assert corpus.said(pair) == [response, ("user", kind, 3.0, 3.5, "hm", None, "given")]
    assert corpus.said(clean) == [response]
    assert (pair.tags["sample"], pair.tags["clean"]) == (clean.tags["sample"], False)
    assert (clean.tags["fdb"], clean.tags["clean"]) == ("1.5", True)


def test_backchannel_folders_have_no_task_file(corpus):
    corpus.audio("icc_backchannel/0/input.wav")
    corpus.text("icc_backchannel/0/transcription.json", chunks(("so", 0.0, 1.0), ("and", 2.5, 3.5)))
    assert corpus.said(imported(corpus)["icc_backchannel-0"]) == [
        ("user", "turn", 0.0, 1.0, "so", "user", "proposed"),
        ("user", "turn", 2.5, 3.5, "and", "user", "proposed"),
    ]


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        ("interrupt.json", "[{]", "t/1/interrupt.json:1: not JSON"),
        ("interrupt.json", "[" * 100_000, "t/1/interrupt.json: not JSON we read: RecursionError"),
        ("interrupt.json", '[{"timestamp": [5]}]', "t/1: timestamp is not [start, end]: [5]"),
        ("interrupt.json", '[{"timestamp": [7, 5]}]', "t/1: ends at 5 s, before it starts (7 s)"),
        ("interrupt.json", '[{"timestamp": [NaN, 5]}]', "t/1: 'nan' is not a number of seconds"),
        ("interrupt.json", '[{"timestamp": [-1, 5]}]', "t/1: -1 s is not in"),
        ("interrupt.json", '[{"timestamp": ["1", 5]}]', "t/1: a time is not a number: '1'"),
        ("interrupt.json", '[{"timestamp": [1, 500]}]', "t/1: 1 to 500 s is past the end of the audio (10 s)"),
        ("interrupt.json", "7", "t/1: timestamp is not [start, end]: None"),
        ("turn_taking.json", "[]", "t/1: turn_taking.json holds nothing"),
        ("metadata.json", '{"timestamps": [1, 2]}', "t/1: metadata.json is in no folder named user_interruption"),
        ("notes.json", "{}", "t/1: no JSON that tells the task"),
    ],
)
def test_faults(corpus, file, content, complaint):
    corpus.audio("t/1/input.wav")
    corpus.text(f"t/1/{file}", content)
    with pytest.raises(DatasetError) as caught:
        from_fdb(corpus.root, corpus.dest, progress=False)
    assert str(caught.value.problems[0]).startswith(complaint), caught.value.problems


def test_an_output_that_is_a_link_out_of_the_corpus_is_refused(corpus, tmp_path):
    corpus.audio("t/1/input.wav")
    corpus.text("t/1/interrupt.json", '[{"timestamp": [1, 2]}]')
    (tmp_path / "secret.wav").write_bytes((corpus.root / "t/1/input.wav").read_bytes())
    (corpus.root / "t/1/output.wav").symlink_to(tmp_path / "secret.wav")
    with pytest.raises(DatasetError, match="is a link that leaves"):
        from_fdb(corpus.root, corpus.dest, progress=False)
