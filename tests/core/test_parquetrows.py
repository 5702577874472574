"""Rows of Parquet files."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bidilab.core.errors import DatasetError
from bidilab.core.parquetrows import parquet_rows


def test_rows_come_file_by_file_with_the_columns_that_are_wanted(tmp_path):
    (tmp_path / "b").mkdir()
    pq.write_table(pa.table({"id": [1, 2], "more": ["x", "y"], "unread": [0, 0]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"id": [3]}), tmp_path / "b" / "c.parquet")
    rows = list(parquet_rows(tmp_path, ("id",), optional=("more",)))
    assert rows == [
        ("a.parquet", {"id": 1, "more": "x"}),
        ("a.parquet", {"id": 2, "more": "y"}),
        ("b/c.parquet", {"id": 3}),
    ]
    assert list(parquet_rows(tmp_path / "b" / "c.parquet", ("id",))) == [("c.parquet", {"id": 3})]


def test_what_cannot_be_read_is_told(tmp_path):
    with pytest.raises(DatasetError, match="holds no Parquet file"):
        list(parquet_rows(tmp_path / "nowhere", ("id",)))
    pq.write_table(pa.table({"id": [3]}), tmp_path / "c.parquet")
    with pytest.raises(DatasetError, match=r"c\.parquet: has no column name, other"):
        list(parquet_rows(tmp_path, ("name", "id", "other")))
    (tmp_path / "d.parquet").write_bytes(b"PAR1 or so")
    with pytest.raises(DatasetError, match=r"d\.parquet: not a Parquet file"):
        list(parquet_rows(tmp_path, ("id",)))
