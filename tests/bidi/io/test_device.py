"""The sound card, faked at the library's boundary: a module with sounddevice's streams and errors."""

import asyncio
import sys
import threading
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from bidilab.bidi.io.device import BidiAudioIO
from bidilab.bidi.types.events import (
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
)
from bidilab.core.clock import run_virtual
from bidilab.core.errors import AudioError, DeviceError, EndOfInput, InvalidParameterError, MissingExtraError

FINE = SimpleNamespace(input_overflow=False, output_underflow=False)


class FakeStream:
    """Calls its callback from another thread, as PortAudio does."""

    opened: ClassVar[list] = []

    def __init__(self, **settings):
        self.settings = settings
        self.started = self.closed = False
        if settings["device"] == 9:
            raise sys.modules["sounddevice"].PortAudioError("Invalid device")
        FakeStream.opened.append(self)

    def start(self):
        if self.settings["device"] == 8:
            raise sys.modules["sounddevice"].PortAudioError("Device busy")
        self.started = True

    def close(self):
        self.closed = True
        self.settings["finished_callback"]()

    async def call(self, *arguments):
        thread = threading.Thread(target=self.settings["callback"], args=arguments)
        thread.start()
        await asyncio.to_thread(thread.join)

    async def speak(self, block, status=FINE):
        await self.call(memoryview(block.astype("<i2").tobytes()), len(block), None, status)

    async def play(self, n, status=FINE):
        out = bytearray(2 * n)
        await self.call(memoryview(out), n, None, status)
        return np.frombuffer(out, dtype="<i2").tolist()


@pytest.fixture
def sounddevice(monkeypatch):
    module = ModuleType("sounddevice")
    module.PortAudioError = type("PortAudioError", (Exception,), {})
    module.RawInputStream = module.RawOutputStream = FakeStream
    module.query_devices = lambda: [
        {"name": "Mic", "max_input_channels": 1, "max_output_channels": 0},
        {"name": "Speaker", "max_input_channels": 0, "max_output_channels": 2},
    ]
    FakeStream.opened = []
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def rows(agent):
    return [(row.type, row.response_id, row.playback_samples) for row in agent.log]


def audio(n, value=5, response_id=None, sample_rate=24000):
    pcm = np.full(n, value, dtype="<i2").tobytes()
    return BidiAudioStreamEvent.from_pcm(pcm, sample_rate=sample_rate, response_id=response_id)


def test_the_microphone_gives_blocks(sounddevice, make_agent):
    async def main():
        agent = make_agent(channels=2)
        source = BidiAudioIO(input_device_index=3, input_frames_per_buffer=256).input()
        with pytest.raises(EndOfInput, match="not open"):
            await source()
        await source.start(agent)
        (stream,) = FakeStream.opened
        asked = {k: stream.settings[k] for k in ("samplerate", "blocksize", "device", "channels", "dtype")}
        assert asked == {"samplerate": 16000, "blocksize": 256, "device": 3, "channels": 2, "dtype": "int16"}
        waiting = asyncio.create_task(source())
        await stream.speak(np.arange(512))
        event = await waiting
        assert event.pcm.tolist() == np.arange(512).reshape(256, 2).tolist()
        with pytest.raises(InvalidParameterError, match="stopped"):
            await source.start(agent)
        waiting = asyncio.create_task(source())
        await asyncio.to_thread(int)
        await source.stop()
        with pytest.raises(EndOfInput, match="closed"):
            await waiting
        await source.stop()
        assert stream.closed
        await source.start(agent)  # and again
        await source.stop()

    asyncio.run(main())


def test_overruns_and_a_full_buffer_are_logged(sounddevice, make_agent):
    async def main():
        agent = make_agent()
        source = BidiAudioIO(input_buffer_size=2).input()
        await source.start(agent)
        (stream,) = FakeStream.opened
        for k in range(3):
            await stream.speak(np.full(10, k), SimpleNamespace(input_overflow=k == 1))
        assert [(await source()).pcm[0] for _ in range(2)] == [1, 2]
        assert [(row.type, row.source, row.input_samples) for row in agent.log] == [
            ("input_overrun", "input", 10),
            ("input_dropped", "input", 30),
        ]
        await source.stop()

    asyncio.run(main())


def test_a_device_that_goes_away_is_an_error(sounddevice, make_agent):
    async def main():
        agent = make_agent()
        io = BidiAudioIO()
        source, sink = io.input(), io.output()
        await source.start(agent)
        await sink.start(agent)
        for stream in FakeStream.opened:
            stream.settings["finished_callback"]()
        with pytest.raises(DeviceError, match="microphone stopped by itself"):
            await source()
        with pytest.raises(DeviceError, match="loudspeaker stopped by itself"):
            await sink(audio(10))
        await source.stop()
        await sink.stop()

    asyncio.run(main())


def test_the_loudspeaker_plays_and_is_silenced(sounddevice, make_agent):
    # put 100 of r1 ─ play 40 ─ interrupted ─ late 20 of r1 ─ 10 of r2, done ─ play 30
    async def main():
        agent = make_agent()
        sink = BidiAudioIO(output_device_index=2, output_frames_per_buffer=128).output()
        with pytest.raises(InvalidParameterError, match="started"):
            await sink(audio(1))
        await sink.start(agent)
        (stream,) = FakeStream.opened
        assert (stream.settings["samplerate"], stream.settings["channels"]) == (24000, 1)
        await sink(BidiResponseStartEvent("r1"))
        await sink(audio(100))
        assert await stream.play(40) == [5] * 40
        await sink(BidiInterruptionEvent("user_speech"))
        assert sink.heard_samples("r1") == 40
        await sink(audio(20, response_id="r1"))
        await sink(audio(10, value=7, response_id="r2"))
        await sink(BidiResponseCompleteEvent("r2", "complete"))
        assert await stream.play(30, SimpleNamespace(output_underflow=True)) == [7] * 10 + [0] * 20
        await sink.stop()
        assert rows(agent) == [
            ("playback_started", "r1", 0),
            ("playback_cleared", "r1", 40),
            ("output_underrun", None, 70),
            ("playback_started", "r2", 40),
            ("playback_silent", "r2", 50),
        ]
        await sink.stop()
        assert stream.closed

    asyncio.run(main())


def test_a_full_loudspeaker_drops_the_oldest_and_says_so(sounddevice, make_agent):
    async def main():
        agent = make_agent()
        sink = BidiAudioIO(output_buffer_size=2, output_frames_per_buffer=10).output()
        await sink.start(agent)
        await sink(audio(15, value=1, response_id="r1"))
        await sink(audio(15, value=2, response_id="r1"))
        assert await FakeStream.opened[0].play(20) == [1] * 5 + [2] * 15
        (row, *_) = agent.log
        assert row.type == "output_dropped"
        assert '"dropped_samples":10' in row.detail
        with pytest.raises(AudioError, match="declared 24000"):
            await sink(audio(1, sample_rate=8000))
        await sink.stop()

    asyncio.run(main())


@pytest.mark.parametrize(("index", "why"), [(9, "Invalid device"), (8, "Device busy")])
def test_a_missing_or_busy_device_is_named_with_those_there(sounddevice, make_agent, index, why):
    async def main():
        io = BidiAudioIO(input_device_index=index, output_device_index=index)
        with pytest.raises(DeviceError, match=f"input device {index} at 16000 Hz.*{why}.*here are 0: Mic"):
            await io.input().start(make_agent())
        with pytest.raises(DeviceError, match="output devices here are 1: Speaker"):
            await io.output().start(make_agent())

    asyncio.run(main())
    assert all(stream.closed for stream in FakeStream.opened)


def test_no_sound_card_at_all(sounddevice, make_agent, monkeypatch):
    async def main():
        with pytest.raises(DeviceError, match=r"the default input device .* there is no input device here"):
            await BidiAudioIO().input().start(make_agent())

    sounddevice.query_devices = list

    def refuse(**settings):
        raise ValueError("No default device")

    sounddevice.RawInputStream = refuse
    asyncio.run(main())


def test_without_sounddevice_or_portaudio(make_agent, monkeypatch):
    async def main():
        monkeypatch.setitem(sys.modules, "sounddevice", None)
        with pytest.raises(MissingExtraError, match=r"pip install 'bidilab\[audio\]'"):
            await BidiAudioIO().input().start(make_agent())

        def no_portaudio(name, *args, **kwargs):
            raise OSError("PortAudio library not found")

        monkeypatch.setattr("bidilab.bidi.io.portaudio.require_extra", no_portaudio)
        with pytest.raises(DeviceError, match="libportaudio2"):
            await BidiAudioIO().output().start(make_agent())

    asyncio.run(main())


def test_virtual_time_has_no_sound_card(make_agent):
    async def main():
        for side in (BidiAudioIO().input(), BidiAudioIO().output()):
            with pytest.raises(InvalidParameterError, match="real"):
                await side.start(make_agent())
            await side.stop()

    run_virtual(main())


@pytest.mark.parametrize(
    "wrong",
    [
        {"input_device_index": -1},
        {"output_device_index": "USB"},
        {"input_buffer_size": 0},
        {"output_buffer_size": 1.5},
        {"input_frames_per_buffer": None},
        {"output_frames_per_buffer": True},
    ],
)
def test_options_are_checked(wrong):
    with pytest.raises(InvalidParameterError, match=next(iter(wrong))):
        BidiAudioIO(**wrong)
    with pytest.raises(TypeError):
        BidiAudioIO(procesor=None)
