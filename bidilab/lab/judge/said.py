"""What was judged, in sentences: for the terminal, a notebook and the report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bidilab.lab.metrics.columns import JUDGED_TOTALS
from bidilab.lab.metrics.intervals import too_few_to_say
from bidilab.lab.metrics.yields import MUST_NOT_STOP

if TYPE_CHECKING:
    from bidilab.lab.judge.judged import JudgedCalls

__all__ = ["Said", "said_of"]

Said = tuple[str, str]
"""A heading and what is said under it."""
_KINDS = {"backchannel": "short speech", "side_speech": "side speech", "noise": "noise", "echo": "echo"}
_PROBLEMS_SHOWN = 5


def said_of(judged: JudgedCalls) -> list[Said]:
    """What was found, in sentences under headings; every number stands in the tables too."""
    said = [
        ("judged", _judged(judged)),
        ("interruptions", _interruptions(judged)),
        ("false stops", _false_stops(judged)),
        ("answers", _answers(judged)),
    ]
    if note := _ambiguous(judged):
        said.append(("not known", note))
    said += [("warning", line) for line in _warnings(judged)]
    said.append(("next", _next(judged)))
    return said


def _n(value: float) -> str:
    """A count; of a sum of probabilities, one decimal where it is not whole."""
    return f"{value:.0f}" if abs(value - round(value)) < 0.05 else f"{value:.1f}"


def _times(value: float, one: str, many: str) -> str:
    return f"{_n(value)} {one if _n(value) == '1' else many}"


def _rate(judged: JudgedCalls, name: str) -> str:
    """A rate in words with its interval, ``12 % (5–20)``; where there are too few calls or it is too wide, that."""
    column = JUDGED_TOTALS[name]
    value, low, high, n_calls = (float(judged.rates[at][name]) for at in ("value", "value_lo", "value_hi", "n_calls"))
    if math.isnan(value):
        return "no data"
    if column.unit == "%" and bool(too_few_to_say(low, high, n_calls)):
        return "too few to give a rate"
    unit = " per minute" if column.unit == "1/min" else "" if math.isinf(value) else f" {column.unit}"
    interval = (
        f" (at least {column.format(low)})" if math.isinf(high) else f" ({column.format(low)}–{column.format(high)})"
    )
    return f"{column.format(value)}{unit}{'' if math.isnan(low) or math.isnan(high) or math.isinf(low) else interval}"


def _judged(judged: JudgedCalls) -> str:
    t = judged.totals.iloc[0]
    channels = sorted({int(number) for number in judged.calls["user_channel"]})
    text = (
        f"{_times(t['n_calls'], 'call', 'calls')}, {t['call_min']:.1f} min, {t['agent_min']:.1f} min of the agent's "
        f"speech in {_times(t['n_responses'], 'response', 'responses')}; the user is on channel "
        f"{' and '.join(map(str, channels))}. {_from(judged)}"
    )
    if judged.problems:
        n = len(judged.problems)
        text += f" {_times(n, 'recording', 'recordings')} could not be judged."
    return text


def _from(judged: JudgedCalls) -> str:
    if not judged.laid:
        return "From the sound alone."
    return f"With the {'trace' if len(judged.laid) == 1 else 'traces'} of {_n(len(judged.laid))} of them."


def _interruptions(judged: JudgedCalls) -> str:
    t = judged.totals.iloc[0]
    if not t["n_interruptions"]:
        return "Nobody spoke at length over the agent."
    text = (
        f"{_times(t['n_interruptions'], 'interruption', 'interruptions')} (speech of more than 1 s over the agent): it "
        f"yielded to {_n(t['n_yielded'])}, spoke on over {_n(t['n_not_yielded'])}, and had said all at "
        f"{_n(t['n_finished'])}. Not yielded to: {_rate(judged, 'not_yielded_rate')}. Silent after "
        f"{_rate(judged, 'yield_p50_ms')} (p50), {_rate(judged, 'yield_p90_ms')} (p90)."
    )
    if t["n_ended_soon"]:
        text += (
            f" It fell silent in time after {_n(t['n_ended_soon'])}; chance alone would have made "
            f"{_n(t['n_expected_soon'])} of that, as responses end."
        )
    return text


def _false_stops(judged: JudgedCalls) -> str:
    t = judged.totals.iloc[0]
    if not t["n_must_not_stop"] and not t["n_stops_by_nothing"]:
        return "Nothing that must not stop the agent fell on its speech."
    by = [f"{_n(t[f'n_false_stops_{k}'])} by {_KINDS[k]}" for k in MUST_NOT_STOP if t[f"n_false_stops_{k}"] >= 0.05]
    by += [f"{_n(t['n_stops_by_nothing'])} by nothing"] if t["n_stops_by_nothing"] else []
    text = (
        f"{_times(t['n_must_not_stop'], 'sound', 'sounds')} over the agent that must not stop it stopped it "
        f"{_times(t['n_false_stops'], 'time', 'times')}"
        f"{' (' + ', '.join(by) + ')' if by else ''}: {_rate(judged, 'false_rate')}; "
        f"{_rate(judged, 'false_stops_per_min')} of its speech."
    )
    if t["n_resumed"]:
        text += f" It went on after {_n(t['n_resumed'])}, {_rate(judged, 'resume_p50_ms')} later (p50)."
    return text


def _answers(judged: JudgedCalls) -> str:
    t = judged.totals.iloc[0]
    if not t["n_answers"]:
        return "The agent answered nothing."
    return (
        f"{_times(t['n_answers'], 'answer', 'answers')}, after {_rate(judged, 'response_p50_ms')} (p50), "
        f"{_rate(judged, 'response_p90_ms')} (p90). {_times(t['n_cut_ins'], 'cut-in', 'cut-ins')} in a pause of the "
        f"user, {_n(t['n_over_user'])} begun while the user spoke."
    )


def _ambiguous(judged: JudgedCalls) -> str:
    of = judged.overlaps
    n = int(np.sum((of["outcome"] == "ambiguous") & of["p_cut"].notna()))
    if not n:
        return ""
    return (
        f"At {_times(n, 'overlap', 'overlaps')} the sound does not tell whether the agent was cut or had said all. "
        "They are counted by their probability (p_cut)."
    )


def _warnings(judged: JudgedCalls) -> list[str]:
    warned = judged.calls[judged.calls["warning"] != ""]
    lines = [f"{row.call}: {row.warning}" for row in warned.head(_PROBLEMS_SHOWN).itertuples()]
    if len(warned) > _PROBLEMS_SHOWN:
        lines.append(f"and {len(warned) - _PROBLEMS_SHOWN} more calls like that; see the column warning")
    echo = judged.calls["echo_db"].dropna()
    if len(echo):
        lines.append(
            f"the agent is heard in the user's channel of {_times(len(echo), 'call', 'calls')}, at {echo.max():.0f} dB "
            "in the worst: a headset or an echo canceller would help"
        )
    lines += [f"not judged, {problem}" for problem in judged.problems[:_PROBLEMS_SHOWN]]
    if len(judged.problems) > _PROBLEMS_SHOWN:
        lines.append(f"not judged, and {len(judged.problems) - _PROBLEMS_SHOWN} more")
    return lines


def _next(judged: JudgedCalls) -> str:
    t = judged.totals.iloc[0]
    if not t["n_overlaps"]:
        return "Add calls in which somebody talks over the agent."
    return (
        "Listen to the clips of the report before you change a setting. Make a dataset of the calls (to_dataset), mend "
        "its labels, and sweep it for a better setting."
    )
