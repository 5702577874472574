"""A chosen setting on recordings that it was not chosen on: these are the numbers to report.

The best of many settings is partly the luckiest of them, so its rates on the recordings it was chosen on are too low on
average. On others, which had no say in the choice, they are not; their intervals are those of n recordings, as always.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from bidilab.core.errors import InvalidParameterError, ResultError
from bidilab.detect.turns import AdaptiveInterruption, EndOfTurn, Guards, TurnParams
from bidilab.detect.vad import detector_change
from bidilab.lab.conditions.condition import condition_label
from bidilab.lab.datasets.splitting import user_speakers
from bidilab.lab.metrics.columns import SETTINGS
from bidilab.lab.sweep.grid import CONDITION, Grid
from bidilab.lab.sweep.said import rates_in_words

if TYPE_CHECKING:
    from bidilab.lab.sweep.result import SweepResult

__all__ = ["Validation", "check_comparable", "validate_setting"]

CHOSEN_ON, VALIDATED_ON = "chosen on", "validated on"
_SHOWN = SETTINGS.names_of(
    "false_interruption_rate",
    "n_false_opportunities",
    "missed_rate",
    "n_true_opportunities",
    "latency_detected_ms_p50",
    "latency_detected_ms_p90",
    "false_per_min",
    "premature_endpoint_rate",
    "n_turns",
    "endpoint_latency_ms_p50",
    "n_resumed",
    "pause_s",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Validation:
    """What a setting does on recordings that it was not chosen on.

    Parameters
    ----------
    setting
        Row of the result that it was chosen in.
    result
        The sweep on the other recordings; ``result.settings.loc[row]`` is the setting there.
    row
        See ``result``.
    table
        Two rows, ``chosen on`` and ``validated on``: number of recordings, then columns of ``settings``.
    warnings
        Sentences on what the two sets share, and on a detector that has changed in between; empty when they are known
        to share nothing and were heard by the same detector.
    message
        The finding in words, without the warnings.
    """

    setting: int
    result: SweepResult
    row: int
    table: pd.DataFrame
    warnings: tuple[str, ...]
    message: str

    def __str__(self) -> str:
        lines = [self.message, *(f"Warning: {warning}" for warning in self.warnings)]
        return "\n".join(lines) + f"\n\n{self.table.T.to_string(float_format='{:.4g}'.format)}"

    def __repr__(self) -> str:
        return f"Validation({self.message!r}, warnings={list(self.warnings)})"

    def _repr_html_(self) -> str:
        warned = "".join(f"<p><b>Warning:</b> {html.escape(warning)}</p>" for warning in self.warnings)
        return f"<p>{html.escape(self.message)}</p>{warned}{self.table.T.to_html(float_format='{:.4g}'.format)}"


def validate_setting(result: SweepResult, setting: int, other: SweepResult) -> Validation:
    """Say what a setting does on other recordings, evaluated as the sweep that it was chosen in was.

    Parameters
    ----------
    result
        The sweep that it was chosen in.
    setting
        Row of it.
    other
        A sweep of the other recordings that holds the setting, made in the same way.

    Raises
    ------
    InvalidParameterError
        If ``other`` does not hold the setting.
    """
    row = _row_of(result, setting, other)
    shown = [c for c in _SHOWN if c in result.settings and c in other.settings]
    rows = [result.settings[shown].iloc[[setting]], other.settings[shown].iloc[[row]]]
    table = pd.concat(rows).set_axis(pd.Index([CHOSEN_ON, VALIDATED_ON], name="recordings"))
    table.insert(0, "n_recordings", [result.n_recordings, other.n_recordings])
    return Validation(
        setting=setting,
        result=other,
        row=row,
        table=table,
        warnings=(*_detectors(result, other), *_overlap(result, other)),
        message=_describe(table, other.dataset_name) + _condition_words(result, setting),
    )


def _condition_words(result: SweepResult, setting: int) -> str:
    if len(result.conditions) < 2:
        return ""
    condition = str(result.settings.loc[setting, CONDITION])
    return f" That is under the condition {condition!r} alone, of {len(result.conditions)} that were chosen for."


def check_comparable(result: SweepResult, on: SweepResult) -> None:
    """Check that a setting chosen in one sweep can be looked up in another.

    Raises
    ------
    InvalidParameterError
        If ``on`` is a sweep of another detector (or of other weights of it), provider or evaluation.
    ResultError
        If ``on`` was evaluated by another rule than today's.
    """
    if on.outdated:
        raise ResultError(f"no setting can be validated on this sweep. {on.outdated}")
    ours, theirs = result.meta, on.meta
    same = {
        "provider": (result.provider, on.provider),
        "detector": (_detector(result), _detector(on)),
        "evaluation": (ours["protocol"], theirs["protocol"]),
        "end-of-turn scorer": (_scorer(result, "eot"), _scorer(on, "eot")),
        "interruption scorer": (_scorer(result, "interrupt"), _scorer(on, "interrupt")),
    }
    for name, (wanted, found) in same.items():
        if wanted != found:
            raise InvalidParameterError("validate_on", f"a sweep with the same {name} ({wanted})", found)


def _detector(result: SweepResult) -> str:
    """What the numbers depend on: where the weights lie on the disk is no part of it."""
    vad = result.meta["vad"]
    return f"{result.detector}, {vad['sample_rate']} Hz, {vad['frame_samples']} samples per frame, {vad['version']}"


def _scorer(result: SweepResult, name: str) -> str:
    """A scorer: a threshold means something for the scores of one version only."""
    facts = result.meta.get(name)
    return "none" if facts is None else f"{facts['name']} {facts['version']}, {facts['context']} as context"


def _detectors(result: SweepResult, other: SweepResult) -> tuple[str, ...]:
    change = detector_change(result.vad, result.meta["vad"]["version"], other.meta["vad"]["version"])
    if not change:
        return ()
    return (f"the setting was chosen under another detector than it is validated under: {change}.",)


def _row_of(result: SweepResult, setting: int, other: SweepResult) -> int:
    wanted = _identity(result.grid, setting)
    found = [k for k in range(len(other.grid)) if _identity(other.grid, k) == wanted]
    if not found:
        params, end_of_turn, guards, adaptive, condition = wanted
        speech = "" if result.grid.min_speech_ms is None else f", min_speech_ms={params.min_speech_ms:g}"
        ending = "".join(f" and {each}" for each in (end_of_turn, adaptive) if each is not None)
        under = f" under {condition}" if result.grid.has_conditions else ""
        allowed = f"a sweep that holds {result.grid[setting]}{speech} with {guards}{ending}{under}"
        raise InvalidParameterError("validate_on", allowed, other.grid)
    return found[0]


def _identity(
    grid: Grid, setting: int
) -> tuple[TurnParams, EndOfTurn | None, Guards, AdaptiveInterruption | None, str]:
    """What makes a setting the same in another grid of the same provider."""
    condition, adaptive = condition_label(grid.condition(setting)), grid.adaptive(setting)
    return grid.params(setting), grid.end_of_turn(setting), grid.guards(setting), adaptive, condition


def _overlap(result: SweepResult, other: SweepResult) -> tuple[str, ...]:
    try:
        ours, theirs = list(result.dataset), list(other.dataset)
    except ResultError as error:
        return (f"whether the two sets share recordings or speakers cannot be told: {error}",)
    audio = {recording.sha256 for recording in ours}
    shared = [recording.id for recording in theirs if recording.sha256 in audio]
    warnings = []
    if shared:
        warnings.append(
            f"{len(shared)} of the {len(theirs)} recordings validated on are among those chosen on "
            f"({_few(shared)}): they had a say in the choice, and the numbers are too good."
        )
    speakers = frozenset().union(*map(user_speakers, ours)) & frozenset().union(*map(user_speakers, theirs))
    if speakers:
        warnings.append(
            f"{_count(len(speakers), 'speaker')} of the user's side in both sets ({_few(sorted(speakers))}): the "
            "numbers are for users like these, not for others (dataset.split(by='speaker') keeps them apart)."
        )
    return tuple(warnings)


def _count(n: int, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _describe(table: pd.DataFrame, name: str) -> str:
    before, after = (row for _, row in table.loc[[CHOSEN_ON, VALIDATED_ON]].iterrows())
    n = int(after["n_recordings"])
    said = rates_in_words(after, before, n, beside="where it was chosen")
    return f"Validated on {_count(n, 'recording')} of {name}: {said or 'no events to judge by'}."
