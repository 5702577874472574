"""A session diagnosed while it goes on: the same causes, however often it is asked."""

import numpy as np
import pytest

import bidilab as bl
from bidilab.bidi.log.eventlog import EventLog
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.doctor import HeardTracks, RunningDoctor, doctor
from tests.lab.doctor.drawn import DATASETS

FRAME_S = 0.032


def heard(level_db, probability, clipped_share=0.0):
    return HeardTracks(
        first_s=0.0,
        frame_s=FRAME_S,
        level_db=np.asarray(level_db, np.float32),
        silence_db=-90.0,
        probability=np.asarray(probability, np.float32),
        clipped_share=clipped_share,
    )


def agent_speaks(log, start_s, end_s, response="r1"):
    log.append("bidi_response_start", source="model", t_s=start_s, response_id=response)
    log.append("playback_started", source="playback", t_s=start_s, response_id=response)
    told = {"heard_samples": int(16_000 * (end_s - start_s)), "sample_rate": 16_000}
    log.append("playback_silent", source="playback", t_s=end_s, response_id=response, detail=told)


def test_a_dead_microphone_and_one_that_nobody_speaks_into():
    n = 320
    assert RunningDoctor(EventLog()).look(heard(np.full(n, -90), np.zeros(n))).causes == ["mic-dead"]
    quiet_room = RunningDoctor(EventLog()).look(heard(np.full(n, -70), np.zeros(n)))
    assert quiet_room.causes == []
    assert dict(quiet_room.facts)["user's level"] == "nobody spoke, -70 dBFS quiet"
    assert RunningDoctor(EventLog()).look(heard(np.full(n, -60), np.full(n, 0.9))).causes == ["mic-quiet"]
    assert RunningDoctor(EventLog()).look(heard(np.full(n, -20), np.full(n, 0.9), 0.02)).causes == ["clipping"]
    assert RunningDoctor(EventLog()).look(heard(np.full(60, -90), np.zeros(60))).causes == []  # two seconds only


@pytest.mark.parametrize(("level_db", "cause"), [(-90.0, "half-duplex"), (-75.0, "ducked"), (-61.0, None)])
def test_a_microphone_that_is_turned_down_while_the_agent_speaks(level_db, cause):
    log = EventLog()
    agent_speaks(log, 3.2, 6.4)
    level = np.full(300, -60.0)
    level[100:200] = level_db
    level[40:60] = -25
    found = RunningDoctor(log).look(heard(level, np.where(level > -30, 0.9, 0)))
    assert found.causes == ([] if cause is None else [cause]), found


def test_speech_below_the_threshold_over_an_answer_that_nobody_stopped():
    log = EventLog()
    log.append("turn_detection", source="model", detail={"detector": "silero 6.2", "threshold": 0.97})
    agent_speaks(log, 1.0, 9.0)
    probability = np.zeros(300)
    probability[100:140] = 0.8
    doctor_ = RunningDoctor(log)
    found = doctor_.look(heard(np.where(probability > 0.5, -30, -65), probability))
    assert found.causes == ["threshold-high"], found
    assert "0.80" in found.findings[0].evidence
    log.append("turn_detection_updated", source="model", detail={"threshold": 0.5})  # the log grew: it is read on
    assert doctor_.look(heard(np.where(probability > 0.5, -30, -65), probability)).causes == []


def test_asked_row_by_row_it_says_the_same_in_the_end():
    whole = bl.replay(f"{DATASETS / 'overlap-mini'}#early-clean-01", turn_detection={"interrupt_response": False}).log
    grown, doctor_ = EventLog(), None
    for k, row in enumerate(whole.rows):
        grown.append(
            row.type, source=row.source, t_s=row.t_s, at_s=row.at_s, response_id=row.response_id, item_id=row.item_id,
            input_samples=row.input_samples, reason=row.reason, stop_reason=row.stop_reason, detail=row.said(),
        )  # fmt: skip
        doctor_ = doctor_ or RunningDoctor(grown)
        if k % 25 == 0:
            doctor_.look(None)
    found = doctor_.look(None)
    assert found.causes == doctor(whole).causes == ["interruptions-off"]
    assert dict(found.facts) == dict(doctor(whole).facts)
    with pytest.raises(InvalidParameterError, match="a session's log"):
        doctor(whole, trace=whole)
