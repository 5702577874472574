"""Judged calls in the words of other tools: τ-voice's panel, EVA's turn-taking score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bidilab.core.timeline import Interval, intersect, total
from bidilab.core.units import samples_to_ms
from bidilab.lab.benchmarks.eva import EvaTurn
from bidilab.lab.benchmarks.tauvoice import TICK_S, VoiceTicks
from bidilab.lab.judge.exchange import Exchange

__all__ = ["eva_turns", "voice_ticks"]


def voice_ticks(exchange: Exchange) -> VoiceTicks:
    """A call on the ticks of τ-voice; a tick has speech where any sample of it does."""
    heard = exchange.heard
    n_ticks = -(-heard.n_samples // round(TICK_S * heard.sample_rate))

    def ticks(stretches: Sequence[Interval]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        found = np.zeros(n_ticks, dtype=np.bool_)
        per_tick = round(TICK_S * heard.sample_rate)
        for start, end in stretches:
            found[start // per_tick : -(-end // per_tick)] = True
        return found

    def of(*kinds: str) -> list[Interval]:
        return [piece for event in exchange.events if event.kind in kinds for piece in event.pieces]

    return VoiceTicks(
        user=ticks(of("interruption", "backchannel")),
        agent=ticks([unit.interval for unit in heard.agent]),
        backchannel=ticks(of("backchannel")),
        vocal_tic=ticks(of("noise")),
        non_directed=ticks(of("side_speech")),
    )


def eva_turns(exchange: Exchange) -> list[EvaTurn]:
    """The user's turns with what EVA scores of them; a turn that nothing came of is left out."""
    rate = exchange.heard.sample_rate
    over = {overlap.event: overlap for overlap in exchange.overlaps}
    turns = []
    for number, event in enumerate(exchange.events):
        if not event.turn:
            continue
        into = [
            response
            for response in exchange.responses
            if event.interval.start < response.interval.start < event.interval.end
        ]
        answers = [r for r in exchange.responses if r.interval.start >= event.interval.end and r.latency is not None]
        latency = answers[0].latency if answers and _answers(answers[0].interval, event.interval, exchange) else None
        together = total(intersect(event.pieces, [piece for response in into for piece in response.pieces]))
        overlap = over.get(number)
        if latency is None and not into and overlap is None:
            continue
        turns.append(
            EvaTurn(
                latency_ms=None if latency is None else samples_to_ms(latency, rate),
                overlap_ms=samples_to_ms(together, rate) if into else None,
                yield_ms=None if overlap is None else samples_to_ms(overlap.to_silence, rate),
            )
        )
    return turns


def _answers(response: Interval, turn: Interval, exchange: Exchange) -> bool:
    """Whether a response answers this turn, and no later one."""
    return not any(event.turn and turn.end <= event.interval.start < response.start for event in exchange.events)
