import pytest

from bidilab.bidi.io.browser import decode_message, encode_message
from bidilab.core.errors import EventError


def test_on_the_wire():
    # Length of the head in four bytes, little-endian, the head, the payload.
    assert encode_message({"kind": "x"}, b"\x01") == b'\x0c\x00\x00\x00{"kind":"x"}\x01'


@pytest.mark.parametrize(
    "data",
    [
        "text",
        b"",
        b"\x01\x00\x00",
        b"\x02\x00\x00\x00{",
        b"\x02\x00\x00\x00{}",
        b"\x02\x00\x00\x00[]",
        b"\x02\x00\x00\x00xx",
    ],
)
def test_what_is_no_message(data):
    with pytest.raises(EventError):
        decode_message(data)
