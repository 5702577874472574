"""`LiveSession` without a page: in a script, or in a notebook that nobody looks at."""

import asyncio
import gc
import importlib.util
import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import bidilab as bl
from bidilab.bidi.io.browser import decode_message, encode_message
from bidilab.bidi.local.model import BidiLocalModel
from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.providers.nova import model as nova
from bidilab.bidi.providers.registry import ModelProvider, model_providers, register_provider
from bidilab.core.errors import InvalidParameterError, SessionError
from bidilab.detect.turns import ServerVad
from bidilab.show.widgets.live import LiveSession
from tests.scorers import DigestScorer
from tests.sessions import bursts
from tests.sizes import examples

ROOT = Path(__file__).parents[4]
DATASET = ROOT / "datasets/overlap-mini"
QUICK = ServerVad(silence_duration_ms=96, prefix_padding_ms=0)


def quick_model():
    """Hears tones, answers at once, for a second."""
    return BidiLocalModel(QUICK, vad=bl.VadSpec(name="energy"), responses=[1000.0], response_delay_ms=0.0)


def talk(*frames, total):
    """A user of tones; 32 ms a frame."""
    return {"microphone": bursts(*frames, total=total), "sample_rate": 16_000, "tail_ms": 0.0}


def bidilab_threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("bidilab")]


@pytest.fixture
def session():
    """Makes sessions, and closes them."""
    made = []

    def make(*arguments, **options):
        made.append(LiveSession(*arguments, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
    assert bidilab_threads() == []


@pytest.mark.realtime
def test_a_recording_as_a_microphone_runs_to_its_end(session, tmp_path):
    live = session(quick_model(), **talk((5, 15), (25, 30), total=60), journal=tmp_path / "live.jsonl")
    assert (live.microphone, live.speaker, live.state) == ("recording", "none", "idle")
    live.start()
    live.start()  # while one runs, nothing
    assert live.running
    assert live.wait()
    assert (live.state, live.message) == ("ended", "")
    # The first turn ends in frame 18, is answered at once; the second's first frame interrupts.
    (cut,) = live.log.interruptions().to_dict("records")
    assert cut["decided_at_samples"] == 26 * 512
    assert cut["onset_to_silent_ms"] < 500
    live.label(False)
    live.label(True)
    labels = live.log.to_frame().query("type == 'interruption_label'")
    assert [json.loads(detail)["label"] for detail in labels["detail"]] == ["false", "true"]
    assert set(labels["source"]) == {"user"}
    assert live.static_form().text.startswith(
        "Live session, ended: 2 turns, 2 responses, 1 interruptions, 1 labelled true"
    )
    live.close()
    assert len(EventLog.read(tmp_path / "live.jsonl")) == len(live.log)


@pytest.mark.realtime
def test_stop_leaves_nothing_and_it_may_be_started_again(session):
    live = session(quick_model(), **talk((5, 15), total=2000))
    for _ in range(2):
        live.start()
        assert not live.wait(0.3)
        assert bidilab_threads() == ["bidilab-live"]
        live.stop()
        live.stop()
        assert bidilab_threads() == []
        assert live.state == "ended"
        assert len(live.log) > 0


def n_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.realtime
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors as Linux tells them")
def test_quick_starts_and_stops_leave_no_descriptor(tmp_path):
    def once(n):
        live = LiveSession(quick_model(), **talk((5, 15), total=2000), journal=tmp_path / f"{n}.jsonl")
        live.start()
        live.wait((0.0, 0.01, 0.1)[n % 3])
        live.stop()
        live.close()

    for n in range(3):
        once(n)  # what is loaded and compiled once
    gc.collect()
    before = n_descriptors()
    for n in range(3, 3 + examples(15)):
        once(n)
    gc.collect()
    assert n_descriptors() <= before
    assert bidilab_threads() == []


@pytest.mark.realtime
def test_knobs_act_while_it_runs_from_a_known_sample_on(session):
    # Three bursts of 10 frames; after the first, a threshold that no tone reaches.
    live = session(quick_model(), **talk((5, 15), (60, 70), (90, 100), total=120), turn_detection=QUICK)
    live.start()
    while not (live.log.to_frame()["type"] == "speech_stopped").any():
        live.wait(0.02)
    live.update(threshold=1.0, silence_duration_ms=500)
    assert live.wait()
    rows = live.log.to_frame()
    (updated,) = rows.query("type == 'turn_detection_updated'").to_dict("records")
    (asked,) = rows.query("type == 'setting_requested'").to_dict("records")
    assert json.loads(updated["detail"])["threshold"] == 1.0
    assert updated["input_samples"] % 512 == 0
    assert asked["source"] == "user"
    assert 19 * 512 <= updated["input_samples"] <= 60 * 512
    assert (rows["type"] == "speech_started").sum() == 1
    assert live.effective["threshold"] == live.threshold == 1.0
    assert live.setting == ServerVad(threshold=1.0, prefix_padding_ms=0, silence_duration_ms=500)


@pytest.mark.realtime
def test_a_knob_moved_before_the_session_is_ready_acts_when_it_is(session):
    live = session(quick_model(), **talk((30, 40), total=60), turn_detection=QUICK)
    live.start()
    live.update(threshold=1.0)
    assert live.wait()
    rows = live.log.to_frame()["type"]
    assert (rows == "setting_requested").sum() == (rows == "turn_detection_updated").sum() == 1
    assert not (rows == "speech_started").any()
    assert live.effective["threshold"] == 1.0


def test_knobs_are_checked(session):
    live = session(**talk(total=10))
    with pytest.raises(InvalidParameterError, match="threshold"):
        live.update(threshold=1.5, silence_duration_ms=100)
    assert (live.threshold, live.silence_duration_ms) == (0.5, 500)
    with pytest.raises(InvalidParameterError, match="silence_duration_ms"):
        live.silence_duration_ms = -1


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"model": "nobody"}, "model"),
        ({"microphone": "no-such-file"}, "microphone"),
        ({"speaker": "loud"}, "speaker"),
        ({"microphone": np.zeros(10, np.float32)}, "sample_rate"),
        ({"sample_rate": 8000}, "sample_rate"),
        ({"turn_detection": {"threshold": 2}}, "threshold"),
    ],
)
def test_what_is_not_allowed(arguments, name):
    if arguments.get("microphone") is None and "sample_rate" in arguments:
        arguments = arguments | {"microphone": str(DATASET / "audio/early-clean-01.flac")}
    with pytest.raises(InvalidParameterError, match=name):
        LiveSession(**arguments)


def test_before_the_start_there_is_nothing_to_ask(session):
    live = session(**talk(total=10))
    for ask in (lambda: live.log, live.wait, lambda: live.label(True)):
        with pytest.raises(SessionError, match="no session was started"):
            ask()
    live.stop()
    assert "0 turns" in live.static_form().text


def test_a_missing_key_is_said_in_words(session, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    live = session("openai", **talk(total=10))
    shown = {provider["name"]: provider["unusable"] for provider in live.providers}
    assert shown["local"] is None
    assert "OPENAI_API_KEY" in shown["openai"]
    live._from_page(live, {"kind": "start", "page": "p"}, [])
    assert live.state == "failed"
    assert "OPENAI_API_KEY" in live.message
    with pytest.raises(SessionError, match="OPENAI_API_KEY"):
        live.start()


def test_what_a_provider_lacks_is_said_with_what_mends_it(session, monkeypatch):
    for variable in ("GOOGLE_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(variable, raising=False)

    def lacks():
        return {provider["name"]: provider["unusable"] for provider in session(**talk(total=10)).providers}

    assert list(lacks()) == ["local", "openai", "gemini", "nova"]
    assert "GOOGLE_API_KEY or GEMINI_API_KEY" in lacks()["gemini"]
    monkeypatch.setenv("GEMINI_API_KEY", "a-key-of-nobody")
    assert lacks()["gemini"] is None
    monkeypatch.setattr(nova, "_PYTHON", (3, 11))
    assert lacks()["nova"] == "needs Python 3.12 or newer, and the kernel runs 3.11"
    monkeypatch.setattr(nova, "_PYTHON", (3, 12))
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    assert lacks()["nova"] == "needs the extra 'nova': pip install 'bidilab[nova]'"
    assert lacks()["gemini"] == "needs the extra 'gemini': pip install 'bidilab[gemini]'"


def test_a_providers_model_is_made_with_the_nearest_of_its_own(monkeypatch):
    pytest.importorskip("google.genai")
    monkeypatch.setenv("GEMINI_API_KEY", "a-key-of-nobody")
    made = model_providers()["gemini"].build(ServerVad(threshold=0.5, silence_duration_ms=700))
    told = made.effective_turn_detection
    assert told == made.config["turn_detection"]
    assert told["automaticActivityDetection"]["silenceDurationMs"] == 700


@pytest.mark.realtime
def test_a_model_that_cannot_change_its_turn_detection_says_so(session):
    class Fixed(BidiLocalModel):
        update = None

    live = session(Fixed(QUICK, vad=bl.VadSpec(name="energy")), **talk(total=60), turn_detection=QUICK)
    live.start()
    live.update(threshold=0.7)
    while not (refused := [row for row in live.log if row.type == "setting_refused"]):
        assert not live.wait(0.02)
    assert "Fixed takes its turn detection at the start" in refused[0].text
    assert live._run.turn_detection == QUICK  # what is in force is what was


@pytest.mark.realtime
def test_a_session_that_fails_says_with_what(session):
    class Broken(BidiLocalModel):
        async def send(self, content):
            raise RuntimeError("no more")

    live = session(Broken(), **talk(total=100))
    live.start()
    with pytest.raises(RuntimeError, match="no more"):
        live.wait()
    assert (live.state, live.message) == ("failed", "RuntimeError: no more")


def test_a_provider_is_added_by_registering_it():
    made = ModelProvider(name="test-only", title="of a test", build=lambda setting: BidiLocalModel(setting))
    register_provider(made)
    try:
        assert model_providers()["test-only"] is made
        assert "test-only" in [provider["name"] for provider in LiveSession("test-only").providers]
    finally:
        model_providers.__globals__["_providers"].pop("test-only")
    with pytest.raises(InvalidParameterError):
        register_provider(ModelProvider(name="", title="", build=lambda setting: BidiLocalModel(setting)))


@pytest.mark.realtime
def test_a_page_by_the_loopback_socket(session):
    """The test is the page: it says hello, takes its ticket, speaks, hears, is cut, and reports."""
    from websockets.asyncio.client import connect

    origin = "http://127.0.0.1:8888"
    live = session(
        BidiLocalModel(
            QUICK, vad=bl.VadSpec(name="energy"), responses=[3000.0], response_delay_ms=0.0, output_rate=16_000
        )
    )
    told = []
    live._to_pages = lambda head, payload: told.append(head)
    live._from_page(live, {"kind": "hello", "page": "p", "origin": origin}, [])
    live.start()
    while not any(head["kind"] == "audio_wanted" for head in told):
        live.wait(0.02)
    offer = next(head for head in told if head["kind"] == "socket")
    assert offer["to"] == "p"
    assert "ticket" not in json.dumps(live.get_state(), default=str)  # nothing of it in what a notebook saves
    wanted = next(head for head in told if head["kind"] == "audio_wanted")
    assert (wanted["microphone"], wanted["speaker"], wanted["sample_rate"]) == (True, True, 16_000)
    asyncio.run(asyncio.wait_for(_talk(connect, offer, origin), 60))
    live.stop()
    (cut,) = live.log.interruptions().to_dict("records")
    of_cut = f"type == 'playback_cleared' and response_id == {cut['response_id']!r}"
    (cleared,) = live.log.to_frame().query(of_cut).to_dict("records")
    assert cut["heard_ms"] == pytest.approx(1000 * 4321 / 16_000)
    assert json.loads(cleared["detail"])["heard_samples"] == 4321
    assert "page_refused" not in set(live.log.to_frame()["type"])


@pytest.mark.realtime
def test_a_page_by_the_comm(session):
    """The page loses two messages, has them again, holds the microphone, and goes."""
    live = session(quick_model())
    told = []
    live._to_pages = lambda head, payload: told.append(head)

    def say(**head):
        live._from_page(live, {**head, "page": "p"}, [])

    def until(kind, n=1):
        while sum(head["kind"] == kind for head in told) < n:
            live.wait(0.02)
        return [head for head in told if head["kind"] == kind]

    def logged(kind, n=1):
        while len(found := [row for row in live.log if row.type == kind]) < n:
            live.wait(0.02)
        return found

    say(kind="hello", origin="http://127.0.0.1:8888")
    live.start()
    (wanted,) = until("audio_wanted")
    first = {head["n"]: head for head in told if "n" in head}
    told.clear()
    for _ in range(2):  # asked twice, told twice, logged once
        say(kind="again", line=wanted["line"], **{"from": 0, "until": 2})
    until(first[0]["kind"], 2)
    assert [head for head in told if head.get("n") in (0, 1)] == 2 * [first[0], first[1]]
    (dropped,) = logged("page_messages_dropped")
    assert json.loads(dropped.detail)["n_dropped"] == 2
    say(kind="again", line=wanted["line"], **{"from": 5, "until": 10_000})
    assert "can ask again" in until("refused")[0]["text"]
    say(kind="open_audio", epoch="e", microphone_rate=16_000, speaker_rate=None)
    until("owner")
    say(kind="bye")
    logged("browser_audio_closed")
    say(kind="hello", origin="http://127.0.0.1:8888")  # it comes back, and its numbers begin anew
    back = until("audio_wanted")[-1]
    assert back["line"] != wanted["line"]
    assert back["owner"] is None
    live.stop()
    until("ended")
    told.clear()
    say(kind="mic", frame=0)  # of a page that was not told
    assert told == [{"kind": "ended", "to": "p"}]


@pytest.mark.realtime
def test_of_pages_by_the_comm_the_latest_are_told(session):
    live = session(quick_model())
    told = []
    live._to_pages = lambda head, payload: told.append(head)
    for k in range(7):
        live._from_page(live, {"kind": "hello", "page": f"p{k}", "origin": "http://127.0.0.1:8888"}, [])
    live.start()
    while not any(head["kind"] == "audio_wanted" and head["to"] == "p6" for head in told):
        live.wait(0.02)
    live.stop()
    assert [head["to"] for head in told if head["kind"] == "ended"] == ["p3", "p4", "p5", "p6"]


async def _talk(connect, offer, origin):
    page = await connect(offer["url"], origin=origin, compression=None)
    assert await page.recv() == offer["greeting"]
    await page.send(offer["ticket"])

    async def say(payload=b"", **head):
        await page.send(encode_message({**head, "page": "p"}, payload))

    async def until(kind):
        while True:
            head, payload = decode_message(await page.recv())
            if head["kind"] == kind:
                return head, payload

    await say(kind="hello")
    await say(kind="open_audio", epoch="e", microphone_rate=16_000, speaker_rate=16_000)
    await say(kind="tick", frame=0)
    pcm = (bursts((2, 10), (20, 30), total=60) * 32767).astype("<i2")
    for k in range(16):
        await say(pcm[k * 512 : (k + 1) * 512].tobytes(), kind="mic", frame=k * 512)
    played, _ = await until("play")
    await say(kind="played", what="started", response=played["response"], heard=0, frame=16 * 512)
    for k in range(16, 60):
        await say(pcm[k * 512 : (k + 1) * 512].tobytes(), kind="mic", frame=k * 512)
    cleared, _ = await until("clear")
    assert cleared["response"] == played["response"]
    await say(kind="played", what="cleared", response=cleared["response"], heard=4321, frame=16 * 512 + 4321)
    await until("tally")
    await page.close()


@pytest.mark.slow
def test_interrupting_a_cell_that_waits_ends_the_session():
    program = """
import os, signal, threading
from tests.show.widgets.live.test_widget import bidilab_threads, quick_model, talk
from bidilab.show.widgets.live import LiveSession
live = LiveSession(quick_model(), **talk((5, 15), total=6000))
live.start()
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    live.wait()
except KeyboardInterrupt:
    print(live.running, live.state, bidilab_threads())
live.start()
print(live.running)
live.close()
print(live.running, live.state, bidilab_threads())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120, cwd=ROOT
    )
    assert done.stdout.splitlines() == ["False ended []", "True", "False ended []"], done.stderr


@pytest.mark.realtime
def test_turns_of_the_local_model_end_by_a_score(session):
    live = session(
        **talk((5, 25), total=90), turn_detection=QUICK, end_of_turn=bl.EndOfTurn(threshold=0), scorer=DigestScorer()
    )
    live.start()
    assert live.wait()
    (told,) = live.log.to_frame().query("type == 'turn_detection'")["detail"]
    assert json.loads(told)["scorer"] == "digest 1"
    assert json.loads(told)["eot_threshold"] == 0
    assert live.log.fold().scorer == "digest 1"
    assert set(live.log.turns()["cause"]) <= {"score"}
    assert live.setting == QUICK
    live.provider = "openai"
    with pytest.raises(InvalidParameterError, match="left out with a model other than local"):
        live.start()
