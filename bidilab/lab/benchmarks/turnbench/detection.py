"""A turn detector run on TurnBench's conversations: from its Parquet files to predictions that can be handed in.

Each speaker's channel is heard by itself, as a channel of a sweep is, so a setting does here what it does there. The
labels are not looked at: the test split will do.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import NamedTuple

from bidilab.core.audio import FloatArray
from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.core.parquetrows import parquet_rows
from bidilab.core.units import samples_to_s
from bidilab.detect.scorers import RecordingScores, ScorerLike, ScoreTrack
from bidilab.detect.scorers.asking import check_scorer_rate
from bidilab.detect.scorers.base import EndOfTurnScorer
from bidilab.detect.scorers.registry import built_scorer
from bidilab.detect.turns import EndOfTurn, ScoreWanted, Turn, TurnParams, detect_turns
from bidilab.detect.vad import VadBackend, VadLike, as_live_vad, resample
from bidilab.detect.vad.base import check_samples, lookahead_of
from bidilab.lab.benchmarks.turnbench.conversations import SPEAKERS
from bidilab.lab.benchmarks.turnbench.predictions import Predictions, predictions_of_turns

__all__ = ["Detected", "detect_conversations"]


class Detected(NamedTuple):
    """What `detect_conversations` found.

    Attributes
    ----------
    predictions : Predictions
        Of every conversation.
    durations_s : dict of str to float
        Seconds of each conversation, as `write_predictions` and `score` ask for.
    """

    predictions: Predictions
    durations_s: dict[str, float]


def detect_conversations(
    folder: str | os.PathLike[str],
    params: TurnParams | None = None,
    *,
    vad: VadLike | None = None,
    end_of_turn: EndOfTurn | None = None,
    scorer: ScorerLike | None = None,
    progress: bool = True,
) -> Detected:
    """Run a turn detector on both speakers of every conversation.

    Parameters
    ----------
    folder
        Holds the benchmark's Parquet files at any depth; or one file.
    params
        What to decide by; the defaults of `TurnParams` when not given.
    vad
        The detector of speech; Silero when not given.
    end_of_turn, scorer
        How turns end by a score, and what scores: ``"smart-turn"``, a `ScorerSpec` or a scorer. Both or neither.
    progress
        Show a progress bar.

    Raises
    ------
    DatasetError
        If there is no Parquet file, or a row's audio cannot be used; it lists every fault.
    InvalidParameterError
        If one of ``end_of_turn`` and ``scorer`` is given without the other, or the scorer does not hear what the
        detector hears.
    """
    from tqdm import tqdm

    if (end_of_turn is None) != (scorer is None):
        raise InvalidParameterError(
            "scorer", "given together with end_of_turn", scorer if end_of_turn is None else end_of_turn
        )
    backend = as_live_vad(vad).build()
    asked = None if scorer is None else _scorer(scorer, backend.sample_rate)
    columns = ("conversation_id", *(f"speaker_{speaker}_audio" for speaker in SPEAKERS))
    turns: dict[tuple[str, int], tuple[Turn, ...]] = {}
    durations: dict[str, float] = {}
    problems: list[str] = []
    for file, row in tqdm(parquet_rows(folder, columns), desc="TurnBench", unit="conversation", disable=not progress):
        name = str(row["conversation_id"])
        if name in durations:
            problems.append(f"{file}: conversation {name!r} is there twice")
            continue
        for speaker in SPEAKERS:
            try:
                samples, rate = _decoded(row[f"speaker_{speaker}_audio"])
            except (ValueError, RuntimeError, TypeError) as error:
                problems.append(f"{file}: conversation {name!r}, speaker_{speaker}: its audio cannot be used ({error})")
                continue
            durations[name] = max(durations.get(name, 0.0), samples_to_s(len(samples), rate))
            heard = resample(samples, rate, backend.sample_rate)
            turns[name, speaker] = _turns(heard, params or TurnParams(), backend, end_of_turn, asked)
    if problems:
        raise DatasetError(f"{folder}: not TurnBench's conversations", problems)
    inside = {key: _inside(found, durations[key[0]], backend.sample_rate) for key, found in turns.items()}
    return Detected(predictions_of_turns(inside, sample_rate=backend.sample_rate), durations)


def _scorer(given: ScorerLike, sample_rate: int) -> EndOfTurnScorer:
    scorer = built_scorer(given)
    if isinstance(scorer, ScoreTrack):
        raise InvalidParameterError("scorer", "a scorer: the scores of one recording are not those of others", given)
    check_scorer_rate(scorer, sample_rate)
    return scorer


def _decoded(audio: Mapping[str, bytes]) -> tuple[FloatArray, int]:
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(audio["bytes"]), dtype="float32")
    return check_samples(samples), int(rate)


def _turns(
    heard: FloatArray,
    params: TurnParams,
    backend: VadBackend,
    end_of_turn: EndOfTurn | None,
    scorer: EndOfTurnScorer | None,
) -> tuple[Turn, ...]:
    ahead = lookahead_of(backend)
    track = backend.probabilities(heard)
    if end_of_turn is None or scorer is None:
        return detect_turns(
            track,
            params,
            frame_samples=backend.frame_samples,
            sample_rate=backend.sample_rate,
            lookahead_samples=ahead,
        )
    scores, context = RecordingScores(scorer, heard, lookahead_samples=ahead), end_of_turn.context

    def answer(wanted: ScoreWanted) -> float:
        return scores.answers([wanted], context)[0]

    return detect_turns(
        track,
        params,
        frame_samples=backend.frame_samples,
        sample_rate=backend.sample_rate,
        lookahead_samples=ahead,
        end_of_turn=end_of_turn,
        scores=answer,
        scorer_latency_ms=scorer.latency_ms,
    )


def _inside(turns: tuple[Turn, ...], duration_s: float, sample_rate: int) -> tuple[Turn, ...]:
    """Turns that began by the end of the audio; one that would have ended after it has not ended, as at a flush."""
    return tuple(
        turn._replace(flushed=turn.flushed or samples_to_s(turn.stopped_at, sample_rate) > duration_s)
        for turn in turns
        if samples_to_s(turn.started_at, sample_rate) <= duration_s
    )
