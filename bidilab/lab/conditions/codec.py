"""Speech codecs, there and back: G.711 by the table of the wire, Opus by ffmpeg's libopus (PyAV)."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np

from bidilab.bidi.realtime.protocol.audio import AUDIO_FORMATS, to_pcm16
from bidilab.core.errors import AudioError, require_extra
from bidilab.core.units import ms_to_samples
from bidilab.detect.dsp.mixing import Samples, resample

__all__ = ["CODECS", "OPUS_KBPS", "through_codec"]

CODECS: tuple[str, ...] = ("pcmu", "pcma", "opus")
OPUS_KBPS = 24.0
"""Bit rate of Opus where none is given: what RFC 7587 (3.1.1) recommends for wideband to super-wideband speech."""
_OPUS_RATE = 48_000
_OPUS_FRAME_MS = 20.0
_PRE_SKIP = slice(10, 12)  # of the OpusHead, RFC 7845, 5.1: 16 bits, little-endian, at 48 kHz


def through_codec(samples: Samples, sample_rate: int, codec: str, *, bitrate_kbps: float = OPUS_KBPS) -> Samples:
    """A sound after coding and decoding, ``(n_samples,)`` at its own rate; the codec's delay is taken off.

    Parameters
    ----------
    samples
        ``(n_samples,)``; what lies outside [-1, 1) is clipped.
    sample_rate
        Hertz.
    codec
        ``"pcmu"``, ``"pcma"``: µ-law and A-law of ITU-T G.711 (1988) at 8 kHz, which leaves nothing above 4 kHz;
        ``"opus"``: RFC 6716, mode for speech, frames of 20 ms, coded at 48 kHz.
    bitrate_kbps
        Of Opus.

    Raises
    ------
    MissingExtraError
        If PyAV is not installed (Opus).
    """
    if codec == "opus":
        decoded, rate = _opus(resample(samples, sample_rate, _OPUS_RATE), bitrate_kbps), _OPUS_RATE
    else:
        wire = AUDIO_FORMATS[f"audio/{codec}"]
        rate = wire.sample_rate
        narrow = resample(samples, sample_rate, rate)
        decoded = wire.decode(wire.encode(to_pcm16(narrow.astype(np.float32)))).astype(np.float64) / 32768.0
    back = resample(decoded, rate, sample_rate)[: len(samples)]
    # There and back, rounding of the lengths loses at most a few samples at the end.
    return np.concatenate([back, np.zeros(len(samples) - len(back))])


def _opus(samples: Samples, bitrate_kbps: float) -> Samples:
    av = require_extra("av", feature="the Opus codec", extra="codecs")
    encoder = _context(av, "w")
    encoder.format = "flt"
    encoder.bit_rate = round(1000 * bitrate_kbps)
    encoder.options = {"application": "voip", "frame_duration": f"{_OPUS_FRAME_MS:g}"}
    n_frame = ms_to_samples(_OPUS_FRAME_MS, _OPUS_RATE)
    padded = np.zeros(-(-max(len(samples), 1) // n_frame) * n_frame, dtype=np.float32)
    padded[: len(samples)] = np.clip(samples, -1.0, 1.0)
    packets: list[Any] = []
    for start in range(0, len(padded), n_frame):
        frame = av.AudioFrame.from_ndarray(padded[None, start : start + n_frame], format="flt", layout="mono")
        frame.sample_rate, frame.pts = _OPUS_RATE, start
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoder = _context(av, "r")
    decoder.extradata = encoder.extradata
    frames = chain.from_iterable(decoder.decode(packet) for packet in (*packets, None))
    decoded = np.concatenate([_mono(frame) for frame in frames])
    return _without_pre_skip(decoded, len(padded), encoder.extradata)[: len(samples)]


def _context(av: Any, mode: str) -> Any:
    context = av.CodecContext.create("libopus", mode)
    context.sample_rate = _OPUS_RATE
    context.layout = "mono"
    return context


def _mono(frame: Any) -> Samples:
    values = np.asarray(frame.to_ndarray()).reshape(-1)
    scale = 32768.0 if values.dtype == np.int16 else 1.0
    return np.asarray(values, dtype=np.float64) / scale


def _without_pre_skip(decoded: Samples, n_padded: int, head: bytes) -> Samples:
    """The decoder takes the coder's lead off when the packets' side data tell it to; if not, it is taken off here."""
    lead = int.from_bytes(head[_PRE_SKIP], "little")
    if len(decoded) == n_padded:
        return decoded
    if len(decoded) >= n_padded + lead:
        return decoded[lead : lead + n_padded]
    raise AudioError(f"Opus gave {len(decoded)} samples for {n_padded} (lead {lead}): its delay cannot be told")
