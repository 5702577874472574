"""Speech whose edges tell settings apart: pieces at many levels with pauses of many lengths between."""

from __future__ import annotations

import numpy as np

from bidilab.core.audio import Audio
from bidilab.core.checks import is_number
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.vad import resample

__all__ = ["knob_speech"]

RATE = 24_000
_PIECE_S = (0.12, 0.5)
_PAUSE_S = (0.3, 2.0)
_LEVELS_DB = (-36.0, -10.0)
_FLOOR_DB = -44.0
_FADE_S = 0.01
_SETTLES_S = 1.0


def knob_speech(duration_s: float = 90, *, seed: int = 0) -> Audio:
    """Make audio for a knob probe from the recorded sentences that come with the package.

    Loud and soft pieces of speech, 0.12 to 0.5 s long, some of them lost in the noise behind them, so that a threshold
    shows; pauses of 0.3 to 2 s, so that a silence duration shows.

    Parameters
    ----------
    duration_s
        In [10, 3600]. A threshold is known to about 0.01 from 90 s.
    seed
        Another one makes other audio.

    Returns
    -------
    Audio
        Mono at 24 kHz.

    Raises
    ------
    InvalidParameterError
        If ``duration_s`` is out of bounds.
    """
    from bidilab.bidi.local.voice import RecordedVoice

    if not (is_number(duration_s) and 10 <= duration_s <= 3600):
        raise InvalidParameterError("duration_s", "seconds in [10, 3600]", duration_s)
    voice = RecordedVoice()
    spoken = [voice.say(text) for text in (*voice.sentences, voice.story)]
    source = np.concatenate([resample(one.channel(), one.sample_rate, RATE) for one in spoken])
    rng = np.random.default_rng(seed)
    n_samples = round(duration_s * RATE)
    samples = np.zeros(n_samples, np.float64)
    ramp = np.linspace(0, 1, round(_FADE_S * RATE))
    at = round(_SETTLES_S * RATE)
    while True:
        length = round(rng.uniform(*_PIECE_S) * RATE)
        pause = round(np.exp(rng.uniform(*np.log(_PAUSE_S))) * RATE)
        if at + length > n_samples - RATE:  # the last piece is followed by a second in which it can end
            break
        begin = int(rng.integers(0, len(source) - length))
        piece = source[begin : begin + length] * 10 ** (rng.uniform(*_LEVELS_DB) / 20)
        piece[: len(ramp)] *= ramp
        piece[-len(ramp) :] *= ramp[::-1]
        samples[at : at + length] += piece
        at += length + pause
    samples += rng.normal(0, 10 ** (_FLOOR_DB / 20), n_samples)
    return Audio(samples=np.clip(samples, -1, 1).astype(np.float32), sample_rate=RATE, name="knob probe")
