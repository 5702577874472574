"""A recording heard by an agent that was written for Strands."""

from __future__ import annotations

import os
from typing import Any

from bidilab.bidi.providers.strands.model import StrandsAgentModel
from bidilab.lab.sessions.replay import Replay, replay
from bidilab.lab.sessions.source import SourceLike

__all__ = ["record_strands"]


def record_strands(
    agent: Any,
    recording: SourceLike,
    *,
    out: str | os.PathLike[str] | None = None,
    chunk_ms: float = 20.0,
    tail_ms: float | None = None,
    progress: bool = False,
) -> Replay:
    """Let a Strands agent hear a recording in real time, and write down everything that happened.

    Both generations are taken: ``strands.bidi`` (strands-agents 1.58 and later) and ``strands.experimental.bidi`` (1.54
    to 1.57). The agent keeps its model, tools and hooks; `StrandsAgentModel` says what of its session is known and what
    Strands does not pass on. To talk to it instead, or to run it beside other outputs, give a `StrandsAgentModel` to a
    `bidilab.bidi.BidiAgent`.

    Parameters
    ----------
    agent
        A Strands ``BidiAgent``, not started. It is stopped when this returns.
    recording
        As in `replay`: an audio file (its first channel is the user), ``"DATASET#recording-id"``, `Audio` or a
        `Recording`, whose labels judge the interruptions.
    out
        Folder to write to (`Replay.save`); the journal is written there as things happen.
    chunk_ms
        Length of the chunks in which the recording is heard.
    tail_ms
        Silence after the recording, by default 2 s.
    progress
        Whether to show a bar of seconds.

    Returns
    -------
    Replay
        As of our own agents. Strands does not tell where speech began, so there are no turns, and interruptions are
        judged by when they were told (`bidilab.lab.sessions.verdicts`).

    Raises
    ------
    InvalidParameterError
        If a parameter is not allowed.
    AudioError, DatasetError
        If the recording cannot be read.
    Exception
        What the Strands agent raises: when it cannot connect, or when its session fails.

    Examples
    --------
    >>> made = record_strands(agent, "call.wav")  # doctest: +SKIP
    >>> made.log.interruptions()  # doctest: +SKIP
    """
    model = StrandsAgentModel(agent)
    return replay(recording, model, clock="real", out=out, chunk_ms=chunk_ms, tail_ms=tail_ms, progress=progress)
