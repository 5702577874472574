"""What the local model says when nobody told it what to say."""

import pytest

from bidilab.bidi.agent import BidiAgent
from bidilab.bidi.local.model import BidiLocalModel
from bidilab.bidi.local.voice import RecordedVoice
from bidilab.bidi.types.events import BidiAudioStreamEvent, BidiInterruptionEvent, BidiTranscriptStreamEvent
from bidilab.core.clock import run_virtual
from bidilab.detect.vad import VadSpec
from tests.sessions import PARAMS, Taken, bursts, hold

RATE = 24_000


def default_model(**options):
    return BidiLocalModel(PARAMS, vad=VadSpec(name="energy"), response_delay_ms=200.0, **options)


def spoken_s(taken):
    """Seconds of each response."""
    seconds = {}
    for event in taken.of(BidiAudioStreamEvent):
        seconds[event.response_id] = seconds.get(event.response_id, 0.0) + len(event.data) / 2 / RATE
    return list(seconds.values())


def told(*texts):
    """What a default agent answers to texts, sent one after the other."""

    async def main():
        agent, taken = BidiAgent(default_model()), Taken()
        async with agent:
            sending = [agent.send(text) for text in texts]
            await taken.start(agent)
            for send in sending:
                await send
            async for event in agent.receive():
                await taken(event)
                finals = [e for e in taken.of(BidiTranscriptStreamEvent) if e.role == "assistant" and e.is_final]
                if len(finals) == len(texts):
                    break
        return taken

    return run_virtual(main())


def test_told_to_tell_a_long_story_the_default_agent_speaks_for_15_seconds_in_one_response():
    (story_s,) = spoken_s(told("Tell me a long story"))
    assert story_s >= 15
    short, long = spoken_s(told("Hello", "And now a STORY!"))
    assert short < 4
    assert long >= 15


def test_by_voice_where_nobody_transcribes_every_turn_gets_the_story_and_can_interrupt_it():
    # Bursts end at 0.35 s and, in the story, at 9.6 s: the second turn interrupts the first response.
    user = bursts((4, 10), (290, 300), total=340)
    _, _, taken = hold(user, model=default_model())
    (cut,) = taken.of(BidiInterruptionEvent)
    assert (cut.reason, cut.interrupted_response_id) == ("user_speech", "resp_0")
    assert cut.heard_samples == pytest.approx((290 * 0.032 + 0.032 - 0.448 - 0.2) * RATE, abs=RATE * 0.05)
    finals = [e.text for e in taken.of(BidiTranscriptStreamEvent) if e.is_final]
    assert set(finals) == {RecordedVoice().story}
    assert len(spoken_s(taken)) == 2


@pytest.mark.parametrize(("said", "long"), [("Tell me a story.", True), ("What time is it?", False)])
def test_by_voice_the_transcript_decides(said, long):
    _, _, taken = hold(bursts((4, 10), total=40), model=default_model(transcripts=lambda _speech: said))
    (seconds,) = spoken_s(taken)
    assert (seconds >= 15) is long


def test_the_story_is_heard_to_its_end():
    agent, _, _ = hold(bursts((4, 10), total=40), model=default_model())
    responses = agent.log.responses()
    assert len(responses) == 1
    assert (responses["silent_s"] - responses["audible_s"])[0] == pytest.approx(
        RecordedVoice().say(RecordedVoice().story).duration_s, abs=0.01
    )
