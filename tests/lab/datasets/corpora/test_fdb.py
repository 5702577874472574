"""Full-Duplex-Bench: each task's folder, with and without a model's output."""

import json

import numpy as np
import pytest
import soundfile

import bidilab as bl
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
    corpus.sound("synthetic_user_interruption/1/input.wav", (5.0, 7.0))
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
    corpus.sound("synthetic_user_interruption/1/output.wav", (2.0, 2.9), (3.5, 6.0))
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
        corpus.sound(f"{folder}/{prefix}input.wav", *([] if prefix else [(3.0, 3.5)]))
        corpus.sound(f"{folder}/{prefix}output.wav", (2.0, 6.0))
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
        ("interrupt.json", "[" * 100_000, "t/1/interrupt.json: not JSON we read: nested too deeply"),
        ("interrupt.json", '[{"timestamp": [5]}]', "t/1: timestamp is not [start, end]: [5]"),
        ("interrupt.json", '[{"timestamp": [7, 5]}]', "t/1: ends at 5 s, before it starts (7 s)"),
        ("interrupt.json", '[{"timestamp": [NaN, 5]}]', "t/1/interrupt.json: NaN is not a number in JSON"),
        ("interrupt.json", '[{"timestamp": [-1, 5]}]', "t/1: -1 s is not in"),
        ("interrupt.json", '[{"timestamp": ["1", 5]}]', "t/1: a time is not a number: '1'"),
        ("interrupt.json", '[{"timestamp": [1, 500]}]', "t/1: 1 to 500 s is past the end of the audio (10 s)"),
        ("interrupt.json", "7", "t/1: timestamp is not [start, end]: None"),
        ("turn_taking.json", "[]", "t/1: turn_taking.json is empty"),
        ("metadata.json", '{"timestamps": [1, 2]}', "t/1: metadata.json is in no folder named user_interruption"),
        ("notes.json", "{}", "t/1: no JSON file that names the task"),
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


# user     |0.5 context 2.0|              |6.0 interrupts 7.5|
# output                     |3.0 cut at 6.4|                  |9.0 answers 10.5|
# output.json: the recogniser was given what follows 7.5 s only
INTERRUPTION = {"context": "How is it?", "interrupt": "And in Rome?", "timestamp": [6.0, 7.5]}


@pytest.mark.parametrize("noise", [0, 20, 150])
@pytest.mark.parametrize("rate", [16_000, 24_000])
def test_the_response_is_what_is_audible_and_not_what_the_recogniser_was_given(corpus, rate, noise):
    folder = "v1.0/synthetic_user_interruption/12"
    corpus.sound(f"{folder}/input.wav", (0.5, 2.0), (6.0, 7.5), seconds=12, rate=16_000)
    corpus.text(f"{folder}/interrupt.json", json.dumps([INTERRUPTION]))
    corpus.sound(f"{folder}/output.wav", (3.0, 6.4), (9.0, 10.5), seconds=12, rate=rate, noise=noise)
    corpus.text(f"{folder}/output.json", chunks(("warm", 9.1, 9.5), ("there", 9.6, 10.4), ("thanks", 11.6, 11.9)))
    result = from_fdb(corpus.root, corpus.dest, progress=False)
    (recording,) = result.dataset
    spans = [(s.kind, round(s.start_s, 2), round(s.end_s, 2), s.text, s.origin) for s in recording.segments]
    assert spans == [
        ("turn", 0.5, 2.0, None, "proposed"),
        ("response", 3.0, 6.4, None, "proposed"),
        ("interruption", 6.0, 7.5, "And in Rome?", "given"),
        ("response", 9.0, 10.5, "warm there", "proposed"),
    ]
    notes = [note.message for note in result.notes]
    assert "1 word of output.json are where output.wav is silent" in notes


def words_of(*items):
    """The same words in the ways in which they are written."""
    text = " ".join(word for word, _, _ in items)
    return {
        "chunks": {"text": text, "chunks": [{"text": w, "timestamp": [a, b]} for w, a, b in items]},
        "bare list": [{"text": w, "timestamp": [a, b]} for w, a, b in items],
        "timestamps": {"text": text, "chunks": [{"text": w, "timestamps": [a, b]} for w, a, b in items]},
        "each under item": [{"item": {"text": w, "timestamp": [a, b]}} for w, a, b in items],
        "list under item": {"item": [{"word": w, "start": a, "end": b} for w, a, b in items]},
        "object under item": {
            "item": {"text": text, "chunks": [{"text": w, "timestamp": [a, b]} for w, a, b in items]}
        },
        "items under result": {"result": {"items": [{"word": w, "start_time": a, "end_time": b} for w, a, b in items]}},
        "words in segments": {
            "segments": [{"text": text, "words": [{"word": w, "start": a, "end": b} for w, a, b in items]}]
        },
        "Chinese": {"chunks": [{"文本": w, "时间戳": [a, b]} for w, a, b in items]},
        "Japanese": [{"単語": w, "開始": a, "終了": b} for w, a, b in items],
        "Vietnamese": {"item": [{"từ": w, "thời gian": [a, b]} for w, a, b in items]},
    }


@pytest.mark.parametrize("form", list(words_of()))
def test_transcripts_in_every_form_and_language_of_field_names(corpus, form):
    words = words_of(("so", 0.5, 0.9), ("you", 1.0, 1.4), ("see", 3.0, 3.5))
    corpus.audio("v1.0/icc_backchannel/0/input.wav")
    corpus.text("v1.0/icc_backchannel/0/transcription.json", json.dumps(words[form], ensure_ascii=False))
    assert [(s.start_s, s.end_s, s.text) for s in imported(corpus)["v1.0-icc_backchannel-0"].segments] == [
        (0.5, 1.4, "so you"),
        (3.0, 3.5, "see"),
    ]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"text": "so you see"}, "transcription.json has a text but no list of chunks with times"),
        ([{"text": "so", "wann": 3}], "no start and end among the fields 'text', 'wann'"),
        ([{"a": 1, "b": 2, "c": 3}], "no start and end among the fields 'a', 'b', 'c'"),
        ([7], "transcription.json holds 7 where a word is expected"),
    ],
)
def test_transcripts_that_tell_no_times_are_refused_in_words(corpus, words, complaint):
    corpus.audio("icc_backchannel/0/input.wav")
    corpus.text("icc_backchannel/0/transcription.json", json.dumps(words))
    with pytest.raises(DatasetError) as caught:
        from_fdb(corpus.root, corpus.dest, progress=False)
    assert complaint in str(caught.value.problems[0])


@pytest.mark.parametrize("field", ["current_turn_text", "backchannel_text", "interrupt_text", "本文"])
@pytest.mark.parametrize("folder", ["v1.5/user_backchannel/3", "User-Backchannel/data/3"])
def test_the_text_of_an_event_has_a_name_for_each_task(corpus, field, folder):
    corpus.sound(f"{folder}/input.wav", (0.5, 2.0), (5.0, 5.5))
    metadata = {"context_text": "Tell me.", field: "uh-huh", "timestamps": [5.0, 5.5], "tts_profiles": {"a": {}}}
    corpus.text(f"{folder}/metadata.json", json.dumps(metadata))
    (recording,) = imported(corpus)
    assert [(s.kind, s.text) for s in recording.segments] == [("turn", None), ("backchannel", "uh-huh")]


def test_a_task_in_the_metadata_counts_before_the_folder(corpus):
    corpus.sound("samples/000001/input.wav", (5.0, 5.5))
    metadata = {"task": "background_speech", "timestamps": [5.0, 5.5], "current_turn_text": "the news"}
    corpus.text("samples/000001/metadata.json", json.dumps(metadata))
    (recording,) = imported(corpus)
    assert [(s.kind, s.text) for s in recording.segments] == [("side_speech", "the news")]


def test_turns_without_a_transcript_are_what_is_audible(corpus):
    corpus.sound("synthetic_pause_handling/1/input.wav", (0.5, 2.0), (3.5, 5.0), subtype="PCM_24")
    corpus.text("synthetic_pause_handling/1/pause.json", json.dumps([{"text": "[PAUSE]", "timestamp": [2.0, 3.5]}]))
    corpus.sound("candor_turn_taking/1/input.wav", (0.5, 4.0))
    corpus.text("candor_turn_taking/1/turn_taking.json", json.dumps([{"text": "x", "timestamp": [4.0, 0.0]}]))
    dataset = imported(corpus)
    for name, end in (("synthetic_pause_handling-1", 5.0), ("candor_turn_taking-1", 4.0)):
        ((start_s, end_s),) = [(s.start_s, s.end_s) for s in dataset[name].segments]
        assert (start_s, end_s) == pytest.approx((0.5, end), abs=0.003)


def test_an_output_of_two_channels(corpus):
    folder = "synthetic_user_interruption/1"
    corpus.sound(f"{folder}/input.wav", (5.0, 7.0))
    corpus.text(f"{folder}/interrupt.json", '[{"timestamp": [5, 7]}]')
    made = corpus.sound(f"{folder}/output.wav", (3.0, 6.0))
    samples, rate = soundfile.read(made, dtype="int16")
    soundfile.write(made, np.column_stack([samples, samples]), rate)
    assert [s.kind for s in imported(corpus)["synthetic_user_interruption-1"].segments] == ["response", "interruption"]
    soundfile.write(made, np.column_stack([samples, np.roll(samples, 9)]), rate)
    with pytest.raises(DatasetError) as caught:
        from_fdb(corpus.root, corpus.dest, progress=False)
    assert "output.wav: has 2 channels that differ" in str(caught.value.problems[0])


# The folders as the authors publish them: five tasks of v1.0, four of v1.5, each with what else lies there.
# output |2.5 ===== 6.4|        |8.5 == 10.0|;  event |5.8 - 7.4|, or |4.0 - 4.6| where nobody is to yield
EVENTS = {"user_interruption": (5.8, 7.4)} | dict.fromkeys(
    ("user_backchannel", "talking_to_other", "background_speech"), (4.0, 4.6)
)


@pytest.fixture
def published(corpus):
    for name, task in (
        ("candor_pause_handling", "pause"),
        ("synthetic_pause_handling", "pause"),
        ("candor_turn_taking", "turn_taking"),
        ("icc_backchannel", None),
        ("synthetic_user_interruption", "interrupt"),
    ):
        folder = f"v1.0/{name}/1"
        corpus.sound(f"{folder}/input.wav", (0.5, 2.0), (5.8, 7.4), seconds=12, rate=16_000)
        corpus.sound(f"{folder}/output.wav", (2.5, 6.4), (8.5, 10.0), seconds=12, rate=24_000)
        corpus.text(f"{folder}/output.json", chunks(("well", 8.6, 9.9)))  # as the recogniser was given it
        if task == "interrupt":
            for part in ("context", "interrupt"):
                corpus.sound(f"{folder}/{part}.wav", (0.0, 1.5), seconds=1.5)
            corpus.text(f"{folder}/interrupt.json", json.dumps([{**INTERRUPTION, "timestamp": [5.8, 7.4]}]))
            continue
        corpus.text(f"{folder}/transcription.json", chunks(("so", 0.5, 2.0), ("yes", 5.8, 7.4)))
        if task is not None:
            corpus.text(f"{folder}/{task}.json", json.dumps([{"text": "[X]", "timestamp": [7.4, 7.9]}]))
    corpus.text("v1.0/icc_backchannel/aggregated_all_data.json", json.dumps({"1": [[1.2, 1.5]]}))
    for task, event in EVENTS.items():
        folder = f"v1.5/{task}/1"
        for prefix, spans in (("", [(0.5, 2.0), event]), ("clean_", [(0.5, 2.0)])):
            corpus.sound(f"{folder}/{prefix}input.wav", *spans, seconds=12)
            corpus.sound(f"{folder}/{prefix}output.wav", (2.5, 6.4), (8.5, 10.0), seconds=12)
            words = [("so", 0.5, 2.0), *([("hm", *event)] if not prefix else [])]
            corpus.text(f"{folder}/{prefix}input.json", chunks(*words))
            corpus.text(f"{folder}/{prefix}output.json", chunks(("well", 2.6, 6.3), ("yes", 8.6, 9.9)))
        corpus.text(f"{folder}/metadata.json", json.dumps({"context_text": "so", "timestamps": list(event)}))
    return corpus


def test_every_published_folder_has_the_opportunities_that_one_hears(published):
    dataset = imported(published)
    assert len(dataset) == 5 + 2 * len(EVENTS)
    heard = {}
    for recording in dataset:
        responses = [s for s in recording.segments if s.kind == "response"]
        assert [(round(s.start_s, 2), round(s.end_s, 2)) for s in responses] == [(2.5, 6.4), (8.5, 10.0)]
        over = [
            s.kind
            for s in recording.segments
            if s.channel == "user" and any(r.start_s < s.start_s < r.end_s for r in responses)
        ]
        heard[recording.id.removesuffix("-1")] = over
    assert heard == {
        "v1.0-candor_pause_handling": [],  # one turn, in whose pause the model began
        "v1.0-synthetic_pause_handling": [],
        "v1.0-candor_turn_taking": [],
        "v1.0-icc_backchannel": ["interruption"],
        "v1.0-synthetic_user_interruption": ["interruption"],
        "v1.5-user_interruption": ["interruption"],
        "v1.5-user_backchannel": ["backchannel"],
        "v1.5-talking_to_other": ["side_speech"],
        "v1.5-background_speech": ["side_speech"],
    } | {f"v1.5-{task}-1-clean": [] for task in EVENTS}


def test_a_sweep_counts_them(published, tmp_path):
    result = from_fdb(published.root / "v1.5" / "user_interruption", tmp_path / "made", progress=False)
    grid = bl.Grid(threshold=[0.5], silence_duration_ms=[500], prefix_padding_ms=[300])
    (row,) = bl.sweep(
        result.dataset, grid, vad="energy", cache=False, n_resamples=10, progress=False
    ).settings.itertuples()
    assert row.n_true_opportunities == 1
