"""eot-bench's Parquet files, in a tiny fixture of their layout: turns, their pauses, and what cannot be used."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import bidilab as bl
from bidilab.cli.app import app
from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.lab.datasets import from_eotbench, validate
from bidilab.lab.metrics.pauses import find_pauses
from tests.lab.benchmarks.turnbench.test_conversations import encoded

# audio     |■■■■■■■|........|■■■■■■■■■■■|......|■■■■■|............|   seconds
#           0      0.8      1.3         2.6    2.75  3.5          4.5
SPANS = [{"start": 0.8, "end": 1.3}, {"start": 2.6, "end": 2.75}, {"start": 3.5, "end": 4.5}]
WORDS = [{"word": "well", "end": 0.79}, {"word": "I", "end": 1.8}, {"word": "mean", "end": 2.62}]


def row(name="en-1", spans=SPANS, words=WORDS, **changes):
    audio = {"bytes": encoded(72_000, seed=len(spans)), "path": "x.flac"}
    return {"id": name, "language": "en", "audio": audio, "silence_spans": spans, "words": words} | changes


def write(root, *rows, name="validation-00000-of-00001.parquet"):
    (root / "data" / "en").mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), root / "data" / "en" / name)
    return root


def test_a_row_is_a_turn_and_its_silences_are_its_pauses(tmp_path):
    source = write(tmp_path / "in", row(), row("en-2", spans=[{"start": 0.0, "end": 0.25}, *SPANS], words=None))
    result = from_eotbench(source, tmp_path / "out", progress=False)
    assert (result.problems, validate(result.dataset.root)) == ((), [])
    first, second = result.dataset["en-1"], result.dataset["en-2"]
    (turn,) = first.segments
    assert (turn.kind, turn.channel, turn.origin, turn.start_s, turn.end_s) == ("turn", "user", "given", 0.0, 3.5)
    assert [tuple(word) for word in turn.words] == [(0.0, 0.8, "well"), (1.3, 2.6, "I mean"), (2.75, 3.5, "")]
    assert (first.channels, first.tags) == (("user",), {"language": "en", "turn": "en-1"})
    assert (second.segments[0].start_s, second.segments[0].words[0]) == (0.25, (0.25, 0.8, ""))
    assert first.path.read_bytes() == encoded(72_000, seed=3)
    assert not list(tmp_path.glob(".out*"))


def test_pauses_of_a_sweep_are_the_spans_that_the_benchmark_counts(tmp_path):
    made = from_eotbench(write(tmp_path / "in", row()), tmp_path / "out", progress=False).dataset
    (recording,) = made
    pauses = find_pauses(recording.segments, sample_rate=16_000)
    found = [(pause.interval.start / 16_000, pause.interval.end / 16_000) for pause in pauses]
    assert found == [(0.8, 1.3)]  # the second is shorter than 200 ms: eot-bench leaves it out, too


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spans": []}, "has no silence"),
        ({"spans": [{"start": 1.0, "end": 0.5}]}, "not in order"),
        ({"spans": [{"start": 0.8, "end": 1.3}, {"start": 1.0, "end": 2.0}]}, "not in order"),
        ({"spans": [{"start": 0.0, "end": 4.5}]}, "nothing is said before the last silence"),
        ({"spans": [{"from": 0.0, "to": 4.5}]}, r"silence_spans are not \[\{start, end\}\]"),
        ({"spans": [{"start": 8.0, "end": 9.0}]}, "past the end of the audio"),
        ({"audio": {"bytes": b"", "path": "x"}}, "has no audio in the table"),
        ({"audio": {"bytes": b"fLaC but no", "path": "x"}}, "en-1"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path, changes, message):
    spans = changes.pop("spans", SPANS)
    source = write(tmp_path / "in", row(spans=spans, **changes))
    with pytest.raises(DatasetError, match=message):
        from_eotbench(source, tmp_path / "out", progress=False)
    assert not list(tmp_path.glob(".out*"))


def test_other_rows_go_on(tmp_path):
    source = write(tmp_path / "in", row("a", spans=[]), name="1.parquet")
    write(source, row("b"), name="2.parquet")
    result = from_eotbench(source, tmp_path / "out", progress=False)
    assert [recording.id for recording in result.dataset] == ["b"]
    assert [problem.file for problem in result.problems] == ["data/en/1.parquet"]


def test_the_command_line_imports_it(tmp_path):
    source = write(tmp_path / "in", row())
    arguments = ["datasets", "import", "eotbench", str(source), str(tmp_path / "out"), "--no-progress"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    recording = bl.load_dataset(tmp_path / "out")["en-1"]
    assert np.abs(recording.user()).max() > 0.1


def test_places_are_checked_before_anything_is_made(tmp_path):
    with pytest.raises(InvalidParameterError, match="SRC must be a file or folder that exists"):
        from_eotbench(tmp_path / "nowhere", tmp_path / "new" / "out", progress=False)
    assert not (tmp_path / "new").exists()


def test_an_import_that_was_killed_goes_on(tmp_path, monkeypatch):
    source = write(tmp_path / "in", row("a", spans=SPANS[:2]), row("b"))
    folder = tmp_path / ".out.audio"
    with monkeypatch.context() as patched:  # a kill leaves the folder, and the first recording is finished
        patched.setattr("bidilab.lab.datasets.importing.embedded.shutil.rmtree", lambda *_, **__: None)
        patched.setattr("bidilab.lab.datasets.importing.importer._finish", _killed)
        with pytest.raises(KeyboardInterrupt):
            from_eotbench(source, tmp_path / "out", progress=False)
    assert sorted(path.name for path in folder.iterdir()) == ["a.flac", "b.flac"]
    result = from_eotbench(source, tmp_path / "out", progress=False)
    assert (result.n_taken_over, len(result.dataset), folder.exists()) == (2, 2, False)


def _killed(*_):
    raise KeyboardInterrupt
