"""Each format: tiny files by hand for its traps, the fixtures made with the real libraries, and broken files."""

import json
import random

import pytest

import bidilab as bl
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.judge.traces import FORMATS, TraceError, read_trace
from bidilab.lab.judge.traces.formats import format_of
from tests.conftest import ROOT
from tests.sessions import keep
from tests.sizes import examples

SHARED = ROOT.parent / "shared" / "traces"
FIXTURES = {
    "livekit/session_report.json": "livekit report",
    "livekit/spans.jsonl": "livekit spans",
    "openai/events.jsonl": "openai events",
    "pipecat/speech_events.jsonl": "pipecat speaking observer",
    "pipecat/debug.log": "pipecat debug log",
    "pipecat/spans.jsonl": "pipecat spans",
    "retell/call.json": "retell call",
    "retell/agent.json": "retell agent",
    "strands/events-1.54.jsonl": "strands events",
    "strands/events-1.62.jsonl": "strands events",
    "strands/spans-1.54.jsonl": "strands spans",
    "strands/spans-1.62.jsonl": "strands spans",
    "twilio/stream.jsonl": "twilio stream",
    "vapi/end-of-call-report.json": "vapi report",
    "vapi/webhooks.jsonl": "vapi messages",
}
ZERO_S = {  # where the clock of truth.json begins
    "livekit": 1795696112.739752,
    "openai": 1795696450.7854753,
    "pipecat": 1795696240.4972782,
    "strands": 1795700000.0,
    "vapi": 1795702000.85,
}
shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no traces in {SHARED}")


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@shared
@pytest.mark.parametrize("file", FIXTURES)
def test_a_fixtures_format_is_found(file):
    assert read_trace(SHARED / file).format == FIXTURES[file]
    assert not read_trace(SHARED / file).problems


@shared
@pytest.mark.parametrize(
    ("file", "within_s"),
    [
        ("livekit/session_report.json", 0.02),
        ("livekit/spans.jsonl", 0.02),
        ("openai/events.jsonl", 0.03),
        ("pipecat/speech_events.jsonl", 0.03),
        ("pipecat/debug.log", 0.03),
        ("twilio/stream.jsonl", 0.03),
        ("vapi/end-of-call-report.json", 0.06),
        ("vapi/webhooks.jsonl", 0.06),
        ("retell/call.json", 0.1),
    ],
)
def test_the_agent_is_heard_when_it_was(file, within_s):
    """Starts and ends of the agent's sound, and which ends are cuts, against what was planted."""
    trace, folder = read_trace(SHARED / file), (SHARED / file).parent
    truth = json.loads((folder / "truth.json").read_text())
    if "user" not in truth:
        truth = json.loads((SHARED / "planted" / "truth.json").read_text())
    played = truth.get("agent_played") or truth.get("agent_written") or truth["responses"]
    zero_s = ZERO_S.get(folder.name, 0.0)
    found = [(a - zero_s, b - zero_s) for a, b in trace.spoken("agent")]
    assert len(found) == len(played)
    for (start, end), truly in zip(found, played, strict=True):
        assert start == pytest.approx(truly["start_s"], abs=within_s)
        assert end == pytest.approx(truly["end_s"], abs=within_s)
    cuts = [event.cut for event in trace.of("silent")]
    for cut, truly in zip(cuts, played, strict=True):
        assert cut in (None, truly["ended"] == "cut")
    if folder.name not in ("retell",) and "report" not in trace.format.replace("livekit report", ""):
        assert sum(bool(cut) for cut in cuts) == sum(truly["ended"] == "cut" for truly in played)


@shared
def test_livekits_traps():
    trace = read_trace(SHARED / "livekit" / "session_report.json")
    zero_s = ZERO_S["livekit"]
    silent = {round(event.at_s - zero_s, 1): event for event in trace.of("silent")}
    assert silent[9.3].cut  # and not at 13.9 s, where its text was committed: 2132 ms instead of 286
    assert silent[19.9].cut  # the message says interrupted: false
    assert [round(event.at_s - zero_s, 2) for event in trace.of("resumed")] == [22.47]
    assert trace.settings["min_interruption_duration"] == 0.2
    assert "false_interruption_timeout" not in trace.settings  # not in the trace
    assert (trace.user_channel, trace.recording) == (1, "recording.ogg")


@shared
def test_openais_positions_and_queue():
    trace = read_trace(SHARED / "openai" / "events.jsonl")
    zero_s = trace.audio_starts_s
    assert zero_s == pytest.approx(ZERO_S["openai"], abs=0.005)
    first, second = ([event.at_s - zero_s for event in trace.of(kind)][1] for kind in ("user_onset", "event"))
    assert first == pytest.approx(10.12, abs=0.1)  # detector's onset of the interruption
    assert second == pytest.approx(10.282, abs=0.005)  # the event, 162 ms after the planted onset
    begins, ends = trace.spoken("agent")[1]
    assert ends - begins == pytest.approx(2.260, abs=0.001)  # as the truncate says
    assert trace.settings["silence_duration_ms"] == 500


@shared
def test_settings_that_a_trace_states():
    assert read_trace(SHARED / "retell" / "agent.json").settings["interruption_sensitivity"] == 1.0
    assert read_trace(SHARED / "vapi" / "end-of-call-report.json").settings["stopSpeakingPlan.voiceSeconds"] == 0.2
    assert not read_trace(SHARED / "pipecat" / "speech_events.jsonl").settings
    both = read_trace(SHARED / "retell")
    assert both.settings["interruption_sensitivity"] == 1.0
    assert both.of("audible")


def test_pipecat_logs_an_interruption_at_every_start_of_a_turn(tmp_path):
    """It stops the bot only where the bot speaks; the end of the pipeline is no interruption."""

    def said(kind, at_s):
        return {"kind": kind, "timestamp": at_s, "started_at": None}

    path = lines(
        tmp_path / "events.jsonl",
        said("user_turn_started", 1.0),
        said("interruption", 1.001),
        said("bot_speech_started", 2.0),
        said("interruption", 3.0),
        said("bot_speech_stopped", 3.1),
        said("bot_speech_started", 5.0),
        said("bot_speech_stopped", 6.0),
    )
    trace = read_trace(path)
    assert [event.at_s for event in trace.of("event")] == [3.0]
    assert [event.cut for event in trace.of("silent")] == [True, False]


def test_a_pipeline_that_ends_did_not_interrupt_its_last_turn(tmp_path):
    def span(number, start, end, interrupted):
        return {
            "name": "turn",
            "context": {"span_id": str(number)},
            "start_time": f"2026-01-01T00:00:{start:02d}Z",
            "end_time": f"2026-01-01T00:00:{end:02d}Z",
            "attributes": {"turn.number": number, "turn.was_interrupted": interrupted},
        }

    trace = read_trace(lines(tmp_path / "spans.jsonl", span(1, 0, 5, True), span(2, 5, 9, True)))
    assert [event.cut for event in trace.of("generated")] == [True]


def test_strands_complete_says_nothing_of_the_sound(tmp_path):
    path = lines(
        tmp_path / "events.jsonl",
        {"t": 1.0, "type": "bidi_response_start", "response_id": "a"},
        {"t": 2.0, "type": "bidi_response_complete", "response_id": "a", "stop_reason": "complete"},
        {"t": 5.0, "type": "bidi_barge_in"},
        {"t": 5.1, "type": "bidi_response_stop", "response_id": "b"},
    )
    trace = read_trace(path)
    assert [event.cut for event in trace.of("generated")] == [None, True]
    assert [event.at_s for event in trace.of("event")] == [5.0]


def test_a_mark_that_a_clear_sent_back_is_no_measure_of_the_round_trip(tmp_path):
    """Twilio: 0.4 s of audio; a mark 60 ms after its end; then a clear, whose mark comes back at once."""
    media = {"event": "media", "media": {"payload": "A" * (4 * 800 // 3 // 4 * 4)}}  # 0.1 s, about
    rows = []

    def inbound(at_ms):
        rows.append({"event": "media", "media": {"track": "inbound", "timestamp": str(at_ms), "payload": "AAAA" * 53}})

    for at_ms in range(0, 2000, 20):
        inbound(at_ms)
        if at_ms == 200:
            rows += [media, media, media, media, {"event": "mark", "mark": {"name": "m1"}}]
        if at_ms == 640:
            rows.append({"event": "mark", "mark": {"name": "m1"}, "sequenceNumber": "9"})
        if at_ms == 1000:
            rows += [media] * 8 + [{"event": "mark", "mark": {"name": "m2"}}]
        if at_ms == 1200:
            rows += [{"event": "clear"}, {"event": "mark", "mark": {"name": "m2"}, "sequenceNumber": "10"}]
    trace = read_trace(lines(tmp_path / "stream.jsonl", *rows))
    silent = trace.of("silent")
    assert [event.cut for event in silent] == [False, True]
    assert 0.02 < silent[0].detail["round_trip_s"] < 0.08
    assert silent[1].at_s == pytest.approx(1.22 + silent[0].detail["round_trip_s"], abs=0.02)


def test_a_log_of_our_own_is_one_more_format(tmp_path):
    made = bl.replay(ROOT / "datasets/overlap-mini/audio/early-clean-01.flac")
    keep(made, tmp_path)
    trace = read_trace(tmp_path / "events.jsonl")
    assert trace.format == "bidilab log"
    assert len(trace.of("event")) == len(made.log.interruptions())
    assert len(trace.spoken("user")) == len(made.turns)
    assert trace.settings["threshold"] == 0.5


@pytest.mark.parametrize("text", ["", "{}", "[1, 2]", "nonsense", '{"events": 3, "chat_history": {}}', "\x00\xff"])
def test_a_file_in_no_known_format_is_named(tmp_path, text):
    path = tmp_path / "what.json"
    path.write_text(text)
    with pytest.raises(TraceError, match=r"what\.json: not in a known format"):
        read_trace(path)


def test_a_format_that_nobody_knows(tmp_path):
    with pytest.raises(InvalidParameterError, match="livekit report"):
        read_trace(tmp_path, format="skype")


def test_a_missing_field_names_file_and_line_and_the_rest_goes_on(tmp_path):
    rows = [{"kind": "bot_speech_started", "timestamp": 1.0}, {"kind": "bot_speech_stopped", "timestamp": "soon"}]
    path = lines(tmp_path / "events.jsonl", *rows, {"kind": "bot_speech_stopped", "timestamp": 2.0})
    trace = read_trace(path)
    assert trace.problems == ("events.jsonl, line 2: events.jsonl, line 2: needs 'timestamp', a number; it has 'soon'",)
    assert trace.spoken("agent") == [(1.0, 2.0)]


def seeds():
    """Small files, one per format, to be broken."""
    files = sorted(SHARED.glob("*/*")) if SHARED.is_dir() else []
    return [path for path in files if f"{path.parent.name}/{path.name}" in FIXTURES]


@shared
def test_broken_files_are_read_or_refused_with_their_place(tmp_path):
    """Bytes changed, lost and doubled; values of other types: an error of ours, or a trace, and nothing else."""
    rng = random.Random(0)
    sources = [path.read_bytes()[:6000] for path in seeds()]
    path = tmp_path / "broken.jsonl"
    refused = []
    for _ in range(examples(300)):
        data = bytearray(rng.choice(sources))
        for _ in range(rng.randint(1, 20)):
            at = rng.randrange(len(data))
            match rng.randrange(5):
                case 0:
                    data[at] = rng.randrange(256)
                case 1:
                    del data[at : at + rng.randint(1, 40)]
                case 2:
                    data[at:at] = data[at : at + rng.randint(1, 40)]
                case 3:
                    data[at:at] = rng.choice([b"null", b"[]", b"{}", b"1e999", b"-1", b"NaN", b'"x"', b"9" * 400])
                case 4:
                    data[at:at] = b"[" * rng.randint(1, 2000)
            if not data:
                data = bytearray(b" ")
        path.write_bytes(bytes(data))
        try:
            trace = read_trace(path, rng.choice([None, rng.choice(list(FORMATS))]))
        except TraceError as error:
            refused.append(str(error))
        else:
            assert list(trace.events) == sorted(trace.events, key=lambda event: event.at_s)
    assert refused
    assert all("broken.jsonl" in message for message in refused)


@shared
def test_a_trace_that_is_cut_off_keeps_what_was_whole(tmp_path):
    whole = (SHARED / "twilio" / "stream.jsonl").read_bytes()
    path = tmp_path / "stream.jsonl"
    path.write_bytes(whole[: len(whole) // 2])
    trace = read_trace(path)
    assert len(trace.problems) == 1
    assert "line" in trace.problems[0]
    assert 2 < len(trace.spoken("agent")) < 9


def test_every_format_is_told_apart_from_the_others():
    if not SHARED.is_dir():
        pytest.skip(f"no traces in {SHARED}")
    for path in seeds():
        assert format_of(path).name == FIXTURES[f"{path.parent.name}/{path.name}"]
