"""One recording played to models of several providers, compared in one table."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bidilab.bidi.local.decider import TurnDetection
from bidilab.core.errors import InvalidParameterError, MissingExtraError, ProviderError
from bidilab.detect.turns import ProviderParams
from bidilab.lab.metrics.columns import MODELS, lists_columns
from bidilab.lab.sessions.replay import ModelName, Replay, model_names, replay
from bidilab.lab.sessions.source import Source, SourceLike

__all__ = ["ModelComparison", "compare_models"]

_OUTCOMES = ("detected", "false", "continued", "missed", "unheard")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelComparison:
    """Sessions of several providers' models with one recording.

    Parameters
    ----------
    name
        Name of the recording.
    models
        Names, in order.
    replays
        By name, for models that ran a session.
    problems
        By name, for models that ran none: what is missing, or what the provider refused, in words.
    """

    name: str
    models: tuple[ModelName, ...]
    replays: Mapping[str, Replay]
    problems: Mapping[str, str]

    def __getitem__(self, model: str) -> Replay:
        """The replay of a model.

        Raises
        ------
        KeyError
            If it held no session; the message says why.
        """
        if model not in self.replays:
            raise KeyError(f"{model}: {self.problems.get(model, 'not among the models compared')}")
        return self.replays[model]

    @property
    @lists_columns(MODELS)
    def table(self) -> pd.DataFrame:
        """One row per model. Unknown values are missing, never 0."""
        rows = [_row(self.replays[name]) if name in self.replays else {} for name in self.models]
        for name, row in zip(self.models, rows, strict=True):
            row.update(model=name, problem=self.problems.get(name))
        return MODELS.frame(rows)

    @property
    def summary(self) -> str:
        """One line: how many models ran a session."""
        return f"{self.name}: {len(self.replays)} of {len(self.models)} models held a session"

    def __repr__(self) -> str:
        return f"ModelComparison {self.summary}\n{self.table.to_string(index=False)}"

    def _repr_html_(self) -> str:
        with pd.option_context("display.max_colwidth", None):
            return f"<b>ModelComparison</b> {html.escape(self.summary)}{self.table.to_html(index=False)}"


def compare_models(
    recording: SourceLike,
    models: Sequence[ModelName] | None = None,
    *,
    turn_detection: Mapping[str, TurnDetection | ProviderParams] | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> ModelComparison:
    """Play one recording to models of several providers, one after the other.

    The local model runs on the virtual clock, the others in real time. A provider without its key or its extra, one
    that refuses the session, and one that cannot be reached do not end the comparison: the table says in words what is
    missing.

    Parameters
    ----------
    recording
        As in `replay`.
    models
        Names; by default all: ``"local"``, ``"openai"``, ``"gemini"``, ``"nova"`` and what else is registered.
    turn_detection
        By name, as `replay` takes it for that model. A model that is left out uses its own default; the defaults
        differ.
    out
        Folder to write to, a folder in it for each model.
    progress
        Whether to show a bar of seconds.

    Raises
    ------
    InvalidParameterError
        If a parameter is not allowed.
    AudioError, DatasetError
        If the recording cannot be read.

    Examples
    --------
    >>> compare_models("call.wav", turn_detection={"openai": ServerVad(threshold=0.6)}).table  # doctest: +SKIP
    """
    known = model_names()
    names = known if models is None else tuple(models)
    if isinstance(models, str) or not names or len(set(names)) < len(names) or set(names) - set(known):
        raise InvalidParameterError("models", f"different names of {', '.join(known)}", models)
    settings = dict(turn_detection or {})
    if unknown := settings.keys() - set(names):
        raise InvalidParameterError("turn_detection", f"settings of {', '.join(names)}", sorted(unknown))
    source = Source.of(recording)  # what cannot be read is no problem of a provider
    replays: dict[str, Replay] = {}
    problems: dict[str, str] = {}
    for name in names:
        try:
            replays[name] = replay(
                recording,
                name,
                clock="virtual" if name == "local" else "real",
                turn_detection=settings.get(name),
                out=None if out is None else Path(out) / name,
                progress=progress,
            )
        except (MissingExtraError, ProviderError) as error:
            problems[name] = str(error)
    return ModelComparison(name=source.name, models=names, replays=replays, problems=problems)


def _row(made: Replay) -> dict[str, Any]:
    cuts, judged = made.log.interruptions(), made.interruptions
    row: dict[str, Any] = {
        "detector": made.detector,
        "n_responses": len(made.log.responses()),
        "n_interruptions": len(cuts),
    }
    if made.segments:
        row |= {f"n_{outcome}": int((judged["outcome"] == outcome).sum()) for outcome in _OUTCOMES}
        hits = judged[judged["outcome"] == "detected"]
        row |= {name: _median(hits[name]) for name in ("latency_ms", "event_latency_ms")}
    return row | {"heard_ms": _median(cuts["heard_ms"])}


def _median(values: pd.Series[float]) -> float | None:
    known = values.dropna()
    return None if known.empty else float(known.median())
