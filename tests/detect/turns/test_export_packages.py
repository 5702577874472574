"""Exports against the real packages: the object builds, and its fields hold the values.

The packages come with ``uv sync --group exports``; a test is skipped where its package is absent.
"""

import asyncio
import dataclasses
import hashlib
import importlib
import inspect
import json
from importlib import resources
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bidilab as bl
from bidilab.detect.turns import (
    AdaptiveInterruption,
    GeminiActivityDetection,
    LiveKitVad,
    PipecatVad,
    TurnParams,
    detect_turns,
)
from bidilab.detect.turns.export import _PIPECAT_GIVES_UP_S
from bidilab.detect.turns.scored_export import LIVEKIT_INTERVAL_MS
from bidilab.detect.vad.silero import WEIGHTS_SHA256
from tests.sizes import examples

ENDING = bl.EndOfTurn(threshold=0.8, action_delay_ms=400, timeout_ms=1000)
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


def test_openai_ends_turns_by_its_own_model():
    realtime = importlib.import_module("openai.types.realtime")
    exported = bl.export_setting(SETTING, "openai", end_of_turn=ENDING)
    session = realtime.RealtimeSessionCreateRequest.model_validate(json.loads(exported.text))
    detection = session.audio.input.turn_detection
    assert type(detection).__name__ == "SemanticVad"
    assert (detection.eagerness, detection.interrupt_response, detection.model_extra) == ("high", True, {})


def test_strands_ends_turns_by_openais_model(monkeypatch):
    pytest.importorskip("strands.bidi.models")
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
    model = run(bl.export_setting(SETTING, "strands", end_of_turn=ENDING))["model"]
    detection = model._build_session_config(None, None)["audio"]["input"]["turn_detection"]
    assert (detection["type"], detection["eagerness"]) == ("semantic_vad", "high")


def test_strands_stops_only_what_is_still_generated_as_the_remarks_say():
    models = pytest.importorskip("strands.bidi.models")
    model = models.OpenAIRealtimeModel
    assert inspect.getsource(importlib.import_module(model.__module__)).count("BidiBargeInEvent()") == 1
    stops = inspect.getsource(model._complete_response)
    assert 'response.get("status") == "cancelled"' in stops
    assert "BidiBargeInEvent()" in stops
    assert any("plays to its end" in remark for remark in bl.export_setting(SETTING, "strands").remarks)


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
    assert handling["turn_detection"] == "vad"
    assert handling["interruption"] == {
        "enabled": True,
        "mode": "vad",
        "min_duration": 0.001,
        "min_words": 0,
        "resume_false_interruption": False,
        "false_interruption_timeout": None,
        # of agents that cannot be interrupted, and of the adaptive mode: no part of this setting
        "discard_audio_if_uninterruptible": True,
        "backchannel_boundary": (1.0, 1.0),
    }
    # max_delay is for a model of the end of turn, alpha for the mode "dynamic"
    assert handling["endpointing"] == {"mode": "fixed", "min_delay": 0.0, "max_delay": 3.0, "alpha": 0.9}
    assert session.options.aec_warmup_duration is None
    assert session._aec_warmup_remaining == 0


def livekit_session(params, scorer, **more):
    async def build():
        return run(bl.export_setting(params, "livekit", end_of_turn=ENDING, eot_scorer=scorer, **more))["session"]

    return asyncio.run(build())


def test_livekit_ends_turns_by_its_own_model():
    pytest.importorskip("livekit.plugins.silero")
    inference = importlib.import_module("livekit.agents.inference")
    session = livekit_session(TurnParams(silence_duration_ms=200), "turn-detector-v1-mini 1")
    detector = session.options.turn_handling["turn_detection"]
    assert isinstance(detector, inference.TurnDetector)
    assert (detector.model, detector._opts.thresholds.overrides) == ("turn-detector-v1-mini", 0.8)
    endpointing = session.options.turn_handling["endpointing"]
    assert (endpointing["mode"], endpointing["min_delay"], endpointing["max_delay"]) == ("fixed", 0.4, 1.0)
    assert session.vad.min_silence_duration == 0.25
    anothers = livekit_session(TurnParams(silence_duration_ms=200), "smart-turn 3.2")
    thresholds = anothers.options.turn_handling["turn_detection"]._opts.thresholds
    assert not importlib.import_module("livekit.agents.utils").is_given(thresholds.overrides)


def test_livekit_takes_the_vad_beside_its_model_and_would_refuse_a_shorter_silence():
    pytest.importorskip("livekit.plugins.silero")
    module = importlib.import_module("livekit.agents.voice.audio_recognition")
    check = module.AudioRecognition._check_vad_silence_requirement
    session = livekit_session(TurnParams(silence_duration_ms=200), "")
    detector = session.options.turn_handling["turn_detection"]
    check(SimpleNamespace(_turn_detector=detector, _vad=session.vad))
    with pytest.raises(ValueError, match=r"at least 0\.25s"):
        check(SimpleNamespace(_turn_detector=detector, _vad=SimpleNamespace(min_silence_duration=0.249)))


def test_livekit_ends_at_the_threshold_by_the_delays_that_the_export_sets():
    module = pytest.importorskip("livekit.agents.voice.audio_recognition")
    source = inspect.getsource(module.AudioRecognition._run_eou_detection)
    assert "endpointing_delay = self._endpointing.min_delay" in source
    assert "end_of_turn_probability < unlikely_threshold" in source
    assert "endpointing_delay = self._endpointing.max_delay" in source
    assert "committing without a prediction" in source
    assert importlib.import_module("livekit.agents.inference.eot.base").DEFAULT_PREDICTION_TIMEOUT == 1.0


def test_livekits_adaptive_interruption_asks_as_often_as_the_export_says():
    pytest.importorskip("livekit.plugins.silero")
    interruption = importlib.import_module("livekit.agents.inference.interruption")
    assert interruption.DETECTION_INTERVAL * 1000 == LIVEKIT_INTERVAL_MS
    session = livekit_session(SETTING, "", adaptive=AdaptiveInterruption())
    assert session.interruption_detection == "adaptive"
    assert session.options.turn_handling["interruption"]["mode"] == "adaptive"


def test_every_default_of_livekit_that_the_export_overrides_is_still_what_it_says():
    """A default that is new, or another one, has to be looked at: it may change what was measured."""
    turn = pytest.importorskip("livekit.agents.voice.turn")
    session = importlib.import_module("livekit.agents.voice.agent_session")
    assert turn._INTERRUPTION_DEFAULTS == {
        "enabled": True,
        "discard_audio_if_uninterruptible": True,
        "min_duration": 0.5,
        "min_words": 0,
        "resume_false_interruption": True,
        "false_interruption_timeout": 2.0,
        "backchannel_boundary": (1.0, 1.0),
    }
    assert turn._ENDPOINTING_DEFAULTS == {"mode": "fixed", "min_delay": 0.5, "max_delay": 3.0, "alpha": 0.9}
    assert set(turn.TurnHandlingOptions.__annotations__) == {
        "turn_detection",
        "endpointing",
        "interruption",
        "preemptive_generation",  # starts the model early, and interrupts nothing
        "user_turn_limit",  # off
    }
    assert session._DEFAULT_AEC_WARMUP_DURATION == 3.0
    said = " ".join(bl.export_setting(SETTING, "livekit").remarks)
    for default in ("0.5 s of speech", "2 s after an interruption", "first 3 s", "0.5 s after speech"):
        assert default in said


def livekit_interruptions(exported, confidences):
    """Frames at which LiveKit's own VAD and session interrupt the agent, and those at which the VAD starts speech."""
    rtc = importlib.import_module("livekit.rtc")
    activity = importlib.import_module("livekit.agents.voice.agent_activity")
    vad_types = importlib.import_module("livekit.agents.vad")

    async def hear():
        session = run(exported)["session"]
        stream = session.vad.stream()
        given = iter(confidences)
        rate, window = stream._model.sample_rate, stream._model.window_size_samples
        stream._model = GivenModel(rate, window, given)
        interrupted, started, frame = [], [], 0
        agent = SimpleNamespace(
            _turn_detection=session.options.turn_handling["turn_detection"],
            _session=session,
            _stt_eos_received=False,
            _interrupt_by_audio_activity=lambda: interrupted.append(frame),
            min_endpointing_delay=session.options.endpointing["min_delay"],
            _user_silence_event=asyncio.Event(),
        )
        for _ in confidences:
            stream.push_frame(rtc.AudioFrame(bytes(2 * window), rate, 1, window))
        stream.end_input()
        async for event in stream:
            if event.type == vad_types.VADEventType.INFERENCE_DONE:
                activity.AgentActivity.on_vad_inference_done(agent, event)
                frame += 1
            elif event.type == vad_types.VADEventType.START_OF_SPEECH:
                started.append(frame)
        await stream.aclose()
        return interrupted, started

    return asyncio.run(hear())


class GivenModel:
    """Stands in for LiveKit's network: says what it is given."""

    def __init__(self, sample_rate, window_size_samples, confidences):
        self.sample_rate, self.window_size_samples = sample_rate, window_size_samples
        self.confidences = confidences

    def reset(self):
        pass

    def __call__(self, samples):
        return next(self.confidences)


def test_livekit_interrupts_on_speech_and_never_on_silence():
    # frames      0 ......... 19 | 20 ....... 29 | 30 ......... 49
    # confidence  0.0            | 1.0           | 0.0
    pytest.importorskip("livekit.plugins.silero")
    exported = bl.export_setting(TurnParams(threshold=0.5, silence_duration_ms=320), "livekit")
    interrupted, started = livekit_interruptions(exported, [0.0] * 20 + [1.0] * 10 + [0.0] * 20)
    # `started` counts the frame that starts speech as passed, so it is the frame after, at which LiveKit acts
    assert len(started) == 1
    assert 20 < started[0] <= 22  # its smoothing holds the first frame back
    assert interrupted[0] == started[0]
    assert max(interrupted) < 45  # until the VAD has ended the turn
    silent, _ = livekit_interruptions(exported, [0.0] * 30)
    assert silent == []
    at_once = dataclasses.replace(exported, text=exported.text.replace('"min_duration": 0.001', '"min_duration": 0.0'))
    assert livekit_interruptions(at_once, [0.0] * 30)[0] == list(range(30))  # why it is not 0


def test_the_packages_run_the_weights_that_the_remarks_name():
    for package, place, target in (
        ("livekit.plugins.silero", ("resources", "silero_vad.onnx"), "livekit"),
        ("pipecat.audio.vad", ("data", "silero_vad.onnx"), "pipecat"),
    ):
        pytest.importorskip(package)
        weights = resources.files(package).joinpath(*place).read_bytes()
        assert hashlib.sha256(weights).hexdigest() == WEIGHTS_SHA256
        assert any("weights of Silero 6.2" in remark for remark in bl.export_setting(SETTING, target).remarks)


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


def test_pipecat_ends_turns_by_smart_turn():
    smart_turn = pytest.importorskip("pipecat.audio.turn.smart_turn.local_smart_turn_v3")
    exported = bl.export_setting(TurnParams(silence_duration_ms=200), "pipecat", end_of_turn=ENDING)
    params = run(exported)["user_params"]
    (stop,) = params.user_turn_strategies.stop
    assert type(stop).__name__ == "TurnAnalyzerUserTurnStopStrategy"
    assert not stop.wait_for_transcript
    analyzer = stop._turn_analyzer
    assert isinstance(analyzer, smart_turn.LocalSmartTurnAnalyzerV3)
    assert (params.vad_analyzer.params.stop_secs, analyzer.params.stop_secs) == (0.224, 0.8)
    # 25 frames of silence from the VAD's stop end the turn, not one fewer
    analyzer.set_sample_rate(16_000)
    analyzer.append_audio(bytes(1024), True)
    states = [analyzer.append_audio(bytes(1024), False).name for _ in range(25)]
    assert states == ["INCOMPLETE"] * 24 + ["COMPLETE"]
    assert "1 if probability > 0.5 else 0" in inspect.getsource(smart_turn)
    assert params.user_turn_stop_timeout == _PIPECAT_GIVES_UP_S
    patient = bl.export_setting(SETTING, "pipecat", end_of_turn=bl.EndOfTurn(timeout_ms=8000))
    assert run(patient)["user_params"].user_turn_stop_timeout > 7.584  # 8000 ms are 250 frames, 416 ms are 13


def test_every_default_of_pipecat_that_bears_on_turns_is_known():
    """One that is new has to be looked at: it may change what was measured."""
    aggregators = pytest.importorskip("pipecat.processors.aggregators.llm_response_universal")
    stop = importlib.import_module("pipecat.turns.user_stop")
    start = importlib.import_module("pipecat.turns.user_start")
    params = {field.name for field in dataclasses.fields(aggregators.LLMUserAggregatorParams)}
    assert params == {
        "vad_analyzer",
        "user_turn_strategies",
        "user_mute_strategies",  # none
        "audio_idle_timeout",  # where audio stops coming
        "user_turn_stop_timeout",  # where no strategy ends a turn; ours always does
        "user_idle_timeout",  # off
        "empty_user_turn",  # what the agent says after a turn without words
        "add_tool_change_messages",
        "filter_incomplete_user_turns",  # off
        "user_turn_completion_config",
    }
    timeouts = inspect.signature(stop.SpeechTimeoutUserTurnStopStrategy).parameters
    assert (timeouts["user_speech_timeout"].default, timeouts["wait_for_transcript"].default) == (0.6, True)
    assert set(timeouts) == {"user_speech_timeout", "wait_for_transcript", "kwargs"}
    assert start.VADUserTurnStartStrategy()._enable_interruptions


def test_pipecat_waits_for_the_latency_of_an_stt_as_the_remarks_say():
    stop = pytest.importorskip("pipecat.turns.user_stop")
    source = inspect.getsource(stop.SpeechTimeoutUserTurnStopStrategy._handle_vad_user_stopped_speaking)
    assert "max(0.0, self._stt_timeout - self._stop_secs)" in source
    assert any("`ttfs_p99_latency=0`" in remark for remark in bl.export_setting(SETTING, "pipecat").remarks)


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


@settings(max_examples=examples(60), deadline=None)
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
