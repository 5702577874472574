"""What was judged, as rows: overlaps, stops, responses, and the counts of each call."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bidilab.core.units import samples_to_ms, samples_to_s
from bidilab.lab.judge.chance import SURE, Decision
from bidilab.lab.judge.exchange import Exchange, Overlap, Response, UserEvent
from bidilab.lab.metrics.yields import MUST_NOT_STOP

__all__ = ["NOTHING", "call_counts", "cut_of", "endings_of", "overlap_rows", "response_rows", "stop_rows"]

NOTHING = "nothing"
_BY_OUTCOME = {"yielded": "cut", "agent finished by itself": "natural", "ambiguous": "ambiguous"}
_TERMINAL_MS = 200.0
Row = dict[str, Any]
_DECIMALS = 6


def _s(position: int, rate: int) -> float:
    return round(samples_to_s(position, rate), _DECIMALS)


def _ms(length: int, rate: int) -> float:
    return round(samples_to_ms(length, rate), 3)


def cut_of(exchange: Exchange, decisions: Sequence[Decision]) -> list[float]:
    """The probability that each response was cut."""
    cut = [float(r.told is not None and r.told.how == "cut") for r in exchange.responses]
    for overlap, decision in zip(exchange.overlaps, decisions, strict=True):
        if overlap.owner:
            cut[overlap.response] = decision.p_cut
    return cut


def endings_of(exchange: Exchange, decisions: Sequence[Decision]) -> list[str]:
    """How each response ended: ``natural``, ``cut``, ``ambiguous`` or ``recording ends``."""
    endings = [_untouched(response) for response in exchange.responses]
    for overlap, decision in zip(exchange.overlaps, decisions, strict=True):
        if overlap.owner:
            endings[overlap.response] = _BY_OUTCOME[decision.outcome]
    return endings


def _untouched(response: Response) -> str:
    """How a response ended that no event of the user's may have stopped."""
    if response.told is not None:
        return response.told.how
    return "natural" if response.whole else "recording ends"


def overlap_rows(call: str, exchange: Exchange, decisions: Sequence[Decision]) -> list[Row]:
    """Rows of ``JudgedCalls.overlaps``."""
    rate, endings = exchange.heard.sample_rate, endings_of(exchange, decisions)
    rows: list[Row] = []
    for overlap, decision in zip(exchange.overlaps, decisions, strict=True):
        event, response = exchange.events[overlap.event], exchange.responses[overlap.response]
        must_not = event.kind in MUST_NOT_STOP
        stopped = decision.outcome == "yielded"
        rows.append(
            {
                "call": call,
                "channel": exchange.heard.user_channel,
                "onset_s": _s(event.interval.start, rate),
                "end_s": _s(event.interval.end, rate),
                "kind": event.kind,
                "over_response": overlap.response,
                "response_start_s": _s(response.interval.start, rate),
                "agent_silent_s": _s(response.interval.end, rate),
                "agent_end": endings[overlap.response],
                "evidence": decision.evidence,
                "p_cut": decision.p_cut,
                "chance": decision.chance,
                "outcome": decision.outcome,
                "false_stop": None if must_not and decision.outcome == "ambiguous" else must_not and stopped,
                "silent_ms": _ms(overlap.to_silence, rate),
                "talk_over_ms": _ms(overlap.talk_over, rate),
                "overrun_ms": _ms(overlap.overrun, rate),
                "cause": event.kind if stopped else None,
                "resumed_s": _resumed(exchange, overlap, decision, rate),
            }
        )
    return rows


def _resumed(exchange: Exchange, overlap: Overlap, decision: Decision, rate: int) -> float:
    """Where the agent goes on after what is more likely a false stop than not; NaN for nowhere."""
    must_not = exchange.events[overlap.event].kind in MUST_NOT_STOP
    if overlap.resumed is None or not must_not or not overlap.owner or decision.p_cut < 0.5:
        return math.nan
    return _s(overlap.resumed, rate)


def stop_rows(call: str, exchange: Exchange, decisions: Sequence[Decision]) -> list[Row]:
    """Rows of ``JudgedCalls.stops``."""
    rate = exchange.heard.sample_rate
    rows: list[Row] = []
    put_down = {o.response: (o, d) for o, d in zip(exchange.overlaps, decisions, strict=True) if o.owner}
    for index, response in enumerate(exchange.responses):
        row: Row = {
            "call": call,
            "response": index,
            "response_start_s": _s(response.interval.start, rate),
            "stopped_s": _s(response.interval.end, rate),
        }
        if index in put_down:
            overlap, decision = put_down[index]
            if decision.p_cut <= 1 - SURE:
                continue
            event = exchange.events[overlap.event]
            resumed_s = _resumed(exchange, overlap, decision, rate)
            must_not = event.kind in MUST_NOT_STOP
            row |= {
                "onset_s": _s(event.interval.start, rate),
                "cause": event.kind,
                "false_stop": None if must_not and decision.outcome == "ambiguous" else must_not,
                "p_cut": decision.p_cut,
                "evidence": decision.evidence,
                "silent_ms": _ms(overlap.to_silence, rate),
                "resumed_s": resumed_s,
                "resume_ms": round(1000 * (resumed_s - row["stopped_s"]), 3),
            }
        elif response.told is not None and response.told.how == "cut":
            spoken = _spoken_into(exchange, index)
            row |= {"cause": NOTHING if spoken is None else spoken.kind, "false_stop": spoken is None}
            row |= {"p_cut": 1.0, "evidence": response.told.by}
            if spoken is not None:
                row["onset_s"] = _s(spoken.interval.start, rate)
        else:
            continue
        rows.append(row)
    return rows


def _spoken_into(exchange: Exchange, index: int) -> UserEvent | None:
    """The turn into which a response began, if the user was not done with it: who goes on stops the agent rightly."""
    extent = exchange.responses[index].interval
    turns = [e for e in exchange.events if e.turn and e.interval.start < extent.start < e.interval.end]
    return turns[-1] if turns else None


def response_rows(call: str, exchange: Exchange, decisions: Sequence[Decision]) -> list[Row]:
    """Rows of ``JudgedCalls.responses``."""
    rate = exchange.heard.sample_rate
    return [
        {
            "call": call,
            "response": index,
            "start_s": _s(response.interval.start, rate),
            "end_s": _s(response.interval.end, rate),
            "begins": response.begins,
            "latency_ms": math.nan if response.latency is None else _ms(response.latency, rate),
            "ends": ends,
            "p_cut": p_cut,
        }
        for index, (response, ends, p_cut) in enumerate(
            zip(exchange.responses, endings_of(exchange, decisions), cut_of(exchange, decisions), strict=True)
        )
    ]


def call_counts(exchange: Exchange, decisions: Sequence[Decision]) -> Mapping[str, float]:
    """The counts of ``JudgedCalls.calls``."""
    rate = exchange.heard.sample_rate
    pairs = list(zip(exchange.overlaps, decisions, strict=True))
    true = [(o, d) for o, d in pairs if exchange.events[o.event].kind == "interruption"]
    false = [(o, d) for o, d in pairs if exchange.events[o.event].kind != "interruption"]
    owned = [(o, d) for o, d in true if o.owner]
    stops = [(exchange.events[o.event].kind, o, d) for o, d in false if o.owner]
    begins = [response.begins for response in exchange.responses]
    finished = sum(1 - d.p_cut for _, d in owned)
    known = [(o, d) for o, d in true if o.owner or d.outcome == "not yielded"]
    spoken = sum(piece.duration for response in exchange.responses for piece in response.pieces)
    return {
        "call_min": exchange.heard.n_samples / rate / 60,
        "agent_min": spoken / rate / 60,
        "n_responses": len(exchange.responses),
        "n_overlaps": len(pairs),
        "n_interruptions": len(true),
        "n_yielded": sum(d.p_cut for _, d in owned),
        "n_not_yielded": len(known) - len(owned),
        "n_finished": finished,
        "n_undecided": len(true) - len(known),
        "n_ended_soon": len(owned),
        "n_expected_soon": sum(d.chance for _, d in known),
        "n_terminal": sum(1 - d.p_cut for o, d in owned if samples_to_ms(o.to_silence, rate) < _TERMINAL_MS),
        "n_must_not_stop": len(false),
        "n_false_stops": sum(d.p_cut for _, _, d in stops),
        **{f"n_false_stops_{k}": sum(d.p_cut for kind, _, d in stops if kind == k) for k in MUST_NOT_STOP},
        "n_stops_by_nothing": sum(
            response.told is not None
            and response.told.how == "cut"
            and not any(o.owner and o.response == index for o, _ in pairs)
            and _spoken_into(exchange, index) is None
            for index, response in enumerate(exchange.responses)
        ),
        "n_spoken_on": sum(d.outcome == "not yielded" for _, d in false),
        "n_resumed": sum(d.p_cut for _, o, d in stops if o.resumed is not None and d.p_cut >= 0.5),
        "n_answers": sum(how != "by itself" for how in begins),
        "n_latencies": sum(response.latency is not None for response in exchange.responses),
        "n_cut_ins": sum(how == "cut-in" for how in begins),
        "n_over_user": sum(how == "over the user" for how in begins),
        "talk_over_s": sum(o.talk_over for o, _ in true) / rate,
    }
