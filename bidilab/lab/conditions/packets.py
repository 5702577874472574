"""Packets that do not arrive, and what the receiver plays in their place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bidilab.core.units import ms_to_samples
from bidilab.detect.dsp.mixing import Samples

__all__ = ["CONCEALMENTS", "PACKET_MS", "lost_packets", "with_lost_packets"]

PACKET_MS = 20.0
"""Audio in a packet: the usual packet time of RTP (RFC 3551, 4.2) and of WebRTC."""
CONCEALMENTS: tuple[str, ...] = ("repetition", "silence")
_FULL_MS, _SILENT_AFTER_MS = 10.0, 60.0


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
