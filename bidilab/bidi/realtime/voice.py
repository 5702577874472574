"""The built-in voice: babble whose length follows the text. It stands in where no text-to-speech is given.

It is not speech and nobody will understand it, but it is voiced, has formants and pauses, and is the same each time:
65 ms per character (about 15 characters a second, an ordinary speaking rate), each letter a steady vowel of its own,
spaces and punctuation silent. Harmonics are weighted by second-order resonances at three formants (Klatt, "Software
for a cascade/parallel formant synthesizer", JASA 1980); the pitch is a whole number of periods per character, so that
characters join without a click.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from bidilab.bidi.reply import S_PER_CHARACTER as BABBLE_S_PER_CHARACTER
from bidilab.core.audio import Audio, FloatArray

__all__ = ["BABBLE_S_PER_CHARACTER", "babble"]

_SAMPLE_RATE = 24_000
_CHARACTER_SAMPLES = round(BABBLE_S_PER_CHARACTER * _SAMPLE_RATE)
_TOP_HZ = 4_000  # what survives G.711
_BANDWIDTH_HZ = 90.0
_PEAK = 0.25

# First three formants in hertz of ten vowels, means for men: Peterson and Barney, JASA 1952, table II.
_FORMANTS_HZ = (
    (270, 2290, 3010),
    (390, 1990, 2550),
    (530, 1840, 2480),
    (660, 1720, 2410),
    (730, 1090, 2440),
    (570, 840, 2410),
    (440, 1020, 2240),
    (300, 870, 2240),
    (640, 1190, 2390),
    (490, 1350, 1690),
)


def babble(text: str, voice: str = "alloy") -> Audio:
    """Babble of a text.

    Parameters
    ----------
    text
        Any text; 65 ms per character.
    voice
        A name: each gives one of eight pitches, 92 to 200 Hz.

    Returns
    -------
    Audio
        Mono at 24 kHz, ``(1560 * len(text),) float32``, peak at most 0.25.

    Examples
    --------
    >>> babble("Good morning.").duration_s
    0.845
    """
    periods = 6 + sum(map(ord, voice)) % 8
    units = [_unit(ord(c.lower()) % len(_FORMANTS_HZ) if c.isalnum() else -1, periods) for c in text]
    samples = np.concatenate(units) if units else np.zeros(0, np.float32)
    return Audio(samples=samples, sample_rate=_SAMPLE_RATE, name="babble")


@lru_cache(maxsize=256)
def _unit(vowel: int, periods: int) -> FloatArray:
    """One character: ``(1560,) float32``; silence for ``vowel == -1``."""
    if vowel < 0:
        return np.zeros(_CHARACTER_SAMPLES, np.float32)
    phase = 2 * np.pi * periods * np.arange(_CHARACTER_SAMPLES) / _CHARACTER_SAMPLES
    pitch_hz = periods / BABBLE_S_PER_CHARACTER
    out = np.zeros(_CHARACTER_SAMPLES)
    for harmonic in range(1, int(_TOP_HZ / pitch_hz) + 1):
        frequency = harmonic * pitch_hz
        weight = sum(
            0.6**rank * _BANDWIDTH_HZ / np.hypot(frequency - formant, _BANDWIDTH_HZ)
            for rank, formant in enumerate(_FORMANTS_HZ[vowel])
        )
        out += weight * np.sin(harmonic * phase)
    envelope = np.minimum(1.0, 4 * np.sin(np.pi * (np.arange(_CHARACTER_SAMPLES) + 0.5) / _CHARACTER_SAMPLES))
    out *= envelope
    return np.asarray(_PEAK * out / np.abs(out).max(), np.float32)
