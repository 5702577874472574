"""The controls of the player: what can be moved, how far, and what has to be said beside it."""

from __future__ import annotations

from typing import Any

from bidilab.detect.turns import TurnParams
from bidilab.detect.turns.params import default_deactivation_threshold
from bidilab.show.plots.metrics import PARAMETERS
from bidilab.show.widgets.replay.subject import Subject

__all__ = ["SLIDERS", "controls_data"]

SLIDERS = {"threshold": (0.0, 1.0, 0.01), "prefix_padding_ms": (0, 1000, 10), "silence_duration_ms": (0, 2000, 10)}
"""Least, greatest and step of each slider; a setting beyond them widens its slider."""


def controls_data(subject: Subject, start: TurnParams) -> dict[str, Any]:
    """What ``static/replay.js`` builds its controls from.

    ``sliders``: by parameter ``label, unit, least, greatest, step, start``; ``evaluations``: the possible ones, none
    where no setting can be tried; ``notes``: sentences.
    """
    sliders = {}
    for name, (least, greatest, step) in SLIDERS.items():
        value = getattr(start, name)
        sliders[name] = {
            "label": PARAMETERS[name].label,
            "unit": PARAMETERS[name].unit,
            "least": least,
            "greatest": max(greatest, value),
            "step": step,
            "start": value,
        }
    # A deactivation threshold of its own does not follow: the threshold cannot go below it.
    if start.deactivation_threshold != default_deactivation_threshold(start.threshold):
        sliders["threshold"]["least"] = start.deactivation_threshold
    return {"sliders": sliders, "evaluations": list(subject.evaluations), "notes": _notes(subject)}


def _notes(subject: Subject) -> list[str]:
    notes = []
    if not subject.evaluations:
        notes.append("A log holds no audio: give audio=… to hear it and to try other settings.")
    elif not subject.labelled:
        notes.append("Nothing is labelled on the user's side: interruptions are shown without a verdict.")
    if subject.found_responses:
        notes.append("The agent's responses were found on its channel by the VAD.")
    return notes
