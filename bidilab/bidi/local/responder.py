"""What the local model answers: scripted, or by the user's own function.

A responder is called with what the user said (``None`` when nobody transcribes) and the conversation so far, and
returns what `Reply.of` takes. It may be async: then the response is heard when it has answered, if that is later than
the response delay.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from bidilab.core.audio import Audio
from bidilab.core.audiofile import read_audio
from bidilab.core.errors import InvalidParameterError

__all__ = ["Answer", "Reply", "Responder", "ScriptedResponder", "ToolRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRequest:
    """The model wants a tool called.

    Parameters
    ----------
    name
        Which.
    input
        Its arguments by name.
    """

    name: str
    input: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One response of the model.

    Parameters
    ----------
    text
        What is said; the voice says it unless there is ``audio`` or ``length_ms``.
    audio
        What is heard.
    length_ms
        How long the agent speaks, ``> 0``, in words of the recorded voice's own. To the sample of the input stream.
    tool_calls
        Tools to be called, after what is said.

    Raises
    ------
    InvalidParameterError
        If there is nothing in it, both audio and a length, or the length is not allowed.
    """

    text: str | None = None
    audio: Audio | None = None
    length_ms: float | None = None
    tool_calls: tuple[ToolRequest, ...] = ()

    def __post_init__(self) -> None:
        if not self.text and self.audio is None and self.length_ms is None and not self.tool_calls:
            raise InvalidParameterError("reply", "text, audio, a length or tool calls", self)
        if self.audio is not None and self.length_ms is not None:
            raise InvalidParameterError("reply", "of one length: that of its audio, or length_ms", self.length_ms)
        if self.length_ms is not None and not 0 < self.length_ms < float("inf"):
            raise InvalidParameterError("length_ms", "a number of milliseconds > 0", self.length_ms)

    @classmethod
    def of(cls, answer: Answer) -> Reply:
        """The reply that an answer stands for.

        Text is said by the voice, a number is a length in milliseconds, `Audio` and a path of a file are heard.

        Raises
        ------
        InvalidParameterError
            If it stands for none.
        AudioError
            If the file cannot be read.
        """
        if isinstance(answer, Reply):
            return answer
        if isinstance(answer, str):
            return cls(text=answer)
        if isinstance(answer, ToolRequest):
            return cls(tool_calls=(answer,))
        if isinstance(answer, Audio):
            return cls(audio=answer)
        if isinstance(answer, Path):
            return cls(audio=read_audio(answer))
        if isinstance(answer, int | float) and not isinstance(answer, bool):
            return cls(length_ms=float(answer))
        raise InvalidParameterError("reply", "text, a length in ms, Audio, a Path, a ToolRequest or a Reply", answer)


Answer: TypeAlias = "Reply | str | float | Audio | os.PathLike[str] | ToolRequest"
"""What a responder may return, besides ``None`` for saying nothing."""

Responder: TypeAlias = "Callable[[str | None, Sequence[Mapping[str, Any]]], Answer | Awaitable[Answer | None] | None]"
"""Takes the transcript and the conversation, returns the answer."""


class ScriptedResponder:
    """The same answers in turn, and from the start again, whatever the user says.

    Parameters
    ----------
    answers
        At least one.

    Raises
    ------
    InvalidParameterError
        If there is none, or one is no answer.
    """

    def __init__(self, answers: Sequence[Answer]) -> None:
        if not answers:
            raise InvalidParameterError("responses", "at least one answer", answers)
        self._replies = [Reply.of(answer) for answer in answers]
        self._count = 0

    def __call__(self, transcript: str | None, history: Sequence[Mapping[str, Any]]) -> Reply:
        """The next answer."""
        del transcript, history  # a script does not listen
        self._count += 1
        return self._replies[(self._count - 1) % len(self._replies)]
