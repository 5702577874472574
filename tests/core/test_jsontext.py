"""What the reader of JSON from outside takes is what Python takes, less what is not JSON or goes beyond its limits."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.jsontext import MAX_DEPTH, JSONError, parse_json, parse_json_object

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_what_was_written_is_read(value):
    text = json.dumps(value, allow_nan=False)
    assert parse_json(text) == json.loads(text)
    assert parse_json(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("[" * 100_000, "nested too deeply, beyond 64, at character 65"),
        ('{"a":' * 65 + "1" + "}" * 65, "nested too deeply"),
        ("[" * 65 + '"[["' + "]" * 65, "nested too deeply"),
        ("9" * 5000, "an integer of 5000 digits, 9999"),
        ("-1" + "0" * 400, "an integer of 402 digits"),
        ("1e999", "the number 1e999 is too large"),
        ("[NaN]", "NaN is not a number"),
        ("[-Infinity]", "-Infinity is not a number"),
        ('{"a": 1, "b": {"a": 2, "a": 3}}', "the key 'a' is given twice"),
        ("", "Expecting value at column 1"),
        ('{"a": 1}\n{"b": 2}', "line 2: not JSON: Extra data at column 1"),
        (b"\xff{}", "not utf-8: invalid start byte at byte 0"),
        ("\ufeff{}", "Expecting value at column 1"),
        ('"\x00"', "Invalid control character"),
    ],
)
def test_what_is_not_read_is_said(data, said):
    with pytest.raises(JSONError) as told:
        parse_json(data)
    assert said in str(told.value)
    assert len(str(told.value)) < 200


def test_brackets_in_strings_are_no_nesting():
    text = json.dumps(["[" * 1000, '"\\' * 100 + "{" * 1000])
    assert parse_json(text) == json.loads(text)
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse_json(deep) == json.loads(deep)
    wide = "[" + ",".join(["[]"] * 1000) + "]"
    assert parse_json(wide) == json.loads(wide)


def test_an_object_of_a_length():
    assert parse_json_object('{"a": 1}', max_characters=8) == {"a": 1}
    with pytest.raises(JSONError, match="9 characters, at most 8"):
        parse_json_object('{"a": 1} ', max_characters=8)
    with pytest.raises(JSONError, match="expected a JSON object, got list"):
        parse_json_object("[]")


@given(st.binary())
def test_bytes_are_json_or_said_not_to_be(data):
    with suppress(JSONError):
        parse_json(data)
