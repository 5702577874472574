"""What a format finds in a corpus: recordings with their audio and who says what when, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bidilab.lab.datasets.labels import Kind, Word
from bidilab.lab.datasets.manifest import Problem
from bidilab.lab.datasets.recording import TagValue

__all__ = ["ChannelSource", "ImportFaultError", "Role", "SourceRecording", "Span", "Utterance", "shown"]

Span = tuple[float, float]
"""Start and end, seconds."""
Role = Literal["user", "agent", "other"]
"""Whose speech it is; that of ``other`` people on the user's channel is labelled ``side_speech``."""


def shown(path: Path, root: Path | None = None) -> str:
    """A path for people: relative to ``root``, with ``/``, and printable whatever bytes are in its name."""
    relative = path.relative_to(root) if root is not None and path.is_relative_to(root) else path
    return relative.as_posix().encode("utf-8", "backslashreplace").decode("utf-8")


class ImportFaultError(ValueError):
    """A source file cannot be used.

    Parameters
    ----------
    file
        Its name, as shown to people.
    line
        Where in it, from 1; ``None`` where that is not known.
    message
        What is wrong.
    """

    def __init__(self, file: str, line: int | None, message: str) -> None:
        self.problem = Problem(file=file, line=line, message=message)
        super().__init__(str(self.problem))


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """A labelled stretch of speech or sound, as a corpus gives it.

    Parameters
    ----------
    start_s, end_s
        Seconds from the start of the source audio; finite, ``0 <= start_s <= end_s``.
    speaker
        Who, by the corpus's own name; ``None`` where it does not say.
    text
        What is said, where known.
    kind
        Kind of segment where the corpus says it; ``None`` leaves it to the rules of `proposals`.
    role
        Whose it is, once that is known.
    channel
        Channel of the source audio, from 1, where the corpus says it.
    given
        Whether people or the corpus's makers set the times; ``False`` for what a recogniser put out.
    line
        Line of the label file, from 1, for messages.
    words
        Words with their times, on the same clock, where the corpus gives them; kept where it gives the kind as well.
    """

    start_s: float
    end_s: float
    speaker: str | None = None
    text: str | None = None
    kind: Kind | None = None
    role: Role | None = None
    channel: int | None = None
    given: bool = True
    line: int | None = None
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSource:
    """One channel of a source file; ``channel`` counts from 0, and samples are divided by ``full_scale``."""

    path: Path
    channel: int = 0
    full_scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecording:
    """A recording to be made.

    Parameters
    ----------
    id
        Its id in the dataset.
    user, agent
        Where the channels come from; ``agent=None`` when the agent has none of its own.
    utterances
        Labels with roles.
    label_file
        Name of the file they come from, for messages.
    mixed
        Whether the agent is heard on the user's channel because the corpus has only one.
    name
        What a UEM calls it; the id when empty.
    excluded
        Stretches that the labels exclude from scoring, seconds.
    region_s
        Part of the source audio to take, ``(start, end)`` in seconds; all when ``None``.
    tags
        For the manifest.
    notes
        What was left out of the labels or the audio, in words.
    """

    id: str
    user: ChannelSource
    agent: ChannelSource | None = None
    utterances: tuple[Utterance, ...] = ()
    label_file: str = ""
    mixed: bool = False
    name: str = ""
    excluded: tuple[Span, ...] = ()
    region_s: Span | None = None
    tags: Mapping[str, TagValue] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def known_as(self) -> str:
        """What a UEM calls it."""
        return self.name or self.id

    @property
    def files(self) -> tuple[Path, ...]:
        """The source audio files, each once."""
        paths = [self.user.path] + ([self.agent.path] if self.agent else [])
        return tuple(dict.fromkeys(paths))
