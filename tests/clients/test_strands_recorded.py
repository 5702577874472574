"""Agents written for Strands, of either generation, recorded against the server.

One environment holds one generation: the group ``clients`` has ``strands.bidi`` (strands-agents 1.58 and later), the
group ``strands-old`` ``strands.experimental.bidi`` (1.54). `.ci/run` runs these tests in both.

``early-clean-01`` to 8.5 s, and what the server makes of it::

    user    0.60 [turn] 5.06      5.97 [interruption: "hold on a second, …"]
    server                  5.6 answers, 4 s long
                                  6.05 decides that the user speaks
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest

import bidilab as bl
from bidilab.bidi.local.voice import RecordedVoice
from bidilab.bidi.providers.strands.events import HANDLERS
from bidilab.bidi.realtime import Delivery, RealtimeSettings, ScriptedResponder
from bidilab.bidi.realtime.probe import WireRecorder
from bidilab.bidi.realtime.server import RealtimeServer
from bidilab.core.audio import Audio, float_to_pcm16, pcm16_to_float
from bidilab.detect.vad import VadSpec, resample
from bidilab.lab.sessions import Replay
from bidilab.lab.sessions.verdicts import verdicts

pytestmark = pytest.mark.clients

ROOT = Path(__file__).resolve().parents[2]
RECORDING = "early-clean-01"
HEARD_S = 8.5
REPLY_S = 4.0
LIMIT_S = 60.0

GROUPS = {"strands.bidi": "clients", "strands.experimental.bidi": "strands-old"}

# Told by the session, or of text, reasoning and the console: rows under Strands' own names.
AS_ROWS = {
    *(
        "bidi_connection_warning",
        "bidi_audio_start",
        "bidi_audio_stop",
        "bidi_transcript_start",
        "bidi_transcript_stop",
    ),
    *(f"bidi_{kind}_{part}" for kind in ("text", "reasoning") for part in ("start", "delta", "stop", "block")),
}
INTERRUPTIONS = {"bidi_interruption", "bidi_barge_in"}


def installed() -> str | None:
    """The generation that this environment has; from 1.58 on the old name is an alias of the new."""
    try:
        major, minor = map(int, version("strands-agents").split(".")[:2])
    except PackageNotFoundError:
        return None
    return "strands.bidi" if (major, minor) >= (1, 58) else "strands.experimental.bidi"


def exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False  # what it would be in is no package


@pytest.fixture(params=list(GROUPS))
def generation(request: pytest.FixtureRequest) -> str:
    if installed() != request.param:
        pytest.skip(f"NOT TESTED: {request.param}; install the dependency group '{GROUPS[request.param]}'")
    return str(request.param)


@pytest.fixture
def strands_agent(generation: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes an agent with an OpenAI model that connects to an address here."""
    bidi = importlib.import_module(generation)

    def make(url: str) -> Any:
        homes = ("openai.realtime", "openai", "openai_realtime")  # of 1.62, 1.55 and 1.54
        home = next(f"{generation}.models.{one}" for one in homes if exists(f"{generation}.models.{one}"))
        realtime = importlib.import_module(home)
        build = getattr(realtime, "OpenAIRealtimeModel", None) or realtime.BidiOpenAIRealtimeModel
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        asked = {"transcription_model_id": None} if generation == "strands.bidi" else {}
        model = build(model_id="gpt-realtime", **asked)
        monkeypatch.setattr(realtime, "OPENAI_REALTIME_URL", url)
        return bidi.BidiAgent(model=model, system_prompt="Be brief.")

    return make


def recorded(make_agent: Any, pace: float) -> tuple[Replay, WireRecorder]:
    """The recording as a Strands agent heard it, and what the server saw."""
    recorder = WireRecorder()
    reply = Audio(samples=RecordedVoice().speech(round(REPLY_S * 24_000), 24_000), sample_rate=24_000)
    user = bl.load_dataset(ROOT / "datasets" / "overlap-mini")[RECORDING].user()[: round(HEARD_S * 16_000)]

    async def main() -> Replay:
        async with (
            asyncio.timeout(LIMIT_S),
            RealtimeServer(
                ScriptedResponder([reply]),
                session=RealtimeSettings(delivery=Delivery(first_output_delay_ms=50, pace=pace)),
                observe=lambda _index: (recorder,),
            ) as server,
        ):
            agent = make_agent(server.url)
            audio = Audio(samples=user, sample_rate=16_000)
            return await asyncio.to_thread(bl.record_strands, agent, audio, tail_ms=0.0)

    return asyncio.run(main()), recorder


def predicted_decisions_ms() -> list[float]:
    """Where the server's detector decides that speech began, in what a Strands model is given: 24 kHz, 16 bit."""
    user = bl.load_dataset(ROOT / "datasets" / "overlap-mini")[RECORDING].user()[: round(HEARD_S * 16_000)]
    sent = pcm16_to_float(float_to_pcm16(resample(user, 16_000, 24_000)))
    vad = VadSpec().build()
    track = vad.probabilities(resample(sent, 24_000, 16_000))
    turns = bl.detect_turns(track, bl.ServerVad().canonical(), frame_samples=512, sample_rate=16_000)
    return [turn.started_at / 16 for turn in turns]


def decisions(recorder: WireRecorder) -> list[Any]:
    return [record for record in recorder.records if record.type == "input_audio_buffer.speech_started"]


@pytest.mark.realtime
@pytest.mark.slow
def test_a_barge_in_while_it_generates(generation: str, strands_agent: Any) -> None:
    made, recorder = recorded(strands_agent, pace=1.0)
    decided = [record.decided_ms for record in decisions(recorder)]
    assert decided == predicted_decisions_ms()
    cut_ms = [
        edge.decided_ms
        for edge, done in pairwise(r for r in recorder.records if "delta" not in r.type)
        if edge.type == "input_audio_buffer.speech_started" and done.type == "response.done"
    ]
    cuts = made.log.interruptions()
    assert len(cut_ms) == len(cuts) == 1
    assert (cuts["t_s"] * 1000 >= cut_ms).all()  # told after it was decided
    assert (cuts["heard_ms"] <= cuts["generated_ms"]).all()
    labels = bl.load_dataset(ROOT / "datasets" / "overlap-mini")[RECORDING].segments
    (verdict,) = verdicts(made.log, labels).to_dict("records")
    assert (verdict["outcome"], verdict["kind"]) == ("detected", "interruption")
    (response,) = made.log.responses().to_dict("records")
    assert (response["stop_reason"], response["heard_ms"]) == ("interrupted", cuts["heard_ms"].iloc[0])
    idle = (made.events["type"] == "idle_interruption").sum()
    assert idle == (0 if generation == "strands.bidi" else 1)  # 1.54 tells of any speech that starts
    assert "conversation.item.truncate" not in {record.type for record in recorder.records}
    assert not (made.events["source"] == "error").any()


@pytest.mark.realtime
@pytest.mark.slow
def test_a_barge_in_after_generation(generation: str, strands_agent: Any) -> None:
    """All 4 s come at once. Strands 1.54 tells of the speech, and play-out is cut; from 1.58 on it does not."""
    made, recorder = recorded(strands_agent, pace=100.0)
    assert [record.decided_ms for record in decisions(recorder)] == predicted_decisions_ms()
    (response,) = made.log.responses().to_dict("records")
    assert response["generated_ms"] == REPLY_S * 1000
    if generation == "strands.bidi":
        assert made.log.interruptions().empty
        assert response["heard_ms"] == REPLY_S * 1000
    else:
        assert made.log.interruptions()["heard_ms"].tolist() == [response["heard_ms"]]
        assert 0 < response["heard_ms"] < REPLY_S * 1000


def test_every_event_of_the_generation_is_known(generation: str) -> None:
    """By the wire names of the classes in Strands' own union, so that a new one is seen."""
    events = importlib.import_module(f"{generation}.types.events")
    source = Path(events.__file__).read_text(encoding="utf-8")
    known = {*HANDLERS, *AS_ROWS, *INTERRUPTIONS, "bidi_text_input", "bidi_audio_input", "bidi_image_input"}
    named = {part.split('"')[0] for part in source.split('"type": "')[1:]}
    assert len(named) >= len(get_args(events.BidiOutputEvent)) - 1  # ToolUseStreamEvent is of another module
    assert named - known == set()
