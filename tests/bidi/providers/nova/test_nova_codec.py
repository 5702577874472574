"""The codec against sequences written by hand from the Amazon Nova 2 user guide (input and output events, 2026-11).

The barge-in of most tests: one response with one block of audio, 16 samples a millisecond::

    service  SPECULATIVE  audio 100 ms  audio 100 ms   { "interrupted" : true }  contentEnd INTERRUPTED
    client   start        ──────── played ─────────    cut                       nothing more
"""

import base64
import json
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.bidi.providers.history import History
from bidilab.bidi.providers.nova import HANDLERS, Failure, NovaSettings, NovaSonicCodec
from bidilab.bidi.providers.nova.blocks import Conversation
from bidilab.bidi.providers.nova.connection import lost
from bidilab.bidi.providers.nova.messages import pieces, within_limits
from bidilab.bidi.types.events import (
    BidiAudioInputEvent,
    BidiAudioStreamEvent,
    BidiErrorEvent,
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
from bidilab.core.errors import AudioError, CredentialsError, InvalidParameterError, ProviderConnectionError
from tests.bidi.providers.lives import Lives

V2 = "amazon.nova-2-sonic-v1:0"
CHUNK = bytes(3200)  # 100 ms at 16 kHz
MARKER = '{ "interrupted" : true }'
LOST = lost("gone")


def codec(system_prompt=None, tools=(), earlier=(), **provider_config):
    names = count(1)
    settings = NovaSettings.from_config(provider_config, model_id=V2)
    conversation = Conversation(settings=settings, new_name=lambda: f"n{next(names)}")
    made = NovaSonicCodec(settings, system_prompt=system_prompt, tools=tools, conversation=conversation)
    made.begin(earlier)
    return made


def opened(**config):
    made = codec(**config)
    made.take_messages()
    made.take_rows()
    return made


def event(name, **body):
    return {"event": {name: body}}


def text_start(content, role="ASSISTANT", stage="SPECULATIVE"):
    fields = json.dumps({"generationStage": stage})
    return event("contentStart", contentId=content, type="TEXT", role=role, additionalModelFields=fields)


def said(content, text):
    return event("textOutput", contentId=content, content=text)


def end(content, kind, reason):
    return event("contentEnd", contentId=content, type=kind, stopReason=reason)


def text(content, words, role="ASSISTANT", stage="SPECULATIVE", reason="PARTIAL_TURN"):
    return [text_start(content, role, stage), said(content, words), end(content, "TEXT", reason)]


def audio_start(content="a1", rate=16000):
    config = {"sampleRateHertz": rate}
    return event("contentStart", contentId=content, type="AUDIO", role="ASSISTANT", audioOutputConfiguration=config)


def audio(content="a1", pcm=CHUNK):
    return event("audioOutput", contentId=content, content=base64.b64encode(pcm).decode())


def fed(c, *messages, audible=()):
    return [made for message in messages for made in c.feed(message, audible=audible)]


def sent(c):
    return [next(iter(message["event"].items())) for message in c.take_messages()]


def names(c):
    return [name for name, _ in sent(c)]


def rows(c):
    return {row.type: row for row in c.take_rows()}


def pcm(n_samples, rate=16000):
    return BidiAudioInputEvent.from_pcm(bytes(2 * n_samples), sample_rate=rate)


# What is asked for


def test_the_first_events_of_a_connection_in_their_order():
    c = codec(
        system_prompt="Be brief.",
        tools=[{"name": "t", "description": "does", "inputSchema": {"json": {"type": "object"}}}],
        earlier=[{"role": "user", "content": [{"text": "hello"}]}, {"role": "assistant", "content": [{"text": "hi"}]}],
        audio={"output_rate": 24000, "voice": "tiffany"},
        inference={"max_tokens": 100, "top_p": 0.9, "temperature": 0.5},
        turn_detection={"endpointingSensitivity": "HIGH"},
    )
    messages = sent(c)
    block = ["contentStart", "textInput", "contentEnd"]
    assert [name for name, _ in messages] == ["sessionStart", "promptStart", *block, *block, *block]
    assert messages[0][1] == {
        "inferenceConfiguration": {"maxTokens": 100, "topP": 0.9, "temperature": 0.5},
        "turnDetectionConfiguration": {"endpointingSensitivity": "HIGH"},
    }
    prompt = messages[1][1]
    assert prompt["promptName"] == "n1"
    assert prompt["audioOutputConfiguration"] == {
        "mediaType": "audio/lpcm",
        "sampleRateHertz": 24000,
        "sampleSizeBits": 16,
        "channelCount": 1,
        "audioType": "SPEECH",
        "encoding": "base64",
        "voiceId": "tiffany",
    }
    tool = {"name": "t", "description": "does", "inputSchema": {"json": '{"type": "object"}'}}
    assert prompt["toolConfiguration"] == {"tools": [{"toolSpec": tool}]}
    assert prompt["toolUseOutputConfiguration"] == {"mediaType": "application/json"}
    starts = [body for name, body in messages if name == "contentStart"]
    assert [(s["role"], s["interactive"], s["promptName"]) for s in starts] == [
        ("SYSTEM", False, "n1"),
        ("USER", False, "n1"),
        ("ASSISTANT", False, "n1"),
    ]
    assert len({s["contentName"] for s in starts}) == 3
    assert [body["content"] for name, body in messages if name == "textInput"] == ["Be brief.", "hello", "hi"]


def test_what_is_not_set_is_left_to_the_service():
    ((_, session), (_, prompt)) = sent(codec())
    assert session == {"inferenceConfiguration": {}}
    assert "toolConfiguration" not in prompt
    assert prompt["audioOutputConfiguration"]["sampleRateHertz"] == 16000


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"turn_detection": {"endpointing": "HIGH"}}, "endpointing"),
        ({"turn_detection": {"endpointingSensitivity": "FAST"}}, "HIGH"),
        ({"turn_detection": "HIGH"}, "endpointingSensitivity"),
        ({"audio": {"output_rate": 44100}}, "24000"),
        ({"audio": {"channels": 2}}, "1, the only one that Nova Sonic has"),
        ({"audio": {"speed": 2}}, "speed"),
        ({"inference": {"topP": 1}}, "topP"),
        ({"inference": {"temperature": 1.5}}, r"\[0, 1\]"),
        ({"inference": {"max_tokens": 0}}, "max_tokens"),
        ({"modalities": []}, "modalities"),
    ],
)
def test_nothing_asked_for_is_ignored(config, words):
    with pytest.raises(InvalidParameterError, match=words):
        NovaSettings.from_config(config, model_id=V2)


def test_v1_has_no_turn_detection():
    v1 = "amazon.nova-sonic-v1:0"
    assert NovaSettings.from_config({"turn_detection": {}}, model_id=v1).turn_detection_configuration is None
    with pytest.raises(InvalidParameterError, match="nova-sonic-v1:0 has no turn detection"):
        NovaSettings.from_config({"turn_detection": {"endpointingSensitivity": "LOW"}}, model_id=v1)


def test_the_pause_is_the_settings_or_the_longest():
    # Nova 2 user guide, "Turn-taking controllability": HIGH 1.5 s, MEDIUM 1.75 s, LOW 2 s.
    of = {s: NovaSettings.from_config({"turn_detection": {"endpointingSensitivity": s}}, model_id=V2).pause_ms for s in
          ("HIGH", "MEDIUM", "LOW")}  # fmt: skip
    assert of == {"HIGH": 1500, "MEDIUM": 1750, "LOW": 2000}
    assert NovaSettings().pause_ms == 2000


# Responses


def test_a_response_from_start_to_end():
    c = opened()
    events = fed(
        c,
        event("completionStart", completionId="c1", sessionId="s1", promptName="n1"),
        *text("u1", "how are you", role="USER", stage="FINAL"),
        *text("t1", "I am well."),
        audio_start(),
        audio(),
        audio(),
        end("a1", "AUDIO", "END_TURN"),
        *text("t2", "I am well.", stage="FINAL", reason="END_TURN"),
    )
    assert [type(e) for e in events] == [
        BidiTranscriptStreamEvent,
        BidiResponseStartEvent,
        BidiTranscriptStreamEvent,
        BidiAudioStreamEvent,
        BidiAudioStreamEvent,
        BidiResponseCompleteEvent,
        BidiTranscriptStreamEvent,
    ]
    user, start, planned, first, _, complete, spoken = events
    assert (user.role, user.text, user.is_final, user.item_id, user.response_id) == (
        "user",
        "how are you",
        True,
        "u1",
        None,
    )
    assert (planned.role, planned.is_final, planned.item_id) == ("assistant", False, "t1")
    assert (spoken.role, spoken.is_final, spoken.item_id) == ("assistant", True, "t2")
    assert {start.response_id, planned.response_id, first.response_id, spoken.response_id} == {complete.response_id}
    assert (first.sample_rate, len(first.data), first.item_id) == (16000, 3200, "a1")
    assert complete.stop_reason == "complete"
    assert c.settled
    assert rows(c)["response_done"].detail == {"generated_samples": 3200, "sample_rate": 16000}


def test_sentences_are_one_response_and_turns_are_several():
    c = opened()
    events = fed(
        c,
        *text("t1", "One."),
        audio_start("a1"),
        audio("a1"),
        end("a1", "AUDIO", "PARTIAL_TURN"),
        *text("t2", "Two."),
        audio_start("a2"),
        audio("a2"),
        end("a2", "AUDIO", "END_TURN"),
        *text("t3", "Three."),
    )
    assert [e.response_id for e in events if isinstance(e, BidiResponseStartEvent)] == ["response_1", "response_2"]
    assert [e.response_id for e in events if isinstance(e, BidiAudioStreamEvent)] == ["response_1", "response_1"]


def test_a_sample_split_between_two_events_is_put_together():
    c = opened()
    events = fed(c, audio_start(), audio(pcm=b"\x01\x02\x03"), audio(pcm=b"\x04"))
    assert [e.data for e in events if isinstance(e, BidiAudioStreamEvent)] == [b"\x01\x02", b"\x03\x04"]


# Interruption


def generating(c):
    return fed(c, *text("t1", "one two three four"), audio_start(), audio(), audio())


@pytest.mark.parametrize(
    "signs",
    [
        [text_start("i1", stage="FINAL"), said("i1", MARKER), end("i1", "TEXT", "INTERRUPTED")],
        [text_start("i1", stage="FINAL"), said("i1", '{"interrupted":true}'), end("i1", "TEXT", "END_TURN")],
        [text_start("i1", stage="FINAL"), end("i1", "TEXT", "INTERRUPTED")],
        [end("a1", "AUDIO", "INTERRUPTED")],
        [end("a1", "AUDIO", "INTERRUPTED"), *text("i1", MARKER, stage="FINAL", reason="INTERRUPTED")],
    ],
)
def test_either_sign_of_an_interruption_cuts_once(signs):
    c = opened()
    generating(c)
    events = fed(c, *signs)
    assert events == [
        BidiInterruptionEvent("user_speech", interrupted_response_id="response_1"),
        BidiResponseCompleteEvent("response_1", "interrupted"),
    ]
    assert c.settled


def test_of_a_cut_response_no_audio_is_handed_on():
    c = opened()
    generating(c)
    fed(c, text_start("i1", stage="FINAL"), said("i1", MARKER))
    assert fed(c, audio(), audio(), end("a1", "AUDIO", "END_TURN")) == []
    assert fed(c, *text("t2", "anew"))[0] == BidiResponseStartEvent("response_2")


def test_what_was_spoken_of_a_cut_response_is_told_as_its_own():
    c = opened()
    generating(c)
    fed(c, *text("i1", MARKER, stage="FINAL", reason="INTERRUPTED"))
    (spoken,) = fed(c, *text("f1", "one two", stage="FINAL", reason="END_TURN"))
    assert (spoken.response_id, spoken.text, spoken.is_final) == ("response_1", "one two", True)


def test_what_is_only_audible_is_cut_too():
    c = opened()
    generating(c)
    fed(c, end("a1", "AUDIO", "END_TURN"))
    events = fed(c, text_start("i1", stage="FINAL"), said("i1", MARKER), audible={"response_1"})
    assert [type(e) for e in events] == [BidiInterruptionEvent, BidiResponseCompleteEvent]


def test_without_an_active_response_it_is_a_turn_and_no_interruption():
    c = opened()
    generating(c)
    fed(c, end("a1", "AUDIO", "END_TURN"))
    assert fed(c, *text("i1", MARKER, stage="FINAL", reason="INTERRUPTED")) == []
    assert rows(c)["interruption_reported"].detail["responses"] == []


def test_words_of_the_user_under_a_response_are_not_waited_for():
    c = opened()
    generating(c)
    fed(c, *text("u1", "mhm", role="USER", stage="FINAL"))
    assert not c.settled
    fed(c, end("a1", "AUDIO", "END_TURN"))
    assert c.settled


def test_an_open_block_is_waited_for_unless_its_response_was_cut():
    c = opened()
    fed(c, text_start("u1", role="USER", stage="FINAL"))
    assert not c.settled
    fed(c, end("u1", "TEXT", "END_TURN"))
    assert c.settled
    generating(c)
    fed(c, *text("i1", MARKER, stage="FINAL", reason="INTERRUPTED"))
    assert c.settled  # the service need not end the block of audio


def test_a_sentence_about_interruptions_is_no_marker():
    c = opened()
    (_, told) = fed(c, *text("t1", 'say { "interrupted" : true } to me'))
    assert isinstance(told, BidiTranscriptStreamEvent)


def test_the_position_of_an_interruption_is_how_much_had_been_sent():
    c = opened()
    c.encode(pcm(512))
    c.encode(pcm(512))
    generating(c)
    fed(c, *text("i1", MARKER, stage="FINAL", reason="INTERRUPTED"))
    assert rows(c)["interruption_reported"].columns == {"input_samples": 1024}


# Tools


def tool(call_id="x1", content='{"q": 1}'):
    return [
        event("contentStart", contentId="c9", type="TOOL", role="TOOL"),
        event("toolUse", contentId="c9", toolName="look", toolUseId=call_id, content=content),
        end("c9", "TOOL", "TOOL_USE"),
    ]


def test_a_tool_is_asked_for_and_answered():
    c = opened()
    start, use, complete = fed(c, *tool())
    assert isinstance(start, BidiResponseStartEvent)
    assert isinstance(use, ToolUseStreamEvent)
    assert use.current_tool_use == {"toolUseId": "x1", "name": "look", "input": {"q": 1}}
    assert complete == BidiResponseCompleteEvent(start.response_id, "tool_use")
    assert not c.settled
    c.encode(ToolResultEvent({"toolUseId": "x1", "status": "success", "content": [{"json": {"a": 2}}]}))
    (_, opening), (_, result), (_, closing) = sent(c)
    assert (opening["type"], opening["role"], opening["interactive"]) == ("TOOL", "TOOL", False)
    assert opening["toolResultInputConfiguration"]["toolUseId"] == "x1"
    assert json.loads(result["content"]) == {"json": {"a": 2}}
    assert opening["contentName"] == result["contentName"] == closing["contentName"]
    answer = fed(c, *text("t1", "It is 2."))
    assert answer[0] == BidiResponseStartEvent("response_2")


def test_a_failed_tool_says_so_and_a_picture_cannot_be_told():
    c = opened()
    fed(c, *tool())
    failed = {"toolUseId": "x1", "status": "error", "content": [{"text": "no"}]}
    c.encode(ToolResultEvent(failed))
    assert json.loads(sent(c)[1][1]["content"]) == {"error": {"text": "no"}}
    with pytest.raises(InvalidParameterError, match="text or JSON"):
        c.encode(ToolResultEvent({**failed, "content": [{"image": {}}]}))


def test_arguments_that_are_no_json_go_to_the_tool_as_they_are():
    c = opened()
    _, use, _ = fed(c, *tool(content="{q"))
    assert use.current_tool_use["input"] == "{q"
    assert "tool_arguments_invalid" in rows(c)


# Usage


def test_usage_adds_up():
    c = opened()
    delta = {"input": {"speechTokens": 7, "textTokens": 1}, "output": {"speechTokens": 4, "textTokens": 2}}
    (first,) = fed(
        c, event("usageEvent", details={"delta": delta}, totalInputTokens=8, totalOutputTokens=6, totalTokens=14)
    )
    assert first == BidiUsageEvent(
        8,
        6,
        14,
        [
            {"modality": "text", "input_tokens": 1, "output_tokens": 2},
            {"modality": "audio", "input_tokens": 7, "output_tokens": 4},
        ],
    )
    # Without the details, what the totals grew by: 20 - 8 and 9 - 6.
    (second,) = fed(c, event("usageEvent", totalInputTokens=20, totalOutputTokens=9, totalTokens=29))
    assert (second.input_tokens, second.output_tokens, second.total_tokens) == (12, 3, 15)


# Input


def test_audio_is_one_block_for_the_whole_connection():
    c = opened()
    c.encode(pcm(512))
    c.encode(pcm(1500))
    assert names(c) == ["contentStart", "audioInput", "audioInput", "audioInput"]
    c.finish()
    assert names(c) == ["contentEnd", "promptEnd", "sessionEnd"]
    assert c.sent_samples == 2012


def test_audio_of_another_rate_is_resampled():
    c = opened()
    c.encode(pcm(4800, rate=48000))
    c.end_audio(500)
    sizes = [len(base64.b64decode(body["content"])) // 2 for name, body in sent(c) if name == "audioInput"]
    assert sum(sizes) == c.sent_samples == 1600 + 8000  # 100 ms, and the silence
    assert max(sizes) <= 1024


def test_words_of_the_user_are_interactive_and_the_agents_are_refused():
    c = opened()
    c.encode(BidiTextInputEvent("go on"))
    (_, start), (_, body), _ = sent(c)
    assert (start["role"], start["interactive"], body["content"]) == ("USER", True, "go on")
    assert not c.settled
    with pytest.raises(InvalidParameterError, match="role must be 'user'"):
        c.encode(BidiTextInputEvent("I said", "assistant"))


def test_images_and_coded_audio_are_refused():
    c = opened()
    with pytest.raises(InvalidParameterError, match="BidiAudioInputEvent, BidiTextInputEvent, ToolResultEvent"):
        c.encode(BidiImageInputEvent(b"x", "image/png"))
    with pytest.raises(AudioError):
        c.encode(BidiAudioInputEvent(b"x", "mp3", 16000, 1))


# Bad peers


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"event": {}},
        {"event": {"a": {}, "b": {}}},
        event("contentStart", contentId="c", type="VIDEO", role="USER"),
        event("contentStart", contentId="c", type="TEXT", role="ASSISTANT", additionalModelFields="{"),
        event("contentStart", contentId="c", type="TEXT", role="USER", additionalModelFields='{"generationStage":1}'),
        event("contentStart", type="TEXT", role="USER"),
        audio_start(rate=8000),
        said("unknown", "hi"),
        audio("unknown"),
        end("unknown", "TEXT", "END_TURN"),
        event("usageEvent", totalInputTokens=-1, totalOutputTokens=0),
    ],
)
def test_a_malformed_event_is_a_row_and_nothing_else(message):
    c = opened()
    assert fed(c, message) == []
    assert rows(c)["malformed_message"].source == "error"
    assert fed(c, *text("t1", "still here"))


def test_audio_that_is_no_base64_or_in_a_block_of_text():
    c = opened()
    fed(c, audio_start(), text_start("t1"))
    bad = event("audioOutput", contentId="a1", content="***")
    assert fed(c, bad, audio("t1")) == []
    assert "malformed_message" in rows(c)


def test_an_unknown_name_is_logged():
    c = opened()
    assert fed(c, event("novelty", x=1)) == []
    assert rows(c)["unknown_message"].detail == {"name": "novelty", "message": {"x": 1}}


FIELDS = ("contentId", "type", "role", "content", "stopReason", "toolUseId", "toolName", "details", "completionId")
VALUES = st.none() | st.integers() | st.text(max_size=4) | st.sampled_from(["AUDIO", "TEXT", "USER", "ASSISTANT", "a1"])


@given(st.sampled_from(sorted(HANDLERS)), st.dictionaries(st.sampled_from(FIELDS), VALUES))
def test_no_event_of_the_service_raises(name, body):
    c = opened()
    generating(c)
    c.feed(event(name, **body))


SERVER = st.sampled_from(
    [
        event("completionStart", completionId="c1"),
        event("completionEnd", stopReason="INTERRUPTED"),
        event("completionEnd", stopReason="END_TURN"),
        *(text_start(content, role, stage) for content in ("t1", "t2") for role, stage in
          (("ASSISTANT", "SPECULATIVE"), ("ASSISTANT", "FINAL"), ("USER", "FINAL"))),
        *(said(content, words) for content in ("t1", "t2") for words in ("Yes.", MARKER)),
        *(audio_start(content) for content in ("a1", "a2")),
        *(audio(content, pcm) for content in ("a1", "a2") for pcm in (CHUNK, b"\x01")),
        *tool(),
        *(end(content, kind, reason) for content, kind in (("t1", "TEXT"), ("t2", "TEXT"), ("a1", "AUDIO"))
          for reason in ("PARTIAL_TURN", "END_TURN", "INTERRUPTED")),
    ]
)  # fmt: skip


@given(st.data(), st.lists(st.integers(0, 9), min_size=10, max_size=40))
def test_no_sequence_of_events_leaves_the_table_undefined(data, steps):
    c = opened()
    lives = Lives(c)
    for step in steps:
        audible = data.draw(st.sets(st.sampled_from(["response_1", "response_2", "response_3"])))
        match step:
            case 0:
                c.encode(BidiTextInputEvent("And?"))
            case 1:
                c.encode(ToolResultEvent({"toolUseId": "x1", "status": "success", "content": [{"text": "42"}]}))
            case 2:
                lives.take(c.connection_over(LOST))
                c.begin()
            case _:
                lives.take(c.feed(data.draw(SERVER), audible=audible))


# Over several connections


def conversation():
    c = opened()
    fed(c, *text("u1", "what is new", role="USER", stage="FINAL"))
    generating(c)
    return c


def test_a_lost_connection_ends_what_is_generating_with_an_error():
    c = conversation()
    assert list(c.connection_over(LOST)) == [
        BidiInterruptionEvent("error", interrupted_response_id="response_1"),
        BidiResponseCompleteEvent("response_1", "error"),
    ]


def test_what_is_audible_plays_on_when_the_connection_is_lost():
    c = conversation()
    fed(c, end("a1", "AUDIO", "END_TURN"))
    assert c.connection_over(LOST) == ()


@pytest.mark.parametrize(
    ("code", "kind", "error"),
    [
        ("ThrottlingException", "busy", ProviderConnectionError),
        ("AccessDeniedException", "credentials", CredentialsError),
    ],
)
def test_a_failure_of_the_service_is_an_event(code, kind, error):
    c = opened()
    (told,) = c.connection_over(Failure(service="Nova Sonic", code=code, reason="no", kind=kind))
    assert isinstance(told, BidiErrorEvent)
    assert told.code == code
    assert type(told.error) is error


def told(c):
    """Role, interactive and words of each block of text of the next connection."""
    messages = sent(c)
    blocks = {b["contentName"]: [b["role"], b["interactive"], ""] for n, b in messages if n == "contentStart"}
    for name, body in messages:
        if name == "textInput":
            blocks[body["contentName"]][2] += body["content"]
    return [tuple(block) for block in blocks.values()]


def test_the_next_connection_is_told_what_was_said():
    c = conversation()
    fed(c, end("a1", "AUDIO", "END_TURN"), *text("f1", "one two three four", stage="FINAL", reason="END_TURN"))
    c.connection_over(LOST)
    c.begin()
    assert told(c) == [("USER", False, "what is new"), ("ASSISTANT", False, "one two three four")]


def test_of_a_cut_response_the_share_that_was_heard_is_told():
    c = conversation()  # 200 ms of audio for four words
    fed(c, *text("i1", MARKER, stage="FINAL", reason="INTERRUPTED"))
    c.truncate("response_1", 2400, 24000)  # 100 ms
    c.connection_over(LOST)
    c.begin()
    assert told(c)[1] == ("ASSISTANT", False, "one two")


def test_words_that_wait_for_an_answer_are_said_anew():
    c = opened()
    fed(c, *text("u1", "hello", role="USER", stage="FINAL"), *text("t1", "hi"), audio_start(), audio(),
        end("a1", "AUDIO", "END_TURN"))  # fmt: skip
    fed(c, *text("u2", "and now", role="USER", stage="FINAL"))
    c.connection_over(LOST)
    c.encode(BidiTextInputEvent("please"))  # while there is no connection
    c.begin()
    assert told(c) == [("USER", False, "hello"), ("ASSISTANT", False, "hi"), ("USER", True, "and now\nplease")]


def test_audio_without_a_connection_is_dropped_and_counted():
    c = opened()
    c.connection_over(LOST)
    c.encode(pcm(512))
    c.encode(pcm(512))
    assert sent(c) == []
    c.begin()
    assert rows(c)["input_dropped"].detail == {"dropped_samples": 1024, "sample_rate": 16000}
    c.take_messages()
    c.encode(pcm(512))
    assert names(c) == ["contentStart", "audioInput"]


def test_a_result_that_comes_after_a_renewal_is_told_in_words():
    c = opened()
    fed(c, *tool())
    c.connection_over(LOST)
    c.begin()
    c.take_messages()
    c.encode(ToolResultEvent({"toolUseId": "x1", "status": "success", "content": [{"text": "42"}]}))
    assert names(c) == ["contentStart", "textInput", "contentEnd"]


def answered(status="success", words="42"):
    return ToolResultEvent({"toolUseId": "x1", "status": status, "content": [{"text": words}]})


def test_a_call_and_its_result_are_told_to_the_next_connection():
    c = opened()
    fed(c, *text("u1", "look it up", role="USER", stage="FINAL"), *tool())
    c.encode(answered())
    fed(c, *text("t1", "It is 42."), *text("t2", "It is 42.", stage="FINAL", reason="END_TURN"))
    c.connection_over(LOST)
    c.begin()
    (role, interactive, words), answer = told(c)
    assert (role, interactive) == ("USER", False)
    assert words == 'look it up\nThe tool look was called with {"q": 1}. It answered: 42'
    assert answer == ("ASSISTANT", False, "It is 42.")


def test_a_result_that_was_not_answered_is_said_again():
    c = opened()
    fed(c, *text("u1", "look it up", role="USER", stage="FINAL"), *tool())
    c.encode(answered("error", "no such page"))
    c.connection_over(LOST)
    c.begin()
    ((role, interactive, words),) = told(c)
    assert (role, interactive) == ("USER", True)
    assert words.endswith("It failed: no such page")


def test_a_call_and_its_result_from_before_the_session_are_told_in_words():
    use = {"toolUseId": "x1", "name": "look", "input": {"q": 1}}
    open_use = {"toolUseId": "x2", "name": "look", "input": "{q"}
    c = codec(
        earlier=[
            {"role": "user", "content": [{"text": "look it up"}]},
            {"role": "assistant", "content": [{"toolUse": use}, {"toolUse": open_use}]},
            {"role": "user", "content": [{"toolResult": answered().tool_result}]},
            {"role": "user", "content": [{"toolResult": {**answered().tool_result, "toolUseId": "gone"}}]},
        ]
    )
    ((_, _, words),) = told(c)
    assert words.split("\n") == [
        "look it up",
        "The tool look was called with {q. It has not answered.",
        'The tool look was called with {"q": 1}. It answered: 42',
        "A tool answered: 42",
    ]


# History within its limits (Nova 2 user guide, "Managing chat history": 40 KB, 1 KB a textInput; "Handling errors with
# Amazon Nova Sonic": the first message is the user's)


def test_roles_take_turns_and_the_user_begins():
    history = History()
    history.begin([{"role": "assistant", "content": [{"text": "welcome"}]}])
    history.add("user", "one")
    history.add("user", "two")
    history.add("assistant", "three")
    assert within_limits(history.told()).messages == (("USER", "one\ntwo"), ("ASSISTANT", "three"))
    assert within_limits(history.told()).dropped_bytes == len("welcome")


def test_the_newest_that_fits_is_told():
    history = History()
    for number in range(100):
        history.add("user", f"{number} " + "x" * 996)
        history.add("assistant").spoken = "y" * 999
    messages, total = (
        within_limits(history.told()).messages,
        sum(len(t.encode()) for _, t in within_limits(history.told()).messages),
    )
    assert 39_000 <= total <= 40_000
    assert messages[0][0] == "USER"
    assert messages[-1] == ("ASSISTANT", "y" * 999)


def test_one_message_that_is_too_long_keeps_its_end():
    history = History()
    history.add("user", "word " * 20_000 + "last")
    ((_, text_told),) = within_limits(history.told()).messages
    assert len(text_told) <= 40_000
    assert text_told.startswith("word ")
    assert text_told.endswith("word last")


@given(st.text(max_size=400), st.integers(4, 50))
def test_pieces_are_small_and_together_the_text(words, limit):
    parts = list(pieces(words, limit))
    assert "".join(parts) == words
    assert all(0 < len(part.encode()) <= limit for part in parts)


@given(
    st.lists(
        st.tuples(st.sampled_from(["user", "assistant"]), st.text("aé \n", min_size=1, max_size=9000)), max_size=12
    )
)
def test_the_history_is_always_as_the_service_asks(messages):
    history = History()
    history.begin([{"role": role, "content": [{"text": words}]} for role, words in messages])
    made = within_limits(history.told())
    roles = [role for role, _ in made.messages]
    assert roles == ["USER", "ASSISTANT"] * (len(roles) // 2) + ["USER"] * (len(roles) % 2)
    assert sum(len(words.encode()) for _, words in made.messages) <= 40_000
    assert all(words.strip() for _, words in made.messages)


# Chunking


@given(st.lists(st.integers(1, 4000), max_size=20), st.sampled_from([8000, 16000, 44100]))
def test_any_split_of_the_audio_sends_the_same(sizes, rate):
    samples = (b"\x10\x20" * sum(sizes))[: 2 * sum(sizes)]

    def bytes_sent(chunks):
        c = opened()
        start = 0
        for size in chunks:
            c.encode(BidiAudioInputEvent.from_pcm(samples[2 * start : 2 * (start + size)], sample_rate=rate))
            start += size
        c.end_audio(0)
        return b"".join(base64.b64decode(body["content"]) for name, body in sent(c) if name == "audioInput")

    assert bytes_sent(sizes) == bytes_sent([sum(sizes)] if sizes else [])
