"""Fields of a message: each is what it must be, or an error that names it."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.bidi.providers.fields import Fields
from bidilab.core.errors import EventError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
READERS = {
    "text": (lambda fields: fields.text("x"), str),
    "optional_text": (lambda fields: fields.optional_text("x"), str | None),
    "count": (lambda fields: fields.count("x"), int),
    "count_or": (lambda fields: fields.count("x", 3), int),
    "object": (lambda fields: fields.object("x"), Fields),
    "optional_object": (lambda fields: fields.object("x", optional=True), Fields),
    "objects": (lambda fields: fields.objects("x"), list),
    "base64": (lambda fields: fields.base64("x"), bytes),
}


@pytest.mark.parametrize("name", READERS)
@given(body=st.fixed_dictionaries({}, optional={"x": JSON}))
def test_a_field_is_read_as_its_type_or_named_in_an_error(name, body):
    read, kind = READERS[name]
    said = None
    try:
        value = read(Fields("a.message", body))
    except EventError as error:
        said = str(error)
    if said is not None:
        assert said.startswith("a.message: x ")
    else:
        assert isinstance(value, kind)
        assert not isinstance(value, bool)


@given(st.binary(max_size=20), st.integers(0), st.text())
def test_what_is_right_is_read_as_it_is(data, number, text):
    body = {"b": base64.b64encode(data).decode(), "n": number, "t": text, "o": {"t": text}, "l": [{"t": text}]}
    fields = Fields("m", body)
    assert (fields.base64("b"), fields.count("n"), fields.text("t")) == (data, number, text)
    assert fields.object("o").text("t") == fields.objects("l")[0].text("t") == text


def test_an_inner_object_is_named_with_its_path():
    with pytest.raises(EventError, match=r"^m\.o: t must be a string, got int$"):
        Fields("m", {"o": {"t": 1}}).object("o").text("t")
    with pytest.raises(EventError, match="x must be a whole number >= 0, got bool"):
        Fields("m", {"x": True}).count("x")
