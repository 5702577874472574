"""Exports against the real packages: the object builds, and its fields hold the values.

The packages come with ``uv sync --group exports``; a test is skipped where its package is absent.
"""

import asyncio
import importlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bidilab as bl
from bidilab.detect.turns import GeminiActivityDetection, LiveKitVad, PipecatVad, TurnParams, detect_turns

SETTING = TurnParams(threshold=0.62, min_speech_ms=96, prefix_padding_ms=240, silence_duration_ms=416)

pytestmark = [
    pytest.mark.exports,
    # What the packages and their dependencies warn of is theirs: audioop, google's namespace, and the like.
    pytest.mark.filterwarnings("ignore"),
]


def run(exported):
    """Run exported code as a user would paste it; return its names."""
    names = {}
    exec(compile(exported.text, exported.target, "exec"), names)
    return names


def test_openai():
    realtime = importlib.import_module("openai.types.realtime")
    exported = bl.export_setting(SETTING, "openai")
    session = realtime.RealtimeSessionCreateRequest.model_validate(json.loads(exported.text))
    detection = session.audio.input.turn_detection
    assert type(detection).__name__ == "ServerVad"
    assert (detection.threshold, detection.prefix_padding_ms, detection.silence_duration_ms) == (0.62, 240, 416)
    assert session.model_extra == {}


def test_strands(monkeypatch):
    pytest.importorskip("strands.bidi.models")
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
    model = run(bl.export_setting(SETTING, "strands"))["model"]
    detection = model._build_session_config(None, None)["audio"]["input"]["turn_detection"]
    assert detection == {
        "type": "server_vad",
        "threshold": 0.62,
        "prefix_padding_ms": 240,
        "silence_duration_ms": 416,
        "create_response": True,
        "interrupt_response": True,
    }


def test_livekit():
    silero = pytest.importorskip("livekit.plugins.silero")

    async def build():
        return run(bl.export_setting(SETTING, "livekit"))["session"]

    session = asyncio.run(build())
    options = session.vad._opts
    assert isinstance(session.vad, silero.VAD)
    assert (options.activation_threshold, options.deactivation_threshold) == (0.62, pytest.approx(0.47))
    assert options.min_speech_duration == 0.096
    assert options.min_silence_duration == 0.416
    assert options.prefix_padding_duration == 0.24
    handling = session.options.turn_handling
    assert (handling["interruption"]["min_duration"], handling["interruption"]["mode"]) == (0.0, "vad")
    assert handling["endpointing"]["min_delay"] == 0.0


def test_livekit_defaults_are_ours():
    silero = pytest.importorskip("livekit.plugins.silero")
    theirs, ours = silero.VAD.load()._opts, LiveKitVad()
    for name in ("min_speech_duration", "min_silence_duration", "prefix_padding_duration", "activation_threshold"):
        assert getattr(theirs, name) == getattr(ours, name)
    assert theirs.deactivation_threshold == ours.canonical().deactivation_threshold


def test_pipecat():
    pytest.importorskip("pipecat.audio.vad.silero")
    params = run(bl.export_setting(SETTING, "pipecat"))["user_params"]
    analyzer = params.vad_analyzer
    assert analyzer.params.model_dump() == {
        "confidence": 0.62,
        "start_secs": 0.096,
        "stop_secs": 0.416,
        "min_volume": 0.0,
    }
    # 96 ms are 3 frames of 32 ms and 416 ms are 13: what the analyzer itself counts to
    analyzer.set_sample_rate(16_000)
    assert (analyzer._vad_start_frames, analyzer._vad_stop_frames) == (3, 13)
    strategies = params.user_turn_strategies
    assert [type(s).__name__ for s in strategies.start] == ["VADUserTurnStartStrategy"]
    assert [type(s).__name__ for s in strategies.stop] == ["SpeechTimeoutUserTurnStopStrategy"]


def test_pipecat_defaults_are_ours():
    analyzer = pytest.importorskip("pipecat.audio.vad.vad_analyzer")
    assert analyzer.VADParams().model_dump() == PipecatVad().to_dict()


def test_gemini():
    types = pytest.importorskip("google.genai.types")
    exported = bl.export_setting(SETTING, "gemini", prefix_meaning="required_speech")
    config = types.LiveConnectConfig.model_validate(json.loads(exported.text))
    detection = config.realtime_input_config.automatic_activity_detection
    assert detection.start_of_speech_sensitivity == types.StartSensitivity.START_SENSITIVITY_LOW  # 0.62: nearer to 0.7
    assert detection.end_of_speech_sensitivity == types.EndSensitivity.END_SENSITIVITY_HIGH
    assert (detection.prefix_padding_ms, detection.silence_duration_ms, detection.disabled) == (96, 416, False)


def test_gemini_names_are_the_providers():
    types = pytest.importorskip("google.genai.types")
    ours = GeminiActivityDetection(prefix_padding_ms=1, silence_duration_ms=1)
    published = {field.alias for field in types.AutomaticActivityDetection.model_fields.values()}
    assert set(ours.to_dict()) == published


def pipecat_decisions(confidences, params):
    """Where Pipecat's own state machine starts and stops, in samples; it is given the confidences."""
    module = importlib.import_module("pipecat.audio.vad.vad_analyzer")

    class Given(module.VADAnalyzer):
        def num_frames_required(self):
            return 512

        def voice_confidence(self, buffer):
            return next(stream)

    stream = iter(confidences)
    analyzer = Given(sample_rate=16_000, params=module.VADParams(**params.to_dict()))
    analyzer.set_sample_rate(16_000)
    decisions, speaking = [], False
    for frame in range(len(confidences)):
        state = analyzer._run_analyzer(bytes(1024)).name
        if speaking and state == "QUIET":
            decisions.append(("stopped", (frame + 1) * 512))
            speaking = False
        elif not speaking and state == "SPEAKING":
            decisions.append(("started", (frame + 1) * 512))
            speaking = True
    analyzer._executor.shutdown(wait=False)
    return decisions


@settings(max_examples=60, deadline=None)
@given(
    confidences=st.lists(st.sampled_from([0.1, 0.5, 0.69, 0.71, 0.9]), max_size=80),
    start_secs=st.floats(0, 0.3),
    stop_secs=st.floats(0, 0.3),
)
def test_pipecats_own_machine_decides_as_the_canonical_setting(confidences, start_secs, stop_secs):
    pytest.importorskip("pipecat.audio.vad.vad_analyzer")
    params = PipecatVad(confidence=0.7, start_secs=start_secs, stop_secs=stop_secs, min_volume=0)
    turns = detect_turns(confidences, params.canonical(), frame_samples=512, sample_rate=16_000)
    expected = []
    for turn in turns:
        expected.append(("started", turn.started_at))
        expected += [] if turn.flushed else [("stopped", turn.stopped_at)]
    assert pipecat_decisions(confidences, params) == expected
