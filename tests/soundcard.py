"""A sound card in memory, at the library's boundary: what a loudspeaker plays comes back in a microphone, later.

::

    world    0 ........ n ........ n+block        one tick: the clock goes on by a block
    speaker  gives [n, n+block) at n
    mic      takes [n, n+block) at n+block: its own sound, and what was played `delay` samples before
"""

import threading
from types import ModuleType, SimpleNamespace

import numpy as np

ALSA = ({"name": "ALSA"}, {"name": "pulse"})


def device(name, inputs=0, outputs=0, rate=48000.0, api=0):
    return {
        "name": name,
        "hostapi": api,
        "max_input_channels": inputs,
        "max_output_channels": outputs,
        "default_samplerate": rate,
    }


class FakeClock:
    def __init__(self):
        self.s = 100.0

    def now_s(self):
        return self.s


class SoundCard:
    """Set ``mic(n_from, n, rate)``, ``path`` (samples late, gain), and what is wrong; then `module` is sounddevice."""

    def __init__(self, devices=None, default=(0, 1)):
        self.devices = [device("Mic", inputs=1), device("Speaker", outputs=2)] if devices is None else devices
        self.default = default
        self.clock = FakeClock()
        self.rng = np.random.default_rng(7)
        self.mic = lambda n_from, n, rate: 0.02 * self.rng.standard_normal(n)
        self.path = None
        self.speed = 1.0  # real samples per asked one
        self.overflows = ()  # blocks
        self.refused_rates = ()
        self.speaker_refuses = ()  # rates, beside those
        self.error = None  # on opening
        self.stops_at_once = False
        self.opened = []
        self.module = self._module()

    def _module(self):
        card = self
        module = ModuleType("sounddevice")
        module.PortAudioError = type("PortAudioError", (Exception,), {})

        class Input(Stream):
            side = "input"

        class Output(Stream):
            side = "output"

        Input.card = Output.card = card

        def check(device, channels, dtype, samplerate, more=()):
            assert (channels, dtype) == (1, "int16")
            if samplerate in (*card.refused_rates, *more):
                raise module.PortAudioError("Invalid sample rate [PaErrorCode -9997]")

        module.RawInputStream, module.RawOutputStream = Input, Output
        module.check_input_settings = check
        module.check_output_settings = lambda **asked: check(**asked, more=card.speaker_refuses)
        module.query_devices = lambda: card.devices
        module.query_hostapis = lambda: ALSA
        module.default = SimpleNamespace(device=card.default)
        return module


class Stream:
    card: SoundCard
    side = ""
    lock = threading.Lock()
    running: list = []  # noqa: RUF012

    def __init__(self, *, samplerate, blocksize, device, channels, dtype, callback, finished_callback):
        assert (channels, dtype) == (1, "int16")
        if self.card.error is not None and (self.side, device) == self.card.error[0]:
            raise self.card.module.PortAudioError(self.card.error[1])
        if samplerate in self.card.refused_rates:
            raise self.card.module.PortAudioError("Invalid sample rate [PaErrorCode -9997]")
        self.rate, self.block, self.callback, self.finished = samplerate, blocksize, callback, finished_callback
        self.n_blocks = 0
        self.closed = threading.Event()
        self.device = device
        self.card.opened.append(self)

    def start(self):
        if self.card.stops_at_once:
            self.finished()
            return
        with self.lock:
            others = [stream for stream in self.running if not stream.closed.is_set()]
            self.running[:] = [*others, self]
            if others:
                return
        world = World(self.card, self.rate, self.block)
        self.thread = threading.Thread(target=world.run, args=(self,))
        self.thread.start()

    def close(self):
        self.closed.set()
        if hasattr(self, "thread"):
            self.thread.join()
        self.finished()


class World:
    def __init__(self, card, rate, block):
        self.card, self.rate, self.block = card, rate, block
        self.played = np.zeros(0)

    def run(self, owner):
        n = 0
        while not owner.closed.is_set():
            with Stream.lock:
                streams = [stream for stream in Stream.running if not stream.closed.is_set()]
            self.tick(n, streams)
            n += self.block
            owner.closed.wait(1e-4)

    def tick(self, n, streams):
        card, block = self.card, self.block
        played = np.zeros(block)
        for stream in streams:
            if stream.side == "output":
                out = memoryview(bytearray(2 * block))
                stream.callback(out, block, None, SimpleNamespace(output_underflow=False))
                played = np.frombuffer(bytes(out), "<i2") / 32768
        self.played = np.concatenate((self.played, played))
        card.clock.s += block / (self.rate * card.speed)
        for stream in streams:
            if stream.side == "input":
                sound = np.asarray(card.mic(n, block, self.rate), dtype=np.float64)
                if card.path is not None:
                    late, gain = card.path
                    heard = self.played[max(0, n - late) : max(0, n + block - late)]
                    sound = sound + gain * np.pad(heard, (block - len(heard), 0))
                pcm = np.clip(np.rint(sound * 32768), -32768, 32767).astype("<i2").tobytes()
                status = SimpleNamespace(input_overflow=stream.n_blocks in card.overflows)
                stream.n_blocks += 1
                stream.callback(memoryview(pcm), block, None, status)
