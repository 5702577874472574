"""What the columns of a sweep's tables are called on paper: label, unit, format, count and small-count limit.

The one place that knows it; figures, tables and the report ask here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.datasets.labels import FALSE_KINDS
from bidilab.show.plots.quantities import Metric, Parameter
from bidilab.show.plots.style import COLOURS

__all__ = [
    "ALWAYS_SWEPT",
    "KIND_COLOURS",
    "KIND_LABELS",
    "METRICS",
    "PARAMETERS",
    "Metric",
    "Parameter",
    "metric",
    "parameter",
    "parameters_of",
]

PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        p.name: p
        for p in (
            Parameter(name="threshold", label="threshold", unit="", default=0.5),
            Parameter(name="prefix_padding_ms", label="prefix padding", unit="ms", default=300),
            Parameter(name="silence_duration_ms", label="silence duration", unit="ms", default=500),
            Parameter(name="min_interruption_ms", label="min interruption", unit="ms", default=0),
            Parameter(name="min_words", label="min words", unit="", default=0),
            Parameter(name="false_interruption_timeout_ms", label="resume timeout", unit="ms", default=math.inf),
        )
    }
)
"""The parameters that can be swept: three, with the defaults of DESIGN §4, and the guards, which hold nothing back by
default."""
ALWAYS_SWEPT: tuple[str, ...] = tuple(PARAMETERS)[:3]
"""Those that every settings table has; the others where they are swept."""

KIND_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "turn": "turn",
        "interruption": "interruption",
        "backchannel": "backchannel",
        "side_speech": "side speech",
        "noise": "noise",
        "echo": "echo",
        "response": "agent response",
        "premature_endpoint": "premature endpoint",
        "none": "no label",
    }
)
"""Kinds of segment and causes of false interruptions, in words."""

KIND_COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "turn": COLOURS["blue"],
        "interruption": COLOURS["vermillion"],
        "backchannel": COLOURS["green"],
        "side_speech": COLOURS["purple"],
        "noise": COLOURS["orange"],
        "echo": COLOURS["sky"],
        "response": COLOURS["grey"],
        "premature_endpoint": COLOURS["blue"],
        "none": COLOURS["black"],
    }
)
"""The colour of each kind, the same in every figure."""


def parameters_of(columns: Iterable[str]) -> dict[str, Parameter]:
    """The parameters of a settings table with these columns, in their order."""
    present = set(columns)
    return {name: known for name, known in PARAMETERS.items() if name in present}


_QUANTILES = ((50, "median"), (90, "90th percentile"))


def _rate(name: str, label: str, n_columns: tuple[str, ...], n_label: str, definition: str) -> Metric:
    return Metric(
        name=name,
        label=label,
        short=label,
        unit="%",
        scale=100.0,
        decimals=1,
        n_columns=n_columns,
        n_label=n_label,
        definition=definition,
    )


def _quantiles(stem: str, label: str, n_columns: tuple[str, ...], n_label: str, definition: str) -> list[Metric]:
    return [
        Metric(
            name=f"{stem}_ms_p{percent}",
            label=f"{label}, p{percent}",
            short=f"p{percent}",
            unit="ms",
            n_columns=n_columns,
            n_label=n_label,
            definition=definition.format(words),
        )
        for percent, words in _QUANTILES
    ]


_DECIDED = ("n_detected", "n_missed")


def _rates() -> list[Metric]:
    return [
        _rate(
            "missed_rate",
            "missed interruptions",
            _DECIDED,
            "true interruptions",
            "True interruptions at which the agent did not stop in time, per true interruption "
            "(interval: Wilson 95 %).",
        ),
        _rate(
            "false_interruption_rate",
            "false interruptions",
            ("n_false_opportunities",),
            "chances to interrupt falsely",
            "Backchannels, side speech, noises and echoes that interrupted the agent, per such event that "
            "fell into its speech (interval: Wilson 95 %).",
        ),
        _rate(
            "premature_endpoint_rate",
            "premature endpoints",
            ("n_turns",),
            "user turns",
            "User turns taken to be over in one of their pauses, per turn (interval: Wilson 95 %).",
        ),
        *(
            _rate(
                f"false_interruption_rate_{kind}",
                f"false interruptions by {KIND_LABELS[kind]}",
                (f"n_false_opportunities_{kind}",),
                f"{KIND_LABELS[kind]} events",
                f"False interruptions by {KIND_LABELS[kind]}, per {KIND_LABELS[kind]} event in the agent's "
                "speech (interval: Wilson 95 %).",
            )
            for kind in FALSE_KINDS
        ),
    ]


def _times() -> list[Metric]:
    return [
        *_quantiles(
            "latency_detected",
            "interruption latency",
            _DECIDED,
            "true interruptions",
            "From the true onset of the user's speech to the decision acted upon (the detector's, past the guards if "
            "there are any), {}; Kaplan–Meier, misses censored, so that “not reached” means too many were missed "
            "(interval: bootstrap over recordings).",
        ),
        *_quantiles(
            "endpoint_latency",
            "endpoint latency",
            ("n_endpoints",),
            "ends of turn",
            "From the true end of a turn to the decision that it is over, {}.",
        ),
        *_quantiles(
            "onset_clipped",
            "onset clipping",
            ("n_onsets",),
            "detected onsets",
            "Speech before the first audio that the detector kept, {} over detected segments.",
        ),
        Metric(
            name="false_per_min",
            label="false interruptions of any cause",
            short="false per minute",
            unit="1/min",
            decimals=2,
            n_columns=("agent_speech_min",),
            n_label="minutes of agent speech",
            small_n=1.0,
            definition="All false interruptions, whatever their cause, per minute of agent speech "
            "(interval: exact Poisson 95 %).",
        ),
        Metric(
            name="pause_s",
            label="pauses by false interruptions that were resumed",
            short="pauses",
            unit="s",
            decimals=1,
            n_columns=("n_false",),
            n_label="false interruptions",
            definition="Seconds for which the agent paused for false interruptions and then went on, in all. They "
            "count as false all the same: the user heard the agent stop.",
        ),
        Metric(
            name="talk_over_s",
            label="talk-over",
            short="talk-over",
            unit="s",
            decimals=1,
            n_columns=_DECIDED,
            n_label="true interruptions",
            definition="Seconds of true interruptions that the user spoke while the agent went on, in all.",
        ),
    ]


def _counts() -> list[Metric]:
    words: dict[str, tuple[str, bool | None]] = {
        "n_true_opportunities": ("true interruptions", None),
        "n_detected": ("true interruptions detected", False),
        "n_missed": ("true interruptions missed", True),
        "n_masked": ("opportunities masked by an open turn", None),
        "n_preempted": ("opportunities after the agent had stopped", None),
        "n_false_opportunities": ("chances to interrupt falsely", None),
        "n_false": ("false interruptions", True),
        "n_turns": ("user turns", None),
        "n_premature_endpoints": ("premature endpoints", True),
        "n_endpoints": ("ends of turn", None),
        "n_onsets": ("detected onsets", None),
        "n_resumed": ("false interruptions that were resumed", False),
        "n_resumed_true": ("true interruptions that were resumed", True),
    }
    for cause in (*FALSE_KINDS, "premature_endpoint", "none"):
        words[f"n_false_{cause}"] = (f"false interruptions, cause: {KIND_LABELS[cause]}", True)
    for kind in FALSE_KINDS:
        words[f"n_false_opportunities_{kind}"] = (f"{KIND_LABELS[kind]} events", None)
    return [
        Metric(name=name, label=text, short=text, unit="", lower_is_better=lower, definition=f"Count of {text}.")
        for name, (text, lower) in words.items()
    ]


METRICS: Mapping[str, Metric] = MappingProxyType({m.name: m for m in (*_rates(), *_times(), *_counts())})
"""Every column of a settings table that can be drawn."""


def metric(name: str) -> Metric:
    """The metric of that name.

    Raises
    ------
    InvalidParameterError
        If there is none.
    """
    if name not in METRICS:
        raise InvalidParameterError("metric", f"one of {', '.join(METRICS)}", name)
    return METRICS[name]


def parameter(name: str, argument: str = "x") -> Parameter:
    """The swept parameter of that name; ``argument`` names the caller's argument in the error.

    Raises
    ------
    InvalidParameterError
        If there is none.
    """
    if name not in PARAMETERS:
        raise InvalidParameterError(argument, f"one of {', '.join(PARAMETERS)}", name)
    return PARAMETERS[name]
