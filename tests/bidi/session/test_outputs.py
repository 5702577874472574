"""Sessions of a model that says anything in any order: what is told as heard is what was played, to the sample."""

import asyncio
import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.bidi.agent import BidiAgent
from bidilab.bidi.io import WavOutput
from bidilab.bidi.model import BidiModel
from bidilab.bidi.types.events import (
    BidiAudioStreamEvent,
    BidiConnectionStartEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
)
from bidilab.core.clock import run_virtual
from bidilab.core.errors import EndOfInput
from tests.sessions import Taken
from tests.sizes import examples

RATE = 8000


class ScriptedModel(BidiModel):
    """Tells events at their times, audio in chunks of given sizes; then it has nothing more to tell."""

    def __init__(self, script, sizes):
        self.config = {"audio": {"input_rate": RATE, "output_rate": RATE, "channels": 1, "format": "pcm"}}
        self.script, self.sizes = script, itertools.cycle(sizes)
        self.views = []

    async def start(self, *_args, **_options):
        pass

    async def stop(self):
        pass

    async def receive(self):
        yield BidiConnectionStartEvent("scripted", "scripted")
        for at_s, what, key, amount in self.script:
            await self.context.clock.sleep_until_s(at_s)
            if what == "audio":
                for event in self.chunks(key, amount):
                    yield event
            else:
                yield what
            now_s = self.context.clock.now_s()
            self.views.append(self.context.ledger.active_responses(now_s))
        await asyncio.Event().wait()

    def chunks(self, key, n_samples):
        while n_samples > 0:
            n = min(n_samples, next(self.sizes))
            pcm = np.full(n, VALUES.get(key, 7), "<i2").tobytes()
            yield BidiAudioStreamEvent.from_pcm(pcm, sample_rate=RATE, response_id=key)
            n_samples -= n


VALUES = {"a": 1, "b": 2, "c": 3}


class Ends:
    """An input without events that ends at a time."""

    def __init__(self, at_s):
        self.at_s = at_s

    async def start(self, agent):
        self.clock = agent.clock

    async def stop(self):
        pass

    async def __call__(self):
        await self.clock.sleep_until_s(self.at_s)
        raise EndOfInput("over")


class Slow(Taken):
    """An output that takes 70 ms for each event, so that events wait for it."""

    async def __call__(self, event):
        await super().__call__(event)
        await self.agent.clock.sleep_s(0.07)


def hold(script, sizes=(400,), taker=Taken):
    async def main():
        model, recorder, taken = ScriptedModel(script, sizes), WavOutput(None), taker()
        last_s = (script[-1][0] if script else 0.0) + 0.5  # after the last step, whoever is first at an instant
        await BidiAgent(model).run(inputs=[Ends(last_s)], outputs=[recorder, taken])
        return model, np.rint(recorder.recording.samples[:, 1] * 32768).astype(int), taken

    return run_virtual(main())


STEP = st.tuples(
    st.integers(0, 3000), st.sampled_from("abc"), st.sampled_from(["audio", "cut", "done"]), st.integers(1, 2000)
)


def script_of(steps):
    """A script in which no audio follows a completion, and every response is completed at the end."""
    script, position, started, done = [], 0, set(), set()
    for wait, key, what, amount in steps:
        position += wait
        if key not in started and what != "cut":
            started.add(key)
            script.append((position / RATE, BidiResponseStartEvent(key), key, 0))
        if what == "audio" and key not in done:
            script.append((position / RATE, "audio", key, amount))
        elif what == "cut":
            event = BidiInterruptionEvent("user_speech", interrupted_response_id=key)
            script.append((position / RATE, event, key, 0))
            started.add(key)
        elif what == "done" and key not in done:
            done.add(key)
            script.append((position / RATE, BidiResponseCompleteEvent(key, "complete"), key, 0))
    script += [(position / RATE, BidiResponseCompleteEvent(key, "complete"), key, 0) for key in sorted(started - done)]
    return script


def assert_no_audio_after(taken, cuts):
    """Nothing of a response is handed out after its cut, however long it has waited; its completion follows."""
    for at_s, event in taken.events:
        if isinstance(event, BidiAudioStreamEvent) and event.response_id in cuts:
            assert at_s <= cuts[event.response_id][0]
    told = [event for _, event in taken.events if not isinstance(event, BidiAudioStreamEvent)]
    for before, event in itertools.pairwise(told):
        if isinstance(before, BidiInterruptionEvent):
            assert event == BidiResponseCompleteEvent(before.interrupted_response_id, "interrupted")


@settings(max_examples=examples(40), deadline=None)
@given(steps=st.lists(STEP, max_size=12), sizes=st.lists(st.integers(1, 700), min_size=1, max_size=4))
def test_what_is_told_as_heard_was_played_and_nothing_after_it(steps, sizes):
    script = script_of(steps)
    model, side, taken = hold(script)
    cuts = {}
    for at_s, event in taken.events:
        if isinstance(event, BidiInterruptionEvent):
            assert event.interrupted_response_id not in cuts
            cuts[event.interrupted_response_id] = (at_s, event.heard_samples, event.generated_samples)
    given_samples = dict.fromkeys("abc", 0)
    for at_s, what, key, amount in script:
        if what == "audio" and not (key in cuts and cuts[key][0] < round(at_s, 6)):
            given_samples[key] += amount
    assert_no_audio_after(taken, cuts)
    _, _, late = hold(script, taker=Slow)
    assert_no_audio_after(late, cuts)
    for key, value in VALUES.items():
        played = np.flatnonzero(side == value)
        if key in cuts:
            at_s, heard, generated = cuts[key]
            assert len(played) == heard <= generated <= given_samples[key]
            assert not len(played) or played[-1] < round(at_s * RATE)
        else:
            assert len(played) == given_samples[key]
    # The same in other chunks.
    again_model, again_side, again_taken = hold(script, sizes)
    assert again_model.views == model.views
    np.testing.assert_array_equal(again_side, side)
    told = [
        [(t, e) for t, e in each.events if not isinstance(e, BidiAudioStreamEvent)] for each in (taken, again_taken)
    ]
    assert told[0] == told[1]


def test_the_model_reads_what_the_session_writes():
    # 1 s of audio at once, done at once: active until the loudspeaker has played it; the model says nothing itself.
    script = [
        (0.0, BidiResponseStartEvent("a"), "a", 0),
        (0.0, "audio", "a", RATE),
        (0.0, BidiResponseCompleteEvent("a", "complete"), "a", 0),
        (0.999, "audio", "b", 0),
        (1.0, "audio", "b", 0),
    ]
    model, _, _ = hold(script)
    assert model.views == [("a",), ("a",), ("a",), ("a",), ()]


def test_audio_without_a_response_does_not_keep_a_session_open():
    model, side, _ = hold([(0.0, "audio", None, 800), (1.0, "audio", None, 0)])
    assert np.count_nonzero(side) == 800
    assert model.views == [(), ()]


def test_a_pause_in_generation_does_not_keep_a_session_open():
    # The recorder finds out that it ran dry at 0.1 when the rest is there at 0.2, and hears nothing more after that.
    script = [
        (0.0, BidiResponseStartEvent("a"), "a", 0),
        (0.0, "audio", "a", 800),
        (0.05, "audio", "a", 0),
        (0.2, "audio", "a", 800),
        (0.2, BidiResponseCompleteEvent("a", "complete"), "a", 0),
    ]
    _, side, taken = hold(script)
    assert np.count_nonzero(side) == 1600
    assert taken.agent.clock.now_s() < 1.0


def test_audio_that_names_no_response_is_taken_back_with_the_one_that_began_last():
    script = [
        (0.0, BidiResponseStartEvent("a"), "a", 0),
        (0.0, "audio", None, RATE),
        (0.2, BidiInterruptionEvent("user_speech"), "a", 0),
        (0.2, "audio", None, 400),
    ]
    _, side, taken = hold(script, taker=Slow)
    assert np.count_nonzero(side) == round(0.2 * RATE)
    audio_s = [at_s for at_s, event in taken.events if isinstance(event, BidiAudioStreamEvent)]
    assert audio_s
    assert max(audio_s) <= 0.2
    (interruption,) = taken.of(BidiInterruptionEvent)
    assert (interruption.interrupted_response_id, interruption.heard_samples) == ("a", round(0.2 * RATE))
