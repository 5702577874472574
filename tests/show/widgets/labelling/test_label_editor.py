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
