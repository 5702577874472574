"""`LiveSession` on the kernel's sound card, faked at the library's boundary: streams that call back in real time."""

import sys
import threading
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import bidilab as bl
from bidilab.bidi.local.model import BidiLocalModel
from bidilab.core.errors import MissingExtraError
from tests.sessions import bursts

RATE = 16_000
FINE = SimpleNamespace(input_overflow=False, output_underflow=False)


class FakeCard(ModuleType):
    """A ``sounddevice`` whose microphone hears ``spoken`` and whose loudspeaker keeps what it plays."""

    PortAudioError = type("PortAudioError", (Exception,), {})

    def __init__(self, spoken):
        super().__init__("sounddevice")
        self.spoken = (spoken * 32767).astype("<i2")
        self.played = []
        self.RawInputStream = lambda **settings: FakeStream(self._capture, **settings)
        self.RawOutputStream = lambda **settings: FakeStream(self._play, **settings)
        self.query_devices = list

    def _capture(self, callback, n, k):
        block = np.zeros(n, "<i2")
        heard = self.spoken[k * n : (k + 1) * n]
        block[: len(heard)] = heard
        callback(memoryview(block.tobytes()), n, None, FINE)

    def _play(self, callback, n, _k):
        out = bytearray(2 * n)
        callback(memoryview(out), n, None, FINE)
        self.played.append(np.frombuffer(bytes(out), "<i2"))


class FakeStream:
    def __init__(self, turn, *, samplerate, blocksize, callback, finished_callback, **_):
        self._turn, self._callback, self._finished = turn, callback, finished_callback
        self._n = blocksize or samplerate // 50
        self._every_s = self._n / samplerate
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fake-portaudio")

    def _run(self):
        k = 0
        while not self._over.wait(self._every_s):
            self._turn(self._callback, self._n, k)
            k += 1

    def start(self):
        self._thread.start()

    def close(self):
        self._over.set()
        self._thread.join()
        self._finished()


@pytest.fixture
def live():
    model = BidiLocalModel(
        bl.ServerVad(silence_duration_ms=96, prefix_padding_ms=0),
        vad=bl.VadSpec(name="energy"),
        responses=[3000.0],
        response_delay_ms=0.0,
        output_rate=RATE,
    )
    made = bl.LiveSession(model, microphone="soundcard")
    yield made
    made.close()


@pytest.mark.realtime
def test_the_sound_card_hears_is_heard_and_cut(monkeypatch, live):
    card = FakeCard(bursts((2, 10), (30, 40), total=60))
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    assert live.speaker == "soundcard"
    live.start()
    while not (table := live.log.interruptions()).notna()["heard_ms"].any():
        assert not live.wait(0.05), live.message
    live.stop()
    (cut,) = table.to_dict("records")
    played = np.concatenate(card.played)
    (sounding,) = np.nonzero(played)
    assert cut["reason"] == "user_speech"
    assert 0 < cut["heard_ms"] < 3000
    assert cut["heard_ms"] == pytest.approx(1000 * (sounding[-1] - sounding[0] + 1) / RATE, abs=10)
    assert "fake-portaudio" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.realtime
def test_without_the_extra_the_widget_says_what_mends_it(monkeypatch, live):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    live.start()
    with pytest.raises(MissingExtraError):
        live.wait()
    assert live.state == "failed"
    assert "pip install 'bidilab[audio]'" in live.message
