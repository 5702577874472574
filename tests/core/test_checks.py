"""Checks of parameters: what passes, and what the message says of what does not."""

from types import SimpleNamespace

import numpy as np
import pytest

from bidilab.core.checks import (
    check_at_least,
    check_bounds,
    check_duration_ms,
    check_duration_s,
    check_flag,
    check_is,
    check_number,
    check_one_of,
    check_probability,
    check_several,
    check_text,
    check_whole,
    is_number,
    is_whole,
)
from bidilab.core.errors import InvalidParameterError

NAN = float("nan")


@pytest.mark.parametrize(
    ("check", "passes", "fails", "allowed"),
    [
        (check_text, ["", "a"], [None, 1, b"a"], "a string"),
        (check_flag, [True, False], [None, 0, 1, "true"], "true or false"),
        (check_whole, [0, 7], [-1, True, 1.0, "1", None], "a whole number >= 0"),
        (lambda n, v: check_whole(n, v, 1, optional=True), [None, 1], [0, False], "a whole number >= 1, or None"),
        (lambda n, v: check_number(n, v, 0.5, 2), [0.5, 1, 2.0], [0.4, 2.1, NAN, True, "1", None], r"in \[0.5, 2\]"),
        (lambda n, v: check_at_least(n, v, 1, below=3), [1, 2.9], [0, 3, NAN, True], "a number >= 1 and < 3"),
        (lambda n, v: check_at_least(n, v, 1), [1, 1e300], [0.9], "a number >= 1"),
        (lambda n, v: check_one_of(n, v, ("a", 1)), ["a", 1], ["b", 2, None], "one of 'a', 1"),
        (check_probability, [0, 1, 0.5, np.float32(0.5)], [-0.1, 1.1, NAN, True, "0.5", None], r"in \[0, 1\]"),
        (check_duration_ms, [0, 600_000], [-1, 600_001, NAN, True, "5"], r"milliseconds in \[0, 600000\]"),
        (lambda n, v: check_is(n, v, int | None, "a count"), [3, None], ["3", 0.5], "a count"),
        (
            lambda n, v: check_several(n, v, "several"),
            [[], (1,), np.arange(2)],
            ["ab", b"a", {}, 1, None],
            "several",
        ),
        (check_duration_s, [0, 600], [-1, 601, NAN, True, "5"], r"seconds in \[0, 600\]"),
    ],
)
def test_what_passes_and_what_does_not(check, passes, fails, allowed):
    for value in passes:
        check("knob", value)
    for value in fails:
        with pytest.raises(InvalidParameterError, match=f"knob must be .*{allowed}"):
            check("knob", value)


def test_probabilities_and_seconds_become_floats_and_milliseconds_stay():
    assert isinstance(check_probability("p", np.float32(0.5)), float)
    assert isinstance(check_duration_s("s", 2), float)
    assert isinstance(check_duration_ms("ms", 20), int)


def test_the_attribute_out_of_bounds_is_named():
    knobs = SimpleNamespace(a=1, b=5)
    check_bounds(knobs, {"a": (0, 2), "b": (0, 5)})
    with pytest.raises(InvalidParameterError, match=r"b must be a number in \[0, 4\]"):
        check_bounds(knobs, {"a": (0, 2), "b": (0, 4)})


@pytest.mark.parametrize("value", [0, -3, 2.5, NAN, float("inf"), np.float32(0.5), np.int64(3)])
def test_numbers(value):
    assert is_number(value)
    assert is_whole(value) == (value in (0, -3, 3))


@pytest.mark.parametrize("value", [True, np.bool_(True), "1", b"1", None, [1], {}, np.ones(2), 1j])
def test_what_is_no_number(value):
    assert not is_number(value)
    assert not is_whole(value)


@pytest.mark.parametrize("value", [2.0, np.float64(2), np.int8(2)])
def test_a_whole_number_may_have_a_point(value):
    assert is_whole(value)
