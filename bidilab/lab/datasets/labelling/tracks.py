"""A channel as the labeller sees it: probabilities of speech from both directions and levels in bands, every 5 ms.

All tracks of a channel have one value a step of `STEP_SAMPLES` (5 ms at 16 kHz); step ``t`` stands for the samples
``[t, t + 1) * STEP_SAMPLES``. Silero is recurrent: at the start of speech it is late, and after the end it stays up
for a while. Run on the audio backwards it errs on the other side of each edge, so the two together bracket the speech.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.detect.vad.base import OnProgress, VadBackend

__all__ = ["RATE", "STEP_SAMPLES", "ChannelTracks", "band_levels_db", "two_way_probabilities"]

RATE = 16_000
STEP_SAMPLES = 80
_WINDOW_SAMPLES = 256  # 16 ms: two periods of a low voice, and an onset smeared by no more than 8 ms
_FFT_BLOCK = 4096  # steps transformed at once
_EDGES_HZ = (100, 300, 500, 700, 1000, 1400, 1900, 2500, 3300, 4200, 5300, 6500, 7600)
_PHASES = (0, 256)  # samples by which Silero's frames of 512 are moved, so that one begins every 16 ms
_BLOCK_SAMPLES = 300 * RATE  # what Silero is given at once
_MARGIN_SAMPLES = 5 * RATE  # for its state to settle before what is used


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChannelTracks:
    """Tracks of one channel.

    Parameters
    ----------
    forward, backward
        ``(n_steps,) float32`` in [0, 1]: probability of speech, by direction.
    levels_db
        ``(n_bands, n_steps) float32``: level of each band, dBFS.
    total_db
        ``(n_steps,) float32``: level of all bands together, dBFS.
    """

    forward: FloatArray
    backward: FloatArray
    levels_db: FloatArray
    total_db: FloatArray

    @property
    def either(self) -> FloatArray:
        """The greater of the two probabilities."""
        return np.maximum(self.forward, self.backward)

    @property
    def mean(self) -> FloatArray:
        """Their mean."""
        return np.asarray((self.forward + self.backward) / 2, dtype=np.float32)


def n_steps_of(n_samples: int) -> int:
    """Steps that cover a number of samples."""
    return -(-n_samples // STEP_SAMPLES)


def band_levels_db(samples: FloatArray, *, bandwidth_hz: float, silence_dbfs: float) -> tuple[FloatArray, FloatArray]:
    """Levels in bands, and of all of them together.

    Parameters
    ----------
    samples
        ``(n_samples,)`` at `RATE`.
    bandwidth_hz
        Bands that reach beyond this are left out: above it the recording holds nothing.
    silence_dbfs
        No level is lower.

    Returns
    -------
    levels_db
        ``(n_bands, n_steps) float32``.
    total_db
        ``(n_steps,) float32``.
    """
    edges = [edge for edge in _EDGES_HZ if edge <= bandwidth_hz]
    bins = [round(edge * _WINDOW_SAMPLES / RATE) for edge in edges]
    n_steps = n_steps_of(len(samples))
    before = (_WINDOW_SAMPLES - STEP_SAMPLES) // 2  # the window lies around the step
    padded = np.zeros(n_steps * STEP_SAMPLES + _WINDOW_SAMPLES, np.float32)
    padded[before : before + len(samples)] = samples
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW_SAMPLES)[::STEP_SAMPLES][:n_steps]
    taper = np.hanning(_WINDOW_SAMPLES).astype(np.float32)
    scale = 2 / (_WINDOW_SAMPLES * float(np.sum(taper**2)))  # Parseval, one side of the spectrum
    powers = np.empty((len(bins) - 1, n_steps), np.float32)
    for start in range(0, n_steps, _FFT_BLOCK):
        spectra = np.abs(np.fft.rfft(windows[start : start + _FFT_BLOCK] * taper, axis=1)) ** 2 * scale
        sums = np.add.reduceat(spectra, bins, axis=1)[:, :-1]
        powers[:, start : start + len(sums)] = sums.T
    least = 10 ** (silence_dbfs / 10)
    return _db(np.maximum(powers, least)), _db(np.maximum(powers.sum(axis=0), least))


def _db(powers: npt.NDArray[np.floating]) -> FloatArray:
    return np.asarray(10 * np.log10(powers), dtype=np.float32)


def two_way_probabilities(
    channels: Sequence[FloatArray], vad: VadBackend, on_progress: OnProgress | None = None
) -> list[tuple[FloatArray, FloatArray]]:
    """Probabilities of speech, forwards and backwards, of channels of one recording.

    Parameters
    ----------
    channels
        ``(n_samples,)`` each, at `RATE`, of one length.
    vad
        A backend at `RATE`.
    on_progress
        Called with samples done since the last call; in all, the samples of all channels.

    Returns
    -------
    list
        ``(forward, backward)`` of each channel, ``(n_steps,) float32``.
    """
    n_samples = len(channels[0])
    found = [(np.zeros(n_steps_of(n_samples), np.float32), np.zeros(n_steps_of(n_samples), np.float32))]
    found += [(forward.copy(), backward.copy()) for forward, backward in found * (len(channels) - 1)]
    for start, end in _blocks(n_samples):
        first, last = max(0, start - _MARGIN_SAMPLES), min(n_samples, end + _MARGIN_SAMPLES)
        steps = np.arange(start // STEP_SAMPLES, n_steps_of(end))
        middles = np.minimum(steps * STEP_SAMPLES + STEP_SAMPLES // 2, n_samples - 1) - first
        rows = [
            np.concatenate([np.zeros(phase, np.float32), channel[first:last][::direction]])
            for channel in channels
            for direction in (1, -1)
            for phase in _PHASES
        ]
        whole = [np.pad(row, (0, -len(row) % vad.frame_samples)) for row in rows]
        tracks = iter(vad.probabilities_batch(whole))
        for both in found:
            for out, positions in zip(both, (middles, last - first - 1 - middles), strict=True):
                read = [next(tracks)[(positions + phase) // vad.frame_samples] for phase in _PHASES]
                out[steps] = np.mean(read, axis=0)
        if on_progress is not None:
            on_progress((end - start) * len(channels))
    return found


def _blocks(n_samples: int) -> Iterator[tuple[int, int]]:
    for start in range(0, n_samples, _BLOCK_SAMPLES):
        yield start, min(start + _BLOCK_SAMPLES, n_samples)
