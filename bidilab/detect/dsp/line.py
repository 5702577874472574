"""What a line does to a sound: the telephone's band, speech codecs there and back, packets that do not arrive.

Nothing is delayed: a codec's lead is taken off, filters are applied centred, lost packets are concealed in place.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import G711_RATE, decode_g711, encode_g711, to_pcm16
from bidilab.core.errors import AudioError, InvalidParameterError, require_extra
from bidilab.core.units import ms_to_samples
from bidilab.detect.dsp.mixing import Samples, bandpass, resample

__all__ = [
    "BANDS_HZ",
    "CODECS",
    "CONCEALMENTS",
    "OPUS_KBPS",
    "PACKET_MS",
    "in_band",
    "lost_packets",
    "telephone",
    "through_codec",
    "with_lost_packets",
]

BANDS_HZ: dict[str, tuple[float, float]] = {"telephone": (300.0, 3400.0)}
"""Pass bands by name; the telephone's is that of ITU-T G.712 (2001) and of the handset of P.48 (1988)."""
CODECS: tuple[str, ...] = ("pcmu", "pcma", "opus")
OPUS_KBPS = 24.0
"""Bit rate of Opus where none is given: what RFC 7587 (3.1.1) recommends for wideband to super-wideband speech."""
_OPUS_RATE = 48_000
_OPUS_FRAME_MS = 20.0
_PRE_SKIP = slice(10, 12)  # of the OpusHead, RFC 7845, 5.1: 16 bits, little-endian, at 48 kHz
PACKET_MS = 20.0
"""Audio in a packet: the usual packet time of RTP (RFC 3551, 4.2) and of WebRTC."""
CONCEALMENTS: tuple[str, ...] = ("repetition", "silence")
_FULL_MS, _SILENT_AFTER_MS = 10.0, 60.0


def in_band(samples: Samples, sample_rate: int, bandwidth: str) -> Samples:
    """Keep the band of a line, ``(n_samples,)``.

    A linear-phase filter of 32 ms, applied centred: nothing is delayed.

    Raises
    ------
    InvalidParameterError
        If the recording's rate does not hold the band.
    """
    low, high = BANDS_HZ[bandwidth]
    if sample_rate <= 2 * high:
        raise InvalidParameterError("sample_rate", f"above {2 * high:g} Hz for the {bandwidth} band", sample_rate)
    return bandpass(samples, sample_rate, low, high)


def telephone(samples: Samples, sample_rate: int) -> Samples:
    """A telephone line: 300 to 3400 Hz, 8 kHz, µ-law.

    Returns
    -------
    ndarray
        At :data:`~bidilab.core.audio.G711_RATE`, ``(round(n_samples * 8000 / sample_rate),)``; nothing is delayed.

    Raises
    ------
    InvalidParameterError
        If ``sample_rate`` is below 8 kHz.
    """
    if sample_rate < G711_RATE:
        raise InvalidParameterError("sample_rate", f"at least {G711_RATE} Hz for the telephone", sample_rate)
    return _g711(resample(in_band(samples, sample_rate, "telephone"), sample_rate, G711_RATE), "pcmu")


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
        Bit rate of Opus.

    Raises
    ------
    MissingExtraError
        If PyAV is not installed (Opus).
    """
    if codec == "opus":
        decoded, rate = _opus(resample(samples, sample_rate, _OPUS_RATE), bitrate_kbps), _OPUS_RATE
    else:
        rate = G711_RATE
        decoded = _g711(resample(samples, sample_rate, rate).astype(np.float32), codec)
    back = resample(decoded, rate, sample_rate)[: len(samples)]
    # There and back, rounding of the lengths loses at most a few samples at the end.
    return np.concatenate([back, np.zeros(len(samples) - len(back))])


def _g711(samples: npt.NDArray[np.floating], codec: str) -> Samples:
    return decode_g711(encode_g711(to_pcm16(samples), codec), codec).astype(np.float64) / 32768.0


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
    raise AudioError(f"Opus gave {len(decoded)} samples for {n_padded} (lead {lead}): its delay cannot be determined")


def lost_packets(
    n_packets: int, loss: float, burst_packets: float | None, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Which packets are lost, ``(n_packets,) bool``.

    Independent losses where ``burst_packets`` is ``None``. Else Gilbert's two states (Gilbert, "Capacity of a
    burst-noise channel", BSTJ 39, 1960; all packets of the bad state are lost): a loss goes on with probability
    ``1 - 1 / burst_packets``, and begins so often that the share of lost packets is ``loss``. The first packet's state
    is drawn from the stationary distribution.
    """
    draws = rng.random(n_packets)
    if burst_packets is None:
        return draws < loss
    leave = 1 / burst_packets
    enter = leave * loss / (1 - loss)
    lost = np.zeros(n_packets, dtype=bool)
    bad = bool(rng.random() < loss)
    for k in range(n_packets):
        lost[k] = bad
        bad = bool(draws[k] >= leave) if bad else bool(draws[k] < enter)
    return lost


def with_lost_packets(
    samples: Samples,
    sample_rate: int,
    *,
    loss: float,
    burst_packets: float | None,
    concealment: str,
    rng: np.random.Generator,
) -> Samples:
    """A sound whose lost packets are concealed, ``(n_samples,)``; the others are untouched.

    ``"repetition"``: the last packet that came is repeated, fully for 10 ms and then fading, silent from 60 ms on (the
    fading of ITU-T G.711 Appendix I, without its search for the pitch). ``"silence"``: zeros.

    The loss acts on decoded audio: a decoder with memory (Opus) would also need some packets to recover, and has a
    better concealment of its own, which ffmpeg does not offer.
    """
    packet = ms_to_samples(PACKET_MS, sample_rate)
    lost = lost_packets(-(-len(samples) // packet), loss, burst_packets, rng)
    out = samples.copy()
    last = np.zeros(packet)
    silent_for = 0
    for k, is_lost in enumerate(lost):
        span = out[k * packet : (k + 1) * packet]
        if not is_lost:
            last[: len(span)] = span
            silent_for = 0
            continue
        if concealment == "silence":
            span[:] = 0.0
        else:
            at_ms = (silent_for + np.arange(len(span))) * 1000 / sample_rate
            fade = np.clip((_SILENT_AFTER_MS - at_ms) / (_SILENT_AFTER_MS - _FULL_MS), 0.0, 1.0)
            span[:] = last[: len(span)] * fade
        silent_for += len(span)
    return out
