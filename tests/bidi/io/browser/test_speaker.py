"""The page is played by the test: what it is sent is written down, what it reports is said."""

import asyncio
import json

import numpy as np
import pytest

from bidilab.bidi.io.browser import BrowserSpeaker
from bidilab.bidi.types.events import (
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
)
from bidilab.core.errors import AudioError, EventError, InvalidParameterError


def audio(n, response_id="r", rate=1000):
    return BidiAudioStreamEvent.from_pcm(np.ones(n, "<i2").tobytes(), sample_rate=rate, response_id=response_id)


class Page:
    def __init__(self, speaker):
        self.sent = []
        speaker.open(
            lambda head, payload: self.sent.append((head["kind"], head["response"], len(payload) // 2)),
            sample_rate=1000,
        )


def play(scenario, agent, *, page=True):
    """Run a scenario with a started speaker; the frame ``n`` of the page lies at ``n`` milliseconds."""

    async def main():
        speaker = BrowserSpeaker()
        await speaker.start(agent)
        reports = []
        speaker.report_playback_to(reports.append)
        found = Page(speaker) if page else None
        if page:
            speaker.take({"kind": "tick", "frame": 0})
        await scenario(speaker, found)
        await speaker.stop()
        return found, [(r.kind, r.response_id, r.heard_samples, round(r.at_s, 3)) for r in reports]

    return asyncio.run(main())


def played(what, heard, frame, response=0):
    return {"kind": "played", "what": what, "response": response, "heard": heard, "frame": frame}


def rows(agent):
    return [(row.type, row.response_id, row.reason, round(row.at_s, 3)) for row in agent.log]


def test_a_response_is_played_to_its_end(agent):
    async def scenario(speaker, page):
        await speaker(BidiResponseStartEvent("r"))
        await speaker(audio(200))
        speaker.take(played("started", 0, 10))
        await speaker(audio(150))
        await speaker(BidiResponseCompleteEvent("r", "complete"))
        speaker.take(played("drained", 350, 360))

    page, reports = play(scenario, agent)
    assert page.sent == [("play", 0, 200), ("play", 0, 150), ("done", 0, 0)]
    assert reports == [("started", "r", 0, 0.01), ("drained", "r", 350, 0.36)]
    assert rows(agent) == [("playback_started", "r", None, 0.01), ("playback_silent", "r", None, 0.36)]


def test_small_pieces_are_gathered_unless_the_page_runs_out(agent):
    async def scenario(speaker, page):
        await speaker(audio(30))  # the page has nothing: at once
        await speaker(audio(90))  # it has 30 ms: at once
        for _ in range(3):  # it has 120 ms: gathered to 100 ms
            await speaker(audio(40))
        await speaker(audio(20))
        await asyncio.wait_for(_until(lambda: len(page.sent) == 4), 5)  # what is left goes after a moment

    page, _ = play(scenario, agent)
    assert page.sent[:4] == [("play", 0, 30), ("play", 0, 90), ("play", 0, 120), ("play", 0, 20)]


async def _until(seen):
    while not seen():
        await asyncio.to_thread(int)


def test_a_cut_is_estimated_at_once_and_then_certain(agent):
    async def scenario(speaker, page):
        await speaker(audio(5000))
        speaker.take(played("started", 0, 0))
        agent.clock.s = 1.2
        assert speaker.cut("r").heard_samples == 1200  # by the clock
        confirming = asyncio.create_task(speaker.confirm_cut("r"))
        await asyncio.to_thread(int)
        agent.clock.s = 1.21
        speaker.take(played("cleared", 1152, 1155))
        report = await confirming
        assert (report.kind, report.heard_samples, report.at_s) == ("cleared", 1152, pytest.approx(1.155))
        assert speaker.cut("r").heard_samples == 1152
        await speaker(BidiInterruptionEvent("user_speech", interrupted_response_id="r"))
        await speaker(audio(100))  # late

    page, reports = play(scenario, agent)
    assert page.sent == [("play", 0, 5000), ("clear", 0, 0)]
    assert reports[-1] == ("cleared", "r", 1152, 1.155)
    detail = json.loads(agent.log.rows[-1].detail)
    assert detail == {"heard_samples": 1152, "dropped_samples": 3848, "sample_rate": 1000}


def test_a_page_that_does_not_confirm_is_not_waited_for_long(agent, monkeypatch):
    monkeypatch.setattr("bidilab.bidi.io.browser.speaker.CONFIRM_LIMIT_S", 0.01)

    async def scenario(speaker, page):
        await speaker(audio(100))
        speaker.cut("r")
        assert await speaker.confirm_cut("r") is None

    play(scenario, agent)
    assert [row[0] for row in rows(agent)] == ["cut_unconfirmed"]


def test_without_a_page_nobody_hears(agent):
    async def scenario(speaker, _page):
        await speaker(audio(100))
        await speaker(audio(100))
        await speaker(BidiResponseCompleteEvent("r", "complete"))

    _, reports = play(scenario, agent, page=False)
    assert reports == [("cleared", "r", 0, 0.0)]
    assert rows(agent) == [("output_dropped", "r", "no_page", 0.0), ("playback_cleared", "r", "no_page", 0.0)]


def test_a_page_that_goes_takes_its_responses_with_it(agent):
    async def scenario(speaker, page):
        await speaker(audio(1000))
        speaker.take(played("started", 0, 0))
        agent.clock.s = 0.4
        speaker.close()
        Page(speaker)
        await speaker(audio(1000))  # of the same response: it was cleared with the page

    _, reports = play(scenario, agent)
    assert reports[-1] == ("cleared", "r", 400, 0.4)
    assert rows(agent)[-1] == ("playback_cleared", "r", "no_page", 0.4)


def test_numbers_are_forgotten_but_not_the_responses_that_go_on(agent):
    async def scenario(speaker, page):
        await speaker(audio(10, "first"))
        for n in range(1, 200):
            await speaker(audio(10, f"r{n}"))
            speaker.take(played("drained", 10, n, response=n))
        assert len(speaker._responses) > 100  # the first is not over
        speaker.take(played("drained", 10, 300, response=0))
        assert len(speaker._responses) == len(speaker._by_number) == 64

    play(scenario, agent)


def test_what_a_page_may_not_say(agent):
    async def scenario(speaker, page):
        await speaker(audio(10))
        for wrong in (
            {"kind": "tick", "frame": -1},
            {"kind": "tick"},
            {"kind": "else", "frame": 1},
            played("eaten", 1, 1),
            played("started", -1, 1),
            played("started", 0, 1, response=9),
        ):
            with pytest.raises(EventError):
                speaker.take(wrong)
        with pytest.raises(AudioError, match="24000"):
            await speaker(audio(10, rate=24_000))
        with pytest.raises(InvalidParameterError, match="sample_rate"):
            speaker.open(print, sample_rate=48_000)

    play(scenario, agent)
