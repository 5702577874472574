import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.csvtext import shown_as_text, write_csv


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "|x"])
def test_what_a_spreadsheet_would_run_is_text_there(text):
    assert shown_as_text(text) == f"'{text}"


@pytest.mark.parametrize("value", ["call-1", "", "-3.5", "+1e6", ".5", "a=b", -3, 2.5, None, True])
def test_anything_else_stays(value):
    assert shown_as_text(value) is value


def test_a_table_is_read_back_but_for_the_apostrophes(tmp_path):
    table = pd.DataFrame(
        {
            "id": ["=HYPERLINK(1)", "plain", None],
            "text": pd.array(["+1", "@x", None], dtype="string"),
            "x": [-1.5, np.nan, 2.0],
            "n": pd.array([-1, None, 3], dtype="Int64"),
            "kind": pd.Categorical(["-a", "b", "-a"]),
            "=head": [True, False, True],
        },
        index=pd.Index(["@r", "s", "t"], name="row"),
    )
    write_csv(table, tmp_path / "a.csv", index=True)
    again = pd.read_csv(tmp_path / "a.csv")
    assert list(again.columns) == ["row", "id", "text", "x", "n", "kind", "'=head"]
    assert list(again["row"]) == ["'@r", "s", "t"]
    assert list(again["id"])[:2] == ["'=HYPERLINK(1)", "plain"]
    assert list(again["text"])[:2] == ["+1", "'@x"]
    assert list(again["kind"]) == ["'-a", "b", "'-a"]
    np.testing.assert_array_equal(again["x"], table["x"])
    assert next(iter(table["id"])) == "=HYPERLINK(1)"  # the table itself is as it was


@given(st.text())
def test_no_cell_begins_as_a_formula(text):
    shown = shown_as_text(text)
    assert shown in (text, f"'{text}")
    if shown.lstrip()[:1] in tuple("=@|%"):
        pytest.fail(repr(text))
