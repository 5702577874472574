"""Three programs written for Strands (its documentation's page on interruptions), run as they stand.

Only the import root is changed. The sound card is faked; time is real, since that is what the programs ask for.
"""

import contextlib
import sys
import threading
from types import ModuleType, SimpleNamespace

import pytest

from bidilab.core.errors import DeviceError, SessionError
from bidilab.detect.turns import ServerVad
from tests.sessions import bursts

AUTOMATIC = """
import asyncio
from bidilab.bidi import BidiAgent, BidiAudioIO

agent = BidiAgent()
audio_io = BidiAudioIO()

async def main():
    # Interruptions are handled by the output: its buffer is cleared
    await agent.run(inputs=[audio_io.input()], outputs=[audio_io.output()])

asyncio.run(main())
"""

MANUAL = """
import asyncio
from bidilab.bidi import BidiAgent
from bidilab.bidi.types.events import BidiInterruptionEvent, BidiResponseCompleteEvent

agent = BidiAgent()

async def main():
    await agent.start()
    asyncio.get_running_loop().create_task(speak(agent))
    async for event in agent.receive():
        if isinstance(event, BidiInterruptionEvent):
            print(f"Interrupted: {event.reason}")
        elif isinstance(event, BidiResponseCompleteEvent):
            if event.stop_reason == "interrupted":
                print("Response was cut")
                break
    await agent.stop()

asyncio.run(main())
"""

TRACKER = """
import asyncio
from bidilab.bidi import BidiAgent, BidiAudioIO
from bidilab.bidi.hooks.events import BidiInterruptionEvent

class InterruptionTracker:
    def __init__(self):
        self.interruption_count = 0

    async def on_interruption(self, event: BidiInterruptionEvent):
        self.interruption_count += 1
        print(f"Interruption #{self.interruption_count}: {event.reason}")

tracker = InterruptionTracker()
agent = BidiAgent(hooks=[tracker])
audio_io = BidiAudioIO()

async def main():
    await agent.run(inputs=[audio_io.input()], outputs=[audio_io.output()])

asyncio.run(main())
"""

USER = bursts((4, 10), (30, 36), total=60)
"""Two bursts of tone; Silero takes no tone for speech, so the programs' default model hears by energy here."""


class FakeCard:
    """PortAudio's two streams, in threads that run in real time; the microphone's end is an unplugged device."""

    def __init__(self, **settings):
        self.settings = settings
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def start(self):
        self.thread.start()

    def run(self):
        n, rate = self.settings["blocksize"], self.settings["samplerate"]
        heard = (USER * 32767).astype("<i2")
        fine = SimpleNamespace(input_overflow=False, output_underflow=False)
        position = 0
        while not self.stopping.wait(n / rate):
            if self.settings["kind"] == "output":
                self.settings["callback"](memoryview(bytearray(2 * n)), n, None, fine)
            elif position + n > len(heard):
                self.settings["finished_callback"]()
                return
            else:
                self.settings["callback"](memoryview(heard[position : position + n].tobytes()), n, None, fine)
                position += n

    def close(self):
        self.stopping.set()
        if self.thread.is_alive():
            self.thread.join()
        self.settings["finished_callback"]()


@pytest.fixture
def program(monkeypatch, capsys):
    """Run a program; return what it printed, and its agent."""
    module = ModuleType("sounddevice")
    module.PortAudioError = type("PortAudioError", (Exception,), {})
    module.RawInputStream = lambda **settings: FakeCard(kind="input", **settings)
    module.RawOutputStream = lambda **settings: FakeCard(kind="output", **settings)
    module.query_devices = list
    monkeypatch.setitem(sys.modules, "sounddevice", module)

    from bidilab.bidi.local import model as local
    from bidilab.detect.vad import VadSpec

    made = local.BidiLocalModel

    def energetic(turn_detection=None, **options):
        vad = ServerVad(silence_duration_ms=96)
        return made(turn_detection or vad, vad=VadSpec(name="energy"), response_delay_ms=50.0, **options)

    monkeypatch.setattr(local, "BidiLocalModel", energetic)

    async def speak(agent):
        pcm = (USER * 32767).astype("<i2")
        for start in range(0, len(pcm), 512):
            await agent.clock.sleep_s(0.032)
            chunk = pcm[start : start + 512].tobytes()
            await agent.send({"type": "bidi_audio_input", "audio": chunk, "format": "pcm",
                              "sample_rate": 16000, "channels": 1})  # fmt: skip

    async def quietly(agent):
        with contextlib.suppress(SessionError):  # the program stops the session while the user still speaks
            await speak(agent)

    def run(source):
        space = {"__name__": "__main__", "speak": quietly}
        with contextlib.suppress(DeviceError):  # the fake microphone is unplugged when its recording ends
            exec(compile(source, "program", "exec"), space)
        return capsys.readouterr().out, space["agent"]

    return run


@pytest.mark.realtime
def test_automatic_handling(program):
    _, agent = program(AUTOMATIC)
    frame = agent.log.interruptions()
    # The microphone is unplugged while the agent answers the second burst: that is an error, and cuts it too.
    assert frame["reason"].tolist() == ["user_speech", "error"]
    assert 0 < frame["heard_ms"][0] <= frame["generated_ms"][0]
    kinds = [row.type for row in agent.log]
    assert kinds.index("playback_cleared") < kinds.index("bidi_interruption")
    assert kinds.count("playback_cleared") == 2


@pytest.mark.realtime
def test_manual_handling(program):
    out, agent = program(MANUAL)
    assert out.splitlines() == ["Interrupted: user_speech", "Response was cut"]
    assert agent.log.interruptions()["heard_ms"][0] > 0


@pytest.mark.realtime
def test_a_tracker_as_a_hook(program):
    out, _ = program(TRACKER)
    assert out.splitlines() == ["Interruption #1: user_speech", "Interruption #2: error"]
