"""Interruptions, responses and turns, read off logs whose numbers are derived by hand."""

import numpy as np
import pandas as pd
import pytest

from bidilab.bidi.log.eventlog import EventLog
from bidilab.core.clock import VirtualClock

# User 16 kHz, agent 24 kHz; seconds on the session clock.
#
#   s    0    1    2    3    4    5    6    7    8
#   user ─────────────────[██████████]───────────────   onset 3.2 (51200), offset 4.8 (76800)
#   det                     ^3.36     ^5.312            decided 53760, 84992
#   r1        created 1.0  [██████X                     audible 1.2, cleared and silent at 3.365
#                           told 3.37                   heard 2.165 s = 51960, generated 4 s = 96000
#   r2                                  created 5.4 [██]   audible 5.5, silent 6.5; 1 s = 24000 samples
R1 = {"heard_samples": 51960, "sample_rate": 24000}


@pytest.fixture
def log():
    log = EventLog(session_id="s1", clock=VirtualClock())
    log.append("bidi_response_start", source="model", t_s=1.0, response_id="r1")
    audio = {"audio_bytes": 96000 * 2, "format": "pcm", "sample_rate": 24000, "channels": 1}
    log.append("bidi_audio_stream", source="model", t_s=1.1, response_id="r1", detail=audio)
    log.append("playback_started", source="playback", t_s=1.2, response_id="r1", playback_samples=28800)
    speech = {"onset_samples": 51200, "decided_at_samples": 53760, "audio_start_samples": 46400, "sample_rate": 16000}
    log.append("speech_started", source="detector", t_s=3.361, input_samples=53760, detail=speech)
    log.append(
        "playback_cleared", source="playback", t_s=3.365, response_id="r1", detail=R1 | {"dropped_samples": 44040}
    )
    log.append("playback_silent", source="playback", t_s=3.365, response_id="r1", detail=R1)
    log.append(
        "bidi_interruption",
        source="agent",
        t_s=3.37,
        reason="user_speech",
        response_id="r1",
        detail=R1 | {"generated_samples": 96000},
    )
    log.append("bidi_response_complete", source="agent", t_s=3.371, response_id="r1", stop_reason="interrupted")
    stopped = {"offset_samples": 76800, "decided_at_samples": 84992, "sample_rate": 16000, "flushed": False}
    log.append("speech_stopped", source="detector", t_s=5.312, input_samples=84992, detail=stopped)
    log.append("bidi_response_start", source="model", t_s=5.4, response_id="r2")
    log.append("bidi_transcript_stream", source="model", t_s=5.41, role="user", text="wa", detail={"is_final": False})
    log.append("bidi_transcript_stream", source="model", t_s=5.42, role="user", text="wait", detail={"is_final": True})
    audio = {"audio_bytes": 48000, "format": "pcm", "sample_rate": 24000, "channels": 1}
    log.append("bidi_audio_stream", source="model", t_s=5.45, response_id="r2", detail=audio)
    log.append("playback_started", source="playback", t_s=5.5, response_id="r2")
    log.append("bidi_response_complete", source="agent", t_s=5.6, response_id="r2", stop_reason="complete")
    done = {"heard_samples": 24000, "sample_rate": 24000}
    log.append("playback_silent", source="playback", t_s=6.5, response_id="r2", detail=done)
    return log


def test_interruptions_split_their_latency(log):
    frame = log.interruptions()
    assert len(frame) == 1
    row = frame.iloc[0]
    assert (row["reason"], row["response_id"], row["onset_samples"], row["decided_at_samples"]) == (
        "user_speech",
        "r1",
        51200,
        53760,
    )
    assert row["onset_s"] == 3.2
    assert row["onset_to_detected_ms"] == pytest.approx(160)
    assert row["detected_to_event_ms"] == pytest.approx(10)
    assert row["event_to_silent_ms"] == pytest.approx(-5)
    assert row["onset_to_silent_ms"] == pytest.approx(165)
    assert (row["heard_ms"], row["generated_ms"]) == (2165.0, 4000.0)


def test_responses(log):
    frame = log.responses().set_index("response_id")
    first = frame.loc["r1"]
    assert list(first[["created_s", "audible_s", "completed_s", "silent_s"]]) == [1.0, 1.2, 3.371, 3.365]
    assert (first["stop_reason"], first["interrupted"]) == ("interrupted", True)
    assert (first["heard_ms"], first["generated_ms"]) == (2165.0, 4000.0)
    second = frame.loc["r2"]
    assert list(second[["created_s", "audible_s", "completed_s", "silent_s"]]) == [5.4, 5.5, 5.6, 6.5]
    assert (second["stop_reason"], second["interrupted"]) == ("complete", False)
    assert (second["heard_ms"], second["generated_ms"]) == (1000.0, 1000.0)


def test_turns(log):
    frame = log.turns()
    assert len(frame) == 1
    row = frame.iloc[0]
    positions = ["onset_samples", "started_at_samples", "audio_start_samples", "offset_samples", "stopped_at_samples"]
    assert list(row[positions]) == [51200, 53760, 46400, 76800, 84992]
    assert (row["onset_s"], row["offset_s"]) == (3.2, 4.8)
    assert row["duration_ms"] == pytest.approx(1600)
    assert (row["flushed"], row["interrupted_response_id"], row["text"]) == (False, "r1", "wait")


def test_what_is_not_known_is_missing():
    log = EventLog(clock=VirtualClock())
    speech = {"onset_samples": 100, "decided_at_samples": 200, "sample_rate": 16000}
    log.append("speech_started", source="detector", detail=speech)
    log.append("bidi_response_start", source="model", response_id="r1")
    log.append("bidi_interruption", source="agent", reason="error", response_id="r1")
    row = log.interruptions().iloc[0]
    assert row["reason"] == "error"
    assert row["onset_samples"] is pd.NA
    assert np.isnan(
        [row["onset_to_detected_ms"], row["event_to_silent_ms"], row["heard_ms"], row["generated_ms"]]
    ).all()
    turn = log.turns().iloc[0]
    assert turn["offset_samples"] is pd.NA
    assert turn["flushed"] is pd.NA
    assert turn["interrupted_response_id"] is pd.NA
    assert np.isnan(turn["duration_ms"])


def test_no_rows_no_rows_but_the_same_types(log):
    empty = EventLog()
    for name in ("interruptions", "responses", "turns"):
        frame = getattr(empty, name)()
        assert len(frame) == 0
        assert list(frame.dtypes) == list(getattr(log, name)().dtypes)


def test_transcripts_find_their_turn_by_item():
    log = EventLog(clock=VirtualClock())
    for k, item in enumerate(["i1", "i2"]):
        log.append("speech_started", source="detector", item_id=item, detail={"onset_samples": k, "sample_rate": 1})
        log.append("speech_stopped", source="detector", detail={"offset_samples": k + 1, "sample_rate": 1})
    for item in ("i2", "i1"):
        log.append(
            "bidi_transcript_stream",
            source="model",
            role="user",
            item_id=item,
            text=f"of {item}",
            detail={"is_final": True},
        )
    assert list(log.turns()["text"]) == ["of i1", "of i2"]
