"""Labels mended by hand: signed, checked, kept before the manifest is touched, taken back."""

import json
import subprocess
import sys
from itertools import pairwise

import pytest

from bidilab.core.errors import DatasetError, InvalidParameterError, PlaceHeldError
from bidilab.lab.datasets import Dataset
from bidilab.lab.datasets.labelling import store as store_module
from bidilab.lab.datasets.labelling.editing import LabelEditing
from bidilab.lab.datasets.labelling.store import JOURNAL_FILE, Journal, LabelStore, digest_of
from tests.places import holder

PROPOSED = {"origin": "proposed", "by": "rule"}


@pytest.fixture
def root(folder):
    """Two recordings of 2 s; in the first a proposed response, turn and backchannel, in the second given labels.

    ::

        agent  [0.0 response 1.5]
        user      [0.2 turn 0.4]  [0.5 backchannel 1.0]
    """
    segments = [
        {"channel": "agent", "start_s": 0.0, "end_s": 1.5, "kind": "response", **PROPOSED},
        {"channel": "user", "start_s": 0.2, "end_s": 0.4, "kind": "turn", **PROPOSED},
        {"channel": "user", "start_s": 0.5, "end_s": 1.0, "kind": "backchannel", **PROPOSED},
    ]
    return folder.write(folder.entry("a", segments=segments), folder.entry("b", seed=2))


@pytest.fixture
def editing(root):
    return LabelEditing(LabelStore(root), "a", by="mia")


def on_disk(root, recording="a"):
    return [(s.kind, s.start_s, s.end_s, s.origin) for s in Dataset.load(root)[recording].segments]


def test_what_is_touched_is_signed_and_on_the_disk(root, editing):
    assert editing.unconfirmed == (0, 1, 2)
    assert editing.accept(0) == 0
    assert editing.set_kind(2, "interruption") == 2
    assert editing.move(1, end_s=0.45003) == 1
    assert editing.add("user", "noise", 1.2, 9.0) == 3
    # 0.45003 s is 7200.48 samples; 9 s is past the end, which is at 2 s.
    assert on_disk(root) == [
        ("response", 0.0, 1.5, "confirmed"),
        ("turn", 0.2, 0.45, "confirmed"),
        ("interruption", 0.5, 1.0, "confirmed"),
        ("noise", 1.2, 2.0, "confirmed"),
    ]
    assert {(s.by, s.at is not None) for s in Dataset.load(root)["a"].segments} == {("mia", True)}
    editing.delete(3)
    assert len(on_disk(root)) == 3
    assert editing.accept(0) == 0  # confirmed already: nothing to keep
    assert [edit.what for edit in LabelStore(root).history("a")] == [
        "accepted agent response 0-1.5 s",
        "user backchannel 0.5-1 s is interruption",
        "moved user turn 0.2-0.4 s to 0.2-0.45 s",
        "added user noise 1.2-2 s",
        "deleted user noise 1.2-2 s",
    ]


def test_what_a_person_confirms_is_no_longer_unsure(folder):
    segments = [
        {"channel": "user", "start_s": 0.2, "end_s": 0.4, "kind": "turn", "unsure": True},
        {"channel": "user", "start_s": 0.5, "end_s": 1.0, "kind": "backchannel", "unsure": True, **PROPOSED},
        {"channel": "user", "start_s": 1.1, "end_s": 1.2, "kind": "noise", "unsure": True, **PROPOSED},
    ]
    editing = LabelEditing(LabelStore(folder.write(folder.entry("a", segments=segments))), "a", by="mia")
    assert editing.unconfirmed == (0, 1, 2)
    editing.accept(0)
    editing.set_kind(1, "interruption")
    assert [(s.unsure, s.origin) for s in editing.segments] == [
        (False, "confirmed"),
        (False, "confirmed"),
        (True, "proposed"),
    ]
    assert editing.accept_all() == 1
    editing.undo()
    assert [s.unsure for s in editing.segments] == [False, False, True]
    store = LabelStore(folder.root)
    assert [s.unsure for s in store.dataset["a"].segments] == [False, False, True]
    assert store.history("a")[0].removed[0].unsure
    assert store.history("a")[0].what == "accepted unsure user turn 0.2-0.4 s"


def test_undo_and_redo(root, editing):
    before = on_disk(root)
    editing.accept_all()
    editing.delete(2)
    after = on_disk(root)
    assert editing.undo() == "deleted user backchannel 0.5-1 s"
    editing.undo()
    assert on_disk(root) == before
    assert not editing.can_undo
    editing.redo()
    editing.redo()
    assert on_disk(root) == after
    assert not editing.can_redo
    editing.undo()
    editing.accept(0)  # confirmed: no change, and what was undone can be done again
    assert editing.can_redo
    editing.move(1, start_s=0.25)
    assert not editing.can_redo
    with pytest.raises(InvalidParameterError, match="redo"):
        editing.redo()
    assert len(LabelStore(root).history()) == 8  # 2 changes, 2 + 2 there and back, undo, move: every one is kept


def test_labels_of_one_kind_do_not_come_to_lie_over_each_other(root, editing):
    with pytest.raises(InvalidParameterError, match="apart from the user backchannel"):
        editing.add("user", "backchannel", 0.9, 1.1)
    with pytest.raises(InvalidParameterError, match="kind"):
        editing.set_kind(0, "noise")
    with pytest.raises(InvalidParameterError):
        editing.move(1, start_s=0.4)  # no length
    with pytest.raises(InvalidParameterError, match="index"):
        editing.accept(3)
    assert not (root / JOURNAL_FILE).exists()


def test_a_killed_process_loses_no_change(root, editing, monkeypatch):
    editing.accept(0)
    with monkeypatch.context() as killed:
        killed.setattr(store_module.LabelStore, "_write", lambda *_: None)  # killed between journal and manifest
        editing.move(1, end_s=0.45)
    assert on_disk(root)[1] == ("turn", 0.2, 0.4, "proposed")
    with (root / JOURNAL_FILE).open("a") as journal:
        journal.write('{"recording": "a", "at"')  # and while writing the next line
    store = LabelStore(root)
    assert store.replayed == 1
    assert on_disk(root)[:2] == [("response", 0.0, 1.5, "confirmed"), ("turn", 0.2, 0.45, "confirmed")]
    LabelEditing(store, "a", by="mia").delete(2)
    assert [edit.what[:5] for edit in LabelStore(root).history()] == ["accep", "moved", "delet"]
    assert LabelStore(root).replayed == 0


def test_changes_to_labels_that_the_manifest_no_longer_has_stay_in_the_journal(root, editing):
    editing.delete(2)
    lines = [json.loads(line) for line in (root / "manifest.jsonl").read_text().splitlines()]
    lines[0]["segments"] = []
    (root / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    store = LabelStore(root)
    assert store.replayed == 0
    assert on_disk(root) == []
    assert len(store.history()) == 1


def test_two_editors_do_not_overwrite_each_other(root, editing):
    other = LabelEditing(LabelStore(root), "a", by="ben")
    second = LabelEditing(LabelStore(root), "b", by="ben")
    editing.accept(0)
    second.delete(0)  # another recording: both stay
    assert on_disk(root)[0][3] == "confirmed"
    with pytest.raises(DatasetError, match="changed elsewhere"):
        other.delete(0)
    assert on_disk(root)[0][3] == "confirmed"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"recording": "a"}', "the key 'at' is missing"),
        (b"\xff\xfe{}", "utf-8"),
        (b"[" * 100_000, ""),
        (b'{"recording": ' + b"9" * 5000 + b"}", ""),
        (b"\x00" * 64, ""),
    ],
)
def test_a_damaged_journal_opens_with_the_rest(root, editing, line, said):
    editing.accept(0)
    with (root / JOURNAL_FILE).open("ab") as journal:
        journal.write(line + b"\n")
    LabelEditing(LabelStore(root), "a", by="ben").delete(2)
    store = LabelStore(root)
    assert [edit.by for edit in store.history()] == ["mia", "ben"]
    (told,) = store.damaged
    assert str(told).startswith(f"{JOURNAL_FILE}:2: ")
    assert said in str(told)
    assert len(on_disk(root)) == 2


def test_two_who_change_different_labels_of_a_recording_both_keep_their_change(root, editing):
    other = LabelEditing(LabelStore(root), "a", by="ben")
    editing.accept(0)
    editing.set_kind(1, "interruption")
    other.delete(2)
    other.add("user", "noise", 1.2, 1.4)
    assert [kind for kind, *_ in on_disk(root)] == ["response", "interruption", "noise"]
    editing.undo()  # only what mia did last
    assert [kind for kind, *_ in on_disk(root)] == ["response", "turn", "noise"]
    editing.redo()
    editing.add("user", "backchannel", 0.6, 0.7)
    with pytest.raises(DatasetError, match="changed elsewhere"):
        other.add("user", "backchannel", 0.65, 0.75)  # lies over what mia has put there
    assert LabelStore(root).replayed == 0
    assert [edit.by for edit in LabelStore(root).history()] == ["mia", "mia", "ben", "ben", "mia", "mia", "mia"]


EDITOR = """
import sys
from pathlib import Path
from bidilab.lab.datasets.labelling.editing import LabelEditing
from bidilab.lab.datasets.labelling.store import LabelStore
root, by, channel_start = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
editing = LabelEditing(LabelStore(root), "a", by=by)
for k in range(20):
    editing.add("user", "noise", channel_start + k * 0.01, channel_start + k * 0.01 + 0.005)
"""


def test_two_processes_that_edit_at_once_lose_nothing(root):
    both = [
        subprocess.Popen([sys.executable, "-c", EDITOR, str(root), by, start], stderr=subprocess.PIPE, text=True)
        for by, start in (("mia", "1.0"), ("ben", "1.5"))
    ]
    errors = [process.communicate(timeout=120)[1] for process in both]
    assert errors == ["", ""]
    assert len([kind for kind, *_ in on_disk(root) if kind == "noise"]) == 40
    history = LabelStore(root).history("a")
    assert (len(history), {edit.by for edit in history}) == (40, {"mia", "ben"})
    assert all(first.after == second.before for first, second in pairwise(history))


def test_who_labels_a_dataset_is_named_to_one_who_edits_it(root, editing, monkeypatch):
    monkeypatch.setattr(store_module, "LOCK_LIMIT_S", 0.1)
    other = holder(root)
    with pytest.raises(PlaceHeldError, match=f"process {other.pid}"):
        editing.accept(0)
    other.communicate("")
    assert editing.accept(0) == 0


def test_a_digest_is_of_the_labels_not_of_their_order(root):
    segments = Dataset.load(root)["a"].segments
    assert digest_of(segments) == digest_of(segments[::-1])
    assert digest_of(segments) != digest_of(segments[1:])
    assert Journal(root).read() == []


def test_whoever_mends_has_a_name(root):
    with pytest.raises(InvalidParameterError, match="by"):
        LabelEditing(LabelStore(root), "a", by=" ")
    with pytest.raises(InvalidParameterError, match="recording_id"):
        LabelEditing(LabelStore(root), "z", by="mia")
