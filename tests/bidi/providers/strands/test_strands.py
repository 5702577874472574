"""Events of Strands agents as ours: sequences as their models make them, written from strands-agents 1.54 and 1.62."""

import base64
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.bidi.log.eventlog import LogEntry
from bidilab.bidi.providers.strands import StrandsAudio, StrandsEvents, strands_input
from bidilab.bidi.providers.strands.events import HANDLERS
from bidilab.bidi.types.events import (
    BidiAudioInputEvent,
    BidiAudioStreamEvent,
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiImageInputEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    BidiUsageEvent,
    ToolResultEvent,
)
from bidilab.core.errors import AudioError, EventError, InvalidParameterError

PCM = bytes(range(200))
OLD = StrandsAudio(input_rate=16_000, output_rate=24_000, channels=1, takes_content=False)
NEW = StrandsAudio(input_rate=16_000, output_rate=24_000, channels=1, takes_content=True)


def event(kind, **fields):
    return {"type": kind, **fields}


def audio(kind="bidi_audio_stream", **fields):
    encoded = base64.b64encode(PCM).decode()
    return event(kind, audio=encoded, format="pcm", sample_rate=24_000, channels=1, **fields)


def told(events, *given, active=()):
    return [one for given_one in given for one in events.feed(given_one, active=active)]


def shapes(events):
    return [
        (one.type, getattr(one, "response_id", None) or getattr(one, "interrupted_response_id", None)) for one in events
    ]


def test_a_response_of_each_generation():
    start = event("bidi_response_start", response_id="r")
    old = told(StrandsEvents(), start, audio(), event("bidi_response_complete", response_id="r", stop_reason="error"))
    new = told(
        StrandsEvents(), start, audio("bidi_audio_delta", content_id="c"), event("bidi_response_stop", response_id="r")
    )
    assert shapes(old) == [("bidi_response_start", "r"), ("bidi_audio_stream", "r"), ("bidi_response_complete", "r")]
    assert shapes(new) == shapes(old)
    assert old[1].data == new[1].data == PCM
    assert (old[1].item_id, new[1].item_id) == (None, "c")
    assert (old[2].stop_reason, new[2].stop_reason) == ("error", "complete")


@pytest.mark.parametrize("kind", ["bidi_interruption", "bidi_barge_in"])
def test_an_interruption_is_one_only_of_what_is_active(kind):
    said = event(kind, reason="user_speech") if kind == "bidi_interruption" else event(kind)
    events = StrandsEvents()
    (idle,) = told(events, said)
    assert (type(idle), idle.type, idle.columns) == (LogEntry, "idle_interruption", {"reason": "user_speech"})
    told(events, event("bidi_response_start", response_id="r"), audio())
    assert events.generating
    (cut,) = told(events, said, active=["r"])
    assert cut == BidiInterruptionEvent("user_speech", interrupted_response_id="r")
    assert not events.generating
    # What still comes of it is its own: the session throws it away.
    assert shapes(told(events, audio())) == [("bidi_audio_stream", "r")]
    assert shapes(told(events, said, active=["a", "b"])) == [("bidi_interruption", "a"), ("bidi_interruption", "b")]


def test_a_model_that_names_no_response():
    """Gemini Live of 1.54: audio, an interruption, transcripts; neither start nor end."""
    events = StrandsEvents()
    assert shapes(told(events, audio(), audio())) == [
        ("bidi_response_start", "strands_1"),
        ("bidi_audio_stream", "strands_1"),
        ("bidi_audio_stream", "strands_1"),
    ]
    assert events.unnamed == "strands_1"
    told(events, event("bidi_interruption", reason="user_speech"), active=["strands_1"])
    assert (events.unnamed, events.generating, events.end_unnamed()) == (None, False, [])
    assert shapes(told(events, audio()))[0] == ("bidi_response_start", "strands_2")
    assert events.end_unnamed() == [BidiResponseCompleteEvent("strands_2", "complete")]
    told(events, audio())
    named = told(events, event("bidi_response_start", response_id="r"))
    assert named == [BidiResponseCompleteEvent("strands_3", "complete"), BidiResponseStartEvent("r")]


def test_starts_that_are_repeated():
    """Nova Sonic of 1.54: a start at every content block, also after the interruption, all of one completion."""
    events, start = StrandsEvents(), event("bidi_response_start", response_id="c")
    assert shapes(told(events, start, start, audio(), start)) == [
        ("bidi_response_start", "c"),
        ("bidi_audio_stream", "c"),
    ]
    told(events, event("bidi_interruption", reason="user_speech"), active=["c"])
    assert shapes(told(events, start, audio())) == [("bidi_response_start", "c-2"), ("bidi_audio_stream", "c-2")]
    done = event("bidi_response_complete", response_id="c", stop_reason="complete")
    assert told(events, done) == [BidiResponseCompleteEvent("c-2", "complete")]
    (unknown,) = told(events, done)
    assert (unknown.type, unknown.columns) == ("unknown_completion", {"response_id": "c"})


def test_transcripts_of_the_three_shapes():
    old = event("bidi_transcript_stream", delta={"text": "Hi"}, text="Hi", role="user", is_final=True)
    (final,) = told(StrandsEvents(), {**old, "current_transcript": "Hi"})
    assert final == BidiTranscriptStreamEvent({"text": "Hi"}, "Hi", "user", True, "Hi")
    of_157 = [
        event("bidi_transcript_stream", delta="Good ", role="assistant"),
        event("bidi_transcript_stream", delta="day", role="assistant"),
        event("bidi_transcript_complete", transcript="Good day.", role="assistant"),
    ]
    of_158 = [
        event("bidi_transcript_delta", delta="Good ", role="assistant", content_id="c"),
        event("bidi_transcript_delta", delta="day", role="assistant", content_id="c"),
        event("bidi_transcript_block", transcript="Good day.", role="assistant", content_id="c"),
    ]
    for given_events in (of_157, of_158):
        read = told(StrandsEvents(), *given_events)
        assert [one.text for one in read] == ["Good ", "day", "Good day."]
        assert [one.current_transcript for one in read] == ["Good ", "Good day", "Good day."]
        assert [one.is_final for one in read] == [False, False, True]


def test_tools_are_strands_own():
    """They become rows: an event would make the session here call them once more."""
    use = {"toolUseId": "t", "name": "clock", "input": {}}
    result = event("tool_result", tool_result={"toolUseId": "t", "status": "success", "content": []})
    for asked in (
        event("tool_use_stream", delta={}, current_tool_use=use),
        event("bidi_tool_use_blocks", tool_uses=[use]),
    ):
        events = StrandsEvents()
        told(events, event("bidi_response_start", response_id="r"))
        (row,) = told(events, asked)
        assert (row.type, row.source, row.columns) == (
            "tool_use_stream",
            "model",
            {"response_id": "r", "item_id": "t"},
        )
        assert events.calls == {"t"}
        (stop,) = told(events, event("bidi_response_stop", response_id="r"))
        assert stop.stop_reason == "tool_use"
        (row,) = told(events, result)
        assert (row.type, row.source, events.calls) == ("tool_result", "agent", set())


def test_usage_and_connection():
    (old,) = told(StrandsEvents(), event("bidi_usage", inputTokens=3, outputTokens=4, totalTokens=7))
    assert old == BidiUsageEvent(3, 4, 7)
    details = {"input_token_details": {"audio": 2, "cache_read": 1}, "output_token_details": {"text": 4}}
    (new,) = told(StrandsEvents(), event("bidi_usage", input_tokens=3, output_tokens=4, total_tokens=7, **details))
    by_modality = [
        {"modality": "text", "input_tokens": 0, "output_tokens": 4},
        {"modality": "audio", "input_tokens": 2, "output_tokens": 0},
    ]
    assert new == BidiUsageEvent(3, 4, 7, by_modality, 1)
    events = StrandsEvents()
    told(events, event("bidi_response_start", response_id="r"))
    lost = told(events, event("bidi_connection_restart", reason="scheduled", timeout_error=None))
    assert lost[0] == BidiResponseCompleteEvent("r", "error")
    assert isinstance(lost[1], BidiConnectionRestartEvent)
    assert lost[1].message == "scheduled by Strands"
    (close,) = told(events, event("bidi_connection_stop", connection_id="c", reason="user_request"))
    assert close == BidiConnectionCloseEvent("c", "user_request")


def test_what_has_no_like_here_is_a_row():
    (row,) = told(StrandsEvents(), event("bidi_reasoning_delta", delta="hm", content_id="c"))
    assert (row.type, row.source, row.detail) == ("bidi_reasoning_delta", "model", {"delta": "hm", "content_id": "c"})
    (message,) = told(StrandsEvents(), {"message": {"role": "user"}})  # ToolResultMessageEvent names no type
    assert (message.type, message.detail) == ("strands_message", {"message": {"role": "user"}})


@given(st.data())
def test_a_malformed_event_is_named(data):
    kind = data.draw(st.sampled_from([*HANDLERS, "bidi_interruption"]))
    keys = st.sampled_from(["response_id", "audio", "format", "role", "delta", "text", "reason", "current_tool_use"])
    fields = data.draw(st.dictionaries(keys, st.none() | st.integers() | st.text(max_size=4), max_size=4))
    problem = None
    try:
        told(StrandsEvents(), event(kind, **fields), active=["r"])
    except EventError as error:
        problem = str(error)
    assert problem is None or kind in problem  # nothing else comes out


def test_an_event_that_lacks_a_key():
    with pytest.raises(EventError, match="bidi_audio_delta of the Strands agent: KeyError: 'audio'"):
        told(StrandsEvents(), event("bidi_audio_delta", content_id="c"))
    with pytest.raises(EventError, match="reason must be one of"):
        told(StrandsEvents(), event("bidi_interruption", reason="boredom"), active=["r"])


def test_the_audio_of_a_model():
    class New:
        def get_audio_config(self):
            return {
                "input": {"sample_rate": 16_000, "channels": 1, "format": "pcm"},
                "output": {"sample_rate": 24_000, "channels": 1, "format": "pcm"},
            }

    rates = {"input_rate": 16_000, "output_rate": 24_000}
    old = SimpleNamespace(config={"audio": {**rates, "channels": 1, "format": "pcm", "voice": "x"}})
    opus = SimpleNamespace(config={"audio": {**rates, "format": "opus"}})
    assert StrandsAudio.of(New(), takes_content=True) == NEW
    assert StrandsAudio.of(old, takes_content=False) == OLD
    assert OLD.config == {"input_rate": 16_000, "output_rate": 24_000, "channels": 1, "format": "pcm"}
    for wrong, name in ((object(), "agent.model"), (opus, "format")):
        with pytest.raises(InvalidParameterError, match=name):
            StrandsAudio.of(wrong, takes_content=True)


def test_what_is_said_to_it():
    chunk = BidiAudioInputEvent.from_pcm(PCM, sample_rate=16_000)
    assert strands_input(chunk, NEW) == {"audio_delta": {"format": "pcm", "source": {"bytes": PCM}}}
    assert strands_input(chunk, OLD) == {
        "type": "bidi_audio_input",
        "audio": base64.b64encode(PCM).decode(),
        "format": "pcm",
        "sample_rate": 16_000,
        "channels": 1,
    }
    image = BidiImageInputEvent(PCM, "image/png")
    assert strands_input(image, NEW) == {"image": {"format": "png", "source": {"bytes": PCM}}}
    assert strands_input(image, OLD)["mime_type"] == "image/png"
    assert strands_input(BidiTextInputEvent("Hello"), OLD) == strands_input(BidiTextInputEvent("Hello"), NEW) == "Hello"
    with pytest.raises(AudioError, match="16000 Hz"):
        strands_input(BidiAudioInputEvent.from_pcm(PCM, sample_rate=8_000), NEW)
    result = ToolResultEvent({"toolUseId": "t", "status": "success", "content": []})
    for wrong in (BidiTextInputEvent("Hello", "assistant"), result, BidiAudioStreamEvent(PCM, "pcm", 16_000, 1)):
        with pytest.raises(InvalidParameterError):
            strands_input(wrong, NEW)
