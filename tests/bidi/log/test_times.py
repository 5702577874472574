"""The two times of a row: `t_s`, when it was written, never goes back; `at_s` is when the event happened."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.bidi.agent import BidiAgent
from bidilab.bidi.io import WavInput, WavOutput
from bidilab.bidi.log.eventlog import EventLog
from bidilab.core.clock import VirtualClock, run_virtual
from bidilab.core.errors import InvalidParameterError
from tests.sessions import bursts, hold, local_model

FIRST_S = 3.0


class LateMicrophone(WavInput):
    """A microphone that gives nothing for 3 s."""

    async def start(self, agent):
        await super().start(agent)
        self._zero_s += FIRST_S


def late_session(path=None):
    """A text is typed and answered at 1 s; the microphone is opened at 3 s."""

    async def main():
        agent = BidiAgent(local_model([1000.0]), log=path)
        recorder = WavOutput(None)
        user = LateMicrophone(bursts((10, 20), (40, 50), total=100), 16_000, chunk_ms=32)

        async def talk():
            await agent.clock.sleep_s(1.0)
            await agent.send("hello")

        typing = asyncio.get_running_loop().create_task(talk())
        await agent.run(inputs=[recorder.listen_to(user)], outputs=[recorder])
        await typing
        return agent.log

    return run_virtual(main())


def times(log, kind):
    return [(row.t_s, row.at_s) for row in log if row.type == kind]


def never_goes_back(log):
    written = [row.t_s for row in log]
    return written == sorted(written)


def test_what_comes_before_the_first_sample_is_on_the_same_clock():
    log = late_session()
    assert never_goes_back(log)
    assert times(log, "bidi_text_input") == [(-2.0, -2.0)]
    # The first chunk of 32 ms is given when its last sample has been spoken.
    assert times(log, "input_started") == [(pytest.approx(0.032), 0.0)]
    # The speech of frame 10, 32 ms a frame, lies 0.32 s behind the first sample, not behind the text.
    assert times(log, "speech_started")[0] == (pytest.approx(0.352), 0.32)
    assert log.turns()["onset_s"].tolist() == pytest.approx([0.32, 1.28])
    (cut,) = log.interruptions().to_dict("records")
    assert [cut["onset_to_detected_ms"], cut["detected_to_event_ms"]] == pytest.approx([32, 0])
    assert log.fold().counts.input_gaps == 0  # nothing of the audio is missing
    # Typed at -2 s, answered 0.2 s later, for a second.
    first = log.responses().iloc[0]
    assert [first["created_s"], first["audible_s"], first["silent_s"]] == pytest.approx([-2.0, -1.8, -0.8])
    # `wall_time` is in step throughout.
    moved = {round(row.t_s - row.wall_time.timestamp(), 6) for row in log}
    assert len(moved) == 1


def test_the_journal_tells_of_the_zero_and_reads_back_the_same(tmp_path):
    path = tmp_path / "events.jsonl"
    log = late_session(path)
    assert EventLog.read(path).rows == log.rows
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    early = [line for line in lines if "from_start" in line]
    assert [line["seq"] for line in early] == list(range(len(early)))
    assert not any("t_s" in line for line in early)  # nobody knew it yet
    (told,) = [line for line in lines if line["type"] == "input_started"]
    assert told["seq"] == len(early)
    assert told["detail"] == {"from_start_s": FIRST_S}
    assert early[2]["from_start"] == {"t_s": 1.0, "at_s": 1.0}
    # What is written out again is on the session's clock already, and is not moved twice.
    again = EventLog.read(EventLog.read(path).write(tmp_path / "again.jsonl"))
    assert again.rows == log.rows


def test_a_session_killed_before_it_heard_anything_counts_from_its_start(tmp_path):
    path = tmp_path / "events.jsonl"
    late_session(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:4]))
    assert [row.t_s for row in EventLog.read(path)] == [0.0, 0.0, 1.0, 1.0]


def test_each_session_of_a_journal_has_its_own_zero(tmp_path):
    path = tmp_path / "events.jsonl"
    logs = [late_session(path), late_session(path)]
    assert EventLog.read(path).rows == logs[0].rows + logs[1].rows


def test_a_follower_of_the_log_sees_what_one_who_comes_late_sees():
    """The tables asked before the first sample and after it: as asked once."""
    clock = VirtualClock()
    log = EventLog(clock=clock)
    log.append("bidi_response_start", source="model", response_id="r")
    log.append("playback_started", source="playback", response_id="r", at_s=-0.5)
    assert log.responses()["created_s"].tolist() == [0.0]
    assert log.fold().spans[0].start_s == -0.5
    run_virtual(clock.sleep_s(5.0), clock)
    log.begin_input(4.0)
    assert log.responses()["created_s"].tolist() == [-4.0]
    assert log.fold().spans[0].start_s == -4.5
    assert log.fold().counts.responses == 1
    assert log.zero_s == 4.0


def test_t_s_that_is_given_may_not_go_back():
    log = EventLog(clock=VirtualClock(), zero_s=0.0)
    log.append("a", source="user", t_s=2.0)
    log.append("b", source="user", t_s=2.0)
    with pytest.raises(InvalidParameterError, match=r"t_s must be at least that of the last row, 2\.0.*1\.5"):
        log.append("c", source="user", t_s=1.5)
    log.append("d", source="user", t_s=3.0, at_s=1.5)
    assert [(row.t_s, row.at_s) for row in log] == [(2.0, 2.0), (2.0, 2.0), (3.0, 1.5)]


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(-1, 1)), max_size=20))
def test_t_s_never_goes_back_whatever_the_sound_card_does(steps):
    """A clock that is set anew between rows; ``at_s`` follows it to where it really is."""
    clock = VirtualClock()
    log = EventLog(clock=clock)
    first_s = 0.0
    for wait_s, moved_s in steps:
        run_virtual(clock.sleep_s(wait_s), clock)
        first_s += moved_s
        log.rezero(first_s)
        log.append("now", source="user")
        assert log.rows[-1].at_s == pytest.approx(clock.now_s() - first_s, abs=1e-9)
    assert never_goes_back(log)
    assert all(row.t_s >= row.at_s for row in log if row.type == "now")


@pytest.mark.parametrize("chunk_ms", [10, 20, 32, 100, 500])
def test_at_s_tells_the_latency_that_two_rows_of_one_chunk_hide(chunk_ms):
    """What a person does who has the table: ``bidi_interruption`` minus the ``speech_started`` before it."""
    agent, _, _ = hold(bursts((10, 20), (40, 50), (80, 90), total=140), chunk_ms=chunk_ms)
    frame = agent.log.to_frame()
    cut = frame[frame["type"] == "bidi_interruption"].iloc[0]
    speech = frame[(frame["type"] == "speech_started") & (frame["seq"] < cut["seq"])].iloc[-1]
    assert cut["t_s"] == speech["t_s"]  # one chunk of audio carried both
    (told, *_) = agent.log.interruptions().to_dict("records")
    expected = told["onset_to_detected_ms"] + told["detected_to_event_ms"]
    assert (cut["at_s"] - speech["at_s"]) * 1000 == pytest.approx(expected)
    assert expected >= 32  # a frame, at least


def test_at_s_of_what_the_detector_tells_is_that_of_the_samples_however_they_come():
    """The same audio in other chunks: other rows are written at other times, and tell of the same events."""
    kinds = ("speech_started", "speech_stopped", "interruption_decided")
    told = []
    for chunk_ms in (10, 32, 100):
        agent, _, _ = hold(bursts((10, 20), (40, 50), (80, 90), total=140), chunk_ms=chunk_ms)
        told.append([(row.type, row.at_s) for row in agent.log if row.type in kinds])
    assert told[0] == told[1] == told[2]
    starts = [at_s for kind, at_s in told[0] if kind == "speech_started"]
    assert starts == pytest.approx([10 * 0.032, 40 * 0.032, 80 * 0.032])


def test_at_s_of_play_out_is_when_the_sample_was_heard():
    """A recorder finds out when the next event passes: by then the sample has been heard for a while."""
    agent, recorder, _ = hold(bursts((10, 20), total=100), chunk_ms=100)
    (started,) = times(agent.log, "playback_started")
    audible = (abs(recorder.recording.samples[:, 1]) > 0).argmax() / recorder.recording.sample_rate
    assert started[1] == pytest.approx(audible, abs=1e-3)
    assert started[0] > started[1]
    assert agent.log.responses()["audible_s"].tolist() == [started[1]]


def test_a_log_of_the_callers_follows_the_clock_of_each_session_that_it_is_given_to():
    """Made an hour of real time before, and given to two sessions on virtual clocks that both begin at 0."""
    before = VirtualClock()
    log = EventLog(clock=before)
    run_virtual(before.sleep_s(3600.0), before)
    log.append("made", source="user")

    async def main(agent):
        recorder = WavOutput(None)
        user = WavInput(bursts((10, 20), (40, 50), total=100), 16_000, chunk_ms=32)
        await agent.run(inputs=[recorder.listen_to(user)], outputs=[recorder])

    for _ in range(2):
        run_virtual(main(BidiAgent(local_model([1000.0]), log=log)))
    assert never_goes_back(log)
    assert times(log, "made") == [(pytest.approx(0.0), pytest.approx(0.0))]
    # The second session's first sample comes when the first one is over, and its positions begin anew there.
    (_, first_s), (_, second_s) = times(log, "input_started")
    (closed_s, _), _ = times(log, "bidi_connection_close")
    assert (first_s, second_s) == (0.0, pytest.approx(closed_s))
    table = log.interruptions()
    assert len(table) == 2
    assert table["onset_to_detected_ms"].tolist() == pytest.approx([32, 32])
    assert table["detected_to_event_ms"].tolist() == pytest.approx([0, 0], abs=1e-6)
    assert (table["onset_s"] - [first_s, second_s]).tolist() == pytest.approx([1.28, 1.28])
