"""LabelEditor in Python: what the front end asks is what happens to the dataset, and every refusal has words."""

import json
import shutil

import pytest

import bidilab as bl
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.datasets import Dataset
from tests.conftest import ROOT

MINI = ROOT / "datasets" / "overlap-mini"
IDS = ("early-clean-01", "late-clean-01")


@pytest.fixture
def root(tmp_path):
    """Two recordings of overlap-mini, the labels of the second proposed instead of given."""
    (tmp_path / "mini" / "audio").mkdir(parents=True)
    shutil.copy(MINI / "dataset.json", tmp_path / "mini")
    lines = []
    for line in map(json.loads, (MINI / "manifest.jsonl").read_text().splitlines()):
        if line["id"] in IDS:
            shutil.copy(MINI / line["audio"], tmp_path / "mini" / "audio")
            if line["id"] == IDS[1]:
                line["segments"] = [s | {"origin": "proposed", "by": "rule"} for s in line["segments"]]
            lines.append(json.dumps(line))
    (tmp_path / "mini" / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path / "mini"


@pytest.fixture
def editor(root):
    return bl.LabelEditor(root, by="mia")


def asked(editor, **request):
    return editor.answer({"kind": "edit", **request})[0]


def test_begins_where_something_is_to_confirm(editor):
    assert editor.edit.recording.id == IDS[1]
    assert editor.labels["n_unconfirmed"] == len(editor.segments) > 0
    assert editor.choices["recordings"] == list(IDS)
    assert repr(editor).endswith(f"{len(editor.segments)} labels, {len(editor.segments)} confirmed by nobody")


def test_what_the_front_end_asks_happens_to_the_dataset(root, editor):
    n = len(editor.segments)
    assert asked(editor, act="accept", index=0) == {"selected": 0}
    index = next(k for k, s in enumerate(editor.segments) if s.kind == "noise")
    asked(editor, act="kind", index=index, kind_name="backchannel")
    assert editor.labels["said"] == "is backchannel"
    asked(editor, act="move", index=index, end_s=editor.segments[index].end_s - 0.1)
    selected = asked(editor, act="add", channel="agent", kind_name="response", start_s=0.0, end_s=0.1)["selected"]
    assert editor.labels["segments"][selected]["origin"] == "confirmed"
    asked(editor, act="delete", index=selected)
    stored = Dataset.load(root)[IDS[1]]
    assert stored.segments == editor.segments
    assert (len(stored.segments), sum(s.by == "mia" for s in stored.segments)) == (n, 2)
    asked(editor, act="undo")
    assert len(Dataset.load(root)[IDS[1]].segments) == n + 1
    asked(editor, act="redo")
    asked(editor, act="accept_all")
    assert editor.labels["n_unconfirmed"] == 0
    assert editor.labels["undo"]
    asked(editor, act="open", recording=IDS[0])
    assert editor.recording["name"] == editor.choices["recording"] == IDS[0]
    assert not editor.labels["undo"]


def test_of_a_long_recording_only_the_labels_in_view_are_sent(editor):
    """As if a recording of 17 s were long: labels keep their numbers, and steps go beyond what is shown."""
    segments = editor.segments
    there = [k for k, s in enumerate(segments) if s.end_s >= 4 and s.start_s <= 8]
    editor.answer({"kind": "window", "start_s": 4.0, "end_s": 8.0})
    assert [row["index"] for row in editor.labels["segments"]] == there != list(range(len(segments)))
    assert editor.labels["n"] == len(segments)
    last = len(segments) - 1
    assert last not in there
    asked(editor, act="accept", index=last)
    assert [row["index"] for row in editor.labels["segments"]] == [*there, last]  # the one that was worked on, too

    def following(index, direction, unconfirmed):
        return editor.answer({"kind": "next", "index": index, "direction": direction, "unconfirmed": unconfirmed})[0]

    assert following(-1, 1, False) == {"index": 0, "start_s": segments[0].start_s, "end_s": segments[0].end_s}
    assert following(-1, -1, False)["index"] == last
    assert following(-1, -1, True)["index"] == last - 1
    assert following(last - 1, 1, True)["index"] == 0  # round the end, over what is confirmed
    asked(editor, act="accept_all")
    assert following(0, 1, True) == {"index": None}
    for wrong in ({"index": 999}, {"index": True}, {"direction": 0}):
        with pytest.raises(InvalidParameterError):
            editor.answer({"kind": "next", "index": 0, "direction": 1, "unconfirmed": False, **wrong})


@pytest.mark.parametrize(
    "request_",
    [
        {"act": "accept", "index": 99},
        {"act": "accept", "index": None},
        {"act": "accept", "index": True},
        {"act": "kind", "index": 0, "kind_name": "shout"},
        {"act": "move", "index": 0, "start_s": "soon"},
        {"act": "move", "index": 0, "end_s": float("nan")},
        {"act": "add", "channel": "other", "kind_name": "turn", "start_s": 0, "end_s": 1},
        {"act": "add", "channel": "user", "kind_name": "turn", "start_s": 0},
        {"act": "open", "recording": "../elsewhere"},
        {"act": "format"},
    ],
)
def test_what_is_not_allowed_is_refused_and_changes_nothing(root, editor, request_):
    before = (root / "manifest.jsonl").read_bytes()
    with pytest.raises(InvalidParameterError):
        editor.answer({"kind": "edit", **request_})
    assert (root / "manifest.jsonl").read_bytes() == before


def test_changes_from_a_cell_are_shown(editor):
    editor.edit.accept(0)
    editor.refresh()
    assert editor.labels["segments"][0]["by"] == "mia"


def test_audio_and_waveforms_are_answered_too(editor):
    content, buffers = editor.answer({"kind": "audio", "channel": "user", "start_s": 0.0, "end_s": 0.5})
    assert content["sample_rate"] == 16_000
    assert len(buffers[0]) == 2 * 8_000


def test_static_form_says_how_much_is_confirmed(editor):
    editor.edit.accept(0)
    data, _ = editor._repr_mimebundle_()
    n = len(editor.segments)
    assert f"labels: 1 confirmed, {n - 1} proposed" in data["text/plain"]
    assert "1 confirmed" in data["text/html"]
    assert data["image/png"]


def test_a_chosen_part_of_a_dataset(root):
    part = Dataset.load(root)[:1]
    assert bl.LabelEditor(part, by="mia").choices["recordings"] == [IDS[0]]


def test_an_edge_moved_by_a_key_confirms_nothing(root, editor):
    start = editor.segments[1].start_s
    asked(editor, act="move", index=1, start_s=start + 0.02, confirms=False)
    moved = Dataset.load(root)[IDS[1]].segments[1]
    assert (moved.start_s, moved.origin, moved.by) == (pytest.approx(start + 0.02), "proposed", "rule")
    assert editor.labels["said"] == "moved, not confirmed"
    asked(editor, act="accept", index=1)
    asked(editor, act="move", index=1, start_s=start, confirms=False)  # what somebody confirmed is confirmed anew
    assert (editor.segments[1].origin, editor.segments[1].by) == ("confirmed", "mia")
    assert editor.labels["said"] == "moved"


def test_undo_says_what_it_undid_and_keeps_the_selection(editor):
    index = next(k for k, s in enumerate(editor.segments) if s.kind == "noise")
    noise = editor.segments[index]
    asked(editor, act="kind", index=index, kind_name="backchannel")
    asked(editor, act="undo", index=0)
    assert editor.labels["said"].startswith("undo: user noise")
    assert editor.segments[editor.labels["selected"]] == noise
    asked(editor, act="redo", index=0)
    assert editor.segments[editor.labels["selected"]].kind == "backchannel"
    first = editor.segments[0]
    added = asked(editor, act="add", channel="agent", kind_name="response", start_s=0.0, end_s=0.1)["selected"]
    assert asked(editor, act="undo", index=added)["selected"] is None  # it is gone
    asked(editor, act="redo", index=None)
    kept = editor.segments.index(first)
    assert asked(editor, act="undo", index=kept)["selected"] == editor.segments.index(first)


def test_the_static_picture_shows_what_is_heard_and_what_is_unsure(editor, monkeypatch, tmp_path):
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(tmp_path / "cache"))
    from bidilab.show.widgets import labelling

    drawn = []
    figure_of = labelling.timeline
    monkeypatch.setattr(labelling, "timeline", lambda data: drawn.append(data) or figure_of(data))
    editor.static_form()
    (data,) = drawn
    assert len(data.turns) > 0
    assert data.params is not None
    assert len(data.probabilities) * data.frame_samples == pytest.approx(
        data.duration_s * data.vad_sample_rate, abs=512
    )
