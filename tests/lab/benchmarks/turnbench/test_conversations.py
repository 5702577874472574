"""The benchmark's files: Parquet with a row per conversation, in a tiny fixture of their layout."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from bidilab.core.errors import DatasetError
from bidilab.lab.benchmarks.turnbench import Annotation, read_conversations


def encoded(n_samples=32_000, sample_rate=16_000, *, seed=0):
    made = io.BytesIO()
    rng = np.random.default_rng(seed)
    soundfile.write(made, (0.1 * rng.standard_normal(n_samples)).astype(np.float32), sample_rate, format="FLAC")
    return made.getvalue()


def row(
    name="20", *, marks=({"start_s": 0.1, "end_s": 1.5, "label": "Normal Turn", "text": "hello"},), n_samples=32_000
):
    made = {"conversation_id": name, "metadata": {"conversation_type": "Casual"}}
    for speaker in (1, 2):
        audio = encoded(n_samples, seed=speaker)
        made[f"speaker_{speaker}_audio"] = {"bytes": audio, "path": f"{name}_{speaker}.flac"}
        for annotator in "abc":
            made[f"speaker_{speaker}_annotation_{annotator}"] = list(marks) if speaker == 1 else []
    return made


def write(folder, *rows, name="dev-00000-of-00001.parquet"):
    (folder / "data").mkdir(parents=True, exist_ok=True)
    mark = pa.struct(
        [("start_s", pa.float64()), ("end_s", pa.float64()), ("label", pa.string()), ("text", pa.string())]
    )
    audio = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    fields = [
        pa.field("conversation_id", pa.string()),
        pa.field("metadata", pa.struct([("conversation_type", pa.string())])),
    ]
    for speaker in (1, 2):
        fields.append(pa.field(f"speaker_{speaker}_audio", audio))
        fields += [pa.field(f"speaker_{speaker}_annotation_{a}", pa.list_(mark)) for a in "abc"]
    pq.write_table(pa.Table.from_pylist(list(rows), schema=pa.schema(fields)), folder / "data" / name)
    return folder


def test_rows_become_conversations(tmp_path):
    write(tmp_path, row("20"), row("21", marks=()))
    first, second = read_conversations(tmp_path)
    assert (first.id, first.duration_s) == ("20", 2.0)
    assert first.tracks[1, "b"] == (Annotation(start_s=0.1, end_s=1.5, label="Normal Turn", text="hello"),)
    assert first.tracks[2, "b"] == ()
    assert (first.is_annotated, second.is_annotated) == (True, False)


def test_faults_are_told_all_at_once(tmp_path):
    backwards = row("22", marks=[{"start_s": 2.0, "end_s": 1.0, "label": "Normal Turn", "text": None}])
    unheard = row("23") | {"speaker_2_audio": {"bytes": b"no audio", "path": "x"}}
    write(tmp_path, row("20"), row("20"), backwards, unheard)
    with pytest.raises(DatasetError) as caught:
        read_conversations(tmp_path)
    told = str(caught.value)
    assert "dev-00000-of-00001.parquet: conversation '20' is there twice" in told
    assert "'22': annotation must be seconds" in told
    assert "'23': its audio cannot be read" in told


def test_folders_that_hold_something_else(tmp_path):
    with pytest.raises(DatasetError, match="holds no Parquet file"):
        read_conversations(tmp_path)
    pq.write_table(pa.table({"conversation_id": ["1"]}), tmp_path / "x.parquet")
    with pytest.raises(DatasetError, match=r"x\.parquet: has no column speaker_1_audio, speaker_2_audio"):
        read_conversations(tmp_path)
    (tmp_path / "x.parquet").write_bytes(b"no table at all")
    with pytest.raises(DatasetError, match=r"x\.parquet: not a Parquet file"):
        read_conversations(tmp_path)
