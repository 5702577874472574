import numpy as np
import pytest

from bidilab.bidi.types.events import BidiAudioInputEvent
from bidilab.core.audio import float_to_pcm16, pcm16_to_float
from bidilab.detect.vad import VadSpec, resample
from bidilab.show.widgets.live.feed import FLOOR_DB, SpeechMonitor

RATE = 24_000


def monitored(pcm, chunk, **options):
    monitor = SpeechMonitor(**options)
    for start in range(0, len(pcm), 2 * chunk):
        monitor.take(BidiAudioInputEvent.from_pcm(pcm[start : start + 2 * chunk], sample_rate=RATE))
    return monitor


@pytest.mark.parametrize("chunk", [480, 1000, 77])
def test_probabilities_are_the_detectors_own_in_any_chunks(chunk):
    rng = np.random.default_rng(5)
    pcm = float_to_pcm16((0.1 * rng.standard_normal(RATE * 2)).astype(np.float32))
    backend = VadSpec().build()
    monitor = monitored(pcm, chunk)
    first, columns = monitor.since(0)
    expected = backend.probabilities(resample(pcm16_to_float(pcm), RATE, backend.sample_rate))[: monitor.n_frames]
    assert first == 0
    np.testing.assert_array_equal(columns[1], expected)
    assert (monitor.input_rate, monitor.input_samples) == (RATE, 2 * RATE)


def test_levels():
    # A square wave of half scale has an RMS of 0.5: 20 log10(0.5) = -6.02 dB. Silence lies at the floor.
    wave = np.concatenate((np.full(RATE, 0.5, np.float32), np.zeros(RATE, np.float32)))
    levels = monitored(float_to_pcm16(wave), 480).since(0)[1][0]
    assert levels[10:20] == pytest.approx(-6.02, abs=0.01)
    assert levels[-5:] == pytest.approx(FLOOR_DB)


def test_only_the_last_frames_are_kept():
    monitor = monitored(bytes(2 * RATE * 3), 480, kept_s=1.0)
    first, columns = monitor.since(0)
    assert columns.shape == (2, 31)  # a second is 31.25 frames of 32 ms
    assert first + 31 == monitor.n_frames
    assert monitor.since(monitor.n_frames - 2)[1].shape == (2, 2)
    assert monitor.since(monitor.n_frames)[1].shape == (2, 0)
