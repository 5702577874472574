"""Edges read from a session's log."""

import json
from datetime import UTC, datetime

import pytest

from bidilab.bidi.log.journal import LogRow
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.knobs import ToldEdges


def row(kind, detail, *, session="s1", heard=None, source="detector"):
    return LogRow(
        session_id=session,
        seq=0,
        t_s=0.0,
        at_s=0.0,
        wall_time=datetime(2026, 1, 1, tzinfo=UTC),
        source=source,
        type=kind,
        input_samples=heard,
        detail=json.dumps(detail),
    )


def started(at, **kw):
    return row("speech_started", {"audio_start_samples": at, "sample_rate": 24_000}, **kw)


def stopped(at, **kw):
    return row("speech_stopped", {"decided_at_samples": at, "flushed": False, "sample_rate": 24_000}, **kw)


def test_openais_rows():
    asked = {"session": {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 0.7}}}}}
    force = {"session": {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 0.5}}}}}
    rows = [
        row("session_requested", asked, source="model"),
        row("session_effective", force, source="model"),
        started(2400),
        stopped(48_000, heard=60_000),
    ]
    told = ToldEdges.from_rows(rows)
    assert (told.starts.tolist(), told.ends.tolist()) == ([2400], [48_000])
    assert (told.ends_mean, told.n_samples, told.sample_rate) == ("decided", 60_000, 24_000)
    assert (told.asked, told.in_force) == ({"threshold": 0.7}, {"threshold": 0.5})


def test_an_end_that_was_flushed_tells_nothing():
    flushed = row("speech_stopped", {"decided_at_samples": 9, "flushed": True, "sample_rate": 24_000})
    assert ToldEdges.from_rows([started(1), flushed]).ends.tolist() == []


def test_geminis_ends_have_no_published_meaning():
    def activity(kind, at):
        return row("voice_activity", {"activity": kind, "activity_samples": at, "sample_rate": 16_000})

    told = ToldEdges.from_rows([activity("ACTIVITY_START", 100), activity("ACTIVITY_END", 900)])
    assert (told.starts.tolist(), told.ends.tolist(), told.ends_mean) == ([100], [900], None)


def test_two_sessions_in_one_log_are_refused():
    with pytest.raises(InvalidParameterError, match="rows of 2 sessions"):
        ToldEdges.from_rows([started(10), started(20, session="s2")])


def test_a_clock_that_jumps_back_is_refused():
    with pytest.raises(InvalidParameterError, match="run backwards"):
        ToldEdges.from_rows([started(500), started(20)])


def test_a_log_that_tells_no_positions_is_refused():
    with pytest.raises(InvalidParameterError, match="Nova Sonic does not"):
        ToldEdges.from_rows([row("bidi_interruption", {})])
