"""What another setting would have done in calls that happened: the user's channel heard anew by our detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from tqdm import tqdm

from bidilab.core.audio import Audio
from bidilab.core.audiofile import read_audio
from bidilab.core.checks import check_is
from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import ms_to_samples, rescale_samples, samples_to_ms, samples_to_s
from bidilab.detect.turns import Guards, ServerVad, TurnParams, acted_at_reference, detect_turns
from bidilab.detect.vad import VadSpec, resample
from bidilab.detect.vad.base import lookahead_of
from bidilab.lab.judge.chance import Decision
from bidilab.lab.judge.exchange import Exchange
from bidilab.lab.metrics.counterfactual import TOLERANCE_MS, ActedTurn, Change, SeenOverlap, changes_of
from bidilab.lab.metrics.whatif import WhatIf, what_if_of

if TYPE_CHECKING:
    from bidilab.detect.vad import VadBackend
    from bidilab.lab.judge.judged import JudgedCalls

__all__ = ["in_force", "what_if"]

NO_GUARDS = Guards()
_BEFORE_S, _AFTER_S = 2.0, 4.0
_KNOBS = ("threshold", "prefix_padding_ms", "silence_duration_ms")


def in_force(judged: JudgedCalls) -> TurnParams:
    """The detector's setting that the traces state, of OpenAI's sessions and our own; OpenAI's default without.

    Raises
    ------
    InvalidParameterError
        If the traces state different ones.
    """
    stated = {
        tuple(sorted((name, float(laid.trace.settings[name])) for name in _KNOBS if name in laid.trace.settings))
        for laid in judged.laid.values()
    } - {()}
    if len(stated) > 1:
        raise InvalidParameterError("as_recorded", "given, because the calls were made with different settings", None)
    return ServerVad().canonical().replace(**dict(next(iter(stated)))) if stated else ServerVad().canonical()


def what_if(
    judged: JudgedCalls,
    params: TurnParams | ServerVad,
    *,
    guards: Guards = NO_GUARDS,
    as_recorded: TurnParams | ServerVad | None = None,
    guards_as_recorded: Guards = NO_GUARDS,
    vad: str | VadSpec = "silero",
    progress: bool = True,
) -> WhatIf:
    """Say what another setting of our detector would have done in judged calls.

    Each response counts as it was heard, up to the first moment at which the agent would have acted otherwise. First
    the setting in force is replayed: an answer is given only where it reproduces at least 80 % of the recorded stops.
    Where it would have stopped the agent and the stack went on, as with interruptions turned off, the row stays
    unchanged: the setting is not why.

    Parameters
    ----------
    judged
        The calls. Overlaps of which it is not known whether they stopped the agent are left out.
    params, guards
        The other setting. A guard that counts words is refused: what was said is not known word by word.
    as_recorded, guards_as_recorded
        The setting in force; what the traces state when not given.
    vad
        The detector.
    progress
        Whether to show a bar of calls.

    Raises
    ------
    InvalidParameterError
        If a guard counts words, or the calls' traces state different settings.
    ResultError
        If the setting in force does not explain the recorded stops: the stack does not decide like this.
    """
    for name, given in (("guards", guards), ("guards_as_recorded", guards_as_recorded)):
        check_is(name, given, Guards, "Guards")
        if given.needs_words:
            raise InvalidParameterError(name, "left out: a recording has no words to count", given)
    new = _canonical("params", params)
    same = in_force(judged) if as_recorded is None else _canonical("as_recorded", as_recorded)
    backend = VadSpec.of(vad).build() if isinstance(vad, str) else vad.build()
    rows: list[dict[str, Any]] = []
    reproduced: list[bool] = []
    left: list[bool] = []
    for call in tqdm(judged.exchanges, desc="what if", unit="call", disable=not progress):
        exchange, decisions = judged.exchanges[call], judged.decisions[call]
        acted = _Acted.of(judged, call, backend)
        found = _call_rows(call, exchange, decisions, acted.under(same, guards_as_recorded), acted.under(new, guards))
        for row, was in found:
            rows.append(row)
            if row["stopped"]:
                reproduced.append(was.kind == "kept")
            else:
                left.append(was.kind not in ("added", "gained"))
    return what_if_of(
        rows,
        as_recorded=_named(same, guards_as_recorded),
        changed=_named(new, guards),
        reproduced=reproduced,
        left=left,
        clip=lambda row: _clip(judged, row),
    )


def _canonical(name: str, given: TurnParams | ServerVad) -> TurnParams:
    check_is(name, given, TurnParams | ServerVad, "TurnParams or ServerVad")
    return given if isinstance(given, TurnParams) else given.canonical()


class _Acted:
    """What our detector acts upon in one call, under any setting; positions in samples of the recording."""

    def __init__(self, track: Any, backend: VadBackend, sample_rate: int) -> None:
        self._track, self._vad, self._rate = track, backend, sample_rate

    @classmethod
    def of(cls, judged: JudgedCalls, call: str, backend: VadBackend) -> _Acted:
        heard = judged.exchanges[call].heard
        audio = read_audio(judged.files[call])
        user = audio.channel(heard.user_channel - 1)
        track = backend.probabilities(resample(user, audio.sample_rate, backend.sample_rate))
        return cls(track, backend, heard.sample_rate)

    def under(self, params: TurnParams, guards: Guards) -> list[ActedTurn]:
        frame, rate, ahead = self._vad.frame_samples, self._vad.sample_rate, lookahead_of(self._vad)
        turns = detect_turns(self._track, params, frame_samples=frame, sample_rate=rate, lookahead_samples=ahead)
        acted = acted_at_reference(turns, guards, frame_samples=frame, sample_rate=rate)
        return [
            ActedTurn(rescale_samples(turn.started_at, rate, self._rate), rescale_samples(at, rate, self._rate))
            for turn, at in zip(turns, acted, strict=True)
            if at is not None
        ]


def _call_rows(
    call: str,
    exchange: Exchange,
    decisions: Sequence[Decision],
    same: Sequence[ActedTurn],
    new: Sequence[ActedTurn],
) -> list[tuple[dict[str, Any], Change]]:
    """Rows of the overlaps whose outcome is known, each with what the setting in force makes of it."""
    rate = exchange.heard.sample_rate
    known = [
        (exchange.events[overlap.event], exchange.responses[overlap.response], decision.outcome == "yielded")
        for overlap, decision in zip(exchange.overlaps, decisions, strict=True)
        if decision.outcome in ("yielded", "not yielded", "agent finished by itself")
    ]
    seen = [
        SeenOverlap(
            onset=event.interval.start,
            end=event.interval.end,
            must_stop=event.kind == "interruption",
            response_start=response.interval.start,
            response_end=response.interval.end,
            stopped=stopped,
        )
        for event, response, stopped in known
    ]
    tolerance = ms_to_samples(TOLERANCE_MS, rate)
    rows = []
    before, after = (changes_of(seen, turns, tolerance=tolerance) for turns in (same, new))
    for (event, _, stopped), was, is_now in zip(known, before, after, strict=True):
        decided, decided_before = is_now.decided_at, was.decided_at
        both = decided is not None and decided_before is not None
        rows.append(
            (
                {
                    "call": call,
                    "onset_s": samples_to_s(event.interval.start, rate),
                    "end_s": samples_to_s(event.interval.end, rate),
                    "kind": event.kind,
                    "stopped": stopped,
                    # Where the setting in force decides too and the stack went on, the setting is not why.
                    "change": "unchanged" if was.kind in ("added", "gained") else is_now.kind,
                    "decided_s": float("nan") if decided is None else samples_to_s(decided, rate),
                    "delay_ms": samples_to_ms(decided - decided_before, rate) if both else float("nan"),  # type: ignore[operator]
                },
                was,
            )
        )
    return rows


def _named(params: TurnParams, guards: Guards) -> str:
    said = [f"threshold {params.threshold:g}", f"silence {params.silence_duration_ms:g} ms"]
    if params.min_speech_ms:
        said.append(f"min speech {params.min_speech_ms:g} ms")
    if guards.min_interruption_ms:
        said.append(f"min interruption {guards.min_interruption_ms:g} ms")
    return ", ".join(said)


def _clip(judged: JudgedCalls, row: Mapping[str, Any] | pd.Series[Any]) -> Audio:
    audio = read_audio(judged.files[str(row["call"])])
    first = max(0, round((float(row["onset_s"]) - _BEFORE_S) * audio.sample_rate))
    last = round((float(row["onset_s"]) + _AFTER_S) * audio.sample_rate)
    name = f"{row['call']} at {float(row['onset_s']):.1f} s"
    return Audio(samples=audio.samples[first:last], sample_rate=audio.sample_rate, name=name)
