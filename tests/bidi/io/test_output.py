"""What every output that plays audio does alike, shown on one whose device is a list."""

import asyncio

import numpy as np
import pytest

from bidilab.bidi.io.device import BidiAudioIO
from bidilab.bidi.io.output import BufferedOutput
from bidilab.bidi.io.wav import WavOutput
from bidilab.bidi.types.events import (
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
)
from bidilab.bidi.types.io import ReportsPlayback
from bidilab.core.clock import run_virtual
from bidilab.core.errors import AudioError, DeviceError, InvalidParameterError


class ListOutput(BufferedOutput):
    """Plays when it is told to: a fourth output is a start, a stop, a time and where samples go."""

    async def start(self, agent):
        self._begin(agent, capacity_samples=100)
        self.played = []

    async def stop(self):
        self._agent = None

    def _time_s(self, position):
        return position / self._rate

    def play(self, n):
        block = self._playback.get(n)
        self.played += block.samples.tolist()
        self._tell_changes(block.changes)


def audio(n, response_id=None, sample_rate=24_000, value=1):
    pcm = np.full(n, value, "<i2").tobytes()
    return BidiAudioStreamEvent.from_pcm(pcm, sample_rate=sample_rate, response_id=response_id)


def test_a_fourth_output_tells_what_the_others_tell(make_agent):
    # r1: 60 samples, 20 played; cut; 30 late. r2: 120 samples, of which 100 have room; played to the end.
    async def main():
        agent, reports = make_agent(), []
        output = ListOutput()
        assert isinstance(output, ReportsPlayback)
        await output.start(agent)
        output.report_playback_to(reports.append)
        await output(BidiResponseStartEvent("r1"))
        await output(audio(60))
        output.play(20)
        await output(BidiInterruptionEvent("user_speech"))  # names none: all that is active
        await output(audio(30, "r1"))
        assert output.cut("r1").heard_samples == 20
        await output(audio(120, "r2", value=2))
        output.play(50)
        await output(BidiResponseCompleteEvent("r2", "complete"))
        output.play(70)
        assert output.played == [1] * 20 + [2] * 100 + [0] * 20
        told = [(r.kind, r.response_id, r.heard_samples, round(r.at_s * 24_000)) for r in reports]
        assert told == [
            ("started", "r1", 0, 0),
            ("cleared", "r1", 20, 20),
            ("started", "r2", 0, 20),
            ("drained", "r2", 100, 120),
        ]
        rows = [(row.type, row.response_id, row.playback_samples) for row in agent.log]
        assert rows == [
            ("playback_started", "r1", 0),
            ("playback_cleared", "r1", 20),
            ("output_dropped", None, None),
            ("playback_started", "r2", 20),
            ("playback_silent", "r2", 120),
        ]

    run_virtual(main())


def test_events_are_checked(make_agent):
    async def main():
        output = ListOutput()
        with pytest.raises(InvalidParameterError, match="started before it is given events"):
            await output(audio(1))
        with pytest.raises(InvalidParameterError, match="started before it is cut"):
            output.cut("r")
        await output.start(make_agent())
        with pytest.raises(AudioError, match="declared 24000 Hz, but its audio comes at 8000 Hz"):
            await output(audio(1, sample_rate=8000))

    run_virtual(main())


def test_a_started_output_is_not_started_again(make_agent):
    async def main():
        for output in (ListOutput(), WavOutput(None)):
            await output.start(make_agent())
            with pytest.raises(InvalidParameterError, match="stopped before it is started again"):
                await output.start(make_agent())
            await output.stop()
            await output.start(make_agent())  # and again

    run_virtual(main())


def test_a_device_that_does_not_open_can_be_tried_again(make_agent, monkeypatch):
    async def main():
        output = BidiAudioIO().output()
        for _ in range(2):
            with pytest.raises(DeviceError, match="no card"):
                await output.start(make_agent())
        await output.stop()

    def refuse(*_args, **_settings):
        raise DeviceError("no card")

    monkeypatch.setattr("bidilab.bidi.io.device.open_stream", refuse)
    asyncio.run(main())
