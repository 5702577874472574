"""What is logged or raised: a secret is not in it, and what is no secret is as it was."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bidilab.bidi.log.eventlog import EventLog
from bidilab.core import redaction
from bidilab.core.redaction import REDACTED, SHORTEST_SECRET, conceal, loggable, redact_text, redact_values

KEY = "correct horse battery"
"""A key that looks like none."""
LETTERS = st.text('abcdefgh-_ ."\\é', min_size=SHORTEST_SECRET, max_size=20)


@pytest.fixture(autouse=True)
def _nothing_concealed(monkeypatch):
    monkeypatch.setattr(redaction, "_concealed", ())


def test_a_concealed_key_is_struck_out_wherever_it_stands():
    assert KEY in redact_text(f"the key {KEY} is bad")
    conceal(KEY)
    assert redact_text(f"the key {KEY}s is bad") == f"the key {REDACTED}s is bad"
    assert loggable({"a": [f"x{KEY}x"], KEY: 1, "e": ValueError(KEY)}) == {
        "a": [f"x{REDACTED}x"],
        REDACTED: 1,
        "e": f"ValueError: {REDACTED}",
    }


def test_of_two_keys_the_one_that_holds_the_other_goes_whole():
    conceal("abcdefgh", "abcdefgh-ijkl")
    assert redact_text("abcdefgh-ijkl") == REDACTED


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=LETTERS, before=st.text(max_size=5), after=st.text(max_size=5))
def test_no_key_is_in_any_row(key, before, after):
    redaction._concealed = ()
    conceal(key)
    log = EventLog(session_id="s")
    said = f"{before}{key}{after}"
    log.append("x", source="model", text=said, reason=said, detail={"deep": [{"er": said, said: None}]})
    (row,) = log.rows
    assert key not in row.text
    assert key not in row.reason
    assert key not in json.dumps(json.loads(row.detail), ensure_ascii=False)


@pytest.mark.parametrize("short", ["any", "a", "sk-test", "x.y"])
def test_a_short_key_is_struck_out_of_a_failure_as_a_word_and_of_nothing_else(short):
    conceal(short)
    said = f"No key '{short}': {short}! many companies, un{short}thing"
    assert redact_text(said) == said  # no log loses its words
    assert redact_text(said, [short]) == f"No key '{REDACTED}': {REDACTED}! many companies, un{short}thing"
    assert redact_values({"a": (short, 1, None)}, [short]) == {"a": (REDACTED, 1, None)}


def test_an_empty_key_strikes_nothing_out():
    conceal("")
    assert redact_text("words", [""]) == "words"
