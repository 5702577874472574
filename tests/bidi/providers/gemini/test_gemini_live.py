"""The model with the real ``google-genai`` package, over TLS on the loopback, against the stand-in."""

import logging

import numpy as np
import pytest

from bidilab.bidi.models import BidiGeminiLiveModel, PlaybackReport
from bidilab.bidi.types.events import (
    BidiAudioInputEvent,
    BidiAudioStreamEvent,
    BidiConnectionRestartEvent,
    BidiConnectionStartEvent,
    BidiImageInputEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    BidiUsageEvent,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from bidilab.core.errors import CredentialsError, InvalidParameterError, MissingExtraError, SessionError
from bidilab.detect.turns import GeminiActivityDetection
from tests.bidi.providers.gemini.loopback import (
    GENERATED,
    INTERRUPTED,
    KEY,
    OUTPUT_RATE,
    RATE,
    TURN_COMPLETE,
    answer,
    audio,
    content,
    run,
)

MANUAL = {"turn_detection": None}


def noise(ms):
    """Speech to an energy VAD: PCM16 bytes."""
    samples = np.random.default_rng(1).normal(0, 6000, ms * RATE // 1000)
    return np.clip(samples, -32768, 32767).astype("<i2").tobytes()


def spoken(client, role):
    return [e.text for e in client.of(BidiTranscriptStreamEvent) if e.role == role and e.is_final]


def test_the_setup_says_all_that_was_asked_for():
    detection = {
        "start_of_speech_sensitivity": "LOW",
        "end_of_speech_sensitivity": "END_SENSITIVITY_LOW",
        "prefix_padding_ms": 40,
        "silence_duration_ms": 300,
        "activity_handling": "NO_INTERRUPTION",
        "turn_coverage": "TURN_INCLUDES_ALL_INPUT",
    }
    config = {
        "audio": {"voice": "Puck", "input_rate": 16000},
        "inference": {"temperature": 0.3, "outputAudioTranscription": {}},
        "turn_detection": detection,
    }
    tools = [{"name": "weather", "description": "Of a city.", "inputSchema": {"json": {"type": "object"}}}]

    async def scenario(server, client):
        await client.barrier()

    server, client = run(scenario, provider_config=config, start={"system_prompt": "Be brief.", "tools": tools})
    (setup,) = server.setups
    assert setup["realtimeInputConfig"] == {
        "automaticActivityDetection": {
            "disabled": False,
            "startOfSpeechSensitivity": "START_SENSITIVITY_LOW",
            "endOfSpeechSensitivity": "END_SENSITIVITY_LOW",
            "prefixPaddingMs": 40,
            "silenceDurationMs": 300,
        },
        "activityHandling": "NO_INTERRUPTION",
        "turnCoverage": "TURN_INCLUDES_ALL_INPUT",
    }
    generation = setup["generationConfig"]
    assert generation["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"] == "Puck"
    assert (generation["temperature"], generation["responseModalities"]) == (0.3, ["AUDIO"])
    assert setup["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert setup["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == {"type": "object"}
    assert (setup["inputAudioTranscription"], setup["outputAudioTranscription"]) == ({}, {})
    assert client.model.config["turn_detection"] == setup["realtimeInputConfig"]


def test_generation_and_turn_are_told_apart():
    async def scenario(server, client):
        await client.model.send(BidiTextInputEvent("Count."))
        await server.got("text")
        await server.say(content(inputTranscription={"text": "Count."}))
        await server.say(audio(2400))
        await server.say(content(outputTranscription={"text": "One "}))
        await server.say(content(outputTranscription={"text": "two."}))
        await client.barrier()
        assert client.of(BidiResponseCompleteEvent) == []
        await server.say(GENERATED)
        await client.barrier()
        assert [e.stop_reason for e in client.of(BidiResponseCompleteEvent)] == ["complete"]
        assert spoken(client, "assistant") == []  # the turn goes on, and words may come still
        await server.say(content(outputTranscription={"text": " Three."}))
        await server.say(TURN_COMPLETE)
        await client.barrier()

    _, client = run(scenario)
    assert spoken(client, "assistant") == ["One two. Three."]
    assert spoken(client, "user") == ["Count."]
    assert len(client.of(BidiResponseCompleteEvent)) == 1
    assert len(client.of(BidiResponseStartEvent)) == 1


def test_barge_in_while_generating_and_what_comes_late():
    # generated  |0.0: 2 s of audio|
    # played     |0.0 ... 0.5 s, interrupted: heard 0.5 s = 12000 samples|   late audio is dropped to the turn's end
    async def scenario(server, client):
        await server.say(audio(2 * OUTPUT_RATE))
        await client.barrier()
        server.clock.t = 0.5
        await server.say(INTERRUPTED)
        await server.say(audio(2400))
        await server.say(content(outputTranscription={"text": "late"}))
        await server.say(TURN_COMPLETE)
        for message in answer():
            await server.say(message)
        await client.barrier()

    _, client = run(scenario)
    (cut,) = client.of(BidiInterruptionEvent)
    assert (cut.reason, cut.interrupted_response_id) == ("user_speech", "response_1")
    assert (cut.heard_samples, cut.generated_samples) == (12000, 2 * OUTPUT_RATE)
    assert [e.stop_reason for e in client.of(BidiResponseCompleteEvent)] == ["interrupted", "complete"]
    assert sum(len(e.data) // 2 for e in client.of(BidiAudioStreamEvent)) == 2 * OUTPUT_RATE + 2400
    assert spoken(client, "assistant") == ["Yes."]
    turn = [row for row in client.rows("turn_complete") if row.response_id == "response_1"]
    assert '"late_samples":2400' in turn[0].detail


def test_barge_in_after_the_generation_while_it_still_plays():
    # generated  |0.0: 2 s, complete|      the server takes it to be played, and has not ended the turn
    async def scenario(server, client):
        await server.say(audio(2 * OUTPUT_RATE))
        await server.say(GENERATED)
        await client.barrier()
        server.clock.t = 1.0
        await server.say(INTERRUPTED)
        await server.say(TURN_COMPLETE)
        await client.barrier()

    _, client = run(scenario)
    (cut,) = client.of(BidiInterruptionEvent)
    assert cut.heard_samples == OUTPUT_RATE
    assert [e.stop_reason for e in client.of(BidiResponseCompleteEvent)] == ["complete", "interrupted"]


def test_an_interruption_of_nothing_audible_is_no_interruption():
    async def scenario(server, client):
        await server.say(audio(2400))
        await server.say(GENERATED)
        await client.barrier()
        response = client.of(BidiResponseStartEvent)[0].response_id
        report = PlaybackReport(
            kind="drained", response_id=response, heard_samples=2400, sample_rate=OUTPUT_RATE, at_s=0.1
        )
        client.model.playback(report)
        server.clock.t = 1.0
        await server.say(INTERRUPTED)
        await server.say(TURN_COMPLETE)
        await client.barrier()

    _, client = run(scenario)
    assert client.of(BidiInterruptionEvent) == []
    assert len(client.rows("interrupted_inaudible")) == 1


def test_activity_by_hand():
    # The turn of the model is over, and its sound is not: nothing will come of the server, so the client cuts.
    answers = {"activityEnd": [audio(2 * OUTPUT_RATE), GENERATED, TURN_COMPLETE]}

    async def scenario(server, client):
        with pytest.raises(SessionError, match="no activity is open"):
            await client.model.activity_end()
        await client.model.activity_start()
        await client.model.send(BidiAudioInputEvent.from_pcm(noise(100), sample_rate=RATE))
        await client.model.activity_end()
        await client.until(BidiResponseCompleteEvent)
        await client.barrier()
        server.clock.t = 0.25
        await client.model.activity_start()
        cut = await client.until(BidiInterruptionEvent)  # at once: no message of the server is needed
        assert cut.heard_samples == OUTPUT_RATE // 4
        with pytest.raises(SessionError, match="open already"):
            await client.model.activity_start()
        await client.model.end_of_audio()
        await server.got("activityEnd", 2)

    server, client = run(scenario, server={"answers": answers}, provider_config=MANUAL)
    assert server.setups[0]["realtimeInputConfig"]["automaticActivityDetection"] == {"disabled": True}
    kinds = [next(iter(message["realtimeInput"])) for message in server.received]
    assert kinds == ["activityStart", "audio", "activityEnd", "activityStart", "activityEnd"]
    assert [e.stop_reason for e in client.of(BidiResponseCompleteEvent)][:2] == ["complete", "interrupted"]


def test_activity_by_hand_is_refused_where_the_server_detects():
    async def scenario(server, client):
        with pytest.raises(SessionError, match="disabled"):
            await client.model.activity_start()

    run(scenario)


def test_voice_activity_of_the_server_is_logged_in_positions_of_the_stream():
    async def scenario(server, client):
        await client.say(noise(100))
        await server.say({"voiceActivity": {"type": "ACTIVITY_START", "audioOffset": "0.05s"}})
        await client.barrier()

    _, client = run(scenario)
    (row,) = client.rows("voice_activity")
    assert (row.source, row.input_samples) == ("detector", 1600)
    assert '"activity_samples":800' in row.detail


def test_a_tool_answers_and_a_cancelled_one_is_not_told():
    call = {"toolCall": {"functionCalls": [{"id": "c1", "name": "weather", "args": {"city": "Bern"}}]}}
    result = {"toolUseId": "c1", "status": "success", "content": [{"text": "18 degrees"}]}

    async def scenario(server, client):
        await server.say(call)
        use = await client.until(ToolUseStreamEvent)
        assert use.current_tool_use == {"toolUseId": "c1", "name": "weather", "input": {"city": "Bern"}}
        await client.model.send(ToolResultEvent(result))
        (told,) = await server.got("toolResponse")
        assert told == {"functionResponses": [{"id": "c1", "name": "weather", "response": {"output": "18 degrees"}}]}
        await server.say({"toolCall": {"functionCalls": [{"id": "c2", "name": "weather", "args": {}}]}})
        await client.until(ToolUseStreamEvent, 2)
        await server.say({"toolCallCancellation": {"ids": ["c2"]}})
        await client.barrier()
        await client.model.send(ToolResultEvent({**result, "toolUseId": "c2"}))
        await client.model.send(BidiTextInputEvent("ping"))
        await server.got("text")
        assert len(server.of("toolResponse")) == 1

    _, client = run(scenario)
    assert [e.stop_reason for e in client.of(BidiResponseCompleteEvent)][:1] == ["tool_use"]
    assert len(client.rows("tool_result_cancelled")) == 1


def test_usage_by_modality():
    usage = {
        "promptTokenCount": 10,
        "responseTokenCount": 7,
        "totalTokenCount": 17,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 8}, {"modality": "TEXT", "tokenCount": 2}],
        "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 7}],
    }

    async def scenario(server, client):
        await server.say({"usageMetadata": usage})
        await client.until(BidiUsageEvent)

    _, client = run(scenario)
    (event,) = client.of(BidiUsageEvent)
    assert (event.input_tokens, event.output_tokens, event.total_tokens) == (10, 7, 17)
    assert event.modality_details == [
        {"modality": "audio", "input_tokens": 8, "output_tokens": 7},
        {"modality": "text", "input_tokens": 2, "output_tokens": 0},
    ]


def test_the_conversation_so_far_is_told_first():
    messages = [
        {"role": "user", "content": [{"text": "I am Ada."}]},
        {"role": "assistant", "content": [{"text": "Hello, Ada."}]},
    ]

    async def scenario(server, client):
        (told,) = await server.got("clientContent")
        assert told["turnComplete"] is True
        assert [(turn["role"], turn["parts"][0]["text"]) for turn in told["turns"]] == [
            ("user", "I am Ada."),
            ("model", "Hello, Ada."),
        ]

    server, _ = run(scenario, start={"messages": messages})
    assert server.setups[0]["historyConfig"] == {"initialHistoryInClientContent": True}


def test_an_image_is_a_frame():
    async def scenario(server, client):
        await client.model.send(BidiImageInputEvent(b"\xff\xd8\xff", "image/jpeg"))
        (frame,) = await server.got("video")
        assert frame["mimeType"] == "image/jpeg"

    run(scenario)


def test_go_away_moves_at_the_end_of_the_turn_and_resumes_by_the_handle():
    async def scenario(server, client):
        await server.say(audio(2400))
        await server.say({"goAway": {"timeLeft": "10s"}})
        await client.barrier()
        assert client.of(BidiConnectionRestartEvent) == []  # a response is being generated
        await server.say(GENERATED)
        await server.say(TURN_COMPLETE)
        restart = await client.until(BidiConnectionRestartEvent)
        assert "goAway" in restart.message
        await client.until(BidiConnectionStartEvent, 2)
        await client.model.send(BidiTextInputEvent("Still there?"))
        await server.got("text")

    server, client = run(scenario)
    assert [setup["sessionResumption"] for setup in server.setups] == [{}, {"handle": "handle-1"}]
    assert server.of("clientContent") == []  # the session goes on: it needs no telling
    assert [e.stop_reason for e in client.of(BidiResponseCompleteEvent)] == ["complete"]
    assert "handle-1" not in client.log.to_frame().to_csv()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"turn_detection": {"threshold": 0.5}}, "start_of_speech_sensitivity.*got 'threshold'"),
        ({"turn_detection": {"activity_handling": "MAYBE"}}, "START_OF_ACTIVITY_INTERRUPTS"),
        ({"audio": {"output_rate": 16000}}, "24000, the only one that the API has"),
        ({"inference": {"voice": "Puck"}}, "got 'voice'"),
        ({"inference": {"temperature": "hot"}}, "temperature must be what google-genai accepts"),
        ({"inference": {"response_modalities": ["VIDEO"]}}, r"\['AUDIO'\] or \['TEXT'\]"),
        ({"session": {}}, "audio, inference, turn_detection"),
    ],
)
def test_nothing_is_ignored(config, message):
    with pytest.raises(InvalidParameterError, match=message):
        BidiGeminiLiveModel(provider_config=config, client_config={"api_key": KEY})


def test_a_parameter_class_is_taken_as_it_is():
    model = BidiGeminiLiveModel(
        provider_config={"turn_detection": GeminiActivityDetection(silence_duration_ms=300)},
        client_config={"api_key": KEY},
    )
    assert model.config["turn_detection"]["automaticActivityDetection"]["silenceDurationMs"] == 300
    assert KEY not in repr(model)


def test_without_a_key_it_says_which_variable(monkeypatch):
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(CredentialsError, match="GOOGLE_API_KEY or GEMINI_API_KEY"):
        BidiGeminiLiveModel()
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    BidiGeminiLiveModel()


def test_without_the_extra_it_says_the_command(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "google.genai", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'bidilab\[gemini\]'"):
        BidiGeminiLiveModel(client_config={"api_key": KEY})


def test_the_key_is_logged_nowhere(caplog):
    async def scenario(server, client):
        await client.barrier()

    with caplog.at_level(logging.DEBUG):
        server, client = run(scenario)
    ours = [record for record in caplog.records if record.name != "websockets.server"]  # the stand-in's side
    assert ours
    assert not [record for record in ours if KEY in record.getMessage()]
    assert KEY not in client.log.to_frame().to_csv()
    assert all(KEY not in path for path in server.paths)


def test_settled_waits_for_what_is_owed():
    answers = {"text": [audio(2400)]}

    async def scenario(server, client):
        await client.model.send(BidiTextInputEvent("Hi."))
        await client.until(BidiAudioStreamEvent)
        server.clock.t = 14.0  # of 15 s that a silent service is given
        await server.say(GENERATED)
        await server.say(TURN_COMPLETE)
        await client.barrier()
        server.clock.t = 19.0  # 5 s later: more than settle_s
        await client.model.settled()

    _, client = run(scenario, server={"answers": answers})
    assert client.rows("settle_timeout") == []
